"""List the networks that tlkit can build, say which to take, tell one by layers, hold two side by side."""

from tlkit.backbones import INDEX, anatomy, build, family, variant
from tlkit.backbones.taps import pyramid
from tlkit.networks import (
    ORDERS,
    RECOMMENDED,
    Backbone,
    Backbones,
    Compared,
    Comparison,
    Layers,
    Recommendation,
    ratio,
)
from tlkit.weights import cache, catalogue
from tlkit.weights.entries import Weights

FAMILIES = list(dict.fromkeys(map(family, INDEX)))
RATIOS = (
    "parameters",
    "parameters_without_top",
    "multiply_adds",
    "multiply_adds_without_top",
    "depth",
    "receptive_field_pixels",
    "feature_channels",
    "bytes",
)


def backbones(
    name: str | None = None,
    *,
    max_params: int | None = None,
    max_macs: int | None = None,
    sort: str | None = None,
) -> Backbones:
    """A row for each network, or for the one named; those that only tests use must be named.

    At most so many parameters and multiply-adds; sorted by a key of `networks.ORDERS`, else by year and
    family, those for teaching first.
    """
    names = [name] if name else [known for known in INDEX if not known.endswith("_test")]
    rows = [
        row
        for row in map(_row, names)
        if (max_params is None or row.parameters <= max_params)
        and (max_macs is None or row.multiply_adds <= max_macs)
    ]
    return Backbones(tuple(sorted(rows, key=ORDERS[sort] if sort else _history)))


def _history(row: Backbone) -> tuple[int, int]:
    return row.year or 0, FAMILIES.index(row.family)


def recommend(purpose: str) -> Recommendation:
    """What to take for a purpose, a key of `networks.RECOMMENDED`."""
    choice = RECOMMENDED[purpose]
    rows = tuple(map(_row, choice.names))
    began = catalogue.default(rows[0].name)
    fetched = began is not None and cache.here(began) is None
    example = choice.example.format(name=rows[0].name)
    return Recommendation(
        purpose, rows, choice.reason, example, _nearest(rows[0]) if fetched else None, began and began.bytes
    )


def _nearest(wanted: Backbone) -> str:
    """Of the networks whose weights are on this machine the one whose published top-1 comes nearest."""
    began = [catalogue.default(name) for name in catalogue.every()]
    names = [entry.backbone for entry in began if entry and cache.here(entry)]
    rows = map(_row, names)
    return min(rows, key=lambda row: abs((row.top1 or 0) - (wanted.top1 or 0))).name


def _row(name: str) -> Backbone:
    row, published = variant(name), _published(name)
    return Backbone(
        name=name,
        family=family(name),
        year=row.year,
        parameters=row.parameters,
        total_parameters=row.total_parameters,
        multiply_adds=row.multiply_adds,
        image_size=row.image_size,
        top1=published.top1 if published else None,
        licence=published.licence if published else None,
    )


def _published(name: str) -> Weights | None:
    """The weights that a network's figures are of: "imagenet", or the best that must be named."""
    return next(iter(catalogue.entries(name)), None)


def layers(name: str) -> Layers:
    """The textbook table of the network called `name`, built with random weights at its own size."""
    model = build(name, weights=None)
    parts, fields = anatomy.parts(model), anatomy.fields(model)
    return Layers(
        name=name,
        family=family(name),
        input_shape=model.input_shape[1:],
        layers=parts,
        taps=tuple(
            {
                "name": tap.name,
                "stride": tap.stride,
                "channels": tap.channels,
                "receptive_field_pixels": anatomy.pixels(fields[tap.name]),
            }
            for tap in pyramid(model)
        ),
        parameters=sum(part.parameters for part in parts),
        total_parameters=sum(part.total_parameters for part in parts),
        multiply_adds=sum(part.multiply_adds for part in parts),
        depth=anatomy.depth(model),
        between=anatomy.between(model),
    )


def compare(first: str, second: str) -> Comparison:
    """Two networks, each built at its own size: what they cost, and what they see."""
    for name in (first, second):
        family(name)  # both names are known before the first is built
    sides = (_compared(first), _compared(second))
    shares = [side.top1 for side in sides if side.top1 is not None]
    return Comparison(
        backbones=sides,
        ratio={key: ratio(*(getattr(side, key) for side in sides)) for key in RATIOS},
        top1_difference=shares[1] - shares[0] if len(shares) == 2 else None,
    )


def _compared(name: str) -> Compared:
    row, published = variant(name), _published(name)
    model = build(name, weights=None)
    stages = anatomy.shares(model)
    last = anatomy.last_map(model)
    body = [stage for stage in stages if stage.stride is not None]
    return Compared(
        name=name,
        family=family(name),
        parameters=sum(stage.parameters for stage in stages),
        parameters_without_top=sum(stage.parameters for stage in body),
        total_parameters=model.count_params(),
        multiply_adds=sum(stage.multiply_adds for stage in stages),
        multiply_adds_without_top=sum(stage.multiply_adds for stage in body),
        image_size=row.image_size,
        top1=published.top1 if published else None,
        depth=anatomy.depth(model),
        receptive_field_pixels=anatomy.pixels(anatomy.fields(model)[last.name]),
        feature_channels=last.output.shape[-1],
        bytes=4 * model.count_params(),
        stages=stages,
    )
