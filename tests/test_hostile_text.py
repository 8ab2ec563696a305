"""A damaged export: a torn number, a value too many, an empty column are refused or told, never read as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read
from test_io_text import refused, write
from test_reader_fuzz import APDM, APDM7, CSV, DOT, MOT, XSENS
from test_sensor_text import physilog, shimmer
from test_vicon_csv import nexus
from test_visual3d import visual3d

TORN = {
    "csv": (CSV.replace(",what [V]", "").replace(",0.5\n", "\n"), "csv"),
    "csv of decimals": (CSV, "csv"),
    "csv that ends rows with a comma": (CSV.replace("\n", ",\n"), "csv"),
    "quoted csv": ('"time [s]","left_force [N]"\n' + "".join(f'"{i}.5",{i * 7}.25\n' for i in range(40)), "csv"),
    "xsens": (XSENS, "txt"),
    "xsens dot": (DOT, "csv"),
    "apdm": (APDM.replace(".0\n", "\n"), "csv"),
    "apdm format 7": (APDM7, "csv"),
    "physilog": (physilog(), "csv"),
    "visual3d": (visual3d(), "txt"),
    "vicon": (nexus(frames=range(1, 9)), "csv"),
}


def says(path: Path) -> str:
    """Return the notes of a file that is read, or why it is refused."""
    try:
        return "; ".join(read(path).notes)
    except BadInputError as error:
        return str(error)


@pytest.mark.parametrize("name", TORN)
def test_a_file_torn_in_its_last_number_is_refused_or_loses_that_row(tmp_path: Path, name: str) -> None:
    text, ending = TORN[name]
    text = text.rstrip("\n,")
    last = text[max(text.rfind("\n"), text.rfind(","), text.rfind("\t")) + 1 :]
    for cut in range(1, len(last)):
        said = says(write(tmp_path, text[:-cut], f"a.{ending}"))
        assert any(word in said for word in ("is left out", "cut off inside", "is no number")), (last, cut, said)


def test_whole_rows_without_a_line_end_are_kept_where_decimals_show_it(tmp_path: Path) -> None:
    path = write(tmp_path, CSV.rstrip("\n"), "a.csv")
    assert read(path).streams["insole_left"].sizes["time"] == 60


def test_a_value_too_many_before_a_blank_end_is_refused(tmp_path: Path) -> None:
    lines = shimmer().split("\n")
    row = lines[-3].split("\t")
    lines[-3] = "\t".join([*row[:2], "7.5", *row[2:]])
    assert "more than" in refused(write(tmp_path, "\n".join(lines), "a.csv"))


def test_plates_without_a_row_of_units_are_told(tmp_path: Path) -> None:
    lines = nexus().split("\n")
    lines[4] = "".join(c for c in lines[4] if c == ",")
    notes = read(write(tmp_path, "\n".join(lines), "a.csv")).notes
    assert any("columns of force plates state no unit" in note for note in notes), notes


def test_a_channel_without_a_number_is_told(tmp_path: Path) -> None:
    rows = "".join(f"{i / 100:.2f},{i * 3}.5,,0.25\n" for i in range(40))
    got = read(write(tmp_path, "time [s],left_force [N],right_acc_x [g],right_acc_y [g]\n" + rows, "a.csv"))
    assert np.isnan(got.streams["imu_right"]["acc_x"]).all()
    assert "imu_right: acc_x holds no number" in got.notes


def test_options_are_as_before_for_a_whole_file(tmp_path: Path) -> None:
    assert not any("no number" in note for note in read(write(tmp_path, CSV, "a.csv"), ReadOptions()).notes)


TRC = (
    "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n100\t100\t40\t1\tmm\n"
    "Frame#\tTime\tHEE\t\t\n\t\tX1\tY1\tZ1\n\n"
) + "".join(f"{i + 1}\t{i / 100:.2f}\t{i}.25\t200.5\t{i}.75\n" for i in range(40))


@pytest.mark.parametrize(("text", "ending", "stream"), [(TRC, "trc", "landmarks"), (MOT, "mot", "plate_1")])
def test_a_file_shorter_than_its_header_is_read_where_that_is_allowed(
    tmp_path: Path, text: str, ending: str, stream: str
) -> None:
    rows = text.rstrip("\n").split("\n")[:-10]
    # what is left of the row after its first number may be a number of its own: nothing of it is kept
    path = write(tmp_path, "\n".join(rows)[:-1], f"a.{ending}")
    assert "--allow-short" in refused(path)
    got = read(path, ReadOptions(allow_short=True))
    assert got.streams[stream].sizes["time"] == 29
    assert any("cut off" in note and "left out" in note for note in got.notes), got.notes
    whole = read(write(tmp_path, text, f"b.{ending}"), ReadOptions(allow_short=True))
    assert whole.streams[stream].sizes["time"] == 40


def test_allow_short_is_of_no_use_elsewhere_and_says_so(tmp_path: Path) -> None:
    notes = read(write(tmp_path, CSV, "a.csv"), ReadOptions(allow_short=True)).notes
    assert any("--allow-short" in note and "of no use" in note for note in notes)
