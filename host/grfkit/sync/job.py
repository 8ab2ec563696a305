"""One alignment job: files in, a Trial and its evidence out. What ``grf-sync`` and its batch run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import InputFile, Provenance, describe_input
from ..records import ClockMap, Prior, Recording, Surface, Trial
from ..records.evidence import StreamEvidence, TrialEvidence
from .align import Alignment, align_in_detail, by_clock, clock_of
from .assemble import assemble
from .frames import into_lab, lab_rotation
from .settings import AlignSettings


class SyncRequest(BaseModel):
    """Everything ``grf-sync`` is told about one trial; stored whole in the trial. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    reference: Path
    wearables: tuple[Path, ...] = Field(min_length=1)
    surface: Surface
    mass_kg: float | None = Field(default=None, gt=2.0, lt=400.0)
    participant: str = ""
    speed_m_s: float | None = Field(default=None, ge=0.0, lt=20.0)
    slope_percent: float | None = Field(default=None, gt=-100.0, lt=100.0)
    forward: str = ""
    prior_offset_s: float | None = None
    prior_sd_s: float | None = Field(default=None, gt=0.0)
    together: bool | None = None
    allow_partial: bool = False
    accept_refused: bool = False
    correct: tuple[str, ...] = ()
    column_map: Path | None = None
    rate_hz: float | None = Field(default=None, gt=0.0)
    calibrations: tuple[Path, ...] = ()
    settings: AlignSettings = AlignSettings()

    def prior(self) -> Prior | None:
        """Return the prior on the offset.

        Raises
        ------
        BadInputError
            If only one of offset and SD was given.
        """
        if (self.prior_offset_s is None) != (self.prior_sd_s is None):
            raise BadInputError("a prior needs both --prior-offset and --prior-sd")
        if self.prior_offset_s is None or self.prior_sd_s is None:
            return None
        return Prior(offset_s=self.prior_offset_s, sd_s=self.prior_sd_s)

    def configuration(self) -> dict[str, Any]:
        """Return the request as stored in provenance: file names without folders, so bytes do not depend on them."""
        plain = self.model_dump(mode="json")
        plain["reference"] = self.reference.name
        plain["wearables"] = [p.name for p in self.wearables]
        plain["column_map"] = self.column_map.name if self.column_map else None
        plain["calibrations"] = [p.name for p in self.calibrations]
        return plain


@dataclass(frozen=True)
class SyncResult:
    """What a job gives: the trial (None where it was refused), the map of every stream, and the evidence."""

    verdict: str
    trial: Trial | None
    maps: dict[str, ClockMap]
    evidence: TrialEvidence

    def to_json(self, trial_path: Path | None) -> dict[str, Any]:
        """Return the machine-readable summary."""
        written = str(trial_path) if self.trial is not None and trial_path else None
        return {
            "verdict": self.verdict,
            "trial": written,
            "maps": [_map_row(name, m, self.warnings()) for name, m in self.maps.items()],
        }

    def warnings(self) -> list[str]:
        """Return what the force doctor warns of, a sentence each; every finding stands in report and provenance."""
        rows = [row for row in self.evidence.doctor if row["severity"] != "info"]
        return [f"{'all plates' if row['plate'] == 'all' else row['plate']}: {row['text']}" for row in rows]


_ROW = (
    "verdict",
    "offset_s",
    "drift_ppm",
    "uncertainty_ms",
    "margin",
    "margin_without_prior",
    "p_wrong",
    "inliers",
    "residual_ms",
    "overlap_s",
    "runner_up_offset_s",
    "lost_samples",
    "reasons",
    "findings",
)


def _map_row(name: str, clock_map: ClockMap, reference: list[str]) -> dict[str, Any]:
    plain = clock_map.model_dump(mode="json")
    plain["findings"] += [f"reference: {text}" for text in reference]
    return {"stream": name, **{key: plain[key] for key in _ROW}, "segments": plain["segments"]}


