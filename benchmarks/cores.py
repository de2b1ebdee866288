"""Every core at about equal parameters: tokens per second in training and in generation, and
bytes of state.

Each is a language model of two layers (one where a core has no more), as wide as makes about
`--parameters`, embedding and head among them, for the vocabulary of a character model. Training:
steps of training/learner.py, 32 lanes of 64 tokens, Adam. Generation: one token after another for
32 lanes in double precision, as the stage `generate` does it, after 256 tokens, so that a
transformer's cache is full. One thread, and its processor time, so that other work on the machine
counts little; in rounds that alternate, of which the best counts. The peer of all ratios is
torch's own LSTM.

    python benchmarks/cores.py [CORE ...] [--parameters 1000000] [--rounds 3]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recurrence import device, params
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model, core_module
from recurrence.training import optimizers
from recurrence.training.learner import Learner

#   B = lanes, T = time

PEER = "lstm"
VOCAB_SIZE = 56
LANES, TOKENS = 32, 64
CONTEXT = 256
"""Tokens before those that are generated."""
RECIPE = {
    "batches": {"loader": "lanes", "size": LANES, "bptt": TOKENS},
    "phases": [{"epochs": 1, "optimizer": {}, "schedule": {"kind": "constant", "lr": 1e-3}}],
    "clip": 1.0,
}
STEP = 8
"""Hidden units are a multiple of this, so that heads divide them."""
HEAD = ("core", "layers", "hidden", "parameters", "state bytes", "train", "x lstm", "generate")
LINE = "{:<14}{:>7}{:>8}{:>12}{:>13}{:>10}{:>8}{:>10}{:>8}"


@dataclass
class Contender:
    """A core at its size, and the best that was measured of it, in tokens per second."""

    core: str
    block: params.Model
    parameters: int
    state_bytes: int
    trained: float = 0.0
    generated: float = 0.0

    def measure(self) -> None:
        """One round."""
        self.trained = max(self.trained, training(self.block))
        self.generated = max(self.generated, generation(self.block))


def block(core: str, hidden: int) -> params.Model:
    """As many layers as the core has, up to two."""
    sizes = {"corpus": "benchmark", "name": core, "core": core, "recipe": RECIPE}
    for layers in (2, 1):
        tree = {**sizes, "embedding": hidden, "hidden": hidden, "layers": layers}
        made = params.Model.model_validate(tree)
        try:
            build_model(made, VOCAB_SIZE)
        except RecurrenceError:
            if layers == 1:
                raise
        else:
            break
    return made


def size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def contender(core: str, parameters: int) -> Contender:
    """The width that comes nearest to so many parameters."""
    widths = range(STEP, 2048, STEP)
    low, high = 0, len(widths) - 1
    while high - low > 1:
        middle = (low + high) // 2
        enough = size(build_model(block(core, widths[middle]), VOCAB_SIZE)) >= parameters
        low, high = (low, middle) if enough else (middle, high)
    found = {i: build_model(block(core, widths[i]), VOCAB_SIZE) for i in (low, high)}
    best = min(found, key=lambda i: abs(size(found[i]) - parameters))
    model = found[best]
    leaves = model.initial_state(1)
    state_bytes = sum(leaf.numel() * leaf.element_size() for leaf in leaves)
    return Contender(core, block(core, widths[best]), size(model), state_bytes)


def seconds(work: Callable[[], object], least_s: float = 1.0) -> float:
    """Processor time of one call, over as many as take so long; a first one is not counted."""
    work()
    calls = 0
    began = time.process_time()
    while time.process_time() - began < least_s:
        work()
        calls += 1
    return (time.process_time() - began) / calls


def made(rule: params.Model) -> LanguageModel:
    torch.manual_seed(0)
    return build_model(rule, VOCAB_SIZE)


def ids(time_steps: int) -> Tensor:
    return torch.randint(
        VOCAB_SIZE, (LANES, time_steps), generator=torch.Generator().manual_seed(0)
    )


def training(rule: params.Model) -> float:
    """Tokens per second of gradient steps."""
    assert rule.recipe is not None and rule.recipe.phases[0].optimizer is not None
    learner = Learner(made(rule).train(), rule.recipe)
    learner.optimizer = optimizers.build(rule.recipe.phases[0].optimizer, learner.model, 1e-3)
    stream = ids(TOKENS + 1)
    batch = stream[:, :-1], stream[:, 1:]
    return LANES * TOKENS / seconds(lambda: learner.step(batch, 1e-3, None))


@torch.inference_mode()
def generation(rule: params.Model) -> float:
    """Tokens per second, of all lanes, a step after another."""
    model = made(rule).double().eval()
    _, state = model(ids(CONTEXT), model.initial_state(LANES))
    last = ids(1)

    def step() -> None:
        nonlocal state, last
        logits_BTV, state = model(last, state)
        last = logits_BTV.argmax(-1)

    return LANES / seconds(step)


def main() -> None:
    known = [core for core in params.core_names() if hasattr(core_module(core), "Core")]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cores", nargs="*", metavar="CORE", help=f"of {', '.join(known)}")
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = [PEER, *(name for name in asked.cores or known if name != PEER)]
    contenders = [contender(name, asked.parameters) for name in names]
    for _ in range(asked.rounds):
        for each in contenders:
            each.measure()
    print(f"tokens per second, {device.describe(torch.device('cpu'))}, torch {torch.__version__}")
    print(LINE.format(*HEAD, "x lstm"))
    peer = contenders[0]
    for each in contenders:
        cells = [each.core, each.block.layers, each.block.hidden, f"{each.parameters:,}"]
        cells += [f"{each.state_bytes:,}"]
        cells += [f"{each.trained:,.0f}", f"{each.trained / peer.trained:.2f}"]
        cells += [f"{each.generated:,.0f}", f"{each.generated / peer.generated:.2f}"]
        print(LINE.format(*cells))


if __name__ == "__main__":
    main()
