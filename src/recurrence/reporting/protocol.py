"""How the samples were made and compared, in sentences and a small table, from what the files say of it."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from recurrence.reporting.formats import count, few
from recurrence.reporting.results import FAMILIES, HUMAN, LOOPING, ModelResults, Results

INTERVALS = (
    "Intervals hold 95 %: Wilson's for deterministic strategies and wherever all samples agree, else a bootstrap over "
    "prompts. Differences from pure sampling: a sign-flip permutation test paired by prompt, p after Holm over the "
    "strategies. Onset: Kaplan and Meier's curve, where samples that end without a loop are censored."
)


def protocol(results: Results) -> list[str]:
    """Sentences; none where nothing was sampled."""
    sampled = [m for m in results.models if len(m.samples)]
    if not sampled:
        return []
    return [
        _sampling(sampled[0], results),
        *_judges(sampled, results),
        *_human(sampled[0]),
        INTERVALS,
    ]


def _sampling(model: ModelResults, results: Results) -> str:
    """Prompts, lengths, seeds."""
    noun = {"char": "characters", "word": "words"}[results.unit]
    samples, length = model.samples, int(model.loops["length"])
    digest = str(model.loops["prompts_digest"])[:12]
    asked, prompts = results.prompts, samples["prompt_id"].nunique()
    given = f" and {len(asked.texts)} given" if asked.texts else ""
    held_out = f"{prompts - len(asked.texts)} prompts of {asked.prompt_tokens} {noun} from evenly spaced places of the"
    text = f"Every model goes on from the same {held_out} held-out text{given} (sha256 {digest}…) "
    text += f"for {count(length)} {noun}; "
    longest = int(samples["ids"].map(len).max())
    long = (
        f", to {count(longest)} {noun} where the likeliest token is taken"
        if longest > length
        else ""
    )
    seeds, trained = samples["sample_seed"].nunique(), samples["train_seed"].nunique()
    text += f"deterministic strategies once{long}, random ones with {seeds} seed{'s' if seeds > 1 else ''}"
    return f"{text}, {'each of ' if trained > 1 else ''}{trained} trained net{'s' if trained > 1 else ''} of a model."


def _judges(sampled: list[ModelResults], results: Results) -> Iterator[str]:
    judged: dict[str, list[str]] = {}
    for m in sampled:
        if m.human_nats:
            judged.setdefault(str(m.loops["judge"]), []).append(m.name)
    if judged:
        pairs = "; ".join(f"{few(names)} by {judge}" for judge, names in judged.items())
        noun = {"char": "character", "word": "word"}[results.unit]
        yield f"The price of a sample is what a judge, another model of this corpus, needs per {noun} of it: {pairs}."


def _human(model: ModelResults) -> Iterator[str]:
    human = model.rates.get(HUMAN)
    if human and human["samples"]:
        windows = f"{count(human['samples'])} windows of the validation text of that length"
        yield f"Human text is {windows}, measured and priced as the samples are."


def modes(results: Results) -> dict[str, Any]:
    """A row per family over the trained models: loops through <eos>, in the text before it, and in longer samples.

    `ends`: some sample has an <eos>; `longer`: some sample is longer than its verdict.
    """
    samples = results.samples
    if not len(samples):
        return {"rows": [], "ends": False, "longer": False}
    families = samples["strategy"].map(results.family)
    found = {
        words: samples[families == family]
        for family, words in FAMILIES.items()
        if (families == family).any()
    }
    return {
        "rows": [{"family": words} | _modes(rows) for words, rows in found.items()],
        "ends": bool(samples["eos_at"].notna().any()),
        "longer": bool(samples["long_kind"].notna().any()),
    }


def _modes(rows: pd.DataFrame) -> dict[str, Any]:
    long, ended = rows[rows["long_kind"].notna()], rows["eos_at"].notna()
    return {
        "samples": len(rows),
        "through": _share(rows["kind"]),
        "ended": float(ended.mean()),
        "stopped": _share(rows["stopped_kind"].where(ended, rows["kind"])),
        "short": _share(long["kind"]) if len(long) else None,
        "long": _share(long["long_kind"]) if len(long) else None,
        "long_samples": len(long),
    }


def _share(kinds: "pd.Series[str]") -> float:
    """Of these verdicts, how many are loops."""
    return float(kinds.isin(LOOPING).mean())
