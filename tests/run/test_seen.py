"""The sheet shows what the network is fed."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit import data
from tlkit.data import Photo
from tlkit.run import gate, seen


@pytest.fixture
def photos(tmp_path) -> tuple[Photo, ...]:
    """Wide pictures of one colour each, with a white bar at the left."""
    made = []
    for number in range(20):
        pixels = np.full((40, 100, 3), (number * 12, 255 - number * 12, 90), np.uint8)
        pixels[:, :20] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        digest = hashlib.sha256((tmp_path / f"{number}.png").read_bytes()).hexdigest()
        made.append(Photo(f"{number}.png", number % 2, None, digest))
    return tuple(made)


def tiles(content: bytes, size: int) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    pixels, step = np.asarray(image).astype(int), size + seen.GAP
    return [
        pixels[top : top + size, left : left + size]
        for top in range(0, image.height, step)
        for left in range(0, image.width, step)
    ]


@pytest.mark.parametrize("fit", data.FITS)
def test_sixteen_photos_are_shown_as_the_network_sees_them(tmp_path: Path, photos, fit):
    found = tiles(seen.sheet(tmp_path, photos, 64, fit), 64)
    shown = gate.spread(photos, 16)
    assert len(found) == len(shown) == 16
    assert {photo.label for photo in shown} == {0, 1}
    for tile, photo in zip(found, shown, strict=True):
        expected = data.see(data.read(tmp_path / photo.path), 64, fit)
        assert abs(tile - expected).mean() < 3  # a JPEG


@pytest.mark.parametrize(("count", "shape"), [(1, (32, 32)), (3, (32, 112)), (6, (72, 152))])
def test_fewer_photos_make_a_smaller_sheet(tmp_path, photos, count, shape):
    image = Image.open(io.BytesIO(seen.sheet(tmp_path, photos[:count], 32, "pad")))
    assert (image.height, image.width) == shape
