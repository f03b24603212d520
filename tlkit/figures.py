"""One table of path, true class, predicted class and probabilities, and every figure computed from it.

Nothing else is a source of a figure: top-1, intervals, the confusion matrix and the rows per class
cannot contradict each other.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.errors import DataError

CONFIDENCE = 0.95  # of intervals; of being better than guessing, one-sided


@dataclass(frozen=True, eq=False)
class Table:
    """What a model answered for photos whose class is known.

    Row i of `probabilities` (photos, classes), float32, belongs to `paths[i]` and `true[i]`; its
    columns, and the numbers in `true`, are in the order of `labels`.
    """

    labels: tuple[str, ...]
    paths: tuple[str, ...]
    true: np.ndarray  # (photos,), int64
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.paths), len(self.labels))
        if self.true.shape != shape[:1] or self.probabilities.shape != shape:
            raise ValueError(
                f"{shape} expected; true {self.true.shape}, probabilities {self.probabilities.shape}"
            )

    @classmethod
    def of(
        cls, paths: Sequence[str], labels: Sequence[str], true: Sequence[int], probabilities: Any
    ) -> "Table":
        """A table of plain values, in the types that figures expect."""
        rows = np.asarray(probabilities, "float32").reshape(len(paths), len(labels))
        return cls(tuple(labels), tuple(paths), np.asarray(true, "int64"), rows)

    @property
    def predicted(self) -> np.ndarray:
        """(photos,), int64: the likeliest class, the first of equal ones."""
        return self.probabilities.argmax(axis=1)

    @property
    def right(self) -> int:
        """Photos whose likeliest class is the true one."""
        return int((self.predicted == self.true).sum())

    def csv(self) -> str:
        """path, true, predicted, then a probability a class, with as many digits as float32 has.

        >>> print(Table.of(["a.jpg"], ["cat", "dog"], [1], [[0.25, 0.75]]).csv(), end="")
        "path","true","predicted","p:cat","p:dog"
        "a.jpg","dog","dog",0.25,0.75
        """
        text = io.StringIO()
        # All texts in quotes: csv leaves a name with a carriage return bare, and cannot read it back.
        rows = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        rows.writerow(("path", "true", "predicted", *(f"p:{label}" for label in self.labels)))
        columns = (self.paths, self.true, self.predicted, self.probabilities)
        for path, true, predicted, row in zip(*columns, strict=True):
            rows.writerow((path, self.labels[true], self.labels[predicted], *row))
        return text.getvalue()

    @classmethod
    def read(cls, text: str) -> "Table":
        """The table whose `csv` this is. Raises `DataError` if it is none, or contradicts itself."""
        try:
            header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
            if header[:3] != ["path", "true", "predicted"]:
                raise ValueError("its columns are not path, true, predicted, …")
            labels = [name.removeprefix("p:") for name in header[3:]]
            numbers = {label: number for number, label in enumerate(labels)}
            probabilities = np.array([row[3:] for row in rows], "float64")
            found = cls.of([row[0] for row in rows], labels, [numbers[row[1]] for row in rows], probabilities)
            if [labels[number] for number in found.predicted] != [row[2] for row in rows]:
                raise ValueError("a predicted class is not the likeliest one")
        except (csv.Error, KeyError, IndexError, ValueError) as error:
            raise DataError(f"This is no table of predictions, or a damaged one: {error}.") from error
        return found


def top1(table: Table) -> float:
    """Share of photos whose likeliest class is the true one; NaN without photos."""
    return table.right / len(table.paths) if table.paths else float("nan")


def top5(table: Table) -> float | None:
    """Share of photos whose true class is among the five likeliest; None up to five classes."""
    if len(table.labels) <= 5:
        return None
    if not table.paths:
        return float("nan")
    order = np.argsort(
        -table.probabilities, axis=1, kind="stable"
    )  # equal ones in the order of labels, as argmax
    return float((order[:, :5] == table.true[:, None]).any(axis=1).mean())


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; NaN of nothing.

    >>> [round(bound, 4) for bound in wilson(9, 10)]
    [0.5958, 0.9821]
    """
    from scipy.stats import binomtest

    if not n:
        return float("nan"), float("nan")
    low, high = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(low), float(high)


def top1_interval(table: Table) -> tuple[float, float]:
    """Wilson's 95 % interval of `top1`."""
    return wilson(table.right, len(table.paths))


