"""A file, or a picture in memory, to pixels.

Every picture becomes (height, width, 3), uint8, RGB, upright, 0–255:

    grey, 1 bit        the value thrice
    16 bit             the high byte of each value, in grey as in colour
    palette, CMYK      Pillow's conversion (Adobe's inverted CMYK included)
    transparent        laid over white, as a browser's page shows it
    animated           the first frame
    EXIF orientation   applied
    embedded profile   ignored, as MediaPipe ignores it

Grey values without an agreed range (floating point, 32 bit) are refused.
"""

import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tlkit.errors import DataError, UsageError
from tlkit.printed import shown, why

# By content, never by name. Pillow opens more; what is left out has no signature (TGA takes almost
# any file for a picture) or runs another program (EPS: Ghostscript). JPEG includes MPO.
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif"),  # where pillow-heif is installed
}
HEIF = re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
START = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL)
HEIC = "HEIC, which pip install pillow-heif lets tlkit read"
LARGEST_FILE = 2**28  # bytes; a film among the photos should not fill the memory
LARGE = 2**25  # pixels; above it, up to Pillow's own limit, one picture at a time is decoded and used
_one_at_a_time = threading.Lock()
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoded(NamedTuple):
    pixels: np.ndarray  # (height, width, 3), uint8, RGB, upright
    form: str  # a key of `SUFFIXES`
    turned: bool  # by its EXIF orientation
    animated: bool  # only the first frame is taken
    taken: int  # by EXIF: milliseconds since 1970 on the camera's clock; 0: unknown


class Unreadable(DataError):
    """One file that is no usable picture: `path` as it was given, and `reason`.

    `lasting`: the same bytes will never be one.
    """

    def __init__(self, path: str | Path, reason: str, lasting: bool = False):
        super().__init__(f"{shown(path)} cannot be read ({reason}).", "Repair or remove it.")
        self.path = str(path)
        self.reason = reason
        self.lasting = lasting


def read(path: str | Path) -> np.ndarray:
    """The picture in a file as (height, width, 3), uint8, RGB, upright; raises `Unreadable`."""
    return decode(load(path), path).pixels


def pixels(picture: Any) -> np.ndarray:
    """What `read` would find in a file of this: a path, a Pillow image, or a NumPy array.

    Arrays are uint8, 0–255: (height, width, 3), RGB; (height, width, 4), RGB and opacity; (height, width),
    grey. Raises `Unreadable` for a file or an image that cannot be read, `UsageError` for what is no picture.
    """
    if isinstance(picture, str | os.PathLike):
        return read(Path(picture))
    if isinstance(picture, Image.Image):
        return _of_image(picture)
    if not isinstance(picture, np.ndarray):
        raise UsageError(
            f"A value of type {type(picture).__name__} is no picture.",
            "Give a path, a Pillow image or a NumPy array of uint8.",
        )
    if picture.dtype != np.uint8:
        raise UsageError(
            f"An array of {picture.dtype} is no picture: what is 0 in it, and what is 255?",
            "Give uint8; of values from 0 to 1: (255 * array).round().astype('uint8').",
        )
    if not picture.size or picture.ndim < 2 or picture.shape[2:] not in ((), (3,), (4,)):
        raise UsageError(
            f"An array of shape {picture.shape} is no picture.",
            "Give (height, width, 3) in RGB, or (height, width) in grey.",
        )
    return np.asarray(_rgb(Image.fromarray(picture)))


def _of_image(image: Image.Image) -> np.ndarray:
    if not all(image.size):
        raise UsageError(f"An image of {image.width} by {image.height} pixels is no picture.")
    try:
        image.load()
        return np.asarray(_rgb(_upright(image)[0]))
    except Exception as error:  # as in `_decode`: it may be decoded only now
        raise Unreadable("an image in memory", _damage(error)) from error


def load(path: str | Path, name: str | Path | None = None) -> bytes:
    """A file's bytes; raises `Unreadable`, which calls it `name` if that is given."""
    name = name or path
    try:
        entry = os.stat(path)
        if stat.S_ISDIR(entry.st_mode):
            raise Unreadable(name, "a folder")
        if not stat.S_ISREG(entry.st_mode):  # opening a pipe would wait for its writer
            raise Unreadable(name, "not a regular file")
        if entry.st_size > LARGEST_FILE:
            raise Unreadable(name, f"larger than {LARGEST_FILE // 2**20} MiB")
        return Path(path).read_bytes()
    except OSError as error:
        raise Unreadable(name, why(error)) from error


def decode(content: bytes, path: str | Path) -> Decoded:
    """The picture in the bytes of a file, with its pixels as `read` has them; raises `Unreadable`."""
    with decoded(content, path) as found:
        return found


@contextmanager
def decoded(content: bytes, path: str | Path) -> Iterator[Decoded]:
    """`decode` for a block that is done with the pixels at its end: large pictures wait for one another."""
    with ExitStack() as turn:
        yield _decode(content, path, turn)


def _decode(content: bytes, path: str | Path, turn: ExitStack) -> Decoded:
    if not content:
        raise Unreadable(path, "empty", lasting=True)
    try:
        with Image.open(io.BytesIO(content), formats=_formats(content)) as image:
            form = "JPEG" if image.format == "MPO" else str(image.format)
            animated = form != "JPEG" and bool(getattr(image, "is_animated", False))
            if image.width * image.height > LARGE:
                turn.enter_context(_one_at_a_time)
            image.load()
            upright, turned = _upright(image)
            return Decoded(np.asarray(_rgb(upright)), form, turned, animated, _taken(image))
    except UnidentifiedImageError as error:
        raise Unreadable(path, _unknown(content), lasting=True) from error
    except Image.DecompressionBombError as error:
        raise Unreadable(
            path, f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels", lasting=True
        ) from error
    except MemoryError as error:
        raise Unreadable(path, "too large for the memory") from error
    # Pillow's decoders raise whatever a damaged file leads them to: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise Unreadable(path, _damage(error), lasting=True) from error


def _damage(error: Exception) -> str:
    return "cut off" if "truncated" in str(error).lower() else f"damaged: {error}"


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """The image as it was held, by its EXIF orientation, and whether it had to be turned."""
    flip = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return (image, False) if flip is None else (image.transpose(flip), True)


def _formats(content: bytes) -> tuple[str, ...]:
    """Those to try; HEIF only where it is one, as pillow-heif takes a while to load."""
    if HEIF.match(content) and find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        return ("HEIF",)
    return tuple(form for form in SUFFIXES if form != "HEIF")


def _unknown(content: bytes) -> str:
    if HEIF.match(content):
        return HEIC
    return "damaged at its start" if START.match(content) else "not a picture"


def _taken(image: Image.Image) -> int:
    """When the camera took it, by EXIF's DateTimeOriginal and SubSecTimeOriginal."""
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        moment = datetime.strptime(str(tags[ExifTags.Base.DateTimeOriginal])[:19], "%Y:%m:%d %H:%M:%S")
        fraction = f"{tags.get(ExifTags.Base.SubsecTimeOriginal, '')}".strip()
    except Exception:  # whatever damaged EXIF leads Pillow to; the pixels are good all the same
        return 0
    milliseconds = int(float(f"0.{fraction}") * 1000) if fraction.isdecimal() else 0
    return max(0, round(moment.replace(tzinfo=UTC).timestamp()) * 1000 + milliseconds)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _high_byte(image).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    # Pillow's own conversion to L clips: every 16-bit value above 255 would be white.
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels of mode {image.mode} have no agreed range")
    return Image.fromarray((values >> 8).astype(np.uint8))
