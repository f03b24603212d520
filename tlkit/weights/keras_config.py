"""The configuration in a `.keras` archive: only what builds a network of layers that tlkit knows.

Keras's safe mode keeps code out, but builds whatever it has a class for: an operation called on numbers is
computed at once, however many it makes, and some layers read files that the configuration names.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tlkit.errors import WeightsError
from tlkit.weights import archives
from tlkit.weights.contents import CONFIG
from tlkit.weights.numbers import Refused, short

DEEP = 64  # JSON within JSON; of a network of tlkit's within a model, 21
LAYERS = 10_000  # ResNet-1202 has 4,216
# Those of tlkit's backbones and classifiers, and what people put before or behind one. None computes anything
# when it is made, or opens a file.
KNOWN = """
Activation Add Average AveragePooling2D BatchNormalization Concatenate Conv2D Cropping2D Dense DepthwiseConv2D
Dropout ELU Flatten GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D Identity
InputLayer LayerNormalization LeakyReLU Maximum MaxPooling2D Multiply PReLU Permute RandomBrightness
RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom ReLU Rescaling Reshape Resizing
SeparableConv2D Softmax SpatialDropout2D Subtract UpSampling2D ZeroPadding2D
""".split()
OPERATIONS = """
Add Cast GetItem Maximum Mean Minimum Multiply Pad Rsqrt Sqrt Subtract Sum Take TrueDivide
""".split()
MODELS = ("Functional", "Model", "Sequential")
PARTS = ("keras", "keras.initializers", "keras.regularizers", "keras.constraints")  # of a layer
SIGNS = ("__keras_tensor__", "__ellipsis__", "__slice__")  # how Keras writes what a layer is called with


def read(path: Path) -> tuple[dict[str, Any], int]:
    """The configuration in an archive that `contents.read` has looked at, and how many layers it has.

    Raises `WeightsError`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read(CONFIG))
        if not isinstance(config, dict):
            raise Refused("it has no configuration")
        config.pop("compile_config", None)  # of training, which is not loaded
        return config, _layers(config)
    except (*archives.DAMAGE, KeyError, OSError, RecursionError) as error:
        reason = "its configuration is cut off or damaged"
        raise WeightsError(f"{path} cannot be read as a Keras model: {reason}.") from error
    except Refused as error:
        raise WeightsError(
            f"{path} cannot be read as a Keras model: {error}.",
            "Nothing in it was run. Save the network alone, or its weights: NAME=FILE.weights.h5.",
        ) from error


def _layers(config: dict[str, Any]) -> int:
    count = 0
    for found in _objects(config):
        module, name = found.get("module"), found.get("class_name")
        layer = module == "keras.layers"
        operation = isinstance(module, str) and module.startswith("keras.src.ops.")
        model = name in MODELS and module in (
            "keras",
            "keras.models",
            f"keras.src.models.{str(name).lower()}",
        )
        if "inbound_nodes" in found or layer or operation:
            if not (model or (layer and name in KNOWN) or (operation and name in OPERATIONS)):
                raise Refused(f"it has a layer that tlkit does not load, {short(f'{module}.{name}')}")
            _check_calls(found.get("inbound_nodes") or [])
            count += layer and name != "InputLayer"
            if count > LAYERS:
                raise Refused(f"it has more than {LAYERS:,} layers")
        elif not (model or module in PARTS or (module in (None, "builtins") and name in SIGNS)):
            raise Refused(f"it names {short(f'{module}.{name}')}, which no network of tlkit's has")
        elif name == "function":
            raise Refused(f"it names the function {short(str(found.get('config')))}")
    return count


def _check_calls(calls: Any) -> None:
    """Each has to be of another layer's output: on numbers of the file, Keras would compute it at once."""
    for call in calls if isinstance(calls, list) else [calls]:
        if not any(found.get("class_name") == "__keras_tensor__" for found in _objects(call)):
            raise Refused("one of its layers is called on no other's output")


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """All that Keras would make something of, in no order."""
    waiting = [(config, 0)]
    while waiting:
        found, depth = waiting.pop()
        if depth > DEEP:
            raise Refused("its configuration is nested too deeply")
        if isinstance(found, dict):
            if "class_name" in found:
                yield found
            waiting += [(value, depth + 1) for value in found.values()]
        elif isinstance(found, list):
            waiting += [(value, depth + 1) for value in found]
