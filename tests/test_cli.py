"""The command line's contract, on real runs: exit codes, one object on stdout, quiet and clear stderr."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import tlkit
from tlkit import cli, recipe, shipped
from tlkit.recipe import KNOBS, Recipe

TEXTURES = Path(__file__).parent.parent / "data" / "textures"
# Keras 3.15 saves TensorFlow's variables by a call that NumPy 2 deprecates: backend/tensorflow/core.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

TLKIT = [sys.executable, "-m", "tlkit"]
PLAIN = {
    name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_", "NO_COLOR"))
}


def command(*words, cwd, **options):
    """A command in a process of its own."""
    return subprocess.run(
        [*TLKIT, *map(str, words)], cwd=cwd, capture_output=True, text=True, env=PLAIN, **options
    )


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A folder with one run in it, of the smallest backbone, fine-tuned for an epoch; and its output."""
    folder = tmp_path_factory.mktemp("work")
    words = ["--backbone", "efficientnet_test", "--weights", "none", "--epochs", "1", "--image-size", "64"]
    words += ["--unfreeze-from", "stage4"]  # else random weights are trained from scratch
    folder.joinpath("output").mkdir()
    done = command("finetune", *words, TEXTURES, "--json", cwd=folder)
    folder.joinpath("output", "stdout").write_text(done.stdout)
    folder.joinpath("output", "stderr").write_text(done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(work, monkeypatch):
    """In the folder with the run, with its predictions left as they are."""
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def tl(capsys):
    """A command in this process, where Keras has loaded already: exit code, stdout, stderr."""

    def call(*words):
        code = cli.main(list(map(str, words)))
        return code, *capsys.readouterr()

    return call


# One object on stdout


def test_a_fit_prints_one_object_and_nothing_else(work):
    result = json.loads((work / "output" / "stdout").read_text())
    assert result["schema"] == 1
    assert result["classes"] == ["brick", "grass", "gravel"]
    assert (result["train_images"], result["val_images"], result["skipped"]) == (72, 24, [])
    assert 0 <= result["val_top1_interval"][0] <= result["val_top1"] <= result["val_top1_interval"][1] <= 1
    assert result["run"] == "runs/001-efficientnet_test" and (work / result["run"]).is_dir()
    [row] = result["exports"]
    assert row["format"] == "tflite" and (work / row["path"]).stat().st_size == row["bytes"]
    assert row["refused"] is False and row["images"] == 24


def test_stderr_holds_progress_and_none_of_tensorflow(work):
    lines = (work / "output" / "stderr").read_text().splitlines()
    assert lines[0].startswith("Running on ")
    assert any(re.search(r"loss \d.*images/s$", line) for line in lines)
    strange = [
        line
        for line in lines
        if re.search(r"WARNING|INFO|Warning|[IWE]0000|oneDNN|cuda|XNNPACK|Traceback", line)
    ]
    assert strange == []


def test_evaluate_prints_one_object_that_agrees_with_the_run(here, tl):
    code, out, _ = tl("evaluate", "last", "--json")
    result, run = json.loads(out), json.loads((here / "output" / "stdout").read_text())
    assert (code, result["schema"], result["images"]) == (0, 1, 24)
    assert result["top1"] == run["val_top1"] and result["top1_interval"] == run["val_top1_interval"]
    assert result["top5"] is None
    assert sum(result["confusion"][k][k] for k in range(3)) == round(result["top1"] * 24)
    assert [row["label"] for row in result["per_class"]] == result["labels"] == ["brick", "grass", "gravel"]


def test_predict_prints_an_object_or_a_line_each_or_text(here, tl):
    photos = sorted(TEXTURES.glob("val/*/*-01.jpg"))
    code, out, _ = tl("predict", "last", *photos, "--top", "2", "--json")
    rows = json.loads(out)["predictions"]
    assert code == 0 and [row["path"] for row in rows] == list(map(str, photos))
    assert all(len(row["top"]) == 2 and row["top"][0].keys() == {"label", "probability"} for row in rows)
    code, out, _ = tl("predict", "last", *photos, "--top", "2", "--jsonl")
    assert code == 0 and [json.loads(line) for line in out.splitlines()] == rows
    code, out, _ = tl("predict", "last", *photos, "--top", "2")
    answer = r"\d+% \w+, \d+% \w+"
    assert re.fullmatch(rf"(\S+\.jpg +({answer}|none of these \({answer}\))\n){{3}}", out)


def test_predict_reports_the_unreadable_finishes_the_rest_and_ends_with_one(here, tl, tmp_path):
    (tmp_path / "empty.jpg").touch()
    photo = next(TEXTURES.glob("val/*/*.jpg"))
    code, out, _ = tl("predict", "last", tmp_path / "empty.jpg", photo, "--json")
    bad, good = json.loads(out)["predictions"]
    assert code == 1
    assert bad.keys() == {"path", "error"} and bad["path"].endswith("empty.jpg")
    assert len(good["top"]) == 3
    code, out, _ = tl("predict", "last", tmp_path / "empty.jpg", "--jsonl")
    assert code == 1 and json.loads(out)["error"]


def test_check_prints_one_object_and_strict_ends_with_one(tl, tmp_path):
    code, out, _ = tl("check", TEXTURES, "--json")
    found = json.loads(out)
    assert code == 0 and found["schema"] == 1 and {"classes", "images", "findings"} <= found.keys()
    shutil.copytree(TEXTURES / "train", tmp_path / "photos")
    (tmp_path / "photos" / "brick" / "empty.jpg").touch()
    assert tl("check", tmp_path / "photos")[0] == 0
    code, out, _ = tl("check", tmp_path / "photos", "--strict", "--html", tmp_path / "page.html", "--json")
    [row] = [row for row in json.loads(out)["findings"] if row["path"] == "brick/empty.jpg"]
    assert code == 1 and row.keys() == {"path", "kind", "detail", "related"}
    assert (tmp_path / "page.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")
    assert tlkit.check(tmp_path / "photos", strict=True).exit_code == 1


def test_backbones_lists_them_or_one(tl):
    code, out, _ = tl("backbones", "--json")
    rows = json.loads(out)["backbones"]
    keys = {"name", "family", "parameters", "total_parameters", "image_size", "top1", "licence"}
    assert code == 0 and {row["name"] for row in rows} >= {"efficientnet_lite0"} and rows[0].keys() >= keys
    code, out, _ = tl("backbones", "efficientnet_lite0", "--json")
    assert [row["name"] for row in json.loads(out)["backbones"]] == ["efficientnet_lite0"]
    code, out, err = tl("backbones", "efficientnet_lite")
    assert (code, out) == (2, "") and err.startswith(
        "Error: No backbone is called 'efficientnet_lite'. Did you"
    )


def test_recipes_are_listed_printed_and_copied(tl, tmp_path):
    code, out, _ = tl("recipes", "ls", "--json")
    assert code == 0 and [row["name"] for row in json.loads(out)["recipes"]] == list(shipped.names())
    code, out, _ = tl("recipes", "cat", "mobile-int8")
    assert (code, out) == (0, shipped.text("mobile-int8"))
    assert json.loads(tl("recipes", "cat", "mobile-int8", "--json")[1])["toml"] == out
    code, out, _ = tl("recipes", "cp", "mobile-int8", tmp_path / "mine.toml")
    assert (code, out) == (0, f"{tmp_path / 'mine.toml'}\n")
    assert (tmp_path / "mine.toml").read_text() == shipped.text("mobile-int8")
    code, out, err = tl("recipes", "cp", "mobile-int8", tmp_path / "mine.toml")
    assert (code, out) == (2, "") and "already there" in err


# The same from Python


def test_functions_return_what_commands_print(here, tl):
    photo = next(TEXTURES.glob("val/*/*.jpg"))
    assert tlkit.evaluate("last").json() + "\n" == tl("evaluate", "last", "--json")[1]
    assert (
        tlkit.predict("last", photo, top=1).json() + "\n"
        == tl("predict", "last", photo, "--top", "1", "--json")[1]
    )
    by_function = tlkit.export("last", format="keras", output="here.keras")
    by_command = json.loads(tl("export", "last", "--format", "keras", "--output", "there.keras", "--json")[1])
    differ = {"path", "sha256", "bytes"}  # a .keras file holds the time it was saved
    ours = json.loads(by_function.json())
    assert {**ours, **dict.fromkeys(differ)} == {**by_command, **dict.fromkeys(differ)}


def test_a_function_raises_what_a_command_says(tl, tmp_path):
    with pytest.raises(tlkit.TlkitError, match="There is no model at"):
        tlkit.evaluate(tmp_path / "no.keras")
    with pytest.raises(tlkit.TlkitError, match="No setting is called 'epoch'. Did you mean 'epochs'?"):
        tlkit.finetune(TEXTURES, epoch=1)
    with pytest.raises(tlkit.TlkitError, match="No backbone is called 'x'"):
        tlkit.finetune(TEXTURES, backbone="x")


# Exit codes


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["finetune", TEXTURES, "--epoch", "3"], "usage_error", "No such option '--epoch'"),
        (["finetune"], "usage_error", "Missing argument 'IMAGES'."),
        (["finetune", "nowhere"], "usage_error", "Path 'nowhere' does not exist."),
        (["finetune", TEXTURES, "--folds", "1"], "recipe_error", "folds is 1; one fold leaves no photos"),
        (["finetune", TEXTURES, "--split", "no"], "usage_error", "split is 'no', and there is no such file."),
        (["finetune", TEXTURES, "--split", "x" * 300], "usage_error", "longer than the system takes: 'xxx"),
        (["finetune", TEXTURES, "--output", "x" * 300], "usage_error", "longer than the system takes: 'xxx"),
        (["check", "nowhere"], "usage_error", "Path 'nowhere' does not exist."),
        (["check", TEXTURES, "--group", "patient"], "recipe_error", "group is 'patient'; it has to be name:"),
        (["check", TEXTURES, "--fit", "zoom"], "usage_error", "'zoom' is not one of 'stretch'"),
        (["finetune", TEXTURES, "--epochs", "-1"], "usage_error", "-1 is not in the range"),
        (["finetune", TEXTURES, "--optimizer", "x"], "usage_error", "'x' is not one of 'adamw'"),
        (["finetune", TEXTURES, "--backbone", "x"], "unknown_backbone", "No backbone is called 'x'."),
        (["finetune", TEXTURES, "--recipe", "x"], "recipe_error", "There is no recipe 'x'."),
        (
            ["finetune", TEXTURES, "--weights", "x"],
            "usage_error",
            "weights is 'x', and there is no such file, run or set of weights.",
        ),
        (
            ["finetune", TEXTURES, "--export", "none", "--export", "tflite"],
            "recipe_error",
            "none stands alone",
        ),
        (["finetune", TEXTURES, "--output", TEXTURES / "runs"], "usage_error", "inside"),
        (["evaluate", "nowhere"], "usage_error", "There is no model at nowhere."),
        (["evaluate", "last", "nowhere"], "usage_error", "Path 'nowhere' does not exist."),
        (["predict", "last", "nowhere.jpg"], "usage_error", "Path 'nowhere.jpg' does not exist."),
        (["predict", "last", __file__, "--jsonl"], "usage_error", "give one of them"),
        (["export", "nowhere"], "usage_error", "There is no model at nowhere."),
        (
            ["export", "last", "--format", "savedmodel", "--quantize", "int8"],
            "usage_error",
            "is not quantised",
        ),
        (["recipes", "cat", "nothing"], "recipe_error", "There is no recipe 'nothing'."),
    ],
    ids=lambda value: " ".join(map(str, value[:3])) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_two_and_one_object(here, tl, words, kind, message):
    code, out, err = tl(*words, "--json")
    failure = json.loads(out)
    assert (code, failure["schema"]) == (2, 1)
    assert failure["error"]["kind"] == kind and message in failure["error"]["message"]
    assert failure["error"].keys() == {"kind", "message", "hint"}
    assert "Traceback" not in err and not err.startswith("Error")


