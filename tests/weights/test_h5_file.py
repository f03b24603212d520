"""The reader of .h5: what Keras wrote comes back in order, what HDF5 can do besides is refused."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused, stored

from tlkit.errors import WeightsError
from tlkit.weights import h5_file

ROOT = Path(__file__).resolve().parents[2]
FORM = "an HDF5 file"


def legacy(file, layers, fixed=False):
    """Weights as Keras 1 and 2 laid them out. `fixed`: names padded to one length, as h5py 2 wrote them."""

    def write(target, attribute, names):
        kind = f"S{max(map(len, names), default=1)}" if fixed else h5py.special_dtype(vlen=bytes)
        target.attrs.create(attribute, names, dtype=kind if names else "f8")

    write(file, "layer_names", list(layers))
    for name, weights in layers.items():
        group = file.create_group(name)
        write(group, "weight_names", list(weights))
        for weight, value in weights.items():
            group[weight] = value


def made(change=lambda file: None, fixed=False, **settings):
    """The content of a good file, after a change."""
    written = io.BytesIO()
    with h5py.File(written, "w", **settings) as file:
        legacy(file, LAYERS, fixed)
        change(file)
    return written.getvalue()


LAYERS = {
    "input_1": {},
    "z_conv": {
        "z_conv/kernel:0": np.arange(12, dtype="f4").reshape(1, 2, 2, 3),
        "z_conv/bias:0": np.ones(3, "f2"),
    },
    "a_norm": {
        "a_norm/gamma:0": np.array([0.1, 1e300]),
        "a_norm/count:0": np.array(7),
        "beta": np.array([1], ">f4"),
    },
}
GOOD = made()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What Keras itself saves of one small model, and its weights by layer."""
    import keras

    folder = tmp_path_factory.mktemp("saved")
    parts = [keras.Input((8, 8, 3), name="photos"), keras.layers.Conv2D(4, 3, name="z_conv")]
    parts += [keras.layers.BatchNormalization(name="a_norm"), keras.layers.Flatten(name="flat")]
    model = keras.Sequential([*parts, keras.layers.Dense(2, name="dense")])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    for name in ("whole.h5", "only.weights.h5", "whole.keras"):
        model.save_weights(folder / name) if "only" in name else model.save(folder / name)
    return folder, {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def test_a_whole_model_that_keras_saved_is_read(saved):
    folder, expected = saved
    found = stored((folder / "whole.h5").read_bytes())
    assert found.kind == "h5" and found.tensors == {}
    assert [name for name, _ in found.layers] == list(expected) == ["z_conv", "a_norm", "dense"]
    for name, arrays in found.layers:
        for ours, theirs in zip(arrays, expected[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == np.float32 and not ours.flags.writeable


@pytest.mark.parametrize(("name", "kind"), [("only.weights.h5", "keras3"), ("whole.keras", "keras")])
def test_the_files_of_keras_3_are_recognised(saved, name, kind):
    assert stored((saved[0] / name).read_bytes()) == (kind, {}, ())


def test_bfloat16_of_keras_3_is_recognised_and_not_taken_for_keras_2_s():
    bits = np.array([b"\x80\x3f"], "V2")
    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        file["vars/0"] = bits
        file["vars/0"].attrs["dtype"] = "bfloat16"
    assert stored(written.getvalue()).kind == "keras3"
    assert "'a_norm/beta' holds something else than numbers" in refused(made(put(bits)), FORM)


@pytest.mark.parametrize("fixed", [False, True])
def test_layers_come_in_the_file_s_order(fixed):
    (conv, (kernel, bias)), (norm, (gamma, count, beta)) = stored(made(fixed=fixed)).layers
    assert (conv, norm) == ("z_conv", "a_norm")
    assert kernel.tolist() == LAYERS["z_conv"]["z_conv/kernel:0"].tolist() and bias.tolist() == [1, 1, 1]
    assert gamma.tolist() == [np.float32(0.1), np.inf] and count == 7 and beta.tolist() == [1]
    assert [value.dtype for value in (kernel, bias, gamma, beta)] == 4 * [np.float32]
    assert count.dtype == np.int64 and count.shape == ()


def test_names_are_those_that_hdf5_itself_reads():
    """They are read without it. One text has letters of two bytes, one is as long as a heap is at first."""
    names = ["é", 4096 * "x", *(f"layer_{n}" for n in range(500))]
    content = made(lambda file: file["a_norm"].attrs.create("more", names))
    with h5py.File(io.BytesIO(content)) as file:
        assert list(file["a_norm"].attrs["more"]) == names
        texts = h5_file.Texts(content)
        assert texts.of(h5py.h5o.get_info(file["a_norm"].id).addr, "more", 2**20) == names


def test_names_in_parts_are_joined():
    """Keras cuts a list of names that is too long for HDF5 into NAME0, NAME1, …"""

    def parts(file):
        names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]

    assert [name for name, _ in stored(made(parts)).layers] == ["z_conv", "a_norm"]


def test_chunks_are_read():
    def chunked(file):
        del file["a_norm/beta"]
        file.create_dataset("a_norm/beta", data=np.arange(5.0), chunks=(2,))

    assert stored(made(chunked)).layers[1][1][2].tolist() == [0, 1, 2, 3, 4]


# Files that do not fit

COMPOUND = np.zeros(2, [("a", "f4"), ("b", "i4")])
VIRTUAL = h5py.VirtualLayout((2,), "f4")
VIRTUAL[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))


def put(value=None, **settings):
    """Put a data set in the place of a weight."""

    def change(file):
        del file["a_norm/beta"]
        if isinstance(value, h5py.HLObject | h5py.SoftLink | h5py.ExternalLink):
            file["a_norm/beta"] = value
        else:
            file.create_dataset("a_norm/beta", data=value, **settings)

    return change


def add(name, value):
    return lambda file: file.__setitem__(name, value)


def names(attribute, value, place="/", kind=None):
    return lambda file: file[place].attrs.create(attribute, value, dtype=kind)


def virtual(file):
    file.create_virtual_dataset("v", VIRTUAL)


def many(file):
    group, target = file.create_group("a"), file["z_conv"]
    for number in range(20_001):
        group[str(number)] = target


def top(file):
    group = file.create_group("top_level_model_weights")
    group.attrs["weight_names"] = [b"scale"]
    group["scale"] = np.ones(3)


# One text of 1,000,000 bytes, 4,000 times: stored once, it would take 4 GB to list.
TEXT = 1_000_000 * b"x"


def repeated(content):
    """Every pointer of layer_names leads to the one long text."""
    first = content.index(len(TEXT).to_bytes(4, "little"), content.index(b"layer_names"))
    pointer = content[first : first + 16]
    return content[:first] + 4000 * pointer + content[first + 4000 * 16 :]


def long_names(file):
    file.attrs["layer_names"] = [TEXT, *(f"{n:05}".encode() for n in range(3999))]


BAD = {
    "a link to another file": (
        add("x", h5py.ExternalLink("/etc/passwd", "/")),
        "'/x' is a link to somewhere else",
    ),
    "a weight in another file": (
        put(h5py.ExternalLink("/etc/passwd", "/x")),
        "'/a_norm/beta' is a link to somewhere else",
    ),
    "a soft link": (put(h5py.SoftLink("/z_conv")), "'/a_norm/beta' is a link to somewhere else"),
    "a soft link to nowhere": (add("x", h5py.SoftLink("/nowhere")), "'/x' is a link to somewhere else"),
    "a virtual data set": (virtual, "the data set '/v' lies in other files"),
    "numbers in another file": (
        put(shape=(8,), dtype="u1", external=[("/etc/passwd", 0, 8)]),
        "the data set '/a_norm/beta' lies in other files",
    ),
    "numbers that are not there": (put(shape=(2**40,), dtype="f4"), "its data sets are larger than the file"),
    "many that are not there": (
        lambda file: [file.create_dataset(f"x{n}", (200,), "f4") for n in range(100)],
        "its data sets are larger than the file",
    ),
    "chunks that are not there": (
        put(shape=(2**50,), dtype="f4", chunks=(64,)),
        "its data sets are larger than the file",
    ),
    "one huge chunk": (
        put(shape=(1,), maxshape=(None,), dtype="f4", chunks=(2**28,)),
        "its data sets are larger than the file",
    ),
    "compressed": (
        put(np.zeros(2**20), compression="gzip"),
        "the data set '/a_norm/beta' is compressed, which Keras never does",
    ),
    "shuffled": (put(np.zeros(9), shuffle=True), "is compressed, which Keras never does"),
    "texts": (put(["a", "b"]), "the data set '/a_norm/beta' holds something else than numbers"),
    "records": (put(COMPOUND), "the data set '/a_norm/beta' holds something else than numbers"),
    "complex numbers": (put(np.zeros(2, "c8")), "holds something else than numbers"),
    "references": (put([], dtype=h5py.ref_dtype), "holds something else than numbers"),
    "nothing": (put(h5py.Empty("f4")), "holds something else than numbers"),
    "a type": (add("x", np.dtype("f4")), "'/x' is neither a group nor a data set"),
    "too many objects": (many, "it has more than 20,000 objects"),
    "a weight twice": (
        names("weight_names", [b"beta", b"beta"], "a_norm"),
        "'a_norm/beta' is no data set of its own",
    ),
    "a group for a weight": (
        names("weight_names", [b"z_conv"], "z_conv"),
        "'z_conv/z_conv' is no data set of its own",
    ),
    "a layer twice": (names("layer_names", [b"a_norm", b"a_norm"]), "two of its layers have one name"),
    "a layer that is not there": (names("layer_names", [b"b"]), "it is cut off or damaged"),
    "no weights": (names("layer_names", [b"input_1"]), "it holds no weights"),
    "names as numbers": (names("layer_names", [1, 2]), "its attribute layer_names is not of texts"),
    "one name": (names("layer_names", b"a_norm"), "its attribute layer_names is not of texts"),
    "names in no alphabet": (names("layer_names", [b"\xff\xfe"], kind="S2"), "it is cut off or damaged"),
    "weights outside of layers": (top, "it has weights outside of its layers"),
    "of nobody": (
        lambda file: file.attrs.__delitem__("layer_names"),
        "it has neither the weights of Keras 1 or 2",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name):
    change, reason = BAD[name]
    assert reason in refused(made(change), FORM)


def test_weights_that_two_layers_share_are_refused():
    def share(file):
        del file["a_norm/beta"]
        file["a_norm/beta"] = file["z_conv/z_conv/bias:0"]

    assert "'a_norm/beta' is no data set of its own" in refused(made(share), FORM)


def test_circles_of_groups_are_walked_once():
    content = made(lambda file: file.__setitem__("a_norm/up/again", file["/"]))
    assert len(stored(content).layers) == 2


def test_headers_of_another_version_are_refused():
    assert "version that Keras does not write" in refused(made(libver="latest"), FORM)
    assert len(stored(made(libver="latest", fixed=True)).layers) == 2  # nothing there has an unknown length


def test_one_text_listed_thousands_of_times_is_refused():
    honest = made(long_names)
    with pytest.raises(WeightsError, match="damaged"):  # no such groups; but the names were read
        stored(honest)
    assert "its attribute layer_names is too long" in refused(repeated(honest), FORM)


def test_a_damaged_heap_is_read_or_refused_at_once():
    """HDF5 1.14.6 itself searches for ever in some of them: found by fuzz_readers.py."""
    heap = GOOD.index(b"GCOL")
    for place in range(heap, heap + 80):
        for value in (0, 1, 16, 255):
            content = bytearray(GOOD)
            content[place] = value
            try:
                stored(bytes(content))
            except WeightsError:
                continue


def test_a_heap_that_keras_3_would_read_is_looked_at_first():
    """It reads the attribute "dtype" of a data set, with HDF5."""
    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        file["vars/0"] = np.ones(3, "f4")
        file["vars/0"].attrs["dtype"] = "bfloat16"
    content = bytearray(written.getvalue())
    assert stored(bytes(content)).kind == "keras3"
    left_over = content.index(b"GCOL") + 16 + 16 + 8  # after the heap's head, the object's and its text
    assert content[left_over : left_over + 2] == bytes(2)
    content[left_over + 8 : left_over + 16] = bytes(8)
    assert "it is cut off or damaged" in refused(bytes(content), FORM)


def test_bombs_take_no_memory_and_lead_nowhere(tmp_path):
    """In a process of its own, watched by Python's audit and by the system."""
    contents = [made(change) for change, _ in BAD.values() if change is not many] + [
        repeated(made(long_names))
    ]
    for number, content in enumerate([GOOD, *contents]):
        (tmp_path / f"{number}.h5").write_bytes(content)
    child = """
import json, os, pathlib, sys
from tlkit.errors import WeightsError
from tlkit.weights import h5_file
from tlkit.weights import contents

def kilobytes():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

def read(path):
    try:
        return len(contents.read(path).layers)
    except WeightsError:
        return 0

folder = pathlib.Path(sys.argv[1])
read(folder / "0.h5"), read(folder / "1.h5")
before, opened = kilobytes(), []
sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" else None)
found = [read(path) for path in sorted(folder.glob("*.h5"))]
outside = [str(path) for path in opened if str(folder) not in str(path) and "/proc/" not in str(path)]
print(json.dumps({"layers": sum(found), "outside": outside, "megabytes": (kilobytes() - before) // 1024}))
"""
    command = [sys.executable, "-c", child, str(tmp_path)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    output = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout
    report = json.loads(output)
    assert report["layers"] == 2 and report["megabytes"] < 32, report
    assert not report["outside"], report


# Files that chance made


def test_a_file_cut_anywhere_is_refused():
    for length in [*range(0, len(GOOD), 41), len(GOOD) - 1]:
        with pytest.raises(WeightsError):
            stored(GOOD[:length])


@settings(max_examples=300)
@given(
    st.sampled_from([GOOD, made(fixed=True)]),
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_changed_bytes_are_read_or_refused(content, changes):
    content = bytearray(content)
    for place, value in changes:
        content[place % len(content)] = value
    try:
        found = stored(bytes(content))
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        assert sum(array.nbytes for _, arrays in found.layers for array in arrays) <= 2 * len(content)
