"""What takes the steps: optimizers of Keras, at rates that differ by weight and by step."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from keras import Model, Variable, optimizers

WARM_UP = 0.1  # share of the steps in which the rate climbs to its peak
# What nobody gave. Adam itself knows no decay apart from the gradient, and neither Adam the momentum of sgd.
DEFAULTS: dict[str, dict[str, float | None]] = {
    "adamw": {"momentum": None, "weight_decay": 0.01},
    "adam": {"momentum": None, "weight_decay": None},
    "sgd": {"momentum": 0.9, "weight_decay": 0.0},
}


def warm_cosine(peak: float, steps: int) -> optimizers.schedules.LearningRateSchedule:
    warm_up = max(1, round(WARM_UP * steps))
    # From 1/warm_up of the peak: a first step at rate 0 would be wasted.
    return optimizers.schedules.CosineDecay(
        peak / warm_up, max(1, steps - warm_up), warmup_target=peak, warmup_steps=warm_up
    )


def climb(start: float, end: float, steps: int) -> optimizers.schedules.LearningRateSchedule:
    """From one rate to another in so many steps, each a fixed number of times the one before."""
    return optimizers.schedules.ExponentialDecay(start, max(1, steps - 1), end / start)


def resolved(name: str, momentum: float | None, weight_decay: float | None) -> dict[str, float | None]:
    """`momentum` and `weight_decay` of an optimizer, with its own where none was given (None)."""
    given = {"momentum": momentum, "weight_decay": weight_decay}
    return {key: DEFAULTS[name][key] if value is None else value for key, value in given.items()}


def layerwise(
    name: str,
    schedule: Any,
    shares: Mapping[str, float],
    variables: Sequence[Variable],
    *,
    momentum: float | None = None,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    ema: float = 0.0,
) -> optimizers.Optimizer:
    """A Keras optimizer whose rate is a share of the schedule's, weight by weight.

    `weight_decay` is apart from the gradient (Loshchilov and Hutter, arXiv:1711.05101): before a step a
    kernel loses that share of itself times its own rate. Norms and biases, which have one axis, lose
    nothing. A gradient of all weights together that is longer than `clip_norm` is shortened to it. With
    `ema` the optimizer keeps a mean of the weights beside them, beginning at those of its first step.
    """
    own = resolved(name, momentum, weight_decay)
    parent: Any
    parent, options = {
        "adamw": (optimizers.Adam, {}),  # Keras's AdamW decays at the schedule's rate, whatever the weight's
        "adam": (optimizers.Adam, {}),
        "sgd": (optimizers.SGD, {"momentum": own["momentum"], "nesterov": True}),
    }[name]
    if ema:
        options |= {"use_ema": True, "ema_momentum": ema}
    by_index = [shares.get(variable.path, 1.0) for variable in variables]
    decays = [own["weight_decay"] or 0.0 if len(variable.shape) > 1 else 0.0 for variable in variables]

    class Layerwise(parent):
        def update_step(self, gradient, variable, rate):
            # The backend hands over its own variable, which knows no path; its place is the same.
            place = self._get_variable_index(variable)
            rate = rate * by_index[place]
            if decays[place]:
                self.assign_sub(variable, variable * (rate * decays[place]))
            super().update_step(gradient, variable, rate)

    return Layerwise(schedule, global_clipnorm=clip_norm, **options)


def finish(model: Model) -> None:
    """Put the mean of the weights in their place, where the optimizer of a model keeps one."""
    # Of no step there is no mean: in float16 the first ones may all have been too large for their scale.
    if int(model.optimizer.iterations):
        model.optimizer.finalize_variable_values(model.trainable_variables)


@contextmanager
def finished(model: Model) -> Iterator[None]:
    """The model as it would be if training ended here; afterwards it is as before."""
    before = [variable.numpy() for variable in model.trainable_variables]
    finish(model)
    yield
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
