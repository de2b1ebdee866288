"""Clock, locale, time zone, working directory and hash seed do not change a byte of any result."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from small_project import PARAMS, TEXT

pytestmark = pytest.mark.nightly

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += atol(getenv("CLOCK_SHIFT_S"));
    return failed;
}
"""
"""Put before the C library, it makes the clock wrong for all of a process."""
SCRIPT = Path(__file__).with_name("all_stages.py")
YEAR_S = 365 * 24 * 3600
STRANGE = "Istanbul İzmir ılık GROẞ naïve Ω. "
"""Letters whose case, width or encoding depends on who asks."""
USUAL = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
ASCII = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "TZ": "Asia/Kathmandu",
    "PYTHONHASHSEED": "4242",
}
TURKISH = {
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "America/St_Johns",
    "PYTHONHASHSEED": "7",
    "COLUMNS": "30",
}


def outputs(root: Path, cwd: str, env: dict[str, str]) -> dict[str, bytes]:
    """What the stages write in a new project."""
    root.mkdir(parents=True)
    params = PARAMS.replace("tokens: {unit: char}", "tokens: {unit: char, lower: true}")
    (root / "params.yaml").write_text(f"{params}\nloops: {{human_windows: 5}}\n", encoding="utf-8")
    (root / "texts").mkdir()
    (root / "texts/mine.txt").write_text(TEXT.replace("the dog", STRANGE), encoding="utf-8")
    (root / "sub/folder").mkdir(parents=True)
    dropped = ("RECURRENCE_MIRROR", "RECURRENCE_DEVICE", "LANG", "LANGUAGE", *ASCII)
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    place = {} if (root / cwd).is_relative_to(root) else {"RECURRENCE_ROOT": str(root)}
    done = subprocess.run(
        [sys.executable, SCRIPT], cwd=root / cwd, env=kept | env | place, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    now, zone = json.loads(done.stdout.splitlines()[-1])
    assert (abs(now - time.time()) > YEAR_S) == ("LD_PRELOAD" in env)
    assert ("UTC" in zone) == (env["TZ"] == "UTC")
    folders = [root / "data", root / "reports"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return outputs(tmp_path_factory.mktemp("usual") / "project", ".", USUAL)


def test_in_ascii_far_away_and_in_the_future_nothing_differs(
    usual: dict[str, bytes], tmp_path: Path
) -> None:
    ours = outputs(
        tmp_path / "a much longer name/project", "/", ASCII | clock(tmp_path, 40 * YEAR_S)
    )
    assert ours.keys() == usual.keys()
    assert not {name for name in usual if ours[name] != usual[name]}


def test_in_turkish_in_a_folder_below_and_in_the_past_nothing_differs(
    usual: dict[str, bytes], tmp_path: Path
) -> None:
    env = TURKISH | turkish_locale(tmp_path / "locales") | clock(tmp_path, -20 * YEAR_S)
    ours = outputs(tmp_path / "p", "sub/folder", env)
    assert ours.keys() == usual.keys()
    assert not {name for name in usual if ours[name] != usual[name]}


def clock(folder: Path, shift_s: int) -> dict[str, str]:
    """A wrong clock, where there is a C compiler to make it; else the right one has to do."""
    if not (compiler := shutil.which("cc")):
        return {}
    (folder / "clock.c").write_text(CLOCK, encoding="utf-8")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c", "-ldl"],
        check=True,
    )
    return {"LD_PRELOAD": str(folder / "clock.so"), "CLOCK_SHIFT_S": str(shift_s)}


def turkish_locale(folder: Path) -> dict[str, str]:
    """Make the locale, where the system has what it takes; else its name alone has to do."""
    folder.mkdir()
    localedef = shutil.which("localedef")
    if localedef and Path("/usr/share/i18n/locales/tr_TR").exists():
        subprocess.run(
            [localedef, "-i", "tr_TR", "-f", "UTF-8", str(folder / "tr_TR.UTF-8")], check=True
        )
        return {"LOCPATH": str(folder)}
    return {}
