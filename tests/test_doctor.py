"""The force doctor: planted faults are found and taken away, doubtful ones only reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grfkit.calibrate import CorrectionRequest, correct, decided, examine, vertical_force
from grfkit.calibrate.mass import mean_over_strides
from grfkit.calibrate.saturation import flat_top
from grfkit.errors import BadInputError
from grfkit.io.base import ReadOptions
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.signals.treadmill_drift import drift_curve, find_flights, wander_n
from grfkit.units import G

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RATE = 300.0
MASS = 70.0
WEIGHT = MASS * G
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def needs(path: str) -> Path:
    if not (DATA / path).exists():
        pytest.skip(f"no recording at ../shared/data/{path}")
    return DATA / path


def running(seconds: float = 20.0, *, seed: int = 1, noise_n: float = 5.0, rate: float = RATE) -> np.ndarray:
    """Force (samples, 3) of a treadmill runner, x forward, z up: mean vertical force is body weight."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    force = np.zeros((time.size, 3))
    start = 0.1
    while start < seconds:
        step, duty = 0.36 * (1 + 0.02 * rng.standard_normal()), 0.68
        phase = (time - start) / (step * duty)
        on = (phase >= 0) & (phase < 1)
        force[on, 2] += WEIGHT / duty * np.pi / 2 * np.sin(np.pi * phase[on])
        force[on, 0] -= 0.3 * WEIGHT * np.sin(2 * np.pi * phase[on])
        force[on, 1] += 0.05 * WEIGHT * np.sin(np.pi * phase[on])
        start += step
    return force + noise_n * rng.standard_normal(force.shape)


