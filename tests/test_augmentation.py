"""Training views: random, and yet a pure function of seed, epoch and photo."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlkit.augmentation import RESIZING, cutmix, erase, mixup, shifted, strong, view
from tlkit.data import FITS, fits, see, stretch
from tlkit.errors import MissingPackage

NUMBERS = st.integers(0, 2**40)
PLAIN = {
    "area": (1.0, 1.0),
    "ratio": 1.0,
    "flip": False,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "resizing": ("phone",),
}
DOWN, ACROSS = np.mgrid[0:60, 0:90]
PHOTO = np.stack([DOWN * 4, ACROSS * 2, 255 - DOWN - ACROSS], axis=-1).astype(np.uint8)


def views(count: int = 60, size: int = 32, **ingredients) -> np.ndarray:
    return np.stack(
        [view(PHOTO, size, seed=1, epoch=0, index=index, **ingredients) for index in range(count)]
    )


@settings(deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 64), NUMBERS, NUMBERS, NUMBERS)
def test_a_view_is_a_pure_function(height, width, size, seed, epoch, index):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = pixels.copy()
    first, second = (view(pixels, size, seed=seed, epoch=epoch, index=index) for _ in range(2))
    assert first.shape == (size, size, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(pixels, before)


def test_nobody_else_draws_from_these_numbers():
    np.random.seed(3)  # noqa: NPY002
    first = views(5)
    np.random.seed(4)  # noqa: NPY002
    np.testing.assert_array_equal(views(5), first)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epoch": 1}, {"index": 1}])
def test_seed_epoch_and_photo_each_matter(changed):
    where = {"seed": 0, "epoch": 0, "index": 0}
    assert (view(PHOTO, 32, **where) != view(PHOTO, 32, **{**where, **changed})).any()


def test_without_ingredients_a_view_is_what_the_phone_sees():
    assert (views(**PLAIN) == stretch(PHOTO, 32)).all()


@pytest.mark.parametrize(
    "ingredient",
    [
        {"area": (0.3, 1.0)},
        {"ratio": 2.0, "area": (0.5, 0.5)},
        {"flip": True},
        {"brightness": 0.3},
        {"contrast": 0.3},
        {"saturation": 0.3},
        {"resizing": ("bilinear",)},
        {"resizing": ("bicubic",)},
        {"resizing": ("box",)},
        {"resizing": ("nearest",)},
    ],
    ids=str,
)
def test_each_ingredient_takes_effect(ingredient):
    assert (views(**{**PLAIN, **ingredient}) != stretch(PHOTO, 32)).any()


def test_half_of_the_views_are_mirrored():
    found = views(400, 8, **{**PLAIN, "flip": True})
    straight = (found == stretch(PHOTO, 8)).all((1, 2, 3))
    mirrored = (found == stretch(PHOTO, 8)[:, ::-1]).all((1, 2, 3))
    assert (straight ^ mirrored).all()
    assert 160 < straight.sum() < 240  # 200, four standard deviations of 10


@settings(deadline=None)
@given(NUMBERS, st.floats(0.05, 1), st.floats(0, 1), st.floats(1, 3))
def test_the_cut_has_the_area_and_ratio_asked_for(index, least, more, ratio):
    most = least + (1 - least) * more
    # A picture that tells where its pixels come from; nearest and 200 pixels keep the borders exact.
    where = np.zeros((200, 200, 3), np.uint8)
    where[..., 0], where[..., 1] = np.arange(200)[:, None], np.arange(200)
    asked = {**PLAIN, "area": (least, most), "ratio": ratio, "resizing": ("nearest",)}
    found = view(where, 200, seed=0, epoch=0, index=index, **asked).astype(int)
    high, wide = (np.ptp(found[..., axis]) + 1 for axis in (0, 1))
    assert wide * high <= most * 200**2 + 401  # each side is rounded to a pixel
    if max(wide, high) < 200:  # otherwise cut off at the picture's border
        assert wide * high >= least * 200**2 - 401
    assert max(wide / high, high / wide) <= ratio * 1.06


def test_colours_move_as_far_as_asked_and_no_further():
    grey = np.full((8, 8, 3), 100, np.uint8)
    asked = {**PLAIN, "brightness": 0.2}
    found = {int(view(grey, 4, seed=0, epoch=0, index=index, **asked)[0, 0, 0]) for index in range(300)}
    assert min(found) in (80, 81)
    assert max(found) in (119, 120)
    for still in ("contrast", "saturation"):  # there is nothing to stretch in a plain grey
        assert (view(grey, 4, seed=0, epoch=0, index=5, **{**PLAIN, still: 0.9}) == 100).all()


def test_contrast_keeps_the_mean_and_saturation_the_grey():
    weights = np.array([0.299, 0.587, 0.114])
    mild = (PHOTO // 3 + 80).astype(np.uint8)  # so that nothing is clipped
    for ingredient in ("contrast", "saturation"):
        for index in range(20):
            found = view(mild, 32, seed=0, epoch=0, index=index, **{**PLAIN, ingredient: 0.4})
            greys = found @ weights, stretch(mild, 32) @ weights
            assert abs(greys[0].mean() - greys[1].mean()) < 0.6  # rounding to whole values
            if ingredient == "saturation":
                assert abs(greys[0] - greys[1]).max() <= 1


def test_all_ways_of_resizing_are_drawn():
    ways = {way: views(1, **{**PLAIN, "resizing": (way,)})[0].tobytes() for way in RESIZING}
    assert len(set(ways.values())) == len(ways) == 5
    drawn = {found.tobytes() for found in views(200, **{**PLAIN, "resizing": RESIZING})}
    assert drawn == set(ways.values())


def test_an_ingredient_leaves_the_other_draws_alone():
    still = {**PLAIN, "resizing": ("nearest",)}
    cut = views(20, **{**still, "area": (0.3, 0.9), "ratio": 1.5})
    tinted = views(20, **{**still, "area": (0.3, 0.9), "ratio": 1.5, "flip": True})
    for plain, flipped in zip(cut, tinted, strict=True):
        assert (flipped == plain).all() or (flipped == plain[:, ::-1]).all()


@settings(deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 64), st.sampled_from(FITS))
def test_without_ingredients_a_view_is_what_the_model_sees(height, width, size, fit):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = view(pixels, size, seed=0, epoch=0, index=0, **PLAIN, fit=fit)
    np.testing.assert_array_equal(found, see(pixels, size, fit))


def test_crop_cuts_within_the_square_in_the_middle():
    outside = PHOTO.copy()
    fits.centre(outside)[:] = 0
    found = [view(outside, 32, seed=1, epoch=0, index=index, fit="crop") for index in range(60)]
    assert not np.any(found)
    assert np.any(views(60, 32, fit="crop") != views(60, 32))


@pytest.mark.parametrize("way", sorted(set(RESIZING)))
def test_pad_keeps_the_shape_of_the_cut_and_the_grey_around_it(way):
    """However a wide white picture is cut, what shows of it is as high as its shape says."""
    white = np.full((100, 300, 3), 255, np.uint8)
    asked = {
        **PLAIN,
        "area": (0.3, 1.0),
        "ratio": 2.0,
        "brightness": 0.2,
        "contrast": 0.2,
        "resizing": (way,),
    }
    shapes = set()
    for index in range(60):
        found = view(white, 60, seed=0, epoch=0, index=index, **asked, fit="pad")
        picture = (found != fits.BACKGROUND).any(2)
        rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
        block = found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert picture.sum() == block.shape[0] * block.shape[1]  # one block, the rest untouched grey
        assert max(block.shape[:2]) == 60
        shapes.add(block.shape[:2])
        # Three to one, changed by the drawn ratio and rounded to a point at either end.
        assert 60 / 3 / 2 - 2 <= min(block.shape[:2]) <= 60 / 3 * 2 + 2
    assert len(shapes) > 5


def test_a_thread_under_pad_is_grey_and_no_mistake():
    thread = np.full((1, 4000, 3), 255, np.uint8)
    for index in range(30):
        found = view(thread, 16, seed=0, epoch=0, index=index, fit="pad")
        assert found.shape == (16, 16, 3)


@pytest.mark.parametrize("fit", FITS)
def test_no_fit_changes_another_draw(fit):
    """On a square picture that is kept whole, every fit gives the same views."""
    square = PHOTO[:60, :60]
    asked = {"area": (1.0, 1.0), "ratio": 1.0, "seed": 3, "epoch": 1}
    for index in range(30):
        found = view(square, 32, index=index, **asked, fit=fit)
        np.testing.assert_array_equal(found, view(square, 32, index=index, **asked))


def test_a_view_is_the_same_on_every_machine():
    everything = {"area": (0.3, 1.0), "ratio": 1.4, "brightness": 0.3, "contrast": 0.3, "saturation": 0.3}
    pixels = hashlib.sha256()
    for index in range(60):
        pixels.update(view(PHOTO, 64, seed=5, epoch=2, index=index, resizing=RESIZING, **everything))
    # Written down on Linux, x86-64, with NumPy 2.4 and Pillow 13.0.
    assert pixels.hexdigest()[:16] == "e673fb01004beb34"


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 64),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.sampled_from(FITS),
)
def test_a_shifted_picture_is_the_models_own_moved(height, width, size, seed, epoch, index, fit):
    """By up to a tenth either way, with the pixels at a border repeated; and a pure function."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = pixels.copy()
    where = {"seed": seed, "epoch": epoch, "index": index, "fit": fit}
    found = shifted(pixels, size, **where)
    assert (found.shape, found.dtype) == ((size, size, 3), np.uint8)
    np.testing.assert_array_equal(found, shifted(pixels, size, **where))
    np.testing.assert_array_equal(pixels, before)
    most, whole = size // 10, see(pixels, size, fit)
    wider = np.pad(whole, ((most, most), (most, most), (0, 0)), mode="edge")
    moves = range(2 * most + 1)
    assert any((wider[y : y + size, x : x + size] == found).all() for y in moves for x in moves)


