"""The reader of old torch files: right on good ones, a clear refusal of those that do not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from old_torch import GOOD, ORDERED, REBUILD, Raw, code, named, places, refused, storage, tensor, write

from tlkit.backbones import torch_file
from tlkit.errors import WeightsError


def test_a_tensor_is_read():
    found = torch_file.read(GOOD, "good.pth")
    assert list(found) == ["weight"]
    np.testing.assert_array_equal(found["weight"], [[0, 1, 2], [3, 4, 5]])
    assert found["weight"].dtype == np.float32


def test_strides_offsets_shared_storages_and_scalars():
    state = {
        "turned": tensor(shape=(3, 2), strides=(1, 3)),
        "tail": tensor(offset=4, shape=(2,), strides=(1,)),
        "any stride where no step is taken": tensor(shape=(1, 6), strides=(10**12, 1)),
        "count": tensor(storage("1", 1, "LongStorage"), shape=(), strides=()),
    }
    found = torch_file.read(write(state, ["1", "0"], [np.array([7]), np.arange(6, dtype="<f4")]), "good.pth")
    np.testing.assert_array_equal(found["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(found["tail"], [4, 5])
    np.testing.assert_array_equal(found["any stride where no step is taken"], [[0, 1, 2, 3, 4, 5]])
    assert found["count"] == 7 and found["count"].dtype == np.int64


def test_an_ordered_dictionary_with_metadata_is_read():
    state = Raw(
        ORDERED + b"(" + code("weight") + tensor() + b"u" + code({"_metadata": {"": {"version": 1}}}) + b"b"
    )
    assert list(torch_file.read(write(state), "good.pth")) == ["weight"]


def test_arrays_are_views_that_cannot_be_written():
    found = torch_file.read(GOOD, "good.pth")["weight"]
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


# Files that do not fit


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is cut off"),
        (b"PK\x03\x04" + GOOD, "it is a zip archive, the newer torch format"),
        (write({}, magic=1), "it does not begin with torch's magic number"),
        (write({}, protocol=1000), "its protocol is not 1001"),
        (write({}, system={"little_endian": False}), "it does not come from a little-endian machine"),
        (write({}, system={"little_endian": 1}), "it does not come from a little-endian machine"),
        (write([]), "it holds something else than a dictionary of tensors"),
        (write({"epoch": 3}), "it holds something else than a dictionary of tensors"),
        (write({3: tensor()}), "it has type int where type str belongs"),
        (GOOD[:-1], "it is cut off within storage '0'"),
        (GOOD + b"\0", "1 bytes follow its last storage"),
        (write({"a": tensor()}, keys=[]), "its list of storages is not that of its tensors"),
        (write({"a": tensor()}, keys=["0", "0"]), "its list of storages is not that of its tensors"),
        (write({"a": tensor()}, keys=["1"]), "its list of storages is not that of its tensors"),
        (write({"a": tensor()}, keys=[0]), "its list of storages is not a list of keys"),
        (
            write({"a": tensor()}, storages=[np.zeros(5, "<f4")]),
            "storage '0' is not as long as its tensors say",
        ),
        (
            write({"a": tensor(), "b": tensor(storage(length=5))}),
            "storage '0' is described twice, and not alike",
        ),
        (write({"a": tensor(storage(kind="LongStorage")), "b": tensor()}), "storage '0' is described twice"),
        (write({"a": tensor(storage(length=-1))}), "storage '0' has no possible type or length"),
        (write({"a": tensor(storage(length=2**62))}), "storage '0' has no possible type or length"),
        (write({"a": tensor(storage(length=True))}), "it has type bool where type int belongs"),
        (
            write({"a": tensor(storage(kind="QInt8Storage"))}),
            "it asks for 'torch.QInt8Storage', which is not part of",
        ),
        (
            write({"a": Raw(code(("storage", "FloatStorage", "0", "cpu", 6, None)) + b"Q")}),
            "has type str where",
        ),
        (write({"a": tensor(storage(tag="module"))}), "a storage in it is not labelled as torch does"),
        (write({"a": tensor(storage(view=("0", 0, 6)))}), "a storage in it is not labelled as torch does"),
        (write({"a": tensor(offset=1)}), "a tensor does not lie within its storage '0'"),
        (write({"a": tensor(offset=-1)}), "a tensor does not lie within its storage '0'"),
        (write({"a": tensor(strides=(4, 1))}), "a tensor does not lie within its storage '0'"),
        (write({"a": tensor(offset=5, strides=(-3, 1))}), "a tensor does not lie within its storage '0'"),
        (write({"a": tensor(strides=(2**70, 2**70))}), "a tensor does not lie within its storage '0'"),
        (
            write({"a": tensor(shape=(2**31, 2**31), strides=(0, 0))}),
            "a tensor does not lie within its storage '0'",
        ),
        (write({"a": tensor(shape=(7,), strides=(0,))}), "a tensor does not lie within its storage '0'"),
        (write({"a": tensor(shape=(0, 3))}), "a tensor of storage '0' has no possible shape"),
        (write({"a": tensor(shape=(-2, 3))}), "a tensor of storage '0' has no possible shape"),
        (write({"a": tensor(shape=(2, 3, 1))}), "a tensor of storage '0' has no possible shape"),
        (
            write({"a": tensor(shape=9 * (1,), strides=9 * (1,))}),
            "a tensor of storage '0' has no possible shape",
        ),
        (write({"a": tensor(shape=[2, 3])}), "it has type list where type tuple belongs"),
        (write({"a": tensor(shape=("2", 3))}), "it has type str where type int belongs"),
        (
            write({"a": Raw(REBUILD + code((storage(), 0)) + b"R")}),
            "it calls something that does not build a tensor",
        ),
        (
            write({"a": Raw(named("collections", "OrderedDict") + code(([],)) + b"R")}),
            "does not build a tensor",
        ),
        (b"\x80\x03K\x01.", "a pickle in it is not of protocol 2"),
    ],
)
def test_what_does_not_fit_is_refused(content, reason):
    assert reason in refused(content)


def test_a_file_cut_anywhere_is_refused():
    for length in range(len(GOOD)):
        with pytest.raises(WeightsError):
            torch_file.read(GOOD[:length], "cut.pth")


# Files that chance made

HEADER = GOOD.index(b"\x06\0\0\0\0\0\0\0")  # the first storage's length


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_are_read_or_refused(changes):
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    check(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, HEADER), st.integers(0, HEADER), st.binary(max_size=12))
def test_spliced_bytes_are_read_or_refused(start, end, inserted):
    check(GOOD[:start] + inserted + GOOD[end:])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([bytes([n]) for n in range(256)]), max_size=40))
def test_random_instructions_are_read_or_refused(instructions):
    for content in places(b"".join(instructions) + b"."):
        check(content)


def check(content):
    try:
        found = torch_file.read(content, "chance.pth")
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        for value in found.values():
            assert isinstance(value, np.ndarray) and value.size <= len(content)
            value.sum()  # every element lies in the file
