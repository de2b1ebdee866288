"""build_vocab: data/text/<corpus>/train.txt -> data/vocab/<corpus>.json."""

from itertools import chain

from recurrence import files, params, paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.tokens import token_lines
from recurrence.vocab import Vocab


def main(key: str) -> None:
    """Build the vocabulary from the train part alone, unless the block says that it follows a notebook that did not."""
    corpus = params.corpus(key)
    parts = ("train",) if corpus.vocab.built_from == "train" else ("train", "valid")
    texts = (files.read_text(paths.text(key) / f"{part}.txt") for part in parts)
    lines = chain.from_iterable(token_lines(text, corpus.tokens) for text in texts)
    try:
        vocab = Vocab.build(chain.from_iterable(lines), corpus.vocab, corpus.tokens)
    except RecurrenceError as error:
        raise RecurrenceError(f"corpora.{key}.{error}") from error
    vocab.save(paths.vocab(key))
    say(
        f"build_vocab {key}: {len(vocab):,} tokens, {len(vocab.specials)} of them special, from {' and '.join(parts)}"
    )
