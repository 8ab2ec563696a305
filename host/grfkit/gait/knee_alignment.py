"""Knee alignment in the frontal plane, varus positive, from a static trial with medial and lateral markers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..records import Recording
from ..records.person import LARGEST_HKA_DEG
from ..signals.marker_names import plain_names
from .joint_centres import harrington_hips
from .landmarks import (
    SIDES,
    LandmarkMapping,
    Points,
    load_mapping,
    mapping_names,
    pelvis_marker_names,
    side_names,
    turned,
)

MARKER_SD_DEG = 1.5
"""SD (degrees) by where markers are put: 5 mm of the knee's centre sideways turn thigh and shank of 0.4 m by 1.4
degrees together. Chosen by hand; radiographs of healthy adults differ by 2.6 to 3.0 degrees between people."""
_LEAST_WIDTH_M = 0.04
"""Distance (m) of the epicondyles' markers below which they do not show an axis: adults have 0.08 to 0.12."""


@dataclass(frozen=True)
class KneeAlignment:
    """The alignment of one leg.

    Attributes
    ----------
    deviation_deg
        Deviation of the hip-knee-ankle axis from 180 degrees: positive where the knee lies to the outside of the line
        from hip to ankle (varus, bow-legged), negative for valgus.
    sd_deg
        Its SD: of the markers' places (:data:`MARKER_SD_DEG`) and of the noise between frames.
    frames
        Frames that show all markers.
    """

    side: Literal["left", "right"]
    deviation_deg: float
    sd_deg: float
    frames: int


def deviation_deg(hip: Floats, knee: Floats, ankle: Floats, outward: Floats) -> Floats:
    """Return the deviation of the hip-knee-ankle axis from 180 degrees, varus positive, shape (frames,).

    With ``u`` the direction from ankle to hip and ``e`` the outward line through the knee made perpendicular to ``u``,
    it is ``atan2((K - H).e, (H - K).u) + atan2((K - A).e, (K - A).u)``: the angles of thigh and shank to the line from
    hip to ankle, seen in the plane of that line and the knee's axis. Flexion of the knee is not part of it.

    Parameters
    ----------
    hip, knee, ankle
        Joint centres, shape (frames, 3), m.
    outward
        From the medial to the lateral epicondyle, shape (frames, 3).
    """
    up = (hip - ankle) / np.linalg.norm(hip - ankle, axis=1, keepdims=True)
    across = outward - (outward * up).sum(axis=1, keepdims=True) * up
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    thigh = np.arctan2(((knee - hip) * across).sum(axis=1), ((hip - knee) * up).sum(axis=1))
    shank = np.arctan2(((knee - ankle) * across).sum(axis=1), ((knee - ankle) * up).sum(axis=1))
    return np.asarray(np.degrees(thigh + shank), dtype=np.float64)


def knee_alignment(static: Points, mapping: LandmarkMapping) -> dict[Literal["left", "right"], KneeAlignment]:
    """Return the alignment of each leg from a static trial; the hip's centre is Harrington's.

    Parameters
    ----------
    static
        All frames of the static trial, m, in the file's axes.
    mapping
        Names the epicondyles and malleoli (``epicondyles``, ``malleoli``: lateral, medial) and the pelvis markers.

    Raises
    ------
    BadInputError
        If the mapping names no medial markers, the trial lacks one, they lie too near one another, the
        lateral one lies inside, or a deviation is over 25 degrees.
    """
    if not mapping.epicondyles or not mapping.malleoli:
        raise BadInputError(
            f"mapping '{mapping.name}' names no medial and lateral markers of knee and ankle (epicondyles, malleoli);"
            " without them a static trial does not show the knee's alignment: take another mapping, or state the angle"
        )
    body = Points(static.time_s, tuple(plain_names(static.names)), turned(static.position, mapping.axes))
    return {side: _of_leg(body, mapping, side) for side in SIDES}


