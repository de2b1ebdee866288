"""requirements.lock: every version pinned, with digests, and all that pyproject.toml asks for among
them.
"""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<digests>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)$",
    re.MULTILINE,
)


def text() -> str:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def versions() -> dict[str, str]:
    return {canonicalize_name(found["name"]): found["version"] for found in BLOCK.finditer(text())}


def test_every_line_is_a_pinned_version_or_a_digest_of_it() -> None:
    assert BLOCK.sub("", text()).strip() == ""


def test_all_that_is_asked_for_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["build-system"]["requires"]
    extras = project["project"]["optional-dependencies"]
    asked += extras["lab"] + extras["dev"]
    pinned = versions()
    for requirement in map(Requirement, asked):
        if requirement.name == project["project"]["name"]:  # an extra of extras
            asked += [each for extra in sorted(requirement.extras) for each in extras[extra]]
            continue
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, requirement
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_torch_has_digests_of_more_than_one_build() -> None:
    """Of those that the index offers, and of the one without CUDA that it does not."""
    found = next(each for each in BLOCK.finditer(text()) if each["name"] == "torch")
    assert found["digests"].count("sha256:") > 1


def test_the_environment_is_installed_by_digest() -> None:
    script = (ROOT / ".ci/install").read_text(encoding="utf-8")
    assert script.count("--require-hashes") == 2
    assert ".ci/install $(BIN)" in (ROOT / "Makefile").read_text(encoding="utf-8")