def run_job(request: SyncRequest) -> SyncResult:
    """Return the aligned (or refused) trial of one request; nothing is written.

    Raises
    ------
    BadInputError
        If a file cannot be read, holds nothing to align, or an option makes no sense.
    """
    prior = request.prior()
    _refuse_idle(request)
    reference, doctor = _reference(request)
    streams, groups, inputs, notes, carried = _wearables(request)
    done: dict[str, Alignment] = {}
    for group in groups:
        detail = align_in_detail(
            reference,
            group,
            surface=request.surface,
            mass_kg=request.mass_kg,
            prior=prior,
            settings=request.settings,
            accept_refused=request.accept_refused,
        )
        for name in group:
            done[name] = detail
    maps = {name: done[name].clock_map.model_copy(update={"source": name}) for name in streams}
    maps = {name: _with_own_uncertainty(m, streams[name]) for name, m in maps.items()}
    if request.together is None:
        maps = {name: _with_hint(m, len(groups) > 1, streams[name]) for name, m in maps.items()}
    verdict = _verdict(maps)
    evidence = _evidence(request, verdict, reference, streams, done, maps, doctor, inputs, notes)
    keep = verdict == "aligned" or request.accept_refused or (verdict == "partial" and request.allow_partial)
    trial = _trial(request, reference, streams, done, maps, inputs, carried) if keep else None
    if verdict == "partial" and not request.allow_partial:
        verdict = "refused"
    if verdict == "partial":
        verdict = "aligned"
    return SyncResult(verdict, trial, maps, evidence)


def _with_own_uncertainty(clock_map: ClockMap, stream: xr.Dataset) -> ClockMap:
    """Return the map with what the recording itself states of its times (``uncertainty_ms``), in quadrature.

    The stream's own is a half-width around its times, independent of how well these were aligned.
    """
    own = float(stream.attrs.get("uncertainty_ms", 0.0))
    if clock_map.uncertainty_ms is None or not 0.0 < own < np.inf:
        return clock_map
    said = f"the recording states its own times to {own:.2g} ms, which is part of the uncertainty"
    total = float(np.hypot(clock_map.uncertainty_ms, own))
    return clock_map.model_copy(update={"uncertainty_ms": total, "findings": [*clock_map.findings, said]})


def _with_hint(clock_map: ClockMap, several: bool, stream: xr.Dataset) -> ClockMap:
    """Return a refusal with the advice to align both feet together, where the file gave each a clock of its own."""
    apart = several and str(stream.attrs.get("clock", "")) in ("left", "right")
    if clock_map.verdict == "aligned" or not apart:
        return clock_map
    hint = (
        "each foot was aligned apart, as its file has a time column a foot; if one clock stamped both, use --together"
    )
    return clock_map.model_copy(update={"reasons": [*clock_map.reasons, hint]})


def _verdict(maps: Mapping[str, ClockMap]) -> str:
    verdicts = {m.verdict for m in maps.values()}
    return "aligned" if verdicts == {"aligned"} else "partial" if "aligned" in verdicts else "refused"


def _calibrated(recording: Recording, request: SyncRequest) -> Recording:
    from ..calibrate import apply, load

    documents = [load(path) for path in request.calibrations]
    return apply(recording, documents) if documents else recording


def _read(path: Path, request: SyncRequest) -> Recording:
    """Return a file's recording; of rate and column map it is given what its format has a use for."""
    from ..io import ReadOptions, read_with, sniff
    from ..io.columns import load_column_map

    reader = sniff(path).reader
    options = ReadOptions(rate_hz=request.rate_hz if "rate_hz" in reader.uses else None)
    if request.column_map and "column_map" in reader.uses:
        options = load_column_map(request.column_map).options(options)
    return read_with(reader, path, options)


def _refuse_idle(request: SyncRequest) -> None:
    """Refuse a rate or a column map that none of the files has a use for."""
    from ..io import sniff

    given = {"rate_hz": request.rate_hz is not None, "column_map": request.column_map is not None}
    if not any(given.values()):
        return
    used = {name for path in (request.reference, *request.wearables) for name in sniff(path).reader.uses}
    for name, is_given in given.items():
        if is_given and name not in used:
            raise BadInputError(f"--{name.replace('_', '-')} is of no use: none of these files needs it; leave it out")


