"""Loops whose copies differ by edits: where they may be, and how well each copy fits the one before
it.
"""
