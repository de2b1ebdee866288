"""What a person may get wrong: a message that names the place and the remedy, exit code 2, nothing
half-written.
"""

import errno
import io
import json
import os
import re
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from small_project import TEXT, Cli

Refusal = Callable[..., str]


@pytest.fixture
def refused(recurrence: Cli, empty_project: Path) -> Refusal:
    """Call the command; it must end with 2 and one error, and leave every file as it was. Returns
    the message.
    """

    def call(*words: str) -> str:
        before = snapshot(empty_project)
        code, out, err = recurrence(*words)
        message = err[err.rindex("error: ") :]
        assert code == 2
        assert "Traceback" not in out + err
        assert snapshot(empty_project) == before
        return message

    return call


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def change_params(old: str, new: str) -> None:
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count(old) >= 1
    Path("params.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")


# ---------------------------------------------------------------- params.yaml


@pytest.mark.parametrize(
    "command", [("check",), ("download", "mine"), ("train", "mine/rnn"), ("models",), ("repro",)]
)
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: char", "unt: char", "corpora.mine.tokens.unt: unknown key; did you mean 'unit'?"),
        (
            "pick: argmax",
            "pick: argmx",
            "strategies.greedy.pick: must be 'argmax' or 'sample', got 'argmx'",
        ),
        ("core: rnn", "core: rnm", "models.mine-rnn.core: no core 'rnm'; did you mean 'rnn'?"),
        (
            "corpus: mine",
            "corpus: nine",
            "models.mine-rnn.corpus: no corpus 'nine'; did you mean 'mine'?",
        ),
    ],
)
def test_params_are_checked_before_any_work(
    refused: Refusal, command: tuple[str, ...], old: str, new: str, message: str
) -> None:
    change_params(old, new)
    assert refused(*command).startswith(f"error: params.yaml: {message}")


@pytest.mark.parametrize("command", ["check", "repro"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{pick: sample}",
            "{pick: sample, filters: [{topk: 5}]}",
            "strategies.multinomial.filters: no filter 'topk'; ",
        ),
        (
            "{pick: sample}",
            "{pick: sample, filters: [{top_p: 5}]}",
            "strategies.multinomial.filters: top_p must be a n",
        ),
        (
            "hidden: 16",
            "hidden: 16\n    options: {gates: 4}",
            "models.mine-rnn.options: core 'rnn' has no 'gates'; avai",
        ),
        ("hidden: 16", "layers: 1", "models.mine-rnn: embedding and hidden must be given"),
        (
            "recipe: counted",
            "recipe: short",
            "models.mine-unigram.recipe: core 'unigram' counts and",
        ),
    ],
)
def test_what_only_cores_and_filters_know_is_checked_before_training(
    refused: Refusal, command: str, old: str, new: str, message: str
) -> None:
    change_params(old, new)
    assert refused(command).startswith(f"error: params.yaml: {message}")


@pytest.mark.parametrize(
    "command",
    [("split", "nine"), ("train", "mine/rnm"), ("generate", "mine/rnm", "--prompt", "the")],
)
def test_an_unknown_name_is_met_with_the_nearest(
    refused: Refusal, command: tuple[str, ...]
) -> None:
    assert re.search(r"did you mean '(mine|mine-rnn)'\?", refused(*command))


# ---------------------------------------------------------------- corpora


@pytest.mark.parametrize(
    ("content", "stage", "message"),
    [
        (b"", "split", "mine.txt: is empty"),
        (b" \n\n ", "split", "mine.txt: is empty"),
        (b"PK\x03\x04\x00\x00" * 99, "split", "is NUL, so it is binary; give a text file"),
        (
            "caf\u00e9 \u00fcber\n".encode("latin-1") * 99,
            "split",
            "must be utf-8 text, but byte 3 (0xe9) is not; convert",
        ),
        (b"one line", "split", "too short"),
    ],
)
def test_a_corpus_that_is_no_text(
    refused: Refusal, recurrence: Cli, content: bytes, stage: str, message: str
) -> None:
    Path("texts/mine.txt").write_bytes(content)
    assert recurrence("download", "mine")[0] == 0
    assert message in refused(stage, "mine")


def test_a_corpus_too_short_for_one_batch(refused: Refusal, recurrence: Cli) -> None:
    """Zero batches would train nothing and say nothing."""
    Path("texts/mine.txt").write_text("ab\n" * 10)
    for stage in ("download", "split", "build_vocab", "numericalize"):
        assert recurrence(stage, "mine")[0] == 0
    assert re.search(r"batch|window|too short", refused("train", "mine/rnn"))


