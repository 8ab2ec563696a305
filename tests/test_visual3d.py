"""How could Visual3D's text be misread? A type, a component, one time for another, a second trial, an angle's unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.io import ReadOptions, read, sniff
from test_io_text import refused, write

FILE = r"C:\Data\walk.c3d"


def visual3d(*, times: tuple[str, ...] = ("TIME", "ANALOGTIME"), frames: int = 20, per: int = 5) -> str:
    """Return an export of a marker and a joint angle at 100 Hz, a plate and an EMG at 500 Hz."""
    head = [("TIME", "FRAME_NUMBERS", "X"), ("ANALOGTIME", "FRAME_NUMBERS", "X")]
    head = [row for row in head if row[0] in times]
    head += [("LHEE", "TARGET", axis) for axis in "XYZ"] + [("LKnee", "LINK_MODEL_BASED", axis) for axis in "XYZ"]
    head += [
        (name, kind, a) for name, kind in (("FP1", "FORCE"), ("FP1", "COFP"), ("FP1", "FREEMOMENT")) for a in "XYZ"
    ]
    head += [("EMG9", "ANALOG", "0")]
    rows = [["", *[FILE] * len(head)], ["", *(h[0] for h in head)], ["", *(h[1] for h in head)]]
    rows += [["", *["ORIGINAL"] * len(head)], ["ITEM", *(h[2] for h in head)]]
    for i in range(frames * per):
        slow = i < frames
        row = [f"{i / 100:.3f}" if slow else ""] if "TIME" in times else []
        row += [f"{i / 500:.3f}"] if "ANALOGTIME" in times else []
        row += [f"{i}.5", "0.2", "0.1"] if slow and i != 4 else ["", "", ""]
        row += ["10", "0", "0"] if slow else ["", "", ""]
        row += ["1", "2", f"{i}", "0.3", "0.4", "0", "0", "0", "5", "0.001"]
        rows.append([f"{i + 1}", *row])
    return "".join("\t".join(row) + "\n" for row in rows)


def test_types_are_streams_each_with_its_own_time(tmp_path: Path) -> None:
    path = write(tmp_path, visual3d(), "walk.txt")
    assert sniff(path).reader.name == "visual3d"
    got = read(path)
    assert set(got.streams) == {"landmarks", "plate_1", "analog", "link_model_based"}
    marker, plate = got.streams["landmarks"], got.streams["plate_1"]
    np.testing.assert_allclose(marker["time"], np.arange(20) / 100)
    np.testing.assert_allclose(marker["position"].values[3, 0], [3.5, 0.2, 0.1])
    assert np.isnan(marker["position"].values[4]).all()
    np.testing.assert_allclose(plate["time"], np.arange(100) / 500)
    np.testing.assert_allclose(plate["fz"], np.arange(100))
    np.testing.assert_allclose(plate["cop_y"], 0.4)
    np.testing.assert_allclose(plate["torque_z"], 5)
    assert plate["torque_z"].attrs["units"] == "N m"
    assert got.streams["link_model_based"]["lknee_x"].attrs["units"] == "unknown"
    assert "no real file" in plate.attrs["unverified"]
    assert any("unverified" in note for note in got.notes)


def test_rows_at_a_stated_rate(tmp_path: Path) -> None:
    path = write(tmp_path, visual3d(times=(), per=1), "walk.txt")
    assert "state the rate of the rows" in refused(path)
    plate = read(path, ReadOptions(rate_hz=200)).streams["plate_1"]
    np.testing.assert_allclose(plate["time"], np.arange(20) / 200)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (visual3d(times=("TIME",)), "holds no ANALOGTIME for its FORCE signals"),
        (visual3d().replace(FILE, "other.c3d", 1), "holds signals of 2 trials"),
        (visual3d().replace("\tFORCE\tFORCE\tFORCE", "\tANALOG\tANALOG\tANALOG"), "has no FORCE of that name"),
        (visual3d().replace("\n7\t", "\n8\t"), "do not count up by one"),
        (visual3d().replace("\tORIGINAL", "", 1), "its header rows name 19, 19, 19, 18, 19 columns"),
        (visual3d().replace("0.3\t0.4", "0.3\tx", 1), "column 'FP1: Y': 'x' is no number"),
        (visual3d().replace("ITEM\tX\tX\tX\tY\tZ", "ITEM\tX\tX\tX\tX\tZ"), "'LHEE: X' (TARGET) stands twice"),
        (visual3d().replace("ANALOGTIME", "TIME"), "has two columns TIME that differ"),
        (visual3d().replace("\n3\t0.020\t0.004", "\n3\t0.020\t"), "a time is missing in ANALOGTIME"),
        (visual3d().replace("Z\tX\tY\tZ\t0\n", "Y\tX\tY\tZ\t0\n"), "COFP of 'FP1' has not X, Y and Z once each"),
        (visual3d()[:-3], "cut off"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(write(tmp_path, text, "walk.txt"))


def test_axes_as_numbers_are_the_same(tmp_path: Path) -> None:
    letters = read(write(tmp_path, visual3d(), "a.txt"))
    text = visual3d().split("\n")
    text[4] = text[4].translate(str.maketrans("XYZ", "012")).replace("0", "X", 2)
    numbers = read(write(tmp_path, "\n".join(text), "b.txt"))
    for name in ("landmarks", "plate_1"):
        assert letters.streams[name].drop_attrs().equals(numbers.streams[name].drop_attrs())


def test_an_empty_column_is_told(tmp_path: Path) -> None:
    got = read(write(tmp_path, visual3d().replace("\t0.001\n", "\t\n"), "walk.txt"))
    assert "analog" not in got.streams
    assert "'EMG9: 0' (ANALOG) holds no number: left out" in got.notes


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_decimal_commas_are_read_alike(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "walk.txt"
    path.write_bytes(visual3d().replace(".c3d", "_c3d").replace(".", ",").encode(encoding))
    np.testing.assert_allclose(read(path).streams["plate_1"]["cop_y"], 0.4)


def test_a_stamp_that_stands_twice_is_told(tmp_path: Path) -> None:
    text = visual3d().replace("\n3\t0.020\t0.004", "\n3\t0.010\t0.002")
    notes = read(write(tmp_path, text, "walk.txt")).notes
    assert any("stamps are late or stand twice at 1 places" in note for note in notes), notes
