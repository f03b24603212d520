"""Heads on features computed once: solved where they are linear, trained where they are not."""

import warnings
from collections.abc import Iterator

import numpy as np
from keras import Model
from threadpoolctl import threadpool_limits

from tlkit import balance, training

STRENGTHS = tuple(10 ** (k / 2) for k in range(-8, 3))  # inverse L2 penalties tried for a linear head
FOLDS = 5
ENOUGH = 2000  # photos to choose a penalty on; more cost minutes and moved no choice
NEVER = -30.0  # the logit of a class without photos
MIDDLING = 0.1  # the inverse penalty where none is chosen
HEAD_EPOCHS, HEAD_BATCH, HEAD_RATE = 30, 64, 1e-3  # of a head that is trained, not solved


def solve(
    views: np.ndarray, labels: np.ndarray, classes: int, seed: int, class_weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression on features, its L2 penalty chosen by folds of these photos.

    Takes    (photos, views, width) features, the first view being the photo as a phone sees it,
             and (photos,) labels; `class_weights` is what a photo of each class counts, else 1.
    Returns  (width, classes) kernel and (classes,) bias, float32.

    Folds of the first views choose: the other views are the same photos again and chose alike. A class
    without photos (all of them held back in cross-validation) is never the answer.
    """
    scale = _scale(views)
    views = views / scale
    weights = None if class_weights is None else balance.photo_weights(class_weights, labels)
    # One thread: for matrices this small the others only wait for each other (100 times as long on two
    # busy cores), and sums come out in one order.
    with threadpool_limits(1, "blas"):
        strength = _penalty(views, labels, seed, weights)
        kernel, bias = _known(views, labels, classes, strength, weights)
    return (kernel / scale).astype("float32"), bias.astype("float32")


def held_out(
    views: np.ndarray,
    labels: np.ndarray,
    classes: int,
    folds: np.ndarray,
    seed: int,
    class_weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What heads as `solve` makes them, with the penalty that it chooses of all these photos, say of others.

    Takes    what `solve` does, and the (photos,) number of each photo's fold.
    Returns  (some,) places of photos and (some, classes) logits, float32, of each photo's first view by a
             head that was solved without its fold. Fold by fold until `ENOUGH` are asked.
    """
    views = views / _scale(views)
    weights = None if class_weights is None else balance.photo_weights(class_weights, labels)
    places: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    with threadpool_limits(1, "blas"):
        strength = _penalty(views, labels, seed, weights)
        for fold in np.unique(folds):
            if sum(map(len, places)) >= ENOUGH:
                break
            held, seen = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            counted = None if weights is None else weights[seen]
            kernel, bias = _known(views[seen], labels[seen], classes, strength, counted)
            places.append(held)
            logits.append(views[held, 0] @ kernel + bias)
    return np.concatenate(places), np.concatenate(logits).astype("float32")


def out_of_fold(
    views: np.ndarray, labels: np.ndarray, classes: int, folds: np.ndarray, seed: int
) -> np.ndarray:
    """Probabilities by linear heads, each photo's by one that did not see the photo's fold.

    Takes    (photos, views, width) features, of which the first view counts, (photos,) labels and the
             (photos,) number of each photo's fold.
    Returns  (photos, classes), float32; a class that the other folds lack gets 0.

    For finding label errors, so one penalty does: of 5 % swapped labels (ants and bees, 245 photos, 3
    seeds) inverse penalties of 0.001, 0.01, 0.1 and 1 found 75, 78, 86 and 86 %, listing 9, 12, 15 and
    20 photos for 12 swapped.
    """
    from scipy.special import softmax

    features = views[:, 0] / (float(views.std()) or 1.0)
    found = np.zeros((len(labels), classes), np.float32)
    with threadpool_limits(1, "blas"):
        for fold in np.unique(folds):
            held = np.flatnonzero(folds == fold)
            seen = _some(np.flatnonzero(folds != fold), labels, classes, seed)
            known, renumbered = np.unique(labels[seen], return_inverse=True)
            if len(known) < 2:
                found[np.ix_(held, known)] = 1
                continue
            kernel, bias = _regress(features[seen, None], renumbered, len(known), MIDDLING)
            found[np.ix_(held, known)] = softmax(features[held] @ kernel + bias, axis=1)
    return found


def _some(places: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """At most `ENOUGH` of these photos, or five a class if that is more, taken in turn from each class."""
    drawn = np.random.default_rng(seed).permutation(places)
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]
    _, counts = np.unique(labels[by_class], return_counts=True)
    turns = np.concatenate([np.arange(count) for count in counts]) if len(counts) else counts
    return np.sort(by_class[np.argsort(turns, kind="stable")][: max(ENOUGH, 5 * classes)])


def _scale(views: np.ndarray) -> float:
    """One number for all features, so that one row of penalties fits every backbone."""
    return float(views.std()) or 1.0


def _penalty(views: np.ndarray, labels: np.ndarray, seed: int, weights: np.ndarray | None) -> float:
    """The inverse penalty for all classes that have photos, chosen on at most `ENOUGH` of these."""
    known, labels = np.unique(labels, return_inverse=True)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(labels))[:ENOUGH])
    folds = min(FOLDS, int(np.bincount(labels[chosen], minlength=len(known)).min()))
    if folds < 2 or len(known) < 2:  # a class of one photo cannot be on both sides of a fold
        return MIDDLING
    counted = None if weights is None else weights[chosen]
    return _choose(views[chosen, :1], labels[chosen], len(known), folds, seed, counted)


