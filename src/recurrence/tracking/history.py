"""What becomes of runs that MLflow held before: results that are no more stay, marked; what is no
result goes.

`recurrence.state` of a run is `current`, `superseded` (the model was trained or measured anew
since, or left params.yaml), or `experiment` (of a dvc experiment). Superseded runs keep all that
they had, so that before and after can be compared; they also say since when, and by which run.
Halves of an import that was killed, doubles, and runs that record the same results in an older way
are discarded, with their artifacts where the store is a sqlite file.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recurrence.tracking.place import Place
from recurrence.tracking.standing import local_path
from recurrence.tracking.tags import (
    BASELINE,
    BY,
    COMPLETE,
    CURRENT,
    DISCARDED,
    EXPERIMENTAL,
    EXPERIMENTS,
    FINGERPRINT,
    IDENTITY,
    MODEL,
    NAME,
    PARENT,
    SINCE,
    STATE,
    SUPERSEDED,
)

DELETED_ONLY = 2
"""mlflow.entities.ViewType, without the import."""
GoOn = Callable[[], None]


@dataclass(frozen=True)
class Scope:
    """What an import speaks for."""

    corpus: str
    models: frozenset[str]
    """All that params.yaml has; runs of others are superseded."""
    experiment: str = ""
    """Name of the dvc experiment; empty outside of one. Its runs supersede none."""
    baseline: str = ""
    """Revision that the experiment began from."""


def family_of(run: Any) -> str:
    """Id of the model's run to which a run belongs, which may be itself."""
    return str(run.data.tags.get(PARENT) or run.info.run_id)


def families(runs: Iterable[Any]) -> dict[str, list[Any]]:
    """Runs by that id, the model's own first."""
    found: dict[str, list[Any]] = {}
    for run in runs:
        found.setdefault(family_of(run), []).append(run)
    for run_id, family in found.items():
        own = [run for run in family if run.info.run_id == run_id]
        found[run_id] = own + [run for run in family if run.info.run_id != run_id]
    return found


@dataclass(frozen=True)
class Keeper:
    """Marks and discards runs of one experiment of MLflow; `go_on` is called before each."""

    client: Any
    experiment: str
    scope: Scope
    go_on: GoOn

    def settle(self, standing: Sequence[Any], done: Mapping[str, Sequence[Any]]) -> None:
        """Bring the state of all our runs in line with those that stand for the models now (`done`,
        parent first).
        """
        for runs in done.values():
            self._keep(runs)
        kept = {runs[0].info.run_id for runs in done.values()}
        gone: list[Any] = []
        for run_id, family in families(standing).items():
            if run_id in kept:
                mine = {run.info.run_id for run in done[family[0].data.tags[MODEL]]}
                gone += [run for run in family if run.info.run_id not in mine]
            elif self._is_waste(family, done):
                gone += family
            elif self._is_over(family, done):
                self._supersede(family, done.get(family[0].data.tags[MODEL]))
        self.discard(gone)

    def discard(self, gone: Sequence[Any]) -> None:
        """Delete runs and their logged models, marked so that `purge` finds them, whenever it
        comes.
        """
        ids = {run.info.run_id for run in gone}
        for model in list(self._models()) if gone else ():
            if model.source_run_id in ids:
                self.client.delete_logged_model(model.model_id)
        for run in gone:
            self.go_on()
            self.client.set_tag(run.info.run_id, DISCARDED, "true")
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, "KILLED")
            self.client.delete_run(run.info.run_id)

    def double_models(self, made: set[str]) -> None:
        """Delete models that a server began twice for a run, as it was asked again when its answer
        was lost.
        """
        for model in list(self._models()):
            if model.source_run_id in made and str(model.status) != "READY":
                self.client.delete_logged_model(model.model_id)

    def _models(self) -> Iterator[Any]:
        """All logged models of the experiment: to ask for those of each run would take most of the
        time.
        """
        page = None
        while page is None or page.token:
            page = self.client.search_logged_models(
                [self.experiment], page_token=page.token if page else None
            )
            yield from page

    def _keep(self, runs: Sequence[Any]) -> None:
        """They stand for the results at hand, whatever they were before."""
        tags = runs[0].data.tags
        if self.scope.experiment:
            named = [name for name in tags.get(EXPERIMENTS, "").split(", ") if name]
            if self.scope.experiment not in named:
                names = ", ".join([*named, self.scope.experiment])
                self._tag(runs, {EXPERIMENTS: names, BASELINE: self.scope.baseline})
            if tags.get(STATE) == SUPERSEDED:
                self._tag(runs, {STATE: EXPERIMENTAL, SINCE: "", BY: ""})
        elif tags.get(STATE) != CURRENT:
            self._tag(runs, {STATE: CURRENT, SINCE: "", BY: ""})
            for run in runs:
                self.client.update_run(run.info.run_id, name=run.data.tags[NAME])

    def _is_waste(self, family: Sequence[Any], done: Mapping[str, Sequence[Any]]) -> bool:
        """Halves; doubles; current ones that say of the same results what is now said in another
        way.
        """
        tags = family[0].data.tags
        if COMPLETE not in tags or family[0].info.status != "FINISHED":
            return True
        successor = done.get(tags[MODEL])
        if not successor:
            return False
        new = successor[0].data.tags
        if tags[FINGERPRINT] == new[FINGERPRINT]:
            return True
        is_current = tags.get(STATE, CURRENT) == CURRENT
        return not self.scope.experiment and is_current and tags.get(IDENTITY) == new[IDENTITY]

    def _is_over(self, family: Sequence[Any], done: Mapping[str, Sequence[Any]]) -> bool:
        """Current till now, and there is another for the model, or the model is no more."""
        tags = family[0].data.tags
        if self.scope.experiment or tags.get(STATE, CURRENT) != CURRENT:
            return False
        return tags[MODEL] in done or tags[MODEL] not in self.scope.models

    def _supersede(self, family: Sequence[Any], successor: Sequence[Any] | None) -> None:
        now = datetime.now(UTC)
        by = successor[0].info.run_id if successor else ""
        self._tag(family, {STATE: SUPERSEDED, SINCE: now.isoformat(timespec="seconds"), BY: by})
        for run in family:
            name = run.data.tags.get(NAME) or run.info.run_name
            self.client.set_tag(run.info.run_id, NAME, name)
            until = f"{name} (until {now:%Y-%m-%d %H:%M})"
            self.client.update_run(run.info.run_id, name=until)

    def _tag(self, runs: Sequence[Any], tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        for run in runs:
            self.go_on()
            self.client.log_batch(
                run.info.run_id,
                tags=[RunTag(name, value) for name, value in tags.items()],
                synchronous=True,
            )


def purge(client: Any, experiment: str, at: Place) -> None:
    """Remove the artifacts of what was discarded here; of a server, that is its keeper's to do.

    The bare run stays among mlflow's deleted ones, until someone calls `mlflow gc`. What cannot be
    removed now is found again by the next import.
    """
    if not at.database or not at.artifacts:
        return
    query = f"tags.`{DISCARDED}` = 'true'"
    page = None
    while page is None or page.token:
        token = page.token if page else None
        page = client.search_runs([experiment], query, DELETED_ONLY, 1000, page_token=token)
        for run in page:
            folder = local_path(run.info.artifact_uri).parent
            if folder.parent.parent == at.artifacts and folder.name == run.info.run_id:
                shutil.rmtree(folder, ignore_errors=True)
