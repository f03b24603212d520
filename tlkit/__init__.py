"""Transfer learning in Keras 3: from a folder of photos to a checked phone model.

Every command of `tlkit` is a function of the same name, with the same result: `check`, `finetune`,
`evaluate`, `compare`, `predict` and `export` here, `tlkit.run.backbones` for the list of backbones. They
return a report of `tlkit.report`; TensorFlow loads when the first of them but `check` and `compare` is
called, not before.
"""

from os import PathLike
from typing import TYPE_CHECKING, Any

from tlkit.errors import TlkitError

if TYPE_CHECKING:
    from tlkit.progress import Silent
    from tlkit.report import ComparedRuns, Evaluated, Exported, Finetuned, Predicted, Rates, Report

__version__ = "0.1.0"
__all__ = ["TlkitError", "check", "compare", "evaluate", "export", "find_rate", "finetune", "predict"]


def check(
    images: Any,
    *,
    fit: str = "stretch",
    subfolders: str = "ignore",
    group: str | None = None,
    workers: int = 0,
    strict: bool = False,
    html: str | PathLike[str] | None = None,
    progress: "Silent | None" = None,
) -> "Report":
    """Read every photo once and tell what would spoil training: `classes`, `images` and `findings`.

    `images`, `fit`, `subfolders`, `group` and `workers` as in `finetune`. `html` is a file to write a
    page to that shows the photos of each finding. With `strict` the report's `exit_code` is 1 when
    anything is found. TensorFlow is not loaded.

        tlkit.check("images").findings
    """
    from tlkit.recipe import load

    load(fit=fit, subfolders=subfolders, group=group, workers=workers)  # wrong ones are told
    from tlkit import run

    return run.check(
        _source(images),
        fit=fit,
        subfolders=subfolders,
        group=group,
        workers=workers,
        strict=strict,
        html=_path(html),
        progress=_heard(progress),
    )


def finetune(
    images: Any,
    *,
    recipe: str | PathLike[str] | None = None,
    output: str | PathLike[str] | None = None,
    progress: "Silent | None" = None,
    **settings: Any,
) -> "Finetuned":
    """Fine-tune a backbone on a folder of photos, one folder a class, and export a phone model.

    `images` is that folder; or a table of the columns path, label and, if wanted, split and group: a
    .csv, .tsv, .jsonl or .parquet file, a pandas DataFrame, or an iterable of rows.
    `settings` are the fields of `tlkit.recipe.Recipe`, which are the command's options with `_`
    for `-`; they override those of `recipe`, the name of a shipped recipe or a TOML file. The run
    is written to `output` (new or empty), otherwise to ./runs/NNN-BACKBONE. `progress` is told what
    happens: `tlkit.progress.to(sys.stderr)`; None is silence. An export that its check refused has
    `refused` set in its row of `exports`; nothing is raised for it.

    Raises `RecipeError` for settings that do not exist or are out of bounds, `UsageError` for paths,
    `DataError` for photos that make no two classes, and others of `tlkit.errors`.

        report = tlkit.finetune("images", backbone="efficientnet_lite0", epochs=3)
        print(report.run, report.val_top1, report.val_top1_interval)
    """
    from tlkit.recipe import load

    loaded = load(recipe, **settings)  # before Keras loads
    from tlkit import run

    return run.finetune(_source(images), loaded, output=_path(output), progress=_heard(progress))


def find_rate(
    images: Any,
    *,
    recipe: str | PathLike[str] | None = None,
    progress: "Silent | None" = None,
    **settings: Any,
) -> "Rates":
    """Look for the learning rate of a run: `tlkit finetune --find-lr`.

    About a hundred steps of what `finetune` would do with the same `images`, `recipe` and `settings`
    are taken, each at a higher rate, until the loss is far above its best. Nothing is kept of it.

    Raises what `finetune` raises, and `UsageError` for settings that would do nothing here.

        rate = tlkit.find_rate("images").suggestion
        tlkit.finetune("images", learning_rate=rate)
    """
    from tlkit import rates
    from tlkit.recipe import load

    loaded = load(recipe, **settings)
    rates.refuse(settings, loaded.epochs)
    from tlkit import run

    return run.find_rate(_source(images), loaded, progress=_heard(progress))


