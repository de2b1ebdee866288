"""numericalize: text and vocabulary -> data/ids/<corpus>/{train,valid}.npy and data/counts/<corpus>.json."""

import json
from io import BytesIO

import numpy as np

from recurrence import paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, md5, read_text, write_json
from recurrence.vocab import Vocab


def main(key: str) -> None:
    """Write the ids of both parts in the smallest type that holds the vocabulary, and what was counted on the way."""
    vocab = Vocab.load(paths.vocab(key))
    counts = {}
    with atomic_path(paths.ids(key)) as folder:
        folder.mkdir()
        for part in ("train", "valid"):
            text = read_text(paths.text(key) / f"{part}.txt")
            try:
                ids, counts[part] = vocab.encode_part(text)
            except RecurrenceError as error:
                raise RecurrenceError(f"corpora.{key}: {part}.txt: {error}") from error
            content = (
                BytesIO()
            )  # np.save into a file says nothing where the disk has no room for the last of it
            np.save(content, ids)
            (folder / f"{part}.npy").write_bytes(content.getbuffer())
        write_json(paths.counts(key), {"vocab": len(vocab), **counts})
        # Whoever depends on the folder depends on what it goes with.
        of = {path.parent.name: md5(path) for path in (paths.vocab(key), paths.counts(key))}
        (folder / "of.json").write_text(json.dumps(of, indent=1) + "\n", encoding="utf-8")
    told = ", ".join(
        f"{part} {n['tokens']:,} tokens ({n['unk']:,} <unk>)" for part, n in counts.items()
    )
    say(f"numericalize {key}: {told}")
