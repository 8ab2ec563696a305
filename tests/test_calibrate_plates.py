"""Plates of bare channels: the same force and centre of pressure as the whole file; sheets with slips are refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from c3d_files import build, real
from grfkit import read
from grfkit.calibrate import apply, load
from grfkit.calibrate import load as load_document
from grfkit.calibrate.plate_sheet import plates_of_sheet
from grfkit.cli.calibrate import main
from grfkit.cli.inspect import main as inspect_main
from grfkit.errors import BadInputError
from grfkit.formats.c3d_plates import _force_unit
from grfkit.io.base import ReadOptions
from grfkit.units import G

SHEET = """[[plate]]
channels = ["a1", "a2", "a3", "a4", "a5", "a6"]
corners = [[600, 400, 0], [600, 0, 0], [0, 0, 0], [0, 400, 0]]
origin = [0, 0, -40]
length_unit = "mm"
matrix_unit = "uV/N"
moment_unit = "N m"
excitation_v = 10
gain = 4000
matrix = [[0.6, 0.01, 0, 0, 0, 0], [0, 0.6, 0, 0, 0, 0], [0, 0, 0.15, 0, 0, 0],
          [0, 0, 0, 1.5, 0, 0], [0, 0, 0.002, 0, 1.5, 0], [0, 0, 0, 0, 0, 3]]
