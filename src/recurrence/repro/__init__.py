"""`recurrence repro`: dvc in this process, several stages at a time.

dvc decides what must run, restores, hashes, caches and records; here is only what it lacks: which stage goes next
(plan.py), commands side by side and from a warm process (commands.py, warm.py), books that many stages can share
(books.py, lockfile.py), and what a person sees of it (board.py). The loop that brings them together: crew.py.
"""
