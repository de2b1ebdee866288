import pytest
import torch

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
