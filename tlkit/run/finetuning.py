"""From a folder of photos to a checked phone model."""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

import tlkit
from tlkit import (
    augmentation,
    backbones,
    classifier,
    data,
    device,
    figures,
    files,
    findings,
    formats,
    training,
)
from tlkit import recipe as recipes
from tlkit.backbones.loading import Loaded
from tlkit.device import Device
from tlkit.errors import DataError, UsageError
from tlkit.formats import keras_file
from tlkit.progress import SILENT, Silent
from tlkit.recipe import Recipe
from tlkit.report import Finetuned
from tlkit.run import crossing, doubts, folder, gate, origin, seen
from tlkit.run import sides as siding
from tlkit.run.exporting import default_target
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch
from tlkit.weights import catalogue

NAMED = 10  # unreadable files in a message
TRIED = 8  # photos that the converter is tried with

VERSIONS = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn", "ai-edge-litert")


class Setting(NamedTuple):
    """A run's inputs, settled before anything is computed."""

    recipe: Recipe
    found: data.Folder
    parted: siding.Parted
    device: Device
    loaded: Loaded | None  # what it begins with; None: random weights
    notes: tuple[str, ...]


def finetune(
    images: Any, recipe: Recipe, *, output: Path | None = None, progress: Silent = SILENT
) -> Finetuned:
    """Fine-tune a backbone on photos, measure it, export it and check the export.

    `images` is a folder, a table's file, or rows in memory: what `data.scan` reads.
    """
    started = time.perf_counter()
    if isinstance(images, str | os.PathLike):
        images = Path(images)
    folder.check(images, output)
    if recipe.split == "last":  # another one tomorrow: the recipe that is written names it
        recipe = replace(recipe, split=str(folder.find("last").run))
    if recipe.weights == "last":
        recipe = replace(recipe, weights=str(folder.find("last").run))
    if recipe.weights != "none" and catalogue.find(recipe.backbone, recipe.weights) is None:
        recipe = replace(recipe, weights=origin.absolute(recipe.weights))
    with formats.Converter() as converter:
        if _exports(recipe):
            converter.start()
        setting = _settle(images, recipe, progress)
        found, parted = setting.found, setting.parted
        sides = parted.sides
        model, learner = _model(setting)
        recipe = _resolved(recipe, model)
        setting = setting._replace(recipe=recipe, notes=(*setting.notes, *_auxiliary(recipe, learner)))
        about = (found.root, crossing.pool(sides) if recipe.folds else sides, recipe, progress)
        lesson: Lesson | Scratch = (
            Scratch(model, learner, *about) if recipe.scratch else Lesson(model, *about)
        )
        pictures = seen.some(found.root, parted.train, lesson.size, lesson.fit)
        setting = setting._replace(notes=(*setting.notes, *_told(seen.odd(pictures), progress)))
        trial = _try_exports(converter, lesson, found.classes)
        views = lesson.views()
        trial()
        run = _begin(setting, images, output)
        files.write(run / "seen.jpg", seen.sheet(pictures))
        crossed = None
        if recipe.folds:
            crossed = crossing.cross(lesson, views, found.classes, run)
            lesson, views = crossing.proper(lesson, views, sides)
        kept = lesson.learn(views, run / "metrics.jsonl")
        final = _save(lesson, run, found.classes)
        drafts = _drafts(converter, lesson, run, found.classes)  # converted while the model is asked
        table = _validate(final, lesson, run, found.classes)
        learned = figures.learned(table)
        # One that learned nothing has no say.
        suspects = doubts.doubts(lesson, views, table, crossed) if learned else ()
        files.write(run / "suspects.csv", doubts.text(suspects))
        judges = gate.Judges(found.root, sides.val, table.probabilities)
        exports = tuple(draft.settle(judges, progress) for draft in drafts)
    report = Finetuned(
        run=run,
        backbone=recipe.backbone,
        classes=found.classes,
        train_images=len(parted.train),
        val_images=len(sides.val),
        skipped=(*found.skipped, *parted.skipped),
        val_top1=figures.top1(table),
        val_top1_interval=figures.top1_interval(table),
        majority_top1=figures.majority_top1(table),
        selected_on_val=False,
        seconds=time.perf_counter() - started,
        exports=exports,
        kept=kept,
        learned=learned,
        notes=setting.notes,
        folds=crossed.figures() if crossed else None,
        suspects=suspects,
        leaks=parted.leaks,
    )
    files.write(run / "result.json", report.json() + "\n")
    return report


