"""A witness for loops that never looks at the text: the model's hidden state comes back.

Under deterministic decoding without history the state decides all that follows, so a state that
recurs is a loop. The state here is the top layer's output (an LSTM's cells may drift while it
recurs), read by feeding the finished text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recurrence.decoding.loop.prefill import READ_TOKENS, device_of
from recurrence.decoding.loop.samples import Prompt
from recurrence.model import LanguageModel

#   B = rows, T = tokens of the sample, C = tokens of context, H = features

TOLERANCE = 1e-5
CHUNK_CELLS = 2**25
"""Most features that are held at once (a quarter of a gigabyte); more samples take turns."""


@dataclass(frozen=True)
class Witness:
    """The state recurs every `period` tokens; `gap` is the largest deviation in the last two."""

    period: int
    gap: float


def certify(
    model: LanguageModel, prompts: Sequence[Prompt], samples: Sequence[Tensor]
) -> list[Witness | None]:
    """The witness of each sample after its prompt; None for all where a model has no hidden state.

    The model must be in double precision; the samples fed to it a token at a time, not by a rolling
    window.
    """
    if not hasattr(model, "features"):
        return [None] * len(samples)
    found: list[Witness | None] = [None] * len(samples)
    for places in _batches(model, prompts, samples):
        ids_BT = torch.stack([samples[i] for i in places])
        states_BTH = _states(model, [prompts[i] for i in places], ids_BT)
        for i, states_TH in zip(places, states_BTH, strict=True):
            found[i] = witness(states_TH)
    return found


def witness(states_TH: Tensor) -> Witness | None:
    """The smallest period p at which the state recurs throughout the last 2p tokens.

    At least 3p tokens loop then. States are equal where no feature differs by more than TOLERANCE.
    """
    length = len(states_TH)
    last_H = states_TH[-1]
    before_TH = states_TH[: length - 1].flip(0)
    near = (before_TH[: length // 3] - last_H).abs().amax(1) <= TOLERANCE
    for period in (near.nonzero()[:, 0] + 1).tolist():
        recent_TH = states_TH[-2 * period :]
        earlier_TH = states_TH[-3 * period : length - period]
        gap = float((recent_TH - earlier_TH).abs().max())
        if gap <= TOLERANCE:
            return Witness(period, gap)
    return None


def _batches(
    model: LanguageModel, prompts: Sequence[Prompt], samples: Sequence[Tensor]
) -> Iterator[list[int]]:
    """Places of samples of one shape, prompts included, in batches that bound the memory."""
    shapes: dict[tuple[int, int], list[int]] = {}
    for i, (prompt, ids_T) in enumerate(zip(prompts, samples, strict=True)):
        if len(ids_T):
            shapes.setdefault((len(prompt), len(ids_T)), []).append(i)
    for (_, length), places in shapes.items():
        size = max(1, CHUNK_CELLS // (length * model.core.output_size))
        yield from (places[start : start + size] for start in range(0, len(places), size))


@torch.inference_mode()
def _states(model: LanguageModel, prompts: Sequence[Prompt], ids_BT: Tensor) -> Tensor:
    """The top layer's output after each token of the samples, as states_BTH."""
    text_BT = torch.cat([torch.tensor(prompts), ids_BT], 1).to(device_of(model))
    rows, whole = text_BT.shape
    start = whole - ids_BT.shape[1]
    state, pieces = model.initial_state(rows), []
    if reach := model.context:
        windows = (text_BT[:, max(0, end - reach) : end] for end in range(start + 1, whole + 1))
        return torch.stack([model.features(window_BC, state)[0][:, -1] for window_BC in windows], 1)
    for piece_BT in torch.split(text_BT, READ_TOKENS, 1):
        raw_BTH, _, state = model.features(piece_BT, state)
        pieces.append(raw_BTH)
    return torch.cat(pieces, 1)[:, start:]
