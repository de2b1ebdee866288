"""dvc.lock with the entries of finished stages put in their places; the rest of the file is left as
it is.

For each finished stage dvc itself reads and writes the whole file through a YAML library in pure
Python: seconds, with hundreds of stages. Here the entry alone is made, by dvc's own functions, and
takes the place of the old one in the text; the file is the same, byte for byte. Text that dvc did
not lay out itself (comments, other sections) is left to dvc.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml

HEAD = "schema: '2.0'\nstages:\n"
ENTRY = re.compile(r"^  (?=\S)", re.MULTILINE)
UNCLEAR = re.compile(r"^(?!  |\Z)|(?:^|\s)#", re.MULTILINE)
"""A line that belongs to no stage; a comment."""
ANCHOR = re.compile(r"(?<=[:-] )([&*])id(\d+)(?= |$)", re.MULTILINE)
"""Where a value of the params occurs twice in an entry, dvc writes it once and refers to it,
numbered over the file.
"""

by_dvc = Lockfile.dump_stages


class Recorder:
    """Writes the entries of stages; those that the file did not have yet stand at its end, in the
    order of `plan`.
    """

    def __init__(self, plan: Iterable[str]) -> None:
        self.place = {name: number for number, name in enumerate(plan)}
        self.added: set[str] = set()

    def dump_stages(self, lockfile: Lockfile, stages: list[Any], **kwargs: Any) -> None:
        """What dvc's method of that name does; and no reader, nor a kill, meets half a file."""
        path = Path(lockfile.path)
        old = path.read_text(encoding="utf-8") if path.exists() else HEAD
        new: str | None = old
        for stage in stages:
            document = dumps_yaml({"schema": "2.0", "stages": to_lockfile(stage, **kwargs)})
            new = new and self.text_with(new, stage.name, document)
        if new is None:
            by_dvc(lockfile, stages, **kwargs)
        elif new != old:
            _replace(path, new)
            lockfile.repo.scm_context.track_file(lockfile.relpath)

    def text_with(self, text: str, name: str, document: str) -> str | None:
        """The text with a stage's entry, from a lock file of it alone, in its place; None where
        that is unclear.
        """
        known, fresh = entries(text), entries(document)
        if known is None or fresh is None or list(fresh) != [name]:
            return None
        if name not in known:
            self.added.add(name)
        known |= fresh
        late = sorted(
            self.added & known.keys(), key=lambda each: self.place.get(each, len(self.place))
        )
        early = [each for each in known if each not in self.added]
        try:
            return HEAD + numbered([known[each] for each in early + late])
        except KeyError:  # what an entry refers to stands in another
            return None


def _replace(path: Path, text: str) -> None:
    """Not forced to the disk, for which every stage might wait seconds: what a power cut takes,
    dvc's cache returns.
    """
    half = path.with_name(f".{path.name}.half")
    half.write_text(text, encoding="utf-8", newline="")
    half.replace(path)


def entries(text: str) -> dict[str, str] | None:
    """The lines of each stage, by its key as it is written; None where the text is not as dvc lays
    it out.
    """
    if not text.startswith(HEAD) or UNCLEAR.search(text, len(HEAD)):
        return None
    blocks = ENTRY.split(text.removeprefix(HEAD))[1:]
    return {block.partition(":\n")[0]: "  " + block for block in blocks}


def numbered(blocks: list[str]) -> str:
    """The entries one after the other, their anchors numbered from the first to the last."""
    count = 0

    def renumbered(block: str) -> str:
        ids: dict[str, str] = {}

        def number(found: re.Match[str]) -> str:
            nonlocal count
            kind, former = found.groups()
            if kind == "&":
                count += 1
                ids[former] = f"{count:03d}"
            return f"{kind}id{ids[former]}"

        return ANCHOR.sub(number, block)

    return "".join(map(renumbered, blocks))
