"""The contract on numbers: what every family's smallest row, and a real network of each, computes."""

import gc
import json
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from make_golden import ROOT
from rows import EXPECTED, REAL, SMALL, counts, family, maps, photos

from tlkit.backbones import build, conversion, pyramid, variant
from tlkit.errors import UsageError
from tlkit.formats import litert, operations, tflite

# Deep or gated networks that tell two photos hardly apart before they have learned anything.
FAINT = ("googlenet", "mobilenet_v3_small", "efficientnet_v2_b0")
rows = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in REAL)]


def even(name):
    """Pixels a side: the row's own."""
    return variant(name).image_size


def odd(name):
    """Pixels a side that no stride divides."""
    return (variant(name).image_size + 11) | 1


@pytest.fixture(scope="module", params=rows)
def network(request):
    """With its top and random weights, at its own size; dropped before the next is built."""
    yield build(request.param, weights=None, seed=0)
    gc.collect()  # a Keras model is in cycles: several would wait together


@pytest.fixture(scope="module")
def trunk(network):
    """The same weights without the top, for photos of any size."""
    channels = variant(network.name).channels
    shape = (None, None, channels)
    return build(network.name, weights=None, seed=0, include_top=False, input_shape=shape)


def test_uint8_and_float32_pixels_are_the_same(network):
    pixels = photos(network.name, even(network.name), 2)
    first = network(pixels).numpy()
    assert first.dtype == np.float32 and first.shape == (2, variant(network.name).classes)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    # It sees what is in the photo; of FAINT's answers of 1e-3, which are rounded to 6e-11, little shows it.
    least = 1e-8 if network.name in FAINT else 1e-6
    assert abs(first[0] - first[1]).max() > least
    np.testing.assert_array_equal(first, network(pixels.astype("float32")))


def test_without_the_top_nothing_of_it_is_left(network, trunk):
    name, expected = network.name, EXPECTED[network.name]
    assert counts(trunk.layers) == expected.without_top
    assert not [layer.name for layer in trunk.layers if layer.name.startswith(conversion.TOP)]
    assert (
        trunk.compute_output_shape((1, even(name), even(name), variant(name).channels))[1:] == expected.output
    )


def tapped(model):
    return keras.Model(model.input, {tap.name: tap.tensor for tap in pyramid(model)})


def test_maps_are_the_same_in_fixed_and_free_sizes(network, trunk):
    """Keras may pad by the static size or by the running one."""
    name, free = network.name, tapped(trunk)
    shape = (odd(name), odd(name), variant(name).channels)
    fixed = tapped(build(name, weights=None, seed=0, include_top=False, input_shape=shape))
    for size, model in ((even(name), tapped(network)), (odd(name), fixed)):
        sides = [(side, side) for side in maps(name, size)]
        assert [tap.shape[1:3] for tap in model.output.values()] == sides
        found = free(photos(name, size))
        assert [tap.shape[1:3] for tap in found.values()] == sides
        assert list(found) == [tap for tap, _, _ in EXPECTED[name].taps]
        same(model(photos(name, size)).values(), found.values())


