"""Machines that share work through a DVC remote: two clones train a share each, the next collects
without training.

The tests go in order, each from the state that the one before left; the project is the small one,
on the code of the last commit. The remote is a folder.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from small_project import PARAMS, TEXT
from test_pipeline import Clone, clone_into

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DIGEST = {"digest@code"}  # params.yaml has just been written: each machine looks for itself
UPSTREAM = {"download@mine", "split@mine", "build_vocab@mine", "numericalize@mine"}
SHARES = ({"train@mine-rnn", "train@mine-unigram"}, {"train@mine-gru"})
TRAINED = SHARES[0] | SHARES[1]
SCORED = {name.replace("train", "evaluate") for name in TRAINED}


@dataclass(frozen=True)
class Machines:
    """A repository that every machine clones, and the folder that is their remote."""

    source: Clone

    def new(self, name: str) -> Clone:
        """Another machine: a clone with a cache of its own."""
        folder = self.source.root.parent / name
        git(folder.parent, "clone", "--quiet", str(self.source.root), name)
        made = Clone(folder, self.source.env | {"PYTHONPATH": str(folder / "src")})
        dvc(made, "remote", "add", "--local", "--default", "shared", str(folder.parent / "remote"))
        return made


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    source = clone_into(tmp_path_factory.mktemp("machines") / "source")
    shutil.rmtree(source.root / "reports", ignore_errors=True)
    (source.root / "dvc.lock").unlink(missing_ok=True)  # it tells of other params
    (source.root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (source.root / "texts/mine.txt").write_text(TEXT, encoding="utf-8")
    source.change_params(
        lambda tree: tree["models"].update({"mine-gru": as_gru(tree["models"]["mine-rnn"])})
    )
    commit(source)
    yield Machines(source)
    shutil.rmtree(source.root.parent)


def as_gru(rnn: dict[str, object]) -> dict[str, object]:
    return rnn | {"name": "gru", "core": "gru"}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", *who, *words], cwd=folder, check=True)


def commit(clone: Clone) -> None:
    git(clone.root, "add", "--all")
    git(clone.root, "commit", "--quiet", "--message", "as the test wants it")


def dvc(clone: Clone, *words: str) -> set[str]:
    """Call dvc; which stages ran."""
    done = clone.run("dvc", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"^Running stage '(.+)':$", done.stdout, re.M))


def models(clone: Clone) -> dict[str, str]:
    return {
        name: digest for name, digest in clone.outputs().items() if name.startswith("data/models")
    }


def recorded(clone: Clone) -> dict[str, str]:
    """The digest of every output in dvc.lock."""
    lock = yaml.safe_load((clone.root / "dvc.lock").read_text(encoding="utf-8"))
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    return {out["path"]: out["md5"] for out in outs}


def test_the_first_trains_its_share_and_pushes(machines: Machines) -> None:
    first = machines.new("first")
    assert dvc(first, "repro", "--pull", *SHARES[0]) == DIGEST | UPSTREAM | SHARES[0]
    dvc(first, "push", "--run-cache")


def test_the_second_does_not_repeat_what_the_first_did(machines: Machines) -> None:
    second = machines.new("second")
    assert dvc(second, "repro", "--pull", *SHARES[1]) == DIGEST | SHARES[1]
    dvc(second, "push", "--run-cache")


def test_a_third_collects_without_training(machines: Machines) -> None:
    third, folder = machines.new("third"), machines.source.root.parent
    assert dvc(third, "repro", "--pull", "evaluate") == DIGEST | SCORED
    first, second = (Clone(folder / name, third.env) for name in ("first", "second"))
    assert models(third) == models(first) | models(second)
    assert third.repro("evaluate") == set()


def test_its_results_are_those_of_one_machine_alone(machines: Machines) -> None:
    alone, third = (
        machines.new("alone"),
        Clone(machines.source.root.parent / "third", machines.source.env),
    )
    assert alone.repro("evaluate") == DIGEST | UPSTREAM | TRAINED | SCORED
    assert recorded(alone) == recorded(third)
    assert models(alone) == models(third)


def test_a_lock_of_another_machine_names_the_same_bytes(machines: Machines) -> None:
    """With dvc.lock and the digests in git, dvc looks for the outputs that the lock names.

    `alone` has pushed none of its own.
    """
    for name in ("dvc.lock", "data/code.json"):
        alone = machines.source.root.parent / "alone"
        shutil.copy(alone / name, machines.source.root / name)
    commit(machines.source)
    locked = machines.new("locked")
    assert dvc(locked, "repro", "--pull", "train") == set()
    assert models(locked) == models(Clone(machines.source.root.parent / "third", locked.env))
