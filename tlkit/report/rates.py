"""Which rate to learn at."""

from collections.abc import Sequence
from dataclasses import dataclass

from tlkit import printed, rates
from tlkit.report.base import Report

ENDED = {
    "rose": "the loss rose far above its best",
    "not finite": "the loss was no longer finite",
    "highest rate": "the highest rate was reached",
}


@dataclass(frozen=True)
class Rates(Report):
    """A range test: what the loss was while the rate climbed, and what that suggests."""

    backbone: str
    optimizer: str
    images: int  # that were learned from
    points: Sequence[rates.Point]  # rows of rate, loss, smoothed
    lowest: float  # the rate at which the smoothed loss was lowest
    suggestion: float
    otherwise: float  # the rate that a run takes where none is given
    stopped: str  # rose, not finite or highest rate
    command: str  # that uses it
    seconds: float
    notes: Sequence[str] = ()

    def text(self) -> str:
        facts = [
            ("photos", f"{self.images:,} to learn from"),
            ("steps", f"{len(self.points)}, until {ENDED[self.stopped]}"),
            ("lowest", f"at {self.lowest:.1e}"),
            ("suggested", f"{self.suggestion:g}; {self.otherwise:g} is taken if none is given"),
            ("time", printed.duration(self.seconds)),
        ]
        lines = [f"{self.backbone}, {self.optimizer}: loss by learning rate", ""]
        lines += [*rates.drawn(self.points, self.suggestion), ""]
        lines += [*printed.columns(facts), *(f"  {note}" for note in self.notes)]
        return "\n".join([*lines, self.command])
