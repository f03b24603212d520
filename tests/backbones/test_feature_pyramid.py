"""The feature pyramid: against torchvision's, and over every family."""

import doctest
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from make_golden import PYRAMID, PYRAMID_SIZES, picture, sample
from rows import EXPECTED, TESTS, photos
from test_parity import drawn

from tlkit import backbones, classifier
from tlkit.backbones import build, conversion, feature_pyramid, fpn, variant
from tlkit.errors import UsageError
from tlkit.formats import litert, operations

LEVELS = ("P3", "P4", "P5", "P6", "P7")
STRIDES = {name: [stride for _, stride, _ in EXPECTED[name].taps] for name in TESTS}
ABLE = [name for name in TESTS if {8, 16, 32} <= {*STRIDES[name]}]


def pools(size, rounded):
    """Maps of stride 8, 16 and 32 of a picture that is normalised already: no more than its pixels."""
    x = photo = keras.Input((size, size, 3))
    for number, stride in enumerate((8, 2, 2), start=1):
        x = layers.MaxPooling2D(1 if rounded == "up" else stride, stride)(x)
        x = layers.Identity(name=f"stage{number}")(x)
    return keras.Model(photo, x, name="pools")


def names():
    """Our layers as torchvision calls them."""
    found = {f"fpn_p{level}_lateral": f"inner_blocks.{level - 3}.0" for level in (3, 4, 5)}
    found |= {f"fpn_p{level}": f"layer_blocks.{level - 3}.0" for level in (3, 4, 5)}
    return {**found, "fpn_p6": "extra_blocks.p6", "fpn_p7": "extra_blocks.p7"}


@pytest.mark.parametrize(
    ("rounded", "size"), [(rounded, size) for rounded, sizes in PYRAMID_SIZES.items() for size in sizes]
)
def test_agrees_with_torchvision(rounded, size, golden):
    theirs = golden("feature_pyramid")
    tensors = drawn(theirs, 1.0)
    model = fpn(pools(size, rounded), PYRAMID)
    conversion.give(model, tensors, names(), "torchvision")
    found = model((picture(size)[None] - 127.5) / 127.5)
    assert [*found] == [*LEVELS]
    for name, value in found.items():
        expected = theirs[f"{rounded}/{size}/{name}"]
        assert expected.std() > 0.1
        assert abs(sample(value.numpy()) - expected).max() <= 1e-4 * abs(expected).max(), name


