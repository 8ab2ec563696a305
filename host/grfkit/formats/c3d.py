"""C3D data section: points, analog values, rotations and events of a file whose sizes were checked first.

Counts come from header and parameters, and must fit the file's size before an array is made of them. A broken file
ends in :class:`~grfkit.errors.BadInputError`.

Source: The C3D File Format, user guide (c3d.org); Theia Markerless, C3D ROTATION group (2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .c3d_layout import C3dLayout, find_layout, frame_counts, frame_field, frame_rate_hz
from .c3d_params import BLOCK, C3dHeader, Parameters, floats, integers, parse_header, parse_parameters
from .timing import HIGHEST_RATE_HZ

LARGEST_BYTES = 4 * 2**30
# A 4 x 4 matrix and its residual
_ROTATION_FLOATS = 17
_SANE = 1e15
"""Numbers beyond this in the data section are no measurement."""


@dataclass(frozen=True)
class Event:
    """A named instant: ``time_s`` from the first sample, ``context`` is ``Left``, ``Right`` or other."""

    label: str
    context: str
    time_s: float


@dataclass(frozen=True)
class C3dFile:
    """Content of a C3D file, scaled, in the file's own units.

    Attributes
    ----------
    points
        Shape (frames, points, 3), NaN where the residual says invalid.
    analog
        Shape (frames * samples per frame, channels): ``(raw - OFFSET) * SCALE * GEN_SCALE``.
    rotations
        Shape (frames, segments, 4, 4), local to global; empty where there are none.
    point_rate_hz, analog_rate_hz, rotation_rate_hz
        0 where the file states no rate.
    start_s
        Time of the first sample: frame 1 is time 0.
    notes
        What the file leaves out or contradicts, one sentence each.
    """

    header: C3dHeader
    parameters: Parameters
    points: Floats
    point_labels: list[str]
    point_unit: str
    analog: Floats
    analog_labels: list[str]
    analog_units: list[str]
    rotations: Floats
    rotation_labels: list[str]
    point_rate_hz: float
    analog_rate_hz: float
    rotation_rate_hz: float
    start_s: float
    events: tuple[Event, ...]
    notes: tuple[str, ...]


def parse_c3d(data: bytes, *, rate_hz: float | None = None) -> C3dFile:
    """Return what the bytes of a C3D file hold.

    Parameters
    ----------
    rate_hz
        Frame rate for a file that states none.

    Raises
    ------
    BadInputError
        If a header, parameter or count does not fit the file, or it is cut.
    """
    header = parse_header(data)
    parameters = parse_parameters(data, header)
    layout, notes = find_layout(len(data), header, parameters)
    rate, remarks = frame_rate_hz(header, parameters, layout, rate_hz)
    points, analog = _frames(data, header, parameters, layout)
    rotations, rotation_rate = _rotations(data, header, parameters, rate)
    first_frame = header.first_frame or frame_field(parameters, "ACTUAL_START_FIELD") or 1
    start_s = (first_frame - 1) / rate
    return C3dFile(
        header=header,
        parameters=parameters,
        points=points,
        point_labels=_labels(parameters, "POINT", layout.points, "point"),
        point_unit=parameters.text("POINT", "UNITS"),
        analog=analog,
        analog_labels=_labels(parameters, "ANALOG", layout.channels, "channel"),
        analog_units=_padded(parameters.texts("ANALOG", "UNITS"), layout.channels),
        rotations=rotations,
        rotation_labels=_labels(parameters, "ROTATION", rotations.shape[1], "segment"),
        point_rate_hz=rate,
        analog_rate_hz=rate * layout.per_frame,
        rotation_rate_hz=rotation_rate,
        start_s=start_s,
        events=_events(header, parameters, start_s),
        notes=tuple(notes + remarks),
    )


def _frames(data: bytes, header: C3dHeader, parameters: Parameters, layout: C3dLayout) -> tuple[Floats, Floats]:
    """Return points (frames, points, 3) and scaled analog (samples, channels)."""
    block = data[layout.start : layout.end]
    raw: NDArray[Any]
    raw = floats(block, header.processor) if layout.word == 4 else integers(block, header.processor)
    table = raw.reshape(layout.frames, layout.frame_words)
    split = 4 * layout.points
    points = _points(table[:, :split].reshape(layout.frames, layout.points, 4), header, parameters)
    analog = table[:, split:].reshape(layout.frames * layout.per_frame, layout.channels)
    return points, _scaled_analog(analog, parameters)


def _points(quads: NDArray[Any], header: C3dHeader, parameters: Parameters) -> Floats:
    with np.errstate(invalid="ignore"):
        points = quads[:, :, :3].astype(np.float64)
    if quads.dtype.kind == "i":
        stated = parameters.numbers("POINT", "SCALE")
        # POINT:SCALE has a sign only to say whether the values are floats
        points *= abs(float(stated[0])) if stated.size and stated[0] else abs(header.scale)
    with np.errstate(invalid="ignore"):
        # a negative residual marks an invalid point; several programs write 0 0 0 for a marker that was not seen
        bad = (quads[:, :, 3] < 0) | ~(np.abs(points) < _SANE).all(axis=2)
    points[bad | ~points.any(axis=2)] = np.nan
    return points


def _scaled_analog(raw: NDArray[Any], parameters: Parameters) -> Floats:
    """Return ``(raw - OFFSET) * SCALE * GEN_SCALE``, unsigned where ANALOG:FORMAT says so."""
    # by default 16 bits are signed; boards without a sign say so in ANALOG:FORMAT, and mean it of OFFSET as well
    unsigned = parameters.text("ANALOG", "FORMAT").upper() == "UNSIGNED"
    with np.errstate(invalid="ignore"):
        values = raw.astype(np.float64)
    offset = _per_channel(parameters, "OFFSET", raw.shape[1], 0.0)
    if unsigned and raw.dtype.kind == "i":
        values[values < 0] += 65536.0
        offset = np.where(offset < 0, offset + 65536.0, offset)
    general = parameters.numbers("ANALOG", "GEN_SCALE")
    scale = _per_channel(parameters, "SCALE", raw.shape[1], 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        values = (values - offset) * scale * (float(general[0]) if general.size and general[0] else 1.0)
        values[~(np.abs(values) < _SANE)] = np.nan
    return values


def _per_channel(parameters: Parameters, name: str, channels: int, missing: float) -> Floats:
    stated = parameters.numbers("ANALOG", name)[:channels]
    return np.concatenate([stated, np.full(channels - stated.size, missing)])


def _rotations(data: bytes, header: C3dHeader, parameters: Parameters, point_rate: float) -> tuple[Floats, float]:
    """Return Theia's segment matrices (frames, segments, 4, 4) and their rate (Hz)."""
    used = parameters.count("ROTATION", "USED") or 0
    if not used:
        return np.empty((0, 0, 4, 4)), 0.0
    stated = parameters.numbers("ROTATION", "RATE")
    ratio = parameters.count("ROTATION", "RATIO") or 1
    rate = float(stated[0]) if stated.size and 0 < stated[0] < HIGHEST_RATE_HZ else point_rate * ratio
    frames = parameters.count("ROTATION", "FRAMES") or (frame_counts(header, parameters)[0] * ratio)
    start = ((parameters.count("ROTATION", "DATA_START") or 0) - 1) * BLOCK
    size = frames * used * _ROTATION_FLOATS * 4
    if start < BLOCK or start + size > len(data):
        raise BadInputError(
            f"is cut or broken: {frames} frames of {used} rotations from byte {start} need"
            f" {start + size} bytes, the file has {len(data)}"
        )
    raw = floats(data[start : start + size], header.processor)
    with np.errstate(invalid="ignore"):
        table = raw.astype(np.float64).reshape(frames, used, _ROTATION_FLOATS)
        # the last of the 17 numbers is the residual, negative where the segment was not found
        bad = (table[:, :, 16] < 0) | ~(np.abs(table) < _SANE).all(axis=2)
    table[bad] = np.nan
    # each matrix is stored column by column
    return table[:, :, :16].reshape(frames, used, 4, 4).transpose(0, 1, 3, 2), rate


def _events(header: C3dHeader, parameters: Parameters, start_s: float) -> tuple[Event, ...]:
    """Return the events of the EVENT group (times: minutes, seconds), or the header's if that group has none."""
    labels = parameters.texts("EVENT", "LABELS")
    contexts = _padded(parameters.texts("EVENT", "CONTEXTS"), len(labels))
    stated = parameters.numbers("EVENT", "TIMES")
    times = stated.reshape(-1, 2) if stated.size % 2 == 0 else np.empty((0, 2))
    events = [
        Event(label, context, float(60.0 * minutes + seconds - start_s))
        for label, context, (minutes, seconds) in zip(labels, contexts, times)
        if np.isfinite(minutes) and np.isfinite(seconds)
    ]
    if not events:
        events = [Event(label, "", time - start_s) for label, time in header.events]
    return tuple(sorted(events, key=lambda event: event.time_s))


def _labels(parameters: Parameters, group: str, count: int, what: str) -> list[str]:
    stated = _padded(parameters.texts(group, "LABELS"), count)
    return [label or f"{what}_{number}" for number, label in enumerate(stated, start=1)]


def _padded(texts: list[str], count: int) -> list[str]:
    return texts[:count] + [""] * (count - len(texts))
