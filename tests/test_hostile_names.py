"""Names in params.yaml that are commands, or ways out of a folder: no shell runs them, and dvc
removes nothing by them.

Before a stage begins dvc itself removes its outputs, whose paths have the name in them. `recurrence
repro` checks names before dvc sees them. A plain `dvc repro` runs `digest@code` first, which every
stage depends on and which checks them, too. Where that is passed over (`dvc repro -s`, `dvc repro
--downstream`, `dvc checkout --force`), a name that leads out of its folder moves the stage's `wdir`
out of the project, so that none of its outputs is in it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from faults.small_pipeline import Pipeline, build
from recurrence.digests import OWN

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
WAYS_OUT = ("..", "../x", "../../x", "../../../x", "../../../../x", "a/../../x", "a/../../../x")
DIGESTS = "data/code.json"
"""What `digest@code` writes once it has read params.yaml."""
COMMANDS = ("x; touch y", "$(touch y)", "`touch y`", "a\ntouch y", "-rf", "a/b", "a b", "a'b")


def outs(family: str, **names: str) -> Iterator[str]:
    """The outputs of all stages over a section of params.yaml, with these names filled in."""
    for stage in STAGES.values():
        if stage.get("foreach") == f"${{{family}}}":
            fields = stage["do"]
            for out in [o for kind in ("outs", "metrics", "plots") for o in fields.get(kind, ())]:
                path = out if isinstance(out, str) else next(iter(out))
                yield os.path.normpath(ROOT / filled(fields["wdir"], names) / filled(path, names))


def filled(template: str, names: dict[str, str]) -> str:
    return re.sub(r"\$\{(?:item\.)?(\w+)\}", lambda found: names[found[1]], template)


@pytest.mark.parametrize("family", ["corpora", "models", "sampling"])
def test_a_stage_writes_into_the_project(family: str) -> None:
    paths = list(outs(family, key="mine", corpus="mine", name="rnn"))
    assert paths
    for path in paths:
        assert re.match(r"(data|reports|\.mlflow)/", str(Path(path).relative_to(ROOT)))


@pytest.mark.parametrize("family", ["corpora", "models", "sampling"])
@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_output_under_a_name_that_leads_elsewhere_is_in_the_project(
    family: str, way: str
) -> None:
    for corpus, name in (("mine", way), (way, "x"), (f"mine/{way}", way)):
        paths = list(outs(family, key=way, corpus=corpus, name=name))
        assert paths
        assert not [path for path in paths if Path(path).is_relative_to(ROOT)]


def test_every_stage_waits_for_the_one_that_checks_names() -> None:
    for verb, stage in STAGES.items():
        first = str(DIGESTS) if verb == OWN else f"{stage['do'].get('params')}"
        assert DIGESTS in first
    assert next(iter(STAGES)) == OWN and DIGESTS in STAGES[OWN]["do"]["outs"][0]


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
    inside = [pipeline.root / below for below in ("", "data", "data/models")]
    folders = [*inside, *list(pipeline.root.parents)[:4]]
    files = [folder / "x/file" for folder in folders] + [pipeline.root / "x.json"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("kept")
    return files


def is_harmless(pipeline: Pipeline, tree: dict[str, Any], *command: str) -> None:
    """The command ends with an error, and neither runs nor removes anything under these params."""
    params = pipeline.root / "params.yaml"
    before = params.read_text(encoding="utf-8")
    files = kept(pipeline)
    try:
        params.write_text(yaml.safe_dump(tree), encoding="utf-8")
        done = pipeline.run(*command, check=False)
    finally:
        params.write_text(before, encoding="utf-8")
    assert done.returncode
    assert "Traceback" not in done.stderr
    assert all(file.read_text() == "kept" for file in files)
    assert not list(pipeline.root.rglob("y")) and not list(pipeline.root.parent.glob("y"))


def tree_of(pipeline: Pipeline) -> dict[str, Any]:
    return dict(yaml.safe_load((pipeline.root / "params.yaml").read_text(encoding="utf-8")))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tool", ["dvc", "recurrence"])
@pytest.mark.parametrize("section", ["corpora", "name"])
@pytest.mark.parametrize("name", [*WAYS_OUT, *COMMANDS])
def test_nothing_runs_and_nothing_is_lost(
    pipeline: Pipeline, tool: str, section: str, name: str
) -> None:
    tree = tree_of(pipeline)
    if section == "corpora":
        tree["corpora"][name] = tree["corpora"]["mine"]
    else:
        tree["models"]["mine-rnn"]["name"] = name
    is_harmless(pipeline, tree, tool, "repro")


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("option", ["--single-item", "--downstream"])
@pytest.mark.parametrize("name", [*WAYS_OUT, *COMMANDS])
def test_nothing_is_lost_where_the_check_of_names_is_passed_over(
    pipeline: Pipeline, option: str, name: str
) -> None:
    """Nor where no second stage has the same name, so that dvc finds nothing wrong with it."""
    tree = tree_of(pipeline)
    tree["models"]["mine-rnn"]["name"] = name
    tree["sampling"] = {}
    is_harmless(pipeline, tree, "dvc", "repro", option, "train@mine-rnn")
