"""Which of several models is kept, on logits alone."""

import json

import numpy as np
import pytest

from tlkit import training
from tlkit.run import choosing

LABELS = np.arange(40) % 2


def logits(margins: np.ndarray) -> np.ndarray:
    """Of two classes; a positive margin is a right answer."""
    sides = np.where(LABELS, 1.0, -1.0) * margins
    return np.stack([-sides, sides], axis=1) / 2


def margins(seed: int, mean: float = 2.0, spread: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, len(LABELS))


def test_the_head_is_kept_where_another_is_better_by_luck_only():
    """Least of all mean losses, but photo by photo as often worse: what one slice says, another denies."""
    head = margins(0)
    noise = np.random.default_rng(1).normal(0, 1, len(LABELS))
    other = head + noise - noise.mean() + 0.3
    choice = choosing.choose({"head": logits(head), "fine-tuned": logits(other)}, LABELS)
    gain, error = choice.gains["fine-tuned"]
    assert 0 < gain < error and choice.kept == "head"
    assert choice.reason.startswith("none better beyond noise") and "on 40 training photos" in choice.reason


def test_another_is_kept_that_is_better_on_nearly_every_photo():
    head = margins(0)
    answers = {"head": logits(head), "halfway": logits(head + 0.5), "fine-tuned": logits(head + 1.0)}
    choice = choosing.choose(answers, LABELS)
    assert choice.kept == "fine-tuned" and all(gain > error for gain, error in choice.gains.values())
    assert choice.verdicts["fine-tuned"].tempered < choice.verdicts["halfway"].tempered
    assert choice.reason.startswith("better than the head alone beyond noise")


def test_modest_logits_do_not_count_against_a_model():
    """As label smoothing leaves them: better answers at a third of their size lose by raw cross-entropy."""
    head = logits(margins(0, 2.0, 1.5))
    better = logits(margins(0, 2.0, 1.5) + 0.6) / 3
    choice = choosing.choose({"head": head, "fine-tuned": better}, LABELS)
    raw = {name: verdict.cross_entropy for name, verdict in choice.verdicts.items()}
    assert raw["fine-tuned"] > raw["head"] and choice.kept == "fine-tuned"
    assert choice.verdicts["fine-tuned"].temperature < choice.verdicts["head"].temperature / 1.5


def test_a_verdict_is_of_answers_as_they_are_and_at_their_temperature():
    """At half their size the temperature is about half (something holds it at 1), and the loss the same."""
    whole, half = (choosing.judge(logits(margins(2)) * scale, LABELS) for scale in (1.0, 0.5))
    assert whole.right == half.right == int((margins(2) > 0).sum()) and whole.of == 40
    assert half.temperature == pytest.approx(whole.temperature / 2, rel=0.2)
    assert half.tempered == pytest.approx(whole.tempered, abs=0.01) and half.tempered < half.cross_entropy
    assert whole.cross_entropy == pytest.approx(training.cross_entropy(logits(margins(2)), LABELS))


def test_one_photo_and_answers_that_are_no_numbers_choose_nothing():
    one = {name: logits(margins(0) + add)[:1] for name, add in (("head", 0.0), ("fine-tuned", 3.0))}
    choice = choosing.choose(one, LABELS[:1])
    assert choice.kept == "head"
    assert json.loads(json.dumps(choice.row(), allow_nan=False))["fine-tuned"]["standard_error"] is None
    broken = logits(margins(0))
    broken[3] = np.nan
    assert choosing.choose({"head": logits(margins(0)), "fine-tuned": broken}, LABELS).kept == "head"


def test_the_row_of_a_choice_has_every_figure():
    head = margins(0)
    row = choosing.choose({"head": logits(head), "fine-tuned": logits(head + 1)}, LABELS).row()
    assert row["phase"] == "choice" and row["kept"] == "fine-tuned"
    assert set(row["head"]) == {"right", "of", "cross_entropy", "temperature", "tempered"}
    assert set(row["fine-tuned"]) == {*row["head"], "gain", "standard_error"}


def test_a_target_is_reached_by_the_share_as_it_is_written():
    """0.55 · 100 is above 55 in floating point."""
    for right in range(1, 100):
        verdict = {"right": right, "of": 100}
        assert choosing.reached(verdict, right / 100) and not choosing.reached(verdict, (right + 1) / 100)
    assert not choosing.reached({}, 0.5) and not choosing.reached({"right": 1, "of": 1}, None)
