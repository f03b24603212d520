import keras
import numpy as np
import pytest

from tlkit import backbones, classifier
from tlkit.backbones import saved
from tlkit.data import FITS
from tlkit.errors import UsageError
from tlkit.formats import keras_file
from tlkit.formats.about import About
from tlkit.weights import keras_config

TEST = "efficientnet_test"


def build(**options) -> keras.Model:
    return classifier.build(TEST, ["brick", "grass", "gravel"], weights=None, **options)


@pytest.fixture(scope="module")
def model():
    return build()


def test_takes_photos_and_returns_probabilities(model):
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    answers = model.predict_on_batch(photos)
    assert answers.shape == (2, 3) and answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(answers, model.predict_on_batch(photos.astype("float32")), atol=1e-7)


def test_is_one_flat_graph_with_a_tap_at_every_mark(model):
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert classifier.stages(model) == ["stem", "stage1", "stage2", "stage3", "stage4", "stage5"]
    for mark in [*classifier.stages(model), "pool", "logits"]:
        tap = keras.Model(model.input, model.get_layer(mark).output)
        assert np.isfinite(tap.predict_on_batch(np.zeros((1, 64, 64, 3), "uint8"))).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_logits_and_probabilities_are_float32_under_every_policy(policy):
    before = keras.config.dtype_policy()
    model = build(policy=policy)
    assert (
        model.get_layer("logits").compute_dtype == model.get_layer("probabilities").compute_dtype == "float32"
    )
    assert {layer.compute_dtype for layer in model.layers if isinstance(layer, keras.layers.Conv2D)} == {
        before.compute_dtype if policy == "float32" else policy.removeprefix("mixed_")
    }
    assert keras.config.dtype_policy() == before  # the process's own policy is left alone


def test_one_seed_gives_the_same_weights_and_another_gives_others():
    first, second, other = (build(seed=seed, head="mlp").get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[-2], other[-2])


def test_the_mlp_head_has_a_layer_more():
    names = {layer.name for layer in build(head="mlp").layers}
    assert "head_hidden" in names and "head_hidden" not in {layer.name for layer in build().layers}


@pytest.mark.parametrize("fit", FITS)
def test_the_fit_is_a_name_in_the_model_and_nothing_else(model, fit, tmp_path):
    marked = build(fit=fit, policy="mixed_bfloat16")
    assert [layer.name for layer in marked.layers if layer.name.startswith("fit_")] == [f"fit_{fit}"]
    assert classifier.stages(marked) == classifier.stages(model)
    assert len(marked.weights) == len(model.weights)
    assert (
        keras_file.about(marked, tmp_path).fit == fit and keras_file.about(model, tmp_path).fit == "stretch"
    )
    full = keras_file.as_float32(marked)
    assert keras_file.about(full, tmp_path).fit == fit
    full.set_weights(model.get_weights())
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(full.predict_on_batch(photos), model.predict_on_batch(photos))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_calibrated_model_can_be_saved_and_begun_with_again(policy, tmp_path):
    source = build(policy=policy)
    found = classifier.calibrated(keras_file.as_float32(source), 0.7, 0.6312)
    assert (found.name, found.layers[-1].name) == (TEST, "probabilities")
    assert classifier.stages(found) == classifier.stages(source)
    found.save(tmp_path / "model.keras")
    assert keras_file.about(saved.load(tmp_path / "model.keras"), tmp_path) == About("stretch", 0.7, 0.6312)
    read = saved.read(tmp_path / "model.keras")
    assert read.classes == 3 and saved.fits(read, TEST, backbones.variant(TEST).geometries[0])


def test_dropout_and_image_size_reach_the_model():
    model = build(dropout=0.4, image_size=96)
    assert model.get_layer("head_dropout").rate == 0.4
    assert model.input_shape == (None, 96, 96, 3)


@pytest.mark.parametrize("first", ["none", "stage5", "stage3", "all"])
def test_exactly_the_stages_from_the_named_one_on_are_unfrozen(first):
    model = build()
    classifier.unfreeze(model, first)
    order = ["stem", "stage1", "stage2", "stage3", "stage4", "stage5", "head"]
    reached = {"none": [], "all": order}.get(first, order[order.index(first) :] if first in order else [])
    for name, members in classifier.groups(model):
        for layer in members:
            norm = isinstance(layer, keras.layers.BatchNormalization)
            expected = layer.name == "logits" or (name in reached and not norm)
            if layer.weights:
                assert bool(layer.trainable_weights) == expected, layer.name


def test_an_unknown_stage_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="no stage called 'stage7'. Its stages are stem, stage1, stage2, "):
        classifier.unfreeze(build(), "stage7")


def test_earlier_stages_learn_at_lower_rates():
    model = build()
    classifier.unfreeze(model, "all")
    shares = classifier.shares(model, 0.5)
    assert set(shares) == {weight.path for weight in model.trainable_weights}
    found = {
        name: {shares[weight.path] for layer in members for weight in layer.trainable_weights}
        for name, members in classifier.groups(model)
    }
    assert found == {
        "stem": {2**-5},
        "stage1": {2**-4},
        "stage2": {2**-3},
        "stage3": {2**-2},
        "stage4": {2**-1},
        "stage5": {1.0},
        "head": {1.0},
    }


@pytest.mark.parametrize(
    ("first", "expected"),
    [("all", None), ("stem", None), ("stage1", "stem"), ("stage4", "stage3"), ("none", "pool")],
)
def test_the_cut_is_the_last_frozen_mark(model, first, expected):
    assert classifier.cut(model, first) == expected


