"""What is particular to GoogLeNet: its blocks, its auxiliary classifiers; test_published.py compares."""

import keras
import numpy as np
import pytest
import seeded
import tensorflow as tf
from make_golden import picture, sample
from rows import counts

from tlkit.backbones import anatomy, build, conversion, googlenet, pyramid
from tlkit.errors import UsageError, WeightsError

HEADS = ["top_logits", "top_auxiliary1_logits", "top_auxiliary2_logits"]


@pytest.mark.parametrize("name", ["googlenet", "googlenet_2014"])
def test_blocks_are_those_of_table_1(name, network):
    model = network(name)
    found = [
        layer.output.shape[1:]
        for layer in model.layers
        if isinstance(layer, keras.layers.Concatenate) and layer.name.endswith("_concat")
    ]
    sides, channels = (28,) * 2 + (14,) * 5 + (7,) * 2, (256, 480, 512, 512, 512, 528, 832, 832, 1024)
    assert found == [(side, side, width) for side, width in zip(sides, channels, strict=True)]
    assert anatomy.depth(model) == 22  # "22 layers deep when counting only layers with parameters", section 5


def test_the_papers_network_and_torchvisions_differ_as_said(network):
    old, new = network("googlenet_2014"), network("googlenet")
    for model, side, last_pool, biased in ((old, 5, 3, True), (new, 3, 2, False)):
        kernels = [
            layer.kernel_size
            for layer in model.layers
            if layer.name.endswith("_5x5") and isinstance(layer, keras.layers.Conv2D)
        ]
        assert kernels == [(side, side)] * 9
        assert model.get_layer("stage4_pool").pool_size == (last_pool, last_pool)
        assert model.get_layer("stem_conv").use_bias == biased
        norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert len(norms) == (0 if biased else 57)
        assert bool(anatomy.between(model)) == biased  # response normalisation is no layer


def test_responses_are_normalised_around_stage_1_with_caffes_constants():
    """LRN layers of bvlc_googlenet: local_size 5, alpha 1e-4 divided by it, beta 0.75, k = 1."""
    model = build("googlenet_2014_test", weights=None, seed=0, include_preprocessing=False)
    tensors = [
        model.get_layer("stage1_pool").output,
        model.get_layer("stage1_3x3_reduce").input,
        model.get_layer("stage1_3x3_relu").output,
        model.get_layer("stage1").input,
    ]
    photo = 1000 * np.random.default_rng(0).standard_normal((1, 80, 80, 3))
    pooled, first, convolved, second = (value.numpy() for value in keras.Model(model.input, tensors)(photo))
    for before, after in ((pooled, first), (convolved, second)):
        squares = np.pad(before.astype("float64") ** 2, ((0, 0), (0, 0), (0, 0), (2, 2)))
        total = sum(squares[..., shift : shift + before.shape[-1]] for shift in range(5))
        assert 2e-5 * total.max() > 0.1  # large enough to tell one constant from another
        np.testing.assert_allclose(after, before / (1 + 2e-5 * total) ** 0.75, rtol=1e-5)


def test_a_signal_that_nothing_normalises_keeps_its_size_at_the_start(network):
    """Drawn over outgoing connections, kernels made it a hundred times as large on the way."""
    model = network("googlenet_2014")
    maps = keras.Model(model.input, [tap.tensor for tap in pyramid(model)])
    spreads = [float(value.numpy().std()) for value in maps(picture(224)[None])]
    assert 0.1 < min(spreads) and max(spreads) < 10


