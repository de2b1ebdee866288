import io
import json
from dataclasses import replace

import pandas as pd
import pytest

from recurrence.errors import RecurrenceError
from recurrence.reporting.folder import contents
from recurrence.results.corpus import Results


@pytest.fixture(scope="module")
def made(toy: Results) -> dict[str, bytes]:
    return contents(toy)


def test_the_same_results_give_the_same_bytes(toy: Results, made: dict[str, bytes]) -> None:
    assert made == contents(toy)
    assert sorted(made) == [
        "curves.csv", "decoding.csv", "figures/curves.svg", "figures/frontier.svg", "figures/loop_rates.svg", "index.html",
        "metrics/good.json", "metrics/kneser_ney.json", "metrics/poor.json", "metrics/uniform.json", "models.csv",
        "summary.md",
    ]  # fmt: skip
    assert all(len(made[name]) < 150_000 for name in made if name.endswith(".svg"))


def test_tables_are_read_back_as_written(made: dict[str, bytes]) -> None:
    models = pd.read_csv(io.BytesIO(made["models.csv"]))
    assert models["parameters"].tolist() == [1234, 1234, 99, 99]
    assert pd.read_csv(io.BytesIO(made["curves.csv"])).shape == (9, 9)
    assert json.loads(made["metrics/good.json"])["exact_nats"] == 1.32


def test_no_scores_at_all_is_an_error_with_a_remedy(toy: Results) -> None:
    with pytest.raises(RecurrenceError, match="no model has scores.*dvc repro report@toy"):
        contents(replace(toy, models=()))
