"""loadsol text: real recordings against their raw text, variants, and damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read, sniff
from grfkit.records import Recording
from grfkit.units import G

POMARAT = Path(__file__).parents[2] / "shared" / "data" / "pomarat_loadsol"
recordings = pytest.mark.skipif(not POMARAT.is_dir(), reason="needs the real recordings in ../shared/data")

LEFT = ["SENS1-L::heel", "SENS1-L::medial", "SENS1-L::lateral", "SENS1-L"]
RIGHT = ["SENS2-R::lateral", "SENS2-R::medial", "SENS2-R::heel", "SENS2-R"]
IMU = ["xAcc", "yAcc", "zAcc", "xGyro", "yGyro", "zGyro"]


def block(names: list[str], *, imu: bool = False, unit: str = "N") -> tuple[list[str], list[str]]:
    """Return names and units of one foot's columns, its IMU's behind them if asked for."""
    header, units = ["", *names], ["Time[secs]"] + [f"Force[{unit}]"] * len(names)
    if imu:
        sensor = names[-1]
        header += ["", *(f"{sensor}::{part}" for part in IMU)]
        units += ["Time[secs]"] + ["[g]"] * 3 + ["[rad/s]"] * 3
    return header, units


def values_of(row: int, *, imu: bool = False, reverse: bool = False) -> list[str]:
    """Return one foot's cells of a row: time, three zones (10, 20, 30 N more than the row), total."""
    zones = [row + 10.0, row + 20.0, row + 30.0]
    shown = zones[::-1] if reverse else zones
    cells = [f"{row * 0.005:.3f}", *(f"{zone:.3f}" for zone in shown), f"{sum(zones):.3f}"]
    if imu:
        cells += [f"{row * 0.005:.3f}", "0.100", "0.200", "1.000", "0.010", "0.020", "0.030"]
    return cells


def loadsol_text(rows: int = 50, *, imu: bool = True, feet: str = "LR", unit: str = "N") -> str:
    header = ["loadapp_2024_01_17_14_48_48_148.loadflux", "comment"]
    names: list[str] = []
    units: list[str] = []
    for foot in feet:
        some, of = block(LEFT if foot == "L" else RIGHT, imu=imu, unit=unit)
        names, units = names + some, units + of
    lines = [*header, "\t".join(names) + "\t\t", "\t".join(units) + "\t\t"]
    for row in range(rows):
        cells = [c for foot in feet for c in values_of(row, imu=imu, reverse=foot == "R")]
        lines.append("\t".join(cells) + "\t\t")
    return "\n".join(lines) + "\n"


def read_text(tmp_path: Path, text: str | bytes, options: ReadOptions | None = None) -> Recording:
    path = tmp_path / "recording.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    assert sniff(path).reader.name == "loadsol"
    return read(path, options)


def edited(text: str, line: int, column: int, cell: str) -> str:
    """Return the text with one cell replaced; line and column count from 0."""
    lines = text.split("\n")
    cells = lines[line].split("\t")
    cells[column] = cell
    lines[line] = "\t".join(cells)
    return "\n".join(lines)


# --- real recordings --------------------------------------------------------------------------------------


@recordings
@pytest.mark.recordings
@pytest.mark.parametrize(
    "name",
    ["poids_par_zone", "test_poids", "test_pointe_1", "test_pointe_2_05_02", "test_poussee_4_ls"],
)
def test_real_values_are_those_of_the_raw_text(name: str) -> None:
    path = POMARAT / f"{name}.txt"
    recording = read(path)
    rows = [line.split("\t") for line in path.read_text().splitlines()[4:] if line.strip()]
    places = {
        "insole_left": {"zone_heel": 1, "zone_medial": 2, "zone_lateral": 3, "force": 4},
        "insole_right": {"zone_lateral": 13, "zone_medial": 14, "zone_heel": 15, "force": 16},
        "imu_left": {"acc_x": 6, "acc_y": 7, "acc_z": 8, "gyro_x": 9, "gyro_z": 11},
        "imu_right": {"acc_x": 18, "acc_z": 20, "gyro_x": 21, "gyro_z": 23},
    }
    assert set(recording.streams) == set(places)
    for stream, columns in places.items():
        data = recording.streams[stream]
        assert data.sizes["time"] == len(rows)
        lost_column = 1 if stream.endswith("left") else 13
        for channel, column in columns.items():
            factor = G if channel.startswith("acc") else 1.0
            raw = [np.nan if r[column] == "-" else float(r[column]) * factor for r in rows]
            lost = np.array([r[lost_column] == "-1.000" for r in rows])
            expected = np.where(lost, np.nan, raw)
            np.testing.assert_allclose(data[channel].values, expected, rtol=1e-12)
        assert data.attrs["missing_samples"] == sum(r[lost_column] == "-1.000" for r in rows)


