"""Gait on real recordings: cadence against the spectrum, impulse against body weight, one detector against another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from grfkit.gait.causal import causal_settings
from grfkit.gait.causal_record import as_counts, contact_times, contacts_causal
from grfkit.gait.contacts import BORDER, RULES, ContactTimes, contacts_from_force
from grfkit.gait.detector_offset import detector_offset
from grfkit.gait.loading import curve, loading
from grfkit.gait.temporal import temporal
from grfkit.signals.filters import lowpass

pytestmark = pytest.mark.recordings
Floats = NDArray[np.float64]
RealFile = Callable[[str], Path]
LIGHT = replace(RULES["20N"], lowpass_hz=50.0, zeroed=True)


def runner(real_file: RealFile, who: str, trial: str) -> tuple[Floats, Floats, Floats]:
    """Return time, vertical and forward force (N) of a treadmill trial at 300 Hz."""
    with np.load(real_file(f"rbds_runners/RBDS{who}.npz")) as file:
        raw = file[f"{trial}_F"].astype(np.float64)
    raw[raw == -32768] = np.nan
    return np.arange(len(raw)) / 300.0, raw[:, 1] / 10.0, raw[:, 0] / 10.0


def beat_per_min(force: Floats, rate_hz: float) -> float:
    """Return the step rate from the spectrum of the force, between 2 and 4 Hz."""
    spectrum = np.abs(np.fft.rfft((force - force.mean()) * np.hanning(force.size), 8 * force.size))
    at = np.fft.rfftfreq(8 * force.size, 1.0 / rate_hz)
    band = (at > 2.0) & (at < 4.0)
    return float(at[band][np.argmax(spectrum[band])] * 60.0)


@pytest.mark.parametrize("who", ["002", "010", "013", "016"])
def test_treadmill_runners_step_as_the_spectrum_says_and_bear_their_weight(real_file: RealFile, who: str) -> None:
    duty = []
    for trial in ("T25", "T35", "T45"):
        time, up, _ = runner(real_file, who, trial)
        weight = float(np.mean(up))
        found = contacts_from_force(time, up, rule=LIGHT)
        assert set(found.rejected) <= {BORDER}
        gait = temporal(found.ic_s, found.to_s)
        assert gait.cadence_steps_min == pytest.approx(beat_per_min(up, 300.0), rel=0.015)
        smooth = lowpass(up / weight, rate_hz=300.0, cutoff_hz=50.0)
        made = [loading(curve(time, smooth, ic_s=a, to_s=b), cutoff_hz=50.0) for a, b in zip(found.ic_s, found.to_s)]
        share = np.mean([one.impulse_bw_s for one in made]) / np.nanmean(gait.step_s)
        assert share == pytest.approx(1.0, abs=0.01)  # a steady runner's mean force is body weight
        assert 1.8 < np.median([one.active.value_bw for one in made]) < 3.5
        assert all(one.vilr.value_bw_s >= 0.99 * one.valr["A"].value_bw_s for one in made)
        assert {r.cutoff_hz for one in made for r in (*one.valr.values(), one.vilr)} == {50.0}
        duty.append(float(np.nanmedian(gait.duty_factor)))
    assert duty[0] > duty[1] > duty[2]  # faster running, smaller duty factor
    assert 0.2 < duty[2] < duty[0] < 0.45


@pytest.mark.parametrize("who", ["010", "013"])
def test_the_causal_detector_on_real_force_misses_none(real_file: RealFile, who: str) -> None:
    time, up, _ = runner(real_file, who, "T35")
    seen = contacts_from_force(time, up, rule=LIGHT)
    one = causal_settings(300.0, source="force", least_span=800)
    found = contact_times(contacts_causal(as_counts(up, per_unit=8.0), 300.0, one), time, one)
    low, high = 2.0, 29.0
    spans = [(c.ic_s > low) & (c.ic_s < high) for c in (seen, found)]
    cut = [ContactTimes(c.ic_s[k], c.to_s[k], c.detector) for c, k in zip((seen, found), spans)]
    offset = detector_offset(cut[0], cut[1], within_s=0.05)
    assert (offset.missed, offset.extra) == (0, 0)
    assert abs(offset.ic_median_ms) < 8
    assert offset.ic_iqr_ms < 5
    assert -20 < offset.to_median_ms < 8


def test_drift_added_by_others_needs_its_own_rule(real_file: RealFile) -> None:
    up = np.loadtxt(real_file("dryft_sample/dryft/sample/custom_drift_S001runT25.csv"))
    time = np.arange(up.size) / 300.0
    plain = contacts_from_force(time, up)
    high = contacts_from_force(time, up, rule=replace(RULES["20N"], level_n=140.0, name="140N", lowpass_hz=50.0))
    assert high.size > plain.size  # the drift lifts flight over 20 N: contacts run together and are turned down
    gait = temporal(high.ic_s, high.to_s)
    assert gait.cadence_steps_min == pytest.approx(beat_per_min(up, 300.0), rel=0.02)


def test_31_speeds_and_slopes_of_one_runner_step_as_the_spectrum_says(real_file: RealFile) -> None:
    rows = np.genfromtxt(real_file("alcantara2022_example/data/GRF_one_sub.csv"), delimiter=",")
    time = np.arange(rows.shape[1]) / 500.0
    for force in rows:
        found = contacts_from_force(time, force * 76.8 * 9.80665, rule="5%BW", mass_kg=76.8)
        assert set(found.rejected) <= {BORDER}
        gait = temporal(found.ic_s, found.to_s)
        assert gait.cadence_steps_min == pytest.approx(beat_per_min(force, 500.0), rel=0.025)
        assert 0.2 < np.nanmedian(gait.duty_factor) < 0.47
