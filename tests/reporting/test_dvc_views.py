"""What dvc.yaml says about metrics and plots, rendered by DVC's own renderer."""

import json
from pathlib import Path
from typing import Any

import vl_convert
import yaml
from dvc_render.vega import VegaRenderer

from recurrence.reporting import tables
from recurrence.results.corpus import Results

ROOT = Path(__file__).parents[2]
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
REPORT: dict[str, Any] = PIPELINE["stages"]["report"]


def test_every_corpus_has_metrics_and_curves_by_itself() -> None:
    """As outputs of its stage, so that a corpus that is added needs no line of its own."""
    assert REPORT["foreach"] == "${corpora}"
    assert list(REPORT["do"]["metrics"][0]) == ["reports/${key}/metrics"]
    assert list(REPORT["do"]["plots"][0]) == ["reports/${key}/curves.csv"]
    assert "metrics" not in PIPELINE and "plots" not in PIPELINE


def test_the_template_overlays_the_curves_of_all_models(toy: Results) -> None:
    table = (
        tables.curves(toy)
        .astype(str)
        .assign(rev="workspace", filename="curves.csv", field="valid_nats")
    )
    properties = dict(
        next(iter(REPORT["do"]["plots"][0].values())), template_dir=str(ROOT / ".dvc/plots")
    )
    chart = VegaRenderer(table.to_dict("records"), "curves", **properties).get_filled_template()
    svg = vl_convert.vegalite_to_svg(json.loads(json.dumps(chart)))
    assert svg.count('aria-roledescription="line mark"') == 2
    assert "validation nats per token" in svg and ">good<" in svg and ">poor<" in svg
