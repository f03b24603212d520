"""Who is on which side of a run, what it leaves alone, and what it says of both."""

import shutil
from collections import Counter

import pytest

from tlkit import data, recipe
from tlkit.data import Photo
from tlkit.errors import DataError
from tlkit.run import folder, sides


@pytest.fixture
def found(few):
    """A folder of two classes that holds whatever photos a test puts in."""
    return data.scan(few)


def photos(*, given=None, groups=None, count=20):
    """Photos of two classes in turn; `given` splits and `groups` by number."""
    rows = [Photo(f"{'ab'[n % 2]}/{n:02}.jpg", n % 2, None, f"{n:064}") for n in range(count)]
    for number, split in (given or {}).items():
        rows[number] = rows[number]._replace(split=split)
    for number, group in (groups or {}).items():
        rows[number] = rows[number]._replace(group=group)
    return tuple(rows)


def part(found, rows, **settings):
    return sides.part(found._replace(photos=rows), recipe.load(**settings))


def paths(side):
    return {photo.path for photo in side}


@pytest.mark.parametrize(("counts", "expected"), [((6, 6), (8, 2, 2)), ((2, 2), (2, 0, 2))])
def test_photos_are_fitted_chosen_on_and_reported_apart(few, counts, expected):
    for name, keep in zip(("brick", "grass"), counts, strict=True):
        for photo in sorted((few / name).iterdir())[keep:]:
            photo.unlink()
    parted = sides.part(data.scan(few), recipe.load(epochs=1))
    fit, choose, val = parted.sides
    assert (len(fit), len(choose), len(val)) == expected
    assert not paths(parted.train) & paths(val) and len(parted.train) == sum(counts) - len(val)
    assert not paths(fit) & paths(choose)
    # Too few to choose on: then nothing is trained that would have to be chosen.
    assert parted.recipe.epochs == (1 if choose else 0)
    assert (sides.NONE_TO_CHOOSE_ON in parted.notes) == (not choose)


