"""The index of backbones: their names, and the builder behind each, imported only when asked for.

>>> from tlkit.backbones import EfficientNetLite0
>>> EfficientNetLite0(weights=None, include_top=False).output_shape
(None, 7, 7, 1280)
"""

import difflib
import importlib
from typing import TYPE_CHECKING, Any, Unpack

from tlkit.errors import UnknownBackbone

if TYPE_CHECKING:
    from collections.abc import Callable

    from keras import Model

    from tlkit.backbones.loading import Loaded
    from tlkit.backbones.options import Options, Row
    from tlkit.progress import Silent

INDEX = {
    "neocognitron": "neocognitron:Neocognitron",
    "neocognitron_test": "neocognitron:NeocognitronTest",
    "lenet5": "lenet:LeNet5",
    "lenet5_32": "lenet:LeNet5_32",
    "lenet_test": "lenet:LeNetTest",
    "small_cnn": "small_cnn:SmallCNN",
    "small_cnn_test": "small_cnn:SmallCNNTest",
    "simple_resnet": "simple_resnet:SimpleResNet",
    "simple_resnet_test": "simple_resnet:SimpleResNetTest",
    "alexnet": "alexnet:AlexNet",
    "alexnet_2012": "alexnet:AlexNet2012",
    "alexnet_test": "alexnet:AlexNetTest",
    "alexnet_2012_test": "alexnet:AlexNet2012Test",
    "nin": "nin:NiN",
    "nin_cifar": "nin:NiNCIFAR",
    "nin_test": "nin:NiNTest",
    "nin_cifar_test": "nin:NiNCIFARTest",
    "vgg11": "vgg:VGG11",
    "vgg11_bn": "vgg:VGG11BN",
    "vgg13": "vgg:VGG13",
    "vgg13_bn": "vgg:VGG13BN",
    "vgg16": "vgg:VGG16",
    "vgg16_bn": "vgg:VGG16BN",
    "vgg19": "vgg:VGG19",
    "vgg19_bn": "vgg:VGG19BN",
    "vgg_test": "vgg:VGGTest",
    "resnet18": "resnet:ResNet18",
    "resnet34": "resnet:ResNet34",
    "resnet50": "resnet:ResNet50",
    "resnet101": "resnet:ResNet101",
    "resnet152": "resnet:ResNet152",
    "resnet_test": "resnet:ResNetTest",
    "resnet50_v2": "resnet_v2:ResNet50V2",
    "resnet101_v2": "resnet_v2:ResNet101V2",
    "resnet152_v2": "resnet_v2:ResNet152V2",
    "resnet_v2_test": "resnet_v2:ResNetV2Test",
    "resnet20_cifar": "resnet_cifar:ResNet20CIFAR",
    "resnet32_cifar": "resnet_cifar:ResNet32CIFAR",
    "resnet44_cifar": "resnet_cifar:ResNet44CIFAR",
    "resnet56_cifar": "resnet_cifar:ResNet56CIFAR",
    "resnet110_cifar": "resnet_cifar:ResNet110CIFAR",
    "resnet1202_cifar": "resnet_cifar:ResNet1202CIFAR",
    "plain20_cifar": "resnet_cifar:Plain20CIFAR",
    "plain56_cifar": "resnet_cifar:Plain56CIFAR",
    "plain110_cifar": "resnet_cifar:Plain110CIFAR",
    "resnet_cifar_test": "resnet_cifar:ResNetCIFARTest",
    "resnext50_32x4d": "resnext:ResNeXt50_32x4d",
    "resnext101_32x8d": "resnext:ResNeXt101_32x8d",
    "resnext101_64x4d": "resnext:ResNeXt101_64x4d",
    "se_resnet50": "resnext:SEResNet50",
    "wide_resnet50_2": "resnext:WideResNet50_2",
    "resnext_test": "resnext:ResNeXtTest",
    "se_resnet_test": "resnext:SEResNetTest",
    "googlenet": "googlenet:GoogLeNet",
    "googlenet_2014": "googlenet:GoogLeNet2014",
    "googlenet_test": "googlenet:GoogLeNetTest",
    "googlenet_2014_test": "googlenet:GoogLeNet2014Test",
    "inception_bn": "inception_bn:InceptionBN",
    "inception_bn_test": "inception_bn:InceptionBNTest",
    "inception_v3": "inception_v3:InceptionV3",
    "inception_v3_test": "inception_v3:InceptionV3Test",
    "xception": "xception:Xception",
    "xception_test": "xception:XceptionTest",
    "densenet121": "densenet:DenseNet121",
    "densenet161": "densenet:DenseNet161",
    "densenet169": "densenet:DenseNet169",
    "densenet201": "densenet:DenseNet201",
    "densenet_test": "densenet:DenseNetTest",
    "mobilenet_v1": "mobilenet_v1:MobileNetV1",
    "mobilenet_v1_025": "mobilenet_v1:MobileNetV1_025",
    "mobilenet_v1_050": "mobilenet_v1:MobileNetV1_050",
    "mobilenet_v1_075": "mobilenet_v1:MobileNetV1_075",
    "mobilenet_v1_test": "mobilenet_v1:MobileNetV1Test",
    "mobilenet_v2": "mobilenet_v2:MobileNetV2",
    "mobilenet_v2_035": "mobilenet_v2:MobileNetV2_035",
    "mobilenet_v2_050": "mobilenet_v2:MobileNetV2_050",
    "mobilenet_v2_075": "mobilenet_v2:MobileNetV2_075",
    "mobilenet_v2_130": "mobilenet_v2:MobileNetV2_130",
    "mobilenet_v2_140": "mobilenet_v2:MobileNetV2_140",
    "mobilenet_v2_test": "mobilenet_v2:MobileNetV2Test",
    "mobilenet_v3_small": "mobilenet_v3:MobileNetV3Small",
    "mobilenet_v3_large": "mobilenet_v3:MobileNetV3Large",
    "mobilenet_v3_small_075": "mobilenet_v3:MobileNetV3Small_075",
    "mobilenet_v3_large_075": "mobilenet_v3:MobileNetV3Large_075",
    "mobilenet_v3_small_minimalistic": "mobilenet_v3:MobileNetV3SmallMinimalistic",
    "mobilenet_v3_large_minimalistic": "mobilenet_v3:MobileNetV3LargeMinimalistic",
    "mobilenet_v3_test": "mobilenet_v3:MobileNetV3Test",
    "mobilenet_v3_minimalistic_test": "mobilenet_v3:MobileNetV3MinimalisticTest",
    "efficientnet_b0": "efficientnet:EfficientNetB0",
    "efficientnet_b1": "efficientnet:EfficientNetB1",
    "efficientnet_b2": "efficientnet:EfficientNetB2",
    "efficientnet_b3": "efficientnet:EfficientNetB3",
    "efficientnet_b4": "efficientnet:EfficientNetB4",
    "efficientnet_b5": "efficientnet:EfficientNetB5",
    "efficientnet_b6": "efficientnet:EfficientNetB6",
    "efficientnet_b7": "efficientnet:EfficientNetB7",
    "efficientnet_lite0": "efficientnet:EfficientNetLite0",
    "efficientnet_lite1": "efficientnet:EfficientNetLite1",
    "efficientnet_lite2": "efficientnet:EfficientNetLite2",
    "efficientnet_lite3": "efficientnet:EfficientNetLite3",
    "efficientnet_lite4": "efficientnet:EfficientNetLite4",
    "efficientnet_test": "efficientnet:EfficientNetTest",
    "efficientnet_b_test": "efficientnet:EfficientNetBTest",
    "efficientnet_v2_b0": "efficientnet_v2:EfficientNetV2B0",
    "efficientnet_v2_b1": "efficientnet_v2:EfficientNetV2B1",
    "efficientnet_v2_b2": "efficientnet_v2:EfficientNetV2B2",
    "efficientnet_v2_b3": "efficientnet_v2:EfficientNetV2B3",
    "efficientnet_v2_s": "efficientnet_v2:EfficientNetV2S",
    "efficientnet_v2_m": "efficientnet_v2:EfficientNetV2M",
    "efficientnet_v2_l": "efficientnet_v2:EfficientNetV2L",
    "efficientnet_v2_test": "efficientnet_v2:EfficientNetV2Test",
    "convnext_atto": "convnext:ConvNeXtAtto",
    "convnext_femto": "convnext:ConvNeXtFemto",
    "convnext_pico": "convnext:ConvNeXtPico",
    "convnext_nano": "convnext:ConvNeXtNano",
    "convnext_tiny": "convnext:ConvNeXtTiny",
    "convnext_small": "convnext:ConvNeXtSmall",
    "convnext_base": "convnext:ConvNeXtBase",
    "convnext_large": "convnext:ConvNeXtLarge",
    "convnext_xlarge": "convnext:ConvNeXtXLarge",
    "convnext_v2_atto": "convnext:ConvNeXtV2Atto",
    "convnext_v2_femto": "convnext:ConvNeXtV2Femto",
    "convnext_v2_pico": "convnext:ConvNeXtV2Pico",
    "convnext_v2_nano": "convnext:ConvNeXtV2Nano",
    "convnext_v2_tiny": "convnext:ConvNeXtV2Tiny",
    "convnext_v2_small": "convnext:ConvNeXtV2Small",
    "convnext_v2_base": "convnext:ConvNeXtV2Base",
    "convnext_v2_large": "convnext:ConvNeXtV2Large",
    "convnext_v2_huge": "convnext:ConvNeXtV2Huge",
    "convnext_test": "convnext:ConvNeXtTest",
    "convnext_v2_test": "convnext:ConvNeXtV2Test",
}

