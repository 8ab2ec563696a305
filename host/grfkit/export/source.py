"""What is exported: streams of a trial or an estimate as named columns, its stances, and what is known about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arguments import as_path
from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..gait.plate_force import PlateForce
from ..provenance import InputFile, Provenance, describe_input
from ..records import Trial
from ..records.target_units import COP_ESTIMATE
from ..records.trees import read_tree
from ..steps.measured import stances_of
from ..units import G

_AXES = "xyz"
_STAMPS = ("time_raw",)
"""Not exported: the file's own stamps, NaN in rows added for losses; ``time_device`` says the same."""
_DIMENSIONS = (("time",), ("time", "landmark"), ("time", "landmark", "axis"), ("time", "landmark", "plane"))
"""Of what becomes columns: pictures do not."""
_FEWEST = 2
_WEARABLE = ("insole", "imu", "body_imu")


@dataclass(frozen=True)
class ExportColumn:
    """One signal: its name in tables, its channel, point and axis where it has these, unit, frame, and values.

    Attributes
    ----------
    values
        Shape (samples,), NaN where unknown.
    """

    name: str
    channel: str
    unit: str
    frame: str
    values: Floats


@dataclass(frozen=True)
class ExportStream:
    """One stream: the columns share its times (s, on the trial's reference clock).

    Attributes
    ----------
    file_name
        Its name as part of a file's: letters, digits and ``_``, no other stream's.
    """

    name: str
    file_name: str
    kind: str
    side: str
    place: str
    rate_hz: float
    time_s: Floats
    columns: tuple[ExportColumn, ...]

    def about(self) -> dict[str, Any]:
        """Return what there is to say about it, for machines."""
        facts: dict[str, Any] = {"stream": self.name, "kind": self.kind, "side": self.side}
        facts |= {"place": self.place} if self.place else {}
        facts |= {"rate_hz": self.rate_hz, "samples": int(self.time_s.size)}
        return facts | {"columns": {c.name: {"unit": c.unit, "frame": c.frame} for c in self.columns}}


@dataclass(frozen=True)
class ExportEvent:
    """A contact or toe-off (``ic``, ``to``) of a foot, and what showed it."""

    time_s: float
    kind: str
    side: str
    source: str


@dataclass(frozen=True)
class ExportSource:
    """A trial or an estimate as it is exported.

    Attributes
    ----------
    facts
        Participant, surface, mass and so on; what is not known is absent.
    stances
        Contact, toe-off (s), side and plates of each whole step; rejected contacts are not in it.
    rejected
        Begin, end (s) and reason of rejected contacts on plates.
    plates
        The force plates by the name of their stream.
    notes
        What was left out, and what limits it.
    """

    name: str
    artefact: str
    facts: dict[str, Any]
    streams: tuple[ExportStream, ...]
    stances: tuple[tuple[float, float, str, tuple[str, ...]], ...]
    rejected: tuple[tuple[float, float, str], ...]
    contact_rule: str
    plates: dict[str, PlateForce]
    raw: dict[str, xr.Dataset]
    notes: tuple[str, ...]
    inputs: tuple[InputFile, ...]

    @property
    def events(self) -> list[ExportEvent]:
        """Return contacts and toe-offs in order of time."""
        events = [ExportEvent(ic, "ic", side, self.contact_rule) for ic, _, side, _ in self.stances]
        events += [ExportEvent(to, "to", side, self.contact_rule) for _, to, side, _ in self.stances if np.isfinite(to)]
        return sorted(events, key=lambda e: e.time_s)

    def about(self, notes: Sequence[str] = ()) -> dict[str, Any]:
        """Return what stands beside exported tables: facts, streams, events, notes and where it is from."""
        return {
            "name": self.name,
            "artefact": self.artefact,
            **self.facts,
            "time": "s on the trial's reference clock",
            "streams": {s.file_name: s.about() for s in self.streams},
            "contact_rule": self.contact_rule,
            "stances": [
                {"ic_s": ic, "to_s": to if np.isfinite(to) else None, "side": side, "plates": list(plates)}
                for ic, to, side, plates in self.stances
            ],
            "rejected_contacts": [{"start_s": a, "end_s": b, "reason": why} for a, b, why in self.rejected],
            "notes": [*self.notes, *notes],
            "grfkit": Provenance().version,
            "inputs": [i.model_dump() for i in self.inputs],
        }


