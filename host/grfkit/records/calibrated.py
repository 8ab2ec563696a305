"""How the wearables of a recording, and the windows cut from them, were calibrated: compared, and told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

ATTRIBUTE = "calibrated"
"""Attribute of a stance set: JSON, kind of wearable -> way of calibration -> trials."""
BY = "calibrated_by"
"""Attribute of a stream: kinds of the documents that were applied to it, with a space between."""
AS_RECORDED = "as recorded"
Ways = dict[str, tuple[str, ...]]
"""Kind of wearable -> how its streams were calibrated: ``as recorded``, ``load_scale`` ..."""
EARLIER = "documents of an earlier grfkit"
"""What calibrated a stream that carries digests of documents but not their kinds."""
_PLACES = "insole_geometry"
"""Kind of document that changes no value."""


def way_of(stream: xr.Dataset) -> str:
    """Return how a stream was calibrated: kinds of documents, or ``as recorded``; geometries change no value."""
    if BY not in stream.attrs and str(stream.attrs.get("calibrations", "")).strip():
        return EARLIER
    kinds = [kind for kind in str(stream.attrs.get(BY, "")).split() if kind != _PLACES]
    return " + ".join(kinds) or AS_RECORDED


def ways_of(streams: Mapping[str, xr.Dataset], kinds: Iterable[str]) -> Ways:
    """Return how the wearables of these kinds were calibrated; kinds that there are none of are left out."""
    wanted = set(kinds)
    ways: dict[str, dict[str, None]] = {}
    for stream in streams.values():
        kind = str(stream.attrs.get("kind"))
        if kind in wanted:
            ways.setdefault(kind, {})[way_of(stream)] = None
    return {kind: tuple(sorted(each)) for kind, each in ways.items()}


def set_attribute(ways: Ways, trial: str) -> dict[str, str]:
    """Return the attribute of a set that is cut from one trial, empty where it has no wearable."""
    told = {kind: {way: [trial] for way in each} for kind, each in ways.items()}
    return {ATTRIBUTE: json.dumps(told, sort_keys=True)} if told else {}


def trials_by_way(attributes: Mapping[Any, Any]) -> dict[str, dict[str, list[str]]]:
    """Return kind of wearable -> way of calibration -> trials, as a set's attributes say."""
    told: dict[str, dict[str, list[str]]] = json.loads(str(attributes.get(ATTRIBUTE, "{}")))
    return told


def joined_calibrated(attributes: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """Return the attribute of several sets together, empty where none says anything."""
    together: dict[str, dict[str, dict[str, None]]] = {}
    for each in attributes:
        for kind, ways in trials_by_way(each).items():
            for way, trials in ways.items():
                together.setdefault(kind, {}).setdefault(way, {}).update(dict.fromkeys(trials))
    told = {kind: {way: [*trials] for way, trials in ways.items()} for kind, ways in together.items()}
    return {ATTRIBUTE: json.dumps(told, sort_keys=True)} if told else {}


def mixed_findings(attributes: Mapping[Any, Any]) -> list[str]:
    """Return a finding for each kind of wearable whose trials were not all calibrated in one way."""
    findings = []
    for kind, ways in trials_by_way(attributes).items():
        if len(ways) > 1:
            parts = [f"{len(trials)} {_plural(trials)} {way} ({_few(trials)})" for way, trials in sorted(ways.items())]
            findings.append(
                f"CALIBRATION: {kind} signals are not calibrated alike: {'; '.join(parts)}; the model cannot tell one"
                " from the other: calibrate all, or none"
            )
    return findings


def ways_in(attributes: Mapping[Any, Any]) -> Ways:
    """Return how the wearables of a set's trials were calibrated."""
    return {kind: tuple(sorted(ways)) for kind, ways in trials_by_way(attributes).items()}


def other_ways(model: Ways, recording: Ways) -> list[str]:
    """Return a finding for each kind of wearable that was calibrated otherwise than in a model's training."""
    findings = []
    for kind, ways in recording.items():
        known = model.get(kind, ())
        strange = [way for way in ways if way not in known]
        if known and strange:
            findings.append(
                f"CALIBRATION: {kind} signals are {_said(strange)} here, the model was trained on {kind} signals"
                f" {_said(known)}; numbers of one unit can be another load: use recordings calibrated alike"
                " (--calibration FILE), or train with such recordings"
            )
    return findings


def _said(ways: Iterable[str]) -> str:
    return " or ".join(way if way == AS_RECORDED else f"calibrated by {way}" for way in ways)


def _plural(trials: list[str]) -> str:
    return "trial" if len(trials) == 1 else "trials"


def _few(trials: list[str]) -> str:
    return ", ".join(trials[:3]) + (" ..." if len(trials) > 3 else "")
