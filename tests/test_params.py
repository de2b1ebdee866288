"""params.yaml: every wrong key or value is met with one line that names the place, the rule and the
remedy.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.params import reading

SMALL = """
corpora:
  mine:
    source: {kind: text, addresses: [mine.txt]}
    tokens: {unit: char}
    split: {rule: line_fraction}
    vocab: {}
    prompts: {}
recipes:
  short:
    batches: {loader: lanes, size: 2, bptt: 4}
    phases:
      - {epochs: 1, schedule: {kind: constant, lr: 1.0e-3}, optimizer: {}}
  counted: {}
models:
  mine-rnn:
    corpus: mine
    name: rnn
    core: rnn
    hidden: 8
    recipe: short
  mine-unigram: {corpus: mine, name: unigram, core: unigram, recipe: counted}
sampling:
  mine-rnn: {corpus: mine, name: rnn, reference: unigram, amateur: unigram}
protocol:
  size: tiny
  tiny: {pairs: 2}
strategies:
  greedy: {pick: argmax}
strategy_sets:
  few: [greedy]
"""

PROJECT = Path(__file__).parents[1] / "params.yaml"


def refused(old: str, new: str) -> str:
    """The message for SMALL with `old` replaced."""
    assert SMALL.count(old) == 1
    with pytest.raises(RecurrenceError) as caught:
        params.parse(SMALL.replace(old, new))
    return str(caught.value)


def test_the_small_file_is_valid_and_fills_in_defaults() -> None:
    block = params.parse(SMALL).models["mine-rnn"]
    assert (block.layers, block.seeds, block.recipe and block.recipe.clip) == (1, (0,), None)


def test_the_projects_own_file_is_valid() -> None:
    loaded = params.parse(PROJECT.read_text(encoding="utf-8"))
    assert loaded.corpora["nietzsche_b"].split.line == 7998
    assert loaded.models["human_numbers-lm6"].seeds == (0, 1, 2, 3, 4)


def test_a_key_that_is_absent_by_default_is_absent_where_a_model_is_written_down() -> None:
    recipe = params.parse(SMALL).models["mine-rnn"].recipe
    assert (
        recipe
        and recipe.on_divergence is None
        and "on_divergence" not in recipe.model_dump(mode="json")
    )
    given = SMALL.replace("short:\n", "short:\n    on_divergence: {reduce_lr: 0.5, at_most: 3}\n")
    recipe = params.parse(given).models["mine-rnn"].recipe
    assert recipe and recipe.model_dump(mode="json")["on_divergence"] == {
        "reduce_lr": 0.5,
        "at_most": 3,
    }


def test_a_rate_that_would_not_fall_is_refused() -> None:
    message = refused("short:\n", "short:\n    on_divergence: {reduce_lr: 1.0}\n")
    assert "recipes.short.on_divergence.reduce_lr: must be less than 1, got 1.0" in message
    assert "recipes.short.on_divergence.at_most: missing" in message


def test_a_strategy_belongs_to_a_family() -> None:
    for block, family in (
        ({"search": {"beam": 4}, "filters": [{"top_k": 5}]}, "search"),
        ({"pick": "argmax"}, "greedy"),
        ({"pick": "argmax", "filters": [{"top_k": 2}]}, "greedy with filters"),
        ({"pick": "sample", "allow": ["<unk>"]}, "pure sampling"),
        ({"pick": "sample", "filters": [{"top_k": 2}]}, "truncated sampling"),
    ):
        assert params.Strategy.model_validate(block).family == family


def test_sampling_and_the_chosen_sizes_are_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    assert (params.protocol().pairs, params.protocol().seeds) == (2, (0,))
    assert params.sampling("mine/rnn").reference == "unigram"
    assert list(params.sampled_of("mine")) == ["mine-rnn"]
    assert not params.sampled_of("other")
    with pytest.raises(RecurrenceError, match="sampling has no 'mine-unigram'"):
        params.sampling("mine-unigram")


def test_sampling_and_protocol_may_be_left_out() -> None:
    start, end = SMALL.index("sampling:"), SMALL.index("strategies:")
    loaded = params.parse(SMALL[:start] + SMALL[end:])
    assert (loaded.sampling, loaded.protocol.sizes.pairs) == ({}, 24)


def test_blocks_do_not_change_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        params.parse(SMALL).loops.human_windows = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "unit: char",
            "unt: char",
            "corpora.mine.tokens.unt: unknown key; did you mean 'unit'? available: eos, lower, ",
        ),
        (
            "hidden: 8",
            "hiden: 8",
            "models.mine-rnn.hiden: unknown key; did you mean 'hidden'? available: context, core",
        ),
        (
            "strategies:",
            "strategy:",
            "strategy: unknown key; did you mean 'strategies'? available: compute, corpora, ",
        ),
        (
            "epochs: 1",
            "epoch: 1",
            "recipes.short.phases.0.epoch: unknown key; did you mean 'epochs'? availab",
        ),
        ("hidden: 8", "hidden: big", "models.mine-rnn.hidden: must be a whole number, got 'big'"),
        ("hidden: 8", "hidden: 0", "models.mine-rnn.hidden: must be at least 1, got 0"),
        (
            "hidden: 8",
            "dropout: {hidden: 1.5}",
            "models.mine-rnn.dropout.hidden: must be less than 1, got 1.5",
        ),
        (
            "hidden: 8",
            "tied: perhaps",
            "models.mine-rnn.tied: must be true or false, got 'perhaps'",
        ),
        ("hidden: 8", "seeds: []", "models.mine-rnn.seeds: must be a list of at least 1, got []"),
        ("hidden: 8", "seeds: 3", "models.mine-rnn.seeds: must be a list, got 3"),
        (
            "hidden: 8",
            "seeds: [1, 1]",
            "models.mine-rnn: seeds must differ from one another, got [1, 1]",
        ),
        (
            "lr: 1.0e-3",
            "lr: fast",
            "recipes.short.phases.0.schedule.lr: must be a number or 'leftover', got 'fast'",
        ),
        (
            "lr: 1.0e-3",
            "lr: .inf",
            "recipes.short.phases.0.schedule.lr: must be a finite number or 'leftover', ",
        ),
        (
            "lr: 1.0e-3",
            "lr: leftover",
            "recipes.short: phases.0.schedule.lr must be a number: there is no earli",
        ),
        (
            ", optimizer: {}",
            "",
            "recipes.short: phases.0.optimizer must be given: there is no earlier phase",
        ),
        (
            "pick: argmax",
            "pick: argmx",
            "strategies.greedy.pick: must be 'argmax' or 'sample', got 'argmx'",
        ),
        ("{pick: argmax}", "", "strategies.greedy: must be a mapping, got None"),
        (
            "greedy:",
            "Greedy:",
            "strategies.Greedy: must be text that matches ^[a-z][a-z0-9_]*$, got 'Greedy'",
        ),
        (
            "pick: argmax",
            "pick: argmax, window: 8",
            "strategies.greedy: window goes with feeding: rolling, which needs it",
        ),
        (
            "pick: argmax",
            "pick: argmax, filters: [{top_k: 2, top_p: 1}]",
            "strategies.greedy: filters must be one-key ma",
        ),
        (
            "rule: line_fraction",
            "rule: line",
            "corpora.mine.split: line goes with rule: line, which needs it",
        ),
        (
            "kind: text",
            "kind: archive",
            "corpora.mine.source: members goes with kind: archive, and archive needs it",
        ),
        (
            "[mine.txt]",
            "[]",
            "corpora.mine.source: addresses must name at least one path or address",
        ),
        (
            "[mine.txt]",
            "[mine.txt], digests: [md5:1]",
            "corpora.mine.source.digests.0: must be text that matches ^(md5",
        ),
        (
            "    core: rnn",
            "    core: rnnn",
            "models.mine-rnn.core: no core 'rnnn'; did you mean 'rnn'? available: awd_lstm, ",
        ),
        (
            "    corpus: mine",
            "    corpus: mane",
            "models.mine-rnn.corpus: no corpus 'mane'; did you mean 'mine'? available: mine",
        ),
        (
            "    recipe: short\n",
            "    recipe: shord\n",
            "models.mine-rnn.recipe: recipes has no 'shord'; did you mean 'short'? available: ",
        ),
        (
            "    recipe: short\n",
            "    recipe: {clip: 1}\n",
            "models.mine-rnn.recipe: must be the name of one of recipes:, got {'clip': 1}",
        ),
        (
            ", recipe: counted",
            "",
            "models.mine-unigram.recipe: missing; name one of recipes: (dvc.yaml reads it)",
        ),
        (
            "{corpus: mine, name: rnn, reference",
            "{corpus: mine, name: rn, reference",
            "sampling.mine-rnn.name: must be the model's own, 'rnn', got 'rn'",
        ),
        (
            "amateur: unigram}",
            "amateur: unigram, strategies: fw}",
            "sampling.mine-rnn.strategies: strategy_sets has no 'fw'; did you mean 'few'",
        ),
        (
            "few: [greedy]",
            "few: [gredy]",
            "strategy_sets.few.strategies: no strategy 'gredy'; did you mean 'greedy'",
        ),
        (
            "mine-rnn: {",
            "mine-run: {",
            "sampling.mine-run: no model 'mine-run'; did you mean 'mine-rnn'? available: ",
        ),
        (
            "reference: unigram",
            "reference: bigram",
            "sampling.mine-rnn.reference: no model of mine 'bigram'; did you mean 'unigram'",
        ),
        (
            "reference: unigram",
            "reference: rnn",
            "sampling.mine-rnn.reference: must be another model than 'rnn' itself; available: unig",
        ),
        (
            "amateur: unigram",
            "amateur: rnn",
            "sampling.mine-rnn.amateur: must be another model than 'rnn' itself",
        ),
        (
            "amateur: unigram}",
            "amateur: unigram, strategies: [gredy]}",
            "sampling.mine-rnn.strategies: no strategy 'gredy'; did you mean 'greedy'",
        ),
        (
            "size: tiny",
            "size: tini",
            "protocol: size: no size 'tini'; did you mean 'tiny'? available: tiny",
        ),
        ("size: tiny", "", "protocol.size: missing; this key must be given"),
        ("pairs: 2", "pairs: -2", "protocol.tiny.pairs: must be at least 0, got -2"),
        (
            "pairs: 2",
            "pair: 2",
            "protocol.tiny.pair: unknown key; did you mean 'pairs'? available: candidates, "
            "card_tri",
        ),
        ("pairs: 2", "seeds: []", "protocol.tiny.seeds: must be a list of at least 1, got []"),
        (
            "pairs: 2",
            "seeds: [1, 1]",
            "protocol.tiny: seeds must differ from one another, got [1, 1]",
        ),
        (
            "prompts: {}",
            "prompts: {length: 9, long_length: 8}",
            "corpora.mine.prompts: long_length must be at least le",
        ),
        (
            "prompts: {}",
            "prompts: {held_out: 8}",
            "corpora.mine.prompts.held_out: unknown key; available: length, long",
        ),
        (
            "{pick: argmax}",
            "{}",
            "strategies.greedy: either pick (argmax or sample) or search must be given, one of t",
        ),
        (
            "pick: argmax",
            "pick: argmax, search: {beam: 4}",
            "strategies.greedy: either pick (argmax or sample) or sea",
        ),
        (
            "pick: argmax",
            "search: {beam: 4, width: 3}",
            "strategies.greedy: search must be a one-key mapping like {be",
        ),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_says_what_to_do(
    old: str, new: str, message: str
) -> None:
    text = refused(old, new)
    assert text.startswith(f"params.yaml: {message}")
    assert "\n" not in text


def test_a_missing_key_that_was_not_misspelt_is_named() -> None:
    assert (
        refused("    name: rnn\n", "")
        == "params.yaml: models.mine-rnn.name: missing; this key must be given"
    )


def test_every_wrong_place_is_named_at_once() -> None:
    text = refused("hidden: 8", "hiden: 8\n    layers: none")
    assert [line.split(": ")[1] for line in text.splitlines()] == [
        "models.mine-rnn.layers",
        "models.mine-rnn.hiden",
    ]


def test_a_key_given_twice_is_an_error() -> None:
    """YAML itself would take the last one: a block copied and not renamed would vanish."""
    assert refused("hidden: 8", "hidden: 8\n    hidden: 16") == (
        "params.yaml, line 21, column 5: not YAML as it should be: the key 'hidden' is there twice"
    )


def test_broken_yaml_is_named_with_its_line() -> None:
    assert refused("{pick: argmax}", "{pick: [argmax}").startswith(
        "params.yaml, line 29, column 25: not YAML as it"
    )


@pytest.mark.parametrize("text", ["", "- a list\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(
        RecurrenceError,
        match="must be a mapping with the keys corpora, recipes, models, sampling, ",
    ):
        params.parse(text)


def test_an_unknown_model_or_corpus_is_met_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    with pytest.raises(RecurrenceError, match="models has no 'mine-rn'; did you mean 'mine-rnn'"):
        params.model("mine/rn")
    with pytest.raises(RecurrenceError, match="corpora has no 'mines'; did you mean 'mine'"):
        params.corpus("mines")
    assert params.model("mine/rnn") is params.model("mine-rnn")
    assert list(params.models_of("mine")) == ["mine-rnn", "mine-unigram"]


def test_a_changed_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    for hidden in (8, 16):
        (tmp_path / "params.yaml").write_text(
            SMALL.replace("hidden: 8", f"hidden: {hidden}"), encoding="utf-8"
        )
        assert params.model("mine-rnn").hidden == hidden


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    with pytest.raises(RecurrenceError, match=r"params\.yaml: cannot be read .*RECURRENCE_ROOT"):
        params.load()
    (tmp_path / "params.yaml").write_bytes(b"corpora: \xff")
    with pytest.raises(RecurrenceError, match=r"not UTF-8 .*byte 9.*save it as UTF-8"):
        params.load()


# ---------------------------------------------------------------- files of strangers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x", "line 1, column 4: .* the anchor &x"),
        ("a: [*x]", r"line 1, column 5: .* the alias \*x; write it out, or name it under recipes:"),
        ("&a [*a]", "line 1, column 1: .* the anchor &a"),
        ("? [a, b]\n: 1", r"line 1, column 3: .* a key must be text, got \['a', 'b'\]"),
        ("2020: 1", "line 1, column 1: .* a key must be text, got 2020; quote it"),
        ("a: !!binary x", "line 1, column 4: .* the tag tag:yaml.org,2002:binary; write the value"),
        ("a: !!python/object:os.system x", "the tag tag:yaml.org,2002:python/object:os.system"),
        ("a: " + "9" * 5000, "line 1, column 4: .* a whole number of more than 18 digits"),
        ("a: 1000000000000000000", "a whole number of more than 18 digits"),
        ("[" * 100_000, "line 1, column 41: .* more than 40 levels"),
        ("- " * 100_000, "line 1, column 81: .* more than 40 levels"),
        ("a: \x07", "not YAML: unacceptable character #x0007"),
        ("a: '\ud800'", "not YAML: "),
        ("%YAML 9.9\n---\na: 1", "line 1, column 1: .* incompatible"),
        ("--- {a: 1}\n--- {b: 1}", "line 2, column 1: .* another document"),
        ("a: 1\n" * 40_000, "more than 30,000 keys and values"),
    ],
)
def test_what_yaml_can_do_and_params_need_not_is_one_line(text: str, message: str) -> None:
    with pytest.raises(RecurrenceError) as caught:
        params.parse(text)
    assert re.search(f"^params.yaml.*{message}", str(caught.value))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("value", ["2020-99-99", "2020-01-31", "01:30", "yes", "=", "<<"])
def test_what_only_old_yaml_takes_for_more_is_text(value: str) -> None:
    assert reading.read_tree(f"a: {value}", "params.yaml") == {"a": value}


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-3", 1e-3), ("010", 10), ("0o10", 8), ("0x1F", 31), ("+.5", 0.5), ("-.inf", float("-inf"))]
    + [("~", None), ("", None), ("True", True), ("3.", 3.0)],
)
def test_plain_values_are_those_of_yaml_1_2(written: str, value: object) -> None:
    assert reading.read_tree(f"a: {written}", "params.yaml") == {"a": value}


def test_of_very_many_unknown_keys_a_few_are_named() -> None:
    text = refused("{pick: argmax}", f"{{{', '.join(f'k{i}: 1' for i in range(12_000))}}}")
    lines = text.splitlines()
    assert len(lines) == 11
    assert re.fullmatch(r"params.yaml: and 1[12],\d{3} more; mend these first", lines[-1])


def test_a_file_that_is_far_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    with (tmp_path / "params.yaml").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(RecurrenceError, match="params.yaml: larger than 1,048,576 bytes"):
        params.load()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden: 8", "hidden: true", "models.mine-rnn.hidden: must be a whole number, got True"),
        ("hidden: 8", "hidden: 10000000", "models.mine-rnn.hidden: must be at most 1048576, got"),
        ("hidden: 8", "layers: 1001", "models.mine-rnn.layers: must be at most 1000, got 1001"),
        ("hidden: 8", "hidden: '8'", "models.mine-rnn.hidden: must be a whole number, got '8'"),
        ("hidden: 8", "hidden: 8.0", "models.mine-rnn.hidden: must be a whole number, got 8.0"),
        ("hidden: 8", "tied: 1", "models.mine-rnn.tied: must be true or false, got 1"),
        ("hidden: 8", "seeds: [-1]", "models.mine-rnn.seeds.0: must be at least 0, got -1"),
        ("hidden: 8", "seeds: [true]", "models.mine-rnn.seeds.0: must be a whole number, got True"),
        ("hidden: 8", "init_range: true", "models.mine-rnn.init_range: must be a number, got True"),
        (
            "vocab: {}",
            "vocab: {specials: [<unk>, <unk>]}",
            "corpora.mine.vocab: specials must differ from one another",
        ),
    ],
)
def test_true_is_no_number_and_text_is_none(old: str, new: str, message: str) -> None:
    assert refused(old, new).startswith(f"params.yaml: {message}")


def kinds(annotation: Any, strict: bool = False) -> Iterator[tuple[type, bool]]:
    """Every int, float and bool inside a field's type, and whether it is strict."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        said = any(getattr(note, "strict", None) for note in notes) or any(
            getattr(part, "strict", None)
            for note in notes
            for part in getattr(note, "metadata", ())
        )
        yield from kinds(inner, strict or said)
    elif annotation in (int, float, bool):
        yield annotation, strict
    else:
        for inner in get_args(annotation):
            yield from kinds(inner)


def test_every_number_in_every_block_is_strict() -> None:
    blocks = [
        kind
        for kind in vars(params).values()
        if isinstance(kind, type) and issubclass(kind, params.Block)
    ]
    hints = {
        f"{kind.__name__}.{name}": hint
        for kind in blocks
        for name, hint in get_type_hints(kind, include_extras=True).items()
        if name in kind.model_fields
    }
    found = {name: list(kinds(hint)) for name, hint in hints.items()}
    assert sum(map(len, found.values())) > 40
    assert not [name for name, parts in found.items() if not all(strict for _, strict in parts)]
