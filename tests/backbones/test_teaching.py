"""The two teaching networks."""

import keras
import numpy as np
import pytest
from keras import layers
from make_golden import picture

from tlkit.backbones import build
from tlkit.errors import UsageError


def kinds(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def test_nearly_all_of_the_small_networks_weights_are_one_dense_layers():
    model = build("small_cnn", weights=None)
    weights = [layer.count_params() for layer in model.layers if layer.weights]
    assert weights == [160, 4_640, 200_832, 1_290]
    assert weights[2] / model.count_params() > 0.97


def test_the_simple_residual_network_is_seven_convolutions_and_no_projection():
    model = build("simple_resnet", weights=None)
    convolutions = kinds(model, layers.Conv2D)
    assert [layer.kernel.shape[3] for layer in convolutions] == [32] * 7
    assert {(layer.kernel_size, layer.strides, layer.use_bias) for layer in convolutions} == {
        ((3, 3), (1, 1), False)
    }
    assert len(kinds(model, layers.BatchNormalization)) == 4  # the stem's, and one in each block
    assert [layer.count_params() for layer in model.layers if layer.weights][:2] == [288, 128]
    assert model.count_params() - sum(np.size(weight) for weight in model.trainable_weights) == 256


def test_each_block_adds_its_input_as_it_is():
    model = build("simple_resnet", weights=None)
    incoming = model.get_layer("stem").output
    for add in kinds(model, layers.Add):
        branch, shortcut = add.input
        assert shortcut is incoming
        assert branch is model.get_layer(add.name.replace("_add", "_conv2")).output
        incoming = model.get_layer(add.name.replace("_add", "_relu")).output
    assert model.get_layer("stage1").input is incoming


def test_whole_branches_are_left_out_ever_more_often():
    model = build("simple_resnet", weights=None, drop_path=0.4)
    shares = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_drop_path")}
    assert shares == {"stage1_block2_drop_path": 0.2, "stage1_block3_drop_path": 0.4}


def test_a_photograph_without_its_branch_passes_the_block_unchanged():
    keras.utils.set_random_seed(0)
    model = build("simple_resnet_test", weights=None, drop_path=0.5, include_top=False, input_shape=(8, 8, 1))
    taps = [model.get_layer(name).output for name in ("stage1_block1_relu", "stage1_block2_relu")]
    photos = np.repeat(picture(8)[None, :, :, :1], 32, axis=0)
    before, after = (value.numpy() for value in keras.Model(model.input, taps)(photos, training=True))
    unchanged = np.array([np.array_equal(*pair) for pair in zip(before, after, strict=True)])
    assert 5 < unchanged.sum() < 27
    kept = after[~unchanged]
    np.testing.assert_allclose(kept, np.broadcast_to(kept[:1], kept.shape), rtol=1e-4, atol=1e-5)


def test_the_small_network_has_no_branches_to_leave_out():
    with pytest.raises(
        UsageError, match="small_cnn: drop_path would do nothing: it has no residual branches"
    ):
        build("small_cnn", weights=None, drop_path=0.1)


@pytest.mark.parametrize(("name", "first"), [("small_cnn", 16), ("simple_resnet", 32)])
def test_colour_adds_to_the_first_kernel_only(name, first):
    grey, colour = (build(name, weights=None, input_shape=(28, 28, channels)) for channels in (1, 3))
    assert colour.count_params() - grey.count_params() == 2 * 9 * first
    assert colour(picture(28)[None]).shape == (1, 10)


def test_sizes_below_which_nothing_is_left():
    assert build("small_cnn", weights=None, input_shape=(4, 4, 1)).get_layer("stage2").output.shape[1] == 1
    with pytest.raises(UsageError, match="too small"):
        build("small_cnn", weights=None, input_shape=(3, 4, 1))
    assert build("simple_resnet", weights=None, input_shape=(1, 1, 1))(np.ones((2, 1, 1, 1))).shape == (2, 10)
