"""Gradient training: batches, schedules, optimizers, regularizers, and the trainer that runs
them.
"""

from recurrence.training.trainer import Row, fit

__all__ = ["Row", "fit"]
