"""Photos taken in one go: neighbours by time or by number that also look alike.

Candidates lie in one folder and are taken at most 2 s apart, or their names have one prefix and numbers
at most three steps apart (`IMG_1234`, `IMG_1235`; `frame_0010`, `frame_0020`). They are a burst if their
hashes differ in at most 16 of the 64 lowest frequencies and 92 of all 256.

Measured on 396 ants and bees, and on frames imitated from them by moving, zooming, brightening and noise:
a frame moved by 1 to 3 % is found in 100 %, by 5 % in 6 %; of their 78,210 pairs of different photos none
would pass, of different patches of one texture none. Of MNIST's ones 18 % would: so where photos far apart
in a class pass more than a tenth as often as neighbours, the rule is tightened, at last to near duplicates.
That keeps a slow film from one fixed place together, which would be cut as a cluster grown too large.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

LEVELS = ((16, 92), (12, 64), (9, 48), (7, 36))  # bits of word 0, bits in all; the last needs no proof
APART = 2000  # milliseconds
NEXT = 3  # neighbours to compare with: a blurred frame does not break a burst
LONGEST_STEP = 100  # between the numbers of frames that were kept; above it numbers are no count
ENOUGH = 100  # photos, to say what is usual in a class
NUMBER = re.compile(r"(\d+)(?=\D*$)", re.ASCII)


def neighbours(
    paths: Sequence[str], labels: np.ndarray, taken: np.ndarray, hashes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of photos that belong to one burst, as two arrays of indices."""
    pools = _pools(labels)
    count = pools.max(initial=0) + 1
    total = np.zeros(count)
    found = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.uint8))]
    for first, second in _candidates(paths, taken):
        total += np.bincount(pools[first], minlength=count)
        alike = _levels(hashes, first, second)
        found.append((first[alike > 0], second[alike > 0], alike[alike > 0]))
    first, second, alike = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not len(first):
        return first, second
    of = pools[first]
    usual, known = _usual(labels, pools, hashes)
    keep, settled = np.zeros(len(first), bool), np.zeros(count, bool)
    for level in range(len(LEVELS)):
        passed = np.bincount(of, alike > level, count) / np.maximum(total, 1)
        last = level == len(LEVELS) - 1
        holds = ~settled & ((passed >= 10 * usual[level]) | ~known | last)
        keep |= holds[of] & (alike > level)
        settled |= holds
    return first[keep], second[keep]


def _candidates(paths: Sequence[str], taken: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    series, numbers, folders = _named(paths)
    yield from _counted(series, numbers)
    yield from _timed(folders, taken)


def _named(paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each photo's series (folder and name without its last number), that number or -1, and its folder."""
    keys: dict[str, int] = {}
    series, numbers, folders = (np.full(len(paths), -1, np.int64) for _ in range(3))
    for index, path in enumerate(paths):
        folder, _, name = path.rpartition("/")
        folders[index] = keys.setdefault(folder, len(keys))
        stem = name[: name.rfind(".")] if name.rfind(".") > 0 else name
        match = NUMBER.search(stem)
        if match and len(match[1]) <= 15:
            series[index] = hash((folder, stem[: match.start()], stem[match.end() :]))
            numbers[index] = int(match[1])
    return series, numbers, folders


def _counted(series: np.ndarray, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = np.lexsort((numbers, series))
    order = order[numbers[order] >= 0]
    series, numbers = series[order], numbers[order]
    step = _steps(series, numbers)
    for lag in range(1, NEXT + 1):
        near = (series[lag:] == series[:-lag]) & (numbers[lag:] - numbers[:-lag] <= NEXT * step[:-lag])
        yield order[:-lag][near], order[lag:][near]


def _steps(series: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The usual distance between the numbers of each one's series; 1 where it is no count."""
    if not len(series):
        return numbers
    starts = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
    lengths = np.diff(np.r_[starts, len(series)])
    gaps = np.diff(numbers, append=numbers[-1:])
    gaps[starts + lengths - 1] = np.iinfo(np.int64).max  # after the last of a series
    which = np.repeat(np.arange(len(starts)), lengths)
    middle = gaps[np.lexsort((gaps, which))][starts + np.maximum(lengths - 2, 0) // 2]
    return np.where((middle >= 1) & (middle <= LONGEST_STEP), middle, 1)[which]


def _timed(folders: np.ndarray, taken: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = np.lexsort((taken, folders))
    order = order[taken[order] > 0]
    folders, taken = folders[order], taken[order]
    for lag in range(1, NEXT + 1):
        near = (folders[lag:] == folders[:-lag]) & (taken[lag:] - taken[:-lag] <= APART)
        yield order[:-lag][near], order[lag:][near]


def _pools(labels: np.ndarray) -> np.ndarray:
    """Each photo's class, small classes together: of whom is said what is usual."""
    names, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where(counts[which] >= ENOUGH, which + 1, 0)


def _levels(hashes: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How many of `LEVELS` each pair passes."""
    result = np.zeros(len(first), np.uint8)
    for start in range(0, len(first), 2**18):
        part = slice(start, start + 2**18)
        bits = np.bitwise_count(hashes[first[part]] ^ hashes[second[part]])
        whole = bits.sum(axis=1, dtype=np.uint16)
        for low, most in LEVELS:
            result[part] += (bits[:, 0] <= low) & (whole <= most)
    return result


def _usual(labels: np.ndarray, pools: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often photos far apart in a class pass, (levels, pools); whether there were enough, (pools,)."""
    order = np.argsort(labels, kind="stable")
    _, start, size = np.unique(labels[order], return_index=True, return_counts=True)
    start, size = np.repeat(start, size), np.repeat(size, size)
    rank = np.arange(len(order)) - start
    total = np.zeros(pools.max() + 1)
    passed = np.zeros((len(LEVELS), len(total)))
    for part in (2, 3, 5, 7):
        far = size // part > NEXT
        first = order[far]
        second = order[(start + (rank + size // part) % size)[far]]
        alike, of = _levels(hashes, first, second), pools[first]
        total += np.bincount(of, minlength=len(total))
        for level in range(len(LEVELS)):
            passed[level] += np.bincount(of, alike > level, len(total))
    return passed / np.maximum(total, 1), total >= ENOUGH
