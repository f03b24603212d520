"""List the networks that tlkit can build."""

from tlkit import backbones as networks
from tlkit.report import Backbone, Backbones


def backbones(name: str | None = None) -> Backbones:
    """A row for each network, or for the one named; those that only tests use must be named."""
    names = [name] if name else [known for known in networks.INDEX if not known.endswith("_test")]
    return Backbones(tuple(_row(known) for known in names))


def _row(name: str) -> Backbone:
    variant = networks.variant(name)
    published = variant.weights[0] if variant.weights else None
    return Backbone(
        name=name,
        family=networks.family(name),
        parameters=variant.parameters,
        total_parameters=variant.total_parameters,
        image_size=variant.image_size,
        top1=published and published.top1,
        licence=published and published.licence,
    )
