"""Contacts of walkers and runners seen from the side: known ones, hidden, exchanged, cut ones, and against plates."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tools.bench.images.side_film import keypoints_of, phantom_film

from grfkit import simulate_trial
from grfkit.dataset.public.schreiber import read_trial
from grfkit.gait.contacts import BORDER, rule_of
from grfkit.gait.stances import find_stances
from grfkit.records import Trial
from grfkit.signals.film_stream import side_view_of
from grfkit.signals.side_legs import LEGS_PUT_RIGHT, legs_put_back
from grfkit.signals.side_view import side_view
from grfkit.simulate.truth import Truth

SEED = 16


@lru_cache(maxsize=4)
def walker(surface: str = "treadmill", gait: str = "walk") -> Truth:
    """Return the truth of a simulated person of a minute."""
    return simulate_trial(seed=SEED, surface=surface, gait=gait, wearables=("landmarks",), duration_s=40).truth


def film(truth: Truth, *, start_s: float = 2.0, length_s: float = 20.0, **options: float | str) -> xr.Dataset:
    """Return its film, on the reference's clock."""
    start = truth.reference_s[0] + start_s
    return phantom_film(truth, start_s=start, end_s=start + length_s, seed=SEED, **options)  # type: ignore[arg-type]


def errors_s(truth: Truth, stream: xr.Dataset) -> tuple[np.ndarray, int]:
    """Return how late each landing is against the nearest true one of its foot, and how many true ones have none."""
    found = side_view_of(stream).contacts()
    table, off, missed = truth.contacts, [], 0
    start, end = float(stream["time"][0]) + 0.5, float(stream["time"][-1]) - 0.5
    for foot in (0, 1):
        true = table.onset_s[table.left == (foot == 0)]
        onset = found.onset_s[found.foot == foot]
        off += [float(t - true[np.argmin(np.abs(true - t))]) for t in onset]
        inside = true[(true > start) & (true < end)]
        missed += sum(bool(np.abs(onset - t).min() > 0.15) for t in inside)
    return np.asarray(off), missed


@pytest.mark.parametrize("rate_hz", [25.0, 60.0, 240.0])
@pytest.mark.parametrize("near", ["left", "right"])
def test_a_walker_on_a_treadmill_misses_no_landing_at_any_rate(rate_hz: float, near: str) -> None:
    truth = walker()
    late, missed = errors_s(truth, film(truth, rate_hz=rate_hz, near=near, length_s=12.0))
    assert missed == 0
    # a phantom's foot comes down flat and at once, and its heel later than real ones
    assert np.abs(late - np.median(late)).max() < 0.045
    assert 0.0 < np.median(late) < 0.035


def test_a_runner_is_seen_too() -> None:
    truth = walker(gait="run")
    late, missed = errors_s(truth, film(truth, rate_hz=120.0))
    assert missed == 0
    assert np.abs(late - np.median(late)).max() < 0.05


def test_passes_through_the_picture_are_told_apart_and_the_ground_stands_still() -> None:
    truth = walker("overground")
    seen = side_view_of(film(truth, length_s=35.0))
    assert len(seen.passes) >= 3
    for one in seen.passes:
        assert one.heading == 1.0
        assert abs(one.ground_leg_s) < 0.1
        assert one.speed_leg_s == pytest.approx(truth.world.situation.speed_m_s / (0.49 * truth.height_m), rel=0.1)
    late, _ = errors_s(truth, film(truth, length_s=35.0))
    assert np.abs(late - np.median(late)).max() < 0.05


def test_who_walks_back_is_seen_from_the_other_side() -> None:
    stream = film(walker("overground"), length_s=35.0)
    there = side_view_of(stream)
    back = stream["position"].values.copy()
    back[..., 0] = 1919.0 - back[..., 0]
    turned = side_view_of(stream.assign(position=(stream["position"].dims, back)))
    assert [p.heading for p in turned.passes] == [-1.0] * len(there.passes)
    assert [s.ic_s for s in turned.stances] == pytest.approx([s.ic_s for s in there.stances], abs=1e-6, nan_ok=True)


def test_legs_exchanged_for_some_frames_are_put_back() -> None:
    stream = film(walker(), length_s=8.0)
    names = [str(n) for n in stream.landmark.values]
    position, time = stream["position"].values, stream["time"].values
    wrong = position.copy()
    other = [names.index(n.replace("left", "right") if "left" in n else n.replace("right", "left")) for n in names]
    rows = [50, 51, 130, 200, 201, 202, 333]
    wrong[rows] = position[rows][:, other]
    fixed, changed = legs_put_back(time, wrong, names, leg_px=stream.attrs["leg_px"])
    kept, none = legs_put_back(time, position, names, leg_px=stream.attrs["leg_px"])
    assert not none.any()
    np.testing.assert_array_equal(kept, position)
    assert np.flatnonzero(changed).tolist() == rows
    np.testing.assert_array_equal(fixed, position)


