import pytest

from recurrence.console import MARK, Watched
from recurrence.sparkline import WIDTH, Curves, sparkline

NOTE = "seed {}: train 1.0, valid {}, accuracy 0.5 after epoch {}"


@pytest.mark.parametrize(
    ("values", "line"),
    [([3.0, 2.0, 1.0], "█▅▁"), ([1.0, 1.0], "▁▁"), ([0.0, 7.0], "▁█"), ([2.0, 1.0, 1.5], "█▁▅")],
)
def test_the_greatest_is_highest_and_the_least_lowest(values: list[float], line: str) -> None:
    assert sparkline(values) == line


def test_a_long_curve_keeps_its_ends() -> None:
    line = sparkline([5.0, *[1.0] * 98, 9.0])
    assert len(line) == WIDTH and line[0] == "▅" and line[-1] == "█"


def test_every_seed_has_its_own_curve() -> None:
    curves = Curves()
    assert curves.line(NOTE.format(0, 2.0, 1)) == ""
    assert curves.line(NOTE.format(1, 9.0, 1)) == ""
    assert curves.line(NOTE.format(0, 1.0, 2)) == "█▁"
    assert curves.line("no loss in it") == ""


def test_the_watching_program_gets_the_curve_before_the_note() -> None:
    written: list[str] = []
    lines = Watched("train", 4, "epochs", written.append, lambda: 100.0, every_s=0.0)
    lines.advance(1, NOTE.format(0, 2.0, 1))
    lines.advance(1, NOTE.format(0, 1.0, 2))
    assert "left (seed 0" in written[0]
    assert written[1].startswith(f"{MARK}0.500 ") and " left █▁ (seed 0: train" in written[1]
