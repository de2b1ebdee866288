"""What MLflow shall hold, worked out by hand for two seeds and two epochs."""

import dataclasses
from typing import Any

import pandas as pd
import pytest

from recurrence.tracking.records import Point, Results, flat, record

FIGURES = {
    "nats": 0.7,
    "nats_sd": 0.01,
    "bits_per_char": 1.01,
    "perplexity": 2.01,
    "accuracy": 0.5,
    "accuracy_sd": 0.02,
}
RATES = {
    "samples": 8, "length": 300, "exact": 4, "exact_rate": 0.5, "exact_lo": 0.22, "exact_hi": 0.78,
    "onset_median": 12.0, "period_median": 5.0, "rep_4": 0.9, "zlib_ratio": 0.1,
}  # fmt: skip
HUMAN = RATES | {"exact": 0, "exact_rate": 0.0, "onset_median": None, "period_median": None}
COLUMNS = ["seed", "protocol", "epoch", "lr", "train_nats", "valid_nats", "valid_accuracy"]


@pytest.fixture
def results() -> Results:
    history = [(0, "ordered", 1, 0.1, 2.0, 1.5, 0.3), (0, "ordered", 2, 0.2, 1.0, 0.8, 0.4)]
    history += [(1, "ordered", 1, 0.1, 4.0, 2.5, 0.5), (1, "ordered", 2, 0.2, 2.0, 1.0, 0.6)]
    history += [(0, "as_notebook", 1, 0.1, 9.0, 9.0, 0.9)]
    samples = {"sample_id": ["greedy/0/0/0"], "strategy": ["greedy"], "prompt": ["p"], "text": ["x" * 2000]}
    return Results(
        corpus="toy",
        name="small",
        config={"model": {"core": "lstm", "seeds": [0, 1], "tied": False, "context": None}, "vocab_size": 7},
        history=pd.DataFrame(history, columns=COLUMNS),
        wall={"started": "2020-01-01T00:00:10+00:00", "train_seconds": 10.0, "device": "cpu: one", "torch": "2"},
        scores={
            "parameters": 99,
            "seeds": [{}, {}],
            "exact": FIGURES,
            "as_notebook": None,
            "notebook": None,
            "delta": None,
        },
        rates={"floor": 20, "unit": "word", "length": 300, "strategies": {"greedy": RATES, "human": HUMAN}},
        samples=pd.DataFrame(
            samples | {"kind": ["exact"], "start": [3], "period": [2], "copies": [9.5], "unit": ["one two"]}
        ),
        counts={"vocab": 7},
        strategies={"greedy": {"pick": "argmax", "filters": []}},
        digests={"data/models/toy/small/seed0.safetensors": "aa", "data/ids/toy/train.npy": "bb"},
        tags={"mlflow.source.git.commit": "cafe"},
    )


def changed(results: Results, **fields: Any) -> Results:
    return dataclasses.replace(results, **fields)


def test_final_figures_carry_the_names_that_sort_the_table(results: Results) -> None:
    assert record(results).run.figures == {
        "valid/nats": 0.7, "valid/nats_sd": 0.01, "valid/bits_per_char": 1.01, "valid/perplexity": 2.01,
        "valid/accuracy": 0.5, "model/parameters": 99.0, "train/seconds": 10.0,
    }  # fmt: skip


def test_curves_are_means_over_seeds_of_the_ordered_training(results: Results) -> None:
    start = 1577836810_000
    points = [point for point in record(results).run.curves if point.name == "curve/valid_nats"]
    assert points == [
        Point("curve/valid_nats", 2.0, start + 5000, 1),
        Point("curve/valid_nats", 0.9, start + 10_000, 2),
    ]


def test_run_times_are_those_of_the_training(results: Results) -> None:
    made = record(results)
    assert (made.run.started_ms, made.run.ended_ms) == (1577836810_000, 1577836820_000)
    assert made.decodings["greedy"].started_ms == 1577836820_000


def test_a_time_without_zone_is_utc(results: Results) -> None:
    bare = changed(results, wall=results.wall | {"started": "2020-01-01T00:00:10"})
    assert record(bare).run.started_ms == record(results).run.started_ms


def test_a_decoding_has_loop_figures_and_its_settings(results: Results) -> None:
    decodings = record(results).decodings
    assert list(decodings) == ["greedy"]
    run = decodings["greedy"]
    assert run.name == "small / greedy"
    assert run.figures["loops/exact_rate"] == 0.5
    assert run.figures["loops/human_rate"] == 0.0
    assert run.params["pick"] == "argmax"
    assert run.params["samples"] == "8"


