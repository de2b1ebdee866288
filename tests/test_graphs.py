import copy
from collections.abc import Callable

import pytest
import torch

from pretended import GPU, GpuTape, PretendedGpu
from recurrence import graphs
from recurrence.graphs import Repeated, put
from tape import Tape


def test_work_is_rehearsed_then_captured_then_replayed() -> None:
    x, total, ran = torch.ones(()), torch.zeros(()), []

    def work() -> torch.Tensor:
        ran.append(1)
        total.add_(x)
        return total * 10

    step = Repeated(Tape, "work")
    assert [float(step("key", work)) for _ in range(4)] == [10, 20, 30, 40]
    x.fill_(5)
    assert float(step("key", work)) == 90 and float(total) == 9
    assert len(ran) == 2  # the rehearsal and the recording; a replay runs no Python
    assert float(step("other", work)) == 140 and len(ran) == 3
    step.forget()
    assert float(step("key", work)) == 190 and len(ran) == 4


def test_without_a_maker_work_is_just_done() -> None:
    step = Repeated[int](None, "work")
    assert [step("key", lambda i=i: i) for i in range(3)] == [0, 1, 2]


def test_an_error_that_is_no_matter_of_graphs_is_not_hidden() -> None:
    step = Repeated[None](Tape, "work")

    def wrong() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        step("key", wrong)


def test_there_are_graphs_on_a_gpu_alone() -> None:
    assert graphs.maker(torch.device("cpu")) is None
    graphs.allow(False)
    assert graphs.maker(torch.device("cuda")) is None
    graphs.allow(True)


def test_put_leaves_a_buffer_that_is_its_own_value() -> None:
    a, b = torch.zeros(2), torch.zeros(2)
    put((a, b), (a, torch.ones(2)))
    assert a.tolist() == [0, 0] and b.tolist() == [1, 1]


class TestTheStandIn:
    """It must be as strict as what it stands for, or what is tested with it means nothing."""

    def test_recording_changes_nothing(self) -> None:
        total, rng = torch.zeros(3), torch.get_rng_state()
        tape = Tape()
        tape.capture(lambda: total.add_(torch.rand(3)).mul_(2))
        assert total.tolist() == [0, 0, 0] and torch.equal(torch.get_rng_state(), rng)
        torch.manual_seed(0)
        expected = [torch.rand(3) * 2 for _ in range(2)]
        torch.manual_seed(0)
        tape.replay()
        assert torch.equal(total, expected[0])
        tape.replay()
        assert torch.equal(total, (expected[0] + expected[1] / 2) * 2)

    def test_numbers_stay_as_they_were_recorded(self) -> None:
        total, number = torch.zeros(()), [1.0]
        tape = Tape()
        tape.capture(lambda: total.add_(number[0]))
        number[0] = 100.0
        tape.replay()
        assert float(total) == 1

    def test_a_tensor_put_in_the_place_of_another_is_not_read(self) -> None:
        total, given = torch.zeros(()), [torch.ones(())]
        tape = Tape()
        tape.capture(lambda: total.add_(given[0]))
        given[0] = torch.full((), 100.0)
        tape.replay()
        assert float(total) == 1

    def test_state_that_is_made_while_recording_is_made_anew_by_each_replay(self) -> None:
        held: list[torch.Tensor] = []

        def work() -> None:
            if not held:
                held.append(torch.zeros(()))
            held[0].add_(1)

        tape = Tape()
        tape.capture(work)
        tape.replay()
        tape.replay()
        assert float(held[0]) == 1

    def test_waiting_for_the_device_cannot_be_recorded(self) -> None:
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            Tape().capture(lambda: float(torch.ones(()) + 1))

    def test_gradients_are_recorded(self) -> None:
        x, weight, out = torch.ones(2), torch.nn.Parameter(torch.tensor([1.0, 2.0])), torch.zeros(2)

        def work() -> None:
            (weight.pow(2) * x).sum().backward()
            assert weight.grad is not None
            out.copy_(weight.grad)
            weight.grad = None

        tape = Tape()
        tape.capture(work)
        x.fill_(3)
        tape.replay()
        assert out.tolist() == [6, 12]

    def test_random_numbers_come_from_generators_that_it_knows(self) -> None:
        known, other, drawn = torch.Generator(), torch.Generator(), torch.zeros(3)
        state = known.get_state()
        tape = Tape([known])
        tape.capture(lambda: drawn.uniform_(generator=known))
        assert torch.equal(known.get_state(), state) and not drawn.any()
        tape.replay()
        assert torch.equal(drawn, torch.rand(3, generator=torch.Generator()))
        with pytest.raises(RuntimeError, match="was not told of"):
            Tape([known]).capture(lambda: drawn.uniform_(generator=other))

    @pytest.mark.parametrize("work", [
        lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: x.unique(), lambda x: x.masked_select(x > 0),
        lambda x: x.long().bincount(), lambda x: torch.repeat_interleave(x.long()), lambda x: bool(x.any()),
    ])  # fmt: skip
    def test_what_has_no_shape_beforehand_is_waited_for(
        self, work: Callable[[torch.Tensor], object]
    ) -> None:
        x = torch.ones(3)
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            Tape().capture(lambda: work(x))


