"""A model measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.reporting import Interval, Report

MATRIX = 12  # classes up to which a confusion matrix is drawn


@dataclass(frozen=True)
class Evaluated(Report):
    """How a model answers for photos whose class is known."""

    images: int
    top1: float
    top1_interval: Interval
    top5: float | None  # null up to five classes
    per_class: Sequence[Any]  # rows of label, count, precision, recall, f1
    confusion: Sequence[Sequence[int]]  # [true][predicted], in the order of labels
    labels: Sequence[str]
    split: str | None  # the part of the photos that was used; null: all of them
    majority_top1: float
    notes: Sequence[str] = ()

    def text(self) -> str:
        facts = [
            ("photos", f"{self.images:,}" + (f", the split {self.split}" if self.split else "")),
            ("top-1", printed.top1(self.top1, self.images, self.top1_interval)),
            ("top-5", printed.percent(self.top5)),
            ("guessing", f"{printed.percent(self.majority_top1)} by always naming the largest class"),
        ]
        lines = printed.columns(
            [fact for fact in facts if fact[0] != "top-5" or self.top5 is not None], indent=""
        )
        rows = [printed.plain(row) for row in self.per_class]
        shares = ("precision", "recall", "f1")
        table = [("class", "photos", *shares)]
        table += [
            (r["label"], f"{r['count']:,}", *(printed.percent(r[share]) for share in shares)) for r in rows
        ]
        lines += ["", *printed.table(table), "", *self._confused()]
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
