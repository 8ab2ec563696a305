"""Landings of markers lie where the lag table says, on simulated and on real runners."""

from __future__ import annotations

import numpy as np
import pytest

from c3d_files import real
from grfkit.io import read
from grfkit.simulate.conditions import Condition
from grfkit.sync import AlignSettings, align_device
from grfkit.sync.contact_events import device_train, reference_train
from sync_helpers import made, truth_of

LATER_S = 7.0


def of_kind(recording: str, kind: str) -> dict:
    return {n: s for n, s in read(real(recording)).streams.items() if s.attrs["kind"] == kind}


REAL = ["rbds_fukuchi/RBDS001runT35.c3d", "rbds_runners/RBDS010runT35.c3d"]


@pytest.mark.parametrize("name", REAL)
def test_real_runners_markers_land_with_the_force(name: str) -> None:
    # by the braked fall of the feet they landed 108 to 122 ms before it
    force, _ = reference_train(of_kind(name, "force_plate"), plates=False)
    train = device_train(of_kind(name, "landmarks"))
    assert train.feature == "speed"
    for foot in (0, 1):
        onset = train.contacts.onset_s[train.contacts.foot == foot]
        lag_ms = 1e3 * (onset - force.onset_s[np.abs(onset[:, None] - force.onset_s).argmin(axis=1)])
        assert onset.size > 40
        assert abs(np.median(lag_ms) + 8.0) < 10.0
        assert np.mean(np.abs(lag_ms - np.median(lag_ms)) < 12.0) > 0.95


@pytest.mark.parametrize("name", REAL)
def test_real_markers_on_another_clock_are_aligned_within_what_is_stated(name: str) -> None:
    marks = {n: s.assign_coords(time=s["time"] - LATER_S) for n, s in of_kind(name, "landmarks").items()}
    settings = AlignSettings(shortest_overlap_s=20.0)
    clock_map = align_device(of_kind(name, "force_plate"), marks, surface="treadmill", settings=settings).clock_map
    assert clock_map.verdict == "aligned"
    assert clock_map.offset_s is not None
    assert clock_map.uncertainty_ms is not None
    assert 1e3 * abs(clock_map.offset_s - LATER_S) < clock_map.uncertainty_ms < 25.0


def test_simulated_markers_are_aligned_within_what_is_stated() -> None:
    for seed in (38_000_200, 38_000_201):
        trial = made(Condition(surface="treadmill", family="draw", wearables=("landmarks",)), seed)
        clock_map = align_device(trial.reference, trial.wearables["landmarks"], surface="treadmill").clock_map
        truth = truth_of(trial, "landmarks")
        at = np.linspace(*truth.overlap_s, 50)
        assert clock_map.verdict == "aligned"
        assert clock_map.uncertainty_ms is not None
        assert 1e3 * abs(np.nanmean(clock_map.apply(at) - truth.t_reference(at))) < clock_map.uncertainty_ms


@pytest.mark.parametrize("name", REAL)
def test_feet_without_a_body_state_a_tenth_of_a_second(name: str) -> None:
    marks = of_kind(name, "landmarks")
    feet = {n: s.sel(landmark=[m for m in s["landmark"].values if "Heel" in m or ".MT" in m]) for n, s in marks.items()}
    settings = AlignSettings(shortest_overlap_s=20.0)
    clock_map = align_device(
        of_kind(name, "force_plate"), feet, surface="treadmill", settings=settings, accept_refused=True
    ).clock_map
    assert clock_map.lag_sd_s > 0.05
