"""LoopStoppingCriteria in `generate` of a tiny GPT-2 with random weights, which loops at once under
greedy.
"""

from typing import Any

import pytest
import torch

from recurrence.loops import find_run

transformers = pytest.importorskip("transformers")

from recurrence.loops.huggingface import LoopStoppingCriteria  # noqa: E402

FLOOR, PAD = 12, 30


@pytest.fixture(scope="module")
def gpt2() -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=31,
        n_positions=256,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config).eval()


def generated(
    gpt2: Any, prompts: list[list[int]], criteria: LoopStoppingCriteria, **settings: Any
) -> list[list[int]]:
    """What comes after the prompts."""
    prompt_BT = torch.tensor(prompts)
    made_BT = gpt2.generate(
        prompt_BT,
        attention_mask=torch.ones_like(prompt_BT),
        max_new_tokens=150,
        pad_token_id=PAD,
        suppress_tokens=[PAD],
        stopping_criteria=[criteria],
        **{"do_sample": False} | settings,
    )
    return made_BT[:, prompt_BT.shape[1] :].tolist()


def loop_at(ids: list[int]) -> int | None:
    """Length of the shortest prefix that loops."""
    return next((n for n in range(1, len(ids) + 1) if find_run(ids[:n], FLOOR)), None)


def test_greedy_ends_at_the_token_that_makes_it_a_loop(gpt2: Any) -> None:
    criteria = LoopStoppingCriteria(FLOOR)
    (ids,) = generated(gpt2, [[3, 1, 4]], criteria)
    run = find_run(ids, FLOOR)
    assert run is not None
    assert len(ids) == loop_at(ids) < 150
    assert (criteria.detector.start[0], criteria.detector.period[0]) == (run.start, run.period)


def test_rows_of_a_batch_end_on_their_own(gpt2: Any) -> None:
    prompts = [[3, 1, 4], [1, 5, 9], [2, 6, 5], [8, 9, 7]]
    criteria = LoopStoppingCriteria(FLOOR, pad_token_id=PAD)
    rows = generated(gpt2, prompts, criteria)
    alone = [generated(gpt2, [prompt], LoopStoppingCriteria(FLOOR))[0] for prompt in prompts]
    for row, ids in zip(rows, alone, strict=True):
        assert row[: len(ids)] == ids
        assert set(row[len(ids) :]) <= {PAD}
    assert criteria.detector.fired.all()


def test_the_prompt_is_no_part_of_the_sample(gpt2: Any) -> None:
    looping = [7] * 60
    (ids,) = generated(
        gpt2, [looping], LoopStoppingCriteria(FLOOR), do_sample=True, temperature=100.0, top_k=0
    )
    assert len(ids) == 150


def test_one_object_serves_many_calls(gpt2: Any) -> None:
    criteria = LoopStoppingCriteria(FLOOR)
    first = generated(gpt2, [[3, 1, 4]], criteria)
    assert generated(gpt2, [[3, 1, 4]], criteria) == first
    longer = [[5, 9, 2, 6] * 30]
    assert generated(gpt2, longer, criteria) == generated(gpt2, longer, LoopStoppingCriteria(FLOOR))


def test_a_beam_that_loops_is_ended(gpt2: Any) -> None:
    ids = generated(
        gpt2, [[3, 1, 4], [1, 5, 9]], LoopStoppingCriteria(FLOOR, pad_token_id=PAD), num_beams=3
    )
    for row in ids:
        end = loop_at(row)
        assert end is not None
        assert set(row[end:]) <= {
            -1,
            PAD,
        }  # transformers fills up with -1 where there is no end-of-sequence token


def test_reordered_rows_are_told_again() -> None:
    """As beam search shows them: each row may go on from another one."""
    criteria = LoopStoppingCriteria(4)
    looping, other = [1, 2] * 3, [1, 3, 4, 5, 6, 7]
    for n in range(1, 6):
        assert criteria(torch.tensor([[9, *looping[:n]], [9, *other[:n]]])).tolist() == [
            False,
            False,
        ]
    assert criteria(torch.tensor([[9, *other], [9, *looping]])).tolist() == [False, True]


def test_rows_that_ended_do_not_loop_by_their_padding() -> None:
    for pad, expected in ((None, True), (PAD, False)):
        criteria = LoopStoppingCriteria(4, pad_token_id=pad, prompt_tokens=0)
        assert criteria(torch.tensor([[5, 6, *[PAD] * 10]])).tolist() == [expected]
