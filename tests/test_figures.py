"""Every figure from the one table, recomputed by scikit-learn, statistics from textbooks, or by hand."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from tlkit import figures
from tlkit.errors import DataError
from tlkit.figures import Table

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@st.composite
def tables(draw, least=1):
    classes = draw(st.integers(2, 8))
    photos = draw(st.integers(least, 30))
    labels = [f"class {number}" for number in range(classes)]
    true = draw(arrays.arrays("int64", photos, elements=st.integers(0, classes - 1)))
    # Few different values: ties are where figures come to differ.
    scores = draw(
        arrays.arrays("float32", (photos, classes), elements=st.sampled_from([0.0, 0.125, 0.25, 0.5]))
    )
    return Table.of([f"{number}.jpg" for number in range(photos)], labels, true, scores)


@given(tables())
def test_figures_agree_with_scikit_learn(table):
    numbers = range(len(table.labels))
    assert figures.top1(table) == pytest.approx(metrics.accuracy_score(table.true, table.predicted))
    matrix = metrics.confusion_matrix(table.true, table.predicted, labels=numbers)
    assert [list(row) for row in figures.confusion(table)] == matrix.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that nothing was counted for
        expected = metrics.precision_recall_fscore_support(
            table.true, table.predicted, labels=numbers, zero_division=np.nan
        )
    rows = figures.per_class(table)
    ours = np.array([[row.precision, row.recall, row.f1, row.count] for row in rows]).T
    np.testing.assert_allclose(ours, np.array(expected), atol=1e-12)
    assert tuple(row.label for row in rows) == table.labels


@given(tables())
def test_top5_agrees_with_scikit_learn_and_is_none_up_to_five_classes(table):
    if len(table.labels) <= 5:
        assert figures.top5(table) is None
    else:
        # scikit-learn takes the last of equal classes, tlkit the first, as argmax: turn the columns round.
        turned = len(table.labels) - 1 - table.true
        numbers = np.arange(len(table.labels))
        expected = metrics.top_k_accuracy_score(turned, table.probabilities[:, ::-1], k=5, labels=numbers)
        assert figures.top5(table) == pytest.approx(expected)


@given(tables(), st.randoms(use_true_random=False))
def test_shuffling_the_rows_changes_nothing_but_their_order(table, random):
    order = list(range(len(table.paths)))
    random.shuffle(order)
    shuffled = Table.of(
        [table.paths[row] for row in order], table.labels, table.true[order], table.probabilities[order]
    )
    for figure in (
        figures.top1,
        figures.top5,
        figures.top1_interval,
        figures.majority_top1,
        figures.learned,
        figures.balanced_accuracy,
        figures.balanced_accuracy_interval,
    ):
        assert figure(shuffled) == figure(table)
    assert figures.confusion(shuffled) == figures.confusion(table)
    assert repr(figures.per_class(shuffled)) == repr(figures.per_class(table))
    assert sorted(shuffled.csv().splitlines()) == sorted(table.csv().splitlines())


@given(st.data(), st.lists(NAMES, min_size=2, max_size=4, unique=True), st.integers(0, 6))
def test_a_table_reads_back_exactly(data, labels, photos):
    paths = data.draw(st.lists(NAMES, min_size=photos, max_size=photos))
    true = data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=photos, max_size=photos))
    scores = data.draw(arrays.arrays("float32", (photos, len(labels)), elements=st.floats(0, 1, width=32)))
    table = Table.of(paths, labels, true, scores)
    back = Table.read(table.csv())
    assert (back.paths, back.labels) == (table.paths, table.labels)
    assert back.true.tolist() == table.true.tolist()
    assert back.probabilities.dtype == np.float32
    assert back.probabilities.tobytes() == table.probabilities.tobytes()


def test_a_table_holds_names_and_not_numbers():
    # Folders 1, 2, 10 sort as text: 1, 10, 2. A number in the file would be read as one of them.
    text = Table.of(["x.jpg"], ["1", "10", "2"], [1], [[0, 0.25, 0.75]]).csv()
    assert text.splitlines() == [
        '"path","true","predicted","p:1","p:10","p:2"',
        '"x.jpg","10","2",0.0,0.25,0.75',
    ]
    assert Table.read(text).true.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not enough values"),
        ("a,b,c\n", "its columns are not path, true, predicted"),
        ("path,true,predicted,p:a,p:b\nx,a,b,0.9,0.1\n", "a predicted class is not the likeliest one"),
        ("path,true,predicted,p:a,p:b\nx,c,a,0.9,0.1\n", "'c'"),
        ("path,true,predicted,p:a,p:b\nx,a,a,0.9\n", "reshape"),
        ('path,true,predicted,p:a,p:b\n"x,a,a,0.9', "unexpected end"),
    ],
)
def test_a_damaged_table_is_refused(text, reason):
    with pytest.raises(DataError, match=f"no table of predictions.*{reason}"):
        Table.read(text)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected"):
        Table(("a", "b"), ("x",), np.zeros(2, "int64"), np.zeros((1, 2), "float32"))


@given(st.integers(1, 500), st.data())
def test_wilson_agrees_with_its_formula(n, data):
    successes = data.draw(st.integers(0, n))
    z, share = 1.959963984540054, successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = figures.wilson(successes, n)
    assert (low, high) == pytest.approx((max(0, centre - half), min(1, centre + half)), abs=1e-9)
    assert 0 <= low <= share <= high <= 1


def guesses(right, wrong, counts):
    """A table of that many right and wrong answers, with classes as frequent as `counts`."""
    true = np.repeat(np.arange(len(counts)), counts)
    answers = true.copy()
    answers[:wrong] = (true[:wrong] + 1) % len(counts)
    assert right + wrong == sum(counts)
    return Table.of(
        list(map(str, true)), list(map(str, range(len(counts)))), true, np.eye(len(counts))[answers]
    )


@pytest.mark.parametrize(
    ("right", "learned"),
    # Of 20 fair coins, 15 heads or more have probability 0.0207, 14 or more 0.0577.
    [(20, True), (15, True), (14, False), (10, False), (0, False)],
)
def test_learned_is_the_exact_binomial_test_against_the_largest_class(right, learned):
    assert figures.learned(guesses(right, 20 - right, [10, 10])) is learned


def test_naming_the_largest_class_is_not_learning():
    table = Table.of(list("abcdefghij"), ["big", "small"], [0] * 9 + [1], [[0.9, 0.1]] * 10)
    assert figures.top1(table) == figures.majority_top1(table) == 0.9
    assert not figures.learned(table)


@given(tables())
def test_every_summary_figure_follows_from_the_matrix(table):
    """What a reader of the JSON can recompute without the table: rows are classes, columns are answers."""
    matrix = np.array(figures.confusion(table))
    rows = figures.per_class(table)
    assert matrix.sum(axis=1).tolist() == [row.count for row in rows]
    assert matrix.sum() == len(table.paths)
    assert figures.top1(table) == pytest.approx(matrix.trace() / matrix.sum())
    assert figures.majority_top1(table) == pytest.approx(matrix.sum(axis=1).max() / matrix.sum())
    recalls = [row.recall for row in rows if row.count]
    assert figures.balanced_accuracy(table) == pytest.approx(np.mean(recalls))
    for place, row in enumerate(rows):
        hits, found, answered = matrix[place, place], matrix[place].sum(), matrix[:, place].sum()
        parts = [
            (row.precision, hits, answered),
            (row.recall, hits, found),
            (row.f1, 2 * hits, found + answered),
        ]
        for share, part, whole in parts:
            assert share == pytest.approx(part / whole) if whole else math.isnan(share)


@given(tables())
def test_balanced_accuracy_agrees_with_scikit_learn(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that were answered and have no photo
        expected = metrics.balanced_accuracy_score(table.true, table.predicted)
    assert figures.balanced_accuracy(table) == pytest.approx(expected)


@given(tables())
def test_every_interval_holds_its_figure(table):
    pairs = [(figures.balanced_accuracy(table), figures.balanced_accuracy_interval(table))]
    for row in figures.per_class(table):
        pairs += [
            (row.precision, row.precision_interval),
            (row.recall, row.recall_interval),
            (row.f1, row.f1_interval),
        ]
    for figure, (low, high) in pairs:
        assert 0 <= low <= figure <= high <= 1 or all(map(math.isnan, (figure, low, high)))


@given(st.integers(1, 60), st.data())
def test_the_interval_of_f1_is_wilsons_of_the_share_of_hits_in_closed_form(either, data):
    """Lam, Gopal and Qian, arXiv:2309.14621: F1 and its bounds are 2J/(1 + J)."""
    hits = data.draw(st.integers(0, either))
    z = 1.959963984540054
    # The bounds of J are where |hits − n J| = z √(n J (1 − J)): the roots of a quadratic.
    shares = np.sort(np.roots([either**2 + either * z * z, -2 * hits * either - either * z * z, hits**2]))
    expected = [2 * share / (1 + share) for share in shares]
    assert figures.f1_interval(hits, either) == pytest.approx(expected, abs=1e-6)


def covered(interval, truth, draws):
    bounds = np.array([interval(*draw) for draw in draws])
    return np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ([77, 76], [0.95, 0.93]),
        ([20, 5], [0.9, 0.6]),
        ([200, 10, 10], [0.98, 0.6, 0.6]),
        ([10] * 10, [0.97] * 10),
        ([2] * 100, [0.9] * 100),
        ([1] * 30 + [50] * 2, [0.8] * 32),
    ],
    ids=lambda row: f"{len(row)} classes",
)
def test_the_interval_of_balanced_accuracy_covers_in_nineteen_of_twenty(counts, shares):
    counts = np.array(counts)
    draws = np.random.default_rng(0).binomial(counts, shares, (2000, len(counts)))
    share = covered(figures.mean_share_interval, np.mean(shares), [(hits, counts) for hits in draws])
    assert share >= 0.94  # 0.95, less twice the standard error of 2,000 draws


def test_the_interval_of_f1_covers_in_nineteen_of_twenty():
    """100 photos, of which 24 are hits, 6 are missed and 7 are false alarms on average."""
    draws = np.random.default_rng(0).multinomial(100, [0.24, 0.06, 0.07, 0.63], 2000)[:, :3]
    truth = 0.48 / (0.48 + 0.06 + 0.07)
    share = covered(figures.f1_interval, truth, [(int(row[0]), int(row.sum())) for row in draws])
    assert 0.94 <= share <= 0.97


def test_a_table_without_photos_has_no_figures():
    empty = Table.of([], ["a", "b"], [], np.zeros((0, 2)))
    assert math.isnan(figures.top1(empty)) and math.isnan(figures.majority_top1(empty))
    assert all(math.isnan(bound) for bound in figures.top1_interval(empty))
    assert figures.learned(empty) is False
    assert math.isnan(figures.balanced_accuracy(empty))
    assert all(math.isnan(bound) for bound in figures.balanced_accuracy_interval(empty))
    assert figures.confusion(empty) == ((0, 0), (0, 0))
    assert math.isnan(figures.top5(Table.of([], list("abcdef"), [], np.zeros((0, 6)))))
