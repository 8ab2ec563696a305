"""C3D data section: points, analog values, rotations and events of a file whose sizes were checked first.

Nothing is read on trust: counts come from header and parameters, and must fit the file before an array is
made of them. A broken file ends in :class:`~grfkit.errors.BadInputError`.

Source: The C3D File Format, user guide (c3d.org); Theia Markerless, C3D ROTATION group (2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .c3d_params import BLOCK, Header, Parameters, floats, integers, parse_header, parse_parameters

Floats = NDArray[np.float64]

LARGEST_BYTES = 4 * 2**30
_CAPPED_FRAME = 65535
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
    """What a C3D file holds, scaled, in the file's own units.

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

    header: Header
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


@dataclass(frozen=True)
class _Layout:
    frames: int
    points: int
    channels: int
    per_frame: int
    start: int
    word: int

    @property
    def frame_words(self) -> int:
        return 4 * self.points + self.channels * self.per_frame

    @property
    def size(self) -> int:
        return self.frames * self.frame_words * self.word


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
    notes: list[str] = []
    layout = _layout(data, header, parameters, notes)
    rate = _rate(header, parameters, rate_hz)
    points, analog = _frames(data, header, parameters, layout)
    rotations, rotation_rate = _rotations(data, header, parameters, rate)
    analog_rate = rate * layout.per_frame
    stated = parameters.numbers("ANALOG", "RATE")
    if (
        layout.channels
        and stated.size
        and stated[0] > 0
        and abs(stated[0] - analog_rate) > 1e-3 * analog_rate
    ):
        notes.append(
            f"ANALOG:RATE is {stated[0]:g} Hz, but {layout.per_frame} samples per frame"
            f" at {rate:g} Hz make {analog_rate:g} Hz: the latter is used"
        )
    start_s = (_first_frame(header, parameters) - 1) / rate
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
        analog_rate_hz=analog_rate,
        rotation_rate_hz=rotation_rate,
        start_s=start_s,
        events=_events(header, parameters, start_s),
        notes=tuple(notes),
    )


def _layout(data: bytes, header: Header, parameters: Parameters, notes: list[str]) -> _Layout:
    block = header.data_block or parameters.count("POINT", "DATA_START") or 0
    start = (block - 1) * BLOCK
    if start < BLOCK or start > len(data):
        raise BadInputError(
            f"is broken or cut: its data should start at byte {start}, the file has {len(data)} bytes"
        )
    word = 4 if _is_float(header, parameters) else 2
    per_frame = header.analog_per_frame
    used = parameters.count("ANALOG", "USED") or 0
    if header.analog_words and (not per_frame or header.analog_words % per_frame):
        raise BadInputError(
            f"is broken: {header.analog_words} analog values per frame cannot be"
            f" {per_frame} samples per frame of whole channels (ANALOG:USED is {used})"
        )
    channels = header.analog_words // per_frame if per_frame else 0
    if channels != used and parameters.has("ANALOG", "USED"):
        notes.append(
            f"the header counts {channels} analog channels, ANALOG:USED {used}: the header's are read"
        )
    stated = parameters.count("POINT", "USED")
    if stated is not None and stated != header.points:
        notes.append(f"the header counts {header.points} points, POINT:USED {stated}: the header's are read")
    empty = _Layout(0, header.points, channels, max(per_frame, 1), start, word)
    return _with_frames(empty, data, header, parameters, notes)


def _with_frames(
    empty: _Layout, data: bytes, header: Header, parameters: Parameters, notes: list[str]
) -> _Layout:
    counts = _frame_counts(header, parameters)
    layouts = [_Layout(n, *_tail(empty)) for n in counts]
    if not layouts:
        raise BadInputError(
            f"holds no frame (first {header.first_frame}, last {header.last_frame}); export it again"
        )
    fitting = [one for one in layouts if one.start + one.size <= len(data)]
    if not fitting:
        least = min(layouts, key=lambda one: one.frames)
        room = max(0, len(data) - least.start) // max(1, least.frame_words * least.word)
        raise BadInputError(
            f"is cut or broken: {least.frames} frames of {least.points} points and {least.channels} analog"
            f" channels need {least.start + least.size} bytes, the file has {len(data)}"
            f" ({room} whole frames); copy or export it again"
        )
    if fitting[0].frames != counts[0]:
        notes.append(
            f"the header counts {counts[0]} frames, the file holds {fitting[0].frames}: these are read"
        )
    return fitting[0]


