"""What is particular to VGG; its parity is in test_published.py and test_published_keras.py."""

import keras
import pytest
import tensorflow as tf

from tlkit.backbones import build, variant, vgg

NAMES = [name for name in vgg.VARIANTS if name != "vgg_test"]


@pytest.mark.parametrize("name", NAMES)
def test_is_named_after_its_layers_with_weights(name):
    """Convolutions and the three dense layers."""
    convolutions = sum(map(len, vgg.plan(variant(name))))
    assert convolutions + 3 == int(name.removeprefix("vgg").removesuffix("_bn"))


@pytest.mark.parametrize("name", NAMES)
def test_most_weights_are_in_the_first_dense_layer(name):
    with tf.Graph().as_default():  # counted, not allocated
        model = build(name, weights=None)
        first = model.get_layer("top_dense1").count_params()
    assert first == 102_764_544 == 7 * 7 * 512 * 4096 + 4096
    assert 0.7 < first / model.count_params() < 0.8


def test_convolutions_have_biases_before_a_normalisation_too():
    model = build("vgg_test", weights=None, include_top=False)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.use_bias for layer in layers] == [True] * 8
    assert [f"{layer.name}_norm" for layer in layers] == [
        layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]


def test_without_the_suffix_nothing_is_normalised():
    model = build("vgg11", weights=None, include_top=False, input_shape=(32, 32, 3))
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.ReLU)] == [
        f"{name}_relu" for stage in vgg.plan(variant("vgg11")) for name in stage
    ]


@pytest.mark.parametrize(("size", "places"), [(32, 1), (63, 1), (64, 2), (107, 3)])
def test_the_top_grows_with_the_photo(size, places):
    model = build("vgg_test", weights=None, input_shape=(size, size, 3))
    assert model.get_layer("top_dense1").kernel.shape == (places**2 * 64, 32)


def test_dropout_follows_both_hidden_layers():
    def shares(**options):
        model = build("vgg_test", weights=None, **options)
        return {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}

    assert shares() == {"top_dense1_dropout": 0.5, "top_dense2_dropout": 0.5}
    assert shares(dropout=0.1) == {"top_dense1_dropout": 0.1, "top_dense2_dropout": 0.1}
    names = [layer.name for layer in build("vgg_test", weights=None).layers]
    assert names.index("top_dense1_dropout") == names.index("top_dense1_relu") + 1
