"""Two runs, photo by photo: what a run wrote, in copies that answer otherwise."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit import cli, figures
from tlkit.errors import DataError, ModelError, UsageError
from tlkit.splits import split_file

FILES = ("run.json", "model.keras", "predictions.csv", "split.csv", "result.json")
KEYS = (
    "schema first second photos both_right only_first only_second neither p difference difference_interval "
    "better differing"
)


@pytest.fixture
def runs(finished, tmp_path, monkeypatch):
    """A folder to stand in, with two copies of the finished run: 24 photos, eight a class."""
    monkeypatch.chdir(tmp_path)
    for name in ("001-one", "002-two"):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        for file in FILES:
            shutil.copy(Path(finished.run) / file, run)
    return Path("runs/001-one"), Path("runs/002-two")


def read(run):
    return figures.Table.read((run / "predictions.csv").read_text(encoding="utf-8"))


def write(run, table):
    (run / "predictions.csv").write_text(table.csv(), encoding="utf-8")


def mistake(run, *wrong, by=1):
    """The run names all its photos rightly but these, each as a class that stands so much further on."""
    table = read(run)
    answers = table.true.copy()
    answers[list(wrong)] = (answers[list(wrong)] + by) % 3
    write(run, figures.Table.of(table.paths, table.labels, table.true, np.eye(3)[answers] * 0.9))


def resplit(run, change):
    """Rewrite the split file, row by row: `change` returns the rows that stand for one."""
    rows = [new for row in split_file.read(run).rows for new in change(row)]
    (run / "split.csv").write_text(split_file.write(rows), encoding="utf-8")


def test_a_run_is_as_good_as_its_copy(runs, finished):
    found = tlkit.compare(*runs)
    assert found.better is None and found.p == 1 and found.differing == ()
    assert (found.photos, found.both_right + found.neither) == (24, 24)
    for side in (found.first, found.second):
        assert side.top1 == finished.val_top1 and side.top1_interval == finished.val_top1_interval
        assert side.balanced_accuracy == finished.val_balanced_accuracy
    assert found.difference == 0 and found.difference_interval[0] == -found.difference_interval[1]
    assert found.text().splitlines()[-1] == (
        "No difference can be told from these 24 photos: 0 of them tell the two apart; it takes 6."
    )


@pytest.mark.parametrize(
    ("first", "second", "p", "better"),
    [
        (6, 0, 2 / 2**6, "second"),
        (0, 6, 2 / 2**6, "first"),
        (5, 0, 2 / 2**5, None),
        (8, 1, 20 / 2**9, "second"),
        (7, 1, 18 / 2**8, None),
    ],
)
def test_better_is_what_the_exact_test_finds_better_and_nothing_else(runs, first, second, p, better):
    """The first run misnames photos from the front, the second from the back: none is misnamed by both."""
    mistake(runs[0], *range(first))
    mistake(runs[1], *range(24 - second, 24))
    found = tlkit.compare(*runs)
    assert (found.only_second, found.only_first, found.neither) == (first, second, 0)
    assert found.p == pytest.approx(p) and found.better == better
    assert found.difference == pytest.approx((second - first) / 24)
    told = found.text().splitlines()
    words = f"The {better} is better: {runs[better == 'second']}" if better else "No difference can be told"
    [verdict] = [line for line in told if line.startswith(("The ", "No "))]
    assert verdict.startswith(words)
    assert len(found.differing) == first + second
    assert {row.right for row in found.differing if row.path in read(runs[0]).paths[:first]} <= {"second"}
    listed = [line for line in told if line.endswith(" is right.")]
    assert len(listed) == first + second


def test_the_text_says_what_would_have_been_seen(runs):
    mistake(runs[0], *range(7))
    mistake(runs[1], 23)
    assert (
        "No difference can be told from these 24 photos (the interval leaves out 0, but the exact test is "
        "the stricter one): 8 of them tell the two apart, and a lead of 8 (33.3%) would do."
    ) in tlkit.compare(*runs).text().splitlines()


def test_more_than_ten_photos_are_counted_in_the_text_and_all_in_json(runs):
    mistake(runs[0], *range(12))
    mistake(runs[1])
    found = tlkit.compare(*runs)
    assert found.text().splitlines()[-1] == "  and 2 more"
    rows = json.loads(found.json())["differing"]
    assert len(rows) == 12
    path = read(runs[0]).paths[0]
    assert rows[0] == {
        "path": path,
        "second_path": path,
        "label": "brick",
        "first": "grass",
        "second": "brick",
        "right": "second",
    }


def test_photos_that_one_names_rightly_come_first(runs):
    mistake(runs[0], 0, 5, by=1)
    mistake(runs[1], 0, 3, by=2)
    found = tlkit.compare(*runs)
    paths = read(runs[0]).paths
    assert [(row.path, row.right) for row in found.differing] == [
        (paths[3], "first"),
        (paths[5], "second"),
        (paths[0], None),
    ]
    last = found.text().splitlines()[-1]
    assert last == f"  {paths[0]}: grass or gravel? It is brick, neither is right."


def test_photos_are_known_by_content_and_classes_by_name(runs):
    """The second run found the same photos in another place and order, its classes in another order."""
    mistake(runs[0], 0, 1, 2)
    mistake(runs[1], 2, 3)
    resplit(runs[1], lambda row: [row._replace(path=f"moved/{row.path}")])
    table = read(runs[1])
    back = [2, 0, 1]
    write(
        runs[1],
        figures.Table.of(
            [f"moved/{path}" for path in table.paths[::-1]],
            [table.labels[place] for place in back],
            [back.index(number) for number in table.true[::-1]],
            table.probabilities[::-1, back],
        ),
    )
    found = tlkit.compare(*runs)
    assert (found.photos, found.both_right, found.neither) == (24, 20, 1)
    assert (found.only_first, found.only_second) == (1, 2)
    assert {row.second_path for row in found.differing} == {f"moved/{row.path}" for row in found.differing}


def test_photos_that_a_run_trained_on_say_nothing(runs):
    """The second run validated on 22, trained on one of the first's, and has a copy of another in train."""
    table = read(runs[1])
    taught, elsewhere, copied = table.paths[0], table.paths[1], table.paths[2]
    kept = [place for place, path in enumerate(table.paths) if path not in (taught, elsewhere)]
    write(
        runs[1],
        dataclasses.replace(
            table,
            paths=tuple(table.paths[place] for place in kept),
            true=table.true[kept],
            probabilities=table.probabilities[kept],
        ),
    )

    def change(row):
        if row.path == taught:
            return [row._replace(split="train")]
        if row.path == elsewhere:
            return []
        return [row, row._replace(path="copy.jpg", split="train")] if row.path == copied else [row]

    resplit(runs[1], change)
    found = tlkit.compare(*runs)
    assert found.photos == 21
    assert dataclasses.astuple(found.left_out) == (2, 0, 1, 0, 0)
    assert found.text().splitlines()[:2] == [
        "21 of 24 and 22 photos are in both.",
        "Left out: 2 photos that a run trained on.",
    ]
    assert found.first.top1 == figures.top1(
        dataclasses.replace(
            table, paths=table.paths[3:], true=table.true[3:], probabilities=table.probabilities[3:]
        )
    )


