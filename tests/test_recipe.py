"""Settings: merged once, checked at once, written down and read back."""

import dataclasses
import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit import recipe
from tlkit.backbones import INDEX
from tlkit.errors import RecipeError, UnknownBackbone, UsageError
from tlkit.recipe import KNOBS, TYPES, Recipe


def values(name):
    """Any value that a field allows."""
    limits, kind = KNOBS[name].metadata, TYPES[name]
    if name == "backbone":
        return st.sampled_from(sorted(INDEX))
    if name == "weights":
        return st.sampled_from(["imagenet", "none"])
    if name == "unfreeze_from":
        return st.sampled_from(
            ["auto", "none", "all", "stem", *(f"stage{number}" for number in range(1, 10))]
        )
    if name == "group":
        return st.sampled_from([None, "name:^[^_]+", "folder:1", "column:patient"])
    if name == "split":
        return st.sampled_from([None, __file__])
    if name == "folds":
        return st.sampled_from([0, *range(2, 21)])
    if name == "export":
        several = st.lists(st.sampled_from(["tflite", "savedmodel"]), min_size=1, unique=True)
        return st.one_of(several.map(tuple), st.just(("none",)))
    if "choices" in limits:
        return st.sampled_from(limits["choices"])
    if kind is bool:
        return st.booleans()
    if kind in (float, float | None):
        low, high = limits.get("lower", limits.get("above")), limits.get("upper", limits.get("below"))
        number = st.floats(low, high, exclude_min="above" in limits, exclude_max="below" in limits)
        return number if kind is float else st.one_of(st.none(), number)
    whole = st.integers(limits["lower"], limits["upper"])
    return st.one_of(st.none(), whole) if kind == int | None else whole


def without_contradictions(settings):
    never = {"adamw": ["momentum"], "adam": ["momentum", "weight_decay"], "sgd": []}
    return settings | dict.fromkeys(never[settings["optimizer"]])


@given(st.fixed_dictionaries({name: values(name) for name in KNOBS}).map(without_contradictions))
def test_a_recipe_survives_toml(settings):
    first = recipe.load(**settings)
    read = tomllib.loads(recipe.dump(first))
    assert recipe.load(**read) == first
    assert {name: value for name, value in settings.items() if value is not None} == {
        name: tuple(value) if isinstance(value, list) else value for name, value in read.items()
    }


def test_a_dump_is_a_recipe_file(tmp_path):
    first = recipe.load(epochs=7, strict=True, export=("savedmodel", "tflite"), image_size=96)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.dump(first), encoding="utf-8")
    assert recipe.load(path) == recipe.load(str(path)) == first


def test_the_defaults_are_allowed():
    assert recipe.load(**dataclasses.asdict(Recipe())) == recipe.load() == Recipe()


