"""Measured lags: of simulated blows, jumps and steps whose lag is known; refused where they cannot be seen."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from grfkit import align, simulate_trial
from grfkit.calibrate import load, load_lag_table, lookup
from grfkit.calibrate.documents import LagTable
from grfkit.cli.calibrate import main
from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Recording, make_recording
from grfkit.simulate.blows import simulate_blows
from grfkit.simulate.lab import LabTrial
from grfkit.sync.inputs import apart_from_plates
from grfkit.sync.lag_difference import lag_differences
from grfkit.sync.lag_document import lag_document
from grfkit.sync.lag_measure import LagSource, agreeing, combine, measure_recording, predictive_sd_s
from grfkit.sync.lag_sources import measure_lags


@lru_cache(maxsize=8)
def struck(seed: int = 1, **options: Any) -> Recording:
    return simulate_blows(seed, **options)


def source(recording: Recording) -> LagSource:
    reference, device = apart_from_plates(recording)
    assert device is not None
    return LagSource("hammer.nc", reference, device, 0.0, ())


def with_only(recording: Recording, *names: str) -> Recording:
    streams = {n: s for n, s in recording.streams.items() if n in names}
    return make_recording(streams, device="t", reader="t", provenance=Provenance())


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with patch.object(sys, "argv", ["grf-calibrate", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


@lru_cache(maxsize=2)
def run_with_loadsol() -> LabTrial:
    """Return a run with insole and IMU on one clock, clocks other than the plates'."""
    return simulate_trial(seed=36_400_001, surface="treadmill", insole="loadsol", wearables=("insole",), duration_s=70)


def on_true_clock(lab: LabTrial, wearable: str) -> Recording:
    recording = lab.wearables[wearable]
    return recording.replaced(
        {
            name: s.assign_coords(
                time=("time", lab.truth.streams[wearable, name].t_reference(s["time"].values), s["time"].attrs)
            )
            for name, s in recording.streams.items()
        }
    )


@pytest.mark.parametrize("rate_hz", [100.0, 200.0, 500.0])
def test_a_later_device_is_found_later_by_as_much(rate_hz: float) -> None:
    """What a hammer shows beyond the delay (rise, sampling) is the same, so the difference is the delay's."""
    lags = []
    for delay_s in (0.001, 0.031):
        recording = struck(3, insole_lag_s=delay_s, imu_lag_s=delay_s, insole_rate_hz=rate_hz, imu_rate_hz=500.0)
        lags.append({lag.device_class: lag for lag in measure_recording(source(recording))})
    for kind in ("insole", "imu"):
        early, late = lags[0][kind], lags[1][kind]
        assert early.method == "blows"
        assert late.mean_s - early.mean_s == pytest.approx(0.030, abs=5e-4)
        assert early.lags_s.size >= 25
        assert early.sd_s < 0.004


def test_the_document_is_what_the_alignment_subtracts(tmp_path, capsys):
    paths = []
    for seed in (4, 5, 6):
        delays = {4: 0.004, 5: 0.006, 6: 0.008}
        paths.append(tmp_path / f"hammer{seed}.nc")
        struck(seed, insole_lag_s=delays[seed]).to_netcdf(paths[-1])
    out, report = tmp_path / "ours.json", tmp_path / "ours.html"
    names = [part for path in paths for part in ("--reference", path)]
    code, text, _ = command(
        capsys, "lag", *names, "--device-class", "insole", "--out", out, "--report", report, "--made-on", "2026-05-31"
    )
    assert code == 0
    assert "90 blows of 3 recordings" in text
    document = load(out).document
    assert isinstance(document, LagTable)
    assert (document.name, document.base, document.made_on) == ("ours", "default", "2026-05-31")
    assert [i.sha256 for i in document.inputs] == [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]
    (measured,) = document.measured
    assert (measured.n_blows, measured.n_recordings, measured.method, measured.peak_unit) == (90, 3, "blows", "N")
    # three devices 2 ms apart: the SD between them is seen, and stated wider, as three tell little of a spread
    assert measured.device_sd_s == pytest.approx(0.002, abs=0.0008)
    entry = next(e for e in document.entries if e.gait == "running")
    assert (entry.rate_hz_min, entry.rate_hz_max) == (160.0, 250.0)
    assert 0.002 < entry.sd_s < 0.006
    transfer = next(
        t
        for t in load_lag_table().document.transfers
        if (t.device_class, t.method, t.gait, t.rate_hz_min) == ("insole", "blows", "running", 150.0)
    )
    assert entry.lag_s == pytest.approx(measured.lag_s + transfer.add_s, abs=2e-6)

    lab = simulate_trial(seed=2, wearables=("insole",), surface="treadmill", insole_rate_hz=200.0)
    alignment = align(lab.reference, lab.wearables["insole"], surface="treadmill", calibrations=out)
    assert alignment.verdict == "aligned"
    clock_map = alignment.maps["insole_left"]
    assert clock_map.lag_s == pytest.approx(entry.lag_s)
    assert "ours: measured: grf-calibrate lag, 90 blows at 200 Hz" in clock_map.lag_source
    general = align(lab.reference, lab.wearables["insole"], surface="treadmill").maps["insole_left"]
    # a larger lag maps the device's times to earlier ones of the reference... by exactly the difference
    assert clock_map.offset_s - general.offset_s == pytest.approx(-(entry.lag_s - general.lag_s) * -1, abs=2e-4)
    page = report.read_text()
    assert page.count("<svg") >= 6
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert hashlib.sha256(paths[0].read_bytes()).hexdigest() in page


