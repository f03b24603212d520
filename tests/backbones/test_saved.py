"""What a `.keras` file describes: tlkit's networks are loaded, all else is refused before it is built."""

import json
import zipfile
from pathlib import Path

import keras
import pytest

from tlkit import backbones, classifier
from tlkit.backbones import saved
from tlkit.errors import ModelError, WeightsError
from tlkit.weights import keras_config

ROWS = [name for name in backbones.INDEX if name.endswith("_test")]
TENSOR = {"class_name": "__tensor__", "config": {"value": [[[[1.0]]]], "dtype": "float32"}}
OUTPUT = {"class_name": "__keras_tensor__", "config": {"shape": [None, 1000], "dtype": "float32"}}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "source.keras"
    backbones.build("efficientnet_test", weights=None).save(path)
    return path


def changed(source, target, change):
    """The archive with another configuration."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as other:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                config = json.loads(content)
                content = change(config["config"]["layers"]) or json.dumps(config)
            other.writestr(name, content)
    return target


def replaced(module, name, **config):
    """Another layer in place of the first after the photo."""

    def change(layers):
        layers[1] |= {"module": module, "class_name": name, "registered_name": name}
        layers[1]["config"] = {"name": "normalise", **config}

    return change


def added(module, name, *called_on, **config):
    def change(layers):
        calls = [{"args": list(called_on), "kwargs": {}}]
        layers.append({"module": module, "class_name": name, "name": "more", "inbound_nodes": calls})
        layers[-1]["config"] = {"name": "more", **config}

    return change


def function(module, name):
    """A function in place of an initializer's configuration."""

    def change(layers):
        layer = next(layer for layer in layers if layer["class_name"] == "Conv2D")
        layer["config"]["kernel_initializer"] = {"module": module, "class_name": "function", "config": name}

    return change


def units(count):
    def change(layers):
        next(layer for layer in layers if layer["class_name"] == "Dense")["config"]["units"] = count

    return change


def nested(layers):
    return '{"module":"keras","class_name":"Sequential","config":{"layers":[' * 300 + "]}}" * 300


# Keras 3.15 loads those with a figure, in safe mode, and takes so many gigabytes for them.
HOSTILE = {
    "more weights than it holds (25)": (units(10**8), "network of 6,500,048,592 weights, and does not hold"),
    "an operation on numbers (8)": (
        added("keras.src.ops.numpy", "Arange", 0, 2 * 10**9),
        "a layer that tlkit does not load, 'keras.src.ops.numpy.Arange'",
    ),
    "a layer on numbers (1.6)": (
        added("keras.layers", "UpSampling2D", TENSOR, size=[20_000, 20_000]),
        "one of its layers is called on no other's output",
    ),
    "numbers beside a layer's": (
        added("keras.layers", "Add", [OUTPUT, TENSOR]),
        "it names 'None.__tensor__'",
    ),
    "a file named": (replaced("keras.layers", "StringLookup", vocabulary="/etc/passwd"), "StringLookup"),
    "a lambda": (replaced("keras.layers", "Lambda", function="exec"), "not load, 'keras.layers.Lambda'"),
    "a saved model": (replaced("keras.layers", "TFSMLayer", filepath="/tmp"), "not load, 'keras.layers.TFSM"),
    "a program": (replaced("subprocess", "Popen", args=["true"]), "does not load, 'subprocess.Popen'"),
    "an initializer as a layer": (replaced("keras.initializers", "Ones"), "'keras.initializers.Ones'"),
    "a function": (function("builtins", "exec"), "it names 'builtins.function'"),
    "a function of Keras": (function("keras", "get_file"), "it names the function 'get_file'"),
    "models in models": (nested, "its configuration is nested too deeply"),
    "brackets": (lambda layers: "[" * 200_000, "its configuration is cut off or damaged"),
    "no object": (lambda layers: "3", "it has no configuration"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_keras_would_build_or_compute_is_refused_before(kind, source, tmp_path):
    change, text = HOSTILE[kind]
    path = changed(source, tmp_path / "hostile.keras", change)
    before = peak()
    with pytest.raises(WeightsError) as caught:
        saved.read(path)
    assert text in str(caught.value) and "\n" not in str(caught.value)
    assert peak() - before < 300


def test_a_layer_beside_the_network_is_not_built(source, tmp_path):
    """Keras builds it, as large as it says, and leaves it out of the model."""

    def change(layers):
        beside = {"module": "keras.layers", "class_name": "Dense", "name": "more", "inbound_nodes": []}
        layers.append(
            {**beside, "config": {"units": 10, "name": "more"}, "build_config": {"input_shape": [1, 9]}}
        )

    with pytest.raises(WeightsError, match="describes layers that its network does not have"):
        saved.read(changed(source, tmp_path / "beside.keras", change))


def test_planning_leaves_nothing_behind(source, tmp_path):
    """Or the next scope of the kind would make the weights that were refused."""
    with pytest.raises(WeightsError):
        saved.read(changed(source, tmp_path / "large.keras", units(10**8)))
    before = peak()
    with keras.StatelessScope():
        pass
    assert peak() - before < 300


def test_what_is_no_keras_file_by_its_name_is_refused_in_a_line(source, tmp_path):
    path = Path(tmp_path / "model.zip")
    path.write_bytes(source.read_bytes())
    with pytest.raises(
        ModelError, match="model.zip cannot be read as a Keras model: File format not supported"
    ):
        saved.read(path)


def test_a_classifier_is_loaded(tmp_path):
    classifier.build("convnext_v2_test", ["ant", "bee"], weights=None, head="mlp").save(
        tmp_path / "run.keras"
    )
    assert saved.read(tmp_path / "run.keras").classes == 2


@pytest.mark.slow  # 31 networks
def test_every_family_is_loaded(tmp_path):
    for name in ROWS:
        backbones.build(name, weights=None).save(tmp_path / f"{name}.keras")
        config, layers = keras_config.read(tmp_path / f"{name}.keras")
        assert saved._planned(config)[0] == layers > 5, name


def peak():
    """Megabytes that this process has ever taken."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
