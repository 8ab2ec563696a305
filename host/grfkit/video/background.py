"""Silhouettes by background subtraction: a named fallback where the pose model finds nobody, or cannot be run.

The camera stands still and one person walks through the picture: what differs from the median picture is the walker.
It gives a crop and a silhouette, and no joints: no contacts, no pace, no left and right leg. So such a film is aligned
with nothing by itself and no force is estimated from it; its pictures can be learnt from where a clock map is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError, RefusedError
from ..provenance import InputFile, Provenance
from ..records import Recording, make_images, make_recording
from ..records.film_streams import BACKGROUND
from ..signals.film_crop import crop_matrix
from .camera import Background, refuse_moving
from .clip import SIDE, warped
from .decode import Film
from .film_options import FilmOptions
from .people import SCAN_S
from .pose import Picture, import_cv

BODY_LEGS = 2.1
"""Height of a walking body in leg lengths, by which a silhouette without joints is scaled: 2.0 to 2.2 (film_crop)."""
SIDE_PX = 640
"""Longer side of the pictures that are compared, px: a crop is 40 px. Chosen by hand."""
LOOKED_AT = 60
"""Pictures of the whole film whose median is the background. Chosen by hand."""
LEAST_DIFFERENCE = 14.0
"""Grey levels (of 255, the most different of three colours) from which on a pixel differs; noisy films need more.
Chosen by hand on two rendered films."""
_NOISE = 6.0  # times the median difference of the pixels of a picture, which is the film's noise
_SHADOW = (0.55, 0.97, 0.03)  # least and most brightness of a shadow over the floor, and how far its colour may be off
LEAST_AREA = 0.004
"""Share of the picture that a walker covers at least; chosen by hand: a leg of 40 px in 640 x 360."""
MOST_AREA = 0.35
"""Share of the picture that differs from which on the camera or the light changes. Chosen by hand."""
RIVAL = 0.5
"""Area of the second body, as a share of the first's, from which on two people are there. Chosen by hand."""
LEAST_TRAVEL = 1.0
"""Way through the picture, in legs, below which nobody walks through it: who stays becomes background."""
LEAST_S = 1.0
"""Time that the whole walker is in the picture at least, s; as for the pose model."""

Flags = NDArray[np.bool_]
WARNING = (
    "silhouettes are by background subtraction, not by the pose model: shadows and clothes like the wall are taken for"
    " body or floor, and no joint, contact or pace is known, so that nothing aligns this film and no force is estimated"
    " from it"
)


@dataclass(frozen=True)
class Silhouettes:
    """The walker of a film without joints.

    Attributes
    ----------
    times
        Of every picture, s.
    images
        Shape (frames, 40, 40), 0 to 255; black where the walker is not whole in the picture.
    heading, leg_px, floor_px, travel
        As of :class:`~grfkit.video.walk.Walk`, by the outline alone.
    start_s, end_s
        When the whole walker is in the picture.
    """

    times: Floats
    images: NDArray[np.uint8]
    heading: float
    leg_px: float
    floor_px: float
    travel: float
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _Body:
    """The largest body in a picture: its mask, box (left, top, right, bottom, px), trunk, and a second one's area."""

    mask: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    trunk_x: float
    rival: float


@dataclass(frozen=True)
class _Box:
    """Corners around a body, px of the film, shape (2, 2): no marks of the room are taken there."""

    points: Floats


def background_silhouettes(film: Film, frames: Iterator[tuple[float, Picture]]) -> Silhouettes:
    """Return the silhouettes of whoever walks through the film.

    Raises
    ------
    BadInputError
        If nobody walks through the picture, whole and for a second.
    RefusedError
        If the whole picture changes, or two people are in it.
    """
    marks, due = Background(), -np.inf
    factor = min(1.0, SIDE_PX / max(film.width, film.height))
    still = _median_picture(film, factor)
    times: list[float] = []
    bodies: list[_Body | None] = []
    changed: list[float] = []
    for time_s, picture in frames:
        body, share = _body(_smaller(picture, factor), still)
        times.append(time_s)
        bodies.append(body)
        changed.append(share)
        if time_s >= due:
            due = time_s + SCAN_S - 1e-3
            marks.look(picture, time_s, [] if body is None else [_Box(np.reshape(body.box, (2, 2)) / factor)])
    if changed and float(np.median(changed)) > MOST_AREA:
        raise RefusedError(
            f"{film.name}: {100 * np.median(changed):.0f} % of the picture changes: the camera moves, or the light"
            " does; put it on a tripod, and film where the light stays"
        )
    # where nothing is found, as of a body half the picture high
    heights = [b.box[3] - b.box[1] for b in bodies if b is not None] or [0.5 * still.shape[0]]
    leg = float(np.median(heights)) / BODY_LEGS / factor
    refuse_moving(marks.shift_px(-np.inf, np.inf) / leg, film.name)
    return _scaled(film.name, np.asarray(times), bodies, factor, still.shape)


