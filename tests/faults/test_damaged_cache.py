"""A damaged object of dvc's cache: dvc brings it back as it is, we name it, and without it the
result is made anew.
"""

import shlex
from pathlib import Path

import pytest

from faults.small_pipeline import Pipeline, build
from recurrence import integrity
from recurrence.tracking.provenance import md5

pytestmark = pytest.mark.slow

RESULTS = (
    pytest.param("data/models/mine/rnn/seed0.safetensors", marks=pytest.mark.nightly),
    "data/samples/mine/rnn/samples.parquet",
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    made = build(tmp_path_factory.mktemp("damaged") / "project")
    made.run("dvc", "repro", "generate@mine-rnn")
    return made


@pytest.mark.parametrize("name", RESULTS)
def test_damage_is_named_and_mended(pipeline: Pipeline, name: str) -> None:
    before = pipeline.outputs()
    result = pipeline.root / name
    stored = object_of(result)
    damage(stored)
    result.unlink()
    assert "Running stage" not in pipeline.run("dvc", "repro", "generate@mine-rnn").stdout
    assert result.read_bytes() != before[name]

    *named, remedy = integrity.report(pipeline.root)
    assert {line.split(": ")[0] for line in named} == {str(stored), str(result.parent)}
    away, _, again = remedy.partition(": ")[2].partition(" && ")
    assert again == "recurrence repro"
    pipeline.run(*shlex.split(away))
    pipeline.run("dvc", "repro", "generate@mine-rnn")
    assert pipeline.outputs() == before
    assert integrity.report(pipeline.root) == []


def object_of(result: Path) -> Path:
    digest = md5(result)
    root = next(folder for folder in result.parents if (folder / ".dvc").is_dir())
    return integrity.cache(root) / digest[:2] / digest[2:]


def damage(stored: Path) -> None:
    """Flip a bit in the middle, and leave the file as dvc keeps it."""
    mode, content = stored.stat().st_mode, bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(content)
    stored.chmod(mode)
