"""How could the text of an IMU, or a header of several rows, be misread? A unit, an axis, a clock, a lost sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read, sniff
from grfkit.io.columns import load_column_map
from grfkit.units import G
from test_io_text import refused, write

# Layouts as in the files named in each reader's docstring; the numbers are our own
SHIMMER_NAMES = ["Timestamp_Unix_CAL", "Accel_LN_X_CAL", "Accel_WR_X_CAL", "Gyro_Z_CAL", "Mag_X_CAL", "Battery_CAL"]
SHIMMER_UNITS = ["ms", "m/(s^2)", "m/(s^2)", "deg/s", "local_flux", "mV"]


def shimmer(separator: str = "\t", *, lost: tuple[int, ...] = (), device: str = "Shimmer_952D") -> str:
    """Return Consensys text at 100 Hz: every row ends with a separator."""
    rows = [[f"{device}_{name}" for name in SHIMMER_NAMES], SHIMMER_UNITS]
    for i in range(40):
        if i not in lost:
            values = [1, 2 * i, 180, 0.5, 4100.5]
            rows.append([f"{(1.6e12 + 10 * i) / 1e12:.14f}E12", *(f"{v}" for v in values)])
    body = "".join(separator.join(row) + separator + "\n" for row in rows)
    return f'"sep={separator}"\n{body}'


def test_shimmer_units_accelerometers_and_unix_time(tmp_path: Path) -> None:
    got = read(write(tmp_path, shimmer()))
    imu = got.streams["imu"]
    assert got.tree.attrs["t0_unix_s"] == pytest.approx(1.6e9)
    assert imu.attrs["rate_hz"] == pytest.approx(100, rel=1e-3)
    np.testing.assert_allclose(imu["acc_x"], 2.0 * np.arange(40))
    np.testing.assert_allclose(imu["acc_ln_x"], 1)
    np.testing.assert_allclose(imu["gyro_z"], np.pi)
    assert imu["mag_x"].attrs["units"] == "1"
    np.testing.assert_allclose(got.streams["analog"]["shimmer_952d_battery_cal"], 4.1005)
    assert any("'acc' is Accel_WR" in note for note in got.notes)


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_shimmer_lost_samples_are_gaps(tmp_path: Path, separator: str) -> None:
    imu = read(write(tmp_path, shimmer(separator, lost=(7, 8)))).streams["imu"]
    assert imu.sizes["time"] == 40
    assert list(np.flatnonzero(np.isnan(imu["acc_x"].values))) == [7, 8]


def test_shimmer_counts_are_no_accelerations(tmp_path: Path) -> None:
    text = shimmer().replace("X_CAL", "X_UNCAL").replace("m/(s^2)", "no_units").replace("local_flux", "no_units")
    imu = read(write(tmp_path, text)).streams["imu"]
    assert imu["acc_x"].attrs["units"] == "count"
    assert imu["acc_x"].attrs["frame"] == "raw"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("\tm/(s^2)\t", "\tmm\t"), "is in 'mm', expected a unit like m/s^2 or count"),
        (("_Timestamp_Unix_CAL", "_Timestamp_FormattedUnix_CAL"), "export it with calibrated (Unix) time stamps in ms"),
        (("\t180\t", "\tx\t"), "column 'Shimmer_952D_Gyro_Z_CAL': 'x' is no number"),
        (("_Gyro_Z_CAL", "_Accel_WR_X_CAL"), "one twice"),
    ],
)
def test_shimmer_refusals(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert says in refused(write(tmp_path, shimmer().replace(change[0], change[1], 1)))


NGIMU = "Time (s),Gyroscope X (deg/s),Accelerometer Z (g),Magnetometer X (uT),Barometer (hPa)\n" + "".join(
    f"{i / 50:.9f},{180},{1 + i},-40,1027.0\n" for i in range(30) if i != 4
)
XIMU3 = "Timestamp (us),Gyroscope X (deg/s),Accelerometer Z (g)\n" + "".join(
    f"{392093562 + 10000 * i},180,{1 + i}\n" for i in range(30)
)
XIMU = "Packet number,Gyroscope X (deg/s),Accelerometer Z (g),Magnetometer X (G)\n" + "".join(
    f"{3 + i + i // 2},180,{1 + i},0.5\n" for i in range(30)
)


def test_xio_time_units_and_a_lost_sample(tmp_path: Path) -> None:
    path = write(tmp_path, NGIMU)
    assert sniff(path).reader.name == "xio"
    imu = read(path).streams["imu"]
    np.testing.assert_allclose(imu["acc_z"].values[[0, 5]], [G, 6 * G])
    assert np.isnan(imu["acc_z"].values[4])
    np.testing.assert_allclose(imu["gyro_x"].values[0], np.pi)
    np.testing.assert_allclose(imu["mag_x"].values[0], -40e-6)
    assert imu["barometer"].attrs["units"] == "unknown"
    assert read(write(tmp_path, XIMU3)).streams["imu"].attrs["rate_hz"] == pytest.approx(100)


def test_xio_packet_numbers_are_no_time(tmp_path: Path) -> None:
    path = write(tmp_path, XIMU)
    assert "counts packets of all kinds" in refused(path)
    imu = read(path, ReadOptions(rate_hz=256)).streams["imu"]
    assert imu.sizes["time"] == 30
    np.testing.assert_allclose(imu["mag_x"].values, 0.5e-4)
    assert any("lost samples cannot be told" in note for note in read(path, ReadOptions(rate_hz=256)).notes)


def test_xio_micro_seconds_wrap_and_units_are_checked(tmp_path: Path) -> None:
    wrapped = "".join(f"{(2**32 - 5000 + 10000 * i) % 2**32},180,1\n" for i in range(20))
    text = XIMU3.splitlines()[0] + "\n" + wrapped
    np.testing.assert_allclose(read(write(tmp_path, text)).streams["imu"]["time"].values, np.arange(20) / 100)
    assert "is in 'kg', expected a unit like m/s^2" in refused(write(tmp_path, NGIMU.replace("Z (g)", "Z (kg)")))


# --- several header rows in any table

ROWS = "\n".join(
    [
        "Made by somebody,3",
        ",Left shoe,,,Right shoe,,",
        "t,ax,ay,az,ax,ay,az",
        "ms,g,g,g,m/s^2,m/s^2,m/s^2",
        *(f"{10 * i},1,2,{i},4,5,6" for i in range(20)),
        "",
    ]
)
MAP = """
time = "t"
time_unit = "ms"
header_rows = 2
units_row = true
skip_lines = 1
[columns]
"Left shoe: ax" = "left_acc_x"
"Left shoe: az" = "left_acc_z [g]"
"Right shoe: az" = "right_acc_z [m/s^2]"
"""


def test_two_header_rows_and_a_units_row_by_a_column_map(tmp_path: Path) -> None:
    options = load_column_map(write(tmp_path, MAP, "map.toml")).options()
    got = read(write(tmp_path, ROWS), options)
    np.testing.assert_allclose(got.streams["imu_left"]["acc_x"], G)
    np.testing.assert_allclose(got.streams["imu_left"]["acc_z"], np.arange(20) * G)
    np.testing.assert_allclose(got.streams["imu_right"]["acc_z"], 6)
    np.testing.assert_allclose(got.streams["imu_left"]["time"], np.arange(20) / 100)
    # columns outside the map keep their name and the unit of the row of units
    assert {"left_shoe_ay", "right_shoe_ax", "right_shoe_ay"} == set(got.streams["analog"].data_vars) - {"time_raw"}
    assert got.streams["analog"]["left_shoe_ay"].attrs["raw_units"] == "g"


def test_several_header_rows_without_a_map_are_advised(tmp_path: Path) -> None:
    text = refused(write(tmp_path, ROWS))
    assert "header_rows = 2, units_row = true, skip_lines = 1" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("left_acc_z [g]", "left_acc_z [m/s^2]"), "is in m/s^2 by its name or the column map, and in g by the file's"),
        (("Left shoe: ax", "Left shoe: aw"), "the file's columns are 't', 'Left shoe: ax'"),
        (("skip_lines = 1", "skip_lines = 900"), "no data follow it"),
        (("skip_lines = 1", "skip_lines = 4"), "holds no names"),
        (('"left_acc_x"', '"left_force"'), "is in m/s^2, but left_force is measured in N"),
    ],
)
def test_a_stated_header_must_fit(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    options = load_column_map(write(tmp_path, MAP.replace(*change), "map.toml")).options()
    assert says in refused(write(tmp_path, ROWS), options)


def test_a_table_has_at_least_one_header_row(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="header_rows"):
        load_column_map(write(tmp_path, MAP.replace("header_rows = 2", "header_rows = 0"), "map.toml"))


PHYSILOG_NAMES = ["Time", "Gyro X", "Gyro Y", "Gyro Z", "Accel X", "Accel Y", "Accel Z", "Event", "Pressure"]
PHYSILOG_UNITS = ["s", *["deg/s"] * 3, *["g"] * 3, "", "hPa"]


def physilog(separator: str = ",", *, lost: tuple[int, ...] = (), above: int = 5) -> str:
    """Return a Physilog export at 128 Hz as public loaders expect it; the lines above the names are our own."""
    rows = [[f"line {i}", "words"] for i in range(above)] + [PHYSILOG_NAMES, PHYSILOG_UNITS]
    rows += [[f"{i / 128:.6f}", "180", "0", "1", "0", "0", f"{1 + i}", "0", ""] for i in range(40) if i not in lost]
    return "".join(separator.join(row) + "\n" for row in rows)


@pytest.mark.parametrize(("separator", "above"), [(",", 5), (";", 0), ("\t", 7)])
def test_physilog_units_of_its_row_and_lost_samples(tmp_path: Path, separator: str, above: int) -> None:
    path = write(tmp_path, physilog(separator, lost=(7,), above=above))
    assert sniff(path).reader.name == "physilog"
    got = read(path)
    imu = got.streams["imu"]
    np.testing.assert_allclose(imu["gyro_x"].values[0], np.pi)
    np.testing.assert_allclose(imu["acc_z"].values[[0, 8]], [G, 9 * G])
    assert list(np.flatnonzero(np.isnan(imu["acc_z"].values))) == [7]
    assert imu.attrs["rate_hz"] == pytest.approx(128, rel=1e-4)
    assert any("no real file was at hand: unverified" in note for note in got.notes)
    assert next(iter(read(path, ReadOptions(extra={"side": "left"})).streams)) == "imu_left"


def test_physilog_gravity_written_large_and_a_column_map(tmp_path: Path) -> None:
    large = read(write(tmp_path, physilog().replace("g,g,g", "G,G,G"))).streams["imu"]
    np.testing.assert_allclose(large["acc_z"].values[0], G)
    columns = {"Time": "time [s]", "Accel Z": "left_acc_x"}
    mapped = read(write(tmp_path, physilog()), ReadOptions(column_map=columns)).streams
    np.testing.assert_allclose(mapped["imu_left"]["acc_x"].values[0], G)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("g,g,g", ",,"), "is empty for column 'Accel X', expected a unit like m/s^2; state it in a column map"),
        (("deg/s", "furlong"), "is 'furlong' for column 'Gyro X', expected a unit like rad/s"),
        (("s,deg/s", "0,180"), "is '0' for column 'Time', expected a unit like s"),
        (("Gyro Y", "Gyro X"), "'Gyro X' of the column map stands 2 times"),
        ((",180,0,1,0,0,3,", ",180,0,1,0,0,x,"), "column 'Accel Z': 'x' is no number"),
    ],
)
def test_physilog_refusals(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert says in refused(write(tmp_path, physilog().replace(*change)))


def test_a_binary_log_says_what_to_export(tmp_path: Path) -> None:
    path = tmp_path / "0ABC.BIN"
    path.write_bytes(bytes(range(200)))
    assert "of a Physilog (Gait Up) export it as CSV" in refused(path)
