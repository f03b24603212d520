"""Label errors: the same photos as cleanlab's, ranked, and none where there is nothing to doubt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlkit import suspects
from tlkit.figures import Table


def answers(seed, photos, classes, sharpness):
    """Random labels and probabilities that follow them more or less."""
    draw = np.random.default_rng(seed)
    true = np.concatenate([np.arange(classes), draw.integers(0, classes, photos - classes)])
    logits = draw.normal(size=(photos, classes)) * sharpness
    logits[np.arange(photos), true] += draw.uniform(0, 3)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return true, exponents / exponents.sum(axis=1, keepdims=True)


@settings(deadline=None)  # the first call imports pandas
@given(st.integers(0, 2**32 - 1), st.integers(12, 80), st.integers(2, 12), st.floats(0.1, 5))
def test_the_same_photos_as_cleanlab(seed, photos, classes, sharpness):
    cleanlab = pytest.importorskip("cleanlab.filter")
    true, probabilities = answers(seed, photos, classes, sharpness)
    theirs = cleanlab.find_label_issues(true, probabilities, filter_by="confident_learning", n_jobs=1)
    assert (suspects.doubted(true, probabilities) >= 0).tolist() == theirs.tolist()


@pytest.mark.parametrize("classes", [2, 5])
def test_swapped_labels_of_a_good_model_are_found(classes):
    true = np.arange(100) % classes
    probabilities = np.full((100, classes), 0.1 / (classes - 1))
    probabilities[np.arange(100), true] = 0.9
    given = true.copy()
    given[:5] = (given[:5] + 1) % classes
    found = suspects.doubted(given, probabilities)
    assert found[:5].tolist() == true[:5].tolist() and (found[5:] == -1).all()


def test_the_least_believed_label_comes_first_over_all_tables():
    rows = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
    first = Table.of(["a.jpg", "b.jpg", "c.jpg"], ["cat", "dog"], [0, 0, 1], rows)
    second = Table.of(
        ["d.jpg", "e.jpg", "f.jpg"], ["cat", "dog"], [0, 0, 1], [[0.9, 0.1], [0.05, 0.95], rows[2]]
    )
    assert [(row.path, row.label, row.suggested) for row in suspects.find([first, second])] == [
        ("e.jpg", "cat", "dog"),
        ("b.jpg", "cat", "dog"),
    ]
    assert suspects.find([first])[0].probability == pytest.approx(0.2)
    assert suspects.find([Table.of([], ["cat", "dog"], [], [])]) == ()


def test_a_class_without_photos_is_never_suggested():
    found = suspects.doubted(
        np.array([0, 0, 1]), np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    )
    assert found.tolist() == [-1, -1, -1]
