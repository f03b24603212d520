"""The usual start of a detector: maps of every size that all know what the last stage knows.

Lin et al., Feature Pyramid Networks for Object Detection, arXiv:1612.03144, figure 3: each map of a
backbone through a 1×1, plus the next smaller one twice as large, through a 3×3; nothing else between.
Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002, footnote 2: two more maps by 3×3 of
stride 2. Their P6 is made of the backbone's last map; ours of P5, as torchvision's LastLevelP6P7(256, 256)
and most later detectors do.
"""

import zlib

import numpy as np
from keras import KerasTensor, Model, initializers, layers, ops

from tlkit.backbones.layers import activation
from tlkit.backbones.taps import pyramid
from tlkit.errors import UsageError

STRIDES = (8, 16, 32)  # of the backbone's maps: P3, P4, P5
PROBE = 256  # pixels a side where none is known: a multiple of every stride


def fpn(model: Model, channels: int = 256, *, seed: int | None = None) -> Model:
    """A feature pyramid on a backbone: P3 to P7 of one photo, `channels` deep, with random weights.

    Takes    any model that `pyramid` takes, plain, fine-tuned or loaded, whose stages have the strides
             8, 16 and 32. Its layers become part of the new model: their weights and what is frozen of
             them stay as they are, and training changes them in both.
    Returns  a model from the same photo to {"P3": …, "P4": …, "P5": …, "P6": …, "P7": …}, each
             (batch, h / 2^number, w / 2^number, channels), rounded as the backbone's maps are; P6 and P7
             are half of what is before them, rounded up.

    At odd sizes the smaller map is enlarged to exactly the larger one's size, as torchvision does. Where
    the model leaves its size open, both sides of a photo have to be multiples of 32: others end in
    TensorFlow's or JAX's error about shapes. `seed`: of the new weights; default: Keras's generator.

    Raises `UsageError` if strides are missing, and for an open size if maps are not half of one another.

    >>> from tlkit.backbones import build
    >>> model = fpn(build("efficientnet_test", weights=None, include_top=False), channels=32)
    >>> {name: x.shape[1:] for name, x in model.output.items()}
    {'P3': (8, 8, 32), 'P4': (4, 4, 32), 'P5': (2, 2, 32), 'P6': (1, 1, 32), 'P7': (1, 1, 32)}
    """
    channels = channels.item() if isinstance(channels, np.integer) else channels
    if type(channels) is not int or channels < 1:
        raise UsageError(f"channels={channels!r} must be a whole number from 1 on.")
    maps = _maps(model)
    found = {f"P{level}": conv(x, channels, 1, f"fpn_p{level}_lateral", seed) for level, x in maps.items()}
    for level in (4, 3):
        larger = enlarged(found[f"P{level + 1}"], found[f"P{level}"], f"fpn_p{level}_from_above")
        found[f"P{level}"] = layers.Add(name=f"fpn_p{level}_add")([found[f"P{level}"], larger])
    found = {name: conv(x, channels, 3, f"fpn_{name.lower()}", seed) for name, x in found.items()}
    found["P6"] = conv(found["P5"], channels, 3, "fpn_p6", seed, stride=2)
    found["P7"] = conv(activation(found["P6"], "relu", "fpn_p6"), channels, 3, "fpn_p7", seed, stride=2)
    return Model(model.input, found, name=f"{model.name}_fpn")


def _maps(model: Model) -> dict[int, KerasTensor]:
    """The backbone's maps by the level of the pyramid that they lead to."""
    taps = {tap.stride: tap.tensor for tap in pyramid(model)}
    if missing := [stride for stride in STRIDES if stride not in taps]:
        raise UsageError(
            f"{model.name} has no feature map of stride {' or '.join(map(str, missing))}: "
            f"its strides are {', '.join(map(str, taps))}.",
            "A pyramid stands on those of 8, 16 and 32.",
        )
    maps = {stride.bit_length() - 1: taps[stride] for stride in STRIDES}
    photo = model.input_shape[1:3]
    if None in photo:
        shape = (1, *(side or PROBE for side in photo), model.input_shape[3])
        shapes = Model(model.input, [*maps.values()]).compute_output_shape(shape)
        for axis in (axis for axis, side in enumerate(photo, start=1) if side is None):
            places = [shape[axis] for shape in shapes]
            if places != [4 * places[-1], 2 * places[-1], places[-1]]:
                raise UsageError(
                    f"{model.name} leaves the size of photos open, and its maps are not half of one another: "
                    f"{', '.join(map(str, places))} places for {PROBE} pixels.",
                    "Build it with a height and a width: input_shape.",
                )
    return maps


def conv(
    x: KerasTensor, channels: int, kernel: int, name: str, seed: int | None, stride: int = 1
) -> KerasTensor:
    """Convolution with biases, zeros alike on both sides."""
    # As torchvision's pyramid starts: nothing follows that would halve its variance, as a ReLU does.
    initial = initializers.LecunUniform(seed=None if seed is None else zlib.crc32(f"{seed} {name}".encode()))
    if stride > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    padding = "same" if stride == 1 else "valid"
    return layers.Conv2D(channels, kernel, stride, padding, kernel_initializer=initial, name=name)(x)


def enlarged(x: KerasTensor, like: KerasTensor, name: str) -> KerasTensor:
    """A map as large as another of about twice its size: each place takes the value of the nearest.

    Place i of m is place ⌊i·n/m⌋ of n. Where m is 2n or 2n − 1, that is each place twice, less the last.
    """
    times, spare = [2, 2], [0, 0]
    for axis, (here, there) in enumerate(zip(x.shape[1:3], like.shape[1:3], strict=True)):
        if here is None or there is None:
            continue
        if there in (2 * here, 2 * here - 1):
            spare[axis] = 2 * here - there
        else:
            x = ops.take(x, [place * here // there for place in range(there)], axis=axis + 1)
            times[axis] = 1
    if times != [1, 1]:
        x = layers.UpSampling2D(tuple(times), name=name)(x)
    if spare != [0, 0]:
        x = layers.Cropping2D(((0, spare[0]), (0, spare[1])), name=f"{name}_crop")(x)
    return x
