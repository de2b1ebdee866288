"""Training speed on this machine's CPU: recurrence against the lesson library (fastai 2) and a
plain PyTorch loop.

The same net, optimizer settings, lanes x window length and ids, in one run, in rounds that
alternate; the best round of each counts, and for the peers the better of one thread and all. fastai
is taken from where it can be imported, else installed into a temporary folder. Prints a table:
tokens trained per second, ratios, the target, and the roofline: what the matrix products of a step
alone would allow, all cores at the rate this machine multiplies such matrices (x fastai); and,
where the processor has AMX, what `compute.precision: bf16` gains (x fastai).

    python benchmarks/train_speed.py [NAME ...] [--rounds 3]
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence import device, params
from recurrence.model import build_model
from recurrence.training import batches
from recurrence.training.jobs import Training

PEER = ["fastai==2.8.5", "fastcore<1.9", "fastprogress<1.1", "fastdownload", "fasttransform<0.0.3"]
PEER += ["plum-dispatch<2.10", "beartype"]  # no more than it needs here beside what the project has
BPTT = 16
CORES = os.cpu_count() or 1
HEAD = (
    "model",
    "seeds",
    "recurrence",
    "plain loop",
    "fastai",
    "x plain",
    "x fastai",
    "target",
    "roofline",
    "bf16",
)
LINE = "{:<20}{:>6}{:>12}{:>12}{:>10}{:>9}{:>10}{:>14}{:>10}{:>7}"


@dataclass(frozen=True)
class Case:
    """A model, how many tokens its vocabulary has, and how long to train it for one measurement."""

    key: str
    vocab_size: int
    steps: int
    epochs: int
    target: str

    @property
    def block(self) -> params.Model:
        """The model as in params.yaml, on windows of fixed length and for a few epochs."""
        block = params.model(self.key)
        assert block.recipe is not None
        phase = block.recipe.phases[0].model_copy(update={"epochs": self.epochs})
        size = block.recipe.batches.size
        lanes = params.Batches.model_validate(
            {"loader": "lanes", "size": size, "bptt": BPTT, "state": "reset"}
        )
        return block.model_copy(
            update={
                "recipe": block.recipe.model_copy(update={"batches": lanes, "phases": (phase,)})
            }
        )

    @property
    def tokens(self) -> int:
        """Tokens of one training of one seed."""
        assert self.block.recipe is not None
        return self.block.recipe.batches.size * BPTT * self.steps * self.epochs

    def ids(self, steps: int) -> np.ndarray:
        assert self.block.recipe is not None
        return (
            np.arange(self.block.recipe.batches.size * BPTT * steps + 1, dtype=np.uint8)
            % self.vocab_size
        )


CASES = [
    Case("human_numbers-lm4", 30, 49, 12, ""),
    Case("human_numbers-lm5", 30, 49, 8, ""),
    Case("human_numbers-lm7", 30, 49, 5, "6 x fastai"),
    Case("nietzsche-lstm", 56, 12, 2, "0.95 x plain"),
    Case("nietzsche-awd_lstm", 56, 20, 2, "2 x fastai"),
]

# ---------------------------------------------------------------------------- the contenders


def ours(case: Case, precision: str = "float32") -> float:
    """Every seed of the model, as the train stage does it: processes, stacks and all."""
    block = case.block
    compute = params.load().compute.model_copy(update={"device": "cpu", "precision": precision})
    torch.set_num_threads(CORES)
    with contextlib.redirect_stderr(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        where = device.choose(compute, block.hidden)
        streams = [case.ids(case.steps), case.ids(1)]
        began = time.perf_counter()
        plan = Training(block, case.vocab_size, streams, where, Path(folder), time.monotonic())
        spare = device.spare_cores(where, compute)
        jobs = plan.jobs(spare)
        with device.training(where, compute):
            plan.run_all(jobs, min(len(jobs), spare))
        return case.tokens * len(block.seeds) / (time.perf_counter() - began)


def ours_bf16(case: Case) -> float:
    """The same with `compute.precision: bf16`, which the figures of the reports are not made
    with.
    """
    return ours(case, "bf16")


def plain(case: Case) -> float:
    """A loop as one writes it: nn modules, an optimizer of torch's, loss.item() after every
    step.
    """
    block, loader = case.block, _batches(case)
    net, recipe = Net(block, case.vocab_size), block.recipe
    assert recipe is not None and recipe.phases[0].optimizer is not None
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=1e-3, weight_decay=recipe.phases[0].optimizer.weight_decay
    )
    began, losses = time.perf_counter(), []
    for _ in range(case.epochs):
        net.reset()
        for x_BT, y_BT in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x_BT).flatten(0, 1), y_BT.flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return case.tokens / (time.perf_counter() - began)


def fastai(case: Case) -> float:
    """The lesson library's Learner, with what the lessons give it; no loader processes, which make
    it slower here.
    """
    from fastai.callback.rnn import ModelResetter, rnn_cbs  # type: ignore[import-not-found]
    from fastai.callback.training import GradientClip  # type: ignore[import-not-found]
    from fastai.data.core import DataLoaders  # type: ignore[import-not-found]
    from fastai.learner import Learner  # type: ignore[import-not-found]
    from fastai.text.models.awdlstm import AWD_LSTM  # type: ignore[import-not-found]
    from fastai.text.models.core import LinearDecoder, SequentialRNN  # type: ignore[import-not-found]

    block, drop = case.block, case.block.dropout
    rows = [pair for x_BT, y_BT in _batches(case) for pair in zip(x_BT, y_BT, strict=True)]
    assert block.recipe is not None and block.recipe.phases[0].optimizer is not None
    size = block.recipe.batches.size
    loaders = DataLoaders.from_dsets(
        rows, rows[:size], bs=size, shuffle=False, drop_last=True, num_workers=0
    )
    if block.core == "awd_lstm":
        dropped = {
            "hidden_p": drop.hidden,
            "input_p": drop.input,
            "embed_p": drop.embedding,
            "weight_p": drop.weight,
        }
        encoder = AWD_LSTM(case.vocab_size, block.embedding, block.hidden, block.layers, **dropped)
        head = LinearDecoder(
            case.vocab_size, block.embedding, drop.output, tie_encoder=encoder.encoder, bias=False
        )
        net, calls = SequentialRNN(encoder, head), [*rnn_cbs(block.recipe.ar, block.recipe.tar)]
        calls.append(GradientClip(block.recipe.clip))
    else:
        net, calls = Net(block, case.vocab_size), [ModelResetter()]
    learner = Learner(loaders, net, loss_func=_loss, cbs=calls)
    with learner.no_bar(), learner.no_logging():
        began = time.perf_counter()
        learner.fit(case.epochs, 1e-3, wd=block.recipe.phases[0].optimizer.weight_decay)
        return case.tokens / (time.perf_counter() - began)


def roofline(case: Case) -> float:
    """Tokens per second if all cores did nothing but a step's products, as fast as they multiply
    its largest matrix.
    """
    block = case.block
    assert block.recipe is not None
    model = build_model(block, case.vocab_size)
    products = [
        p
        for name, p in model.named_parameters()
        if p.dim() == 2 and (block.tied or "embedding" not in name)
    ]
    largest, left = (
        max(products, key=Tensor.numel).detach(),
        torch.rand(block.recipe.batches.size, 1),
    )
    left = left.expand(-1, largest.shape[1]).contiguous()
    out, count = left @ largest.T, max(3, int(1e8 / largest.numel() / len(left)))
    best_s = min(_seconds(lambda: torch.mm(left, largest.T, out=out), count) for _ in range(8))
    per_second = 2 * largest.numel() * len(left) / best_s
    return (
        CORES * per_second / (6 * sum(p.numel() for p in products))
    )  # forward, and twice that backward


def _seconds(work: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - began) / count


class Net(nn.Module):
    """The lessons' nets as they write them: batch first, the state an attribute."""

    def __init__(self, block: params.Model, vocab_size: int) -> None:
        super().__init__()
        assert block.embedding and block.hidden
        self.embedding = nn.Embedding(vocab_size, block.embedding)
        self.layers: nn.Module
        if block.core == "elman":
            self.layers = nn.Linear(block.hidden, block.hidden)
        else:
            kind = {"rnn": nn.RNN, "lstm": nn.LSTM}.get(block.core, nn.LSTM)
            between = block.dropout.plain_between
            self.layers = kind(
                block.embedding, block.hidden, block.layers, dropout=between, batch_first=True
            )
        self.drop, self.head = (
            nn.Dropout(block.dropout.plain_output),
            nn.Linear(block.hidden, vocab_size),
        )
        if block.tied and block.embedding == block.hidden:
            self.head.weight = self.embedding.weight
        self.reset()

    def reset(self) -> None:
        self.state: tuple[Tensor, ...] | Tensor | None = None

    def forward(self, ids_BT: Tensor) -> Tensor:
        x_BTE = self.embedding(ids_BT)
        if isinstance(self.layers, nn.Linear):
            outputs, h_BH = [], torch.zeros_like(x_BTE[:, 0]) if self.state is None else self.state
            for x_BE in x_BTE.unbind(1):
                h_BH = F.relu(self.layers(h_BH + x_BE))
                outputs.append(h_BH)
            self.state = h_BH.detach()
            return self.head(torch.stack(outputs, 1))
        output_BTH, state = self.layers(x_BTE, self.state)
        self.state = (
            tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        )
        return self.head(self.drop(output_BTH))


