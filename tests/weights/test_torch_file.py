"""The reader of torch files: right on what torch wrote, a clear refusal of what does not fit."""

import io
import zipfile

import make_files
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused, stored
from torch_by_hand import (
    GOOD,
    GOOD_ARCHIVE,
    ORDERED,
    REBUILD,
    Raw,
    archive,
    code,
    named,
    places,
    storage,
    tensor,
    write,
)

from tlkit.errors import WeightsError
from tlkit.weights import contents

FILES = make_files.FILES


def read(content):
    found = stored(content)
    assert found.kind == "torch" and found.layers == ()
    return found.tensors


# Files that torch wrote: make_files.py


@pytest.mark.parametrize("name", ["archive", "archive-mixed", "legacy", "legacy-half"])
def test_what_torch_wrote_is_read(name):
    """In both formats, of every kind of float, as views and parameters, and in a whole checkpoint."""
    found = contents.read(FILES / f"{name}.pth").tensors
    expected = make_files.tensors()
    assert list(found) == list(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == value.dtype and not found[key].flags.writeable


def test_a_module_s_own_state_is_read():
    found = contents.read(FILES / "archive-module.pth").tensors
    assert list(found)[::6] == ["0.weight", "1.num_batches_tracked"]
    assert found["0.weight"].tolist() == [[0, 1], [2, 3], [4, 5]] and found["1.num_batches_tracked"] == 5
    old = contents.read(FILES / "legacy-parameters.pth").tensors
    assert {name: old[name].tolist() for name in old} == {
        name: found[name].tolist() for name in list(found)[:4]
    }


def test_what_torch_of_2017_wrote_is_read():
    found = contents.read(FILES / "legacy-2017.pth").tensors
    assert {name: value.tolist() for name, value in found.items()} == {
        "weight": [[0, 1, 2], [3, 4, 5]],
        "bias": [6, 7, 8, 9],
    }


def test_a_whole_module_is_refused_by_the_name_of_its_class():
    with pytest.raises(
        WeightsError, match="asks for 'torch.nn.modules.container.Sequential', which is not part"
    ):
        contents.read(FILES / "whole-module.pth")


# Files written by hand


# Torch has not always said which byte order it wrote.
OLD_ARCHIVE = archive({"weight": tensor()}, root="resnet", byteorder=None)


@pytest.mark.parametrize(
    "content", [GOOD, GOOD_ARCHIVE, OLD_ARCHIVE], ids=["legacy", "archive", "old archive"]
)
def test_a_tensor_is_read(content):
    found = read(content)
    assert list(found) == ["weight"]
    np.testing.assert_array_equal(found["weight"], [[0, 1, 2], [3, 4, 5]])
    assert found["weight"].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        found["weight"][0, 0] = 1


def test_strides_offsets_shared_storages_and_scalars():
    state = {
        "turned": tensor(shape=(3, 2), strides=(1, 3)),
        "tail": tensor(offset=4, shape=(2,), strides=(1,)),
        "any stride where no step is taken": tensor(shape=(1, 6), strides=(10**12, 1)),
        "count": tensor(storage("1", 1, "LongStorage"), shape=(), strides=()),
    }
    found = read(write(state, ["1", "0"], [np.array([7]), np.arange(6, dtype="<f4")]))
    np.testing.assert_array_equal(found["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(found["tail"], [4, 5])
    np.testing.assert_array_equal(found["any stride where no step is taken"], [[0, 1, 2, 3, 4, 5]])
    assert found["count"] == 7 and found["count"].dtype == np.int64


def test_an_ordered_dictionary_with_metadata_is_read():
    state = Raw(
        ORDERED + b"(" + code("weight") + tensor() + b"u" + code({"_metadata": {"": {"version": 1}}}) + b"b"
    )
    assert list(read(write(state))) == ["weight"]


@pytest.mark.parametrize(
    ("kind", "dtype", "values", "expected"),
    [
        ("DoubleStorage", "f4", np.array([0.1, 1e300, -2]), [np.float32(0.1), np.inf, -2]),
        ("HalfStorage", "f4", np.array([1.5, 65504, 2**-24], "<f2"), [1.5, 65504, 2**-24]),
        ("BFloat16Storage", "f4", np.array([0x3FC0, 0x7F80, 0x0001], "<u2"), [1.5, np.inf, 2.0**-133]),
        ("IntStorage", "i4", np.array([1, -2, 3], "<i4"), [1, -2, 3]),
        ("ShortStorage", "i2", np.array([1, -2, 3], "<i2"), [1, -2, 3]),
        ("CharStorage", "i1", np.array([1, -2, 3], "i1"), [1, -2, 3]),
        ("ByteStorage", "u1", np.array([1, 2, 255], "u1"), [1, 2, 255]),
        ("BoolStorage", "?", np.array([0, 1, 77], "u1"), [False, True, True]),
    ],
)
def test_every_kind_of_number_is_read(kind, dtype, values, expected):
    found = read(write({"a": tensor(storage(length=3, kind=kind), 0, (3,), (1,))}, storages=[values]))["a"]
    assert found.tolist() == expected and found.dtype == dtype


def test_the_state_dict_is_found_beside_other_things():
    plain = {"epoch": 3, "best": 0.5, "name": "x", "nothing": None, "history": [1, 2.5, "x", {"a": (1,)}]}
    optimizer = {"state": {0: {"momentum": tensor()}}, "groups": [{"lr": 0.1}]}
    for name in contents.torch_file.NESTED:
        content = write({**plain, "optimizer": optimizer, name: {"weight": tensor()}})
        assert list(read(content)) == ["weight"]
    both = {"state_dict": {"raw": tensor()}, "state_dict_ema": {"averaged": tensor()}}
    assert list(read(write(both))) == ["averaged"]  # what was evaluated


def test_a_prefix_goes_only_if_every_name_has_it():
    names = {"module.a": tensor(), "module.b.weight": tensor()}
    assert list(read(write(names))) == ["a", "b.weight"]
    assert list(read(write({**names, "modules": tensor()}))) == ["module.a", "module.b.weight", "modules"]


def test_a_storage_is_made_float32_once():
    """Thousands of tensors on one storage take no more memory than one."""
    state = {
        str(n): tensor(storage(length=2**18, kind="HalfStorage"), n, (2**17,), (1,)) for n in range(5000)
    }
    found = read(write(state, storages=[np.repeat(np.arange(64, dtype="<f2"), 2**12)]))
    assert len(found) == 5000
    assert np.shares_memory(found["0"], found["1"]) and found["4999"][0] == 1


# Files that do not fit


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (write({}, magic=1), "it does not begin with torch's magic number"),
        (write({}, protocol=1000), "its protocol is not 1001"),
        (write({}, system={"little_endian": False}), "it does not come from a little-endian machine"),
        (write({}, system={"little_endian": 1}), "it does not come from a little-endian machine"),
        (write([]), "it holds something else than a dictionary of tensors"),
        (write({"epoch": 3}), "it holds something else than a dictionary of tensors"),
        (write({3: tensor()}), "it holds something else than a dictionary of tensors"),
        (write({(): tensor()}), "it has type tuple where type str belongs"),
        (write({}), "it holds something else than a dictionary of tensors"),
        (
            write({"model": {"a": tensor(), "epoch": 3}}),
            "it holds something else than a dictionary of tensors",
        ),
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
        (write({"a": tensor(storage(view=("1", 2, 5)))}), "a part of storage '0' does not lie within it"),
        (write({"a": tensor(storage(view=("1", -1, 5)))}), "a part of storage '0' does not lie within it"),
        (write({"a": tensor(storage(view=("1", 5, -1)))}), "a part of storage '0' does not lie within it"),
        (write({"a": tensor(storage(view=("1", 1, 5)))}), "a tensor does not lie within its storage '0'"),
        (write({"a": tensor(storage(view=(0, 6)))}), "it is cut off or damaged"),
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
            write({"a": Raw(named("collections", "OrderedDict") + code((tensor(),)) + b"R")}),
            "it has type Tensor where type list belongs",
        ),
        (b"\x80\x03K\x01.", "a pickle in it is not of protocol 2"),
    ],
)
def test_what_does_not_fit_is_refused(content, reason):
    assert reason in refused(content)


