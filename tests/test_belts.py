"""Two belts that know no feet: when each is cut alone, whose foot it is; and feet on the wrong belt."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from grfkit.calibrate import correct, examine
from grfkit.gait.belts import belt_layout
from grfkit.gait.contacts import BOTH_BELTS, OTHER_FOOT, TOO_LONG, UNLIKE, rule_of
from grfkit.gait.plate_force import PlateContact, PlateForce
from grfkit.gait.plate_hits import plate_contacts
from grfkit.gait.stances import Stances, find_stances
from grfkit.io import read
from grfkit.records import Channel, Trial, make_stream
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial

Floats = NDArray[np.float64]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RATE = 500.0
WALK = rule_of("20N walking")
STANCE_S, STRIDE_S = 0.68, 1.1
BELT_M_S = 1.2


def walk(seconds: float = 40.0, *, stance_s: float = STANCE_S, stride_s: float = STRIDE_S) -> tuple[Floats, ...]:
    """Return time, the vertical force of both feet (N), and the onsets of the left and of the right foot (s)."""
    rng = np.random.default_rng(1)
    time = np.arange(int(seconds * RATE)) / RATE
    forces, onsets = [], []
    # both feet by one clock: each lands half a stride after the other
    landing = 0.8 + np.cumsum(stride_s / 2 * (1 + 0.01 * rng.standard_normal(int(2 * seconds / stride_s))))
    for foot in (0, 1):
        on = landing[foot::2]
        on = on[on < seconds - 1.0]
        force = rng.standard_normal(time.size)
        for start in on:
            phase = (time - start) / stance_s
            stands = (phase > 0) & (phase < 1)
            force[stands] += 720.0 * np.sin(np.pi * phase[stands]) ** 0.4
        forces.append(force)
        onsets.append(on)
    return time, forces[0], forces[1], onsets[0], onsets[1]


def carried(
    time: Floats, onsets: Floats, *, across_m: float, forward: tuple[float, float], lands_m: float = 0.3
) -> Floats:
    """Return the centre of pressure (samples, 3) of a foot that lands ahead and is carried back by its belt."""
    last = onsets[np.clip(np.searchsorted(onsets, time, side="right") - 1, 0, None)]
    since = np.clip(time - last, 0.0, STANCE_S)
    ahead = 0.3 - BELT_M_S * since + 0.2 * since / STANCE_S
    x, y = forward
    return np.column_stack([ahead * x - across_m * y, ahead * y + across_m * x, np.zeros_like(time)])


def outline(middle: tuple[float, float], size: tuple[float, float]) -> Floats:
    (x, y), (a, b) = middle, (size[0] / 2, size[1] / 2)
    return np.asarray([[x + a, y - b, 0], [x - a, y - b, 0], [x - a, y + b, 0], [x + a, y + b, 0]], dtype=float)


def belts(*, forward: tuple[float, float] = (1.0, 0.0), known: bool = False, place: bool = True) -> list[PlateForce]:
    """Return two belts; the left foot's lies on the left as seen along ``forward``, but is the second one."""
    time, left, right, on_left, on_right = walk()
    plates = []
    for name, up, on, across in (("plate_1", right, on_right, -0.2), ("plate_2", left, on_left, 0.2)):
        cop = carried(time, on, across_m=across, forward=forward)
        middle = (-across * forward[1], across * forward[0])
        size = (1.8, 0.4) if forward[0] else (0.4, 1.8)
        side = "unknown" if not known else "left" if across > 0 else "right"
        plates.append(
            PlateForce(name, time, up, cop if place else None, outline(middle, size) if place else None, side)
        )
    return plates


def count(plates: list[PlateForce], rule: str = "20N walking") -> tuple[int, dict[str, int]]:
    contacts, turned = plate_contacts(plates, rule_of(rule), mass_kg=70.0, treadmill=True)
    reasons = [r.reason for r in turned]
    return len(contacts), {r: reasons.count(r) for r in set(reasons)}