@recordings
@pytest.mark.recordings
def test_real_feet_have_own_clocks_and_each_imu_its_foots() -> None:
    streams = read(POMARAT / "test_poussee_4_ls.txt").streams
    clocks = {name: data.attrs["clock"] for name, data in streams.items()}
    assert clocks["insole_left"] == clocks["imu_left"] != clocks["insole_right"] == clocks["imu_right"]


@recordings
@pytest.mark.recordings
def test_real_repeated_samples_leave_an_even_time_and_their_gaps_are_counted() -> None:
    for name, data in read(POMARAT / "test_poussee_4_ls.txt").streams.items():
        np.testing.assert_allclose(np.diff(data["time"].values), 0.005, atol=1e-9)
        lost = np.isnan(data["force" if "force" in data else "acc_x"].values).astype(int)
        assert data.attrs["gaps"] == np.count_nonzero(np.diff(lost, prepend=0) == 1), name
        assert data.attrs["gaps"] > 30
        assert data.attrs["rate_hz"] == pytest.approx(200.0)
        assert (np.diff(data["time_raw"].values) == 0).sum() == data.attrs["repeated_samples"] > 0


@recordings
@pytest.mark.recordings
def test_real_notes_tell_start_losses_and_the_remark() -> None:
    notes = " ".join(read(POMARAT / "poids_par_zone.txt").notes)
    assert "2024-02-05 19:00:58.749" in notes
    assert "472 of 7310 samples were lost" in notes
    assert "line 7051" in notes
    assert np.isnan(read(POMARAT / "poids_par_zone.txt").tree.attrs["t0_unix_s"])  # no time zone is stated


# --- variants ---------------------------------------------------------------------------------------------


def test_the_right_foots_reversed_zones_are_taken_by_name(tmp_path: Path) -> None:
    streams = read_text(tmp_path, loadsol_text()).streams
    for side in ("left", "right"):
        data = streams[f"insole_{side}"]
        np.testing.assert_allclose(data["zone_heel"].values, np.arange(50) + 10.0)
        np.testing.assert_allclose(data["zone_lateral"].values, np.arange(50) + 30.0)
        np.testing.assert_allclose(data["force"].values, 3.0 * np.arange(50) + 60.0)
        assert data["force"].attrs["units"] == "N"
    assert streams["imu_left"]["acc_z"].values[0] == pytest.approx(G)


def test_ten_columns_without_imu(tmp_path: Path) -> None:
    text = loadsol_text(imu=False)
    assert len(text.split("\n")[4].rstrip("\t").split("\t")) == 10
    assert set(read_text(tmp_path, text).streams) == {"insole_left", "insole_right"}


@pytest.mark.parametrize(("feet", "side"), [("L", "left"), ("R", "right")])
def test_one_foot(tmp_path: Path, feet: str, side: str) -> None:
    text = loadsol_text(feet=feet)
    assert len(text.split("\n")[4].rstrip("\t").split("\t")) == 12
    assert set(read_text(tmp_path, text).streams) == {f"insole_{side}", f"imu_{side}"}


def test_right_before_left_gives_the_same_streams(tmp_path: Path) -> None:
    usual = read_text(tmp_path, loadsol_text()).streams
    swapped = read_text(tmp_path, loadsol_text(feet="RL")).streams
    for name, data in usual.items():
        assert swapped[name].equals(data)


