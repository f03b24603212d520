"""Quick starts: what must not load Keras, TensorFlow or NumPy, each in a fresh process."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = "{'keras', 'tensorflow', 'numpy'} & set(sys.modules)"


def fresh(code):
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    "module",
    [
        "tlkit",
        "tlkit.cli",
        "tlkit.cli_weights",
        "tlkit.commands",
        "tlkit.options",
        "tlkit.recipe",
        "tlkit.errors",
        "tlkit.backbones",
        "tlkit.report",
        "tlkit.networks",
        "tlkit.sets",
        "tlkit.progress",
        "tlkit.weights.fetching",
    ],
)
def test_imports_without_keras(module):
    done = fresh(f"import sys, {module}; sys.exit(bool({HEAVY}))")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "Commands:"),
        (["--version"], 0, "tlkit, version "),
        (["finetune", "--help"], 0, "--learning-rate"),
        (["finetune", "--epoch", "3", "."], 2, "Did you mean one of: '--epochs'"),
        (["finetune", "--epochs", "many", "."], 2, "'many' is not a valid integer"),
        (["finetune", "--backbone", "resnet5", "."], 2, "No backbone is called 'resnet5'."),
        (["finetune", "--unfreeze-from", "stage", "."], 2, "unfreeze_from is 'stage'"),
        (["finetune", "nowhere"], 2, "Path 'nowhere' does not exist."),
        (["predict", "last", "nowhere.jpg"], 2, "Path 'nowhere.jpg' does not exist."),
        (["finetun"], 2, "Did you mean 'finetune'?"),
        (["backbones", "--max-params", "5X"], 2, "'5X' is no count"),
        (["recipes", "ls"], 0, "quick"),
        (["weights", "ls", "resnet50"], 0, "tv_v2 *"),
        (["weights", "get", "resnet5"], 2, "Did you mean 'resnet50'?"),
    ],
)
def test_the_command_line_answers_without_keras(arguments, code, said):
    done = fresh(
        "import sys\n"
        "from tlkit.cli import main\n"
        f"code = main({arguments!r})\n"
        f"print(sorted({HEAVY}), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_photos_are_checked_without_keras():
    textures = Path(__file__).parents[1] / "data" / "textures"
    done = fresh(
        "import sys\n"
        "from tlkit.cli import main\n"
        f"code = main(['check', {str(textures)!r}, '--json'])\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_importing_tlkit_leaves_the_environment_alone():
    done = fresh(
        "import os; before = dict(os.environ); import tlkit, tlkit.cli; assert before == dict(os.environ)"
    )
    assert done.returncode == 0, done.stderr
