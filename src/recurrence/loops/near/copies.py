"""Loops whose copies differ a little: stretches that fit themselves one period before, give or take
edits, anywhere.

In: 1-D sequences of token ids. Out: a `Near` of each, or None. Knows nothing of text, floors of a
corpus, verdicts.

Where tokens stand that stood before in the same order is a seed: a place and a lag. From there the
sequence is aligned with itself both ways (alignment.py), a token for a token and an edit for 1 /
delta tokens, so that a stretch goes on as long as it gains, whose edits are fewer than delta per
token. First all seeds of many sequences are tried in step, and only those with half of the evidence
asked for are followed to their ends. There, edits may come in a row where they are few beside the
period: no more of them than `delta` of it, as where block after block is held against the block
before. Time grows linearly with length: 0.2 to 0.3 ms per 1,000 characters that do not loop, 1 to 4
ms of those that do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from recurrence.loops.fingerprints import PRIME, Fingerprints, Flags, Ints, Places
from recurrence.loops.near.alignment import matches, reach, slack

SEEDS = {"char": 6, "word": 3, "token": 3}
"""Tokens in a row that make a seed, by unit."""

_SPAN = 8192
"""No larger period is found."""
_TRIED = 32
"""Seeds followed per so many tokens and begun, but those in what is known."""
_TOGETHER = 1 << 17
"""Tokens of sequences that are searched at a time."""
_BASE = 911_382_323
"""Of the fingerprints; where they mislead, a seed leads nowhere, or one in 2^31 is missed."""
_PLACE = 2**32 - 1
"""The bits of a key that hold the place; those above hold the fingerprint."""
_PROBE, _GROWN = 5.0, 10.0
"""Edits in a row after which an alignment gives up: at first, and where half of the floor already
speaks for it.
"""
_ENOUGH = 31
"""So much evidence around a seed is worth following, whatever the floor: `matches` can tell no
more.
"""
_WHOLE = 0.6
"""So much of a copy counts as one: the rest may be edited away, or cut."""


@dataclass(frozen=True)
class Near:
    """A stretch ids[start:end] whose tokens from `start + period` on fit those a period before, but
    for `edits`.

    `period` is the median of the lags at which they do. Positions and lengths count tokens.
    """

    start: int
    period: int
    end: int
    edits: int

    @property
    def copies(self) -> float:
        """How often the unit stands there, a little different each time."""
        return (self.end - self.start) / self.period

    @property
    def aligned(self) -> int:
        """Tokens that were held against the copy before."""
        return self.end - self.start - self.period

    @property
    def matched(self) -> int:
        """The evidence: aligned tokens less edits."""
        return self.aligned - self.edits

    @property
    def weight(self) -> int:
        """What a floor is held against: `matched`, of two copies half of it, of less nothing."""
        copies = self.copies + 1 - _WHOLE
        return self.matched if copies >= 3 else self.matched // 2 if copies >= 2 else 0

    @property
    def identity(self) -> float:
        """The share of aligned tokens that needed no edit."""
        return 1 - self.edits / self.aligned


def find_near(ids: ArrayLike, floor: int, delta: float = 0.4, seed: int = 3) -> Near | None:
    """The loop with the largest `matched` of those with weight >= floor; ties: smallest period,
    then earliest start.

    `delta` is how many edits per token are too many, `seed` how many tokens must come again for a
    place to be tried. ValueError where the ids are not a 1-D sequence.
    """
    return find_nears([ids], floor, delta, seed)[0]


def find_nears(
    samples: Sequence[ArrayLike], floor: int, delta: float = 0.4, seed: int = 3
) -> list[Near | None]:
    """`find_near` of each sample, many at a time: for those without a loop far faster than one by
    one.
    """
    found: list[Near | None] = []
    for texts in _batches(samples):
        hopeful = _hopeful(texts, floor, delta, seed)
        found += [
            _best(codes, seeds, floor, delta) for codes, seeds in zip(texts, hopeful, strict=True)
        ]
    return found


def _batches(samples: Sequence[ArrayLike]) -> Iterator[list[Ints]]:
    """The samples in turn, as many together as are worth a call."""
    texts: list[Ints] = []
    tokens = 0
    for sample in samples:
        texts.append(_codes(sample))
        tokens += len(texts[-1])
        if tokens >= _TOGETHER:
            yield texts
            texts, tokens = [], 0
    if texts:
        yield texts


def _codes(sample: ArrayLike) -> Ints:
    """The ids as integers that fit the fingerprints."""
    ids = np.asarray(sample)
    if ids.ndim != 1:
        raise ValueError(f"ids must be a 1-D sequence, got shape {ids.shape}")
    if ids.dtype.kind not in "iu" or (ids.size and (ids.min() < 0 or ids.max() >= PRIME)):
        ids = np.unique(ids, return_inverse=True)[1]
    return ids


def _best(codes: Ints, seeds: Places, floor: int, delta: float) -> Near | None:
    """The best loop of a text, around one of these places and lags."""
    found: list[Near] = []
    while len(seeds) and len(found) < _TRIED * (len(codes) // _SPAN + 1):
        place, lag = seeds[0].tolist()
        near = grown(codes, place, lag, delta)
        found.append(near)
        seeds = seeds[1:][~_known(seeds[1:], near)]
    loops = [near for near in found if near.weight >= floor]
    return min(loops, key=lambda near: (-near.matched, near.period, near.start), default=None)


def _known(seeds: Places, near: Near) -> Flags:
    """Which seeds lie in what was found, at its period or above."""
    place, lag = seeds.T
    known: Flags = (
        (near.start <= place - lag)
        & (place <= near.end)
        & (lag >= near.period - slack(near.period))
    )
    return known


def grown(codes: Ints, place: int, lag: int, delta: float, edits: float = _GROWN) -> Near:
    """The stretch around a seed, aligned both ways as far as it gains; given up after so many edits
    in a row.
    """
    cost = 1 / delta
    drop = max(edits, delta * lag) * (cost - 1)
    ahead = reach(codes, place, lag, cost, drop)
    back = reach(codes[::-1], len(codes) - place + lag, lag, cost, drop)
    lags = sorted([lag, *ahead.lags, *back.lags])
    start, end = place - lag - back.tokens, place + ahead.tokens
    return Near(start, min(lags[len(lags) // 2], end - start), end, ahead.edits + back.edits)


# ---------------------------------------------------------------- seeds


def _hopeful(texts: Sequence[Ints], floor: int, delta: float, size: int) -> list[Places]:
    """For each text the places and lags, rows, around which there is half of the floor, the longest
    repeats first.
    """
    codes, sizes = np.concatenate(texts), np.array([len(text) for text in texts])
    if codes.size and codes.max() < 256:
        codes = codes.astype(np.uint8)  # so they are faster to compare
    start, end = (np.repeat(edge, sizes) for edge in (np.cumsum(sizes) - sizes, np.cumsum(sizes)))
    place, lag, length = _seeds(codes, start, end, size)
    start, end = start[place], end[place]
    cost, enough = 1 / delta, min((floor + 1) // 2, _ENOUGH)
    ahead, back = (
        (place, lag, end - place),
        (2 * len(codes) - place + lag, lag, place - lag - start),
    )
    both = np.concatenate([codes, codes[::-1]]), np.concatenate([ahead, back], axis=1).T
    matched = matches(*both, cost, _PROBE * (cost - 1), enough).reshape(2, -1).sum(0)
    order = np.lexsort((lag, -length, start))
    order = order[matched[order] >= enough]
    return np.split(
        np.stack([place - start, lag], 1)[order],
        np.searchsorted(start[order], np.cumsum(sizes)[:-1]),
    )


def _seeds(codes: Ints, start: Places, end: Places, size: int) -> Places:
    """Place, lag and length of repeats of at least `size` tokens in the same text, which is
    codes[start:end] for each.

    They are as long as their nearest lag holds. As the nearest copy of a few tokens may stand
    nearer than that of many, they are looked for at 1, 2, 4 and 8 sizes.
    """
    prints, places, found = (
        Fingerprints(codes, _BASE),
        np.arange(len(codes)),
        [np.zeros((3, 0), np.int64)],
    )
    for length in (size, 2 * size, 4 * size, 8 * size):
        places = places[places + length <= end[places]]
        keys = np.sort(prints.windows(places, length) << 32 | places)
        lags = np.diff(keys)  # where fingerprints differ, far more than any place
        again = np.flatnonzero(lags <= _SPAN)
        place, lag = keys[again + 1] & _PLACE, lags[again]
        inside = place - lag >= start[place]
        place, lag = place[inside], lag[inside]
        nearest = np.zeros(len(codes) + 1, np.int64)
        nearest[place] = lag
        edges = np.flatnonzero(np.diff(nearest, prepend=0))
        first = edges[nearest[edges] > 0]
        last = edges[np.searchsorted(edges, first, "right")]
        found.append(np.stack([first, nearest[first], last - first + length - 1]))
        twice = nearest[:-1] > 0
        twice[place - lag] = True
        places = np.flatnonzero(twice)
    return _longest(np.concatenate(found, axis=1))


def _longest(seeds: Places) -> Places:
    """Of those with the same place and lag, the longest alone."""
    place, lag, length = seeds
    order = np.lexsort((-length, lag, place))
    place, lag, length = seeds = seeds[:, order]
    new = (np.diff(place, prepend=-1) != 0) | (np.diff(lag, prepend=-1) != 0)
    longest: Places = seeds[:, new]
    return longest
