"""What is said of samples while a model is still being sampled: a verdict, and their reference
nats.

In: samples (ids), the texts they continue, a detector and a reference model. Out: rows as
`choice.decide` reads them. The other figures of a sample are survey.py's, and need no model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurrence.loops import windows
from recurrence.loops.verdict import Detector
from recurrence.model import LanguageModel
from recurrence.reference import Text, nats_per_token
from recurrence.repetition.metrics import measure
from recurrence.study.choice import REPETITION

Ints = NDArray[np.integer[Any]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Screening:
    """Verdicts and reference nats of a sample's first `length` tokens."""

    detector: Detector
    reference: LanguageModel
    device: torch.device
    spell: Callable[[Sequence[int]], str]
    """The text of ids."""
    length: int

    def rows(self, prompts: Sequence[Ints], samples: Sequence[Ints]) -> list[Row]:
        """kind, reference_nats and REPETITION of each sample after its prompt."""
        heads = [ids[: self.length] for ids in samples]
        spelled = [self.spell(ids.tolist()) for ids in heads]
        verdicts = self.detector.judge_all(heads, spelled)
        texts = [Text(*pair) for pair in zip(prompts, heads, strict=True)]
        nats = nats_per_token(self.reference, texts, self.device)
        found = []
        for verdict, cost, ids, text in zip(verdicts, nats.tolist(), heads, spelled, strict=True):
            figures = measure(ids, text)
            row: Row = {"kind": verdict.kind, "reference_nats": cost}
            found.append(row | {name: figures[name] for name in REPETITION})
        return found

    def human(self, text: Ints, at_most: int, before: int) -> list[Row]:
        """The same of windows of people's text, each after the `before` tokens that stand before
        it.
        """
        places = windows(np.arange(len(text)), self.length, at_most)
        prompts = [text[max(place[0] - before, 0) : place[0]] for place in places]
        return self.rows(prompts, [text[place] for place in places])
