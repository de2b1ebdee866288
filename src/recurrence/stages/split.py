"""split: data/raw/<corpus>/ -> data/text/<corpus>/{train,valid}.txt, in the order of the source."""

from recurrence import corpora, params, paths
from recurrence.console import say
from recurrence.corpora import splitting
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path
from recurrence.tokens import line_count


def main(key: str) -> None:
    """Cut the corpus by its split rule, then keep the first lines of each part where a sample is asked for."""
    corpus = params.corpus(key)
    try:
        texts = corpora.read(corpus.source, paths.raw(key))
        texts = splitting.split(texts, corpus.split, corpus.tokens)
    except RecurrenceError as error:
        raise RecurrenceError(f"corpora.{key}: {error}") from error
    if corpus.sample:
        texts = splitting.first_lines(texts, corpus.sample)
    for part, text in texts.items():
        if not text.strip():
            raise RecurrenceError(
                f"corpora.{key}: too short: the {part} part has no text after split.rule {corpus.split.rule}; "
                "use a longer text, or move the cut"
            )
    with atomic_path(paths.text(key)) as folder:
        folder.mkdir()
        for part, text in texts.items():
            (folder / f"{part}.txt").write_text(text, encoding="utf-8", newline="")
    sizes = ", ".join(
        f"{part} {line_count(text):,} lines, {len(text):,} characters"
        for part, text in texts.items()
    )
    say(f"split {key}: {sizes}")
