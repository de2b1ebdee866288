"""detect_loops: samples, reference nats, the corpus's own ids and its card -> a row for each
sample, and rates per strategy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurrence import params, paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, md5, read_json, write_json
from recurrence.loops import windows
from recurrence.repetition.metrics import METRICS, Training, words_of
from recurrence.repetition.published import PUBLISHED
from recurrence.study.calibration import detector_of
from recurrence.study.choice import Choice, Plan, decide, human_text
from recurrence.study.rates import HUMAN, rates
from recurrence.study.survey import Row, agrees, survey
from recurrence.vocab import Vocab

Parts = dict[str, NDArray[np.integer]]

ABOUT = ("sample_id", "strategy", "prompt_id", "train_seed", "sample_seed", "fresh")
KNOWN = ("deterministic", "uses_history", "rescued", "witness_period")
VERDICT = (
    "kind",
    "length",
    "start",
    "period",
    "copies",
    "matched",
    "coverage",
    "terminal",
    "identity",
)
NESTED = ("nested_start", "nested_period", "nested_matched")
ELSEWHERE = (
    "long_kind",
    "long_start",
    "long_period",
    "witness_period",
    "agrees",
    "eos_at",
    "stopped_kind",
)
COLUMNS = [
    *ABOUT,
    *VERDICT,
    *NESTED,
    "unit",
    "attractor",
    *METRICS,
    "reference_nats",
    *PUBLISHED,
    *ELSEWHERE,
]
WHOLE = (
    *ABOUT[2:5],
    "start",
    "period",
    "matched",
    *NESTED,
    "long_start",
    "long_period",
    "witness_period",
    "eos_at",
)
REAL = ("copies", "coverage", "identity", "reference_nats", *METRICS)
TEXT = ("kind", "unit", "attractor", "long_kind", "stopped_kind")
TYPES = dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(REAL, "float64") | dict.fromkeys(TEXT, "str")
TYPES |= {"terminal": "boolean", "agrees": "boolean", "fresh": "boolean"}


def main(key: str) -> None:
    """Screening every sample of a model, and windows of human text of the samples' length beside
    them.
    """
    asked, length = params.sampling(key), params.corpus(params.sampling(key).corpus).prompts.length
    vocab = Vocab.load(paths.vocab(asked.corpus))
    card = read_json(paths.calibration(asked.corpus))
    detector = detector_of(card, vocab.unk)
    human: Parts = {
        p: np.load(paths.ids(asked.corpus) / f"{p}.npy", mmap_mode="r") for p in ("train", "valid")
    }
    words = words_of(vocab.decode(human["train"])) if vocab.unit == "char" else None
    samples = _samples(asked)
    texts = pd.concat([samples, _windows(human, length)], ignore_index=True)
    ids = [np.asarray(each) for each in texts["ids"]]
    found = survey(
        ids,
        vocab.decode,
        detector,
        Training(human["train"], words),
        length,
        vocab.index.get("<eos>"),
    )
    rows = _joined(texts, found, _reference_nats(asked))
    counted = [
        i
        for i, row in enumerate(rows)
        if not row["fresh"] and not row["sample_id"].startswith(f"{HUMAN}/train/")
    ]
    reference = params.load().protocol.reference
    by_strategy = rates([rows[i] for i in counted], [ids[i] for i in counted], length, reference)
    head = {"floor": detector.floor, "unit": vocab.unit, "length": length}
    head |= {"prompts_digest": samples["prompts_digest"].iloc[0], "reference": asked.reference}
    head["samples_md5"] = md5(paths.samples(asked.corpus, asked.name))
    choice = _choice(asked, rows, len(human["valid"]), card)
    tree = head | {"choice": choice and choice.tree(), "strategies": by_strategy}
    with atomic_path(paths.loops_of(asked.corpus, asked.name)) as folder:
        folder.mkdir()
        table = pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
        table.to_parquet(folder / paths.verdicts(asked.corpus, asked.name).name, index=False)
        write_json(folder / paths.rates(asked.corpus, asked.name).name, tree)
    ours = {name: rate for name, rate in by_strategy.items() if name != HUMAN}
    figures = ("loop_rate", "loop_lo", "loop_hi", "nets", "samples")
    few = {figure: {name: rate[figure] for name, rate in ours.items()} for figure in figures}
    write_json(paths.metrics(asked.corpus, asked.name), few)
    say(f"detect_loops {key}: floor {detector.floor} {vocab.unit}s; looping {_told(by_strategy)}")


def _choice(
    asked: params.Sampling, rows: Sequence[Row], valid_tokens: int, card: Mapping[str, Any]
) -> Choice | None:
    """What `generate` came to, from the same samples; None where human text has no reference
    nats.
    """
    people = [row for row in rows if row["sample_id"].startswith(f"{HUMAN}/valid/")]
    prices = [row["reference_nats"] for row in people if row["reference_nats"] is not None]
    human = human_text(prices, [row["kind"] == "recycling" for row in people], card["bands"])
    ours = [row for row in rows if row["strategy"] != HUMAN]
    if human is None:
        return None

    def more(name: str, nets: Sequence[int], prompts: Sequence[int]) -> list[Row]:
        there = [
            row
            for row in ours
            if row["strategy"] == name and row["train_seed"] in nets and row["prompt_id"] in prompts
        ]
        if not there:
            raise RecurrenceError(
                f"{paths.samples(asked.corpus, asked.name)}: has no further samples of {name}; "
                f"run generate@{asked.corpus}-{asked.name} again"
            )
        return there

    nets = sorted({row["train_seed"] for row in ours})
    block, protocol = params.corpus(asked.corpus).prompts, params.load().protocol
    plan = Plan.of(nets, block, valid_tokens, protocol, card["unit"])
    return decide([row for row in ours if not row["fresh"]], more, human, plan)


def _joined(texts: pd.DataFrame, found: list[Row], prices: dict[str, float]) -> list[Row]:
    """What is known of each sample beforehand beside what was found; None instead of pandas's marks
    for nothing.
    """
    known = texts[[*ABOUT, *KNOWN]].astype(object)
    rows: list[Row] = []
    for values, more in zip(
        known.where(known.notna(), None).itertuples(index=False, name=None), found, strict=True
    ):
        row = dict(zip((*ABOUT, *KNOWN), values, strict=True)) | more
        beside = {
            "reference_nats": prices.get(row["sample_id"]),
            "agrees": agrees(row, row["witness_period"]),
        }
        rows.append(row | beside)
    return rows


def _samples(asked: params.Sampling) -> pd.DataFrame:
    """What `generate` wrote, without what is for readers alone."""
    path = paths.samples(asked.corpus, asked.name)
    try:
        return pd.read_parquet(path, columns=[*ABOUT, *KNOWN, "ids", "prompts_digest"])
    except FileNotFoundError as error:
        raise RecurrenceError(
            f"{path}: no samples; run generate@{asked.corpus}-{asked.name}"
        ) from error


def _reference_nats(asked: params.Sampling) -> dict[str, float]:
    """What `generate` wrote: nats per token by sample_id."""
    path = paths.reference_nats(asked.corpus, asked.name)
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError as error:
        raise RecurrenceError(
            f"{path}: no reference nats; run generate@{asked.corpus}-{asked.name}"
        ) from error
    return dict(zip(table["sample_id"], table["reference_nats"].astype(float), strict=True))


def _windows(human: Parts, length: int) -> pd.DataFrame:
    """The corpus's own text as samples of a strategy called human: sample_id, strategy, ids."""
    at_most = params.load().loops.human_windows
    cut = {part: windows(text, length, at_most) for part, text in human.items()}
    rows = [
        (f"{HUMAN}/{part}/{i}", HUMAN, ids, 0, False)
        for part, own in cut.items()
        for i, ids in enumerate(own)
    ]
    return pd.DataFrame(rows, columns=["sample_id", "strategy", "ids", "rescued", "fresh"])


def _told(found: dict[str, Row]) -> str:
    """Which strategies always loop, which sometimes and how often, and how many never do."""
    always = [name for name, rate in found.items() if rate["loops"] == rate["samples"]]
    some = {name: rate for name, rate in found.items() if 0 < rate["loops"] < rate["samples"]}
    parts = {
        "always": always,
        "sometimes": [f"{name} {r['loops']}/{r['samples']}" for name, r in some.items()],
    }
    said = [f"{how} {', '.join(names)}" for how, names in parts.items() if names]
    return "; ".join([*said, f"never the other {len(found) - len(always) - len(some)}"])
