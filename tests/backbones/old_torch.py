"""Writes old torch files by hand, good and bad, and expects refusal of the bad ones."""

import struct
import time
import tracemalloc

import numpy as np
import pytest

from tlkit.backbones import torch_file
from tlkit.errors import WeightsError

SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Raw(bytes):
    """Pickle instructions as they are."""


def code(value):
    """The instructions that build `value`, as torch's pickler writes them."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        if 0 <= value < 256:
            return b"K" + bytes([value])
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return b"}(" + b"".join(code(key) + code(item) for key, item in value.items()) + b"u"
    start, end = (b"](", b"e") if isinstance(value, list) else (b"(", b"t")
    return start + b"".join(map(code, value)) + end


def named(module, name):
    return Raw(f"c{module}\n{name}\n".encode())


ORDERED = Raw(named("collections", "OrderedDict") + b")R")
REBUILD = named("torch._utils", "_rebuild_tensor_v2")


def storage(key="0", length=6, kind="FloatStorage", tag="storage", view=None):
    return Raw(code((tag, named("torch", kind), key, "cpu", length, view)) + b"Q")


def tensor(where=None, offset=0, shape=(2, 3), strides=(3, 1), hooks=ORDERED):
    return Raw(REBUILD + code((where or storage(), offset, shape, strides, False, hooks)) + b"R")


def write(state, keys=("0",), storages=None, magic=torch_file.MAGIC, protocol=1001, system=SYSTEM):
    """A whole file, as torch.save(…, _use_new_zipfile_serialization=False) lays it out."""
    if storages is None:
        storages = [np.arange(6, dtype="<f4")]
    pickles = [b"\x80\x02" + code(part) + b"." for part in (magic, protocol, system, state, list(keys))]
    raw = [struct.pack("<q", values.size) + values.tobytes() for values in storages]
    return b"".join([*pickles, *raw])


GOOD = write({"weight": tensor()})


def refused(content):
    """The reason why `content` is not read; it must be one line and cost neither time nor memory."""
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        torch_file.read(content, "evil.pth")
    seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5 and peak < 64 * 2**20
    message = str(caught.value)
    assert message.startswith("evil.pth cannot be read as an old-style torch file: ")
    assert message.endswith(" Nothing in it was run; get it anew.")
    assert "\n" not in message and len(message) < 300
    return message


def places(payload):
    """A pickle in each place of a file where one is read."""
    if payload.startswith(b"\x80"):
        payload = payload[2:]
    good = [code(part) + b"." for part in (torch_file.MAGIC, 1001, SYSTEM, {"weight": tensor()}, ["0"])]
    for place in range(len(good)):
        pickles = [*good[:place], payload, *good[place + 1 :]]
        yield b"".join(b"\x80\x02" + part for part in pickles)
