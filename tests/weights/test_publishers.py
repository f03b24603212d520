"""The catalogue against what publishers say of their own files: the installed Keras, torchvision and timm.

Those two are not among the tests' packages: `make_publishers.py` keeps what they say in publishers.json.
"""

import ast
import importlib
import inspect

import keras
import make_publishers
import numpy as np
import pytest
from keras.src.applications import convnext, efficientnet, efficientnet_v2, mobilenet_v3, resnet
from keras.src.utils import file_utils

from tlkit import backbones
from tlkit.weights import catalogue, entries, keras_applications, timm, torchvision

FACTS = make_publishers.load()
ENTRIES = [entry for rows in catalogue.every().values() for entry in rows]
OF = {
    publisher: {(entry.backbone, entry.name): entry for entry in ENTRIES if entry.publisher == publisher}
    for publisher in ("torchvision", "timm", "keras")
}


def family(backbone: str):
    return importlib.import_module(f"tlkit.backbones.{backbones.family(backbone)}").FAMILY


def close(pixels: entries.Pixels, mean: list[float], std: list[float]) -> bool:
    """Whether these are the statistics that a publisher gives for values from 0 to 1."""
    stated = np.array([mean, std]) * 255
    ours = np.stack([np.broadcast_to(values, 3) for values in (pixels.mean, pixels.spread)])
    return not pixels.bgr and np.allclose(ours, stated, atol=1e-6)


# Ours: rows, geometries, names.


def test_sizes_are_those_of_the_rows():
    assert catalogue.SIZES.keys() <= catalogue.every().keys()
    for backbone in catalogue.every():
        assert catalogue.image_size(backbone) == backbones.variant(backbone).image_size, backbone


def test_each_entry_is_of_a_geometry_and_a_publisher_that_its_family_has():
    for entry in ENTRIES:
        assert entry.geometry in backbones.variant(entry.backbone).geometries, entry
        assert entry.publisher in family(entry.backbone).names, entry


def test_a_network_is_built_in_the_geometry_of_its_default_weights():
    """Where no other is asked for, random weights too start in the network that published ones are of."""
    for backbone, rows in catalogue.every().items():
        assert rows[0].geometry == backbones.variant(backbone).geometries[0], backbone


# torchvision


def test_all_of_torchvision_s_files_are_listed():
    versions = {"IMAGENET1K_V1": "tv_v1", "IMAGENET1K_V2": "tv_v2"}
    stated = {
        (network, versions[version])
        for network, version in (name.split(".") for name in FACTS["torchvision"])
    }
    assert OF["torchvision"].keys() == stated


def test_torchvision_s_files_are_as_it_says():
    for name, said in FACTS["torchvision"].items():
        network, _, version = name.partition(".")
        entry = OF["torchvision"][network, f"tv_v{version[-1]}"]
        assert entry.where.address == said["url"]
        assert said["url"].endswith(f"-{entry.digest.removeprefix('sha256:')}.pth")
        assert entry.top1 == pytest.approx(said["top1"] / 100, abs=1e-9)
        assert entry.bytes == round(said["mebibytes"] * 2**20)
        assert entry.image_size == said["crop"] and entry.crop == said["crop"] / said["resize"]
        assert entry.interpolation == said["interpolation"]
        if network in {"googlenet", "inception_v3"}:  # by transform_input they see values from −1 to 1
            assert entry.pixels == entries.CENTRED
        else:
            assert close(entry.pixels, said["mean"], said["std"]), name


@pytest.mark.parametrize(
    ("network", "beside"),
    # Numbers of auxiliary classifiers, without moving statistics: GoogLeNet's are not in torchvision's count.
    [("googlenet", 0), ("inception_v3", 27_161_264 - 23_834_568)],
)
def test_torchvision_counts_auxiliary_classifiers(network, beside):
    assert FACTS["torchvision"][f"{network}.IMAGENET1K_V1"]["parameters"] == (
        backbones.variant(network).parameters + beside
    )


def test_torchvision_s_networks_have_as_many_numbers_as_ours():
    for name, said in FACTS["torchvision"].items():
        network = name.partition(".")[0]
        if network != "inception_v3":
            assert counted(network, OF["torchvision"][network, "tv_v1"].geometry, said["parameters"]), name


# timm


