"""An earlier split holds: no photo of it moves, whatever is added, renamed, changed or removed."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit.errors import DataError, UsageError
from tlkit.sources.listed import Photo
from tlkit.splits import assign, left_out
from tlkit.splits.split_file import Earlier, Row, against, read, write

CLASSES = ("cat", "dog", "fox")
SPLITS = st.sampled_from(["train", "val", "test"])
# Every character that UTF-8 can hold: line breaks, quotes, NUL, emoji.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def photo(path: str, sha256: str = "", **other) -> Photo:
    return Photo(path, 0, None, sha256 or f"content of {path}", **other)


def earlier(*rows: tuple[str, str] | tuple[str, str, str]) -> Earlier:
    """Of path and split, and the content where it is not the path's own."""
    found = (Row(row[0], "cat", row[1], (*row, f"content of {row[0]}")[2]) for row in rows)
    return Earlier(Path("runs/001/split.csv"), tuple(found))


def file(folder: Path, text: str, **how) -> Path:
    path = folder / "split.csv"
    path.write_text(text, newline="", **{"encoding": "utf-8", **how})
    return path


def splits(photos: list[Photo], known: Earlier) -> list[str | None]:
    return [one.split for one in against(photos, CLASSES, known)[0]]


@given(st.dictionaries(NAMES, st.tuples(NAMES, SPLITS, st.sampled_from(["", "0a1b"])), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, rows):
    written = [Row(path, *row) for path, row in rows.items()]
    path = file(tmp_path_factory.mktemp("run"), write(written))
    assert read(path) == Earlier(path, tuple(written))


def test_every_field_is_quoted_and_a_photo_without_a_split_left_out():
    text = write([("cat/a.jpg", "cat", "val", "0a"), ("cat/b.jpg", "cat", None, "0b")])
    assert text == '"path","label","split","sha256"\n"cat/a.jpg","cat","val","0a"\n'


def test_a_run_folder_stands_for_its_split_file(tmp_path):
    path = file(tmp_path, write([("a", "cat", "val", "0a")]))
    assert read(tmp_path) == read(str(tmp_path)) == read(path)


def test_files_from_elsewhere_are_read(tmp_path):
    text = "Split,note, PATH\r\nValidation,x,a.jpg\r\n\r\nvalid,y,b.jpg\r\nTRAIN,,c.jpg\r\ntest,,d.jpg\r\n"
    rows = read(file(tmp_path, text, encoding="utf-8-sig")).rows
    assert [(row.path, row.split) for row in rows] == [
        ("a.jpg", "val"),
        ("b.jpg", "val"),
        ("c.jpg", "train"),
        ("d.jpg", "test"),
    ]
    assert {row.label + row.sha256 for row in rows} == {""}
    found, notes = against([photo("c.jpg"), photo("a.jpg")], CLASSES, Earlier(tmp_path, rows))
    assert [one.split for one in found] == ["train", "val"]
    assert len(notes) == 2  # nothing about content or labels, which the file does not tell


def test_a_hash_is_the_same_in_capitals(tmp_path):
    assert read(file(tmp_path, "path,split,sha256\na,val, 0AFF\n")).rows[0].sha256 == "0aff"


HEAD = '"path","label","split","sha256"\n'


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "split.csv, line 1: there is no column 'path', 'split' among none."),
        ("path,label\na,b\n", "split.csv, line 1: there is no column 'split' among 'path', 'label'."),
        ("path;split\na;val\n", "split.csv, line 1: there is no column 'path', 'split' among 'path;split'."),
        (
            HEAD + '"a\nb","x","val","0"\n"c","x","dev","0"\n',
            "line 4: 'dev' is no split: train, val or test.",
        ),
        (HEAD + '"a","x","val","0"\n"b","x"\n', "line 3: there are 2 fields, not 4."),
        (HEAD + '"","x","val","0"\n', "line 2: the path is empty."),
        (
            HEAD + '"a","x","val","0"\n"a","x","train","0"\n',
            "line 3: 'a' is in train, and further up in val.",
        ),
        (HEAD + '"a","x","val","0"\n"b","x","val\n', "line 3: unexpected end of data."),
        (HEAD + '"a"b,"x","val","0"\n', "line 2: ',' expected after '\"'."),
        (HEAD, "names no photo. Name the split.csv of an earlier run."),
    ],
)
def test_damage_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError) as error:
        read(file(tmp_path, text))
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_other_encodings_are_named(tmp_path):
    with pytest.raises(DataError, match=r"split\.csv is not text in UTF-8\. Save it as CSV in UTF-8\."):
        read(file(tmp_path, "path,split\nä,val\n", encoding="utf-16"))


