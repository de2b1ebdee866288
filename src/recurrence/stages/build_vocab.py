"""build_vocab: data/text/<corpus>/train.txt -> data/vocab/<corpus>.json."""

from collections.abc import Iterable
from itertools import chain

from recurrence import params, paths, subwords
from recurrence.console import say
from recurrence.corpora.own import tokenizer_file
from recurrence.errors import RecurrenceError
from recurrence.params.corpora import SUBWORDS
from recurrence.tokens import cleaned, text_pieces, token_lines
from recurrence.vocab import Vocab


def main(key: str) -> None:
    """Build the vocabulary from the train part alone, unless the block says that it follows a
    notebook that did not.
    """
    corpus = params.corpus(key)
    parts = ("train",) if corpus.vocab.built_from == "train" else ("train", "valid")
    texts = [text_pieces(paths.text(key) / f"{part}.txt") for part in parts]
    try:
        if corpus.tokens.unit == "subword":
            vocab = _subwords(corpus, chain.from_iterable(texts))
        else:
            lines = chain.from_iterable(token_lines(text, corpus.tokens) for text in texts)
            vocab = Vocab.build(chain.from_iterable(lines), corpus.vocab, corpus.tokens)
    except RecurrenceError as error:
        raise RecurrenceError(f"corpora.{key}.{error}") from error
    vocab.save(paths.vocab(key))
    origin = corpus.tokens.tokenizer or " and ".join(parts)
    say(
        f"build_vocab {key}: {len(vocab):,} tokens, {len(vocab.specials)} of them special, from "
        f"{origin}"
    )


def _subwords(corpus: params.Corpus, lines: Iterable[str]) -> Vocab:
    """The vocabulary of a tokenizer that is trained, or that lies in texts/."""
    rule, specials = corpus.vocab, corpus.vocab.specials
    if path := tokenizer_file(corpus.tokens, paths.root()):
        where = f"tokens.subwords: {corpus.tokens.tokenizer}"
        if not path.is_file():
            raise RecurrenceError(f"{where}: no such file; mend the path")
        text = path.read_bytes().decode("utf-8", "replace")
        made = subwords.loaded(text, specials, where)
    else:
        assert corpus.tokens.subwords is not None, "params.Tokens sees to it"
        texts = (text for text, _ in cleaned(lines, corpus.tokens))
        entries = rule.max_size or SUBWORDS
        made = subwords.train(texts, corpus.tokens.subwords, entries, rule.min_count, specials)
    return Vocab.of_subwords(made, corpus.tokens)