def test_all_of_timm_s_sets_are_listed():
    assert {file for file, *_ in timm.FILES} == FACTS["timm"].keys()
    assert len(timm.FILES) == len(OF["timm"]) == 209
    assert timm.NETWORKS.keys() == {name.partition(".")[0] for name in FACTS["timm"]}


def of_timm(name: str) -> entries.Weights:
    network, _, tag = name.partition(".")
    return OF["timm"][timm.NETWORKS[network][0], timm.called(network, tag)]


def test_timm_s_sets_are_as_it_says():
    licences = {"apache-2.0": "Apache-2.0", "bsd-3-clause": "BSD-3-Clause", "cc-by-nc-4.0": "CC-BY-NC-4.0"}
    for name, said in FACTS["timm"].items():
        entry = of_timm(name)
        if said["hub"]:
            assert entry.where.repository == said["hub"] and said["file"] is None
        else:
            assert entry.where.address == said["url"]
        assert entry.licence == licences[said["licence"]], name
        assert close(entry.pixels, said["mean"], said["std"]), name


# Measured by timm at 300 and 380 pixels alone; the official card's figures are at 280 and 300, our sizes.
BY_THE_CARD = {"tf_efficientnet_lite3.in1k": (280, 0.798), "tf_efficientnet_lite4.in1k": (300, 0.815)}


def test_timm_s_figures_are_those_nearest_to_the_backbone_s_own_size():
    for name, said in FACTS["timm_figures"].items():
        entry = of_timm(name)
        if name in BY_THE_CARD:
            assert (entry.image_size, entry.top1) == BY_THE_CARD[name]
            continue
        own = catalogue.image_size(entry.backbone)
        # Of two sizes as far away, the larger.
        size, top1, crop, interpolation = min(said["measured"], key=lambda row: (abs(row[0] - own), -row[0]))
        assert (entry.image_size, entry.interpolation) == (size, interpolation), name
        assert entry.top1 == pytest.approx(top1 / 100, abs=1e-9) and entry.crop == crop, name


def counted(backbone: str, geometry: str, parameters: int) -> bool:
    """Whether a network has as many numbers to train as ours; a row counts those of its first geometry."""
    row = backbones.variant(backbone)
    if geometry == row.geometries[0]:
        return row.parameters == parameters
    return abs(row.parameters / parameters - 1) < 0.002  # biases, and how normalisations are shared


def test_timm_s_networks_are_ours():
    for network, (backbone, geometry, megabytes) in timm.NETWORKS.items():
        said = FACTS["timm_networks"][network]
        constants = family(backbone).geometries[geometry]
        assert counted(backbone, geometry, said["parameters"]), network
        assert said["epsilon"] in ([], [constants.epsilon]), network
        assert (constants.padding == "tensorflow") == said["tensorflow"], network
        assert megabytes == pytest.approx(4 * (said["parameters"] + said["statistics"]) / 1e6, abs=0.05)


# Keras


def stated_by_keras() -> dict[str, tuple[str, str]]:
    """What the installed Keras fetches with a top: file → address and hash."""
    found = {}
    for module, end in (
        (resnet, "_weights_tf_dim_ordering_tf_kernels.h5"),
        (convnext, ".h5"),
    ):
        for name, (with_top, _) in module.WEIGHTS_HASHES.items():
            found[f"{name}{end}"] = (f"{module.BASE_WEIGHTS_PATH}{name}{end}", with_top)
    for name, (with_top, _) in efficientnet.WEIGHTS_HASHES.items():
        file = f"efficientnet{name}.h5"
        found[file] = (f"{efficientnet.BASE_WEIGHTS_PATH}{file}", with_top)
    for name, (with_top, _) in efficientnet_v2.WEIGHTS_HASHES.items():
        file = f"efficientnetv2-{name.removeprefix('-')}.h5"
        found[file] = (f"{efficientnet_v2.BASE_WEIGHTS_PATH}{file}", with_top)
    for name, (with_top, _) in mobilenet_v3.WEIGHTS_HASHES.items():
        file = f"weights_mobilenet_v3_{name}.h5"
        found[file] = (f"{mobilenet_v3.BASE_WEIGHT_PATH}{file}", with_top)
    for name in ("vgg16", "vgg19", "inception_v3", "xception", "densenet"):
        module = importlib.import_module(f"keras.src.applications.{name}")
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "get_file":
                hashes = [keyword.value.value for keyword in call.keywords if keyword.arg == "file_hash"]
                found[call.args[0].value] = (getattr(module, call.args[1].id), *hashes)
    return found


