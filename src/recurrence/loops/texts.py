"""The verdict on a text of any kind: does it loop, since when, with what unit; or is it rows that
each bring news.

exact: copies that are equal. near: copies that differ a little, or from which nothing new comes.
progression: copies that differ in what is counted up. template: copies that each bring news, as
rows and records do; no loop. recycling: phrases used again in no order; no loop. The largest loop
is the verdict, however exact a smaller one inside it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recurrence.errors import RecurrenceError, nearest
from recurrence.loops.exact.runs import Run, find_run, find_runs, nested_run
from recurrence.loops.fill import is_blank, is_fill
from recurrence.loops.fingerprints import Ints
from recurrence.loops.folding import HEAVY, dense, fold_characters
from recurrence.loops.kinds import DATA, KINDS, Kind, kind_of
from recurrence.loops.limits import Limits, floor_of, limits_of
from recurrence.loops.recycling import reuse
from recurrence.loops.structure import Candidate, Structure, structures
from recurrence.loops.verdict import DETECTORS, Verdict, smallest_rotation
from recurrence.loops.verdict import Kind as VerdictKind
from recurrence.loops.verdict import judge as judge_exact

_LARGER = 1.1, 8
"""A loop that is no exact one is the verdict if its evidence is so many times that of the exact
one, and some more.
"""
_RATHER = 2.0
"""So many times the evidence of one with little news has one with more, to be the verdict."""
_FEW = 2.6, 3
"""Of so few copies the evidence counts a part: people paste things twice."""
_SIGNS = 10
"""Inside a text what has no letters counts a part: people write rows of numbers and signs."""
_WITHIN, _ROWS = 50, 4
"""Within one row of plain cells it counts so much less; of whole rows this much less."""
_LEAST = 28
"""Less evidence is not looked at."""
_FILL, _MUCH_FILL, _BLANK = 100, 1500, 300
"""Least evidence of fill at the end of a text, where a text still grows, and of blanks anywhere."""
_REST = 50
"""A loop goes on to the end if no more follows it than one period, or one in so many of its
tokens.
"""
_WORDS = 0.08
"""Least share of words in a progression: else it is counting that was asked for."""
_DRAWN = 0.4
"""Values per copy that come again in no order, from which on a progression is a near loop."""
_UNEDITED = 0.85
"""Copies with more edits than that have them in their numbers, too."""
_APART = 400
"""Characters to a slot that is counted up, at most: fewer make no progression of what is equal
otherwise.
"""
_WORD = 6
"""Characters of a word, with its blank."""
_WORDS_OF = re.compile(r"\S+")
_REUSED, _MAY_REUSE = 0.35, 0.2
"""Recycling: the share of eight characters in a row that stood before, in a thousand of them."""


@dataclass(frozen=True)
class TextDetector:
    """The rules for texts, each with its default."""

    kind: Kind | None = None
    """The kind of all texts; None: told from each."""
    floor: int | None = None
    """Least evidence of any loop, in characters; None: by the kind of text and its length
    (limits.py).
    """
    identity: float | None = None
    """The least share of a near loop that stood before; None: 0.5 where copies come in order, else
    0.9.
    """
    min_coverage: float = 0.0
    """The least share of a text that a loop must have."""
    to_end: bool = False
    """Only loops that go on to the end."""
    exact_only: bool = False
    """Only exact loops, and no template or recycling."""
    growing: bool = False
    """The text is not over yet: to its end a loop needs as much evidence as inside a text."""

    def judge(self, text: str) -> Verdict:
        """The verdict on one text."""
        return self.judge_all([text])[0]

    def judge_all(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each text."""
        codes = [characters(text) for text in texts]
        runs = _runs(codes)
        nothing = [Structure([], 0.0)] * len(codes)
        found = nothing if self.exact_only else structures(codes, texts)
        return [self._judged(*each) for each in zip(texts, codes, runs, found, strict=True)]

    def judge_words(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each text, whose positions and lengths count words; `floor` does as
        well.
        """
        asked = self if self.floor is None else replace(self, floor=self.floor * _WORD)
        found = asked.judge_all(texts)
        return [in_words(verdict, text) for verdict, text in zip(found, texts, strict=True)]

    def _judged(self, text: str, codes: Ints, run: Run | None, found: Structure) -> Verdict:
        if not run and not found.candidates and found.reused < _MAY_REUSE:
            return Verdict("none", len(codes))
        kind = self.kind or kind_of(text)
        sample = _Sample(self, text, codes, kind, limits_of(kind))
        exact = sample.exact(run) if run else None
        loops: list[tuple[float, Verdict]] = []
        template = False
        for each in found.candidates:
            verdict = sample.verdict(each)
            if verdict and verdict.kind != "template":
                loops.append((each.level, verdict))
            template = template or verdict is not None and verdict.kind == "template"
        near = _largest(loops)
        if exact and not (near and _evidence(near) > _LARGER[0] * _evidence(exact) + _LARGER[1]):
            return exact
        if near:
            return near
        if template:
            return Verdict("template", len(codes))
        recycles = kind not in DATA and found.reused >= _MAY_REUSE and _recycles(codes)
        return Verdict("recycling" if recycles else "none", len(codes))


@dataclass(frozen=True)
class _Sample:
    """A text and the limits for its kind."""

    asked: TextDetector
    text: str
    codes: Ints
    kind: Kind
    limits: Limits

    def exact(self, run: Run) -> Verdict | None:
        """The verdict on an exact run, if it is one."""
        unit = self.text[run.start : run.start + run.period]
        ends = self._ends(run.end, run.period, run.matched)
        over = ends and not self.asked.growing
        weight = self._weight(run.first_repeat, run.end)
        if run.copies < _FEW[0]:
            weight /= _FEW[1] if not self._cells else _SIGNS
        if self._cells:
            weight /= _WITHIN if "\n" not in unit else _ROWS
        if not ends and not any(map(str.isalpha, unit)):
            weight /= 1 if is_blank(unit) else _SIGNS
        if is_fill(unit):
            enough = weight >= (_FILL if over else _MUCH_FILL) and ends
            enough = enough or is_blank(unit) and weight >= _BLANK
        else:
            least = self.limits.exact_end if over else self.limits.exact_inside
            enough = weight >= self._floor(least)
        if not enough:
            return None
        verdict = _exact(self.codes, run, ends)
        return verdict if self._wanted(verdict) else None

    def verdict(self, each: Candidate) -> Verdict | None:
        """The verdict on a candidate, if it is a loop or a template."""
        if each.weight < _LEAST:
            return None
        if run := self._exact_part(each):
            return self.exact(run)
        kind: VerdictKind = "template"
        if not self._rows(each):
            if not self._enough(each):
                return None
            kind = self._kind(each)
            if kind == "near" and not self._enough(each, edited=self._edited(each)):
                return None
            if kind != "template" and (inner := self._within(each)):
                return inner.verdict(each)
        ends = self._ends(each.end, each.period, each.matched)
        verdict = _near(kind, self.codes, each, ends)
        return verdict if kind == "template" or self._wanted(verdict) else None

    def _enough(self, each: Candidate, edited: bool = True) -> bool:
        """Whether there is evidence enough, whatever the copies differ in; `edited`: or nothing but
        edits.
        """
        limits = self.limits
        over = self._ends(each.end, each.period, each.matched) and not self.asked.growing
        if edited:
            least = limits.plain_end if over else limits.plain_inside
        else:
            least = limits.near_end if over else limits.near_inside
        identity = limits.identity if each.steady >= limits.steady else limits.unsteady
        if self.asked.identity is not None:
            identity = self.asked.identity
        if (
            each.copies < limits.copies
            or each.weight < self._floor(least)
            or each.identity < identity
        ):
            return False
        return not is_fill(self.text[each.start : each.start + each.period])

    def _edited(self, each: Candidate) -> bool:
        """Whether its copies agree in all of the unit, but for edits."""
        found, limits = each.differences, self.limits
        if found is None or each.copies < limits.copies or each.identity < limits.edited:
            return False
        return found.slots <= limits.slots * (1 - each.identity) and found.fixed <= limits.fixed

    def _within(self, each: Candidate) -> "_Sample | None":
        """The same sample as its part is judged that a candidate is, if that is of a kind with
        stricter limits.
        """
        if self.asked.kind or self.kind in DATA:
            return None
        middle = (each.start + each.end) // 2
        kind = kind_of(self.text[max(each.start, middle - 5_000) : min(each.end, middle + 5_000)])
        return replace(self, kind=kind, limits=limits_of(kind)) if kind in DATA else None

    def _rows(self, each: Candidate) -> bool:
        """Whether it is rows of data, by how many there are alone."""
        rows = self.kind == "log" or self._cells
        return rows and each.weight >= self.limits.plain_end and each.copies >= 3

    @property
    def _cells(self) -> bool:
        """Whether it is a table of plain cells, as programs write them, and no drawn one."""
        return self.kind == "table" and 2 * self.text.count("|") < self.text.count("\n")

    def _kind(self, each: Candidate) -> VerdictKind:
        limits, slots = self.limits, each.slots
        if self._edited(each):
            numbers = slots.numbers >= _DRAWN or slots.news_numbers >= limits.news
            if slots.letters < _WORDS or numbers and each.identity >= _UNEDITED:
                return "template"
            return "progression" if slots.counted * _APART >= each.period else "near"
        if each.differences is not None:
            return "template"
        if slots.novelty >= limits.novelty or slots.news >= limits.news:
            return "template"
        if slots.varied >= limits.varied or slots.numbers >= _DRAWN or slots.letters < _WORDS:
            return "template"
        if slots.counted * _APART >= each.period and slots.varied < _DRAWN:
            return "progression"
        return "near"

    def _exact_part(self, each: Candidate) -> Run | None:
        """The exact run that a candidate really is, if it is one."""
        if each.identity < 0.95:
            return None
        part = self.codes[each.start : each.end]
        same = np.count_nonzero(part[each.period :] == part[: -each.period])
        if same < 0.8 * each.matched:
            return None
        run = find_run(part, 12 if each.matched < 40 else 40)
        if not run or run.matched < 0.9 * each.matched:
            return None
        return Run(each.start + run.start, run.period, each.start + run.end)

    def _floor(self, least: float) -> float:
        asked = self.asked.floor
        return floor_of(least, len(self.codes)) if asked is None else asked

    def _ends(self, end: int, period: int, matched: int) -> bool:
        rest = len(self.text) - end
        return rest <= max(period, matched // _REST) or not self.text[end:].strip()

    def _weight(self, start: int, end: int) -> float:
        part = self.codes[start:end]
        return len(part) + (HEAVY - 1) * float(np.count_nonzero(dense(part)))

    def _wanted(self, verdict: Verdict) -> bool:
        assert verdict.coverage is not None
        if self.asked.to_end and not verdict.terminal:
            return False
        return verdict.coverage >= self.asked.min_coverage


def _recycles(codes: Ints) -> bool:
    """Whether much of some stretch stood before in it; fill aside, and with some length to say
    so.
    """
    folded, kept = fold_characters(codes)
    left = codes[kept | (folded == ord("0"))]
    return len(left) >= 500 and reuse(left, 8, 1000) > _REUSED


def judge(
    sample: str | ArrayLike, floor: int | None = None, unknown: int | None = None, **options: Any
) -> Verdict:
    """The verdict on one text, by the rules for its kind (`options` are those of TextDetector), or
    on token ids.

    Of ids with a `floor`, by the exact rule alone; `unknown` is an id that repeats nothing (<unk>,
    padding).
    """
    if isinstance(sample, str):
        return _detector(floor=floor, **options).judge(sample)
    if isinstance(sample, bytes | Mapping) or sample is None:
        raise RecurrenceError(
            f"judge takes a text or the ids of tokens, got {type(sample).__name__}: {sample!r:.60}"
        )
    if floor is not None:
        return judge_exact(sample, floor, unknown)
    return replace(DETECTORS["token"], unknown=unknown).judge(sample)


def judge_many(texts: Iterable[str], **options: Any) -> list[Verdict]:
    """The verdict on each of many texts; a column of a table of pandas will do.

    RecurrenceError names the first that is no text; loops/batches.py takes columns in which some
    are missing.
    """
    if isinstance(texts, str):
        raise RecurrenceError("judge_many takes several texts, got one; for that there is judge")
    several = list(texts)
    for place, text in enumerate(several):
        if not isinstance(text, str):
            raise RecurrenceError(f"judge_many: text {place} must be a str, got {text!r:.60}")
    return _detector(**options).judge_all(several)


def _detector(**options: Any) -> TextDetector:
    """The detector with these options. RecurrenceError names one that there is not."""
    known = [field.name for field in fields(TextDetector)]
    if unknown := sorted(set(options) - set(known)):
        raise RecurrenceError(f"{unknown[0]}: no such option; {nearest(unknown[0], known)}")
    kind = options.get("kind")
    if kind is not None and kind not in KINDS:
        raise RecurrenceError(f"kind: {kind!r} is none; {nearest(str(kind), KINDS)}")
    return TextDetector(**options)


def in_words(verdict: Verdict, text: str) -> Verdict:
    """The same verdict, counted in words, which white space parts."""
    starts = np.array([match.start() for match in _WORDS_OF.finditer(text)], np.int64)
    words = replace(verdict, length=len(starts), unit=None, attractor=None)
    if verdict.start is None or not verdict.length:
        return words
    assert verdict.period is not None and verdict.copies is not None
    end = verdict.start + round(verdict.period * verdict.copies)
    first, last = np.searchsorted(starts, [verdict.start, end]).tolist()
    period = max(round((last - first) / verdict.copies), 1)
    matched = last - first - period
    if verdict.kind != "exact":
        matched = round(matched * (verdict.identity or 0))
    return replace(
        words,
        start=first,
        period=period,
        copies=(last - first) / period,
        matched=matched,
        coverage=matched / len(starts),
        nested_start=None,
        nested_period=None,
        nested_matched=None,
    )


def characters(text: str) -> Ints:
    """Code points, as narrow as they go; a lone surrogate is a character like any."""
    for encoding, kind in (("latin-1", "<u1"), ("utf-16-le", "<u2"), ("utf-32-le", "<u4")):
        try:
            codes = np.frombuffer(text.encode(encoding, "surrogatepass"), kind)
        except UnicodeEncodeError:
            continue
        if len(codes) == len(text):
            return codes
    raise AssertionError("unreachable: UTF-32 has one number per character")


def _runs(codes: Sequence[Ints]) -> list[Run | None]:
    """The best exact run of each text; in dense scripts shorter ones as well."""
    found: list[Run | None] = [None] * len(codes)
    narrow = [i for i, each in enumerate(codes) if not _is_dense(each)]
    wide = [i for i, each in enumerate(codes) if _is_dense(each)]
    for chosen, least in ((narrow, 40), (wide, 16)):
        runs = find_runs([codes[i] for i in chosen], least)
        for i, run in zip(chosen, runs, strict=True):
            found[i] = run
    return found


def _is_dense(codes: Ints) -> bool:
    return codes.dtype != np.uint8 and bool(dense(codes).any())


def _largest(loops: list[tuple[float, Verdict]]) -> Verdict | None:
    """Of the loops that were found the one with the most gain; one at steady lags alone only if it
    is far larger.
    """
    best = next((verdict for level, verdict in loops if level > 0.5), None)
    steady = max((v for level, v in loops if level == 0.5), key=_evidence, default=None)
    if steady and (best is None or _evidence(steady) > _RATHER * _evidence(best)):
        return steady
    return best


def _evidence(verdict: Verdict) -> int:
    assert verdict.matched is not None
    return verdict.matched


def _exact(codes: Ints, run: Run, ends: bool) -> Verdict:
    inner = nested_run(codes, run, 40)
    unit = tuple(codes[run.start : run.start + run.period].tolist())
    return Verdict(
        kind="exact",
        length=len(codes),
        start=run.start,
        period=run.period,
        copies=run.copies,
        matched=run.matched,
        coverage=run.matched / len(codes),
        terminal=ends,
        identity=1.0,
        nested_start=inner.start if inner else None,
        nested_period=inner.period if inner else None,
        nested_matched=inner.matched if inner else None,
        unit=unit,
        attractor=smallest_rotation(unit),
    )


def _near(kind: VerdictKind, codes: Ints, each: Candidate, ends: bool) -> Verdict:
    unit = tuple(codes[each.start : each.start + each.period].tolist())
    return Verdict(
        kind=kind,
        length=len(codes),
        start=each.start,
        period=each.period,
        copies=each.copies,
        matched=each.matched,
        coverage=each.matched / len(codes),
        terminal=ends,
        identity=each.identity,
        unit=unit,
        attractor=smallest_rotation(unit),
        novelty=each.slots.novelty,
    )
