"""What is particular to ResNet and its kin: block plans, where the stride sits, zeroed residual branches."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from make_golden import picture

from tlkit.backbones import build, resnet, resnext, variant
from tlkit.backbones.anatomy import multiply_adds
from tlkit.backbones.frame import assemble
from tlkit.backbones.options import settle
from tlkit.errors import UsageError


def kernels(model, prefix):
    """The shapes of the kernels whose layers' names begin so, in order."""
    convolutions = (layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    return [tuple(layer.kernel.shape) for layer in convolutions if layer.name.startswith(prefix)]


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.fixture(scope="module")
def strided_early():
    """ResNet-50 as keras.applications has it."""
    return build("resnet50", weights=None, geometry="keras")


# Depth and width


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_number_in_the_name_is_that_of_the_layers(name):
    """Convolutions on the longest way through, and the dense layer."""
    row = variant(name)
    assert 1 + (3 if row.bottleneck else 2) * sum(row.depths) + 1 == int(name.removeprefix("resnet"))


def test_a_bottleneck_is_17_times_lighter_than_two_plain_convolutions_between_256_channels(network):
    bottleneck, plain = (
        sum(math.prod(shape) for shape in kernels(network(name), block))
        for name, block in (("resnet50", "stage1_block2"), ("resnet18", "stage3_block2"))
    )
    assert (bottleneck, plain) == (69_632, 1_179_648)
    assert round(plain / bottleneck) == 17


def test_resnet18_has_9_600_weights_in_its_normalisations(network):
    """As many are trained as are counted along."""
    found = norms(network("resnet18"))
    assert sum(math.prod(w.shape) for layer in found for w in layer.trainable_weights) == 9_600
    assert sum(math.prod(w.shape) for layer in found for w in layer.non_trainable_weights) == 9_600


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext_test", "se_resnet_test"])
def test_a_shortcut_has_weights_only_where_size_or_channels_change(name, network):
    found = [layer.name for layer in network(name).layers if layer.name.endswith("_shortcut")]
    changing = [2, 3, 4] if name == "resnet18" else [1, 2, 3, 4]
    assert found == [f"stage{stage}_block1_shortcut" for stage in changing]


# Where the stride sits


def test_the_keras_geometry_costs_231_million_multiply_adds_less(network, strided_early):
    saved = multiply_adds(network("resnet50")) - multiply_adds(strided_early)
    # The first 1×1 of stage 2, from 256 to 128 channels, on 28² places, not 56²; as much in stages 3 and 4.
    assert saved == 231_211_008 == 3 * 256 * 128 * (56**2 - 28**2)


@pytest.mark.parametrize("geometry", ["torch", "keras"])
def test_one_convolution_of_a_block_halves_the_map(geometry):
    model = build("resnet_test", weights=None, geometry=geometry)
    halving = {"torch": "spatial", "keras": "reduce"}[geometry]
    strides = {
        layer.name: layer.strides[0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)
    }
    halvers = [f"stage{stage}_block1_{part}" for stage in (2, 3, 4) for part in (halving, "shortcut")]
    assert sorted(name for name, stride in strides.items() if stride == 2) == sorted(["stem_conv", *halvers])


def test_the_keras_geometry_has_biases(strided_early):
    assert counted(strided_early) == (25_583_592, 25_636_712)
    bare = build("resnet50", weights=None, geometry="keras", include_top=False)
    assert counted(bare) == (23_534_592, 23_587_712)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "with_top", "without"),
    [
        ("resnet101", (44_601_832, 44_707_176), (42_552_832, 42_658_176)),
        ("resnet152", (60_268_520, 60_419_944), (58_219_520, 58_370_944)),
    ],
)
def test_so_have_the_deep_ones(name, with_top, without):
    assert counted(build(name, weights=None, geometry="keras")) == with_top
    assert counted(build(name, weights=None, geometry="keras", include_top=False)) == without


