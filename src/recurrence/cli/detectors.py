"""The detectors that the options of `recurrence loops` ask for."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recurrence import paths
from recurrence.cli.asked import MOST_TOKENS
from recurrence.errors import RecurrenceError, command
from recurrence.files import read_json

if TYPE_CHECKING:
    from recurrence.loops.verdict import Detector
    from recurrence.scan.findings import AnyDetector


def loop_kinds(fail_on: str) -> frozenset[str]:
    """The kinds that count as loops."""
    from typing import get_args

    from recurrence.loops.verdict import Kind

    asked = [kind.strip() for kind in fail_on.split(",") if kind.strip()]
    known = [kind for kind in get_args(Kind) if kind != "none"]
    if wrong := [kind for kind in asked if kind not in known]:
        raise RecurrenceError(f"--fail-on {wrong[0]}: must be some of {', '.join(known)}")
    return frozenset(asked)


def detectors(
    corpus: str | None, unit: str | None, floor: int | None, rules: dict[str, Any]
) -> tuple[dict[str, "AnyDetector"], str | None]:
    """The detector of each unit, and the unit to be read: with a corpus, only its own."""
    from recurrence.loops.agents import EVENT_FLOOR
    from recurrence.loops.texts import TextDetector
    from recurrence.loops.verdict import DETECTORS, Detector

    if not corpus:
        text = TextDetector(floor=floor, **rules)
        token = _with_floor(DETECTORS["token"], floor)
        least = floor if floor and unit == "event" else EVENT_FLOOR
        event = Detector("event", floor=least, near_floor=MOST_TOKENS)
        return {"char": text, "word": text, "token": token, "event": event}, unit
    if given := [name for name, value in rules.items() if value]:
        option = given[0].replace("_", "-")
        raise RecurrenceError(
            f"--{option}: is for texts without a corpus, got --corpus {corpus}; leave one out"
        )
    detector = _of_card(corpus)
    if unit not in (None, detector.unit):
        raise RecurrenceError(
            f"--unit {unit}: the calibration of {corpus} is for {detector.unit}; leave one out"
        )
    return {detector.unit: _with_floor(detector, floor)}, detector.unit


def _with_floor(detector: "Detector", floor: int | None) -> "Detector":
    if not floor:
        return detector
    return replace(detector, floor=floor, near_floor=max(detector.near_floor, floor))


def _of_card(corpus: str) -> "Detector":
    from recurrence import params
    from recurrence.study.calibration import detector_of

    path = paths.calibration(corpus)
    if not path.is_file():
        params.corpus(corpus)  # names the nearest where there is none of this name
        raise RecurrenceError(
            f"{path}: not there; measure it first: "
            f"{command('recurrence', 'repro', f'calibrate@{corpus}')}"
        )
    card = read_json(path)
    try:
        return detector_of(card)
    except (KeyError, TypeError) as error:
        raise RecurrenceError(
            f"{path}: no calibration of this version; run: "
            f"{command('recurrence', 'repro', f'calibrate@{corpus}')}"
        ) from error
