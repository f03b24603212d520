"""What the families are made of: stock Keras layers only, so that a saved model needs no tlkit."""

from typing import Literal, NamedTuple, Protocol

from keras import KerasTensor, initializers, layers, ops

RELUS = {"relu": None, "relu6": 6.0}  # and where they end

# He et al., arXiv:1502.01852, over outgoing connections, as in the official EfficientNet. Each layer takes a
# clone: one initialiser without a seed gives the same numbers to all layers of one shape.
HE = initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")
# Over incoming ones: a signal that nothing normalises keeps its size where layers widen and narrow by turns.
HE_INCOMING = initializers.VarianceScaling(2.0, mode="fan_in", distribution="truncated_normal")


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
    kernel: int | tuple[int, int],
    stride: int = 1,
    *,
    name: str,
    padding: Literal["torch", "tensorflow", "valid"] = "torch",
    bias: bool = True,
    groups: int = 1,
    initial: initializers.Initializer = HE,
) -> KerasTensor:
    """Convolution with zeros around: at stride 1 it keeps the size, at stride 2 it halves it, rounding up."""
    x, pad = _padded(x, kernel, stride, padding, name)
    drawn = initial.clone()
    return layers.Conv2D(
        filters, kernel, stride, pad, groups=groups, use_bias=bias, kernel_initializer=drawn, name=name
    )(x)


def conv_norm(
    x: KerasTensor,
    filters: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    *,
    geometry: Conventions,
    name: str,
    act: str | None = "relu",
    groups: int = 1,
    gamma: str = "ones",
    initial: initializers.Initializer = HE,
) -> KerasTensor:
    """Convolution, batch normalisation (`name`_norm), activation (`name`_relu; None: linear)."""
    bias, padding = geometry.bias, geometry.padding
    x = conv(
        x, filters, kernel, stride, name=name, padding=padding, bias=bias, groups=groups, initial=initial
    )
    return norm(x, geometry=geometry, name=name, act=act, gamma=gamma)


def conv_relu(
    x: KerasTensor,
    filters: int,
    kernel: int,
    stride: int = 1,
    *,
    name: str,
    padding: Literal["torch", "tensorflow", "valid"] = "torch",
    groups: int = 1,
    initial: initializers.Initializer = HE,
) -> KerasTensor:
    """Convolution with biases, then a ReLU called `name`_relu: before batch normalisation was known."""
    x = conv(x, filters, kernel, stride, name=name, padding=padding, groups=groups, initial=initial)
    return activation(x, "relu", name)


def dense_relu(x: KerasTensor, width: int, *, name: str) -> KerasTensor:
    """A hidden dense layer, then a ReLU called `name`_relu."""
    # Over incoming connections, unlike HE: a flattened map has many times more of these than `width`.
    # Uniform: VGG-16 has 120 million numbers here, and normal ones of that spread take eight times as long.
    x = layers.Dense(width, kernel_initializer=initializers.HeUniform(), name=name)(x)
    return activation(x, "relu", name)


def depthwise(
    x: KerasTensor,
    kernel: int,
    stride: int = 1,
    *,
    name: str,
    padding: Literal["torch", "tensorflow", "valid"] = "torch",
    bias: bool = True,
    initial: initializers.Initializer = HE,
) -> KerasTensor:
    """`conv` with one kernel a channel."""
    x, pad = _padded(x, kernel, stride, padding, name)
    kernels = layers.DepthwiseConv2D(
        kernel, stride, pad, use_bias=bias, depthwise_initializer=initial.clone(), name=name
    )
    return kernels(x)


def depthwise_norm(
    x: KerasTensor,
    kernel: int,
    stride: int = 1,
    *,
    geometry: Conventions,
    name: str,
    act: str | None = "relu",
) -> KerasTensor:
    """`conv_norm` with one kernel a channel."""
    x = depthwise(x, kernel, stride, name=name, padding=geometry.padding, bias=geometry.bias)
    return norm(x, geometry=geometry, name=name, act=act)