def test_photos_of_another_class_by_now_say_nothing(runs):
    table = read(runs[1])
    true = table.true.copy()
    true[:2] = 2
    write(runs[1], dataclasses.replace(table, true=true))
    found = tlkit.compare(*runs)
    assert (found.photos, found.left_out.relabelled) == (22, 2)
    assert "Left out: 2 photos of another class in the other run." in found.text().splitlines()


def test_a_copy_is_no_second_photo(runs):
    for run in runs:
        hashes = {row.path: row.sha256 for row in split_file.read(run).rows}
        first, second = read(run).paths[:2]
        resplit(
            run,
            lambda row, h=hashes, a=first, b=second: [row._replace(sha256=h[a]) if row.path == b else row],
        )
    found = tlkit.compare(*runs)
    assert (found.photos, found.left_out.copies) == (23, 2)


def test_runs_without_a_photo_in_common_are_refused(runs):
    resplit(runs[1], lambda row: [row._replace(sha256=row.sha256[::-1])])
    with pytest.raises(
        DataError, match=r"of 24 and 24 validation photos none is in both\. .*--split runs/001"
    ):
        tlkit.compare(*runs)


def test_a_run_that_trained_on_all_of_them_is_refused(runs):
    there = {"train": "val", "val": "train"}
    rows = {row.path: row for row in split_file.read(runs[1]).rows}
    resplit(runs[1], lambda row: [row._replace(split=there[row.split])])
    taught = [path for path, row in rows.items() if row.split == "train"]
    table = read(runs[1])
    true = [table.labels.index(rows[path].label) for path in taught]
    write(runs[1], figures.Table.of(taught, table.labels, true, np.eye(3)[true]))
    with pytest.raises(DataError, match="none is in both, and 96 photos one of them trained on"):
        tlkit.compare(*runs)


def test_other_classes_are_refused_by_name(runs):
    table = read(runs[1])
    write(runs[1], dataclasses.replace(table, labels=("brick", "grass", "sand")))
    with pytest.raises(
        UsageError, match="'gravel' is in runs/001-one alone, and 'sand' is in runs/002-two alone"
    ):
        tlkit.compare(*runs)


def test_what_is_no_pair_of_runs_is_refused(runs, finished, tmp_path):
    with pytest.raises(UsageError, match=r"Both are the run runs/002-two\."):
        tlkit.compare("last", runs[1])
    with pytest.raises(
        UsageError, match="is no run folder"
    ):  # it may answer otherwise than the run's own model
        tlkit.compare(runs[0], finished.exports[0].path)
    with pytest.raises(UsageError, match="There is no model at"):
        tlkit.compare(runs[0], tmp_path / "no")
    resplit(runs[1], lambda row: [] if row.path.endswith("grass-01.jpg") else [row])
    with pytest.raises(DataError, match="split.csv does not tell the content of 'val/grass/grass-01.jpg'"):
        tlkit.compare(*runs)
    (runs[1] / "predictions.csv").write_text("path,true\n")
    with pytest.raises(DataError, match="002-two/predictions.csv: This is no table of predictions"):
        tlkit.compare(*runs)
    (runs[1] / "predictions.csv").unlink()
    with pytest.raises(ModelError, match="predictions.csv cannot be read"):
        tlkit.compare(*runs)


def test_the_command_prints_what_the_function_returns(runs, capsys):
    mistake(runs[0], *range(7))
    mistake(runs[1])
    found = tlkit.compare(runs[0], "last")
    assert cli.main(["compare", str(runs[0]), "last"]) == 0
    assert capsys.readouterr().out == found.text() + "\n"
    assert cli.main(["compare", str(runs[0]), "last", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out == json.loads(found.json()) and set(KEYS.split()) <= out.keys()
    for side in (out["first"], out["second"]):
        assert {"run", "backbone", "top1", "top1_interval", "balanced_accuracy"} <= side.keys()
    assert out["better"] == "second"
    assert cli.main(["compare", "last", "last", "--json"]) == 2


def test_runs_are_compared_without_tensorflow(runs):
    code = (
        "import sys, tlkit; tlkit.compare(*sys.argv[1:]).text()\n"
        "sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *runs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
