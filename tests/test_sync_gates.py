"""Gates that know the gait: what a slow walker's scatter, a short record's rate and a few contacts can say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grfkit.arrays import Floats
from grfkit.calibrate.lags import Lag
from grfkit.records import ClockMap
from grfkit.signals.contacts import Contacts
from grfkit.sync import AlignSettings
from grfkit.sync.contact_alignment import ContactPair, align_contacts
from grfkit.sync.contact_events import DeviceTrain
from grfkit.sync.doubts import rate_doubts
from grfkit.sync.fit import ClockFit, fit_clock
from grfkit.sync.matching import match
from grfkit.sync.rhythm import UNRELATED_S, rhythm
from grfkit.sync.slips import slips_within

SEEDS = range(6)
NO_LAG = Lag(0.0, 0.002, "")


def _contacts(onset_s: Floats, contact_s: float, foot: object) -> Contacts:
    order = np.argsort(onset_s, kind="stable")
    feet = np.broadcast_to(np.asarray(foot, dtype=np.int64), onset_s.shape)[order]
    onset_s = onset_s[order]
    covered = np.asarray([[onset_s[0] - 0.5, onset_s[-1] + contact_s]])
    return Contacts(onset_s, onset_s + contact_s, np.full(onset_s.size, np.nan), feet, covered)


def _train(contacts: Contacts) -> DeviceTrain:
    start, end = contacts.covered_s[0]
    return DeviceTrain(contacts, "imu", "jerk", 100.0, (), ("imu",), "crystal", float(start), float(end), 1.0)


def _walk(rng: np.random.Generator, *, step_s: float, sd_s: float, count: int) -> Floats:
    return 5.0 + np.cumsum(rng.normal(step_s, sd_s, count))


def _aligned(onset_s: Floats, device_s: Floats, foot: object = -1) -> ClockMap:
    # impacts of a shoe have no contact time
    device = _contacts(device_s, 0.3, foot)
    device = Contacts(device.onset_s, np.full(device.size, np.nan), device.strength, device.foot, device.covered_s)
    pair = ContactPair(_contacts(onset_s, 0.3, foot), _train(device), False, None, AlignSettings(), NO_LAG)
    return align_contacts(pair).clock_map


def test_a_slow_walker_may_scatter_by_more_than_a_runner() -> None:
    aligned = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        # strides of one foot, as against its own belt: 1.3 s, and landings that two devices see 20 ms apart
        onset = _walk(rng, step_s=1.3, sd_s=0.09, count=70)
        found = _aligned(onset, onset - 3.0 + rng.normal(0, 0.019, onset.size), 0)
        assert not any("scatter" in reason for reason in found.reasons), found.reasons
        if found.verdict == "aligned":
            aligned += 1
            assert found.segments[0].apply(np.asarray([40.0]))[0] == pytest.approx(43.0, abs=0.02)
    assert aligned >= 5


def test_a_runner_may_not_scatter_like_that() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        onset = _walk(rng, step_s=0.36, sd_s=0.03, count=250)
        found = _aligned(onset, onset - 3.0 + rng.normal(0, 0.019, onset.size), np.arange(250) % 2)
        assert any("scatter by" in reason and "at steps of 0.3" in reason for reason in found.reasons), found.reasons


def _fit(drift_ppm: float, error_ppm: float) -> ClockFit:
    none = np.zeros(0)
    return ClockFit(0.0, 1.0 + 1e-6 * drift_ppm, none, none, none, none, 1e-6 * error_ppm)


@pytest.mark.parametrize(
    ("drift_ppm", "error_ppm", "refused"),
    [(300.0, 40.0, False), (300.0, 10.0, True), (-300.0, 40.0, False), (-340.0, 40.0, True), (200.0, 1.0, False)],
)
def test_a_rate_is_refused_beyond_its_standard_error(drift_ppm: float, error_ppm: float, refused: bool) -> None:
    device = _train(_contacts(np.arange(5.0, 60.0), 0.3, 0))
    assert bool(rate_doubts(device, _fit(drift_ppm, error_ppm), 250.0)) == refused


def test_a_rate_has_the_standard_error_that_its_scatter_gives() -> None:
    """Through n instants over T seconds that scatter by s: s sqrt(12 / n) / T; here 160 ppm, held by the prior."""
    off, stated = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        at = np.sort(rng.uniform(0, 60, 50))
        truth = 1.0 + 60e-6 * rng.standard_normal()
        fit = fit_clock(at, 5.0 + truth * at + rng.normal(0, 0.02, 50), np.full(50, -1), start_s=0.0, end_s=60.0,
                        rate_sd_ppm=60.0)  # fmt: skip
        off.append(fit.rate - truth)
        stated.append(fit.rate_sd)
    assert 0.7 < np.std(off) / np.mean(stated) < 1.4
    assert np.mean(stated) < 60e-6


def test_strides_that_are_often_missed_are_not_taken_for_a_gait_without_rhythm() -> None:
    rng = np.random.default_rng(3)
    onset = _walk(rng, step_s=1.3, sd_s=0.03, count=80)
    late = onset + np.where(rng.random(80) < 0.3, rng.uniform(0.1, 0.3, 80), 0.0)
    assert rhythm(_contacts(onset, 0.5, 0), _contacts(late, 0.5, 0)).innovation_s <= UNRELATED_S


def test_contacts_that_lie_close_by_chance_do_not_make_the_rest_outliers() -> None:
    """Eleven of the last sixteen within 2 ms, and five at 9 ms: no reason to look a step away."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        onset = _walk(rng, step_s=0.36, sd_s=0.012, count=200)
        jitter = rng.normal(0, 0.003, 200)
        jitter[-16:] = rng.permutation([*rng.normal(0, 0.001, 11), 0.009, -0.009, 0.009, -0.009, 0.009])
        reference, device = _contacts(onset, 0.2, -1), _contacts(onset + jitter, 0.2, np.arange(200) % 2)
        assert slips_within(reference, device, offset_s=0.0, rate=1.0, step_s=0.36) is None


