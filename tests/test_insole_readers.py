"""Moticon, pedar, XSENSOR, F-Scan, stAPPone, gaitpdb: real values, variants, and damaged files."""

from __future__ import annotations

import random
import re
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.formats.text import decimal_sign, matrix_rows, name_and_unit, parse_table
from grfkit.io import ReadOptions, read, sniff
from grfkit.records import Recording
from grfkit.units import G

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PRESSURE = DATA / "pressuRe_samples" / "inst" / "extdata"
MMHG = 133.322387415
recordings = pytest.mark.skipif(not PRESSURE.is_dir(), reason="needs the real recordings in ../shared/data")
REAL = {
    "loadsol": DATA / "pomarat_loadsol" / "test_poids.txt",
    "gaitpdb": DATA / "gaitpdb_insole" / "JuPt06_01.txt",
    "pedar": PRESSURE / "pedar_example.asc",
    "xsensor": PRESSURE / "xsensor_data.csv",
    "fscan": PRESSURE / "fscan_testL.asf",
    "stappone": PRESSURE / "stappone_example.csv",
}


def read_as(reader: str, path: Path, text: str, options: ReadOptions | None = None) -> Recording:
    path.write_bytes(text.encode("utf-8"))
    assert sniff(path).reader.name == reader
    return read(path, options)


# --- tables of text ---------------------------------------------------------------------------------------


def table(lines: list[str], **more: object) -> np.ndarray:
    form = {"columns": ["a", "b", "c"], "separator": "\t", "first_line": 1} | more
    return parse_table(lines, **form).values  # type: ignore[arg-type]


def test_table_with_every_way_of_missing() -> None:
    got = table(["1\t-\t3", "-\t-\t-", "\t\t6", "nan\t NaN \t9"], missing=frozenset({"-"}))
    expected = np.array([[1, np.nan, 3], [np.nan] * 3, [np.nan, np.nan, 6], [np.nan, np.nan, 9]])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("cell", ["1 2", "1-2", "0x1", "1_0", "e5", ".", "--1", "1e400", "inf", "²", "1,5"])
def test_table_takes_no_odd_cell_for_a_number(cell: str) -> None:
    with pytest.raises(BadInputError, match="line 2, column 'b'"):
        table(["1\t2\t3", f"4\t{cell}\t6", "7\t8\t9"])


def test_fast_and_careful_paths_agree() -> None:
    rng = np.random.default_rng(3)
    values = np.round(rng.normal(scale=1e3, size=(200, 3)), 4)
    lines = ["\t".join(f"{v:.4f}" for v in row) for row in values]
    np.testing.assert_array_equal(table(lines), values)
    odd = ["\t".join(f' "{v:.4f}"' for v in row) for row in values]  # quotes: the careful path
    np.testing.assert_array_equal(table(odd), values)


def test_two_wrongs_in_one_row_do_not_make_it_right() -> None:
    with pytest.raises(BadInputError):
        table(["1\t2\t3", "4 5\t \t6", "7\t8\t9"])


def test_a_cut_row_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"is cut off inside its last row \(line 8\)"):
        table(["1\t2\t3", "4\t5"], first_line=7)
    with pytest.raises(BadInputError, match="is cut off"):
        table(["1\t2\t3.25", "4\t5\t6.2"], line_ended=False)
    with pytest.raises(BadInputError, match="line 2"):
        table(["1\t2\t3", "4\t5", "7\t8\t9"])


def test_small_helpers() -> None:
    assert name_and_unit("Est. Load (N)") == ("Est. Load", "N")
    assert name_and_unit("[rad/s]") == ("", "rad/s")
    assert name_and_unit("heel") == ("heel", "")
    assert decimal_sign(["1;2,5"], ";") == ","
    with pytest.raises(BadInputError, match="line 9"):
        matrix_rows(["1,2", "3,x"], [7, 9], width=2)


