"""Figures per strategy from rows made by hand, each counted by hand."""

import json
from typing import Any

import numpy as np
import pytest

from recurrence.repetition.metrics import METRICS
from recurrence.repetition.published import PUBLISHED
from recurrence.study.rates import rates
from recurrence.study.statistics import mean_interval, rate_interval, wilson

LENGTH = 100
IDS = np.arange(LENGTH)
NOTHING = dict.fromkeys(
    (*("start", "period", "copies", "matched", "coverage", "terminal", "identity", "unit", "attractor"),
     *("long_kind", "long_start", "long_period", "eos_at", "stopped_kind", "stopped_start"),
     *("witness_period", "agrees", "reference_nats", "prompt_id", "deterministic", "uses_history", "train_seed"))
)  # fmt: skip


def row(strategy: str, prompt: int | None = 0, seed: int = 0, **fields: Any) -> dict[str, Any]:
    figures = dict.fromkeys(METRICS, 0.5) | dict.fromkeys(PUBLISHED, False)
    own = {
        "sample_id": f"{strategy}/{prompt}/{seed}",
        "strategy": strategy,
        "prompt_id": prompt,
        "train_seed": 0,
        "rescued": 0,
    }
    own |= {"kind": "none", "length": LENGTH, "deterministic": True, "uses_history": False}
    return NOTHING | figures | own | fields


def loop(strategy: str, prompt: int, start: int, unit: str = "ab", **fields: Any) -> dict[str, Any]:
    matched = LENGTH - start - len(unit)
    found = {
        "kind": "exact",
        "start": start,
        "period": len(unit),
        "copies": (matched + len(unit)) / len(unit),
    }
    found |= {"matched": matched, "coverage": matched / LENGTH, "terminal": True, "identity": 1.0}
    return row(strategy, prompt, **(found | {"unit": unit, "attractor": unit} | fields))


def of(*rows: dict[str, Any], ids: Any = IDS) -> dict[str, Any]:
    """The figures of the first strategy."""
    found = rates(list(rows), [ids] * len(rows), LENGTH, "pure")
    json.dumps(found, allow_nan=False)
    return found[rows[0]["strategy"]]


def test_counts_and_shapes_by_hand() -> None:
    found = of(
        loop("greedy", 0, 10),
        loop("greedy", 1, 20, terminal=False),
        loop("greedy", 2, 60, "abcde", kind="near", identity=0.8),
        row("greedy", 3, kind="recycling"),
    )
    counts = {"samples": 4, "length": 100, "exact": 2, "near": 1, "recycling": 1, "loops": 3}
    assert {name: found[name] for name in counts} == counts
    assert (
        found["exact_rate"],
        found["near_rate"],
        found["recycling_rate"],
        found["loop_rate"],
    ) == (
        0.5,
        0.25,
        0.25,
        0.75,
    )
    assert (found["loop_lo"], found["loop_hi"]) == wilson(3, 4)
    assert (found["exact_lo"], found["exact_hi"]) == wilson(2, 4)
    assert found["terminal_rate"] == 2 / 4
    assert (found["onset_median"], found["period_median"], found["copies_median"]) == (
        20,
        2,
        40,
    )  # 45, 40, 8
    assert found["coverage_mean"] == pytest.approx((0.88 + 0.78 + 0.35) / 3)
    assert found["identity_mean"] == pytest.approx((1 + 1 + 0.8) / 3)


def test_onset_is_censored_where_samples_end_without_a_loop() -> None:
    """Of four at risk, one each goes at 10, 20 and 60; the fourth lasts to the end."""
    found = of(
        loop("greedy", 0, 10), loop("greedy", 1, 20), loop("greedy", 2, 60), row("greedy", 3)
    )
    assert found["survival"] == [
        [0, 1],
        [10, 0.75],
        [20, pytest.approx(0.5)],
        [60, pytest.approx(0.25)],
    ]
    assert found["onset_rmean"] == pytest.approx((10 + 20 + 60 + 100) / 4)
    none = of(row("greedy", 0), row("greedy", 1))
    assert (none["survival"], none["onset_rmean"], none["onset_median"]) == ([[0, 1]], 100, None)


