"""MobileNet 1, 2 and 3: the papers' tables and figures, widths by name and by option, what options do."""

import importlib
import math

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import (
    anatomy,
    build,
    family,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    variant,
)
from tlkit.backbones.options import settle
from tlkit.errors import UsageError

FAMILIES = {"mobilenet_v1": mobilenet_v1, "mobilenet_v2": mobilenet_v2, "mobilenet_v3": mobilenet_v3}
TESTS = ["mobilenet_v1_test", "mobilenet_v2_test", "mobilenet_v3_test", "mobilenet_v3_minimalistic_test"]
RESIDUAL = TESTS[1:]


def shapes(model):
    return {weight.path: tuple(weight.shape) for weight in model.weights}


# The papers' tables


def test_version_1_has_the_blocks_of_table_1():
    blocks = mobilenet_v1.plan(variant("mobilenet_v1"))
    assert [block.width for block in blocks] == [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    assert [block.stride for block in blocks] == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]


def test_version_2_has_the_blocks_of_table_2():
    blocks = mobilenet_v2.plan(variant("mobilenet_v2"))
    widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    assert [block.width for block in blocks] == widths
    assert [block.expansion for block in blocks] == [1, *[6] * 16]
    assert [number for number, block in enumerate(blocks) if block.stride == 2] == [1, 3, 6, 13]
    assert [block.stage for block in blocks] == [1, 2, 2, 3, 3, 3, *[4] * 7, *[5] * 4]


@pytest.mark.parametrize(
    ("name", "expanded", "squeezed"),
    [
        (
            "mobilenet_v3_small",
            [16, 72, 88, 96, 240, 240, 120, 144, 288, 576, 576],
            [8, None, None, 24, 64, 64, 32, 40, 72, 144, 144],
        ),
        (
            "mobilenet_v3_large",
            [16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960],
            [None, None, None, 24, 32, 32, None, None, None, None, 120, 168, 168, 240, 240],
        ),
        # As keras.applications': what a block widens is what it gets, rounded, not the table's.
        (
            "mobilenet_v3_small_075",
            [16, 72, 88, 96, 192, 192, 96, 120, 240, 432, 432],
            [8, None, None, 24, 48, 48, 24, 32, 64, 112, 112],
        ),
        ("mobilenet_v3_small_minimalistic", [16, 72, 88, 96, 240, 240, 120, 144, 288, 576, 576], [None] * 11),
    ],
)
def test_version_3_widens_and_squeezes(name, expanded, squeezed):
    row = variant(name)
    blocks = mobilenet_v3.plan(row, row.alpha)
    assert [block.expanded for block in blocks] == expanded
    assert [block.squeeze for block in blocks] == squeezed
    simple = "minimalistic" in name
    assert {block.kernel for block in blocks} == ({3} if simple else {3, 5})
    assert {block.act for block in blocks} == ({"relu"} if simple else {"relu", "hard_silu"})


def test_version_1_is_an_eighth_of_whole_convolutions():
    """The paper's table 4: 569 million multiply-adds and 4.2 million parameters for 4,866 and 29.3."""
    model = build("mobilenet_v1", weights=None)
    separate = whole = kernels = 0
    for layer in model.layers:
        if layer.name.endswith("_pointwise"):
            places = math.prod(layer.output.shape[1:3])
            separate += anatomy.cost(layer) + anatomy.cost(
                model.get_layer(layer.name.replace("point", "depth"))
            )
            whole += 9 * layer.kernel.shape[2] * layer.filters * places
            kernels += 9 * layer.kernel.shape[2] * layer.filters
    rest = anatomy.multiply_adds(model) - separate
    assert round((separate + rest) / 1e6) == 569
    # Their figure leaves out the logits' million, it seems: with them it would be 4,867.
    assert round((whole + rest - anatomy.cost(model.get_layer("top_logits"))) / 1e6) == 4866
    others = sum(layer.count_params() for layer in model.layers if layer.name in ("stem_conv", "top_logits"))
    assert round((kernels + others) / 1e6, 1) == 29.3
    assert anatomy.depth(model) == 28  # "Counting depthwise and pointwise convolutions as separate layers"


@pytest.mark.parametrize("name", RESIDUAL)
def test_bottlenecks_are_linear(name):
    """No activation follows a sum or a projection: maps between blocks go below zero."""
    model = build(name, weights=None, seed=1)
    marks = [f"stage{number}" for number in range(1, 6)]
    found = keras.Model(model.input, [model.get_layer(mark).output for mark in marks])(picture(64)[None])
    assert all(value.numpy().min() < -0.1 * value.numpy().max() < 0 for value in found)


def test_the_gate_of_version_3_opens_and_closes_within_3():
    """Table: hard-sigmoid, ReLU6(x + 3) / 6, and hard-swish, x times that."""
    model = build("mobilenet_v3_test", weights=None)
    x = np.linspace(-5, 5, 101, dtype="float32")
    gate = np.clip(x + 3, 0, 6) / 6
    (opens,) = {layer.activation for layer in model.layers if layer.name.endswith("_excite_gate")}
    np.testing.assert_allclose(opens(x), gate, atol=1e-6)
    (swish,) = {layer.activation for layer in model.layers if layer.name.endswith("_hard_silu")}
    np.testing.assert_allclose(swish(x), x * gate, atol=1e-6)


