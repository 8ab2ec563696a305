"""Windows of a film's pictures in an aligned trial, with the plates' force on the foot near the camera, or far."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError, NothingLeftError
from ..gait.stances import Stance, Stances, find_stances, stride_times
from ..records import Trial
from ..records.film_streams import BACKGROUND
from ..records.stance_set import StanceSet, make_stance_set
from ..signals.step_direction import push_direction
from ..units import G
from .cut import CutRequest
from .foot_force import PlateColumns, foot_force, low_passed, of_foot, plate_columns, stance_force
from .of_trial import labels_of, scalars_of
from .resample import continuous_starts, stance_times

ONSET = "onset_s"
"""Scalar of a window around a stance: from the window's start to the contact (s). Who takes it knows the limits."""
WHITE = 255.0
"""The brightest value of a picture, which becomes 1."""
_SAME_RATE = 0.005
"""Share by which a film's rate may be off a whole number of frames a second and count as it: 59.94 is 60."""
_NEAR_FRAME = 0.6
"""Steps of the window's rate within which a picture stands for a moment. Chosen by hand: over half a step, so that
frames with jitter are taken, and below a whole one, so that a dropped frame is missing."""
_MARGIN_S = 0.15
"""Time (s) before and after a stance that its window holds where it is long enough: 9 frames at 60 Hz."""
_LOOKS = 101
"""Points of a contact from which its way is told."""
_WHICH_FOOT = (
    "; pictures by background subtraction do not show which foot is on a plate: say so where it is a foot's own plate"
    " (left_fz and right_fz of a column map), record markers or an insole beside it, or read the film by the pose model"
)
_UP = np.asarray([1.0, 0.0, 0.0])
"""Up in columns of plates, whose first is the vertical."""

Flags = NDArray[np.bool_]


@dataclass
class _Rows:
    """The windows that were cut, and how many were left out, by reason."""

    frames: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    times: list[tuple[float, float, float, float]] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Film:
    """Pictures (frames, rows, columns), their stamps on the trial's clock (s), and the rate of windows (Hz)."""

    pictures: NDArray[np.uint8]
    time_s: Floats
    rate_hz: float
    step_s: float

    def nearest(self, at_s: Floats) -> tuple[NDArray[np.int64], Flags]:
        """Return the frame nearest to each moment, and whether it is near enough to stand for it."""
        after = np.clip(np.searchsorted(self.time_s, at_s), 1, self.time_s.size - 1)
        frame = np.where(at_s - self.time_s[after - 1] <= self.time_s[after] - at_s, after - 1, after)
        # jitter of the film's own frames is of their step, which may be shorter than that of the windows
        return frame, np.abs(self.time_s[frame] - at_s) <= _NEAR_FRAME * self.step_s


class Clip(NamedTuple):
    """Pictures around a stance: times (s), pixels 0 to 1 (time, pixels; NaN where one is missing), the start (s)."""

    time_s: Floats
    inputs: Floats
    start_s: float


def windows_of_pictures(trial: Trial, request: CutRequest, *, name: str = "trial") -> StanceSet:
    """Return windows of a film's pictures with the force of the foot near the camera (or the far one) in BW.

    Pictures stay as the film has them: a window holds the film's own frames, one for each step of its rate, and is
    never stretched to a stance's length; so a set of them is of ``continuous`` windows. ``window="stance"`` cuts one of
    ``window_s`` around each stance that the plates show, anywhere in it, with weight 1 within that stance;
    ``window="continuous"`` cuts the whole film into such windows, with weight 1 wherever the foot's force is known. The
    rate is the request's, or the film's where that is lower. A channel is a pixel, ``pixel_ROW_COLUMN`` from the upper
    left, 0 (black) to 1; a moment without a picture is NaN and weighs nothing. Forces are read at the pictures' own
    stamps, forward along the axis of the plates on which contacts brake and push off.

    The scalar ``onset_s`` is the time from a window's start to the contact: with ``contact_s`` it tells the phase,
    for methods that say that they know the stance's limits.

    Raises
    ------
    BadInputError
        If there is no such stream of pictures or no plate, nobody said which side is near, or no window is left.
    """
    stream = picture_stream(trial.streams, request.picture)
    side = foot_of(stream, request.foot)
    film = _film(stream, request.rate_hz)
    streams = low_passed(trial.streams, request)
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    if not plates:
        raise BadInputError("the trial holds no force plate; pictures are learnt from with the force of each foot")
    contacts = find_stances(trial, source="force", rule=request.rule)
    three = all(f"f{a}" in s for s in plates.values() for a in "xyz")
    three = three and all(str(s.attrs.get("vertical", "+z")).endswith("z") for s in plates.values())
    columns = plate_columns(plates, three=three)
    way = walk_axis(columns, contacts) if three else None
    if three and way is None:
        raise BadInputError("no contact brakes and pushes off along an axis of the plates: forward is not known")
    rows = _rows(trial, request, film, columns, contacts, side, way, name)
    if not rows.frames:
        counts = ", ".join(f"{n} {reason}" for reason, n in rows.excluded.items()) or "none was found"
        blind = rows.excluded["foot unknown"] and str(stream.attrs.get("picture")) == BACKGROUND
        raise NothingLeftError(
            f"no window of the {request.foot} ({side}) foot is left ({counts}){_WHICH_FOOT if blind else ''}"
        )
    return _stance_set(trial, request, film, rows, side, name)


