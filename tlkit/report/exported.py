"""A file for another place."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report.base import Path, Report


@dataclass(frozen=True)
class Exported(Report):
    """A file for another place, and how it answered beside its model; null where it was not asked."""

    path: Path
    format: str  # tflite, savedmodel or keras
    quantize: str
    bytes: int
    sha256: str
    images: int  # photos it was asked
    reference_top1: float | None  # of the Keras model on the same photos
    top1: float | None
    agreement: float | None  # share of photos with the same first answer
    max_difference: float | None  # of any probability
    refused: bool = False
    differing: Sequence[Mapping[str, Any]] = ()  # path, model, file, gap: photos with another first answer
    notes: Sequence[str] = ()

    def text(self) -> str:
        kind = self.format if self.quantize == "none" else f"{self.format} {self.quantize}"
        lines = [
            f"{os.fspath(self.path)}  {kind}, {printed.size(self.bytes)}",
            *([f"  {self._checked()}"] if self.images else []),
        ]
        if self.refused:
            lines.insert(0, "Refused: the file answers worse than its model, and was not kept.")
        lines += printed.listed(
            self.differing,
            lambda row: (
                f"  differs: {row['path']}: {row['file']}, not {row['model']} "
                f"(the model's lead was {row['gap']:.4f})"
            ),
        )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _checked(self) -> str:
        same = round((self.agreement or 0) * self.images)
        return (
            f"top-1 {printed.percent(self.top1)} (model {printed.percent(self.reference_top1)}), "
            f"same answer for {same:,} of {printed.photos(self.images)}, "
            f"probabilities at most {self.max_difference:.4f} apart"
        )

    @property
    def exit_code(self) -> int:
        return 3 if self.refused else 0
