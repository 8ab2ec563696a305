"""The clock of a rendered film: when its frames are, by their own stamps and on the clock of the forces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError


@dataclass(frozen=True)
class FilmStamps:
    """When each frame of a film is, and how its clock becomes the forces'.

    ``t_reference = offset_s + (1 + drift_ppm * 1e-6) * t_film``, exactly.

    Attributes
    ----------
    film_s
        Shape (frames,), stamps of the frames, the first at 0.
    """

    film_s: Floats
    offset_s: float
    drift_ppm: float

    @property
    def reference_s(self) -> Floats:
        """Return the frames' times on the clock of the forces."""
        return np.asarray(self.offset_s + (1.0 + 1e-6 * self.drift_ppm) * self.film_s)

    def of_reference(self, reference_s: float) -> float:
        """Return the film's own time of a moment on the clock of the forces."""
        return (reference_s - self.offset_s) / (1.0 + 1e-6 * self.drift_ppm)


def film_stamps(
    *,
    from_s: float,
    to_s: float,
    rate_hz: float = 60.0,
    drift_ppm: float = 0.0,
    jitter_ms: float = 0.0,
    dropped: float = 0.0,
    seed: int = 0,
) -> FilmStamps:
    """Return the stamps of a film of a stretch of the forces' clock.

    Parameters
    ----------
    jitter_ms
        SD of a stamp about its regular place; the frame shows what was at its stamp. Cut at 0.4 frames.
    dropped
        Share of frames that the phone lost; never the first.

    Raises
    ------
    BadInputError
        If nothing is left to film.
    """
    rng = np.random.default_rng([seed, 3])
    rate = 1.0 + 1e-6 * drift_ppm
    count = int(np.floor((to_s - from_s) / rate * rate_hz)) + 1
    if count < 2:
        raise BadInputError(f"from {from_s:g} s to {to_s:g} s there are no two frames to film")
    wobble = np.clip(rng.normal(0.0, 1.0, count) * jitter_ms * 1e-3, -0.4 / rate_hz, 0.4 / rate_hz)
    stamps = np.arange(count) / rate_hz + (wobble - wobble[0])
    kept = rng.random(count) >= dropped
    kept[0] = True
    return FilmStamps(np.asarray(stamps[kept]), float(from_s), float(drift_ppm))
