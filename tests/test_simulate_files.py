"""The lab's files: parsed here by hand and by ezc3d, do they say what was simulated, byte for byte again?"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from grfkit import read
from grfkit.arrays import Floats
from grfkit.calibrate import apply, load
from grfkit.calibrate.library import load_insole
from grfkit.cli.simulate import main
from grfkit.errors import BadInputError
from grfkit.formats.csv_generic import CsvColumn, csv_text
from grfkit.formats.trc import trc_text
from grfkit.formats.write_c3d import C3dPlate, write_c3d
from grfkit.formats.write_loadsol import LoadsolFoot, loadsol_text
from grfkit.simulate.conditions import Condition
from grfkit.simulate.family import CELL_X_MM, CELL_Y_MM, Steps
from grfkit.simulate.folder import (
    LabRequest,
    csv_file,
    insole_document,
    loadsol_file,
    trc_file,
    write_lab,
    write_reference,
)
from grfkit.simulate.lab import LabTrial, simulate_trial, simulate_world
from grfkit.simulate.mass_spring import MassSpringPerson
from grfkit.units import G

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="module")
def trial() -> LabTrial:
    condition = Condition(
        family="A", surface="overground", insole="loadsol", wearables=("insole", "imu", "landmarks"),
        gaps=True, duration_s=40.0, imu_rate_hz=200.0,
    )  # fmt: skip
    return simulate_trial(condition, 21)


def test_c3d_is_read_back_by_ezc3d(trial: LabTrial, tmp_path: Path) -> None:
    import ezc3d

    digests = set()
    for name in ("one.c3d", "two.c3d"):
        write_reference(tmp_path / name, trial)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    file = ezc3d.c3d(str(tmp_path / "one.c3d"), extract_forceplat_data=True)
    assert file["parameters"]["POINT"]["RATE"]["value"][0] == 100
    assert file["parameters"]["ANALOG"]["RATE"]["value"][0] == 1000
    assert list(file["parameters"]["FORCE_PLATFORM"]["TYPE"]["value"]) == [2, 2, 2, 2]
    streams = trial.reference.streams
    assert len(file["data"]["platform"]) == len(streams)
    for plate, data in zip(file["data"]["platform"], streams.values()):
        assert (plate["unit_force"], plate["unit_moment"]) == ("N", "Nmm")
        corners = np.asarray(data.attrs["corners_m"]).reshape(4, 3).T
        np.testing.assert_allclose(plate["corners"] * 1e-3, corners, atol=1e-6)
        for row, axis in enumerate("xyz"):
            np.testing.assert_allclose(plate["force"][row], data[f"f{axis}"].values, atol=2e-3)
            np.testing.assert_allclose(plate["moment"][row] * 1e-3, data[f"m{axis}"].values, atol=2e-3)
        loaded = data["fz"].values > 200
        if loaded.any():
            cop = plate["center_of_pressure"][:, loaded] * 1e-3
            np.testing.assert_allclose(cop[0], data["cop_x"].values[loaded], atol=1e-4)
            np.testing.assert_allclose(cop[1], data["cop_y"].values[loaded], atol=1e-4)
    points = file["data"]["points"]
    assert points.shape[1:] == (1, 4000)
    assert np.isnan(points[:3]).any()


def test_loadsol_text_has_the_layout_of_a_real_export(trial: LabTrial) -> None:
    text = loadsol_file(trial.wearables["insole"], comment="check")
    lines = text.splitlines()
    real = SHARED / "pomarat_loadsol" / "test_poussee_4_ls.txt"
    if real.exists():
        theirs = real.read_text().splitlines()[:5]
        unify = [line.replace("PGV247", "X").replace("PGV244", "X") for line in theirs]
        ours = [line.replace("PGV901", "X").replace("PGV902", "X") for line in lines[:5]]
        assert ours[2:4] == unify[2:4]
        assert ours[4].count("\t") == unify[4].count("\t")
    left, right = (trial.wearables["insole"].streams[f"insole_{side}"] for side in ("left", "right"))
    rows = [line.split("\t") for line in lines[4:-1]]
    assert {len(row) for row in rows} == {26}
    got = np.asarray([[float(cell) for cell in row[12:17]] for row in rows])
    at = np.rint(right["time"].values * 200).astype(int)
    present = ~np.isnan(right["zone_heel"].values)
    for column, name in ((1, "zone_lateral"), (2, "zone_medial"), (3, "zone_heel"), (4, "force")):
        np.testing.assert_allclose(got[at[present], column], right[name].values[present], atol=6e-4)
    lost = np.flatnonzero(np.isnan(left["zone_heel"].values))
    assert lost.size
    gone = rows[int(np.rint(left["time"].values[lost[0]] * 200))]
    assert gone[1:5] == ["-1.000", "-1.000", "-1.000", "0.000"]
    assert gone[6:12] == ["-"] * 6
    acc = float(rows[int(at[present][0])][18])
    motion = trial.wearables["insole"].streams["imu_right"]
    assert acc == pytest.approx(motion["acc_x"].values[present][0] / G, abs=6e-4)


def test_csv_holds_both_feet_and_leaves_gaps_empty(trial: LabTrial) -> None:
    recording = trial.wearables["imu"]
    if any(stream.attrs["stamp_source"] != "crystal" for stream in recording.streams.values()):
        recording = simulate_trial(trial.truth.condition.model_copy(update={"index_stamps": True}), 21).wearables["imu"]
    rows = list(csv.reader(csv_file(recording).splitlines()))
    assert rows[0][:2] == ["time [s]", "left_acc_x [m/s^2]"]
    assert len(rows[0]) == 13
    time = np.asarray([float(row[0]) for row in rows[1:]])
    assert time[0] == 0.0
    assert np.all(np.diff(time) > 0)
    for side in ("left", "right"):
        data = recording.streams[f"imu_{side}"]
        column = rows[0].index(f"{side}_gyro_z [rad/s]")
        got = {round(float(row[0]) * 200): row[column] for row in rows[1:]}
        for at, value in list(zip(np.rint(data["time"].values * 200), data["gyro_z"].values))[::37]:
            cell = got.get(int(at), "")
            assert (cell == "") == bool(np.isnan(value))
            if cell:
                assert float(cell) == pytest.approx(value, abs=1e-5)


def test_trc_holds_eleven_landmarks_in_millimetres(trial: LabTrial) -> None:
    lines = trc_file(trial.wearables["landmarks"]).splitlines()
    assert lines[0].startswith("PathFileType\t4\t(X/Y/Z)")
    head = dict(zip(lines[1].split("\t"), lines[2].split("\t")))
    assert (head["DataRate"], head["NumMarkers"], head["Units"]) == ("100", "11", "mm")
    data = trial.wearables["landmarks"].streams["landmarks"]
    assert len(lines) - 6 == data.sizes["time"] == int(head["NumFrames"])
    shown = np.flatnonzero(~np.isnan(data["position"].values[:, 3, 1]))[10]
    cells = lines[6 + shown].split("\t")
    assert len(cells) == 2 + 33
    assert float(cells[2 + 3 * 3 + 1]) == pytest.approx(data["position"].values[shown, 3, 1] * 1e3, abs=1e-3)


def test_lab_folder_is_whole_repeatable_and_never_overwritten(tmp_path: Path) -> None:
    request = LabRequest(family="A", people=2, duration_s=20.0, surface="treadmill", seed=5)
    done = list(write_lab(tmp_path / "one", request))
    assert [trial.name for trial in done] == ["P01_treadmill_1", "P02_treadmill_1"]
    list(write_lab(tmp_path / "two", request))
    first = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*.*")}
    second = {p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*.*")}
    assert first == second
    table = list(csv.DictReader((tmp_path / "one" / "TABLE.csv").read_text().splitlines()))
    for row in table:
        for name in [row["reference"], *row["wearable"].split(";")]:
            assert (tmp_path / "one" / name).is_file()
        truth = json.loads((tmp_path / "one" / "truth" / f"{row['trial']}.truth.json").read_text())
        assert float(row["mass_kg"]) == truth["situation"]["mass_kg"]
        assert truth["files"]["reference"] == row["reference"]
        assert {s["stream"] for s in truth["streams"]} >= {"insole_left", "imu_right", "landmarks"}
    with pytest.raises(BadInputError, match="--force"):
        list(write_lab(tmp_path / "one", request))
    list(write_lab(tmp_path / "one", request, force=True))
    assert {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*.*")} == first
    stopped = write_lab(tmp_path / "three", request)
    next(stopped)
    stopped.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_command_writes_a_lab_and_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["grf-simulate", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    out = str(tmp_path / "lab")
    asked = ["--family", "A", "--surface", "treadmill", "--duration-s", "20", "--insole", "adc", "--json"]
    code, text, _ = call("lab", out, *asked)
    assert code == 0
    assert json.loads(text)["trials"] == ["P01_treadmill_1"]
    for arguments, word in (
        ([out, *asked], "exists; use --force"),
        ([out + "2", "--people", "0"], "--people is 0"),
        ([out + "2", "--family", "Z"], "--family is 'Z'"),
        ([out + "2", "--family", "C"], "family 'C' holds footprints of walking"),
        ([out + "2", "--footprints", out], "footprints are of use for family 'C' only"),
        ([str(tmp_path / "lab" / "TABLE.csv"), *asked], "is a file"),
    ):
        code, _, err = call("lab", *arguments)
        assert code == 2
        assert word in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "lab2").exists()


@pytest.mark.parametrize("family", ["A", "B"])
def test_the_published_places_of_the_cells_lie_under_the_plates_centre_of_pressure(family: str, tmp_path: Path) -> None:
    (tmp_path / "insole.json").write_text(insole_document())
    world = simulate_world(Condition.model_validate({"family": family, "duration_s": 20.0}), 31)
    lab, published = (load_insole(name).document for name in (str(tmp_path / "insole.json"), "fsr16_m"))
    assert lab.cells == published.cells
    for k in (10, 11):
        side = "left" if world.steps.left[k] else "right"
        phase, cop = world.cop_m(k)
        places = np.asarray(list(published.positions_m(side).values()))
        right, forward = (world.person.load_share(world.steps, k, phase) @ places).T
        np.testing.assert_allclose(forward, cop[:, 0], atol=1e-9)
        np.testing.assert_allclose(-right, cop[:, 1], atol=1e-9)


def _inward(_person: object, _steps: Steps, _index: int, phase: Floats) -> Floats:
    """Return shares of the cells of a foot that is loaded 10 mm and more medial of its axis, from heel to toe."""
    along = (np.asarray(CELL_Y_MM) - 20 - 200 * np.asarray(phase)[:, None]) / 60
    weight = np.exp(-(along**2)) * (np.asarray(CELL_X_MM) < -10)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("insole", ["adc", "loadsol"])
def test_a_foot_loaded_on_its_medial_side_loads_the_medial_cells_of_both_insoles(
    insole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through file and reader: by the published places, by the names of zones, and under the plates."""
    monkeypatch.setattr(MassSpringPerson, "load_share", _inward)
    condition = {"family": "A", "insole": insole, "wearables": ("insole",), "duration_s": 15.0, "split_belt": True}
    trial = simulate_trial(Condition.model_validate(condition), 3)
    recording = trial.wearables["insole"]
    path = tmp_path / f"insole.{'csv' if insole == 'adc' else 'txt'}"
    path.write_text(csv_file(recording) if insole == "adc" else loadsol_file(recording, comment=""))
    for number, (side, inward) in enumerate((("left", 1.0), ("right", -1.0)), start=1):
        stream = apply(read(path), [load("insoles/fsr16_m")] if insole == "adc" else []).streams[f"insole_{side}"]
        plate = trial.reference.streams[f"plate_{number}"]
        # Y points left, so that medial of a left foot is less of it than where its heel came down
        heel = trial.truth.ground.heel_m[trial.truth.world.steps.left == (side == "left"), 1]
        loaded = plate["fz"].values > 300
        assert np.median(inward * (np.median(heel) - plate["cop_y"].values[loaded])) > 0.005
        if insole == "loadsol":
            assert stream["zone_medial"].values.max() > 20 * max(stream["zone_lateral"].values.max(), 1.0)
            continue
        moving = {n: np.ptp(stream[n].values) for n in stream.data_vars if str(n).startswith("cell_")}
        pressed = [stream[n].attrs["x_m"] * inward for n, v in moving.items() if v > 0.3 * max(moving.values())]
        assert len(pressed) >= 5
        assert min(pressed) > 0.01


