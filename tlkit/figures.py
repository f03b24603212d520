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
    """Figures of one class; NaN where nothing was counted."""

    label: str
    count: int  # photos that are of this class
    precision: float  # share of right ones among the answers with this class
    recall: float  # share of its photos that were found
    f1: float


def per_class(table: Table) -> tuple[PerClass, ...]:
    """A row for each class, in the order of `labels`."""
    matrix = np.array(confusion(table), "int64").reshape(len(table.labels), len(table.labels))
    hits, counts, answers = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    return tuple(
        PerClass(
            label, int(count), _share(hit, answered), _share(hit, count), _share(2 * hit, count + answered)
        )
        for label, hit, count, answered in zip(table.labels, hits, counts, answers, strict=True)
    )


def confusion(table: Table) -> tuple[tuple[int, ...], ...]:
    """Photos by [true][predicted], both in the order of `labels`."""
    matrix: np.ndarray = np.zeros((len(table.labels), len(table.labels)), "int64")
    np.add.at(matrix, (table.true, table.predicted), 1)
    return tuple(tuple(row) for row in matrix.tolist())


def _counts(table: Table) -> np.ndarray:
    return np.bincount(table.true, minlength=len(table.labels))


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
