"""Tensors out of a .pth file as torch wrote it before 1.6, without torch and without `pickle`.

Such a file is five pickles (magic number, protocol, the writing machine, the tensors, the storage
keys) and then the raw storages: torch/serialization.py, `_legacy_save`. A pickle is a program that
may call anything. This reader is a machine that knows 30 instructions, four names and no way
to import or call: it builds dictionaries, lists, tuples, numbers, strings and tensors.

Whatever else is asked of it, and every number that does not fit the file, is a `WeightsError`.
"""

import math
import pickle  # for the names of its opcodes alone
import struct
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tlkit.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STEPS = 200_000  # instructions in one pickle; Lite2's takes 13,931

DTYPES: dict[str, np.dtype] = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
DICT, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
NAMES = {DICT, TENSOR, *DTYPES}

NUMBERS = {pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BININT: "<i"}
CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False}
EMPTY = {pickle.EMPTY_DICT: dict, pickle.EMPTY_LIST: list, pickle.EMPTY_TUPLE: tuple}
TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
INDICES = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I", pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}

T = TypeVar("T")


class Name(NamedTuple):
    """A global that the pickle named. Only a label: nothing is imported."""

    text: str


class Storage(NamedTuple):
    key: str
    dtype: np.dtype
    length: int  # elements


class Tensor(NamedTuple):
    storage: Storage
    offset: int  # this and the strides in elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Refused(Exception):
    """Why the file is not what this reader reads; leaves this module as a `WeightsError`."""


def read(content: bytes, origin: str) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, in the file's order: read-only views of `content`.

    `origin` is how messages call the file. Raises `WeightsError`.
    """
    try:
        return _read(content)
    except (Refused, struct.error, IndexError, KeyError, ValueError) as error:
        reason = str(error) if isinstance(error, Refused) else "it is cut off or damaged"
        raise WeightsError(
            f"{origin} cannot be read as an old-style torch file: {reason}.",
            "Nothing in it was run; get it anew.",
        ) from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    if content[:2] == b"PK":
        raise Refused("it is a zip archive, the newer torch format")
    machine = Machine(content)
    if machine.run() != MAGIC:
        raise Refused("it does not begin with torch's magic number")
    if machine.run() != PROTOCOL:
        raise Refused(f"its protocol is not {PROTOCOL}")
    system = machine.run()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("it does not come from a little-endian machine")
    tensors = machine.run()
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise Refused("it holds something else than a dictionary of tensors")
    arrays = _storages(content, machine, machine.run())
    return {name: _view(arrays[tensor.storage.key], tensor) for name, tensor in tensors.items()}


def _storages(content: bytes, machine: "Machine", keys: object) -> dict[str, np.ndarray]:
    """The raw numbers behind the pickles: for each key an int64 count, then the elements."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused("its list of storages is not a list of keys")
    if sorted(keys) != sorted(machine.storages):
        raise Refused("its list of storages is not that of its tensors")
    arrays, at = {}, machine.at
    for key in keys:
        _, dtype, length = machine.storages[key]
        if struct.unpack_from("<q", content, at) != (length,):
            raise Refused(f"storage {_short(key)} is not as long as its tensors say")
        at += 8
        if length * dtype.itemsize > len(content) - at:
            raise Refused(f"it is cut off within storage {_short(key)}")
        arrays[key] = np.frombuffer(content, dtype, length, at)
        at += length * dtype.itemsize
    if at != len(content):
        raise Refused(f"{len(content) - at} bytes follow its last storage")
    return arrays


