"""Tokens per second of generating with all strategies at once, against feeding the whole text again for every token.

What is compared are samples of 1,000 characters after prompts of 64. Ours: the grid of the stage `generate`, 32 prompts
x every strategy of params.yaml in double precision, searches included. By default its middle alone is timed, from
prompts that are as long as the text is there: what a step costs grows with the text, about evenly, so that the middle
costs the mean. `--full` makes the samples whole (minutes). The peer makes one sample at a time and reads the whole text
anew for each token, which is how the lesson library's `predict` does it, in single precision and without that library's
own costs. It would take days, so its time per token is measured at five lengths of the text, and between them the mean
over all lengths is taken (trapezoids). Both have the net of nietzsche/lstm with random weights; the peer has the number
of threads that suits it best. `--quick` tries a little of it and proves nothing.
"""

import sys
import time
from statistics import median

import torch

from recurrence import params
from recurrence.console import progress
from recurrence.decoding.filters import Setting
from recurrence.decoding.grid import grid, make
from recurrence.decoding.strategies import build_strategy
from recurrence.model import LanguageModel, build_model
from recurrence.vocab import Vocab

#   T = tokens

TARGET = 300
PROMPT_TOKENS, LENGTH = 64, 1000
MIDDLE = 120
"""Characters of each sample that are made by default."""
LETTERS = " !\"'(),-.0123456789:;=?[]_abcdefghijklmnopqrstuvwxyzä"
VOCAB = Vocab(("<unk>", "<pad>", *LETTERS), ("<unk>", "<pad>"), params.Tokens(unit="char"))
BITS = 2.0
"""What such a net has on held-out text, roughly, once it is trained: strategies scale themselves by it."""


def net(key: str) -> LanguageModel:
    torch.manual_seed(0)
    return build_model(params.model(key), len(VOCAB)).eval()


def whole_text_s(model: LanguageModel, tokens: int, repeats: int) -> float:
    """Seconds for one more token after a text of so many: the median of several."""
    text_T, took = torch.randint(3, len(VOCAB), (tokens,)), []
    for _ in range(repeats):
        started = time.perf_counter()
        with torch.inference_mode():
            logits_BTV, _ = model(text_T[None], model.initial_state(1))
            int(logits_BTV[0, -1].softmax(-1).multinomial(1))
        took.append(time.perf_counter() - started)
    return median(took)


def peer_s(model: LanguageModel, repeats: int) -> float:
    """Mean seconds per token over a sample, printed with what it is made of."""
    lengths = [PROMPT_TOKENS + LENGTH * i // 4 for i in range(5)]
    seconds = [whole_text_s(model, tokens, repeats) for tokens in lengths]
    for tokens, each in zip(lengths, seconds, strict=True):
        print(f"  after {tokens:5,} tokens {1e3 * each:9.2f} ms")
    return sum((a + b) / 2 for a, b in zip(seconds, seconds[1:], strict=False)) / 4


def ours_s(model: LanguageModel, prompts: int, prompt_tokens: int, length: int) -> tuple[int, float]:
    """How many tokens all strategies made, and in how many seconds, reading the prompts included."""
    setting = Setting(VOCAB, BITS, net("nietzsche-rnn").double())
    strategies = [build_strategy(name, block, setting) for name, block in params.strategies().items()]
    cells = grid(strategies, prompts, (0,), length, length)
    texts = [tuple(torch.randint(3, len(VOCAB), (prompt_tokens,)).tolist()) for _ in range(prompts)]
    tokens = len(cells) * length
    print(f"ours: {len(strategies)} strategies x {prompts} prompts of {prompt_tokens} x {length:,} characters")
    started = time.perf_counter()
    with progress("generating", tokens, "tokens") as advance:
        make(model.double(), cells, texts, ("benchmark",), advance)
    return tokens, time.perf_counter() - started


def main() -> None:
    quick, full = "--quick" in sys.argv, "--full" in sys.argv
    model, threads = net("nietzsche-lstm"), torch.get_num_threads()
    peers = []
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        print(f"the whole text again, one sample at a time, {count} thread(s):")
        peers.append(peer_s(model, 2 if quick else 9))
    prompts, length = (2, 20) if quick else (32, LENGTH if full else MIDDLE)
    tokens, seconds = ours_s(model, prompts, PROMPT_TOKENS + (LENGTH - length) // 2, length)
    print(f"whole text again   {1 / min(peers):12.2f} tokens/s (mean over the lengths, best number of threads)")
    print(f"all in one batch   {tokens / seconds:12.2f} tokens/s ({tokens:,} in {seconds:.0f} s, {threads} thread(s))")
    print(f"ratio              {tokens / seconds * min(peers):12.0f} (target {TARGET})")


if __name__ == "__main__":
    main()
