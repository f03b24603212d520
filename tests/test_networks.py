"""`tlkit backbones`: its reports as JSON and as text, its options, and what they cannot mean together."""

import json
import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit import cli, networks
from tlkit.backbones import INDEX
from tlkit.networks import Backbone, Backbones, Compared, Comparison, Layers
from tlkit.options import Count
from tlkit.run import listing
from tlkit.weights import catalogue

ROW = {
    "layer": "stem_conv",
    "kind": "conv 3×3 /2, norm",
    "output_shape": (32, 32, 8),
    "parameters": 1_232,
    "total_parameters": 1_248,
    "multiply_adds": 221_184,
    "receptive_field_pixels": 3,
    "holds": ("stem_conv", "stem_conv_norm"),
}
POOL = {
    **ROW,
    **{"layer": "pool", "kind": "global average pool", "output_shape": (8,), "parameters": 0},
    **{"multiply_adds": 0, "receptive_field_pixels": None, "holds": ("pool",)},
}
LAYERS = Layers(
    name="x",
    family="f",
    input_shape=(64, 64, 3),
    layers=(ROW, POOL),
    taps=({"name": "stem", "stride": 2, "channels": 8, "receptive_field_pixels": 3},),
    parameters=1_232,
    total_parameters=1_248,
    multiply_adds=221_184,
    depth=1,
    between=("sqrt",),
)
ALEX = Compared(
    name="alex",
    family="f",
    parameters=61_100_840,
    parameters_without_top=2_469_696,
    total_parameters=61_100_840,
    multiply_adds=714_188_480,
    multiply_adds_without_top=655_566_528,
    image_size=224,
    top1=0.565,
    depth=8,
    receptive_field_pixels=195,
    feature_channels=256,
    bytes=244_403_360,
    stages=(
        {"stride": 4, "channels": 64, "parameters": 23_296, "multiply_adds": 70_276_800},
        {"stride": None, "channels": 1000, "parameters": 58_631_144, "multiply_adds": 58_621_952},
    ),
)
TINY = Compared(
    **{
        **vars(ALEX),
        **{"name": "tiny", "parameters": 61_101, "depth": 20, "top1": 0.601, "receptive_field_pixels": None},
        "stages": ({"stride": 2, "channels": 16, "parameters": 464, "multiply_adds": 442_368},),
    }
)
BOTH = Comparison(
    (ALEX, TINY), {"parameters": 0.001, "depth": 2.5, "receptive_field_pixels": None}, top1_difference=0.036
)


@pytest.fixture
def tl(capsys):
    """A command in this process: exit code, stdout, stderr."""

    def call(*words):
        code = cli.main(list(map(str, words)))
        return code, *capsys.readouterr()

    return call


# As JSON


