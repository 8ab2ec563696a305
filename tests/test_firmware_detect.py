"""The device's integers in C against their Python twins: detector, stance buffer, input."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_c import pointer, probes
from grfkit.embedded import int8_input, stance_buffer
from grfkit.errors import BadInputError
from grfkit.gait.causal import EVENT, LARGEST, MISSING, CausalContacts, CausalSettings, causal_settings
from grfkit.gait.causal_record import contacts_causal

QUICK = CausalSettings(1, 3, 5, 7, 40, 30, 1, 2, 8, 2, 8)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return probes(tmp_path_factory.mktemp("probes"))


def _numbers(settings: CausalSettings) -> np.ndarray:
    return np.asarray(list(vars(settings).values()), dtype=np.int32)


def _events_c(library: ctypes.CDLL, load: np.ndarray, settings: CausalSettings) -> np.ndarray:
    samples, out = np.ascontiguousarray(load, dtype=np.int32), np.zeros((len(load) + 1, 4), dtype=np.uint32)
    count = library.probe_detect(
        pointer(_numbers(settings)),
        pointer(samples),
        ctypes.c_uint32(len(samples)),
        pointer(out),
        ctypes.c_uint32(len(out)),
    )
    return np.asarray([tuple(row) for row in out[:count].tolist()], dtype=EVENT)


@st.composite
def _settings(draw) -> CausalSettings:
    on = draw(st.integers(1, 63))
    return CausalSettings(
        smooth_shift=draw(st.integers(0, 3)),
        block_shift=draw(st.integers(1, 7)),
        high_shift=draw(st.integers(0, 12)),
        low_shift=draw(st.integers(0, 12)),
        on_q8=on,
        off_q8=draw(st.integers(1, on)),
        confirm_on=draw(st.integers(1, 6)),
        confirm_off=draw(st.integers(1, 8)),
        warmup=draw(st.integers(0, 60)),
        bridge=draw(st.integers(0, 8)),
        least_span=draw(st.integers(1, 300)),
        firm_q8=draw(st.integers(0, 63)),
        linger=draw(st.integers(0, 30)),
        slack_q6=draw(st.integers(0, 63)),
        creep=draw(st.integers(0, 20)),
        swing=draw(st.integers(0, 200)),
    )


@st.composite
def _loads(draw) -> np.ndarray:
    """Steps with noise, jumps to the ends of the range, and samples that never came."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, size = draw(st.integers(1, 700)), draw(st.sampled_from([30, 1000, 60000, LARGEST // 2]))
    period = draw(st.integers(8, 120))
    wave = np.clip(np.sin(2 * np.pi * np.arange(count) / period + rng.uniform(0, 6)), -0.1, 1)
    load = np.rint(size * (wave + draw(st.floats(0, 0.5)) * rng.standard_normal(count)))
    wild = rng.random(count) < draw(st.sampled_from([0, 0, 0.02]))
    load[wild] = rng.choice([-LARGEST, LARGEST, 0], wild.sum())
    load = np.clip(load, -LARGEST, LARGEST).astype(np.int64)
    lost = np.zeros(count, dtype=bool)
    for start in rng.integers(0, count, draw(st.integers(0, 6))):
        lost[start : start + rng.integers(1, 14)] = True
    load[lost] = MISSING
    return load


@given(_loads(), _settings())
@example(np.full(50, MISSING, dtype=np.int64), QUICK)
@example(
    np.tile(np.r_[np.full(16, -LARGEST), np.full(16, LARGEST)], 6),
    CausalSettings(3, 2, 0, 0, 63, 63, 1, 1, 0, 0, 1, 63, 0, 63),
)
def test_events_are_those_of_both_python_detectors(library, load, settings):
    found = _events_c(library, load, settings)
    whole = contacts_causal(load, 200.0, settings)
    one = CausalContacts(settings)
    each = np.asarray([e for v in load if (e := one.push(int(v))) is not None], dtype=EVENT)
    assert found.tobytes() == whole.tobytes() == each.tobytes()


def test_a_runner_gives_events_in_c(library):
    """The comparison above is not one of nothing with nothing."""
    rng = np.random.default_rng(1)
    t = np.arange(2000) / 200.0
    load = np.rint(3000 * np.clip(np.sin(2 * np.pi * 1.4 * t), 0, 1) + 20 * rng.standard_normal(t.size)).astype(
        np.int64
    )
    events = _events_c(library, load, causal_settings(200.0))
    assert (events["kind"] == 1).sum() >= 10
    assert events.tobytes() == contacts_causal(load, 200.0).tobytes()


