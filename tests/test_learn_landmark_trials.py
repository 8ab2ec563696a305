"""Landmarks of trials: is a foot's force its own whatever the axes and heading, and does motion tell the force?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grfkit.dataset.cut import CutRequest
from grfkit.dataset.from_landmarks import passes
from grfkit.dataset.motion import PHYSICS, physics_bw
from grfkit.dataset.windows import cut_windows, trial_windows
from grfkit.errors import BadInputError
from grfkit.gait.landmarks import LANDMARKS, Points
from grfkit.learn.baselines import PhysicsPrior, baselines
from grfkit.learn.folds import LeakError
from grfkit.provenance import Provenance
from grfkit.records import Anchors, ClockMap, Segment, Trial
from grfkit.records.stance_set import StanceSet, make_stance_set
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.sync import assemble_streams
from grfkit.units import G

MASS_KG = 70.0
RUN = simulate_trial(Condition(family="A", duration_s=30.0, wearables=("landmarks",), split_belt=True, mass_kg=70.0), 5)
FLOOR = simulate_trial(
    Condition(family="A", duration_s=60.0, surface="overground", wearables=("insole", "landmarks"), mass_kg=70.0), 5
)


def trial(lab: LabTrial, *, axes: str = "xyz", surface: str = "treadmill") -> Trial:
    """Return the trial on true clocks; ``axes`` "xzy" gives it as a lab with Y up does (its z is -left)."""
    streams, maps, anchors = {}, {}, {}
    for wearable, recording in lab.wearables.items():
        for name, stream in recording.streams.items():
            truth = lab.truth.streams[(wearable, name)]
            segment = Segment(start_s=-1e6, end_s=1e6, offset_s=truth.offset_s, drift_ppm=truth.drift_ppm, knots=[])
            streams[name] = stream.copy(deep=True)
            maps[name] = ClockMap(source=name, target="reference", verdict="aligned", segments=[segment])
            anchors[name] = Anchors(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))
    reference = lab.reference
    if axes == "xzy":
        streams["landmarks"]["position"].values[:] = y_up(streams["landmarks"]["position"].values)
        plates = {}
        for name, plate in reference.streams.items():
            turned = plate.copy(deep=True)
            force = y_up(np.stack([plate[f"f{a}"].values for a in "xyz"], axis=1))
            for k, a in enumerate("xyz"):
                turned[f"f{a}"].values[:] = force[:, k]
            turned.attrs["vertical"] = "+y"
            del turned.attrs["corners_m"]
            plates[name] = turned
        reference = reference.replaced(plates)
    attrs = {"participant": "P1", "surface": surface, "mass_kg": MASS_KG, "speed_m_s": 3.0, "slope_percent": 0.0}
    return assemble_streams(reference, streams, maps, anchors, attrs=attrs, provenance=Provenance())


def y_up(vectors: np.ndarray) -> np.ndarray:
    """Return forward, left, up as x forward, y up, z right."""
    return np.stack([vectors[..., 0], vectors[..., 2], -vectors[..., 1]], axis=-1)


def mapping(folder: Path, axes: str = '["x", "y", "z"]') -> str:
    """Write a mapping of the simulator's own names."""
    lines = ['name = "virtual"', 'source = "test"', f"axes = {axes}", 'sides = { left = "left", right = "right" }']
    for part in ("pelvis", "hip", "knee", "ankle", "heel", "toe"):
        lines += [f"[[{part}]]", f'mean = ["{"pelvis" if part == "pelvis" else "{side}_" + part}"]']
    path = folder / "virtual.toml"
    path.write_text("\n".join(lines))
    return str(path)


def request(folder: Path, **more: object) -> CutRequest:
    axes = str(more.pop("axes", '["x", "y", "z"]'))
    asked = {"kinds": ("landmarks",), "mapping": mapping(folder, axes), "source": "force"}
    return CutRequest(**{**asked, **more})  # type: ignore[arg-type]


