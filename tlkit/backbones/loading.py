"""What `weights=` means: a published file, or one of the user's own, with all that has to travel with it."""

import hashlib
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras import Model

from tlkit import files
from tlkit import progress as speaking
from tlkit.backbones import INDEX, conversion, fitting, saved
from tlkit.backbones.conversion import LOGITS, TOP, Source
from tlkit.backbones.keras_order import ordered
from tlkit.errors import UsageError, WeightsError
from tlkit.progress import Silent
from tlkit.weights import cache, catalogue, contents, pins
from tlkit.weights.entries import Pixels, Weights
from tlkit.weights.fetching import fetch

NAMED = 6  # entries in a message


class Loaded(NamedTuple):
    """Tensors, and what they were trained in: nothing of it is ever guessed."""

    called: str  # for messages: an entry's name, or a path
    path: Path
    sha256: str
    entry: Weights | None  # whose names, geometry and pixels it has; None: those of a model that tlkit built
    genuine: bool  # it is the entry's file, as far as its publisher says what that is
    publisher: str  # a key of the family's `names`, or "tlkit"
    geometry: str
    pixels: Pixels
    image_size: int | None  # of its figures, or of a model that was trained; None: the backbone's own
    tensors: Mapping[str, np.ndarray] | None  # None: a .weights.h5, which Keras itself reads
    classes: int | None  # of its top; None: it has none

    def names(self, family: Any, variant: Any) -> Mapping[str, Source]:
        """Which of its tensors fill which of our layers."""
        if self.publisher == "tlkit":
            layers = {name.rpartition("/")[0] for name in self.tensors or ()}
            return {layer: layer for layer in layers}
        return family.names[self.publisher](variant, family.geometries[self.geometry])


def choose(
    backbone: str, family: Any, weights: str | os.PathLike[str] | Loaded, progress: Silent | None = None
) -> Loaded:
    """What `weights` means to a backbone: an entry's name, a file, a run's folder, or NAME=FILE.

    A published file is fetched if it is not here, which `progress` is told of (default: stderr).

    Raises `UsageError` for a name or path that is not there, `WeightsError` for any other fault.
    """
    if isinstance(weights, Loaded):
        return weights
    told = progress or speaking.to(sys.stderr)
    text = os.fspath(weights)
    entry = catalogue.find(backbone, text) if isinstance(weights, str) else None
    if entry:
        return published(entry, fetch(entry, progress=told), family)
    if weights == catalogue.DEFAULT:
        raise catalogue.unpublished(backbone)
    path = _path(text)
    name, given, file = text.partition("=")
    if given and not _exists(path):
        entry = catalogue.find(backbone, name)
        if entry is None:
            raise catalogue.unknown(backbone, name)
        path = _path(file)
        if not file or not _exists(path):
            raise UsageError(f"There is no file '{file}'.", f"It was named as the file of '{name}'.")
        # Read before its hash is taken: a pipe or a device has none, and no end.
        return published(entry, path, family)._replace(genuine=not cache.compare(entry, path)[1])
    if not _exists(path):
        raise catalogue.unknown(backbone, text)
    if path.is_dir():
        path /= "model.keras"
        if not path.is_file():
            raise UsageError(f"{path.parent} is no run: it holds no model.keras.", "Name a run or a file.")
    stored = contents.read(path)
    if stored.kind == "keras":
        return own(backbone, family, path)
    sha256 = _digest(path, "sha256")
    entry = _recognised(backbone, path, sha256)
    if entry is None:
        raise _bare(backbone, path, stored)
    return published(entry, path, family)


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # Path's own raises for a user whom there is not


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # longer than the system takes, or not ours to see
        return False


def published(entry: Weights, path: Path, family: Any) -> Loaded:
    """The tensors of an entry, from its file or from one of its kind."""
    stored = contents.read(path)
    variant = family.variants[entry.backbone]
    tensors: Mapping[str, np.ndarray] | None = stored.tensors
    if stored.kind == "keras":
        raise WeightsError(
            f"{path} is a whole Keras model, no file of '{entry.name}'.",
            "Give it without a name before it: what it was trained on stands in it.",
        )
    names = family.names[entry.publisher](variant, family.geometries[entry.geometry])
    publisher = entry.publisher
    if stored.kind == "keras3":
        tensors = None
    elif stored.kind == "h5" and _ours(stored, names):
        tensors, publisher = saved.by_name(stored.layers), "tlkit"
    elif stored.kind == "h5":
        if entry.publisher != "keras":
            raise _other_kind(entry, path, "a Keras weights file")
        tensors = ordered(entry.backbone, stored, path)
    elif entry.publisher == "keras":
        raise _other_kind(entry, path, "a file with tensors in PyTorch's order")
    else:
        tensors = fitting.renamed(family, entry.publisher, stored.tensors)
    if tensors is not None and publisher != "tlkit":
        _check_kind(entry, path, stored, tensors, names)
    return Loaded(
        called=entry.name,
        path=path,
        sha256=_digest(path, "sha256"),
        entry=entry,
        genuine=True,
        publisher=publisher,
        geometry=entry.geometry,
        pixels=entry.pixels,
        image_size=entry.image_size,
        tensors=tensors,
        classes=_classes(tensors, {LOGITS: LOGITS} if publisher == "tlkit" else names),
    )


def _ours(stored: contents.Stored, names: Mapping[str, Source]) -> bool:
    """Whether a `.h5` is of a model that tlkit built: its layers have our names."""
    return {name for name in names if not name.startswith(TOP)} <= {name for name, _ in stored.layers}


