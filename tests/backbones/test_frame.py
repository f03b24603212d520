"""Options: each takes effect or is refused."""

import doctest

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit import backbones
from tlkit.backbones import build, frame, options, pixels, taps
from tlkit.errors import UsageError

PHOTO = picture(64)[None]


def output(model, pixels=PHOTO):
    return model(pixels).numpy()


def small(**options):
    return build("efficientnet_test", **{"weights": None, "seed": 3, **options})


def weights_takes_effect():
    pretrained, fresh = (build("efficientnet_lite0", weights=weights) for weights in ("imagenet", None))
    first, second = (model.get_layer("stem_conv").kernel.numpy() for model in (pretrained, fresh))
    assert abs(first - second).max() > 0.1
    np.testing.assert_array_equal(first, build("efficientnet_lite0").get_layer("stem_conv").kernel)


def include_top_takes_effect():
    assert small(include_top=True).output_shape == (None, 1000)
    assert small(include_top=False).output_shape == (None, 2, 2, 64)


def classes_takes_effect():
    assert small(classes=7).output_shape == (None, 7)


def input_shape_takes_effect():
    assert small(input_shape=(96, 65, 3)).input_shape == (None, 96, 65, 3)
    assert small(input_shape=[32, 32, 3]).input_shape == (None, 32, 32, 3)
    free = small(input_shape=(None, None, 3))
    np.testing.assert_allclose(output(free), output(small()), rtol=1e-5, atol=1e-8)
    assert output(free, picture(75)[None]).shape == (1, 1000)


def pooling_takes_effect():
    features = output(small(include_top=False))
    for pooling, reduced in (("avg", features.mean((1, 2))), ("max", features.max((1, 2)))):
        model = small(include_top=False, pooling=pooling)
        np.testing.assert_allclose(output(model), reduced, rtol=1e-5, atol=1e-7)
        assert model.layers[-1].name == "pool"


def dropout_takes_effect():
    assert small(dropout=0.7).get_layer("top_dropout").rate == 0.7
    assert small().get_layer("top_dropout").rate == backbones.variant("efficientnet_test").dropout


def drop_path_takes_effect():
    shares = [layer.rate for layer in small(drop_path=0.5).layers if layer.name.endswith("_drop_path")]
    assert shares and shares == sorted(shares) and 0 < shares[0] < shares[-1] < 0.5
    assert not [layer for layer in small().layers if layer.name.endswith("_drop_path")]
    keras.utils.set_random_seed(0)
    model = small(drop_path=0.6, include_top=False)
    np.testing.assert_allclose(output(model), output(small(include_top=False)), rtol=1e-5)
    alike = model(np.repeat(PHOTO, 16, axis=0), training=True).numpy()
    assert abs(alike - alike[:1]).max() > 0  # each photo loses branches of its own


def geometry_takes_effect():
    own, same, other = (small(**given) for given in ({}, {"geometry": "tensorflow"}, {"geometry": "torch"}))
    np.testing.assert_array_equal(output(own), output(same))
    assert abs(output(own) - output(other)).max() > 1e-5
    assert other.get_layer("stem_conv_norm").epsilon == 1e-5
    assert build("efficientnet_lite0", geometry="tensorflow", include_top=False).count_params() == 3_413_024


def classifier_activation_takes_effect():
    logits = output(small(classifier_activation=None)).astype("float64")
    softmax = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(output(small()), softmax, rtol=1e-4)
    np.testing.assert_allclose(
        output(small(classifier_activation="sigmoid")), 1 / (1 + np.exp(-logits)), rtol=1e-4
    )


def include_preprocessing_takes_effect():
    bare = small(include_preprocessing=False)
    assert not [layer for layer in bare.layers if isinstance(layer, keras.layers.Rescaling)]
    np.testing.assert_allclose(output(bare, PHOTO / 127.5 - 1), output(small()), rtol=1e-4)
    lite = build("efficientnet_lite0").get_layer("normalise")
    assert (lite.scale, lite.offset) == (1 / 128, -127 / 128)


def name_takes_effect():
    assert small(name="trunk").name == "trunk"
    assert small().name == "efficientnet_test"


def seed_takes_effect():
    first, again, other = (small(seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True) if one.ndim > 1)


def test_name_does_not_choose_the_weights():
    renamed = build("efficientnet_lite0", name="efficientnet_lite1")
    assert renamed.count_params() == backbones.variant("efficientnet_lite0").total_parameters