# --- pedar ------------------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
def test_pedar_values_are_those_of_the_raw_text() -> None:
    recording = read(REAL["pedar"])
    rows = [line.split("\t") for line in REAL["pedar"].read_text().splitlines()[9:] if line.strip()]
    raw = np.array([row[:199] for row in rows[1:]], dtype=float)
    left, right = recording.streams["insole_left"], recording.streams["insole_right"]
    assert rows[0][1].strip() == rows[0][100].strip() == "1"
    np.testing.assert_allclose(left["cell_01"].values, raw[:, 1] * 1e3)
    np.testing.assert_allclose(left["cell_99"].values, raw[:, 99] * 1e3)
    np.testing.assert_allclose(right["cell_01"].values, raw[:, 100] * 1e3)
    np.testing.assert_allclose(right["pressure_sum"].values, raw[:, 100:199].sum(axis=1) * 1e3)
    assert "force" not in left
    assert left.attrs["rate_hz"] == 100.0
    assert left["cell_01"].attrs["units"] == "Pa"


def pedar_text(*, sides: str = "left right", rows: int = 20, unit: str = "kPa", cells: int = 3) -> str:
    listed = ",".join(str(i + 1) for i in range(cells)) + ","
    lines = [
        "file name:  x.sol\tdate/time  25.04.23 10.49",
        "total time [secs]:  0.200\ttime per frame [secs]:  0.01000\tscanning rate [Hz]:   100",
        f"pressure values in  {unit}",
        "",
        *(f"{side} insole: {listed}" for side in sides.split()),
        "",
    ]
    count = len(sides.split())
    lines.append("\t".join(["time[secs]    ", *(f"{i + 1:7d}" for _ in range(count) for i in range(cells))]))
    for row in range(1, rows + 1):
        cells_of = [f"{row + 10 * i:7.3f}" for i in range(count * cells)]
        lines.append("\t".join([f"{row * 0.01:12.5f}", *cells_of]))
    return "\n".join(lines) + "\n"


def test_pedar_one_foot(tmp_path: Path) -> None:
    recording = read_as("pedar", tmp_path / "a.asc", pedar_text(sides="right"))
    assert list(recording.streams) == ["insole_right"]
    np.testing.assert_allclose(recording.streams["insole_right"]["cell_02"].values[:2], [11e3, 12e3])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("values in  kPa", "values in  kRa", "kRa"),
        ("values in  kPa", "values in  mm", "pressure"),
        ("[Hz]:   100", "[Hz]:   500", "500 Hz"),
        ("left insole: 1,2,3,", "left insole: 1,2,", "column"),
        ("left insole: 1,2,3,", "leaf insole: 1,2,3,", "column"),
        ("left insole:", "right insole:", "twice"),
        ("time[secs]", "time[mm]", "mm"),
    ],
)
def test_pedar_headers_that_contradict_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_as("pedar", tmp_path / "a.asc", pedar_text().replace(old, new, 1))


def test_pedar_cut_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"is cut off: its header states 0\.2 s, its last row is at 0\.12 s"):
        read_as("pedar", tmp_path / "a.asc", pedar_text(rows=12))
    with pytest.raises(BadInputError, match="is cut off inside its last row"):
        read_as("pedar", tmp_path / "a.asc", pedar_text()[:-10])


# --- XSENSOR ----------------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
def test_xsensor_values_are_those_of_the_raw_text() -> None:
    recording = read(REAL["xsensor"])
    lines = REAL["xsensor"].read_text(encoding="utf-8-sig").splitlines()
    loads: dict[str, list[float]] = {"LF": [], "RF": []}
    foot = ""
    for line in lines:
        if line.startswith(("SENSOR,", "GROUP,")):
            foot = next((side for side in loads if f"-{side} " in line and line.startswith("SENSOR")), "")
        elif line.startswith("Est. Load (N)") and foot:
            loads[foot].append(float(line.split(",")[1]))
    for side, name in (("LF", "insole_left"), ("RF", "insole_right")):
        data = recording.streams[name]
        np.testing.assert_allclose(data["force"].values, loads[side])
        assert data.sizes["time"] == 101
        assert data.attrs["rate_hz"] == pytest.approx(75, abs=0.5)
    left = recording.streams["insole_left"]
    assert left["peak_pressure"].values[0] == pytest.approx(2674.44 * MMHG)
    assert left["contact_area"].values[0] == pytest.approx(68.19e-4)
    assert 0 < left["cop_y"].values[0] < 31 * 0.0086


