"""The results of a corpus in MLflow, imported from their files; twice is as once."""

import pandas as pd

from recurrence import params, paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import read_json, write_json
from recurrence.stages import run
from recurrence.tracking import Results, import_corpus, record
from recurrence.tracking.provenance import git_tags, lock_tags, md5, read_lock


def main(key: str) -> None:
    """Bring MLflow in line with the result files of a corpus and write the receipt."""
    params.corpus(key)
    commit, lock = git_tags(paths.root()), read_lock(paths.root())
    records = []
    for name, block in params.models_of(key).items():
        records.append(record(_read(key, block.name, commit | lock_tags(lock, name))))
    receipt = import_corpus(key, records, paths.mlflow())
    write_json(paths.receipt(key), receipt)
    say(f"MLflow: {key}: {len(records)} models in {receipt['store']}")


def _read(corpus: str, name: str, tags: dict[str, str]) -> Results:
    digests = _digests(corpus, name)  # first: it names what is missing
    folder, verdict = paths.model(corpus, name), ["sample_id", "kind", "start", "period", "copies", "unit"]
    samples = pd.read_parquet(paths.samples(corpus, name), columns=["sample_id", "strategy", "prompt", "text"])
    return Results(
        corpus=corpus,
        name=name,
        config=read_json(folder / "config.json"),
        history=pd.read_csv(folder / "history.csv"),
        wall=read_json(paths.wall(corpus, name)),
        scores=read_json(paths.scores(corpus, name)),
        rates=read_json(paths.loop_rates(corpus, name)),
        samples=samples.merge(pd.read_parquet(paths.loops(corpus, name), columns=verdict), on="sample_id", how="left"),
        counts=read_json(paths.counts(corpus)),
        strategies={strategy: block.model_dump(mode="json") for strategy, block in params.strategies().items()},
        digests=digests,
        tags=tags,
    )


def _digests(corpus: str, name: str) -> dict[str, str]:
    """Every file that is imported, from the project's root, with its md5."""
    parts = (paths.model, paths.wall, paths.scores, paths.samples, paths.loops, paths.loop_rates)
    places = [paths.counts(corpus), paths.ids(corpus), *(find(corpus, name) for find in parts)]
    if missing := [place for place in places if not place.exists()]:
        raise RecurrenceError(f"{missing[0]}: not there; run the stages before this one: dvc repro track@{corpus}")
    files = [file for place in places for file in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return {file.relative_to(paths.root()).as_posix(): md5(file) for file in files}


if __name__ == "__main__":
    run(main)
