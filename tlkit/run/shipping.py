"""The files that a run writes for other places: tried before training, drafted after it."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tlkit import formats
from tlkit.recipe import Recipe
from tlkit.run import gate, origin
from tlkit.run.exporting import default_target
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch

TRIED = 8  # photos that the converter is tried with


def wanted(recipe: Recipe) -> list[tuple[str, str]]:
    """Format and quantisation of each file that is wanted."""
    kinds = {"tflite": recipe.quantize, "savedmodel": "none"}
    return [(name, kinds[name]) for name in recipe.export if name != "none"]


def attempt(
    converter: formats.Converter, lesson: Lesson | Scratch, classes: Sequence[str]
) -> Callable[[], float]:
    """Convert the untrained network while features are computed.

    What returns waits for the outcome, and tells the seconds that all files took.
    """
    asked = wanted(lesson.recipe)
    if not asked:
        return lambda: 0.0
    scratch = tempfile.TemporaryDirectory(prefix="tlkit-")
    source = Path(scratch.name) / "untrained.keras"
    lesson.model.save(source)
    pixels = None
    if lesson.recipe.quantize == "int8":
        photos = gate.spread(lesson.sides.train, TRIED)
        pixels = gate.save_pixels(lesson.root, photos, lesson.size, lesson.fit, Path(scratch.name))
    jobs = [
        converter.submit(source, None, format=name, quantize=scheme, labels=classes, calibration=pixels)
        for name, scheme in asked
    ]

    def wait() -> float:
        seconds = sum(job.result().seconds for job in jobs)
        scratch.cleanup()
        return seconds

    return wait


def drafts(
    converter: formats.Converter, lesson: Lesson | Scratch, run: Path, classes: Sequence[str]
) -> list[gate.Draft]:
    name = lesson.recipe.backbone
    return [
        gate.Draft(
            converter,
            gate.Job(
                source=run / "model.keras",
                target=default_target(run, name, kind, scheme),
                labels=classes,
                format=kind,
                quantize=scheme,
                size=lesson.size,
                fit=lesson.fit,
                root=lesson.root,
                calibration=lesson.sides.train,
                name=name,
                licence=origin.licence(run),
            ),
        )
        for kind, scheme in wanted(lesson.recipe)
    ]
