"""C3D files with type-2 force platforms, written through ezc3d."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, PathLike
from ..errors import BadInputError

SENSOR_DEPTH_M = 0.04
"""How far below its surface a written plate measures its moments; chosen by hand."""
_UNITS = ("N", "N", "N", "Nmm", "Nmm", "Nmm")
_CHANNELS = ("Force.Fx", "Force.Fy", "Force.Fz", "Moment.Mx", "Moment.My", "Moment.Mz")


@dataclass(frozen=True)
class C3dPlate:
    """One plate as the laboratory sees it.

    Attributes
    ----------
    corners_m
        Shape (4, 3), in C3D's order: the first to the second runs against the plate's X, the first to the
        fourth against its Y.
    wrench
        Shape (samples, 6): fx fy fz (N) and mx my mz (N m) about the middle of the surface, in the
        laboratory's axes.
    """

    corners_m: Floats
    wrench: Floats


@dataclass(frozen=True)
class C3dChannel:
    """A further analog channel: label, unit, and values (samples,) that are all known: C3D has no mark for others."""

    label: str
    unit: str
    values: Floats


@dataclass(frozen=True)
class C3dEvent:
    """An event: s after the first frame, label (``Foot Strike``), and context (``Left``, ``Right``, ``General``)."""

    time_s: float
    label: str
    context: str


def write_c3d(
    path: PathLike,
    plates: Sequence[C3dPlate],
    points_mm: Floats,
    point_names: Sequence[str],
    *,
    point_rate_hz: float,
    analog_rate_hz: float,
    channels: Sequence[C3dChannel] = (),
    events: Sequence[C3dEvent] = (),
    facts: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write plates and points; channels in N and N mm, forces in each plate's own axes (Z down), as is usual.

    Parameters
    ----------
    points_mm
        Shape (frames, points, 3), missing points NaN.
    channels, events
        Written after the plates' channels, and into the group EVENT.
    facts
        Texts by name, for the group GRFKIT.

    Raises
    ------
    BadInputError
        If the plates' samples are no whole multiple of the frames.
    OSError
        If the disk did not take all of it.
    """
    import ezc3d

    frames, per_frame = points_mm.shape[0], round(analog_rate_hz / point_rate_hz)
    samples = frames * per_frame
    counts = sorted({plate.wrench.shape[0] for plate in plates} | {channel.values.size for channel in channels})
    if set(counts) - {samples} or per_frame < 1:
        raise BadInputError(f"plates have {counts} samples, expected {samples} ({per_frame} for each frame)")
    file = ezc3d.c3d()
    point, analog = file["parameters"]["POINT"], file["parameters"]["ANALOG"]
    point["RATE"]["value"], point["UNITS"]["value"] = [point_rate_hz], ("mm",)
    point["LABELS"]["value"] = tuple(point_names)
    homogeneous = np.ones((4, points_mm.shape[1], frames))
    homogeneous[:3] = np.transpose(points_mm, (2, 1, 0))
    file["data"]["points"] = homogeneous
    labels = [f"{kind}{n}" for n in range(1, len(plates) + 1) for kind in _CHANNELS]
    analog["LABELS"]["value"] = (*labels, *(channel.label for channel in channels))
    analog["UNITS"]["value"] = (*_UNITS * len(plates), *(channel.unit for channel in channels))
    analog["RATE"]["value"] = [analog_rate_hz]
    columns = [*(_channels(plate) for plate in plates), *(channel.values[None] for channel in channels)]
    file["data"]["analogs"] = np.concatenate(columns)[None]
    _describe(file, plates)
    _describe_events(file, events)
    for name, texts in (facts or {}).items():
        file.add_parameter("GRFKIT", name, list(texts))
    file.write(str(path))
    _check_length(Path(path), 4 * frames * (4 * points_mm.shape[1] + len([*labels, *channels]) * per_frame))


def _describe_events(file: Any, events: Sequence[C3dEvent]) -> None:
    import ezc3d.ezc3d as ezc3d

    if not events:
        return
    file.add_parameter("EVENT", "USED", [float(len(events))])
    stored = file["parameters"]["EVENT"]["USED"]
    stored["type"], stored["value"] = ezc3d.INT, np.asarray([len(events)])
    file.add_parameter("EVENT", "CONTEXTS", [event.context for event in events])
    file.add_parameter("EVENT", "LABELS", [event.label for event in events])
    # minutes and seconds, as C3D holds times of events
    minutes = [float(event.time_s // 60) for event in events]
    times = np.asarray([minutes, [event.time_s - 60 * m for event, m in zip(events, minutes)]])
    file.add_parameter("EVENT", "TIMES", times)


def _check_length(path: Path, data_bytes: int) -> None:
    """Raise what a disk that is full says: the library writes as far as it comes, and says nothing."""
    with open(path, "rb") as handle:
        header = handle.read(512)
        length = handle.seek(0, os.SEEK_END)
    # word 9 of the header: the first block (of 512 bytes, counted from 1) of the data
    start = (int.from_bytes(header[16:18], "little") - 1) * 512
    if len(header) < 512 or length < start + data_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _channels(plate: C3dPlate) -> Floats:
    """Return six channels (N, N mm) in the plate's axes and about its sensor, shape (6, samples)."""
    axes = _axes(plate.corners_m)
    force, moment = plate.wrench[:, :3] @ axes, plate.wrench[:, 3:] @ axes
    # from the sensor to the surface, in plate axes: Z points down
    arm = np.asarray([0.0, 0.0, -SENSOR_DEPTH_M])
    moment = moment + np.cross(arm, force)
    return np.asarray(np.concatenate([force, moment * 1e3], axis=1).T)


def _axes(corners_m: Floats) -> Floats:
    """Return the plate's axes as columns, in laboratory axes."""
    # C3D's corners lie at +x+y, -x+y, -x-y and +x-y of the plate
    x, y = corners_m[0] - corners_m[1], corners_m[0] - corners_m[3]
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _describe(file: Any, plates: Sequence[C3dPlate]) -> None:
    import ezc3d.ezc3d as ezc3d

    count = len(plates)
    corners = np.stack([plate.corners_m.T * 1e3 for plate in plates], axis=2)
    origin = np.tile([[0.0], [0.0], [-SENSOR_DEPTH_M * 1e3]], (1, count))
    channel = np.arange(1, 6 * count + 1).reshape(count, 6).T
    group: dict[str, NDArray[Any]] = {
        "USED": np.asarray([count]),
        "TYPE": np.full(count, 2),
        "ZERO": np.asarray([1, 0]),
        "CORNERS": corners,
        "ORIGIN": origin,
        "CHANNEL": channel,
    }
    for name, value in group.items():
        # add_parameter stores every number as a float; readers expect integers where these are
        file.add_parameter("FORCE_PLATFORM", name, value.astype(np.float64))
        if value.dtype.kind == "i":
            stored = file["parameters"]["FORCE_PLATFORM"][name]
            stored["type"], stored["value"] = ezc3d.INT, value
