"""What a job returns: its numbers as JSON or as a text to read, each kind in a file of its own.

Fields are the keys of the JSON objects, which are only ever added to: fractions are 0–1, units
stand in the key, NaN is null, intervals are [low, high], paths are texts.
"""

from tlkit.report.base import Interval, Path, Report, dumps, failure
from tlkit.report.compared import ComparedRuns
from tlkit.report.evaluated import Evaluated
from tlkit.report.exported import Exported
from tlkit.report.finetuned import Finetuned
from tlkit.report.predicted import Answer, Predicted, Prediction
from tlkit.report.rates import Rates
from tlkit.report.recipes import Recipes, RecipeText

__all__ = [
    "Answer",
    "ComparedRuns",
    "Evaluated",
    "Exported",
    "Finetuned",
    "Interval",
    "Path",
    "Predicted",
    "Prediction",
    "Rates",
    "RecipeText",
    "Recipes",
    "Report",
    "dumps",
    "failure",
]
