"""What is pointed out about a folder, kind by kind; the real photos at the end."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tlkit import findings
from tlkit.data.duplicates import Alike
from tlkit.data.folders import Folder
from tlkit.data.looks import FORMS, LOOK, look
from tlkit.findings import KINDS, Finding, accounts, sizes
from tlkit.findings.outliers import outliers
from tlkit.sources.listed import Fault, Photo, Skipped

PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "hymenoptera"
USUAL = {
    "form": FORMS.index("JPEG"),
    "width": 640,
    "height": 480,
    "bytes": 50_000,
    "brightness": 120,
    "contrast": 50,
    "sharpness": 600,
    "colour": 50,
}


def looks(count, changes=None):
    rows = np.zeros(count, LOOK)
    for name, value in USUAL.items():
        rows[name] = value
    for index, change in (changes or {}).items():
        for name, value in change.items():
            rows[name][index] = value
    return rows


def folder(photos, changes=None, classes=None, **rest):
    """`photos`: rows of class, name, then split and group where they matter."""
    classes = tuple(classes or sorted({row[0] for row in photos}))
    made = []
    for row in photos:
        label, name, split, group = (*row, *(None, -1)[len(row) - 2 :])
        made.append(Photo(f"{label}/{name}", classes.index(label), split, "", group))
    layout = "splits" if any(photo.split for photo in made) else "classes"
    given = {"skipped": (), "notes": (), "alike": (), "faults": (), **rest}
    return Folder(Path("x"), layout, classes, tuple(made), looks=looks(len(made), changes), **given)


def many(count, *labels):
    return [(label, f"{index:05}.jpg") for label in labels for index in range(count)]


def of(kind, found):
    return [finding for finding in found if finding.kind == kind]


def test_a_folder_in_order_has_no_findings():
    assert findings.findings(folder(many(40, "a", "b"))) == []


def test_no_photo_at_all_is_told_class_by_class():
    found = findings.findings(folder([], classes=("a", "b"), faults=(Fault("Nothing to read.", "Fill it."),)))
    assert found[0] == Finding("", "fault", "Nothing to read. Fill it.")
    assert {finding.kind for finding in found} <= {"fault", "small_class"}


def test_what_was_skipped_is_told_with_its_reason():
    skipped = (Skipped("a/x.jpg", "cut off"), Skipped("a/loop", "a link to a folder above it"))
    found = findings.findings(folder(many(40, "a", "b"), skipped=skipped))
    assert found == [
        Finding("a/x.jpg", "unreadable", "cut off"),
        Finding("a/loop", "left_out", "a link to a folder above it"),
    ]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("no such file or directory", "unreadable"),
        ("damaged: a line where something was expected", "unreadable"),
        ("permission denied", "unreadable"),
        ("its name is not valid text", "left_out"),
        ("the folder cannot be read: permission denied", "left_out"),
        ("no label (line 7)", "left_out"),
        ("3 fields where the header has 4", "left_out"),
        ("listed with more than one label: 'a' in line 2, 'b' in line 3", "label_conflict"),
    ],
)
def test_what_was_not_read_is_told_from_what_could_not_be(reason, kind):
    found = findings.findings(folder(many(40, "a", "b"), skipped=(Skipped("a/x.jpg", reason),)))
    assert found == [Finding("a/x.jpg", kind, reason)]


def test_copies_under_two_labels_and_in_two_splits_are_told_as_all_three():
    photos = [("a", "1.jpg", "train"), ("b", "1.jpg", "val")]
    photos += [
        (label, f"{n:02}.jpg", split) for label in "ab" for split in ("train", "val") for n in range(40)
    ]
    found = findings.findings(folder(photos, alike=(Alike("duplicate", (0, 1)),)))
    assert found == [
        Finding("a/1.jpg", "leak", "The same picture in train and val.", ("b/1.jpg",)),
        Finding("a/1.jpg", "label_conflict", "The same picture under 'a' and 'b'.", ("b/1.jpg",)),
        Finding("a/1.jpg", "duplicate", "2 identical files.", ("b/1.jpg",)),
    ]


def test_a_burst_is_no_label_conflict_but_a_leak():
    photos = [("a", "1.jpg", "train"), ("b", "1.jpg", "val")]
    photos += [
        (label, f"{n:02}.jpg", split) for label in "ab" for split in ("train", "val") for n in range(40)
    ]
    found = findings.findings(folder(photos, alike=(Alike("burst", (0, 1)),)))
    assert [finding.kind for finding in found] == ["leak", "burst"]


def test_a_group_in_two_given_splits_is_a_leak():
    photos = [("a", "1.jpg", "train", 0), ("a", "2.jpg", "val", 0), ("a", "3.jpg", "val", 0)]
    photos += [
        (label, f"{n:02}.jpg", split) for label in "ab" for split in ("train", "val") for n in range(40)
    ]
    found = findings.findings(folder(photos))
    assert found == [
        Finding("a/1.jpg", "leak", "Photos of one group in train and val.", ("a/2.jpg", "a/3.jpg"))
    ]


def test_train_that_is_still_to_be_split_leaks_into_test_all_the_same():
    photos = [("a", "1.jpg", None), ("a", "1.jpg", "test")]
    photos += [(label, f"{n:02}.jpg", split) for label in "ab" for split in (None, "test") for n in range(40)]
    found = findings.findings(folder(photos, alike=(Alike("duplicate", (0, 1)),)))
    assert of("leak", found)[0].detail == "The same picture in test and train."


def test_classes_that_one_split_lacks():
    photos = [("a", f"{n}.jpg", split) for split in ("train", "val") for n in range(30)]
    photos += [("b", f"{n}.jpg", "train") for n in range(30)]
    found = findings.findings(folder(photos))
    assert found == [Finding("b", "class_sets", "No photo in val, but 30 in train.")]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 photo: it cannot be in train and in val."),
        (5, "5 photos, 1 of them to check on: even if that one is named rightly, its accuracy may be 21%."),
        (15, "15 photos, 3 of them to check on: even if all 3 are named rightly, its accuracy may be 44%."),
        (20, None),
    ],
)
def test_a_class_too_small_to_be_judged(count, told):
    found = of("small_class", findings.findings(folder([*many(30, "a"), *many(count, "b")])))
    assert found == ([Finding("b", "small_class", told)] if told else [])


def test_a_class_of_one_group_cannot_be_split():
    photos = [*many(30, "a"), *(("b", f"{n}.jpg", None, 30) for n in range(25))]
    found = findings.findings(folder(photos))
    assert found == [
        Finding("b", "small_class", "25 photos, all of one group: it cannot be in train and in val.")
    ]


def test_wilsons_interval_as_scipy_has_it():
    from scipy.stats import binomtest

    for count in (1, 4, 50):
        theirs = binomtest(count, count).proportion_ci(method="wilson")
        assert findings.lowest(count) == pytest.approx(theirs.low, abs=1e-6)


def test_imbalance_names_the_two_and_what_guessing_gives():
    found = of("imbalance", findings.findings(folder([*many(300, "a"), *many(20, "b")])))
    assert [row.detail for row in found] == [
        "'a' has 300 photos, 'b' 20: 15 times as many. Always answering 'a' would be right for 94% of all."
    ]
    assert not of("imbalance", findings.findings(folder([*many(200, "a"), *many(20, "b")])))


@pytest.mark.parametrize("name", ["1.jpg", "1.JPEG", "1.Jpe", "1"])
def test_extensions_that_agree_in_any_case_or_are_not_there(name):
    assert not findings.findings(folder([*many(30, "a", "b"), ("a", name)]))


def test_an_extension_that_disagrees_and_a_moving_picture():
    moving = {"form": FORMS.index("GIF"), "animated": True}
    found = findings.findings(folder(many(30, "a", "b"), {3: {"form": FORMS.index("PNG")}, 7: moving}))
    assert found == [
        Finding("a/00003.jpg", "extension", "The content is PNG."),
        Finding("a/00007.jpg", "extension", "The content is GIF."),
        Finding("a/00007.jpg", "animated", "A moving GIF; only its first frame is used."),
    ]


@pytest.mark.parametrize(
    ("width", "height", "fit", "told"),
    [
        (1600, 900, "stretch", "stretch squeezes it by 44%"),
        (900, 1600, "crop", "crop cuts away 44% of it"),
        (2000, 1000, "pad", "pad leaves 50% of what the network sees empty"),
        (1500, 1000, "crop", "crop cuts away 33% of it"),
        (1500, 1000, "stretch", None),
        (1600, 1200, "crop", None),
    ],
)
def test_a_fit_that_costs_the_usual_shape_much(width, height, fit, told):
    shape = {"width": width, "height": height}
    found = of("fit", findings.findings(folder(many(20, "a", "b"), dict.fromkeys(range(30), shape)), fit))
    assert [told in row.detail for row in found] == ([True] if told else [])


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("tiny", {"width": 1, "height": 1}),
        ("tiny", {"width": 120, "height": 90}),
        ("odd_shape", {"width": 4000, "height": 900}),
        ("blank", {"contrast": 0.5, "sharpness": 0.1}),
        ("dark", {"brightness": 9, "contrast": 8}),
        ("bright", {"brightness": 245, "contrast": 8}),
        ("blurred", {"sharpness": 5}),
        ("grey", {"colour": 0}),
    ],
)
def test_a_photo_unlike_the_rest(kind, change):
    found = findings.findings(folder(many(30, "a", "b"), {4: change}))
    assert [(row.path, row.kind) for row in found] == [("a/00004.jpg", kind)]


@pytest.mark.parametrize(
    "change",
    [
        {"brightness": 9, "contrast": 8},
        {"brightness": 248},
        {"colour": 0},
        {"sharpness": 12},
        {"contrast": 1},
    ],
)
def test_what_all_photos_have_in_common_is_no_finding(change):
    assert not findings.findings(folder(many(30, "a", "b"), dict.fromkeys(range(60), change)))


def test_a_dark_thing_on_white_and_a_light_one_on_black_are_well_lit():
    changes = {1: {"brightness": 240, "contrast": 46}, 2: {"brightness": 8, "contrast": 38}}
    assert not findings.findings(folder(many(30, "a", "b"), changes))


def test_colour_among_grey():
    found = findings.findings(folder(many(30, "a", "b"), dict.fromkeys(range(57), {"colour": 0})))
    assert {row.detail for row in found} == {"In colour, among grey photos."} and len(found) == 3


def test_a_folder_of_small_pictures_is_told_once():
    found = findings.findings(
        folder(many(30, "a", "b"), dict.fromkeys(range(60), {"width": 28, "height": 28}))
    )
    assert [(row.path, row.kind, len(row.related)) for row in found] == [("", "tiny", 10)]
    assert found[0].detail.startswith("60 photos, 100% of all")


def test_findings_come_in_the_order_of_their_kinds():
    changes = {1: {"colour": 0}, 2: {"width": 3}, 3: {"form": FORMS.index("PNG")}}
    found = findings.findings(folder([*many(30, "a"), *many(2, "b")], changes))
    places = [list(KINDS).index(row.kind) for row in found]
    assert places == sorted(places) and len(set(places)) > 3


def test_shapes_by_name_with_what_they_lose():
    rows = looks(10, {0: {"width": 480, "height": 640}, 1: {"width": 500, "height": 333}, 2: {"width": 99}})
    shapes = {shape.name: shape for shape in sizes.shapes(rows, "crop")}
    assert list(shapes)[0] == "4:3" and list(shapes)[-1] == "others"
    assert set(shapes) == {"4:3", "3:4", "3:2", "others"}
    assert (shapes["4:3"].count, shapes["4:3"].lost) == (7, pytest.approx(0.25))
    assert shapes["3:2"].lost == pytest.approx(0.334)


def test_every_file_is_accounted_for(tmp_path):
    for path in (
        "a/1.jpg",
        "a/2.JPG",
        "b/3.png",
        "b/cut.jpg",
        "b/deep/4.jpg",
        "README.txt",
        "5.jpg",
        ".x",
        "b/.y",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    os.symlink("..", tmp_path / "b" / "loop")
    (tmp_path / os.fsdecode(b"b/\xff.jpg")).touch()
    (tmp_path / os.fsdecode(b"\xfe")).mkdir()
    (tmp_path / os.fsdecode(b"\xfe/6.jpg")).touch()
    photos = tuple(Photo(path, 0, None, "") for path in ("a/1.jpg", "a/2.JPG", "b/3.png"))
    skipped = (
        Skipped("b/cut.jpg", "damaged: something"),
        Skipped("b/loop", "a link to a folder above it"),
        Skipped("b/\\xff.jpg", "its name is not valid text"),
        Skipped("\\xfe", "its name is not valid text"),
    )
    found = accounts.account(Folder(tmp_path, "classes", ("a", "b"), photos, skipped, (), looks(3), (), ()))
    assert found.found == 11 == 3 + sum(found.reasons.values())
    assert found.reasons == {
        accounts.OUTSIDE: 4,
        accounts.HIDDEN: 2,
        "damaged": 1,
        "its name is not valid text": 1,
    }
    assert found.stray == ("5.jpg", "\\xfe/6.jpg", "b/deep/4.jpg")
    assert found.by_extension[:3] == ((".jpg", 2, 5), ("", 0, 2), (".png", 1, 0))


def test_a_photo_that_another_row_leaves_out_is_counted_once(tmp_path):
    photos = (Photo("a/1.jpg", 0, None, ""), Photo("b/2.jpg", 1, None, ""))
    skipped = (Skipped("a/1.jpg", "no label (line 4)"), Skipped("b/3.jpg", "no label (line 5)"))
    found = accounts.account(Folder(tmp_path, "table", ("a", "b"), photos, skipped, (), looks(2), (), ()))
    assert (found.found, found.reasons, found.by_extension) == (3, {"no label": 1}, ((".jpg", 2, 1),))


def test_one_photo_or_one_group_a_class_cannot_be_split():
    photos = [("a", "1.jpg"), ("b", "2.jpg", None, 7), ("b", "3.jpg", None, 7)]
    (fault,) = of("fault", findings.findings(folder(photos)))
    assert fault.detail.startswith("Each class is one photo or one group")
    assert not of("fault", findings.findings(folder([*photos, ("a", "4.jpg")])))


def test_photos_of_which_none_is_to_train_on_cannot_be_trained_on():
    photos = [("a", "1.jpg", "val"), ("b", "2.jpg", "val"), ("a", "3.jpg", "test"), ("b", "4.jpg", "test")]
    (fault,) = of("fault", findings.findings(folder(photos)))
    assert fault.detail == (
        "No photo is there to train on: all are in test and val. Have some in train, or give no split."
    )
    assert not of("fault", findings.findings(folder([*photos, ("a", "5.jpg", "train")])))
    assert not of("fault", findings.findings(folder([*photos, ("a", "5.jpg")])))


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/data/hymenoptera beside the checkout")
def test_blurred_copies_of_real_photos_are_found_and_good_photos_are_not():
    paths = sorted(PHOTOS.rglob("*.jpg"))[::6]
    assert len(paths) == 66

    def blurred(path, radius):
        with Image.open(path) as image:
            soft = image.filter(ImageFilter.GaussianBlur(radius * max(image.size) / 256))
            content = BytesIO()
            soft.save(content, "JPEG", quality=85)
            return content.getvalue()

    rows = np.array(
        [look(path.read_bytes(), path) for path in paths]
        + [look(blurred(path, 4), path) for path in paths[::6]],
        LOOK,
    )
    odd = list(outliers(rows))
    soft = {row.photos[0] for row in odd if row.kind == "blurred"}
    assert len({index for index in soft if index >= 66}) >= 0.8 * 11
    assert len({row.photos[0] for row in odd} - set(range(66, 77))) <= 0.03 * 66
