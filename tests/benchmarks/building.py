"""Seconds to build a network with random weights, tlkit against keras.applications, in alternating runs.

    python tests/benchmarks/building.py [--all] [--rounds N] [NAME …]

NAME is a comparison of tests/backbones/cases (`TWINS`): the same network by both. Without one, of each
family the network with the fewest parameters; --all: every comparison. All in one process: each builds once
unmeasured, then N times (7 if not given) in turn, the first of a round last in the next, each time from a
cleared Keras session. Prints a row a network: the median seconds of both, and the ratio of the medians with
the range of the rounds' own ratios. Ends with 1 if any takes more than twice keras.applications' time.

Without arguments, on two cores of an AMD EPYC that other work shared (load 4 to 5; 5 minutes in all),
2026-11-21, tlkit 0.1.0, Keras 3.15.1, TensorFlow 2.21.0:

    network                     tlkit, s  keras, s   ratio (range)
    mobilenet_v1_025               0.629     0.607   1.04 (0.97–1.53)
    mobilenet_v2_035               0.482     0.443   1.09 (0.39–1.12)
    mobilenet_v3_small_075         0.493     0.396   1.25 (0.89–1.37)
    efficientnet_b0                0.985     0.765   1.29 (0.90–1.51)
    efficientnet_v2_b0             0.776     0.769   1.01 (0.96–1.03)
    densenet121                    2.742     2.550   1.08 (0.95–1.45)
    xception                       1.029     0.924   1.11 (0.86–1.43)
    inception_v3                   1.561     1.485   1.05 (0.73–1.49)
    resnet50                       1.218     0.699   1.74 (1.27–2.15)
    resnet50_v2                    2.073     1.176   1.76 (1.24–2.25)
    convnext_tiny                  1.407     1.057   1.33 (1.10–1.62)
    vgg16                          1.621     0.877   1.85 (1.19–2.07)

Most of what is above 1 is the drawing of first numbers: normal ones, cut off at two deviations, take five
times as long as uniform ones, which keras.applications draws (22 and 4 ns of a processor each).
"""

import argparse
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backbones"))

import cases  # noqa: E402
import keras  # noqa: E402

from tlkit import backbones  # noqa: E402

ROUNDS = 7
MOST = 2.0  # times keras.applications' seconds


class Measured(NamedTuple):
    ours: list[float]  # seconds, a round each
    theirs: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]


def smallest() -> list[str]:
    """Of each family the comparison of its network with the fewest parameters."""
    found: dict[str, str] = {}
    for name, twin in sorted(cases.twins().items(), key=lambda pair: weight(pair[1])):
        found.setdefault(backbones.family(twin.backbone), name)
    return list(found.values())


def weight(twin: cases.Twin) -> int:
    return backbones.variant(twin.backbone).parameters


def builders(twin: cases.Twin) -> tuple[Callable[[], keras.Model], Callable[[], keras.Model]]:
    """Ours and theirs, of the same input shape, each without arguments."""
    side = backbones.variant(twin.backbone).image_size
    shape = {"weights": None, "input_shape": (side, side, 3)}
    theirs = getattr(keras.applications, twin.builder)
    return (
        lambda: backbones.build(twin.backbone, **shape, **twin.options),
        lambda: theirs(**shape, **twin.settings),
    )


def seconds(build: Callable[[], keras.Model], clock: Callable[[], float]) -> float:
    keras.utils.clear_session(free_memory=False)
    gc.collect()  # the model before: it is in cycles, and would be freed within the time of this one
    started = clock()
    build()
    return clock() - started


def measure(
    twin: cases.Twin, rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> Measured:
    ours, theirs = builders(twin)
    seconds(ours, clock), seconds(theirs, clock)  # the first of all loads modules
    found = Measured([], [])
    for number in range(rounds):
        pair = [(ours, found.ours), (theirs, found.theirs)]
        for build, kept in pair if number % 2 else reversed(pair):
            kept.append(seconds(build, clock))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    twins = cases.twins()
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(twins)}")
    parser.add_argument("--all", action="store_true", help="every comparison, not one a family")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    if unknown := set(given.names) - twins.keys():
        parser.error(f"no comparison is called {', '.join(sorted(unknown))}")
    slow = []
    print(f"{'network':<26} {'tlkit, s':>9} {'keras, s':>9}   ratio (range)")
    for name in given.names or (twins if given.all else smallest()):
        found = measure(twins[name], given.rounds)
        spread = f"{found.ratio:.2f} ({min(found.ratios):.2f}–{max(found.ratios):.2f})"
        medians = [statistics.median(found.ours), statistics.median(found.theirs)]
        print(f"{name:<26} {medians[0]:9.3f} {medians[1]:9.3f}   {spread}", flush=True)
        slow += [name] * (found.ratio > MOST)
    if slow:
        print(f"More than {MOST:g} times keras.applications' time: {', '.join(slow)}")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
