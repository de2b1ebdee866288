"""What `recurrence loops` costs on files: reading alone, the verdicts, several processes; and
core-hours for 1 TB.

Records of JSONL of 2,000 characters, put together from a dozen words in a row here and there of a
text (`scan_speed.py FILE`; default: the project's own pages), up to `--mb`. Times are of the
processor, of all processes, so that what else the machine does matters little. Memory is the
largest of any process.
"""

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recurrence.scan.reading import read_samples

TERABYTE = 1e12
PIECE = 2000


PAGES = Path(__file__).parents[1] / "docs"


def made(text: Path | None, target: Path, size: int) -> None:
    """A file of records whose words are those of the text."""
    texts = [text] if text else sorted(PAGES.glob("*.md"))
    words = " ".join(each.read_text(encoding="utf-8") for each in texts).split()
    draw = random.Random(1)
    with target.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            piece: list[str] = []
            while sum(map(len, piece)) < PIECE:
                at = draw.randrange(len(words) - 12)
                piece += words[at : at + 12]
            file.write(json.dumps({"id": file.tell(), "text": " ".join(piece)}) + "\n")


def processor_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def command_s(file: Path, *options: str) -> float:
    """The processor's time of the command, its start included."""
    before = processor_s()
    words = [
        sys.executable,
        "-m",
        "recurrence.cli",
        "loops",
        str(file),
        "--fail-over",
        "1",
        *options,
    ]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return processor_s() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, nargs="?")
    parser.add_argument("--mb", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples.jsonl"
        made(asked.text, file, asked.mb * 1_000_000)
        size = file.stat().st_size
        start = time.process_time()
        count = sum(1 for _ in read_samples([str(file)], io.BytesIO()))
        reading = time.process_time() - start
        print(f"{count:,} records, {size / 1e6:.0f} MB")
        print(f"{'':<28} {'MB/s a core':>12} {'core-hours for 1 TB':>20}")
        for name, seconds in (
            ("reading alone", reading),
            ("all rules", command_s(file, "--jobs", "1")),
            ("all rules, two processes", command_s(file, "--jobs", "2")),
            ("--exact-only", command_s(file, "--jobs", "1", "--exact-only")),
        ):
            rate = size / seconds
            print(f"{name:<28} {rate / 1e6:12.1f} {TERABYTE / rate / 3600:20.1f}", flush=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"largest process: {peak / 1024:.0f} MB")


if __name__ == "__main__":
    main()
