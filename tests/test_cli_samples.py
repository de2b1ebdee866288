"""The command for text from anywhere, as a person or a CI job calls it."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from recurrence.cli import verdicts, watching
from recurrence.loops.kinds import KINDS
from recurrence.loops.limits import limits_of
from recurrence.scan import findings
from small_project import Cli

DETECTOR = {
    "floor": 60,
    "near_floor": 60,
    "near_delta": 0.4,
    "rep_n": 8,
    "rep_limit": 0.2,
    "zlib_limit": 2.1,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place, and the current one, with a text that loops, one that does not, and JSONL with one
    of each.
    """
    (tmp_path / "loop.txt").write_text("to begin with:" + "round and " * 12)
    (tmp_path / "none.txt").write_text("nothing here comes twice, or so it seems")
    records = [{"id": "a", "text": "no " + "more and " * 15}, {"id": "b", "text": "something else"}]
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    monkeypatch.chdir(tmp_path)
    return tmp_path


pytestmark = pytest.mark.usefixtures("folder")


# ---------------------------------------------------------------- for programs


def test_json_lines(recurrence: Cli) -> None:
    code, out, _ = recurrence("loops", "loop.txt", "none.txt", "--format", "jsonl")
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 1
    assert list(first)[0] == "id"
    assert {"kind", "start", "period", "copies", "matched", "coverage", "terminal", "unit"} <= set(
        first
    )
    assert (first["kind"], first["start"], first["period"], first["unit"]) == (
        "exact",
        14,
        10,
        "round and ",
    )
    assert (second["kind"], second["start"], second["unit"]) == ("none", None, None)


def test_json_lines_are_one_each_and_say_the_same_whatever_is_in_them(
    folder: Path, recurrence: Cli
) -> None:
    odd = "é\n\x1b[31m\x9b\u2028\u202e\ufeff\x7f"
    record = json.dumps({"id": odd + "\ud800", "text": odd * 20})
    (folder / "odd.jsonl").write_text(record)
    _, out, _ = recurrence("loops", "odd.jsonl", "--format", "jsonl")
    (line,) = out.splitlines()
    row = json.loads(line)
    assert (row["id"], row["unit"]) == (odd + "\ud800", odd)
    assert "é" in line
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e\ufeff\ud800]", line)


def test_csv_has_a_line_per_sample(folder: Path, recurrence: Cli) -> None:
    (folder / "tokens.jsonl").write_text(json.dumps({"id": "x,y\n", "tokens": [1, "a b"] * 20}))
    code, out, _ = recurrence("loops", "loop.txt", "tokens.jsonl", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, len(out.splitlines())) == (1, 3)
    assert [(row["kind"], row["tokens"], row["period"], row["unit"]) for row in rows] == [
        ("exact", "char", "10", "round and "),
        ("exact", "token", "2", "1 a b"),
    ]
    assert rows[1]["id"] == r"x,y\n"


