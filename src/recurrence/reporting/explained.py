"""What a decoding strategy does, in a line, with the formula and the source of each of its filters.

In: blocks of params.yaml. Out: text. What a filter or search does is said here for readers of the
report; exactly what it computes stands beside its code, in decoding/filters and decoding/search.
One that is not named here is shown by its name and value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recurrence.params import Strategy
from recurrence.params.decoding import for_unit, is_by_unit
from recurrence.results.formats import number
from recurrence.results.units import noun

ARXIV = "https://arxiv.org/abs/"


@dataclass(frozen=True)
class Explained:
    """A filter or search. `words` may name its settings in {}, and the corpus's {token}."""

    words: str
    formula: str
    source: str
    address: str = ""
    main: str = ""
    """The setting that a lone value stands for."""
    defaults: tuple[tuple[str, Any], ...] = ()
    """What `words` names and a block may leave out."""
    shares: tuple[str, ...] = ()
    """Settings that are shown as percent."""


def _arxiv(words: str, formula: str, authors: str, number: str, **more: Any) -> Explained:
    return Explained(words, formula, f"{authors}, arXiv {number}", ARXIV + number, **more)


FILTERS: dict[str, Explained] = {
    "temperature": Explained(
        "logits divided by {T} (below 1 favours what is likely)",
        "z / T",
        "Ackley, Hinton and Sejnowski 1985",
        "https://doi.org/10.1207/s15516709cog0901_7",
        main="T",
    ),
    "dynamic_temperature": Explained(
        "temperature {temperature} ± {range}, the lower the surer the model is",
        "z / T, T = (t − r) + 2r (H / ln n)^e",
        "llama.cpp",
        "https://github.com/ggml-org/llama.cpp/tree/master/tools/completion",
        main="range",
        defaults=(("temperature", 1),),
    ),
    "top_k": _arxiv(
        "the {k} likeliest {token}s", "the k largest z", "Fan et al.", "1805.04833", main="k"
    ),
    "top_p": _arxiv(
        "the fewest likeliest {token}s that hold {P} of the probability",
        "the shortest prefix of falling p with sum p ≥ P",
        "Holtzman et al.",
        "1904.09751",
        main="P",
        shares=("P",),
    ),
    "min_p": _arxiv(
        "{token}s at least {m} as likely as the likeliest",
        "p ≥ m max p",
        "Nguyen et al.",
        "2407.01082",
        main="m",
        shares=("m",),
    ),
    "typical": _arxiv(
        "{token}s of about the expected surprise, until they hold {tau} of the probability",
        "smallest |−ln p − H| first, until sum p ≥ τ",
        "Meister et al.",
        "2202.00666",
        main="tau",
        shares=("tau",),
    ),
    "epsilon": _arxiv(
        "{token}s with a probability of {e} or more",
        "p ≥ ε",
        "Hewitt et al.",
        "2210.15191",
        main="e",
        shares=("e",),
    ),
    "eta": _arxiv(
        "{token}s above a bar of {e}, which is lower where the model is unsure",
        "p ≥ min(ε, √ε e^−H)",
        "Hewitt et al.",
        "2210.15191",
        main="e",
        shares=("e",),
    ),
    "top_n_sigma": _arxiv(
        "{token}s with a logit at most {n} σ below the largest",
        "z ≥ max z − n σ",
        "Tang et al.",
        "2411.07641",
        main="n",
    ),
    "top_h": _arxiv(
        "the likeliest {token}s that hold {h} of the entropy",
        "the longest prefix with sum(−p ln p) ≤ h H",
        "Potraghloo et al.",
        "2509.02510",
        main="h",
        shares=("h",),
    ),
    "p_less": _arxiv(
        "{token}s at least as likely as two draws are to agree",
        "p ≥ sum p²",
        "Tan et al.",
        "2509.23234",
    ),
    "consistent_top_k": _arxiv(
        "the {k} likeliest {token}s, and the end of the text",
        "top_k and <eos>",
        "Welleck et al.",
        "2002.02492",
        main="k",
    ),
    "consistent_top_p": _arxiv(
        "the fewest likeliest {token}s that hold {P} of the probability, and the end of the text",
        "top_p and <eos>",
        "Welleck et al.",
        "2002.02492",
        main="P",
        shares=("P",),
    ),
    "repetition_penalty": _arxiv(
        "{token}s that occurred{window} are made less likely, by a factor of {penalty}",
        "z / θ where z > 0, else z θ, of what occurred",
        "Keskar et al.",
        "1909.05858",
        main="penalty",
        defaults=(("window", None),),
    ),
    "frequency_penalty": Explained(
        "{token}s lose {value} of their logit for every time they occurred{window}",
        "z − f count",
        "OpenAI's API",
        "https://platform.openai.com/docs/api-reference/chat/create",
        main="value",
        defaults=(("window", None),),
    ),
    "presence_penalty": Explained(
        "{token}s that occurred{window} lose {value} of their logit",
        "z − r [count > 0]",
        "OpenAI's API",
        "https://platform.openai.com/docs/api-reference/chat/create",
        main="value",
        defaults=(("window", None),),
    ),
    "no_repeat_ngram": _arxiv(
        "no {n} {token}s in a row that occurred before",
        "ban what completes an n-gram of the history",
        "Paulus et al.",
        "1705.04304",
        main="n",
    ),
    "dry": Explained(
        "{token}s that prolong a repetition of over {allowed} {token}s{window} are penalised, the "
        "longer the more",
        "z − m b^(r − a), r tokens of the end matched before",
        "text-generation-webui, pull request 5677",
        "https://github.com/oobabooga/text-generation-webui/pull/5677",
        main="multiplier",
        defaults=(("allowed", 2), ("window", None)),
    ),
    "lz_penalty": _arxiv(
        "{token}s that a compressor would predict from the text so far are made less likely",
        "z + α (C(v) − log2 V), C: bits of LZSS code",
        "Ginart et al.",
        "2504.20131",
        main="strength",
    ),
    "fsd": _arxiv(
        "of the {k} likeliest {token}s the one that the text's own {n}-grams predict least",
        "(1 − α) p − α q, q: n-gram model of the history",
        "Yang et al.",
        "2305.12675",
        main="alpha",
        defaults=(("k", 3), ("n", 3)),
    ),
    "xtc": Explained(
        "in {probability} of the steps, of the {token}s above {threshold} only the least likely "
        "stays",
        "with chance q, of p ≥ t keep the least",
        "text-generation-webui, pull request 6335",
        "https://github.com/oobabooga/text-generation-webui/pull/6335",
        main="probability",
        defaults=(("threshold", 0.1),),
        shares=("probability", "threshold"),
    ),
    "mirostat_v1": _arxiv(
        "the likeliest {token}s, as many as keep the mean surprise at {tau}",
        "top-k with k of (μ, s), μ −= η (S − τ)",
        "Basu et al.",
        "2007.14966",
        main="tau",
    ),
    "mirostat_v2": _arxiv(
        "{token}s below a bar of surprise that keeps its mean at {tau}",
        "−log2 p ≤ μ, μ −= η (S − τ)",
        "Basu et al.",
        "2007.14966",
        main="tau",
    ),
    "adaptive_p": Explained(
        "{token}s with a probability near {target} are preferred",
        "5 − 10 d² / (1 + d), d = |p − t*| / 0.3",
        "llama.cpp, pull request 17927",
        "https://github.com/ggml-org/llama.cpp/pull/17927",
        main="target",
        shares=("target",),
    ),
    "look_back": _arxiv(
        "one of the {k} likeliest {token}s where the model's prediction is an earlier one, else "
        "the likeliest",
        "top-k where min KL(p || p_j) < τ, else argmax",
        "Xu et al.",
        "2305.13477",
        main="tau",
        defaults=(("k", 8),),
    ),
    "contrastive_decoding": _arxiv(
        "the {token} that the model favours most in comparison with a weaker model",
        "ln p − ln p_amateur, where p ≥ α max p",
        "Li et al.",
        "2210.15097",
        main="alpha",
    ),
}
SEARCHES: dict[str, Explained] = {
    "beam": _arxiv(
        "the likeliest text found by going on with the {width} likeliest so far",
        "argmax ln p(text) of w beams",
        "Sutskever et al.",
        "1409.3215",
        main="width",
        defaults=(("width", 4),),
    ),
    "diverse_beam": _arxiv(
        "the likeliest of {width} texts that grow together and avoid each other's {token}s",
        "ln p − λ (times chosen by other groups)",
        "Vijayakumar et al.",
        "1610.02424",
        main="width",
        defaults=(("width", 4),),
    ),
    "stochastic_beam": _arxiv(
        "the likeliest of {width} different texts drawn at random",
        "top w of ln p + Gumbel noise",
        "Kool et al.",
        "1903.06059",
        main="width",
        defaults=(("width", 4),),
    ),
    "contrastive_search": _arxiv(
        "of the {k} likeliest {token}s the one that is likely and unlike the text so far",
        "(1 − α) p − α max cos(h_v, h_j)",
        "Su et al.",
        "2202.06417",
        main="k",
        defaults=(("k", 5),),
    ),
}
KEEPS = {"top_k", "top_p", "min_p", "typical", "epsilon", "eta", "top_n_sigma", "top_h", "p_less"}
KEEPS |= {"consistent_top_k", "consistent_top_p", "mirostat_v1", "mirostat_v2"}
"""Filters that say which tokens remain, so that a draw is "from" them."""