def test_a_flag_beats_the_file_and_the_file_the_default(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('epochs = 3\nhead = "mlp"\n')
    loaded = recipe.load(path, epochs=9, head=None)
    assert (loaded.epochs, loaded.head, loaded.batch_size) == (9, "mlp", Recipe().batch_size)


def test_false_and_zero_are_given(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("strict = true\nepochs = 3\n")
    loaded = recipe.load(path, strict=False, epochs=0)
    assert (loaded.strict, loaded.epochs) == (False, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rte": 1}, "No setting is called 'learning_rte'. Did you mean 'learning_rate'?"),
        ({"zzz": 1}, "No setting is called 'zzz'. 'tlkit finetune --help' lists them."),
        ({"epochs": True}, "epochs is True; it has to be a whole number."),
        ({"epochs": 2.0}, "epochs is 2.0; it has to be a whole number."),
        ({"epochs": "2"}, "epochs is '2'; it has to be a whole number."),
        ({"epochs": -1}, "epochs is -1; it has to be at least 0 and at most 10000."),
        ({"image_size": 4}, "image_size is 4; it has to be at least 8 and at most 2048."),
        ({"dropout": 1}, "dropout is 1.0; it has to be at least 0 and below 1."),
        ({"dropout": float("nan")}, "dropout is nan; it has to be at least 0 and below 1."),
        ({"learning_rate": 0}, "learning_rate is 0.0; it has to be above 0 and at most 10."),
        ({"learning_rate": float("inf")}, "learning_rate is inf; it has to be above 0 and at most 10."),
        ({"learning_rate": False}, "learning_rate is False; it has to be a number."),
        ({"val_share": 1.0}, "val_share is 1.0; it has to be above 0 and below 1."),
        ({"strict": 1}, "strict is 1; it has to be true or false."),
        ({"head": 1}, "head is 1; it has to be a text."),
        (
            {"optimizer": "adamax"},
            "optimizer is 'adamax'; it has to be adamw, adam or sgd. Did you mean 'adam'?",
        ),
        ({"fit": "zoom"}, "fit is 'zoom'; it has to be stretch, crop or pad."),
        (
            {"subfolders": "merg"},
            "subfolders is 'merg'; it has to be ignore, merge or classes. Did you mean 'merge'?",
        ),
        ({"group": 3}, "group is 3; it has to be a text."),
        ({"group": "patient"}, "group is 'patient'; it has to be name:REGEX, folder:N or column:NAME."),
        ({"group": "folder:one"}, "group is 'folder:one'; it has to be name:REGEX, folder:N or column:NAME."),
        ({"group": "name:("}, "group is 'name:(', and its pattern cannot be read: missing )"),
        (
            {"folds": 1},
            "folds is 1; one fold leaves no photos to learn from. Use 2 or more, such as 5; 0 is none.",
        ),
        ({"folds": 21}, "folds is 21; it has to be at least 0 and at most 20."),
        ({"export": 3}, "export is 3; it has to be a list of texts."),
        ({"export": ["onnx"]}, "export is 'onnx'; it has to be tflite, savedmodel or none."),
        (
            {"export": ["none", "tflite"]},
            "export is ['none', 'tflite']; none stands alone, and is written out.",
        ),
        ({"export": []}, "export is []; none stands alone, and is written out."),
        (
            {"unfreeze_from": "stage10"},
            "unfreeze_from is 'stage10'; it has to be auto, none, all, stem, or stage1 to stage9.",
        ),
        (
            {"momentum": 0.5},
            "momentum is 0.5, and adamw takes none. Use --optimizer sgd, or leave momentum out.",
        ),
        ({"momentum": 0.0, "optimizer": "adam"}, "momentum is 0.0, and adam takes none."),
        (
            {"weight_decay": 0.1, "optimizer": "adam"},
            "weight_decay is 0.1, and adam has no decoupled weight decay. Use --optimizer adamw, or a "
            "weight_decay of 0.",
        ),
        ({"seed": 2**31}, "seed is 2147483648; it has to be at least 0 and at most 2147483647."),
    ],
)
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(RecipeError) as caught:
        recipe.load(**settings)
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


def test_a_backbone_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(UnknownBackbone, match="'efficientnet_lite_0'. Did you mean 'efficientnet_lite0'?"):
        recipe.load(backbone="efficientnet_lite_0")


def test_weights_are_names_or_a_file_that_is_there(tmp_path):
    path = tmp_path / "weights.pth"
    with pytest.raises(UsageError, match="weights is '.*weights.pth', and there is no such file"):
        recipe.load(weights=path)
    path.write_bytes(b"x")
    assert recipe.load(weights=path).weights == str(path)


def test_an_earlier_split_is_a_path_that_is_there(tmp_path):
    with pytest.raises(
        UsageError, match="split is '.*earlier', and there is no such file. Use an earlier run"
    ):
        recipe.load(split=tmp_path / "earlier")
    assert recipe.load(split=tmp_path).split == str(tmp_path)


def test_all_findings_are_told_at_once(tmp_path):
    path = tmp_path / "flowers.toml"
    path.write_text('learning_rte = 0.1\nbackbone = "efficientnet_lite"\nepochs = true\n')
    with pytest.raises(RecipeError) as caught:
        recipe.load(path, dropout=2.0)
    text = str(caught.value)
    assert text.startswith("4 settings are wrong. ")
    assert f"{path}: no setting is called 'learning_rte'. Did you mean 'learning_rate'?" in text
    assert f"{path}: No backbone is called 'efficientnet_lite'." in text
    assert f"{path}: epochs is True" in text
    assert "dropout is 2.0" in text
    assert "\n" not in text


def test_the_first_ten_findings_are_told_in_full():
    with pytest.raises(RecipeError, match="12 settings are wrong.* 'wrong9'.* And 2 more") as caught:
        recipe.load(**{f"wrong{number}": 1 for number in range(12)})
    assert "wrong10" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epochs = \nseed = 1", r"mine.toml is not valid TOML: .*line 1"),
        (b"head = mlp", r"mine.toml is not valid TOML: .*Texts stand in quotes"),
        (b"\xff\xfe", r"The recipe .*mine.toml cannot be read: .*UTF-8"),
        (b"[optimizer]\nname = 'sgd'\n", r"mine.toml: optimizer is \{'name': 'sgd'\}; it has to be a text"),
        (b"[training]\nepochs = 1\n", r"mine.toml: no setting is called 'training'"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        recipe.load(path)


def test_a_recipe_that_is_not_there_is_named_with_the_nearest(tmp_path):
    with pytest.raises(RecipeError, match="There is no recipe 'qick'. Did you mean 'quick'?"):
        recipe.load("qick")
    with pytest.raises(RecipeError, match="There is no recipe '.*/no.toml'. 'tlkit recipes ls' lists"):
        recipe.load(tmp_path / "no.toml")
    with pytest.raises(RecipeError, match="There is no recipe"):
        recipe.load(tmp_path)


def test_lists_and_single_names_and_repeats_of_exports():
    assert recipe.load(export="savedmodel").export == ("savedmodel",)
    assert recipe.load(export=["tflite", "savedmodel", "tflite"]).export == ("tflite", "savedmodel")


def test_every_field_says_what_it_is_and_what_it_allows():
    assert len(KNOBS) >= 19
    for name, field in KNOBS.items():
        limits = field.metadata
        assert re.fullmatch(r"[A-Z0-9].*\.", limits["help"]), name
        if TYPES[name] in (int, float, int | None, float | None):
            assert {"lower", "above"} & limits.keys() and {"upper", "below"} & limits.keys(), name
        elif TYPES[name] is not bool:
            assert {"choices", "pattern"} & limits.keys() or name in ("backbone", "weights", "split"), name


def test_a_mistake_is_found_before_keras_loads():
    code = (
        "import sys, tlkit\n"
        "try: tlkit.finetune('nowhere', epoch=3)\n"
        "except tlkit.TlkitError as error: print(error)\n"
        "sys.exit(bool({'keras', 'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "No setting is called 'epoch'. Did you mean 'epochs'?\n")


def test_a_long_value_keeps_its_ends_and_its_quotes():
    with pytest.raises(RecipeError) as caught:
        recipe.load(head="x" * 500 + "end")
    told = caught.value.message
    assert "head is 'xxx" in told and "xend'; it has to be linear, mlp or top." in told
    assert len(told) < 250


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x.pth", "x" * 5000, "pypi=" + "x" * 5000])
def test_a_path_that_no_system_takes_is_refused_as_one_that_is_not_there(path):
    with pytest.raises(UsageError, match="there is no such file, run or set of weights"):
        recipe.load(weights=path)


def test_a_recipe_s_decay_can_be_taken_back(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("weight_decay = 0.1\n")
    with pytest.raises(RecipeError, match="weight_decay is 0.1, and adam has no"):
        recipe.load(path, optimizer="adam")
    assert recipe.load(path, optimizer="adam", weight_decay=0).weight_decay == 0
