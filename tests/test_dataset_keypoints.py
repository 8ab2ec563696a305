"""Windows of the keypoints of a film: what is near and own, forward and up, in leg lengths, and whose force it is."""

from __future__ import annotations

import numpy as np
import pytest

from film_walks import LEG_M, film_trial, stance_force_bw
from grfkit import cut_windows
from grfkit.dataset.keypoint_inputs import KEYPOINT_CHANNELS, MARGIN_S, NEAR, SPEED_LEGS
from grfkit.errors import BadInputError
from grfkit.records import Trial
from grfkit.records.stance_set import StanceSet
from grfkit.records.window_length import window_length_s
from grfkit.signals.side_legs import LEGS_PUT_RIGHT

OPTIONS = {"kinds": ("keypoints",), "source": "force", "rule": "5%BW walking"}


def windows(trial: Trial, **more: object) -> StanceSet:
    return cut_windows(trial, **(OPTIONS | more))  # type: ignore[arg-type]


def test_a_walk_becomes_windows_of_both_feet_in_leg_lengths() -> None:
    data = windows(film_trial(jitter_px=0.0))
    assert data.channels == KEYPOINT_CHANNELS
    assert data.axes == ("vgrf", "apgrf", "mlgrf")
    sides = data.per_stance("side")
    assert sorted(set(sides)) == ["left", "right"]
    assert data.size == 8
    assert (data.scalar(NEAR) == (sides == "right")).all()
    np.testing.assert_allclose(data.scalar(SPEED_LEGS), 1.3 / LEG_M, rtol=0.02)
    heel = data.data["inputs"].sel(channel="own_heel_x").values
    # the foot lands before the pelvis and leaves the floor behind it
    assert (heel[:, 0] > 0.2).all()
    assert (heel[:, -1] < -0.2).all()
    z = data.data["inputs"].sel(channel="own_heel_z").values[:, 20:80]
    assert np.abs(z).max() < 0.02
    moving = data.data["inputs"].sel(channel="own_heel_x_velocity").values[:, 40:60]
    np.testing.assert_allclose(moving, -1.3 / LEG_M, rtol=0.05)


