"""params.yaml as frozen models; the only place that validates or words a params error.

Lengths count tokens, losses are nats.
"""

from recurrence.params.block import Block
from recurrence.params.corpora import Corpus, Prompts, Sample, Source, Split, Tokens, VocabRule
from recurrence.params.decoding import (
    Family,
    Loops,
    Protocol,
    Sampling,
    Sizes,
    Strategy,
    for_unit,
)
from recurrence.params.models import Batches, Dropout, Model, Optimizer, Phase, Recipe, Schedule
from recurrence.params.project import (
    Compute,
    Params,
    core_names,
    corpus,
    load,
    model,
    models_of,
    parse,
    protocol,
    sampled_of,
    sampling,
    strategies,
)

__all__ = [
    "Batches",
    "Block",
    "Compute",
    "Corpus",
    "Dropout",
    "Family",
    "Loops",
    "Model",
    "Optimizer",
    "Params",
    "Phase",
    "Prompts",
    "Protocol",
    "Recipe",
    "Sample",
    "Sampling",
    "Schedule",
    "Sizes",
    "Source",
    "Split",
    "Strategy",
    "Tokens",
    "VocabRule",
    "core_names",
    "corpus",
    "for_unit",
    "load",
    "model",
    "models_of",
    "parse",
    "protocol",
    "sampled_of",
    "sampling",
    "strategies",
]
