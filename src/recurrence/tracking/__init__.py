"""MLflow mirrors the result files: the only package that imports mlflow, and only when something is
to be imported.

`records` says what MLflow shall hold (pure values), `mirror` puts it there, `history` marks what it
held before, `standing` looks without mlflow whether it is still there, `store` opens MLflow, `ui`
shows it.
"""
