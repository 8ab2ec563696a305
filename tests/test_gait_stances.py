"""Stances of trials: side, feet across plates, two feet, partial hits; centre of pressure; the simulated lab."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grfkit.errors import BadInputError
from grfkit.gait.contacts import PARTIAL, RULES, TOO_LONG, TWO_FEET, UNDERLOADED, ContactTimes, counted, rule_of
from grfkit.gait.cop import combined_cop, cop_in_plate, edge_distance_m, insole_cop
from grfkit.gait.detector_offset import detector_offset
from grfkit.gait.stances import Stances, causal_insole, find_stances, insole_total
from grfkit.records import Channel, Trial, make_stream
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial

Floats = NDArray[np.float64]
WALK = RULES["20N"].walking()
CORNERS = np.asarray([[0.6, 0.4, 0], [0, 0.4, 0], [0, 0, 0], [0.6, 0, 0]])
"""A plate from (0, 0) to (0.6, 0.4) m."""


def pulse(time: Floats, start: float, end: float, top: float = 800.0) -> Floats:
    """Return a force that rises and falls within 20 ms."""
    return top * np.interp(time, [start, start + 0.02, end - 0.02, end], [0, 1, 1, 0])


def plate(time: Floats, up: Floats, x: Floats, y: Floats, *, shift_m: float = 0.0, knows: str = "") -> xr.Dataset:
    """Return a plate stream, its surface moved by ``shift_m`` along x."""
    loaded = up > 20
    channels = [
        Channel("fz", up, "N"),
        Channel("cop_x", np.where(loaded, x, np.nan), "m"),
        Channel("cop_y", np.where(loaded, y, np.nan), "m"),
        Channel("cop_z", np.where(loaded, 0.0, np.nan), "m"),
    ]
    corners = (CORNERS + np.asarray([shift_m, 0, 0])).ravel().tolist()
    about = {"corners_m": corners, "vertical": "+z", "knows_feet": knows}
    return make_stream(channels, time, kind="force_plate", rate_hz=1000.0, attrs=about)


def trial(streams: dict[str, xr.Dataset], *, surface: str = "overground", mass_kg: float = 70.0) -> Trial:
    """Return a trial of these streams, by their paths."""
    tree = xr.DataTree.from_dict({f"/{name}": stream for name, stream in streams.items()})
    tree.attrs.update(artefact="trial", surface=surface, mass_kg=mass_kg)
    return Trial(tree)


def insole(time: Floats, load: Floats, side: str) -> xr.Dataset:
    """Return an insole stream of one force."""
    side_of = "left" if side == "left" else "right"
    return make_stream([Channel("force", load, "N")], time, kind="insole", rate_hz=1000.0, side=side_of)


TIME = np.arange(0, 6, 1e-3)


def rolling(start: float, end: float, low: float = 0.15, high: float = 0.38) -> Floats:
    """Return a place that rolls from heel to toe during a contact."""
    return np.interp(TIME, [start, end], [low, high])


def test_a_clean_hit_on_each_of_two_plates_is_two_stances_even_in_double_support() -> None:
    one = plate(TIME, pulse(TIME, 1.0, 1.7), rolling(1.0, 1.7), np.full(TIME.size, 0.2))
    two = plate(TIME, pulse(TIME, 1.55, 2.25), rolling(1.55, 2.25) + 0.6, np.full(TIME.size, 0.2), shift_m=0.6)
    found = find_stances(trial({"reference/plate_1": one, "reference/plate_2": two}), rule=WALK)
    assert [s.plates for s in found.stances] == [("reference/plate_1",), ("reference/plate_2",)]
    assert (found.merged, found.rejected) == (0, {})
    np.testing.assert_allclose(found.times.ic_s, [1.0005, 1.5505], atol=1e-6)
    assert {s.side for s in found.stances} == {"unknown"}


def test_a_foot_across_two_plates_is_one_stance_of_their_sum() -> None:
    heel, toe = pulse(TIME, 1.0, 1.5), pulse(TIME, 1.1, 1.7)
    one = plate(TIME, heel, np.full(TIME.size, 0.55), np.full(TIME.size, 0.2))
    two = plate(TIME, toe, np.full(TIME.size, 0.7), np.full(TIME.size, 0.2), shift_m=0.6)
    found = find_stances(trial({"reference/plate_1": one, "reference/plate_2": two}), rule=WALK)
    assert found.merged == 1
    assert len(found.stances) == 1
    assert found.stances[0].plates == ("reference/plate_1", "reference/plate_2")
    assert found.stances[0].ic_s == pytest.approx(1.0005, abs=1e-6)
    assert found.stances[0].to_s == pytest.approx(1.6995, abs=1e-6)


def test_partial_hits_and_two_feet_on_one_plate_are_counted() -> None:
    up = pulse(TIME, 1.0, 1.7) + pulse(TIME, 2.5, 3.2) + pulse(TIME, 4.0, 5.1)
    x = np.where(TIME < 2, rolling(1.0, 1.7), np.where(TIME < 3.5, rolling(2.5, 3.2, 0.35, 0.60), 0.0))
    x = np.where(TIME > 3.5, np.interp(TIME, [4.0, 4.5, 4.6, 5.1], [0.05, 0.2, 0.35, 0.5]), x)
    found = find_stances(trial({"reference/plate_1": plate(TIME, up, x, np.full(TIME.size, 0.2))}), rule=WALK)
    assert found.rejected == {PARTIAL: 1, TWO_FEET: 1}
    assert len(found.stances) == 1
    assert found.stances[0].ic_s == pytest.approx(1.0005, abs=1e-6)


def test_a_runner_who_stands_is_too_long_and_not_two_feet() -> None:
    up = pulse(TIME, 1.0, 4.0)
    still = np.full(TIME.size, 0.3)
    found = find_stances(trial({"reference/plate_1": plate(TIME, up, still, still - 0.1)}))
    assert found.rejected == {TOO_LONG: 1}


def test_sides_come_from_the_plate_then_from_the_insole() -> None:
    up = pulse(TIME, 1.0, 1.25) + pulse(TIME, 1.35, 1.6) + pulse(TIME, 1.7, 1.95)
    place = np.full(TIME.size, 0.2)
    known = plate(TIME, up, place, place, knows="right")
    assert {s.side for s in find_stances(trial({"reference/plate_1": known})).stances} == {"right"}
    unknown = plate(TIME, up, place, place)
    left, right = pulse(TIME, 1.01, 1.26) + pulse(TIME, 1.71, 1.96), pulse(TIME, 1.36, 1.62)
    worn = {
        "reference/plate_1": unknown,
        "insole_left": insole(TIME, left, "left"),
        "insole_right": insole(TIME, right + pulse(TIME, 3.0, 3.25) + pulse(TIME, 3.7, 3.95), "right"),
    }
    found = find_stances(trial(worn, surface="treadmill"))
    assert [s.side for s in found.stances] == ["left", "right", "left"]
    assert found.feet.tolist() == [0, 1, 0]


def test_a_contact_during_which_both_insoles_are_loaded_has_no_side() -> None:
    place = np.full(TIME.size, 0.2)
    both = pulse(TIME, 1.0, 1.25) + pulse(TIME, 2.0, 2.25) + pulse(TIME, 3.0, 3.25)
    worn = {
        "reference/plate_1": plate(TIME, pulse(TIME, 1.0, 1.25), place, place),
        "insole_left": insole(TIME, both, "left"),
        "insole_right": insole(TIME, both, "right"),
    }
    assert [s.side for s in find_stances(trial(worn, surface="treadmill")).stances] == ["unknown"]


def test_two_belts_that_know_no_feet_are_one_surface() -> None:
    place = np.full(TIME.size, 0.2)
    half = pulse(TIME, 1.0, 1.25, 400.0) + pulse(TIME, 1.5, 1.75, 18.0)
    one, two = plate(TIME, half, place, place), plate(TIME, half, place + 0.6, place, shift_m=0.6)
    found = find_stances(trial({"reference/plate_1": one, "reference/plate_2": two}, surface="treadmill"))
    assert found.times.size == 2  # 18 N on each belt are 36 N together, 20 N and half as much again are 30 N
    assert found.stances[0].plates == ("reference/plate_1", "reference/plate_2")


def test_force_on_the_plate_is_turned_round() -> None:
    place = np.full(TIME.size, 0.2)
    up = pulse(TIME, 1.0, 1.25)
    stream = plate(TIME, up, place, place)
    stream["fz"] = stream["fz"].copy(data=-up)
    assert find_stances(trial({"reference/plate_1": stream})).times.size == 1


def test_what_a_trial_does_not_hold_is_refused() -> None:
    place = np.full(TIME.size, 0.2)
    only = trial({"reference/plate_1": plate(TIME, pulse(TIME, 1.0, 1.25), place, place)}, mass_kg=float("nan"))
    with pytest.raises(BadInputError, match=r"no insole stream .* it holds reference/plate_1"):
        find_stances(only, source="insole")
    with pytest.raises(BadInputError, match="mass is nan"):
        find_stances(only, rule="5%BW")
    with pytest.raises(BadInputError, match="expected one of force"):
        find_stances(only, source="shoes")  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="no force plate"):
        find_stances(trial({"insole_left": insole(TIME, pulse(TIME, 1.0, 1.25), "left")}))


def test_a_dead_cell_counts_as_empty_and_a_missing_sample_as_missing() -> None:
    cells = [Channel(f"cell_{k:02d}", np.full(5, float(k)), "count") for k in range(1, 4)]
    cells.append(Channel("cell_04", np.full(5, np.nan), "count"))
    stream = make_stream(cells, np.arange(5) / 100.0, kind="insole")
    stream["cell_01"].values[2] = np.nan
    total, unit = insole_total(stream)
    np.testing.assert_array_equal(total, [6, 6, np.nan, 6, 6])
    assert unit == "count"


PLACES = np.asarray([[0.0, 0.01], [0.1, -0.01], [0.2, 0.0]])


def test_insole_cop_by_hand_with_gain_dead_cell_and_guard() -> None:
    cells = np.asarray([[100.0, 100, 200], [np.nan, 100, 300], [0, 0, 0], [1, 1, 1], [-50, 0, 100]])
    found = insole_cop(cells, PLACES)
    np.testing.assert_allclose(found[0], [0.125, 0.0], atol=1e-12)
    np.testing.assert_allclose(found[1], [0.175, -0.0025], atol=1e-12)
    assert np.isnan(found[2:4]).all()
    np.testing.assert_allclose(found[4], [0.2, 0.0], atol=1e-12)
    weighted = insole_cop(cells, PLACES, gain=np.asarray([1.0, 1.0, 0.5]))
    np.testing.assert_allclose(weighted[0], [0.1 * 100 / 300 + 0.2 * 100 / 300, 0.0], atol=1e-12)
    with pytest.raises(BadInputError, match="do not fit"):
        insole_cop(cells, PLACES[:2])


@given(
    loads=st.lists(st.lists(st.floats(0, 1e4), min_size=3, max_size=3), min_size=1, max_size=10),
    scale=st.floats(0.1, 10),
)
def test_insole_cop_lies_among_the_cells_and_scale_does_not_matter(loads: list[list[float]], scale: float) -> None:
    cells = np.asarray(loads)
    found, scaled = insole_cop(cells, PLACES), insole_cop(cells * scale, PLACES)
    seen = np.isfinite(found[:, 0]) & np.isfinite(scaled[:, 0])
    np.testing.assert_allclose(scaled[seen], found[seen], atol=1e-9)
    assert (found[seen] >= PLACES.min(axis=0) - 1e-9).all()
    assert (found[seen] <= PLACES.max(axis=0) + 1e-9).all()


def test_places_on_a_plate_that_stands_askew() -> None:
    angle = np.deg2rad(30.0)
    turn = np.asarray([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    corners = CORNERS @ turn.T + [2.0, 3.0, 0.0]
    inside = np.asarray([[0.3, 0.2, 0.0], [0.59, 0.2, 0.0], [0.3, 0.45, 0.0], [np.nan] * 3])
    moved = inside @ turn.T + [2.0, 3.0, 0.0]
    np.testing.assert_allclose(edge_distance_m(moved, corners)[:3], [0.2, 0.01, -0.05], atol=1e-12)
    np.testing.assert_allclose(cop_in_plate(moved, corners)[:2], [[0, 0], [0.29, 0]], atol=1e-12)


def test_a_seam_between_plates_is_no_edge() -> None:
    both = np.stack([CORNERS, CORNERS + np.asarray([0.6, 0, 0])])
    seam = np.asarray([[0.6, 0.2, 0.0]])
    assert edge_distance_m(seam, both)[0] == pytest.approx(0.2)
    assert edge_distance_m(seam, CORNERS)[0] == pytest.approx(0.0)


def test_combined_cop_weighs_by_force_and_leaves_out_what_is_empty() -> None:
    force = [np.asarray([300.0, 5.0, 0.0]), np.asarray([100.0, 100.0, 0.0])]
    cop = [np.asarray([[0.0, 0, 0], [9.0, 9, 9], [np.nan] * 3]), np.asarray([[0.4, 0, 0], [0.4, 0, 0], [np.nan] * 3])]
    found = combined_cop(force, cop)
    np.testing.assert_allclose(found[:2, 0], [0.1, 0.4])
    assert np.isnan(found[2]).all()


@lru_cache(maxsize=8)
def lab(gait: str, surface: str, seed: int) -> LabTrial:
    """Return a simulated trial, made once."""
    walk = gait == "walk"
    belt = surface == "treadmill"
    condition = Condition(
        gait="walk" if walk else "run",
        surface="treadmill" if belt else "overground",
        split_belt=walk and belt,
        duration_s=40.0 if belt else None,
        wearables=("insole", "imu"),
    )
    return simulate_trial(condition, seed)


def on_true_clock(made: LabTrial) -> Trial:
    """Return a simulated trial on the reference clock, by its true clocks."""
    streams = {f"reference/{name}": stream for name, stream in made.reference.streams.items()}
    for (wearable, name), known in made.truth.streams.items():
        stream = made.wearables[wearable].streams[name]
        at = known.t_reference(np.asarray(stream["time"].values))
        streams[name] = stream.assign_coords(time=("time", at, {"units": "s"}))
    condition = made.truth.condition
    return trial(streams, surface=condition.surface, mass_kg=made.truth.world.situation.mass_kg)


def truth_of(made: LabTrial, low_s: float, high_s: float, foot: int | None = None) -> ContactTimes:
    """Return the true contacts with onset in a span."""
    table = made.truth.contacts
    keep = (table.onset_s > low_s) & (table.onset_s < high_s)
    if foot is not None:
        keep &= table.left == (foot == 0)
    return ContactTimes(table.onset_s[keep], (table.onset_s + table.contact_s)[keep], "truth")


def spanned(found: Stances, low_s: float, high_s: float, foot: int | None = None) -> ContactTimes:
    """Return the stances with contact in a span."""
    times = found.times
    keep = (times.ic_s > low_s) & (times.ic_s < high_s)
    if foot is not None:
        keep &= found.feet == foot
    return ContactTimes(times.ic_s[keep], times.to_s[keep], times.detector)


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("gait", ["run", "walk"])
def test_treadmill_stances_from_force_are_the_true_ones(gait: str, seed: int) -> None:
    made = lab(gait, "treadmill", seed)
    found = find_stances(on_true_clock(made), rule=WALK if gait == "walk" else "20N")
    offset = detector_offset(truth_of(made, 1.0, 38.0), spanned(found, 1.0, 38.0), within_s=0.05)
    assert offset.missed <= 1
    assert offset.extra <= 1
    assert 0 <= offset.ic_median_ms < 8  # 20 N is reached after the true contact
    assert -12 < offset.to_median_ms <= 0
    if gait == "run":  # one belt: sides are those of the insoles, where these recorded
        table = made.truth.contacts
        nearest = [int(np.abs(table.onset_s - s.ic_s).argmin()) for s in found.stances]
        told = [(s.side, bool(table.left[k])) for s, k in zip(found.stances, nearest) if s.side != "unknown"]
        assert len(told) > 30
        assert all((side == "left") == left for side, left in told)


@pytest.mark.parametrize("seed", [21, 22, 23])
@pytest.mark.parametrize("gait", ["run", "walk"])
def test_the_causal_detector_sees_every_stance_of_a_simulated_insole(gait: str, seed: int) -> None:
    made = lab(gait, "treadmill", seed)
    whole = on_true_clock(made)
    found = find_stances(whole, source="insole_causal", rule=WALK if gait == "walk" else "20N")
    for foot, side in enumerate(("left", "right")):
        time = next(s for n, s in whole.streams.items() if n == f"insole_{side}")["time"].values
        low, high = max(float(time[0]) + 3.0, 1.0), min(float(time[-1]) - 1.5, 38.0)
        offset = detector_offset(truth_of(made, low, high, foot), spanned(found, low - 0.05, high + 0.05, foot))
        assert offset.matched > 5
        assert offset.missed <= 1
        assert offset.extra <= 1
        assert -5 < offset.ic_median_ms < 25


@pytest.mark.parametrize("pressed", [0.3, 0.6])
def test_a_shoe_that_presses_in_the_air_makes_no_steps(pressed: float) -> None:
    """A bump in every swing, of a share of a step's load: taken for a step only where it is as good as one."""
    rate = 100.0
    time = np.arange(0.0, 40.0, 1 / rate)
    phase = time % 0.75
    step = np.where(phase < 0.25, np.sin(np.pi * phase / 0.25), 0.0)
    bump = np.where((phase > 0.4) & (phase < 0.6), np.sin(np.pi * (phase - 0.4) / 0.2), 0.0)
    load = 1600.0 + 4000.0 * (step + pressed * bump)
    load[[500, 501, 1700]] = 0.0  # samples that were lost and came as nothing
    stream = xr.Dataset({"force": ("time", load, {"units": "count"})}, {"time": time}, {"rate_hz": rate})
    found = causal_insole(stream, rule_of("20N"))
    steps = (found.ic_s + 0.1) % 0.75 < 0.25
    assert steps.sum() > 35
    if pressed < 0.4:
        assert steps.all()
        assert counted(found.rejections)[UNDERLOADED] > 30
    else:
        assert (~steps).sum() > 30


@pytest.mark.parametrize("seed", [31, 32])
def test_overground_hits_that_are_whole_are_kept_and_sided(seed: int) -> None:
    made = lab("run", "overground", seed)
    found = find_stances(on_true_clock(made))
    table = made.truth.contacts
    whole = table.onset_s[table.whole]
    assert whole.size > 3
    kept = np.asarray([np.abs(found.times.ic_s - t).min(initial=9.0) < 0.03 for t in whole])
    assert kept.mean() > 0.8
    for one in found.stances:
        near = int(np.abs(table.onset_s - one.ic_s).argmin())
        if one.side != "unknown":
            assert (one.side == "left") == bool(table.left[near])
