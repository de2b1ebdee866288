"""A trained model as a folder that transformers loads: weights, config, tokenizer.

A `transformer` without a bias in its head is a Mistral (sliding window, rotary embeddings, RMSNorm,
gated MLP), and is written as one: transformers loads it by itself. Every other net has no
counterpart there; its folder says in a file of code that it is ours, so it loads with
trust_remote_code=True where recurrence-lab is installed. Models that count have no weights to
write. Needs transformers (extra `huggingface`).
"""

from pathlib import Path
from typing import Any

import torch

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.export.tokenizer import tokenizer_of
from recurrence.model import LanguageModel
from recurrence.model.blocks import EPS, inner_size
from recurrence.model.counting import CountedModel
from recurrence.vocab import Vocab

CODE = "modeling_recurrence.py"
IN_CODE = '''"""Loads a model of Recurrence in transformers."""

try:
    from recurrence.export.modeling import RecurrenceConfig, RecurrenceForCausalLM
except ImportError as error:
    raise ImportError(
        "this model is computed by recurrence-lab: pip install 'recurrence-lab[lab,huggingface]'"
    ) from error

__all__ = ["RecurrenceConfig", "RecurrenceForCausalLM"]
'''
UNBOUNDED = 1 << 20
"""Positions of a Mistral: rotary embeddings have no end."""


def export_huggingface(
    model: LanguageModel | CountedModel, block: params.Model, vocab: Vocab, folder: Path
) -> bool:
    """Write the folder; whether transformers loads it by itself, without code of ours.

    Raises RecurrenceError for a model that counts, or where transformers is not installed.
    """
    if isinstance(model, CountedModel):
        raise RecurrenceError(
            "a model that counts has no weights for transformers; export a trained net"
        )
    needed()
    standard = is_mistral(block)
    made = (_mistral if standard else _ours)(model, block)
    tokens = {"unk": vocab.unk, "pad": vocab.index.get("<pad>"), "eos": vocab.index.get("<eos>")}
    ids = {f"{name}_token_id": tokens[name] for name in ("pad", "eos")} | {"bos_token_id": None}
    for settings in (made.config, made.generation_config):
        for name, value in ids.items():
            setattr(settings, name, value)
    made.save_pretrained(folder)
    tokenizer_of(vocab).save_pretrained(folder)
    if not standard:
        (folder / CODE).write_text(IN_CODE, encoding="utf-8")
    return standard


def needed() -> None:
    """Raise RecurrenceError, with what to install, where transformers is missing; without its
    bars.
    """
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise RecurrenceError(
            f"transformers' format needs {error.name}, which is not installed: "
            "pip install 'recurrence-lab[huggingface]'"
        ) from error
    quiet: Any = transformers.utils.logging
    quiet.disable_progress_bar()


def is_mistral(block: params.Model) -> bool:
    """Whether the model of a block is one that transformers has under that name."""
    return block.core == "transformer" and not block.head_bias and block.context is None


def _ours(model: LanguageModel, block: params.Model) -> Any:
    from recurrence.export.modeling import RecurrenceConfig, RecurrenceForCausalLM

    where = CODE.removesuffix(".py")
    found = {
        "AutoConfig": f"{where}.RecurrenceConfig",
        "AutoModelForCausalLM": f"{where}.RecurrenceForCausalLM",
    }
    config = RecurrenceConfig(block.model_dump(mode="json"), model.vocab_size, auto_map=found)
    made: Any = RecurrenceForCausalLM(config)
    made.model.load_state_dict(model.state_dict())
    return made.eval()


def _mistral(model: LanguageModel, block: params.Model) -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    first: Any = model.core.blocks[0]  # type: ignore[attr-defined]
    assert block.hidden is not None
    ratio = block.options.get("mlp_ratio", 2.0)
    config = MistralConfig(
        vocab_size=model.vocab_size,
        hidden_size=block.hidden,
        intermediate_size=inner_size(block.hidden, ratio),
        num_hidden_layers=block.layers,
        num_attention_heads=first.mixer.heads,
        num_key_value_heads=first.mixer.heads,
        max_position_embeddings=UNBOUNDED,
        rms_norm_eps=EPS,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        sliding_window=first.mixer.window,
        tie_word_embeddings=block.tied and block.embedding == block.hidden,
    )
    made: Any = MistralForCausalLM(config)
    made.load_state_dict(_as_mistral(model), strict=not config.tie_word_embeddings)
    return made.eval()


def _as_mistral(model: LanguageModel) -> dict[str, torch.Tensor]:
    """Our weights under their names there. What widens the embedding to H is multiplied into it."""
    core: Any = model.core
    widened = model.embedding.weight
    if isinstance(core.input, torch.nn.Linear):
        widened = core.input(widened)
    found = {"model.embed_tokens.weight": widened, "model.norm.weight": core.norm.weight}
    found["lm_head.weight"] = (
        model.embedding.weight if model.head.weight is None else model.head.weight
    )
    for i, block in enumerate(core.blocks):
        q, k, v = block.mixer.qkv.weight.chunk(3)
        there = {
            "self_attn.q_proj": q,
            "self_attn.k_proj": k,
            "self_attn.v_proj": v,
            "self_attn.o_proj": block.mixer.output.weight,
            "mlp.gate_proj": block.mlp.gate.weight,
            "mlp.up_proj": block.mlp.up.weight,
            "mlp.down_proj": block.mlp.down.weight,
            "input_layernorm": block.norm.weight,
            "post_attention_layernorm": block.mlp_norm.weight,
        }
        found |= {f"model.layers.{i}.{name}.weight": weight for name, weight in there.items()}
    return {name: weight.detach().clone() for name, weight in found.items()}
