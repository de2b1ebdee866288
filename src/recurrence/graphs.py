"""Device work that comes again and again in a few shapes: recorded as CUDA graphs, then launched as
a whole.

A small net's step is dozens of short kernels, and a GPU waits longer for each to be launched than
it computes. In comes work, a function that reads and writes tensors that stay where they are; knows
nothing of models or training.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from recurrence.console import say

Result = TypeVar("Result")
Work = Callable[[], Result]


class Graph(Protocol):
    """One piece of work, which must be done once, then recorded, then repeated."""

    def rehearse(self, work: Work[Result]) -> Result:
        """Do it, for real: what libraries set up at first use cannot be recorded."""

    def capture(self, work: Work[Result]) -> Result:
        """Record what it has the device do, without doing it. Tensors it returns are filled by each
        replay.
        """

    def replay(self) -> None:
        """Have the device do what was recorded. No Python runs: a number that Python computed stays
        as it was.
        """


Make = Callable[[], Graph]


class CudaGraph:
    """A Graph by torch.cuda.CUDAGraph. torch moves the random states on at each replay as the work
    itself would: its own, and those of `generators`.
    """

    def __init__(
        self, pool: Any, stream: torch.cuda.Stream, generators: Sequence[torch.Generator] = ()
    ) -> None:
        self.pool, self.stream, self.generators = pool, stream, generators
        self.graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self.graph.register_generator_state(generator)

    def rehearse(self, work: Work[Result]) -> Result:
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            result = work()
        here.wait_stream(self.stream)
        return result

    def capture(self, work: Work[Result]) -> Result:
        here = torch.cuda.current_stream()
        drawn_from = [torch.cuda.default_generators[here.device_index], *self.generators]
        before = [generator.clone_state() for generator in drawn_from]
        try:  # the outer context comes back to this stream even where ending the capture raises
            with (
                torch.cuda.stream(here),
                torch.cuda.graph(self.graph, pool=self.pool, stream=self.stream),
            ):
                return work()
        except RuntimeError:
            for generator, state in zip(drawn_from, before, strict=True):
                generator.graphsafe_set_state(
                    state
                )  # a capture that was broken off leaves the old one unusable
            raise

    def replay(self) -> None:
        self.graph.replay()


_allowed = True


def allow(allowed: bool) -> None:
    """Whether `maker` hands out graphs in this process (params.yaml: compute.cuda_graphs)."""
    global _allowed
    _allowed = allowed


def maker(device: torch.device, generators: Sequence[torch.Generator] = ()) -> Make | None:
    """What makes graphs that share their memory, one maker for each owner; None where there are
    none.

    `generators`: what the work draws from, beside torch's own.

    Sharing is safe because a graph leaves nothing in that memory that another's replay might
    overwrite before it is read: `Repeated` says how.
    """
    if device.type != "cuda" or not _allowed:
        return None
    pool, stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return lambda: CudaGraph(pool, stream, generators)


class Repeated(Generic[Result]):
    """Work by key (its shapes): done as it is at first, captured when it comes again, from then on
    replayed.

    The result of a replay must be read before anything is replayed again. Work that cannot be
    captured is done as it is from then on; that is said once.
    """

    def __init__(self, make: Make | None, name: str) -> None:
        self.make, self.name = make, name
        self.graphs: dict[Hashable, Graph] = {}
        self.results: dict[Hashable, Result] = {}

    def __call__(self, key: Hashable, work: Work[Result]) -> Result:
        if self.make is None:
            return work()
        if key not in self.graphs:
            self.graphs[key] = self.make()
            return self.graphs[key].rehearse(work)
        if key not in self.results:
            try:
                self.results[key] = self.graphs[key].capture(work)
            except RuntimeError as error:
                self.make = None
                say(
                    f"{self.name} cannot be captured as a CUDA graph and goes on without: "
                    f"{str(error).splitlines()[0]}"
                )
                return work()
        self.graphs[key].replay()
        return self.results[key]

    def forget(self) -> None:
        """Drop what was recorded: tensors that the work used are no longer where they were."""
        self.graphs.clear()
        self.results.clear()


def put(buffers: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into buffers that stay where they are; those that are the buffers themselves are
    there already.
    """
    for buffer, value in zip(buffers, values, strict=True):
        if buffer is not value:
            buffer.copy_(value)