"""
MATRIX = np.diag([0.6, 0.6, 0.15, 1.5, 1.5, 3.0])
MATRIX[0, 1], MATRIX[4, 2] = 0.01, 0.002
MASS = 71.5
COLUMNS = ("fx", "fy", "fz", "mx", "my", "mz", "cop_x", "cop_y", "free_moment")


def run(capsys: pytest.CaptureFixture[str], command: Callable[[], None], *words: object) -> tuple[int, str, str]:
    with patch.object(sys, "argv", ["grf", *map(str, words)]), pytest.raises(SystemExit) as stop:
        command()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def stripped(source: Path, out: Path) -> Path:
    """Write a C3D without its FORCE_PLATFORM group, and without the units of nothing else."""
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d(str(source))
    del file["parameters"]["FORCE_PLATFORM"]
    file.write(str(out))
    return out


@pytest.mark.parametrize(
    "name",
    ["ezc3d_testfiles/Qualisys.c3d", "ezc3d_testfiles/Kistler.c3d", "btkdata/Input/C3DSamples/sample10/TYPE-4.C3D"],
)
def test_a_bare_c3d_is_the_whole_one_again(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, out, page = real(name), tmp_path / "plates.json", tmp_path / "plates.html"
    bare = stripped(whole, tmp_path / "bare.c3d")
    assert not read(bare).of_kind("force_plate")
    code, said, error = run(capsys, main, "plates", "--like", whole, "--out", out, "--report", page)
    assert code == 0, error
    assert "not checked" in said
    assert "Force plates" in page.read_text()
    made = apply(read(bare), [load(out)]).of_kind("force_plate")
    told = read(whole, ReadOptions(extra={"zero": "never"})).of_kind("force_plate")
    assert list(made) == list(told)
    for plate, stream in told.items():
        assert made[plate].attrs["vertical"] == stream.attrs["vertical"]
        full = max(float(np.nanmax(np.abs(stream[f"f{a}"].values))) for a in "xyz")
        loaded = np.abs(stream["fz"].values) > 21.0
        for column in COLUMNS:
            ours, theirs = made[plate][column].values, stream[column].values
            scale = full if column[0] in "fm" else 1.0
            chosen = loaded if column.startswith(("cop", "free")) else slice(None)
            np.testing.assert_allclose(ours[chosen], theirs[chosen], atol=1e-6 * scale, rtol=0)
    code, said, error = run(capsys, inspect_main, bare, "--calibration", out, "--json")
    assert code == 0, error
    assert [s["kind"] for s in json.loads(said)["streams"]].count("force_plate") == len(told)
    with pytest.raises(BadInputError, match="which the recording has already"):
        apply(read(whole), [load(out)])


def standing(
    path: Path, *, share: float = 1.0, at_m: tuple[float, float] = (0.1, -0.05), swapped: bool = False
) -> Path:
    """Write channels in V of somebody who steps on a plate and stands, as CSV."""
    rng = np.random.default_rng(5)
    time = np.arange(0, 12, 0.01)
    load = np.where(time < 3, 0.0, share * MASS * G)
    force = np.stack([0 * load, 0 * load, load], axis=1) + rng.normal(0, 1, (time.size, 3))
    # about the sensor, 40 mm under the surface (z down): a point on it lies at z = -40 mm
    point = np.asarray([*at_m, -0.04])
    loads = np.hstack([force, np.cross(point, force)])
    volts = 4000 * 10 * 1e-6 * loads @ MATRIX.T + 0.01
    if swapped:
        volts[:, [0, 2]] = volts[:, [2, 0]]
    rows = ["time [s]," + ",".join(f"a{k} [V]" for k in range(1, 7))]
    rows += [",".join(f"{v:.9f}" for v in (t, *row)) for t, row in zip(time, volts)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_sheet_and_a_person_who_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, out, page = (tmp_path / n for n in ("sheet.toml", "plates.json", "page.html"))
    sheet.write_text(SHEET)
    check = standing(tmp_path / "stand.csv")
    arguments = ("plates", sheet, "--out", out, "--check", check, "--mass-kg", MASS, "--report", page, "--json")
    # plate axes: x from corner 2 to 1 is the lab's y, y from corner 4 to 1 is the lab's x
    code, said, error = run(capsys, main, *arguments, "--point", "0.25,0.3")
    assert code == 0, error
    found = json.loads(said)["check"]
    assert found["load_n"] == pytest.approx(MASS * G, rel=0.002) or found["load_n"] == pytest.approx(
        -MASS * G, rel=0.002
    )
    assert found["zeroed"]
    assert found["inside"]
    assert found["error_m"] < 0.003
    assert not found["failures"]
    assert "A known mass on plate_1" in page.read_text()
    digests = {i["role"]: i["sha256"] for i in json.loads(out.read_text())["inputs"]}
    assert set(digests) == {"sheet", "check"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"share": 1.1}, "off the weight"),
        ({"swapped": True}, "horizontal force"),
        ({"at_m": (0.5, 0.0)}, "beside the plate"),
    ],
)
def test_what_weighs_wrong_is_told(
    settings: dict[str, object], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, out = tmp_path / "sheet.toml", tmp_path / "plates.json"
    sheet.write_text(SHEET)
    check = standing(tmp_path / "stand.csv", **settings)  # type: ignore[arg-type]
    code, said, error = run(capsys, main, "plates", sheet, "--out", out, "--check", check, "--mass-kg", MASS)
    assert code == 3, error
    assert why in said
    assert out.exists()


MATRIX_UPSIDE_DOWN = SHEET.replace("[0, 0, 0.15", "[0, 0, -0.15").replace("0.002", "-0.002")
Z_UP = SHEET.replace("[[600, 400, 0], [600, 0, 0], [0, 0, 0], [0, 400, 0]]",
                     "[[600, 0, 0], [600, 400, 0], [0, 400, 0], [0, 0, 0]]")  # fmt: skip


@pytest.mark.parametrize(
    ("sheet", "load", "more", "code", "verdict"),
    [
        # a right sheet, Z down: only where the mass stood tells it from a wrong sign of Fz
        (SHEET, -1, (), 3, "not decided"),
        (SHEET, -1, ("--point", "0.301,0.201"), 3, "fault"),
        (SHEET, -1, ("--point", "0.25,0.3"), 0, "passed"),
        # the sign of Fz wrong: mirrored, and the load's sign alone does not show it
        (MATRIX_UPSIDE_DOWN, 1, ("--point", "0.25,0.3"), 3, "fault"),
        # corners whose Z points up, and a negative load: no plate gives that
        (Z_UP.replace("[0, 0, 0.15", "[0, 0, -0.15"), -1, (), 3, "fault"),
    ],
)
def test_a_check_ends_in_a_verdict_and_its_exit_code(
    sheet: str, load: int, more: tuple[str, ...], code: int, verdict: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "sheet.toml").write_text(sheet)
    check = standing(tmp_path / "stand.csv")
    words = (
        "plates",
        tmp_path / "sheet.toml",
        "--out",
        tmp_path / "p.json",
        "--check",
        check,
        "--mass-kg",
        MASS,
        *more,
    )
    found, said, error = run(capsys, main, *words, "--json")
    assert (found, json.loads(said)["verdict"]) == (code, verdict), error
    assert np.sign(json.loads(said)["check"]["load_n"]) == load
    _, said, _ = run(capsys, main, *words, "--force")
    lines = [line for line in said.splitlines() if line.startswith("VERDICT: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"VERDICT: {verdict.upper()}")
    assert "No fault" not in said
    if verdict == "passed":
        assert "Z pointing down" in lines[0]
    used = apply(read(check), [load_document(tmp_path / "p.json")])
    told = [text for text in used.provenance.findings if "ended in a FAULT" in text]
    assert len(told) == (verdict == "fault")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[0, 0.6, 0, 0, 0, 0]", "[0.6, 0.01, 0, 0, 0, 0]", "singular or nearly so"),
        ("[0, 0, 0.15, 0, 0, 0]", "[0, 0, 0, 0, 0, 0]", "a row of zeros: number 3"),
        ("[600, 0, 0], [0, 0, 0]", "[0, 0, 0], [600, 0, 0]", "corners"),
        ("[0, 400, 0]]", "[0, 400, 90]]", "out of one plane"),
        ("[0, 400, 0]]", "[0, 300, 0]]", "no rectangle"),
        ('length_unit = "mm"\n', "", "length_unit"),
        ('length_unit = "mm"', 'length_unit = "m"', "is length_unit right?"),
        ('moment_unit = "N m"\n', "", "moment_unit is missing"),
        ("excitation_v = 10\n", "", "state excitation_v too (1 where there is none)"),
        ('matrix_unit = "uV/N"\n', "", "matrix_unit is ''"),
        ('"a6"]', '"a5"]', "named twice"),
        ('"a6"]', '"a6", "a7"]', "7 channels"),
    ],
)
def test_slips_of_a_sheet_are_refused(
    old: str, new: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, out = tmp_path / "sheet.toml", tmp_path / "plates.json"
    assert old in SHEET
    sheet.write_text(SHEET.replace(old, new))
    code, _, error = run(capsys, main, "plates", sheet, "--out", out)
    assert code == 2
    assert why in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_channels_that_are_not_there_or_in_another_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, out = tmp_path / "sheet.toml", tmp_path / "plates.json"
    sheet.write_text(SHEET)
    assert run(capsys, main, "plates", sheet, "--out", out)[0] == 0
    table = standing(tmp_path / "stand.csv")
    table.write_text(table.read_text().replace("a3 [V]", "b3 [V]"))
    with pytest.raises(BadInputError, match="channel 'a3' is not in the file, which has"):
        apply(read(table), [load(out)])
    table.write_text(standing(table).read_text().replace("a3 [V]", "a3 [adc]"))
    with pytest.raises(BadInputError, match="'a3' is in count"):
        apply(read(table), [load(out)])


def test_kistler_channels_by_their_sensitivities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, out = tmp_path / "sheet.toml", tmp_path / "plates.json"
    head = SHEET.split("matrix_unit")[0].replace('"a6"]', '"a6", "a7", "a8"]').replace("[0, 0, -40]", "[120, 200, -40]")
    numbers = "[-7.8, -7.8, -7.8, -7.8, -3.8, -3.8, -3.8, -3.8]"
    sheet.write_text(head + f"sensitivity_pc_n = {numbers}\n")
    code, _, error = run(capsys, main, "plates", sheet, "--out", out)
    assert code == 2
    assert "charge_pc_v is missing" in error
    sheet.write_text(head + f"sensitivity_pc_n = {numbers}\ncharge_pc_v = 500\n")
    assert run(capsys, main, "plates", sheet, "--out", out)[0] == 0
    rows = ["time [s]," + ",".join(f"a{k} [mV]" for k in range(1, 9))]
    rows += [f"{k / 100},0,0,0,0" + ",-1520" * 4 for k in range(50)]
    table = tmp_path / "volts.csv"
    table.write_text("\n".join(rows) + "\n")
    plate = apply(read(table), [load(out)]).streams["plate_1"]
    # 1.52 V of 500 pC/V at 3.8 pC/N are 200 N a sensor; z of these corners points down
    np.testing.assert_allclose(np.abs(plate["fz"].values), 800.0)
    np.testing.assert_allclose(plate["cop_x"].values, 0.3, atol=1e-9)
    np.testing.assert_allclose(plate["cop_y"].values, 0.2, atol=1e-9)


def test_c3d_without_plates_is_no_model_of_plates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.c3d"
    other.write_bytes(build(groups={"FORCE_PLATFORM": {"USED": np.asarray([0], np.int16)}}))
    code, _, error = run(capsys, main, "plates", "--like", other, "--out", tmp_path / "p.json")
    assert code == 2
    assert "describes no plate" in error


def test_a_plate_upside_down_is_told_and_one_in_the_place_of_another_refused(tmp_path: Path) -> None:
    sheet = tmp_path / "plates.toml"
    sheet.write_text(SHEET, encoding="utf-8")
    assert plates_of_sheet(sheet)[1] == []
    corners = "[[600, 400, 0], [600, 0, 0], [0, 0, 0], [0, 400, 0]]"
    turned = SHEET.replace(corners, "[[0, 400, 0], [0, 0, 0], [600, 0, 0], [600, 400, 0]]")
    sheet.write_text(turned, encoding="utf-8")
    (remark,) = plates_of_sheet(sheet)[1]
    assert "Z points up" in remark
    steep = SHEET.replace("[600, 400, 0], [600, 0, 0]", "[0, 400, 600], [0, 0, 600]")
    sheet.write_text(steep, encoding="utf-8")
    (remark,) = plates_of_sheet(sheet)[1]
    assert "tilted by 90 degrees" in remark
    sheet.write_text(SHEET + turned.replace('"a', '"b'), encoding="utf-8")
    with pytest.raises(BadInputError, match="plates 1 and 2 lie in one place"):
        plates_of_sheet(sheet)


@pytest.mark.parametrize("unit", ["V", "count", "kN"])
def test_a_unit_that_nothing_turns_into_newtons_is_refused(unit: str, tmp_path: Path) -> None:
    matrix = SHEET[SHEET.index("excitation_v") :]
    plain = SHEET.replace(matrix, "").replace('matrix_unit = "uV/N"\n', "")
    sheet = tmp_path / "plates.toml"
    sheet.write_text(plain + 'channel_unit = "N"\n', encoding="utf-8")
    plates_of_sheet(sheet)
    sheet.write_text(plain + f'channel_unit = "{unit}"\n', encoding="utf-8")
    with pytest.raises(BadInputError, match=f"channel_unit is {unit} without a matrix"):
        plates_of_sheet(sheet)


def test_channels_of_a_c3d_that_are_no_forces_name_the_command_that_calibrates_them() -> None:
    unit, notes = _force_unit(["V"])
    assert unit == "V"
    assert "grf-calibrate plates" in notes[0]
