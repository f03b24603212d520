"""Options in every family: each takes effect or is refused; wrong input is one clear line.

On each family's smallest row; what the frame does with them alike for all is in test_frame.py.
"""

import gc

import keras
import numpy as np
import pytest
from rows import TESTS, family, photos

from tlkit import backbones
from tlkit.backbones import build, variant
from tlkit.errors import UsageError

# A family's own options, and what is not their default.
OWN = {"auxiliary": True, "zero_init_residual": True, "alpha": 2.0}


@pytest.fixture(scope="module", params=TESTS)
def name(request):
    yield request.param
    gc.collect()  # a Keras model is in cycles


def small(name, **options):
    return build(name, weights=None, seed=0, **options)


def answer(model):
    found = model(photos(model.name, model.input_shape[1]))
    return np.concatenate(found) if isinstance(found, list) else found.numpy()


@pytest.fixture(scope="module")
def plain(name):
    """The row without any option: what others are held against."""
    return small(name)


@pytest.fixture(scope="module")
def trunk(name):
    return small(name, include_top=False)


@pytest.fixture(scope="module")
def plain_answer(plain):
    return answer(plain)


@pytest.fixture(scope="module")
def features(trunk):
    return answer(trunk)


def dropouts(model):
    """Shares of the layers that leave something out, the drop path's apart."""
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    paths = [layer.rate for layer in found if layer.name.endswith("_drop_path")]
    return [layer.rate for layer in found if not layer.name.endswith("_drop_path")], paths


def test_own_options_are_all_known():
    own = {option for name in TESTS for option in family(name).own}
    assert own == set(OWN)


def test_dropout_and_drop_path(name, plain, trunk):
    row, unused = variant(name), family(name).unused
    rates, paths = dropouts(plain)
    assert rates and set(rates) == {row.dropout} and paths == []
    assert not dropouts(trunk)[0]  # it is the top's
    given = {"dropout": 0.75, "classes": 3}
    if "drop_path" in unused:
        with pytest.raises(UsageError, match=f"drop_path would do nothing: {unused['drop_path']}"):
            small(name, drop_path=0.5)
    else:
        given["drop_path"] = 0.5
    model = small(name, **given)
    rates, paths = dropouts(model)
    assert set(rates) == {0.75} and model.output_shape == (None, 3)
    if "drop_path" not in unused:
        assert paths and paths == sorted(paths) and 0 < paths[0] and paths[-1] <= 0.5
    alike = np.repeat(photos(name, row.image_size), 16, axis=0)
    answers = model(alike, training=True).numpy()
    assert abs(answers - answers[:1]).max() > 1e-6  # each photo loses something else


def test_drop_path_leaves_out_branches_of_a_photo(name, features):
    if "drop_path" in family(name).unused:
        return  # refused: above
    dropped = small(name, include_top=False, drop_path=0.9)
    np.testing.assert_allclose(answer(dropped), features, rtol=1e-5, atol=1e-6)
    shapes = [layer.noise_shape for layer in dropped.layers if layer.name.endswith("_drop_path")]
    assert shapes and set(shapes) == {(None, 1, 1, 1)}


def test_pooling_reduces_the_last_map(name, features):
    for pooling, reduced in (("avg", features.mean((1, 2))), ("max", features.max((1, 2)))):
        np.testing.assert_allclose(
            answer(small(name, include_top=False, pooling=pooling)), reduced, rtol=1e-5, atol=1e-6
        )


def normalises(model):
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return {(norm.epsilon, norm.momentum) for norm in norms}


def test_every_geometry_is_another_network(name, plain, plain_answer):
    row, rules = variant(name), family(name)
    own = row.geometries[0]
    np.testing.assert_array_equal(answer(small(name, geometry=own)), plain_answer)
    for geometry in row.geometries:
        model = plain if geometry == own else small(name, geometry=geometry)
        if model is not plain and name == "densenet_test":
            # Epsilons of 1e-5 and 1.001e-5 tell no answers apart: momentum does, in training.
            assert normalises(model) != normalises(plain), geometry
        elif model is not plain:
            assert abs(answer(model) - plain_answer).max() > 1e-6, geometry
        expected = rules.geometries[geometry]
        assert normalises(model) <= {(expected.epsilon, expected.momentum)}
    for unknown in ({*rules.geometries, "caffe2"}) - set(row.geometries):
        with pytest.raises(UsageError, match=f"^{name} has no geometry called '{unknown}'. Use '{own}'"):
            small(name, geometry=unknown)


def test_own_options_take_effect(name, plain_answer):
    for option, rule in family(name).own.items():
        np.testing.assert_array_equal(answer(small(name, **{option: rule.default})), plain_answer)
        assert abs(answer(small(name, **{option: OWN[option]})) - plain_answer).max() > 1e-6, option
        with pytest.raises(UsageError, match=f"^{name}: {option}=<object .*> must be {rule.expected}"):
            small(name, **{option: object()})


def test_without_preprocessing_normalised_pixels_come_in(name, plain_answer):
    bare, pixels = small(name, include_preprocessing=False), photos(name, variant(name).image_size)
    assert not [layer for layer in bare.layers if isinstance(layer, keras.layers.Rescaling)]
    np.testing.assert_allclose(bare(pixels / 127.5 - 1).numpy(), plain_answer, rtol=1e-4, atol=1e-6)


def test_any_count_of_channels_comes_in(name):
    row = variant(name)
    other = 1 if row.channels == 3 else 3
    model = small(name, input_shape=(row.image_size, row.image_size, other))
    assert model(np.zeros((1, row.image_size, row.image_size, other), "uint8")).shape == (1, row.classes)


def test_wrong_input_is_one_clear_line(name):
    row = variant(name)
    small_side, channels, size = row.least - 1, row.channels, row.image_size
    wrong = [
        ({"input_shape": (channels, size, size)}, r"must be \(height, width, channels\), channels last."),
        ({"input_shape": (size, size)}, r"must be \(height, width, channels\), channels last."),
        ({"classes": 0}, "classes=0 must be a whole number from 1 on."),
        ({"dropout": 1.0}, "dropout=1.0 must be a share from 0 to below 1."),
        ({"pooling": "avg"}, "pooling would do nothing with the top."),
        ({"include_top": False, "classes": 5}, "classes would do nothing without the top."),
        ({"depth": 5}, "no option called 'depth'"),
        ({"weights": "nowhere.pth"}, "no published weights to load|no weights called 'nowhere.pth'"),
    ]
    if small_side:
        text = (
            f"is too small: nothing would be left for its last stage. Use {row.least} or more pixels a side."
        )
        wrong.append(({"input_shape": (small_side, size, channels)}, text))
        wrong.append(({"include_top": False, "input_shape": (None, small_side, channels)}, text))
    for options, text in wrong:
        with pytest.raises(UsageError, match=text) as caught:
            build(name, **{"weights": None, **options})
        assert str(caught.value).startswith(name) and "\n" not in str(caught.value)


def test_every_row_takes_every_common_option():
    """What is refused for a family, it says; nothing but drop_path is."""
    for name in backbones.INDEX:
        assert set(family(name).unused) <= {"drop_path"}
        assert all(reason for reason in family(name).unused.values())
