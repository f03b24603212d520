"""Files of keras.applications, as Keras 1 and 2 wrote them, by the public way, against its own code, live.

Keras itself loads the file that the test writes: what its network answers to a photograph, after Keras's
preprocessing, ours answers to the photograph as it is.
"""

import importlib
import re

import keras
import numpy as np
import pytest
import seeded
from keras.src.utils import file_utils
from make_golden import picture
from published import write_h5
from test_keras_applications import TWINS, called, leaves, passes_by

from tlkit import backbones
from tlkit.errors import WeightsError

# What efficientnetb0.h5 has in its Normalization: "variance" is the spread. Keras divides by its root, and
# once more in a layer that it builds for weights="imagenet" alone.
MEAN, SPREAD = np.array([0.485, 0.456, 0.406], "f4"), np.array([0.229, 0.224, 0.225], "f4")
STATISTICS = {"mean": MEAN, "variance": SPREAD, "count": np.array(0)}
# How the published files spell what Keras has renamed since; where it numbered layers, it had built others.
NUMBERED = re.compile(r"(conv2d|batch_normalization|normalization)(?:_(\d+))?")
SPELT = {
    "DenseNet": (("conv1_(conv|bn)", r"conv1/\1"),),
    "MobileNetV3": (
        (r"conv(_\d)?", r"Conv\1"),
        (r"conv(_\d)?_bn", r"Conv\1/BatchNorm"),
        (r"logits", "Logits"),
        (r"(expanded_conv(?:_\d+)?)_squeeze_excite_(conv.*)", r"\1/squeeze_excite/\2"),
        (r"(expanded_conv(?:_\d+)?)_(\w+)_bn", r"\1/\2/BatchNorm"),
        (r"(expanded_conv(?:_\d+)?)_(\w+)", r"\1/\2"),
    ),
}

# Of two sizes the last: its maps are odd and even. CI's slow list has the others, and what is like others.
OTHERS = ("mobilenet_v3_small_minimalistic", "efficientnet_b0")
# A dense layer over a map's places is for one size alone.
WITHOUT_TOP = [(name, 97) for name in TWINS if name.startswith("vgg")]
PAIRS = [
    pytest.param(name, size, marks=[pytest.mark.slow] * (twin.slow or size == first or name in OTHERS))
    for name, twin in TWINS.items()
    for first, last in [(224, 97) if (name, 97) in WITHOUT_TOP else twin.sizes]
    for size in (first, last)
]
SMALL = ("efficientnet_b0",)
LARGE = (
    "mobilenet_v3_small",
    "convnext_tiny",
    "densenet121",
    "resnet50",
    "inception_v3",
    "xception",
    "efficientnet_v2_s",
)


def older(builder, name):
    """A layer's name in the published file."""
    if match := NUMBERED.fullmatch(name):
        return f"{match[1]}_{int(match[2] or 0) + 95}"
    for family, rules in SPELT.items():
        for pattern, spelling in rules if builder.startswith(family) else ():
            if re.fullmatch(pattern, name):
                return re.sub(pattern, spelling, name)
    return name


def built(twin, size, **options):
    """Their network without weights."""
    keras.utils.clear_session()  # it numbers what has no name of its own: from 0 on, as in a fresh process
    settings = {name: value for name, value in twin.settings.items() if name != "include_preprocessing"}
    builder = getattr(keras.applications, twin.builder)
    options = {"weights": None, "input_shape": (size, size, 3), **settings, **options}
    return builder(**options)


