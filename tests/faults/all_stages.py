"""Runs every stage but `track` in this process, and writes what `track` would log; prints the time
and its zone.

The project is what RECURRENCE_ROOT, or the current folder, says. Wall facts, which may differ, are
replaced by the same ones each time, so that what reads them can be compared.
"""

import json
import time
from importlib import import_module

ROW = {"seconds": "1.50", "device": "cpu", "started": "2026-01-01T00:00:00"}
BY_CORPUS = ("download", "split", "build_vocab", "numericalize", "calibrate")
BY_MODEL = (("train", "evaluate"), ("generate", "detect_loops"))
MODELS = ("mine-rnn", "mine-unigram")


def main() -> None:
    for stage in BY_CORPUS:
        import_module(f"recurrence.stages.{stage}").main("mine")
    from recurrence import machine, paths
    from recurrence.files import write_text
    from recurrence.stages import track

    for stages in BY_MODEL:
        for model in MODELS:
            for stage in stages:
                import_module(f"recurrence.stages.{stage}").main(model)
            row = dict.fromkeys(machine.COLUMNS, "") | ROW | {"stage": "train", "key": model}
            machine.put("mine", row)
    import_module("recurrence.stages.report").main("mine")
    records = [repr(each) for each in track._records("mine")]
    write_text(paths.root() / "data/records.txt", "\n".join(records))
    print(json.dumps([time.time(), time.tzname]))


if __name__ == "__main__":
    main()
