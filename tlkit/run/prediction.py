"""Name what is on photos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkit import data, formats
from tlkit.data import Unreadable
from tlkit.progress import SILENT, Silent
from tlkit.report import Answer, Predicted, Prediction
from tlkit.run import folder, seen

BATCH = 32


def predict(
    model: str | Path, paths: Sequence[Path], *, top: int = 3, progress: Silent = SILENT
) -> Predicted:
    """The likeliest classes of each photo; a file that cannot be read has a row with its error."""
    known = folder.find(model)
    opened = formats.open(known.model)
    labels = known.labels(opened)
    eyes = seen.Eyes(opened.predict, progress)
    rows: list[Prediction] = []
    with progress.task("predicting", len(paths)) as task:
        for start in range(0, len(paths), BATCH):
            some = paths[start : start + BATCH]
            rows += _predict(opened, eyes, labels, some, top)
            task.tick(len(some))
    return Predicted(tuple(rows), eyes.notes or ())


def _predict(
    opened: formats.Opened, eyes: seen.Eyes, labels: Sequence[str], paths: Sequence[Path], top: int
) -> list[Prediction]:
    pixels, errors = [], {}
    for path in paths:
        try:
            pixels.append(data.see(data.read(path), opened.image_size, opened.fit))
        except Unreadable as error:
            errors[path] = error.reason
    shape = (-1, opened.image_size, opened.image_size, 3)
    answers = iter(eyes(np.array(pixels, np.uint8).reshape(shape)))
    return [
        Prediction(path, error=errors[path])
        if path in errors
        else Prediction(path, top=_likeliest(next(answers), labels, top))
        for path in paths
    ]


def _likeliest(probabilities: np.ndarray, labels: Sequence[str], top: int) -> tuple[Answer, ...]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Answer(labels[place], float(probabilities[place])) for place in order)
