"""The textbook table of a model, its receptive fields measured by gradients and held to published ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Model, layers, tree

from tlkit import backbones
from tlkit.backbones import INDEX, anatomy
from tlkit.backbones.taps import pyramid, stages

TESTS = [name for name in INDEX if name.endswith("_test")]


def plain(side, *steps, channels=2):
    """Layers one after the other: c3 is a 3×3 convolution, c11/4 has stride 4, p2 is a 2×2 pool, stride 2."""
    x = photo = keras.Input((side, side, channels))
    for number, step in enumerate(steps):
        sizes = [int(size) for size in step[1:].split("/")]
        if step[0] == "c":
            x = layers.Conv2D(2, *sizes, padding="same", name=f"{number}_{step[0]}")(x)
        else:
            x = layers.MaxPooling2D(sizes[0], 2, name=f"{number}_{step[0]}")(x)
    return Model(photo, x)


def residual(side, padding="same"):
    """Strides in a 3×3, a 1×1 pool and a 3×3 pool side by side; then a 1×7 and a dilated convolution."""
    x = photo = keras.Input((side, side, 2))
    for number in range(3):
        shortcut = layers.MaxPooling2D(1, 2, name=f"shortcut{number}")(x)
        pooled = layers.AveragePooling2D(3, 2, padding="same")(x)
        x = layers.DepthwiseConv2D(5, padding="same", name=f"depthwise{number}")(x)
        if padding == "torch":
            x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(2, 3, 2, "same" if padding == "same" else "valid", name=f"conv{number}")(x)
        x = layers.Add(name=f"add{number}")([x, shortcut, pooled])
    x = layers.SeparableConv2D(2, (1, 7), padding="same", name="wide")(x)
    x = layers.Conv2D(2, 3, padding="same", dilation_rate=2, name="dilated")(x)
    return Model(photo, x)


def sloping(x, name):
    """A shortcut without weights: every second place, zeros for the channels that are missing."""
    short = keras.ops.pad(x[:, ::2, ::2, :], ((0, 0), (0, 0), (0, 0), (1, 1)))
    x = layers.Conv2D(4, 3, 2, padding="same", name=f"{name}_conv")(x)
    return layers.Add(name=f"{name}_add")([x, short])


def thinned(side):
    photo = keras.Input((side, side, 2))
    x = sloping(layers.Conv2D(2, 3, padding="same")(photo), "first")
    return Model(photo, layers.Conv2D(2, 3, padding="same", name="last")(x))


def gated(side):
    """Squeeze-and-excite: from there on every place knows of all others."""
    photo = keras.Input((side, side, 2))
    x = layers.Rescaling(1 / 255)(photo)  # larger numbers would saturate the sigmoid
    x = layers.Conv2D(2, 3, padding="same", name="conv")(x)
    x = layers.Conv2D(2, 3, padding="same", name="conv2")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    x = layers.Multiply(name="gated")([x, layers.Conv2D(2, 1, activation="sigmoid", name="excite")(gate)])
    return Model(photo, layers.Conv2D(2, 3, padding="same", name="last")(x))


def measured(model, tensors, start=0.5):
    """What one place in the middle of each map depends on: the longer side in pixels; None: everything.

    Kernels and pixels are positive and small, so that no ReLU is ever closed. A maximum has one winner:
    a picture that grows towards one corner puts it into that corner of each window, so that the far
    corners are found by two pictures.
    """
    rng = np.random.default_rng(0)
    # Channels all alike would be nothing to a layer normalisation.
    differ = any(isinstance(layer, layers.LayerNormalization) for layer in model.layers)
    for layer in model.layers:
        for weight in layer.trainable_weights:
            if len(weight.shape) > 1:
                value = np.full(weight.shape, start / np.prod(weight.shape[:-1]))
                weight.assign(value * (rng.uniform(0.5, 1.5, weight.shape) if differ else 1))
    probe = Model(model.input, tensors)
    side, channels = model.input_shape[1], model.input_shape[-1]
    slope = np.add.outer(np.arange(side), np.arange(side)) / (2 * side)
    pictures = np.repeat(160 + 80 * np.stack([slope, slope[::-1, ::-1]])[..., None], channels, 3)

    # As a graph, which leaves out the gradients of kernels that nobody asked for: oneDNN writes beside
    # its memory when it computes them for a 1×1 convolution of few channels with a stride (TensorFlow 2.21).
    @tf.function
    def gradients(photos):
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(photos)
            maps = tree.flatten(probe(photos))
            places = [tf.reduce_sum(m[:, m.shape[1] // 2, m.shape[2] // 2]) for m in maps]
        return [tape.gradient(place, photos) for place in places]

    return [extent(found.numpy()) for found in gradients(tf.constant(pictures, tf.float32))]


def extent(gradient):
    reached = np.abs(gradient).max((0, 3)) > 0
    if reached.all():
        return None
    assert not (reached[[0, -1]].any() or reached[:, [0, -1]].any()), "the photograph is too small to tell"
    return max(int(np.ptp(np.flatnonzero(reached.any(axis)))) + 1 for axis in (0, 1))


HAND = {
    "vgg": lambda: plain(96, "c3", "c3", "p2", "c3", "c3", "p2", "c3", "p2"),
    "alexnet": lambda: plain(260, "c11/4", "p3", "c5", "p3", "c3", "c3", "c3", "p3"),
    "even": lambda: residual(256),
    "odd": lambda: residual(253),
    "torch": lambda: residual(256, "torch"),
    "slices": lambda: thinned(32),
    "gate": lambda: gated(24),
}


@pytest.mark.parametrize("name", HAND)
def test_the_receptive_field_is_what_a_gradient_reaches(name):
    model = HAND[name]()
    fields = anatomy.fields(model)
    maps = [layer for layer in model.layers[1:] if layer.name != "squeeze"]
    expected = {layer.name: anatomy.pixels(fields[layer.name]) for layer in maps}
    assert len(set(expected.values())) > 2
    found = measured(model, [layer.output for layer in maps])
    assert dict(zip(expected, found, strict=True)) == expected


# With photographs so large that some take a while.
LARGE = {"alexnet_test", "alexnet_2012_test", "efficientnet_test", "resnet_test", "resnet_v2_test"}
LARGE |= {"resnext_test", "se_resnet_test", "inception_v3_test", "xception_test", "densenet_test"}
LARGE |= {"convnext_test"}
LARGE |= {"googlenet_test", "googlenet_2014_test", "inception_bn_test"}
LARGE |= {"mobilenet_v2_test", "mobilenet_v3_test", "mobilenet_v3_minimalistic_test"}
# Where larger kernels let more through: an S-cell is silent unless its excitation exceeds its inhibition, and
# through ten kernels of one channel each, set as small as if they had all, the corners come out as 0.
START = {"neocognitron_test": 4.0, "xception_test": 4.0}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in TESTS]
)
def test_a_backbone_sees_what_a_gradient_reaches(name):
    build = {"weights": None, "include_top": False}
    row = backbones.variant(name)
    for geometry in row.geometries:
        small = backbones.build(name, **build, geometry=geometry)
        reach = max(part.receptive_field_pixels or 0 for part in anatomy.parts(small))
        side = (reach + 96) // 32 * 32
        model = backbones.build(name, **build, geometry=geometry, input_shape=(side, side, row.channels))
        fields = anatomy.fields(model)
        taps = pyramid(model)
        expected = [anatomy.pixels(fields[tap.name]) for tap in taps]
        assert measured(model, [tap.tensor for tap in taps], START.get(name, 0.5)) == expected, geometry


@pytest.mark.parametrize(
    ("name", "geometry", "mark", "pixels"),
    [
        # Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
        ("alexnet", "torch", "stage3", 195),
        ("vgg16", "torch", "stage5", 212),
        ("vgg16", "torch", "stage4", 196),
        ("resnet50", "keras", "stage4", 483),
        # Strides in the 3×3: each of three blocks steps after its window, not before.
        pytest.param("resnet50", "torch", "stage4", 483 - 8 - 16 - 32, marks=pytest.mark.slow),
    ],
)
def test_receptive_fields_are_the_published_ones(name, geometry, mark, pixels):
    model = backbones.build(name, weights=None, include_top=False, geometry=geometry)
    assert anatomy.pixels(anatomy.fields(model)[mark]) == pixels


@pytest.mark.parametrize(
    ("name", "deep"),
    [
        ("lenet5", 5),
        ("nin", 12),
        ("resnet20_cifar", 20),
        *(pytest.param(f"resnet{deep}", deep, marks=pytest.mark.slow) for deep in (18, 50)),
        pytest.param("se_resnet50", 50, marks=pytest.mark.slow),
    ],
)
def test_networks_are_as_deep_as_their_names_say(name, deep, network):
    assert anatomy.depth(network(name)) == deep


def test_what_is_pooled_or_flattened_sees_all_of_the_photograph():
    photo = keras.Input((8, 8, 2))
    x = layers.Conv2D(2, 3, padding="same", name="conv")(photo)
    pooled = layers.GlobalMaxPooling2D(name="pooled")(x)
    flat = layers.Dense(3, name="dense")(layers.Flatten(name="flat")(x))
    mean = layers.Dense(3, name="after")(keras.ops.mean(x, axis=(1, 2)))
    model = Model(photo, [pooled, flat, mean])
    fields = {name: anatomy.pixels(field) for name, field in anatomy.fields(model).items()}
    assert fields["conv"] == 3
    assert {fields[name] for name in ("pooled", "flat", "dense", "after")} == {None}


@pytest.mark.parametrize("name", TESTS)
def test_every_layer_is_in_one_row_and_the_rows_add_up(name, network):
    model, row = network(name), backbones.variant(name)
    parts = anatomy.parts(model)
    assert len(parts) > 4
    held = [layer for part in parts for layer in part.holds]
    assert sorted(held) == sorted(layer.name for layer in model.layers)
    assert sum(part.parameters for part in parts) == row.parameters
    assert sum(part.total_parameters for part in parts) == row.total_parameters
    assert sum(part.multiply_adds for part in parts) == row.multiply_adds
    assert parts[0].output_shape == model.input_shape[1:] and parts[-1].output_shape == (row.classes,)


@pytest.mark.parametrize("name", TESTS)
def test_rows_have_the_shapes_of_their_last_layers(name, network):
    model = network(name)
    for part in anatomy.parts(model):
        assert part.layer in part.holds and part.kind
        assert model.get_layer(part.holds[-1]).output.shape[1:] == part.output_shape
    rows = {mark: part for part in anatomy.parts(model) for mark in part.holds if mark in stages(model)}
    for tap in pyramid(model):
        assert rows[tap.name].output_shape[-1] == tap.channels


def test_rows_read_as_a_textbook_does(network):
    rows = {part.layer: part for part in anatomy.parts(network("efficientnet_test"))}
    assert list(rows)[:3] == ["photo", "stem_conv", "stage1_block1_depthwise"]
    assert list(rows)[-3:] == ["last_conv", "pool", "top_logits"]
    assert [rows[name].kind for name in ("photo", "stem_conv", "stage1_block1_depthwise")] == [
        "input",
        "conv 3×3 /2, norm, relu6",
        "depthwise 3×3, norm, relu6",
    ]
    assert [rows[name].kind for name in ("stage1_block1_add", "pool", "top_logits")] == [
        "add",
        "global average pool, dropout 0.2",
        "dense, softmax",
    ]
    stem = rows["stem_conv"]
    assert stem.output_shape == (32, 32, 8) and stem.receptive_field_pixels == 3
    assert (stem.parameters, stem.total_parameters) == (3 * 3 * 3 * 8 + 2 * 8, 3 * 3 * 3 * 8 + 4 * 8)
    assert stem.multiply_adds == 3 * 3 * 3 * 8 * 32 * 32


def test_kinds_tell_groups_dilation_and_the_rest():
    photo = keras.Input((16, 16, 4))
    x = layers.Conv2D(8, 3, 2, groups=2, padding="same", name="grouped")(photo)
    x = layers.LeakyReLU(name="leaky")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", dilation_rate=2, name="separable")(x)
    x = layers.Activation("tanh", name="tanh")(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.Concatenate(name="both")([layers.BatchNormalization(name="own")(x), x])
    x = layers.Dense(4, activation="tanh", name="dense")(layers.Flatten(name="flat")(x))
    model = Model(photo, x)
    assert [(part.layer, part.kind) for part in anatomy.parts(model)[1:]] == [
        ("grouped", "conv 3×3 /2 in 2 groups, leaky re l u"),
        ("separable", "separable 3×3 dilated 2, tanh"),
        ("pool", "average pool 2×2 /2"),
        ("own", "norm"),
        ("both", "concatenate"),
        ("flat", "flatten"),
        ("dense", "dense, tanh"),
    ]


def test_a_separable_convolution_costs_both_its_kernels():
    photo = keras.Input((8, 8, 4))
    model = Model(photo, layers.SeparableConv2D(6, 3, padding="same")(photo))
    assert anatomy.multiply_adds(model) == 8 * 8 * (3 * 3 * 4 + 4 * 6)


def test_depth_is_the_longest_way_and_normalisations_are_no_layers():
    photo = keras.Input((8, 8, 4))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(photo))
    x = layers.Add()([layers.Conv2D(4, 3, padding="same")(x), layers.Conv2D(4, 1)(x), x])
    model = Model(photo, layers.Dense(2)(layers.Flatten()(x)))
    assert anatomy.depth(model) == 3
    assert anatomy.depth(gated(8)) == 3  # not the convolution of its gate


@pytest.mark.parametrize("name", TESTS)
def test_shares_by_stride_add_up_and_end_with_the_top(name, network):
    model, row = network(name), backbones.variant(name)
    shares = anatomy.shares(model)
    assert [(share.stride, share.channels) for share in shares] == [
        *((tap.stride, tap.channels) for tap in pyramid(model)),
        (None, row.classes),
    ]
    assert sum(share.parameters for share in shares) == row.parameters
    assert sum(share.multiply_adds for share in shares) == row.multiply_adds
    body = backbones.build(name, weights=None, include_top=False)
    assert sum(share.parameters for share in shares[:-1]) == sum(map(anatomy.trainable, body.layers))
    assert anatomy.shares(body) == shares[:-1]
    assert anatomy.last_map(model).output.shape == anatomy.last_map(body).output.shape == body.output_shape


def test_a_share_is_what_the_layers_of_its_stage_have(network):
    model = network("vgg_test")
    by_stage = {share.stride: share for share in anatomy.shares(model)}
    for stride, stage in ((1, "stem"), (2, "stage1"), (8, "stage3"), (16, "stage4")):
        held = [layer for layer in model.layers if layer.name.startswith(f"{stage}_")]
        assert by_stage[stride].parameters == sum(map(anatomy.trainable, held)) > 0
        assert by_stage[stride].multiply_adds == sum(map(anatomy.cost, held)) > 0
    assert (by_stage[32].parameters, by_stage[32].multiply_adds) == (0, 0)  # a pool


def test_what_is_computed_between_the_layers_is_told():
    assert anatomy.between(backbones.build("neocognitron_test", weights=None)) == (
        "add",
        "mean",
        "multiply",
        "rsqrt",
        "subtract",
        "true divide",
    )
    assert anatomy.between(backbones.build("vgg_test", weights=None)) == ()
