"""Interpolated modified Kneser-Ney: an n-gram model, the floor that a recurrent model must beat.

    p_k(w | h) = (c(hw) - D(c(hw))) / c(h.) + g(h) p_{k-1}(w | h')
    g(h) = sum_w D(c(hw)) / c(h.)

with h' = h without its first token and p_0 = 1/V. At the top order c counts occurrences; below it
c(hw) counts the different tokens seen before hw (continuation counts). An n-gram seen only at the
very start of the stream has none before it, so below the top order it counts 0. A context never
seen leaves the distribution below it as it is.

D(1), D(2), D(3+) are estimated at each order from n_i, the number of k-grams whose count is i: Y =
n1 / (n1 + 2 n2), D(i) = i - (i+1) Y n_{i+1} / n_i. Where that needs an n_i that is 0 (tiny
vocabularies), or gives no positive discount, D(i) takes the value of D(i-1), and D(1) takes 1/2:
every context still leaves some mass below.

Source: S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language
modeling", Computer Speech and Language 13 (1999), section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurrence.errors import RecurrenceError
from recurrence.model.counting import CountedModel, Floats, Ids, check_options

#   B = rows, T = tokens of context, V = vocabulary, N = tokens of a stream
#
# The k-grams of the stream are the nodes of level k of a trie, numbered in sorted order; level 0 is
# the empty context. A node's key is (number of its first k-1 tokens) * V + last token: the children
# of a context stand side by side, and a key stays below N * V at any order. -1 stands for an n-gram
# never seen.

Nodes = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """The k-grams of one order, and what their contexts (the nodes one level up) need to be
    mixed.
    """

    keys: Nodes
    probabilities: Floats
    """p_k of each k-gram's last token, interpolated all the way down."""
    mass_below: Floats
    """g of each context; one more entry at the end, 1, so that a context never seen (-1) passes all
    on.
    """
    first_child: Nodes
    """Context q has children first_child[q] to first_child[q + 1]; one more entry, 0, gives -1 an
    empty range.
    """
    best_token: Nodes
    best_probability: Floats
    """The likeliest next token of each context, child or not, and its p_k."""

    def find(self, contexts: Nodes, tokens: Nodes, vocab_size: int) -> Nodes:
        """The nodes that continue contexts by tokens, -1 where there is none."""
        keys = contexts * vocab_size + tokens
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


class Counted(CountedModel):
    """An n-gram model of `order` tokens: order - 1 of context and the one predicted."""

    def __init__(self, keys: list[Nodes], counts: Nodes, vocab_size: int) -> None:
        """Take the keys of every level, lowest first, and the occurrences of the top level's
        nodes.
        """
        super().__init__(vocab_size, context=max(1, len(keys) - 1))
        for k, level in enumerate(keys, start=1):
            self.register_buffer(f"keys_{k}", torch.from_numpy(level))
        self.register_buffer("counts", torch.from_numpy(counts.astype(np.int32)))
        self._levels = _build(keys, counts, vocab_size)

    @classmethod
    def count(cls, ids: Ids, vocab_size: int, **options: Any) -> Self:
        """Count the n-grams of a stream of at least `order` tokens (option order, default 5)."""
        order = _order(options)
        if len(ids) < order:
            raise RecurrenceError(
                f"kneser_ney of order {order} needs at least {order} training tokens, got "
                f"{len(ids)}"
            )
        tokens, nodes = ids.astype(np.int64), np.zeros(len(ids), np.int64)
        keys = []
        for k in range(order):
            grams = nodes[: len(tokens) - k] * vocab_size + tokens[k:]
            level, nodes, counts = np.unique(grams, return_inverse=True, return_counts=True)
            keys.append(level)
        return cls(keys, counts, vocab_size)

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], vocab_size: int, **options: Any) -> Self:
        keys = [tensors[f"keys_{k}"].numpy() for k in range(1, _order(options) + 1)]
        counts = tensors["counts"].numpy()
        _check(keys, counts, vocab_size)
        return cls(keys, counts, vocab_size)

    @property
    def stored_counts(self) -> int:
        return sum(len(level.keys) for level in self._levels)

    def distributions(self, ids_BT: Ids) -> Floats:
        nodes = self._walk(
            ids_BT[:, max(0, ids_BT.shape[1] - len(self._levels) + 1) :].astype(np.int64)
        )
        p_BV = np.full((len(ids_BT), self.vocab_size), 1 / self.vocab_size)
        for level, contexts in zip(self._levels, nodes, strict=False):
            context_B = contexts[:, -1]
            p_BV *= level.mass_below[context_B, None]
            rows, children = _ranges(level.first_child[context_B], level.first_child[context_B + 1])
            p_BV[rows, level.keys[children] % self.vocab_size] = level.probabilities[children]
        return p_BV

    def token_log_probs(self, ids: Ids) -> Floats:
        nodes = self._walk(ids.astype(np.int64))
        p = np.full(len(ids), 1 / self.vocab_size)
        for k, level in enumerate(self._levels[: len(ids)], start=1):
            contexts, grams = nodes[k - 1][: len(ids) - k + 1], nodes[k]
            p[k - 1 :] = np.where(
                grams >= 0, level.probabilities[grams], level.mass_below[contexts] * p[k - 1 :]
            )
        return np.asarray(np.log(p[1:]))

    def likeliest(self, ids: Ids) -> Ids:
        nodes = self._walk(ids[:-1].astype(np.int64))
        best = np.full(len(ids) - 1, self._levels[0].best_token[0])
        for k, level in enumerate(self._levels[1 : len(ids)], start=1):
            best[k - 1 :] = np.where(nodes[k] >= 0, level.best_token[nodes[k]], best[k - 1 :])
        return best

    def _walk(self, ids: Nodes) -> list[Nodes]:
        """Per k from 0 on, the nodes of the k-grams that start at each place of the last axis (-1:
        unseen).
        """
        length = ids.shape[-1]
        nodes = [np.zeros((*ids.shape[:-1], length + 1), np.int64)]
        for k, level in enumerate(self._levels[:length]):
            nodes.append(level.find(nodes[-1][..., : length - k], ids[..., k:], self.vocab_size))
        return nodes


