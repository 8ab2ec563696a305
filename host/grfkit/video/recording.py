"""A film as a Recording: the walker's points in px and small pictures, on the clock of the film's own time stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import as_path
from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..provenance import InputFile, Provenance, describe_input
from ..records import Recording, make_images, make_keypoints, make_recording
from ..records.film_streams import BACKGROUND
from ..signals.film_crop import CROP_PX
from ..signals.film_time import leaps, trunk_of
from ..signals.side_legs import LEGS_PUT_RIGHT
from .background import background_recording
from .camera import Background, refuse_moving
from .clip import centres, full_frame, grey_crop, silhouettes
from .decode import Film, open_film
from .film_options import FilmOptions
from .follow import Walker, follow
from .legs import repaired
from .passes import Passes, passes_of
from .people import SCAN_S, TRAVEL, Search, choose
from .people import Path as WayThrough
from .pose import POINTS, Picture, PoseModel
from .stamps import Repeats, about_rate, about_time
from .walk import GOING, Walk, against, find_walk, leg_lengths

__all__ = ["CAMERA_SHAKES", "FilmOptions", "Followed", "read_film", "walk_recording"]

CAMERA_SHAKES = 0.03
"""Shift of the background, in leg lengths, from which on it is told. Chosen by hand."""


def read_film(path: PathLike, options: FilmOptions | None = None, **stated: Any) -> Recording:
    """Return the walker of a film as streams ``keypoints`` and ``images``, on the clock ``film``.

    The film is one of somebody who walks, seen from the side by a camera that stands still. Every picture of it has a
    row; points are NaN where the walker is not found, is outside the picture, or goes the other way than in the walk
    that is read. Nothing is smoothed. ``notes`` say what was noticed. A second of film takes some five seconds.

    Pictures ``background silhouette`` need no pose model, and come alone: no keypoints, so no contacts and no force
    (:mod:`grfkit.video.background`).

    Parameters
    ----------
    path
        The film: MP4, MOV, AVI, MKV ...
    options
        See :class:`FilmOptions`; all as in its defaults if None.
    stated
        Fields of :class:`FilmOptions` by name, in place of those of ``options``: ``walker="left"``.

    Raises
    ------
    BadInputError
        If the file is no film, nobody walks in it, the walker is cut off by the picture's edge or too small, or there
        is no such option.
    RefusedError
        If it is open who is meant, the camera moves, or the walk is not seen from the side.

    Examples
    --------
    >>> import grfkit
    >>> grfkit.read_film("walk.mp4", step=2)
    Traceback (most recent call last):
    grfkit.errors.BadInputError: read_film has no option 'step'; there are walker, near_side, picture, start_s, ...
    """
    names = [field.name for field in fields(FilmOptions)]
    for name in stated:
        if name not in names:
            raise BadInputError(f"read_film has no option '{name}'; there are {', '.join(names)}")
    wanted, file = replace(options or FilmOptions(), **stated), as_path(path, what="a film")
    source = describe_input(file)
    film = open_film(file)
    if wanted.picture == BACKGROUND:
        return background_recording(film, wanted, [source])
    model = PoseModel()
    paths, background = _search(film, model, wanted)
    way = choose(paths, wanted.walker, name=file.name)
    passes = passes_of(paths, way) if wanted.walker is None else Passes((way,))
    repeats = Repeats()
    found = follow(repeats.watch(_frames(film, wanted)), passes, model, seen=_step(wanted, "following"))
    seen = Followed(file.name, found, paths, way, passes, background, repeats, film.width, film.height)
    return walk_recording(
        replace(seen, captured_hz=film.captured_hz),
        wanted,
        pictures=lambda walker, walk: _pictures(film, walker, walk, wanted),
        findings=lambda: film.findings,
        inputs=[source],
    )


@dataclass(frozen=True)
class Followed:
    """A walker who was followed through a film, and what else the film showed.

    Attributes
    ----------
    name
        Of the film, for refusals.
    found, way, passes
        The walker, its path and all of its passes; ``paths``: everybody's.
    captured_hz
        As the camera states it; NaN where it does not.
    """

    name: str
    found: Walker
    paths: Sequence[WayThrough]
    way: WayThrough
    passes: Passes
    background: Background
    repeats: Repeats
    width: int
    height: int
    captured_hz: float = float("nan")


def walk_recording(
    seen: Followed,
    wanted: FilmOptions,
    *,
    pictures: Callable[[Walker, Walk], NDArray[np.uint8]],
    findings: Callable[[], Sequence[str]] = tuple,
    inputs: Sequence[InputFile] = (),
) -> Recording:
    """Return the recording of a walker who was followed; see :func:`read_film`.

    Parameters
    ----------
    pictures
        Makes the clip's pictures of walker and walk.
    findings
        What was noticed of the file, asked for once the pictures are made.

    Raises
    ------
    BadInputError, RefusedError
        As :func:`read_film`.
    """
    found, width, height, repeats = seen.found, seen.width, seen.height, seen.repeats
    if not np.isfinite(found.points).any():
        raise BadInputError(f"{seen.name}: the walker is lost in every picture; film in better light, or from nearer")
    notes = [
        *_about_camera(seen.background, found, seen.way, seen.name),
        *_about_people(seen.paths, seen.way, seen.passes),
    ]
    walk = find_walk(found, width, height, wanted.near_side, name=seen.name)
    fixed, swapped, turned = repaired(found, walk.leg_px, walk.near_side)
    repeated = repeats.share(walk.start, walk.end)
    part = fixed.part(walk.start, walk.end)
    leapt = leaps(part.times, trunk_of(part.points[..., 0] / walk.leg_px, POINTS))
    notes += _about_legs(fixed, walk, swapped, turned) + about_time(part.times, repeated, leapt)
    notes += about_rate(part.times, seen.captured_hz)
    back = against(fixed, walk)
    if back.any():
        fixed = fixed.without(back)
        notes.append(f"in {int(back.sum())} pictures the walker goes the other way; these are left out")
    attrs = _attributes(walk, fixed.times, width, height, len(seen.paths))
    attrs |= {"repeated": repeated, LEGS_PUT_RIGHT: swapped}
    if np.isfinite(seen.captured_hz):
        attrs["captured_hz"] = seen.captured_hz
    streams = {
        "keypoints": make_keypoints(
            _shown(fixed, width, height), POINTS, fixed.times, visibility=fixed.visibility, attrs=attrs
        ),
        "images": make_images(
            pictures(fixed, walk),
            fixed.times,
            picture=wanted.picture,
            attrs=attrs | {"mirrored": int(walk.heading < 0)},
        ),
    }
    provenance = Provenance(inputs=list(inputs), configuration=_configuration(wanted))
    return make_recording(streams, device="film", reader="film", provenance=provenance, notes=[*findings(), *notes])


def _frames(film: Film, options: FilmOptions) -> Iterator[tuple[float, Picture]]:
    """Yield time and picture of the part of a film that is read."""
    for frame in film.frames():
        if options.end_s is not None and frame.time_s >= options.end_s:
            return
        if options.start_s is None or frame.time_s >= options.start_s:
            yield frame.time_s, frame.image


def _search(film: Film, model: PoseModel, options: FilmOptions) -> tuple[list[WayThrough], Background]:
    """Return everybody's path through the film, and the background's shifts."""
    search, background, due = Search(model), Background(), -np.inf
    step = _step(options, "searching")
    for time_s, picture in _frames(film, options):
        if time_s >= due:
            due = time_s + SCAN_S - 1e-3
            background.look(picture, time_s, search.look(picture, time_s))
        step(time_s)
    return search.paths(), background


def _step(options: FilmOptions, what: str) -> Callable[[float], None]:
    return lambda time_s: options.progress(what, time_s) if options.progress else None


def _pictures(film: Film, walker: Walker, walk: Walk, options: FilmOptions) -> NDArray[np.uint8]:
    """Return the clip's pictures, black where the walker is not found."""
    if options.picture == "silhouette":
        return silhouettes(walker, walk)
    images, middles = np.zeros((len(walker.times), CROP_PX, CROP_PX), dtype=np.uint8), centres(walker)
    step = _step(options, "pictures")
    for i, (time_s, picture) in enumerate(_frames(film, options)):
        if options.picture == "full frame":
            images[i] = full_frame(picture, turned=walk.heading < 0)
        elif np.isfinite(middles[i]):
            images[i] = grey_crop(picture, walk, float(middles[i]))
        step(time_s)
    return images