def test_attractors_by_the_size_of_their_basins() -> None:
    found = of(
        *(loop("greedy", i, 5, unit) for i, unit in enumerate(["ab", "xyz", "xyz", "cd"])),
        row("greedy", 9),
    )
    assert found["attractors"] == [["xyz", 3, 2], ["ab", 2, 1], ["cd", 2, 1]]
    assert found["n_attractors"] == 3
    many = of(*(loop("greedy", i, 5, chr(97 + i)) for i in range(26)))
    assert (len(many["attractors"]), many["n_attractors"]) == (20, 26)


def test_rates_are_over_nets_and_prompts() -> None:
    """Three nets of four prompts; one loops always, two never."""
    rows = [
        (loop if net == 0 else row)("top_p", p, 5 if net == 0 else 0) | {"train_seed": net}
        for net in range(3)
        for p in range(4)
    ]
    found = of(*rows)
    assert (found["samples"], found["nets"], found["prompts"]) == (12, 3, 4)
    nets, prompts = [0] * 4 + [1] * 4 + [2] * 4, [0, 1, 2, 3] * 3
    hits = [1] * 4 + [0] * 8
    assert (found["exact_lo"], found["exact_hi"]) == rate_interval(hits, nets, prompts)
    assert found["exact_hi"] > wilson(4, 12)[1] + 0.2, "three nets are not twelve"
    assert (found["near_lo"], found["near_hi"]) == wilson(0, 12), "all equal: of the pairs"


def test_price_is_a_mean_with_an_interval_over_prompts() -> None:
    found = of(
        *(row("greedy", p, reference_nats=nats) for p, nats in enumerate([1.0, 2.0, 3.0])),
        row("greedy", 3),
    )
    assert found["reference_nats"] == 2
    assert (found["reference_nats_lo"], found["reference_nats_hi"]) == mean_interval(
        [1, 2, 3], [0] * 3, range(3)
    )
    bad = of(
        row("greedy", 0, reference_nats=float("inf")), row("greedy", 1, reference_nats=float("nan"))
    )
    assert bad["reference_nats"] is bad["reference_nats_lo"] is bad["reference_nats_hi"] is None


def test_metrics_are_means_of_the_samples_that_have_them() -> None:
    rows = [
        row("greedy", 0, rep_4=0.9, rep_8=float("nan")),
        row("greedy", 1, rep_4=0.3, rep_8=float("nan")),
    ]
    rows[1]["whisper_zlib"] = True
    found = of(*rows)
    assert (found["rep_4"], found["rep_8"]) == (pytest.approx(0.6), None)
    assert found["published"] == dict.fromkeys(PUBLISHED, 0.0) | {"whisper_zlib": 0.5}


def test_figures_of_samples_together() -> None:
    """All of the first 100 tokens: no n-gram comes again, each sample is the other, every token
    twice.
    """
    found = of(row("greedy", 0), row("greedy", 1), ids=np.concatenate([IDS, IDS]))
    assert (found["diversity"], found["self_bleu"], found["zipf"]) == (
        1,
        pytest.approx(1),
        pytest.approx(0),
    )
    alone = of(row("greedy", 0), ids=IDS[:1])
    assert alone["diversity"] is alone["self_bleu"] is alone["zipf"] is None


def test_what_kind_of_decoding_it_was_and_what_the_states_say() -> None:
    certified = {"witness_period": 2, "agrees": True}
    rows = [
        loop("greedy", 0, 5, **certified),
        loop("greedy", 1, 5, **certified | {"agrees": False}),
        row("greedy", 2),
    ]
    found = of(*rows, row("greedy", 3, rescued=4))
    assert (found["deterministic"], found["uses_history"], found["rescued"]) == (True, False, 1)
    assert found["certified"] == {"samples": 4, "certified": 2, "agree": 1}
    with_history = of(row("dry", 0, uses_history=True))
    assert with_history["certified"] == {"samples": 0, "certified": 0, "agree": 0}


