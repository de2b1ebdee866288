"""What it costs to watch for loops while generating: `OnlineDetector` against the net of
nietzsche/lstm.

Makes characters by pure sampling with random weights (2 x 512 LSTM, 55 symbols, double precision),
one row and a batch, and then tells the very same characters to a detector, step by step. Random
text loops nowhere, so that no lane is spared; a third table tells the detector text in which a
phrase longer than the floor comes back again and again without a loop, which is what costs most.
Prints the detector's share of the time, in processor time of one thread, so that other work on the
machine counts little. `--quick` makes little and proves nothing.
"""

import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray

from recurrence import params
from recurrence.decoding.loop.sampling import Row, Sampler, steps
from recurrence.loops.online import OnlineDetector
from recurrence.model import LanguageModel, build_model

#   B = rows, T = steps

TARGET = 0.02
SYMBOLS, PROMPT_TOKENS, REPEATS = 55, 64, 3


def generate(model: LanguageModel, lanes: int, length: int) -> tuple[NDArray[np.int64], float]:
    """ids_TB of pure sampling, and seconds per step."""
    prompt = tuple(torch.randint(SYMBOLS, (PROMPT_TOKENS,)).tolist())
    sampler = Sampler("multinomial")
    rows = [Row(prompt, sampler, torch.Generator().manual_seed(i)) for i in range(lanes)]
    started = time.process_time()
    made = [step.ids_B.numpy() for step in steps(model, rows, length)]
    return np.stack(made), (time.process_time() - started) / length


def watch(ids_TB: NDArray[np.int64]) -> float:
    """Seconds per step of a detector that is told the ids; the best of several."""
    best = float("inf")
    for _ in range(REPEATS):
        detector = OnlineDetector(ids_TB.shape[1], "char")
        started = time.process_time()
        for ids_B in ids_TB:
            detector.update(ids_B)
        best = min(best, (time.process_time() - started) / len(ids_TB))
        assert not detector.fired.any()
    return best


def phrases(length: int, lanes: int) -> NDArray[np.int64]:
    """ids_TB in which a phrase of 60 comes back every 90 characters."""
    rng = np.random.default_rng(0)
    ids_TB = rng.integers(0, SYMBOLS, (length, lanes))
    phrase_TB = rng.integers(0, SYMBOLS, (60, lanes))
    for start in range(0, length - 60, 90):
        ids_TB[start : start + 60] = phrase_TB
    return ids_TB


def main() -> None:
    quick = "--quick" in sys.argv
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(params.model("nietzsche-lstm"), SYMBOLS).double().eval()
    worst = 0.0
    print(
        f"{'rows':>6} {'tokens':>7} {'generating':>12} {'watching':>12} {'share':>8} "
        f"{'phrases':>12} {'share':>8}"
    )
    for lanes, length in (
        (1, 200 if quick else 1000),
        (32, 20 if quick else 400),
        (500, 5 if quick else 120),
    ):
        ids_TB, made_s = min(
            (generate(model, lanes, length) for _ in range(1 if quick else REPEATS)),
            key=lambda m: m[1],
        )
        plain_s, phrases_s = watch(ids_TB), watch(phrases(max(length, 1000), lanes))
        worst = max(worst, plain_s / made_s, phrases_s / made_s)
        print(
            f"{lanes:6} {length:7} {1e3 * made_s:9.3f} ms {1e3 * plain_s:9.4f} ms "
            f"{plain_s / made_s:8.2%}"
            f" {1e3 * phrases_s:9.4f} ms {phrases_s / made_s:8.2%}"
        )
    print(f"at most {worst:.2%} of the time of generating; the target is {TARGET:.0%}")
    if worst > TARGET and not quick:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
