"""Hold two runs side by side on the photos that both were validated on, and neither was trained on."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tlkit import figures, pairs
from tlkit.errors import DataError, ModelError, UsageError
from tlkit.figures import Table
from tlkit.printed import photos as counted
from tlkit.report.compared import Compared, ComparedRuns, Differing, LeftOut
from tlkit.run import folder
from tlkit.sources.listed import named
from tlkit.sources.tree import nfc
from tlkit.splits import split_file


class Side(NamedTuple):
    """One of the two runs: its answers, and the content of its photos."""

    run: Path
    backbone: str
    table: Table  # of its validation photos
    places: dict[str, int]  # rows of the table by content (sha256); of copies the first
    trained: frozenset[str]  # the content of its training photos


def compare_runs(first: str | Path, second: str | Path) -> ComparedRuns:
    """Tell which of two runs is better, if their validation photos can tell.

    Photos are the same where their content is, wherever they lie. Those that one of the runs trained on, or
    has under another class, are left out.

    Raises `UsageError` for what is no run and for runs of different classes, `DataError` where no photo
    is left.
    """
    one, two = _read(first), _read(second)
    if one.run.resolve() == two.run.resolve():
        raise UsageError(f"Both are the run {one.run}.", "Name two runs.")
    _check_classes(one, two)
    shared, left_out = _shared(one, two)
    if not shared:
        taught = f", and {counted(left_out.trained_on)} one of them trained on" if left_out.trained_on else ""
        raise DataError(
            f"No photo is left to compare {one.run} and {two.run} on: of {len(one.table.paths):,} and "
            f"{len(two.table.paths):,} validation photos none is in both{taught}.",
            f"Fine-tune one of them again on the other's split: --split {one.run}.",
        )
    tables = [_rows(side.table, [side.places[content] for content in shared]) for side in (one, two)]
    right = [table.predicted == table.true for table in tables]
    found = pairs.count(*right)
    p = pairs.mcnemar(*right)
    lead = found.only_first - found.only_second
    return ComparedRuns(
        first=_compared(one, tables[0]),
        second=_compared(two, tables[1]),
        photos=len(shared),
        both_right=found.both,
        only_first=found.only_first,
        only_second=found.only_second,
        neither=found.neither,
        p=p,
        difference=lead / len(shared),
        difference_interval=pairs.difference_interval(found),
        needed=pairs.needed(found.only_first + found.only_second),
        better=None if p >= pairs.CHANCE else "first" if lead > 0 else "second",
        left_out=left_out,
        differing=_differing(*tables),
    )


def _read(given: str | Path) -> Side:
    known = folder.find(given)
    if known.run is None or known.model != known.run / "model.keras":
        raise UsageError(f"{given} is no run folder.", "Name two runs; last is the newest finished one.")
    file = known.run / "predictions.csv"
    try:
        table = Table.read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{file} cannot be read: {error}.", "The run did not finish; start it again."
        ) from error
    except DataError as error:
        raise DataError(f"{file}: {error.message}", "The run is damaged; fine-tune again.") from error
    rows = {row.path: row for row in split_file.read(known.run).rows}
    if strange := [path for path in table.paths if path not in rows or not rows[path].sha256]:
        raise DataError(
            f"{known.run / split_file.NAME} does not tell the content of {named(strange)}.",
            "The run is damaged; fine-tune again.",
        )
    places: dict[str, int] = {}
    for place, path in enumerate(table.paths):
        places.setdefault(rows[path].sha256, place)
    trained = frozenset(row.sha256 for row in rows.values() if row.split == "train")
    backbone = folder.read_json(known.run / "run.json")["backbone"]
    return Side(known.run, backbone, replace(table, labels=tuple(map(nfc, table.labels))), places, trained)


def _check_classes(one: Side, two: Side) -> None:
    sides = ((one, two), (two, one))
    missing = [
        f"{named(lacking)} {'is' if len(lacking) == 1 else 'are'} in {side.run} alone"
        for side, other in sides
        if (lacking := [name for name in side.table.labels if name not in other.table.labels])
    ]
    if missing:
        raise UsageError(
            f"The runs tell different classes apart: {', and '.join(missing)}.",
            "Compare runs of the same classes.",
        )


def _shared(one: Side, two: Side) -> tuple[list[str], LeftOut]:
    """The content of the photos to compare on, in the first's order, and what was left out."""
    both = [content for content in one.places if content in two.places]
    taught = {content for content in both if content in one.trained or content in two.trained}
    first_alone = one.places.keys() - two.places.keys()
    second_alone = two.places.keys() - one.places.keys()
    crossed = (first_alone & two.trained) | (second_alone & one.trained)
    untaught = [content for content in both if content not in taught]
    shared = [content for content in untaught if _label(one, content) == _label(two, content)]
    copies = sum(len(side.table.paths) - len(side.places) for side in (one, two))
    return shared, LeftOut(
        trained_on=len(taught) + len(crossed),
        relabelled=len(untaught) - len(shared),
        first_alone=len(first_alone - crossed),
        second_alone=len(second_alone - crossed),
        copies=copies,
    )


def _label(side: Side, content: str) -> str:
    return side.table.labels[side.table.true[side.places[content]]]


def _rows(table: Table, places: list[int]) -> Table:
    paths = tuple(table.paths[place] for place in places)
    return Table(table.labels, paths, table.true[places], table.probabilities[places])


def _compared(side: Side, table: Table) -> Compared:
    return Compared(
        run=side.run,
        backbone=side.backbone,
        top1=figures.top1(table),
        top1_interval=figures.top1_interval(table),
        balanced_accuracy=figures.balanced_accuracy(table),
        balanced_accuracy_interval=figures.balanced_accuracy_interval(table),
        val_images=len(side.table.paths),
    )


def _differing(one: Table, two: Table) -> tuple[Differing, ...]:
    """Those that one of the two names rightly first."""
    rows = [
        Differing(path, second_path, label, first, second, _right(label, first, second))
        for path, second_path, label, first, second in zip(
            one.paths,
            two.paths,
            _names(one, one.true),
            _names(one, one.predicted),
            _names(two, two.predicted),
            strict=True,
        )
        if first != second
    ]
    return tuple(sorted(rows, key=lambda row: (row.right is None, row.right or "", row.path)))


def _right(label: str, first: str, second: str) -> str | None:
    return "first" if first == label else "second" if second == label else None


def _names(table: Table, numbers: Iterable[int] | np.ndarray) -> list[str]:
    return [table.labels[number] for number in numbers]
