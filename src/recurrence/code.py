"""Which code a piece of code reads: the files that it imports, directly or not, and a digest of
their text.

In comes the package's folder and a module to begin with; nothing is imported or run. Most modules
are read whole. Those of THIN packages are read by single definitions, so that one more filter is
nothing to whoever does not use it: a registry (a dict literal of one of the names in `chosen`) is
read only as far as its chosen entries. Of Python, comments and docstrings are left out: they change
no result.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeGuard

THIN = frozenset({"decoding", "corpora"})
"""Packages of which definitions are read, not files."""
EXEMPT = frozenset(
    {
        "params",
        "wording",
        "paths",
        "errors",
        "files",
        "console",
        "escaping",
        "device",
        "graphs",
        "processes",
    }
    | {"checkout", "code", "digests", "machine"}
)
"""Modules that cannot change a result, but for defaults of params (see digests.py) and paths."""
DIGITS = 16

Registries = Mapping[str, Iterable[str]]
"""The entries that are used, by the name of the registry that they stand in."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Place = tuple[str, str | None]
"""A module, and a definition in it or None for the whole."""
References = tuple[set[str], dict[str, set[str]]]
"""Names that stand by themselves, and the attributes of others."""


@dataclass
class Read:
    """What was read: pieces of text by where they stand."""

    pieces: dict[tuple[str, str], str] = field(default_factory=dict)
    """By file (from the package's folder) and definition; an empty one is the whole file."""
    registries: set[str] = field(default_factory=set)
    """Those that were met, of the ones of which only some entries are used."""

    @property
    def files(self) -> set[str]:
        return {file for file, _ in self.pieces}

    @cached_property
    def digest(self) -> str:
        """Some hexadecimal digits that change when any of the text does."""
        text = repr(sorted(self.pieces.items())).encode()
        return hashlib.sha256(text).hexdigest()[:DIGITS]


