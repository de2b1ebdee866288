"""The blocks that say what a corpus is: where it comes from, its tokens, split and vocabulary, what
is continued.
"""

import reprlib
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from recurrence.params.block import Block, Count, Flag, Number


class Source(Block):
    """Where a corpus comes from. `kind` names the reader in corpora/."""

    kind: Literal["text", "files", "dataset", "archive", "human_numbers"]
    """text: one text file. files: a text, JSONL, JSON, CSV, TSV or Parquet file, also .gz or .zst,
    or a folder of such. dataset: a Hugging Face dataset as `save_to_disk` leaves it. archive: texts
    in a .zip or .tar.
    """
    addresses: tuple[str, ...] = ()
    """Public address first, then further ones; a path is taken as a local file. Tried in order
    after the mirror.
    """
    digests: tuple[
        Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")], ...
    ] = ()
    """Digests of the downloaded file, any of which is accepted; empty: not checked (a corpus of
    one's own).
    """
    max_bytes: Count | None = None
    """What may be downloaded at most; default: 4 GiB."""
    members: dict[Literal["train", "valid"], str] = {}
    """archive: a glob over member names for each part."""
    member_digests: dict[str, Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = {}
    """Digests of members (archive) or of the files written (human_numbers). In params.yaml a list
    of {member: NAME, sha256: DIGEST}, as DVC can set no key with a dot or slash in it; or a
    mapping.
    """
    encoding: str = "utf-8"
    field: Annotated[str, Field(min_length=1)] | None = None
    """files, dataset: where in a record its text stands, such as text, a.b or turns[0].text;
    default: the field of a usual name, or the only one that is text.
    """
    newlines: Literal["keep", "space"] | None = None
    """files, dataset, archive: those within a document stay, or each becomes a space, so that a
    document is a line. Default: keep in text files, space in records and in what an archive's
    pattern matches.
    """

    @field_validator("member_digests", mode="before")
    @classmethod
    def _by_member(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if any(not isinstance(each, dict) or each.keys() != {"member", "sha256"} for each in value):
            raise ValueError(f"must be a list of {{member: ..., sha256: ...}}, got {value!r}")
        return {each["member"]: f"sha256:{each['sha256']}" for each in value}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind != "human_numbers" and not self.addresses:
            raise ValueError("addresses must name at least one path or address")
        if (self.kind == "archive") != bool(self.members):
            raise ValueError("members goes with kind: archive, and archive needs it")
        if self.field is not None and self.kind not in ("files", "dataset"):
            raise ValueError(
                f"field is for records, of kind files or dataset, got kind {self.kind}"
            )
        if self.newlines is not None and self.kind not in ("files", "dataset", "archive"):
            raise ValueError(
                f"newlines is for documents, of kind files, dataset or archive, got kind "
                f"{self.kind}"
            )
        return self


TRAINED = ("bpe", "unigram")
"""Kinds of subwords that are learned from the train text."""


class Tokens(Block):
    """How text becomes tokens."""

    unit: Literal["char", "word", "subword"]
    subwords: Annotated[
        Annotated[str, Field(min_length=1)] | None, Field(exclude_if=lambda value: value is None)
    ] = None
    """subword: bpe or unigram, trained on the train text alone; or the path of a tokenizer.json in
    texts/.
    """
    lower: Flag = False
    newlines: Literal["keep", "drop"] = "keep"
    """char, subword: whether the newline is a character of the text. word: always a separator."""
    eos: Literal["none", "part", "line"] = "none"
    """Where an <eos> is put: nowhere, once at the end of each part, or after every line."""
    words: Literal["space", "punctuation"] = "space"
    """word: split at white space, or also split punctuation off (for raw prose)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.unit == "subword") != (self.subwords is not None):
            raise ValueError(
                "subwords goes with unit: subword, which needs it: bpe, unigram, or the path of a "
                "tokenizer.json"
            )
        return self

    @property
    def tokenizer(self) -> str | None:
        """The path of the tokenizer.json that is to be used; None where there is none."""
        return None if self.subwords in (None, *TRAINED) else self.subwords


class Split(Block):
    """The ordered split; nothing is shuffled. Which value is read depends on the rule."""

    rule: Literal["line_fraction", "char_fraction", "line", "token_windows", "given"]
    fraction: Annotated[Number, Field(gt=0, lt=1)] = 0.8
    """line_fraction: ceil(fraction x lines) go to train. char_fraction: int(fraction x characters)
    do, and what is left of the line or word. token_windows: int(fraction x windows) windows do.
    """
    line: Count | None = None
    window: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.rule == "line") != (self.line is not None):
            raise ValueError("line goes with rule: line, which needs it")
        if (self.rule == "token_windows") != (self.window is not None):
            raise ValueError("window goes with rule: token_windows, which needs it")
        return self


SUBWORDS = 4096
"""Entries of a subword vocabulary, where vocab.max_size does not say."""


class VocabRule(Block):
    """How the vocabulary is built."""

    built_from: Literal["train", "all"] = "train"
    """`all` only where a notebook did so (its figures need it); it lets the vocabulary see the
    validation text.
    """
    min_count: Count = 1
    max_size: Count | None = None
    """Entries beside the specials at most; of subwords that are trained, SUBWORDS where nothing is
    said.
    """
    order: Literal["count", "first_use", "sorted"] = "count"
    """count: by descending count, ties alphabetical."""
    specials: tuple[str, ...] = ("<unk>", "<pad>")
    """Put first, in this order. Without <unk>, a token outside the vocabulary is an error."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.specials)) < len(self.specials):
            raise ValueError(
                f"specials must differ from one another, got {reprlib.repr(self.specials)}"
            )
        return self


class Sample(Block):
    """Use only the first lines of each part, so that the same stages run on a small machine."""

    train_lines: Count
    valid_lines: Count


class Prompts(Block):
    """What `generate` continues, how many held-out windows of it (protocol says), and for how
    long.
    """

    prompt_tokens: Count = 64
    """Tokens of a held-out window."""
    texts: tuple[str, ...] = ()
    """Continued beside the windows."""
    length: Count = 1000
    """Tokens generated per sample."""
    long_length: Count | None = None
    """Tokens generated by `pick: argmax` without filters. All figures are of the first `length`,
    and a second verdict is of the whole."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.long_length is not None and self.long_length < self.length:
            raise ValueError(
                f"long_length must be at least length ({self.length}), got {self.long_length}"
            )
        return self


class Corpus(Block):
    """One corpus and everything that follows from its text. dvc wants each key that a stage names
    written out ({} will do for vocab and prompts), so they have no default here either.
    """

    source: Source
    tokens: Tokens
    split: Split
    vocab: VocabRule
    sample: Sample | None = None
    prompts: Prompts
