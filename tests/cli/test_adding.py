"""`recurrence add`: texts of every kind become a corpus that the stages run through."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from recurrence import params
from small_project import Cli

ONE_LINE = "it is all on one line, " * 1500
PROSE = "The quick brown fox jumps over the lazy dog.\n" * 300


def run(recurrence: Cli, corpus: str) -> int:
    """The tokens of the train part after the four stages."""
    for stage in ("download", "split", "build_vocab", "numericalize"):
        code, _, err = recurrence(stage, corpus)
        assert code == 0, err
    valid = np.load(f"data/ids/{corpus}/valid.npy")
    assert len(valid) > params.corpus(corpus).prompts.prompt_tokens
    return len(np.load(f"data/ids/{corpus}/train.npy"))


def test_one_line_of_35_kb_just_works(empty_project: Path, recurrence: Cli) -> None:
    (empty_project / "texts/zh.txt").write_text(ONE_LINE)
    code, out, err = recurrence("add", "zh", "texts/zh.txt")
    assert (code, err) == (0, "read zh.txt: 1 files in 0:00:00\n")
    assert out.splitlines()[0] == "zh: 34,501 characters, 34,501 tokens"
    assert out.splitlines()[-1] == "next: recurrence repro report@zh"
    assert 31_050 <= run(recurrence, "zh") < 31_100
    assert recurrence("check")[0] == 0


def test_a_folder_elsewhere_is_linked_file_by_file(
    empty_project: Path, recurrence: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("poems")
    (home / "old").mkdir()
    (home / "a.txt").write_text(PROSE)
    (home / "old/b.txt").write_text(PROSE)
    code, out, _ = recurrence("add", "poems", str(home), "--unit", "word", "--lower")
    assert code == 0 and "linked from texts/: 2 files" in out
    assert (empty_project / "texts/poems/old/b.txt").resolve() == home / "old/b.txt"
    assert run(recurrence, "poems") == 10 * 541


def test_records_and_subwords(empty_project: Path, recurrence: Cli) -> None:
    rows = [json.dumps({"who": "me", "body": {"text": line}}) for line in PROSE.splitlines()]
    packed = gzip.compress("\n".join(rows).encode())
    (empty_project / "rows.jsonl.gz").write_bytes(packed)
    words = ("add", "rows", "rows.jsonl.gz", "--field", "body.text", "--unit", "subword")
    assert recurrence(*words)[0] == 0
    source = params.corpus("rows").source
    assert (source.field, source.addresses) == ("body.text", ("texts/rows.jsonl.gz",))
    assert run(recurrence, "rows") < 270 * 45 / 2


def test_what_was_there_stays_and_params_are_whole(empty_project: Path, recurrence: Cli) -> None:
    (empty_project / "texts/a.txt").write_text(PROSE)
    before = params.load()
    recurrence("add", "mine_too", "texts/a.txt")
    after = params.load()
    assert after.corpora["mine"] == before.corpora["mine"]
    assert after.models.keys() - before.models.keys() == {"mine_too-lstm", "mine_too-kneser_ney"}
    assert after.strategies == before.strategies


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine", "texts/mine.txt"], "params.yaml: corpora has 'mine' already"),
        (["Mine", "texts/mine.txt"], "CORPUS: must be a name of letters a-z"),
        (["a", "nowhere"], "nowhere: no such file or folder"),
        (["a", "empty"], "empty: empty: is empty; give files with some text"),
        (["a", "x.zip"], "an archive; unpack it"),
        (["a", "blob.bin"], "blob.bin: a binary file"),
        (["a", "rows.jsonl"], "in which field is the text? Name it with --field"),
        (["a", "rows.jsonl", "--field", "c"], "rows.jsonl:1: must have c (--field), has a, b"),
        (["a", "texts/mine.txt", "--subwords", "bpe"], "--subwords bpe: goes with --unit subword"),
        (["a", "texts/mine.txt", "--encoding", "utf-9"], "must be one that Python knows"),
        (["a", "outside.txt"], "texts/a.txt: is there already"),
        (
            ["a", "texts/mine.txt", "--unit", "subword", "--subwords", "/x/t.json"],
            "subwords: a file of your own must lie in texts/",
        ),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    empty_project: Path, recurrence: Cli, words: list[str], message: str
) -> None:
    (empty_project / "empty").mkdir()
    (empty_project / "x.zip").write_bytes(b"PK")
    (empty_project / "blob.bin").write_bytes(bytes(range(256)))
    (empty_project / "rows.jsonl").write_text('{"a": "x", "b": "y"}\n')
    (empty_project / "outside.txt").write_text(PROSE)
    (empty_project / "texts/a.txt").write_text(PROSE)
    before = (empty_project / "params.yaml").read_text()
    code, out, err = recurrence("add", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert (empty_project / "params.yaml").read_text() == before
    assert len(list((empty_project / "texts").iterdir())) == 2


def test_an_address_is_read_when_it_is_downloaded(empty_project: Path, recurrence: Cli) -> None:
    code, out, _ = recurrence("add", "far", "https://example.org/a.jsonl.gz", "--field", "text")
    assert code == 0 and "read when it is downloaded" in out
    tree = yaml.safe_load((empty_project / "params.yaml").read_text())["corpora"]["far"]
    assert tree["source"]["addresses"] == ["https://example.org/a.jsonl.gz"]
