"""The generate stage on the small trained project: what it writes, in the form that detect_loops
and report read.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from recurrence import paths
from recurrence.decoding import making
from recurrence.decoding.grid import make
from recurrence.errors import RecurrenceError
from recurrence.loops import find_run
from recurrence.model.checkpoint import load_model
from recurrence.stages import generate
from recurrence.study.choice import Human
from recurrence.vocab import Vocab

PROMPTS = {"prompt_tokens": 8, "texts": ["the d"], "length": 40}
SIZES = {"pairs": 2, "seeds": [0, 5], "candidates": 0, "card_trials": 1}
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
    """Put prompts, strategies and sizes into the project's params.yaml; every model is sampled by
    all strategies.
    """
    tree = yaml.safe_load((project / "params.yaml").read_text())
    tree["corpora"]["mine"]["prompts"] = PROMPTS | (prompts or {})
    tree["protocol"]["tiny"] = SIZES | (sizes or {})
    tree["strategies"] = STRATEGIES if strategies is None else strategies
    tree["protocol"]["reference"] = next(iter(tree["strategies"]), None)
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
    assert last.sample_id == "rolling/2/0/5" and not found.fresh.any()
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
    assert prompts[0] == "the d"
    assert prompts[1] == valid[:8]
    assert prompts[2] in valid[8:]


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


def more_nets(project: Path) -> None:
    """Two further nets of the rnn: its first one with a little noise."""
    folder = paths.model("mine", "rnn")
    weights = load_file(folder / "seed0.safetensors")
    for seed in (1, 2):
        rng = torch.Generator().manual_seed(seed)
        noisy = {n: w + 0.1 * torch.randn(w.shape, generator=rng) for n, w in weights.items()}
        save_file(noisy, folder / f"seed{seed}.safetensors")


def test_every_net_goes_on_from_the_same_prompts(trained_project: Path) -> None:
    more_nets(trained_project)
    ask(trained_project, sizes={"pairs": 4})  # two for each of three nets, and the text
    found = samples()
    assert found.groupby(["strategy", "train_seed"]).prompt_id.nunique().unique().tolist() == [3]
    assert sorted(set(found.train_seed)) == [0, 1, 2]
    for net in (0, 2):
        alone = found[found.train_seed == net].set_index("sample_id")
        for seed in {0, 1, 2} - {net}:
            (paths.model("mine", "rnn") / f"seed{seed}.safetensors").rename(
                trained_project / f"{seed}"
            )
        ask(trained_project, sizes={"pairs": 2})
        kept = paths.unfinished_samples("mine", "rnn")
        shutil.rmtree(kept)
        again = samples().set_index("sample_id")
        assert again.text.equals(alone.text[again.index]), "whoever else generates beside it"
        for seed in {0, 1, 2} - {net}:
            (trained_project / f"{seed}").rename(
                paths.model("mine", "rnn") / f"seed{seed}.safetensors"
            )


def calls(monkeypatch: pytest.MonkeyPatch, fail_at: int | None = None) -> list[list[str]]:
    """The strategies of each batch that is made from now on; one of them may be the last."""
    seen: list[list[str]] = []

    def noted(nets: Any, cells: Any, *others: Any) -> Any:
        if len(seen) == fail_at:
            raise KeyboardInterrupt
        seen.append([cell.strategy.name for cell in cells])
        return make(nets, cells, *others)

    monkeypatch.setattr(making, "make", noted)
    return seen


def written() -> list[bytes]:
    return [find("mine", "rnn").read_bytes() for find in (paths.samples, paths.reference_nats)]


def test_killed_between_two_batches_it_goes_on_and_writes_the_same(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(trained_project)
    monkeypatch.setattr(making, "LEAST_ROWS", 4)
    monkeypatch.setattr(making, "BATCH_WORK", 0)
    whole = calls(monkeypatch)
    samples()
    first = written()
    assert len(whole) == 4  # 15 samples
    shutil.rmtree(paths.unfinished_samples("mine", "rnn"))
    paths.samples("mine", "rnn").unlink()
    calls(monkeypatch, fail_at=2)
    with pytest.raises(KeyboardInterrupt):
        generate.main("mine-rnn")
    rest = calls(monkeypatch)
    samples()
    assert (len(rest), written()) == (2, first)


def test_of_one_more_strategy_that_alone_is_made(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(trained_project)
    before = samples()
    ask(trained_project, strategies=STRATEGIES | {"no_repeat": HARDER["no_repeat"]})
    made = calls(monkeypatch)
    after = samples()
    assert made == [["no_repeat"] * 3]
    assert after[after.strategy != "no_repeat"].text.tolist() == before.text.tolist()
    ask(trained_project, strategies={"greedy": STRATEGIES["greedy"]})
    assert (set(samples().strategy), len(made)) == ({"greedy"}, 1), "a strategy removed"


def test_a_changed_block_or_net_is_made_anew(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(trained_project)
    samples()
    ask(trained_project, strategies=STRATEGIES | {"multinomial": {"pick": "sample", "allow": []}})
    made = calls(monkeypatch)
    samples()
    assert made == [["multinomial"] * 6]
    more_nets(trained_project)
    (paths.model("mine", "rnn") / "seed2.safetensors").replace(
        paths.model("mine", "rnn") / "seed0.safetensors"
    )
    samples()
    assert sorted(set(made[-1])) == sorted(STRATEGIES)


def test_a_part_that_is_not_whole_is_made_again(trained_project: Path) -> None:
    ask(trained_project)
    samples()
    first = written()
    for part in paths.unfinished_samples("mine", "rnn").glob("*.parquet"):
        part.write_bytes(part.read_bytes()[:100])
    samples()
    assert written() == first


def test_prices_of_samples_and_of_human_text(trained_project: Path) -> None:
    """Mean nats per token under the reference model's first net, after the prompt."""
    ask(trained_project)
    found = samples().set_index("sample_id")
    nats = (
        pd.read_parquet(paths.reference_nats("mine", "rnn")).set_index("sample_id").reference_nats
    )
    people = [name for name in nats.index if name.startswith("human/valid/")]
    assert set(nats.index) == {*found.index, *people} and len(people) > 3
    vocab, model = Vocab.load(paths.vocab("mine")), load_model(paths.model("mine", "unigram"), 0)
    row = found.loc["greedy/1/0/0"]
    whole = np.array([*vocab.encode_text(row.prompt), *row.ids])
    expected = -model.token_log_probs(whole)[-len(row.ids) :].mean()  # type: ignore[operator]
    assert nats["greedy/1/0/0"] == pytest.approx(float(expected), abs=1e-5)


