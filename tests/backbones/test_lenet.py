"""LeNet-5: what is the paper's, and what its flattening top asks for."""

import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import build, pyramid
from tlkit.errors import UsageError


def test_the_papers_60000_weights_are_three_differences_away():
    ours = build("lenet5_32", weights=None).count_params()
    partial_table, sub_sampling, fixed_output = 2_416 - 1_516, 12 + 32, 84 * 10 + 10
    assert ours - partial_table + sub_sampling - fixed_output == 60_000


def test_the_dense_layers_alone_grow_with_the_photograph():
    for side, places in ((28, 4 * 4), (29, 4 * 4), (32, 5 * 5), (64, 13 * 13)):
        model = build("lenet5", weights=None, input_shape=(side, side, 1))
        assert model.get_layer("top_flatten").output.shape == (None, places * 16)
        assert model.count_params() == 2_416 + 156 + (places * 16 + 1) * 120 + 10_164 + 850


def test_colour_adds_to_the_first_kernel_only():
    grey, colour = (build("lenet5", weights=None, input_shape=(28, 28, channels)) for channels in (1, 3))
    assert colour.count_params() - grey.count_params() == 2 * 25 * 6
    assert colour(picture(28)[None]).shape == (1, 10)


def test_the_smallest_photograph_leaves_one_place():
    model = build("lenet5", weights=None, include_top=False, input_shape=(16, 16, 1))
    assert model.output_shape == (None, 1, 1, 16)
    with pytest.raises(UsageError, match="too small"):
        build("lenet5", weights=None, include_top=False, input_shape=(15, 16, 1))


def test_what_a_flattening_top_cannot_do_is_refused():
    with pytest.raises(UsageError, match="leaves the size open, and its top has a weight for each place"):
        build("lenet5", weights=None, input_shape=(None, None, 1))
    with pytest.raises(UsageError, match="drop_path would do nothing: it has no residual branches"):
        build("lenet5", weights=None, drop_path=0.1)
    assert (
        build("lenet5", weights=None, include_top=False, input_shape=(None, None, 1)).output_shape[1] is None
    )


def test_all_maps_are_squashed():
    model = build("lenet5", weights=None, seed=0, include_top=False)
    for tap in pyramid(model):
        values = type(model)(model.input, tap.tensor)(picture(28)[None, :, :, :1]).numpy()
        assert abs(values).max() <= 1 and values.min() < 0 < values.max() and np.std(values) > 0.1