def _tail(layout: _Layout) -> tuple[int, int, int, int, int]:
    return layout.points, layout.channels, layout.per_frame, layout.start, layout.word


def _frame_counts(header: Header, parameters: Parameters) -> list[int]:
    """Return the frame counts a file states, most trustworthy first: the header stops at 65535."""
    stated = [header.last_frame - header.first_frame + 1] if header.last_frame >= header.first_frame else []
    first, last = _field(parameters, "ACTUAL_START_FIELD"), _field(parameters, "ACTUAL_END_FIELD")
    long = [last - first + 1] if last >= first > 0 else []
    long += [n for key in ("LONG_FRAMES", "FRAMES") if (n := parameters.count("POINT", key) or 0)]
    if header.last_frame >= _CAPPED_FRAME:
        return [n for n in dict.fromkeys(long + stated) if n > 0]
    return [n for n in dict.fromkeys(stated + long) if n > 0]


def _field(parameters: Parameters, name: str) -> int:
    """Return a 32-bit frame number kept as two 16-bit words, 0 where there is none."""
    words = parameters.numbers("TRIAL", name)
    if words.size < 2 or not np.isfinite(words[:2]).all() or np.abs(words[:2]).max() > _CAPPED_FRAME:
        return 0
    low, high = int(words[0]) & 0xFFFF, int(words[1]) & 0xFFFF
    return low + 65536 * high


def _first_frame(header: Header, parameters: Parameters) -> int:
    return header.first_frame or _field(parameters, "ACTUAL_START_FIELD") or 1


def _is_float(header: Header, parameters: Parameters) -> bool:
    scale = header.scale
    if not np.isfinite(scale) or scale == 0:
        stated = parameters.numbers("POINT", "SCALE")
        scale = float(stated[0]) if stated.size else -1.0
    return scale < 0


def _rate(header: Header, parameters: Parameters, given_hz: float | None) -> float:
    stated = parameters.numbers("POINT", "RATE")
    for rate in (float(stated[0]) if stated.size else 0.0, header.rate_hz, given_hz or 0.0):
        if np.isfinite(rate) and 0.001 < rate < 1e6:
            return rate
    raise BadInputError(
        f"states no usable frame rate ({header.rate_hz:g} Hz in the header); give the rate when reading it"
    )


def _frames(data: bytes, header: Header, parameters: Parameters, layout: _Layout) -> tuple[Floats, Floats]:
    """Return points (frames, points, 3) and scaled analog (samples, channels)."""
    block = data[layout.start : layout.start + layout.size]
    raw: NDArray[Any]
    raw = floats(block, header.processor) if layout.word == 4 else integers(block, header.processor)
    table = raw.reshape(layout.frames, layout.frame_words)
    split = 4 * layout.points
    points = _points(table[:, :split].reshape(layout.frames, layout.points, 4), header, parameters)
    analog = table[:, split:].reshape(layout.frames * layout.per_frame, layout.channels)
    return points, _scaled_analog(analog, parameters)


def _points(quads: NDArray[Any], header: Header, parameters: Parameters) -> Floats:
    points = quads[:, :, :3].astype(np.float64)
    if quads.dtype.kind == "i":
        stated = parameters.numbers("POINT", "SCALE")
        points *= abs(float(stated[0])) if stated.size and stated[0] else abs(header.scale)
    with np.errstate(invalid="ignore"):
        bad = (quads[:, :, 3] < 0) | ~(np.abs(points) < _SANE).all(axis=2)
    points[bad | ~points.any(axis=2)] = np.nan
    return points