def xsensor_text(frames: int = 12, *, load: str = "Est. Load (N)", units: str = "mmHg") -> str:
    lines = ["File:,x.XSN,,", ",,,", f"Units:,{units},,", ",,,"]
    for frame in range(frames):
        lines += [f"FRAME,{frame + 1},,", "Date, 2024 Jan 02,,", f"Time, 23:59:59.{frame * 10:03d},,", ",,,"]
        for foot, extra in (("LF", 0), ("RF", 5)):
            lines += [f"SENSOR,HX-{foot} S1,,", "Rows,2,,", "Columns,3,,"]
            lines += ["Sensel Width (cm),1,,", "Sensel Height (cm),1,,"]
            cell = 10 * frame + extra
            if load:
                lines.append(f"{load},{6 * cell * MMHG * 1e-4:.4f},,")
            lines += ["SENSELS,,,", f"{cell},{cell},{cell}", ",,,", f"{cell},{cell},{cell}", ",,,"]
        lines += ["GROUP,1,,", "Name,Left Heel,,", "Est. Load (N),999,,", "SENSELS,,,", "9,9,9"]
    return "\r\n".join(lines) + "\r\n"


def test_xsensor_groups_are_no_feet_and_midnight_is_no_step_back(tmp_path: Path) -> None:
    text = xsensor_text(12).replace("23:59:59.110", "00:00:00.060")
    recording = read_as("xsensor", tmp_path / "a.csv", text)
    assert set(recording.streams) == {"insole_left", "insole_right"}
    assert recording.streams["insole_left"]["force"].values[1] == pytest.approx(60 * MMHG * 1e-4, abs=1e-3)
    assert recording.streams["insole_left"]["time"].values[-1] == pytest.approx(1.06)


def test_xsensor_without_load_sums_its_cells(tmp_path: Path) -> None:
    recording = read_as("xsensor", tmp_path / "a.csv", xsensor_text(load=""))
    np.testing.assert_allclose(recording.streams["insole_left"]["force"].values, 6 * 10 * np.arange(12) * MMHG * 1e-4)


def test_xsensor_raw_counts_stay_counts(tmp_path: Path) -> None:
    data = read_as("xsensor", tmp_path / "a.csv", xsensor_text(load="", units="raw")).streams["insole_left"]
    assert data["pressure_sum"].attrs["units"] == "count"
    assert "force" not in data


def test_xsensor_load_in_another_unit(tmp_path: Path) -> None:
    recording = read_as("xsensor", tmp_path / "a.csv", xsensor_text(load="Est. Load (lbf)"))
    assert recording.streams["insole_left"]["force"].values[1] == pytest.approx(0.7999 * 4.4482216)
    assert any("times the stated load" in note for note in recording.notes)