@pytest.mark.parametrize("forward", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_forward_is_where_the_foot_pushes_to_whatever_the_axes_of_the_plates_are(forward: tuple[float, float]) -> None:
    data = windows(film_trial(forward=forward))
    share = np.linspace(0.0, 1.0, 101)
    expected = stance_force_bw(share, 1.3)
    # medial of either foot
    for stance in data.data["targets"].values:
        np.testing.assert_allclose(stance, expected, atol=0.06)


def test_a_walk_to_the_left_gives_the_windows_of_one_to_the_right() -> None:
    right = windows(film_trial(jitter_px=0.0))
    left = windows(film_trial(jitter_px=0.0, heading=-1.0, near="left"))
    np.testing.assert_allclose(left.arrays()[0], right.arrays()[0], atol=1e-6)
    assert (left.scalar(NEAR) == 1 - right.scalar(NEAR)).all()


def test_the_windows_do_not_depend_on_how_large_the_picture_is() -> None:
    trial = film_trial(jitter_px=0.0)
    stream = trial.tree["film/keypoints"].to_dataset()
    half = stream.assign(position=stream["position"] * 0.5)
    half.attrs |= {"leg_px": stream.attrs["leg_px"] / 2, "floor_px": stream.attrs["floor_px"] / 2}
    before = windows(trial).arrays()[0]
    trial.tree["film/keypoints"] = half
    np.testing.assert_allclose(windows(trial).arrays()[0], before, atol=1e-5)


def test_stances_beyond_the_picture_or_with_a_hidden_joint_are_counted() -> None:
    trial = film_trial()
    stream = trial.tree["film/keypoints"].to_dataset().copy(deep=True)
    time = stream["time"].values
    stream["position"].values[(time > 0.6) & (time < 0.8), 3] = np.nan
    trial.tree["film/keypoints"] = stream.isel(time=np.flatnonzero(time < 4.0))
    data = windows(trial)
    assert data.excluded["keypoint missing"] >= 1
    assert data.excluded["out of the picture within the stance"] >= 1


def test_points_are_taken_as_they_are_where_the_reader_of_the_film_told_the_legs_apart() -> None:
    trial = film_trial(jitter_px=0.0)
    stream = trial.tree["film/keypoints"].to_dataset().copy(deep=True)
    names = [str(n) for n in stream["landmark"].values]
    places = [names.index(f"{part}_{side}") for part in ("knee", "ankle", "heel", "toe") for side in ("left", "right")]
    swapped = [names.index(f"{part}_{side}") for part in ("knee", "ankle", "heel", "toe") for side in ("right", "left")]
    frames = np.arange(60, 70)
    stream["position"].values[np.ix_(frames, places)] = stream["position"].values[np.ix_(frames, swapped)]
    before = windows(trial).arrays()[0]
    trial.tree["film/keypoints"] = stream
    np.testing.assert_allclose(windows(trial).arrays()[0], before, atol=1e-5)
    trial.tree["film/keypoints"] = stream.assign_attrs({LEGS_PUT_RIGHT: 0})
    assert np.abs(windows(trial).arrays()[0] - before).max() > 0.05


def test_windows_of_a_films_own_contacts_go_beyond_them_with_no_force_there() -> None:
    trial = film_trial(jitter_px=0.0)
    data, by_plates = windows(trial, source="film"), windows(trial)
    np.testing.assert_allclose(window_length_s(data), data.scalar("contact_s") + 2 * MARGIN_S)
    np.testing.assert_allclose(window_length_s(by_plates), by_plates.scalar("contact_s"))
    share = np.linspace(0.0, 1.0, 101)
    for begin, lasts, force in zip(data.data["start_s"].values, window_length_s(data), data.data["targets"].values):
        at = begin + share * lasts
        near = np.abs(by_plates.data["start_s"].values - begin).argmin()
        landed, stood = by_plates.data["start_s"].values[near], by_plates.scalar("contact_s")[near]
        outside = (at < landed) | (at > landed + stood)
        assert outside[[0, -1]].all()
        assert (force[outside] == 0.0).all()
        true = [np.interp((at - landed) / stood, share, c) for c in by_plates.data["targets"].values[near].T]
        np.testing.assert_allclose(force[~outside], np.stack(true, axis=1)[~outside], atol=0.03)


@pytest.mark.parametrize("lost", ["near_side", "leg_px", "heading"])
def test_a_stream_that_does_not_say_how_it_is_to_be_read_is_refused(lost: str) -> None:
    trial = film_trial()
    stream = trial.tree["film/keypoints"].to_dataset()
    stream.attrs.pop(lost)
    trial.tree["film/keypoints"] = stream
    with pytest.raises(BadInputError, match=r"near-side|does not state"):
        windows(trial)


def test_continuous_windows_of_a_film_are_refused() -> None:
    with pytest.raises(BadInputError, match="windows of a film"):
        windows(film_trial(), window="continuous")


def test_who_comes_back_shows_the_other_side() -> None:
    there, back = (film_trial(jitter_px=0.0, heading=h) for h in (1.0, -1.0))
    stream = back.tree["film/keypoints"].to_dataset()
    # the film as a whole is said to go to the right, with the right side near
    stream.attrs |= {"heading": 1.0, "near_side": "right"}
    back.tree["film/keypoints"] = stream
    first, second = windows(there), windows(back)
    np.testing.assert_allclose(second.arrays()[0], first.arrays()[0], atol=1e-6)
    assert (second.scalar(NEAR) == 1 - first.scalar(NEAR)).all()


def test_a_foot_that_leaps_to_the_other_leg_for_two_pictures_moves_the_windows_hardly() -> None:
    trial = film_trial(jitter_px=0.0)
    before = windows(trial).arrays()[0]
    stream = trial.tree["film/keypoints"].to_dataset().copy(deep=True)
    names = [str(n) for n in stream["landmark"].values]
    left, right = ([names.index(f"{joint}_{side}") for joint in ("ankle", "heel", "toe")] for side in ("left", "right"))
    frames = np.flatnonzero(stream["time"].values > 1.0)[:2]
    position = stream["position"].values
    for frame in frames:
        position[frame, left], position[frame, right] = position[frame, right].copy(), position[frame, left].copy()
    trial.tree["film/keypoints"] = stream
    assert np.abs(windows(trial).arrays()[0] - before).max() < 0.4
