"""A folder of photos is read whole, accounted for, and left as it was."""

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.data import Folder, Skipped, scan
from tlkit.errors import DataError, UsageError
from tlkit.progress import Silent

TEXTURES = Path(__file__).parents[2] / "data/textures"


def photo(seed: int, form: str = "JPEG") -> bytes:
    """A small picture of its own."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def fill(root: Path, files: dict[str, bytes | int]) -> Path:
    """Write files; a number is a photo made of it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(content) if isinstance(content, int) else content)
    return root


def plain(folder: Folder) -> Folder:
    """A folder that can be compared."""
    return folder._replace(looks=folder.looks.tobytes())


def snapshot(root: Path) -> str:
    """A hash over names, bytes and times."""
    digest = hashlib.sha256()
    for path in sorted([root, *root.rglob("*")]):
        facts = path.lstat()
        times = facts.st_mtime_ns, facts.st_ctime_ns if path.is_file() else 0
        digest.update(f"{path} {facts.st_mode} {facts.st_size} {times}".encode())
        if stat.S_ISREG(facts.st_mode):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def pets(tmp_path):
    """Two classes of two photos."""
    return fill(tmp_path / "pets", {"cat/1.jpg": 1, "cat/2.jpg": 2, "dog/1.jpg": 3, "dog/2.jpg": 4})


def test_class_folders(pets):
    folder = scan(pets)
    assert (folder.root, folder.layout, folder.classes) == (pets, "classes", ("cat", "dog"))
    assert [(photo.path, photo.label, photo.split) for photo in folder.photos] == [
        ("cat/1.jpg", 0, None),
        ("cat/2.jpg", 0, None),
        ("dog/1.jpg", 1, None),
        ("dog/2.jpg", 1, None),
    ]
    for row in folder.photos:
        assert row.sha256 == hashlib.sha256((pets / row.path).read_bytes()).hexdigest()
    assert folder.skipped == ()
    assert folder.notes == (f"{pets}: 2 class folders, 4 photos: cat 2, dog 2.",)


@pytest.mark.parametrize("val", ["val", "valid", "Validation", "VAL"])
@pytest.mark.parametrize("test", [(), ("Test",)])
def test_split_folders(tmp_path, val, test):
    names = ("Train", val, *test)
    paths = [f"{name}/{pet}/1.jpg" for name in names for pet in ("dog", "cat")]
    fill(tmp_path, {path: number for number, path in enumerate(paths)})
    folder = scan(tmp_path)
    assert (folder.layout, folder.classes) == ("splits", ("cat", "dog"))
    splits = ("train", "val", "test")[: len(names)]
    assert [(photo.path, photo.label, photo.split) for photo in folder.photos] == [
        (f"{name}/{pet}/1.jpg", label, split)
        for name, split in zip(names, splits, strict=True)
        for label, pet in enumerate(("cat", "dog"))
    ]
    counted = "; ".join(f"{split} 2: cat 1, dog 1" for split in splits)
    assert folder.notes == (f"{tmp_path}: split folders, 2 classes, {2 * len(names)} photos; {counted}.",)


def test_train_alone_is_one_pool_to_be_split(tmp_path):
    fill(tmp_path, {f"{name}/{pet}/1.jpg": 5 for name in ("train", "test") for pet in ("cat", "dog")})
    folder = scan(tmp_path)
    assert [photo.split for photo in folder.photos] == [None, None, "test", "test"]
    assert "train (to be split, there is no val) 2: cat 1, dog 1; test 2" in folder.notes[0]
    shutil.rmtree(tmp_path / "test")
    assert [photo.split for photo in scan(tmp_path).photos] == [None, None]


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, {"train/1.jpg": 1, "bus/1.jpg": 2, "car/1.jpg": 3})
    folder = scan(tmp_path)
    assert (folder.layout, folder.classes) == ("classes", ("bus", "car", "train"))


def test_other_folders_beside_the_splits_are_named(tmp_path):
    fill(tmp_path, {f"{name}/{pet}/1.jpg": 1 for name in ("train", "val") for pet in ("cat", "dog")})
    fill(tmp_path, {"annotations/a.xml": b"<a/>", "README.md": b"hello"})
    folder = scan(tmp_path)
    assert folder.layout == "splits"
    assert folder.notes[1] == f"Beside the split folders in {tmp_path}, left out: 'annotations', 'README.md'."


