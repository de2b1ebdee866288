"""The command that studies the decoding of a model from outside: `recurrence study`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recurrence.console import progress, say
from recurrence.errors import RecurrenceError

if TYPE_CHECKING:
    from recurrence.outside.continuations import Outside
    from recurrence.outside.judging import Sampled
    from recurrence.params import Strategy

SAMPLES = "samples.jsonl"
"""In the folder of a study; by it one is known that may be written over."""
MOST_TOKENS = 100_000


def study(  # noqa: PLR0913 (each is an option of the command)
    model: Annotated[
        str, typer.Argument(metavar="FOLDER|ADDRESS", help="Of transformers, or OpenAI-compatible.")
    ],
    prompts: Annotated[
        Path, typer.Option(help="A prompt per line, or JSONL with `prompt` or `text`.")
    ],
    text: Annotated[
        Path | None,
        typer.Option(
            help="Text of people, to hold samples against; needed to recommend a setting."
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(metavar="NAMES", help="With commas; default: a few that are usual.")
    ] = "",
    length: Annotated[int, typer.Option(min=1, max=MOST_TOKENS, help="Tokens of a sample.")] = 200,
    out: Annotated[Path | None, typer.Option(help="Folder; default: study-NAME.")] = None,
    first: Annotated[
        int,
        typer.Option(min=1, help="Prompts that every strategy continues; more confirm a choice."),
    ] = 24,
    bound: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Most that may loop of a recommended setting.")
    ] = 0.03,
    seed: Annotated[int, typer.Option(min=0, help="Of the random draws.")] = 0,
    name: Annotated[
        str | None,
        typer.Option("--model", help="What an address calls its model; default: its first."),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that a folder brings.")
    ] = False,
) -> None:
    """Which decoding for a model, and what does it cost? Samples it under strategies, judges what
    loops, writes a page.

    A local folder of transformers is also asked what texts cost under it (nats and bits per
    character); an OpenAI-compatible address is sampled and judged alone. Nothing is trained,
    nothing downloaded.

    \b
    Examples:
      recurrence study ./gpt2 --prompts prompts.txt --text held-out.txt
      recurrence study ./gpt2 --prompts prompts.jsonl --strategies greedy,top_p_0_9 --out gpt2-study
      recurrence study http://127.0.0.1:8000/v1 --prompts prompts.txt --length 300
    """
    from recurrence.outside.strategies import chosen

    asked = _prompts(prompts)
    people = _text(text)
    blocks = chosen([each.strip() for each in strategies.split(",") if each.strip()])
    found = _model(model, name, trust_remote_code)
    folder = out or Path(f"study-{found.name}")
    _may_be_written(folder)
    run = _Run(found, blocks, asked, people, length, seed)
    told = run.studied(min(first, len(asked)), bound)
    _write(folder, *told)
    say(f"study: {folder}/index.html, and what was written in {SAMPLES}")


class _Run:
    """One study under way."""

    def __init__(
        self,
        model: "Outside",
        blocks: "dict[str, Strategy]",
        prompts: Sequence[str],
        people: str,
        length: int,
        seed: int,
    ) -> None:  # noqa: PLR0913
        self.model, self.prompts, self.people = model, prompts, people
        self.length, self.seed = length, seed
        self.scored = people or "\n".join(prompts)
        self.reading = self._read()
        self.blocks = self._taken(blocks)
        self.samples: list[Sampled] = []

    def studied(
        self, first: int, bound: float
    ) -> tuple[Any, "list[Sampled]", list[dict[str, Any]]]:
        """Results for the page, all samples, and their rows."""
        from recurrence.outside import judging
        from recurrence.study.choice import decide

        for name in self.blocks:
            self._sample(name, range(first), fresh=False)
        characters = judging.Characters()
        chars = judging.typical_length(self.samples)
        detector = judging.detector_for(self.people, chars, characters)
        held = judging.Study(
            self.model, self.blocks, detector, characters, self.people, self.reading, bound, chars
        )
        people = held.people(chars)
        human = held.human(people, chars) if people else None
        choice = None
        if human is not None:
            rows = held.rows(self.samples, self._longest())

            def more(name: str, nets: Sequence[int], ids: Sequence[int]) -> list[dict[str, Any]]:
                made = self._sample(name, ids, fresh=True)
                return held.rows(made, self._longest())

            choice = decide(rows, more, human, held.plan(len(self.prompts), first))
        exact = judging.exact_of(self.reading, self.scored)
        rows = held.rows(self.samples, self._longest())
        found = judging.results(held, self.samples, rows, people, choice, exact)
        return found, self.samples, rows

    def _sample(self, name: str, ids: Sequence[int], fresh: bool) -> "list[Sampled]":
        from recurrence.outside.judging import Sampled

        texts = [self.prompts[i] for i in ids]
        with progress(name, len(texts) * self.length, "tokens") as advance:
            made = self.model.continued(
                name, self.blocks[name], texts, self.length, self.seed, advance
            )
        found = [
            Sampled(name, i, prompt, fresh, each)
            for i, prompt, each in zip(ids, texts, made, strict=True)
        ]
        self.samples += found
        return found

    def _longest(self) -> int:
        return max(1, *(len(each.made.text) for each in self.samples))

    def _read(self) -> Any:
        """What people's text costs, or without one the prompts; None where the model does not
        say.
        """
        try:
            reading = self.model.read(self.scored)
        except RecurrenceError:
            if self.people:
                raise
            return None  # a prompt or two of a token
        if reading is not None and hasattr(self.model, "bits"):
            from recurrence.outside.local import bits_per_token

            self.model.bits = bits_per_token(reading)
        return reading

    def _taken(self, blocks: "dict[str, Strategy]") -> "dict[str, Strategy]":
        """Those that the model can be sampled under; the others are named."""
        taken = {}
        for name, block in blocks.items():
            if why := self.model.takes(name, block):
                say(f"study: without {name}: {why}")
            else:
                taken[name] = block
        if not taken:
            raise RecurrenceError("--strategies: the model takes none of these; name others")
        return taken


def _model(model: str, name: str | None, trust: bool) -> "Outside":
    from recurrence.outside.endpoint import Endpoint, is_address

    if is_address(model):
        return Endpoint(model, name)
    from recurrence.outside.local import LocalModel

    return LocalModel(Path(model), trust)


def _prompts(file: Path) -> list[str]:
    """One per line that is not blank, or of each JSON object its `prompt` or `text`."""
    from recurrence.cli.places import read_text

    found = []
    for number, line in enumerate(read_text(str(file)).splitlines(), start=1):
        if not line.strip():
            continue
        if file.suffix != ".jsonl":
            found.append(line)
            continue
        try:
            record = json.loads(line)
            found.append(str(record["prompt"] if "prompt" in record else record["text"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RecurrenceError(
                f"{file}:{number}: must be a JSON object with `prompt` or `text`"
            ) from error
    if not all(found) or not found:
        raise RecurrenceError(f"{file}: every prompt must have some text")
    return found


def _text(file: Path | None) -> str:
    if file is None:
        return ""
    from recurrence.cli.places import read_text

    return read_text(str(file))


def _may_be_written(folder: Path) -> None:
    """Raises RecurrenceError for a folder that is none of a study."""
    if folder.exists() and not (folder / SAMPLES).is_file():
        raise RecurrenceError(f"{folder}: is there, and no study; name another with --out")


def _write(folder: Path, found: Any, samples: "list[Sampled]", rows: list[dict[str, Any]]) -> None:
    """The page, its tables and pictures as of a report, and every sample with its verdict."""
    from recurrence.files import atomic_path
    from recurrence.reporting.folder import contents

    with atomic_path(folder) as made:
        made.mkdir()
        for name, content in contents(found).items():
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_bytes(content)
        lines = [
            json.dumps(
                {"strategy": each.strategy, "prompt": each.prompt, "text": each.made.text}
                | {key: row[key] for key in ("kind", "start", "period", "reference_nats", "fresh")},
                ensure_ascii=False,
            )
            for each, row in zip(samples, rows, strict=True)
        ]
        (made / SAMPLES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    _tell(found)


def _tell(found: Any) -> None:
    """The outcome on stdout: a line for each strategy, those that loop least first."""
    from recurrence.results.formats import nats, rated

    [model] = found.models
    ranked = sorted(
        ((name, each) for name, each in model.rates.items() if each["samples"]),
        key=lambda item: (item[1]["loop_hi"], item[0]),
    )
    width = max(len(name) for name, _ in ranked)
    for name, each in ranked:
        rate = rated(each["loop_rate"], each["loop_lo"], each["loop_hi"])
        print(f"{name:{width}}  loops {rate}, {nats(each['reference_nats'])} nats per character")
    choice = model.choice
    if choice is None:
        return
    if choice.qualifies:
        print(f"recommended: {choice.strategy}")
    else:
        print(f"nearest: {choice.strategy} ({'; '.join(choice.lacks)})")
