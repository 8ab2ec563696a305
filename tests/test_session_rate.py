"""A device's clock has one rate over a session: the other trials' rates hold each trial's fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grfkit import align_session
from grfkit.records import Anchors, ClockMap, Segment
from grfkit.simulate.conditions import Condition
from grfkit.simulate.session import simulate_session
from grfkit.sync.clock_map import DeviceAlignment
from grfkit.sync.session_rate import RATE_PRIOR_PPM, rate_of_others, with_rate


def test_the_others_decide_and_never_the_trial_itself() -> None:
    rates = [(500.0, 1.0, 0.0), (20.0, 5.0, 300.0), (20.0, 5.0, 600.0)]
    mean, sd = rate_of_others(rates[1:], 0) or (0.0, 0.0)
    assert mean == pytest.approx(20.0, abs=0.5)
    assert 5.0 < sd < 10.0
    assert rate_of_others(rates[:1], 0) is None


def test_rates_that_disagree_are_trusted_less() -> None:
    agreeing = rate_of_others([(0.0, 5.0, 0.0), (20.0, 5.0, 10.0), (21.0, 5.0, 20.0)], 0)
    scattered = rate_of_others([(0.0, 5.0, 0.0), (-80.0, 5.0, 10.0), (120.0, 5.0, 20.0)], 0)
    assert agreeing is not None
    assert scattered is not None
    assert agreeing[1] < 10.0
    assert 3 * agreeing[1] < scattered[1] < RATE_PRIOR_PPM


def device(offset_s: float, drift_ppm: float, **more: object) -> DeviceAlignment:
    segment = Segment(start_s=0.0, end_s=100.0, offset_s=offset_s, drift_ppm=drift_ppm)
    clock_map = ClockMap(
        source="insole", target="reference", verdict="aligned", reasons=[], offset_s=offset_s, drift_ppm=drift_ppm,
        segments=[segment], margin=30.0, uncertainty_ms=9.0, matched_anchors=3,
    )  # fmt: skip
    times = np.array([40.0, 50.0, 60.0])
    anchors = Anchors(times, times, 0 * times, np.ones(3, dtype=bool))
    return replace(DeviceAlignment(clock_map, anchors, times, times, rate_ppm=(drift_ppm, 5.0)), **more)  # type: ignore[arg-type]


def test_only_the_fit_changes_and_it_is_told() -> None:
    told = with_rate(device(1.0, 100.0), device(1.004, 20.0), (20.0, 5.0))
    assert (told.clock_map.drift_ppm, told.clock_map.offset_s) == (20.0, 1.004)
    assert told.clock_map.margin == 30.0
    assert told.clock_map.findings[0].startswith("the clock's rate is held by the session's other trials: +20 +- 10")
    assert "by its own contacts it would be +100 ppm" in told.clock_map.findings[1]


def test_another_place_is_never_taken_for_another_fit() -> None:
    first = device(1.0, 100.0)
    assert with_rate(first, device(1.35, 20.0), (20.0, 5.0)) is first


def test_the_bouts_of_a_session_share_their_rate() -> None:
    session = simulate_session(Condition(surface="overground", wearables=("insole",)), seed=37_000_001)
    trials = [{"name": f"bout_{k}", "reference": r} for k, r in enumerate(session.references)]
    found = align_session({"surface": "overground", "wearables": list(session.wearables.values()), "trial": trials})
    maps = [next(iter(trial.maps.values())) for trial in found.trials.values()]
    aligned = [m for m in maps if m.verdict == "aligned"]
    assert len(aligned) > 1
    assert all(any("rate is held by" in text for text in m.findings) for m in aligned)
    truth = session.lab.truth.streams["insole", "insole_left"].clock.drift_ppm
    assert np.std([m.drift_ppm for m in aligned]) < 40
    assert abs(np.mean([m.drift_ppm for m in aligned]) - truth) < 40
