"""Settle what a run is about before anything is computed: device, photos, sides, weights, network."""

from dataclasses import replace
from typing import Any, NamedTuple

import keras

from tlkit import backbones, classifier, data, device, findings
from tlkit.backbones.loading import Loaded
from tlkit.device import Device
from tlkit.errors import DataError, UsageError
from tlkit.progress import Silent
from tlkit.recipe import Recipe
from tlkit.run import applying, clock, crossing, folder, normalising, origin, reading, sizing, stepping
from tlkit.run import sides as siding
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch
from tlkit.weights import catalogue

NAMED = 10  # unreadable files in a message


class Setting(NamedTuple):
    """A run's inputs, settled before anything is computed."""

    recipe: Recipe
    found: data.Folder
    parted: siding.Parted
    device: Device
    loaded: Loaded | None  # what it begins with; None: random weights
    notes: tuple[str, ...]


def named(recipe: Recipe) -> Recipe:
    """The recipe with earlier runs by their paths: the last is another one tomorrow."""
    if recipe.split == "last":
        recipe = replace(recipe, split=str(folder.find("last").run))
    if recipe.weights == "last":
        recipe = replace(recipe, weights=str(folder.find("last").run))
    if recipe.weights != "none" and catalogue.find(recipe.backbone, recipe.weights) is None:
        recipe = replace(recipe, weights=origin.absolute(recipe.weights))
    return recipe


def settle(images: Any, recipe: Recipe, progress: Silent) -> Setting:
    """Choose a device, read the photos and split them, telling of each."""
    if recipe.head == "top" and not recipe.scratch:
        raise UsageError(
            f"The top of {recipe.backbone} is trained from scratch only, with all below it: a published one "
            "knows other classes.",
            "Use --weights none and one epoch or more, or --head linear or mlp.",
        )
    sizing.check(recipe)
    clock.check(recipe)
    applying.check(recipe)
    chosen = device.pick(recipe.device, recipe.precision)
    progress.note(f"Running on {chosen}.")
    loaded = None
    if recipe.weights != "none":  # before the photos are read: they may have to be fetched
        loaded = backbones.pretrained(recipe.backbone, recipe.weights, progress)
        recipe = replace(recipe, image_size=recipe.image_size or sizing.side(loaded))
    reading.tints(recipe), reading.mixers(recipe)  # a missing package is told now
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
    recipe = parted.recipe
    # Where nothing is trained without having been asked for, there are too few photos to choose on.
    applying.check(recipe, "add photos: two of each class to choose on, beside those to fit to")
    if recipe.folds:
        crossing.of(crossing.pool(parted.sides), recipe)  # too many folds are told now
    lost = [row.detail for row in findings.usual_shape(found, recipe.fit)]
    began = origin.notes(loaded) if loaded else ()
    notes = (*began, *found.notes, *parted.notes, *lost, *_unrepeatable(recipe, chosen))
    return Setting(recipe, found, parted, chosen, loaded, told(notes, progress))


def told(notes: tuple[str, ...], progress: Silent) -> tuple[str, ...]:
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
    if not reading.repeatable(recipe):
        notes.append(
            "keras-cv draws numbers of its own: two runs with one seed differ, and a resumed run is not "
            "bit-equal."
        )
    if not chosen.repeatable:
        why = (
            "a GPU adds in no fixed order" if chosen.name != "CPU" else "TensorFlow was started before tlkit"
        )
        notes.append(f"Two runs with one seed may differ in the last digits: {why}.")
    return notes


def lesson(setting: Setting, progress: Silent) -> tuple[Setting, Lesson | Scratch]:
    """The lesson that a setting is about, and the setting with nothing in its recipe left open.

    With folds it is about the photos of all sides but the test's.
    """
    model, learner = network(setting)
    recipe = resolved(setting.recipe, model)
    of_norms = normalising.notes(recipe, setting.parted.train)
    notes = (*setting.notes, *auxiliary(recipe, learner), *told(tuple(of_norms), progress))
    if recipe.batch_norm == "recalibrate":
        normalising.recalibrate(model, setting.found.root, setting.parted.train, recipe, progress)
    sides = crossing.pool(setting.parted.sides) if recipe.folds else setting.parted.sides
    about = (setting.found.root, sides, recipe, progress)
    made: Lesson | Scratch = Scratch(model, learner, *about) if recipe.scratch else Lesson(model, *about)
    return setting._replace(recipe=recipe, notes=notes), made


def network(setting: Setting) -> tuple[keras.Model, keras.Model]:
    """The network, and what of it is trained where it starts from scratch."""
    recipe, classes = setting.recipe, setting.found.classes
    settings: dict[str, Any] = {
        "image_size": recipe.image_size,
        "dropout": recipe.dropout,
        "drop_path": recipe.drop_path,
        "policy": setting.device.policy,
        "seed": recipe.seed,
        "fit": recipe.fit,
    }
    if recipe.head == "top":
        return classifier.from_scratch(recipe.backbone, classes, **settings)
    model = classifier.build(recipe.backbone, classes, head=recipe.head, weights=setting.loaded, **settings)
    return model, classifier.part(model, None, "logits")


def auxiliary(recipe: Recipe, learner: keras.Model) -> list[str]:
    """What is to be said of a network's auxiliary classifiers."""
    share, count = backbones.auxiliary(recipe.backbone), len(learner.outputs) - 1
    if share is None:
        return []
    if count:
        return [f"{count} auxiliary classifiers learn beside, at {share:g} of the loss; they are not kept."]
    if recipe.head == "top":
        return [f"{recipe.backbone} learns without its auxiliary classifiers: the photos are too small."]
    return []


def resolved(recipe: Recipe, model: keras.Model) -> Recipe:
    """The recipe with the stage that `auto` means, how batches are normalised and steps taken.

    Raises `UsageError` if there is no such stage, or where a setting would do nothing in this network.
    """
    asked = recipe.unfreeze_from
    fresh = asked == "auto" and recipe.weights == "none"
    first = "all" if fresh else classifier.first_unfrozen(model, asked)
    recipe = normalising.resolved(replace(recipe, unfreeze_from=first), model)
    applying.check_dropped(recipe, model)
    return stepping.settled(recipe)
