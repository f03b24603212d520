"""Do pixels look like pixels? Builders take RGB 0–255; scaled ones train badly without an error."""

import warnings
from typing import Any

import keras
import numpy as np


class PixelWarning(UserWarning):
    """A batch looks as if it had been scaled before."""


def check_pixels(batch: Any) -> None:
    """Warn if a batch of photographs looks scaled to 0–1 or −1–1 instead of 0–255.

    Takes (batch, height, width, channels) or one photograph, an array or a tensor of any number type.
    One in which every pixel is 0 says nothing. Warns with `PixelWarning`; Python shows the same
    warning once for a place in the code.

    >>> check_pixels(np.full((1, 8, 8, 3), 200, "uint8"))
    """
    told = looks_scaled(batch)
    if told:
        warnings.warn(told, PixelWarning, stacklevel=2)


def looks_scaled(batch: Any) -> str | None:
    """What is odd about the pixels of a batch, in a sentence; None: nothing."""
    values = np.asarray(keras.ops.convert_to_numpy(batch))
    if not values.size or not values.any():
        return None
    low, high = float(values.min()), float(values.max())
    if not (high <= 1 and low >= -1):  # NaN is none of this
        return None
    span = "0 to 1" if low >= 0 else "−1 to 1"
    return (
        f"These pixels lie within {span} ({low:.3g} to {high:.3g}); tlkit's networks take 0 to 255 and scale "
        "them inside. Give them unscaled, or build with include_preprocessing=False."
    )
