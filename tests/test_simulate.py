"""The virtual lab: is its truth true, are its bodies bodies, do its clocks invert, are losses recorded?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.sync.events import simulate_events
from grfkit.errors import BadInputError
from grfkit.simulate.body import LANDMARKS
from grfkit.simulate.clocks import TrueClock
from grfkit.simulate.conditions import Condition, load_family
from grfkit.simulate.family import Situation
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.simulate.plates import plate_forces
from grfkit.simulate.settings import Settings, default_settings, load_settings
from grfkit.units import G

FAMILIES = ("A", "B")


def _trial(seed: int = 1, **asked: object) -> LabTrial:
    return simulate_trial(Condition.model_validate({"family": "A", "duration_s": 30.0} | asked), seed)


def _quiet() -> Settings:
    """Return settings without device noise, edge jitter or slow sensors, for tests of time alone."""
    known = default_settings()
    insole = known.insole.model_copy(
        update={
            "on_jitter_ms": (0.0, 0.0),
            "off_jitter_ms": (0.0, 0.0),
            "rise_ms": (0.05, 0.05),
            "fall_ms": (0.05, 0.05),
            "creep": (0.0, 0.0),
            "hysteresis": (0.0, 0.0),
            "swing_bump_bw": (0.0, 0.0),
            "preload_bw": (0.0, 0.0),
            "noise_lsb": 0.0,
            "lag_ms": 30.0,
            "stamp_jitter_share": 0.0,
        }
    )
    return known.model_copy(update={"insole": insole})


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("gait", ["run", "walk"])
def test_forces_of_a_family_look_like_gait(name: str, gait: str) -> None:
    speed = 3.2 if gait == "run" else 1.3
    phase = np.linspace(-0.1, 1.1, 241)
    inside = (phase >= 0) & (phase <= 1)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        situation = Situation("run" if gait == "run" else "walk", speed, 0.0, 70.0, 2.0, 40.0)
        person = load_family(name, rng, default_settings()).person(rng, situation)  # type: ignore[arg-type]
        steps = person.steps(rng)
        step_s = float(np.median(np.diff(steps.onset_s)))
        assert np.all(np.diff(steps.onset_s) > 0)
        assert np.all(steps.left[1:] != steps.left[:-1])
        duty = np.median(steps.contact_s) / (2 * step_s)
        assert (0.2 < duty < 0.45) if gait == "run" else (0.55 < duty < 0.7)
        force = person.force_bw(steps, 5, phase)
        assert np.all(force[~inside] == 0)
        assert force[:, 2].min() >= 0
        # a half sine that carries the body for a duty factor of 0.45 peaks at pi / (4 * 0.45) = 1.75 body weights
        low, high = (1.74, 3.3) if gait == "run" else (0.95, 1.5)
        assert low < force[:, 2].max() < high
        assert force[inside, 0][: inside.sum() // 3].mean() < 0 < force[inside, 0][-inside.sum() // 3 :].mean()
        share = person.load_share(steps, 5, phase[inside])
        assert np.all(share >= 0)
        np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_step_time_varies_as_much_as_asked(name: str) -> None:
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        family = load_family(name, rng, default_settings())  # type: ignore[arg-type]
        steps = family.person(rng, Situation("run", 3.0, 0.0, 70.0, 2.0, 200.0)).steps(rng)
        step = np.diff(steps.onset_s)
        found.append(np.std(step[2:] - step[:-2]) / np.sqrt(2) / step.mean())
    assert 0.008 < np.median(found) < 0.03


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("asked", [{"gait": "run"}, {"gait": "walk"}, {"gait": "run", "slope_percent": 6.0}])
def test_mean_vertical_force_is_body_weight(name: str, asked: dict[str, object]) -> None:
    trial = _trial(3, family=name, duration_s=40.0, **asked)
    world = trial.truth.world
    first, last = world.steps.onset_s[4], world.steps.onset_s[-4]
    time = np.arange(first, last, 0.001)
    mean = trial.truth.force_n(time).mean(axis=0) / world.weight_n
    angle = np.arctan(world.situation.slope_percent / 100)
    assert mean[2] == pytest.approx(np.cos(angle), abs=0.02)
    assert mean[0] == pytest.approx(np.sin(angle), abs=0.01)
    assert mean[1] == pytest.approx(0.0, abs=0.01)
    assert 0.7 < np.median(world.balance.scale) < 1.3


def test_plates_add_up_to_the_force_on_the_person() -> None:
    for asked in ({}, {"gait": "walk", "split_belt": True}):
        trial = _trial(2, **asked)
        time = np.arange(5.0, 15.0, 0.001)
        wrench = plate_forces(trial.truth.world, trial.truth.ground, time)
        np.testing.assert_allclose(wrench[:, :, :3].sum(axis=0), trial.truth.force_n(time), atol=1e-6)


def test_landmarks_follow_the_forces() -> None:
    trial = _trial(4, wearables=("landmarks",), gait="run", slope_percent=0.0)
    time = np.arange(8.0, 20.0, 0.001)
    body = trial.truth.body(time)
    acceleration = np.gradient(np.gradient(body.centre, time, axis=0), time, axis=0)
    force = trial.truth.force_n(time)
    expected = force / trial.truth.mass_kg - np.asarray([0.0, 0.0, G])
    inner = slice(10, -10)
    error = acceleration[inner] - expected[inner]
    smooth = np.stack([np.convolve(error[:, k], np.ones(20) / 20, mode="same") for k in range(3)], axis=1)
    assert np.abs(smooth[50:-50]).max() < 0.03 * G
    assert np.ptp(body.centre[:, 2]) < 0.2
    assert np.array_equal(body.landmarks[:, 0], body.centre)


def test_toes_stay_on_the_ground_they_touch() -> None:
    trial = _trial(4, wearables=("landmarks",), surface="overground")
    table = trial.truth.contacts
    for k in np.flatnonzero(table.plate > 0)[:6]:
        time = np.linspace(table.onset_s[k], table.onset_s[k] + table.contact_s[k], 30)
        body = trial.truth.body(np.concatenate([[time[0] - 1.0], time]))
        toe = body.landmarks[1:, LANDMARKS.index("left_toe" if table.left[k] else "right_toe")]
        assert np.ptp(toe, axis=0).max() < 1e-9
        plate = trial.truth.ground.plates[table.plate[k] - 1]
        if table.whole[k]:
            assert plate.x[0] < toe[0, 0] < plate.x[1]


def test_same_seed_gives_the_same_trial_and_wearables_do_not_change_it() -> None:
    one, two = _trial(7, gaps=True), _trial(7, gaps=True)
    assert one.reference.tree.identical(two.reference.tree)
    assert all(one.wearables[name].tree.identical(two.wearables[name].tree) for name in one.wearables)
    assert one.truth.to_json() == two.truth.to_json()
    assert not one.reference.tree.identical(_trial(8, gaps=True).reference.tree)
    more = _trial(7, gaps=True, insole="adc+force")
    assert one.reference.tree.identical(more.reference.tree)


@given(
    offset=st.floats(-120, 120),
    drift=st.floats(-15000, 15000),
    warm=st.floats(-12, 12),
    wave=st.floats(0, 4),
    phase=st.floats(0, 6.28),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_clocks_invert(offset: float, drift: float, warm: float, wave: float, phase: float) -> None:
    clock = TrueClock(offset, drift, warm, 200.0, wave, 300.0, phase)
    running = np.linspace(0, 900, 50)
    mapped = clock.running(running)
    assert np.all(np.diff(mapped) > 0)
    np.testing.assert_allclose(clock.t_running(mapped), running, atol=1e-8)
    assert clock.running(np.asarray([0.0]))[0] == offset


def test_affine_fit_is_within_the_wander_of_the_clock() -> None:
    clock = TrueClock(12.0, 50.0, 10.0, 200.0, 3.0, 400.0, 1.0)
    offset, drift = clock.affine(0.0, 300.0)
    time = np.linspace(0, 300, 100)
    error = clock.t_reference(time) - (offset + (1 + drift * 1e-6) * time)
    assert np.abs(error).max() < 1e-3
    assert abs(drift - 50) < 15


def _onsets(total: np.ndarray, time: np.ndarray, level: float) -> np.ndarray:  # type: ignore[type-arg]
    up = np.flatnonzero((total[:-1] < level) & (total[1:] >= level))
    share = (level - total[up]) / (total[up + 1] - total[up])
    return np.asarray(time[up] + share * (time[up + 1] - time[up]))


@pytest.mark.parametrize("asked", [{}, {"own_clocks": True}, {"index_stamps": True, "silent_loss": 2}])
def test_truth_maps_device_onsets_onto_the_contacts(asked: dict[str, object]) -> None:
    """Wrong sign of lag, clock or loss would show as tens of milliseconds."""
    condition = Condition.model_validate(
        {"family": "A", "wearables": ("insole",), "insole_rate_hz": 500.0, "insole_bits": 12} | asked
    )
    trial = simulate_trial(condition.model_copy(update={"duration_s": 60.0, "gait": "run"}), 5, _quiet())
    steps = trial.truth.world.steps
    for side in ("left", "right"):
        data = trial.wearables["insole"].streams[f"insole_{side}"]
        truth = trial.truth.streams["insole", f"insole_{side}"]
        assert truth.device_lag_s > 0.02
        total = np.sum([data[f"cell_{k:02d}"].values for k in range(1, 17)], axis=0)
        low, high = np.nanpercentile(total, [5, 95])
        device = _onsets(total, data["time"].values, low + 0.02 * (high - low))
        mapped = truth.t_reference(device) - truth.device_lag_s
        own = steps.onset_s[steps.left == (side == "left")]
        error = np.asarray([t - own[np.argmin(np.abs(own - t))] for t in mapped])
        assert mapped.size > 40
        assert np.mean(np.abs(error) < 0.006) > 0.93
        assert -0.001 < np.median(error) < 0.005


def test_impacts_of_the_imu_lie_at_the_contacts() -> None:
    trial = _trial(6, wearables=("imu",), imu_rate_hz=1125.0, speed_m_s=3.5)
    data = trial.wearables["imu"].streams["imu_left"]
    truth = trial.truth.streams["imu", "imu_left"]
    acc = np.stack([data[f"acc_{axis}"].values for axis in "xyz"], axis=1)
    assert np.nanmax(np.abs(acc)) <= 16 * G + 1e-9
    jerk = np.linalg.norm(np.diff(acc, axis=0), axis=1)
    mapped = truth.t_reference(data["time"].values[1:]) - truth.device_lag_s
    steps = trial.truth.world.steps
    own = steps.onset_s[steps.left]
    own = own[(own > mapped[0] + 1) & (own < mapped[-1] - 1)]
    near = [jerk[(mapped > t - 0.01) & (mapped < t + 0.05)].max() for t in own]
    swing = [jerk[(mapped > t - 0.2) & (mapped < t - 0.1)].max() for t in own]
    assert np.median(near) > 2 * np.median(swing)


def test_overground_hits_are_few_and_stay_on_their_plates() -> None:
    counts, partial = [], []
    for seed in range(6):
        trial = simulate_trial(Condition(family="A", surface="overground", wearables=("landmarks",), jumps=0), seed)
        table = trial.truth.contacts
        counts.append(int(np.count_nonzero(table.plate)))
        partial.append(np.mean(~table.whole[table.plate > 0]))
        for number, data in enumerate(trial.reference.streams.values()):
            up = data["fz"].values - np.median(data["fz"].values)
            loaded = up > 300
            box = trial.truth.ground.plates[number]
            moment = data["my"].values - np.median(data["my"].values)
            x = box.centre[0] - moment[loaded] / up[loaded]
            assert np.all((x > box.x[0] - 0.03) & (x < box.x[1] + 0.03))
    assert min(counts) >= 5
    assert max(counts) <= 60
    assert 0.0 < np.mean(partial) < 0.25


def test_decoys_hold_what_they_say() -> None:
    few = _trial(1, surface="overground", hits=3, duration_s=100.0)
    assert np.count_nonzero(few.truth.contacts.plate) <= 3
    away = _trial(1, no_overlap=True)
    for truth in away.truth.streams.values():
        assert truth.overlap_s == (0.0, 0.0)
    still = _trial(1, standing=True)
    assert still.truth.contacts.onset_s.size == 0
    weight = still.truth.world.weight_n
    assert still.reference.streams["plate_1"]["fz"].values.mean() == pytest.approx(weight, rel=0.06)
    one = _trial(1, one_foot="right")
    assert set(one.wearables["insole"].streams) == {"insole_right"}
    short = _trial(1, overlap_s=12.0)
    begin, end = short.truth.streams["insole", "insole_left"].overlap_s
    assert end - begin == pytest.approx(12.0, abs=0.1)
    rigid = _trial(1, metronome=True, duration_s=60.0)
    step = np.diff(rigid.truth.world.steps.onset_s)
    assert np.std(step) / np.mean(step) < 0.002


def test_inverted_and_swapped_trials_are_the_same_trial_relabelled() -> None:
    plain, turned = _trial(9), _trial(9, inverted=True)
    for name in ("fz", "fx", "mx"):
        np.testing.assert_array_equal(
            plain.reference.streams["plate_1"][name], -turned.reference.streams["plate_1"][name]
        )
    swapped = _trial(9, swap_sides=True)
    assert swapped.truth.streams["insole", "insole_left"].worn == "right"
    assert plain.truth.streams["insole", "insole_left"].worn == "left"


def test_gaps_are_marked_and_counted() -> None:
    trial = _trial(11, gaps=True, duration_s=90.0)
    for (wearable, stream), truth in trial.truth.streams.items():
        data = trial.wearables[wearable].streams[stream]
        assert truth.lost_samples > 0
        channel = next(str(name) for name in data.data_vars if name != "time_raw")
        if truth.stamp_source == "crystal":
            assert np.isnan(data[channel].values).sum() > 0.3 * truth.lost_samples


def test_jumps_leave_the_ground_and_land_on_one_plate() -> None:
    trial = _trial(12, surface="overground", jumps=3, duration_s=110.0)
    landings = trial.truth.landings_s()
    assert len(landings) == 3
    data = trial.reference.streams["plate_2"]
    time, up = data["time"].values, data["fz"].values - np.median(data["fz"].values)
    weight = trial.truth.world.weight_n
    for at in landings:
        assert up[(time > at) & (time < at + 0.2)].max() > 2.5 * weight
        assert abs(up[(time > at - 0.15) & (time < at - 0.05)].mean()) < 0.1 * weight
    for rest in trial.truth.world.rests:
        jumping = rest.force_bw
        assert np.mean(jumping) == pytest.approx(1.0, abs=0.02)


def test_every_file_of_settings_is_checked(tmp_path: Path) -> None:
    text = Path(__file__).parent.parent.joinpath("host/grfkit/simulate/settings.toml").read_text()
    bad = tmp_path / "settings.toml"
    for broken, word in (
        (text.replace("cv_percent = [1.0, 3.0]", "cv_percent = [3.0, 1.0]"), "low to high"),
        (text.replace("white_share", "whiter_share"), "white_share"),
        (text[:-40] + "\n[", "is no TOML"),
    ):
        bad.write_text(broken)
        with pytest.raises(BadInputError, match=word):
            load_settings(bad)
    with pytest.raises(BadInputError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(ValidationError):
        Condition(surface="overground", split_belt=True)


@pytest.mark.parametrize("surface", ["treadmill", "overground"])
def test_events_are_the_true_contacts_seen_late_and_jittered(surface: str) -> None:
    condition = Condition.model_validate({"family": "A", "surface": surface, "gaps": True})
    for seed in range(5):
        trial = simulate_events(condition, seed)
        assert np.all(np.diff(trial.reference.onset_s) >= 0)
        error = trial.reference.onset_s - trial.steps.onset_s[trial.reference.source]
        if surface == "treadmill":
            assert np.abs(error).max() < 0.01
        for stream in trial.wearables.values():
            seen = stream.events
            real = seen.source >= 0
            mapped = stream.clock.t_reference(seen.onset_s[real])
            late = mapped - trial.steps.onset_s[seen.source[real]]
            assert np.median(late) == pytest.approx(stream.lag_s, abs=0.004)
            assert np.all(np.diff(seen.onset_s) >= 0)
            assert np.mean(~real) < 0.1
    again = simulate_events(condition, 4)
    np.testing.assert_array_equal(again.reference.onset_s, trial.reference.onset_s)


def test_silent_losses_shift_later_events() -> None:
    condition = Condition(family="A", index_stamps=True, silent_loss=((60.0, 0.2), (80.0, 0.1)), duration_s=200.0)
    stream = simulate_events(condition, 3).wearables["insole"]
    steps = simulate_events(condition, 3).steps
    real = stream.events.source >= 0
    late = stream.clock.t_reference(stream.events.onset_s[real]) - steps.onset_s[stream.events.source[real]]
    assert np.abs(late - np.median(late)).max() < 0.05
    bare = replace(stream.clock, losses=())
    wrong = bare.t_reference(stream.events.onset_s[real]) - steps.onset_s[stream.events.source[real]]
    assert np.ptp(wrong) > 0.25
