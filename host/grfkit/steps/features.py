"""Numbers of one contact: peaks, impulses, loading rates and the way of the centre of pressure, as cells of a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..gait.foot_frame import COP_FRAMES, StandingFoot
from ..gait.loading import PROMINENCE_BW, Curve, impulse_bw_s, loading
from ..signals.filters import lowpass
from ..units import G
from .table import Cell

COP_LOWPASS_HZ = 10.0
"""Cut-off (Hz) of the way of the centre of pressure. Chosen by hand: unfiltered, the noise of simulated plates made
3.2 m of a way of .2 m under a walker's foot."""
LOADED = 0.2
"""Share of a contact's highest force from which on its centre of pressure counts: below, it is noise over a small
force. As for hits of plates (:mod:`~grfkit.gait.cop`)."""
PLATE, MODEL = "plate", "model"
"""Of what a centre of pressure is (column ``cop_from``)."""
LAB, FOOT = COP_FRAMES
"""Axes of a centre of pressure (column ``cop_frame``)."""
WALK_FROM_S, RUN_UNTIL_S = 0.5, 0.4
"""Contact time (s) from which a step is a walker's, and up to which a runner's, where no flight shows it: runners'
contacts last .1 to .4 s, those of a quick walk .5 s (the limits of :class:`~grfkit.gait.contacts.ContactRule`)."""


@dataclass(frozen=True)
class ContactCurves:
    """One contact: vertical force in N or BW, forward and medial where known.

    Attributes
    ----------
    weight
        What one body weight is in the curves' unit: mass times G in newtons, 1 in body weights, NaN where not known.
    newtons
        Newtons in one unit of the curves; NaN where not known.
    """

    vertical: Curve
    forward: Curve | None
    medial: Curve | None
    weight: float
    newtons: float


def gait_of(contact_s: float, flight_s: float) -> str:
    """Return ``walk`` or ``run``: by flight (a walker has none), else by contact time; empty where neither shows it."""
    if np.isfinite(flight_s):
        return "run" if flight_s > 0 else "walk"
    return "walk" if contact_s >= WALK_FROM_S else "run" if contact_s <= RUN_UNTIL_S else ""


def force_cells(curves: ContactCurves, gait: str, *, filter_hz: float | None) -> dict[str, Cell]:
    """Return peaks, impulses and loading rates; those in body weights only where the weight is known."""
    vertical = curves.vertical
    top = int(np.argmax(vertical.value_bw))
    cells: dict[str, Cell] = {
        "vgrf_peak_n": float(vertical.value_bw[top]) * curves.newtons,
        "vgrf_peak_at_s": float(vertical.t_s[top]),
        "vertical_impulse_n_s": impulse_bw_s(vertical) * curves.newtons,
    }
    if not np.isfinite(curves.weight):
        return cells
    up = _scaled(vertical, curves.weight)
    forward = None if curves.forward is None else _scaled(curves.forward, curves.weight)
    cells["vgrf_peak_bw"] = float(up.value_bw[top])
    cells |= _loading_cells(up, forward, gait, filter_hz)
    if gait == "walk":
        cells |= two_peaks(up)
    if curves.medial is not None:
        cells |= _medial_cells(_scaled(curves.medial, curves.weight))
    return cells


def _scaled(force: Curve, weight: float) -> Curve:
    return Curve(force.t_s, force.value_bw / weight)


def _loading_cells(up: Curve, forward: Curve | None, gait: str, filter_hz: float | None) -> dict[str, Cell]:
    every = loading(up, forward, cutoff_hz=filter_hz)
    cells: dict[str, Cell] = {f"valr_{method.lower()}_bw_s": rate.value_bw_s for method, rate in every.valr.items()}
    cells |= {
        "vilr_bw_s": every.vilr.value_bw_s,
        "loading_peak": "peak" if every.impact.visible else "13 %",
        "vertical_impulse_bw_s": every.impulse_bw_s,
        "net_vertical_impulse_bw_s": every.net_impulse_bw_s,
    }
    if gait == "run":
        cells |= {"active_peak_bw": every.active.value_bw, "active_peak_at_s": every.active.at_s}
        if every.impact.visible:
            cells |= {"impact_peak_bw": every.impact.value_bw, "impact_peak_at_s": every.impact.at_s}
    if every.horizontal is not None:
        along = every.horizontal
        cells |= {
            "braking_peak_bw": along.braking_peak_bw,
            "braking_impulse_bw_s": along.braking_impulse_bw_s,
            "propulsive_peak_bw": along.propulsive_peak_bw,
            "propulsive_impulse_bw_s": along.propulsive_impulse_bw_s,
        }
    return cells


def two_peaks(up: Curve) -> dict[str, Cell]:
    """Return the two peaks of a walker's vertical force and the valley between them; none where there is no valley.

    The first peak is the highest force of the first half of the contact, the second that of the second half, the valley
    the lowest force between them (Chao et al., J Biomech 16, 219-233, 1983). A valley less than .05 BW below
    the lower peak is noise of a flat curve: a slow or careful walk has one broad peak.
    """
    half = int(np.searchsorted(up.t_s, 0.5 * up.contact_s))
    if half < 2 or half > up.t_s.size - 2:
        return {}
    first, second = int(np.argmax(up.value_bw[:half])), half + int(np.argmax(up.value_bw[half:]))
    lowest = float(up.value_bw[first : second + 1].min())
    if min(up.value_bw[first], up.value_bw[second]) - lowest < PROMINENCE_BW:
        return {}
    return {
        "first_peak_bw": float(up.value_bw[first]),
        "first_peak_at_s": float(up.t_s[first]),
        "valley_bw": lowest,
        "second_peak_bw": float(up.value_bw[second]),
        "second_peak_at_s": float(up.t_s[second]),
    }