def _shown(walker: Walker, width: int, height: int) -> Floats:
    """Return the points, NaN outside the picture: the network guesses where they would be."""
    x, y = walker.points[..., 0], walker.points[..., 1]
    with np.errstate(invalid="ignore"):
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shown: Floats = np.where(inside[..., None], walker.points, np.nan)
    return shown


def _attributes(walk: Walk, times: Floats, width: int, height: int, people: int) -> dict[str, Any]:
    return {
        "heading": walk.heading,
        "near_side": walk.near_side,
        "leg_px": walk.leg_px,
        "floor_px": walk.floor_px,
        "floor_slope": walk.floor_slope,
        "travel_legs": walk.travel,
        "walk_start_s": float(times[walk.start] - times[0]),
        "walk_end_s": float(times[walk.end - 1] - times[0]),
        "width_px": width,
        "height_px": height,
        "people": people,
    }


def _configuration(options: FilmOptions) -> dict[str, Any]:
    """Return what was asked for, as provenance keeps it."""
    names = ("walker", "near_side", "picture", "start_s", "end_s")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _about_camera(background: Background, walker: Walker, way: WayThrough, name: str) -> list[str]:
    """Return what is said of the camera; refuse one that moves."""
    shift = background.shift_px(way.times[0], way.times[-1]) / float(np.nanmedian(leg_lengths(walker)))
    if np.isnan(shift):
        return ["the background is too even to tell whether the camera stood still"]
    refuse_moving(shift, name)
    return (
        [f"the camera shakes: the background shifts by {shift:.2f} of the leg's length"]
        if shift > CAMERA_SHAKES
        else []
    )