def _view(array: np.ndarray, tensor: Tensor) -> np.ndarray:
    strides = [stride * array.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(array[tensor.offset :], tensor.shape, strides, writeable=False)


class Machine:
    """Runs one pickle after another; `at` is the byte after the last one."""

    def __init__(self, content: bytes):
        self.content = content
        self.at = 0
        self.storages: dict[str, Storage] = {}
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        self.stack, self.marks, self.memo = [], [], {}
        for _ in range(STEPS):
            code = self.take(1)
            if code == pickle.STOP:
                return self.stack.pop()
            self.step(code)
        raise Refused(f"a pickle in it is longer than {STEPS:,} instructions")

    def take(self, length: int) -> bytes:
        if length > len(self.content) - self.at:
            raise Refused("it is cut off")
        self.at += length
        return self.content[self.at - length : self.at]

    def number(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        if start > len(self.stack):
            raise Refused("its instructions do not match each other")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def step(self, code: bytes) -> None:
        """One instruction that takes nothing but itself; the rest is in `combine`."""
        push = self.stack.append
        if code in NUMBERS:
            push(self.number(NUMBERS[code]))
        elif code in CONSTANTS:
            push(CONSTANTS[code])
        elif code in EMPTY:
            push(EMPTY[code]())
        elif code == pickle.LONG1:
            push(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif code == pickle.BINUNICODE:
            push(self.take(self.number("<I")).decode())
        elif code == pickle.GLOBAL:
            push(self.name())
        elif code == pickle.MARK:
            self.marks.append(len(self.stack))
        elif code in INDICES:
            index = self.number(INDICES[code])
            if code in (pickle.BINGET, pickle.LONG_BINGET):
                push(self.memo[index])
            else:
                self.memo[index] = self.stack[-1]
        elif code == pickle.PROTO:
            if self.number("<B") != 2:
                raise Refused("a pickle in it is not of protocol 2")
        else:
            self.combine(code)

    def combine(self, code: bytes) -> None:
        """One instruction that makes something of what is on the stack."""
        stack = self.stack
        if code in TUPLES:
            items = [stack.pop() for _ in range(TUPLES[code])]
            stack.append(tuple(reversed(items)))
        elif code == pickle.TUPLE:
            stack.append(tuple(self.since_mark()))
        elif code == pickle.APPEND or code == pickle.APPENDS:
            items = self.since_mark() if code == pickle.APPENDS else [stack.pop()]
            _of(list, stack[-1]).extend(items)
        elif code == pickle.SETITEM or code == pickle.SETITEMS:
            items = self.since_mark() if code == pickle.SETITEMS else [stack.pop(), stack.pop()][::-1]
            # Keys are strings: hashing a deeply nested tuple may take for ever.
            pairs = [(_of(str, key), value) for key, value in zip(items[::2], items[1::2], strict=True)]
            _of(dict, stack[-1]).update(pairs)
        elif code == pickle.BINPERSID:
            stack.append(self.storage(stack.pop()))
        elif code == pickle.REDUCE:
            arguments, name = stack.pop(), _of(Name, stack.pop())
            stack.append(self.built(name, _of(tuple, arguments)))
        elif code == pickle.BUILD:
            state = _of(dict, stack.pop())
            _of(dict, stack[-1])
            if list(state) != ["_metadata"]:  # versions of torch's modules: nothing that we need
                raise Refused("it sets attributes of an object")
        else:
            raise Refused(f"it asks for the pickle instruction {code!r}, which no tensor needs")

    def name(self) -> Name:
        end = self.content.index(b"\n", self.content.index(b"\n", self.at) + 1)
        text = self.take(end + 1 - self.at).decode()[:-1].replace("\n", " ", 1)
        if text not in NAMES:
            raise Refused(f"it asks for {_short(text.replace(' ', '.', 1))}, which is not part of a tensor")
        return Name(text)

    def storage(self, persistent_id: object) -> Storage:
        """('storage', type, key, device, elements, None), as torch labels what lies behind the pickles."""
        label = _of(tuple, persistent_id)
        if len(label) != 6 or label[0] != "storage" or label[5] is not None:
            raise Refused("a storage in it is not labelled as torch does")
        kind, key, length = _of(Name, label[1]).text, _of(str, label[2]), _of(int, label[4])
        if kind not in DTYPES or not 0 <= length <= len(self.content):
            raise Refused(f"storage {_short(key)} has no possible type or length")
        found = Storage(key, DTYPES[kind], length)
        if self.storages.setdefault(key, found) != found:
            raise Refused(f"storage {_short(key)} is described twice, and not alike")
        return found

    def built(self, name: Name, arguments: tuple) -> dict | Tensor:
        if name.text == DICT and not arguments:
            return {}
        if name.text != TENSOR or len(arguments) != 6:
            raise Refused("it calls something that does not build a tensor")
        if _of(dict, arguments[5]):
            raise Refused("it puts hooks on a tensor")
        storage, offset = _of(Storage, arguments[0]), _of(int, arguments[1])
        shape, strides = (tuple(_of(int, n) for n in _of(tuple, part)) for part in arguments[2:4])
        if len(shape) != len(strides) or len(shape) > 8 or min(shape, default=1) < 1:
            raise Refused(f"a tensor of storage {_short(storage.key)} has no possible shape")
        # Where a size is 1 no step is taken, and torch may have left any number there.
        strides = tuple(0 if n == 1 else step for n, step in zip(shape, strides, strict=True))
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        inside = offset >= 0 and min(strides, default=0) >= 0 and last < storage.length
        if not inside or math.prod(shape) > storage.length:
            raise Refused(f"a tensor does not lie within its storage {_short(storage.key)}")
        return Tensor(storage, offset, shape, strides)


def _of(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise Refused(f"it has type {type(value).__name__} where type {kind.__name__} belongs")
    return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
