"""Export a run, or anybody's `.keras` file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tlkit import data, formats
from tlkit.data import Photo
from tlkit.errors import UsageError
from tlkit.progress import SILENT, Silent
from tlkit.report import Exported
from tlkit.run import folder, gate, origin, seen

CHECK_SHARE = 0.2  # of a bare model's --images, for the check; the rest may calibrate


def export(
    model: str | Path,
    *,
    format: str = "tflite",
    quantize: str | None = None,
    images: Path | None = None,
    output: Path | None = None,
    progress: Silent = SILENT,
) -> Exported:
    """Export a run or a `.keras` file, check the result on photos, and refuse it if it fell behind."""
    quantize = scheme(format, quantize)
    known = folder.find(model)
    if known.model.suffix != ".keras":
        raise UsageError(
            f"{known.model} cannot be exported again.", "Export from its run folder or .keras file."
        )
    opened = formats.open(known.model)
    labels = known.labels(opened)
    root, check, calibration = _photos(known, labels, images, progress)
    if quantize == "int8" and not calibration:
        raise UsageError(
            "int8 needs photos to calibrate on, and a bare model brings none.",
            "Name a folder of them with --images.",
        )
    name, licence = known.model.stem, ""
    if known.run:
        name = folder.read_json(known.run / "run.json")["backbone"]
        licence = origin.licence(known.run)
    target = _target(known, name, format, quantize, output)
    size, fit = opened.image_size, opened.fit
    job = gate.Job(known.model, target, labels, format, quantize, size, fit, root, calibration, name, licence)
    with formats.Converter() as converter:
        draft, eyes = gate.Draft(converter, job), seen.Eyes(opened.predict, progress)
        judges = None
        if check:
            said = gate.ask(eyes, size, fit, root, check, progress, "asking the model")
            judges = gate.Judges(root, check, said)
        row = draft.settle(judges, progress)
    return replace(row, notes=(*row.notes, *(eyes.notes or ())))


def scheme(format: str, quantize: str | None) -> str:
    """The quantisation that a format gets: float16 for TFLite if none is named, none for the others."""
    if format == "tflite":
        return quantize or "float16"
    if quantize not in (None, "none"):
        raise UsageError(
            f"A {format} file is not quantised: {quantize} is for tflite.", "Leave --quantize away."
        )
    return "none"


def _photos(known, labels, images, progress) -> tuple[Path, tuple[Photo, ...], tuple[Photo, ...]]:
    """Where the photos lie, those to check on and those to calibrate on; never the same ones."""
    if images is not None:
        found = data.scan(images, subfolders=folder.subfolders(known, images), progress=progress)
        for note in found.notes:
            progress.note(note)
        relabelled = match(found, labels)
        train, check = data.split(relabelled, CHECK_SHARE, seed=0)
        return found.root, check, train
    if known.run is None:
        return known.model.parent, (), ()
    root, check = folder.photos(known.run, "val", tuple(labels))
    return root, check, folder.photos(known.run, "train", tuple(labels))[1]


def match(found: data.Folder, labels: Sequence[str]) -> tuple[Photo, ...]:
    """A folder's photos with the model's own class numbers, matched by name."""
    unknown = [name for name in found.classes if name not in labels]
    if unknown:
        raise UsageError(
            f"{found.called()} has classes that the model does not know: {', '.join(unknown[:10])}.",
            f"The model knows {', '.join(labels[:20])}.",
        )
    places = [list(labels).index(name) for name in found.classes]
    return tuple(photo._replace(label=places[photo.label]) for photo in found.photos)


def _target(known, name: str, format: str, quantize: str, output: Path | None) -> Path:
    if output is None and known.run is not None:
        return default_target(known.run, name, format, quantize)  # tlkit's own: an older export makes room
    target = output or known.model.parent / _file_name(name, format, quantize)
    if target.exists():
        raise UsageError(
            f"{target} is already there, and nothing is written over.", "Name another file with --output."
        )
    return target


def default_target(run: Path, backbone: str, format: str, quantize: str) -> Path:
    return run / "export" / _file_name(backbone, format, quantize)


def _file_name(name: str, format: str, quantize: str) -> str:
    endings = {
        "tflite": f"{name}-{quantize}.tflite",
        "savedmodel": f"{name}-savedmodel",
        "keras": f"{name}.keras",
    }
    return endings[format]
