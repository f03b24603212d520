"""What a run says of the weights that it began with."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import save_file

import tlkit
from tlkit import backbones
from tlkit.backbones.loading import Loaded
from tlkit.run import origin
from tlkit.weights import catalogue

RUN = {"epochs": 0, "export": ("none",), "image_size": 64}


def loaded(entry, classes=1000, genuine=True, path=Path("some.pth")) -> Loaded:
    told = {
        "publisher": entry.publisher,
        "geometry": entry.geometry,
        "pixels": entry.pixels,
        "image_size": 224,
    }
    rest = {"sha256": 64 * "0", "tensors": {}, "classes": classes, "genuine": genuine}
    return Loaded(called=entry.name, path=path, entry=entry, **told, **rest)


def test_weights_that_may_not_be_sold_are_said_so():
    entry = catalogue.find("convnext_v2_atto", "fcmae_ft_in1k")
    assert origin.notes(loaded(entry)) == (
        "The weights 'fcmae_ft_in1k' stand under CC-BY-NC-4.0: no commercial use of them, nor of what is "
        "made from them.",
    )
    assert origin.notes(loaded(catalogue.default("resnet18"))) == ()


def test_a_licence_is_only_told_of_what_is_published():
    entry = catalogue.default("resnet18")
    assert origin.facts(loaded(entry))["licence"] == entry.licence
    for own in (loaded(entry, classes=37), loaded(entry, genuine=False)):
        facts = origin.facts(own)
        assert (facts["licence"], facts["training_data"], facts["source"]) == (None, None, None)
        assert (facts["name"], facts["geometry"]) == (entry.name, entry.geometry)
        assert origin.notes(own)[0] == "The licence of some.pth is not known."
    kept = catalogue.find("convnext_v2_atto", "fcmae_ft_in1k")
    assert origin.notes(loaded(kept, classes=37))[0].endswith(
        " If it was made from 'fcmae_ft_in1k', CC-BY-NC-4.0 holds for it: not for sale."
    )


def test_a_run_begins_where_another_ended(finished, textures, tmp_path, monkeypatch):
    """Its head is left out with a notice, and the licence is that of the first run's weights."""
    monkeypatch.chdir(tmp_path)
    before = json.loads((Path(finished.run) / "run.json").read_text())
    assert before["weights"] is None
    again = tlkit.finetune(
        textures, backbone="efficientnet_test", weights=str(finished.run), output="one", **RUN
    )
    model = Path(finished.run) / "model.keras"
    assert f"The head of {model}, for 3 classes, is left out." in again.notes
    told = json.loads((tmp_path / "one" / "run.json").read_text())["weights"]
    assert (told["name"], told["file"], told["licence"]) == (None, str(model), "")  # it began with nothing
    assert not [note for note in again.notes if "licence" in note]
    (tmp_path / "one" / "run.json").write_text(json.dumps({"weights": {"licence": "MIT"}}))
    assert origin.facts(backbones.pretrained("efficientnet_test", tmp_path / "one"))["licence"] == "MIT"


def test_the_newest_run_may_be_meant(textures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = tlkit.finetune(textures, backbone="efficientnet_test", weights="none", **RUN)
    second = tlkit.finetune(textures, backbone="efficientnet_test", weights="last", **RUN)
    assert f'weights = "{tmp_path / first.run}"' in (Path(second.run) / "recipe.toml").read_text()
    facts = json.loads((Path(second.run) / "run.json").read_text())["weights"]
    assert facts["file"] == f"{tmp_path / first.run}/model.keras" and len(facts["sha256"]) == 64


@pytest.mark.parametrize("weights", ["tv_v9", "nowhere.pth", "tv_v1=nowhere.pth"])
def test_what_is_not_there_is_told_before_photos_are_read(weights, textures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tlkit.errors.TlkitError, match=weights.partition("=")[2] or weights):
        tlkit.finetune(textures, backbone="resnet18", weights=weights)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # what such a file gives is held in tests/backbones/test_loading.py
def test_a_file_of_ones_own_is_begun_from(textures, tmp_path, monkeypatch):
    """Of a set's kind, and of as many classes as it has."""
    monkeypatch.chdir(tmp_path)
    trained = backbones.build("efficientnet_lite0", classes=5, weights=None, input_shape=(64, 64, 3), seed=1)
    save_file(as_timm(trained), tmp_path / "mine.safetensors")
    weights = "ra_in1k=mine.safetensors"
    done = tlkit.finetune(textures, backbone="efficientnet_lite0", weights=weights, **RUN)
    assert f"The top of {tmp_path}/mine.safetensors, for 5 classes, is left out." in done.notes
    assert f"The licence of {tmp_path}/mine.safetensors is not known." in done.notes


def as_timm(model):
    """A network's numbers as timm's `state_dict` has them."""
    from tlkit.backbones import conversion, efficientnet

    names = efficientnet.names_timm(backbones.variant(model.name), None)
    return {
        f"{names[layer.name]}.{part.suffix}": getattr(layer, part.attribute)
        .numpy()
        .transpose(sorted(range(len(part.axes)), key=part.axes.__getitem__))
        .copy()
        for layer in model.layers
        if layer.weights
        for part in conversion.TORCH.parts[type(layer)]
        if getattr(layer, part.attribute) is not None
    }
