"""Family B: people whose forces are sums of skewed beta kernels and whose steps have long-range memory.

A kernel rises to 1 at its mode and is zero at both ends of contact, so every curve is smooth and its impulse is
known in closed form. The vertical impulse of each step comes first, from the fall before and after it; the shape
is scaled to it, so peaks follow from contact and step times. Forces are in the world's axes (Z against gravity,
X horizontal), on a slope too: at a steady speed braking and propulsion cancel. Ranges: ``family_b.toml``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from scipy.special import betaln

from grfkit.simulate.family import CELL_X_MM, CELL_Y_MM, Floats, Situation, Steps
from grfkit.simulate.family_b_shoe import GRAVITY, FootSteps, ShoeTraits, shoe_signals

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REFERENCE_M_S = {"run": 3.0, "walk": 1.4}
# Per gait, contact over step time stays in these bounds: running flies, walking overlaps (chosen).
SUPPORT = {"run": (0.35, 0.92), "walk": (1.06, 1.55)}
# Columns of Steps.variation. The impulse is in body weights times s; strike is an offset; the others are factors.
IMPULSE, IMPACT, IMPACT_TIME, BRAKE, PUSH, MEDIAL, STRIKE, SHOCK, LATE = range(9)
SHARED = 0.35  # correlation of each column's noise with the step times' (chosen)
CELLS_X = np.array(CELL_X_MM) / 30.0
CELLS_Y = np.array(CELL_Y_MM) / 235.0


@dataclass(frozen=True)
class Traits:
    """What a person is drawn with; units and sources are beside each range in ``family_b.toml``."""

    strike: float
    step_hz: float
    step_exponent: float
    step_per_slope: float
    contact_s: float
    contact_exponent: float
    contact_noise: float
    contact_follows: float
    impact_bw: float
    impact_exponent: float
    impact_s: float
    impact_width_s: float
    impact_noise: float
    early_weight: float
    early_mode: float
    late_weight: float
    late_mode: float
    hump_concentration: float
    mid_mode: float
    mid_concentration: float
    brake_bw: float
    brake_mode: float
    push_mode: float
    medial: float
    lateral_bw: float
    asymmetry: float
    hurst: float
    alternation: float
    irregular_rate: float
    land_rad: float
    land_fore_rad: float
    heel_off: float
    toe_off_rad: float
    toe_off_rad_s: float
    swing_rad: float
    clearance_m: float
    shock_g: float
    ring_hz: float
    ring_decay_s: float


NAMES = tuple(field.name for field in fields(Traits))


def checked(table: dict[str, Any]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the ranges per gait; raise ValueError where a key is missing, unknown or not [low, high]."""
    if set(table) != set(REFERENCE_M_S):
        raise ValueError(f"family B needs the tables {sorted(REFERENCE_M_S)}, found {sorted(table)}")
    ranges: dict[str, dict[str, tuple[float, float]]] = {}
    for gait, rows in table.items():
        if set(rows) != set(NAMES):
            raise ValueError(f"family B, [{gait}]: missing or unknown {sorted(set(rows) ^ set(NAMES))}")
        for name, pair in rows.items():
            if not (isinstance(pair, list) and len(pair) == 2 and np.isfinite(pair).all() and pair[0] <= pair[1]):
                raise ValueError(f"family B, [{gait}] {name}: {pair!r} is not [low, high]")
        ranges[gait] = {name: (float(rows[name][0]), float(rows[name][1])) for name in NAMES}
    return ranges


@cache
def load_ranges() -> dict[str, dict[str, tuple[float, float]]]:
    """Return the ranges of the package's ``family_b.toml``, per gait and trait."""
    text = files("grfkit.simulate").joinpath("family_b.toml").read_text(encoding="utf-8")
    return checked(tomllib.loads(text))


def long_memory(rng: np.random.Generator, count: int, hurst: float) -> Floats:
    """Return ``count`` values of fractional Gaussian noise of unit variance (Davies & Harte 1987, exact)."""
    if count < 1:
        return np.zeros(0)
    lag = np.arange(count + 1, dtype=np.float64)
    power = 2 * hurst
    half = 0.5 * ((lag + 1) ** power - 2 * lag**power + np.abs(lag - 1) ** power)
    spectrum = np.clip(np.fft.fft(np.concatenate([half, half[-2:0:-1]])).real, 0, None)
    size = spectrum.size
    noise = rng.standard_normal(size) + 1j * rng.standard_normal(size)
    return np.asarray(np.fft.fft(np.sqrt(spectrum / size) * noise).real[:count], dtype=np.float64)


