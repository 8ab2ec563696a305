"""Relative cells: do gain and offset of an insole vanish, in training and in estimates, and is silence refused?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import trial_windows
from grfkit.errors import BadInputError
from grfkit.estimation.estimate import estimate_source
from grfkit.estimation.source import EstimateSource
from grfkit.gait.relative_cells import UNIT, relative_cells
from grfkit.learn.folds import Fold
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records import Trial
from grfkit.records.stance_set import join
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from test_learn_trials import trial

RELATIVE = CutRequest(points=51, kinds=("insole",), cells="relative")


def lab(seed: int) -> LabTrial:
    return simulate_trial(Condition(family="A", duration_s=30.0, wearables=("insole",), insole_bits=12), seed)


def changed(known: Trial, gain: float, offset: float, *, cut_s: float = np.inf) -> Trial:
    """Return the trial with the cells of all insoles times ``gain`` plus an offset that grows from cell to cell."""
    made = Trial(known.tree.copy(deep=True))
    for name, stream in known.streams.items():
        if stream.attrs.get("kind") != "insole":
            continue
        cells = [c for c in stream.data_vars if str(c).startswith("cell_")]
        other = stream.assign(
            {c: stream[c].copy(data=stream[c].values * gain + offset * i) for i, c in enumerate(cells)}
        )
        if np.isfinite(cut_s):
            other = other.isel(time=np.flatnonzero(other["time"].values < other["time"].values[0] + cut_s))
        made.tree[name] = xr.DataTree(other)
    return made


def test_gain_and_offset_of_an_insole_vanish() -> None:
    known = trial(lab(5))
    plain = trial_windows(known, RELATIVE)
    other = trial_windows(changed(known, 3.0, 40.0), RELATIVE)
    assert plain.size > 40
    assert set(plain.data["unit"].values.tolist()) == {UNIT}
    common = np.intersect1d(plain.data["start_s"].values.round(2), other.data["start_s"].values.round(2))
    assert common.size > 0.9 * plain.size
    a, b = (
        s.arrays()[0][np.isin(s.data["start_s"].values.round(2), common)].max(axis=(1, 2)).mean()
        for s in (plain, other)
    )
    assert a == pytest.approx(b, rel=0.02)
    raw = [
        trial_windows(t, CutRequest(points=51, kinds=("insole",))).arrays()[0].mean()
        for t in (known, changed(known, 3.0, 0.0))
    ]
    assert raw[1] == pytest.approx(3 * raw[0], rel=0.02)


def test_an_ordinary_step_peaks_at_one_and_dead_cells_stay_unknown() -> None:
    known = trial(lab(7))
    for name, stream in list(known.streams.items()):
        if stream.attrs.get("kind") == "insole":
            dead = stream["cell_03"].copy(data=np.full(stream.sizes["time"], np.nan))
            known.tree[name] = xr.DataTree(stream.assign(cell_03=dead))
    made = trial_windows(known, RELATIVE)
    index = made.channels.index("cell_03")
    inputs = made.arrays()[0]
    assert np.isnan(inputs[:, :, index]).all()
    peaks = np.nansum(inputs, axis=2).max(axis=1)
    for side in ("left", "right"):
        assert np.median(peaks[made.per_stance("side") == side]) == pytest.approx(1.0, abs=0.03)


def test_what_is_not_a_cell_is_left_alone() -> None:
    known = trial(lab(5))
    streams = known.streams
    made = relative_cells(streams, known)
    for name, stream in streams.items():
        for item in stream.data_vars:
            same = made[name][item].equals(stream[item])
            assert same != str(item).startswith(("cell_", "zone_")), (name, item)


def test_two_steps_are_too_few() -> None:
    short = changed(trial(lab(5)), 1.0, 0.0, cut_s=1.2)
    with pytest.raises(BadInputError, match="expected 3 or more"):
        relative_cells(short.streams, short)


def test_an_estimate_does_not_change_with_the_gain_of_the_insole(tmp_path: Path) -> None:
    data = join([trial_windows(trial(lab(s), participant=f"P{s}"), RELATIVE, name=f"P{s}") for s in (1, 2)])
    fold = Fold("everyone", ("P1", "P2"), (), ())
    model = fit(network_config("mlp", hidden=8), TrainConfig(epochs=3, patience=0, batch=16), data, fold)
    model.save(tmp_path / "model")
    known = trial(lab(9), participant="P9")
    peaks = []
    for gain in (1.0, 2.5):
        changed(known, gain, 25.0 * (gain - 1)).to_netcdf(tmp_path / f"{gain}.nc")
        found = estimate_source(model, tmp_path / "model", EstimateSource.of_trial(tmp_path / f"{gain}.nc"))
        peaks.append(np.median([row.peak_bw for row in found.rows if row.answered]))
    assert peaks[0] == pytest.approx(peaks[1], rel=0.01)
    assert peaks[0] > 0.3
