"""`tlkit weights`: its reports as JSON and as text, its options, and that nothing heavy loads for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from loopback import Loopback

from tlkit import cli
from tlkit.sets import Fetched, Fetching, File, Found, Set, Sets, Verified
from tlkit.weights import catalogue

FREE = Set(
    backbone="net50",
    name="a1_in1k",
    imagenet=True,
    top1=0.80858,
    image_size=224,
    bytes=102_540_247,
    licence="Apache-2.0",
    commercial=True,
    training_data="ImageNet-1k",
    source="https://example.org/training",
    address="https://example.org/net50.pth",
    path=None,
    kept_by=None,
)
UNSOLD = Set(
    **{
        **vars(FREE),
        **{"name": "fb", "imagenet": False, "licence": "CC-BY-NC-4.0", "commercial": False},
        **{"path": Path("/cache/net50.fb"), "kept_by": "tlkit"},
    }
)
PACKAGED = Set(**{**vars(FREE), "backbone": "lite", "path": Path("/site/lite.pth"), "kept_by": "package"})
GOT = Fetched(**vars(UNSOLD), sha256="0" * 64, error=None)
FAILED = Fetched(
    **vars(FREE), sha256=None, error={"kind": "unreachable", "message": "It is not here.", "hint": None}
)
OK = File(
    Path("/a.pth"), "ok", "package", 18_826_032, "0" * 64, ({"backbone": "lite", "name": "pypi"},), None
)
CUT = File(
    Path("/b.pth"), "damaged", "tlkit", 840, None, ({"backbone": "net50", "name": "fb"},), "It is cut."
)
STRAY = File(Path("/c.pth"), "unknown", "tlkit", 840, "1" * 64, (), "Nobody knows it.")


@pytest.fixture
def tl(capsys, tmp_path, monkeypatch):
    """A command in this process, with a cache of its own: exit code, stdout, stderr."""
    for name in ("TLKIT_HOME", "KERAS_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("TLKIT_OFFLINE", "1")

    def call(*words):
        code = cli.main(["weights", *map(str, words)])
        return code, *capsys.readouterr()

    return call


# As JSON


@pytest.mark.parametrize(
    ("result", "keys"),
    [
        (Sets((FREE,)), "schema sets more without"),
        (Fetching((GOT,)), "schema sets folder"),
        (Verified((OK,)), "schema files"),
        (Found("net50", "fb", Path("/b.pth"), "tlkit", 840), "schema backbone name path kept_by bytes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_holds_the_keys_of_the_contract(result, keys):
    assert list(json.loads(result.json())) == keys.split()


def test_rows_hold_the_keys_of_the_contract():
    keys = "backbone name imagenet top1 image_size bytes licence commercial training_data source address "
    keys += "path kept_by"
    [listed] = json.loads(Sets((UNSOLD,)).json())["sets"]
    assert list(listed) == keys.split()
    assert (listed["path"], listed["top1"], listed["kept_by"]) == ("/cache/net50.fb", 0.80858, "tlkit")
    [fetched] = json.loads(Fetching((FAILED,)).json())["sets"]
    assert list(fetched) == [*keys.split(), "sha256", "error"]
    assert fetched["error"] == {"kind": "unreachable", "message": "It is not here.", "hint": None}
    [file] = json.loads(Verified((CUT,)).json())["files"]
    assert list(file) == "path state kept_by bytes sha256 sets said".split()
    assert file["sets"] == [{"backbone": "net50", "name": "fb"}] and file["sha256"] is None


# As text


def test_sets_are_listed_with_what_imagenet_means_and_what_may_not_be_sold():
    assert Sets((FREE, UNSOLD, PACKAGED), more=1_230, without=("lenet5", "nin")).text().splitlines() == [
        "backbone  set        top-1  pixels     MB  here      licence",
        "net50     a1_in1k *  80.9%     224  102.5  –         Apache-2.0",
        "          fb         80.9%     224  102.5  yes       CC-BY-NC-4.0 !",
        "lite      a1_in1k *  80.9%     224  102.5  packaged  Apache-2.0",
        "*: what 'imagenet' means, the default.",
        "!: not for commercial use.",
        "1,230 more by name: --all lists them.",
        "No weights are published of lenet5, nin: --weights none trains them from scratch.",
    ]
    assert "imagenet" not in Sets((UNSOLD,)).text()
    assert Sets(()).text().startswith("No published weights are like that: ")
    assert (
        Sets((), without=("lenet5",)).text()
        == "lenet5 has no published weights: --weights none trains it from scratch."
    )


def test_what_was_fetched_is_told_with_its_licence_and_what_failed_with_its_reason():
    assert Fetching((GOT, FAILED), Path("/mirror")).text().splitlines() == [
        "net50 fb: CC-BY-NC-4.0, trained on ImageNet-1k, published by https://example.org/training",
        "  CC-BY-NC-4.0: not for commercial use.",
        "  102.5 MB, /cache/net50.fb",
        "net50 a1_in1k: Apache-2.0, trained on ImageNet-1k, published by https://example.org/training",
        "  Error: It is not here.",
        "1 of 2 could not be had.",
        "As a mirror: TLKIT_WEIGHTS_MIRROR=/mirror",
    ]
    assert (Fetching((GOT,)).exit_code, Fetching((GOT, FAILED)).exit_code) == (0, 1)
    assert "mirror" not in Fetching((FAILED,), Path("/mirror")).text().lower()


def test_what_to_do_is_told_of_the_first_ten():
    failed = Fetched(**{**vars(FAILED), "error": {**FAILED.error, "hint": "Do it by hand."}})
    text = Fetching((failed,) * 12).text()
    assert (text.count("It is not here."), text.count("It is not here. Do it by hand.")) == (12, 10)


def test_files_are_told_with_their_state_and_what_to_do():
    assert Verified((OK, CUT, STRAY)).text().splitlines() == [
        "ok       18.8 MB  package  lite pypi  /a.pth",
        "damaged     1 kB  tlkit    net50 fb   /b.pth",
        "unknown     1 kB  tlkit    –          /c.pth",
        "damaged: /b.pth: It is cut.",
        "unknown: /c.pth: Nobody knows it.",
        "1 of 3 damaged; nothing was removed.",
    ]
    assert [Verified(files).exit_code for files in ((OK, STRAY), (OK, CUT))] == [0, 1]
    assert Verified(()).text() == "No weights are on this machine."


# The commands


def test_sets_are_listed_and_chosen(tl):
    code, out, err = tl("ls")
    assert (code, err) == (0, "") and all(f"\n{name} " in out for name in catalogue.every())
    code, out, _ = tl("ls", "resnet50", "--licence", "MIT", "--json")
    assert code == 0 and [row["name"] for row in json.loads(out)["sets"]] == ["keras"]
    code, out, _ = tl("ls", "--all", "--here")
    assert code == 0 and {line.split()[0] for line in out.splitlines()[1:-1]} == {
        f"efficientnet_lite{number}" for number in range(3)
    }
    assert tl("ls", "lenet5")[:2] == (
        0,
        "lenet5 has no published weights: --weights none trains it from scratch.\n",
    )


def test_path_prints_the_path_alone_or_one_line_that_says_what_gets_it(tl):
    code, out, err = tl("path", "efficientnet_lite0", "--quiet")
    assert (code, err, out.count("\n")) == (0, "", 1) and Path(out.rstrip()).is_file()
    code, out, err = tl("path", "resnet50", "--weights", "tv_v1")
    assert (code, out) == (1, "")
    assert err == (
        "Error: The weights tv_v1 of resnet50 are not on this machine. "
        "Get them: tlkit weights get resnet50 --weights tv_v1\n"
    )


def test_what_cannot_be_had_ends_with_one_and_an_error_in_its_row(tl):
    code, out, _ = tl("get", "efficientnet_lite0", "resnet50", "--json")
    here, missing = json.loads(out)["sets"]
    assert code == 1 and here["error"] is None and missing["error"]["kind"] == "unreachable"
    assert missing["address"] in missing["error"]["message"] and missing["error"]["hint"]


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["ls", "resnet5"], "unknown_backbone", "Did you mean 'resnet50'?"),
        (["get"], "usage_error", "Name a backbone, or all sets of all by --all."),
        (["get", "resnet50", "--all", "--weights", "tv_v1"], "usage_error", "leave out --weights or that."),
        (["get", "resnet50", "--licence", "MIT"], "usage_error", "among the sets of --all."),
        (["get", "resnet50", "--to", __file__], "usage_error", "is a file"),
        (["get", "resnet50", "--weights", "tv_v3"], "usage_error", "no weights called 'tv_v3'. Did you mean"),
        (["get", "convnext_v2_atto"], "usage_error", "Name a set of it: --weights fcmae_ft_in1k (CC-BY-NC"),
        (["path", "lenet5"], "usage_error", "lenet5 has no published weights."),
        (["path"], "usage_error", "Missing argument 'BACKBONE'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_wrong_usage_in_one_line(tl, words, kind, message):
    code, out, err = tl(*words)
    assert (code, out, err.count("\n")) == (2, "", 1) and message in err
    assert json.loads(tl(*words, "--json")[1])["error"]["kind"] == kind


def completed(*words):
    found = ShellComplete(cli.cli, {}, "tlkit", "_TLKIT_COMPLETE").get_completions(
        list(words[:-1]), words[-1]
    )
    return [item.value for item in found]


def test_the_shell_completes_backbones_and_sets():
    assert completed("weights", "") == ["get", "ls", "path", "verify"]
    assert completed("weights", "ls", "lenet5") == ["lenet5", "lenet5_32"]
    assert completed("weights", "get", "resnet18", "resnet5") == ["resnet50", "resnet50_v2"]
    assert completed("weights", "path", "resnet50", "--weights", "tv") == [
        "tv_v2",
        "tv2_in1k",
        "tv_in1k",
        "tv_v1",
    ]
    assert completed("weights", "get", "alexnet", "googlenet", "--weights", "") == ["imagenet", "tv_v1"]
    assert completed("weights", "path", "resnet50", "--weights=tv_v") == ["tv_v2", "tv_v1"]
    assert completed("weights", "path", "--weights", "") == ["imagenet"]
    assert completed("finetune", "photos", "--backbone", "alexnet", "--weights", "") == [
        "imagenet",
        "tv_v1",
        "none",
    ]
    assert completed("finetune", "--weights", "py") == ["pypi"]  # of the default backbone
    assert completed("finetune", "--weights", "./my") == ["./my"]  # which the shell takes for a file's begin


def test_none_of_it_loads_keras(tmp_path):
    """The whole way of a file from a mirror, in a process of its own."""
    entry = catalogue.default("resnet18")
    commands = [["get", "resnet18"], ["verify"], ["path", "resnet18"], ["ls", "resnet18"]]
    with Loopback() as mirror:
        mirror.files[f"/{entry.where.path}"] = bytes(entry.bytes // 2)
        done = subprocess.run(
            [
                sys.executable,
                "-P",
                "-c",
                "import sys\nfrom tlkit.cli import main\n"
                f"codes = [main(['weights', *words, '--quiet']) for words in {commands}]\n"
                "print(codes, sorted({'keras', 'tensorflow', 'numpy'} & set(sys.modules)))",
            ],
            env=os.environ | {"TLKIT_HOME": str(tmp_path), "TLKIT_WEIGHTS_MIRROR": mirror.address},
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "[0, 0, 0, 0] []" and str(tmp_path / "weights" / entry.where.path) in lines
    assert len(mirror.downloads) == 2  # of its list of hashes, and of the file
