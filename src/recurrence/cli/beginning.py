"""What `recurrence add` writes: blocks of params.yaml for a text of one's own, and links to it from
texts/.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recurrence import files, params, paths
from recurrence.corpora import own, starting
from recurrence.corpora.addresses import local_path, shown
from recurrence.errors import RecurrenceError, command
from recurrence.params.editing import with_blocks
from recurrence.scan.places import PACKED

NAME = re.compile("[a-z][a-z0-9_]*")


def add_corpus(corpus: str, path: str, tokens: dict[str, Any], options: dict[str, Any]) -> None:
    """Write the blocks, and say what was seen and what comes next. Raises RecurrenceError before
    anything is written.

    `tokens` is the corpus's tokens block, `options` what its source has beside kind and addresses.
    """
    loaded = params.load()
    _check_name(corpus, loaded.corpora)
    text = files.read_text(paths.params())
    made, links, told = _planned(corpus, path, tokens, options)
    if "counted" not in loaded.recipes:
        made["recipes"] += "\ncounted: {}"
    new = with_blocks(text, made)
    params.parse(new)
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    files.write_text(paths.params(), new)
    print(f"{corpus}: {told}")
    if links:
        print(
            f"linked from {own.FOLDER}/: {len(links):,} files; what is put beside them later is "
            f"not linked by itself"
        )
    print(f"added to params.yaml: corpora.{corpus}, recipes.{corpus}, models.{corpus}-lstm,")
    print(f"  models.{corpus}-kneser_ney, sampling.{corpus}-lstm")
    print(f"next: {command('recurrence', 'repro', f'report@{corpus}')}")


def _check_name(corpus: str, known: Iterable[str]) -> None:
    if not NAME.fullmatch(corpus):
        raise RecurrenceError(
            f"CORPUS: must be a name of letters a-z, digits and _, beginning with a letter, got "
            f"{corpus!r}"
        )
    if corpus in known:
        raise RecurrenceError(
            f"params.yaml: corpora has {corpus!r} already; choose another name, or remove its "
            f"blocks"
        )


Planned = tuple[dict[str, str], dict[Path, Path], str]
"""Blocks by section, links to be made with what they lead to, and the text in words."""


def _planned(corpus: str, given: str, tokens: dict[str, Any], options: dict[str, Any]) -> Planned:
    """What there is to be written. Raises RecurrenceError where the text cannot be had or read."""
    rule = params.Tokens.model_validate(tokens)
    own.tokenizer_file(rule, paths.root())
    path = local_path(given)
    if path is None:
        source = {"kind": "files", "addresses": [given], **options}
        seen = starting.Look(starting.UNSEEN, starting.UNSEEN, 0, has_parts=False)
        told = f"{shown(given)}, which is read when it is downloaded"
        return _blocks(corpus, source, tokens, seen), {}, told
    path = Path(os.path.abspath(path))
    if not path.exists():
        raise RecurrenceError(f"{given}: no such file or folder; name what has the texts")
    source = {"kind": starting.kind_of(path), "addresses": [path.name], **options}
    with _told_of(given):
        seen = starting.look(params.Source.model_validate(source), path, rule)
    home = paths.root() / own.FOLDER
    links = {} if home in path.parents else _links(home / f"{corpus}{_suffix(path)}", path)
    place = home / f"{corpus}{_suffix(path)}" if links else path
    source["addresses"] = [place.relative_to(paths.root()).as_posix()]
    about = "" if seen.characters <= starting.LOOKED_AT else "about "
    told = f"{about}{seen.characters:,} characters, {about}{seen.tokens:,} tokens"
    return _blocks(corpus, source, tokens, seen), links, told


@contextmanager
def _told_of(given: str) -> Iterator[None]:
    """Within, what is wrong with the text is said of the path as it was given."""
    try:
        yield
    except RecurrenceError as error:
        asked = str(error).replace("Name it as source.field", "Name it with --field")
        asked = asked.replace("(source.field)", "(--field)").replace("source.field", "--field")
        raise RecurrenceError(f"{given}: {asked}") from error


def _blocks(
    corpus: str, source: dict[str, Any], tokens: dict[str, Any], seen: "starting.Look"
) -> dict[str, str]:
    few = "few" if "few" in params.load().strategy_sets else None
    return starting.blocks(corpus, source, tokens, seen, few)


def _suffix(path: Path) -> str:
    """That of a file, with what it is packed in: .jsonl.gz."""
    if path.is_dir():
        return ""
    packed = path.suffix.lower() in PACKED
    return (Path(path.stem).suffix if packed else "") + path.suffix


def _links(place: Path, path: Path) -> dict[Path, Path]:
    """A link for each file, since dvc does not look into linked folders. Raises RecurrenceError
    where one is there.
    """
    if place.is_symlink() or place.exists():
        raise RecurrenceError(
            f"{own.FOLDER}/{place.name}: is there already; name it as PATH, or move it away"
        )
    if path.is_file():
        return {place: path}
    inside = [
        each
        for each in sorted(path.rglob("[!.]*"))
        if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
    ]
    return {place / each.relative_to(path): each for each in inside}
