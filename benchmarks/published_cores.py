"""Cores against what others have published of the same papers, weights for weights: the largest
difference of outputs.

What transformers has is compared in tests/cores (rg_lru, mlstm, gated_delta, transformer). This
is the rest: packages that are no dependencies of ours, installed into a temporary folder without
theirs. sLSTM and RWKV-7 are their authors' own; minGRU and Mogrifier are those of lucidrains.
Single precision, so that differences are of its rounding (about 1e-6). QRNN and minLSTM are held
to the equations alone, in tests/cores.

    python benchmarks/published_cores.py
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

import torch
from torch import Tensor

from recurrence.cores.min_gru import MinGru
from recurrence.cores.mogrifier import Layer as MogrifierLayer
from recurrence.cores.rwkv7 import Rwkv7
from recurrence.cores.slstm import Cell

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N

PACKAGES = ["mingru-pytorch==0.2.1", "mogrifier==0.0.5", "xlstm==2.0.6", "rwkv==0.8.32"]
PACKAGES += ["einops==0.8.2"]  # of mogrifier
LANES, TIME, SIZE, HEADS, RANK = 3, 100, 32, 4, 8


def min_gru() -> float:
    """The unit alone, without our convolution; theirs scans logarithms."""
    from minGRU_pytorch.minGRU import minGRU  # type: ignore[import-not-found]

    ours, theirs = MinGru(SIZE, 2), minGRU(SIZE)
    ours.gates.bias.zero_()
    ours.conv.weight_KH.copy_(torch.tensor([[0.0], [1.0]]).expand(2, SIZE))
    ours.conv.bias_H.zero_()
    z, u = ours.gates.weight.chunk(2)
    theirs.to_hidden_and_gate.weight.copy_(torch.cat((u, z)))
    x_BTH = torch.randn(LANES, TIME, SIZE)
    found, _ = ours(x_BTH, (torch.zeros(1, LANES, SIZE), torch.zeros(1, LANES, SIZE)))
    return apart(found, theirs(x_BTH))


def mogrifier() -> float:
    """The rounds alone, before an LSTM's step: theirs share Q and R among rounds, and so must ours
    here.
    """
    from mogrifier import Mogrifier  # type: ignore[import-not-found]

    ours = MogrifierLayer(SIZE, 2 * SIZE, 5, None)
    theirs = Mogrifier(SIZE, iters=5, dim_hidden=2 * SIZE)
    for i, matrix in enumerate(ours.rounds):
        part = (theirs.Q, theirs.R)[i % 2][0]
        part.bias.zero_()
        matrix.weight = part.weight
    x_BE, h_BH, c_BH = torch.randn(LANES, SIZE), torch.randn(LANES, 2 * SIZE), torch.zeros(1, 1)
    last_x, last_h = theirs(x_BE[:, None], h_BH[:, None])
    gates = ours.input(last_x[:, 0]) + ours.recurrent(last_h[:, 0])
    i, f, g, o = gates.chunk(4, -1)
    c_new = f.sigmoid() * c_BH + i.sigmoid() * g.tanh()
    found, _, _ = ours(x_BE[:, None], h_BH, c_BH.expand(LANES, 2 * SIZE))
    return apart(found[:, 0], o.sigmoid() * c_new.tanh())


def slstm() -> float:
    """The authors' cell in plain torch."""
    from xlstm.blocks.slstm.src.vanilla import (  # type: ignore[import-not-found]
        slstm_forward,
        slstm_pointwise_function_registry,
    )

    each = SIZE // HEADS
    ours = Cell(HEADS, each)
    wx_BTNG = 2 * torch.randn(LANES, TIME, HEADS, 4 * each)
    by_gate = wx_BTNG.unflatten(-1, (4, each)).permute(1, 0, 3, 2, 4).flatten(2)
    recurrent = ours.recurrent.weight_NDG.mT.contiguous()
    pointwise = slstm_pointwise_function_registry["slstm"]
    zero, bias = torch.zeros(4, LANES, SIZE), torch.zeros(4 * SIZE)
    states, _, _ = slstm_forward(by_gate, zero, recurrent, bias, pointwise, constants={})
    found, _ = ours(wx_BTNG, (torch.zeros(LANES, HEADS, each),) * 4)
    return apart(found.flatten(-2), states[0, 1:].transpose(0, 1))


def rwkv7() -> float:
    """The authors' time mixing of a first layer, a lane at a time."""
    os.environ |= {"RWKV_V7_ON": "1", "RWKV_JIT_ON": "0"}
    from rwkv.model import RWKV_x070_TMix_one  # type: ignore[import-not-found]

    each = SIZE // HEADS
    ours = Rwkv7(SIZE, HEADS, RANK)
    for parameter in (ours.key_scale_H, ours.key_rate_H, ours.bonus_ND, ours.norm.weight_ND):
        parameter.uniform_(-1, 1)
    decay, rate, gate = ours.decay, ours.rate, ours.gate
    networks = [decay[2].bias, decay[0].weight.T, decay[2].weight.T]
    networks += [rate[2].bias, rate[0].weight.T, rate[2].weight.T]
    networks += [torch.zeros(())] * 3  # values are mixed with a first layer's in later ones alone
    networks += [gate[0].weight.T, gate[2].weight.T]
    scales = [ours.key_scale_H, ours.key_rate_H, ours.bonus_ND.flatten()]
    matrices = [m.weight.T for m in (ours.receptance, ours.key, ours.value, ours.output)]
    norm = [ours.norm.weight_ND.flatten(), torch.zeros(SIZE)]
    x_BTH = torch.randn(LANES, TIME, SIZE)
    state = torch.zeros(1, LANES, SIZE * each), torch.zeros(1, LANES, SIZE)
    found, _ = ours(x_BTH, state)
    lanes = []
    for x_TH in x_BTH:
        before, memory, steps = torch.zeros(SIZE), torch.zeros(HEADS, each, each), []
        for x_H in x_TH:
            given = (x_H, before, torch.zeros(()), memory, *ours.shift_6H)
            y_H, before, memory, _ = RWKV_x070_TMix_one(
                0, HEADS, each, *given, *networks, *scales, *matrices, *norm
            )
            steps.append(y_H)
        lanes.append(torch.stack(steps))
    return apart(found, torch.stack(lanes))


def apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in units of the largest value."""
    return float((found - expected).abs().max() / expected.abs().max())


COMPARED: dict[str, tuple[str, Callable[[], float]]] = {
    "min_gru": ("mingru-pytorch", min_gru),
    "mogrifier": ("mogrifier", mogrifier),
    "slstm": ("xlstm", slstm),
    "rwkv7": ("rwkv", rwkv7),
}


@torch.no_grad()
def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
        subprocess.run([*pip, *PACKAGES], check=True)
        sys.path.append(folder)
        print(f"{'core':<12}{'package':<18}{'largest difference / largest value':>36}")
        for core, (package, compare) in COMPARED.items():
            torch.manual_seed(0)
            print(f"{core:<12}{package:<18}{compare():>36.1e}")


if __name__ == "__main__":
    main()