def test_a_part_shares_its_weights_and_computes_the_same(model):
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    lower, upper = classifier.part(model, None, "stage3"), classifier.part(model, "stage3", "probabilities")
    np.testing.assert_allclose(upper(lower(photos)), model(photos), atol=1e-6)
    assert {id(weight) for weight in upper.weights} <= {id(weight) for weight in model.weights}


def test_the_backbone_is_the_one_that_was_asked_for(model):
    trunk = backbones.build(TEST, weights=None, include_top=False, pooling="avg")
    assert [layer.name for layer in trunk.layers] == [layer.name for layer in model.layers][
        : len(trunk.layers)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("efficientnet_test", "stage4"),
        ("resnet_test", "stage4"),
        ("simple_resnet_test", "stage1"),
        ("lenet_test", "stage1"),  # stage2 is a pool: to begin there would train nothing of the trunk
    ],
)
def test_training_begins_at_stage_4_or_at_a_smaller_network_s_last_one(name, expected):
    built = classifier.build(name, "ab", weights=None)
    assert classifier.first_unfrozen(built, "auto") == expected
    assert classifier.first_unfrozen(built, "stem") == "stem"
    classifier.unfreeze(built, "auto")
    assert any(layer.trainable_weights for layer in dict(classifier.groups(built))[expected])
    if expected != "stage4":
        with pytest.raises(UsageError, match="has no stage called 'stage4'. Its stages are stem, stage1"):
            classifier.first_unfrozen(built, "stage4")


@pytest.mark.parametrize("name", ["lenet5", "simple_resnet_test", "efficientnet_test", "alexnet_test"])
def test_a_top_of_its_own_knows_the_classes_and_ends_as_other_heads_do(name):
    built = classifier.build(name, "abc", weights=None, head="top", fit="pad", dropout=0.3)
    assert [layer.name for layer in built.layers[-3:]] == ["fit_pad", "logits", "probabilities"]
    row = backbones.variant(name)
    answers = built.predict_on_batch(np.full((2, row.image_size, row.image_size, 3), 90, "uint8"))
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-6)
    assert (
        built.count_params()
        == backbones.build(
            name, weights=None, classes=3, input_shape=(row.image_size, row.image_size, row.channels)
        ).count_params()
    )
    assert 0.3 in {layer.rate for layer in built.layers if isinstance(layer, keras.layers.Dropout)}


def test_lenet_has_the_parameters_that_textbooks_give_and_sees_the_mean_of_the_colours(tmp_path):
    built = classifier.build("lenet5", "0123456789", weights=None, head="top", dropout=0.0)
    assert built.input_shape == (None, 28, 28, 3) and built.count_params() == 44_426
    grey = backbones.build("lenet5", weights=None)
    grey.set_weights(built.get_weights())
    photos = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3)).astype("float32")
    expected = grey.predict_on_batch(photos.mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(built.predict_on_batch(photos), expected, atol=1e-6)
    assert not [layer for layer in built.layers if isinstance(layer, keras.Model)]
    built.save(tmp_path / "model.keras")
    again = saved.load(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict_on_batch(photos), expected, atol=1e-6)
    assert classifier.part(again, "stem", "logits").output_shape == (None, 10)


def test_dropout_of_a_top_is_drawn_by_the_seed():
    states = [
        [
            np.asarray(variable)
            for variable in classifier.build(
                "simple_resnet_test", "ab", weights=None, head="top", dropout=0.5, seed=seed
            ).variables
            if "seed" in variable.path
        ]
        for seed in (1, 1, 2)
    ]
    assert len(states[0]) == 1
    assert np.array_equal(states[0], states[1]) and not np.array_equal(states[0], states[2])


def test_drop_path_leaves_branches_out_in_training_and_not_in_inference(tmp_path):
    """Of a network that is otherwise the same; also after it was saved and loaded."""
    photos = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("float32")
    plain, dropping, again = (
        classifier.build(
            "resnet_cifar_test", "ab", image_size=16, weights=None, dropout=0.0, drop_path=share, seed=1
        )
        for share in (0.0, 0.6, 0.6)
    )
    names = [layer.name for layer in dropping.layers if layer.name.endswith("_drop_path")]
    assert names == ["stage2_block1_drop_path", "stage3_block1_drop_path"]  # the more, the later
    assert [dropping.get_layer(name).rate for name in names] == [0.3, 0.6]
    expected = plain.predict_on_batch(photos)
    np.testing.assert_array_equal(dropping.predict_on_batch(photos), expected)
    for model in (plain, dropping, again):  # batch normalisation would differ in training as well
        classifier.unfreeze(model, "all")
    in_training = [np.asarray(model(photos, training=True)) for model in (plain, dropping, again)]
    np.testing.assert_allclose(in_training[0], expected, atol=1e-6)
    assert abs(in_training[1] - expected).max() > 1e-3
    np.testing.assert_array_equal(in_training[1], in_training[2])  # the seed says which
    assert abs(np.asarray(dropping(photos, training=True)) - in_training[1]).max() > 1e-3
    dropping.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(saved.load(tmp_path / "model.keras").predict_on_batch(photos), expected)
    keras_config.read(tmp_path / "model.keras")
    assert saved.fits(saved.read(tmp_path / "model.keras"), "resnet_cifar_test", "option_a")


def test_drop_path_of_a_network_without_residual_branches_is_refused():
    for name, reason in (("lenet_test", "it has no residual"), ("plain20_cifar", "a plain network has no")):
        with pytest.raises(UsageError, match=f"{name}: drop_path would do nothing: {reason}"):
            classifier.build(name, "ab", weights=None, drop_path=0.1)
    with pytest.raises(UsageError, match="lenet_test: drop_path would do nothing"):
        classifier.from_scratch("lenet_test", "ab", drop_path=0.1)
