import pytest
import torch

from recurrence import device
from recurrence.errors import RecurrenceError
from recurrence.params import Compute


@pytest.fixture(autouse=True)
def _threads_back(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.delenv("RECURRENCE_DEVICE", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_cuda_demanded_and_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RecurrenceError, match="cuda is demanded, but torch finds no CUDA device"):
        device.choose(Compute(device="cuda"))
    assert device.choose(Compute(device="auto")) == torch.device("cpu")


def test_the_environment_overrides_params(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("RECURRENCE_DEVICE", "cpu")
    assert device.choose(Compute(device="cuda")).type == "cpu"
    monkeypatch.setenv("RECURRENCE_DEVICE", "gpu")
    with pytest.raises(RecurrenceError, match="must be auto, cpu or cuda, got 'gpu'"):
        device.choose(Compute())


def test_it_says_what_it_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    device.choose(Compute(device="cpu", threads=2))
    assert "running on cpu: " in (said := capsys.readouterr().err) and "2 thread(s)" in said


def test_small_nets_take_one_thread() -> None:
    device.choose(Compute(device="cpu"), hidden=64)
    assert torch.get_num_threads() == 1
    device.choose(Compute(device="cpu", threads=2), hidden=64)
    assert torch.get_num_threads() == 2


def test_small_nets_train_side_by_side_where_cores_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    cpu = device.choose(Compute(device="cpu"), hidden=64)
    assert device.spare_cores(cpu, Compute()) == 6 and device.spare_cores(cpu, Compute(threads=2)) == 2
    assert device.spare_cores(cpu, Compute(threads=1)) == 0
    assert device.spare_cores(torch.device("cuda"), Compute()) == 0
    torch.set_num_threads(2)  # a net large enough to share
    assert device.spare_cores(cpu, Compute()) == 0
