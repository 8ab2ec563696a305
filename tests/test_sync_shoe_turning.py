"""Shoes of walkers are aligned by their turning: are real ones that shocks refuse, is a foot's turning misread?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grfkit.dataset.public.pearl_trials import WalkTrial, read_people, read_trial
from grfkit.records import Channel, ClockMap, make_stream
from grfkit.signals.contacts import Contacts
from grfkit.sync import align_device
from grfkit.sync.contact_events import device_train
from grfkit.sync.shoe_turning import by_turning, middles

RATE_HZ = 100.0
STRIDE_S, STANCE_S = 1.2, 0.75


def shoe(*, seconds: float = 60.0, sign: float = 1.0, shuffles: bool = False) -> xr.Dataset:
    """Return a walker's shoe: toe down about each end of stance, toe up in swing; ``shuffles`` turns all the time."""
    time_s = np.arange(0.0, seconds, 1.0 / RATE_HZ)
    at = time_s % STRIDE_S
    pitch = np.where((at > STANCE_S - 0.15) & (at < STANCE_S + 0.03), 5.0, 0.0)
    pitch = np.where((at > STANCE_S + 0.04) & (at < STRIDE_S - 0.05), -3.0, pitch)
    rng = np.random.default_rng(1)
    gyro = rng.normal(scale=0.02, size=(time_s.size, 3))
    gyro[:, 1] += sign * pitch
    if shuffles:
        gyro[:, 0] += 4.0 * np.sin(2 * np.pi * 3.0 * time_s)
    acc = rng.normal(scale=0.1, size=gyro.shape) + np.asarray([0.0, 0.0, 9.81])
    acc[:, 0] += np.abs(pitch) + 20.0 * (at < 0.02)
    channels = [Channel(f"acc_{c}", acc[:, k], "m/s^2", "sensor") for k, c in enumerate("xyz")]
    channels += [Channel(f"gyro_{c}", gyro[:, k], "rad/s", "sensor") for k, c in enumerate("xyz")]
    return make_stream(channels, time_s, kind="imu", side="left", rate_hz=RATE_HZ)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_contacts_are_timed_by_their_middle_whichever_way_the_sensor_sits(sign: float) -> None:
    streams = {"imu_left": shoe(sign=sign)}
    train = by_turning(streams, device_train(streams), STANCE_S)
    assert train is not None
    assert train.feature == "turning"
    middle = (train.contacts.onset_s - 0.5 * STANCE_S + 0.5 * STRIDE_S) % STRIDE_S - 0.5 * STRIDE_S
    assert np.abs(middle).max() < 0.05
    assert train.contacts.duration_s == pytest.approx(np.full(train.contacts.size, STANCE_S), abs=0.05)


def test_a_foot_that_never_stands_still_is_no_walkers() -> None:
    streams = {"imu_left": shoe(shuffles=True)}
    assert by_turning(streams, device_train(streams), STANCE_S) is None


def test_another_contact_time_than_the_references_is_not_taken() -> None:
    streams = {"imu_left": shoe()}
    assert by_turning(streams, device_train(streams), 0.45) is None


def test_middles_are_in_order_and_keep_durations() -> None:
    contacts = Contacts(
        np.asarray([0.0, 0.6, 1.2]), np.asarray([0.8, 0.75, np.nan]), np.ones(3), np.asarray([0, 1, 0]),
        np.asarray([[0.0, 2.0]]),
    )  # fmt: skip
    timed = middles(contacts)
    assert np.all(np.diff(timed.onset_s) > 0)
    assert sorted(timed.duration_s) == pytest.approx([0.15, 0.8])


@pytest.fixture(scope="module")
def folder(real_file: Callable[[str], Path]) -> Path:
    return real_file("pearl2024_imu_treadmill")


def real_map(trial: WalkTrial, side: str) -> ClockMap:
    """Return the map of a real shoe against its belt."""
    acc, gyro = trial.of(f"toes_{side[0]}")
    channels = [Channel(f"acc_{c}", acc[:, k], "m/s^2", "sensor") for k, c in enumerate("xyz")]
    channels += [Channel(f"gyro_{c}", gyro[:, k], "rad/s", "sensor") for k, c in enumerate("xyz")]
    up = trial.force_n[:, ("left", "right").index(side), 1]
    belt = make_stream(
        [Channel("fz", up, "N", "lab")], trial.time_s, kind="force_plate", rate_hz=RATE_HZ, attrs={"knows_feet": side}
    )
    worn = make_stream(channels, trial.time_s, kind="imu", side="left" if side == "left" else "right", rate_hz=RATE_HZ)
    return align_device({"belt": belt}, {"imu": worn}, surface="treadmill").clock_map


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("walk", "side", "lag_ms"), [("Sub08_CSBaseline", "right", -80), ("Sub01_CSBaseline", "left", 10)]
)
def test_a_real_shoe_whose_landings_scatter_is_aligned_by_its_turning(
    folder: Path, walk: str, side: str, lag_ms: float
) -> None:
    trial = read_trial(folder / "trials" / f"{walk}.npz", read_people(folder))
    found = real_map(trial, side)
    assert found.verdict == "aligned"
    assert found.offset_s is not None
    assert found.uncertainty_ms is not None
    assert "Pearl" in found.lag_source
    # the reference lags are good to 15 ms themselves
    assert abs(1e3 * float(found.apply(np.asarray([25.0]))[0] - 25.0) + lag_ms) < found.uncertainty_ms + 15.0