@pytest.mark.parametrize("encode", ["utf-8-sig", "utf-16", "cp1252"])
def test_byte_order_marks_and_windows_line_ends(tmp_path: Path, encode: str) -> None:
    text = loadsol_text().replace("comment", "Fuß").replace("\n", "\r\n")
    streams = read_text(tmp_path, text.encode(encode)).streams
    assert streams["insole_left"].equals(read_text(tmp_path, loadsol_text()).streams["insole_left"])


def test_decimal_comma(tmp_path: Path) -> None:
    head, rows = loadsol_text().split("\n")[:4], loadsol_text().split("\n")[4:]
    german = "\n".join([*head, *(row.replace(".", ",") for row in rows)])
    same = read_text(tmp_path, german).streams["insole_right"]
    assert same.equals(read_text(tmp_path, loadsol_text()).streams["insole_right"])


def test_both_decimal_signs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="both ',' and"):
        read_text(tmp_path, edited(loadsol_text(), 9, 1, "15,000"))


@pytest.mark.parametrize("ending", ["End measurement: tired", "\tEnd measurement: tired"])
def test_end_measurement_behind_the_last_row(tmp_path: Path, ending: str) -> None:
    text = loadsol_text().rstrip("\n").rstrip("\t") + "\t" + ending + "\n"
    recording = read_text(tmp_path, text)
    assert recording.streams["insole_left"].sizes["time"] == 50
    assert any("End measurement" in note for note in recording.notes)
    assert not any("tired" in note for note in recording.notes)  # a remark may name a person


def test_end_measurement_on_a_line_of_its_own(tmp_path: Path) -> None:
    recording = read_text(tmp_path, loadsol_text() + "End measurement: done\n")
    assert recording.streams["insole_left"].sizes["time"] == 50


@pytest.mark.parametrize("cut", [3, 20, 60])
def test_a_last_row_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(BadInputError, match=r"is cut off inside its last row \(line 54\)"):
        read_text(tmp_path, loadsol_text()[:-cut])


def test_a_whole_last_row_without_line_end_is_kept(tmp_path: Path) -> None:
    assert read_text(tmp_path, loadsol_text()[:-1]).streams["imu_right"].sizes["time"] == 50


def test_lost_samples_are_missing_and_no_flight(tmp_path: Path) -> None:
    text = loadsol_text()
    for line in (10, 11, 12):
        for column in (1, 2, 3):
            text = edited(text, line, column, "-1.000")
        text = edited(text, line, 4, "0.000")
        for column in range(6, 12):
            text = edited(text, line, column, "-")
    recording = read_text(tmp_path, text)
    left = recording.streams["insole_left"]
    assert np.flatnonzero(np.isnan(left["force"].values)).tolist() == [6, 7, 8]
    assert np.isnan(recording.streams["imu_left"]["acc_x"].values).sum() == 3
    assert left.attrs["missing_samples"] == 3
    assert not np.isnan(recording.streams["insole_right"]["force"].values).any()
    assert any("no flight" in note for note in recording.notes)


def test_rows_left_out_by_one_foot_become_missing_rows(tmp_path: Path) -> None:
    lines = loadsol_text(feet="L").split("\n")
    del lines[20:24]
    data = read_text(tmp_path, "\n".join(lines)).streams["insole_left"]
    assert data.sizes["time"] == 50
    assert np.isnan(data["force"].values[16:20]).all()
    assert data.attrs["gaps"] == 1


def test_repeated_sample_is_put_back_by_one_period(tmp_path: Path) -> None:
    text = loadsol_text(feet="L", imu=False)
    text = edited(text, 4 + 30, 0, "0.155")  # the stamp of the row below it
    data = read_text(tmp_path, text).streams["insole_left"]
    assert data["time"].values[30] == pytest.approx(0.150)
    assert data["time_raw"].values[30] == pytest.approx(0.155)
    assert data.attrs["repeated_samples"] == 1
    assert data.sizes["time"] == 50


def test_an_imu_with_other_stamps_has_its_own_clock(tmp_path: Path) -> None:
    text = loadsol_text(feet="L")
    for row in range(50):
        text = edited(text, 4 + row, 5, f"{row * 0.005 + 0.002:.3f}")
    streams = read_text(tmp_path, text).streams
    assert streams["insole_left"].attrs["clock"] == "left"
    assert streams["imu_left"].attrs["clock"] == "left_imu"


