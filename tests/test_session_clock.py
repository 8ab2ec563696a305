"""What trials lend to one another, and which contradict the others: links of known offsets, no signals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grfkit.formats.xdf import parse_xdf
from grfkit.io.start_time import stated_start
from grfkit.provenance import Provenance
from grfkit.records import ClockMap, Recording, make_recording
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align_device
from grfkit.sync.session_clock import placements, shared_shift
from grfkit.sync.session_devices import device_placements
from grfkit.sync.session_link import Link
from grfkit.sync.settings import AlignSettings
from grfkit.sync.start_times import name_pattern

STEP_S, LENGTH_S = 0.35, 100.0
CHANCE = AlignSettings().overground_wrong


def link(name: str, start_s: float, *, margin: float = 30.0, stated: float | None = None, sd_s: float = 1.0) -> Link:
    """Return a trial that begins at a device time, whose rivals are one and two steps away."""
    offset = -start_s
    lags = offset + STEP_S * np.arange(-2.0, 3.0)
    scores = np.asarray([50.0 - margin - 3.0, 50.0 - margin, 50.0, 50.0 - margin, 50.0 - margin - 3.0])
    stated_s = None if stated is None else -stated
    return Link(
        name, lags, scores, offset, margin >= 20.0, margin, LENGTH_S, (0.0, 3000.0), stated_s, sd_s, as_labelled=5.0
    )


def placed(links: list[Link], **options: Any) -> list[Any]:
    return placements(links, in_order=True, gate=20.0, chance_wrong=CHANCE, **options)


def test_trials_that_are_not_sure_alone_are_sure_together() -> None:
    links = [link(f"t{k}", 100.0 + 150.0 * k, margin=11.0, stated=7.0 + 150.0 * k, sd_s=0.02) for k in range(3)]
    shift = shared_shift(links)
    assert shift is not None
    assert shift.shift_s == pytest.approx(-93.0, abs=0.01)
    assert 20.0 < shift.margin <= 33.5
    for placement, each in zip(placed(links), links):
        assert placement.prior is not None
        assert placement.prior.offset_s == pytest.approx(each.offset_s, abs=0.02)
        # two others have 22 nats together: the trial itself is not among those that place it
        assert each.trial not in placement.lenders


def test_start_times_of_a_second_place_nothing_to_a_step() -> None:
    links = [link(f"t{k}", 100.0 + 150.0 * k, margin=11.0, stated=7.0 + 150.0 * k, sd_s=1.0) for k in range(3)]
    for placement in placed(links):
        assert placement.prior is None or placement.prior.sd_s > STEP_S


def test_device_files_of_their_own_share_no_time() -> None:
    """Each begins at zero, so that all trials lie on the same seconds of their device's clock."""
    links = [link(name, 100.0) for name in ("a", "b")]
    assert all(placement.reasons for placement in placements(links, in_order=False, gate=20.0, chance_wrong=CHANCE))
    assert "or both are one" in placements(links, in_order=False, gate=20.0, chance_wrong=CHANCE)[0].reasons[0]
    own = placements(links, in_order=False, gate=20.0, chance_wrong=CHANCE, one_device=False)
    assert not any(placement.reasons for placement in own)


def test_the_order_leaves_a_stretch_for_a_trial_between_two() -> None:
    links = [link("a", 100.0), link("b", 700.0, margin=5.0), link("c", 400.0)]
    _, between, _ = placed(links)
    assert between.window_s == pytest.approx((199.0, 401.0))
    assert between.p_wrong == pytest.approx(2 * CHANCE(30.0))
    tight = [link("a", 100.0), link("b", 150.0, margin=5.0), link("c", 220.0)]
    assert "leave 20 s for it" in placed(tight)[1].reasons[0]


def test_two_trials_on_one_stretch_are_both_refused() -> None:
    one, other, third = placed([link("a", 100.0), link("b", 150.0), link("c", 500.0)])
    assert "that trial 'b' has" in one.reasons[0]
    assert "that trial 'a' has" in other.reasons[0]
    assert not third.reasons


def test_exchanged_feet_are_one_question_for_all_trials() -> None:
    links = [link(f"t{k}", 200.0 * k, margin=10.0) for k in range(3)]
    first = placed(links, swap_chance=1e-3)[0]
    assert first.swap_chance == pytest.approx(1e-3 * np.exp(-10.0), rel=0.01)
    turned = [replace(each, as_labelled=-12.0) for each in links]
    assert placed(turned, swap_chance=1e-3)[0].swap_chance > 0.999


def test_twenty_trials_of_which_five_are_not_sure() -> None:
    links = [
        link(f"t{k}", 50.0 + 140.0 * k, margin=4.0 if k % 4 == 3 else 30.0, stated=140.0 * k, sd_s=0.05)
        for k in range(20)
    ]
    for number, placement in enumerate(placed(links)):
        assert not placement.reasons
        if number % 4 == 3:
            assert placement.prior.offset_s == pytest.approx(links[number].offset_s, abs=0.05)
            assert placement.window_s is not None


def aligned_map(offset_s: float, *, aligned: bool = True) -> Any:
    figures: dict[str, Any] = {"offset_s": offset_s, "drift_ppm": 10.0, "p_wrong": 1e-4, "margin": 40.0}
    clock_map = ClockMap(
        source="x",
        target="reference",
        verdict="aligned" if aligned else "refused",
        reasons=[] if aligned else ["not sure"],
        matched_anchors=20,
        **(figures if aligned else {}),
    )
    return SimpleNamespace(clock_map=clock_map)


