"""How could a Delsys export be misread? A channel's rate, a sensor, g for gauss, a column that ends too soon."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.io import ReadOptions, read, sniff
from grfkit.units import G
from test_io_text import refused, write

EMG_HZ, ACC_HZ = 1259.2593, 148.1481


def discover(*, timed: bool = False, rows: int = 85, comma: str = ", ", decimal: str = ".") -> str:
    """Return a Discover export of two sensors: EMG to the end, accelerations and rates in 10 rows."""
    sensors = ["Left shoe (54717)", "EMG 02 (55240)"]
    channels = ["EMG 1 (mV)", "ACC X (G)", "GYRO Z (deg/s)"]
    rates = [f"{EMG_HZ} Hz", f"{ACC_HZ} Hz", f"{ACC_HZ} Hz"]
    head = [["Application:", "Trigno Discover (1.7.0)"], ["Date/Time:", "4/10/2026 12:13:39 PM"]]
    head += [["Collection Length (seconds):", "0.0675"]]
    width = len(channels) * (1 + timed)
    head += [[cell for s in sensors for cell in (s, *[""] * (width - 1))], [*["sensor mode: 55"] * 2]]
    if timed:
        names = [cell for c in channels for cell in (f"{c.split(' (')[0]} Time Series (s)", c)]
        stated = [cell for r in rates for cell in ("", r)]
    else:
        names, stated = channels, rates
    head += [names * 2, stated * 2]
    body = []
    for i in range(rows):
        row = []
        for factor in (1, 2):
            for channel, rate in zip((factor * 0.5, factor * (i + 1), factor * 180), (EMG_HZ, ACC_HZ, ACC_HZ)):
                there = rate == EMG_HZ or i < 10
                row += ([f"{i / rate:.7f}" if there else ""] if timed else []) + [f"{channel}" if there else ""]
        body.append([cell.replace(".", decimal) for cell in row])
    return "".join(comma.join(row) + "\n" for row in [*head, *body])


EMGWORKS = 'X[s],"Avanti sensor 1: EMG 1",X[s],"Avanti sensor 1: ACC.X 1"\n' + "".join(
    f"{i / 2000},{i}e-6," + (f"{i / 200},1\n" if i < 10 else ",\n") for i in range(100)
)


@pytest.mark.parametrize("timed", [False, True])
def test_each_channel_has_its_own_rate_and_g_is_gravity(tmp_path: Path, timed: bool) -> None:
    path = write(tmp_path, discover(timed=timed))
    assert sniff(path).reader.name == "delsys"
    got = read(path)
    assert set(got.streams) == {
        *("analog_left_shoe_54717", "imu_left_shoe_54717", "analog_emg_02_55240", "imu_emg_02_55240")
    }
    imu, emg = got.streams["imu_left_shoe_54717"], got.streams["analog_left_shoe_54717"]
    assert (imu.attrs["side"], imu.sizes["time"], emg.sizes["time"]) == ("left", 10, 85)
    np.testing.assert_allclose(imu["acc_x"], G * np.arange(1, 11))
    np.testing.assert_allclose(got.streams["imu_emg_02_55240"]["acc_x"], 2 * G * np.arange(1, 11))
    np.testing.assert_allclose(imu["gyro_z"], np.pi)
    np.testing.assert_allclose(emg["emg_1"], 0.5e-3)
    np.testing.assert_allclose(imu["time"], np.arange(10) / ACC_HZ, atol=1e-6)
    np.testing.assert_allclose(emg["time"], np.arange(85) / EMG_HZ, atol=1e-6)
    assert any("'4/10/2026 12:13:39 PM'" in note for note in got.notes)


def test_semicolons_with_decimal_commas(tmp_path: Path) -> None:
    got = read(write(tmp_path, discover(comma=";", decimal=",")))
    np.testing.assert_allclose(got.streams["analog_left_shoe_54717"]["emg_1"], 0.5e-3)


def test_rounded_rates_and_no_units_are_said(tmp_path: Path) -> None:
    text = discover()
    lines = text.splitlines()
    lines[5] = ", ".join(["EMG 1 (1259Hz)", "ACC X (148Hz)", "GYRO Z (148Hz)"] * 2)
    del lines[6]
    path = write(tmp_path, "\n".join(lines) + "\n")
    got = read(path)
    assert not any(stream.attrs["kind"] == "imu" for stream in got.streams.values())
    assert any("printed in whole Hz" in note and "0.34 %" in note for note in got.notes)
    mapped = read(path, ReadOptions(column_map={"Left shoe (54717): ACC X": "left_acc_x [g]"}))
    np.testing.assert_allclose(mapped.streams["imu_left"]["acc_x"], G * np.arange(1, 11))


def test_emgworks_pairs_state_no_unit_or_a_label_line_does(tmp_path: Path) -> None:
    got = read(write(tmp_path, EMGWORKS))
    assert {s.attrs["kind"] for s in got.streams.values()} == {"analog"}
    assert any("state no unit" in note for note in got.notes)
    labels = "".join(
        f"Label: Avanti sensor 1: {name} Sampling frequency: 200 Number of points: 10 start: 0 Unit: {unit}"
        " Domain Unit: s\n"
        for name, unit in (("EMG 1", "V"), ("ACC.X 1", "g"))
    )
    imu = read(write(tmp_path, labels + "\n" + EMGWORKS)).streams["imu_avanti_sensor_1"]
    np.testing.assert_allclose(imu["acc_x"], G)
    np.testing.assert_allclose(imu["time"], np.arange(10) / 200)


def test_a_column_map_names_channels_of_one_rate(tmp_path: Path) -> None:
    path = write(tmp_path, discover())
    feet = {"Left shoe (54717): ACC X": "left_acc_x", "EMG 02 (55240): GYRO Z": "left_gyro_z [deg/s]"}
    got = read(path, ReadOptions(column_map=feet)).streams["imu_left"]
    np.testing.assert_allclose(got["gyro_z"], 2 * np.pi)
    mixed = feet | {"EMG 02 (55240): EMG 1": "left_acc_y [V]"}
    assert "sampled at different times" in refused(path, ReadOptions(column_map=mixed))
    assert "the file's channels are 'Left shoe" in refused(path, ReadOptions(column_map={"a": "left_acc_x [g]"}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("\n0.5, 2, 180, 1.0", "\n0.5, x, 180, 1.0"), "column 'ACC X (G)': 'x' is no number"),
        (("\n0.5, 2, 180, 1.0", "\n0.5, 180, 1.0"), "cells, expected 6"),
        (("ACC X (G)", ""), "do not name a sensor and a channel"),
        (("Left shoe (54717)", ""), "do not name a sensor and a channel"),
    ],
)
def test_damage_is_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert says in refused(write(tmp_path, discover().replace(*change, 1)))


def test_a_file_without_data_is_refused(tmp_path: Path) -> None:
    assert "cut off" in refused(write(tmp_path, "\n".join(discover().splitlines()[:5]) + "\n"))
    assert "no data" in refused(write(tmp_path, "\n".join(discover().splitlines()[:7]) + "\n"))