def test_xsensor_cut_in_its_last_frame(tmp_path: Path) -> None:
    text = xsensor_text()
    with pytest.raises(BadInputError, match=r"is cut off: its last frame \(12\)"):
        read_as("xsensor", tmp_path / "a.csv", text[: text.rindex("SENSOR,HX-RF") + 60])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Units:,mmHg", "Units:,mmHk", "mmHk"),
        ("Units:,mmHg", "Unitz:,mmHg", "Units:"),
        ("Est. Load (N)", "Est. Load (M)", "M"),
        ("Rows,2", "Rows,3", "rows of cells"),
        ("Columns,3", "Columns,x", "Columns"),
        ("Time, 23:59:59.050", "Time, 23:59", "hh:mm:ss"),
        ("50,50,50", "50,50,900", "damaged"),
        ("50,50,50", "50,50,-50", "negative"),
        ("50,50,50", "50,50", "line"),
        ("SENSOR,HX-RF S1", "SENSOR,HX-LF S1", "twice"),
        ("SENSOR,HX-RF S1", "SENSOR,HX-LF S2", "all of the left foot|has no sensor"),
    ],
)
def test_xsensor_damage_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadInputError, match=re.compile(message)):
        read_as("xsensor", tmp_path / "a.csv", xsensor_text().replace(old, new, 1))


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ",")])
def test_xsensor_one_row_per_frame(tmp_path: Path, separator: str, decimal: str) -> None:
    foot = ["Sensor", "Side", "Rows", "Columns", "Average Pressure (psi)", "Est. Load (lbf)", "COP Row"]
    header = ["Frame", "Date", "Time", "Units", *foot, *foot, "Name", "Side", "Est. Load (lbf)"]
    rows = ["File:" + separator + "x.XSN", separator.join(header)]
    for i in range(10):
        left = ["HX S1", "Left", "31", "11", "1.5", f"{i}.5", "7.5"]
        right = ["HX S1", "Right", "31", "11", "2.5", f"{i}.25", "3"]
        cells = [str(i), "2022 Aug 16", f"08:21:17.{i * 10:03d}", "psi", *left, *right, "Heel", "Left", "9"]
        rows.append(separator.join(c.replace(".", decimal) for c in cells))
    recording = read_as("xsensor", tmp_path / "a.csv", "\n".join(rows) + "\n")
    left_force = recording.streams["insole_left"]["force"].values
    np.testing.assert_allclose(left_force, (np.arange(10) + 0.5) * 4.4482216152605)
    assert recording.streams["insole_right"]["cop_row"].values[0] == 3
    assert recording.streams["insole_left"]["average_pressure"].values[0] == pytest.approx(1.5 * 6894.757)


# --- F-Scan -----------------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
def test_fscan_force_is_cells_times_area() -> None:
    recording = read(REAL["fscan"])
    text = REAL["fscan"].read_text()
    frames = re.split(r"Frame \d+\n", text.replace("@@", ""))[1:]
    totals = [
        sum(float(cell) for row in frame.split("\n") for cell in row.split(",") if cell not in ("B", ""))
        for frame in frames
    ]
    data = recording.streams["insole"]
    np.testing.assert_allclose(data["force"].values, np.array(totals) * 1e3 * 25.8064e-6)
    assert 300 < data["force"].values.max() < 1500
    np.testing.assert_allclose(np.diff(data["time"].values), 0.032)
    assert np.isnan(data["cop_x"].values[data["force"].values == 0]).all()
    assert data.attrs["side"] == "unknown"  # the L in the file's name is no content
    assert any("states no foot" in note for note in recording.notes)


@recordings
@pytest.mark.recordings
def test_fscan_side_stated_by_the_user() -> None:
    assert list(read(REAL["fscan"], ReadOptions(extra={"side": "left"})).streams) == ["insole_left"]


def fscan_text(frames: int = 5, *, units: str = "KPa", more: str = "") -> str:
    lines = ["DATA_TYPE MOVIE", "ROWS 2", "COLS 3", "ROW_SPACING 5 mm", "COL_SPACING 10 mm"]
    lines += ["SECONDS_PER_FRAME 0.02", *more.split("\n"), f"UNITS {units}", "ASCII_DATA @@", ""]
    for frame in range(frames):
        lines += [f"Frame {frame + 1}", f"B,{frame},0", f"0,{frame},B", ""]
    return "\r\n".join([*lines[:-1], "@@"]) + "\r\n"


def test_fscan_values(tmp_path: Path) -> None:
    data = read_as("fscan", tmp_path / "a.asf", fscan_text()).streams["insole"]
    np.testing.assert_allclose(data["force"].values, 2 * np.arange(5) * 1e3 * 50e-6)
    np.testing.assert_allclose(data["cop_x"].values[1:], 0.01)
    np.testing.assert_allclose(data["cop_y"].values[1:], 0.0025)


