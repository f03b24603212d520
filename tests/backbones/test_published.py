"""Files of torchvision and timm, in their formats, by the public way: their networks answer alike."""

import cases
import keras
import numpy as np
import pytest
from make_golden import GOLDEN, picture, sample
from published import entry_of, form, forms, write, write_h5
from test_parity import drawn, filled

from tlkit import backbones
from tlkit.errors import UsageError, WeightsError
from tlkit.weights import catalogue

CASES = {name: case for name, case in cases.load().items() if entry_of(case)}
TWINS = {name: twin for name, twin in cases.twins().items() if entry_of(twin)}
LITE = ("efficientnet", "efficientnet-lite-pytorch", "tensorflow")  # real weights, in test_efficientnet.py

every = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * case.slow) for name, case in CASES.items()]
)


def test_every_form_of_the_catalogue_is_proven():
    proven = {form(entry_of(case)) for case in [*CASES.values(), *TWINS.values()]}
    assert proven | {LITE} == forms()
    assert len(proven) > 30


def loaded(case, weights, size, **options):
    """Our network with the weights of a file; its geometry is the entry's."""
    given = {key: value for key, value in case.options.items() if key != "geometry"}
    return backbones.build(
        case.backbone,
        weights=weights,
        classifier_activation=None,
        dropout=0.0,
        input_shape=(size, size, 3),
        **given,
        **options,
    )


def check_pixels(model, entry, photo):
    """What comes out of the first layer is what the entry's statistics make of the photo."""
    expected = (photo - np.array(entry.pixels.mean)) / np.array(entry.pixels.spread)
    np.testing.assert_allclose(model.get_layer("normalise")(photo), expected, rtol=1e-5, atol=1e-5)


@every
def test_agrees(name, golden, tmp_path):
    case, theirs, entry = CASES[name], golden(name), entry_of(CASES[name])
    tensors = drawn(theirs, case.gain)
    weights = write(entry, tensors, tmp_path)
    own = backbones.variant(case.backbone).image_size
    for size in case.sizes:
        photo = picture(size)[None].astype("float32")
        # With a dense layer over a map's places a file is for one size alone.
        if size == own or backbones.family(case.backbone) not in ("alexnet", "vgg"):
            model = loaded(case, weights, size)
            check_pixels(model, entry, photo)
        else:
            model = filled(case, tensors, input_shape=(size, size, 3))
        # From there on: the golden files were made with one statistic for all.
        centred = (photo - case.pixels[0]) / case.pixels[1]
        taps = keras.Model(
            model.get_layer("normalise").output, [model.get_layer(tap).output for tap in case.taps]
        )
        for tap, value in zip(case.taps, taps(centred), strict=True):
            expected = theirs[f"{size}/{tap}"]
            assert expected.std() > 0.1, (size, tap)  # a dead output would agree with anything
            found = sample(value.numpy())
            assert found.shape == expected.shape, (size, tap)
            assert abs(found - expected).max() <= 1e-4 * abs(expected).max(), (size, tap)


def test_heads_that_are_not_asked_for_are_left_in_the_file(golden, tmp_path):
    """GoogLeNet's file has two auxiliary classifiers; Inception-v3's, which has one, is among the cases."""
    case, theirs = CASES["googlenet_auxiliary"], golden("googlenet_auxiliary")
    weights = write(entry_of(case), drawn(theirs, case.gain), tmp_path)
    size = case.sizes[1]
    model = loaded(case._replace(options={}), weights, size, include_preprocessing=False)
    found, expected = (
        sample(model((picture(size)[None] - 127.5) / 127.5).numpy()),
        theirs[f"{size}/top_logits"],
    )
    assert expected.std() > 0.1 and abs(found - expected).max() <= 1e-4 * abs(expected).max()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The smallest that three publishers have, each in a geometry of its own: torchvision's tensors of it."""
    with np.load(GOLDEN / "mobilenet_v3_small_torchvision.npz") as theirs:
        tensors = drawn(dict(theirs), 1.0)
    return tensors, tmp_path_factory


