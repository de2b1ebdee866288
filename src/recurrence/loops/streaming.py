"""Loops in a text while it comes, of every kind: exact, near, progressions; and what to do then.

In: chunks of text as any client gives them. Out: the same chunks, until the text loops; then the
verdict, and the text up to where the loop began.

The last 1,024 characters are judged every 128, the last 2,048 every 256, and so on up to the
window: so each character is looked at eight times per doubling, memory is the window, and a loop is
seen an eighth of the window that holds it after it has its evidence, which is less than two of its
copies. A text that is still growing goes on to its end whatever it does, so the floors of loops
inside a text hold (limits.py).
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from recurrence.loops.texts import TextDetector
from recurrence.loops.verdict import LOOPS, Verdict

Action = Literal["trim", "resample", "close"]

_SMALLEST, _PARTS = 1024, 8
"""Characters that are judged at once at least; and the part of them after which they are judged
anew.
"""
WINDOW = 1 << 14


class TextWatch:
    """Says of a growing text whether it loops by now.

    `window`: the most characters that are remembered; loops whose evidence is longer are not seen.
    `detector`: its options hold (kind, floor, identity, exact_only). ValueError if the window is
    too small for a loop.
    """

    def __init__(self, detector: TextDetector | None = None, window: int = WINDOW) -> None:
        if window < _SMALLEST:
            raise ValueError(f"window must be at least {_SMALLEST} characters, got {window}")
        self._detector = replace(detector or TextDetector(), growing=True, to_end=True)
        self._window = window
        self._last = ""
        self.told = 0
        """Characters so far."""
        self.verdict: Verdict | None = None
        """The loop, once there is one; what comes later is not looked at."""

    def feed(self, chunk: str) -> Verdict | None:
        """Tell what comes next; returns the loop, if the text has one by now."""
        step = _SMALLEST // _PARTS
        while chunk and self.verdict is None:
            size = step - self.told % step
            self._add(chunk[:size])
            chunk = chunk[size:]
            if self.told % step == 0:
                self.verdict = self._judged()
        if self.verdict is not None:
            self.told += len(chunk)
        return self.verdict

    def finish(self) -> Verdict | None:
        """Judge what is left, at the end of the text, as a text that has ended."""
        if self.verdict is None:
            self._detector = replace(self._detector, growing=False)
            self.verdict = self._loop(self._window)
        return self.verdict

    def _add(self, piece: str) -> None:
        self.told += len(piece)
        self._last += piece
        if len(self._last) > 2 * self._window:
            self._last = self._last[-self._window :]

    def _judged(self) -> Verdict | None:
        """The verdict by the windows whose turn it is; where one sees a loop, the largest says
        since when.
        """
        width = _SMALLEST
        while width <= self._window and self.told % (width // _PARTS) == 0:
            if self.told > width // 2 or width == _SMALLEST:
                found = self._loop(width)
                if found:
                    return self._loop(self._window) or found
            width *= 2
        return None

    def _loop(self, width: int) -> Verdict | None:
        part = self._last[-width:]
        found = self._detector.judge(part)
        if found.kind not in LOOPS:
            return None
        assert found.start is not None and found.matched is not None
        before = self.told - len(part)
        return replace(
            found,
            length=self.told,
            start=found.start + before,
            nested_start=None if found.nested_start is None else found.nested_start + before,
            coverage=found.matched / self.told,
        )


@dataclass
class Stream:
    """Chunks that pass through until they loop; iterate over it, then ask what came of it.

    A source with a method `close` (a generator, a response) is closed where the loop is seen.
    """

    chunks: Iterable[str]
    action: Action = "trim"
    closing: str = ""
    """With `close`: what is given out after the loop, an end of thinking or of the text."""
    again: Callable[[str, int], Iterable[str]] | None = None
    """With `resample`: called with the text up to the loop and how often it looped so far, gives
    chunks to go on with: from a hotter sampler, or one to which the repeating token is banned.
    """
    tries: int = 3
    """How often that is done, before the text ends at the loop."""
    detector: TextDetector | None = None
    window: int = WINDOW

    def __post_init__(self) -> None:
        if self.action not in ("trim", "resample", "close"):
            raise ValueError(f"action must be trim, resample or close, got {self.action!r}")
        if (self.again is not None) != (self.action == "resample"):
            raise ValueError("`again` goes with action resample, and resample needs it")
        self.verdict: Verdict | None = None
        """The last loop that was seen."""
        self.text = ""
        """What is left of the text: all of it, or up to the end of the loop's first copy."""
        self.received = 0
        """Characters that were received, loops included."""
        self.loops = 0

    def __iter__(self) -> Iterator[str]:
        chunks = self.chunks
        while True:
            looped = yield from self._until_loop(chunks)
            if not looped:
                return
            self.loops += 1
            if self.action == "close" and self.closing:
                self.text += self.closing
                yield self.closing
            if self.again is None or self.loops > self.tries:
                return
            chunks = self.again(self.text, self.loops)

    def saved(self, limit: int) -> int:
        """Characters that were not made, of a text that would have had `limit` of them."""
        return max(limit - self.received, 0) if self.verdict else 0

    def _until_loop(self, chunks: Iterable[str]) -> Generator[str, None, bool]:
        """Give the chunks out; returns whether they looped."""
        watch = TextWatch(self.detector, self.window)
        watch.feed(self.text)
        parts = [self.text]
        source = iter(chunks)
        for chunk in source:
            self.received += len(chunk)
            parts.append(chunk)
            yield chunk
            found = watch.feed(chunk)
            if found:
                self.verdict = found
                self.text = trimmed("".join(parts), found)
                if hasattr(source, "close"):
                    source.close()
                return True
        self.text = "".join(parts)
        return False


def stream(chunks: Iterable[str], **options: object) -> Stream:
    """The chunks of any client, watched for loops; `options` are those of `Stream`."""
    return Stream(chunks, **options)  # type: ignore[arg-type]


def trimmed(text: str, verdict: Verdict) -> str:
    """The text up to the end of the loop's first copy."""
    if verdict.start is None or verdict.period is None:
        return text
    return text[: verdict.start + verdict.period]
