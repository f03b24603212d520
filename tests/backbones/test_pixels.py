"""Pixels that look scaled are warned of, and no others."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_golden import picture

from tlkit.backbones import PixelWarning, check_pixels

PHOTO = picture(32)[None]


@pytest.mark.parametrize(
    ("batch", "span"),
    [
        (PHOTO / 255, "0 to 1"),
        ((PHOTO / 255).astype("float16"), "0 to 1"),
        (PHOTO / 127.5 - 1, "−1 to 1"),
        (PHOTO // PHOTO.max(), "0 to 1"),
        (keras.ops.convert_to_tensor(PHOTO / 255), "0 to 1"),
        (PHOTO[0] / 255, "0 to 1"),
    ],
)
def test_scaled_pixels_are_told(batch, span):
    with pytest.warns(PixelWarning, match=f"These pixels lie within {span} .* take 0 to 255 and scale"):
        check_pixels(batch)


@pytest.mark.parametrize(
    "batch",
    [
        PHOTO,
        PHOTO.astype("float32"),
        PHOTO.astype("float32") - 120,
        PHOTO * 0,
        PHOTO[:0],
        PHOTO // 30,
        PHOTO * np.nan,
    ],
    ids=["uint8", "float", "centred", "black", "empty", "very dark", "not a number"],
)
def test_others_are_not(batch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_pixels(batch)


@given(st.integers(2, 255), st.integers(0, 1))
def test_one_pixel_above_1_tells_that_they_are_not_scaled(value, rest):
    batch = np.full((1, 4, 4, 3), rest, "uint8")
    batch[0, 2, 1, 0] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_pixels(batch)
