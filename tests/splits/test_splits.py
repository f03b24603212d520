"""A split is fair to every class, keeps groups and copies together and is the same everywhere."""

import hashlib
import tracemalloc
import unicodedata
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit.data import Photo
from tlkit.errors import UsageError
from tlkit.splits import assign, folds, left_out, split

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


def test_two_files_whose_names_look_alike_have_an_order():
    twins = [
        Photo(unicodedata.normalize(form, f"é{n}"), 0, None, f"{form}{n}")
        for n in range(9)
        for form in ("NFC", "NFD")
    ]
    assert set(split(twins, 0.5, 0)[1]) == set(split(twins[::-1], 0.5, 0)[1])


def test_one_photo_is_trained_on():
    train, val = split(photos([[1], [1, 1]]), 0.5, 0)
    assert Counter(photo.label for photo in train) == {0: 1, 1: 1}
    assert Counter(photo.label for photo in val) == {1: 1}


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_empties_a_side_is_refused(share):
    with pytest.raises(UsageError, match=f"A validation share of {share} leaves one side empty."):
        split(photos([[1, 1], [1, 1]]), share, 0)


TWO, THREE = {"val": 0.2}, {"val": 0.2, "test": 0.1}
# Shares of up to two splits beside train, in hundredths.
SHARINGS = st.lists(st.integers(1, 48), min_size=1, max_size=2).map(
    lambda parts: {name: part / 100 for name, part in zip(("val", "test"), parts, strict=False)}
)
FIXED = st.sampled_from([None, None, None, "train", "val", "test"])


def grouped(classes: list[list[int]], *, of: int = 0) -> list[Photo]:
    """As `photos`, but every photo its own content, and kept together by a group's number alone."""
    return [
        photo._replace(sha256=photo.path, group=of + 1000 * photo.label + int(photo.sha256.split(":")[1]))
        for photo in photos(classes)
    ]


@st.composite
def folders(draw) -> list[Photo]:
    """Photos of up to five classes in units that any number of them share, some placed before."""
    rows = draw(
        st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 12), st.integers(0, 60), FIXED), max_size=50)
    )
    return [
        Photo(f"{label}/{n}.jpg", label, split, f"s{content}", group)
        for n, (label, group, content, split) in enumerate(rows)
    ]


def joined(given: list[Photo]) -> list[set[int]]:
    """The places of photos that stay together, found by a plain search."""
    left, found = set(range(len(given))), []
    while left:
        unit, edge = set(), [left.pop()]
        while edge:
            place = edge.pop()
            unit.add(place)
            alike = {
                other
                for other in left
                if given[other].sha256 == given[place].sha256
                or given[other].group == given[place].group != -1
            }
            left -= alike
            edge += alike
        found.append(unit)
    return found


@given(folders(), SHARINGS, SEEDS)
def test_no_unit_is_parted_and_no_placed_photo_moves(given, shares, seed):
    sides = assign(given, shares, seed)
    assert len(sides) == len(given)
    for unit in joined(given):
        before = {given[place].split for place in unit} - {None}
        free = {sides[place] for place in unit if given[place].split is None}
        assert all(sides[place] == given[place].split for place in unit if given[place].split)
        if len(before) > 1:
            assert free <= {None}  # it would join both
        elif before:
            assert free <= before
        else:
            assert len(free) == 1 and free <= {"train", *shares}


@given(folders(), SHARINGS, SEEDS)
def test_what_joins_two_splits_is_named_with_what_it_would_join(given, shares, seed):
    sides = assign(given, shares, seed)
    named = left_out(given, sides)
    assert [photo for photo, _ in named] == [p for p, side in zip(given, sides, strict=True) if side is None]
    units = {given[place]: unit for unit in joined(given) for place in unit}
    for photo, there in named:
        assert len({other.split for other in there}) == len(there) > 1
        assert all(units[other] == units[photo] for other in there)


