"""How could arrays of MATLAB or a sheet be misread? Rows for columns, another structure, a unit, a damaged file."""

from __future__ import annotations

import builtins
import random
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from grfkit.errors import BadInputError
from grfkit.formats.matlab import matlab_arrays
from grfkit.io import ReadOptions, read, sniff
from grfkit.io.columns import load_column_map
from grfkit.units import G
from test_io_text import DATA, refused, write

TIME = np.arange(30) / 100
FORCE = np.stack([np.zeros(30), np.ones(30), np.arange(30.0)], axis=1)
ACC = np.stack([np.arange(30.0), np.ones(30), np.full(30, 2.0)])
MAP = {
    "t": "time [s]",
    "trial.plate.force(:,3)": "fz [N]",
    "imu(2).acc(1,:)": "left_acc_x [g]",
    "cells{2}": "left_cell_01 [kPa]",
}


def refusal(path: Path, options: ReadOptions) -> str:
    """Return what a file is refused with, "" if it is read."""
    try:
        read(path, options)
    except BadInputError as error:
        return str(error)
    return ""


def version_5(path: Path) -> Path:
    imu = np.zeros((1, 2), dtype=[("acc", object), ("name", object)])
    imu[0, 0] = (-ACC, "right")
    imu[0, 1] = (ACC, "left")
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0], cells[0, 1] = "text", FORCE[:, 1]
    savemat(path, {"t": TIME[:, None], "trial": {"plate": {"force": FORCE}}, "imu": imu, "cells": cells, "word": "x"})
    return path


