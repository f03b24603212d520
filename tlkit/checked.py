"""What `tlkit check` returns: a folder of photos as a careful colleague would describe it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report import Path, Report

LAYOUTS = {"classes": "class folders", "splits": "split folders", "table": "a table"}
SPLITS = ("train", "val", "test")
MANY = 30  # classes; above it, only the largest and the smallest are told
FITS = {
    "stretch": "draws the longer side shorter by",
    "crop": "cuts away",
    "pad": "leaves grey",
}
ENDS = 5  # how many of each
SHAPES = 3  # that are told; the others in one
FIRST = 3  # findings of a kind that are told
FEW_PHOTOS = 500  # below it, one split says little


@dataclass(frozen=True)
class Checked(Report):
    """Every photo and everything odd about them; nothing was changed."""

    root: Path
    layout: str  # "classes", "splits" or "table"
    classes: Sequence[Any]  # rows of label, count, share; train, val, test, null where no split is given
    images: Sequence[Any]  # rows of path, label, split, format, width, height, bytes, sha256, group
    findings: Sequence[Any]  # rows of path, kind, detail, related; the path of a class is its name
    kinds: Mapping[str, Mapping[str, Any]]  # of the findings: count, meaning
    skipped: Sequence[Any]  # rows of path, reason
    found: int  # files: those used and those left out
    left_out: Mapping[str, int]  # files, by reason
    by_extension: Sequence[Mapping[str, Any]]  # rows of extension, used, left_out
    formats: Mapping[str, int]  # photos, by what their content is
    turned: int  # photos with an EXIF orientation
    sizes: Mapping[str, Any] | None  # usual: [width, height]; smallest, largest: path, width, height
    shapes: Sequence[Any]  # rows of name, count, share, lost: by the fit, 0–1
    fit: str
    strict: bool
    html: Path | None = None
    notes: Sequence[str] = ()
    name: str = ""  # of the folder or table, as it is told

    @property
    def exit_code(self) -> int:
        return 1 if self.strict and len(self.findings) else 0

    def text(self) -> str:
        return "\n".join([self.summary(), *self._told(), "", *self._advice()])

    def summary(self) -> str:
        """What the photos are, without what is odd about them."""
        classes = [printed.plain(row) for row in self.classes]
        name = self.name or printed.shown(self.root)
        first = f"{name}: {LAYOUTS[self.layout]}, {printed.photos(len(self.images))}"
        number = "one class" if len(classes) == 1 else f"{len(classes):,} classes"
        lines = [f"{first} in {number}.", "", *self._classes(classes), ""]
        lines += [*printed.columns(self._facts(), indent=""), *self._extensions()]
        # The first note tells how the folder was read, as these lines do.
        lines += ["", *printed.listed(self.notes[1:], printed.shown)] if len(self.notes) > 1 else []
        return "\n".join(lines)

    def _classes(self, classes: Sequence[Mapping[str, Any]]) -> list[str]:
        splits = [split for split in SPLITS if any(row[split] is not None for row in classes)]
        table = [("class", "photos", "share", *splits)]
        rows = [
            (
                printed.shown(row["label"]),
                f"{row['count']:,}",
                printed.percent(row["share"]),
                *(f"{row[split] or 0:,}" for split in splits),
            )
            for row in classes
        ]
        if len(rows) > MANY:
            order = sorted(range(len(rows)), key=lambda index: -classes[index]["count"])
            rows = [rows[index] for index in order]
            gap = (f"… {len(rows) - 2 * ENDS:,} more", *[""] * (len(table[0]) - 1))
            rows = [*rows[:ENDS], gap, *rows[-ENDS:]]
        return printed.table([*table, *rows])

    def _facts(self) -> list[tuple[str, str]]:
        used = len(self.images)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items())
        facts = [("files", f"{self.found:,} found = {used:,} used + {self.found - used:,} left out")]
        facts += [("", reasons)] if reasons else []
        if not self.sizes:
            return facts
        width, height = self.sizes["usual"]
        smallest, largest = self.sizes["smallest"], self.sizes["largest"]
        sizes = f"all {width:,} × {height:,} pixels"
        if any(smallest[side] != largest[side] for side in ("width", "height")):
            ends = f"{self._size(smallest)} to {self._size(largest)}"
            sizes = f"usually {width:,} × {height:,} pixels; {ends}"
        formats = ", ".join(f"{form} {count:,}" for form, count in self.formats.items())
        turned = f"; {self.turned:,} turned upright as EXIF says" if self.turned else ""
        shapes = [printed.plain(row) for row in self.shapes]
        usual = [row for row in shapes if row["name"] != "others"][:SHAPES]
        rest = 1 - sum(row["share"] for row in usual)
        told = [f"{row['share']:.0%} {row['name']}" for row in usual]
        told += [f"{rest:.0%} others"] if rest >= 0.005 else []
        return [
            *facts,
            ("formats", formats + turned),
            ("sizes", sizes),
            ("shapes", ", ".join(told)),
            ("fit", self._fit(usual)),
        ]

    @staticmethod
    def _size(row: Mapping[str, Any]) -> str:
        return f"{row['width']:,} × {row['height']:,} ({printed.shown(row['path'])})"

    def _fit(self, usual: Sequence[Mapping[str, Any]]) -> str:
        losing = [f"{row['lost']:.0%} ({row['name']})" for row in usual if row["lost"] >= 0.005]
        return (
            f"{self.fit} {FITS[self.fit]} {', '.join(losing)}"
            if losing
            else f"{self.fit} costs next to nothing"
        )

    def _extensions(self) -> list[str]:
        """By extension, where there is more than one thing to tell."""
        if len(self.by_extension) < 2:
            return []
        table = [("extension", "used", "left out")]
        table += [
            (printed.shown(row["extension"]) or "(none)", f"{row['used']:,}", f"{row['left_out']:,}")
            for row in self.by_extension[: printed.SHOWN]
        ]
        more = len(self.by_extension) - printed.SHOWN
        return ["", *printed.table(table), *([f"and {more:,} more extensions"] if more > 0 else [])]

    def _told(self) -> list[str]:
        """Of each kind of finding how many there are, and the first few."""
        first: dict[str, list[str]] = {kind: [] for kind in self.kinds}
        for row in self.findings:
            kind = row.kind if hasattr(row, "kind") else row["kind"]
            if len(first[kind]) < FIRST:
                first[kind].append(f"  {_line(printed.plain(row))}")
        lines = []
        for kind, told in first.items():
            count, meaning = self.kinds[kind]["count"], self.kinds[kind]["meaning"]
            more = [f"  and {count - FIRST:,} more"] if count > FIRST else []
            lines += ["", f"{kind.replace('_', ' ')}, {count:,}: {meaning}", *told, *more]
        return lines

    def _advice(self) -> list[str]:
        lines = []
        split = any(row["train"] is not None for row in self.classes)
        if len(self.images) < FEW_PHOTOS and not split and "fault" not in self.kinds:
            lines.append(
                f"Fewer than {FEW_PHOTOS} photos: tlkit finetune --folds 5 measures on each of them once."
            )
        if not len(self.findings):
            return [*lines, "No findings."]
        count, kinds = len(self.findings), len(self.kinds)
        found = "1 finding" if count == 1 else f"{count:,} findings in {kinds} kind{'s'[: kinds > 1]}"
        page = "--html FILE" if self.html is None else printed.shown(self.html)
        return [*lines, f"{found}; {page} shows {'it' if count == 1 else 'them'}."]


def _line(row: Mapping[str, Any]) -> str:
    """One finding: whom it is about, then what."""
    detail = printed.shown(row["detail"])
    if not row["path"]:
        return detail
    alike = [] if row["kind"] == "left_out" else row["related"]
    paths = [printed.shown(path) for path in (row["path"], *alike)]
    more = f" and {len(paths) - FIRST:,} more" if len(paths) > FIRST else ""
    return f"{', '.join(paths[:FIRST])}{more}: {detail}"