_BUILDERS = {entry.partition(":")[2]: name for name, entry in INDEX.items()}

# What else is public, and the module that it loads with.
_LATE = {
    "PixelWarning": "pixels",
    "check_pixels": "pixels",
    "Options": "options",
    "Tap": "taps",
    "fpn": "feature_pyramid",
    "pyramid": "taps",
}

__all__ = [
    "INDEX",
    "auxiliary",
    "build",
    "family",
    "image_size",
    "pretrained",
    "unused",
    "variant",
    *_LATE,
    *_BUILDERS,
]


def build(name: str, /, **options: "Unpack[Options]") -> "Model":
    """The backbone called `name` in INDEX; options: `options.Options`.

    Raises `UnknownBackbone`, and what its builder raises.

    >>> build("efficientnet_test", weights=None, include_top=False, pooling="avg").output_shape
    (None, 64)
    """
    return _builder(name)(**options)


def variant(name: str) -> "Row":
    """The row of `name` in its family's table: sizes, parameters."""
    return importlib.import_module(f"{__name__}.{family(name)}").VARIANTS[name]


def pretrained(name: str, weights: Any, progress: "Silent | None" = None) -> "Loaded":
    """What `weights=` of a builder means, fetched and read: to be asked about, and given to `build` as it is.

    Raises `UsageError` or `WeightsError`, as the builder does.
    """
    module = importlib.import_module(f"{__name__}.{family(name)}")
    return importlib.import_module(f"{__name__}.loading").choose(name, module.FAMILY, weights, progress)


