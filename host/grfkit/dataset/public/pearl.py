"""Benchmark E: IMUs on both shoes to the three forces under each, treadmill walking, normal and with a stiff knee.

Pearl et al. 2022 (doi 10.21203/rs.3.rs-1902381/v1). The clocks of IMUs and belts are apart, and those of the two
belts, too: :mod:`.pearl_clock` aligns them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...gait.contacts import ContactRule, contacts_from_force, rule_of
from ...gait.cop_path import NOT_KNOWN, cop_path
from ...gait.shoe_axes import AXES_OF_SHOES, ShoeAxes, shoe_axes
from ...gait.temporal import strides_of_foot
from ...provenance import Provenance, describe_input
from ...records.clock import ClockMap
from ...records.stance_set import AXES, StanceSet, make_stance_set
from ...records.target_units import COP_AXES, Targets
from ...signals.filters import lowpass
from ...units import G
from ..cop_target import target_window
from ..cut import LATERAL
from ..motion import SIDES, Side
from ..resample import check_window, continuous_starts, linear, resampled, stance_times
from .pearl_clock import CLOCKS, NO_CLOCK, ClockSource, belt_clocks, belt_times, sensor_times
from .pearl_trials import RATE_HZ, SHOE, SITES, WalkTrial, condition_of, read_people, read_trial

CONDITIONS = ("normal", "stiff knee")
CHANNELS = tuple(f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz")
"""Of one sensor; those of a site other than the own shoe carry its name before them, as ``other_toes_acc_x``."""
_LEAST_BW = 0.3
"""Vertical force (BW) that a foot on its belt exceeds, as in every other set."""
BESIDE = "beside the plates"
NOT_WHOLE = "clock unknown, or a sample missing, within the stance"


@dataclass(frozen=True)
class PearlSettings:
    """What the windows hold.

    Attributes
    ----------
    sites
        Sensors whose signals are inputs: ``toes`` (the foot's own shoe), ``other_toes``, ``tibia``, ``other_tibia``,
        ``femur``, ``other_femur``, ``pelvis``, ``torso``.
    axes
        Axes of the shoes' sensors, see :func:`~grfkit.gait.shoe_axes.shoe_axes`; those of the other sites
        are always the sensors' own.
    clock
        What aligns each belt's force with the sensors, see :func:`~grfkit.dataset.public.pearl_clock.belt_clocks`.
    mirror
        Turn left feet into right ones.
    force_lowpass_hz, imu_lowpass_hz
        Zero-lag cut-offs for whole records before anything is cut; 0 filters nothing.
    window_s, overlap
        Of continuous windows, at the recorded 100 Hz.
    targets
        ``force`` (BW), or ``cop``: the belts' centre of pressure on the belt (mm), of stances.
    """

    sites: tuple[str, ...] = ("toes", "other_toes")
    axes: ShoeAxes = "walking"
    clock: ClockSource = "grf-sync or momentum"
    mirror: bool = True
    force_lowpass_hz: float = 0.0
    imu_lowpass_hz: float = 20.0
    window_s: float = 2.0
    overlap: float = 0.0
    targets: Targets = "force"

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        for name, values, allowed in (
            ("site", self.sites, SITES),
            ("axes", (self.axes,), AXES_OF_SHOES),
            ("clock", (self.clock,), CLOCKS),
        ):
            unknown = [v for v in values if v not in allowed]
            if unknown or not values:
                raise BadInputError(f"{name} is '{', '.join(unknown)}', expected one of {', '.join(allowed)}")


@dataclass
class _Found:
    """Windows found so far, a list entry each, and the counts of those left out."""

    inputs: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    of: list[tuple[WalkTrial, Side, float, float, float]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def load(
    folder: PathLike,
    *,
    window: str = "stance",
    points: int = 101,
    cut: str = "force",
    rule: ContactRule | str = "5%BW",
    settings: PearlSettings | None = None,
    conditions: Sequence[str] = CONDITIONS,
    participants: Sequence[str] | None = None,
) -> StanceSet:
    """Return windows of one foot each: signals of shoe IMUs in m/s^2 and rad/s, three forces in BW of the true mass.

    Body weight is that of the weighed mass. Each belt carries one foot. ``start_s`` is on the sensors' clock. Walks
    with an imitated stiff knee are the condition ``stiff knee``, all others ``normal``.

    Parameters
    ----------
    folder
        With ``participants.csv`` and ``trials/*.npz``.
    rule
        Cuts stances from each belt's force, with a walker's limits.
    participants
        People to take, all by default.

    Raises
    ------
    BadInputError
        If the folder holds no such recordings, one of ``participants`` or ``conditions`` does not exist, or a window
        or cut does not.

    Notes
    -----
    What is left out is counted: stances (or windows) of belts whose clock was refused, in stretches that follow no
    clock, and the contacts that the rule rejects.
    """
    check_window(window, cut)
    settings, folder = settings or PearlSettings(), Path(folder)
    if settings.targets == "cop" and window != "stance":
        raise BadInputError("the centre of pressure is learnt of stances; leave out window='continuous'")
    _check_conditions(conditions)
    found, files = _Found(), []
    limits = rule_of(rule).walking()
    for path, trial in _trials(folder, conditions, participants):
        files.append(describe_input(path))
        clocks = belt_clocks(trial, settings.clock)
        walk, by_site = _low_passed(trial, settings), _signals(trial, settings)
        for side in SIDES:
            if window == "stance":
                _stances(found, walk, side, clocks[side], by_site[side], limits, points, settings.targets)
            else:
                _continuous(found, walk, side, clocks[side], by_site[side], settings)
    files.append(describe_input(folder / "participants.csv"))
    return _gathered(found, window, cut, settings, Provenance(configuration=_about(settings), inputs=files))


def _check_conditions(conditions: Sequence[str]) -> None:
    unknown = [c for c in conditions if c not in CONDITIONS]
    if unknown or not conditions:
        raise BadInputError(f"condition is '{', '.join(unknown)}', expected one or both of {', '.join(CONDITIONS)}")


def _about(settings: PearlSettings) -> dict[str, object]:
    """Return the configuration that a set carries."""
    about: dict[str, object] = {
        "mass_source": "stated",
        "clock": settings.clock,
        "axes": settings.axes,
        "sites": list(settings.sites),
    }
    return about | ({"targets": "cop"} if settings.targets == "cop" else {})


def _trials(
    folder: Path, conditions: Sequence[str], participants: Sequence[str] | None
) -> Iterator[tuple[Path, WalkTrial]]:
    people = read_people(folder)
    missing = [p for p in participants or () if p not in people]
    paths = sorted((folder / "trials").glob("*.npz"))
    if missing or not paths:
        what = ", ".join(missing) or "trials/*.npz"
        raise BadInputError(f"{folder}: holds no {what}; fetch the recordings first")
    for path in paths:
        person = path.stem.split("_")[0]
        if condition_of(path.stem) in conditions and (participants is None or person in participants):
            yield path, read_trial(path, people)


def _low_passed(trial: WalkTrial, settings: PearlSettings) -> WalkTrial:
    if not settings.force_lowpass_hz:
        return trial
    return trial.with_force(lowpass(trial.force_n, rate_hz=RATE_HZ, cutoff_hz=settings.force_lowpass_hz))


def _signals(trial: WalkTrial, settings: PearlSettings) -> dict[Side, Floats]:
    """Return for each foot the inputs of the whole record, shape (samples, channels), a left one mirrored."""
    turned: dict[str, Floats] = {}
    for column, sensor in enumerate(trial.sensors):
        acc, gyro = trial.acc_m_s2[:, column], trial.gyro_rad_s[:, column]
        if sensor.startswith(SHOE):
            acc, gyro = shoe_axes(acc, gyro, rate_hz=RATE_HZ, axes=settings.axes)
        both = np.concatenate([acc, gyro], axis=1)
        cutoff = settings.imu_lowpass_hz
        turned[sensor] = lowpass(both, rate_hz=RATE_HZ, cutoff_hz=cutoff) if cutoff else both
    # mirrored as a vector (y) and as a rotation (x and z)
    sign = np.asarray([-1.0 if c in LATERAL else 1.0 for c in CHANNELS])
    return {
        side: np.concatenate(
            [turned[_sensor(site, side)] * (sign if settings.mirror and side == "left" else 1.0)
             for site in settings.sites], axis=1
        )
        for side in SIDES
    }  # fmt: skip


def _sensor(site: str, side: Side) -> str:
    """Return the sensor of a site as seen from a foot: ``other_toes`` of a left foot are ``toes_r``."""
    if site in ("pelvis", "torso"):
        return site
    own = side if not site.startswith("other_") else SIDES[1 - SIDES.index(side)]
    return f"{site.removeprefix('other_')}_{own[0]}"


def _channel_names(sites: Sequence[str]) -> list[str]:
    return [c if site == "toes" else f"{site}_{c}" for site in sites for c in CHANNELS]


def foot_force(trial: WalkTrial, side: Side) -> Floats:
    """Return up, forward and medial force of a foot in BW, shape (samples, 3)."""
    forward, up, right = trial.force_n[:, SIDES.index(side)].T
    # medial is to the right of a left foot, and to the left of a right one
    return np.stack([up, forward, right if side == "left" else -right], axis=1) / (trial.mass_kg * G)


def _stances(
    found: _Found,
    trial: WalkTrial,
    side: Side,
    clock: ClockMap | None,
    signals: Floats,
    rule: ContactRule,
    points: int,
    targets: Targets,
) -> None:
    """Add the stances of one foot."""
    target, time = foot_force(trial, side), trial.time_s
    contacts = contacts_from_force(time, target[:, 0] * trial.mass_kg * G, rule=rule, mass_kg=trial.mass_kg)
    found.left_out.update(contacts.rejected)
    if clock is None:
        found.left_out[NO_CLOCK] += len(contacts.ic_s)
        return
    for ic, to, stride_s in zip(contacts.ic_s, contacts.to_s, strides_of_foot(contacts.ic_s)):
        at = stance_times(float(ic), float(to), points)
        force, at_sensor = linear(time, target, at), sensor_times(clock, at)
        whole = np.isfinite(at_sensor).all() and np.isfinite(force).all()
        values = resampled(time, signals, at_sensor) if whole else np.full((points, signals.shape[1]), np.nan)
        if not np.isfinite(values).all():
            found.left_out[NOT_WHOLE] += 1
        elif force[:, 0].max() < _LEAST_BW:
            found.left_out[BESIDE] += 1
        elif isinstance(target_of := _path(trial, side, at, force[:, 0]) if targets == "cop" else force, str):
            found.left_out[target_of] += 1
        else:
            of_stance, weight = target_window(target_of, np.ones(points))
            found.inputs.append(values)
            found.targets.append(of_stance)
            found.weight.append(weight)
            found.of.append((trial, side, float(at_sensor[0]), float(to - ic), float(stride_s)))


def _path(trial: WalkTrial, side: Side, at: Floats, up_bw: Floats) -> Floats | str:
    """Return the centre of pressure (mm) of a stance on its belt, or why it has none."""
    if trial.cop_m is None:
        return NOT_KNOWN
    forward, _, right = linear(trial.time_s, trial.cop_m[:, SIDES.index(side)], at).T
    lab = np.stack([forward, -right], axis=1)
    return cop_path(lab, up_bw, at, belt_m_s=trial.speed_m_s, medial_sign=1.0 if side == "right" else -1.0)


def _continuous(
    found: _Found, trial: WalkTrial, side: Side, clock: ClockMap | None, signals: Floats, settings: PearlSettings
) -> None:
    """Add the continuous windows of one foot, which begin on samples of the sensors."""
    size = round(settings.window_s * RATE_HZ)
    begins = continuous_starts(0, len(signals) - 1, window_s=size - 1, overlap=settings.overlap)
    target = foot_force(trial, side)
    for begin in np.round(begins).astype(int):
        rows = np.arange(begin, begin + size)
        inside = rows < len(signals)
        rows = np.minimum(rows, len(signals) - 1)
        if clock is None:
            found.left_out[NO_CLOCK] += 1
            continue
        force = linear(trial.time_s, target, belt_times(clock, trial.time_s[rows]))
        counts = np.isfinite(force).all(axis=1) & inside
        if not counts.any():
            found.left_out["force unknown throughout"] += 1
            continue
        found.inputs.append(np.where(inside[:, None], signals[rows], np.nan))
        found.targets.append(np.where(counts[:, None], force, 0.0))
        found.weight.append(counts.astype(np.float64))
        found.of.append((trial, side, float(begin / RATE_HZ), float("nan"), float("nan")))


def _gathered(found: _Found, window: str, cut: str, settings: PearlSettings, provenance: Provenance) -> StanceSet:
    if not found.of:
        raise BadInputError(f"no window was found; left out: {dict(found.left_out)}")
    names = _channel_names(settings.sites)
    trials = [trial for trial, *_ in found.of]
    return make_stance_set(
        np.stack(found.inputs),
        np.stack(found.targets),
        weight=np.stack(found.weight),
        channels=names,
        units=["m/s^2" if "acc_" in n else "rad/s" for n in names],
        labels={
            "participant": [t.participant for t in trials],
            "trial": [t.name for t in trials],
            "surface": ["treadmill"] * len(trials),
            "side": [side for _, side, *_ in found.of],
            "condition": [t.condition for t in trials],
        },
        scalars={
            "mass_kg": [t.mass_kg for t in trials],
            "speed_m_s": [t.speed_m_s for t in trials],
            "slope_percent": [0.0] * len(trials),
            "contact_s": [contact for *_, contact, _ in found.of],
            "stride_s": [stride for *_, stride in found.of],
        },
        window=window,
        cut=cut if window == "stance" else "none",
        source="pearl",
        axes=COP_AXES if settings.targets == "cop" else AXES,
        start_s=[start for _, _, start, *_ in found.of],
        rate_hz=RATE_HZ if window == "continuous" else float("nan"),
        mirrored=settings.mirror,
        excluded=dict(found.left_out),
        provenance=provenance,
    )


def knee_replacements(folder: PathLike) -> tuple[str, ...]:
    """Return the people with a knee replacement, sorted.

    Raises
    ------
    BadInputError
        If the folder holds no ``participants.csv``.
    """
    return tuple(sorted(p.code for p in read_people(Path(folder)).values() if p.knee_replacement))
