"""How often files that people or programs wrote are taken for loops, by kind; and what other
systems' rules say of them.

    python benchmarks/false_alarms.py [--most 1000] [--kinds prose,code] [--steer] [--show]
    [--alone] FOLDER...

Files held out, unless `--steer` (the half that limits may be set on). An alarm is a verdict exact,
near or progression at default settings. `--show` names each alarm, `--alone` leaves the other rules
out. Not every alarm is a mistake: a file of one line forty times over is a loop, whoever wrote it.
"""

import argparse
import time

from human_files import ENDINGS, PEERS, texts
from recurrence.loops import LOOPS, TextDetector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--kinds", default=",".join(ENDINGS))
    parser.add_argument("--steer", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    peers = {} if asked.alone else PEERS
    names = [*LOOPS, "alarms", *peers]
    print(f"{'kind':10} {'files':>6} " + " ".join(f"{name:>11}" for name in names), " MB/s")
    for kind in asked.kinds.split(","):
        found = list(texts(asked.folders, kind, asked.most, not asked.steer))
        started = time.process_time()
        verdicts = TextDetector().judge_all([text for _, text in found])
        took = time.process_time() - started
        counts = {name: sum(v.kind == name for v in verdicts) for name in LOOPS}
        counts["alarms"] = sum(counts.values())
        for name, rule in peers.items():
            counts[name] = sum(rule(text) for _, text in found)
        shares = [
            f"{counts[name]:4} {100 * counts[name] / max(len(found), 1):5.2f}%" for name in names
        ]
        speed = sum(len(text) for _, text in found) / 1e6 / max(took, 1e-9)
        print(f"{kind:10} {len(found):6} " + " ".join(shares), f"{speed:5.1f}", flush=True)
        if asked.show:
            for (path, _), verdict in zip(found, verdicts, strict=True):
                if verdict.kind in LOOPS:
                    unit = "".join(map(chr, verdict.unit[:70]))
                    print(
                        f"    {verdict.kind} {path} {verdict.start} of {verdict.length}: period "
                        f"{verdict.period} x {verdict.copies:.1f}, matched {verdict.matched}, "
                        f"identity {verdict.identity:.2f}, novelty {verdict.novelty}, "
                        f"{'to the end' if verdict.terminal else 'inside'}: {unit!r}"
                    )


if __name__ == "__main__":
    main()
