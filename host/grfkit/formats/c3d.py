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
from .c3d_layout import C3dLayout, bytes_left_note, find_layout, first_frame_number, frame_rate_hz, rotation_start
from .c3d_params import C3dHeader, Parameters, floats, integers, looks_like_c3d, parse_header, parse_parameters
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
    first_frame, per_frame
        Number of the first frame (from 1; larger in a file cut out of a trial), and analog samples per frame.
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
    first_frame: int
    per_frame: int
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
    data, padding = _without_padding(data)
    header = parse_header(data)
    parameters = parse_parameters(data, header)
    layout, notes = find_layout(len(data), header, parameters)
    rate, remarks = frame_rate_hz(header, parameters, layout, rate_hz)
    points, analog, unseen = _frames(data, header, parameters, layout)
    point_labels = _labels(parameters, "POINT", layout.points, "point")
    rotations, rotation_rate, missing = _rotations(data, header, parameters, rate, layout)
    remarks += bytes_left_note(data, layout, parameters) + _unseen_note(unseen, point_labels) + missing
    first_frame = first_frame_number(header, parameters)
    start_s = (first_frame - 1) / rate
    return C3dFile(
        header=header,
        parameters=parameters,
        points=points,
        point_labels=point_labels,
        point_unit=parameters.text("POINT", "UNITS"),
        analog=analog,
        analog_labels=_labels(parameters, "ANALOG", layout.channels, "channel"),
        analog_units=_padded(parameters.texts("ANALOG", "UNITS"), layout.channels),
        rotations=rotations,
        rotation_labels=_labels(parameters, "ROTATION", rotations.shape[1], "segment"),
        point_rate_hz=rate,
        analog_rate_hz=rate * layout.per_frame,
        rotation_rate_hz=rotation_rate,
        first_frame=first_frame,
        per_frame=layout.per_frame,
        start_s=start_s,
        events=_events(header, parameters, start_s),
        notes=tuple(padding + notes + remarks),
    )


def _without_padding(data: bytes) -> tuple[bytes, list[str]]:
    """Return the file from its first byte that is not zero (a cause of ezc3d pull request 27), and a note on that."""
    if data[:1] != b"\0" or not looks_like_c3d(data.lstrip(b"\0")):
        return data, []
    start = len(data) - len(data.lstrip(b"\0"))
    return data[start:], [f"{start} zero bytes stand before the C3D header and are skipped"]


def _frames(
    data: bytes, header: C3dHeader, parameters: Parameters, layout: C3dLayout
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return points (frames, points, 3), scaled analog (samples, channels), and per point how many were invalid."""
    block = data[layout.start : layout.end]
    raw: NDArray[Any]
    raw = floats(block, header.processor) if layout.word == 4 else integers(block, header.processor)
    table = raw.reshape(layout.frames, layout.frame_words)
    split = 4 * layout.points
    points, unseen = _points(table[:, :split].reshape(layout.frames, layout.points, 4), header, parameters)
    analog = table[:, split:].reshape(layout.frames * layout.per_frame, layout.channels)
    return points, _scaled_analog(analog, parameters), unseen


def _points(quads: NDArray[Any], header: C3dHeader, parameters: Parameters) -> tuple[Floats, NDArray[np.int64]]:
    """Return positions, and for each point the frames with coordinates that the residual calls invalid."""
    with np.errstate(invalid="ignore"):
        points = quads[:, :, :3].astype(np.float64)
    if quads.dtype.kind == "i":
        stated = parameters.numbers("POINT", "SCALE")
        # POINT:SCALE has a sign only to say whether the values are floats
        points *= abs(float(stated[0])) if stated.size and stated[0] else abs(header.scale)
    with np.errstate(invalid="ignore"):
        # a negative residual marks an invalid point; several programs write 0 0 0 for a marker that was not seen
        invalid, sane = quads[:, :, 3] < 0, (np.abs(points) < _SANE).all(axis=2)
    placed = points.any(axis=2)
    points[invalid | ~sane | ~placed] = np.nan
    return points, np.count_nonzero(invalid & sane & placed, axis=0)


def _unseen_note(unseen: NDArray[np.int64], labels: list[str]) -> list[str]:
    """Return a note on coordinates that are left out because their residual is negative."""
    which = [label for label, count in zip(labels, unseen) if count]
    if not which:
        return []
    names = ", ".join(which[:6]) + (" ..." if len(which) > 6 else "")
    return [
        f"{int(unseen.sum())} positions of {len(which)} points have coordinates but a negative residual, by which C3D"
        f" marks them as invalid: left out ({names})"
    ]


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


def _rotations(
    data: bytes, header: C3dHeader, parameters: Parameters, point_rate: float, layout: C3dLayout
) -> tuple[Floats, float, list[str]]:
    """Return Theia's segment matrices (frames, segments, 4, 4), their rate (Hz), and why they are left out."""
    used = parameters.count("ROTATION", "USED") or 0
    if not used:
        return np.empty((0, 0, 4, 4)), 0.0, []
    stated = parameters.numbers("ROTATION", "RATE")
    ratio = parameters.count("ROTATION", "RATIO") or 1
    rate = float(stated[0]) if stated.size and 0 < stated[0] < HIGHEST_RATE_HZ else point_rate * ratio
    frames = parameters.count("ROTATION", "FRAMES") or layout.frames * ratio
    start = rotation_start(parameters)
    size = frames * used * _ROTATION_FLOATS * 4
    others = layout.points or layout.channels
    if others and not start:
        return (
            np.empty((0, 0, 4, 4)),
            0.0,
            [f"{used} rotations are left out: ROTATION:DATA_START does not say where they are"],
        )
    if not start or start + size > len(data):
        where = f"{frames} frames of {used} rotations from byte {start} need {start + size} bytes"
        if others:
            return np.empty((0, 0, 4, 4)), 0.0, [f"rotations are left out: {where}, the file has {len(data)}"]
        raise BadInputError(f"is cut or broken: {where}, the file has {len(data)}")
    raw = floats(data[start : start + size], header.processor)
    with np.errstate(invalid="ignore"):
        table = raw.astype(np.float64).reshape(frames, used, _ROTATION_FLOATS)
        # the last of the 17 numbers is the residual, negative where the segment was not found
        bad = (table[:, :, 16] < 0) | ~(np.abs(table) < _SANE).all(axis=2)
    table[bad] = np.nan
    # each matrix is stored column by column
    return table[:, :, :16].reshape(frames, used, 4, 4).transpose(0, 1, 3, 2), rate, []


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
