"""The feet of a film: stances that the film itself shows, and their inputs from the keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..dataset.from_keypoints import FILM
from ..dataset.keypoint_inputs import (
    KEYPOINT_CHANNELS,
    NEAR,
    OTHER,
    SPEED_LEGS,
    SidePass,
    keypoint_stream,
    near_side,
    pass_of,
    passes_of,
)
from ..dataset.resample import stance_times
from ..errors import BadInputError, RefusedError
from ..gait.contacts import Rejection
from ..gait.stances import Stance, Stances, find_stances
from ..learn.packaged import About
from ..learn.spec import ModelSpec
from ..learn.training_range import Departure
from ..records.window_length import WINDOW
from ..signals.film_pace import pace_of
from ..signals.film_stream import leaps_of, slowed_of
from ..signals.film_time import HOLE_S, ROUNDED_HZ, SLOWEST_HZ, Leap
from .feet import Foot, cut_findings
from .source import EstimateRequest, EstimateSource
from .types import SIDES, Side

SOME_REPEATED = 0.05
"""Share of the pictures that repeat the one before up to which nothing is made of it."""
FEWEST_STANCES = 2
"""Stances of both feet together below which a film shows nobody walking through it: chosen by hand, a step."""
FAR_TIMES = 1.2
"""Times the limit of the distance from training (which 97.5 % of people left out stay below) at which a film is refused
rather than named ``OUTSIDE TRAINING``; chosen by hand: a walk that is not seen from the side is 1.4 times, a body of
sticks 1.25."""
FAR_FOOT = "far foot, half hidden by the near leg"
HOLE = "pictures are missing"
PLATES_CONTACTS = (
    "landing and toe-off are those that the film shows; training and any stated error took them from force plates: the"
    " ends of a stance may be off by more"
)
UNSEEN = "leaves the picture, or a joint is hidden"


def of_film(spec: ModelSpec) -> bool:
    """Return whether a model takes the keypoints of a film."""
    return set(spec.scaler.channels) <= set(KEYPOINT_CHANNELS)


@dataclass(frozen=True)
class FilmContacts:
    """What a film shows of a walk: its keypoints, contacts, passes through the picture, and where the walker leaps."""

    stream: xr.Dataset
    near: Side
    found: Stances
    passes: list[SidePass]
    leapt: Sequence[Leap]

    def hidden(self, stance: Stance) -> str:
        """Return why nobody knows what the walker did during a stance; empty where it is seen throughout."""
        time = np.asarray(self.stream["time"].values, dtype=np.float64)
        if _has_hole(time, self.leapt, stance.ic_s, stance.to_s):
            return HOLE
        return "" if self.pass_of(stance) is not None else UNSEEN

    def pass_of(self, stance: Stance) -> SidePass | None:
        """Return the pass in which a stance lies as a whole."""
        return pass_of(self.passes, stance.ic_s, stance.to_s)


def film_feet(
    spec: ModelSpec, source: EstimateSource, request: EstimateRequest, facts: dict[str, Any], findings: list[str]
) -> list[Foot]:
    """Return both feet with the inputs of their stances.

    Raises
    ------
    BadInputError
        If there is no film, it does not say which side is near, no mass is known, or the model is of other windows.
    RefusedError
        If the film is too slow or has holes throughout, or shows too few contacts, so that no answer is safe.
    """
    if spec.window != "stance":
        raise BadInputError(
            "a model of films takes stances that the film itself shows; leave out --cut (cut in Python)"
        )
    film = film_contacts(spec, source, request, facts, findings)
    findings.insert(
        len(findings) - bool(film.leapt),
        f"the {film.near} side faces the camera (mirrored: --near-side {OTHER[film.near]}); the {OTHER[film.near]} foot"
        " is seen behind it, and errs more",
    )
    return [_foot(spec, side, film, request.cut or FILM) for side in SIDES]


def film_contacts(
    spec: ModelSpec, source: EstimateSource, request: EstimateRequest, facts: dict[str, Any], findings: list[str]
) -> FilmContacts:
    """Return the contacts that a film shows, by a detector of its own or by force plates beside it.

    Raises
    ------
    BadInputError, RefusedError
        As :func:`film_feet`.
    """
    if request.cut not in ("", FILM, "force"):
        raise BadInputError(
            "a model of films takes stances that the film itself shows; leave out --cut (cut in Python)"
        )
    stream = keypoint_stream(source.trial.streams)[1]
    near = near_side(stream)
    if not np.isfinite(facts["mass_kg"]):
        raise BadInputError(
            f"{source.name}: no mass is known, and a film shows none; state --mass-kg M (mass_kg=M in Python)"
        )
    _check_time(stream, source.name)
    findings += _checked_pace(stream, source.name, accepted=request.accept_beyond)
    findings += source.told
    cut = request.cut or FILM
    if spec.window == "stance":
        findings += cut_findings(spec, cut, "what the film shows" if cut == FILM else "")
    elif cut == FILM:
        findings.append(PLATES_CONTACTS)
    found = find_stances(source.trial, source=cut, rule=str(spec.cut_told.get("rule", "5%BW walking")))  # type: ignore[arg-type]
    if len(found.stances) < FEWEST_STANCES:
        turned = ", ".join(f"{n} {why}" for why, n in found.rejected.items())
        raise RefusedError(
            f"{source.name}: {_contacts(len(found.stances))} in the film{f' ({turned})' if turned else ''}, too"
            " few for a walk; film at least two steps from the side, from heel to head, at 60 pictures a second, with"
            " the camera 1 m high, 3 to 4 m away; not in slow motion, whose times are not those of the walk"
        )
    passes, leapt = passes_of(stream), leaps_of(stream)
    if leapt:
        at = ", ".join(f"{leap.after_s:.2f} s" for leap in leapt)
        findings.append(f"no stance over {at}, where pictures seem to be cut out, is estimated")
    return FilmContacts(stream, near, found, passes, leapt)


def trained_on(about: About) -> str:
    """Return what a packaged model of films was trained on, and what has not been proven of it, for every answer."""
    unproven = "; ".join(line.rstrip(".") for line in about.never if "proven" in line)
    return f"{about.line.split(':', maxsplit=1)[0]}{f': {unproven[0].lower()}{unproven[1:]}' if unproven else ''}"


def _contacts(count: int) -> str:
    return "1 contact is seen" if count == 1 else f"{count} contacts are seen"


def refuse_another_gait(spec: ModelSpec, outside: Sequence[Departure], name: str) -> None:
    """Refuse a film that shows another gait than the model's training, or the walker from elsewhere.

    Raises
    ------
    RefusedError
        If the contact time is outside training, a point hardly moves, or the keypoints are :data:`FAR_TIMES` as far as
        the limit.
    """
    limit = float("inf") if spec.range is None or spec.range.inputs is None else FAR_TIMES * spec.range.inputs.limit
    for departure in outside:
        if departure.what == "contact_s":
            raise RefusedError(
                f"{name}: {departure.text}: another gait, slow or fast motion, or contacts that were not found well;"
                " film at the pace of the walk, take a model trained on this gait, or the answers all the same with"
                " --accept-beyond (accept_beyond=True in Python)"
            )
        if departure.what == "still" or (departure.what == "inputs" and departure.value > limit):
            raise RefusedError(
                f"{name}: {departure.text}; film from the side, square to the walkway, 3 to 4 m away and 1 m high, the"
                " whole body in the picture, or train with such films; the answers all the same: --accept-beyond"
                " (accept_beyond=True in Python)"
            )


def _check_time(stream: xr.Dataset, name: str) -> None:
    """Refuse a film whose pictures come too slowly, or with holes all over."""
    time = np.asarray(stream["time"].values, dtype=np.float64)
    steps = np.diff(time[np.isfinite(time)])
    if steps.size == 0:
        raise RefusedError(f"{name}: is a single picture; give a film of a walk")
    times_slower = slowed_of(stream)
    if times_slower != 1.0:
        raise RefusedError(
            f"{name}: its stamps are {times_slower:.2g} times slower than its camera states that it filmed, so that its"
            " times are not those of the walk; export it at normal speed, or film without slow motion"
        )
    rate = 1.0 / float(np.median(steps))
    if rate < SLOWEST_HZ - ROUNDED_HZ:
        raise RefusedError(
            f"{name}: has {rate:.0f} pictures a second, expected {SLOWEST_HZ:g} or more: between two of them a foot is"
            " loaded with half of the body's weight; film at 60 or more (a phone's settings of the camera say so)"
        )
    repeated = float(stream.attrs.get("repeated", 0.0))
    if rate * (1.0 - repeated) < SLOWEST_HZ - ROUNDED_HZ and repeated >= SOME_REPEATED:
        raise RefusedError(
            f"{name}: {100 * repeated:.0f} % of its pictures repeat the one before, so that it has"
            f" {rate * (1.0 - repeated):.0f} pictures a second of its own, expected {SLOWEST_HZ:g} or more; film at 60"
            " or more, and take the file that the camera wrote, not an export or a messenger's copy"
        )
    lost = float((np.rint(steps * rate) - 1).clip(0).sum()) / max(1.0, (time[-1] - time[0]) * rate)
    if lost > 0.2:
        raise RefusedError(
            f"{name}: {100 * lost:.0f} % of its pictures are missing, expected none; film with fewer programs open, in"
            " more light, and copy the file itself rather than sending it by a messenger"
        )


def _checked_pace(stream: xr.Dataset, name: str, *, accepted: bool) -> list[str]:
    """Return what is said of the walker's pace; refuse one at which nobody walks."""
    pace = pace_of(stream)
    if pace is None:
        return []
    if pace.is_nobodys and not accepted:
        raise RefusedError(
            f"{name}: shows {pace}; nobody walks so; film from the side, and take the film at the speed at which"
            " it was filmed; the answers all the same: --accept-beyond (accept_beyond=True in Python)"
        )
    unusual = "; was it? Its forces would be another pace's" if pace.is_unusual else ""
    return [f"pace: {pace}{unusual}"]


