"""Writes one record into MLflow: a model's run, its children, its dataset and logged model, its
artifacts.

No run is RUNNING for longer than a moment, so that none stays so when the import is killed: a
model's run is FAILED until it is whole, and its children, which count only with it, are FINISHED
from the start.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recurrence.tracking.records import Record, Run
from recurrence.tracking.tags import COMPLETE, FILES, FINGERPRINT, NAME, PARENT

METRICS_AT_ONCE, PARAMS_AT_ONCE = 900, 100
"""Together at most 1000 in a request, which is what servers accept."""


@dataclass
class Writer:
    """Writes into one experiment of MLflow; `made` are the ids of the runs that it began."""

    client: Any
    experiment: str
    marks: Mapping[str, str]
    """Tags of every run, besides its own."""
    suffix: str = ""
    """Ends the name of every run."""
    made: list[str] = field(default_factory=list)

    def write(self, record: Record, go_on: Callable[[], None]) -> str:
        """Log a record; the id of its run. `go_on` is called before each child."""
        run_id = self._begin(record.run)
        self._fill(run_id, record.run, self._link(record, run_id))
        for run in record.decodings.values():
            go_on()
            self._fill(self._begin(run, parent=run_id), run, {})
        self.client.set_terminated(run_id, "FINISHED", record.run.ended_ms)
        self.client.set_tag(run_id, COMPLETE, record.fingerprint)
        return run_id

    def texts(self, run_id: str, run: Run) -> None:
        """Log the artifacts, over what may be there."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in run.texts.items():
                (Path(folder) / name).write_text(text, encoding="utf-8", newline="")
            self.client.log_artifacts(run_id, folder)

    def _begin(self, run: Run, parent: str | None = None) -> str:
        sizes = {name: len(text.encode()) for name, text in run.texts.items()}
        tags = {**run.tags, **self.marks, FILES: json.dumps(sizes), NAME: run.name}
        if parent:
            tags[PARENT] = parent
        created = self.client.create_run(
            self.experiment, start_time=run.started_ms, tags=tags, run_name=run.name + self.suffix
        )
        self.made.append(created.info.run_id)
        state = "FINISHED" if parent else "FAILED"
        self.client.set_terminated(self.made[-1], state, run.ended_ms)
        return self.made[-1]

    def _fill(self, run_id: str, run: Run, linked: Mapping[str, str]) -> None:
        """Log all that a begun run shall hold; `linked` ties its final figures to a model and a
        dataset.
        """
        from mlflow.entities import Metric, Param

        metrics = [
            Metric(name, value, run.ended_ms, 0, **linked) for name, value in run.figures.items()
        ]
        metrics += [Metric(each.name, each.value, each.at_ms, each.step) for each in run.curves]
        params = [Param(name, value) for name, value in run.params.items()]
        while metrics or params:
            self.client.log_batch(
                run_id, metrics[:METRICS_AT_ONCE], params[:PARAMS_AT_ONCE], synchronous=True
            )
            metrics = metrics[METRICS_AT_ONCE:]
            params = params[PARAMS_AT_ONCE:]
        self.texts(run_id, run)

    def _link(self, record: Record, run_id: str) -> dict[str, str]:
        """Log the dataset and the model (a reference: its weights stay with dvc) and say how
        metrics name them.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput

        source = json.dumps({"get": f"dvc pull data/ids/{record.dataset}"})
        data = Dataset(
            record.dataset, record.dataset_digest, "dvc", source, profile=record.dataset_profile
        )
        inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "train")])]
        self.client.log_inputs(run_id, inputs)
        tags = {FINGERPRINT: record.fingerprint}
        tags |= {f"md5 of {path}": md5 for path, md5 in record.weights.items()}
        model = self.client.create_logged_model(
            self.experiment,
            record.model,
            run_id,
            tags,
            params=record.run.params,
            model_type=record.run.params["core"],
        )
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return {
            "model_id": model.model_id,
            "dataset_name": data.name,
            "dataset_digest": data.digest,
        }
