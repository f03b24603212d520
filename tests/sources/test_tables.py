"""A table of paths and labels is listed as folders are, whoever wrote it and however it is broken."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tlkit.errors import DataError, MissingPackage, UsageError
from tlkit.sources import rows, tables
from tlkit.sources.layout import survey
from tlkit.sources.listed import Entry, Skipped

PETS = [("cat/1.jpg", "cat"), ("cat/2.jpg", "cat"), ("dog/1.jpg", "dog")]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def entries(listed) -> list[tuple]:
    return [tuple(entry) for entry in listed.entries]


@pytest.fixture
def table(tmp_path):
    """Writes a CSV and reads it."""

    def table(content: str | bytes, name: str = "labels.csv", **options):
        return tables.read(write(tmp_path / name, content), **options)

    return table


EVERY = [
    ("cat/1.jpg", "cat", "train", "anna"),
    ("cat/2.jpg", "cat", "val", None),
    ("dog/1.jpg", "dog", "train", "bo"),
    ("dog/2.jpg", "dog", "val", None),
]
COLUMNS = ["path", "label", "split", "group"]


def as_csv(folder: Path) -> Path:
    lines = [",".join(value or "" for value in row) for row in [COLUMNS, *EVERY]]
    return write(folder / "t.csv", "\n".join(lines))


def as_tsv(folder: Path) -> Path:
    lines = ["\t".join(value or "" for value in row) for row in [COLUMNS, *EVERY]]
    return write(folder / "t.TSV", "\ufeff" + "\r\n".join(lines) + "\r\n")


def as_jsonl(folder: Path) -> Path:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in EVERY]
    return write(folder / "t.jsonl", "\n\n".join(lines) + "\n")


def as_parquet(folder: Path) -> str:
    columns = dict(zip(COLUMNS, zip(*EVERY, strict=True), strict=True))
    parquet.write_table(pyarrow.table({"extra": [b"\xff"] * 4, **columns}), folder / "t.parquet")
    return str(folder / "t.parquet")


FORMS = {
    "csv": as_csv,
    "tsv": as_tsv,
    "jsonl": as_jsonl,
    "parquet": as_parquet,
    "frame": lambda folder: pandas.DataFrame(EVERY, columns=COLUMNS, index=[7, 7, 8, 9]),
    "categories": lambda folder: pandas.DataFrame(EVERY, columns=COLUMNS).astype("category"),
    "tuples": lambda folder: EVERY,
    "generator": lambda folder: (list(row) for row in EVERY),
    "mappings": lambda folder: [dict(zip(COLUMNS, row, strict=True)) for row in EVERY],
    "array": lambda folder: np.array([[value or "" for value in row] for row in EVERY]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_lists_the_same(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = tables.read(FORMS[form](tmp_path))
    assert (listed.root, listed.kind, listed.classes) == (tmp_path, "table", ("cat", "dog"))
    assert entries(listed) == EVERY
    assert (listed.skipped, listed.notes, listed.faults) == ((), (), ())
    assert {type(value) for entry in listed.entries for value in entry} == {str, type(None)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiter_line_ends_and_mark_are_found(table, delimiter, end, mark):
    lines = ["Label;note;PATH ", "cat;;cat/1.jpg", "cat;x;cat/2.jpg", "dog;;dog/1.jpg"]
    listed = table(mark + end.join(lines).replace(";", delimiter))
    assert entries(listed) == [(path, label, None, None) for path, label in PETS]


def test_other_columns_are_left_out_and_a_group_column_may_be_named(table):
    content = "path,label,Patient\na.jpg,cat,7\nb.jpg,dog,\nc.jpg,dog,7\n"
    assert [entry.group for entry in table(content).entries] == [None, None, None]
    assert [entry.group for entry in table(content, group="Patient").entries] == ["7", None, "7"]
    with pytest.raises(DataError, match="has no column 'patent'; it has 'path', .* Did you mean 'Patient'?"):
        table(content, group="patent")
    lines = [{"path": "a.jpg", "label": "cat", "patient": 7}, {"path": "b.jpg", "label": "dog"}]
    assert [entry.group for entry in tables.read(lines, group="patient").entries] == ["7", None]
    with pytest.raises(DataError, match="Did you mean 'patient'?"):
        tables.read(lines, group="patent")
    with pytest.raises(DataError, match="has no column 'patient'; its rows name no columns"):
        tables.read(PETS, group="patient")
    frame = pandas.DataFrame(lines)
    assert [entry.group for entry in tables.read(frame, group="patient").entries] == ["7", None]
    with pytest.raises(DataError, match="Did you mean 'patient'?"):
        tables.read(frame, group="patent")


def test_paths_are_put_in_order_and_never_looked_at(table, tmp_path):
    written = [
        "./a.jpg",
        "b//c.jpg",
        "x/./d.jpg",
        "../e.jpg",
        "/far//f.jpg",
        "a. b/..g.jpg",
        " h.jpg",
        "i\\j.jpg",
    ]
    listed = table("path,label\n" + "\n".join(f"{path},{n % 2}" for n, path in enumerate(written)))
    assert [entry.path for entry in listed.entries] == [
        "a.jpg",
        "b/c.jpg",
        "x/d.jpg",
        "../e.jpg",
        "/far/f.jpg",
        "a. b/..g.jpg",
        " h.jpg",
        "i\\j.jpg",
    ]
    assert listed.root == tmp_path
    assert listed.notes == ()


def test_many_backslashes_are_mentioned(table):
    listed = table("path,label\ncat\\1.jpg,cat\ndog\\1.jpg,dog\n")
    assert listed.notes == ("2 paths hold '\\', which is part of a name here: write '/' between folders.",)


def test_split_words(table):
    words = ["Train", "train", "VAL", "valid", "Validation", "test", " ", ""]
    lines = [f"{n}{label},{label},{word}" for n, word in enumerate(words) for label in "ab"]
    found = [entry.split for entry in table("path,label,split\n" + "\n".join(lines)).entries]
    assert found[::2] == ["train", "train", "val", "val", "val", "test", None, None]


def test_train_without_val_is_one_pool_unless_rows_are_blank(table):
    head = "path,label,split\n"
    rows = "a,cat,train\nb,dog,train\nc,cat,test\nd,dog,test\n"
    assert [entry.split for entry in table(head + rows).entries] == [None, None, "test", "test"]
    assert [entry.split for entry in table(head + rows + "e,cat,\n").entries] == [
        "train",
        "train",
        "test",
        "test",
        None,
    ]


def test_a_word_that_is_no_split_is_an_error_with_its_lines(table):
    content = "path,label,split\na,cat,train\nb,dog,trian\nc,cat,holdout\nd,dog,trian\n"
    with pytest.raises(
        DataError,
        match=r"splits that are none: 'trian' \(line 3 and 1 more\), 'holdout' \(line 4\). A split is one of",
    ):
        table(content)


def test_rows_that_cannot_be_used_are_told_with_their_lines(table):
    content = (
        "path,label\n"
        "a.jpg,cat\n"
        "b.jpg\n"  # 3
        "c.jpg,dog,more\n"
        ",dog\n"
        "d.jpg,\n"
        "\n"
        '"e\nf.jpg",dog\n'  # 8, 9
        'g.jpg,"two\nlines"\n'  # 10, 11
        "h\0.jpg,dog\n"
        "gs://bucket/i.jpg,dog\n"
        "./,dog\n"
        "j.jpg,  \n"
        '"k"x,dog\n'
        "l.jpg,dog\n"
        'm.jpg,"dog\nand so on'
    )
    listed = table(content)
    assert entries(listed) == [
        ("a.jpg", "cat", None, None),
        ("e\nf.jpg", "dog", None, None),
        ("l.jpg", "dog", None, None),
    ]
    assert listed.skipped == (
        Skipped("line 3", "one field where the header has 2"),
        Skipped("line 4", "3 fields where the header has 2"),
        Skipped("line 5", "no path"),
        Skipped("d.jpg", "no label (line 6)"),
        Skipped("g.jpg", "a line break in its label, 'two\\nlines' (line 10)"),
        Skipped("line 12", "a NUL in its path"),
        Skipped("line 13", "an address, not a file: gs://bucket/i.jpg"),
        Skipped("line 14", "no path"),
        Skipped("j.jpg", "no label (line 15)"),
        Skipped("line 16", "not CSV: ',' expected after '\"'"),
        Skipped("line 18", "a quote is opened and not closed: lines 18 to 19 are lost"),
    )


def test_a_huge_field_costs_its_row_only(table):
    listed = table(f"path,label\na.jpg,cat\n{'x' * 300_000},cat\nb.jpg,dog\n")
    assert [entry.path for entry in listed.entries] == ["a.jpg", "b.jpg"]
    assert listed.skipped == (Skipped("line 3", "not CSV: field larger than field limit (131072)"),)


def test_an_open_quote_costs_what_it_swallows_only(table):
    lines = [f"{n:06}.jpg,{'cat' if n % 2 else 'dog'}" for n in range(20_000)]
    lines[3] = '"' + lines[3]
    listed = table("path,label\n" + "\n".join(lines))
    (lost,) = listed.skipped
    assert lost.path == "line 5"
    assert lost.reason.startswith("a quote is opened and not closed: lines 5 to ")
    first, last = (int(word.replace(",", "")) for word in lost.reason.split() if word[0].isdigit())
    assert len(listed.entries) == 20_000 - (last - first + 1)


def test_a_path_named_twice_is_taken_once(table):
    listed = table("path,label\na.jpg,cat\n./a.jpg,cat\nb.jpg,dog\na.jpg,cat\n")
    assert [entry.path for entry in listed.entries] == ["a.jpg", "b.jpg"]
    assert listed.notes == ("Listed more than once, taken once: 1: 'a.jpg'.",)


def test_a_path_whose_rows_contradict_each_other_is_left_out(table):
    head = "path,label,split,group\n"
    rows = ["a,cat,train,x", "b,dog,train,x", "a,dog,train,x", "b,dog,val,x", "c,cat,val,x", "c,cat,val,y"]
    rest = "\nd,cat,train,\ne,dog,train,\nf,cat,val,\ng,dog,val,\na,fox,train,x\n"
    listed = table(head + "\n".join(rows) + rest)
    assert [entry.path for entry in listed.entries] == ["d", "e", "f", "g"]
    assert listed.classes == ("cat", "dog")
    assert listed.skipped == (
        Skipped("a", "listed with more than one label: 'cat' in line 2, 'dog' in line 4, 'fox' in line 12"),
        Skipped("b", "listed with more than one split: 'train' in line 3, 'val' in line 5"),
        Skipped("c", "listed with more than one group: 'x' in line 6, 'y' in line 7"),
    )


LABELS = [
    (3, "3"),
    (3.0, "3"),
    (2.5, "2.5"),
    (np.int64(7), "7"),
    (np.float32(4), "4"),
    (np.str_("cat"), "cat"),
    (True, "True"),
    (np.bool_(False), "False"),
    ("3.0", "3.0"),
    (" cat", " cat"),
    (float("inf"), "inf"),
    (Path("a/b"), "a/b"),
]


@pytest.mark.parametrize(("value", "label"), LABELS)
def test_labels_become_their_text(value, label):
    listed = tables.read([("1.jpg", value), ("2.jpg", "other")])
    assert listed.entries[0].label == label
    assert type(listed.entries[0].label) is str


@pytest.mark.parametrize("value", [None, float("nan"), np.float64("nan"), pandas.NA, pandas.NaT, "", " "])
def test_what_is_missing_is_missing(value):
    path = None if isinstance(value, str) else value  # a file may be called so
    listed = tables.read([("1.jpg", value), ("2.jpg", "a", value, value), ("3.jpg", "b"), (path, "b")])
    assert entries(listed) == [("2.jpg", "a", None, None), ("3.jpg", "b", None, None)]
    assert listed.skipped == (Skipped("1.jpg", "no label (row 1)"), Skipped("row 4", "no path"))


def test_values_that_are_no_text_cost_their_row():
    listed = tables.read(
        [
            ("1.jpg", ["cat"]),
            ("2.jpg", b"cat"),
            (b"3.jpg", "cat"),
            ("4.jpg", "\ud800"),
            ("5\udcff.jpg", "cat"),
            ("6.jpg", np.zeros(3)),
            "7.jpg",
            8,
            ("9.jpg",),
            ("10.jpg", "cat", None, None, None),
            ("11.jpg", "cat"),
            (Path("12.jpg"), "dog"),
        ]
    )
    assert [entry.path for entry in listed.entries] == ["11.jpg", "12.jpg"]
    assert [row.path for row in listed.skipped] == [
        "1.jpg",
        "2.jpg",
        "row 3",
        "4.jpg",
        "row 5",
        "6.jpg",
        "row 7",
        "row 8",
        "row 9",
        "row 10",
    ]
    reasons = [row.reason for row in listed.skipped]
    assert reasons[0] == "its label is no text: ['cat'] (row 1)"
    assert reasons[3] == "its label is not valid text: '\\ud800' (row 4)"
    assert reasons[4] == "its path is not valid text: '5\\udcff.jpg'"
    assert reasons[6] == "str where a row was expected"
    assert reasons[8] == "one value where (path, label, split, group) was expected"
    json.dumps(listed.skipped, ensure_ascii=False).encode()


def test_a_frame_with_a_column_twice_is_explained():
    frame = pandas.DataFrame([("a", "b", "c")], columns=["path", "label", "label"])
    with pytest.raises(DataError, match="The table has the column 'label' 2 times. Keep one."):
        tables.read(frame)
    with pytest.raises(DataError, match="has no column 'path'; it has '0', '1'. A table has the columns"):
        tables.read(pandas.DataFrame(PETS))


def test_integers_that_pandas_made_floats_of_are_integers():
    frame = pandas.read_csv(io.StringIO("path,label\na,3\nb,\nc,4\n"))
    assert [entry.label for entry in tables.read(frame).entries] == ["3", "4"]


def test_broken_lines_of_json_are_told(table):
    lines = [
        '{"path": "a.jpg", "label": "cat"}',
        '{"path": "b.jpg", "label": ',
        "[1, 2]",
        '"text"',
        "",
        '{"path": "c.jpg"}',
        '{"PATH": "d.jpg", " Label": 5}',
        "[" * 100_000,
        '{"path": "e.jpg", "label": ' + "9" * 5000 + "}",
        '["f.jpg", "cat"]',
    ]
    listed = table("\n".join(lines), "labels.ndjson")
    assert [(entry.path, entry.label) for entry in listed.entries] == [
        ("a.jpg", "cat"),
        ("d.jpg", "5"),
        ("f.jpg", "cat"),
    ]
    assert [row.path for row in listed.skipped] == ["line 2", "line 3", "line 4", "c.jpg", "line 8", "line 9"]
    assert listed.skipped[0].reason.startswith("not JSON: Expecting value")
    assert listed.skipped[1].reason == "its path is no text: 1"
    assert listed.skipped[4].reason == "not JSON: nested too deeply"


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_one_line(table, name, encoding):
    content = "path,label\nä.jpg,cat\n" if name.endswith("csv") else '{"path": "ä.jpg", "label": "cat"}'
    with pytest.raises(
        DataError, match=r"labels.* is not UTF-8 \(byte 0x(e4|ff)\). Save it as UTF-8"
    ) as caught:
        table(content.encode(encoding), name)
    assert "\n" not in str(caught.value)


def test_blank_lines_above_the_header_are_nothing(table):
    listed = table("\n\r\npath;label\n\na.jpg;cat\nb.jpg\n")
    assert entries(listed) == [("a.jpg", "cat", None, None)]
    assert listed.skipped == (Skipped("line 6", "one field where the header has 2"),)


WRONG = {
    "nothing": (b"", "labels.csv is empty. A table has the columns path and label"),
    "a header alone": (b"path,label\n", "labels.csv holds no row that can be used. A table"),
    "no row of use": (
        b"path,label\na.jpg,\n",
        r"holds no row that can be used: a.jpg \(no label \(line 2\)\).",
    ),
    "no header": (
        b"cat/1.jpg,cat\ndog/1.jpg,dog\n",
        "has no column 'path'; it has 'cat/1.jpg', 'cat'. A table",
    ),
    "another name": (
        b"path,labels\na,b\n",
        "has no column 'label'; it has 'path', 'labels'. Did you mean 'labels'",
    ),
    "a column twice": (b"path,label,label\na,b,c\n", "has the column 'label' 2 times. Keep one."),
    "blank lines": (b"\n\r\n", "labels.csv is empty. A table has"),
    "bytes": (bytes(range(128)) * 9, "no column 'path'|cannot be read"),
    "a broken header": (b'"path"x,label\n', "The first line of .* cannot be read: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_table_that_cannot_be_used_is_explained(case, table):
    content, message = WRONG[case]
    with pytest.raises(DataError, match=message) as caught:
        table(content)
    assert "\n" not in str(caught.value)


def test_one_class_is_a_fault(table):
    listed = table("path,label\na.jpg,cat\nb.jpg,cat\n")
    (fault,) = listed.faults
    assert fault.message.endswith("labels.csv holds one class, 'cat'; a classifier needs at least two.")
    assert len(listed.entries) == 2


def test_splits_of_different_classes_are_a_fault(table):
    head = "path,label,split\n"
    rows = "a,cat,train\nb,dog,train\nc,cat,val\nd,fox,val\n"
    (fault,) = table(head + rows).faults
    assert "its splits hold different classes: 'train' lacks 'fox'; 'val' lacks 'dog'." in fault.message
    assert table(head + rows + "e,dog,\n").faults == ()


def test_labels_in_two_spellings_are_one_class_and_loose_ones_are_named(table):
    listed = table("path,label\na,caf\u00e9\nb,cafe\u0301\nc,Dog\nd,dog\ne, dog\n")
    assert listed.classes == (" dog", "Dog", "caf\u00e9", "dog")
    assert [entry.label for entry in listed.entries[:2]] == ["caf\u00e9"] * 2
    assert listed.notes == (
        "One class, its accents stored in two ways: 'caf\\xe9' and 'cafe\\u0301'.",
        "Labels that differ in blanks or capitals only are told apart: 'Dog', 'dog', ' dog'.",
    )


def test_what_is_no_table_is_wrong_usage(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="There is no file .*nowhere.csv"):
        tables.read(tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match="There is no file .*nowhere.parquet"):
        tables.read(tmp_path / "nowhere.parquet")
    with pytest.raises(UsageError, match="folder.csv is a folder"):
        tables.read(tmp_path / "folder.csv")
    with pytest.raises(
        UsageError, match="labels.xlsx is no table that can be read. It ends in '.csv', '.tsv'"
    ):
        tables.read(tmp_path / "labels.xlsx")
    for source in (7, {"a.jpg": "cat"}, b"labels.csv", None):
        with pytest.raises(UsageError, match=f"cannot be made of {type(source).__name__}. Give a file"):
            tables.read(source)


def test_broken_parquet_is_one_line(tmp_path):
    whole = Path(as_parquet(tmp_path)).read_bytes()
    for content in (b"", b"no parquet", whole[:-30], whole[:4] + bytes(len(whole) - 12) + whole[-8:]):
        path = write(tmp_path / "broken.parquet", content)
        with pytest.raises(DataError, match="broken.parquet cannot be read as Parquet") as caught:
            tables.read(path)
        assert "\n" not in str(caught.value)


def test_parquet_of_several_batches_and_types(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "BATCH", 7)  # the real reader; as many batches as a table of millions has
    paths = [f"{n}.jpg" for n in range(50)]
    labels = pyarrow.array([n % 3 or None for n in range(50)], pyarrow.int64())
    groups = pyarrow.array([f"g{n // 10}" for n in range(50)]).dictionary_encode()
    columns = {"label": labels, "note": [1] * 50, "path": paths, "group": groups}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet", row_group_size=20)
    listed = tables.read(tmp_path / "t.parquet")
    assert entries(listed) == [(f"{n}.jpg", str(n % 3), None, f"g{n // 10}") for n in range(50) if n % 3]
    assert len(listed.skipped) == 17


# What is installed is hidden from a fresh process by a module search that does not find it.
WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from tlkit.sources import tables
from tlkit.errors import MissingPackage
try:
    tables.read(sys.argv[1])
except MissingPackage as error:
    print(error)
"""


