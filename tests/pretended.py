"""A GPU that is not there: tensors that say they are on it, computed on the CPU under the rules of
a real one.

For tests marked `gpu`, which run in a process of their own: where there is a GPU, torch computes
gradients in threads, and a process that has done so cannot be forked.

An operator takes tensors of one device. What is sent over or brought back is waited for, and that
is counted. While a graph is recorded nothing may be waited for, and all work is the GPU's: what the
CPU does, a replay would not do.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from tape import INDEXES, Tape, waits

#   B = lanes, H = hidden size

GPU, CPU = torch.device("privateuseone", 0), torch.device("cpu")
SENDS = {"aten::copy_", "aten::_to_copy", *INDEXES}
"""These take tensors of two devices: where to look may be said on the CPU."""


def install() -> None:
    """To be called before the process computes its first gradient."""
    _setup_privateuseone_for_python_backend("gpu")  # type: ignore[no-untyped-call]


class OnGpu(Tensor):
    """A tensor of the pretended GPU; `raw` holds its values."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor) -> "OnGpu":
        laid = {"strides": raw.stride(), "storage_offset": raw.storage_offset(), "dtype": raw.dtype}
        with torch.inference_mode(False):  # else it could not be a view of a tensor from before
            made: OnGpu = Tensor._make_wrapper_subclass(cls, raw.size(), device=GPU, **laid)  # type: ignore[attr-defined]
        made.raw = raw
        return made

    def tolist(self) -> Any:
        """torch itself does this for no subclass."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return PretendedGpu().do(operator, args, kwargs or {})


class PretendedGpu(TorchDispatchMode):
    """While it is entered there is a GPU. `waits`: how often one of the two waited for the
    other.
    """

    def __init__(self, recording: bool = False) -> None:
        super().__init__()
        self.recording, self.waits = recording, 0

    def __enter__(self) -> "PretendedGpu":
        self.lifted = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(
            True
        )  # torch.tensor(..., device=...) is made here and then sent there
        return super().__enter__()  # type: ignore[no-any-return]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self.lifted)

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return self.do(operator, args, kwargs or {})

    def do(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """An operator on tensors of both devices. Raises RuntimeError where a GPU would."""
        name, given = operator._schema.name, _tensors((args, kwargs))
        here = {
            each.device for each in given if each.device == GPU or each.dim()
        }  # a number goes along with a launch
        there = _target(name, args, kwargs, given)
        if len(here) > 1 and name not in SENDS:
            raise RuntimeError(f"Expected all tensors to be on the same device: {operator}")
        waited = (GPU in here and waits(operator, args)) or len(here | {there}) > 1
        self.waits += waited
        if self.recording and (waited or any(each.device == CPU for each in given)):
            raise RuntimeError(f"operation not permitted when stream is capturing: {operator}")
        if there == CPU and GPU not in here:
            result = operator(*args, **kwargs)
            if self.recording and _tensors(result):
                raise RuntimeError(f"what the CPU does is not recorded: {operator}")
            return result
        if kwargs.get("device") is not None:
            kwargs = kwargs | {"device": CPU}
        wrappers = {id(each.raw): each for each in given if isinstance(each, OnGpu)}
        if torch.Tag.inplace_view in operator.tags:
            with no_dispatch():
                operator(*args, **kwargs)  # the shape that the wrapper says it has
        result = KERNELS.get(name, operator)(*tree_map(_raw, args), **tree_map(_raw, kwargs))
        if there == CPU:
            return args[0] if name == "aten::copy_" else result
        return tree_map(lambda leaf: _wrapped(leaf, wrappers), result)


class GpuTape(Tape):
    """A Tape of what is done on the pretended GPU."""

    def capture(self, work: Callable[[], Any]) -> Any:
        def recorded() -> Any:
            with PretendedGpu(
                recording=True
            ):  # the mode entered last comes first, so the tape sees raw tensors
                return work()

        return super().capture(recorded)


def _target(name: str, args: Any, kwargs: Any, given: list[Tensor]) -> torch.device:
    """Where the result is."""
    if (wanted := kwargs.get("device")) is not None:
        return GPU if wanted.type == GPU.type else CPU
    decides = given[:1] if name == "aten::copy_" else given
    return GPU if any(each.device == GPU for each in decides) else CPU


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _raw(leaf: Any) -> Any:
    return leaf.raw if isinstance(leaf, OnGpu) else leaf


def _wrapped(leaf: Any, known: dict[int, OnGpu]) -> Any:
    """What an operator returns; what it changed in place is the tensor that it was given."""
    if not isinstance(leaf, Tensor):
        return leaf
    return known[id(leaf)] if id(leaf) in known else OnGpu(leaf)


def _lstm_cell(
    wx: Tensor, uh: Tensor, c_BH: Tensor, b_x: Tensor, b_h: Tensor
) -> tuple[Tensor, ...]:
    i, f, g, o = (wx + uh + b_x + b_h).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    after_BH = f * c_BH + i * g
    return o * after_BH.tanh(), after_BH, torch.cat((i, f, g, o), 1)


def _lstm_cell_backward(
    dh: Tensor | None,
    dc: Tensor | None,
    c_BH: Tensor,
    after_BH: Tensor,
    gates: Tensor,
    has_bias: bool,
) -> tuple[Tensor, ...]:
    i, f, g, o = gates.chunk(4, 1)
    dh = torch.zeros_like(c_BH) if dh is None else dh
    through = dh * o * (1 - after_BH.tanh() ** 2) + (0 if dc is None else dc)
    do = dh * after_BH.tanh() * o * (1 - o)
    gates = torch.cat(
        (through * g * i * (1 - i), through * c_BH * f * (1 - f), through * i * (1 - g**2), do), 1
    )
    return gates, through * f, gates.sum(0)


def _gru_cell(wx: Tensor, uh: Tensor, h_BH: Tensor, b_x: Tensor, b_h: Tensor) -> tuple[Tensor, ...]:
    (wr, wz, wn), (ur, uz, un) = (wx + b_x).chunk(3, 1), (uh + b_h).chunk(3, 1)
    r, z = (wr + ur).sigmoid(), (wz + uz).sigmoid()
    n = (wn + r * un).tanh()
    return n + z * (h_BH - n), torch.cat((r, z, n, h_BH, un), 1)


def _gru_cell_backward(dh: Tensor, kept: Tensor, has_bias: bool) -> tuple[Tensor, ...]:
    r, z, n, h_BH, un = kept.chunk(5, 1)
    dn = dh * (1 - z) * (1 - n**2)
    dr, dz = dn * un * r * (1 - r), dh * (h_BH - n) * z * (1 - z)
    dx, du = torch.cat((dr, dz, dn), 1), torch.cat((dr, dz, dn * r), 1)
    return dx, du, dh * z, dx.sum(0), du.sum(0)


KERNELS: dict[str, Callable[..., Any]] = {
    "aten::_thnn_fused_lstm_cell": _lstm_cell,
    "aten::_thnn_fused_lstm_cell_backward_impl": _lstm_cell_backward,
    "aten::_thnn_fused_gru_cell": _gru_cell,
    "aten::_thnn_fused_gru_cell_backward": _gru_cell_backward,
}
"""What torch has for GPUs alone, said with other operators."""