def _check(keys: list[Nodes], counts: Nodes, vocab_size: int) -> None:
    """Raise ValueError where what was read from a file is no trie: nothing is indexed, or made, by
    what it says.
    """
    contexts = 1
    for k, level in enumerate(keys, start=1):
        if level.dtype != np.int64 or level.ndim != 1 or not len(level):
            raise ValueError(f"keys_{k} must be a list of whole numbers of 64 bits")
        if level[0] < 0 or level[-1] // vocab_size >= contexts or not (np.diff(level) > 0).all():
            raise ValueError(f"keys_{k} must ascend from 0 to below {contexts} x {vocab_size}")
        contexts = len(level)
    if counts.dtype != np.int32 or counts.shape != keys[-1].shape or counts.min() < 1:
        raise ValueError(
            "counts must be a whole number of 32 bits, from 1 on, for each of the last keys"
        )


def _order(options: dict[str, Any]) -> int:
    check_options("kneser_ney", options, ("order",))
    order = options.get("order", 5)
    if not isinstance(order, int) or isinstance(order, bool) or order < 1:
        raise RecurrenceError(
            f"options: order of core 'kneser_ney' must be a whole number from 1 on, got {order!r}"
        )
    return order


def _build(keys: list[Nodes], top_counts: Nodes, vocab_size: int) -> list[Level]:
    """Counts to probabilities, from the lowest order up."""
    suffixes = [np.zeros(len(keys[0]), np.int64)]
    for shorter, own in zip(keys, keys[1:], strict=False):
        suffixes.append(
            np.searchsorted(
                shorter, suffixes[-1][own // vocab_size] * vocab_size + own % vocab_size
            )
        )
    continuations = [
        np.bincount(longer, minlength=len(own))
        for own, longer in zip(keys, suffixes[1:], strict=False)
    ]
    below, best = np.full(1, 1 / vocab_size), (np.zeros(1, np.int64), np.full(1, 1 / vocab_size))
    levels = []
    for own, suffix, counts in zip(keys, suffixes, [*continuations, top_counts], strict=True):
        levels.append(_level(own, counts, below[suffix], best, vocab_size))
        below, best = (
            levels[-1].probabilities,
            (levels[-1].best_token[suffix], levels[-1].best_probability[suffix]),
        )
    return levels


def _level(
    keys: Nodes, counts: Nodes, below: Floats, best: tuple[Nodes, Floats], vocab_size: int
) -> Level:
    """One order, given the probability `below` of each of its n-grams and the likeliest token after
    each context.
    """
    parents, contexts = keys // vocab_size, len(best[0])
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    totals = np.bincount(parents, counts, contexts)
    totals[totals == 0] = np.inf  # the stream's end has nothing after it, and its start may count 0
    mass_below = np.where(np.isinf(totals), 1.0, np.bincount(parents, discounts, contexts) / totals)
    probabilities = (counts - discounts) / totals[parents] + mass_below[parents] * below
    return Level(
        keys,
        probabilities,
        np.append(mass_below, 1.0),
        np.append(np.searchsorted(keys, np.arange(contexts + 1) * vocab_size), 0),
        *_likeliest(keys % vocab_size, parents, probabilities, best[0], mass_below * best[1]),
    )


def _likeliest(
    tokens: Nodes, parents: Nodes, p: Floats, best_token: Nodes, best_p: Floats
) -> tuple[Nodes, Floats]:
    """Per context, the better of its likeliest child and the likeliest token below; of equals the
    lowest id.
    """
    firsts = np.flatnonzero(np.diff(parents, prepend=-1))
    own = parents[firsts]
    peak = np.zeros(len(best_p))
    peak[own] = np.maximum.reduceat(p, firsts)
    at_peak = np.flatnonzero(p == peak[parents])
    child = np.zeros(len(best_p), np.int64)
    child[parents[at_peak][::-1]] = tokens[at_peak][
        ::-1
    ]  # backwards: the first of equals is written last and stays
    wins = (peak > best_p) | ((peak == best_p) & (child < best_token))
    return np.where(wins, child, best_token), np.where(wins, peak, best_p)


def _discounts(counts: Nodes) -> Floats:
    """D(0) = 0, D(1), D(2), D(3+) of one order's counts, with the fall-backs named above."""
    n = np.bincount(np.minimum(counts, 5), minlength=6)
    discounts = [0.0, 0.5, 0.5, 0.5]
    y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.0
    for i in (1, 2, 3):
        estimate = i - (i + 1) * y * n[i + 1] / n[i] if n[i] and n[i + 1] and y else 0.0
        discounts[i] = estimate if estimate > 0 else discounts[max(1, i - 1)]
    return np.array(discounts)


def _ranges(starts: Nodes, ends: Nodes) -> tuple[Nodes, Nodes]:
    """All places of the ranges start to end, one after another, with the number of the range that
    each is of.
    """
    lengths = ends - starts
    rows = np.repeat(np.arange(len(starts)), lengths)
    return rows, np.arange(len(rows)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
