"""Tensors out of a .pth file, without torch and without `pickle`.

Torch has written two kinds (torch/serialization.py). Before 1.6: five pickles (magic number, protocol,
the writing machine, the tensors, the storage keys) and then the raw storages (`_legacy_save`). Since then:
a zip archive with one pickle, and a member for each storage (`_save`). What is in the pickles is run by
`pickles.Machine`, which can build tensors and nothing else.

Raises `Refused`, and what `DAMAGE` names where the file is cut off or damaged.
"""

import struct
from collections.abc import Mapping
from mmap import mmap
from typing import Any

import numpy as np

from tlkit.weights import archives
from tlkit.weights.numbers import Refused, plain, short
from tlkit.weights.pickles import Machine, Tensor

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
PICKLE = "/data.pkl"
LARGEST = 2**24  # bytes of the pickle in an archive; that of torch's DenseNet-201 has 202,404
DAMAGE = (*archives.DAMAGE, IndexError, KeyError)

# Where training programs put a state dict, beside epochs and scores. The moving average comes first:
# it is what was evaluated (timm's `load_state_dict` goes the same way).
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")
PARALLEL = "module."  # what torch.nn.DataParallel puts before every name


def read(content: bytes | mmap) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, in the file's order, read-only.

    Float32 and whole numbers are views of `content`; other floats come as float32.
    """
    if content[:2] == b"PK":
        with archives.opened(content) as archive:
            return _from_archive(content, archives.members(content, archive))
    return _from_pickles(content)


def _from_pickles(content: bytes | mmap) -> dict[str, np.ndarray]:
    machine = Machine(content, most=len(content), labels=6)
    if machine.run() != MAGIC:
        raise Refused("it does not begin with torch's magic number")
    if machine.run() != PROTOCOL:
        raise Refused(f"its protocol is not {PROTOCOL}")
    system = machine.run()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("it does not come from a little-endian machine")
    tensors = _state(machine.run())
    return _views(tensors, _storages(content, machine, machine.run()))


def _storages(content: bytes | mmap, machine: Machine, keys: object) -> dict[str, np.ndarray]:
    """The raw numbers behind the pickles: for each key an int64 count, then the elements."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused("its list of storages is not a list of keys")
    if sorted(keys) != sorted(machine.storages):
        raise Refused("its list of storages is not that of its tensors")
    arrays, at = {}, machine.at
    for key in keys:
        _, dtype, length, *_ = machine.storages[key]
        if struct.unpack_from("<q", content, at) != (length,):
            raise Refused(f"storage {short(key)} is not as long as its tensors say")
        at += 8
        if length * dtype.itemsize > len(content) - at:
            raise Refused(f"it is cut off within storage {short(key)}")
        arrays[key] = np.frombuffer(content, dtype, length, at)
        at += length * dtype.itemsize
    if at != len(content):
        raise Refused(f"{len(content) - at} bytes follow its last storage")
    return arrays


def _from_archive(content: bytes | mmap, members: Mapping[str, archives.Member]) -> dict[str, np.ndarray]:
    """The same from a zip archive: ROOT/data.pkl, and a storage each in ROOT/data/KEY."""
    roots = [name.removesuffix(PICKLE) for name in members if name.endswith(PICKLE)]
    if len(roots) != 1:
        raise Refused(f"it has {len(roots)} members called data.pkl instead of one")
    root = roots[0]
    if f"{root}/constants.pkl" in members:
        raise Refused("it is a TorchScript program, not a state dict")
    order = members.get(f"{root}/byteorder")
    if order and _bytes(content, order, 6) != b"little":
        raise Refused("it does not come from a little-endian machine")
    machine = Machine(_bytes(content, members[root + PICKLE], LARGEST), most=len(content), labels=5)
    tensors = _state(machine.run())
    arrays = {}
    for key, storage in machine.storages.items():
        member = members.get(f"{root}/data/{key}")
        if member is None:
            raise Refused(f"storage {short(key)} is not in it")
        if member.size != storage.whole * storage.dtype.itemsize:
            raise Refused(f"storage {short(key)} is not as long as its tensors say")
        _check(content, member, f"storage {short(key)}")
        arrays[key] = np.frombuffer(content, storage.dtype, storage.whole, member.start)
    return _views(tensors, arrays)


def _bytes(content: bytes | mmap, member: archives.Member, most: int) -> bytes:
    if member.size > most:
        raise Refused(f"a member in it is longer than {most:,} bytes")
    _check(content, member, "a member in it")
    return content[member.start : member.start + member.size]


def _check(content: bytes | mmap, member: archives.Member, what: str) -> None:
    if member.compressed:
        raise Refused(f"{what} is compressed, which torch never does")
    # 0 where torch was told to write none: torch.serialization.set_crc32_options(False).
    if member.crc != 0 and not archives.whole(content, member):
        raise Refused(f"{what} is damaged: its checksum is another")


def _state(found: Any) -> dict[str, Tensor]:
    """The state dict, which may lie beside other things in a dictionary of a training program."""
    if isinstance(found, dict) and not _tensors(found):
        found = next((found[name] for name in NESTED if name in found and _tensors(found[name])), None)
    if not _tensors(found):
        raise Refused("it holds something else than a dictionary of tensors")
    if all(name.startswith(PARALLEL) for name in found):
        return {name.removeprefix(PARALLEL): tensor for name, tensor in found.items()}
    return found


def _tensors(found: Any) -> bool:
    if not isinstance(found, dict) or not found:
        return False
    return all(type(name) is str and type(value) is Tensor for name, value in found.items())


def _views(tensors: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    # A storage is made float32 once: thousands of tensors may lie on one.
    used = {
        key: plain(arrays[key]) for key in dict.fromkeys(tensor.storage.key for tensor in tensors.values())
    }
    return {name: _view(used[tensor.storage.key], tensor) for name, tensor in tensors.items()}


def _view(array: np.ndarray, tensor: Tensor) -> np.ndarray:
    strides = [stride * array.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(array[tensor.offset :], tensor.shape, strides, writeable=False)
