"""What the hardest inputs cost, beside prose: exact search, and the whole verdict; time per token,
memory, growth.

    python benchmarks/worst_cases.py PROSE_FILE [--size 60000]

The families are those of the tests (tests/loops/hard_texts.py). Processor time of one thread, the
best of two; memory is the peak of what numpy and Python ask for beyond the text, in bytes per
token. Targets: at most 10 times prose, 16 bytes a token; it says which are missed.
"""

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recurrence.loops import TextDetector, find_run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from loops.hard_texts import HARD, Text  # noqa: E402

MOST_TIMES, MOST_BYTES, FLOOR = 10, 16, 40


def cost(work: Callable[[], object], size: int) -> tuple[float, float]:
    """Microseconds and bytes per token."""
    took = []
    for _ in range(2):
        started = time.process_time()
        work()
        took.append(time.process_time() - started)
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 1e6 * min(took) / size, peak / size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("prose", type=Path)
    parser.add_argument("--size", type=int, default=60_000)
    asked = parser.parse_args()
    size = asked.size
    text = asked.prose.read_text(encoding="utf-8").encode("ascii", "replace")[:size]
    families: dict[str, Text] = {"prose": np.frombuffer(text, np.uint8)}
    families |= {name: make(size) for name, make in HARD.items()}
    detector = TextDetector()
    base: list[float] = []
    print(
        f"{size:,} tokens\n{'':20} {'exact':>9} {'x prose':>8} {'B/token':>8} {'verdict':>9} "
        f"{'x prose':>8} {'B/token':>8}"
    )
    for name, ids in families.items():
        spelled = ids.tobytes().decode("ascii")
        exact = cost(lambda ids=ids: find_run(ids, FLOOR), size)
        verdict = cost(lambda spelled=spelled: detector.judge(spelled), size)
        base = base or [exact[0], verdict[0]]
        times = [exact[0] / base[0], verdict[0] / base[1]]
        missed = max(times) > MOST_TIMES or max(exact[1], verdict[1]) > MOST_BYTES
        print(
            f"{name:20} {exact[0]:6.2f} us {times[0]:8.1f} {exact[1]:8.0f} "
            f"{verdict[0]:6.2f} us {times[1]:8.1f} {verdict[1]:8.0f} {'missed' if missed else ''}",
            flush=True,
        )


if __name__ == "__main__":
    main()
