"""The blocks that say what a corpus is: where it comes from, its tokens, split and vocabulary, what is continued."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from recurrence.params.block import Block, Count


class Source(Block):
    """Where a corpus comes from. `kind` names the reader in corpora/."""

    kind: Literal["text", "archive", "human_numbers"]
    addresses: tuple[str, ...] = ()
    """Public address first, then further ones; a path is taken as a local file. Tried in order after the mirror."""
    digests: tuple[
        Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")], ...
    ] = ()
    """Digests of the downloaded file, any of which is accepted; empty: not checked (a corpus of one's own)."""
    members: dict[Literal["train", "valid"], str] = {}
    """archive: a glob over member names for each part."""
    member_digests: dict[str, Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = {}
    """Digests of members (archive) or of the files written (human_numbers). In params.yaml a list of
    {member: NAME, sha256: DIGEST}, as DVC can set no key with a dot or slash in it; or a mapping."""
    encoding: str = "utf-8"

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
        return self


class Tokens(Block):
    """How text becomes tokens."""

    unit: Literal["char", "word"]
    lower: bool = False
    newlines: Literal["keep", "drop"] = "keep"
    """char: whether the newline is a character of the text. word: always a separator."""
    eos: Literal["none", "part", "line"] = "none"
    """Where an <eos> is put: nowhere, once at the end of each part, or after every line."""
    words: Literal["space", "punctuation"] = "space"
    """word: split at white space, or also split punctuation off (for raw prose)."""


class Split(Block):
    """The ordered split; nothing is shuffled. Which value is read depends on the rule."""

    rule: Literal["line_fraction", "line", "token_windows", "given"]
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """line_fraction: ceil(fraction x lines) go to train. token_windows: int(fraction x windows) windows do."""
    line: Count | None = None
    window: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.rule == "line") != (self.line is not None):
            raise ValueError("line goes with rule: line, which needs it")
        if (self.rule == "token_windows") != (self.window is not None):
            raise ValueError("window goes with rule: token_windows, which needs it")
        return self


class VocabRule(Block):
    """How the vocabulary is built."""

    built_from: Literal["train", "all"] = "train"
    """`all` only where a notebook did so (its figures need it); it lets the vocabulary see the validation text."""
    min_count: Count = 1
    max_size: Count | None = None
    order: Literal["count", "first_use", "sorted"] = "count"
    """count: by descending count, ties alphabetical."""
    specials: tuple[str, ...] = ("<unk>", "<pad>")
    """Put first, in this order. Without <unk>, a token outside the vocabulary is an error."""


class Sample(Block):
    """Use only the first lines of each part, so that the same stages run on a small machine."""

    train_lines: Count
    valid_lines: Count


class Prompts(Block):
    """What `generate` continues, how many held-out windows of it (protocol says), and for how long."""

    prompt_tokens: Count = 64
    """Tokens of a held-out window."""
    texts: tuple[str, ...] = ()
    """Continued beside the windows."""
    length: Count = 1000
    """Tokens generated per sample."""
    long_length: Count | None = None
    """Tokens generated where `pick: argmax` leaves nothing to chance; all figures are of the first `length`, and a
    second verdict is of the whole."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.long_length is not None and self.long_length < self.length:
            raise ValueError(
                f"long_length must be at least length ({self.length}), got {self.long_length}"
            )
        return self


class Corpus(Block):
    """One corpus and everything that follows from its text. dvc wants each key that a stage names written out ({} will
    do for vocab and prompts), so they have no default here either."""

    source: Source
    tokens: Tokens
    split: Split
    vocab: VocabRule
    sample: Sample | None = None
    prompts: Prompts
