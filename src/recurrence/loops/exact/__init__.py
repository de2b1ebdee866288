"""Exact repetition: runs of one period, found in time that grows with the text; the one with the
most evidence.
"""
