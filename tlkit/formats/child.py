"""The converter process: jobs as JSON lines on stdin, one answer a job as a JSON line on stdout.

Run by `Converter` as `python -m tlkit.formats.child SCRATCH PARENT`: the folder for all it writes,
which goes when the parent process goes. An answer holds either the fields of `Converted`, or
`kind`, `message` and `hint` of a `TlkitError`.
"""

import json
import os
import shutil
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from tlkit.errors import ExportError, TlkitError

UNUSED = ("jax", "matplotlib", "pandas", "sklearn")


def main(scratch: str, parent: str) -> None:
    answers = _own_stdout()
    threading.Thread(target=_end_with, args=(int(parent), scratch), daemon=True).start()
    # Keras loads these where they are installed, for a second or two of every process, to take their arrays
    # and draw plots: a conversion does neither.
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    with suppress(Exception):  # what cannot be imported is told in the answer to the first job
        from tlkit.formats import keras_file, metadata, savedmodel, tflite  # noqa: F401
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()
    shutil.rmtree(scratch, ignore_errors=True)


def _own_stdout() -> TextIO:
    """Stdout for answers alone: whatever else TensorFlow or LiteRT print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _end_with(parent: int, scratch: str) -> None:
    """End when the parent has: a conversion nobody waits for would hold memory for minutes."""
    while os.getppid() == parent:
        time.sleep(0.5)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        return _convert(**job) | {"seconds": time.perf_counter() - started}
    except TlkitError as error:
        return {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
    except Exception as error:
        # Anything at all may come out of the converter; the parent must hear of it all the same.
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        message = f"The conversion failed with {type(error).__name__}: {reason}"
        return {
            "kind": ExportError.__name__,
            "message": message,
            "hint": None,
            "trace": traceback.format_exc(),
        }


def _convert(
    source: str,
    draft: str,
    format: str,
    quantize: str,
    labels: list[str],
    calibration: str | None,
    name: str,
    description: str,
    licence: str,
) -> dict[str, Any]:
    from tlkit.backbones import saved
    from tlkit.formats import keras_file, metadata, savedmodel, tflite

    model = keras_file.as_float32(saved.load(Path(source)))
    size, classes = keras_file.shape(model, Path(source))
    about = keras_file.about(model, Path(source))
    if len(labels) != classes:
        raise ExportError(f"{source} has {classes} outputs, but {len(labels)} labels were given.")
    if format == "savedmodel":
        savedmodel.write(model, Path(draft), labels, about)
        total = sum(file.stat().st_size for file in Path(draft).rglob("*") if file.is_file())
        difference = tflite.compare(savedmodel.open(Path(draft)).run, model, size, exact=True)
        return {"bytes": total, "operations": {}, "integer_share": None, "max_difference": difference}
    description = description or metadata.describe(size, classes, about)
    told = metadata.Told(name or model.name, description, licence, size, labels, about)
    photos = None if calibration is None else Path(calibration)
    content = metadata.attach(tflite.convert(model, size, quantize, photos), told)
    found = tflite.check(content, model, size, quantize, labels, about)
    Path(draft).write_bytes(content)
    return {"bytes": len(content), **found}


if __name__ == "__main__":
    main(*sys.argv[1:])