def norm(
    x: KerasTensor, *, geometry: Conventions, name: str, act: str | None = "relu", gamma: str = "ones"
) -> KerasTensor:
    """Batch normalisation called `name`_norm, then an activation called `name`_`act`.

    `gamma`, "ones" or "zeros", is what it starts to multiply by.
    """
    momentum, epsilon = geometry.momentum, geometry.epsilon
    x = layers.BatchNormalization(
        momentum=momentum, epsilon=epsilon, gamma_initializer=gamma, name=f"{name}_norm"
    )(x)
    return x if act is None else activation(x, act, name)


def activation(x: KerasTensor, act: str, name: str) -> KerasTensor:
    """`act` by Keras's name (relu, relu6, silu, hard_silu, gelu: the exact one), in a layer `name`_`act`."""
    if act in RELUS:
        return layers.ReLU(RELUS[act], name=f"{name}_{act}")(x)
    return layers.Activation(act, name=f"{name}_{act}")(x)


def max_pool(x: KerasTensor, size: int, stride: int, *, name: str) -> KerasTensor:
    """Maximum over `size`×`size`, size // 2 places wider on both sides, as in torch.

    Only for maps that are nowhere below zero, after a ReLU: torch goes on with minus infinity, this with 0.
    """
    # padding="same" would put its one zero after the map, not one on each side.
    x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, stride, name=name)(x)


def signed_max_pool(x: KerasTensor, *, name: str) -> KerasTensor:
    """Maximum over 3×3 at stride 2 as in torch, also of maps that go below zero."""
    # The edge once more: it is in the window already, so the maximum is that of the places within the map.
    x = ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    return layers.MaxPooling2D(3, 2, name=name)(x)


def ceil_max_pool(x: KerasTensor, *, name: str, after: int = 1) -> KerasTensor:
    """Maximum over 3×3 at stride 2, a last window that the map's end cuts off as well: Caffe's pool.

    Torch calls it ceil_mode. For n places n/2 if n is even, (n − 1)/2 if it is odd, or with two zeros
    `after` the map (n + 1)/2. As `max_pool` after a ReLU.
    """
    # padding="same" would put a zero on each side of a map of odd size.
    x = layers.ZeroPadding2D(((0, after), (0, after)), name=f"{name}_pad")(x)
    return layers.MaxPooling2D(3, 2, name=name)(x)


def response_norm(x: KerasTensor, constant: float = 2.0, alpha: float = 1e-4) -> KerasTensor:
    """Each channel over (`constant` + `alpha` · sum of the squares of five channels around it) ** 0.75.

    Constants of Krizhevsky et al. (2012), section 3.3. Caffe and torch divide their alpha by the five.
    """
    # float32 under every policy: half precision ends at 65,504, the square of 256. The next layer casts back.
    wide = ops.cast(x, "float32")
    channels = x.shape[-1]
    squares = ops.pad(wide * wide, ((0, 0), (0, 0), (0, 0), (2, 2)))
    total = squares[..., :channels]
    for shift in range(1, 5):
        total = total + squares[..., shift : shift + channels]
    total = constant + alpha * total
    # By roots and products, which phones have in integers; they have no squares and powers.
    root = ops.rsqrt(total)
    return wide * root * ops.rsqrt(total * root)


def drop_path(x: KerasTensor, share: float, name: str) -> KerasTensor:
    """Stochastic depth: in training the whole branch of a photograph is left out, a `share` of times.

    Huang et al., arXiv:1603.09382; what is kept is scaled by 1 / (1 − share).
    """
    if not share:
        return x
    return layers.Dropout(share, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(x)


def bottleneck(
    x: KerasTensor,
    width: int,
    channels: int,
    stride: int = 1,
    *,
    geometry: Conventions,
    name: str,
    dropped: float = 0.0,
    early: bool = False,
    groups: int = 1,
    squeeze: int | None = None,
    gamma: str = "ones",
) -> KerasTensor:
    """Residual block of three: 1×1 down to `width`, 3×3 in `groups`, 1×1 up to `channels`; ReLU at its end.

    The `stride` sits in the 3×3, or `early`, in the first 1×1. `squeeze`: channels within squeeze-and-excite.
    """
    before, within = (stride, 1) if early else (1, stride)
    shortcut = projected(x, channels, stride, geometry=geometry, name=name)
    x = conv_norm(x, width, 1, before, geometry=geometry, name=f"{name}_reduce")
    x = conv_norm(x, width, 3, within, geometry=geometry, groups=groups, name=f"{name}_spatial")
    x = conv_norm(x, channels, 1, geometry=geometry, act=None, gamma=gamma, name=f"{name}_expand")
    if squeeze is not None:
        x = squeeze_excite(x, squeeze, name)
    return added(drop_path(x, dropped, name), shortcut, name)


def projected(x: KerasTensor, channels: int, stride: int, *, geometry: Conventions, name: str) -> KerasTensor:
    """The shortcut of a residual block: as it came, or through a 1×1 where size or channels change."""
    if stride == 1 and x.shape[-1] == channels:
        return x
    return conv_norm(x, channels, 1, stride, geometry=geometry, act=None, name=f"{name}_shortcut")


def added(x: KerasTensor, shortcut: KerasTensor, name: str) -> KerasTensor:
    """The end of a residual block: branch plus shortcut, then ReLU."""
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, shortcut]))


