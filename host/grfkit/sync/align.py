"""Files or recordings of one trial in, a verdict with a clock map for every stream out: what ``grf-sync`` does."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from pydantic import ValidationError

from ..arguments import ArgumentError, refused_field
from ..arrays import PathLike
from ..provenance import InputFile
from ..records import ClockMap, Recording, Surface
from ..records.evidence import TrialEvidence, TrialVerdict, verdict_in_words
from ..records.person import Person, as_person
from .clock_map import DeviceAlignment
from .evidence import stream_evidence
from .inputs import Wearables, first_stamp_s
from .known_clock import check_doubts, check_in_words, given_alignment, stated_clock
from .lag_difference import lag_differences, with_lag_findings
from .no_plates import joined_devices
from .plausible import input_doubts
from .prepare import Prepared, align_clock, prepare
from .request import Source, SyncRequest, as_sequence, as_several, as_source, describe_source, path_of
from .settings import STEEPEST_PPM
from .summary import explained, joint_verdict, map_lines, map_row

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Alignment:
    """The outcome of :func:`align`; :func:`grfkit.sync.assemble` makes a trial of it.

    Attributes
    ----------
    verdict
        ``aligned`` if every stream is, ``refused`` if none is, ``partial`` between.
    maps
        The clock map of every stream by its name, refusals too; streams on one clock share theirs.
    reference
        The reference as it was aligned to: examined, corrected where that is beyond doubt, turned where asked. Without
        streams where there was none: ``maps`` then lead to the clock of the first wearable, which has no map.
    wearables
        The wearables' streams, on their own clocks.
    devices
        By stream, what its clock map rests on.
    evidence
        What a report shows.
    inputs
        Every file read, with its SHA-256.
    doubts
        What is not plausible in the recordings' units or in what the user states of the trial, a sentence each.
    """

    request: SyncRequest
    verdict: TrialVerdict
    maps: dict[str, ClockMap]
    reference: Recording
    wearables: Wearables
    devices: dict[str, DeviceAlignment]
    evidence: TrialEvidence
    inputs: list[InputFile]
    doubts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the verdict in words and the messages."""
        return "\n  ".join([f"Alignment: {self.verdict_words}", *self.messages])

    @property
    def accepted(self) -> bool:
        """Return whether a trial may be assembled: all is aligned, or the request allows what is not."""
        partial = self.verdict == "partial" and self.request.allow_partial
        return self.verdict == "aligned" or self.request.accept_refused or partial

    @property
    def is_safe(self) -> bool:
        """Return whether nothing that was refused is in the trial: all is aligned, or what is not is left out."""
        return self.verdict == "aligned" or (self.verdict == "partial" and self.request.allow_partial)

    @property
    def verdict_words(self) -> str:
        """Return the verdict and what becomes of the trial, in words."""
        words = verdict_in_words(
            self.verdict,
            aligned=sum(m.verdict == "aligned" for m in self.maps.values()),
            allow_partial=self.request.allow_partial,
            accept_refused=self.request.accept_refused,
        )
        return words + check_in_words(self.maps)

    @property
    def warnings(self) -> list[str]:
        """Return what is doubtful about plates, units and what was stated, a sentence each."""
        rows = [row for row in self.evidence.doctor if row["severity"] != "info"]
        plates = [f"{'all plates' if row['plate'] == 'all' else row['plate']}: {row['text']}" for row in rows]
        return [*plates, *self.doubts]

    @property
    def messages(self) -> list[str]:
        """Return the result in words: a line for every clock, with the reasons of a refusal, and the warnings."""
        return explained([*map_lines(self.maps), *(f"warning: {text}" for text in self.warnings)])

    def to_json(self, trial_path: PathLike | None = None) -> dict[str, Any]:
        """Return the machine-readable summary, as ``grf-sync --json`` prints it."""
        written = str(trial_path) if self.accepted and trial_path else None
        plates = self.warnings[: len(self.warnings) - len(self.doubts)]
        rows = [map_row(name, clock_map, plates, self.doubts) for name, clock_map in self.maps.items()]
        return {"verdict": self.verdict, "trial": written, "maps": rows}


