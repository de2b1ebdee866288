"""A training stopped anywhere and gone on with by a new object is the training that was never
stopped, bit for bit.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence import params
from recurrence.model import build_model
from recurrence.training import batches, jobs, resume
from recurrence.training.learner import Learner
from recurrence.training.trainer import Snapshot, Trainer

STREAM = torch.from_numpy(np.random.default_rng(1).integers(0, 7, 260)).long()
LOADERS: dict[str, dict[str, object]] = {
    "variable_bptt": {"size": 4, "bptt": 8},
    "lanes": {"size": 4, "bptt": 6},
    "rows": {"size": 6, "bptt": 5, "targets": "last"},
    "windows": {"size": 8, "bptt": 5, "stride": 4, "targets": "last"},
}
CYCLE = {"kind": "one_cycle", "lr": 1e-2}
RESTARTS = {
    "kind": "cosine_restarts",
    "lr": 1e-2,
    "cycle_batches": 3,
    "cycle_mult": 2,
    "warm_fraction": 0.5,
}
PHASES: dict[str, list[dict[str, object]]] = {
    "one": [
        {"epochs": 2, "optimizer": {"decay_biases": False, "weight_decay": 0.1}, "schedule": CYCLE}
    ],
    "kept": [  # beta 1 stays where one_cycle left it, and the rate where the restarts did
        {"epochs": 1, "optimizer": {}, "schedule": CYCLE},
        {"epochs": 1, "schedule": RESTARTS},
        {"epochs": 1, "schedule": {"kind": "constant", "lr": "leftover"}},
    ],
    "renewed": [
        {"epochs": 1, "optimizer": {}, "schedule": RESTARTS},
        {"epochs": 2, "optimizer": {"betas": [0.7, 0.99], "decoupled": True}, "schedule": CYCLE},
    ],
}
NOISY = {
    "embedding": 0.2,
    "input": 0.3,
    "weight": 0.4,
    "hidden": 0.3,
    "output": 0.3,
    "plain_output": 0.2,
}
Case = tuple[str, str, str, str, bool]
CASES = st.tuples(
    st.sampled_from(sorted(LOADERS)),
    st.sampled_from(["carry", "reset", "zero"]),
    st.sampled_from(sorted(PHASES)),
    st.sampled_from(["lstm", "awd_lstm", "elman"]),
    st.booleans(),
)


class Stopped(Exception):
    """In the place of a kill."""


def new_trainer(case: Case, seed: int = 0) -> Trainer:
    loader, state, phases, core, may_go_back = case
    state = "zero" if loader in ("rows", "windows") else state  # their last batch has fewer rows
    recipe = params.Recipe.model_validate(
        {
            "batches": {"loader": loader, "state": state, **LOADERS[loader]},
            "phases": PHASES[phases],
            "on_divergence": {"reduce_lr": 0.5, "at_most": 3} if may_go_back else None,
        }
        | ({"clip": 0.2, "ar": 2.0, "tar": 1.0} if core == "awd_lstm" else {})
    )
    sizes = {
        "corpus": "toy",
        "name": "toy",
        "core": core,
        "embedding": 8,
        "hidden": 8,
        "dropout": NOISY,
    }
    torch.manual_seed(seed)
    model = build_model(
        params.Model.model_validate(sizes | ({} if core == "elman" else {"layers": 2})), 7
    )
    train, valid = (batches.loader(STREAM, recipe.batches, train) for train in (True, False))
    return Trainer(Learner(model, recipe), train, valid, np.random.default_rng(seed))


def end_of(one: Trainer) -> Snapshot:
    list(one.run())
    return one.state_dict()


@cache
def undisturbed(case: Case) -> Snapshot:
    return end_of(new_trainer(case))


def stopping_at(place: int, kept: Callable[[], None]) -> Callable[[], None]:
    """A `pause` that keeps a snapshot and stops at its `place`-th call."""
    calls = iter(range(1, 10_000))

    def pause() -> None:
        if next(calls) == place:
            kept()
            raise Stopped

    return pause


def same(one: Snapshot, other: Snapshot) -> None:
    assert one.facts == other.facts and one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert tensor.dtype == other.tensors[name].dtype and torch.equal(
            tensor, other.tensors[name]
        ), name


@settings(max_examples=40, deadline=None)
@given(CASES, st.lists(st.integers(1, 25), min_size=1, max_size=3))
def test_stopped_anywhere_it_ends_as_if_it_had_not_been(case: Case, stops: list[int]) -> None:
    expected = undisturbed(case)
    with TemporaryDirectory() as folder:
        keeper = resume.Keeper(Path(folder), started=0.0)
        for seed, place in enumerate(stops, start=1):
            one = new_trainer(
                case, seed
            )  # other weights, other random states: all must come from the snapshot
            if kept := keeper.latest():
                one.load_state_dict(kept)
            else:
                one = new_trainer(case)
            try:
                list(
                    one.run(pause=stopping_at(place, lambda one=one: keeper.save(one.state_dict())))
                )
            except Stopped:
                continue
            break
        last = new_trainer(case, seed=99)
        if kept := keeper.latest():
            last.load_state_dict(kept)
        else:
            last = new_trainer(case)
        same(end_of(last), expected)


def test_a_snapshot_is_a_copy() -> None:
    case: Case = ("lanes", "carry", "one", "lstm", False)
    one = new_trainer(case)
    taken: list[Snapshot] = []
    with pytest.raises(Stopped):
        list(one.run(pause=stopping_at(5, lambda: taken.append(one.state_dict()))))
    for _ in range(2):  # what goes on from it does not change it
        again = new_trainer(case, seed=1)
        again.load_state_dict(taken[0])
        same(end_of(again), undisturbed(case))


def test_the_finished_training_is_a_snapshot_too() -> None:
    case: Case = ("lanes", "carry", "one", "lstm", False)
    again = new_trainer(case, seed=1)
    again.load_state_dict(undisturbed(case))
    assert again.finished and list(again.run()) == [] and len(again.rows) == 2


# ---------------------------------------------------------------- on disk


@pytest.fixture
def keeper(tmp_path: Path) -> resume.Keeper:
    return resume.Keeper(tmp_path / "seed0-ordered", started=0.0)


def numbered(number: int) -> Snapshot:
    return Snapshot({"weights": torch.full((3,), float(number))}, {"number": number})


def test_the_last_two_are_kept(keeper: resume.Keeper) -> None:
    for number in range(4):
        keeper.save(numbered(number))
    assert [path.name for path in sorted(keeper.folder.iterdir())] == ["00000003", "00000004"]
    latest = keeper.latest()
    assert (
        latest is not None
        and latest.facts["number"] == 3
        and latest.tensors["weights"].tolist() == [3.0] * 3
    )
    assert resume.spent_s(keeper.folder.parent) == latest.facts["spent_s"] > 0


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "absent":
        path.unlink()
    else:
        path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])


@pytest.mark.parametrize("how", ["truncated", "empty", "absent", "one bit"])
@pytest.mark.parametrize("name", ["tensors.safetensors", "facts.json"])
def test_a_broken_snapshot_is_named_and_the_one_before_taken(
    keeper: resume.Keeper, capsys: pytest.CaptureFixture[str], name: str, how: str
) -> None:
    for number in range(2):
        keeper.save(numbered(number))
    damage(keeper.folder / "00000002" / name, how)
    found = keeper.latest()
    assert found is not None and found.facts["number"] == 0
    assert "00000002: not a whole snapshot" in capsys.readouterr().err
    damage(keeper.folder / "00000001" / name, how)
    assert keeper.latest() is None


def test_a_snapshot_that_cannot_be_written_does_not_stop_the_training(
    keeper: resume.Keeper, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper.folder.write_text("a file where the folder should be")
    keeper.save(numbered(0))
    assert "no snapshot could be kept; the training goes on" in capsys.readouterr().err


def test_snapshots_are_taken_by_the_clock(
    keeper: resume.Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("recurrence.training.resume.time.monotonic", lambda: now[0])
    monkeypatch.delenv("RECURRENCE_SNAPSHOT_S", raising=False)
    one = new_trainer(("lanes", "carry", "one", "lstm", False))
    keeper = resume.Keeper(keeper.folder, started=0.0)
    taken = []

    def write(path: Path, _: Snapshot) -> None:
        taken.append((now[0], path.name))
        path.mkdir(parents=True)
        now[0] += 0.5

    monkeypatch.setattr("recurrence.training.resume._write", write)
    for at, done in ((109, 0), (111, 3), (111, 0), (140, 3), (200, 3)):
        now[0], one.done = at, done
        keeper.pause(one)
    # the first between epochs, since a third of 30 s was enough; the next after 50 s, since it had
    # cost half a second
    assert taken == [(111, "00000001"), (200, "00000002")]


def test_a_changed_key_never_resumes(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with pytest.raises(Stopped), resume.current(tmp_path, "aaa") as folder:
        folder.mkdir()
        raise Stopped
    assert folder.exists()  # to be gone on with
    with resume.current(tmp_path, "bbb") as folder:
        folder.mkdir()
        assert not (tmp_path / "aaa").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


# ---------------------------------------------------------------- the key


def test_the_key_covers_params_data_and_code(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        (tmp_path / f"{part}.npy").write_bytes(part.encode())
    block = params.Model(corpus="toy", name="toy", core="lstm")

    def key(
        block: params.Model = block, size: int = 7, where: str = "cpu", precision: str = "float32"
    ) -> str:
        return jobs.digest(
            block, size, torch.device(where), params.Compute(precision=precision), tmp_path
        )

    assert key() == key()
    other = block.model_copy(update={"hidden": 9})
    assert len({key(), key(other), key(size=8), key(where="cuda"), key(precision="bf16")}) == 5
    before = key()
    (tmp_path / "valid.npy").write_bytes(b"other")
    assert key() != before


def test_the_code_of_the_key_is_the_steps_and_the_cores_of_the_model_alone() -> None:
    names = {str(file.relative_to(jobs.PACKAGE)) for file in jobs.code("gru")}
    assert {"training/learner.py", "model/__init__.py", "cores/gru.py", "randomness.py"} <= names
    assert not names & {"cores/lstm.py", "cores/kneser_ney.py", "reporting/page.py"}