def test_no_file_is_the_users_mistake(tmp_path):
    with pytest.raises(UsageError, match=r"There is no split file .*nowhere\.csv\."):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match=r"There is no split file split\.csv in "):
        read(tmp_path)


def test_a_row_twice_is_one(tmp_path):
    assert len(read(file(tmp_path, "path,split\na,val\na,validation\n")).rows) == 1


def test_photos_keep_their_split_and_new_ones_have_none():
    found, notes = against(
        [photo("a"), photo("new"), photo("b")], CLASSES, earlier(("a", "val"), ("b", "train"))
    )
    assert [one.split for one in found] == ["val", None, "train"]
    assert notes == ("runs/001/split.csv: 2 photos stay where they were (train 1, val 1), 1 are new.",)


def test_a_renamed_photo_keeps_its_split():
    found, notes = against(
        [photo("b", "same"), photo("c")], CLASSES, earlier(("a", "val", "same"), ("c", "train"))
    )
    assert [one.split for one in found] == ["val", "train"]
    assert "Known by their content, as renamed or moved: 1: 'a → b'." in notes
    assert len(notes) == 2  # nothing is gone


def test_another_photo_in_its_place_moves_neither():
    given = [photo("a", "new content"), photo("moved/a", "old content")]
    found, notes = against(given, CLASSES, earlier(("a", "val", "old content")))
    assert [one.split for one in found] == ["val", "val"]
    assert "Changed since, and where they were all the same: 1: 'a'." in notes
    assert not any("not among" in note for note in notes)


def test_photos_numbered_anew_keep_their_splits():
    """The first of three is deleted and the others take the names 1 and 2; two more swap theirs."""
    known = earlier(("1", "train"), ("2", "val"), ("3", "train"), ("x", "val"), ("y", "train"))
    given = [photo("1", "content of 2"), photo("2", "content of 3")]
    given += [photo("x", "content of y"), photo("y", "content of x")]
    found, notes = against(given, CLASSES, known)
    assert [one.split for one in found] == ["val", "train", "train", "val"]
    moved = "'2 → 1', '3 → 2', 'y → x', 'x → y'"
    assert notes[1:] == (
        f"Known by their content, as renamed or moved: 4: {moved}.",
        "In runs/001/split.csv and not among the photos: 1: '1'.",
    )


def test_a_copy_beside_its_original_is_a_new_photo():
    found, notes = against([photo("a", "same"), photo("b", "same")], CLASSES, earlier(("a", "val", "same")))
    assert [one.split for one in found] == ["val", None]
    assert len(notes) == 1
    assert assign(found, {"val": 0.2}, 0) == ["val", "val"]  # and follows it


def test_content_in_two_splits_is_matched_by_path_only():
    known = earlier(("a", "val", "same"), ("b", "train", "same"), ("c", "train"))
    assert splits([photo("b", "same"), photo("x", "same"), photo("c")], known) == ["train", None, "train"]


def test_unknown_content_is_not_the_same_content():
    known = earlier(("a", "val", ""), ("c", "train"))
    assert splits([Photo("x", 0, None, ""), photo("c")], known) == [None, "train"]


def test_accents_match_in_either_spelling_and_twins_stay_apart():
    composed, apart = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))
    assert splits([photo(apart, "changed")], earlier((composed, "val"))) == ["val"]
    twins = earlier((composed, "val"), (apart, "train"))
    assert splits([photo(apart), photo(composed)], twins) == ["train", "val"]
    # A new twin is not the photo that was there.
    assert splits([photo(apart), photo(composed)], earlier((composed, "val"))) == [None, "val"]


def test_an_accent_that_may_mean_two_files_means_none():
    composed, apart = (unicodedata.normalize(form, "ǖ.jpg") for form in ("NFC", "NFD"))
    between = "ü\u0304.jpg"
    assert len({composed, apart, between}) == 3
    twins = earlier((composed, "val"), (apart, "train"), ("c", "train"))
    assert splits([photo(between, "changed"), photo("c")], twins) == [None, "train"]
    known = earlier((composed, "val"), ("c", "train"))
    given = [photo(between, "changed"), photo(apart, "changed, too"), photo("c")]
    assert splits(given, known) == [None, None, "train"]


