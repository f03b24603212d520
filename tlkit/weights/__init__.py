"""Published weights: what there is, getting it, reading it. No Keras here.

from tlkit.weights import catalogue, fetch

path = fetch(catalogue.default("efficientnet_lite0"))
"""

from typing import Any


def __getattr__(attribute: str) -> Any:
    """`from tlkit.weights import fetch`: only whoever fetches waits for what that needs."""
    if attribute == "fetch":
        from tlkit.weights.fetching import fetch

        return fetch
    raise AttributeError(f"module '{__name__}' has no attribute '{attribute}'")
