"""Make or check the small torch files in files/: what torch itself writes, for readers that have no torch.

Needs torch and nothing of tlkit (pip install torch==2.13.0):

    python tests/weights/make_files.py            # writes files/*.pth
    python tests/weights/make_files.py --check    # exit 1 if torch reads anything else from them

The numbers are those of `tensors`, which needs NumPy alone: the tests compare with them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch_by_hand

FILES = Path(__file__).resolve().parent / "files"
SHAPES = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "norm.running_mean": (4,),
    "head.weight": (5, 4),
}


def tensors() -> dict[str, np.ndarray]:
    """Halves of whole numbers, which every kind of float has exactly; turned, cut and shared by `states`."""
    numbers = iter(range(-60, 1000))
    found = {
        name: np.array([next(numbers) / 2 for _ in range(np.prod(shape))], "f4").reshape(shape)
        for name, shape in SHAPES.items()
    }
    found["norm.num_batches_tracked"] = np.array(1234567890123)
    return found


def states():
    """What is saved in each file, and whether in the format from before torch 1.6."""
    import torch

    plain = {name: torch.tensor(value) for name, value in tensors().items()}
    whole = plain["conv.weight"].to(memory_format=torch.channels_last)  # strides out of order
    shared = torch.cat([plain["conv.bias"], plain["norm.running_mean"]])
    views = plain | {"conv.weight": whole, "conv.bias": shared[:4], "norm.running_mean": shared[4:]}
    kinds = [torch.float16, torch.bfloat16, torch.float64, torch.float32]
    mixed = {
        name: value.to(kind) if value.is_floating_point() else value.int() if value.ndim else value
        for (name, value), kind in zip(plain.items(), [*kinds, None], strict=True)
    }
    mixed["head.weight"] = torch.nn.Parameter(mixed["head.weight"])
    parallel = {f"module.{name}": value for name, value in mixed.items()}
    beside = {"epoch": 90, "best": 0.7613, "name": "resnet", "resumed": None, "history": [1.5, 2]}
    optimizer = {"state": {0: {"step": 7, "momentum": torch.ones(4)}}, "param_groups": [{"lr": 0.1}]}
    half = {name: value.half() if value.is_floating_point() else value for name, value in views.items()}
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    module.load_state_dict(own())
    return {
        "archive.pth": (views, False),
        "archive-mixed.pth": (beside | {"optimizer": optimizer, "state_dict": parallel}, False),
        "archive-module.pth": (module.state_dict(), False),  # an OrderedDict with metadata
        "legacy.pth": (views, True),
        "legacy-half.pth": (half, True),
        "legacy-parameters.pth": ({"model": dict(module.named_parameters())}, True),
        "whole-module.pth": (module, False),  # to be refused
    }


def own():
    """The state of the small module, as torch wants it."""
    import torch

    return {
        "0.weight": torch.arange(6.0).reshape(3, 2),
        "0.bias": torch.arange(3.0),
        "1.weight": torch.arange(3.0) + 1,
        "1.bias": torch.arange(3.0) + 2,
        "1.running_mean": torch.arange(3.0) + 3,
        "1.running_var": torch.arange(3.0) + 4,
        "1.num_batches_tracked": torch.tensor(5),
    }


def same(one, other) -> bool:
    """Whether two things that were saved are alike, tensors by type and by every number."""
    import torch

    if isinstance(one, torch.nn.Module):
        return type(one) is type(other) and same(one.state_dict(), other.state_dict())
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.stride() == other.stride() and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other


def by_hand() -> dict[str, bytes]:
    """What no torch of today writes, but every torch reads."""
    return {"legacy-2017.pth": torch_by_hand.of_2017()}


def reads_by_hand(path: Path) -> bool:
    """Whether torch finds in it what test_torch_file.py says."""
    import torch

    found = torch.load(path, weights_only=False)
    expected = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.arange(6.0, 10.0)}
    return list(found) == list(expected) and all(torch.equal(found[key], expected[key]) for key in found)


def reads_saved(path: Path, legacy: bool) -> bool:
    """Whether torch finds in a file that `torch_by_hand.save` writes what was to be in it."""
    import torch

    numbers = tensors()
    numbers["conv.bias"] = numbers["conv.bias"].astype("f2")
    torch_by_hand.save(path, numbers, legacy)
    found = torch.load(path, weights_only=True)
    return same(found, {name: torch.from_numpy(value) for name, value in numbers.items()})


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    import torch

    FILES.mkdir(exist_ok=True)
    failed = False
    for name, (state, legacy) in states().items():
        path = FILES / name
        if given.check:
            holds = same(state, torch.load(path, weights_only=False))
            print(f"{name}: {'holds' if holds else 'has changed'}")
            failed = failed or not holds
        else:
            torch.save(state, path, _use_new_zipfile_serialization=not legacy)
            print(f"{name}: {path.stat().st_size:,} bytes")
    for name, content in by_hand().items():
        if not given.check:
            (FILES / name).write_bytes(content)
        holds = (FILES / name).read_bytes() == content and reads_by_hand(FILES / name)
        print(f"{name}: {'holds' if holds else 'has changed'}")
        failed = failed or not holds
    with tempfile.TemporaryDirectory() as folder:
        for legacy in (False, True):
            holds = reads_saved(Path(folder) / "saved.pth", legacy)
            print(
                "legacy" if legacy else "archive",
                "by hand:",
                "holds" if holds else "torch reads it otherwise",
            )
            failed = failed or not holds
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