def test_fscan_raw_counts_and_stated_foot(tmp_path: Path) -> None:
    recording = read_as("fscan", tmp_path / "a.asf", fscan_text(units="Raw", more="FOOT Right"))
    data = recording.streams["insole_right"]
    assert data["pressure_sum"].attrs["units"] == "count"
    assert "force" not in data


def iscan_text(width: int = 8) -> str:
    """Return an I-Scan movie as a spreadsheet saves it: every line as wide as the widest, filled up with commas."""
    text = fscan_text(units="MPa", more="SENSOR_TYPE 5051\nSENSEL_AREA 5.0e-001 cm2")
    text = text.replace("Frame 1\r", 'Frame 1,0.0,,10:22:01,,,"Raw sum=0"\r')
    return "".join(line + "," * (width - 1 - line.count(",")) + "\r\n" for line in text.splitlines())


def test_iscan_filled_with_commas_is_read_as_the_sensor_that_it_names(tmp_path: Path) -> None:
    recording = read_as("fscan", tmp_path / "a.csv", iscan_text())
    data = recording.streams["insole"]
    np.testing.assert_allclose(data["force"].values, 2 * np.arange(5) * 1e6 * 50e-6)
    assert recording.tree.attrs["device"] == "Tekscan 5051"
    assert any("no insole of F-Scan" in note and "unverified" in note for note in recording.notes)
    assert read_as("fscan", tmp_path / "b.asf", fscan_text(more="SENSOR_TYPE 3000E")).tree.attrs["device"] == "F-Scan"
    with pytest.raises(BadInputError, match=r"is cut off inside its last frame \(5, line"):
        read_as("fscan", tmp_path / "a.csv", iscan_text()[:-28])


def test_fscan_skipped_frames_are_missing_rows(tmp_path: Path) -> None:
    text = fscan_text(20).replace("Frame 4\r\nB,3,0\r\n0,3,B\r\n\r\n", "")
    data = read_as("fscan", tmp_path / "a.asf", text).streams["insole"]
    assert data.sizes["time"] == 20
    assert np.flatnonzero(np.isnan(data["force"].values)).tolist() == [3]
    assert data.attrs["missing_samples"] == 1


def test_fscan_cut_movie_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"is cut off inside its last frame \(5, line"):
        read_as("fscan", tmp_path / "a.asf", fscan_text()[:-12])
    with pytest.raises(BadInputError, match="states frames up to 9, its last one is 5"):
        read_as("fscan", tmp_path / "a.asf", fscan_text(more="END_FRAME 9"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("UNITS KPa", "UNITS KQa", "KQa"),
        ("UNITS KPa", "UNITS mm", "pressure"),
        ("UNITS KPa", "UNIT KPa", "UNITS"),
        ("ROWS 2", "ROWS x", "ROWS"),
        ("ROWS 2", "ROWS 3", "rows"),
        ("COLS 3", "COLS 4", "cells"),
        ("ROW_SPACING 5 mm", "ROW_SPACING 5 mN", "mN"),
        ("SECONDS_PER_FRAME 0.02", "SECONDS_PER_FRAME 0", "SECONDS_PER_FRAME"),
        ("Frame 3", "Frame 1", "out of order"),
        ("Frame 1", "Framo 1", "before the first frame"),
        ("B,3,0", "B,-3,0", "negative"),
        ("B,3,0", "B,C,0", "no number"),
    ],
)
def test_fscan_damage_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_as("fscan", tmp_path / "a.asf", fscan_text().replace(old, new, 1))


