"""OpenSim files of estimates: an unknown force is never 0, but refused, cut away or, if brief, bridged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grfkit.arrays import Floats
from grfkit.errors import BadInputError
from grfkit.estimation.curves import FootCurve
from grfkit.estimation.estimate import estimate
from grfkit.estimation.opensim_files import as_mot, check_unknown
from grfkit.estimation.types import Estimate, Side, StanceRow
from grfkit.provenance import Provenance
from grfkit.units import G

RATE_HZ, SAMPLES, MASS_KG = 100.0, 400, 70.0
TIME = np.arange(SAMPLES) / RATE_HZ
# never 0, so that a 0 in a file is one that was put there
FORCE = 1.5 + np.sin(2 * np.pi * TIME)


def estimated(left: Floats, right: Floats | None, *, time: Floats = TIME) -> Estimate:
    """Return an estimate with these forces (BW), NaN where unknown."""
    forces: dict[Side, Floats] = {"left": left} | ({} if right is None else {"right": right})
    feet = {side: FootCurve(time, force[:, None], RATE_HZ, ("vgrf",)) for side, force in forces.items()}
    rows = tuple(StanceRow(side, 0.0, float(time[-1]), float(time[-1]), 2.5) for side in forces)
    cop = {
        "cop_x": ("time", 0.1 + 0.02 * np.sin(time), {"units": "m", "frame": "foot"}),
        "cop_y": ("time", np.zeros(time.size), {"units": "m", "frame": "foot"}),
    }
    streams = {side: xr.Dataset(cop, coords={"time": time}, attrs={"kind": "insole", "side": side}) for side in forces}
    return Estimate(feet, rows, ("vgrf",), "P1", MASS_KG, "force", "force", "mlp", (), {}, (), Provenance(), streams)


def columns_of(text: str) -> dict[str, Floats]:
    body = text.partition("endheader\n")[2].splitlines()
    return dict(zip(body[0].split("\t"), np.asarray([[float(c) for c in r.split("\t")] for r in body[1:]]).T))


def written(made: Estimate, unknown: str = "refuse") -> tuple[dict[str, Floats], list[str]]:
    text, notes = as_mot(made, "grf", geometry=None, heel_m=0.0, unknown=unknown)
    return columns_of(text), notes


def without(*holes: tuple[int, int], force: Floats = FORCE) -> Floats:
    values = force.copy()
    for start, end in holes:
        values[start:end] = np.nan
    return values


def in_newtons(first: int, end: int) -> Floats:
    return FORCE[first:end] * MASS_KG * G


def test_a_force_known_throughout_is_written_throughout() -> None:
    column, notes = written(estimated(FORCE, FORCE))
    np.testing.assert_allclose(column["time"], TIME)
    np.testing.assert_allclose(column["ground_force_l_vy"], in_newtons(0, SAMPLES), atol=1e-5)
    assert notes == ["the model estimates vertical force only: forward and sideways forces are written as 0"]


@pytest.mark.parametrize("unknown", ["refuse", "cut"])
def test_the_file_begins_and_ends_where_both_feet_are_known(unknown: str) -> None:
    column, notes = written(estimated(without((0, 30)), without((0, 70), (350, 400))), unknown)
    np.testing.assert_allclose(column["time"], TIME[70:350])
    for tag in "lr":
        np.testing.assert_allclose(column[f"ground_force_{tag}_vy"], in_newtons(70, 350), atol=1e-5)
    assert notes[0] == "holds 0.70 to 3.49 s of 0.00 to 3.99 s: there the force of each foot is known"


@pytest.mark.parametrize("foot", ["left", "right"])
def test_unknown_force_in_between_is_refused_with_the_stretches_and_a_way_on(foot: str) -> None:
    holed = without((100, 130))
    made = estimated(holed, FORCE) if foot == "left" else estimated(FORCE, holed)
    with pytest.raises(BadInputError) as caught:
        written(made)
    text = str(caught.value)
    assert "known in 2 stretches only (0.00 to 0.99 s, 1.30 to 3.99 s)" in text
    assert "--unknown cut" in text


def test_cut_writes_the_longest_stretch_and_names_the_others() -> None:
    column, notes = written(estimated(without((100, 130)), without((300, 320))), "cut")
    np.testing.assert_allclose(column["time"], TIME[130:300])
    for tag in "lr":
        np.testing.assert_allclose(column[f"ground_force_{tag}_vy"], in_newtons(130, 300), atol=1e-5)
    assert "left out, though known: 0.00 to 0.99 s, 3.20 to 3.99 s" in notes


def test_a_few_lost_samples_are_bridged_and_counted() -> None:
    column, notes = written(estimated(without((100, 103), (200, 201)), FORCE))
    np.testing.assert_allclose(column["time"], TIME)
    np.testing.assert_allclose(column["ground_force_l_vy"], in_newtons(0, SAMPLES), rtol=0.01)
    assert column["ground_force_l_vy"].min() > 0.4 * MASS_KG * G
    assert "4 samples in holes up to 0.05 s are bridged by straight lines" in notes


def test_a_pause_without_rows_is_unknown_as_well() -> None:
    keep = np.r_[0:150, 250:400]
    made = estimated(FORCE[keep], FORCE[keep], time=TIME[keep])
    with pytest.raises(BadInputError, match=r"0\.00 to 1\.49 s, 2\.50 to 3\.99 s"):
        written(made)
    column, _ = written(made, "cut")
    assert np.diff(column["time"]).max() < 0.011


def test_one_foot_alone_has_its_own_stretch() -> None:
    column, _ = written(estimated(without((0, 10), (390, 400)), None))
    np.testing.assert_allclose(column["time"], TIME[10:390])
    assert "ground_force_r_vy" not in column


@pytest.mark.parametrize("unknown", ["refuse", "cut"])
def test_feet_known_at_no_common_time_are_refused(unknown: str) -> None:
    with pytest.raises(BadInputError, match="is known at no time together"):
        written(estimated(without((0, 200)), without((200, 400))), unknown)


def test_many_stretches_are_counted_and_the_longest_named() -> None:
    holes = [(k, k + 10) for k in range(20, 400, 30)]
    with pytest.raises(BadInputError, match=r"known in 14 stretches only .* and 8 shorter"):
        written(estimated(without(*holes), FORCE))


def test_other_words_are_refused_before_the_model_is_opened(tmp_path: Path) -> None:
    assert check_unknown("CUT") == "cut"
    with pytest.raises(BadInputError, match=r"^unknown is 'zero', expected refuse or cut"):
        estimate(tmp_path / "none", tmp_path / "none.nc", unknown="zero")
