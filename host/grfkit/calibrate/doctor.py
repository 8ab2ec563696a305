"""The force doctor: what is wrong with each plate of a recording, in numbers and one sentence each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording, Surface
from ..signals.treadmill_drift import wander_n
from ..units import G
from .baseline import LEAST_SHIFT_BW, NEAR_ZERO_BW, UnloadedLevel, find_baseline
from .belt_clock import with_belt_clock
from .direction import direction_findings
from .findings import Finding, PlateFindings
from .level_shift import level_shift
from .mass import mass_finding, mean_running_load
from .saturation import saturation
from .vertical import FORCES, MOMENTS, force_channels, force_range, load_axis

_SMALLEST_WEIGHT_N = 250.0
"""Body weight (N) assumed at the least, a child's; chosen by hand."""
_PEAK_BW = 1.3
"""Peak load (BW) by which a body weight is guessed where no mass is given: about a walk's; chosen by hand."""
_REPORTED_OFFSET_BW = 0.002
"""Offset (BW) that is worth a sentence: 1.5 N of 75 kg, about a plate's resolution; chosen by hand."""
_SEVERE_OFFSET_BW = 0.02
"""Offset, or noise (BW), that is warned of; chosen by hand: it moves a 20 N threshold by most of itself."""
_WANDER_BW = 0.01
"""Wander (BW) of an unloaded level that is worth a sentence or a correction; chosen by hand."""
_LOAD_BW, _NEARLY_ALL_PERCENT = 0.3, (5.0, 95.0)
"""Load (BW) that nearly all samples exceed where the foot never leaves the plate, and the percentiles that are nearly
all; chosen by hand."""
_AXIS_BW = 0.3
"""Range of force (BW) from which on the axis that carries it is told from the data; chosen by hand."""
_STANCE_BW, _DEEP_PERCENT = 0.1, 10.0
"""Distance (BW) from the unloaded level beyond which a sample is one of stance, and the percentile of these that stands
for a downward stance's peak; chosen by hand."""
_WANDER_NOISES = 3.0
"""Wander of the baseline, in SDs of its noise, that is drift; chosen by hand: three SDs."""

_SUBTRACT, _SUBTRACTED = "subtract it", "it was subtracted"
_ASK_FOR_ZERO = "ask for it to be subtracted (--correct zero)"


@dataclass(frozen=True)
class _Plate:
    """One plate as the checks see it: the vertical channel as recorded, and which way is up."""

    name: str
    stream: xr.Dataset
    axis: str
    up: int
    values: Floats
    base: UnloadedLevel
    weight_n: float
    mass_given: bool

    def share(self, newtons: float) -> str:
        """Return ``"12.3 N (1.8 % BW)"``, saying so where the body weight is assumed."""
        of = "BW" if self.mass_given else f"an assumed {self.weight_n:.0f} N"
        return f"{newtons:.1f} N ({100.0 * newtons / self.weight_n:.1f} % of {of})".replace("% of BW", "% BW")


def examine(
    recording: Recording, *, surface: Surface | None = None, mass_kg: float | None = None, forward: str = ""
) -> list[PlateFindings]:
    """Return what is wrong, or worth knowing, about each force plate of a recording.

    Checked per plate: vertical axis, sign, zero offset, drift, noise, saturation; and over all plates of a
    running trial the mean vertical force of complete strides against body weight; and of all steps the horizontal
    force (:mod:`~grfkit.calibrate.direction`); of two belts whether they are on one clock. Thresholds are shares of
    body weight (of the largest load / 1.3, at least 250 N, where ``mass_kg`` is not given).

    Parameters
    ----------
    surface
        ``"treadmill"``, ``"overground"``, or None where unknown: flight phases then decide.
    mass_kg
        Body mass; without it the mass check reports the mass that the force amounts to.
    forward
        File axis in which the person walks, ``"+x"``...; braking and propulsion are compared with it.

    A plate that is not in N (counts, volts) is named and not examined: it can be aligned, for that takes shape alone.
    """
    # the body weight scales every threshold. First that of the force itself, for a mistyped mass must not hide itself:
    # a guess from the largest load, then the mean load of strides found with it. Only then that of the mass
    weight = _weight_of(recording.of_kind("force_plate"))
    findings = _plates(recording, weight, surface, mass_given=False)
    mean = None if surface == "overground" else mean_running_load(recording, findings, weight_n=weight)
    if mean is not None:
        weight = mean[0]
        findings = _plates(recording, weight, surface, mass_given=False)
        mean = mean_running_load(recording, findings, weight_n=weight)
    if mass_kg:
        weight = mass_kg * G
        findings = _plates(recording, weight, surface, mass_given=True)
    overall = [] if mean is None else [mass_finding(*mean, mass_kg=mass_kg)]
    overall += direction_findings(recording, findings, weight_n=weight, surface=surface, forward=forward)
    findings = with_belt_clock(recording, findings, surface)
    if overall:
        findings.append(PlateFindings(plate="all", findings=overall, body_weight_n=weight))
    return findings


