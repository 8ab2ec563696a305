"""The spline family of contact shapes (``B``): cubic B-splines through control forces, an impact kernel, momentum kept.

Vertical force is a clamped cubic B-spline whose control forces sit at physiological moments of contact,
plus a gamma-shaped impact kernel that lives in milliseconds, not in phase. The spline's scale follows from
the step's vertical impulse; braking from speed, propulsion from the forward impulse; the sideways
force from the body's sway. Axes are the world's: X forward and level, Z along gravity, on slopes too (the
push of a slope then shows only once the force is turned into the ground's own axes).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, factorial

import numpy as np
from scipy.interpolate import BSpline

from ..arrays import Floats
from . import splines_rhythm as rhythm
from .family import Family, Situation, Steps
from .splines_load import cell_plan, shares
from .splines_settings import CONTROL_POINTS, Draw, settings
from .splines_shoe import ShoeHabits, motion

_KNOTS = np.concatenate([np.zeros(3), np.linspace(0, 1, CONTROL_POINTS - 2), np.ones(3)])
# integral of each basis function over the contact, and where it is highest (Greville abscissa)
_BASIS = BSpline(_KNOTS, np.eye(CONTROL_POINTS), 3)
_AREA = (_KNOTS[4:] - _KNOTS[:-4]) / 4
_SITE = (_KNOTS[1:-3] + _KNOTS[2:-2] + _KNOTS[3:-1]) / 3
_KERNEL_POWER = 3
"""Power of the rise of the impact kernel ``u^p exp(p (1 - u))``. Chosen by hand."""
_LARGEST_IMPACT_SHARE = 0.3  # of a contact's vertical impulse; chosen


@dataclass(frozen=True)
class FootShape:
    """One foot of a person: control forces, impact and roll-over plan.

    Attributes
    ----------
    vertical, brake
        Control forces, shape (12,): relative, and BW (negative not yet applied).
    impact_bw, impact_s
        Height of the impact kernel and its time to peak.
    cells
        Onset, release and gain of the 16 cells, shape (3, 16).
    foot
        What the shoe does.
    """

    vertical: Floats
    brake: Floats
    impact_bw: float
    impact_s: float
    cells: Floats
    foot: ShoeHabits


@dataclass(frozen=True)
class SplinePerson:
    """A person of the spline family; see :class:`grfkit.simulate.family.Person`."""

    situation: Situation
    draw: Draw
    strike: float
    right: FootShape
    left: FootShape

    def steps(self, rng: np.random.Generator) -> Steps:
        """Return whole contacts from the first step time of the trial up to its end."""
        mean = rhythm.mean_times(self.draw, self.situation, self.strike)
        start = float(rng.uniform(0, mean[0]))
        count = max(int((self.situation.duration_s - start - 1.3 * mean[1]) / mean[0]), 1)
        cv = self.situation.step_cv_percent / 100
        step_s = rhythm.step_times(rng, self.draw, mean[0], cv, count)
        onset = start + np.concatenate([[0.0], np.cumsum(step_s[:-1])])
        first = int(rng.integers(2))
        left = (np.arange(count + 1) + first) % 2 == 0
        contact = rhythm.contact_times(rng, self.draw, step_s, mean, left)
        varied = rhythm.variation(rng, self.draw, self.situation, onset, contact, first)
        return Steps(onset, contact, left, varied)

    def force_bw(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return force on the person in body weights, shape (phases, 3); zero outside [0, 1]."""
        side = self.left if steps.left[index] else self.right
        contact, varied = float(steps.contact_s[index]), steps.variation[index]
        inside = (phase >= 0) & (phase <= 1)
        p = np.where(inside, phase, 0.0)
        impact, area = _impact_kernel(p * contact, side.impact_s, contact)
        height = side.impact_bw * varied[rhythm.IMPACT]
        # a very short contact would else be all impact, and leave the splines less than nothing
        height = min(height, _LARGEST_IMPACT_SHARE * varied[rhythm.IMPULSE_Z] / area)
        control = self._control(side, varied, contact, height * area)
        force: Floats = _BASIS(p) @ control
        shear = self.draw.value["impact_shear"]
        force[:, 2] += height * impact
        force[:, 0] -= shear * height * impact
        force[~inside] = 0
        return force

    def _control(self, side: FootShape, varied: Floats, contact: float, impact: float) -> Floats:
        """Return control forces in BW, shape (12, 3), that leave the step the impulses it must have.

        ``impact`` is the impact kernel's impulse in BW s. The skew mode moves the load later in contact,
        the depth mode adds the gait's depth pattern.
        """
        table = self.draw.table
        vertical = side.vertical * (1 + 3 * varied[rhythm.SKEW] * (2 * _SITE - 1))
        vertical = np.maximum(vertical + varied[rhythm.DEPTH] * table["vertical_depth"], 0)
        vertical *= (varied[rhythm.IMPULSE_Z] - impact) / (contact * (_AREA @ vertical))
        brake = side.brake * varied[rhythm.BRAKE]
        braked = contact * (_AREA @ brake) + self.draw.value["impact_shear"] * impact
        # what braking and impact took has to come back, plus the step's own change of speed
        push = max(varied[rhythm.IMPULSE_X] + braked, 0) / (contact * (_AREA @ table["propel"]))
        across = varied[rhythm.IMPULSE_Y] / (contact * (_AREA @ table["medial"]))
        return np.stack([push * table["propel"] - brake, across * table["medial"], vertical], axis=1)

    def load_share(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return each of 16 cells' share of the vertical force, shape (phases, 16)."""
        side = self.left if steps.left[index] else self.right
        roll = float(steps.variation[index, rhythm.ROLL])
        return shares(side.cells, phase, roll, self.draw.value["roll_sharpness"])

    def shoe_motion(self, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
        """Return specific force (m/s^2) and angular rate (rad/s) of an ideal shoe IMU, (n, 3) each."""
        of_foot = steps.left == left
        varied = steps.variation[of_foot]
        foot = (self.left if left else self.right).foot
        return motion(
            foot, steps.onset_s[of_foot], steps.contact_s[of_foot], varied[:, rhythm.SPEED],
            varied[:, rhythm.SWING], varied[:, rhythm.IMPACT], time_s,
        )  # fmt: skip


@dataclass
class SplineFamily:
    """People whose forces are splines."""

    name: str = "B"

    def person(self, rng: np.random.Generator, situation: Situation) -> SplinePerson:
        """Return a person drawn from the packaged ranges for the situation's gait."""
        draw = settings()[situation.gait].draw(rng)
        kind = int(rng.choice(3, p=draw.table["strike_probability"]))
        strike = float(rng.uniform(*((0.0, 0.2), (0.4, 0.6), (0.8, 1.0))[kind]))
        right, left = (_side(rng, draw, situation, strike, sign) for sign in (-1.0, 1.0))
        return SplinePerson(situation, draw, strike, right, left)


def _side(rng: np.random.Generator, draw: Draw, situation: Situation, strike: float, sign: float) -> FootShape:
    """Return one foot: ``sign`` is +1 for the left, which carries plus half of every asymmetry.

    A forefoot lander keeps a tenth of the impact kernel, half as late again (chosen).
    """
    value, table = draw.value, draw.table
    speed, slope = situation.speed_m_s, situation.slope_percent
    pivot = 3.0 if situation.gait == "run" else 1.35
    depth = value["depth"] + value["depth_speed"] * (speed - pivot) + sign * value["shape_asymmetry"]
    vertical = (1 - strike) * table["vertical"] + strike * table["vertical_fore"]
    vertical = vertical + float(np.clip(depth, -0.15, 0.55)) * table["vertical_depth"]
    vertical *= 1 + sign * value["shape_asymmetry"] * (2 * _SITE - 1)
    impact = value["impact_bw"] * speed * (1 + sign * value["impact_asymmetry"]) * (1 - 0.9 * strike)
    impact *= float(np.clip(np.exp(-value["slope_impact"] * slope), 0.2, 2.5))
    brake = value["brake_bw"] * speed**0.85 * (1 + sign * value["brake_asymmetry"])
    brake *= float(np.clip(1 + value["slope_brake"] * slope, 0.6, 1.5))
    bias = float(rng.uniform(*_span("medial_bias", situation)))
    return FootShape(
        vertical=np.maximum(vertical, 0),
        brake=brake * table["brake"],
        impact_bw=impact,
        impact_s=value["impact_ms"] / 1000 * (1 + 0.5 * strike),
        cells=cell_plan(rng, draw, strike, bias),
        foot=_foot(rng, draw, situation, strike, sign),
    )


def _foot(rng: np.random.Generator, draw: Draw, situation: Situation, strike: float, sign: float) -> ShoeHabits:
    """Return the shoe's habits; quantities marked "per foot" in the settings are drawn again for each."""
    value, table = draw.value, draw.table
    per_foot = {
        name: float(rng.uniform(*_span(name, situation)))
        for name in ("toe_out_deg", "eversion_deg", "ring_hz", "ring_decay_ms")
    }
    quick = 3.0 if situation.gait == "run" else 1.35
    reach = float(np.clip((situation.speed_m_s / quick) ** 0.4, 0.6, 1.35))  # livelier swing when fast; chosen
    return ShoeHabits(
        side=sign,
        landing_deg=(1 - strike) * value["landing_pitch_deg"] + 8 * strike,
        eversion_deg=per_foot["eversion_deg"],
        toe_out_deg=per_foot["toe_out_deg"],
        pitch_stance_deg=table["pitch_stance_deg"],
        pitch_swing_deg=np.where(table["pitch_swing_deg"] > 0, reach, 1.0) * table["pitch_swing_deg"],
        swing_shape=table["swing_shape"],
        swing_height_m=value["swing_height_m"] * reach,
        behind_m=value["sensor_behind_ball_m"],
        height_m=value["sensor_height_m"],
        heel_m=value["foot_length_m"],
        ring_m_s2=value["ring_m_s2"] * situation.speed_m_s * (1 - 0.5 * strike),
        ring_hz=per_foot["ring_hz"],
        ring_decay_s=per_foot["ring_decay_ms"] / 1000,
        slope_rad=float(np.arctan(situation.slope_percent / 100)),
    )


def _span(name: str, situation: Situation) -> tuple[float, float]:
    return settings()[situation.gait].span[name]


def _impact_kernel(time_s: Floats, peak_s: float, contact_s: float) -> tuple[Floats, float]:
    """Return the unit impact kernel at ``time_s`` and its integral over the contact, seconds.

    ``u^p exp(p (1 - u))`` with ``u`` time over time to peak, faded linearly to zero at toe-off; the
    integral is the complete gamma one, which a contact of four peak times meets within 1e-4 of the peak.
    """
    p = _KERNEL_POWER
    peak = min(peak_s, contact_s / 5)
    u = time_s / peak
    kernel = u**p * np.exp(p * (1 - u)) * (1 - time_s / contact_s)
    full = peak * exp(p) * factorial(p) / p ** (p + 1)
    first = peak**2 * exp(p) * factorial(p + 1) / p ** (p + 2)
    return kernel, full - first / contact_s


SPLINE_FAMILY: Family = SplineFamily()
