"""What torchvision publishes: the `.pth` files of its ImageNet classifiers, as torchvision 0.28 states them.

File names end in the first eight digits of their sha256. `FILES` has the pixels a side of the crop, which is
the backbone's own size everywhere but in EfficientNet-B2, and of the short side that it is taken from.
"""

from tlkit.weights.entries import CENTRED, IMAGENET, Url, Weights

ADDRESS = "https://download.pytorch.org/models/"

# fmt: off
FILES = (
    # network, version, file, MiB, crop, of a short side, interpolation, top-1
    ("alexnet", 1, "alexnet-owt-7be5be79.pth", 233.087, 224, 256, "bilinear", 0.56522),
    ("vgg11", 1, "vgg11-8a719046.pth", 506.84, 224, 256, "bilinear", 0.6902),
    ("vgg11_bn", 1, "vgg11_bn-6002323d.pth", 506.881, 224, 256, "bilinear", 0.7037),
    ("vgg13", 1, "vgg13-19584684.pth", 507.545, 224, 256, "bilinear", 0.69928),
    ("vgg13_bn", 1, "vgg13_bn-abd245e5.pth", 507.59, 224, 256, "bilinear", 0.71586),
    ("vgg16", 1, "vgg16-397923af.pth", 527.796, 224, 256, "bilinear", 0.71592),
    ("vgg16_bn", 1, "vgg16_bn-6c64b313.pth", 527.866, 224, 256, "bilinear", 0.7336),
    ("vgg19", 1, "vgg19-dcbb9e9d.pth", 548.051, 224, 256, "bilinear", 0.72376),
    ("vgg19_bn", 1, "vgg19_bn-c79401a0.pth", 548.143, 224, 256, "bilinear", 0.74218),
    ("googlenet", 1, "googlenet-1378be20.pth", 49.731, 224, 256, "bilinear", 0.69778),
    ("inception_v3", 1, "inception_v3_google-0cc3c7bd.pth", 103.903, 299, 342, "bilinear", 0.77294),
    ("resnet18", 1, "resnet18-f37072fd.pth", 44.661, 224, 256, "bilinear", 0.69758),
    ("resnet34", 1, "resnet34-b627a593.pth", 83.275, 224, 256, "bilinear", 0.73314),
    ("resnet50", 1, "resnet50-0676ba61.pth", 97.781, 224, 256, "bilinear", 0.7613),
    ("resnet50", 2, "resnet50-11ad3fa6.pth", 97.79, 224, 232, "bilinear", 0.80858),
    ("resnet101", 1, "resnet101-63fe2227.pth", 170.511, 224, 256, "bilinear", 0.77374),
    ("resnet101", 2, "resnet101-cd907fc2.pth", 170.53, 224, 232, "bilinear", 0.81886),
    ("resnet152", 1, "resnet152-394f9c45.pth", 230.434, 224, 256, "bilinear", 0.78312),
    ("resnet152", 2, "resnet152-f82ba261.pth", 230.474, 224, 232, "bilinear", 0.82284),
    ("resnext50_32x4d", 1, "resnext50_32x4d-7cdf4587.pth", 95.789, 224, 256, "bilinear", 0.77618),
    ("resnext50_32x4d", 2, "resnext50_32x4d-1a0047aa.pth", 95.833, 224, 232, "bilinear", 0.81198),
    ("resnext101_32x8d", 1, "resnext101_32x8d-8ba56ff5.pth", 339.586, 224, 256, "bilinear", 0.79312),
    ("resnext101_32x8d", 2, "resnext101_32x8d-110c445d.pth", 339.673, 224, 232, "bilinear", 0.82834),
    ("resnext101_64x4d", 1, "resnext101_64x4d-173b62eb.pth", 319.318, 224, 232, "bilinear", 0.83246),
    ("wide_resnet50_2", 1, "wide_resnet50_2-95faca4d.pth", 131.82, 224, 256, "bilinear", 0.78468),
    ("wide_resnet50_2", 2, "wide_resnet50_2-9ba9bcbe.pth", 263.124, 224, 232, "bilinear", 0.81602),
    ("densenet121", 1, "densenet121-a639ec97.pth", 30.845, 224, 256, "bilinear", 0.74434),
    ("densenet161", 1, "densenet161-8d451a50.pth", 110.369, 224, 256, "bilinear", 0.77138),
    ("densenet169", 1, "densenet169-b2777c0a.pth", 54.708, 224, 256, "bilinear", 0.756),
    ("densenet201", 1, "densenet201-c1103571.pth", 77.373, 224, 256, "bilinear", 0.76896),
    ("mobilenet_v2", 1, "mobilenet_v2-b0353104.pth", 13.555, 224, 256, "bilinear", 0.71878),
    ("mobilenet_v2", 2, "mobilenet_v2-7ebf99e0.pth", 13.598, 224, 232, "bilinear", 0.72154),
    ("mobilenet_v3_small", 1, "mobilenet_v3_small-047dcff4.pth", 9.829, 224, 256, "bilinear", 0.67668),
    ("mobilenet_v3_large", 1, "mobilenet_v3_large-8738ca79.pth", 21.114, 224, 256, "bilinear", 0.74042),
    ("mobilenet_v3_large", 2, "mobilenet_v3_large-5c1a4163.pth", 21.107, 224, 232, "bilinear", 0.75274),
    ("efficientnet_b0", 1, "efficientnet_b0_rwightman-7f5810bc.pth", 20.451, 224, 256, "bicubic", 0.77692),
    ("efficientnet_b1", 1, "efficientnet_b1_rwightman-bac287d4.pth", 30.134, 240, 256, "bicubic", 0.78642),
    ("efficientnet_b1", 2, "efficientnet_b1-c27df63c.pth", 30.136, 240, 255, "bilinear", 0.79838),
    ("efficientnet_b2", 1, "efficientnet_b2_rwightman-c35c1473.pth", 35.174, 288, 288, "bicubic", 0.80608),
    ("efficientnet_b3", 1, "efficientnet_b3_rwightman-b3899882.pth", 47.184, 300, 320, "bicubic", 0.82008),
    ("efficientnet_b4", 1, "efficientnet_b4_rwightman-23ab8bcd.pth", 74.489, 380, 384, "bicubic", 0.83384),
    ("efficientnet_b5", 1, "efficientnet_b5_lukemelas-1a07897c.pth", 116.864, 456, 456, "bicubic", 0.83444),
    ("efficientnet_b6", 1, "efficientnet_b6_lukemelas-24a108a5.pth", 165.362, 528, 528, "bicubic", 0.84008),
    ("efficientnet_b7", 1, "efficientnet_b7_lukemelas-c5b4e57e.pth", 254.675, 600, 600, "bicubic", 0.84122),
    ("efficientnet_v2_s", 1, "efficientnet_v2_s-dd5fe13b.pth", 82.704, 384, 384, "bilinear", 0.84228),
    ("efficientnet_v2_m", 1, "efficientnet_v2_m-dc08266a.pth", 208.01, 480, 480, "bilinear", 0.85112),
    ("efficientnet_v2_l", 1, "efficientnet_v2_l-59c71312.pth", 454.573, 480, 480, "bicubic", 0.85808),
    ("convnext_tiny", 1, "convnext_tiny-983f1562.pth", 109.119, 224, 236, "bilinear", 0.8252),
    ("convnext_small", 1, "convnext_small-0c510722.pth", 191.703, 224, 230, "bilinear", 0.83616),
    ("convnext_base", 1, "convnext_base-6075fbad.pth", 338.064, 224, 232, "bilinear", 0.84062),
    ("convnext_large", 1, "convnext_large-ea097f82.pth", 754.537, 224, 232, "bilinear", 0.84414),
)

