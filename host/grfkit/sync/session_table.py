"""Which trial of a session uses which device clock, and what the files' start times say of each."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..records import ClockMap, Prior, Recording
from .clock_map import DeviceAlignment
from .device import align_device
from .inputs import by_clock
from .known_device import KnownDevice
from .prepare import Prepared
from .request import SyncRequest, read_source
from .session_clock import Placement, placements
from .session_link import Link
from .session_request import SessionRequest, SessionTrial
from .settings import Gate, WrongStepModel
from .start_times import Start, length_of, name_pattern, start_of

Clock = tuple[str, int]
"""A device clock of a session: its file, or the place of its files among the wearables, and its number in the file."""


class Recordings:
    """Recordings of a session's files, each read once however many trials use it."""

    def __init__(self, memory: Mapping[Path, Recording]) -> None:
        self.memory = memory
        self.read: dict[tuple[Path, str, Path | None, Path | None, float | None], Recording] = {}

    def of(self, request: SyncRequest) -> tuple[Recording, ...]:
        """Return the recordings of a request, the reference first."""
        roles = ["reference", *["wearable"] * len(request.wearables)]
        return tuple(
            self._one(path, role, request) for path, role in zip((request.reference_file, *request.wearables), roles)
        )

    def _one(self, path: Path, role: str, request: SyncRequest) -> Recording:
        plates = request.plates if role == "reference" else None
        key = path, role, plates, request.column_map, request.rate_hz
        if key not in self.read:
            self.read[key] = self.memory[path] if path in self.memory else read_source(path, request, role=role)
        return self.read[key]

    def by_path(self) -> dict[Path, Recording]:
        """Return the recordings by their files."""
        return {key[0]: recording for key, recording in self.read.items()}


def starts_of(request: SessionRequest, recordings: Recordings) -> dict[str, Start]:
    """Return when each file started, by its path; files of which nothing says it are absent."""
    options = request.options
    pattern = name_pattern(options.start_pattern) if options.start_pattern else None
    found = {}
    for path, recording in recordings.by_path().items():
        start = start_of(
            path,
            recording,
            stated=request.start_stated(path),
            pattern=pattern,
            file_dates=options.file_dates,
            sd_s=options.start_sd_s,
        )
        if start is not None:
            found[str(path)] = start
    return found


class Way(NamedTuple):
    """How a trial was aligned on one clock: the device's streams, the prior on its offset, and the chance of a swap."""

    streams: Mapping[str, xr.Dataset]
    prior: Prior | None
    swap_chance: float | None


