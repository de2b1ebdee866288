"""A CUDA graph on the CPU: operators are recorded with the tensors they read and write, and run
again on those.

As with the real one, recording changes nothing, replaying runs no Python, numbers that Python
computed stay what they were, random numbers go on from where the generator is, and what waits for
the device cannot be recorded.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

WAITS = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::is_nonzero",
    "aten::equal",
    "aten::item",
}
WAITS |= {
    "aten::masked_select",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::bincount",
    "aten::repeat_interleave.Tensor",
}
"""Operators whose result, or the shape of it, the CPU must know."""
INDEXES = {"aten::index", "aten::index_put_", "aten::_index_put_impl_"}
"""These are among them where they are told by truth values."""


def waits(operator: Any, args: Any) -> bool:
    """Whether a GPU would have to be waited for."""
    name = operator._schema.name
    by_truth = name in INDEXES and any(each.dtype == torch.bool for each in _tensors(args[1]))
    return name in WAITS or operator.name() in WAITS or by_truth


class Tape:
    """See `recurrence.graphs.Graph`."""

    made: list["Tape"] = []

    def __init__(self, generators: Sequence[torch.Generator] = ()) -> None:
        self.generators = [torch.default_generator, *generators]
        self.operations: list[tuple[Any, ...]] = []
        self.rehearsals = self.replays = 0
        Tape.made.append(self)

    def rehearse(self, work: Callable[[], Any]) -> Any:
        self.rehearsals += 1
        return work()

    def capture(self, work: Callable[[], Any]) -> Any:
        recorder = _Recorder(self.operations, self.generators)
        try:
            with recorder:
                return work()
        finally:
            recorder.undo()

    def replay(self) -> None:
        self.replays += 1
        with torch._C._AutoDispatchBelowAutograd():
            for operator, args, kwargs, outputs, grad in self.operations:
                with torch.set_grad_enabled(grad):  # some kernels keep more for a backward
                    fresh = operator(*args, **kwargs)
                for output, new in zip(outputs, _tensors(fresh) if outputs else [], strict=True):
                    output.copy_(new)


class _Recorder(TorchDispatchMode):
    def __init__(
        self, operations: list[tuple[Any, ...]], generators: list[torch.Generator]
    ) -> None:
        super().__init__()
        self.operations = operations
        self.random = [(generator, generator.get_state()) for generator in generators]
        self.known = {generator._cdata for generator in generators}
        self.own: set[int] = set()
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if waits(operator, args):
            raise RuntimeError(f"operation not permitted when stream is capturing: {operator}")
        leaves = tree_leaves((args, kwargs))
        if any(
            isinstance(leaf, torch.Generator) and leaf._cdata not in self.known for leaf in leaves
        ):
            raise RuntimeError("a generator that the graph was not told of")
        read = {each.untyped_storage()._cdata for each in _tensors((args, kwargs))}
        writes = [
            argument.alias_info is not None and argument.alias_info.is_write
            for argument in operator._schema.arguments
        ]
        for each in _written(operator, args, kwargs) if any(writes) else []:
            self._keep(each)
        fixed = tree_map(_fixed, (args, kwargs))
        result = operator(*args, **kwargs)
        outputs = _tensors(result)
        fresh = [each.untyped_storage()._cdata not in read for each in outputs]
        self.own |= {
            each.untyped_storage()._cdata for each, new in zip(outputs, fresh, strict=True) if new
        }
        if outputs and all(fresh):
            self.operations.append(
                (operator, *fixed, [_fixed(each) for each in outputs], torch.is_grad_enabled())
            )
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
        for generator, state in self.random:
            generator.set_state(state)


def _fixed(leaf: Any) -> Any:
    """The same memory, whatever shape the tensor is given later."""
    return leaf.detach() if isinstance(leaf, Tensor) else leaf


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _written(operator: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operator changes in place."""
    arguments = operator._schema.arguments
    named = {
        argument.name: value for argument, value in zip(arguments, args, strict=False)
    } | kwargs
    return _tensors(
        [named.get(a.name) for a in arguments if a.alias_info is not None and a.alias_info.is_write]
    )