NAME = "mobilenet_v3_small"
FILE = next(entry for entry in catalogue.entries(NAME) if entry.publisher == "torchvision")


def test_halves_become_what_they_are(small):
    """As the files of Wide ResNet's first weights are stored."""
    tensors, folders = small
    halves = {
        name: value.astype("f2") if value.dtype == np.float32 else value for name, value in tensors.items()
    }
    model = backbones.build(NAME, weights=write(FILE, halves, folders.mktemp("halves")))
    dense = model.get_layer("top_logits")
    np.testing.assert_array_equal(dense.kernel.numpy(), halves["classifier.3.weight"].T.astype("f4"))
    np.testing.assert_array_equal(dense.bias.numpy(), halves["classifier.3.bias"].astype("f4"))
    stem = model.get_layer("stem_conv_norm").moving_variance.numpy()
    np.testing.assert_array_equal(stem, halves["features.0.1.running_var"].astype("f4"))
    assert (stem != tensors["features.0.1.running_var"]).any()


def test_another_count_of_classes_is_for_another_top(small):
    tensors, folders = small
    ten = {
        **tensors,
        "classifier.3.weight": np.ones((10, 1024), "f4"),
        "classifier.3.bias": np.ones(10, "f4"),
    }
    weights = write(FILE, ten, folders.mktemp("ten"))
    with pytest.raises(WeightsError) as caught:
        backbones.build(NAME, weights=weights)
    path = weights.partition("=")[2]
    text = f"{path} holds a top of 10 classes; the published one of {NAME} has 1,000."
    assert caught.value.message == text and "include_top=False" in caught.value.hint
    model = backbones.build(NAME, weights=weights, include_top=False)
    kernel = model.get_layer("last_conv").kernel.numpy()
    np.testing.assert_array_equal(kernel[0, 0], tensors["features.12.0.weight"][:, :, 0, 0].T)
    without = {name: value for name, value in tensors.items() if not name.startswith("classifier.3.")}
    weights = write(FILE, without, folders.mktemp("none"))
    with pytest.raises(WeightsError, match="holds no top; the published one of mobilenet_v3_small has 1,000"):
        backbones.build(NAME, weights=weights)


def test_a_wrong_pairing_cannot_be_made(small, golden):
    """Geometry and pixels are the entry's: no option changes them, and no other entry takes the file."""
    tensors, folders = small
    folder = folders.mktemp("pairing")
    weights = write(FILE, tensors, folder)
    path = weights.partition("=")[2]
    with pytest.raises(UsageError) as caught:
        backbones.build(NAME, weights=weights, geometry="tensorflow")
    assert str(caught.value).startswith(
        f"{NAME}: the weights '{FILE.name}' fit the geometry 'torchvision', not 'tensorflow'."
    )
    keras_file = folder / "weights.h5"
    write_h5(keras_file, [("Conv", {"Conv/kernel:0": np.ones((3, 3, 3, 16), "f4")})])
    tensors = drawn(golden("mobilenet_v3_small"), 1.0)
    theirs = write(catalogue.find(NAME, "tf_in1k"), tensors, folder).partition("=")[2]
    for weights, text in (
        (f"keras={path}", f"{path} is a file with tensors in PyTorch's order, and 'keras' is none."),
        (f"{FILE.name}={keras_file}", f"{keras_file} is a Keras weights file, and '{FILE.name}' is none."),
        (f"tf_in1k={path}", f"{path} is no file of {NAME}'s 'tf_in1k': it has no layer 'conv_stem'"),
        (f"{FILE.name}={theirs}", f"{theirs} is no file of {NAME}'s '{FILE.name}': it has no layer"),
    ):
        with pytest.raises(WeightsError) as caught:
            backbones.build(NAME, weights=weights)
        assert text in caught.value.message and "\n" not in str(caught.value)