def test_a_sample_beyond_the_range_counts_as_time_only(library):
    settings = QUICK
    load = np.tile(np.r_[np.zeros(10), np.full(10, 500)], 6).astype(np.int64)
    broken = np.insert(load, 55, LARGEST + 1)
    one, due = CausalContacts(settings), []
    for value in broken:
        try:
            event = one.push(int(value))
        except BadInputError:
            event = None
        due += [event] if event else []
    assert due
    assert _events_c(library, broken, settings).tobytes() == np.asarray(due, dtype=EVENT).tobytes()


def _stances_c(library, settings, stance, rows, loads, missing):
    room = len(rows)
    answers = np.zeros((room, 5), dtype=np.uint32)
    windows = np.zeros((room, stance.points, stance.channels), dtype=np.int16)
    numbers = np.asarray(list(vars(stance).values()), dtype=np.int32)
    count = library.probe_stance(
        pointer(_numbers(settings)),
        pointer(numbers),
        pointer(np.zeros(4, dtype=np.int32)),
        pointer(np.ascontiguousarray(rows)),
        pointer(loads.astype(np.int32)),
        pointer(missing.astype(np.uint8)),
        ctypes.c_uint32(room),
        pointer(answers),
        pointer(windows),
        ctypes.c_uint32(room),
    )
    return [(answers[k].tolist(), windows[k]) for k in range(count)]


def _stances_python(settings, stance, rows, loads, missing):
    detector, buffer, found = CausalContacts(settings), stance_buffer.StanceBuffer(stance), []
    for row, load, gone in zip(rows, loads, missing):
        buffer.push(None if gone else row)
        event = detector.push(MISSING if gone else int(load))
        if event is not None:
            found.append(buffer.take(event))
    return found


@given(
    st.integers(0, 2**32),
    st.integers(0, 3),
    st.sampled_from([32, 64, 200]),
    st.sampled_from([2, 11, 101]),
    st.integers(0, 4),
    st.sampled_from([0, 0.005, 0.03, 0.2]),
)
def test_stances_are_the_twins(library, seed, smooth, capacity, points, most_missed, loss):
    rng = np.random.default_rng(seed)
    settings = CausalSettings(smooth, 4, 5, 7, 38, 38, 2, 4, 40, 3, 64)
    stance = stance_buffer.StanceSettings(3, capacity, points, 12, 60, most_missed, smooth)
    t = np.arange(500)
    rate = rng.uniform(20, 120)
    loads = np.rint(4000 * np.clip(np.sin(2 * np.pi * t / rate), 0, 1) + 10 * rng.standard_normal(t.size)).astype(
        np.int64
    )
    rows = rng.integers(-32768, 32768, (t.size, 3)).astype(np.int16)
    missing = rng.random(t.size) < loss
    found = _stances_c(library, settings, stance, rows, loads, missing)
    due = _stances_python(settings, stance, rows, loads, missing)
    assert len(found) == len(due)
    for (numbers, window), one in zip(found, due):
        assert numbers[0] == one.result
        if one.result in (stance_buffer.READY, stance_buffer.SHORT, stance_buffer.MISSED):
            assert numbers[1:] == [one.contact_q8, one.first_sample, one.missed, one.age_q8]
        if one.window is not None:
            np.testing.assert_array_equal(window, one.window)


