"""What a reader must not take in silence: raw counts for newtons, standing clocks, pipes, cut files, idle options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from c3d_files import build, loads, platform, read_bytes
from grfkit.calibrate import examine
from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read
from grfkit.io.columns import load_column_map
from grfkit.io.inspect import inspect
from grfkit.provenance import describe_input


def table(path: Path, header: str, *rows: object) -> Path:
    """Write a CSV file."""
    path.write_text("\n".join([header, *(str(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def stamped(path: Path, stamps: np.ndarray) -> Path:
    """Write a CSV file of one foot's force with these stamps."""
    return table(path, "time [s],left_force [N]", *(f"{t:.6f},100.0" for t in stamps))


# --- units of plates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "raw", "canonical"),
    [("counts", "counts", "count"), ("V", "V", "V"), ("mV", "mV", "V"), ("", "unknown", "unknown")],
)
def test_a_plate_not_in_newtons_keeps_its_unit_and_nothing_is_computed_from_it(
    tmp_path: Path, stated: str, raw: str, canonical: str
) -> None:
    recording = read_bytes(tmp_path, build(analog_units=[stated] * 6))
    plate = recording.streams["plate_1"]
    assert sorted(map(str, plate.data_vars)) == ["fx", "fy", "fz", "time_raw"]
    assert {plate[n].attrs["units"] for n in ("fx", "fy", "fz")} == {canonical}
    assert {plate[n].attrs["raw_units"] for n in ("fx", "fy", "fz")} == {raw}
    factor = 1e-3 if stated == "mV" else 1.0
    assert plate.fz.values[300] == pytest.approx(-700.0 * factor)
    assert any("without moments and centre of pressure" in note and "force_unit" in note for note in recording.notes)
    assert all(f.code in ("not_newtons",) for p in examine(recording) for f in p.findings)


def test_counts_of_a_plate_whose_channels_are_summed_stay_counts(tmp_path: Path) -> None:
    force = np.tile(loads()[:, 2:3] / 4.0, (1, 8))
    groups = {"FORCE_PLATFORM": platform(kind=3, width=8, ORIGIN=np.asarray([[200.0], [100.0], [-40.0]]))}
    recording = read_bytes(tmp_path, build(force, analog_units=["counts"] * 8, groups=groups))
    plate = recording.streams["plate_1"]
    assert plate.fz.attrs["units"] == "count"
    assert "cop_x" not in plate


@pytest.mark.parametrize("units", [["foo"] * 6, ["Nm"] * 6, ["N", "N", "V", "Nmm", "Nmm", "Nmm"]])
def test_a_plate_in_no_unit_of_force_is_refused_by_name(tmp_path: Path, units: list[str]) -> None:
    recording = read_bytes(tmp_path, build(analog_units=units))
    assert "plate_1" not in recording.streams
    assert any("plate 1 is not read: it has force channels in" in note for note in recording.notes)


@pytest.mark.parametrize("unit", ["N", "foo", "V", ""])
def test_moments_that_are_none_are_left_out_and_said(tmp_path: Path, unit: str) -> None:
    recording = read_bytes(tmp_path, build(analog_units=["N"] * 3 + [unit] * 3))
    plate = recording.streams["plate_1"]
    assert plate.fz.attrs["units"] == "N"
    assert not {"mx", "cop_x", "free_moment"} & set(plate.data_vars)
    assert any("moments and centre of pressure are left out" in note for note in recording.notes)


def test_raw_units_are_those_of_the_file(tmp_path: Path) -> None:
    plate = read_bytes(tmp_path, build(analog_units=["kN"] * 3 + ["Nmm"] * 3)).streams["plate_1"]
    assert (plate.fz.attrs["units"], plate.fz.attrs["raw_units"]) == ("N", "kN")
    assert (plate.mx.attrs["units"], plate.mx.attrs["raw_units"]) == ("N m", "Nmm")


def test_zero_of_a_plate_in_counts_is_not_subtracted_unasked(tmp_path: Path) -> None:
    groups = {"FORCE_PLATFORM": platform(ZERO=np.asarray([1, 10], np.int16))}
    data = build(loads() + 5.0, analog_units=["counts"] * 6, groups=groups)
    assert read_bytes(tmp_path, data).streams["plate_1"].fz.values[0] == pytest.approx(-5.0)
    asked = read_bytes(tmp_path, data, extra={"zero": "always"})
    assert asked.streams["plate_1"].fz.values[0] == pytest.approx(0.0)


