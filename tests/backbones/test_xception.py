"""Xception: what the contract and the comparisons with keras.applications and timm leave open."""

import math

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import anatomy, build, variant, xception

both = pytest.mark.parametrize("geometry", ["keras", "timm"])


def small(geometry="keras", **options):
    return build("xception_test", weights=None, seed=3, geometry=geometry, **options)


def test_flows_are_those_of_figure_5():
    entry, middle, last = [], [], []
    for block in xception.plan(variant("xception")):
        (middle if block.stride == 1 else last if middle else entry).append(block.widths)
    assert entry == [(128, 128), (256, 256), (728, 728)]
    assert middle == [(728, 728, 728)] * 8
    assert [*last, xception.LAST.widths] == [(728, 1024), (1536, 2048)]


def test_it_has_36_convolutions_in_14_modules(network):
    """As section 3 of the paper counts: a separable one as one, shortcuts apart; two modules have none."""
    model = network("xception")
    shortcuts = [layer for layer in model.layers if layer.name.endswith("_shortcut")]
    pointwise = [layer for layer in model.layers if "_pointwise" in layer.name and layer.weights]
    stem = [layer for layer in model.layers if layer.name in ("stem_conv1", "stem_conv2")]
    convolutions = [layer for layer in pointwise if isinstance(layer, keras.layers.Conv2D)]
    assert len(stem) + len(convolutions) == 36 and len(shortcuts) == 4
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 14 - 2
    assert anatomy.depth(model) == 71  # layer by layer


def test_a_separable_convolution_costs_an_eighth_to_a_ninth(network):
    """Of a whole 3×3 of as many channels: 1/9 and one over the channels that go out."""
    model = network("xception")
    apart = [model.get_layer(f"stage3_block2_{part}1") for part in ("depthwise", "pointwise")]
    whole = 3 * 3 * 728 * 728 * math.prod(apart[1].output.shape[1:3])
    assert sum(map(anatomy.cost, apart)) / whole == pytest.approx(1 / 9 + 1 / 728)


@both
def test_a_pool_is_of_the_places_within_a_map_below_zero(geometry):
    model = small(geometry)
    pool = model.get_layer("stage1_block1_pool")
    before = model.get_layer("stage1_block1_pointwise2_norm").output
    found = keras.Model(before, pool.output)(-np.ones((1, *before.shape[1:])))
    assert (found.numpy() == -1).all()  # zeros around would win


@both
def test_a_block_whose_branch_is_zero_passes_on_what_it_gets(geometry):
    """Also negative numbers: nothing follows the sum."""
    model = small(geometry)
    norm = model.get_layer("stage3_block2_pointwise3_norm")
    norm.gamma.assign(np.zeros(norm.gamma.shape))
    add = model.get_layer("stage3_block2_add")
    assert [tensor.shape for tensor in add.input] == [add.output.shape] * 2
    before, after = keras.Model(model.input, [add.input[1], add.output])(picture(64)[None])
    assert before.numpy().min() < 0 < before.numpy().max()
    np.testing.assert_array_equal(before, after)


@both
def test_can_be_cut_at_every_mark(geometry):
    """No shortcut goes round one: what is frozen can be run once, and the rest learn from what it made."""
    model, photos = small(geometry), picture(64)[None]
    for mark in ("stem", "stage1", "stage2", "stage3", "stage4"):
        lower = keras.Model(model.input, model.get_layer(mark).output)
        upper = keras.Model(model.get_layer(mark).output, model.output)
        np.testing.assert_allclose(upper(lower(photos)), model(photos), rtol=1e-5, atol=1e-7)


def test_drop_path_grows_from_nothing_to_all_of_its_share():
    model = build("xception", weights=None, include_top=False, input_shape=(64, 64, 3), drop_path=0.22)
    blocks = [block.name for block in xception.plan(variant("xception"))]
    rates = [model.get_layer(f"{name}_drop_path").rate for name in blocks[1:]]
    assert rates == pytest.approx([0.22 * number / 11 for number in range(1, 12)])
    assert f"{blocks[0]}_drop_path" not in [layer.name for layer in model.layers]
