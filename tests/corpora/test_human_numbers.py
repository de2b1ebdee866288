"""The built-in corpus is byte for byte the published one."""

from pathlib import Path

import pytest

from recurrence import params
from recurrence.corpora import human_numbers
from recurrence.corpora.fetch import Fetcher
from recurrence.corpora.human_numbers import spell
from recurrence.errors import RecurrenceError
from recurrence.params import Source

DIGESTS = {
    "train.txt": "sha256:194a5defcc1e77a1697d94422744f1b8552ddf5ad7f31e9c84cc1956014c16bf",
    "valid.txt": "sha256:3a3e30cd8eddcd27477ef232bd07bc5d12b34b1ceec6295c607f0faff793ed5e",
}


def source(digests: dict[str, str]) -> Source:
    return params.Source.model_validate({"kind": "human_numbers", "member_digests": digests})


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "one"),
        (19, "nineteen"),
        (20, "twenty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (1000, "one thousand"),
        (2013, "two thousand thirteen"),
        (7040, "seven thousand forty"),
        (9999, "nine thousand nine hundred ninety nine"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    assert spell(number) == words


def test_the_files_are_the_published_ones(tmp_path: Path) -> None:
    human_numbers.obtain(source(DIGESTS), tmp_path, Fetcher(tmp_path, tmp_path))
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {
        "train.txt": 280_599,
        "valid.txt": 74_884,
    }


def test_both_files_become_one_stream(tmp_path: Path) -> None:
    human_numbers.obtain(source({}), tmp_path, Fetcher(tmp_path, tmp_path))
    whole = "".join(human_numbers.read(source({}), tmp_path)["whole"])
    assert whole.startswith("one . two . three . ")
    assert " . seven thousand nine hundred ninety nine . eight thousand one . " in whole
    assert len(whole.split()) == 63_095
    assert len(set(whole.split())) == 30


def test_another_digest_than_the_published_one_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match="^valid.txt: wrong digest"):
        human_numbers.obtain(
            source({"valid.txt": DIGESTS["train.txt"]}), tmp_path, Fetcher(tmp_path, tmp_path)
        )


def test_a_digest_of_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        RecurrenceError, match="no file 'trian.txt' is written; did you mean 'train.txt'"
    ):
        human_numbers.obtain(
            source({"trian.txt": DIGESTS["train.txt"]}), tmp_path, Fetcher(tmp_path, tmp_path)
        )