def _plates(recording: Recording, weight_n: float, surface: Surface | None, *, mass_given: bool) -> list[PlateFindings]:
    every = recording.of_kind("force_plate")
    plates = {name: data for name, data in every.items() if _in_newtons(data)}
    unlike = [_not_newtons(name, data, weight_n) for name, data in every.items() if name not in plates]
    examined = {name: _look(name, data, weight_n, surface, mass_given) for name, data in plates.items()}
    signs = {
        p.base.direction * p.up for p in examined.values() if p is not None and p.base.certain and p.base.direction
    }
    # a plate that never changes does not show its sign: it gets that of the others, where these agree
    sign = signs.pop() if len(signs) == 1 else 0
    return [_no_force(n, weight_n) if p is None else _examined(p, sign) for n, p in examined.items()] + unlike


def _in_newtons(data: xr.Dataset) -> bool:
    return all(str(data[name].attrs.get("units", "unknown")) == "N" for name in force_channels(data))


def _not_newtons(name: str, data: xr.Dataset, weight_n: float) -> PlateFindings:
    units = ", ".join(sorted({str(data[n].attrs.get("units", "unknown")) for n in force_channels(data)}))
    text = f"force channels are in {units}, not in N: aligned by shape, not examined; calibrate before using as a force"
    finding = Finding(code="not_newtons", severity="warning", text=text)
    return PlateFindings(plate=name, findings=[finding], body_weight_n=weight_n)


def _weight_of(plates: dict[str, xr.Dataset]) -> float:
    spans = [
        force_range(np.asarray(data[name].values, dtype=np.float64))
        for data in plates.values()
        if _in_newtons(data)
        for name in force_channels(data)
    ]
    return max(_SMALLEST_WEIGHT_N, max(spans, default=0.0) / _PEAK_BW)


def _look(name: str, stream: xr.Dataset, weight_n: float, surface: Surface | None, mass_given: bool) -> _Plate | None:
    here = force_channels(stream)
    if not any(np.isfinite(stream[channel].values).any() for channel in here):
        return None
    stated = str(stream.attrs.get("vertical", ""))
    spans = {n[1]: force_range(np.asarray(stream[n].values, dtype=np.float64)) for n in here}
    # on a plate that nobody loads noise and crosstalk decide which axis ranges most: there the file's word is taken
    loaded = max(spans.values()) > _AXIS_BW * weight_n
    axis = (load_axis(stream) if loaded else "") or stated[1:] or max(spans, key=lambda a: spans[a])
    if f"f{axis}" not in here:
        axis = here[0][1]
    values = np.asarray(stream[f"f{axis}"].values, dtype=np.float64)
    rate = float(stream.attrs["rate_hz"])
    base = find_baseline(values, rate_hz=rate, weight_n=weight_n, flights_expected=surface != "overground")
    return _Plate(name, stream, axis, -1 if stated == f"-{axis}" else 1, values, base, weight_n, mass_given)


def _no_force(name: str, weight_n: float) -> PlateFindings:
    text = "holds no force sample; expected fx, fy, fz in N; leave the plate out or read the file again"
    return PlateFindings(
        plate=name, findings=[Finding(code="no_force", severity="error", text=text)], body_weight_n=weight_n
    )


def _examined(plate: _Plate, sign: int) -> PlateFindings:
    """Return the findings of one plate; ``sign`` is that of load on the other plates, 0 unknown."""
    checks = (
        _axis(plate),
        _sign(plate),
        _zero(plate, sign),
        _drift(plate),
        _noise(plate),
        saturation(plate.stream, plate.weight_n),
    )
    direction = plate.base.direction * plate.up or _stance_sign(plate)
    mark = "-" if plate.up < 0 else "+"
    return PlateFindings(
        plate=plate.name,
        findings=[f for f in checks if f is not None],
        vertical=f"{mark}{plate.axis}",
        sign=-1 if direction < 0 else 1,
        zero=_zeros(plate),
        body_weight_n=plate.weight_n,
    )


