"""The standing foot's own level axes, from heel and toe markers, and a centre of pressure carried there and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..records import Trial
from ..signals.marker_names import foot_landmarks
from .cop import SHORTEST_LINE_M

CopFrame = Literal["lab", "foot"]
COP_FRAMES: tuple[CopFrame, ...] = ("lab", "foot")
"""Of a centre of pressure: along the direction of walking and across it, or along the standing foot, heel to toe."""
STANDS = (0.2, 0.5)
"""Part of a contact in which the foot stands flat. Chosen by hand: before it the toes come down, after it the heel
rises, of walkers and of runners."""
_FEWEST = 3
"""Samples of both markers while the foot stands, at least. Chosen by hand: .03 s at 100 Hz."""
_OPTION = "--cop-frame foot (cop_frame='foot' in Python)"
_NAMED = 6
SIDES = ("left", "right")


class MarkersMissingError(BadInputError):
    """A trial without the markers that show how its feet stand."""


@dataclass(frozen=True)
class FootMarkers:
    """Heel and toe of one foot, each the mean of its markers: (samples,), (samples, 3) twice, NaN where not seen."""

    time_s: Floats
    heel_m: Floats
    toe_m: Floats
    frame: str


@dataclass(frozen=True)
class StandingFoot:
    """How a foot stands in one contact: level, as fixed to the ground as a foot that does not slip.

    Attributes
    ----------
    heel_m
        Shape (2,): forward and left in the lab, where the heel marker stood over the ground at ``at_s``.
    axes
        Shape (2, 2): in its columns the foot's forward, from heel to toe marker, and its left.
    belt_m_s
        How fast the ground runs backward; 0 over a floor.
    """

    heel_m: Floats
    axes: Floats
    at_s: float
    belt_m_s: float

    def to_foot(self, lab_m: Floats, time_s: Floats) -> Floats:
        """Return places in the lab (samples, 2) as the foot has them: forward from its heel marker, and to its left."""
        return np.asarray((lab_m + self._run(time_s) - self.heel_m) @ self.axes)

    def to_lab(self, foot_m: Floats, time_s: Floats) -> Floats:
        """Return places in the foot's axes (samples, 2) in the lab, forward and left: what :meth:`to_foot` undoes."""
        return np.asarray(foot_m @ self.axes.T + self.heel_m - self._run(time_s))

    def turned(self, way: Floats) -> Floats:
        """Return a way on the ground (samples, 2), forward and left in the lab, in the foot's directions."""
        return np.asarray(way @ self.axes)

    def turned_back(self, way: Floats) -> Floats:
        """Return a way in the foot's directions in those of the lab: what :meth:`turned` undoes."""
        return np.asarray(way @ self.axes.T)

    def _run(self, time_s: Floats) -> Floats:
        """Return how far the ground has run backward, as places on it in the lab at ``at_s`` need (samples, 2)."""
        run = self.belt_m_s * (time_s - self.at_s)
        return np.stack([run, np.zeros_like(run)], axis=1)


@dataclass(frozen=True)
class FootFrames:
    """The markers of both feet of a trial."""

    markers: Mapping[str, FootMarkers]

    def of(self, side: str, ic_s: float, to_s: float, level: Floats, *, belt_m_s: float = 0.0) -> StandingFoot | None:
        """Return how a foot stands in a contact; None where its markers are not seen, or its side is not known.

        Parameters
        ----------
        level
            Shape (3, 2): forward and left of the lab, in the markers' own axes.
        """
        seen = self.markers.get(side)
        if seen is None:
            return None
        start, end = (ic_s + share * (to_s - ic_s) for share in STANDS)
        inside = (seen.time_s >= start) & (seen.time_s <= end)
        heel, toe = seen.heel_m[inside] @ level, seen.toe_m[inside] @ level
        known = np.isfinite(heel).all(axis=1) & np.isfinite(toe).all(axis=1)
        if np.count_nonzero(known) < _FEWEST:
            return None
        line = np.median(toe[known] - heel[known], axis=0)
        length = float(np.linalg.norm(line))
        if length < SHORTEST_LINE_M:
            return None
        ahead = line / length
        ground = heel[known].copy()
        ground[:, 0] += belt_m_s * (seen.time_s[inside][known] - ic_s)
        axes = np.stack([ahead, [-ahead[1], ahead[0]]], axis=1)
        return StandingFoot(np.median(ground, axis=0), axes, ic_s, belt_m_s)


def foot_frames(trial: Trial, name: str, *, frame: str = "") -> FootFrames:
    """Return the heel and toe (or metatarsal) markers of both feet of a trial.

    Parameters
    ----------
    name
        Of the trial, as a message names it.
    frame
        Of what the markers have to be in, such as ``lab``; any where nothing is said.

    Raises
    ------
    MarkersMissingError
        If the trial has no such markers, or they are in another frame; names what is missing.
    """
    streams = [
        s for n, s in trial.streams.items() if s.attrs.get("kind") == "landmarks" and n not in trial.refused_streams
    ]
    found: dict[str, FootMarkers] = {}
    for stream in streams:
        for side, markers in _of_stream(stream).items():
            found.setdefault(side, markers)
    lacking = [side for side in SIDES if side not in found]
    if lacking:
        names = [str(n) for s in streams for n in s["landmark"].values]
        shown = f"{', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''}"
        lacks = f"its {shown} show none of the {' and the '.join(lacking)} foot" if names else "it has no markers"
        raise MarkersMissingError(
            f"{name}: {_OPTION} needs markers of heel and toe (or metatarsal) of both feet; {lacks}; leave it out"
        )
    frames = sorted({markers.frame for markers in found.values()})
    if frame and frames != [frame]:
        raise MarkersMissingError(
            f"{name}: its markers are in the {', '.join(frames)} frame, and {_OPTION} needs them in the {frame} frame;"
            " align again by grf-sync with --forward (forward in Python)"
        )
    return FootFrames(found)


def _of_stream(stream: xr.Dataset) -> dict[str, FootMarkers]:
    position = np.asarray(stream["position"].values, dtype=np.float64)
    time = np.asarray(stream["time"].values, dtype=np.float64)
    if position.shape[-1] != 3:
        return {}
    frame = str(stream["position"].attrs.get("frame", ""))
    parts = foot_landmarks([str(n) for n in stream["landmark"].values])
    made = {}
    for side, of in parts.items():
        if {"heel", "toe"} <= set(of):
            heel, toe = (position[:, of[part]].mean(axis=1) for part in ("heel", "toe"))
            made[side] = FootMarkers(time, heel, toe, frame)
    return made
