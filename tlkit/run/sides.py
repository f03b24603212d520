"""Which photos a run learns from, chooses on and reports; those that it leaves alone, and why."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tlkit import data, splits
from tlkit.data import Photo, Skipped
from tlkit.errors import DataError
from tlkit.printed import shown
from tlkit.recipe import Recipe
from tlkit.run.learning import Sides
from tlkit.run.sizing import balanced, sized
from tlkit.sources.listed import named
from tlkit.splits import split_file
from tlkit.splits.units import together

CHOOSERS = 0.15  # of the training photos, to choose between the head alone and the fine-tuned model
ASIDE, LARGEST_ASIDE = 0.05, 0.1  # of those that a network learns from scratch, kept aside to calibrate it
FEWEST_ASIDE, MOST_ASIDE = 20, 500  # photos kept aside
CLASSES_TOLD = 30  # with their counts, in a note
JUDGED = 5  # photos of a class to validate; a share of fewer says little
RELATED = 10  # photos named beside a leak: a group may hold thousands
FEW = 500  # photos; below that one split is much a matter of luck
NONE_TO_CHOOSE_ON = (
    "The head alone is taught: a fine-tuned network has to prove itself on training photos kept apart, "
    "and these are too few to keep some apart."
)


class Parted(NamedTuple):
    """The photos of a source by their use."""

    sides: Sides
    test: tuple[Photo, ...]  # not looked at
    skipped: tuple[Skipped, ...]  # would join photos of two sides
    leaks: tuple[Mapping[str, Any], ...]  # path and related: photos to validate, and what gives them away
    notes: tuple[str, ...]
    recipe: Recipe  # with a value in each place that was left to the number of photos

    @property
    def train(self) -> tuple[Photo, ...]:
        return self.sides.train


def part(found: data.Folder, recipe: Recipe) -> Parted:
    """Who is on which side: as an earlier split has it, as the source gives it, else by seed and share.

    What has no side yet is placed so that no group is parted. Where the source gives no photos to
    validate and none are free, they are taken from those to train on. Given test photos stay so.

    Raises `DataError` where one side would be empty.
    """
    photos, known = _before(found, recipe)
    chosen = splits.assign(photos, {"val": recipe.val_share}, recipe.seed)
    by_side: dict[str | None, list[Photo]] = defaultdict(list)
    for photo, side in zip(photos, chosen, strict=True):
        by_side[side].append(photo._replace(split=side))
    train, val, test = (tuple(by_side[name]) for name in ("train", "val", "test"))
    if not val or not train:
        hint = "Add photos: two of each class at the least, of two groups."
        if all(photo.split in ("val", "test") for photo in photos):
            hint = "Have some in train, or give no split."
        raise DataError(
            f"{found.called()} has {len(train)} photos to train on and {len(val)} to validate; "
            "both need some.",
            hint,
        )
    skipped = tuple(
        Skipped(shown(photo.path), _joins(other)) for photo, other in splits.left_out(photos, chosen)
    )
    recipe, chosen_by_size = sized(recipe, train)
    fit, choose = learners(train, recipe)
    if recipe.epochs and not choose and not recipe.scratch:
        recipe = replace(recipe, epochs=0)
        chosen_by_size = (*chosen_by_size, NONE_TO_CHOOSE_ON)
    recipe, weighed = balanced(recipe, fit, found.classes)
    parted = Parted(Sides(fit, choose, val), test, skipped, _leaks(train, val), known, recipe)
    notes = *known, *_notes(found, photos, parted, recipe), *chosen_by_size, *weighed
    return parted._replace(notes=notes)


def learners(train: tuple[Photo, ...], recipe: Recipe) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Of the photos to train on, those that weights are fitted to and those that a model is chosen on.

    None of the latter where they would leave none of the former: then the head alone is taught. From
    scratch nothing is chosen, but a network's probabilities are to be set right by photos that it did not
    learn from; a set of which those would be too large a part keeps none back.
    """
    if recipe.epochs == 0:  # nothing is chosen
        return train, ()
    if recipe.scratch:
        most = LARGEST_ASIDE * len(train)
        wanted = min(MOST_ASIDE, max(FEWEST_ASIDE, ASIDE * len(train)))
        if wanted > most:
            return train, ()
        fit, choose = data.split(train, wanted / len(train), recipe.seed)
        return (fit, choose) if 0 < len(choose) <= most else (train, ())  # groups may be large
    fit, choose = data.split(train, CHOOSERS, recipe.seed)
    return (fit, choose) if fit and choose else (train, ())


def _before(found: data.Folder, recipe: Recipe) -> tuple[tuple[Photo, ...], tuple[str, ...]]:
    """The photos with the sides that the source or an earlier split gave them, and what to tell of that."""
    photos = found.photos
    if not {"val", None} & {photo.split for photo in photos}:
        photos = tuple(photo if photo.split == "test" else photo._replace(split=None) for photo in photos)
    if not recipe.split:
        return photos, ()
    earlier = split_file.read(recipe.split)
    # Given test photos beside others without a side: those are what the earlier split is about.
    about = [photo for photo in photos if photo.split != "test"]
    placed, notes = split_file.against(about, found.classes, earlier)
    rest = iter(placed)
    return tuple(photo if photo.split == "test" else next(rest) for photo in photos), notes


