"""The eleven landmarks of Zhou 2025 from the points of any motion capture system, by a mapping file.

Zhou et al. 2025 (doi 10.16156/j.1004-7220.2025.05.028): pelvis centre, and hip, knee, ankle, heel and toe of both
sides. A mapping file (``mappings/*.toml``) says for each of them how it comes from markers or segments.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..arguments import refusal
from ..arrays import Floats, PathLike
from ..documents import toml_document
from ..errors import BadInputError
from ..signals.marker_names import plain_names
from .joint_centres import carried, harrington_hips, hinge_centre, template_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
PARTS = ("hip", "knee", "ankle", "heel", "toe")
LANDMARKS = ("pelvis", *(f"{part}_{side}" for part in PARTS for side in SIDES))


class LandmarkMissingError(BadInputError):
    """A landmark for which the trial holds too few points."""


@dataclass(frozen=True)
class Points:
    """Named points over time, m: ``time_s`` (frames,), ``position`` (frames, points, 3), NaN where missing."""

    time_s: Floats
    names: tuple[str, ...]
    position: Floats

    def of(self, names: Sequence[str]) -> Floats:
        """Return the positions of these points, shape (frames, names, 3)."""
        return np.asarray(self.position[:, [self.names.index(n) for n in names]])

    def has(self, names: Sequence[str]) -> bool:
        """Return whether each of these points is there and visible at least once."""
        if not names or any(n not in self.names for n in names):
            return False
        return bool(np.isfinite(self.of(names)).all(axis=2).any(axis=0).all())

    def path(self, landmark: str) -> Floats:
        """Return the path of one point, shape (frames, 3)."""
        return np.asarray(self.position[:, self.names.index(landmark)])


class LandmarkRecipe(BaseModel):
    """One way to a landmark; ``{side}`` in a name stands for the side's letters. Exactly one way is stated.

    Attributes
    ----------
    mean
        The mean of these points, frame by frame.
    static_mean
        The mean of these points in the static trial, carried by the cluster ``by``.
    harrington
        Hip centre by regression from the pelvis markers, carried by the cluster ``by``.
    hinge
        Markers of the segment above and below; ``guides`` are two landmarks, between which the joint lies.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    mean: tuple[str, ...] = ()
    static_mean: tuple[str, ...] = ()
    harrington: bool = False
    hinge: tuple[tuple[str, ...], ...] = ()
    guides: tuple[str, ...] = ()
    by: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> LandmarkRecipe:
        ways = [bool(self.mean), bool(self.static_mean), self.harrington, bool(self.hinge)]
        if sum(ways) != 1:
            raise ValueError("states none or several of mean, static_mean, harrington and hinge; expected one")
        if self.hinge and (len(self.hinge) != 2 or len(self.guides) != 2):
            raise ValueError("a hinge needs two lists of markers and two guides")
        if (self.static_mean or self.harrington) and len(self.by) < 2:
            raise ValueError("a carried landmark needs a cluster 'by' of three or more markers (both sides counted)")
        return self


class VirtualPoint(BaseModel):
    """A point fixed in a segment: ``offset_m`` along the segment's own axes from its origin."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    segment: str
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


class LandmarkMapping(BaseModel):
    """How the points of one motion capture system become the eleven landmarks.

    Attributes
    ----------
    axes
        Which of the file's axes are forward, left and up (``["x", "-z", "y"]``). Where forward is not fixed, any
        horizontal axis does: the heading is found from the motion.
    sides
        What ``{side}`` stands for, left and right.
    pelvis_asis, pelvis_psis
        For the regression; one PSIS name without ``{side}`` is the sacrum.
    virtual
        Points that are computed from segments first.
    epicondyles, malleoli
        Markers of knee and ankle, the lateral before the medial one, for the knee's alignment in a static trial.
    over
        Mappings before which this one is taken where both fit a recording's names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    name: str
    source: str
    axes: tuple[str, str, str]
    sides: dict[Literal["left", "right"], str]
    pelvis_asis: str = ""
    pelvis_psis: str = ""
    virtual: dict[str, VirtualPoint] = Field(default_factory=dict)
    epicondyles: tuple[str, ...] = Field(default=(), max_length=2)
    malleoli: tuple[str, ...] = Field(default=(), max_length=2)
    over: tuple[str, ...] = ()
    pelvis: tuple[LandmarkRecipe, ...]
    hip: tuple[LandmarkRecipe, ...]
    knee: tuple[LandmarkRecipe, ...]
    ankle: tuple[LandmarkRecipe, ...]
    heel: tuple[LandmarkRecipe, ...]
    toe: tuple[LandmarkRecipe, ...]