def require_newtons(source: ExportSource) -> None:
    """Refuse plates whose force is in counts or volts: formats of force plates hold newtons.

    Raises
    ------
    BadInputError
        If a plate's force is in another unit than N.
    """
    for stream in source.streams:
        for column in stream.columns if stream.kind == "force_plate" else ():
            if column.channel in ("fx", "fy", "fz") and column.unit != "N":
                raise BadInputError(
                    f"'{column.name}' is in {column.unit or 'no unit'}, expected N; align again with the plate's unit"
                    " or calibration, or --to csv takes it as it is"
                )


def safe_name(text: str) -> str:
    """Return a text as a name: letters, digits and ``_``, a letter first."""
    tidy = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "stream"
    return tidy if tidy[0].isalpha() else f"x{tidy}"


def open_source(path: PathLike, *, streams: Sequence[str] = ()) -> ExportSource:
    """Return a trial of ``grf-sync`` or an estimate of ``grf-estimate``.

    Parameters
    ----------
    streams
        Names of the streams to take (``reference/plate_1``, or ``plate_1``); all where none is named.

    Raises
    ------
    BadInputError
        If the file is neither, or has no stream of a stated name.
    """
    path = as_path(path, what="a trial or an estimate")
    tree = read_tree(path)
    artefact = str(tree.attrs["artefact"])
    if artefact not in ("trial", "estimate", COP_ESTIMATE):
        raise BadInputError(f"{path}: is a grfkit {artefact}; expected a trial of grf-sync, or an estimate (.nc)")
    trial = Trial(tree)
    named = {n: s for n, s in trial.streams.items() if n != "stances"}
    chosen = _chosen(named, streams, path)
    notes: list[str] = []
    names = file_names(list(named))
    made = tuple(s for n, data in chosen.items() if (s := _stream(n, names[n], data, notes)) is not None)
    there = {stream.name: chosen[stream.name] for stream in made}
    plates = {n: PlateForce.of(n, s) for n, s in there.items() if s.attrs.get("kind") == "force_plate"}
    stances, rejected, rule = _stances(trial, tree, artefact, notes)
    return ExportSource(
        name=path.stem,
        artefact=artefact,
        facts=_facts(tree.attrs),
        streams=made,
        stances=stances,
        rejected=rejected,
        contact_rule=rule,
        plates=plates,
        raw=chosen,
        notes=tuple(notes),
        inputs=(describe_input(path, role=artefact),),
    )


def _chosen(named: dict[str, xr.Dataset], streams: Sequence[str], path: Path) -> dict[str, xr.Dataset]:
    if not streams:
        return named
    wanted = {}
    for name in streams:
        found = next((n for n in named if name in (n, n.removeprefix("reference/"))), None)
        if found is None:
            raise BadInputError(f"{path}: has no stream '{name}'; it has {', '.join(named)}")
        wanted[found] = named[found]
    return wanted


def _facts(attrs: dict[Any, Any]) -> dict[str, Any]:
    texts = {key: str(attrs[key]) for key in ("participant", "surface", "verdict", "network") if attrs.get(key)}
    numbers = {key: float(attrs[key]) for key in ("mass_kg", "speed_m_s", "slope_percent") if key in attrs}
    return texts | {key: value for key, value in numbers.items() if np.isfinite(value)}


def file_names(names: Sequence[str]) -> dict[str, str]:
    """Return a name for the file of each stream; ``reference_`` stays before one that another stream has too."""
    short = {name: safe_name(name.removeprefix("reference/")) for name in names}
    taken: set[str] = set()
    made = {}
    for name in names:
        twice = sum(s.lower() == short[name].lower() for s in short.values()) > 1
        made[name] = numbered(safe_name(name) if twice else short[name], taken)
        taken.add(made[name].lower())
    return made


def numbered(name: str, taken: set[str]) -> str:
    """Return a name, with ``_2``, ``_3`` ... where it is taken already (in lower case: systems differ in that)."""
    made, number = name, 2
    while made.lower() in taken:
        made, number = f"{name}_{number}", number + 1
    return made


def _named_once(columns: Sequence[ExportColumn]) -> tuple[ExportColumn, ...]:
    taken: set[str] = set()
    made = []
    for column in columns:
        name = numbered(column.name, taken)
        taken.add(name.lower())
        made.append(column if name == column.name else replace(column, name=name))
    return tuple(made)


