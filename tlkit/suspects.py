"""Labels that a model believes least, though it did not train on them.

Confident learning, Northcutt, Jiang and Chuang, arXiv:1911.00068: which photos stand off the diagonal of
the confident joint. cleanlab's `filter_by="confident_learning"` in NumPy, to the photo; a test holds that.
Not cleanlab itself: it brings pandas, and this is a page.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tlkit.figures import Table

CLOSE = 1e-6  # a probability that near to a threshold passes it, as in cleanlab


class Suspect(NamedTuple):
    """A photo whose label is to be looked at."""

    path: str
    label: str
    suggested: str
    probability: float  # of its own label


def doubted(true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """For each photo the class that its label may be mistaken for, or -1.

    Takes    (photos,) labels and (photos, classes) probabilities by a model that did not see the photo.

    A class's threshold is the mean probability of that class over the photos labelled so: a class that the
    model is seldom sure of asks for less. The class that passes its threshold (of several, the likeliest
    of all) is the suggestion, unless it is the label, or the label is the likeliest anyway.
    """
    count, classes = probabilities.shape
    probabilities = probabilities.astype("float64")
    totals = np.bincount(true, minlength=classes)
    own = probabilities[np.arange(count), true]
    sums = np.bincount(true, own, minlength=classes)
    # A class without photos has no threshold, and nobody is suspected to be of it.
    thresholds = np.where(totals > 0, sums / np.maximum(totals, 1), np.inf)
    passing = probabilities >= thresholds - CLOSE
    likeliest = probabilities.argmax(axis=1)
    suggested = np.where(passing.sum(axis=1) > 1, likeliest, passing.argmax(axis=1))
    believed = own >= probabilities.max(axis=1) - CLOSE
    return np.where(passing.any(axis=1) & (suggested != true) & ~believed, suggested, -1)


def find(tables: Iterable[Table]) -> tuple[Suspect, ...]:
    """The suspects of all tables, the least believed label first.

    Each table is one model's (or one set of folds') answers, and has thresholds of its own: a model is
    surer on some photos than another on others.
    """
    found = []
    for table in tables:
        if not table.paths:
            continue
        suggested = doubted(table.true, table.probabilities)
        for row in np.flatnonzero(suggested >= 0):
            label = table.true[row]
            found.append(
                Suspect(
                    table.paths[row],
                    table.labels[label],
                    table.labels[suggested[row]],
                    float(table.probabilities[row, label]),
                )
            )
    return tuple(sorted(found, key=lambda suspect: (suspect.probability, suspect.path)))