def test_a_measured_document_is_refused_where_class_or_rate_do_not_fit(tmp_path):
    lags = combine([lag for lag in measure_recording(source(struck(7))) if lag.device_class == "insole"])
    table = lag_document(lags, name="ours", inputs=())
    with pytest.raises(
        BadInputError, match=r"'ours' does not fit the insole: it holds onset at 160 to 250 Hz, running"
    ):
        lookup(table, device_class="insole", feature="onset", rate_hz=100.0)
    # a class that was not measured keeps the general table's lag, and the map says whose it is
    assert lookup(table, device_class="imu", feature="jerk", rate_hz=400.0).source.startswith("default: ")
    path = tmp_path / "ours.json"
    path.write_text(table.model_dump_json())
    lab = simulate_trial(seed=2, wearables=("imu",), surface="treadmill", duration_s=20)
    with pytest.raises(BadInputError, match="of no use: it was measured on insole, and what is aligned is imu"):
        align(lab.reference, lab.wearables["imu"], surface="treadmill", calibrations=path)


def test_one_device_has_a_surer_document_than_its_class():
    lags = combine([lag for lag in measure_recording(source(struck(7))) if lag.device_class == "insole"])
    sds = [lag_document(lags, name="ours", inputs=(), scope=scope).entries[0].sd_s for scope in ("class", "device")]
    assert sds[0] > sds[1] > 0.001
    # two devices say less of a spread than ten that differ as much; the general SD stands in
    seen = [predictive_sd_s(0.004, count, 0.0017, worth=4.0) for count in (2, 10, 1000)]
    assert seen[2] == pytest.approx(0.004, rel=0.01)
    assert predictive_sd_s(None, 1, 0.0017, worth=4.0) > 0.0017


def test_steps_on_a_shared_clock_measure_the_lag_of_gait():
    lab = run_with_loadsol()
    delay_s = lab.truth.streams["insole", "insole_left"].device_lag_s
    found = measure_recording(LagSource("run", lab.reference, on_true_clock(lab, "insole"), 0.0, ()))
    by_class = {lag.device_class: lag for lag in found}
    assert {lag.method for lag in found} == {"steps"}
    assert {lag.gait for lag in found} == {"running"}
    table = load_lag_table().document
    general = lookup(table, device_class="insole", feature="onset", rate_hz=200.0)
    assert abs(by_class["insole"].mean_s - general.lag_s) < 1.96 * general.sd_s
    assert by_class["insole"].mean_s > delay_s - 0.002
    # and the alignment that takes it off is nearer to the truth than its own lag is long
    document = lag_document(combine([by_class["insole"]]), name="steps", inputs=())
    assert [e.gait for e in document.entries] == ["running"]


def test_landings_of_jumps_measure_a_lag():
    """Both feet land on one plate and a person stands there: the long contacts are landings, the first foot counts."""
    options: dict[str, Any] = {
        "surface": "overground",
        "jumps": 12,
        "hits": 0,
        "insole_rate_hz": 200.0,
        "imu_rate_hz": 500.0,
    }
    lab = simulate_trial(seed=36_400_004, wearables=("insole", "imu"), **options)
    for wearable, far_s in (("insole", (-0.002, 0.004)), ("imu", (0.005, 0.025))):
        delay_s = next(t.device_lag_s for (name, _), t in lab.truth.streams.items() if name == wearable)
        (lag,) = measure_recording(LagSource("jumps", lab.reference, on_true_clock(lab, wearable), 0.0, ()))
        assert lag.method == "jumps"
        assert lag.lags_s.size >= 7
        assert far_s[0] < lag.mean_s - delay_s < far_s[1]
        assert [e.gait for e in lag_document(combine([lag]), name="j", inputs=()).entries] == ["running", "walking"]


