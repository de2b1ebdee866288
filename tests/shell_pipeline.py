"""A small pipeline of shell commands in a project of its own, run by `recurrence repro` or by
dvc.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPRO = (
    "import sys; from recurrence.cli import reproduction; sys.exit(reproduction.run(sys.argv[2:], "
    "int(sys.argv[1])))"
)
PARAMS = """
shared: &shared {lr: 0.1, betas: [1, 2]}
things:
  a: {word: one, first: *shared, second: *shared}
  b: {word: two}
  c: {word: three}
"""
PIPELINE = """
stages:
  make:
    foreach: ${things}
    do:
      cmd: mkdir -p out && echo ${item.word} > out/${key}.txt
      deps: [make.txt]
      params: ["things.${key}", things.a.word]
      outs: ["out/${key}.txt"]
  fill:
    foreach: ${things}
    do:
      cmd:
        - mkdir -p folder/${key}
        - cp out/${key}.txt folder/${key}/x && mkdir -p sizes && echo ${key} | tee sizes/${key} > folder/${key}/y
      deps: ["out/${key}.txt"]
      outs: ["folder/${key}", "sizes/${key}"]
  gather:
    cmd: cat folder/*/x > all.txt
    deps: [folder/a, folder/b, folder/c]
    outs:
      - all.txt:
          cache: false
"""


@dataclass(frozen=True)
class Project:
    root: Path

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / name.replace("_", ".")).write_text(text)

    def dvc(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "dvc", *words)

    def repro(self, *targets: str, jobs: int = 2) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-c", REPRO, str(jobs), *targets)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=120
        )

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {"RECURRENCE_ROOT": str(self.root)}

    def files(self) -> dict[str, str]:
        """Everything that a run leaves: outputs, dvc.lock, .gitignore, the run cache."""
        kept = [
            path
            for path in self.root.rglob("*")
            if path.is_file() and not {".git", "tmp"} & set(path.parts)
        ]
        return {str(path.relative_to(self.root)): path.read_text() for path in kept}


def made_in(root: Path) -> Project:
    root.mkdir()
    project = Project(root)
    project.write(params_yaml=PARAMS, dvc_yaml=PIPELINE, make_txt="x")
    (root / ".gitignore").write_text("/out\n/folder\n/sizes\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    project.dvc("init", "--quiet")
    return project


def told(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The counts of the summary."""
    assert "Traceback" not in done.stderr, done.stderr
    found = re.findall(
        r"^(ran|restored|up to date|left out|stopped|failed) +(\d+)", done.stdout, re.M
    )
    return {heading: int(number) for heading, number in found if number != "0"}
