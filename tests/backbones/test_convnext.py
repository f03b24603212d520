"""ConvNeXt: the sizes of its papers, what scales its branches, and the response normalisation of V2."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tlkit.backbones import anatomy, build, convnext

# Blocks and channels by stage: arXiv:2201.03545, section 3, and arXiv:2301.00808; V1's up to nano and V2's
# small: timm.
# fmt: off
PUBLISHED = {
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)), "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)), "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)), "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)), "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
    "xlarge": ((3, 3, 27, 3), (256, 512, 1024, 2048)), "huge": ((3, 3, 27, 3), (352, 704, 1408, 2816)),
}
# fmt: on
REAL = [name for name in convnext.VARIANTS if not name.endswith("_test")]


@pytest.mark.parametrize("name", REAL)
def test_blocks_and_channels_are_the_published_ones(name):
    row, (depths, channels) = convnext.VARIANTS[name], PUBLISHED[name.rpartition("_")[2]]
    expected = [
        (stage, place, channels[stage]) for stage, depth in enumerate(depths) for place in range(depth)
    ]
    assert convnext.blocks(row) == expected
    # Both papers: 1e-6 at first; V2 does without.
    assert row.scale == (None if "_v2_" in name else 1e-6)
    assert row.year == (2023 if "_v2_" in name else 2022)


def test_every_size_is_there():
    first = {name.removeprefix("convnext_") for name in REAL if "_v2_" not in name}
    assert first == {*PUBLISHED} - {"huge"}
    assert {name.removeprefix("convnext_v2_") for name in REAL if "_v2_" in name} == {*PUBLISHED} - {"xlarge"}


@pytest.mark.parametrize("seed", [None, 5])
def test_branches_start_almost_silent_and_a_seed_leaves_them_so(seed):
    model = build("convnext_atto", weights=None, seed=seed)
    scales = [layer.kernel.numpy() for layer in model.layers if layer.name.endswith("_scale")]
    assert len(scales) == 12 and all((scale == np.float32(1e-6)).all() for scale in scales)
    kernels = [layer.kernel.numpy() for layer in model.layers if layer.name.endswith("_expand")]
    assert all(abs(kernel.std() - 0.02) < 0.002 for kernel in kernels)


@pytest.mark.parametrize("seed", [None, 5])
def test_responses_start_as_they_are(seed):
    model = build("convnext_v2_test", weights=None, seed=seed)
    layers_of = {layer.name: layer for layer in model.layers}
    assert not [name for name in layers_of if name.endswith("_scale")]
    responses = [layer for name, layer in layers_of.items() if name.endswith("_grn")]
    assert len(responses) == 4
    for layer in responses:
        assert not layer.kernel.numpy().any() and not layer.bias.numpy().any()


def response(channels, gamma, beta):
    """The normalisation after a layer, whose policy decides in which precision it gets values."""
    photo = keras.Input((None, None, channels))
    model = keras.Model(photo, convnext.responding(layers.Activation("linear")(photo), "block"))
    model.get_layer("block_grn").set_weights([gamma.reshape(1, 1, channels, 1), beta])
    return model


def test_the_response_normalisation_is_the_papers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 4, 6))
    gamma, beta = rng.normal(size=(2, 6))
    found = response(6, gamma, beta)(x.astype("float32"))
    # arXiv:2301.00808, algorithm 1.
    norms = np.sqrt((x**2).sum((1, 2), keepdims=True))
    shares = norms / (norms.mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(found, gamma * (x * shares) + beta + x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("silent", [1, 6])
def test_a_silent_channel_has_a_gradient(silent):
    """A root has no slope at 0: one dead channel would make each weight before it no number."""
    x = np.random.default_rng(0).normal(size=(1, 3, 3, 6)).astype("float32")
    x[..., :silent] = 0
    model, x = response(6, np.ones(6), np.zeros(6)), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(model(x) ** 2)
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, x)).all()


def test_half_precision_holds_the_squares_of_a_whole_map():
    """Of 56×56 places at 10, their sum is 313,600, and float16 ends at 65,504; of 1e-4, each would be 0."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = response(2, np.ones(2), np.zeros(2))
    finally:
        keras.config.set_dtype_policy(before)
    for value in (10, 1e-4):
        x = np.full((1, 56, 56, 2), value, "float32") * [1, 3]
        found = model(x.astype("float16")).numpy()
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, x * [1.5, 2.5], rtol=1e-2)  # shares of 1/2 and 3/2, and x itself


def test_normalises_by_epsilon_and_activates_exactly():
    for name in ("convnext_test", "convnext_v2_test"):
        model = build(name, weights=None)
        norms = [layer for layer in model.layers if isinstance(layer, layers.LayerNormalization)]
        assert len(norms) == 1 + 3 + 4 + 1 and {norm.epsilon for norm in norms} == {1e-6}
    gelu = model.get_layer("stage1_block1_expand_gelu")
    values = np.linspace(-4, 4, 33)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in values]
    # The tangent's approximation is up to 5e-4 away.
    np.testing.assert_allclose(gelu(values.astype("float32")), exact, atol=1e-6)


def test_the_last_normalisation_belongs_to_the_top():
    names = [layer.name for layer in build("convnext_test", weights=None).layers]
    assert names[-6:] == ["stage4", "pool", "top_norm", "top_dropout", "top_logits", "top_probabilities"]
    assert build("convnext_test", weights=None, include_top=False).layers[-1].name == "stage4"


def test_branches_are_dropped_from_none_at_the_first_block_to_the_full_share_at_the_last():
    model = build("convnext_atto", weights=None, drop_path=0.22)
    shares = [layer.rate for layer in model.layers if layer.name.endswith("_drop_path")]
    np.testing.assert_allclose(shares, np.arange(1, 12) * 0.02)


def test_v2_sees_the_whole_photograph_from_its_first_block_on():
    first, second = (
        anatomy.fields(build(name, weights=None, include_top=False))
        for name in ("convnext_test", "convnext_v2_test")
    )
    assert anatomy.pixels(first["stage1"]) == anatomy.pixels(second["stage1_block1_expand"]) == 4 + 6 * 4
    assert second["stage1"] is None


def test_what_scales_each_channel_is_not_counted():
    photo = keras.Input((8, 8, 4))
    x = layers.DepthwiseConv2D(3, padding="same")(photo)
    model = keras.Model(photo, layers.DepthwiseConv2D(1)(x))
    assert anatomy.multiply_adds(model) == 8 * 8 * 9 * 4
    assert anatomy.depth(model) == 1
    assert [part.kind for part in anatomy.parts(model)] == ["input", "depthwise 3×3", "scale"]
