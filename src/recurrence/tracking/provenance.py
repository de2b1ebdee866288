"""Where results come from: the git commit, and the entries of dvc.lock that recorded them."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from recurrence.files import md5 as md5

SCORED = ("train", "evaluate")
SAMPLED = ("generate", "detect_loops")


def git_tags(root: Path) -> dict[str, str]:
    """The commit that is checked out, and whether code or params differ from it; empty outside a
    git repository.

    It is the commit of the import: results that dvc took from its cache may have been made under an
    earlier one.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(root, "status", "--porcelain", "--", "src", "params.yaml", "dvc.yaml")
    return {"mlflow.source.git.commit": commit, "recurrence.git_dirty": str(bool(changed)).lower()}


def lock_tags(lock: dict[str, Any], key: str, is_sampled: bool) -> dict[str, str]:
    """A digest of what dvc.lock records of a model's stages; empty while it does not know all of
    them.
    """
    entries = [lock.get(f"{stage}@{key}") for stage in (SCORED + SAMPLED if is_sampled else SCORED)]
    if None in entries:
        return {}
    return {
        "dvc.lock_digest": hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    }


def read_lock(root: Path) -> dict[str, Any]:
    """The stages in dvc.lock; empty where there is none yet (stages run by hand) or dvc is just
    writing it.
    """
    try:
        tree = yaml.load(
            (root / "dvc.lock").read_text(encoding="utf-8"),
            getattr(yaml, "CSafeLoader", yaml.SafeLoader),
        )
        return dict(tree["stages"])
    except (FileNotFoundError, yaml.YAMLError, TypeError, KeyError):
        return {}


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
