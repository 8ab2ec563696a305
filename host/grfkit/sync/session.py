"""Trials of one session aligned together: each by its contacts, and by what the others say of the device's clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from ..arrays import PathLike
from ..errors import GrfError
from ..records import ClockMap, Prior
from .align import Alignment, finish
from .clock_map import DeviceAlignment, without_map
from .prepare import Prepared, align_clock, prepare
from .session_clock import Placement, Shift, shared_shift
from .session_devices import device_placements
from .session_kept import kept
from .session_known import held, with_known_devices
from .session_rate import known_rates, rate_of_others, with_rate
from .session_request import SessionRequest, read_session
from .session_table import Clock, Recordings, SessionTable, Way, starts_of
from .start_times import Start
from .summary import explained, map_lines

SessionVerdict = Literal["aligned", "partial", "refused"]


@dataclass(frozen=True)
class SessionClock:
    """What a session found about one device clock.

    Attributes
    ----------
    device
        The file's name, or where each trial has a file of its own ``wearable 1``, ``wearable 2``, ...
    margin
        Nats to any other difference of the wall clocks, all trials together; None where no start times tie them.
    shift_s, shift_sd_s
        That difference and its SD; None likewise.
    drift_ppm
        Median rate over the trials that are aligned.
    aligned, alone, trials
        How many are, how many by their contacts alone, and how many there are.
    p_wrong
        Chance that at least one of the aligned trials is a step or more wrong.
    uncertainty_ms
        The worst of them.
    """

    device: str
    margin: float | None
    shift_s: float | None
    shift_sd_s: float | None
    drift_ppm: float | None
    aligned: int
    alone: int
    trials: int
    p_wrong: float | None
    uncertainty_ms: float | None


@dataclass(frozen=True, repr=False)
class SessionAlignment:
    """The outcome of :func:`align_session`; :func:`grfkit.sync.assemble` makes a trial of each of ``trials``.

    Attributes
    ----------
    trials
        The alignment of each trial by its name, in the order of the session.
    clocks
        What the session found about every device clock.
    starts
        When each file started, and where that is stated; files of which nothing says it are absent.
    errors
        Trials whose files cannot be used, and why.
    """

    request: SessionRequest
    trials: dict[str, Alignment]
    clocks: list[SessionClock]
    starts: dict[str, Start]
    errors: dict[str, str]

    def __repr__(self) -> str:
        """Return the verdict and a line for each trial."""
        return "\n  ".join([f"SessionAlignment: {self.verdict}", *self.messages])

    @property
    def verdict(self) -> SessionVerdict:
        """Return ``aligned`` if every trial is, ``refused`` if none is in any part, ``partial`` between."""
        verdicts = {alignment.verdict for alignment in self.trials.values()}
        if verdicts == {"aligned"} and not self.errors:
            return "aligned"
        return "refused" if verdicts <= {"refused"} else "partial"

    @property
    def is_safe(self) -> bool:
        """Return whether every trial is: see :attr:`grfkit.sync.Alignment.is_safe`."""
        return not self.errors and all(alignment.is_safe for alignment in self.trials.values())

    @property
    def clock_lines(self) -> list[str]:
        """Return a line for each device clock: how many trials are aligned, and how surely."""
        return explained([_clock_line(clock) for clock in self.clocks])

    @property
    def messages(self) -> list[str]:
        """Return the result in words: a line for each device clock, and for each trial its verdict and reasons."""
        lines = [_clock_line(clock) for clock in self.clocks]
        for trial in self.request.trials:
            if trial.name in self.errors:
                lines.append(f"{trial.name}: cannot be used: {self.errors[trial.name]}")
                continue
            alignment = self.trials[trial.name]
            lines += [f"{trial.name}: {alignment.verdict_words}", *(f"  {m}" for m in _plain(alignment))]
        return explained(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the machine-readable summary, as ``grf-sync session --json`` prints it."""
        rows: list[dict[str, Any]] = []
        for trial in self.request.trials:
            name = trial.name
            if name in self.errors:
                row: dict[str, Any] = {"verdict": "bad input", "trial": None, "maps": [], "error": self.errors[name]}
            else:
                row = {**self.trials[name].to_json(trial.out), "error": None}
            rows.append({"name": name, "out": str(trial.out), **row})
        starts = {name: vars(start) for name, start in self.starts.items()}
        clocks = [vars(clock) for clock in self.clocks]
        return {"session": self.request.title, "verdict": self.verdict, "clocks": clocks, "starts": starts} | {
            "trials": rows
        }


