"""Every kind of picture file becomes the pixels a viewer shows."""

import base64
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from tlkit.data import Unreadable, photos, read
from tlkit.errors import DataError, UsageError

RNG = np.random.default_rng(3)
TEXTURE = Path(__file__).parents[2] / "data/textures/train/gravel/gravel-01.jpg"
# Smooth enough for lossy formats, different in every corner and channel.
DOWN, ACROSS = np.mgrid[0:48, 0:64]
COLOUR = np.stack([DOWN * 5, ACROSS * 4, 255 - DOWN * 2 - ACROSS * 2], axis=-1).astype(np.uint8)
GREY = COLOUR[..., 1]
ALPHA = np.where(DOWN < 24, 255, ACROSS * 4).astype(np.uint8)
INDEX = RNG.integers(0, 200, GREY.shape, dtype=np.uint8)
PALETTE = RNG.integers(0, 256, (200, 3), dtype=np.uint8)
SIXTEEN = RNG.integers(0, 65536, GREY.shape, dtype=np.uint16)


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


def palette_image() -> Image.Image:
    image = Image.fromarray(INDEX, "P")
    image.putpalette(PALETTE.tobytes())
    return image


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a value, colour type 0, 2 or 4, which Pillow cannot write for colour."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + t + c + struct.pack(">I", zlib.crc32(t + c)) for t, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def saved(image: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def frames(form: str, **options) -> bytes:
    """The first frame is COLOUR, the second is black."""
    black = Image.new("RGB", (64, 48))
    return saved(Image.fromarray(COLOUR), form, save_all=True, append_images=[black], duration=50, **options)


