"""The results of a corpus in MLflow, imported from their files; twice is as once.

What is not there yet, be it a model that was not trained, waits for the next time. The receipt says what is there, and
is the same on every machine with the same results.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from recurrence import params, paths
from recurrence.console import progress, say
from recurrence.errors import RecurrenceError
from recurrence.files import read_json, write_json
from recurrence.tracking.history import Scope
from recurrence.tracking.machine import machine_of
from recurrence.tracking.mirror import import_corpus
from recurrence.tracking.place import EXPERIMENT, home
from recurrence.tracking.provenance import git_tags, lock_tags, md5, read_lock
from recurrence.tracking.records import Record, Results, record
from recurrence.tracking.tables import SAMPLES_KEPT

OfModel = Callable[[str, str], Path]
SCORED = (paths.model, paths.scores)
SAMPLED = (paths.samples, paths.verdicts, paths.rates)


def main(key: str) -> None:
    """Bring MLflow in line with the result files of a corpus and write the receipt."""
    params.corpus(key)
    place = paths.receipt(key)
    place.unlink(missing_ok=True)  # it comes back when all is done; without it dvc runs this again
    records = _records(key)
    runs = sum(1 + len(each.decodings) for each in records)
    with progress(f"MLflow: {key}", runs, "runs") as advance:
        store = import_corpus(_scope(key), records, home(), advance)
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


def _records(corpus: str) -> list[Record]:
    """Of every model that is trained and scored; its decodings too, where it was sampled."""
    commit = git_tags(paths.root())
    lock = read_lock(paths.root())
    sampled = {block.name for block in params.sampled_of(corpus).values()}
    records = []
    for key, block in params.models_of(corpus).items():
        if missing := _missing(corpus, block.name, SCORED):
            say(f"MLflow: {corpus}: {block.name} waits: {missing} is not there")
            continue
        is_sampled = block.name in sampled and not _missing(corpus, block.name, SAMPLED)
        tags = commit | lock_tags(lock, key, is_sampled)
        records.append(record(_read(corpus, block.name, is_sampled, tags)))
    if not records:
        raise RecurrenceError(
            f"{paths.model(corpus, '*')}: no model of {corpus} is trained and scored; "
            f"run the stages before this one: dvc repro track@{corpus}"
        )
    return records


def _missing(corpus: str, name: str, places: tuple[OfModel, ...]) -> str:
    """The first of these that is not there, from the project's root."""
    for place in places:
        if not place(corpus, name).exists():
            return place(corpus, name).relative_to(paths.root()).as_posix()
    return ""


def _read(corpus: str, name: str, is_sampled: bool, tags: dict[str, str]) -> Results:
    folder = paths.model(corpus, name)
    blocks = params.strategies().items()
    return Results(
        corpus=corpus,
        name=name,
        config=read_json(folder / "config.json"),
        history=pd.read_csv(folder / "history.csv"),
        machine=machine_of(corpus, name),
        scores=read_json(paths.scores(corpus, name)),
        rates=read_json(paths.rates(corpus, name)) if is_sampled else {"strategies": {}},
        samples=_samples(corpus, name) if is_sampled else pd.DataFrame(),
        card=read_json(paths.calibration(corpus)) if is_sampled else None,
        counts=read_json(paths.counts(corpus)),
        strategies={
            each: block.model_dump(mode="json") | {"family": block.family} for each, block in blocks
        },
        digests=_digests(corpus, name, is_sampled),
        tags=tags,
    )


def _samples(corpus: str, name: str) -> pd.DataFrame:
    """The first samples of each strategy, with the verdict on each; the rest are not even read."""
    place = paths.samples(corpus, name)
    known = pd.read_parquet(place, columns=["sample_id", "strategy"])
    first = known.groupby("strategy", sort=False).head(SAMPLES_KEPT)
    kept = [("sample_id", "in", first["sample_id"].tolist())]
    samples = pd.read_parquet(place, filters=kept)
    verdicts = pd.read_parquet(paths.verdicts(corpus, name), filters=kept)
    both = [column for column in verdicts if column in samples and column != "sample_id"]
    return samples.merge(verdicts.drop(columns=both), on="sample_id", how="left")


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
    return {file.relative_to(paths.root()).as_posix(): md5(file) for file in files}
