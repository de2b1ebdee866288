"""MLflow's registry: the champion of each corpus, which
`mlflow.pyfunc.load_model("models:/NAME@champion")` loads.

A registered model is called CORPUS-MODEL. A version is one state of its weights and settings; the
alias `champion` is on the version that stands now, and on no other of the corpus. Versions of
before stay.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from recurrence.tracking.champion import Champion
from recurrence.tracking.standing import local_path
from recurrence.tracking.tags import CORPUS, FINGERPRINT, LOGGED

ALIAS = "champion"
CODE = "served_model.py"
IN_CODE = '''"""A model of Recurrence; what it takes and gives: recurrence.tracking.served."""

from mlflow.models import set_model

from recurrence.tracking.served import Served

set_model(Served())
'''
REQUIRED = ("recurrence-lab", "mlflow", "torch", "pandas", "numpy")
EXAMPLE = "input_example.json"
SERVING = "serving_input_example.json"
BESIDE = ("MLmodel", CODE, EXAMPLE, SERVING, "requirements.txt", "python_env.yaml")
INSIDE = "artifacts/model"
"""Where weights and settings lie."""
TOLD = "served.json"
SINCE = "2026-01-01 00:00:00"
"""Written as the time of making, so that equal models are equal files; versions have times of their
own.
"""


def register(
    client: Any, champion: Champion, run_id: str, go_on: Callable[[], None] = lambda: None
) -> str:
    """Have the champion's present state registered under its alias; its address for mlflow.

    `run_id`: the run that records it, whose logged model gets the files; `go_on` is called before
    each step. Registering twice is as once.
    """
    fingerprint = champion.fingerprint
    go_on()
    _withdraw(client, champion)
    _named(client, champion)
    go_on()
    _clear(client, champion)
    go_on()
    versions = {each.tags.get(FINGERPRINT): each for each in _versions(client, champion)}
    found = versions.get(fingerprint)
    if found is None:
        found = _version(client, champion, run_id, fingerprint)
    elif not _is_there(client, found, champion):
        _log(client, champion, found.tags[LOGGED], found.run_id)
    go_on()
    if _champion_of(client, champion.name) != str(found.version):
        client.set_registered_model_alias(champion.name, ALIAS, found.version)
    return f"models:/{champion.name}@{ALIAS}"


def _versions(client: Any, champion: Champion) -> list[Any]:
    return list(client.search_model_versions(f"name='{champion.name}'"))


def _clear(client: Any, champion: Champion) -> None:
    """Delete versions whose logged model went with its run, as that recorded the same in other
    words; and their files.
    """
    for each in _versions(client, champion):
        if _stands(client, each.tags.get(LOGGED, "")):
            continue
        client.delete_model_version(champion.name, str(each.version))
        folder = local_path(each.source).parent if each.source.startswith("file:") else None
        if folder and folder.name == each.tags.get(LOGGED) and folder.parent.name == "models":
            shutil.rmtree(folder, ignore_errors=True)


def _withdraw(client: Any, champion: Champion) -> None:
    """Take the alias from other models of the corpus."""
    for each in _registered(client, champion.corpus):
        if each.name != champion.name and ALIAS in each.aliases:
            client.delete_registered_model_alias(each.name, ALIAS)


def _registered(client: Any, corpus: str) -> Iterator[Any]:
    page = None
    while page is None or page.token:
        page = client.search_registered_models(page_token=page.token if page else None)
        yield from (each for each in page if each.tags.get(CORPUS) == corpus)


def _named(client: Any, champion: Champion) -> None:
    """Make the registered model where there is none."""
    if not client.search_registered_models(f"name='{champion.name}'"):
        client.create_registered_model(champion.name, {CORPUS: champion.corpus})


def _champion_of(client: Any, name: str) -> str:
    """The version that has the alias, empty where none has."""
    [found] = client.search_registered_models(f"name='{name}'")
    return str(found.aliases.get(ALIAS, ""))


def _is_there(client: Any, found: Any, champion: Champion) -> bool:
    """Whether the files of a version are still there, in their sizes; of a server they are not
    looked at.
    """
    location = client.get_logged_model(found.tags[LOGGED]).artifact_location
    if not location.startswith("file:"):
        return True
    folder = local_path(location)
    sizes = {folder / INSIDE / file.name: file.stat().st_size for file in champion.files}
    if not all((folder / name).is_file() for name in (*BESIDE, f"{INSIDE}/{TOLD}")):
        return False
    return all(file.is_file() and file.stat().st_size == size for file, size in sizes.items())


def _stands(client: Any, model_id: str) -> bool:
    """Whether a logged model is there: one goes with its run where results are recorded in another
    way.
    """
    from mlflow.exceptions import MlflowException

    if not model_id:
        return False
    try:
        client.get_logged_model(model_id)
    except MlflowException:
        return False
    return True


def _log(client: Any, champion: Champion, model_id: str, run_id: str) -> None:
    """Put the files where the run's model has its own."""
    with tempfile.TemporaryDirectory() as folder:
        write(champion, Path(folder), model_id, run_id)
        client.log_model_artifacts(model_id, folder)


