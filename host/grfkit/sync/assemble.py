"""From recordings and clock maps to one Trial on the reference clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..provenance import SCHEMA_VERSION, Provenance
from ..records import Anchors, ClockMap, Recording, Trial


def assemble(
    reference: Recording,
    wearables: Mapping[str, xr.Dataset],
    maps: Mapping[str, ClockMap],
    anchors: Mapping[str, Anchors],
    *,
    attrs: Mapping[str, Any],
    provenance: Provenance,
    carried: Mapping[str, tuple[xr.Dataset, str]] | None = None,
) -> Trial:
    """Return the trial: every stream's own samples, its time mapped; streams without a map are left out.

    Parameters
    ----------
    wearables
        Streams by name, on their device clocks.
    maps, anchors
        By the same names. A refused map that the user accepted carries segments and is used; its verdict stays.
    attrs
        ``participant mass_kg surface speed_m_s slope_percent``, NaN or "" where unknown.
    carried
        Streams that were not aligned themselves, each with the name of the wearable stream whose clock it is on.
    """
    nodes: dict[str, xr.Dataset] = {}
    for name, stream in reference.streams.items():
        nodes[f"/reference/{name}"] = stream
    for name, stream in wearables.items():
        clock_map = maps[name]
        if not clock_map.segments:
            continue
        nodes[f"/{name}"] = on_reference_clock(stream, clock_map)
        nodes[f"/sync/{name}"] = _anchor_table(anchors[name])
    for name, (stream, leader) in (carried or {}).items():
        if maps[leader].segments:
            nodes[f"/{name}"] = on_reference_clock(stream, maps[leader]).assign_attrs(clock_map=leader)
    tree = xr.DataTree.from_dict(nodes)
    verdicts = [m.verdict for m in maps.values()]
    verdict = "aligned" if set(verdicts) == {"aligned"} else "partial" if "aligned" in verdicts else "refused"
    tree.attrs.update(schema_version=SCHEMA_VERSION, artefact="trial", verdict=verdict, **attrs)
    tree.attrs["clock_maps"] = json.dumps({n: m.model_dump(mode="json") for n, m in maps.items()}, sort_keys=True)
    tree.attrs["provenance"] = provenance.model_dump_json()
    return Trial(tree)


def on_reference_clock(stream: xr.Dataset, clock_map: ClockMap) -> xr.Dataset:
    """Return the stream with ``time`` on the reference clock and its own time in ``time_device``.

    Samples between two segments, where some were lost and nobody can say where, have no time on the reference
    clock: they are left out and counted in ``unplaced_samples``. Only the clock is mapped. The lag that alignment
    subtracts is that of a feature (where an envelope rises), most of it not a delay of the signal, so no sample
    is moved by it; it stands in the clock map.
    """
    device = np.asarray(stream["time"].values, dtype=np.float64)
    mapped = clock_map.apply(device)
    placed = np.isfinite(mapped)
    unplaced = int(np.count_nonzero(~placed))
    if unplaced:
        stream, device, mapped = stream.isel(time=np.flatnonzero(placed)), device[placed], mapped[placed]
    moved: xr.Dataset = stream.assign_coords(time=("time", mapped, {"units": "s", "long_name": "reference clock"}))
    moved["time_device"] = ("time", device, {"units": "s", "long_name": "device clock"})
    moved.attrs.update(verdict=clock_map.verdict, uncertainty_ms=clock_map.uncertainty_ms or float("nan"))
    if unplaced:
        moved.attrs["unplaced_samples"] = unplaced
    return moved


def _anchor_table(anchors: Anchors) -> xr.Dataset:
    return xr.Dataset(
        {
            "t_device": ("anchor", anchors.t_device_s, {"units": "s"}),
            "t_reference": ("anchor", anchors.t_reference_s, {"units": "s"}),
            "residual": ("anchor", anchors.residual_s, {"units": "s"}),
            "kept": ("anchor", anchors.kept.astype(np.int8)),
        }
    )