def test_the_toes_reach_farthest_forward_on_the_medial_side() -> None:
    """What the published places say of themselves: on a left insole medial is to the right, by the toe row."""
    cells = {c.number: c for c in load_insole("fsr16_m").document.cells}
    toes = sorted((cells[k] for k in (7, 9, 10, 12, 13)), key=lambda c: c.x_mm)
    assert np.polyfit([c.x_mm for c in toes], [c.y_mm for c in toes], 1)[0] > 0.5


def test_writers_refuse_what_does_not_fit(tmp_path: Path) -> None:
    zero = np.zeros((5, 3))
    with pytest.raises(BadInputError, match="rows"):
        csv_text([CsvColumn("a", "N", np.zeros(3), 1), CsvColumn("b", "N", np.zeros(4), 1)])
    with pytest.raises(BadInputError, match="shape"):
        trc_text(np.zeros((4, 2, 3)), ["a"], np.zeros(4), rate_hz=100.0)
    with pytest.raises(BadInputError, match="samples"):
        loadsol_text([LoadsolFoot("X-L", False, zero, zero, zero)], np.zeros(4), file_name="f", comment="c")
    corners = np.asarray([[1.0, 0, 0], [0, 0, 0], [0, 1, 0], [1, 1, 0]])
    with pytest.raises(BadInputError, match="expected 40"):
        write_c3d(
            tmp_path / "a.c3d",
            [C3dPlate(corners, np.zeros((39, 6)))],
            np.zeros((4, 1, 3)),
            ["A"],
            point_rate_hz=100.0,
            analog_rate_hz=1000.0,
        )
    assert not (tmp_path / "a.c3d").exists()