def knee_alignment_of(recording: Recording, mapping: PathLike = "") -> dict[Literal["left", "right"], KneeAlignment]:
    """Return the alignment of each leg in the recording of a static trial.

    Parameters
    ----------
    mapping
        Name of a shipped mapping or a file; if empty the shipped one whose markers the recording holds.

    Raises
    ------
    BadInputError
        As :func:`knee_alignment`; or if there is not one stream of landmarks, or no or several mappings fit it.
    """
    streams = recording.of_kind("landmarks")
    if len(streams) != 1:
        raise BadInputError(f"holds {len(streams)} streams of landmarks, expected one: the markers of a static trial")
    marks = next(iter(streams.values()))
    points = Points(
        np.asarray(marks["time"].values, dtype=np.float64),
        tuple(str(name) for name in marks["landmark"].values),
        np.asarray(marks["position"].values, dtype=np.float64),
    )
    return knee_alignment(points, load_mapping(mapping) if str(mapping) else _fitting(points))


def _fitting(points: Points) -> LandmarkMapping:
    """Return the shipped mapping whose markers of pelvis, knee and ankle are there."""
    body = Points(points.time_s, tuple(plain_names(points.names)), points.position)
    mappings = [m for m in map(load_mapping, mapping_names()) if m.epicondyles and m.malleoli]
    fitting = [m for m in mappings if body.has(_markers_of(m, "left")) and body.has(_markers_of(m, "right"))]
    if len(fitting) != 1:
        needs = "; ".join(f"{m.name}: {', '.join(_markers_of(m, 'left'))}" for m in fitting or mappings)
        raise BadInputError(
            f"{len(fitting) or 'none'} of the shipped mappings {'fit' if fitting else 'fits'} these markers; name one"
            f" with --mapping (mapping in Python), or a file of your own. A left leg needs {needs}"
        )
    return fitting[0]


def _markers_of(mapping: LandmarkMapping, side: Literal["left", "right"]) -> list[str]:
    names = side_names((*mapping.epicondyles, *mapping.malleoli), side, mapping)
    return [*pelvis_marker_names(mapping), *names]


def _of_leg(body: Points, mapping: LandmarkMapping, side: Literal["left", "right"]) -> KneeAlignment:
    pelvis = pelvis_marker_names(mapping)
    knee, ankle = (side_names(names, side, mapping) for names in (mapping.epicondyles, mapping.malleoli))
    lacking = [name for name in (*pelvis, *knee, *ankle) if not body.has([name])]
    if lacking:
        raise BadInputError(
            f"the static trial lacks {', '.join(lacking)}, without which the {side} knee cannot be measured;"
            f" it holds {', '.join(body.names)}"
        )
    positions = body.of([*pelvis, *knee, *ankle])
    positions = positions[np.isfinite(positions).all(axis=(1, 2))]
    if not len(positions):
        raise BadInputError(f"no frame of the static trial shows all markers of the {side} leg and the pelvis at once")
    count = len(pelvis)
    both = np.stack([harrington_hips(f[0], f[1], f[2:count].mean(axis=0)) for f in positions])
    own = SIDES.index(side)
    hips = both[:, own]
    lateral, medial, outer, inner = (positions[:, count + k] for k in range(4))
    width = float(np.median(np.linalg.norm(lateral - medial, axis=1)))
    if width < _LEAST_WIDTH_M:
        raise BadInputError(
            f"the markers {knee[0]} and {knee[1]} lie {1e3 * width:.0f} mm apart, a knee is 80 to 120 mm wide;"
            " correct the mapping or the file"
        )
    if float(np.median(((lateral - medial) * (hips - both[:, 1 - own])).sum(axis=1))) < 0:
        raise BadInputError(
            f"the lateral marker of the {side} knee, {knee[0]}, lies to the inside of the medial one, {knee[1]}: left"
            " and right, or lateral and medial, are exchanged; correct the mapping or the file"
        )
    angles = deviation_deg(hips, (lateral + medial) / 2, (outer + inner) / 2, lateral - medial)
    angle = float(np.median(angles))
    if abs(angle) > LARGEST_HKA_DEG:
        raise BadInputError(
            f"the {side} knee deviates by {angle:+.1f} degrees, more than {LARGEST_HKA_DEG:g}: markers of the static"
            " trial are exchanged or misnamed; correct them, or state the angle (hka_left_deg, hka_right_deg)"
        )
    return KneeAlignment(side, angle, math.hypot(MARKER_SD_DEG, float(angles.std())), len(angles))
