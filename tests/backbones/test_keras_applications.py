"""Every family that keras.applications has too, against its code, live: with the same random weights."""

import importlib
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import seeded
from make_golden import picture

from tlkit import backbones
from tlkit.backbones import frame
from tlkit.backbones.anatomy import multiply_adds


class Twin(NamedTuple):
    """A network of ours, and a builder of keras.applications."""

    backbone: str  # in INDEX
    builder: str  # in keras.applications
    taps: dict[str, str]  # our layer → theirs that returns the same
    options: dict[str, Any] = {}  # of our builder
    sizes: tuple[int, ...] = (96, 97)  # pixels a side: an even and an odd one
    slow: bool = False


V1 = {
    "stem": "conv1_relu",
    "stage1": "conv2_block3_out",
    "stage2": "conv3_block4_out",
    "stage3": "conv4_block6_out",
    "stage4": "conv5_block3_out",
}
V2 = {
    "stem": "conv1_conv",
    "stage1": "conv2_block2_out",
    "stage2": "conv3_block3_out",
    "stage2_block1_pre_relu": "conv2_block3_preact_relu",  # what detectors tap in keras.applications
    "stage3": "conv4_block5_out",
    "stage4": "post_relu",
}
VGG = {
    "stem": "block1_conv2",
    "stage1": "block2_conv2",
    "stage2": "block3_conv3",
    "stage3": "block4_conv3",
    "stage4": "block5_conv3",
    "stage5": "block5_pool",
}
VGG_LONG = {**VGG, "stage2": "block3_conv4", "stage3": "block4_conv4", "stage4": "block5_conv4"}

TWINS = [
    Twin("vgg16", "VGG16", VGG, slow=True),
    Twin("vgg19", "VGG19", VGG_LONG, slow=True),
    Twin("resnet50", "ResNet50", V1, {"geometry": "keras"}, (64, 65)),
    Twin("resnet50_v2", "ResNet50V2", V2),
]

every = pytest.mark.parametrize(
    "twin",
    [pytest.param(twin, id=twin.backbone, marks=[pytest.mark.slow] * twin.slow) for twin in TWINS],
)


def theirs(twin, size):
    """Their network without weights of its own, and the tensors that it was given instead."""
    model = getattr(keras.applications, twin.builder)(
        weights=None, classifier_activation=None, input_shape=(size, size, 3)
    )
    tensors = {}
    for layer in model.layers:
        for variable in layer.variables:
            name = f"{layer.name}/{variable.name}"
            tensors[name] = seeded.tensor(name, tuple(variable.shape))
            variable.assign(tensors[name])
    return model, tensors


def ours(twin, size, tensors):
    """Our network with their tensors, each used once."""
    variant = backbones.variant(twin.backbone)
    family = importlib.import_module(f"tlkit.backbones.{backbones.family(twin.backbone)}").FAMILY
    options = {"weights": None, "classifier_activation": None, **twin.options}
    model = backbones.build(twin.backbone, input_shape=(size, size, 3), **options)
    geometry = family.geometries[twin.options.get("geometry", variant.geometries[0])]
    frame.fill(model, tensors, family.names["keras"](variant, geometry), "keras")
    return model


@every
def test_agrees(twin):
    for size in twin.sizes:
        reference, tensors = theirs(twin, size)
        model = ours(twin, size, tensors)
        theirs_tapped = [reference.get_layer(name).output for name in twin.taps.values()]
        ours_tapped = [model.get_layer(name).output for name in twin.taps]
        photo = picture(size)[None]
        expected = keras.Model(reference.input, [*theirs_tapped, reference.output])((photo - 127.5) / 127.5)
        found = keras.Model(model.input, [*ours_tapped, model.output])(photo)
        for tap, wanted, value in zip((*twin.taps, "logits"), expected, found, strict=True):
            wanted, value = wanted.numpy(), value.numpy()
            assert wanted.std() > 0.1, (size, tap)  # a dead output would agree with anything
            assert value.shape == wanted.shape, (size, tap)
            assert np.abs(value - wanted).max() <= 1e-4 * np.abs(wanted).max(), (size, tap)


@every
def test_weighs_and_costs_as_much(twin):
    reference = getattr(keras.applications, twin.builder)(weights=None)
    model = backbones.build(twin.backbone, weights=None, **twin.options)
    assert model.count_params() == reference.count_params()
    assert multiply_adds(model) == multiply_adds(reference)
    shapes = sorted(tuple(weight.shape) for weight in reference.trainable_weights)
    assert sorted(tuple(weight.shape) for weight in model.trainable_weights) == shapes


@pytest.mark.parametrize("twin", [pytest.param(twin, id=twin.backbone) for twin in TWINS if not twin.slow])
def test_normalises_alike(twin):
    """Epsilon and momentum are in no tensor, and at these variances barely in an output."""
    reference = getattr(keras.applications, twin.builder)(weights=None)
    model = backbones.build(twin.backbone, weights=None, **twin.options)

    def settings(network):
        norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        return [(layer.epsilon, layer.momentum) for layer in norms]

    assert settings(model) and settings(model) == settings(reference)
