"""Photos that belong together are told by their name, their folder or a table's column."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit.errors import DataError, UsageError
from tlkit.sources import groups
from tlkit.sources.layout import survey
from tlkit.sources.listed import Entry


def entries(*paths: str, label: str | None = None, split: str | None = None) -> list[Entry]:
    return [Entry(path, label or path.split("/")[0], split, None) for path in paths]


def told(*args) -> dict[str, str | None]:
    return {entry.path: entry.group for entry in groups.by(*args)[0]}


def test_without_a_rule_a_tables_groups_stay():
    given = [Entry("a.jpg", "cat", None, "anna"), Entry("b.jpg", "dog", None, None)]
    assert groups.by(given, None) == (given, ())


def test_the_name_rule_takes_the_first_group_of_the_pattern():
    found, notes = groups.by(
        entries("cat/anna_1.jpg", "cat/anna_2.jpg", "cat/bo_1.jpg", "dog/bo_9.jpg", "dog/X.jpg"),
        "name:^([a-z]+)_",
    )
    assert [entry.group for entry in found] == ["anna", "anna", "bo", "bo", None]
    assert notes == ("4 photos in 2 groups by 'name:^([a-z]+)_'; 1 in none, standing alone: 'dog/X.jpg'.",)


def test_the_name_rule_without_a_group_takes_all_that_it_finds_and_never_a_folder():
    found = told(entries("2024/a-2024-05.jpg", "2023/b.jpg", label="x"), r"name:\d{4}-\d\d")
    assert found == {"2024/a-2024-05.jpg": "2024-05", "2023/b.jpg": None}


def test_what_the_pattern_leaves_open_is_no_group():
    found = told(entries("c/a1.jpg", "c/b.jpg", "c/a.jpg"), r"name:^a(\d)?|^b")
    assert found == {"c/a1.jpg": "1", "c/b.jpg": None, "c/a.jpg": None}


def test_colons_in_a_pattern_are_its_own():
    assert told(entries("c/a:1.jpg", "c/b:1.jpg"), "name:^(.:)") == {"c/a:1.jpg": "a:", "c/b:1.jpg": "b:"}


def test_the_folder_rule_counts_from_the_file_and_ends_below_the_class():
    given = entries("cat/home/anna/1.jpg", "cat/zoo/anna/2.jpg", "dog/home/anna/3.jpg", "dog/4.jpg")
    found, notes = groups.by(given, "folder:1")
    assert [entry.group for entry in found] == ["home/anna", "zoo/anna", "home/anna", None]
    assert notes == ("3 photos in 2 groups by 'folder:1'; 1 in none, standing alone: 'dog/4.jpg'.",)
    assert [entry.group for entry in groups.by(given, "folder:2")[0]] == ["home", "zoo", "home", None]


def test_a_group_is_the_same_in_every_split_and_class():
    given = [
        Entry(f"{folder}/{label}/anna/1.jpg", label, split, None)
        for folder, split in (("Train", "train"), ("valid", "val"))
        for label in ("cat", "train")
    ]
    assert {entry.group for entry in groups.by(given, "folder:1")[0]} == {"anna"}


def test_class_names_of_several_folders_are_passed_over():
    given = [Entry(f"pets/cat/{who}/1.jpg", "pets/cat", None, None) for who in ("anna", "bo")]
    assert [entry.group for entry in groups.by(given, "folder:1")[0]] == ["anna", "bo"]


def test_paths_of_a_table_need_no_class_folder():
    given = entries("images/anna/1.jpg", "images/bo/1.jpg", "/far/cat/1.jpg", label="cat")
    assert list(told(given, "folder:1").values()) == ["images/anna", "images/bo", "/far/cat"]


@pytest.mark.parametrize("rule", ["folder:1", "folder:2", "folder:7"])
def test_a_folder_rule_that_reaches_the_classes_is_refused(rule):
    with pytest.raises(DataError, match=f"'{rule}' reaches no folder below .* --subfolders merge"):
        groups.by(entries("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"), rule)


def test_a_rule_that_makes_each_class_one_group_is_refused():
    given = entries("cat/cat_1.jpg", "cat/cat_2.jpg", "dog/dog_1.jpg", "dog/dog_2.jpg")
    with pytest.raises(DataError, match=r"makes each class one group \('cat', 'dog'\), so that none can be"):
        groups.by(given, "name:^[a-z]+")
    groups.by([entry._replace(split="train") for entry in given], "name:^[a-z]+")  # nothing is to be split


def test_a_class_that_is_one_group_is_named():
    given = entries("cat/a_1.jpg", "cat/a_2.jpg", "dog/b_1.jpg", "dog/c_1.jpg")
    assert groups.by(given, "name:^[a-z]")[1][1:] == (
        "All photos of a class are one group by 'name:^[a-z]', and stay together: 'cat'.",
    )


def test_a_class_of_one_photo_is_no_group():
    given = entries("cat/a_1.jpg", "dog/b_1.jpg", "dog/c_1.jpg")
    assert len(groups.by(given, "name:^[a-z]")[1]) == 1
    assert groups.by(given[:2], "name:^[a-z]")[0][0].group == "a"


def test_class_folders_are_told_in_either_spelling():
    given = [Entry(f"cafe\u0301/{who}/1.jpg", "caf\u00e9", None, None) for who in ("anna", "bo")]
    assert [entry.group for entry in groups.by(given, "folder:1")[0]] == ["anna", "bo"]


def test_a_rule_that_fits_no_file_is_an_error():
    with pytest.raises(DataError, match="'name:zebra' finds nothing in any file's name, as in 'cat/1.jpg'"):
        groups.by(entries("cat/1.jpg", "dog/2.jpg"), "name:zebra")


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "name",
        "name:",
        "folder:",
        "folder:0",
        "folder:-1",
        "folder:one",
        "folder:١",
        "column:",
        "day",
        "a:b",
    ],
)
def test_what_is_no_rule_lists_the_forms(rule):
    with pytest.raises(UsageError, match=r"tells no groups. .*name:REGEX.*folder:N.*column:NAME"):
        groups.by(entries("cat/1.jpg", "dog/2.jpg"), rule)


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "*", "(?P<n", "a{99999999999}", "\\"])
def test_a_broken_pattern_is_one_line(pattern):
    with pytest.raises(UsageError, match="holds no regular expression: ") as caught:
        groups.by(entries("cat/1.jpg", "dog/2.jpg"), f"name:{pattern}")
    assert "\n" not in str(caught.value)


def test_the_column_rule_keeps_a_tables_groups_and_needs_some():
    given = [Entry(f"{n}.jpg", "cat", None, who) for n, who in enumerate(["anna", "anna", "bo", None])]
    assert groups.by(given, "column:who") == (
        given,
        ("3 photos in 2 groups by 'column:who'; 1 in none, standing alone: '3.jpg'.",),
    )
    with pytest.raises(DataError, match="no groups in a column 'who'. Only a table has columns, and a row"):
        groups.by(entries("cat/1.jpg", "dog/1.jpg"), "column:who")
    assert [groups.column(rule) for rule in ("column:who", "column:", "name:x", None)] == [
        "who",
        None,
        None,
        None,
    ]


def test_another_rule_takes_the_place_of_a_tables_groups():
    given = [Entry("a1.jpg", "x", None, "old"), Entry("b1.jpg", "x", None, "old")]
    assert told(given, "name:^[a-z]") == {"a1.jpg": "a", "b1.jpg": "b"}


def test_real_folders(tmp_path):
    for path in ("cat/anna/1.jpg", "cat/anna/2.jpg", "cat/bo/1.jpg", "dog/anna/1.jpg", "dog/cy/1.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found, notes = groups.by(survey(tmp_path, "merge").entries, "folder:1")
    assert [entry.group for entry in found] == ["anna", "anna", "bo", "anna", "cy"]
    assert notes == ("5 photos in 3 groups by 'folder:1'.",)


NAMES = st.text("ab_1.é猫\n ", min_size=1, max_size=8)


@given(
    st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=20, unique=True),
    st.sampled_from(["name:^(.)", "name:[^_]+", "folder:1", "folder:2", r"name:(\d)|(a)"]),
)
def test_a_rule_changes_groups_and_nothing_else(rows, rule):
    rows = [Entry("/".join(row), row[0], None, "old") for row in rows]
    try:
        found, notes = groups.by(rows, rule)
    except DataError as error:
        assert re.search("each class (would be )?one group|finds nothing", str(error))
        return
    assert [entry[:3] for entry in found] == [entry[:3] for entry in rows]
    assert all(entry.group != "" for entry in found)
    alone = sum(entry.group is None for entry in found)
    told = f"{len(found) - alone} photo"
    assert notes[0].startswith(told) and "\n" not in "".join(notes)
    # Names alike are grouped alike: the rule sees nothing else of a file.
    if rule.startswith("name:"):
        groups_of = {}
        for entry in found:
            name = entry.path.rsplit("/", 1)[-1]
            assert groups_of.setdefault(name, entry.group) == entry.group