def test_candidates_go_on_with_the_confirming_nets(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound so wide that some prompts show it; prices of people are said to be as the
    samples'.
    """
    more_nets(trained_project)
    ask(trained_project, {"prompt_tokens": 4}, sizes={"pairs": 6, "candidates": 3})
    tree = yaml.safe_load((trained_project / "params.yaml").read_text())
    tree["protocol"]["bound"] = {"char": 0.2, "word": 0.2}
    (trained_project / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.setattr(generate, "human_text", lambda *_: WIDE)
    found = samples()
    fresh = found[found.fresh]
    assert set(fresh.train_seed) == {0, 2}
    assert set(fresh.prompt_id).isdisjoint(found[~found.fresh].prompt_id)
    assert set(fresh.strategy) <= {"multinomial", "rolling"}
    first = written()
    shutil.rmtree(paths.unfinished_samples("mine", "rnn"))
    samples()
    assert written() == first


WIDE = Human(low=0, median=3, high=99, windows=9, recycling_hi=1, repetition={})


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


def test_only_argmax_without_filters_runs_to_the_long_length(trained_project: Path) -> None:
    ask(trained_project, {"long_length": 90}, STRATEGIES | HARDER)
    longer = samples().set_index("sample_id")
    lengths = longer.ids.map(len).groupby(longer.strategy).agg(set).to_dict()
    others = ("multinomial", "rolling", "beam", "mirostat", "no_repeat", "contrastive")
    assert lengths == {"greedy": {90}, **dict.fromkeys(others, {40})}
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
    ask(trained_project, {"texts": ["the c"]})
    assert set(samples().prompts_digest) != {of_one}


@pytest.mark.parametrize(
    ("prompts", "strategies", "sizes", "message"),
    [
        ({"texts": []}, STRATEGIES, {"pairs": 0}, "nothing to generate"),
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
