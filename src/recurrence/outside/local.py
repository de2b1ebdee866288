"""A causal language model of transformers in a local folder, with the interface of a LanguageModel.

Nothing is downloaded. What the attention keeps is carried as state, so that a token is fed per
step; a model that keeps anything else reads its text anew at each step. Needs transformers (extra
`huggingface`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from math import log
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.huggingface import Rereading, _vocab
from recurrence.decoding.loop.prefill import READ_TOKENS
from recurrence.decoding.loop.samples import Prompt, Samples
from recurrence.decoding.loop.sampling import CHUNK_CELLS, Row, Stopping, sample
from recurrence.decoding.loop.stopping import at_token
from recurrence.decoding.search.base import Search
from recurrence.decoding.strategies import build_strategy
from recurrence.errors import RecurrenceError, in_brief
from recurrence.model import LanguageModel, State
from recurrence.outside.continuations import Continuation, Reading, Tell
from recurrence.params import Strategy
from recurrence.randomness import generator
from recurrence.scoring import token_scores

#   B = rows, T = time, V = vocabulary, N = heads, D = size of a head

ROWS = 64
"""Continued together, at most."""


class Cached(nn.Module):
    """A model whose state is what its attention keeps: keys and values of each layer, (T, B, N,
    D).
    """

    context = None

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = (model,)  # no submodule: no graph of its steps is recorded
        self.vocab_size = int(model.config.vocab_size)

    def initial_state(self, lanes: int) -> State:
        """Empty: nothing was read."""
        return ()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits_BTV, and what is kept after them."""
        from transformers import DynamicCache

        [model] = self._model
        cache = DynamicCache()
        for layer in range(len(state) // 2):
            k_BNTD, v_BNTD = (leaf.permute(1, 2, 0, 3) for leaf in state[2 * layer : 2 * layer + 2])
            cache.update(k_BNTD, v_BNTD, layer)
        found = model(ids_BT.to(model.device), past_key_values=cache, use_cache=True)
        layers: Any = cache.layers
        kept = (tensor for layer in layers for tensor in (layer.keys, layer.values))
        return found.logits, tuple(tensor.permute(2, 0, 1, 3) for tensor in kept)


class LocalModel:
    """A folder with a model and its tokenizer, loaded."""

    def __init__(self, folder: Path, trust: bool = False, device: str = "cpu") -> None:
        """Raises RecurrenceError where the folder holds no causal model, or one whose code must be
        trusted first.
        """
        self.folder = folder
        self.name = folder.resolve().name
        self.model, self.tokenizer = _loaded(folder, trust, device)
        self.most = int(getattr(self.model.config, "max_position_embeddings", None) or 1 << 20)
        self.bits: float | None = None
        """Bits per token of a text, for filters that are set by it; see `read`."""

    @property
    def about(self) -> str:
        kind = type(self.model).__name__
        return f"{kind}, {sum(each.numel() for each in self.model.parameters()):,} parameters"

    def takes(self, name: str, block: Strategy) -> str:
        if block.window is not None and self._ours is None:
            return "tokens that are fed again are for nets that carry a state of one size"
        if "contrastive_search" in (block.search or {}) and self._ours is None:
            return "it compares hidden states, which are not asked for here"
        try:
            self._built(name, block)
        except ValueError as error:
            return str(error).partition(": ")[2] or str(error)
        return ""

    def uses_history(self, block: Strategy) -> bool:
        return bool(self._built("this", block).uses_history)

    def continued(
        self, name: str, block: Strategy, prompts: Sequence[str], length: int, seed: int, tell: Tell
    ) -> list[Continuation]:
        strategy = self._built(name, block)
        ids = [self._ids(prompt, self.most - 1) for prompt in prompts]
        found: dict[int, Continuation] = {}
        longest = max(map(len, ids), default=0)
        net = self._net(longest + length)
        for places in self._batches(ids, net):
            ours = [ids[i] for i in places]
            draws = [generator(seed, self.name, "study", name, i) for i in places]
            if isinstance(strategy, Search):
                made = strategy.find(net, ours, length, draws, tell)
            else:
                rows = [Row(*each) for each in zip(ours, repeat(strategy), draws, strict=False)]
                made = sample(net, rows, length, tell, self._stop)
            found |= zip(places, self._texts(made), strict=True)
        return [found[i] for i in range(len(ids))]

    @property
    def _stop(self) -> Callable[[int], Stopping] | None:
        """At the token that ends a text, where there is one: what comes after it would be another
        text.
        """
        end = self.tokenizer.eos_token_id
        return None if end is None else lambda rows: at_token(end)

    def _texts(self, made: Samples) -> Iterator[Continuation]:
        """A search may go on past the end; it is cut there, and what the rest cost is not known."""
        end = self.tokenizer.eos_token_id
        rows = zip(made.rows(), made.logprob_B.tolist(), made.rescued_B.tolist(), strict=True)
        for ids_T, logprob, rescued in rows:
            ids = ids_T.tolist()
            at = ids.index(end) if end in ids else len(ids)
            nats = -logprob if at >= len(ids) - 1 else None
            yield Continuation(self.tokenizer.decode(ids[:at]), nats, rescued)

    def read(self, text: str) -> Reading:
        """Windows as long as the model has positions for, each half a window further on: every
        token but the first is predicted once, from at least half a window before it where so much
        is there.
        """
        given = self.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=self.tokenizer.is_fast
        )
        ids = np.array(given["input_ids"])
        if len(ids) < 2:
            raise RecurrenceError(
                f"a text must have at least 2 tokens to be scored, got {len(ids)}"
            )
        starts = self._starts(given, ids)
        ours = self._ours
        if ours is not None:
            nats = -token_scores(ours, ids).log_probs
        else:
            nats = _strided(self.model, torch.from_numpy(ids), min(self.most, len(ids)))
        return Reading(starts, (0.0, *nats.tolist()))

    def _starts(self, given: Any, ids: Any) -> tuple[int, ...]:
        if self.tokenizer.is_fast:
            return tuple(start for start, _ in given["offset_mapping"])
        pieces = [len(self.tokenizer.decode([i])) for i in ids[:-1]]
        return (0, *np.cumsum(pieces).tolist())

    @cached_property
    def _ours(self) -> LanguageModel | None:
        """The net inside, where it is an export of ours."""
        inside = getattr(self.model, "model", None)
        return inside if isinstance(inside, LanguageModel) else None

    def _net(self, tokens: int) -> LanguageModel:
        """What continues texts up to so many tokens."""
        if self._ours is not None:
            return self._ours
        net = Cached(self.model) if self._keeps and tokens <= self.most else Rereading(self.model)
        return cast(LanguageModel, net.eval())

    @cached_property
    def _keeps(self) -> bool:
        """Whether going on from what it keeps gives what reading all of the text does."""
        ids_BT = torch.arange(6)[None] % self.model.config.vocab_size
        try:
            with torch.inference_mode():
                whole_BTV = self.model(ids_BT.to(self.model.device)).logits
                net = Cached(self.model)
                _, state = net(ids_BT[:, :4], ())
                if len(state) < 2:
                    return False
                last_BTV, _ = net(ids_BT[:, 4:], state)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            return False
        return torch.allclose(last_BTV, whole_BTV[:, 4:], rtol=1e-3, atol=1e-3)

    def _batches(self, ids: Sequence[Prompt], net: LanguageModel) -> list[list[int]]:
        """Places of prompts of one length, as what is kept of others has another shape; as many as
        `sample` takes.
        """
        size = CHUNK_CELLS // (net.vocab_size * max(READ_TOKENS, net.context or 1))
        rows = max(1, min(ROWS, size))
        by_length: dict[int, list[int]] = {}
        for i, prompt in enumerate(ids):
            by_length.setdefault(len(prompt), []).append(i)
        return [
            same[start : start + rows]
            for same in by_length.values()
            for start in range(0, len(same), rows)
        ]

    def _ids(self, text: str, most: int) -> Prompt:
        """The last tokens of a prompt, as many as the model has positions for."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise RecurrenceError(f"prompt {text!r}: gives no token of {self.folder}; leave it out")
        return tuple(ids[-most:])

    def _built(self, name: str, block: Strategy) -> Any:
        return build_strategy(name, block, self._setting)

    @property
    def _setting(self) -> Setting:
        return Setting(
            _vocab(self.tokenizer, cast(Any, _Sized(self.model.config.vocab_size))), self.bits
        )


class _Sized:
    """The size of a vocabulary, as `_vocab` asks for it."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = int(vocab_size)