# --- groups of plates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (platform(kind=4), "plate 1 is not read: it is of type 4 and needs a matrix with 6 columns"),
        (platform(USED=np.asarray([-1], np.int16)), "FORCE_PLATFORM:USED is -1, expected a count"),
        (
            platform(CHANNEL=np.asarray([[1, 2, 3, 1, 2, 3]], np.int16).T),
            "plate 1 is not read: it uses a channel twice",
        ),
    ],
)
def test_a_plate_described_wrongly_is_refused_by_name(tmp_path: Path, group: dict[str, object], words: str) -> None:
    recording = read_bytes(tmp_path, build(groups={"FORCE_PLATFORM": group}))
    assert "plate_1" not in recording.streams
    assert any(words in note for note in recording.notes)


@pytest.mark.parametrize("zero", [[5, 30000], [50, 5], [0, 10], [-3, 4], [40, 61]])
def test_zero_frames_that_are_none_are_named_as_ignored(tmp_path: Path, zero: list[int]) -> None:
    groups = {"FORCE_PLATFORM": platform(ZERO=np.asarray(zero, np.int16))}
    recording = read_bytes(tmp_path, build(loads() + 12.0, groups=groups))
    words = f"FORCE_PLATFORM:ZERO is {zero[0]} {zero[1]}, expected first and last of frames 1 to 60: it is ignored"
    assert words in recording.notes
    assert recording.streams["plate_1"].fz.values[0] == pytest.approx(-12.0)


# --- clocks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stamps",
    [np.full(500, 1.0), np.r_[np.zeros(499), 5.0], np.repeat([0.0, 1.0, 2.0], 200)],
    ids=["all equal", "all but one", "three"],
)
def test_a_clock_that_stands_is_refused(tmp_path: Path, stamps: np.ndarray) -> None:
    with pytest.raises(BadInputError, match=r"time of the insole stream stands: . different stamps in"):
        read(stamped(tmp_path / "a.csv", stamps))


def test_bursts_that_share_a_stamp_are_read(tmp_path: Path) -> None:
    stream = read(stamped(tmp_path / "a.csv", np.repeat(np.arange(30) * 0.1, 20))).streams["insole_left"]
    assert stream.sizes["time"] == 600


@pytest.mark.parametrize("jump", [1e6, 2e8])
def test_a_clock_that_leaps_is_refused_with_its_place(tmp_path: Path, jump: float) -> None:
    time = np.arange(300) * 0.01
    time[150:] += jump
    with pytest.raises(BadInputError, match=r"jumps by .* at row 151 \(from 1\.49 s to"):
        read(stamped(tmp_path / "a.csv", time))


def test_an_hour_without_samples_is_read(tmp_path: Path) -> None:
    time = np.arange(300) * 0.01
    time[150:] += 3600.0
    assert read(stamped(tmp_path / "a.csv", time)).streams["insole_left"].attrs["gaps"] == 1


# --- what is no file --------------------------------------------------------------------------------------


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.csv", tmp_path / "link.csv"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for refused in (read, describe_input, load_column_map):
        for path in (pipe, link, Path("/dev/zero")):
            with pytest.raises(BadInputError, match="is no regular file"):
                refused(path)
    whole = stamped(tmp_path / "a.csv", np.arange(50) * 0.01)
    (tmp_path / "b.csv").symlink_to(whole)
    assert read(tmp_path / "b.csv").streams["insole_left"].sizes["time"] == 50


