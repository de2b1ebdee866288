"""Commands that run the pipeline: repro, check, ui, and the stages by name."""

import importlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from recurrence import checkout, numerics, paths
from recurrence.console import KEPT, say
from recurrence.escaping import escaped
from recurrence.locks import only_writer

if TYPE_CHECKING:
    from recurrence.params import Params

# stage -> (what its key names, what it does)
STAGES = {
    "digest": ("code", "Write down which code, defaults and texts of one's own each stage reads."),
    "download": (
        "corpus",
        "Fetch a corpus, or write it where it is built in, and check its digest.",
    ),
    "split": ("corpus", "Cut a corpus into train and validation text, in order."),
    "build_vocab": ("corpus", "List the tokens of a corpus."),
    "numericalize": ("corpus", "Turn the text of a corpus into arrays of ids."),
    "train": ("model", "Train every seed of a model."),
    "evaluate": ("model", "Score a model on held-out text."),
    "calibrate": (
        "corpus",
        "Measure floors on a corpus's own text, and try the detector on loops planted in it.",
    ),
    "generate": (
        "model",
        "Continue the corpus's prompts under every strategy, and score the samples under the "
        "reference model.",
    ),
    "detect_loops": ("model", "Say which of a model's samples loop."),
    "report": ("corpus", "Write reports/CORPUS/."),
    "check_store": (
        "corpus",
        "Hold a corpus's receipt against MLflow; where runs are gone, have them tracked again.",
    ),
    "track": ("corpus", "Bring a corpus's results into MLflow."),
}


def run_stage(stage: str, key: str) -> None:
    """Run one stage in this process. `corpus/model` will do for the key `corpus-model`."""
    from recurrence import machine, params

    checkout.insist()
    kind = STAGES[stage][0]
    if kind == "corpus":
        params.corpus(key)
    elif kind == "model":
        block = params.model(key)
        key = f"{block.corpus}-{block.name}"
    numerics.prepare(stage, key)
    module = importlib.import_module(f"recurrence.stages.{stage}")
    with only_writer(stage, key), machine.recorded(stage, key):
        module.main(key)


def stage_command(stage: str) -> Callable[[str], None]:
    """The command that runs one stage alone."""
    kind, summary = STAGES[stage]
    example = {"code": "code", "corpus": "human_numbers", "model": "human_numbers/lm6"}[kind]

    def command(
        key: Annotated[str, typer.Argument(metavar=kind.upper(), show_default=False)],
    ) -> None:
        run_stage(stage, key)

    command.__doc__ = f"""{summary}

    This stage alone, from what the stages before it left, whether or not anything changed;
    `recurrence repro {stage}@{example.replace("/", "-")}` runs it with what it needs,
    and only where it must.

    \b
    Example:
      recurrence {stage} {example}
    """
    return command


def check(
    data: Annotated[
        bool,
        typer.Option("--data", help="Also hold outputs and dvc's cache against their digests."),
    ] = False,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Mend what a dvc that was killed left of its own files."),
    ] = False,
    set_aside: Annotated[
        bool,
        typer.Option("--set-aside", help="With --data: move damaged files out of dvc's way."),
    ] = False,
    format: Annotated[
        Literal["table", "json"], typer.Option(help="For people, or for a program.")
    ] = "table",
) -> None:
    """Validate params.yaml (cores, options, strategies and filters too), and say what is in it.

    Also names what a dvc that was killed left of its own files, or a merge of dvc.lock.

    \b
    Examples:
      recurrence check              # exit code 1 if something is to be mended
      recurrence check --mend       # before a plain `dvc repro`; `recurrence repro` does it itself
      recurrence check --data       # exit code 1 if a file is damaged
      recurrence check --data --set-aside
    """
    from recurrence import params

    loaded = params.load()
    validate(loaded)
    tree: dict[str, Any] = {"corpora": [_here(name) for name in loaded.corpora]}
    tree["strategies"] = list(loaded.strategies)
    if format == "table":
        _print_corpora(tree["corpora"])
        print(f"strategies: {', '.join(loaded.strategies)}")
    troubles, mended = dvcs_troubles(mend)
    told = troubles or mended
    if data or set_aside:
        from recurrence import integrity
        from recurrence.tracking import receipts

        look = integrity.set_aside if set_aside else integrity.report
        damaged = look(paths.root()) + receipts.complaints()
        told = told + (damaged or ["outputs and cache: as dvc remembers them"])
        troubles = troubles + ([] if set_aside else damaged)
    if format == "json":
        print(json.dumps(tree | {"troubles": troubles}))
    elif told:
        print(escaped("\n".join(told), KEPT))
    raise typer.Exit(1 if troubles else 0)


