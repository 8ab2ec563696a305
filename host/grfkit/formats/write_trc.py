"""Text of a TRC marker file (tab separated; the layout Cortex and OpenSim read)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError


def trc_text(
    positions_mm: NDArray[np.float64], names: Sequence[str], time_s: NDArray[np.float64], *, rate_hz: float
) -> str:
    """Return a TRC file in millimetres; missing points become empty cells.

    Parameters
    ----------
    positions_mm
        Shape (frames, markers, 3).

    Raises
    ------
    BadInputError
        If shapes do not fit each other.
    """
    frames = positions_mm.shape[0]
    if positions_mm.shape != (time_s.size, len(names), 3):
        raise BadInputError(
            f"marker positions have shape {positions_mm.shape}, expected ({time_s.size}, {len(names)}, 3)"
        )
    rate = f"{rate_hz:g}"
    axes = "\t".join(f"{axis}{number + 1}" for number in range(len(names)) for axis in "XYZ")
    head = [
        "PathFileType\t4\t(X/Y/Z)\tlandmarks.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{len(names)}\tmm\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + axes,
        "",
    ]
    flat = positions_mm.reshape(frames, -1)
    rows = (
        f"{number + 1}\t{time:.6f}\t" + "\t".join("" if value != value else f"{value:.4f}" for value in row)
        for number, (time, row) in enumerate(zip(time_s.tolist(), flat.tolist()))
    )
    return "\n".join([*head, *rows]) + "\n"