def test_passes_that_the_device_did_not_record_fit_no_other_step() -> None:
    """A candidate without a match stays where it is: at an offset of 0 the device would have missed every hit."""
    steps = np.arange(0.0, 60.0, 0.36)
    device = _contacts(50.0 + steps, 0.2, np.arange(steps.size) % 2)
    later = _contacts(np.asarray([70.1, 75.3, 80.7, 85.2, 90.4]), 0.2, -1)
    matches = match(later, device, np.asarray([-45.0]))
    assert matches.offset_s[0] == -45.0
    assert not matches.possible.any()
    assert slips_within(later, device, offset_s=-45.0, rate=1.0, step_s=0.36, plates=True) is None


def test_an_overlap_too_short_does_not_read_like_what_is_needed() -> None:
    from grfkit.sync.decide import _floored

    assert (_floored(29.99), _floored(29.999), _floored(12.14)) == ("29.99", "29.99", "12.1")


def _shared(step_s: float, shared_s: float, settings: AlignSettings | None = None, **of_train: str) -> ClockMap:
    """Return the map of a reference of so many seconds, within a device's record of two minutes that is 3 s behind."""
    rng = np.random.default_rng(11)
    onset = _walk(rng, step_s=step_s, sd_s=0.05 * step_s, count=int(120.0 / step_s))
    device = _contacts(onset - 3.0 + rng.normal(0.0, 0.003, onset.size), 0.2, np.arange(onset.size) % 2)
    device = replace(device, offset_s=np.full(device.size, np.nan))
    reference = _contacts(onset, 0.2, np.arange(onset.size) % 2).between(40.0, 40.0 + shared_s)
    train = replace(_train(device), **of_train)
    pair = ContactPair(reference, train, False, None, settings or AlignSettings(), NO_LAG)
    return align_contacts(pair).clock_map


def test_half_a_minute_is_not_needed_where_enough_contacts_are_shared() -> None:
    found = _shared(0.35, 14.0)
    assert found.verdict == "aligned", found.reasons
    assert found.overlap_s is not None
    assert found.overlap_s < 14.01
    assert found.matched_anchors >= 32
    assert found.segments[0].apply(np.asarray([44.0]))[0] == pytest.approx(47.0, abs=0.01)


def test_too_few_contacts_and_seconds_are_refused_with_both() -> None:
    (reason,) = [r for r in _shared(0.7, 20.0).reasons if "overlap" in r]
    assert reason.startswith("the records overlap by 20.0 s only, in which 2")
    assert "contacts match (30 s needed, or 32 contacts): record longer" in reason


@pytest.mark.parametrize(
    ("step_s", "shared_s", "asked_s", "verdict"),
    [(0.35, 14.0, 20.0, "refused"), (0.7, 20.0, 15.0, "aligned"), (0.35, 34.0, 40.0, "refused")],
)
def test_seconds_that_a_user_asks_for_hold_whatever_the_contacts(
    step_s: float, shared_s: float, asked_s: float, verdict: str
) -> None:
    found = _shared(step_s, shared_s, AlignSettings(shortest_overlap_s=asked_s))
    assert found.verdict == verdict, found.reasons
    if verdict == "refused":
        assert any(f"s only ({asked_s:.0f} s needed)" in reason for reason in found.reasons), found.reasons


@pytest.mark.parametrize(
    "of_train", [{"device_class": "landmarks"}, {"device_class": "film"}, {"stamp_source": "index"}]
)
def test_where_less_was_never_measured_half_a_minute_is_needed(of_train: dict[str, str]) -> None:
    reasons = _shared(0.35, 18.0, **of_train).reasons
    assert any("s only (30 s needed)" in reason for reason in reasons), reasons
    assert not any("overlap" in reason for reason in _shared(0.35, 40.0, **of_train).reasons)


def test_rates_far_off_that_are_allowed_need_half_a_minute() -> None:
    reasons = _shared(0.35, 18.0, AlignSettings(max_drift_ppm=1500.0)).reasons
    assert any("s only (30 s needed)" in reason for reason in reasons), reasons
