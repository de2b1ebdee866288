"""JSON of any size -> its elements, one at a time: those of an array, or the one value that it
is.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_ENDS = _SPACE + ",]"
_UNFINISHED = 12
"""An error so near to the end of what was read may be for want of the rest: no escape or literal is
longer.
"""
_KEPT = 1 << 16
"""So many characters that were given out are kept, so that not every element copies the rest."""


class Elements:
    """Elements of a stream of text, as they come in. ValueError where it is no JSON, at that
    element.
    """

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = filter(None, chunks)
        self._buffer = ""
        self._at = 0
        """Where in the buffer the next element begins, or what is before it."""
        self._wanted = 1
        """Chunks to read at once: twice as many as before while an element does not end."""

    def text(self) -> str:
        """All of the stream, as long as nothing was given out."""
        return self._buffer + "".join(self._chunks)

    def is_array(self) -> bool:
        """Whether it begins as an array."""
        return self._sign(0)[0] == "["

    def first(self) -> Any:
        """The first element of an array, which is still to be given out. ValueError: there is none,
        or it is broken.
        """
        sign, at = self._sign(self._sign(0)[1] + 1)
        if sign in ("]", ""):
            raise ValueError("an array without elements")
        return self._element(at)[0]

    def __iter__(self) -> Iterator[Any]:
        """The elements of an array."""
        sign, at = self._sign(self._sign(0)[1] + 1)
        while sign != "]":
            element, self._at = self._element(at)
            yield element
            if self._at > _KEPT:
                self._buffer, self._at = self._buffer[self._at :], 0
            sign, at = self._sign(self._at)
            if sign == ",":
                sign, at = self._sign(at + 1)
            elif sign != "]":
                raise ValueError("the array goes on without a comma, or does not end")

    def _element(self, at: int) -> tuple[Any, int]:
        """The value that begins there, and where it ends."""
        while True:
            try:
                element, end = _DECODER.raw_decode(self._buffer, at)
                follows = self._buffer[end : end + 1]
                if (follows and follows in _ENDS) or not self._more():  # a number may go on
                    self._wanted = 1
                    return element, end
            except json.JSONDecodeError as error:
                near = error.pos >= len(self._buffer) - _UNFINISHED
                if not (near or error.msg.startswith("Unterminated string")) or not self._more():
                    raise
            except RecursionError as error:
                raise ValueError("nested too deeply") from error

    def _sign(self, at: int) -> tuple[str, int]:
        """The next character that is no white space, and its place; an empty one at the end."""
        while True:
            while at < len(self._buffer) and self._buffer[at] in _SPACE:
                at += 1
            if at < len(self._buffer):
                return self._buffer[at], at
            if not self._more():
                return "", at

    def _more(self) -> bool:
        """Read on; False at the end."""
        new = [next(self._chunks, "") for _ in range(self._wanted)]
        self._wanted *= 2
        self._buffer += "".join(new)
        return any(new)
