"""The texts of an HDF5 attribute whose texts may have any length, read without HDF5.

Such texts lie elsewhere in the file, in heaps, and the attribute only points there: 4,000 times to one text
of a gigabyte, if it likes. HDF5 can neither be asked for the sum nor be trusted with a damaged heap, in which
1.14.6 searches for ever. Both are plain enough to read: HDF5 File Format Specification 3.0, III.E (the heap),
IV.A.1.a (an object's header) and IV.A.2.m (an attribute in it).

Raises `Refused`, and `struct.error`, `KeyError` or `ValueError` where the file is cut off or damaged.
"""

import struct
from mmap import mmap

from tlkit.weights.numbers import Refused

CONTINUED, ATTRIBUTE = 0x10, 0x0C  # kinds of message
STEPS = 1_000_000  # messages, texts and objects of heaps; Keras's MobileNet takes 692
POINTER = struct.Struct("<IQI")  # length, where the heap is, place in it
HEAP, OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<H6xQ")


class Texts:
    """All texts of a file."""

    def __init__(self, content: bytes | mmap | memoryview):
        self.content = content
        self.left = STEPS
        self.heaps: dict[int, dict[int, tuple[int, int]]] = {}

    def of(self, address: int, attribute: str, most: int) -> list[str]:
        """The texts of an attribute of the object at `address`, which together have at most `most` bytes."""
        data = self.attribute(address, attribute.encode())
        if not data or len(data) % POINTER.size:
            raise Refused(f"its attribute {attribute} is not stored as Keras does")
        pointers = list(POINTER.iter_unpack(data))
        if sum(length for length, _, _ in pointers) > most:
            raise Refused(f"its attribute {attribute} is too long")
        found = []
        for length, heap, place in pointers:
            self.step()
            start, size = self.heap(heap)[place]
            if length > size:
                raise ValueError("longer than its place in the heap")
            found.append(bytes(self.content[start : start + length]).rstrip(b"\0").decode())
        return found

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Refused("its lists of names have no end")

    def heap(self, address: int) -> dict[int, tuple[int, int]]:
        """Where each object of a heap begins, and how many bytes it has."""
        if address in self.heaps:
            return self.heaps[address]
        signature, version, size = HEAP.unpack_from(self.content, address)
        if signature != b"GCOL" or version != 1 or address + size > len(self.content):
            raise ValueError("no heap")
        found: dict[int, tuple[int, int]] = {}
        at, end = address + HEAP.size, address + size
        while at + OBJECT.size <= end:
            self.step()
            place, length = OBJECT.unpack_from(self.content, at)
            if place == 0:  # what is left over, with its own head; HDF5 waits for ever if it is not all
                if at + length != end:
                    raise ValueError("not the rest of its heap")
                break
            at += OBJECT.size
            if at + length > end:
                raise ValueError("longer than its heap")
            found[place] = at, length
            at += -(-length // 8) * 8
        self.heaps[address] = found
        return found

    def attribute(self, address: int, wanted: bytes) -> bytes:
        """The data of the first attribute of that name; none if it is not where Keras puts it."""
        version, size = struct.unpack_from("<B7xI", self.content, address)
        if version != 1:  # what h5py writes unless it is told otherwise
            raise Refused("its object headers are of a version that Keras does not write")
        blocks = [(address + 16, size)]
        for start, size in blocks:
            at, end = start, min(start + size, len(self.content))
            while at + 8 <= end:
                self.step()
                kind, length, flags = struct.unpack_from("<HHB", self.content, at)
                body = bytes(self.content[at + 8 : min(at + 8 + length, end)])
                if kind == CONTINUED:
                    blocks.append(struct.unpack_from("<QQ", body))
                elif kind == ATTRIBUTE and not flags & 2:  # 2: it lies elsewhere
                    name, data = _parts(body)
                    if name == wanted:
                        return data
                at += 8 + length
        return b""


def _parts(body: bytes) -> tuple[bytes, bytes]:
    """The name and the data of an attribute, which has its type and its shape in between."""
    version, *sizes = struct.unpack_from("<BxHHH", body)
    start = at = 9 if version == 3 else 8
    for size in sizes:
        at += -(-size // 8) * 8 if version == 1 else size
    return body[start : start + sizes[0]].rstrip(b"\0"), body[at:]