def _reference(request: SyncRequest) -> tuple[Recording, list[dict[str, Any]]]:
    """Return the reference as read, examined, corrected where that is unambiguous, and turned where asked."""
    from ..calibrate import CorrectionRequest, correct, decided, examine

    recording = _read(request.reference, request)
    if not recording.of_kind("force_plate") and not recording.of_kind("insole"):
        why = "; ".join([f"it holds {', '.join(recording.streams)}", *recording.notes])
        raise BadInputError(f"{request.reference}: holds no force plate (nor an insole) to align to: {why}")
    ask = CorrectionRequest.of(request.correct)
    findings = examine(recording, surface=request.surface, mass_kg=request.mass_kg)
    recording = _examined(correct(recording, findings, ask=ask))
    rows = [{"plate": p.plate, **f.model_dump()} for p in decided(findings, ask) for f in p.findings]
    if request.forward:
        recording = _turned(recording, request.forward)
    return recording, rows


def _examined(recording: Recording) -> Recording:
    """Mark the plates as seen by the doctor: their sign is taken as it now is."""
    marked = {
        name: s.assign_attrs(doctor="examined") if s.attrs["kind"] == "force_plate" else s
        for name, s in recording.streams.items()
    }
    return recording.replaced(marked)


def _turned(recording: Recording, forward: str) -> Recording:
    ups = {str(s.attrs.get("vertical", "")) for s in recording.of_kind("force_plate").values()} - {""}
    if len(ups) != 1:
        known = ", ".join(sorted(ups)) or "unknown"
        raise BadInputError(f"--forward needs one vertical axis over all plates; it is {known}")
    rotation = lab_rotation(forward, ups.pop().replace("-", "+"))
    turned = {
        name: into_lab(s, rotation) if s.attrs["kind"] in ("force_plate", "landmarks") else s
        for name, s in recording.streams.items()
    }
    return recording.replaced(turned, findings=[f"axes turned to the lab frame, forward was {forward}"])


_Carried = dict[str, tuple[xr.Dataset, str]]


def _wearables(
    request: SyncRequest,
) -> tuple[dict[str, xr.Dataset], list[dict[str, xr.Dataset]], list[Recording], list[str], _Carried]:
    """Return all wearable streams by unique name, the groups that share a clock, the recordings, notes, and the events.

    Events, such as the stances that an insole sent, are carried along with the streams on the same clock.
    """
    streams: dict[str, xr.Dataset] = {}
    groups: list[dict[str, xr.Dataset]] = []
    recordings: list[Recording] = []
    notes: list[str] = []
    carried: _Carried = {}
    for path in request.wearables:
        recording = _calibrated(_read(path, request), request)
        recordings.append(recording)
        found = by_clock(recording, together=request.together)
        if not found:
            held = ", ".join(recording.streams)
            raise BadInputError(f"{path}: holds no insole, IMU or landmarks stream to align (it holds {held})")
        events = {n: s for n, s in recording.streams.items() if s.attrs.get("kind") == "events"}
        for group in found:
            renamed: dict[str, xr.Dataset] = {}
            for name, stream in group.items():
                renamed[_unique(name, streams)] = stream
                streams[list(renamed)[-1]] = stream
            groups.append(renamed)
            clock = clock_of(next(iter(group.values())), request.together)
            for name in [n for n, s in events.items() if clock_of(s, request.together) == clock]:
                carried[_unique(name, {**streams, **carried})] = events.pop(name), next(iter(renamed))
        aligned = {n for group in found for n in group}
        left_out = [
            n for n, s in recording.streams.items() if n not in aligned and (n in events or s.attrs["kind"] != "events")
        ]
        if left_out:
            notes.append(f"{path.name}: not aligned, no contact can be seen in: {', '.join(left_out)}")
    return streams, groups, recordings, notes, carried


def _unique(name: str, taken: Mapping[str, Any]) -> str:
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _inputs(request: SyncRequest) -> list[InputFile]:
    paths = [(request.reference, "reference"), *((p, "wearable") for p in request.wearables)]
    if request.column_map:
        paths.append((request.column_map, "column map"))
    return [describe_input(path, role=role) for path, role in paths]


def _trial(
    request: SyncRequest,
    reference: Recording,
    streams: Mapping[str, xr.Dataset],
    done: Mapping[str, Alignment],
    maps: Mapping[str, ClockMap],
    recordings: list[Recording],
    carried: _Carried,
) -> Trial:
    made_by = Provenance(command="grf-sync", configuration=request.configuration(), inputs=_inputs(request))
    for recording in (reference, *recordings):
        made_by = made_by.merged(Provenance(findings=recording.provenance.findings))
    made_by = made_by.merged(Provenance(findings=[f"{n}: {f}" for n, m in maps.items() for f in m.findings]))
    nan = float("nan")
    attrs = {
        "participant": request.participant,
        "surface": request.surface,
        "mass_kg": nan if request.mass_kg is None else request.mass_kg,
        "speed_m_s": nan if request.speed_m_s is None else request.speed_m_s,
        "slope_percent": nan if request.slope_percent is None else request.slope_percent,
    }
    anchors = {name: done[name].anchors for name in streams}
    return assemble(reference, streams, maps, anchors, attrs=attrs, provenance=made_by, carried=carried)


