"""ResNet for CIFAR-10: what the contract and the comparisons with oracle and pytorchcv leave open."""

import math

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import build, variant
from tlkit.backbones.anatomy import multiply_adds
from tlkit.errors import UsageError

# Keras 3.15 saves TensorFlow's variables by a call that NumPy 2 deprecates: backend/tensorflow/core.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


def shapes(model):
    return [tuple(weight.shape) for weight in model.weights]


@pytest.mark.parametrize("depth", [20, 56, 110])
def test_plain_twins_have_exactly_the_same_weights(depth, network):
    plain, residual = network(f"plain{depth}_cifar"), network(f"resnet{depth}_cifar")
    assert shapes(plain) == shapes(residual)
    assert variant(plain.name).parameters == variant(residual.name).parameters
    assert multiply_adds(plain) == multiply_adds(residual)
    sums = [sum(isinstance(layer, keras.layers.Add) for layer in model.layers) for model in (plain, residual)]
    assert sums == [0, (depth - 2) // 2]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_the_depth_is_in_the_name(depth, network):
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    assert sum(isinstance(layer, kinds) for layer in network(f"resnet{depth}_cifar").layers) == depth


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 40.6), (32, 68.9), (44, 97.2), (56, 125.5), (110, 252.9)]
)
def test_multiply_adds(depth, millions, network):
    assert round(multiply_adds(network(f"resnet{depth}_cifar")) / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("depth", "trainable"), [(20, 272_474), (32, 466_906), (44, 661_338), (56, 855_770), (110, 1_730_714)]
)
def test_option_b_has_two_projections_more(depth, trainable):
    model = build(f"resnet{depth}_cifar", weights=None, geometry="option_b")
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == trainable
    projections = [layer.name for layer in model.layers if layer.name.endswith("_shortcut")]
    assert projections == ["stage2_block1_shortcut", "stage3_block1_shortcut"]


def silenced(block, *taps):
    """What a network makes of a picture when the branch of one block is multiplied by 0."""
    model = build("resnet20_cifar", weights=None, seed=2)
    norm = model.get_layer(f"{block}_second_norm")
    gamma, *others = norm.get_weights()
    norm.set_weights([0 * gamma, *others])
    outputs = keras.Model(model.input, [model.get_layer(tap).output for tap in taps])(picture(32)[None])
    return [value.numpy() for value in outputs]


def test_a_block_whose_branch_is_zero_passes_on_what_it_gets():
    before, after = silenced("stage1_block2", "stage1_block1_relu", "stage1_block2_relu")
    assert before.std() > 0.1
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("stage", [2, 3])
def test_option_a_takes_every_other_place_and_adds_zeros(stage):
    before, after = silenced(f"stage{stage}_block1", f"stage{stage - 1}", f"stage{stage}_block1_relu")
    channels = before.shape[-1]
    assert before.std() > 0.1
    np.testing.assert_array_equal(after[..., :channels], before[:, ::2, ::2])
    assert after.shape[-1] == 2 * channels and not after[..., channels:].any()


@pytest.mark.parametrize("geometry", ["option_a", "option_b"])
def test_drop_path_grows_to_the_last_block(geometry):
    model = build("resnet20_cifar", weights=None, geometry=geometry, drop_path=0.4)
    dropped = [layer.rate for layer in model.layers if layer.name.endswith("_drop_path")]
    np.testing.assert_allclose(dropped, [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4])


def test_plain_networks_refuse_what_they_have_not():
    with pytest.raises(UsageError) as caught:
        build("plain20_cifar", weights=None, drop_path=0.1)
    assert str(caught.value) == (
        "plain20_cifar: drop_path would do nothing: a plain network has no residual branches. Leave it out."
    )
    with pytest.raises(UsageError, match="plain20_cifar has no geometry called 'option_b'. Use 'plain'."):
        build("plain20_cifar", weights=None, geometry="option_b")
    with pytest.raises(UsageError, match="has no geometry called 'plain'. Use 'option_a' or 'option_b'."):
        build("resnet20_cifar", weights=None, geometry="plain")


@pytest.mark.parametrize("geometry", ["option_a", "option_b"])
def test_survives_saving(geometry, tmp_path):
    """Option A pads channels by an operation that is no layer."""
    model = build("resnet_cifar_test", weights=None, seed=0, geometry=geometry)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(picture(32)[None]), model(picture(32)[None]))


@pytest.mark.slow
def test_resnet_1202_is_not_a_number_until_it_has_seen_photographs():
    model = build("resnet1202_cifar", weights=None, seed=0, include_top=False)
    photos = np.stack([picture(32, number) for number in range(4)])
    assert not np.isfinite(model(photos[:1])).all()
    assert np.isfinite(model(photos, training=True)).all()