@pytest.mark.parametrize(
    ("name", "trainable", "total"),
    [("googlenet", 13_004_888, 13_019_960), ("googlenet_2014", 13_378_280, 13_378_280)],
)
def test_auxiliary_classifiers_are_counted(name, trainable, total):
    model = build(name, weights=None, auxiliary=True)
    assert counts(model.layers) == (trainable, total)
    shapes = [model.get_layer(f"top_auxiliary{number}_conv").input.shape[1:] for number in (1, 2)]
    assert shapes == [(4, 4, 512), (4, 4, 528)]  # averages of 4a and of 4d
    assert model.get_layer("top_auxiliary1_hidden").input.shape[1:] == (2048,)
    rates = {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
    row = googlenet.VARIANTS[name]
    assert rates == {
        "top_dropout": row.dropout,
        "top_auxiliary1_dropout": 0.7,
        "top_auxiliary2_dropout": 0.7,
    }


TESTS = ["googlenet_test", "googlenet_2014_test"]


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("activation", ["softmax", None])
def test_the_main_part_is_the_same_with_and_without_auxiliary_classifiers(name, activation):
    given = {"weights": None, "seed": 3, "classes": 5, "classifier_activation": activation}
    plain, three = build(name, **given), build(name, **given, auxiliary=True)
    names = [layer.name for layer in three.layers]
    assert [layer.name for layer in plain.layers] == [
        one for one in names if not one.startswith("top_auxiliary")
    ]
    ends = [one.replace("logits", "probabilities") for one in HEADS] if activation else HEADS
    assert three.output_names == ends
    assert [output.shape for output in three.outputs] == [(None, 5)] * 3
    photo = picture(plain.input_shape[1])[None]
    answers = [value.numpy() for value in three(photo)]
    np.testing.assert_allclose(answers[0], plain(photo), rtol=1e-5, atol=1e-6)
    assert abs(answers[1] - answers[2]).max() > 1e-4
    if activation:
        np.testing.assert_allclose([answer.sum() for answer in answers], 1, rtol=1e-5)
    assert anatomy.last_map(three).name == anatomy.last_map(plain).name == "stage4"
    assert [tap[:3] for tap in pyramid(three)] == [tap[:3] for tap in pyramid(plain)]


def test_they_see_the_first_block_of_stage_3_and_the_last_but_one(network):
    model = build("googlenet_2014", weights=None, auxiliary=True)
    before = [model.get_layer(f"top_auxiliary{number}_pool").input for number in (1, 2)]
    blocks = [model.get_layer(f"stage3_block{number}_concat").output for number in (1, 4)]
    assert [id(tensor) for tensor in before] == [id(tensor) for tensor in blocks]


@pytest.mark.parametrize("places", [1, 2, 3, 4, 5, 6, 7, 9, 14, 16])
def test_an_adaptive_average_cuts_as_torch_does(places):
    values = np.random.default_rng(places).standard_normal((1, places, places + 3, 2)).astype("float32")
    photo = keras.Input(values.shape[1:])
    found = keras.Model(photo, googlenet.adaptive_pool(photo, "pool"))(values).numpy()
    cuts = [
        [slice(number * size // 4, -((number + 1) * size // -4)) for number in range(4)]
        for size in values.shape[1:3]
    ]
    expected = [[values[:, down, across].mean((1, 2)) for across in cuts[1]] for down in cuts[0]]
    np.testing.assert_allclose(found, np.moveaxis(expected, 2, 0), rtol=1e-5, atol=1e-6)


def test_the_cuts_are_torchs_where_they_are_uneven():
    """adaptive_avg_pool2d(torch.arange(14), 4), by hand: places 0–3, 3–6, 7–10 and 10–13."""
    values = np.broadcast_to(np.arange(14, dtype="float32")[None, :, None, None], (1, 14, 14, 1))
    photo = keras.Input((14, 14, 1))
    found = keras.Model(photo, googlenet.adaptive_pool(photo, "pool"))(values).numpy()
    np.testing.assert_allclose(found[0, :, 0, 0], [1.5, 4.5, 8.5, 11.5])


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        (
            "googlenet",
            {"include_top": False},
            "auxiliary would do nothing without the top. Leave it out, or use",
        ),
        (
            "googlenet",
            {"input_shape": (None, 224, 3)},
            "auxiliary=True needs a fixed size: its classifiers weigh each place of a map. "
            "Give input_shape a height and a width, or leave auxiliary out.",
        ),
        ("googlenet_2014", {"input_shape": (None, None, 3)}, "auxiliary=True needs a fixed size"),
        (
            "googlenet_2014",
            {"input_shape": (224, 78, 3)},
            "224×78 pixels are too few for auxiliary=True: its classifiers average 5×5 places of a "
            "sixteenth of the size. Use 79 or more pixels a side, or leave auxiliary out.",
        ),
        ("googlenet", {"auxiliary": 1}, "auxiliary=1 must be True or False."),
        ("googlenet_2014", {"auxiliary": None}, "auxiliary=None must be True or False."),
    ],
)
def test_what_auxiliary_classifiers_cannot_stand_on_is_refused(name, options, text):
    with pytest.raises(UsageError) as caught:
        build(name, **{"weights": None, "auxiliary": True, **options})
    assert str(caught.value).startswith(f"{name}: {text}")


def test_without_the_top_auxiliary_may_be_said_to_be_off():
    assert build("googlenet_test", include_top=False, auxiliary=False).output_shape == (None, 2, 2, 64)


@pytest.mark.parametrize(("name", "least"), [("googlenet_test", 15), ("googlenet_2014_test", 79)])
def test_the_least_size_for_auxiliary_classifiers(name, least):
    model = build(name, weights=None, auxiliary=True, input_shape=(least, least, 3))
    assert all(np.isfinite(answer).all() for answer in model(picture(least)[None]))


@pytest.mark.parametrize("name", TESTS)
def test_one_pixel_less_would_leave_no_place(name):
    row = googlenet.VARIANTS[name]
    photo, options = keras.Input((row.least - 1, row.least - 1, 3)), {"auxiliary": False, "name": name}
    with pytest.raises(ValueError, match="zero or negative"):
        googlenet.body(photo, row, googlenet.GEOMETRIES[row.geometries[0]], options)


def test_a_whole_published_file_fits_with_and_without_auxiliary_classifiers(golden):
    """torchvision's .pth has their tensors."""
    theirs = golden("googlenet_auxiliary")
    shapes = [tuple(map(int, filter(None, text.split(",")))) for text in theirs["shapes"].tolist()]
    tensors = {
        name: seeded.tensor(name, shape) for name, shape in zip(theirs["names"].tolist(), shapes, strict=True)
    }
    assert any(name.startswith("aux1.") for name in tensors)
    row, geometry = googlenet.VARIANTS["googlenet"], googlenet.GEOMETRIES["torch"]
    names = googlenet.torchvision_names(row, geometry)
    plain = build("googlenet", weights=None, classifier_activation=None, input_shape=(93, 93, 3))
    conversion.give(plain, tensors, names, "torchvision")
    expected = theirs["93/top_logits"]
    assert abs(sample(plain(picture(93)[None]).numpy()) - expected).max() <= 1e-4 * abs(expected).max()
    trunk = build("googlenet", weights=None, include_top=False)
    conversion.give(trunk, tensors, names, "torchvision", top=False)

    # Not the other way round: who asks for auxiliary classifiers gets all of them filled, or an error.
    three = build("googlenet_test", weights=None, auxiliary=True)
    names = googlenet.torchvision_names(googlenet.VARIANTS["googlenet_test"], geometry)
    with pytest.raises(WeightsError, match="no tensor 'aux1.conv.conv.weight'"):
        conversion.give(three, without_heads(names), names, "torchvision")


def without_heads(names):
    """What a torchvision model built without auxiliary heads would hold."""
    plain = build("googlenet_test", weights=None)
    found = {}
    for layer in plain.layers:
        kind = next((kind for kind in weights_of if isinstance(layer, kind)), None)
        if kind:
            for attribute, suffix, axes in weights_of[kind]:
                variable = getattr(layer, attribute)
                if variable is not None:
                    value = variable.numpy().transpose(axes)
                    found[f"{names[layer.name]}.{suffix}"] = np.ascontiguousarray(value)
    return found


weights_of = {
    keras.layers.Conv2D: [("kernel", "weight", (3, 2, 0, 1))],
    keras.layers.Dense: [("kernel", "weight", (1, 0)), ("bias", "bias", (0,))],
    keras.layers.BatchNormalization: [
        ("gamma", "weight", (0,)),
        ("beta", "bias", (0,)),
        ("moving_mean", "running_mean", (0,)),
        ("moving_variance", "running_var", (0,)),
    ],
}


def test_a_training_step_weighs_the_auxiliary_losses_by_three_tenths():
    assert googlenet.AUXILIARY_WEIGHT == 0.3
    size, classes = 80, 4
    model = build("googlenet_2014_test", weights=None, seed=0, classes=classes, dropout=0.0, auxiliary=True)
    for number in (1, 2):
        model.get_layer(f"top_auxiliary{number}_dropout").rate = 0.0  # nothing left to chance
    photos, labels = np.stack([picture(size, number) for number in range(classes)]), np.arange(classes)
    weights = model.trainable_weights
    with tf.GradientTape(persistent=True) as tape:
        answers = model(photos, training=True)
        losses = [
            tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, answer)) for answer in answers
        ]
    values = [weight.value for weight in weights]
    main, first, second = (tape.gradient(loss, values, unconnected_gradients="zero") for loss in losses)
    before = [weight.numpy() for weight in weights]

    shares = [1.0, googlenet.AUXILIARY_WEIGHT, googlenet.AUXILIARY_WEIGHT]
    step = keras.optimizers.SGD(0.5)
    # Without XLA, which would compile for longer than it trains.
    names = ["sparse_categorical_crossentropy"] * 3
    model.compile(step, loss=names, loss_weights=shares, jit_compile=False)
    told = model.train_on_batch(photos, [labels] * 3, return_dict=True)
    assert told["loss"] == pytest.approx(np.dot(shares, losses), rel=1e-5)

    reached = {"main": set(), "first": set(), "second": set()}
    for weight, old, *gradients in zip(weights, before, main, first, second, strict=True):
        moved = (old - weight.numpy()) / 0.5
        expected = sum(share * gradient.numpy() for share, gradient in zip(shares, gradients, strict=True))
        np.testing.assert_allclose(moved, expected, rtol=1e-3, atol=2e-6 * max(1, abs(old).max()))
        for who, gradient in zip(reached, gradients, strict=True):
            if np.any(gradient):
                reached[who].add(weight.path)
    kernels = {weight.path for weight in weights if weight.path.endswith("kernel")}
    early = {path for path in kernels if path.startswith(("stem", "stage1", "stage2", "stage3_block1"))}
    heads = {path for path in kernels if path.startswith("top_auxiliary")}
    assert len(early) == 15 and len(heads) == 6
    assert reached["main"] & kernels == kernels - heads
    one, two = ({path for path in heads if path.startswith(f"top_auxiliary{n}")} for n in (1, 2))
    assert reached["first"] & kernels == early | one
    block2 = {path for path in kernels if path.startswith("stage3_block2")}
    assert reached["second"] & kernels == early | block2 | two


def test_three_answers_are_saved_and_cut_to_one(tmp_path):
    """As the docstring shows it."""
    model = build("googlenet_test", weights=None, seed=0, classes=3, auxiliary=True)
    photos = np.stack([picture(64, number) for number in range(6)])
    model.save(tmp_path / "three.keras")
    loaded = keras.saving.load_model(tmp_path / "three.keras")
    for one, other in zip(loaded(photos), model(photos), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    trained = keras.Model(loaded.input, loaded.outputs[0])
    assert counts(trained.layers) == counts(build("googlenet_test", weights=None, classes=3).layers)
    np.testing.assert_allclose(trained(photos), model(photos)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TESTS)
def test_in_half_precision_all_answers_are_float32(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build(name, weights=None, auxiliary=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert [model.get_layer(head).compute_dtype for head in HEADS] == ["float32"] * 3
    assert [output.dtype for output in model.outputs] == ["float32"] * 3
    assert model.get_layer("top_auxiliary1_conv").compute_dtype == "float16"