OTHER = np.arange(5, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archive({"a": tensor()}, data_0=None), "storage '0' is not in it"),
        (archive({"a": tensor()}, data_0=OTHER), "storage '0' is not as long as its tensors say"),
        (archive({"a": tensor()}, byteorder=b"big"), "it does not come from a little-endian machine"),
        (archive({"a": tensor()}, byteorder=9 * b"little"), "a member in it is longer than 6 bytes"),
        (archive({"a": tensor()}, **{"constants.pkl": b"x"}), "it is a TorchScript program"),
        (
            archive({"a": tensor()}, **{"code/data.pkl": b"x"}),
            "it has 2 members called data.pkl instead of one",
        ),
        (archive({"a": tensor()}, compression=zipfile.ZIP_DEFLATED), "is compressed, which torch never does"),
        (archive({"epoch": 3}), "it holds something else than a dictionary of tensors"),
        (archive({"a": tensor(storage("../0"))}), "a storage in it is not labelled as torch does"),
        (GOOD_ARCHIVE.replace(OTHER, bytes(20)), "storage '0' is damaged: its checksum is another"),
    ],
)
def test_an_archive_that_does_not_fit_is_refused(content, reason):
    assert reason in refused(content)


def test_checksums_that_torch_was_told_not_to_write_are_not_missed():
    """torch.serialization.set_crc32_options(False) writes 0 everywhere."""
    content = GOOD_ARCHIVE
    with zipfile.ZipFile(io.BytesIO(content)) as written:
        for info in written.infolist():
            content = content.replace(info.CRC.to_bytes(4, "little"), bytes(4))
    assert read(content)["weight"].sum() == 15


@pytest.mark.parametrize("content", [GOOD, GOOD_ARCHIVE], ids=["legacy", "archive"])
def test_a_file_cut_anywhere_is_refused(content):
    for length in range(len(content)):
        with pytest.raises(WeightsError):
            stored(content[:length])


# Files that chance made

HEADER = GOOD.index(b"\x06\0\0\0\0\0\0\0")  # the first storage's length


@settings(max_examples=400)
@given(
    st.sampled_from([GOOD, GOOD_ARCHIVE]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_changed_bytes_are_read_or_refused(content, changes):
    content = bytearray(content)
    for place, value in changes:
        content[place % len(content)] = value
    check(bytes(content))


@settings(max_examples=200)
@given(st.sampled_from([GOOD[:HEADER], GOOD_ARCHIVE]), st.integers(0), st.integers(0), st.binary(max_size=12))
def test_spliced_bytes_are_read_or_refused(content, start, end, inserted):
    start, end = start % len(content), end % len(content)
    check(content[:start] + inserted + content[end:])


@settings(max_examples=200)
@given(st.lists(st.sampled_from([bytes([n]) for n in range(256)]), max_size=40))
def test_random_instructions_are_read_or_refused(instructions):
    for content in places(b"".join(instructions) + b"."):
        check(content)


def check(content):
    try:
        found = stored(content)
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        for value in found.tensors.values():
            assert isinstance(value, np.ndarray) and value.size <= len(content)
            value.sum()  # every element lies in the file
