"""A sure prior that is wrong: refused where the contacts prefer a place beyond its reach, and a right one is kept."""

from __future__ import annotations

import numpy as np
import pytest

from bench.sync.events import simulate_events
from bench.sync.nightly import trains
from grfkit.calibrate.lags import Lag
from grfkit.records import ClockMap, Prior
from grfkit.simulate.conditions import Condition
from grfkit.sync import AlignSettings
from grfkit.sync.contact_alignment import ContactPair, align_contacts
from grfkit.sync.contact_events import DeviceTrain


def aligned(seed: int, off_s: float) -> ClockMap:
    """Return the map of two minutes of laps with a prior of SD 20 ms that is off by a time."""
    trial = simulate_events(Condition(surface="overground", gaps=False, wearables=("insole",), jumps=0), seed)
    reference, device = trains(trial, seed, "insole", plates=True)
    last = float(device.covered_s[-1, 1])
    train = DeviceTrain(device, "insole", "onset", 200.0, (), ("insole",), "crystal", 0.0, last, float("nan"))
    true_s = float(trial.wearables["insole"].clock.t_reference(np.zeros(1))[0])
    prior = Prior(offset_s=true_s + off_s, sd_s=0.02)
    return align_contacts(ContactPair(reference, train, True, prior, AlignSettings(), Lag(0.0, 0.002, ""))).clock_map


@pytest.mark.parametrize(("seed", "off_s"), [(37_500_008, -2.0), (37_500_011, 2.0)])
def test_a_prior_two_seconds_off_is_refused_where_chance_hits_fit_it(seed: int, off_s: float) -> None:
    wrong = aligned(seed, off_s)
    assert wrong.verdict == "refused"
    assert any("contradict the prior" in reason for reason in wrong.reasons)
    # nothing else had spoken against it
    assert len(wrong.reasons) == 1
    assert aligned(seed, 0.0).verdict == "aligned"