def _evidence(
    request: SyncRequest,
    verdict: str,
    reference: Recording,
    streams: Mapping[str, xr.Dataset],
    done: Mapping[str, Alignment],
    maps: Mapping[str, ClockMap],
    doctor: list[dict[str, Any]],
    recordings: list[Recording],
    notes: list[str],
) -> TrialEvidence:
    facts = [*notes]
    for recording in (reference, *recordings):
        facts += [f for f in recording.provenance.findings if f not in facts]
    return TrialEvidence(
        trial=request.reference.stem,
        surface=request.surface,
        verdict=verdict,  # type: ignore[arg-type]
        streams=[_stream_evidence(name, streams[name], done[name], maps[name]) for name in streams],
        participant=request.participant or None,
        mass_kg=request.mass_kg,
        speed_m_s=request.speed_m_s,
        doctor=doctor,
        inputs=_inputs(request),
        configuration=request.configuration(),
        notes=facts,
    )


def _stream_evidence(name: str, stream: xr.Dataset, detail: Alignment, clock_map: ClockMap) -> StreamEvidence:
    reference_s, reference = _shown_reference(detail)
    device_s, device = _shown_device(name, stream, detail)
    best = float(detail.lags_s[np.argmax(detail.log_likelihood)]) if detail.lags_s.size else None
    return StreamEvidence(
        stream=name,
        clock_map=clock_map,
        reference_time_s=reference_s,
        reference_signal=reference,
        device_time_s=device_s,
        device_signal=device,
        anchors=detail.anchors,
        anchor_kind=detail.anchor_kind,
        lag_s=detail.lags_s,
        log_likelihood=detail.log_likelihood,
        chosen_lag_s=best,
        runner_up_lag_s=clock_map.runner_up_offset_s,
        gaps=gaps_of(stream),
        lost=detail.lost,
    )


def _scaled(values: Floats) -> Floats:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return values
    low, high = np.percentile(finite, [5, 97])
    return np.asarray((values - low) / (high - low if high > low else 1.0))


def _shown_reference(detail: Alignment) -> tuple[Floats, Floats]:
    loads = detail.reference_loads
    if not loads:
        return np.zeros(0), np.zeros(0)
    total = loads[0].value
    for load in loads[1:]:
        if load.time_s.size == total.size:
            total = total + load.value
    return loads[0].time_s, _scaled(total)


def _shown_device(name: str, stream: xr.Dataset, detail: Alignment) -> tuple[Floats, Floats]:
    for load in detail.device_loads:
        if load.name == name:
            return load.time_s, _scaled(load.value)
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    axes = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream]
    if axes:
        size = np.sqrt(sum(stream[n].values ** 2 for n in axes))
        return time_s, _scaled(np.asarray(size, dtype=np.float64))
    if "position" in stream:
        height = np.nanmin(stream["position"].values[:, :, -1], axis=1)
        return time_s, _scaled(-height)
    return np.zeros(0), np.zeros(0)


def gaps_of(stream: xr.Dataset, *, shortest_s: float = 0.015) -> list[tuple[float, float]]:
    """Return (start, end) of every stretch without data on the device clock, the longest 2,000 of them."""
    names = [str(n) for n in stream.data_vars if n != "time_raw" and stream[n].dims[0] == "time"]
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    missing = np.ones(time_s.size, dtype=bool)
    for name in names:
        values = stream[name].values.reshape(time_s.size, -1)
        missing &= ~np.isfinite(values).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8))).reshape(-1, 2)
    spans = [(float(time_s[max(a - 1, 0)]), float(time_s[min(b, time_s.size - 1)])) for a, b in edges]
    spans = [s for s in spans if s[1] - s[0] >= shortest_s]
    return sorted(sorted(spans, key=lambda s: s[0] - s[1])[:2000])
