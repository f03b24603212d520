"""One function a job; what the command line prints is what these return."""

from tlkit.run.evaluation import evaluate
from tlkit.run.exporting import export
from tlkit.run.finetuning import finetune
from tlkit.run.listing import backbones
from tlkit.run.prediction import predict

__all__ = ["backbones", "evaluate", "export", "finetune", "predict"]
