"""A CUDA graph on the CPU: operators are recorded with the tensors they read and write, and run again on those.

As with the real one, recording changes nothing, replaying runs no Python, numbers that Python computed stay what they
were, random numbers go on from where the generator is, and what waits for the device cannot be recorded.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal", "aten::item"}


class Tape:
    """See `recurrence.graphs.Graph`."""

    made: list["Tape"] = []

    def __init__(self) -> None:
        self.operations: list[tuple[Any, ...]] = []
        self.rehearsals = self.replays = 0
        Tape.made.append(self)

    def rehearse(self, work: Callable[[], Any]) -> Any:
        self.rehearsals += 1
        return work()

    def capture(self, work: Callable[[], Any]) -> Any:
        random, recorder = torch.get_rng_state(), _Recorder(self.operations)
        try:
            with recorder:
                return work()
        finally:
            recorder.undo()
            torch.set_rng_state(random)

    def replay(self) -> None:
        self.replays += 1
        with torch._C._AutoDispatchBelowAutograd():
            for operator, args, kwargs, outputs, grad in self.operations:
                with torch.set_grad_enabled(grad):  # some kernels keep more for a backward
                    fresh = operator(*args, **kwargs)
                for output, new in zip(outputs, _tensors(fresh) if outputs else [], strict=True):
                    output.copy_(new)


class _Recorder(TorchDispatchMode):
    def __init__(self, operations: list[tuple[Any, ...]]) -> None:
        super().__init__()
        self.operations = operations
        self.own: set[int] = set()
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if operator._schema.name in WAITS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {operator}")
        read = {each.untyped_storage()._cdata for each in _tensors((args, kwargs))}
        writes = [
            argument.alias_info is not None and argument.alias_info.is_write for argument in operator._schema.arguments
        ]
        for each in _written(operator, args, kwargs) if any(writes) else []:
            self._keep(each)
        fixed = tree_map(_fixed, (args, kwargs))
        result = operator(*args, **kwargs)
        outputs = _tensors(result)
        fresh = [each.untyped_storage()._cdata not in read for each in outputs]
        self.own |= {each.untyped_storage()._cdata for each, new in zip(outputs, fresh, strict=True) if new}
        if outputs and all(fresh):
            self.operations.append((operator, *fixed, [_fixed(each) for each in outputs], torch.is_grad_enabled()))
        elif any(writes) and torch.Tag.inplace_view not in operator.tags:
            self.operations.append((operator, *fixed, [], torch.is_grad_enabled()))
        else:  # a view; its memory is that of a tensor on the tape
            assert not any(fresh)
        return result

    def _keep(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.own and storage._cdata not in self.before:
            self.before[storage._cdata] = storage, storage.clone()

    def undo(self) -> None:
        for storage, before in self.before.values():
            storage.copy_(before)


def _fixed(leaf: Any) -> Any:
    """The same memory, whatever shape the tensor is given later."""
    return leaf.detach() if isinstance(leaf, Tensor) else leaf


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _written(operator: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operator changes in place."""
    arguments = operator._schema.arguments
    named = {argument.name: value for argument, value in zip(arguments, args, strict=False)} | kwargs
    return _tensors([named.get(a.name) for a in arguments if a.alias_info is not None and a.alias_info.is_write])