def align(
    reference: PathLike | Recording | None,
    wearables: PathLike | Recording | Sequence[PathLike | Recording] = (),
    *,
    surface: Surface,
    mass_kg: float | None = None,
    participant: str = "",
    speed_m_s: float | None = None,
    slope_percent: float | None = None,
    forward: str = "",
    prior_offset_s: float | None = None,
    prior_sd_s: float | None = None,
    synchronised: bool = False,
    offset_s: float | None = None,
    offset_sd_s: float | None = None,
    together: bool | None = None,
    allow_partial: bool = False,
    accept_refused: bool = False,
    correct: str | Sequence[str] = (),
    plates: PathLike | None = None,
    side: str | Sequence[str] = (),
    column_map: PathLike | None = None,
    rate_hz: float | None = None,
    allow_short: bool = False,
    calibrations: PathLike | Sequence[PathLike] = (),
    min_overlap_s: float | None = None,
    max_drift_ppm: float = STEEPEST_PPM,
    person: PathLike | Mapping[str, Any] | Person | None = None,
    walker: str | int | None = None,
    near_side: str | None = None,
    picture: str | None = None,
) -> Alignment:
    """Return how the clock of every wearable becomes the reference's, and how surely, or why that is refused.

    The same files and options give the same verdict, clock maps and trial as the command ``grf-sync``. Nothing is
    written.

    Parameters
    ----------
    reference
        Force plates or a treadmill: a file, or a recording in memory. None where there were none: the wearables' clocks
        are then joined to that of the first one, and the trial has no force.
    wearables
        One or several files or recordings of insoles, IMUs, landmarks or films; with ``synchronised`` there may be
        none, where the reference's file holds them.
    surface
        ``treadmill``: the reference sees every contact; ``overground``: separate plates, which see some.
    mass_kg
        Body mass, checked against the force and kept with the trial.
    participant, speed_m_s, slope_percent
        Kept with the trial. ``participant`` is a code, not a name.
    forward
        The file's axis that points forward (``"+x"``, ``"-y"``, ...); turns the plates to the laboratory frame.
    prior_offset_s, prior_sd_s
        Rough reference time minus device time at the device's start (s), and its SD (s); both or neither. Where to
        look: the contacts decide.
    synchronised
        The streams of the reference's file, and of the wearables' files where there are any, share one clock, whose
        times the files state. Nothing is estimated; the contacts check it (:mod:`grfkit.sync.known_clock`).
    offset_s, offset_sd_s
        The true offset of the one wearable, in place of an estimate: so many seconds after the reference's first
        sample lies the wearable's first one (before: negative); and its SD, where known. Checked the same way.
    together
        True: one clock for each file; False: one for each foot; None: as the file says.
    allow_partial
        Accept the streams that align where others are refused.
    accept_refused
        Keep the maps of what is refused; its verdict stays.
    correct
        Findings about the plates to correct besides those beyond doubt: ``zero``, ``sign``, ``vertical``, ``drift``,
        ``horizontal``, ``belts``.
    plates
        TOML file that describes the reference's plates, for a C3D file that does not.
    side
        ``left`` or ``right``, the foot of the wearables that do not say it: one for all, or one for each in turn.
    column_map
        TOML names for a table's columns.
    rate_hz
        Sampling rate for files that state none.
    allow_short
        Whether TRC and OpenSim files that end inside a row, before their header says, are read without that row.
    calibrations
        Calibration documents: plate corrections for the reference, a lag table for the alignment, all others for the
        wearables; paths, or names as ``insoles/fsr16_m``.
    min_overlap_s
        Overlap (s) needed on a treadmill. None: 30 s, or 32 contacts that match.
    max_drift_ppm
        Rate (ppm) by which a wearable's clock may be off. 250 is beyond every crystal; phones and cheap loggers take
        more (up to 5000), which the contacts then have to carry.
    person
        What is known of the participant's body (:class:`~grfkit.records.person.Person`: knee alignment, affected side,
        mass, height, ...), or the TOML file that states it; kept with the trial.
    walker
        Of a film with several people: ``left`` or ``right`` of those who walk, or a number (0 goes farthest).
    near_side
        Of a film: ``left`` or ``right``, the side of the body that faces the camera, if the film was mirrored.
    picture
        Of a film: what its pictures show, ``silhouette`` (as without it), ``grey`` or ``full frame``; or ``background
        silhouette``, by background subtraction, without the pose model: it shows no contacts, so that ``offset_s`` or
        ``synchronised`` has to state its clock.

    Raises
    ------
    BadInputError
        If a file cannot be read, holds nothing to align, or an option makes no sense.

    Examples
    --------
    >>> from grfkit import align, simulate_trial
    >>> lab = simulate_trial(seed=0, wearables=("insole",))
    >>> alignment = align(lab.reference, lab.wearables["insole"], surface="treadmill")
    >>> alignment.verdict
    'aligned'
    >>> truth = lab.truth.streams["insole", "insole_left"]
    >>> abs(alignment.maps["insole_left"].offset_s - truth.offset_s) < 0.02
    True
    """
    sources: tuple[Source, ...] = tuple(
        as_source(each) for each in (reference, *as_sequence(wearables)) if each is not None
    )
    worn = sources if reference is None else sources[1:]
    try:
        request = SyncRequest.model_validate(
            {
                "reference": None if reference is None else path_of(sources[0]),
                "wearables": tuple(path_of(source) for source in worn),
                "surface": surface,
                "mass_kg": mass_kg,
                "participant": participant,
                "speed_m_s": speed_m_s,
                "slope_percent": slope_percent,
                "forward": forward,
                "prior_offset_s": prior_offset_s,
                "prior_sd_s": prior_sd_s,
                "synchronised": synchronised,
                "offset_s": offset_s,
                "offset_sd_s": offset_sd_s,
                "together": together,
                "allow_partial": allow_partial,
                "accept_refused": accept_refused,
                "correct": as_several(correct),
                "plates": plates,
                "side": as_several(side),
                "column_map": column_map,
                "rate_hz": rate_hz,
                "allow_short": allow_short,
                "calibrations": as_several(calibrations),
                "person": as_person(person),
                "walker": None if walker is None else str(walker),
                "near_side": near_side,
                "picture": picture,
                "settings": {"shortest_overlap_s": min_overlap_s, "max_drift_ppm": max_drift_ppm},
            }
        )
    except ValidationError as error:
        name, why = refused_field(error)
        argument = name.replace("settings.shortest_overlap_s", "min_overlap_s").removeprefix("settings.")
        raise ArgumentError(argument, why) from error
    return _aligned(request, sources)


