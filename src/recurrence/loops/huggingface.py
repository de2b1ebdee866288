"""Stop Hugging Face `generate` where a row loops: for `generate(...,
stopping_criteria=[LoopStoppingCriteria()])`.

In: the ids that `generate` shows its stopping criteria. Out: a flag per row. Needs transformers
(extra `huggingface`).
"""

from typing import Any

import torch
from torch import Tensor

from recurrence.loops.online import OnlineDetector

try:
    from transformers import StoppingCriteria
except ImportError as error:
    raise ImportError(
        "LoopStoppingCriteria needs transformers: pip install 'recurrence-lab[huggingface]'"
    ) from error

#   B = rows, T = tokens so far, prompt included


class LoopStoppingCriteria(StoppingCriteria):
    """Ends each row at the token that makes what it generated an exact loop (`OnlineDetector`); the
    prompt is no part.

    `floor`: least evidence, in tokens; default: 20. `pad_token_id`: what `generate` fills up rows
    with that ended; give it where rows are many: padding does not count as a loop then, and rows
    that end by a loop are filled up, too (without it they are so only where there is an
    end-of-sequence token). `prompt_tokens`: how many ids come before those generated; default: all
    but the last one of the first call, which is right unless an assistant model drafts several at
    once. Of beams, each that loops is ended and the others go on. One object may serve many calls
    of `generate`, one after the other.
    """

    def __init__(
        self,
        floor: int | None = None,
        pad_token_id: int | None = None,
        prompt_tokens: int | None = None,
    ) -> None:
        self.floor, self.pad_token_id, self.prompt_tokens = floor, pad_token_id, prompt_tokens
        if pad_token_id is not None:
            self.eos_token_id = (
                None  # a criterion with this attribute makes `generate` fill up rows that ended
            )
        self.detector = OnlineDetector(0, "token", floor)
        """A lane per row of the latest call: `fired`, `start` (counted from the end of the prompt),
        `period`.
        """
        self._prompt = 0
        self._seen_BT = torch.zeros(0, 0, dtype=torch.int64)

    def __call__(self, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Tensor:
        """Whether each row is to end, from ids_BT."""
        known = self._known(input_ids)
        for ids_B in input_ids[:, known:].T.tolist():
            self.detector.update(ids_B)
        self._seen_BT = input_ids.clone()
        return torch.from_numpy(self.detector.fired.copy()).to(input_ids.device)

    def _known(self, ids_BT: Tensor) -> int:
        """How many columns the detector has been told, or need not be; it starts anew where rows
        are not the same.
        """
        seen_BT = self._seen_BT
        length = seen_BT.shape[1]
        goes_on = seen_BT.shape[0] == ids_BT.shape[0] and length < ids_BT.shape[1]
        if goes_on and torch.equal(ids_BT[:, :length], seen_BT):
            return length
        if not (
            goes_on and torch.equal(ids_BT[:, : self._prompt], seen_BT[:, : self._prompt])
        ):  # not beams reordered
            self._prompt = ids_BT.shape[1] - 1 if self.prompt_tokens is None else self.prompt_tokens
        self.detector = OnlineDetector(len(ids_BT), "token", self.floor, self.pad_token_id)
        return self._prompt
