"""Reads what stages wrote: figures of reports with their intervals, and how two sets of them
compare.
"""
