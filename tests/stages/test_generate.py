"""The generate stage on the small trained project: what it writes, in the form that detect_loops and report read."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from recurrence import paths
from recurrence.checkpoint import load_model
from recurrence.errors import RecurrenceError
from recurrence.stages import generate
from recurrence.vocab import Vocab

PROMPTS = {"held_out": 2, "prompt_tokens": 8, "texts": ["the d"], "length": 40, "seeds": [0, 5]}
STRATEGIES = {
    "greedy": {"pick": "argmax"},
    "multinomial": {"pick": "sample"},
    "rolling": {"pick": "sample", "feeding": "rolling", "window": 4, "filters": [{"top_k": 5}]},
}


def ask(project: Path, prompts: dict[str, Any] | None = None, strategies: dict[str, Any] | None = None) -> None:
    """Put prompts and strategies into the project's params.yaml."""
    tree = yaml.safe_load((project / "params.yaml").read_text())
    tree["corpora"]["mine"]["prompts"] = PROMPTS | (prompts or {})
    tree["strategies"] = STRATEGIES if strategies is None else strategies
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
    assert (last.strategy, last.prompt_id, last.train_seed, last.sample_seed) == ("rolling", 2, 0, 5)
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
        assert row.logprob_nats == pytest.approx(expected.item(), abs=6e-7)  # single precision would show


def test_running_again_gives_the_same_bytes(trained_project: Path) -> None:
    ask(trained_project)
    samples()
    before = paths.samples("mine", "rnn").read_bytes()
    samples()
    assert paths.samples("mine", "rnn").read_bytes() == before


def test_a_sample_depends_on_nothing_that_runs_beside_it(trained_project: Path) -> None:
    ask(trained_project)
    together = samples().set_index("sample_id").text
    ask(trained_project, {"seeds": [5, 7]}, {"rolling": STRATEGIES["rolling"]})
    alone = samples().set_index("sample_id").text
    shared = alone.index.intersection(together.index)
    assert len(shared) == 3
    assert alone[shared].equals(together[shared])
    assert together.is_unique


def test_the_first_checkpoints_generate(trained_project: Path) -> None:
    folder = paths.model("mine", "rnn")
    for seed in (1, 2):
        shutil.copy(folder / "seed0.safetensors", folder / f"seed{seed}.safetensors")
    ask(trained_project, {"checkpoints": 2})
    found = samples()
    assert sorted(set(found.train_seed)) == [0, 1]
    by_seed = [found[(found.train_seed == s) & (found.strategy == "multinomial")].text.tolist() for s in (0, 1)]
    assert by_seed[0] != by_seed[1]  # the same weights, but other random numbers


@pytest.mark.parametrize(
    ("prompts", "strategies", "message"),
    [
        ({"seeds": []}, {"multinomial": {"pick": "sample"}}, "nothing to generate"),
        ({"held_out": 0, "texts": []}, STRATEGIES, "nothing to generate"),
        ({}, {}, "nothing to generate"),
        ({"texts": [""]}, STRATEGIES, "corpora.mine.prompts: prompt '' is empty"),
        ({"texts": ["§§"]}, STRATEGIES, "corpora.mine.prompts: prompt '§§' is wholly unknown"),
        ({"prompt_tokens": 100_000}, STRATEGIES, "corpora.mine.prompts: prompt_tokens must be less than"),
        ({}, {"odd": {"pick": "sample", "filters": [{"top": 3}]}}, "strategies.odd.filters: no filter 'top'"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    trained_project: Path, prompts: dict[str, Any], strategies: dict[str, Any], message: str
) -> None:
    ask(trained_project, prompts, strategies)
    with pytest.raises(RecurrenceError, match=message):
        generate.main("mine-rnn")
    assert not paths.samples("mine", "rnn").exists()


def test_a_missing_model_is_named(trained_project: Path) -> None:
    shutil.rmtree(paths.model("mine", "rnn"))
    with pytest.raises(RecurrenceError, match="mine/rnn"):
        generate.main("mine-rnn")
