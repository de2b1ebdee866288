"""`recurrence repro`: dvc in this process, several stages at a time.

dvc decides what must run, restores, hashes, caches and records; here is only what it lacks: which
stage goes next (plan.py), commands side by side and from a fork server (commands.py,
forkserver.py), a session with dvc that many stages can share (dvc_session.py, lockfile.py), and
what a person sees (progress.py). The loop that brings them together: scheduler.py.
"""
