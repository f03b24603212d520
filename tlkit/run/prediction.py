"""Name what is on photos."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import calibration, data, formats
from tlkit.data import Unreadable
from tlkit.progress import SILENT, Silent
from tlkit.report import Answer, Predicted, Prediction
from tlkit.run import folder, seen

BATCH = 32


def predict(
    model: str | Path, pictures: Sequence[Any], *, top: int = 3, progress: Silent = SILENT
) -> Predicted:
    """The likeliest classes of each picture (see `data.pixels`); one that cannot be read gets its reason."""
    known = folder.find(model)
    opened = formats.open(known.model)
    labels = known.labels(opened)
    eyes = seen.Eyes(opened.predict, progress)
    rows: list[Prediction] = []
    with progress.task("predicting", len(pictures)) as task:
        for start in range(0, len(pictures), BATCH):
            some = pictures[start : start + BATCH]
            rows += _predict(opened, eyes, labels, some, top)
            task.tick(len(some))
    return Predicted(tuple(rows), eyes.notes or (), opened.threshold)


def _predict(
    opened: formats.Opened, eyes: seen.Eyes, labels: Sequence[str], pictures: Sequence[Any], top: int
) -> list[Prediction]:
    pixels, errors = [], {}
    for place, picture in enumerate(pictures):
        try:
            pixels.append(data.see(data.pixels(picture), opened.image_size, opened.fit))
        except Unreadable as error:
            errors[place] = error.reason
    shape = (-1, opened.image_size, opened.image_size, 3)
    probabilities = eyes(np.array(pixels, np.uint8).reshape(shape))
    answers = zip(probabilities, calibration.rejected(probabilities, opened.threshold), strict=True)
    paths = [Path(picture) if isinstance(picture, str | os.PathLike) else None for picture in pictures]
    return [
        Prediction(path, error=errors[place])
        if place in errors
        else _prediction(path, *next(answers), labels, top)
        for place, path in enumerate(paths)
    ]


def _prediction(
    path: Path | None, probabilities: np.ndarray, rejected: bool, labels: Sequence[str], top: int
) -> Prediction:
    order = np.argsort(-probabilities, kind="stable")[:top]
    likeliest = tuple(Answer(labels[place], float(probabilities[place])) for place in order)
    return Prediction(path, likeliest, rejected=bool(rejected))
