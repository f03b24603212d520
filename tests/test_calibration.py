"""Temperature, calibration error and the threshold of "none of these", on made-up logits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from tlkit import calibration, figures


def drawn(photos: int, classes: int, seed: int, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn by exactly the probabilities that they stand for."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, spread, (photos, classes))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (draw.random((photos, 1)) > cumulated).sum(axis=1).clip(0, classes - 1)


@pytest.mark.parametrize("asked", [0.3, 0.8, 1.0, 1.7, 6.0])
def test_the_temperature_that_logits_were_spoilt_with_is_found(asked):
    logits, labels = drawn(4000, 5, seed=0)
    assert calibration.temperature(logits * asked, labels) == pytest.approx(asked, rel=0.05)


@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 10**6), st.floats(0.1, 30))
def test_no_other_temperature_is_likelier(photos, classes, seed, spread):
    draw = np.random.default_rng(seed)
    logits, labels = draw.normal(0, spread, (photos, classes)), draw.integers(0, classes, photos)

    def loss(temperature: float) -> float:
        rows = log_softmax(logits / temperature, axis=1)
        cold = 1 / temperature
        return -rows[np.arange(photos), labels].sum() + calibration.DOUBT * (cold - 1 - math.log(cold))

    found = calibration.temperature(logits, labels)
    assert calibration.COLDEST <= found <= calibration.HOTTEST
    for factor in (0.5, 0.97, 1.03, 2.0):
        other = min(max(found * factor, calibration.COLDEST), calibration.HOTTEST)
        assert loss(found) <= loss(other) + 1e-9 * photos * spread


@given(st.integers(1, 40), st.integers(0, 10**6), st.floats(0.01, 50))
def test_few_photos_that_are_all_right_do_not_make_a_model_certain(photos, seed, lead):
    logits = np.zeros((photos, 3))
    logits[:, 0] = lead
    found = calibration.temperature(logits, np.zeros(photos, int))
    assert calibration.COLDEST < found <= 1 + 1e-9
    if photos <= 20 and lead <= 3:
        assert calibration.calibrated(logits, found).max() < 1 - 1 / (10 * (photos + 2))


def test_no_photos_change_nothing():
    assert calibration.temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1
    assert math.isnan(calibration.calibration_error(np.zeros((0, 3)), np.zeros(0, int)))
    assert math.isnan(calibration.by_chance(np.zeros((0, 3))))


@given(st.integers(2, 50), st.floats(0.1, 10), st.integers(0, 10**6))
def test_a_temperature_changes_no_answer_and_can_be_taken_back(photos, temperature, seed):
    logits = np.random.default_rng(seed).normal(0, 2, (photos, 4))
    found = calibration.calibrated(logits, temperature)
    assert (found.argmax(1) == logits.argmax(1)).all()
    np.testing.assert_allclose(calibration.uncalibrated(found, temperature), softmax(logits, 1), atol=1e-6)


def test_a_class_that_got_nothing_at_all_can_be_taken_back():
    found = np.array([[1.0, 0.0, 0.0]], "float32")
    np.testing.assert_array_equal(calibration.uncalibrated(found, 2.0), [[1, 0, 0]])


def test_the_error_by_hand():
    """Twenty photos in two bins: ten at 0.6 of which 3 are right, ten at 0.9 of which 9 are."""
    probabilities = np.array([[0.6, 0.4]] * 10 + [[0.9, 0.1]] * 10)
    labels = np.array([0] * 3 + [1] * 7 + [0] * 9 + [1])
    assert calibration.calibration_error(probabilities, labels) == pytest.approx((0.3 + 0.0) / 2)


def test_few_photos_share_one_bin():
    probabilities = np.array([[0.6, 0.4]] * 2 + [[0.9, 0.1]] * 3)
    assert calibration.calibration_error(probabilities, np.array([0, 1, 0, 0, 0])) == pytest.approx(
        4 / 5 - (2 * 0.6 + 3 * 0.9) / 5
    )


@given(st.integers(1, 300), st.integers(2, 5), st.integers(0, 10**6), st.booleans())
def test_the_error_is_a_share_and_knows_no_order(photos, classes, seed, coarse):
    logits, labels = drawn(photos, classes, seed)
    probabilities = softmax(logits.round() if coarse else logits, axis=1)
    error = calibration.calibration_error(probabilities, labels)
    assert 0 <= error <= 1
    order = np.random.default_rng(seed).permutation(photos)
    assert calibration.calibration_error(probabilities[order], labels[order]) == pytest.approx(error)


@pytest.mark.parametrize("photos", [30, 150, 1000])
def test_exact_probabilities_show_the_error_of_chance(photos):
    errors, expected = [], []
    for seed in range(60):
        logits, labels = drawn(photos, 3, seed)
        errors.append(calibration.calibration_error(softmax(logits, axis=1), labels))
        expected.append(calibration.by_chance(softmax(logits, axis=1)))
    assert np.mean(errors) == pytest.approx(np.mean(expected), rel=0.1)
    assert np.mean(errors) > 0.01  # which a report must not take for a fault of the model


def test_overconfidence_is_an_error_and_the_temperature_takes_it_away():
    logits, labels = drawn(2000, 4, seed=3)
    before = calibration.calibration_error(softmax(3 * logits, axis=1), labels)
    found = calibration.temperature(3 * logits, labels)
    after = calibration.calibration_error(calibration.calibrated(3 * logits, found), labels)
    assert before > 0.15 and after < 0.03


@given(st.integers(1, 400), st.floats(0.005, 0.5), st.integers(0, 10**6))
def test_a_threshold_refuses_no_more_than_asked(photos, reject, seed):
    probabilities = softmax(np.random.default_rng(seed).normal(0, 2, (photos, 3)), axis=1)
    found = calibration.threshold(probabilities, reject)
    assert calibration.rejected(probabilities, found).mean() <= reject
    assert f"{found:.4f}" == f"{found:.10f}"[:6]  # as a layer's name has it, nothing is lost
    assert 0 < found <= calibration.HIGHEST


@pytest.mark.parametrize("photos", [24, 19, 200])
def test_new_photos_are_refused_at_the_promised_rate(photos):
    shares = []
    for seed in range(400):
        logits, _ = drawn(photos + 200, 3, seed, spread=1.0)
        probabilities = softmax(logits, axis=1)
        found = calibration.threshold(probabilities[:photos], 0.05)
        shares.append(calibration.rejected(probabilities[photos:], found).mean())
    assert np.mean(shares) == pytest.approx(calibration.promised(photos, 0.05), rel=0.15)
    assert np.mean(shares) <= 0.05 + 0.005


def test_what_few_photos_promise_is_said():
    logits, labels = drawn(9, 3, seed=0)
    fitted = calibration.fit(logits, labels, 0.05)
    assert fitted.notes == (
        "9 photos held back promise no threshold that costs 5%: this one may cost 10% of the known photos.",
    )
    sure = calibration.calibrated(logits, fitted.temperature).max(axis=1)
    assert sure.min() - 1e-4 <= fitted.threshold <= sure.min()
    assert calibration.fit(*drawn(19, 3, seed=0), 0.05).notes == ()
    (note,) = calibration.fit(np.zeros((0, 3)), np.zeros(0, int), 0.05).notes
    assert note.startswith("Too few photos to hold some back")


def test_reject_nothing_sets_no_threshold():
    fitted = calibration.fit(*drawn(100, 3, seed=0), reject=0.0)
    assert fitted.threshold is None and fitted.temperature != 1 and fitted.photos == 100
    assert not calibration.rejected(np.full((4, 2), 0.5), None).any()


def test_the_surest_model_leaves_int8_something_to_answer():
    """Its files know no probability between 255/256 and 1."""
    logits = np.tile([50.0, 0.0], (500, 1))
    assert calibration.fit(logits, np.zeros(500, int), 0.05).threshold == calibration.HIGHEST < 255 / 256


def test_the_figures_of_a_report():
    logits, labels = drawn(400, 3, seed=1)
    probabilities = calibration.calibrated(logits * 3, 3.0)
    found = calibration.measured(probabilities, labels, 3.0, 0.5)
    assert found["calibration_error_before"] > 0.1 > found["calibration_error"]
    assert found["calibration_error_by_chance"] == calibration.by_chance(probabilities)
    refused = found["refused"]
    assert refused.count == (probabilities.max(axis=1) < 0.5).sum() > 0
    assert refused.share == refused.count / 400
    assert refused.interval == figures.wilson(refused.count, 400)
    assert calibration.measured(probabilities, labels, 3.0, None)["refused"] is None


def test_answers_that_are_not_finite_leave_probabilities_as_they_are():
    logits = np.array([[1.0, 0.0], [np.inf, 0.0], [np.nan, 1.0]])
    found = calibration.fit(logits, np.array([0, 0, 1]), 0.05)
    assert (found.temperature, found.threshold) == (1.0, None) and "not all finite" in found.notes[0]


def test_a_threshold_may_cost_all_but_all():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert calibration.threshold(probabilities, 0.9999999999) == 0.9
