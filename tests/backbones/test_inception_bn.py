"""What is particular to Inception with batch normalisation; its parity is in test_parity.py."""

import keras
import numpy as np
import pytest
from keras import layers

from tlkit.backbones import build, inception_bn, pyramid


def test_blocks_are_those_of_caffe(network):
    model = network("inception_bn")
    found = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, layers.Concatenate)]
    # 4c and 4d: 608 as in Caffe's and MXNet's files; 576 in figure 5 of the paper, and 1,024 after 4e.
    channels = (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)
    sides = (28, 28, 14, 14, 14, 14, 14, 7, 7, 7)
    assert found == [(side, side, width) for side, width in zip(sides, channels, strict=True)]


def test_two_3x3_stand_for_each_5x5_and_every_convolution_has_a_bias(network):
    model = network("inception_bn")
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    kernels = [layer.kernel_size[0] for layer in convolutions]
    # The stem; each of ten blocks has a 3×3 and two more, and stage 1 has one.
    assert (kernels.count(7), kernels.count(3), kernels.count(1)) == (1, 31, 37)
    assert len(kernels) == 69 and all(layer.use_bias for layer in convolutions)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(norms) == len(convolutions)


def test_pools_are_means_but_where_the_map_halves_and_at_the_end(network):
    model = network("inception_bn")
    kinds = [
        "max" if isinstance(layer, layers.MaxPooling2D) else "mean"
        for layer in model.layers
        if isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D)
    ]
    stem, third, fourth, fifth = ["max"] * 2, ["mean"] * 2, ["max", *["mean"] * 4], ["max", "mean", "max"]
    assert kinds == stem + third + fourth + fifth


def test_a_mean_counts_the_zeros_around():
    photo = keras.Input((4, 4, 1))
    model = keras.Model(photo, inception_bn.pool(photo, "mean", "pool"))
    found = model(np.full((1, 4, 4, 1), 9, "float32")).numpy()[0, :, :, 0]
    np.testing.assert_allclose(found, [[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]], rtol=1e-6)


@pytest.mark.parametrize(("size", "places"), [(28, 14), (14, 7), (29, 15), (3, 2), (2, 1), (1, 1)])
def test_the_branches_of_stride_2_meet_at_every_size(size, places):
    """Where Caffe's would not: there a pool rounds down at odd sizes, and the convolutions beside it up."""
    values = np.random.default_rng(size).uniform(0, 1, (1, size, size, 8)).astype("float32")
    photo = keras.Input(values.shape[1:])
    widths, geometry = inception_bn.FIRST, inception_bn.GEOMETRIES["torch"]
    joined = inception_bn.block(photo, widths, geometry, "block")
    found = keras.Model(photo, joined)(values).numpy()
    assert found.shape == (1, places, places, 8 + 16 + 8)
    windows = [slice(2 * place, 2 * place + 3) for place in range(places)]
    expected = [[values[0, down, across].max((0, 1)) for across in windows] for down in windows]
    np.testing.assert_array_equal(found[0, ..., -8:], expected)


def test_stages_begin_with_the_blocks_of_stride_2(network):
    model = network("inception_bn")
    for stage in (3, 4):
        assert model.get_layer(f"stage{stage}_block1_3x3").strides == (2, 2)
        assert model.get_layer(f"stage{stage}_block1_double_3x3_2").strides == (2, 2)
        assert model.get_layer(f"stage{stage}_block1_double_3x3_1").strides == (1, 1)
    assert [tap.tensor.shape[1] for tap in pyramid(model)] == [112, 56, 28, 14, 7]


def test_one_pixel_less_would_leave_no_place():
    row = inception_bn.VARIANTS["inception_bn_test"]
    model = build("inception_bn_test", weights=None, input_shape=(row.least, row.least, 3), include_top=False)
    assert model.output_shape[1:3] == (1, 1)
    photo = keras.Input((row.least - 1, row.least - 1, 3))
    with pytest.raises(ValueError, match="zero or negative"):
        inception_bn.body(photo, row, inception_bn.GEOMETRIES["torch"], {})
