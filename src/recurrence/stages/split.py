"""split: data/raw/<corpus>/ -> data/text/<corpus>/{train,valid}.txt, in the order of the source."""

from recurrence import corpora, files, params, paths
from recurrence.console import say
from recurrence.corpora import splitting
from recurrence.errors import RecurrenceError


def main(key: str) -> None:
    """Cut the corpus by its split rule, then keep the first lines of each part where a sample is
    asked for.
    """
    corpus = params.corpus(key)
    with files.atomic_path(paths.text(key)) as folder:
        folder.mkdir()
        try:
            texts = corpora.read(corpus.source, paths.raw(key))
            parts = splitting.split(texts, corpus.split, corpus.tokens, folder)
        except RecurrenceError as error:
            raise RecurrenceError(f"corpora.{key}: {error}") from error
        if corpus.sample:
            splitting.first_lines(parts["train"], corpus.sample.train_lines)
            splitting.first_lines(parts["valid"], corpus.sample.valid_lines)
        sizes = {part: splitting.size(file) for part, file in parts.items()}
        for part, size in sizes.items():
            if size.is_blank:
                raise RecurrenceError(
                    f"corpora.{key}: too short: the {part} part has no text after split.rule "
                    f"{corpus.split.rule}; use a longer text, move the cut, or cut by characters: "
                    "split: {rule: char_fraction}"
                )
    told = ", ".join(
        f"{part} {size.lines:,} lines, {size.characters:,} characters"
        for part, size in sizes.items()
    )
    say(f"split {key}: {told}")
