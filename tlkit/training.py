"""Fit a Keras model that returns logits, batch by batch.

Knows no backbone, no folder and no recipe: batches come in as arrays.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain, count, islice
from typing import Any

import keras
import numpy as np
from keras import Model, optimizers

from tlkit import balance, optimizing
from tlkit.errors import TrainingError
from tlkit.progress import SILENT, Silent


def answers(model: Model, batch: np.ndarray, size: int) -> np.ndarray:
    """What `model` returns for at most `size` inputs, as float32.

    A shorter batch is filled up first: another shape would have the model traced again, for seconds.
    """
    filled = np.concatenate([batch, batch[:1].repeat(size - len(batch), 0)]) if len(batch) < size else batch
    return np.asarray(model.predict_on_batch(filled), "float32")[: len(batch)]


def cross_entropy(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean negative log probability, in nats, of (photos,) labels under (photos, classes) logits.

    `weights` (photos,) is what each photo counts.
    """
    from scipy.special import log_softmax

    found = -log_softmax(logits.astype("float64"), axis=1)[np.arange(len(labels)), labels]
    return float(found.mean() if weights is None else np.average(found, weights=weights))


def never() -> bool:
    return False


def fit(
    model: Model,
    epoch: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]],
    *,
    steps: int,
    batch_size: int,
    epochs: int,
    learning_rate: float,
    optimizer: str = "adamw",
    momentum: float | None = None,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    ema: float = 0.0,
    smoothing: float = 0.0,
    shares: Mapping[str, float] | None = None,
    auxiliary: float = 0.0,
    class_weights: np.ndarray | None = None,
    stop: Callable[[], bool] = never,
    phase: str = "fitting",
    progress: Silent = SILENT,
    on_epoch: Callable[[dict[str, Any]], bool | None] = lambda row: None,
) -> None:
    """Fit a model that returns logits: `epoch(number)` gives `steps` batches of inputs and labels,
    each of `batch_size`. Labels are (n,) whole numbers, or (n, classes) shares of each class.

    Changes exactly `model.trainable_weights`. The rate climbs to `learning_rate` in the first tenth of
    all steps and falls to 0 along a cosine; a weight learns at that times its `shares[path]` (1 if
    unnamed). How steps are taken is told in `optimizing.layerwise`; with `ema` the model is left with the
    mean of its weights, wherever training ends. `smoothing` is the share of each label that is spread
    over all classes. What a model returns beside its first logits are such of auxiliary classifiers, whose
    losses count `auxiliary` times. A photo's losses count its class's `class_weights` times, or those of its
    classes by their shares. `stop` is asked after each step, and ends the training there.
    `progress` gets a task an epoch. `on_epoch` gets a row of figures after it, and sees the model as it
    would be left; what it returns may end the training.

    Raises `TrainingError` at the first loss that is not finite.
    """
    schedule = optimizing.warm_cosine(learning_rate, steps * epochs)
    kind: dict[str, Any] = {
        "momentum": momentum,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
        "ema": ema,
    }
    chosen = optimizing.layerwise(optimizer, schedule, shares or {}, model.trainable_variables, **kind)
    learn = _learner(model, chosen, smoothing, auxiliary, class_weights)
    for number in range(epochs):
        started, seen, ended = time.perf_counter(), 0, False
        model.reset_metrics()
        with progress.task(f"{phase} {number + 1}/{epochs}", steps * batch_size) as task:
            for step, (inputs, labels) in enumerate(epoch(number), start=number * steps):
                loss = learn(inputs, labels)
                rate = float(schedule(step))
                if not math.isfinite(loss):
                    raise _diverged(f"{phase}, epoch {number + 1}, step {step + 1} of {epochs * steps}", rate)
                seen += len(labels)
                task.tick(len(labels), f"loss {loss:.3f}")
                if ended := stop():
                    break
        seconds = time.perf_counter() - started
        row = {
            "phase": phase,
            "epoch": number + 1,
            "steps": step + 1,
            "loss": loss,
            "learning_rate": rate,
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }
        with optimizing.finished(model) if ema else nullcontext():
            ended = bool(on_epoch(row)) or ended
        if ended:
            break
    if ema and epochs:
        optimizing.finish(model)


def _diverged(where: str, rate: float) -> TrainingError:
    return TrainingError(
        f"The loss is no longer finite: {where}, learning rate {rate:.2g}.",
        "Use a lower --learning-rate (a tenth is a good next try; --find-lr looks for one), or "
        "--precision float32.",
    )


def sweep(
    model: Model,
    epoch: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]],
    *,
    lowest: float,
    highest: float,
    steps: int,
    optimizer: str = "adamw",
    momentum: float | None = None,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    smoothing: float = 0.0,
    shares: Mapping[str, float] | None = None,
    auxiliary: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> Iterator[tuple[float, float]]:
    """Take steps as `fit` does while the rate climbs, each a fixed number of times the one before.

    Yields   the rate of a step and the loss of its batch before it, finite or not; `steps` of them, from
             `lowest` to `highest`, or as many as are asked for. The model is changed by each.
    """
    schedule = optimizing.climb(lowest, highest, steps)
    kind: dict[str, Any] = {"momentum": momentum, "weight_decay": weight_decay, "clip_norm": clip_norm}
    chosen = optimizing.layerwise(optimizer, schedule, shares or {}, model.trainable_variables, **kind)
    learn = _learner(model, chosen, smoothing, auxiliary, class_weights)
    batches = chain.from_iterable(map(epoch, count()))
    for step, (inputs, labels) in enumerate(islice(batches, steps)):
        model.reset_metrics()  # else Keras would tell the mean of all losses so far
        yield float(schedule(step)), learn(inputs, labels)


def _learner(
    model: Model,
    chosen: optimizers.Optimizer,
    smoothing: float,
    auxiliary: float,
    class_weights: np.ndarray | None,
) -> Callable[[np.ndarray, np.ndarray], float]:
    """A function that takes a step on a batch, and returns the mean loss since the metrics were reset."""
    if any(layer.compute_dtype == "float16" for layer in model.layers):
        chosen = optimizers.LossScaleOptimizer(chosen)  # small gradients vanish in float16 without
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    counts = [1.0, *[auxiliary] * (len(model.outputs) - 1)]
    # Without XLA: on a CPU it cost 13 times what it saved.
    model.compile(chosen, [loss] * len(counts), counts, jit_compile=False)
    one_hot = np.eye(model.outputs[0].shape[-1], dtype="float32")

    def learn(inputs: np.ndarray, labels: np.ndarray) -> float:
        shares = one_hot[labels] if labels.ndim == 1 else labels
        counted = None
        if class_weights is not None:
            counted = [balance.photo_weights(class_weights, labels)] * len(counts)
        logs = model.train_on_batch(inputs, [shares] * len(counts), counted, return_dict=True)
        return float(logs["loss"])

    return learn
