"""The contact sheets of a checked folder: which photos are shown, and small copies of them."""

from collections import defaultdict
from contextlib import closing
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from tlkit import sheets
from tlkit.checked import Checked
from tlkit.data import fits, photos
from tlkit.data.folders import Folder
from tlkit.data.threads import ahead
from tlkit.findings import Finding
from tlkit.progress import Silent

SHEET = 60  # findings of a kind
TOGETHER = 8  # photos of a finding
EXAMPLES = 12  # photos shown as the network sees them
SEEN = 224  # pixels; most networks' own
UNSEEN = ("left_out", "class_sets", "small_class")  # kinds of what is no photo


class Small(NamedTuple):
    """Two small copies as JPEG: of the photo, and, where it was asked for, of what the network sees."""

    photo: bytes
    seen: bytes | None


def page(folder: Folder, result: Checked, workers: int, progress: Silent) -> str:
    """The whole page; reads the photos that stand on it once more."""
    shown: dict[str, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        if len(shown[finding.kind]) < SHEET:
            shown[finding.kind].append(finding)
    about = {photo.path: index for index, photo in enumerate(folder.photos)}
    places = np.linspace(0, len(about) - 1, min(EXAMPLES, len(about))).round().astype(int)
    examples = [folder.photos[index].path for index in places]
    paths = {path for rows in shown.values() for row in rows for path in _members(row) if path in about}
    small = _small(folder, sorted(paths.union(examples)), set(examples), result.fit, workers, progress)

    def shot(path: str, *lines: str) -> sheets.Shot:
        if path not in about:
            return sheets.Shot(path, lines)
        photo, look = folder.photos[about[path]], folder.looks[about[path]]
        facts = [folder.classes[photo.label], photo.split, f"{look['width']} × {look['height']}"]
        copies = small.get(path)
        return sheets.Shot(path, [*lines, " · ".join(filter(None, facts))], copies and copies.photo)

    def row(finding: Finding) -> sheets.Row:
        members = _members(finding)
        if not members or finding.kind in UNSEEN:
            whom = f"{finding.path}: " if finding.path else ""
            return sheets.Row(whom + finding.detail)
        if len(members) == 1:
            return sheets.Row("", [shot(members[0], finding.detail)])
        more = len(members) - TOGETHER
        rest = f" {more:,} of them are not shown." if more > 0 else ""
        return sheets.Row(finding.detail + rest, [shot(path) for path in members[:TOGETHER]])

    def seen(path: str) -> sheets.Row:
        copies = small.get(path)
        view = sheets.Shot(f"{result.fit}, {SEEN} × {SEEN}", (), copies and copies.seen)
        return sheets.Row("", [shot(path), view])

    sections = [
        sheets.Section(kind.replace("_", " "), told["meaning"], list(map(row, shown[kind])), told["count"])
        for kind, told in result.kinds.items()
    ]
    if examples:
        meaning = f"some photos, and what the fit {result.fit} makes of them"
        sections.append(
            sheets.Section("as the network sees them", meaning, list(map(seen, examples)), len(examples))
        )
    return sheets.page(f"tlkit check {folder.called()}", result.summary(), sections)


def _members(finding: Finding) -> list[str]:
    return [path for path in (finding.path, *finding.related) if path]


def _small(
    folder: Folder, paths: list[str], examples: set[str], fit: str, workers: int, progress: Silent
) -> dict[str, Small]:
    """Small copies by path; without those that cannot be read any more."""

    def reduce(path: str) -> Small | None:
        try:
            pixels = photos.read(folder.root / path)
        except photos.Unreadable:
            return None
        return Small(_jpeg(pixels), _jpeg(fits.see(pixels, SEEN, fit)) if path in examples else None)

    with (
        progress.task("drawing contact sheets", len(paths)) as task,
        closing(ahead(reduce, paths, workers=workers, depth=16)) as copies,
    ):
        found = {}
        for path, copy in zip(paths, copies, strict=True):
            task.tick()
            if copy:
                found[path] = copy
    return found


def _jpeg(pixels: np.ndarray) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((sheets.SIDE, sheets.SIDE), reducing_gap=3)
    content = BytesIO()
    image.save(content, "JPEG", quality=80)
    return content.getvalue()
