"""tlkit against the plain Keras tutorial: accuracy and wall time of whole processes, in alternating runs.

    python tests/benchmarks/against_keras.py IMAGES [RUNS]

IMAGES holds train/<class>/… and val/<class>/…. Run k of each side has seed k. tlkit's time includes
scanning, the export and its check; the tutorial's only its training. Prints a row a run, then top-1
(mean and range) of both and the ratio of wall times (median and range).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TUTORIAL = Path(__file__).with_name("keras_tutorial.py")


def timed(command: list[str], folder: str) -> tuple[float, dict]:
    """Seconds of a whole process and the JSON object it ends with."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds, json.loads(done.stdout.strip().splitlines()[-1])


def main(images: Path, runs: int) -> None:
    ours, theirs = [], []
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tlkit", "finetune", str(images), "--seed", str(seed), "--json"]
            seconds, result = timed(command, folder)
            ours.append((seconds, result["val_top1"]))
            seconds, result = timed([sys.executable, str(TUTORIAL), str(images), str(seed)], folder)
            theirs.append((seconds, result["top1"]))
        print(
            f"seed {seed}  tlkit {ours[-1][0]:6.1f} s  top-1 {ours[-1][1]:.4f}   "
            f"tutorial {theirs[-1][0]:6.1f} s  top-1 {theirs[-1][1]:.4f}",
            flush=True,
        )
    for name, rows in (("tlkit", ours), ("tutorial", theirs)):
        top1 = [row[1] for row in rows]
        seconds = statistics.median(row[0] for row in rows)
        spread = f"mean {statistics.mean(top1):.4f} ({min(top1):.4f}–{max(top1):.4f})"
        print(f"{name}: top-1 {spread}, median {seconds:.1f} s")
    ratios = [a[0] / b[0] for a, b in zip(ours, theirs, strict=True)]
    spread = f"median {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    print(f"wall time, tlkit / tutorial: {spread}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
