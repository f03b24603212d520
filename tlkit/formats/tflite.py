"""From a float32 Keras model to a `.tflite` file for phones, and the check of what came out.

The way leads over a SavedModel: converted from a bare concrete function, TensorFlow 2.21 leaves a
Keras 3 model's variables outside of the file, and it returns NaN.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import KerasTensor, Layer, Model, layers, models, ops

from tlkit.errors import ExportError
from tlkit.formats import litert, metadata, operations, savedmodel
from tlkit.formats.about import PLAIN, About

# Largest difference of a probability to the Keras model's on made-up photos: float32 arithmetic in
# another order, or a mistake. Quantised files are judged on real photos, where it matters.
TOLERANCE = 1e-3
PHOTOS = 3


def convert(model: Model, size: int, quantize: str, calibration: Path | None) -> bytes:
    """Convert for photos one at a time: uint8 (1, size, size, 3) in, float32 probabilities out.

    `none`     float32 throughout
    `float16`  weights stored in half the bytes
    `dynamic`  weights stored as int8, each activation tensor quantised as it comes
    `int8`     everything in integers, ranges taken from `calibration`, a .npy of photos

    Raises `ExportError` if the network needs operations that phones do not have built in.
    """
    whole = quantize == "int8"
    if whole:
        model = _in_integers(model)
    with tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
        # For int8 the converter makes the uint8 input itself, without a cast to float behind it.
        savedmodel.save(model, Path(folder), 1, tf.float32 if whole else tf.uint8)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[savedmodel.SIGNATURE])
        if quantize != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if whole:
            photos = _photos(calibration, size)
            converter.representative_dataset = lambda: _calibrate(photos)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        try:
            return converter.convert()
        except Exception as error:  # ConverterError is in TensorFlow's private modules only
            raise _explain(error) from error


class Normalised(Layer):
    """A layer normalisation with its weights, in operations that phones have in integers.

    Keras computes it by way of −mean, and TFLite negates in floats only.
    """

    def __init__(self, norm: layers.LayerNormalization):
        super().__init__(name=norm.name, dtype=norm.dtype_policy)
        self.norm = norm

    def call(self, x: KerasTensor) -> KerasTensor:
        norm, rank = self.norm, len(x.shape)
        axes = [axis % rank for axis in ([norm.axis] if isinstance(norm.axis, int) else norm.axis)]
        shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
        away = x - ops.mean(x, axis=axes, keepdims=True)
        x = away * ops.rsqrt(ops.mean(away * away, axis=axes, keepdims=True) + norm.epsilon)
        if norm.gamma is not None:
            x = x * ops.reshape(norm.gamma, shape)
        return x if norm.beta is None else x + ops.reshape(norm.beta, shape)


def _in_integers(model: Model) -> Model:
    """The same network and weights, said in operations that phones have in integers."""
    if not any(type(layer) is layers.LayerNormalization for layer in model.layers):
        return model
    return models.clone_model(
        model,
        clone_function=lambda layer: Normalised(layer) if type(layer) is layers.LayerNormalization else layer,
    )


def _photos(calibration: Path | None, size: int) -> np.ndarray:
    if calibration is None:
        raise ExportError("int8 needs photos for calibration.")
    photos = np.load(calibration, mmap_mode="r")
    if photos.dtype != np.uint8 or photos.shape[1:] != (size, size, 3) or not len(photos):
        raise ExportError(
            f"The photos for calibration are {photos.dtype} {photos.shape}, not uint8 (n, {size}, {size}, 3)."
        )
    return photos


def _calibrate(photos: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Photos as floats; the first has a black and a white pixel put in opposite corners.

    The input's scale comes from the least and greatest value seen: with 0 and 255 it is exactly 1.
    In the first alone, because 200 pixels in 100 photos moved a class where 2 moved none.
    """
    for index, photo in enumerate(photos):
        pixels = photo[None].astype(np.float32)
        if index == 0:
            pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255
        yield [pixels]


def _explain(error: Exception) -> ExportError:
    # "Custom ops: Erfinv" or "Flex ops: FlexErfinv, ..." on a line of its own, of two hundred.
    lines = re.findall(r"^(?:Custom|Flex) ops: (.+)$", str(error), re.MULTILINE)
    names = {name.strip().removeprefix("Flex") for line in lines for name in line.split(",")}
    if names:
        return operations.missing(names)
    said = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ExportError(f"TensorFlow's converter refused the network: {said[-1][:300]}")


def check(
    content: bytes,
    model: Model,
    size: int,
    quantize: str,
    labels: Sequence[str],
    about: About = PLAIN,
) -> dict:
    """Open a file again and compare it with what was asked for; returns what `Converted` tells of it.

    Raises `ExportError` for the first thing that differs.
    """
    interpreter = litert.start(content)
    (takes,), (returns,) = interpreter.get_input_details(), interpreter.get_output_details()
    _same("The input", _signature(takes), f"uint8 [1, {size}, {size}, 3]")
    _same("The output", _signature(returns), f"float32 [1, {len(labels)}]")
    # No scale: the pixels are cast to floats and not divided.
    steps = (1.0, 0) if quantize == "int8" else (0.0, 0)
    _same("The input's scale and zero point", takes["quantization"], steps)
    told = metadata.find(content)
    _same("The labels", told.labels, tuple(labels))
    for name, found_there, asked in zip(About._fields, told.about, about, strict=True):
        _same(f"The {name}", found_there, asked)
    found = operations.read(content)
    operations.demand(found, quantize)
    return {
        "operations": found.counts,
        "integer_share": found.integer_share,
        "max_difference": compare(litert.answer(interpreter), model, size, exact=quantize == "none"),
    }


def compare(run: Callable[[np.ndarray], np.ndarray], model: Model, size: int, exact: bool) -> float:
    """Largest difference of a probability to the Keras model's, on a few made-up photos.

    Raises `ExportError` if a probability is no number, or differs where it should not.
    """
    noise = np.random.default_rng(0)
    coarse = noise.integers(0, 256, (PHOTOS, 4, 4, 3)).astype(np.uint8)
    place = np.arange(size) * 4 // size
    photos = coarse[:, place][:, :, place]
    theirs = run(photos)
    if not np.isfinite(theirs).all():
        raise ExportError("The file returns probabilities that are no numbers.")
    found = float(np.abs(theirs - np.asarray(model(photos.astype(np.float32), training=False))).max())
    if exact and not found <= TOLERANCE:
        raise ExportError(f"The file's probabilities differ from the Keras model's by {found:.3g}.")
    return found


def _signature(tensor: dict) -> str:
    return f"{np.dtype(tensor['dtype']).name} {tensor['shape'].tolist()}"


def _same(what: str, found: object, asked: object) -> None:
    if found != asked:
        raise ExportError(f"{what} should be {asked}, but the file has {found}.")