def clip_around(stream: xr.Dataset, stance: Stance, *, samples: int, rate_hz: float, name: str = "") -> Clip | None:
    """Return a stream's pictures around a stance, cut as windows of training are; None if the stance is longer."""
    film, length_s = _film(stream, rate_hz), (samples - 1) / rate_hz
    if stance.to_s - stance.ic_s > length_s:
        return None
    start_s = _clip_start(film, stance, length_s, name)
    frame, near = film.nearest(start_s + np.arange(samples) / rate_hz)
    at = np.where(near, film.time_s[frame], start_s + np.arange(samples) / rate_hz)
    pictures = film.pictures[frame].reshape(samples, -1) / WHITE
    return Clip(np.maximum.accumulate(at), np.where(near[:, None], pictures, np.nan), start_s)


def picture_stream(streams: Mapping[str, xr.Dataset], picture: str = "") -> xr.Dataset:
    """Return the stream of pictures of this kind; without a kind the only one, or silhouettes.

    Raises
    ------
    BadInputError
        If there is none, or several.
    """
    films = {n: s for n, s in streams.items() if s.attrs.get("kind") == "images"}
    wanted = picture or ("silhouette" if len(films) > 1 else "")
    found = [n for n, s in films.items() if not wanted or str(s.attrs.get("picture", "")) == wanted]
    if len(found) != 1:
        there = ", ".join(f"{n} ({s.attrs.get('picture')})" for n, s in films.items()) or "none"
        what = f"streams of pictures '{wanted}'" if wanted else "streams of pictures"
        raise BadInputError(
            f"the trial holds {len(found)} {what}, expected one; there are {there}: set picture in [cut] of a TOML file"
            " (picture= in Python)"
        )
    return films[found[0]]


def foot_of(stream: xr.Dataset, foot: str) -> str:
    """Return the side of the foot near the camera, or of the far one.

    Raises
    ------
    BadInputError
        If the stream does not say which side is near.
    """
    near = str(stream.attrs.get("near_side", ""))
    if near not in ("left", "right"):
        raise BadInputError(
            "nobody said which side of the walker faces the camera: read the film again with --near-side left or right"
        )
    return near if foot == "near" else {"left": "right", "right": "left"}[near]


def pixel_names(rows: int, columns: int) -> list[str]:
    """Return the channels of a picture, row by row from the upper left."""
    return [f"pixel_{r:02d}_{c:02d}" for r in range(rows) for c in range(columns)]


def of_pictures(channels: Sequence[str]) -> bool:
    """Return whether the channels of windows are the pixels of pictures."""
    return any(channel.startswith("pixel_") for channel in channels)


def walk_axis(plates: Sequence[PlateColumns], contacts: Stances) -> tuple[int, float] | None:
    """Return the column of the plates' forces along which people walked, and 1.0 or -1.0; None where none shows it.

    A contact brakes and then pushes off along the way of the walk, whatever the axes of the laboratory are; the way of
    most contacts counts.
    """
    ways: Counter[tuple[int, float]] = Counter()
    for stance in contacts.stances:
        force = stance_force(plates, stance, stance_times(stance.ic_s, stance.to_s, _LOOKS))
        push = push_direction(force, _UP) if np.isfinite(force).all() else None
        if push is not None:
            axis = 1 + int(np.argmax(np.abs(push[1:])))
            ways[axis, float(np.sign(push[axis]))] += 1
    return ways.most_common(1)[0][0] if ways else None


def _turned(force_n: Floats, way: tuple[int, float] | None) -> Floats:
    """Return force up, forward and to the left; left of +x is +y, left of +y is -x."""
    if way is None:
        return force_n[:, :1]
    axis, sign = way
    left = sign * force_n[:, 2] if axis == 1 else -sign * force_n[:, 1]
    return np.stack([force_n[:, 0], sign * force_n[:, axis], left], axis=1)


def _film(stream: xr.Dataset, rate_hz: float) -> _Film:
    time = np.asarray(stream["time"].values, dtype=np.float64)
    stamped = np.isfinite(time)
    if stamped.sum() < 2:
        raise BadInputError("the film has fewer than two pictures with a time")
    step = float(np.median(np.diff(time[stamped])))
    whole = max(round(1.0 / step), 1)
    own = float(whole) if abs(whole * step - 1.0) <= _SAME_RATE else 1.0 / step
    rate = min(rate_hz, own)
    return _Film(np.asarray(stream["image"].values)[stamped], time[stamped], rate, step)


