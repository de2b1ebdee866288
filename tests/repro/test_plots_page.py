"""The page that `dvc plots show` fills asks no host for anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dvc")
from recurrence.repro import plots_page  # noqa: E402


def dvc(root: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_plots_are_shown_without_a_network(tmp_path: Path) -> None:
    dvc(tmp_path, "init", "-q", "--no-scm")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n2,3\n")
    (tmp_path / "dvc.yaml").write_text("plots:\n- a.csv: {x: x, y: y}\n")
    plots_page.prepare(tmp_path)
    stamp = (tmp_path / ".dvc/plots/page.html").stat().st_mtime_ns
    plots_page.prepare(tmp_path)
    assert (tmp_path / ".dvc/plots/page.html").stat().st_mtime_ns == stamp
    dvc(tmp_path, "plots", "show")
    page = (tmp_path / "dvc_plots/index.html").read_text()
    assert "vegaEmbed('#" in page and "window.vegaEmbed=" in page
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)


def test_another_page_that_is_named_stays(tmp_path: Path) -> None:
    dvc(tmp_path, "init", "-q", "--no-scm")
    (tmp_path / ".dvc/config").write_text("[plots]\n    html_template = mine.html\n")
    plots_page.prepare(tmp_path)
    assert not (tmp_path / ".dvc/plots/page.html").exists()
