"""python -m recurrence.cli: the command without its script."""

from recurrence.cli import main

main()