def _rows(
    trial: Trial,
    request: CutRequest,
    film: _Film,
    plates: list[PlateColumns],
    contacts: Stances,
    side: str,
    way: tuple[int, float] | None,
    name: str,
) -> _Rows:
    """Return the windows of one foot."""
    attrs = trial.tree.attrs
    weight_n, belt = float(attrs["mass_kg"]) * G, str(attrs.get("surface", "")) == "treadmill"
    rows = _Rows(excluded=Counter(contacts.rejected))
    rows.excluded["foot unknown"] += sum(s.side == "unknown" for s in contacts.stances)
    strides = stride_times(contacts.stances)
    samples = round(request.window_s * film.rate_hz)
    for start_s, stance in _starts(request, film, contacts, side, samples, name, rows.excluded):
        frame, near = film.nearest(start_s + np.arange(samples) / film.rate_hz)
        at = np.where(near, film.time_s[frame], start_s + np.arange(samples) / film.rate_hz)
        # stamps of the film order the moments between them, too
        force, known = foot_force(
            plates, contacts.stances, side, np.maximum.accumulate(at), weight_n=weight_n, treadmill=belt
        )
        counts = near & known & (np.ones(at.size, dtype=bool) if stance is None else _within(at, stance))
        if not counts.any():
            rows.excluded["force unknown throughout"] += 1
            continue
        pictures = film.pictures[frame].reshape(samples, -1) / WHITE
        rows.frames.append(np.where(near[:, None], pictures, np.nan).astype(np.float32))
        rows.targets.append(np.where(counts[:, None], of_foot(_turned(force, way), side) / weight_n, 0.0))
        rows.weight.append(counts.astype(np.float64))
        contact = (np.nan, np.nan, np.nan) if stance is None else (
            stance.to_s - stance.ic_s, strides[stance.side, stance.ic_s], stance.ic_s - start_s
        )  # fmt: skip
        rows.times.append((start_s, *contact))
    rows.excluded = +rows.excluded
    return rows


def _starts(
    request: CutRequest, film: _Film, contacts: Stances, side: str, samples: int, name: str, excluded: Counter[str]
) -> Iterator[tuple[float, Stance | None]]:
    """Give the start (s) of every window, and the stance it is around; None with ``continuous``."""
    first, last = float(film.time_s[0]), float(film.time_s[-1])
    length_s = (samples - 1) / film.rate_hz
    if request.window == "continuous":
        if last - first < length_s:
            excluded["film shorter than a window"] += 1
            return
        for start in continuous_starts(first, last, window_s=length_s, overlap=request.overlap):
            yield float(start), None
        return
    for stance in contacts.stances:
        if stance.side != side:
            continue
        if stance.to_s - stance.ic_s > length_s:
            excluded["stance longer than the window"] += 1
        elif not (first <= stance.ic_s and stance.to_s <= last):
            excluded["film ends within the stance"] += 1
        else:
            yield _clip_start(film, stance, length_s, name), stance


def _clip_start(film: _Film, stance: Stance, length_s: float, name: str) -> float:
    """Return where a window around a stance starts: at a frame's own stamp, so that pictures lie at their moments."""
    wanted = _start(film, stance, length_s, name)
    return float(film.time_s[np.abs(film.time_s - wanted).argmin()]) if wanted > film.time_s[0] else wanted


def _start(film: _Film, stance: Stance, length_s: float, name: str) -> float:
    """Return where a window around a stance starts: anywhere that holds it, by a hash of trial and contact.

    Were stances in the middle of their windows, a network could count frames and would know their limits.
    """
    slack = length_s - (stance.to_s - stance.ic_s)
    margin = min(_MARGIN_S, slack / 2)
    low, high = stance.to_s + margin - length_s, stance.ic_s - margin
    # within the film where that is possible: missing pictures would tell where the window's end is
    low, high = max(low, min(float(film.time_s[0]), high)), min(high, max(float(film.time_s[-1]) - length_s, low))
    share = zlib.crc32(f"{name} {stance.ic_s:.6f}".encode()) / 2**32
    return low + share * max(high - low, 0.0)


def _within(at_s: Floats, stance: Stance) -> Flags:
    return np.asarray((at_s >= stance.ic_s) & (at_s <= stance.to_s), dtype=bool)


def _stance_set(trial: Trial, request: CutRequest, film: _Film, rows: _Rows, side: str, name: str) -> StanceSet:
    size = len(rows.frames)
    channels = pixel_names(*film.pictures.shape[1:])
    axes = ("vgrf", "apgrf", "mlgrf")[: rows.targets[0].shape[1]]
    times = np.asarray(rows.times)
    return make_stance_set(
        np.stack(rows.frames),
        np.stack(rows.targets),
        weight=np.stack(rows.weight),
        channels=channels,
        units=["1"] * len(channels),
        axes=axes,
        labels=labels_of(trial, [side] * size, name)
        | {"condition": [str(trial.tree.attrs.get("condition", ""))] * size},
        scalars=scalars_of(trial, size)
        | {
            "contact_s": times[:, 1].tolist(),
            "stride_s": times[:, 2].tolist(),
            ONSET: times[:, 3].tolist(),
        },
        start_s=times[:, 0].tolist(),
        window="continuous",
        cut="none" if request.window == "continuous" else "force",
        source=name,
        rate_hz=film.rate_hz,
        # pictures show every walker going to the right
        mirrored=request.mirror,
        excluded=dict(rows.excluded),
    )
