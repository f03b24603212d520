"""What a job returns: its numbers as JSON or as a text to read, each kind in a file of its own.

Fields are the keys of the JSON objects, which are only ever added to: fractions are 0–1, units
stand in the key, NaN is null, intervals are [low, high], paths are texts.
"""

from tlkit.report_compared import ComparedRuns
from tlkit.report_evaluated import Evaluated
from tlkit.report_exported import Exported
from tlkit.report_finetuned import Finetuned
from tlkit.report_predicted import Answer, Predicted, Prediction
from tlkit.report_rates import Rates
from tlkit.report_recipes import Recipes, RecipeText
from tlkit.reporting import Interval, Path, Report, dumps, failure

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
