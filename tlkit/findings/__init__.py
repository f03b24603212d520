"""What a careful colleague would point out about a folder of photos, from one scan of it.

Everything is told from what the scan saw; no file is opened here, and a million photos take seconds.
"""

import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tlkit.data.folders import Folder
from tlkit.data.looks import FORMS
from tlkit.data.photos import SUFFIXES
from tlkit.findings.outliers import outliers
from tlkit.findings.sizes import MUCH, lost, shapes
from tlkit.sources.listed import named

# In the order they are told; the text stands where all findings of a kind are shown.
KINDS = {
    "fault": "training is not possible like this",
    "unreadable": "cannot be read, and are left out",
    "left_out": "passed by, and not opened",
    "class_sets": "the splits hold different classes",
    "leak": "on two sides of the given split, so that figures flatter",
    "label_conflict": "one picture under two labels",
    "duplicate": "byte for byte the same; a fresh split keeps them together",
    "near_duplicate": "nearly the same picture; a fresh split keeps them together",
    "burst": "taken within moments; a fresh split keeps them together",
    "small_class": "too few photos to tell how well the class is recognised",
    "imbalance": "classes of very different size",
    "extension": "used, though the extension disagrees with the content",
    "animated": "used, but only the first frame",
    "fit": "the usual shape loses much by the fit",
    "tiny": "very small",
    "odd_shape": "very long or very high",
    "blank": "nothing to see on them",
    "dark": "much darker than the rest",
    "bright": "much brighter than the rest",
    "blurred": "much less sharp than the rest",
    "grey": "grey among colour, or colour among grey",
}
ORDER = {kind: place for place, kind in enumerate(KINDS)}
ALIKE = {
    "duplicate": ("The same picture", "identical files"),
    "near_duplicate": ("Nearly the same picture", "pictures nearly the same"),
    "burst": ("Photos of one burst", "photos of one burst"),
}
# Why something is left out without being read; all else is a picture that cannot be used.
UNREAD = re.compile(
    r"a link|a folder|the folder|not a regular file|its (name|path|label|split|group) is no|no (label|path)\b"
    r"|a line break|a NUL|an address|not JSON|listed with|.* where (the header|\(path|a row)"
)
ENOUGH = 4  # photos of a class to check on; all four right still means "51% or more"
SHARE = 0.2  # of a class that a fresh split holds back by default
UNEVEN = 10  # times as many photos in the largest class as in the smallest
Z = 1.959964  # 95 % of a normal distribution lie within ± this


class Finding(NamedTuple):
    path: str  # a photo or file; a class's name where it is about the class; "": the whole folder
    kind: str  # a key of `KINDS`
    detail: str
    related: tuple[str, ...] = ()  # other paths


def findings(folder: Folder, fit: str = "stretch") -> list[Finding]:
    """All that is odd about a scanned folder, by kind in the order of `KINDS`.

    A picture may be found for several reasons: copies under two labels are a `duplicate` and a
    `label_conflict`, and a `leak` too if they are in two of the given splits.
    """
    found = [
        *_faults(folder),
        *_left_out(folder),
        *_class_sets(folder),
        *_alike(folder),
        *_classes(folder),
        *_files(folder),
        *usual_shape(folder, fit),
        *(
            Finding(_path(folder, row.photos), row.kind, row.detail, _others(folder, row.photos))
            for row in outliers(folder.looks)
        ),
    ]
    return sorted(found, key=rank)


def rank(finding: Finding) -> int:
    """Its kind's place in `KINDS`."""
    return ORDER[finding.kind]


def _path(folder: Folder, photos: tuple[int, ...]) -> str:
    return folder.photos[photos[0]].path if len(photos) == 1 else ""


