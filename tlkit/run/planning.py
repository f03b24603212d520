"""What the parts of a run take on this machine: measured on a batch before it begins, where time is short."""

from collections.abc import Callable

from tlkit import heads
from tlkit.recipe import Recipe
from tlkit.run import gate, shipping
from tlkit.run.clock import Clock, Ending
from tlkit.run.learning import BATCH, Lesson
from tlkit.run.scratch import Scratch

ASKING = 2.0  # a file takes so many times as long for a photo as its model
CALIBRATING = 4.0  # and when it is made of whole numbers, for the photos that its ranges are found on
SOLVING = 2e9  # floating point operations a second, of one thread, in scikit-learn
ITERATIONS = 30  # of L-BFGS for a penalty, about
SHARING = 1.3  # a conversion takes so many times as long beside other work
STEADY = 3.0  # seconds for what has no measure: folders, the saved model, doubts


def plan(lesson: Lesson | Scratch, trial: Callable[[], float]) -> None:
    """Set the time for the ending aside; refuse a budget that the least run does not keep.

    `trial` is what `shipping.attempt` returned: without a budget nobody waits for it here.
    """
    clock: Clock = lesson.clock
    if clock.budget is None:
        return
    converted = trial()
    batch, tracing = lesson.probe()
    files = len(shipping.wanted(lesson.recipe))
    asked = -(-len(lesson.sides.val) // BATCH) * batch
    if lesson.recipe.quantize == "int8" and files:
        converted += CALIBRATING * batch * gate.CALIBRATION / BATCH
    validation = 2 * tracing + 2 * asked
    # Files are converted by another process while the model is asked, and both are slower for that.
    exports = max(0.0, SHARING * converted - validation) + files * ASKING * asked
    validation += STEADY
    if isinstance(lesson, Scratch):
        clock.ending = Ending(0.0, validation, exports)
        clock.require(sum(lesson.costs()), "one epoch")
        return
    photos = len(lesson.sides.train)
    width, classes = lesson.head.input_shape[-1], lesson.model.output_shape[1]
    clock.ending = Ending(0.0, validation, exports)
    clock.solved(solving(lesson.recipe, photos, width, classes))
    clock.require(-(-photos // BATCH) * batch, "the head alone")


def solving(recipe: Recipe, photos: int, width: int, classes: int) -> float:
    """Seconds that a head takes, guessed from how much there is to add and multiply."""
    views = recipe.views or 1
    columns = 1 if classes == 2 else classes
    if recipe.head == "linear":
        some = min(photos, heads.ENOUGH) * (1 - 1 / heads.FOLDS)
        rows = heads.FOLDS * len(heads.STRENGTHS) * some + photos * views
        return 0.5 + rows * width * columns * 4 * ITERATIONS / SOLVING
    steps = heads.HEAD_EPOCHS * photos * views / heads.HEAD_BATCH
    return 2 + steps * 3e-3
