"""sLSTM against a slow reference of our own, from the equations of 2405.04517: float64, explicit
loops over steps, heads and units, without a stabilizer. transformers has mLSTM alone of xLSTM;
benchmarks/published_cores.py compares with the authors' own."""

import math

import pytest
import torch

from recurrence.cores.slstm import Cell, Slstm

#   B = lanes, T = time, N = heads, D = units of a head


def sigmoid(u: float) -> float:
    return 1 / (1 + math.exp(-u))


def by_the_equations(wx: list, r: list, h: list, c: list, n: list) -> list:
    """One head: the h of each step. wx: of each step 4 D sums, of i, f, z, o; r: D rows of 4 D."""
    size, outputs = len(h), []
    for sums in wx:
        row = [s + sum(h[d] * r[d][g] for d in range(size)) for g, s in enumerate(sums)]
        for d in range(size):
            i, f = math.exp(row[d]), sigmoid(row[size + d])
            z, o = math.tanh(row[2 * size + d]), sigmoid(row[3 * size + d])
            c[d], n[d] = f * c[d] + i * z, f * n[d] + i
            h[d] = o * c[d] / n[d]
        outputs.append(list(h))
    return outputs


@pytest.mark.parametrize("stored", [False, True])
def test_equals_the_equations_without_a_stabilizer(stored: bool) -> None:
    """With nothing stored, and after h, c, n that are kept divided by exp(m)."""
    torch.manual_seed(0)
    cell, wx_BTNG = Cell(2, 3).double(), 3 * torch.randn(2, 7, 2, 12).double()
    h, c, n, m = (torch.rand(2, 2, 3).double() * stored for _ in range(4))
    found, (h_after, c_after, _, m_after) = cell(wx_BTNG, (h, c, n, m))
    weight_NDG = cell.recurrent.weight_NDG
    for b in range(2):
        for head in range(2):
            at = b, head
            true = [(leaf[at] * m[at].exp()).tolist() for leaf in (c, n)]
            given = wx_BTNG[b, :, head].tolist(), weight_NDG[head].tolist(), h[at].tolist()
            expected = torch.tensor(by_the_equations(*given, *true), dtype=torch.float64)
            torch.testing.assert_close(found[b, :, head], expected, rtol=1e-10, atol=1e-12)
            ends = torch.tensor(true[0], dtype=torch.float64)
            whole = c_after[at] * m_after[at].exp()
            torch.testing.assert_close(whole, ends, rtol=1e-10, atol=1e-12)
    assert torch.equal(h_after, found[:, -1])


@pytest.mark.parametrize("gate", [-200.0, 200.0])
def test_gates_beyond_the_range_of_exp_are_no_trouble(gate: float) -> None:
    cell, wx = Cell(1, 1), torch.zeros(1, 5, 1, 4)
    torch.nn.init.zeros_(cell.recurrent.weight_NDG)
    wx[..., 0], wx[..., 2] = gate, 0.5
    wx.requires_grad_()
    h, _ = cell(wx, (torch.zeros(1, 1, 1),) * 4)
    torch.testing.assert_close(h.detach(), torch.full((1, 5, 1, 1), 0.5 * math.tanh(0.5)))
    (gradient,) = torch.autograd.grad(h.sum(), wx)
    assert gradient.isfinite().all()


def test_forget_biases_begin_open() -> None:
    bias_ND = Slstm(8, 2, 4).forget_gate.bias.detach().view(2, 4)
    torch.testing.assert_close(bias_ND, torch.tensor([3.0, 4.0, 5.0, 6.0]).expand(2, 4))


def test_a_constant_in_the_input_gates_changes_nothing() -> None:
    """Which is why they have no bias: its gradient would be rounding alone."""
    torch.manual_seed(0)
    cell, wx_BTNG = Cell(2, 3).double(), torch.randn(2, 7, 2, 12).double()
    zero = (torch.zeros(2, 2, 3).double(),) * 4
    shifted = wx_BTNG.clone()
    shifted[..., :3] += 2.5
    torch.testing.assert_close(cell(shifted, zero)[0], cell(wx_BTNG, zero)[0])
