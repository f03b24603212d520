"""Every family that keras.applications has too, against its code, live: with the same random weights."""

import gc
import importlib
import math

import cases
import keras
import numpy as np
import pytest
import seeded
from make_golden import picture

from tlkit import backbones
from tlkit.backbones import conversion
from tlkit.backbones.anatomy import cost, multiply_adds

TWINS = cases.twins()

every = pytest.mark.parametrize(
    "twin",
    [pytest.param(twin, id=name, marks=[pytest.mark.slow] * twin.slow) for name, twin in TWINS.items()],
)


def passes_by(twin, layer):
    """Whether it only normalises the photograph; Keras numbers what has no name of its own, process-wide."""
    return layer.name.rstrip("_0123456789") in twin.passed_by


def called(layer, variable):
    """A variable's name; Keras numbers what was given none, process-wide: then the attribute's."""
    if not variable.name.startswith("variable"):
        return variable.name
    return next(attribute for attribute, value in vars(layer).items() if value is variable)


def leaves(network):
    """All layers, those of a model within a model in its place."""
    for layer in network.layers:
        yield from leaves(layer) if isinstance(layer, keras.Model) else [layer]


def theirs(twin, size, tensors):
    """Their network, given `tensors` instead of weights of its own; what is not there yet is drawn."""
    keras.utils.clear_session()  # it numbers what has no name of its own: from 0 on, as in a fresh process
    model = getattr(keras.applications, twin.builder)(
        weights=None, classifier_activation=None, input_shape=(size, size, 3), **twin.settings
    )
    for layer in leaves(model):
        if passes_by(twin, layer):
            continue
        for variable in layer.weights:  # unlike `variables`, without the state of a dropout
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
            # As their files call it, and `conversion.KERAS`.
            name = f"{layer.name}/{'depthwise_' * depthwise}{called(layer, variable)}"
            if name not in tensors:
                tensors[name] = seeded.tensor(name, tuple(variable.shape), twin.gain)
            variable.assign(tensors[name])
    return model


def ours(twin, size, tensors):
    """Our network with their tensors, each used once."""
    variant = backbones.variant(twin.backbone)
    family = importlib.import_module(f"tlkit.backbones.{backbones.family(twin.backbone)}").FAMILY
    options = {"weights": None, "classifier_activation": None, **twin.options}
    model = backbones.build(twin.backbone, input_shape=(size, size, 3), **options)
    geometry = family.geometries[twin.options.get("geometry", variant.geometries[0])]
    conversion.give(model, tensors, family.names["keras"](variant, geometry), "keras")
    return model


@every
def test_agrees(twin):
    tensors = {}
    for size in twin.sizes:
        reference = theirs(twin, size, tensors)
        model = ours(twin, size, tensors)
        theirs_tapped = [reference.get_layer(name).output for name in twin.taps.values()]
        ours_tapped = [model.get_layer(name).output for name in twin.taps]
        photo = picture(size)[None]
        mean, spread = twin.fed
        expected = keras.Model(reference.input, [*theirs_tapped, reference.output])((photo - mean) / spread)
        found = keras.Model(model.input, [*ours_tapped, model.output])(photo)
        for tap, wanted, value in zip((*twin.taps, "logits"), expected, found, strict=True):
            wanted, value = wanted.numpy(), value.numpy()
            assert wanted.std() > 0.1, (size, tap)  # a dead output would agree with anything
            assert value.shape == wanted.shape, (size, tap)
            assert np.abs(value - wanted).max() <= 1e-4 * np.abs(wanted).max(), (size, tap)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] * twin.slow) for name, twin in TWINS.items()],
)
def pair(request):
    """A twin, our network at its own size, and theirs."""
    twin = TWINS[request.param]
    model = backbones.build(twin.backbone, weights=None, **twin.options)
    # Some leave the size open where none is given.
    shape = model.input_shape[1:]
    reference = getattr(keras.applications, twin.builder)(weights=None, input_shape=shape, **twin.settings)
    yield twin, model, reference
    del model, reference
    gc.collect()  # a Keras model is in cycles: several would wait together


def shapes(weights):
    """Of tensors; a 1×1 convolution is a dense layer to some."""
    return sorted(tuple(n for n in weight.shape if n > 1) for weight in weights)


def test_weighs_and_costs_as_much(pair):
    twin, model, reference = pair
    passed_by = sum(layer.count_params() for layer in reference.layers if passes_by(twin, layer))
    gammas = [weight for weight in model.trainable_weights if twin.unscaled and weight.name == "gamma"]
    ours = [weight for weight in model.trainable_weights if not any(weight is gamma for gamma in gammas)]
    beyond = sum(math.prod(gamma.shape) for gamma in gammas)
    assert model.count_params() - beyond == reference.count_params() - passed_by
    assert multiply_adds(model) == sum(map(cost, leaves(reference)))
    assert shapes(ours) == shapes(reference.trainable_weights)


def test_normalises_alike(pair):
    """Epsilon and momentum are in no tensor, and at these variances barely in an output."""
    twin, model, reference = pair

    def settings(network):
        kinds = keras.layers.BatchNormalization | keras.layers.LayerNormalization
        norms = [layer for layer in leaves(network) if isinstance(layer, kinds)]
        return [(layer.epsilon, getattr(layer, "momentum", None)) for layer in norms]

    assert bool(settings(model)) == (twin.builder not in ("VGG16", "VGG19"))  # they normalise nothing
    assert settings(model) == settings(reference)
