"""Texts by the terabyte: a block for datatrove's pipelines, on one machine, Slurm or Ray.

pipeline = [JsonlReader("texts/"), LoopFilter(exclusion_writer=JsonlWriter("looping/")),
JsonlWriter("kept/")] LocalPipelineExecutor(pipeline, tasks=64, workers=8).run()

Needs datatrove (extra `datatrove`).
"""

from collections.abc import Collection
from typing import Any

from recurrence.loops.texts import TextDetector
from recurrence.loops.verdict import LOOPS, Verdict

try:
    from datatrove.data import Document
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.pipeline.writers.disk_base import DiskWriter
except ImportError as error:
    raise ImportError(
        f"LoopFilter needs datatrove ({error}): pip install 'recurrence-lab[datatrove]'"
    ) from error

_SAID = ("start", "period", "copies", "coverage", "terminal")


class LoopFilter(BaseFilter):  # type: ignore[misc]
    """Drops documents that loop, and writes the verdict into the metadata of each.

    `kinds`: what is dropped, by default exact and near loops and progressions; an empty one drops
    nothing, so the block only annotates. `batch_size`: documents judged at once. `options` are
    those of TextDetector, such as `to_end=True`. Metadata: `loop_kind` of each document, and of
    those that loop `loop_start`, `loop_period` and so on.
    """

    name = "Loops"

    def __init__(
        self,
        kinds: Collection[str] = LOOPS,
        exclusion_writer: DiskWriter | None = None,
        batch_size: int = 64,
        **options: Any,
    ) -> None:
        super().__init__(exclusion_writer, batch_size)
        self.kinds = frozenset(kinds)
        self.detector = TextDetector(**options)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Whether a document is kept, else of what kind its loop is."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        """The same of several."""
        verdicts = self.detector.judge_all([doc.text for doc in batch])
        return [self._kept(doc, verdict) for doc, verdict in zip(batch, verdicts, strict=True)]

    def _kept(self, doc: Document, verdict: Verdict) -> bool | tuple[bool, str]:
        doc.metadata["loop_kind"] = verdict.kind
        if verdict.start is not None:
            doc.metadata |= {f"loop_{name}": getattr(verdict, name) for name in _SAID}
        return (False, verdict.kind) if verdict.kind in self.kinds else True