@pytest.mark.parametrize(
    ("smaller", "larger"), [((3, 4), (6, 8)), ((9, 4), (17, 9)), ((3, 3), (7, 5)), ((1, 6), (3, 13))]
)
def test_a_map_is_enlarged_to_the_other_ones_size(smaller, larger):
    values = np.random.default_rng(0).random((2, *smaller, 3), "float32")
    x, like = keras.Input((*smaller, 3)), keras.Input((*larger, 3))
    found = keras.Model([x, like], feature_pyramid.enlarged(x, like, "up"))(
        [values, np.zeros((2, *larger, 3))]
    )
    down, across = (np.arange(m) * n // m for n, m in zip(smaller, larger, strict=True))
    np.testing.assert_array_equal(found, values[:, down][:, :, across])


def test_some_families_can_and_some_cannot():
    assert len(ABLE) > 5 and len(ABLE) < len(TESTS)


@pytest.mark.parametrize("name", TESTS)
def test_every_family_has_a_pyramid_or_too_few_maps(name):
    row = variant(name)
    if name not in ABLE:
        with pytest.raises(
            UsageError, match=f"^{name} has no feature map of stride .*: its strides are .*. A"
        ):
            fpn(build(name, weights=None, include_top=False))
        return
    size = (row.image_size + 11) | 1  # that no stride divides
    model = build(name, weights=None, include_top=False, input_shape=(size, size, row.channels))
    maps = {tap.stride: tap.tensor.shape[1:3] for tap in backbones.pyramid(model)}
    pyramid = fpn(model, channels=4)
    sides = [maps[stride] for stride in (8, 16, 32)]
    for _ in range(2):
        sides.append(tuple((side + 1) // 2 for side in sides[-1]))
    assert [pyramid.output[level].shape for level in LEVELS] == [(None, *side, 4) for side in sides]
    assert pyramid.name == f"{name}_fpn"


def test_names_of_strides_that_are_missing():
    with pytest.raises(UsageError) as caught:
        fpn(build("resnet_cifar_test", weights=None))
    assert str(caught.value) == (
        "resnet_cifar_test has no feature map of stride 8 or 16 or 32: its strides are 1, 2, 4. "
        "A pyramid stands on those of 8, 16 and 32."
    )


@pytest.mark.parametrize("channels", [0, -1, 2.0, True, "256", None, np.float32(2)])
def test_channels_are_a_whole_number(channels):
    with pytest.raises(UsageError) as caught:
        fpn(pools(64, "up"), channels)
    assert str(caught.value) == f"channels={channels!r} must be a whole number from 1 on."


def test_channels_may_be_numpys():
    assert fpn(pools(64, "up"), np.int64(8)).output["P3"].shape == (None, 8, 8, 8)


def test_weighs_what_it_should():
    """On the channels of ResNet-50: laterals of 512, 1024 and 2048, then five 3×3 of 256."""
    x = photo = keras.Input((64, 64, 3))
    for number, (stride, channels) in enumerate(((8, 512), (2, 1024), (2, 2048)), start=1):
        x = layers.Conv2D(channels, 1, use_bias=False)(layers.MaxPooling2D(stride)(x))
        x = layers.Identity(name=f"stage{number}")(x)
    model = keras.Model(photo, x)
    found = fpn(model)
    laterals = (512 + 1024 + 2048) * 256 + 3 * 256
    assert found.count_params() - model.count_params() == laterals + 5 * (9 * 256 * 256 + 256) == 3_868_672
    # The four levels P2 to P5 are published to weigh 3,344,384: P6 and P7 for P2 add 590,080 − 65,792.
    assert [found.output[level].shape[1:] for level in LEVELS] == [(n, n, 256) for n in (8, 4, 2, 1, 1)]


def test_stands_on_a_fine_tuned_model_that_was_loaded(tmp_path):
    tuned = classifier.build("convnext_test", ["ant", "bee"], weights=None)
    tuned.save(tmp_path / "tuned.keras")
    loaded = keras.saving.load_model(tmp_path / "tuned.keras")
    for layer in loaded.layers:
        layer.trainable = not layer.name.startswith("stage1")
    model = fpn(loaded, channels=8, seed=1)
    assert {layer.name[:6] for layer in model.layers if not layer.trainable} == {"stage1"}
    assert model.get_layer("stage4_downsample").kernel is loaded.get_layer("stage4_downsample").kernel
    assert not [layer.name for layer in model.layers if isinstance(layer, layers.Dense)]
    pixels = photos("convnext_test", 64, 2)
    expected = model(pixels)
    assert expected["P3"].shape == (2, 8, 8, 8) and all(np.std(value) > 0 for value in expected.values())
    model.save(tmp_path / "pyramid.keras")
    again = keras.saving.load_model(tmp_path / "pyramid.keras")(pixels)
    for level in LEVELS:
        np.testing.assert_allclose(again[level], expected[level], rtol=1e-5, atol=1e-6)


def test_a_seed_makes_it_the_same_again():
    first, again, other = (fpn(pools(64, "up"), 4, seed=seed).get_weights() for seed in (3, 3, 4))
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.ndim == 1 or not np.array_equal(one, three)
    assert not np.array_equal(first[0], first[2])


def test_every_map_learns():
    model = fpn(build("resnet_test", weights=None, include_top=False, seed=0), 8, seed=0)
    with tf.GradientTape() as tape:
        found = model(photos("resnet_test", 64, 2), training=True)
        loss = sum(tf.reduce_sum(tf.square(value)) for value in found.values())
    weights = model.trainable_weights
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None and np.any(gradient), weight.path


@pytest.mark.parametrize("name", ["resnet_test", "convnext_test"])
def test_an_open_size_takes_multiples_of_the_last_stride(name):
    channels = variant(name).channels
    options = {"weights": None, "include_top": False, "seed": 0}
    free = fpn(build(name, input_shape=(None, None, channels), **options), 4, seed=0)
    fixed = fpn(build(name, input_shape=(96, 96, channels), **options), 4, seed=0)
    assert free.output["P3"].shape == (None, None, None, 4)
    for level, value in free(photos(name, 96)).items():
        np.testing.assert_allclose(value, fixed(photos(name, 96))[level], rtol=1e-4, atol=1e-5)
    half = fpn(build(name, input_shape=(None, 75, channels), **options), 4, seed=0)
    pixels = photos(name, 75)
    whole = fpn(build(name, input_shape=(64, 75, channels), **options), 4, seed=0)(pixels[:, :64])
    for level, value in half(pixels[:, :64]).items():
        np.testing.assert_allclose(value, whole[level], rtol=1e-4, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        free(photos(name, 72))


def test_maps_that_do_not_double_need_a_size():
    with pytest.raises(UsageError) as caught:
        fpn(build("alexnet_test", weights=None, include_top=False, input_shape=(None, None, 3)))
    assert str(caught.value) == (
        "alexnet_test leaves the size of photos open, and its maps are not half of one another: "
        "31, 15, 7 places for 256 pixels. Build it with a height and a width: input_shape."
    )


@pytest.mark.parametrize(("rounded", "size"), [("up", 161), ("down", 121)])
def test_becomes_a_phone_file(rounded, size, tmp_path):
    """At odd sizes: cut where they round up, looked up where they round down."""
    model = fpn(pools(size, rounded), 8, seed=0)
    model.export(tmp_path, verbose=False, input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32)])
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
    found = operations.read(content)
    assert not found.custom and not found.dynamic
    assert found.counts.get("GATHER", 0) == (0 if rounded == "up" else 4)
    pixels = (picture(size)[None] / 127.5 - 1).astype("float32")
    runner = litert.start(content)
    runner.set_tensor(runner.get_input_details()[0]["index"], pixels)
    runner.invoke()
    found = [runner.get_tensor(output["index"]) for output in runner.get_output_details()]
    found = sorted(found, key=lambda value: -value.size)
    for level, value in zip(LEVELS, found, strict=True):
        expected = model(pixels)[level].numpy()
        assert abs(value - expected).max() <= 1e-4 * abs(expected).max(), level


def test_the_function_stays_what_its_module_is_not():
    assert callable(backbones.fpn) and "fpn" in backbones.__all__
    assert importlib.import_module("tlkit.backbones.feature_pyramid").fpn is backbones.fpn


def test_example_in_its_docstring():
    results = doctest.testmod(feature_pyramid)
    assert results.attempted >= 3 and results.failed == 0
