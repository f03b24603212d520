"""The sheet shows what the network is fed."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from listening import Notes
from PIL import Image

import tlkit
from tlkit import data
from tlkit.data import Photo
from tlkit.run import gate, seen


@pytest.fixture
def photos(tmp_path) -> tuple[Photo, ...]:
    """Wide pictures of one colour each, with a white bar at the left."""
    made = []
    for number in range(20):
        pixels = np.full((40, 100, 3), (number * 12, 255 - number * 12, 90), np.uint8)
        pixels[:, :20] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        digest = hashlib.sha256((tmp_path / f"{number}.png").read_bytes()).hexdigest()
        made.append(Photo(f"{number}.png", number % 2, None, digest))
    return tuple(made)


def tiles(content: bytes, size: int) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    pixels, step = np.asarray(image).astype(int), size + seen.GAP
    return [
        pixels[top : top + size, left : left + size]
        for top in range(0, image.height, step)
        for left in range(0, image.width, step)
    ]


@pytest.mark.parametrize("fit", data.FITS)
def test_sixteen_photos_are_shown_as_the_network_sees_them(tmp_path: Path, photos, fit):
    found = tiles(seen.sheet(seen.some(tmp_path, photos, 64, fit)), 64)
    shown = gate.spread(photos, 16)
    assert len(found) == len(shown) == 16
    assert {photo.label for photo in shown} == {0, 1}
    for tile, photo in zip(found, shown, strict=True):
        expected = data.see(data.read(tmp_path / photo.path), 64, fit)
        assert abs(tile - expected).mean() < 3  # a JPEG


@pytest.mark.parametrize(("count", "shape"), [(1, (32, 32)), (3, (32, 112)), (6, (72, 152))])
def test_fewer_photos_make_a_smaller_sheet(tmp_path, photos, count, shape):
    image = Image.open(io.BytesIO(seen.sheet(seen.some(tmp_path, photos[:count], 32, "pad"))))
    assert (image.height, image.width) == shape


# Photos that were scaled to 0–1 before they were saved


@pytest.fixture(scope="module")
def scaled(textures, tmp_path_factory) -> Path:
    """The sample photos as somebody saved them who had divided by 255: every pixel is 0 or 1."""
    place = tmp_path_factory.mktemp("scaled")
    for path in sorted(textures.glob("val/*/*.jpg")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        (place / path.parent.name).mkdir(exist_ok=True)
        Image.fromarray((pixels / 255 + 0.5).astype(np.uint8)).save(
            place / path.parent.name / f"{path.stem}.png"
        )
    return place


def jobs(finished, scaled, place, settings, notes):
    """Each command that reads photos, on these."""
    model = Path(finished.run) / "model.keras"
    return {
        "finetune": lambda: tlkit.finetune(
            scaled, output=place / "run", epochs=0, export="none", progress=notes, **settings
        ),
        "evaluate": lambda: tlkit.evaluate(model, scaled, progress=notes),
        "predict": lambda: tlkit.predict(model, sorted(scaled.glob("*/*")) * 2, progress=notes),
        "export": lambda: tlkit.export(
            model, quantize="int8", images=scaled, output=place / "phone.tflite", progress=notes
        ),
    }


@pytest.mark.parametrize("job", ["finetune", "evaluate", "predict", "export"])
def test_every_command_tells_once_of_photos_that_were_scaled(job, finished, scaled, tmp_path, settings):
    notes = Notes()
    report = jobs(finished, scaled, tmp_path, settings, notes)[job]()
    assert notes.told.count(seen.SCALED) == 1 and list(report.notes).count(seen.SCALED) == 1
    assert seen.SCALED in report.text() and seen.SCALED in json.loads(report.json())["notes"]


@pytest.mark.parametrize("job", ["finetune", "evaluate", "predict", "export"])
def test_no_command_tells_it_of_others(job, finished, textures, tmp_path, settings):
    notes = Notes()
    report = jobs(finished, textures / "val", tmp_path, settings, notes)[job]()
    assert seen.SCALED not in notes.told and seen.SCALED not in report.notes


@pytest.mark.parametrize("fit", data.FITS)
def test_scaled_photos_are_known_through_every_fit_and_black_ones_are_not_meant(tmp_path, photos, fit):
    for photo in photos:
        with Image.open(tmp_path / photo.path) as image:
            pixels = np.asarray(image)
        Image.fromarray((pixels / 255 + 0.5).astype(np.uint8)).save(tmp_path / photo.path)
    pictures = seen.some(tmp_path, photos, 32, fit)
    assert seen.odd(pictures) == (seen.SCALED,)
    assert seen.odd(pictures // 2) == ()
    pictures[:8] = 200
    assert seen.odd(pictures) == ()