def _settle(images: Any, recipe: Recipe, progress: Silent) -> Setting:
    """Choose a device, read the photos and split them, telling of each."""
    if recipe.head == "top" and not recipe.scratch:
        raise UsageError(
            f"The top of {recipe.backbone} is trained from scratch only, with all below it: a published one "
            "knows other classes.",
            "Use --weights none and one epoch or more, or --head linear or mlp.",
        )
    chosen = device.pick(recipe.device, recipe.precision)
    progress.note(f"Running on {chosen}.")
    loaded = None
    if recipe.weights != "none":  # before the photos are read: they may have to be fetched
        loaded = backbones.pretrained(recipe.backbone, recipe.weights, progress)
    if recipe.augment == "strong":
        augmentation.strong()  # a missing package is told now
    found = data.scan(
        images,
        subfolders=recipe.subfolders,
        group=recipe.group,
        workers=recipe.workers,
        progress=progress,
    )
    if recipe.strict and found.skipped:
        raise _unreadable(found)
    parted = siding.part(found, recipe)
    if recipe.folds:
        crossing.of(crossing.pool(parted.sides), recipe)  # too many folds are told now
    lost = [row.detail for row in findings.usual_shape(found, recipe.fit)]
    began = origin.notes(loaded) if loaded else ()
    notes = (*began, *found.notes, *parted.notes, *lost, *_unrepeatable(recipe, chosen))
    return Setting(recipe, found, parted, chosen, loaded, _told(notes, progress))


def _told(notes: tuple[str, ...], progress: Silent) -> tuple[str, ...]:
    for note in notes:
        progress.note(note)
    return notes


def _unreadable(found: data.Folder) -> DataError:
    named = ", ".join(f"{row.path} ({row.reason})" for row in found.skipped[:NAMED])
    more = f" and {len(found.skipped) - NAMED:,} more" if len(found.skipped) > NAMED else ""
    total = len(found.photos) + len(found.skipped)
    return DataError(
        f"{len(found.skipped):,} of {total:,} files in {found.called()} cannot be used: {named}{more}.",
        "Repair or remove them, or leave --strict away.",
    )


def _unrepeatable(recipe: Recipe, chosen: Device) -> list[str]:
    notes = []
    if recipe.augment == "strong":
        notes.append("keras-cv draws numbers of its own: two runs with one seed differ.")
    if not chosen.repeatable:
        why = (
            "a GPU adds in no fixed order" if chosen.name != "CPU" else "TensorFlow was started before tlkit"
        )
        notes.append(f"Two runs with one seed may differ in the last digits: {why}.")
    return notes


def _model(setting: Setting) -> tuple[keras.Model, keras.Model]:
    """The network, and what of it is trained where it starts from scratch."""
    recipe, classes = setting.recipe, setting.found.classes
    settings: dict[str, Any] = {
        "image_size": recipe.image_size,
        "dropout": recipe.dropout,
        "policy": setting.device.policy,
        "seed": recipe.seed,
        "fit": recipe.fit,
    }
    if recipe.head == "top":
        return classifier.from_scratch(recipe.backbone, classes, **settings)
    model = classifier.build(recipe.backbone, classes, head=recipe.head, weights=setting.loaded, **settings)
    return model, classifier.part(model, None, "logits")


def _auxiliary(recipe: Recipe, learner: keras.Model) -> list[str]:
    """What is to be said of a network's auxiliary classifiers."""
    share, count = backbones.auxiliary(recipe.backbone), len(learner.outputs) - 1
    if share is None:
        return []
    if count:
        return [f"{count} auxiliary classifiers learn beside, at {share:g} of the loss; they are not kept."]
    if recipe.head == "top":
        return [f"{recipe.backbone} learns without its auxiliary classifiers: the photos are too small."]
    return []


