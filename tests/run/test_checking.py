"""`tlkit check` on a messy folder of sample photos: what it tells, its page, and what it leaves alone."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tlkit import run, sheets
from tlkit.errors import DataError, OutputError, UsageError

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "<script>alert(1)<b> é 蜂 \"q'.jpg"


@pytest.fixture(scope="module")
def messy(textures, tmp_path_factory) -> Path:
    """Three classes of 24 sample photos, and one of everything that is told about."""
    root = tmp_path_factory.mktemp("check") / "messy"
    shutil.copytree(textures / "train", root)
    with Image.open(root / "brick" / "brick-01.jpg") as image:
        image.save(root / "brick" / "really.png", "JPEG", quality=70)
        image.filter(ImageFilter.GaussianBlur(6)).save(root / "brick" / "soft.jpg")
        image.resize((9, 7)).save(root / "brick" / "tiny.jpg")
        image.rotate(90).save(root / "brick" / "upright.png")
    shutil.copy(root / "brick" / "brick-02.jpg", root / "grass" / NASTY)
    Image.new("RGB", (300, 200), (200, 30, 30)).save(root / "grass" / "flat.png")
    (root / "brick" / "cut.jpg").write_bytes((root / "brick" / "brick-03.jpg").read_bytes()[:1500])
    (root / "grass" / "empty.jpg").touch()
    (root / "grass" / ".hidden").touch()
    (root / "README.txt").write_text("x")
    (root / "brick" / "inner").mkdir()
    for name in ("stray.jpg", "brick/inner/1.jpg", "brick/inner/2.jpg"):
        shutil.copy(root / "gravel" / "gravel-05.jpg", root / name)
    os.symlink("nowhere", root / "grass" / "gone.jpg")
    return root


def everything(folder):
    rows = []
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        rows.append((str(path), facts.st_mtime_ns, facts.st_mode, hashlib.sha256(content).digest()))
    return rows


def test_what_is_told_of_a_messy_folder(messy):
    found = run.check(messy)
    rows = {(row.path, row.kind) for row in found.findings}
    assert rows >= {
        ("brick/cut.jpg", "unreadable"),
        ("grass/empty.jpg", "unreadable"),
        ("grass/gone.jpg", "left_out"),
        ("stray.jpg", "left_out"),
        ("brick/inner", "left_out"),
        ("brick/brick-02.jpg", "duplicate"),
        ("brick/brick-02.jpg", "label_conflict"),
        ("brick/really.png", "extension"),
        ("brick/tiny.jpg", "tiny"),
        ("grass/flat.png", "blank"),
        ("brick/soft.jpg", "blurred"),
    }
    assert found.found == 24 * 3 + 14 and sum(found.left_out.values()) == found.found - len(found.images)
    assert sum(row["used"] for row in found.by_extension) == len(found.images) == 24 * 3 + 6
    assert sum(row["left_out"] for row in found.by_extension) == 8
    assert [row["count"] for row in found.classes] == [28, 26, 24]
    inner = next(row for row in found.findings if row.path == "brick/inner")
    assert inner.related == ("brick/inner/1.jpg", "brick/inner/2.jpg")


def test_its_text_is_short_and_its_json_whole(messy):
    found = run.check(messy)
    text = found.text()
    assert "brick/cut.jpg: cut off" in text and "86 found = 78 used + 8 left out" in text
    assert text.splitlines()[-1].endswith("--html FILE shows them.")
    plain = json.loads(found.json())
    assert len(plain["images"]) == 78 and len(plain["findings"]) == len(found.findings)
    image = next(row for row in plain["images"] if row["path"] == "brick/really.png")
    assert {**image, "bytes": 0, "sha256": "", "group": 0} == {
        "path": "brick/really.png",
        "label": "brick",
        "split": None,
        "format": "JPEG",
        "width": 144,
        "height": 144,
        "bytes": 0,
        "sha256": "",
        "group": 0,
    }
    content = (messy / "brick" / "really.png").read_bytes()
    assert (image["bytes"], image["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_an_orderly_folder_has_nothing_to_find(textures):
    found = run.check(textures, strict=True)
    assert list(found.findings) == [] and found.exit_code == 0
    assert found.text().endswith("\nNo findings.")
    assert [row["train"] for row in found.classes] == [24, 24, 24]


def test_strict_ends_with_one_where_something_is_found(messy):
    assert [run.check(messy, strict=strict).exit_code for strict in (False, True)] == [0, 1]


def test_the_page_shows_the_photos_and_changes_nothing(messy, tmp_path):
    before = everything(messy)
    found = run.check(messy, html=tmp_path / "new" / "page.html")
    assert everything(messy) == before
    text = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert text.startswith(sheets.START) and "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;b&gt; é 蜂 &quot;q&#x27;.jpg" in text
    assert "as the network sees them" in text and "no picture" in text
    for kind in found.kinds:
        assert f"<h2>{kind.replace('_', ' ')} <span>" in text
    pictures = [part.split('"')[0] for part in text.split("data:image/jpeg;base64,")[1:]]
    assert len(pictures) > 30
    drawn = [Image.open(BytesIO(b64decode(each))) for each in pictures]
    assert {image.format for image in drawn} == {"JPEG"} and max(max(image.size) for image in drawn) <= 160
    assert any(np.abs(np.asarray(image)[5, 5].astype(int) - (200, 30, 30)).max() < 8 for image in drawn)
    assert os.fspath(tmp_path / "new" / "page.html") in found.text()


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian's package chromium)")
def test_a_browser_draws_the_photos_of_a_finding(few, tmp_path):
    """Two copies of one picture: each a quarter of a known colour, drawn twice in its finding."""
    quarters = np.zeros((240, 320, 3), np.uint8)
    colours = [(210, 40, 30), (30, 150, 60), (40, 70, 190), (230, 200, 60)]
    for index, colour in enumerate(colours):
        top, left = 120 * (index // 2), 160 * (index % 2)
        quarters[top : top + 120, left : left + 160] = colour
    for name in ("brick", "grass"):
        Image.fromarray(quarters).save(few / name / "quarters.png")
    run.check(few, html=tmp_path / "page.html")
    shot = tmp_path / "shot.png"
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command += [f"--screenshot={shot}", "--window-size=1300,5000", (tmp_path / "page.html").as_uri()]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for colour in colours:  # at 160×120: a duplicate and a conflict of two photos each, perhaps an example
        alike = (np.abs(pixels - colour).max(axis=2) <= 10).sum()
        assert alike >= 4 * 80 * 60 * 0.9


def test_a_page_is_written_over_a_page_and_over_nothing_else(few, tmp_path):
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    run.check(few, html=page)
    run.check(few, html=page)
    other.write_text("<!doctype html><p>my own")
    with pytest.raises(UsageError, match="is there already and is no page of tlkit's"):
        run.check(few, html=other)
    assert other.read_text() == "<!doctype html><p>my own"
    with pytest.raises(UsageError, match="is a folder"):
        run.check(few, html=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["other.html", "page.html"]


def test_no_page_is_written_among_the_photos(few, tmp_path):
    os.symlink(few, tmp_path / "link")
    for inside in (few / "page.html", few / "brick" / "x.html", tmp_path / "link" / "page.html"):
        with pytest.raises(UsageError, match="inside the photos' own folder"):
            run.check(few, html=inside)
    assert not list(few.rglob("*.html"))


def test_a_page_that_cannot_be_written_says_where_else(few, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--html"):
        run.check(few, html=tmp_path / "file" / "page.html")


def test_a_page_s_name_that_cannot_be_asked_for_is_refused(few, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("loop", "cannot be used"), ("x" * 300, "cannot be used"), ("pipe", "no regular file")):
        with pytest.raises(UsageError, match=f"--html .* {why}"):
            run.check(few, html=tmp_path / name)


def test_a_table_and_a_dot_are_called_by_a_name(few, tmp_path, monkeypatch):
    table = tmp_path / "labels.csv"
    rows = (f"{photo},{photo.parent.name}\n" for photo in few.glob("*/*.jpg"))
    table.write_text("".join(["path,label\n", *rows]))
    assert run.check(table).text().startswith(f"{table}: a table, ")
    monkeypatch.chdir(few)
    assert run.check(".").text().startswith(f"{few}: class folders, ")
    assert f"{few}: 2 class folders" in run.check(".").notes[0]


def test_what_forbids_training_is_a_finding(few):
    for photo in (few / "grass").iterdir():
        photo.write_bytes(b"")
    found = run.check(few)
    kinds = [row.kind for row in found.findings]
    assert kinds.count("fault") == 1 and kinds.count("unreadable") == 6
    assert "grass" in found.text()


def test_one_level_too_high_or_too_low_is_raised_with_the_right_path(textures, few):
    with pytest.raises(DataError, match="Did you mean"):
        run.check(few / "brick")


def test_unknown_fits_are_refused(few):
    with pytest.raises(UsageError, match="No fit is called 'squash'"):
        run.check(few, fit="squash")


def test_a_photo_that_goes_while_the_page_is_drawn_has_a_placeholder(few, tmp_path):
    from tlkit.data import scan
    from tlkit.progress import SILENT
    from tlkit.run import checking, contact

    folder = scan(few, tolerant=True)
    shutil.rmtree(few)
    result = checking.report(folder, "stretch", False, None)
    assert contact.page(folder, result, 0, SILENT).count("no picture") == 24


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_the_fit_is_told_and_shown(few, tmp_path, fit):
    found = run.check(few, fit=fit, html=tmp_path / "page.html")
    assert f"\nfit      {fit} " in found.text()
    assert f"{fit}, 224 × 224" in (tmp_path / "page.html").read_text()


def test_check_needs_no_keras(few, tmp_path):
    code = (
        "import sys; from pathlib import Path; from tlkit import run\n"
        f"run.check(Path({os.fspath(few)!r}), html=Path({os.fspath(tmp_path / 'p.html')!r})).json()\n"
        "sys.exit(bool({'keras', 'tensorflow', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
