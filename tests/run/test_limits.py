"""A run that may take so long, or is good enough: whole runs, and what they write."""

import json
from pathlib import Path

import pytest

import tlkit
from tlkit import recipe
from tlkit.errors import UsageError


def test_a_budget_too_small_for_the_least_run_is_refused_and_nothing_is_written(few, tmp_path, settings):
    options = settings | {"epochs": 1, "budget": "1s", "export": "none", "output": tmp_path / "run"}
    told = r"A budget of 1 s is too little: the head alone takes about \d+ s here\. Give it more"
    with pytest.raises(UsageError, match=told):
        tlkit.finetune(few, unfreeze_from="stage5", **options)
    with pytest.raises(UsageError, match=r"A budget of 1 s is too little: one epoch takes about \d+ s here"):
        tlkit.finetune(few, **options)
    assert not (tmp_path / "run").exists()


def test_a_target_without_epochs_judges_the_end(few, tmp_path, settings):
    options = settings | {"epochs": 0, "export": "none", "target": "50%"}
    done = tlkit.finetune(few, output=tmp_path / "run", **options)
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert found["target"] == 0.5 and found["target_reached"] == (done.val_top1 >= 0.5)
    assert done.exit_code == (0 if done.val_top1 >= 0.5 else 4)
    assert (found["budget_seconds"], found["cut"], found["kept_because"]) == (None, [], None)


@pytest.mark.slow
def test_a_run_keeps_to_its_budget_and_says_what_it_left_out(textures, tmp_path, settings):
    """A margin of 10 s, on a machine that has as much to do as when it was measured."""
    done = tlkit.finetune(
        textures, output=tmp_path / "run", epochs=10_000, budget="90s", unfreeze_from="stage5", **settings
    )
    assert done.seconds <= 100 and done.exports[0].top1 is not None
    [trained] = [told for told in done.cut if told.endswith(" of 10,000 epochs")]
    assert float(trained.split()[0]) > 1
    assert f"1 min 30 s: {', '.join(done.cut)}; another run may differ" in done.text()
    assert not json.loads((tmp_path / "run" / "run.json").read_text())["repeatable"]
    assert recipe.load(Path(done.run) / "recipe.toml").budget == done.budget_seconds == 90
