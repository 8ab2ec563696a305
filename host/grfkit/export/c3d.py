"""C3D: force plates of type 2, markers, further analog channels and events, through ezc3d and read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..formats.c3d import parse_c3d
from ..formats.write_c3d import C3dChannel, C3dEvent, C3dPlate, write_c3d
from ..gait.plate_force import PlateForce, same_clock
from .ground import LOADED_N, ground_axes
from .one_clock import between, regular
from .opensim import marker_positions, markers_at_the_plates
from .source import ExportSource, ExportStream, require_newtons
from .stretches import known_stretch

_SLOWEST_HZ = 100.0
"""Rate of frames where there are no markers, if it divides the plates' rate."""
MOST_FRAMES = 65535
"""Frames that a C3D header counts: ezc3d and others read no more, even where a parameter names more."""
_SAME_S = 1e-6
_LABELS = {"ic": "Foot Strike", "to": "Foot Off"}
_CONTEXTS = {"left": "Left", "right": "Right", "": "General"}
_FLOAT32 = 2e-7
"""How far a 32-bit float may be from the number it stores, as a share of it, with room for the moments' sums."""


@dataclass(frozen=True)
class _Clock:
    """Times of analog samples, a whole number of which are a frame."""

    at_s: Floats
    rate_hz: float
    per_frame: int

    @property
    def frame_hz(self) -> float:
        return self.rate_hz / self.per_frame


def write_trial_c3d(path: Path, source: ExportSource, *, named: bool, unknown: str) -> list[str]:
    """Write a trial as C3D, read it back, and return what was noticed.

    Parameters
    ----------
    named
        Whether the user named the streams: then wearables among them are written as analog channels too.

    Raises
    ------
    BadInputError
        If there is no plate with corners, the plates' clocks differ, something is unknown in a channel and that is to
        be refused, or what is read back differs.
    """
    notes: list[str] = []
    plates = _plates(source)
    streams = _channels(source, named=named, notes=notes)
    marks = _markers(source, plates, notes)
    clock = _clock(next(iter(plates.values())), marks)
    wrenches = {name: _wrench(source, name, plate) for name, plate in plates.items()}
    any_plate = next(iter(plates.values()))
    table = np.concatenate(list(wrenches.values()), axis=1)
    if any_plate.time_s.size != clock.at_s.size or np.abs(any_plate.time_s - clock.at_s).max() > _SAME_S:
        notes.append(f"plates: taken to even steps of {1e3 / clock.rate_hz:g} ms by straight lines between samples")
        table = between(any_plate.time_s, table, clock.at_s)
    further = [(s, between(s.time_s, np.stack([c.values for c in s.columns], axis=1), clock.at_s)) for s in streams]
    known = np.isfinite(table).all(axis=1)
    for _, values in further:
        known &= np.isfinite(values).all(axis=1)
    part = _whole_frames(
        known_stretch(clock.at_s, known, what="every analog channel", unknown=unknown, notes=notes), clock
    )
    at = clock.at_s[part]
    names, points = _points(marks, at[:: clock.per_frame])
    made = [C3dPlate(np.asarray(p.corners_m), table[part, 6 * k : 6 * k + 6]) for k, p in enumerate(plates.values())]
    channels = [C3dChannel(c.name, c.unit, values[part, k]) for s, values in further for k, c in enumerate(s.columns)]
    events = [
        C3dEvent(e.time_s - float(at[0]), _LABELS[e.kind], _CONTEXTS[e.side])
        for e in source.events
        if at[0] <= e.time_s <= at[-1]
    ]
    facts = {"START_S": [f"{at[0]:.9g}"], "INPUTS": [f"{i.name} SHA-256 {i.sha256}" for i in source.inputs]}
    write_c3d(
        path, made, points * 1e3, names, point_rate_hz=clock.frame_hz, analog_rate_hz=clock.rate_hz,
        channels=channels, events=events, facts=facts,
    )  # fmt: skip
    _check_back(path, points, channels, at.size)
    notes.append(f"begins at {at[0]:.3f} s of the trial, which is 0 s in the file (GRFKIT:START_S)")
    return notes


def _plates(source: ExportSource) -> dict[str, PlateForce]:
    if not source.plates:
        raise BadInputError("holds no force plate; --to csv, parquet or mat take any stream")
    require_newtons(source)
    first = next(iter(source.plates.values()))
    for name, plate in source.plates.items():
        short = name.removeprefix("reference/")
        if plate.corners_m is None or plate.force_n is None:
            raise BadInputError(
                f"'{short}' has no {'corners' if plate.corners_m is None else 'force vector'}, and a C3D plate needs"
                " that; --to opensim or csv take it as it is"
            )
        if not same_clock(plate, first):
            raise BadInputError("its plates are on different clocks or rates; take those of one with --stream")
    return source.plates


def _channels(source: ExportSource, *, named: bool, notes: list[str]) -> list[ExportStream]:
    others = [s for s in source.streams if s.kind not in ("force_plate", "landmarks")]
    taken = [s for s in others if named or s.name.startswith("reference/")]
    left = [s.name for s in others if s not in taken]
    if left:
        notes.append(
            f"left out: {', '.join(left)} (an analog channel cannot say that a value is unknown); --stream names what"
            " is to be written all the same"
        )
    return [replace(s, columns=tuple(c for c in s.columns if c.channel != "time_device")) for s in taken]