# --- stAPPone ---------------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
def test_stappone_values_are_those_of_the_raw_text() -> None:
    recording = read(REAL["stappone"])
    raw = np.loadtxt(REAL["stappone"], delimiter=",", skiprows=1)
    insole, imu = recording.streams["insole"], recording.streams["imu"]
    np.testing.assert_array_equal(insole["cell_12"].values, raw[:, 22])
    np.testing.assert_array_equal(imu["gyro_y"].values, raw[:, 6])
    np.testing.assert_array_equal(insole["pressure_sum"].values, raw[:, 11:23].sum(axis=1))
    assert imu["acc_x"].attrs["units"] == "count"  # the file states no unit
    assert recording.tree.attrs["t0_unix_s"] == pytest.approx(1768494979.568)
    assert insole["time"].values[1] == pytest.approx(0.016, abs=1e-6)


def stappone_text(rows: int = 20, *, soles: tuple[int, ...] = (1,), corrupt: tuple[int, ...] = ()) -> str:
    lines = ["sole_id,timestamp,accel_x,accel_y,accel_z,pressure_01,pressure_02,corrupt"]
    for row in range(rows):
        for sole in soles:
            flag = int(row in corrupt)
            lines.append(f"{sole},{1768494979568 + 16 * row},1,2,9807,{row},{10 * sole},{flag}")
    return "\n".join(lines) + "\n"


def test_stappone_corrupt_rows_are_missing_and_counted(tmp_path: Path) -> None:
    recording = read_as("stappone", tmp_path / "a.csv", stappone_text(corrupt=(3, 4)))
    assert np.flatnonzero(np.isnan(recording.streams["insole"]["cell_01"].values)).tolist() == [3, 4]
    assert np.isnan(recording.streams["imu"]["acc_z"].values).sum() == 2
    assert any("2 of 20 rows are marked corrupt" in note for note in recording.notes)


def test_stappone_two_soles_have_own_streams_and_clocks(tmp_path: Path) -> None:
    streams = read_as("stappone", tmp_path / "a.csv", stappone_text(soles=(1, 2))).streams
    assert set(streams) == {"insole_1", "imu_1", "insole_2", "imu_2"}
    assert streams["insole_2"]["cell_02"].values[0] == 20
    assert streams["insole_1"].attrs["clock"] != streams["insole_2"].attrs["clock"]


def test_stappone_units_from_the_user(tmp_path: Path) -> None:
    options = ReadOptions(extra={"accel_unit": "mm/s^2", "side": "left"})
    data = read_as("stappone", tmp_path / "a.csv", stappone_text(), options).streams["imu_left"]
    assert data["acc_z"].values[0] == pytest.approx(9.807)
    with pytest.raises(BadInputError, match="accel_unit"):
        read(tmp_path / "a.csv", ReadOptions(extra={"accel_unit": "kPa"}))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pressure_02", "pressure_01", "twice"),
        ("accel_x", "excel_x", "excel_x"),
        ("1768494979600", "176849497", "1970|goes back"),
        ("\n1,1768494979600", "\n1.5,1768494979600", "whole number"),
        ("\n1,1768494979600", "\n,1768494979600", "whole number"),
    ],
)
def test_stappone_damage_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadInputError, match=re.compile(message)):
        read_as("stappone", tmp_path / "a.csv", stappone_text().replace(old, new, 1))


# --- gaitpdb ----------------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
def test_gaitpdb_values_are_those_of_the_raw_text() -> None:
    recording = read(REAL["gaitpdb"])
    raw = np.loadtxt(REAL["gaitpdb"])
    left, right = recording.streams["insole_left"], recording.streams["insole_right"]
    np.testing.assert_array_equal(left["cell_01"].values, raw[:, 1])
    np.testing.assert_array_equal(right["cell_08"].values, raw[:, 16])
    np.testing.assert_array_equal(left["force"].values, raw[:, 17])
    np.testing.assert_array_equal(right["force"].values, raw[:, 18])
    np.testing.assert_allclose(left["time"].values, raw[:, 0])


@recordings
@pytest.mark.recordings
def test_gaitpdb_row_whose_total_is_wrong_is_refused(tmp_path: Path) -> None:
    lines = REAL["gaitpdb"].read_text().splitlines()
    cells = lines[99].split("\t")
    cells[3] = f"{float(cells[3]) + 10:.2f}"
    lines[99] = "\t".join(cells)
    with pytest.raises(BadInputError, match="line 100"):
        read_as("gaitpdb", tmp_path / "a.txt", "\n".join(lines) + "\n")


