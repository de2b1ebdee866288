"""The champion of a corpus: registered once, under its alias, and loaded by mlflow alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from recurrence.results.corpus import load
from recurrence.stages import track
from recurrence.tracking import registry
from recurrence.tracking.champion import Champion, champion
from tracked_project import client, edit_scores, ids

pytestmark = pytest.mark.filterwarnings("ignore")  # those of mlflow's own classes


def versions(project: Path, name: str) -> list[str]:
    return [str(each.version) for each in client(project).search_model_versions(f"name='{name}'")]


def version_of(project: Path, name: str) -> Any:
    return client(project).get_model_version_by_alias(name, "champion")


def test_the_best_model_is_registered_and_the_reports_best_is_meant(imported: Path) -> None:
    best = load("toy").best
    assert best is not None and best.name == "good"
    found = version_of(imported, "toy-good")
    assert found.run_id == ids(imported)["good"]
    assert [each.name for each in client(imported).search_registered_models()] == ["toy-good"]


def test_tracking_twice_registers_once(tracked: Path) -> None:
    track.main("toy")
    assert versions(tracked, "toy-good") == ["1"]


def test_the_alias_goes_to_the_new_best_and_the_old_version_stays(tracked: Path) -> None:
    edit_scores("good", 9.0)
    track.main("toy")
    assert version_of(tracked, "toy-poor").run_id == ids(tracked)["poor"]
    [good] = client(tracked).search_registered_models("name='toy-good'")
    assert good.aliases == {}
    assert versions(tracked, "toy-good") == ["1"]


def test_new_weights_are_a_new_version(tracked: Path) -> None:
    (tracked / "data/models/toy/good/seed0.safetensors").write_bytes(b"others")
    track.main("toy")
    assert str(version_of(tracked, "toy-good").version) == "2"


def test_only_the_champions_first_net_is_copied(imported: Path) -> None:
    copied = (imported / ".mlflow/artifacts").rglob("*.safetensors")
    assert [path.relative_to(imported / ".mlflow/artifacts/toy/models").parts[2:] for path in copied] == [
        ("artifacts", "model", "seed0.safetensors")
    ]  # fmt: skip


def test_an_experiment_of_dvc_registers_nothing(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "try")
    edit_scores("good", 9.0)
    track.main("toy")
    assert version_of(tracked, "toy-good").version
    assert not client(tracked).search_registered_models("name='toy-poor'")


# ---------------------------------------------------------------- what is loaded


@pytest.fixture
def served(trained_project: Path, tmp_path: Path) -> Any:
    """The trained net of the small project as mlflow loads it."""
    from mlflow.pyfunc import load_model

    found = champion(load("mine"))
    assert isinstance(found, Champion)
    folder = tmp_path / "served"
    folder.mkdir()
    registry.write(found, folder, None, None)
    return load_model(str(folder))


def predicted(served: Any, text: str, **asked: Any) -> Any:
    import pandas as pd

    return served.predict(pd.DataFrame({"text": [text]}), params=asked).iloc[0]


def test_it_generates_as_generate_does(served: Any, recurrence: Any) -> None:
    found = predicted(served, "the cat", strategy="greedy", max_tokens=30)
    said = recurrence("generate", "mine/rnn", "--prompt", "the cat", "--length", "30")[1]
    assert said.removesuffix("\n").endswith(found["text"])
    assert (found["tokens"], len(found["text"])) == (30, 30)


def test_it_scores_as_score_does(served: Any, recurrence: Any, trained_project: Path) -> None:
    (trained_project / "a.txt").write_text("the cat sat on mat", encoding="utf-8")
    found = predicted(served, "the cat sat on mat", task="score")
    said = recurrence("score", "mine/rnn", "a.txt")[1]
    assert f"{found['nats_per_token']:.4f}" in said
    assert f"{found['bits_per_char']:.4f}" in said


def test_what_a_continuation_costs_is_what_scoring_it_says(served: Any) -> None:
    """Of the whole less that of the prompt."""
    made = predicted(served, "the cat", strategy="multinomial", max_tokens=20, seed=3)
    whole = predicted(served, "the cat" + made["text"], task="score")
    start = predicted(served, "the cat", task="score")
    total = whole["nats_per_token"] * whole["tokens"] - start["nats_per_token"] * start["tokens"]
    assert made["nats_per_token"] * made["tokens"] == pytest.approx(total, rel=1e-4)


def test_a_text_does_not_depend_on_the_other_rows(served: Any) -> None:
    import pandas as pd

    asked = {"strategy": "multinomial", "max_tokens": 12, "seed": 1}
    both = served.predict(pd.DataFrame({"text": ["the dog", "the cat"]}), params=asked)
    assert both["text"][1] == predicted(served, "the cat", **asked)["text"]
    assert both["text"][1] != predicted(served, "the cat", **asked | {"seed": 2})["text"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"strategy": "greedi"}, "did you mean 'greedy'"),
        ({"task": "judge"}, "generate or score"),
        ({"max_tokens": 0}, "max_tokens must be"),
    ],
)
def test_what_cannot_be_asked_is_named(served: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=said):
        predicted(served, "the cat", **asked)


def test_signature_and_example_go_with_it(served: Any, tmp_path: Path) -> None:
    signature = served.metadata.signature
    assert signature.inputs.input_names() == ["text"]
    assert {each.name for each in signature.params} == {"task", "strategy", "max_tokens", "seed"}
    example = json.loads((tmp_path / "served/input_example.json").read_text(encoding="utf-8"))
    assert predicted(served, example["data"][0][0])["text"]
    assert not list((tmp_path / "served").rglob("*.pkl"))
