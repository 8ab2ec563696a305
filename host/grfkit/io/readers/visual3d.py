"""Visual3D's ASCII export: five rows of header, then rows by frame; units are MKS, as HAS-Motion documents them.

Rows of the header: file, signal, type, folder, component (``ITEM`` first); time in signals ``TIME``, ``ANALOGTIME`` and
``DERIVEDTIME``. Written from HAS-Motion's page "Visual3D ASCII Format"; no real file was at hand: unverified.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.header_rows import cells_of
from ...formats.text import decimal_sign, parse_table
from ...records import Channel, Recording, make_landmarks, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_extent, check_time, file_recording, plate_attrs, read_text, refuse_extra, snake

_UNVERIFIED = "Visual3D text read as HAS-Motion documents it, no real file"
_ITEM = "ITEM"
_HEADER_ROWS = 5
_TIMES = ("TIME", "ANALOGTIME", "DERIVEDTIME")
_COUNTS = "FRAME_NUMBERS"
# Types of a plate's signals: the channel's name and its unit
_PLATE = {"FORCE": ("f", "N"), "COFP": ("cop_", "m"), "FREEMOMENT": ("torque_", "N m")}
_ANALOG = ("ANALOG", *_PLATE)
# HAS-Motion: components of three were written as numbers by some versions, as letters by others
_THREE = ("TARGET", *_PLATE)
_AXES = {"0": "X", "1": "Y", "2": "Z"}


@dataclass(frozen=True)
class _Column:
    """A signal's component: what its four names in the header are, and its samples up to the last one that is there."""

    signal: str
    kind: str
    folder: str
    part: str
    values: Floats

    @property
    def label(self) -> str:
        return f"{self.signal}: {self.part}"


def _is_header(lines: Sequence[str]) -> bool:
    if len(lines) < _HEADER_ROWS or not re.match(rf'"?{_ITEM}"?\t', lines[_HEADER_ROWS - 1].lstrip("\ufeff")):
        return False
    return all(line.startswith(("\t", '""\t')) for line in lines[: _HEADER_ROWS - 1])


def _sniff(head: Head) -> Match:
    if _is_header(head.lines(_HEADER_ROWS)):
        return Match(0.97, f"its fifth line starts with '{_ITEM}' and the four above it with an empty cell")
    return Match(0.0, f"has no fifth line that starts with '{_ITEM}' below four that start with an empty cell")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "visual3d")
    notes: list[str] = ["read as HAS-Motion documents Visual3D's text, MKS units; no real file was at hand: unverified"]
    columns, times = _columns(read_text(path), notes)
    streams: dict[str, xr.Dataset] = {}
    markers = [column for column in columns if column.kind == "TARGET"]
    if markers:
        streams["landmarks"] = _landmarks(markers, times, options.rate_hz)
    for number, (name, parts) in enumerate(_plates(columns).items(), 1):
        streams[f"plate_{number}"] = _plate(name, parts, times, options.rate_hz)
    rest = [column for column in columns if column.kind not in ("TARGET", *_PLATE)]
    for kind in dict.fromkeys(column.kind for column in rest):
        mine = [column for column in rest if column.kind == kind]
        streams[snake(kind)] = _other(mine, times, options.rate_hz)
    if rest:
        notes.append(
            f"units of signals of these types are not stated: {', '.join(dict.fromkeys(c.kind for c in rest))}"
        )
    if times and options.rate_hz:
        notes.append(f"the stated rate of {options.rate_hz:g} Hz is not used: {', '.join(times)} tells the time")
    return file_recording(path, streams, device="Visual3D", reader="visual3d", notes=notes)


def _columns(text: str, notes: list[str]) -> tuple[list[_Column], dict[str, Floats]]:
    """Return the signals' components, and the times: name -> samples (s)."""
    lines = text.splitlines()
    if not _is_header(lines):
        raise BadInputError(f"its first five lines are no header of Visual3D, whose fifth one starts with '{_ITEM}'")
    files, signals, kinds, folders, parts = (cells_of(line, "\t") for line in lines[:_HEADER_ROWS])
    width = len(signals)
    if width < 2 or any(len(row) != width for row in (files, kinds, folders, parts)):
        raise BadInputError(
            f"its header rows name {', '.join(str(len(r)) for r in (files, signals, kinds, folders, parts))} columns"
        )
    trials = list(dict.fromkeys(files[1:]))
    if len(trials) > 1:
        raise BadInputError(
            f"holds signals of {len(trials)} trials ('{trials[0]}', '{trials[1]}', ...); export one alone"
        )
    rows = lines[_HEADER_ROWS:]
    names = [_ITEM, *(f"{signals[i]}: {parts[i]}" for i in range(1, width))]
    parsed = parse_table(
        rows,
        columns=names,
        separator="\t",
        first_line=_HEADER_ROWS + 1,
        decimal=decimal_sign(rows, "\t"),
        line_ended=text.endswith(("\n", "\r")),
    )
    notes += parsed.notes
    if (np.diff(parsed.values[:, 0]) != 1).any():
        raise BadInputError(f"its frames (column '{_ITEM}') do not count up by one; rows are missing or double")
    columns, times = [], dict[str, Floats]()
    for index in range(1, width):
        signal, kind, values = signals[index], kinds[index], _trimmed(parsed.values[:, index])
        if signal in _TIMES and values.size:
            _add_time(times, signal, values)
        elif not values.size:
            notes.append(f"'{names[index]}' ({kind}) holds no number: left out")
        elif kind != _COUNTS:
            part = _AXES.get(parts[index], parts[index]) if kind in _THREE else parts[index]
            columns.append(_Column(signal, kind, folders[index], part, values))
    if not columns:
        raise BadInputError("holds no signal but frame numbers and times")
    return columns, times


