"""Rhythm of the spline family: step times with long memory, contact times, and the impulses that keep a body aloft."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .family import Situation
from .splines_settings import Draw

GRAVITY_M_S2 = 9.81
"""The spline family's own rounding of gravity: changing it to ``units.G`` would change every simulated trial."""
IRREGULAR_SD = 4.0
"""Size of a rare irregular step, in SD of step time. Chosen by hand."""
SOFT_LIMIT_SD = 3.5
"""Where deviations of step time are softly limited, in SD. Chosen by hand."""
IMPULSE_Z, IMPULSE_X, IMPULSE_Y, IMPACT, SKEW, DEPTH, BRAKE, ROLL, SPEED, SWING = range(10)


def fractal_noise(rng: np.random.Generator, count: int, hurst: float) -> Floats:
    """Return ``count`` values of unit-variance noise with power ~ f^-(2 hurst - 1), by spectral shaping."""
    # twice as long as asked: noise by an FFT is periodic, and its end would fit its start
    size = 1 << max(4, int(np.ceil(np.log2(2 * count))))
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.fft.rfftfreq(size)
    # amplitude, the root of the power f^-(2 hurst - 1)
    spectrum[1:] *= frequency[1:] ** (0.5 - hurst)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, size)
    shaped: Floats = noise[:count] / np.std(noise)
    return shaped


def mean_times(draw: Draw, situation: Situation, strike: float) -> tuple[float, float]:
    """Return mean step time and contact time in seconds for the speed, slope and mass.

    Laws in the settings file; a running contact stays under 92 % of the step (a slow jog keeps 8 % flight,
    chosen), a walking one between 106 % and 150 % of it. Forefoot contacts are up to 5 % shorter (chosen).
    """
    v, value = max(situation.speed_m_s, 0.1), draw.value
    rate = np.polynomial.polynomial.polyval(v, draw.table["cadence_poly"]) * value["cadence_factor"]
    rate *= (situation.mass_kg / 70.0) ** value["mass_cadence_exponent"]
    rate *= np.clip(1 + value["slope_cadence"] * situation.slope_percent, 0.85, 1.15)
    step = 1 / float(np.clip(rate, 0.7, 5.0))
    a, b = draw.table["contact_law"]
    if situation.gait == "run":
        contact = a * v**b * value["contact_factor"] * (1 - 0.05 * strike)
        return step, float(np.clip(contact, 0.3 * step, 0.92 * step))
    contact = 2 * step * (a + b * v) * value["contact_factor"]
    return step, float(np.clip(contact, 1.06 * step, 1.5 * step))


def step_times(rng: np.random.Generator, draw: Draw, mean_s: float, cv: float, count: int) -> Floats:
    """Return ``count + 1`` step times whose first ``count`` have exactly this mean and CV.

    Long memory, a slow drift, left/right alternation and rare irregular steps are summed, softly limited
    at 3.5 sd, then standardised.
    """
    value, n = draw.value, count + 1
    alternate, drift = value["asymmetry_variance_share"], value["drift_variance_share"]
    z = np.sqrt(max(1 - alternate - drift, 0)) * fractal_noise(rng, n, value["hurst"])
    z += np.sqrt(alternate) * np.where(np.arange(n) % 2 == 0, 1.0, -1.0) * rng.choice([-1.0, 1.0])
    z += np.sqrt(drift) * rng.choice([-1.0, 1.0]) * np.linspace(-1.7, 1.7, n)
    irregular = rng.random(n) < value["irregular_probability"]
    kick = np.where(irregular, IRREGULAR_SD * rng.choice([-1.0, 1.0], n), 0.0)
    kick[1:] -= 0.5 * kick[:-1]  # the next step wins half of it back
    z = SOFT_LIMIT_SD * np.tanh((z + kick) / SOFT_LIMIT_SD)
    if count >= 2:
        z = (z - z[:count].mean()) / max(float(z[:count].std()), 1e-12)
        z[count] = np.clip(z[count], -2, 2)  # the step after the last is not part of the CV
    times: Floats = mean_s * np.maximum(1 + cv * z, 0.3)
    return times


