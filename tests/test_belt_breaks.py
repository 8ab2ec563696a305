"""Two belts whose clocks break within a walk: told with place and size, taken away in parts, never taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.calibrate import CorrectionRequest, correct, examine
from grfkit.io.belt_notes import belt_notes
from grfkit.records import Recording
from grfkit.signals.belt_breaks import PLACE_S, belt_parts
from grfkit.sync.body_alignment import belts_apart
from test_belt_clock import late, trial

CUT_S = 17.0


def lost(recording: Recording, by_s: float, belt: str = "plate_2") -> Recording:
    """Return the recording with samples of one belt lost at CUT_S; its file goes on as if none were, and ends early."""
    streams = dict(recording.streams)
    changed = streams[belt].copy(deep=True)
    rate_hz = float(changed.attrs["rate_hz"])
    at, by = round(CUT_S * rate_hz), round(by_s * rate_hz)
    for name in changed.data_vars:
        values = changed[name].values
        values[at:-by] = values[at + by :].copy()
    keep = slice(0, changed.sizes["time"] - by)
    both = {n: (changed if n == belt else streams[n]).isel(time=keep) for n in ("plate_1", "plate_2")}
    return recording.replaced(streams | both)


def codes(recording: Recording) -> list[str]:
    every = examine(recording, surface="treadmill")
    return [f.code for p in every for f in p.findings if f.code.startswith("belt_")]


@pytest.mark.parametrize(
    ("seed", "by_s", "belt", "before_s"), [(0, 0.1, "plate_2", 0.0), (2, 0.3, "plate_1", 0.0), (2, 0.1, "plate_2", 0.1)]
)
def test_a_break_is_told_with_place_and_size_and_taken_away_in_parts(
    seed: int, by_s: float, belt: str, before_s: float
) -> None:
    recording = trial(seed).reference
    whole = late(recording, before_s) if before_s else recording
    broken = lost(whole, by_s, belt)
    findings = examine(broken, surface="treadmill")
    ((plate, finding),) = [(p, f) for p in findings for f in p.findings if f.code.startswith("belt_")]
    change = -by_s if belt == "plate_2" else by_s
    assert (plate.plate, finding.code, finding.severity) == ("plate_2", "belt_break", "error")
    assert finding.value == pytest.approx(1e3 * change, abs=10)
    first, second = plate.belt_parts
    assert (first.late_s, second.late_s) == pytest.approx((before_s, before_s + change), abs=0.018)
    assert first.end_s == second.start_s == pytest.approx(CUT_S, abs=PLACE_S)
    assert f"to {first.end_s:.1f} s" in finding.text
    assert "--correct belts" in finding.text
    assert "--correct belts" in belt_notes(broken)[0]
    # never unasked
    assert codes(correct(broken, findings)) == ["belt_break"]
    mended = correct(broken, findings, ask=CorrectionRequest.of(["belts"]))
    assert codes(mended) == []
    moved = mended.streams["plate_2"]
    rate_hz, size = float(moved.attrs["rate_hz"]), moved.sizes["time"]
    up = moved["fz"].values
    hole = np.arange(round((first.end_s - PLACE_S + 0.01) * rate_hz), round((first.end_s + PLACE_S - 0.01) * rate_hz))
    assert np.isnan(up[hole]).all()
    assert np.isnan(up).sum() < hole.size + 0.9 * rate_hz
    # on the clock of the first belt, which is broken itself where it lost the samples
    true = recording.streams["plate_2"]["fz"].values
    known = np.isfinite(up)
    before, after = known & (np.arange(size) < hole[0]), known & (np.arange(size) > hole[-1])
    due = np.array(true[:size], dtype=np.float64)
    if belt == "plate_1":
        due[after] = true[np.flatnonzero(after) + round(by_s * rate_hz)]
    for part in (before, after):
        assert np.corrcoef(up[part], due[part])[0, 1] > 0.98


def test_a_break_near_half_a_stride_is_told_and_not_mended() -> None:
    broken = lost(trial(2).reference, 0.5)
    findings = examine(broken, surface="treadmill")
    assert codes(broken) == ["belt_break_unsized"]
    mended = correct(broken, findings, ask=CorrectionRequest.of(["belts"]))
    assert codes(mended) == ["belt_break_unsized"]
    assert any("cut the file there" in text and "not corrected" in text for text in mended.provenance.findings)


def test_sensors_on_the_body_are_refused_with_the_place() -> None:
    recording = trial(0).reference
    examined = correct(recording, examine(recording, surface="treadmill"))
    assert belts_apart(examined.streams) is None
    why = belts_apart(lost(examined, 0.2).streams)
    assert why is not None
    assert "break" in why
    assert "200 ms early" in why or "ms early from" in why


@pytest.mark.parametrize("seed", [0, 2])
def test_one_clock_and_one_shift_have_no_break(seed: int) -> None:
    for recording in (trial(seed).reference, late(trial(seed).reference, 0.1)):
        forces = [np.stack([s["fz"].values, s["fx"].values], axis=1) for s in recording.of_kind("force_plate").values()]
        assert belt_parts(*forces, rate_hz=float(recording.streams["plate_1"].attrs["rate_hz"])) == []


@pytest.mark.parametrize("unknown", [slice(0, 12), slice(22, None)])
def test_a_belt_that_is_unknown_at_first_or_at_last_has_no_break_there(unknown: slice) -> None:
    shifted = late(trial(0).reference, 0.1)
    first = shifted.streams["plate_1"].copy(deep=True)
    rate_hz = float(first.attrs["rate_hz"])
    start, stop = (None if s is None else round(s * rate_hz) for s in (unknown.start, unknown.stop))
    for name in first.data_vars:
        first[name].values[start:stop] = np.nan
    assert not [code for code in codes(shifted.replaced(dict(shifted.streams) | {"plate_1": first})) if "break" in code]
