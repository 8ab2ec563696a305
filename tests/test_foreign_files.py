"""Files of other kinds are named for what they are; text in any encoding, separator and decimal sign is one table."""

from __future__ import annotations

import contextlib
import cProfile
import gzip
import io
import json
import pickle
import pstats
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.formats.csv_generic import parse_csv
from grfkit.formats.encoding import decode, foreign, head_text
from grfkit.formats.xsensor import parse_xsensor
from grfkit.io import read
from grfkit.io.inspect import inspect
from grfkit.sync.batch import read_table
from test_insole_readers import xsensor_text


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "time [s],left_force [N]\n0,1\n")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return out.getvalue()


def saved_array(save: Callable[..., None]) -> bytes:
    out = io.BytesIO()
    save(out, np.zeros(3))
    return out.getvalue()


OTHERS: list[tuple[str, bytes, str, str]] = [
    ("a.ods", zipped("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), "a LibreOffice workbook", "CSV"),
    ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "an old Excel or Word file", "save the table as CSV"),
    ("a.docx", zipped("[Content_Types].xml", "word/document.xml"), "a text document", "CSV"),
    ("a.zip", zipped("walk.csv"), "a ZIP archive", "unpack it"),
    ("a.npz", saved_array(np.savez), "an archive of NumPy arrays", "CSV"),
    ("a.npy", saved_array(np.save), "a NumPy array", "CSV"),
    ("a.mat", np.asarray([0, 3, 1, 0, 2], dtype="<i4").tobytes() + b"x\0" + b"\0" * 24, "a MATLAB file", "CSV"),
    ("a.csv.gz", gzip.compress(b"time [s],left_force [N]\n0,1\n", mtime=0), "packed with gzip", "unpack it"),
    ("a.tar", tarred(), "a tar archive", "unpack it"),
    ("a.parquet", b"PAR1\x15\x04\x15\x10" + b"\0" * 30, "a Parquet table", "CSV"),
    ("a.pkl", pickle.dumps({"force": [1.0, 2.0]}), "a Python pickle", "CSV"),
    ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document", "export the recording"),
    ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture (PNG)", "no pictures"),
    ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture (JPEG)", "no pictures"),
    ("a.heic", b"\0\0\0\x20ftypheic\0\0\2\0", "a video or picture", "no pictures"),
    ("a.csv", b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n", "a web page", "download or export"),
    (
        "a.osim",
        b'<?xml version="1.0"?>\n<OpenSimDocument Version="40000"></OpenSimDocument>\n',
        "an XML document",
        "export the recording",
    ),
    ("a.json", json.dumps({"force": [1, 2]}).encode(), "a JSON document", "CSV"),
]


@pytest.mark.parametrize(
    ("name", "content", "what", "advice"), OTHERS, ids=[f"{k}-{row[0]}" for k, row in enumerate(OTHERS)]
)
def test_a_file_of_another_kind_is_named_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, what: str, advice: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: is {what}")
    assert "which grfkit does not read; " in text
    assert advice in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "text",
    [
        "BZ,h\n1,2\n",
        "time\n1\n",
        "MMM\n",
        "[what\n",
        "{x}\n",
        "< 5 N\n",
        "<strong>Results</strong>\n",
        "PK is not a zip\n",
    ],
)
def test_text_is_no_other_kind(text: str) -> None:
    assert not foreign(text.encode(), "a.txt")


@given(st.binary(max_size=300))
def test_any_bytes_give_one_line_or_none(data: bytes) -> None:
    assert "\n" not in foreign(data)
    head_text(data)
    with contextlib.suppress(BadInputError):
        decode(data)


# --- encodings --------------------------------------------------------------------------------------------

CSV = "time [s],left_force [N],right_acc_x [m/s²]\n" + "".join(f"{i / 100:.2f},{i}.5,-{i}.25\n" for i in range(40))
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_table_in_any_encoding_is_the_same(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV.encode(encoding))
    got = read(path)
    np.testing.assert_allclose(got.streams["insole_left"]["force"], np.arange(40) + 0.5)
    np.testing.assert_allclose(got.streams["imu_right"]["acc_x"], -np.arange(40) - 0.25)


@given(
    st.text("abcµ²0123456789.,;\t\n []", min_size=16, max_size=200), st.sampled_from(["utf-16", "utf-8-sig", "utf-32"])
)
def test_marked_text_comes_back(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text
    assert head_text(text.encode(encoding)) == text


# --- decimal commas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time [s];left_force [N]", "{t};{f}"),
        ("time [s]\tleft_force [N]", "{t}\t{f}"),
        ("time [s],left_force [N]", '"{t}","{f}"'),
        ('"time [s]","left_force [N]"', '"{t}","{f}"'),
        ("time [s];left_force [N]", '"{t}";"{f}"'),
    ],
)
def test_decimal_commas_are_read_where_they_can_be_told(tmp_path: Path, header: str, row: str) -> None:
    path = tmp_path / "a.csv"
    rows = [row.format(t=f"{i / 100:.2f}", f=f"{i}.5").replace(".", ",") for i in range(30)]
    path.write_text("\n".join([header, *rows]) + "\n")
    got = read(path).streams["insole_left"]
    np.testing.assert_allclose(got["force"], np.arange(30) + 0.5)
    np.testing.assert_allclose(got["time"], np.arange(30) / 100)


