"""What MLflow shall hold, worked out by hand for two seeds and two epochs."""

import dataclasses
import json
from typing import Any

import pandas as pd
import pytest

from recurrence.tracking.records import Point, Tracked, record
from recurrence.tracking.settings import MAX_PARAM_CHARACTERS, cut, flat, uncut

FIGURES = {
    "nats": 0.7,
    "nats_sd": 0.01,
    "bits_per_char": 1.01,
    "perplexity": 2.01,
    "accuracy": 0.5,
    "accuracy_sd": 0.02,
}
RATES = {
    "samples": 8, "length": 300, "loops": 4, "exact": 3, "near": 1, "recycling": 0,
    "loop_rate": 0.5, "loop_lo": 0.22, "loop_hi": 0.78, "exact_rate": 0.375, "exact_lo": 0.14, "exact_hi": 0.69,
    "near_rate": 0.125, "recycling_rate": 0.0, "onset_median": 12.0, "onset_rmean": 150.5, "period_median": 5.0,
    "coverage_mean": 0.8, "n_attractors": 2, "rescued": 0,
    "reference_nats": 0.75, "reference_nats_lo": 0.5, "reference_nats_hi": 1.0,
    "rep_4": 0.9, "rep_8": 0.7, "zlib_ratio": 0.1, "diversity": 0.3, "self_bleu": 0.2, "non_word": None,
    "deterministic": True, "uses_history": False, "certified": {"samples": 8, "certified": 4, "agree": 3},
    "versus_pure": {"reference": "multinomial", "difference": 0.5, "p": 0.01, "p_holm": 0.03},
}  # fmt: skip
HUMAN = RATES | {
    "loops": 0, "exact": 0, "near": 0, "loop_rate": 0.0, "loop_lo": 0.0, "loop_hi": 0.1, "exact_rate": 0.0,
    "onset_median": None, "period_median": None, "reference_nats": 3.25, "versus_pure": None,
    "certified": {"samples": 0, "certified": 0, "agree": 0},
}  # fmt: skip
GREEDY = {"pick": "argmax", "search": None, "filters": [], "family": "greedy"}
HEAD = {"floor": 20, "unit": "word", "length": 300, "reference": "other", "prompts_digest": "dd"}
COLUMNS = ["seed", "protocol", "epoch", "lr", "train_nats", "valid_nats", "valid_accuracy"]


@pytest.fixture
def results() -> Tracked:
    history = [(0, "ordered", 1, 0.1, 2.0, 1.5, 0.3), (0, "ordered", 2, 0.2, 1.0, 0.8, 0.4)]
    history += [(1, "ordered", 1, 0.1, 4.0, 2.5, 0.5), (1, "ordered", 2, 0.2, 2.0, 1.0, 0.6)]
    history += [(0, "as_notebook", 1, 0.1, 9.0, 9.0, 0.9)]
    return Tracked(
        corpus="toy",
        name="small",
        config={
            "model": {"core": "lstm", "seeds": [0, 1], "tied": False, "context": None},
            "vocab_size": 7,
        },
        history=pd.DataFrame(history, columns=COLUMNS),
        machine={
            "started": "2020-01-01T00:00:10+00:00",
            "train_seconds": 10.0,
            "device": "cpu: one",
            "torch": "2",
        },
        scores={
            "parameters": 99,
            "seeds": [{}, {}],
            "exact": FIGURES,
            "as_notebook": None,
            "notebook": None,
            "delta": None,
            "repetition": {"rep_128": 0.9, "wrep_128": 0.4},
        },
        rates=HEAD | {"strategies": {"greedy": RATES, "human": HUMAN}},
        samples=pd.DataFrame(
            {"sample_id": ["greedy/0/0/0"], "strategy": ["greedy"], "kind": ["exact"]}
        ),
        card={"detector": {"floor": 20}},
        counts={"vocab": 7},
        strategies={"greedy": GREEDY},
        digests={"data/models/toy/small/seed0.safetensors": "aa", "data/ids/toy/train.npy": "bb"},
        tags={"mlflow.source.git.commit": "cafe"},
    )