def test_every_shift_is_drawn_and_no_more_than_a_tenth():
    dot = np.zeros((30, 30, 3), np.uint8)
    dot[15, 15] = 255
    found = [shifted(dot, 30, seed=0, epoch=1, index=index) for index in range(600)]
    places = [tuple(np.argwhere(picture[..., 0] == 255)[0] - 15) for picture in found]
    assert set(places) == {(y, x) for y in range(-3, 4) for x in range(-3, 4)}
    changed = {"seed": 1}, {"epoch": 2}, {"index": 1}
    where = {"seed": 0, "epoch": 1, "index": 0}
    for change in changed:
        several = [
            [shifted(dot, 30, **{**one, "index": one["index"] + 10 * number}) for number in range(9)]
            for one in (where, where | change)
        ]
        assert not np.array_equal(*several)


def test_a_shift_is_the_same_on_every_machine():
    pixels = hashlib.sha256()
    for index in range(60):
        pixels.update(shifted(PHOTO, 64, seed=5, epoch=2, index=index))
    # Written down on Linux, x86-64, with NumPy 2.4.
    assert pixels.hexdigest()[:16] == "f4e583eb6587a795"


def test_a_view_needs_no_tensorflow():
    code = "import sys, tlkit.augmentation; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_strong_augmentation_varies_photos_each_in_its_own_way():
    batch = np.stack([stretch(PHOTO, 32)] * 12)
    before = batch.copy()
    found = strong()(batch)
    assert (found.shape, found.dtype) == (batch.shape, np.uint8)
    np.testing.assert_array_equal(batch, before)
    assert len({photo.tobytes() for photo in found}) > 6
    assert found.std() > 10  # neither black nor white