def layers(twin, network):
    """What the published file of the network would hold: (name, {name of a weight: numbers}) by layer."""
    found = []
    for layer in network.layers:
        weights = {}
        for leaf in leaves(layer) if isinstance(layer, keras.Model) else [layer]:
            for variable in [*leaf.trainable_weights, *leaf.non_trainable_weights]:
                depthwise = isinstance(leaf, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
                last = f"{'depthwise_' * depthwise}{called(leaf, variable)}"
                value = seeded.tensor(f"{leaf.name}/{last}", tuple(variable.shape), twin.gain)
                value = STATISTICS[variable.name] if passes_by(twin, leaf) else value
                weights[f"{older(twin.builder, leaf.name)}/{last}:0"] = value
        found.append((older(twin.builder, layer.name), weights))
    return found


def compare(photo, theirs, ours, what):
    """Two models of several outputs each: the same numbers, to within rounding."""
    builder = getattr(keras.applications, what[0])
    module = importlib.import_module(builder.__module__.replace("keras.src.", "keras."))
    preprocessed = module.preprocess_input(photo.astype("float32"))
    for tap, (expected, found) in enumerate(zip(theirs(preprocessed), ours(photo), strict=True)):
        expected, found = expected.numpy(), found.numpy()
        assert expected.std() > 0.1, (what, tap)  # a dead output would agree with anything
        assert found.shape == expected.shape, (what, tap)
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max(), (what, tap)


@pytest.mark.parametrize(("name", "size"), PAIRS)
def test_agrees(name, size, tmp_path):
    twin, path = TWINS[name], tmp_path / "weights.h5"
    top = (name, size) not in WITHOUT_TOP
    reference = built(twin, size, **({"classifier_activation": None} if top else {"include_top": False}))
    write_h5(path, layers(twin, reference))
    reference.load_weights(path)
    for layer in reference.layers:
        if passes_by(twin, layer):
            layer.adapt_variance.assign(SPREAD**2)  # in place of its second division
            layer.finalize_state()
    options = {key: value for key, value in twin.options.items() if key != "geometry"}
    options |= {"classifier_activation": None} if top else {"include_top": False}
    model = backbones.build(twin.backbone, weights=f"keras={path}", input_shape=(size, size, 3), **options)
    theirs = [reference.get_layer(tap).output for tap in twin.taps.values()]
    ours = [model.get_layer(tap).output for tap in twin.taps]
    compare(
        picture(size)[None],
        keras.Model(reference.input, [*theirs, reference.output]),
        keras.Model(model.input, [*ours, model.output]),
        (twin.builder, size),
    )


# MobileNets tell that their weights are of 224 pixels.
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square")
@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_a_file_without_its_top_gives_all_below(name, tmp_path, monkeypatch):
    """As keras.applications' own does, told "imagenet": its file comes from here, not from the network."""
    twin, size, path = TWINS[name], TWINS[name].sizes[1], tmp_path / "notop.h5"
    write_h5(path, layers(twin, built(twin, size, include_top=False)))
    asked = []
    monkeypatch.setattr(file_utils, "get_file", lambda *file, **options: asked.append(file) or str(path))
    reference = built(twin, size, weights="imagenet", include_top=False)
    assert len(asked) == 1
    given = {"weights": f"keras={path}", "input_shape": (size, size, 3)}
    model = backbones.build(twin.backbone, include_top=False, **given)
    # ConvNeXt's ends with the normalisation of its top.
    last = reference.layers[-1]
    theirs = last.input if isinstance(last, keras.layers.LayerNormalization) else reference.output
    compare(
        picture(size)[None],
        keras.Model(reference.input, [theirs]),
        keras.Model(model.input, [model.output]),
        (twin.builder, size),
    )
    with pytest.raises(WeightsError, match=f"holds no top; the published one of {name} has 1,000."):
        backbones.build(twin.backbone, **given)


def test_what_a_file_holds_instead_is_said(tmp_path):
    twin = TWINS["mobilenet_v1_025"]
    path, name = tmp_path / "weights.h5", twin.backbone
    good = layers(twin, built(twin, 64))
    top, weights = good[-3]
    assert set(weights) == {f"{top}/kernel:0", f"{top}/bias:0"}

    def refused(stored, **options):
        write_h5(path, stored)
        with pytest.raises(WeightsError) as caught:
            backbones.build(name, weights=f"keras={path}", **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    ten = {f"{top}/kernel:0": np.ones((1, 1, 256, 10), "f4"), f"{top}/bias:0": np.ones(10, "f4")}
    text = refused([*good[:-3], (top, ten)])
    assert text.startswith(f"{path} holds a top of 10 classes; the published one of {name} has 1,000.")
    model = backbones.build(name, weights=f"keras={path}", include_top=False)
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, dict(good)["conv1"]["conv1/kernel:0"])

    text = refused([*good[:-3], (top, {f"{top}/bias:0": np.ones(10, "f4")})])
    assert text == f"{path}: layer '{top}' holds 10; in {name} '{top}' holds 1×1×256×1000, 1000."
    text = refused(good[: len(good) // 2], include_top=False)
    assert text.startswith(f"{path} is no file of {name}'s 'keras': it has no layer 'conv_")
    other = TWINS["mobilenet_v2_035"]
    text = refused(layers(other, built(other, 64)))
    assert text.startswith(f"{path} has 105 layers with weights; {name} of keras.applications has 55.")
