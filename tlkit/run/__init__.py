"""One function a job; what the command line prints is what these return.

A job's module loads when it is asked for: `check` and `backbones` need no TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlkit.run.checking import check
    from tlkit.run.evaluation import evaluate
    from tlkit.run.exporting import export
    from tlkit.run.finetuning import finetune
    from tlkit.run.listing import backbones, compare, layers, recommend
    from tlkit.run.prediction import predict

__all__ = [
    "backbones",
    "check",
    "compare",
    "evaluate",
    "export",
    "finetune",
    "layers",
    "predict",
    "recommend",
]

JOBS = {
    "backbones": "listing",
    "check": "checking",
    "compare": "listing",
    "evaluate": "evaluation",
    "export": "exporting",
    "finetune": "finetuning",
    "layers": "listing",
    "predict": "prediction",
    "recommend": "listing",
}


def __getattr__(name: str) -> Any:
    if name not in JOBS:
        raise AttributeError(f"module 'tlkit.run' has no attribute '{name}'")
    return getattr(import_module(f"tlkit.run.{JOBS[name]}"), name)
