"""The short version of soak.py, which says what it does; `make soak` has two hundred kills."""

from pathlib import Path

import pytest

from faults import soak

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]


def test_ten_kills_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(soak.HITS, "dvc", 1)
    monkeypatch.setitem(soak.SPAN_S, "train", 6.0)
    counts = soak.Soak(
        tmp_path, "recurrence repro", kills=10, seed=0, epochs=soak.EPOCHS // 3
    ).run()
    print(counts.table())
    assert not counts.lost, counts.table()
    assert counts.kills.total() == 10
