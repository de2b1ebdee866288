"""A package `recurrence` whose only stage, `speak`, is one of the tests'; the rest of it is
ours.
"""

import os
import shutil
import sys
from pathlib import Path

from small_project import PARAMS

OURS = Path(__file__).parents[1] / "src/recurrence"
SPEAK = "python -m recurrence.stages speak"
STAGE = """
import os, sys, time
from pathlib import Path

VALUE = 1

def main(key):
    print(key, VALUE, file=sys.stderr)
    print(os.environ.get("WORD"), file=sys.stderr)
    print("in", os.getcwd())
    print("on stdout")
    if key == "bad":
        from recurrence.errors import RecurrenceError
        raise RecurrenceError("no good word")
    if key == "broken":
        raise KeyError(key)
    Path("pid").write_text(str(os.getpid()))
    if key == "long":
        time.sleep(60)
"""


def package_in(root: Path) -> tuple[Path, dict[str, str]]:
    """Make `root` a project with that package. Its folder, and the variables that let Python find
    it.
    """
    folder = root / "src/recurrence"
    (folder / "stages").mkdir(parents=True)
    for file in OURS.iterdir():
        if file.suffix == ".py":  # copied: the code that runs must be the project's own
            shutil.copy(file, folder)
        elif file.name != "stages":
            (folder / file.name).symlink_to(file)
    for name in ("__init__.py", "__main__.py"):
        (folder / "stages" / name).write_text((OURS / "stages" / name).read_text())
    (folder / "stages/speak.py").write_text(STAGE)
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return folder, {"PYTHONPATH": str(root / "src"), "PATH": path}