def test_stopped_at_eos_by_hand() -> None:
    """Ends at 40 without a loop; loops from 10 and ends at 80; loops from 50 and does not end; the
    fourth does neither. At 10 one of four goes, 3/4 are left; at 40 one is censored; at 50 one of
    two goes, 3/8. Their area up to 100.
    """
    found = of(
        row("greedy", 0, eos_at=40, stopped_kind="none"),
        loop("greedy", 1, 10, eos_at=80, stopped_kind="exact", stopped_start=10),
        loop("greedy", 2, 50, stopped_kind="exact", stopped_start=50),
        row("greedy", 3, stopped_kind="none"),
    )["stopped"]
    assert found == {
        "ended_rate": 0.5, "nontermination": 0.5, "length_median": 90, "exact_rate": 0.5,
        "onset_rmean": pytest.approx(10 + 40 * 3 / 4 + 50 * 3 / 8),
    }  # fmt: skip
    assert of(row("greedy"))["stopped"] is None, "no <eos> in the vocabulary"


def test_the_same_samples_gone_on_with() -> None:
    kinds = ("exact", "none", "exact", "near")
    found = of(
        *(row("greedy", p, long_kind=kind) for p, kind in enumerate(kinds)), ids=np.arange(400)
    )
    assert found["long"] == {"length": 400, "exact_rate": 0.5}
    assert of(row("greedy"))["long"] is None


def test_strategies_are_compared_with_pure_sampling_on_the_same_prompts() -> None:
    """Greedy loops on all 6 prompts: p = 2 / 2**6; top-p on 1 of 6, of two samples one: sums +-1/2,
    p = 1. Holm: twice the smaller.
    """
    pure = [row("pure", p, s) for p in range(6) for s in range(2)]
    greedy = [loop("greedy", p, 5) for p in range(6)]
    top_p = [loop("top_p", 0, 5)] + [row("top_p", p, s) for p in range(6) for s in range(2)][1:]
    rows = [*greedy, *pure, *top_p, row("human", None)]
    found = {
        name: figures["versus_pure"]
        for name, figures in rates(rows, [IDS] * len(rows), LENGTH, "pure").items()
    }
    one = {"reference": "pure", "difference": 1, "difference_lo": 1, "difference_hi": 1}
    one |= {"p": 2 / 64, "p_holm": 4 / 64}
    low, high = mean_interval([0.5, 0, 0, 0, 0, 0], [0] * 6, range(6))
    other = {"reference": "pure", "difference": pytest.approx(1 / 12), "p": 1, "p_holm": 1}
    other |= {"difference_lo": low, "difference_hi": high}
    assert found == {"greedy": one, "pure": None, "top_p": other, "human": None}
    assert of(*greedy)["versus_pure"] is None, "nothing to compare with"
    plain = rates(rows, [IDS] * len(rows), LENGTH)
    assert all(figures["versus_pure"] is None for figures in plain.values()), "no reference"


def test_the_reference_may_have_any_name() -> None:
    rows = [*(loop("greedy", p, 5) for p in range(3)), *(row("drawn", p) for p in range(3))]
    found = rates(rows, [IDS] * 6, LENGTH, "drawn")
    assert (found["drawn"]["versus_pure"], found["greedy"]["versus_pure"]["reference"]) == (
        None,
        "drawn",
    )


def test_human_windows_stand_alone_and_are_always_there() -> None:
    windows = [
        row(
            "human",
            None,
            deterministic=None,
            uses_history=None,
            train_seed=None,
            sample_id=f"human/valid/{i}",
        )
        for i in range(4)
    ]
    windows[0] |= {"kind": "near", "start": 5, "period": 9, "stopped_kind": "near"}
    found = of(*windows)
    assert (found["near_lo"], found["near_hi"]) == wilson(1, 4)
    assert found["deterministic"] is found["stopped"] is found["versus_pure"] is None
    assert found["certified"] == {"samples": 0, "certified": 0, "agree": 0}
    empty = rates([row("greedy")], [IDS], LENGTH)["human"]
    assert (empty["samples"], empty["loops"], empty["exact_rate"], empty["reference_nats"]) == (
        0,
        0,
        None,
        None,
    )
    assert (empty["length"], empty["survival"], empty["onset_rmean"], empty["diversity"]) == (
        None,
        [],
        None,
        None,
    )
    assert set(empty) == set(found)
