import pytest

from recurrence.errors import RecurrenceError, nearest, nearest_name, refusals_named


def test_nearest_guesses_and_lists_in_order() -> None:
    assert nearest("lsmt", ["rnn", "lstm"]) == "did you mean 'lstm'? available: lstm, rnn"


def test_of_many_names_only_the_nearest_are_listed() -> None:
    many = [f"nietzsche-model_{i}" for i in range(300)] + ["nietzsche-lstm"]
    told = nearest("nietzsche-lsmt", many)
    assert told.startswith("did you mean 'nietzsche-lstm'? nearest: nietzsche-lstm, nietzsche-m")
    assert told.endswith("; there are 301")
    assert told.count(",") == 7
    assert len(nearest("x" * 10_000, many)) < 400


def test_nearest_does_not_guess_wildly() -> None:
    assert nearest("xyz", ["lstm"]) == "available: lstm"
    assert nearest("xyz", []) == "available: none"
    assert nearest_name("xyz", ["lstm"]) is None


def test_the_error_for_people_is_a_value_error_with_exit_code_2() -> None:
    assert issubclass(RecurrenceError, ValueError)
    assert RecurrenceError("where: what").exit_code == 2


def test_what_the_system_refuses_is_named_in_one_bounded_line() -> None:
    name = "n" * 5000
    with (
        pytest.raises(RecurrenceError, match="nnn.*: File name too long; look") as told,
        refusals_named(),
    ):
        open(name)  # noqa: SIM115
    assert len(str(told.value)) < 400


def test_an_error_of_no_place_passes() -> None:
    with pytest.raises(ConnectionResetError), refusals_named():
        raise ConnectionResetError("by peer")
