"""What tokens are called: the unit of params.yaml in words."""

NOUNS = {"char": "character", "word": "word"}


def noun(unit: str) -> str:
    """character, word."""
    return NOUNS[unit]


def nouns(unit: str) -> str:
    """characters, words."""
    return f"{noun(unit)}s"
