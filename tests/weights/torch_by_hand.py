"""Torch files written instruction by instruction, good and bad, in both of torch's formats.

Without torch and without tlkit: make_files.py shows what is written here to torch itself.
"""

import io
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Raw(bytes):
    """Pickle instructions as they are."""


def code(value):
    """The instructions that build `value`, as torch's pickler writes them."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, int):
        if 0 <= value < 256:
            return b"K" + bytes([value])
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return b"}(" + b"".join(code(key) + code(item) for key, item in value.items()) + b"u"
    start, end = (b"](", b"e") if isinstance(value, list) else (b"(", b"t")
    return start + b"".join(map(code, value)) + end


def named(module, name):
    return Raw(f"c{module}\n{name}\n".encode())


ORDERED = Raw(named("collections", "OrderedDict") + b")R")
REBUILD = named("torch._utils", "_rebuild_tensor_v2")


def storage(key="0", length=6, kind="FloatStorage", tag="storage", view=None):
    return Raw(code((tag, named("torch", kind), key, "cpu", length, view)) + b"Q")


def tensor(where=None, offset=0, shape=(2, 3), strides=(3, 1), hooks=ORDERED):
    return Raw(REBUILD + code((where or storage(), offset, shape, strides, False, hooks)) + b"R")


def write(state, keys=("0",), storages=None, magic=MAGIC, protocol=1001, system=SYSTEM):
    """A whole file, as torch.save(…, _use_new_zipfile_serialization=False) lays it out."""
    if storages is None:
        storages = [np.arange(6, dtype="<f4")]
    pickles = [b"\x80\x02" + code(part) + b"." for part in (magic, protocol, system, state, list(keys))]
    raw = [struct.pack("<q", values.size) + values.tobytes() for values in storages]
    return b"".join([*pickles, *raw])


GOOD = write({"weight": tensor()})


def archive(state, root="archive", compression=zipfile.ZIP_STORED, **members):
    """A zip archive as torch.save lays it out. `state` may be a finished pickle; None leaves a member out."""
    payload = (
        state if isinstance(state, bytes) and state.startswith(b"\x80") else b"\x80\x02" + code(state) + b"."
    )
    labelled = code(("storage", named("torch", "FloatStorage"), "0", "cpu", 6, None))
    payload = payload.replace(labelled, code(("storage", named("torch", "FloatStorage"), "0", "cpu", 6)))
    parts = {"data.pkl": payload, "byteorder": b"little", "data/0": np.arange(6, dtype="<f4").tobytes()}
    parts |= {"version": b"3\n"} | {name.replace("_", "/", 1): part for name, part in members.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, part in parts.items():
            if part is not None:
                written.writestr(f"{root}/{name}", part)
    return file.getvalue()


GOOD_ARCHIVE = archive({"weight": tensor()})


def places(payload):
    """A pickle in each place of a file where one is read, in both formats."""
    if payload.startswith(b"\x80"):
        payload = payload[2:]
    good = [code(part) + b"." for part in (MAGIC, 1001, SYSTEM, {"weight": tensor()}, ["0"])]
    for place in range(len(good)):
        pickles = [*good[:place], payload, *good[place + 1 :]]
        yield b"".join(b"\x80\x02" + part for part in pickles)
    yield archive(b"\x80\x02" + payload)


def of_2017():
    """A state dict as torch 0.1 and Python 2 wrote it: pairs in a list, short strings, parameters, a part."""

    def old(where, shape, strides):
        return Raw(named("torch._utils", "_rebuild_tensor") + code((where, 0, shape, strides)) + b"R")

    def short(text):
        return Raw(b"U" + bytes([len(text)]) + text.encode())

    whole, part = storage(length=10), storage(length=10, view=("1", 6, 4))
    parameter = named("torch.nn.parameter", "Parameter") + code((old(whole, (2, 3), (3, 1)),)) + b"R"
    parameter += code((True, False, ORDERED)) + b"b"
    pairs = [[short("weight"), Raw(parameter)], [short("bias"), old(part, (4,), (1,))]]
    state = Raw(named("collections", "OrderedDict") + code((pairs,)) + b"R")
    return write(state, storages=[np.arange(10, dtype="<f4")])


KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def save(path, tensors, legacy=False):
    """A file of a state dict, of any size, as torch.save writes it: an archive, or as before torch 1.6."""
    state = {}
    for number, (name, value) in enumerate(tensors.items()):
        key = ("storage", named("torch", KINDS[value.dtype.name]), str(number), "cpu", value.size)
        where = Raw(code(key + (None,) * legacy) + b"Q")
        strides = tuple(step // value.itemsize for step in np.empty(value.shape, value.dtype).strides)
        state[name] = tensor(where, 0, value.shape, strides)
    if legacy:
        keys = [str(number) for number in range(len(tensors))]
        path.write_bytes(write(state, keys, storages=[]))
        with path.open("ab") as file:
            for value in tensors.values():
                file.write(struct.pack("<q", value.size))
                file.write(np.ascontiguousarray(value).data)
        return
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("archive/data.pkl", b"\x80\x02" + code(state) + b".")
        written.writestr("archive/byteorder", b"little")
        for number, value in enumerate(tensors.values()):
            written.writestr(f"archive/data/{number}", np.ascontiguousarray(value).data)
        written.writestr("archive/version", b"3\n")
