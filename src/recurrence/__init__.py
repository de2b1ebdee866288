"""Recurrence: a reproducible laboratory for recurrent language models and their repetition
loops.
"""

__version__ = "0.1.0"
