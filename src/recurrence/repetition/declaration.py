"""What a figure is, said once: its unit, which way is better, how it is written and where it
stands.

The report, its CSV files, README.md and MLflow read this and list nothing themselves.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["less", "more", ""]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure that is shown to people."""

    label: str
    """The head of its column."""
    unit: str
    """Of what it counts: share, tokens, nats per token, ...; empty for a pure number."""
    better: Better = ""
    """Empty where neither is: the closer to human text the better."""
    shown_as: str
    """How it is written: the name of a function in results/formats.py."""
    group: str = ""
    """The columns of the report's table of all figures under which it stands; empty: only in
    CSV.
    """
    mlflow: tuple[str, ...] = ()
    """Its name in MLflow, and those of its interval's ends; empty: only in MLflow's artifacts."""
