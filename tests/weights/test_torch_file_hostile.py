"""Hostile files: exploits that are real in Python's pickle do nothing in our reader."""

import copyreg
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import refused
from torch_by_hand import GOOD, GOOD_ARCHIVE, ORDERED, Raw, archive, code, named, places, tensor, write

ROOT = Path(__file__).resolve().parents[2]


class Calls:
    """Pickles into a call, as any class may."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Restores:
    """Pickles into a call of its own `__setstate__`."""

    def __init__(self, marker):
        self.marker = marker

    def __setstate__(self, state):
        Path(state["marker"]).touch()


def system(marker):
    """os.system itself, without the pickle's head and end."""
    return pickle.dumps(Calls(os.system, f"touch {marker}"), 2)[2:-1]


def dumped(function, *arguments, protocol=2):
    return pickle.dumps(Calls(function, *arguments), protocol)


def here(name):
    return f"c{__name__}\n{name}\n".encode()


# Each makes a pickle that creates the file `marker` when Python's own pickle loads it.
EXPLOITS = {
    "os.system": lambda marker: dumped(os.system, f"touch {marker}"),
    "eval": lambda marker: dumped(eval, f"open({marker!r}, 'w').close()"),
    "exec": lambda marker: dumped(exec, f"open({marker!r}, 'w').close()"),
    "open": lambda marker: dumped(open, marker, "w"),
    "subprocess": lambda marker: dumped(subprocess.check_call, ["touch", marker]),
    "a method": lambda marker: dumped(Path.touch, Path(marker), protocol=4),
    "protocol 0": lambda marker: dumped(os.system, f"touch {marker}", protocol=0),
    "protocol 5": lambda marker: dumped(os.system, f"touch {marker}", protocol=5),
    "as a value": lambda marker: b"\x80\x02}" + code("weight") + system(marker) + b"s.",
    "as a key": lambda marker: b"\x80\x02}" + system(marker) + b"Ns.",
    "as an argument of what is allowed": lambda marker: ORDERED[:-2] + b"(" + system(marker) + b"tR.",
    "popped before the result": lambda marker: b"\x80\x02" + system(marker) + b"0}.",
    "below the result": lambda marker: b"\x80\x02" + system(marker) + b"}.",
    "setstate": lambda marker: pickle.dumps(Restores(marker), 2),
    "BUILD": lambda marker: here("Restores") + b")\x81" + code({"marker": marker}) + b"b.",
    "NEWOBJ": lambda marker: here("Makes") + code((marker,)) + b"\x81.",
    "NEWOBJ_EX": lambda marker: b"\x80\x04" + here("Makes") + code((marker,)) + b"}\x92.",
    "INST": lambda marker: b"(S'touch " + marker.encode() + b"'\nios\nsystem\n.",
    "OBJ": lambda marker: b"(cos\nsystem\nS'touch " + marker.encode() + b"'\no.",
    "STACK_GLOBAL": lambda marker: (
        b"\x80\x04\x8c\x02os\x8c\x06system\x93" + code((f"touch {marker}",)) + b"R."
    ),
    "a dotted name": lambda marker: (
        b"\x80\x04\x8c\x07pathlib\x8c\x0aPath.touchcpathlib\nPath\n" + code((marker,)) + b"R\x85R."
    ).replace(b"touchc", b"touch\x93c"),
    "EXT1": lambda marker: b"\x80\x02\x82\xf0" + code((f"touch {marker}",)) + b"R.",
    "EXT2": lambda marker: b"\x80\x02\x83\xf0\0" + code((f"touch {marker}",)) + b"R.",
    "EXT4": lambda marker: b"\x80\x02\x84\xf0\0\0\0" + code((f"touch {marker}",)) + b"R.",
}


def call(module, name, *arguments):
    return Raw(named(module, name) + code(arguments) + b"R")


def state(target, value):
    return Raw(target + code(value) + b"b")


FLOATS, PARAMETER = named("torch", "FloatStorage"), named("torch.nn.parameter", "Parameter")

# These need torch, or something of ours, to do harm; nothing of them may be asked for.
GADGETS = {
    "torch.load": call("torch", "load", "other.pth"),
    "torch.hub": call("torch.hub", "load", "owner/repository", "model"),
    "a training program's arguments": call("argparse", "Namespace"),
    "a number of NumPy's": call("numpy.core.multiarray", "scalar", None),
    "a parameter of a class": state(call("torch.nn.parameter", "Parameter", FLOATS), (True, False, None)),
    "a parameter's hooks": state(Raw(PARAMETER + b"(" + tensor() + b"tR"), (True, False, {"hook": 1})),
    "a parameter's own state": state(Raw(PARAMETER + b"(" + tensor() + b"tR"), {"__reduce__": 1}),
    "hooks on what is rebuilt": Raw(
        named("torch._utils", "_rebuild_parameter") + b"(" + tensor() + b"\x88" + code({"hook": 1}) + b"tR"
    ),
    "a tensor's own class": call("torch._tensor", "_rebuild_from_type_v2", None),
    "a parameter with state": call("torch._utils", "_rebuild_parameter_with_state", None),
    "a sparse tensor": call("torch._utils", "_rebuild_sparse_tensor", None),
    "a script": call("torch.jit", "_script", "x"),
    "numpy's reconstruct": call("numpy._core.multiarray", "_reconstruct", None),
    "codecs": call("_codecs", "encode", "x", "latin1"),
    "our own errors": call("tlkit.errors", "TlkitError", "x"),
    "joined names": Raw(b"ctorch._utils _rebuild_tensor_v2\nx\n"),
    "a name with a space": Raw(b"ctorch\nFloatStorage x\n"),
    "an attribute of an allowed name": Raw(b"ccollections\nOrderedDict.fromkeys\n"),
    "a call of a tensor": Raw(tensor() + b")R"),
    "a call of a storage's class": call("torch", "FloatStorage", 6),
    "a call of a text": Raw(code("os.system") + code(("touch x",)) + b"R"),
    "state for a class": state(FLOATS, {"__call__": 1}),
    "state for a tensor": state(tensor(), {"__reduce__": 1}),
    "state for the dictionary": state(ORDERED, {"__setitem__": FLOATS}),
    "slots for the dictionary": state(ORDERED, (None, {"items": 1})),
    "metadata and more": state(ORDERED, {"_metadata": {}, "items": 1}),
    "a hook": tensor(hooks=named("builtins", "print")),
    "a table of hooks": tensor(hooks={"hook": 1}),
}

