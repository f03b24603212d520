"""The one door to weights files: content decides, and whatever does not fit is one line."""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused, stored
from safetensors import numpy as library
from torch_by_hand import GOOD, GOOD_ARCHIVE, archive, tensor

from tlkit.errors import WeightsError
from tlkit.weights import contents

ROOT = Path(__file__).resolve().parents[2]
ZIP, KERAS = "a zip archive", "a Keras archive"


def weights(change=lambda file: None):
    """The weights of Keras 3, as they lie in its archive."""
    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        file["layers/dense/vars/0"] = np.arange(6, dtype="f4")
        change(file)
    return written.getvalue()


def zipped(members, compression=zipfile.ZIP_STORED):
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return written.getvalue()


def keras(compression=zipfile.ZIP_STORED, **members):
    beside = {"metadata.json": b"{}", "config.json": json.dumps({"class_name": "Lambda"}).encode()}
    return zipped({**beside, "model.weights.h5": weights(), **members}, compression)


def link(file):
    file["layers/x"] = h5py.ExternalLink("/etc/passwd", "/")


SAFE = library.save({"weight": np.arange(6, dtype="f4").reshape(2, 3)})
KINDS = {
    "torch": [GOOD, GOOD_ARCHIVE],
    "safetensors": [SAFE],
    "keras3": [weights()],
    "keras": [keras(), keras(zipfile.ZIP_DEFLATED)],
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".h5", ".keras", ".txt", ""])
def test_content_decides_and_not_the_name(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    for kind, files in KINDS.items():
        for content in files:
            path.write_bytes(content)
            found = contents.read(path)
            assert found.kind == kind and found.layers == ()
            assert {name: value.shape for name, value in found.tensors.items()} == (
                {"weight": (2, 3)} if kind in ("torch", "safetensors") else {}
            )


def test_tensors_outlive_the_file_and_the_process_closes_it(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(GOOD)
    found = contents.read(path).tensors["weight"]
    path.unlink()
    assert found.sum() == 15
    assert str(path) not in [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]


# What is no weights file


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"x", "its first bytes are of no kind that it reads"),
        (b"\n <!DOCTYPE html><html>Not found", "it is a page of the web, or XML"),
        (b'{"error": "not found"}', "it is JSON"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "it is a pointer of Git LFS, which stands for a file",
        ),
        (b"\x1f\x8b\x08\0", "it is compressed by gzip"),
        (b"\x93NUMPY\x01\0v\0{", "it is an array of NumPy"),
        (b"\x1c\0\0\0TFL3\x14\0 \0", "it is a .tflite file, made to be run and not to be trained"),
        (257 * b"s" + b"ustar\0", "it is a tar archive, as torch wrote at the very first"),
        (zipped({"weight.npy": b"x"}), "it is a zip archive of something else"),
        (zipped({"config.json": b"{}"}), "it is a zip archive of something else"),
    ],
)
def test_what_is_no_weights_file_is_told_what_is_one(content, reason, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        contents.read(path)
    assert str(caught.value).startswith(f"{path} is no weights file that tlkit knows: {reason}")
    assert (
        caught.value.hint
        == "Use a .pth file of torch, a .safetensors, or an .h5, .weights.h5 or .keras of Keras."
    )


def test_what_cannot_be_opened_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in {
        "absent": "No such file or directory",
        "": "Is a directory",
        "absent/below": "No such file or directory",
        300 * "x": "File name too long",
        "pipe": "it is no regular file",
    }.items():
        with pytest.raises(WeightsError, match=f" cannot be read: {reason}.$"):
            contents.read(tmp_path / name)


# Zip archives


def twice():
    with pytest.warns(UserWarning, match="Duplicate"):
        written = io.BytesIO(GOOD_ARCHIVE)
        with zipfile.ZipFile(written, "a") as file:
            file.writestr("archive/data/0", bytes(24))
    return written.getvalue()


def entries(content):
    """Where the directory's entries begin."""
    at = content.index(b"PK\x01\x02")
    while at >= 0:
        yield at
        at = content.find(b"PK\x01\x02", at + 1)


def changed(content, offset, form, value, entry=2):
    """Another number in an entry of the directory; the third is that of the storage."""
    content = bytearray(content)
    struct.pack_into(form, content, list(entries(content))[entry] + offset, value)
    return bytes(content)


HEADERS = [zipfile.ZipFile(io.BytesIO(GOOD_ARCHIVE)).infolist()[n].header_offset for n in range(4)]
CROWD = zipped({f"archive/data/{n}": b"" for n in range(40_000)})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (twice(), "its member 'archive/data/0' is there twice"),
        (
            keras(**{"model.weights.h5+": weights(link)}).replace(b"h5+", b"h5\0"),
            "its member 'model.weights.h5\\x00' has two names",
        ),
        (changed(GOOD_ARCHIVE, 8, "<H", 1), "its member 'archive/data/0' is encrypted"),
        (changed(GOOD_ARCHIVE, 10, "<H", 12), "its member 'archive/data/0' is compressed in an unusual way"),
        (changed(GOOD_ARCHIVE, 20, "<I", 23), "its member 'archive/data/0' has two sizes"),
        (
            changed(GOOD_ARCHIVE, 42, "<I", HEADERS[1]),
            "its member 'archive/data/0' is not where its directory says",
        ),
        (changed(GOOD_ARCHIVE, 42, "<I", 2**31), "it is cut off or damaged"),
        (
            changed(changed(GOOD_ARCHIVE, 20, "<I", 100), 24, "<I", 100),
            "its member 'archive/data/0' reaches into another",
        ),
        (CROWD, "its directory is too long"),
        (GOOD_ARCHIVE[:-22], "it is cut off or damaged"),
        (b"PK\x03\x04" + GOOD, "it is cut off or damaged"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(content, reason):
    assert reason in refused(content, ZIP)


# Archives of Keras


def legacy(file):
    del file["layers"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (keras(**{"../../.bashrc": b"x"}), "its member '../../.bashrc' would lie outside of it"),
        (keras(**{"/etc/passwd": b"x"}), "its member '/etc/passwd' would lie outside of it"),
        (keras(**{"..\\x": b"x"}), "its member '..\\\\x' would lie outside of it"),
        (keras(**{"C:x": b"x"}), "its member 'C:x' would lie outside of it"),
        (keras(**{"model.weights.h5": weights(link)}), "'/layers/x' is a link to somewhere else"),
        (keras(**{"model.weights.h5": weights(legacy)}), "its weights are not those of Keras 3"),
        (keras(**{"model.weights.h5": b"x"}), "it is cut off or damaged"),
        (
            keras(zipfile.ZIP_DEFLATED, **{"model.weights.h5": bytes(2**26)}),
            "unpacked, its weights have 67,108,864 bytes, over 4 times as much as the file",
        ),
        (
            keras(zipfile.ZIP_DEFLATED, **{"config.json": bytes(2**26)}),
            "unpacked, what is beside its weights has more than 33,554,432 bytes",
        ),
        (
            keras().replace(np.arange(6, dtype="f4").tobytes(), np.ones(6, "f4").tobytes()),
            "its weights are damaged: their checksum is another",
        ),
    ],
)
def test_a_keras_archive_that_does_not_fit_is_refused(content, reason):
    assert reason in refused(content, KERAS)


def test_what_unpacks_to_more_than_it_says_is_cut():
    """The weights say that they have 100 bytes and unpack to 64 MB."""
    content = keras(zipfile.ZIP_DEFLATED, **{"model.weights.h5": bytes(2**26)})
    refused(changed(content, 24, "<I", 100), KERAS)


def test_a_crowd_of_archives_takes_no_memory(tmp_path):
    """In a process of its own: what zip bombs take, as the system counts."""
    bombs = [CROWD, archive({"a": tensor()}, compression=zipfile.ZIP_DEFLATED, data_0=bytes(2**26))]
    bombs += [
        keras(zipfile.ZIP_DEFLATED, **{name: bytes(2**26)}) for name in ("model.weights.h5", "config.json")
    ]
    bombs += [changed(bombs[2], 24, "<I", 100)]
    for number, content in enumerate([GOOD_ARCHIVE, keras(), *bombs]):
        (tmp_path / f"{number}.zip").write_bytes(content)
    child = """
import pathlib, sys
from tlkit.errors import WeightsError
from tlkit.weights import contents

def kilobytes():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

contents.read(pathlib.Path(sys.argv[1], "0.zip")), contents.read(pathlib.Path(sys.argv[1], "1.zip"))
before = kilobytes()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir())[2:]:
    try:
        contents.read(path)
    except WeightsError:
        continue
    sys.exit(f"{path} was read")
print((kilobytes() - before) // 1024)
"""
    command = [sys.executable, "-c", child, str(tmp_path)]
    megabytes = int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert megabytes < 32


# Files that chance made


@settings(max_examples=300)
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x02", 8 * b"\0" + b"{"]), st.binary()
)
def test_random_bytes_are_refused(start, rest):
    with pytest.raises(WeightsError) as caught:
        stored(start + rest)
    assert "\n" not in str(caught.value)


@settings(max_examples=300)
@given(
    st.sampled_from([keras(), keras(zipfile.ZIP_DEFLATED)]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 10_000) | st.none(),
)
def test_a_changed_keras_archive_is_recognised_or_refused(content, changes, end):
    content = bytearray(content)
    for place, value in changes:
        content[place % len(content)] = value
    try:
        assert stored(bytes(content[:end])).kind == "keras"
    except WeightsError as error:
        assert "\n" not in str(error)
