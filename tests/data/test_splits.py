"""A split is fair to every class, keeps copies together and is the same everywhere."""

import hashlib
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit.data import Photo, split
from tlkit.errors import UsageError

SHARES = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32)
# For each class, how many copies each of its pictures has.
CLASSES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=25), min_size=2, max_size=5)


def photos(classes: list[list[int]]) -> list[Photo]:
    return [
        Photo(f"{label}/{picture}-{copy}.jpg", label, None, f"{label}:{picture}")
        for label, pictures in enumerate(classes)
        for picture, copies in enumerate(pictures)
        for copy in range(copies)
    ]


@given(CLASSES, SHARES, SEEDS)
def test_split_takes_every_photo_once_and_keeps_their_order(classes, share, seed):
    given = photos(classes)
    train, val = split(given, share, seed)
    assert sorted(train + val) == sorted(given)
    assert list(train) == [photo for photo in given if photo in train]
    assert list(val) == [photo for photo in given if photo in val]


@given(CLASSES, SHARES, SEEDS)
def test_copies_stay_on_one_side(classes, share, seed):
    train, val = split(photos(classes), share, seed)
    assert not {photo.sha256 for photo in train} & {photo.sha256 for photo in val}


@given(CLASSES, SHARES, SEEDS)
def test_shares_are_right_to_within_one_picture(classes, share, seed):
    given = photos(classes)
    totals = Counter(photo.label for photo in given)
    held_back = Counter(photo.label for photo in split(given, share, seed)[1])
    for label, pictures in enumerate(classes):
        assert abs(held_back[label] - share * totals[label]) <= max(pictures)


@given(CLASSES, SHARES, SEEDS)
def test_a_class_with_two_pictures_is_on_both_sides(classes, share, seed):
    train, val = split(photos(classes), share, seed)
    for label, pictures in enumerate(classes):
        assert label in {photo.label for photo in train}
        assert (label in {photo.label for photo in val}) == (len(pictures) > 1)


@given(CLASSES, SHARES, SEEDS, st.randoms())
def test_the_order_of_the_photos_does_not_matter(classes, share, seed, random):
    given = photos(classes)
    shuffled = random.sample(given, len(given))
    assert set(split(given, share, seed)[1]) == set(split(shuffled, share, seed)[1])


# Under up to three of four labels each: the same picture, and so the same hash.
@given(
    st.lists(st.sets(st.integers(0, 3), min_size=1, max_size=3), min_size=1, max_size=40),
    st.lists(st.integers(0, 30), min_size=4, max_size=4),
    SHARES,
    SEEDS,
)
def test_a_picture_under_several_labels_stays_on_one_side(shared, own, share, seed):
    given = [
        Photo(f"{label}/s{n}", label, None, f"s{n}") for n, labels in enumerate(shared) for label in labels
    ]
    given += [
        Photo(f"{label}/o{n}", label, None, f"o{label}-{n}") for label in range(4) for n in range(own[label])
    ]
    train, val = split(given, share, seed)
    assert sorted(train + val) == sorted(given)
    assert not {photo.sha256 for photo in train} & {photo.sha256 for photo in val}
    for label in range(4):
        if own[label] > 1:
            assert label in {photo.label for photo in train}
            assert label in {photo.label for photo in val}


@given(st.integers(2, 500), SHARES, SEEDS)
def test_without_copies_the_share_is_exact(count, share, seed):
    _, val = split(photos([[1] * count, [1, 1]]), share, seed)
    expected = min(max(round(share * count), 1), count - 1)
    assert sum(photo.label == 0 for photo in val) == expected


def test_seeds_differ():
    given = photos([[1] * 50, [1] * 50])
    assert len({split(given, 0.2, seed)[1] for seed in range(20)}) == 20


@given(st.integers(2, 60), SHARES, SEEDS)
def test_the_split_is_the_same_on_every_machine(count, share, seed):
    given = photos([[1] * count] * 2)
    val = split(given, share, seed)[1]
    # Nothing but a hash of seed and path decides: the lowest are held back.
    for label in (0, 1):
        paths = [photo.path for photo in given if photo.label == label]
        paths.sort(key=lambda path: hashlib.sha256(f"{seed}\n{path}".encode()).digest())
        held_back = {photo.path for photo in val if photo.label == label}
        assert held_back == set(paths[: len(held_back)])


def test_accents_split_alike_however_they_are_stored():
    def spelt(form: str) -> list[Photo]:
        names = [
            (label, n, unicodedata.normalize(form, f"{label}/café-{n}.jpg"))
            for label in (0, 1)
            for n in range(30)
        ]
        return [Photo(name, label, None, f"{label}-{n}") for label, n, name in names]

    sides = [{photo.sha256 for photo in split(spelt(form), 0.3, 1)[1]} for form in ("NFC", "NFD")]
    assert sides[0] == sides[1]


def test_one_photo_is_trained_on():
    train, val = split(photos([[1], [1, 1]]), 0.5, 0)
    assert Counter(photo.label for photo in train) == {0: 1, 1: 1}
    assert Counter(photo.label for photo in val) == {1: 1}


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_empties_a_side_is_refused(share):
    with pytest.raises(UsageError, match=f"A validation share of {share} leaves one side empty."):
        split(photos([[1, 1], [1, 1]]), share, 0)
