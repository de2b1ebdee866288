"""A vocabulary of ours as a tokenizer of transformers: the same ids of a text, and the same text of
ids.

It does what `Vocab.encode_text` does: no <eos> is added. Needs transformers (extra `huggingface`).
"""

from typing import Any

from recurrence import tokens
from recurrence.tokens import EOS
from recurrence.vocab import UNK, Vocab

PAD = "<pad>"
ANY_CHARACTER = r"[\s\S]"


def tokenizer_of(vocab: Vocab) -> Any:
    """A PreTrainedTokenizerFast. A text with a token outside of a vocabulary without <unk> is an
    error there, too.
    """
    from tokenizers import Tokenizer, decoders
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(WordLevel(dict(vocab.index), unk_token=UNK))
    made.normalizer = _normalizer(vocab)
    made.pre_tokenizer = _splitter(vocab)
    if vocab.unit == "char":
        made.decoder = decoders.Fuse()
    named = {"unk_token": UNK, "pad_token": PAD, "eos_token": EOS}
    specials = {name: token for name, token in named.items() if token in vocab.index}
    made_by: Any = PreTrainedTokenizerFast
    return made_by(
        tokenizer_object=made,
        clean_up_tokenization_spaces=False,
        split_special_tokens=False,
        **specials,
    )


def _normalizer(vocab: Vocab) -> Any:
    from tokenizers import normalizers

    steps: list[normalizers.Normalizer] = []
    if vocab.rule.lower:
        steps.append(normalizers.Lowercase())
    if vocab.unit == "char" and vocab.rule.newlines == "drop":
        steps.append(normalizers.Replace("\n", ""))
    return normalizers.Sequence(steps)


def _splitter(vocab: Vocab) -> Any:
    from tokenizers import Regex, pre_tokenizers

    if vocab.unit == "char":
        return pre_tokenizers.Split(Regex(ANY_CHARACTER), "isolated")
    if vocab.rule.words == "space":
        return pre_tokenizers.WhitespaceSplit()
    return pre_tokenizers.Split(Regex(f"(?xi){tokens._PROSE.pattern}"), "removed", invert=True)
