"""What is on photos."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report.base import Path, Report


@dataclass(frozen=True)
class Answer:
    """A class and how likely the model finds it."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one photo, or the reason why there are none."""

    path: Path | None  # null: a picture in memory
    top: Sequence[Answer] | None = None
    error: str | None = None
    rejected: bool = False  # the likeliest class is below the model's threshold: none of these

    def plain(self) -> dict[str, Any]:
        """`path` with `top` and `rejected`, or with `error`."""
        path = None if self.path is None else os.fspath(self.path)
        if self.error is not None:
            return {"path": path, "error": self.error}
        return {"path": path, "top": printed.plain(self.top), "rejected": self.rejected}


@dataclass(frozen=True)
class Predicted(Report):
    """The answers for some photos, in the order they were given."""

    predictions: Sequence[Prediction]
    notes: Sequence[str] = ()
    threshold: float | None = None  # below which the likeliest class is none; null: the model holds none

    def text(self) -> str:
        rows = []
        for number, row in enumerate(self.predictions, 1):
            name = f"picture {number}" if row.path is None else os.fspath(row.path)
            answers = ", ".join(f"{answer.probability:.0%} {answer.label}" for answer in row.top or ())
            answers = f"none of these ({answers})" if row.rejected else answers
            rows.append((name, answers if row.error is None else f"unreadable: {row.error}"))
        return "\n".join([*printed.columns(rows, indent=""), *self.notes])

    def jsonl(self) -> str:
        """A JSON object a line, one for each photo."""
        return "\n".join(json.dumps(printed.plain(row)) for row in self.predictions)

    @property
    def exit_code(self) -> int:
        return 1 if any(row.error is not None for row in self.predictions) else 0
