"""Which files of a folder are photos of which class, at any depth, and which folder was meant instead."""

import os
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit.errors import DataError, UsageError
from tlkit.sources import levels
from tlkit.sources.layout import survey
from tlkit.sources.listed import Entry, Listed, Skipped


def fill(root: Path, *paths: str) -> Path:
    """Make files; a path that ends in "/" is a folder."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).mkdir(parents=True) if path.endswith("/") else (root / path).touch()
    return root


def labels(listed: Listed) -> dict[str, str]:
    return {entry.path: entry.label for entry in listed.entries}


PETS = ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")


@pytest.fixture
def pets(tmp_path):
    return fill(tmp_path / "pets", *PETS)


def test_class_folders(pets):
    assert survey(pets) == Listed(
        pets,
        "classes",
        ("cat", "dog"),
        [Entry(path, path.split("/")[0], None, None) for path in PETS],
        (),
        (),
    )


def test_split_folders(tmp_path):
    fill(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "Valid/cat/1.jpg", "Valid/dog/1.jpg", "more.txt")
    listed = survey(tmp_path)
    assert (listed.kind, listed.classes) == ("splits", ("cat", "dog"))
    assert [entry.split for entry in listed.entries] == ["train", "train", "val", "val"]
    assert listed.notes == (f"Beside the split folders in {tmp_path}, left out: 'more.txt'.",)


NESTED = (
    "animals/cat/a/1.jpg",
    "animals/cat/1.jpg",
    "animals/dog/1.jpg",
    "plants/1.jpg",
    "plants/rose/1.jpg",
)


def test_folders_in_class_folders_are_ignored_merged_or_classes(tmp_path):
    fill(tmp_path, *NESTED, "animals/0.jpg", "0.jpg")
    listed = survey(tmp_path)
    assert labels(listed) == {"animals/0.jpg": "animals", "plants/1.jpg": "plants"}
    assert listed.notes == (
        f"Beside the class folders in {tmp_path}, left out: '0.jpg'.",
        "Folders inside 'animals' are left out: 'cat', 'dog'.",
        "Folders inside 'plants' are left out: 'rose'.",
    )
    merged = survey(tmp_path, "merge")
    assert labels(merged) == {path: path.split("/")[0] for path in (*NESTED, "animals/0.jpg")}
    assert [entry.path for entry in merged.entries] == sorted(labels(merged))
    assert merged.notes == (f"Beside the class folders in {tmp_path}, left out: '0.jpg'.",)
    nested = survey(tmp_path, "classes")
    assert labels(nested) == {path: path.rpartition("/")[0] for path in (*NESTED, "animals/0.jpg")}
    assert nested.classes == (
        "animals",
        "animals/cat",
        "animals/cat/a",
        "animals/dog",
        "plants",
        "plants/rose",
    )
    assert nested.notes == merged.notes
    assert not nested.faults and not merged.faults and not listed.faults


def test_nested_classes_of_splits_are_named_below_the_split(tmp_path):
    fill(tmp_path, *(f"{split}/{path}" for split in ("train", "val") for path in NESTED))
    listed = survey(tmp_path, "classes")
    assert listed.classes == ("animals/cat", "animals/cat/a", "animals/dog", "plants", "plants/rose")
    assert labels(listed)["val/animals/cat/a/1.jpg"] == "animals/cat/a"
    assert listed.faults == ()
    assert survey(tmp_path, "merge").classes == ("animals", "plants")


def test_litter_and_empty_folders_are_nothing_at_any_depth(tmp_path):
    fill(tmp_path, *NESTED)
    expected = survey(tmp_path, "merge"), survey(tmp_path, "classes")
    fill(tmp_path, "animals/cat/.git/x", "animals/__MACOSX/1.jpg", "plants/rose/Thumbs.db", "animals/none/")
    assert (survey(tmp_path, "merge"), survey(tmp_path, "classes")) == expected
    fill(tmp_path, "empty/deep/deeper/")
    for subfolders in ("merge", "classes"):
        assert survey(tmp_path, subfolders).notes == ("'empty' is empty, so it is no class.",)


def test_many_empty_folders_are_one_note(pets):
    fill(pets, *(f"{number:02}/" for number in range(12)))
    (note,) = survey(pets).notes
    assert note.startswith("12 folders are empty, so they are no classes: '00', '01', ")
    assert note.endswith("'09' and 2 more.")


def test_another_word_for_subfolders_is_wrong_usage(pets):
    with pytest.raises(
        UsageError, match="subfolders cannot be 'all'. It is one of 'ignore', 'merge', 'classes'."
    ):
        survey(pets, "all")


def test_links_that_lead_to_one_another_end(tmp_path):
    fill(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    os.symlink("../b", tmp_path / "a/link")
    os.symlink("../a", tmp_path / "b/link")
    os.symlink(".", tmp_path / "c/self")
    os.symlink("..", tmp_path / "c/up")
    os.symlink("/", tmp_path / "c/top")
    listed = survey(tmp_path, "merge")
    assert labels(listed) == {
        "a/1.jpg": "a",
        "a/link/2.jpg": "a",
        "b/2.jpg": "b",
        "b/link/1.jpg": "b",
        "c/3.jpg": "c",
    }
    assert {row.path for row in listed.skipped} == {"a/link/link", "b/link/link", "c/self", "c/up", "c/top"}
    assert {row.reason for row in listed.skipped} == {"a link to a folder above it"}
    assert survey(tmp_path, "classes").classes == ("a", "a/link", "b", "b/link", "c")


def test_folders_that_all_link_to_all_others_are_read_once_a_class(tmp_path):
    names = [f"{number:02}" for number in range(12)]  # 12! ways lead through them
    fill(tmp_path, *(f"{name}/{name}.jpg" for name in names))
    for name in names:
        for other in names:
            os.symlink(f"../{other}", tmp_path / name / f"to {other}")
    listed = survey(tmp_path, "merge")
    assert len(listed.entries) == 12 * 12
    reasons = {re.sub("'.*'", "'…'", row.reason) for row in listed.skipped}
    assert reasons == {"a link to a folder above it", "the same folder as '…', which is read already"}


def test_a_link_to_a_folder_beside_is_told_as_the_same(tmp_path):
    fill(tmp_path, "a/y/1.jpg", "b/1.jpg")
    os.symlink("y", tmp_path / "a/x")
    listed = survey(tmp_path, "merge")
    assert labels(listed) == {"a/y/1.jpg": "a", "b/1.jpg": "b"}
    assert listed.skipped == (Skipped("a/x", "the same folder as 'a/y', which is read already"),)


def test_a_link_out_of_the_tree_is_followed_and_its_way_back_is_not(tmp_path):
    fill(tmp_path, "far/store/birds/1.jpg", "far/store/secret.jpg", "pets/cat/1.jpg")
    os.symlink(tmp_path / "far/store/birds", tmp_path / "pets/birds")
    os.symlink("..", tmp_path / "far/store/birds/back")
    listed = survey(tmp_path / "pets", "merge")
    assert labels(listed) == {"birds/1.jpg": "birds", "cat/1.jpg": "cat"}
    assert listed.skipped == (Skipped("birds/back", "a link to a folder above it"),)


def test_links_that_lead_nowhere_are_told_at_any_depth(tmp_path):
    fill(tmp_path, "a/b/1.jpg", "c/1.jpg")
    os.symlink("nowhere", tmp_path / "a/b/gone")
    os.symlink("round", tmp_path / "a/b/round")
    os.mkdir(os.fsencode(tmp_path) + b"/a/b/caf\xe9")
    assert set(survey(tmp_path, "merge").skipped) == {
        Skipped("a/b/gone", "a link that leads nowhere"),
        Skipped("a/b/round", "a link that leads nowhere: too many levels of symbolic links"),
        Skipped("a/b/caf\\xe9", "its name is not valid text"),
    }


@pytest.fixture
def deep(tmp_path):
    """Two classes; in one 2,100 folders lie in one another, a photo in each 500th: beyond Python's calls
    and, from some 2,000 on, beyond the 4,096 bytes of a path, so they are made and removed from inside."""
    fill(tmp_path, "cat/", "dog/1.jpg")
    here = os.open(tmp_path / "cat", os.O_RDONLY)
    for depth in range(2100):
        if depth % 500 == 0:
            os.close(os.open("1.jpg", os.O_CREAT, dir_fd=here))
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    yield tmp_path
    while (tmp_path / "cat/d/d").exists():
        os.rename(tmp_path / "cat/d/d", tmp_path / "cat/next")
        shutil.rmtree(tmp_path / "cat/d")
        os.rename(tmp_path / "cat/next", tmp_path / "cat/d")


def test_thousands_of_folders_in_one_another(deep):
    listed = survey(deep, "merge")
    photos = ["cat" + "/d" * depth + "/1.jpg" for depth in range(0, 2000, 500)]
    assert [entry.path for entry in listed.entries][:4] == photos
    (row,) = listed.skipped
    assert row.path.startswith("cat/d/d/d/") and row.path.count("/") > 1900
    assert row.reason == "the folder cannot be read: file name too long"
    assert survey(deep).skipped == ()


def faults(listed: Listed) -> list[str]:
    return [fault.message for fault in listed.faults]


def test_splits_of_different_classes_are_a_fault_and_their_union_is_listed(tmp_path):
    fill(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/c/1.jpg")
    listed = survey(tmp_path)
    assert listed.classes == ("a", "b", "c")
    assert len(listed.entries) == 4
    assert faults(listed) == [
        f"The splits of {tmp_path} hold different classes: 'train' lacks 'c'; 'val' lacks 'b'."
    ]


def test_one_class_is_a_fault_and_is_listed(tmp_path):
    listed = survey(fill(tmp_path, "cat/1.jpg", "cow/"))
    assert (listed.classes, len(listed.entries)) == (("cat",), 1)
    assert faults(listed) == [
        f"{tmp_path} holds one class folder, 'cat'; a classifier needs at least two: "
        f"{tmp_path}/<class>/<photo>.jpg."
    ]


def test_line_breaks_and_twins_are_faults_and_are_listed(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    listed = survey(fill(tmp_path, f"{composed}/1.jpg", f"{apart}/2.jpg", "a\nb/1.jpg"))
    assert listed.classes == ("a\nb", apart)
    assert {entry.label for entry in listed.entries} == {"a\nb", apart}
    assert len(listed.entries) == 3
    first, second = faults(listed)
    assert first == f"In {tmp_path}, a class name has a line break: 'a\\nb'."
    assert second.endswith("'cafe\\u0301' and 'caf\\xe9' are one name, its accents stored in two ways.")


def test_class_folders_without_a_file_are_a_fault(tmp_path):
    fill(tmp_path, "a/1.jpg", "b/1.jpg", "c/sub/1.jpg", "d/")
    os.symlink("nowhere", tmp_path / "d/1.jpg")
    listed = survey(tmp_path)
    assert listed.classes == ("a", "b")
    (fault,) = listed.faults
    assert fault.message == (
        f"2 class folders hold no usable photo: 'c', 'd' in {tmp_path}: "
        "d/1.jpg (a link that leads nowhere), c holds only folders."
    )
    assert fault.hint == levels.NESTED
    assert survey(tmp_path, "merge").classes == ("a", "b", "c")


def test_a_class_beside_one_without_files_is_not_called_the_only_one(tmp_path):
    (fault,) = survey(fill(tmp_path, "cat/1.jpg", "dog/sub/1.jpg")).faults
    assert (
        fault.message
        == f"This class folder holds no usable photo: 'dog' in {tmp_path}: dog holds only folders."
    )


def test_a_split_without_classes_is_a_fault(tmp_path):
    fill(tmp_path, "train/a/1.jpg", "train/b/1.jpg", *(f"test/{number}.jpg" for number in range(7)))
    listed = survey(tmp_path)
    assert (listed.classes, len(listed.entries)) == (("a", "b"), 2)
    (fault,) = listed.faults
    assert fault.message == f"{tmp_path}/test holds 7 files (.jpg 7) and no class folders."
    assert fault.hint == f"A split folder holds the class folders: {tmp_path}/test/<class>/<photo>.jpg."


TWO = ("{}roses/1.jpg", "{}lilies/1.jpg")


def two(*above: str) -> list[str]:
    return [path.format(f"{folder}/" if folder else "") for folder in above for path in TWO]


# The files, the folder that is given, and what is said of it.
LEVELS = {
    "one above": (two("flowers"), "", "one class folder, 'flowers'; .* Did you mean IMAGES/flowers?"),
    "three above": (two("a/b/flowers"), "", "one class folder, 'a'; .* Did you mean IMAGES/a/b/flowers?"),
    "above a train alone": (two("set/train"), "", "Did you mean IMAGES/set?"),
    "above splits": (two("set/train", "set/val"), "", "Did you mean IMAGES/set?"),
    "above splits beside others": (
        [*two("set/train", "set/val"), "labels/train/1.txt"],
        "",
        r"2 folders with no file directly in them: 'labels', 'set'; deeper lie 5 files \(.jpg 4, .txt 1\). "
        "Did you mean IMAGES/set?",
    ),
    "above a split set and another": (two("other", "set/train", "set/val"), "", "Did you mean IMAGES/set?"),
    "above several sets": (
        two("a", "b"),
        "",
        "'a', 'b'; deeper lie 4 files .* --subfolders merge .* classes",
    ),
    "deeper than it should be": (
        [f"{name}/{year}/1.jpg" for name in ("cat", "dog", "fox") for year in (1, 2)],
        "",
        "3 folders with no file .*: 'cat', 'dog', 'fox'; deeper lie 6 files .* --subfolders merge gives",
    ),
    "a class": (two(""), "roses", r"roses holds one file \(.jpg 1\) and no .*folder above it, IMAGES?"),
    "a class of a split": (two("train", "val"), "val/roses", "the folder above it, IMAGES/val?"),
    "a class with a folder in it": (
        [*two(""), "roses/red/1.jpg"],
        "roses",
        "roses holds one class folder, 'red'; .* Did you mean the folder above it, IMAGES?",
    ),
    "photos alone": (
        ["1.heic", "2.HEIC", "a.mov", "README"],
        "",
        r"IMAGES holds 4 files \(.heic 2, .mov 1, no extension 1\) and no class folders. A classifier needs",
    ),
    "a level between split and classes": (
        two("train/images", "val/images"),
        "",
        "IMAGES/train holds one class folder, 'images'; .* A split folder holds the class folders: "
        "IMAGES/train/<class>/<photo>.jpg.",
    ),
    "nothing": (["a/", "b/c/"], "", "IMAGES holds .*A classifier needs at least two class folders"),
}


@pytest.mark.parametrize("case", LEVELS)
def test_the_folder_that_was_meant_is_named(case, tmp_path):
    files, given, message = LEVELS[case]
    images = fill(tmp_path / "images", *files)
    with pytest.raises(DataError, match=message.replace("IMAGES", str(images))) as caught:
        listed = survey(images / given)
        raise DataError(*listed.faults[0])
    assert "\n" not in str(caught.value)
    assert "no images found" not in str(caught.value).lower()
    if found := re.search(r"Did you mean (the folder above it, )?(.*)\?", str(caught.value)):
        assert not survey(Path(found[2])).faults


def test_one_split_is_listed_as_class_folders_and_the_others_are_mentioned(tmp_path):
    fill(tmp_path, *two("train", "val", "test"))
    listed = survey(tmp_path / "train")
    assert (listed.kind, listed.faults) == ("classes", ())
    assert listed.notes == (
        f"'test', 'val' lie beside {tmp_path}/train: did you mean the folder above it, {tmp_path}?",
    )


def test_split_folders_below_a_class_folder_are_no_classes(tmp_path):
    fill(tmp_path, *two("flowers/train", "flowers/val"), "trees/1.jpg")
    (fault,) = survey(tmp_path, "classes").faults
    assert fault.message == (f"In {tmp_path}, split folders would become classes: those in 'flowers'.")
    assert fault.hint == f"Did you mean {tmp_path}/flowers?"
    merged = survey(tmp_path, "merge")
    assert (merged.classes, merged.faults) == (("flowers", "trees"), ())
    assert merged.notes == (
        "Folders named as splits are merged into their class, and split anew: those in 'flowers'.",
    )


def test_splits_in_each_class_are_no_classes(tmp_path):
    fill(tmp_path, *(f"{name}/{split}/1.jpg" for name in ("cat", "dog") for split in ("train", "test")))
    (fault,) = survey(tmp_path, "classes").faults
    assert fault.hint == f"Split folders lie above the class folders: {tmp_path}/train/<class>/<photo>.jpg."


def test_a_folder_called_train_among_others_is_no_split(tmp_path):
    fill(tmp_path, *two("train", "bus"))
    assert survey(tmp_path / "train").notes == ()


def test_files_are_counted_by_extension():
    assert levels.counted(["a.jpg"]) == "one file (.jpg 1)"
    many = [f"{n}.{kind}" for kind in "abcdefgh" for n in range(ord("i") - ord(kind))]
    assert levels.counted(many) == "36 files (.a 8, .b 7, .c 6, .d 5, .e 4, 3 other kinds)"
    assert "\n" not in levels.counted(["a.j\npg", "noext", "tar.gz"])


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_folder_of_many_files(tmp_path, count):
    fill(tmp_path, "dog/1.jpg", "cat/")
    folder = os.open(tmp_path / "cat", os.O_RDONLY)
    for number in range(count):
        os.mknod(f"{number:06}.jpg", dir_fd=folder)
    os.close(folder)
    listed = survey(tmp_path)
    assert len(listed.entries) == count + 1
    assert len({id(entry.label) for entry in listed.entries}) == 2


NAMES = st.sampled_from(["a", "b", "cat", "train", "val", "é", "e\u0301", "x\ny", "__MACOSX", ".git"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(
    st.lists(
        st.tuples(PATHS, st.sampled_from(["1.jpg", "2", "", "->.", "->..", "->../..", "->nowhere"])),
        max_size=8,
    ),
    st.sampled_from(["ignore", "merge", "classes"]),
)
def test_any_tree_is_listed_or_explained(tmp_path_factory, tree, subfolders):
    root = tmp_path_factory.mktemp("any")
    for folder, name in tree:
        (root / folder).mkdir(parents=True, exist_ok=True)
        if name.startswith("->"):
            if not os.path.lexists(root / folder / "link"):
                os.symlink(name[2:], root / folder / "link")
        elif name:
            (root / folder / name).touch()
    try:
        listed = survey(root, subfolders)
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert all((root / entry.path).is_file() for entry in listed.entries)
    assert len({entry.path for entry in listed.entries}) == len(listed.entries)
    assert set(listed.classes) == {entry.label for entry in listed.entries}
    assert not any("\n" in line for line in (*listed.notes, *map(str, listed.faults)))
    if subfolders != "ignore":
        # Every real file is listed, unless its name is litter or it lies above the class folders.
        start = 3 if listed.kind == "splits" else 2
        files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        litter = {path for path in files if re.search(r"(^|/)(\.git|__MACOSX)(/|$)", path)}
        beside = {path for path in files - litter if path.count("/") + 1 < start}
        splits = {
            path for path in files if listed.kind == "splits" and path.split("/")[0] not in ("train", "val")
        }
        assert files - litter - beside - splits <= {entry.path for entry in listed.entries}
