"""download, split, build_vocab, numericalize: from a params block to ids, on small texts and on the
real files.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import build_vocab, download, numericalize, split
from recurrence.vocab import Vocab

ROOT = Path(__file__).parents[2]
MIRROR = Path(os.environ.get("RECURRENCE_MIRROR") or ROOT / "../shared/corpora").resolve()
STAGES = (download, split, build_vocab, numericalize)
MINE = {
    "source": {"kind": "text", "addresses": ["texts/mine.txt"]},
    "tokens": {"unit": "word", "lower": True},
    "split": {"rule": "line", "line": 2},
    "vocab": {},
    "prompts": {},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.delenv("RECURRENCE_MIRROR", raising=False)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/mine.txt").write_text("One two\nthree two\nfour two\nunseen")
    corpora(tmp_path, mine=MINE)
    return tmp_path


def corpora(project: Path, **blocks: Any) -> None:
    (project / "params.yaml").write_text(
        yaml.safe_dump({"corpora": blocks, "models": {}, "strategies": {}})
    )


def run(key: str, *stages: Any) -> None:
    for stage in stages or STAGES:
        stage.main(key)


def text(key: str, part: str) -> str:
    return (paths.text(key) / f"{part}.txt").read_text(encoding="utf-8")


def ids(key: str, part: str) -> Any:
    return np.load(paths.ids(key) / f"{part}.npy", mmap_mode="r")


def counts(key: str) -> Any:
    return json.loads(paths.counts(key).read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# ---------------------------------------------------------------- small texts


def test_a_corpus_of_ones_own_becomes_ids(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("mine")
    assert (text("mine", "train"), text("mine", "valid")) == (
        "One two\nthree two\n",
        "four two\nunseen",
    )
    assert Vocab.load(paths.vocab("mine")).tokens == ("<unk>", "<pad>", "two", "one", "three")
    assert ids("mine", "train").tolist() == [3, 2, 4, 2]
    assert ids("mine", "valid").tolist() == [0, 2, 0]
    assert ids("mine", "valid").dtype == np.uint8
    assert counts("mine") == {
        "vocab": 5,
        "train": {"tokens": 4, "characters": 17, "unk": 0, "unk_rate": 0.0, "lines": 2},
        "valid": {"tokens": 3, "characters": 15, "unk": 2, "unk_rate": 2 / 3, "lines": 2},
    }
    assert capsys.readouterr().err.splitlines() == [
        "download mine: mine.txt (33 bytes)",
        "split mine: train 2 lines, 18 characters, valid 2 lines, 15 characters",
        "build_vocab mine: 5 tokens, 2 of them special, from train",
        "numericalize mine: train 4 tokens (0 <unk>), valid 3 tokens (2 <unk>)",
    ]


def test_a_second_run_gives_the_same_bytes(project: Path) -> None:
    run("mine")
    first = files(project / "data")
    run("mine")
    assert files(project / "data") == first


def test_the_vocabulary_sees_the_validation_text_only_where_the_block_says_so(
    project: Path,
) -> None:
    corpora(project, mine=MINE | {"vocab": {"built_from": "all", "specials": []}})
    run("mine")
    assert set(Vocab.load(paths.vocab("mine")).tokens) == {"one", "two", "three", "four", "unseen"}


def test_a_sample_is_cut_after_the_split(project: Path) -> None:
    corpora(project, mine=MINE | {"sample": {"train_lines": 1, "valid_lines": 1}})
    run("mine")
    assert (text("mine", "train"), text("mine", "valid")) == ("One two\n", "four two\n")


def test_human_numbers_need_no_network(project: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    corpora(project, human_numbers=params["corpora"]["human_numbers"])
    run("human_numbers")
    assert len(ids("human_numbers", "train")) == 50_464
    assert len(ids("human_numbers", "valid")) == 63_095 - 50_464
    vocab = Vocab.load(paths.vocab("human_numbers"))
    assert len(vocab) == 30
    assert vocab.tokens[:5] == ("one", ".", "two", "three", "four")
    assert vocab.decode(ids("human_numbers", "train")) == text("human_numbers", "train")


# ---------------------------------------------------------------- bad input


def nothing_written(project: Path) -> bool:
    return not (project / "data").exists() or not files(project / "data")


def test_an_unknown_corpus_is_met_with_the_nearest(project: Path) -> None:
    with pytest.raises(RecurrenceError, match="mine"):
        download.main("mien")


def test_a_missing_file_names_the_block_and_the_remedy(project: Path) -> None:
    (project / "texts/mine.txt").unlink()
    with pytest.raises(RecurrenceError) as caught:
        download.main("mine")
    assert str(caught.value) == (
        "corpora.mine.source: no place gives a good mine.txt:\n  texts/mine.txt: No such file or "
        "directory\n"
        f"mend the path; a relative one starts at {project}"
    )
    assert nothing_written(project)


def test_a_failed_download_leaves_the_last_good_one(project: Path) -> None:
    download.main("mine")
    corpora(project, mine=MINE | {"source": MINE["source"] | {"digests": [f"md5:{'0' * 32}"]}})  # type: ignore[operator]
    with pytest.raises(RecurrenceError, match="wrong digest"):
        download.main("mine")
    assert files(project / "data/raw") == {
        "mine/mine.txt": (project / "texts/mine.txt").read_bytes()
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "corpora.mine: mine.txt: is empty"),
        (
            b"\x89PNG\r\n\x1a\n",
            r"corpora.mine: mine.txt: must be utf-8 text, but byte 0 \(0x89\) is not",
        ),
        (b"one\0two", "corpora.mine: mine.txt: .* binary"),
        (b"caf\xe9", r"corpora.mine: mine.txt: .* byte 3 \(0xe9\)"),
        (
            b"one\ntwo\n",
            "corpora.mine: too short: the valid part has no text after split.rule line",
        ),
        (b"one\ntwo\n \n\n", "corpora.mine: too short: the valid part has no text"),
    ],
)
def test_a_text_that_cannot_be_used_is_said_to_be_so(
    project: Path, content: bytes, message: str
) -> None:
    (project / "texts/mine.txt").write_bytes(content)
    download.main("mine")
    with pytest.raises(RecurrenceError, match=f"^{message}"):
        split.main("mine")
    assert list(files(project / "data")) == ["raw/mine/mine.txt"]


def test_one_line_cannot_be_split_by_lines(project: Path) -> None:
    (project / "texts/mine.txt").write_text("all on one line")
    corpora(project, mine=MINE | {"split": {"rule": "line_fraction"}})
    download.main("mine")
    with pytest.raises(
        RecurrenceError,
        match=(
            "too short: the train part has no text .* longer text, move the cut, or .*rule: "
            "char_fraction"
        ),
    ):
        split.main("mine")


def test_a_token_outside_a_vocabulary_without_unk_is_named(project: Path) -> None:
    corpora(project, mine=MINE | {"vocab": {"specials": []}})
    run("mine", download, split, build_vocab)
    with pytest.raises(
        RecurrenceError, match="^corpora.mine: valid.txt: token 'four' is not among the 3"
    ):
        numericalize.main("mine")
    assert not paths.ids("mine").exists() and not paths.counts("mine").exists()


def test_a_vocabulary_of_nothing_names_its_key(project: Path) -> None:
    corpora(project, mine=MINE | {"vocab": {"min_count": 9}})
    run("mine", download, split)
    with pytest.raises(
        RecurrenceError, match="^corpora.mine.vocab.min_count: must leave some tokens"
    ):
        build_vocab.main("mine")


@pytest.mark.parametrize("stage", [split, build_vocab, numericalize])
def test_a_stage_out_of_turn_says_what_is_missing(project: Path, stage: Any) -> None:
    with pytest.raises(RecurrenceError, match="data/.*mine.*: no such f.*dvc repro"):
        stage.main("mine")


# ---------------------------------------------------------------- the real files


@pytest.fixture
def real(project: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A corpus of params.yaml, numericalized from the mirror at hand; its key."""
    key: str = request.param
    block = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["corpora"][key]
    name = block["source"]["addresses"][0].rsplit("/", 1)[-1]
    if not (MIRROR / name).is_file():
        pytest.skip(f"{name} is not at hand; RECURRENCE_MIRROR may name a folder that has it")
    monkeypatch.setenv("RECURRENCE_MIRROR", str(MIRROR))
    corpora(project, **{key: block})
    run(key)
    return key