def _stream(name: str, file_name: str, data: xr.Dataset, notes: list[str]) -> ExportStream | None:
    kind, side, place = (str(data.attrs.get(key, "")) for key in ("kind", "side", "place"))
    columns: list[ExportColumn] = []
    for channel in map(str, data.data_vars):
        item = data[channel]
        if channel in _STAMPS or item.dtype.kind not in "fiu":
            continue
        if item.dims not in _DIMENSIONS:
            notes.append(f"{name}: '{channel}' has the dimensions {', '.join(map(str, item.dims))}: left out")
            continue
        columns += _columns(name, channel, item, (kind, side, place), data)
    if not columns or "time" not in data.coords:
        return None
    time = np.asarray(data["time"].values, dtype=np.float64)
    if np.count_nonzero(np.isfinite(time)) < _FEWEST:
        notes.append(f"{name}: has fewer than {_FEWEST} samples: left out")
        return None
    rate = float(data.attrs.get("rate_hz", np.nan))
    if not np.isfinite(rate):
        rate = 1.0 / float(np.nanmedian(np.diff(time))) if time.size > 1 else 0.0
    return ExportStream(name, file_name, kind, side, place, rate, time, _named_once(columns))


def _columns(
    name: str, channel: str, item: xr.DataArray, about: tuple[str, str, str], data: xr.Dataset
) -> list[ExportColumn]:
    unit, frame = str(item.attrs.get("units", "")), str(item.attrs.get("frame", ""))
    values = np.asarray(item.values, dtype=np.float64)
    if values.ndim == 1:
        return [ExportColumn(_column_name(name, channel, about), channel, unit, frame, values)]
    points = [str(p) for p in data[item.dims[1]].values]
    if values.ndim == 2:
        named = [(f"{safe_name(point)}_{channel}", f"{point}.{channel}") for point in points]
        return [ExportColumn(*name, unit, frame, values[:, i]) for i, name in enumerate(named)]
    axes = [str(a) for a in data[item.dims[2]].values] if item.dims[2] in data.coords else list(_AXES)
    return [
        ExportColumn(f"{safe_name(point)}_{axis}", f"{point}.{axis}", unit, frame, values[:, i, k])
        for i, point in enumerate(points)
        for k, axis in enumerate(axes[: values.shape[2]])
    ]


def _column_name(name: str, channel: str, about: tuple[str, str, str]) -> str:
    """Return the column as grfkit's own CSV reader takes it: ``left_acc_x``, ``plate_1_fx``."""
    kind, side, place = about
    own = safe_name(name.removeprefix("reference/"))
    if channel == "time_device":
        return f"{own}_time_device"
    if kind == "force_plate":
        return f"{own}_{channel}"
    if kind in _WEARABLE and side in ("left", "right"):
        return f"{side}_{place}_{channel}" if place else f"{side}_{channel}"
    if kind in _WEARABLE and place:
        return f"{place}_{channel}"
    if kind == "estimated_force":
        return f"{side}_{channel}"
    return safe_name(channel)


def _stances(trial: Trial, tree: xr.DataTree, artefact: str, notes: list[str]) -> tuple[Any, Any, str]:
    if artefact == "estimate":
        return _estimated_stances(tree)
    if artefact == COP_ESTIMATE:
        columns = (tree["stances"][name].values for name in ("start", "end", "side"))
        return tuple((float(a), float(b), str(s), ()) for a, b, s in zip(*columns)), (), str(tree.attrs.get("cut", ""))
    try:
        found = stances_of(trial)
    except BadInputError as error:
        notes.append(f"no contacts: {error}")
        return (), (), ""
    stances = tuple(
        (s.ic_s, s.to_s, "" if s.side == "unknown" else s.side, tuple(p.removeprefix("reference/") for p in s.plates))
        for s in found.stances
    )
    rejected = tuple((r.start_s, r.end_s, r.reason) for r in found.rejections)
    return stances, rejected, found.times.detector


def _estimated_stances(tree: xr.DataTree) -> tuple[Any, Any, str]:
    from ..steps.estimated import estimated_steps

    rows, _ = estimated_steps(tree)
    stances = tuple((float(r["ic_s"] or 0.0), float(r["to_s"] or 0.0), str(r["side"] or ""), ()) for r in rows)
    return stances, (), str(tree.attrs.get("cut", ""))


def weight_n(source: ExportSource) -> float:
    """Return the body weight (N), NaN where the mass is not known."""
    return float(source.facts.get("mass_kg", np.nan)) * G
