"""What a weights file holds. Its content says of which kind it is, never its name.

Nothing in a file is run, nothing is unpacked to a disk, and memory is taken by what is there, not by what
the file says is there. Any file that does not fit is a `WeightsError` of one line.
"""

import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np

from tlkit.errors import WeightsError
from tlkit.weights import archives, h5_file, safetensors_file, torch_file
from tlkit.weights.archives import Member
from tlkit.weights.h5_file import Layers
from tlkit.weights.numbers import Refused, short

# What opens in place of weights where a download went wrong, and what tlkit does not read.
LOOKALIKES = {
    b"<": "it is a page of the web, or XML",
    b"{": "it is JSON",
    b"version https://git-lfs": "it is a pointer of Git LFS, which stands for a file that was not fetched",
    b"\x1f\x8b": "it is compressed by gzip",
    b"\x93NUMPY": "it is an array of NumPy",
}
TAR = slice(257, 262)  # where tar says "ustar"

CONFIG, KERAS_WEIGHTS = "config.json", "model.weights.h5"
SMALL = 2**25  # bytes that the weights of a Keras archive, and all that is beside them, may always unpack to
INFLATED = 4  # times the file: what a network has learned hardly shrinks


class Stored(NamedTuple):
    """What a file holds, as its format has it. All arrays are read-only."""

    kind: str  # "torch", "safetensors", "h5" (of Keras 1 or 2), "keras3" (.weights.h5), "keras" (.keras)
    tensors: dict[str, np.ndarray]  # torch, safetensors: by name, in the file's order
    layers: Layers  # h5: those with weights, in the file's order


def read(path: Path) -> Stored:
    """The tensors or layers of a file; floats as float32, whole numbers as they are.

    The kinds "keras3" and "keras" are only looked at: Keras reads those itself, and then can safely.

    Raises `WeightsError`.
    """
    content = _mapped(path)
    if content is None:
        raise _unknown(path, "it is empty")
    if content[:4] == b"PK\x03\x04":
        return _from_archive(path, content)
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        with _reading(path, "an HDF5 file", h5_file.DAMAGE):
            layers = h5_file.read(path, content)
        return Stored("keras3", {}, ()) if layers is None else Stored("h5", {}, layers)
    # A header's length may begin with any byte, also with that of a pickle; its upper half is 0.
    if content[:1] == b"\x80" and content[4:9] != b"\0\0\0\0{":
        return _from_torch(path, content)
    if content[8:9] == b"{":
        with _reading(path, "a safetensors file", safetensors_file.DAMAGE):
            return Stored("safetensors", safetensors_file.read(path, content), ())
    if content[TAR] == b"ustar":
        raise _unknown(path, "it is a tar archive, as torch wrote at the very first")
    if content[4:8] == b"TFL3":
        raise _unknown(path, "it is a .tflite file, made to be run and not to be trained")
    start = content[:64].lstrip()
    raise _unknown(
        path,
        next(
            (LOOKALIKES[key] for key in LOOKALIKES if start.startswith(key)),
            "its first bytes are of no kind that it reads",
        ),
    )


def _mapped(path: Path) -> mmap | None:
    """The file's bytes, none of them read yet; None if there are none."""
    try:
        # A pipe would wait for ever, and a device never ends.
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise WeightsError(f"{path} cannot be read: it is no regular file.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return mmap(file.fileno(), 0, access=ACCESS_READ) if size else None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error


def _from_torch(path: Path, content: mmap) -> Stored:
    with _reading(path, "a torch file", torch_file.DAMAGE):
        return Stored("torch", torch_file.read(content), ())


def _from_archive(path: Path, content: mmap) -> Stored:
    with _reading(path, "a zip archive", archives.DAMAGE), archives.opened(content) as archive:
        members = archives.members(content, archive)
        if KERAS_WEIGHTS in members and CONFIG in members:
            with _reading(path, "a Keras archive", (*archives.DAMAGE, *h5_file.DAMAGE)):
                _check_keras(content, members, archive)
            return Stored("keras", {}, ())
    if any(name.endswith(torch_file.PICKLE) for name in members):
        return _from_torch(path, content)
    raise _unknown(path, "it is a zip archive of something else")


def _check_keras(content: mmap, members: dict[str, Member], archive: ZipFile) -> None:
    for name in members:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise Refused(f"its member {short(name)} would lie outside of it")
    weights = members[KERAS_WEIGHTS]
    if sum(member.size for member in members.values()) - weights.size > SMALL:
        raise Refused(f"unpacked, what is beside its weights has more than {SMALL:,} bytes")
    if weights.size > max(SMALL, INFLATED * len(content)):
        raise Refused(
            f"unpacked, its weights have {weights.size:,} bytes, over {INFLATED} times as much as the file"
        )
    if weights.compressed:
        unpacked = io.BytesIO()
        with archive.open(KERAS_WEIGHTS) as packed:
            shutil.copyfileobj(packed, unpacked, 2**20)
        h5_file.check_keras3(unpacked.getbuffer())
    elif archives.whole(content, weights):
        h5_file.check_keras3(memoryview(content)[weights.start : weights.start + weights.size])
    else:
        raise Refused("its weights are damaged: their checksum is another")


@contextmanager
def _reading(path: Path, form: str, damage: tuple[type[Exception], ...]) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise _unreadable(path, form, str(error)) from error
    except damage as error:
        raise _unreadable(path, form, "it is cut off or damaged") from error


def _unreadable(path: Path, form: str, reason: str) -> WeightsError:
    return WeightsError(f"{path} cannot be read as {form}: {reason}.", "Nothing in it was run; get it anew.")


def _unknown(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"{path} is no weights file that tlkit knows: {reason}.",
        "Use a .pth file of torch, a .safetensors, or an .h5, .weights.h5 or .keras of Keras.",
    )