def test_without_a_plate_only_a_difference_is_seen(tmp_path, capsys):
    path, out = tmp_path / "worn.nc", tmp_path / "lag.json"
    recording = with_only(struck(8, insole_lag_s=0.003, imu_lag_s=0.013), "insole_left", "imu_left")
    recording.to_netcdf(path)
    code, text, _ = command(capsys, "lag", "--wearable", path, "--out", out, "--json")
    assert code == 0
    summary = json.loads(text)
    assert summary["absolute"] is False
    (row,) = summary["recordings"]
    assert (row["device_class"], row["against"]) == ("imu", "insole")
    with_plate = {
        lag.device_class: lag.mean_s
        for lag in measure_recording(source(struck(8, insole_lag_s=0.003, imu_lag_s=0.013)))
    }
    assert row["lag_s"] == pytest.approx(with_plate["imu"] - with_plate["insole"], abs=1e-3)
    assert all("a difference to the insole" in e["source"] for e in summary["entries"])
    _, text, _ = command(capsys, "lag", "--wearable", path, "--out", out, "--force")
    assert "a lag that both devices share cannot be seen without a plate" in text


def test_two_files_on_a_joined_clock(tmp_path, capsys):
    recording = struck(9, insole_lag_s=0.004)
    late = {name: s.isel(time=slice(50, None)) if name == "insole_left" else s for name, s in recording.streams.items()}
    plate, worn = tmp_path / "plate.nc", tmp_path / "insole.nc"
    with_only(recording, "plate_1").to_netcdf(plate)
    make_recording({"insole_left": late["insole_left"]}, device="t", reader="t", provenance=Provenance()).to_netcdf(
        worn
    )
    both = ("lag", "--reference", plate, "--wearable", worn, "--out", tmp_path / "lag.json")
    code, _, said = command(capsys, *both)
    assert code == 2
    assert "between unknown clocks a lag looks like an offset" in said
    code, text, _ = command(capsys, *both, "--synchronised", "--json")
    assert code == 0
    one_file = next(lag for lag in measure_recording(source(recording)) if lag.device_class == "insole")
    assert json.loads(text)["recordings"][0]["lag_s"] == pytest.approx(one_file.mean_s, abs=2e-4)


def late_at(recording: Recording, stream: str, number: int, late_s: float) -> Recording:
    """Return a recording in which the device shows the ``number``-th second or so later."""
    data = recording.streams[stream]
    rate = float(data.attrs["rate_hz"])
    start, shift = round(number * rate), round(late_s * rate)
    moved = {}
    for name in data.data_vars:
        values = np.array(data[name].values)
        part = slice(start, start + round(1.5 * rate))
        values[part] = np.roll(values[part], shift)
        moved[name] = (data[name].dims, values, data[name].attrs)
    return recording.replaced({**recording.streams, stream: data.assign(moved)})


def test_blows_far_from_the_others_are_left_out_and_named(tmp_path, capsys):
    path = tmp_path / "hammer.nc"
    late_at(struck(10), "insole_left", 5, 0.03).to_netcdf(path)
    out = tmp_path / "lag.json"
    code, text, _ = command(capsys, "lag", "--reference", path, "--device-class", "insole", "--out", out)
    assert code == 0
    assert "left out, far from the others: " in text
    (measured,) = load(out).document.measured  # type: ignore[union-attr]
    assert 1 <= measured.n_left_out <= 2
    assert measured.blow_sd_s < 0.002
    assert agreeing(np.asarray([0.004, 0.0041, 0.0039, 0.0042, 0.03])).tolist() == [True] * 4 + [False]


def no_landing(recording: Recording) -> dict[str, xr.Dataset]:
    return {n: s for n, s in recording.streams.items() if s.attrs["kind"] == "force_plate"}