def test_a_new_label_is_used_and_told():
    found, notes = against([photo("a")._replace(label=1)], CLASSES, earlier(("a", "val")))
    assert found[0].label == 1 and found[0].split == "val"
    assert notes[1] == "Under another label now, which is used: 1: 'a: cat → dog'."


def test_rows_without_a_photo_are_counted():
    known = earlier(("a", "val"), ("b", "train"), ("c", "train", "twice"), ("d", "train", "twice"))
    _, notes = against([photo("a"), photo("e", "twice")], CLASSES, known)
    assert notes[-1] == "In runs/001/split.csv and not among the photos: 2: 'b', 'd'."


def test_the_wrong_file_is_refused():
    with pytest.raises(DataError) as error:
        against([photo("x/1"), photo("x/2")], CLASSES, earlier(("cat/1", "val")))
    assert str(error.value) == (
        "runs/001/split.csv knows none of the 2 photos, such as 'x/1'; it names 'cat/1'. "
        "Name the split file that belongs to these photos."
    )


def test_folders_that_say_it_themselves_are_refused():
    with pytest.raises(UsageError, match=r"come with their splits already; .* Leave --split away\."):
        against([photo("a"), photo("b")._replace(split="test")], CLASSES, earlier(("a", "val")))


# A photo: its class, its group (-1: alone) and its content.
PHOTOS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-1, 15), st.integers(0, 300)), min_size=1, max_size=60
)
SHARES = st.sampled_from([{"val": 0.2}, {"val": 0.2, "test": 0.1}, {"val": 0.45}])


def named_photos(rows, prefix: str) -> list[Photo]:
    return [
        Photo(f"{CLASSES[label]}/{prefix}{n}.jpg", label, None, f"{content:064x}", group)
        for n, (label, group, content) in enumerate(rows)
    ]


@given(PHOTOS, PHOTOS, SHARES, st.integers(0, 99), st.randoms())
def test_no_photo_changes_its_side_however_many_are_added(tmp_path_factory, rows, more, shares, seed, random):
    first = named_photos(rows, "old")
    before = dict(zip(first, assign(first, shares, seed), strict=True))
    text = write((one.path, CLASSES[one.label], side, one.sha256) for one, side in before.items())
    known = read(file(tmp_path_factory.mktemp("run"), text))
    # With the new ones the groups are other groups: old photos of two splits may have become one.
    given = [one._replace(group=random.randint(-1, 30)) for one in first] + named_photos(more, "new")
    random.shuffle(given)
    placed, _ = against(given, CLASSES, known)
    sides = assign(placed, shares, seed)
    after = {one.path: side for one, side in zip(given, sides, strict=True)}
    assert all(after[one.path] == side for one, side in before.items())
    # What joins photos of one split is with them, what joins two is left out and named.
    told = {one.path: {other.split for other in there} for one, there in left_out(placed, sides)}
    for one in placed:
        beside = {other.split for other in placed if other.split and joins(one, other)}
        if one.split is None and len(beside) > 1:
            assert after[one.path] is None
        elif one.split is None and beside and after[one.path]:
            assert beside == {after[one.path]}
        assert (one.path in told) == (after[one.path] is None)
        assert one.path not in told or len(told[one.path]) > 1 and beside <= told[one.path]


def joins(one: Photo, other: Photo) -> bool:
    return one.sha256 == other.sha256 or one.group == other.group != -1


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=3), st.lists(st.integers(1, 90), min_size=2, max_size=3)
)
def test_added_photos_fill_the_shares(many, more):
    shares = {"val": 0.2, "test": 0.1}
    first = [
        photo(f"{label}/{n}")._replace(label=label) for label, size in enumerate(many) for n in range(size)
    ]
    rows = [Row(one.path, "", side, "") for one, side in zip(first, assign(first, shares, 0), strict=True)]
    new = [
        photo(f"{label}/x{n}")._replace(label=label) for label, size in enumerate(more) for n in range(size)
    ]
    placed, _ = against(first + new, CLASSES, Earlier(Path("split.csv"), tuple(rows)))
    counts = Counter(zip((one.label for one in placed), assign(placed, shares, 1), strict=True))
    for label in range(len(more)):
        total = sum(counts[label, side] for side in ("train", "val", "test"))
        for side, share in shares.items():
            assert abs(counts[label, side] - share * total) <= 1