def _check_kind(
    entry: Weights,
    path: Path,
    stored: contents.Stored,
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, Source],
) -> None:
    try:
        fitting.check_names(tensors, names, conversion.layout(entry.publisher))
    except WeightsError as error:
        alike = [row.name for row in fitting.entries(entry.backbone, stored, path)]
        others = [] if alike else fitting.networks(stored, path, entry.backbone)
        raise WeightsError(
            f"{path} is no file of {entry.backbone}'s '{entry.name}': {error.message}.",
            f"It is like that of {', '.join((alike or others)[:NAMED])}." if alike or others else None,
        ) from error


def _other_kind(entry: Weights, path: Path, kind: str) -> WeightsError:
    others = [row.name for row in catalogue.entries(entry.backbone) if row.publisher != entry.publisher]
    return WeightsError(
        f"{path} is {kind}, and '{entry.name}' is none.",
        f"Name another set before it: {', '.join(others[:NAMED])}." if others else None,
    )


def own(backbone: str, family: Any, path: Path) -> Loaded:
    """The tensors of a model that tlkit built and Keras saved; what it was trained on stands in it."""
    found = saved.read(path)
    known = family.variants[backbone].geometries
    geometry = next((name for name in known if saved.fits(found, backbone, name)), None)
    if geometry is None:
        raise WeightsError(
            f"{path} holds another network than {backbone}: {saved.difference(found, backbone)}.",
            f"It was saved as '{found.name}': use --backbone {found.name}." if found.name in INDEX else None,
        )
    if found.pixels is None:
        raise WeightsError(
            f"{path} does not say which pixels it was trained on: it has no layer 'normalise'.",
            "Save the model with its preprocessing, or name an entry of the same statistics before its "
            ".weights.h5: NAME=FILE.",
        )
    return Loaded(
        called=str(path),
        path=path,
        sha256=_digest(path, "sha256"),
        entry=None,
        genuine=False,
        publisher="tlkit",
        geometry=geometry,
        pixels=found.pixels,
        image_size=found.shape[0] if found.shape else None,
        tensors=found.tensors,
        classes=found.classes,
    )


def give(model: Model, loaded: Loaded, family: Any, variant: Any, *, top: bool) -> None:
    """Give a backbone its weights: all of them, or all but the top's.

    Raises `WeightsError` that says what differs, and of a file of the user's own which networks it fits.
    """
    if loaded.tensors is None:
        _by_keras(model, loaded)
        return
    try:
        conversion.give(
            model,
            loaded.tensors,
            loaded.names(family, variant),
            loaded.publisher,
            top=top,
            bgr=loaded.pixels.bgr,
        )
    except WeightsError as error:
        others = fitting.networks(contents.read(loaded.path), loaded.path, "") if loaded.entry else []
        hint = f"The file fits {', '.join(others[:NAMED])}." if others else None
        raise WeightsError(f"{loaded.path}: {error.message}", hint) from error


def _by_keras(model: Model, loaded: Loaded) -> None:
    """A `.weights.h5`, which Keras goes through layer by layer; a larger model's gives what is asked for."""
    try:
        with warnings.catch_warnings():  # of each list of layers that a larger model has otherwise
            warnings.simplefilter("ignore")
            model.load_weights(loaded.path)
    except Exception as error:  # a damaged file can fail anywhere in h5py and Keras
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(
            f"{loaded.path} does not hold the weights of {model.name} as tlkit builds it: {reason}",
            "It has to be of the same network, saved by save_weights; without its top: include_top=False.",
        ) from error


def _recognised(backbone: str, path: Path, sha256: str) -> Weights | None:
    """The entry that a file is, by its content alone; None if it is of none.

    Raises `WeightsError` if it is another backbone's.
    """
    found = {"sha256": sha256, "md5": _digest(path, "md5")}
    kept = cache.folder() if files.home() else None
    for entries in catalogue.every().values():
        for entry in entries:
            kind, _, digits = entry.digest.partition(":")
            digits = digits or (pins.get(kept, entry.where.path) if kept else "")
            if digits and found[kind or "sha256"].startswith(digits):
                if entry.backbone == backbone:
                    return entry
                raise WeightsError(
                    f"{path} is no weights file of {backbone}: it is '{entry.name}' of {entry.backbone}.",
                    f"Use --backbone {entry.backbone}, or another file.",
                )
    return None


def _bare(backbone: str, path: Path, stored: contents.Stored) -> WeightsError:
    """What is to be said of a file that is no entry: of what kind it may be, or of what network."""
    fitting_here = fitting.entries(backbone, stored, path)
    if fitting_here:
        names = [entry.name for entry in fitting_here]
        more = f" or {len(names) - NAMED} more ('tlkit weights ls {backbone}')" if len(names) > NAMED else ""
        return WeightsError(
            f"{path} does not say which pixels it was trained on, nor in which geometry.",
            f"Name the set that it was trained like, {', '.join(names[:NAMED])}{more}: "
            f"--weights {names[0] if len(names) == 1 else 'NAME'}={path}",
        )
    others = fitting.networks(stored, path, backbone)
    return WeightsError(
        f"{path} holds no weights of {backbone}: {fitting.difference(backbone, stored, path)}.",
        f"They fit {', '.join(others[:NAMED])}." if others else "They fit no network that tlkit knows.",
    )


def _classes(tensors: Mapping[str, np.ndarray] | None, names: Mapping[str, Source]) -> int | None:
    bias = f"{conversion.of(names[LOGITS]).name}{{}}bias"
    found = [(tensors or {}).get(bias.format(separator)) for separator in "./"]
    return next((len(tensor) for tensor in found if tensor is not None and tensor.ndim == 1), None)


def _digest(path: Path, kind: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, kind).hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