def test_json_before_the_command_is_told_where_it_stands(tl):
    code, out, _ = tl("--json", "backbones")
    assert code == 2 and json.loads(out)["error"]["hint"] == "--json stands after the command."


def test_wrong_usage_is_one_line_on_stderr(tl):
    code, out, err = tl("finetune", TEXTURES, "--epoch", "3")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"Error: No such option '--epoch'\. .*'tlkit finetune --help' tells more\.\n", err)


def test_no_command_is_help_and_wrong_usage(tl):
    code, out, err = tl()
    assert (code, out) == (2, "") and "Commands:" in err


def test_what_tlkit_cannot_do_ends_with_one_line_and_a_trace_only_under_debug(tl, tmp_path):
    (tmp_path / "bad.keras").write_bytes(b"PK no")
    code, out, err = tl("evaluate", tmp_path / "bad.keras", TEXTURES, "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("Error: ") and err.count("\n") == 1 and "bad.keras" in err
    code, out, err = tl("evaluate", tmp_path / "bad.keras", TEXTURES, "--quiet", "--debug", "--json")
    assert code == 1 and json.loads(out)["error"]["kind"] == "model_error"
    assert "Traceback" in err and "ModelError" in err


BROKEN = """
import sys
from tlkit import cli

@cli.cli.command()
@cli.spoken
def broken(as_json, told):
    {statement}

sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("{}['spam']", "tlkit failed: KeyError: 'spam'"),
        ("raise EOFError('child')", "another process ended early: EOFError('child')"),
        ("raise BrokenPipeError(32, 'Broken pipe')", "another process ended early: BrokenPipeError"),
    ],
)
def test_a_mistake_of_ours_is_owned_in_one_line(statement, said):
    def call(*words):
        code = BROKEN.format(statement=statement)
        return subprocess.run(
            [sys.executable, "-P", "-c", code, "broken", *words], capture_output=True, text=True
        )

    done = call()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and said in done.stderr and "--debug" in done.stderr
    done = call("--json", "--debug")
    assert json.loads(done.stdout)["error"]["kind"] == "internal_error"
    assert "Traceback" in done.stderr


def test_a_refused_export_is_printed_and_ends_with_three(here, tl, tmp_path):
    # float16 cannot hold weights of 1e-8: they become 0, and every photo gets the same answer.
    import keras

    model = keras.models.load_model(here / "runs" / "001-efficientnet_test" / "model.keras")
    small = keras.layers.Dense(3, "relu", name="small")
    x = keras.layers.Rescaling(1e4)(small(model.get_layer("pool").output))
    x = keras.layers.Softmax()(keras.layers.Rescaling(1e4)(keras.layers.ReLU()(x)))
    fragile = keras.Model(model.input, x)
    kernel, bias = model.get_layer("logits").get_weights()
    small.set_weights([kernel * 1e-8, (bias + 50) * 1e-8])
    fragile.save(tmp_path / "fragile.keras")
    (tmp_path / "labels.txt").write_text("brick\ngrass\ngravel\n")
    code, out, _ = tl("export", tmp_path / "fragile.keras", "--images", TEXTURES, "--json")
    result = json.loads(out)
    assert code == 3
    assert result["refused"] is True and result["top1"] < result["reference_top1"]
    assert not (tmp_path / "fragile-float16.tflite").exists()


def test_ctrl_c_ends_with_130_and_one_line(tmp_path):
    words = [
        "finetune",
        "--backbone",
        "efficientnet_test",
        "--weights",
        "none",
        "--epochs",
        "500",
        str(TEXTURES),
    ]
    running = subprocess.Popen(
        [*TLKIT, *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=PLAIN,
        # A job that a shell has put in the background inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stderr.readline().startswith("Running on ")
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "Error: Interrupted."
    assert "Traceback" not in err


# What people expect of a command


def test_quiet_says_nothing_on_the_way_and_prints_the_result(here, tl):
    code, out, err = tl("evaluate", "last", "--quiet")
    assert (code, err) == (0, "") and out.startswith("photos ")


@pytest.mark.parametrize(
    "words",
    [["recipes", "ls"], ["recipes", "cat", "mobile-int8", "--json"], ["--help"], ["nothing", "--json"]],
)
def test_a_reader_that_leaves_causes_no_noise(words, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*TLKIT, *words], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    os.close(writer)
    assert done.stderr == ""


def test_names_that_are_no_valid_text_are_printed(here, tl, tmp_path):
    path = os.path.join(tmp_path, b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))
    shutil.copy(next(TEXTURES.glob("val/*/*.jpg")), path)
    code, out, _ = tl("predict", "last", path)
    assert code == 0 and r"caf\udce9.jpg  " in out
    code, out, _ = tl("predict", "last", path, "--json")
    assert code == 0 and json.loads(out)["predictions"][0]["path"] == path


def complete(*words):
    environment = {
        **PLAIN,
        "_TLKIT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("tlkit", *words)),
        "COMP_CWORD": str(len(words)),
    }
    code = "from tlkit.cli import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True)
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_the_shell_completes_commands_options_backbones_and_recipes():
    assert complete("fin") == {"finetune"}
    assert "--learning-rate" in complete("finetune", "--l")
    assert "efficientnet_lite0" in complete("finetune", "--backbone", "eff")
    assert "efficientnet_lite0" in complete("backbones", "")
    assert complete("finetune", "--recipe", "qui") == {"quick"}
    assert complete("finetune", "--optimizer", "ad") == {"adamw", "adam"}
    environment = {**PLAIN, "_TLKIT_COMPLETE": "bash_source"}
    code = "from tlkit.cli import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True)
    assert "_tlkit_completion" in done.stdout


def test_the_version_is_the_packages(tl):
    assert tl("--version")[:2] == (0, f"tlkit, version {tlkit.__version__}\n")


# Options and help, from the one dataclass


def options(name):
    return {option.name: option for option in cli.cli.commands[name].params}


def test_every_knob_is_an_option_without_a_default_of_its_own():
    found = options("finetune")
    assert set(KNOBS) <= found.keys()
    for name, field in KNOBS.items():
        option = found[name]
        assert option.opts == [f"--{name.replace('_', '-')}"] and option.help == field.metadata["help"]
        assert option.get_default(click.Context(cli.cli.commands["finetune"])) in (None, ())


def test_the_options_of_check_are_those_of_finetune():
    ours, theirs = options("check"), options("finetune")
    for name in ("fit", "subfolders", "group", "workers"):
        assert (ours[name].opts, ours[name].help) == (theirs[name].opts, theirs[name].help)


def test_no_option_given_is_the_default_recipe(tmp_path):
    parsed = cli.cli.commands["finetune"].make_context("finetune", [str(tmp_path)]).params
    given = {name: parsed[name] for name in KNOBS}
    assert recipe.load(**{**given, "export": given["export"] or None}) == Recipe()


def test_options_reach_the_recipe(tmp_path):
    words = (
        "--epochs 3 --image-size 96 --learning-rate 1e-4 --strict --export savedmodel --export tflite".split()
    )
    parsed = cli.cli.commands["finetune"].make_context("finetune", [str(tmp_path), *words]).params
    loaded = recipe.load(
        "quick", **{name: parsed[name] for name in KNOBS if name != "export"}, export=parsed["export"]
    )
    assert (loaded.epochs, loaded.image_size, loaded.learning_rate, loaded.strict) == (3, 96, 1e-4, True)
    assert loaded.export == ("savedmodel", "tflite")


def test_help_shows_the_defaults_of_the_dataclass():
    text = " ".join(click.Context(cli.cli.commands["finetune"], info_name="finetune").get_help().split())
    for name, field in KNOBS.items():
        if isinstance(field.default, str | int | float) and not isinstance(field.default, bool):
            assert re.search(
                rf"--{name.replace('_', '-')} .*?\[default: {re.escape(str(field.default))}[;\]]", text
            )


def leaves(group, path=()):
    for name, member in group.commands.items():
        if isinstance(member, click.Group):
            yield from leaves(member, (*path, name))
        yield (*path, name), member


def example(member):
    """The last line of a command's help."""
    return member.help.strip().splitlines()[-1].strip()


def test_every_command_has_json_quiet_and_debug():
    for path, member in leaves(cli.cli):
        if not isinstance(member, click.Group):
            opts = {opt for option in member.params for opt in option.opts}
            assert {"--json", "--quiet", "--debug"} <= opts, path


EXAMPLES = {path: example(member) for path, member in [((), cli.cli), *leaves(cli.cli)]}


@pytest.mark.parametrize("path", sorted(EXAMPLES.keys() - {("finetune",), ("compare",)}), ids=" ".join)
def test_every_help_ends_in_a_command_that_runs(here, tl, path):
    photos = here / "data" / "textures"
    photos.parent.mkdir(exist_ok=True)
    if not photos.exists():
        photos.symlink_to(TEXTURES)
    words = EXAMPLES[path].split()
    assert words[: 1 + len(path)] == ["tlkit", *path]
    expanded = [name for word in words[1:] for name in (sorted(glob.glob(word)) if "*" in word else [word])]
    code, out, err = tl(*expanded)
    assert code == 0, err
    assert out.strip()


def test_the_help_of_finetune_ends_in_a_command_that_runs(tmp_path):
    shutil.copytree(TEXTURES, tmp_path / "data" / "textures")
    words = EXAMPLES["finetune",].split()
    assert words[:2] == ["tlkit", "finetune"]
    done = command(*words[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.splitlines()[-1] / "model.keras").is_file()


def test_the_help_of_compare_ends_in_a_command_that_runs(work, tl, tmp_path, monkeypatch):
    """Of two runs; the second is a copy here."""
    words = EXAMPLES["compare",].split()
    assert words[:2] == ["tlkit", "compare"] and len(words) == 4
    for run in words[2:]:
        shutil.copytree(work / "runs" / "001-efficientnet_test", tmp_path / run)
    monkeypatch.chdir(tmp_path)
    code, out, err = tl(*words[1:])
    assert (code, err) == (0, "") and "24 of 24 photos are in both." in out
