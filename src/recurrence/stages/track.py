"""The results of a corpus in MLflow, imported from their files; twice is as once."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from recurrence import machine, params, paths
from recurrence.console import progress, say
from recurrence.errors import RecurrenceError
from recurrence.files import read_json, write_json
from recurrence.tracking import Results, import_corpus, record
from recurrence.tracking.provenance import git_tags, lock_tags, md5, read_lock
from recurrence.tracking.tables import SAMPLES_KEPT

SCORED = (paths.model, paths.scores)
SAMPLED = (paths.samples, paths.loops, paths.loop_rates)


def main(key: str) -> None:
    """Bring MLflow in line with the result files of a corpus and write the receipt."""
    params.corpus(key)
    paths.receipt(key).unlink(
        missing_ok=True
    )  # it comes back when all is done; without it dvc runs this again
    commit, lock = git_tags(paths.root()), read_lock(paths.root())
    records = []
    sampled = {block.name for block in params.sampled_of(key).values()}
    for name, block in params.models_of(key).items():
        is_sampled = block.name in sampled
        records.append(
            record(_read(key, block.name, is_sampled, commit | lock_tags(lock, name, is_sampled)))
        )
    with progress(
        f"MLflow: {key}", sum(1 + len(each.decodings) for each in records), "runs"
    ) as advance:
        receipt = import_corpus(key, records, paths.mlflow(), advance)
    write_json(paths.receipt(key), receipt)
    say(f"MLflow: {key}: {len(records)} models in {receipt['store']}")


def _read(corpus: str, name: str, is_sampled: bool, tags: dict[str, str]) -> Results:
    digests = _digests(corpus, name, is_sampled)  # first: it names what is missing
    folder = paths.model(corpus, name)
    blocks = params.strategies().items()
    return Results(
        corpus=corpus,
        name=name,
        config=read_json(folder / "config.json"),
        history=pd.read_csv(folder / "history.csv"),
        wall=_wall(corpus, name),
        scores=read_json(paths.scores(corpus, name)),
        rates=read_json(paths.loop_rates(corpus, name)) if is_sampled else {"strategies": {}},
        samples=_samples(corpus, name) if is_sampled else pd.DataFrame(),
        card=read_json(paths.card(corpus)) if is_sampled else None,
        counts=read_json(paths.counts(corpus)),
        strategies={
            each: block.model_dump(mode="json") | {"family": block.family} for each, block in blocks
        },
        digests=digests,
        tags=tags,
    )


def _wall(corpus: str, name: str) -> dict[str, Any]:
    """When, how long and on what it was trained; where nobody noted it, only when its files came to be."""
    row = machine.row(corpus, "train", f"{corpus}-{name}")
    if row is None:
        came = (paths.model(corpus, name) / "history.csv").stat().st_mtime
        started = datetime.fromtimestamp(came, UTC).isoformat()
        return {"started": started, "train_seconds": 0.0, "device": "a machine unknown"}
    where = [row["device"] or "cpu", row["processor"], f"{row['numerics'] or 'fast'} numerics"]
    return {
        "started": row["started"],
        "train_seconds": float(row["seconds"]),
        "device": ", ".join(part for part in where if part),
        **{name: row[name] for name in ("torch", "python", "tokens_per_second") if row[name]},
    }


def _samples(corpus: str, name: str) -> pd.DataFrame:
    """The first samples of each strategy, with the verdict on each; the rest are not even read."""
    place = paths.samples(corpus, name)
    known = pd.read_parquet(place, columns=["sample_id", "strategy"])
    kept = [
        (
            "sample_id",
            "in",
            known.groupby("strategy", sort=False).head(SAMPLES_KEPT)["sample_id"].tolist(),
        )
    ]
    samples, verdicts = (
        pd.read_parquet(place, filters=kept),
        pd.read_parquet(paths.loops(corpus, name), filters=kept),
    )
    both = [column for column in verdicts if column in samples and column != "sample_id"]
    return samples.merge(verdicts.drop(columns=both), on="sample_id", how="left")


def _digests(corpus: str, name: str, is_sampled: bool) -> dict[str, str]:
    """Every file that is imported, from the project's root, with its md5."""
    places = [paths.counts(corpus), paths.ids(corpus), *(find(corpus, name) for find in SCORED)]
    if is_sampled:
        places += [paths.card(corpus), *(find(corpus, name) for find in SAMPLED)]
    if missing := [place for place in places if not place.exists()]:
        raise RecurrenceError(
            f"{missing[0]}: not there; run the stages before this one: dvc repro track@{corpus}"
        )
    files = [
        file
        for place in places
        for file in (sorted(place.iterdir()) if place.is_dir() else [place])
    ]
    return {file.relative_to(paths.root()).as_posix(): md5(file) for file in files}
