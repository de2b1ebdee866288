"""The command for text from anywhere: which of it loops."""


def loops() -> None:
    """(to come)"""
