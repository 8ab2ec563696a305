"""grf-export to OpenSim: a second computation and our reader get the plates' force, point and moment of each foot."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from grfkit import BadInputError, Trial, export_trial, read, simulate_trial
from grfkit.export.ground import ground_axes
from grfkit.gait.plate_force import PlateForce
from grfkit.steps.measured import stances_of


@lru_cache(maxsize=1)
def lab() -> Trial:
    made = simulate_trial(seed=4, surface="overground", gait="walk", duration_s=20, wearables=("insole", "landmarks"))
    trial = made.on_true_clock(participant="P04")
    # the seconds in which the plates are trodden on
    for name in [n for n in trial.streams if n.startswith("reference/")]:
        trial.tree[name].dataset = trial.streams[name].isel(time=slice(11_000, 19_000))
    return trial


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opensim")
    lab().to_netcdf(folder / "walk.nc")
    return folder


def storage(path: Path) -> pd.DataFrame:
    """Read a storage file as OpenSim's layout says, without grfkit."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return pd.read_csv(path, sep="\t", skiprows=lines.index("endheader") + 1)


def vectors(table: pd.DataFrame, name: str) -> np.ndarray:
    return table[[f"{name}{axis}" for axis in "xyz"]].to_numpy()


def test_each_foot_has_its_plates_force_point_and_moment_in_opensims_axes(home: Path) -> None:
    made = export_trial(home / "walk.nc", "opensim", home / "walk.mot", forward="+x")
    table = storage(home / "walk.mot")
    loads = [n.split(": ") for n in made.notes if n.startswith("ground_force_")]
    assert {foot.split(", ")[1] for _, foot in loads} >= {"left foot", "right foot"}
    stances = stances_of(lab()).stances
    time = table["time"].to_numpy()
    for name, what in loads:
        plate, foot = what.split(", ")[:2]
        stream = lab().streams[f"reference/{plate}"]
        force = np.stack([stream[f"f{a}"].values for a in "xyz"], axis=1)
        cop = np.stack([stream[f"cop_{a}"].values for a in "xyz"], axis=1)
        mine = np.zeros(time.size, dtype=bool)
        for s in stances:
            if f"{s.side} foot" == foot and f"reference/{plate}" in s.plates:
                mine |= (time >= s.ic_s) & (time <= s.to_s)
        if foot == "foot not known":
            continue
        got = vectors(table, f"{name}_v")
        mine &= np.isfinite(cop).all(axis=1)
        # lab x forward, y left, z up: OpenSim x forward, y up, z right
        np.testing.assert_allclose(got[mine], (force @ TURN)[mine], atol=1e-6 * np.abs(force).max())
        assert (got[~mine] == 0).all()
        point = vectors(table, f"{name}_p")
        np.testing.assert_allclose(point[mine], (cop @ TURN)[mine], atol=1e-6)
        # the whole wrench about the lab's origin is that of the plate
        number = name.removeprefix("ground_force_")
        torque = vectors(table, f"ground_torque_{number}_")
        centre = np.asarray(stream.attrs["corners_m"]).reshape(4, 3).mean(axis=0)
        moment = np.stack([stream[f"m{a}"].values for a in "xyz"], axis=1) + np.cross(centre, force)
        about = np.cross(point, got) + torque
        firm = mine & (force[:, 2] > 100)
        np.testing.assert_allclose(about[firm], (moment @ TURN)[firm], atol=2e-3)