def majority_top1(table: Table) -> float:
    """The top-1 of always answering with the class that most of these photos have."""
    return float(_counts(table).max() / len(table.paths)) if table.paths else float("nan")


def learned(table: Table) -> bool:
    """Whether top-1 is above `majority_top1` beyond chance: exact binomial test, one-sided, 5 %."""
    from scipy.stats import binomtest

    if not table.paths:
        return False
    test = binomtest(table.right, len(table.paths), majority_top1(table), alternative="greater")
    return bool(test.pvalue < 1 - CONFIDENCE)


@dataclass(frozen=True)
class PerClass:
    """Figures of one class, each with its 95 % interval; NaN where nothing was counted."""

    label: str
    count: int  # photos that are of this class
    precision: float  # share of right ones among the answers with this class
    recall: float  # share of its photos that were found
    f1: float
    precision_interval: tuple[float, float]  # Wilson's, as that of recall
    recall_interval: tuple[float, float]
    f1_interval: tuple[float, float]


def per_class(table: Table) -> tuple[PerClass, ...]:
    """A row for each class, in the order of `labels`."""
    matrix = np.array(confusion(table), "int64").reshape(len(table.labels), len(table.labels))
    sums = (matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0))
    rows = zip(table.labels, *(map(int, numbers) for numbers in sums), strict=True)
    return tuple(_figures(label, hits, count, answers) for label, hits, count, answers in rows)


def _figures(label: str, hits: int, count: int, answers: int) -> PerClass:
    return PerClass(
        label,
        count,
        precision=_share(hits, answers),
        recall=_share(hits, count),
        f1=_share(2 * hits, count + answers),
        precision_interval=wilson(hits, answers),
        recall_interval=wilson(hits, count),
        f1_interval=f1_interval(hits, count + answers - hits),
    )


def f1_interval(hits: int, either: int) -> tuple[float, float]:
    """The 95 % interval of F1, of so many photos that are of the class, or were taken for it, or both.

    F1 = 2J/(1 + J) of the share J of `hits` in `either`, and so are the bounds of Wilson's interval of J:
    "Wilson indirect" in Lam, Gopal and Qian, arXiv:2309.14621.
    """
    low, high = wilson(hits, either)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def balanced_accuracy(table: Table) -> float:
    """The mean recall of the classes that have photos, each as much as any other; NaN without photos."""
    hits, counts = _seen(table)
    return float((hits / counts).mean()) if len(counts) else float("nan")


def balanced_accuracy_interval(table: Table) -> tuple[float, float]:
    """The 95 % interval of `balanced_accuracy`; see `mean_share_interval`."""
    return mean_share_interval(*_seen(table))


def mean_share_interval(hits: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of independent shares hits/counts, all counts above 0; NaN of none.

    Price and Bonett, Computational Statistics & Data Analysis 45 (2004) 449–456: normal, after 2 hits and
    2 misses were added, dealt out to the shares alike. Theirs is too narrow for many shares of few photos
    each (0.85 instead of 0.95 for 100 of two), so each variance is divided by one photo less, and that of
    a single photo is taken to be the largest there is.
    """
    if not len(counts):
        return float("nan"), float("nan")
    added = 4 / len(counts)
    shares = (hits + added / 2) / (counts + added)
    variances = np.where(counts > 1, shares * (1 - shares) / (counts + added - 1), 0.25)
    middle, half = shares.mean(), limit() * np.sqrt(variances.sum()) / len(counts)
    return float(max(middle - half, 0)), float(min(middle + half, 1))


def limit() -> float:
    """Standard errors on each side of a normal 95 % interval: 1.96."""
    from scipy.stats import norm

    return float(norm.ppf((1 + CONFIDENCE) / 2))


def _seen(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and photos of each class that has photos."""
    counts = _counts(table)
    hits = np.bincount(table.true[table.predicted == table.true], minlength=len(table.labels))
    return hits[counts > 0], counts[counts > 0]


def confusion(table: Table) -> tuple[tuple[int, ...], ...]:
    """Photos by [true][predicted], both in the order of `labels`."""
    matrix: np.ndarray = np.zeros((len(table.labels), len(table.labels)), "int64")
    np.add.at(matrix, (table.true, table.predicted), 1)
    return tuple(tuple(row) for row in matrix.tolist())


def _counts(table: Table) -> np.ndarray:
    return np.bincount(table.true, minlength=len(table.labels))


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
