"""One function a job; what the command line prints is what these return.

A job's module loads when it is asked for: `check` and what lists or gets weights need no TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlkit.run.checking import check
    from tlkit.run.evaluation import evaluate
    from tlkit.run.exporting import export
    from tlkit.run.finetuning import finetune
    from tlkit.run.getting import find_weights, get_weights, list_weights, verify_weights
    from tlkit.run.listing import backbones, compare, layers, recommend
    from tlkit.run.prediction import predict
    from tlkit.run.sweeping import find_rate
    from tlkit.run.versus import compare_runs

__all__ = [
    "backbones",
    "check",
    "compare",
    "compare_runs",
    "evaluate",
    "export",
    "find_rate",
    "find_weights",
    "finetune",
    "get_weights",
    "layers",
    "list_weights",
    "predict",
    "recommend",
    "verify_weights",
]

JOBS = {
    "backbones": "listing",
    "check": "checking",
    "compare": "listing",
    "compare_runs": "versus",
    "evaluate": "evaluation",
    "export": "exporting",
    "find_rate": "sweeping",
    "find_weights": "getting",
    "finetune": "finetuning",
    "get_weights": "getting",
    "layers": "listing",
    "list_weights": "getting",
    "predict": "prediction",
    "recommend": "listing",
    "verify_weights": "getting",
}


def __getattr__(name: str) -> Any:
    if name not in JOBS:
        raise AttributeError(f"module 'tlkit.run' has no attribute '{name}'")
    return getattr(import_module(f"tlkit.run.{JOBS[name]}"), name)
