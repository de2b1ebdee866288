"""Tokens per second of generating with all strategies at once, against feeding the whole text again
for every token.

What is compared are samples of 1,000 characters after prompts of 64. Ours: the grid of the stage
`generate`, 32 prompts x every strategy of params.yaml in double precision, searches included.
`--full` makes the samples whole (six minutes). By default their middle alone is timed (one minute),
from prompts that are as long as the text is there: what a step costs grows with the text, about
evenly, so that the middle costs the mean; but the reading of those prompts falls to few tokens, so
this says less than is so. The peer makes one sample at a time and reads the whole text anew for
each token, which is how the lesson library's `predict` does it, in single precision and without
that library's own costs. It would take days, so of a sample's 1,000 tokens it makes 50, evenly
spread from the first to the last, the best of two times each. Both have the net of nietzsche/lstm
with random weights and one thread, and are timed in its processor time, so that other work on the
machine counts little. `--quick` tries a little of it and proves nothing.
"""

import sys
import time
from statistics import mean

import torch

from recurrence import params
from recurrence.console import progress
from recurrence.decoding.filters.contract import Setting
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
"""What such a net has on held-out text, roughly, once it is trained: strategies scale themselves by
it.
"""


def net(key: str) -> LanguageModel:
    torch.manual_seed(0)
    return build_model(params.model(key), len(VOCAB)).eval()


def whole_text_s(model: LanguageModel, tokens: int) -> float:
    """Seconds for one more token after a text of so many: the better of two."""
    text_T, took = torch.randint(3, len(VOCAB), (tokens,)), []
    for _ in range(2):
        started = time.process_time()
        with torch.inference_mode():
            logits_BTV, _ = model(text_T[None], model.initial_state(1))
            int(logits_BTV[0, -1].softmax(-1).multinomial(1))
        took.append(time.process_time() - started)
    return min(took)


def peer_s(model: LanguageModel, measured: int) -> float:
    """Mean seconds per token over a sample, from so many of its tokens; printed with what it is
    made of.
    """
    lengths = [PROMPT_TOKENS + LENGTH * (2 * i + 1) // (2 * measured) for i in range(measured)]
    seconds = [whole_text_s(model, tokens) for tokens in lengths]
    print(f"the whole text again, one sample at a time, {measured} of its {LENGTH:,} tokens:")
    for i in range(0, measured, max(measured // 5, 1)):
        print(f"  after {lengths[i]:5,} tokens {1e3 * seconds[i]:9.2f} ms")
    return mean(seconds)


def ours_s(
    model: LanguageModel, prompts: int, prompt_tokens: int, length: int
) -> tuple[int, float]:
    """How many tokens all strategies made, and in how many seconds, reading the prompts
    included.
    """
    setting = Setting(VOCAB, BITS, net("nietzsche-rnn").double())
    strategies = [
        build_strategy(name, block, setting) for name, block in params.strategies().items()
    ]
    cells = grid(strategies, prompts, (0,), length, length)
    texts = [tuple(torch.randint(3, len(VOCAB), (prompt_tokens,)).tolist()) for _ in range(prompts)]
    tokens = len(cells) * length
    print(
        f"ours: {len(strategies)} strategies x {prompts} prompts of {prompt_tokens} x {length:,} "
        f"characters"
    )
    started = time.process_time()
    with progress("generating", tokens, "tokens") as advance:
        make(model.double(), cells, texts, ("benchmark",), advance)
    return tokens, time.process_time() - started


def main() -> None:
    quick, full = "--quick" in sys.argv, "--full" in sys.argv
    torch.set_num_threads(1)
    model = net("nietzsche-lstm")
    peer = peer_s(model, 5 if quick else 50)
    prompts, length = (2, 20) if quick else (32, LENGTH if full else MIDDLE)
    tokens, seconds = ours_s(model, prompts, PROMPT_TOKENS + (LENGTH - length) // 2, length)
    print(f"whole text again   {1 / peer:12.2f} tokens/s")
    print(f"all in one batch   {tokens / seconds:12.2f} tokens/s ({tokens:,} in {seconds:.0f} s)")
    print(f"ratio              {tokens / seconds * peer:12.0f} (target {TARGET})")


if __name__ == "__main__":
    main()