def hits(seconds: float = 8.0, *, at: tuple[float, ...] = (2.0, 5.0), seed: int = 2) -> np.ndarray:
    """Force (samples, 3) of a walker's steps on one plate."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    force = 2.0 * rng.standard_normal((time.size, 3))
    for start in at:
        phase = (time - start) / 0.65
        on = (phase >= 0) & (phase < 1)
        shape = np.sin(np.pi * phase[on]) ** 0.5 * (1.0 - 0.3 * np.sin(np.pi * phase[on]) ** 6)
        force[on, 2] += 1.2 * WEIGHT * shape
        force[on, 0] -= 0.2 * WEIGHT * np.sin(2 * np.pi * phase[on])
    return force


def plate(
    force: np.ndarray,
    *,
    rate: float = RATE,
    vertical: str = "+z",
    unit: str = "N",
    cop: tuple[float, float] = (0.1, -0.2),
) -> xr.Dataset:
    """A plate stream; the moment is that of the force acting at ``cop`` (z up)."""
    arm = np.asarray([cop[0], cop[1], 0.0])
    moment = np.cross(arm, force)
    time = np.arange(len(force)) / rate
    channels = [Channel(f"f{a}", force[:, i], unit, "global") for i, a in enumerate("xyz")]
    channels += [Channel(f"m{a}", moment[:, i], "N m", "global") for i, a in enumerate("xyz")]
    channels += [Channel(f"cop_{a}", np.zeros(len(force)), "m", "global") for a in "xyz"]
    channels += [Channel("free_moment", np.zeros(len(force)), "N m", "global")]
    corners = [0.5, 1.0, 0.0, -0.5, 1.0, 0.0, -0.5, -1.0, 0.0, 0.5, -1.0, 0.0]
    attrs = {"corners_m": corners, "vertical": vertical, "cop_threshold_n": 50.0, "cop_filter_hz": 50.0}
    return make_stream(channels, time, kind="force_plate", rate_hz=rate, attrs=attrs)


def recording(*plates: xr.Dataset) -> Recording:
    streams = {f"plate_{i + 1}": p for i, p in enumerate(plates)}
    return make_recording(streams, device="test", reader="test", provenance=Provenance())


def codes(findings, name: str = "plate_1") -> dict[str, bool]:
    found = next(p for p in decided(findings) if p.plate == name)
    return {f.code: f.corrected for f in found.findings}


@QUICK
@given(offset=st.floats(-0.4, 0.4), seed=st.integers(0, 5))
def test_a_constant_offset_on_a_treadmill_is_found_and_removed(offset, seed):
    force = running(seed=seed)
    force[:, 2] += offset * WEIGHT
    given = recording(plate(force))
    findings = examine(given, surface="treadmill", mass_kg=MASS)
    assert findings[0].zero["fz"] == pytest.approx(offset * WEIGHT, abs=1.5)
    fixed = correct(given, findings).streams["plate_1"]
    np.testing.assert_allclose(vertical_force(fixed), running(seed=seed)[:, 2], atol=3.0)


@QUICK
@given(offset=st.floats(-0.45, 0.45))
def test_a_constant_offset_of_a_walkway_plate_is_found_and_removed(offset):
    force = hits()
    force[:, 2] += offset * WEIGHT
    given = recording(plate(force))
    findings = examine(given, surface="overground", mass_kg=MASS)
    fixed = correct(given, findings).streams["plate_1"]
    np.testing.assert_allclose(vertical_force(fixed), hits()[:, 2], atol=1.5)
    if abs(offset) > 0.01:
        assert fixed.attrs["zero_offset_n"] == pytest.approx(offset * WEIGHT, abs=1.0)
        assert any("zero_offset, corrected" in s for s in correct(given, findings).provenance.findings)


@QUICK
@given(make=st.sampled_from([running, hits]), offset=st.floats(-0.1, 0.1), seed=st.integers(0, 3))
def test_a_turned_sign_is_found(make, offset, seed):
    force = make(seed=seed)
    force[:, 2] += offset * WEIGHT
    upright, turned = recording(plate(force)), recording(plate(-force))
    findings = examine(turned, mass_kg=MASS)
    assert codes(findings)["sign"]
    assert "sign" not in codes(examine(upright, mass_kg=MASS))
    fixed = correct(turned, findings)
    np.testing.assert_allclose(vertical_force(fixed.streams["plate_1"]), make(seed=seed)[:, 2], atol=3.0)
    assert fixed.streams["plate_1"].attrs["sign"] == -1


@QUICK
@given(order=st.permutations([0, 1, 2]), make=st.sampled_from([running, hits]), sign=st.sampled_from([1, -1]))
def test_a_permuted_vertical_axis_is_found(order, make, sign):
    force = sign * make()[:, order]
    axis = "xyz"[order.index(2)]
    given = recording(plate(force))
    findings = examine(given, mass_kg=MASS)
    assert findings[0].vertical == f"+{axis}"
    assert codes(findings).get("vertical_axis", False) == (axis != "z")
    fixed = correct(given, findings).streams["plate_1"]
    assert fixed.attrs["vertical"] == f"+{axis}"
    np.testing.assert_allclose(vertical_force(fixed), make()[:, 2], atol=3.0)


@QUICK
@given(scale=st.floats(0.25, 2.0), make=st.sampled_from([running, hits]), offset=st.floats(-0.2, 0.2))
def test_scaling_force_and_mass_leaves_findings_in_body_weights_unchanged(scale, make, offset):
    force = make() + np.asarray([0.0, 0.0, offset * WEIGHT])
    one = examine(recording(plate(force)), mass_kg=MASS)
    other = examine(recording(plate(scale * force)), mass_kg=scale * MASS)
    assert [p.plate for p in one] == [p.plate for p in other]
    for a, b in zip(one, other):
        assert [(f.code, f.severity, f.certain) for f in a.findings] == [
            (f.code, f.severity, f.certain) for f in b.findings
        ]
        for f, g in zip(a.findings, b.findings):
            size = scale if f.unit in ("N", "kg") else 1.0
            assert g.value == (None if f.value is None else pytest.approx(f.value * size, abs=1e-6, rel=1e-6))


@QUICK
@given(seed=st.integers(0, 20), offset=st.floats(-0.3, 0.3), turned=st.booleans())
def test_a_corrected_recording_has_nothing_left_to_correct(seed, offset, turned):
    force = running(seed=seed) + np.asarray([0.0, 0.0, offset * WEIGHT])
    given = recording(plate(-force if turned else force))
    once = correct(given, examine(given, mass_kg=MASS))
    again = examine(once, mass_kg=MASS)
    assert not {c for c, corrected in codes(again).items() if corrected} - {"zero_offset"}
    assert abs(again[0].zero["fz"]) < 0.0025 * WEIGHT


def test_the_centre_of_pressure_follows_the_correction():
    force = running() + np.asarray([3.0, -4.0, 150.0])
    stream = plate(force)
    stream["mx"] += 20.0 - (-0.2) * 150.0
    given = recording(stream)
    fixed = correct(given, examine(given, surface="treadmill", mass_kg=MASS)).streams["plate_1"]
    loaded = vertical_force(fixed) > 300.0
    assert np.nanmax(np.abs(fixed["cop_x"].values[loaded] - 0.1)) < 0.01
    assert np.nanmax(np.abs(fixed["cop_y"].values[loaded] + 0.2)) < 0.01
    assert np.isnan(fixed["cop_x"].values[vertical_force(fixed) < 20.0]).mean() > 0.9


@pytest.mark.parametrize(
    ("force", "code", "field", "advice", "done"),
    [
        (running() + np.asarray([0.0, 0.0, -229.9]), "zero_offset", "zero", "; subtract it", "was -229.9 N"),
        (-running(), "sign", "sign", "; turn forces and moments round", "; forces and moments were turned round"),
        (running()[:, [2, 1, 0]], "vertical_axis", "vertical", "(--correct vertical)", "; x was taken as vertical"),
        (
            running(60.0) + np.outer(np.linspace(0, 0.2 * WEIGHT, int(60 * RATE)), [0.0, 0.0, 1.0]),
            "drift", "drift", "; subtract the spline", "the spline through it was subtracted",
        ),
    ],
)  # fmt: skip
def test_a_finding_says_what_to_do_and_once_it_is_done_what_was_done(force, code, field, advice, done):
    findings = examine(recording(plate(force)), surface="treadmill", mass_kg=MASS)
    assert advice in findings[0].get(code).text
    corrected = decided(findings)[0].get(code)
    assert corrected.corrected
    assert done in corrected.text
    assert advice not in corrected.text
    assert "done" not in corrected.model_dump()
    left = decided(findings, CorrectionRequest.of(never=[field]))[0].get(code)
    assert (left.corrected, left.text) == (False, findings[0].get(code).text)
    sentences = correct(recording(plate(force)), findings).provenance.findings
    assert any(done in s and f"[{code}, corrected]" in s for s in sentences)


def test_quiet_standing_is_not_taken_for_an_offset():
    rng = np.random.default_rng(3)
    time = np.arange(int(20 * RATE)) / RATE
    sway = 8.0 * np.sin(2 * np.pi * 0.7 * time)
    standing = np.stack([0 * time, 0 * time, 0.5 * WEIGHT + sway], axis=1) + rng.standard_normal((time.size, 3))
    given = recording(plate(standing))
    assert not any(codes(examine(given, mass_kg=MASS)).values())
    stepping_on = standing.copy()
    stepping_on[time < 3] = rng.standard_normal((int((time < 3).sum()), 3)) + np.asarray([0, 0, -200.0])
    findings = examine(recording(plate(stepping_on)), mass_kg=MASS)
    assert findings[0].zero["fz"] == pytest.approx(-200.0, abs=1.0)
    assert codes(findings)["zero_offset"] is False  # either level may be the empty plate
    stepping_on[:, 2] += 0.2 * WEIGHT * np.exp(-(((time - 3.3) / 0.15) ** 2))
    assert codes(examine(recording(plate(stepping_on)), mass_kg=MASS))["zero_offset"]  # now only one can


def test_sitting_with_the_feet_on_the_plate_is_reported_and_left():
    rng = np.random.default_rng(4)
    time = np.arange(int(16 * RATE)) / RATE
    up = np.clip((time - 3.0) / 0.8, 0, 1) - np.clip((time - 9.0) / 0.8, 0, 1)
    seated = 0.2 * WEIGHT + 12.0 * np.clip(time - 9.8, 0, 1)
    force = np.stack([0 * time, 0 * time, seated + 0.8 * WEIGHT * up], axis=1) + rng.standard_normal((time.size, 3))
    found = examine(recording(plate(force)), surface="overground", mass_kg=MASS)
    assert codes(found)["zero_offset"] is False
    asked = correct(recording(plate(force)), found, ask=CorrectionRequest(zero="always")).streams["plate_1"]
    assert np.median(vertical_force(asked)[: int(2 * RATE)]) == pytest.approx(0.0, abs=15.0)


def test_treadmill_walking_with_no_unloaded_phase_keeps_its_level():
    time = np.arange(int(20 * RATE)) / RATE
    load = WEIGHT * (1.0 + 0.25 * np.sin(2 * np.pi * 1.9 * time))
    force = np.stack([0.1 * WEIGHT * np.cos(2 * np.pi * 1.9 * time), 0 * time, load], axis=1)
    findings = examine(recording(plate(force)), surface="treadmill", mass_kg=MASS)
    assert codes(findings) == {"no_baseline": False}
    turned = examine(recording(plate(-force)), surface="treadmill", mass_kg=MASS)
    assert codes(turned)["sign"]


def test_an_idle_plate_is_zeroed_only_beyond_doubt():
    rng = np.random.default_rng(5)
    idle = rng.standard_normal((int(8 * RATE), 3))
    for level, corrected in ((-230.0, True), (230.0, False), (15.0, True)):
        findings = examine(recording(plate(hits()), plate(idle + np.asarray([0, 0, level]))), mass_kg=MASS)
        assert any(codes(findings, "plate_2").values()) is corrected, level
    alone = examine(recording(plate(idle + np.asarray([0, 0, -230.0]))), mass_kg=MASS)
    assert codes(alone)["constant_load"] is False


@pytest.mark.parametrize("range_bw", [0.0, 0.2])
def test_treadmill_drift_is_reported_and_corrected_where_it_is_clear(range_bw):
    force = running(60.0)
    drift = range_bw * WEIGHT * np.sin(np.linspace(0, np.pi / 2, len(force)))
    given = recording(plate(force + np.stack([0 * drift, 0 * drift, drift], axis=1)))
    findings = examine(given, surface="treadmill", mass_kg=MASS)
    assert codes(findings).get("drift", False) is (range_bw > 0)
    fixed = correct(given, findings).streams["plate_1"]
    assert np.sqrt(np.mean((vertical_force(fixed) - force[:, 2]) ** 2)) < 3.0
    left = correct(given, findings, ask=CorrectionRequest(drift="never", zero="never"))
    np.testing.assert_array_equal(left.streams["plate_1"]["fz"].values, given.streams["plate_1"]["fz"].values)


@pytest.mark.parametrize("cut_s", [0.0, 0.13, 0.2, 0.31])
def test_drift_is_held_before_the_first_and_after_the_last_flight(cut_s):
    force = running(30.0, noise_n=0.0)[int(cut_s * RATE) :, 2]
    drift = 80.0 + 2.0 * np.arange(force.size) / RATE
    flights = find_flights(force + drift, rate_hz=RATE, threshold_n=0.1 * WEIGHT)
    error = drift_curve(force + drift, flights, rate_hz=RATE) - drift
    assert np.abs(error).max() < 1.6  # at most 0.8 s of 2 N/s
    assert flights.start[0] > 0
    assert flights.end[-1] < force.size


def test_a_stop_and_gaps_do_not_bend_the_drift():
    force = running(40.0, noise_n=3.0)[:, 2]
    drift = np.linspace(-60.0, 60.0, force.size)
    force[3000:6000] = WEIGHT
    force[8000:8100] = np.nan
    flights = find_flights(force + drift, rate_hz=RATE, threshold_n=0.1 * WEIGHT)
    assert np.abs(drift_curve(force + drift, flights, rate_hz=RATE) - drift).max() < 8.0


def test_dryft_sample_is_freed_of_the_drift_its_authors_added():
    """Alcantara, JOSS 4(44):1910, 2019: their corrected mid-flight values have an RMS of 0.09 N."""
    drifted = np.loadtxt(needs("dryft_sample/dryft/sample/custom_drift_S001runT25.csv"))
    true = np.genfromtxt(needs("rbds_fukuchi/RBDS001runT25forces.txt"), skip_header=1)[:, 2]
    assert np.ptp(drifted - true) > 112.0
    flights = find_flights(drifted, rate_hz=300.0, threshold_n=60.0)
    detrended = drifted - drift_curve(drifted, flights, rate_hz=300.0)
    assert np.sqrt(np.mean((detrended - true) ** 2)) < 0.05
    assert np.abs(detrended - true).max() < 1.0
    assert np.sqrt(np.mean(flights.values(detrended) ** 2)) < 0.09
    assert wander_n(flights.values(drifted)) == pytest.approx(112.0, abs=1.0)


def test_clipping_is_told_from_a_coarse_converter():
    force = running(noise_n=0.0)[:, 2]
    assert flat_top(np.minimum(force, 1400.0), smallest_n=70.0)[0] > 100
    assert flat_top(np.round(force / 5.0) * 5.0, smallest_n=70.0)[0] == 0
    assert flat_top(force, smallest_n=70.0)[0] == 0
    clipped = running()
    clipped[:, 2] = np.minimum(clipped[:, 2], 1300.0)
    finding = examine(recording(plate(clipped)), mass_kg=MASS)[0].get("saturation")
    assert finding is not None
    assert "fz stays at 1300.0 N" in finding.text


def test_mass_is_checked_against_the_running_load():
    given = recording(plate(running(30.0)))
    told = {m: examine(given, surface="treadmill", mass_kg=m)[-1].get("mass") for m in (70.0, 61.6, 50.0, None)}
    assert [told[m].severity for m in (70.0, 61.6, 50.0, None)] == ["info", "warning", "error", "info"]
    assert told[61.6].value == pytest.approx(70.0, rel=0.02)
    assert "+1" in told[61.6].text
    assert "expected within 5 %" in told[61.6].text
    assert examine(given, surface="overground", mass_kg=70.0)[-1].plate == "plate_1"


def test_the_running_mean_takes_whole_strides_of_an_asymmetric_runner():
    time = np.arange(int(12.5 * RATE)) / RATE
    phase = time % 0.7
    load = np.where(phase < 0.24, 1.2, np.where((phase >= 0.35) & (phase < 0.59), 0.8, 0.0)) * WEIGHT / 0.48 * 0.7
    newtons, strides = mean_over_strides(load, rate_hz=RATE, weight_n=WEIGHT)
    assert newtons == pytest.approx(WEIGHT, rel=0.01)
    assert strides >= 16


def test_split_belt_force_is_summed_for_the_mass():
    force = running(30.0)
    left = force.copy()
    flights = find_flights(force[:, 2], rate_hz=RATE, threshold_n=0.1 * WEIGHT)
    middle = flights.middle().astype(int)
    foot = np.searchsorted(middle, np.arange(len(force))) % 2
    left[foot == 1] = 0.0
    found = examine(recording(plate(left), plate(force - left)), surface="treadmill", mass_kg=MASS)
    assert found[-1].plate == "all"
    assert found[-1].findings[0].value == pytest.approx(MASS, rel=0.02)
    one_belt = examine(recording(plate(left)), surface="treadmill", mass_kg=MASS)
    assert [p.plate for p in one_belt] == ["plate_1"]  # half the steps say nothing about the mass


def test_the_sign_is_seen_in_two_steps_of_a_minute():
    force = hits(60.0) + np.asarray([0.0, 0.0, 45.0])
    found = examine(recording(plate(-force)), surface="overground", mass_kg=MASS)
    assert codes(found)["sign"]


@pytest.mark.parametrize("seed", range(4))
def test_shuffling_before_a_run_is_not_taken_for_drift(seed):
    rng = np.random.default_rng(seed)
    before = int(12 * RATE)
    time = np.arange(before) / RATE
    force = running(30.0, seed=seed)
    shuffle = 1.0 + np.interp(time, np.arange(0, 13, 0.25), 0.6 * rng.uniform(-1, 1, 52))
    standing = np.stack([0 * time, 0 * time, WEIGHT * shuffle], axis=1)
    whole = np.concatenate([standing, force, standing])
    found = examine(recording(plate(whole)), surface="treadmill", mass_kg=MASS)
    assert not any(codes(found).values())
    assert found[-1].findings[0].value == pytest.approx(MASS, rel=0.02)


def test_a_request_is_made_from_names():
    assert CorrectionRequest.of(["drift"], never=["sign"]) == CorrectionRequest(drift="always", sign="never")
    with pytest.raises(BadInputError, match="correction 'mass' is not known; expected one of zero, sign"):
        CorrectionRequest.of(["mass"])
    with pytest.raises(BadInputError, match="correction 'zero' is asked for and forbidden"):
        CorrectionRequest.of(["zero"], never=["zero"])


def test_a_squat_on_two_quiet_levels_is_not_turned_round():
    rng = np.random.default_rng(6)
    time = np.arange(int(10 * RATE)) / RATE
    dip = np.exp(-(((time - 5.0) / 0.5) ** 2))
    force = np.stack([0 * time, 0 * time, 0.5 * WEIGHT * (1 - 0.9 * dip)], axis=1)
    for sign in (1, -1):
        found = examine(recording(plate(sign * force + rng.standard_normal(force.shape))), mass_kg=MASS)
        assert not any(codes(found).values())


def test_a_single_channel_without_axis_is_vertical():
    """Bach 2022's file holds the treadmill's vertical force alone, negative under load."""
    time = np.arange(6000) / RATE
    force = -running()[:6000, 2]
    stream = make_stream([Channel("fz", force, "N", "global")], time, kind="force_plate", rate_hz=RATE)
    given = recording(stream)
    fixed = correct(given, examine(given, mass_kg=MASS))
    np.testing.assert_allclose(vertical_force(fixed.streams["plate_1"]), running()[:6000, 2], atol=3.0)


def test_a_plate_in_another_unit_or_without_force_is_named():
    counts = recording(plate(running(), unit="count"))
    named = examine(counts, mass_kg=MASS)
    assert [f.code for p in named for f in p.findings] == ["not_newtons"]
    assert "count" in named[0].get("not_newtons").text
    untouched = correct(counts, named).streams["plate_1"]
    np.testing.assert_array_equal(untouched["fz"].values, counts.streams["plate_1"]["fz"].values)
    assert untouched["fz"].attrs["units"] == "count"
    empty = examine(recording(plate(np.full((600, 3), np.nan))))
    assert empty[0].get("no_force").severity == "error"
    still = plate(np.ones((600, 3)), vertical="")
    with pytest.raises(BadInputError, match="vertical axis of the force plate is unknown"):
        vertical_force(still)


@pytest.mark.parametrize("stated", [5.0, 10.0, 30.0, 250.0])
def test_a_mistyped_mass_is_told_however_wrong(stated: float):
    found = [f for p in examine(recording(plate(running())), surface="treadmill", mass_kg=stated) for f in p.findings]
    assert [f.severity for f in found if f.code == "mass"] == ["error"]


def test_missing_samples_stay_missing():
    force = running()
    force[2000:2300] = np.nan
    given = recording(plate(force + np.asarray([0, 0, 100.0])))
    fixed = correct(given, examine(given, mass_kg=MASS)).streams["plate_1"]
    assert np.isnan(vertical_force(fixed)[2000:2300]).all()
    assert np.isfinite(vertical_force(fixed)[:2000]).all()


def read_c3d(path: str) -> Recording:
    from grfkit.io.readers.c3d import READER

    return READER.read(needs(path), ReadOptions())


@pytest.mark.recordings
@pytest.mark.parametrize("mass", [None, 75.0])
@pytest.mark.parametrize("surface", ["overground", None])
def test_pomarat_plates_that_stand_at_minus_230_newtons_are_zeroed(surface, mass):
    given = read_c3d("pomarat_loadsol/test_poussee_4_fp.c3d")
    findings = examine(given, surface=surface, mass_kg=mass)
    assert [round(p.zero["fz"]) for p in findings[:3]] == [-230, -230, -227]
    assert codes(findings, "plate_1")["zero_offset"]
    assert codes(findings, "plate_3")["constant_load"]
    assert codes(findings, "plate_4")["wandering_zero"] is False
    fixed = correct(given, findings)
    total = sum(vertical_force(s) for s in fixed.of_kind("force_plate").values())
    assert np.median(total[:2000]) == pytest.approx(0.0, abs=6.0)  # nobody there yet
    assert np.median(total[8000:20000]) == pytest.approx(560.0, abs=40.0)  # the person test_poids shows at 560 N
    assert np.isfinite(fixed.streams["plate_2"]["cop_x"].values[5232])


@pytest.mark.recordings
def test_pomarat_standing_is_left_as_it_is():
    given = read_c3d("pomarat_loadsol/test_poids.c3d")
    findings = examine(given, surface="overground")
    assert not any(any(codes(findings, p.plate).values()) for p in findings)


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("path", "mass", "vertical"),
    [("rbds_runners/RBDS010runT35.c3d", None, "+y"), ("rbds_fukuchi/RBDS001runT35.c3d", 62.0, "+y")],
)
def test_rbds_treadmill_offset_is_small_and_removed(path, mass, vertical):
    given = read_c3d(path)
    findings = examine(given, surface="treadmill", mass_kg=mass)
    assert findings[0].vertical == vertical
    assert findings[0].get("sign") is None
    assert -8.0 < findings[0].zero["fy"] < 20.0
    fixed = correct(given, findings).streams["plate_1"]
    flights = find_flights(vertical_force(fixed), rate_hz=300.0, threshold_n=60.0)
    assert abs(np.median(flights.values(vertical_force(fixed)))) < 1.0
    assert findings[-1].findings[0].severity == "info"


@pytest.mark.recordings
def test_walkway_with_suppressed_zero_needs_nothing():
    given = read_c3d("schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05.c3d")
    findings = examine(given, surface="overground")
    assert not any(any(codes(findings, p.plate).values()) for p in findings)
    assert "set to one value" in findings[0].get("noise").text


@pytest.mark.recordings
def test_bach_negative_load_is_turned_up():
    from scipy.io import loadmat

    trials = loadmat(needs("bach2022_shank_acc_vgrf/data/walk+run.mat"), squeeze_me=True)["data"]
    signs, troughs = [], []
    for trial in trials:
        force = np.asarray(trial["GroundReactionForce"], dtype=np.float64)
        channel = Channel("fz", force, "N", "global")
        stream = make_stream([channel], np.arange(force.size) / 142.857, kind="force_plate", rate_hz=142.857)
        given = recording(stream)
        findings = examine(given, surface="treadmill")
        signs.append(codes(findings).get("sign"))
        load = vertical_force(correct(given, findings).streams["plate_1"])
        troughs.append(np.nanpercentile(load, 5.0))
    assert signs == [True] * len(trials)
    assert max(np.abs(troughs)) < 30.0


@pytest.mark.recordings
@pytest.mark.parametrize("speed", ["200", "300"])
def test_hamner_mean_load_is_that_of_its_source(speed):
    """SOURCE.md of the nimblephysics folder: mean vertical force 712 to 716 N, Hamner's subject 01."""
    from grfkit.io.readers.opensim import READER

    folder = "nimblephysics/data/osim/HamnerMultipleTrials"
    given = READER.read(needs(f"{folder}/run{speed}_grf.mot"), ReadOptions())
    found = examine(given, surface="treadmill")[-1].findings[0]
    assert found.value * G == pytest.approx(714.0, abs=8.0)