def _foot(spec: ModelSpec, side: Side, film: FilmContacts, cut: str) -> Foot:
    """Return one foot: its stances within the picture, and what the model takes of each."""
    columns = [KEYPOINT_CHANNELS.index(c) for c in spec.scaler.channels]
    stances: list[Stance] = []
    windows: list[tuple[Floats, Floats]] = []
    scalars: list[dict[str, float]] = []
    unseen: list[Rejection] = []
    for stance in film.found.stances:
        if stance.side != side or not np.isfinite(stance.to_s):
            continue
        why, walked = film.hidden(stance), film.pass_of(stance)
        taken = None if why or walked is None else _window(walked, side, stance, spec.points, cut)
        if walked is None or taken is None:
            unseen.append(Rejection(stance.ic_s, stance.to_s, why or UNSEEN))
            continue
        at, inputs, speed = taken
        stances.append(stance)
        windows.append((at, inputs[:, columns]))
        scalars.append(
            {
                SPEED_LEGS: speed,
                NEAR: float(side == walked.near),
                "contact_s": stance.to_s - stance.ic_s,
                WINDOW: float(at[-1] - at[0]),
            }
        )
    flags = () if side == film.near else (FAR_FOOT,)
    turned = tuple(sorted((*film.found.rejections, *unseen), key=lambda r: r.start_s))
    base = ankle_samples(film.stream, side)
    return Foot(side, {}, base, tuple(stances), turned, tuple(windows), tuple(scalars), flags)