def _scaled_analog(raw: NDArray[Any], parameters: Parameters) -> Floats:
    """Return ``(raw - OFFSET) * SCALE * GEN_SCALE``, unsigned where ANALOG:FORMAT says so."""
    unsigned = parameters.text("ANALOG", "FORMAT").upper() == "UNSIGNED"
    values = raw.astype(np.float64)
    offset = _per_channel(parameters, "OFFSET", raw.shape[1], 0.0)
    if unsigned and raw.dtype.kind == "i":
        values[values < 0] += 65536.0
        offset = np.where(offset < 0, offset + 65536.0, offset)
    general = parameters.numbers("ANALOG", "GEN_SCALE")
    scale = _per_channel(parameters, "SCALE", raw.shape[1], 1.0)
    values = (values - offset) * scale * (float(general[0]) if general.size and general[0] else 1.0)
    with np.errstate(invalid="ignore"):
        values[~(np.abs(values) < _SANE)] = np.nan
    return values


def _per_channel(parameters: Parameters, name: str, channels: int, missing: float) -> Floats:
    stated = parameters.numbers("ANALOG", name)[:channels]
    return np.concatenate([stated, np.full(channels - stated.size, missing)])


def _rotations(
    data: bytes, header: Header, parameters: Parameters, point_rate: float
) -> tuple[Floats, float]:
    """Return Theia's segment matrices (frames, segments, 4, 4) and their rate (Hz)."""
    used = parameters.count("ROTATION", "USED") or 0
    if not used:
        return np.empty((0, 0, 4, 4)), 0.0
    stated = parameters.numbers("ROTATION", "RATE")
    ratio = parameters.count("ROTATION", "RATIO") or 1
    rate = float(stated[0]) if stated.size and 0 < stated[0] < 1e6 else point_rate * ratio
    frames = parameters.count("ROTATION", "FRAMES") or (_frame_counts(header, parameters)[0] * ratio)
    start = ((parameters.count("ROTATION", "DATA_START") or 0) - 1) * BLOCK
    size = frames * used * _ROTATION_FLOATS * 4
    if start < BLOCK or start + size > len(data):
        raise BadInputError(
            f"is cut or broken: {frames} frames of {used} rotations from byte {start} need"
            f" {start + size} bytes, the file has {len(data)}"
        )
    raw = floats(data[start : start + size], header.processor).astype(np.float64)
    table = raw.reshape(frames, used, _ROTATION_FLOATS)
    with np.errstate(invalid="ignore"):
        bad = (table[:, :, 16] < 0) | ~(np.abs(table) < _SANE).all(axis=2)
    table[bad] = np.nan
    return table[:, :, :16].reshape(frames, used, 4, 4).transpose(0, 1, 3, 2), rate


def _events(header: Header, parameters: Parameters, start_s: float) -> tuple[Event, ...]:
    """Return the EVENT group's events (times: minutes, seconds), the header's where there is none."""
    labels = parameters.texts("EVENT", "LABELS")
    contexts = _padded(parameters.texts("EVENT", "CONTEXTS"), len(labels))
    times = parameters.numbers("EVENT", "TIMES").reshape(-1, 2) if _even(parameters) else np.empty((0, 2))
    found = [
        Event(label, context, float(60.0 * minutes + seconds - start_s))
        for label, context, (minutes, seconds) in zip(labels, contexts, times)
        if np.isfinite(minutes) and np.isfinite(seconds)
    ]
    if not found:
        found = [Event(label, "", time - start_s) for label, time in header.events]
    return tuple(sorted(found, key=lambda event: event.time_s))


def _even(parameters: Parameters) -> bool:
    return parameters.numbers("EVENT", "TIMES").size % 2 == 0


def _labels(parameters: Parameters, group: str, count: int, what: str) -> list[str]:
    stated = _padded(parameters.texts(group, "LABELS"), count)
    return [label or f"{what}_{number}" for number, label in enumerate(stated, start=1)]


def _padded(texts: list[str], count: int) -> list[str]:
    return texts[:count] + [""] * (count - len(texts))