DOUBLED = b")" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(100))

BOMBS = {
    "a text said to be 4 GB": Raw(b"X\xff\xff\xff\xff"),
    "bytes said to be 2^62 long": Raw(b"\x8e" + struct.pack("<Q", 2**62)),
    "a frame said to be 2^62 long": Raw(b"\x95" + struct.pack("<Q", 2**62)),
    "a number said to be 2 GB": Raw(b"\x8b\xff\xff\xff\x7f"),
    "place 4,294,967,295 of the memo": Raw(b"Nr\xff\xff\xff\xff"),
    "lists without end": Raw(1_000_000 * b"]"),
    "marks without end": Raw(1_000_000 * b"("),
    "a deep nest": Raw(b")" + 100_000 * b"\x85"),
    "a tuple doubled a hundred times": Raw(DOUBLED),
    "its hash": Raw(b"}" + DOUBLED + b"Ns"),
    "a list within itself": Raw(b"]q\0h\0a"),
    "a shape of huge numbers": tensor(shape=20_000 * (2**2000,), strides=20_000 * (1,)),
    "a name without end": Raw(b"c" + 2_000_000 * b"a"),
    "a name of two million letters": {2_000_000 * "a": 1},
}


class Makes:
    """Does harm while it is made."""

    def __new__(cls, marker):
        Path(marker).touch()
        return super().__new__(cls)


@pytest.fixture(scope="module", autouse=True)
def extension():
    """A registered extension code, without which EXT exploits harm nobody."""
    copyreg.add_extension("os", "system", 0xF0)
    yield
    copyreg.remove_extension("os", "system", 0xF0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("exploit", EXPLOITS)
def test_an_exploit_runs_in_pickle_and_not_in_ours(exploit, tmp_path):
    marker = tmp_path / "executed"
    payload = EXPLOITS[exploit](str(marker))
    try:
        pickle.loads(payload)
    except TypeError:
        pass  # OrderedDict(0), after the harm
    assert marker.exists()  # the exploit is real
    marker.unlink()
    for content in places(payload):
        refused(content)
    assert not marker.exists()


@pytest.mark.parametrize("gadget", GADGETS)
def test_nothing_but_tensors_can_be_asked_for(gadget):
    for content in [
        *places(code(GADGETS[gadget]) + b"."),
        write({"weight": GADGETS[gadget]}),
        archive({"weight": GADGETS[gadget]}),
    ]:
        refused(content)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_does_not_go_off(bomb):
    refused(write({"weight": BOMBS[bomb]}))


def test_python_does_nothing_while_a_hostile_file_is_read(tmp_path):
    """The interpreter's own audit: no import, open, exec, process or pickle lookup; and little memory."""
    marker = tmp_path / "executed"
    payloads = [make(str(marker)) for make in EXPLOITS.values()]
    payloads += [code(gadget) + b"." for gadget in GADGETS.values()]
    contents = [content for payload in payloads for content in places(payload)]
    contents += [form({"weight": bomb}) for bomb in BOMBS.values() for form in (write, archive)]
    for number, content in enumerate([GOOD, GOOD_ARCHIVE, *contents]):
        (tmp_path / f"{number}.pth").write_bytes(content)
    child = """
import json, pathlib, sys
from tlkit.weights import torch_file
from tlkit.weights.numbers import Refused
contents = [path.read_bytes() for path in pathlib.Path(sys.argv[1]).glob("*.pth")]

def kilobytes():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

def read(content):
    try:
        return bool(torch_file.read(content))
    except (Refused, *torch_file.DAMAGE):
        return False

for name in ("0", "1", "2"):  # imports what good files and an exception need
    read(pathlib.Path(sys.argv[1], f"{name}.pth").read_bytes())
before, events, watching = kilobytes(), [], True
sys.addaudithook(lambda event, arguments: events.append(event) if watching else None)
good = sum(map(read, contents))
watching = False
modules = sorted({"keras", "tensorflow", "torch"} & set(sys.modules))
report = {"files": len(contents), "read": good, "events": sorted(set(events)), "modules": modules}
print(json.dumps(report | {"megabytes": (kilobytes() - before) // 1024}))
"""
    command = [sys.executable, "-c", child, str(tmp_path)]
    report = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert report.pop("megabytes") < 64
    assert report == {"files": len(contents) + 2, "read": 2, "events": [], "modules": []}
    assert not marker.exists()
