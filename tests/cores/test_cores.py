"""Contract of every recurrent core: a new file in cores/ is tested by existing."""

import pytest
import torch

from recurrence import params
from recurrence.cores import awd_lstm, elman, gru, gru_cell, rnn, rnn_cell
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model, core_module

RECURRENT = [name for name in params.core_names() if hasattr(core_module(name), "Core")]
V = 11


def make(core: str, **changes: object) -> LanguageModel:
    torch.manual_seed(0)
    sizes = {"corpus": "toy", "name": "toy", "core": core, "embedding": 6, "hidden": 8}
    if core == "elman":
        sizes["options"] = {"input_layer": True}
    return build_model(params.Model.model_validate(sizes | changes), V).eval()


def ids(lanes: int = 3, time: int = 12) -> torch.Tensor:
    return torch.randint(V, (lanes, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("core", RECURRENT)
def test_step_by_step_equals_the_full_unroll(core: str) -> None:
    model, x_BT = make(core), ids()
    whole, after = model(x_BT, model.initial_state(3))
    state, steps = model.initial_state(3), []
    for t in range(x_BT.shape[1]):
        logits, state = model(x_BT[:, t : t + 1], state)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole)
    torch.testing.assert_close(state, after)


@pytest.mark.parametrize("core", RECURRENT)
def test_rows_are_independent_and_inputs_untouched(core: str) -> None:
    model, x_BT = make(core), ids()
    state = tuple(torch.rand_like(tensor) for tensor in model.initial_state(3))
    kept = tuple(tensor.clone() for tensor in state)
    whole, _ = model(x_BT, state)
    alone, _ = model(x_BT[1:2], tuple(tensor[:, 1:2].contiguous() for tensor in state))
    torch.testing.assert_close(alone[0], whole[1])
    torch.testing.assert_close(state, kept, rtol=0, atol=0)


@pytest.mark.parametrize("core", RECURRENT)
def test_nothing_is_seen_before_its_time(core: str) -> None:
    model, x_BT = make(core), ids()
    changed = x_BT.clone()
    changed[:, 7] = (changed[:, 7] + 1) % V
    before, _ = model(x_BT, model.initial_state(3))
    after, _ = model(changed, model.initial_state(3))
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=0)
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("core", RECURRENT)
def test_every_parameter_learns(core: str) -> None:
    model = make(core).train()
    logits, _ = model(ids(), model.initial_state(3))
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("core", RECURRENT)
def test_a_window_model_starts_from_zero_and_keeps_the_state_it_is_given(core: str) -> None:
    model, plain = make(core, context=3), make(core)
    logits_BV, state = model(ids(time=3), ())
    full, _ = plain(ids(time=3), plain.initial_state(3))
    torch.testing.assert_close(logits_BV, full[:, -1])
    assert state == ()


@pytest.mark.parametrize(("by_hand", "fused"), [(rnn_cell, rnn), (gru_cell, gru)])
def test_cells_unrolled_by_hand_equal_the_fused_kernel(by_hand, fused) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    cell = by_hand.Core(5, 7, 1, params.Dropout())
    layer = fused.Core(5, 7, 1, params.Dropout())
    order = [name for kind in ("weight", "bias") for name in (f"{kind}_ih_l0", f"{kind}_hh_l0")]
    hand = dict(zip(order, _in_order(cell), strict=True))
    for name in order:
        getattr(layer.rnn, name).data.copy_(hand[name])
    x_BTE, state = torch.rand(3, 9, 5), (torch.rand(1, 3, 7),)
    torch.testing.assert_close(cell(x_BTE, state), layer(x_BTE, state))


def _in_order(cell: torch.nn.Module) -> list[torch.Tensor]:
    if hasattr(cell, "cell"):
        return [cell.cell.weight_ih, cell.cell.weight_hh, cell.cell.bias_ih, cell.cell.bias_hh]
    return [cell.input.weight, cell.recurrent.weight, cell.input.bias, cell.recurrent.bias]  # type: ignore[union-attr]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_steps_written_out_equal_the_loop(activation: str, time: int) -> None:
    torch.manual_seed(0)
    loop = elman.Core(6, 6, 1, params.Dropout(), activation=activation)
    written = elman.Core(6, 6, 1, params.Dropout(), activation=activation, unrolled=True)
    written.load_state_dict(loop.state_dict())
    x_BTE = torch.rand(4, time, 6)
    torch.testing.assert_close(written(x_BTE, ())[0], loop(x_BTE, (torch.zeros(1, 4, 6),))[0])


def test_elman_by_hand() -> None:
    core = elman.Core(1, 1, 1, params.Dropout(), activation="relu")
    torch.nn.init.constant_(core.recurrent.weight, 2.0)
    torch.nn.init.constant_(core.recurrent.bias, -1.0)
    output, _ = core(torch.tensor([[[1.0], [3.0]]]), (torch.zeros(1, 1, 1),))
    assert output.flatten().tolist() == [1.0, 7.0]  # 2*(0+1)-1 = 1, then 2*(1+3)-1 = 7


def test_weight_drop_changes_outputs_and_gradients() -> None:
    torch.manual_seed(0)
    core = awd_lstm.Core(6, 8, 2, params.Dropout(weight=0.5)).train()
    x_BTE, state = torch.rand(3, 9, 6), tuple(torch.zeros(1, 3, size) for size in (8, 8, 6, 6))
    first, second = core(x_BTE, state)[0], core(x_BTE, state)[0]
    torch.testing.assert_close(first[:, 0], second[:, 0])  # U does not act before the second step
    assert not torch.allclose(first[:, 1:], second[:, 1:])
    first.sum().backward()
    gradient = core.layers[0].lstm.weight_hh_l0.grad
    assert (
        gradient is not None and 0.3 < (gradient == 0).float().mean() < 0.7
    )  # a dropped weight has no gradient


def test_weight_drop_is_off_in_evaluation_and_equals_plain_lstm_layers() -> None:
    torch.manual_seed(0)
    core = awd_lstm.Core(6, 8, 2, params.Dropout(weight=0.5)).eval()
    x_BTE, state = torch.rand(3, 9, 6), tuple(torch.zeros(1, 3, size) for size in (8, 8, 6, 6))
    expected = x_BTE
    for layer in core.layers:
        expected, _ = layer.lstm(expected)
    torch.testing.assert_close(core(x_BTE, state)[0], expected)


def test_weight_drop_of_zero_is_the_same_in_training() -> None:
    torch.manual_seed(0)
    core = awd_lstm.Core(6, 8, 1, params.Dropout(weight=1e-12)).train()
    x_BTE, state = torch.rand(3, 9, 6), (torch.zeros(1, 3, 6), torch.zeros(1, 3, 6))
    torch.testing.assert_close(core(x_BTE, state), core.eval()(x_BTE, state))


@pytest.mark.parametrize(
    "core", [n for n in RECURRENT if n in ("rnn_cell", "gru_cell", "elman", "elman_concat")]
)
def test_by_hand_means_one_layer(core: str) -> None:
    with pytest.raises(RecurrenceError, match="layers must be 1"):
        make(core, layers=2)


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(RecurrenceError, match="has no 'activaton'; did you mean 'activation'"):
        make("elman", options={"activaton": "relu"})
