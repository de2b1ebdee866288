"""The commands of a person, as a person calls them."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from recurrence import __version__, cli
from recurrence.cli import pipeline
from small_project import Cli

ROOT = Path(__file__).parents[1]


def command_names() -> list[str]:
    return [str(command.name) for command in cli.app.registered_commands]


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_help_with_an_example(name: str, recurrence: Cli) -> None:
    code, out, _ = recurrence(name, "--help")
    assert code == 0
    assert re.search(rf"Examples?:\s+recurrence {name}", re.sub(r"\s+", " ", out))


def test_every_stage_is_a_command() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert list(pipeline.STAGES) == list(stages)
    assert set(stages) <= set(command_names())
    for name, (kind, _) in pipeline.STAGES.items():
        assert (
            stages[name]["foreach"]
            in {
                "code": [["code"]],
                "corpus": ["${corpora}"],
                "model": ["${models}", "${sampling}"],
            }[kind]
        )


def test_an_unknown_command_is_met_with_the_nearest(recurrence: Cli) -> None:
    code, _, err = recurrence("genrate")
    assert (code, "'generate'" in err) == (2, True)


# ---------------------------------------------------------------- models


@pytest.mark.usefixtures("trained_project")
def test_models_lists_scores_and_what_is_missing(recurrence: Cli, trained_project: Path) -> None:
    (trained_project / "data/scores/mine/unigram.json").unlink()
    scores = json.loads((trained_project / "data/scores/mine/rnn.json").read_text())
    code, out, _ = recurrence("models")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert f"{scores['exact']['nats']:.4f}" in rows["mine/rnn"]
    assert "not scored" in rows["mine/unigram"]


@pytest.mark.usefixtures("empty_project")
def test_models_before_anything_ran(recurrence: Cli) -> None:
    code, out, _ = recurrence("models", "mine")
    assert (code, out.count("not trained")) == (0, 2)


def test_score_equals_evaluate(recurrence: Cli, trained_project: Path) -> None:
    """The same text by both ways: what `score` prints is what `evaluate` wrote."""
    exact = json.loads((trained_project / "data/scores/mine/rnn.json").read_text())["exact"]
    code, out, _ = recurrence("score", "mine/rnn", "data/text/mine/valid.txt")
    assert code == 0
    figures = [float(line.split()[-1]) for line in out.splitlines()[:4]]
    assert figures == [
        round(exact[k], 4) for k in ("nats", "bits_per_char", "perplexity", "accuracy")
    ]


@pytest.mark.usefixtures("trained_project")
def test_score_reads_stdin_and_counts_the_unknown(
    recurrence: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.write(write, "the câtβ".encode())
    os.close(write)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        code, out, _ = recurrence("score", "mine/unigram", "-")
    assert (code, out.splitlines()[-2]) == (0, "tokens              8 (2 unknown to the model)")


def second_net(project: Path) -> None:
    """As if the model had been trained with seed 3 as well; its net is half as sure of
    everything.
    """
    from safetensors.torch import load_file, save_file

    folder = project / "data/models/mine/rnn"
    net = load_file(folder / "seed0.safetensors")
    save_file({name: weight / 2 for name, weight in net.items()}, folder / "seed3.safetensors")


def test_score_says_which_net_and_all_have_a_mean(recurrence: Cli, trained_project: Path) -> None:
    second_net(trained_project)
    words = ("score", "mine/rnn", "data/text/mine/valid.txt")
    assert (
        recurrence(*words)[1].splitlines()[-1].endswith("0 (1 more trained; --seed all takes all)")
    )
    nets = {}
    for seed in ("0", "3"):
        tree = json.loads(recurrence(*words, "--seed", seed, "--format", "json")[1])
        assert list(tree["seeds"]) == [seed] and "sd" not in tree
        assert tree["mean"] == tree["seeds"][seed]
        nets[seed] = tree["seeds"][seed]
    whole = json.loads(recurrence(*words, "--seed", "all", "--format", "json")[1])
    assert whole["seeds"] == nets
    one, other = nets["0"]["nats"], nets["3"]["nats"]
    assert one != other
    assert whole["mean"]["nats"] == pytest.approx((one + other) / 2)
    assert whole["sd"]["nats"] == pytest.approx(abs(one - other) / 2**0.5)
    lines = recurrence(*words, "--seed", "all")[1].splitlines()
    assert (
        lines[0] == f"nats per token      {(one + other) / 2:.4f} ± {abs(one - other) / 2**0.5:.4f}"
    )
    assert lines[-1].endswith("0, 3 (mean ± standard deviation)")


@pytest.mark.usefixtures("trained_project")
@pytest.mark.parametrize(
    ("seed", "message"),
    [
        ("7", "--seed 7: .* has the seeds 0; name one of them, or all"),
        ("both", "--seed both: must be"),
    ],
)
def test_score_of_a_seed_that_is_not_there(recurrence: Cli, seed: str, message: str) -> None:
    code, out, err = recurrence("score", "mine/rnn", "texts/mine.txt", "--seed", seed)
    assert (code, out) == (2, "")
    assert re.search(message, err)


@pytest.mark.usefixtures("trained_project")
def test_models_next_and_check_for_a_program(recurrence: Cli) -> None:
    models = {
        each["model"]: each for each in json.loads(recurrence("models", "--format", "json")[1])
    }
    scores = json.loads(Path("data/scores/mine/rnn.json").read_text())
    assert models["rnn"]["exact"] == scores["exact"]
    assert (models["unigram"]["core"], models["unigram"]["state"]) == ("unigram", "scored")
    out = recurrence("next", "mine/unigram", "--prompt", "the", "--count", "2", "--format", "json")[
        1
    ]
    likeliest = json.loads(out)
    assert [each["token"] for each in likeliest][0] == " "
    assert likeliest[0]["p"] > likeliest[1]["p"] > 0
    tree = json.loads(recurrence("check", "--format", "json")[1])
    assert tree["corpora"][0] == {
        "corpus": "mine", "source": "text", "unit": "char", "text_here": True, "models": 2, "trained": 2,
    }  # fmt: skip
    assert tree["strategies"] == ["greedy", "multinomial"]


@pytest.mark.usefixtures("empty_project")
def test_a_target_may_name_a_model_either_way(
    recurrence: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(
        "recurrence.cli.reproduction.run", lambda targets, *_: asked.append(targets) or 0
    )
    assert recurrence("repro", "train@mine/rnn", "report@mine", "evaluate@mine-unigram")[0] == 0
    assert asked == [["train@mine-rnn", "report@mine", "evaluate@mine-unigram"]]


def test_the_version(recurrence: Cli) -> None:
    assert recurrence("--version") == (0, f"recurrence {__version__}\n", "")


@pytest.mark.usefixtures("trained_project")
def test_next_gives_the_likeliest_with_probabilities(recurrence: Cli) -> None:
    """The unigram's are the relative frequencies of the train text, whatever the prompt."""
    text = Path("data/text/mine/train.txt").read_text()
    code, out, _ = recurrence("next", "mine/unigram", "--prompt", "the", "--count", "2")
    rows = [line.split(maxsplit=1) for line in out.splitlines()]
    assert (code, len(rows)) == (0, 2)
    for p, token in rows:
        assert float(p) == pytest.approx(text.count(token.strip("'")) / len(text), abs=5e-3)
    assert rows[0][1] == "' '"


