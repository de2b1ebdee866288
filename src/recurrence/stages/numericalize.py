"""numericalize: text and vocabulary -> data/ids/<corpus>/{train,valid}.npy and
data/counts/<corpus>.json.
"""

import json

from recurrence import paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import array_writer, atomic_path, md5, write_json
from recurrence.tokens import text_pieces
from recurrence.vocab import Counts, Vocab


def main(key: str) -> None:
    """Write the ids of both parts in the smallest type that holds the vocabulary, and what was
    counted on the way.
    """
    vocab = Vocab.load(paths.vocab(key))
    counts = {}
    with atomic_path(paths.ids(key)) as folder:
        folder.mkdir()
        for part in ("train", "valid"):
            lines, counted = text_pieces(paths.text(key) / f"{part}.txt"), Counts()
            try:
                with array_writer(folder / f"{part}.npy", vocab.id_type) as write:
                    for ids in vocab.encode_lines(lines, counted):
                        write(ids)
            except RecurrenceError as error:
                raise RecurrenceError(f"corpora.{key}: {part}.txt: {error}") from error
            counts[part] = counted.tree
        write_json(paths.counts(key), {"vocab": len(vocab), **counts})
        # Whoever depends on the folder depends on what it goes with.
        of = {path.parent.name: md5(path) for path in (paths.vocab(key), paths.counts(key))}
        (folder / "of.json").write_text(json.dumps(of, indent=1) + "\n", encoding="utf-8")
    told = ", ".join(
        f"{part} {n['tokens']:,} tokens ({n['unk']:,} <unk>)" for part, n in counts.items()
    )
    say(f"numericalize {key}: {told}")
