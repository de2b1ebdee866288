"""Samples that were made before, in a folder: a part (parquet) for each batch, found again by key.

A key says all that decides a sample, so what has its key need not be made again: not after a kill,
and not where another strategy was added. Knows no models, params or text.
"""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from recurrence.decoding.grid import Made
from recurrence.decoding.witness import Witness
from recurrence.files import atomic_path

_COLUMNS = ["key", "ids", "logprob_nats", "rescued", "witness_period", "witness_gap"]


class Kept:
    """What a folder holds, read once; `keep` adds a part to it, `only` drops what is not needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.samples: dict[str, Made] = {}
        for part in sorted(folder.glob("*.parquet")):
            try:
                table = pd.read_parquet(part, columns=_COLUMNS)
            except (OSError, ValueError, KeyError):  # not one of ours, or no longer whole
                part.unlink()
                continue
            self.samples |= {str(row[0]): _made(row) for row in table.itertuples(index=False)}

    def keep(self, made: Mapping[str, Made]) -> None:
        """Write what was made as one more part, at once or not at all."""
        self.samples |= made
        numbers = [int(part.stem) for part in self.folder.glob("*.parquet") if part.stem.isdigit()]
        with atomic_path(self.folder / f"{max(numbers, default=0) + 1:06}.parquet") as path:
            _table(made).to_parquet(path, index=False)

    def only(self, keys: Collection[str]) -> None:
        """Keep these samples alone, in one part."""
        needed = {key: made for key, made in self.samples.items() if key in set(keys)}
        parts = list(self.folder.glob("*.parquet"))
        if len(parts) == 1 and len(needed) == len(self.samples):
            return
        self.keep(needed)
        self.samples = needed
        for part in parts:
            part.unlink()

    def drop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _table(made: Mapping[str, Made]) -> pd.DataFrame:
    witnesses = [each.witness for each in made.values()]
    return pd.DataFrame({
        "key": list(made),
        "ids": [each.ids_T.numpy().astype(np.int32) for each in made.values()],
        "logprob_nats": [each.logprob_nats for each in made.values()],
        "rescued": [each.rescued for each in made.values()],
        "witness_period": pd.Series([w and w.period for w in witnesses], dtype="Int64"),
        "witness_gap": pd.Series([w and w.gap for w in witnesses], dtype="float64"),
    })  # fmt: skip


def _made(row: tuple[object, ...]) -> Made:
    _, ids, logprob, rescued, period, gap = row
    witness = None if pd.isna(period) else Witness(int(period), float(gap))  # type: ignore[call-overload, arg-type]
    tokens = torch.from_numpy(np.asarray(ids, np.int64))
    return Made(tokens, float(logprob), int(rescued), witness)  # type: ignore[arg-type, call-overload]
