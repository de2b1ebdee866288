"""Whole runs with stages as Ray tasks: a Ray of their own, a cluster of two nodes, one that works
in copies, one that dies.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dvc")
pytest.importorskip("ray")
from faults.processes import alive  # noqa: E402
from patience import until  # noqa: E402
from shell_pipeline import Project, made_in, told  # noqa: E402

pytestmark = pytest.mark.slow
ON_RAY = (
    "import sys; from recurrence.cli import reproduction; "
    "sys.exit(reproduction.run(sys.argv[2:], int(sys.argv[1]), machines='ray'))"
)


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_STAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return made_in(tmp_path / "project")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that gives out no cores; tests add nodes."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield made
    made.shutdown()


def on_ray(project: Project, *targets: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ON_RAY, "2", *targets],
        cwd=project.root, env=project.env | env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def same_as_here(project: Project, tmp_path: Path) -> None:
    """What Ray left is what a run on this machine leaves, byte for byte."""
    peer = made_in(tmp_path / "peer")
    assert peer.repro().returncode == 0
    assert project.files() == peer.files()


def test_in_a_ray_of_its_own(project: Project, tmp_path: Path) -> None:
    done = on_ray(project)
    assert told(done) == {"ran": 7}, done.stderr
    same_as_here(project, tmp_path)
    assert told(on_ray(project)) == {"up to date": 7}


def test_a_stage_that_fails_says_why(project: Project) -> None:
    text = (project.root / "dvc.yaml").read_text()
    (project.root / "dvc.yaml").write_text(
        text.replace("cp out", "echo no such thing; exit 3; cp out")
    )
    done = on_ray(project, "gather")
    assert done.returncode == 255
    assert "no such thing" in done.stdout


def test_two_nodes_that_see_the_folder(project: Project, tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    done = on_ray(project, RAY_ADDRESS=cluster.address)
    assert told(done) == {"ran": 7}, done.stderr
    same_as_here(project, tmp_path)


def test_nodes_that_share_only_a_remote(project: Project, tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=2, env_vars={"RECURRENCE_COPIES": str(tmp_path / "copies")})
    refused = on_ray(project, RAY_ADDRESS=cluster.address)
    assert refused.returncode == 255
    assert "dvc remote add --local --default" in refused.stdout
    project.dvc("remote", "add", "--local", "--default", "shared", str(tmp_path / "remote"))
    done = on_ray(project, RAY_ADDRESS=cluster.address)
    assert told(done) == {"ran": 7}, done.stderr
    assert (project.root / "all.txt").read_text() == "one\ntwo\nthree\n"
    assert {each.name for each in (tmp_path / "copies").iterdir()} > {"cache"}
    made = [path.name for path in (tmp_path / "copies").glob("*/out/*.txt")]
    assert set(made) == {"a.txt", "b.txt", "c.txt"}
    assert told(project.repro()) == {"up to date": 7}


def test_a_node_that_dies_costs_a_retry(project: Project, tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=1)
    lost = cluster.add_node(num_cpus=1)
    text = (project.root / "dvc.yaml").read_text()
    wait = f"echo $$ >> {tmp_path}/began; until [ -e {tmp_path}/go ]; do sleep 0.1; done; "
    (project.root / "dvc.yaml").write_text(text.replace("mkdir -p out", f"{wait}mkdir -p out"))
    run = subprocess.Popen(
        [sys.executable, "-c", ON_RAY, "2", "make@a", "make@b"],
        cwd=project.root, env=project.env | {"RAY_ADDRESS": cluster.address}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    began = tmp_path / "began"
    until(lambda: began.exists() and len(began.read_text().split()) == 2, 120)
    first = began.read_text().split()
    cluster.remove_node(lost, allow_graceful=False)
    until(lambda: sum(alive(int(pid)) for pid in first) == 1)  # what ran there is gone with it
    (tmp_path / "go").touch()
    said, _ = run.communicate(timeout=120)
    assert "ran           2" in said, said
    assert len(began.read_text().split()) == 3
