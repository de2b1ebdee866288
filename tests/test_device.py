import os
import warnings

import pytest
import torch

from recurrence import device, graphs, numerics
from recurrence.errors import RecurrenceError
from recurrence.params import Compute


@pytest.fixture(autouse=True)
def _threads_back(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.delenv("RECURRENCE_DEVICE", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    graphs.allow(True)


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


@pytest.mark.parametrize("hidden", [64, None])
def test_small_nets_and_baselines_take_one_thread(hidden: int | None) -> None:
    torch.set_num_threads(2)
    device.choose(Compute(device="cpu"), hidden)
    assert torch.get_num_threads() == 1
    device.choose(Compute(device="cpu", threads=2), hidden=64)
    assert torch.get_num_threads() == 2


def test_small_nets_train_side_by_side_where_cores_are_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recurrence.numerics.cores", lambda: 6)
    cpu = device.choose(Compute(device="cpu"), hidden=64)
    assert (
        device.spare_cores(cpu, Compute()) == 6 and device.spare_cores(cpu, Compute(threads=2)) == 2
    )
    assert device.spare_cores(cpu, Compute(threads=1)) == 0
    assert device.spare_cores(torch.device("cuda"), Compute()) == 0
    torch.set_num_threads(2)  # a net large enough to share
    assert device.spare_cores(cpu, Compute()) == 0


CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def tf32() -> set[bool]:
    return {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}


def test_float32_is_full_float32_wherever_tf32_was_on() -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device.choose(Compute(device="cpu"))
    assert tf32() == {False}
    with device.training(CUDA, Compute()):
        assert tf32() == {False}


def test_tf32_is_for_training_alone() -> None:
    with device.training(CUDA, Compute(precision="tf32")):
        assert tf32() == {True}
    assert tf32() == {False}
    with pytest.raises(
        RecurrenceError, match="tf32 is a GPU's; on a CPU it must be float32 or bf16"
    ):
        device.training(CPU, Compute(precision="tf32")).__enter__()


def test_bf16_is_for_training_alone_and_follows_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    layer, x = torch.nn.Linear(2, 1, bias=False), torch.ones(1, 2)
    with device.training(CPU, Compute(precision="bf16")):
        assert layer(x).dtype == torch.bfloat16
        with torch.no_grad():
            layer.weight.fill_(3.0)
        assert layer(x).item() == 6  # what autocast keeps by default would be the old weights
    assert layer(x).dtype == torch.float32


def test_bf16_on_a_cpu_without_amx_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with (
        pytest.raises(RecurrenceError, match="needs AMX, which this one has not"),
        device.training(CPU, Compute(precision="bf16")),
    ):
        raise AssertionError("not reached")


def test_deterministic_training_is_switched_on_and_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with pytest.raises(KeyError), device.training(CUDA, Compute(deterministic=True)):
        assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
        raise KeyError
    assert (
        not torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.deterministic
    )
    with device.training(CPU, Compute(deterministic=True)):  # is so anyway
        assert not torch.are_deterministic_algorithms_enabled()


def test_of_weights_that_must_be_copied_nothing_is_said() -> None:
    words = (
        "RNN module weights are not part of single contiguous chunk of memory. This means they "
        "need to be compacted"
    )
    with device.training(CUDA, Compute()):
        warnings.warn(words, stacklevel=1)
        with pytest.raises(
            UserWarning, match="another"
        ):  # all that is not expected is an error in tests
            warnings.warn("another", stacklevel=1)


def test_graphs_are_off_where_params_say_so() -> None:
    device.choose(Compute(device="cpu", cuda_graphs=False))
    assert graphs.maker(CUDA) is None


def test_what_makes_results_differ_is_remarked() -> None:
    assert device.remarks(Compute()) == []
    assert device.remarks(Compute(precision="bf16", deterministic=True)) == [
        "bf16",
        "deterministic",
    ]


def test_portable_numerics_have_one_thread_and_are_believed_only_with_the_known_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in numerics.PORTABLE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for given, said in ((True, "portable"), (False, "fast")):
        monkeypatch.setattr("recurrence.known_answer.is_given", lambda given=given: given)
        torch.set_num_threads(2)
        where = device.choose(Compute(device="cpu", threads=2), hidden=512)
        assert torch.get_num_threads() == 1
        assert device.facts(where)["numerics"] == said
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("recurrence.known_answer.is_given", lambda: True)
    assert device.numerics_of(CPU) == "fast" == device.numerics_of(CUDA)