def version_73(path: Path) -> Path:
    """Return a file as MATLAB 7.3 writes it: HDF5 behind 512 bytes, arrays the other way round, references."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(name: str, values: Any, kind: str = "double") -> h5py.Dataset:
            made = file.create_dataset(name, data=np.asarray(values).T)
            made.attrs["MATLAB_class"] = np.bytes_(kind)
            return made

        put("t", TIME[:, None])
        put("trial/plate/force", FORCE)
        file["trial"].attrs["MATLAB_class"] = np.bytes_("struct")
        put("word", np.asarray([[120]], dtype=np.uint16), "char")
        inner = [put(f"#refs#/{i}", value) for i, value in enumerate((-ACC, ACC, [[1.0]], FORCE[:, 1:2]))]
        for name, parts, kind in (("imu/acc", inner[:2], "double"), ("cells", inner[2:], "cell")):
            refs = file.create_dataset(name, shape=(2, 1), dtype=h5py.ref_dtype)
            for i, part in enumerate(parts):
                refs[i, 0] = part.ref
            if kind == "cell":
                refs.attrs["MATLAB_class"] = np.bytes_(kind)
    data = path.read_bytes()
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM" + data[128:])
    return path


@pytest.mark.parametrize("writer", [version_5, version_73])
def test_arrays_are_found_under_their_names_in_matlab(tmp_path: Path, writer: Any) -> None:
    path = writer(tmp_path / "a.mat")
    assert sniff(path).reader.name == "matlab"
    got = read(path, ReadOptions(column_map=MAP)).streams
    np.testing.assert_allclose(got["plate_1"]["fz"], np.arange(30))
    np.testing.assert_allclose(got["imu_left"]["acc_x"], np.arange(30) * G)
    np.testing.assert_allclose(got["insole_left"]["cell_01"], 1000)
    np.testing.assert_allclose(got["plate_1"]["time"], TIME)
    assert got["plate_1"]["fz"].attrs["raw_name"] == "trial.plate.force(:,3)"


@pytest.mark.parametrize("writer", [version_5, version_73])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "read by a column map (--column-map map.toml) that names its arrays and their units; it holds '"),
        ({"t": "time [s]", "force": "fz [N]"}, "the file's arrays are "),
        ({"t": "time [s]", "trial.plate.force": "fz [N]"}, "has 30 rows and 3 columns; name one of them"),
        ({"t": "time [s]", "trial.plate.force(:,4)": "fz [N]"}, "is outside of 'trial.plate.force', which has 30 rows"),
        ({"t": "time [s]", "trial.plate.force(:,0)": "fz [N]"}, "is outside of"),
        ({"t": "time [s]", "trial.plate.force(:,:)": "fz [N]"}, "names no single row or column"),
        ({"t": "time [s]", "trial.plate.force(1,:)": "fz [N]"}, "'t' has 30 samples, 'trial.plate.force(1,:)' 3"),
        ({"trial.plate.force(:,3)": "fz [N]"}, "has no column 'time'"),
        ({"t": "time [s]", "trial.plate.force(:,3)": "fz [m]"}, "is in m, but fz is measured in N"),
        ({"t": "time [s]", "trial.plate.force(:,3)": "fz"}, "states no unit"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, writer: Any, change: dict[str, str], says: str) -> None:
    assert says in refused(writer(tmp_path / "a.mat"), ReadOptions(column_map=change))


def test_infinite_numbers_and_files_of_words_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"t": TIME, "f": np.where(TIME > 0.1, np.inf, 0)})
    assert "'f' is inf in place 12" in refused(path, ReadOptions(column_map={"t": "time [s]", "f": "fz [N]"}))
    savemat(path, {"word": "x"})
    assert "holds no array of numbers" in refused(path)


@pytest.mark.parametrize("writer", [version_5, version_73])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, writer: Any) -> None:
    data = writer(tmp_path / "a.mat").read_bytes()
    path, chance = tmp_path / "b.mat", random.Random(18)
    for _ in range(60):
        changed = bytearray(data)
        if chance.random() < 0.3:
            del changed[chance.randrange(128, len(data)) :]
        for _ in range(chance.choice((1, 4, 40))):
            changed[chance.randrange(128, len(changed))] = chance.randrange(256)
        path.write_bytes(bytes(changed))
        if text := refusal(path, ReadOptions(column_map=MAP)):
            assert "\n" not in text
            assert "did not expect" not in text


@pytest.mark.parametrize("packed", [False, True])
def test_version_5_is_what_scipy_reads(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.mat"
    kinds = {f"a_{kind}": np.arange(6, dtype=kind).reshape(2, 3) for kind in ("i1", "u2", "i4", "f4", "f8", "i8")}
    savemat(path, kinds | {"one": 7.0, "wave": 1j * TIME, "cube": np.zeros((2, 2, 2))}, do_compression=packed)
    found = matlab_arrays(path)
    assert set(found) == {*kinds, "one"}
    for name in found:
        np.testing.assert_array_equal(found[name], loadmat(path)[name])


@pytest.mark.recordings
def test_a_real_file_of_structures() -> None:
    path = DATA / "bach2022_shank_acc_vgrf" / "data" / "walk+run.mat"
    if not path.exists():
        pytest.skip("bach2022_shank_acc_vgrf of ../shared/data is not here")
    known = loadmat(path)["data"][1, 0]["Accelerometer"]
    np.testing.assert_array_equal(matlab_arrays(path)["data(2).Accelerometer"], known)
    names = {"data(2).Accelerometer(:,3)": "left_shank_acc_z [g]", "data(2).GroundReactionForce": "fz [N]"}
    got = read(path, ReadOptions(column_map=names, rate_hz=142.86)).streams
    np.testing.assert_allclose(got["imu_shank_left"]["acc_z"], known[:, 2] * G)


# --- workbooks


def xlsx(path: Path, rows: list[list[Any]], *, sheet: str = "Trial 1", before: str = "") -> Path:
    openpyxl = pytest.importorskip("openpyxl", reason="extra 'excel' is not installed")
    book = openpyxl.Workbook()
    page = book.active
    if before:
        page.title = before
        page = book.create_sheet()
    page.title = sheet
    for row in rows:
        page.append(row)
    book.save(path)
    return path


def test_a_sheet_is_a_table_with_its_numbers_as_they_are(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["time [s]", "left_force [N]", "right_acc_x [g]"]]
    rows += [[i / 100, None if i == 3 else 1 / 3 + i, 2] for i in range(20)]
    path = xlsx(tmp_path / "a.xlsx", rows, before="Notes")
    assert sniff(path).reader.name == "workbook"
    assert "line 1 holds" in refused(path) or "no header row" in refused(path)
    options = load_column_map(write(tmp_path, 'sheet = "Trial 1"\n', "map.toml")).options()
    got = read(path, options)
    force = got.streams["insole_left"]["force"].values
    assert np.isnan(force[3])
    assert force[2] == pytest.approx(1 / 3 + 2, rel=1e-14)
    np.testing.assert_allclose(got.streams["imu_right"]["acc_x"], 2 * G)
    assert "read is the sheet 'Trial 1', not: Notes" in got.notes
    options = load_column_map(write(tmp_path, 'sheet = "Trial 2"\n', "map.toml")).options()
    assert "has no sheet 'Trial 2'; its sheets are Notes, Trial 1" in refused(path, options)


def test_header_rows_and_units_of_a_sheet(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["", "Left shoe", ""], ["t", "ax", "az"], ["ms", "g", "g"]]
    rows += [[10 * i, 1, i] for i in range(20)]
    toml = (
        'time = "t"\ntime_unit = "ms"\nheader_rows = 2\nunits_row = true\n[columns]\n"Left shoe: az" = "left_acc_z"\n'
    )
    options = load_column_map(write(tmp_path, toml, "map.toml")).options()
    got = read(xlsx(tmp_path / "a.xlsx", rows), options)
    np.testing.assert_allclose(got.streams["imu_left"]["acc_z"], np.arange(20) * G)


@pytest.mark.parametrize("cell", ["#DIV/0!", "12 N", True])
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: Any) -> None:
    path = xlsx(tmp_path / "a.xlsx", [["time [s]", "left_force [N]"], [0, 1], [0.01, cell], [0.02, 1]])
    assert "line 3, column 'left_force [N]'" in refused(path)


def test_a_missing_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    found = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("openpyxl"):
            raise ImportError("No module named 'openpyxl'")
        return found(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "Excel workbooks need openpyxl (No module named 'openpyxl'); pip install 'grfkit[excel]'" in refused(path)


def test_damaged_workbooks_are_refused_in_one_line(tmp_path: Path) -> None:
    data = xlsx(tmp_path / "a.xlsx", [["time [s]", "left_force [N]"], *([i / 100, i] for i in range(50))]).read_bytes()
    path, chance = tmp_path / "b.xlsx", random.Random(18)
    for _ in range(40):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 8, 60))):
            changed[chance.randrange(30, len(changed))] = chance.randrange(256)
        path.write_bytes(bytes(changed[: chance.choice((len(changed), len(changed) // 2))]))
        if text := refusal(path, ReadOptions()):
            assert "\n" not in text
            assert "did not expect" not in text