def mapping_names() -> tuple[str, ...]:
    """Return the names of the shipped mappings."""
    folder = files("grfkit.gait").joinpath("mappings")
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_mapping(name: PathLike) -> LandmarkMapping:
    """Return a shipped mapping by its name, or the one in a file.

    Raises
    ------
    BadInputError
        If there is none, or it is no mapping.
    """
    if isinstance(name, str) and name in mapping_names():
        text = files("grfkit.gait").joinpath("mappings").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        document = tomllib.loads(text)
    elif Path(name).exists():
        document = toml_document(Path(name))
    else:
        raise BadInputError(f"there is no landmark mapping '{name}'; there are {', '.join(mapping_names())}, or a file")
    try:
        return LandmarkMapping.model_validate(document)
    except ValidationError as error:
        raise BadInputError(f"landmark mapping '{name}', {refusal(error, LandmarkMapping)}") from error


def turned(position: Floats, axes: Sequence[str]) -> Floats:
    """Return vectors, shape (..., 3), along the file's ``axes`` that are forward, left and up.

    Raises
    ------
    BadInputError
        If the axes are no right-handed set.
    """
    try:
        columns = ["xyz".index(a[-1]) for a in axes]
    except ValueError as error:
        raise BadInputError(f"axes are {list(axes)}, expected three of x, y, z with or without a minus") from error
    signs = np.asarray([-1.0 if a.startswith("-") else 1.0 for a in axes])
    matrix = np.zeros((3, 3))
    matrix[np.arange(3), columns] = signs
    if not np.isclose(np.linalg.det(matrix), 1.0):
        raise BadInputError(f"axes {list(axes)} mirror the body; forward, left and up have to be a right-handed set")
    return np.asarray(position[..., columns] * signs)


def segment_points(time_s: Floats, rotations: Floats, names: Sequence[str], mapping: LandmarkMapping) -> Points:
    """Return segment origins and the mapping's virtual points, from 4 x 4 matrices (Theia3D).

    Parameters
    ----------
    rotations
        Shape (frames, segments, 4, 4), local to global; lengths in m.

    Raises
    ------
    BadInputError
        If a virtual point's segment is missing.
    """
    point_names = list(names)
    paths = [np.asarray(rotations[:, i, :3, 3]) for i in range(len(point_names))]
    for name, point in mapping.virtual.items():
        if point.segment not in names:
            raise BadInputError(f"segment '{point.segment}' is not in the file; it holds {', '.join(names)}")
        matrix = rotations[:, list(names).index(point.segment)]
        paths.append(matrix[:, :3, :3] @ np.asarray(point.offset_m) + matrix[:, :3, 3])
        point_names.append(name)
    return Points(time_s, tuple(point_names), np.stack(paths, axis=1))


