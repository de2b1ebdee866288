import torch

from recurrence.randomness import derived_seed, generator


def test_seeds_are_stable_and_apart() -> None:
    assert derived_seed(0, "nietzsche", "train") == 1_481_812_181_587_812_919
    assert (
        len(
            {derived_seed(*parts) for parts in [(0, 1), (1, 0), ("01",), (0, "1", ""), ("0", "1x")]}
        )
        == 5
    )
    assert 0 <= derived_seed("x") < 2**63


def test_generators_repeat() -> None:
    assert torch.equal(
        torch.rand(3, generator=generator(1, "a")), torch.rand(3, generator=generator(1, "a"))
    )
    assert not torch.equal(
        torch.rand(3, generator=generator(1, "a")), torch.rand(3, generator=generator(2, "a"))
    )