def test_a_stance_holds_the_force_of_the_foot_that_stood(tmp_path: Path) -> None:
    path = tmp_path / "t.nc"
    trial(RUN).to_netcdf(path)
    made = cut_windows([path], request(tmp_path))
    _, targets, weight = made.arrays()
    assert made.axes == ("vgrf", "apgrf", "mlgrf")
    assert made.channels[:3] == ("pelvis_x", "pelvis_y", "pelvis_z")
    assert made.size > 60
    assert (weight == 1).all()
    starts, contact, sides = made.data["start_s"].values, made.scalar("contact_s"), made.per_stance("side")
    for row in range(0, made.size, 9):  # running: one foot at a time, so that the truth of both is this foot's
        at = np.linspace(starts[row], starts[row] + contact[row], 101)
        truth = RUN.truth.force_n(at) / (MASS_KG * G)
        medial = truth[:, 1] if sides[row] == "right" else -truth[:, 1]
        expected = np.stack([truth[:, 2], truth[:, 0], medial], axis=1)
        assert np.sqrt(np.mean((targets[row] - expected)[3:-3] ** 2)) < 0.05


@pytest.mark.parametrize(("stated", "expected"), [(5.0, 5.0), (-3.0, -3.0), (0.0, 0.0), (None, float("nan"))])
@pytest.mark.parametrize("window", ["stance", "continuous"])
def test_windows_have_the_slope_that_the_trial_states_and_none_where_it_states_none(
    tmp_path: Path, stated: float | None, expected: float, window: str
) -> None:
    made = trial(RUN)
    del made.tree.attrs["slope_percent"]
    if stated is not None:
        made.tree.attrs["slope_percent"] = stated
    slopes = trial_windows(made, request(tmp_path, window=window)).scalar("slope_percent")
    np.testing.assert_array_equal(slopes, np.full(slopes.size, expected))


def test_axes_and_source_of_the_force_change_nothing(tmp_path: Path) -> None:
    plain = trial_windows(trial(RUN), request(tmp_path))
    turned = trial_windows(trial(RUN, axes="xzy"), request(tmp_path, axes='["x", "-z", "y"]'))
    for a, b in zip(plain.arrays(), turned.arrays(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_continuous_windows_know_each_foot_and_swing_is_nothing(tmp_path: Path) -> None:
    made = trial_windows(trial(RUN), request(tmp_path, window="continuous", window_s=1.0, rate_hz=100.0))
    _, targets, weight = made.arrays()
    assert made.data.attrs["cut"] == "none"
    share = (np.abs(targets[:, :, 0])[weight > 0] < 0.05).mean()
    assert 0.5 < share < 0.85, "a runner's foot is in the air for most of the stride"


def test_every_pass_over_a_floor_has_its_own_heading(tmp_path: Path) -> None:
    made = trial_windows(trial(FLOOR, surface="overground"), request(tmp_path))
    targets, hits = made.arrays()[1], FLOOR.truth.contacts
    starts, contact, sides = made.data["start_s"].values, made.scalar("contact_s"), made.per_stance("side")
    checked = 0
    for row in range(made.size):
        at = np.linspace(starts[row], starts[row] + contact[row], 101)
        true = int(np.argmin(np.abs(hits.onset_s - starts[row])))
        assert hits.left[true] == (sides[row] == "left")
        if not hits.whole[true]:
            continue  # a foot partly beside the plate
        truth = FLOOR.truth.force_n(at) / (MASS_KG * G)
        medial = truth[:, 1] if sides[row] == "right" else -truth[:, 1]
        expected = np.stack([truth[:, 2], truth[:, 0], medial], axis=1)
        assert np.sqrt(np.mean((targets[row] - expected)[3:-3] ** 2, axis=0)) == pytest.approx([0, 0, 0], abs=0.04)
        checked += 1
    assert checked >= 5


def test_passes_part_at_gaps_and_drop_what_is_short() -> None:
    time = np.arange(100) / 50.0
    position = np.zeros((100, len(LANDMARKS), 3))
    position[20:50] = np.nan
    position[55:95] = np.nan
    position[10:14, 0] = np.nan  # a blink
    found = passes(Points(time, LANDMARKS, position))
    assert [(p.time_s[0], p.time_s[-1]) for p in found] == [(time[0], time[19])]
    assert passes(Points(time, LANDMARKS, np.full_like(position, np.nan))) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"mapping": ""}, "landmarks need a mapping"),
        ({"mapping": "nowhere"}, "there is no landmark mapping 'nowhere'"),
        ({"mapping": "rbds"}, "landmark 'pelvis' cannot be made by mapping 'rbds'"),
        ({"kinds": ("landmarks", "imu")}, "or landmarks, keypoints, images or shoes alone"),
        ({"source": "landmarks"}, "sees contacts without toe-off"),
        ({"landmark_inputs": ()}, "expected some of position"),
    ],
)
def test_what_cannot_be_had_is_refused(change: dict[str, object], what: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=what):
        trial_windows(trial(RUN), request(tmp_path, **change))


