"""Cells against the foot's own steps, and the low-pass, in C: against their twins, and both against the definitions."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_c import pointer, probes
from grfkit.embedded import stance_buffer as fixed
from grfkit.embedded.levels import Levels, LevelsSettings, levels_settings
from grfkit.embedded.lowpass import FRACTION, LowpassSettings, low_passed, lowpass_settings
from grfkit.errors import BadInputError
from grfkit.gait.causal import IC, LOST, MISSING, TO, CausalContacts, CausalSettings
from grfkit.gait.contacts import underloaded
from grfkit.signals.filters import lowpass

NEW = (IC, LOST, TO)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return probes(tmp_path_factory.mktemp("probes"))


def _numbers(settings: LevelsSettings | LowpassSettings) -> np.ndarray:
    return np.asarray(list(vars(settings).values()), dtype=np.int64).astype(np.int32)


def _by_c(library: ctypes.CDLL, settings: LevelsSettings, cells: np.ndarray, events: np.ndarray) -> np.ndarray:
    answers = np.zeros((max(1, np.count_nonzero(events)), 36), dtype=np.int64)
    count = library.probe_levels(
        pointer(_numbers(settings)),
        pointer(np.ascontiguousarray(cells)),
        pointer(events),
        ctypes.c_uint32(len(cells)),
        pointer(answers),
    )
    assert count == np.count_nonzero(events)
    return answers[:count]


def _by_python(settings: LevelsSettings, cells: np.ndarray, events: np.ndarray) -> np.ndarray:
    levels, answers = Levels(settings), []
    for k, (row, event) in enumerate(zip(cells, events.tolist())):
        levels.push(row)
        if event:
            answer = np.zeros(36, dtype=np.int64)
            answer[0] = levels.event((event & 3, 0, k, k), event >> 2)
            known = levels.relative()
            answer[4 : 4 + settings.cells] = levels.level_q8
            if known is not None:
                answer[1:4] = 1, known.multiplier, known.shift
                few = np.arange(settings.cells) * 2000
                answer[20 : 20 + settings.cells] = known.of(few, list(range(settings.cells)))
            answers.append(answer)
    return np.asarray(answers).reshape(-1, 36)


@st.composite
def _settings(draw) -> LevelsSettings:
    blocks, rows, percent = draw(st.integers(1, 16)), draw(st.integers(1, 20)), draw(st.integers(0, 99))
    steps = draw(st.integers(1, 32))
    return LevelsSettings(
        cells=draw(st.integers(1, 16)),
        blocks=blocks,
        lowest=min(255, (blocks * rows - 1) * percent // 100 + 2 + draw(st.integers(0, 2))),
        unloaded_percent=percent if (blocks * rows - 1) * percent // 100 + 2 <= 255 else 2,
        steps=steps,
        least_steps=draw(st.integers(1, 4)),
        greater_percent=draw(st.integers(0, 100)),
        faint_percent=draw(st.integers(0, 100)),
        every=draw(st.integers(1, 7)),
        block_rows=rows,
        units=draw(st.sampled_from([1, 255, 10000, 65535])),
    )


@st.composite
def _recordings(draw, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps of a foot: dead and saturated cells, faint contacts, lost ones, and events in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, period = draw(st.integers(1, 500)), draw(st.integers(6, 60))
    wave = np.clip(np.sin(2 * np.pi * np.arange(count) / period), 0, 1)
    size = rng.choice([1.0, 0.2, 3.0], count // period + 1, p=[0.7, 0.2, 0.1]).repeat(period)[:count]
    gain = rng.choice([0.0, 20.0, 900.0, 70000.0], cells)
    level = rng.choice([0.0, 30.0, 5000.0, 65535.0], cells, p=[0.3, 0.4, 0.2, 0.1])
    load = (
        level + gain * (wave * size)[:, None] + draw(st.sampled_from([0.0, 4.0])) * rng.standard_normal((count, cells))
    )
    events = np.zeros(count, dtype=np.uint8)
    if draw(st.booleans()):
        up = np.flatnonzero(np.diff((wave > 0.1).astype(int)) > 0)
        down = np.flatnonzero(np.diff((wave > 0.1).astype(int)) < 0)
        events[up], events[down] = (
            IC,
            TO + 4 * rng.choice([fixed.READY, fixed.MISSED, fixed.SHORT, fixed.LONG], down.size),
        )
    else:
        some = rng.random(count) < 0.2
        events[some] = rng.choice(NEW, some.sum()) + 4 * rng.integers(0, 6, some.sum())
    return np.clip(np.rint(load), 0, 65535).astype(np.uint16), events


@given(st.data())
def test_levels_are_the_twins(library, data):
    settings = data.draw(_settings())
    cells, events = data.draw(_recordings(settings.cells))
    np.testing.assert_array_equal(_by_c(library, settings, cells, events), _by_python(settings, cells, events))


def _walk(rate_hz: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return 20 s of steps in 16 cells with noise, and events where load passes a quarter of the peak."""
    rng = np.random.default_rng(seed)
    t = np.arange(20 * rate_hz) / rate_hz
    wave = np.clip(np.sin(2 * np.pi * 1.4 * t), 0, 1)
    load = 40 + 200 * np.arange(1, 17) * wave[:, None] + 5 * rng.standard_normal((t.size, 16))
    events = np.zeros(t.size, dtype=np.uint8)
    edge = np.diff((wave > 0.25).astype(int))
    events[np.flatnonzero(edge > 0)], events[np.flatnonzero(edge < 0)] = IC, TO + 4 * fixed.READY
    return np.rint(load).astype(np.uint16), events


