"""Real recordings: are real pairs aligned or refused with the reason, never wrong; are real forces found again?

Data: pomarat_loadsol (zpomarat/loadsol, BSD-2-Clause) and rbds_runners (Fukuchi et al. 2017, PeerJ 5:e3298), in
``../shared/data``; each folder's SOURCE.md says more.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from grfkit.cli.sync import main
from grfkit.errors import RefusedError
from grfkit.io import read
from grfkit.records import Channel, ClockMap, Prior, make_stream
from grfkit.sync import Alignment, AlignSettings, align, align_device, assemble
from sync_helpers import assert_refused

pytestmark = pytest.mark.recordings

Find = Callable[[str], Path]
TREADMILL_SEED = 95_001
PUSH_OFFSET_S = -5.83
"""The stomp: 5.233 s on plate 2, 11.060 s on the right insole (pomarat_loadsol/SOURCE.md)."""


# --- loadsol against plates


def _push(real_file: Find, insole: str = "test_poussee_4_ls.txt", **options: Any) -> Alignment:
    plates, wearable = real_file("pomarat_loadsol/test_poussee_4_fp.c3d"), real_file(f"pomarat_loadsol/{insole}")
    return align(plates, wearable, surface="overground", **options)


def _assert_right_or_refused(found: ClockMap) -> None:
    if found.verdict == "refused":
        assert_refused(found)
    else:
        assert found.apply(np.asarray([11.06]))[0] == pytest.approx(11.06 + PUSH_OFFSET_S, abs=0.06)


def test_a_push_recorded_twice_is_aligned_to_within_60_ms_or_refused(real_file: Find) -> None:
    result = _push(real_file)
    assert {"insole_left", "insole_right"} <= set(result.maps)
    _assert_right_or_refused(result.maps["insole_right"])
    if result.maps["insole_left"].verdict == "aligned":
        _assert_right_or_refused(result.maps["insole_left"])


def test_a_push_with_a_rough_prior_is_aligned(real_file: Find) -> None:
    result = _push(real_file, prior_offset_s=-6.0, prior_sd_s=0.5, allow_partial=True)
    right = result.maps["insole_right"]
    assert right.verdict == "aligned", right.reasons
    _assert_right_or_refused(right)
    assert right.segments[0].offset_s == pytest.approx(PUSH_OFFSET_S, abs=0.06)
    assert result.accepted
    assert result.is_safe


@pytest.mark.parametrize("prior_s", [-9.0, 0.0, 5.83])
def test_a_push_with_a_wrong_prior_is_never_wrong(real_file: Find, prior_s: float) -> None:
    result = _push(real_file, prior_offset_s=prior_s, prior_sd_s=0.5)
    _assert_right_or_refused(result.maps["insole_right"])


@pytest.mark.parametrize("sd_s", [0.05, 0.1])
def test_a_sure_prior_counts_against_every_rival(real_file: Find, sd_s: float) -> None:
    """The left foot's course alone is 24.8 nats better than none at all, 20.4 better than another offset."""
    left = _push(real_file, prior_offset_s=PUSH_OFFSET_S, prior_sd_s=sd_s).maps["insole_left"]
    assert left.margin is not None
    assert left.margin > 25.0
    assert left.runner_up_offset_s is None
    assert not any("nats" in reason for reason in left.reasons), left.reasons


def test_a_sure_prior_that_the_loads_contradict_is_refused(real_file: Find) -> None:
    for found in _push(real_file, prior_offset_s=11.0, prior_sd_s=0.1).maps.values():
        assert_refused(found)
        assert found.reasons[0].startswith("the loads contradict the prior")


def test_quiet_standing_is_refused(real_file: Find) -> None:
    plates, insole = real_file("pomarat_loadsol/test_poids.c3d"), real_file("pomarat_loadsol/test_poids.txt")
    result = align(plates, insole, surface="overground")
    assert result.verdict == "refused"
    assert not result.accepted
    with pytest.raises(RefusedError, match="REFUSED"):
        assemble(result)
    for found in result.maps.values():
        assert_refused(found)


