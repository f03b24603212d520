"""Weights out of an .h5 file of Keras 1 or 2, alone or in a whole model, whose configuration is not read.

HDF5 is a file system in a file: links lead out of it, data sets lie in other files or nowhere, unpack
themselves or call for plug-ins. Keras uses none of that. Everything in the file is therefore looked at
before a number is read, and what Keras does not write is refused.
"""

import math
import struct
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path

import h5py
import numpy as np

from tlkit.weights.archives import Window
from tlkit.weights.h5_texts import Texts
from tlkit.weights.numbers import Refused, plain, short

OBJECTS = 20_000  # groups and data sets; Keras's MobileNet with Adam's numbers has 455
NAMES = 2**22  # bytes of an attribute with names
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, struct.error)
LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
TOP = "top_level_model_weights"
KERAS3_BFLOAT16 = np.dtype("V2")  # it marks them by an attribute of the data set
KERAS3 = ("layers", "_layer_checkpoint_dependencies", "vars")

Layers = tuple[tuple[str, tuple[np.ndarray, ...]], ...]


def read(path: Path, content: mmap) -> Layers | None:
    """The layers that have weights, in the file's order; None for the weights of Keras 3, once looked at.

    `content` is the same file, mapped. Floats come as float32. Raises `Refused`, and what `DAMAGE` names.
    """
    texts = Texts(content)
    # No lock: the file may lie where nobody can write.
    with h5py.File(path, "r", locking=False) as file:
        _check(file, len(content), texts)
        group = file["model_weights"] if "model_weights" in file else file
        names = _names(group, "layer_names", texts)
        if names is not None:
            return _layers(group, names, texts)
        if any(name in file for name in KERAS3):
            return None
        raise Refused("it has neither the weights of Keras 1 or 2 nor those of Keras 3")


def check_keras3(content: memoryview) -> None:
    """Look at the weights in a Keras archive, which Keras 3 is to read."""
    with h5py.File(Window(content), "r") as file:
        _check(file, len(content), Texts(content))
        if not any(name in file for name in KERAS3):
            raise Refused("its weights are not those of Keras 3")


def _check(file: h5py.File, size: int, texts: Texts) -> None:
    """Look at every object that the file has, and at no number: all of them fit into `size` bytes."""
    declared = 0
    for place, found in _objects(file):
        if isinstance(found, h5py.Dataset):
            declared += _bytes(place, found)
            if declared > size:
                raise Refused("its data sets are larger than the file")
            if "dtype" in found.attrs:  # the one attribute that Keras 3 reads
                _texts(found, "dtype", texts, axes=0)


def _objects(file: h5py.File) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Each group and data set once, with a name that leads to it. Links may go round in circles."""
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    seen, links = {h5py.h5o.get_info(file.id).addr}, 0
    while waiting:
        above, group = waiting.pop()
        links += len(group)
        if links > OBJECTS:
            raise Refused(f"it has more than {OBJECTS:,} objects")
        for name in group:
            place = f"{above}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"{short(place)} is a link to somewhere else")
            found = group[name]
            if not isinstance(found, h5py.Group | h5py.Dataset):
                raise Refused(f"{short(place)} is neither a group nor a data set")
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            yield place, found
            if isinstance(found, h5py.Group):
                waiting.append((place, found))


def _bytes(place: str, found: h5py.Dataset) -> int:
    """What a data set takes to read; refused if that is more than numbers that lie in this file."""
    plan = found.id.get_create_plist()
    layout = plan.get_layout()
    if layout not in LAYOUTS or plan.get_external_count():
        raise Refused(f"the data set {short(place)} lies in other files")
    if plan.get_nfilters():
        raise Refused(f"the data set {short(place)} is compressed, which Keras never does")
    known = (found.dtype.kind in "fiub" and found.dtype.itemsize <= 8) or found.dtype == KERAS3_BFLOAT16
    if found.shape is None or not known:
        raise Refused(f"the data set {short(place)} holds something else than numbers")
    declared = math.prod(found.shape) * found.dtype.itemsize
    if layout == h5py.h5d.CHUNKED:  # read by the chunk, each as a whole
        declared = max(declared, math.prod(plan.get_chunk()) * found.dtype.itemsize)
    return declared


def _layers(group: h5py.Group, names: list[str], texts: Texts) -> Layers:
    layers, seen = [], set()
    if len(set(names)) != len(names):
        raise Refused("two of its layers have one name")
    # Weights that belong to no layer would get lost.
    if TOP in group and _names(group[TOP], "weight_names", texts):
        raise Refused("it has weights outside of its layers")
    for name in names:
        arrays = []
        for weight in _names(group[name], "weight_names", texts) or []:
            found = group[name][weight]
            address = h5py.h5o.get_info(found.id).addr
            if not isinstance(found, h5py.Dataset) or address in seen:
                raise Refused(f"{short(f'{name}/{weight}')} is no data set of its own")
            seen.add(address)
            if found.dtype == KERAS3_BFLOAT16:
                raise Refused(f"{short(f'{name}/{weight}')} holds something else than numbers")
            arrays.append(plain(np.asarray(found[()])))
        if arrays:
            layers.append((name, tuple(arrays)))
    if not layers:
        raise Refused("it holds no weights")
    return tuple(layers)


def _names(group: h5py.Group, attribute: str, texts: Texts) -> list[str] | None:
    """A list of names; None if there is none. One too long for HDF5 is in parts, NAME0, NAME1 and so on."""
    if attribute in group.attrs:
        return _texts(group, attribute, texts)
    parts: list[str] = []
    for number in range(OBJECTS):
        if f"{attribute}{number}" not in group.attrs:
            return parts if number else None
        parts += _texts(group, f"{attribute}{number}", texts)
        if len(parts) > OBJECTS:
            break
    raise Refused(f"its attribute {attribute} is too long")


def _texts(group: h5py.Group | h5py.Dataset, attribute: str, texts: Texts, axes: int = 1) -> list[str]:
    """The texts of an attribute; with `axes` 0 it has to have a single one."""
    described = group.attrs.get_id(attribute)
    if described.shape == (0,):  # without a name, NumPy takes it for numbers
        return []
    kind = h5py.check_string_dtype(described.dtype)
    count = math.prod(described.shape)
    if kind is None or len(described.shape) != axes:
        raise Refused(f"its attribute {attribute} is not of texts")
    if kind.length is None:
        found = texts.of(h5py.h5o.get_info(group.id).addr, attribute, NAMES)
    elif count * kind.length > NAMES:
        raise Refused(f"its attribute {attribute} is too long")
    else:
        found = [text.decode() for text in np.ravel(group.attrs[attribute])]
    if len(found) != count or count > OBJECTS:
        raise Refused(f"its attribute {attribute} has no possible number of texts")
    return found
