"""The transformer against Mistral of transformers, all layers with the same weights, and the
cache against none."""

import pytest
import torch
from torch import nn
from transformers import MistralConfig, MistralModel

from recurrence import params
from recurrence.cores.transformer import Core, angles, turned
from recurrence.errors import RecurrenceError
from recurrence.model import build_model

#   B = lanes, T = time, E = input size, H = hidden size

State = tuple[torch.Tensor, ...]


def made(window: int) -> Core:
    torch.manual_seed(0)
    core = Core(8, 8, 2, params.Dropout(), heads=2, window=window)
    for each in core.modules():
        if isinstance(each, nn.RMSNorm):
            nn.init.uniform_(each.weight, 0.5, 2.0)
        if isinstance(each, nn.Linear):
            nn.init.normal_(each.weight)  # so that attention is sharp
    return core


def zero(core: Core, lanes: int) -> State:
    return tuple(torch.zeros(n, lanes, size) for n, size in core.state_shapes)


def theirs(ours: Core, window: int) -> MistralModel:
    config = MistralConfig(
        vocab_size=3,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=window,
        rms_norm_eps=1e-6,
        attn_implementation="eager",
    )
    model = MistralModel(config)
    weights = {"norm.weight": ours.norm.weight, "embed_tokens.weight": torch.zeros(3, 8)}
    for i, block in enumerate(ours.blocks):
        at, mixer, mlp = f"layers.{i}.", block.mixer, block.mlp
        for name, part in zip("qkv", mixer.qkv.weight.chunk(3), strict=True):
            weights[f"{at}self_attn.{name}_proj.weight"] = part
        weights[f"{at}self_attn.o_proj.weight"] = mixer.output.weight
        for name in ("gate", "up", "down"):
            weights[f"{at}mlp.{name}_proj.weight"] = getattr(mlp, name).weight
        weights[f"{at}input_layernorm.weight"] = block.norm.weight
        weights[f"{at}post_attention_layernorm.weight"] = block.mlp_norm.weight
    model.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("window", [2, 5, 40])
def test_equals_mistral(window: int) -> None:
    ours, x_BTE = made(window), torch.randn(3, 24, 8)
    expected = theirs(ours, window)(inputs_embeds=x_BTE).last_hidden_state
    torch.testing.assert_close(ours(x_BTE, zero(ours, 3))[0], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("piece", [1, 3, 10])
@pytest.mark.parametrize("window", [2, 5, 40])
def test_pieces_give_what_the_whole_does(window: int, piece: int) -> None:
    core, x_BTE = made(window).double(), torch.randn(3, 24, 8).double()
    start = tuple(leaf.double() for leaf in zero(core, 3))
    whole, after = core(x_BTE, start)
    state, parts = start, []
    for x in x_BTE.split(piece, 1):
        y, state = core(x, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(state, after, rtol=1e-9, atol=1e-10)
    assert after[2].flatten().tolist() == [24] * 3


def test_only_distances_count() -> None:
    """Late in a text as at its beginning, in single precision."""
    torch.manual_seed(0)
    q_BTH, k_BTH = torch.randn(2, 1, 24, 8)

    def products(count: float) -> torch.Tensor:
        by = angles(torch.tensor([[count]]), 24, 4)
        return turned(q_BTH, 2, by) @ turned(k_BTH, 2, by).mT

    torch.testing.assert_close(products(1e6), products(0.0), rtol=1e-5, atol=1e-5)
    assert (products(0.0) - q_BTH @ k_BTH.mT).abs().max() > 1


@torch.no_grad()
def test_lanes_may_have_seen_texts_of_different_length() -> None:
    core, x_BTE = made(5), torch.randn(2, 6, 8)
    _, short = core(x_BTE[:1, :2], zero(core, 1))
    _, long = core(x_BTE[1:], zero(core, 1))
    together = tuple(torch.cat(pair, 1) for pair in zip(short, long, strict=True))
    found, _ = core(x_BTE[:, :1], together)
    for i, state in enumerate((short, long)):
        alone = core(x_BTE[i : i + 1, :1], state)[0]
        torch.testing.assert_close(found[i], alone[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 1}, "options.window must be from 2 to 65,536, got 1"),
        ({"window": 65_537}, "options.window must be from 2 to 65,536, got 65537"),
        (
            {"heads": 8},
            r"options.heads must divide hidden \(8\) into sizes that are a multiple of 2",
        ),
    ],
)
def test_an_impossible_option_is_named(options: dict[str, int], message: str) -> None:
    sizes = {"corpus": "toy", "name": "toy", "core": "transformer", "embedding": 6, "hidden": 8}
    with pytest.raises(RecurrenceError, match=message):
        build_model(params.Model.model_validate(sizes | {"options": options}), 11)