def test_a_pipe_ends_the_command_with_code_2(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "grfkit.cli.inspect", str(pipe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is no regular file" in done.stderr


# --- files that are cut -----------------------------------------------------------------------------------


def storage(*, first: int, last: int, rows: int = 100) -> str:
    """Return an OpenSim file whose header states rows at 0 to 0.99 s, and that holds some of them."""
    head = f"name a\ndatacolumns 2\ndatarows {rows}\nrange 0.0 0.99\nendheader\ntime\tground_force_vy\n"
    return head + "".join(f"{0.01 * i:.2f}\t{700 + i}.0\n" for i in range(first, last))


def test_a_storage_file_that_starts_late_and_ends_inside_a_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mot"
    path.write_text(storage(first=20, last=60)[:-2])
    with pytest.raises(BadInputError, match=r"is cut off: its header states rows up to 0\.99 s, it ends at 0\.59 s"):
        read(path)
    path.write_text(storage(first=20, last=60))
    assert any("it ends at 0.59 s of 0.99 s: trimmed, or cut off" in note for note in read(path).notes)
    path.write_text(storage(first=20, last=100)[:-1])
    assert read(path).streams["plate_1"].sizes["time"] == 80


# --- options that do nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ReadOptions(rate_hz=100.0), "--rate-hz"),
        (ReadOptions(column_map={"a": "left_force [N]"}), "--column-map"),
    ],
)
def test_an_option_of_no_use_is_refused_for_one_file_and_told_for_many(
    tmp_path: Path, options: ReadOptions, words: str
) -> None:
    path = tmp_path / "a.mot"
    path.write_text(storage(first=0, last=100))
    with pytest.raises(BadInputError, match=words):
        inspect(path, options)
    assert any(words in note for note in read(path, options).notes)
    assert not any(words in note for note in read(path).notes)


def test_a_rate_beside_a_time_column_is_told(tmp_path: Path) -> None:
    path = stamped(tmp_path / "a.csv", np.arange(50) * 0.01)
    assert any("rate of 50 Hz is not used" in note for note in read(path, ReadOptions(rate_hz=50.0)).notes)


def test_advice_names_only_what_exists(tmp_path: Path) -> None:
    folder = Path(read.__code__.co_filename).parents[1]
    text = "".join(
        p.read_text(encoding="utf-8") for part in ("io", "formats") for p in sorted((folder / part).rglob("*.py"))
    )
    for gone in ("with the option side", "as option 'plates'", "option zero"):
        assert gone not in text


# --- values, names, cells ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "doubted"),
    [
        ("left_force [kN]", 800.0, True),
        ("left_force [N]", 800.0, False),
        ("left_acc_x [g]", 900.0, True),
        ("left_acc_x [m/s^2]", 900.0, False),
        ("left_cell_01 [adc]", 65535.0, False),
        ("fz [kN]", 800.0, True),
    ],
)
def test_values_that_no_person_gives_are_doubted_and_kept(
    tmp_path: Path, column: str, value: float, doubted: bool
) -> None:
    recording = read(table(tmp_path / "a.csv", f"time [s],{column}", *(f"{0.01 * i:.2f},{value}" for i in range(200))))
    assert any("is the unit right?" in note for note in recording.notes) == doubted
    assert any("is the unit right?" in note for note in recording.provenance.findings) == doubted


def test_landmarks_spread_over_a_street_are_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.c3d"
    path.write_bytes(build(groups={"POINT": {"UNITS": ["m"]}}))
    assert any("its landmarks reach over" in note for note in read(path).notes)
    path.write_bytes(build())
    assert not any("its landmarks reach over" in note for note in read(path).notes)


def test_a_file_named_as_another_format_is_read_and_told(tmp_path: Path) -> None:
    for name, told in (("a.txt", True), ("a.trc", True), ("a.c3d", False), ("a.data", False)):
        path = tmp_path / name
        path.write_bytes(build())
        assert any("but it holds C3D: read as that" in note for note in read(path).notes) == told
    assert "plate_1" in read(tmp_path / "a.txt").streams


@pytest.mark.parametrize("cell", ['12"', '"12', '"12"3'])
def test_a_stray_quote_is_no_number(tmp_path: Path, cell: str) -> None:
    with pytest.raises(BadInputError, match=r"is no number|stray quote|expected 2"):
        read(table(tmp_path / "a.csv", "time [s],left_force [N]", "0.00,1", f"0.01,{cell}", "0.02,3"))
    quoted = read(table(tmp_path / "b.csv", "time [s],left_force [N]", "0.00,1", '0.01,"12"', "0.02,3"))
    assert quoted.streams["insole_left"].force.values.tolist() == [1.0, 12.0, 3.0]
