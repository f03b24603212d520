"""What keras.applications publishes: `.h5` files with their tops, at the addresses of the installed Keras.

Their tensors are known by their order alone, that of the layers of the function in `NETWORKS`. Hashes are
those that Keras checks by: MD5, for ConvNeXt SHA-256, for MobileNet and MobileNetV2 none. Top-1 is that of
the table at https://keras.io/api/applications; of MobileNetV3 that of its docstring; of the narrower and
wider MobileNets, which neither has, that of the README of keras-team/keras-applications.

Keras says nowhere how it crops; its examples scale the whole photo.
"""

from typing import Any

from tlkit.weights.entries import CAFFE, CENTRED, HALVED, IMAGENET, Url, Weights

APACHE, BSD, CC_BY, MIT = "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "MIT"
IN1K = "ImageNet-1k (ILSVRC 2012)"
ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
ELSEWHERE = "https://storage.googleapis.com/keras-applications/"  # EfficientNet-B0 to -B7
SLIM = "https://github.com/tensorflow/models/tree/master/research/slim"
VGG = "https://www.robots.ox.ac.uk/~vgg/research/very_deep/"
RESNET = "https://github.com/KaimingHe/deep-residual-networks"
RESNET_V2 = "https://github.com/facebookarchive/fb.resnet.torch"
EFFICIENTNET = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet"
EFFICIENTNET_V2 = "https://github.com/google/automl/tree/master/efficientnetv2"
CONVNEXT = "https://github.com/facebookresearch/ConvNeXt"
MINIMAL: dict[str, Any] = {"minimalistic": True}

# fmt: off
# Of the licences, VGG's to MobileNetV2's are stated in docs/templates/applications.md of keras-team/keras (it
# had that file until 2020), the others in the repositories that the weights were converted from.
KINDS = {
    # folder, geometry, pixels, licence, who trained it, on what
    "vgg16": ("vgg16/", "torch", CAFFE, CC_BY, VGG, IN1K),
    "vgg19": ("vgg19/", "torch", CAFFE, CC_BY, VGG, IN1K),
    "resnet": ("resnet/", "keras", CAFFE, MIT, RESNET, IN1K),
    "resnet_v2": ("resnet/", "keras", CENTRED, BSD, RESNET_V2, IN1K),
    "inception_v3": ("inception_v3/", "keras", CENTRED, APACHE, SLIM, IN1K),
    "xception": ("xception/", "keras", CENTRED, MIT, "https://github.com/keras-team/keras", IN1K),
    "densenet": ("densenet/", "keras", IMAGENET, BSD, "https://github.com/liuzhuang13/DenseNet", IN1K),
    "mobilenet": ("mobilenet/", "tensorflow", CENTRED, APACHE, SLIM, IN1K),
    "mobilenet_v2": ("mobilenet_v2/", "tensorflow", CENTRED, APACHE, SLIM, IN1K),
    "mobilenet_v3": ("mobilenet_v3/", "tensorflow", CENTRED, APACHE, SLIM, IN1K),
    # Keras divides by the roots of the file's spreads, and once more in a layer that it builds for this file
    # alone: in the end pixels come out by IMAGENET's statistics.
    "efficientnet": ("", "tensorflow", IMAGENET, APACHE, EFFICIENTNET, IN1K),
    "efficientnet_v2_b": ("efficientnet_v2/", "tensorflow", IMAGENET, APACHE, EFFICIENTNET_V2, IN1K),
    "efficientnet_v2": ("efficientnet_v2/", "tensorflow", HALVED, APACHE, EFFICIENTNET_V2, IN1K),
    "convnext": ("convnext/", "torch", IMAGENET, MIT, CONVNEXT, IN1K),
    "convnext_22k": ("convnext/", "torch", IMAGENET, MIT, CONVNEXT, "ImageNet-22k, then ImageNet-1k"),
}

