"""`recurrence add`: a text of one's own becomes a corpus of the project, with a model to begin
with.
"""

from typing import Annotated, Any, Literal

import typer

from recurrence.errors import RecurrenceError

Unit = Literal["char", "word", "subword"]


def add(  # noqa: PLR0913 (each is an option of the command)
    corpus: Annotated[str, typer.Argument(help="Its name in params.yaml.", show_default=False)],
    path: Annotated[
        str,
        typer.Argument(
            help="A text, JSONL, JSON, CSV, TSV or Parquet file, also .gz or .zst, a folder of "
            "such, a Hugging "
            "Face dataset on disk, or an address of a file.",
            show_default=False,
        ),
    ],
    field: Annotated[
        str | None,
        typer.Option(
            metavar="a.b[0].c",
            help="Where in a record its text stands; default: found by names in use.",
            show_default=False,
        ),
    ] = None,
    unit: Annotated[Unit, typer.Option(help="What the tokens are.")] = "char",
    subwords: Annotated[
        str | None,
        typer.Option(
            metavar="bpe|unigram|FILE",
            help="With --unit subword: what is trained, or a tokenizer.json in texts/; default: "
            "bpe.",
            show_default=False,
        ),
    ] = None,
    lower: Annotated[bool, typer.Option("--lower", help="In small letters.")] = False,
    keep_newlines: Annotated[
        bool,
        typer.Option(
            "--keep-newlines",
            help="Newlines within a record stay; default: each is a space, so that a record is a "
            "line.",
        ),
    ] = False,
    encoding: Annotated[str, typer.Option(help="Of the files.")] = "utf-8",
) -> None:
    """Add a corpus to params.yaml: its block, a small LSTM with its recipe, a Kneser-Ney baseline,
    and sampling.

    A file or folder that does not lie in texts/ is linked from there, file by file. All else in
    params.yaml stays as it is.

    \b
    Examples:
      recurrence add poems ~/poems
      recurrence add reviews reviews.jsonl.gz --field review.text --unit word --lower
      recurrence add code sources.parquet --field content --unit subword --keep-newlines
    """
    if subwords is not None and unit != "subword":
        raise RecurrenceError(f"--subwords {subwords}: goes with --unit subword, got --unit {unit}")
    tokens: dict[str, Any] = {"unit": unit}
    if unit == "subword":
        tokens["subwords"] = subwords or "bpe"
    elif unit == "word":
        tokens["words"] = "punctuation"
    if lower:
        tokens["lower"] = True
    options: dict[str, Any] = {"field": field} if field else {}
    if keep_newlines:
        options["newlines"] = "keep"
    if encoding != "utf-8":
        options["encoding"] = encoding
    from recurrence.cli.beginning import add_corpus

    add_corpus(corpus, path, tokens, options)