@pytest.mark.usefixtures("trained_project")
def test_next_sums_to_one_over_the_vocabulary(recurrence: Cli) -> None:
    _, out, _ = recurrence("next", "mine/rnn", "--prompt", "the cat", "--count", "1000")
    assert math.fsum(float(line.split()[0]) for line in out.splitlines()) == pytest.approx(
        1, abs=2e-3
    )


@pytest.mark.usefixtures("trained_project")
def test_generate_continues_the_prompt_and_repeats_itself_by_seed(recurrence: Cli) -> None:
    def text(*words: str) -> str:
        code, out, _ = recurrence(
            "generate", "mine/rnn", "--prompt", "the cat ", "--length", "30", *words
        )
        assert (code, out[:8], len(out)) == (0, "the cat ", 8 + 30 + 1)
        return out

    assert text() == text("--seed", "7")  # greedy draws nothing
    first = text("--strategy", "multinomial")
    assert first == text("--strategy", "multinomial", "--seed", "0")
    assert first != text("--strategy", "multinomial", "--seed", "1")


def test_a_model_is_named_by_key_or_path(recurrence: Cli, trained_project: Path) -> None:
    spelled = [
        "mine/rnn",
        "mine-rnn",
        "data/models/mine/rnn",
        str(trained_project / "data/models/mine/rnn"),
    ]
    shown = {recurrence("next", model, "--prompt", "the") for model in spelled}
    assert len(shown) == 1
    assert shown.pop()[0] == 0