AMISS: dict[str, Callable[[torch.Tensor], object]] = {
    "a number brought back": lambda x: float(x.sum()),
    "a tensor brought back": lambda x: x.cpu(),
    "places from the CPU": lambda x: x[torch.tensor([0])],
    "values from the CPU": lambda x: x.copy_(torch.ones(1)),
    "a number that Python holds in a tensor": lambda x: x * torch.tensor(2.0),
    "how many there are": lambda x: x[x > 0],
    "work on the CPU": lambda x: torch.zeros(1),
    "numbers sent over": lambda x: torch.tensor([1.0], device=GPU),
}


@pytest.mark.gpu
class TestThePretendedGpu:
    """As strict as a real one, for the same reason."""

    def test_it_computes_what_the_cpu_does(self) -> None:
        weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        with PretendedGpu() as gpu:
            there = weight.detach().to(GPU).requires_grad_()
            loss = (there @ torch.tensor([1.0, -1.0], device=GPU)).pow(2).sum()
            loss.backward()
            assert loss.device == GPU and there.grad is not None and there.grad.device == GPU
            waits = gpu.waits
            assert (float(loss.detach()), gpu.waits - waits) == (2.0, 1)
            assert there.grad.tolist() == [[-2, 2], [-2, 2]]

    def test_devices_do_not_mix(self) -> None:
        with PretendedGpu():
            there, here = torch.ones(2, device=GPU), torch.ones(2)
            with pytest.raises(RuntimeError, match="same device"):
                there + here
            assert (there + torch.tensor(1.0)).tolist() == [
                2,
                2,
            ]  # a number comes along with the launch
            assert there[torch.tensor([1])].tolist() == [1]

    @pytest.mark.parametrize("name", AMISS)
    def test_what_a_replay_would_not_do_cannot_be_recorded(self, name: str) -> None:
        with PretendedGpu():
            x = torch.ones(1, device=GPU)
            with pytest.raises(RuntimeError, match="capturing|not recorded"):
                GpuTape().capture(lambda: AMISS[name](x))

    def test_replays_go_on_on_the_gpu(self) -> None:
        with PretendedGpu() as gpu:
            total, tape = torch.zeros(2, device=GPU), GpuTape()
            doubled = tape.capture(lambda: total.add_(1).mul(2))
            waits = gpu.waits
            tape.replay()
            tape.replay()
            assert gpu.waits == waits
            assert (doubled.device, doubled.tolist(), total.tolist()) == (GPU, [4, 4], [2, 2])

    @pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
    def test_its_recurrent_layers_are_torchs(self, kind: type[torch.nn.RNNBase]) -> None:
        torch.manual_seed(0)
        layers, x_BTE = kind(3, 4, 2, batch_first=True), torch.randn(2, 5, 3)
        layers(x_BTE)[0].pow(2).sum().backward()
        with PretendedGpu():
            there = copy.deepcopy(layers).to(GPU)
            there.zero_grad()
            there(x_BTE.to(GPU))[0].pow(2).sum().backward()
            for one, other in zip(layers.parameters(), there.parameters(), strict=True):
                assert one.grad is not None and other.grad is not None
                torch.testing.assert_close(one.grad, other.grad.cpu(), rtol=1e-5, atol=1e-5)
