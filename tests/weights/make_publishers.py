"""Make or check publishers.json: what torchvision and timm say of their own weights.

Needs torch and its networks and nothing of tlkit: the environment of tests/backbones/make_golden.py.

    python tests/weights/make_publishers.py --results FILE    # writes publishers.json
    python tests/weights/make_publishers.py --check           # exit 1 if a package says otherwise by now

Facts alone are kept: addresses, sizes, figures and licences of the entries' files, and of timm's networks
how many numbers they hold, the epsilon of their normalisations and how they pad. timm's figures are in no
package: FILE is results/results-imagenet.csv of github.com/huggingface/pytorch-image-models, and `COMMIT`
the last one that changed it. Without FILE they stay as they are.
"""

import argparse
import csv
import importlib.metadata
import json
import sys
from pathlib import Path

GOLDEN = Path(__file__).with_name("publishers.json")
ROOT = Path(__file__).resolve().parents[2]
COMMIT = "4e5207c7bb6592474ca56e28b2cf85be8f1a550f"  # of 30 October 2025

# The networks that INDEX has too, as their publishers call them.
TORCHVISION = """
    alexnet vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn googlenet inception_v3 resnet18
    resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d
    wide_resnet50_2 densenet121 densenet161 densenet169 densenet201 mobilenet_v2 mobilenet_v3_small
    mobilenet_v3_large efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4
    efficientnet_b5 efficientnet_b6 efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l
    convnext_tiny convnext_small convnext_base convnext_large
""".split()
TIMM = """
    vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn inception_v3 legacy_xception resnet18
    resnet34 resnet50 resnet101 resnet152 resnetv2_50 resnetv2_101 resnetv2_152 resnext50_32x4d
    resnext101_32x8d resnext101_64x4d seresnet50 wide_resnet50_2 densenet121 densenet161 densenet169
    densenet201 mobilenetv1_100 mobilenetv2_035 mobilenetv2_050 mobilenetv2_075 mobilenetv2_100
    mobilenetv2_140 mobilenetv3_large_075 mobilenetv3_large_100 mobilenetv3_small_075
    mobilenetv3_small_100 tf_mobilenetv3_large_075 tf_mobilenetv3_large_100
    tf_mobilenetv3_large_minimal_100 tf_mobilenetv3_small_075 tf_mobilenetv3_small_100
    tf_mobilenetv3_small_minimal_100 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3
    efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7 tf_efficientnet_b0 tf_efficientnet_b1
    tf_efficientnet_b2 tf_efficientnet_b3 tf_efficientnet_b4 tf_efficientnet_b5 tf_efficientnet_b6
    tf_efficientnet_b7 efficientnet_lite0 efficientnet_lite1 efficientnet_lite2 efficientnet_lite3
    efficientnet_lite4 tf_efficientnet_lite0 tf_efficientnet_lite1 tf_efficientnet_lite2
    tf_efficientnet_lite3 tf_efficientnet_lite4 tf_efficientnetv2_b0 tf_efficientnetv2_b1
    tf_efficientnetv2_b2 tf_efficientnetv2_b3 tf_efficientnetv2_s tf_efficientnetv2_m tf_efficientnetv2_l
    convnext_atto convnext_femto convnext_pico convnext_nano convnext_tiny convnext_small convnext_base
    convnext_large convnext_xlarge convnextv2_atto convnextv2_femto convnextv2_pico convnextv2_nano
    convnextv2_tiny convnextv2_small convnextv2_base convnextv2_large convnextv2_huge
""".split()


def of_torchvision() -> dict[str, dict]:
    """Every ImageNet classifier of its enumerations."""
    from torchvision.models import get_model_weights

    found = {}
    for network in TORCHVISION:
        for weights in get_model_weights(network):
            figures = weights.meta["_metrics"].get("ImageNet-1K", {})
            if not figures or figures["acc@1"] != figures["acc@1"]:  # VGG16's features: not a number
                continue
            seen = weights.transforms()
            found[f"{network}.{weights.name}"] = {
                "url": weights.url,
                "top1": figures["acc@1"],
                "mebibytes": weights.meta["_file_size"],
                "parameters": weights.meta["num_params"],
                "crop": seen.crop_size[0],
                "resize": seen.resize_size[0],
                "mean": seen.mean,
                "std": seen.std,
                "interpolation": seen.interpolation.value,
            }
    return found


