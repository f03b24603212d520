"""FlatBuffers tables, read and written by field number.

`flatbuffers` itself reads and writes bytes; the numbers come from a schema, here written down by
whoever calls.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
from flatbuffers import number_types

# Kinds of numbers.
BYTE = number_types.Uint8Flags
SHORT = number_types.Uint16Flags
INT = number_types.Uint32Flags
SIGNED = number_types.Int32Flags
FLOAT = number_types.Float32Flags
Value = int | tuple[type, int]  # an offset of the builder's, or a number with its kind


class Node:
    """A table in a buffer. Whatever leads out of the buffer raises `ValueError`."""

    def __init__(self, content: bytes, position: int):
        self.content = content
        self.position = position

    def slot(self, field: int) -> int | None:
        """Where the value of a field lies, None if the table has none."""
        layout, size = self._layout()
        entry = 4 + 2 * field
        offset = self._read(SHORT, layout + entry) if entry < size else 0
        return self.position + offset if offset else None

    def fields(self) -> list[int]:
        """The numbers of the fields that have a value."""
        return [field for field in range((self._layout()[1] - 4) // 2) if self.slot(field) is not None]

    def number(self, field: int, kind: Any, default: Any = 0) -> Any:
        slot = self.slot(field)
        return default if slot is None else self._read(kind, slot)

    def target(self, field: int) -> int | None:
        """Where the table, vector or text lies that a field points to."""
        slot = self.slot(field)
        return None if slot is None else slot + self._read(INT, slot)

    def child(self, field: int) -> "Node | None":
        target = self.target(field)
        return None if target is None else Node(self.content, target)

    def children(self, field: int) -> "list[Node]":
        """The tables of a vector of tables."""
        return [Node(self.content, place + self._read(INT, place)) for place in self._items(field, 4)]

    def numbers(self, field: int, kind: Any) -> list[Any]:
        return [self._read(kind, place) for place in self._items(field, kind.bytewidth)]

    def data(self, field: int) -> bytes | None:
        """A vector of bytes, or a text in UTF-8."""
        places = self._items(field, 1)
        return self.content[places.start : places.stop] if self.slot(field) is not None else None

    def text(self, field: int) -> str:
        return (self.data(field) or b"").decode(errors="replace")

    def _layout(self) -> tuple[int, int]:
        """Where the list of offsets of the table's fields lies, and its length in bytes."""
        layout = self.position - self._read(SIGNED, self.position)
        return layout, self._read(SHORT, layout)

    def _items(self, field: int, width: int) -> range:
        start = self.target(field)
        if start is None:
            return range(0)
        end = start + 4 + self._read(INT, start) * width
        if end > len(self.content):
            raise ValueError(f"a list at byte {start} does not fit into the file")
        return range(start + 4, end, width)

    def _read(self, kind: Any, place: int) -> Any:
        if not 0 <= place <= len(self.content) - kind.bytewidth:
            raise ValueError(f"byte {place} is outside of the file")
        return kind.packer_type.unpack_from(self.content, place)[0]


def root(content: bytes, identifier: bytes) -> Node:
    """The outermost table. Raises `ValueError` if the content is of another kind."""
    if content[4:8] != identifier:
        raise ValueError(f"it does not begin as {identifier.decode()} files do")
    return Node(content, int.from_bytes(content[:4], "little"))


def table(builder: flatbuffers.Builder, fields: dict[int, Value]) -> int:
    """Write a table; returns its offset."""
    builder.StartObject(max(fields, default=-1) + 1)
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
