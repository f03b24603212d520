"""What the number of photos decides where nobody did: counts alone."""

from typing import NamedTuple

import pytest

from tlkit import recipe
from tlkit.data import Photo
from tlkit.errors import UsageError
from tlkit.run import sizing
from tlkit.weights import catalogue
from tlkit.weights.entries import Weights


def photos(a_class: int, classes: int = 2) -> list[Photo]:
    return [Photo(f"{n}.jpg", n % classes, "train", f"{n:064}") for n in range(a_class * classes)]


def sized(a_class: int, **given):
    done, notes = sizing.sized(recipe.load(**given), photos(a_class))
    return done.epochs, done.views, notes


def test_few_photos_get_the_head_alone_on_many_views_and_the_run_says_so():
    told = "8 photos a class: the head alone, on 16 views of each (by size; --epochs and --views decide "
    assert sized(8) == (0, 16, (f"{told}otherwise).",))
    assert sized(10)[:2] == (0, 16) and sized(11) == (5, 3, ())
    uneven = [*photos(2), *(Photo(f"{n}", 0, "train", "") for n in range(100, 117))]  # 21 of two classes
    assert sizing.sized(recipe.load(), uneven)[0].epochs == 5


def test_a_large_set_gets_one_view_and_fewer_epochs_and_the_run_says_so():
    told = "20,002 photos to train on: 3 epochs, the head on 1 view of each "
    assert sized(10_001) == (3, 1, (f"{told}(by size; --epochs and --views decide otherwise).",))
    assert sized(10_000) == (5, 1, ())


@pytest.mark.parametrize(
    ("a_class", "views"), [(11, 3), (1000, 3), (2000, 3), (2001, 2), (4000, 2), (4001, 1)]
)
def test_varied_views_are_8000_at_the_most(a_class, views):
    assert sized(a_class)[1] == views


def test_what_is_given_stays_and_is_not_told_as_chosen():
    assert sized(8, epochs=3) == (
        3, 16, ("8 photos a class: the head on 16 views of each (by size; --views decides otherwise).",)
    )  # fmt: skip
    assert sized(8, views=2) == (
        0, 2, ("8 photos a class: the head alone (by size; --epochs decides otherwise).",)
    )  # fmt: skip
    assert sized(8, epochs=3, views=2) == (3, 2, ())
    assert sized(8, unfreeze_from="none")[0] == sized(8, batch_norm="recalibrate")[0] == 0


@pytest.mark.parametrize(
    "given",
    [
        {"unfreeze_from": "stage4"},
        {"batch_norm": "train"},
        {"learning_rate": 1e-4},
        {"mixup": 0.2},
        {"ema": 0.9},
    ],
    ids=str,
)
def test_who_says_how_to_fine_tune_gets_it_however_few_the_photos(given):
    assert sized(8, **given) == (5, 3, ())


def test_from_scratch_no_size_and_no_views():
    for a_class in (8, 20_000):
        assert sized(a_class, weights="none") == (5, 1, ())
    assert sized(8, weights="none", epochs=2)[0] == 2
    with pytest.raises(UsageError, match="views is 3: a head is solved on views, and from scratch none is"):
        sizing.check(recipe.load(weights="none", views=3))


def test_photos_that_do_not_vary_have_one_view():
    assert sized(8, augment="none") == (
        0, 1, ("8 photos a class: the head alone (by size; --epochs decides otherwise).",)
    )  # fmt: skip
    with pytest.raises(UsageError, match="views is 4 and augment is none: all views of a photo would be"):
        sizing.check(recipe.load(augment="none", views=4))
    for given in ({}, {"views": 4}, {"augment": "none"}, {"augment": "none", "views": 1}):
        sizing.check(recipe.load(**given))


def test_what_was_sized_is_a_recipe_that_runs_again():
    for given in ({}, {"augment": "none"}, {"weights": "none"}):
        done, _ = sizing.sized(recipe.load(**given), photos(8))
        sizing.check(done)
        assert sizing.sized(done, photos(8)) == (done, ())


@pytest.mark.parametrize(
    ("backbone", "side"),
    [("efficientnet_lite0", 256), ("resnet50", 224), ("efficientnet_b7", 640), ("inception_v3", 352)],
)
def test_a_whole_photo_is_shown_as_large_as_the_published_evaluation_did(backbone, side):
    class Set(NamedTuple):
        entry: Weights

    assert sizing.side(Set(catalogue.default(backbone))) == side
