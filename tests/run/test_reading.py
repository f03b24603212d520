"""What a batch is: which photos, in which view, mixed or not, and with which labels."""

from pathlib import Path

import numpy as np
import pytest

from tlkit import data, recipe
from tlkit.run import reading
from tlkit.run.reading import Reading

SIZE, BATCH = 32, 6


@pytest.fixture(scope="module")
def found(textures):
    """24 photos to train on, of three classes: eight of each."""
    folder = data.scan(textures)
    photos = [photo for photo in folder.photos if photo.split == "train"]
    return Path(folder.root), photos[:8] + photos[24:32] + photos[48:56]


def epoch(found, number=1, photos=None, **settings):
    """The batches of an epoch: pixels, and labels."""
    root, those = found
    read = Reading(root, recipe.load(**settings), SIZE, 3)
    photos = photos or those
    order = read.order(number, reading.labels(photos), BATCH)
    rows = [*read.shuffled(photos, order, number, BATCH)]
    return np.stack([pixels for pixels, _ in rows]), np.stack([labels for _, labels in rows])


def same(one, two) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_by_default_seed_and_epoch_decide_all_that_is_seen(found):
    first = epoch(found)
    assert first[0].shape == (4, BATCH, SIZE, SIZE, 3) and first[1].shape == (4, BATCH)
    assert same(first, epoch(found))
    assert not same(first, epoch(found, number=2)) and not same(first, epoch(found, seed=1))


@pytest.mark.parametrize(
    "settings", [{"augment": "strong"}, {"mixup": 0.4}, {"cutmix": 1.0}, {"erase": 0.5}], ids=str
)
def test_what_keras_cv_varies_differs_between_two_runs_of_one_seed(found, settings):
    """As is told of such runs: `reading.repeatable`."""
    one, two = epoch(found, **settings), epoch(found, **settings)
    assert not np.array_equal(one[0], two[0])
    assert not reading.repeatable(recipe.load(**settings)) and reading.repeatable(recipe.load())
    mixed = "mixup" in settings or "cutmix" in settings
    assert one[1].shape == ((4, BATCH, 3) if mixed else (4, BATCH))
    assert not np.array_equal(one[0], epoch(found)[0])


def test_with_two_ways_of_mixing_the_seed_says_which_a_batch_gets(found):
    root, photos = found

    def which(seed: int, number: int) -> list[int]:
        read = Reading(root, recipe.load(mixup=0.4, cutmix=1.0, seed=seed), SIZE, 3)
        # Each marks its batches.
        read.mixers = [lambda pixels, labels, way=way: (pixels, labels * 0 + way) for way in (0, 1)]
        order = read.order(number, reading.labels(photos), 2)
        return [int(labels[0, 0]) for _, labels in read.shuffled(photos, order, number, 2)]

    assert set(which(0, 0)) == {0, 1}
    assert which(0, 0) == which(0, 0) != which(0, 1) and which(1, 0) != which(0, 0)


def test_drawn_classes_come_equally_often_and_a_photo_again_in_another_view(found):
    root, photos = found
    few = photos[:8] + photos[8:10]
    pixels, labels = epoch(found, photos=few * 1, balance="sample", augment="default")
    assert np.bincount(labels.ravel()).tolist() == [3, 3]
    rare = pixels[labels == 1]
    assert len({picture.tobytes() for picture in rare}) == 3  # two photos, one of them in two views
    plain = epoch(found, photos=few, balance="sample", augment="none")
    assert len({picture.tobytes() for picture in plain[0][plain[1] == 1]}) == 2
    assert same(epoch(found, photos=few, balance="sample"), epoch(found, photos=few, balance="sample"))


def test_only_unchanged_views_may_be_kept(found):
    root, _ = found

    def plain(**settings) -> bool:
        return Reading(root, recipe.load(**settings), SIZE, 3).plain

    assert plain() and plain(balance="loss") and plain(balance="sample", augment="none")
    assert not plain(balance="sample") and not plain(mixup=0.4) and not plain(erase=0.2)


def test_losses_are_weighed_where_classes_are_not_drawn_alike(found):
    root, photos = found
    few = photos[:8] + photos[8:10]

    def weights(mode: str) -> list:
        read = Reading(root, recipe.load(balance=mode), SIZE, 3)
        return [
            None if row is None else row.tolist() for row in (read.weights(few), read.weights_in_order(few))
        ]

    alike = [0.625, 2.5, 0]
    assert weights("none") == [None, None]
    assert weights("loss") == [alike, alike]
    assert weights("sample") == [alike, None]  # a head is solved on each photo once