def _about_people(paths: Sequence[WayThrough], way: WayThrough, passes: Passes) -> list[str]:
    """Return what is said of who is in the film."""
    if len(paths) == 1:
        return []
    when = ", ".join(f"{p.times[0]:.1f} to {p.times[-1]:.1f} s" for p in passes.ways)
    notes = [f"{len(paths)} people (or passes) were seen; read is {when}"]
    if len(passes.ways) > 1:
        notes.append(
            f"{len(passes.ways)} passes the same way, of people as large, are taken to be one walker's; if they are"
            " not, say whose is asked for (--walker 0, 1 ...)"
        )
    left = sum(p.travel >= TRAVEL and not p.overlaps(way) and p not in passes.ways for p in paths)
    if left:
        notes.append(
            f"{left} more {'pass was' if left == 1 else 'passes were'} not read: another way, another size, or beside"
            " somebody else; ask for one with --walker"
        )
    return notes


def _about_legs(walker: Walker, walk: Walk, swapped: int, turned: bool) -> list[str]:
    """Return what is said of left and right."""
    notes = []
    if swapped:
        count = int(np.isfinite(walker.points[:, 0, 0]).sum())
        notes.append(f"the pose model exchanged the legs in {swapped} of {count} pictures; they were put right")
    geometry = {1.0: "right", -1.0: "left"}[walk.heading]
    if walk.near_side != geometry:
        notes.append(f"the near side is {walk.near_side} as stated, so that the film is taken to be mirrored")
    elif turned:
        notes.append(
            f"the pose model took the {walk.near_side} side, which is near, for the far one; sides were exchanged"
        )
    if walk.travel < GOING:
        notes.append("the walker stays at one place, as on a treadmill")
    return notes
