"""What a perfect pose model would see of a rendered film: true keypoints and silhouettes, without any picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInputError
from ...provenance import Provenance
from ...records import ClockMap, Recording, make_images, make_keypoints, make_recording
from ...records.clock import Segment
from ...signals.film_crop import CROP_PX, crop_matrix
from .camera import Camera
from .clock import FilmStamps
from .figure import figure, painted
from .look import Look
from .motion import KEYPOINTS, SIDES, FilmedBody
from .paint import silhouettes

RENDERED = "rendered: a body of capsules, no real film"
"""The finding that every recording of a rendered film carries."""


def true_film_recording(
    body: FilmedBody, look: Look, camera: Camera, stamps: FilmStamps, *, name: str = "rendered film"
) -> Recording:
    """Return the recording of a rendered film as a perfect decoder and pose model would give it.

    Streams ``keypoints`` (projected true points) and ``images`` (40 x 40 silhouettes), on the film's own clock, with
    the attributes that ``grfkit/video/README.md`` lists. Beside them ``rendered`` is 1, and ``measured_from_s`` and
    ``measured_to_s`` (film clock) say between which stamps the motion was measured: what is beyond repeats a stride.
    Where the trunk is beyond the picture's edge the points are NaN and the picture is black.

    Raises
    ------
    BadInputError
        If the walker is never in the picture.
    """
    shown = body.at(stamps.reference_s)
    points, _ = camera.project(np.stack([shown.points[n] for n in KEYPOINTS], axis=1))
    trunk, _ = camera.project(shown.trunk)
    seen = (trunk[:, 0] > 0) & (trunk[:, 0] < camera.width_px) & body.covers(stamps.reference_s)
    if not seen.any():
        raise BadInputError(f"{name}: the walker is never in the picture")
    leg, floor = leg_and_floor_px(shown, camera, seen)
    attrs: dict[str, float | str] = {
        "heading": camera.heading,
        "near_side": camera.near_side,
        "leg_px": leg,
        "floor_px": floor,
        "width_px": float(camera.width_px),
        "height_px": float(camera.height_px),
        "people": 1.0,
        "rendered": 1.0,
        "measured_from_s": stamps.of_reference(body.measured_s[0]),
        "measured_to_s": stamps.of_reference(body.measured_s[1]),
    }
    parts = painted(figure(shown, look.clothes, camera.near_side), camera)
    turned = camera.heading < 0
    maps = np.stack([crop_matrix(x, floor, leg, turned=turned) for x in trunk[:, 0]])
    pictures = silhouettes(parts, maps, CROP_PX)
    pictures[~seen] = 0
    inside = (points >= 0).all(axis=2) & (points < [camera.width_px, camera.height_px]).all(axis=2)
    points[~seen] = np.nan
    inside &= seen[:, None]
    keypoints = make_keypoints(points, KEYPOINTS, stamps.film_s, visibility=inside.astype(float), attrs=attrs)
    images = make_images(pictures, stamps.film_s, picture="silhouette", attrs=attrs | {"mirrored": int(turned)})
    about = f"{RENDERED} ({body.source}; {look.laboratory} laboratory); points and silhouettes are the true ones"
    return make_recording(
        {"keypoints": keypoints, "images": images},
        device=name,
        reader="rendered",
        provenance=Provenance(findings=[about]),
    )


def leg_and_floor_px(shown: FilmedBody, camera: Camera, seen: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the median length of both legs (hip to ankle along the knee) and the floor's y under the walker, px.

    Over the pictures in which the walker is seen.
    """
    chains = [[camera.project(shown.points[f"{p}_{s}"])[0] for p in ("hip", "knee", "ankle")] for s in SIDES]
    leg = [np.linalg.norm(h - k, axis=1) + np.linalg.norm(k - a, axis=1) for h, k, a in chains]
    floor, _ = camera.project(shown.middle("hip") * np.asarray([1.0, 1.0, 0.0]))
    return float(np.median(np.asarray(leg)[:, seen])), float(np.median(floor[seen, 1]))


def true_clock_map(stamps: FilmStamps, *, target: str = "plates") -> ClockMap:
    """Return the map from the film's clock to the forces', as the renderer knows it."""
    end = float(stamps.film_s[-1])
    whole = Segment(start_s=0.0, end_s=end, offset_s=stamps.offset_s, drift_ppm=stamps.drift_ppm)
    return ClockMap(
        source="film",
        target=target,
        verdict="aligned",
        offset_s=stamps.offset_s,
        drift_ppm=stamps.drift_ppm,
        segments=[whole],
        origin="offset",
        findings=["the clock is the renderer's own: known, not estimated"],
    )
