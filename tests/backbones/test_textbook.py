"""What textbooks say of convolutional networks, measured on built Keras models."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from make_golden import picture

from tlkit.backbones import build, variant
from tlkit.backbones import layers as ours

C = 8  # channels where a count holds for any


def chain(kernels, channels=C, bias=False):
    """Convolutions one after the other, all as wide as what comes in; sizes are left open."""
    x = photo = keras.Input((None, None, channels))
    for kernel, filters in kernels:
        x = layers.Conv2D(filters, kernel, padding="same", use_bias=bias)(x)
    return keras.Model(photo, x)


def alone(kernel, channels=C, count=1):
    return chain([(kernel, channels)] * count, channels)


def seen(model, side=15):
    """Height and width of the pixels that, changed one by one, change the middle of the output."""
    draw = np.random.default_rng(0)
    photo = draw.normal(size=(side, side, model.input_shape[-1])).astype("float32")
    changed = np.repeat(photo[None], side * side, axis=0)
    changed[np.arange(side * side), np.arange(side * side) // side, np.arange(side * side) % side] += 1
    middle = slice(side // 2, side // 2 + 1)
    before, after = model(photo[None])[:, middle, middle], model(changed)[:, middle, middle]
    # More than rounding, which may differ with the size of a batch.
    moved = np.any(abs(after - before) > 1e-4, axis=(1, 2, 3)).reshape(side, side)
    rows, columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
    assert moved[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()  # without a hole
    assert rows[0] + rows[-1] == columns[0] + columns[-1] == side - 1  # around the middle
    return len(rows), len(columns)


def test_lenet_5_goes_from_28_pixels_to_10_classes_as_drawn():
    model = build("lenet5", weights=None)
    names = [layer.name for layer in model.layers if not isinstance(layer, layers.Dropout | layers.Identity)]
    flow = [tuple(model.get_layer(name).output.shape[1:]) for name in names]
    without_repeats = [shape for shape, before in zip(flow, [None, *flow], strict=False) if shape != before]
    assert without_repeats == [
        (28, 28, 1),
        (24, 24, 6),
        (12, 12, 6),
        (8, 8, 16),
        (4, 4, 16),
        (256,),
        (120,),
        (84,),
        (10,),
    ]
    assert model(picture(28)[None, :, :, :1]).shape == (1, 10)
    weights = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    assert list(weights.values()) == [156, 2_416, 30_840, 10_164, 850]


@pytest.mark.parametrize(
    ("count", "field", "stacked", "single", "fewer"), [(2, 5, 18, 25, 0.28), (3, 7, 27, 49, 0.45)]
)
def test_small_kernels_in_a_row_see_as_far_as_a_large_one_for_fewer_weights(
    count, field, stacked, single, fewer
):
    row, large = alone(3, count=count), alone(field)
    assert seen(row) == seen(large) == (field, field)
    assert row.count_params() == stacked * C**2
    assert large.count_params() == single * C**2
    assert 1 - row.count_params() / large.count_params() == pytest.approx(fewer, abs=0.005)


def test_a_1x1_convolution_before_a_5x5_saves_eleven_twelfths_of_its_weights():
    narrowed = chain([(1, 64), (5, 64), (1, 256)], 256)
    assert alone(5, 256).count_params() == 1_638_400
    assert [math.prod(weight.shape) for weight in narrowed.weights] == [16_384, 102_400, 16_384]
    assert narrowed.count_params() == 135_168
    assert seen(narrowed, side=9) == (5, 5)


def test_a_bottleneck_has_a_17th_of_the_weights_of_two_3x3():
    """He et al., 2015, figure 5, at 256 channels, without the normalisations."""
    plain, bottleneck = alone(3, 256, count=2), chain([(1, 64), (3, 64), (1, 256)], 256)
    assert plain.count_params() == 1_179_648
    assert bottleneck.count_params() == 69_632
    assert plain.count_params() / bottleneck.count_params() == pytest.approx(17, abs=0.1)


def test_a_dense_layer_on_a_photograph_would_have_150_million_weights():
    with tf.Graph().as_default():  # built and counted, not allocated: it would take 602 megabytes
        photo = keras.Input((224, 224, 3))
        model = keras.Model(photo, layers.Dense(1000)(layers.Flatten()(photo)))
        kernel, bias = (math.prod(weight.shape) for weight in model.weights)
    assert (kernel, bias) == (150_528_000, 1_000)
    assert model.count_params() == 150_529_000
    # A convolution's weights are for any size: VGG's first has 1,792.
    assert chain([(3, 64)], 3, bias=True).count_params() == 1_792


def by_hand(x, gamma, beta, mean, variance, momentum, epsilon, training):
    """Batch normalisation; also the statistics afterwards."""
    if training:
        batch_mean, batch_variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        mean = momentum * mean + (1 - momentum) * batch_mean
        variance = momentum * variance + (1 - momentum) * batch_variance
    used = (batch_mean, batch_variance) if training else (mean, variance)
    y = gamma * (x - used[0]) / np.sqrt(used[1] + epsilon) + beta
    return y, mean, variance


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalisation_is_seven_lines_of_numpy(training):
    draw = np.random.default_rng(0)
    x = draw.normal(3, 2, (4, 5, 6, C)).astype("float32")
    gamma, beta, mean = (draw.normal(size=C).astype("float32") for _ in range(3))
    variance = draw.uniform(0.5, 1.5, C).astype("float32")
    photo = keras.Input((5, 6, C))
    model = keras.Model(photo, ours.norm(photo, geometry=ours.TORCH, name="x", act=None))
    model.set_weights([gamma, beta, mean, variance])
    expected = by_hand(x, gamma, beta, mean, variance, ours.TORCH.momentum, ours.TORCH.epsilon, training)
    found = model(x, training=training)
    after = model.get_layer("x_norm")
    for value, hand in zip((found, after.moving_mean, after.moving_variance), expected, strict=True):
        np.testing.assert_allclose(value, hand, rtol=1e-5, atol=1e-5)
    moved = abs(after.moving_mean.numpy() - mean).max()
    assert moved > 0.1 if training else moved == 0


def test_resnet_18_normalises_with_9600_weights():
    model = build("resnet18", weights=None, include_top=False)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert sum(math.prod(weight.shape) for layer in norms for weight in layer.trainable_weights) == 9_600
    assert len(norms) == 20  # one behind each convolution, the three projections included


def test_the_gradient_through_a_residual_branch_of_zeros_is_one():
    """With nothing added a block is its shortcut: what reaches its output reaches its input unchanged."""
    model = build("simple_resnet", weights=None, seed=0, input_shape=(6, 6, 1), include_top=False)
    for number in range(1, variant("simple_resnet").blocks + 1):
        kernel = model.get_layer(f"stage1_block{number}_conv2").kernel
        kernel.assign(np.zeros(kernel.shape))
    blocks = keras.Model(model.get_layer("stem").output, model.output)
    # ReLU's slope at exactly 0 is 0: the identity holds where something comes in.
    incoming = tf.constant(np.random.default_rng(0).uniform(0.1, 1, (1, 6, 6, 32)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(incoming)
        outgoing = blocks(incoming)
    np.testing.assert_array_equal(outgoing, incoming)
    size = 6 * 6 * 32
    jacobian = tf.reshape(tape.jacobian(outgoing, incoming), (size, size)).numpy()
    np.testing.assert_array_equal(jacobian, np.eye(size))


def test_a_horizontal_edge_is_found_where_it_lies_and_by_its_sign():
    """Keras does not turn the kernel around: minus above and plus below answer +3 · the step to bright."""
    edge = layers.Conv2D(1, 3, use_bias=False)
    edge.build((None, None, None, 1))
    edge.kernel.assign(np.array([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "float32")[:, :, None, None])
    photo = np.zeros((1, 10, 8, 1), "float32")
    photo[:, 5:] = 200  # dark above, bright below, from row 5 on
    expected = np.zeros((1, 8, 6, 1), "float32")
    expected[:, 3:5] = 3 * 200  # the rows whose 3×3 has the edge within: centred on 4 and on 5
    np.testing.assert_array_equal(edge(photo), expected)
    np.testing.assert_array_equal(edge(photo[:, ::-1]), -expected[:, ::-1])
    np.testing.assert_array_equal(edge(photo.transpose(0, 2, 1, 3)), np.zeros((1, 6, 8, 1)))  # a vertical one
