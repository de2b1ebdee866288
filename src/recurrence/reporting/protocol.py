"""How the samples were made and compared, in sentences and a small table, from what the files say
of it.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from recurrence.loops.verdict import LOOPS
from recurrence.results import units
from recurrence.results.corpus import FAMILIES, HUMAN, ModelResults, Results
from recurrence.results.formats import count, few, percent

INTERVALS = (
    "Intervals hold 95 %, as statements over nets and prompts: the variance of a bootstrap over "
    "nets, then prompts, corrected for few nets, in Wilson's interval with Student's t; where all "
    "samples agree, Wilson's of the pairs of net and prompt. Differences from {reference}: a "
    "sign-flip permutation test paired by net and prompt, p after Holm over the strategies. Onset: "
    "Kaplan and Meier's curve, where samples that end without a loop are censored."
)
ONE_NET = "Of {names} there is one net, so their intervals are over prompts alone."


def protocol(results: Results) -> list[str]:
    """Sentences; none where nothing was sampled."""
    sampled = [m for m in results.models if len(m.samples)]
    if not sampled:
        return []
    return [
        _sampling(sampled[0], results),
        *_confirming(sampled),
        *_references(sampled, results),
        *_human(sampled[0]),
        INTERVALS.format(reference=results.reference or "pure sampling"),
        *_one_net(sampled),
    ]


def _one_net(sampled: list[ModelResults]) -> Iterator[str]:
    names = [m.name for m in sampled if m.samples["train_seed"].nunique() == 1]
    if names:
        yield ONE_NET.format(names=few(names))


def _confirming(sampled: list[ModelResults]) -> Iterator[str]:
    """How settings are recommended."""
    choice = next((m.loops["choice"] for m in sampled if m.loops.get("choice")), None)
    if choice:
        text = "A setting is chosen on every second net, and confirmed on the others, on prompts "
        text += "that no setting was chosen by, which go on until at most "
        yield text + f"{percent(choice['bound'])} can loop or it is clear that more do."


def _sampling(model: ModelResults, results: Results) -> str:
    """Prompts, lengths, seeds."""
    noun = units.nouns(results.unit)
    samples, length = model.samples, int(model.loops["length"])
    digest = str(model.loops["prompts_digest"])[:12]
    asked, prompts = results.prompts, samples["prompt_id"].nunique()
    seeds = samples["sample_seed"].nunique()
    nets = {m.name: m.samples["train_seed"].nunique() for m in results.models if len(m.samples)}
    given = f" and {len(asked.texts)} given" if asked.texts else ""
    held_out = (
        f"{prompts - len(asked.texts)} prompts of {asked.prompt_tokens} {noun} from evenly spaced "
        f"places of the"
    )
    text = (
        f"Every net of {model.name} goes on from {held_out} held-out text{given}, those of other "
    )
    text += f"models from as many as give as many samples (all prompts: sha256 {digest}…), "
    text += f"for {count(length)} {noun}; "
    longest = int(samples["ids"].map(len).max())
    long = (
        f", to {count(longest)} {noun} where the likeliest token is taken and nothing else is asked"
        if longest > length
        else ""
    )
    text += (
        f"deterministic strategies once{long}, random ones with {seeds} "
        f"seed{'s' if seeds > 1 else ''}. "
    )
    return text + f"Nets: {few([f'{name} {count}' for name, count in nets.items()], most=12)}."


def _references(sampled: list[ModelResults], results: Results) -> Iterator[str]:
    judged: dict[str, list[str]] = {}
    for m in sampled:
        if m.human_nats:
            judged.setdefault(str(m.loops["reference"]), []).append(m.name)
    if judged:
        pairs = "; ".join(f"{few(names)} under {reference}" for reference, names in judged.items())
        noun = units.noun(results.unit)
        text = (
            "The reference nats of a sample are what its reference model, another of this corpus, "
        )
        yield text + f"needs per {noun} of it: {pairs}."


def _human(model: ModelResults) -> Iterator[str]:
    human = model.rates.get(HUMAN)
    if human and human["samples"]:
        windows = f"{count(human['samples'])} windows of the validation text of that length"
        yield f"Human text is {windows}, measured as the samples are."


def modes(results: Results) -> dict[str, Any]:
    """A row per family over the trained models: loops through <eos>, in the text before it, and in
    longer samples.

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
    return float(kinds.isin(LOOPS).mean())
