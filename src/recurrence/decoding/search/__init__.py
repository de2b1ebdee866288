"""Searches look at several continuations of a prompt before they decide; registry.py lists them."""
