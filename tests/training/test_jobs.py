"""How a model's seeds are shared out over processes, and that it does not show in what comes
out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recurrence import params
from recurrence.console import Advance
from recurrence.training.jobs import Job, Leg, Trained, Training

CPU = torch.device("cpu")
STREAM = torch.randint(7, (300,), generator=torch.Generator().manual_seed(0)).numpy()


def training(folder: Path, epochs: int = 3, seeds: tuple[int, ...] = (0, 1, 2)) -> Training:
    phases = [{"epochs": epochs, "optimizer": {}, "schedule": {"kind": "one_cycle", "lr": 1e-2}}]
    recipe = {
        "batches": {"loader": "lanes", "size": 4, "bptt": 6, "state": "carry"},
        "phases": phases,
    }
    sizes = {
        "corpus": "toy",
        "name": "net",
        "core": "lstm",
        "embedding": 8,
        "hidden": 8,
        "seeds": list(seeds),
    }
    block = params.Model.model_validate(
        sizes | {"dropout": {"plain_output": 0.2}, "recipe": recipe}
    )
    return Training(block, 7, [STREAM, STREAM[:50]], CPU, folder, started=0.0)


def shared(seeds: int, processes: int, epochs: int = 15) -> list[tuple[int, int, int]]:
    """Seed, first and last epoch of each leg, in the order in which they begin."""
    legs = training(Path(), epochs, tuple(range(seeds))).legs(
        [Job((seed,), "ordered") for seed in range(seeds)], processes
    )
    return [(leg.job.seeds[0], leg.since, leg.until) for leg in legs]


def test_what_cannot_be_dealt_out_evenly_is_begun_first_and_left_half_done() -> None:
    assert shared(5, 2) == [(0, 0, 7), (1, 0, 15), (2, 0, 15), (3, 0, 15), (4, 0, 15)]
    assert shared(5, 3) == [(0, 0, 7), (1, 0, 7), (2, 0, 15), (3, 0, 15), (4, 0, 15)]


@pytest.mark.parametrize(
    ("seeds", "processes", "epochs"), [(4, 2, 15), (2, 2, 15), (3, 4, 15), (3, 2, 1)]
)
def test_where_nothing_is_left_over_each_is_done_at_a_stretch(
    seeds: int, processes: int, epochs: int
) -> None:
    assert shared(seeds, processes, epochs) == [(seed, 0, epochs) for seed in range(seeds)]


def test_a_job_that_changes_hands_comes_out_as_at_a_stretch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = training(tmp_path / "here"), training(tmp_path / "there")
    alone: list[Trained] = here.run_all(here.jobs(), 0)
    assert there.run_all(there.jobs(), 2) == alone
    assert [row["epoch"] for row in alone[0].rows] == [1, 2, 3]
    assert "resumed" not in capsys.readouterr().err


Reports = list[tuple[float, str, bool]]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    """What jobs report to whoever shows their progress."""
    heard: Reports = []

    @contextmanager
    def recording(*_: object) -> Iterator[Advance]:
        yield lambda amount, note="", earlier=False: heard.append((amount, note, earlier))

    monkeypatch.setattr("recurrence.training.jobs.progress", recording)
    monkeypatch.setattr("recurrence.training.telling.EVERY_S", 0.0)
    return heard


def test_jobs_in_other_processes_report_every_step(tmp_path: Path, reports: Reports) -> None:
    plan = training(tmp_path)
    plan.run_all(plan.jobs(), 2)
    steps = [amount for amount, _, earlier in reports if amount and not earlier]
    assert sum(steps) == pytest.approx(9) and len(steps) > 9 * 5
    assert len([note for _, note, _ in reports if "after epoch" in note]) == 9


@pytest.mark.parametrize("processes", [0, 2])
def test_what_was_done_before_is_reported_as_such(
    processes: int, tmp_path: Path, reports: Reports
) -> None:
    plan = training(tmp_path)
    jobs = plan.jobs()
    plan.run(jobs[0])
    plan.run_leg(Leg(jobs[1], 0, 2))
    plan.run_all(jobs, processes)
    assert sum(amount for amount, _, earlier in reports if earlier) == pytest.approx(3 + 2)
    assert sum(amount for amount, _, _ in reports) == pytest.approx(9)


def test_legs_of_what_was_killed_are_gone_on_with(tmp_path: Path) -> None:
    """The first leg is asked for again when the second is under way, or done."""
    plan = training(tmp_path)
    job = plan.jobs()[0]
    alone = replace(plan, folder=tmp_path / "alone").run(job)
    assert plan.run_leg(Leg(job, 0, 2)) is None
    assert plan.run_leg(Leg(job, 0, 1)) is None
    assert plan.run_leg(Leg(job, 1, 3)) == alone
    assert plan.run_leg(Leg(job, 0, 1)) == alone


def test_a_second_leg_that_finds_no_snapshot_does_the_whole(tmp_path: Path) -> None:
    """The disk was full when the first one ended: nothing is lost but time."""
    plan = training(tmp_path / "here")
    job = plan.jobs()[0]
    assert plan.run_leg(Leg(job, 1, 3)) == replace(plan, folder=tmp_path / "alone").run(job)
