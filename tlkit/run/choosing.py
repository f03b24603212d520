"""Which of several taught models is kept: the head alone, unless another is better beyond noise."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tlkit import calibration

HEAD = "head"


class Verdict(NamedTuple):
    """How a model does on the slice of training photos that choices are made on."""

    right: int
    of: int  # photos
    cross_entropy: float  # nats, mean over photos
    temperature: float  # `calibration.temperature` on the slice: what the logits are divided by
    tempered: float  # cross-entropy with that


class Choice(NamedTuple):
    """What is kept, and what it rests on."""

    kept: str
    reason: str
    verdicts: Mapping[str, Verdict]
    gains: Mapping[str, tuple[float, float]]  # over the head, nats a photo, and its standard error

    def row(self) -> dict[str, Any]:
        """As a line of metrics.jsonl."""
        rows: dict[str, Any] = {name: verdict._asdict() for name, verdict in self.verdicts.items()}
        for name, (gain, error) in self.gains.items():
            rows[name] |= {"gain": gain, "standard_error": error if np.isfinite(error) else None}
        return {"phase": "choice", "kept": self.kept, "reason": self.reason, **rows}


def judge(logits: np.ndarray, labels: np.ndarray) -> Verdict:
    """The figures of (photos, classes) logits for (photos,) labels."""
    temperature = calibration.temperature(logits, labels) if np.isfinite(logits).all() else 1.0
    right = int((logits.argmax(1) == labels).sum())
    before, after = losses(logits, labels), losses(logits / temperature, labels)
    return Verdict(right, len(labels), float(before.mean()), temperature, float(after.mean()))


def choose(answers: Mapping[str, np.ndarray], labels: np.ndarray) -> Choice:
    """The model to keep, of which `answers` has the logits for photos that none of them has seen.

    `answers` holds `head` and others by name. Each gets a temperature of its own first: smoothed labels
    leave logits too modest, and raw cross-entropy would count that against a model that ranks better.
    Another one is kept if its mean loss is below the head's by more than one standard error of the
    photo-by-photo differences; of several such, the one with the least. On a few dozen photos the least
    mean alone would often be luck, and fine-tuning has to earn its place.
    """
    verdicts = {name: judge(logits, labels) for name, logits in answers.items()}
    each = {
        name: losses(answers[name] / verdicts[name].temperature, labels) for name in answers if name != HEAD
    }
    alone = losses(answers[HEAD] / verdicts[HEAD].temperature, labels)
    gains = {name: _gain(alone - those) for name, those in each.items()}
    better = [name for name, (gain, error) in gains.items() if gain > error]
    kept = min(better, key=lambda name: verdicts[name].tempered, default=HEAD)
    return Choice(kept, _reason(kept, gains, len(labels)), verdicts, gains)


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(photos,) negative log probabilities of the true classes, in nats."""
    from scipy.special import log_softmax

    return -log_softmax(logits.astype("float64"), axis=1)[np.arange(len(labels)), labels]


def reached(verdict: Mapping[str, Any], target: float | None) -> bool:
    """Whether so large a share of the slice is right; without a slice, or a target, it is not known to be."""
    return target is not None and bool(verdict) and verdict["right"] / verdict["of"] >= target


def only_head(logits: np.ndarray, labels: np.ndarray, why: str) -> Choice:
    """The choice where nothing else was taught."""
    return Choice(HEAD, f"the head alone was taught: {why}", {HEAD: judge(logits, labels)}, {})


def _gain(differences: np.ndarray) -> tuple[float, float]:
    """Mean and standard error; of one photo nothing is known beyond noise."""
    count = len(differences)
    error = differences.std(ddof=1) / np.sqrt(count) if count > 1 else np.inf
    return float(differences.mean()), float(error)


def _reason(kept: str, gains: Mapping[str, tuple[float, float]], count: int) -> str:
    told = ", ".join(f"{name} {gain:+.3f} ±{error:.3f}" for name, (gain, error) in gains.items())
    how = "better than the head alone beyond noise" if kept != HEAD else "none better beyond noise"
    return f"{how}: nats gained a photo, on {count:,} training photos kept apart: {told}"