def of_timm() -> dict[str, dict]:
    """Every set of 1000 classes that timm knows of these networks."""
    from timm.models import get_pretrained_cfg, list_pretrained

    found = {}
    for name in list_pretrained():
        said = get_pretrained_cfg(name)
        if name.partition(".")[0] in TIMM and said.num_classes == 1000:
            found[name] = {
                "hub": said.hf_hub_id,
                "file": said.hf_hub_filename,
                "url": None if said.hf_hub_id else said.url,
                "licence": said.license,
                "mean": list(said.mean),
                "std": list(said.std),
                "interpolation": said.interpolation,
                "size": said.input_size[-1],
                "crop": said.crop_pct,
                "test_size": said.test_input_size[-1] if said.test_input_size else None,
                "test_crop": said.test_crop_pct,
            }
    return found


def networks() -> dict[str, dict]:
    """What timm's networks are, without their numbers."""
    import timm
    import torch

    found = {}
    for name in TIMM:
        with torch.device("meta"):
            model = timm.create_model(name)
        norms = [module for module in model.modules() if hasattr(module, "eps")]
        # Those that pad as TensorFlow does have a convolution of their own; Xception's pools say it too.
        tensorflow = any("Same" in type(module).__name__ for module in model.modules())
        found[name] = {
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "statistics": sum(value.numel() for value in model.buffers() if value.dim()),
            "epsilon": sorted({module.eps for module in norms}),
            "tensorflow": tensorflow,
        }
    return found


def of_results(path: Path, names: dict[str, dict]) -> dict[str, dict]:
    """timm's own measurements of these sets: size, top-1 in per cent, crop and interpolation of each."""
    found: dict[str, dict] = {name: {"measured": []} for name in names}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["model"] in found:
                figure = [int(row["img_size"]), float(row["top1"]), float(row["crop_pct"])]
                found[row["model"]]["measured"].append([*figure, row["interpolation"]])
    return found


def text(facts: dict[str, dict]) -> str:
    """JSON, a line for each file or network, so that a change can be read; `load` is the way back."""
    parts = []
    for part, rows in facts.items():
        columns = list(next(iter(rows.values())))
        lines = [f"{_line('columns')}:{_line(columns)}"]
        lines += [f"{_line(name)}:{_line(list(row.values()))}" for name, row in rows.items()]
        parts.append(f"{_line(part)}:{{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def load() -> dict[str, dict[str, dict]]:
    """The facts by part, name and column."""
    found = json.loads(GOLDEN.read_text())
    return {
        part: {
            name: dict(zip(rows["columns"], row, strict=True))
            for name, row in rows.items()
            if name != "columns"
        }
        for part, rows in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, help="timm's results-imagenet.csv")
    parser.add_argument("--tools", type=Path, default=ROOT.parent / "shared" / "tools")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    chosen = parser.parse_args()
    sys.path.insert(0, str(chosen.tools))
    import torchvision_on_cpu  # noqa: F401  (before torchvision and timm)

    sets = of_timm()
    known = load() if GOLDEN.exists() else {}
    figures = of_results(chosen.results, sets) if chosen.results else known["timm_figures"]
    facts = {
        "from": {
            "torchvision": {"version": importlib.metadata.version("torchvision")},
            "timm": {"version": importlib.metadata.version("timm")},
            "results-imagenet.csv": {"version": COMMIT},
        },
        "torchvision": of_torchvision(),
        "timm": sets,
        "timm_networks": networks(),
        "timm_figures": figures,
    }
    made = text(facts)
    if not chosen.check:
        GOLDEN.write_text(made)
        return 0
    if made == GOLDEN.read_text():
        return 0
    for part, rows in facts.items():
        for name in sorted(rows.keys() | known[part].keys()):
            if rows.get(name) != known[part].get(name):
                print(f"{part}: {name} was {known[part].get(name)}, is {rows.get(name)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
