from dataclasses import replace

import pandas as pd

from recurrence.reporting.protocol import modes, protocol
from recurrence.results.corpus import Results
from reporting.results_tree import changed, model


def test_the_protocol_says_what_was_done(toy: Results) -> None:
    sampling, confirming, references, human, intervals, alone = protocol(toy)
    assert (
        "Every net of good goes on from 3 prompts of 8 characters from evenly spaced places of "
        "the held-out text, "
        "those of other models from as many as give as many samples (all prompts: sha256 "
        "0123456789ab…), " in sampling
    )
    assert (
        "once, to 120 characters where the likeliest token is taken and nothing else is asked, "
        "random ones with 2 seeds" in sampling
    )
    assert sampling.endswith("Nets: good 1, poor 1 and kneser_ney 1.")
    assert "until at most 1.0 % can loop" in confirming
    assert "good under poor; poor and kneser_ney under good" in references
    assert "Differences from multinomial" in intervals
    assert alone.startswith("Of good, poor and kneser_ney there is one net")
    assert "5 windows of the validation text" in human
    assert "Wilson" in intervals and "Holm" in intervals


def test_without_samples_there_is_no_protocol(toy: Results) -> None:
    assert protocol(replace(toy, models=(model(toy, "uniform"),))) == []
    assert modes(replace(toy, models=(model(toy, "uniform"),)))["rows"] == []


def test_loops_through_eos_before_it_and_in_longer_samples(toy: Results) -> None:
    samples = model(toy, "good").samples
    ended = (samples["strategy"] == "greedy") & (samples["prompt_id"] < 2)
    eos = pd.Series(4, index=samples.index, dtype="Int64").where(ended)
    cut = changed(toy, "good", samples=samples.assign(eos_at=eos, stopped_kind=None).assign(
        stopped_kind=lambda t: t["stopped_kind"].mask(ended, "none")))  # fmt: skip
    shown = modes(replace(cut, models=(model(cut, "good"),)))
    assert (shown["ends"], shown["longer"]) == (True, True)
    greedy, _, beams, *_ = shown["rows"]
    assert (greedy["through"], greedy["ended"], greedy["stopped"]) == (1.0, 2 / 3, 1 / 3)
    assert (greedy["short"], greedy["long"], greedy["long_samples"]) == (1.0, 1.0, 3)
    assert (beams["ended"], beams["stopped"], beams["long"]) == (0.0, 1.0, None)
