"""Classes of unequal size: weights in the loss, and draws."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit import balance, heads, training

COUNTS = st.lists(st.integers(0, 30), min_size=2, max_size=6).filter(lambda counts: sum(counts) > 0)


def labelled(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


@given(COUNTS)
def test_all_classes_count_alike_and_a_photo_one_on_average(counts):
    labels = labelled(counts)
    weights = balance.class_weights(labels, len(counts))
    assert (weights.shape, weights.dtype) == ((len(counts),), np.float32)
    totals = weights * counts
    there = np.array(counts) > 0
    np.testing.assert_allclose(totals[there], sum(counts) / there.sum(), rtol=1e-6)
    assert (weights[~there] == 0).all()
    assert balance.photo_weights(weights, labels).mean() == pytest.approx(1, rel=1e-6)
    shares = np.eye(len(counts), dtype="float32")[labels]
    np.testing.assert_allclose(
        balance.photo_weights(weights, shares), balance.photo_weights(weights, labels), rtol=1e-6
    )


def test_a_blended_label_counts_by_its_shares():
    weights = np.array([0.5, 3.0, 1.0], np.float32)
    assert balance.photo_weights(weights, np.array([[0.25, 0.75, 0.0]])) == pytest.approx(0.125 + 2.25)


@given(COUNTS, st.integers(1, 200), st.integers(0, 9), st.integers(0, 9))
def test_an_epoch_draws_each_class_equally_often_and_its_photos_in_turn(counts, count, seed, epoch):
    labels = labelled(counts)
    drawn = balance.order(labels, count, seed, epoch)
    assert len(drawn) == count
    np.testing.assert_array_equal(drawn, balance.order(labels, count, seed, epoch))
    by_class = np.bincount(labels[drawn], minlength=len(counts))[np.array(counts) > 0]
    assert np.ptp(by_class) <= 1
    for label in np.unique(labels):
        of_each = np.bincount(drawn, minlength=len(labels))[labels == label]
        assert np.ptp(of_each) <= 1


def test_seed_and_epoch_each_change_the_draws():
    labels = labelled([50, 5])
    first = balance.order(labels, 40, 0, 0)
    assert (first != balance.order(labels, 40, 1, 0)).any()
    assert (first != balance.order(labels, 40, 0, 1)).any()


def network(answers: int = 1) -> keras.Model:
    photo = keras.Input((3,))
    dense = [keras.layers.Dense(3, kernel_initializer="zeros", name=name) for name in "abc"[:answers]]
    return keras.Model(photo, [layer(photo) for layer in dense])


def step(model: keras.Model, pixels: np.ndarray, labels: np.ndarray, **options) -> tuple:
    """What one step of plain gradient descent at rate 1 takes off the kernel and the bias of each answer."""
    training.fit(
        model,
        lambda number: iter([(pixels, labels)]),
        steps=1,
        batch_size=len(labels),
        epochs=1,
        learning_rate=1.0,
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        **options,
    )
    return [(-layer.kernel.numpy(), -layer.bias.numpy()) for layer in model.layers[1:]]


def by_hand(pixels: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the weighted mean loss where all logits are 0: (p − y) · w / n, by photo."""
    errors = (1 / 3 - shares) * weights[:, None] / len(pixels)
    return pixels.T @ errors, errors.sum(0)