def test_a_table_for_a_spreadsheet_computes_nothing(folder: Path, recurrence: Cli) -> None:
    records = [{"id": "=1+1", "text": "@SUM(A1) " * 12}, {"id": "-2", "tokens": ["+1"] * 50}]
    (folder / "f.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    _, out, _ = recurrence("loops", "f.jsonl", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["id"], row["unit"]) for row in rows] == [("'=1+1", "'@SUM(A1) "), ("'-2", "'+1")]
    _, out, _ = recurrence("loops", "f.jsonl", "--format", "jsonl")
    exact = [json.loads(line) for line in out.splitlines()]
    assert [row["id"] for row in exact] == ["=1+1", "-2"]


@pytest.mark.parametrize("floor", [str(2**31), str(2**64), "9" * 5000])
def test_a_floor_that_no_sample_can_have_is_refused(recurrence: Cli, floor: str) -> None:
    code, _, err = recurrence("loops", "loop.txt", "--floor", floor)
    assert (code, "Traceback" in err) == (2, False)


# ---------------------------------------------------------------- for people


def test_the_table_names_what_loops_first(recurrence: Cli) -> None:
    code, out, _ = recurrence("loops", "none.txt", "loop.txt", "--unit", "word", "--floor", "4")
    head, first, second, summary = out.splitlines()
    assert code == 1
    assert re.search(
        r"^id +verdict +from +length +period +copies +coverage +to end +what repeats", head
    )
    assert re.search(r"^loop.txt +exact +3 +26 word +2 +11\.5 +81% +yes +'and round'", first)
    assert re.search(r"^none.txt +none +8 word *$", second)
    assert summary == (
        "1 of 2 samples loop (50.0%): 1 exact, 0 near, 0 count up; 0 templates, 0 recycle"
    )


def test_of_many_samples_the_table_shows_those_with_something_to_see(
    folder: Path, recurrence: Cli
) -> None:
    texts = ["fine"] * 90 + ["no no " * (10 + i) for i in range(60)]
    (folder / "many.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    _, out, _ = recurrence("loops", "many.jsonl")
    lines = out.splitlines()
    assert len(lines) == 1 + verdicts.SHOWN + 2
    assert lines[1].startswith("many.jsonl:150 ")
    assert lines[-2:] == [
        "shown: 50 with the most evidence; not shown: 100",
        "60 of 150 samples loop (40.0%): 60 exact, 0 near, 0 count up; 0 templates, 0 recycle",
    ]
    (folder / "many.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts[:92])
    )
    lines = recurrence("loops", "many.jsonl")[1].splitlines()
    assert len(lines) == 1 + 2 + 2
    assert lines[-2] == "shown: 2 with the most evidence; not shown: 90"


def test_what_was_not_looked_for_is_said(recurrence: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (findings, verdicts):
        monkeypatch.setattr(module, "MOST_TOKENS", 100)
    Path("long.jsonl").write_text(json.dumps({"tokens": [1, 2] * 60}) + "\n")
    _, out, _ = recurrence("loops", "long.jsonl", "none.txt")
    assert (
        "longer than 100 tokens, so only exact loops were looked for: 1 samples" in out.splitlines()
    )


def test_highlight_shows_where_the_copies_begin(recurrence: Cli) -> None:
    _, out, _ = recurrence("loops", "loop.txt", "none.txt", "--highlight")
    assert out.splitlines()[-5:-1] == [
        "",
        "loop.txt",
        "exact loop from character 14 of 134 on, period 10, 12.0 copies, to the end",
        "to begin with:" + "│round and " * 3 + "│ … 7 more copies … │round and │round and │",
    ]


def test_highlight_prints_nothing_that_acts_on_a_terminal(folder: Path, recurrence: Cli) -> None:
    (folder / "evil\x1b.txt").write_text("\x1b]0;title\x07\r[bold]\u202e" * 20)
    _, out, _ = recurrence("loops", "evil\x1b.txt", "--highlight")
    assert set(re.findall(r"[^ -~]", out)) == {"\n", "│", "…"}
    assert r"│\x1b]0;title\x07\r[bold]\u202e│" in out


def test_the_page_is_written_beside_the_table(folder: Path, recurrence: Cli) -> None:
    code, out, _ = recurrence("loops", "loop.txt", "none.txt", "--html", "pages/out.html")
    page = (folder / "pages/out.html").read_text(encoding="utf-8")
    assert (code, out.splitlines()[-1].split(":")[0]) == (1, "1 of 2 samples loop (50.0%)")
    assert "<mark" in page
    assert "Read: loop.txt, none.txt." in page
    assert page.index("loop.txt</a>") < page.index("none.txt</a>")


def test_a_terminal_that_cannot_show_a_character_gets_its_escape(
    recurrence: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "é.txt").write_text("naïve " * 20)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    recurrence("loops", "é.txt", "--highlight")
    sys.stdout.flush()
    assert rb"'na\xefve '" in written.getvalue()


def test_the_limits_that_help_names_are_those_in_force(recurrence: Cli) -> None:
    said = re.sub(r"[\s│]+", " ", recurrence("loops", "--help")[1])
    assert min(limits_of(kind).exact_end for kind in KINDS) == 40
    assert "40 characters or more" in said
    assert "exact,near,progression" in said


def test_what_counts_as_a_loop_can_be_asked_for(recurrence: Cli) -> None:
    """Steps that only count up; a loop that is left; padding; kinds by name."""
    steps = "".join(f"Step {i}: look at the list again and again.\n" for i in range(3, 40))
    Path("steps.txt").write_text(steps)
    Path("left.txt").write_text(
        "no more of it. " * 40 + "Then, one day, it went on in sense after all."
    )
    Path("pad.jsonl").write_text(json.dumps({"tokens": [*range(1, 50), *[0] * 60]}) + "\n")
    for options, code in (
        (("steps.txt",), 1),
        (("steps.txt", "--fail-on", "exact,near"), 0),
        (("steps.txt", "--exact-only"), 0),
        (("left.txt",), 1),
        (("left.txt", "--to-end"), 0),
        (("left.txt", "--min-coverage", "0.99"), 0),
        (("pad.jsonl",), 1),
        (("pad.jsonl", "--pad", "0"), 0),
    ):
        assert recurrence("loops", *options)[0] == code, options
    code, _, said = recurrence("loops", "steps.txt", "--fail-on", "loops")
    assert code == 2
    assert "--fail-on loops: must be some of exact, near, progression" in said


# ---------------------------------------------------------------- what cannot be read


def test_one_bad_record_or_file_is_skipped_and_the_rest_is_judged(
    folder: Path, recurrence: Cli
) -> None:
    (folder / "broken.jsonl").write_text('{"text": "x"}\n{"text": \n{"text": "y"}\n')
    (folder / "model.bin").write_bytes(b"\x00\x01")
    code, out, err = recurrence(
        "loops", "broken.jsonl", "model.bin", "none.txt", "--format", "jsonl"
    )
    assert code == 0
    assert [json.loads(line)["file"] for line in out.splitlines()] == [
        "broken.jsonl",
        "broken.jsonl",
        "none.txt",
    ]
    assert err.splitlines() == [
        "skipped: 1 record, 1 file (--strict ends at the first)",
        "  broken.jsonl:2: must be one JSON record per line "
        "(Expecting value: line 1 column 10 (char 9)), got '{\"text\": '",
        "  model.bin: a binary file (it holds zero bytes), no text",
    ]


def test_what_looks_like_padding_gets_a_hint(folder: Path, recurrence: Cli) -> None:
    (folder / "pad.jsonl").write_text(json.dumps({"tokens": [*range(1, 50), *[7] * 60]}) + "\n")
    _, _, err = recurrence("loops", "pad.jsonl")
    assert err == "pad.jsonl: ends in one token, over and over; is it padding? --pad 7\n"
    assert recurrence("loops", "pad.jsonl", "--pad", "7")[2] == ""


# ---------------------------------------------------------------- rates


def test_rates_by_a_field(folder: Path, recurrence: Cli) -> None:
    records = [{"model": "a", "text": "on and " * 20}] * 3 + [{"model": "b", "text": "fine"}]
    (folder / "m.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, _ = recurrence("loops", "m.jsonl", "none.txt", "--by", "model")
    head, *groups = out.splitlines()[-4:]
    assert code == 1
    assert head.split() == ["group", "samples", "loop", "rate", "95", "%"]
    assert [line.split() for line in groups] == [
        ["a", "3", "3", "100.0%", "43.9%", "to", "100.0%"],
        ["b", "1", "0", "0.0%", "0.0%", "to", "79.3%"],
        ["(none)", "1", "0", "0.0%", "0.0%", "to", "79.3%"],
    ]
    _, out, _ = recurrence("loops", "m.jsonl", "--by", "model", "--format", "jsonl")
    assert [json.loads(line)["group"] for line in out.splitlines()] == ["a", "a", "a", "b"]


def test_two_heaps_are_compared(folder: Path, recurrence: Cli) -> None:
    for name, looping in (("a", 10), ("b", 40)):
        records = [{"text": "on and " * 20 if n < looping else "fine"} for n in range(100)]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines)
    code, out, _ = recurrence("loops", "a.jsonl", "b.jsonl", "--compare")
    assert code == 1
    assert out.splitlines()[-3:] == [
        "a.jsonl: 10 of 100 loop (10.0%; 5.5% to 17.4%)",
        "b.jsonl: 40 of 100 loop (40.0%; 30.9% to 49.8%)",
        "second less first: +30.0 points (+18.3 to +40.8, 95 %): more",
    ]
    code, out, err = recurrence("loops", "b.jsonl", "a.jsonl", "--compare", "--format", "jsonl")
    assert (code, len(out.splitlines())) == (0, 200)
    assert err.splitlines()[-1].endswith(": less")
    code, out, _ = recurrence("loops", "a.jsonl", "a.jsonl", "--compare")
    assert code == 2


def test_calls_of_tools_are_judged_as_a_trace(folder: Path, recurrence: Cli) -> None:
    def turn(call: str, command: str, result: str) -> list[dict[str, Any]]:
        function = {"name": "run", "arguments": json.dumps({"command": command})}
        calls = [{"id": call, "type": "function", "function": function}]
        return [
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": call, "content": result},
        ]

    stuck = [message for n in range(8) for message in turn(f"c{n}", "ab"[n % 2], "no such file")]
    polls = [message for n in range(8) for message in turn("c", "status", f"{n} of 8 done")]
    records = [{"id": "stuck", "messages": stuck}, {"id": "polls", "messages": polls}]
    (folder / "t.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, _ = recurrence("loops", "t.jsonl", "--format", "jsonl")
    first, second = map(json.loads, out.splitlines())
    assert (code, first["id"], first["tokens"], first["kind"]) == (1, "stuck", "event", "exact")
    assert (first["start"], first["period"], first["copies"]) == (0, 2, 4.0)
    assert first["unit"] == [
        'run({"command": "a"}) -> no such file',
        'run({"command": "b"}) -> no such file',
    ]
    assert (second["id"], second["kind"], second["length"]) == ("polls", "none", 8)
    assert recurrence("loops", "t.jsonl", "--unit", "event", "--floor", "7")[0] == 0
    _, out, _ = recurrence("loops", "t.jsonl", "--highlight")
    assert "exact loop from event 0 of 8 on, period 2, 4.0 copies, to the end" in out


def test_forms_for_ci(folder: Path, recurrence: Cli) -> None:
    code, out, _ = recurrence("loops", "loop.txt", "two.jsonl", "--format", "junit")
    suite = ElementTree.fromstring(out)
    assert (code, suite.get("tests"), suite.get("failures")) == (1, "3", "2")
    code, out, _ = recurrence("loops", "loop.txt", "two.jsonl", "--format", "sarif")
    assert (code, len(json.loads(out)["runs"][0]["results"])) == (1, 2)


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("none.txt",), 0),
        (("loop.txt",), 1),
        (("loop.txt", "none.txt", "--fail-over", "0.5"), 0),
        (("loop.txt", "none.txt", "--fail-over", "0.49"), 1),
        (("loop.txt", "--floor", "111"), 0),
        (("two.jsonl", "--fail-over", "1"), 0),
    ],
)
def test_the_exit_code_tells_whether_too_many_loop(
    words: tuple[str, ...], code: int, recurrence: Cli
) -> None:
    assert recurrence("loops", *words)[0] == code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.txt",), "gone.txt: cannot be read (No such file or directory)"),
        (("loop.txt", "gone.txt"), "gone.txt: cannot be read (No such file or directory)"),
        (("broken.jsonl", "--strict"), "broken.jsonl:2: must be one JSON record per line"),
        (("model.bin",), "model.bin: a binary file (it holds zero bytes), no text"),
        (("none.txt", "model.bin", "--strict"), "model.bin: a binary file"),
        (("unknown.jsonl",), "unknown.jsonl:1: a record must have a text"),
        (("two.jsonl", "--field", "texts"), "two.jsonl:1: a record must have texts, has id, text"),
        (("two.jsonl", "--field", "texts"), "did you mean 'text'?"),
        (("two.jsonl", "--field", "a..b"), "--field a..b: must be names and places"),
        (("two.jsonl", "--by", ""), "--by : must be names and places"),
        (("two.jsonl", "--encoding", "utf-9"), "--encoding utf-9: must be an encoding"),
        (("two.jsonl", "--compare"), "--compare: must have two files or folders, got 1"),
        (("loop.txt", "none.txt", "--compare", "--by", "id"), "--compare: goes by the two FILEs"),
        (("loop.txt", "empty.jsonl", "--compare"), "empty.jsonl: no samples in there"),
        (("empty.jsonl",), "empty.jsonl: no samples in there"),
        (
            ("loop.txt", "--highlight", "--format", "csv"),
            "--highlight is for the table, got --format csv",
        ),
        (("loop.txt", "--html", "none.txt"), "--html none.txt: must be a file named *.html"),
        (("loop.txt", "--html", "folder.html"), "--html folder.html: must be a file named *.html"),
        (("loop.txt", "--unit", "token"), "loop.txt: --unit token is for records"),
        (("loop.txt", "--fail-over", "2"), "--fail-over"),
    ],
)
def test_what_is_wrong_is_said_with_exit_code_2(
    words: tuple[str, ...], said: str, recurrence: Cli, folder: Path
) -> None:
    (folder / "broken.jsonl").write_text('{"text": "x"}\n{"text": \n')
    (folder / "model.bin").write_bytes(b"\x00\x01")
    (folder / "empty.jsonl").write_text("\n\n")
    (folder / "unknown.jsonl").write_text('{"n": 1}\n')
    (folder / "folder.html").mkdir()
    code, _, err = recurrence("loops", *words)
    assert code == 2
    assert said in err
    assert (folder / "none.txt").read_text().startswith("nothing")