def align_request(request: SyncRequest) -> Alignment:
    """Return the alignment of a request's files: :func:`align` for options that were checked already."""
    return _aligned(request, tuple(path for path in (request.reference, *request.wearables) if path is not None))


def _aligned(request: SyncRequest, sources: tuple[Source, ...]) -> Alignment:
    """Return the alignment of sources, the reference first where there is one."""
    ready = prepare(request, sources)
    _LOG.info("clocks to find: %s", "; ".join(", ".join(group) for group in ready.wearables.groups))
    if request.reference is None:
        return finish(ready, joined_devices(ready.wearables, request, lags=ready.documents.lags))
    reference, lags = ready.reference, ready.documents.lags
    devices = []
    for group, starts_s in zip(ready.wearables.groups, ready.wearables.first_stamps_s):
        known = stated_clock(request, starts_s, first_stamp_s(reference))
        if known is not None:
            devices.append(given_alignment(reference, group, known, request, lags=lags))
        else:
            devices.append(align_clock(ready, group, prior=request.prior()))
    return finish(ready, devices)


def finish(ready: Prepared, aligned: Sequence[DeviceAlignment]) -> Alignment:
    """Return the outcome of the alignments of every clock, in the order of ``ready.wearables.groups``.

    Without a reference the clock of the first group is the trial's, and has none.
    """
    request, sources, documents = ready.request, ready.sources, ready.documents
    reference, wearables, doctor = ready.reference, ready.wearables, ready.doctor
    groups = wearables.groups if request.reference else wearables.groups[1:]
    devices = {name: device for group, device in zip(groups, aligned) for name in group}
    maps = {
        name: _finished(name, stream, devices, request) for name, stream in wearables.streams.items() if name in devices
    }
    if request.reference is not None:
        maps = with_lag_findings(
            maps, lag_differences(reference, groups, maps, surface=request.surface, lags=documents.lags)
        )
    verdict = joint_verdict(maps)
    for clock_map in maps.values():
        _LOG.info("%s", clock_map)
    roles = [*(["reference"] if request.reference else []), *["wearable"] * len(request.wearables)]
    inputs = [file for source, role in zip(sources, roles) for file in describe_source(source, role)]
    if request.column_map:
        inputs += describe_source(request.column_map, "column map")
    if request.plates:
        inputs += describe_source(request.plates, "plates")
    inputs += documents.inputs
    doubts = (*check_doubts(maps), *input_doubts(request, reference, wearables.recordings, doctor))
    evidence = _evidence(request, verdict, reference, wearables, devices, maps, doctor, inputs, doubts)
    return Alignment(request, verdict, maps, reference, wearables, devices, evidence, inputs, doubts)


