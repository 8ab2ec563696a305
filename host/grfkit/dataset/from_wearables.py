"""Windows of the wearables in an aligned trial, each with the plates' force on its foot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import NothingLeftError
from ..gait.contacts import TOO_LONG, rule_of
from ..gait.relative_cells import relative_cells
from ..gait.stances import Stance, Stances, find_stances, insole_total, stride_times
from ..records import Trial
from ..records.stance_set import StanceSet, make_stance_set
from ..records.target_units import COP_AXES
from ..units import G
from .cop_target import PlateCentres, plate_centres, target_window
from .cut import CutRequest
from .foot_force import (
    PARTIAL,
    PlateColumns,
    foot_force,
    low_passed,
    no_other_foot,
    of_foot,
    plate_columns,
    plate_contact,
    stance_force,
)
from .motion import SIDES, Side
from .of_trial import labels_of, scalars_of
from .resample import continuous_starts, stance_times
from .trial_scalars import insole_scalars
from .wearable_inputs import channels_of, check_values, inputs_at

_LEAST_PEAK_BW = 0.3
"""Peak of the plates' force (BW) below which a stance was beside them. Chosen by hand: walking and running exceed 1."""
_LEAST_SHARE = 0.75
"""A stance whose impulse on the plates, over the insole's, is less than this share of the foot's median ratio (or more
than its inverse) was partly beside a plate. Chosen by hand."""
_LEAST_STANCES = 3
"""Stances of a foot without which a median ratio says nothing. Chosen by hand."""

_Window = tuple[Floats, Floats, Floats]
"""Inputs (points, channels), targets (points, axes; BW) and weight (points,)."""


@dataclass(frozen=True)
class Sources:
    """A trial and its request, with the streams, plates and channels that windows are read from.

    Attributes
    ----------
    inputs
        Gives the inputs of a foot's window at its times, shape (points, channels).
    centres
        Of the plates, where the centre of pressure is the target; else None.
    """

    trial: Trial
    request: CutRequest
    streams: dict[str, xr.Dataset]
    plates: list[PlateColumns]
    channels: list[str]
    inputs: Callable[[Stance, Floats], Floats]
    centres: PlateCentres | None = None

    @property
    def weight_n(self) -> float:
        """Return the body weight (N)."""
        return float(self.trial.tree.attrs["mass_kg"]) * G


@dataclass
class Rows:
    """The windows that were cut, and how many were left out, by reason."""

    sides: list[str] = field(default_factory=list)
    times: list[tuple[float, float, float]] = field(default_factory=list)
    inputs: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    paths: list[Floats] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)

    def add(self, side: str, times: tuple[float, float, float], window: _Window, path: Floats | None = None) -> None:
        """Add a window of one foot; ``times`` are its start, contact time and stride time (s).

        ``path`` is its centre of pressure (mm), where that is the target.
        """
        self.paths += [] if path is None else [path]
        self.sides.append(side)
        self.times.append(times)
        for column, value in zip((self.inputs, self.targets, self.weight), window):
            column.append(value)


def windows_of_wearables(trial: Trial, request: CutRequest, *, name: str = "trial") -> StanceSet:
    """Return the windows of one trial's insoles and IMUs.

    The force is the sum of the plates that bore the foot, in body weights, at the times of the window: vertical
    always, forward and medial where the plates are in the lab frame. Stances whose force or inputs are missing, and
    those whose foot is unknown, are counted and left out. Scalars ``insole_length_m`` and ``insole_size`` (a number,
    or XS to XXL as 1 to 6) are those that the trial or its insoles state.

    Raises
    ------
    BadInputError
        If a wearable holds no values, or no window is left.
    """
    # the whole record is filtered before anything is cut: a filter that starts at a contact would bend its edge
    streams = low_passed(trial.streams, request)
    check_values(streams, request.kinds)
    if request.cells == "relative":
        streams = relative_cells(streams, trial)
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    axes = axes_of(plates)
    channels, units = channels_of(streams, request.kinds)

    def inputs(stance: Stance, at: Floats) -> Floats:
        return inputs_at(streams, stance, at, channels, request)

    columns = plate_columns(plates, three=len(axes) > 1)
    centres = plate_centres(trial, plates, request, name) if request.targets == "cop" else None
    sources = Sources(trial, request, streams, columns, channels, inputs, centres)
    if request.window == "stance":
        rows = stances_of(sources, find_stances(trial, source=request.source, rule=request.rule))
    else:
        rows = _continuous(sources)
    return set_of(sources, rows, name, axes, units)


