"""A learning curve in one line of a terminal, from the notes that progress brings along.

In: notes as training writes them, `seed 4: train 1.3070, valid 1.6334, ...`. Out: the validation
losses of that seed so far as a row of blocks; nothing for notes that tell of none.
"""

import re
from dataclasses import dataclass, field

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 16
"""Most blocks; of a longer curve the first and the last point are kept, and points evenly between
them.
"""
LOSS = re.compile(r"\bvalid (\d+(?:\.\d+)?)")


@dataclass
class Curves:
    """The losses told so far, by what stands before a note's colon (a seed)."""

    told: dict[str, list[float]] = field(default_factory=dict)

    def line(self, note: str) -> str:
        """The curve with the note's loss at its end; empty before there are two losses."""
        found = LOSS.search(note)
        if found is None:
            return ""
        losses = self.told.setdefault(note.partition(":")[0], [])
        losses.append(float(found[1]))
        return sparkline(losses) if len(losses) > 1 else ""


def sparkline(values: list[float]) -> str:
    """A block for each value, from the least to the greatest."""
    if len(values) > WIDTH:
        values = [values[round(i * (len(values) - 1) / (WIDTH - 1))] for i in range(WIDTH)]
    low, high = min(values), max(values)
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join(BLOCKS[round((value - low) / step)] for value in values)