def changed(results: Tracked, **fields: Any) -> Tracked:
    return dataclasses.replace(results, **fields)


def test_final_figures_carry_the_names_that_sort_the_table(results: Tracked) -> None:
    assert record(results).run.figures == {
        "valid/nats": 0.7, "valid/nats_sd": 0.01, "valid/bits_per_char": 1.01, "valid/perplexity": 2.01,
        "valid/accuracy": 0.5, "model/parameters": 99.0, "train/seconds": 10.0, "repetition/rep_128": 0.9,
        "repetition/wrep_128": 0.4,
    }  # fmt: skip


def test_curves_are_means_over_seeds_of_the_ordered_training(results: Tracked) -> None:
    start = 1577836810_000
    points = [point for point in record(results).run.curves if point.name == "curve/valid_nats"]
    assert points == [
        Point("curve/valid_nats", 2.0, start + 5000, 1),
        Point("curve/valid_nats", 0.9, start + 10_000, 2),
    ]


def test_run_times_are_those_of_the_training(results: Tracked) -> None:
    made = record(results)
    assert (made.run.started_ms, made.run.ended_ms) == (1577836810_000, 1577836820_000)
    assert made.decodings["greedy"].started_ms == 1577836820_000


def test_a_time_without_zone_is_utc(results: Tracked) -> None:
    bare = changed(results, machine=results.machine | {"started": "2020-01-01T00:00:10"})
    assert record(bare).run.started_ms == record(results).run.started_ms


def test_a_decoding_has_its_figures(results: Tracked) -> None:
    decodings = record(results).decodings
    assert list(decodings) == ["greedy"]
    assert decodings["greedy"].name == "small / greedy"
    assert decodings["greedy"].figures == {
        "loops/loop_rate": 0.5, "loops/loop_lo": 0.22, "loops/loop_hi": 0.78, "loops/exact_rate": 0.375,
        "loops/exact_lo": 0.14, "loops/exact_hi": 0.69, "loops/near_rate": 0.125, "loops/recycling_rate": 0.0,
        "loops/onset_rmean": 150.5, "loops/period_median": 5.0, "loops/coverage_mean": 0.8, "loops/n_attractors": 2.0,
        "loops/rescued": 0.0, "loops/human_rate": 0.0, "loops/versus_pure_p": 0.03, "loops/certified_agree": 0.75,
        "text/rep_4": 0.9, "text/rep_8": 0.7, "text/zlib_ratio": 0.1, "text/diversity": 0.3, "text/self_bleu": 0.2,
        "reference/nats": 0.75, "reference/lo": 0.5, "reference/hi": 1.0,
    }  # fmt: skip
    assert json.loads(decodings["greedy"].texts["rates.json"]) == RATES


def test_what_is_not_known_of_a_decoding_has_no_figure(results: Tracked) -> None:
    bare = RATES | {
        "certified": {"samples": 0, "certified": 0, "agree": 0},
        "versus_pure": None,
        "reference_nats": None,
    }
    rates = results.rates | {"strategies": {"greedy": bare}}
    figures = record(changed(results, rates=rates)).decodings["greedy"].figures
    missing = {
        "loops/certified_agree",
        "loops/versus_pure_p",
        "loops/human_rate",
        "reference/nats",
        "text/non_word",
    }
    assert not missing & figures.keys()


def test_a_decoding_has_its_settings_for_the_unit_and_the_order_of_its_filters(
    results: Tracked,
) -> None:
    block = {"pick": "sample", "family": "truncated sampling", "window": None}
    block["filters"] = [
        {"no_repeat_ngram": {"char": 12, "word": 4}},
        {"dry": {"multiplier": 0.8, "window": None}},
    ]
    run = record(changed(results, strategies={"greedy": block})).decodings["greedy"]
    assert run.params == {
        "strategy": "greedy", "unit": "word", "pick": "sample", "family": "truncated sampling",
        "filter_order": '["no_repeat_ngram", "dry"]', "filters.0.no_repeat_ngram": "4",
        "filters.1.dry.multiplier": "0.8", "samples": "8", "length": "300", "floor": "20", "reference": "other",
        "prompts_digest": "dd", "deterministic": "true", "uses_history": "false",
    }  # fmt: skip


