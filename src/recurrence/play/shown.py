"""A moment of a text as HTML: its text with the loop shaded copy by copy, the next-token bars, and
a line of figures.
"""

from collections.abc import Iterator
from html import escape

from recurrence.play.writing import Bar, Loop, Moment
from recurrence.results.units import noun
from recurrence.vocab import Vocab


def text(prompt: str, moment: Moment, vocab: Vocab) -> str:
    """Prompt and text; copies of the loop's unit alternate between two shades."""
    between = " " if vocab.unit == "word" else ""
    pieces = [f'<span class="prompt">{_visible(prompt)}</span>']
    for ids, copy in _pieces(moment.ids, moment.loop):
        words = _visible(vocab.decode(ids))
        shade = "" if copy is None else f' class="{"odd" if copy % 2 else "even"}"'
        pieces.append(words if copy is None else f"<mark{shade}>{words}</mark>")
    return f'<div class="text"><div>{between.join(pieces)}</div></div>'


def _pieces(
    ids: tuple[int, ...], loop: Loop | None
) -> Iterator[tuple[tuple[int, ...], int | None]]:
    """Runs of tokens, and which copy of the loop's unit each is; None: of none."""
    if loop is None:
        cuts: list[tuple[int, int, int | None]] = [(0, len(ids), None)]
    else:
        cuts = [(0, loop.start, None)]
        for copy, at in enumerate(range(loop.start, loop.end, loop.period)):
            cuts.append((at, min(at + loop.period, loop.end), copy))
        cuts.append((loop.end, len(ids), None))
    for first, last, which in cuts:
        if last > first:
            yield ids[first:last], which


def bars(moment: Moment, vocab: Vocab) -> str:
    """A row per token: its probability after the filters as a bar, before them as a line across
    it.
    """
    if not moment.bars:
        return (
            '<p class="quiet">A search weighs whole texts; it has no next-token probabilities.</p>'
        )
    chosen = moment.ids[-1]
    rows = "".join(_row(bar, vocab, bar.token == chosen) for bar in moment.bars)
    caption = "Chosen from: after the filters (bar), before (line)"
    return f'<table class="bars"><caption>{caption}</caption>{rows}</table>'


def _row(bar: Bar, vocab: Vocab, chosen: bool) -> str:
    mark = ' class="chosen"' if chosen else ""
    token = escape(repr(vocab.decode([bar.token]))[1:-1]).replace(" ", "␣") or "∅"
    drawn = (
        f'<i style="width:{100 * bar.after:.1f}%"></i><b style="left:{100 * bar.before:.1f}%"></b>'
    )
    return (
        f"<tr{mark}><th>{token}</th><td class='track'>{drawn}</td>"
        f"<td>{_percent(bar.after)}</td><td class='quiet'>{_percent(bar.before)}</td></tr>"
    )


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def figures(moment: Moment, vocab: Vocab, reference: str | None) -> str:
    """How long the text is, its loop, and nats per token under the reference model."""
    token = noun(vocab.unit)
    count = len(moment.ids)
    parts = [f"{count} {token}{'' if count == 1 else 's'}"]
    if moment.reference_nats is not None:
        parts.append(f"{moment.reference_nats:.3f} nats per {token} under {reference}")
    if moment.loop:
        where = f"loops from {token} {moment.loop.start + 1} on, period {moment.loop.period}"
        parts.append(f"<strong>{where}</strong>")
    if moment.stopped:
        parts.append("stopped")
    return f'<p class="figures">{" · ".join(parts)}</p>'


def refused(reason: str) -> str:
    """Why there is no text."""
    return f'<p class="refused" role="alert">{escape(reason)}</p>'


def _visible(words: str) -> str:
    """Escaped, with control characters but tab and newline as their pictures."""
    shown = "".join(chr(0x2400 + ord(c)) if ord(c) < 32 and c not in "\t\n" else c for c in words)
    return escape(shown)
