"""`recurrence repro --on ray`: the commands of stages as Ray tasks, on any machine of a cluster.

dvc stays the book-keeper, in the one process that was started; Ray places the tasks, by the cores
and GPUs that they take, and runs them again where a machine dies. cluster.py is the side that asks,
node.py the side that works; copies.py is for machines that do not see the project's folder and meet
it in a DVC remote.
"""
