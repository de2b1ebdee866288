"""Commands that talk to a trained model: list, generate, score, next."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from recurrence import paths
from recurrence.cli import pipeline
from recurrence.errors import RecurrenceError
from recurrence.files import read_json

if TYPE_CHECKING:
    from recurrence.params import Model as Block

Format = Annotated[Literal["table", "json"], typer.Option(help="For people, or for a program.")]
MOST_TOKENS = 10_000_000
"""Of a text that is made; more than anybody reads, and held in memory."""
Model = Annotated[str, typer.Argument(help="corpus/model, or a model's folder", show_default=False)]
TrainSeed = Annotated[
    int | None, typer.Option(help="Which of the trained seeds; default: the first.")
]


def models(
    corpus: Annotated[
        str | None, typer.Argument(help="Only this corpus.", show_default=False)
    ] = None,
    format: Format = "table",
) -> None:
    """What is trained, and how well it does on held-out text.

    \b
    Examples:
      recurrence models
      recurrence models nietzsche
    """
    from recurrence import params

    if corpus:
        params.corpus(corpus)
    blocks = (params.models_of(corpus) if corpus else params.load().models).values()
    if format == "json":
        print(json.dumps([_tree(block) for block in blocks]))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("model", "core", "state"):
        table.add_column(title, no_wrap=True)
    for title in (
        "parameters",
        "seeds",
        "nats",
        "bits/char",
        "perplexity",
        "accuracy",
        "notebook nats",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for block in blocks:
        table.add_row(f"{block.corpus}/{block.name}", block.core, *_state_and_scores(block))
    console = Console()
    console.width = max(console.width, 150)  # a row stays a row, also for grep
    console.print(table)


def _state(block: "Block") -> str:
    if paths.scores(block.corpus, block.name).exists():
        return "scored"
    there = (paths.model(block.corpus, block.name) / "config.json").exists()
    return "not scored" if there else "not trained"


def _tree(block: "Block") -> dict[str, Any]:
    """What the table has of a model, for a program."""
    known = {"corpus": block.corpus, "model": block.name, "core": block.core}
    tree: dict[str, Any] = known | {"state": _state(block)}
    if tree["state"] == "scored":
        tree |= read_json(paths.scores(block.corpus, block.name))
    return tree


def _state_and_scores(block: "Block") -> list[str]:
    if (state := _state(block)) != "scored":
        return [state]
    scores = read_json(paths.scores(block.corpus, block.name))
    exact, notebook = scores["exact"], scores["notebook"]
    figures = (exact["nats"], exact["bits_per_char"], exact["perplexity"], exact["accuracy"])
    printed = f"{notebook['nats']:.4f}" if notebook else ""
    counts = (f"{scores['parameters']:,}", str(len(scores["seeds"])))
    return ["scored", *counts, *(f"{float(value):.4f}" for value in figures), printed]


def generate(  # noqa: PLR0913 (each is an option of the command)
    model: Model,
    prompt: Annotated[
        str | None, typer.Option(help="The text to continue.", show_default=False)
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="A strategy of params.yaml; default: greedy.", show_default=False),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_TOKENS, help="Tokens to generate; default: 300.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the random draws; default: 0.", show_default=False),
    ] = None,
    train_seed: TrainSeed = None,
    stop_on_loop: Annotated[
        bool, typer.Option("--stop-on-loop", help="End where a loop is proven.")
    ] = False,
    stop_at_eos: Annotated[
        bool, typer.Option("--stop-at-eos", help="End with the first <eos>.")
    ] = False,
) -> None:
    """Continue a prompt, token by token as it is made. Without --prompt: run the stage `generate`
    of the model.

    On a terminal, control characters are shown as escapes; into a file or a program, the text goes
    as it is.

    \b
    Examples:
      recurrence generate human_numbers/lm6 --prompt "one hundred . one hundred"
      recurrence generate nietzsche/lstm --prompt " for thos" --strategy top_p_0_9 --seed 3
      recurrence generate nietzsche/lstm --prompt " for thos" --length 5000 --stop-on-loop
      recurrence generate nietzsche/lstm
    """
    if prompt is None:
        asked = {
            "--strategy": strategy is not None,
            "--length": length is not None,
            "--seed": seed is not None,
            "--train-seed": train_seed is not None,
            "--stop-on-loop": stop_on_loop,
            "--stop-at-eos": stop_at_eos,
        }
        if given := [option for option, is_given in asked.items() if is_given]:
            raise RecurrenceError(
                f"{given[0]} needs a --prompt to continue; without options, generate runs the "
                f"whole "
                "stage: every strategy on the corpus's prompts"
            )
        return pipeline.run_stage("generate", model)
    from recurrence.cli import continuing
    from recurrence.cli.places import trained

    found = trained(model, train_seed)
    chosen = continuing.strategy_of(strategy or "greedy", found)
    watches = continuing.watches(found, stop_on_loop, stop_at_eos)
    continuing.continue_prompt(found, chosen, prompt, length or 300, seed or 0, watches)


def score(
    model: Model,
    file: Annotated[str, typer.Argument(help="A UTF-8 text, or - for stdin", show_default=False)],
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed",
            "--train-seed",
            metavar="SEED|all",
            help="Which of the trained seeds, or all, for mean and spread; default: the first.",
            show_default=False,
        ),
    ] = None,
    format: Format = "table",
) -> None:
    """How well a model predicts a text: nats per token, bits per character, perplexity.

    The text is tokenized as the model's corpus was; every token but the first is predicted once.

    \b
    Examples:
      recurrence score nietzsche/lstm essay.txt
      recurrence score human_numbers/lm6 data/text/human_numbers/valid.txt --seed all
      cat essay.txt | recurrence score nietzsche/lstm -
    """
    from recurrence.cli.places import read_text, trained

    seeds = _seeds_asked(seed)
    text = read_text(file)  # before what is slow to import
    from recurrence.cli import scores

    found = scores.score(trained(model, None), seeds, text)
    print("\n".join(scores.as_json(found) if format == "json" else scores.lines(found)))


def _seeds_asked(seed: str | None) -> int | Literal["all"] | None:
    if seed is None:
        return None
    if seed == "all":
        return "all"
    try:
        return int(seed)
    except ValueError as error:
        raise RecurrenceError(
            f"--seed {seed}: must be one of the trained seeds, a whole number, or all"
        ) from error


def next_tokens(
    model: Model,
    prompt: Annotated[str, typer.Option(help="The text so far.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    train_seed: TrainSeed = None,
    format: Format = "table",
) -> None:
    """The likeliest next tokens after a prompt, with their probabilities.

    \b
    Examples:
      recurrence next nietzsche/lstm --prompt " for thos"
      recurrence next human_numbers/lm6 --prompt "nine thousand nine" --count 3
    """
    import torch

    from recurrence.cli.places import trained
    from recurrence.console import say
    from recurrence.decoding.prompts import encode_prompt, unknown_in
    from recurrence.model.checkpoint import load_model

    found = trained(model, train_seed)
    ids = encode_prompt(prompt, found.vocab)
    if unknown := unknown_in(prompt, found.vocab):
        say(unknown)
    network = load_model(found.folder, found.seed)
    with torch.inference_mode():
        logits, _ = network(
            torch.tensor([ids[-(network.context or 0) :]]), network.initial_state(1)
        )
    logits_V = logits[0] if network.context else logits[0, -1]
    top = torch.topk(logits_V.double().softmax(-1), min(count, len(found.vocab)))
    likeliest = list(zip(top.values.tolist(), top.indices.tolist(), strict=True))
    if format == "json":
        rows = [{"token": found.vocab.spellings[i], "id": i, "p": p} for p, i in likeliest]
        print(json.dumps(rows, ensure_ascii=False))
        return
    for p, i in likeliest:
        print(f"{p:.4f}  {found.vocab.spellings[i]!r}")