@pytest.mark.parametrize("real", ["nietzsche"], indirect=True)
def test_variant_a(real: str) -> None:
    assert (len(ids(real, "train")), len(ids(real, "valid"))) == (482_972, 107_989)
    vocab = Vocab.load(paths.vocab(real))
    assert len(vocab) == 55
    assert vocab.tokens[:2] == ("<unk>", "<pad>")
    assert "".join(vocab.tokens[2:]) == " etiaonsrhldcufmpg,ywbv-.\"kx;:qj!?()'z12=_3[]4568790ä"
    assert ids(real, "train")[-1] == vocab.unk, "one <eos> is too rare for an entry of its own"
    assert counts(real)["train"]["lines"] == 7_948


@pytest.mark.parametrize("real", ["nietzsche_b"], indirect=True)
def test_variant_b(real: str) -> None:
    assert (len(ids(real, "train")), len(ids(real, "valid"))) == (485_749, 105_212)
    assert len(Vocab.load(paths.vocab(real))) == 55


@pytest.mark.parametrize("real", ["nietzsche_cased"], indirect=True)
def test_the_text_as_it_is(real: str) -> None:
    vocab = Vocab.load(paths.vocab(real))
    whole = text(real, "train") + text(real, "valid")
    assert len(vocab) == 85
    assert vocab.tokens == ("\0", *sorted(set(whole)))
    assert len(whole) == 600_893
    assert whole.encode() == (MIRROR / "nietzsche.txt").read_bytes()
    assert vocab.decode(ids(real, "train")) + vocab.decode(ids(real, "valid")) == whole


@pytest.mark.parametrize("real", ["wikitext2"], indirect=True)
def test_wikitext_keeps_its_own_unk(real: str) -> None:
    vocab = Vocab.load(paths.vocab(real))
    assert vocab.tokens[:3] == ("<unk>", "<pad>", "<eos>")
    assert vocab.tokens.count("<unk>") == 1
    assert text(real, "train").split()[:4] == ["=", "Valkyria", "Chronicles", "III"]
    assert counts(real)["train"]["unk"] >= text(real, "train").split().count("<unk>") > 0
    assert ids(real, "train").dtype == np.uint16
