"""How long the texts of an HDF5 attribute are, before HDF5 is asked for them.

Texts of any length lie elsewhere in the file, and a list of them only points there: 4,000 times to one
text of a gigabyte, if it likes. HDF5 has no question for the sum, so it is read out of the object's
header: HDF5 File Format Specification 3.0, IV.A.1.a and IV.A.2.m. HDF5 itself holds to these lengths.
"""

import struct
from mmap import mmap

from tlkit.weights.numbers import Refused

CONTINUED, ATTRIBUTE = 0x10, 0x0C  # kinds of message
BLOCKS = 1000  # of one header
POINTER = struct.Struct("<IQI")  # length, where the heap is, place in it


def length(content: bytes | mmap, address: int, attribute: str, count: int) -> int:
    """Bytes of all texts of an attribute of the object at `address`, which has `count` of them.

    Raises `Refused`, and `struct.error` where the file is cut off.
    """
    data = [found for name, found in _attributes(content, address) if name == attribute.encode()]
    if len(data) != 1 or len(data[0]) != count * POINTER.size:
        raise Refused(f"its attribute {attribute} is not stored as Keras does")
    return sum(size for size, _, _ in POINTER.iter_unpack(data[0]))


def _attributes(content: bytes | mmap, address: int) -> list[tuple[bytes, bytes]]:
    version, size = struct.unpack_from("<B7xI", content, address)
    if version != 1:  # what h5py writes unless it is told otherwise
        raise Refused("its object headers are of a version that Keras does not write")
    found, blocks = [], [(address + 16, size)]
    for start, size in blocks:
        at, end = start, min(start + size, len(content))
        while at + 8 <= end:
            kind, length, flags = struct.unpack_from("<HHB", content, at)
            body = content[at + 8 : min(at + 8 + length, end)]
            if kind == CONTINUED:
                blocks.append(struct.unpack_from("<QQ", body))
            elif kind == ATTRIBUTE and not flags & 2:  # 2: it lies elsewhere
                found.append(_parts(body))
            at += 8 + length
        if len(blocks) > BLOCKS:
            raise Refused("its object headers have no end")
    return found


def _parts(body: bytes) -> tuple[bytes, bytes]:
    """The name and the data of an attribute, which has its type and its shape in between."""
    version, *sizes = struct.unpack_from("<BxHHH", body)
    at = 9 if version == 3 else 8
    ends = []
    for size in sizes:
        at += -(-size // 8) * 8 if version == 1 else size
        ends.append(at)
    name = body[9 if version == 3 else 8 :][: sizes[0]].rstrip(b"\0")
    return name, body[ends[-1] :]