def test_frames_that_differ_and_plates_without_three_forces_are_refused(tmp_path: Path) -> None:
    one = trial(RUN)
    name = next(n for n, s in one.streams.items() if s.attrs["kind"] == "force_plate")
    one.tree[name]["fz"].attrs["frame"] = "plate"
    with pytest.raises(BadInputError, match="is in the plate frame and the landmarks are in the global one"):
        trial_windows(one, request(tmp_path))
    one = trial(RUN)
    one.tree[name] = one.tree[name].to_dataset().drop_vars("fx")
    with pytest.raises(BadInputError, match="holds no fx"):
        trial_windows(one, request(tmp_path))


def test_physics_is_newtons_law_on_a_known_path() -> None:
    """z = 1 + 0.05 sin(w t), y = 0.02 cos(w t), a body that speeds up by 0.5 m/s^2."""
    time = np.arange(0, 4, 0.005)
    w = 2 * np.pi * 2.0
    path = np.stack([0.25 * time**2, 0.02 * np.cos(w * time), 1 + 0.05 * np.sin(w * time)], axis=1)
    position = np.repeat(path[:, None], len(LANDMARKS), axis=1)
    position[:, LANDMARKS.index("toe_left")] += 7.0  # limbs are not asked
    found = physics_bw(time, position, lowpass_hz=None)[5:-5]
    t = time[5:-5]
    np.testing.assert_allclose(found[:, 0], 0.5 / G, atol=1e-3)
    np.testing.assert_allclose(found[:, 1], -0.02 * w**2 * np.cos(w * t) / G, atol=2e-3)
    np.testing.assert_allclose(found[:, 2], 1 - 0.05 * w**2 * np.sin(w * t) / G, atol=2e-3)


def test_physics_of_a_trial_is_the_force_on_both_feet(tmp_path: Path) -> None:
    asked = request(tmp_path, physics=True, window="continuous", window_s=1.0, rate_hz=100.0)
    made = trial_windows(trial(RUN), asked)
    assert made.channels[-3:] == PHYSICS
    assert [str(u) for u in made.data["unit"].values[-3:]] == ["BW"] * 3
    inputs, _, weight = made.arrays()
    starts, sides = made.data["start_s"].values, made.per_stance("side")
    r = []
    for row in range(made.size):
        truth = RUN.truth.force_n(starts[row] + np.arange(100) / 100.0) / (MASS_KG * G)
        sure = weight[row] > 0
        r.append([np.corrcoef(inputs[row, sure, -3 + k], truth[sure, j])[0, 1] for k, j in ((0, 2), (1, 0))])
        assert np.sqrt(np.mean((inputs[row, sure, -3] - truth[sure, 2]) ** 2)) < 0.6
    assert np.median(r, axis=0)[0] > 0.9
    assert np.median(r, axis=0)[1] > 0.4, "markerless hips tell little of braking"
    left, right = (inputs[sides == side] for side in ("left", "right"))
    np.testing.assert_array_equal(starts[sides == "left"], starts[sides == "right"])
    np.testing.assert_array_equal(left[:, :, -3:-1], right[:, :, -3:-1])
    np.testing.assert_array_equal(left[:, :, -1], -right[:, :, -1])


