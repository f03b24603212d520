"""Tensors to layers: each used once, of its exact shape, or a message that says what differs."""

import keras
import numpy as np
import pytest

from tlkit.backbones import build, conversion, efficientnet, variant
from tlkit.errors import WeightsError


@pytest.fixture(scope="module")
def small():
    """A small network, and tensors for all of it as its publisher would name them."""
    model = build("efficientnet_test", seed=0)
    names = efficientnet.names_lite(variant("efficientnet_test"), efficientnet.GEOMETRIES["tensorflow"])
    rng = np.random.default_rng(0)
    tensors = {}
    for layer in model.layers:
        if layer.weights:
            for attribute, suffix, axes in conversion.TORCH.parts[type(layer)]:
                variable = getattr(layer, attribute)
                if variable is not None:
                    shape = tuple(variable.shape[axes.index(axis)] for axis in range(len(axes)))
                    tensors[f"{names[layer.name]}.{suffix}"] = rng.random(shape, "float32")
                    if suffix == "running_mean":
                        tensors[f"{names[layer.name]}.num_batches_tracked"] = np.array(7)
    return model, names, tensors


def test_every_weight_is_filled(small):
    model, names, tensors = small
    conversion.fill(model, tensors, names)
    kernel = model.get_layer("stage2_block1_expand").kernel.numpy()
    np.testing.assert_array_equal(kernel[0, 0], tensors["_blocks.1._expand_conv.weight"][:, :, 0, 0].T)
    np.testing.assert_array_equal(
        model.get_layer("stage3_block1_depthwise").kernel.numpy()[:, :, 5, 0],
        tensors["_blocks.2._depthwise_conv.weight"][5, 0],
    )
    norm = model.get_layer("last_conv_norm")
    for attribute, suffix in (
        ("gamma", "weight"),
        ("moving_mean", "running_mean"),
        ("moving_variance", "running_var"),
    ):
        np.testing.assert_array_equal(getattr(norm, attribute).numpy(), tensors[f"_bn1.{suffix}"])
    assert sum(tensor.size for tensor in tensors.values() if tensor.ndim) == model.count_params()


