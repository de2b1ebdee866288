"""Our models as transformers sees them: what an exported folder's own code imports. Needs
transformers.

A model that carries a state keeps it in `state` from step to step of `generate`. A window model
reads its window anew.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from recurrence import params
from recurrence.model import LanguageModel, State

#   B = rows, T = time, V = vocabulary


class RecurrenceConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The params block that a model was trained with, and the size of its vocabulary."""

    model_type = "recurrence"

    def __init__(
        self, block: dict[str, Any] | None = None, vocab_size: int = 1, **more: Any
    ) -> None:
        self.block = block
        self.vocab_size = vocab_size
        super().__init__(**more)

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoConfig") -> None:
        """Its code is installed: it is not copied into folders that are saved later."""


@dataclass
class Predicted(ModelOutput):
    """logits_BTV, the state after them (None of a window model), and the loss where labels were
    given.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    state: State | None = None


class RecurrenceForCausalLM(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """A LanguageModel behind the interface of a causal language model."""

    config_class = RecurrenceConfig
    base_model_prefix = "model"
    _is_stateful = True

    def __init__(self, config: RecurrenceConfig) -> None:
        super().__init__(config)
        self.model = LanguageModel(params.Model.model_validate(config.block), config.vocab_size)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoModelForCausalLM") -> None:
        """As the config."""

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Cores draw their own."""

    def forward(
        self,
        input_ids: Tensor,
        state: State | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **more: Any,
    ) -> Predicted:
        """Logits_BTV after each of ids_BT. Raises ValueError for padded rows, as every token is
        read.
        """
        if attention_mask is not None and not bool(attention_mask.bool().all()):
            raise ValueError(
                "every token is read, padding too: give prompts of one length, without padding"
            )
        if self.model.context is None:
            before = self.model.initial_state(len(input_ids)) if state is None else state
            logits_BTV, after = self.model(input_ids, before)
        else:
            keep = more.get("logits_to_keep", 0)
            logits_BTV, after = self._by_windows(input_ids, self.model.context, keep), None
        loss = None
        if labels is not None:
            loss = self.loss_function(logits_BTV, labels, vocab_size=self.config.vocab_size)
        return Predicted(loss=loss, logits=logits_BTV, state=after)

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: Tensor,
        state: State | None = None,
        attention_mask: Tensor | None = None,
        use_cache: bool = True,
        **more: Any,
    ) -> dict[str, Any]:
        """The newest token where a state was carried, else the whole text."""
        if not use_cache:
            state = None
        if state is not None:
            input_ids = input_ids[:, -1:]
        asked = {"input_ids": input_ids, "state": state, "attention_mask": attention_mask}
        return asked | {"logits_to_keep": 1}

    @staticmethod
    def _reorder_cache(state: State, beam_idx: Tensor) -> State:
        """Each beam goes on from the state of the one that it was taken from."""
        return tuple(leaf_LBH.index_select(1, beam_idx) for leaf_LBH in state)

    def _by_windows(self, ids_BT: Tensor, context: int, keep: int) -> Tensor:
        """What the model says after each of the last `keep` tokens (0: all), from the window that
        ends there.
        """
        time = ids_BT.shape[1]
        ends = range(time - keep if keep else 0, time)
        windows = (ids_BT[:, max(0, end + 1 - context) : end + 1] for end in ends)
        return torch.stack([self.model(window_BT, ())[0] for window_BT in windows], 1)