def in_words(block: Strategy, unit: str) -> str:
    """A strategy in a line: what is chosen, from what. `unit`: char or word."""
    token = noun(unit)
    if block.search is not None:
        [(name, value)] = block.search.items()
        parts = [_told(SEARCHES.get(name), name, value, unit)]
    else:
        parts = _chosen(block, token)
    parts += _filtered(block, unit)
    if block.window is not None:
        parts.append(f"fed the last {block.window} {token}s again at each step")
    if "<unk>" in block.allow:
        parts.append("unknown words allowed")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _chosen(block: Strategy, token: str) -> list[str]:
    """How the next token is taken, where the filters do not say it themselves."""
    names = [name for entry in block.filters for name in entry]
    if not names:
        if block.pick == "argmax":
            return [f"always the likeliest {token}"]
        return [f"drawn from all {token}s by their probability"]
    if block.pick == "sample":
        return [] if KEEPS & set(names) or "look_back" in names else [f"drawn from all {token}s"]
    return [] if names[-1] in ("fsd", "contrastive_decoding") else [f"the likeliest {token}"]


def _filtered(block: Strategy, unit: str) -> Iterator[str]:
    for entry in block.filters:
        for name, value in entry.items():
            said = _told(FILTERS.get(name), name, value, unit)
            kept = "drawn from" if block.pick == "sample" else "of"
            yield f"{kept} {said}" if name in KEEPS else said


