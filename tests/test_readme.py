"""README is a test: its blocks run as they stand, and print what it shows (times and rates masked)."""

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from loopback import Loopback
from safetensors.numpy import save_file

from tlkit.weights import catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<note><!--[^>]*-->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
BLOCKS = [found.groupdict() for found in BLOCK.finditer(README)]

MASKS = [
    (r"[\d,.]+ images/s", "N images/s"),
    (r"loss \d\.\d+", "loss N"),
    (r"(time +).*", r"\1N"),
    (r"at most 0\.\d+ apart", "at most N apart"),
    (r"lead was 0\.\d+", "lead was N"),
    (r"\d+% (brick|grass|gravel)", r"N% \1"),
    (r"Running on .*", "Running on N"),
    (r"photos, in .*data/textures", "photos, in data/textures"),
    (r"/\S*/mirror\b", "mirror"),  # a path is printed whole
    (r" +$", ""),
]


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text, flags=re.M)
    return text.strip()


def blocks(kind: str) -> list[str]:
    return [block["text"] for block in BLOCKS if block["kind"] == kind]


@pytest.fixture(scope="module", autouse=True)
def mirror(tmp_path_factory):
    """What README's commands fetch, from a server on this machine: numbers of our own in the set's format."""
    entry = catalogue.default("resnet18")
    assert not entry.digest  # any file may be the first
    folder = tmp_path_factory.mktemp("mirror")
    (folder / entry.where.path).parent.mkdir(parents=True)
    with np.load(ROOT / "tests" / "backbones" / "golden" / "resnet18.npz") as theirs:
        names, shapes = theirs["names"].tolist(), theirs["shapes"].tolist()
    sizes = [tuple(map(int, filter(None, text.split(",")))) for text in shapes]
    rng = np.random.default_rng(0)
    numbers = {
        name: rng.random(size, "float32") if "var" in name else rng.normal(0, 0.05, size).astype("float32")
        for name, size in zip(names, sizes, strict=True)
        if size
    }
    save_file(numbers, folder / entry.where.path)
    with Loopback(folder) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_WEIGHTS_MIRROR", server.address)
        patch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("home")))
        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A scratch folder that holds data/ and in which the commands run one after the other."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "data", place / "data")
    return place


def commands(block: str) -> list[tuple[str, str]]:
    """Each `$ command` of a block with the lines that are shown below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.M)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_every_block_is_run_or_says_why_not():
    assert len(BLOCKS) >= 8
    for block in BLOCKS:
        run = block["kind"] in ("console", "python") or not block["kind"]  # no kind: a drawing of folders
        assert run or block["note"], block["text"]


def test_console_blocks_print_what_is_shown(place):
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    shown = [pair for block in blocks("console") for pair in commands(block)]
    assert len(shown) >= 5
    for command, expected in shown:
        done = subprocess.run(
            command,
            shell=True,
            cwd=place,
            env=plain | {"PATH": here},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        assert masked(done.stdout) == masked(expected), command


def test_python_blocks_print_what_is_shown(place, mirror, monkeypatch):
    """After the console blocks, whose run they use."""
    monkeypatch.chdir(place)
    assert (place / "runs").is_dir(), "the console blocks have to run before"
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    for number, block in enumerate(blocks("python")):
        test = parser.get_doctest(block, {}, f"README block {number}", "README.md", 0)
        assert test.examples
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    fetched = catalogue.default("resnet18").where.path
    asked = [request.path for request in mirror.downloads]
    assert asked == ["/SHA256SUMS", f"/{fetched}"]  # once, whoever asks again


@pytest.mark.slow  # a whole run, at 224 pixels
def test_the_headline_fetches_what_it_begins_with(place, mirror, tmp_path):
    """`tlkit finetune --backbone resnet50 photos`, with a set that any file may be of."""
    command = [
        sys.executable,
        "-m",
        "tlkit",
        "finetune",
        "--backbone",
        "resnet18",
        str(place / "data" / "textures"),
    ]
    env = {**os.environ, "TLKIT_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path = catalogue.default("resnet18").where.path
    assert (
        f"Downloading a1_in1k of resnet18 from {mirror.address}/{path}: Apache-2.0, trained on" in done.stderr
    )
    assert "is remembered from this first use" in done.stderr
    assert (tmp_path / "home" / "weights" / path).is_file()
    run = tmp_path / "runs" / "001-resnet18"
    assert json.loads((run / "run.json").read_text())["weights"]["licence"] == "Apache-2.0"
    assert (run / "export" / "resnet18-float16.tflite").is_file()


def test_ci_runs_the_readmes_own_lines():
    """.ci/run and README cannot drift: CI runs these lines out of README itself."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 2
    assert lines[0].endswith("tlkit finetune data/textures") and lines[1].endswith("pytest")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_line 1" in script and "readme_line 2" in script
    for number, line in enumerate(lines, start=1):
        printed = subprocess.run(
            ["bash", str(ROOT / ".ci" / "run"), "--print", str(number)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stdout.strip() == line


def test_every_option_that_readme_names_is_one():
    from tlkit.cli import cli

    named = set(re.findall(r"`(--[a-z-]+)", README))
    members = [cli]
    for member in members:  # groups add theirs
        members += getattr(member, "commands", {}).values()
    known = {name for command in members for option in command.params for name in option.opts}
    assert len(named) > 9 and named <= known | {"--help"}
