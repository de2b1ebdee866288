"""Which setting to recommend for a model: chosen on some of its nets and prompts, confirmed on
others.

A setting is a decoding strategy. It qualifies if at most a small share of its samples loops, it
recycles no more than human text does, its repetition measures lie no higher than those of human
windows, and its price, in nats per token under a reference model, lies where 95 % of the human
windows do: text that loops is cheap, gibberish is dear.

In: rows of samples, each with strategy, train_seed, prompt_id, kind, reference_nats and REPETITION;
`more`, which gives further rows of one strategy. Out: a tree of plain values. The same rows give
the same choice, so `generate`, which makes the samples, and `detect_loops` come to the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite
from typing import Any, Literal

import numpy as np

from recurrence.loops.verdict import LOOPS
from recurrence.params import Prompts, Protocol, for_unit
from recurrence.study.statistics import mean_interval, rate_interval

Row = Mapping[str, Any]
Place = Literal["below", "within", "above"]
Lack = Literal["loops", "recycles", "repeats", "cheap", "dear", "unpriced"]

REPETITION = ("rep_2", "rep_4", "rep_8", "zlib_ratio")
"""Measures that must not lie above the human band; more of each is more repetition."""
FIRST_ROUND = 16
"""Prompts of each net in a candidate's first round; every further one has as many as all before."""


@dataclass(frozen=True)
class Human:
    """What samples are held against: windows of people's text of the same length."""

    low: float
    median: float
    high: float
    """2.5 %, median and 97.5 % of the windows' prices."""
    windows: int
    recycling_hi: float
    """Upper bound of how many of them recycle."""
    repetition: Mapping[str, float]
    """The 97.5 % point of each of REPETITION."""

    def place(self, price: float) -> Place:
        """Where a price lies: of the windows' 95 %."""
        if price < self.low:
            return "below"
        return "above" if price > self.high else "within"


