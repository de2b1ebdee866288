"""What many samples are like together: repetition pooled, how alike they are to one another, the
law of their words.

In: a list of 1-D sequences of token ids. Out: one number; NaN where it is not defined.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurrence.repetition.metrics import distinct_n

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

_EPSILON = 0.1
_LARGEST = 2**62


def pooled_rep_n(samples: Sequence[ArrayLike], n: int) -> float:
    """rep-n as SimCTG counts it, 1 - (sum of unique) / (sum of all n-grams), unique within their
    sample, not rounded.

    seq-rep-n (Welleck) is the mean over sequences instead; they differ where lengths do (Su et al.,
    arXiv 2202.06417).
    """
    sizes = [max(len(np.asarray(ids)) - n + 1, 0) for ids in samples]
    unique = sum(
        distinct_n(ids, n) * size for ids, size in zip(samples, sizes, strict=True) if size
    )
    return 1 - unique / sum(sizes) if sum(sizes) else float("nan")


def diversity(samples: Sequence[ArrayLike]) -> float:
    """The product of 1 - pooled rep-n over n = 2, 3, 4 (Su et al., arXiv 2202.06417)."""
    return float(np.prod([1 - pooled_rep_n(samples, n) for n in (2, 3, 4)]))


def zipf(samples: Sequence[ArrayLike], top: int = 5_000) -> float:
    """Minus the slope of ln frequency on ln rank, least squares over the `top` most frequent
    tokens: about 1 in prose.

    Holtzman et al., arXiv 1904.09751.
    """
    counts = np.unique(
        np.concatenate([np.zeros(0, np.int64), *map(np.asarray, samples)]), return_counts=True
    )[1]
    if len(counts) < 2:
        return float("nan")
    y = np.log(np.sort(counts)[::-1][:top])
    x = np.log(np.arange(1, len(y) + 1))
    x -= x.mean()
    # a product of vectors would round as the processor's BLAS does
    return -math.fsum(x * y) / math.fsum(x * x)


def self_bleu(samples: Sequence[ArrayLike], order: int = 4) -> float:
    """The mean BLEU-4 of each sample against all others: 1 where all are alike (Zhu et al., arXiv
    1802.01886).

    BLEU as Papineni et al. (2002) define it for one sentence with many references, with n-gram
    counts of 0 taken as 0.1 (Chen & Cherry, 2014, method 1): the setting of Holtzman et al., arXiv
    1904.09751. NaN of fewer than two.
    """
    parts = [np.asarray(ids) for ids in samples]
    sizes = np.array([len(part) for part in parts])
    if len(parts) < 2:
        return float("nan")
    logs, words = np.zeros(len(parts)), np.zeros(len(parts))
    for n, (names, sample) in enumerate(_grams(parts, order), 1):
        hits = _clipped(names, sample, len(parts))
        words = hits if n == 1 else words
        logs += np.log(np.where(hits > 0, hits, _EPSILON) / np.maximum(sizes - n + 1, 1))
    return float(np.mean(np.where(words > 0, _brevity(sizes) * np.exp(logs / order), 0.0)))


def _grams(parts: Sequence[Ints], order: int) -> Iterator[tuple[Ints, Ints]]:
    """For n = 1, 2, ...: a number for every n-gram of every sample, and which sample it is of."""
    sample = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    codes = np.unique(np.concatenate(parts), return_inverse=True)[1].astype(np.int64)
    base = int(codes.max(initial=0)) + 1
    names, largest = codes, base
    for n in range(1, order + 1):
        if n > 1:
            if largest > _LARGEST // base:
                names = np.unique(names, return_inverse=True)[1]
                largest = int(names.max(initial=0)) + 1
            names, largest = names[:-1] * base + codes[n - 1 :], largest * base
        whole = sample[: len(names)] == sample[n - 1 :]
        yield names[whole], sample[: len(names)][whole]


def _clipped(names: Ints, sample: Ints, samples: int) -> Floats:
    """Per sample, how many of its n-grams stand in another, each at most as often as in the one
    that has it most.
    """
    names = np.unique(names, return_inverse=True)[1]
    pairs, counts = np.unique(names * samples + sample, return_counts=True)
    gram, of = np.divmod(pairs, samples)
    if not len(pairs):
        return np.zeros(samples)
    starts = np.flatnonzero(np.diff(gram, prepend=-1))
    most = np.maximum.reduceat(counts, starts)[gram]
    alone = np.add.reduceat(counts == most, starts)[gram] == 1
    second = np.maximum.reduceat(np.where(counts == most, 0, counts), starts)[gram]
    elsewhere = np.where((counts == most) & alone, second, most)
    return np.bincount(of, np.minimum(counts, elsewhere), samples).astype(float)


def _brevity(sizes: Ints) -> Floats:
    """exp(1 - r / c) where the other sample nearest in length (of equals the shorter), r, is longer
    than c; else 1.
    """
    lengths, counts = np.unique(sizes, return_counts=True)
    penalty = {}
    for length in lengths.tolist():
        others = lengths[counts > (lengths == length)]
        nearest = min(others.tolist(), key=lambda r, c=length: (abs(r - c), r))  # type: ignore[misc]
        penalty[length] = (
            1.0 if length > nearest else float(np.exp(1 - nearest / length)) if length else 0.0
        )
    return np.array([penalty[length] for length in sizes.tolist()])
