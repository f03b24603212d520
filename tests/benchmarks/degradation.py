"""Deeper plain networks train worse, deeper residual ones do not: figure 6 of arXiv:1512.03385, in small.

    python tests/benchmarks/degradation.py [SEEDS] [EPOCHS] [DEPTH …]

scikit-learn's digits at their own 8×8 pixels, every one of the 1,797 trained on and asked about again;
SGD with momentum 0.9 at 0.1, climbing to it for a tenth of the steps and falling along a cosine, 64 a
batch, 12 epochs. Plain and residual networks of one depth have the same parameters. Without arguments, on
two cores of an AMD EPYC that other work shared (load 5 to 8; 20 minutes in all), 2026-11-21, tlkit 0.1.0,
Keras 3.15.1, TensorFlow 2.21.0, seeds 0–2:

    network        training error, mean (range)   loss   seconds a run
    plain20          0.04% (0.00% to 0.06%)        0.002              28
    plain56         42.96% (38.84% to 47.13%)      1.071              34
    plain110        89.09% (88.65% to 89.59%)      2.371              79
    resnet20         0.00% (0.00% to 0.00%)        0.000              28
    resnet56         0.22% (0.00% to 0.50%)        0.011              77
    resnet110        2.11% (0.06% to 4.67%)        0.070             159

Plain 110 ends where guessing does. Residual 110 is not quite done after 336 steps: its best seed is.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tlkit import backbones, training

DEPTHS = (20, 56, 110)
KINDS = ("plain", "resnet")
SEEDS, EPOCHS, BATCH = 3, 12, 64
RATE = 0.1  # the paper's; the climb to it takes the first tenth of the steps, which its 110 layers need


class Result(NamedTuple):
    error: float  # share of training digits that are named wrongly after training
    loss: float  # nats, of the same digits
    seconds: float


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 digits as (n, 8, 8, 3), 0–255, and their labels; all are trained on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images * (255 / 16)).astype("float32")[..., None].repeat(3, axis=-1), found.target


def train(kind: str, depth: int, seed: int, epochs: int) -> Result:
    """SGD with momentum 0.9 and a cosine; the training error is asked for at the end, in inference mode."""
    started = time.perf_counter()
    pixels, labels = digits()
    model = backbones.build(
        f"{kind}{depth}_cifar", weights=None, seed=seed, input_shape=(8, 8, 3), classifier_activation=None
    )

    def epoch(number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.random.default_rng([seed, number]).permutation(len(labels))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield pixels[chosen], labels[chosen]

    steps = len(labels) // BATCH
    options = {"learning_rate": RATE, "optimizer": "sgd"}
    training.fit(model, epoch, steps=steps, batch_size=BATCH, epochs=epochs, **options)
    logits = model.predict(pixels, batch_size=256, verbose=0)
    error = float((logits.argmax(1) != labels).mean())
    return Result(error, training.cross_entropy(logits, labels), time.perf_counter() - started)


def main(seeds: int = SEEDS, epochs: int = EPOCHS, *depths: int) -> None:
    print("network        training error, mean (range)   loss   seconds a run")
    for kind in KINDS:
        for depth in depths or DEPTHS:
            found = [train(kind, depth, seed, epochs) for seed in range(seeds)]
            errors = [row.error for row in found]
            loss, seconds = (
                statistics.mean(values) for values in zip(*(row[1:] for row in found), strict=True)
            )
            spread = f"{statistics.mean(errors):7.2%} ({min(errors):.2%} to {max(errors):.2%})"
            print(f"{kind + str(depth):<14} {spread:<30} {loss:6.3f} {seconds:15.0f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