# ---------------------------------------------------------------- floors of a corpus


@pytest.fixture
def card(empty_project: Path) -> Path:
    """The detector card of the corpus `mine` of a project; stands in for the stage that measures
    it.
    """
    path = empty_project / "data/loops/mine/calibration.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"unit": "char", "length": 40, "detector": DETECTOR}))
    return path


@pytest.mark.usefixtures("card")
def test_a_corpus_brings_its_own_floors(recurrence: Cli, folder: Path) -> None:
    (folder / "short.txt").write_text("round and " * 6)
    assert recurrence("loops", "short.txt")[0] == 1
    assert recurrence("loops", "short.txt", "--corpus", "mine")[0] == 0
    assert recurrence("loops", "short.txt", "--corpus", "mine", "--floor", "50")[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--corpus", "mind"), "did you mean 'mine'"),
        (
            ("--corpus", "mine", "--unit", "word"),
            "--unit word: the calibration of mine is for char",
        ),
    ],
)
@pytest.mark.usefixtures("card")
def test_a_corpus_that_does_not_fit_is_named(
    words: tuple[str, ...], said: str, recurrence: Cli
) -> None:
    code, _, err = recurrence("loops", "loop.txt", *words)
    assert (code, said in err) == (2, True)


@pytest.mark.parametrize("content", [None, "{}", '{"unit": "char", "detector": {"flor": 1}}'])
def test_a_card_that_is_missing_or_of_another_version_is_to_be_made(
    content: str | None, card: Path, recurrence: Cli
) -> None:
    if content is None:
        card.unlink()
    else:
        card.write_text(content)
    code, _, err = recurrence("loops", "loop.txt", "--corpus", "mine")
    assert (code, "recurrence repro calibrate@mine" in err) == (2, True)