# What networks expect to see; all others IMAGENET. GoogLeNet and Inception-v3 of torchvision take pixels of
# IMAGENET's statistics and scale them on to −1…1 inside (transform_input), where ours begin.
PIXELS = {"googlenet": CENTRED, "inception_v3": CENTRED, "efficientnet_v2_l": CENTRED}
# Constants differ: in MobileNetV3 and the larger EfficientNets epsilon and momentum, from timm's.
GEOMETRIES = {
    "mobilenet_v3_small": "torchvision", "mobilenet_v3_large": "torchvision",
    "efficientnet_b5": "torchvision", "efficientnet_b6": "torchvision", "efficientnet_b7": "torchvision",
}
# Who trained what torchvision did not; by a part of the file's name.
TRAINERS = (
    ("googlenet", "https://github.com/tensorflow/models/tree/master/research/slim"),
    ("inception_v3", "https://github.com/tensorflow/models/tree/master/research/slim"),
    ("rwightman", "https://github.com/huggingface/pytorch-image-models"),
    ("lukemelas", "https://github.com/lukemelas/EfficientNet-PyTorch"),
    ("efficientnet_v2_l", "https://github.com/google/automl/tree/master/efficientnetv2"),
    ("", "https://github.com/pytorch/vision/tree/main/references/classification"),
)
# fmt: on


def entries() -> list[Weights]:
    return [
        Weights(
            backbone=network,
            name=f"tv_v{version}",
            publisher="torchvision",
            geometry=GEOMETRIES.get(network, "torch"),
            where=Url(f"{ADDRESS}{file}", "torchvision"),
            digest=f"sha256:{file.removesuffix('.pth')[-8:]}",
            bytes=round(mebibytes * 2**20),
            pixels=PIXELS.get(network, IMAGENET),
            image_size=size,
            crop=size / of,
            interpolation=interpolation,
            top1=top1,
            licence="BSD-3-Clause",
            training_data="ImageNet-1k (ILSVRC 2012)",
            source=next(address for part, address in TRAINERS if part in file),
        )
        for network, version, file, mebibytes, size, of, interpolation, top1 in FILES
    ]