def set_of(sources: Sources, rows: Rows, name: str, axes: tuple[str, ...], units: list[str]) -> StanceSet:
    """Return the windows as a set.

    Raises
    ------
    NothingLeftError
        If there is none.
    """
    request = sources.request
    if not rows.inputs:
        counts = ", ".join(f"{n} {reason}" for reason, n in rows.excluded.items()) or "none was found"
        what = "stance" if request.window == "stance" else "window"
        raise NothingLeftError(f"no {what} is left ({counts}){_hint(rows.excluded, request)}")
    return _stance_set(sources, rows, name, axes, units)


def _hint(excluded: Mapping[str, int], request: CutRequest) -> str:
    """Return what to do where contacts were as long as a walker's."""
    long = sum(n for reason, n in excluded.items() if reason.endswith(TOO_LONG))
    # fewer than half may be long by chance, such as a runner who stopped
    if 2 * long <= sum(excluded.values()) or "walking" in request.rule:
        return ""
    return f"; contacts over {rule_of(request.rule).longest_s:g} s are no runner's: is it walking? rule '20N walking'"


def stances_of(sources: Sources, detected: Stances) -> Rows:
    """Return the windows of stances that a detector saw; those that no plate shows whole are counted."""
    request = sources.request
    rows = Rows(excluded=Counter(detected.rejected))
    by_force = request.source == "force"
    on_plates = detected if by_force else find_stances(sources.trial, source="force", rule=request.rule)
    # also those the wearable felt: a second foot on a loaded plate makes no contact of its own in the force
    neighbours = (*on_plates.stances, *detected.stances)
    strides = stride_times(detected.stances)
    for stance in detected.stances:
        if stance.side not in SIDES:
            rows.excluded["foot unknown"] += 1
            continue
        if not np.isfinite(stance.to_s):
            rows.excluded["no toe-off"] += 1
            continue
        plate_stance = stance if by_force else plate_contact(stance, on_plates.stances)
        if plate_stance is None:
            rows.excluded[PARTIAL] += 1
            continue
        # an insole does not know on which plates it stood
        stance = replace(stance, plates=plate_stance.plates)
        window, path = _stance_window(sources, stance, neighbours), _path(sources, stance)
        if isinstance(window, str) or isinstance(path, str):
            rows.excluded[window if isinstance(window, str) else str(path)] += 1
            continue
        times = (stance.ic_s, stance.to_s - stance.ic_s, strides[stance.side, stance.ic_s])
        rows.add(stance.side, times, window, path)
    _drop_partial(rows, sources.streams)
    return rows


def _stance_window(sources: Sources, stance: Stance, neighbours: Sequence[Stance]) -> _Window | str:
    """Return a stance's window, or why it has none. Samples in which another foot is on its plates weigh nothing."""
    at = stance_times(stance.ic_s, stance.to_s, sources.request.points)
    counts = no_other_foot(sources.plates, stance, neighbours, at)
    target = of_foot(stance_force(sources.plates, stance, at), stance.side) / sources.weight_n
    inputs = sources.inputs(stance, at)
    if not np.isfinite(target).all():
        return "force missing"
    if not np.isfinite(inputs).any(axis=0).any():
        return "all inputs missing"
    if not counts.any():
        return "both feet on one plate throughout"
    if target[:, 0].max() < _LEAST_PEAK_BW:
        return "beside the plates"
    return inputs, target, counts.astype(np.float64)


def _path(sources: Sources, stance: Stance) -> Floats | str | None:
    """Return a stance's centre of pressure (mm) where that is the target, or why it has none; else None."""
    if sources.centres is None:
        return None
    at = stance_times(stance.ic_s, stance.to_s, sources.request.points)
    return sources.centres.path(sources.plates, stance, at, sources.weight_n)


def _drop_partial(rows: Rows, streams: dict[str, xr.Dataset]) -> None:
    """Leave out stances in which the plates bore far less, or more, of the insole's load than in the foot's others.

    The ratio of the plates' impulse to the insole's is compared with its median over the same foot's stances. The
    centre of pressure does not show a foot that is a little beside a plate: it stays away from the edge.
    """
    keep = np.ones(len(rows.sides), dtype=bool)
    for side in SIDES:
        indices = [i for i, s in enumerate(rows.sides) if s == side]
        insoles = [s for s in streams.values() if s.attrs.get("kind") == "insole" and s.attrs.get("side") == side]
        if len(indices) < _LEAST_STANCES or not insoles:
            continue
        load, time = insole_total(insoles[0])[0], np.asarray(insoles[0]["time"].values, dtype=np.float64)
        ratio = []
        for i in indices:
            start, span, _ = rows.times[i]
            at = np.linspace(start, start + span, len(rows.targets[i]))
            ratio.append(rows.targets[i][:, 0].sum() / max(float(np.nansum(np.interp(at, time, load))), 1e-9))
        # relative to the foot's own median: an insole in counts has no known gain
        share = np.asarray(ratio) / np.median(ratio)
        keep[[i for i, r in zip(indices, share) if not _LEAST_SHARE <= r <= 1 / _LEAST_SHARE]] = False
    if not keep.all():
        rows.excluded[PARTIAL] += int((~keep).sum())
    for name in ("sides", "times", "inputs", "targets", "weight", *(["paths"] if rows.paths else [])):
        setattr(rows, name, [v for v, k in zip(getattr(rows, name), keep) if k])


