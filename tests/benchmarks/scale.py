"""How scanning, splitting and shuffling grow with the number of photos: seconds, files a second, memory.

    python tests/benchmarks/scale.py [COUNT ...]

Counts are 10000 and 100000 if none is given; 1000000 needs 5 GB of disk.

For each count it makes a folder of as many distinct PNGs of 8×8 pixels in a hundred classes, and runs
in processes of their own: a first scan, which reads every file; a second one, which remembers them;
and a scan of the same photos, remembered too, named by a CSV table. Each ends with a split and the order
of an epoch.
Peak memory is the process's, Python and its libraries included.
"""

import csv
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 100
SIDE = 8
WORK = """
import resource, sys, time
started = time.perf_counter()
import numpy as np
from tlkit import data
loaded = time.perf_counter()
folder = data.scan(sys.argv[1])
scanned = time.perf_counter()
train, val = data.split(folder.photos, 0.2, 0)
order = np.random.default_rng([0, 1]).permutation(len(train))
done = time.perf_counter()
assert len(train) + len(val) == len(folder.photos) == int(sys.argv[2]), folder.skipped[:3]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{loaded - started:.1f} {scanned - loaded:.1f} {done - scanned:.1f} {peak:.0f}")
"""


def fill(root: Path, count: int) -> Path:
    """Distinct pictures, and a table of them."""
    table = root / "photos" / "photos.csv"
    random = np.random.default_rng(0)
    for number in range(CLASSES):
        (root / "photos" / f"class{number:03}").mkdir(parents=True)
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label"))
        for number in range(count):
            label = f"class{number % CLASSES:03}"
            path = f"{label}/{number:07}.png"
            content = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(content, "PNG")
            (root / "photos" / path).write_bytes(content.getvalue())
            rows.writerow((path, label))
    return table


def measure(source: Path, count: int, cache: Path, title: str) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", WORK, str(source), str(count)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    _, scan, split, peak = map(float, done.stdout.split())
    rate = f"{count / scan:,.0f} files/s"
    print(
        f"{count:>9,}  {title:<24}  scan {scan:>7.1f} s  {rate:>16}  split and shuffle {split:>5.1f} s  "
        f"peak {peak:>5.0f} MiB",
        flush=True,
    )


def main() -> None:
    for count in [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000]:
        with tempfile.TemporaryDirectory(prefix="tlkit-scale-") as scratch:
            root = Path(scratch)
            table = fill(root, count)
            time.sleep(1)  # a file written this moment is not remembered
            measure(root / "photos", count, root / "cache", "first scan of a folder")
            measure(root / "photos", count, root / "cache", "second scan")
            measure(table, count, root / "cache", "scan of a table")


if __name__ == "__main__":
    main()
