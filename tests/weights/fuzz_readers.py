"""Fuzz the readers of weights files with atheris, by hand:

    pip install atheris
    python tests/weights/fuzz_readers.py                       # a minute for each reader
    python tests/weights/fuzz_readers.py h5 -max_total_time=600    # one, with libFuzzer's own options

Each reader is fuzzed in a process of its own, from small files in its real format. Anything but a
`WeightsError`, and what takes more than 10 seconds, is a crash: libFuzzer then leaves the content in the
working folder.
"""

import io
import multiprocessing
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).resolve().parent / "files"
SECONDS, PATIENCE, MEGABYTES, LONGEST = 60, 10, 1024, 8192


def seeds(reader: str) -> list[bytes]:
    """Small good files to start from."""
    if reader in ("legacy", "archive"):
        return [path.read_bytes() for path in sorted(FILES.glob(f"{reader}*.pth"))]
    if reader == "safetensors":
        from safetensors.numpy import save

        return [save({"weight": np.arange(6, dtype="f4").reshape(2, 3), "half": np.ones(4, "f2")})]
    import h5py

    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        place = "layers/dense/vars/0" if reader == "keras" else "dense/dense/kernel:0"
        file[place] = np.arange(6, dtype="f4")
        if reader == "h5":
            file.attrs["layer_names"] = [b"dense"]
            file["dense"].attrs["weight_names"] = [b"dense/kernel:0"]
    if reader == "h5":
        return [written.getvalue()]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in {"config.json": "{}", "model.weights.h5": written.getvalue()}.items():
            file.writestr(name, content)
    return [packed.getvalue()]


READERS = ("legacy", "archive", "safetensors", "h5", "keras")


def fuzz(reader: str, options: list[str]) -> None:
    """Does not return: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["tlkit.weights", "zipfile"]):
        from tlkit.errors import WeightsError
        from tlkit.weights import contents
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{reader}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(reader)):
        (corpus / str(number)).write_bytes(seed)
    path = folder / "file"

    def one(content: bytes) -> None:
        path.write_bytes(content)
        try:
            found = contents.read(path)
        except WeightsError as error:
            assert "\n" not in str(error)
        else:
            for array in [*found.tensors.values(), *(part for _, parts in found.layers for part in parts)]:
                array.tobytes()

    bounds = [
        f"-max_total_time={SECONDS}",
        f"-timeout={PATIENCE}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={LONGEST}",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *bounds, *options], one)
    atheris.Fuzz()


def main() -> int:
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed here: pip install atheris", file=sys.stderr)
        return 1
    sys.path.insert(0, str(ROOT))
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")]
    if unknown := set(wanted) - set(READERS):
        print(f"no reader is called {min(unknown)!r}: {', '.join(READERS)}", file=sys.stderr)
        return 2
    options = [name for name in sys.argv[1:] if name.startswith("-")]
    failed = False
    for reader in wanted or READERS:
        child = multiprocessing.get_context("spawn").Process(target=fuzz, args=(reader, options))
        child.start()
        child.join()
        print(f"{reader}: {'a crash' if child.exitcode else 'nothing but WeightsError'}", flush=True)
        failed = failed or bool(child.exitcode)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
