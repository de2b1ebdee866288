"""A folder of texts becomes a report in two commands, with metrics and plots that dvc shows by
itself.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from faults import small_pipeline
from faults.small_pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    made = small_pipeline.build(tmp_path_factory.mktemp("own") / "project")
    home = tmp_path_factory.mktemp("poems")
    for name in ("one", "two"):
        lines = [f"the {name} tiger burns bright in forest number {i}\n" for i in range(60)]
        (home / f"{name}.txt").write_text("".join(lines))
    made.run("recurrence", "add", "poems", str(home), "--unit", "subword")
    made.run("recurrence", "repro", "--jobs", "2", "report@poems")
    return made


def test_there_is_a_report(project: Pipeline) -> None:
    folder = project.root / "reports/poems"
    assert "kneser_ney" in (folder / "summary.md").read_text(encoding="utf-8")
    assert "tiger" in (folder / "index.html").read_text(encoding="utf-8")
    vocab = json.loads((project.root / "data/vocab/poems.json").read_text(encoding="utf-8"))
    assert vocab["tokenizer"]["model"]["type"] == "BPE"


def test_dvc_shows_its_metrics_and_plots_without_a_network(project: Pipeline) -> None:
    shown = project.run("dvc", "metrics", "show", "--json", check=False).stdout
    metrics = json.loads(shown)[""]["data"]
    assert metrics["reports/poems/metrics/lstm.json"]["data"]["exact_nats"] > 0
    (project.root / ".dvc/plots/curves.json").write_text(
        (small_pipeline.ROOT / ".dvc/plots/curves.json").read_text()
    )
    project.run("dvc", "plots", "show", "reports/poems/curves.csv")
    page = (project.root / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "validation nats per token" in page
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)


def test_without_sampling_there_is_a_report_of_the_rest(project: Pipeline) -> None:
    path = Path(project.root / "params.yaml")
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    del tree["sampling"]["poems-lstm"]
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    told = project.run("recurrence", "repro", "--dry", "report@poems").stdout
    assert re.search(r"^report@poems .* its code, or a value of params.yaml", told, re.M)
    project.run("recurrence", "repro", "report@poems")
    summary = (project.root / "reports/poems/summary.md").read_text(encoding="utf-8")
    assert "kneser_ney" in summary and "no loops" not in summary
