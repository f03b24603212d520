"""Probabilities that mean what they say, and the price of an answer "none of these".

A network's softmax says how it ranks the classes; how often it is right it says badly (Guo et al., "On
calibration of modern neural networks", arXiv:1706.04599). One number, the temperature that logits are
divided by, mends most of that and changes no answer.

A threshold on the largest probability then tells photos of known classes from others, weakly: a network
can be sure of what it never saw. What it costs, in known photos that are refused, can be promised; how
many unknown ones it stops can only be measured on some.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tlkit.report.calibrated import Refused

COLDEST, HOTTEST = 0.05, 20.0
DOUBT = 2.0  # how strongly the temperature is held at 1, in photos
BINS, FULL = 10, 10  # at most so many bins; photos in one, at the least
DRAWS = 200  # of made-up truths, for the error that chance alone makes
# int8 files tell probabilities in 256 steps of which the last is 0.9961: a threshold above would refuse all.
HIGHEST = 0.995
DIGITS = 4  # of a temperature and of a threshold, as its layer's name and every file have it


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature under which held-out photos' labels are likeliest: divide logits by it.

    Takes    (photos, classes) logits and (photos,) labels; without photos it is 1.

    Where all answers are right the likeliest temperature is 0, which would call every photo certain, on
    the word of however few. So beside the photos' cross-entropy stands `DOUBT` x (b - 1 - log b) nats with
    b = 1 / temperature: nothing at 1, and for two photos 0.6 at half, 13 at a tenth. Both are convex in b,
    so there is one answer.
    """
    from scipy.optimize import brentq
    from scipy.special import softmax

    rows = np.asarray(logits, np.float64)
    if not len(rows):
        return 1.0
    # Differences to the true class's logit, of which both terms are made: sums of such stay exact.
    away = rows - rows[np.arange(len(rows)), labels][:, None]

    def slope(cold: float) -> float:
        return float((softmax(cold * away, axis=1) * away).sum() + DOUBT * (1 - 1 / cold))

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0:
        return HOTTEST
    if slope(high) <= 0:
        return COLDEST
    return 1 / brentq(slope, low, high, xtol=1e-10)


def calibrated(logits: np.ndarray, temperature: float) -> np.ndarray:
    """(photos, classes) probabilities, float64, of logits at a temperature."""
    from scipy.special import softmax

    return softmax(np.asarray(logits, np.float64) / temperature, axis=1)


def uncalibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What a model said before its temperature, from what it says now."""
    from scipy.special import softmax

    with np.errstate(divide="ignore"):  # what got nothing had nothing
        return softmax(np.log(np.asarray(probabilities, np.float64)) * temperature, axis=1)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error of the likeliest class: how far its probability is from being right.

    Photos in the order of that probability are cut into `BINS` bins of equally many (fewer bins where one
    would have less than `FULL` photos); the error is the mean over photos of how far their bin's share
    of right answers lies from its mean probability. Equally many, not equally wide: nearly all photos of a
    good model lie above 0.9. NaN without photos.

    Of few photos it is too high: shares of ten photos scatter, and a gap to either side counts. `by_chance`
    says by how much.
    """
    found = np.asarray(probabilities, np.float64)
    if not len(found):
        return math.nan
    sure, right = found.max(axis=1), (found.argmax(axis=1) == labels).astype(np.float64)
    # Equal ones are told apart by nothing: each counts as their mean, so that no order decides.
    _, same, count = np.unique(sure, return_inverse=True, return_counts=True)
    right = (np.bincount(same, right) / count)[same]
    return float(_error(sure[None], right[None])[0])


def by_chance(probabilities: np.ndarray) -> float:
    """The calibration error that probabilities which are exactly right show on as many photos, on average.

    Of truths drawn by these probabilities themselves, `DRAWS` times, always the same way.
    """
    sure = np.asarray(probabilities, np.float64).max(axis=1, initial=0)
    if not len(sure):
        return math.nan
    generator = np.random.default_rng(0)
    # One draw at a time: all of them together would be gigabytes for a large set.
    draws = ((generator.random((1, len(sure))) < sure).astype(np.float64) for _ in range(DRAWS))
    return float(np.mean([_error(sure[None], right)[0] for right in draws]))


