"""The converter process: several jobs, and what happens when it dies."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from squares import LABELS, squares

from tlkit import formats
from tlkit.errors import ExportError, ModelError, OutputError
from tlkit.formats.converter import _last_words


def children(process=None):
    """The process ids of a process's own children."""
    folder = Path(f"/proc/{process or os.getpid()}/task")
    return {int(child) for task in folder.iterdir() for child in (task / "children").read_text().split()}


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def own():
    """A converter of the test's own, and a function that tells its process id."""
    before = children()
    with formats.Converter() as converter:

        def child():
            (found,) = children() - before
            return found

        yield converter, child


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGABRT])
def test_converter_that_dies_is_an_error_and_the_model_is_untouched(own, source, tmp_path, kind):
    converter, child = own
    before = sha256(source)
    first = converter.submit(source, tmp_path / "first.tflite", labels=LABELS)
    second = converter.submit(source, tmp_path / "second.tflite", labels=LABELS)
    process = child()
    os.kill(process, kind)
    for pending in (second, first):
        with pytest.raises(
            ExportError, match=rf"The converter process died \(signal {kind.name}\)"
        ) as failure:
            pending.result()
        assert "The model itself is not touched." in str(failure.value)
        assert ("out of memory" in str(failure.value)) == (kind == signal.SIGKILL)
        assert "cuInit" not in str(failure.value) and "\n" not in str(failure.value)
    assert list(tmp_path.iterdir()) == []
    assert sha256(source) == before
    assert not alive(process)


def test_a_converter_that_died_while_idle_is_started_again(own, source, tmp_path):
    converter, child = own
    converter.submit(source, None, labels=LABELS).result()
    first = child()
    os.kill(first, signal.SIGKILL)  # as when a training takes the memory
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert converter.submit(source, tmp_path / "phone.tflite", labels=LABELS).result().bytes > 10_000
    second = child()
    assert second != first
    np.save(tmp_path / "photos.npy", squares(4000, seed=1)[0])
    options = {"quantize": "int8", "calibration": tmp_path / "photos.npy"}
    slow = converter.submit(source, tmp_path / "slow.tflite", labels=LABELS, **options)
    time.sleep(1)  # in the middle of the conversion
    os.kill(second, signal.SIGKILL)
    with pytest.raises(ExportError, match="SIGKILL"):
        slow.result()
    assert {path.name for path in tmp_path.iterdir()} == {"phone.tflite", "photos.npy"}


def test_last_words_are_what_the_process_died_of():
    log = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795257532.932077 14392 port.cc:153] oneDNN custom operations are on.
terminate called after throwing an instance of 'std::bad_alloc'
  what():  std::bad_alloc
E0000 00:00:1795257537.911288 14392 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.

"""
    assert _last_words(log) == "what():  std::bad_alloc"
    fatal = """F0000 00:00:1795257537.911288 14392 graph.cc:12] Check failed: node != nullptr.
*** Check failure stack trace: ***
    @     0x7f1c2a3b4c5d  absl::log_internal::LogMessage::SendToLog()
