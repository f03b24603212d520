"""What takes the steps: optimizers of Keras, at rates that differ by weight and by step."""

from collections.abc import Mapping
from typing import Any

from keras import optimizers

WEIGHT_DECAY = 0.01  # of AdamW, times the rate; for kernels only
WARM_UP = 0.1  # share of the steps in which the rate climbs to its peak
MOMENTUM = 0.9  # of SGD


def warm_cosine(peak: float, steps: int) -> optimizers.schedules.LearningRateSchedule:
    warm_up = max(1, round(WARM_UP * steps))
    # From 1/warm_up of the peak: a first step at rate 0 would be wasted.
    return optimizers.schedules.CosineDecay(
        peak / warm_up, max(1, steps - warm_up), warmup_target=peak, warmup_steps=warm_up
    )


def layerwise(name: str, schedule: Any, shares: Mapping[str, float], variables: list) -> optimizers.Optimizer:
    """A Keras optimizer whose rate is a share of the schedule's, weight by weight."""
    parent: Any
    parent, options = {
        "adamw": (optimizers.AdamW, {"weight_decay": WEIGHT_DECAY}),
        "adam": (optimizers.Adam, {}),
        "sgd": (optimizers.SGD, {"momentum": MOMENTUM, "nesterov": True}),
    }[name]
    by_index = [shares.get(variable.path, 1.0) for variable in variables]

    class Layerwise(parent):
        def update_step(self, gradient, variable, rate):
            # The backend hands over its own variable, which knows no path; its place is the same.
            super().update_step(gradient, variable, rate * by_index[self._get_variable_index(variable)])

    made = Layerwise(schedule, **options)
    made.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) < 2])
    return made