def bits_per_token(reading: Reading) -> float:
    """Of a text that was read."""
    return sum(reading.nats) / log(2) / (len(reading.nats) - 1)


def _loaded(folder: Path, trust: bool, device: str) -> tuple[Any, Any]:
    if not (folder / "config.json").is_file():
        raise RecurrenceError(
            f"{folder}: must be a folder with a model of transformers (config.json), or an "
            f"address like http://..."
        )
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as its_logging
    except ModuleNotFoundError as error:
        raise RecurrenceError(
            f"a model of transformers needs {error.name}, which is not installed: "
            "pip install 'recurrence-lab[lab,huggingface]'"
        ) from error
    quiet: Any = its_logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    asked = {"trust_remote_code": trust, "local_files_only": True}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **asked)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **asked)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        if "trust_remote_code" in str(error):
            raise RecurrenceError(
                f"{folder}: brings code of its own; read it, then say --trust-remote-code"
            ) from error
        raise RecurrenceError(
            f"{folder}: transformers does not load it ({in_brief(error)})"
        ) from error
    return model.to(device).float().eval(), tokenizer


@torch.inference_mode()
def _strided(model: Any, ids: Tensor, context: int) -> np.ndarray[Any, Any]:
    """-ln p of every token but the first."""
    stride = max(context // 2, 1)
    found: list[Tensor] = []
    done = 1
    start = 0
    while done < len(ids):
        window = ids[start : start + context].to(model.device)
        logits_TV = model(window[None]).logits[0]
        fresh = start + len(window) - done
        nats = F.cross_entropy(
            logits_TV[-fresh - 1 : -1].float(), window[-fresh:], reduction="none"
        )
        found.append(nats.double().cpu())
        done += fresh
        start += stride
    return torch.cat(found).numpy()