REFUSED = {
    "show no blow, jump or step": lambda: measure_recording(source(struck(11, blows=0))),
    "show 1 blow, jumps or steps; one blow has no scatter": lambda: measure_recording(source(struck(11, blows=1))),
    "its clock and the plate's are not one": lambda: measure_recording(source(struck(12, drift_ppm=400.0))),
    "only the difference between an insole and another device": lambda: measure_recording(
        LagSource("worn", None, with_only(struck(1), "insole_left"), 0.0, ())
    ),
    "holds no insole, IMU or landmarks whose lag": lambda: measure_recording(
        LagSource("plate", struck(1), with_only(struck(1), "plate_1"), 0.0, ())
    ),
    "a lag depends on the rate": lambda: combine(
        [
            lag
            for rate_hz in (100.0, 200.0)
            for lag in measure_recording(source(struck(3, insole_rate_hz=rate_hz)))
            if lag.device_class == "insole"
        ]
    ),
    "expected one of blows, jumps, steps": lambda: measure_lags([Path("a.nc")], [], method="kicks"),
    "expected one of insole, imu, landmarks": lambda: measure_lags([Path("a.nc")], [], classes=("shoe",)),
    "name a reference for every wearable": lambda: measure_lags([Path("a.nc")], [Path("b.nc"), Path("c.nc")]),
    "--reference FILE is missing": lambda: measure_lags([], []),
    "one file is on one clock already": lambda: measure_lags([Path("a.nc")], [], synchronised=True),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_measured_is_refused_with_the_reason(words: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        REFUSED[words]()
    assert words in str(refusal.value)


def test_a_device_that_was_not_struck_is_refused():
    recording = struck(13)
    still = recording.streams["insole_left"]
    quiet = still.assign(
        {n: (still[n].dims, np.full(still.sizes["time"], 10.0), still[n].attrs) for n in still.data_vars}
    )
    with pytest.raises(BadInputError, match="Is it the device that was struck"):
        measure_recording(source(recording.replaced({**recording.streams, "insole_left": quiet})))


def test_feet_that_show_different_features_are_refused():
    """Markers of a real runner showed landings 8 ms late on one foot and 122 ms early on the other."""
    lab = run_with_loadsol()
    worn = on_true_clock(lab, "insole")
    moved = {
        name: s.assign_coords(time=s["time"] - (0.11 if name == "insole_right" else 0.0))
        for name, s in worn.streams.items()
        if s.attrs["kind"] == "insole"
    }
    with pytest.raises(BadInputError, match="they show different features of a contact"):
        measure_recording(LagSource("run", lab.reference, worn.replaced(moved), 0.0, ()))


def test_two_devices_of_a_foot_on_one_clock_show_the_difference_of_their_lags():
    lab = run_with_loadsol()
    alignment = align(lab.reference, lab.wearables["insole"], surface="treadmill")
    assert alignment.verdict == "aligned"
    for name in ("insole_left", "imu_left"):
        (finding,) = [f for f in alignment.maps[name].findings if "on their one clock" in f]
        assert "the left imu shows contacts +" in finding
        assert "the lag table expects +12.3 ms" in finding
    rows = alignment.to_json()["maps"]
    assert all("lag_source" in row and any("on their one clock" in f for f in row["findings"]) for row in rows)

    def difference(late_s: float) -> Any:
        moved = {
            n: s.assign_coords(time=s["time"] + (late_s if s.attrs["kind"] == "imu" else 0.0))
            for n, s in lab.wearables["insole"].streams.items()
        }
        return lag_differences(lab.reference, [moved], alignment.maps, surface="treadmill")[0]

    plain, late = difference(0.0), difference(0.025)
    assert late.seen_s - plain.seen_s == pytest.approx(0.025, abs=5e-4)
    assert plain.is_expected
    assert not late.is_expected
    assert "measure their lags" in late.words
    assert plain.error_s < 0.003


def test_one_recording_given_twice_is_no_second_one(tmp_path, capsys):
    path, copy = tmp_path / "hammer.nc", tmp_path / "hammer_copy.nc"
    struck(10).to_netcdf(path)
    copy.write_bytes(path.read_bytes())
    for again in (path, copy):
        code, _, said = command(
            capsys, "lag", "--reference", path, "--reference", again, "--out", tmp_path / "lag.json"
        )
        assert code == 2
        assert "is the same recording as" in said
    assert not (tmp_path / "lag.json").exists()


def test_the_day_of_a_measurement_is_one_of_the_calendar(tmp_path, capsys):
    path = tmp_path / "hammer.nc"
    struck(10).to_netcdf(path)
    for day in ("2026-13-45", "2026-02-30", "20260531"):
        code, _, said = command(capsys, "lag", "--reference", path, "--out", tmp_path / "lag.json", "--made-on", day)
        assert code == 2
        assert "expected a day" in said


@pytest.mark.parametrize("name", ["calibrate", "sync", "train", "evaluate"])
def test_a_command_run_as_a_module_runs(name):
    shown = subprocess.run(
        [sys.executable, "-m", f"grfkit.cli.{name}", "--help"], capture_output=True, text=True, check=True
    )
    assert f"Usage: grf-{name}" in shown.stdout