def test_the_files_of_two_sessions_are_refused(real_file: Find) -> None:
    result = _push(real_file, insole="test_pointe_1.txt")
    assert result.verdict == "refused"
    for found in result.maps.values():
        assert_refused(found)


# --- real treadmill forces on false clocks


def _real_gaps(real_file: Find, seconds: float) -> np.ndarray:
    """Return rows of (start_s, length_s) of what a real insole lost, repeated to fill the record."""
    stream = read(real_file("pomarat_loadsol/test_poussee_4_ls.txt")).streams["insole_right"]
    time, lost = stream["time"].values, np.isnan(stream["force"].values).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], lost, [0]]))).reshape(-1, 2)
    rows = np.stack([time[edges[:, 0]], (edges[:, 1] - edges[:, 0]) / stream.attrs["rate_hz"]], axis=1)
    assert len(rows) > 5, "the real loadsol file should show losses"
    laps = int(np.ceil(seconds / time[-1]))
    return np.concatenate([rows + np.asarray([lap * time[-1], 0.0]) for lap in range(laps)])


class Clone:
    """A real force on a false clock: the reference, the device, and true reference times of device times."""

    def __init__(self, force_n: np.ndarray, gaps: np.ndarray, rng: np.random.Generator) -> None:
        time = np.arange(len(force_n)) / 300.0
        names = ("fx", "fy", "fz")
        self.reference = {
            "plate_1": make_stream(
                [Channel(n, force_n[:, k], "N", "global") for k, n in enumerate(names)],
                time,
                kind="force_plate",
                rate_hz=300.0,
            )
        }
        self.offset_s, self.rate = rng.uniform(0.0, 4.0), 1.0 + rng.uniform(-100, 100) * 1e-6
        self.time_s = np.arange(0.0, time[-1] - 4.5, 1 / 200.0)
        load = np.interp(self.true_s(self.time_s), time, force_n[:, 1])
        shift = rng.uniform(0.0, 20.0)
        for start, length in gaps - [shift, 0.0]:
            load[(self.time_s >= start - 1e-9) & (self.time_s < start + length - 1e-9)] = np.nan
        self.load = load * rng.uniform(0.2, 5.0)
        self.device: dict[str, xr.Dataset] = {
            "insole_left": make_stream(
                [Channel("force", self.load, "count")], self.time_s, kind="insole", rate_hz=200.0
            )
        }

    def true_s(self, time_s: np.ndarray) -> np.ndarray:
        return np.asarray(self.offset_s + self.rate * time_s)

    def worst_ms(self, found: ClockMap) -> float:
        return float(1e3 * np.abs(found.apply(self.time_s) - self.true_s(self.time_s)).max())


def _runners(real_file: Find) -> list[tuple[str, np.ndarray]]:
    """Return name and force (N, Y up, 300 Hz) of every trial; the archives hold tenths of a newton."""
    files = sorted(real_file("rbds_runners").glob("RBDS*.npz"))
    found = []
    for path in files:
        with np.load(path) as held:
            for speed in ("T25", "T35", "T45"):
                tenths = held[f"{speed}_F"][:, :3]
                found.append((f"{path.stem} {speed}", np.where(tenths == -32768, np.nan, 0.1 * tenths)))
    return found


def test_real_treadmill_forces_are_found_again_on_false_clocks(real_file: Find) -> None:
    trials = _runners(real_file)
    assert len(trials) >= 50
    gaps, rng = _real_gaps(real_file, 60.0), np.random.default_rng(TREADMILL_SEED)
    settings = AlignSettings(shortest_overlap_s=20.0)
    accepted, errors = 0, {}
    for name, force in trials:
        clone = Clone(force, gaps, rng)
        found = align_device(clone.reference, clone.device, surface="treadmill", settings=settings).clock_map
        if found.verdict == "refused":
            assert_refused(found)
            continue
        accepted += 1
        errors[name] = clone.worst_ms(found)
    late = {name: round(e, 2) for name, e in errors.items() if e >= 1.0}
    assert not late, f"{len(late)} of {accepted} accepted are 1 ms off or more: {late}"
    assert accepted >= 0.7 * len(trials)