def _plain(alignment: Alignment) -> list[str]:
    lines = [*map_lines(alignment.maps), *(f"warning: {text}" for text in alignment.warnings)]
    return [line.replace("\n    - ", "\n      - ") for line in lines]


def _clock_line(clock: SessionClock) -> str:
    parts = [f"{clock.aligned} of {clock.trials} trials aligned"]
    if clock.p_wrong is not None:
        parts.append(f"chance of a wrong step in any {clock.p_wrong:.1g}")
    if clock.drift_ppm is not None:
        parts.append(f"drift {clock.drift_ppm:+.1f} ppm")
    if clock.margin is not None:
        parts.append(f"start times tie them, margin {clock.margin:.0f} nats")
    return f"clock of {clock.device}: {', '.join(parts)}"


def align_session(
    session: PathLike | Mapping[str, Any] | SessionRequest,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> SessionAlignment:
    """Return the alignment of every trial of a session: many references, many device files, or several of each.

    Each trial is aligned by its contacts. What the trials that are sure say of the device's clock is lent to those
    that are not, where start times tie the clocks, or the order of the trials leaves little room; trials that
    contradict the others are refused. Nothing is written.

    Parameters
    ----------
    session
        A TOML document (``host/grfkit/sync/README.md`` shows one), or its tables as a mapping, in which recordings in
        memory may stand for files.
    progress
        Called with a trial's name whenever one has been aligned.

    Raises
    ------
    BadInputError
        If the document is wrong. A trial whose files cannot be used is in ``errors``.

    Examples
    --------
    >>> from grfkit import align_session
    >>> align_session({"surface": "overground", "trial": []})
    Traceback (most recent call last):
    grfkit.errors.BadInputError: the session: lists no trial; write a table [[trial]] with its reference for each
    """
    request = session if isinstance(session, SessionRequest) else read_session(session)
    recordings = Recordings(request.memory)
    ready: dict[str, Prepared] = {}
    first: dict[str, list[DeviceAlignment]] = {}
    errors: dict[str, str] = {}
    for trial in request.trials:
        try:
            ready[trial.name] = prepare(trial.request, recordings.of(trial.request))
            prior = trial.request.prior()
            groups = ready[trial.name].wearables.groups
            first[trial.name] = [align_clock(ready[trial.name], group, prior=prior) for group in groups]
        except (GrfError, OSError) as error:
            errors[trial.name] = str(error)
        progress(trial.name)
    starts = starts_of(request, recordings)
    trials = [trial for trial in request.trials if trial.name not in errors]
    table = SessionTable(request, trials, ready, starts, first)
    table.alone = with_known_devices(table, first, first)
    placed = _between_devices(table, _together(table, table.alone))
    # a trial that another device, or the start times, placed tells of its own device too
    again = with_known_devices(table, table.alone, placed)
    if again is not table.alone:
        table.alone = again
        placed = _between_devices(table, _together(table, again))
    final = _with_shared_rates(table, placed)
    keep_s = request.options.keep_s
    outcome = {t.name: kept(finish(ready[t.name], final[t.name]), keep_s) for t in trials}
    clocks = [_session_clock(table, clock, first, final) for clock in table.clocks]
    return SessionAlignment(request, outcome, clocks, starts, errors)


def _together(table: SessionTable, first: Mapping[str, list[DeviceAlignment]]) -> dict[str, list[DeviceAlignment]]:
    """Return the alignments of all trials once the session has lent and refused."""
    final = {name: list(devices) for name, devices in first.items()}
    for clock, members in table.clocks.items():
        refused: dict[int, DeviceAlignment] = {}
        for number, ((trial, group, _), placement) in enumerate(zip(members, table.placed(clock, final))):
            device = first[trial.name][group]
            if placement.reasons:
                refused[number] = _refused(device, placement.reasons, trial.request.accept_refused)
            elif device.clock_map.verdict != "aligned" and placement.lends:
                final[trial.name][group] = _lent(table, trial.name, group, device, placement)
        # those that were placed now are held against all others once more
        for number, ((trial, group, _), placement) in enumerate(zip(members, table.placed(clock, final))):
            if number in refused:
                final[trial.name][group] = refused[number]
            elif placement.reasons and final[trial.name][group] is not first[trial.name][group]:
                again = final[trial.name][group]
                final[trial.name][group] = _refused(again, placement.reasons, trial.request.accept_refused)
    return final


def _between_devices(
    table: SessionTable, aligned: dict[str, list[DeviceAlignment]]
) -> dict[str, list[DeviceAlignment]]:
    """Return the alignments once devices that were worn together have placed, or contradicted, one another."""
    final = {name: list(devices) for name, devices in aligned.items()}
    barred = {
        (trial.name, group)
        for clock, members in table.clocks.items()
        for (trial, group, _), placement in zip(members, table.placed(clock, aligned))
        if placement.reasons
    }
    for (name, group), placement in device_placements(table, aligned, table.joined).items():
        device, ready = aligned[name][group], table.ready[name]
        if placement.reasons:
            final[name][group] = _refused(device, placement.reasons, ready.request.accept_refused)
        elif (name, group) not in barred:
            final[name][group] = _lent(table, name, group, device, placement)
    return final


def _with_shared_rates(
    table: SessionTable, aligned: dict[str, list[DeviceAlignment]]
) -> dict[str, list[DeviceAlignment]]:
    """Return the alignments, each fitted anew with what a device's other trials say of the rate of its clock."""
    final = {name: list(devices) for name, devices in aligned.items()}
    for clock, members in table.clocks.items():
        if not table.is_one_device(clock):
            continue
        groups = {trial.name: group for trial, group, _ in members}
        rates = known_rates({name: aligned[name][group] for name, group in groups.items()})
        for number, name in enumerate(rates):
            rate_ppm = rate_of_others(list(rates.values()), number)
            if rate_ppm is not None:
                ready, group, device = table.ready[name], groups[name], aligned[name][groups[name]]
                way = table.lent.get((name, group)) or Way(ready.wearables.groups[group], ready.request.prior(), None)
                again = align_clock(
                    ready,
                    way.streams,
                    prior=way.prior,
                    swap_chance=way.swap_chance,
                    clock_rate_ppm=rate_ppm,
                    known=table.known_devices.get((name, group)),
                )
                final[name][group] = with_rate(device, again, rate_ppm)
    return final


def _lent(table: SessionTable, name: str, group: int, device: DeviceAlignment, placement: Placement) -> DeviceAlignment:
    """Return a trial aligned anew where the session places it, with a finding that says so."""
    ready = table.ready[name]
    streams = ready.wearables.groups[group]
    if placement.window_s is not None:
        streams = {name: _within(stream, placement.window_s) for name, stream in streams.items()}
    prior = _joined(ready.request.prior(), placement.prior)
    if any(stream.sizes["time"] < 2 for stream in streams.values()):
        return device
    table.lent[name, group] = Way(streams, prior, placement.swap_chance)
    known = table.known_devices.get((name, group))
    again = held(align_clock(ready, streams, prior=prior, swap_chance=placement.swap_chance, known=known), known)
    clock_map = again.clock_map
    if clock_map.verdict != "aligned":
        return replace(again, clock_map=_with(clock_map, findings=[_finding(placement)]))
    margin = min(clock_map.margin or 0.0, placement.margin)
    p_wrong = min(1.0, (clock_map.p_wrong or 0.0) + placement.p_wrong)
    lent = clock_map.model_copy(update={"margin": margin, "p_wrong": p_wrong})
    return replace(again, clock_map=_with(lent, findings=[_finding(placement)]))


def _joined(one: Prior | None, other: Prior | None) -> Prior | None:
    """Return two priors as one."""
    if one is None or other is None:
        return one or other
    weights = 1.0 / one.sd_s**2, 1.0 / other.sd_s**2
    mean = (weights[0] * one.offset_s + weights[1] * other.offset_s) / sum(weights)
    return Prior(offset_s=mean, sd_s=math.sqrt(1.0 / sum(weights)))


def _finding(placement: Placement) -> str:
    what = []
    by = f" ({', '.join(repr(name) for name in placement.lenders[:4])})" if placement.lenders else ""
    if placement.device and placement.prior is not None:
        held = f"trial '{placement.lenders[0]}'" if placement.lenders else "the landings that both saw"
        return (
            f"{placement.device}, aligned here, places it at offset {placement.prior.offset_s:+.2f} s (SD"
            f" {1e3 * placement.prior.sd_s:.0f} ms); their clocks are held together by {held}"
        )
    if placement.prior is not None:
        what.append(f"offset {placement.prior.offset_s:+.2f} s (SD {placement.prior.sd_s:.2g} s) by start times")
    if placement.window_s is not None:
        what.append(f"between {placement.window_s[0]:.0f} and {placement.window_s[1]:.0f} s of the device's clock")
    if placement.swap_chance is not None:
        feet = "as labelled" if placement.swap_chance < 0.5 else "exchanged"
        what.append(f"left and right {feet}")
    return f"the session's other trials place it{by}: {', '.join(what)}"


def _within(stream: xr.Dataset, window_s: tuple[float, float]) -> xr.Dataset:
    time_s = stream["time"].values
    inside: xr.Dataset = stream.isel(time=np.flatnonzero((time_s >= window_s[0]) & (time_s <= window_s[1])))
    return inside


def _with(clock_map: ClockMap, *, reasons: Sequence[str] = (), findings: Sequence[str] = ()) -> ClockMap:
    update = {"reasons": [*clock_map.reasons, *reasons], "findings": [*clock_map.findings, *findings]}
    return clock_map.model_copy(update=update)


def _refused(device: DeviceAlignment, reasons: Sequence[str], keep: bool) -> DeviceAlignment:
    """Return the alignment refused for what the session says against it."""
    clock_map = device.clock_map
    changed = clock_map.model_copy(update={"verdict": "refused", "reasons": [*reasons, *clock_map.reasons]})
    return replace(device, clock_map=changed if keep else without_map(changed), deciding_prior_sd_s=None)


def _session_clock(
    table: SessionTable,
    clock: Clock,
    first: Mapping[str, Sequence[DeviceAlignment]],
    final: Mapping[str, Sequence[DeviceAlignment]],
) -> SessionClock:
    members = table.clocks[clock]
    maps = [final[trial.name][group].clock_map for trial, group, _ in members]
    good = [m for m in maps if m.verdict == "aligned"]
    contradicting = {i for i, m in enumerate(maps) if m.verdict == "refused" and m.margin is None}
    links = [link for i, link in enumerate(table.links(clock, final)) if i not in contradicting]
    tied = len([link for link in links if link.stated_s is not None]) > 1
    shift: Shift | None = shared_shift(links, known=table.known(clock)) if tied else None
    rates = [m.drift_ppm for m in good if m.drift_ppm is not None]
    name, number = clock
    several = any(other == name and n != number for other, n in table.clocks)
    return SessionClock(
        device=f"{name} ({number + 1})" if several else name,
        margin=None if shift is None else shift.margin,
        shift_s=None if shift is None else shift.shift_s,
        shift_sd_s=None if shift is None else shift.sd_s,
        drift_ppm=float(np.median(rates)) if rates else None,
        aligned=len(good),
        alone=sum(first[trial.name][group].clock_map.verdict == "aligned" for trial, group, _ in members),
        trials=len(maps),
        p_wrong=1.0 - math.prod(1.0 - (m.p_wrong or 0.0) for m in good) if good else None,
        uncertainty_ms=max((m.uncertainty_ms or 0.0 for m in good), default=None),
    )
