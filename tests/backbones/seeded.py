"""Weights that anyone can draw again: numbers from the tensor's name and shape alone."""

import math
import zlib

import numpy as np

STATISTICS = ("running_var", "moving_variance")


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 numbers that keep a network's signal alive: He et al.'s spread for kernels, and near 1 or 0
    for what normalisation multiplies by and adds. Moving statistics are not left at 0 and 1, which would
    hide a swap. A counter of batches is 0, int64.
    """
    if not shape:
        return np.zeros((), np.int64)
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    last = name.replace("/", ".").rpartition(".")[2]
    if len(shape) > 1:
        inputs = shape[:-1] if last.endswith("kernel") else shape[1:]
        return (draw.standard_normal(shape) * math.sqrt(2 / math.prod(inputs))).astype("float32")
    if last in STATISTICS or last in ("weight", "gamma"):
        return draw.uniform(0.5, 1.5, shape).astype("float32")
    return (draw.standard_normal(shape) * 0.2).astype("float32")
