"""How repetitive text is, period or not: the measures of the literature, each with its source.
Needs numpy alone.
"""
