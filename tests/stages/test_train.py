from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from recurrence import machine, paths
from recurrence.errors import RecurrenceError
from recurrence.stages import train
from recurrence.training.learner import Learner, Whole


def edit(project: Path, old: str, new: str) -> None:
    path = project / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_writes_weights_and_history(trained_project: Path) -> None:
    folder = paths.model("mine", "rnn")
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "history.csv",
        "seed0.safetensors",
        "vocab.json",
    ]
    history = pd.read_csv(folder / "history.csv")
    assert list(history.columns) == train.HISTORY and history.protocol.tolist() == ["ordered"]


def test_the_same_params_give_the_same_bytes(trained_project: Path) -> None:
    folder = paths.model("mine", "rnn")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    train.main("mine-rnn")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_every_seed_is_its_own(trained_project: Path) -> None:
    edit(trained_project, "hidden: 16", "hidden: 16\n    seeds: [0, 3]")
    alone = (paths.model("mine", "rnn") / "seed0.safetensors").read_bytes()
    train.main("mine-rnn")
    folder = paths.model("mine", "rnn")
    assert (
        (folder / "seed0.safetensors").read_bytes()
        == alone
        != (folder / "seed3.safetensors").read_bytes()
    )
    assert pd.read_csv(folder / "history.csv").seed.tolist() == [0, 3]


def test_seeds_side_by_side_are_the_same_bytes(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(trained_project, "hidden: 16", "hidden: 16\n    seeds: [0, 3, 5]")
    train.main("mine-rnn")
    folder = paths.model("mine", "rnn")
    alone = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr("recurrence.device.spare_cores", lambda device, compute: 2)
    train.main("mine-rnn")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == alone


def test_window_models_train_a_second_time_on_the_notebooks_split(trained_project: Path) -> None:
    edit(trained_project, "{loader: lanes, size: 2, bptt: 16}", WINDOWS)
    edit(trained_project, "hidden: 16", "hidden: 16\n    context: 4")
    train.main("mine-rnn")
    history = pd.read_csv(paths.model("mine", "rnn") / "history.csv")
    assert history.protocol.tolist() == ["ordered", "as_notebook"]
    tokens = [len(np.load(paths.ids("mine") / f"{part}.npy")) for part in ("train", "valid")]
    assert history.valid_tokens.tolist() == [tokens[1] - 4, int(0.2 * (sum(tokens) - 4))]


WINDOWS = "{loader: windows, size: 64, bptt: 4, stride: 1, targets: last, state: zero, notebook_split: random_windows}"


def test_a_failed_training_leaves_the_previous_model(trained_project: Path) -> None:
    folder = paths.model("mine", "rnn")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    edit(trained_project, "size: 2, bptt: 16", "size: 200, bptt: 160")
    with pytest.raises(RecurrenceError, match="too short"):
        train.main("mine-rnn")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []


def test_a_recipe_goes_with_gradients_only(trained_project: Path) -> None:
    edit(trained_project, "core: rnn", "core: unigram")
    with pytest.raises(
        RecurrenceError, match="models.mine-rnn.recipe: core 'unigram' counts and takes no recipe"
    ):
        train.main("mine-rnn")


def test_what_was_finished_before_a_failure_is_not_trained_again(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main("mine-rnn")
    folder, scratch = paths.model("mine", "rnn"), paths.checkpoints("mine", "rnn")
    expected = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert not scratch.parent.exists()  # nothing is left of a training that ended well

    def full(*_: object) -> None:
        raise RecurrenceError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(RecurrenceError, match="the disk is full"):
        patch.setattr("recurrence.model.checkpoint.write_weights", full)
        train.main("mine-rnn")
    with monkeypatch.context() as patch:
        patch.setattr("recurrence.training.learner.Learner.step", full)
        train.main("mine-rnn")
    assert "mine/rnn seed 0: was trained to its end before" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == expected
    assert not scratch.parent.exists()


def test_a_training_that_was_broken_off_is_gone_on_with(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = paths.model("mine", "rnn")
    expected = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setenv("RECURRENCE_SNAPSHOT_S", "0")
    whole, steps = Learner.step, iter(range(1000))

    def broken(self: Learner, *given: object) -> None:
        if next(steps) == 20:
            raise KeyboardInterrupt
        whole(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Learner, "step", broken)
        train.main("mine-rnn")
    train.main("mine-rnn")
    assert "mine/rnn seed 0: resumed at epoch 1, step 21" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == expected


def test_how_often_the_rate_was_reduced_is_noted(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(trained_project, "short:\n", "short:\n    on_divergence: {reduce_lr: 0.5, at_most: 1}\n")

    steps = iter(range(1000))

    def reduce(self: Whole, model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
        return loss * float("nan") if next(steps) == 5 else loss

    monkeypatch.setattr(Whole, "reduce", reduce)
    with machine.recorded("train", "mine-rnn"):
        train.main("mine-rnn")
    row = machine.row("mine", "train", "mine-rnn")
    assert row and row["remarks"] == "rate reduced 1x" and float(row["tokens_per_second"]) > 0
    assert pd.read_csv(paths.model("mine", "rnn") / "history.csv").lr.tolist() == [5e-3]


def test_a_baseline_counts_once(trained_project: Path) -> None:
    assert (paths.model("mine", "unigram") / "seed0.safetensors").is_file()
    assert pd.read_csv(paths.model("mine", "unigram") / "history.csv").empty