def _finished(name: str, stream: xr.Dataset, devices: Mapping[str, DeviceAlignment], request: SyncRequest) -> ClockMap:
    """Return a stream's own copy of its device's map, with what only the stream and the request know of it."""
    clock_map = with_stated_uncertainty(devices[name].clock_map.model_copy(update={"source": name}), stream)
    estimated = clock_map.origin == "estimated"
    return _with_hint(clock_map, stream, devices) if request.together is None and estimated else clock_map


def with_stated_uncertainty(clock_map: ClockMap, stream: xr.Dataset) -> ClockMap:
    """Return the map with what the recording itself states of its times (``uncertainty_ms``), in quadrature.

    The stream's own is a half-width around its times, independent of how well these were aligned.
    """
    stated_ms = float(stream.attrs.get("uncertainty_ms", 0.0))
    if clock_map.uncertainty_ms is None or not 0.0 < stated_ms < np.inf:
        return clock_map
    finding = f"the recording states its own times to {stated_ms:.2g} ms, which is part of the uncertainty"
    total_ms = float(np.hypot(clock_map.uncertainty_ms, stated_ms))
    return clock_map.model_copy(update={"uncertainty_ms": total_ms, "findings": [*clock_map.findings, finding]})


def _with_hint(clock_map: ClockMap, stream: xr.Dataset, devices: Mapping[str, DeviceAlignment]) -> ClockMap:
    """Return a refusal with the advice to align both feet together, where the file gave each a clock of its own."""
    apart = str(stream.attrs.get("clock", "")) in ("left", "right")
    others = [d.clock_map for d in devices.values() if d is not devices[clock_map.source]]
    if clock_map.verdict == "aligned" or not apart or not others:
        return clock_map
    aligned = [m.offset_s for m in others if m.verdict == "aligned" and m.offset_s is not None]
    other = f", and the other is aligned at {aligned[0]:+.3f} s" if aligned else ""
    partial = ", or take the foot that is aligned (--allow-partial)" if aligned else ""
    hint = (
        f"each foot was aligned apart, as its file has a time column a foot{other}; if one clock stamped both, use"
        " --together (together=True in Python). Of two clocks that is wrong: each foot then needs hits of its own, as"
        f" three jumps with both feet on plates and several passes, or a minute on a treadmill{partial}"
    )
    return clock_map.model_copy(update={"reasons": [*clock_map.reasons, hint]})


def _evidence(
    request: SyncRequest,
    verdict: TrialVerdict,
    reference: Recording,
    wearables: Wearables,
    devices: Mapping[str, DeviceAlignment],
    maps: Mapping[str, ClockMap],
    doctor: list[dict[str, Any]],
    inputs: list[InputFile],
    doubts: Sequence[str],
) -> TrialEvidence:
    notes = [*doubts, *wearables.notes]
    for recording in (reference, *wearables.recordings):
        notes += [f for f in recording.provenance.findings if f not in notes]
    return TrialEvidence(
        trial=(request.reference or request.wearables[0]).stem,
        surface=request.surface,
        verdict=verdict,
        streams=[stream_evidence(n, s, devices[n], maps[n]) for n, s in wearables.streams.items() if n in maps],
        participant=request.participant or None,
        mass_kg=request.mass_stated_kg,
        speed_m_s=request.speed_m_s,
        doctor=doctor,
        inputs=inputs,
        configuration=request.configuration(),
        notes=notes,
    )
