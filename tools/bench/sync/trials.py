"""One benchmark trial: simulate, align, compare with the truth. tools/fit_lags.py judges by it, too."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy import fft

from grfkit.records import ClockMap, Recording
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.sync import AlignSettings, align_device
from grfkit.sync.contact_events import device_loads, plate_loads

WRONG_S = 0.12
"""A map that is off by more than this on average is a step (or worse) wrong."""


_STEP_SHARE = 0.3
"""A step time that is off the median by a larger share is a pause or two steps; chosen by hand, far above any CV."""


def judge(clock_map: ClockMap, truth: Any) -> dict[str, Any]:
    """Return how far a map is from the truth over the true overlap."""
    start, end = truth.overlap_s
    if not clock_map.segments:
        return {"wrong": None}
    if end <= start:
        return {"wrong": True, "mean_ms": float("nan")}
    # over the true overlap: beyond it a map is not judged
    t = np.linspace(start, end, 400)
    error = 1e3 * (clock_map.apply(t) - truth.t_reference(t))
    error = error[np.isfinite(error)]
    mean = float(np.mean(error))
    return {
        # the median: a map that is off in one short segment alone is not a step wrong
        "wrong": bool(np.median(np.abs(error)) > 1e3 * WRONG_S),
        "mean_ms": mean,
        "absolute_p95_ms": float(np.percentile(np.abs(error), 95)),
        "drift_type_p95_ms": float(np.percentile(np.abs(error - mean), 95)),
        "worst_ms": float(np.max(np.abs(error))),
        "ends_ms": [float(error[0]), float(error[-1])],
    }


def run_trial(
    condition: Condition,
    seed: int,
    *,
    baselines: bool = False,
    nearest: bool = False,
    settings: AlignSettings | None = None,
    other_seed: int | None = None,
) -> list[dict[str, Any]]:
    """Return one row per wearable of a simulated trial; with ``other_seed`` the wearable is another person's."""
    trial = simulate_trial(condition, seed)
    donor = trial if other_seed is None else simulate_trial(condition, other_seed)
    rows = []
    for wearable in condition.wearables:
        recording = donor.wearables[wearable]
        start_s = time.process_time()
        # refused maps are kept too, so that what the rule refused can be judged
        detail = align_device(
            trial.reference, recording, surface=condition.surface, settings=settings, accept_refused=True
        )
        cpu = time.process_time() - start_s
        rows.append(_row(condition, seed, wearable, trial, recording, detail.clock_map, cpu, other_seed is not None))
        if baselines:
            rows[-1]["baselines"] = _baselines(trial, wearable, condition, nearest)
    return rows


def _row(
    condition: Condition,
    seed: int,
    wearable: str,
    trial: LabTrial,
    recording: Recording,
    clock_map: ClockMap,
    cpu: float,
    foreign: bool,
) -> dict[str, Any]:
    name = next(iter(recording.streams))
    truth = trial.truth.streams[(wearable, name)]
    verdict = judge(clock_map, truth)
    if foreign:
        verdict = {"wrong": True}
    start, end = truth.overlap_s
    return {
        "seed": seed,
        "wearable": wearable,
        "family": trial.truth.world.family,
        "surface": condition.surface,
        "step_cv_percent": step_cv_percent(trial),
        "accepted": clock_map.verdict == "aligned",
        "margin": clock_map.margin,
        "p_wrong": clock_map.p_wrong,
        "uncertainty_ms": clock_map.uncertainty_ms,
        "inliers": clock_map.inliers,
        "residual_ms": clock_map.residual_ms,
        "contacts": clock_map.matched_anchors,
        "lag_ms": 1e3 * clock_map.lag_s,
        "overlap_s": float(end - start),
        "rate_hz": float(truth.rate_hz),
        "lost_samples": clock_map.lost_samples,
        "segments": len(clock_map.segments),
        "reasons": clock_map.reasons,
        "cpu_s": cpu,
        **verdict,
    }


def step_cv_percent(trial: LabTrial) -> float | None:
    """Return the CV (%) of the step times between the person's own contacts, pauses left out."""
    steps = np.diff(trial.truth.contacts.onset_s)
    if steps.size < 4:
        return None
    steps = steps[np.abs(steps - np.median(steps)) < _STEP_SHARE * np.median(steps)]
    return float(100 * steps.std() / steps.mean())


def _baselines(trial: LabTrial, wearable: str, condition: Condition, nearest: bool) -> dict[str, Any]:
    """Return which baselines slip (off by more than 0.12 s) on this trial."""
    name = next(iter(trial.wearables[wearable].streams))
    truth = trial.truth.streams[(wearable, name)]
    middle = float(np.mean(truth.overlap_s))
    true_lag = float(truth.t_reference(np.asarray([middle]))[0] - middle)
    x, x0 = _signal(trial.reference, condition.surface)
    y, y0 = _signal(trial.wearables[wearable], "device")
    lags = {"raw cross-correlation": _xcorr(x, y, phat=False) + x0 - y0, "GCC-PHAT": _xcorr(x, y, phat=True) + x0 - y0}
    if nearest:
        lags["nearest advocate"] = _nearest_advocate(trial, wearable, condition)
    return {k: {"error_s": float(v - true_lag), "slip": bool(abs(v - true_lag) > WRONG_S)} for k, v in lags.items()}


_RATE_HZ = 100.0
"""Rate of the grid on which the baselines correlate."""


def _signal(recording: Recording, surface: str) -> tuple[np.ndarray, float]:
    """Return a load-like signal on a 100-Hz grid (zero mean, gaps zero) and its start."""
    streams = recording.streams
    loads = plate_loads(streams) if surface != "device" else device_loads(streams)
    pairs = [(p.time_s, p.value) for p in loads]
    if not pairs:
        for stream in streams.values():
            axes = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream]
            value = np.sqrt(sum(stream[n].values ** 2 for n in axes))
            pairs.append((stream["time"].values, value))
    grid = np.arange(min(t[0] for t, _ in pairs), max(t[-1] for t, _ in pairs), 1 / _RATE_HZ)
    total = np.zeros(grid.size)
    for t, value in pairs:
        good = np.isfinite(value)
        total += np.interp(grid, t[good], value[good], left=0.0, right=0.0)
    return total - total.mean(), float(grid[0])


def _xcorr(x: np.ndarray, y: np.ndarray, *, phat: bool) -> float:
    # as long as both, so that nothing wraps round into another lag
    size = fft.next_fast_len(x.size + y.size)
    spectrum = fft.rfft(x, size) * np.conj(fft.rfft(y, size))
    if phat:
        # phase transform (Knapp and Carter 1976): every frequency counts alike
        spectrum = spectrum / np.maximum(np.abs(spectrum), 1e-12)
    correlation = fft.irfft(spectrum, size)
    at = int(np.argmax(correlation))
    return (at if at < x.size else at - size) / _RATE_HZ


def _nearest_advocate(trial: LabTrial, wearable: str, condition: Condition) -> float:
    import nearest_advocate

    from grfkit.sync.contact_events import device_train, reference_train

    plates = condition.surface == "overground"
    reference, _ = reference_train(trial.reference.streams, plates=plates)
    device = device_train(trial.wearables[wearable].streams, plates=plates).contacts
    table = nearest_advocate.nearest_advocate(
        arr_ref=reference.onset_s.astype(np.float32),
        arr_sig=device.onset_s.astype(np.float32),
        td_min=-400.0,
        td_max=400.0,
        sps=100,
        sparse_factor=1,
    )
    return -float(table[np.argmin(table[:, 1]), 0])
