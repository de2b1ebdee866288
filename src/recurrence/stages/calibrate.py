"""calibrate: a corpus's own ids -> its detector card: limits, false alarms, recall of planted
loops, human bands.
"""

from dataclasses import replace

import numpy as np

from recurrence import params, paths
from recurrence.console import progress, say
from recurrence.files import md5, write_json
from recurrence.loops.verdict import DETECTORS
from recurrence.study.calibration import Human, detector_card
from recurrence.study.planted import GRID
from recurrence.vocab import Vocab


def main(corpus: str) -> None:
    """Measure the detector on text that people wrote, and on the same text with loops planted in
    it.
    """
    length, trials = params.corpus(corpus).prompts.length, params.protocol().card_trials
    vocab, folder = Vocab.load(paths.vocab(corpus)), paths.ids(corpus)
    human = Human(
        np.load(folder / "train.npy"), np.load(folder / "valid.npy"), vocab.decode, vocab.unk
    )
    least = params.for_unit(params.load().loops.floor, vocab.unit)
    default = replace(DETECTORS[vocab.detected_as], floor=least, near_floor=least)
    with progress(f"detector card of {corpus}", trials * len(GRID), "planted texts") as advance:
        made = detector_card(human, default, length, trials, advance)
    made["ids_md5"] = {path.name: md5(path) for path in sorted(folder.iterdir())}
    write_json(paths.calibration(corpus), made)

    found, alarms = made["detector"], made["human"]["valid"]["false_positives"]
    told = ", ".join(f"{name} {r['found']}/{r['trials']}" for name, r in made["recall"].items())
    say(
        f"calibrate {corpus}: floors {found['floor']} and {found['near_floor']} {vocab.unit}s; "
        f"planted loops found: "
        f"{told}; false alarms in {made['human']['valid']['windows']} held-out windows: "
        f"{alarms['exact']} exact, {alarms['near']} near, {alarms['recycling']} recycling"
    )
