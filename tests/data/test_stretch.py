"""The square that a model sees is the square that a phone sees."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlkit.data import stretch

SIDES = st.integers(1, 90)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def thirty_seconds(length: int, size: int, place: int) -> tuple[int, int, int]:
    """Two neighbours and the way between them in 1/32 pixel, in whole numbers, halves to even."""
    way, rest = divmod(64 * place * length, 2 * size)
    way += rest > size or (rest == size and way % 2)
    first = min(way // 32, length - 1)
    return first, min(first + 1, length - 1), way % 32


def by_hand(pixels: np.ndarray, size: int) -> np.ndarray:
    """Bilinear in whole numbers, a pixel at a time, halves up."""
    result = np.empty((size, size, 3), np.uint8)
    values = pixels.astype(int)
    for row in range(size):
        above, below, down = thirty_seconds(pixels.shape[0], size, row)
        for column in range(size):
            left, right, across = thirty_seconds(pixels.shape[1], size, column)
            upper = values[above, left] * (32 - across) + values[above, right] * across
            lower = values[below, left] * (32 - across) + values[below, right] * across
            result[row, column] = (upper * (32 - down) + lower * down + 512) // 1024
    return result


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.integers(1, 40), st.integers(0, 99))
def test_stretch_is_bilinear_in_thirty_seconds_of_a_pixel(height, width, size, seed):
    pixels = noise(height, width, seed)
    np.testing.assert_array_equal(stretch(pixels, size), by_hand(pixels, size))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 300))
def test_geometry_is_that_of_tensorflows_resize_bilinear(height, width, size):
    import tensorflow as tf

    pixels = noise(height, width)
    theirs = tf.compat.v1.image.resize_bilinear(
        pixels[None].astype(np.float32), (size, size), align_corners=False, half_pixel_centers=False
    )
    # A coordinate is off by up to 1/64 pixel in each direction, across a step of up to 255; then rounding.
    assert abs(stretch(pixels, size) - theirs[0].numpy()).max() <= 2 * 255 / 64 + 0.5


@given(SIDES, SIDES, st.integers(0, 255), st.integers(1, 60))
def test_a_plain_picture_stays_plain(height, width, value, size):
    assert (stretch(np.full((height, width, 3), value, np.uint8), size) == value).all()


@given(SIDES)
def test_a_picture_of_the_right_size_is_not_touched(size):
    np.testing.assert_array_equal(stretch(noise(size, size), size), noise(size, size))


def test_views_of_other_arrays_are_taken():
    pixels = noise(30, 40)
    np.testing.assert_array_equal(stretch(pixels[:, ::-1], 16), stretch(pixels[:, ::-1].copy(), 16))


@pytest.fixture(scope="module")
def phone():
    """See a picture through MediaPipe's own classifier, of which each class is one value of its input."""
    import tensorflow as tf
    from mediapipe import Image, ImageFormat
    from mediapipe.tasks.python import BaseOptions, vision

    def see(pixels: np.ndarray, size: int) -> np.ndarray:
        if size not in classifiers:
            values = tf.function(lambda x: tf.reshape(tf.cast(x, tf.float32), [1, size * size * 3]))
            concrete = values.get_concrete_function(tf.TensorSpec([1, size, size, 3], tf.uint8))
            model = tf.lite.TFLiteConverter.from_concrete_functions([concrete], values).convert()
            options = vision.ImageClassifierOptions(BaseOptions(model_asset_buffer=model), max_results=-1)
            classifiers[size] = vision.ImageClassifier.create_from_options(options)
        seen = classifiers[size].classify(Image(ImageFormat.SRGB, np.ascontiguousarray(pixels)))
        result = np.zeros(size * size * 3)
        for category in seen.classifications[0].categories:
            result[category.index] = category.score
        return result.reshape(size, size, 3)

    classifiers: dict = {}
    yield see
    for classifier in classifiers.values():
        classifier.close()


@pytest.mark.parametrize("size", [8, 97, 224, 260])
@pytest.mark.parametrize("height, width", [(375, 500), (7, 5), (33, 513), (1, 1), (481, 334), (1200, 30)])
def test_stretch_is_mediapipes_byte_for_byte(phone, height, width, size):
    pixels = noise(height, width)
    np.testing.assert_array_equal(stretch(pixels, size), phone(pixels, size))


@pytest.mark.parametrize("size", [64, 192])
def test_halfway_coordinates_are_a_thirty_second_off_at_most(phone, size):
    for height, width in ((101, 333), (481, 55)):
        pixels = noise(height, width)
        # Off by 1/32 pixel in each direction, across a step of up to 255.
        assert abs(stretch(pixels, size) - phone(pixels, size)).max() <= 2 * 255 / 32 + 1


def test_stretch_needs_no_tensorflow():
    code = "import sys, tlkit.data; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