# Eight pictures of one colour each, and labels of eight classes.
PLAINS = np.broadcast_to(np.arange(0, 240, 30, dtype=np.uint8)[:, None, None, None], (8, 24, 32, 3)).copy()
OWN = np.eye(8, dtype="float32")


def test_mixup_blends_photos_and_labels_by_the_same_shares():
    pixels, labels = mixup(1.0)(PLAINS, OWN)
    assert (pixels.shape, pixels.dtype, labels.dtype) == (PLAINS.shape, np.uint8, np.float32)
    np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    assert ((labels > 0).sum(1) <= 2).all() and (labels.max(1) < 1).any()
    # Of one colour, the one that the labels' shares give, rounded to whole values.
    assert (pixels == pixels[:, :1, :1, :1]).all()
    np.testing.assert_allclose(pixels[:, 0, 0, 0], labels @ np.arange(0, 240, 30), atol=0.51)
    assert (PLAINS[:, 0, 0, 0] == np.arange(0, 240, 30)).all()  # the batch itself is left alone


def test_mixups_alpha_says_how_even_the_shares_are():
    """Beta(a, a): a small one leaves nearly all of one photo, a large one half of each."""
    few, many = (mixup(alpha)(PLAINS.repeat(40, 0), OWN.repeat(40, 0))[1].max(1) for alpha in (0.05, 8.0))
    assert np.median(few) > 0.99 and np.median(many) < 0.75