@dataclass(frozen=True)
class Plan:
    """Who takes part in what. The halves have no net in common where there is more than one, and
    no prompt."""

    nets: tuple[int, ...]
    first: tuple[int, ...]
    """Prompts of the first pass, which every net continues under every strategy."""
    fresh: tuple[int, ...]
    """Further prompts, in the order in which they are taken."""
    bound: float
    """Most that the upper bound of a recommended setting's loop rate may be."""
    candidates: int
    """Most settings that are tried."""
    most: int
    """Most (net, prompt) pairs of a candidate's confirmation."""

    @classmethod
    def of(
        cls,
        nets: Sequence[int],
        prompts: Prompts,
        valid_tokens: int,
        protocol: Protocol,
        unit: str,
    ) -> "Plan":
        """As params.yaml says, for a corpus with so much validation text.

        Prompts are numbered as decoding/prompts.py has them: the given texts, then the windows.
        """
        every, sizes = len(prompts.texts) + valid_tokens // prompts.prompt_tokens, protocol.sizes
        first = len(prompts.texts) + ceil(sizes.pairs / max(len(nets), 1))
        return cls(
            nets=tuple(nets),
            first=tuple(range(min(first, every))),
            fresh=tuple(range(min(first, every), every)),
            bound=for_unit(protocol.bound, unit),
            candidates=sizes.candidates,
            most=for_unit(sizes.most, unit),
        )

    @property
    def choosing(self) -> tuple[int, ...]:
        """Every second net."""
        return self.nets[1::2] or self.nets

    @property
    def confirming(self) -> tuple[int, ...]:
        """The others: the first, the third, ..."""
        return self.nets[::2]

    @property
    def available(self) -> int:
        """Fresh prompts that each confirming net may get."""
        return min(len(self.fresh), self.most // max(len(self.confirming), 1))


More = Callable[[str, Sequence[int], Sequence[int]], Sequence[Row]]
"""Rows of a strategy's samples, of these nets with these prompts."""


@dataclass(frozen=True)
class Evidence:
    """What the samples of one setting come to in one half; rates with their 95 % intervals."""

    nets: int
    prompts: int
    samples: int
    loops: int
    loop_rate: float
    loop_lo: float
    loop_hi: float
    recycling: int
    recycling_hi: float
    reference_nats: float | None
    reference_nats_lo: float | None
    reference_nats_hi: float | None
    repetition: dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A setting, what each half says of it, and what it lacks; `confirming` where it was tried."""

    strategy: str
    choosing: Evidence
    confirming: Evidence | None
    lacks: tuple[Lack, ...]

    @property
    def confirmed(self) -> bool:
        return self.confirming is not None and not self.lacks


@dataclass(frozen=True)
class Choice:
    """The outcome for one model."""

    human: Human
    bound: float
    needed: int
    """(net, prompt) pairs without a loop that would show the bound."""
    available: int
    """Those that there can be."""
    candidates: int
    """Settings that qualified on the choosing half."""
    tried: tuple[Trial, ...]
    recommended: str | None
    nearest: Trial | None
    """The recommended setting's trial, or where there is none the one that lacks least."""

    def tree(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def decide(rows: Sequence[Row], more: More, human: Human, plan: Plan) -> Choice:
    """Rank the settings on the choosing half of `rows` (the first pass), then try the candidates in
    order of nearness to the human median, until one is confirmed or `plan.candidates` have failed.

    Every confirmation is on samples that nothing was chosen by, and looks at them after each round
    until it can decide; a setting that loops more often than the bound passes one with a chance of
    some 2.5 %, so some that pass in `candidates` tries.
    """
    ranked = sorted(_chosen(rows, human, plan), key=lambda trial: _order(trial, human))
    good = [trial for trial in ranked if not trial.lacks]
    needed = prompts_needed((0,) * len(plan.confirming), plan.bound)
    reachable = plan.available >= needed
    tried: list[Trial] = []
    for trial in good[: plan.candidates] if reachable else ():
        tried.append(_tried(trial, more, human, plan))
        if tried[-1].confirmed:
            break
    confirmed = next((trial for trial in tried if trial.confirmed), None)
    left = sorted(tried, key=lambda trial: _order(trial, human)) or ranked
    return Choice(
        human=human,
        bound=plan.bound,
        needed=needed * len(plan.confirming),
        available=plan.available * len(plan.confirming),
        candidates=len(good),
        tried=tuple(tried),
        recommended=confirmed.strategy if confirmed else None,
        nearest=confirmed or next(iter(left), None),
    )


def _chosen(rows: Sequence[Row], human: Human, plan: Plan) -> list[Trial]:
    """Every setting as the choosing nets show it on the first prompts."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        if row["train_seed"] in plan.choosing and row["prompt_id"] in plan.first:
            parts.setdefault(row["strategy"], []).append(row)
    found = {name: evidence(own) for name, own in parts.items()}
    return [Trial(name, each, None, lacks(each, human, None)) for name, each in found.items()]


def _order(trial: Trial, human: Human) -> tuple[float, ...]:
    """The fewest faults first, of those the rarest loops, then the nearest price."""
    seen = trial.confirming or trial.choosing
    far = float("inf") if seen.reference_nats is None else abs(seen.reference_nats - human.median)
    return len(trial.lacks), seen.loop_hi if trial.confirming else seen.loop_rate, far


def _tried(trial: Trial, more: More, human: Human, plan: Plan) -> Trial:
    """The same with what the confirming nets write after fresh prompts, round by round."""
    name, nets, at = trial.strategy, plan.confirming, 0
    rows: list[Row] = []
    until = min(FIRST_ROUND, plan.available)
    while True:
        rows += more(name, nets, plan.fresh[at:until])
        seen, at = evidence(rows), until
        if seen.loop_hi <= plan.bound:
            break
        needed = prompts_needed(_loops_by_net(rows, nets), plan.bound, at, plan.available)
        if needed > plan.available:
            break
        until = min(2 * at, max(needed, at + 1))
    return Trial(name, trial.choosing, seen, lacks(seen, human, plan.bound))


def _loops_by_net(rows: Sequence[Row], nets: Sequence[int]) -> tuple[int, ...]:
    loops = [row["train_seed"] for row in rows if row["kind"] in LOOPS]
    return tuple(loops.count(net) for net in nets)


def prompts_needed(
    loops: Sequence[int], bound: float, at_least: int = 1, at_most: int = 1 << 20
) -> int:
    """How many prompts each net needs, no fewer than `at_least`, for the upper bound of the loop
    rate to be within `bound`, if no sample loops beyond these, so many of each net.

    More than `at_most` where that is not enough.
    """
    low, high = at_least - 1, at_least
    while _upper(loops, high) > bound:
        if high >= at_most:
            return at_most + 1
        low, high = high, min(2 * high, at_most)
    while high - low > 1:
        middle = (low + high) // 2
        if _upper(loops, middle) <= bound:
            high = middle
        else:
            low = middle
    return high


def _upper(loops: Sequence[int], prompts: int) -> float:
    """The upper bound of the loop rate where each net has so many prompts, and so many loops."""
    hits = np.zeros((len(loops), max(prompts, *loops)))
    for row, count in zip(hits, loops, strict=True):
        row[:count] = 1
    nets, at = np.indices(hits.shape)
    return rate_interval(hits.ravel(), nets.ravel().tolist(), at.ravel().tolist())[1]


# ---------------------------------------------------------------- what samples come to


def evidence(rows: Sequence[Row]) -> Evidence:
    """Of the samples of one setting in one half."""
    nets = [row["train_seed"] for row in rows]
    prompts = [row["prompt_id"] for row in rows]
    loops = [row["kind"] in LOOPS for row in rows]
    recycling = [row["kind"] == "recycling" for row in rows]
    low, high = rate_interval(loops, nets, prompts)
    priced = [i for i, row in enumerate(rows) if _number(row["reference_nats"]) is not None]
    prices = [float(rows[i]["reference_nats"]) for i in priced]
    around = mean_interval(prices, [nets[i] for i in priced], [prompts[i] for i in priced])
    return Evidence(
        nets=len(set(nets)),
        prompts=len(set(prompts)),
        samples=len(rows),
        loops=sum(loops),
        loop_rate=sum(loops) / len(rows),
        loop_lo=low,
        loop_hi=high,
        recycling=sum(recycling),
        recycling_hi=rate_interval(recycling, nets, prompts)[1],
        reference_nats=float(np.mean(prices)) if prices else None,
        reference_nats_lo=_number(around[0]),
        reference_nats_hi=_number(around[1]),
        repetition={name: _mean([row[name] for row in rows]) for name in REPETITION},
    )


def lacks(seen: Evidence, human: Human, bound: float | None) -> tuple[Lack, ...]:
    """What keeps a setting from being recommended.

    Where the bound is given, the upper bounds of its rates must be within it, that of recycling
    within human text's own where that is larger. Without it, as of few samples: none may loop, and
    the share of those that recycle must be within human text's upper bound. That share counts too
    where samples end early, for they loop.
    """
    found: list[Lack] = []
    if seen.loops if bound is None else seen.loop_hi > bound:
        found.append("loops")
    enough = bound is not None and not found
    recycling = seen.recycling_hi if enough else seen.recycling / seen.samples
    if recycling > max(human.recycling_hi, bound or 0.0):
        found.append("recycles")
    if any(seen.repetition[name] > most for name, most in human.repetition.items()):
        found.append("repeats")
    if seen.reference_nats is None:
        found.append("unpriced")
    elif human.place(seen.reference_nats) != "within":
        found.append("cheap" if human.place(seen.reference_nats) == "below" else "dear")
    return tuple(found)


def _number(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else float(value)


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if isfinite(value)]
    return float(np.mean(there)) if there else 0.0


# ---------------------------------------------------------------- what they are held against


def human_text(
    prices: Sequence[float], recycling: Sequence[bool], bands: Mapping[str, Mapping[str, Any]]
) -> Human | None:
    """Of windows of people's text: their prices and whether they recycle, and the bands of the
    corpus's calibration. None where none has a price."""
    known = [price for price in prices if isfinite(price)]
    if not known:
        return None
    low, median, high = (float(x) for x in np.percentile(known, [2.5, 50, 97.5]))
    tops = {name: bands[name]["high"] for name in REPETITION if name in bands}
    return Human(
        low=low,
        median=median,
        high=high,
        windows=len(known),
        recycling_hi=rate_interval(recycling, [0] * len(recycling), range(len(recycling)))[1],
        repetition={name: float(top) for name, top in tops.items() if top is not None},
    )