def _add_time(times: dict[str, Floats], name: str, values: Floats) -> None:
    if not np.isfinite(values).all():
        raise BadInputError(f"a time is missing in {name}")
    check_time(values)
    if name in times and not np.array_equal(times[name], values):
        raise BadInputError(f"has two columns {name} that differ; export one")
    times[name] = values


def _trimmed(values: Floats) -> Floats:
    """Return a column without the empty cells at its end: signals of a lower rate end before the others."""
    finite = np.flatnonzero(np.isfinite(values))
    return values[: finite[-1] + 1] if finite.size else values[:0]


def _time(columns: Sequence[_Column], times: dict[str, Floats], rate_hz: float | None) -> tuple[Floats, float | None]:
    """Return the time of signals of one type, and the rate where time is counted at a stated one.

    Raises
    ------
    BadInputError
        If the file does not tell the time of signals of their rate.
    """
    kind, size = columns[0].kind, max(column.values.size for column in columns)
    wanted = "DERIVEDTIME" if kind == "DERIVED" else "ANALOGTIME" if kind in _ANALOG else "TIME"
    time = times.get(wanted)
    if time is None and len(times) == 1 and kind in _ANALOG:
        # exported at the rate of the points
        time = next((t for t in times.values() if t.size == size), None)
    if time is not None:
        if time.size < size:
            raise BadInputError(
                f"'{columns[0].signal}' ({kind}) has {size} samples, {wanted} {time.size}; export it again"
            )
        return time[:size], None
    if times or not rate_hz:
        raise BadInputError(
            f"holds no {wanted} for its {kind} signals; export it with them"
            + ("" if times else ", or state the rate of the rows, e.g. --rate-hz 200 (rate_hz=200 in Python)")
        )
    return np.arange(size) / rate_hz, rate_hz


def _filled(values: Floats, size: int) -> Floats:
    return np.concatenate([values, np.full(size - values.size, np.nan)])


def _by_signal(columns: Sequence[_Column]) -> dict[str, dict[str, Floats]]:
    """Return signal -> component -> samples; two folders of one signal are two signals."""
    found: dict[str, dict[str, Floats]] = {}
    folders = {column.signal: {c.folder for c in columns if c.signal == column.signal} for column in columns}
    for column in columns:
        name = f"{column.signal} {column.folder}" if len(folders[column.signal]) > 1 else column.signal
        if column.part in found.setdefault(name, {}):
            raise BadInputError(f"signal '{column.label}' ({column.kind}) stands twice")
        found[name][column.part] = column.values
    return found


def _landmarks(columns: Sequence[_Column], times: dict[str, Floats], rate_hz: float | None) -> xr.Dataset:
    time, rate = _time(columns, times, rate_hz)
    signals = _by_signal(columns)
    short = [name for name, parts in signals.items() if not {"X", "Y", "Z"} <= parts.keys()]
    if short:
        raise BadInputError(f"target '{short[0]}' has no X, Y and Z")
    positions = np.stack(
        [np.stack([_filled(parts[axis], time.size) for axis in "XYZ"], axis=1) for parts in signals.values()], axis=1
    )
    check_extent(positions, "m")
    return make_landmarks(positions, list(signals), time, unit="m", rate_hz=rate, stamp_source="index")


def _plates(columns: Sequence[_Column]) -> dict[str, list[_Column]]:
    """Return the signals of each plate: forces, and centre of pressure and free moment of the same name."""
    forces = dict.fromkeys(column.signal for column in columns if column.kind == "FORCE")
    plates = {name: [c for c in columns if c.signal == name and c.kind in _PLATE] for name in forces}
    alone = [c for c in columns if c.kind in _PLATE and c.signal not in forces]
    if alone:
        raise BadInputError(f"'{alone[0].signal}' ({alone[0].kind}) has no FORCE of that name; export that, too")
    return plates


def _plate(name: str, columns: Sequence[_Column], times: dict[str, Floats], rate_hz: float | None) -> xr.Dataset:
    time, rate = _time(columns, times, rate_hz)
    channels = []
    for column in columns:
        _check_components(column, columns)
        stem, unit = _PLATE[column.kind]
        channels.append(
            Channel(f"{stem}{column.part.lower()}", _filled(column.values, time.size), unit, "global", column.label)
        )
    return make_stream(
        channels, time, kind="force_plate", rate_hz=rate, stamp_source="index",
        attrs=plate_attrs(unverified=_UNVERIFIED) | {"device_id": name},
    )  # fmt: skip


def _check_components(column: _Column, columns: Sequence[_Column]) -> None:
    """Refuse a plate's vector without its X, Y and Z once, from one folder."""
    alike = [other for other in columns if other.kind == column.kind]
    if len({other.folder for other in alike}) > 1:
        raise BadInputError(f"{column.kind} of '{column.signal}' stands in two folders; export one")
    if sorted(other.part for other in alike) != ["X", "Y", "Z"]:
        raise BadInputError(f"{column.kind} of '{column.signal}' has not X, Y and Z once each; export all three")


def _other(columns: Sequence[_Column], times: dict[str, Floats], rate_hz: float | None) -> xr.Dataset:
    time, rate = _time(columns, times, rate_hz)
    channels, seen = [], set[str]()
    for name, parts in _by_signal(columns).items():
        for part, values in parts.items():
            channel = snake(f"{name} {part}")
            if channel in seen:
                raise BadInputError(f"two signals would be '{channel}'; rename one")
            seen.add(channel)
            channels.append(Channel(channel, _filled(values, time.size), "unknown", "raw", f"{name}: {part}"))
    return make_stream(channels, time, kind="analog", rate_hz=rate, stamp_source="index")


READER = Reader("visual3d", "Visual3D text", (".txt",), _sniff, _read, ("rate_hz",))
