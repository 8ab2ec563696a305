"""A made-up foot: samples that Python and a bundle's own C test compute alike, and a device's output for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import Interpreter
from ..runtime.manifest import Manifest
from .insole import CELLS, IMU, Insole, fixed_columns, insole_reason, int8_window

FOOT_STEPS = 14
"""Steps of the made-up foot: some before relative cells are ready, and two that are underloaded. As in the C header."""
_STEP_S, _CONTACT_S = 0.7, 0.3
"""Time from one contact of the foot to the next, and contact time, s. Chosen by hand: about those of a run."""


def made_up_foot(rate_hz: float) -> tuple[NDArray[np.uint16], NDArray[np.int16], NDArray[np.bool_]]:
    """Return a made-up foot's samples, as ``c/NAME_golden_foot.h`` makes them too: no recording has to be shipped.

    Fourteen steps of 0.7 s with 0.3 s of contact, cell after cell; every fifth contact is underloaded, some samples
    do not come, each cell has an unloaded level and noise, and the last one is stuck.

    Returns
    -------
    cells, imu, missed
        Shape (samples, 16), (samples, 6) and (samples,).
    """
    step, contact = foot_samples(rate_hz)
    k = np.arange(FOOT_STEPS * step, dtype=np.int64)
    at, strength = k % step, np.where(k // step % 5 == 4, 1, 4)
    width = contact - contact // 2
    cells = np.empty((len(k), len(CELLS)), dtype=np.int64)
    for c in range(len(CELLS)):
        place = at - c * contact // 32
        bump = np.where((place > 0) & (place < width), place * (width - place), 0)
        cells[:, c] = 40 + 5 * c + bump * 4 * (300 + 20 * c) * strength // (width * width) + _noise(k, c)
    cells[:, -1] = 40000
    imu = [at * (i + 3) * 400 // step % 4001 - 2000 + _noise(k, len(CELLS) + i) for i in range(len(IMU))]
    return cells.astype(np.uint16), np.stack(imu, axis=1).astype(np.int16), k % 61 == 30


def foot_samples(rate_hz: float) -> tuple[int, int]:
    """Return how many samples a step of the made-up foot lasts, and its contact."""
    return round(_STEP_S * rate_hz), round(_CONTACT_S * rate_hz)


def _noise(k: NDArray[np.int64], channel: int) -> NDArray[np.int64]:
    # Knuth's multiplicative hash (2^32 over the golden ratio), its upper four bits; integers, as C computes them too
    return (((k * 22 + channel) * 2654435761) & 0xFFFFFFFF) >> 28


def foot_of(manifest: Manifest, engine: Interpreter | None) -> dict[str, NDArray[Any]]:
    """Return a device's output for the made-up foot, a left one; nothing where no insole can run the model.

    ``foot_input``, ``foot_output``: int8 of each stance (stances, T, columns) and (stances, T, axes), the second where
    an interpreter is given; ``foot_contact_100us``: contact times (stances,), 0.1 ms.
    """
    if manifest.detector is None or insole_reason(manifest) is not None:
        return {}
    cells, imu, missed = made_up_foot(manifest.detector.rate_hz)
    insole = Insole(
        manifest.detector,
        manifest.of_role("channel"),
        relative=manifest.cells == "relative",
        imu_lowpass_hz=manifest.imu_lowpass_hz,
    )
    statics = [c.offset for c in manifest.of_role("static") if c.name != "contact_s"]
    integers, windows = fixed_columns(manifest), []
    for row, moved, lost in zip(cells, imu, missed):
        window = insole.miss() if lost else insole.push(row, moved)
        windows += [window] if window is not None else []
    if not windows:
        return {}
    stored = np.stack([int8_window(manifest.columns, integers, w, statics, left=True) for w in windows])
    contacts = np.asarray([w.contact_100us for w in windows], dtype=np.int32)
    golden: dict[str, NDArray[Any]] = {"foot_input": stored, "foot_contact_100us": contacts}
    return golden | ({"foot_output": engine.run(stored)} if engine is not None else {})
