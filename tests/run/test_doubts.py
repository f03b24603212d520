"""Labels to look at: swapped ones are among them, in the report and in suspects.csv."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit.figures import Table
from tlkit.run import doubts
from tlkit.suspects import Suspect

SHARED = Path(__file__).parents[3] / "shared" / "data" / "hymenoptera"


def swapped(source: Path, target: Path, seed: int) -> set[str]:
    """Copy train and val, with 5 % of each side's photos under another class; return which."""
    draw = np.random.default_rng(seed)
    wrong = set()
    for split in ("train", "val"):
        photos = sorted((source / split).glob("*/*.jpg"))
        names = sorted({photo.parent.name for photo in photos})
        chosen = draw.choice(len(photos), round(0.05 * len(photos)), replace=False)
        for number, photo in enumerate(photos):
            name = photo.parent.name
            if number in chosen:
                name = names[(names.index(name) + 1) % len(names)]
                wrong.add(f"{split}/{name}/{name}-was-{photo.name}")
            (target / split / name).mkdir(parents=True, exist_ok=True)
            prefix = f"{name}-was-" if number in chosen else ""
            shutil.copy(photo, target / split / name / f"{prefix}{photo.name}")
    return wrong


@pytest.mark.parametrize(
    ("source", "size", "most"),
    [
        pytest.param("textures", 64, 12, id="textures"),
        pytest.param(
            SHARED,
            160,
            45,
            id="hymenoptera",
            marks=pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here"),
        ),
    ],
)
def test_swapped_labels_are_listed(source, size, most, textures, tmp_path):
    wrong = swapped(textures if source == "textures" else source, tmp_path / "photos", seed=0)
    done = tlkit.finetune(
        tmp_path / "photos", output=tmp_path / "run", epochs=0, augment="none", image_size=size, export="none"
    )
    listed = [row.path for row in done.suspects]
    assert len(wrong & set(listed)) >= 0.6 * len(wrong)
    assert (
        len(listed) <= most
    )  # about twice as many as were swapped: there are doubtful photos among the rest
    beliefs = [row.probability for row in done.suspects]
    assert beliefs == sorted(beliefs)
    rows = list(csv.DictReader((tmp_path / "run" / "suspects.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows] == listed and rows[0].keys() == set(Suspect._fields)
    assert "Labels to look at" in done.text() and done.suspects[0].path in done.text()


def test_with_folds_their_answers_decide(few, tmp_path, settings):
    done = tlkit.finetune(few, output=tmp_path / "run", epochs=0, folds=3, export="none", **settings)
    table = Table.read((tmp_path / "run" / "folds.csv").read_text(encoding="utf-8"))
    for row in done.suspects:
        place = table.paths.index(row.path)
        assert row.probability == pytest.approx(
            table.probabilities[place, table.labels.index(row.label)], abs=1e-6
        )


def test_a_class_that_nobody_else_could_learn_is_not_doubted():
    table = Table.of(
        ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"], ["x", "y", "z"], [0, 0, 1, 1, 2], [[0.4, 0.3, 0.3]] * 5
    )
    kept = doubts._learnable(table, np.array([0, 1, 0, 0, 1]))
    assert kept.paths == ("a.jpg", "b.jpg")
    assert doubts._learnable(kept, np.array([0, 0])).paths == ()
