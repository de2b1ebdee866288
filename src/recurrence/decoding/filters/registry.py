"""The filters that a strategy's block may name. A new one is a function and its line here."""

from recurrence.decoding.filters.contract import Definition
from recurrence.decoding.filters.contrastive import contrastive_decoding
from recurrence.decoding.filters.feedback import adaptive_p, look_back, xtc
from recurrence.decoding.filters.mirostat import mirostat_v1, mirostat_v2
from recurrence.decoding.filters.penalties import (
    dry,
    frequency_penalty,
    fsd,
    lz_penalty,
    no_repeat_ngram,
    presence_penalty,
    repetition_penalty,
)
from recurrence.decoding.filters.temperature import dynamic_temperature, temperature
from recurrence.decoding.filters.truncation import (
    consistent_top_k,
    consistent_top_p,
    epsilon,
    eta,
    min_p,
    p_less,
    top_h,
    top_k,
    top_n_sigma,
    top_p,
    typical,
)

FILTERS: dict[str, Definition] = {
    "temperature": temperature,
    "dynamic_temperature": dynamic_temperature,
    "top_k": top_k,
    "top_p": top_p,
    "min_p": min_p,
    "typical": typical,
    "epsilon": epsilon,
    "eta": eta,
    "top_n_sigma": top_n_sigma,
    "top_h": top_h,
    "p_less": p_less,
    "consistent_top_k": consistent_top_k,
    "consistent_top_p": consistent_top_p,
    "repetition_penalty": repetition_penalty,
    "frequency_penalty": frequency_penalty,
    "presence_penalty": presence_penalty,
    "no_repeat_ngram": no_repeat_ngram,
    "dry": dry,
    "lz_penalty": lz_penalty,
    "fsd": fsd,
    "xtc": xtc,
    "mirostat_v1": mirostat_v1,
    "mirostat_v2": mirostat_v2,
    "adaptive_p": adaptive_p,
    "look_back": look_back,
    "contrastive_decoding": contrastive_decoding,
}
"""By name; each takes the block's value and raises ValueError if it is wrong."""
