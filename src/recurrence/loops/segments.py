"""Segments: where, for a while, nothing new comes. The pieces of a stretch, put together as far as
they outweigh news.

In: factors. Out: segments, with the lag that their pieces usually have; whether they are loops
others say (slots.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.factors import Factors
from recurrence.loops.fingerprints import Flags, Places

_FAR = 4096
"""A piece that stood farther back counts only where it is long, or its neighbour stood as far
back.
"""
_LONG = 32
_LEVELS = (0.97, 0.85, 0.5)
"""Shares of a segment that must be old, whatever the lags; at the lowest, at steady lags alone."""
_COST = 9
_MOST = 4
"""So many of each level are looked at."""
_DROP = 64
"""Tokens that a segment may lose before it is over, if half of what it gained is not more."""
_BACK = 0.4
"""A segment goes on backwards while so much of what comes before is old at about its period."""
_MUCH = 4
"""What stood more than so many periods before does not fit, at the beginning."""
_COPIES, _OFF = 8, 0.06
"""What differs from copy to copy may have stood so many copies before, off by this part of a
period.
"""
_SLIP = 12
"""So many tokens that do not fit may stand at its beginning."""
_ABOUT = 0.8, 1.25
_NARROW = 8
"""Lags are counted in classes, so many to a doubling, to see which is the usual one."""
_HALF, _ONE_LAG = 256, 0.12
"""Tokens of half a window, and the share of a window that must have stood at one lag before."""
_SURELY = 4.0
"""So many copies say that it is no passage that stands there twice."""
_NEARLY = 0.5
"""A lag is nearly as usual as another from this share of it on."""


@dataclass(frozen=True)
class Segment:
    """Tokens [start, end) of a stretch: a first copy up to `again`, and what repeats from there
    on.
    """

    start: int
    again: int
    end: int
    period: int
    level: float
    """The share of it that had to be old."""
    gain: int
    """Its old tokens less _COST for each that is new."""
    old: Places
    """The pieces of the stretch that are old in it."""
    steady: float
    """The share of what stood before that did so at a whole number of periods."""


def segments(found: Factors, least: int) -> list[Segment]:
    """The segments with the most gain, of each level, which may overlap; none with fewer old tokens
    than `least`.
    """
    if not len(found.lag):
        return []
    steady = _steady(found)
    size = found.end - found.start
    recent = (found.lag <= _FAR) | steady | (size >= _LONG)
    made: list[Segment] = []
    for level, counts in zip(_LEVELS, (recent, recent, steady), strict=True):
        old = np.append(0, np.cumsum(np.where(counts, size, 0)))
        rises = [
            (int(old[last + 1] - old[first]), first, last)
            for first, last in _rises(found, counts, level / (1 - level))
        ]
        for matched, first, last in sorted(rises, reverse=True)[:_MOST]:
            if matched >= least:
                segment = _segment(found, counts, first, last, level)
                made += [segment] if segment else []
    return made


def one_lagged(nearest: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Windows, from which token to which, much of which stood before at about one lag; first the
    last one of all.

    Of windows in a row with one lag that in the middle; the longest such rows first, if they are
    more than a few copies.
    """
    at = np.flatnonzero(nearest > 1)
    if not len(at):
        return []
    classes = np.round(np.log2(nearest[at]) * _NARROW).astype(np.int64)
    size = int(classes.max()) + 2
    parts = -(-len(nearest) // _HALF) + 1
    counts = np.bincount(at // _HALF * size + classes, minlength=parts * size).reshape(parts, size)
    both = counts[:-1] + counts[1:]
    both = both[:, :-1] + both[:, 1:]
    best, score = both.argmax(1), both.max(1)
    enough = score >= _ONE_LAG * 2 * _HALF
    breaks = (np.abs(np.diff(best)) > 1) | ~enough[1:] | ~enough[:-1]
    head = np.flatnonzero(np.append(True, breaks))
    sizes = np.diff(np.append(head, len(best)))
    copies = np.minimum(sizes * _HALF / 2 ** (best[head] / _NARROW), _SURELY)
    middle = head + sizes // 2
    order = middle[np.argsort(-copies * sizes, kind="stable")]
    last = max(parts - 3, 0)
    order = np.append(last, order[order != last])
    order = order[enough[order]]
    return [(low, min(low + 2 * _HALF, len(nearest))) for low in (order * _HALF).tolist()]


def _steady(found: Factors) -> Flags:
    """Pieces with a neighbour, or one next to it, at about the same lag."""
    steady = np.zeros(len(found.lag), np.bool_)
    for step in (1, 2):
        near, far = found.lag[:-step], found.lag[step:]
        alike = np.abs(far - near) <= np.maximum(near >> 4, 3)
        alike &= found.start[step:] - found.end[:-step] <= np.maximum(near >> 1, 16)
        steady[:-step] |= alike
        steady[step:] |= alike
    return steady


def _rises(found: Factors, counts: Flags, cost: float) -> Iterator[tuple[int, int]]:
    """From which piece to which the old tokens outweigh the others, at so much each, as far as the
    sum grows.
    """
    size = found.end - found.start
    gap = np.append(0, found.start[1:] - found.end[:-1])
    loss = (gap * cost).tolist()
    gain = np.where(counts, size, -cost * size).tolist()
    total, best, first, last = 0.0, 0.0, 0, -1
    for i, (less, more) in enumerate(zip(loss, gain, strict=True)):
        total -= less
        if best and (total <= 0 or best - total > max(_DROP * cost, best / 2)):
            yield first, last
            total, best = 0.0, 0.0
        if total <= 0:
            total, best, first = 0.0, 0.0, i
        total += more
        if total > best:
            best, last = total, i
        elif total <= 0:
            if best:
                yield first, last
            total, best, first = 0.0, 0.0, i + 1
    if best:
        yield first, last


def _segment(found: Factors, counts: Flags, first: int, last: int, level: float) -> Segment | None:
    """What begins with one piece and ends with another; its pieces must have stood in it."""
    begin, end = int(found.start[first]), int(found.end[last])
    period = usual(found.nearest_twice[begin:end])
    if not period:
        return None
    head = _further_back(found, period, first)
    pieces = np.arange(head, last + 1)
    lag, start = found.lag[pieces], found.start[pieces]
    begin = _begin(found, period, head)
    inside = (counts[pieces] & (pieces >= first)) | (lag <= 2 * period)
    inside &= start - lag >= begin
    if not inside.any():
        return None
    again = int(start[inside][0])
    if late := _late(found.nearest[again:end], period):
        again += late
        begin = max(again - period, begin)
        inside &= (start >= again) & (start - lag >= begin)
        if not inside.any():
            return None
    own = pieces[inside]
    matched = int((found.end - found.start)[own].sum())
    end = int(found.end[own[-1]])
    gain = (1 + _COST) * matched - _COST * (end - again)
    steady = steadiness(found.nearest[again:end], period)
    return Segment(begin, again, end, period, level, gain, own, steady)


def steadiness(nearest: NDArray[np.int32], period: int) -> float:
    """Of the tokens that stood before, those which did so about one, two, ... periods before."""
    lags = nearest[nearest > 0]
    copies = np.clip(np.round(lags / period), 1, _COPIES)
    off = np.abs(lags - copies * period)
    return float((off <= np.maximum(_OFF * period, 3)).mean()) if len(lags) else 0.0


def _begin(found: Factors, period: int, first: int) -> int:
    """Where the first copy begins: what the first piece repeats, or one period before."""
    at, lag = int(found.start[first]), int(found.lag[first])
    return max(at - (lag if lag <= 2 * period else period), 0)


def _further_back(found: Factors, period: int, first: int) -> int:
    """The piece from which on, going backwards, what is old at about the period outweighs the
    rest.
    """
    total, best, start = 0.0, 0.0, first
    cost = _BACK / (1 - _BACK)
    edge = int(found.start[first])
    for i in range(first - 1, -1, -1):
        begin, end, lag = int(found.start[i]), int(found.end[i]), int(found.lag[i])
        total -= cost * (edge - end)
        if _ABOUT[0] * period <= lag <= _ABOUT[1] * period:
            total += end - begin
        else:
            total -= cost * (end - begin)
        edge = begin
        if total > best:
            best, start = total, i
        elif best - total > max(_DROP, period):
            break
    return start


def _late(nearest: NDArray[np.int32], period: int) -> int:
    """How much later it begins, where most fits what is a period before: what fits must outweigh
    what does not.
    """
    fits = (nearest >= _ABOUT[0] * period) & (nearest <= _ABOUT[1] * period)
    if 2 * np.count_nonzero(fits) < len(nearest):
        return 0
    other = (nearest == 0) | (nearest > _MUCH * period)
    total = np.cumsum(np.where(fits, 1.0, np.where(other, -_BACK / (1 - _BACK), 0.0)))
    lowest = int(total.argmin())
    return lowest + 1 if total[lowest] < -_SLIP else 0


def usual(nearest: NDArray[np.int32]) -> int:
    """The usual one of the lags: the median of the class that most belong to."""
    lags = nearest[nearest > 0]
    if not len(lags):
        return 0
    classes = np.round(np.log2(lags) * _NARROW).astype(np.int64)
    counts = np.bincount(classes)
    both = counts + np.append(counts[1:], 0)
    most = int(both.argmax())
    return int(np.median(lags[(classes == most) | (classes == most + 1)]))


def fundamental(nearest: NDArray[np.int32]) -> int:
    """The least lag that is nearly as usual as the usual one: copies farther back are found where
    nearer ones are edited.
    """
    lags = nearest[nearest > 1]
    if not len(lags):
        return 0
    counts = np.bincount(np.round(np.log2(lags) * _NARROW).astype(np.int64))
    both = counts + np.append(counts[1:], 0)
    least = int(np.argmax(both >= _NEARLY * both.max()))
    classes = np.round(np.log2(lags) * _NARROW).astype(np.int64)
    return int(np.median(lags[(classes == least) | (classes == least + 1)]))
