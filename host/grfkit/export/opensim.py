"""OpenSim: measured ground reactions (.mot) with ExternalLoads (.xml), and markers (.trc), in OpenSim's ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..formats.opensim import BODIES, opensim_axes
from ..formats.opensim_loads import GroundLoad, loads_document, loads_text
from ..formats.trc import trc_text
from .ground import LOADED_N, Axes, PlateLoad, ground_axes, plate_loads
from .source import ExportSource, ExportStream
from .stretches import known_stretch

NEAR_M = 0.35
"""Markers share the plates' axes where the one nearest to a loaded centre of pressure is usually closer than this (m),
seen from above: a foot's length and some. Chosen by hand."""
_LEAST_SAMPLES = 10


def opensim_paths(out: Path) -> tuple[Path, Path, Path]:
    """Return where ground reactions, ExternalLoads and markers are written, of the first one's path."""
    return out, out.with_name(f"{out.stem}_ExternalLoads.xml"), out.with_name(f"{out.stem}.trc")


def opensim_texts(source: ExportSource, out: Path, *, forward: str, unknown: str) -> tuple[dict[Path, str], list[str]]:
    """Return the files by their paths, and what was noticed.

    Markers are written where they share the plates' axes.

    Raises
    ------
    BadInputError
        If there is no plate, the axes are not clear, or something is unknown and that is to be refused.
    """
    if source.artefact == "estimate":
        raise BadInputError(
            "an estimate holds no centre of pressure; grf-estimate itself writes OpenSim files: --out walk.mot"
        )
    axes = ground_axes(source.plates, forward)
    time, loads, notes = plate_loads(source, axes)
    if not axes.known:
        notes.append(
            "the walking direction is not stated: X is the first horizontal axis of the file; --forward turns it"
        )
    known = np.all([np.isfinite(load.force_n).all(axis=1) for load in loads], axis=0) & np.isfinite(time)
    part = known_stretch(time, known, what="the force of the plates", unknown=unknown, notes=notes)
    mot, xml, trc = opensim_paths(out)
    made = [_ground(load, part) for load in loads]
    told = [*(_words(number, load) for number, load in enumerate(loads, start=1)), *notes]
    told.append(
        f"0 where a plate bears less than {LOADED_N:g} N or another foot; a foot beside the plates has no force here"
    )
    head = [f"made by grfkit of {i.name} SHA-256 {i.sha256}" for i in source.inputs]
    files = {mot: loads_text(time[part], made, name=source.name, notes=[*told, *head])}
    files[xml] = loads_document(mot.name, made)
    files |= _markers(source, axes, trc, notes)
    return files, [*told[: len(loads)], *notes]


def _words(number: int, load: PlateLoad) -> str:
    foot = f"{load.side} foot" if load.side else "foot not known, given to no body"
    return f"ground_force_{number}: {load.plate}, {foot}"


def _ground(load: PlateLoad, part: slice) -> GroundLoad:
    body = BODIES[load.side] if load.side else ""
    vectors = (_opensim(v[part]) for v in (load.force_n, load.point_m, load.free_n_m))
    return GroundLoad(f"{load.plate}_{load.side or 'unknown'}", body, *vectors)


def _opensim(vectors: Floats) -> Floats:
    return opensim_axes(vectors[..., 0], vectors[..., 1], vectors[..., 2])


def _markers(source: ExportSource, axes: Axes, path: Path, notes: list[str]) -> dict[Path, str]:
    stream = markers_at_the_plates(source, axes, notes)
    if stream is None:
        return {}
    names, position = marker_positions(stream)
    turned = axes.turned(position)
    flat = opensim_axes(*(turned[..., k].reshape(-1) for k in range(3))).reshape(position.shape)
    keep = np.isfinite(stream.time_s)
    text = trc_text(flat[keep] * 1e3, names, stream.time_s[keep], rate_hz=stream.rate_hz)
    return {path: text}


def markers_at_the_plates(source: ExportSource, axes: Axes, notes: list[str]) -> ExportStream | None:
    """Return the landmarks with the most points of those that lie where the plates' load is; None where none do."""
    streams = [s for s in source.streams if s.kind == "landmarks"]
    fits = []
    for stream in sorted(streams, key=lambda s: -len(s.columns)):
        distance = nearest_m(source, axes, stream.time_s, marker_positions(stream)[1])
        if distance <= NEAR_M:
            fits.append(stream)
            continue
        why = "cannot be compared with the plates" if np.isnan(distance) else f"are {distance:.2f} m beside the load"
        notes.append(f"no markers of {stream.name}: they {why}, and may have axes of their own")
    if len(fits) > 1:
        notes.append(f"markers are those of {fits[0].name}; {', '.join(s.name for s in fits[1:])} left out (--stream)")
    return fits[0] if fits else None


def marker_positions(stream: ExportStream) -> tuple[list[str], Floats]:
    """Return the names of a stream of landmarks and their positions (samples, points, 3), m."""
    points: dict[str, list[Floats]] = {}
    for column in stream.columns:
        point, _, axis = column.channel.rpartition(".")
        if axis in ("x", "y", "z") and point:
            points.setdefault(point, []).append(column.values)
    whole = {name: np.stack(parts, axis=1) for name, parts in points.items() if len(parts) == 3}
    return list(whole), np.stack(list(whole.values()), axis=1)


def nearest_m(source: ExportSource, axes: Axes, time_s: Floats, position: Floats) -> float:
    """Return the usual horizontal distance (m) of the marker nearest to a loaded centre of pressure; NaN unknown."""
    distances = []
    for plate in source.plates.values():
        if plate.cop_m is None:
            continue
        at = np.clip(np.searchsorted(plate.time_s, time_s), 0, plate.time_s.size - 1)
        loaded = (np.abs(plate.time_s[at] - time_s) < 0.02) & (plate.up_n[at] > 10 * LOADED_N)
        if np.count_nonzero(loaded) < _LEAST_SAMPLES:
            continue
        below = axes.turned(position[loaded] - plate.cop_m[at][loaded][:, None])[..., :2]
        gone = np.asarray(~np.isfinite(below).all(axis=2))
        far = np.where(gone, np.inf, np.linalg.norm(np.where(gone[..., None], 0.0, below), axis=2))
        best = far.min(axis=1)
        distances.append(best[np.isfinite(best)])
    every = np.concatenate(distances) if distances else np.empty(0)
    return float(np.median(every)) if every.size >= _LEAST_SAMPLES else float("nan")