def _error(sure: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(repeats,) from (repeats, photos), of which all rows of `sure` are in one order."""
    photos = sure.shape[1]
    order = np.argsort(sure[0], kind="stable")
    gaps = (right - sure)[:, order]
    bins = np.array_split(gaps, max(1, min(BINS, photos // FULL)), axis=1)
    return np.sum([np.abs(part.sum(axis=1)) for part in bins], axis=0) / photos


def threshold(probabilities: np.ndarray, reject: float) -> float:
    """The value below which the largest probability of at most the share `reject` of known photos falls.

    Takes    (photos, classes) calibrated probabilities of known photos that the model did not learn from.
    Returns  the k-th least of their largest probabilities, k = reject x (photos + 1) rounded down: of new
             photos of the same kind a share of `reject` or less is below it, on average over such sets
             (the rank of a new photo among the old ones is any with equal chance).

    Fewer than 1 / reject - 1 photos (19 for 0.05) cannot promise that: then it is the least of all, below
    which one new photo in photos + 1 falls. At most `HIGHEST`, which refuses fewer; rounded down to
    `DIGITS`, as it is stored.
    """
    sure = np.sort(np.asarray(probabilities, np.float64).max(axis=1))
    place = min(len(sure), max(1, math.floor(reject * (len(sure) + 1) + 1e-9)))
    scale = 10**DIGITS
    return min(HIGHEST, math.floor(float(sure[place - 1]) * scale) / scale)


def promised(photos: int, reject: float) -> float:
    """The share of known photos that a threshold from so many refuses at most, on average."""
    return max(1, math.floor(reject * (photos + 1) + 1e-9)) / (photos + 1)


def rejected(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """(photos,), bool: those whose answer is none of the classes."""
    if threshold is None:
        return np.zeros(len(probabilities), bool)
    return np.asarray(probabilities, np.float64).max(axis=1, initial=0) < threshold


class Fitted(NamedTuple):
    """What is stored with a model."""

    temperature: float = 1.0
    threshold: float | None = None
    photos: int = 0  # held out, that both were found on
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As run.json has it."""
        return {"temperature": self.temperature, "threshold": self.threshold, "photos": self.photos}


def fit(logits: np.ndarray, labels: np.ndarray, reject: float) -> Fitted:
    """Temperature and threshold from the logits of photos that the model did not learn from."""
    photos = len(labels)
    if not photos:
        return Fitted(
            notes=("Too few photos to hold some back: probabilities stay as they are, without a threshold.",)
        )
    if not np.isfinite(logits).all():
        return Fitted(
            notes=(
                "The model's answers are not all finite, so that probabilities stay as they are, without a "
                "threshold: a lower --learning-rate or --precision float32 may help.",
            )
        )
    found = round(temperature(logits, labels), DIGITS)
    if not reject:
        return Fitted(found, None, photos)
    notes: tuple[str, ...] = ()
    if (share := promised(photos, reject)) > reject:
        notes = (
            f"{photos} photos held back promise no threshold that costs {100 * reject:.3g}%: "
            f"this one may cost {100 * share:.3g}% of the known photos.",
        )
    return Fitted(found, threshold(calibrated(logits, found), reject), photos, notes)


def measured(
    probabilities: np.ndarray, labels: Sequence[int] | np.ndarray, temperature: float, threshold: float | None
) -> dict[str, Any]:
    """The figures of a report, on photos whose class is known: keys of `Finetuned` and `Evaluated`."""
    from tlkit import figures

    labels = np.asarray(labels)
    count, photos = int(rejected(probabilities, threshold).sum()), len(labels)
    share = count / photos if photos else math.nan
    return {
        "temperature": temperature,
        "calibration_error": calibration_error(probabilities, labels),
        "calibration_error_before": calibration_error(uncalibrated(probabilities, temperature), labels),
        "calibration_error_by_chance": by_chance(probabilities),
        "threshold": threshold,
        "refused": None if threshold is None else Refused(share, figures.wilson(count, photos), count),
    }