def table() -> Any:
    trials = [SimpleNamespace(name=name) for name in "abc"]
    clocks = {
        ("insole.csv", 0): [(trial, 0, Path("insole.csv")) for trial in trials],
        ("imu.csv", 0): [(trial, 1, Path("imu.csv")) for trial in trials],
    }
    return SimpleNamespace(clocks=clocks, is_one_device=lambda _: True, length_s=lambda _: LENGTH_S)


def joined(one: Any, other: Any) -> ClockMap:
    """Return the map of two devices that were 30 s apart."""
    clock_map: ClockMap = aligned_map(30.0 if one[0] == "insole.csv" else -30.0).clock_map
    return clock_map.model_copy(update={"drift_ppm": 0.0, "uncertainty_ms": 4.0})


def test_a_device_that_is_sure_places_the_other() -> None:
    aligned = {
        "a": [aligned_map(-100.0), aligned_map(-130.0)],
        "b": [aligned_map(0.0, aligned=False), aligned_map(-430.0)],
        "c": [aligned_map(0.0, aligned=False), aligned_map(0.0, aligned=False)],
    }
    found = device_placements(table(), aligned, joined)
    assert set(found) == {("b", 0)}
    prior = found["b", 0].prior
    assert prior is not None
    assert prior.offset_s == pytest.approx(-400.0, abs=0.02)
    assert prior.sd_s < 0.05


def test_devices_that_are_never_sure_together_are_held_by_their_landings() -> None:
    aligned = {
        "a": [aligned_map(0.0, aligned=False), aligned_map(-130.0)],
        "b": [aligned_map(0.0, aligned=False), aligned_map(-430.0)],
        "c": [aligned_map(0.0, aligned=False), aligned_map(0.0, aligned=False)],
    }
    found = device_placements(table(), aligned, joined)
    assert set(found) == {("a", 0), ("b", 0)}
    prior = found["b", 0].prior
    assert prior is not None
    assert prior.offset_s == pytest.approx(-400.0, abs=0.02)


def test_devices_that_differ_from_trial_to_trial_are_refused() -> None:
    aligned = {
        "a": [aligned_map(-100.0), aligned_map(-130.0)],
        "b": [aligned_map(-400.0 + STEP_S), aligned_map(-430.0)],
        "c": [aligned_map(-700.0), aligned_map(-730.0)],
    }
    found = device_placements(table(), aligned, joined)
    assert set(found) == {("b", 0), ("b", 1)}
    assert "differ here by 350 ms from what they do in trial 'a'" in found["b", 0].reasons[0]


def test_a_short_reference_is_found_in_a_long_recording() -> None:
    lab = simulate_trial(seed=3, surface="overground", jumps=3, wearables=("insole",), duration_s=60)
    insole = lab.wearables["insole"]
    length_s = max(float(stream["time"].values[-1]) for stream in insole.streams.values())
    # as a morning's recording is to a bout: longer than what one line follows, and the bout is not
    settings = AlignSettings(long_record_s=0.95 * length_s)
    usual = align_device(lab.reference, insole, surface="overground").clock_map
    found = align_device(lab.reference, insole, surface="overground", settings=settings).clock_map
    assert length_s > 1.1 * 60
    assert (found.verdict, found.offset_s) == (usual.verdict, usual.offset_s)
    assert found.verdict == "aligned"


@pytest.fixture(scope="module")
def plates() -> Recording:
    streams = simulate_trial(seed=1, duration_s=20, wearables=("insole",)).reference.streams
    return make_recording(streams, device="plates", reader="c3d", provenance=Provenance())


def test_start_times_that_stand_beside_a_c3d(plates: Recording, tmp_path: Path) -> None:
    path = tmp_path / "walk 1.c3d"
    assert stated_start(path, plates) is None
    (tmp_path / "walk 1.Trial007.enf").write_text("[TRIAL_INFO]\nCREATIONDATEANDTIME=2026,3,2,10,4,11\n")
    vicon = stated_start(path, plates)
    assert vicon is not None
    assert (vicon.at_s % 86400, vicon.sd_s, vicon.source) == (10 * 3600 + 251, 2.0, "walk 1.Trial007.enf")
    (tmp_path / "walk 1.tsv").write_text("NO_OF_FRAMES\t20\nTIME_STAMP\t2026-03-02, 10:04:10.250\t1234.5\n")
    qualisys = stated_start(path, plates)
    assert qualisys is not None
    assert (qualisys.at_s % 86400, qualisys.sd_s, qualisys.source) == (36250.25, 0.0, "walk 1.tsv")


def test_start_times_that_files_state(plates: Recording, tmp_path: Path) -> None:
    zones = {"2026-03-02 10:04:11.250": 36251.25, "2026-03-02T10:04:11+0100": 32651.0, "": None, "soon": None}
    for text, second in zones.items():
        plates.tree.attrs["started_local"] = text
        found = stated_start(tmp_path / "x.txt", plates)
        assert (None if found is None else found.at_s % 86400) == second
    plates.tree.attrs.pop("started_local")


def test_an_xdf_states_when_it_was_started() -> None:
    header = b"<?xml version='1.0'?><info><version>1.0</version><datetime>2026-03-02T10:04:11+0100</datetime></info>"
    chunk = (1).to_bytes(2, "little") + header
    data = b"XDF:" + bytes([1, len(chunk)]) + chunk
    assert parse_xdf(data).started == "2026-03-02T10:04:11+0100"


def test_a_pattern_finds_the_start_in_a_name() -> None:
    match = name_pattern("P*_%Y%m%d-%H%M%S").search("P07_left_20260302-101530_a")
    assert match is not None
    assert match.groupdict() == {"Y": "2026", "m": "03", "d": "02", "H": "10", "M": "15", "S": "30"}
