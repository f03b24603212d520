"""What reports say of probabilities: how far they are off, and what an answer "none of these" costs."""

from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report.base import Interval


@dataclass(frozen=True)
class Refused:
    """Known photos that a threshold refuses: its cost."""

    share: float
    interval: Interval  # Wilson's, 95 %
    count: int


def facts(report: Any, images: int) -> list[tuple[str, str]]:
    """Lines of a report with the keys of `calibration.measured`; none where nothing was measured."""
    if report.calibration_error is None:
        return []
    before = f", {printed.percent(report.calibration_error_before)} before" if report.temperature != 1 else ""
    chance = printed.percent(report.calibration_error_by_chance)
    error = printed.percent(report.calibration_error)
    found = [
        (
            "calibrated",
            f"probabilities {error} off{before}; exact ones would look {chance} off on so few photos",
        ),
    ]
    if report.threshold is not None and report.refused is not None:
        low, high = report.refused.interval
        found.append(
            (
                "threshold",
                f"{printed.percent(report.threshold)}, below it none of these: refuses "
                f"{printed.percent(report.refused.share)} ({report.refused.count:,} of {images:,}; "
                f"95% interval {printed.percent(low)} to {printed.percent(high)})",
            )
        )
    return found