def test_raw_counts_stay_counts(tmp_path: Path) -> None:
    data = read_text(tmp_path, loadsol_text(unit="adc")).streams["insole_left"]
    assert data["force"].attrs["units"] == "count"


def test_total_only(tmp_path: Path) -> None:
    text = "loadapp\ncomment\n\tS1-L\nTime[secs]\tForce[N]\n" + "".join(
        f"{i * 0.01:.3f}\t{-1 if i == 5 else i}.000\n" for i in range(20)
    )
    data = read_text(tmp_path, text).streams["insole_left"]
    assert np.flatnonzero(np.isnan(data["force"].values)).tolist() == [5]


def test_unknown_foot_is_told_and_may_be_stated(tmp_path: Path) -> None:
    text = loadsol_text(feet="L").replace("SENS1-L", "SENS1")
    recording = read_text(tmp_path, text)
    assert set(recording.streams) == {"insole", "imu"}
    assert any("states no foot" in note for note in recording.notes)
    stated = read_text(tmp_path, text, ReadOptions(extra={"side": "right"}))
    assert set(stated.streams) == {"insole_right", "imu_right"}


# --- damage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "cell", "message"),
    [
        (3, 1, "Force[M]", "'M'|unit"),
        (3, 1, "Force[m]", "'m'"),
        (3, 1, "Force", "unit"),
        (3, 6, "[G]", "'G'"),
        (3, 9, "[raj/s]", "raj/s"),
        (3, 0, "Time[mm]", "mm"),
        (3, 0, "Tyme[secs]", "below a blank"),
        (2, 1, "SENS1-R::heel", "expected one"),
        (2, 1, "SENS9-L::heel", "expected one"),
        (2, 1, "SENS1-L::medial", "twice"),
        (2, 6, "SENS1-L::yAcc", "twice"),
        (2, 1, "", "below a blank"),
        (9, 2, "1x.0", r"line 10, column 'SENS1-L::medial'"),
        (9, 2, "1e99", r"line 10"),
        (9, 4, "999.000", "damaged"),
        (9, 0, "", "no time"),
        (9, 0, "0.000", "goes back"),
    ],
)
def test_damaged_cells_are_refused_by_name(tmp_path: Path, line: int, column: int, cell: str, message: str) -> None:
    text = edited(loadsol_text(rows=300), line, column, cell)
    path = tmp_path / "damaged.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_stray_row_in_the_middle_is_refused(tmp_path: Path) -> None:
    lines = loadsol_text().split("\n")
    lines.insert(20, "battery low")
    with pytest.raises(BadInputError, match="line 21"):
        read_text(tmp_path, "\n".join(lines))


def test_a_blank_row_in_the_middle_is_refused(tmp_path: Path) -> None:
    lines = loadsol_text().split("\n")
    lines.insert(20, "")
    with pytest.raises(BadInputError, match="line 21"):
        read_text(tmp_path, "\n".join(lines))


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no data"):
        read_text(tmp_path, loadsol_text(rows=0))


def test_one_row_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cells"):
        read_text(tmp_path, loadsol_text(rows=1)[:-40])


def test_an_unusual_zone_is_told(tmp_path: Path) -> None:
    recording = read_text(tmp_path, loadsol_text(feet="L").replace("::heel", "::hgel"))
    assert "zone_hgel" in recording.streams["insole_left"]
    assert any("hgel" in note for note in recording.notes)


def test_an_option_it_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="colour"):
        read_text(tmp_path, loadsol_text(), ReadOptions(extra={"colour": "red"}))


def test_five_minutes_take_a_moment(tmp_path: Path) -> None:
    import time

    text = loadsol_text(rows=2000)
    head, rows = text.split("\n")[:4], text.split("\n")[4:-1]
    body = []
    for i in range(60000):
        cells = rows[i % 2000].split("\t")
        for column in (0, 5, 12, 17):
            cells[column] = f"{i * 0.005:.3f}"
        body.append("\t".join(cells))
    path = tmp_path / "long.txt"
    path.write_text("\n".join([*head, *body]) + "\n", encoding="utf-8")
    begin = time.perf_counter()
    assert read(path).streams["insole_left"].sizes["time"] == 60000
    assert time.perf_counter() - begin < 10.0