class Text:
    """The text of a module, taken apart."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.lines = _without_words(text, self.tree)
        self._references: dict[int, References] = {}

    @cached_property
    def text(self) -> str:
        return b"".join(self.lines).decode()

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """The statements that give each name of the module a value."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in _defined(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def loose(self) -> list[ast.stmt]:
        """Statements that run for whoever imports anything of the module, and define nothing."""
        return [
            each
            for each in self.tree.body
            if not (
                _defined(each) or isinstance(each, ast.Import | ast.ImportFrom) or _is_idle(each)
            )
        ]

    @cached_property
    def imports(self) -> list[tuple[str, int, str, str | None]]:
        """Of each import: the name it gives, its dots, the module, and the name in it if one is."""
        found: list[tuple[str, int, str, str | None]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(each.asname or each.name, 0, each.name, None) for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                found += [
                    (each.asname or each.name, node.level, base, each.name) for each in node.names
                ]
        return found

    def statement(self, node: ast.stmt) -> str:
        """Its lines, with those of its decorators."""
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        return b"".join(self.lines[first - 1 : node.end_lineno]).decode()

    def expression(self, node: ast.expr) -> str:
        assert node.end_lineno is not None and node.end_col_offset is not None
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()

    def references(self, node: ast.AST) -> "References":
        """The names that stand in a piece by themselves, and those of which attributes do."""
        if id(node) not in self._references:
            self._references[id(node)] = _references(node)
        return self._references[id(node)]


@lru_cache(maxsize=1024)
def taken_apart(text: str) -> Text:
    """The same text, a file's or its copy's, is parsed once."""
    return Text(text)


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path

    @cached_property
    def source(self) -> Text:
        return taken_apart(self.path.read_text(encoding="utf-8"))

    @cached_property
    def is_thin(self) -> bool:
        return not THIN.isdisjoint(self.name.split(".")[1:2])

    @cached_property
    def imported(self) -> dict[str, Place]:
        """What each imported name stands for."""
        is_package = self.path.name == "__init__.py"
        here = self.name.split(".") if is_package else self.name.split(".")[:-1]
        found: dict[str, Place] = {}
        for name, dots, base, part in self.source.imports:
            start = here[: len(here) - dots + 1] if dots else []
            found[name] = ".".join([*start, *([base] if base else [])]), part
        return found


def _without_words(text: str, tree: ast.Module) -> list[bytes]:
    """The lines of a module, in bytes as its tree counts them; empty where only words stand."""
    written = list(io.StringIO(text))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            written[row - 1] = written[row - 1][:column].rstrip() + "\n"
    lines = [line.encode() for line in written]
    inside: set[int] = set()  # of a string that goes over lines: its blank lines are its own
    nodes = list(ast.walk(tree))
    words = {id(node.value) for node in nodes if _is_text(node)}
    for node in nodes:
        if _is_text(node):
            assert node.end_lineno is not None
            first, last = node.lineno - 1, node.end_lineno - 1
            kept = lines[first][: node.col_offset] + lines[last][node.end_col_offset :]
            lines[first : last + 1] = [kept] + [b""] * (last - first)
        elif isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in words:
            inside.update(range(node.lineno - 1, (node.end_lineno or node.lineno) - 1))
    return [line if number in inside or line.strip() else b"" for number, line in enumerate(lines)]


def _is_text(node: ast.AST) -> TypeGuard[ast.Expr]:
    """Whether it is a string that stands for itself: a docstring, of whatever is above it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _references(node: ast.AST) -> References:
    bare: set[str] = set()
    attributes: dict[str, set[str]] = {}
    inner: set[int] = set()
    for each in ast.walk(node):  # from the outside in: an attribute comes before what it is of
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            attributes.setdefault(each.value.id, set()).add(each.attr)
            inner.add(id(each.value))
        elif isinstance(each, ast.Name) and id(each) not in inner:
            bare.add(each.id)
    return bare, attributes


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, Definition):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    else:
        return []
    names = [node for target in targets for node in ast.walk(target)]
    return [node.id for node in names if isinstance(node, ast.Name) and node.id != "__all__"]


def _is_idle(statement: ast.stmt) -> bool:
    """Whether it does nothing: text, or the list of what a star would import."""
    if isinstance(statement, ast.Assign):
        return True  # of __all__ alone: others define something
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


class Code:
    """A package's source, read a module at a time, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, Module | None] = {}
        self.done: dict[Any, Read] = {}
        self.met: dict[Any, set[str]] = {}

    def read(self, modules: Iterable[str], chosen: Registries | None = None) -> Read:
        """All that these modules (names below the package) read; only `chosen` of the
        registries.
        """
        names = tuple(sorted(f"{self.folder.name}.{name}" for name in modules))
        used = {name: frozenset(entries) for name, entries in (chosen or {}).items()}
        met = self.met.setdefault(names, set())
        known = self.done.get((names, _only(used, met)))
        if known is None:
            known = _Reading(self, used).of(names)
            met |= known.registries
            self.done[names, _only(used, met)] = known
        return known

    def module(self, name: str) -> Module | None:
        """A module of the package by its full name; None for others and for what is exempt."""
        if name not in self.modules:
            self.modules[name] = self._find(name)
        return self.modules[name]

    def is_exempt(self, name: str) -> bool:
        head, *rest = name.split(".")
        return head == self.folder.name and bool(rest) and rest[0] in EXEMPT

    def _find(self, name: str) -> Module | None:
        head, *rest = name.split(".")
        if head != self.folder.name or self.is_exempt(name):
            return None
        place = self.folder.joinpath(*rest)
        for path in (place.with_suffix(".py") if rest else place, place / "__init__.py"):
            if path.is_file():
                return Module(name, path)
        return None


def _only(used: Mapping[str, frozenset[str]], registries: set[str]) -> Any:
    """What decides a reading that meets these registries, and no other."""
    return frozenset((name, entries) for name, entries in used.items() if name in registries)


class _Reading:
    """One walk from where it begins to the end of what is read."""

    def __init__(self, code: Code, chosen: Mapping[str, frozenset[str]]) -> None:
        self.code, self.chosen, self.read = code, chosen, Read()
        self.seen: set[Place] = set()

    def of(self, names: Iterable[str]) -> Read:
        """All that these modules read."""
        for name in names:
            self.whole(name)
        return self.read

    def whole(self, name: str) -> None:
        """A module as a whole, and what it imports."""
        module = self.code.module(name)
        if module is None or (name, None) in self.seen:
            return
        self.seen.add((name, None))
        if module.is_thin:
            for each in module.source.definitions:
                self.definition(module, each)
            self._loose(module)
            return
        self._piece(module, "", module.source.text)
        self._data(module)
        self._names(module, module.source.tree)

    def definition(self, module: Module, name: str) -> None:
        """What gives a name of a thin module its value, and what that refers to."""
        if (module.name, name) in self.seen:
            return
        self.seen.add((module.name, name))
        self._loose(module)
        for number, statement in enumerate(module.source.definitions[name]):
            entries = _entries(statement) if name in self.chosen else None
            if entries is None:
                self._piece(module, f"{name}{number or ''}", module.source.statement(statement))
                self._names(module, statement)
                continue
            self.read.registries.add(name)
            for key, value in zip(entries.keys, entries.values, strict=True):
                if key is None:
                    self._names(module, value)
                elif isinstance(key, ast.Constant) and key.value in self.chosen[name]:
                    self._piece(module, f"{name}.{key.value}", module.source.expression(value))
                    self._names(module, value)

    def _loose(self, module: Module) -> None:
        if (module.name, "") not in self.seen:
            self.seen.add((module.name, ""))
            for number, statement in enumerate(module.source.loose):
                self._piece(module, f"loose {number}", module.source.statement(statement))
                self._names(module, statement)

    def _names(self, module: Module, node: ast.AST) -> None:
        """Follow every name in a piece of a module that stands for something of the package."""
        bare, attributes = module.source.references(node)
        used = bare | attributes.keys()
        if module.is_thin:
            for name in used & module.source.definitions.keys():
                self.definition(module, name)
        for name, (base, part) in module.imported.items():
            if name in used or not module.is_thin:
                self._follow(base, part, None if name in bare else attributes.get(name, set()))

    def _follow(self, base: str, name: str | None, used: set[str] | None) -> None:
        """An imported thing; `used` are the attributes of it that are, None where it itself is."""
        part = f"{base}.{name}" if name else base
        if self.code.is_exempt(part):
            return
        module = self.code.module(part)
        if module is not None:
            if used is None or not module.is_thin:
                self.whole(part)
            else:
                for each in used:
                    self._follow(part, each, None)
            return
        holder = self.code.module(base)
        if holder is None or name is None:
            return
        if name in holder.imported and name not in holder.source.definitions:
            self._follow(*holder.imported[name], None)  # handed on, as by an __init__
        elif holder.is_thin and name in holder.source.definitions:
            self.definition(holder, name)
        else:
            self.whole(base)

    def _data(self, module: Module) -> None:
        """Files beside a module that it names, and those which these name."""
        beside = {
            path.name: path
            for path in module.path.parent.iterdir()
            if path.is_file() and path.suffix not in (".py", ".pyc", ".typed")
        }
        texts = [module.source.text]
        while texts:
            text = texts.pop()
            for name in [name for name in beside if name in text]:
                path = beside.pop(name)
                texts.append(path.read_text(encoding="utf-8"))
                self._add(path, "", texts[-1])

    def _piece(self, module: Module, name: str, text: str) -> None:
        self._add(module.path, name, text)

    def _add(self, path: Path, name: str, text: str) -> None:
        self.read.pieces[path.relative_to(self.code.folder).as_posix(), name] = text


def _entries(statement: ast.stmt) -> ast.Dict | None:
    """The dict literal that a statement assigns, if it does."""
    value = getattr(statement, "value", None)
    return value if isinstance(value, ast.Dict) else None
