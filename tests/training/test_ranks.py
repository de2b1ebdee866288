"""Two processes under gloo against one: the same loss, gradients, weights and history, to
rounding.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed import TCPStore

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model, core_module
from recurrence.training import batches, ranks
from recurrence.training.learner import Learner
from recurrence.training.ranks import Ranks
from recurrence.training.trainer import Snapshot, Trainer

STREAM = torch.from_numpy(np.random.default_rng(0).integers(0, 7, 700)).long()
LOADERS: dict[str, dict[str, object]] = {
    "variable_bptt": {"size": 4, "bptt": 12},
    "lanes": {"size": 4, "bptt": 6},
    "rows": {"size": 6, "bptt": 5, "state": "zero"},
    "windows": {
        "size": 8,
        "bptt": 5,
        "stride": 3,
        "targets": "last",
        "state": "zero",
    },  # 232 windows and a rest
}
NOISY = {
    "embedding": 0.2,
    "input": 0.3,
    "weight": 0.4,
    "hidden": 0.3,
    "output": 0.3,
    "plain_output": 0.2,
}
CORES = [name for name in params.core_names() if hasattr(core_module(name), "Core")]
STACKED = ("lstm", "gru", "rnn", "awd_lstm")
WAIT_S = 120
"""After which a process that still runs is killed, and the test fails."""
SHORT_S = 1


def recipe(loader: str) -> params.Recipe:
    phase = {"epochs": 2, "optimizer": {}, "schedule": {"kind": "one_cycle", "lr": 1e-2}}
    tree = {
        "batches": {"loader": loader, **LOADERS[loader]},
        "phases": [phase],
        "clip": 0.2,
        "ar": 2.0,
        "tar": 1.0,
    }
    return params.Recipe.model_validate(tree)


def built(**changes: object) -> LanguageModel:
    torch.manual_seed(0)
    sizes = {"corpus": "toy", "name": "toy", "core": "lstm", "embedding": 8, "hidden": 8}
    return build_model(params.Model.model_validate(sizes | changes), 7)


def trainer(loader: str, among: Ranks | None, **changes: object) -> Trainer:
    model, rule = built(**changes), recipe(loader)
    loaders = [batches.loader(STREAM, rule.batches, train) for train in (True, False)]
    one = Learner(model, rule) if among is None else ranks.learner(model, rule, among)
    return Trainer(one, loaders[0], loaders[1], np.random.default_rng(0))


def gradients(loader: str, among: Ranks | None) -> dict[str, Any]:
    """The loss and the gradients of the first step."""
    one = trainer(loader, among)
    one.learner.recipe = one.recipe.model_copy(update={"clip": None})
    one.step(next(iter(one.train.batches(one.rng))), 1e-3, None)
    return {
        "loss": one.learner.average.values()[0],
        "gradients": [p.grad for p in one.learner.model.parameters()],
    }


def finished(one: Trainer) -> dict[str, Any]:
    rows = list(one.run())
    figures = [(row.train_nats, row.valid_nats, row.valid_accuracy) for row in one.rows]
    return {
        "rows": len(rows),
        "figures": figures,
        "tokens": one.rows[-1].valid_tokens,
        "weights": weights(one),
    }


def weights(one: Trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in one.learner.model.parameters()]


def taken_at(step: int, one: Trainer) -> Snapshot:
    """Run one trainer to its end, and return the snapshot it was at after `step` steps."""
    taken: list[Snapshot] = []
    steps = iter(range(1, 1000))

    def pause() -> None:
        if next(steps) == step:
            taken.append(one.state_dict())

    list(one.run(pause=pause))
    return taken[0]


def noisy(among: Ranks | None) -> Trainer:
    return trainer("lanes", among, core="awd_lstm", dropout=NOISY)


# ------------------------------------------------------------------ what runs on every rank


def compare(among: Ranks, folder: Path) -> dict[str, Any]:
    """All that two ranks are asked to do which ends well."""
    found: dict[str, Any] = {
        loader: gradients(loader, among) | finished(trainer(loader, among)) for loader in LOADERS
    }
    found["snapshot"] = taken_at(30, trainer("lanes", among))
    taken_alone = torch.load(folder / "alone.pt", weights_only=False)
    resumed = trainer("lanes", among)
    resumed.load_state_dict(taken_alone)
    found["resumed"] = finished(resumed)

    straight = noisy(among)
    middle = taken_at(30, straight)
    torch.manual_seed(among.rank)  # as a new process would: resuming brings the random state back
    again = noisy(among)
    again.load_state_dict(middle)
    list(again.run())
    found["noisy"] = {
        "straight": weights(straight),
        "again": weights(again),
        "random": torch.get_rng_state(),
    }
    return found | {"dropped": dropped(among), "same": among.same({"rank": among.rank})}


def dropped(among: Ranks) -> dict[tuple[str, str], tuple[torch.Tensor, bool]]:
    """What a first forward gives, by core and kind of dropout, and whether dropout changed it."""
    found = {}
    for core in CORES:
        for kind in params.Dropout.model_fields:
            model = built(core=core, layers=2 if core in STACKED else 1, dropout={kind: 0.5})
            state = model.initial_state(4)
            whole = model.eval().features(STREAM[:24].view(4, 6), state)[1]
            ranks.drop_apart(model, among)
            out = model.train().features(STREAM[:24].view(4, 6), state)[1]
            found[core, kind] = out.detach(), not torch.equal(out, whole)
    return found


def left_alone(among: Ranks, _: Path) -> str:
    """Rank 1 dies at its third step; rank 0 says what it hears of that."""
    one = trainer("lanes", among)
    try:
        list(one.run(pause=lambda: os._exit(3) if among.rank == 1 and one.steps == 3 else None))
    except RecurrenceError as error:
        return str(error)
    return "trained to the end"


def kept_waiting(among: Ranks, _: Path) -> str:
    """Rank 1 does not answer for long."""
    if among.rank == 1:
        time.sleep(2 * SHORT_S)
        return "slept"
    try:
        among.sum(torch.ones(1))
    except RecurrenceError as error:
        return str(error)
    return "answered"


ACTS: list[tuple[Callable[[Ranks, Path], object], float]] = [
    (compare, WAIT_S), (kept_waiting, SHORT_S), (left_alone, WAIT_S)
]  # fmt: skip
"""What the ranks do one after another, each time joined anew, and how long they wait for one
another.
"""


def start(rank: int, ports: list[int], folder: Path) -> None:
    """The body of a process: what torchrun would put into the environment, then every act."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    torch.set_num_threads(1)
    for port, (act, timeout_s) in zip(ports, ACTS, strict=True):
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        ranks.TIMEOUT = timedelta(seconds=timeout_s)
        with ranks.joined(torch.device("cpu"), "digest") as among:
            assert among is not None
            torch.save(act(among, folder), folder / f"{act.__name__}{rank}.pt")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what each rank returned from each act."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.save(taken_at(30, trainer("lanes", None)), folder / "alone.pt")
    # on free ports, held by this process as torchrun holds one
    stores = [TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False) for _ in ACTS]
    ports = [store.port for store in stores]
    context = multiprocessing.get_context("spawn")
    pair = [context.Process(target=start, args=(rank, ports, folder)) for rank in (0, 1)]
    for process in pair:
        process.start()
    pair[0].join(WAIT_S)
    ended = pair[0].exitcode
    for process in pair:
        process.kill()
        process.join()
    assert ended == 0, "rank 0 hangs" if ended is None else "rank 0 fails; it says why in stderr"
    return folder