def _others(folder: Folder, photos: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(folder.photos[index].path for index in photos) if len(photos) > 1 else ()


def _faults(folder: Folder) -> Iterator[Finding]:
    for fault in folder.faults:
        yield Finding("", "fault", f"{fault.message} {fault.hint or ''}".rstrip())
    given = sorted({side or "" for side in sides(folder)})
    if given and not {"", "train"} & set(given):
        hint = "Have some in train, or give no split."
        yield Finding("", "fault", f"No photo is there to train on: all are in {' and '.join(given)}. {hint}")


def _left_out(folder: Folder) -> Iterator[Finding]:
    for row in folder.skipped:
        kind = "left_out" if UNREAD.match(row.reason) else "unreadable"
        if row.reason.startswith("listed with more than one label"):
            kind = "label_conflict"
        yield Finding(row.path, kind, row.reason)


def sides(folder: Folder) -> list[str | None]:
    """The split of each photo as it was given; split folders without val hold what is still to be split."""
    pool = "train" if folder.layout == "splits" else None
    return [photo.split or pool for photo in folder.photos]


def _class_sets(folder: Folder) -> Iterator[Finding]:
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for photo, side in zip(folder.photos, sides(folder), strict=True):
        counts[side or ""][photo.label] += 1
    counts.pop("", None)  # still to be split: any class will do
    if len(counts) < 2:
        return
    for label, name in enumerate(folder.classes):
        has = [f"{count[label]:,} in {side}" for side, count in counts.items() if count[label]]
        lacks = [side for side, count in counts.items() if not count[label]]
        if has and lacks:
            yield Finding(name, "class_sets", f"No photo in {' and '.join(lacks)}, but {' and '.join(has)}.")


def _alike(folder: Folder) -> Iterator[Finding]:
    """Copies, near copies and bursts, each with what is wrong about it; then groups that are parted."""
    side = sides(folder)
    leaking: set[int] = set()
    for kind, members in folder.alike:
        paths = tuple(folder.photos[index].path for index in members)
        labels = sorted({folder.photos[index].label for index in members})
        splits = sorted({side[index] or "" for index in members} - {""})
        what, counted = ALIKE[kind]
        yield Finding(paths[0], kind, f"{len(paths):,} {counted}.", paths[1:])
        if len(labels) > 1 and kind != "burst":
            under = " and ".join(named([folder.classes[label]]) for label in labels)
            yield Finding(paths[0], "label_conflict", f"{what} under {under}.", paths[1:])
        if len(splits) > 1:
            leaking.update(folder.photos[index].group for index in members)
            yield Finding(paths[0], "leak", f"{what} in {' and '.join(splits)}.", paths[1:])
    groups = defaultdict(list)
    for index, photo in enumerate(folder.photos):
        if photo.group >= 0 and photo.group not in leaking:
            groups[photo.group].append(index)
    for together in groups.values():
        splits = sorted({side[index] or "" for index in together} - {""})
        if len(splits) > 1:
            first, *others = (folder.photos[index].path for index in together)
            yield Finding(first, "leak", f"Photos of one group in {' and '.join(splits)}.", tuple(others))


def _classes(folder: Folder) -> Iterator[Finding]:
    """Classes that cannot be judged, and classes of very different size."""
    if not folder.photos:
        return
    labels = np.array([photo.label for photo in folder.photos])
    groups = np.array([photo.group for photo in folder.photos])
    groups = np.where(groups < 0, -1 - np.arange(len(groups)), groups)  # those alone: a number each
    counts = np.bincount(labels, minlength=len(folder.classes))
    pairs = np.unique(np.stack([labels, groups], axis=1), axis=0)
    grouped = np.bincount(pairs[:, 0], minlength=len(folder.classes))
    side = sides(folder)
    given = "val" in side
    if not given and not (grouped > 1).any():
        one = "Each class is one photo or one group: none can be in train and in val. Add photos to each."
        yield Finding("", "fault", one)
    held = np.bincount(labels[[one == "val" for one in side]], minlength=len(folder.classes))
    for label, name in enumerate(folder.classes):
        count, several = int(counts[label]), int(grouped[label])
        checked = int(held[label]) if given else min(max(round(SHARE * count), 1), count - 1)
        photos = "1 photo" if count == 1 else f"{count:,} photos"
        if count == 0:
            yield Finding(name, "small_class", "It has no photo that can be used.")
        elif several < 2 and not given:
            why = "" if count == 1 else ", all of one group"
            yield Finding(name, "small_class", f"{photos}{why}: it cannot be in train and in val.")
        elif 0 < checked < ENOUGH:
            right = f"all {checked} are" if checked > 1 else "that one is"
            chance = f"even if {right} named rightly, its accuracy may be {lowest(checked):.0%}"
            yield Finding(name, "small_class", f"{photos}, {checked} of them to check on: {chance}.")
    yield from _imbalance(folder, counts)


def _imbalance(folder: Folder, counts: np.ndarray) -> Iterator[Finding]:
    most, least = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max()).argmin())
    if counts[most] > UNEVEN * counts[least]:
        large, small = named([folder.classes[most]]), named([folder.classes[least]])
        yield Finding(
            "",
            "imbalance",
            f"{large} has {counts[most]:,} photos, {small} {counts[least]:,}: "
            f"{counts[most] / counts[least]:.0f} times as many. Always answering {large} would be right for "
            f"{counts[most] / counts.sum():.0%} of all.",
        )


def lowest(count: int) -> float:
    """The lower end of Wilson's 95 % interval for an accuracy, where all of `count` answers were right.

    >>> round(lowest(4), 2), round(lowest(50), 2)
    (0.51, 0.93)
    """
    return count / (count + Z * Z) if count else math.nan


def _files(folder: Folder) -> Iterator[Finding]:
    """Extensions that say something else than the content, and moving pictures."""
    forms, animated = folder.looks["form"].tolist(), folder.looks["animated"]
    known = [("", *SUFFIXES[form]) for form in FORMS]
    for photo, form in zip(folder.photos, forms, strict=True):
        # Nearly all pass the first test, which is much quicker than the second.
        if not photo.path.endswith(known[form][1:]) and _suffix(photo.path) not in known[form]:
            yield Finding(photo.path, "extension", f"The content is {FORMS[form]}.")
    for index in np.flatnonzero(animated).tolist():
        form = FORMS[forms[index]]
        yield Finding(
            folder.photos[index].path, "animated", f"A moving {form}; only its first frame is used."
        )


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def usual_shape(folder: Folder, fit: str) -> Iterator[Finding]:
    """Where the usual photo, not an odd one, loses much by a fit."""
    if not len(folder.looks):
        return
    share = float(np.median(lost(folder.looks, fit)))
    if share < MUCH[fit]:
        return
    usual = shapes(folder.looks, fit)[0]
    told = {
        "stretch": f"stretch squeezes it by {share:.0%}; --fit pad keeps its shape.",
        "crop": f"crop cuts away {share:.0%} of it; --fit stretch or pad keeps all.",
        "pad": f"pad leaves {share:.0%} of what the network sees empty; --fit stretch uses all.",
    }[fit]
    shape = "" if usual.name == "others" else f", {usual.name} like {usual.share:.0%} of all"
    yield Finding("", "fit", f"The usual photo{shape}: {told}")
