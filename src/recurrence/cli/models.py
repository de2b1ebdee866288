"""Commands that talk to a trained model: list, generate, score, next."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from recurrence import paths
from recurrence.cli import pipeline
from recurrence.errors import RecurrenceError
from recurrence.files import read_json

if TYPE_CHECKING:
    from recurrence.params import Model as Block

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
    for block in (params.models_of(corpus) if corpus else params.load().models).values():
        table.add_row(f"{block.corpus}/{block.name}", block.core, *_state_and_scores(block))
    console = Console()
    console.width = max(console.width, 150)  # a row stays a row, also for grep
    console.print(table)


def _state_and_scores(block: "Block") -> list[str]:
    path = paths.scores(block.corpus, block.name)
    if not path.exists():
        there = (paths.model(block.corpus, block.name) / "config.json").exists()
        return ["not scored" if there else "not trained"]
    scores = read_json(path)
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
    strategy: Annotated[str, typer.Option(help="A strategy of params.yaml.")] = "greedy",
    length: Annotated[int, typer.Option(min=1, max=MOST_TOKENS, help="Tokens to generate.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
    train_seed: TrainSeed = None,
    stop_on_loop: Annotated[
        bool, typer.Option("--stop-on-loop", help="End where a loop is proven.")
    ] = False,
    stop_at_eos: Annotated[
        bool, typer.Option("--stop-at-eos", help="End with the first <eos>.")
    ] = False,
) -> None:
    """Continue a prompt, token by token as it is made. Without --prompt: run the stage `generate` of the model.

    On a terminal, control characters are shown as escapes; into a file or a program, the text goes as it is.

    \b
    Examples:
      recurrence generate human_numbers/lm6 --prompt "one hundred . one hundred"
      recurrence generate nietzsche/lstm --prompt " for thos" --strategy top_p_0_9 --length 500 --seed 3
      recurrence generate nietzsche/lstm --prompt " for thos" --length 5000 --stop-on-loop
      recurrence generate nietzsche/lstm
    """
    if prompt is None:
        if stop_on_loop or stop_at_eos:
            raise RecurrenceError(
                "--stop-on-loop and --stop-at-eos need a --prompt: the stage makes whole samples"
            )
        return pipeline.run_stage("generate", model)
    from recurrence.cli import continuing
    from recurrence.cli.places import trained

    found = trained(model, train_seed)
    chosen = continuing.strategy_of(strategy, found)
    continuing.continue_prompt(
        found, chosen, prompt, length, seed, continuing.watches(found, stop_on_loop, stop_at_eos)
    )


def score(
    model: Model,
    file: Annotated[str, typer.Argument(help="A UTF-8 text, or - for stdin", show_default=False)],
    train_seed: TrainSeed = None,
) -> None:
    """How well a model predicts a text: nats per token, bits per character, perplexity.

    The text is tokenized as the model's corpus was; every token but the first is predicted once.

    \b
    Examples:
      recurrence score nietzsche/lstm essay.txt
      recurrence score human_numbers/lm6 data/text/human_numbers/valid.txt --train-seed 2
      cat essay.txt | recurrence score nietzsche/lstm -
    """
    from recurrence.cli.places import read_text, trained

    text = read_text(file)  # before what is slow to import
    from recurrence import device, params
    from recurrence.model.checkpoint import load_model
    from recurrence.scoring import exact

    found = trained(model, train_seed)
    ids, counts = found.vocab.encode_part(text)
    where = device.choose(params.load().compute, found.hidden)
    result = exact(load_model(found.folder, found.seed, where), ids, device=where)
    print(f"nats per token      {result.nats:.4f}")
    print(f"bits per character  {result.bits_per_char(int(counts['characters'])):.4f}")
    print(f"perplexity          {result.perplexity:.4f}")
    print(f"accuracy            {result.accuracy:.4f}")
    print(f"tokens              {counts['tokens']} ({counts['unk']} unknown to the model)")


def next_tokens(
    model: Model,
    prompt: Annotated[str, typer.Option(help="The text so far.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    train_seed: TrainSeed = None,
) -> None:
    """The likeliest next tokens after a prompt, with their probabilities.

    \b
    Examples:
      recurrence next nietzsche/lstm --prompt " for thos"
      recurrence next human_numbers/lm6 --prompt "nine thousand nine" --count 3
    """
    import torch

    from recurrence.cli.places import trained
    from recurrence.decoding.prompts import encode_prompt
    from recurrence.model.checkpoint import load_model

    found = trained(model, train_seed)
    ids = encode_prompt(prompt, found.vocab)
    network = load_model(found.folder, found.seed)
    with torch.inference_mode():
        logits, _ = network(
            torch.tensor([ids[-(network.context or 0) :]]), network.initial_state(1)
        )
    logits_V = logits[0] if network.context else logits[0, -1]
    top = torch.topk(logits_V.double().softmax(-1), min(count, len(found.vocab)))
    for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        print(f"{p:.4f}  {found.vocab.spellings[i]!r}")
