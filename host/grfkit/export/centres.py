"""The centre of pressure of each foot in the lab's or the foot's own frame, as further streams of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..arguments import ArgumentError
from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..gait.foot_frame import COP_FRAMES, SIDES, FootFrames, MarkersMissingError, StandingFoot, foot_frames
from ..gait.plate_force import PlateForce, same_clock
from ..gait.stances import Stance
from ..provenance import Provenance, describe_input
from ..records import Trial
from ..records.target_units import COP_AXES, COP_ESTIMATE
from ..records.trees import read_tree
from ..steps.cop_estimated import LEVEL, medial_sign
from ..steps.features import LOADED
from ..steps.measured import stances_of
from ..steps.plates_of import Bearings
from .source import ExportColumn, ExportSource, ExportStream, numbered

_ASKED = "--cop-frame (cop_frame in Python)"
_MARKERS = "--markers TRIAL.nc (markers in Python)"


def check_cop_frame(frame: str, markers: PathLike | None, *, tables: bool, to: str) -> None:
    """Refuse a frame that is unknown, or asked of a format that holds no centre of pressure of its own.

    Raises
    ------
    BadInputError
        Naming the option.
    """
    if frame and frame not in COP_FRAMES:
        raise ArgumentError("cop_frame", f"is '{frame}', expected one of {', '.join(COP_FRAMES)}")
    if frame and not tables:
        raise ArgumentError("cop_frame", f"is for csv, parquet and mat; {to} has the plates' own centre of pressure")
    if markers is not None and frame != "foot":
        raise ArgumentError("markers", "go with --cop-frame foot (cop_frame='foot' in Python)")


def with_centres(source: ExportSource, path: Path, frame: str, markers: Path | None) -> ExportSource:
    """Return what is exported with the centre of pressure of each foot in a frame.

    Of a trial these are streams ``cop_left`` and ``cop_right`` at the plates' times, in metres, known within contacts
    where the foot bears a fifth of its highest force or more. In the ``lab`` frame they are places, ``cop_x`` and
    ``cop_y``; in the ``foot`` frame ``cop_forward`` of its heel marker and ``cop_medial`` of the line to its toe. Of an
    estimate they are the streams that it has, in the foot's directions, from the path's own mean.

    Parameters
    ----------
    markers
        Trial that an estimate was made from.

    Raises
    ------
    BadInputError
        If there is no centre of pressure, it is not in the lab frame, or the feet have no markers; names the file.
    """
    if source.artefact == COP_ESTIMATE:
        return source if frame == "lab" else _turned(source, path, markers)
    if source.artefact != "trial":
        raise BadInputError(f"{path}: is an estimate of force, and {_ASKED} is of the centre of pressure; leave it out")
    if markers is not None:
        raise BadInputError(f"{path}: is a trial, which has its own markers; leave {_MARKERS} out")
    trial = Trial.from_netcdf(path)
    frames = foot_frames(trial, str(path), frame="lab") if frame == "foot" else None
    return _with_streams(source, path, trial, frames)


def _with_streams(source: ExportSource, path: Path, trial: Trial, frames: FootFrames | None) -> ExportSource:
    plates = {n: PlateForce.of(n, s) for n, s in trial.streams.items() if s.attrs.get("kind") == "force_plate"}
    time = _time(plates, path)
    belt_m_s = 0.0
    if frames is not None and str(trial.tree.attrs.get("surface", "")) == "treadmill":
        belt_m_s = float(trial.tree.attrs.get("speed_m_s", np.nan))
        if not np.isfinite(belt_m_s):
            raise BadInputError(
                f"{path}: states no speed of its belt, which carries the foot; align it with --speed-m-s"
            )
    places = {side: np.full((time.size, 2), np.nan) for side in SIDES}
    bearings, unseen = Bearings(plates, None), 0
    for stance in stances_of(trial).stances:
        bearing = bearings.of(stance.plates)
        if stance.side not in SIDES or bearing is None or bearing.plate.cop_m is None:
            continue
        foot = None
        if frames is not None:
            foot = frames.of(stance.side, stance.ic_s, stance.to_s, LEVEL, belt_m_s=belt_m_s)
            if foot is None:
                unseen += 1
                continue
        rows, place = _loaded(bearing.plate, stance)
        places[stance.side][rows] = place if foot is None else _in_foot(foot, place, time[rows], stance.side)
    names = ("cop_x", "cop_y") if frames is None else ("cop_forward", "cop_medial")
    taken = {stream.file_name.lower() for stream in source.streams}
    rate_hz = 1.0 / float(np.nanmedian(np.diff(time)))
    made = tuple(
        ExportStream(
            f"cop_{side}", numbered(f"cop_{side}", taken), "cop", side, "", rate_hz, time,
            tuple(
                ExportColumn(f"{side}_{name}", name, "m", "lab" if frames is None else "foot", places[side][:, k])
                for k, name in enumerate(names)
            ),
        )
        for side in SIDES
    )  # fmt: skip
    return replace(source, streams=(*source.streams, *made), notes=(*source.notes, *_unseen(unseen)))


def _unseen(stances: int) -> list[str]:
    if not stances:
        return []
    return [f"{stances} contacts have no centre of pressure: their markers do not show how the foot stands"]


def _time(plates: dict[str, PlateForce], path: Path) -> Floats:
    """Return the plates' times; refuse plates without a centre of pressure in the lab frame, or with own clocks."""
    if not plates:
        raise BadInputError(f"{path}: has no force plate, and {_ASKED} is of the plates' centre of pressure")
    for name, plate in plates.items():
        own = name.removeprefix("reference/")
        if plate.cop_m is None:
            raise BadInputError(f"{path}: {own} has no centre of pressure; leave {_ASKED} out")
        if not plate.in_lab:
            raise BadInputError(
                f"{path}: {own} is not in the lab frame, and nobody knows which way the person walked; align it again"
                " by grf-sync with --forward (forward in Python)"
            )
    first = next(iter(plates.values()))
    if not all(same_clock(plate, first) for plate in plates.values()):
        raise BadInputError(f"{path}: its plates have clocks of their own, and no centre of pressure in common")
    return first.time_s


