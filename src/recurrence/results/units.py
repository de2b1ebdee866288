"""What tokens are called: the unit of params.yaml in words."""

NOUNS = {"char": "character", "word": "word", "subword": "token"}


def noun(unit: str) -> str:
    """character, word, token."""
    return NOUNS[unit]


def nouns(unit: str) -> str:
    """characters, words, tokens."""
    return f"{noun(unit)}s"
