"""Inception-v3: what the contract and the comparisons with torchvision and keras.applications leave open."""

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import anatomy, build, inception_v3, variant


def small(**options):
    return build("inception_v3_test", weights=None, seed=3, **options)


def test_it_is_48_layers_deep(network):
    """As textbooks and toolboxes count; the paper says 42."""
    assert anatomy.depth(network("inception_v3")) == 48


def test_maps_are_those_of_table_1(network):
    """Places a side and channels; from 73 to 35 the published weights have other layers than the table."""
    rows = {
        "stem_conv1": (149, 32), "stem_conv2": (147, 32), "stem_conv3": (147, 64), "stage1_pool": (73, 64),
        "stage2_pool": (35, 192), "stage2": (35, 288), "stage3": (17, 768), "stage4_block1_concat": (8, 1280),
        "stage4": (8, 2048),
    }  # fmt: skip
    model = network("inception_v3")
    assert {name: model.get_layer(name).output.shape[2:] for name in rows} == rows


def test_large_kernels_are_taken_apart(network):
    kernels = {
        layer.kernel_size
        for layer in network("inception_v3").layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert kernels == {(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (1, 3), (3, 1)}


@pytest.mark.parametrize(("geometry", "edge"), [("torch", 6 / 9), ("keras", 1.0)])
def test_averages_at_the_border_count_its_zeros_or_do_not(geometry, edge):
    model = small(geometry=geometry)
    pool = model.get_layer("stage2_block1_average")
    start = model.get_layer("stage2_pool").output
    ones = keras.Model(start, pool.output)(np.ones((1, *start.shape[1:])))[0, :, :, 0]
    np.testing.assert_allclose(ones[0, 1:-1], edge, rtol=1e-6)
    np.testing.assert_allclose(ones[1:-1, 1:-1], 1.0, rtol=1e-6)


def test_blocks_are_numbered_through_as_keras_numbers_them():
    row = variant("inception_v3")
    names = inception_v3.names_keras(row, inception_v3.GEOMETRIES["keras"])
    assert names["stem_conv1"] == "conv2d" and names["stem_conv2"] == "conv2d_1"
    # Its last convolution is the 94th.
    assert names["stage4_block3_pool_project"] == "conv2d_93"
    assert len(names) == 2 * 94 + 1


def test_can_be_cut_at_every_mark():
    """No branch goes round one: what is frozen can be run once, and the rest learn from what it made."""
    model, photos = small(), picture(112)[None]
    for mark in ("stem", "stage1", "stage2", "stage3", "stage4"):
        lower = keras.Model(model.input, model.get_layer(mark).output)
        upper = keras.Model(model.get_layer(mark).output, model.output)
        np.testing.assert_allclose(upper(lower(photos)), model(photos), rtol=1e-5, atol=1e-7)