def test_a_test_split_is_left_alone(textures, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(textures, root)
    shutil.copytree(root / "val", root / "test")
    shutil.rmtree(root / "val")
    parted = sides.part(data.scan(root), recipe.load())
    assert {photo.path.split("/")[0] for photo in (*parted.train, *parted.sides.val)} == {"train"}
    assert len(parted.test) == 24 and {photo.split for photo in parted.test} == {"test"}
    assert ", 24 left alone for a test, " in parted.notes[0]


def test_photos_that_follow_a_test_photo_are_named(found):
    parted = part(found, photos(given={0: "test", 1: "test"}, groups={0: 3, 4: 3, 6: 3}))
    assert paths(parted.test) == {"a/00.jpg", "b/01.jpg", "a/04.jpg", "a/06.jpg"}
    assert "Left alone too, as each goes with a test photo: 2: 'a/04.jpg', 'a/06.jpg'." in parted.notes
    assert not any("Left alone too" in note for note in part(found, photos(given={0: "test"})).notes)


def test_what_is_given_stays_and_the_rest_fills_the_shares(found):
    given = {0: "val", 1: "train", 2: "test", 3: "train"}
    parted = part(found, photos(given=given), val_share=0.25)
    by_path = {photo.path: photo.split for photo in (*parted.train, *parted.sides.val, *parted.test)}
    assert len(by_path) == 20
    assert [by_path[f"{'ab'[n % 2]}/{n:02}.jpg"] for n in given] == list(given.values())
    assert 4 <= len(parted.sides.val) <= 6 and len(parted.test) == 1
    assert parted.notes[0].endswith(", as given; 16 split by seed.")


def test_where_only_training_photos_are_given_some_of_them_validate(found):
    parted = part(found, photos(given=dict.fromkeys(range(20), "train")))
    assert (len(parted.train), len(parted.sides.val)) == (16, 4)


def test_an_earlier_split_holds_and_only_new_photos_are_placed(found, tmp_path):
    first = part(found, photos(given={0: "test"}))
    folder.write_split(tmp_path, [*first.train, *first.sides.val, *first.test], found.classes)
    before = {photo.path: photo.split for photo in (*first.train, *first.sides.val, *first.test)}
    for seed in range(3):
        second = part(found, photos(count=30), split=tmp_path, seed=seed)
        after = {photo.path: photo.split for photo in (*second.train, *second.sides.val, *second.test)}
        assert len(after) == 30 and before.items() <= after.items()
        assert len(second.sides.val) == 6
    assert "20 photos stay where they were" in second.notes[0]
    assert second.notes[1].endswith("1 left alone for a test, as before; 10 new, split by seed.")


def test_given_test_photos_stay_beside_an_earlier_split(found, tmp_path):
    given = {number: "test" if number < 4 else "train" for number in range(20)}
    first = part(found, photos(given=given))
    folder.write_split(tmp_path, [*first.train, *first.sides.val], found.classes)
    second = part(found, photos(given=given), split=tmp_path / "split.csv")
    assert second.sides == first.sides and second.test == first.test and len(first.test) == 4


def test_no_group_is_parted_between_fit_choose_and_val(found):
    groups = {number: number // 4 for number in range(20)}
    for seed in range(5):
        parted = part(found, photos(groups=groups), seed=seed, epochs=1)
        held = [{photo.group for photo in side} for side in parted.sides]
        assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
        assert parted.leaks == () and parted.skipped == ()
    assert "Never parted: 20 photos in 5 sets of copies, near copies, bursts or groups." in parted.notes


def test_a_photo_that_joins_two_sides_is_left_out_and_named(found):
    rows = photos(given={0: "train", 2: "val"}, groups={0: 7, 2: 7, 4: 7})
    parted = part(found, rows)
    assert parted.skipped == (("a/04.jpg", "joins photos of two sides: a/00.jpg (train), a/02.jpg (val)"),)
    assert "a/04.jpg" not in paths(parted.train) | paths(parted.sides.val)
    assert "Left out, as they would join two sides: 'a/04.jpg'." in parted.notes


def test_leaks_between_given_splits_are_named_with_what_gives_them_away(found):
    given = {number: "val" if number < 6 else "train" for number in range(20)}
    parted = part(found, photos(given=given, groups={0: 3, 10: 3, 12: 3}))
    assert parted.leaks == ({"path": "a/00.jpg", "related": ("a/10.jpg", "a/12.jpg")},)


def test_what_a_given_split_parts_is_not_told_as_never_parted(found):
    given = {number: "val" if number < 6 else "train" for number in range(18)}
    parted = part(found, photos(given=given, groups={**dict.fromkeys(range(10), 3), 11: 4, 19: 4}))
    notes = " ".join(parted.notes)
    assert "Never parted: 2 photos in 1 sets" in notes and len(parted.leaks) == 6
    # All of one group, and both learned and judged, however wrongly.
    given = {number: ("train", "val")[number // 2 % 2] for number in range(20)}
    notes = " ".join(part(found, photos(given=given, groups=dict.fromkeys(range(20), 3))).notes)
    assert "Never parted" not in notes and "Cannot be both" not in notes


def test_one_side_without_photos_is_refused(found):
    with pytest.raises(DataError, match="has 20 photos to train on and 0 to validate; both need some"):
        part(found, photos(groups=dict.fromkeys(range(20), 1)))
    with pytest.raises(DataError, match="has 0 photos to train on and 20 .* Have some in train, or give no"):
        part(found, photos(given=dict.fromkeys(range(20), "val")))


# What is said


def test_counts_are_told_by_class_thirty_at_the_most(found):
    parted = part(found, photos())
    assert "To train on + to validate: brick 8 + 2, grass 8 + 2." in parted.notes
    many = found._replace(classes=tuple(f"c{number:03}" for number in range(40)))
    rows = tuple(Photo(f"{n}.jpg", n // 5, None, f"{n:064}") for n in range(200))
    note = part(many, rows).notes[1]
    assert note.count(" + ") == 31 and note.endswith("c029 4 + 1 and 10 classes more.")


def test_classes_that_cannot_be_judged_are_named(found):
    groups = {number: 1 for number in range(0, 40, 2)}
    parted = part(found, photos(groups=groups, count=40), val_share=0.5)
    assert "Cannot be both learned and judged, being one photo or one group: 'brick'." in parted.notes
    assert not any(note.startswith("Too few") for note in parted.notes)
    parted = part(found, photos(count=40))
    assert (
        "Too few to be judged, with fewer than 5 photos to validate: 'brick (4)', 'grass (4)'."
        in parted.notes
    )


def test_a_side_that_groups_leave_too_small_is_told(found):
    groups = {number: 1 + (number > 3) for number in range(100)}
    parted = part(found, photos(groups=groups, count=100))
    assert Counter(len(side) for side in (parted.train, parted.sides.val)) == {96: 1, 4: 1}
    assert (
        "4 photos to validate instead of about 20: no group is parted, and the largest has 96 photos."
        in parted.notes
    )


def test_few_photos_are_reason_for_folds(found):
    told = "Fewer than 500 photos: --folds 5 tells more surely how good such a model is."
    assert told in part(found, photos()).notes
    assert told not in part(found, photos(), folds=5).notes
    assert told not in part(found, photos(count=500)).notes


@pytest.mark.parametrize(
    ("rare", "asked", "expected", "told"),
    [
        (3, "auto", "loss", "brick has 12 times the photos of grass: each class counts alike in the loss"),
        (18, "auto", "none", None),
        (3, "none", "none", None),
        (3, "sample", "sample", None),
    ],
)
def test_uneven_classes_count_alike_unless_told_otherwise(found, rare, asked, expected, told):
    """Of the photos to fit: those to validate are given, and nothing is held back to choose on."""
    rows = photos(given={n: "val" if n < 4 else "train" for n in range(76)}, count=76)
    rows = [row for row in rows if row.label == 0 or row.path < f"b/{4 + 2 * rare:02}"]
    parted = part(found, tuple(rows), balance=asked, epochs=0)
    assert [sum(photo.label == label for photo in parted.sides.fit) for label in (0, 1)] == [36, rare]
    assert parted.recipe.balance == expected
    notes = [note for note in parted.notes if "alike" in note]
    assert notes == ([f"{told} (--balance none leaves that)."] if told else [])