def _axis(plate: _Plate) -> Finding | None:
    stated = str(plate.stream.attrs.get("vertical", ""))
    if len(force_channels(plate.stream)) < 2 or stated[1:] == plate.axis or plate.base.state == "idle":
        return None
    span = force_range(plate.values)
    statement = f"the file says '{stated}'" if stated else "the file names none"
    what = f"the load is along {plate.axis} (its force ranges over {plate.share(span)}) but {statement} as vertical"
    return Finding(
        code="vertical_axis", severity="error" if stated else "warning", value=span,
        text=f"{what}; take {plate.axis} as vertical (--correct vertical)",
        done=f"{what}; {plate.axis} was taken as vertical", certain=load_axis(plate.stream) == plate.axis,
    )  # fmt: skip


def _stance_sign(plate: _Plate) -> int:
    """Return -1 or 1 where nearly all samples are a load of one sign, 0 otherwise."""
    finite = plate.values[np.isfinite(plate.values)]
    low, high = np.percentile(finite, _NEARLY_ALL_PERCENT) * plate.up
    if plate.base.state == "none" and low > _LOAD_BW * plate.weight_n:
        return 1
    return -1 if plate.base.state == "none" and high < -_LOAD_BW * plate.weight_n else 0


def _sign(plate: _Plate) -> Finding | None:
    direction = plate.base.direction * plate.up or _stance_sign(plate)
    if direction >= 0:
        return None
    upward = plate.values[np.isfinite(plate.values)] * plate.up
    below = upward - plate.base.level_n * plate.up
    loaded = below[below < -_STANCE_BW * plate.weight_n]
    stance = float(np.percentile(loaded, _DEEP_PERCENT)) if loaded.size else float(below.min())
    # negative as recorded too: then no choice of the level makes a load of it
    negative = stance + plate.base.level_n * plate.up < -_LOAD_BW * plate.weight_n
    certain = (plate.base.certain or negative) and stance < -_LOAD_BW * plate.weight_n
    diagnosis = "the file holds the force applied to the plate"
    advice = f"{diagnosis}; turn forces and moments round"
    doubt = (
        "the file may hold the force applied to the plate, or the level may be a load; check, then ask for forces and"
        " moments to be turned round (--correct sign)"
    )
    what = (
        f"the vertical force is {plate.share(stance)} in stance against its quiet level, expected positive"
        " (up, on the foot)"
    )
    return Finding(
        code="sign", severity="warning" if certain else "info", text=f"{what}: {advice if certain else doubt}",
        done=f"{what}: {diagnosis}; forces and moments were turned round", value=stance, certain=certain,
    )  # fmt: skip


def _zero(plate: _Plate, sign: int) -> Finding | None:
    base, level = plate.base, plate.base.level_n * plate.up
    if base.state == "none":
        text = (
            "no unloaded stretch was seen, so the zero cannot be checked; expected some seconds (or the"
            " flight phases of running) with nothing on the plate; record one"
        )
        return Finding(code="no_baseline", severity="info", text=text)
    if base.state == "idle":
        return _idle(plate, level, sign)
    if abs(level) < _REPORTED_OFFSET_BW * plate.weight_n:
        return None
    where = f"in {base.flights.size} flight phases" if base.flights else "over the quiet unloaded stretches"
    doubt = f"it may be a load: check, then {_ASK_FOR_ZERO}"
    severe = abs(level) > _SEVERE_OFFSET_BW * plate.weight_n
    return Finding(
        code="zero_offset", severity="warning" if severe else "info", value=level, certain=base.certain,
        text=f"the vertical force is {plate.share(level)} {where}, expected 0; {_SUBTRACT if base.certain else doubt}",
        done=f"the vertical force was {plate.share(level)} {where}, expected 0; {_SUBTRACTED}",
    )  # fmt: skip


def _idle(plate: _Plate, level: float, sign: int) -> Finding:
    base = plate.base
    away = sign != 0 and level * sign < 0
    if abs(level) > NEAR_ZERO_BW * plate.weight_n:
        certain = away and base.wander_n <= _WANDER_BW * plate.weight_n
        doubt = (
            f"which no load on it can be, as the other plates show the sign; {_SUBTRACT if certain else _ASK_FOR_ZERO}"
            if away
            else f"which may be a load that stays or an offset; if nothing stood on it, {_ASK_FOR_ZERO}"
        )
        what = f"{plate.share(level)} without a change during the recording"
        return Finding(
            code="constant_load", severity="warning", text=f"the plate shows {what}, {doubt}", value=level,
            done=f"the plate showed {what}; {_SUBTRACTED}", certain=certain,
        )  # fmt: skip
    if base.wander_n > _WANDER_BW * plate.weight_n:
        text = (
            f"the plate was not stepped on, yet its level wanders by {plate.share(base.wander_n)} (SD) around"
            f" {level:.1f} N, expected a constant; leave it out or warm it up"
        )
        done = f"{text.partition(';')[0]}; its median was subtracted, the wander stays"
        return Finding(code="wandering_zero", severity="warning", text=text, done=done, value=base.wander_n)
    if abs(level) >= _REPORTED_OFFSET_BW * plate.weight_n:
        doubt = _SUBTRACT if base.certain else f"if nothing stood on it, {_ASK_FOR_ZERO}"
        return Finding(
            code="zero_offset", severity="info", value=level, certain=base.certain,
            text=f"the plate was not stepped on and shows {plate.share(level)}, expected 0; {doubt}",
            done=f"the plate was not stepped on and showed {plate.share(level)}, expected 0; {_SUBTRACTED}",
        )  # fmt: skip
    text = f"the plate was not stepped on (level {plate.share(level)})"
    return Finding(code="unloaded", severity="info", text=text, value=level)


