"""A backbone and a new head, as one flat Keras model from photographs to probabilities."""

import zlib
from collections.abc import Sequence
from typing import Any

import keras
from keras import KerasTensor, Model, layers

from tlkit import backbones
from tlkit.backbones.loading import Loaded
from tlkit.backbones.taps import stages
from tlkit.errors import UsageError
from tlkit.formats import about

HIDDEN = 256  # units of the `mlp` head
HEAD = ("head_hidden", "logits")  # its layers with weights
AUTO = "stage4"  # where fine-tuning begins unless another stage is named


def build(
    backbone: str,
    classes: Sequence[str],
    *,
    image_size: int | None = None,
    head: str = "linear",
    dropout: float = 0.2,
    drop_path: float = 0.0,
    weights: str | Loaded | None = "imagenet",
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
    With `top`, which no weights are published for, the backbone keeps its own top, for these classes;
    `logits` then passes on what that returns. A backbone that was made for grey pictures gets the mean
    of red, green and blue.
    `policy` is a Keras dtype policy; logits and probabilities are float32 under each. `fit` is how
    photographs become that square (`data.fits`); nothing in the model does it, but it holds the name:
    a layer that passes on what it gets, called `fit_stretch`, `fit_crop` or `fit_pad`. `drop_path` is the
    backbone's own option: the share of residual branches that training leaves out.

    >>> build("efficientnet_test", ["cat", "dog"], weights=None).output_shape
    (None, 2)
    """
    settings: dict[str, Any] = {"head": head, "dropout": dropout, "policy": policy, "seed": seed, "fit": fit}
    settings |= {"drop_path": drop_path} if drop_path else {}
    return _built(backbone, classes, image_size, weights, **settings)[0]


def from_scratch(
    backbone: str,
    classes: Sequence[str],
    *,
    image_size: int | None = None,
    dropout: float = 0.2,
    drop_path: float = 0.0,
    policy: str = "float32",
    seed: int = 0,
    fit: str = "stretch",
) -> tuple[Model, Model]:
    """What `build` returns for `head="top"` and random weights, and what of it is trained.

    The latter takes the same photographs and returns logits; where the network has auxiliary classifiers
    (`backbones.auxiliary`) and the photographs are large enough for them, a list: logits, then theirs.
    """
    settings: dict[str, Any] = {"head": "top", "dropout": dropout, "policy": policy, "seed": seed, "fit": fit}
    settings |= {"drop_path": drop_path} if drop_path else {}
    if backbones.auxiliary(backbone) is not None:
        try:
            model, others = _built(backbone, classes, image_size, None, **settings, auxiliary=True)
            return model, Model(model.input, [model.get_layer("logits").output, *others], name=backbone)
        except UsageError:  # too small for them; if too small for the network as well, the next says so
            pass
    model, _ = _built(backbone, classes, image_size, None, **settings)
    return model, part(model, None, "logits")


def _built(
    backbone: str,
    classes: Sequence[str],
    image_size: int | None,
    weights: Any,
    *,
    head: str,
    dropout: float,
    policy: str,
    seed: int,
    fit: str,
    **more: Any,
) -> tuple[Model, list[KerasTensor]]:
    """From photographs to probabilities, and beside it the logits of auxiliary classifiers."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)  # Keras has no other way to reach every layer of a builder
    try:
        if head == "top":
            options: dict[str, Any] = {
                "classes": len(classes),
                "dropout": dropout,
                "classifier_activation": None,
                **more,
            }
        else:
            options = {"include_top": False, "pooling": "avg", **more}
        trunk = _trunk(backbone, image_size, weights, seed, options)
        answer, *others = trunk.outputs
        # Not at the photo: the trunk is built whole, and a layer before it would make it a model in a model.
        x = layers.Identity(name=f"fit_{fit}")(answer)
        if head == "top":
            x = layers.Identity(dtype="float32", name="logits")(x)
        else:
            x = _head(x, len(classes), head == "mlp", dropout, seed)
        x = layers.Softmax(dtype="float32", name="probabilities")(x)
    finally:
        keras.config.set_dtype_policy(before)
    return Model(trunk.input, x, name=backbone), others


def _trunk(backbone: str, image_size: int | None, weights: Any, seed: int, options: dict[str, Any]) -> Model:
    row = backbones.variant(backbone)
    side = image_size or backbones.image_size(backbone, weights)
    given = {"weights": weights, "input_shape": (side, side, row.channels), **options}
    if weights is None:
        given["seed"] = seed
    trunk = backbones.build(backbone, **given)
    trunk = trunk if row.channels == 3 else _in_colour(trunk)
    for layer in trunk.layers:  # a backbone's own dropout would begin anywhere
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign((zlib.crc32(f"{seed} {layer.name}".encode()), 0))
    return trunk


def _in_colour(trunk: Model) -> Model:
    """A network for grey pictures, made to take RGB: the mean of the three, which of grey is grey itself."""
    photo = keras.Input((*trunk.input_shape[1:3], 3), dtype="float32", name="photo")

    def call(layer: Any, x: Any, *others: Any, **options: Any) -> Any:
        return layer(keras.ops.mean(x, axis=-1, keepdims=True) if x is photo else x, *others, **options)

    # Layer by layer on the new photo, as a model that is called is a model in a model.
    flat = keras.models.clone_model(trunk, input_tensors=photo, call_function=call)
    flat.set_weights(trunk.get_weights())
    return flat


def _head(x: KerasTensor, classes: int, hidden: bool, dropout: float, seed: int) -> KerasTensor:
    x = layers.Dropout(dropout, seed=seed, name="head_dropout")(x)
    if hidden:
        initial = keras.initializers.GlorotUniform(seed=seed)
        x = layers.Dense(HIDDEN, "relu", kernel_initializer=initial, name="head_hidden")(x)
    # float32: half precision would round the differences between close classes away.
    initial = keras.initializers.GlorotUniform(seed=seed + 1)
    return layers.Dense(classes, kernel_initializer=initial, dtype="float32", name="logits")(x)


def calibrated(model: Model, temperature: float, threshold: float | None) -> Model:
    """The same model, its logits divided by a temperature, holding the threshold of "none of these".

    Stock layers before `probabilities`: `temperature`, and one that passes on what it gets and is called
    `none_below_0.6312`, so that files of any kind can be made from it and Keras alone reads it. A temperature
    of 1 or a threshold of None puts no layer there. TFLite folds the division into the last dense layer.
    """
    x = model.get_layer("logits").output
    if temperature != 1:
        x = layers.Rescaling(1 / temperature, dtype="float32", name=about.TEMPERATURE)(x)
    if threshold is not None:
        x = layers.Identity(dtype="float32", name=about.layer(threshold))(x)
    x = layers.Softmax(dtype="float32", name="probabilities")(x)
    return Model(model.input, x, name=model.name)


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


def first_unfrozen(model: Model, asked: str) -> str:
    """Where fine-tuning begins: as asked, and for `auto` at stage 4, or at a smaller network's last stage.

    A stage without weights, such as a last pool, is none to begin at. Raises `UsageError` if what is
    asked for is neither `none` nor `all` nor a stage of the model.
    """
    names = stages(model)
    if asked == "auto":
        found = [name for name, members in groups(model)[:-1] if any(one.weights for one in members)]
        return AUTO if AUTO in found else found[-1]
    if asked not in ("none", "all", *names):
        raise UsageError(
            f"{model.name} has no stage called '{asked}'.",
            f"Its stages are {', '.join(names)}; or use none or all.",
        )
    return asked


def unfreeze(model: Model, first: str, *, batch_norm: str | None = "inference") -> None:
    """Make the head and the stages from `first` on trainable (`all`, `none` or a stage's name).

    Batch normalisation stays frozen everywhere, statistics, scale and shift: in Keras a frozen one
    runs in inference mode, and a small set is too few to estimate statistics from. With `train` it is
    trainable in these stages, runs on each batch's statistics and moves its own towards them.
    """
    first = first_unfrozen(model, first)
    reached = first == "all"
    for name, members in groups(model):
        reached = reached or name == first
        for layer in members:
            trunk = reached and (batch_norm == "train" or not isinstance(layer, layers.BatchNormalization))
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
