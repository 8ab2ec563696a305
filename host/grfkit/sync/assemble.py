"""From an alignment, or from streams and their clock maps, to one Trial on the reference clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..arguments import refuse_other
from ..errors import RefusedError
from ..provenance import SCHEMA_VERSION, Provenance
from ..records import Anchors, ClockMap, Recording, Trial
from .align import Alignment
from .no_plates import NO_FORCE, without_force
from .summary import joint_verdict


def assemble(alignment: Alignment) -> Trial:
    """Return the trial of an alignment: every stream's own samples on the reference clock.

    Streams that were refused are left out; with ``accept_refused`` they are kept, and so is their verdict.

    Raises
    ------
    RefusedError
        If the alignment was refused, or part of it was and ``allow_partial`` is false.
    BadInputError
        If it is no alignment.

    Examples
    --------
    >>> from grfkit import align, assemble, simulate_trial
    >>> lab = simulate_trial(seed=0, wearables=("insole",))
    >>> trial = assemble(align(lab.reference, lab.wearables["insole"], surface="treadmill", participant="P01"))
    >>> sorted(trial.streams)
    ['insole_left', 'insole_right', 'reference/plate_1']
    """
    refuse_other(alignment, Alignment, "an alignment, as grfkit.align returns it")
    _require_accepted(alignment)
    request = alignment.request
    origin = Provenance(command="grf-sync", configuration=request.configuration(), inputs=alignment.inputs)
    for recording in (alignment.reference, *alignment.wearables.recordings):
        origin = origin.merged(Provenance(findings=recording.provenance.findings))
    findings = [f"{name}: {finding}" for name, m in alignment.maps.items() for finding in m.findings]
    findings += alignment.doubts
    findings += [NO_FORCE] if without_force(alignment.reference) else []
    attrs = {
        "participant": request.participant,
        "surface": request.surface,
        "mass_kg": _or_nan(request.mass_stated_kg),
        "speed_m_s": _or_nan(request.speed_m_s),
        "slope_percent": _or_nan(request.slope_percent),
    }
    if request.person is not None:
        attrs |= {name: value for name, value in request.person.stated().items() if name != "mass_kg"}
    return assemble_streams(
        alignment.reference,
        alignment.wearables.streams,
        alignment.maps,
        {name: alignment.devices[name].anchors for name in alignment.maps},
        attrs=attrs,
        provenance=origin.merged(Provenance(findings=findings)),
        carried=alignment.wearables.carried,
    )


def _require_accepted(alignment: Alignment) -> None:
    if not alignment.accepted:
        remedy = "allow_partial" if alignment.verdict == "partial" else "accept_refused"
        lines = [line.replace("\n    - ", "; ") for line in alignment.messages]
        raise RefusedError(f"{'; '.join(lines)} ({remedy} makes a trial of it all the same)")


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def assemble_streams(
    reference: Recording,
    wearables: Mapping[str, xr.Dataset],
    maps: Mapping[str, ClockMap],
    anchors: Mapping[str, Anchors],
    *,
    attrs: Mapping[str, Any],
    provenance: Provenance,
    carried: Mapping[str, tuple[xr.Dataset, str]] | None = None,
) -> Trial:
    """Return the trial of streams and maps: every stream's own samples, its time mapped; without a map it is left out.

    Parameters
    ----------
    wearables
        Streams by name, on their device clocks. Where the reference has no streams those without a map are on the
        trial's own clock.
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
        if not reference.streams and name not in maps:
            nodes[f"/{name}"] = stream
            continue
        clock_map = maps[name]
        if not clock_map.segments:
            continue
        nodes[f"/{name}"] = on_reference_clock(stream, clock_map)
        nodes[f"/sync/{name}"] = _anchor_table(anchors[name])
    for name, (stream, leader) in (carried or {}).items():
        if leader not in maps:
            nodes[f"/{name}"] = stream
        elif maps[leader].segments:
            nodes[f"/{name}"] = on_reference_clock(stream, maps[leader]).assign_attrs(clock_map=leader)
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs.update(schema_version=SCHEMA_VERSION, artefact="trial", verdict=joint_verdict(maps), **attrs)
    if without_force(reference):
        tree.attrs["force"] = "none"
    tree.attrs["clock_maps"] = json.dumps({n: m.stored() for n, m in maps.items()}, sort_keys=True)
    tree.attrs["provenance"] = provenance.model_dump_json()
    return Trial(tree)


def on_reference_clock(stream: xr.Dataset, clock_map: ClockMap) -> xr.Dataset:
    """Return the stream with ``time`` on the reference clock and its own time in ``time_device``.

    Samples between two segments, where some were lost at an unknown place, have no time on the reference
    clock: they are left out and counted in ``unplaced_samples``. Only the clock is mapped. The lag that alignment
    subtracts is that of a feature (where an envelope rises), most of it not a delay of the signal, so no sample
    is moved by it; it stands in the clock map.
    """
    device = np.asarray(stream["time"].values, dtype=np.float64)
    mapped = clock_map.apply(device)
    on_clock = np.isfinite(mapped)
    unplaced = int(np.count_nonzero(~on_clock))
    if unplaced:
        stream, device, mapped = stream.isel(time=np.flatnonzero(on_clock)), device[on_clock], mapped[on_clock]
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