class SessionTable:
    """Which trial uses which device clock: every clock with its (trial, number of the trial's group)."""

    def __init__(
        self,
        request: SessionRequest,
        trials: Sequence[SessionTrial],
        ready: dict[str, Prepared],
        starts: dict[str, Start],
        alone: Mapping[str, Sequence[DeviceAlignment]],
    ) -> None:
        self.request, self.trials, self.ready, self.starts, self.alone = request, trials, ready, starts, alone
        self.clocks: dict[Clock, list[tuple[SessionTrial, int, Path]]] = {}
        self.lent: dict[tuple[str, int], Way] = {}
        self.known_devices: dict[tuple[str, int], KnownDevice] = {}
        self._joined: dict[tuple[Clock, Clock], ClockMap] = {}
        used = [path for trial in trials for path in trial.request.wearables]
        for trial in trials:
            group = 0
            for place, (path, recording) in enumerate(
                zip(trial.request.wearables, ready[trial.name].wearables.recordings)
            ):
                own = used.count(path) > 1 or str(path) not in starts
                # files of one name in several folders are several devices' recordings
                namesakes = {other for other in used if other.name == path.name}
                name = path.name if len(namesakes) == 1 else os.path.relpath(path, request.folder)
                for number in range(len(by_clock(recording, together=trial.request.together))):
                    clock = (name if own else f"wearable {place + 1}", number)
                    self.clocks.setdefault(clock, []).append((trial, group, path))
                    group += 1

    def links(self, clock: Clock, aligned: Mapping[str, Sequence[DeviceAlignment]]) -> list[Link]:
        """Return the trials on a clock as links, in the order of the session."""
        members = self.clocks[clock]
        one_device = self.is_one_device(clock)
        one_reference = len({trial.request.reference for trial, _, _ in members}) == 1
        return [
            self._link(trial, path, aligned[trial.name][group], group, one_device, one_reference)
            for trial, group, path in members
        ]

    def _link(
        self,
        trial: SessionTrial,
        path: Path,
        device: DeviceAlignment,
        group: int,
        one_device: bool,
        one_reference: bool,
    ) -> Link:
        alone = self.alone[trial.name][group]
        ready = self.ready[trial.name]
        times = [stream["time"].values for stream in ready.wearables.groups[group].values()]
        # of the contacts alone: what was lent must not count as evidence of the trial's own
        scores, scored = alone.log_likelihood, alone.log_likelihood.size > 0
        clock_map = device.clock_map
        best = float(alone.lags_s[int(np.argmax(scores))]) if scored else None
        stated, sd_s = self._stated(trial.request.reference_file, path, one_device, one_reference)
        return Link(
            trial=trial.name,
            lags_s=alone.lags_s,
            log_likelihood=scores,
            offset_s=clock_map.offset_s if clock_map.offset_s is not None else best,
            aligned=clock_map.verdict == "aligned",
            margin=clock_map.margin or 0.0,
            length_s=length_of(ready.reference),
            covered_s=(min(float(t[0]) for t in times), max(float(t[-1]) for t in times)),
            stated_s=stated,
            stated_sd_s=sd_s,
            as_labelled=alone.as_labelled,
        )

    def _stated(self, reference: Path, path: Path, one_device: bool, one_reference: bool) -> tuple[float | None, float]:
        """Return the device's start less the reference's; what is common to all trials is part of the shift."""
        theirs, own = self.starts.get(str(reference)), self.starts.get(str(path))
        if (theirs is None and not one_reference) or (own is None and not one_device):
            return None, math.inf
        if theirs is None and own is None:
            return None, math.inf
        sd_s = math.hypot(
            0.0 if one_reference or theirs is None else theirs.sd_s, 0.0 if one_device or own is None else own.sd_s
        )
        return (own.at_s if own else 0.0) - (theirs.at_s if theirs else 0.0), sd_s

    def known(self, clock: Clock) -> Prior | None:
        """Return what the session states of the difference of the clocks."""
        sd_s = self.request.options.clocks_sd_s
        members = self.clocks[clock]
        both = all(str(t.request.reference) in self.starts and str(path) in self.starts for t, _, path in members)
        if sd_s is None or not both:
            return None
        worst = max(self.starts[str(path)].sd_s for _, _, path in members)
        return Prior(offset_s=0.0, sd_s=math.hypot(sd_s, worst))

    def in_order(self, clock: Clock) -> bool:
        """Return whether the trials follow one another on this clock: those of one device recording do."""
        return self.request.options.in_order and self.is_one_device(clock)

    def gate(self, clock: Clock) -> tuple[Gate, WrongStepModel]:
        """Return the gate of a clock's surface, and the chance of a wrong step by margin."""
        requests = [trial.request for trial, _, _ in self.clocks[clock]]
        settings = requests[0].settings
        if any(request.surface == "overground" for request in requests):
            return settings.overground, settings.overground_wrong
        return settings.treadmill, settings.treadmill_wrong

    def placed(self, clock: Clock, aligned: Mapping[str, Sequence[DeviceAlignment]]) -> list[Placement]:
        """Return what the session says of the trials on a clock."""
        gate, chance_wrong = self.gate(clock)
        return placements(
            self.links(clock, aligned),
            in_order=self.in_order(clock),
            gate=gate.margin,
            chance_wrong=chance_wrong,
            known=self.known(clock),
            swap_chance=self._swap_chance(clock),
            one_device=self.is_one_device(clock),
        )

    def _swap_chance(self, clock: Clock) -> float | None:
        """Return the chance of exchanged feet that the trials on a clock share; None where they share no device."""
        return self.clocks[clock][0][0].request.settings.swap_chance if self.is_one_device(clock) else None

    def is_one_device(self, clock: Clock) -> bool:
        """Return whether all trials on a clock are of one recording."""
        return len({path for _, _, path in self.clocks[clock]}) == 1

    def joined(self, one: Clock, other: Clock) -> ClockMap:
        """Return the map from one device's clock to another's, by the landings that both saw, or its refusal."""
        if (one, other) not in self._joined:
            (trial, group, _), (theirs, number, _) = self.clocks[one][0], self.clocks[other][0]
            device, reference = self.ready[trial.name], self.ready[theirs.name]
            self._joined[one, other] = align_device(
                reference.wearables.groups[number],
                device.wearables.groups[group],
                surface=trial.request.surface,
                lags=device.documents.lags,
            ).clock_map
        return self._joined[one, other]

    def length_s(self, name: str) -> float:
        """Return the length (s) of a trial's reference."""
        return length_of(self.ready[name].reference)
