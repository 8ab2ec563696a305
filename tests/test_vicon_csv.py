"""How could an export of Nexus be misread? A section, a rate, a sub frame, a plate's column, a marker, a unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.gait.plate_force import PlateForce
from grfkit.io import ReadOptions, read, sniff
from test_io_text import refused, write

FORCE, MOMENT, COP = "FP1 (3979) - Force", "FP1 (3979) - Moment", "FP1 (3979) - CoP"


def nexus(
    separator: str = ",",
    *,
    frames: range = range(1, 31),
    per: int = 10,
    lost: tuple[int, ...] = (),
    padded: bool = False,
) -> str:
    """Return an export with a plate, two voltages, two markers and a model angle, laid out as Nexus 2 does."""
    blank = [""]
    rows: list[list[str]] = [
        ["Devices"],
        ["1000"],
        ["", "", FORCE, "", "", MOMENT, "", "", COP, "", "", "EMG - Voltage", ""],
        ["Frame", "Sub Frame", *["Fx", "Fy", "Fz", "Mx", "My", "Mz", "Cx", "Cy", "Cz", "1", "2"]],
        ["", "", *["N"] * 3, *["mm.N"] * 3, *["mm"] * 3, "V", "V"],
    ]
    for frame in frames:
        for sub in range(per):
            if frame not in lost:
                at = (frame - 1) * per + sub
                rows.append(
                    [str(frame), str(sub), "1", "2", f"{-at}", "3000", "-5", "6", "250", "100", "0", "0.5", f"{at}e-3"]
                )
    rows += [blank, ["Model Outputs"], ["100"], ["", "", "Ann:LKneeAngles", "", "", "Ann:LKneeAngles'", "", ""]]
    rows += [["Frame", "Sub Frame", *"XYZXYZ"], ["", "", *["deg"] * 3, *["deg/s"] * 3]]
    rows += [[str(f), "0", "180", "0", "0", "90", "0", "0"] for f in frames if f not in lost]
    rows += [blank, ["Trajectories"], ["100"], ["", "", "Ann:LHEE", "", "", "Ann:LTOE", "", ""]]
    rows += [["Frame", "Sub Frame", *"XYZXYZ"], ["", "", *["mm"] * 6]]
    rows += [
        [str(f), "0", f"{f}", "200", "50", *(("", "", "") if f == 5 else ("1", "2", "3"))]
        for f in frames
        if f not in lost
    ]
    width = max(map(len, rows)) if padded else 0
    return "".join(separator.join([*row, *[""] * (width - len(row))]) + "\n" for row in rows)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_sections_are_streams_of_one_clock(tmp_path: Path, separator: str, padded: bool) -> None:
    path = write(tmp_path, "\ufeff" + nexus(separator, padded=padded))
    assert sniff(path).reader.name == "vicon"
    got = read(path).streams
    assert set(got) == {"plate_1", "analog", "model_outputs", "landmarks"}
    plate = got["plate_1"]
    assert plate.attrs["rate_hz"] == 1000
    np.testing.assert_allclose(plate["fz"], -np.arange(300))
    np.testing.assert_allclose(plate["mx"], 3)
    np.testing.assert_allclose(plate["cop_x"], 0.25)
    np.testing.assert_allclose(plate["time"], np.arange(300) / 1000)
    np.testing.assert_allclose(got["landmarks"]["time"], np.arange(30) / 100)
    np.testing.assert_allclose(got["landmarks"]["position"].values[3, 0], [0.004, 0.2, 0.05])
    assert list(got["landmarks"]["landmark"].values) == ["Ann:LHEE", "Ann:LTOE"]
    assert np.isnan(got["landmarks"]["position"].values[4, 1]).all()
    np.testing.assert_allclose(got["model_outputs"]["ann_lkneeangles_x"], np.pi)
    np.testing.assert_allclose(got["model_outputs"]["ann_lkneeangles_dot_x"], np.pi / 2)
    np.testing.assert_allclose(got["analog"]["emg_voltage_2"], np.arange(300) / 1000)


def test_a_plate_that_presses_down_is_turned_up_and_marked_unverified(tmp_path: Path) -> None:
    plate = read(write(tmp_path, nexus())).streams["plate_1"]
    assert "no real file" in plate.attrs["unverified"]
    assert float(PlateForce.of("plate_1", plate).up_n.max()) == 299


def test_frames_that_begin_later_and_frames_that_lack(tmp_path: Path) -> None:
    got = read(write(tmp_path, nexus(frames=range(101, 131), lost=(110, 111)))).streams
    assert got["plate_1"].sizes["time"] == 300
    assert np.isnan(got["plate_1"]["fz"].values[90:110]).all()
    assert np.isfinite(got["plate_1"]["fz"].values[[89, 110]]).all()
    np.testing.assert_allclose(got["landmarks"]["time"].values[[0, -1]], [0, 0.29])


def test_columns_of_a_map_are_sensors_of_a_foot(tmp_path: Path) -> None:
    got = read(write(tmp_path, nexus()), ReadOptions(column_map={"EMG - Voltage: 2": "left_acc_x [V]"})).streams
    np.testing.assert_allclose(got["imu_left"]["acc_x"], np.arange(300) / 1000)
    assert set(got["analog"].data_vars) == {"emg_voltage_1", "time_raw"}
    text = refused(write(tmp_path, nexus()), ReadOptions(column_map={"EMG": "left_acc_x [V]"}))
    assert "the columns of its devices are 'FP1 (3979) - Force: Fx'" in text


def test_events_are_passed_over(tmp_path: Path) -> None:
    events = "Events\n100\nSubject,Context,Name,Time (s),Description\nAnn,Left,Foot Strike,1.2,heel\n\n"
    assert "plate_1" in read(write(tmp_path, events + nexus())).streams
    assert "plate_1" in read(write(tmp_path, nexus() + "\n" + events)).streams


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("Trajectories\n100\n", "Trajectories\n200\n"), "its Trajectories 200"),
        (("1000\n", "0\n"), "states 0 Hz"),
        (("Frame,Sub Frame,Fx", "Frame,Fx,Fx"), "does not start with 'Frame' and 'Sub Frame'"),
        (("\n3,4,", "\n3,3,"), "the frame does not follow the one before"),
        (("\n3,4,", "\n3,,"), "the frame does not follow the one before"),
        (("\n3,4,", "\n,4,"), "has no frame or sub frame number"),
        (("\n3,4,1,2,", "\n3,4,1,"), "cells, expected 13"),
        (("\n3,4,1,2,", "\n\n3,4,1,2,"), "is empty inside its Devices"),
        ((",,mm,mm,mm,mm,mm,mm\n", ",,mm,mm,mm,m,m,m\n"), "the one unit of its Trajectories"),
        (("Ann:LTOE", "Ann:LHEE"), "two trajectories are called 'Ann:LHEE'"),
    ],
)
def test_damage_is_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    text = nexus()
    assert change[0] in text
    head, _, tail = text.rpartition(change[0]) if change[0].startswith((",,mm", "Ann")) else text.partition(change[0])
    assert says in refused(write(tmp_path, head + change[1] + tail))


def test_a_file_cut_inside_a_row_is_refused(tmp_path: Path) -> None:
    text = nexus()
    assert "cut off" in refused(write(tmp_path, text[: text.index("Trajectories") + 120]))
    assert "ends inside the header" in refused(write(tmp_path, text[: text.index("Trajectories") + 20]))
