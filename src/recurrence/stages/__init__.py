"""The stages of dvc.yaml, one file each: read, call, write. `__main__` is how dvc starts them."""
