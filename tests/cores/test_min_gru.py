"""minGRU and minLSTM against the paper's own algorithm, written here from its listings
(2410.01201, appendix B): float64, the scan over logarithms with logcumsumexp (Heinsen 2023), and,
apart from it, the loop over steps."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recurrence.cores.min_gru import MinGru, positive
from recurrence.cores.min_lstm import MinLstm

#   B = lanes, T = time, H = features


def log_positive(u: Tensor) -> Tensor:
    """log g, by the paper's second listing."""
    return torch.where(u >= 0, (F.relu(u) + 0.5).log(), -F.softplus(-u))


def scan_of_logs(log_a_BTH: Tensor, log_b_BTH: Tensor, h_BH: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + b_t from logarithms."""
    star = F.pad(log_a_BTH.cumsum(1), (0, 0, 1, 0))
    logs = torch.cat((h_BH.log()[:, None], log_b_BTH), 1)
    return (star + (logs - star).logcumsumexp(1)).exp()[:, 1:]


def log_gates(kind: type, gates: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """log a and log b of the paper's parallel modes."""
    if kind is MinGru:
        k, u = gates
        return -F.softplus(k), -F.softplus(-k) + log_positive(u)
    f, i, u = gates
    odds = F.softplus(-f) - F.softplus(-i)
    return -F.softplus(odds), -F.softplus(-odds) + log_positive(u)


def one_step(kind: type, gates: tuple[Tensor, ...], h: Tensor) -> Tensor:
    """The paper's sequential modes."""
    if kind is MinGru:
        z = torch.sigmoid(gates[0])
        return (1 - z) * h + z * positive(gates[1])
    f, i = torch.sigmoid(gates[0]), torch.sigmoid(gates[1])
    return f / (f + i) * h + i / (f + i) * positive(gates[2])


@pytest.mark.parametrize("kind", [MinGru, MinLstm])
def test_equals_the_papers_scan_and_its_loop(kind: type) -> None:
    torch.manual_seed(0)
    mixer = kind(6, 4).double()
    x_BTH, h_BH, past = (torch.randn(shape).double() for shape in ((3, 40, 6), (3, 6), (3, 3, 6)))
    h_BH = h_BH.exp()
    with torch.no_grad():
        mixer.gates.weight.mul_(6)  # gates that open and shut
        found, (h_after, _) = mixer(x_BTH, (h_BH[None], past))
        gates = mixer.gates(mixer.conv(x_BTH, past)[0])
        scanned = scan_of_logs(*log_gates(kind, gates.chunk(gates.shape[-1] // 6, -1)), h_BH)
        looped = []
        for gates_BG in gates.unbind(1):
            h_BH = one_step(kind, gates_BG.chunk(gates_BG.shape[-1] // 6, -1), h_BH)
            looped.append(h_BH)
    torch.testing.assert_close(found, scanned, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found, torch.stack(looped, 1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(h_after[0], h_BH, rtol=1e-12, atol=1e-12)


def test_gates_that_are_shut_leave_no_hole() -> None:
    """Both gates of minLSTM at exp(-200): f/(f + i) by the letter would be 0/0 in single
    precision.
    """
    mixer = MinLstm(2, 4)
    with torch.no_grad():
        mixer.gates.weight.zero_()
        mixer.gates.bias.copy_(torch.tensor([-200.0, -200.0, -200.0, -200.0, 0.5, 0.5]))
        found, _ = mixer(torch.zeros(1, 2, 2), (torch.zeros(1, 1, 2), torch.zeros(3, 1, 2)))
    torch.testing.assert_close(found[0, :, 0], torch.tensor([0.5, 0.75]))  # half of 1, then again


def test_g_by_hand() -> None:
    found = positive(torch.tensor([-100.0, 0.0, 1.5]))
    torch.testing.assert_close(found, torch.tensor([0.0, 0.5, 2.0]))
