"""Heads on features: solved, trained, and asked about what they did not see."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tlkit import heads

CLASSES = 3


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, np.ndarray]:
    """(60, 3, 10) features of three classes, three views each, and their labels."""
    draw = np.random.default_rng(3)
    labels = np.arange(60) % CLASSES
    centres = draw.normal(0, 1.0, (CLASSES, 10))
    photos = centres[labels] + draw.normal(0, 1.0, (60, 10))
    return (photos[:, None] + draw.normal(0, 0.3, (60, 3, 10))).astype("float32"), labels


@pytest.mark.parametrize("classes", [2, 3])
def test_the_solved_head_is_a_logistic_regression(clouds, classes):
    views, labels = clouds
    views, labels = views[labels < classes], labels[labels < classes]
    kernel, bias = heads.solve(views, labels, classes, seed=0)
    assert kernel.shape == (10, classes) and bias.shape == (classes,) and kernel.dtype == np.float32
    rows, answers = views.reshape(-1, 10), labels.repeat(3)
    found = [
        LogisticRegression(C=strength / 3, max_iter=5000, tol=1e-8).fit(rows / views.std(), answers)
        for strength in heads.STRENGTHS
    ]
    ours = rows @ kernel + bias
    ours = np.exp(ours) / np.exp(ours).sum(1, keepdims=True)
    gaps = [np.abs(model.predict_proba(rows / views.std()) - ours).max() for model in found]
    assert min(gaps) < 0.01  # it is one of those that were tried, solved as scikit-learn solves it


def test_the_penalty_is_strong_where_features_say_nothing(clouds):
    views, labels = clouds
    noise = np.random.default_rng(0).normal(size=views.shape).astype("float32")
    kernel, _ = heads.solve(noise, labels, CLASSES, seed=0)
    clear, _ = heads.solve(views, labels, CLASSES, seed=0)
    assert np.abs(kernel).max() < 0.1 * np.abs(clear).max()


def test_a_class_of_one_photo_can_be_solved(clouds):
    views, labels = clouds
    chosen = [0, 1, 2, 4, 5, 7, 8]
    kernel, bias = heads.solve(views[chosen], labels[chosen], CLASSES, seed=0)
    assert (
        np.isfinite(kernel).all() and ((views[chosen, 0] @ kernel + bias).argmax(1) == labels[chosen]).all()
    )


@pytest.mark.parametrize("kept", [[0, 2], [1]])
def test_a_class_without_photos_is_never_the_answer(clouds, kept):
    views, labels = clouds
    chosen = np.isin(labels, kept)
    kernel, bias = heads.solve(views[chosen], labels[chosen], CLASSES, seed=0)
    assert kernel.shape == (10, CLASSES)
    answers = (views[:, 0] @ kernel + bias).argmax(1)
    assert set(answers.tolist()) == set(kept)
    assert (answers[chosen] == labels[chosen]).mean() > 0.8


def test_held_out_logits_are_those_of_heads_solved_without_the_fold(clouds):
    views, labels = clouds
    folds = np.arange(len(labels)) % 4
    counted = np.array([1.0, 2.0, 0.5])
    places, logits = heads.held_out(views, labels, CLASSES, folds, 0, counted)
    assert sorted(places.tolist()) == list(range(60)) and logits.dtype == np.float32
    scale = views.std()
    for strength in heads.STRENGTHS:  # one for all folds: chosen on all photos, as for the head that is kept
        gaps = []
        for fold in range(4):
            seen = folds != fold
            model = LogisticRegression(C=strength / 3, max_iter=5000, tol=1e-8)
            model.fit(
                views[seen].reshape(-1, 10) / scale, labels[seen].repeat(3), counted[labels[seen]].repeat(3)
            )
            rows = logits[np.isin(places, np.flatnonzero(~seen))]
            expected = views[~seen, 0] / scale @ model.coef_.T + model.intercept_
            gaps.append(np.abs((rows - rows.mean(1, keepdims=True)) - expected).max())
        if max(gaps) < 0.02:
            break
    else:
        raise AssertionError("no strength fits all folds")
    own = heads.solve(views, labels, CLASSES, 0, counted)[0]
    whole = LogisticRegression(C=strength / 3, max_iter=5000, tol=1e-8)
    whole.fit(views.reshape(-1, 10) / scale, labels.repeat(3), counted[labels].repeat(3))
    centred = own - own.mean(1, keepdims=True)
    np.testing.assert_allclose(centred, whole.coef_.T / scale, atol=0.01)


def test_no_more_folds_are_held_out_than_it_takes(clouds, monkeypatch):
    views, labels = clouds
    monkeypatch.setattr(heads, "ENOUGH", 25)
    places, logits = heads.held_out(views, labels, CLASSES, np.arange(len(labels)) % 5, 0)
    assert sorted(np.unique(places % 5)) == [0, 1, 2] and len(logits) == len(places) == 36


def test_a_class_that_the_other_folds_lack_is_never_said_of_held_out_photos(clouds):
    views, labels = clouds
    folds = np.where(labels == 2, 0, 1 + np.arange(len(labels)) % 2)
    places, logits = heads.held_out(views, labels, CLASSES, folds, 0)
    assert (logits[labels[places] == 2].argmax(1) != 2).all()


def test_no_photos_own_label_or_fold_is_learned_from_out_of_fold(clouds):
    views, labels = clouds
    folds = np.arange(len(labels)) % 5
    before = heads.out_of_fold(views, labels, CLASSES, folds, 0)
    assert before.shape == (len(labels), CLASSES) and before.sum(axis=1) == pytest.approx(1)
    changed = np.where(folds == 2, (labels + 1) % CLASSES, labels)
    after = heads.out_of_fold(views, changed, CLASSES, folds, 0)
    assert (after[folds == 2] == before[folds == 2]).all()
    assert not np.allclose(after[folds != 2], before[folds != 2])


def test_a_class_that_the_other_folds_lack_gets_nothing(clouds):
    views, labels = clouds
    folds = np.where(labels == 2, 0, 1 + np.arange(len(labels)) % 2)
    found = heads.out_of_fold(views, labels, CLASSES, folds, 0)
    assert (found[labels == 2, 2] == 0).all() and found.sum(axis=1) == pytest.approx(1)
    alone = heads.out_of_fold(views, labels, CLASSES, np.zeros(len(labels), int), 0)
    assert (alone == 0).all()


def test_a_few_of_many_are_taken_in_turn_from_each_class():
    labels = np.array([0] * 5000 + [1] * 300 + [2] * 3)
    places = heads._some(np.arange(1, 5303), labels, 3, 0)
    assert len(places) == len(set(places.tolist())) == heads.ENOUGH and 0 not in places
    assert np.bincount(labels[places]).tolist() == [1697, 300, 3]


def test_a_trained_head_separates_what_a_line_cannot():
    draw = np.random.default_rng(0)
    points = draw.normal(size=(200, 1, 8)).astype("float32")
    labels = (points[:, 0, 0] * points[:, 0, 1] > 0).astype(int)
    keras.utils.set_random_seed(0)
    head = keras.Sequential([keras.Input((8,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(2)])
    weights = heads.train(head, points.repeat(5, 1), labels, seed=0)
    head.set_weights(weights)
    assert (head.predict_on_batch(points[:, 0]).argmax(1) == labels).mean() > 0.9


def test_a_trained_head_is_asked_about_what_it_did_not_see(clouds, monkeypatch):
    monkeypatch.setattr(heads, "HEAD_EPOCHS", 3)
    views, labels = clouds
    folds = np.arange(len(labels)) % 2
    keras.utils.set_random_seed(0)
    head = keras.Sequential([keras.Input((10,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(CLASSES)])
    fresh = head.get_weights()
    places, logits = heads.trained_without(head, views, labels, folds, 0)
    assert sorted(places.tolist()) == list(range(60)) and logits.shape == (60, CLASSES)
    for fold in (1, 0):  # each from the fresh weights, whatever came before
        head.set_weights(fresh)
        heads.train(head, views[folds != fold], labels[folds != fold], 0)
        expected = head.predict_on_batch(views[folds == fold, 0])
        found = logits[np.isin(places, np.flatnonzero(folds == fold))]
        np.testing.assert_allclose(found, expected, atol=1e-5)
