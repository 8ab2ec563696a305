"""Which columns of an OpenSim file are ground reactions: the naming schemes of ``opensim_columns.toml``."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

from ..errors import BadInputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Foot = Literal["left", "right", ""]
Quantity = Literal["force", "point", "torque"]
QUANTITIES: tuple[Quantity, ...] = ("force", "point", "torque")

_FEET: dict[str, Foot] = {"l": "left", "left": "left", "r": "right", "right": "right"}
# Labels named in a note at most, chosen by hand
_NAMED = 6
_AXIS_OF_DIGIT = {"1": "x", "2": "y", "3": "z"}
# One axis letter, with what may stand before and behind it: "..._vx", "..._x", "...fx", "vx_1", "fx1"
_AXIS = re.compile(r"(?P<before>.*?)(?P<kind>[a-z]*)(?P<axis>[xyz])(?P<behind>_?\d{0,2}|_(?:l|r|left|right))")
_FORCE_WORDS = re.compile(r"(?:^|_)(?:forces?|torques?|moments?|cop|grm|fp\d*)(?:_|\d|$)")
# Of these one column is enough
_GROUND_WORDS = re.compile(r"(?:^|_)[vafmlr]?p?grfs?(?:_|\d|$)|ground_reaction|grf[xyz]")
# Results of OpenSim's JointReaction analysis: loads inside the body, none of the ground
_JOINT_REACTION = re.compile(r"_on_.+_in_")


@dataclass
class GroundReactionColumns:
    """The columns of one plate: index per axis of force (N), point (m), torque about the point (N m)."""

    foot: Foot
    force: dict[str, int] = field(default_factory=dict)
    point: dict[str, int] = field(default_factory=dict)
    torque: dict[str, int] = field(default_factory=dict)
    axes_of_c3d: bool = False
    """Whether the axes (and units) are those of a C3D file that OpenSim's adapter passed on."""

    def of(self, quantity: Quantity) -> dict[str, int]:
        """Return the columns of one quantity, by axis."""
        return {"force": self.force, "point": self.point, "torque": self.torque}[quantity]

    def indices(self) -> list[int]:
        """Return every column of this plate."""
        return [index for quantity in QUANTITIES for index in self.of(quantity).values()]


@dataclass(frozen=True)
class _Name:
    """One name of a scheme, compiled, and what a column of that name holds."""

    pattern: re.Pattern[str]
    quantity: Quantity
    axes_of_c3d: bool


def plate_columns(labels: Sequence[str]) -> list[GroundReactionColumns]:
    """Return the plates that labels name, in order of appearance.

    The names are those of ``opensim_columns.toml``. A plate needs a force.

    Raises
    ------
    BadInputError
        If two labels name the same axis of the same plate.
    """
    plates: dict[tuple[str, str], GroundReactionColumns] = {}
    for index, label in enumerate(labels):
        if (meaning := _meaning(label)) is None:
            continue
        name, match = meaning
        groups = match.groupdict()
        tag = groups.get("tag") or ""
        foot = _FEET.get(tag, "")
        key = (groups.get("body") or "", foot or tag)
        plate = plates.setdefault(key, GroundReactionColumns(foot, axes_of_c3d=name.axes_of_c3d))
        axis = _AXIS_OF_DIGIT.get(match["axis"], match["axis"])
        axes = plate.of(name.quantity)
        if axis in axes:
            raise BadInputError(f"column '{label}' stands twice (also as '{labels[axes[axis]]}')")
        axes[axis] = index
    return [plate for plate in plates.values() if plate.force]


def unplaced_forces(labels: Sequence[str], used: Collection[int]) -> list[str]:
    """Return the labels outside ``used`` that look like forces, points of force or torques: in x, y and z.

    Such are three labels that differ in their axis alone, hold the word force, moment, torque or cop or end in
    ``fx``, or belong to a point or moment as ``vx`` to ``px``; and every label with the word grf. Joint reactions are
    not.
    """
    grounds = {i for i, label in enumerate(labels) if i not in used and _GROUND_WORDS.search(_plain(label))}
    triples: dict[tuple[str, str, str], dict[str, int]] = {}
    for index, label in enumerate(labels):
        match = _AXIS.fullmatch(_plain(label))
        if index in used or match is None or _JOINT_REACTION.search(_plain(label)):
            continue
        key = (match["before"], match["kind"], match["behind"])
        triples.setdefault(key, {}).setdefault(match["axis"], index)
    whole = {key: axes for key, axes in triples.items() if len(axes) == 3}
    kinds: dict[tuple[str, str], set[str]] = {}
    for before, kind, behind in whole:
        kinds.setdefault((before, behind), set()).add(kind)
    for (before, kind, behind), axes in whole.items():
        if _FORCE_WORDS.search(f"{before}{kind}") or kind == "f" or _is_force_set(kind, kinds[before, behind]):
            grounds.update(axes.values())
    return [labels[index] for index in sorted(grounds)]


def forces_note(labels: Sequence[str]) -> str:
    """Return what a user should know of columns that look like forces and are of no scheme."""
    some = ", ".join(labels[:_NAMED]) + (", ..." if len(labels) > _NAMED else "")
    return (
        f"{len(labels)} columns look like forces, their points or moments, but their names are of no scheme that grfkit"
        f" has: {some}; they are analog channels of unknown unit and no plate. If they are ground reactions, rename"
        " them as OpenSim's examples do: ground_force_1_vx, ground_force_1_px, ground_torque_1_x (or with r, l for"
        " the foot)"
    )


def _is_force_set(kind: str, kinds: set[str]) -> bool:
    """Return whether this kind of triple, among those of one name, is a force, its point or its moment."""
    for force, others in (("v", {"p"}), ("f", {"m", "p", "t", "cop"})):
        end = kind.removesuffix(force) if kind.endswith(force) else None
        if end is not None and any(end + other in kinds for other in others):
            return True
        for other in others:
            if kind.endswith(other) and kind.removesuffix(other) + force in kinds:
                return True
    return False


def _meaning(label: str) -> tuple[_Name, re.Match[str]] | None:
    plain = _plain(label)
    for name in _names():
        if match := name.pattern.fullmatch(plain):
            return name, match
    return None


def _plain(label: str) -> str:
    return re.sub(r"[\s._\-/|]+", "_", label.strip().lower()).strip("_")


@cache
def _names() -> tuple[_Name, ...]:
    text = files("grfkit.formats").joinpath("opensim_columns.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    bodies = "|".join(document["bodies"])
    return tuple(
        _Name(_compiled(name, bodies), quantity, scheme.get("axes") == "c3d")
        for scheme in document["scheme"]
        for quantity in QUANTITIES
        for name in scheme[quantity]
    )


def _compiled(name: str, bodies: str) -> re.Pattern[str]:
    parts = {
        "{axis}": "(?P<axis>[xyz])",
        "{123}": "(?P<axis>[123])",
        "{plate}": r"(?P<tag>\d{1,2}|left|right|l|r)",
        "{number}": r"(?P<tag>\d{1,2})",
        "{foot}": "(?P<tag>left|right|l|r)",
        "{body}": f"(?P<body>{bodies})",
    }
    pattern = name.replace("(", "(?:").replace("[", "(?:").replace("]", ")?")
    for word, by in parts.items():
        pattern = pattern.replace(word, by)
    return re.compile(pattern)
