"""Guards on the layout: dvc.yaml, params.yaml, paths.py, the stages and the imports tell one
story.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from recurrence import params, paths
from recurrence.code import EXEMPT, THIN, Code
from recurrence.digests import OWN, digests

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/recurrence"
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = sorted(p.stem for p in (PACKAGE / "stages").glob("*.py") if not p.stem.startswith("__"))

NUMPY_ALONE = {"loops", "repetition", "scan"}
ADAPTERS = {
    "loops.huggingface": {"torch", "transformers"},
    "loops.datatrove": {"datatrove"},
    "scan.places": {"zstandard"},
    "scan.tables": {"pyarrow"},
}
"""Modules of the detector for those who have these anyway, each an optional extra."""
BASE = {"numpy", "typer", "rich"}
"""What the distribution needs without its extras."""
NO_TORCH = ("download", "split", "build_vocab", "numericalize")
NO_TORCH += ("digest", "calibrate", "detect_loops", "report", "check_store", "track")
WITH_MODELS = ("train", "evaluate", "generate")
OUTS: dict[str, Any] = {
    "digest": lambda key: [paths.code()],
    "download": lambda key: [paths.raw(key)],
    "split": lambda key: [paths.text(key)],
    "build_vocab": lambda key: [paths.vocab(key)],
    "numericalize": lambda key: [paths.ids(key), paths.counts(key)],
    "train": lambda corpus, name: [paths.model(corpus, name)],
    "evaluate": lambda corpus, name: [paths.scores(corpus, name)],
    "calibrate": lambda key: [paths.calibration(key)],
    "generate": lambda corpus, name: [paths.samples_of(corpus, name)],
    "detect_loops": lambda corpus, name: [
        paths.loops_of(corpus, name),
        paths.metrics(corpus, name),
    ],
    "report": lambda key: [paths.report(key) / part for part in paths.REPORTED],
    "check_store": lambda key: [paths.checked(key)],
    "track": lambda key: [paths.receipt(key)],
}


# ---------------------------------------------------------------- reading


@cache
def imports(file: Path) -> frozenset[str]:
    """Every module that a file imports, anywhere in it; `from a import b` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def module_file(name: str) -> Path | None:
    """The file of a module of ours, None for other names (and for packages: their __init__ holds no
    logic).
    """
    file = PACKAGE.parent / (name.replace(".", "/") + ".py")
    return file if name.startswith("recurrence.") and file.is_file() else None


def reached(*files: Path) -> set[Path]:
    """The files of ours that these import, directly or not, themselves included.

    Not past the exempt ones, nor into packages of which only definitions are read.
    """
    todo, seen = list(files), set(files)
    while todo:
        for name in imports(todo.pop()):
            file = module_file(name)
            if file and file not in seen and not {*name.split(".")[1:2]} & (EXEMPT | THIN):
                seen.add(file)
                todo.append(file)
    return seen


