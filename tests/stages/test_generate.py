"""The generate stage on the small trained project: what it writes, in the form that detect_loops and report read."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.loops import find_run
from recurrence.model.checkpoint import load_model
from recurrence.stages import generate
from recurrence.vocab import Vocab

PROMPTS = {"prompt_tokens": 8, "texts": ["the d"], "length": 40}
SIZES = {"held_out": 2, "seeds": [0, 5], "checkpoints": 1, "card_trials": 1}
STRATEGIES = {
    "greedy": {"pick": "argmax"},
    "multinomial": {"pick": "sample"},
    "rolling": {"pick": "sample", "feeding": "rolling", "window": 4, "filters": [{"top_k": 5}]},
}
ROLLING = {"feeding": "rolling", "window": 4}
HARDER = {
    "beam": {"search": {"beam": 2}},
    "no_repeat": {"pick": "argmax", "filters": [{"no_repeat_ngram": 1}]},
    "mirostat": {"pick": "sample", "filters": [{"mirostat_v2": {"tau": {"of_bits": 0.5}}}]},
    "contrastive": {"pick": "argmax", "filters": [{"contrastive_decoding": 0.1}]},
}


def ask(
    project: Path,
    prompts: dict[str, Any] | None = None,
    strategies: dict[str, Any] | None = None,
    sizes: dict[str, Any] | None = None,
) -> None:
    """Put prompts, strategies and sizes into the project's params.yaml; every model is sampled by all strategies."""
    tree = yaml.safe_load((project / "params.yaml").read_text())
    tree["corpora"]["mine"]["prompts"] = PROMPTS | (prompts or {})
    tree["protocol"]["tiny"] = SIZES | (sizes or {})
    tree["strategies"] = STRATEGIES if strategies is None else strategies
    for block in tree["sampling"].values():
        block.pop("strategies", None)
    (project / "params.yaml").write_text(yaml.safe_dump(tree))


def samples(name: str = "rnn") -> pd.DataFrame:
    generate.main(f"mine-{name}")
    return pd.read_parquet(paths.samples("mine", name))


def test_a_row_per_strategy_prompt_and_seed(trained_project: Path) -> None:
    ask(trained_project)
    found = samples()
    assert list(found.groupby("strategy", sort=False).size().items()) == [
        ("greedy", 3),  # nothing to draw: the first seed alone
        ("multinomial", 6),
        ("rolling", 6),
    ]
    assert found.sample_id.is_unique
    last = found.iloc[-1]
    assert last.sample_id == "rolling/2/0/5"
    assert (last.strategy, last.prompt_id, last.train_seed, last.sample_seed) == (
        "rolling",
        2,
        0,
        5,
    )
    assert found.deterministic.tolist() == [True] * 3 + [False] * 12


def test_prompts_are_held_out_text_and_the_texts_of_the_block(trained_project: Path) -> None:
    ask(trained_project)
    prompts = samples().groupby("prompt_id").prompt.first().tolist()
    valid = (paths.text("mine") / "valid.txt").read_text()
    assert prompts[2] == "the d"
    assert prompts[0] == valid[:8]
    assert prompts[1] in valid[8:]


@pytest.mark.parametrize("name", ["rnn", "unigram"])
def test_text_ids_and_log_probability_belong_together(trained_project: Path, name: str) -> None:
    ask(trained_project)
    vocab = Vocab.load(paths.vocab("mine"))
    model = load_model(paths.model("mine", name), 0).double()
    for row in samples(name).query("strategy != 'rolling'").itertuples():
        assert len(row.ids) == 40
        assert row.text == vocab.decode(row.ids)
        assert not {"<unk>", "<pad>"} & {vocab.tokens[i] for i in row.ids}
        whole = torch.tensor([[*vocab.encode_text(row.prompt), *row.ids]])
        if name == "rnn":
            logits_TV = model(whole[:, :-1], model.initial_state(1))[0][0, -40:]
        else:
            logits_TV = model(whole[0, -41:-1, None], ())[0]
        expected = logits_TV.double().log_softmax(-1).gather(1, whole[0, -40:, None]).sum()
        assert row.logprob_nats == pytest.approx(
            expected.item(), abs=6e-7
        )  # single precision would show


def test_running_again_gives_the_same_bytes(trained_project: Path) -> None:
    ask(trained_project)
    samples()
    before = paths.samples("mine", "rnn").read_bytes()
    samples()
    assert paths.samples("mine", "rnn").read_bytes() == before


def test_a_sample_depends_on_nothing_that_runs_beside_it(trained_project: Path) -> None:
    ask(trained_project)
    together = samples().set_index("sample_id").text
    ask(trained_project, None, {"rolling": STRATEGIES["rolling"]}, {"seeds": [5, 7]})
    alone = samples().set_index("sample_id").text
    shared = alone.index.intersection(together.index)
    assert len(shared) == 3
    assert alone[shared].equals(together[shared])
    assert together.is_unique


def test_the_first_checkpoints_generate(trained_project: Path) -> None:
    folder = paths.model("mine", "rnn")
    for seed in (1, 2):
        shutil.copy(folder / "seed0.safetensors", folder / f"seed{seed}.safetensors")
    ask(trained_project, sizes={"checkpoints": 2})
    found = samples()
    assert sorted(set(found.train_seed)) == [0, 1]
    by_seed = [
        found[(found.train_seed == s) & (found.strategy == "multinomial")].text.tolist()
        for s in (0, 1)
    ]
    assert by_seed[0] != by_seed[1]  # the same weights, but other random numbers