def test_a_file_that_is_not_there(refused: Refusal) -> None:
    Path("texts/mine.txt").unlink()
    assert "mine.txt" in refused("download", "mine")


def test_a_wrong_digest(refused: Refusal) -> None:
    change_params("[texts/mine.txt]", f"[texts/mine.txt], digests: ['md5:{0:032}']")
    assert re.search(r"wrong digest: expected md5:0+, got md5:", refused("download", "mine"))


def test_an_unreachable_address(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        change_params(
            "[texts/mine.txt]", f"['http://127.0.0.1:{closed.getsockname()[1]}/mine.txt']"
        )
        message = refused("download", "mine")
    assert "http://127.0.0.1:" in message
    assert "RECURRENCE_MIRROR" in message


def archive(kind: str) -> bytes:
    """A tar.gz with the corpus, and something in it that must not be."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in [("a/train.txt", TEXT.encode()), ("a/valid.txt", TEXT.encode())]:
            tar.addfile(member(name, len(content)), io.BytesIO(content))
        if kind in ("/etc/passwd", "../up.txt"):
            tar.addfile(member(kind, 2), io.BytesIO(b"hi"))
        elif kind == "link":
            tar.addfile(member("a/link.txt", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"))
        elif kind == "bomb":
            tar.addfile(member("a/zeros.txt", 1 << 26), io.BytesIO(bytes(1 << 26)))
    return buffer.getvalue()[:-400] if kind == "truncated" else buffer.getvalue()


def member(name: str, size: int, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in {"size": size, **fields}.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "not a whole archive"),
        ("/etc/passwd", "leads out of its folder"),
        ("../up.txt", "leads out of its folder"),
        ("link", "is a link"),
        ("bomb", "unpacks to more than"),
    ],
)
def test_a_hostile_archive(refused: Refusal, recurrence: Cli, kind: str, message: str) -> None:
    Path("texts/mine.tgz").write_bytes(archive(kind))
    change_params(
        "{kind: text, addresses: [texts/mine.txt]}",
        "{kind: archive, addresses: [texts/mine.tgz], members: {train: a/train.txt, valid: a/valid.txt}}",
    )
    change_params("{rule: line_fraction, fraction: 0.8}", "{rule: given}")
    assert recurrence("download", "mine")[0] == 0
    assert message in refused("split", "mine")


# ---------------------------------------------------------------- models


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize("command", ["generate", "next"])
def test_a_prompt_that_says_nothing(refused: Refusal, command: str) -> None:
    assert "is empty; give at least one char" in refused(command, "mine/rnn", "--prompt", "")
    assert "is wholly unknown; use chars of the corpus, such as ' '" in refused(
        command, "mine/rnn", "--prompt", "ÄÖÜ"
    )


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize(
    "command",
    [
        ("generate", "{}", "--prompt", "the"),
        ("next", "{}", "--prompt", "the"),
        ("score", "{}", "texts/mine.txt"),
    ],
)
def test_a_folder_that_holds_no_model(refused: Refusal, command: tuple[str, ...]) -> None:
    def refusal(folder: str) -> str:
        return refused(*(word.format(folder) for word in command))

    assert "no trained model here" in refusal("./nowhere")
    assert "no trained model here" in refusal("data/text/mine")
    config = Path("data/models/mine/rnn/config.json")
    config.write_text(json.dumps({"architectures": ["GPT2LMHeadModel"]}))
    assert "not a model of this project" in refusal("mine/rnn")
    config.unlink()
    assert "no trained model here" in refusal("mine/rnn")


@pytest.mark.usefixtures("trained_project")
def test_weights_that_are_not_this_models(refused: Refusal) -> None:
    weights = Path("data/models/mine/rnn/seed0.safetensors")
    weights.write_bytes(b"not safetensors at all")
    assert "not the weights of this model" in refused("next", "mine/rnn", "--prompt", "the")
    weights.unlink()
    assert "no weights" in refused("next", "mine/rnn", "--prompt", "the")


@pytest.mark.usefixtures("trained_project")
def test_a_seed_that_was_not_trained(refused: Refusal) -> None:
    assert "no such seed; there are [0]" in refused(
        "next", "mine/rnn", "--prompt", "the", "--train-seed", "9"
    )


@pytest.mark.usefixtures("empty_project")
def test_a_model_that_is_not_trained_yet(refused: Refusal) -> None:
    assert "train it: recurrence repro train@mine-rnn" in refused(
        "next", "mine/rnn", "--prompt", "the"
    )


@pytest.mark.usefixtures("trained_project")
def test_a_strategy_that_is_not_there(refused: Refusal) -> None:
    message = refused("generate", "mine/rnn", "--prompt", "the", "--strategy", "gredy")
    assert "strategies has no 'gredy'; did you mean 'greedy'?" in message


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "cannot be read"),
        (b"x", "at least 2 tokens"),
    ],
)
def test_a_text_that_cannot_be_scored(
    refused: Refusal, content: bytes | None, message: str
) -> None:
    if content is not None:
        Path("essay.txt").write_bytes(content)
    assert message in refused("score", "mine/rnn", "essay.txt")


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--prompt", "the\udcff"), "--prompt: must be UTF-8 text"),
        (("--prompt", "the", "--strategy", "s" * 5000), "strategies has no 'sss"),
    ],
)
def test_odd_options_of_generate(refused: Refusal, words: tuple[str, ...], message: str) -> None:
    assert message in refused("generate", "mine/rnn", *words)


@pytest.mark.usefixtures("empty_project")
@pytest.mark.parametrize(
    "words",
    [
        ("generate", "mine/rnn", "--prompt", "the", "--length", "1" * 40),
        ("loops", "texts/mine.txt", "--pad", "1" * 40),
        ("loops", "texts/mine.txt", "--floor", "1" * 40),
    ],
)
def test_numbers_that_nothing_can_hold(recurrence: Cli, words: tuple[str, ...]) -> None:
    code, _, err = recurrence(*words)
    assert code == 2 and "less than or equal to" in err and "Traceback" not in err


@pytest.mark.usefixtures("empty_project")
@pytest.mark.parametrize(
    "words",
    [
        ("next", "m" * 5000, "--prompt", "the"),
        ("loops", "t" * 5000),
        ("loops", "texts/mine.txt", "--html", "h" * 300 + ".html"),
    ],
)
def test_names_that_no_file_can_have(refused: Refusal, words: tuple[str, ...]) -> None:
    message = refused(*words)
    assert "File name too long" in message and message.count("\n") == 1 and len(message) < 400


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize("content", ["[]", "null", '{"exact": 5, "notebook": 1}'])
def test_a_result_that_was_changed_by_hand(refused: Refusal, content: str) -> None:
    """Any error over it is explained by that; without dvc.lock, which says so, it would be the
    code's own.
    """
    scores = Path("data/scores/mine/rnn.json")
    lock = {"evaluate@mine-rnn": {"outs": [{"path": str(scores), "md5": "0" * 32}]}}
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": lock}))
    scores.write_text(content)
    message = refused("models")
    assert f"{scores}: not what dvc.lock says of evaluate@mine-rnn" in message
    assert "recurrence check --data --set-aside && recurrence repro" in message


# ---------------------------------------------------------------- the machine


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize("demand", ["params", "environment"])
@pytest.mark.parametrize("stage", ["train", "evaluate", "generate"])
def test_no_cuda_where_it_is_demanded(
    refused: Refusal, monkeypatch: pytest.MonkeyPatch, stage: str, demand: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    if demand == "params":
        change_params("device: cpu", "device: cuda")
    else:
        monkeypatch.setenv("RECURRENCE_DEVICE", "cuda")
    message = refused(stage, "mine/rnn")
    assert "cuda is demanded" in message
    assert "RECURRENCE_DEVICE=cpu" in message


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize(
    "stage", ["download", "split", "build_vocab", "numericalize", "train", "evaluate", "generate"]
)
def test_a_full_disk(refused: Refusal, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Every writer renames its finished work into place; that is where the disk is full here."""

    def full(*names: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", full)
    key = "mine/rnn" if stage in ("train", "evaluate", "generate") else "mine"
    assert "the disk is full; free some space and run the same command again" in refused(stage, key)


def test_a_taken_port(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert re.search(rf"port {port}.* choose another", refused("ui", "--port", str(port)))


def test_outside_a_project(
    recurrence: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECURRENCE_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    code, _, err = recurrence("models")
    assert (code, err.count("\n")) == (2, 1)
    assert "run inside the project, or set RECURRENCE_ROOT" in err
