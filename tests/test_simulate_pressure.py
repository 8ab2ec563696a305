"""The family of measured footprints: do a print's parts load the cells under them, and are people's prints theirs?"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from grfkit import BadInputError, simulate_trial
from grfkit.arrays import Floats
from grfkit.calibrate.library import load_insole
from grfkit.simulate.conditions import Condition
from grfkit.simulate.family import CELL_X_MM, CELL_Y_MM
from grfkit.simulate.footprints import NODES, PEOPLE, cell_shares, footprint_steps

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "pataky2008_plantar_pressure"
X, Y = np.asarray(CELL_X_MM), np.asarray(CELL_Y_MM)


def footprint(*, toe_out: float = 0.0, lean_px: float = 0.0, frames: int = 200) -> Floats:
    """Return a step as the plate gives it: a foot of 56 x 20 pixels, whose load rolls from the heel to the toes.

    ``toe_out`` turns it (rad, to the lateral side), ``lean_px`` moves the load to the lateral side.
    """
    row, column = np.indices((66, 40)).astype(float)
    along = (row - 4) * np.cos(toe_out) + (column - 14) * np.sin(toe_out)
    across = (column - 14) * np.cos(toe_out) - (row - 4) * np.sin(toe_out)
    sole = (np.abs(across) < 6 + 4 * (along > 30)) & (along >= 0) & (along <= 56)
    at = np.linspace(6, 50, frames)
    load = np.exp(-(((along[..., None] - at) / 6) ** 2) - ((across[..., None] - lean_px) / 8) ** 2)
    # weak all over the sole, so that the whole foot is seen
    step = np.where(sole[..., None], 1000 * load + 2, 0).astype(np.uint16)
    return np.pad(step, ((0, 0), (0, 0), (0, 500 - frames)))


@pytest.mark.parametrize("toe_out", [0.0, 0.2])
@pytest.mark.parametrize("lean_px", [-4.0, 4.0])
def test_the_cells_under_a_print_bear_its_load(toe_out: float, lean_px: float) -> None:
    share, contact_s = cell_shares(footprint(toe_out=toe_out, lean_px=lean_px))
    assert contact_s == 0.4
    assert share.shape == (NODES, 16)
    np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-12)
    forward = share @ Y
    # 6 of 56 pixels is 26 mm of the print's 242, 50 is 216 mm
    assert np.all(np.diff(forward[5:95]) > 0)
    np.testing.assert_allclose(forward[[0, 50, 100]], [26, 121, 216], atol=20)
    lateral = share[10:90] @ X
    assert np.all(lateral * np.sign(lean_px) > 0)


def test_columns_run_from_medial_to_lateral_and_trials_follow(tmp_path: Path) -> None:
    """Through trial and published places: prints that lean to the medial side load the medial cells of both feet."""
    with h5py.File(tmp_path / "subj000.h5", "w") as file:
        for k in range(3):
            file[f"img{k:03d}"] = footprint(lean_px=-4.0, frames=300 + 20 * k)
    for person in range(1, PEOPLE):
        (tmp_path / f"subj{person:03d}.h5").write_bytes((tmp_path / "subj000.h5").read_bytes())
    options = {"family": "C", "gait": "walk", "wearables": ("insole",), "insole": "loadsol", "duration_s": 12.0}
    trial = simulate_trial(Condition(**options, split_belt=True, footprints=tmp_path), 5)
    published, world = load_insole("fsr16_m").document, trial.truth.world
    for k in (4, 5):
        side, inward = ("left", 1.0) if world.steps.left[k] else ("right", -1.0)
        places = np.asarray(list(published.positions_m(side).values()))
        assert np.all(world.person.load_share(world.steps, k, np.linspace(0.1, 0.9, 9)) @ places[:, 0] * inward > 0)
    left = trial.wearables["insole"].streams["insole_left"]
    assert left["zone_medial"].values.max() > left["zone_lateral"].values.max()
    told = json.loads(trial.truth.to_json())
    assert told["footprints"]["sha256"]
    assert (told["family"], str(tmp_path) in json.dumps(told)) == ("C", False)
    again = simulate_trial(Condition(**options, split_belt=True, footprints=tmp_path), 5)
    assert again.truth.to_json() == trial.truth.to_json()


def test_what_is_not_at_hand_is_told_how_to_get(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"has no subj00\d.h5; .* GPL.*grfkit.fetch\('pataky2008"):
        simulate_trial(seed=1, family="C", gait="walk", footprints=tmp_path, duration_s=10.0)
    for person in range(PEOPLE):
        (tmp_path / f"subj{person:03d}.h5").write_bytes(b"no HDF5")
    with pytest.raises(BadInputError, match="holds no pressures of steps"):
        simulate_trial(seed=1, family="C", gait="walk", footprints=tmp_path, duration_s=10.0)
    with pytest.raises(BadInputError, match="needs gait 'walk'"):
        simulate_trial(seed=1, family="C", footprints=tmp_path)
    with pytest.raises(BadInputError, match="for family 'C' only"):
        simulate_trial(seed=1, footprints=tmp_path)
    with pytest.raises(ValueError, match="rows x columns x frames"):
        cell_shares(np.zeros((60, 33, 500)))


@pytest.mark.recordings
@pytest.mark.parametrize("person", [1, 7])
def test_real_feet_land_on_the_heel_and_leave_over_the_big_toe(person: int) -> None:
    if not DATA.is_dir():
        pytest.skip("the recordings are not in ../shared/data")
    steps = footprint_steps(DATA, person)
    assert steps.share.shape == (60, NODES, 16)
    assert np.all((steps.contact_s > 0.4) & (steps.contact_s < 1.0))
    mean = steps.share.mean(axis=0)
    assert mean[5, Y < 60].sum() > 0.9
    assert mean[75, Y > 165].sum() > 0.85
    # cells 7 and 9 lie under the big toe
    assert mean[97, [6, 8]].sum() > 0.5
    assert mean[97] @ X < -5
