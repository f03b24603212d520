"""What the contract is held against: every row of INDEX, and of each family what can be built in a blink."""

import importlib
import math

import cases
import numpy as np
import pytest
from make_golden import picture

from tlkit import backbones
from tlkit.backbones import INDEX
from tlkit.backbones.frame import Family

EXPECTED = cases.expected()

# Families whose pools leave out an odd map's last place: size / stride, rounded down. Elsewhere up.
ROUNDED_DOWN = {"convnext", "neocognitron", "small_cnn", "vgg"}
# Where a convolution has no zeros around it, or a pool of three, or only some pools round down: places a side
# by row and pixels a side, from the largest map on, each by hand as (side + zeros − kernel) // stride + 1.
UNPADDED = {
    ("lenet5", 28): (24, 8, 4),
    ("lenet5", 39): (35, 13, 6),
    ("lenet5_32", 32): (28, 10, 5),
    ("lenet_test", 20): (16, 4, 2),
    ("lenet_test", 31): (27, 9, 4),
    ("alexnet", 224): (55, 27, 13, 6),
    ("alexnet", 235): (58, 28, 13, 6),
    ("alexnet_2012", 227): (55, 27, 13, 6),
    ("alexnet_test", 96): (23, 11, 5, 2),
    ("alexnet_test", 107): (26, 12, 5, 2),
    ("alexnet_2012_test", 99): (23, 11, 5, 2),
    ("alexnet_2012_test", 111): (26, 12, 5, 2),
    ("nin", 224): (54, 27, 13, 6),
    ("nin", 235): (57, 28, 14, 7),
    ("nin_test", 96): (22, 11, 5, 2),
    ("nin_test", 107): (25, 12, 6, 3),
    ("googlenet", 224): (112, 56, 28, 14, 7),
    ("googlenet", 235): (118, 59, 29, 14, 7),
    ("googlenet_test", 64): (32, 16, 8, 4, 2),
    ("googlenet_test", 75): (38, 19, 9, 4, 2),
    ("googlenet_2014_test", 80): (40, 20, 10, 5, 2),
    ("googlenet_2014_test", 91): (46, 23, 11, 5, 2),
    ("inception_bn", 224): (112, 56, 28, 14, 7),
    ("inception_bn", 235): (118, 59, 29, 15, 8),
    ("inception_bn_test", 64): (32, 16, 8, 4, 2),
    ("inception_bn_test", 75): (38, 19, 9, 5, 3),
    ("inception_v3", 299): (147, 71, 35, 17, 8),
    ("inception_v3", 311): (153, 74, 36, 17, 8),
    ("inception_v3_test", 112): (53, 24, 11, 5, 2),
    ("inception_v3_test", 123): (59, 27, 13, 6, 2),
    ("xception", 299): (147, 74, 37, 19, 10),
    ("xception", 311): (153, 77, 39, 20, 10),
    ("xception_test", 64): (29, 15, 8, 4, 2),
    ("xception_test", 75): (35, 18, 9, 5, 3),
    ("densenet121", 224): (112, 56, 28, 14, 7),
    ("densenet121", 235): (118, 59, 29, 14, 7),
    ("densenet_test", 64): (32, 16, 8, 4, 2),
    ("densenet_test", 75): (38, 19, 9, 4, 2),
}


TESTS = [name for name in INDEX if name.endswith("_test")]
# Of each family one that users take. Not a ResNeXt: outside of a graph TensorFlow compiles each grouped
# convolution anew whenever it is called, in all for minutes; resnext_test has them.
# fmt: off
REAL = [
    "neocognitron", "lenet5", "small_cnn", "simple_resnet", "alexnet", "nin", "vgg11", "resnet18",
    "resnet50_v2", "resnet20_cifar", "se_resnet50", "googlenet",
    "inception_bn", "inception_v3", "xception", "densenet121",
    "mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small",
    "efficientnet_lite0", "efficientnet_v2_b0", "convnext_v2_atto",
]
# fmt: on
# The others are like these in all that a graph can show but their tables: .ci/run looks at them.
every = [
    pytest.param(name, marks=[pytest.mark.slow] * (name not in TESTS + REAL or EXPECTED[name].slow))
    for name in INDEX
]
SMALL = [*TESTS, "plain20_cifar"]  # of the plain networks the shallowest is small enough


def family(name: str) -> Family:
    return importlib.import_module(f"tlkit.backbones.{backbones.family(name)}").FAMILY


def builder(name: str):
    return getattr(backbones, INDEX[name].partition(":")[2])


def photos(name: str, size: int, count: int = 1) -> np.ndarray:
    """(count, size, size, channels) uint8, as many channels as the row takes."""
    channels = backbones.variant(name).channels
    return np.stack([picture(size, number) for number in range(count)])[..., :channels]


def maps(name: str, size: int) -> list[int]:
    """How many places a side the row's feature maps should have, from the largest on."""
    strides = [stride for _, stride, _ in EXPECTED[name].taps]
    if any(name == known for known, _ in UNPADDED):
        return list(UNPADDED[name, size])
    down = backbones.family(name) in ROUNDED_DOWN
    return [size // stride if down else math.ceil(size / stride) for stride in strides]


def counts(layers) -> tuple[int, int]:
    """Trainable and all numbers in the weights of layers."""
    sizes = [(weight.trainable, math.prod(weight.shape)) for layer in layers for weight in layer.weights]
    return sum(size for trainable, size in sizes if trainable), sum(size for _, size in sizes)
