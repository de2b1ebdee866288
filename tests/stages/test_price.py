"""The stage on a small project: each sample after its prompt, people's windows after what stands before them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from recurrence import params, paths
from recurrence.cores import kneser_ney
from recurrence.decoding.prompts import corpus_prompts, prompts_digest
from recurrence.errors import RecurrenceError
from recurrence.model import checkpoint
from recurrence.params import Tokens
from recurrence.stages import price
from recurrence.vocab import Vocab

LENGTH = 20
VALID = np.random.default_rng(0).integers(1, 6, 95).astype(np.uint8)
CORPUS = {
    "source": {"kind": "text", "addresses": ["toy.txt"]},
    "tokens": {"unit": "char"},
    "split": {"rule": "line_fraction"},
    "vocab": {"specials": ["<unk>"]},
    "prompts": {"length": LENGTH, "long_length": 30, "prompt_tokens": 6, "texts": ["abc"]},
}
PARAMS = {
    "corpora": {"toy": CORPUS},
    "recipes": {"counted": {}},
    "models": {
        f"toy-{n}": {"corpus": "toy", "name": n, "core": n, "recipe": "counted"}
        for n in ("unigram", "uniform")
    },
    "sampling": {
        "toy-unigram": {
            "corpus": "toy",
            "name": "unigram",
            "judge": "judge",
            "amateur": "uniform",
        }
    },
    "protocol": {"size": "small", "small": {"held_out": 2}},
    "strategies": {"greedy": {"pick": "argmax"}, "multinomial": {"pick": "sample"}},
    "loops": {"human_windows": 3},
    "compute": {"device": "cpu", "threads": 1},
}
PARAMS["models"]["toy-judge"] = {  # type: ignore[index]
    "corpus": "toy", "name": "judge", "core": "kneser_ney", "options": {"order": 3}, "seeds": [3, 8],
    "recipe": "counted",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.delenv("RECURRENCE_DEVICE", raising=False)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    Vocab(("<unk>", *"abcde"), ("<unk>",), Tokens(unit="char")).save(paths.vocab("toy"))
    paths.ids("toy").mkdir(parents=True)
    VALID[3] = 0  # a prompt of people's text may hold <unk>
    np.save(paths.ids("toy") / "valid.npy", VALID)
    folder = paths.model("toy", "judge")
    folder.mkdir(parents=True)
    checkpoint.save_config(folder, params.model("toy-judge"), 6)
    for seed, text in ((3, VALID), (8, VALID[::-1].copy())):
        checkpoint.save_weights(folder, seed, kneser_ney.Counted.count(text, 6, order=3))
    put_samples()
    return tmp_path


def prompts() -> list[tuple[int, ...]]:
    return corpus_prompts(
        "toy", params.corpus("toy").prompts, 2, VALID, Vocab.load(paths.vocab("toy"))
    )


def put_samples(digest: str | None = None) -> None:
    rng = np.random.default_rng(1)
    rows = [
        {
            "sample_id": f"{strategy}/{p}/0/0",
            "strategy": strategy,
            "prompt_id": p,
            "ids": rng.integers(1, 6, length),
        }
        for strategy, length in (("greedy", 30), ("multinomial", 20))
        for p in range(3)
    ]
    path = paths.samples("toy", "unigram")
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).assign(prompts_digest=digest or prompts_digest(prompts())).to_parquet(path)


def priced() -> pd.Series:
    price.main("toy-unigram")
    table = pd.read_parquet(paths.prices("toy", "unigram"))
    assert list(table) == ["sample_id", "judge_nats"]
    return table.set_index("sample_id")["judge_nats"]


def cost(prompt: np.ndarray, ids: np.ndarray) -> float:
    """Mean nats under the judge's first seed."""
    judge = checkpoint.load_model(paths.model("toy", "judge"), 3)
    whole = np.concatenate([prompt, ids])
    return float(-judge.token_log_probs(whole)[max(len(prompt) - 1, 0) :].mean())  # type: ignore[operator]


def test_each_sample_is_priced_after_its_prompt_for_its_first_tokens(project: Path) -> None:
    found, samples = priced(), pd.read_parquet(paths.samples("toy", "unigram"))
    for row in samples.itertuples():
        expected = cost(np.array(prompts()[row.prompt_id]), row.ids[:LENGTH])
        assert found[row.sample_id] == pytest.approx(expected, abs=6e-6)
    assert 0 in prompts()[0]


def test_human_windows_are_priced_after_what_is_before_them(project: Path) -> None:
    """Three of four windows of 20 of the 95 characters: at 0, 31 and 63."""
    found = priced()
    assert [name for name in found.index if name.startswith("human")] == [
        f"human/valid/{i}" for i in range(3)
    ]
    for i, start in enumerate((0, 31, 63)):
        expected = cost(VALID[max(start - 6, 0) : start], VALID[start : start + 20])
        assert found[f"human/valid/{i}"] == pytest.approx(expected, abs=6e-6)


def test_it_says_what_the_cheapest_human_text_and_the_dearest_cost(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = priced()
    means = found.groupby(found.index.str.split("/").str[0]).mean().sort_values()
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "price toy-unigram: nats per token under judge, from the cheapest to the dearest: "
    )
    assert (
        f"{means.index[0]} {means.iloc[0]:.3f}" in said
        and f"{means.index[-1]} {means.iloc[-1]:.3f}" in said
    )
    assert f"human {means['human']:.3f}" in said


def test_the_same_bytes_every_time(project: Path) -> None:
    priced()
    first = paths.prices("toy", "unigram").read_bytes()
    priced()
    assert paths.prices("toy", "unigram").read_bytes() == first


def test_what_is_not_there_is_named(project: Path) -> None:
    put_samples(digest="other")
    with pytest.raises(
        RecurrenceError, match="continues other prompts; run generate@toy-unigram again"
    ):
        price.main("toy-unigram")
    paths.samples("toy", "unigram").unlink()
    with pytest.raises(RecurrenceError, match="no samples; run generate@toy-unigram"):
        price.main("toy-unigram")
    for weights in paths.model("toy", "judge").glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(
        RecurrenceError, match="judge: holds no weights, and toy-unigram needs it as its judge"
    ):
        price.main("toy-unigram")
    assert not paths.prices("toy", "unigram").exists()
