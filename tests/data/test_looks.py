"""One look at a file tells its hash, its size and what its pixels are like."""

import hashlib
import io

import imagehash
import numpy as np
import pytest
from PIL import Image

from tlkit.data import Unreadable
from tlkit.data.looks import FORMS, LOOK, look
from tlkit.data.photos import read


def stored(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


@pytest.fixture
def brick(textures) -> bytes:
    return (textures / "train/brick/brick-09.jpg").read_bytes()


def test_what_is_told_of_a_photo(textures, brick):
    row = look(brick, "x")
    pixels = read(textures / "train/brick/brick-09.jpg")
    assert row.dtype == LOOK
    assert row["sha256"].tobytes() == hashlib.sha256(brick).digest()
    assert (FORMS[row["form"]], row["bytes"]) == ("JPEG", len(brick))
    assert (row["height"], row["width"]) == pixels.shape[:2]
    luma = np.asarray(Image.fromarray(pixels).convert("L"), float)
    assert row["brightness"] == pytest.approx(luma.mean())
    assert row["contrast"] == pytest.approx(luma.std())
    assert row["colour"] == pytest.approx((pixels.max(2).astype(float) - pixels.min(2)).mean())
    assert not row["turned"] and not row["animated"] and row["taken"] == 0


def test_the_perceptual_hash_is_imagehash_s(brick):
    words = look(brick, "x")["hash"]
    theirs = imagehash.phash(Image.open(io.BytesIO(brick)), 16).hash
    bits = np.unpackbits(words.astype(">u8").view(np.uint8)).astype(bool)
    low = np.zeros((16, 16), bool)
    low[:8, :8] = True
    assert (bits[:64] == theirs[:8, :8].ravel()).all()
    assert (bits[64:] == theirs[~low]).all()
    assert 60 < theirs.sum() < 196


def test_sharpness_falls_with_blur(textures, brick):
    from PIL import ImageFilter

    photo = Image.open(io.BytesIO(brick)).convert("RGB")
    found = [
        look(stored(np.asarray(photo.filter(ImageFilter.GaussianBlur(radius)))), "x")["sharpness"]
        for radius in (0, 1, 2, 4)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 20 * found[3] > 0


def test_a_large_photo_is_measured_as_its_small_copy_is(brick):
    small = Image.open(io.BytesIO(brick)).convert("RGB")
    large = small.resize((small.width * 16, small.height * 16), Image.Resampling.BICUBIC)
    ours, theirs = look(stored(np.asarray(large)), "x"), look(stored(np.asarray(small)), "x")
    assert ours["brightness"] == pytest.approx(theirs["brightness"], abs=1)
    differing = np.bitwise_count(ours["hash"] ^ theirs["hash"])
    assert differing[0] <= 4 and differing.sum() <= 24


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (4000, 3), (2, 2), (1, 700)])
def test_odd_shapes(shape):
    row = look(stored(np.full((*shape, 3), 77, np.uint8)), "x")
    assert (row["height"], row["width"]) == shape
    assert row["brightness"] == 77 and row["contrast"] == 0 and row["sharpness"] == 0


def test_a_turned_photo_is_told_by_its_upright_size():
    exif = Image.Exif()
    exif[0x0112] = 6
    row = look(stored(np.zeros((10, 30, 3), np.uint8), "JPEG", exif=exif), "x")
    assert row["turned"] and (row["width"], row["height"]) == (10, 30)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_told(form):
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue", "lime")]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    assert look(file.getvalue(), "x")["animated"]
    assert not look(stored(np.zeros((9, 9, 3), np.uint8), form), "x")["animated"]


def test_what_is_no_picture_is_refused():
    with pytest.raises(Unreadable, match="not a picture"):
        look(b"no picture at all", "x")