@pytest.mark.recordings
def test_a_kistler_file_that_holds_the_force_on_the_plate_is_turned_round():
    given = read_c3d("ezc3d_testfiles/Kistler.c3d")
    findings = examine(given)
    assert [codes(findings, name)["sign"] for name in ("plate_1", "plate_2")] == [True, True]
    for stream in correct(given, findings).of_kind("force_plate").values():
        assert np.nanmax(vertical_force(stream)) > 800.0


@pytest.mark.parametrize("jump", [93.0, -93.0, 200.0, -200.0, 300.0])
@pytest.mark.parametrize("part", [0.5, 0.75])
def test_a_zero_that_shifts_on_a_treadmill_is_told_apart_from_drift_and_taken_away(jump, part):
    force = running(30.0)
    at = int(part * len(force)) + 37
    shifted = force.copy()
    shifted[at:, 2] += jump
    given = recording(plate(shifted))
    findings = examine(given, surface="treadmill", mass_kg=MASS)
    assert codes(findings).get("zero_shift") is True
    assert "drift" not in codes(findings)
    found = findings[0].get("zero_shift")
    assert found.value == pytest.approx(jump, abs=3.0)
    second = float(found.text.split(" at ")[1].split(" s")[0])
    assert second == pytest.approx(at / RATE, abs=0.2)
    fixed = vertical_force(correct(given, findings).streams["plate_1"])
    # a jump within a steep part of a contact is not to be seen: there a part of one contact stays off
    contact = slice(at - int(0.3 * RATE), at + int(0.3 * RATE))
    error = np.abs(fixed - force[:, 2])
    assert np.delete(error, np.arange(len(force))[contact]).max() < 6.0
    assert error[contact].max() < abs(jump) + 6.0
    assert "piece by piece" in decided(findings)[0].get("zero_shift").text