@pytest.mark.parametrize("option", options.Options.__annotations__)
def test_every_option_takes_effect(option):
    globals()[f"{option}_takes_effect"]()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"weighs": "imagenet"},
            "no option called 'weighs'. Did you mean 'weights'? The options are weights, ",
        ),
        (
            {"alpha": 1, "depth": 2},
            "no option called 'alpha' or 'depth'. The options are weights, include_top",
        ),
        (
            {"pooling": "avg"},
            "pooling would do nothing with the top. Leave it out, or use include_top=False.",
        ),
        ({"include_top": False, "classes": 1000}, "classes would do nothing without the top. Leave it out"),
        ({"include_top": False, "dropout": 0.1, "classes": 5}, "classes, dropout would do nothing without"),
        ({"include_top": False, "classifier_activation": None}, "classifier_activation would do nothing"),
        ({"classes": 2}, "the published top has 1000 classes, not 2. Use include_top=False and put your own"),
        ({"seed": 1}, "seed would do nothing beside weights. Leave it out, or use weights=None."),
        ({"seed": 0}, "seed would do nothing beside weights. Leave it out, or use weights=None."),
        (
            {"input_shape": (224, 31, 3)},
            "(224, 31, 3) is too small: nothing would be left for its last stage. Use 32 or",
        ),
        ({"input_shape": (None, 16, 3)}, "input_shape=(None, 16, 3) is too small"),
        (
            {"input_shape": (224, 224, 5)},
            "published weights take 1, 3 or 4 channels, not 5. Use one of these, or weights=None.",
        ),
        ({"input_shape": (3, 224, 224)}, "must be (height, width, channels), channels last."),
        ({"input_shape": (224, 224)}, "must be (height, width, channels)"),
        ({"input_shape": 224}, "input_shape=224 must be (height, width, channels)"),
        ({"weights": None, "classes": 0}, "classes=0 must be a whole number from 1 on."),
        (
            {"include_top": "no", "dropout": 1},
            "include_top='no' must be True or False; dropout=1 must be a share",
        ),
        ({"include_top": False, "pooling": "sum"}, "pooling='sum' must be 'avg', 'max' or None."),
        ({"classifier_activation": "softmix"}, "'softmix' must be the name of a Keras activation or None."),
        ({"weights": 3}, "weights=3 must be a name, a path or None."),
        ({"weights": None, "seed": -1}, "seed=-1 must be a whole number from 0 on."),
        ({"name": 3}, "name=3 must be letters of a to z, digits, '.', '_' and '-', a letter or digit first"),
        ({"name": "my net"}, "name='my net' must be letters of a to z, digits, "),
        ({"name": "_trunk"}, "name='_trunk' must be letters of a to z, digits, "),
        ({"name": "a/b"}, "name='a/b' must be letters of a to z, digits, "),
        ({"name": ""}, "name='' must be letters of a to z, digits, "),
        ({"drop_path": 1.0}, "drop_path=1.0 must be a share from 0 to below 1."),
        ({"weights": None, "geometry": "caffe"}, "no geometry called 'caffe'. Use 'tensorflow' or 'torch'."),
        (
            {"geometry": "torch"},
            "the weights 'pypi' fit the geometry 'tensorflow', not 'torch'. Leave geometry out, or use",
        ),
    ],
)
def test_what_would_be_ignored_or_wrong_is_refused(options, text):
    with pytest.raises(UsageError) as caught:
        build("efficientnet_lite0", **options)
    assert text in str(caught.value)
    assert str(caught.value).startswith("efficientnet_lite0")
    assert "\n" not in str(caught.value)


def test_one_grey_channel_scores_as_its_rgb_copy():
    grey = picture(64)[None, :, :, :1]
    one, three = (build("efficientnet_lite0", input_shape=(64, 64, channels)) for channels in (1, 3))
    np.testing.assert_array_equal(output(one, grey), output(three, np.repeat(grey, 3, axis=3)))


def test_a_fourth_channel_starts_without_a_say_and_learns():
    four, three = (build("efficientnet_lite0", input_shape=(64, 64, channels)) for channels in (4, 3))
    extra = np.concatenate([PHOTO, PHOTO[..., :1]], axis=3)
    np.testing.assert_allclose(output(four, extra), output(three), rtol=1e-4, atol=1e-7)
    kernel = four.get_layer("stem_conv").kernel
    assert kernel.shape[2] == 4 and not kernel.numpy()[:, :, 3].any()


def test_random_weights_take_any_count_of_channels():
    assert small(input_shape=(64, 64, 6)).get_layer("stem_conv").kernel.shape[2] == 6


def test_statistics_by_channel_are_extended_by_their_mean():
    statistics = (100.0, 110.0, 150.0)
    for channels, expected in ((1, [120]), (2, [120, 120]), (3, statistics), (5, [*statistics, 120, 120])):
        np.testing.assert_allclose(frame._by_channel(statistics, channels), expected)


def test_numbers_of_numpys_are_numbers(tmp_path):
    labels = np.array([0, 2, 1])
    shape = (*np.array([64, 64]), np.int64(3))
    given = {
        "classes": labels.max() + 1,
        "input_shape": shape,
        "dropout": np.float64(0.25),
        "seed": np.int64(3),
    }
    model = small(**given, drop_path=np.float32(0.5))
    np.testing.assert_array_equal(output(model), output(small(classes=3)))
    model.save(tmp_path / "model.keras")  # whose configuration is JSON
    with pytest.raises(
        UsageError, match=r"^efficientnet_test: classes=True must be a whole number from 1 on."
    ):
        small(classes=np.bool_(True))


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UsageError) as caught:
            small()
    finally:
        keras.config.set_image_data_format("channels_last")
    assert str(caught.value) == (
        "efficientnet_test takes channels last, and Keras is set to channels_first. "
        "Use keras.config.set_image_data_format('channels_last')."
    )


@pytest.mark.parametrize("name", ["trunk", "7", "a.b_c-d"])
def test_a_model_of_any_name_that_is_taken_can_be_asked(name):
    assert small(name=name, include_top=False).predict(PHOTO, verbose=0).shape == (1, 2, 2, 64)


def test_what_is_given_as_it_would_be_anyway_is_fine():
    small(include_top=True, pooling=None)
    assert build("efficientnet_lite0", classes=1000).output_shape == (None, 1000)


def test_examples_in_docstrings():
    for module, examples in ((backbones, 4), (pixels, 1), (taps, 3)):
        results = doctest.testmod(module)
        assert results.attempted >= examples and results.failed == 0
