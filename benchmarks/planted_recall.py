"""How many loops are found that are planted in files that people or programs wrote, by kind; and by
other systems' rules.

    python benchmarks/planted_recall.py [--trials 40] [--kinds prose,code] [--steer] [--show]
    [--alone] FOLDER...

A unit is cut from the file itself (whole lines in all but prose), repeated, and each copy is
changed: not at all (exact), each character with a chance of 5 or 10 % (a third each: another one,
none, one more), or by a number that is counted up (progression). It stands at the end of the file,
or inside. Found is an exact, near or progression verdict that overlaps half of it. Files are held
out, unless `--steer`.
"""

import argparse
import random
import string
from dataclasses import dataclass

from human_files import PEERS, texts
from recurrence.loops import LOOPS, TextDetector, Verdict

WAYS = ("exact", "5 %", "10 %", "progression")
PLACES = (
    ("end", 800),
    ("end", 1200),
    ("end", 2500),
    ("inside", 2500),
    ("inside", 4000),
    ("inside", 6000),
)
"""Where loops stand, and about how many characters they have."""
LEADS = {
    "prose": "Step {}: ",
    "code": "    # case {}\n",
    "json": '  "id": {},\n',
    "markdown": "{}. ",
    "yaml": "id: {}\n",
}
COPIES = 6, 12
"""Copies that are planted, at least; and what they are made fewer to, as units grow."""
SMALLEST = 30


@dataclass(frozen=True)
class Planted:
    text: str
    start: int
    end: int


def plant(
    rng: random.Random, host: str, kind: str, way: str, place: str, size: int
) -> Planted | None:
    """A loop of about `size` characters in a text; None where it has no unit for it."""
    unit = cut_unit(
        rng, host, kind, rng.uniform(SMALLEST, size / rng.uniform(*COPIES)), size / COPIES[0]
    )
    if unit is None:
        return None
    copies = []
    first = rng.randrange(1, 90)
    while sum(map(len, copies)) < size:
        copy = unit
        if way == "progression":
            copy = LEADS[kind].format(first + len(copies)) + unit
        if way.endswith("%"):
            copy = edited(rng, unit, float(way[:-2]) / 100)
        copies.append(copy)
    loop = "".join(copies)
    host = host[:12_000]
    at = len(host) if place == "end" else line_start(host, rng.randrange(len(host) // 3, len(host)))
    before = host[:at] if not host[:at] or host[at - 1] == "\n" else host[:at] + "\n"
    return Planted(
        before + loop + ("" if place == "end" else host[at:]), len(before), len(before + loop)
    )


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def cut_unit(rng: random.Random, host: str, kind: str, size: float, most: float) -> str | None:
    """A stretch of the host that is no loop itself and has some words."""
    for _ in range(30):
        at = rng.randrange(len(host))
        end = min(at + round(size), len(host))
        if kind != "prose":
            at, end = line_start(host, at), host.find("\n", end) + 1
        unit = host[at:end]
        if SMALLEST <= len(unit) <= most and sum(map(str.isalpha, unit)) >= 0.4 * len(unit):
            grams = {unit[i : i + 6] for i in range(len(unit) - 5)}
            if len(grams) > 0.75 * (len(unit) - 5):
                return unit
    return None


def edited(rng: random.Random, unit: str, rate: float) -> str:
    """The unit with characters replaced, left out, and put in."""
    made = []
    for character in unit:
        way = rng.randrange(3) if rng.random() < rate else None
        other = rng.choice(string.ascii_lowercase + " ")
        made.append({None: character, 0: other, 1: "", 2: character + other}[way])
    return "".join(made)


def is_found(verdict: Verdict, planted: Planted) -> bool:
    """Whether it is said to be a loop, half of it at least."""
    if verdict.kind not in LOOPS:
        return False
    end = verdict.start + verdict.period * verdict.copies
    common = min(end, planted.end) - max(verdict.start, planted.start)
    return common >= 0.5 * (planted.end - planted.start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--kinds", default="prose,code,json,markdown,yaml")
    parser.add_argument("--steer", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    peers = {} if asked.alone else PEERS
    names = [f"{place} {size:,}" for place, size in PLACES]
    print(
        f"{'kind':9} {'way':12} {'trials':>6} " + " ".join(f"{name:>12}" for name in names), *peers
    )
    detector = TextDetector()
    for kind in asked.kinds.split(","):
        hosts = [text for _, text in texts(asked.folders, kind, 5 * asked.trials, not asked.steer)]
        clean = [v.kind not in LOOPS for v in detector.judge_all(hosts)]
        hosts = [host for host, good in zip(hosts, clean, strict=True) if good]
        for way in WAYS:
            cells, told = [], []
            for place, size in PLACES:
                rng = random.Random(f"{kind} {way} {place} {size}")
                made = [plant(rng, host, kind, way, place, size) for host in hosts]
                planted = [each for each in made if each][: asked.trials]
                verdicts = detector.judge_all([each.text for each in planted])
                found = [is_found(*each) for each in zip(verdicts, planted, strict=True)]
                cells.append(
                    f"{sum(found):5}/{len(found):<4} {sum(found) / max(len(found), 1):.2f}"[-12:]
                )
                told += [each.text for each in planted]
                if asked.show:
                    for verdict, each, good in zip(verdicts, planted, found, strict=True):
                        if not good:
                            unit = each.text[each.start : each.start + 100]
                            print(
                                "    missed:",
                                place,
                                size,
                                verdict.kind,
                                verdict.novelty,
                                repr(unit),
                            )
            said = [f"{sum(map(rule, told)) / max(len(told), 1):.2f}" for rule in peers.values()]
            print(
                f"{kind:9} {way:12} {asked.trials:6} " + " ".join(f"{cell:>12}" for cell in cells),
                *said,
                flush=True,
            )


if __name__ == "__main__":
    main()