def test_nineteen_columns_alone_are_no_gaitpdb(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join("\t".join(str(i + j) for j in range(19)) + "\n" for i in range(20)))
    with pytest.raises(BadInputError, match="no format"):
        read(path)


# --- Moticon ----------------------------------------------------------------------------------------------

QUANTITIES = [
    *(f"pressure {i}[N/cm²]" for i in range(1, 17)),
    *(f"acceleration {axis}[g]" for axis in "XYZ"),
    *(f"angular {axis}[dps]" for axis in "XYZ"),
    "total force[N]",
    *(f"center of pressure {axis}[-0.5...+0.5]" for axis in "XY"),
]


def moticon_text(
    rows: int = 40,
    *,
    feet: tuple[str, ...] = ("left", "right"),
    quantities: list[str] | None = None,
    step: float = 0.01,
    time_cell: str = "# time",
    external: bool = False,
) -> str:
    chosen = QUANTITIES if quantities is None else quantities
    names = [f"{foot} {quantity}" for foot in feet for quantity in chosen]
    lines = ["# Start time: 27.09.2023 10:21:14.922", "# Size: 7", "# Name: fixture"]
    lines.append("\t".join([time_cell, *names] + (["External Input"] if external else [])))
    for row in range(rows):
        cells = [f"{row * step:.2f}"] + [f"{row + i * 0.5:.2f}" for i in range(len(names))]
        lines.append("\t".join(cells + (["0"] if external else [])))
    return "\n".join(lines) + "\n"


def test_moticon_values_in_si(tmp_path: Path) -> None:
    recording = read_as("moticon", tmp_path / "a.txt", moticon_text())
    assert set(recording.streams) == {"insole_left", "insole_right", "imu_left", "imu_right"}
    left, right = recording.streams["insole_left"], recording.streams["imu_right"]
    assert left["cell_02"].values[3] == pytest.approx(3.5e4)
    assert left["force"].values[3] == pytest.approx(3 + 22 * 0.5)
    assert left["cop_x"].attrs["units"] == "1"
    assert right["acc_x"].values[3] == pytest.approx((3 + (25 + 16) * 0.5) * G)
    assert right["gyro_z"].values[3] == pytest.approx(np.deg2rad(3 + (25 + 21) * 0.5))
    assert {s.attrs["clock"] for s in recording.streams.values()} == {"device"}
    assert left.attrs["rate_hz"] == pytest.approx(100)
    assert any("can only be s" in note for note in recording.notes)
    assert not any("fixture" in note for note in recording.notes)


@pytest.mark.parametrize(("step", "cell", "rate"), [(40, "# time", 25), (0.02, "time[s]", 50), (10, "time[ms]", 100)])
def test_moticon_time_units(tmp_path: Path, step: float, cell: str, rate: float) -> None:
    data = read_as("moticon", tmp_path / "a.txt", moticon_text(step=step, time_cell=cell)).streams
    assert data["insole_left"].attrs["rate_hz"] == pytest.approx(rate)


def test_moticon_time_that_fits_no_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="states no unit"):
        read_as("moticon", tmp_path / "a.txt", moticon_text(step=1.0))


def test_moticon_cells_alone_get_a_pressure_sum(tmp_path: Path) -> None:
    text = moticon_text(feet=("right",), quantities=QUANTITIES[:3])
    streams = read_as("moticon", tmp_path / "a.txt", text).streams
    assert list(streams) == ["insole_right"]
    assert streams["insole_right"]["pressure_sum"].values[0] == pytest.approx((0 + 0.5 + 1.0) * 1e4)