@given(folders(), SHARINGS, SEEDS, st.randoms())
def test_neither_order_nor_numbering_matters(given, shares, seed, random):
    numbers = random.sample(range(100), 14)
    other = [photo._replace(group=numbers[photo.group] if photo.group >= 0 else -1) for photo in given]
    random.shuffle(other)
    first = {photo.path: side for photo, side in zip(given, assign(given, shares, seed), strict=True)}
    again = {photo.path: side for photo, side in zip(other, assign(other, shares, seed), strict=True)}
    assert first == again
    if len(joined(given)) > 1:
        one = {p.path: fold for p, fold in zip(given, folds(given, 2, seed), strict=True)}
        assert one == {p.path: fold for p, fold in zip(other, folds(other, 2, seed), strict=True)}


@given(CLASSES, SHARINGS, SEEDS)
def test_every_split_is_right_to_within_one_group(classes, shares, seed):
    given = grouped(classes)
    counts = Counter(zip((p.label for p in given), assign(given, shares, seed), strict=True))
    for label, groups in enumerate(classes):
        total, largest = sum(groups), max(groups)
        for side, share in shares.items():
            assert abs(counts[label, side] - share * total) <= largest
        # Of three, train pays for a split that has a unit only so as not to be empty.
        pays = len(shares) == 2 and min(shares.values()) * total <= largest / 2
        off = abs(counts[label, "train"] - (1 - sum(shares.values())) * total)
        assert off <= largest * (1 + pays) + 1e-9


@given(CLASSES, SHARINGS, SEEDS)
def test_a_class_with_enough_groups_is_in_every_split(classes, shares, seed):
    given = grouped(classes)
    there = set(zip((p.label for p in given), assign(given, shares, seed), strict=True))
    by_share = ["train", *sorted(shares, key=lambda name: -shares[name])]
    for label, groups in enumerate(classes):
        for side in by_share[: len(groups)]:
            assert (label, side) in there
        for side in by_share[len(groups) :]:
            assert (label, side) not in there


def patients(random: Random) -> list[Photo]:
    """5 to 60 patients with photos of up to four of 2 to 8 classes."""
    classes = random.randint(2, 8)
    return [
        Photo(f"{label}/{patient}-{n}.jpg", label, None, "", patient)
        for patient in range(random.randint(5, 60))
        for label in random.sample(range(classes), random.randint(1, min(4, classes)))
        for n in range(random.randint(1, 6))
    ]


@pytest.mark.parametrize("shares", [TWO, THREE], ids=["two", "three"])
def test_groups_of_several_classes_come_within_two_groups(shares):
    off, absent, expected = [], 0, 0
    for number in range(100):
        given = patients(Random(number))
        sides = assign(given, shares, number)
        counts = Counter(zip((photo.label for photo in given), sides, strict=True))
        groups = Counter((photo.label, photo.group) for photo in given)
        for label in {photo.label for photo in given}:
            sizes = [size for (of, _), size in groups.items() if of == label]
            assert counts[label, "train"]
            for side, share in (*shares.items(), ("train", 1 - sum(shares.values()))):
                off.append(abs(counts[label, side] - share * sum(sizes)) / max(sizes))
                absent += len(sizes) > len(shares) and not counts[label, side]
                expected += len(sizes) > len(shares)
    # What the docstring of `assign` says.
    assert max(off) <= 2
    assert sum(one <= 1 for one in off) >= 0.98 * len(off)
    assert absent <= 0.005 * expected


@given(CLASSES, CLASSES, st.lists(st.sampled_from(["train", "val", "test"]), min_size=130), SEEDS)
def test_added_photos_bring_every_class_as_near_as_one_move_can(before, added, placed, seed):
    old = [
        photo._replace(split=placed[place], path="old" + photo.path, group=-1, sha256="")
        for place, photo in enumerate(grouped(before)[: len(placed)])
    ]
    given = old + grouped(added)
    sides = assign(given, THREE, seed)
    counts = Counter(zip((p.label for p in given), sides, strict=True))
    for label, groups in enumerate(added):
        total = sum(counts[label, split] for split in ("train", "val", "test"))
        wanted = {split: round(share * total) for split, share in THREE.items()}
        wanted["train"] = total - sum(wanted.values())
        if min(wanted.values()) < 1:
            continue  # too few to be shared out as asked
        lack = {split: wanted[split] - counts[label, split] for split in wanted}
        where = {(p.label, p.group): side for p, side in zip(given, sides, strict=True) if p.group >= 0}
        for number, size in enumerate(groups):
            here = where[label, 1000 * label + number]
            if counts[label, here] > size:  # the last one of its class stays
                assert all(lack[there] - lack[here] <= size for there in wanted)


