"""The recipes that ship: what they hold, what their headers tell, and copying them."""

import dataclasses
import re
import shlex

import pytest

from tlkit import recipe, shipped
from tlkit.cli import cli
from tlkit.errors import OutputError, UsageError
from tlkit.recipe import Recipe


def test_copy_writes_nothing_over(tmp_path):
    copied = shipped.copy("mobile-int8", tmp_path)
    assert copied == tmp_path / "mobile-int8.toml"
    assert recipe.load(copied) == recipe.load("mobile-int8")
    with pytest.raises(UsageError, match="mobile-int8.toml is already there"):
        shipped.copy("mobile-int8", tmp_path)
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        shipped.copy("mobile-int8", tmp_path / "nowhere" / "mobile-int8.toml")


def test_recipes_ship():
    wanted = {"default", "quick", "few-shot", "from-scratch-mnist", "mobile-int8", "strong"}
    assert wanted <= set(shipped.names())


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_recipe_holds_differences_only(name):
    settings = shipped.parse(name)
    assert settings or name == "default"
    for knob, value in settings.items():
        assert value != getattr(Recipe(), knob), f"{knob} is the default: delete it"
    assert recipe.load(name) == dataclasses.replace(Recipe(), **settings)


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_recipe_tells_command_measurement_machine_and_data(name, tmp_path):
    text = shipped.text(name)
    assert "MEASURE" not in text, "measure it, and write the numbers into its header"
    summary, rule, command, measured, on, data = text.splitlines()[:6]
    assert re.fullmatch(r"# .+\.", summary) and rule == "#"
    assert re.match(r"# measured: .*top-1 0\.\d{3}.* over \d+ seeds.*\d+ s a run", measured)
    assert re.match(r"# on:       tlkit \S+, Keras \S+, .*\d{4}-\d\d-\d\d", on)
    assert re.match(r"# data:     [\d,]+ .*sha256", data)
    words = shlex.split(command.removeprefix("# command:  "))
    assert words[:2] == ["tlkit", "finetune"]
    # The photos need not be here: a folder that is takes their place.
    parsed = cli.commands["finetune"].make_context("finetune", [*words[2:-1], str(tmp_path)]).params
    assert parsed["name"] == name