# ---------------------------------------------------------------- while it runs


class _Bar:
    """What a progress bar would have been told."""

    def __init__(self) -> None:
        self.totals: list[float | None] = []
        self.done = 0.0

    @contextmanager
    def __call__(self, _title: str, total: float | None, _unit: str) -> Iterator[Any]:
        self.totals.append(total)
        yield self.advance

    def advance(self, amount: float) -> None:
        self.done += amount


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> _Bar:
    """A terminal, and a bar that shows from 100 kB on."""
    made = _Bar()
    monkeypatch.setattr(watching, "progress", made)
    monkeypatch.setattr(watching, "BAR_BYTES", 100_000)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    return made


def watch(files: list[str], sizes: list[int], rows_pass_by: bool = False) -> None:
    with watching.watched(files, rows_pass_by) as tell:
        for size in sizes:
            tell(size)


def test_a_bar_goes_from_nothing_to_all_of_the_bytes(bar: _Bar, folder: Path) -> None:
    (folder / "big.txt").write_bytes(b"x" * 250_000)
    watch(["big.txt"], [99_000, 99_000, 52_000])
    assert bar.totals == [0.2]
    assert bar.done == pytest.approx(0.25)


@pytest.mark.parametrize(("sizes", "shown"), [([99_000], 0), ([60_000, 60_000, 5], 1)])
def test_of_stdin_there_is_a_bar_once_there_is_much_of_it(
    sizes: list[int], shown: int, bar: _Bar
) -> None:
    watch(["-"], sizes)
    assert bar.totals == [None] * shown


def test_no_bar_for_little_or_where_no_one_looks_or_rows_pass_by(
    bar: _Bar, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(["none.txt"], [40])
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        watch(["-"], [500_000], rows_pass_by=True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    watch(["-"], [500_000])
    assert bar.totals == []
