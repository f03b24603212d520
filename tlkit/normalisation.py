"""Batch normalisation of a model: its layers, and their statistics measured anew."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import Model, layers


def of(model: Model) -> list[layers.BatchNormalization]:
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def recalibrate(model: Model, batches: Iterable[np.ndarray]) -> None:
    """Give each batch normalisation the mean and the variance of what reaches it from these batches.

    Li et al., arXiv:1603.04779: photos of another kind than those a network has learned from leave its
    statistics wrong. Layer by layer in training mode, each batch normalised by its own statistics, with
    nothing dropped. A layer gets the mean of the batches' means, and the mean of their variances with the
    variance of the means added; each batch counts by its photos. No other weight changes.
    """
    found = of(model)
    means: list[Any] = [0.0] * len(found)
    squares: list[Any] = [0.0] * len(found)
    count = 0
    with _measuring(model):
        for batch in batches:
            model(batch, training=True)
            count += len(batch)
            for place, layer in enumerate(found):
                mean = np.asarray(layer.moving_mean, np.float64)
                means[place] = means[place] + len(batch) * mean
                variance = np.asarray(layer.moving_variance, np.float64)
                squares[place] = squares[place] + len(batch) * (variance + mean**2)
    for layer, mean, square in zip(found, means, squares, strict=True):
        layer.moving_mean.assign(mean / count)
        layer.moving_variance.assign(np.maximum(square / count - (mean / count) ** 2, 0))


@contextmanager
def _measuring(model: Model) -> Iterator[None]:
    """Where moving statistics are those of the last batch alone, and dropout leaves nothing out."""
    normal = [(layer, layer.trainable, layer.momentum) for layer in of(model)]
    dropping = [(layer, layer.rate) for layer in model.layers if isinstance(layer, layers.Dropout)]
    try:
        for layer, _, _ in normal:
            layer.trainable, layer.momentum = True, 0.0
        for layer, _ in dropping:
            layer.rate = 0.0
        yield
    finally:
        for layer, trainable, momentum in normal:
            layer.trainable, layer.momentum = trainable, momentum
        for layer, rate in dropping:
            layer.rate = rate
