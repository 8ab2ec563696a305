"""Stances of trials: is a window's force that of its foot and instant, and is what cannot be learnt from refused?"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import xarray as xr
from scipy.signal import butter, filtfilt

from grfkit.dataset.cut import CutRequest
from grfkit.dataset.foot_force import PlateColumns, filtered, foot_force
from grfkit.dataset.set_writer import write_sets
from grfkit.dataset.windows import cut_windows, sets_of, trial_windows
from grfkit.errors import BadInputError
from grfkit.gait.stances import Stance
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import Recipe, from_preset
from grfkit.learn.window_sources import load_sets
from grfkit.provenance import Provenance
from grfkit.records import Anchors, ClockMap, Segment, Trial
from grfkit.records.stance_set import StanceSet
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.sync import assemble_streams
from grfkit.units import G
from learn_sets import made_up

LAB = simulate_trial(Condition(family="A", duration_s=40.0, wearables=("insole", "imu")), 5)
MASS_KG = 70.0


def trial(lab: LabTrial = LAB, *, participant: str = "P1", mass_kg: float = MASS_KG, verdict: str = "aligned") -> Trial:
    """Return the trial with the clocks that are known to be true."""
    streams, maps = {}, {}
    for wearable, recording in lab.wearables.items():
        for name, stream in recording.streams.items():
            truth = lab.truth.streams[(wearable, name)]
            segment = Segment(start_s=-1e6, end_s=1e6, offset_s=truth.offset_s, drift_ppm=truth.drift_ppm, knots=[])
            streams[name] = stream
            maps[name] = ClockMap(source=name, target="reference", verdict=verdict, segments=[segment])  # type: ignore[arg-type]
    none = np.zeros(0)
    anchors = {name: Anchors(none, none, none, np.zeros(0, dtype=bool)) for name in streams}
    attrs = {"participant": participant, "surface": "treadmill", "mass_kg": mass_kg, "speed_m_s": 3.0,
             "slope_percent": 0.0}  # fmt: skip
    return assemble_streams(lab.reference, streams, maps, anchors, attrs=attrs, provenance=Provenance())


def test_a_window_holds_the_force_of_its_instants_in_body_weights() -> None:
    made = trial_windows(trial(), CutRequest(source="force"))
    plate = next(s for s in LAB.reference.of_kind("force_plate").values())
    time_s = plate["time"].values
    up = np.abs(plate["fz"].values)
    _, targets, _ = made.arrays()
    starts, contact = made.data["start_s"].values, made.scalar("contact_s")
    for row in range(0, made.size, 7):
        at = np.linspace(starts[row], starts[row] + contact[row], 101)
        np.testing.assert_allclose(targets[row, :, 0], np.interp(at, time_s, up) / (MASS_KG * G), atol=0.02)
    assert made.size > 60
    assert set(made.per_stance("side")) == {"left", "right"}
    assert made.data.attrs["cut"] == "force"


def test_each_foot_gets_its_own_sensors_and_loads_rise_with_the_force() -> None:
    recorded = trial()
    made = trial_windows(recorded, CutRequest(source="force", kinds=("insole",)))
    inputs, targets, _ = made.arrays()
    cells = [i for i, c in enumerate(made.channels) if c.startswith("cell_")]
    load = np.nansum(inputs[:, :, cells], axis=2)
    other = np.stack([_load_of_the_other_foot(recorded, made, row) for row in range(made.size)])
    r, r_other = ([np.corrcoef(a, b)[0, 1] for a, b in zip(x, targets[:, :, 0])] for x in (load, other))
    assert len(cells) == 16
    assert np.median(r) > np.median(r_other) + 0.5  # the other foot is in the air: its load does not follow


def _load_of_the_other_foot(recorded: Trial, made: StanceSet, row: int) -> np.ndarray:
    side = {"left": "right", "right": "left"}[made.per_stance("side")[row]]
    stream = recorded.streams[f"insole_{side}"]
    total = sum(stream[c].values for c in map(str, stream) if c.startswith("cell_"))
    start = float(made.data["start_s"].values[row])
    at = np.linspace(start, start + made.scalar("contact_s")[row], int(made.data.sizes["time"]))
    return np.interp(at, stream["time"].values, total)


def test_the_device_detector_is_the_default_and_named() -> None:
    made = trial_windows(trial())
    assert made.data.attrs["cut"] == "insole_causal"
    assert made.size > 50
    assert {"acc_x", "gyro_z", "cell_01"} <= set(made.channels)


def test_mirroring_turns_lateral_channels_of_left_feet_alone() -> None:
    plain = trial_windows(trial(), CutRequest(source="force", mirror=False))
    turned = trial_windows(trial(), CutRequest(source="force", mirror=True))
    left = plain.per_stance("side") == "left"
    x, y = plain.arrays()[0], turned.arrays()[0]
    lateral = plain.channels.index("acc_y")
    forward = plain.channels.index("acc_x")
    np.testing.assert_array_equal(x[left][:, :, lateral], -y[left][:, :, lateral])
    np.testing.assert_array_equal(x[~left], y[~left])
    np.testing.assert_array_equal(x[left][:, :, forward], y[left][:, :, forward])


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"participant": " "}, "names no participant"),
        ({"mass_kg": float("nan")}, "states no body mass"),
        ({"verdict": "refused"}, "refused by alignment"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(given: dict[str, object], what: str, tmp_path: Path) -> None:
    path = tmp_path / "t.nc"
    trial(**given).to_netcdf(path)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=what):
        cut_windows([path])


@pytest.mark.parametrize(("mass", "said"), [
    (0.0, "expected kilograms"), (-70.0, "expected kilograms"), (70000.0, "expected kilograms"),
    ("70 kg", "no number"), (float("nan"), "no body mass"),
])  # fmt: skip
def test_a_mass_that_is_nobodys_is_refused_by_its_value(mass: object, said: str) -> None:
    made = trial()
    made.tree.attrs["mass_kg"] = mass
    with pytest.raises(BadInputError, match=said):
        trial_windows(made)


def test_plates_in_another_unit_than_newtons_are_refused() -> None:
    made = trial()
    plate = next(n for n, s in made.streams.items() if s.attrs.get("kind") == "force_plate")
    made.tree[plate]["fz"].attrs["units"] = "kN"
    with pytest.raises(BadInputError, match="is in kN, expected N"):
        trial_windows(made)


def test_no_trial_and_no_stance_are_refused() -> None:
    with pytest.raises(BadInputError, match="no trial was given"):
        cut_windows([])
    still = simulate_trial(Condition(family="A", duration_s=30.0, standing=True, wearables=("insole",)), 6)
    with pytest.raises(BadInputError, match="no stance is left"):
        trial_windows(trial(still), CutRequest(source="force", kinds=("insole",)))


def stream(values: np.ndarray, *, rate_hz: float = 1000.0, **attrs: object) -> xr.Dataset:
    """Return a stream of one channel ``acc_x``."""
    time = np.arange(values.size) / rate_hz
    return xr.Dataset({"acc_x": ("time", values)}, coords={"time": time}, attrs={"rate_hz": rate_hz, **attrs})


def gain_at(made: xr.Dataset, frequency_hz: float) -> float:
    """Return the amplitude of a sine of that frequency in the middle half of a channel."""
    middle = slice(made.sizes["time"] // 4, 3 * made.sizes["time"] // 4)
    wave = np.exp(-2j * np.pi * frequency_hz * made["time"].values[middle])
    return float(2 * np.abs((made["acc_x"].values[middle] * wave).mean()))


def test_a_corrected_cut_off_is_that_of_both_passes_and_an_uncorrected_one_that_of_each() -> None:
    sine = stream(np.sin(2 * np.pi * 20.0 * np.arange(8000) / 1000.0))
    both = filtered(sine, ["acc_x"], cutoff_hz=20.0)
    each = filtered(sine, ["acc_x"], cutoff_hz=20.0, corrected=False)
    assert gain_at(both, 20.0) == pytest.approx(1 / np.sqrt(2), rel=1e-3)
    assert gain_at(each, 20.0) == pytest.approx(0.5, rel=1e-3)
    b, a = butter(2, 20.0, fs=1000.0)
    expected = filtfilt(b, a, sine["acc_x"].values)
    np.testing.assert_allclose(each["acc_x"].values[500:-500], expected[500:-500], atol=1e-6)


def test_a_filter_keeps_gaps_does_not_cross_them_and_leaves_what_it_cannot_touch() -> None:
    values = np.r_[np.zeros(1000), np.nan, np.ones(1000)]
    made = filtered(stream(values), ["acc_x"], cutoff_hz=10.0)["acc_x"].values
    np.testing.assert_array_equal(np.isnan(made), np.isnan(values))
    np.testing.assert_allclose(made[:1000], 0.0, atol=1e-9)
    np.testing.assert_allclose(made[1001:], 1.0, atol=1e-9)
    lost = stream(np.r_[np.zeros(1000), np.ones(1000)])  # five seconds lost without a row of NaN
    lost = lost.assign_coords(time=np.r_[np.arange(1000), 6000 + np.arange(1000)] / 1000.0)
    np.testing.assert_allclose(filtered(lost, ["acc_x"], cutoff_hz=10.0)["acc_x"], lost["acc_x"], atol=1e-9)
    slow = stream(np.random.default_rng(0).normal(size=50), rate_hz=100.0)
    assert filtered(slow, ["acc_x"], cutoff_hz=50.0) is slow
    assert filtered(slow, ["acc_x"], cutoff_hz=0.0) is slow


def test_filters_act_on_force_and_imu_alone_and_come_from_the_preset() -> None:
    plain = trial_windows(trial(), CutRequest(source="force"))
    soft = trial_windows(trial(), CutRequest(source="force", force_lowpass_hz=15.0, imu_lowpass_hz=10.0))
    assert soft.size == plain.size or abs(soft.size - plain.size) < 4
    both = soft.where(np.isin(soft.data["start_s"].values, plain.data["start_s"].values))
    same = plain.where(np.isin(plain.data["start_s"].values, both.data["start_s"].values))
    cells = [i for i, c in enumerate(plain.channels) if c.startswith("cell_")]
    np.testing.assert_array_equal(both.arrays()[0][:, :, cells], same.arrays()[0][:, :, cells])
    acc = plain.channels.index("acc_x")
    rough = [np.abs(np.diff(d.arrays()[0][:, :, acc], n=2, axis=1)).mean() for d in (soft, plain)]
    assert rough[0] < 0.3 * rough[1]
    cut = from_preset(load_preset("carter2024", "faithful")).cut
    assert (cut.force_lowpass_hz, cut.imu_lowpass_hz, cut.lowpass_corrected) == (15.0, 10.0, False)


def half_sine(time_s: np.ndarray, start_s: float, end_s: float, height_n: float) -> np.ndarray:
    phase = (time_s - start_s) / (end_s - start_s)
    return np.where((phase > 0) & (phase < 1), height_n * np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)


TIME = np.arange(0, 2, 0.001)
LEFT, RIGHT = half_sine(TIME, 0.2, 0.5, 1500.0), half_sine(TIME, 0.8, 1.1, 1600.0)
LOST = half_sine(TIME, 1.4, 1.7, 1400.0)  # a contact that no detector accepted


def stance(side: Literal["left", "right", "unknown"], ic_s: float, to_s: float, *plates: str) -> Stance:
    return Stance(ic_s, to_s, side, "force", "20N", plates)


@pytest.mark.parametrize("treadmill", [True, False])
def test_on_a_shared_plate_a_foot_bears_nothing_only_where_it_is_known_to_swing(treadmill: bool) -> None:
    plates = [PlateColumns("p", "both", TIME, (LEFT + RIGHT + LOST)[:, None])]
    seen = [stance("left", 0.2, 0.5, "p"), stance("right", 0.8, 1.1, "p")]
    force, known = foot_force(plates, seen, "left", TIME, weight_n=700.0, treadmill=treadmill)
    own = (TIME > 0.2) & (TIME < 0.5)
    np.testing.assert_allclose(force[own, 0], LEFT[own], atol=1e-9)
    assert np.isnan(force[(TIME > 1.42) & (TIME < 1.68)]).all(), "nobody knows whose the lost contact was"
    if treadmill:
        np.testing.assert_array_equal(force[(TIME > 0.82) & (TIME < 1.08)], 0.0)  # the other foot stands
        np.testing.assert_array_equal(force[(TIME > 0.51) & (TIME < 0.79)], 0.0)  # both fly
    else:
        assert not known[(TIME > 0.53) & (TIME < 2.0)].any(), "it may stand beside the plate"
    np.testing.assert_array_equal(known, np.isfinite(force).all(axis=1))


def test_two_feet_on_one_plate_are_not_parted_and_on_two_plates_are() -> None:
    later = half_sine(TIME, 0.4, 0.7, 1000.0)
    shared = [PlateColumns("p", "both", TIME, (LEFT + later)[:, None])]
    seen = [stance("left", 0.2, 0.5, "p"), stance("right", 0.4, 0.7, "p")]
    force, known = foot_force(shared, seen, "left", TIME, weight_n=700.0, treadmill=True)
    assert not known[(TIME > 0.4) & (TIME < 0.5)].any()
    np.testing.assert_allclose(force[(TIME > 0.21) & (TIME < 0.39), 0], LEFT[(TIME > 0.21) & (TIME < 0.39)], atol=1e-9)
    parted = [PlateColumns("p", "both", TIME, LEFT[:, None]), PlateColumns("q", "both", TIME, later[:, None])]
    seen = [stance("left", 0.2, 0.5, "p"), stance("right", 0.4, 0.7, "q")]
    force, known = foot_force(parted, seen, "left", TIME, weight_n=700.0, treadmill=False)
    np.testing.assert_allclose(force[(TIME > 0.2) & (TIME < 0.5), 0], LEFT[(TIME > 0.2) & (TIME < 0.5)], atol=1e-9)
    split = [PlateColumns("l", "left", TIME, LEFT[:, None]), PlateColumns("r", "right", TIME, later[:, None])]
    for side, truth in (("left", LEFT), ("right", later)):
        force, known = foot_force(split, [], side, TIME, weight_n=700.0, treadmill=True)
        np.testing.assert_array_equal(force[:, 0], truth)
        assert known.all()


def test_an_imu_alone_gives_continuous_windows_that_hold_each_foots_force() -> None:
    alone = simulate_trial(Condition(family="A", duration_s=40.0, wearables=("imu",)), 5)
    request = CutRequest(source="imu", kinds=("imu",))
    with pytest.raises(BadInputError, match=r"contacts without toe-off.*take window='continuous'"):
        trial_windows(trial(alone), request)
    request = CutRequest(kinds=("imu",), window="continuous", window_s=1.5, rate_hz=200.0, mirror=False)
    made = trial_windows(trial(alone), request)
    _, targets, weight = made.arrays()
    assert (made.data.attrs["cut"], made.data.attrs["rate_hz"]) == ("none", 200.0)
    assert targets.shape[1:] == (300, 1)
    left, right = (made.where(made.per_stance("side") == s) for s in ("left", "right"))
    np.testing.assert_allclose(left.data["start_s"], right.data["start_s"], atol=0.05)
    row = left.size // 2
    at = float(left.data["start_s"].values[row]) + np.arange(300) / 200.0
    other = int(np.argmin(np.abs(right.data["start_s"].values - at[0])))
    assert abs(float(right.data["start_s"].values[other]) - at[0]) < 1e-6
    both = left.arrays()[1][row, :, 0] + right.arrays()[1][other, :, 0]
    sure = (left.arrays()[2][row] > 0) & (right.arrays()[2][other] > 0)
    truth = alone.truth.force_n(at)[:, 2] / (MASS_KG * G)
    assert sure.mean() > 0.8
    assert np.sqrt(np.mean((both - truth)[sure] ** 2)) < 0.05
    assert (np.minimum(left.arrays()[1][row, :, 0], right.arrays()[1][other, :, 0])[sure] < 0.05).all()
    assert weight.mean() > 0.8


def test_the_insoles_length_and_size_are_scalars_where_they_are_stated() -> None:
    one = trial()
    assert np.isnan(trial_windows(one, CutRequest(source="force")).scalar("insole_length_m")).all()
    one.tree.attrs["insole_length_m"] = 0.27
    for node in ("insole_left", "insole_right"):
        if node in one.tree:
            one.tree[node].attrs["insole_size"] = "L"
    made = trial_windows(one, CutRequest(source="force"))
    np.testing.assert_array_equal(made.scalar("insole_length_m"), 0.27)
    np.testing.assert_array_equal(made.scalar("insole_size"), 4.0)
    one.tree.attrs["insole_length_m"] = "long"
    with pytest.raises(BadInputError, match="insole_length_m is 'long', expected a number"):
        trial_windows(one)


def test_a_set_written_trial_by_trial_is_the_set_of_them_all(tmp_path: Path) -> None:
    paths = [tmp_path / f"t{i}.nc" for i in range(3)]
    for i, path in enumerate(paths):
        trial(participant=f"P{i % 2}", mass_kg=60.0 + i).to_netcdf(path)
    request = CutRequest(source="force", points=31)
    whole = cut_windows(paths, request)
    lazy = cut_windows(paths, request, out=tmp_path / "set.nc")
    xr.testing.assert_identical(lazy.data.load(), whole.data)
    lazy.data.close()
    again = tmp_path / "whole.nc"
    whole.to_netcdf(again)
    with StanceSet.open(again).data as one:
        xr.testing.assert_identical(one.load(), lazy.data)
    with pytest.raises(BadInputError, match="exists"):
        cut_windows(paths, request, out=tmp_path / "set.nc")


def test_a_set_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.nc", tmp_path / "bad.nc"
    trial().to_netcdf(good)
    trial(participant="").to_netcdf(bad)
    with pytest.raises(BadInputError, match="names no participant"):
        cut_windows([good, bad], CutRequest(source="force"), out=tmp_path / "set.nc")
    with pytest.raises(BadInputError, match="no trial was given"):
        cut_windows([], out=tmp_path / "set.nc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.nc", "good.nc"]


def test_memory_does_not_grow_with_the_number_of_parts(tmp_path: Path) -> None:
    part = made_up("abc", each=40, points=200, channels=tuple(f"c{i}" for i in range(20)))
    bytes_each = part.data["inputs"].nbytes
    write_sets([part], tmp_path / "warm.nc").data.close()
    peaks = []
    for count in (2, 16):
        tracemalloc.start()
        made = write_sets((StanceSet(part.data.copy(deep=True)) for _ in range(count)), tmp_path / f"{count}.nc")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert made.data["inputs"].nbytes == count * bytes_each
        made.data.close()
    assert peaks[1] < peaks[0] + bytes_each


def test_no_trial_is_read_before_its_turn(tmp_path: Path) -> None:
    trial().to_netcdf(tmp_path / "t.nc")
    found = sets_of([tmp_path / "t.nc", tmp_path / "none.nc"], CutRequest(source="force"))
    assert next(found).size > 50
    with pytest.raises(BadInputError, match="none"):
        next(found)


def test_parts_that_differ_are_not_written_together(tmp_path: Path) -> None:
    for other in (made_up("b", points=11), made_up("b", channels=("acc_x", "acc_y", "acc_z"))):
        with pytest.raises(BadInputError, match="sets differ in"):
            write_sets([made_up("a"), other], tmp_path / "set.nc")
    assert not list(tmp_path.iterdir())


def test_a_walk_is_cut_by_a_walkers_limits_and_the_refusal_says_so() -> None:
    plates = Condition(family="A", gait="walk", surface="overground", duration_s=40.0, wearables=("insole",))
    walk = trial(simulate_trial(plates, 12))
    walk.tree.attrs["surface"] = "overground"
    with pytest.raises(BadInputError, match="is it walking\\? rule '20N walking'"):
        trial_windows(walk, CutRequest(kinds=("insole",)))
    made = trial_windows(walk, CutRequest(kinds=("insole",), rule="20N walking"))
    assert made.size >= 6
    assert 0.5 < np.median(made.scalar("contact_s")) < 1.0


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(BadInputError, match="'20N strolling' is unknown"):
        trial_windows(trial(), CutRequest(rule="20N strolling"))


@pytest.mark.parametrize(("wearable", "channel", "dead"), [("imu", "acc_x", True), ("insole", "cell_03", False)])
def test_a_signal_without_a_value_is_refused_and_a_dead_cell_is_not(wearable: str, channel: str, dead: bool) -> None:
    known = trial()
    name, stream = next((n, s) for n, s in known.streams.items() if s.attrs.get("kind") == wearable)
    empty = stream[channel].copy(data=np.full(stream.sizes["time"], np.nan))
    known.tree[name] = xr.DataTree(stream.assign({channel: empty}))
    if dead:
        with pytest.raises(BadInputError, match=f"'{name}' holds no value of {channel} in the whole trial"):
            trial_windows(known, CutRequest(source="force"))
    else:
        made = trial_windows(known, CutRequest(source="force"))
        assert np.isnan(made.arrays()[0][:, :, made.channels.index(channel)]).any()


def test_an_insole_without_any_cell_is_refused() -> None:
    known = trial()
    name, stream = next((n, s) for n, s in known.streams.items() if s.attrs.get("kind") == "insole")
    cells = [str(c) for c in stream.data_vars if str(c).startswith("cell_")]
    empty = {c: stream[c].copy(data=np.full(stream.sizes["time"], np.nan)) for c in cells}
    known.tree[name] = xr.DataTree(stream.assign(empty))
    with pytest.raises(BadInputError, match=r"holds no value of cell_01, cell_02, cell_03, cell_04 \.\.\."):
        trial_windows(known, CutRequest(source="force"))


def test_a_copy_of_a_trial_is_refused(tmp_path: Path) -> None:
    trial().to_netcdf(tmp_path / "a.nc")
    (tmp_path / "b.nc").write_bytes((tmp_path / "a.nc").read_bytes())
    with pytest.raises(BadInputError, match=r"b\.nc: is a copy of .*a\.nc"):
        load_sets([tmp_path], Recipe())