def _medial_cells(medial: Curve) -> dict[str, Cell]:
    inner, outer = np.maximum(medial.value_bw, 0.0), np.minimum(medial.value_bw, 0.0)
    return {
        "medial_peak_bw": float(inner.max()),
        "lateral_peak_bw": float(outer.min()),
        "medial_impulse_bw_s": impulse_bw_s(Curve(medial.t_s, inner)),
        "lateral_impulse_bw_s": impulse_bw_s(Curve(medial.t_s, outer)),
    }


def cop_cells(
    time_s: Floats,
    up_n: Floats,
    cop_m: Floats,
    *,
    ic_s: float,
    forward: Floats | None,
    left: Floats | None,
    belt_m_s: float,
    foot: StandingFoot | None = None,
    medial_sign: float = 1.0,
) -> dict[str, Cell]:
    """Return how the centre of pressure went under the foot, while the force was a fifth of its highest or more.

    Parameters
    ----------
    time_s, up_n, cop_m
        Shapes (samples,), (samples,) and (samples, 3) of one contact.
    ic_s
        When the contact began.
    forward, left
        Unit vectors, None where the direction is not known: then only the length of the way is.
    belt_m_s
        Speed of the belt under the foot, 0 on the floor, NaN where not known: then nothing is.
    foot
        How it stands, for its own frame in place of the lab's.
    medial_sign
        1 where medial is to the left (a right foot), else -1.
    """
    loaded = (up_n >= LOADED * np.nanmax(up_n)) & np.isfinite(cop_m).all(axis=1)
    if np.count_nonzero(loaded) < 2 or not np.isfinite(belt_m_s) or (forward is None and belt_m_s):
        return {}
    at, place = time_s[loaded], cop_m[loaded]
    if forward is not None:
        # a belt carries the foot backward at its speed
        place = place + np.outer((at - at[0]) * belt_m_s, forward)
    length_m = float(np.linalg.norm(np.diff(smooth_place(at, place), axis=0), axis=1).sum())
    if forward is None or left is None:
        return {"cop_from": PLATE, "cop_path_m": length_m}
    level = place @ np.stack([forward, left], axis=1)
    # of three axes: on a slope the way is longer than it is seen from above
    length: dict[str, Cell] = {"cop_path_m": length_m}
    if foot is None:
        return way_cells(at, level, ic_s=ic_s, source=PLATE, frame=LAB) | length
    cells = way_cells(at, foot.turned(level), ic_s=ic_s, source=PLATE, frame=FOOT) | length
    inside = foot.to_foot(cop_m[loaded] @ np.stack([forward, left], axis=1), at)
    mean = np.average(inside, axis=0, weights=up_n[loaded])
    return cells | {"cop_heel_forward_m": float(mean[0]), "cop_heel_medial_m": float(medial_sign * mean[1])}


def way_cells(time_s: Floats, place_m: Floats, *, ic_s: float, source: str, frame: str) -> dict[str, Cell]:
    """Return how a centre of pressure went on the ground under the foot.

    Parameters
    ----------
    time_s, place_m
        Shape (samples,) and (samples, 2): forward and sideways, at the loaded samples of one contact.
    ic_s
        Contact, from which the times of the first and the last sample are counted.
    source, frame
        Cells ``cop_from`` and ``cop_frame``.
    """
    smooth = smooth_place(time_s, place_m)
    return {
        "cop_from": source,
        "cop_frame": frame,
        "cop_path_m": float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum()),
        "cop_forward_m": float(smooth[-1, 0] - smooth[0, 0]),
        "cop_sideways_m": float(np.ptp(smooth[:, 1])),
        "cop_start_s": float(time_s[0]) - ic_s,
        "cop_end_s": float(time_s[-1]) - ic_s,
    }


def free_moment_cells(time_s: Floats, up_n: Floats, free_n_m: Floats) -> dict[str, Cell]:
    """Return the largest free moments to the left and to the right, while the force was a fifth of its highest or more.

    Parameters
    ----------
    time_s, up_n, free_n_m
        Shape (samples,), of one contact on one plate. Nothing is said where a loaded sample has no free moment.
    """
    loaded = up_n >= LOADED * np.nanmax(up_n)
    if np.count_nonzero(loaded) < 2 or not np.isfinite(free_n_m[loaded]).all():
        return {}
    moment = smooth_place(time_s[loaded], free_n_m[loaded][:, None])[:, 0]
    return {"free_moment_left_n_m": float(moment.max()), "free_moment_right_n_m": float(moment.min())}


def smooth_place(time_s: Floats, place_m: Floats) -> Floats:
    """Return places low-passed at ``COP_LOWPASS_HZ``: the length of an unfiltered way is mostly that of its noise."""
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    if rate_hz <= 2 * COP_LOWPASS_HZ:
        return place_m
    return lowpass(place_m, rate_hz=rate_hz, cutoff_hz=COP_LOWPASS_HZ)


def weight_n(mass_kg: float) -> float:
    """Return the body weight (N), NaN where the mass is not known."""
    return mass_kg * G if np.isfinite(mass_kg) and mass_kg > 0 else float("nan")
