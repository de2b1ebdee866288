"""Files that people or programs wrote, by kind, for the measurements of the detector; and the rules
of other systems.

In: folders. Out: texts of 1,000 to 20,000 characters (long documents: to 400,000), each once, in an
order that depends on their paths alone. One half of all paths (by a hash) is for setting limits,
the other half is held out.
"""

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recurrence.repetition.published import whisper_zlib

ENDINGS: dict[str, frozenset[str]] = {
    "prose": frozenset({".txt", ".rst", "", ".gz"}),
    "code": frozenset({".py", ".js", ".ts", ".c", ".h", ".cpp", ".rs", ".go", ".java", ".pm"}),
    "json": frozenset({".json"}),
    "yaml": frozenset({".yaml", ".yml"}),
    "markdown": frozenset({".md", ".markdown"}),
    "table": frozenset({".csv", ".tsv", ".tab"}),
    "log": frozenset({".log"}),
    "long": frozenset({".txt", ".rst", "", ".gz", ".md"}),
}
"""Kinds, and how their files are named; of files without an ending only documents of packages
count.
"""
SIZES = {"long": (20_000, 400_000)}
USUAL = 1_000, 20_000
_DOCUMENTS = re.compile(r"readme|news|copying|install|changes|todo|authors|faq|copyright", re.I)


def texts(
    folders: Sequence[str], kind: str, most: int, held_out: bool
) -> Iterator[tuple[Path, str]]:
    """At most so many files of a kind, and what is written there."""
    low, high = SIZES.get(kind, USUAL)
    found = [path for folder in folders for path in _files(Path(folder), kind)]
    known: set[bytes] = set()
    for digest, path in sorted((hashlib.sha1(str(path).encode()).digest(), path) for path in found):
        if (digest[0] % 2 == 1) != held_out:
            continue
        text = _read(path)
        if text is None or not low <= len(text) <= high:
            continue
        content = hashlib.sha1(text.encode("utf-8", "surrogatepass")).digest()
        if content in known:
            continue
        known.add(content)
        yield path, text
        if len(known) == most:
            return


def _files(folder: Path, kind: str) -> Iterator[Path]:
    for path in folder.rglob("*"):
        suffix = path.suffix.lower()
        if suffix in ENDINGS[kind] and not path.is_symlink() and path.is_file():
            named = suffix not in ("", ".gz") or _DOCUMENTS.search(path.name)
            if named and path.stat().st_size <= 500_000:
                yield path


def _read(path: Path) -> str | None:
    """The text of a file in UTF-8; None where it is none."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = data.decode()
    except (OSError, EOFError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text.replace("\r\n", "\n")


# ---------------------------------------------------------------- the rules of other systems


def gemini_cli(text: str) -> bool:
    """Gemini CLI: a chunk of 50 characters ten times, 75 apart on average, in the last 1,000
    characters.

    Its stream is taken line by line; fences, tables, lists, headings and quotes begin anew, code is
    not looked at (google-gemini/gemini-cli, loopDetectionService.ts).
    """
    history = ""
    seen: dict[str, list[int]] = {}
    fenced, gone, at = False, 0, 0
    for line in text.splitlines(keepends=True):
        fence = line.count("```")
        if fence or _ANEW.search(line):
            history, seen, gone, at = "", {}, 0, 0
        was, fenced = fenced, fenced ^ (fence % 2 == 1)
        if was or fenced:
            continue
        history += line
        if len(history) > 1000:
            gone += len(history) - 1000
            history = history[-1000:]
            at = max(at, gone)
        while at + 50 <= gone + len(history):
            places = seen.setdefault(history[at - gone : at - gone + 50], [])
            places.append(at)
            recent = [place for place in places[-10:] if place >= gone]
            if len(recent) == 10 and recent[-1] - recent[0] <= 9 * 75:
                return True
            at += 1
    return False


_ANEW = re.compile(r"^\s*(?:\|.*\||[|+-]{3,}|[*+-]\s|\d+\.\s|#+\s|>\s)|^[+\-_=*\u2500-\u257f]+$")


def vllm(text: str) -> bool:
    """vLLM's repetition_detection (20 / 1 / 3) asked after every token; words and signs stand for
    tokens (vLLM #35451).
    """
    words = re.findall(r"\w+|[^\w\s]", text)
    known: dict[str, int] = {}
    ids = np.array([known.setdefault(word, len(known)) for word in words])
    for period in range(1, min(20, len(ids) // 3) + 1):
        breaks = np.flatnonzero(ids[period:] != ids[:-period])
        longest = np.diff(breaks, prepend=-1, append=len(ids) - period).max() - 1
        if longest >= 2 * period:
            return True
    return False


def whisper(text: str) -> bool:
    """Whisper's compression ratio above 2.4 (openai/whisper, utils.py)."""
    return whisper_zlib(text)


def gopher(text: str) -> bool:
    """Gopher's repetition rules (Rae et al. 2021, table A1): repeated lines, paragraphs, and
    n-grams of words.
    """
    for parts in (text.split("\n"), re.split(r"\n{2,}", text.strip())):
        parts = [part.strip() for part in parts if part.strip()]
        counts = Counter(parts)
        again = [part for part, count in counts.items() for _ in range(count - 1)]
        if len(again) > 0.3 * len(parts) or sum(map(len, again)) > 0.2 * len(text):
            return True
    words = text.split()
    characters = max(sum(map(len, words)), 1)
    for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16)):
        grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        if grams:
            gram, count = max(grams.items(), key=lambda item: item[1] * sum(map(len, item[0])))
            if count > 1 and count * sum(map(len, gram)) > limit * characters:
                return True
    for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1)):
        known: set[tuple[str, ...]] = set()
        repeated = i = 0
        while i + n <= len(words):
            gram = tuple(words[i : i + n])
            if gram in known:
                repeated += sum(map(len, gram))
                i += n
            else:
                known.add(gram)
                i += 1
        if repeated > limit * characters:
            return True
    return False


PEERS = {"gemini-cli": gemini_cli, "vllm": vllm, "whisper": whisper, "gopher": gopher}
