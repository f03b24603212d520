"""Results as JSON, a contract, and as a text to read."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tlkit import figures, report
from tlkit.figures import Table
from tlkit.report import Answer, Evaluated, Exported, Finetuned, Predicted, Prediction
from tlkit.report.calibrated import Refused


class Skipped(NamedTuple):
    path: str
    reason: str


ROW = {
    "label": "cat",
    "count": 75,
    "precision": 0.96,
    "recall": 0.92,
    "f1": 0.94,
    "precision_interval": (0.888, 0.986),
    "recall_interval": (0.836, 0.963),
    "f1_interval": (0.885, 0.969),
}
EXPORTED = Exported(
    path=Path("runs/001-x/export/x-int8.tflite"),
    format="tflite",
    quantize="int8",
    bytes=3_512_345,
    sha256="ab" * 32,
    images=150,
    reference_top1=0.94,
    top1=0.92,
    agreement=0.98,
    max_difference=0.0123,
    differing=({"path": "val/a.jpg", "model": "cat", "file": "dog", "gap": 0.01},),
)
FINETUNED = Finetuned(
    run=Path("runs/001-x"),
    backbone="x",
    classes=("cat", "dog"),
    train_images=600,
    val_images=150,
    skipped=(Skipped("cat/7.gif", "cut off"),),
    val_top1=0.94,
    val_top1_interval=(0.891, 0.968),
    majority_top1=0.5,
    selected_on_val=False,
    seconds=82.25,
    exports=(EXPORTED,),
    kept="fine-tuned",
    learned=True,
    val_balanced_accuracy=0.94,
    val_balanced_accuracy_interval=(0.887, 0.969),
    per_class=(ROW, ROW | {"label": "dog"}),
    confusion=((69, 6), (3, 72)),
    notes=("2 folders were read.",),
)
# Four photos of a cat, of which two were taken for a dog.
FOUR = Table.of("abcd", ["猫", "dog"], [0] * 4, [[0.9, 0.1]] * 2 + [[0.2, 0.8]] * 2)
EVALUATED = Evaluated(
    images=4,
    top1=0.5,
    top1_interval=(0.15, 0.85),
    top5=None,
    per_class=figures.per_class(FOUR),
    confusion=figures.confusion(FOUR),
    labels=FOUR.labels,
    split="val",
    majority_top1=1.0,
    balanced_accuracy=0.5,
    balanced_accuracy_interval=(0.1, 0.9),
)

# The table of the contract: keys are only ever added.
CONTRACT = [
    (
        FINETUNED,
        "run backbone classes train_images val_images skipped val_top1 val_top1_interval majority_top1 "
        "selected_on_val seconds exports folds suspects leaks val_balanced_accuracy "
        "val_balanced_accuracy_interval per_class confusion",
    ),
    (
        EVALUATED,
        "images top1 top1_interval top5 per_class confusion labels balanced_accuracy "
        "balanced_accuracy_interval",
    ),
    (Predicted(()), "predictions"),
    (
        EXPORTED,
        "path format quantize bytes sha256 images reference_top1 top1 agreement max_difference refused",
    ),
]


def changed(frozen, **fields):
    return type(frozen)(**{**vars(frozen), **fields})


@pytest.mark.parametrize(("result", "keys"), CONTRACT, ids=lambda value: type(value).__name__)
def test_json_holds_every_key_of_the_contract_and_the_schema_first(result, keys):
    found = json.loads(result.json())
    assert next(iter(found)) == "schema" and found["schema"] == 1
    assert set(keys.split()) <= found.keys()


def test_rows_hold_every_key_of_the_contract():
    found = json.loads(FINETUNED.json())
    assert found["skipped"] == [{"path": "cat/7.gif", "reason": "cut off"}]
    [row] = found["exports"]
    assert row == {key: value for key, value in json.loads(EXPORTED.json()).items() if key != "schema"}


def test_json_has_nan_as_null_paths_as_texts_and_plain_numbers():
    result = changed(
        EVALUATED,
        top1=np.float32(0.5),
        top1_interval=(np.float64("nan"), math.inf),
        confusion=np.array([[1, 2], [3, 4]]),
        notes=[Path("a/b")],
    )
    found = json.loads(result.json(), parse_constant=pytest.fail)
    assert found["top1"] == 0.5 and found["top1_interval"] == [None, None]
    assert found["confusion"] == [[1, 2], [3, 4]] and found["notes"] == ["a/b"]
    assert found["per_class"][1]["recall"] is None
    assert found["top5"] is None


def test_names_that_are_no_valid_text_survive_json():
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    text = Predicted((Prediction(name, error="empty"),)).json()
    assert text.isascii()
    assert json.loads(text)["predictions"][0]["path"] == name


def test_the_text_of_a_run_ends_with_its_path():
    lines = FINETUNED.text().splitlines()
    assert lines[0] == "x, 2 classes: cat, dog"
    assert lines[-1] == "runs/001-x"
    assert "  photos    600 to train on, 150 to check, 1 left out" in lines
    assert "  top-1     94.0% (141 of 150; 95% interval 89.1% to 96.8%)" in lines
    assert "  guessing  50.0% by always naming the largest class" in lines
    assert "  time      1 min 22 s" in lines
    assert "  left out: cat/7.gif (cut off)" in lines
    assert "  2 folders were read." in lines


def test_a_run_that_learned_nothing_says_so_first_and_why():
    result = changed(
        FINETUNED, learned=False, val_top1=0.9, majority_top1=0.9, val_images=10, train_images=12
    )
    lines = result.text().splitlines()
    assert lines[0] == (
        "Nothing was learned that can be told from chance: 90.0% right, "
        "and always naming the largest class gives 90.0%."
    )
    reasons = [line for line in lines if line.startswith("  Perhaps: ")]
    assert lines[1 : 1 + len(reasons)] == reasons
    assert [reason.split(": ")[1].split(" ")[0] for reason in reasons] == ["6", "10", "one", "folders"]
    assert lines[-1] == "runs/001-x"


def test_labels_to_look_at_are_told_ten_at_the_most_the_least_believed_first():
    rows = [
        {"path": f"{number}.jpg", "label": "cat", "suggested": "dog", "probability": number / 100}
        for number in range(12)
    ]
    lines = changed(FINETUNED, suspects=rows).text().splitlines()
    start = lines.index("  Labels to look at (a model that did not train on them believes another):")
    assert lines[start + 2] == "    1.jpg: dog, not cat (which it finds 1.0% likely)"
    assert lines[start + 11] == "  and 2 more"
    assert "Labels to look at" not in FINETUNED.text()
    assert json.loads(changed(FINETUNED, suspects=rows).json())["suspects"] == rows


def test_folds_are_told_beside_the_runs_own_figure():
    assert json.loads(FINETUNED.json())["folds"] is None
    per_fold = [{"photos": 50, "top1": 0.9}, {"photos": 50, "top1": 0.96}]
    folds = {"count": 2, "top1": 0.93, "top1_interval": (0.863, 0.966), "per_fold": per_fold}
    lines = changed(FINETUNED, folds=folds).text().splitlines()
    assert "  2 folds   93.0% on average (95% interval 86.3% to 96.6%), each 90.0% to 96.0%" in lines


def test_leaks_between_given_splits_are_told_before_all_else():
    rows = [
        {"path": "val/a.jpg", "related": ["train/b.jpg"]},
        {"path": "val/c.jpg", "related": ["train/b.jpg"]},
    ]
    lines = changed(FINETUNED, leaks=rows, learned=False).text().splitlines()
    assert lines[0] == (
        "2 of 150 photos of val are (nearly) in train, or of a group that is: the figures flatter. "
        "The first: val/a.jpg, as train/b.jpg."
    )


def test_figures_that_flatter_say_so():
    assert "flatter" not in FINETUNED.text()
    assert "These figures flatter" in changed(FINETUNED, selected_on_val=True).text()


def test_a_long_list_shows_ten_and_counts_the_rest():
    text = changed(FINETUNED, skipped=[Skipped(f"{number}.jpg", "empty") for number in range(1234)]).text()
    assert text.count("left out: ") == 10
    assert "  and 1,224 more" in text.splitlines()
    assert "1,234 left out" in text


def test_a_name_with_a_line_break_stays_on_its_line():
    lines = changed(FINETUNED, skipped=[Skipped("cat/a\nb.gif", "empty")]).text().splitlines()
    assert r"  left out: cat/a\nb.gif (empty)" in lines


def test_an_export_tells_what_was_checked():
    assert EXPORTED.text().splitlines() == [
        "runs/001-x/export/x-int8.tflite  tflite int8, 3.5 MB",
        "  top-1 92.0% (model 94.0%), same answer for 147 of 150 photos, probabilities at most 0.0123 apart",
        "  differs: val/a.jpg: dog, not cat (the model's lead was 0.0100)",
    ]
    assert EXPORTED.exit_code == 0


def test_an_export_that_was_not_checked_says_nothing_of_photos():
    unchecked = dict.fromkeys(("reference_top1", "top1", "agreement", "max_difference"))
    result = changed(EXPORTED, images=0, differing=(), notes=("Not checked.",), quantize="none", **unchecked)
    assert result.text() == "runs/001-x/export/x-int8.tflite  tflite, 3.5 MB\n  Not checked."
    assert json.loads(result.json())["agreement"] is None


def test_a_refused_export_says_so_first_and_ends_with_three():
    refused = changed(EXPORTED, refused=True)
    assert refused.text().startswith("Refused: the file answers worse than its model")
    assert refused.exit_code == changed(FINETUNED, exports=(EXPORTED, refused)).exit_code == 3
    assert FINETUNED.exit_code == 0


def test_an_evaluation_is_aligned_with_wide_letters_too():
    assert EVALUATED.text().splitlines() == [
        "photos    4, the split val",
        "top-1     50.0% (2 of 4; 95% interval 15.0% to 85.0%)",
        "balanced  50.0% with each class counting alike (95% interval 10.0% to 90.0%)",
        "guessing  100.0% by always naming the largest class",
        "",
        "class  photos             precision              recall                  f1",
        "猫          4  100.0% (34.2–100.0%)  50.0% (15.0–85.0%)  66.7% (26.1–91.9%)",
        "dog         0      0.0% (0.0–65.8%)                   –    0.0% (0.0–79.3%)",
        "In brackets: 95% intervals.",
        "",
        "true \\ predicted  猫  dog",
        "猫                 2    2",
        "dog                0    0",
    ]


def test_an_interval_stands_beside_each_figure_of_a_class():
    first, second = json.loads(EVALUATED.json())["per_class"]
    assert first["label"] == "猫" and first["count"] == 4
    assert first["recall_interval"] == pytest.approx([0.1500, 0.8500], abs=5e-5)  # Wilson's, of 2 of 4
    assert first["precision_interval"][1] == 1 and second["recall_interval"] == [None, None]


def test_balanced_accuracy_is_told_where_classes_differ_in_size():
    assert "balanced" not in FINETUNED.text()
    lines = changed(FINETUNED, confusion=((69, 6), (30, 45))).text().splitlines()
    assert "balanced" not in "".join(lines)
    lines = changed(FINETUNED, confusion=((90, 10), (5, 45))).text().splitlines()
    assert "  balanced  94.0% with each class counting alike (95% interval 88.7% to 96.9%)" in lines


def test_many_classes_show_what_is_confused_most():
    labels = tuple(f"c{number}" for number in range(20))
    matrix = np.eye(20, dtype=int)
    matrix[3, 4], matrix[5, 6] = 2, 7
    rows = [ROW | {"label": label} for label in labels]
    result = changed(
        EVALUATED, labels=labels, confusion=matrix.tolist(), per_class=rows, top5=0.99, notes=["A note."]
    )
    lines = result.text().splitlines()
    assert lines[2] == "top-5     99.0%"
    assert lines[-5:] == [
        "most often confused:",
        "  c5 taken for c6: 7",
        "  c3 taken for c4: 2",
        "",
        "A note.",
    ]


ANSWERS = Predicted(
    (
        Prediction(Path("a.jpg"), (Answer("cat", 0.921), Answer("dog", 0.0625))),
        Prediction(Path("dir/b.jpg"), error="cut off"),
    )
)


def test_predictions_are_a_line_each():
    assert ANSWERS.text() == "a.jpg      92% cat, 6% dog\ndir/b.jpg  unreadable: cut off"
    assert Predicted(ANSWERS.predictions[:1]).text() == "a.jpg  92% cat, 6% dog"


def test_predictions_hold_top_or_error():
    rows = [
        {
            "path": "a.jpg",
            "top": [{"label": "cat", "probability": 0.921}, {"label": "dog", "probability": 0.0625}],
            "rejected": False,
        },
        {"path": "dir/b.jpg", "error": "cut off"},
    ]
    told = json.loads(ANSWERS.json())
    assert told == {"schema": 1, "predictions": rows, "notes": [], "threshold": None}
    assert [json.loads(line) for line in ANSWERS.jsonl().splitlines()] == rows


def test_what_is_below_the_threshold_is_none_of_these():
    unsure = Prediction(Path("c.jpg"), (Answer("cat", 0.61), Answer("dog", 0.39)), rejected=True)
    found = Predicted((ANSWERS.predictions[0], unsure), threshold=0.7)
    assert found.text() == "a.jpg  92% cat, 6% dog\nc.jpg  none of these (61% cat, 39% dog)"
    told = json.loads(found.json())
    assert told["threshold"] == 0.7 and [row["rejected"] for row in told["predictions"]] == [False, True]


def test_the_price_of_none_of_these_is_told_with_its_interval():
    measured = {
        "temperature": 1.25,
        "calibration_error": 0.021,
        "calibration_error_before": 0.045,
        "calibration_error_by_chance": 0.019,
        "threshold": 0.6312,
        "refused": Refused(0.0467, (0.0228, 0.0931), 7),
    }
    for told in (replace(FINETUNED, **measured), replace(EVALUATED, images=150, **measured)):
        lines = [" ".join(line.split()) for line in told.text().splitlines()]
        assert (
            "calibrated probabilities 2.1% off, 4.5% before; exact ones would look 1.9% off on so few photos"
            in lines
        )
        assert (
            "threshold 63.1%, below it none of these: refuses 4.7% "
            "(7 of 150; 95% interval 2.3% to 9.3%)" in lines
        )
        assert json.loads(told.json())["refused"] == {
            "share": 0.0467,
            "interval": [0.0228, 0.0931],
            "count": 7,
        }
        without = replace(told, temperature=1.0, threshold=None, refused=None)
        assert "threshold" not in without.text() and "before" not in without.text()
    assert "calibrated" not in FINETUNED.text() and "threshold" not in EVALUATED.text()


def test_an_unreadable_photo_ends_with_one():
    assert ANSWERS.exit_code == 1
    assert Predicted(ANSWERS.predictions[:1]).exit_code == 0


def test_a_failure_is_an_object_with_kind_message_and_hint():
    assert json.loads(report.failure("data_error", "No.", None)) == {
        "schema": 1,
        "error": {"kind": "data_error", "message": "No.", "hint": None},
    }


def test_reports_are_frozen():
    with pytest.raises(AttributeError):
        EXPORTED.top1 = 1.0