TURN = np.asarray([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def test_external_loads_name_columns_that_are_there_and_give_each_foot_its_own(home: Path) -> None:
    export_trial(home / "walk.nc", "opensim", home / "loads.mot", forward="+x")
    labels = list(storage(home / "loads.mot").columns)
    root = ElementTree.parse(home / "loads_ExternalLoads.xml").getroot()
    forces = list(root.iter("ExternalForce"))
    assert root.findtext(".//datafile") == "loads.mot"
    assert {f.findtext("applied_to_body") for f in forces} == {"calcn_l", "calcn_r"}
    for force in forces:
        assert force.findtext("point_expressed_in_body") == "ground"
        for part in ("force", "point", "torque"):
            stem = force.findtext(f"{part}_identifier")
            assert all(f"{stem}{axis}" in labels for axis in "xyz")


def test_our_reader_gets_force_and_point_again(home: Path) -> None:
    export_trial(home / "walk.nc", "opensim", home / "again.mot", forward="+x")
    table, back = storage(home / "again.mot"), read(home / "again.mot")
    plates = [s for n, s in back.streams.items() if n.startswith("plate")]
    assert len(plates) == len([c for c in table.columns if c.endswith("_vy")])
    assert {s.attrs["vertical"] for s in plates} == {"+y"}
    np.testing.assert_allclose(plates[0]["fy"].values, table["ground_force_1_vy"].to_numpy(), atol=1e-6)
    np.testing.assert_allclose(plates[0]["cop_x"].values, table["ground_force_1_px"].to_numpy(), atol=1e-6)


def test_markers_are_turned_with_the_plates_and_missing_ones_stay_empty(home: Path) -> None:
    made = export_trial(home / "walk.nc", "opensim", home / "marked.mot", forward="+x")
    assert home / "marked.trc" in made.files
    back = read(home / "marked.trc").streams["landmarks"]
    true = lab().streams["landmarks"]
    true_position = true["position"].values @ TURN
    np.testing.assert_allclose(back["position"].values, true_position, atol=1e-6, equal_nan=True)
    assert np.isnan(true_position).any()


def test_markers_that_lie_elsewhere_are_left_out_and_that_is_said(home: Path) -> None:
    trial = Trial(lab().tree.copy(deep=True))
    trial.streams["landmarks"]["position"].values[..., 0] += 3.0
    trial.to_netcdf(home / "moved.nc")
    made = export_trial(home / "moved.nc", "opensim", home / "moved.mot")
    assert not (home / "moved.trc").exists()
    assert any(note.startswith("no markers of landmarks: they are") for note in made.notes)


@pytest.mark.parametrize(("forward", "x"), [("-x", (-1, 0, 0)), ("+y", (0, 1, 0)), ("-y", (0, -1, 0))])
def test_a_stated_direction_turns_everything_about_the_vertical(home: Path, forward: str, x: tuple[int, ...]) -> None:
    out = home / f"turned{forward}.mot"
    export_trial(home / "walk.nc", "opensim", out, forward=forward)
    plain = storage(export_trial(home / "walk.nc", "opensim", home / "p.mot", forward="+x", force=True).files[0])
    turned = storage(out)
    lab_force = vectors(plain, "ground_force_1_v") @ TURN.T
    got = vectors(turned, "ground_force_1_v")
    np.testing.assert_allclose(got[:, 0], lab_force @ np.asarray(x, dtype=float), atol=2e-6)
    np.testing.assert_allclose(got[:, 1], lab_force[:, 2], atol=2e-6)
    np.testing.assert_allclose(got[:, 2], -lab_force @ np.cross([0, 0, 1], x), atol=2e-6)


def test_a_trial_in_the_labs_axes_is_not_turned_once_more() -> None:
    plate = PlateForce.of("plate_1", lab().streams["reference/plate_1"])
    turned = {"plate_1": replace(plate, in_lab=True)}
    np.testing.assert_array_equal(ground_axes(turned, "+x").forward, (1, 0, 0))
    for forward in ("+y", "-x", "y"):
        with pytest.raises(BadInputError, match="turned by --forward when it was aligned"):
            ground_axes(turned, forward)


def test_unknown_force_is_refused_or_cut_and_never_zero(home: Path) -> None:
    trial = Trial(lab().tree.copy(deep=True))
    plate = trial.streams["reference/plate_1"]
    for name in ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z"):
        plate[name].values[1000:1100] = np.nan
    trial.to_netcdf(home / "hole.nc")
    with pytest.raises(BadInputError, match=r"is known from .* only.*--unknown cut"):
        export_trial(home / "hole.nc", "opensim", home / "hole.mot")
    assert not (home / "hole.mot").exists()
    made = export_trial(home / "hole.nc", "opensim", home / "hole.mot", unknown="cut")
    table = storage(home / "hole.mot")
    assert table["time"].min() >= plate["time"].values[1099]
    assert any(note.startswith("cut to") for note in made.notes)


def test_axes_that_are_not_clear_are_refused(home: Path) -> None:
    for forward in ("+z", "sideways"):
        with pytest.raises(BadInputError, match="expected a horizontal axis"):
            export_trial(home / "walk.nc", "opensim", home / "no.mot", forward=forward)
    trial = Trial(lab().tree.copy(deep=True))
    trial.streams["reference/plate_1"].attrs["vertical"] = ""
    for n, _s in trial.streams.items():
        if n.startswith("reference/plate"):
            trial.tree[n].attrs["vertical"] = ""
    trial.to_netcdf(home / "up.nc")
    with pytest.raises(BadInputError, match="vertical is not clear"):
        export_trial(home / "up.nc", "opensim", home / "no.mot")


def test_a_trial_without_plates_is_told_what_takes_it(home: Path) -> None:
    for to, name in (("opensim", "none.mot"), ("c3d", "none.c3d")):
        with pytest.raises(BadInputError, match="holds no force plate; --to csv"):
            export_trial(home / "walk.nc", to, home / name, streams=["insole_left"])


def test_a_point_that_is_missing_at_the_ends_of_a_contact_is_held_and_in_its_middle_unknown(home: Path) -> None:
    trial = Trial(lab().tree.copy(deep=True))
    stance = next(s for s in stances_of(trial).stances if s.side != "unknown" and len(s.plates) == 1)
    plate = trial.streams[stance.plates[0]]
    time = plate["time"].values
    for axis in "xyz":
        plate[f"cop_{axis}"].values[(time >= stance.ic_s) & (time < stance.ic_s + 0.015)] = np.nan
    trial.to_netcdf(home / "edge.nc")
    made = export_trial(home / "edge.nc", "opensim", home / "edge.mot", forward="+x")
    short = stance.plates[0].removeprefix("reference/")
    name = next(n.split(":")[0] for n in made.notes if f": {short}, {stance.side} foot" in n)
    table = storage(home / "edge.mot")
    early = ((time > stance.ic_s + 0.005) & (time < stance.ic_s + 0.015)) & (plate["fz"].values > 20)
    assert early.any()
    np.testing.assert_allclose(table[f"{name}_vy"].to_numpy()[early], plate["fz"].values[early], atol=1e-5)
    for axis in "xyz":
        plate[f"cop_{axis}"].values[(time >= stance.ic_s + 0.2) & (time < stance.ic_s + 0.25)] = np.nan
    trial.to_netcdf(home / "middle.nc")
    with pytest.raises(BadInputError, match="the force of the plates is known from"):
        export_trial(home / "middle.nc", "opensim", home / "middle.mot", forward="+x")