def _joins(others: Sequence[Photo]) -> str:
    sides = ", ".join(f"{shown(photo.path)} ({photo.split})" for photo in others)
    return f"joins photos of two sides: {sides}"


def _leaks(train: Sequence[Photo], val: Sequence[Photo]) -> tuple[Mapping[str, Any], ...]:
    """The photos to validate that stand in one unit with photos to train on."""
    units = together([*train, *val]).tolist()
    trained: dict[int, list[str]] = defaultdict(list)
    for photo, unit in zip(train, units, strict=False):
        trained[unit].append(photo.path)
    return tuple(
        {"path": photo.path, "related": tuple(trained[unit][:RELATED])}
        for photo, unit in zip(val, units[len(train) :], strict=True)
        if unit in trained
    )


def _notes(found: data.Folder, before: Sequence[Photo], parted: Parted, recipe: Recipe) -> list[str]:
    train, val, test = parted.train, parted.sides.val, parted.test
    known = Counter(photo.split is not None for photo in before)
    how = "split by seed"
    if recipe.split:
        how = f"as before; {known[False]:,} new, split by seed"
    elif any(photo.split == "val" for photo in before):
        how = f"as given; {known[False]:,} split by seed" if known[False] else "as given"
    aside = f", {len(test):,} left alone for a test" if test else ""
    notes = [f"{len(train):,} photos to train on, {len(val):,} to validate{aside}, {how}."]
    notes.append(_by_class(found.classes, train, val))
    units = together(before).tolist()
    # A given split may part what a fresh one would not: that is told as leaks.
    sides: dict[int, set[str | None]] = defaultdict(set)
    for photo, unit in zip(before, units, strict=True):
        sides[unit].add(photo.split)
    kept = [size for unit, size in Counter(units).items() if size > 1 and len(sides[unit] - {None}) < 2]
    if kept and known[False]:
        notes.append(
            f"Never parted: {sum(kept):,} photos in {len(kept):,} sets of copies, near copies, "
            "bursts or groups."
        )
    given = {photo.path for photo in before if photo.split == "test"}
    if joined := [photo.path for photo in test if photo.path not in given]:
        notes.append(f"Left alone too, as each goes with a test photo: {len(joined):,}: {named(joined)}.")
    if parted.skipped:
        notes.append(f"Left out, as they would join two sides: {named(row.path for row in parted.skipped)}.")
    notes += _small(found, before, units, parted, recipe)
    if len(train) + len(val) < FEW and not recipe.folds:
        notes.append(f"Fewer than {FEW} photos: --folds 5 tells more surely how good such a model is.")
    return notes


def _by_class(classes: Sequence[str], train: Sequence[Photo], val: Sequence[Photo]) -> str:
    counts = [Counter(photo.label for photo in side) for side in (train, val)]
    rows = [
        f"{shown(name)} {counts[0][label]:,} + {counts[1][label]:,}" for label, name in enumerate(classes)
    ]
    more = f" and {len(rows) - CLASSES_TOLD:,} classes more" if len(rows) > CLASSES_TOLD else ""
    return f"To train on + to validate: {', '.join(rows[:CLASSES_TOLD])}{more}."


def _small(
    found: data.Folder, before: Sequence[Photo], units: Sequence[int], parted: Parted, recipe: Recipe
) -> list[str]:
    """What is too little to be judged, and a side that groups leave too small."""
    train, val = parted.train, parted.sides.val
    by_label: dict[int, set[int]] = defaultdict(set)
    for photo, unit in zip(before, units, strict=True):
        by_label[photo.label].add(unit)
    judged = Counter(photo.label for photo in val)
    both = {photo.label for photo in train} & judged.keys()  # as a given split may have it
    notes = []
    lone = [
        name for label, name in enumerate(found.classes) if len(by_label[label]) < 2 and label not in both
    ]
    if lone:
        notes.append(f"Cannot be both learned and judged, being one photo or one group: {named(lone)}.")
    few = [
        f"{name} ({judged[label]})"
        for label, name in enumerate(found.classes)
        if judged[label] < JUDGED and name not in lone
    ]
    if few:
        notes.append(f"Too few to be judged, with fewer than {JUDGED} photos to validate: {named(few)}.")
    wanted = recipe.val_share * (len(train) + len(val))
    if all(photo.split is None for photo in before) and not wanted / 2 <= len(val) <= wanted * 2 + 1:
        notes.append(
            f"{len(val):,} photos to validate instead of about {wanted:,.0f}: no group is parted, "
            f"and the largest has {max(Counter(units).values()):,} photos."
        )
    return notes
