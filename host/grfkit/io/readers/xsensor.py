"""XSENSOR insoles: estimated load, figures and grid sums per foot, both feet on one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.xsensor import XsensorFoot, looks_like_xsensor, parse_xsensor
from ...records import Channel, Recording, make_stream
from ...units import parse_unit, to_si
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, read_text, refuse_extra
from ._insoles import stated_side, stream_name

# How far the cells may be from the stated load, as a share of it (or of its peak); chosen by hand: the file rounds both
_LARGEST_DISAGREEMENT = 0.03
# Share of the peak load above which a sample counts as loaded for that comparison; chosen by hand
_LOADED_SHARE = 0.1


def _sniff(head: Head) -> Match:
    why = looks_like_xsensor(head.text.splitlines())
    if why:
        return Match(0.0, why)
    return Match(0.95, "has FRAME and SENSOR lines, or a header row with Frame, Time and Est. Load")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "xsensor")
    parsed = parse_xsensor(read_text(path))
    notes = [*parsed.notes]
    notes.append(f"the file states its start as '{parsed.date}', {parsed.time[0]:.3f} s of that day (no time zone)")
    streams = {}
    for foot in parsed.feet:
        side = stated_side(foot.side, notes, what=f"sensor '{foot.sensor}'")
        stream = make_stream(
            _channels(foot, notes), parsed.time, kind="insole", side=side, attrs={"sensor": foot.sensor}
        )
        # an unloaded foot has no centre of pressure, but no sample is missing
        load = stream["force" if "force" in stream else "pressure_sum"].values
        stream.attrs["missing_samples"] = int(np.isnan(load).sum())
        streams[stream_name("insole", side)] = stream
    return file_recording(path, streams, device="XSENSOR", reader="xsensor", notes=notes)


def _channels(foot: XsensorFoot, notes: list[str]) -> list[Channel]:
    names = {"est. load": "force"}
    channels = [
        Channel(names.get(name, name.replace(" ", "_")), values, unit, "foot", name)
        for name, (unit, values) in foot.figures.items()
    ]
    if foot.sums is None:
        return channels
    from_cells = _force(foot)
    if "est. load" not in foot.figures:
        if from_cells is not None:
            channels.append(Channel("force", from_cells, "N", "foot", "sum of cells times cell area"))
        else:
            channels.append(Channel("pressure_sum", foot.sums.total, foot.unit, "foot", "sum of cells"))
            notes.append(f"{foot.sensor}: no force can be told; 'pressure_sum' stands for it")
    elif from_cells is not None:
        _compare(foot, from_cells, notes)
    if foot.cell_m is not None:
        height, width = foot.cell_m
        channels.append(Channel("cop_x", foot.sums.column * width, "m", "sensor", "centre, along columns"))
        channels.append(Channel("cop_y", foot.sums.row * height, "m", "sensor", "centre, along rows"))
    return channels


def _force(foot: XsensorFoot) -> Floats | None:
    """Return the force (N) of the cells, None if they are counts or their size is not stated."""
    if foot.sums is None or foot.cell_m is None or parse_unit(foot.unit).canonical != "Pa":
        return None
    return np.asarray(to_si(foot.sums.total, foot.unit) * foot.cell_m[0] * foot.cell_m[1])


def _compare(foot: XsensorFoot, from_cells: Floats, notes: list[str]) -> None:
    unit, values = foot.figures["est. load"]
    load = to_si(values, unit)
    loaded = load > _LOADED_SHARE * np.nanmax(load, initial=0.0)
    if not loaded.any():
        return
    ratio = float(np.nanmedian(from_cells[loaded] / load[loaded]))
    if abs(ratio - 1.0) > _LARGEST_DISAGREEMENT:
        notes.append(f"{foot.sensor}: the cells give {ratio:.2f} times the stated load; check the unit ({foot.unit})")
        return
    off = np.abs(from_cells - load) > _LARGEST_DISAGREEMENT * np.nanmax(load)
    if off.any():
        at = int(off.argmax())
        raise BadInputError(
            f"{foot.sensor}: frame {at + 1} of the file states {load[at]:.4g} N, its cells give"
            f" {from_cells[at]:.4g} N; it is damaged"
        )


READER = Reader("xsensor", "XSENSOR insole CSV", (".csv",), _sniff, _read)