STRAY = np.zeros(3, "float32")
BROKEN = {
    "a tensor is missing": (
        {"_blocks.1._bn0.running_var": None},
        {},
        "no tensor '_blocks.1._bn0.running_var' for the weight 'stage2_block1_expand_norm/moving_variance'",
    ),
    "a tensor has another shape": (
        {"_conv_stem.weight": np.zeros((8, 3, 5, 5), "float32")},
        {},
        "is float32 (8, 3, 5, 5); the weight 'stem_conv/kernel' takes float32 (8, 3, 3, 3).",
    ),
    "a tensor is transposed": (
        {"_fc.weight": np.zeros((64, 1000), "float32")},
        {},
        "tensor '_fc.weight' is float32 (64, 1000); the weight 'top_logits/kernel' takes float32 (1000, 64).",
    ),
    "a tensor has another type": (
        {"_fc.bias": np.zeros(1000, "int64")},
        {},
        "tensor '_fc.bias' is int64 (1000,); the weight 'top_logits/bias' takes float32 (1000,).",
    ),
    "a tensor is left over": (
        {"_aux.weight": STRAY},
        {},
        "nothing takes the tensor '_aux.weight' (1 left over).",
    ),
    "a counter of no layer is left over": (
        {"_aux.num_batches_tracked": np.array(1)},
        {},
        "nothing takes the tensor '_aux.num_batches_tracked' (1 left over).",
    ),
    "a layer has no name": ({}, {"last_conv": None}, "no tensor is meant for the layer 'last_conv'"),
    "two layers share a tensor": (
        {},
        {"stage1_block1_project_norm": "_bn0"},
        "the file has no tensor '_bn0.weight' for the weight 'stage1_block1_project_norm/gamma'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_loading_is_strict(fault, small):
    model, names, tensors = small
    changed, renamed, text = BROKEN[fault]
    before = model.get_weights()
    tensors = {name: value for name, value in {**tensors, **changed}.items() if value is not None}
    names = {name: theirs for name, theirs in {**names, **renamed}.items() if theirs is not None}
    with pytest.raises(WeightsError) as caught:
        conversion.fill(model, tensors, names)
    assert text in str(caught.value) and "efficientnet_test" in str(caught.value)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_only_what_was_asked_for_is_dropped(small):
    _, names, tensors = small
    trunk = build("efficientnet_test", include_top=False)
    conversion.fill(trunk, tensors, names, dropped=("_fc",))
    with pytest.raises(WeightsError, match=r"nothing takes the tensor '_fc.weight' \(2 left over\)"):
        conversion.fill(trunk, tensors, names)


@pytest.mark.parametrize("layout", ["torch", "keras"])
def test_a_normalisation_without_gamma_gets_ones(layout):
    photo = keras.Input((4, 4, 3))
    model = keras.Model(photo, keras.layers.BatchNormalization(name="norm")(photo))
    model.get_layer("norm").gamma.assign(np.full(3, 5.0))
    ordering = conversion.layout(layout)
    parts, dot = ordering.parts[keras.layers.BatchNormalization], ordering.separator
    tensors = {f"bn{dot}{part.suffix}": np.full(3, number, "float32") for number, part in enumerate(parts)}
    gamma = f"bn{dot}{parts[0].suffix}"
    with pytest.raises(WeightsError, match=f"nothing takes the tensor '{gamma}' .1 left over."):
        conversion.fill(model, tensors, {"norm": conversion.Unscaled("bn")}, layout=conversion.layout(layout))
    assert model.get_layer("norm").gamma.numpy().tolist() == [5, 5, 5]
    del tensors[gamma]
    with pytest.raises(WeightsError, match=f"the file has no tensor '{gamma}'"):
        conversion.fill(model, tensors, {"norm": "bn"}, layout=conversion.layout(layout))
    conversion.fill(model, tensors, {"norm": conversion.Unscaled("bn")}, layout=conversion.layout(layout))
    assert [weight.numpy()[0] for weight in model.get_layer("norm").weights] == [1, 1, 2, 3]


@pytest.mark.parametrize(("layout", "dot"), [("torch", "."), ("keras", "/")])
def test_what_is_stored_in_another_shape(layout, dot):
    """Scales of channels, as vectors or not; a depthwise kernel as one in groups; layer normalisation."""
    photo = keras.Input((8, 8, 4))
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(photo)
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = keras.layers.DepthwiseConv2D(1, use_bias=False, name="scale")(x)
    model = keras.Model(photo, keras.layers.DepthwiseConv2D(1, name="response")(x), name="small")
    names = {
        "depthwise": conversion.Stored("dw", "kernel", (3, 3, 1, 4)),
        "norm": "ln",
        "scale": conversion.Stored("block", "layer_scale", (4, 1, 1)),
        "response": conversion.Stored("grn", "gamma", (4,)),
    }
    rng = np.random.default_rng(0)
    shapes = {("dw", "kernel"): (3, 3, 1, 4), ("dw", "bias"): 4, ("block", "layer_scale"): (4, 1, 1)}
    shapes |= {("grn", "gamma"): 4, ("grn", "bias"): 4}
    shapes |= {("ln", part): 4 for part in (("weight", "bias") if layout == "torch" else ("gamma", "beta"))}
    tensors = {dot.join(name): rng.random(shape, "float32") for name, shape in shapes.items()}
    conversion.fill(model, tensors, names, layout=conversion.layout(layout))
    (gamma, beta), response = model.get_layer("norm").get_weights(), model.get_layer("response")
    np.testing.assert_array_equal(gamma, tensors[f"ln{dot}{'weight' if layout == 'torch' else 'gamma'}"])
    np.testing.assert_array_equal(beta, tensors[f"ln{dot}{'bias' if layout == 'torch' else 'beta'}"])
    np.testing.assert_array_equal(response.kernel[0, 0, :, 0], tensors[f"grn{dot}gamma"])
    np.testing.assert_array_equal(response.bias, tensors[f"grn{dot}bias"])
    scale = model.get_layer("scale").kernel[0, 0, :, 0]
    np.testing.assert_array_equal(scale, tensors[f"block{dot}layer_scale"].ravel())
    kernel = model.get_layer("depthwise").kernel
    np.testing.assert_array_equal(kernel[1, 2, :, 0], tensors[f"dw{dot}kernel"][1, 2, 0])
    wrong = {**tensors, f"block{dot}layer_scale": np.zeros(4, "float32")}
    with pytest.raises(WeightsError, match=r"layer_scale' is float32 \(4,\); the weight 'scale/kernel' "):
        conversion.fill(model, wrong, names, layout=conversion.layout(layout))


def test_the_first_differences_are_told_and_the_rest_counted(small):
    model, names, tensors = small
    with pytest.raises(WeightsError) as caught:
        conversion.fill(model, {"conv1.weight": STRAY}, names)
    expected = len([weight for weight in model.weights]) + 1
    text = str(caught.value)
    assert text.startswith("efficientnet_test: the file has no tensor '_conv_stem.weight' for the weight")
    assert text.endswith(f"; and {expected - conversion.TOLD} more differences.")


def test_blue_first_becomes_red_first():
    """Caffe's order of channels: the same picture, turned, through the same kernel, turned."""
    rng = np.random.default_rng(0)
    for publisher, shape in (("torchvision", (8, 3, 3, 3)), ("keras", (3, 3, 3, 8))):
        ordering = conversion.layout(publisher)
        name, axis = conversion.first_kernel("conv1", ordering)
        tensors = {name: rng.random(shape, "float32")}
        turned = conversion.turned(tensors, "conv1", ordering)[name]
        np.testing.assert_array_equal(turned, np.take(tensors[name], [2, 1, 0], axis))
        wider = conversion.widened({name: turned}, "conv1", ordering)[name]
        assert wider.shape[axis] == 4 and not np.take(wider, 3, axis).any()
