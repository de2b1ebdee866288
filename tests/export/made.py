"""Small nets of every core, for tests of what they are exported to."""

import torch

from recurrence import params
from recurrence.model import LanguageModel, build_model, core_module
from recurrence.vocab import Vocab

RECURRENT = [name for name in params.core_names() if hasattr(core_module(name), "Core")]
CONTEXT = 3
VOCAB = Vocab(("<unk>", "<pad>", *"abcdef \n"), ("<unk>", "<pad>"), params.Tokens(unit="char"))


def made(
    core: str, context: int | None = None, **changes: object
) -> tuple[params.Model, LanguageModel]:
    """A net with drawn weights, and its block."""
    torch.manual_seed(0)
    sizes = {"corpus": "toy", "name": "toy", "core": core, "embedding": 6, "hidden": 8}
    if core == "elman":
        sizes["options"] = {"input_layer": True}
    if core == "transformer":
        sizes["options"] = {"window": 6}
    block = params.Model.model_validate(sizes | {"context": context} | changes)
    return block, build_model(block, len(VOCAB)).eval()