def _here(name: str) -> dict[str, Any]:
    """What there is of a corpus."""
    from recurrence import params

    corpus, blocks = params.corpus(name), params.models_of(name).values()
    folders = [paths.model(name, block.name) for block in blocks]
    return {
        "corpus": name,
        "source": corpus.source.kind,
        "unit": corpus.tokens.unit,
        "text_here": paths.text(name).exists(),
        "models": len(folders),
        "trained": sum((folder / "config.json").exists() for folder in folders),
    }


def _print_corpora(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("corpus", "source", "unit", "text here", "models", "trained"):
        table.add_column(title)
    for row in rows:
        shown = row | {"text_here": "yes" if row["text_here"] else "no"}
        table.add_row(*map(str, shown.values()))
    Console().print(table)


def dvcs_troubles(mend: bool) -> tuple[list[str], list[str]]:
    """What is wrong with dvc's own files, and what was mended of it where that is asked for.
    Nothing without dvc.
    """
    try:
        from recurrence.repro import mending
    except ImportError:
        return [], []
    root = paths.root()
    if not mend:
        return list(map(str, mending.found(root))), []
    with mending.alone(root):
        mending.opened(root, say).close()
        return [], list(mending.mend(root)) or ["dvc's own files: nothing to mend"]


def validate(loaded: "Params") -> None:
    """What the schema cannot know: that cores take their sizes, options and recipes, and that
    filters exist.

    Raises RecurrenceError naming the block. Trains and stores nothing.
    """
    import numpy as np

    from recurrence.decoding.filters.contract import Setting
    from recurrence.decoding.strategies import build_strategy
    from recurrence.model import blank_model, core_module, counts
    from recurrence.vocab import Vocab

    for block in loaded.models.values():
        if counts(block):
            core_module(block.core).Counted.count(np.zeros(1000, np.uint8), 2, **block.options)
        else:
            blank_model(block, vocab_size=2)
    amateur = core_module("uniform").Counted.count(np.zeros(0, np.uint8), 2)
    rules = {corpus.tokens.unit: corpus.tokens for corpus in loaded.corpora.values()}
    for _, rule in sorted(rules.items()):
        setting = Setting(Vocab(("a", "b"), (), rule), bits=1.0, amateur=amateur)
        for name, strategy in loaded.strategies.items():
            build_strategy(name, strategy, setting)


def repro(
    targets: Annotated[
        list[str] | None, typer.Argument(help="stage@key; default: everything")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Stages at a time; default: one per core."),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds to wait for another dvc in this project; default: 600."),
    ] = None,
    on: Annotated[
        str,
        typer.Option(metavar="here|ray|ray://HOST:PORT", help="Where stages run."),
    ] = "here",
    dry: Annotated[
        bool,
        typer.Option(
            "--dry",
            help="Run nothing: say what would run, why, and how long it took the last time.",
        ),
    ] = False,
) -> None:
    """Run whatever is not up to date, with what it needs; go on past failures; sum up at the end.

    What `dvc repro` would do, with the same results, several stages at a time. Ctrl-C stops all of
    them; the same command goes on from there. In a target, corpus/model will do for corpus-model.

    \b
    Examples:
      recurrence repro
      recurrence repro --jobs 4
      recurrence repro report@human_numbers track@human_numbers
      recurrence repro train@nietzsche/lstm
      recurrence repro --dry
      recurrence repro --on ray                    # on Ray, started here or where RAY_ADDRESS says
      recurrence repro --on ray://head:10001       # on a Ray cluster, dvc here: docs/machines.md
    """
    from recurrence import params
    from recurrence.cli import reproduction

    checkout.insist()
    validate(params.load())
    wanted = [target.replace("/", "-", 1) for target in targets or []]
    if dry:
        from recurrence.cli import foreseeing

        print("\n".join(foreseeing.foreseen(wanted)))
        raise typer.Exit
    with suppress(ImportError):  # without dvc the run says so itself
        from recurrence.repro import plots_page

        plots_page.prepare(paths.root())
    raise typer.Exit(reproduction.run(wanted, jobs, wait, on))


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this machine only.")] = 5000,
) -> None:
    """Serve the MLflow store in .mlflow/ to a browser on this machine.

    \b
    Examples:
      recurrence ui
      recurrence ui --port 5001
    """
    from recurrence.tracking.ui import serve_ui

    serve_ui(port)
