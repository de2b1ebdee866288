"""Two reports of one corpus, made with other seeds or other numerics: do their figures agree?

`python benchmarks/two_reports.py REPORT OTHER` takes two report folders. It says how many loop
rates of one lie inside the other's 95 % intervals, both ways, by model, and whether the setting
recommended for each model is of the same family. Exit code 1 below the target.
"""

import sys
from pathlib import Path

import pandas as pd

TARGET = 0.93


def rates(folder: Path) -> pd.DataFrame:
    """Rate and interval by model and strategy; without people's own text, which is the same in
    both.
    """
    table = pd.read_csv(folder / "decoding.csv")
    table = table[table["strategy"] != "human"].set_index(["model", "strategy"])
    return table[["loop_rate", "loop_lo", "loop_hi", "family"]]


def inside(one: pd.DataFrame, other: pd.DataFrame) -> "pd.Series[bool]":
    """Of each rate that both have, whether it lies in the other's interval."""
    both = one.join(other, how="inner", suffixes=("", "_other"))
    return both["loop_rate"].between(both["loop_lo_other"] - 1e-9, both["loop_hi_other"] + 1e-9)


def families(folder: Path, table: pd.DataFrame) -> dict[str, str]:
    """The family of each model's recommended setting; "none" where there is none."""
    models = pd.read_csv(folder / "models.csv").set_index("model")["recommended"]
    return {
        str(model): "none" if pd.isna(setting) else str(table["family"][model, setting])
        for model, setting in models.items()
        if model in table.index.get_level_values("model")
    }


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/two_reports.py REPORT OTHER")
    folders = [Path(name) for name in sys.argv[1:]]
    tables = [rates(folder) for folder in folders]
    held = pd.concat([inside(tables[0], tables[1]), inside(tables[1], tables[0])])
    by_model = held.groupby(level="model", sort=False).agg(["sum", "size"])
    for model, row in by_model.iterrows():
        print(f"{model:<20} {row['sum']:4d} of {row['size']:4d} rates inside the other's interval")
    one, other = (families(*pair) for pair in zip(folders, tables, strict=True))
    same = [one[model] == other[model] for model in one if model in other]
    print(f"same recommended family: {sum(same)} of {len(same)} models")
    share = float(held.mean())
    print(f"inside: {100 * share:.1f} % of {len(held)} (target {100 * TARGET:.0f} %)")
    return 0 if share >= TARGET and all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