def _window(walked: SidePass, side: Side, stance: Stance, points: int, cut: str) -> tuple[Floats, Floats, float] | None:
    """Return times, channels and speed of a stance's window; None where a joint is hidden."""
    if cut == FILM:
        at, inputs, speed = walked.window(side, stance.ic_s, stance.to_s, points)
    else:
        at = stance_times(stance.ic_s, stance.to_s, points)
        inputs, speed = walked.inputs(side, at)
    return (at, inputs, speed) if np.isfinite(inputs).all() else None


def _has_hole(time: Floats, leapt: Sequence[Leap], start_s: float, end_s: float) -> bool:
    """Return whether pictures are further apart than :data:`HOLE_S` within a time, or the walker leaps there."""
    steps = np.diff(time)
    late = (steps > HOLE_S) & (time[1:] > start_s) & (time[:-1] < end_s)
    return bool(late.any()) or any(leap.after_s > start_s and leap.before_s < end_s for leap in leapt)


def ankle_samples(stream: xr.Dataset, side: Side) -> xr.Dataset:
    """Return the stream whose samples the foot's curve has: the path of its ankle in the picture."""
    names = [str(n) for n in stream["landmark"].values]
    path = np.asarray(stream["position"].values, dtype=np.float64)[:, names.index(f"ankle_{side}")]
    data = {f"ankle_{axis}": ("time", path[:, i]) for i, axis in enumerate("xy")}
    time = np.asarray(stream["time"].values, dtype=np.float64)
    return xr.Dataset(data, {"time": time}, dict(stream.attrs) | {"side": side})