def image_size(name: str, weights: Any = None) -> int:
    """Pixels a side that `name` is built for with these weights, unless others are asked for."""
    settings = importlib.import_module(f"{__name__}.options")
    return settings.image_size(name, variant(name), weights)


def auxiliary(name: str) -> float | None:
    """How much the losses of a network's auxiliary classifiers count beside its own; None: it has none."""
    return importlib.import_module(f"{__name__}.{family(name)}").FAMILY.auxiliary


def unused(name: str, option: str) -> str | None:
    """Why one of the common options would do nothing in the family of `name`; None: it does something."""
    return importlib.import_module(f"{__name__}.{family(name)}").FAMILY.unused.get(option)


def family(name: str) -> str:
    """The file that `name` is built in.

    >>> family("efficientnet_lite0")
    'efficientnet'
    """
    if name not in INDEX:
        near = max(INDEX, key=lambda known: difflib.SequenceMatcher(None, name, known).ratio())
        guess = f"Did you mean '{near}'? " if difflib.get_close_matches(name, [near]) else ""
        raise UnknownBackbone(f"No backbone is called '{name}'.", f"{guess}'tlkit backbones' lists them.")
    return INDEX[name].partition(":")[0]


def _builder(name: str) -> "Callable[..., Model]":
    module = importlib.import_module(f"{__name__}.{family(name)}")
    return getattr(module, INDEX[name].partition(":")[2])


def __getattr__(attribute: str) -> Any:
    """`from tlkit.backbones import EfficientNetLite0`: Keras loads here, not with the index."""
    if attribute in _BUILDERS:
        return _builder(_BUILDERS[attribute])
    if attribute in _LATE:
        return getattr(importlib.import_module(f"{__name__}.{_LATE[attribute]}"), attribute)
    raise AttributeError(f"module '{__name__}' has no attribute '{attribute}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE, *_BUILDERS})
