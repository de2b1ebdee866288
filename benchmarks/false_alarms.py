"""How often the default detectors take people's text for a loop: windows of whole corpora, laid end to end in ten ways.

Per 1,000 windows of as many tokens as the detector is for, of the first 5,000,000 characters of what the pipeline has
downloaded (`dvc repro`, or `dvc pull`, first). Not all of these are mistakes: people paste a paragraph twice and write
lists. `--show` prints a passage of each near loop.
"""

import sys
from collections.abc import Sequence
from functools import partial

from recurrence import corpora, params, paths
from recurrence.loops import DETECTORS
from recurrence.scan.samples import of_text
from recurrence.study.calibration import KINDS, Human

MOST = 5_000_000
TEXTS = ("nietzsche_cased", "imdb", "wikitext2")


def spelled(names: Sequence[str | int] | None, ids: Sequence[int]) -> str:
    """The text of characters, or of words."""
    return "".join(map(chr, ids)) if names is None else " ".join(str(names[i]) for i in ids)


def main() -> None:
    print(
        f"{'text':<17} {'unit':<5} {'windows':>8} "
        + " ".join(f"{kind:>9}" for kind in KINDS)
        + "  per 1,000"
    )
    for corpus in TEXTS:
        text = "".join(corpora.read(params.corpus(corpus).source, paths.raw(corpus)).values())[
            :MOST
        ]
        for unit in ("char", "word"):
            detector, sample = DETECTORS[unit], of_text(text, corpus, unit)
            spell = partial(spelled, sample.names)
            human = Human(sample.ids, sample.ids[:0], spell)
            counts, windows, passages = dict.fromkeys(KINDS, 0), 0, {}
            for way in human.layings(sample.ids, detector.length):
                windows += len(way)
                for ids, verdict in zip(
                    way, detector.judge_all(way, human.texts(way)), strict=True
                ):
                    if verdict.kind == "none":
                        continue
                    counts[verdict.kind] += 1
                    if verdict.kind == "near":
                        end = verdict.start + round(verdict.period * verdict.copies)
                        passages.setdefault(
                            verdict.attractor, spell(ids[verdict.start : end].tolist())
                        )
            rates = " ".join(f"{1000 * counts[kind] / windows:9.2f}" for kind in KINDS)
            print(f"{corpus:<17} {unit:<5} {windows:8,} {rates}", flush=True)
            if "--show" in sys.argv:
                for passage in passages.values():
                    print(f"    {passage[:300]!r}")


if __name__ == "__main__":
    main()
