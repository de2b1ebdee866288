"""Our filters in Hugging Face: `generate(..., logits_processor=logits_processors(...))`.

In: the ids and scores that `generate` shows its logits processors. Out: new scores. Needs
transformers (extra `huggingface`).
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn

from recurrence.decoding.filters.contract import NO_NUMBERS, Filter, Running, Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.strategies import known
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, State
from recurrence.params import Tokens
from recurrence.tokens import EOS
from recurrence.vocab import Vocab

try:
    from transformers import LogitsProcessor, LogitsProcessorList
except ImportError as error:
    raise ImportError(
        "logits processors need transformers: pip install 'recurrence-lab[huggingface]'"
    ) from error

#   B = rows, V = vocabulary, T = tokens so far, prompt included

UNBOUNDED = 2**20
"""The context of a model that names none."""


def logits_processors(
    filters: Sequence[Mapping[str, Any]],
    tokenizer: Any = None,
    amateur: Any = None,
    bits: float | None = None,
    max_new_tokens: int = 4096,
    generator: Generator | None = None,
) -> LogitsProcessorList:
    """A processor per filter, in order; `filters` as in params.yaml: [{"temperature": 0.8}, ...].

    `tokenizer` says which ids are the breakers of dry and the <eos> of consistent_top_k and
    consistent_top_p. `amateur`: the weaker model of contrastive_decoding, from transformers too.
    `bits`: validation bits per token, for mirostat's `of_bits`. Filters with random numbers draw
    them from `generator`, default torch's global one, for `max_new_tokens` at a time. Raises
    ValueError for a filter that does not exist or a value it cannot take.
    """
    weak = None if amateur is None else Rereading(amateur)
    setting = Setting(_vocab(tokenizer, weak), bits, cast(LanguageModel | None, weak))
    built = [
        known("filter", name, FILTERS)(value, setting)
        for block in filters
        for name, value in block.items()
    ]
    return LogitsProcessorList(
        FilterLogitsProcessor(each, max_new_tokens, generator) for each in built
    )


class FilterLogitsProcessor(LogitsProcessor):
    """One filter. It computes in float64, and its scores are of the dtype of those it was given.

    The history is all of `input_ids`: padding on the left counts as text. A row of which the filter
    leaves nothing keeps its scores. One object may serve many calls of `generate`, one after the
    other: a filter with a state starts anew with every batch.
    """

    def __init__(
        self, filter_: Filter, max_new_tokens: int = 4096, generator: Generator | None = None
    ) -> None:
        self.filter = filter_
        self.max_new_tokens = max_new_tokens
        self.generator = generator
        self._running: Running | None = None
        self._seen_BT = torch.zeros(0, 0, dtype=torch.int64)
        self._steps = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """New scores_BV, from ids_BT and scores_BV."""
        running = self._running_on(input_ids, scores)
        return _like(running(scores.double(), input_ids), scores)

    def _running_on(self, ids_BT: Tensor, scores: Tensor) -> Running:
        """The filter at work on these rows; one with a state was told what they chose."""
        if not self.filter.stateful:
            return self.filter.start(NO_NUMBERS)
        if self._running is None or not self._goes_on(ids_BT):
            self._running = self.filter.start(self._numbers(len(ids_BT)).to(scores.device))
            self._steps = 0
        else:
            # Padding of rows that ended may be outside the vocabulary, and means nothing here.
            last_B = ids_BT[:, -1]
            outside_B = (last_B < 0) | (last_B >= scores.shape[1])
            self._running.chosen(last_B.masked_fill(outside_B, 0))
            self._steps += 1
        if self._steps >= self.max_new_tokens:
            raise RecurrenceError(
                "max_new_tokens must be at least the number of tokens generated, "
                f"got {self.max_new_tokens}; give logits_processors a larger one"
            )
        self._seen_BT = ids_BT.clone()
        return self._running

    def _numbers(self, rows: int) -> Tensor:
        """For as many tokens as are expected; drawn only for a filter that draws."""
        numbers_BT = torch.zeros(
            rows,
            self.max_new_tokens,
            dtype=torch.float64,
            device=self.generator.device if self.generator else "cpu",
        )
        return numbers_BT.uniform_(generator=self.generator) if self.filter.draws else numbers_BT

    def _goes_on(self, ids_BT: Tensor) -> bool:
        """Whether these are the rows of the last call, each with one token more."""
        seen_BT = self._seen_BT
        if (len(seen_BT), seen_BT.shape[1] + 1) != tuple(ids_BT.shape):
            return False
        before_BT = ids_BT[:, :-1]
        if torch.equal(before_BT, seen_BT):
            return True
        if bool((before_BT[:, None] == seen_BT[None]).all(-1).any(1).all()):
            raise RecurrenceError(
                "a filter with memory or chance of its own cannot follow the beams of a search; "
                "generate with num_beams=1"
            )
        return False


class Rereading(nn.Module):
    """A causal model of transformers with the interface of a window LanguageModel.

    It carries no state: as much of the text as it has positions for is read anew at every step.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = (model,)  # no submodule: no graph of its steps is recorded
        self.vocab_size = int(model.config.vocab_size)
        self.context = int(getattr(model.config, "max_position_embeddings", UNBOUNDED))

    def initial_state(self, lanes: int) -> State:
        """Empty: nothing is carried."""
        return ()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits_BV of the token after each row; the state passes through."""
        [model] = self._model
        return model(ids_BT.to(model.device)).logits[:, -1], state


def _vocab(tokenizer: Any, amateur: Rereading | None) -> Vocab:
    """Tokens by id, as far as there is anything to know of them."""
    known_tokens = 0 if tokenizer is None else len(tokenizer)
    tokens = [tokenizer.decode([i]) for i in range(known_tokens)]
    if tokenizer is not None and tokenizer.eos_token_id is not None:
        tokens[tokenizer.eos_token_id] = EOS
    size = known_tokens if amateur is None else amateur.vocab_size
    unnamed = [f"<{i}>" for i in range(known_tokens, size)]
    return Vocab((*tokens[:size], *unnamed), (), Tokens(unit="word"))


def _like(out_BV: Tensor, scores: Tensor) -> Tensor:
    """In the dtype of the scores, finite where it was; a row with nothing left keeps its scores.

    Where the largest would become infinite, as at temperatures near zero, all go down with it.
    """
    most = torch.finfo(scores.dtype).max
    top_B1 = out_BV.amax(-1, keepdim=True)
    bounded_BV = (out_BV - (top_B1 - most).clamp(min=0)).clamp(min=-most)
    bounded_BV = bounded_BV.masked_fill(out_BV == -inf, -inf)
    return torch.where(top_B1 == -inf, scores, bounded_BV.to(scores.dtype))
