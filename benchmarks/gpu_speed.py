"""Training and generating on one GPU: speed, memory, and whether what is fast is also right. Needs
no dvc or mlflow.

For each model that learns by gradient, with its own recipe at full size:

    captured, eager     tokens per second with the step as CUDA graphs, and step by step
    cudnn               share of the captured time that the recurrent layers would need alone, forward and backward, by
                        cuDNN and as a graph: 1 would mean that all else costs nothing
    minutes             one seed's whole training, projected from the captured speed; `--full` trains it
    memory              most that was allocated, captured
    tf32, bf16          how many times as fast as float32
    equal               captured and eager have the same weights after the same steps, or how far they are apart
    masks               with dropout, replays of one batch differ from one another
    repeats             deterministic: two processes end with the same bytes,
    as eager, resumes   and so do steps without graphs, and steps that go on from a snapshot

and, for one model, all strategies of params.yaml through the model's step as a graph and without.
Ids are those of data/ids where they are, else random ones of the same number, which learn nothing
and cost the same. Usage:

    python benchmarks/gpu_speed.py [--models KEY,KEY] [--steps 400] [--full] [--quick] [--out
    FILE.json]
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recurrence import device, graphs, params
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.grid import grid, make
from recurrence.decoding.strategies import build_strategy
from recurrence.graphs import Repeated
from recurrence.model import build_model, core_module
from recurrence.params import Compute
from recurrence.training.batches import Batch
from recurrence.training.capture import CapturedTrainer
from recurrence.training.jobs import ordered
from recurrence.vocab import Vocab

ROOT = Path(__file__).parents[1]
SIZES = {  # training and validation tokens, vocabulary
    "human_numbers": (50_464, 12_631, 30),
    "nietzsche": (482_972, 107_989, 55),
    "nietzsche_b": (485_749, 105_212, 55),
    "nietzsche_cased": (480_712, 120_181, 85),
    "imdb": (5_000_000, 1_000_000, 20_000),
    "wikitext2": (2_088_628, 217_646, 13_000),
}
CUDNN: dict[str, Callable[..., nn.Module]] = {
    "lstm": nn.LSTM,
    "awd_lstm": nn.LSTM,
    "gru": nn.GRU,
    "gru_cell": nn.GRU,
}
"""What cuDNN has for a core; all others are plain."""
GPU = torch.device("cuda")


def blocks(names: str | None) -> dict[str, params.Model]:
    """Those that learn by gradient; without names, of the four corpora that need no large
    download.
    """
    found = {}
    for key, block in params.load().models.items():
        wanted = key in names.split(",") if names else block.corpus not in ("imdb", "wikitext2")
        if wanted and block.recipe and not hasattr(core_module(block.core), "Counted"):
            found[key] = block.model_copy(
                update={"recipe": block.recipe.model_copy(update={"sample_tokens": None})}
            )
    return found


def streams(corpus: str) -> tuple[Tensor, Tensor, int]:
    """Training and validation ids on the GPU, and the size of the vocabulary."""
    train, valid, vocab = SIZES[corpus]
    folder = ROOT / "data" / "ids" / corpus
    if folder.is_dir():
        parts = [np.load(folder / f"{part}.npy").astype(np.int64) for part in ("train", "valid")]
        return (
            torch.from_numpy(parts[0]).to(GPU),
            torch.from_numpy(parts[1]).to(GPU),
            int(max(map(np.max, parts))) + 1,
        )
    rng = np.random.default_rng(0)
    ids = [torch.from_numpy(rng.integers(vocab, size=count)).to(GPU) for count in (train, valid)]
    return ids[0], ids[1], vocab


def trainer(block: params.Model, captured: bool, seed: int = 0) -> CapturedTrainer:
    train, valid, vocab = streams(block.corpus)
    torch.manual_seed(seed)
    model, rng = build_model(block, vocab).to(GPU), np.random.default_rng(seed)
    assert block.recipe is not None
    loaders = ordered(train, valid, block.recipe)
    made = CapturedTrainer(
        model, block.recipe, *loaders, rng, graphs.maker(GPU) if captured else None
    )
    model.train()
    return made


def endless(one: CapturedTrainer) -> Iterator[Batch]:
    while True:
        yield from one.train.batches(one.rng)


def steps(one: CapturedTrainer, source: Iterator[Batch], count: int) -> int:
    """Make steps; how many tokens they had."""
    tokens = 0
    for _, batch in zip(range(count), source, strict=False):
        one.step(batch, *one.at(one.steps))
        one.steps += 1
        tokens += batch[0].numel()
    return tokens


def tokens_per_s(
    block: params.Model, captured: bool, count: int, precision: Any = "float32"
) -> tuple[float, float]:
    """Steady speed, and the most memory (MiB) that was allocated."""
    torch.cuda.reset_peak_memory_stats()
    with device.training(GPU, Compute(precision=precision)):
        one = trainer(block, captured)
        source = endless(one)
        steps(one, source, count)  # graphs are made here; of a rare length, perhaps, below
        torch.cuda.synchronize()
        started = time.perf_counter()
        tokens = steps(one, source, count)
        torch.cuda.synchronize()
    return tokens / (time.perf_counter() - started), torch.cuda.max_memory_allocated() / 2**20


def cudnn_s_per_token(block: params.Model, count: int) -> float:
    """The recurrent layers alone, forward and backward over random inputs of a window's shape, as a
    graph.
    """
    assert block.recipe and block.embedding and block.hidden
    kind, batches = CUDNN.get(block.core, nn.RNN), block.recipe.batches
    if block.core == "awd_lstm":
        sizes = [block.embedding, *[block.hidden] * (block.layers - 1), block.embedding]
        layers = [kind(i, o, batch_first=True) for i, o in zip(sizes, sizes[1:], strict=False)]
    else:
        dropout = block.dropout.plain_between
        layers = [
            kind(block.embedding, block.hidden, block.layers, batch_first=True, dropout=dropout)
        ]
    net = nn.ModuleList(layers).to(GPU)
    x_BTE = torch.randn(batches.size, batches.bptt, block.embedding, device=GPU)

    def work() -> None:
        output = x_BTE
        for layer in net:
            output = layer(output)[0]
        net.zero_grad()
        torch.autograd.backward(output.sum())

    recorded = Repeated[None](graphs.maker(GPU), "the bare layers")
    for _ in range(20):
        recorded("", work)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(count):
        recorded("", work)
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / count / (batches.size * batches.bptt)


def digest(one: CapturedTrainer) -> str:
    tensors = one.model.state_dict().values()
    return hashlib.sha256(
        b"".join(tensor.cpu().numpy().tobytes() for tensor in tensors)
    ).hexdigest()[:16]


def apart(block: params.Model, count: int) -> tuple[float, float]:
    """Largest difference of any weight, and of the mean loss, between captured and eager."""
    pair = []
    for captured in (True, False):
        pair.append(trainer(block, captured))
        steps(pair[-1], endless(pair[-1]), count)
    weights = zip(*(one.model.parameters() for one in pair), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in weights), abs(
        pair[0].average.value() - pair[1].average.value()
    )


def masks_differ(block: params.Model) -> bool | None:
    """None where there is no dropout."""
    if not any(block.dropout.model_dump().values()):
        return None
    one, losses = trainer(block, True), set()
    batch, zero = next(one.train.batches(one.rng)), one.zero
    for _ in range(12):
        one.state = zero
        one.average.total.zero_()  # then the loss alone is added
        one.step(batch, 0.0, None)  # learns nothing, so that only masks can make a difference
        losses.add(float(one.average.total))
    return len(losses) == 12


def ends(block: params.Model, count: int) -> dict[str, str]:
    """Digests of the weights after the same steps: at one go, without graphs, and from a snapshot
    on.
    """
    eager = trainer(block, False)
    steps(eager, endless(eager), 2 * count)
    whole = trainer(block, True)
    source = endless(whole)
    steps(whole, source, count)
    snapshot = whole.snapshot()
    rest = [
        (batch[0].clone(), batch[1].clone()) for _, batch in zip(range(count), source, strict=False)
    ]
    steps(whole, iter(rest), count)
    other = trainer(block, True, seed=1)
    other.resume(snapshot)
    steps(other, iter(rest), count)
    return {"captured": digest(whole), "eager": digest(eager), "resumed": digest(other)}


def deterministic(keys: list[str], count: int) -> list[dict[str, dict[str, str]]]:
    """`ends` of each model in two processes: the library reads its setting once, when a process
    first uses it.
    """
    command = [sys.executable, __file__, "--ends", ",".join(keys), "--steps", str(count)]
    done = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2)]
    for each in done:
        if each.returncode:
            print(each.stderr[-2000:], file=sys.stderr)
    return [json.loads(each.stdout) if each.returncode == 0 else {} for each in done]


@contextmanager
def without_graphs() -> Iterator[None]:
    graphs.allow(False)
    try:
        yield
    finally:
        graphs.allow(True)


def generation(block: params.Model, length: int) -> dict[str, Any]:
    """All strategies on 32 prompts, in double precision, as the stage `generate` makes them."""
    vocab = Vocab(("<unk>", *map(chr, range(97, 97 + 54))), ("<unk>",), params.Tokens(unit="char"))
    nets = [build_model(block, len(vocab)).to(GPU).double().eval() for _ in range(2)]
    setting = Setting(vocab, 2.0, nets[1])
    strategies = [build_strategy(name, each, setting) for name, each in params.strategies().items()]
    texts = [tuple(torch.randint(1, len(vocab), (64,)).tolist()) for _ in range(32)]
    cells, made, speed = grid(strategies, 32, (0,), length, length), [], []
    for captured in (True, False):
        with without_graphs() if not captured else device.training(GPU, Compute()):
            torch.cuda.synchronize()
            started = time.perf_counter()
            made.append(make(nets[0], cells, texts, ("benchmark",), lambda tokens: None))
            speed.append(len(cells) * length / (time.perf_counter() - started))
    alike = sum(torch.equal(one.ids_T, other.ids_T) for one, other in zip(*made, strict=True))
    return {"captured": speed[0], "eager": speed[1], "samples": len(cells), "same samples": alike}


def full(block: params.Model) -> dict[str, float]:
    """One seed's whole training, validation included."""
    torch.cuda.synchronize()
    started, one = time.perf_counter(), trainer(block, True)
    rows = list(one.run())
    return {"full_s": time.perf_counter() - started, "valid_nats": rows[-1].valid_nats}


