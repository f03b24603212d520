"""Every family that keras.applications has too, against its code: what no output shows.

What both answer to a photograph is in test_published_keras.py.
"""

import gc
import math

import cases
import keras
import pytest

from tlkit import backbones
from tlkit.backbones.anatomy import cost, multiply_adds

TWINS = cases.twins()


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
