"""Tensors out of a .safetensors file. The library checks the header; the numbers are mapped, not copied.

Its own way to NumPy knows no bfloat16. But what it has checked is that the tensors lie one after another
without gaps, so that their order, types and shapes say where each is.
"""

import math
import struct
from mmap import mmap
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from tlkit.weights.numbers import BFLOAT16, Refused, plain, short

HEADER = 2**22  # bytes; that of DenseNet-201 has 140,136. Parsed, a header takes several times as much
DAMAGE = (SafetensorError, OSError, ValueError, TypeError, OverflowError, struct.error)
DTYPES: dict[str, np.dtype] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read(path: Path, content: mmap) -> dict[str, np.ndarray]:
    """The tensors by name, in the file's order, read-only; `content` is the same file, mapped.

    Float32 and whole numbers are views of it; other floats come as float32. Raises `Refused`, and what
    `DAMAGE` names.
    """
    (header,) = struct.unpack_from("<Q", content)
    if header > HEADER:
        raise Refused(f"its header is said to have {header:,} bytes")
    found, at = {}, 8 + header
    with safe_open(path, framework="np") as file:
        for name in file.offset_keys():
            part = file.get_slice(name)
            kind, shape = part.get_dtype(), part.get_shape()
            if kind not in DTYPES:
                raise Refused(f"its tensor {short(name)} has the type {kind}, which tlkit does not read")
            if len(shape) > 8:
                raise Refused(f"its tensor {short(name)} has {len(shape)} axes")
            count = math.prod(shape)
            found[name] = plain(np.frombuffer(content, DTYPES[kind], count, at)).reshape(shape)
            at += count * DTYPES[kind].itemsize
    if not found:
        raise Refused("it holds no tensors")
    return found
