"""A disk that is full, at every write of every stage: an error for people, and all that was there
before is intact.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from faults.limits import files_at_most
from faults.small_pipeline import build
from recurrence import integrity
from recurrence.errors import RecurrenceError
from recurrence.repro import mending
from small_project import project_in

pytestmark = pytest.mark.slow

BY_CORPUS = (
    "download",
    "split",
    "build_vocab",
    "numericalize",
    "calibrate",
    "report",
)
BY_MODEL = ("train", "evaluate", "generate", "detect_loops")
OUTS = {
    "download": "data/raw/mine/*",
    "split": "data/text/mine/*",
    "build_vocab": "data/vocab/mine.json",
    "numericalize": "data/ids/mine/*",
    "calibrate": "data/loops/mine/calibration.json",
    "train": "data/models/mine/rnn/*",
    "evaluate": "data/scores/mine/rnn.json",
    "generate": "data/samples/mine/rnn/*",
    "detect_loops": "data/loops/mine/rnn/*",
    "report": "reports/mine/**/*",
}
FEW = 8
"""Files of a stage that are each tried; the report has two dozen."""
PAGES = (0, 1, 2, 3, 4, 6, 9, 13, 20, 30, 50, 80, 130, 200, 300, 500, 800)
SLOW = {"calibrate"}
"""Some ten seconds each time, to write a JSON file like those of others."""


def run(stage: str) -> None:
    import_module(f"recurrence.stages.{stage}").main("mine" if stage in BY_CORPUS else "mine-rnn")


def run_everything() -> None:
    for stage in (
        "download",
        "split",
        "build_vocab",
        "numericalize",
        "calibrate",
    ):
        run(stage)
    for stages in (BY_MODEL[:2], BY_MODEL[2:]):
        for model in ("mine-rnn", "mine-unigram"):
            for stage in stages:
                import_module(f"recurrence.stages.{stage}").main(model)
    run("report")


def contents(root: Path) -> dict[str, bytes]:
    """Every file of the project, without the snapshots that a training leaves for its next
    attempt.
    """
    files = [
        path for path in root.rglob("*") if path.is_file() and ".checkpoints" not in path.parts
    ]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small project in which all stages but `track` have run."""
    with project_in(tmp_path_factory.mktemp("finished")) as root:
        run_everything()
        yield root


@pytest.mark.usefixtures("capsys")  # what pytest itself writes would fall under the limit
def test_an_array_that_is_cut_short_is_noticed(empty_project: Path) -> None:
    """numpy's own writer would say nothing; every other format: nightly."""
    for stage in ("download", "split", "build_vocab", "numericalize"):
        run(stage)
    cut_short(empty_project, "numericalize")


@pytest.mark.nightly
@pytest.mark.usefixtures("capsys")
@pytest.mark.parametrize("stage", OUTS)
def test_a_file_that_is_cut_short_is_noticed_in_every_format(finished: Path, stage: str) -> None:
    cut_short(finished, stage)


def cut_short(finished: Path, stage: str) -> None:
    """Each file of the stage is stopped by the system one byte before its end."""
    before = contents(finished)
    sizes = {
        len(content)
        for name, content in before.items()
        if Path(name).match(OUTS[stage]) and content
    }
    sizes |= {path.stat().st_size for path in finished.glob(OUTS[stage]) if path.is_file()}
    assert sizes
    for size in sorted(sizes)[-FEW:]:
        with (
            files_at_most(size - 1),
            pytest.raises(RecurrenceError, match=r"larger than a file may be here"),
        ):
            run(stage)
        assert contents(finished) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB, where this user may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.nightly
def test_a_full_disk_is_noticed_wherever_the_room_ends(finished: Path, small_disk: Path) -> None:
    """Every stage with no room at all, then with more each time, until it has enough."""
    for name, content in contents(finished).items():
        path = small_disk / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    refused = []
    with project_in(small_disk / "project") as root:
        for stage in OUTS:
            before = contents(root)
            for pages in PAGES[:1] if stage in SLOW else PAGES:
                try:
                    with room_for(small_disk, pages):
                        run(stage)
                    break
                except RecurrenceError as error:
                    assert (
                        "the disk is full; free some space and run the same command again"
                        in str(error)
                    )
                    refused.append(stage)
                    assert contents(root) == before
    assert set(refused) == set(OUTS)


@pytest.mark.nightly
def test_dvc_goes_on_where_it_was_when_there_is_room_again(small_disk: Path) -> None:
    """The room may end in a stage, in dvc's cache, or in what dvc writes for itself."""
    pipeline = build(small_disk / "project")
    pipeline.env["PYTHONDONTWRITEBYTECODE"] = "1"
    pipeline.run("dvc", "repro", "build_vocab@mine")
    before = pipeline.outputs()
    for pages in (0, 3, 4, 8):
        with room_for(small_disk, pages):
            assert pipeline.run("dvc", "repro", "evaluate@mine-unigram", check=False).returncode
        assert pipeline.outputs().items() >= before.items()
        mending.mend(pipeline.root)
    pipeline.run("dvc", "repro", "evaluate@mine-unigram")
    assert integrity.report(pipeline.root) == []


@contextmanager
def room_for(disk: Path, pages: int) -> Iterator[None]:
    """Fill the disk up to so many pages."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                file.truncate(max(0, file.tell() // 4096 - pages) * 4096)
        yield
    finally:
        ballast.unlink()