def test_keras_s_files_are_where_the_installed_keras_fetches_them():
    stated = stated_by_keras()
    without = {key for key, entry in OF["keras"].items() if not entry.digest}
    assert {backbone for backbone, _ in without} == {
        name for name in catalogue.every() if name.startswith(("mobilenet_v1", "mobilenet_v2"))
    }
    for key in OF["keras"].keys() - without:
        entry = OF["keras"][key]
        file = entry.where.address.rpartition("/")[2]
        assert (entry.where.address, entry.digest.partition(":")[2]) == stated.pop(file), file
    # What is left has no top, or no function in keras.applications.
    assert {file for file in stated if "_notop" not in file} == {
        f"{name}_weights_tf_dim_ordering_tf_kernels.h5" for name in ("resnext50", "resnext101")
    }


class Asked(Exception):
    """Instead of a download."""


# The others' hashes say already which file is meant.
@pytest.mark.parametrize(
    "backbone", [backbone for (backbone, _), entry in sorted(OF["keras"].items()) if not entry.digest]
)
def test_keras_asks_for_that_file(monkeypatch, backbone):
    def asked(file, address, **settings):
        raise Asked(file, address, settings.get("file_hash"))

    monkeypatch.setattr(file_utils, "get_file", asked)
    function, options = keras_applications.NETWORKS[backbone]
    with pytest.raises(Asked) as caught:
        getattr(keras.applications, function)(weights="imagenet", **options)
    address = OF["keras"][backbone, "keras"].where.address
    assert caught.value.args == (address.rpartition("/")[2], address, None)


def test_keras_has_each_function_with_its_options():
    assert keras_applications.NETWORKS.keys() == {backbone for backbone, _ in OF["keras"]}
    for function, options in keras_applications.NETWORKS.values():
        assert options.keys() <= inspect.signature(getattr(keras.applications, function)).parameters.keys()


def test_figures_of_mobilenet_v3_are_those_of_its_docstring():
    rows = [
        line.strip("| \n").split("|") for line in mobilenet_v3.BASE_DOCSTRING.splitlines() if "_224 " in line
    ]
    stated = {row[0].strip(): float(row[3]) for row in rows}
    names = {
        f"mobilenet_v3_{size}{ours}": f"mobilenet_v3_{size}{theirs}_224"
        for size in ("small", "large")
        for ours, theirs in (("", "_1.0"), ("_075", "_0.75"), ("_minimalistic", "_minimalistic_1.0"))
    }
    assert len(stated) == 6
    for ours, theirs in names.items():
        assert OF["keras"][ours, "keras"].top1 == pytest.approx(stated[theirs] / 100, abs=1e-9)


def test_keras_s_pixels_are_what_its_functions_do():
    photo = np.array([[[[0.0, 127.5, 255.0], [10.0, 20.0, 30.0]]]])
    for backbone, module in (
        ("vgg16", "vgg16"), ("vgg19", "vgg19"), ("resnet50", "resnet"), ("resnet50_v2", "resnet_v2"),
        ("inception_v3", "inception_v3"), ("xception", "xception"), ("densenet121", "densenet"),
        ("mobilenet_v1", "mobilenet"), ("mobilenet_v2", "mobilenet_v2"),
    ):  # fmt: skip
        pixels = OF["keras"][backbone, "keras"].pixels
        theirs = getattr(keras.applications, module).preprocess_input(photo.copy())
        ours = (photo - pixels.mean) / pixels.spread
        assert np.allclose(ours[..., ::-1] if pixels.bgr else ours, theirs, atol=1e-5), backbone


# All

# A file of torchvision's in half precision, and those with auxiliary classifiers.
OTHERS = {("wide_resnet50_2", "tv_v1"): 0.5, ("googlenet", "tv_v1"): 1.96, ("inception_v3", "tv_v1"): 1.14}


def test_bytes_are_about_four_a_number():
    for entry in ENTRIES:
        numbers = backbones.variant(entry.backbone).total_parameters
        share = OTHERS.get((entry.backbone, entry.name), 1.0)
        assert entry.bytes == pytest.approx(share * 4 * numbers, rel=0.02), entry


def test_each_publisher_s_table_is_in_the_catalogue():
    for publisher in (torchvision, timm, keras_applications):
        assert set(publisher.entries()) <= set(ENTRIES)
