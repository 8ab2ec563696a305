"""A simulated session: one recording of every wearable, and several bouts on plates whose clock starts anew in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..records import Recording
from .clocks import TrueClock
from .conditions import Condition, condition_with
from .lab import LabTrial, simulate_bouts
from .plan import RecordingPlan, RecordingSpan
from .settings import Settings, default_settings

PAUSE_S = (60.0, 120.0)
"""Time (s) between two bouts, in which the person goes on and the plates do not record; chosen by hand."""
LEAD_S = (5.0, 40.0)
"""How long (s) a wearable records before the first bout and after the last one; chosen by hand."""
PLATES_PPM = 20.0
"""Largest rate (ppm) of the plates' clock against the laboratory's time; chosen by hand, as of a crystal."""
_PLATES_KEY = 7
"""Key of the seed of what a session draws besides its trial."""


@dataclass(frozen=True)
class SimulatedSession:
    """Recordings of a session, and the truth about its clocks.

    Attributes
    ----------
    references
        The plates' recording of every bout, in order, each with a time of its own from zero.
    clocks
        By bout, from the plates' running time to the laboratory's.
    lab
        The wearables, and the truth on the laboratory's time.
    """

    references: tuple[Recording, ...]
    clocks: tuple[TrueClock, ...]
    lab: LabTrial

    @property
    def wearables(self) -> dict[str, Recording]:
        """Return the wearables, each recording the whole session."""
        return self.lab.wearables

    def t_reference(self, bout: int, wearable: str, stream: str, t_device_s: Floats) -> Floats:
        """Return the true times (s) on the plates' clock of a bout of a wearable stream's own times."""
        truth = self.lab.truth.streams[wearable, stream]
        return self.clocks[bout].t_running(truth.t_reference(t_device_s))


def simulate_session(
    condition: Condition | None = None,
    seed: int = 0,
    settings: Settings | None = None,
    *,
    bouts: int = 3,
    bout_s: float = 120.0,
    pause_s: tuple[float, float] = PAUSE_S,
) -> SimulatedSession:
    """Return a simulated session of one person: ``bouts`` of ``bout_s`` on one recording of every wearable.

    Parameters
    ----------
    condition
        What to simulate; 10 minutes of laps over plates with insoles and shoe IMUs if left out. Its ``duration_s``
        is not used.

    Raises
    ------
    BadInputError
        If there is no bout, or a bout or the session is shorter or longer than a trial may be.

    Examples
    --------
    >>> from grfkit.simulate.session import simulate_session
    >>> session = simulate_session(seed=0, bouts=2, bout_s=20, pause_s=(5, 6))
    >>> len(session.references), sorted(session.wearables)
    (2, ['imu', 'insole'])
    """
    if bouts < 1:
        raise BadInputError(f"bouts is {bouts}, expected 1 or more")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PLATES_KEY,)))
    pauses = [float(rng.uniform(*pause_s)) for _ in range(bouts - 1)]
    starts = np.cumsum([0.0, *(bout_s + pause for pause in pauses)])
    total_s = float(starts[-1]) + bout_s
    condition = condition_with(condition or Condition(surface="overground"), {"duration_s": total_s})
    plan = _plan(rng, condition, total_s)
    clocks = tuple(TrueClock(float(s), float(rng.uniform(-PLATES_PPM, PLATES_PPM))) for s in starts)
    lab, references = simulate_bouts(condition, seed, settings or default_settings(), plan, clocks, bout_s)
    return SimulatedSession(references, clocks, lab)


def _plan(rng: np.random.Generator, condition: Condition, total_s: float) -> RecordingPlan:
    """Return when everything records: each wearable from before the first bout until after the last."""
    windows = {}
    for name in ("insole", "imu", "landmarks"):
        before, after = float(rng.uniform(*LEAD_S)), float(rng.uniform(*LEAD_S))
        windows[name] = RecordingSpan(-before, round(total_s + before + after, 3))
    first = min(windows[name].offset_s for name in condition.wearables)
    margin_s = max(LEAD_S)
    return RecordingPlan(total_s, windows, (0.0, total_s), (first - margin_s, total_s + 2.0 * margin_s))
