"""Measure a model on photos whose classes are known."""

from collections.abc import Sequence
from pathlib import Path

from tlkit import calibration, data, figures, formats
from tlkit.data import Photo
from tlkit.errors import UsageError
from tlkit.progress import SILENT, Silent
from tlkit.report import Evaluated
from tlkit.run import folder, gate, seen
from tlkit.run.exporting import match


def evaluate(model: str | Path, images: Path | None = None, *, progress: Silent = SILENT) -> Evaluated:
    """Ask a model about photos and compare: a run's own validation photos, or those of a folder."""
    known = folder.find(model)
    if images is None and known.run is None:
        raise UsageError(
            f"{known.model} is not from a run, so its photos are not known.", "Name a folder of photos."
        )
    opened = formats.open(known.model)
    labels = known.labels(opened)
    root, photos, split, notes = _photos(known, labels, images, progress)
    size, fit = opened.image_size, opened.fit
    eyes = seen.Eyes(opened.predict, progress)
    probabilities = gate.ask(eyes, size, fit, root, photos, progress, "evaluating")
    truth = [photo.label for photo in photos]
    table = figures.Table.of([photo.path for photo in photos], labels, truth, probabilities)
    return Evaluated(
        images=len(photos),
        top1=figures.top1(table),
        top1_interval=figures.top1_interval(table),
        top5=figures.top5(table),
        per_class=figures.per_class(table),
        confusion=figures.confusion(table),
        labels=labels,
        split=split,
        majority_top1=figures.majority_top1(table),
        balanced_accuracy=figures.balanced_accuracy(table),
        balanced_accuracy_interval=figures.balanced_accuracy_interval(table),
        notes=(*notes, *(eyes.notes or ())),
        **calibration.measured(probabilities, table.true, opened.temperature, opened.threshold),
    )


def _photos(
    known: folder.Known, labels: Sequence[str], images: Path | None, progress: Silent
) -> tuple[Path, tuple[Photo, ...], str | None, tuple[str, ...]]:
    """The photos' folder, the photos, the split that they are, and notes."""
    if images is None:
        assert known.run is not None
        root, photos = folder.photos(known.run, "val", tuple(labels))
        return root, photos, "val", (f"The run's own validation photos, in {root}.",)
    found = data.scan(images, subfolders=folder.subfolders(known, images), progress=progress)
    photos = match(found, labels)
    splits = {photo.split for photo in photos}
    split = next((name for name in ("test", "val") if name in splits), None)
    chosen = tuple(photo for photo in photos if split is None or photo.split == split)
    notes = list(found.notes)
    if found.skipped:
        named = ", ".join(f"{row.path} ({row.reason})" for row in found.skipped[:10])
        notes.append(f"{len(found.skipped):,} files left out: {named}.")
    for note in found.notes:
        progress.note(note)
    return found.root, chosen, split, tuple(notes)
