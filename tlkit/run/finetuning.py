"""From a folder of photos to a checked phone model."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import keras

import tlkit
from tlkit import calibration, classifier, figures, files, formats
from tlkit import recipe as recipes
from tlkit.formats import keras_file
from tlkit.progress import SILENT, Silent
from tlkit.recipe import Recipe
from tlkit.report import Finetuned
from tlkit.run import (
    calibrating,
    crossing,
    doubts,
    folder,
    gate,
    origin,
    planning,
    reading,
    seen,
    settling,
    shipping,
)
from tlkit.run.clock import Clock
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch
from tlkit.run.validating import validate

VERSIONS = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn", "ai-edge-litert")


def finetune(
    images: Any, recipe: Recipe, *, output: Path | None = None, progress: Silent = SILENT
) -> Finetuned:
    """Fine-tune a backbone on photos, measure it, export it and check the export.

    `images` is a folder, a table's file, or rows in memory: what `data.scan` reads.
    """
    clock = Clock(recipe.budget)
    if isinstance(images, str | os.PathLike):
        images = Path(images)
    folder.check(images, output)
    recipe = settling.named(recipe)
    with formats.Converter() as converter:
        if shipping.wanted(recipe):
            converter.start()
        setting, lesson = settling.lesson(settling.settle(images, recipe, progress), progress)
        found, parted, recipe = setting.found, setting.parted, setting.recipe
        sides, lesson.clock = parted.sides, clock
        pictures = seen.some(found.root, parted.train, lesson.size, lesson.fit)
        setting = setting._replace(notes=(*setting.notes, *settling.told(seen.odd(pictures), progress)))
        trial = shipping.attempt(converter, lesson, found.classes)
        planning.plan(lesson, trial)
        views = lesson.views()
        trial()
        run = _begin(setting, images, output)
        files.write(run / "seen.jpg", seen.sheet(pictures))
        crossed = None
        if recipe.folds:
            crossed = crossing.cross(lesson, views, found.classes, run)
            lesson, views = crossing.proper(lesson, views, sides)
        taught = lesson.learn(views, run / "metrics.jsonl")
        kept = taught.kept
        fitted = calibrating.fit(lesson, views, kept)
        setting = setting._replace(notes=(*setting.notes, *settling.told(fitted.notes, progress)))
        final = _save(lesson, run, found.classes, fitted)
        drafts = shipping.drafts(converter, lesson, run, found.classes)  # converted while the model is asked
        table, beside = validate(final, lesson, run, found.classes)
        learned = figures.learned(table)
        # One that learned nothing has no say.
        suspects = doubts.doubts(lesson, views, table, crossed) if learned else ()
        files.write(run / "suspects.csv", doubts.text(suspects))
        judges = gate.Judges(found.root, sides.val, table.probabilities)
        exports = tuple(draft.settle(judges, progress) for draft in drafts)
    if clock.cut:
        folder.write_json(run / "run.json", folder.read_json(run / "run.json") | {"repeatable": False})
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
        seconds=clock.elapsed(),
        exports=exports,
        kept=kept,
        learned=learned,
        val_balanced_accuracy=figures.balanced_accuracy(table),
        val_balanced_accuracy_interval=figures.balanced_accuracy_interval(table),
        per_class=figures.per_class(table),
        confusion=figures.confusion(table),
        notes=setting.notes,
        folds=crossed.figures() if crossed else None,
        suspects=suspects,
        leaks=parted.leaks,
        head_top1=beside and beside.top1,
        head_p=beside and beside.p,
        kept_because=taught.reason,
        budget_seconds=recipe.budget,
        cut=clock.cut,
        target=recipe.target,
        target_reached=None if recipe.target is None else figures.top1(table) >= recipe.target,
        **calibration.measured(table.probabilities, table.true, fitted.temperature, fitted.threshold),
    )
    files.write(run / "result.json", report.json() + "\n")
    return report


def _begin(setting: settling.Setting, images: Any, output: Path | None) -> Path:
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
        "repeatable": setting.device.repeatable and reading.repeatable(setting.recipe),
        "tlkit": tlkit.__version__,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in VERSIONS},
        "notes": setting.notes,
        "skipped": [row._asdict() for row in (*setting.found.skipped, *parted.skipped)],
    }
    folder.write_json(run / "run.json", about)
    folder.write_split(run, [*parted.train, *parted.sides.val, *parted.test], setting.found.classes)
    return run


def _save(
    lesson: Lesson | Scratch, run: Path, classes: Sequence[str], fitted: calibration.Fitted
) -> keras.Model:
    """Write the model, calibrated and in float32 whatever it was trained in, and its labels."""
    final = classifier.calibrated(keras_file.as_float32(lesson.model), fitted.temperature, fitted.threshold)
    files.write(run / "labels.txt", "".join(f"{name}\n" for name in classes))
    about = folder.read_json(run / "run.json")
    folder.write_json(run / "run.json", about | {"calibration": fitted.plain()})
    with files.whole(run / "model.keras") as draft:
        final.save(draft)
    return final
