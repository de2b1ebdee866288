"""Training through graphs against training step by step, on the CPU, with stand-ins for graphs
(tape.py) and for the GPU itself (pretended.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pretended import GPU, GpuTape, PretendedGpu
from recurrence import params
from recurrence.graphs import Make
from recurrence.model import LanguageModel, build_model
from recurrence.model.stacked import Stacked
from recurrence.training import Row, batches, stack
from recurrence.training.capture import CapturedStep, CycledAdam, capturable
from recurrence.training.divergence import Diverged
from recurrence.training.learner import Learner
from recurrence.training.trainer import Snapshot, Trainer
from tape import Tape

VOCAB = 7
STREAM = torch.randint(VOCAB, (1200,), generator=torch.Generator().manual_seed(3))
CONSTANT = {"kind": "constant", "lr": 1e-2}
ONE_CYCLE = {"kind": "one_cycle", "lr": 1e-2, "moms": [0.8, 0.7, 0.8]}
RESTARTS = {"kind": "cosine_restarts", "lr": 1e-2, "cycle_mult": 2, "warm_fraction": 0.05}
DROPOUT = {
    "embedding": 0.1,
    "input": 0.2,
    "weight": 0.3,
    "hidden": 0.2,
    "output": 0.2,
    "plain_output": 0.1,
}


def phase(schedule: dict[str, Any] = CONSTANT, epochs: int = 2, **optimizer: Any) -> dict[str, Any]:
    return {"epochs": epochs, "schedule": schedule, "optimizer": optimizer}


def going_on(schedule: dict[str, Any] = CONSTANT, epochs: int = 1) -> dict[str, Any]:
    """A phase with the optimizer of the one before."""
    return {"epochs": epochs, "schedule": schedule}


def recipe(
    loader: str = "lanes", state: str = "carry", phases: Any = None, **changes: Any
) -> params.Recipe:
    targets = changes.pop("targets", "each")
    blocks = {
        "loader": loader,
        "size": 4,
        "bptt": changes.pop("bptt", 6),
        "state": state,
        "targets": targets,
    }
    return params.Recipe.model_validate(
        {"batches": blocks, "phases": phases or [phase()]} | changes
    )


def model(core: str = "lstm", seed: int = 0, **changes: Any) -> LanguageModel:
    torch.manual_seed(seed)
    sizes = {"corpus": "toy", "name": "toy", "core": core, "embedding": 8, "hidden": 8}
    return build_model(params.Model.model_validate(sizes | changes), VOCAB)


def trainer(
    net: LanguageModel,
    rule: params.Recipe,
    make: Make | None | type[Trainer],
    stream: Tensor = STREAM,
) -> Trainer:
    """`make` as CapturedStep takes it, watched as on a GPU; or Trainer, for the plain one."""
    loaders = [batches.loader(stream, rule.batches, train) for train in (True, False)]
    if make is Trainer:
        return Trainer(Learner(net, rule), *loaders, np.random.default_rng(0))
    learner = Learner(net, rule, build=capturable(rule))
    learner.watch.at_once = False
    step = CapturedStep(learner, make)  # type: ignore[arg-type]
    return Trainer(learner, *loaders, np.random.default_rng(0), step)


def trained(
    make: Make | None | type[Trainer], rule: params.Recipe, **sizes: Any
) -> tuple[list[Row], dict[str, Tensor]]:
    """The rows, and all tensors that a next step would depend on."""
    one = trainer(model(**sizes), rule, make)
    rows = list(one.run())
    return rows, one.learner.state_dict()[0]


def same(
    one: tuple[list[Row], dict[str, Tensor]], other: tuple[list[Row], dict[str, Tensor]]
) -> bool:
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    return all(torch.equal(one[1][name], other[1][name]) for name in one[1])


@pytest.fixture(autouse=True)
def _no_tapes() -> None:
    Tape.made.clear()


def nightly_but(cases: list[str], quick: set[str]) -> list[Any]:
    """A pretended GPU takes seconds for each case: CI has a few, `make nightly` all."""
    return [
        each if each in quick else pytest.param(each, marks=pytest.mark.nightly) for each in cases
    ]


CASES: dict[str, Callable[[], tuple[params.Recipe, dict[str, Any]]]] = {
    "carried": lambda: (recipe(), {}),
    "reset": lambda: (recipe(state="reset"), {}),
    "window lengths vary": lambda: (recipe("variable_bptt", bptt=8), {"layers": 2, "dropout": {"plain_between": 0.5}}),
    "rows from zero": lambda: (recipe("rows", "zero", targets="last"), {"core": "elman", "context": 6}),
    "a last batch is smaller": lambda: (recipe("windows", "zero", targets="last"), {"core": "gru", "context": 6}),
    "every dropout, clipped and regularized": lambda: (
        recipe("variable_bptt", "reset", [phase(RESTARTS, betas=[0.7, 0.99], weight_decay=1e-5)],
               clip=0.3, ar=2.0, tar=1.0),
        {"core": "awd_lstm", "layers": 2, "tied": True, "init_range": 0.1, "dropout": DROPOUT},
    ),
    "the dropped output is regularized": lambda: (recipe(ar=2.0, tar=1.0, ar_on="dropped"), {"dropout": DROPOUT}),
    "phases keep and renew the optimizer": lambda: (
        recipe(phases=[phase(RESTARTS), going_on({"kind": "constant", "lr": "leftover"}), phase(betas=[0.8, 0.9])]), {}
    ),
    "decoupled decay, biases spared": lambda: (
        recipe(phases=[phase(weight_decay=0.1, decoupled=True, decay_biases=False)]), {}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_captured_is_step_by_step_to_the_bit(case: str) -> None:
    rule, sizes = CASES[case]()
    plain, graphed = trained(Trainer, rule, **sizes), trained(Tape, rule, **sizes)
    assert same(plain, graphed)
    assert same(plain, trained(None, rule, **sizes))
    assert (
        all(tape.rehearsals == 1 for tape in Tape.made)
        and sum(tape.replays for tape in Tape.made) > 20
    )


def stacked(
    make: type[Tape] | type[Trainer], rule: params.Recipe, stream: Tensor = STREAM, **sizes: Any
) -> Trainer:
    """Three seeds at once; Trainer for those without graphs."""
    loaders = [
        tuple(batches.loader(stream, rule.batches, train) for train in (True, False))
        for _ in range(3)
    ]
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    masks = [torch.Generator().manual_seed(seed) for seed in range(3)]
    nets = [model(seed=seed, **sizes).to(stream.device) for seed in range(3)]
    parts = stack.beside(loaders, rngs)  # type: ignore[arg-type]
    net = Stacked(nets, masks).train()
    if issubclass(make, Trainer):
        return Trainer(Learner(net, rule), *parts)
    learner = Learner(net, rule, build=capturable(rule))
    learner.watch.at_once = False
    return Trainer(learner, *parts, CapturedStep(learner, lambda: make(masks)))


@pytest.mark.parametrize("core", ["elman", "elman_concat", "gru_cell", "rnn", "gru", "lstm"])
def test_seeds_together_are_captured_to_the_bit(core: str) -> None:
    batch = {
        "loader": "windows",
        "size": 16,
        "bptt": 6,
        "stride": 2,
        "targets": "last",
        "state": "zero",
    }
    for rule, sizes in (
        (recipe(phases=[phase(weight_decay=0.1, decoupled=True), going_on()]), {}),
        (
            params.Recipe.model_validate({"batches": batch, "phases": [phase()], "clip": 0.5}),
            {"context": 6},
        ),
    ):
        plain, graphed = (
            stacked(Trainer, rule, core=core, **sizes),
            stacked(Tape, rule, core=core, **sizes),
        )
        ends = [(list(one.run()), one.learner.state_dict()[0]) for one in (plain, graphed)]
        assert same(*ends)
        assert (
            len(graphed.rows) == 3 * graphed.epoch and sum(tape.replays for tape in Tape.made) > 20
        )


@pytest.mark.gpu
@pytest.mark.parametrize(
    "core", nightly_but(["elman", "elman_concat", "gru_cell", "rnn", "gru", "lstm"], {"lstm"})
)
def test_seeds_together_on_a_gpu(core: str) -> None:
    sizes: dict[str, Any] = {"core": core, "dropout": {"plain_output": 0.3}}
    if core in ("rnn", "gru", "lstm"):
        sizes = {"core": core, "layers": 2, "dropout": {"plain_output": 0.3, "plain_between": 0.4}}
    one = stacked(Trainer, recipe(), STREAM[:300], **sizes)
    list(one.run())
    plain = one.rows, one.learner.state_dict()[0]
    found = on_gpu(lambda: stacked(GpuTape, recipe(), STREAM[:300].to(GPU), **sizes))
    close(plain, found[:2])
    assert sum(tape.replays for tape in Tape.made) > 10


def test_seeds_together_go_on_from_a_snapshot_under_graphs() -> None:
    whole, kept = stacked(Tape, recipe(phases=[phase(ONE_CYCLE)]), core="elman"), []
    list(whole.run(pause=lambda: kept.append(whole.state_dict())))
    rest = stacked(Tape, recipe(phases=[phase(ONE_CYCLE)]), core="elman")
    rest.load_state_dict(kept[30])
    list(rest.run())
    assert same(
        (whole.rows, whole.learner.state_dict()[0]), (rest.rows, rest.learner.state_dict()[0])
    )


CORES: dict[str, dict[str, Any]] = {
    core: {
        "core": core,
        "options": {"activation": "tanh", "input_layer": True} if core == "elman" else {},
    }
    for core in params.core_names()
    if core not in ("uniform", "unigram", "kneser_ney")
}


@pytest.mark.parametrize("core", CORES)
def test_every_core_can_be_captured(core: str) -> None:
    assert same(trained(Trainer, recipe(), **CORES[core]), trained(Tape, recipe(), **CORES[core]))


def on_gpu(begin: Callable[[], Trainer]) -> tuple[list[Row], dict[str, Tensor], int]:
    """A training on the pretended GPU: its rows, all tensors that a next step would depend on, and
    the waits.
    """
    Tape.made.clear()
    with PretendedGpu() as gpu:
        one, before = begin(), gpu.waits
        list(one.run())
        step = one.step
        assert isinstance(step, CapturedStep) and step.recorded.make, "it went on without graphs"
        waits = gpu.waits - before
        return (
            one.rows,
            {name: tensor.cpu() for name, tensor in one.learner.state_dict()[0].items()},
            waits,
        )


def close(one: Sequence[Any], other: Sequence[Any]) -> None:
    """Up to rounding: the layers that have a kernel of their own on a CPU add up in another order
    there.
    """
    assert [row.valid_nats for row in one[0]] == pytest.approx(
        [row.valid_nats for row in other[0]], abs=1e-4
    )
    assert one[1].keys() == other[1].keys()
    for name, tensor in one[1].items():
        torch.testing.assert_close(tensor, other[1][name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.gpu
@pytest.mark.parametrize("case", nightly_but([*CASES, *CORES], {"carried", "lstm"}))
def test_a_gpu_trains_what_the_cpu_does_and_is_not_waited_for(case: str) -> None:
    rule, sizes = CASES[case]() if case in CASES else (recipe(), CORES[case])
    waits = []
    for stream in (STREAM[:240], STREAM[:400]):
        one = trainer(model(**sizes), rule, Trainer, stream)
        plain = list(one.run()), one.learner.state_dict()[0]
        *found, waited = on_gpu(
            lambda stream=stream: trainer(model(**sizes).to(GPU), rule, GpuTape, stream.to(GPU))  # type: ignore[misc]
        )
        close(plain, found)
        waits.append(waited)
    assert waits[0] == waits[1] > 0  # per epoch, however many steps it has
    assert sum(tape.replays for tape in Tape.made) > 0


def test_there_is_a_graph_for_each_length_that_comes_twice() -> None:
    rule = recipe("variable_bptt", bptt=8)
    one = trainer(model(), rule, Tape)
    lengths: list[int] = []
    known = one.train.batches
    object.__setattr__(
        one.train,
        "batches",
        lambda *args: (lengths.append(b[0].shape[1]) or b for b in known(*args)),
    )
    list(one.run())
    assert len(Tape.made) == len(set(lengths)) > 3
    assert sum(tape.replays for tape in Tape.made) == len(lengths) - len(set(lengths))


DECAYED = {"weight_decay": 0.1, "decoupled": True, "decay_biases": False}


@pytest.mark.parametrize("optimizer", [{}, DECAYED, {"weight_decay": 0.01, "betas": [0.9, 0.99]}])
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_beta1_moves_with_the_schedule(optimizer: dict[str, Any], state: str) -> None:
    phases = [phase(ONE_CYCLE, **optimizer), going_on()]
    rule, sizes = (
        recipe(state=state, phases=phases),
        {"dropout": {"plain_output": 0.4}, "tied": True},
    )
    one, other = trained(None, rule, **sizes), trained(Tape, rule, **sizes)
    assert same(one, other)
    plain = trained(Trainer, rule, **sizes)
    for name, tensor in plain[1].items():  # another order of the same arithmetic
        torch.testing.assert_close(one[1][name], tensor, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("decoupled", [False, True])
def test_cycled_adam_is_adam(decoupled: bool) -> None:
    gen = torch.Generator().manual_seed(0)
    start = [torch.randn(3, 4, generator=gen), torch.randn(5, generator=gen)]
    ours, theirs = ([torch.nn.Parameter(p.double()) for p in start] for _ in range(2))
    options: dict[str, Any] = {
        "weight_decay": 0.1,
        "decoupled_weight_decay": decoupled,
        "eps": 1e-5,
        "betas": (0.9, 0.95),
    }
    pair = (CycledAdam(ours, **options), ours), (torch.optim.Adam(theirs, **options), theirs)
    for step in range(20):
        lr, beta1 = 0.1 / (step + 1), 0.7 + step / 100
        grads = [torch.randn(p.shape, generator=gen, dtype=torch.float64) for p in ours]
        for optimizer, weights in pair:
            for weight, grad in zip(weights, grads, strict=True):
                weight.grad = grad.clone()
            given = (
                tuple(torch.tensor(value, dtype=torch.float64) for value in (lr, beta1))
                if weights is ours
                else (lr, beta1)
            )
            optimizer.param_groups[0].update(lr=given[0], betas=(given[1], 0.95))
            optimizer.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


def test_dropout_masks_differ_from_replay_to_replay() -> None:
    one = trainer(model(dropout={"output": 0.5}), recipe(state="zero"), Tape)
    batch = next(one.train.batches(np.random.default_rng(0)))
    losses = set()
    for _ in range(8):
        one.learner.average.total_S.zero_()  # then the loss alone is added
        one.step(
            batch, 0.0, None
        )  # nothing is learnt, so that only the masks can make a difference
        losses.add(float(one.learner.average.total_S))
    assert Tape.made[0].replays == 7 and len(losses) == 8


@pytest.mark.parametrize("schedule", [RESTARTS, ONE_CYCLE])
@pytest.mark.parametrize("at", [3, 60])
def test_a_run_goes_on_from_a_snapshot_between_replays(schedule: dict[str, Any], at: int) -> None:
    rule = recipe("variable_bptt", phases=[phase(schedule), going_on(epochs=2)])
    net, taken = model(dropout=DROPOUT), []
    whole = trainer(net, rule, Tape)
    done: list[int] = []
    whole_rows = list(
        whole.run(
            done.append, lambda: taken.append(whole.state_dict()) if len(done) == at else None
        )
    )
    other = trainer(model(seed=1, dropout=DROPOUT), rule, Tape)
    list(
        zip(range(1), other.run(), strict=False)
    )  # it has graphs of its own by now, over what it then was
    other.load_state_dict(taken[0])
    list(other.run())
    assert other.rows == whole_rows
    assert all(
        torch.equal(p, q)
        for p, q in zip(other.learner.model.parameters(), net.parameters(), strict=True)
    )


@pytest.mark.gpu
@pytest.mark.parametrize(("core", "schedule"), [("lstm", ONE_CYCLE), ("awd_lstm", RESTARTS)])
def test_a_gpu_goes_on_from_a_snapshot_that_was_on_disk(
    core: str, schedule: dict[str, Any]
) -> None:
    rule = recipe("variable_bptt", phases=[phase(schedule), going_on()])
    sizes: dict[str, Any] = {"core": core, "layers": 2, "dropout": DROPOUT | {"plain_between": 0.3}}
    taken: list[Snapshot] = []

    def begun() -> Trainer:
        return trainer(model(**sizes).to(GPU), rule, GpuTape, STREAM[:300].to(GPU))

    def resumed() -> Trainer:
        one = begun()
        read = {name: tensor.cpu().clone() for name, tensor in taken[0].tensors.items()}
        one.load_state_dict(Snapshot(read, taken[0].facts))
        return one

    with PretendedGpu():
        whole = begun()
        list(
            whole.run(
                pause=lambda: (
                    taken.append(whole.state_dict()) if whole.epoch == 1 and not taken else None
                )
            )
        )
        kept = {name: tensor.cpu() for name, tensor in whole.learner.state_dict()[0].items()}
    assert same((whole.rows, kept), on_gpu(resumed)[:2])


def test_what_cannot_be_captured_is_said_once_and_trained_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken(Tape):
        def capture(self, work: Callable[[], Any]) -> Any:
            def broken() -> None:
                work()
                raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

            return super().capture(broken)

    assert same(trained(Trainer, recipe()), trained(Broken, recipe()))
    assert capsys.readouterr().err == (
        "the training step cannot be captured as a CUDA graph and goes on without: "
        "operation not permitted when stream is capturing\n"
    )


def test_a_loss_that_is_not_finite_is_found_on_the_device() -> None:
    rule = recipe(phases=[phase({"kind": "constant", "lr": 1e30})])
    sizes: dict[str, Any] = {"core": "elman", "options": {"activation": "relu"}}
    with pytest.raises(Diverged) as plain:
        trained(Trainer, rule, **sizes)
    with pytest.raises(Diverged) as graphed:
        trained(Tape, rule, **sizes)
    assert graphed.value.step == plain.value.step and Tape.made[0].replays > 0
