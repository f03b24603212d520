"""Conversion in a process of its own.

TensorFlow's converter is C++ and can abort (tensorflow/tensorflow issues 65529, 89904); an abort
there must not take a trained model with it. The child takes several jobs, so that TensorFlow's
import (4 s) is paid once, and it writes only into a scratch folder of its parent's.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit import errors, files
from tlkit.errors import TlkitError

FORMATS = ("tflite", "savedmodel")
QUANTIZE = ("none", "float16", "dynamic", "int8")
LOG = "stderr.txt"  # in the scratch folder: all that the child has to say


@dataclass(frozen=True)
class Converted:
    """What was written and what was found in it when it was opened again."""

    path: Path | None  # None: converted to see whether it can be
    format: str
    quantize: str
    bytes: int  # of a SavedModel: of all its files
    operations: dict[str, int]  # of a TFLite file: how often each occurs
    integer_share: float | None  # share of operations that compute in integers
    max_difference: float  # of probabilities, to the Keras model, on a few made-up photos
    seconds: float  # that it took, once the child was there


class Converter:
    """One child process for conversions, started with the first job.

    with Converter() as converter:
        trial = converter.submit("model.keras", "model.tflite", labels=("cat", "dog"))
        ...  # whatever there is to do meanwhile
        trial.result()
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._scratch = Path(tempfile.mkdtemp(prefix="tlkit-"))
        self._pending: list[Pending] = []
        self._count = 0

    def __enter__(self) -> "Converter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Have the child load TensorFlow now, on another core, instead of with the first job."""
        if self._process is None:
            self._process = _start(self._scratch)

    def submit(
        self,
        source: Path,
        target: Path | None,
        *,
        format: str = "tflite",
        quantize: str = "float16",
        labels: Sequence[str],
        calibration: Path | None = None,
        name: str = "",
        description: str = "",
        licence: str = "",
    ) -> "Pending":
        """Begin to convert a `.keras` file of any precision policy; returns at once.

        `target` is written when `result` is called; with None nothing is kept. `calibration` is a
        .npy file, uint8 (n, h, w, 3), for int8. A SavedModel is always float32: `quantize` is none.
        """
        if format not in FORMATS or quantize not in QUANTIZE:
            raise ValueError(f"cannot convert to {format}, {quantize}")
        self._count += 1
        draft = self._scratch / f"{self._count}"
        job = {
            "source": os.path.abspath(source),
            "draft": str(draft),
            "format": format,
            "quantize": quantize if format == "tflite" else "none",
            "labels": list(labels),
            "calibration": calibration and os.path.abspath(calibration),
            "name": name,
            "description": description,
            "licence": licence,
        }
        pending = Pending(self, job, None if target is None else Path(target))
        self._send(job)
        self._pending.append(pending)
        return pending

    def close(self) -> None:
        """End the child, whatever it is doing, and remove its scratch folder."""
        if self._process is not None:
            self._process.kill()  # its files are either taken over or not wanted
            self._reap()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _send(self, job: dict[str, Any]) -> None:
        if self._process is not None and self._process.poll() is not None and not self._pending:
            self._reap()  # it died while idle, maybe for the memory a training needed
        self.start()
        assert self._process is not None and self._process.stdin is not None
        with suppress(BrokenPipeError):  # the child has died: `_receive` says so, and how
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()

    def _receive(self, wanted: "Pending") -> None:
        """Read answers, which come in the order of the jobs, until the wanted one is there."""
        while wanted._answer is None:
            assert self._process is not None and self._process.stdout is not None
            line = self._process.stdout.readline()
            if line.endswith("\n"):
                self._pending.pop(0)._answer = json.loads(line)
            else:
                death = self._epitaph()
                for pending in self._pending:
                    pending._answer = {"kind": "ExportError", **death}
                self._pending.clear()

    def _epitaph(self) -> dict[str, str]:
        """How the child died: the signal or exit code and the last line that says something."""
        code = self._reap()
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        hint = "The model itself is not touched."
        if code == -signal.SIGKILL:
            hint = "The system may have run out of memory. " + hint
        last = _last_words((self._scratch / LOG).read_text(errors="replace"))
        return {"message": f"The converter process died ({cause}){last and ': ' + last}.", "hint": hint}

    def _reap(self) -> int:
        process, self._process = self._process, None
        assert process is not None and process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):  # the last job never reached it
            process.stdin.close()
        process.stdout.close()
        return process.wait()


class Pending:
    """A conversion under way."""

    def __init__(self, converter: Converter, job: dict[str, Any], target: Path | None):
        self._converter = converter
        self._job = job
        self._target = target
        self._answer: dict[str, Any] | None = None

    def result(self) -> Converted:
        """Wait for the conversion and put the file in its place.

        Raises `ExportError` if the model cannot be converted, the file is not what was asked for,
        or the converter died; `ModelError` if the source cannot be read; `OutputError` if
        the target cannot be written.
        """
        self._converter._receive(self)
        assert self._answer is not None
        if "kind" in self._answer:
            raise _error(**self._answer)
        if self._target is not None:
            _place(Path(self._job["draft"]), self._target)
        return Converted(self._target, self._job["format"], self._job["quantize"], **self._answer)


def _start(scratch: Path) -> subprocess.Popen[str]:
    quiet = {
        "CUDA_VISIBLE_DEVICES": "-1",  # conversion needs none, and the training may have filled it
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),  # the same tlkit
        "PYTHONUTF8": "1",
        "TMPDIR": str(scratch),  # what a killed child leaves behind is removed with it
    }
    with (scratch / LOG).open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tlkit.formats.child", str(scratch), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            encoding="utf-8",
            env=os.environ | quiet,
            # Ctrl-C reaches the parent alone, which ends the child in its own time.
            start_new_session=True,
        )


def _place(draft: Path, target: Path) -> None:
    """Move what the child wrote to where it was asked for, maybe on another disk."""
    with files.whole(target, over="saved_model.pb") as free:
        shutil.move(draft, free)


def _error(kind: str, message: str, hint: str | None = None, trace: str = "") -> TlkitError:
    error = getattr(errors, kind)(message, hint)
    if trace:
        error.add_note(f"In the converter process:\n{trace}")
    return error


def _last_words(stderr: str) -> str:
    """The last line that tells of the end: no note, warning or survived error, and no stack."""
    aside = re.compile(r"[IWE]\d{4} |INFO|WARNING|\*\*\*|@ |Extension modules")
    lines = [line.strip() for line in stderr.splitlines()]
    said = [line for line in lines if line and not aside.match(line)]
    return said[-1][:300].rstrip(".") if said else ""