def _told(entry: Explained | None, name: str, value: Any, unit: str) -> str:
    """What a filter or search of this value does."""
    value = _for_unit(value, unit)
    if entry is None:
        return f"{name} {value}"
    given = value if isinstance(value, Mapping) and "of_bits" not in value else {entry.main: value}
    settings = {
        **dict(entry.defaults),
        **{key: _for_unit(each, unit) for key, each in given.items()},
    }
    shown = {key: _shown(key, each, entry) for key, each in settings.items()}
    window = settings.get("window")
    shown["window"] = f" among the last {window}" if window else ""
    return entry.words.format_map(_Shown(shown | {"token": noun(unit)}))


class _Shown(dict[str, str]):
    """A setting that a block leaves out and that has no default here is shown by its name."""

    def __missing__(self, key: str) -> str:
        return key


def _shown(name: str, value: Any, entry: Explained) -> str:
    if isinstance(value, Mapping) and "of_bits" in value:
        share = value["of_bits"]
        return "the model's own" if share == 1 else f"{share:g} of the model's own"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    return f"{100 * value:g} %" if name in entry.shares else number(value)


def _for_unit(value: Any, unit: str) -> Any:
    """{char: 12, word: 4} becomes the one of the unit."""
    is_choice = isinstance(value, Mapping) and is_by_unit(value)
    return for_unit(value, unit) if is_choice else value


def entries(block: Strategy) -> list[Explained]:
    """Of the search and the filters that a strategy uses, those that are explained here."""
    names = [*(block.search or ()), *(name for entry in block.filters for name in entry)]
    return [entry for name in names if (entry := (SEARCHES | FILTERS).get(name))]
