"""Contact sheets: one page that needs nothing else; whatever files are called; drawn by a real browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tlkit import sheets
from tlkit.sheets import Row, Section, Shot

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
COLOURS = {"red.jpg": (220, 30, 40), "green.jpg": (30, 160, 60), "blue.jpg": (40, 60, 200)}
NASTY = [
    "<script>document.title = 'broken'</script>.jpg",
    '"><img src=x onerror=alert(1)>.jpg',
    'a & b\'s "photo".jpg',
    "蜂/été/صورة.jpg",
    "two\nlines.jpg",
    "bytes \udcff.jpg",
    "</pre></body>.jpg",
]


def jpeg(colour, size=(160, 120)):
    content = BytesIO()
    Image.new("RGB", size, colour).save(content, "JPEG", quality=95)
    return content.getvalue()


def page():
    together = Row(
        "The same picture.", [Shot(path, ["a · train"], jpeg(rgb)) for path, rgb in COLOURS.items()]
    )
    nasty = [Row("", [Shot(name, [name], None)]) for name in NASTY]
    return sheets.page(
        "tlkit check <x>",
        "line 1\n  <b>line 2</b>",
        [
            Section("duplicate", "alike", [together], 1),
            Section("unreadable", "cannot be read", nasty, 1000),
            Section("imbalance", "uneven", [Row("'a' & 'b'")], 1),
        ],
    )


class Elements(HTMLParser):
    """Every element that opens and closes, and the text between."""

    VOID = {"meta", "img", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.attributes = [], [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_page_needs_nothing_but_itself():
    text = page()
    assert text.startswith(sheets.START)
    assert not re.search(r"https?:|//[a-z]|<link|<script|@import|url\(", text)
    found = Elements(text)
    assert not found.open
    sources = [value for name, value in found.attributes if name in ("src", "href")]
    assert len(sources) == 6 and all(re.match(r"data:image/jpeg;base64,|#s\d$", value) for value in sources)


def test_names_of_any_script_stand_there_as_text():
    found = Elements(page())
    assert not {"script", "b"} & set(found.tags) and found.tags.count("img") == 3
    for name in ("<script>document.title = 'broken'</script>.jpg", "蜂/été/صورة.jpg", 'a & b\'s "photo".jpg'):
        assert found.text.count(name) == 2
    assert r"two\nlines.jpg" in found.text and r"bytes \udcff.jpg" in found.text
    assert "line 1\n  <b>line 2</b>" in found.text
    page().encode()  # is text that can be written


def test_what_does_not_stand_there_is_counted():
    assert "And 993 more" in page()
    assert page().count("no picture") == len(NASTY)


def browse(place, *arguments):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments]
    profile = f"--user-data-dir={place / 'profile'}"
    done = subprocess.run(
        [*command, profile, (place / "page.html").as_uri()], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian's package chromium)")
def test_a_browser_draws_every_picture(tmp_path):
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    shot = tmp_path / "shot.png"
    browse(tmp_path, f"--screenshot={shot}", "--window-size=1000,1600")
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    for colour in COLOURS.values():
        alike = (np.abs(pixels - colour).max(axis=2) <= 6).sum()
        assert 0.95 * 160 * 120 <= alike <= 1.05 * 160 * 120


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian's package chromium)")
def test_a_browser_finds_nothing_broken_and_runs_nothing(tmp_path):
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    found = browse(tmp_path, "--dump-dom")
    assert "<title>tlkit check &lt;x&gt;</title>" in found
    parsed = Elements(found)
    assert not parsed.open and parsed.tags.count("figure") == 3 + len(NASTY)
    assert {"script", "b"}.isdisjoint(parsed.tags)
