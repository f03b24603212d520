"""SavedModel folders: photographs in, probabilities out, for plain TensorFlow."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tlkit import files
from tlkit.errors import ModelError
from tlkit.formats import Opened
from tlkit.formats import about as abouts
from tlkit.formats import labels as label_file
from tlkit.formats.about import PLAIN, About

if TYPE_CHECKING:
    from keras import Model

BATCH = 32
SIGNATURE = "serving_default"


def write(model: "Model", path: Path, labels: Sequence[str] = (), about: About = PLAIN) -> None:
    """Write a float32 model with the signature `serving_default`: `image` to `probabilities`.

    Takes    (n, image_size, image_size, 3), uint8, RGB 0–255, any n.
    Returns  (n, classes), float32.

    The labels lie in assets/labels.txt, `about` in assets/tlkit.json; loaded, the model has them as
    `labels.asset_path` and `about.asset_path`. Neither Keras nor tlkit is needed to load it.
    """
    with tempfile.TemporaryDirectory(prefix="tlkit-") as scratch, files.whole(path) as draft:
        beside = {"about": Path(scratch, abouts.NAME)}
        beside["about"].write_bytes(abouts.join(about))
        if labels:
            beside["labels"] = Path(scratch, label_file.NAME)
            beside["labels"].write_bytes(label_file.join(labels).encode())
        save(model, draft, None, tf.uint8, beside)


def save(
    model: "Model", path: Path, batch: int | None, dtype: tf.DType, assets: Mapping[str, Path] | None = None
) -> None:
    """Write the network for photos of a dtype, in batches of a fixed size or (None) of any.

    `assets` are files to copy into it, by the name that the loaded model has each under.
    """
    module = tf.Module(name="tlkit")
    # The bare variables: a Keras model would bring its own objects and functions along.
    module.weights = [weight.value for weight in model.variables]
    for name, file in (assets or {}).items():
        setattr(module, name, tf.saved_model.Asset(str(file)))
    takes = tf.TensorSpec((batch, *model.input_shape[1:]), dtype, name="image")

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "probabilities": tf.cast(model(tf.cast(image, model.inputs[0].dtype), training=False), tf.float32)
        }

    module.serve = tf.function(serve, input_signature=[takes])
    tf.saved_model.save(module, str(path), signatures={SIGNATURE: module.serve})


def open(path: Path) -> Opened:
    try:
        loaded = tf.saved_model.load(str(path))
        serve = loaded.signatures[SIGNATURE]
    except Exception as error:  # a damaged folder can fail anywhere in protobuf and TensorFlow
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"{path} cannot be read as a SavedModel: {reason}", "It needs a serving_default."
        ) from error
    keywords = serve.structured_input_signature[1]
    name, takes = next(iter(keywords), ""), list(keywords.values())
    returns = list(serve.structured_outputs.values())
    size, classes = _shape(path, takes, returns)
    step = takes[0].shape[0] or BATCH

    def run(pixels: np.ndarray) -> np.ndarray:
        # `loaded` is held here: the signature alone does not keep its variables alive.
        serve = loaded.signatures[SIGNATURE]
        rows = []
        for start in range(0, len(pixels), step):
            photos = tf.cast(pixels[start : start + step], takes[0].dtype)
            rows += [np.asarray(row) for row in serve(**{name: photos}).values()]
        return np.concatenate(rows).astype(np.float32)

    labels = label_file.read(path / "assets" / label_file.NAME)
    fit, temperature, threshold = _about(path)
    return Opened(path, "savedmodel", size, classes, labels, fit, run, temperature, threshold)


def _about(path: Path) -> About:
    told = path / "assets" / abouts.NAME
    if not told.is_file():
        return PLAIN
    try:
        return abouts.split(told.read_bytes())
    except ValueError as error:
        raise ModelError(
            f"{path} cannot be used: {error}.", "It is damaged, or a newer tlkit wrote it."
        ) from error


def _shape(path: Path, takes: list[tf.TensorSpec], returns: list[tf.TensorSpec]) -> tuple[int, int]:
    photos, rows = (
        [tuple(spec.shape) if spec.shape.rank else () for spec in specs] for specs in (takes, returns)
    )
    batch, height, width, channels = photos[0] if len(photos) == 1 and len(photos[0]) == 4 else (None,) * 4
    if batch not in (None, 1) or channels != 3 or not height or height != width:
        raise ModelError(
            f"{path} takes {photos}; tlkit needs square RGB photos of a fixed size, (None, n, n, 3)."
        )
    classes = rows[0][1] if len(rows) == 1 and len(rows[0]) == 2 else None
    if not classes or classes < 2:
        raise ModelError(
            f"{path} returns {rows}; tlkit needs one row of class probabilities, (None, classes)."
        )
    return height, classes
