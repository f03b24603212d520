"""Saved models: a `.keras` file, a `.tflite` file, a SavedModel folder, opened and written alike.

Importing this room is light; Keras, TensorFlow or LiteRT load when a model of theirs is opened.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.errors import ModelError, UsageError
from tlkit.formats.converter import Converted, Converter, Pending

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Converted", "Converter", "Opened", "Pending", "open"]


@dataclass(frozen=True)
class Opened:
    """A model that can be asked, whatever it is stored in."""

    path: Path
    kind: str  # keras, tflite or savedmodel
    image_size: int  # pixels a side
    classes: int
    labels: tuple[str, ...] | None  # in the order of the outputs; None where the format holds none
    fit: str  # how a photo becomes its square: stretch, crop or pad (`data.fits`)
    run: Callable[["np.ndarray"], "np.ndarray"]
    temperature: float = 1.0  # that its probabilities were calibrated with (`tlkit.calibration`)
    threshold: float | None = None  # the answer is none of these where all classes are less likely

    def predict(self, pixels: "np.ndarray") -> "np.ndarray":
        """Photos (n, image_size, image_size, 3), uint8 RGB, to probabilities (n, classes), float32.

        The model must have been fed its own size: nothing is resized here.
        Raises `ModelError` if what comes out are no probabilities.
        """
        import numpy as np

        expected = (self.image_size, self.image_size, 3)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            raise ValueError(
                f"photos are {pixels.dtype} {pixels.shape}; {self.path} takes uint8 (n, *{expected})"
            )
        if not len(pixels):
            return np.zeros((0, self.classes), np.float32)
        probabilities = self.run(pixels)
        # A little slack for half precision and for int8, whose steps are 1/256.
        if not ((probabilities > -0.01) & (probabilities < 1.01)).all():
            raise ModelError(
                f"{self.path} returns numbers that are no probabilities: "
                f"{probabilities.min():.3g} to {probabilities.max():.3g}.",
                "A model for tlkit ends in a softmax.",
            )
        return probabilities


def open(path: Path) -> Opened:
    """Open a `.keras` file, a `.tflite` file or a SavedModel folder, with the labels it holds.

    A `.keras` file has none inside: `labels.txt` beside it is read if there.

    Raises `UsageError` if nothing is there; `ModelError` if it cannot be read, is no image
    classifier, or has more or fewer labels than outputs.
    """
    path = Path(path)
    opened = _opener(path)(path)
    if opened.labels is not None and len(opened.labels) != opened.classes:
        raise ModelError(
            f"{path} has {opened.classes} outputs, but {len(opened.labels)} labels come with it.",
            "One label a line is needed, in the order of the outputs.",
        )
    return opened


def _opener(path: Path) -> Callable[[Path], Opened]:
    if not path.exists():
        raise UsageError(f"There is no model at {path}.")
    suffix = path.suffix.lower()
    if path.is_dir() and (path / "saved_model.pb").is_file():
        from tlkit.formats import savedmodel

        return savedmodel.open
    if path.is_file() and suffix == ".keras":
        from tlkit.formats import keras_file

        return keras_file.open
    if path.is_file() and suffix == ".tflite":
        from tlkit.formats import litert

        return litert.open
    if suffix in (".h5", ".hdf5"):
        raise ModelError(
            f"{path} is in Keras's old HDF5 format, which can run code when loaded; tlkit does not open it.",
            "Load it where you trust it and save it again: model.save('model.keras').",
        )
    raise ModelError(
        f"{path} is no model that tlkit knows.", "It opens .keras, .tflite and SavedModel folders."
    )