def test_classes_are_sorted_as_text(tmp_path):
    fill(tmp_path, {f"{name}/1.jpg": n for n, name in enumerate(["2", "10", "1", "b", "B", "é", "z"])})
    folder = scan(tmp_path)
    assert folder.classes == ("1", "10", "2", "B", "b", "z", "é")
    assert {folder.classes[photo.label]: photo.path for photo in folder.photos}["10"] == "10/1.jpg"


NAMES = ["Äpfel & Birnen", "猫", "🌻", "with blanks", "quo'te\"s", "Ελλάδα", "a,b;c", "نمر"]


def test_names_in_any_script(tmp_path):
    files = {f"{name}/{n} {name}.jpg": 10 * n + k for k, name in enumerate(NAMES) for n in range(2)}
    folder = scan(fill(tmp_path, files))
    assert set(folder.classes) == set(NAMES)
    assert {photo.path for photo in folder.photos} == set(files)
    assert json.loads(json.dumps(folder.classes, ensure_ascii=False).encode()) == list(folder.classes)


def test_accents_are_compared_in_one_spelling_and_kept_as_on_disk(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    fill(tmp_path, {f"train/{apart}/1.jpg": 1, f"val/{composed}/1.jpg": 2})
    fill(tmp_path, {"train/bar/1.jpg": 3, "val/bar/1.jpg": 4})
    folder = scan(tmp_path)
    assert folder.classes == ("bar", apart)
    assert [photo.label for photo in folder.photos] == [0, 1, 0, 1]
    fill(tmp_path, {f"train/{composed}/1.jpg": 5})
    with pytest.raises(DataError, match="are one name, its accents stored in two ways"):
        scan(tmp_path)


def test_a_file_name_with_a_line_break_is_used_and_shown_on_one_line(pets):
    fill(pets, {"cat/a\nb.png": photo(9)})
    folder = scan(pets)
    assert "cat/a\nb.png" in [photo.path for photo in folder.photos]
    assert folder.notes[1] == (
        "Used, though the extension disagrees with the content: 1: 'cat/a\\nb.png (JPEG)'."
    )


def test_names_that_are_no_text_are_listed_and_skipped(pets):
    os.mkdir(os.fsencode(pets) + b"/caf\xe9")
    for path in (b"/caf\xe9/1.jpg", b"/cat/\xff\xfe.jpg"):
        with open(os.fsencode(pets) + path, "wb") as file:
            file.write(photo(7))
    folder = scan(pets)
    assert folder.classes == ("cat", "dog")
    assert folder.skipped == (
        Skipped("caf\\xe9", "its name is not valid text"),
        Skipped("cat/\\xff\\xfe.jpg", "its name is not valid text"),
    )


LITTER = [
    "__MACOSX/._1.jpg",
    ".ipynb_checkpoints/1.jpg",
    ".git/config",
    ".hidden/1.jpg",
    "Thumbs.db",
    ".DS_Store",
]


def test_what_desktops_leave_behind_is_no_class_and_no_photo(pets):
    expected = scan(pets)
    fill(pets, {path: b"litter" for path in LITTER})
    fill(pets, {f"cat/{path}": b"litter" for path in LITTER})
    fill(pets, {"dog/desktop.ini": b"litter", "dog/._1.jpg": b"litter"})
    assert plain(scan(pets)) == plain(expected)


def test_an_empty_folder_is_no_class_and_is_named(pets):
    (pets / "cow").mkdir()
    fill(pets, {"hen/.DS_Store": b"litter"})
    folder = scan(pets)
    assert folder.classes == ("cat", "dog")
    assert folder.notes[1:] == ("'cow' is empty, so it is no class.", "'hen' is empty, so it is no class.")


def test_every_file_is_used_or_skipped_with_a_reason(pets):
    jpeg = photo(9)
    found = {
        "empty.jpg": (b"", "empty"),
        "labels.csv": (b"path,label\n", "not a picture"),
        "notes.txt": (b"hello", "not a picture"),
        "text.jpg": (b"hello", "not a picture"),
        "cut.jpg": (jpeg[:-200], "cut off"),
        "start.jpg": (jpeg[:20], "damaged at its start"),
    }
    fill(pets, {f"cat/{name}": content for name, (content, _) in found.items()})
    os.mkfifo(pets / "cat/pipe.jpg")
    os.symlink("nowhere", pets / "cat/gone.jpg")
    os.symlink("self.jpg", pets / "cat/self.jpg")
    folder = scan(pets)
    reasons = {f"cat/{name}": reason for name, (_, reason) in found.items()}
    odd = {
        "cat/gone.jpg": "a link that leads nowhere",
        "cat/pipe.jpg": "not a regular file",
        "cat/self.jpg": "a link that leads nowhere: too many levels of symbolic links",
    }
    assert {row.path: row.reason for row in folder.skipped} == reasons | odd
    assert len(folder.skipped) == len(reasons | odd)
    files = [path for path in pets.rglob("*") if not path.is_dir()]
    assert len(folder.photos) + len(folder.skipped) == len(files)


def test_content_decides_and_a_disagreeing_extension_is_mentioned(pets):
    fill(pets, {f"dog/{n:02}.jpg": photo(50 + n, "PNG") for n in range(12)})
    fill(pets, {"cat/no-extension": 6, "cat/upper.JPEG": 7, "cat/jfif.jfif": 8})
    folder = scan(pets)
    assert len(folder.photos) == 4 + 12 + 3
    assert folder.skipped == ()
    note = folder.notes[1]
    assert note.startswith("Used, though the extension disagrees with the content: 12: 'dog/00.jpg (PNG)', ")
    assert note.endswith("'dog/09.jpg (PNG)' and 2 more.")


def test_folders_inside_a_class_are_named_and_left_out(pets):
    fill(pets, {"cat/close-ups/1.jpg": 9, "cat/wide/1.jpg": 10})
    folder = scan(pets)
    assert len(folder.photos) == 4
    assert folder.notes[1] == "Folders inside 'cat' are left out: 'close-ups', 'wide'."


def test_links_to_folders_are_followed_without_loops(pets, tmp_path):
    fill(tmp_path / "elsewhere", {"1.jpg": 20})
    (pets / "fox").symlink_to(tmp_path / "elsewhere")
    (pets / "loop").symlink_to(pets)
    (pets / "cat/up").symlink_to("..")
    folder = scan(pets)
    assert folder.classes == ("cat", "dog", "fox")
    assert "fox/1.jpg" in [photo.path for photo in folder.photos]
    assert folder.skipped == (
        Skipped("loop", "a link to a folder above it"),
        Skipped("cat/up", "a link to a folder above it"),
    )


def test_a_link_to_the_whole_folder_works(pets, tmp_path):
    (tmp_path / "link").symlink_to(pets)
    assert scan(tmp_path / "link").photos == scan(pets).photos


def test_copies_conflicts_and_leaks_are_named(tmp_path):
    fill(tmp_path, {"train/cat/1.jpg": 1, "train/dog/1.jpg": 1, "val/cat/1.jpg": 2, "val/dog/1.jpg": 3})
    fill(tmp_path, {"train/cat/2.jpg": 2, "train/dog/2.jpg": 8, "train/dog/3.jpg": 8})
    assert scan(tmp_path).notes[1:] == (
        "Byte-identical copies, kept on one side of a fresh split: 3: 'train/cat/1.jpg = train/dog/1.jpg', "
        "'train/cat/2.jpg = val/cat/1.jpg', 'train/dog/2.jpg = train/dog/3.jpg'.",
        "One picture under two labels: 1: 'train/cat/1.jpg = train/dog/1.jpg'.",
        "One picture in two of the given splits: 1: 'train/cat/2.jpg = val/cat/1.jpg'.",
    )


def test_nothing_is_changed(pets):
    fill(pets, {"cat/cut.jpg": photo(9)[:-100], "cat/png.jpg": photo(3, "PNG"), "dog/.DS_Store": b""})
    os.symlink("nowhere", pets / "dog/gone.jpg")
    before = snapshot(pets)
    scan(pets)
    assert snapshot(pets) == before


def test_the_order_is_the_same_for_any_number_of_workers():
    assert plain(scan(TEXTURES, workers=1)) == plain(scan(TEXTURES, workers=5))


def test_progress_is_told_of_each_file(pets):
    class Told(Silent):
        def task(self, title, total, unit="images"):
            told.append((title, total))
            context = super().task(title, total, unit)
            tasks.append(context)
            return context

    told, tasks = [], []
    scan(pets, progress=Told())
    assert told == [("reading photos", 4)]


# What is wrong, and what is said of it.
WRONG = {
    "no class at all": (
        {".hidden": b""},
        "IMAGES holds no class folder with anything in it. A classifier needs",
    ),
    "one class": (
        {"roses/1.jpg": 1},
        "IMAGES holds one class folder, 'roses'; a classifier needs at least two: IMAGES/<class>/<photo>.jpg",
    ),
    "one class beside an empty one": (
        {"roses/1.jpg": 1, "lilies/.x": b""},
        "IMAGES holds one class folder, 'roses'",
    ),
    "one level too high": (
        {"flowers/roses/1.jpg": 1, "flowers/lilies/1.jpg": 2, "flowers/README": b"x"},
        "IMAGES holds one class folder, 'flowers'; .* Did you mean IMAGES/flowers?",
    ),
    "one level above the splits": (
        {f"flowers/{split}/{name}/1.jpg": 1 for split in ("train", "val") for name in ("roses", "lilies")},
        "Did you mean IMAGES/flowers?",
    ),
    "photos without classes": (
        {"1.jpg": 1, "2.jpg": 2},
        r"IMAGES holds 2 files \(.jpg 2\) and no class folders. A classifier",
    ),
    "no usable photo in one class": (
        {"roses/1.jpg": 1, "lilies/1.jpg": b"", "lilies/2.jpg": b"text"},
        "This class holds no usable photo: 'lilies' in IMAGES: lilies/1.jpg .empty., lilies/2.jpg",
    ),
    "photos only in nested folders": (
        {"roses/1.jpg": 1, "lilies/white/1.jpg": 2},
        "This class folder holds no usable photo: 'lilies' in IMAGES: lilies holds only folders",
    ),
    "a line break in a class name": (
        {"roses\nred/1.jpg": 1, "lilies/1.jpg": 2},
        r"In IMAGES, a class name has a line break: 'roses\\nred'. Rename the folder.",
    ),
    "another line break": ({"a\u2028b/1.jpg": 1, "lilies/1.jpg": 2}, r"has a line break: 'a\\u2028b'"),
    "splits of different classes": (
        {"train/a/1.jpg": 1, "train/b/1.jpg": 2, "train/c/1.jpg": 3, "val/a/1.jpg": 4, "val/d/1.jpg": 5},
        "The splits of IMAGES hold different classes: 'train' lacks 'd'; 'val' lacks 'b', 'c'.",
    ),
    "val without classes": (
        {"train/a/1.jpg": 1, "train/b/1.jpg": 2, "val/1.jpg": 3},
        r"IMAGES/val holds one file \(.jpg 1\) and no class folders. A split folder holds the class folders",
    ),
    "val twice": (
        {f"{split}/{name}/1.jpg": 1 for split in ("train", "val", "valid") for name in "ab"},
        "IMAGES holds 'val', 'valid', which mean the same. Keep one of them.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_folder_that_cannot_be_used_is_explained(case, tmp_path):
    files, message = WRONG[case]
    images = fill(tmp_path / "images", files)
    with pytest.raises(DataError, match=message.replace("IMAGES", str(images))) as caught:
        scan(images)
    assert "\n" not in str(caught.value)


def test_one_level_too_low_suggests_the_folder_above(pets, monkeypatch):
    with pytest.raises(
        DataError,
        match=rf"cat holds 2 files \(.jpg 2\) and no class folders. Did you mean .* above it, {pets}?",
    ):
        scan(pets / "cat")
    monkeypatch.chdir(pets / "cat")
    with pytest.raises(DataError, match=f"Did you mean the folder above it, {pets}?"):
        scan(".")


def test_a_missing_folder_and_a_file_are_wrong_usage(pets):
    with pytest.raises(UsageError, match=f"There is no folder {pets}/nowhere."):
        scan(pets / "nowhere")
    with pytest.raises(
        UsageError,
        match=f"{pets}/cat/1.jpg is a file. Give the folder that holds the class folders, or a table",
    ):
        scan(pets / "cat/1.jpg")


# Root reads everything, so these run as nobody; what is imported has to be before, as nobody may not read it.
AS_NOBODY = """
import json, os, sys
from PIL import Image
Image.init()
import PIL.ImageCms, PIL.MpoImagePlugin
from tlkit.data import scan
from tlkit.errors import TlkitError
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    folder = scan(sys.argv[1])
    print(json.dumps([folder.classes, len(folder.photos), folder.skipped]))
except TlkitError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def public():
    """Two classes of two photos where everybody may read, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        files = {"cat/1.jpg": 1, "cat/2.jpg": 2, "dog/1.jpg": 3, "dog/2.jpg": 4, "fox/1.jpg": 5}
        yield fill(Path(scratch) / "pets", files)


def scan_as_nobody(images: Path):
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, images], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_files_and_folders_without_permission_are_skipped(public):
    os.chmod(public / "cat/2.jpg", 0)
    os.chmod(public / "fox", 0)
    classes, photos, skipped = scan_as_nobody(public)
    assert (classes, photos) == (["cat", "dog"], 3)
    assert skipped == [
        ["fox", "the folder cannot be read: permission denied"],
        ["cat/2.jpg", "permission denied"],
    ]


def test_a_folder_that_may_not_be_listed_is_named(public):
    os.chmod(public, 0)
    assert scan_as_nobody(public) == f"{public} cannot be read (permission denied)."


def test_a_read_only_folder_is_read(public):
    for path in [public, *public.rglob("*")]:
        os.chmod(path, 0o555 if path.is_dir() else 0o444)
    before = snapshot(public)
    assert scan_as_nobody(public) == [["cat", "dog", "fox"], 5, []]
    assert snapshot(public) == before


def test_the_sample_is_what_its_readme_says():
    folder = scan(TEXTURES)
    assert folder.notes == (
        f"{TEXTURES}: split folders, 3 classes, 96 photos; train 72: brick 24, grass 24, gravel 24; "
        "val 24: brick 8, grass 8, gravel 8.",
    )
    assert sum(path.stat().st_size for path in TEXTURES.rglob("*.jpg")) < 3_000_000


def test_subfolders_of_a_table_are_wrong_usage(pets):
    (pets / "photos.csv").write_text("path,label\ncat/1.jpg,cat\ndog/1.jpg,dog\n")
    assert len(scan(pets / "photos.csv").photos) == 2
    with pytest.raises(
        UsageError, match="--subfolders merge is about folders, and .*photos.csv are rows of a table"
    ):
        scan(pets / "photos.csv", subfolders="merge")


def opened(root: Path, cache: Path) -> list[str]:
    """The files below `root` that a scan opens, in a process of its own."""
    code = (
        "import sys\n"
        "from tlkit import data\n"
        "root, found = sys.argv[1], []\n"
        "sys.addaudithook(lambda event, about: found.append(str(about[0])) if event == 'open' else None)\n"
        "data.scan(root)\n"
        "print('\\n'.join(sorted(path for path in found if path.startswith(root))))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run([sys.executable, "-c", code, root], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [path.removeprefix(f"{root}/") for path in done.stdout.split()]


def test_each_file_is_read_once_and_again_only_when_it_changed(pets, tmp_path):
    fill(pets, {"cat/broken.jpg": b"text"})
    time.sleep(0.15)  # a file written this moment is not remembered
    every = sorted(str(path.relative_to(pets)) for path in pets.rglob("*.jpg"))
    assert opened(pets, tmp_path / "cache") == every
    assert opened(pets, tmp_path / "cache") == []
    fill(pets, {"dog/2.jpg": 77})
    assert opened(pets, tmp_path / "cache") == ["dog/2.jpg"]


def test_a_second_scan_takes_a_tenth_of_the_time(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    large = Image.open(TEXTURES / "train/brick/brick-01.jpg").resize((1600, 1200))
    for number in range(30):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        large.rotate(number).save(path)
    time.sleep(0.15)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        folder = scan(tmp_path / "photos")
        seconds.append(time.perf_counter() - started)
        assert len(folder.photos) == 30
    assert seconds[1] * 10 < seconds[0]