def test_a_strategy_that_left_params_is_still_imported(results: Tracked) -> None:
    run = record(changed(results, strategies={})).decodings["greedy"]
    assert run.params["samples"] == "8"
    assert "family" not in run.params


def test_a_model_that_is_not_sampled_has_no_decodings(results: Tracked) -> None:
    made = record(changed(results, rates={"strategies": {}}, samples=pd.DataFrame(), card=None))
    assert made.decodings == {}
    assert set(made.run.texts) == {"history.csv", "scores.json", "weights.json"}
    assert made.run.tags["mlflow.note.content"].endswith("Not sampled.")


def test_names_are_few_and_never_shared_between_the_kinds_of_run(results: Tracked) -> None:
    """The table sorted by a figure of models must not show decodings first, nor the other way
    round.
    """
    full = {"nats": 1.0, "accuracy": 0.5}
    scores = results.scores | {"as_notebook": full, "notebook": full | {"id": "n"}, "delta": full}
    made = record(changed(results, scores=scores))
    models = made.run.figures.keys() | {point.name for point in made.run.curves}
    decodings = made.decodings["greedy"].figures.keys() | {"text/non_word"}
    assert max(len(models), len(decodings)) <= 25
    assert not models & decodings


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_what_is_not_finite_becomes_a_tag(results: Tracked, odd: float) -> None:
    history = results.history.assign(valid_nats=[1.5, odd, 2.5, 1.0, 9.0])
    made = record(
        changed(
            results, history=history, scores=results.scores | {"exact": FIGURES | {"nats": odd}}
        )
    )
    assert "valid/nats" not in made.run.figures
    assert [point.step for point in made.run.curves if point.name == "curve/valid_nats"] == [1]
    assert (
        made.run.tags["recurrence.not_finite"]
        == f"valid/nats={odd}, curve/valid_nats={odd} in epoch 2"
    )


def test_a_model_without_training_has_no_curves(results: Tracked) -> None:
    assert record(changed(results, history=pd.DataFrame(columns=COLUMNS))).run.curves == ()


def test_the_fingerprint_is_of_the_results_alone(results: Tracked) -> None:
    same = changed(results, tags={"mlflow.source.git.commit": "beef"})
    assert record(same).fingerprint == record(results).fingerprint
    files = changed(results, digests=results.digests | {"data/ids/toy/train.npy": "cc"})
    settings = changed(results, strategies={"greedy": GREEDY | {"filters": [{"top_k": 2}]}})
    assert len({record(each).fingerprint for each in (results, files, settings)}) == 3


def test_the_dataset_digest_is_of_the_ids_and_fits(results: Tracked) -> None:
    other_weights = changed(
        results, digests=results.digests | {"data/models/toy/small/seed0.safetensors": "zz"}
    )
    other_ids = changed(results, digests=results.digests | {"data/ids/toy/train.npy": "cc"})
    digests = [record(each).dataset_digest for each in (results, other_weights, other_ids)]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) <= 36


def test_weights_are_a_reference_and_never_an_artifact(results: Tracked) -> None:
    made = record(results)
    assert made.weights == {"data/models/toy/small/seed0.safetensors": "aa"}
    assert '"aa"' in made.run.texts["weights.json"]
    own = {"history.csv", "scores.json", "weights.json"}
    assert set(made.run.texts) == own | {
        "loops.json",
        "decodings.csv",
        "samples.jsonl",
        "detector_card.json",
    }


def test_params_are_flat_without_the_absent() -> None:
    block = {
        "core": "lstm",
        "context": None,
        "options": {},
        "seeds": [0, 1],
        "tied": False,
    }
    block |= {
        "recipe": {"phases": [{"epochs": 2, "schedule": {"lr": 0.001}}, {"epochs": 7}]},
        "allow": [],
    }
    assert flat(block) == {
        "core": "lstm", "seeds": "[0, 1]", "tied": "false", "recipe.phases.0.epochs": "2",
        "recipe.phases.0.schedule.lr": "0.001", "recipe.phases.1.epochs": "7",
    }  # fmt: skip


