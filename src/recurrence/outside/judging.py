"""Continuations -> the same figures, choice and page as of a model of ours. By characters
throughout.

The text of a sample is judged, not its tokens, and what it costs is nats per character of it under
the model itself: so models with other vocabularies compare, with each other and with ours on
characters. A model is one net here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurrence import params
from recurrence.loops import windows
from recurrence.loops.verdict import DETECTORS, Detector
from recurrence.outside.continuations import Continuation, Outside, Reading
from recurrence.outside.strategies import PURE
from recurrence.params import Strategy
from recurrence.repetition.metrics import Training, words_of
from recurrence.results.corpus import HUMAN, ModelResults, Results
from recurrence.study.calibration import Human as HumanText
from recurrence.study.calibration import calibrated
from recurrence.study.choice import REPETITION, Choice, Human, Plan, human_text
from recurrence.study.rates import rates
from recurrence.study.survey import survey

Ints = NDArray[np.integer[Any]]
Row = dict[str, Any]
NET = 0
MOST_WINDOWS = 200
UNIT = "char"


class Characters:
    """Texts as ids, a number for each character that occurs; the same text has the same ids."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def ids(self, text: str) -> Ints:
        """A number for each character of a text."""
        return np.array([self.index.setdefault(c, len(self.index)) for c in text], np.int32)

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(self.index)

    def spell(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        tokens = self.tokens
        return "".join(tokens[i] for i in ids)


@dataclass(frozen=True)
class Sampled:
    """One continuation, and where it comes from."""

    strategy: str
    prompt_id: int
    prompt: str
    fresh: bool
    made: Continuation


@dataclass
class Study:
    """What is studied: a model, its strategies, and people's text to hold it against, if any."""

    model: Outside
    blocks: Mapping[str, Strategy]
    detector: Detector
    characters: Characters
    human_text: str = ""
    reading: Reading | None = None
    bound: float = 0.03
    window: int = 1
    """Characters of a stretch of people's text that is judged as a sample is."""

    def rows(self, samples: Sequence[Sampled], length: int) -> list[Row]:
        """A row for each sample: its verdict, metrics and nats, as `rates` and `decide` read
        them.
        """
        ids = [self.characters.ids(each.made.text) for each in samples]
        train = self.characters.ids(self.human_text)
        words = words_of(self.human_text) if self.human_text else None
        found = survey(ids, self.characters.spell, self.detector, Training(train, words), length)
        return [
            self._known(*each) | row for each, row in zip(enumerate(samples), found, strict=True)
        ]

    def _known(self, number: int, sample: Sampled) -> Row:
        block = self.blocks[sample.strategy]
        made = sample.made
        nats = made.nats / len(made.text) if made.nats is not None and made.text else None
        return {
            "sample_id": f"{sample.strategy}/{sample.prompt_id}/{NET}/0",
            "strategy": sample.strategy,
            "prompt_id": sample.prompt_id,
            "train_seed": NET,
            "sample_seed": 0,
            "fresh": sample.fresh,
            "deterministic": block.search is not None or block.pick == "argmax",
            "uses_history": self.model.uses_history(block),
            "rescued": made.rescued,
            "witness_period": None,
            "agrees": None,
            "reference_nats": nats,
        }

    def people(self, length: int) -> list[Row]:
        """The same of windows of people's text of `length` characters; none where there is too
        little.
        """
        if len(self.human_text) < length:
            return []
        ids = self.characters.ids(self.human_text)
        places = windows(np.arange(len(ids)), length, MOST_WINDOWS)
        texts = [ids[place] for place in places]
        words = Training(ids, words_of(self.human_text))
        found = survey(texts, self.characters.spell, self.detector, words, length)
        return [
            _of_people(i, self._nats(int(place[0]), length)) | row
            for (i, place), row in zip(enumerate(places), found, strict=True)
        ]

    def _nats(self, start: int, length: int) -> float | None:
        """Nats per character of a stretch of people's text: of all tokens that begin in it."""
        if self.reading is None:
            return None
        first, last = np.searchsorted(self.reading.starts, [start, start + length])
        return float(sum(self.reading.nats[first:last])) / length

    def human(self, rows: Sequence[Row], length: int) -> Human | None:
        """What a setting must be like to be recommended; None without people's text or nats."""
        nats = [row["reference_nats"] for row in rows if row["reference_nats"] is not None]
        recycling = [row["kind"] == "recycling" for row in rows]
        bands = {name: {"high": _high([row[name] for row in rows])} for name in REPETITION}
        return human_text(nats, recycling, bands)

    def plan(self, prompts: int, first: int, candidates: int = 6) -> Plan:
        """All prompts after the first pass are for confirming."""
        return Plan(
            (NET,),
            tuple(range(first)),
            tuple(range(first, prompts)),
            self.bound,
            candidates,
            prompts,
        )


def detector_for(text: str, length: int, characters: Characters) -> Detector:
    """The limits above what people's text shows in windows of so many characters; without a text
    the usual ones.
    """
    usual = replace(DETECTORS[UNIT], length=length)
    if len(text) < 2 * length:
        return usual
    ids = characters.ids(text)
    return calibrated(usual, HumanText(ids, ids, characters.spell), length)


def results(
    study: Study,
    samples: Sequence[Sampled],
    rows: Sequence[Row],
    people: Sequence[Row],
    choice: Choice | None,
    exact: Mapping[str, Any],
) -> Results:
    """What the pages of `reporting` show, from samples and windows of people's text with their
    rows.
    """
    length = max(1, *(len(each.made.text) for each in samples))
    first = [i for i, each in enumerate(samples) if not each.fresh]
    ids = [study.characters.ids(samples[i].made.text) for i in first]
    human_ids = _windows(study, study.window) if people else []
    reference = PURE if PURE in study.blocks else None
    found = rates([rows[i] for i in first] + list(people), ids + human_ids, length, reference)
    name = study.model.name
    loops = {
        "floor": study.detector.floor,
        "unit": UNIT,
        "length": length,
        "prompts_digest": "",
        "reference": f"{name} itself",
        "choice": choice.tree() if choice else None,
    }
    texts = [samples[i] for i in first]
    table = pd.DataFrame([
        rows[i] | {"prompt": each.prompt, "text": each.made.text, "ids": own}
        for i, each, own in zip(first, texts, ids, strict=False)
    ])  # fmt: skip
    model = ModelResults(
        name=name,
        counts=False,
        net=study.model.about,
        scores=dict(exact),
        history=pd.DataFrame(columns=["seed", "protocol"]),
        samples=table,
        human_nats=tuple(
            row["reference_nats"] for row in people if row["reference_nats"] is not None
        ),
        loops=loops,
        rates=found,
        tokens=study.characters.tokens,
        config={},
        absent=(),
    )
    prompts = {sample.prompt for sample in samples}
    longest = max((len(prompt) for prompt in prompts), default=1)
    return Results(
        corpus=name,
        unit=UNIT,
        counts=_counts(study, prompts),
        models=(model,),
        missing=(),
        floor=study.detector.floor,
        card=None,
        blocks=dict(study.blocks),
        prompts=params.Prompts(prompt_tokens=max(longest, 1), length=max(length, 1)),
        reference=reference,
        about=_about(study, len(first)),
    )


def _about(study: Study, samples: int) -> str:
    """The head of the page."""
    text = (
        f"{study.model.about}: {samples} texts under {len(study.blocks)} decoding strategies. "
        f"Everything is counted "
    )
    text += "in characters, whatever the model's own tokens are"
    if study.reading is not None:
        text += "; what a text costs is nats per character under the model itself"
    return f"{text}."


def exact_of(reading: Reading | None, text: str) -> dict[str, Any]:
    """What `evaluate` says of a net, by characters: sums over the whole text, whatever the model's
    own tokens.
    """
    nats = float("nan")
    if reading is not None:
        nats = sum(reading.nats) / len(text)
    exact = {
        "nats": nats,
        "nats_sd": None,
        "bits_per_char": nats / np.log(2),
        "perplexity": float(np.exp(nats)),
        "accuracy": float("nan"),
        "tokens": len(reading.nats) - 1 if reading else 0,
    }
    seed = {"seed": NET, "exact": exact, "as_notebook": None}
    empty = dict.fromkeys(("as_notebook", "notebook", "delta", "repetition"))
    return {"parameters": None, "seeds": [seed], "exact": exact, **empty}


def typical_length(samples: Sequence[Sampled]) -> int:
    """Characters of a sample: the median, to which people's text is cut."""
    return max(int(median(len(each.made.text) for each in samples)), 1)


def _windows(study: Study, length: int) -> list[Ints]:
    ids = study.characters.ids(study.human_text)
    return [ids[place] for place in windows(np.arange(len(ids)), length, MOST_WINDOWS)]


def _of_people(number: int, nats: float | None) -> Row:
    """What is known of a window before it is judged."""
    absent = ("prompt_id", "train_seed", "sample_seed", "deterministic", "uses_history")
    row: Row = dict.fromkeys((*absent, "witness_period", "agrees"))
    named = {"sample_id": f"{HUMAN}/valid/{number}", "strategy": HUMAN, "fresh": False}
    return row | named | {"rescued": 0, "reference_nats": nats}


def _high(values: Sequence[float]) -> float | None:
    """The 97.5 % point; None where no value is a number."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.percentile(known, 97.5)) if known else None


def _counts(study: Study, prompts: set[str]) -> dict[str, Any]:
    """Of people's text, and of the prompts."""

    def of(text: str) -> dict[str, Any]:
        return {
            "tokens": len(text),
            "characters": len(text),
            "lines": text.count("\n"),
            "unk_rate": 0.0,
        }

    own = of(study.human_text)
    return {
        "vocab": len(study.characters.tokens),
        "train": of("".join(sorted(prompts))),
        "valid": own,
    }
