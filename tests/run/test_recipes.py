"""Every recipe that ships runs: an epoch on a few photos, with the smallest network of its family."""

from dataclasses import asdict
from pathlib import Path

import pytest

import tlkit
from tlkit import backbones, recipe, shipped


def smallest(backbone: str) -> str:
    """The test row of a network's family."""
    family = backbones.family(backbone)
    return next(n for n in backbones.INDEX if backbones.family(n) == family and n.endswith("_test"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "mobile-int8")) for name in shipped.names()],
)
def test_a_shipped_recipe_runs(name, few, tmp_path):
    asked = recipe.load(name)
    epochs = 1 if asked.epochs is None else min(1, asked.epochs)
    changed = {"backbone": smallest(asked.backbone), "weights": "none", "epochs": epochs}
    if asked.weights != "none":
        changed["unfreeze_from"] = "stage4"  # else random weights are trained from scratch
    done = tlkit.finetune(few, recipe=name, output=tmp_path / "run", **changed)
    assert done.kept == "trained" if asked.scratch else done.kept in ("head", "halfway", "fine-tuned")
    as_run = asdict(recipe.load(Path(done.run) / "recipe.toml"))
    resolved = {knob for knob, value in asdict(asked).items() if value in (None, "auto")}
    for knob, value in asdict(asked).items():
        if knob not in changed.keys() | resolved:
            assert as_run[knob] == value, knob
    [export] = done.exports
    assert Path(export.path).exists() and export.quantize == asked.quantize