def test_names_are_few_and_never_shared_between_the_kinds_of_run(results: Results) -> None:
    """The table sorted by a figure of models must not show decodings first, nor the other way round."""
    full = {"nats": 1.0, "accuracy": 0.5}
    scores = results.scores | {"as_notebook": full, "notebook": full | {"id": "n"}, "delta": full}
    made = record(changed(results, scores=scores))
    models = made.run.figures.keys() | {point.name for point in made.run.curves}
    decodings = made.decodings["greedy"].figures.keys()
    assert len(models | decodings) <= 25
    assert not models & decodings


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_what_is_not_finite_becomes_a_tag(results: Results, odd: float) -> None:
    history = results.history.assign(valid_nats=[1.5, odd, 2.5, 1.0, 9.0])
    made = record(changed(results, history=history, scores=results.scores | {"exact": FIGURES | {"nats": odd}}))
    assert "valid/nats" not in made.run.figures
    assert [point.step for point in made.run.curves if point.name == "curve/valid_nats"] == [1]
    assert made.run.tags["recurrence.not_finite"] == f"valid/nats={odd}, curve/valid_nats={odd} in epoch 2"


def test_a_model_without_training_has_no_curves(results: Results) -> None:
    assert record(changed(results, history=pd.DataFrame(columns=COLUMNS))).run.curves == ()


def test_the_fingerprint_is_of_the_results_alone(results: Results) -> None:
    same = changed(results, tags={"mlflow.source.git.commit": "beef"})
    assert record(same).fingerprint == record(results).fingerprint
    files = changed(results, digests=results.digests | {"data/ids/toy/train.npy": "cc"})
    settings = changed(results, strategies={"greedy": {"pick": "argmax", "filters": [{"top_k": 2}]}})
    assert len({record(each).fingerprint for each in (results, files, settings)}) == 3


def test_the_dataset_digest_is_of_the_ids_and_fits(results: Results) -> None:
    other_weights = changed(results, digests=results.digests | {"data/models/toy/small/seed0.safetensors": "zz"})
    other_ids = changed(results, digests=results.digests | {"data/ids/toy/train.npy": "cc"})
    digests = [record(each).dataset_digest for each in (results, other_weights, other_ids)]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) <= 36


def test_weights_are_a_reference_and_never_an_artifact(results: Results) -> None:
    made = record(results)
    assert made.weights == {"data/models/toy/small/seed0.safetensors": "aa"}
    assert '"aa"' in made.run.texts["weights.json"]
    assert set(made.run.texts) == {"history.csv", "scores.json", "loops.json", "weights.json"}


def test_params_are_flat_without_the_absent() -> None:
    block = {"core": "lstm", "context": None, "options": {}, "seeds": [0, 1], "tied": False, "long": "x" * 7000}
    block |= {"recipe": {"phases": [{"epochs": 2, "schedule": {"lr": 0.001}}, {"epochs": 7}]}, "allow": []}
    assert flat(block) == {
        "core": "lstm", "seeds": "[0, 1]", "tied": "false", "long": "x" * 6000, "recipe.phases.0.epochs": "2",
        "recipe.phases.0.schedule.lr": "0.001", "recipe.phases.1.epochs": "7",
    }  # fmt: skip


def test_notes_say_the_key_figures(results: Results) -> None:
    made = record(results)
    note = made.run.tags["mlflow.note.content"]
    assert note.startswith("**0.7 nats per token** on the validation text (mean of 2 seeds, sd 0.01)")
    assert "| greedy | 50 % | 22 % to 78 % | 12 | 5 | 0.9 |" in note
    assert "| *human text* | 0 % |" in note
    assert made.decodings["greedy"].tags["mlflow.note.content"] == (
        "**50 % of 8 samples loop** (95 %: 22 % to 78 %) when small decodes by greedy: typically from token 12 of 300, "
        "with a period of 5 tokens. Human text of the same length: 0 %."
    )


def test_samples_are_an_excerpt_with_the_verdict(results: Results) -> None:
    head, prompt, *text = record(results).decodings["greedy"].texts["samples.txt"].split("\n")
    assert head == "--- greedy/0/0/0: loop from word 3, period 2, 9.5 copies of 'one two'"
    assert prompt == "prompt: p"
    assert text == ["x" * 100] * 10 + [" [...]", ""]
