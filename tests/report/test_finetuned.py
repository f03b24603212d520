"""What a run's report says of the head alone."""

from dataclasses import replace

import pytest

from tlkit.report import Finetuned

REPORT = Finetuned(
    run="runs/001-x", backbone="x", classes=("cat", "dog"), train_images=600, val_images=150, skipped=(),
    val_top1=0.94, val_top1_interval=(0.891, 0.968), majority_top1=0.5, selected_on_val=False, seconds=82.25,
    exports=(), kept="fine-tuned", learned=True, val_balanced_accuracy=0.94,
    val_balanced_accuracy_interval=(0.887, 0.969), per_class=(), confusion=((69, 6), (3, 72)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("top1", "p", "told"),
    [
        (0.948, 0.62, "94.8% on the same photos: no difference that can be told (p = 0.62)"),
        (0.861, 0.0012, "86.1% on the same photos: what is kept is better (p = 0.0012)"),
        (0.99, 0.01, "99.0% on the same photos: what is kept is worse (p = 0.01)"),
    ],
)
def test_the_head_alone_stands_beside_another_that_is_kept(top1, p, told):
    lines = replace(REPORT, head_top1=top1, head_p=p).text().splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines if line.strip().startswith("head alone")] == [told]
    assert not any("head alone" in line for line in REPORT.text().splitlines())


def test_a_kept_model_that_is_worse_than_the_head_alone_says_so_first():
    worse = replace(REPORT, head_top1=0.99, head_p=0.01)
    assert worse.text().startswith("The head alone would have been better: 99.0% right, and 94.0% by what is")
    for unclear in (replace(worse, head_p=0.05), replace(worse, head_top1=0.86)):
        assert unclear.text().startswith("x, 2 classes")
    nothing = replace(worse, learned=False).text().splitlines()
    assert nothing[0].startswith("Nothing was learned") and any("would have been" in line for line in nothing)


def row(result: Finetuned, label: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in result.text().splitlines() if line.split()[0] == label]


def test_a_budget_says_what_was_left_out():
    assert row(REPORT, "budget") == []
    assert row(replace(REPORT, budget_seconds=600.0), "budget") == ["10 min: nothing was left out"]
    cut = replace(REPORT, budget_seconds=90.0, cut=("1 of 5 views", "2 of 5 epochs"))
    assert row(cut, "budget") == ["1 min 30 s: 1 of 5 views, 2 of 5 epochs; another run may differ"]


def test_a_target_is_judged_by_the_reported_photos_and_a_miss_has_an_exit_code():
    top1 = "94.0% (141 of 150; 95% interval 89.1% to 96.8%)"
    missed, reached = (replace(REPORT, target=share, target_reached=share < 0.94) for share in (0.95, 0.935))
    assert row(missed, "target") == [f"95%: missed, {top1}"]
    assert row(reached, "target") == [f"93.5%: reached, {top1}"]
    assert (missed.exit_code, reached.exit_code, REPORT.exit_code) == (4, 0, 0)
