"""What a built model costs, layer by layer."""

import math

from keras import Layer, Model, layers


def multiply_adds(model: Model) -> int:
    """Multiply-adds of a model's convolutions and dense layers for one photograph of its input shape.

    As papers count: without biases, normalisation, activations and pools. The input shape has to be known.
    """
    return sum(cost(layer) for layer in model.layers)


def cost(layer: Layer) -> int:
    """The multiply-adds of one layer: each weight of its kernel once for each place of its output."""
    if not isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense):
        return 0
    places = layer.output.shape[1:-1]
    return math.prod(layer.kernel.shape) * math.prod(places)
