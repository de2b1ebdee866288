"""The results of a corpus in MLflow, imported from their files; twice is as once.

What is not there yet, be it a model that was not trained, waits for the next time. The receipt says
what is there, and is the same on every machine with the same results.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recurrence import params, paths
from recurrence.console import progress, say
from recurrence.errors import RecurrenceError
from recurrence.files import md5, write_json
from recurrence.results.corpus import ModelResults, Results, load
from recurrence.tracking.champion import champion
from recurrence.tracking.history import Scope
from recurrence.tracking.machine import machine_of
from recurrence.tracking.mirror import import_corpus
from recurrence.tracking.place import EXPERIMENT, home
from recurrence.tracking.provenance import git_tags, lock_tags, read_lock
from recurrence.tracking.records import Record, Tracked, record
from recurrence.tracking.tables import SAMPLES_KEPT

OfModel = Callable[[str, str], Path]
SCORED = (paths.model, paths.scores)
SAMPLED = (paths.samples, paths.verdicts, paths.rates)


def main(key: str) -> None:
    """Bring MLflow in line with the result files of a corpus and write the receipt."""
    params.corpus(key)
    place = paths.receipt(key)
    place.unlink(missing_ok=True)  # it comes back when all is done; without it dvc runs this again
    results = load(key, samples_of_each=SAMPLES_KEPT)
    records = _records(results)
    runs = sum(1 + len(each.decodings) for each in records)
    with progress(f"MLflow: {key}", runs, "runs") as advance:
        store = import_corpus(_scope(key), records, home(), advance, champion(results))
    models = {
        each.model: {"fingerprint": each.fingerprint, "decodings": list(each.decodings)}
        for each in records
    }
    write_json(place, {"models": models})
    say(f"MLflow: {key}: {len(records)} models in {store}")


def _scope(corpus: str) -> Scope:
    return Scope(
        corpus=corpus,
        models=frozenset(block.name for block in params.models_of(corpus).values()),
        experiment=os.environ.get(EXPERIMENT, ""),
        baseline=os.environ.get("DVC_EXP_BASELINE_REV", ""),
    )


def _records(results: Results) -> list[Record]:
    """Of every model that is trained and scored; its decodings too, where it was sampled."""
    commit = git_tags(paths.root())
    lock = read_lock(paths.root())
    key = results.corpus
    for block in params.models_of(key).values():
        if missing := _missing(key, block.name):
            say(f"MLflow: {key}: {block.name} waits: {missing} is not there")
    trained = [m for m in results.models if m.config]
    if not trained:
        raise RecurrenceError(
            f"{paths.model(key, '*')}: no model of {key} is trained and scored; "
            f"run the stages before this one: dvc repro track@{key}"
        )
    return [record(_tracked(results, m, commit, lock)) for m in trained]


def _missing(key: str, name: str) -> str:
    """The first of what every model needs that is not there, from the project's root."""
    places = [find(key, name) for find in SCORED]
    return next((_from_root(place) for place in places if not place.exists()), "")


def _from_root(place: Path) -> str:
    return place.relative_to(paths.root()).as_posix()


def _tracked(
    results: Results, m: ModelResults, commit: dict[str, str], lock: dict[str, Any]
) -> Tracked:
    """What the files say about one model, and where that comes from."""
    is_sampled = bool(m.rates)
    return Tracked(
        corpus=results.corpus,
        name=m.name,
        config=m.config,
        history=m.history,
        machine=machine_of(results.corpus, m.name),
        scores=m.scores,
        rates=m.loops | {"strategies": m.rates},
        samples=m.samples,
        card=results.card if is_sampled else None,
        counts=results.counts,
        strategies={
            name: block.model_dump(mode="json") | {"family": block.family}
            for name, block in results.blocks.items()
        },
        digests=_digests(results.corpus, m.name, is_sampled),
        tags=commit | lock_tags(lock, f"{results.corpus}-{m.name}", is_sampled),
    )


def _digests(corpus: str, name: str, is_sampled: bool) -> dict[str, str]:
    """Every file that decides what is imported, from the project's root, with its md5."""
    places = [paths.counts(corpus), paths.ids(corpus), *(find(corpus, name) for find in SCORED)]
    if is_sampled:
        places += [paths.calibration(corpus), *(find(corpus, name) for find in SAMPLED)]
    files = [
        file
        for place in places
        for file in (sorted(place.iterdir()) if place.is_dir() else [place])
    ]
    return {_from_root(file): md5(file) for file in files}