def test_a_runners_cells_are_what_the_definition_says(library):
    """Against numpy's percentile and median in floating point, over the very rows that a device looks at."""
    settings = levels_settings(100.0)
    cells, events = _walk(100)
    found = _by_c(library, settings, cells, events)
    np.testing.assert_array_equal(found, _by_python(settings, cells, events))
    ends = np.flatnonzero(events & 3 == TO)
    assert len(ends) > 25
    starts, peaks = np.flatnonzero(events == IC), []
    told = found[events[events > 0] & 3 == TO]
    for n, end in enumerate(ends):
        level = np.percentile(cells[: end + 1 : settings.every], 2, axis=0)
        assert np.abs(told[n, 4:20] / 256 - level).max() <= 1 / 256
        peaks.append(cells[starts[n] + 1 : end + 1].sum(axis=1).max())
        assert told[n, 1] == (n >= 2)
        if n >= 2:
            middle = np.median(peaks[-25:]) - level.sum()
            due = (np.arange(16) * 2000 - level) / middle * 1e4
            assert np.abs(told[n, 20:] - np.clip(due, -32768, 32767)).max() <= 0.6
    assert told[:, 0].all(), "every step bears as much as the others"


@given(st.lists(st.integers(0, 60000), min_size=1, max_size=32))
@example([10, 4])
@example([250, 100, 250])
def test_faint_contacts_are_those_of_the_detector_on_a_recording(library, peaks):
    """One cell at a level of 0 whose contacts have these peaks: each verdict is that of gait.contacts.underloaded."""
    settings = replace(levels_settings(100.0, cells=1), steps=32)
    cells = np.zeros((4 * len(peaks), 1), dtype=np.uint16)
    cells[2::4, 0] = peaks
    events = np.zeros(len(cells), dtype=np.uint8)
    events[1::4], events[3::4] = IC, TO + 4 * fixed.READY
    found = _by_c(library, replace(settings, every=4), cells, events)[1::2]
    for n in range(len(peaks)):
        so_far = np.asarray(peaks[: n + 1], dtype=np.float64)
        assert found[n, 0] == (not underloaded(so_far)[-1])
        kept = so_far[~underloaded(so_far)]
        assert found[n, 1] == (n >= 2 and np.median(kept) > 0)


def test_contacts_that_are_no_steps_leave_no_peak(library):
    """Standing (too long), a scuff (too short) and a lost contact change nothing; a bridged one counts."""
    settings = levels_settings(100.0)
    cells, events = _walk(100)
    due = _by_c(library, settings, cells, events)
    for result, same in ((fixed.LONG, False), (fixed.SHORT, False), (fixed.MISSED, True)):
        other = np.where(events & 3 == TO, TO + 4 * result, events).astype(np.uint8)
        found = _by_c(library, settings, cells, other)
        assert np.array_equal(found, due) == same
        assert same or not found[:, :2].any()
    lost = np.where(events & 3 == TO, LOST, events).astype(np.uint8)
    assert not _by_c(library, settings, cells, lost)[:, :2].any()


def test_settings_that_cannot_be_are_refused_by_both(library):
    good = levels_settings(200.0)
    assert good.lowest_bytes == 1344
    for change in (
        {"cells": 17}, {"cells": 0}, {"blocks": 17}, {"steps": 33}, {"steps": 0}, {"lowest": 6}, {"every": 0},
        {"unloaded_percent": 100}, {"greater_percent": 101}, {"units": 0}, {"least_steps": 0}, {"block_rows": 0},
    ):  # fmt: skip
        with pytest.raises(BadInputError, match="levels of cells"):
            replace(good, **change)
        raw = np.asarray(list({**vars(good), **change}.values()), dtype=np.int32)
        empty = np.zeros(1, dtype=np.int64)
        assert library.probe_levels(pointer(raw), pointer(empty), pointer(empty), ctypes.c_uint32(0), None) == -1
    for rate in (20, 50, 100, 148, 200, 1000):
        one = levels_settings(rate)
        assert one.blocks * one.block_rows * one.every / rate == pytest.approx(30.0, rel=0.1)