def same(ours, theirs):
    """Of one and the same graph: what another order of the sums may change, of the largest value."""
    for one, other in zip(ours, theirs, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert other.std() > 0  # a dead output would be the same as any
        assert abs(one - other).max() <= 1e-5 * abs(other).max()


def test_the_top_takes_any_size_or_says_that_it_cannot(network):
    name, shape = network.name, (None, None, variant(network.name).channels)
    if family(name).flattens:
        with pytest.raises(UsageError, match="leaves the size open, and its top has a weight for each place"):
            build(name, weights=None, input_shape=shape)
        return
    free = build(name, weights=None, seed=0, input_shape=shape)
    same([free(photos(name, even(name)))], [network(photos(name, even(name)))])
    assert free(photos(name, odd(name))).shape == (1, variant(name).classes)


def test_the_least_size_leaves_one_place(network):
    name, least = network.name, variant(network.name).least
    model = build(name, weights=None, input_shape=(least, least, variant(name).channels))
    assert pyramid(model)[-1].tensor.shape[1:3] == (1, 1)
    assert np.isfinite(model(photos(name, least))).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_step_reaches_every_weight(network, policy):
    name, before = network.name, keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build(name, weights=None, seed=0, classes=4, classifier_activation=None)
    finally:
        keras.config.set_dtype_policy(before)
    half = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}[policy]
    assert model.get_layer("normalise").compute_dtype == "float32"
    assert next(layer for layer in model.layers if layer.weights).compute_dtype == half
    assert model.output.dtype == "float32"

    optimizer = keras.optimizers.SGD(0.1)
    if half == "float16":
        # As `training.fit` does: small gradients vanish without. From Keras's first scale, 2¹⁵, the optimizer
        # goes down by itself, in networks this small to 2¹⁰; that would be up to five steps for nothing.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**8)
    weights = model.trainable_weights
    optimizer.build(weights)
    old = [weight.numpy() for weight in weights]
    with tf.GradientTape() as tape:
        logits = model(photos(name, even(name), 4), training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.arange(4), logits)
        scaled = optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, [weight.value for weight in weights])
    optimizer.apply(gradients, weights)
    assert np.isfinite(loss)
    for weight, first, gradient in zip(weights, old, gradients, strict=True):
        assert gradient is not None and np.isfinite(gradient).all(), weight.path
        assert np.any(gradient), weight.path
        assert not np.array_equal(weight.numpy(), first), weight.path


@pytest.mark.slow  # tests/formats quantises the same rows, which refuses other operations too
def test_a_phone_file_needs_nothing_but_built_in_operations(network):
    name = network.name
    content = tflite.convert(network, even(name), "none", None)  # refuses what TFLite has not built in
    found = operations.read(content)
    assert found.counts and not found.custom and not found.dynamic
    answer = litert.answer(litert.start(content))
    pixels = photos(name, even(name), 2)
    expected = network(pixels).numpy()
    # A thousand classes are all near 0.001: what two photos differ by is what there is to tell.
    told = abs(expected[0] - expected[1]).max()
    assert abs(answer(pixels) - expected).max() <= 1e-2 * told


def test_fits_into_a_sequential(network, trunk):
    name = network.name
    size, channels = even(name), variant(name).channels
    model = keras.Sequential(
        [keras.Input((size, size, channels)), trunk, keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(3)]
    )
    assert model(photos(name, size)).shape == (1, 3)
    assert len(model.trainable_weights) == len(trunk.trainable_weights) + 2


@pytest.fixture(
    scope="module", params=[SMALL, pytest.param(REAL, marks=pytest.mark.slow)], ids=["small", "real"]
)
def reloaded(tmp_path_factory, request):
    """Networks, saved: what they return, and what a process without tlkit makes of the files."""
    folder, expected = tmp_path_factory.mktemp("saved"), {}
    for name in request.param:
        model = build(name, weights=None, seed=0)
        model.save(folder / f"{name}.keras")
        pixels = photos(name, even(name))
        maps_too = keras.Model(model.input, [*(tap.tensor for tap in pyramid(model)), model.output])
        expected[name] = [value.numpy() for value in maps_too(pixels)]
        np.save(folder / f"{name}.npy", pixels)
    taps = {name: [tap for tap, _, _ in EXPECTED[name].taps] for name in expected}
    code = """
        import json, pathlib, sys
        sys.modules["tlkit"] = None  # to import it is now an error
        import keras, numpy
        folder = pathlib.Path(sys.argv[1])
        for name, taps in json.loads(sys.argv[2]).items():
            model = keras.saving.load_model(folder / f"{name}.keras")
            maps = [model.get_layer(tap).output for tap in taps]
            found = keras.Model(model.input, [*maps, model.output])(numpy.load(folder / f"{name}.npy"))
            numpy.savez(folder / f"{name}.npz", *[value.numpy() for value in found])
        assert not [name for name in sys.modules if name.startswith("tlkit.")]
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder), json.dumps(taps)]
    subprocess.run(command, cwd=ROOT, check=True)
    return expected, folder


def test_saved_models_load_without_tlkit(reloaded):
    expected, folder = reloaded
    assert expected
    for name, values in expected.items():
        with np.load(folder / f"{name}.npz") as found:
            same(found.values(), values)
