"""Each fit is `stretch` of a picture that was cut or laid on grey first, and costs what it says."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlkit.data import FITS, fits, see, stretch

SIDES = st.integers(1, 90)
SIZES = st.integers(1, 48)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def laid_out(pixels: np.ndarray) -> np.ndarray:
    """The picture in the middle of a grey square, in memory."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 127, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


@given(SIDES, SIDES, SIZES)
def test_stretch_is_the_default_and_sees_the_whole_picture(height, width, size):
    pixels = noise(height, width)
    np.testing.assert_array_equal(see(pixels, size), stretch(pixels, size))
    np.testing.assert_array_equal(see(pixels, size, "stretch"), stretch(pixels, size))


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, SIZES)
def test_pad_is_the_picture_laid_on_a_grey_square(height, width, size):
    pixels = noise(height, width)
    np.testing.assert_array_equal(see(pixels, size, "pad"), stretch(laid_out(pixels), size))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(200, 3000), st.booleans(), SIZES)
def test_pad_of_a_thread_is_no_different(short, long, upright, size):
    pixels = noise(*((long, short) if upright else (short, long)))
    np.testing.assert_array_equal(see(pixels, size, "pad"), stretch(laid_out(pixels), size))


@given(SIDES, SIDES, SIZES)
def test_crop_is_the_square_in_the_middle(height, width, size):
    pixels = noise(height, width)
    cut = fits.centre(pixels)
    side = min(height, width)
    assert cut.shape == (side, side, 3)
    rest = pixels.shape[0] - side, pixels.shape[1] - side
    top, left = rest[0] // 2, rest[1] // 2  # an odd pixel more is cut away at the end
    np.testing.assert_array_equal(cut, pixels[top : top + side, left : left + side])
    np.testing.assert_array_equal(see(pixels, size, "crop"), stretch(cut, size))


@given(SIDES, SIZES)
def test_a_square_is_seen_alike_through_every_fit(side, size):
    pixels = noise(side, side)
    seen = [see(pixels, size, fit) for fit in FITS]
    assert all((one == seen[0]).all() for one in seen)


@given(SIDES, SIDES, SIZES)
def test_the_window_holds_all_that_pad_shows_of_the_picture(height, width, size):
    shown = see(np.full((height, width, 3), 255, np.uint8), size, "pad")[..., 0] != fits.BACKGROUND
    rows, columns = fits.window(height, width, size)
    inside = np.zeros_like(shown)
    inside[rows, columns] = True
    assert not (shown & ~inside).any()
    # And at either end one that sees it from less than a pixel off, or at a way of 0.
    side = max(height, width)
    near = 1 + size / side
    assert rows.stop - rows.start <= height * size / side + near
    assert columns.stop - columns.start <= width * size / side + near


@given(SIDES, SIDES)
def test_what_is_lost_is_counted_in_pixels(width, height):
    white = np.ones((height, width, 3), np.uint8) * 255
    cut = fits.centre(white)
    assert fits.lost(width, height, "crop") == pytest.approx(1 - cut.size / white.size)
    assert fits.lost(width, height, "pad") == pytest.approx((laid_out(white) == 127).mean())
    assert fits.lost(width, height, "stretch") == pytest.approx(1 - min(width, height) / max(width, height))


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("shape", [(60_000, 3), (3, 60_000)])
def test_a_long_picture_needs_little_memory(fit, shape):
    code = (
        "import resource, numpy as np; from tlkit.data import see;"
        f"pixels = np.full({shape} + (3,), 255, np.uint8);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        f"found = see(pixels, 224, {fit!r});"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(after - before, found.min(), found.max())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, least, most = map(int, done.stdout.split())
    assert grown < 16 * 1024  # KiB; the square would be 10 GiB
    assert (least, most) == ((255, 255) if fit == "crop" else (127, 255))
