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
_SIDE = "(?:l|r|left|right)?"
_FORCE_WORDS = re.compile(
    rf"(?:forces?|torques?|moments?|reactions?|pressures?){_SIDE}(?:_|\d|$)"
    rf"|(?:^|_){_SIDE}(?:cops?|grm|grt|fp\d*){_SIDE}(?:_|\d|$)"
)
# Of these one column is enough
_GROUND_WORDS = re.compile(
    rf"(?:^|_)(?:{_SIDE}|[vafm])p?(?:grf|cop)s?{_SIDE}(?:_|\d|$)|ground_?reaction|grf[xyz]|cop[xyz](?:_|\d|$)"
    r"|cent(?:er|re)_?of_?(?:pressure|force)|point_?of_?(?:force|application)|ground_?(?:force|point)"
    r"|^(?:(?:l|r|left|right|fp\d+|plate_?\d+)_?)?f_?[xyz](?:_?(?:\d{1,2}|l|r|left|right))?$"
)
# Beside a force plate such triples may be its points of force
_POINT_WORDS = re.compile(r"(?:^|_)(?:points?|pos|positions?|locations?)(?:_|\d|$)")
_BEFORE_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
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
    """Return the labels outside ``used`` that look like forces, points of force or torques.

    Such are three labels that differ in their axis (x, y, z) alone and hold the word force, moment, torque, reaction
    or cop, or belong to a point or moment as ``vx`` to ``px``; and every single label that says ground force, grf,
    centre of pressure or ``fz``. Where ``used`` holds a plate, three labels with the word point are as well. Joint
    reactions are not.
    """
    triples: dict[tuple[str, str, str], dict[str, int]] = {}
    found: set[int] = set()
    words = (_FORCE_WORDS, _POINT_WORDS) if used else (_FORCE_WORDS,)
    for index, label in enumerate(labels):
        forms = _forms(label)
        if index in used or _JOINT_REACTION.search(forms[0]):
            continue
        if any(_GROUND_WORDS.search(form) for form in forms):
            found.add(index)
        if match := _AXIS.fullmatch(forms[0]):
            key = (match["before"], match["kind"], match["behind"])
            triples.setdefault(key, {}).setdefault(match["axis"], index)
    whole = {key: axes for key, axes in triples.items() if len(axes) == 3}
    kinds: dict[tuple[str, str], set[str]] = {}
    for before, kind, behind in whole:
        kinds.setdefault((before, behind), set()).add(kind)
    for (before, kind, behind), axes in whole.items():
        stems = _stems(labels[axes["x"]])
        if kind == "f" or _is_force_set(kind, kinds[before, behind]) or any(w.search(s) for w in words for s in stems):
            found.update(axes.values())
    return [labels[index] for index in sorted(found)]


def _stems(label: str) -> list[str]:
    """Return the forms of a label up to its axis."""
    matches = (_AXIS.fullmatch(form) for form in _forms(label))
    return [f"{match['before']}{match['kind']}" for match in matches if match]


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
    for form in _forms(label):
        for name in _names():
            if match := name.pattern.fullmatch(form):
                return name, match
    return None


def _forms(label: str) -> list[str]:
    """Return a label as it is compared: as it stands, and with a border before each capital where it has some."""
    return list(dict.fromkeys([_plain(label), _plain(_BEFORE_CAPITAL.sub("_", label.strip()))]))


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
