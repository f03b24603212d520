"""What setup.cfg promises, held against the tree."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg")


def test_every_folder_with_code_is_a_package():
    listed = set(CONFIG["options"]["packages"].split())
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "tlkit").rglob("__init__.py")}
    assert listed == found | {"tlkit.recipes"}


def test_nothing_of_the_old_world_is_required():
    required = CONFIG["options"]["install_requires"] + CONFIG["options.extras_require"]["test"]
    banned = (
        "tensorflow-text",
        "tensorflow-addons",
        "tf-models",
        "tflite-support",
        "tensorflow-hub",
        "tf-keras",
    )
    assert not [name for name in banned if name in required]


def test_every_dependency_is_bounded():
    lines = [line for line in CONFIG["options"]["install_requires"].splitlines() if line and line[0] != "#"]
    assert len(lines) > 10
    for line in lines:
        assert "==" in line or ("<" in line and ">=" in line), line
