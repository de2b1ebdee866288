"""What `recurrence repro` knows of the stages, and what it says in the end."""

from pathlib import Path

import pytest
import yaml

from recurrence import machine
from recurrence.cli import reproduction
from recurrence.repro.progress import Log


def progress_of(**ended: tuple[str, ...]) -> Log:
    """A log of stages that came to these ends: how="name" or how="name: why"."""
    made = Log(())
    for how, stages in ended.items():
        for stage in stages:
            name, _, why = stage.partition(": ")
            made.ended(name, how.replace("_", " "), why)
    return made


def test_the_summary_names_what_failed_and_how_to_mend_it() -> None:
    made = progress_of(
        ran=("download@a",),
        restored=("split@a",),
        up_to_date=("download@b",),
        failed=("train@a-x: the disk is full",),
        left_out=("evaluate@a-x",),
    )
    assert reproduction.summary(made) == [
        "",
        "ran           1  download@a",
        "restored      1  split@a",
        "up to date    1",
        "left out      1  evaluate@a-x",
        "failed        1",
        "  train@a-x: the disk is full",
        "Mend that, then: recurrence repro train@a-x (or everything: make repro)",
    ]


def test_what_was_stopped_is_named_where_anything_was() -> None:
    assert "stopped       1  train@a-x" in reproduction.summary(progress_of(stopped=("train@a-x",)))
    assert not [line for line in reproduction.summary(progress_of()) if line.startswith("stopped")]


# ---------------------------------------------------------------- what is known of the stages


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    reproduction.gpus.cache_clear()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(reproduction, "glob", lambda pattern: ["/dev/nvidia0", "/dev/nvidia1"])


def test_the_cost_of_a_stage_is_what_its_last_run_took(empty_project: Path) -> None:
    reproduction.cost.cache_clear()
    for key, seconds in (("rnn", "12.5"), ("unigram", "soon")):
        row = {"stage": "train", "key": f"mine-{key}", "seconds": seconds}
        machine.put("mine", dict.fromkeys(machine.COLUMNS, "") | row)
    assert reproduction.cost("train@mine-rnn") == 12.5
    assert reproduction.cost("train@mine-unigram") == reproduction.COST["train"]
    assert reproduction.cost("train@mine-other") == reproduction.COST["train"]
    assert reproduction.cost("anything") == 1.0
    reproduction.cost.cache_clear()


def change(project: Path, **compute: object) -> None:
    """params.yaml with a large net, a small one that a stage of the large one needs, and these
    compute settings.
    """
    tree = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    tree["models"]["mine-rnn"]["hidden"] = 512
    tree["models"]["mine-small"] = tree["models"]["mine-rnn"] | {"name": "small", "hidden": 16}
    tree["sampling"]["mine-small"] = tree["sampling"]["mine-rnn"] | {
        "name": "small",
        "reference": "rnn",
    }
    tree["compute"] = compute
    (project / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")


def cores(*names: str) -> list[int]:
    return [reproduction.cores(name, jobs=8) for name in names]


def test_in_portable_numerics_each_stage_computes_on_one_core(empty_project: Path) -> None:
    change(empty_project, device="cpu")
    assert cores("train@mine-rnn", "evaluate@mine-rnn", "price@mine-small") == [1, 1, 1]


def test_what_computes_with_all_cores_stands_for_all_jobs(empty_project: Path) -> None:
    """Two such stages at a time would only wait for each other's threads."""
    change(empty_project, device="cpu", numerics="fast")
    assert cores("train@mine-rnn", "evaluate@mine-rnn", "generate@mine-rnn") == [8, 8, 8]
    assert cores("train@mine-small", "train@mine-unigram", "split@mine", "make@anything") == [
        1,
        1,
        1,
        1,
    ]
    change(empty_project, device="cpu", numerics="fast", threads=2)
    assert cores("train@mine-rnn", "train@mine-small") == [2, 1]


def test_a_gpu_is_shared_by_several_stages(
    empty_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(empty_project, device="auto")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert cores("train@mine-rnn", "train@mine-small", "split@mine") == [
        1,
        1,
        1,
    ]  # 2 GPUs for 4 stages each
    assert reproduction.cores("train@mine-rnn", jobs=32) == 4
    assert (reproduction.gpus_for("train@mine-rnn"), reproduction.gpus_for("split@mine")) == (
        ["0", "1"],
        [],
    )


def test_only_the_gpus_that_one_is_given_are_used(
    empty_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(empty_project, device="auto")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert reproduction.gpus() == ["3", "5"]
    reproduction.gpus.cache_clear()
    change(empty_project, device="cpu")
    assert reproduction.gpus() == []
