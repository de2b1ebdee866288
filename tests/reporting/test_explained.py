import pytest

from recurrence import params
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.search.registry import SEARCHES
from recurrence.params import Strategy
from recurrence.reporting import explained
from recurrence.reporting.explained import entries, in_words


def test_every_filter_and_search_is_explained() -> None:
    assert set(explained.FILTERS) == set(FILTERS)
    assert set(explained.SEARCHES) == set(SEARCHES)


@pytest.mark.parametrize("unit", ["char", "word"])
def test_every_strategy_of_the_project_is_one_line_without_gaps(unit: str) -> None:
    for name, block in params.strategies().items():
        words = in_words(block, unit)
        assert len(words) < 140 and "{" not in words and "None" not in words, name


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"pick": "argmax"}, "Always the likeliest word"),
        ({"pick": "sample"}, "Drawn from all words by their probability"),
        ({"pick": "sample", "filters": [{"top_k": 5}]}, "Drawn from the 5 likeliest words"),
        ({"pick": "argmax", "filters": [{"top_k": 2}]}, "The likeliest word; of the 2 likeliest words"),
        (
            {"pick": "sample", "filters": [{"temperature": 0.7}, {"top_p": 0.9}]},
            "Logits divided by 0.7 (below 1 favours what is likely); "
            "drawn from the fewest likeliest words that hold 90 % of the probability",
        ),
        (
            {"pick": "argmax", "filters": [{"no_repeat_ngram": {"char": 12, "word": 4}}]},
            "The likeliest word; no 4 words in a row that occurred before",
        ),
        (
            {"pick": "argmax", "filters": [{"presence_penalty": {"value": 1, "window": 64}}]},
            "The likeliest word; words that occurred among the last 64 lose 1 of their logit",
        ),
        (
            {"search": {"beam": {"width": 8}}},
            "The likeliest text found by going on with the 8 likeliest so far",
        ),
    ],
)  # fmt: skip
def test_a_strategy_in_words(block: dict[str, object], words: str) -> None:
    assert in_words(Strategy.model_validate(block), "word") == words


def test_what_is_not_explained_shows_its_name_and_value() -> None:
    block = Strategy.model_validate({"pick": "argmax", "filters": [{"of_my_own": {"a": 1}}]})
    assert in_words(block, "char") == "The likeliest character; of_my_own {'a': 1}"
    assert entries(block) == []


def test_sources_are_those_of_all_that_a_strategy_uses() -> None:
    block = Strategy.model_validate({"pick": "sample", "filters": [{"min_p": 0.1}, {"top_k": 5}]})
    assert [entry.source for entry in entries(block)] == [
        "Nguyen et al., arXiv 2407.01082",
        "Fan et al., arXiv 1805.04833",
    ]