def told(folder: Path, act: Callable[[Ranks, Path], object], rank: int) -> Any:
    path = folder / f"{act.__name__}{rank}.pt"
    return torch.load(path, weights_only=False) if path.exists() else None


@pytest.fixture(scope="module")
def both(ran: Path) -> list[dict[str, Any]]:
    return [told(ran, compare, rank) for rank in (0, 1)]


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return {loader: gradients(loader, None) | finished(trainer(loader, None)) for loader in LOADERS}


# ------------------------------------------------------------------ the tests


@pytest.mark.parametrize("loader", LOADERS)
def test_two_ranks_have_the_loss_and_the_gradients_of_one(loader, both, alone) -> None:  # type: ignore[no-untyped-def]
    for rank in both:
        assert rank[loader]["loss"] == pytest.approx(alone[loader]["loss"], rel=1e-6)
        torch.testing.assert_close(
            rank[loader]["gradients"], alone[loader]["gradients"], rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("loader", LOADERS)
def test_two_ranks_end_with_the_weights_and_history_of_one(loader, both, alone) -> None:  # type: ignore[no-untyped-def]
    for rank in both:
        assert rank[loader]["rows"] == 2 and rank[loader]["tokens"] == alone[loader]["tokens"]
        np.testing.assert_allclose(rank[loader]["figures"], alone[loader]["figures"], rtol=1e-4)
        torch.testing.assert_close(
            rank[loader]["weights"], alone[loader]["weights"], rtol=1e-3, atol=1e-5
        )
    assert all(map(torch.equal, both[0][loader]["weights"], both[1][loader]["weights"]))


def test_a_snapshot_resumes_on_another_number_of_ranks(both, alone) -> None:  # type: ignore[no-untyped-def]
    one = trainer("lanes", None)
    one.load_state_dict(both[1]["snapshot"])
    for end in (finished(one), both[0]["resumed"], both[1]["resumed"]):
        torch.testing.assert_close(end["weights"], alone["lanes"]["weights"], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(end["figures"], alone["lanes"]["figures"], rtol=1e-4)


def test_with_dropout_ranks_stay_equal_and_resume_bit_for_bit(both) -> None:  # type: ignore[no-untyped-def]
    for name in ("straight", "again"):
        assert all(map(torch.equal, both[0]["noisy"][name], both[1]["noisy"][name]))
    assert all(map(torch.equal, both[0]["noisy"]["straight"], both[0]["noisy"]["again"]))
    assert torch.equal(both[0]["noisy"]["random"], both[1]["noisy"]["random"])


def test_masks_by_lane_differ_between_ranks_and_shared_ones_do_not(both) -> None:  # type: ignore[no-untyped-def]
    first, second = both[0]["dropped"], both[1]["dropped"]
    for (core, kind), (out, changed) in first.items():
        shared = kind in ("embedding", "weight") or not changed
        assert torch.equal(out, second[core, kind][0]) == shared, (core, kind)
    assert all(
        first["awd_lstm", kind][1] for kind in ("embedding", "input", "weight", "hidden", "output")
    )
    assert all(first[core, "plain_between"][1] for core in STACKED if core != "awd_lstm")


def test_all_get_what_rank_0_says(both) -> None:  # type: ignore[no-untyped-def]
    assert [rank["same"] for rank in both] == [{"rank": 0}] * 2


def test_a_rank_that_dies_stops_the_other(ran: Path) -> None:
    assert told(ran, left_alone, 0).startswith("rank 0: another rank has stopped")
    assert told(ran, left_alone, 1) is None


def test_a_rank_that_does_not_answer_is_not_waited_for_long(ran: Path) -> None:
    assert told(ran, kept_waiting, 0).startswith("rank 0: another rank has stopped")
    assert told(ran, kept_waiting, 1) == "slept"


@given(st.integers(1, 5), st.integers(0, 30))
def test_every_row_goes_to_one_rank(count: int, rows: int) -> None:
    blocks = [torch.arange(rows)[Ranks(rank, count).block(rows)] for rank in range(count)]
    assert torch.equal(torch.cat(blocks), torch.arange(rows))
    assert Ranks(0, count).even(rows) == (len({len(block) for block in blocks}) == 1)


def test_lanes_that_do_not_divide_are_named() -> None:
    with pytest.raises(
        RecurrenceError, match=r"batches.size: 6 lanes .* 4 ranks; start 1, 2, 3, 6 of them"
    ):
        trainer("rows", Ranks(1, 4))


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ranks.STARTED_TOGETHER:
        monkeypatch.setenv(name, "1")
    with ranks.joined(torch.device("cpu"), "digest") as among:
        assert among is None  # one process under torchrun
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_PORT")
    with ranks.joined(torch.device("cpu"), "digest") as among:
        assert among is None  # a variable of that name, but no torchrun
