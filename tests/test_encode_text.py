"""`narrows encode` of text files and Parquet that are read in parts: the same bytes as of the whole file."""

import gzip
import zipfile

import numpy as np
import pytest

import narrows
from narrows import PCA, VAE
from narrows.cli import encode, main, rows, text_rows
from narrows.cli.arguments import Source
from narrows.data import parquet
from narrows.runs import record
from narrows.training.report import read_all


@pytest.fixture
def numbers(tmp_path):
    """Return a run of a table with an id, and another text file for it, with decimals, gaps and quoted line breaks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3)).round(4)

    def write(name, rows):
        lines = [f'"n {i}\nx",{a},{"" if i == 7 else b},{c}\n' for i, (a, b, c) in enumerate(rows)]
        (tmp_path / name).write_text("name,a,b,c\n" + "".join(lines))
        return tmp_path / name

    data = narrows.load_dataset(write("train.csv", X[10:]), id="name")
    run = read_all(record(PCA(latent_dim=2), data, tmp_path / "run", pictures=False))
    return run, write("new.csv", X)


@pytest.mark.parametrize("ending", ["csv", "npy", "parquet"])
def test_text_is_read_in_parts_and_resumes_to_the_same_bytes(ending, numbers, tmp_path, monkeypatch, capsys):
    run, data = numbers
    command = ["encode", str(run.folder), "--data", str(data), "--out"]
    whole, parts, out = (tmp_path / f"{name}.{ending}" for name in ("whole", "parts", "out"))
    monkeypatch.setattr(rows, "MOST", 4)
    assert main([*command, str(whole)]) == 0
    monkeypatch.setattr(text_rows, "LARGE", 0)
    monkeypatch.setattr(rows, "_loaded", None)  # nothing reads the whole file
    assert main([*command, str(parts)]) == 0
    done, made = [], encode._part

    def interrupted(*given):
        done.append(given)
        if len(done) == 4:
            raise KeyboardInterrupt
        return made(*given)

    monkeypatch.setattr(encode, "_part", interrupted)
    assert main([*command, str(out)]) == 130
    monkeypatch.setattr(encode, "_part", made)
    assert main([*command, str(out)]) == 0
    assert "resumes: 12 of 30 rows are done" in " ".join(capsys.readouterr().err.split())
    assert out.read_bytes() == parts.read_bytes() == whole.read_bytes()
    assert out.stat().st_size > 30 * 2 * 4


def test_parquet_is_read_by_row_groups_to_the_same_bytes(numbers, tmp_path, monkeypatch):
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    run, data = numbers
    pl.read_csv(data).write_parquet(tmp_path / "new.parquet", row_group_size=7)
    command = ["encode", str(run.folder), "--data", str(tmp_path / "new.parquet"), "--out"]
    monkeypatch.setattr(rows, "MOST", 4)
    assert main([*command, str(tmp_path / "whole.npy")]) == 0
    monkeypatch.setattr(parquet, "LARGE", 0)
    assert main([*command, str(tmp_path / "parts.npy"), "--id", "name"]) == 0
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert narrows.load_dataset(tmp_path / "new.parquet", id="name").notes[0].endswith("stay on disk")


def test_other_texts_are_read_as_a_whole(numbers, monkeypatch):
    run, data = numbers
    monkeypatch.setattr(text_rows, "LARGE", 0)
    source, written = Source(data=str(data)), data.read_text()
    assert text_rows.text_rows(run, source).count == 30
    data.write_text("# a comment\n" + written)
    assert text_rows.text_rows(run, source).count == 30
    data.write_text("name,a,b,c,\n" + "".join(f"n{i},1,2,3,\n" for i in range(9)))  # a column without fields
    assert text_rows.text_rows(run, source) is None
    data.write_text("name,a,b,c\nx,1,2,x\ny,3,4,y\n")
    assert text_rows.text_rows(run, source) is None
    assert text_rows.text_rows(run, Source(data=str(data), options={"skip": 1})) is None


def test_what_is_wrong_far_below_is_said(numbers, tmp_path, monkeypatch, capsys):
    run, data = numbers
    monkeypatch.setattr(text_rows, "LARGE", 0)
    command = ["encode", str(run.folder), "--data", str(data), "--out", str(tmp_path / "codes.csv")]
    rows = "".join(f"n{i},{i}.5,2,3\n" for i in range(1200))
    cases = (
        ("n,1,2\n", "got 3 in row 1201"), ("n,1,\x00,2\n", "control character"),
        ("n,1,2,x\n", "column 'c' must hold numbers, as in training; got 'x' in row 1,200"),
        ('n,1,"2,3\n', "sound file of its type"),
    )  # fmt: skip
    for more, said in cases:
        data.write_text("name,a,b,c\n" + rows + more)
        assert main(command) == 2
        assert said in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "codes.csv").exists()


def compared(run, whole, parts, monkeypatch, tmp_path, ending="csv"):
    """Encode one file as a whole and one in parts; the codes must be the same bytes."""
    monkeypatch.setattr(rows, "MOST", 7)
    outs = []
    for name, data in (("whole", whole), ("parts", parts)):
        outs.append(tmp_path / f"{name}.{ending}")
        assert main(["encode", str(run.folder), "--data", str(data), "--out", str(outs[-1]), "--force"]) == 0
        monkeypatch.setattr(text_rows, "LARGE", 0)
        monkeypatch.setattr(rows, "_loaded", None)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    return outs[0].read_text() if ending == "csv" else ""


def typed(n=60):
    """Return rows of typed columns as text: categories, numbers with gaps, truth, times and labels."""
    rng = np.random.default_rng(4)
    lines = ["age,town,member,when,key,kind"]
    for i in range(n):
        town, age = rng.choice(["Ulm", "Köln", "007"]), "" if i % 9 == 4 else f"{rng.normal(40, 9):.2f}"
        lines.append(f'{age},"{town}",{rng.choice(["yes", "no"])},2020-0{1 + i % 9}-11,k{i:03d},{"xyz"[i % 3]}')
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def typed_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    (folder / "train.csv").write_text(typed())
    data = narrows.load_dataset(folder / "train.csv", label="kind", id="key")
    model = VAE(latent_dim=2, network="mlp:4", epochs=1)
    return read_all(record(model, data, folder / "run", pictures=False))


@pytest.mark.parametrize("ending", ["csv", "npy", "parquet"])
def test_typed_columns_and_classes_are_read_in_parts(typed_run, ending, tmp_path, monkeypatch):
    (tmp_path / "new.csv").write_text(typed(50))
    text = compared(typed_run, tmp_path / "new.csv", tmp_path / "new.csv", monkeypatch, tmp_path, ending)
    assert not text or text.startswith("row,key,label,code_1,code_2\n0,k000,x,")


def test_a_part_of_numbers_alone_is_text_where_the_column_is(typed_run, tmp_path, monkeypatch):
    head, *lines = typed(50).splitlines()
    lines[7:14] = [line.replace("Ulm", "007").replace("Köln", "007") for line in lines[7:14]]
    (tmp_path / "new.csv").write_text("\n".join([head, *lines]))
    compared(typed_run, tmp_path / "new.csv", tmp_path / "new.csv", monkeypatch, tmp_path)


def test_what_a_column_did_not_hold_far_below_is_said(typed_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(text_rows, "LARGE", 0)
    head, *lines = typed(50).splitlines()
    command = ["encode", str(typed_run.folder), "--data", str(tmp_path / "new.csv"), "--out", str(tmp_path / "c.csv")]
    for other, said in (
        (lines[0].replace("2020-01-11", "11.01.2020"), "times that begin with the year"),
        (lines[0].replace("2020-01-11", "2020.5"), "times that begin with the year"),
        (f"old,{lines[0].partition(',')[2]}", "column 'age' must hold numbers, as in training; got 'old' in row 1,500"),
    ):
        (tmp_path / "new.csv").write_text("\n".join([head, *lines * 30, other]))
        assert main(command) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    (tmp_path / "new.csv").write_text(typed(50).replace("2020-0", "03.0").replace("-11,", ".2020,"))
    assert text_rows.text_rows(typed_run, Source(data=str(tmp_path / "new.csv"))) is None


@pytest.mark.parametrize("form", ["gz", "zip", "utf-16", "cp1252", "comments"])
def test_packed_and_encoded_otherwise_it_is_the_same_table(typed_run, form, tmp_path, monkeypatch):
    text = typed(50)
    (tmp_path / "new.csv").write_text(text)
    other = tmp_path / ("other.csv.gz" if form == "gz" else "other.csv")
    if form == "gz":
        other.write_bytes(gzip.compress(text.encode()))
    elif form == "zip":
        with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.csv", text)
    elif form == "comments":
        other.write_text("# made today\n" + text.replace("\n", "\n% no row\n\n", 3) + "\x1a")
    else:
        other.write_bytes(text.encode(form))
    compared(typed_run, tmp_path / "new.csv", other, monkeypatch, tmp_path)


def test_numbers_without_a_header_are_read_in_parts(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 3)).round(4)
    for name, first in (("train", 10), ("new", 0)):
        np.savetxt(tmp_path / f"{name}.csv", X[first:], delimiter=";", fmt="%.4f")
    run = read_all(
        record(PCA(latent_dim=2), narrows.load_dataset(tmp_path / "train.csv"), tmp_path / "run", pictures=False)
    )
    compared(run, tmp_path / "new.csv", tmp_path / "new.csv", monkeypatch, tmp_path)
