"""FlatBuffers tables, read and written by field number.

`flatbuffers` itself reads and writes bytes; the numbers come from a schema, here written down by
whoever calls.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

BYTE = number_types.Uint8Flags
INT = number_types.Uint32Flags
Value = int | tuple[type, int]  # an offset of the builder's, or a number with its type


class Node:
    """A table in a buffer. A position outside of the buffer raises `ValueError`."""

    def __init__(self, content: bytes, position: int):
        self.content = content
        self.position = position
        self._table = Table(content, position)

    def slot(self, field: int) -> int | None:
        """Where the value of a field lies, None if the table has none."""
        try:
            offset = self._table.Offset(4 + 2 * field)
        except (struct.error, TypeError) as error:
            raise ValueError(f"no table at byte {self.position}") from error
        return self.position + offset if offset else None

    def number(self, field: int, kind: type, default: Any = 0) -> Any:
        slot = self.slot(field)
        return default if slot is None else self._table.Get(kind, slot)

    def target(self, field: int) -> int | None:
        """Where the table, vector or text lies that a field points to."""
        slot = self.slot(field)
        return None if slot is None else self._follow(slot)

    def child(self, field: int) -> "Node | None":
        target = self.target(field)
        return None if target is None else Node(self.content, target)

    def children(self, field: int) -> "list[Node]":
        """The tables of a vector of tables."""
        return [Node(self.content, self._follow(place)) for place in self._items(field, 4)]

    def numbers(self, field: int, kind: type) -> list[Any]:
        return [self._table.Get(kind, place) for place in self._items(field, kind.bytewidth)]

    def data(self, field: int) -> bytes | None:
        """A vector of bytes, or a text in UTF-8."""
        places = self._items(field, 1)
        return self.content[places.start : places.stop] if self.slot(field) is not None else None

    def text(self, field: int) -> str:
        return (self.data(field) or b"").decode(errors="replace")

    def fields(self) -> Iterator[int]:
        """The numbers of the fields that have a value."""
        table = self.position - self._table.Get(number_types.SOffsetTFlags, self.position)
        size = self._table.Get(number_types.VOffsetTFlags, table)
        return (field for field in range((size - 4) // 2) if self.slot(field) is not None)

    def _items(self, field: int, width: int) -> range:
        start = self.target(field)
        if start is None:
            return range(0)
        count = self._read(start)
        if start + 4 + count * width > len(self.content):
            raise ValueError(f"a list of {count} does not fit into the file")
        return range(start + 4, start + 4 + count * width, width)

    def _follow(self, place: int) -> int:
        return place + self._read(place)

    def _read(self, place: int) -> int:
        try:
            return struct.unpack_from("<I", self.content, place)[0]
        except struct.error as error:
            raise ValueError(f"byte {place} is outside of the file") from error


def root(content: bytes, identifier: bytes) -> Node:
    """The outermost table. Raises `ValueError` if the content is of another kind."""
    if content[4:8] != identifier:
        raise ValueError(f"it does not begin as {identifier.decode()} files do")
    return Node(content, struct.unpack_from("<I", content)[0])


def table(builder: flatbuffers.Builder, fields: dict[int, Value]) -> int:
    """Write a table; returns its offset."""
    builder.StartObject(max(fields) + 1)
    for field, value in fields.items():
        if isinstance(value, tuple):
            kind, number = value
            builder.Prepend(kind, number)
            builder.Slot(field)
        else:
            builder.PrependUOffsetTRelativeSlot(field, value, 0)
    return builder.EndObject()


def tables(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    """Write a vector of tables; returns its offset."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def data(builder: flatbuffers.Builder, content: bytes, alignment: int) -> int:
    """Write a vector of bytes, the first at a multiple of `alignment`; returns its offset."""
    builder.StartVector(1, len(content), alignment)
    place(builder, content)
    return builder.EndVector()


def place(builder: flatbuffers.Builder, content: bytes) -> None:
    """Put bytes in front of what the builder holds (buffers are built back to front)."""
    while builder.head < len(content):
        builder.GrowByteBuffer()
    builder.head -= len(content)
    builder.Bytes[builder.head : builder.head + len(content)] = content