def test_the_gradient_of_a_rare_class_is_the_one_computed_by_hand():
    """Seven photos of one class, one of another; the second's own weight is 7 times the first's."""
    labels = labelled([7, 1])
    pixels = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    weights = balance.class_weights(labels, 3)
    assert weights.tolist() == pytest.approx([8 / 14, 4, 0])
    shares = np.eye(3)[labels]
    [(kernel, bias)] = step(network(), pixels, labels, class_weights=weights)
    for found, expected in zip((kernel, bias), by_hand(pixels, shares, weights[labels]), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert bias[1] == pytest.approx((7 * 8 / 14 / 3 - 2 / 3 * 4) / 8, rel=1e-5)
    [(_, plain)] = step(network(), pixels, labels)
    np.testing.assert_allclose(plain, by_hand(pixels, shares, np.ones(8))[1], atol=1e-6)
    assert plain[1] > 0 > bias[1]  # without weights the many push the rare class's bias down


def test_blended_labels_and_auxiliary_answers_are_weighted_too():
    shares = np.array([[1, 0, 0], [0.75, 0.25, 0], [0, 1, 0], [0.5, 0, 0.5]], np.float32)
    pixels = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    weights = np.array([0.5, 2, 1], np.float32)
    expected = by_hand(pixels, shares, shares @ weights)
    main, aside = step(network(2), pixels, shares, class_weights=weights, auxiliary=0.3)
    for found, right in zip(main, expected, strict=True):
        np.testing.assert_allclose(found, right, atol=1e-6)
    for found, right in zip(aside, expected, strict=True):
        np.testing.assert_allclose(found, 0.3 * right, atol=1e-6)


@pytest.fixture(scope="module")
def uneven() -> tuple[np.ndarray, np.ndarray]:
    """(photos, 1, 8) features of three classes that overlap, with 60, 60 and 6 photos."""
    return clouds([60, 60, 6], 0)


def clouds(counts: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = labelled(counts)
    centres = np.random.default_rng(5).normal(0, 0.7, (3, 8))
    points = centres[labels] + np.random.default_rng(seed).normal(size=(len(labels), 8))
    return points[:, None].astype("float32"), labels


def recall(head: tuple[np.ndarray, np.ndarray], label: int) -> float:
    points, labels = clouds([300, 300, 300], 1)
    answers = (points[:, 0] @ head[0] + head[1]).argmax(1)
    return float((answers == label)[labels == label].mean())


def test_a_solved_head_recalls_the_rare_class_and_counts_photos_as_copies_of_them(uneven):
    points, labels = uneven
    weights = balance.class_weights(labels, 3)
    plain, balanced = (heads.solve(points, labels, 3, 0, given) for given in (None, weights))
    assert recall(balanced, 2) > recall(plain, 2) + 0.2
    # Ten copies of each rare photo are the same evidence, but for the scale of all features.
    copied = np.repeat(np.arange(len(labels)), np.where(labels == 2, 10, 1))
    ratio = points[copied].std() / points.std()
    mean = len(copied) / len(labels)
    kernel, bias = heads._regress(points[copied] / points[copied].std(), labels[copied], 3, 1 / mean)
    same, offset = heads._regress(points / points[copied].std(), labels, 3, 1.0, weights[labels])
    np.testing.assert_allclose(same, kernel, atol=1e-3 * ratio)
    np.testing.assert_allclose(offset, bias, atol=2e-3)


def test_the_penalty_of_a_balanced_head_is_chosen_by_balanced_losses(uneven, monkeypatch):
    """With all weight on the class of six photos, the penalty is another one."""
    monkeypatch.setattr(heads, "STRENGTHS", heads.STRENGTHS[::4])  # each takes its time
    points, labels = uneven
    plain = heads._choose(points, labels, 3, 5, 0, None)
    rare = heads._choose(points, labels, 3, 5, 0, np.where(labels == 2, 1.0, 1e-6))
    assert plain != rare
    weights = np.array([1e-6, 1e-6, 1.0], np.float32)
    scale = points.std()
    found = heads.solve(points, labels, 3, 0, weights)[0]
    by_strength = [
        heads._regress(points / scale, labels, 3, strength, weights[labels])[0] / scale
        for strength in (rare, plain)
    ]
    np.testing.assert_allclose(found, by_strength[0], rtol=1e-4, atol=1e-6)
    assert not np.allclose(found, by_strength[1], rtol=1e-2)


def test_a_trained_head_recalls_the_rare_class(uneven):
    points, labels = uneven
    heads_found = []
    for weights in (None, balance.class_weights(labels, 3)):
        keras.utils.set_random_seed(0)
        head = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
        heads_found.append(heads.train(head, points.repeat(4, 1), labels, 0, weights))
    assert recall(heads_found[1], 2) > recall(heads_found[0], 2) + 0.1
