"""Files as publishers write them, with numbers of our own in them, and which entries they are files of."""

import re
import sys
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import save_file

from tlkit import backbones
from tlkit.weights import catalogue

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "weights"))

import torch_by_hand  # noqa: E402

# Families whose first files are older than torch 1.6, which began to write archives.
BEFORE_ARCHIVES = {"alexnet", "vgg", "googlenet", "inception_v3", "densenet", "mobilenet_v2", "resnext"}
# In DenseNet's, of 2017, a module's name could hold a dot: denselayer1.norm.1.weight.
OLDER = re.compile(r"(denselayer\d+\.)(norm|conv)([12])\.")


def form(entry):
    """What decides which tensors go where: each form of the catalogue has to be proven."""
    return backbones.family(entry.backbone), entry.publisher, entry.geometry


def forms():
    """The forms of all entries."""
    return {form(entry) for entries in catalogue.every().values() for entry in entries}


def entry_of(case):
    """An entry whose files are such as the case's twin would write; None if nobody publishes any."""
    geometry = case.options.get("geometry", backbones.variant(case.backbone).geometries[0])
    fitting = [
        entry
        for entry in catalogue.entries(case.backbone)
        if (entry.publisher, entry.geometry) == (getattr(case, "publisher", "keras"), geometry)
    ]
    return fitting[-1] if fitting and getattr(case, "names", None) is None else None


def write(entry, tensors, folder):
    """A file of the entry's format; returns what `weights=` takes for it."""
    if entry.publisher == "timm":
        path = folder / "model.safetensors"
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)
    else:
        path, family = folder / "weights.pth", backbones.family(entry.backbone)
        if family == "densenet":
            tensors = {OLDER.sub(r"\1\2.\3.", name): value for name, value in tensors.items()}
        torch_by_hand.save(path, tensors, legacy=family in BEFORE_ARCHIVES)
    return f"{entry.name}={path}"


def write_h5(path, layers):
    """A file as Keras 1 and 2 wrote it: (name, {name of a weight: numbers}) by layer, also without any."""
    with h5py.File(path, "w") as file:
        _attribute(file, "layer_names", [name for name, _ in layers])
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for name, weights in layers:
            group = file.require_group(name)  # a layer called conv/bn lies in that called conv
            _attribute(group, "weight_names", list(weights))
            for weight, value in weights.items():
                group[weight] = value


def _attribute(group, attribute, names):
    group.attrs[attribute] = np.array([name.encode() for name in names])
