"""House names of channels (``left_force``, ``right_acc_x``, ``plate_2_fz``): stream, side, allowed units."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .. import units
from ..arrays import Floats
from ..errors import BadInputError
from ..formats.csv_generic import TableColumn
from ..records import Channel, Frame, Side, StreamKind
from ..records.body import PLACE_WORDS, BodyPlace

_INSOLE = re.compile(r"(?:(left|right)_)?(force|zone_\w+|cell_(\d{1,3})|pressure_sum)")
_IMU = re.compile(r"(?:(left|right)_)?((acc|gyro|mag)_[xyz])")
_BODY_IMU = re.compile(rf"(?:(left|right)_)?({'|'.join(PLACE_WORDS)})_((?:acc|gyro|mag)_[xyz])")
_PLATE = re.compile(r"(?:(left|right)_|plate_(\d{1,2})_)?(f[xyz]|m[xyz]|free_moment|cop_[xyz])")

_QUANTITIES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"force|f[xyz]"), ("N", "BW", "N/kg", "count", "V")),
    (re.compile(r"zone_\w+|cell_\d+|pressure_sum"), ("N", "Pa", "BW", "count", "V", "1")),
    (re.compile(r"m[xyz]|free_moment"), ("N m", "count", "V")),
    (re.compile(r"cop_[xyz]"), ("m", "1")),
    (re.compile(r"acc_[xyz]"), ("m/s^2", "count", "V")),
    (re.compile(r"gyro_[xyz]"), ("rad/s", "count", "V")),
    (re.compile(r"mag_[xyz]"), ("T", "1", "count", "V")),
)


@dataclass(frozen=True)
class Place:
    """The place of a column in a recording: stream, its kind and side, the channel's name and frame, and of a body's
    IMU where it sits."""

    stream: str
    kind: StreamKind
    side: Side
    channel: str
    frame: Frame
    body: BodyPlace = "foot"

    @property
    def attrs(self) -> dict[str, str] | None:
        """Return what its stream says of itself besides kind and side."""
        return None if self.body == "foot" else {"place": self.body}


def is_house_name(cell: str) -> bool:
    """Return whether a header cell is a house name with its unit, e.g. ``left_force [N]``."""
    match = re.fullmatch(r"([a-z0-9_]+) ?\[[^\[\]]+\]", cell)
    return match is not None and any(p.fullmatch(match[1]) for p in (_INSOLE, _IMU, _BODY_IMU, _PLATE))


def place_of(name: str, names: set[str]) -> Place:
    """Return the place of a column by its name; ``names`` are all names of the file."""
    if match := _IMU.fullmatch(name):
        side = _side(match[1])
        return Place(_with_side("imu", side), "imu", side, match[2], "sensor")
    if match := _BODY_IMU.fullmatch(name):
        side, body = _side(match[1]), PLACE_WORDS[match[2]]
        return Place(_with_side(f"imu_{body}", side), "body_imu", side, match[3], "sensor", body)
    if match := _INSOLE.fullmatch(name):
        side = _side(match[1])
        channel = f"cell_{int(match[3]):02d}" if match[3] else match[2]
        return Place(_with_side("insole", side), "insole", side, channel, "foot")
    if match := _PLATE.fullmatch(name):
        side = _side(match[1])
        if not match[2] and match[3].startswith("cop_") and _has_insole(match[1], names):
            return Place(_with_side("insole", side), "insole", side, match[3], "foot")
        return Place(_plate_stream(match[1], match[2], names), "force_plate", side, match[3], "global")
    return Place("analog", "analog", "unknown", name, "raw")


def _side(prefix: str | None) -> Side:
    if prefix == "left":
        return "left"
    return "right" if prefix == "right" else "unknown"


def foot_of(side: Side) -> str:
    """Return the foot as a plate's attribute says it: ``left``, ``right``, or "" where it is unknown."""
    return "" if side == "unknown" else side


def _with_side(stream: str, side: Side) -> str:
    return stream if side == "unknown" else f"{stream}_{side}"


def _has_insole(prefix: str | None, names: set[str]) -> bool:
    """Return whether a centre of pressure of this prefix belongs to an insole: it has cells or one force."""
    start = f"{prefix}_" if prefix else ""
    matches = [_INSOLE.fullmatch(name) for name in names]
    return any(m and m[1] == prefix for m in matches) and not any(
        f"{start}{axis}" in names for axis in ("fx", "fy", "fz")
    )


def _plate_stream(prefix: str | None, number: str | None, names: set[str]) -> str:
    if number:
        return f"plate_{int(number)}"
    if prefix is None:
        return "plate_1"
    matches = [_PLATE.fullmatch(name) for name in names]
    numbers = {int(m[2]) for m in matches if m and m[2]} | {1 for m in matches if m and not m[1] and not m[2]}
    free = [n for n in range(1, 101) if n not in numbers]
    # plates with a foot in place of a number take the free numbers, left before right
    feet = [side for side in ("left", "right") if any(m and m[1] == side for m in matches)]
    return f"plate_{free[feet.index(prefix)]}"


def channel_of(column: TableColumn, place: Place, values: Floats) -> Channel:
    """Return the channel, its unit checked against what its name can be measured in."""
    allowed = next((q for pattern, q in _QUANTITIES if pattern.fullmatch(place.channel)), None)
    if place.kind == "analog" or allowed is None:
        return Channel(place.channel, values, column.unit or "unknown", "raw", column.raw)
    if not column.unit:
        raise BadInputError(f"column '{column.raw}' states no unit; write '{column.name} [{allowed[0]}]' ")
    quantity = units.parse_unit(column.unit).canonical
    if quantity not in allowed:
        raise BadInputError(
            f"column '{column.raw}' is in {quantity}, but {column.name} is measured in"
            f" {', '.join(allowed)}; correct its unit"
        )
    frame: Frame = "raw" if quantity in ("count", "V") else place.frame
    return Channel(place.channel, values, column.unit, frame, column.raw)
