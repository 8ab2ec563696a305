"""The detector a device can run: stream and record give the same bytes, 32 bits hold it, gaps and drift are borne."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grfkit.errors import BadInputError
from grfkit.gait.causal import (
    EVENT,
    IC,
    LARGEST,
    LOST,
    MISSING,
    TO,
    CausalContacts,
    CausalSettings,
    causal_settings,
    crossing_q8,
)
from grfkit.gait.causal_record import as_counts, contact_times, contacts_causal
from grfkit.gait.contacts import ContactTimes, contacts_from_force
from grfkit.gait.detector_offset import detector_offset

Floats = NDArray[np.float64]


def streamed(load: NDArray[np.int64], one: CausalSettings) -> NDArray[np.void]:
    """Return the events of a record pushed sample by sample."""
    detector = CausalContacts(one)
    events = [e for e in (detector.push(int(v)) for v in load) if e is not None]
    return np.asarray(events, dtype=EVENT)


def running(rate_hz: float, *, seconds: float = 20.0, top: float = 1600.0) -> tuple[Floats, Floats, Floats, Floats]:
    """Return time, load of one foot, and its true contacts and toe-offs: half sines of 0.25 s each 0.7137 s."""
    time = np.arange(0, seconds, 1 / rate_hz)
    ic = np.arange(0.4, seconds - 0.3, 0.7137)
    load = np.zeros(time.size)
    for start in ic:
        inside = (time > start) & (time < start + 0.25)
        load[inside] = top * np.sin(np.pi * (time[inside] - start) / 0.25)
    return time, load, ic, ic + 0.25


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["noise", "steps", "gait"]),
    losses=st.integers(0, 8),
    shift=st.integers(0, 3),
    block=st.integers(1, 6),
)
def test_stream_and_record_give_the_same_bytes(seed: int, kind: str, losses: int, shift: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 3000))
    if kind == "noise":
        load = rng.integers(-3000, 3000, size)
    elif kind == "steps":
        load = np.repeat(rng.integers(-4000, LARGEST, size // 8 + 1), 8)[:size]
    else:
        load = np.round(running(100.0, seconds=30.0)[1]).astype(np.int64)[:size] + rng.integers(-30, 30, size)
    for _ in range(losses):
        at, width = int(rng.integers(0, size)), int(rng.integers(1, 60))
        load[at : at + width] = MISSING
    off = int(rng.integers(1, 40))
    one = CausalSettings(
        shift, block, 5, 7, int(rng.integers(off, 60)), off, int(rng.integers(1, 6)), int(rng.integers(1, 9)),
        int(rng.integers(0, 200)), int(rng.integers(0, 5)), int(rng.integers(1, 500)), int(rng.integers(0, 64)),
        int(rng.integers(0, 30)), int(rng.integers(0, 64)), int(rng.integers(0, 20)), int(rng.integers(0, 200)),
    )  # fmt: skip
    assert streamed(load, one).tobytes() == contacts_causal(load, 100.0, one).tobytes()


@pytest.mark.parametrize("sign", [1, -1])
def test_state_stays_within_32_bits_at_the_largest_samples(sign: int) -> None:
    one = CausalSettings(3, 2, 5, 7, 63, 63, 1, 1, 0, 0, 1, 63, 0, 63)
    detector = CausalContacts(one)
    worst = 0
    for k in range(400):
        detector.push(sign * LARGEST if k // 20 % 2 else -sign * LARGEST)
        held = [detector._sum, detector._low, detector._high, detector._on, detector._off]
        worst = max(worst, *(abs(v) for v in held), (detector._high - detector._low) * max(one.on_q8, one.slack_q6))
    assert worst < 2**31
    with pytest.raises(BadInputError, match="2\\^21"):
        detector.push(LARGEST + 1)


@pytest.mark.parametrize("rate_hz", [100.0, 200.0, 500.0, 1000.0, 2000.0])
def test_it_finds_every_stance_at_an_offset_that_follows_from_its_threshold(rate_hz: float) -> None:
    time, load, ic, to = running(rate_hz)
    one = causal_settings(rate_hz, source="force", least_span=800)
    found = contact_times(contacts_causal(as_counts(load, per_unit=8.0), rate_hz, one), time, one)
    seen = ContactTimes(ic[ic > 1.5], to[ic > 1.5], "truth")
    offset = detector_offset(seen, found)
    assert (offset.missed, offset.extra) == (0, 0)
    # 8/256 of 1600 N is crossed asin(8/256) / pi x 250 ms = 2.5 ms after contact, 6/256 1.9 ms before toe-off
    assert offset.ic_median_ms == pytest.approx(2.5, abs=1.5e3 / rate_hz + 0.5)
    assert offset.to_median_ms == pytest.approx(-1.9, abs=1.5e3 / rate_hz + 2.0)  # the low level creeps up meanwhile
    assert offset.ic_iqr_ms < 1e3 / rate_hz


@pytest.mark.parametrize("fallen", [False, True])
@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0])
def test_a_shoe_that_presses_on_the_foot_in_the_air_is_no_contact(rate_hz: float, fallen: bool) -> None:
    """A fifth of the peak in swing, from toe-off on or once the load fell: every contact is found, and no swing."""
    time, load, ic, to = running(rate_hz, seconds=20.3)
    for end in to:
        swing = (time - end) / 0.35
        inside = (swing > 0) & (swing < 1)
        pressed = np.sin(np.pi * swing) ** 2 if fallen else np.cos(np.pi * swing / 2) ** 2
        load[inside] += 0.2 * 1600 * pressed[inside]
        load[(time > end - 0.02) & (time <= end)] += 0 if fallen else 0.2 * 1600
    seen = ContactTimes(ic[ic > 1.5], to[ic > 1.5], "truth")
    one = causal_settings(rate_hz, least_span=64)
    # one threshold alone takes the press for contact, or for the rest of one
    for told, right in ((one, True), (replace(one, firm_q8=0, linger=0), False)):
        found = contact_times(contacts_causal(as_counts(load), rate_hz, told), time, told)
        offset = detector_offset(seen, found, within_s=0.05)
        whole = (offset.missed, offset.extra) == (0, 0) and abs(offset.to_median_ms) < 30
        assert whole == right


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0, 500.0])
def test_a_toe_off_of_cells_that_creep_is_where_the_load_fell(rate_hz: float) -> None:
    """A third of the load stays after toe-off and is gone when the foot lands: toe-off is early by the fall alone."""
    time, load, ic, to = running(rate_hz, seconds=20.3)
    for end in to:
        swing = (time - end) / 0.46
        inside = (swing > -0.06) & (swing < 1)
        load[inside] = np.maximum(load[inside], 0.32 * 1600 * (1 - np.clip(swing[inside], 0, 1) ** 3))
    seen = ContactTimes(ic[ic > 3], to[ic > 3], "truth")
    one = causal_settings(rate_hz, least_span=64)
    for told, right in ((one, True), (replace(one, slack_q6=0), False)):
        found = contact_times(contacts_causal(as_counts(load), rate_hz, told), time, told, longest_s=0.7)
        offset = detector_offset(seen, found, within_s=0.05)
        assert (offset.missed, offset.extra - (found.ic_s < 2.9).sum()) == (0, 0)
        assert (abs(offset.to_median_ms) < 50) == right


@pytest.mark.parametrize("toes_s", [0.15, 0.25])
def test_toes_that_stand_on_at_a_third_of_the_load_stand(toes_s: float) -> None:
    """The same lingering before a swing that a leg is able to: the foot was on the ground."""
    time = np.arange(0, 30.0, 0.01)
    phase = time % 1.1
    load = np.where(phase < 0.4, 800.0, np.where(phase < 0.4 + toes_s, 0.3 * 800, 0.0))
    one = causal_settings(100.0, least_span=64)
    for told in (one, replace(one, slack_q6=0)):
        found = contact_times(contacts_causal(as_counts(load), 100.0, told), time, told, longest_s=2.0)
        assert found.size > 20
        # a step of the load is seen to a sample at either end
        np.testing.assert_allclose(found.contact_s, 0.4 + toes_s, atol=0.02)


def test_events_are_known_only_after_they_happened_and_alternate() -> None:
    _, load, _, _ = running(500.0)
    one = causal_settings(500.0, source="force", least_span=100)
    events = contacts_causal(as_counts(load), 500.0, one)
    assert (events["emitted"] >= events["sample"]).all()
    assert set(events["emitted"][events["kind"] == IC] - events["sample"][events["kind"] == IC]) == {one.confirm_on - 1}
    assert (np.diff(events["kind"].astype(int)) != 0).all()
    later = load.copy()
    later[5000:] = 0.0  # what is to come changes nothing that is known
    known = contacts_causal(as_counts(later), 500.0, one)
    before = events[events["emitted"] < 5000]
    assert known[known["emitted"] < 5000].tobytes() == before.tobytes()


def test_counts_scaled_and_shifted_give_the_same_contacts() -> None:
    time, load, _, _ = running(200.0)
    one = causal_settings(200.0, least_span=10)
    plain = contact_times(contacts_causal(as_counts(load), 200.0, one), time, one)
    moved = contact_times(contacts_causal(as_counts(load * 4.0 + 5000.0), 200.0, one), time, one)
    assert moved.size == plain.size
    np.testing.assert_allclose(moved.ic_s, plain.ic_s, atol=5e-4)


def test_a_drifting_zero_is_followed() -> None:
    time, load, ic, _ = running(200.0, seconds=120.0)
    one = causal_settings(200.0, least_span=100)
    found = contact_times(contacts_causal(as_counts(load + 6.0 * time), 200.0, one), time, one)  # 720 in two minutes
    assert found.size == (ic > 1.5).sum()


def test_lost_samples_lose_their_contact_and_no_other() -> None:
    time, load, ic, _to = running(200.0)
    gone = load.copy()
    gone[(time > ic[10] + 0.1) & (time < ic[10] + 0.18)] = np.nan
    one = causal_settings(200.0, least_span=100)
    events = contacts_causal(as_counts(gone), 200.0, one)
    assert (events["kind"] == LOST).sum() == 1
    found = contact_times(events, time, one)
    assert found.rejected == {"touches a gap": 1}
    whole = contact_times(contacts_causal(as_counts(load), 200.0, one), time, one)
    assert found.size == whole.size - 1
    assert np.abs(found.ic_s - ic[10]).min() > 0.5
    one_sample = load.copy()
    one_sample[np.searchsorted(time, ic[10] + 0.1)] = np.nan
    assert contact_times(contacts_causal(as_counts(one_sample), 200.0, one), time, one).size == whole.size


def test_standing_still_is_no_gait() -> None:
    rng = np.random.default_rng(5)
    _time, load, _, _ = running(200.0, seconds=10.0)
    still = np.concatenate([load, 700 + rng.normal(0, 3, 200 * 60)])
    one = causal_settings(200.0, least_span=64)
    events = contacts_causal(as_counts(still), 200.0, one)
    assert (events["sample"] > 2000 + 200).sum() == 0
    assert contacts_causal(as_counts(np.full(2000, np.nan)), 200.0, one).size == 0


def test_first_and_last_contacts_that_are_cut_are_none() -> None:
    _, load, _, _ = running(200.0)
    one = causal_settings(200.0, least_span=100)
    events = contacts_causal(as_counts(load[100:3000]), 200.0, one)
    assert events["kind"][0] == IC
    assert TO in events["kind"]


@pytest.mark.parametrize(
    ("before", "now", "level", "share"),
    [(0, 2, 1, 128), (10, 0, 5, 128), (0, 4, 3, 192), (0, 1000, 999, 255), (0, 3, 1, 85), (5, 9, 5, 0), (6, 9, 5, 0)],
)
def test_the_crossing_between_two_samples_in_256ths(before: int, now: int, level: int, share: int) -> None:
    assert crossing_q8(before, now, level) == share


def test_offsets_by_hand() -> None:
    truth = ContactTimes(np.asarray([1.0, 2.0, 3.0, 4.0]), np.asarray([1.2, 2.2, 3.2, 4.2]), "a")
    found = ContactTimes(np.asarray([1.01, 2.02, 3.03, 5.0]), np.asarray([1.19, 2.19, 3.19, 5.2]), "b")
    offset = detector_offset(truth, found)
    assert (offset.matched, offset.missed, offset.extra) == (3, 1, 1)
    assert offset.ic_median_ms == pytest.approx(20.0)
    assert offset.ic_iqr_ms == pytest.approx(10.0)
    assert offset.to_median_ms == pytest.approx(-10.0)
    assert offset.contact_median_ms == pytest.approx(-30.0)
    nothing = detector_offset(truth, ContactTimes(np.zeros(0), np.zeros(0), "b"))
    assert (nothing.matched, nothing.missed) == (0, 4)
    assert np.isnan(nothing.ic_median_ms)


def test_what_it_cannot_take_is_refused() -> None:
    with pytest.raises(BadInputError, match="integers"):
        contacts_causal(np.zeros(5), 100.0)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="2\\^21"):
        contacts_causal(np.asarray([LARGEST + 1]), 100.0)
    with pytest.raises(BadInputError, match="scale it down"):
        as_counts(np.asarray([3e6]))
    with pytest.raises(BadInputError, match="20 to 10000"):
        causal_settings(5.0)
    with pytest.raises(BadInputError, match="off_q8 <= on_q8"):
        CausalSettings(0, 4, 5, 7, 10, 20, 1, 1, 0, 0, 1)
    assert contacts_causal(np.zeros(0, dtype=np.int64), 100.0).size == 0


def test_the_force_detector_and_the_causal_one_agree_on_noisy_force() -> None:
    time, load, _, _ = running(1000.0, seconds=30.0)
    noisy = load + np.random.default_rng(9).normal(0, 3.0, load.size)
    one = causal_settings(1000.0, source="force", least_span=800)
    found = contact_times(contacts_causal(as_counts(noisy, per_unit=8.0), 1000.0, one), time, one)
    seen = contacts_from_force(time, noisy)
    keep = seen.ic_s > 1.5
    offset = detector_offset(ContactTimes(seen.ic_s[keep], seen.to_s[keep], seen.detector), found)
    assert (offset.missed, offset.extra) == (0, 0)
    assert 0 < offset.ic_median_ms < 4
    assert "missed" in str(offset)
