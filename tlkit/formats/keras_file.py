"""`.keras` files: opened in safe mode, rebuilt in float32."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import Model

from tlkit.backbones import saved
from tlkit.errors import ExportError, ModelError
from tlkit.formats import Opened, labels
from tlkit.formats import about as abouts

OTHERS = {"float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"}
BATCH = 32


def open(path: Path) -> Opened:
    model = saved.load(path)
    size, classes = shape(model, path)

    def run(pixels: np.ndarray) -> np.ndarray:
        return model.predict(pixels, batch_size=BATCH, verbose=0).astype(np.float32)

    found = labels.read(path.with_name(labels.NAME))
    told = about(model, path)
    return Opened(path, "keras", size, classes, found, told.fit, run, told.temperature, told.threshold)


def shape(model: Model, path: Path) -> tuple[int, int]:
    """Image size and number of classes of an image classifier.

    Raises `ModelError` if the model is something else.
    """
    takes, returns = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if not (
        isinstance(takes, tuple) and len(takes) == 4 and takes[3] == 3 and takes[1] and takes[1] == takes[2]
    ):
        raise ModelError(
            f"{path} takes {takes}; tlkit needs square RGB photos of a fixed size, (None, n, n, 3)."
        )
    if not (isinstance(returns, tuple) and len(returns) == 2 and returns[1] and returns[1] > 1):
        raise ModelError(
            f"{path} returns {returns}; tlkit needs one row of class probabilities, (None, classes)."
        )
    return takes[1], returns[1]


def about(model: Model, path: Path) -> abouts.About:
    """What the model's marks say. Raises `ModelError` if it is something that this tlkit does not know."""
    marks = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Identity)]
    scales = [
        np.asarray(layer.scale)
        for layer in model.layers
        if isinstance(layer, keras.layers.Rescaling) and layer.name == abouts.TEMPERATURE
    ]
    temperature = round(1 / float(scales[0]), 6) if scales and scales[0].ndim == 0 and scales[0] > 0 else 1.0
    try:
        return abouts.marked(marks, temperature)
    except ValueError as error:
        raise ModelError(f"{path} cannot be used: {error}.", "A newer tlkit may have saved it.") from error


def as_float32(model: Model) -> Model:
    """The same network with the same weights, computing in float32 throughout.

    Files for phones are made from it: the TFLite converter does not take half precision
    computations (tensorflow/tensorflow issue 46380). A model that has none is returned as it is.

    Raises `ExportError` for a subclassed model, whose layers no configuration describes, and for
    a model that Keras has quantised.
    """
    if not type(model).__module__.startswith("keras."):
        raise ExportError(
            f"The model '{model.name}' is a class of its own, {type(model).__name__}.",
            "Functional and sequential models can be exported.",
        )
    config = model.get_config()
    rebuilt = _in_float32(config)
    if rebuilt == config:
        return model
    copy = type(model).from_config(rebuilt)
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(config: Any) -> Any:
    """A Keras configuration with every half precision policy and type in it replaced."""
    if isinstance(config, dict):
        if str(config.get("class_name")).startswith("Quantized"):
            raise ExportError("The model was quantised by Keras.", "Export the model it was made from.")
        return {key: "float32" if _other(key, value) else _in_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    return config


def _other(key: str, value: Any) -> bool:
    """Whether a value names a policy or type of another precision than float32."""
    if isinstance(value, dict) and value.get("class_name") == "DTypePolicy":
        return value["config"]["name"] in OTHERS
    return "dtype" in key and isinstance(value, str) and value in OTHERS