def test_another_runners_force_is_refused(real_file: Find) -> None:
    trials = _runners(real_file)[::6]
    gaps, rng = _real_gaps(real_file, 60.0), np.random.default_rng(TREADMILL_SEED + 1)
    settings = AlignSettings(shortest_overlap_s=20.0)
    clones = [Clone(force, gaps, rng) for _, force in trials]
    for one, other in itertools.pairwise(clones):
        assert_refused(align_device(one.reference, other.device, surface="treadmill", settings=settings).clock_map)


def test_real_forces_through_files_and_the_command(
    real_file: Find, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps, rng = _real_gaps(real_file, 60.0), np.random.default_rng(TREADMILL_SEED + 2)
    aligned = 0
    for number, (_, force) in enumerate(_runners(real_file)[:9:3]):
        clone = Clone(force, gaps, rng)
        reference, device, out = (tmp_path / f"{number}_{name}" for name in ("force.csv", "insole.csv", "trial.nc"))
        plate, worn = clone.reference["plate_1"], clone.device["insole_left"]
        _write_csv(reference, ["fx [N]", "fy [N]", "fz [N]"], [plate[c].values for c in ("fx", "fy", "fz")], 300.0)
        _write_csv(device, ["left_force [adc]"], [np.round(worn["force"].values, 3)], 200.0)
        options = ["--surface", "treadmill", "--min-overlap-s", "20", "--json", "--out", str(out)]
        code = _run(["--reference", str(reference), "--wearable", str(device), *options])
        answer = json.loads(capsys.readouterr().out)
        assert code == (0 if answer["verdict"] == "aligned" else 3), answer
        if code == 0:
            aligned += 1
            row = answer["maps"][0]
            mapped = ClockMap(source="", target="", verdict="aligned", segments=row["segments"])
            assert clone.worst_ms(mapped) < 1.0
        assert out.exists() == (code == 0)
    assert aligned >= 1


def _write_csv(path: Path, names: list[str], columns: list[np.ndarray], rate_hz: float) -> None:
    rows = [f"{k / rate_hz:.6f},{','.join('' if np.isnan(v) else f'{v:.3f}' for v in row)}"
            for k, row in enumerate(zip(*columns))]  # fmt: skip
    path.write_text("\n".join([",".join(["time [s]", *names]), *rows]) + "\n")


def _run(arguments: list[str]) -> int:
    import sys
    from unittest.mock import patch

    with patch.object(sys, "argv", ["grf-sync", *arguments]), pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


# --- two seconds are not enough


HAMNER = "nimblephysics/data/osim/HamnerSubject04/subject04/trials"


@pytest.mark.parametrize("run", ["run200", "run300", "run400", "run500"])
def test_two_seconds_of_running_are_refused_without_a_prior(real_file: Find, run: str) -> None:
    reference = read(real_file(f"{HAMNER}/{run}/grf.mot")).of_kind("force_plate")
    markers = real_file(f"{HAMNER}/{run}/markers.trc")
    first = next(iter(reference.values()))
    time = first["time"].values
    assert time[-1] < 10.0
    load = np.sum([np.abs(s["fy"].values) for s in reference.values()], axis=0)
    twin = {"insole_left": make_stream([Channel("force", load, "N")], time * (1 - 3e-5), kind="insole")}
    assert_refused(align_device(reference, twin, surface="treadmill").clock_map)
    assert_refused(align_device(reference, twin, surface="treadmill", prior=Prior(offset_s=0.0, sd_s=1.0)).clock_map)
    result = align(real_file(f"{HAMNER}/{run}/grf.mot"), markers, surface="treadmill")
    assert result.verdict == "refused"
    for found in result.maps.values():
        assert_refused(found)