FILES: tuple[tuple[str, str, str, dict[str, Any], float, int, float, str, str], ...] = (
    # ours, kind, function of keras.applications and its options, MB (four bytes a number), pixels a side,
    # top-1, file, hash
    ("vgg16", "vgg16", "VGG16", {}, 553.4, 224, 0.713,
     "vgg16_weights_tf_dim_ordering_tf_kernels.h5", "64373286793e3c8b2b4e3219cbf3544b"),
    ("vgg19", "vgg19", "VGG19", {}, 574.7, 224, 0.713,
     "vgg19_weights_tf_dim_ordering_tf_kernels.h5", "cbe5617147190e668d6c5d5026f83318"),
    ("resnet50", "resnet", "ResNet50", {}, 102.5, 224, 0.749,
     "resnet50_weights_tf_dim_ordering_tf_kernels.h5", "2cb95161c43110f7111970584f804107"),
    ("resnet101", "resnet", "ResNet101", {}, 178.8, 224, 0.764,
     "resnet101_weights_tf_dim_ordering_tf_kernels.h5", "f1aeb4b969a6efcfb50fad2f0c20cfc5"),
    ("resnet152", "resnet", "ResNet152", {}, 241.7, 224, 0.766,
     "resnet152_weights_tf_dim_ordering_tf_kernels.h5", "100835be76be38e30d865e96f2aaae62"),
    ("resnet50_v2", "resnet_v2", "ResNet50V2", {}, 102.5, 224, 0.76,
     "resnet50v2_weights_tf_dim_ordering_tf_kernels.h5", "3ef43a0b657b3be2300d5770ece849e0"),
    ("resnet101_v2", "resnet_v2", "ResNet101V2", {}, 178.7, 224, 0.772,
     "resnet101v2_weights_tf_dim_ordering_tf_kernels.h5", "6343647c601c52e1368623803854d971"),
    ("resnet152_v2", "resnet_v2", "ResNet152V2", {}, 241.5, 224, 0.78,
     "resnet152v2_weights_tf_dim_ordering_tf_kernels.h5", "a49b44d1979771252814e80f8ec446f9"),
    ("inception_v3", "inception_v3", "InceptionV3", {}, 95.4, 299, 0.779,
     "inception_v3_weights_tf_dim_ordering_tf_kernels.h5", "9a0d58056eeedaa3f26cb7ebd46da564"),
    ("xception", "xception", "Xception", {}, 91.6, 299, 0.79,
     "xception_weights_tf_dim_ordering_tf_kernels.h5", "0a58e3b7378bc2990ea3b43d5981f1f6"),
    ("densenet121", "densenet", "DenseNet121", {}, 32.3, 224, 0.75,
     "densenet121_weights_tf_dim_ordering_tf_kernels.h5", "9d60b8095a5708f2dcce2bca79d332c7"),
    ("densenet169", "densenet", "DenseNet169", {}, 57.2, 224, 0.762,
     "densenet169_weights_tf_dim_ordering_tf_kernels.h5", "d699b8f76981ab1b30698df4c175e90b"),
    ("densenet201", "densenet", "DenseNet201", {}, 81.0, 224, 0.773,
     "densenet201_weights_tf_dim_ordering_tf_kernels.h5", "1ceb130c1ea1b78c3bf6114dbdfd8807"),
    ("mobilenet_v1", "mobilenet", "MobileNet", {"alpha": 1.0}, 17.0, 224, 0.704,
     "mobilenet_1_0_224_tf.h5", ""),
    ("mobilenet_v1_075", "mobilenet", "MobileNet", {"alpha": 0.75}, 10.4, 224, 0.68412,
     "mobilenet_7_5_224_tf.h5", ""),
    ("mobilenet_v1_050", "mobilenet", "MobileNet", {"alpha": 0.5}, 5.4, 224, 0.64292,
     "mobilenet_5_0_224_tf.h5", ""),
    ("mobilenet_v1_025", "mobilenet", "MobileNet", {"alpha": 0.25}, 1.9, 224, 0.51582,
     "mobilenet_2_5_224_tf.h5", ""),
    ("mobilenet_v2_035", "mobilenet_v2", "MobileNetV2", {"alpha": 0.35}, 6.8, 224, 0.60086,
     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224.h5", ""),
    ("mobilenet_v2_050", "mobilenet_v2", "MobileNetV2", {"alpha": 0.5}, 7.9, 224, 0.65194,
     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_224.h5", ""),
    ("mobilenet_v2_075", "mobilenet_v2", "MobileNetV2", {"alpha": 0.75}, 10.7, 224, 0.69532,
     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.75_224.h5", ""),
    ("mobilenet_v2", "mobilenet_v2", "MobileNetV2", {"alpha": 1.0}, 14.2, 224, 0.713,
     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5", ""),
    ("mobilenet_v2_130", "mobilenet_v2", "MobileNetV2", {"alpha": 1.3}, 21.7, 224, 0.7468,
     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.3_224.h5", ""),
    ("mobilenet_v2_140", "mobilenet_v2", "MobileNetV2", {"alpha": 1.4}, 24.6, 224, 0.7523,
     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224.h5", ""),
    ("mobilenet_v3_large", "mobilenet_v3", "MobileNetV3Large", {}, 22.0, 224, 0.756,
     "weights_mobilenet_v3_large_224_1.0_float.h5", "59e551e166be033d707958cf9e29a6a7"),
    ("mobilenet_v3_large_075", "mobilenet_v3", "MobileNetV3Large", {"alpha": 0.75}, 16.1, 224, 0.733,
     "weights_mobilenet_v3_large_224_0.75_float.h5", "765b44a33ad4005b3ac83185abf1d0eb"),
    ("mobilenet_v3_large_minimalistic", "mobilenet_v3", "MobileNetV3Large", MINIMAL, 15.8, 224, 0.723,
     "weights_mobilenet_v3_large_minimalistic_224_1.0_float.h5", "675e7b876c45c57e9e63e6d90a36599c"),
    ("mobilenet_v3_small", "mobilenet_v3", "MobileNetV3Small", {}, 10.2, 224, 0.681,
     "weights_mobilenet_v3_small_224_1.0_float.h5", "8768d4c2e7dee89b9d02b2d03d65d862"),
    ("mobilenet_v3_small_075", "mobilenet_v3", "MobileNetV3Small", {"alpha": 0.75}, 8.2, 224, 0.654,
     "weights_mobilenet_v3_small_224_0.75_float.h5", "cb65d4e5be93758266aa0a7f2c6708b7"),
    ("mobilenet_v3_small_minimalistic", "mobilenet_v3", "MobileNetV3Small", MINIMAL, 8.2, 224, 0.619,
     "weights_mobilenet_v3_small_minimalistic_224_1.0_float.h5", "99cd97fb2fcdad2bf028eb838de69e37"),
    ("efficientnet_b0", "efficientnet", "EfficientNetB0", {}, 21.3, 224, 0.771,
     "efficientnetb0.h5", "902e53a9f72be733fc0bcb005b3ebbac"),
    ("efficientnet_b1", "efficientnet", "EfficientNetB1", {}, 31.4, 240, 0.791,
     "efficientnetb1.h5", "1d254153d4ab51201f1646940f018540"),
    ("efficientnet_b2", "efficientnet", "EfficientNetB2", {}, 36.7, 260, 0.801,
     "efficientnetb2.h5", "b15cce36ff4dcbd00b6dd88e7857a6ad"),
    ("efficientnet_b3", "efficientnet", "EfficientNetB3", {}, 49.3, 300, 0.816,
     "efficientnetb3.h5", "ffd1fdc53d0ce67064dc6a9c7960ede0"),
    ("efficientnet_b4", "efficientnet", "EfficientNetB4", {}, 77.9, 380, 0.829,
     "efficientnetb4.h5", "18c95ad55216b8f92d7e70b3a046e2fc"),
    ("efficientnet_b5", "efficientnet", "EfficientNetB5", {}, 122.3, 456, 0.836,
     "efficientnetb5.h5", "ace28f2a6363774853a83a0b21b9421a"),
    ("efficientnet_b6", "efficientnet", "EfficientNetB6", {}, 173.1, 528, 0.84,
     "efficientnetb6.h5", "165f6e37dce68623721b423839de8be5"),
    ("efficientnet_b7", "efficientnet", "EfficientNetB7", {}, 266.6, 600, 0.843,
     "efficientnetb7.h5", "8c03f828fec3ef71311cd463b6759d99"),
    ("efficientnet_v2_b0", "efficientnet_v2_b", "EfficientNetV2B0", {}, 28.8, 224, 0.787,
     "efficientnetv2-b0.h5", "21ecbf6da12460d5c40bb2f29ceb2188"),
    ("efficientnet_v2_b1", "efficientnet_v2_b", "EfficientNetV2B1", {}, 32.8, 240, 0.798,
     "efficientnetv2-b1.h5", "069f0534ff22adf035c89e2d9547a9dc"),
    ("efficientnet_v2_b2", "efficientnet_v2_b", "EfficientNetV2B2", {}, 40.7, 260, 0.805,
     "efficientnetv2-b2.h5", "424e49f28180edbde1e94797771950a7"),
    ("efficientnet_v2_b3", "efficientnet_v2_b", "EfficientNetV2B3", {}, 57.9, 300, 0.82,
     "efficientnetv2-b3.h5", "1f1fc43bd98a6e4fd8fdfd551e02c7a0"),
    ("efficientnet_v2_s", "efficientnet_v2", "EfficientNetV2S", {}, 86.4, 384, 0.839,
     "efficientnetv2-s.h5", "e1d88a8495beba45748fedd0cecbe016"),
    ("efficientnet_v2_m", "efficientnet_v2", "EfficientNetV2M", {}, 217.7, 480, 0.853,
     "efficientnetv2-m.h5", "a3bf6aa3276309f4fc6a34aa114c95cd"),
    ("efficientnet_v2_l", "efficientnet_v2", "EfficientNetV2L", {}, 476.1, 480, 0.857,
     "efficientnetv2-l.h5", "27e6d408b53c7ebc868fefa357689935"),
    ("convnext_tiny", "convnext", "ConvNeXtTiny", {}, 114.4, 224, 0.813,
     "convnext_tiny.h5", "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff"),
    ("convnext_small", "convnext", "ConvNeXtSmall", {}, 200.9, 224, 0.823,
     "convnext_small.h5", "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c"),
    ("convnext_base", "convnext_22k", "ConvNeXtBase", {}, 354.4, 224, 0.853,
     "convnext_base.h5", "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6"),
    ("convnext_large", "convnext_22k", "ConvNeXtLarge", {}, 791.1, 224, 0.863,
     "convnext_large.h5", "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6"),
    ("convnext_xlarge", "convnext_22k", "ConvNeXtXLarge", {}, 1400.8, 224, 0.867,
     "convnext_xlarge.h5", "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee"),
)
# fmt: on

# Which function of keras.applications builds the network of a file, and how it is called.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    backbone: (function, options) for backbone, _, function, options, *_ in FILES
}


def entries() -> list[Weights]:
    return [
        Weights(
            backbone=backbone,
            name="keras",
            publisher="keras",
            geometry=geometry,
            where=Url(f"{ADDRESS}{folder}{file}" if folder else f"{ELSEWHERE}{file}", "keras"),
            digest=f"{'sha256' if len(digits) == 64 else 'md5'}:{digits}" if digits else "",
            bytes=round(megabytes * 1e6),
            pixels=pixels,
            image_size=size,
            crop=None,
            interpolation="bilinear",
            top1=top1,
            licence=licence,
            training_data=training_data,
            source=source,
        )
        for backbone, kind, _, _, megabytes, size, top1, file, digits in FILES
        for folder, geometry, pixels, licence, source, training_data in [KINDS[kind]]
    ]