def _loss(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten())


def _batches(case: Case) -> list[batches.Batch]:
    assert case.block.recipe is not None
    ids = torch.from_numpy(case.ids(case.steps).astype(np.int64))
    return list(
        batches.loader(ids, case.block.recipe.batches, train=True).batches(np.random.default_rng(0))
    )


# ---------------------------------------------------------------------------- one process for each, in turn


def measure(name: str, case: Case, threads: int) -> float:
    torch.set_num_threads(threads)
    return CONTENDERS[name](case)


CONTENDERS = {
    "ours": ours,
    "ours_bf16": ours_bf16,
    "plain": plain,
    "fastai": fastai,
    "roofline": roofline,
}


@contextlib.contextmanager
def peer() -> Iterator[None]:
    """fastai where Python finds it, for this process and those it starts."""
    if find_spec("fastai"):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            folder,
            *PEER,
        ]
        subprocess.run(pip, check=True)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        yield


def compare(case: Case, rounds: int) -> dict[str, float]:
    """The best of each contender, tokens per second."""
    rivals = ["fastai"] if case.block.core == "awd_lstm" else ["fastai", "plain"]
    runs = [
        ("roofline", 1),
        ("ours", CORES),
        *((rival, threads) for rival in rivals for threads in {1, CORES}),
    ]
    runs += [("ours_bf16", CORES)] if torch.cpu._is_amx_tile_supported() else []
    best: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        own = {
            run: stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for run in runs
        }
        for _ in range(rounds):
            for run in runs:
                best[run[0]] = max(
                    best.get(run[0], 0.0), own[run].submit(measure, run[0], case, run[1]).result()
                )
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", help=f"which of {', '.join(case.key for case in CASES)}; default all"
    )
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(
        f"tokens trained per second, {device.describe(torch.device('cpu'))}, torch "
        f"{torch.__version__}"
    )
    print(LINE.format(*HEAD))
    with peer():
        for case in CASES:
            if asked.names and case.key not in asked.names:
                continue
            best = compare(case, asked.rounds)
            us, lesson, loop = best["ours"], best["fastai"], best.get("plain")
            loops = (f"{loop:,.0f}", f"{us / loop:.2f}") if loop else ("-", "-")
            cells = [
                case.key,
                len(case.block.seeds),
                f"{us:,.0f}",
                loops[0],
                f"{lesson:,.0f}",
                loops[1],
            ]
            cells += [f"{us / lesson:.2f}", case.target, f"{best['roofline'] / lesson:.1f}"]
            cells.append(f"{best['ours_bf16'] / lesson:.2f}" if "ours_bf16" in best else "-")
            print(LINE.format(*cells), flush=True)


if __name__ == "__main__":
    main()
