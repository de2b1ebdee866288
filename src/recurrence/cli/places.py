"""What a person names on the command line -> a model folder, a seed, a text."""

import sys
from dataclasses import dataclass
from pathlib import Path

from recurrence import params, paths
from recurrence.errors import RecurrenceError, command
from recurrence.vocab import Vocab


@dataclass(frozen=True)
class Trained:
    """A folder with a trained model, and which of its seeds is asked for."""

    folder: Path
    seed: int
    vocab: Vocab
    hidden: int | None


def trained(model: str, seed: int | None) -> Trained:
    """Find a model by `corpus/model` or path, with its first seed unless one is named.

    Raises RecurrenceError for a name that params.yaml does not have, and for a folder without a
    model of ours.
    """
    from recurrence.model.checkpoint import check_vocabulary, load_config, seeds_in

    folder = model_folder(model)
    block = load_config(folder)
    seeds = seeds_in(folder)
    if not seeds:
        raise RecurrenceError(
            f"{folder}: holds no weights (seed*.safetensors); train the model again"
        )
    vocab = Vocab.load(folder / "vocab.json")
    check_vocabulary(folder, len(vocab))
    return Trained(folder, seeds[0] if seed is None else seed, vocab, block.hidden)


def model_folder(model: str) -> Path:
    """The folder of `corpus/model` (or `corpus-model`), or the path itself where it is one."""
    as_path = Path(model)
    if as_path.is_dir() or as_path.is_absolute() or len(as_path.parts) > 2 or model.startswith("."):
        return as_path
    key = model.replace("-", "/", 1)
    if "/" in key and (folder := paths.model(*key.split("/", 1))).is_dir():
        return folder
    block = params.model(model)
    raise RecurrenceError(
        f"{model}: not trained yet (no {paths.model(block.corpus, block.name)}); "
        f"train it: {command('recurrence', 'repro', f'train@{block.corpus}-{block.name}')}"
    )


def read_text(file: str) -> str:
    """The text of a UTF-8 file, or of stdin for `-`."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise RecurrenceError(
            f"{file}: cannot be read ({error.strerror}); give a text file, or - for stdin"
        ) from error
    except UnicodeDecodeError as error:
        raise RecurrenceError(
            f"{file}: not UTF-8 (byte {error.start}); give a text file saved as UTF-8"
        ) from error
    if not text.strip():
        raise RecurrenceError(f"{file}: empty; there must be some text")
    return text
