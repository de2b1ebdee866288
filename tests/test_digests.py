"""Which stages a change of the project's own code, params or texts makes due: on a copy of it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from recurrence import digests as digests_module
from recurrence import params
from recurrence.digests import PACKAGE, digests, strategy_digest

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
BY_MODEL = {"train", "evaluate"}
SAMPLED = {verb for verb, fields in STAGES.items() if fields["foreach"] == "${sampling}"}

Edges = dict[tuple[str, str], str]


def edges(package: Path, text: str = TEXT, root: Path = ROOT) -> Edges:
    made = digests(package, STAGES, params.parse(text), root)
    return {(verb, key): digest for verb, keys in made.items() for key, digest in keys.items()}


@pytest.fixture(scope="module")
def before() -> Edges:
    return edges(PACKAGE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package, to be changed."""
    skipped = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "recurrence", ignore=skipped))


def changed(before: Edges, after: Edges) -> set[tuple[str, str]]:
    return {edge for edge in before.keys() & after.keys() if before[edge] != after[edge]}


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path}: {old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_copy_is_the_same_code(before: Edges, copy: Path) -> None:
    assert edges(copy) == before


def test_every_stage_has_an_edge_for_each_of_its_keys(before: Edges) -> None:
    loaded = params.parse(TEXT)
    assert {key for verb, key in before if verb == "train"} == set(loaded.models)
    assert {key for verb, key in before if verb == "split"} == set(loaded.corpora)
    assert {key for verb, key in before if verb == "generate"} == set(loaded.sampling)


# ---------------------------------------------------------------- code


@pytest.mark.parametrize(
    "file", ["cores/new.py", "decoding/new.py", "reporting/new.css", "repetition/new.py", "new.py"]
)
def test_a_new_file_that_nobody_uses_makes_nothing_due(
    before: Edges, copy: Path, file: str
) -> None:
    (copy / file).write_text("x = 1\n", encoding="utf-8")
    assert edges(copy) == before


def test_a_core_is_read_by_those_whose_weights_it_is_for(before: Edges, copy: Path) -> None:
    with (copy / "cores/gru_cell.py").open("a", encoding="utf-8") as file:
        file.write("\nCHANGED = 1\n")
    ours = {key for key, block in params.parse(TEXT).models.items() if block.core == "gru_cell"}
    due = changed(before, edges(copy))
    assert {(verb, key) for verb in (*BY_MODEL, "generate") for key in ours} <= due
    assert {verb for verb, _ in due} <= BY_MODEL | SAMPLED
    assert {key for verb, key in due if verb in (*BY_MODEL, "generate")} == ours


def test_an_amateurs_core_is_read_by_generate_alone(before: Edges, copy: Path) -> None:
    with (copy / "cores/unigram.py").open("a", encoding="utf-8") as file:
        file.write("\nCHANGED = 1\n")
    loaded = params.parse(TEXT)
    named = {k for k, s in loaded.sampling.items() if "unigram" in (s.name, s.amateur)}
    due = changed(before, edges(copy))
    assert {key for verb, key in due if verb == "generate"} == named
    assert {key for verb, key in due if verb == "train"} == {
        key for key, block in loaded.models.items() if block.core == "unigram"
    }


def test_a_filter_is_read_by_those_whose_strategies_name_it(before: Edges, copy: Path) -> None:
    users = users_of(lambda each: any("top_h" in entry for entry in each.filters))
    where = next(file for file in copy.rglob("*.py") if "\ndef top_h(" in file.read_text())
    replace(where, "\ndef top_h(", "\n@plain\ndef top_h(")
    assert changed(before, edges(copy)) == {("generate", key) for key in users}
    assert 0 < len(users) < len(params.parse(TEXT).sampling)


def users_of(wanted: Callable[[params.Strategy], bool]) -> set[str]:
    """The models that are sampled by a strategy like that."""
    loaded = params.parse(TEXT)
    names = {name for name, each in loaded.strategies.items() if wanted(each)}
    return {
        key
        for key, block in loaded.sampling.items()
        if names & set(block.strategies or loaded.strategies)
    }


def test_a_metric_is_read_by_the_detector_and_by_who_shows_it(before: Edges, copy: Path) -> None:
    with (copy / "repetition/metrics.py").open("a", encoding="utf-8") as file:
        file.write("\nCHANGED = 1\n")
    due = {verb for verb, _ in changed(before, edges(copy))}
    assert "detect_loops" in due
    assert not due & {"download", "split", "build_vocab", "numericalize", *BY_MODEL}


@pytest.mark.parametrize("file", ["figures.py", "report.css", "report.html"])
def test_a_figure_and_a_style_sheet_are_the_reports(before: Edges, copy: Path, file: str) -> None:
    with (copy / "reporting" / file).open("a", encoding="utf-8") as opened:
        opened.write("\nCHANGED = 1\n")
    assert changed(before, edges(copy)) == {("report", key) for key in params.parse(TEXT).corpora}


def test_a_stage_is_read_by_itself(before: Edges, copy: Path) -> None:
    for verb in STAGES:
        with (copy / f"stages/{verb}.py").open("a", encoding="utf-8") as file:
            file.write("\nCHANGED = 1\n")
        due = {name for name, _ in changed(before, edges(copy))}
        assert due == ({verb} if verb != "digest" else set())
        shutil.copy(PACKAGE / f"stages/{verb}.py", copy / "stages")


def test_a_kind_of_source_is_read_by_the_corpora_of_that_kind(before: Edges, copy: Path) -> None:
    replace(copy / "corpora/human_numbers.py", "def obtain(", "@plain\ndef obtain(")
    due = changed(before, edges(copy))
    assert {key for _, key in due} == {"human_numbers"}
    assert {verb for verb, _ in due} <= {"download", "split"}


# ---------------------------------------------------------------- params


def due_by(before: Edges, old: str, new: str) -> set[tuple[str, str]]:
    assert TEXT.count(old) == 1, old
    return changed(before, edges(PACKAGE, TEXT.replace(old, new)))


def test_another_strategy_is_for_those_who_use_all(before: Edges) -> None:
    due = due_by(
        before, "\n  greedy: {", "\n  new: {pick: sample, filters: [top_k: 3]}\n  greedy: {"
    )
    everything = {k for k, each in params.parse(TEXT).sampling.items() if each.strategies is None}
    assert {key for verb, key in due if verb == "generate"} == everything
    assert not {verb for verb, _ in due} & {"download", "split", "calibrate", *BY_MODEL}


def test_a_strategys_value_is_for_its_users(before: Edges) -> None:
    due = due_by(before, "filters: [top_h: 0.4]", "filters: [top_h: 0.5]")
    users = users_of(lambda each: any("top_h" in entry for entry in each.filters))
    assert {key for verb, key in due if verb == "generate"} == users


def test_what_has_a_default_is_in_the_edge(before: Edges, copy: Path) -> None:
    """params: in dvc.yaml sees what is written in params.yaml, not what is left to the code."""
    recipe = "  lm_rows:\n"
    assert {key for _, key in due_by(before, recipe, f"{recipe}    clip: 0.25\n")} >= {
        "human_numbers-lm1",
        "human_numbers-lm2",
    }
    sample = "    sample: {train_lines: 450, valid_lines: 100}"
    due = due_by(before, sample, "    sample: {train_lines: 451, valid_lines: 100}")
    assert due == {("split", "imdb")}


# ---------------------------------------------------------------- texts of one's own


def test_a_text_of_ones_own_is_read_by_download(tmp_path: Path) -> None:
    text = TEXT.replace("- https://s3.amazonaws.com/text-datasets/nietzsche.txt", "- texts/own", 1)
    path = tmp_path / "texts/own"
    missing = edges(PACKAGE, text, tmp_path)
    path.parent.mkdir()
    path.write_text("one")
    one = edges(PACKAGE, text, tmp_path)
    path.write_text("two")
    two = edges(PACKAGE, text, tmp_path)
    assert changed(missing, one) == changed(one, two) == {("download", "nietzsche")}
    path.unlink()
    path.mkdir()
    (path / "part").write_text("one")
    folder = edges(PACKAGE, text, tmp_path)
    (path / "part").write_text("two")
    assert changed(folder, edges(PACKAGE, text, tmp_path)) == {("download", "nietzsche")}


# ---------------------------------------------------------------- strategies


def test_a_strategys_digest_is_of_its_block_its_code_and_the_cores(copy: Path) -> None:
    strategies = params.parse(TEXT).strategies

    def digest(name: str, *cores: str) -> str:
        return strategy_digest(strategies[name], cores or ("lstm",), copy)

    names = ("greedy", "top_h", "top_k_5", "top_k_40", "beam_4")
    made = {name: digest(name) for name in names}
    assert len({*made.values(), digest("greedy", "gru")}) == len(names) + 1
    assert digest("greedy", "gru", "lstm") == digest("greedy", "lstm", "gru")


@pytest.mark.parametrize(
    ("file", "old", "new", "used_by"),
    [
        ("filters/truncation.py", "TOP_H_TOKENS = 100", "TOP_H_TOKENS = 99", {"top_h"}),
        ("search/registry.py", '{"width": 4, "length', '{"width": 5, "length', {"beam_4"}),
        ("filters/truncation.py", "# over any number", "# for any number", set()),
        ("loop/choice.py", "len(ids_V) - 1", "len(ids_V) - 2", None),
    ],
)
def test_a_strategys_samples_are_made_anew_where_its_filters_or_search_change(
    copy: Path, file: str, old: str, new: str, used_by: set[str] | None
) -> None:
    """And only there; what all have in common (None) changes all."""
    strategies = params.parse(TEXT).strategies

    def made() -> dict[str, str]:
        digests_module._CODE.clear()
        names = ("greedy", "top_h", "top_k_5", "beam_4")
        return {name: strategy_digest(strategies[name], ("lstm",), copy) for name in names}

    before = made()
    replace(copy / "decoding" / file, old, new)
    after = made()
    anew = {name for name in before if before[name] != after[name]}
    assert anew == (set(before) if used_by is None else used_by)
