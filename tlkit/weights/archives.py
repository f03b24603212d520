"""Zip archives, as torch and Keras write them: nothing is unpacked, no name is used as a path.

Python's `zipfile` reads the directory; where the members lie is checked against the file itself, since
two of them may claim the same bytes. Raises `Refused`, and what `DAMAGE` names.
"""

import struct
import zipfile
import zlib
from mmap import mmap
from typing import NamedTuple

from tlkit.weights.numbers import Refused, short

PIECE = 2**21  # bytes that `zipfile` may ask for at once; the directory of torch's DenseNet-201 has 68,056
# Each in its own way: a number cut off, a name in no alphabet, a version or compression from the future.
DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    struct.error,
    zlib.error,
    ValueError,
    OverflowError,
    EOFError,
)
LOCAL = struct.Struct("<4s5H3L2H")
ENCRYPTED = 0x1 | 0x40


class Member(NamedTuple):
    start: int  # of its bytes in the file
    stored: int  # bytes there
    size: int  # bytes unpacked, as declared
    crc: int
    compressed: bool


class Window:
    """A mapped file, or a stretch of one, as `zipfile` and HDF5 want it: copied piece by piece."""

    def __init__(self, content: bytes | mmap | memoryview):
        self.content = content
        self.at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        at = (0, self.at, len(self.content))[whence] + offset
        if at < 0:
            raise ValueError("before the beginning")
        self.at = min(at, len(self.content))
        return self.at

    def tell(self) -> int:
        return self.at

    def seekable(self) -> bool:
        return True

    def read(self, length: int = -1) -> bytes:
        end = len(self.content) if length < 0 else min(self.at + length, len(self.content))
        if end - self.at > PIECE:
            raise Refused("its directory is too long")
        start, self.at = self.at, end
        return bytes(self.content[start:end])

    def readinto(self, target: memoryview) -> int:
        start, self.at = self.at, min(self.at + len(target), len(self.content))
        target[: self.at - start] = self.content[start : self.at]
        return self.at - start


def opened(content: bytes | mmap) -> zipfile.ZipFile:
    return zipfile.ZipFile(Window(content))  # type: ignore[call-overload]


def members(content: bytes | mmap, archive: zipfile.ZipFile) -> dict[str, Member]:
    """Every member by name: each name once, none encrypted, no byte of the file in two of them."""
    found: dict[str, Member] = {}
    entries = archive.infolist()
    ends = sorted(entry.header_offset for entry in entries) + [archive.start_dir]
    following = dict(zip(ends, ends[1:], strict=False))
    for entry in entries:
        name = entry.orig_filename
        if name != entry.filename:  # as Keras would see it: cut at a NUL, or taken from another field
            raise Refused(f"its member {short(name)} has two names")
        if name in found:
            raise Refused(f"its member {short(name)} is there twice")
        if entry.flag_bits & ENCRYPTED:
            raise Refused(f"its member {short(name)} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"its member {short(name)} is compressed in an unusual way")
        start = entry.header_offset
        signature, *_, name_length, extra_length = LOCAL.unpack_from(content, start)
        start += LOCAL.size
        written = content[start : start + name_length]
        if signature != b"PK\x03\x04" or written not in (name.encode(), name.encode("cp437", "replace")):
            raise Refused(f"its member {short(name)} is not where its directory says")
        start += name_length + extra_length
        if not start + entry.compress_size <= following.get(entry.header_offset, 0) <= archive.start_dir:
            raise Refused(f"its member {short(name)} reaches into another")
        compressed = entry.compress_type != zipfile.ZIP_STORED
        if not compressed and entry.compress_size != entry.file_size:
            raise Refused(f"its member {short(name)} has two sizes")
        found[name] = Member(start, entry.compress_size, entry.file_size, entry.CRC, compressed)
    return found


def whole(content: bytes | mmap, member: Member) -> bool:
    """Whether a stored member has the checksum that was written with it. Nothing is copied."""
    with memoryview(content) as view:
        with view[member.start : member.start + member.stored] as part:
            return zlib.crc32(part) == member.crc