def test_moticon_empty_cells_are_missing(tmp_path: Path) -> None:
    lines = moticon_text(external=True).split("\n")
    for row in (10, 11):
        cells = lines[row].split("\t")
        lines[row] = "\t".join([*cells[:26], *[""] * 25, cells[-1]])
    recording = read_as("moticon", tmp_path / "a.txt", "\n".join(lines))
    assert np.isnan(recording.streams["insole_right"]["force"].values).sum() == 2
    assert not np.isnan(recording.streams["insole_left"]["force"].values).any()
    assert any("right insole: 2 of 40 rows are empty" in note for note in recording.notes)
    assert recording.streams["analog"]["external_input"].attrs["units"] == "unknown"


def test_moticon_decimal_comma_and_semicolons(tmp_path: Path) -> None:
    german = moticon_text().replace(".", ",").replace("-0,5,,,+0,5", "-0,5...+0,5").replace("\t", ";")
    same = read_as("moticon", tmp_path / "a.txt", german).streams["imu_left"]
    assert same.equals(read_as("moticon", tmp_path / "b.txt", moticon_text()).streams["imu_left"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("left pressure 1[N/cm²]", "left pressure 1[N/cm³]", "N/cm³"),
        ("left pressure 1[N/cm²]", "left pressure 1[g]", "expected"),
        ("left acceleration X[g]", "left acceleration X[G]", "'G'"),
        ("left angular X[dps]", "left angular X[eps]", "eps"),
        ("left total force[N]", "left total force[m]", "'m'"),
        ("left pressure 1[", "left pressure 2[", "twice"),
        ("center of pressure X[-0.5...+0.5]", "center of pressure X[-0.7...+0.5]", "unit"),
    ],
)
def test_moticon_headers_that_cannot_be_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_as("moticon", tmp_path / "a.txt", moticon_text().replace(old, new, 1))


# --- all of them ------------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
def test_each_real_file_has_one_reader_and_the_others_say_why_not() -> None:
    for name, path in REAL.items():
        found = sniff(path)
        assert found.reader.name == name
        for other in set(REAL) - {name} | {"moticon"}:
            assert found.others[other].startswith(("has no", "has neither", "does not", "has rows"))


def damaged(data: bytes, rng: random.Random) -> bytes:
    kind, spot = rng.choice("bbhhtdcz"), rng.randrange(len(data))
    whole = bytearray(data)
    if kind == "b":
        whole[spot] ^= 1 << rng.randrange(8)
    elif kind == "h":
        whole[rng.randrange(min(1000, len(data)))] ^= 1 << rng.randrange(8)
    elif kind == "t":
        del whole[spot:]
    elif kind == "d":
        del whole[spot : spot + rng.randrange(1, 300)]
    elif kind == "c":
        whole[spot:spot] = whole[spot : spot + rng.randrange(1, 300)]
    else:
        lines = data.split(b"\n")
        at = rng.randrange(30)
        separator = b"\t" if b"\t" in data else b","
        return b"\n".join(
            separator.join(line.split(separator)[:at] + line.split(separator)[at + 1 :]) for line in lines
        )
    return bytes(whole)


def _read_or_none(path: Path) -> Recording | None:
    try:
        return read(path)
    except BadInputError as error:
        text = str(error)
    assert "\n" not in text
    assert "did not expect" not in text
    return None


@recordings
@pytest.mark.recordings
@pytest.mark.parametrize("name", [*REAL, "moticon"])
def test_damaged_files_give_a_recording_or_one_line(tmp_path: Path, name: str) -> None:
    data = (moticon_text(200).encode() if name == "moticon" else REAL[name].read_bytes())[:60000]
    rng = random.Random(f"insole {name}")
    path = tmp_path / "damaged.txt"
    begin = time.perf_counter()
    for _ in range(100):
        path.write_bytes(damaged(data, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording = _read_or_none(path)
        if recording is None:
            continue
        for stream in recording.streams.values():
            stamps = stream["time"].values
            assert np.isfinite(stamps).all()
            assert (np.diff(stamps) >= 0).all()
            assert not any(np.isinf(stream[channel].values).any() for channel in stream.data_vars)
    assert time.perf_counter() - begin < 60.0