def test_a_model_that_left_params_can_still_be_used(recurrence: Cli, trained_project: Path) -> None:
    (trained_project / "data/models/mine/rnn").rename(trained_project / "data/models/mine/old")
    assert recurrence("next", "mine/old", "--prompt", "the")[0] == 0


# ---------------------------------------------------------------- pipeline


def test_generate_without_a_prompt_is_the_stage(recurrence: Cli, trained_project: Path) -> None:
    assert recurrence("generate", "mine/rnn")[0] == 0
    assert (trained_project / "data/samples/mine/rnn/samples.parquet").exists()


def test_a_stage_runs_by_its_name(recurrence: Cli, empty_project: Path) -> None:
    for stage in ("download", "split"):
        assert recurrence(stage, "mine")[0] == 0
    assert (empty_project / "data/text/mine/valid.txt").read_text().count("\n") == 12


@pytest.mark.usefixtures("empty_project")
def test_check_says_what_there_is(recurrence: Cli) -> None:
    code, out, _ = recurrence("check")
    assert code == 0
    assert re.search(r"^mine +text +char +no +2 +0 *$", out, re.M)
    assert "strategies: greedy, multinomial" in out


def test_check_data_names_an_output_that_is_not_what_dvc_remembers(
    recurrence: Cli, empty_project: Path
) -> None:
    (empty_project / "data").mkdir(exist_ok=True)
    (empty_project / "data/made.json").write_bytes(b"{}")
    out = "{path: data/made.json, md5: 99914b932bd37a50b983c5e7c90ae93b}"
    lock = f"schema: '2.0'\nstages:\n  make:\n    cmd: make\n    outs: [{out}]\n"
    (empty_project / "dvc.lock").write_text(lock)
    assert recurrence("check", "--data")[0] == 0
    (empty_project / "data/made.json").write_bytes(b"[]")
    code, out, _ = recurrence("check", "--data")
    assert code == 1
    assert re.search(
        r"data/made.json: not what dvc.lock says of make: damaged, or made by hand", out
    )


# ---------------------------------------------------------------- endings


@pytest.fixture
def talking(trained_project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `generate` that has begun and has much to say yet."""
    command = [
        sys.executable,
        "-m",
        "recurrence.cli",
        "generate",
        "mine/rnn",
        "--prompt",
        "the",
        "--length",
        "100000",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=trained_project, stdout=pipe, stderr=pipe, bufsize=0
    ) as process:
        assert process.stdout and process.stdout.read(4)[:3] == b"the"
        yield process
        process.kill()


def test_a_closed_pipe_is_quiet(talking: subprocess.Popen[bytes]) -> None:
    assert talking.stdout and talking.stderr
    talking.stdout.close()
    assert (talking.wait(), talking.stderr.read()) == (1, b"")


def test_ctrl_c_is_quiet(talking: subprocess.Popen[bytes]) -> None:
    assert talking.stdout and talking.stderr
    talking.send_signal(signal.SIGINT)
    talking.stdout.read()  # to its end, so that the pipe does not fill up
    assert (talking.wait(), talking.stderr.read()) == (130, b"")