def test_all_kinds_of_strategies_in_one_file(trained_project: Path) -> None:
    ask(trained_project, strategies=STRATEGIES | HARDER)
    found = samples().set_index("strategy")
    assert found.groupby(level=0, sort=False).size().to_dict() == {
        "greedy": 3, "multinomial": 6, "rolling": 6, "beam": 3, "no_repeat": 3, "mirostat": 6, "contrastive": 3,
    }  # fmt: skip
    history = found.uses_history.groupby(level=0).first()
    assert set(history[history].index) == {"no_repeat", "mirostat", "contrastive"}
    assert set(found[found.deterministic].index) == {"greedy", "beam", "no_repeat", "contrastive"}
    assert (
        found.loc["no_repeat", "rescued"] > 0
    ).all()  # there are fewer than 40 characters to choose from
    assert (found.drop("no_repeat").rescued == 0).all()
    assert {len(ids) for ids in found.ids} == {40}


def test_only_argmax_strategies_run_to_the_long_length(trained_project: Path) -> None:
    ask(trained_project, {"long_length": 90}, STRATEGIES | HARDER)
    longer = samples().set_index("sample_id")
    lengths = longer.ids.map(len).groupby(longer.strategy).agg(set).to_dict()
    assert {name: lengths[name] for name in ("greedy", "no_repeat", "contrastive")} == {
        "greedy": {90}, "no_repeat": {90}, "contrastive": {90},
    }  # fmt: skip
    assert all(lengths[name] == {40} for name in ("multinomial", "rolling", "beam", "mirostat"))
    ask(trained_project, None, STRATEGIES | HARDER)
    shorter = samples().set_index("sample_id")
    assert all(longer.text[key].startswith(text) for key, text in shorter.text.items())


def test_the_witness_speaks_of_deterministic_strategies_without_history(
    trained_project: Path,
) -> None:
    ask(
        trained_project,
        {"length": 200},
        STRATEGIES | HARDER | {"rolling": {"pick": "argmax"} | ROLLING},
    )
    found = samples()
    seen = found[found.witness_period.notna()]
    assert set(seen.strategy) <= {"greedy", "beam"}
    assert (found.witness_period.notna() == found.witness_gap.notna()).all()
    for row in seen.itertuples():
        run = find_run(row.ids, 2)
        assert run is not None
        assert row.witness_period % run.period == 0
        assert 0 <= row.witness_gap <= 1e-5
    assert "greedy" in set(seen.strategy)  # this net, hardly trained, settles at once


def test_a_model_without_hidden_state_has_no_witness(trained_project: Path) -> None:
    ask(trained_project)
    assert samples("unigram").witness_period.isna().all()


def test_a_model_may_name_its_strategies(trained_project: Path) -> None:
    ask(trained_project)
    tree = yaml.safe_load((trained_project / "params.yaml").read_text())
    tree["sampling"]["mine-rnn"]["strategies"] = ["multinomial"]
    (trained_project / "params.yaml").write_text(yaml.safe_dump(tree))
    assert set(samples().strategy) == {"multinomial"}


def test_the_prompts_have_a_digest(trained_project: Path) -> None:
    ask(trained_project)
    [of_one] = set(samples().prompts_digest)
    assert len(of_one) == 64
    assert set(samples("unigram").prompts_digest) == {of_one}
    ask(trained_project, sizes={"held_out": 3})
    assert set(samples().prompts_digest) != {of_one}


@pytest.mark.parametrize(
    ("prompts", "strategies", "sizes", "message"),
    [
        ({"texts": []}, STRATEGIES, {"held_out": 0}, "nothing to generate"),
        ({}, {}, {}, "nothing to generate"),
        ({"texts": [""]}, STRATEGIES, {}, "corpora.mine.prompts: prompt '' is empty"),
        ({"texts": ["§§"]}, STRATEGIES, {}, "corpora.mine.prompts: prompt '§§' is wholly unknown"),
        (
            {"prompt_tokens": 100_000},
            STRATEGIES,
            {},
            "corpora.mine.prompts: prompt_tokens must be less than",
        ),
        (
            {},
            {"odd": {"pick": "sample", "filters": [{"top": 3}]}},
            {},
            "strategies.odd.filters: no filter 'top'",
        ),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    trained_project: Path,
    prompts: dict[str, Any],
    strategies: dict[str, Any],
    sizes: dict[str, Any],
    message: str,
) -> None:
    ask(trained_project, prompts, strategies, sizes)
    with pytest.raises(RecurrenceError, match=message):
        generate.main("mine-rnn")
    assert not paths.samples("mine", "rnn").exists()


def test_a_missing_model_is_named(trained_project: Path) -> None:
    shutil.rmtree(paths.model("mine", "rnn"))
    with pytest.raises(RecurrenceError, match="mine/rnn"):
        generate.main("mine-rnn")


def test_a_missing_amateur_or_score_is_named(trained_project: Path) -> None:
    paths.scores("mine", "unigram").unlink()
    with pytest.raises(RecurrenceError, match="scores/mine/unigram.json"):
        generate.main("mine-unigram")
    shutil.rmtree(paths.model("mine", "unigram"))
    with pytest.raises(
        RecurrenceError, match="mine/unigram: holds no weights, and rnn needs it as its amateur"
    ):
        generate.main("mine-rnn")