def squeeze_excite(
    x: KerasTensor, width: int, name: str, act: str = "relu", gate: str = "sigmoid"
) -> KerasTensor:
    """Each channel times a share of 0–1 that the means of all channels decide, by way of `width` of them.

    Hu et al., arXiv:1709.01507, figure 3; both dense layers as 1×1 convolutions with biases. `act` follows
    the first; the `gate`, `sigmoid` or `hard_sigmoid`, the second.
    """
    channels = x.shape[-1]
    means = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    share = activation(conv(means, width, 1, name=f"{name}_squeeze_conv"), act, f"{name}_squeeze_conv")
    share = conv(share, channels, 1, name=f"{name}_excite_conv")
    share = layers.Activation(gate, name=f"{name}_excite_gate")(share)
    return layers.Multiply(name=f"{name}_excite")([x, share])


def inverted(
    x: KerasTensor,
    expanded: int,
    channels: int,
    kernel: int,
    stride: int = 1,
    *,
    geometry: Conventions,
    name: str,
    act: str = "relu6",
    squeeze: int | None = None,
    squeeze_act: str = "relu",
    gate: str = "sigmoid",
    dropped: float = 0.0,
) -> KerasTensor:
    """Inverted bottleneck: 1×1 up to `expanded`, one kernel a channel, 1×1 down to `channels`, linear.

    Sandler et al., arXiv:1801.04381, figure 4d. The first 1×1 is left out where it would not widen; the
    shortcut, where size or channels change. `squeeze`: channels within squeeze-and-excite, which follows
    the kernels; `squeeze_act` and `gate` are its two functions.
    """
    shortcut = x
    if expanded != x.shape[-1]:
        x = conv_norm(x, expanded, 1, geometry=geometry, act=act, name=f"{name}_expand")
    x = depthwise_norm(x, kernel, stride, geometry=geometry, act=act, name=f"{name}_depthwise")
    if squeeze is not None:
        x = squeeze_excite(x, squeeze, name, act=squeeze_act, gate=gate)
    x = conv_norm(x, channels, 1, geometry=geometry, act=None, name=f"{name}_project")
    if stride > 1 or shortcut.shape[-1] != channels:
        return x
    return layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])


def rounded(channels: float) -> int:
    """To the nearest multiple of eight, not below nine tenths: how MobileNets and EfficientNets widen."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole if whole >= 0.9 * channels else whole + 8


def mark(x: KerasTensor, name: str) -> KerasTensor:
    """Name the end of a stage: a layer without weights that survives saving, for taps and freezing.

    A pool belongs to the stage that it begins, so that a mark is the last map of its size.
    """
    return layers.Identity(name=name)(x)


def _padded(
    x: KerasTensor, kernel: int | tuple[int, int], stride: int, padding: str, name: str
) -> tuple[KerasTensor, str]:
    """The input and the padding that Keras is to be told; odd kernels at stride 1 are padded alike by all."""
    if padding == "valid" or kernel == 1:
        return x, "valid"
    if padding == "tensorflow" or stride == 1:
        return x, "same"
    high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    return layers.ZeroPadding2D((high // 2, wide // 2), name=f"{name}_pad")(x), "valid"