def modules() -> Iterator[tuple[str, Path]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        yield (
            file.relative_to(PACKAGE)
            .with_suffix("")
            .as_posix()
            .replace("/", ".")
            .removesuffix(".__init__"),
            file,
        )


def expand(stage: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, the stage's fields with ${key} and ${item.x} filled in) per block that the stage runs
    over.
    """
    over = PIPELINE[stage]["foreach"]
    blocks = dict.fromkeys(over, {}) if isinstance(over, list) else PARAMS[over.strip("${}")]
    for key, block in blocks.items():
        filled = re.sub(
            r"\$\{(?:item\.)?(\w+)\}",
            lambda m, k=key, b=block: str({**b, "key": k}[m[1]]),
            repr(PIPELINE[stage]["do"]),
        )
        yield key, ast.literal_eval(filled)


# ---------------------------------------------------------------- dvc.yaml


def test_each_stage_is_one_file_of_the_same_name() -> None:
    assert sorted(PIPELINE) == STAGES


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_runs_its_own_file_with_its_own_key(stage: str) -> None:
    for _, fields in expand(stage):
        assert fields["cmd"] == f"python -m recurrence.stages {stage}"
        assert fields["desc"]


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_digest_covers_all_that_a_stage_imports(stage: str) -> None:
    """What is missing there could change without the stage running again."""
    for core in {block["core"] for block in PARAMS["models"].values()}:
        roots = [f"stages/{stage}.py", f"cores/{core}.py"]
        modules = [root.removesuffix(".py").replace("/", ".") for root in roots]
        read = {PACKAGE / file for file in Code(PACKAGE).read(modules).files}
        missing = reached(*(PACKAGE / root for root in roots)) - read
        assert not missing, f"{stage}: {sorted(str(m.relative_to(ROOT)) for m in missing)}"


def test_each_stage_depends_on_its_own_digest() -> None:
    made = digests(PACKAGE, PIPELINE, params.load(), ROOT)
    assert set(made) == set(PIPELINE) - {OWN}
    for stage in made:
        for key, fields in expand(stage):
            edges = [each for each in fields["params"] if isinstance(each, dict)]
            assert edges == [{"data/code.json": [f"{stage}.{key}"]}]
            assert made[stage][key]


def test_code_lists_are_in_the_digests_alone() -> None:
    named = {dep for stage in PIPELINE for _, f in expand(stage) for dep in f.get("deps", ())}
    assert {dep for dep in named if dep.startswith("src/")} == {"src/recurrence"}


@pytest.mark.parametrize("stage", PIPELINE)
def test_deps_exist_or_are_made_by_a_stage(stage: str) -> None:
    made = {out for name in PIPELINE for _, fields in expand(name) for out in outs_of(fields)}
    for key, fields in expand(stage):
        for dep in fields.get("deps", ()):
            is_made = dep.startswith(("data/", ".mlflow/"))
            known = dep in made or inside(made, dep) if is_made else (ROOT / dep).exists()
            assert known, f"{stage}@{key}: nothing makes {dep}"


def inside(made: set[str], folder: str) -> bool:
    return any(out.startswith(f"{folder}/") for out in made)


def outs_of(fields: dict[str, Any]) -> list[str]:
    given = [out for kind in ("outs", "metrics", "plots") for out in fields.get(kind, ())]
    return [next(iter(out)) if isinstance(out, dict) else out for out in given]


@pytest.mark.parametrize("stage", PIPELINE)
def test_paths_agree_with_outs(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(ROOT))
    for key, fields in expand(stage):
        expected = OUTS[stage](*key.split("-"))
        assert sorted(ROOT / out for out in outs_of(fields)) == sorted(expected)


@pytest.mark.parametrize("stage", PIPELINE)
def test_params_named_by_a_stage_exist_in_every_block(stage: str) -> None:
    """dvc refuses a stage whose params are not written out, whatever their default."""
    for key, fields in expand(stage):
        for place in fields.get("params", ()):
            if isinstance(place, dict):
                continue
            tree: Any = PARAMS
            for part in place.replace("${protocol.size}", PARAMS["protocol"]["size"]).split("."):
                assert part in tree, f"{stage}@{key}: params.yaml has no {place}"
                tree = tree[part]


def test_only_what_cannot_be_restored_elsewhere_is_uncached() -> None:
    """An uncached output is never pushed; on a dear stage it would mean running it again on another
    machine.
    """
    uncached = {
        stage
        for stage in PIPELINE
        for _, f in expand(stage)
        if any(isinstance(o, dict) for o in f.get("outs", ()))
    }
    assert uncached == {"digest", "report", "check_store", "track"}


def test_a_page_names_every_module_of_the_house() -> None:
    page = (ROOT / "docs/layout.md").read_text(encoding="utf-8")
    house = {
        p.name for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    } - {"__init__.py"}
    assert not {name for name in house if name not in page}


# ---------------------------------------------------------------- imports


@pytest.mark.parametrize(("name", "file"), list(modules()))
def test_imports_point_one_way(name: str, file: Path) -> None:
    """Stages and commands use the library, never the other way round."""
    if name.split(".")[0] not in ("stages", "repro", "cli"):
        upwards = {
            i for i in imports(file) if i.startswith(("recurrence.stages", "recurrence.cli"))
        }
        assert not upwards


@pytest.mark.parametrize(("name", "file"), list(modules()))
def test_only_tracking_imports_mlflow(name: str, file: Path) -> None:
    assert name.split(".")[0] == "tracking" or not {
        i for i in imports(file) if i.split(".")[0] == "mlflow"
    }


@pytest.mark.parametrize(
    ("name", "file"), [m for m in modules() if m[0].split(".")[0] in NUMPY_ALONE]
)
def test_the_detector_stands_alone(name: str, file: Path) -> None:
    allowed = sys.stdlib_module_names | {"numpy"}
    allowed |= ADAPTERS.get(name, set())
    ours = {i for i in imports(file) if i.split(".")[0] not in allowed}
    # these need nothing themselves: the detector's reader of files words its errors like
    # everyone's, and its pages show text from outside like everyone's
    assert {i.split(".")[1] for i in ours if "." in i} <= {
        *NUMPY_ALONE,
        "errors",
        "escaping",
        "__version__",
    }


def test_the_detector_and_the_command_start_with_what_the_base_has() -> None:
    """What a pip install without extras brings must do for `recurrence loops` and `recurrence
    --help`.
    """
    scan = [f"recurrence.{name}" for name, _ in modules() if name.startswith("scan.")]
    names = ("recurrence.loops", "recurrence.loops.agents", *scan, *COMMAND)
    light = loaded_by(*names) - sys.stdlib_module_names - loaded_by() - in_base()
    assert {name for name in light if not name.startswith("__")} == {"recurrence"}
    heavy = {"torch", "pandas", "pyarrow", "pydantic", "yaml", "regex", "scipy"}
    assert not loaded_by(*names) & heavy


COMMAND = ("recurrence.cli", "recurrence.cli.detectors", "recurrence.cli.verdicts")
"""The command's start, and what `recurrence loops` loads then."""


@cache
def in_base() -> frozenset[str]:
    """The packages that pip installs with the base, those included that it needs in turn."""
    todo, found = list(BASE), set()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        found.add(name)
        with suppress(metadata.PackageNotFoundError):  # for another platform
            required = metadata.requires(name) or ()
            todo += [re.split(r"[^\w.-]", each)[0] for each in required if "extra ==" not in each]
    given = metadata.packages_distributions()
    return frozenset(
        package
        for package, owners in given.items()
        if found & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners}
    )


def test_the_base_is_what_the_distribution_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.match(r"[\w-]+", each)[0] for each in project["dependencies"]}  # type: ignore[index]
    assert asked == BASE
    assert project["name"] == "recurrence-lab"


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (("--help",), None),
        (("loops", "--help"), None),
        (("loops", "loop.txt", "--format", "jsonl"), None),
        (("loops", "loop.txt", "--highlight"), None),
        (("loops", "a.parquet"), "recurrence-lab[files]"),
        (("check",), "recurrence-lab[lab]"),
        (("repro",), "recurrence-lab[lab]"),
        (("models",), "recurrence-lab[lab]"),
        (("score", "a/b", "loop.txt"), "recurrence-lab[lab]"),
        (("train", "a/b"), "recurrence-lab[lab]"),
        (("verify",), "recurrence-lab[lab]"),
        (("ui",), "recurrence-lab[lab]"),
    ],
)
def test_with_the_base_alone_commands_work_or_say_what_to_install(
    words: tuple[str, ...], needs: str | None, tmp_path: Path
) -> None:
    """Everything else is hidden from the import system, as if it were not installed."""
    (tmp_path / "params.yaml").write_text("corpora: {}\n")
    (tmp_path / "loop.txt").write_text("on and on " * 30)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    hidden = sorted(set(metadata.packages_distributions()) - in_base() - {"recurrence"})
    program = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in {hidden}:
            raise ModuleNotFoundError(f"No module named {{top!r}}", name=top)