@given(
    st.integers(0, 2**32),
    st.integers(1, 300),
    st.sampled_from([0.02, 0.1, 0.2, 0.35, 0.48]),
    st.sampled_from([30, 3000, 32767]),
    st.booleans(),
)
def test_low_passed_samples_are_the_twins_and_scipys(library, seed, count, share, size, corrected):
    """Byte for byte in C; against filtering in floating point to a fraction of a count."""
    rng = np.random.default_rng(seed)
    settings = lowpass_settings(200.0 * share, rate_hz=200.0, channels=[0, 1], corrected=corrected)
    rows = np.clip(rng.standard_normal((count, 2)) * size, -32768, 32767).astype(np.int16)
    rows[rng.random((count, 2)) < 0.02] = rng.choice([-32768, 32767])
    made = low_passed(rows, settings)
    for k in range(2):
        samples = np.ascontiguousarray(rows[:, k].astype(np.int32) << FRACTION)
        library.probe_lowpass(pointer(_numbers(settings)), pointer(samples), ctypes.c_uint32(count))
        np.testing.assert_array_equal(samples, made[:, k])
    if corrected:
        due = lowpass(rows.astype(float), rate_hz=200.0, cutoff_hz=200.0 * share)
        assert np.abs(made / 2**FRACTION - due).max() <= 0.05


def test_a_constant_stays_what_it_is(library):
    for cutoff in (2.0, 20.0, 60.0, 95.0):
        settings = lowpass_settings(cutoff, rate_hz=200.0, channels=[0])
        samples = np.full(120, -12345 << FRACTION, dtype=np.int32)
        library.probe_lowpass(pointer(_numbers(settings)), pointer(samples), ctypes.c_uint32(120))
        assert (samples == -12345 << FRACTION).all()
    for cutoff in (0.0, 100.0):
        with pytest.raises(BadInputError, match="cut-off"):
            lowpass_settings(cutoff, rate_hz=200.0, channels=[0])
    with pytest.raises(BadInputError, match="channels 0 to 31 only"):
        lowpass_settings(20.0, rate_hz=200.0, channels=[32])


@given(st.integers(0, 2**32), st.sampled_from([64, 200]), st.sampled_from([2, 11, 101]), st.sampled_from([0, 1, 5]))
def test_windows_with_low_passed_channels_are_the_twins(library, seed, capacity, points, channels):
    rng = np.random.default_rng(seed)
    settings = CausalSettings(2, 4, 5, 7, 38, 38, 2, 4, 40, 3, 64)
    stance = fixed.StanceSettings(3, capacity, points, 12, 60, 3, 2)
    filtered = replace(lowpass_settings(20.0, rate_hz=200.0, channels=[0]), channels=channels)
    t = np.arange(400)
    loads = np.rint(4000 * np.clip(np.sin(2 * np.pi * t / rng.uniform(40, 120)), 0, 1)).astype(np.int64)
    rows = rng.integers(-32768, 32768, (t.size, 3)).astype(np.int16)
    missing = rng.random(t.size) < 0.01
    detector, buffer, due = CausalContacts(settings), fixed.StanceBuffer(stance, filtered), []
    for row, load, gone in zip(rows, loads, missing):
        buffer.push(None if gone else row)
        event = detector.push(MISSING if gone else int(load))
        if event is not None:
            due.append(buffer.take(event))
    answers = np.zeros((t.size, 5), dtype=np.uint32)
    windows = np.zeros((t.size, points, 3), dtype=np.int16)
    numbers = [np.asarray(list(vars(s).values()), dtype=np.int32) for s in (settings, stance, filtered)]
    count = library.probe_stance(
        *map(pointer, (*numbers, rows, loads.astype(np.int32), missing.astype(np.uint8))),
        ctypes.c_uint32(t.size), pointer(answers), pointer(windows), ctypes.c_uint32(t.size),
    )  # fmt: skip
    assert count == len(due)
    for one, numbers_, window in zip(due, answers, windows):
        assert numbers_[0] == one.result
        if one.window is not None:
            assert numbers_[4] == one.age_q8
            np.testing.assert_array_equal(window, one.window)