def test_two_shifts_and_a_turned_plate_are_handled_alike():
    force = running(40.0)
    shifted = force.copy()
    shifted[4000:, 2] += 80.0
    shifted[8000:, 2] -= 130.0
    for sign in (1.0, -1.0):
        given = recording(plate(sign * shifted))
        findings = examine(given, surface="treadmill", mass_kg=MASS)
        assert findings[0].get("zero_shift").text.count(" N at ") == 2
        fixed = vertical_force(correct(given, findings).streams["plate_1"])
        assert np.sqrt(np.mean((fixed - force[:, 2]) ** 2)) < 4.0


def test_smooth_drift_is_no_shift():
    force = running(60.0)
    for drift in (np.linspace(0, 200, len(force)), 40 * np.sin(np.linspace(0, 9, len(force)))):
        moved = force + np.outer(drift, [0.0, 0.0, 1.0])
        found = codes(examine(recording(plate(moved)), surface="treadmill", mass_kg=MASS))
        assert found["drift"]
        assert "zero_shift" not in found


@pytest.mark.parametrize("jump", [20.0, 93.0, -93.0, 200.0])
def test_a_walkway_plate_that_rests_at_another_level_is_told(jump):
    force = hits(20.0, at=(2.0, 4.0, 6.0, 8.0, 12.0, 14.0, 16.0))
    force[int(10.5 * RATE) :, 2] += jump
    findings = examine(recording(plate(force)), surface="overground", mass_kg=MASS)
    shift = findings[0].get("level_shift")
    assert shift is not None
    assert shift.value == pytest.approx(jump, abs=3.0)
    assert "at 10." in shift.text
    assert "cut the recording there" in shift.text


def test_standing_and_sitting_on_a_plate_is_no_shift_of_its_level():
    rng = np.random.default_rng(6)
    time = np.arange(int(20 * RATE)) / RATE
    still = rng.standard_normal((time.size, 3))
    stands = still + np.outer(np.where(time > 8, 0.4 * WEIGHT, 0.0), [0.0, 0.0, 1.0])
    assert "level_shift" not in codes(examine(recording(plate(stands)), surface="overground", mass_kg=MASS))
    walked = hits(20.0, at=(2.0, 5.0, 8.0, 11.0, 14.0, 17.0))
    assert "level_shift" not in codes(examine(recording(plate(walked)), surface="overground", mass_kg=MASS))
