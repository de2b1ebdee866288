"""report: all results of a corpus -> reports/<corpus>/, a folder to read and to commit.

It also brings reports/index.html up to date, which compares the reports that there are and is
nobody's output.
"""

from pathlib import Path

from recurrence import files, paths
from recurrence.reporting import overview
from recurrence.reporting.folder import contents
from recurrence.results.corpus import load


def main(key: str) -> None:
    """Write the report of one corpus.

    File by file, since machine.csv, which lies beside them, is not the report's.
    """
    whole = paths.report(key)
    inside: dict[Path, dict[str, bytes]] = {}
    for name, content in contents(load(key)).items():
        folder, _, file = name.rpartition("/")
        if folder:
            inside.setdefault(whole / folder, {})[file] = content
        else:
            _write(whole / file, content)
    for target, made in inside.items():
        with files.atomic_path(target) as path:
            path.mkdir()
            for file, content in made.items():
                (path / file).write_bytes(content)
    overview.write()


def _write(target: Path, content: bytes) -> None:
    with files.atomic_path(target) as path:
        path.write_bytes(content)
