import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import train


def edit(project: Path, old: str, new: str) -> None:
    path = project / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_writes_weights_history_and_wall(trained_project: Path) -> None:
    folder = paths.model("mine", "rnn")
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "history.csv", "seed0.safetensors", "vocab.json"]
    history = pd.read_csv(folder / "history.csv")
    assert list(history.columns) == train.HISTORY and history.protocol.tolist() == ["ordered"]
    wall = json.loads(paths.wall("mine", "rnn").read_text())
    assert wall["train_seconds"] > 0 and wall["device"].startswith("cpu: ") and wall["parameters"] > 0


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
    assert (folder / "seed0.safetensors").read_bytes() == alone != (folder / "seed3.safetensors").read_bytes()
    assert pd.read_csv(folder / "history.csv").seed.tolist() == [0, 3]


def test_seeds_side_by_side_are_the_same_bytes(trained_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    with pytest.raises(RecurrenceError, match="'unigram' counts and takes no recipe"):
        train.main("mine-rnn")


def test_a_baseline_counts_once(trained_project: Path) -> None:
    assert (paths.model("mine", "unigram") / "seed0.safetensors").is_file()
    assert pd.read_csv(paths.model("mine", "unigram") / "history.csv").empty
