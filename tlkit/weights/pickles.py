"""The pickles of a torch file, run without torch and without `pickle`.

A pickle is a program that may call anything. This reader is a machine that knows 33 instructions,
fifteen names and no way to import or call: it builds dictionaries, lists, tuples, numbers, strings and
tensors. A tensor is only a label here: which storage, from where, in which shape.
"""

import math
import pickle  # for the names of its opcodes alone
import struct
from mmap import mmap
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tlkit.weights.numbers import BFLOAT16, Refused, short

STEPS = 200_000  # instructions in one pickle; Lite2's takes 13,931
LONGEST = 200  # letters in a global's name

DTYPES: dict[str, np.dtype] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": BFLOAT16,
    "torch DoubleStorage": np.dtype("<f8"),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("?"),
}
DICT = "collections OrderedDict"
# Until torch 0.3 without the last two arguments: vgg16-397923af.pth calls it (tinygrad's pull request 13253).
OLD_TENSOR, TENSOR = "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"
# As torch writes it since 0.4, and before.
PARAMETER, OLD_PARAMETER = "torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"
NAMES = {DICT, OLD_TENSOR, TENSOR, PARAMETER, OLD_PARAMETER, *DTYPES}

NUMBERS = {pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BININT: "<i", pickle.BINFLOAT: ">d"}
TEXTS = {pickle.BINUNICODE: "<I", pickle.SHORT_BINSTRING: "<B", pickle.BINSTRING: "<I"}
CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False}
EMPTY = {pickle.EMPTY_DICT: dict, pickle.EMPTY_LIST: list, pickle.EMPTY_TUPLE: tuple}
TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
INDICES = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I", pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}

T = TypeVar("T")


class Name(NamedTuple):
    """A global that the pickle named. Only a label: nothing is imported."""

    text: str


class Storage(NamedTuple):
    """A run of numbers of the file, or a part of one."""

    key: str
    dtype: np.dtype
    whole: int  # elements of the run
    start: int
    length: int


class Tensor(NamedTuple):
    storage: Storage
    offset: int  # from the run's start; this and the strides in elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Machine:
    """Runs one pickle after another; `at` is the byte after the last one.

    `most` is how many bytes of numbers the file can hold, `labels` how many parts torch's label of a
    storage has: 6 in its old files, 5 in its zip archives.
    """

    def __init__(self, content: bytes | mmap, most: int, labels: int):
        self.content = content
        self.most = most
        self.labels = labels
        self.at = 0
        self.storages: dict[str, Storage] = {}  # whole ones, by key
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
        if not 0 <= length <= len(self.content) - self.at:
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
        elif code in TEXTS:
            push(self.take(self.number(TEXTS[code])).decode())
        elif code in CONSTANTS:
            push(CONSTANTS[code])
        elif code in EMPTY:
            push(EMPTY[code]())
        elif code == pickle.LONG1:
            push(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
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
            of(list, stack[-1]).extend(items)
        elif code == pickle.SETITEM or code == pickle.SETITEMS:
            items = self.since_mark() if code == pickle.SETITEMS else [stack.pop(), stack.pop()][::-1]
            of(dict, stack[-1]).update(_pairs(zip(items[::2], items[1::2], strict=True)))
        elif code == pickle.BINPERSID:
            stack.append(self.storage(stack.pop()))
        elif code == pickle.REDUCE:
            arguments, name = stack.pop(), of(Name, stack.pop())
            stack.append(self.built(name, of(tuple, arguments)))
        elif code == pickle.BUILD:
            _without_state(stack.pop(), stack[-1])
        else:
            raise Refused(f"it asks for the pickle instruction {code!r}, which no tensor needs")

    def name(self) -> Name:
        lines = self.content[self.at : self.at + LONGEST].split(b"\n", 2)
        if len(lines) < 3:
            raise Refused(f"it asks for {short(lines[0].decode())}, which is not part of a tensor")
        self.at += len(lines[0]) + len(lines[1]) + 2
        text = f"{lines[0].decode()} {lines[1].decode()}"
        if text not in NAMES:
            raise Refused(f"it asks for {short(text.replace(' ', '.', 1))}, which is not part of a tensor")
        return Name(text)

    def storage(self, persistent_id: object) -> Storage:
        """('storage', type, key, device, elements[, part]): torch's label of what lies outside the pickle."""
        label = of(tuple, persistent_id)
        if len(label) != self.labels or label[0] != "storage":
            raise Refused("a storage in it is not labelled as torch does")
        kind, key, length = of(Name, label[1]).text, of(str, label[2]), of(int, label[4])
        if kind not in DTYPES or not 0 <= length * DTYPES[kind].itemsize <= self.most:
            raise Refused(f"storage {short(key)} has no possible type or length")
        found = Storage(key, DTYPES[kind], length, 0, length)
        if self.storages.setdefault(key, found) != found:
            raise Refused(f"storage {short(key)} is described twice, and not alike")
        if self.labels == 5 or label[5] is None:
            return found
        _, start, part = of(tuple, label[5])  # until torch 0.4: its own key, offset and elements
        if not 0 <= of(int, start) <= of(int, start) + of(int, part) <= length:
            raise Refused(f"a part of storage {short(key)} does not lie within it")
        return found._replace(start=start, length=part)

    def built(self, name: Name, arguments: tuple) -> dict | Tensor:
        if name.text == DICT and len(arguments) <= 1:
            # Python 2 hands over a list of [key, value].
            items = [of(list, item) for item in of(list, arguments[0])] if arguments else []
            return _pairs(items)
        if (name.text, len(arguments)) in {(OLD_PARAMETER, 1), (PARAMETER, 3)}:
            if len(arguments) == 3 and of(dict, arguments[2]):
                raise Refused("it puts hooks on a tensor")
            return of(Tensor, arguments[0])
        if (name.text, len(arguments)) not in {(OLD_TENSOR, 4), (TENSOR, 6)}:
            raise Refused("it calls something that does not build a tensor")
        if len(arguments) == 6 and of(dict, arguments[5]):
            raise Refused("it puts hooks on a tensor")
        storage, offset = of(Storage, arguments[0]), of(int, arguments[1])
        shape, strides = (tuple(of(int, n) for n in of(tuple, part)) for part in arguments[2:4])
        if len(shape) != len(strides) or len(shape) > 8 or min(shape, default=1) < 1:
            raise Refused(f"a tensor of storage {short(storage.key)} has no possible shape")
        # Where a size is 1 no step is taken, and torch may have left any number there.
        strides = tuple(0 if n == 1 else step for n, step in zip(shape, strides, strict=True))
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        inside = offset >= 0 and min(strides, default=0) >= 0 and last < storage.length
        if not inside or math.prod(shape) > storage.length:
            raise Refused(f"a tensor does not lie within its storage {short(storage.key)}")
        return Tensor(storage, storage.start + offset, shape, strides)


def _pairs(items) -> dict:
    # Keys are texts or numbers: hashing a deeply nested tuple may take for ever.
    return {of(int if type(key) is int else str, key): value for key, value in items}


def _without_state(state: object, target: object) -> None:
    """The two kinds of state that torch puts on what it saves; neither is anything that we need."""
    if type(target) is Tensor:  # torch 0.3's parameter: requires_grad, volatile, hooks
        parts = of(tuple, state)
        if len(parts) == 3 and not parts[2]:
            return
    elif list(of(dict, state)) == ["_metadata"] and type(target) is dict:  # versions of torch's modules
        return
    raise Refused("it sets attributes of an object")


def of(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise Refused(f"it has type {type(value).__name__} where type {kind.__name__} belongs")
    return value
