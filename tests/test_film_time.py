"""Pictures cut out of a film whose stamps go on evenly: seen by a walker who leaps, and never bridged."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from film_walks import LEG_M, STRIDE_S, film_recording
from grfkit import align
from grfkit.errors import RefusedError
from grfkit.io.film_notes import film_notes
from grfkit.provenance import Provenance
from grfkit.records import Recording, make_recording
from grfkit.signals.film_pace import Pace, pace_of, step_times
from grfkit.signals.film_stream import leaps_of, side_view_of
from grfkit.signals.film_time import leaps, missing_pictures, slowed
from grfkit.video.stamps import about_rate, about_time

CUT_AT_S = 2.0


def keypoints(recording: Recording) -> xr.Dataset:
    return recording.streams["keypoints"]


def cut_out(stream: xr.Dataset, count: int, *, at_s: float = CUT_AT_S) -> xr.Dataset:
    """Return a stream without some pictures, the rest stamped as if nothing were missing."""
    time = stream["time"].values
    first = int(np.searchsorted(time, at_s))
    kept = np.r_[0:first, first + count : time.size]
    return stream.isel(time=kept).assign_coords(time=time[: kept.size])


@pytest.mark.parametrize("heading", [1.0, -1.0])
@pytest.mark.parametrize("count", [6, 15, 40])
def test_a_walker_who_leaps_tells_what_was_cut_out(count: int, heading: float) -> None:
    whole = keypoints(film_recording(jitter_px=2.0, seed=3, heading=heading))
    assert leaps_of(whole) == []
    (leap,) = leaps_of(cut_out(whole, count))
    assert leap.after_s == pytest.approx(CUT_AT_S, abs=0.02)
    assert leap.lost_s == pytest.approx(count / 60, abs=0.02, rel=0.06)
    (note,) = about_time(whole["time"].values, 0.0, [leap])
    assert note.startswith("pictures seem to be cut out, though their stamps go on, at 2.00 s (the body leaps by ")


def test_what_is_no_leap() -> None:
    time = np.arange(120) / 60
    way = 1.4 * time + 0.02 * np.sin(12 * time)
    assert leaps(time, np.stack([way, way], axis=1)) == []
    wrong = way.copy()
    wrong[60:] += 0.2
    assert leaps(time, np.stack([wrong, way], axis=1)) == []  # hips alone: a pose model's
    one = way.copy()
    one[60] += 0.4
    assert leaps(time, np.stack([one, one], axis=1)) == []
    kept = np.r_[0:50, 65:120]
    assert leaps(time[kept], np.stack([way, way], axis=1)[kept]) == []  # the stamps tell that hole
    assert missing_pictures(time[kept]) == 15
    assert leaps(time[:4], np.zeros((4, 2))) == []
    assert leaps(time, np.zeros((120, 0))) == []


def test_no_stance_and_no_pass_goes_over_a_leap() -> None:
    stream = cut_out(keypoints(film_recording(strides=6, jitter_px=0.5)), 15, at_s=3.0)
    seen = side_view_of(stream)
    assert len(seen.passes) == 2
    assert all(s.to_s < 3.0 or s.ic_s > 3.0 for s in seen.stances if not s.reason)


def test_such_a_film_is_no_clock(tmp_path: object) -> None:
    stream = cut_out(keypoints(film_recording(jitter_px=0.5)), 15)
    film = make_recording({"keypoints": stream}, device="film", reader="film", provenance=Provenance())
    plates = make_recording({"film": keypoints(film_recording())}, device="x", reader="x", provenance=Provenance())
    with pytest.raises(RefusedError, match="its stamps are no clock"):
        align(None, [plates, film], surface="overground")


def test_missing_pictures_are_counted_the_same_everywhere() -> None:
    recording = film_recording()
    stream = keypoints(recording)
    lost = recording.replaced({"keypoints": stream.isel(time=np.delete(np.arange(stream.sizes["time"]), [40, 41, 90]))})
    assert "3 missing, the longest hole is 50 ms" in film_notes(lost)[0]
    (note,) = about_time(keypoints(lost)["time"].values, 0.0)
    assert note.startswith("3 pictures of the walk seem to be missing; the longest hole is 0.05 s")


@pytest.mark.parametrize("speed", [1.1, 1.3, 1.6])
@pytest.mark.parametrize("heading", [1.0, -1.0])
def test_the_pace_is_that_of_the_walk(speed: float, heading: float) -> None:
    pace = pace_of(keypoints(film_recording(speed_m_s=speed, heading=heading, jitter_px=1.0)))
    assert pace is not None
    assert pace.step_s == pytest.approx(STRIDE_S / 2, rel=0.03)
    assert pace.speed_leg_s == pytest.approx(speed / LEG_M, rel=0.05)
    assert not pace.is_unusual
    assert "too" not in str(pace)


def test_a_film_played_too_fast_or_too_slow_is_told_and_at_last_nobodys() -> None:
    walker = Pace(1.7, 0.51)
    assert not walker.is_unusual
    assert "too" not in str(walker)
    fast = Pace(1.7 * 1.5, 0.51 / 1.5)
    assert fast.is_unusual
    assert not fast.is_nobodys
    assert str(fast).endswith("176 steps a minute of 0.87 leg lengths: as if it were played 1.5 times too fast")
    assert Pace(3.4, 0.255).is_nobodys
    slow = Pace(2.0 / 1.5, 0.5 * 1.5)
    assert slow.is_nobodys
    assert str(slow).endswith("times too slow")
    # who walks slowly takes steps of any length
    assert not Pace(0.9, 0.9).is_nobodys


def test_nothing_is_told_of_the_pace_of_nobody() -> None:
    assert pace_of(keypoints(film_recording()).drop_sel(landmark="ankle_left")) is None
    assert list(step_times(np.arange(3) / 60, np.zeros(3))) == []
    assert pace_of(keypoints(film_recording()).isel(time=slice(0, 20))) is None


def test_slow_motion_that_the_camera_states_is_no_clock() -> None:
    times = np.arange(60) / 30
    assert slowed(times, 240.0) == pytest.approx(8.0)
    assert slowed(times, 30.0) == slowed(times, float("nan")) == slowed(times[:1], 30.0) == slowed(times, 29.97) == 1.0
    (note,) = about_rate(times, 240.0)
    assert note.startswith("the camera states 240 pictures a second, the stamps are 8.0 times too slow")
    assert about_rate(times, 30.0) == []
    stream = keypoints(film_recording())
    stream.attrs["captured_hz"] = 240.0
    film = make_recording({"keypoints": stream}, device="film", reader="film", provenance=Provenance())
    plates = make_recording({"film": keypoints(film_recording())}, device="x", reader="x", provenance=Provenance())
    with pytest.raises(RefusedError, match="4 times slower than its camera states"):
        align(None, [plates, film], surface="overground")