sys.meta_path.insert(0, Hidden())
sys.argv = {["recurrence", *words]}
from recurrence.cli import main
main()
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    if needs is None:
        assert (ran.returncode in (0, 1), ran.stderr) == (True, "")
    else:
        assert ran.returncode == 2
        assert needs in ran.stderr
        assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("name", "file"), [m for m in modules() if m[0].startswith("study.")])
def test_the_study_computes_and_reads_no_files(name: str, file: Path) -> None:
    allowed = {"numpy", "scipy", "statsmodels", "torch", "recurrence"}
    assert {i.split(".")[0] for i in imports(file)} <= sys.stdlib_module_names | allowed
    ours = {i.split(".")[1] for i in imports(file) if i.startswith("recurrence.")}
    assert not ours & {"paths", "files", "stages", "reporting", "tracking", "cli", "results"}


def loaded_by(*names: str) -> set[str]:
    """Top-level modules in memory after importing these, in a fresh interpreter."""
    code = f"import {', '.join(['sys', *names])}; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_stages_about_text_load_no_torch() -> None:
    loaded = loaded_by(*(f"recurrence.stages.{stage}" for stage in NO_TORCH))
    assert not loaded & {"torch", "mlflow", "dvc"}


def test_the_look_at_the_store_loads_next_to_nothing() -> None:
    """It runs every time, for every corpus."""
    loaded = loaded_by("recurrence.stages.check_store")
    assert not loaded & {"torch", "mlflow", "dvc", "pandas", "numpy", "pydantic", "yaml"}


def test_stages_with_models_load_no_tracker() -> None:
    """They run on a bare GPU box."""
    loaded = loaded_by(*(f"recurrence.stages.{stage}" for stage in WITH_MODELS))
    assert not loaded & {"mlflow", "dvc", "altair", "jinja2"}


def test_the_command_line_loads_neither_torch_nor_pandas() -> None:
    assert not loaded_by("recurrence.cli") & {
        "torch",
        "pandas",
        "pyarrow",
        "mlflow",
        "dvc",
        "altair",
    }


# ---------------------------------------------------------------- params


def blocks() -> Iterator[tuple[str, str]]:
    for kind in vars(params).values():
        if isinstance(kind, type) and issubclass(kind, params.Block):
            for field in kind.model_fields:
                yield kind.__name__, field


@pytest.mark.parametrize(("block", "field"), list(blocks()))
def test_every_params_key_has_a_reader(block: str, field: str) -> None:
    """Approximately: some module outside the checks of params.py reads an attribute of that
    name.
    """
    in_params = {
        "corpora",
        "recipes",
        "models",
        "strategies",
        "strategy_sets",
        "feeding",
    }  # handed out by its functions; checked against window
    assert field in in_params | attributes_read()


@cache
def attributes_read() -> frozenset[str]:
    files = [file for name, file in modules() if name.split(".")[0] != "params"]
    nodes = [
        node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    ]
    return frozenset(
        n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)
    )
