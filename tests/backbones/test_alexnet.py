"""What is particular to AlexNet; its parity is in test_published.py."""

import keras
import numpy as np
import pytest
from keras import layers

from tlkit.backbones import alexnet, build
from tlkit.errors import UsageError


def by_hand(a):
    """Section 3.3 of the paper: b[i] = a[i] / (k + alpha · Σ a[j]²) ** beta, j from i − 2 to i + 2."""
    b, last = np.empty_like(a), a.shape[-1] - 1
    for i in range(last + 1):
        total = sum(a[..., j] ** 2 for j in range(max(0, i - 2), min(last, i + 2) + 1))
        b[..., i] = a[..., i] / (2 + 1e-4 * total) ** 0.75
    return b


def normalised(a):
    photo = keras.Input((None, None, a.shape[-1]), dtype=str(a.dtype))
    return keras.Model(photo, alexnet.response_norm(photo))(a).numpy()


@pytest.mark.parametrize("channels", [1, 2, 5, 11])
@pytest.mark.parametrize("scale", [1, 300])  # at 1 hardly anything but the constant counts
def test_responses_are_normalised_as_in_the_paper(channels, scale):
    a = np.random.default_rng(0).uniform(0, scale, (2, 3, 4, channels))
    np.testing.assert_allclose(normalised(a.astype("float32")), by_hand(a), rtol=1e-5)


def test_alpha_is_not_divided_by_the_five_channels():
    """Caffe and torch do: 100 / (2 + 1e-4 · 5 · 100²) ** 0.75 would be 100 / 3 ** 0.75 there."""
    found = normalised(np.full((1, 1, 1, 5), 100, "float32"))
    assert found[0, 0, 0, 2] == pytest.approx(100 / 7**0.75)


def test_half_precision_does_not_overflow_in_the_squares():
    a = np.random.default_rng(0).uniform(0, 3000, (1, 3, 4, 9)).astype("float16")
    assert float(a.max()) ** 2 > float(np.finfo("float16").max)
    found = normalised(a)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(a.astype("float64")), rtol=1e-5)


def test_after_the_normalisation_half_precision_goes_on():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build("alexnet_2012_test", weights=None, include_top=False)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("stem_conv_relu").output.dtype == "float16"
    assert model.get_layer("stem").output.dtype == "float16"


def test_only_the_network_of_2012_normalises():
    def roots(name):
        model = build(name, weights=None, include_top=False)
        return sum(type(operation).__name__ == "Rsqrt" for operation in model.operations)

    assert roots("alexnet_2012_test") == 2 * 2  # two to the power of −3/4 each
    assert roots("alexnet_test") == 0


@pytest.mark.parametrize(("name", "size"), [("alexnet", 224), ("alexnet_2012", 227)])
def test_maps_have_the_papers_sizes(name, size):
    model = build(name, weights=None, include_top=False)
    assert model.input_shape[1] == size
    marks = [layer for layer in model.layers if isinstance(layer, layers.Identity)]
    assert [mark.output.shape[1:3] for mark in marks] == [(n, n) for n in (55, 27, 13, 6)]


def test_halves_meet_in_the_third_convolution_alone():
    kernels = ["stage1_conv", "stage2_conv1", "stage2_conv2", "stage2_conv3"]
    model = build("alexnet_2012", weights=None, include_top=False)
    assert [model.get_layer(name).kernel.shape[2] for name in kernels] == [48, 256, 192, 192]
    model = build("alexnet", weights=None, include_top=False)
    assert [model.get_layer(name).kernel.shape[2] for name in kernels] == [64, 192, 384, 256]


@pytest.mark.parametrize(("name", "after"), [("alexnet_test", False), ("alexnet_2012_test", True)])
def test_dropout_stands_where_each_has_it(name, after):
    model = build(name, weights=None, dropout=0.3)
    names = [layer.name for layer in model.layers]
    for number in (1, 2):
        dropout = names.index(f"top_dense{number}_dropout")
        assert (dropout > names.index(f"top_dense{number}")) == after
        assert model.layers[dropout].rate == 0.3


@pytest.mark.parametrize("name", ["alexnet_test", "alexnet_2012_test"])
def test_one_pixel_less_would_leave_no_place(name):
    row = alexnet.VARIANTS[name]
    model = build(name, weights=None, input_shape=(row.least, row.least, 3), include_top=False)
    assert model.output_shape[1:3] == (1, 1)
    with pytest.raises(UsageError, match="too small"):
        build(name, weights=None, input_shape=(row.least, row.least - 1, 3))
    photo = keras.Input((row.least - 1, row.least - 1, 3))
    with pytest.raises(ValueError, match="zero or negative"):
        alexnet.body(photo, row, alexnet.GEOMETRIES["torch"], {})