def measure(block: params.Model, count: int) -> dict[str, Any]:
    captured, memory = tokens_per_s(block, True, count)
    eager, _ = tokens_per_s(block, False, count)
    far, loss = apart(block, min(count, 200))
    assert block.recipe is not None
    tokens = sum(p.epochs for p in block.recipe.phases) * len(trainer(block, False).train)
    tokens *= block.recipe.batches.size * block.recipe.batches.bptt
    return {
        "captured": captured,
        "eager": eager,
        "cudnn": cudnn_s_per_token(block, count) * captured,
        "minutes": tokens / captured / 60,
        "seeds": len(block.seeds),
        "memory_mib": memory,
        "tf32": tokens_per_s(block, True, count, "tf32")[0] / captured,
        "bf16": tokens_per_s(block, True, count, "bf16")[0] / captured,
        "weights_apart": far,
        "loss_apart": loss,
        "masks": masks_differ(block),
    }


def show(key: str, row: dict[str, Any]) -> None:
    equal = "yes" if row["weights_apart"] == 0 else f"{row['weights_apart']:.1e}"
    print(
        f"{key:30}{row['captured']:12,.0f}{row['eager']:12,.0f}{row['captured'] / row['eager']:7.1f}"
        f"{row['cudnn']:7.2f}{row['minutes']:9.2f}{row['memory_mib']:9,.0f}{row['tf32']:6.2f}{row['bf16']:6.2f}"
        f"{equal:>9}{row['masks']!s:>7}"
        + (f"   whole: {row['full_s']:.0f} s" if "full_s" in row else ""),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Training and generating on one GPU")
    parser.add_argument(
        "--models", help="keys of params.yaml, comma between; default: all but the words of prose"
    )
    parser.add_argument(
        "--steps", type=int, default=400, help="how many are timed, after as many to warm up"
    )
    parser.add_argument(
        "--full", action="store_true", help="also train one seed of each model to its end"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few steps: whether it runs, not how fast"
    )
    parser.add_argument("--out", type=Path, help="write all figures there, as JSON")
    parser.add_argument("--ends", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("torch finds no CUDA device here; nothing was measured")
        return
    if given.ends:
        with device.training(GPU, Compute(deterministic=True)):
            print(
                json.dumps(
                    {key: ends(block, given.steps) for key, block in blocks(given.ends).items()}
                )
            )
        return
    where = device.choose(Compute(device="cuda"))
    count, rows = 40 if given.quick else given.steps, {}
    print(
        f"{device.describe(where)}, torch {torch.__version__}, cuDNN "
        f"{torch.backends.cudnn.version()}, {count} steps"
    )
    print(
        f"{'tokens per second':30}{'captured':>12}{'eager':>12}{'ratio':>7}{'cudnn':>7}{'minutes':>9}{'MiB':>9}",
        end="",
    )
    print(f"{'tf32':>6}{'bf16':>6}{'equal':>9}{'masks':>7}")
    for key, block in blocks(given.models).items():
        rows[key] = measure(block, count) | (full(block) if given.full else {})
        show(key, rows[key])
    total = sum(row["minutes"] * row["seeds"] for row in rows.values())
    print(f"all seeds of all these, one after another: {total:.1f} minutes")
    twice = deterministic(list(rows), min(count, 100))
    for key, row in rows.items():
        one, other = (found.get(key, {}) for found in twice)
        row["repeats"] = bool(one) and one == other
        row["as_eager"], row["resumes"] = (
            bool(one) and one["captured"] == one[each] for each in ("eager", "resumed")
        )
        words = ", ".join(f"{name} {row[name]}" for name in ("repeats", "as_eager", "resumes"))
        print(f"{key:30} deterministic: {words}", flush=True)
    sampled = generation(params.model("nietzsche-lstm"), 20 if given.quick else 120)
    print(
        "generating, nietzsche-lstm: "
        + ", ".join(f"{name} {value:,.0f}" for name, value in sampled.items())
    )
    if given.out:
        found = {
            "device": device.describe(where),
            "torch": torch.__version__,
            "models": rows,
            "generation": sampled,
        }
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
