"""What `tlkit check` prints, and its JSON."""

import json
import math
from dataclasses import replace
from typing import NamedTuple

import pytest

from tlkit.checked import Checked


class Finding(NamedTuple):
    path: str
    kind: str
    detail: str
    related: tuple[str, ...] = ()


def classes(*counts, **splits):
    total = sum(counts)
    rows = []
    for index, count in enumerate(counts):
        row = {"label": f"class {index}", "count": count, "share": count / total}
        rows.append({**row, "train": None, "val": None, "test": None, **splits})
    return rows


ORDERLY = Checked(
    root="photos",
    layout="classes",
    classes=classes(600, 400),
    images=[{"path": f"{n}.jpg"} for n in range(1000)],
    findings=(),
    kinds={},
    skipped=(),
    found=1003,
    left_out={"cut off": 2, "empty": 1},
    by_extension=({"extension": ".jpg", "used": 1000, "left_out": 3},),
    formats={"JPEG": 1000},
    turned=7,
    sizes={
        "usual": [640, 480],
        "smallest": {"path": "a/s.jpg", "width": 100, "height": 80},
        "largest": {"path": "a/l\n.jpg", "width": 4000, "height": 3000},
    },
    shapes=(
        {"name": "4:3", "count": 900, "share": 0.9, "lost": 0.25},
        {"name": "1:1", "count": 100, "share": 0.1, "lost": 0.0},
    ),
    fit="stretch",
    strict=False,
    notes=("photos: 2 class folders.", "'empty' is empty, so it is no class."),
)
FOUND = replace(
    ORDERLY,
    findings=(
        *(Finding(f"a/{n}.jpg", "unreadable", "cut off") for n in range(5)),
        Finding("a/1.jpg", "duplicate", "5 identical files.", ("b/2.jpg", "b/3.jpg", "b/4.jpg", "b/5.jpg")),
        Finding("", "imbalance", "'a' has more."),
    ),
    kinds={
        "unreadable": {"count": 5, "meaning": "cannot be read"},
        "duplicate": {"count": 1, "meaning": "alike"},
        "imbalance": {"count": 1, "meaning": "uneven"},
    },
)


def test_a_folder_in_order_is_told_in_a_few_lines():
    assert ORDERLY.text().splitlines() == [
        "photos: class folders, 1,000 photos in 2 classes.",
        "",
        "class    photos  share",
        "class 0     600  60.0%",
        "class 1     400  40.0%",
        "",
        "files    1,003 found = 1,000 used + 3 left out",
        "         2 cut off, 1 empty",
        "formats  JPEG 1,000; 7 turned upright as EXIF says",
        "sizes    usually 640 × 480 pixels; 100 × 80 (a/s.jpg) to 4,000 × 3,000 (a/l\\n.jpg)",
        "shapes   90% 4:3, 10% 1:1",
        "fit      stretch draws the longer side shorter by 25% (4:3)",
        "",
        "'empty' is empty, so it is no class.",
        "",
        "No findings.",
    ]


def test_findings_are_told_by_kind_the_first_few_of_each():
    assert FOUND.text().splitlines()[-13:] == [
        "unreadable, 5: cannot be read",
        "  a/0.jpg: cut off",
        "  a/1.jpg: cut off",
        "  a/2.jpg: cut off",
        "  and 2 more",
        "",
        "duplicate, 1: alike",
        "  a/1.jpg, b/2.jpg, b/3.jpg and 2 more: 5 identical files.",
        "",
        "imbalance, 1: uneven",
        "  'a' has more.",
        "",
        "7 findings in 3 kinds; --html FILE shows them.",
    ]


def test_given_splits_are_counted_beside_each_class():
    rows = classes(600, 400, train=500, val=100)
    lines = replace(ORDERLY, layout="splits", classes=rows).text().splitlines()
    assert lines[2:4] == ["class    photos  share  train  val", "class 0     600  60.0%    500  100"]


def test_of_many_classes_the_largest_and_the_smallest_are_told():
    lines = replace(ORDERLY, classes=classes(*range(100, 0, -1))).text().splitlines()
    names = [line.split("  ")[0] for line in lines[3:14]]
    assert names[0] == "class 0" and names[5] == "… 90 more" and names[-1] == "class 99"


@pytest.mark.parametrize(
    ("fit", "told"),
    [
        ("stretch", "stretch draws the longer side shorter by 25% (4:3)"),
        ("crop", "crop cuts away 25% (4:3)"),
        ("pad", "pad leaves grey 25% (4:3)"),
    ],
)
def test_what_the_fit_does_to_the_usual_shapes(fit, told):
    assert told in replace(ORDERLY, fit=fit).text()


def test_photos_of_one_size_and_one_square_shape_are_told_so():
    same = {"path": "a.jpg", "width": 28, "height": 28}
    shape = {"name": "1:1", "count": 9, "share": 1.0, "lost": 0.0}
    sizes = {"usual": [28, 28], "smallest": same, "largest": same}
    lines = replace(ORDERLY, sizes=sizes, shapes=(shape,)).text().splitlines()
    assert lines[9:12] == [
        "sizes    all 28 × 28 pixels",
        "shapes   100% 1:1",
        "fit      stretch costs next to nothing",
    ]


def test_folds_are_suggested_where_photos_are_few_and_not_split():
    few = replace(ORDERLY, images=ORDERLY.images[:499])
    assert few.text().splitlines()[-2].startswith("Fewer than 500 photos: ")
    assert "--folds" not in replace(few, classes=classes(600, 400, train=1, val=1)).text()
    assert "--folds" not in replace(few, kinds={"fault": {"count": 1, "meaning": ""}}).text()
    assert "--folds" not in ORDERLY.text()


def test_the_page_is_named_where_there_is_one():
    assert replace(FOUND, html="p.html").text().endswith("7 findings in 3 kinds; p.html shows them.")
    one = replace(FOUND, findings=FOUND.findings[-1:], kinds={"imbalance": FOUND.kinds["imbalance"]})
    assert one.text().endswith("\n1 finding; --html FILE shows it.")


def test_strict_changes_the_exit_code_and_nothing_else():
    assert [replace(FOUND, strict=strict).exit_code for strict in (False, True)] == [0, 1]
    assert replace(ORDERLY, strict=True).exit_code == 0
    assert replace(FOUND, strict=True).text() == FOUND.text()


def test_json_holds_every_finding_whole():
    found = json.loads(replace(FOUND, shapes=({"name": "4:3", "lost": math.nan},)).json())
    assert found["schema"] == 1 and len(found["images"]) == 1000 and len(found["findings"]) == 7
    assert found["findings"][5] == {
        "path": "a/1.jpg",
        "kind": "duplicate",
        "detail": "5 identical files.",
        "related": ["b/2.jpg", "b/3.jpg", "b/4.jpg", "b/5.jpg"],
    }
    assert found["shapes"][0]["lost"] is None
    assert {"classes", "images", "findings", "skipped", "found", "by_extension", "notes"} <= found.keys()


def test_a_folder_without_any_photo_can_be_told():
    empty = replace(ORDERLY, images=(), sizes=None, shapes=(), formats={}, found=0, left_out={}, turned=0)
    assert "files  0 found = 0 used + 0 left out" in empty.text()
