"""What portable numerics claim: the same bytes, whatever the shell has set and however many cores
there are.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from numerics_probe import NETS
from recurrence import numerics
from small_project import CARD, PARAMS, TEXT

CPUINFO = Path("/proc/cpuinfo")
HAS_AVX2 = platform.machine() == "x86_64" and CPUINFO.is_file() and "avx2" in CPUINFO.read_text()
OTHERWISE = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
SETTINGS = {
    "older instructions": (OTHERWISE, "before", 2),
    "one core, torch imported first": ({"ATEN_CPU_CAPABILITY": "avx2"}, "after", 1),
    "MKL told for AVX2, two threads": (
        {"MKL_CBWR": "AVX2,STRICT", "OMP_NUM_THREADS": "2"},
        "after",
        2,
    ),
}
"""Variables of the shell, whether torch is imported before or after numerics are chosen, and
cores.
"""


def write_project(root: Path, **compute: object) -> None:
    """Small nets of several cores, two seeds each, and a strategy."""
    tree: dict[str, Any] = yaml.safe_load(PARAMS)
    net = tree["models"]["mine-rnn"] | {"seeds": [0, 1], "dropout": {"plain_output": 0.2}}
    for name in NETS:
        tree["models"][f"mine-{name}"] = net | {"name": name, "core": name}
    tree["models"]["mine-elman"] |= {"embedding": 16}
    tree["models"]["mine-lstm"] |= {"layers": 2}
    tree["models"]["mine-awd_lstm"] |= {"layers": 2, "dropout": {"weight": 0.2, "hidden": 0.1}}
    others = {"reference": "gru", "amateur": "elman"}
    tree["sampling"] = {"mine-rnn": tree["sampling"]["mine-rnn"] | others}
    tree["compute"] = {"device": "cpu"} | compute
    (root / "params.yaml").write_text(json.dumps(tree), encoding="utf-8")  # which is YAML, too
    card = root / "data/loops/mine/calibration.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps(CARD), encoding="utf-8")
    (root / "texts").mkdir()
    (root / "texts/mine.txt").write_text(TEXT, encoding="utf-8")


def results(root: Path, env: dict[str, str], first: str = "before", cores: int = 2) -> Any:
    """What the probe prints in a shell with these variables, and on so many cores."""
    ours = {*numerics.PORTABLE, *numerics.SHARING, *numerics.WITHOUT_TORCH, "OMP_NUM_THREADS"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    kept |= {"RECURRENCE_ROOT": str(root)} | env
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    cpus = sorted(os.sched_getaffinity(0))[:cores]
    code = f"import os, runpy, sys; os.sched_setaffinity(0, {cpus}); sys.argv[1:] = [{first!r}]"
    code += "; runpy.run_module('numerics_probe', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=kept, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("expected")
    write_project(root)
    return results(root, {})


needs_avx2 = pytest.mark.skipif(not HAS_AVX2, reason="portable numerics are AVX2's")


@needs_avx2
@pytest.mark.parametrize("setting", SETTINGS)
def test_portable_numerics_give_the_same_bytes(setting: str, expected: Any, tmp_path: Path) -> None:
    write_project(tmp_path)
    found = results(tmp_path, *SETTINGS[setting])
    assert found["numerics"] == ["portable"]
    assert len(found["digests"]) > 20 and found["digests"] == expected["digests"]


@needs_avx2
def test_fast_numerics_are_those_of_the_machine_and_claim_nothing(
    expected: Any, tmp_path: Path
) -> None:
    """So the variables do decide: the test above compares what could differ."""
    write_project(tmp_path, numerics="fast")
    found = results(tmp_path, OTHERWISE)
    assert found["numerics"] == ["fast"]
    weights = [name for name in found["digests"] if name.endswith(".safetensors")]
    assert len(weights) == 2 * len(NETS)
    assert all(found["digests"][name] != expected["digests"][name] for name in weights)


def test_a_model_may_have_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path, numerics="fast")
    tree = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    tree["models"]["mine-rnn"]["numerics"] = "portable"
    (tmp_path / "params.yaml").write_text(json.dumps(tree), encoding="utf-8")
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    assert numerics.of_model("mine-rnn") == "portable"
    assert numerics.of_model("mine-gru") == "fast"


def test_what_is_set_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    every = [*numerics.PORTABLE, *numerics.SHARING, *numerics.WITHOUT_TORCH]
    for name in every:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    numerics.prepare("report", "mine")
    assert os.environ["MKL_CBWR"] == "AVX2" and "ATEN_CPU_CAPABILITY" not in os.environ
    numerics.prepare("train", "mine-rnn")
    assert {name: os.environ[name] for name in numerics.PORTABLE} == numerics.PORTABLE
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"  # the user's; it changes no result


def test_nothing_heavy_is_imported_before_the_variables_are_set() -> None:
    code = "import sys, recurrence.numerics, recurrence.machine, recurrence.stages.__main__; "
    code += "print({'torch', 'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
