"""What is particular to Network in Network; its parity is in test_parity.py."""

import keras
import numpy as np
import pytest
from keras import layers

from tlkit.backbones import build, nin, pyramid
from tlkit.errors import UsageError


def pooled(kind, geometry, values):
    values = np.asarray(values, "float32")[None, :, :, None]
    photo = keras.Input(values.shape[1:])
    return keras.Model(photo, nin.pool(photo, kind, nin.GEOMETRIES[geometry], "pool"))(values)[0, :, :, 0]


@pytest.mark.parametrize(("size", "places"), [(54, 27), (27, 13), (13, 6), (6, 3), (4, 2), (3, 1), (2, 1)])
def test_caffe_pools_round_up(size, places):
    assert pooled("max", "caffe", np.zeros((size, size))).shape == (places, places)


def test_a_cut_off_window_sees_what_is_there():
    values = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(pooled("max", "caffe", values), [[10, 11], [14, 15]])


def test_a_mean_counts_the_zeros_around():
    np.testing.assert_allclose(pooled("mean", "torch", np.full((4, 4), 9)), [[4, 6], [6, 9]], rtol=1e-6)


def test_the_maps_of_imagenet_are_those_of_caffe():
    model = build("nin", weights=None, include_top=False)
    assert [tap.tensor.shape[1] for tap in pyramid(model)] == [54, 27, 13, 6]


@pytest.mark.parametrize("name", ["nin", "nin_cifar"])
def test_two_1x1_convolutions_follow_each_larger_one(name):
    model = build(name, weights=None)
    kernels = [layer.kernel_size[0] for layer in model.layers if isinstance(layer, layers.Conv2D)]
    sides = {"nin": (11, 5, 3, 3), "nin_cifar": (5, 5, 3)}[name]
    assert kernels == [side for first in sides for side in (first, 1, 1)]
    assert not [layer for layer in model.layers if isinstance(layer, layers.Dense)]


@pytest.mark.parametrize(
    ("name", "dropped"),
    [("nin_test", ["stage3_dropout"]), ("nin_cifar_test", ["stage1_dropout", "stage2_dropout"])],
)
def test_dropout_is_the_tops_though_it_stands_in_the_body(name, dropped):
    def shares(**options):
        model = build(name, weights=None, **options)
        return {layer.name: layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)}

    assert shares() == dict.fromkeys(dropped, 0.5)
    assert shares(dropout=0.2) == dict.fromkeys(dropped, 0.2)
    assert shares(include_top=False) == {}


def test_an_answer_is_the_mean_of_a_class_map_after_its_relu():
    model = build("nin_cifar_test", weights=None, seed=0, classifier_activation=None)
    maps = keras.Model(model.input, [model.get_layer("top_logits").output, model.output])
    photo = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    before, answers = (value.numpy() for value in maps(photo))
    assert before.min() < 0 < answers.max()
    np.testing.assert_allclose(answers, np.maximum(before, 0).mean(axis=(1, 2)), rtol=1e-5, atol=1e-7)


def test_one_pixel_less_would_leave_no_place():
    row = nin.VARIANTS["nin_test"]
    model = build("nin_test", weights=None, input_shape=(row.least, row.least, 3), include_top=False)
    assert model.output_shape[1:3] == (1, 1)
    with pytest.raises(UsageError, match="too small"):
        build("nin_test", weights=None, input_shape=(row.least - 1, row.least, 3))
    photo = keras.Input((row.least - 1, row.least - 1, 3))
    with pytest.raises(ValueError, match="zero or negative"):
        nin.body(photo, row, nin.GEOMETRIES["caffe"], {"include_top": False})
