import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tlkit import cli, figures
from tlkit.errors import UsageError


def root(finished) -> Path:
    return Path(json.loads((Path(finished.run) / "run.json").read_text())["images"])


def test_predict_answers_as_the_table_says(finished):
    table = figures.Table.read((Path(finished.run) / "predictions.csv").read_text(encoding="utf-8"))
    paths = [root(finished) / path for path in table.paths]
    done = tlkit.predict(finished.run, paths, top=3)
    for row, expected in zip(done.predictions, table.probabilities, strict=True):
        assert [answer.label for answer in row.top] == [table.labels[k] for k in np.argsort(-expected)]
        np.testing.assert_allclose(
            [answer.probability for answer in row.top], np.sort(expected)[::-1], atol=1e-6
        )


def test_all_formats_name_the_same_class_for_one_call(finished):
    photo = root(finished) / "val" / "brick" / "brick-01.jpg"
    models = [finished.run, *(row.path for row in finished.exports)]
    answers = [tlkit.predict(model, photo, top=1).predictions[0].top[0] for model in models]
    assert len({answer.label for answer in answers}) == 1
    assert (
        max(answer.probability for answer in answers) - min(answer.probability for answer in answers) < 0.01
    )


def test_unreadable_files_get_a_row_and_the_others_are_done(finished, tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no photo")
    good = root(finished) / "val" / "grass" / "grass-01.jpg"
    done = tlkit.predict(finished.run, [tmp_path / "empty.jpg", good, tmp_path / "text.jpg", tmp_path])
    assert [row.error is None for row in done.predictions] == [False, True, False, False]
    assert done.exit_code == 1 and len(done.predictions[1].top) == 3


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_is_answered_alike_however_it_was_held(finished, tmp_path, turn):
    """All eight EXIF orientations, stored so that each shows the same picture."""
    upright = Image.open(root(finished) / "val" / "brick" / "brick-02.jpg").convert("RGB").resize((90, 60))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = upright
    for step in undo.get(turn, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = turn
    stored.save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    rows = tlkit.predict(finished.run, [tmp_path / "turned.png", tmp_path / "upright.png"]).predictions
    assert rows[0].top == rows[1].top


def test_a_picture_in_memory_is_answered_as_the_command_answers_its_file(finished, tmp_path, capsys):
    """Colour, grey and see-through, none of them square: as files, Pillow's images and arrays."""
    photo = np.asarray(Image.open(root(finished) / "val" / "gravel" / "gravel-02.jpg").convert("RGB"))
    colour = Image.fromarray((photo // [1, 2, 4]).astype("uint8")).resize((150, 70))
    clear = colour.convert("RGBA")
    clear.putalpha(colour.convert("L"))
    files = [tmp_path / f"{number}.png" for number in range(3)]
    images = [colour, colour.convert("L"), clear]
    for image, file in zip(images, files, strict=True):
        image.save(file)
    assert cli.main(["predict", str(finished.run), *map(str, files), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["predictions"]
    assert len({row["top"][0]["probability"] for row in said}) == 3  # three pictures, not one thrice
    for given in (files, images, [np.asarray(image) for image in images], list(map(Image.open, files))):
        rows = json.loads(tlkit.predict(finished.run, given).json())["predictions"]
        assert [row["top"] for row in rows] == [row["top"] for row in said]
        assert [row["path"] for row in rows] == (list(map(str, files)) if given is files else [None] * 3)
        assert json.loads(tlkit.predict(finished.run, given[2]).json())["predictions"] == rows[2:]
    several = np.stack([np.asarray(colour)] * 2)
    assert [row.top for row in tlkit.predict(finished.run, several).predictions] == [
        tlkit.predict(finished.run, colour).predictions[0].top
    ] * 2
    assert tlkit.predict(finished.run, [files[0], colour]).text().splitlines()[1].startswith("picture 2 ")


def test_numbers_that_no_file_holds_are_refused(finished):
    with pytest.raises(UsageError, match="An array of float32 is no picture"):
        tlkit.predict(finished.run, np.zeros((20, 20, 3), "float32"))