def evaluate(
    model: str | PathLike[str],
    images: Any = None,
    *,
    progress: "Silent | None" = None,
) -> "Evaluated":
    """Measure a model on photos whose classes are known, seen as the phone will see them.

    `model` is a run folder, "last" (the finished run with the highest number under ./runs), a
    `.keras` file, a `.tflite` file or a SavedModel folder. Without `images` a run's own validation
    photos are used, after a check that they are unchanged; class names are matched by name.

    Raises `UsageError` where there is no model or there are no photos for it, `DataError` for
    photos that changed.

        tlkit.evaluate("last").confusion
    """
    from tlkit import run

    return run.evaluate(str(model), _source(images), progress=_heard(progress))


def compare(first: str | PathLike[str], second: str | PathLike[str]) -> "ComparedRuns":
    """Tell which of two runs is better, photo by photo, if their validation photos can tell.

    Each is a run folder or "last". Photos are the same where their content is; those that one of the runs
    trained on are left out. `better` is "first" or "second" where McNemar's exact test has p < 0.05, else
    None. TensorFlow is not loaded.

    Raises `UsageError` for what is no run and for runs of different classes, `DataError` where the runs
    have no photo in common.

        tlkit.compare("runs/001-efficientnet_lite0", "last").better
    """
    from tlkit import run

    return run.compare_runs(str(first), str(second))


def predict(
    model: str | PathLike[str],
    pictures: Any,
    *,
    top: int = 3,
    progress: "Silent | None" = None,
) -> "Predicted":
    """Name what is on a picture, or on each of several: its `top` likeliest classes with their probabilities.

    A picture is a path, a Pillow image, or a NumPy array of uint8: (height, width, 3) in RGB or
    (height, width) in grey, of any size. It is turned by its EXIF orientation, fitted and scaled as the
    command does with a file: the same picture gets the same answer. A file that cannot be read gets a
    row with `error`; the others are done all the same.

        tlkit.predict("last", ["a.jpg", "b.jpg"]).predictions[0].top[0].label
        tlkit.predict("last", PIL.Image.open("a.jpg")).predictions[0].top[0].label

    Raises `UsageError` for what is no picture, such as an array of floats.
    """
    from tlkit import run

    return run.predict(str(model), _several(pictures), top=top, progress=_heard(progress))


def export(
    model: str | PathLike[str],
    *,
    format: str = "tflite",
    quantize: str | None = None,
    images: Any = None,
    output: str | PathLike[str] | None = None,
    progress: "Silent | None" = None,
) -> "Exported":
    """Write a model as a phone file (tflite), a SavedModel or a .keras file, and check what was written.

    `quantize` is none, float16 (None: what tflite gets), dynamic or int8. A run is checked on its own
    validation photos; a bare `.keras` file on `images`, without which it is not checked at all and
    cannot become int8. A file that answers worse than its model comes back with `refused` set.

        tlkit.export("last", quantize="int8").agreement
    """
    from tlkit import run

    return run.export(
        str(model),
        format=format,
        quantize=quantize,
        images=_source(images),
        output=_path(output),
        progress=_heard(progress),
    )


def _several(pictures: Any) -> Any:
    """One picture as a list; an array of four axes is several."""
    held = hasattr(pictures, "__array_interface__")  # a NumPy array or a Pillow image
    one = isinstance(pictures, str | bytes | PathLike) or (held and getattr(pictures, "ndim", 3) in (0, 2, 3))
    return [pictures] if one else list(pictures)


def _source(images: Any) -> Any:
    """A path, or what else photos are listed in, as it is."""
    return _path(images) if isinstance(images, str | PathLike) else images


def _path(given: str | PathLike[str] | None) -> Any:
    from pathlib import Path

    return None if given is None else Path(given)


def _heard(progress: "Silent | None") -> "Silent":
    from tlkit.progress import Silent

    return Silent() if progress is None else progress
