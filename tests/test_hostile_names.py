"""Names in params.yaml that are commands, or ways out of a folder: no shell runs them, and dvc removes nothing by them.

Before a stage begins dvc itself removes its outputs, whose paths have the name in them. `recurrence repro` checks names
before dvc sees them. A plain `dvc repro` does not; what saves the files outside data/ is that two stages of the same
name would then write the same file, which dvc refuses.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from faults.small_pipeline import Pipeline, build

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
WAYS_OUT = ("..", "../x", "../../x", "../../../x", "../../../../x", "a/../../x", "a/../../../x")
COMMANDS = ("x; touch y", "$(touch y)", "`touch y`", "a\ntouch y", "-rf", "a/b", "a b", "a'b")


def outs(family: str, **names: str) -> Iterator[str]:
    """The outputs of all stages over a section of params.yaml, from the root, with these names filled in."""
    for stage in STAGES.values():
        if stage.get("foreach") == f"${{{family}}}":
            for out in stage["do"]["outs"]:
                path = out if isinstance(out, str) else next(iter(out))
                filled = re.sub(r"\$\{(?:item\.)?(\w+)\}", lambda found: names[found[1]], path)
                yield os.path.normpath(filled)


def is_refused(paths: list[str]) -> bool:
    """Whether dvc refuses these outputs: two are the same, or one is inside another."""
    return any(
        Path(one) == Path(other) or Path(one) in Path(other).parents
        for number, one in enumerate(paths)
        for other in paths[:number] + paths[number + 1 :]
    )


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_name_of_a_corpus_leads_dvc_out_of_data(way: str) -> None:
    paths = list(outs("corpora", key=way))
    assert paths and is_refused(paths)


@pytest.mark.parametrize("family", ["models", "sampling"])
@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_name_of_a_model_leads_dvc_out_of_data(family: str, way: str) -> None:
    """One step up from a model's folder is its kind's, `data/models/`: that is inside, and dvc's cache has it."""
    for corpus, name in (("mine", way), (way, "x"), (f"mine/{way}", "x")):
        paths = list(outs(family, key="mine-x", corpus=corpus, name=name))
        assert paths
        assert is_refused(paths) or all(path.startswith("data/") for path in paths)


def test_no_command_of_dvc_yaml_has_a_name_in_it() -> None:
    for stage in STAGES.values():
        assert "$" not in stage["do"]["cmd"]


# ---------------------------------------------------------------- for real


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A small project, some folders down, beside files that must stay."""
    made = build(tmp_path_factory.mktemp("hostile") / "a/b/c/project")
    made.run("dvc", "repro", "split@mine")
    return made


def kept(pipeline: Pipeline) -> list[Path]:
    """Files that a way out leads to."""
    above = pipeline.root.parents
    folders = [pipeline.root, pipeline.root / "data", *(above[number] for number in range(4))]
    files = [folder / "x/file" for folder in folders] + [pipeline.root / "x.json"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("kept")
    return files


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tool", ["dvc", "recurrence"])
@pytest.mark.parametrize("section", ["corpora", "name"])
@pytest.mark.parametrize("name", [*WAYS_OUT, *COMMANDS])
def test_nothing_runs_and_nothing_is_lost(
    pipeline: Pipeline, tool: str, section: str, name: str
) -> None:
    params = pipeline.root / "params.yaml"
    before = params.read_text(encoding="utf-8")
    tree = yaml.safe_load(before)
    if section == "corpora":
        tree["corpora"][name] = tree["corpora"]["mine"]
    else:
        tree["models"]["mine-rnn"]["name"] = name
    files = kept(pipeline)
    try:
        params.write_text(yaml.safe_dump(tree), encoding="utf-8")
        done = pipeline.run(tool, "repro", check=False)
    finally:
        params.write_text(before, encoding="utf-8")
    assert done.returncode
    assert "Traceback" not in done.stderr
    assert all(file.read_text() == "kept" for file in files)
    assert not list(pipeline.root.rglob("y")) and not list(pipeline.root.parent.glob("y"))