def test_the_hidden_layer_of_version_3_comes_after_the_pool():
    model = build("mobilenet_v3_small", weights=None)
    names = [layer.name for layer in model.layers]
    tail = ["stage4", "last_conv", "last_conv_norm", "last_conv_hard_silu", "pool", "top_hidden"]
    assert names[names.index("stage4") :] == [
        *tail, "top_hidden_hard_silu", "top_dropout", "top_logits", "top_probabilities"
    ]  # fmt: skip
    assert model.get_layer("top_hidden").kernel.shape == (576, 1024)


# Widths

NAMED = [
    (name, row.alpha, base, slow)
    for module in FAMILIES.values()
    for name, row in module.VARIANTS.items()
    if row.alpha != 1 and name not in TESTS
    for base in [name[:-4]]
    for slow in [name not in ("mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small_075")]
]


def test_every_named_width_is_compared():
    assert len(NAMED) == 3 + 5 + 2
    assert {base for _, _, base, _ in NAMED} == {
        "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"
    }  # fmt: skip
    assert all(name == f"{base}_{round(100 * alpha):03}" for name, alpha, base, _ in NAMED)


@pytest.mark.parametrize(
    ("name", "alpha", "base"),
    [pytest.param(*row[:3], marks=[pytest.mark.slow] * row[3]) for row in NAMED],
)
def test_a_width_by_option_is_the_one_by_name(name, alpha, base):
    assert shapes(build(base, weights=None, alpha=alpha)) == shapes(build(name, weights=None))
    assert variant(base).alpha == 1


@pytest.mark.parametrize(
    ("name", "builder", "settings", "alpha"),
    [
        ("mobilenet_v1", "MobileNet", {}, 0.4),
        ("mobilenet_v2", "MobileNetV2", {}, 1.1),
        ("mobilenet_v3_small", "MobileNetV3Small", {"include_preprocessing": False}, 1.25),
        ("mobilenet_v3_large", "MobileNetV3Large", {"include_preprocessing": False}, 0.5),
    ],
)
@pytest.mark.slow
def test_widths_without_a_name_are_those_of_keras_applications(name, builder, settings, alpha):
    theirs = getattr(keras.applications, builder)(weights=None, alpha=alpha, **settings)
    ours = build(name, weights=None, alpha=alpha)
    both = [
        sorted(tuple(n for n in weight.shape if n > 1) for weight in model.weights)
        for model in (ours, theirs)
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("name", "layer", "widths"),
    [
        ("mobilenet_v2_test", "last_conv", {0.05: 64, 1.0: 64, 1.5: 96}),
        ("mobilenet_v3_test", "top_hidden", {0.25: 64, 1.0: 64, 1.5: 96}),
    ],
)
def test_the_widest_layer_grows_and_never_shrinks(name, layer, widths):
    for alpha, width in widths.items():
        assert build(name, weights=None, alpha=alpha).get_layer(layer).output.shape[-1] == width


def test_no_width_is_too_small_to_build():
    for name in TESTS:
        model = build(name, weights=None, alpha=1e-6)
        assert min(layer.output.shape[-1] for layer in model.layers if layer.name.startswith("stage")) == 8


@pytest.mark.parametrize("wrong", [0, -0.5, float("nan"), float("inf"), True, "0.5", [0.5]])
@pytest.mark.parametrize("name", ["mobilenet_v1_test", "mobilenet_v2_test", "mobilenet_v3_test"])
def test_a_width_is_a_number_above_0(name, wrong):
    with pytest.raises(UsageError, match=f"^{name}: alpha=.* must be a number above 0, or None.$"):
        build(name, weights=None, alpha=wrong)


@pytest.mark.parametrize("name", TESTS)
def test_a_width_is_refused_beside_weights(name):
    row = variant(name)
    rules = importlib.import_module(f"tlkit.backbones.{family(name)}").FAMILY.rules
    refused = f"^{name}: alpha would do nothing beside weights. Leave it out, or use weights=None.$"
    with pytest.raises(UsageError, match=refused):
        settle(name, row, rules, {"alpha": 0.5, "weights": "some.pth"})
    for fits in ({"alpha": None, "weights": "some.pth"}, {"alpha": 0.5, "weights": None}):
        assert settle(name, row, rules, fits)["alpha"] == fits["alpha"]


# Stochastic depth


@pytest.mark.parametrize("name", RESIDUAL)
def test_drop_path_grows_to_the_last_block(name):
    row = variant(name)
    blocks = mobilenet_v2.plan(row) if name == "mobilenet_v2_test" else mobilenet_v3.plan(row, 1.0)
    model = build(name, weights=None, drop_path=0.5)
    rates = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_drop_path")}
    added = {layer.name.removesuffix("_add") for layer in model.layers if layer.name.endswith("_add")}
    shares = {block.name: 0.5 * number / (len(blocks) - 1) for number, block in enumerate(blocks)}
    expected = {f"{block}_drop_path": share for block, share in shares.items() if block in added and share}
    assert len(rates) > 1 and rates == pytest.approx(expected)
