"""report: all results of a corpus -> reports/<corpus>/, a folder to read and to commit."""

from recurrence import files, paths
from recurrence.reporting.folder import contents
from recurrence.results.corpus import load


def main(key: str) -> None:
    """Write the report of one corpus, the whole folder or none of it."""
    made = contents(load(key))
    with files.atomic_path(paths.report(key)) as folder:
        for name, content in made.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
