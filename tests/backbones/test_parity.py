"""Every family against code that no one here wrote: the golden files of `cases/`."""

import importlib

import cases
import keras
import numpy as np
import pytest
import seeded
from make_golden import BATCH, digest, picture, sample
from published import entry_of

from tlkit import backbones
from tlkit.backbones import conversion

CASES = cases.load()

# Of the others test_published.py writes files, and what those give has to agree.
OURS = {name: case for name, case in CASES.items() if not entry_of(case)}
every = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * case.slow) for name, case in OURS.items()]
)


def drawn(theirs, gain):
    """The tensors of a twin, drawn again."""
    shapes = [tuple(map(int, filter(None, text.split(",")))) for text in theirs["shapes"].tolist()]
    pairs = zip(theirs["names"].tolist(), shapes, strict=True)
    tensors = {name: seeded.tensor(name, shape, gain) for name, shape in pairs}
    assert digest(tensors) == str(theirs["tensors"])  # the same numbers as torch was given
    return tensors


def filled(case, tensors, **options):
    """Our network with the tensors of its twin."""
    # A twin may end before its top.
    top = {"classifier_activation": None, "dropout": 0.0} if case.options.get("include_top", True) else {}
    model = backbones.build(case.backbone, **{"weights": None, **top, **case.options, **options})
    names = case.names
    if names is None:
        variant = backbones.variant(case.backbone)
        family = importlib.import_module(f"tlkit.backbones.{backbones.family(case.backbone)}").FAMILY
        geometry = family.geometries[case.options.get("geometry", variant.geometries[0])]
        names = family.names[case.publisher](variant, geometry)
    seen = {ours: conversion.Seen(*source) for ours, source in names.items() if type(source) is tuple}
    conversion.give(model, tensors, {**names, **seen}, case.publisher)
    return model


@every
def test_agrees(name, golden):
    case, theirs = OURS[name], golden(name)
    channels, tensors = backbones.variant(case.backbone).channels, drawn(theirs, case.gain)
    for size in case.sizes:
        model = filled(case, tensors, input_shape=(size, size, channels))
        taps = keras.Model(model.input, [model.get_layer(tap).output for tap in case.taps])
        for tap, value in zip(case.taps, taps(picture(size)[None, :, :, :channels]), strict=True):
            expected = theirs[f"{size}/{tap}"]
            assert expected.std() > 0.1, (size, tap)  # a dead output would agree with anything
            found = sample(value.numpy())
            assert found.shape == expected.shape, (size, tap)
            assert abs(found - expected).max() <= 1e-4 * abs(expected).max(), (size, tap)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.step])
def test_a_training_step_moves_the_statistics_alike(name, golden):
    case, theirs = CASES[name], golden(name)
    channels = backbones.variant(case.backbone).channels
    model = filled(case, drawn(theirs, case.gain), input_shape=(case.side, case.side, channels))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = {layer.name: [weight.numpy() for weight in layer.weights] for layer in norms}
    pictures = np.stack([picture(case.side, number) for number in range(BATCH)])[..., :channels]
    model(pictures, training=True)
    moved = {"running_mean": {}, "running_var": {}}
    for layer in norms:
        _, _, mean, variance = before[layer.name]
        seen, kept = BATCH * np.prod(layer.output.shape[1:3]), layer.momentum
        moved["running_mean"][layer.name] = layer.moving_mean.numpy() - mean
        # Keras takes the variance of the batch as it is, torch n/(n−1) of it.
        batch = layer.moving_variance.numpy() - kept * variance
        moved["running_var"][layer.name] = batch * seen / (seen - 1) - (1 - kept) * variance
    order = _in_their_order(case, theirs, norms)
    for part, found in moved.items():
        expected = theirs[f"step/{part}"]
        assert abs(expected).max() > 0.01
        ours = sample(np.concatenate([found[ours] for ours in order]))
        # A tenth or a hundredth of a statistic is left of float32's seven digits.
        assert abs(ours - expected).max() <= 1e-3 * abs(expected).max(), part


def _in_their_order(case, theirs, norms):
    """Names of our normalisations, sorted as the twin's tensors are."""
    variant = backbones.variant(case.backbone)
    family = importlib.import_module(f"tlkit.backbones.{backbones.family(case.backbone)}").FAMILY
    geometry = family.geometries[case.options.get("geometry", variant.geometries[0])]
    names = case.names or family.names[case.publisher](variant, geometry)
    place = {name: number for number, name in enumerate(theirs["names"].tolist())}
    return sorted((layer.name for layer in norms), key=lambda ours: place[f"{names[ours]}.running_mean"])