def _drift(plate: _Plate) -> Finding | None:
    base = plate.base
    if base.flights is None:
        return _level_shift(plate)
    if base.shifts:
        return _shift(plate)
    values = base.flights.values(plate.values)
    wander = wander_n(values)
    limit = max(_WANDER_NOISES * base.noise_n, _WANDER_BW * plate.weight_n)
    if wander <= limit / 2.0:
        return None
    clear = wander > limit
    certain = clear and base.certain
    advice = (
        "subtract the spline through it" if certain else "leave it, or ask for it to be corrected (--correct drift)"
    )
    what = (
        f"the baseline of {values.size} flight phases wanders over {plate.share(wander)}, expected within"
        f" {limit:.1f} N (3 times its noise, at least 1 % BW)"
    )
    return Finding(
        code="drift", severity="warning" if clear else "info", text=f"{what}; {advice}", value=wander, certain=certain,
        done=f"{what}; the spline through it was subtracted",
    )  # fmt: skip


def _level_shift(plate: _Plate) -> Finding | None:
    shift = level_shift(plate.values, rate_hz=float(plate.stream.attrs["rate_hz"]), weight_n=plate.weight_n)
    if shift is None:
        return None
    jump = plate.up * shift.jump_n
    text = (
        f"the unloaded level shifts by {plate.share(jump)} at {shift.time_s:.2f} s and stays there, expected one level:"
        " the zero moved, or something lies on the plate; no zero fits both parts: cut the recording there, or leave"
        " one part out"
    )
    return Finding(code="level_shift", severity="warning", text=text, value=jump)


def _shift(plate: _Plate) -> Finding:
    base, time = plate.base, np.asarray(plate.stream["time"].values, dtype=np.float64)
    largest = max(base.shifts, key=lambda shift: abs(shift.jump_n))
    up = base.direction * plate.up
    places = ", ".join(f"{up * s.jump_n:+.1f} N at {time[s.sample]:.2f} s" for s in base.shifts)
    what = (
        f"the baseline of the flight phases jumps ({places}), expected within {100 * LEAST_SHIFT_BW:g} % BW: the zero"
        " was set anew, or a cable, the amplifier or the belt moved"
    )
    advice = "subtract it piece by piece" if base.certain else "ask for it to be subtracted (--correct drift)"
    return Finding(
        code="zero_shift", severity="warning", text=f"{what}; {advice}", value=up * largest.jump_n,
        certain=base.certain,
        done=f"{what}; the baseline was subtracted piece by piece; leave out the contact at each jump",
    )  # fmt: skip


def _noise(plate: _Plate) -> Finding | None:
    base = plate.base
    if not base.unloaded.any():
        return None
    loud = base.noise_n > _SEVERE_OFFSET_BW * plate.weight_n
    if base.noise_n == 0.0 and not loud:
        text = "the unloaded force is constant: small forces were set to one value before the file was written"
    else:
        text = f"the unloaded noise is {plate.share(base.noise_n)} (SD), expected at most 2 % BW"
        text += "; look for vibration or a loose cable" if loud else ""
    return Finding(code="noise", severity="warning" if loud else "info", text=text, value=base.noise_n)


def _zeros(plate: _Plate) -> dict[str, float]:
    """Return the unloaded median of every force and moment channel."""
    mask = plate.base.unloaded
    if not mask.any():
        return {}
    zeros = {}
    for name in (*FORCES, *MOMENTS):
        if name in plate.stream:
            values = np.asarray(plate.stream[name].values, dtype=np.float64)[mask]
            zeros[name] = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
    # the vertical one as the finding states it: the median over flights, in which short flights weigh as long ones
    if plate.base.flights is not None:
        zeros[f"f{plate.axis}"] = plate.base.level_n
    return zeros
