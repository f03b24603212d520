"""A folder with every trap: each file is used or named with its reason, and the folder stays as it was.

Pictures of each kind are compared pixel by pixel in test_photos.py; here they are told apart.
"""

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tlkit import data
from tlkit.cli import main
from tlkit.errors import DataError

RANDOM = np.random.default_rng(11)


def pixels(height: int = 40, width: int = 56) -> np.ndarray:
    """A picture like no other: a few colours in large patches."""
    patches = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


def stored(image: Image.Image | None = None, form: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(pixels())).save(file, form, **options)
    return file.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return stored(exif=exif)


def animated(form: str) -> bytes:
    frames = [Image.fromarray(pixels()) for _ in range(3)]
    return stored(frames[0], form, save_all=True, append_images=frames[1:], duration=40)


GREY = Image.fromarray(pixels()).convert("L")
USED = {
    "plain.jpg": stored(),
    "progressive.jpg": stored(progressive=True),
    "profile.jpg": stored(icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()),
    "cmyk.jpg": stored(Image.fromarray(pixels()).convert("CMYK")),
    "16 bit.png": stored(Image.fromarray(np.asarray(GREY, np.uint16) * 257), "PNG"),
    "palette.png": stored(Image.fromarray(pixels()).quantize(32), "PNG", transparency=3),
    "grey and alpha.png": stored(Image.merge("LA", [GREY, GREY.rotate(90, expand=False)]), "PNG"),
    "dance.gif": animated("GIF"),
    "dance.webp": animated("WEBP"),
    "scan.tiff": stored(form="TIFF"),
    "new.avif": stored(form="AVIF", quality=60),
    "phone.heic": None,  # written by pillow-heif below
    **{f"turned {number}.jpg": turned(number) for number in range(1, 9)},
    "dot.png": stored(Image.new("RGB", (1, 1), "teal"), "PNG"),
    "line.png": stored(Image.fromarray(pixels(3, 4000)), "PNG"),
    "really a png.jpg": stored(form="PNG"),
    " blanks  in it .jpg": stored(),
    "line\nbreak.jpg": stored(),
    'it\'s "quoted".jpg': stored(),
    "蚂蚁 🐜 ñandú.jpg": stored(),
}
LEFT_OUT = {
    "truncated.jpg": (stored(Image.fromarray(pixels(200, 200)))[:3000], "cut off"),
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"<!DOCTYPE html><title>404 Not Found</title>", "not a picture"),
    "20000x20000.png": (None, "more than 178,956,970 pixels"),
    "film.mp4": (b"\0\0\0\x18ftypmp42" + bytes(99), "not a picture"),
}
UNSEEN = (".hidden.jpg", ".DS_Store", "Thumbs.db", "desktop.ini")


def huge() -> bytes:
    """20,000 × 20,000 pixels in a few bytes."""
    return stored(Image.new("1", (20_000, 20_000)), "PNG")


