"""What the families are made of: stock Keras layers only, so that a saved model needs no tlkit."""

from typing import Literal, NamedTuple, Protocol

from keras import KerasTensor, initializers, layers

# He et al., arXiv:1502.01852, over outgoing connections, as in the official EfficientNet.
HE = initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


class Conventions(Protocol):
    """Where publishers differ about one and the same network. A family's geometry has at least these."""

    @property
    def padding(self) -> Literal["torch", "tensorflow"]: ...  # zeros at stride 2: both sides alike, or after
    @property
    def epsilon(self) -> float: ...  # of batch normalisation
    @property
    def momentum(self) -> float: ...  # of its moving statistics, as Keras counts: 1 − torch's
    @property
    def bias(self) -> bool: ...  # convolutions that a normalisation follows have one


class Geometry(NamedTuple):
    """`Conventions` and nothing more."""

    padding: Literal["torch", "tensorflow"]
    epsilon: float
    momentum: float
    bias: bool = False


TORCH = Geometry("torch", 1e-5, 0.9)  # torchvision's and timm's usual


def conv(
    x: KerasTensor,
    filters: int,
    kernel: int,
    stride: int = 1,
    *,
    name: str,
    padding: Literal["torch", "tensorflow", "valid"] = "torch",
    bias: bool = True,
    groups: int = 1,
) -> KerasTensor:
    """Convolution with zeros around: at stride 1 it keeps the size, at stride 2 it halves it, rounding up."""
    x, pad = _padded(x, kernel, stride, padding, name)
    return layers.Conv2D(
        filters, kernel, stride, pad, groups=groups, use_bias=bias, kernel_initializer=HE, name=name
    )(x)


def conv_norm(
    x: KerasTensor,
    filters: int,
    kernel: int,
    stride: int = 1,
    *,
    geometry: Conventions,
    name: str,
    act: str | None = "relu",
    groups: int = 1,
) -> KerasTensor:
    """Convolution, batch normalisation (`name`_norm), activation (`name`_relu; None: linear)."""
    bias, padding = geometry.bias, geometry.padding
    x = conv(x, filters, kernel, stride, name=name, padding=padding, bias=bias, groups=groups)
    return norm(x, geometry=geometry, name=name, act=act)


def depthwise_norm(
    x: KerasTensor,
    kernel: int,
    stride: int = 1,
    *,
    geometry: Conventions,
    name: str,
    act: str | None = "relu",
) -> KerasTensor:
    """The same with one kernel a channel."""
    x, pad = _padded(x, kernel, stride, geometry.padding, name)
    x = layers.DepthwiseConv2D(
        kernel, stride, pad, use_bias=geometry.bias, depthwise_initializer=HE, name=name
    )(x)
    return norm(x, geometry=geometry, name=name, act=act)


def norm(x: KerasTensor, *, geometry: Conventions, name: str, act: str | None = "relu") -> KerasTensor:
    """Batch normalisation called `name`_norm, then an activation called `name`_relu or `name`_relu6."""
    momentum, epsilon = geometry.momentum, geometry.epsilon
    x = layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=f"{name}_norm")(x)
    return x if act is None else activation(x, act, name)


def activation(x: KerasTensor, act: str, name: str) -> KerasTensor:
    """A ReLU called `name`_relu, or one that ends at 6, `name`_relu6."""
    return layers.ReLU({"relu": None, "relu6": 6.0}[act], name=f"{name}_{act}")(x)


def max_pool(x: KerasTensor, size: int, stride: int, *, name: str) -> KerasTensor:
    """Maximum over `size`×`size`, size // 2 places wider on both sides, as in torch.

    Only for maps that are nowhere below zero, after a ReLU: torch goes on with minus infinity, this with 0.
    """
    # padding="same" would put its one zero after the map, not one on each side.
    x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, stride, name=name)(x)


def drop_path(x: KerasTensor, share: float, name: str) -> KerasTensor:
    """Stochastic depth: in training the whole branch of a photograph is left out, a `share` of times.

    Huang et al., arXiv:1603.09382; what is kept is scaled by 1 / (1 − share).
    """
    if not share:
        return x
    return layers.Dropout(share, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(x)


def mark(x: KerasTensor, name: str) -> KerasTensor:
    """Name the end of a stage: a layer without weights that survives saving, for taps and freezing.

    A pool belongs to the stage that it begins, so that a mark is the last map of its size.
    """
    return layers.Identity(name=name)(x)


def _padded(x: KerasTensor, kernel: int, stride: int, padding: str, name: str) -> tuple[KerasTensor, str]:
    """The input and the padding that Keras is to be told; odd kernels at stride 1 are padded alike by all."""
    if padding == "valid" or kernel == 1:
        return x, "valid"
    if padding == "tensorflow" or stride == 1:
        return x, "same"
    return layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"
