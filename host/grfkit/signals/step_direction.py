"""Which way a person walks or runs, by the force of a contact and by the travel of its centre of pressure."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats

_CYCLE_CORRELATION = 0.6
"""Correlation of the horizontal force with one cycle of a sine, from which on a contact brakes and then propels. Steps
of walkers and runners (Schreiber 2019, RBDS) reach 0.85 to 0.99; chosen by hand."""
_LEAST_PUSH = 0.04
"""Late minus early horizontal force, as a share of the mean vertical force, that shows a direction at the least; chosen
by hand: 0.2 to 0.4 in walking and running, noise of a plate makes 0.01."""
_LOADED = 0.2
"""Share of a contact's highest load above which its centre of pressure is used. Chosen by hand, as in ``gait.cop``."""
_ENDS = 0.15
"""Share of the loaded time at each end over which the centre of pressure is averaged. Chosen by hand."""
_FEWEST_SAMPLES = 10
"""Samples of a contact that show a direction at the least. Chosen by hand."""


def up_vector(vertical: str) -> Floats | None:
    """Return the unit vector of a stream's ``vertical`` (``"+z"``, ``"-y"``...), None where it names no axis."""
    if vertical[1:] not in ("x", "y", "z") or vertical[:1] not in ("+", "-"):
        return None
    vector = np.zeros(3)
    vector["xyz".index(vertical[1:])] = -1.0 if vertical[0] == "-" else 1.0
    return vector


def horizontal(vectors: Floats, up: Floats) -> Floats:
    """Return vectors, shape (..., 3), without their component along the unit vector ``up``."""
    return np.asarray(vectors - (vectors @ up)[..., None] * up)


def push_direction(force_n: Floats, up: Floats) -> Floats | None:
    """Return the direction in which one contact brakes first and propels then: that of walking or running.

    The length is the horizontal force of the second half minus that of the first, as a share of the mean vertical
    force. None where the contact shows no braking and propulsion, as that of a jump, a start or a stop.

    Parameters
    ----------
    force_n
        Shape (samples, 3), the force on the foot over one contact.
    up
        Shape (3,): unit vector.
    """
    force = force_n[np.isfinite(force_n).all(axis=1)]
    if len(force) < _FEWEST_SAMPLES:
        return None
    level, load = horizontal(force, up), float(np.mean(force @ up))
    half = len(force) // 2
    push = (level[-half:].mean(axis=0) - level[:half].mean(axis=0)) / max(load, 1e-9)
    size = float(np.linalg.norm(push))
    if load <= 0 or size < _LEAST_PUSH:
        return None
    course = level @ (push / size)
    cycle = -np.sin(2.0 * np.pi * (np.arange(len(force)) + 0.5) / len(force))
    deviation = float(course.std())
    fits = deviation > 0 and float(np.mean((course - course.mean()) * cycle)) > _CYCLE_CORRELATION * deviation * float(
        cycle.std()
    )
    return np.asarray(push) if fits else None


def pressure_travel(cop_m: Floats, load_n: Floats, up: Floats) -> Floats | None:
    """Return where the centre of pressure goes from the start to the end of one contact, horizontal, m; None unknown.

    Parameters
    ----------
    cop_m, load_n
        Shapes (samples, 3) and (samples,) over one contact.
    """
    loaded = np.isfinite(cop_m).all(axis=1) & (load_n >= _LOADED * float(np.nanmax(load_n, initial=0.0)))
    place = cop_m[loaded]
    if len(place) < _FEWEST_SAMPLES:
        return None
    count = max(2, round(_ENDS * len(place)))
    return horizontal(np.median(place[-count:], axis=0) - np.median(place[:count], axis=0), up)


def common_direction(vectors: list[Floats], *, agreement: float) -> Floats | None:
    """Return the mean of vectors, shape (3,), where they point one way; None where they do not, or there are none.

    Parameters
    ----------
    agreement
        Least length of the mean, as a share of the vectors' mean length: 1 if all point one way.
    """
    if not vectors:
        return None
    stack = np.stack(vectors)
    mean, length = stack.mean(axis=0), float(np.linalg.norm(stack, axis=1).mean())
    return np.asarray(mean) if length > 0 and float(np.linalg.norm(mean)) >= agreement * length else None
