"""A model measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report import calibrated
from tlkit.report.base import Interval, Report
from tlkit.report.calibrated import Refused

MATRIX = 12  # classes up to which a confusion matrix is drawn


@dataclass(frozen=True)
class Evaluated(Report):
    """How a model answers for photos whose class is known."""

    images: int
    top1: float
    top1_interval: Interval
    top5: float | None  # null up to five classes
    per_class: Sequence[Any]  # rows of label, count, precision, recall, f1, each of these with its interval
    confusion: Sequence[Sequence[int]]  # [true][predicted], in the order of labels
    labels: Sequence[str]
    split: str | None  # the part of the photos that was used; null: all of them
    majority_top1: float
    balanced_accuracy: float  # the mean recall of the classes that have photos
    balanced_accuracy_interval: Interval
    notes: Sequence[str] = ()
    temperature: float = 1.0  # that probabilities were calibrated with; 1: not at all
    calibration_error: float | None = None  # expected calibration error
    calibration_error_before: float | None = None  # without the temperature
    calibration_error_by_chance: float | None = None  # what exact probabilities show on so many photos
    threshold: float | None = None  # where all classes are less likely: none of these; null: none is set
    refused: Refused | None = None  # share, interval, count of these photos, all of known classes, below it

    def text(self) -> str:
        facts = [
            ("photos", f"{self.images:,}" + (f", the split {self.split}" if self.split else "")),
            ("top-1", printed.top1(self.top1, self.images, self.top1_interval)),
            ("top-5", printed.percent(self.top5)),
            ("balanced", printed.balanced(self.balanced_accuracy, self.balanced_accuracy_interval)),
            ("guessing", f"{printed.percent(self.majority_top1)} by always naming the largest class"),
            *calibrated.facts(self, self.images),
        ]
        lines = printed.columns(
            [fact for fact in facts if fact[0] != "top-5" or self.top5 is not None], indent=""
        )
        rows = [printed.plain(row) for row in self.per_class]
        shares = ("precision", "recall", "f1")
        table = [("class", "photos", *shares)]
        table += [
            (row["label"], f"{row['count']:,}", *(_with_interval(row, share) for share in shares))
            for row in rows
        ]
        lines += ["", *printed.table(table), "In brackets: 95% intervals.", "", *self._confused()]
        return "\n".join([*lines, "", *self.notes]).rstrip()

    def _confused(self) -> list[str]:
        if len(self.labels) <= MATRIX:
            rows = zip(self.labels, self.confusion, strict=True)
            table = [("true \\ predicted", *self.labels), *((name, *map(str, row)) for name, row in rows)]
            return printed.table(table)
        wrong = [
            (count, true, predicted)
            for true, row in zip(self.labels, self.confusion, strict=True)
            for predicted, count in zip(self.labels, row, strict=True)
            if count and true != predicted
        ]
        wrong.sort(key=lambda row: -row[0])
        return ["most often confused:"] + printed.listed(
            wrong, lambda row: f"  {row[1]} taken for {row[2]}: {row[0]:,}"
        )


def _with_interval(row: Any, name: str) -> str:
    """87.5% (52.9–97.8%)"""
    if row[name] is None:
        return printed.percent(None)
    low, high = row[f"{name}_interval"]
    return f"{printed.percent(row[name])} ({printed.percent(low).rstrip('%')}–{printed.percent(high)})"