def _known(
    views: np.ndarray, labels: np.ndarray, classes: int, strength: float, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias for all classes; one without photos is `NEVER` the answer."""
    known, labels = np.unique(labels, return_inverse=True)
    kernel, bias = np.zeros((views.shape[-1], classes)), np.full(classes, NEVER)
    if len(known) == 1:
        bias[known] = 0
        return kernel, bias
    kernel[:, known], bias[known] = _regress(views, labels, len(known), strength, weights)
    return kernel, bias


def _choose(
    views: np.ndarray,
    labels: np.ndarray,
    classes: int,
    folds: int,
    seed: int,
    weights: np.ndarray | None,
) -> float:
    """The penalty with the least cross-entropy over all folds, photos counting as their weights."""
    from sklearn.model_selection import StratifiedKFold

    losses = np.zeros(len(STRENGTHS))
    for seen, judged in StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels):
        for index, strength in enumerate(STRENGTHS):
            fitted, counted = (None, None) if weights is None else (weights[seen], weights[judged])
            kernel, bias = _regress(views[seen], labels[seen], classes, strength, fitted)
            total = len(judged) if counted is None else float(counted.sum())
            losses[index] += total * training.cross_entropy(
                views[judged, 0] @ kernel + bias, labels[judged], counted
            )
    return STRENGTHS[int(losses.argmin())]


def _regress(
    views: np.ndarray,
    labels: np.ndarray,
    classes: int,
    strength: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # More views are the same photos again, not more evidence: the penalty keeps its weight.
    model = LogisticRegression(C=strength / views.shape[1], max_iter=1000)
    counted = None if weights is None else weights.repeat(views.shape[1])
    with warnings.catch_warnings():
        # Where photos are all but alike (all black) its search ends early: there is no more to find.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(views.reshape(-1, views.shape[-1]), labels.repeat(views.shape[1]), counted)
    kernel, bias = model.coef_.T, model.intercept_
    if classes == 2:  # scikit-learn gives two classes one column: the log odds of the second
        kernel, bias = np.hstack([-kernel, kernel]) / 2, np.hstack([-bias, bias]) / 2
    return kernel, bias


def train(
    model: Model,
    views: np.ndarray,
    labels: np.ndarray,
    seed: int,
    class_weights: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The weights of a head of several layers, trained on (photos, views, width) features by AdamW."""
    rows = views.reshape(-1, views.shape[-1])
    answers = labels.repeat(views.shape[1])
    size = min(HEAD_BATCH, len(rows))
    steps = len(rows) // size

    def epoch(number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.random.default_rng([seed, number]).permutation(len(rows))
        for chosen in np.split(order[: steps * size], steps):
            yield rows[chosen], answers[chosen]

    training.fit(
        model,
        epoch,
        steps=steps,
        batch_size=size,
        epochs=HEAD_EPOCHS,
        learning_rate=HEAD_RATE,
        class_weights=class_weights,
        phase="head",
    )
    return model.get_weights()


def trained_without(
    model: Model,
    views: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    seed: int,
    class_weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """As `held_out`, by heads that `train` makes of `model`, a fresh one."""
    fresh = [variable.numpy() for variable in model.variables]
    places: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    for fold in np.unique(folds):
        if sum(map(len, places)) >= ENOUGH:
            break
        for variable, value in zip(model.variables, fresh, strict=True):
            variable.assign(value)
        held, seen = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        train(model, views[seen], labels[seen], seed, class_weights)
        places.append(held)
        logits.append(training.answers(model, views[held, 0], len(held)))
    return np.concatenate(places), np.concatenate(logits)