def _markers(source: ExportSource, plates: dict[str, PlateForce], notes: list[str]) -> ExportStream | None:
    if not any(s.kind == "landmarks" for s in source.streams):
        return None
    try:
        axes = ground_axes(plates, "")
    except BadInputError as error:
        notes.append(f"no markers: {error}")
        return None
    return markers_at_the_plates(source, axes, notes)


def _clock(plate: PlateForce, marks: ExportStream | None) -> _Clock:
    time = plate.time_s[np.isfinite(plate.time_s)]
    rate = 1.0 / float(np.median(np.diff(time)))
    rate = float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate
    wanted = marks.rate_hz if marks is not None else min(_SLOWEST_HZ, rate)
    # as many samples in a frame as there are, that the frames are no slower than the markers
    per_frame = max(1, int(np.floor(rate / wanted + 1e-3)))
    if marks is None:
        frames = (time[-1] - time[0]) * rate / MOST_FRAMES
        per_frame = _even(rate, max(per_frame, int(np.ceil(frames))))
    at = regular(float(time[0]), float(time[-1]), rate)
    return _Clock(at[: at.size - at.size % per_frame], rate, per_frame)


def _even(rate_hz: float, least: int) -> int:
    """Return how many samples make a frame: the fewest from ``least`` on with a whole frame rate, else ``least``."""
    whole = (n for n in range(least, int(rate_hz) + 1) if abs(rate_hz / n - round(rate_hz / n)) < 1e-9 * rate_hz)
    return next(whole, least)


def _whole_frames(part: slice, clock: _Clock) -> slice:
    size = (part.stop - part.start) // clock.per_frame * clock.per_frame
    if not size:
        raise BadInputError(f"what is known is shorter than a frame of {1e3 / clock.frame_hz:g} ms")
    if size > MOST_FRAMES * clock.per_frame:
        raise BadInputError(
            f"has {size // clock.per_frame} frames at {clock.frame_hz:g} Hz, and readers of C3D stop at {MOST_FRAMES}:"
            " leave the markers out by naming the plates with --stream, align a shorter part, or --to csv"
        )
    return slice(part.start, part.start + size)


def _wrench(source: ExportSource, name: str, plate: PlateForce) -> Floats:
    """Return force on the foot (N) and moment about the middle of the surface (N m), shape (samples, 6)."""
    stream = source.raw[name]
    assert plate.force_n is not None
    raw = np.stack([np.asarray(stream[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
    sign = -1.0 if np.nansum(raw * plate.force_n) < 0 else 1.0
    if all(f"m{a}" in stream for a in "xyz"):
        moment = sign * np.stack([np.asarray(stream[f"m{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
    else:
        moment = _moment_of_cop(source, name, plate, sign)
    return np.concatenate([plate.force_n, moment], axis=1)


def _moment_of_cop(source: ExportSource, name: str, plate: PlateForce, sign: float) -> Floats:
    """Return the moment about the middle of the surface, of centre of pressure and free moment; 0 while unloaded."""
    assert plate.force_n is not None
    assert plate.corners_m is not None
    stream = source.raw[name]
    if plate.cop_m is None or "free_moment" not in stream:
        raise BadInputError(
            f"'{name.removeprefix('reference/')}' has neither moments nor a free moment; --to csv takes it"
        )
    up = ground_axes({name: plate}, "").up
    free = sign * np.asarray(stream["free_moment"].values, dtype=np.float64)
    moment = np.cross(plate.cop_m - plate.corners_m.mean(axis=0), plate.force_n) + free[:, None] * up
    unloaded: NDArray[np.bool_] = (np.abs(plate.up_n) < LOADED_N) & ~np.isfinite(moment).all(axis=1)
    moment[unloaded] = 0.0
    return np.asarray(moment)


def _points(marks: ExportStream | None, at_s: Floats) -> tuple[list[str], Floats]:
    if marks is None:
        return [], np.empty((at_s.size, 0, 3))
    names, position = marker_positions(marks)
    at = between(marks.time_s, position.reshape(len(position), -1), at_s)
    return names, at.reshape(at_s.size, len(names), 3)


def _check_back(path: Path, points: Floats, channels: list[C3dChannel], samples: int) -> None:
    """Refuse a file from which something else is read: ezc3d counts frames in 16 bits, and names have a length."""
    file = parse_c3d(path.read_bytes())
    if file.analog.shape[0] != samples or (points.size and file.points.shape[0] != len(points)):
        raise BadInputError(
            f"cannot be written as C3D: {samples} samples and {len(points)} frames are read back as"
            f" {file.analog.shape[0]} and {file.points.shape[0]}; cut the trial, or --to csv"
        )
    for channel, back in zip(channels, file.analog.T[-len(channels) :] if channels else ()):
        top = float(np.abs(channel.values).max()) if channel.values.size else 0.0
        if np.abs(back - channel.values).max() > _FLOAT32 * max(top, 1e-30):
            raise BadInputError(f"cannot be written as C3D: channel '{channel.label}' is read back as other numbers")