def test_a_window_is_the_straight_line_between_samples_and_every_policy_is_met(library):
    """Against numpy's interpolation in floating point, to half a count; and each refusal by its reason."""
    settings = CausalSettings(2, 5, 5, 7, 38, 38, 2, 6, 100, 4, 64)
    t = np.arange(1200)
    phase = t % 140
    loads = np.where(phase < 50, np.rint(3000 * np.sin(np.pi * phase / 50)), 0).astype(np.int64)
    rows = np.stack([t * 20 - 10000, np.rint(9000 * np.sin(t / 9)), -t], axis=1).astype(np.int16)
    missing = np.zeros(t.size, dtype=bool)
    missing[[440, 445, 450, 455]] = True  # four single ones: bridged, and too many for the policy below
    missing[575:585] = True  # a gap: lost
    stance = stance_buffer.StanceSettings(3, 128, 101, 20, 60, 3, 2)
    found = _stances_c(library, settings, stance, rows, loads, missing)
    results = [numbers[0] for numbers, _ in found]
    assert {stance_buffer.NONE, stance_buffer.READY, stance_buffer.MISSED, stance_buffer.LOST} <= set(results)
    event = contacts_causal(np.where(missing, MISSING, loads), 200.0, settings)
    at = event["sample"] - 1 + event["fraction_q8"] / 256 - settings.delay_samples
    k = results.index(stance_buffer.READY)
    place = np.linspace(at[k - 1], at[k], 101)
    due = np.stack([np.interp(place, t, c) for c in rows.astype(float).T], axis=1)
    assert np.abs(found[k][1] - due).max() <= 0.52  # a 65536th of a sample at 1000 counts a sample, and the rounding
    assert found[k][0][1] == round((at[k] - at[k - 1]) * 256)
    for short, long, reason in ((60, 80, stance_buffer.SHORT), (5, 30, stance_buffer.LONG)):
        other = stance_buffer.StanceSettings(3, 128, 101, short, long, 3, 2)
        assert reason in [n[0] for n, _ in _stances_c(library, settings, other, rows, loads, missing)]


def test_settings_that_cannot_be_are_refused_by_both(library):
    rows, loads, missing = np.zeros((4, 1), dtype=np.int16), np.zeros(4), np.zeros(4)
    for numbers in ((0, 64, 11, 1, 9, 0, 0), (1, 3, 11, 1, 9, 0, 0), (1, 5000, 11, 1, 9, 0, 0), (1, 64, 1, 1, 9, 0, 0)):
        with pytest.raises(BadInputError, match="a stance buffer of"):
            stance_buffer.StanceSettings(*numbers)
        raw = np.asarray(numbers, dtype=np.int32)
        out = np.zeros(64, dtype=np.uint32)
        status = library.probe_stance(
            pointer(_numbers(QUICK)),
            pointer(raw),
            pointer(np.zeros(4, dtype=np.int32)),
            pointer(rows),
            pointer(loads.astype(np.int32)),
            pointer(missing.astype(np.uint8)),
            ctypes.c_uint32(4),
            pointer(out),
            pointer(out),
            ctypes.c_uint32(4),
        )
        assert status == -1


@given(
    st.lists(
        st.tuples(
            st.floats(-60000, 60000),
            st.floats(0.01, 40000),
            st.floats(0.002, 0.2),
            st.integers(-128, 127),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 2**32),
)
def test_counts_become_the_same_int8(library, told, seed):
    channels = [
        int8_input.int8_channel(centre=c, size=-s if turned else s, scale=q, zero=z) for c, s, q, z, turned in told
    ]
    rng = np.random.default_rng(seed)
    centre = np.asarray([c.offset for c in channels])
    near = centre + np.rint(rng.standard_normal((40, len(told))) * [t[1] for t in told])
    numbers = np.asarray([[c.offset, c.multiplier, c.shift, c.zero] for c in channels], dtype=np.int32)
    for dtype, name in ((np.int16, "probe_input"), (np.uint16, "probe_input_unsigned")):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        raw = np.ascontiguousarray(np.clip(near, low, high).astype(dtype))
        raw[0], raw[1] = low, high
        out = np.empty(raw.shape, dtype=np.int8)
        getattr(library, name)(
            pointer(numbers), ctypes.c_uint32(len(channels)), pointer(raw), ctypes.c_uint32(len(raw)), pointer(out)
        )
        np.testing.assert_array_equal(out, int8_input.counts_to_int8(raw, channels))
        exact = np.stack(
            [
                z + (raw[:, k].astype(float) - c) / (-s if turned else s) / q
                for k, (c, s, q, z, turned) in enumerate(told)
            ],
            axis=1,
        )
        step = np.asarray([1 / (s * q) for _, s, q, _, _ in told])  # steps per count; the centre is a whole count
        assert (np.abs(out - np.clip(exact, -128, 127)) <= 0.5 + 0.5 * step + 1e-3).all()


def test_a_channel_without_a_factor_is_refused():
    for more in ({"size": 0.0}, {"scale": 0.0}, {"centre": float("nan")}, {"size": 1e-12, "scale": 1e-9}):
        with pytest.raises(BadInputError, match="a channel of centre"):
            int8_input.int8_channel(**{"centre": 0.0, "size": 1.0, "scale": 0.1, "zero": 0, **more})
