"""What training sees of a photo: cut, mirrored, tinted, resized or moved, the same on every machine."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from tlkit.data.fits import BACKGROUND, centre, see, window
from tlkit.errors import MissingPackage

# How the photo came to its size differs between cameras, apps and libraries, and a network notices.
# The phone's own way stands for half of the draws, as it is what the model will meet.
RESIZING = ("phone", "phone", "phone", "phone", "bilinear", "bicubic", "box", "nearest")

SHIFT = 0.1  # of the side, either way

# A batch of pixels and its labels (n, classes), mixed.
Mixer: TypeAlias = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def view(
    pixels: np.ndarray,
    size: int,
    *,
    seed: int,
    epoch: int,
    index: int,
    area: tuple[float, float] = (0.35, 1.0),
    ratio: float = 4 / 3,
    flip: bool = True,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    resizing: tuple[str, ...] = RESIZING,
    fit: str = "stretch",
) -> np.ndarray:
    """One random view of (h, w, 3), uint8, RGB, as (size, size, 3), uint8: a pure function of its arguments.

    area        the share of the picture that is kept, drawn evenly between these two
    ratio       the cut's sides differ by at most this factor, measured on the stretched picture; under
                `pad` on the picture as it is, and the cut keeps its shape
    flip        mirrored left to right in half of the views
    brightness, contrast, saturation   each multiplied by a factor within 1 ± this
    resizing    the ways of resizing to draw from; one named twice is drawn twice as often
    fit         the model's (`data.fits`): `crop` cuts within the square in the middle, `pad` puts the
                cut on grey, which no colour changes, as there is none of the picture's in it

    `seed`, `epoch` and `index` (the photo) are not negative; each triple has numbers of its own.
    """
    source = np.random.SeedSequence(seed, spawn_key=(epoch, index))
    # Always the same ten numbers, so that changing one ingredient leaves the others' draws alone.
    draws = np.random.Generator(np.random.Philox(source)).random(10)
    cut = _cut(centre(pixels) if fit == "crop" else pixels, area, ratio, draws[:4])
    high, wide = cut.shape[:2]
    shown = window(high, wide, size) if fit == "pad" else (slice(0, size), slice(0, size))
    moves = zip(draws[6:9], (brightness, contrast, saturation), strict=True)
    colours = [1 + (2 * draw - 1) * most for draw, most in moves]
    result = np.full((size, size, 3), BACKGROUND, np.uint8)
    if result[shown].size:  # a thread can fall between the points of a padded square
        seen = _resize(cut, size, resizing[int(draws[4] * len(resizing))], fit == "pad", shown)
        result[shown] = _tint(seen, *colours)
    return np.ascontiguousarray(result[:, ::-1]) if flip and draws[5] < 0.5 else result


def shifted(
    pixels: np.ndarray, size: int, *, seed: int, epoch: int, index: int, fit: str = "stretch"
) -> np.ndarray:
    """What the model sees of a picture, moved by whole pixels: a pure function, as `view` is.

    Down and across by up to `SHIFT` of the side either way, each move as likely as the others; what comes in
    at a border repeats the pixels there. For digits and whatever else means another thing when mirrored.
    """
    source = np.random.SeedSequence(seed, spawn_key=(epoch, index))
    draws = np.random.Generator(np.random.Philox(source)).random(2)
    most = int(SHIFT * size)
    rows, columns = (
        np.clip(np.arange(size) + int(draw * (2 * most + 1)) - most, 0, size - 1) for draw in draws
    )
    return see(pixels, size, fit)[rows[:, None], columns]


def _cut(pixels: np.ndarray, area: tuple[float, float], ratio: float, draws: np.ndarray) -> np.ndarray:
    """A part of the picture; width and height are fractions of the picture's own."""
    share = area[0] + (area[1] - area[0]) * draws[0]
    # Wider or higher by up to `ratio`. No exp or log: they differ in the last bit between machines.
    factor = 1 + (ratio - 1) * abs(2 * draws[1] - 1)
    factor = factor if draws[1] >= 0.5 else 1 / factor
    height, width = pixels.shape[:2]
    wide = min(max(round(width * min(np.sqrt(share * factor), 1.0)), 1), width)
    high = min(max(round(height * min(np.sqrt(share / factor), 1.0)), 1), height)
    left = int(draws[2] * (width - wide + 1))
    top = int(draws[3] * (height - high + 1))
    return pixels[top : top + high, left : left + wide]