@given(CLASSES, SHARINGS, SEEDS)
def test_a_new_class_is_split_as_if_it_were_alone(classes, shares, seed):
    given, last = grouped(classes), len(classes) - 1
    new = [photo for photo in given if photo.label == last]
    old = [p._replace(split=("train", "val")[n % 2]) for n, p in enumerate(given) if p.label < last]
    assert assign(old + new, shares, seed)[len(old) :] == assign(new, shares, seed)


def test_a_given_test_split_takes_nothing_from_the_shares():
    given = [Photo(f"{n}.jpg", n % 2, "test" if n < 60 else None, str(n)) for n in range(160)]
    assert Counter(assign(given, TWO, 0)) == {"test": 60, "train": 80, "val": 20}
    # But a copy of one of its photos follows it, rather than being learnt by heart.
    assert assign([*given, Photo("copy.jpg", 0, None, "3")], TWO, 0)[-1] == "test"


def test_photos_of_unknown_content_are_not_copies_of_each_other():
    given = [Photo(f"{label}/{n}", label, None, "") for label in range(2) for n in range(10)]
    assert Counter(assign(given, TWO, 0)) == {"train": 16, "val": 4}


def test_no_photos_have_no_splits():
    assert assign([], TWO, 0) == []
    assert left_out([], []) == []


@given(CLASSES, st.integers(2, 6), SEEDS)
def test_folds_are_alike_in_every_class(classes, count, seed):
    given = grouped(classes)
    groups = sum(map(len, classes))
    if groups < count:
        with pytest.raises(UsageError):
            folds(given, count, seed)
        return
    found = folds(given, count, seed)
    assert len(found) == len(given) and set(found) == set(range(count))
    assert len({(photo.group, fold) for photo, fold in zip(given, found, strict=True)}) == groups
    for label, sizes in enumerate(classes):
        counts = Counter(fold for photo, fold in zip(given, found, strict=True) if photo.label == label)
        number = [counts[fold] for fold in range(count)]
        assert max(number) - min(number) <= max(sizes)
        assert min(number) > 0 or len(sizes) < count


@given(folders(), st.integers(2, 4), SEEDS)
def test_folds_part_no_unit(given, count, seed):
    units = joined(given)
    if len(units) < count:
        return
    found = folds(given, count, seed)
    assert len(found) == len(given) and set(found) <= set(range(count))
    assert all(len({found[place] for place in unit}) == 1 for unit in units)


def test_small_classes_fill_the_folds_in_turn():
    given = [Photo(f"{label}/{n}", label, None, "") for label in range(50) for n in range(3)]
    assert set(Counter(folds(given, 5, 0)).values()) <= {29, 30, 31}


@pytest.mark.parametrize("shares", [{"val": 0.0}, {"val": 0.2, "test": -0.1}, {"val": 0.6, "test": 0.4}])
def test_shares_that_empty_a_split_are_refused(shares):
    with pytest.raises(UsageError, match=r"leaves? (one side empty|no photo to train on)\."):
        assign(photos([[1, 1], [1, 1]]), shares, 0)


def test_folds_that_would_be_empty_are_refused():
    given = grouped([[3, 1], [1]])
    with pytest.raises(UsageError, match=r"1 folds are no cross-validation\. Use 2 or more\."):
        folds(given, 1, 0)
    with pytest.raises(UsageError, match=r"6 folds are more than the 5 photos\."):
        folds(given, 6, 0)
    with pytest.raises(UsageError, match=r"4 folds are more than the 3 groups that the 5 photos fall into\."):
        folds(given, 4, 0)


@pytest.mark.parametrize("several", [False, True], ids=["one class a group", "several"])
def test_many_photos_take_little_memory(several):
    random = Random(0)
    given = [
        Photo(f"{n % 99}/{n}.jpg", random.randrange(99) if several else n % 99, None, f"{n:064}", n // 3)
        for n in range(10_000)
    ]
    tracemalloc.start()
    sides = assign(given, THREE, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300 * len(given)  # bytes a photo: 300 MB for a million
    assert abs(Counter(sides)["val"] - 2_000) < 100