def _scaled(name: str, times: Floats, bodies: list[_Body | None], factor: float, shape: tuple[int, ...]) -> Silhouettes:
    """Return the silhouettes at one scale, floor fixed and trunk centred."""
    box = np.asarray([b.box if b else (np.nan,) * 4 for b in bodies], dtype=np.float64).reshape(-1, 4)
    left, top, right, bottom = box.T
    height, width = shape[:2]
    with np.errstate(invalid="ignore"):
        whole = (left > 1) & (right < width - 1) & (top > 1) & (bottom < height - 1)
    x = np.asarray([b.trunk_x if b else np.nan for b in bodies])
    seen_s = float(np.ptp(times[whole])) if whole.sum() > 1 else 0.0
    if seen_s < LEAST_S:
        raise BadInputError(
            f"{name}: nobody is seen whole against the background for {seen_s:.1f} s, expected {LEAST_S:.0f} s or more;"
            " film one person who walks through the picture, in other colours than the wall"
        )
    rivals = np.asarray([b.rival for b in bodies if b is not None])
    if float((rivals > RIVAL).mean()) > 0.2:
        raise RefusedError(
            f"{name}: two people or more move in it, and background subtraction knows none of them; film one alone"
        )
    leg = float(np.median((bottom - top)[whole])) / BODY_LEGS
    way = float(np.polyfit(times[whole], x[whole], 1)[0])
    travel = float(np.ptp(x[whole])) / leg
    if travel < LEAST_TRAVEL:
        raise BadInputError(
            f"{name}: nobody walks through the picture (the way is {travel:.1f} legs); on a treadmill the walker"
            " becomes background: background subtraction is of no use there"
        )
    floor = float(np.median(bottom[whole]))
    images = np.zeros((len(times), SIDE, SIDE), dtype=np.uint8)
    for i in np.flatnonzero(whole):
        body = bodies[i]
        if body is not None:
            images[i] = warped(body.mask, crop_matrix(float(x[i]), floor, leg, turned=way < 0))
    at = times[whole]
    heading = 1.0 if way > 0 else -1.0
    return Silhouettes(times, images, heading, leg / factor, floor / factor, travel, float(at[0]), float(at[-1]))


def _median_picture(film: Film, factor: float) -> NDArray[np.float32]:
    """Return the median of pictures spread over the whole film."""
    count = sum(1 for _ in film.frames())
    every = max(1, count // LOOKED_AT)
    kept = [_smaller(frame.image, factor) for frame in film.frames() if frame.index % every == 0]
    return np.asarray(np.median(np.stack(kept), axis=0), dtype=np.float32)


def _body(picture: Picture, still: NDArray[np.float32]) -> tuple[_Body | None, float]:
    """Return the largest body that differs from the background, and the share of the picture that does."""
    cv = import_cv()
    now = picture.astype(np.float32)
    off = np.abs(now - still).max(axis=2)
    different = off > max(LEAST_DIFFERENCE, _NOISE * float(np.median(off)))
    different &= ~_shadow(now, still)
    mask = different.astype(np.uint8) * 255
    mask = cv.morphologyEx(mask, cv.MORPH_OPEN, np.ones((3, 3), dtype=np.uint8))
    mask = cv.morphologyEx(mask, cv.MORPH_CLOSE, np.ones((9, 5), dtype=np.uint8))
    count, labels, stats, _ = cv.connectedComponentsWithStats(mask)
    share = float((mask > 0).mean())
    if count < 2:
        return None, share
    order = 1 + np.argsort(-stats[1:, cv.CC_STAT_AREA])
    first = int(order[0])
    area = float(stats[first, cv.CC_STAT_AREA])
    if area < LEAST_AREA * mask.size:
        return None, share
    rival = float(stats[int(order[1]), cv.CC_STAT_AREA]) / area if len(order) > 1 else 0.0
    left, top, wide, high = (int(v) for v in stats[first, :4])
    alone = np.where(labels == first, 255, 0).astype(np.uint8)
    upper = np.flatnonzero((alone[top : top + high // 2] > 0).any(axis=0))
    return _Body(alone, (left, top, left + wide, top + high), float(np.median(upper)), rival), share


def _shadow(now: NDArray[np.float32], still: NDArray[np.float32]) -> Flags:
    """Return which pixels are the background's, darker and of its own colour, in the lower half of the picture."""
    least, most, colour = _SHADOW
    ratio = (now + 1.0) / (still + 1.0)
    mean = ratio.mean(axis=2)
    same = np.abs(ratio - mean[..., None]).max(axis=2) < colour
    dark: Flags = (mean > least) & (mean < most) & same
    dark[: dark.shape[0] // 2] = False
    return dark


def _smaller(picture: Picture, factor: float) -> Picture:
    if factor == 1.0:
        return picture
    cv = import_cv()
    smaller: Picture = cv.resize(picture, None, fx=factor, fy=factor, interpolation=cv.INTER_AREA)
    return smaller


def background_recording(film: Film, options: FilmOptions, inputs: list[InputFile]) -> Recording:
    """Return a film's silhouettes by background subtraction as a recording of one stream, ``images``.

    Raises
    ------
    BadInputError, RefusedError
        As :func:`background_silhouettes`, and if one of several people is asked for.
    """
    if options.walker is not None:
        raise BadInputError(
            f"{film.name}: background subtraction knows no people apart; leave out --walker, or film one person alone"
        )
    frames = ((f.time_s, f.image) for f in film.frames() if options.holds(f.time_s))
    found = background_silhouettes(film, frames)
    near = options.near_side or ("right" if found.heading > 0 else "left")
    attrs = {
        "heading": found.heading, "near_side": near, "leg_px": found.leg_px, "floor_px": found.floor_px,
        "travel_legs": found.travel, "mirrored": int(found.heading < 0), "width_px": film.width,
        "height_px": film.height, "walk_start_s": found.start_s - float(found.times[0]),
        "walk_end_s": found.end_s - float(found.times[0]),
    }  # fmt: skip
    stream = make_images(found.images, found.times, picture=BACKGROUND, attrs=attrs)
    notes = [
        *film.findings,
        WARNING,
        f"the leg's length ({found.leg_px:.0f} px) is the outline's height over {BODY_LEGS}",
    ]
    configuration = {"picture": BACKGROUND} | ({"near_side": options.near_side} if options.near_side else {})
    provenance = Provenance(inputs=inputs, configuration=configuration)
    return make_recording({"images": stream}, device="film", reader="film", provenance=provenance, notes=notes)
