"""Puts records into MLflow so that it holds each of them once, whole, and beside them what was
before.

A run is ours if it has the tag `recurrence.fingerprint`; a model's run is whole, with its children,
if it also has `recurrence.complete`, which is set last. Whole runs of the same fingerprint stay,
and get back what artifacts they lost. What becomes of all others of ours: history.py. Runs that a
person logged in the same experiment are left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.tracking import notes, patience, registry, standing, store
from recurrence.tracking.champion import Champion
from recurrence.tracking.history import Keeper, Scope, purge
from recurrence.tracking.place import Place, place
from recurrence.tracking.records import Record
from recurrence.tracking.tags import (
    BASELINE,
    COMPLETE,
    CORPUS,
    CURRENT,
    EXPERIMENTAL,
    EXPERIMENTS,
    FINGERPRINT,
    MODEL,
    PARENT,
    STATE,
    STRATEGY,
)
from recurrence.tracking.writer import Writer

CLEARING_S = 3.0
"""For clearing away after a failure or Ctrl-C; what is left then, the next import clears away."""
Tell = Callable[[int], None]


def import_corpus(
    scope: Scope,
    records: Sequence[Record],
    home: Path,
    tell: Tell = lambda runs: None,
    champion: Champion | None = None,
) -> str:
    """Make MLflow's experiment of the corpus hold these models; returns the store's address, for
    people.

    `home` is the folder of the store and its lock; `tell` hears how many more runs are there; the
    `champion` is registered, so that MLflow can load it, and named best in the experiment's note.
    Raises RecurrenceError when the store cannot be reached or written, keeps one waiting, or does
    not hold in the end what it was given.
    """
    at = place(home)
    done: dict[str, list[Any]] = {}

    def missing() -> str:
        left = [record.model for record in records if record.model not in done]
        return f"Not imported: {scope.corpus}: {', '.join(left) or 'its description'}."

    with (
        store.explained(at, missing, f"`dvc repro track@{scope.corpus}`"),
        store.locked(at),
        patience.stoppable() as heed,
        patience.patient(heed=heed) as go_on,
    ):
        if said := standing.settle_in(at):
            say(said)
        client = store.client(at)
        experiment = _experiment(client, scope.corpus, at)
        Import(client, experiment, at, scope, go_on).run(records, done, tell)
        if not scope.experiment:
            best = champion.model if champion else ""
            _describe(client, experiment, scope.corpus, records, best)
            if champion and best in done:
                registry.register(client, champion, done[best][0].info.run_id, go_on)
        purge(client, experiment, at)
    return at.shown


@dataclass(frozen=True)
class Import:
    """One import into one experiment of MLflow."""

    client: Any
    experiment: str
    at: Place
    scope: Scope
    go_on: Callable[[], None]

    def run(self, records: Sequence[Record], done: dict[str, list[Any]], tell: Tell) -> None:
        """Import what is not there; `done` hears of each model's runs, the model's own first."""
        keeper = Keeper(self.client, self.experiment, self.scope, self.go_on)
        present = self._ours()
        made: set[str] = set()
        for record in records:
            self.go_on()
            found = whole(record, present)
            if found:
                self._restore_files(record, found)
            else:
                made.add(self._write(record, keeper))
            done[record.model] = found
            tell(1 + len(record.decodings))
        if made:
            present = self._ours()
            for record in records:
                done[record.model] = done[record.model] or whole(record, present)
                if not done[record.model]:
                    raise RecurrenceError(
                        f"{self.at.shown}: it took the runs of {record.model} and does not hold "
                        f"them"
                    )
            keeper.double_models(made)
        keeper.settle(present, done)

    def _ours(self) -> list[Any]:
        """Our runs in the experiment, parents and children alike, whatever their state."""
        found: list[Any] = []
        query = f"tags.`{FINGERPRINT}` LIKE '%'"
        token = None
        seen: set[str | None] = set()
        while token not in seen:  # a server that names the same page again has no more
            seen.add(token)
            page = self.client.search_runs(
                [self.experiment], query, max_results=1000, page_token=token
            )
            found += [run for run in page if MODEL in run.data.tags]
            token = page.token or None
            if not token:
                break
        return found

    def _write(self, record: Record, keeper: Keeper) -> str:
        """Log a record; on any failure or interruption, what was begun is deleted again."""
        named = self.scope.experiment
        marks = {STATE: EXPERIMENTAL if named else CURRENT}
        if named:
            marks |= {EXPERIMENTS: named, BASELINE: self.scope.baseline}
        suffix = f" [{named}]" if named else ""
        writer = Writer(self.client, self.experiment, marks, suffix)
        try:
            return writer.write(record, self.go_on)
        except BaseException:
            with suppress(Exception), patience.patient(seconds=CLEARING_S):
                keeper.discard([self.client.get_run(run_id) for run_id in writer.made])
            raise

    def _restore_files(self, record: Record, runs: Sequence[Any]) -> None:
        """Log artifacts again where any is gone; of a server they are not looked at."""
        if not self.at.artifacts:
            return
        writer = Writer(self.client, self.experiment, {})
        for run in runs:
            held = standing.Held(run.info.run_id, run.info.artifact_uri, run.data.tags)
            if run.info.artifact_uri.startswith("file:") and any(standing.lost_files(held)):
                strategy = run.data.tags.get(STRATEGY)
                own = record.decodings[strategy] if strategy else record.run
                writer.texts(run.info.run_id, own)


def whole(record: Record, runs: Sequence[Any]) -> list[Any]:
    """The runs that already hold the record, its own first, if they are all there; else nothing."""
    finished = [run for run in runs if run.info.status == "FINISHED" and run.info.run_id]
    for parent in finished:
        if parent.data.tags.get(COMPLETE) != record.fingerprint:
            continue
        children: dict[str, Any] = {}
        for run in finished:
            if run.data.tags.get(PARENT) == parent.info.run_id:
                children[run.data.tags.get(STRATEGY, "")] = run
        if children.keys() == record.decodings.keys():
            return [parent, *(children[strategy] for strategy in record.decodings)]
    return []


def _experiment(client: Any, corpus: str, at: Place) -> str:
    """Id of the experiment of that name: found, revived or made."""
    found = client.get_experiment_by_name(corpus)
    if found is None:
        location = (at.artifacts / corpus).as_uri() if at.artifacts else None
        made = client.create_experiment(corpus, artifact_location=location, tags={CORPUS: corpus})
        return str(made)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _describe(
    client: Any, experiment: str, corpus: str, records: Sequence[Record], best: str
) -> None:
    """Give the experiment its note and its views, where they differ from what it has."""
    models = {record.model: record.run.figures for record in records}
    rates: dict[str, list[float]] = {}
    for record in records:
        for strategy, run in record.decodings.items():
            rates.setdefault(strategy, []).append(run.figures.get("loops/loop_rate", 0.0))
    wanted: Mapping[str, str] = notes.views() | {
        "mlflow.note.content": notes.experiment(experiment, models, rates, best),
        "mlflow.experimentKind": "custom_model_development",
        CORPUS: corpus,
    }
    present = client.get_experiment(experiment).tags
    for name, value in wanted.items():
        if present.get(name) != value:
            client.set_experiment_tag(experiment, name, value)
