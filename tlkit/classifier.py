"""A backbone and a new head, as one flat Keras model from photographs to probabilities."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import Model, layers

from tlkit import backbones
from tlkit.backbones.taps import stages
from tlkit.errors import UsageError

HIDDEN = 256  # units of the `mlp` head
HEAD = ("head_hidden", "logits")  # its layers with weights


def build(
    backbone: str,
    classes: Sequence[str],
    *,
    image_size: int | None = None,
    head: str = "linear",
    dropout: float = 0.2,
    weights: str | None = "imagenet",
    policy: str = "float32",
    seed: int = 0,
    fit: str = "stretch",
) -> Model:
    """Put a new head on a backbone: one model, photographs in, probabilities out.

    Takes    (batch, image_size, image_size, 3), RGB, uint8 or float32, pixels 0–255.
    Returns  (batch, len(classes)), float32, each row sums to 1, in the order of `classes`.

    The head is global average pooling, dropout and one dense layer (`linear`), or two with a
    ReLU between (`mlp`). Its layers are called `pool`, `head_dropout`, `head_hidden`, `logits`
    and `probabilities`; the backbone's keep their names, so that taps work on the whole model.
    `policy` is a Keras dtype policy; logits and probabilities are float32 under each. `fit` is how
    photographs become that square (`data.fits`); nothing in the model does it, but it holds the name:
    a layer that passes on what it gets, called `fit_stretch`, `fit_crop` or `fit_pad`.

    >>> build("efficientnet_test", ["cat", "dog"], weights=None).output_shape
    (None, 2)
    """
    side = image_size or backbones.variant(backbone).image_size
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)  # Keras has no other way to reach every layer of a builder
    try:
        options: dict[str, Any] = {"input_shape": (side, side, 3)}
        if weights is None:
            options["seed"] = seed
        trunk = backbones.build(backbone, weights=weights, include_top=False, pooling="avg", **options)
        # Not at the photo: the trunk is built whole, and a layer before it would make it a model in a model.
        x = layers.Identity(name=f"fit_{fit}")(trunk.output)
        x = layers.Dropout(dropout, seed=seed, name="head_dropout")(x)
        if head == "mlp":
            initial = keras.initializers.GlorotUniform(seed=seed)
            x = layers.Dense(HIDDEN, "relu", kernel_initializer=initial, name="head_hidden")(x)
        # float32: half precision would round the differences between close classes away.
        initial = keras.initializers.GlorotUniform(seed=seed + 1)
        x = layers.Dense(len(classes), kernel_initializer=initial, dtype="float32", name="logits")(x)
        x = layers.Softmax(dtype="float32", name="probabilities")(x)
    finally:
        keras.config.set_dtype_policy(before)
    return Model(trunk.input, x, name=backbone)


def groups(model: Model) -> list[tuple[str, list[layers.Layer]]]:
    """A model's layers in order, by stage; what follows the last mark is the group `head`."""
    marks = set(stages(model))
    found, current = [], []
    for layer in model.layers:
        current.append(layer)
        if layer.name in marks:
            found.append((layer.name, current))
            current = []
    return [*found, ("head", current)]


def check_stage(model: Model, first: str) -> None:
    """Raises `UsageError` if `first` is neither `none` nor `all` nor a stage of the model."""
    names = stages(model)
    if first not in ("none", "all", *names):
        raise UsageError(
            f"{model.name} has no stage called '{first}'.",
            f"Its stages are {', '.join(names)}; or use none or all.",
        )


def unfreeze(model: Model, first: str) -> None:
    """Make the head and the stages from `first` on trainable (`all`, `none` or a stage's name).

    Batch normalisation stays frozen everywhere, statistics, scale and shift: in Keras a frozen one
    runs in inference mode, and a small set is too few to estimate statistics from.
    """
    check_stage(model, first)
    reached = first == "all"
    for name, members in groups(model):
        reached = reached or name == first
        for layer in members:
            trunk = reached and not isinstance(layer, layers.BatchNormalization)
            layer.trainable = trunk or layer.name in HEAD


def cut(model: Model, first: str) -> str | None:
    """The last layer that stays frozen when stages from `first` on are not; None: the photo itself."""
    if first == "none":
        return "pool"
    names = stages(model)
    place = 0 if first == "all" else names.index(first)
    return names[place - 1] if place else None


def shares(model: Model, decay: float) -> dict[str, float]:
    """A learning rate for each trainable weight, by its path, as a share of the head's.

    The last stage and what follows it learn at 1; each stage before at `decay` times the one after.
    """
    found = groups(model)
    return {
        weight.path: decay ** max(0, len(found) - 2 - place)
        for place, (_, members) in enumerate(found)
        for layer in members
        for weight in layer.trainable_weights
    }


def part(model: Model, start: str | None, end: str) -> Model:
    """The piece of a model between two layers, sharing its weights.

    Takes what layer `start` returns (None: photographs) and returns what layer `end` returns.
    """
    inputs = model.input if start is None else model.get_layer(start).output
    return Model(inputs, model.get_layer(end).output)
