"""ResNet V2: what the contract and the comparisons with timm and keras.applications leave open."""

import math

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import build, pyramid, resnet_v2, variant
from tlkit.backbones.anatomy import multiply_adds

# Keras 3.15 saves TensorFlow's variables by a call that NumPy 2 deprecates: backend/tensorflow/core.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

both = pytest.mark.parametrize("geometry", ["keras", "timm"])


def small(geometry, **options):
    return build("resnet_v2_test", weights=None, seed=3, geometry=geometry, **options)


def plan(name, geometry):
    return resnet_v2.plan(variant(name), resnet_v2.GEOMETRIES[geometry])


@pytest.mark.parametrize(
    ("geometry", "depths"), [("keras", [2, 4, 6, 4]), ("timm", [3, 4, 6, 3])], ids=["keras", "timm"]
)
def test_a_block_that_strides_begins_a_stage(geometry, depths):
    blocks = plan("resnet50_v2", geometry)
    assert [[block.stage for block in blocks].count(stage) for stage in (1, 2, 3, 4)] == depths
    assert [block.name for block in blocks if block.stride == 2] == [f"stage{n}_block1" for n in (2, 3, 4)]
    assert [block.width for block in blocks] == [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3


@pytest.mark.parametrize(
    ("name", "trainable", "total", "millions"),
    [
        ("resnet50_v2", 25_549_352, 25_594_792, 4_089),
        pytest.param("resnet101_v2", 44_541_480, 44_639_144, 7_801, marks=pytest.mark.slow),
        pytest.param("resnet152_v2", 60_185_128, 60_328_872, 11_514, marks=pytest.mark.slow),
    ],
)
def test_timms_geometry_counts_as_timm(name, trainable, total, millions):
    model = build(name, weights=None, geometry="timm")
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == trainable
    assert model.count_params() == total
    assert round(multiply_adds(model) / 1e6) == millions


@both
def test_taps_are_alike_in_both_geometries(geometry):
    found = [(tap.name, tap.stride, tap.channels) for tap in pyramid(small(geometry, include_top=False))]
    assert found == [
        ("stem", 2, 8), ("stage1", 4, 32), ("stage2", 8, 64), ("stage3", 16, 128), ("stage4", 32, 256)
    ]  # fmt: skip


@both
def test_can_be_cut_at_every_mark(geometry):
    """No shortcut goes round one: what is frozen can be run once, and the rest learn from what it made."""
    model = small(geometry)
    photos = picture(64)[None]
    for mark in ("stem", "stage1", "stage2", "stage3", "stage4"):
        lower = keras.Model(model.input, model.get_layer(mark).output)
        upper = keras.Model(model.get_layer(mark).output, model.output)
        np.testing.assert_allclose(upper(lower(photos)), model(photos), rtol=1e-5, atol=1e-7)


@both
def test_a_block_whose_branch_is_zero_passes_on_what_it_gets(geometry):
    """Also negative numbers: nothing follows the sum, which is what version 2 is about."""
    model = small(geometry)
    this = next(block for block in plan("resnet_v2_test", geometry) if block.place > 0 and block.stride == 1)
    expand = model.get_layer(f"{this.name}_expand")
    expand.set_weights([np.zeros_like(weight) for weight in expand.get_weights()])
    add = model.get_layer(f"{this.name}_add")
    before, after = keras.Model(model.input, [add.input[0], add.output])(picture(64)[None])
    assert before.numpy().min() < -0.1 and before.numpy().max() > 0.1
    np.testing.assert_array_equal(after, before)


def test_the_late_stride_takes_every_other_place():
    """keras: the shortcut of a block that strides, when nothing is added to it."""
    model = small("keras")
    expand = model.get_layer("stage2_block1_expand")
    expand.set_weights([np.zeros_like(weight) for weight in expand.get_weights()])
    outputs = [model.get_layer(name).output for name in ("stage1", "stage2_block1_add")]
    before, after = keras.Model(model.input, outputs)(picture(64)[None])
    np.testing.assert_array_equal(after, before[:, ::2, ::2])


@pytest.mark.parametrize(("geometry", "around"), [("keras", 0), ("timm", -np.inf)], ids=["keras", "timm"])
@pytest.mark.parametrize("size", [64, 66, 67])
def test_what_lies_around_the_stems_pool(geometry, around, size):
    """Its map goes below zero, so that zeros around it would be seen."""
    model = small(geometry, input_shape=(size, size, 3))
    stem, pool = (model.get_layer(name).output for name in ("stem", "stem_pool"))
    found = keras.Model(model.input, [stem, pool])(picture(size)[None])
    before, after = (value.numpy() for value in found)
    padded = np.pad(before, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=around)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    np.testing.assert_array_equal(after, windows.max(axis=(-1, -2)))
    assert (after[:, 0] < 0).any() == (geometry == "timm")


@both
def test_drop_path_grows_to_the_last_block(geometry):
    model = small(geometry, drop_path=0.7)
    dropped = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_drop_path")}
    names = [f"{block.name}_drop_path" for block in plan("resnet_v2_test", geometry)]
    assert list(dropped) == names[1:]  # the first block's share is 0
    np.testing.assert_allclose(list(dropped.values()), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_biases_are_where_no_normalisation_follows():
    for geometry in ("keras", "timm"):
        model = small(geometry)
        convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        for layer in convolutions:
            followed = any(other.name == f"{layer.name}_norm" for other in model.layers)
            assert layer.use_bias == (geometry == "keras" and not followed), layer.name


@both
def test_survives_saving(geometry, tmp_path):
    """timm's pads the stem's map by an operation that is no layer."""
    model = small(geometry)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(picture(64)[None]), model(picture(64)[None]))