def _version(client: Any, champion: Champion, run_id: str, fingerprint: str) -> Any:
    """Log the files to the run's model, and register that."""
    model_id = client.get_run(run_id).outputs.model_outputs[0].model_id
    _log(client, champion, model_id, run_id)
    return client.create_model_version(
        champion.name,
        client.get_logged_model(model_id).artifact_location,
        run_id,
        {FINGERPRINT: fingerprint, CORPUS: champion.corpus, LOGGED: model_id},
        model_id=model_id,
    )


def write(champion: Champion, folder: Path, model_id: str | None, run_id: str | None) -> None:
    """A model in MLflow's format. By hand: `save_model` takes seconds, and loads the model to do
    so.
    """
    with _unwarned():
        from mlflow.models import Model

    (folder / CODE).write_text(IN_CODE, encoding="utf-8")
    inside = folder / INSIDE
    inside.mkdir(parents=True)
    for file in champion.files:
        shutil.copyfile(file, inside / file.name)
    (inside / TOLD).write_text(json.dumps(champion.told), encoding="utf-8")
    example = {"columns": ["text"], "data": [[champion.example]]}
    serving = {"dataframe_split": example, "params": {"strategy": champion.told["strategy"]}}
    (folder / EXAMPLE).write_text(json.dumps(example), encoding="utf-8")
    (folder / SERVING).write_text(json.dumps(serving), encoding="utf-8")
    _requirements(folder)
    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=_signature(champion),
        utc_time_created=SINCE,
        model_uuid=champion.fingerprint[:32],
        saved_input_example_info={
            "artifact_path": EXAMPLE,
            "type": "dataframe",
            "pandas_orient": "split",
            "serving_input_path": SERVING,
        },
    )
    model.add_flavor(
        "python_function",
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE,
        artifacts={
            "model": {"path": INSIDE, "uri": f"data/models/{champion.corpus}/{champion.model}"}
        },
        python_version=python_version(),
        env={"virtualenv": "python_env.yaml"},
        streamable=False,
    )
    model.save(str(folder / "MLmodel"))


def _signature(champion: Champion) -> Any:
    """What goes in and comes out, for MLflow's pages and for `mlflow models serve`."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    figures = [ColSpec("long", "tokens"), ColSpec("double", "nats_per_token")]
    return ModelSignature(
        Schema([ColSpec("string", "text")]),
        Schema([ColSpec("string", "text"), *figures, ColSpec("double", "bits_per_char")]),
        ParamSchema([
            ParamSpec("task", DataType.string, "generate"),
            ParamSpec("strategy", DataType.string, champion.told["strategy"]),
            ParamSpec("max_tokens", DataType.long, 100),
            ParamSpec("seed", DataType.long, 0),
        ]),
    )  # fmt: skip


def _requirements(folder: Path) -> None:
    """What it takes to load it, as far as that is installed here."""
    lines = []
    for package in REQUIRED:
        try:
            lines.append(f"{package}=={version(package).partition('+')[0]}")
        except PackageNotFoundError:  # run from a folder
            lines.append(package)
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = f"python: {python_version()}\ndependencies:\n- -r requirements.txt\n"
    (folder / "python_env.yaml").write_text(environment, encoding="utf-8")


@contextmanager
def _unwarned() -> Iterator[None]:
    """mlflow warns of type hints in its own classes when these are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
