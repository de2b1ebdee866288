"""`recurrence verify` and `recurrence compare`, as a person and as CI call them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from recurrence.integrity import digest
from small_project import Cli

REPORT = "model,strategy,loop_rate,loop_lo,loop_hi\nrnn,greedy,{},{},{}\n"
HIGH = REPORT.format(1, 0.9, 1)
LOW = REPORT.format(0.1, 0.05, 0.2)


def git(root: Path, *words: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def committed(empty_project: Path) -> Path:
    """A project with a report and a text in it, and a commit that has the report and the lock."""
    report, text = empty_project / "reports/mine/decoding.csv", empty_project / "data/text/mine"
    for path in (report, text):
        path.parent.mkdir(parents=True)
    report.write_text(HIGH)
    text.write_text("a text")
    outs = {
        "split@mine": [{"path": "data/text/mine", "md5": digest(text)}],
        "report@mine": [{"path": "reports/mine/decoding.csv", "md5": digest(report)}],
    }
    stages = {name: {"outs": own} for name, own in outs.items()}
    (empty_project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    git(empty_project, "init", "-q")
    git(empty_project, "add", "dvc.lock", "reports")
    git(empty_project, "commit", "-qm", "results")
    return empty_project


@pytest.mark.usefixtures("committed")
def test_verify_counts_what_is_the_same(recurrence: Cli) -> None:
    assert recurrence("verify", "mine") == (0, "same bytes as committed: 2 of 2\n", "")


def test_verify_says_what_moved_and_by_how_much(committed: Path, recurrence: Cli) -> None:
    (committed / "reports/mine/decoding.csv").write_text(LOW)
    code, out, _ = recurrence("verify")
    assert code == 1
    assert "other bytes: reports/mine/decoding.csv" in out
    assert "mine/rnn greedy loop_rate: 1 (0.9 to 1) -> 0.1 (0.05 to 0.2), beyond" in out
    assert out.endswith("same bytes as committed: 1 of 2\n")


@pytest.mark.usefixtures("committed")
def test_verify_names_a_revision_that_git_does_not_know(recurrence: Cli) -> None:
    code, _, err = recurrence("verify", "mine", "--against", "nowhere")
    assert (code, err.startswith("error: nowhere: neither a git revision")) == (2, True)


@pytest.mark.usefixtures("committed")
def test_a_revision_is_never_taken_for_an_option_of_git(recurrence: Cli, committed: Path) -> None:
    code, _, _ = recurrence("verify", "mine", "--against", "--output=stolen")
    assert (code, (committed / "stolen").exists()) == (2, False)


def test_compare_shows_what_changed_beyond_chance(committed: Path, recurrence: Cli) -> None:
    (committed / "reports/mine/decoding.csv").write_text(LOW)
    code, out, _ = recurrence("compare", "HEAD")
    heading, row, summary = out.splitlines()
    assert code == 0
    assert heading.split() == [
        "corpus",
        "model",
        "strategy",
        "figure",
        "before",
        "after",
        "verdict",
    ]
    assert row.startswith("mine") and row.endswith("beyond")
    assert summary == "1 figure of HEAD and .: 1 changed beyond chance"


def test_compare_writes_a_table_for_a_page_and_records_for_a_program(
    committed: Path, recurrence: Cli
) -> None:
    (committed / "reports/mine/decoding.csv").write_text(LOW)
    _, page, _ = recurrence("compare", "HEAD", "--format", "markdown")
    assert page.splitlines()[2:4] == [
        "| corpus | model | strategy | figure | before | after | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    _, records, _ = recurrence("compare", "HEAD", "--format", "json")
    (record,) = json.loads(records)
    assert record["after"] == {"value": 0.1, "low": 0.05, "high": 0.2}


@pytest.mark.usefixtures("committed")
def test_compare_of_the_same_shows_nothing_but_the_count(recurrence: Cli) -> None:
    assert recurrence("compare", "HEAD", ".")[1] == "1 figure of HEAD and .: 1 the same\n"


def test_a_report_folder_alone_can_be_compared(
    committed: Path, recurrence: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "mine"
    other.mkdir()
    (other / "decoding.csv").write_text(LOW)
    _, out, _ = recurrence("compare", str(committed / "reports/mine"), str(other))
    assert "1 changed beyond chance" in out
