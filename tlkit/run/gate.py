"""Write a model for another place, run what was written on photos, and refuse it if it got worse."""

import csv
import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tlkit import data, files, formats
from tlkit.backbones import saved
from tlkit.data import Photo
from tlkit.formats import keras_file
from tlkit.progress import Silent
from tlkit.report import Exported

CALIBRATION = 200  # photos; TensorFlow's guide asks for 100–500
WORST_DROP = 0.01  # of top-1
BATCH = 32
FEWEST_LOST = 3  # photos, net: below that one point is chance on a small set


class Judges(NamedTuple):
    """Photos to compare a file with its model on, and what the model said of them."""

    root: Path
    photos: tuple[Photo, ...]
    probabilities: np.ndarray  # (photos, classes), float32, by the Keras model


class Job(NamedTuple):
    """One file to write."""

    source: Path  # a .keras file
    target: Path
    labels: Sequence[str]
    format: str
    quantize: str
    size: int  # pixels a side
    fit: str  # the model's own
    root: Path  # of the photos
    calibration: Sequence[Photo]  # to take some from, for int8
    name: str  # of the model
    licence: str  # of the weights it began with; empty if there were none


class Draft:
    """A file that is being written in the background and has no name yet."""

    def __init__(self, converter: formats.Converter, job: Job):
        self.job = job
        self._scratch = tempfile.TemporaryDirectory(prefix="tlkit-")
        scratch = Path(self._scratch.name)
        self._path = scratch / job.target.name
        self._used = spread(job.calibration, CALIBRATION) if job.quantize == "int8" else ()
        self._pending = None
        if job.format != "keras":
            pixels = save_pixels(job.root, self._used, job.size, job.fit, scratch) if self._used else None
            self._pending = converter.submit(
                job.source,
                self._path,
                format=job.format,
                quantize=job.quantize,
                labels=job.labels,
                calibration=pixels,
                name=job.name,
                licence=job.licence,
            )

    def settle(self, judges: Judges | None, progress: Silent) -> Exported:
        """Wait for the file, run it on the judges' photos, and give it its name if it passes."""
        job = self.job
        progress.note(f"Writing {job.target.name}.")
        with self._scratch:
            if self._pending is None:
                keras_file.as_float32(saved.load(job.source)).save(self._path)
            else:
                self._pending.result()
            row = _judge(self._path, job, judges, progress)
            if not row.refused:
                with files.whole(job.target, over="saved_model.pb") as free:
                    shutil.move(self._path, free)
                _labels_beside(job.target, job.labels)
                if self._used:
                    _log_calibration(job.target, self._used, job.labels)
        return row


def _judge(draft: Path, job: Job, judges: Judges | None, progress: Silent) -> Exported:
    """The figures of a file that does not have its name yet."""
    facts: dict[str, Any] = {
        "path": job.target,
        "format": job.format,
        "quantize": job.quantize,
        "bytes": sum(part.stat().st_size for part in _parts(draft)),
        "sha256": _sha256(draft),
    }
    if judges is None:
        nothing: dict[str, Any] = dict.fromkeys(("reference_top1", "top1", "agreement", "max_difference"))
        note = "Not checked on photos: a bare model brings none. Name a folder of them with --images."
        return Exported(**facts, **nothing, images=0, notes=(note,))
    opened = formats.open(draft)
    title = f"asking {job.target.name}"
    found = ask(opened.predict, opened.image_size, opened.fit, judges.root, judges.photos, progress, title)
    return Exported(**facts, **compare(judges, found, job.labels))


def compare(judges: Judges, found: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """The figures of the gate: what the file says beside what its model said, photo by photo."""
    truth = np.array([photo.label for photo in judges.photos])
    before, after = judges.probabilities.argmax(1), found.argmax(1)
    lost = int((before == truth).sum() - (after == truth).sum())
    top = np.sort(judges.probabilities, axis=1)
    differing = tuple(
        {
            "path": judges.photos[index].path,
            "model": labels[before[index]],
            "file": labels[after[index]],
            "gap": float(top[index, -1] - top[index, -2]),
        }
        for index in np.flatnonzero(before != after)
    )
    return {
        "images": len(truth),
        "reference_top1": float((before == truth).mean()),
        "top1": float((after == truth).mean()),
        "agreement": float((before == after).mean()),
        "max_difference": float(abs(judges.probabilities - found).max()),
        "refused": lost >= FEWEST_LOST and lost / len(truth) > WORST_DROP,
        "differing": differing,
    }


def ask(
    model: Callable[[np.ndarray], np.ndarray],
    size: int,
    fit: str,
    root: Path,
    photos: Sequence[Photo],
    progress: Silent,
    title: str,
) -> np.ndarray:
    """Probabilities (photos, classes) of a model for image files, each seen as the phone sees it.

    `size` and `fit` are the model's own.
    """
    with progress.task(title, len(photos)) as task:
        rows = []
        for pixels in data.batches([root / photo.path for photo in photos], size, BATCH, fit=fit):
            rows.append(model(pixels))
            task.tick(len(pixels))
    return np.concatenate(rows)


def spread(photos: Sequence[Photo], most: int) -> tuple[Photo, ...]:
    """At most that many photos, taken in turn from each class."""
    turns: dict[int, int] = {}
    order = []
    for photo in sorted(photos, key=lambda photo: photo.sha256):  # any fixed order that is no order of names
        turns[photo.label] = turns.get(photo.label, -1) + 1
        order.append((turns[photo.label], photo.label, photo))
    distinct = {photo.sha256: photo for _, _, photo in sorted(order, key=lambda row: row[:2])}
    return tuple(distinct.values())[:most]


def save_pixels(root: Path, photos: Sequence[Photo], size: int, fit: str, scratch: Path) -> Path:
    """What the phone would see of the photos, as a .npy file that the converter reads."""
    path = scratch / "calibration.npy"
    paths = [root / photo.path for photo in photos]
    np.save(path, np.concatenate([*data.batches(paths, size, BATCH, fit=fit)]))
    return path


def _log_calibration(target: Path, photos: Sequence[Photo], labels: Sequence[str]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)  # a name may hold any character
    rows.writerow(("path", "label", "sha256"))
    rows.writerows((photo.path, labels[photo.label], photo.sha256) for photo in photos)
    files.write(target.with_suffix(".calibration.csv"), text.getvalue())


def _labels_beside(target: Path, labels: Sequence[str]) -> None:
    """labels.txt in the file's folder; under the file's own name if one of another model is there."""
    content = "".join(f"{label}\n" for label in labels)
    beside = target.with_name("labels.txt")
    if beside.exists() and beside.read_text(encoding="utf-8") != content:
        beside = target.with_suffix(".labels.txt")
    files.write(beside, content)


def _parts(path: Path) -> list[Path]:
    return sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]


def _sha256(path: Path) -> str:
    """Of a file; of a folder, over the names and hashes of its files in order."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = (f"{part.relative_to(path).as_posix()} {_sha256(part)}\n" for part in _parts(path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
