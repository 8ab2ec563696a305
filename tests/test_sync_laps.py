"""Laps over plates without jumps: which foot hit, and the course of each contact, as evidence for the lag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grfkit.signals.contacts import Contacts, load_contacts, merge
from grfkit.signals.hit_feet import hit_feet
from grfkit.simulate.conditions import Condition
from grfkit.sync import align_device
from grfkit.sync.covariation import courses, partial_hits
from grfkit.sync.lap_feet import with_feet
from grfkit.sync.matching import match
from grfkit.sync.rhythm import rhythm
from grfkit.sync.score import match_and_score
from sync_helpers import STEP_S, made, truth_of, worst_s

UP = np.asarray([0.0, 0.0, 1.0])
STEP = 0.36


def _laps(
    rng: np.random.Generator, *, half_width_m: float = 0.045, laps: int = 8, hits: int = 3, same_foot: bool = False
) -> tuple[np.ndarray, ...]:
    """Return onsets, places, pushes and feet of laps there and back along a line that is not an axis."""
    ahead = np.asarray([np.cos(0.4), np.sin(0.4), 0.0])
    onset, place, push, foot = [], [], [], []
    for lap in range(laps):
        way = ahead if lap % 2 == 0 else -ahead
        left = np.cross(UP, way)
        first = 0 if same_foot else int(rng.integers(2))
        for k in range(hits):
            side = (first + k) % 2
            lateral = (half_width_m if side == 0 else -half_width_m) + rng.normal(0, 0.01)
            onset.append(11.0 * lap + STEP * k)
            place.append((k - 1) * way + lateral * left + np.asarray([2.0, -1.0, 0.0]))
            push.append(0.3 * way)
            foot.append(side)
    return np.asarray(onset), np.asarray(place), np.asarray(push), np.asarray(foot)


@pytest.mark.parametrize("hits", [2, 3])
def test_feet_are_told_by_their_side_of_the_line_of_progress_both_ways(hits: int) -> None:
    onset, place, push, foot = _laps(np.random.default_rng(1), hits=hits)
    assert np.array_equal(hit_feet(onset, place, push, UP, STEP), foot)
    # without a force that shows the way the order of the hits does
    assert np.array_equal(hit_feet(onset, place, np.full_like(push, np.nan), UP, STEP), foot)


@pytest.mark.parametrize("laps", [1, 8])
def test_laps_that_all_begin_with_one_foot_are_told_by_the_way_of_the_force(laps: int) -> None:
    # from hit to hit each of them leans to the same side, which is not the line of progress
    rng = np.random.default_rng(8)
    onset, place, push, foot = _laps(rng, hits=2, laps=laps, half_width_m=0.09, same_foot=True)
    assert np.array_equal(hit_feet(onset, place, push, UP, STEP), foot)


def test_a_single_hit_is_told_by_the_line_that_other_laps_keep() -> None:
    onset, place, push, foot = _laps(np.random.default_rng(2))
    alone = np.delete(np.arange(onset.size), [1, 2])
    assert hit_feet(onset[alone], place[alone], push[alone], UP, STEP)[0] == foot[0]
    nothing = push.copy()
    nothing[0] = np.nan  # nobody knows which way that hit went
    assert hit_feet(onset[alone], place[alone], nothing[alone], UP, STEP)[0] == -1


def test_feet_on_one_line_get_no_label() -> None:
    onset, place, push, _ = _laps(np.random.default_rng(3), half_width_m=0.0)
    assert np.mean(hit_feet(onset, place, push, UP, STEP) >= 0) < 0.3


def test_unknown_places_get_no_label() -> None:
    onset, place, push, foot = _laps(np.random.default_rng(4))
    place[4] = np.nan
    found = hit_feet(onset, place, push, UP, STEP)
    assert found[4] == -1
    assert np.array_equal(np.delete(found, 4), np.delete(foot, 4))
    assert np.all(hit_feet(onset, np.full_like(place, np.nan), push, UP, STEP) == -1)
    assert hit_feet(np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3)), UP, STEP).size == 0


@pytest.mark.parametrize("seed", [33_000_000, 33_000_002])
def test_plates_of_a_simulated_trial_know_their_feet(seed: int) -> None:
    trial = made(Condition(surface="overground"), seed)
    plates = trial.reference.streams
    truth = trial.truth.contacts
    loads = [load_contacts(s["time"].values, s["fz"].values) for s in plates.values()]
    reference = merge([train for train in loads if train.size])
    labelled = with_feet(reference, plates, float(np.median(np.diff(truth.onset_s))))
    nearest = np.abs(reference.onset_s[:, None] - truth.onset_s[None, :]).argmin(axis=1)
    left = truth.left[nearest]
    known = labelled.foot >= 0
    assert known.mean() > 0.6
    assert np.array_equal(labelled.foot[known] == 0, left[known])
    # plates whose place nobody knows say nothing of feet
    nowhere = {n: s.assign_attrs(corners_m=[]) for n, s in plates.items()}
    assert np.all(with_feet(reference, nowhere, STEP).foot == -1)


def _trains(rng: np.random.Generator, *, measures: bool, feet: bool) -> tuple[Contacts, Contacts]:
    """Return hits of eight laps, and a device that felt all contacts of the same even steps."""
    every = np.arange(0, 100, STEP) + rng.normal(0, 0.002, int(np.ceil(100 / STEP)))
    foot = np.arange(every.size) % 2
    peak = rng.normal(1.0, 0.05, every.size)
    device = Contacts(
        every, every + 0.25, np.ones(every.size), foot, np.asarray([[0.0, 100.0]]), {"peak": peak} if measures else {}
    )
    rows = np.concatenate([np.arange(30 * lap, 30 * lap + 3) for lap in range(1, 9)])
    hits = device.subset(rows)
    felt = {name: values + rng.normal(0, 0.01, rows.size) for name, values in hits.measures.items()}
    return replace(hits, measures=felt, foot=hits.foot if feet else np.full(rows.size, -1)), device


@pytest.mark.parametrize("seed", range(4))
def test_the_course_of_contacts_tells_one_stride_from_the_next(seed: int) -> None:
    reference, device = _trains(np.random.default_rng(seed), measures=True, feet=False)
    evidence = courses(reference, device, match(reference, device, np.asarray([0.0, 2 * STEP, -2 * STEP])))
    assert evidence[0] > 10.0
    assert np.all(evidence[1:] < 3.0)


def test_feet_tell_one_step_from_the_next_but_no_more_than_labels_are_sure() -> None:
    reference, device = _trains(np.random.default_rng(5), measures=False, feet=True)
    beat = rhythm(reference, device, plates=True)
    offsets = np.asarray([0.0, STEP, 2 * STEP])
    _, scores = match_and_score(reference, device, offsets, beat, plates=True, rate=1.0, rate_prior_ppm=60.0)
    assert 6.0 < scores.feet[0] - scores.feet[1] < 8.0  # a device whose left and right were exchanged: one in 1000
    assert scores.feet[0] == pytest.approx(scores.feet[2])
    assert -0.5 < scores.feet[0] <= 0.0  # agreement is no evidence by itself: it comes with every even step
    assert not scores.swapped[0]
    assert scores.swapped[1]


def test_measures_follow_their_contacts() -> None:
    time = np.arange(0, 20, 0.002)
    rng = np.random.default_rng(6)
    load = np.zeros(time.size)
    heights = rng.uniform(0.8, 1.2, 25)
    for k, height in enumerate(heights):
        load += (
            height
            * np.clip(np.sin(np.pi * (time - 0.5 - 0.7 * k) / 0.25), 0, None)
            * (np.abs(time - 0.625 - 0.7 * k) < 0.125)
        )
    train = load_contacts(time, load)
    assert np.corrcoef(train.measures["peak"], heights)[0, 1] > 0.99
    assert np.corrcoef(train.measures["loading_rate"], heights)[0, 1] > 0.9
    half = train.subset(np.arange(train.size) % 2 == 0)
    assert np.array_equal(half.measures["peak"], train.measures["peak"][::2])
    both = merge([half, replace(train.subset(np.arange(train.size) % 2 == 1), measures={})])
    assert np.isnan(both.measures["peak"][1::2]).all()
    assert np.isfinite(both.measures["peak"][::2]).all()
    # the highest value may lie in a hole that was bridged
    holed = load.copy()
    holed[(time > 0.62) & (time < 0.64)] = np.nan
    assert np.isnan(load_contacts(time, holed).measures["peak"][0])


@pytest.mark.parametrize(("wearable", "seed"), [("insole", 33_000_024), ("imu", 33_000_000)])
def test_laps_without_jumps_are_aligned_where_courses_and_feet_agree(wearable: str, seed: int) -> None:
    trial = made(Condition(surface="overground"), seed)
    plain = align_device(trial.reference, trial.wearables[wearable], surface="overground")
    assert plain.clock_map.verdict == "aligned"
    assert worst_s(plain.clock_map, truth_of(trial, wearable)) < STEP_S
    # the plates' places alone add what the feet say
    nowhere = {n: s.assign_attrs(corners_m=[]) for n, s in trial.reference.streams.items()}
    without = align_device(nowhere, trial.wearables[wearable].streams, surface="overground", accept_refused=True)
    assert plain.clock_map.margin is not None
    assert without.clock_map.margin is not None
    assert plain.clock_map.margin >= without.clock_map.margin


def test_hits_of_part_of_a_foot_tell_neither_time_nor_course() -> None:
    reference, device = _trains(np.random.default_rng(7), measures=True, feet=False)
    spoilt = np.arange(reference.size) % 8 == 3
    late = reference.onset_s + np.where(spoilt, 0.03, 0.0)
    strength = np.where(spoilt, 0.6, 1.0) * reference.strength
    peak = np.where(spoilt, 0.3, 1.0) * reference.measures["peak"]
    partial = replace(reference, onset_s=late, strength=strength, measures={"peak": peak})
    assert np.array_equal(partial_hits(partial), spoilt)
    right = match(partial, device, np.asarray([0.0]))
    assert courses(partial, device, right)[0] > 10.0
    beat = rhythm(partial, device, plates=True)
    # the same hits, whole by their impulse
    hidden = replace(partial, strength=reference.strength, offset_s=late + 0.25)
    of_both = [
        match_and_score(train, device, np.asarray([0.0]), beat, plates=True, rate=1.0, rate_prior_ppm=60.0)[1].times[0]
        for train in (partial, hidden)
    ]
    assert of_both[0] > of_both[1] + 5.0
    # the landing of a jump bears more than a stride does, and counts
    assert not partial_hits(replace(partial, strength=np.where(spoilt, 4.0, 1.0))).any()