def test_a_param_that_is_too_long_says_that_it_was_cut_and_where_the_rest_is() -> None:
    params = {"short": "x" * MAX_PARAM_CHARACTERS, "long": "é" * 7000}
    kept = cut(params)
    assert kept["short"] == params["short"]
    assert len(kept["long"]) == MAX_PARAM_CHARACTERS
    start, _, mark = kept["long"].partition(" [")
    assert start == "é" * len(start)
    assert (
        mark == f"cut: {len(start)} of 7000 characters; all of it is in the artifact params.json]"
    )
    assert json.loads(uncut(params)["params.json"]) == params
    assert uncut({"short": params["short"]}) == {}


def test_a_record_has_its_long_params_whole_as_an_artifact(results: Tracked) -> None:
    model = results.config["model"] | {"options": {"words": "w" * 9000}}
    made = record(changed(results, config=results.config | {"model": model}))
    assert len(made.run.params["options.words"]) == MAX_PARAM_CHARACTERS
    assert json.loads(made.run.texts["params.json"])["options.words"] == "w" * 9000


def test_facts_of_the_machine_are_shown_but_decide_nothing(results: Tracked) -> None:
    """The same results of another machine, or of one of which nothing is known, are the same
    record.
    """
    other = changed(results, machine=results.machine | {"train_seconds": 99.0, "device": "cuda"})
    unknown = changed(results, machine={})
    assert record(other).fingerprint == record(results).fingerprint == record(unknown).fingerprint
    assert record(other).run.tags["env.device"] == "cuda"
    bare = record(unknown).run
    assert "train/seconds" not in bare.figures
    assert not [name for name in bare.tags if name.startswith("env.")]
    assert "99 parameters." in bare.tags["mlflow.note.content"]
    assert "Trained" not in bare.tags["mlflow.note.content"]
    assert bare.started_ms > record(results).run.started_ms


def test_settings_of_strategies_that_were_not_sampled_decide_nothing(results: Tracked) -> None:
    more = changed(results, strategies={"greedy": GREEDY, "another": GREEDY})
    assert record(more).fingerprint == record(results).fingerprint


def test_notes_say_the_key_figures(results: Tracked) -> None:
    made = record(results)
    note = made.run.tags["mlflow.note.content"]
    assert note.startswith(
        "**0.7 nats per token** on the validation text (mean of 2 seeds, sd 0.01)"
    )
    assert "| greedy | 50 % | 22 % to 78 % | 12 | 5 | 0.75 |\n| *human text* | 0 % |" in note
    assert note.endswith("Reference nats: per token, under other.")
    assert made.decodings["greedy"].tags["mlflow.note.content"] == (
        "**50 % of 8 samples loop** (95 %: 22 % to 78 %) when small decodes by greedy: typically "
        "from word 12 of 300, "
        "with a period of 5 words; 3 exactly, 1 nearly, in 2 different loops. Human text of the "
        "same length: 0 %. "
        "Reference nats: 0.75 per word under other (95 %: 0.5 to 1); human text: 3.25. Hidden "
        "states confirm 3 of 4 loops "
        "that they certify. Against multinomial: +50 points, p = 0.03 (Holm)."
    )


def test_the_note_of_a_strategy_without_loops_is_short(results: Tracked) -> None:
    calm = HUMAN | {"recycling": 2, "recycling_rate": 0.25, "reference_nats": None, "rescued": 3}
    rates = results.rates | {"strategies": {"greedy": calm}}
    note = record(changed(results, rates=rates)).decodings["greedy"].tags["mlflow.note.content"]
    assert note == (
        "**0 % of 8 samples loop** (95 %: 0 % to 10 %) when small decodes by greedy. 25 % reuse "
        "phrases without a "
        "period. Human text of the same length: -. In 3 samples every token was banned at some "
        "point."
    )


def test_the_note_of_many_decodings_fits_a_tag(results: Tracked) -> None:
    many = {f"a_strategy_with_a_rather_long_name_{i}": RATES for i in range(60)}
    made = record(changed(results, rates=results.rates | {"strategies": many}))
    assert 3000 < len(made.run.tags["mlflow.note.content"]) < 8000