def landmarks(points: Points, mapping: LandmarkMapping, *, static: Points | None = None) -> Points:
    """Return the eleven landmarks (:data:`LANDMARKS`), X forward, Y left, Z up as the mapping's axes say.

    For each landmark the first recipe whose points are there is taken; a subject's name before a point's
    (``Subject:LHEE``) is left out. Without a static trial, the trial itself is used
    in its place where it has the markers.

    Parameters
    ----------
    points
        Of the trial, m, in the file's axes.
    static
        Of the static trial, in the same axes.

    Raises
    ------
    LandmarkMissingError
        If a landmark has no recipe that fits, with the points it would need.
    """
    moving = _named(points, mapping)
    still = moving if static is None else _named(static, mapping)
    paths: dict[str, Floats] = {}
    # in this order, as a hinge is guided by landmarks that have to be there before it (see ``guides``)
    for part in ("pelvis", "hip", "heel", "toe", "ankle", "knee"):
        for side in ("",) if part == "pelvis" else SIDES:
            paths[f"{part}_{side}" if side else part] = _landmark_path(part, side, mapping, moving, still, paths)
    return Points(points.time_s, LANDMARKS, np.stack([paths[name] for name in LANDMARKS], axis=1))


def _named(points: Points, mapping: LandmarkMapping) -> Points:
    """Return points along forward, left and up, named without the subject's prefix."""
    return Points(points.time_s, tuple(plain_names(points.names)), turned(points.position, mapping.axes))


def _landmark_path(
    part: str, side: str, mapping: LandmarkMapping, moving: Points, still: Points, paths: dict[str, Floats]
) -> Floats:
    recipes: tuple[LandmarkRecipe, ...] = getattr(mapping, part)
    alternatives: list[str] = []
    for recipe in recipes:
        path, needs = _recipe_path(recipe, side, mapping, moving, still, paths)
        if path is not None:
            return path
        alternatives.append(" + ".join(needs))
    name = f"{part}_{side}" if side else part
    raise LandmarkMissingError(
        f"landmark '{name}' cannot be made by mapping '{mapping.name}': it needs {', or '.join(alternatives)};"
        f" the trial holds {', '.join(moving.names)}"
    )


def _recipe_path(
    recipe: LandmarkRecipe, side: str, mapping: LandmarkMapping, moving: Points, still: Points, paths: dict[str, Floats]
) -> tuple[Floats | None, list[str]]:
    """Return a landmark's path, None where its points are missing, and which points it needs."""
    if recipe.mean:
        needs = side_names(recipe.mean, side, mapping)
        return (moving.of(needs).mean(axis=1) if moving.has(needs) else None), needs
    if recipe.hinge:
        upper, lower = (side_names(group, side, mapping) for group in recipe.hinge)
        if not (moving.has(upper) and moving.has(lower)):
            return None, [*upper, *lower]
        guides = [paths[f"{g}_{side}"] for g in recipe.guides]
        return hinge_centre(moving.of(upper), moving.of(lower), guides[0], guides[1]), []
    cluster = [n for n in side_names(recipe.by, side, mapping) if moving.has([n]) and still.has([n])]
    static_names = pelvis_marker_names(mapping) if recipe.harrington else side_names(recipe.static_mean, side, mapping)
    if len(cluster) < 3 or not still.has(static_names):
        return None, [*static_names, *side_names(recipe.by, side, mapping)]
    # cluster and points of one frame: means over frames would shrink a body that sways in the static trial
    shape = template_of(still.of([*cluster, *static_names]))
    static = shape[len(cluster) :]
    if recipe.harrington:
        left, right = harrington_hips(static[0], static[1], static[2:].mean(axis=0))
        point = right if side == "right" else left
    else:
        point = static.mean(axis=0)
    return carried(point[None], shape[: len(cluster)], moving.of(cluster))[:, 0], []


def pelvis_marker_names(mapping: LandmarkMapping) -> list[str]:
    """Return the names of both ASIS, then of the PSIS (two, or the one sacrum)."""
    both = [mapping.pelvis_asis.format(side=mapping.sides[s]) for s in SIDES]
    return [*both, *dict.fromkeys(mapping.pelvis_psis.format(side=mapping.sides[s]) for s in SIDES)]


def side_names(names: Sequence[str], side: str, mapping: LandmarkMapping) -> list[str]:
    """Return the names of a side; without a side (the pelvis) those of both."""
    sides = [mapping.sides["left" if side == "left" else "right"]] if side else [mapping.sides[s] for s in SIDES]
    return list(dict.fromkeys(name.format(side=s) for name in names for s in sides))