def prior_set(
    people: str = "ab", gain: float = 1.0, *, channels: tuple[str, ...] = PHYSICS, seed: int = 0
) -> StanceSet:
    """Return windows whose force is ``gain`` times the physics channels."""
    rng = np.random.default_rng(seed)
    n = 5 * len(people)
    x = rng.uniform(0.2, 2.0, (n, 11, 3))
    names = {"participant": [p for p in people for _ in range(5)], "trial": ["t"] * n}
    kept = [PHYSICS.index(c) for c in channels]
    return make_stance_set(
        x[:, :, kept], gain * x, channels=channels, units=["BW"] * len(channels), labels=names,
        scalars={"mass_kg": [70.0] * n}, window="stance", cut="force", source="made up",
    )  # fmt: skip


def test_the_prior_says_what_its_channels_say_and_learns_no_more_than_a_gain() -> None:
    data, test = prior_set(gain=0.8), prior_set("z", gain=0.8, seed=1)
    plain, fitted = PhysicsPrior(), PhysicsPrior(fit_gain=True)
    for one in (plain, fitted):
        one.fit(data)
    np.testing.assert_allclose(plain.predict(test), test.arrays()[0], rtol=1e-6)
    assert fitted.gains == pytest.approx({"vgrf": 0.8, "apgrf": 0.8, "mlgrf": 0.8}, rel=1e-6)
    np.testing.assert_allclose(fitted.predict(test), test.arrays()[1], rtol=1e-5)


def test_the_prior_is_a_baseline_where_its_channels_are_and_refuses_whom_it_has_seen() -> None:
    data, test = prior_set(channels=("physics_v",)), prior_set("z", channels=("physics_v",), seed=1)
    assert "physics prior" in [p.name for p in baselines(data)]
    model = PhysicsPrior()
    with pytest.raises(BadInputError, match="has not been fitted"):
        model.predict(test)
    model.fit(data)
    with pytest.raises(LeakError, match="participant a was in the fit of physics prior"):
        model.predict(data.of("a"))
    mean = data.arrays()[1][:, :, 1].astype(np.float64)
    expected = (mean[:5].mean(axis=0) + mean[5:].mean(axis=0)) / 2
    np.testing.assert_allclose(model.predict(test)[0, :, 1], expected, rtol=1e-6)  # no channel: the mean curve
    test.data["inputs"][0, 3, 0] = np.nan
    assert np.isfinite(model.predict(test)).all()
    with pytest.raises(BadInputError, match="channel physics_v is wanted"):
        model.predict(prior_set("z", channels=("physics_ap",)))
    bare = StanceSet(data.data.assign_coords(channel=np.asarray(["acc_x"], dtype=object)))
    assert "physics prior" not in [p.name for p in baselines(bare)]
    with pytest.raises(BadInputError, match="physics prior needs channels physics_v"):
        PhysicsPrior().fit(bare)


def test_landmarks_that_were_aligned_are_taken_beside_markers_of_the_plates_file(tmp_path: Path) -> None:
    alone = trial(RUN)
    name, marks = next((n, s) for n, s in alone.streams.items() if s.attrs.get("kind") == "landmarks")
    assert not name.startswith("reference/")
    tree = alone.tree.copy()
    tree["reference/markers"] = xr.DataTree(marks.isel(landmark=[0]))
    made, expected = (trial_windows(t, request(tmp_path)) for t in (Trial(tree), alone))
    np.testing.assert_array_equal(made.arrays()[0], expected.arrays()[0])