def counted(model):
    """Trainable weights, and with the moving statistics."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights), model.count_params()


def test_the_shallow_ones_have_no_keras_geometry():
    with pytest.raises(UsageError, match="^resnet18 has no geometry called 'keras'. Use 'torch'.$"):
        build("resnet18", weights=None, geometry="keras")


# Residual branches that start at zero


@pytest.mark.parametrize(
    ("name", "last"),
    [("resnet18", "second_norm"), ("resnet_test", "expand_norm")],
    ids=["basic", "bottleneck"],
)
def test_the_last_gamma_of_each_branch_starts_at_zero_when_asked(name, last, network):
    for zeroed in (True, False):
        model = build(name, weights=None, zero_init_residual=True) if zeroed else network(name)
        still = [layer.name for layer in norms(model) if not layer.gamma.numpy().any()]
        assert still == [layer.name for layer in norms(model) if zeroed and layer.name.endswith(last)]
        assert len(still) == zeroed * sum(variant(name).depths)


@pytest.mark.parametrize(
    ("zeroed", "bottlenecks"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_through_a_zeroed_branch_the_gradient_passes_whole(zeroed, bottlenecks):
    row = resnet.VARIANTS["resnet_test"]._replace(depths=(2, 1, 1, 1), bottleneck=bottlenecks)
    family = resnet.FAMILY._replace(variants={"resnet_test": row})
    model = assemble("resnet_test", family, {"weights": None, "seed": 2, "zero_init_residual": zeroed})
    block = keras.Model(model.get_layer("stage1_block1_out").output, model.get_layer("stage1").output)
    shape = block.input_shape[1:]
    x = tf.constant(np.random.default_rng(3).uniform(0.1, 1, (1, *shape)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = block(x)
    upstream = np.random.default_rng(4).standard_normal(y.shape).astype("float32")
    found = tape.gradient(y, x, upstream).numpy()
    if zeroed:  # the ReLU is open everywhere: the Jacobian is the identity, to the bit
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(found, upstream)
    else:
        assert abs(found - upstream).max() > 0.1


def test_zeroed_branches_wake_up_in_training():
    """A zero in the last gamma stops the branch's own gradients for one step only."""
    model = build("resnet_test", weights=None, seed=1, classes=2, zero_init_residual=True)
    kernel, gamma = (
        model.get_layer(name).trainable_weights[0]
        for name in ("stage2_block1_spatial", "stage2_block1_expand_norm")
    )
    first, norm = kernel.numpy(), gamma.numpy()
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    photos, labels = np.stack([picture(64, number) for number in range(4)]), np.array([0, 1, 0, 1])
    model.train_on_batch(photos, labels)
    np.testing.assert_array_equal(kernel.numpy(), first)
    assert abs(gamma.numpy() - norm).max() > 0
    model.train_on_batch(photos, labels)
    assert abs(kernel.numpy() - first).max() > 0


def test_zeroed_branches_are_refused_beside_weights():
    row = resnet.VARIANTS["resnet_test"]
    refused = "^resnet_test: zero_init_residual would do nothing beside weights. Leave it out, or use weights"
    with pytest.raises(UsageError, match=refused):
        settle("resnet_test", row, resnet.FAMILY.rules, {"zero_init_residual": True, "weights": "some.pth"})
    for fits in (
        {"zero_init_residual": False, "weights": "some.pth"},
        {"zero_init_residual": True, "weights": None},
    ):
        given = settle("resnet_test", row, resnet.FAMILY.rules, fits)
        assert given["zero_init_residual"] is fits["zero_init_residual"]


@pytest.mark.parametrize("wrong", [1, None, "yes"])
def test_zero_init_residual_is_true_or_false(wrong):
    with pytest.raises(UsageError, match="^resnet_test: zero_init_residual=.* must be True or False.$"):
        build("resnet_test", weights=None, zero_init_residual=wrong)


# Stochastic depth


@pytest.mark.parametrize("name", ["resnet18", "resnet_test", "resnext_test", "se_resnet_test"])
def test_drop_path_grows_to_its_whole_share_at_the_last_block(name):
    model = build(name, weights=None, drop_path=0.3)
    found = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_drop_path")}
    blocks = sum(variant(name).depths)
    np.testing.assert_allclose([*found.values()], [0.3 * n / (blocks - 1) for n in range(1, blocks)])
    assert "stage1_block1_drop_path" not in found  # the first keeps all


# ResNeXt, Wide ResNet, SE-ResNet


@pytest.mark.parametrize(
    ("name", "groups", "width"),
    [("resnext50_32x4d", 32, 4), ("resnext101_32x8d", 32, 8), ("resnext101_64x4d", 64, 4)],
)
def test_a_name_tells_the_paths_and_their_width(name, groups, width):
    row = variant(name)
    assert (row.groups, row.width // row.groups) == (groups, width)


def test_a_kernel_sees_the_channels_of_its_group(network):
    assert variant("resnext_test").groups == 4
    assert kernels(network("resnext_test"), "stage1_block1_spatial") == [(3, 3, 16 // 4, 16)]


def test_a_wide_resnet_has_resnet50s_maps_and_twice_its_3x3():
    wide, plain = resnext.VARIANTS["wide_resnet50_2"], resnet.VARIANTS["resnet50"]
    assert (wide.depths, wide.stem, wide.width) == (plain.depths, plain.width, 2 * plain.width)


@pytest.mark.parametrize(
    ("channels", "expected"), [(256, 16), (512, 32), (1024, 64), (2048, 128), (32, 8), (192, 16), (200, 16)]
)
def test_squeezed_channels_are_rounded_to_eights(channels, expected):
    assert resnext.squeezed(channels, 16) == expected


def test_the_gates_weigh_each_channel_of_a_map_alike(network):
    model = network("se_resnet_test")
    names = ("expand_norm", "excite_gate", "excite")
    parts = [model.get_layer(f"stage2_block1_{name}").output for name in names]
    before, gate, after = (value.numpy() for value in keras.Model(model.input, parts)(picture(64)[None]))
    assert gate.shape == (1, 1, 1, 64) and 0 < gate.min() and gate.max() < 1 and gate.std() > 0.001
    np.testing.assert_array_equal(after, before * gate)