def contact_times(
    rng: np.random.Generator, draw: Draw, step_s: Floats, mean: tuple[float, float], left: NDArray[np.bool_]
) -> Floats:
    """Return each step's contact time: follows its step time, asymmetric, noisy, lengthening with fatigue."""
    value = draw.value
    elapsed_h = np.cumsum(step_s) / 3600
    factor = (step_s / mean[0]) ** value["contact_step_exponent"]
    factor *= 1 + value["contact_asymmetry_percent"] / 100 * np.where(left, 1, -1)
    factor *= 1 + value["contact_cv_percent"] / 100 * fractal_noise(rng, step_s.size, 0.6)
    factor *= 1 + value["contact_fatigue_percent_per_hour"] / 100 * (elapsed_h - elapsed_h[-1] / 2)
    contact = mean[1] * factor
    low, high = (0.25, 0.95) if mean[1] < mean[0] else (1.04, 1.6)
    shortest = np.minimum(step_s, np.concatenate([step_s[1:], step_s[-1:]]))
    ceiling = high * (step_s if high < 1 else shortest)
    return np.maximum(np.minimum(contact, ceiling), low * step_s)


def impulses_z(onset_s: Floats, contact_s: Floats) -> Floats:
    """Return each contact's vertical impulse in BW s: gravity's from mid-gap before to mid-gap after.

    The gap is flight (positive) or double support (negative), so that over any run of steps the impulses
    sum to the time elapsed: the body neither rises nor sinks.
    """
    gap = onset_s[1:] - (onset_s + contact_s)[:-1]
    if gap.size == 0:
        return np.array(contact_s, dtype=np.float64)
    before = np.concatenate([gap[:1], gap])
    after = np.concatenate([gap, gap[-1:]])
    impulse: Floats = contact_s + (before + after) / 2
    return impulse


def variation(
    rng: np.random.Generator, draw: Draw, situation: Situation, onset_s: Floats, contact_s: Floats, first: int
) -> Floats:
    """Return what else varies, shape (steps, 10), columns by the module's constants.

    Horizontal impulses are differences of the body's velocity between gaps, so that neither the forward
    nor the sideways speed wanders off. ``first`` is 0 when the first step is a left one.
    """
    value, n = draw.value, onset_s.size
    speed = situation.speed_m_s * (1 + value["speed_cv_percent"] / 100 * _slow(rng, n + 1))
    sway = value["lateral_m_s"] * np.maximum(1 + value["lateral_cv"] * fractal_noise(rng, n + 1, 0.6), 0.1)
    sway *= np.where((np.arange(n + 1) + first) % 2 == 0, 1, -1)
    tired = 1 + value["fatigue_impact_percent_per_hour"] / 100 * onset_s / 3600
    out = np.empty((n, 10))
    out[:, IMPULSE_Z] = impulses_z(onset_s, contact_s)
    out[:, IMPULSE_X] = np.diff(speed) / GRAVITY_M_S2
    out[:, IMPULSE_Y] = np.diff(sway) / GRAVITY_M_S2
    out[:, IMPACT] = tired * np.exp(value["impact_cv"] * fractal_noise(rng, n, 0.7))
    out[:, SKEW] = value["skew_sd"] * fractal_noise(rng, n, 0.7)
    out[:, DEPTH] = value["skew_sd"] * fractal_noise(rng, n, 0.7)
    out[:, BRAKE] = np.maximum(1 + value["brake_cv"] * fractal_noise(rng, n, 0.65), 0.3)
    out[:, ROLL] = 0.012 * fractal_noise(rng, n, 0.6)
    out[:, SPEED] = speed[1:]
    out[:, SWING] = np.exp(0.04 * fractal_noise(rng, n, 0.75))
    return out


def _slow(rng: np.random.Generator, count: int) -> Floats:
    """Return unit-variance noise without fast steps (fractal noise averaged over 8 steps, chosen)."""
    raw = np.convolve(fractal_noise(rng, count + 7, 0.95), np.ones(8) / 8, mode="valid")
    smooth: Floats = raw / max(float(np.std(raw)), 0.3)
    return smooth
