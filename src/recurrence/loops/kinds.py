"""Kinds of text: prose, code, json, table, markdown, log, chat, reasoning, ocr; told from the text
itself.

In: a text. Out: the kind, by shares of lines that look like one. What looks like none of them is
prose.
"""

import json
import re
from typing import Literal, get_args

Kind = Literal["prose", "code", "json", "table", "markdown", "log", "chat", "reasoning", "ocr"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DATA = frozenset({"code", "json", "table", "markdown", "log"})
"""Kinds in which people write rows that are alike."""

_LOOKED_AT = 20_000
"""Characters at the beginning, and as many at the end, by which a text is told."""
_REASONING = re.compile(
    r"<think|^(?:wait|hmm|hold on|let me|okay, so|alternatively)\b", re.I | re.M
)
_CHAT = re.compile(
    r"<\|(?:im_start|start|user|assistant|end)\|?|^\s*(?:user|bot|assistant|human|ai|q|a|system)\s*\d*:",
    re.I | re.M,
)
_TIMED = re.compile(r"\d:\d\d[:.,\d]*\s*-+>\s*\d")
_LOG = re.compile(
    r"^\W{0,2}(?:\d\d\.\d\d \d\d:\d\d|\d{4}[-/.]\d\d[-/.]\d\d|\w{3} +\d{1,2} \d\d:|\d\d[-/]\d\d[-/ ]\d\d|\d{6,10}[ .,]|"
    r"\d{1,2}:\d\d:\d\d|\w{3} \w{3} +\d+ \d\d:)|\b(?:INFO|WARN(?:ING)?|ERROR|DEBUG|TRACE|FATAL)\b|\b\d{1,3}%\s*$"
)
_STAMPED = re.compile(r"^\W{0,2}\d{4}[-/.]?\d\d[-/.]?\d\d[ T-]\d{1,2}:\d\d:\d")
"""A line that begins with a date and a time is one of a log, cells or not."""
_MARKED = re.compile(
    r"^\s{0,3}(?:#{1,6} |[-*+] |\d+[.)] |> |```|~~~|\|.*\|\s*$|!?\[.*\]\(.*\)|\*\*)|\]\("
)
_CODE = re.compile(
    r"[;{}]\s*(?://.*)?$|^\s*(?:def|class|import|from|return|if|elif|else|for|while|try|except|with|"
    r"function|const|let|var|export|public|private|static|fn|func|package|use|#include|#define|end|then|fi|"
    r"done|local|echo|type|interface|async|await|yield|raise|assert|print|self)\b.*[:({;=.,)\]]?$|"
    r"^\s*[\w.\[\]'\"]+\s*(?:[-+*/|&]?=|:=|\+=)\s*\S|\w\(.*\)\s*[;,)]?$|^\s*@\w+|^\s*</?\w+[^>]*>|"
    r"^\s*(?:#|//|/\*|\*|--)|^\s*u?['\"].*['\"]\W*(?:#.*)?$|^\s*(?:CREATE|SELECT|INSERT|RETURNS|LANGUAGE|OUT|AS)\b|"
    r"^\s*[)\]}]+[,;]*$|^\s*[\w.-]+:(?: \S.*)?$|^\s*- [\w.-]+:|^\s+- \S+$"
)
_DECLARED = re.compile(
    r"^\s*(?:def \w+\(|class \w+.*[:{]$|from [\w.]+ import \w|import [\w.{]+.*$|#include|return\b.*[;)\w]$|"
    r"(?:export |public |private |static )*(?:function|const|let|var|fn|func|void|int) \w+)"
)
_JSON = re.compile(
    r'^\s*(?:"[^"]*"\s*:|[\[{]\s*$|[\]}],?\s*$|[\[{]\s*"|(?:"[^"]*"|-?\d[\d.eE+-]*|true|false|null),?\s*$)'
)
_MARKS = [re.compile(mark) for mark in (r",(?! )", r"\t", r";(?! )", r"(?<!<)\|(?!>)")]
"""What parts cells. A comma before a blank parts a sentence."""


def kind_of(text: str) -> Kind:
    """The kind of a text."""
    part = text if len(text) <= 2 * _LOOKED_AT else text[:_LOOKED_AT] + text[-_LOOKED_AT:]
    lines = [line for line in part.splitlines() if line.strip()]
    if not lines:
        return "prose"
    return _of_records(part, lines) or _of_writing(part, lines)


def _of_records(part: str, lines: list[str]) -> Kind | None:
    if _looks_like_json(part, lines):
        return "json"
    if _share(_TIMED, lines) > 0.15:
        return "ocr"
    if _REASONING.search(part[:2000]):
        return "reasoning"
    if part.count("<|") > 2 or _share(_CHAT, lines) > 0.2:
        return "chat"
    return _rows_of(lines)


def _of_writing(part: str, lines: list[str]) -> Kind:
    marked, coded = _share(_MARKED, lines), _share(_CODE, lines)
    declared = sum(_DECLARED.search(line) is not None for line in lines)
    if coded > 0.5 and coded > marked or declared >= max(4, len(lines) // 20) and "```" not in part:
        return "code"
    if marked > 0.15 or "```" in part:
        return "markdown"
    return "prose"


def _looks_like_json(part: str, lines: list[str]) -> bool:
    if part.lstrip()[:1] not in ("{", "["):
        return False
    if len(lines) > 2:
        return _share(_JSON, lines) > 0.6
    try:
        json.loads(part)
    except (ValueError, RecursionError):  # brackets without end nest too deeply
        return part.count('":') >= 3
    return True


def _rows_of(lines: list[str]) -> Kind | None:
    """Whether most lines are those of a log, or rows of a table."""
    if _share(_STAMPED, lines) > 0.8 and len(lines) >= 3 and "," not in lines[0]:
        return "log"
    if _tabular(lines):
        return "table"
    if _share(_LOG, lines) > 0.5 and len(lines) >= 3:
        return "log"
    return None


def _tabular(lines: list[str]) -> bool:
    """Whether most lines have the same cells: as many as another one, three or more."""
    if len(lines) < 4:
        return False
    for mark in _MARKS:
        counts = [len(mark.findall(line)) for line in lines]
        usual = max(set(counts), key=counts.count)
        if usual >= 2 and counts.count(usual) > 0.7 * len(lines):
            return True
    return False


def _share(pattern: re.Pattern[str], lines: list[str]) -> float:
    return sum(pattern.search(line) is not None for line in lines) / len(lines)
