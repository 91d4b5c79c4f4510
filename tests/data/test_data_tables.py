"""Tables as people have them: text files of any kind, and what becomes of their columns."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from narrows.data import load_dataset
from narrows.data.readers.columns import number_of
from narrows.data.readers.header import is_header
from narrows.errors import ConfigError, DataError

NUMBERS = [[20 + i % 7, 1.5 * i] for i in range(50)]


def lines(rows, delimiter=","):
    return "\n".join(delimiter.join(map(str, row)) for row in rows)


@pytest.fixture
def read(tmp_path):
    """Write a text, or bytes, and load it in the order of the file without a test split."""

    def load(content, name="x.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_dataset(path, **{"test": 0, "shuffle": False, **options})

    return load


def noted(data, text):
    return [note for note in data.notes if text in note]


@pytest.mark.parametrize(
    ("first", "body", "header"),
    [
        ("a,b", "1,2\n3,4", True),
        ("5.1,3.2,setosa", "4.9,3.0,setosa\n6.1,2.9,virginica", False),
        ("20240101,1.5", "20240102,2.5\n20240103,3.5", False),
        ("2019,2020,2021", "0,0,0\n1,2,1\n2,4,2", True),
        ("0,1,2", "0.5,1.5,2.5\n3.5,1.0,2.0", True),
        ("0,1,2", "3,4,5\n6,7,8", False),
        (",0,1", "0,5,6\n1,7,8", True),
        (",142.2,144.8", "9.4,0,1\n9.5,1,0", True),
        (",1940,1945", "Food,22.2,44.5\nHealth,3.5,5.7", True),
        (",1.5,2.5", "3,1.5,2.5\n3,2.5,1.0", False),
        ("Country,2019,2020", "Germany,1.5,2.5\nFrance,2.5,3.5", True),
        ("name,kind", "Rex,dog\nTom,cat", True),
        ("Rex,dog", "Tom,cat\nBello,dog", False),
        ("timestamp,value", "2024-01-01,1\n2024-01-02,2", True),
        ("2024-01-01,1", "2024-01-02,2\n2024-01-03,3", False),
        ("co,no", "1,2\n3,4\n5,6", True),
        ("true,none,b", "0,0,0\n1,2,1\n2,4,2", True),
        ("True,1", "False,2\nTrue,3", False),
        ("id,2019,2020,2021", "7,1,2,3\n8,3,2,1", True),
    ],
)
def test_header_is_decided_by_the_rows_below_it(first, body, header):
    assert is_header(first.split(","), [line.split(",") for line in body.split("\n")])[0] is header


def test_the_first_sample_of_a_file_without_header_is_kept_and_it_is_said(read):
    text = lines([5 + i % 3 / 10, 3 + i % 5 / 10, "setosa" if i < 25 else "virginica"] for i in range(50))
    data = read(text, label=2)
    assert data.train.shape == (50, 2)
    assert data.train[0].tolist() == [5.0, 3.0]
    assert data.label_names == ("setosa", "virginica")
    assert noted(data, "header: no, since 'setosa' in the first row stands in others too")
    assert noted(read(text, label=2, header=True), "header: yes, as asked for")
    assert len(read(text, label=-1, header=True).train) == 49


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("latin-1", ","), ("utf-16", "\t"), ("utf-8", ";"), ("utf-8-sig", ","), ("utf-16-le", ";")],
)
def test_encodings(read, encoding, delimiter):
    text = f"Temp [°C]{delimiter}Leitfähigkeit [µS]\n" + lines(NUMBERS, delimiter)
    data = read(text.encode(encoding))
    assert data.columns == ("Temp [°C]", "Leitfähigkeit [µS]")
    assert data.train.tolist() == NUMBERS


def test_a_named_encoding(read):
    text = ("größe,ж\n" + lines(NUMBERS)).encode("cp1251", "replace")
    assert read(text, encoding="cp1251").columns[1] == "ж"
    with pytest.raises(ConfigError, match="encoding must be one that Python knows"):
        read(text, encoding="klingon")
    with pytest.raises(DataError, match=r"must be text in ascii.*encoding="):
        read("ä,b\n1,2", encoding="ascii")


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ("# logger 7\n# 2024\ntime,temp\ns,degC\n", ["2 comment lines left out", "row of units left out: s, degC"]),
        ("Logger 7\nSerial: 123\n\ntime,temp\n", ["2 lines before the table left out"]),
        ("# time temp\n", []),
        ("time,temp\n", []),
    ],
)
def test_what_stands_before_the_numbers_is_left_out_and_said(read, content, notes):
    data = read(content + lines(NUMBERS))
    assert data.train.tolist() == NUMBERS
    if content != "# time temp\n":
        assert data.columns == ("time", "temp")
    assert all(noted(data, text) for text in notes)


def test_names_in_a_comment_as_numpy_writes_them(read):
    file = io.StringIO()
    np.savetxt(file, NUMBERS, header="pressure temperature")
    data = read(file.getvalue(), "x.dat")
    assert data.columns == ("pressure", "temperature")
    assert data.train.tolist() == NUMBERS


def test_lines_to_skip(read):
    assert read("a,b\nc,d\n" + lines(NUMBERS), skip=2).train.tolist() == NUMBERS


def test_empty_columns_at_the_end(read):
    data = read("a,b,\n" + "\n".join(f"{a},{b}," for a, b in NUMBERS))
    assert (data.columns, data.train.tolist()) == (("a", "b"), NUMBERS)
    assert noted(data, "1 empty column at the end left out")
    assert read("a,b\n" + "\n".join(f"{a},{b}," for a, b in NUMBERS)).train.tolist() == NUMBERS
    data = read("a,c,b\n" + "\n".join(f"{a},,{b}" for a, b in NUMBERS))
    assert data.train.tolist() == NUMBERS
    assert noted(data, "'c' left out: empty")


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1,234.5", ".", 1234.5), ("1.234,5", ",", 1234.5), ("1,234", ".", 1234), ("1,234", ",", 1.234),
        ("0,5", ",", 0.5),
        ("5%", ".", 5), ("$1,000", ".", 1000), ("1 000 000", ".", 1e6), ("1'000", ".", 1000), ("\u2212 3", ".", None),
        ("\u22123", ".", -3), ("0.123", ",", 0.123), ("1_000", ".", None), ("1,23", ".", None), ("x", ".", None),
    ],
)  # fmt: skip
def test_numbers_in_every_usual_way_of_writing(text, decimal, value):
    assert number_of(text, decimal) == value


def test_thousands_percent_and_decimal_commas(read):
    data = read("a,b\n" + "\n".join(f'"{1000 + i:,}",{i}%' for i in range(50)))
    assert data.train[:2].tolist() == [[1000, 0], [1001, 1]]
    assert noted(data, "'b': percent or currency signs left out")
    data = read("a;b\n" + "\n".join(f"{i},5;1.{100 + i},25" for i in range(50)))
    assert data.train[:2].tolist() == [[0.5, 1100.25], [1.5, 1101.25]]
    assert noted(data, "decimal commas")
    assert read("a;b\n1,234;2,345\n3,456;4,567").train.tolist() == [[1.234, 2.345], [3.456, 4.567]]
    assert read('a,b\n"1,234","2,345"\n"3,456","4,567"').train.tolist() == [[1234, 2345], [3456, 4567]]
    assert read("a;b\n1,234;2,345\n3,456;4,567", decimal=".").train[0].tolist() == [1234, 2345]
    with pytest.raises(ConfigError, match="decimal must be"):
        read("a;b\n1;2", decimal="x")


@pytest.mark.parametrize("header", ["", "Temp\n"])
def test_one_column_of_decimal_commas_is_one_column(read, header):
    data = read(header + "\n".join(f"{20 + i / 100:.2f}".replace(".", ",") for i in range(50)))
    assert data.train[:3].tolist() == [[20.0], [20.01], [20.02]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_delimiters_beside_times(read, delimiter):
    rows = [[f"2024-01-{i:02} 10:00", 1.5 * i, i] for i in range(1, 9)]
    if delimiter == " ":
        rows = [[f'"{row[0]}"', *row[1:]] for row in rows]
    data = read(lines([["time", "a", "b"], *rows], delimiter))
    assert data.columns == ("a", "b")
    assert data.ids("train").values[0] == "2024-01-01 10:00"


def test_missing_values_by_rule_and_by_name(read):
    text = "a,b\n1,NA\n?,2\nnull,-\n,NaN\n5,-200\n6,3\n7,-200\n8,4\n9,n.d.\n"
    data = read(text, missing="n.d.")
    assert np.isnan(data.train).sum() == 7
    assert noted(data, "7 values missing, written as -, ?, NA, NaN, empty, n.d., null: 3 in 'a', 4 in 'b'")
    assert noted(data, "'b' holds -200 in 2 rows, apart from 2 to 4: if it means missing, missing=-200")
    data = read(text, missing=["n.d.", -200])
    assert np.isnan(data.train).sum() == 9
    assert not noted(data, "-200 in 2 rows")
    assert np.isnan(read(text, missing="n.d.,-200.0").train).sum() == 9
    assert np.isnan(read("a\n-200\n1\n2.5", missing=-200).train).sum() == 1


def test_dates_as_numbers_are_asked_about(read):
    data = read("20240101,1.5\n20240102,2.5\n" * 20)
    assert len(data.train) == 40
    assert noted(data, "'0' holds dates as numbers: if they are no quantity, drop='0' or id='0'")
    assert not noted(read("20240101\n20249999\n"), "dates")


def test_all_unusable_columns_are_named_at_once(read):
    rows = [["red" if i % 2 else "blue", "ERR" if i == 7 else i, "bad" if i == 3 else i] for i in range(20)]
    with pytest.raises(DataError) as caught:
        read(lines([["colour", "temp", "load"], *rows]))
    message = str(caught.value)
    for part in (
        "2 columns of 3", "'temp': numbers, but 'ERR' in row 8", "'load': numbers, but 'bad' in row 4",
        "drop='temp,load'", "missing='ERR'",
    ):  # fmt: skip
        assert part in message
    assert "colour" not in message


def test_text_and_times_are_columns_of_a_typed_table(read):
    rows = [["x", "2024-01-02", 1, "yes"], ["?", "", 2, "no"], ["y", "2024-03-04 05:06", 3, "yes"]] * 2
    data = read(lines([["word", "day", "n", "ok"], *rows]), test=0, shuffle=False)
    assert data.columns == ("word", "day", "n", "ok")
    table = data.train
    assert {name: values.holds for name, values in table.columns.items()} == {
        "word": "text", "day": "time", "n": "number", "ok": "truth",
    }  # fmt: skip
    assert table.columns["word"].objects()[:3] == ["x", None, "y"]
    assert table.columns["day"].cells()[:3].tolist() == ["2024-01-02 00:00:00", "", "2024-03-04 05:06:00"]
    assert table.words == "columns: 1 of text, 1 of times, 1 of numbers, 1 of truth values; 4 missing"
    again = read(lines([["word", "day", "n", "ok"], *rows]), test=0, shuffle=False)
    assert again.sha256 == data.sha256
    other = read(lines([["word", "day", "n", "ok"], *rows[:-1], ["z", *rows[-1][1:]]]), test=0, shuffle=False)
    assert other.sha256 != data.sha256
    with_test = read(lines([["word", "day", "n", "ok"], *rows]))
    assert with_test.split("all").X.columns["n"].objects() == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("options", [{"shape": "2x2"}, {"window": 2}])
def test_typed_tables_have_no_other_shape(read, options):
    (name,) = options
    with pytest.raises(ConfigError, match=f"{name} must be left out for a table with text or times"):
        read(lines([["word", "n"], *[["ab"[i % 2], i] for i in range(10)]]), **options)


def test_an_index_is_no_feature(read):
    data = read(",a,b\n" + "\n".join(f"{i},{a},{b}" for i, (a, b) in enumerate(NUMBERS)))
    assert (data.columns, data.train.tolist()) == (("a", "b"), NUMBERS)
    assert data.ids("train").name == "index"
    assert data.ids("train").values.tolist() == list(range(50))
    assert noted(data, "the first column (an index) tells the rows apart and is no feature")
    assert read(",a\n1,2\n3,4\n", drop="Unnamed: 0").ids("train").name == "row"
    assert read("Unnamed: 0,a\n3,1\n9,2\n").columns == ("a",)
    assert read("index,a\n0,1\n1,2\n").columns == ("a",)
    assert read("index,a\n7,1\n1,2\n").columns == ("index", "a")  # a quantity
    data = read('"a" "b"\n' + "\n".join(f'"r {i}" {a} {b}' for i, (a, b) in enumerate(NUMBERS)), "x.txt")  # R's
    assert (data.columns, data.train.tolist(), data.ids("train").values[1]) == (("a", "b"), NUMBERS, "r 1")


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"drop": 0}, ("b", "1", "d, e")), ({"drop": "0"}, ("b", "1", "d, e")), ({"drop": "a,b"}, ("1", "d, e")),
        ({"drop": -1}, ("a", "b", "1")), ({"drop": "0,-1"}, ("b", "1")), ({"drop": ["a", 3]}, ("b", "1")),
        ({"drop": "d, e"}, ("a", "b", "1")), ({"drop": 'a,"d, e"'}, ("b", "1")), ({"drop": 1}, ("a", "b", "d, e")),
        ({"drop": "2"}, ("a", "b", "d, e")), ({"label": "a"}, ("b", "1", "d, e")), ({"id": 0}, ("b", "1", "d, e")),
        ({"columns": "b,a"}, ("b", "a")), ({"columns": [3, "a"]}, ("d, e", "a")),
        ({"drop": ""}, ("a", "b", "1", "d, e")),
    ],
)  # fmt: skip
def test_columns_by_name_or_number(read, options, columns):
    assert read('a,b,1,"d, e"\n1.5,2,3,4\n5,6,7.5,8', **options).columns == columns


def test_wrong_columns_are_named(read):
    text = "x,x,y\n" + lines([i, i * 2, i % 3] for i in range(50))
    data = read(text)
    assert data.columns == ("x", "x.1", "y")
    assert noted(data, "more than one column is called 'x'")
    assert read(text, drop="x").columns == ("y",)
    assert read(text, drop="x.1").columns == ("x", "y")
    with pytest.raises(ConfigError, match=r"label must be one column; 'x' names 2.*number 0.*number 1"):
        read(text, label="x")
    with pytest.raises(ConfigError, match="or its number from 0 to 2; got 3"):
        read(text, drop=3)
    with pytest.raises(ConfigError, match="id must be a column that no other option takes"):
        read(text, label="y", id="y")
    with pytest.raises(DataError, match="must have a column beside those left out"):
        read(text, drop="0,1,2")


def test_truth_values_are_numbers(read):
    data = read("a,b,c\nTRUE,no,1\nFALSE,yes,0\n,no,1\n")
    assert np.array_equal(data.train, [[1, 0, 1], [0, 1, 0], [np.nan, 0, 1]], equal_nan=True)


def test_zeros_and_ones_in_uint8_are_no_pixels(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(6, dtype=np.uint8))
    assert load_dataset(tmp_path / "x.npy", test=0).train.max() == 1
    from narrows import AE

    model = AE(latent_dim=2, epochs=1).fit(load_dataset(tmp_path / "x.npy", test=0).train)
    assert not model.schema_.pixels


def test_transposed_tables(read):
    data = read("gene,s1,s2,s3\ng1,1,2,3\ng2,4,5,6\n", transpose=True, id=0)
    assert data.columns == ("g1", "g2")
    assert data.train.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert data.ids("train").values.tolist() == ["s1", "s2", "s3"]


def test_packed_tables(read):
    text = "a,b\n" + lines(NUMBERS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", text)
        archive.writestr("__MACOSX/._inner.csv", b"\0")
    for name, content in (
        ("x.csv.zip", packed.getvalue()),
        ("x.zip", packed.getvalue()),
        ("x.data.gz", gzip.compress(text.encode())),
    ):
        assert read(content, name).train.tolist() == NUMBERS


def test_rows_of_different_lengths_are_named(read):
    with pytest.raises(DataError, match=r"must have 2 fields; got 1 in row 3 after the header: '7'"):
        read("a,b\n1,2\n3,4\n7\n5,6")
    with pytest.raises(DataError, match="control character"):
        read("a,b\n1,\x01\n")
    with pytest.raises(ConfigError, match="delimiter must be one character"):
        read("a,b\n1,2", delimiter="ab")


def test_text_files_in_a_folder_are_one_table(tmp_path):
    (tmp_path / "b.csv").write_text("x,y,c\n" + "".join(f"{i},{i}.5,{'uv'[i % 2]}\n" for i in range(10)))
    (tmp_path / "a.csv").write_text("y,x,c\n" + "".join(f"{i},{9 * i},{'uv'[i % 2]}\n" for i in range(5)))
    (tmp_path / "readme.txt").write_text("What they are.")
    data = load_dataset(tmp_path, label="c", test=3, shuffle=False)
    assert data.columns == ("y", "x")
    rows = np.concatenate([data.train, data.test])
    np.testing.assert_array_equal(rows[:5], [[i, 9 * i] for i in range(5)])
    np.testing.assert_array_equal(rows[5:], [[i + 0.5, i] for i in range(10)])
    assert (data.ids("train").name, data.ids("train").values[4]) == ("file", "a.csv:4")
    assert data.ids("test").values.tolist() == ["b.csv:7", "b.csv:8", "b.csv:9"]
    assert data.notes[0] == "2 files"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,z,c\n1,2,u\n", r"the same columns; c\.csv lacks 'x' and has 'z' besides, other than a"),
        ("y,x\n1,2\n", r"c\.csv lacks 'c', other than a\.csv\. Take it out"),
        ("y,x,x\n1,2,3\n", r"c\.csv lacks 'c', other than a\.csv"),
        ("1,2,3\n4,5,6\n", r"a\.csv names its columns and c\.csv does not\. Say header=yes or header=no"),
        ("", r"c\.csv' must hold rows of numbers; got an empty file"),
    ],
)
def test_files_of_other_columns_are_named(tmp_path, text, message):
    (tmp_path / "a.csv").write_text("y,x,c\n1,2,u\n3,4,v\n")
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, label="c")