def _resolved(recipe: Recipe, model: keras.Model) -> Recipe:
    """The recipe with the stage that `auto` means. Raises `UsageError` if there is no such stage."""
    asked = recipe.unfreeze_from
    fresh = asked == "auto" and recipe.weights == "none"
    return replace(recipe, unfreeze_from="all" if fresh else classifier.first_unfrozen(model, asked))


def _exports(recipe: Recipe) -> list[tuple[str, str]]:
    """Format and quantisation of each file that is wanted."""
    kinds = {"tflite": recipe.quantize, "savedmodel": "none"}
    return [(name, kinds[name]) for name in recipe.export if name != "none"]


def _try_exports(
    converter: formats.Converter, lesson: Lesson | Scratch, classes: Sequence[str]
) -> Callable[[], None]:
    """Convert the untrained network while features are computed; what returns waits for the outcome."""
    wanted = _exports(lesson.recipe)
    if not wanted:
        return lambda: None
    scratch = tempfile.TemporaryDirectory(prefix="tlkit-")
    source = Path(scratch.name) / "untrained.keras"
    lesson.model.save(source)
    pixels = None
    if lesson.recipe.quantize == "int8":
        photos = gate.spread(lesson.sides.train, TRIED)
        pixels = gate.save_pixels(lesson.root, photos, lesson.size, lesson.fit, Path(scratch.name))
    jobs = [
        converter.submit(source, None, format=name, quantize=scheme, labels=classes, calibration=pixels)
        for name, scheme in wanted
    ]

    def wait() -> None:
        for job in jobs:
            job.result()
        scratch.cleanup()

    return wait


def _begin(setting: Setting, images: Any, output: Path | None) -> Path:
    """Make the run folder and write down what is known before training."""
    run = folder.make(output, setting.recipe.backbone)
    files.write(run / "recipe.toml", recipes.dump(setting.recipe))
    parted = setting.parted
    about = {
        "backbone": setting.recipe.backbone,
        "weights": origin.facts(setting.loaded) if setting.loaded else None,
        "images": str(setting.found.root.resolve()),
        "table": str(images.resolve()) if isinstance(images, Path) and images.is_file() else None,
        "seed": setting.recipe.seed,
        "device": setting.device.name,
        "precision": setting.device.precision,
        "repeatable": setting.device.repeatable and setting.recipe.augment != "strong",
        "tlkit": tlkit.__version__,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in VERSIONS},
        "notes": setting.notes,
        "skipped": [row._asdict() for row in (*setting.found.skipped, *parted.skipped)],
    }
    folder.write_json(run / "run.json", about)
    folder.write_split(run, [*parted.train, *parted.sides.val, *parted.test], setting.found.classes)
    return run


def _save(lesson: Lesson | Scratch, run: Path, classes: Sequence[str]) -> keras.Model:
    """Write the model, in float32 whatever it was trained in, and its labels."""
    final = keras_file.as_float32(lesson.model)
    files.write(run / "labels.txt", "".join(f"{name}\n" for name in classes))
    with files.whole(run / "model.keras") as draft:
        final.save(draft)
    return final


def _drafts(
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
        for kind, scheme in _exports(lesson.recipe)
    ]


def _validate(
    final: keras.Model, lesson: Lesson | Scratch, run: Path, classes: Sequence[str]
) -> figures.Table:
    """Ask the model about the validation photos, for the first and only time."""
    photos = lesson.sides.val

    def model(pixels: np.ndarray) -> np.ndarray:
        return training.answers(final, pixels, gate.BATCH)

    size, fit = lesson.size, lesson.fit
    probabilities = gate.ask(model, size, fit, lesson.root, photos, lesson.progress, "validating")
    labels = [photo.label for photo in photos]
    table = figures.Table.of([photo.path for photo in photos], classes, labels, probabilities)
    files.write(run / "predictions.csv", table.csv())
    return table