@pytest.mark.parametrize(
    ("result", "keys"),
    [
        (Backbones(()), "backbones"),
        (LAYERS, "name family input_shape layers taps parameters total_parameters multiply_adds depth"),
        (BOTH, "backbones ratio top1_difference"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_holds_every_key_of_the_contract_and_the_schema_first(result, keys):
    found = json.loads(result.json())
    assert next(iter(found)) == "schema" and found["schema"] == 1
    assert set(keys.split()) <= found.keys()


def test_rows_hold_every_key_of_the_contract():
    rows = json.loads(Backbones((Backbone("x", "y", 1998, 1, 2, 3, 224, None, None),)).json())["backbones"]
    assert rows == [
        {
            "name": "x",
            "family": "y",
            "year": 1998,
            "parameters": 1,
            "total_parameters": 2,
            "multiply_adds": 3,
            "image_size": 224,
            "top1": None,
            "licence": None,
        }
    ]
    assert json.loads(BOTH.json())["backbones"][1] == json.loads(json.dumps(vars(TINY)))


# As text


ROWS = (
    Backbone("b", "teaching", None, 61_706, 61_706, 840, 64, None, None),
    Backbone("long_name_0", "f", 2015, 4_652_008, 4_694_024, 385_187_552, 224, 0.7512, "Apache-2.0"),
    Backbone("long_name_1", "f", 2015, 4_652_008, 4_694_024, 385_187_552, 224, None, None),
    Backbone("late_name_0", "f", 2016, 4_652_008, 4_694_024, 385_187_552, 224, None, None),
)


def test_the_list_is_grouped_by_year_and_shows_where_no_weights_are_published(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert Backbones(ROWS).text().splitlines() == [
        "year  name         params   MACs   px  top-1  licence",
        "–     b            61.7 k    840   64      –  –",
        "2015  long_name_0  4.65 M  385 M  224  75.1%  Apache-2.0",
        "      long_name_1  4.65 M  385 M  224      –  –",
        "2016  late_name_0  4.65 M  385 M  224      –  –",
    ]
    assert Backbones(()).text() == "No backbone is that small."


def test_a_wide_terminal_shows_the_list_side_by_side(monkeypatch):
    monkeypatch.setenv("COLUMNS", "115")  # twice 56 and three between
    lines = Backbones(ROWS[:3]).text().splitlines()
    assert [[cell.split() for cell in line.split("│")] for line in lines] == [
        ["year name params MACs px top-1 licence".split()] * 2,
        ["– b 61.7 k 840 64 – –".split(), "long_name_1 4.65 M 385 M 224 – –".split()],
        ["2015 long_name_0 4.65 M 385 M 224 75.1% Apache-2.0".split()],
    ]
    assert max(map(len, lines)) <= 115
    monkeypatch.setenv("COLUMNS", "114")
    assert "│" not in Backbones(ROWS[:3]).text()


def test_everything_fits_on_one_screen_and_a_narrow_one_is_not_overrun(monkeypatch):
    """1920×1080 pixels at the usual 8×17 a letter: 240 columns, 63 lines."""
    monkeypatch.setenv("COLUMNS", "240")
    lines = listing.backbones().text().splitlines()
    assert len(lines) < 63 and max(map(len, lines)) <= 240
    monkeypatch.setenv("COLUMNS", "80")
    lines = listing.backbones().text().splitlines()
    shown = [name for name in INDEX if not name.endswith("_test")]
    assert len(lines) == 1 + len(shown) and max(map(len, lines)) < 80
    assert all(sum(f" {name} " in line for line in lines) == 1 for name in shown)


# What the project's owner asked for; the first is the choice.
ASKED = {
    "teaching": {"small_cnn"},
    "small-data": {"resnet18"},
    "medium-data": {"resnet50"},
    "mobile": {"mobilenet_v3_large", "mobilenet_v3_small", "efficientnet_lite0"},
    "max-accuracy": {"efficientnet_b7", "convnext_large"},
    "detection": {"resnet50", "resnext50_32x4d"},
}


def test_every_purpose_has_its_networks():
    assert {purpose: set(choice.names) for purpose, choice in networks.RECOMMENDED.items()} == ASKED
    for choice in networks.RECOMMENDED.values():
        assert "\n" not in choice.reason and choice.reason.endswith(".")
    assert "fpn(" in networks.RECOMMENDED["detection"].example


@pytest.mark.parametrize("purpose", ASKED)
def test_a_purpose_is_answered_with_a_choice_and_a_line_of_reason(purpose, tl):
    code, out, err = tl("backbones", "--recommend", purpose)
    choice, lines = networks.RECOMMENDED[purpose], out.splitlines()
    assert (code, err) == (0, "") and len(lines) <= 5
    assert lines[0].startswith(f"{choice.names[0]}: ") and "multiply-adds at" in lines[0]
    assert lines[1] == choice.reason
    assert lines[-1].startswith("Next: ") and "{" not in lines[-1]
    code, out, _ = tl("backbones", "--recommend", purpose, "--json")
    found = json.loads(out)
    assert code == 0 and [row["name"] for row in found["backbones"]] == list(choice.names)
    assert (found["purpose"], found["reason"]) == (purpose, choice.reason)


def test_what_is_recommended_next_can_be_typed(tmp_path, monkeypatch):
    """Commands parse, and name a network that has weights where they are to be loaded."""
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "digits"):
        (tmp_path / folder).mkdir()
    for purpose in ASKED:
        words = listing.recommend(purpose).example.split()
        if words[0] != "tlkit":
            continue
        command, options = cli.cli.commands[words[1]], words[2:]
        given = command.make_context("tlkit", options).params
        assert str(given["images"]) in ("photos", "digits")
        if "--backbone" in options:
            assert catalogue.default(options[options.index("--backbone") + 1])


def test_layers_read_as_a_table_with_totals_and_taps():
    assert LAYERS.text().splitlines() == [
        "layer      kind                  output  parameters  multiply-adds  receptive field",
        "stem_conv  conv 3×3 /2, norm    32×32×8       1,232        221,184                3",
        "pool       global average pool        8                                         all",
        "total                                         1,232        221,184",
        "",
        "1,248 parameters with the 16 that are not trained.",
        "1 convolutions and dense layers on the longest way.",
        "Between the layers, without weights: sqrt.",
        "Receptive fields in pixels a side; all: the whole photograph, whatever its size.",
        "",
        "tap   stride  channels  receptive field",
        "stem       2         8                3",
    ]


def test_a_comparison_shows_both_and_the_second_over_the_first():
    lines = BOTH.text().splitlines()
    assert lines[0].split() == ["alex", "tiny", "ratio"]
    rows = [re.split(r"  +", line.strip()) for line in lines]
    assert ["parameters", "61,100,840", "61,101", "1/1,000"] in rows
    assert ["depth", "8", "20", "×2.50"] in rows
    assert ["top-1, published", "56.5%", "60.1%", "+3.6 points"] in rows
    assert ["receptive field, pixels", "195", "all"] in rows
    start = rows.index(["parameters by stride"])
    assert rows[start + 1 : start + 4] == [["stride 2", "464"], ["stride 4", "23,296"], ["top", "58,631,144"]]
    wide = [line for line in lines if line]
    assert max(map(len, wide)) < 80


def test_ratios_small_and_large():
    assert [networks.ratio(*pair) for pair in ((2, 1), (0, 1), (1, None), (3, 0))] == [0.5, None, None, 0.0]


# Counts as people write them


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4650000", 4_650_000),
        ("4,650,000", 4_650_000),
        ("4_650_000", 4_650_000),
        ("5M", 5_000_000),
        ("5 m", 5_000_000),
        ("600k", 600_000),
        ("1.2G", 1_200_000_000),
        ("1.001M", 1_001_000),
        ("4.1", None),
        ("1.2345k", None),
        ("1,2G", None),
        ("5MB", None),
        ("-5M", None),
        ("0", None),
        ("1e6", None),
        ("", None),
        ("٣M", None),
    ],
)
def test_a_count_is_read_or_refused(text, number):
    if number is not None:
        assert Count()(text) == number
        return
    with pytest.raises(click.BadParameter, match="is no count: write it as 4650000, 600k, 5M or 1.2G"):
        Count()(text)


@given(st.integers(1, 10**12))
def test_a_count_survives_being_written(number):
    assert Count()(str(number)) == Count()(f"{number:,}") == Count()(f"{number:_}") == number
    assert Count()(f"{number}.5k") == number * 1000 + 500


# The command


def test_the_list_is_filtered_and_sorted(tl):
    code, out, _ = tl("backbones", "--max-params", "6M", "--max-macs", "600.2M", "--sort", "top1", "--json")
    rows = json.loads(out)["backbones"]
    assert code == 0 and {"efficientnet_lite0", "efficientnet_lite1"} <= {row["name"] for row in rows}
    assert all(row["parameters"] <= 6_000_000 and row["multiply_adds"] <= 600_200_000 for row in rows)
    published = [row["top1"] or 0 for row in rows]
    assert published == sorted(published, reverse=True) and 0.767 in published
    assert tl("backbones", "--max-params", "1") == (0, "No backbone is that small.\n", "")


def test_layers_and_taps_are_printed(tl):
    code, out, err = tl("backbones", "efficientnet_test", "--layers")
    assert (code, err) == (0, "")
    assert out.startswith("layer ") and "conv 3×3 /2, norm, relu6" in out and "\nstage5      32 " in out
    code, out, _ = tl("backbones", "efficientnet_test", "--layers", "--json")
    found = json.loads(out)
    assert code == 0 and found["layers"][0].keys() == ROW.keys()
    assert found["layers"][-1]["receptive_field_pixels"] is None
    assert found["taps"][0].keys() == {"name", "stride", "channels", "receptive_field_pixels"}


def test_two_are_compared(tl):
    code, out, err = tl("backbones", "--compare", "lenet_test", "efficientnet_test")
    assert (code, err) == (0, "") and out.split()[:3] == ["lenet_test", "efficientnet_test", "ratio"]
    code, out, _ = tl("backbones", "--compare", "lenet_test", "efficientnet_test", "--json")
    found = json.loads(out)
    assert [row.keys() for row in found["backbones"]] == [vars(ALEX).keys()] * 2
    first, second = found["backbones"]
    assert found["ratio"]["multiply_adds"] == second["multiply_adds"] / first["multiply_adds"]
    assert first["stages"][0].keys() == {"stride", "channels", "parameters", "multiply_adds"}


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["--layers"], "usage_error", "--layers tells of one backbone: tlkit backbones NAME --layers."),
        (["--layers", "--sort", "name"], "usage_error", "--layers tells of one backbone"),
        (
            ["x", "--sort", "name", "--max-params", "5M"],
            "usage_error",
            "--sort and --max-params would do nothi",
        ),
        (["lenet5", "--layers", "--sort", "name"], "usage_error", "--sort would do nothing to one backbone"),
        (["lenet5", "--compare", "a", "b"], "usage_error", "nothing else: leave out NAME."),
        (
            ["--compare", "a", "b", "--layers", "--max-macs", "5M"],
            "usage_error",
            "out --layers and --max-macs.",
        ),
        (["--recommend", "mobile", "--sort", "name"], "usage_error", "stands alone: leave out --sort."),
        (["x", "--recommend", "mobile", "--compare", "a", "b"], "usage_error", "out NAME and --compare."),
        (["--recommend", "phones"], "usage_error", "'phones' is not one of 'teaching', 'small-data'"),
        (["--compare", "lenet5"], "usage_error", "Option '--compare' requires 2 arguments."),
        (["--compare", "lenet5", "lenet"], "unknown_backbone", "No backbone is called 'lenet'."),
        (["resnet5", "--layers"], "unknown_backbone", "No backbone is called 'resnet5'."),
        (["--max-macs", "many"], "usage_error", "Invalid value for '--max-macs': 'many' is no count"),
        (["--sort", "size"], "usage_error", "'size' is not one of 'top1', 'params', 'macs', 'name'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_wrong_usage_in_one_line(tl, words, kind, message):
    code, out, err = tl("backbones", *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and message in err
    failure = json.loads(tl("backbones", "--json", *words)[1])
    assert failure["error"]["kind"] == kind
