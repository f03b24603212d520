import json
from pathlib import Path

import pytest

from tlkit.errors import DataError, ModelError, UsageError
from tlkit.run import folder


def finish(run: Path) -> Path:
    for name in ("run.json", "result.json", "model.keras"):
        (run / name).write_text("{}")
    return run


def test_runs_are_numbered_one_above_the_highest(workplace):
    assert folder.make(None, "a") == Path("runs/001-a")
    Path("runs/041-b").mkdir()
    Path("runs/notes").mkdir()
    assert folder.make(None, "c") == Path("runs/042-c")
    Path("runs/999-d").mkdir()
    assert folder.make(None, "e") == Path("runs/1000-e")


def test_last_is_the_finished_run_with_the_highest_number(workplace):
    with pytest.raises(UsageError, match="no finished run under .*runs"):
        folder.find("last")
    finish(folder.make(None, "a"))
    second = finish(folder.make(None, "b"))
    folder.make(None, "unfinished")
    assert folder.find("last") == (second / "model.keras", second)


def test_a_folder_called_last_is_named_with_its_path(workplace):
    finish(folder.make(None, "a"))
    Path("last").mkdir()
    finish(Path("last"))
    assert folder.find("./last").run == Path("last")
    assert folder.find("last").run == Path("runs/001-a")


def test_an_unfinished_run_and_a_missing_model_are_told_apart(workplace):
    run = folder.make(None, "a")
    (run / "run.json").write_text("{}")
    with pytest.raises(ModelError, match="did not finish"):
        folder.find(run)
    with pytest.raises(UsageError, match="There is no model at nowhere.keras"):
        folder.find("nowhere.keras")


def test_an_export_of_a_run_knows_its_run(workplace):
    run = finish(folder.make(None, "a"))
    (run / "export").mkdir()
    file = run / "export" / "a-float16.tflite"
    file.write_bytes(b"")
    found = folder.find(file)
    assert found.model == file and found.run.resolve() == run.resolve()


@pytest.mark.parametrize("what", ["full", "file"])
def test_an_output_is_new_or_empty(tmp_path, what):
    output = tmp_path / "out"
    if what == "full":
        output.mkdir()
        (output / "x").touch()
    else:
        output.touch()
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="is not empty"):
        folder.check(tmp_path / "photos", output)
    (tmp_path / "empty").mkdir()
    folder.check(tmp_path / "photos", tmp_path / "empty")


def test_photos_that_changed_or_went_are_named(finished, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    about = json.loads((run / "run.json").read_text())
    photos = tmp_path / "photos"
    shutil.copytree(about["images"], photos)
    (run / "run.json").write_text(json.dumps(about | {"images": str(photos)}))
    classes = ("brick", "grass", "gravel")
    assert len(folder.photos(run, "val", classes)[1]) == 24
    (photos / "val" / "brick" / "brick-01.jpg").write_bytes(b"another")
    (photos / "val" / "grass" / "grass-02.jpg").unlink()
    with pytest.raises(DataError) as caught:
        folder.photos(run, "val", classes)
    assert "2 of the 24 val photos" in str(caught.value)
    assert "val/brick/brick-01.jpg (changed), val/grass/grass-02.jpg (no such file" in str(caught.value)
