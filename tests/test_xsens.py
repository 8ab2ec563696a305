"""Xsens: a DOT told from an MT by its columns, header lines or ticks; units, counters that wrap, lost packets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read, sniff
from grfkit.records import Recording

N = 300
PREAMBLE = (
    "sep=,\nDeviceTag:,D1\nFirmwareVersion:,2.2.0\nAppVersion:,2021.0\nSyncStatus:,Synced\nOutputRate:,60Hz\n"
    "FilterProfile:,General\nMeasurement Mode:,Custom Mode 5\nStartTime: ,2021-08-20_20:21:13_829 GMT+8\n"
    "© Xsens Technologies B. V. 2005-2021\n\n"
)
# without preamble, what DOT apps of 2021 wrote: three lines less, no rate
SHORT = "sep=,\nDeviceTag:,bei\nFirmwareVersion:,1.6.0\nAppVersion:,2021.0\nStartTime: ,2021-08-30\n\n"
TICK = 16667
ACC = 9.8 + np.sin(np.arange(N) / 7)
GYRO = 300 * np.sin(np.arange(N) / 9)


def _text(names: str, *, start: int = 3_000_000_000, counter: int = 1, keep: np.ndarray | None = None) -> str:
    """Return rows of a DOT export: a counter, ticks that wrap, and a value for each further column."""
    columns = names.split(",")
    lines = [names]
    for k in range(N) if keep is None else keep:
        cells = {"PacketCounter": str(counter + k), "SampleTimeFine": str((start + k * TICK) % 2**32)}
        cells |= {"Acc_X": f"{ACC[k]:.6f}", "Gyr_X": f"{GYRO[k]:.6f}", "FreeAcc_X": f"{ACC[k]:.6f}"}
        lines.append(",".join(cells.get(c, "0.25") for c in columns))
    return "\n".join(lines) + "\n"


def _read(tmp_path: Path, text: str, name: str = "dot.csv", **options: float) -> Recording:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert sniff(path).reader.name == "xsens"
    return read(path, ReadOptions(**options))  # type: ignore[arg-type]


FULL = "PacketCounter,SampleTimeFine,Euler_X,Euler_Y,Euler_Z,Acc_X,Acc_Y,Acc_Z,Gyr_X,Gyr_Y,Gyr_Z"
RATES = "PacketCounter,SampleTimeFine,Acc_X,Acc_Y,Acc_Z,Gyr_X,Gyr_Y,Gyr_Z,Mag_X,Mag_Y,Mag_Z"
QUATS = "PacketCounter,SampleTimeFine,Quat_W,Quat_X,Quat_Y,Quat_Z,Acc_X,Acc_Y,Acc_Z,Gyr_X,Gyr_Y,Gyr_Z,Status"


@pytest.mark.parametrize("names", [FULL, RATES, QUATS], ids=["euler", "rates alone", "quaternions"])
@pytest.mark.parametrize("preamble", [PREAMBLE, SHORT, "", PREAMBLE.replace("\n", ",,,,,,\n")])
def test_dot_rates_are_degrees_and_its_time_is_microseconds(tmp_path: Path, names: str, preamble: str) -> None:
    got = _read(tmp_path, preamble + _text(names))
    stream = got.streams["imu"]
    np.testing.assert_allclose(stream["gyro_x"], np.deg2rad(GYRO), atol=1e-6)
    np.testing.assert_allclose(stream["acc_x"], ACC, atol=1e-6)
    np.testing.assert_allclose(stream["time"], np.arange(N) * TICK * 1e-6, atol=1e-9)
    assert stream.attrs["rate_hz"] == pytest.approx(60, rel=1e-4)
    assert (stream.attrs["missing_samples"], stream.attrs["stamp_source"]) == (0, "crystal")
    assert got.tree.attrs["device"] == "Xsens DOT"
    assert any("as Xsens DOT writes them" in n for n in got.notes)


def test_dot_header_lines_are_kept(tmp_path: Path) -> None:
    got = _read(tmp_path, PREAMBLE + _text(FULL))
    assert got.streams["imu"].attrs["device_id"] == "D1"
    assert any("its start as '2021-08-20_20:21:13_829 GMT+8'" in n for n in got.notes)


def test_dot_ticks_wrap_at_32_bits(tmp_path: Path) -> None:
    got = _read(tmp_path, PREAMBLE + _text(RATES, start=2**32 - 100 * TICK - 5))
    np.testing.assert_allclose(got.streams["imu"]["time"], np.arange(N) * TICK * 1e-6, atol=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_packets_lost_over_the_air_are_rows_of_nan(tmp_path: Path, share: float) -> None:
    """With half of them lost the usual step is two samples: the counter says so, the stamps alone do not."""
    keep = np.flatnonzero(np.random.default_rng(0).random(N) > share)
    keep = np.union1d([0, N - 1], keep)
    stream = _read(tmp_path, PREAMBLE + _text(QUATS, keep=keep)).streams["imu"]
    assert (stream.sizes["time"], stream.attrs["missing_samples"]) == (N, N - keep.size)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(stream["acc_x"].values)), keep)
    np.testing.assert_allclose(stream["time"], np.arange(N) * TICK * 1e-6, atol=1e-9)
    np.testing.assert_array_equal(np.isfinite(stream["time_raw"].values), np.isfinite(stream["acc_x"].values))


def test_a_dot_that_loses_every_second_packet_loses_half(tmp_path: Path) -> None:
    stream = _read(tmp_path, PREAMBLE + _text(QUATS, keep=np.arange(0, N, 2))).streams["imu"]
    assert (stream.attrs["missing_samples"], stream.attrs["rate_hz"]) == (N // 2 - 1, 60)


def test_a_pause_of_a_dot_is_one_row(tmp_path: Path) -> None:
    text = _text(RATES)
    head, *rows = text.splitlines()
    later = [
        f"{5001 + k},{(3_000_000_000 + 5000 * TICK + k * TICK) % 2**32}," + r.split(",", 2)[2]
        for k, r in enumerate(rows)
    ]
    got = _read(tmp_path, "\n".join([head, *rows, *later]) + "\n")
    assert got.streams["imu"].sizes["time"] == 2 * N + 1
    assert got.streams["imu"].attrs["missing_samples"] == 5000 - N
    assert any("a gap of 78." in n for n in got.notes)


def test_dot_without_acceleration_keeps_free_acceleration_and_increments_apart(tmp_path: Path) -> None:
    names = (
        "PacketCounter,SampleTimeFine,dq_W,dq_X,dq_Y,dq_Z,dv[1],dv[2],dv[3],Mag_X,FreeAcc_X,FreeAcc_Y,FreeAcc_Z,Status"
    )
    got = _read(tmp_path, _text(names))
    stream = got.streams["imu"]
    assert not {"acc_x", "gyro_x"} & set(stream.data_vars)
    assert (stream["freeacc_x"].attrs["units"], stream["dv_1"].attrs["units"]) == ("m/s^2", "m/s")
    assert (stream["dq_w"].attrs["units"], stream["mag_x"].attrs["units"]) == ("1", "1")
    assert any("FreeAcc is without gravity" in n for n in got.notes)
    assert any("dq and dv" in n for n in got.notes)


def test_a_stated_rate_that_the_ticks_contradict_is_noted(tmp_path: Path) -> None:
    got = _read(tmp_path, PREAMBLE.replace("60Hz", "120Hz") + _text(FULL))
    assert got.streams["imu"].attrs["rate_hz"] == pytest.approx(60, rel=1e-4)
    assert any("goes at 60 Hz, the stated rate is 120 Hz" in n for n in got.notes)


# --- MT Manager

MT = "// Start Time: 0\n// Sample rate: 50.0Hz\n// Scenario: 4.9\n// Firmware Version: 2.5.1\n"


def _mt_rows(first: int, steps: int = 1) -> str:
    return "".join(f" {(first + steps * k) % 65536}\t{ACC[k]:.6f}\t{GYRO[k] / 1000:.6f}\t\n" for k in range(N))


@pytest.mark.parametrize("first", [2552, 65500])
def test_mt_text_with_counter_and_sample_rate(tmp_path: Path, first: int) -> None:
    got = _read(tmp_path, MT + "Counter\tAcc_X\tGyr_X\n" + _mt_rows(first), "mtw.txt")
    stream = got.streams["imu"]
    assert stream.attrs["rate_hz"] == 50
    np.testing.assert_allclose(stream["gyro_x"], GYRO / 1000, atol=1e-6)
    np.testing.assert_allclose(stream["time"], np.arange(N) / 50, atol=1e-9)
    assert got.tree.attrs["device"] == "Xsens MT"


def test_an_mt_that_sends_every_second_sample_loses_none(tmp_path: Path) -> None:
    got = _read(tmp_path, MT + "Counter\tAcc_X\tGyr_X\n" + _mt_rows(0, 2), "mtw.txt")
    assert got.streams["imu"].attrs["missing_samples"] == 0
    np.testing.assert_allclose(got.streams["imu"]["time"], np.arange(N) / 50, atol=1e-9)
    assert any("in steps of 2" in n for n in got.notes)


def test_mt_ticks_of_10_khz_are_no_microseconds_and_tell_the_rate(tmp_path: Path) -> None:
    rows = "".join(f"{k},{1000 + 167 * k},{ACC[k]:.6f},{GYRO[k] / 100:.6f}\n" for k in range(N))
    got = _read(tmp_path, "PacketCounter,SampleTimeFine,Acc_X,Gyr_X\n" + rows)
    np.testing.assert_allclose(got.streams["imu"]["gyro_x"], GYRO / 100, atol=1e-6)
    assert got.streams["imu"].attrs["rate_hz"] == pytest.approx(1e4 / 167)


def test_mt_comment_lines_decide_over_columns(tmp_path: Path) -> None:
    rows = "".join(f"{k},,{ACC[k]:.6f},{GYRO[k] / 100:.6f}\n" for k in range(N))
    got = _read(tmp_path, "// Update Rate: 100.0Hz\nPacketCounter,SampleTimeFine,FreeAcc_X,Gyr_X\n" + rows)
    np.testing.assert_allclose(got.streams["imu"]["gyro_x"], GYRO / 100, atol=1e-6)


def test_decimal_commas_beside_semicolons(tmp_path: Path) -> None:
    rows = "".join(f"{k};{ACC[k]:.6f};{GYRO[k] / 100:.6f}\n".replace(".", ",") for k in range(N))
    got = _read(tmp_path, "// Update Rate: 100.0Hz\nPacketCounter;Acc_X;Gyr_X\n" + rows)
    np.testing.assert_allclose(got.streams["imu"]["acc_x"], ACC, atol=1e-6)


def test_degrees_that_nothing_explains_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"{k},{ACC[k]:.6f},{GYRO[k]:.6f}\n" for k in range(N))
    with pytest.raises(
        BadInputError, match=r"Gyr columns reach 300: no rad/s.*with its header lines or with SampleTimeFine"
    ):
        _read(tmp_path, "PacketCounter,Acc_X,Gyr_X\n" + rows, rate_hz=60.0)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mvnx", '<?xml version="1.0"?>\n<mvnx version="4"><subject/></mvnx>', "a file of MVN Analyze"),
        ("a.mvn", "\x00\x01\x02 something", "a file of MVN Analyze"),
        ("a.mtb", "\x00\x01\x02 something", "a binary log of Xsens sensors"),
    ],
)
def test_other_xsens_files_say_what_to_export(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInputError, match=says):
        read(tmp_path / name)


@given(st.sets(st.integers(1, 98), max_size=60), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_any_loss_and_any_start_give_the_same_grid(lost: set[int], start: int, counter: int) -> None:
    from grfkit.io.readers.xsens import READER

    keep = [k for k in range(100) if k not in lost]
    rows = "".join(f"{(counter % 60000) + k},{(start + k * 8333) % 2**32},{k}.5\n" for k in keep)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text(f"OutputRate:,120Hz\nPacketCounter,SampleTimeFine,Acc_X\n{rows}")
        stream = READER.read(path, ReadOptions()).streams["imu"]
    np.testing.assert_allclose(stream["time"], np.arange(100) * 8333e-6, atol=1e-9)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(stream["acc_x"].values)), sorted(lost))


def test_an_empty_column_is_told(tmp_path: Path) -> None:
    head, *rows = _text(RATES).splitlines()
    at = head.split(",").index("Mag_Y")
    cells = [row.split(",") for row in rows]
    emptied = [",".join("" if k == at else c for k, c in enumerate(row)) for row in cells]
    got = _read(tmp_path, PREAMBLE + "\n".join([head, *emptied]) + "\n")
    assert any(note.startswith("Mag_Y: no sample holds a number") for note in got.notes)
    assert "mag_y" not in got.streams["imu"]
    assert not any("no sample holds" in note for note in _read(tmp_path, PREAMBLE + _text(RATES)).notes)