def test_cutmix_gives_each_photo_a_rectangle_of_another_and_labels_by_pixels():
    pixels, labels = cutmix(1.0)(PLAINS, OWN)
    assert (pixels.shape, pixels.dtype, labels.dtype) == (PLAINS.shape, np.uint8, np.float32)
    assert (labels.max(1) < 1).any()
    for number, (picture, shares) in enumerate(zip(pixels, labels, strict=True)):
        colours, counts = np.unique(picture[..., 0], return_counts=True)
        seen = np.zeros(8)
        seen[colours // 30] = counts / (24 * 32)
        np.testing.assert_allclose(shares, seen, atol=1e-6)
        pasted = picture[..., 0] != PLAINS[number, 0, 0, 0]
        rows, columns = pasted.any(1), pasted.any(0)
        assert pasted.sum() == rows.sum() * columns.sum()  # one rectangle


def test_cutmix_knows_more_photos_than_a_byte_has_numbers():
    count = 300
    numbers = np.arange(count)
    plain = np.stack([numbers % 256, numbers // 256, numbers * 0], axis=1).astype(np.uint8)
    pixels, labels = cutmix(1.0)(
        np.broadcast_to(plain[:, None, None], (count, 8, 8, 3)), np.eye(count, dtype="float32")
    )
    owners = pixels[..., :2].astype(int) @ (1, 256)
    shares = np.stack([np.bincount(owner.ravel(), minlength=count) for owner in owners]) / 64
    np.testing.assert_allclose(labels, shares, atol=1e-6)


def test_erase_blanks_out_a_rectangle_of_up_to_the_share_of_each_side():
    white = np.full((60, 40, 40, 3), 255, np.uint8)
    erased = (erase(0.4)(white) == fits.BACKGROUND).all(3)
    high, wide = erased.any(2).sum(1), erased.any(1).sum(1)
    assert (erased.sum((1, 2)) == high * wide).all() and (erased.any((1, 2))).mean() > 0.5
    assert 12 <= max(high) <= 17 and 12 <= max(wide) <= 17  # of 16, and a pixel for where it begins
    assert len(set(high.tolist())) > 5


@pytest.mark.parametrize(
    ("make", "instead"),
    [
        (strong, "--augment default"),
        (lambda: erase(0.3), "--erase 0"),
        (lambda: mixup(0.4), "--mixup 0"),
        (lambda: cutmix(0.4), "--cutmix 0"),
    ],
)
def test_augmentation_without_its_package_says_what_to_install(monkeypatch, make, instead):
    monkeypatch.setitem(sys.modules, "keras_cv.layers", None)
    with pytest.raises(
        MissingPackage,
        match=rf"needs the package keras-cv, .* Install it with pip install 'keras-cv.*, or use {instead}",
    ):
        make()