def _continuous(sources: Sources) -> Rows:
    """Return windows of equal length of each foot, over the time that its wearables and the plates share."""
    request, treadmill = sources.request, str(sources.trial.tree.attrs.get("surface", "")) == "treadmill"
    on_plates = find_stances(sources.trial, source="force", rule=request.rule)
    rows = Rows(excluded=Counter({f"contact {k}": n for k, n in on_plates.rejected.items()}))
    for side, start_s, at in _stretches(sources):
        force, usable = foot_force(
            sources.plates, on_plates.stances, side, at, weight_n=sources.weight_n, treadmill=treadmill
        )
        stretch = Stance(float(at[0]), float(at[-1]), side, "window", "none")
        inputs = sources.inputs(stretch, at)
        usable &= np.isfinite(inputs).any(axis=1)
        if not np.isfinite(inputs).any():
            rows.excluded["all inputs missing"] += 1
        elif not usable.any():
            rows.excluded["force unknown throughout"] += 1
        else:
            target = np.where(usable[:, None], of_foot(force, side) / sources.weight_n, 0.0)
            rows.add(side, (start_s, float("nan"), float("nan")), (inputs, target, usable.astype(np.float64)))
    return rows


def _stretches(sources: Sources) -> Iterator[tuple[Side, float, Floats]]:
    """Give foot, start (s) and times of every continuous window."""
    request = sources.request
    samples = round(request.window_s * request.rate_hz)
    # from the first to the last sample, both within the window
    length_s = (samples - 1) / request.rate_hz
    for side in SIDES:
        start, end = _shared_span(sources.streams, sources.plates, side, request.kinds)
        if not end - start > 0:
            continue
        for begin in continuous_starts(start, end, window_s=length_s, overlap=request.overlap):
            yield side, float(begin), begin + np.arange(samples) / request.rate_hz


def _shared_span(
    streams: Mapping[str, xr.Dataset], plates: Sequence[PlateColumns], side: str, kinds: Sequence[str]
) -> tuple[float, float]:
    """Return from when to when plates and any of the foot's wearables recorded; (0, 0) without wearables."""
    recorded = [
        s["time"].values for s in streams.values() if s.attrs.get("side") == side and s.attrs.get("kind") in kinds
    ]
    if not recorded or not plates:
        return 0.0, 0.0
    # all plates, but any wearable: what another one lacks is a missing channel, not a missing window
    start = max(max(float(p.time_s[0]) for p in plates), min(float(np.nanmin(t)) for t in recorded))
    return start, min(min(float(p.time_s[-1]) for p in plates), max(float(np.nanmax(t)) for t in recorded))


def _stance_set(sources: Sources, rows: Rows, name: str, axes: tuple[str, ...], units: list[str]) -> StanceSet:
    """Return the windows with what the trial says of them."""
    request = sources.request
    sizes = insole_scalars(sources.trial, sources.streams)
    continuous = request.window == "continuous"
    targets, weight = rows.targets, rows.weight
    if sources.centres is not None:
        axes = COP_AXES
        targets, weight = map(list, zip(*(target_window(p, w) for p, w in zip(rows.paths, rows.weight))))
    return make_stance_set(
        np.stack(rows.inputs),
        np.stack(targets),
        weight=np.stack(weight),
        channels=sources.channels,
        units=units,
        axes=axes,
        labels=labels_of(sources.trial, rows.sides, name),
        scalars=scalars_of(sources.trial, len(rows.inputs))
        | {
            "contact_s": [t[1] for t in rows.times],
            "stride_s": [t[2] for t in rows.times],
        }
        | {what: [of[s] for s in rows.sides] for what, of in sizes.items()},
        start_s=[t[0] for t in rows.times],
        window=request.window,
        cut="none" if continuous else request.source,
        source=name,
        rate_hz=request.rate_hz if continuous else float("nan"),
        mirrored=request.mirror,
        excluded=dict(rows.excluded),
    )


def axes_of(plates: dict[str, xr.Dataset]) -> tuple[str, ...]:
    """Return the axes of force that the plates give: only the vertical where one is not in the lab frame."""
    lab = [all(s[f"f{a}"].attrs.get("frame") == "lab" for a in "xyz" if f"f{a}" in s) for s in plates.values()]
    complete = [all(f"f{a}" in s for a in "xyz") for s in plates.values()]
    return ("vgrf", "apgrf", "mlgrf") if plates and all(lab) and all(complete) else ("vgrf",)
