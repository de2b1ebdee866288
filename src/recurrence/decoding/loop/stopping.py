"""What ends a sample before its length, a token or a loop: for the `stop` of `sampling.sample`."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from recurrence.decoding.loop.sampling import Stopping

#   B = rows


class Online(Protocol):
    """What `recurrence.loops.OnlineDetector` does."""

    def update(self, tokens: ArrayLike) -> NDArray[np.bool_]:
        """Told a token per lane, it says which lanes loop by now."""


def at_token(token: int) -> Stopping:
    """Rows end with this token."""
    return lambda ids_B: ids_B == token


def at_loop(detector: Online) -> Stopping:
    """Rows end with the token that makes them a loop; the detector has a lane per row."""
    return lambda ids_B: torch.from_numpy(detector.update(ids_B.cpu().numpy()))
