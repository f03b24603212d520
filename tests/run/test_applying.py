"""Settings that would do nothing are refused before anything is read."""

import pytest

import tlkit
from tlkit import classifier, recipe
from tlkit.errors import UsageError
from tlkit.run import applying, normalising

SCRATCH = {"weights": "none"}
UNFROZEN = {"weights": "none", "unfreeze_from": "stage1"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"mixup": 0.4, "epochs": 0},
            "mixup is 0.4 and epochs is 0: nothing is trained but the head, on features. Leave --mixup",
        ),
        ({"cutmix": 1, "epochs": 0}, "cutmix is 1.0 and epochs is 0"),
        ({"erase": 0.3, "epochs": 0}, "erase is 0.3 and epochs is 0"),
        ({"drop_path": 0.1, "epochs": 0}, "drop_path is 0.1 and epochs is 0.* Leave --drop-path away"),
        ({"batch_norm": "train", "epochs": 0}, "batch_norm is train and epochs is 0: no stage is unfrozen"),
        ({"drop_path": 0.1, "unfreeze_from": "none"}, "drop_path is 0.1 and unfreeze_from is none"),
        ({"batch_norm": "train", "unfreeze_from": "none"}, "batch_norm is train and unfreeze_from is none"),
        ({"mixup": 0.4, "batch_size": 1}, "mixup is 0.4 and batch_size is 1: .* --batch-size 2 or more"),
        (
            {"batch_norm": "recalibrate", **SCRATCH},
            "batch_norm is recalibrate, and from scratch .* has to learn",
        ),
        ({"batch_norm": "inference", **SCRATCH}, "batch_norm is inference, and from scratch .* has to learn"),
        (
            {"drop_path": 0.1, "backbone": "lenet5", **SCRATCH},
            "lenet5: drop_path would do nothing: it has no residual branches. Leave --drop-path away",
        ),
    ],
    ids=str,
)
def test_a_setting_that_cannot_apply_is_refused_in_one_line(settings, told):
    with pytest.raises(UsageError, match=told) as caught:
        applying.check(recipe.load(**settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mixup": 0.4, "unfreeze_from": "none"},  # a head is trained too
        {"batch_norm": "recalibrate", "epochs": 0},
        {"batch_norm": "train", **SCRATCH},
        {"batch_norm": "inference", "unfreeze_from": "stage4", **SCRATCH},
        {"drop_path": 0.1, "backbone": "simple_resnet_test", **SCRATCH},
    ],
    ids=str,
)
def test_one_that_applies_is_not(settings):
    applying.check(recipe.load(**settings))


def test_a_run_refuses_before_it_reads_photos_or_weights(tmp_path, few):
    """Nothing that was asked for is there: neither the weights nor a package."""
    for settings, told in (
        ({"mixup": 0.4, "epochs": 0}, "mixup is 0.4 and epochs is 0"),
        ({"drop_path": 0.1, "backbone": "mobilenet_v1"}, "mobilenet_v1: drop_path would do nothing"),
    ):
        with pytest.raises(UsageError, match=told):
            tlkit.finetune(few, output=tmp_path / "run", **settings)
        assert not (tmp_path / "run").exists()


def test_too_few_photos_to_choose_on_are_told_as_the_reason(few, tmp_path):
    for path in sorted(few.rglob("*.jpg")):
        if not path.stem.endswith(("01", "02")):
            path.unlink()
    with pytest.raises(UsageError, match="mixup is 0.4 and epochs is 0: .* or add photos: two of each class"):
        tlkit.finetune(few, output=tmp_path / "run", backbone="lenet_test", mixup=0.4, **UNFROZEN)


def resolved(name: str, **settings):
    given = recipe.load(backbone=name, unfreeze_from="stage1", **SCRATCH, **settings)
    model = classifier.build(name, "ab", weights=None, drop_path=given.drop_path)
    applying.check_dropped(given, model)
    return normalising.resolved(given, model).batch_norm


def test_what_a_network_lacks_is_refused_and_its_mode_written_down():
    for mode in ("train", "recalibrate"):
        with pytest.raises(UsageError, match=f"batch_norm is {mode}, and lenet_test has no batch norm"):
            resolved("lenet_test", batch_norm=mode)
    assert resolved("lenet_test") is None
    assert resolved("resnet_cifar_test") == "inference"
    assert resolved("resnet_cifar_test", batch_norm="train") == "train"
    scratch = recipe.load(backbone="resnet_cifar_test", **SCRATCH)
    model = classifier.build("resnet_cifar_test", "ab", weights=None)
    assert normalising.resolved(scratch, model).batch_norm == "train"


def test_branches_that_no_trained_stage_has_are_none_to_drop():
    model = classifier.build("mobilenet_v3_test", "ab", weights=None, drop_path=0.2)
    given = {"backbone": "mobilenet_v3_test", "drop_path": 0.2, **SCRATCH}
    applying.check_dropped(recipe.load(unfreeze_from="stage4", **given), model)
    with pytest.raises(UsageError, match="mobilenet_v3_test has no residual branch from stage5 on.* earlier"):
        applying.check_dropped(recipe.load(unfreeze_from="stage5", **given), model)