def _loaded(plate: PlateForce, stance: Stance) -> tuple[Floats, Floats]:
    """Return the samples of a stance at which its centre of pressure counts, and where it is, forward and left (m)."""
    inside = np.flatnonzero((plate.time_s >= stance.ic_s) & (plate.time_s <= stance.to_s))
    up, place = plate.up_n[inside], np.asarray(plate.cop_m)[inside][:, :2]
    good = (up >= LOADED * np.nanmax(up, initial=0.0)) & np.isfinite(place).all(axis=1)
    return inside[good], place[good]


def _in_foot(foot: StandingFoot, place_m: Floats, time_s: Floats, side: str) -> Floats:
    return foot.to_foot(place_m, time_s) * [1.0, medial_sign(side)]


def _turned(source: ExportSource, path: Path, markers: Path | None) -> ExportSource:
    if markers is None:
        raise MarkersMissingError(
            f"{path}: holds no markers, which --cop-frame foot (cop_frame='foot' in Python) needs; name the trial that"
            f" it was estimated from: {_MARKERS}"
        )
    tree = read_tree(path)
    origin = Provenance.model_validate_json(str(tree.attrs["provenance"]))
    about = describe_input(markers, role="markers")
    if about.sha256 not in {i.sha256 for i in origin.inputs}:
        raise BadInputError(f"{markers}: is not the trial that {path} was estimated from; name that one as markers")
    frames = foot_frames(Trial.from_netcdf(markers), str(markers), frame="lab")
    stances = tree["stances"].to_dataset()
    contacts = list(zip(*(stances[name].values for name in ("side", "start", "end"))))
    streams, unseen = [], 0
    for stream in source.streams:
        own = [(float(a), float(b)) for side, a, b in contacts if str(side) == stream.side]
        turned, lost = _turned_stream(stream, own, frames)
        streams.append(turned)
        unseen += lost
    return replace(
        source, streams=tuple(streams), notes=(*source.notes, *_unseen(unseen)), inputs=(*source.inputs, about)
    )


def _turned_stream(
    stream: ExportStream, contacts: Sequence[tuple[float, float]], frames: FootFrames
) -> tuple[ExportStream, int]:
    """Return a stream of an estimate in the foot's directions, and in how many contacts its markers were not seen."""
    by_channel = {column.channel: column for column in stream.columns}
    old = [by_channel[f"{axis}_mm"] for axis in COP_AXES]
    way, turned = np.stack([column.values for column in old], axis=1), np.full((stream.time_s.size, 2), np.nan)
    to_left, unseen = np.asarray([1.0, medial_sign(stream.side)]), 0
    for start, end in contacts:
        foot = frames.of(stream.side, start, end, LEVEL)
        inside = (stream.time_s >= start) & (stream.time_s <= end)
        if foot is None:
            unseen += 1
            continue
        turned[inside] = foot.turned(way[inside] * to_left) * to_left
    names = ("cop_forward_mm", "cop_medial_mm")
    new = [ExportColumn(n, n, c.unit, "foot", turned[:, k]) for k, (n, c) in enumerate(zip(names, old))]
    kept = [column for column in stream.columns if column not in old]
    return replace(stream, columns=(*new, *kept)), unseen