def standardised(values: Floats) -> Floats:
    """Return the values with mean 0 and SD 1; zeros where there is nothing to scale."""
    centred = values - values.mean() if values.size else values
    spread = float(centred.std()) if values.size else 0.0
    return centred / spread if spread > 1e-12 else np.zeros_like(values)


def kernels(phase: Floats, mode: Floats, concentration: Floats) -> tuple[Floats, Floats]:
    """Return beta kernels of height 1, shape (kernels, phases), and their means over phase, shape (kernels,)."""
    rise, fall = concentration * mode, concentration * (1 - mode)
    height = rise * np.log(mode) + fall * np.log1p(-mode)
    inside = (phase > 0) & (phase < 1)
    safe = np.where(inside, phase, 0.5)
    shape = np.exp(np.outer(rise, np.log(safe)) + np.outer(fall, np.log1p(-safe)) - height[:, None]) * inside
    return shape, np.exp(betaln(rise + 1, fall + 1) - height)


class PersonB:
    """One person of family B in one situation.

    Parameters
    ----------
    traits
        What they were drawn with.
    situation
        Gait, speed, slope, step-time CV and duration.
    bias
        Shape (9,): left minus right over two, relative, per column of ``Steps.variation`` (strike absolute).
    cell_gain
        Shape (2, 16): how much of the load each cell of the right and the left foot takes, about 1.
    """

    def __init__(self, traits: Traits, situation: Situation, bias: Floats, cell_gain: Floats) -> None:
        self.traits, self.situation, self.bias, self.cell_gain = traits, situation, bias, cell_gain
        self.pace = situation.speed_m_s / REFERENCE_M_S[situation.gait]
        slower = 1 + traits.step_per_slope * situation.slope_percent
        self.step_s = 1 / (traits.step_hz * self.pace**traits.step_exponent * slower)
        contact = traits.contact_s * self.pace**traits.contact_exponent
        if situation.gait == "walk":  # a slow stepper stands longer: keep the stance fraction at the reference
            contact *= 1.85 / traits.step_hz
        low, high = SUPPORT[situation.gait]
        self.contact_s = float(np.clip(contact, low * self.step_s, high * self.step_s))

    def steps(self, rng: np.random.Generator) -> Steps:
        """Return contacts whose onsets lie in [0, duration); the last may end after it."""
        start = float(rng.uniform(0, self.step_s))
        count = max(int((self.situation.duration_s - start) / self.step_s - 1e-9), 0)
        left = (np.arange(count + 1) + int(rng.integers(2))) % 2 == 0
        wave = self._timing(rng, left[:-1])
        interval = self.step_s * np.maximum(1 + self.situation.step_cv_percent / 100 * wave, 0.3)
        onset = start + np.concatenate([[0.0], np.cumsum(interval)])
        side = np.where(left, 1.0, -1.0)
        contact = self._contacts(rng, np.append(interval, self.step_s), side)
        gap = np.append(interval, self.step_s) - contact
        impulse = contact + (np.concatenate([gap[:1], gap[:-1]]) + gap) / 2
        variation = self._variation(rng, np.append(wave, 0.0), side)
        variation[:, IMPULSE] = impulse
        return Steps(onset, contact, left, variation)

    def _timing(self, rng: np.random.Generator, left: np.typing.NDArray[np.bool_]) -> Floats:
        """Return step times' deviations, mean 0 and SD 1: memory, settling, left/right and irregular steps."""
        traits, count = self.traits, left.size
        alternating = np.where(left, 1.0, -1.0) * (1 if self.bias[IMPULSE] >= 0 else -1)
        wave = np.sqrt(1 - traits.alternation**2) * standardised(long_memory(rng, count, traits.hurst))
        wave += traits.alternation * alternating
        settling = rng.normal(0, 0.6) * np.exp(-np.arange(count) * self.step_s / 45.0)  # to the belt; chosen
        size = np.where(rng.random(count) < traits.irregular_rate, rng.uniform(2, 4, count), 0.0)
        size *= rng.choice([-1.0, 1.0], count)
        wave += settling + size
        wave[1:] -= 0.6 * size[:-1]  # the next step makes up for part of it; chosen
        return standardised(wave)

    def _contacts(self, rng: np.random.Generator, interval: Floats, side: Floats) -> Floats:
        """Return contact times that follow their steps partly, within the gait's bounds."""
        traits = self.traits
        noise = 1 + traits.contact_noise * long_memory(rng, interval.size, 0.7) + 0.5 * self.bias[IMPACT_TIME] * side
        follow = (interval / self.step_s) ** traits.contact_follows
        low, high = SUPPORT[self.situation.gait]
        if self.situation.gait == "run":
            return np.clip(self.contact_s * follow * noise, low * interval, high * interval)
        overlap = (self.contact_s - self.step_s) * follow * (1 + 3 * (noise - 1))
        return interval + np.clip(overlap, 0.3 * (low - 1) * interval, (high - 1) * self.step_s)

    def _variation(self, rng: np.random.Generator, wave: Floats, side: Floats) -> Floats:
        """Return the variation's columns: 1 plus asymmetry plus noise that shares a part with the step times."""
        traits = self.traits
        spread = np.array([0.0, traits.impact_noise, 0.06, 0.06, 0.06, 0.25, 0.04, 1.2 * traits.impact_noise, 0.05])
        own = np.stack([long_memory(rng, wave.size, 0.65) for _ in spread], axis=1)
        noise = SHARED * wave[:, None] * np.sign(self.bias + 1e-12) + np.sqrt(1 - SHARED**2) * own
        relative = np.clip(spread * noise + side[:, None] * self.bias, -0.8, 2.0)
        columns = 1 + relative
        columns[:, STRIKE] = relative[:, STRIKE]
        return columns

    def _strike(self, steps: Steps, index: int) -> float:
        return float(np.clip(self.traits.strike + steps.variation[index, STRIKE], 0, 1))

    def _kernels(self, steps: Steps, index: int, phase: Floats) -> tuple[Floats, Floats]:
        """Return impact, early, mid, late, brake, push and lateral kernels with their means."""
        traits, contact = self.traits, float(steps.contact_s[index])
        strike = self._strike(steps, index)
        mode = np.clip(traits.impact_s * steps.variation[index, IMPACT_TIME] / contact, 0.01, 0.25)
        sharp = mode * (1 - mode) / (traits.impact_width_s / contact) ** 2
        hump, run = traits.hump_concentration, self.situation.gait == "run"
        middle = traits.mid_mode - 0.03 * strike
        modes = (mode, traits.early_mode, middle, traits.late_mode, traits.brake_mode, traits.push_mode, 1.3 * mode)
        tight = (sharp, hump, traits.mid_concentration, hump, 7.0 if run else 9.0, 9.0 if run else 14.0, 0.6 * sharp)
        return kernels(phase, np.array(modes), np.array(tight))

    def force_bw(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return force on the person in body weights, (phases, 3): X forward, Y left, Z up (world axes)."""
        traits, row = self.traits, steps.variation[index]
        shape, mean = self._kernels(steps, index, np.asarray(phase, dtype=np.float64))
        slope, rear = self.situation.slope_percent, 1 - 0.9 * self._strike(steps, index)
        # Gottschall & Kram 2005: impact +54 % at -9 deg, -39 % at +9 deg, so about 2.9 % per % of slope.
        impact = traits.impact_bw * rear * self.pace**traits.impact_exponent * np.exp(-0.029 * slope) * row[IMPACT]
        target = row[IMPULSE] / steps.contact_s[index]
        impact = min(impact, 0.4 * target / mean[0])
        brisk = self.pace**0.7  # faster walkers have higher humps and a deeper trough (Nilsson 1989); exponent chosen
        lean = np.exp(0.012 * slope)  # downhill loads early, uphill late; chosen
        weights = np.array([traits.early_weight * brisk / lean, 1.0, traits.late_weight * brisk * lean * row[LATE]])
        weights *= (target - impact * mean[0]) / float(weights @ mean[1:4])
        vertical = impact * shape[0] + weights @ shape[1:4]
        brake = traits.brake_bw * self.pace * np.exp(-0.01 * slope)
        spike = 0.12 * impact
        push = (brake * mean[4] + spike * mean[0]) / mean[5]
        forward = push * row[PUSH] * shape[5] - brake * row[BRAKE] * shape[4] - spike * shape[0]
        outward = traits.lateral_bw * rear * row[IMPACT] * shape[6] - traits.medial * row[MEDIAL] * vertical
        return np.stack([forward, outward if steps.left[index] else -outward, vertical], axis=1)

    def load_share(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return each of 16 cells' share of the vertical force, (phases, 16), rows sum to 1.

        Each cell takes load when the foot reaches it and gives it up when the foot leaves it: from heel to toe for
        a rearfoot striker; a forefoot striker lands in front, lowers the heel a little, and rolls on. The load
        comes in on the lateral side and leaves under the big toe. Times are chosen.
        """
        strike, run = self._strike(steps, index), self.situation.gait == "run"
        p = np.clip(np.asarray(phase, dtype=np.float64), 0, 1)[:, None]
        rear_on = (0.42 if run else 0.36) * CELLS_Y**1.3 - 0.07
        fore_on = 0.3 * np.maximum(0.75 - CELLS_Y, 0) - 0.07
        arrive = (1 - strike) * rear_on + strike * fore_on
        leave = (0.36 if run else 0.42) + (1.15 - (0.36 if run else 0.42)) * np.clip(CELLS_Y, 0.1, 1) ** 1.4
        gate = 1 / ((1 + np.exp((arrive - p) / 0.035)) * (1 + np.exp((p - leave) / 0.055)))
        medial = 0.5 - 1.3 * p  # positive while the load is lateral
        gain = self.cell_gain[int(steps.left[index])] * np.where(CELLS_Y < 0.3, 1.6 - 1.2 * strike, 1.0)
        arch = np.where((np.abs(CELLS_Y - 0.4) < 0.17) & (CELLS_X < 0), 0.3, 1.0)  # the arch hardly touches
        weight = gain * arch * gate * np.exp(medial * CELLS_X) + 1e-5
        return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)

    def shoe_motion(self, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
        """Return an ideal shoe IMU's specific force (m/s^2) and angular rate (rad/s), (n, 3) each."""
        traits, own = self.traits, np.flatnonzero(steps.left == left)
        situation, time = self.situation, np.asarray(time_s, dtype=np.float64)
        slope = float(np.arctan(situation.slope_percent / 100))
        if own.size == 0:
            rest = GRAVITY * np.array([np.sin(slope), 0.0, np.cos(slope)])
            return np.tile(rest, (time.size, 1)), np.zeros((time.size, 3))
        strike = np.clip(traits.strike + steps.variation[own, STRIKE], 0, 1)
        shock = traits.shock_g * GRAVITY * (1 - 0.5 * strike) * self.pace**traits.impact_exponent
        onset, contact = steps.onset_s[own], steps.contact_s[own]
        feet = FootSteps(
            onset,
            onset + contact,
            traits.land_fore_rad * strike - traits.land_rad * (1 - strike),
            shock * np.exp(-0.02 * situation.slope_percent) * steps.variation[own, SHOCK],
        )
        shoe = ShoeTraits(
            situation.speed_m_s, slope, traits.heel_off, traits.toe_off_rad, traits.toe_off_rad_s,
            max(traits.swing_rad * self.pace**0.25, traits.toe_off_rad + 0.1), traits.clearance_m,
            traits.ring_hz, traits.ring_decay_s,
        )  # fmt: skip
        return shoe_signals(shoe, feet, side=1.0 if left else -1.0, time_s=time)


@dataclass(frozen=True)
class FamilyB:
    """The family of people drawn from ``family_b.toml``."""

    name: str = "B"

    def person(self, rng: np.random.Generator, situation: Situation) -> PersonB:
        """Return a person drawn from the gait's ranges; raise ValueError for a situation nobody can be in."""
        if situation.gait not in REFERENCE_M_S:
            raise ValueError(f"family B has no gait {situation.gait!r}")
        if not (situation.speed_m_s > 0 and situation.duration_s > 0 and situation.step_cv_percent >= 0):
            raise ValueError("family B needs a positive speed and duration and a CV of at least 0")
        ranges = load_ranges()[situation.gait]
        draw = dict(zip(NAMES, rng.random(len(NAMES)), strict=True))
        draw["strike"] **= 3  # most land on the heel
        traits = Traits(**{name: low + (high - low) * float(draw[name]) for name, (low, high) in ranges.items()})
        bias = traits.asymmetry * rng.standard_normal(9)
        cell_gain = np.exp(0.2 * rng.standard_normal(16) + 0.08 * rng.standard_normal((2, 16)))
        return PersonB(traits, situation, bias, cell_gain)


FAMILY = FamilyB()