"""
    assert _last_words(fatal).endswith("graph.cc:12] Check failed: node != nullptr")
    assert _last_words("I0000 nothing happened\n") == ""


def test_one_process_takes_all_jobs_in_order_and_submitting_does_not_wait(own, source, tmp_path):
    converter, child = own
    start = time.monotonic()
    pending = [
        converter.submit(source, tmp_path / f"{name}.tflite", quantize=name, labels=LABELS)
        for name in ("none", "float16", "dynamic")
    ]
    assert time.monotonic() - start < 1
    process = child()
    assert list(tmp_path.iterdir()) == []  # a file takes its place when its result is asked for
    found = [one.result() for one in reversed(pending)]
    assert [one.quantize for one in found] == ["dynamic", "float16", "none"]
    assert len({sha256(one.path) for one in found}) == 3
    assert child() == process


def test_child_runs_on_the_processor_and_quietly(converter, source, capfd):
    converter.submit(source, None, labels=LABELS).result()
    child = converter._process.pid  # other tests of this process may have one of their own
    assert "tlkit.formats.child" in Path(f"/proc/{child}/cmdline").read_text().split("\0")
    environment = Path(f"/proc/{child}/environ").read_text().split("\0")
    assert "CUDA_VISIBLE_DEVICES=-1" in environment
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("converting", [False, True])
def test_closing_ends_a_conversion_under_way_and_leaves_nothing(source, tmp_path, monkeypatch, converting):
    before = children()
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    with pytest.raises(KeyboardInterrupt), formats.Converter() as converter:
        if converting:
            converter.submit(source, None, labels=LABELS).result()
        converter.submit(source, tmp_path / "phone.tflite", labels=LABELS)
        scratch = tmp_path / "scratch"
        while converting and not list(scratch.rglob("saved_model.pb")):
            time.sleep(0.01)
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 2
    assert children() == before
    assert [path.name for path in tmp_path.rglob("*")] == ["scratch"]


def test_child_ends_with_its_parent(source, tmp_path):
    np.save(tmp_path / "photos.npy", squares(4000, seed=1)[0])
    code = f"""
import time
from tlkit import formats
converter = formats.Converter()
converter.submit({str(source)!r}, None, labels={LABELS!r}).result()
converter.submit(
    {str(source)!r}, {str(tmp_path / "phone.tflite")!r}, labels={LABELS!r},
    quantize="int8", calibration={str(tmp_path / "photos.npy")!r},
)
print("submitted", flush=True)
time.sleep(60)
"""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline() == "submitted\n"
        (child,) = children(parent.pid)
        time.sleep(1)  # in the middle of the conversion
        assert alive(child) and len(list(scratch.iterdir())) == 1
        parent.kill()
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert {path.name for path in tmp_path.rglob("*")} == {"photos.npy", "scratch"}


def test_a_job_that_fails_does_not_spoil_the_next(converter, source, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 nothing")
    broken = converter.submit(tmp_path / "broken.keras", tmp_path / "broken.tflite", labels=LABELS)
    short = converter.submit(source, tmp_path / "short.tflite", labels=LABELS[1:])
    fine = converter.submit(source, tmp_path / "fine.tflite", labels=LABELS)
    assert fine.result().bytes > 10_000
    with pytest.raises(ModelError, match="broken.keras cannot be read as a Keras model"):
        broken.result()
    with pytest.raises(ExportError, match="has 6 outputs, but 5 labels were given"):
        short.result()
    assert {path.name for path in tmp_path.iterdir()} == {"broken.keras", "fine.tflite"}


def test_an_unexpected_failure_keeps_its_trace(converter, source, tmp_path):
    pending = converter.submit(
        source, None, quantize="int8", labels=LABELS, calibration=tmp_path / "nowhere.npy"
    )
    with pytest.raises(ExportError, match="The conversion failed with FileNotFoundError: ") as failure:
        pending.result()
    assert "np.load" in failure.value.__notes__[0]


def test_target_that_cannot_be_written_is_one_line(converter, source, tmp_path):
    (tmp_path / "file").write_text("no folder")
    pending = converter.submit(source, tmp_path / "file" / "phone.tflite", labels=LABELS)
    with pytest.raises(OutputError, match="phone.tflite cannot be written: "):
        pending.result()


def test_formats_and_schemes_are_checked_at_once(source):
    with formats.Converter() as converter:
        for wrong in ({"format": "onnx"}, {"quantize": "int4"}):
            with pytest.raises(ValueError, match="cannot convert to"):
                converter.submit(source, None, labels=LABELS, **wrong)


def test_the_same_model_becomes_the_same_file(converter, source, converted, tmp_path):
    again = converter.submit(
        source,
        tmp_path / "again.tflite",
        quantize="none",
        labels=LABELS,
        name="squares",
        licence="Apache-2.0",
    )
    assert sha256(again.result().path) == sha256(converted["none"].path)