@pytest.mark.parametrize("row", ["{i},01,{i},5", "0,{i},512,4", "{i},0,512"])
def test_decimal_commas_between_commas_are_refused_for_what_they_are(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time [s],left_force [N]\n" + "".join(row.format(i=i) + "\n" for i in range(10)))
    with pytest.raises(
        BadInputError, match="decimal commas, which cannot be told from the commas between them; export"
    ):
        read(path)
    with pytest.raises(BadInputError, match="decimal commas"):
        parse_csv(path.read_text())


def test_a_row_with_one_cell_more_is_damage_and_no_decimal_comma() -> None:
    with pytest.raises(BadInputError, match="line 3 has 3 cells, expected 2; the file is cut off or damaged there"):
        parse_csv("time [s],left_force [N]\n0,1\n1,2,3\n")


@pytest.mark.parametrize(
    "cells", [['"1,234"', '"2,345"'], ['"1,234.5"', '"0.5"'], ['"1,5"', "2.5"], ['"12,345,678"', "1"]]
)
def test_thousands_signs_are_refused(cells: list[str]) -> None:
    rows = "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
    with pytest.raises(BadInputError, match="whether ',' is a decimal or a thousands sign cannot be told"):
        parse_csv("time [s],left_force [N]\n" + rows)


def test_a_quoted_comma_with_other_than_three_digits_is_a_decimal_comma() -> None:
    table = parse_csv('time [s],left_force [N]\n0,"1,234"\n1,"0,5"\n2,7\n').table
    np.testing.assert_array_equal(table, [[0, 1.234], [1, 0.5], [2, 7]])


# --- lines named in messages ------------------------------------------------------------------------------


def test_a_quoted_cell_over_two_lines_moves_no_line_number() -> None:
    text = 'time [s],left_force [N],remark [V]\n0,1,"\n"\n1,2,3\n2,x,"4"\n'
    with pytest.raises(BadInputError, match=r"line 5, column 'left_force \[N\]': 'x' is no number"):
        parse_csv(text)
    with pytest.raises(BadInputError, match="line 5 has 2 cells, expected 3"):
        parse_csv(text.replace('2,x,"4"', '2,"4"'))
    np.testing.assert_array_equal(parse_csv(text.replace("x", "9")).table[:, 1], [1, 2, 9])


def test_an_xsensor_file_with_semicolons_is_not_cut_for_its_decimal_commas() -> None:
    text = xsensor_text(4)
    text = text[: text.rindex("GROUP")].rstrip("\r\n, ")
    semicolons = text.replace(",", ";").replace(".", ",").replace("x,XSN", "x.XSN").replace("Est, Load", "Est. Load")
    # the first row has a fraction in each cell, the last has none
    semicolons = semicolons.replace("\r\n0;0;0\r\n", "\r\n0,5;0,5;0,5\r\n", 1).replace(
        "Est. Load (N);0,0000", "Est. Load (N);0,02"
    )
    parsed = parse_xsensor(semicolons)
    assert [foot.side for foot in parsed.feet] == ["left", "right"]
    assert parsed.time.size == 4


# --- many columns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["c{} [V]", "left_zone_z{} [N]"])
def test_twice_the_columns_are_twice_the_work(tmp_path: Path, name: str) -> None:
    calls = []
    for count in (150, 300):
        path = tmp_path / "a.csv"
        header = ",".join(["time [s]", *(name.format(i) for i in range(count))])
        path.write_text(header + "\n" + "".join(f"{i / 100}," + ",".join(["1"] * count) + "\n" for i in range(3)))
        inspect(path)  # imports are done
        profile = cProfile.Profile()
        profile.runcall(inspect, path)
        calls.append(pstats.Stats(profile).total_calls)
    assert calls[1] < 2.2 * calls[0]


# --- the table of a batch ---------------------------------------------------------------------------------

TABLE = "reference,wearable,surface,out,mass_kg,speed_m_s\na.c3d,b.txt;c.csv,treadmill,Läufer.nc,70.5,3.25\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_table_of_a_batch_in_any_encoding_and_separator(tmp_path: Path, encoding: str, separator: str) -> None:
    text = TABLE
    if separator != ",":
        # as a spreadsheet of a country of decimal commas writes it
        text = text.replace("b.txt;c.csv", '"b.txt_c.csv"' if separator == ";" else "b.txt_c.csv")
        text = text.replace(",", separator).replace("70.5", "70,5").replace("3.25", "3,25").replace("txt_c", "txt;c")
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    (row,) = read_table(path, {})
    assert row.request.wearables == (tmp_path / "b.txt", tmp_path / "c.csv")
    assert (row.request.mass_kg, row.request.speed_m_s) == (70.5, 3.25)
    assert row.out == tmp_path / "Läufer.nc"


def test_a_workbook_as_the_table_of_a_batch_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    path.write_bytes(zipped("[Content_Types].xml", "xl/workbook.xml"))
    with pytest.raises(BadInputError, match=r"table\.xlsx: is an Excel workbook, which grfkit does not read; save"):
        read_table(path, {})