@pytest.mark.parametrize("forward", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_two_belts_of_a_walk_are_cut_apart_and_sided_by_their_direction(forward: tuple[float, float]) -> None:
    plates = belts(forward=forward)
    contacts, turned = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    _, _, _, on_left, on_right = walk()
    assert turned == []
    for side, name, on in (("left", "plate_2", on_left), ("right", "plate_1", on_right)):
        ic = np.asarray([c.ic_s for c in contacts if c.side == side])
        np.testing.assert_allclose(ic, on, atol=0.004)
        assert {c.plates for c in contacts if c.side == side} == {(name,)}
    assert all(c.deduced for c in contacts)


@pytest.mark.parametrize("place", [(3.0, 0.0), (-3.0, 0.2), (0.0, 2.5)], ids=["ahead", "behind", "beside"])
@pytest.mark.parametrize("steps", [0, 3], ids=["idle", "few steps"])
@pytest.mark.parametrize("first", [True, False])
def test_a_plate_of_the_floor_does_not_decide_how_belts_lie(
    place: tuple[float, float], steps: int, first: bool
) -> None:
    two = belts()
    time, _, _, on_left, on_right = walk()
    load = np.random.default_rng(4).standard_normal(time.size)
    for start in on_left[:steps] - 0.3:
        phase = (time - start) / STANCE_S
        load[(phase > 0) & (phase < 1)] += 300.0
    nowhere = np.full((time.size, 3), np.nan)
    idle = [PlateForce(f"floor_{k}", time, load, nowhere, outline(place, (0.6, 0.4)), "unknown") for k in (1, 2)]
    plates = [*idle, *two] if first else [*two, *idle]
    contacts, _ = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    for side, name, on in (("left", "plate_2", on_left), ("right", "plate_1", on_right)):
        ic = np.asarray([c.ic_s for c in contacts if c.plates == (name,)])
        assert {c.side for c in contacts if c.plates == (name,)} == {side}
        assert ic.size >= on.size - 2 * steps
        assert np.abs(ic[:, None] - on).min(axis=1).max() < 0.004
    assert {c.side for c in contacts if c.plates[0].startswith("floor")} <= {"unknown"}


def test_belts_without_any_place_are_cut_apart_and_their_feet_stay_unknown() -> None:
    contacts, _ = plate_contacts(belts(place=False), WALK, mass_kg=70.0, treadmill=True)
    _, _, _, on_left, on_right = walk()
    assert len(contacts) == on_left.size + on_right.size
    assert {c.side for c in contacts} == {"unknown"}


def test_a_walk_by_a_runners_rule_is_too_long_on_each_belt() -> None:
    _, _, _, on_left, on_right = walk()
    assert count(belts(), "20N") == (0, {TOO_LONG: on_left.size + on_right.size})


def test_plates_behind_each_other_stay_one_surface() -> None:
    time, left, right, on_left, on_right = walk()
    total = left + right
    ahead = carried(time, np.sort([*on_left, *on_right]), across_m=0.0, forward=(1.0, 0.0))[:, 0]
    on_front = total * np.clip(0.5 + ahead / 0.2, 0, 1)
    plates = []
    for name, up, middle in (("front", on_front, 0.4), ("rear", total - on_front, -0.4)):
        cop = np.column_stack([np.where(up > 20, ahead, np.nan), 0 * time, 0 * time])
        plates.append(PlateForce(name, time, up, cop, outline((middle, 0.0), (0.8, 0.5)), "unknown"))
    contacts, turned = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    assert contacts == []
    assert [r.reason for r in turned] == [TOO_LONG]
    spans = [[(float(t), float(t) + 0.4) for t in np.sort([*on_left, *on_right])]] * 2
    assert belt_layout(plates, spans).side_by_side is False


def test_a_run_on_two_belts_is_cut_from_their_sum() -> None:
    time = np.arange(int(20 * RATE)) / RATE
    on = np.arange(0.5, 19.0, 0.36)
    total = sum(1500.0 * np.sin(np.pi * np.clip((time - t) / 0.24, 0, 1)) for t in on)
    # the outer half of every foot on one belt, the inner half on the other
    shares = (("a", 0.6), ("b", 0.4))
    plates = [PlateForce(name, time, share * total, None, None, "unknown") for name, share in shares]
    contacts, turned = plate_contacts(plates, rule_of("20N"), mass_kg=70.0, treadmill=True)
    assert turned == []
    np.testing.assert_allclose([c.ic_s for c in contacts], on, atol=0.002)
    assert {c.plates for c in contacts} == {("a", "b")}


def test_a_walk_that_becomes_a_run_is_cut_apart_and_then_as_a_sum() -> None:
    time, left, right, on_left, on_right = walk(20.0)
    later = np.arange(time[-1] + 1.0, time[-1] + 8.0, 0.36)
    time = np.arange(int((later[-1] + 1.0) * RATE)) / RATE
    left, right = (np.pad(f, (0, time.size - f.size)) for f in (left, right))
    run = sum(1500.0 * np.sin(np.pi * np.clip((time - t) / 0.24, 0, 1)) for t in later)
    plates = [PlateForce(n, time, f + 0.5 * run, None, None, "unknown") for n, f in (("a", left), ("b", right))]
    contacts, _ = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    alone = [c for c in contacts if len(c.plates) == 1]
    together = [c for c in contacts if len(c.plates) == 2]
    assert abs(len(alone) - on_left.size - on_right.size) <= 1
    assert len(together) == later.size


def stepped_over(share: float, first: float, last: float, steps: slice, known: bool = True) -> list[PlateForce]:
    """Return belts on which the right foot, between two parts of its stance, bears a share on the left belt."""
    plates = belts(known=known)
    time, left, right, _, on_right = walk()
    left, right = left.copy(), right.copy()
    for start in on_right[steps]:
        at = (time > start + first * STANCE_S) & (time < start + last * STANCE_S)
        left[at] += share * right[at]
        right[at] *= 1.0 - share
    return [replace(plates[0], up_n=right), replace(plates[1], up_n=left)]


@pytest.mark.parametrize(
    ("share", "first", "last"),
    [(0.3, 0.67, 1.0), (0.1, 0.67, 1.0), (0.6, 0.72, 1.0), (0.3, 0.0, 0.3), (0.1, 0.0, 0.3), (0.95, 0.67, 1.0)],
    ids=["toe", "light toe", "heavy toe", "heel", "light heel", "foot over"],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_foot_on_the_other_belt_is_rejected_with_its_partner(
    share: float, first: float, last: float, known: bool
) -> None:
    plates = stepped_over(share, first, last, slice(8, 20), known)
    contacts, turned = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    _, _, _, on_left, on_right = walk()
    for plate, on in (("plate_2", on_left), ("plate_1", on_right)):
        here = [c for c in contacts if c.plates == (plate,)]
        wrong = [c for c in here if min(abs(c.ic_s - on)) > 0.03 or min(abs(c.to_s - on - STANCE_S)) > 0.03]
        assert wrong == []
        assert len(here) >= on.size - 12 - 2
    assert {r.reason for r in turned} <= {OTHER_FOOT, BOTH_BELTS, UNLIKE}
    assert 20 <= len(turned) <= 28


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("share", "first", "last"),
    [(0.3, 0.67, 1.0), (0.1, 0.67, 1.0), (0.3, 0.0, 0.3), (1.0, 0.7, 1.0)],
    ids=["toe", "light toe", "heel", "foot over"],
)
@pytest.mark.parametrize("strides", [slice(0, 99), slice(0, 20)], ids=["every stride", "most strides"])
def test_a_foot_on_the_other_belt_in_most_strides_has_no_right_neighbour_and_is_rejected(
    share: float, first: float, last: float, strides: slice, known: bool
) -> None:
    plates = stepped_over(share, first, last, strides, known)
    contacts, turned = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    _, _, _, on_left, on_right = walk()
    for plate, on in (("plate_2", on_left), ("plate_1", on_right)):
        here = [c for c in contacts if c.plates == (plate,)]
        wrong = [c for c in here if min(abs(c.ic_s - on)) > 0.03 or min(abs(c.to_s - on - STANCE_S)) > 0.03]
        assert wrong == []
    wrong_strides = on_right[strides].size
    assert 2 * wrong_strides - 4 <= len(turned) <= 2 * wrong_strides + 4
    assert {OTHER_FOOT, BOTH_BELTS} <= {r.reason for r in turned} <= {OTHER_FOOT, BOTH_BELTS, UNLIKE}


def test_a_foot_wholly_over_for_its_last_fifth_is_rejected_in_a_row_of_strides() -> None:
    plates = stepped_over(1.0, 0.8, 1.0, slice(8, 23))
    contacts, turned = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    _, _, _, _, on_right = walk()
    leaves = np.asarray([c.to_s for c in contacts if c.plates == ("plate_1",)])
    assert np.abs(leaves[:, None] - on_right - STANCE_S).min(axis=1).max() < 0.03
    assert leaves.size == on_right.size - 15
    assert sum(r.reason == BOTH_BELTS for r in turned) >= 10


def test_feet_that_land_and_leave_at_the_same_moment_exchange_no_load() -> None:
    time = np.arange(int(40 * RATE)) / RATE
    rng = np.random.default_rng(3)
    forces = [rng.standard_normal(time.size), rng.standard_normal(time.size)]
    landing = np.arange(0.8, 38.5, 0.55) + 0.004 * rng.standard_normal(69)
    for step, start in enumerate(landing):
        phase = (time - start) / 0.55
        stands = (phase > 0) & (phase < 1)
        forces[step % 2][stands] += 720.0 * np.sin(np.pi * phase[stands]) ** 0.4
    plates = [PlateForce(n, time, f, None, None, s) for n, f, s in zip("ab", forces, ("left", "right"))]
    assert count(plates) == (landing.size, {})


def test_a_stance_wholly_on_the_other_belt_is_unlike_its_neighbours() -> None:
    time, left, right, _, on_right = walk()
    at = (time > on_right[10] - 0.02) & (time < on_right[10] + STANCE_S + 0.02)
    plates = belts(known=True)
    left, right = left + np.where(at, right, 0.0), np.where(at, 0.0, right)
    moved = [replace(plates[0], up_n=right, cop_m=None), replace(plates[1], up_n=left, cop_m=None)]
    _, turned = plate_contacts(moved, WALK, mass_kg=70.0, treadmill=True)
    # three stances are one contact on the left belt: 0.68 + 0.42 + 0.68 s
    assert [r.reason for r in turned] == [UNLIKE]
    assert turned[0].end_s - turned[0].start_s == pytest.approx(STRIDE_S + STANCE_S, abs=0.05)


def test_a_change_of_speed_is_no_foot_on_the_other_belt() -> None:
    rng = np.random.default_rng(2)
    time = np.arange(int(60 * RATE)) / RATE
    forces, start, step = [rng.standard_normal(time.size), rng.standard_normal(time.size)], 0.5, 0
    while start < 58.0:
        stride = 1.5 - 0.6 * start / 60.0
        stance = 0.66 * stride - 0.08 * start / 60.0
        phase = (time - start) / stance
        stands = (phase > 0) & (phase < 1)
        forces[step % 2][stands] += 720.0 * np.sin(np.pi * phase[stands]) ** 0.4
        start, step = start + stride / 2 * (1 + 0.01 * rng.standard_normal()), step + 1
    plates = [PlateForce(n, time, f, None, None, "unknown") for n, f in zip(("a", "b"), forces)]
    contacts, turned = plate_contacts(plates, WALK, mass_kg=70.0, treadmill=True)
    assert turned == []
    assert len(contacts) == step


def test_an_asymmetric_walk_is_no_foot_on_the_other_belt() -> None:
    time, left, right, on_left, on_right = walk()
    late = np.searchsorted(time, 0.12)
    limping = np.concatenate([right[late:], right[:late] * 0.0])
    plates = [PlateForce(n, time, f, None, None, "unknown") for n, f in (("a", left), ("b", limping))]
    assert count(plates) == (on_left.size + on_right.size, {})


@lru_cache(maxsize=4)
def lab(seed: int) -> LabTrial:
    return simulate_trial(
        Condition(gait="walk", surface="treadmill", split_belt=True, duration_s=40.0, wearables=("insole",)), seed
    )


def unsided(trial: LabTrial, *, insoles: bool, exchanged: bool = False) -> Stances:
    """Return the stances of a simulated split-belt walk whose plates do not know their feet, as of a C3D."""
    examined = correct(trial.reference, examine(trial.reference, surface="treadmill"))
    streams = {f"reference/{n}": s.assign_attrs(knows_feet="") for n, s in examined.streams.items()}
    for (wearable, name), truth in trial.truth.streams.items():
        stream = trial.wearables[wearable].streams[name]
        if insoles:
            streams[name] = stream.assign_coords(
                time=("time", truth.t_reference(stream["time"].values), {"units": "s"})
            )
    if exchanged:
        feet = [n for n in streams if n.startswith("insole")]
        sides = {n: "right" if "left" in n else "left" for n in feet}
        streams |= {n: streams[n].assign_attrs(side=sides[n]) for n in feet}
    tree = xr.DataTree.from_dict({f"/{n}": s for n, s in streams.items()})
    tree.attrs.update(artefact="trial", surface="treadmill", mass_kg=trial.truth.world.situation.mass_kg)
    return find_stances(Trial(tree), rule=WALK)


@pytest.mark.parametrize("seed", [12, 13])
@pytest.mark.parametrize("insoles", [True, False])
def test_a_simulated_walk_on_two_belts_has_the_true_stances_and_sides(seed: int, insoles: bool) -> None:
    trial = lab(seed)
    stances = unsided(trial, insoles=insoles)
    table = trial.truth.contacts
    inner = (table.onset_s > 1.0) & (table.onset_s < 38.0)
    for side, left in (("left", True), ("right", False)):
        true = table.onset_s[inner & (table.left == left)]
        ic = np.asarray([s.ic_s for s in stances.stances if s.side == side])
        errors = np.asarray([np.abs(ic - t).min() for t in true])
        assert (errors < 0.02).sum() >= true.size - 2
    assert {s.side for s in stances.stances} == {"left", "right"}


def test_an_insole_knows_better_than_the_place_of_the_belts() -> None:
    one, other = unsided(lab(12), insoles=True), unsided(lab(12), insoles=True, exchanged=True)
    assert [s.side for s in one.stances] == [{"left": "right", "right": "left"}[s.side] for s in other.stances]


def test_one_insole_on_a_single_belt_does_not_name_the_other_foots_contacts() -> None:
    time = np.arange(0.0, 10.0, 1e-3)
    on = np.arange(0.5, 9.0, 0.36)
    force = sum(1500.0 * np.sin(np.pi * np.clip((time - t) / 0.24, 0, 1)) for t in on)
    load = sum(900.0 * np.sin(np.pi * np.clip((time - t) / 0.24, 0, 1)) for t in on[::2])
    plate = make_stream([Channel("fz", force, "N")], time, kind="force_plate", rate_hz=1000.0, attrs={"vertical": "+z"})
    insole = make_stream([Channel("force", load, "N")], time, kind="insole", rate_hz=1000.0, side="left")
    tree = xr.DataTree.from_dict({"/reference/plate_1": plate, "/insole_left": insole})
    tree.attrs.update(artefact="trial", surface="treadmill", mass_kg=70.0)
    sides = [s.side for s in find_stances(Trial(tree)).stances]
    assert sides == ["left", "unknown"] * (on.size // 2) + ["left"] * (on.size % 2)


def test_a_contact_says_that_its_side_is_deduced() -> None:
    assert PlateContact(0.0, 0.7, "left", ("plate_1",)).deduced is False


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("subject", "contacts"), [("02_CSBaseline", 103), ("06_EMGStiffKnee", 97), ("10_CSBaseline", 135)]
)
def test_walks_on_two_belts_keep_their_feet_when_the_file_does_not_name_them(subject: str, contacts: int) -> None:
    """Pearl 2024, lowered to what a C3D knows; one of the three walks with 0.5 s and no double support in turn."""
    path = DATA / f"pearl2024_imu_treadmill/original/OpenSim_Sub{subject}_GRF.mot"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    known = [PlateForce.of(n, s) for n, s in read(path).of_kind("force_plate").items()]
    of_file, _ = plate_contacts(known, WALK, mass_kg=70.0, treadmill=True)
    deduced, turned = plate_contacts([replace(p, side="unknown") for p in known], WALK, mass_kg=70.0, treadmill=True)
    assert [(c.ic_s, c.to_s, c.side) for c in deduced] == [(c.ic_s, c.to_s, c.side) for c in of_file]
    assert {c.side for c in deduced} == {"left", "right"}
    crossed = [r for r in turned if r.reason in (OTHER_FOOT, BOTH_BELTS, UNLIKE)]
    assert len(crossed) <= 2
    assert len(deduced) + len(crossed) == contacts
