"""The reader of .safetensors: every type exactly, nothing but refusal for what the library refuses."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused, stored
from safetensors import numpy as library

from tlkit.errors import WeightsError

TENSORS = {
    "b.weight": np.arange(6, dtype="f4").reshape(2, 3) / 7,
    "a.half": np.array([1.5, 65504, 2**-24], "f2"),
    "count": np.array(1234567890123),
    "double": np.array([0.1, 1e300]),
    "small": np.array([[[1, -2]]], "i1"),
    "yes": np.array([True, False]),
}
GOOD = library.save(TENSORS)


def written(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_what_the_library_wrote_is_read():
    found = stored(GOOD)
    assert found.kind == "safetensors" and found.layers == () and set(found.tensors) == set(TENSORS)
    for name, value in TENSORS.items():
        floats = value.dtype.kind == "f"
        with np.errstate(over="ignore"):
            expected = value.astype("f4") if floats else value
        np.testing.assert_array_equal(found.tensors[name], expected)
        assert found.tensors[name].dtype == expected.dtype and found.tensors[name].shape == value.shape
        with pytest.raises(ValueError, match="read-only"):
            found.tensors[name][...] = 0


def test_bfloat16_is_read_exactly():
    """The library's own way to NumPy knows no bfloat16: the upper half of a float32."""
    bits = np.array([0x3FC0, 0xC2F7, 0x0001, 0x7F80, 0x7F7F, 0x8000], "<u2")
    content = written({"w": entry("BF16", (2, 3), (0, 12))}, bits.tobytes())
    found = stored(content).tensors["w"]
    assert found.shape == (2, 3) and found.dtype == np.float32
    assert found.tobytes() == b"".join(bytes(2) + struct.pack("<H", value) for value in bits)


def test_a_header_of_any_length_is_read():
    """Its first byte may be that of a pickle: in one file of 32, as libraries fill headers up to eights."""
    for length in range(64, 448, 8):
        content = written(
            json.dumps({"w": entry()}).encode().ljust(length), np.arange(2, dtype="f4").tobytes()
        )
        found = stored(content)
        assert found.kind == "safetensors" and found.tensors["w"].tolist() == [0, 1]


def test_the_order_is_the_file_s():
    header = {
        "last": entry(offsets=(8, 16)),
        "first": entry(offsets=(0, 8)),
        "__metadata__": {"format": "pt"},
    }
    found = stored(written(header, np.arange(4, dtype="f4").tobytes())).tensors
    assert list(found) == ["first", "last"] and found["last"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            written({"w": entry("F8_E4M3", (8,))}, bytes(8)),
            "its tensor 'w' has the type F8_E4M3, which tlkit does",
        ),
        (
            written({"w": entry("C64", (1,))}, bytes(8)),
            "its tensor 'w' has the type C64, which tlkit does not",
        ),
        (written({"w": entry(shape=(1,) * 9 + (2,))}, bytes(8)), "its tensor 'w' has 10 axes"),
        (written({}), "it holds no tensors"),
        (written(b"{", length=2**40), "its header is said to have 1,099,511,627,776 bytes"),
        (written(b"{", length=2**22), "it is cut off or damaged"),
        (written(b"{" + 1000 * b"[" + b"}"), "it is cut off or damaged"),
        (written({"w": entry()}, bytes(7)), "it is cut off or damaged"),
        (written({"w": entry()}, bytes(9)), "it is cut off or damaged"),
        (written({"w": entry(shape=(2**62, 4))}, bytes(8)), "it is cut off or damaged"),
        (
            written({"w": entry(shape=(2**31, 2**31, 2**31), offsets=(0, 2**40))}, bytes(8)),
            "it is cut off or dam",
        ),
        (written({"w": entry(offsets=(8, 0))}, bytes(8)), "it is cut off or damaged"),
        (written({"a": entry(), "b": entry()}, bytes(8)), "it is cut off or damaged"),  # both the same bytes
        (
            written({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)),
            "it is cut off or damaged",
        ),  # a gap
        (written({"w": entry(shape=(-1, -2))}, bytes(8)), "it is cut off or damaged"),
    ],
)
def test_what_does_not_fit_is_refused(content, reason):
    assert reason in refused(content, "a safetensors file")


def test_a_file_cut_anywhere_is_refused():
    for length in range(len(GOOD)):
        with pytest.raises(WeightsError):
            stored(GOOD[:length])


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.binary(max_size=12)) | st.none(),
)
def test_changed_bytes_are_read_or_refused(changes, splice):
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    if splice:
        content[splice[0] : splice[1]] = splice[2]
    try:
        found = stored(bytes(content))
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        for value in found.tensors.values():
            assert value.size <= len(content)
            value.tobytes()
