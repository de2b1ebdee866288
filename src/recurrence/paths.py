"""Every artefact's path, relative to the project's root; a test holds dvc.yaml against this
file.
"""

import os
from pathlib import Path

from recurrence.errors import RecurrenceError


def root() -> Path:
    """The project folder: RECURRENCE_ROOT, or the nearest folder upwards that holds params.yaml."""
    if named := os.environ.get("RECURRENCE_ROOT"):
        return Path(named).resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise RecurrenceError(
        f"{here}: no params.yaml here or above; run inside the project, or set RECURRENCE_ROOT"
    )


def params() -> Path:
    return root() / "params.yaml"


def code() -> Path:
    """What each stage reads, as a digest by stage and key; in git."""
    return root() / "data/code.json"


def raw(corpus: str) -> Path:
    """Folder of the downloaded files, as they came."""
    return root() / "data/raw" / corpus


def text(corpus: str) -> Path:
    """Folder with train.txt and valid.txt."""
    return root() / "data/text" / corpus


def vocab(corpus: str) -> Path:
    return root() / "data/vocab" / f"{corpus}.json"


def ids(corpus: str) -> Path:
    """Folder with train.npy, valid.npy, and a digest of the vocabulary that they are of."""
    return root() / "data/ids" / corpus


def counts(corpus: str) -> Path:
    """Token, character and <unk> counts of the parts (a metrics file)."""
    return root() / "data/counts" / f"{corpus}.json"


def model(corpus: str, name: str) -> Path:
    """Folder with config.json, vocab.json, history.csv and seed<k>.safetensors."""
    return root() / "data/models" / corpus / name


def checkpoints(corpus: str, name: str) -> Path:
    """Folder of what an unfinished training can be gone on with; no output, and nothing to keep."""
    return root() / ".checkpoints" / f"{corpus}-{name}"


def lock(stage: str, key: str) -> Path:
    """The file by which one process alone runs a stage on a key (locks.py)."""
    return root() / ".recurrence/locks" / f"{stage}@{key}"


def scores(corpus: str, name: str) -> Path:
    return root() / "data/scores" / corpus / f"{name}.json"


def samples_of(corpus: str, name: str) -> Path:
    """Folder of what `generate` makes of a model: samples, reference nats, and what they go
    with.
    """
    return root() / "data/samples" / corpus / name


def samples(corpus: str, name: str) -> Path:
    """A row per sample: where it comes from, its ids and its text."""
    return samples_of(corpus, name) / "samples.parquet"


def reference_nats(corpus: str, name: str) -> Path:
    """Nats per token of each sample, and of each window of human text, under the reference
    model.
    """
    return samples_of(corpus, name) / "reference_nats.parquet"


def unfinished_samples(corpus: str, name: str) -> Path:
    """Folder of samples that need not be made again; no output, and nothing to keep."""
    return root() / ".checkpoints/samples" / f"{corpus}-{name}"


def loops(corpus: str) -> Path:
    """Folder of a corpus's verdicts; it is there as soon as the detector is calibrated."""
    return root() / "data/loops" / corpus


def calibration(corpus: str) -> Path:
    """The detector's floors measured on the corpus's own text, its false alarms and recall."""
    return loops(corpus) / "calibration.json"


def loops_of(corpus: str, name: str) -> Path:
    """Folder of what `detect_loops` makes of a model: verdicts and rates."""
    return loops(corpus) / name


def verdicts(corpus: str, name: str) -> Path:
    """A row per sample: its loop, if any, and its repetition metrics."""
    return loops_of(corpus, name) / "verdicts.parquet"


def rates(corpus: str, name: str) -> Path:
    """Rates per strategy, with human text beside them, and a digest of the samples."""
    return loops_of(corpus, name) / "rates.json"


def metrics(corpus: str, name: str) -> Path:
    """A few of the rates, for `dvc metrics` and `dvc exp show`."""
    return root() / "data/metrics" / corpus / f"{name}.json"


REPORTED = (
    "index.html",
    "summary.md",
    "models.csv",
    "decoding.csv",
    "curves.csv",
    "metrics",
    "figures",
)
"""What `report` writes into its folder; machine.csv beside them is no stage's."""


def report(corpus: str) -> Path:
    """Folder of what there is to read of a corpus."""
    return root() / "reports" / corpus


def overview() -> Path:
    """The page that compares corpora; the output of no stage, as it is made of the reports of
    several.
    """
    return root() / "reports/index.html"


def machine(corpus: str) -> Path:
    """How long each stage took and on which machine: no result, and so no stage's output."""
    return report(corpus) / "machine.csv"


def mlflow() -> Path:
    """Folder of the MLflow store: its database, artifacts, lock and receipts."""
    return root() / ".mlflow"


def receipt(corpus: str) -> Path:
    return mlflow() / "receipts" / f"{corpus}.json"


def checked(corpus: str) -> Path:
    """Says that the receipt was held against the store."""
    return mlflow() / "checked" / f"{corpus}.txt"