def test_legs_that_the_reader_of_a_film_told_apart_keep_their_names() -> None:
    stream = film(walker(), length_s=8.0)
    names = [str(n) for n in stream.landmark.values]
    other = [names.index(n.replace("left", "right") if "left" in n else n.replace("right", "left")) for n in names]
    wrong = stream["position"].values.copy()
    wrong[[130, 131, 200]] = wrong[[130, 131, 200]][:, other]
    stream = stream.assign(position=(stream["position"].dims, wrong))
    assert side_view_of(stream).exchanged == 3
    assert side_view_of(stream.assign_attrs({LEGS_PUT_RIGHT: 17})).exchanged == 0


def test_a_toe_that_a_pose_model_leaves_on_the_floor_makes_no_stance_longer() -> None:
    stream = film(walker(), length_s=8.0)
    before = [s for s in side_view_of(stream).stances if s.foot == 0 and not s.reason]
    time, names = stream["time"].values, [str(n) for n in stream.landmark.values]
    position, toe = stream["position"].values.copy(), names.index("toe_left")
    ends = [s.to_s for s in before]
    for end in ends:
        hung = (time > end - 0.1) & (time < end + 0.12)
        first = np.flatnonzero(hung)[0]
        belt = np.gradient(position[:, toe, 0], time)[first - 6]
        position[hung, toe] = (
            position[first, toe] + np.stack([belt, 0.0], axis=-1) * (time[hung] - time[first])[:, None]
        )
    after = side_view_of(stream.assign(position=(stream["position"].dims, position))).stances
    late = [s.to_s - min(ends, key=lambda t, s=s: abs(t - s.to_s)) for s in after if s.foot == 0 and not s.reason]
    assert len(late) >= len(ends) - 1
    # the toe alone: 55 ms or more
    assert np.abs(late).max() < 0.045
    assert np.median(late) < 0.02


def test_points_that_are_hidden_exchange_no_legs() -> None:
    stream = film(walker(), length_s=6.0)
    position = stream["position"].values.copy()
    position[100:140, [str(n) for n in stream.landmark.values].index("toe_left")] = np.nan
    position[::7, 3] = np.nan
    names = [str(n) for n in stream.landmark.values]
    _, changed = legs_put_back(stream["time"].values, position, names, leg_px=stream.attrs["leg_px"])
    assert not changed.any()


def test_a_hidden_far_foot_costs_its_own_contacts_and_no_others() -> None:
    stream = film(walker(), length_s=16.0)
    position = stream["position"].values.copy()
    far = [i for i, n in enumerate(stream.landmark.values) if str(n).endswith("left") and "hip" not in str(n)]
    hole = (stream["time"].values > stream["time"].values[0] + 5) & (
        stream["time"].values < stream["time"].values[0] + 9
    )
    position[np.ix_(np.flatnonzero(hole), far)] = np.nan
    whole = side_view_of(stream).contacts()
    part = side_view_of(stream.assign(position=(stream["position"].dims, position))).contacts()
    start = float(stream["time"][0])
    assert not ((part.onset_s > start + 5) & (part.onset_s < start + 9) & (part.foot == 0)).any()
    right, right_whole = (c.onset_s[c.foot == 1] for c in (part, whole))
    np.testing.assert_allclose(right, right_whole, atol=0.005)
    covered = part.covered_s
    assert len(covered) > 0


def test_a_foot_that_leaves_the_picture_does_not_land_there() -> None:
    """A course that is drawn on beyond the picture stops at its last point, as a foot that lands does."""
    truth = walker("overground")
    stream = film(truth, length_s=35.0)
    late, _ = errors_s(truth, stream.assign_attrs(width_px=1500))
    assert np.abs(late).max() < 0.06


def test_a_stance_under_way_at_the_film_s_begin_or_end_is_cut_at_the_border() -> None:
    truth = walker()
    table = truth.contacts
    middle = float(table.onset_s[8] + 0.3 * table.contact_s[8])
    stream = phantom_film(truth, start_s=middle, end_s=middle + 6.0, seed=SEED)
    tree = xr.DataTree.from_dict({"/keypoints": stream})
    tree.attrs.update(artefact="trial", surface="treadmill", mass_kg=70.0)
    found = find_stances(Trial(tree), source="film")
    assert found.rejected[BORDER] >= 2
    assert all(0.4 < s.to_s - s.ic_s < 1.0 for s in found.stances)
    assert {s.side for s in found.stances} == {"left", "right"}
    assert {s.source for s in found.stances} == {"keypoints"}
    assert np.isfinite(found.to_pandas()["contact_s"]).all()


