"""What the families are made of: stock Keras layers only, so that a saved model needs no tlkit."""

from keras import KerasTensor, initializers, layers

# He et al., arXiv:1502.01852, over outgoing connections, as in the official EfficientNet.
HE = initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def conv_norm(
    x: KerasTensor, filters: int, kernel: int, stride: int = 1, *, name: str, act: str | None = "relu6"
) -> KerasTensor:
    """Convolution without bias, batch normalisation, ReLU6 (`act=None`: linear)."""
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer=HE, name=name)(x)
    return _norm(x, act, name)


def depthwise_norm(
    x: KerasTensor, kernel: int, stride: int = 1, *, name: str, act: str | None = "relu6"
) -> KerasTensor:
    """The same with one kernel a channel."""
    x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, depthwise_initializer=HE, name=name)(x)
    return _norm(x, act, name)


def mark(x: KerasTensor, name: str) -> KerasTensor:
    """Name the end of a stage: a layer without weights that survives saving, for taps and freezing."""
    return layers.Identity(name=name)(x)


def _norm(x: KerasTensor, act: str | None, name: str) -> KerasTensor:
    # 1e-3: the variances of the EfficientNet-Lite weights go down to exactly 0 (639 of Lite0's 21,008
    # channels are below 1e-3), so that 1e-5 would multiply channels by ten. Momentum 0.99 as officially.
    x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_norm")(x)
    if act is None:
        return x
    assert act == "relu6", act
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)