def snapshot(root: Path) -> str:
    """A hash over names, bytes and times."""
    digest = hashlib.sha256()
    for path in sorted(os.fsencode(found) for found in [root, *root.rglob("*")]):
        facts = os.lstat(path)
        digest.update(path + repr((facts.st_mode, facts.st_size, facts.st_mtime_ns)).encode())
        if stat.S_ISREG(facts.st_mode):
            digest.update(Path(os.fsdecode(path)).read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def traps(tmp_path_factory) -> Path:
    import pillow_heif

    root = tmp_path_factory.mktemp("traps") / "photos"
    messy, other = root / "messy", root / "other"
    messy.mkdir(parents=True)
    for name, content in USED.items():
        if content is not None:
            (messy / name).write_bytes(content)
    pillow_heif.from_pillow(Image.fromarray(pixels())).save(messy / "phone.heic")
    for name, (content, _) in LEFT_OUT.items():
        (messy / name).write_bytes(huge() if content is None else content)
    for name in UNSEEN:
        (messy / name).write_bytes(USED["plain.jpg"])
    with open(os.fsencode(messy) + b"/caf\xe9.jpg", "wb") as file:
        file.write(USED["plain.jpg"])
    (messy / "broken link.jpg").symlink_to("nowhere.jpg")
    (messy / "link.jpg").symlink_to("../other/1.jpg")
    (messy / "loop").symlink_to(messy)
    os.mkfifo(messy / "pipe.jpg")
    (messy / "more").mkdir()
    (messy / "more" / "deeper.jpg").write_bytes(stored())
    other.mkdir()
    for number in range(1, 6):
        (other / f"{number}.jpg").write_bytes(stored())
    (root / "__MACOSX" / "messy").mkdir(parents=True)
    (root / "__MACOSX" / "messy" / "._plain.jpg").write_bytes(b"\0\5\x16\7")
    (root / "nothing in it").mkdir()
    (root / "beside.txt").write_text("notes")
    return root


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_file_is_used_or_named(traps):
    before = snapshot(traps)
    folder = data.scan(traps)
    assert folder.classes == ("messy", "other")
    used = {Path(photo.path).name for photo in folder.photos if photo.label == 0}
    assert used == {*USED, "link.jpg"}
    reasons = {Path(row.path).name: row.reason for row in folder.skipped}
    for name, (_, reason) in LEFT_OUT.items():
        assert reasons.pop(name) == reason
    assert reasons.pop(r"caf\xe9.jpg") == "its name is not valid text"
    assert reasons.pop("broken link.jpg") == "a link that leads nowhere"
    assert reasons.pop("loop") == "a link to a folder above it"
    assert reasons.pop("pipe.jpg") == "not a regular file"
    assert not reasons
    notes = "\n".join(folder.notes)
    for told in (
        "'nothing in it' is empty, so it is no class.",
        "Folders inside 'messy' are left out: 'more'.",
        "left out: 'beside.txt'.",
        "'messy/really a png.jpg (PNG)'",
        "'messy/link.jpg = other/1.jpg'",
        "One picture under two labels",
    ):
        assert told in notes, told
    assert snapshot(traps) == before


def test_nothing_unseen_is_ever_counted(traps):
    folder = data.scan(traps)
    told = [*folder.classes, *(photo.path for photo in folder.photos), *(row.path for row in folder.skipped)]
    assert not [path for path in told for name in (*UNSEEN, "__MACOSX") if name in path]


def test_all_orientations_of_one_photo_are_one_size(traps):
    folder = data.scan(traps)
    sizes = {
        photo.path: (look["width"], look["height"], bool(look["turned"]))
        for photo, look in zip(folder.photos, folder.looks, strict=True)
        if "turned" in photo.path
    }
    for number in range(1, 9):
        expected = (56, 40, number != 1) if number < 5 else (40, 56, True)
        assert sizes[f"messy/turned {number}.jpg"] == expected


def test_check_tells_of_all_of_it(traps, capsys):
    before = snapshot(traps)
    assert main(["check", str(traps), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kinds = {(row["kind"], Path(row["path"]).name) for row in told["findings"]}
    for name in LEFT_OUT:
        assert ("unreadable", name) in kinds
    for found in (
        ("left_out", r"caf\xe9.jpg"),
        ("extension", "really a png.jpg"),
        ("animated", "dance.gif"),
        ("odd_shape", "line.png"),
        ("tiny", "dot.png"),
    ):
        assert found in kinds, found
    assert any(kind == "label_conflict" for kind, _ in kinds)
    assert main(["check", str(traps), "--strict"]) == 1
    assert main(["check", str(traps)]) == 0
    shown = capsys.readouterr().out
    assert "Traceback" not in shown and all(line.isprintable() for line in shown.splitlines())
    assert snapshot(traps) == before


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_run_on_all_of_it_ends_well(traps, tmp_path, capsys):
    before = snapshot(traps)
    network = ["--backbone", "efficientnet_test", "--weights", "none", "--image-size", "32"]
    run = ["--epochs", "0", "--export", "none", "--output", str(tmp_path / "run")]
    assert main(["finetune", str(traps), *network, *run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (
        told["train_images"] + told["val_images"] == len(USED) + 6
    )  # five others, and one of them by a link
    assert {Path(row["path"]).name for row in told["skipped"]} >= {*LEFT_OUT, "loop", "pipe.jpg"}
    assert (tmp_path / "run" / "result.json").is_file()
    assert snapshot(traps) == before


def test_huge_pictures_of_few_bytes_take_little_memory(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(stored())
        (tmp_path / name / "huge.png").write_bytes(huge())
        Image.new("L", (9_000, 9_000)).save(tmp_path / name / "large.png")  # allowed; 243 MB as RGB
    code = (
        "import re, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from tlkit import data\n"
        "folder = data.scan(sys.argv[1])\n"
        # Not getrusage: its peak is also that of the process it was forked from.
        "peak = re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1]\n"
        "print(len(folder.photos), int(peak) // 1024)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, tmp_path], capture_output=True, text=True)
    photos, peak = map(int, done.stdout.split())
    assert photos == 4
    assert peak < 1_400  # MiB; two of them at a time would be above it


def class_folders(root: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.png").write_bytes(stored(Image.fromarray(pixels(8, 8)), "PNG"))
    return root


def test_one_class(tmp_path):
    with pytest.raises(DataError, match="holds one class folder, 'a'; a classifier needs at least two"):
        data.scan(class_folders(tmp_path / "x", {"a": 3}))


def test_an_empty_class(tmp_path):
    folder = data.scan(class_folders(tmp_path / "x", {"a": 3, "b": 3, "c": 0}))
    assert folder.classes == ("a", "b")
    assert "'c' is empty, so it is no class." in folder.notes


def test_one_picture_a_class(tmp_path):
    folder = data.scan(class_folders(tmp_path / "x", {"a": 1, "b": 1}))
    train, val = data.split(folder.photos, 0.2, 0)
    assert len(train) == 2 and not val


def test_three_hundred_classes_of_two(tmp_path):
    folder = data.scan(class_folders(tmp_path / "x", {f"c{number:03}": 2 for number in range(300)}))
    train, val = data.split(folder.photos, 0.2, 0)
    assert len(folder.classes) == 300
    assert {photo.label for photo in train} == {photo.label for photo in val} == set(range(300))
    assert max(map(len, folder.notes)) < 1000


def test_a_hundred_thousand_files(tmp_path):
    """Most of them empty, so that the test is quick: all are accounted for, and few are told."""
    root = class_folders(tmp_path / "x", {"a": 20, "b": 20})
    for number in range(100_000):
        os.close(os.open(f"{root}/a/{number:06}.jpg", os.O_CREAT))
    folder = data.scan(root)
    assert len(folder.photos) == 40
    assert len(folder.skipped) == 100_000
    assert {row.reason for row in folder.skipped} == {"empty"}
    assert sum(map(len, folder.notes)) < 3000


def test_a_file_that_vanishes_between_scan_and_training(tmp_path):
    root = class_folders(tmp_path / "x", {"a": 3, "b": 3})
    folder = data.scan(root)
    (root / "a" / "1.png").unlink()
    paths = [root / photo.path for photo in folder.photos]
    with pytest.raises(data.Unreadable, match=r"a/1\.png cannot be read \(no such file or directory\)"):
        list(data.batches(paths, 8, 2))


def test_a_file_that_vanishes_between_listing_and_reading(tmp_path):
    root = class_folders(tmp_path / "x", {"a": 3, "b": 3})

    class Remover:
        """A progress that removes a file as soon as the listing is done."""

        def task(self, title, total):
            (root / "b" / "2.png").unlink()
            from tlkit.progress import SILENT

            return SILENT.task(title, total)

    folder = data.scan(root, progress=Remover())
    assert [tuple(row) for row in folder.skipped] == [("b/2.png", "no such file or directory")]
    assert len(folder.photos) == 5
