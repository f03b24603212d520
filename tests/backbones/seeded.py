"""Weights that anyone can draw again: numbers from the tensor's name and shape alone."""

import math
import zlib

import numpy as np

STATISTICS = ("running_var", "moving_variance")
GATES = (  # kernels that squeeze-and-excite's sigmoid is fed by
    ".se.fc2.weight",  # timm: ResNets
    ".se.conv_expand.weight",  # timm: EfficientNets and MobileNets
    ".block.1.fc2.weight",  # torchvision: in a block without a 1×1 before
    ".block.2.fc2.weight",
    "_se_expand/kernel",  # keras.applications: EfficientNets
    "_squeeze_excite_conv_1/kernel",  # keras.applications: MobileNetV3
)


def tensor(name: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """float32 numbers that keep a network's signal alive: He et al.'s spread for kernels, and near 1 or 0
    for what normalisation multiplies by and adds. Moving statistics are not left at 0 and 1, which would
    hide a swap. A counter of batches is 0, int64. Gates get a tenth: where maps grow large He's spread would
    make each sigmoid a step, and float32's last digit would decide on which side of it a channel falls.
    `gain` multiplies the spread of kernels.
    """
    if not shape:
        return np.zeros((), np.int64)
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    last = name.replace("/", ".").rpartition(".")[2]
    if len(shape) > 1:
        inputs = shape[:-1] if last.endswith("kernel") else shape[1:]
        if last == "depthwise_kernel":  # (height, width, channels, 1)
            inputs = shape[:2]
        spread = math.sqrt(2 / math.prod(inputs)) * (0.1 if name.endswith(GATES) else gain)
        return (draw.standard_normal(shape) * spread).astype("float32")
    if last in STATISTICS or last in ("weight", "gamma"):
        return draw.uniform(0.5, 1.5, shape).astype("float32")
    return (draw.standard_normal(shape) * 0.2).astype("float32")