def test_who_stands_or_is_not_there_has_no_contacts() -> None:
    time = np.arange(300) / 60
    names = ["hip_left", "hip_right", "heel_left", "heel_right", "toe_left", "toe_right"]
    rng = np.random.default_rng(SEED)
    standing = np.asarray([[500, 300], [505, 300], [490, 700], [500, 690], [560, 705], [570, 700]], dtype=float)
    still = standing + rng.normal(0, 2, (300, 6, 2))
    for position in (still, np.full((300, 6, 2), np.nan)):
        seen = side_view(time, position, names, heading=1.0, leg_px=390.0)
        assert not seen.passes
        assert not seen.contacts().size


def test_jumps_on_the_spot_are_landings_of_both_feet() -> None:
    truth = simulate_trial(
        seed=SEED, surface="overground", gait="walk", wearables=("landmarks",), duration_s=40, jumps=3
    ).truth
    start, end = truth.reference_s
    stream = phantom_film(truth, start_s=start + 1, end_s=end - 1, seed=SEED)
    seen = side_view_of(stream)
    np.testing.assert_allclose(seen.jumps_s, np.repeat(np.asarray(truth.landings_s())[:, None], 2, axis=1), atol=0.04)
    contacts = seen.contacts()
    for landing in truth.landings_s():
        assert set(contacts.foot[np.abs(contacts.onset_s - landing) < 0.05].tolist()) == {0, 1}
    # a walker and a runner do not jump on the spot
    for gait in ("walk", "run"):
        assert not side_view_of(film(walker(gait=gait))).jumps_s.size


def test_frames_that_come_unevenly_are_as_good() -> None:
    truth = walker()
    stream = film(truth, length_s=12.0)
    keep = np.sort(np.random.default_rng(SEED).permutation(stream.sizes["time"])[: round(0.8 * stream.sizes["time"])])
    late, missed = errors_s(truth, stream.isel(time=keep))
    assert missed == 0
    assert np.abs(late - np.median(late)).max() < 0.05


def test_real_walkers_over_plates_land_when_the_force_says(real_file: Callable[[str], Path]) -> None:
    """Markers through a camera: onset and toe-off of the feet whose swing is seen."""
    folder = real_file("schreiber2019_walk_overground/data")
    onset, off = [], []
    for path in sorted(folder.glob("*/dynamic/*.c3d"))[::5]:
        trial = read_trial(path, rule_of("20N").walking())
        near = "left" if trial.feet["left"].contacts[0, 0] > trial.feet["right"].contacts[0, 0] else "right"
        points = trial.points
        time = np.arange(points.time_s[0], points.time_s[-1], 1 / 60)
        flat = points.position.reshape(points.time_s.size, -1)
        body = np.stack([np.interp(time, points.time_s, c) for c in flat.T], axis=1).reshape(time.size, -1, 3)
        centre = tuple(np.mean(points.path("pelvis"), axis=0)[:2])
        stream = keypoints_of(
            body, points.names, time, near=near, middle_m=(float(centre[0]), float(centre[1])), leg_m=0.9, rate_hz=60.0,
            rng=np.random.default_rng(SEED),
        )  # fmt: skip
        (ic, to), foot = trial.feet[near].contacts[0], int(near == "right")
        stances = [s for s in side_view_of(stream).stances if s.foot == foot and not s.reason]
        assert len(stances) == 1
        onset.append(stances[0].ic_s - ic)
        off.append(stances[0].to_s - to)
    assert len(onset) == 5
    for errors in (np.asarray(onset), np.asarray(off)):
        assert np.abs(errors).max() < 0.035
        assert np.sqrt(np.mean(errors**2)) < 0.02


@pytest.mark.recordings
@pytest.mark.slow
def test_a_real_film_shows_the_contacts_that_were_seen_by_eye(real_file: Callable[[str], Path]) -> None:
    """Its SOURCE.md read them where the heel is farthest ahead, good to a frame (33 ms): before the foot bears load."""
    path = real_file("sports2d_demo/demo.mp4")
    pytest.importorskip("av")
    from grfkit.video.recording import FilmOptions, read_film

    recording = read_film(path, FilmOptions(start_s=2.2, end_s=5.6))
    first = float(recording.tree.attrs["first_stamp_s"])
    found = side_view_of(recording.streams["keypoints"]).contacts()
    for foot, seen in ((0, (2.63, 3.87, 5.07)), (1, (3.27, 4.47))):
        late = found.onset_s[found.foot == foot] + first
        assert late == pytest.approx(seen, abs=0.045)
        assert np.mean(late - np.asarray(seen)) < 1 / 30 + 0.005