def _resize(pixels: np.ndarray, size: int, way: str, padded: bool, shown: tuple[slice, slice]) -> np.ndarray:
    """The part of the square that shows the picture, as it comes out of one way of resizing."""
    if way == "phone":
        return see(pixels, size, "pad" if padded else "stretch")[shown]
    # Pillow's filters widen when they shrink (antialiasing), in integers: alike everywhere.
    image = Image.fromarray(np.ascontiguousarray(pixels))
    high, wide = (part.stop - part.start for part in shown)
    return np.asarray(image.resize((wide, high), Image.Resampling[way.upper()]))


def _tint(pixels: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """All three at once: each is a blend, with black, with the mean grey and with the pixel's own grey."""
    weights = np.array([299, 587, 114], np.int32)  # ITU-R 601, as Pillow's L
    grey = pixels.reshape(-1, 3) @ weights
    mean = brightness * grey.mean() / 1000
    own = brightness * contrast * saturation
    result = pixels * np.float32(own)
    result += (grey * np.float32(brightness * contrast * (1 - saturation) / 1000)).reshape(
        *pixels.shape[:2], 1
    )
    result += np.float32((1 - contrast) * mean + 0.5)
    return np.clip(result, 0, 255, out=result).astype(np.uint8)


def strong() -> Callable[[np.ndarray], np.ndarray]:
    """keras-cv's RandAugment for a batch (n, h, w, 3), uint8, that `view` has already varied.

    Cubuk et al., arXiv:1909.13719: two operations a photo. Nine times as quick as Keras's own, but
    it draws from a generator that no seed reaches: two runs differ, as with `erase` and the mixers.

    Raises `MissingPackage` if keras-cv cannot be imported.
    """
    made = _kerascv("The strong augmentation", "--augment default").RandAugment
    layer = made(value_range=(0, 255), augmentations_per_image=2, magnitude=0.3)
    return lambda batch: _whole(layer(batch.astype("float32")))


def erase(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """keras-cv's RandomCutout for a batch (n, h, w, 3), uint8: a rectangle of each photo becomes grey.

    DeVries and Taylor, arXiv:1708.04552. Its height and its width are drawn evenly up to `share` of the
    photo's own, its centre from the whole photo, so that some of it may lie outside.

    Raises `MissingPackage` if keras-cv cannot be imported.
    """
    layer = _kerascv("--erase", "--erase 0").RandomCutout(share, share, fill_value=float(BACKGROUND))
    return lambda batch: _whole(layer(batch.astype("float32")))


def mixup(alpha: float) -> Mixer:
    """keras-cv's MixUp: each photo blended with another of its batch, and their labels by the same shares.

    Zhang et al., arXiv:1710.09412; the share of the one is drawn from Beta(alpha, alpha). Takes and returns
    a batch (n, h, w, 3), uint8, of two photos or more, and its labels (n, classes), float32.

    Raises `MissingPackage` if keras-cv cannot be imported.
    """
    layer = _kerascv("--mixup", "--mixup 0").MixUp(alpha=alpha)

    def mix(batch: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, shares = _mixed(layer, batch, labels)
        return _whole(found), shares

    return mix


def cutmix(alpha: float) -> Mixer:
    """keras-cv's CutMix: a rectangle of another photo in each, labels by the share of pixels. As `mixup`.

    Yun et al., arXiv:1905.04899, whose labels count the pixels that are seen; keras-cv's would count what
    of a rectangle lies outside the photo as well.
    """
    layer = _kerascv("--cutmix", "--cutmix 0").CutMix(alpha=alpha)

    def mix(batch: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count, *shape = batch.shape[:3]
        # A fourth channel that says which photo a pixel is of.
        owners = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, *shape, 1))
        found, _ = _mixed(layer, np.concatenate([batch, owners], axis=-1), labels)
        owner = (found[..., 3] + 0.5).astype(np.int64).reshape(count, -1)
        shares = np.stack([np.bincount(row, minlength=count) for row in owner]) / owner.shape[1]
        return _whole(found[..., :3]), (shares @ labels).astype("float32")

    return mix


def _mixed(layer: Any, batch: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from keras import ops

    rows = {"images": batch.astype("float32"), "labels": labels}
    # Tensors: keras-cv asks them whether they are floats in TensorFlow's way.
    found = layer({name: ops.convert_to_tensor(row) for name, row in rows.items()})
    return np.asarray(found["images"]), np.asarray(found["labels"], "float32")


def _whole(batch: Any) -> np.ndarray:
    return np.clip(np.asarray(batch) + 0.5, 0, 255).astype(np.uint8)


def _kerascv(what: str, instead: str) -> Any:
    try:
        import keras_cv.layers
    except ImportError as error:
        raise MissingPackage(
            f"{what} needs the package keras-cv, which cannot be imported: {error}.",
            f"Install it with pip install 'keras-cv>=0.9,<0.10', or use {instead}.",
        ) from error
    return keras_cv.layers
