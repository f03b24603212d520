"""The neocognitron: Fukushima's two kinds of cells, held to his formulas in NumPy."""

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import build
from tlkit.errors import UsageError

PHOTO = picture(28)[None, :, :, :1]


def values(model, pixels, *names):
    return [x.numpy() for x in keras.Model(model.input, [model.get_layer(n).output for n in names])(pixels)]


def inhibition(u):
    """The root mean square of all planes over 5×5 places, at the border over those that there are."""
    power = np.square(u.astype("float64")).mean(axis=-1)
    found = np.empty(power.shape)
    for y, x in np.ndindex(*power.shape[1:]):
        found[:, y, x] = power[:, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].mean(axis=(1, 2))
    return np.sqrt(found + 1e-4)[..., None]


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [("s1", "normalise", "stem"), ("s2", "c1_softsign", "stage1"), ("s3", "c2_softsign", "stage2")],
)
def test_s_cells_answer_by_fukushimas_formula(layer, before, after):
    u, e, answer = values(build("neocognitron", weights=None, seed=0), PHOTO, before, layer, after)
    v = inhibition(u)
    np.testing.assert_allclose(answer, np.maximum((1 + e) / (1 + v) - 1, 0), atol=2e-6)
    alive = (answer > 0).mean()
    assert 0.05 < alive < 0.6  # fresh weights leave some cells that answer, and some that do not


def test_c_cells_blur_and_never_reach_one():
    s, c = values(build("neocognitron", weights=None, seed=0), PHOTO, "stem", "c1_softsign")
    pooled = s.reshape(1, 14, 2, 14, 2, 24).mean(axis=(2, 4))
    np.testing.assert_allclose(c, pooled / (1 + pooled), atol=1e-6)
    assert c.min() >= 0 and c.max() < 1


def test_a_pattern_is_the_same_wherever_it_lies():
    """Unaffected by shift in position: by whole steps of the last layer, and away from the border."""
    model = build("neocognitron", weights=None, seed=0, include_top=False, input_shape=(112, 112, 1))
    photos = np.zeros((3, 112, 112, 1), "uint8")
    for photo, (y, x) in zip(photos, [(40, 40), (48, 56)], strict=False):  # a cross; a step down, two right
        photo[y + 8 : y + 12, x : x + 20] = photo[y : y + 20, x + 8 : x + 12] = 255
    first, moved, empty = model(photos).numpy()
    np.testing.assert_allclose(moved - empty, np.roll(first - empty, (1, 2), axis=(0, 1)), atol=1e-6)
    assert abs(first - empty).max() > 0.01
    answers = build("neocognitron", weights=None, seed=0, input_shape=(112, 112, 1))(photos).numpy()
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)
    assert abs(answers[0] / answers[2] - 1).max() > 1e-4


def test_grey_without_a_pattern_has_a_gradient():
    """The root of the inhibition has an infinite slope at 0, where all pixels are in the middle."""
    model = build("neocognitron", weights=None, seed=0, include_preprocessing=False)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(np.zeros((2, 28, 28, 1), "float32"), np.array([0, 1]))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_layers_are_called_as_fukushima_did():
    model = build("neocognitron", weights=None)
    shapes = {name: model.get_layer(name).output.shape[1:] for name in ("s1", "c1", "s2", "c2", "s3", "c3")}
    assert [shape[0] for shape in shapes.values()] == [28, 14, 14, 7, 7, 3]
    assert {shape[2] for shape in shapes.values()} == {24}
    assert model.count_params() == 624 + 2 * 14_424 + 250


def test_it_has_no_branches_and_needs_eight_pixels():
    with pytest.raises(UsageError, match="drop_path would do nothing: it has no residual branches"):
        build("neocognitron", weights=None, drop_path=0.1)
    with pytest.raises(
        UsageError, match="too small: nothing would be left for its last stage. Use 8 or more"
    ):
        build("neocognitron", weights=None, input_shape=(7, 8, 1))
    assert build("neocognitron", weights=None, input_shape=(8, 8, 3)).get_layer("c3").output.shape[1] == 1
