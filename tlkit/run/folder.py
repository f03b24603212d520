"""The run folder: what a run leaves behind, and how a later command finds it again.

recipe.toml       every setting as run
run.json          seed, device, versions, backbone, where the photos lie, and what the model's
                  probabilities were calibrated on and with
split.csv         each photo: path below the photos' folder, label, split, sha256; --split reads it
seen.jpg          some photos to train on, exactly as the network sees them
folds.csv         with --folds, each photo's answer by the model that did not see its fold: as
                  predictions.csv, fold by fold, with so many rows each as result.json says
metrics.jsonl     a line an epoch
model.keras       the classifier, float32; labels.txt beside it, a class a line
predictions.csv   each validation photo: true and predicted class, probabilities
suspects.csv      labels to look at, the least believed first: path, label, suggested, probability
export/           phone files, with their own labels.txt
result.json       the report; a run is finished when it is there
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tlkit import files, formats, shipped
from tlkit.data import Photo
from tlkit.errors import DataError, ModelError, OutputError, UsageError
from tlkit.splits import split_file

RUNS = Path("runs")
NUMBERED = re.compile(r"(\d+)-")


class Known(NamedTuple):
    """A model given by its user, and what stands beside it."""

    model: Path
    run: Path | None  # the run folder it came from, if any

    def labels(self, opened: formats.Opened) -> tuple[str, ...]:
        """Class names in the order of the outputs. Raises `UsageError` if there are none."""
        if opened.labels is None:
            raise UsageError(
                f"{self.model} comes without class names.",
                "Put a labels.txt beside it, one class a line, in the order of the outputs.",
            )
        return opened.labels


def subfolders(known: Known, images: Any) -> str:
    """How the run of a model read folders inside class folders, for photos that are given to it now."""
    if known.run is None or not (isinstance(images, Path) and images.is_dir()):  # a table has no folders
        return "ignore"
    return str(shipped.parse(known.run / "recipe.toml").get("subfolders", "ignore"))


def check(images: Any, output: Path | None) -> None:
    """Raises `UsageError` if no run may be written to `output` (None: ./runs).

    A folder of photos holds no run: its files would be read as photos. A table names its photos.
    """
    inside = (output or RUNS).resolve()
    if isinstance(images, Path) and images.is_dir() and images.resolve() in (inside, *inside.parents):
        raise UsageError(
            f"The run would be written to {inside}, inside the photos' own folder.",
            "Name another place with --output, or start tlkit elsewhere.",
        )
    if output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"--output {output} is not empty.", "Name a new folder; nothing is written over.")


def make(output: Path | None, backbone: str) -> Path:
    """Make the folder of a new run: `output`, or the next number under ./runs."""
    try:
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            return output
        RUNS.mkdir(exist_ok=True)
        while True:
            numbers = [int(found[1]) for path in RUNS.iterdir() if (found := NUMBERED.match(path.name))]
            run = RUNS / f"{max(numbers, default=0) + 1:03}-{backbone}"
            try:
                run.mkdir()
            except FileExistsError:
                continue  # another run took the number in this moment
            return run
    except OSError as error:
        raise OutputError(
            f"No run folder can be made at {output or RUNS}: {error.strerror}.",
            "Name a folder that can be written with --output.",
        ) from error


def find(model: str | Path) -> Known:
    """The model meant by a run folder, `last`, or a path to a model.

    Raises `UsageError` if nothing is there, `ModelError` if a run did not finish.
    """
    path = _last() if str(model) == "last" else Path(model)
    if not path.exists():
        raise UsageError(
            f"There is no model at {path}.", "Give a run folder, last, a .keras, a .tflite or a SavedModel."
        )
    if (path / "run.json").is_file():
        if not (path / "model.keras").is_file():
            raise ModelError(
                f"The run {path} did not finish: it holds no model.", "Run tlkit finetune again."
            )
        return Known(path / "model.keras", path)
    # A run's own exports know their photos too.
    above = path.resolve().parent.parent
    if path.resolve().parent.name == "export" and (above / "run.json").is_file():
        return Known(path, above)
    if path.name == "model.keras" and (path.parent / "run.json").is_file():
        return Known(path, path.parent)
    return Known(path, None)


def _last() -> Path:
    finished = {
        int(found[1]): path
        for path in (RUNS.iterdir() if RUNS.is_dir() else ())
        if (found := NUMBERED.match(path.name)) and (path / "result.json").is_file()
    }
    if not finished:
        raise UsageError(
            f"There is no finished run under {RUNS.resolve()}.", "Start one with tlkit finetune IMAGES."
        )
    return finished[max(finished)]


def write_json(path: Path, value: Any) -> None:
    files.write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read: {error}.", "The run is damaged; fine-tune again."
        ) from error


def write_split(run: Path, photos: Iterable[Photo], classes: tuple[str, ...]) -> None:
    """Every photo with its split and hash, so that it can be found and recognised later."""
    rows = ((photo.path, classes[photo.label], photo.split, photo.sha256) for photo in photos)
    files.write(run / split_file.NAME, split_file.write(rows))


def photos(run: Path, split: str, classes: tuple[str, ...]) -> tuple[Path, tuple[Photo, ...]]:
    """The folder of a run's photos and those of one split, each found unchanged.

    Raises `DataError` naming the photos that are gone or are not the same any more.
    """
    root = Path(read_json(run / "run.json")["images"])
    rows = [
        Photo(row.path, classes.index(row.label), split, row.sha256)
        for row in split_file.read(run).rows
        if row.split == split
    ]
    wrong = [f"{row.path} ({reason})" for row in rows if (reason := _changed(root / row.path, row.sha256))]
    if wrong:
        more = f" and {len(wrong) - 10:,} more" if len(wrong) > 10 else ""
        raise DataError(
            f"{len(wrong):,} of the {len(rows):,} {split} photos of {run} are not as they were in {root}: "
            f"{', '.join(wrong[:10])}{more}.",
            "Restore them, or name a folder of photos.",
        )
    return root, tuple(rows)


def _changed(path: Path, sha256: str) -> str | None:
    try:
        return None if hashlib.sha256(path.read_bytes()).hexdigest() == sha256 else "changed"
    except OSError as error:
        return error.strerror.lower() if error.strerror else "unreadable"