def test_parquet_without_pyarrow_says_what_to_install(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, as_parquet(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("t.parquet needs the package pyarrow. pip install 'tlkit[parquet]'")
    assert issubclass(MissingPackage, Exception)


def test_reading_csv_loads_no_other_library(tmp_path):
    code = (
        "import sys; from tlkit.sources import tables; tables.read(sys.argv[1]); "
        "sys.exit(bool({'pandas', 'pyarrow', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, as_csv(tmp_path)]).returncode == 0


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
LABEL = TEXT.filter(lambda text: text.strip() and text.splitlines() == [text])
PATH = TEXT.filter(lambda text: "/" not in text and text not in (".", ".."))
ROWS = st.lists(
    st.tuples(
        st.lists(PATH, min_size=1, max_size=3).map("/".join),
        LABEL,
        st.sampled_from(["val", "test", None]),
        st.none() | LABEL,
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[0],
)


@given(ROWS, st.sampled_from([",", ";", "\t"]), st.booleans())
def test_any_text_comes_back_from_csv(tmp_path_factory, written, delimiter, mark):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    with open(path, "w", encoding="utf-8-sig" if mark else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(COLUMNS)
        writer.writerows(written)
    same = tables.read(written)
    listed = tables.read(path)
    assert listed._replace(root=same.root, faults=same.faults) == same
    assert listed.skipped == ()
    assert [(entry.path, entry.split, entry.group) for entry in listed.entries] == [
        (path, split, group) for path, _, split, group in written
    ]
    assert set(listed.classes) == {entry.label for entry in listed.entries}


@given(st.lists(st.binary(max_size=40), max_size=6).map(b"\n".join), st.sampled_from(["csv", "jsonl"]))
def test_any_bytes_are_answered_without_a_traceback(tmp_path_factory, content, kind):
    head = b"path,label\n" if kind == "csv" else b'{"path": "a", "label": "b"}\n'
    path = write(tmp_path_factory.getbasetemp() / f"any.{kind}", head + content)
    try:
        listed = tables.read(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert listed.entries


FOLDERS = st.sets(
    st.tuples(
        st.sampled_from(["Train", "valid", "test"]),
        st.sampled_from(["cat", "猫", " dog", 'quo"te', "a,b;c\td"]),
        st.sampled_from(["1.jpg", "new\nline.jpg", "é.png", "🌻 x.jpg", "it's.jpg"]),
    ),
    min_size=2,
)


@given(FOLDERS)
def test_folders_and_a_table_of_the_same_files_list_the_same(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("same")
    for parts in files:
        root.joinpath(*parts).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(*parts).touch()
    with open(root / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["path", "label", "split"], *(["/".join(parts), parts[1], parts[0]] for parts in files)]
        )
    table = tables.read(root / "labels.csv")
    folders = survey(root)
    assert sorted(map(repr, table.entries)) == sorted(map(repr, folders.entries))
    assert (table.root, table.classes, table.skipped) == (root, folders.classes, folders.skipped)
    assert bool(table.faults) == bool(folders.faults)


def test_a_hundred_thousand_rows_share_their_labels(table):
    lines = [f"{n}.jpg,label {n % 7},{n // 10}" for n in range(100_000)]
    listed = table("path,label,group\n" + "\n".join(lines))
    assert len(listed.entries) == 100_000
    assert len({id(entry.label) for entry in listed.entries}) == 7
    assert len({id(entry.group) for entry in listed.entries}) == 10_000
    assert isinstance(listed.entries[0], Entry)