def pillows(content: bytes) -> np.ndarray:
    """Pillow's own conversion, for the modes it converts faithfully."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


RGBA = np.dstack([COLOUR, ALPHA])
# Name: the file's bytes, what it shows, and the largest difference allowed.
LOSSLESS = {
    "RGB png": (saved(Image.fromarray(COLOUR), "PNG"), COLOUR, 0),
    "RGB bmp": (saved(Image.fromarray(COLOUR), "BMP"), COLOUR, 0),
    "RGB ppm": (saved(Image.fromarray(COLOUR), "PPM"), COLOUR, 0),
    "RGB tiff": (saved(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw"), COLOUR, 0),
    "RGB webp": (saved(Image.fromarray(COLOUR), "WEBP", lossless=True), COLOUR, 0),
    "RGB jp2": (saved(Image.fromarray(COLOUR), "JPEG2000"), COLOUR, 0),
    "1 png": (saved(Image.fromarray(GREY > 99), "PNG"), rgb(np.where(GREY > 99, 255, 0)), 0),
    "1 tiff": (saved(Image.fromarray(GREY > 99), "TIFF"), rgb(np.where(GREY > 99, 255, 0)), 0),
    "L png": (saved(Image.fromarray(GREY), "PNG"), rgb(GREY), 0),
    "LA png": (saved(Image.fromarray(np.dstack([GREY, ALPHA])), "PNG"), on_white(rgb(GREY), ALPHA), 1),
    "P png": (saved(palette_image(), "PNG"), PALETTE[INDEX], 0),
    "P gif": (saved(palette_image(), "GIF"), PALETTE[INDEX], 0),
    "P png, one clear colour": (
        saved(palette_image(), "PNG", transparency=7),
        np.where(INDEX[..., None] == 7, 255, PALETTE[INDEX]),
        0,
    ),
    "P png, alpha table": (
        saved(palette_image(), "PNG", transparency=bytes(range(200))),
        on_white(PALETTE[INDEX], INDEX),
        1,
    ),
    "P gif, one clear colour": (
        saved(palette_image(), "GIF", transparency=7),
        np.where(INDEX[..., None] == 7, 255, PALETTE[INDEX]),
        0,
    ),
    "L png, one clear value": (
        saved(Image.fromarray(GREY), "PNG", transparency=8),
        rgb(np.where(GREY == 8, 255, GREY)),
        0,
    ),
    "RGB png, one clear colour": (
        saved(Image.fromarray(COLOUR), "PNG", transparency=tuple(COLOUR[3, 3].tolist())),
        np.where((COLOUR == COLOUR[3, 3]).all(-1, keepdims=True), 255, COLOUR),
        0,
    ),
    "RGBA png": (saved(Image.fromarray(RGBA), "PNG"), on_white(COLOUR, ALPHA), 1),
    "RGBA webp": (
        saved(Image.fromarray(RGBA), "WEBP", lossless=True, exact=True),
        on_white(COLOUR, ALPHA),
        1,
    ),
    "RGBA tiff": (saved(Image.fromarray(RGBA), "TIFF"), on_white(COLOUR, ALPHA), 1),
    "I;16 png": (saved(Image.fromarray(SIXTEEN), "PNG"), rgb(SIXTEEN >> 8), 0),
    "I;16 tiff": (saved(Image.fromarray(SIXTEEN), "TIFF"), rgb(SIXTEEN >> 8), 0),
    "I;16B tiff": (saved(Image.fromarray(SIXTEEN.astype(">u2")), "TIFF"), rgb(SIXTEEN >> 8), 0),
    "I tiff": (saved(Image.fromarray(SIXTEEN.astype(np.int32)), "TIFF"), rgb(SIXTEEN >> 8), 0),
    "I pgm": (saved(Image.fromarray(SIXTEEN.astype(np.int32)), "PPM"), rgb(SIXTEEN >> 8), 0),
    "RGB png of 16 bits": (png16(np.dstack([SIXTEEN] * 3)), rgb(SIXTEEN >> 8), 0),
    "LA png of 16 bits": (
        png16(np.dstack([SIXTEEN, ALPHA.astype(np.uint16) * 257])),
        on_white(rgb(SIXTEEN >> 8), ALPHA),
        1,
    ),
    "animated webp": (frames("WEBP", lossless=True), COLOUR, 0),
    "animated png": (frames("PNG"), COLOUR, 0),
    "several pages": (frames("TIFF"), COLOUR, 0),
}
# COLOUR by `cjpeg -arithmetic -quality 90 -sample 1x1` of libjpeg-turbo 2.1.5; Pillow reads these only.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMU"
    "FRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBT/yQARCAAwAEADAREAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AOWf4tKRT/OBbNkB6xUKmw7jqZrm"
    "CbiQgZ/j3KkTFjdSZuR4HQxlxqAP8uavcLOHnjz3qDuksK4XgjkQ1Ue4dWS695JOdxZ0a4c6xm3Do0OyykC5pd9yO6HN0ZUnaWrR"
    "YZnXZqgsmyIpMFoEg+W1JOv6CBnRWq3WP+8rzn06chNsFyEVqD/V+XBUXhYpEMuR/IL6beADhu1ieldl1W4zUVrTjOwUpnpnXmWV"
    "RE0yCLyUqCqZ1XHMfjAAbtiptjonJ96Y9a0ztDk4t/FuULFxKk+lAzH/AK1eAWu1AH3Wy+gteaXzE9Wb3nPrZ4x4IIXEoKz+xC5T"
    "VRPF0CN2y+c/xOVpH67Co/SeN6ZZKmekxmJeLb1pFgpYKgG2ffthIcTnH3Jjhe4zAYD98N3z9KjYiTuGH75xIjXCM4oGUDlnuMRu"
    "TyX31CWA+Jl11i8hJ+50ZzPsrM0XklkTcRz8mKyTus9BOPUmAs3QD8AsOsqYSfgG2HvvQAsOgP/Z"
)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
CYAN = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
LOSSY = {
    "RGB jpeg": (saved(Image.fromarray(COLOUR), "JPEG", quality=98, subsampling=0), COLOUR, 6),
    "progressive jpeg": (saved(Image.fromarray(COLOUR), "JPEG", quality=98, progressive=True), COLOUR, 12),
    "arithmetic jpeg": (ARITHMETIC, COLOUR, 6),
    "jpeg with a profile": (
        saved(Image.fromarray(COLOUR), "JPEG", quality=98, subsampling=0, icc_profile=PROFILE),
        COLOUR,
        6,
    ),
    "L jpeg": (saved(Image.fromarray(GREY), "JPEG", quality=98), rgb(GREY), 6),
    "CMYK jpeg, inverted as Adobe does": (
        saved(CYAN, "JPEG", quality=98),
        np.full((8, 8, 3), (0, 255, 255)),
        3,
    ),
    "CMYK tiff": (saved(CYAN, "TIFF"), np.full((8, 8, 3), (0, 255, 255)), 0),
    "mpo": (frames("MPO", quality=98, subsampling=0), COLOUR, 6),
    "avif": (saved(Image.fromarray(COLOUR), "AVIF", quality=95), COLOUR, 16),
    "animated gif": (frames("GIF"), COLOUR, 60),
    "LAB tiff": (saved(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"), np.full((8, 8, 3), 255), 1),
}


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_every_kind_of_file_shows_what_was_put_in(name, tmp_path):
    content, shown, tolerance = (LOSSLESS | LOSSY)[name]
    assert shown.std() > 10 or "CMYK" in name or "LAB" in name
    (tmp_path / "a").write_bytes(content)
    pixels = read(tmp_path / "a")
    assert pixels.dtype == np.uint8
    assert pixels.shape == shown.shape
    # 1: alpha is composed in integers. More: what the lossy format loses of a smooth picture.
    assert abs(pixels - shown.astype(float)).max() <= tolerance
    with Image.open(tmp_path / "a") as image:
        np.testing.assert_array_equal(photos.pixels(image), pixels)


@pytest.mark.parametrize("name", LOSSY)
def test_plain_modes_are_pillows_own_conversion(name, tmp_path):
    (tmp_path / "a").write_bytes(LOSSY[name][0])
    np.testing.assert_array_equal(read(tmp_path / "a"), pillows(LOSSY[name][0]))


def test_all_modes_are_tried():
    modes = {Image.open(io.BytesIO(content)).mode for content, _, _ in (LOSSLESS | LOSSY).values()}
    assert modes >= {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I", "I;16", "I;16B"}
    forms = {Image.open(io.BytesIO(content)).format for content, _, _ in (LOSSLESS | LOSSY).values()}
    assert forms == {*photos.SUFFIXES, "MPO"} - {"HEIF"}  # tested by themselves below


# How an upright picture has to be stored so that a viewer turns it back.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, 3),
}


@pytest.mark.parametrize("form, options", [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
@pytest.mark.parametrize("orientation", STORED)
def test_eight_orientations_give_the_same_pixels(form, options, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](COLOUR)))
    stored.save(tmp_path / "a", form, exif=exif, **options)
    np.testing.assert_array_equal(read(tmp_path / "a"), COLOUR)
    with Image.open(tmp_path / "a") as image:
        np.testing.assert_array_equal(photos.pixels(image), COLOUR)


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (COLOUR, COLOUR),
        (COLOUR[::-1, ::2], COLOUR[::-1, ::2]),  # a view, not in one piece
        (GREY, rgb(GREY)),
        (np.dstack([COLOUR, np.full_like(GREY, 255)]), COLOUR),
        (np.dstack([COLOUR, np.zeros_like(GREY)]), np.full_like(COLOUR, 255)),
    ],
    ids=["RGB", "a view", "grey", "opaque", "clear"],
)
def test_an_array_is_taken_as_a_file_of_its_values_is(array, shown, tmp_path):
    Image.fromarray(np.ascontiguousarray(array)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(photos.pixels(array), shown)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), shown)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (COLOUR / 255, r"An array of float64 is no picture.*uint8; of values from 0 to 1: \(255 \* array\)"),
        (SIXTEEN, "An array of uint16 is no picture"),
        (COLOUR.transpose(2, 0, 1), r"An array of shape \(3, 48, 64\) is no picture.*\(height, width, 3\)"),
        (COLOUR[None], r"An array of shape \(1, 48, 64, 3\)"),
        (COLOUR[:0], r"An array of shape \(0, 64, 3\)"),
        (np.uint8(3)[...], r"An array of shape \(\)"),
        (b"a.jpg", "A value of type bytes is no picture"),
        (None, "A value of type NoneType is no picture"),
        (Image.new("RGB", (0, 5)), "An image of 0 by 5 pixels"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_told_and_not_guessed_at(picture, said):
    with pytest.raises(UsageError, match=said):
        photos.pixels(picture)


def test_an_image_that_turns_out_to_be_damaged_is_told_as_its_file_is(tmp_path):
    (tmp_path / "a.jpg").write_bytes(LOSSY["L jpeg"][0][:-200])
    reasons = []
    with Image.open(tmp_path / "a.jpg") as image:
        for picture in (tmp_path / "a.jpg", image):
            with pytest.raises(Unreadable) as caught:
                photos.pixels(picture)
            reasons.append(caught.value.reason)
    assert reasons == ["cut off"] * 2
    with pytest.raises(Unreadable, match="no agreed range"):
        photos.pixels(Image.new("F", (8, 8)))


@pytest.mark.parametrize("orientation", STORED)
def test_a_phones_jpeg_stands_upright(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](COLOUR)))
    stored.save(tmp_path / "a.jpg", exif=exif, quality=98, subsampling=0)
    pixels = read(tmp_path / "a.jpg")
    np.testing.assert_array_equal(pixels, ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    assert abs(pixels - COLOUR.astype(float)).max() <= 6  # JPEG's own loss


def test_an_unknown_orientation_is_none(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), COLOUR)


JPEG = saved(Image.fromarray(COLOUR), "JPEG")
PNG = saved(Image.fromarray(COLOUR), "PNG")
BAD = {
    "empty": (b"", "empty"),
    "text": (b"not a photo at all, though it is called one", "not a picture"),
    "cut jpeg": (JPEG[: len(JPEG) // 2], "cut off"),
    "cut png": (PNG[: len(PNG) // 2], "cut off"),
    "jpeg header alone": (JPEG[:20], "damaged at its start"),
    "floating point": (
        saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
        "mode F have no agreed range",
    ),
    "32 bits": (saved(Image.fromarray(SIXTEEN.astype(np.int32) * 9), "TIFF"), "mode I have no agreed range"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "not a picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unusable_file_is_named_with_its_reason(name, tmp_path):
    content, reason = BAD[name]
    (tmp_path / "bad.jpg").write_bytes(content)
    with pytest.raises(Unreadable, match=reason) as caught:
        read(tmp_path / "bad.jpg")
    assert isinstance(caught.value, DataError)
    assert caught.value.path == str(tmp_path / "bad.jpg")
    assert str(caught.value).startswith(f"{tmp_path}/bad.jpg cannot be read (")
    assert str(caught.value).endswith("). Repair or remove it.")


def test_what_is_no_file_is_named_too(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.truncate(os.open(tmp_path / "film", os.O_CREAT | os.O_WRONLY), 2**28 + 1)  # sparse
    for name, reason in {
        "gone": "no such file",
        "pipe": "not a regular file",
        "film": "larger than 256 MiB",
        ".": "a folder",
    }.items():
        with pytest.raises(Unreadable, match=reason):
            read(tmp_path / name)


def test_a_huge_picture_of_few_bytes_takes_no_memory(tmp_path):
    rows = zlib.compressobj()
    body = b"".join(rows.compress(bytes(2501)) for _ in range(20_000)) + rows.flush()
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + t + c + struct.pack(">I", zlib.crc32(t + c)) for t, c in chunks)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    code = (
        "import resource, sys\n"
        "from tlkit.data import Unreadable, read\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read(sys.argv[1])\n"
        "except Unreadable as error: print(error.reason)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "bomb.png"], capture_output=True, text=True, check=True
    )
    reason, kib = done.stdout.splitlines()
    assert reason == "more than 178,956,970 pixels"
    assert int(kib) < 20_000


@pytest.mark.filterwarnings(
    "ignore::PIL.Image.DecompressionBombWarning"
)  # read, and bounded by Pillow's limit
def test_a_large_picture_is_read(tmp_path):
    Image.new("L", (10_000, 10_000), 9).save(tmp_path / "large.png")
    pixels = read(tmp_path / "large.png")
    assert pixels.shape == (10_000, 10_000, 3)
    assert (pixels[::999, ::999] == 9).all()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*LOSSLESS, *LOSSY]), st.data())
def test_damage_gives_pixels_or_a_reason(name, data):
    content = bytearray((LOSSLESS | LOSSY)[name][0])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        pixels, form, *_ = photos.decode(content, "x")
    except Unreadable as error:
        assert error.reason
    else:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[-1] == 3
        assert form in photos.SUFFIXES


def test_a_real_photo_is_read_as_pillow_reads_it():
    np.testing.assert_array_equal(read(TEXTURE), pillows(TEXTURE.read_bytes()))
    assert read(TEXTURE).shape == (144, 144, 3)


@pytest.fixture
def heic() -> bytes:
    """A picture as phones store it: 40 wide, red above and blue below."""
    import pillow_heif

    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15, :, 0] = pixels[15:, :, 2] = 255
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, quality=95)
    return file.getvalue()


def test_heic_is_read_where_its_package_is_installed(tmp_path, heic):
    (tmp_path / "phone.heic").write_bytes(heic)
    pixels = read(tmp_path / "phone.heic")
    assert pixels.shape == (30, 40, 3)
    assert pixels[5, 20, 0] > 230 > 25 > pixels[5, 20, 2]
    assert photos.decode(heic, "x").form == "HEIF"


def test_heic_elsewhere_names_what_to_install(heic, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    with pytest.raises(Unreadable, match="HEIC, which pip install pillow-heif lets tlkit read"):
        photos.decode(heic, "x")


def test_damaged_heic_is_named(heic):
    with pytest.raises(Unreadable):
        photos.decode(heic[:200], "x")


@pytest.mark.parametrize(
    ("moment", "fraction", "expected"),
    [
        ("2024:02:29 12:00:00", None, 1_709_208_000_000),
        ("2024:02:29 12:00:00", "25", 1_709_208_000_250),
        ("2024:02:30 12:00:00", None, 0),
        ("yesterday", "x", 0),
        (None, "25", 0),
    ],
)
def test_the_camera_s_time(moment, fraction, expected):
    exif = Image.Exif()
    tags = exif.get_ifd(0x8769)
    if moment:
        tags[36867] = moment
    if fraction:
        tags[37521] = fraction
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    assert photos.decode(file.getvalue(), "x").taken == expected
