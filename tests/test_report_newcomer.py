"""What a newcomer asks of an alignment report: which files, how far off in milliseconds, and what a figure is of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from grfkit import align
from grfkit.records import Anchors, ClockMap
from grfkit.records.clock import ByHand
from grfkit.records.evidence import LEAST_CHANCE
from grfkit.report import render_batch_report, render_sync_report
from grfkit.sync.settings import AlignSettings
from grfkit.sync.summary import map_lines
from known_clock_files import a_run, write_one_file
from test_report import stream, text_of, tree, trial


def with_residual(evidence: object, residual_s: float) -> object:
    from dataclasses import replace

    anchors = evidence.anchors  # type: ignore[attr-defined]
    moved = Anchors(anchors.t_device_s, anchors.t_reference_s, np.full(anchors.kept.size, residual_s), anchors.kept)
    return replace(evidence, anchors=moved)  # type: ignore[type-var]


def test_both_files_are_named_at_the_head() -> None:
    page = render_sync_report(trial(stream(), configuration={"reference": "belts.c3d", "wearables": ["insole.csv"]}))
    head = text_of(page).split("Aligned")[0] + text_of(page).split("participant")[0]
    assert "reference belts.c3d" in head
    assert "device insole.csv" in head


@pytest.mark.parametrize(
    ("residual_s", "said"),
    [(-0.029, "the device's is 29 ms later"), (0.029, "29 ms earlier"), (0.0, "at the same moment")],
)
def test_milliseconds_are_seen_and_said(residual_s: float, said: str) -> None:
    page = render_sync_report(trial(with_residual(stream(), residual_s)))  # type: ignore[arg-type]
    assert said in text_of(page)
    closeups = [e for e in tree(page).iter("svg") if "Half a second" in e.get("aria-label", "")]
    assert len(closeups) == 2
    for drawn in closeups:
        across = {
            e.get("class"): float(re.match(r"M(-?[\d.]+) 0V", e.get("d", "")).group(1))  # type: ignore[union-attr]
            for e in drawn.iter("path")
            if re.match(r"M-?[\d.]+ 0V\d+$", e.get("d", ""))
        }
        # of 1000 for half a second
        assert across["mark"] - across["refline"] == pytest.approx(-2000 * residual_s, abs=0.3)


def test_signals_have_an_axis_of_their_own() -> None:
    assert text_of(render_sync_report(trial(stream()))).count("signal (1: a usual contact's peak)") == 6


def test_notes_do_not_repeat_the_table_of_plates() -> None:
    page = render_sync_report(
        trial(stream(), notes=["plate_2: the load points up in no axis [sign, not corrected]", "a row was left out"])
    )
    assert text_of(page).count("the load points up in no axis") == 1
    assert "a row was left out" in text_of(page)


def test_the_least_chance_is_said_to_be_less() -> None:
    settings = AlignSettings()
    assert (settings.treadmill_wrong.floor, settings.overground_wrong.floor) == (LEAST_CHANCE, LEAST_CHANCE)
    clock_map = stream().clock_map.model_copy(update={"p_wrong": LEAST_CHANCE, "uncertainty_ms": 5.0})
    assert "chance of a wrong step below 0.0001" in map_lines({"a": clock_map})[0]
    assert "below" not in map_lines({"a": clock_map.model_copy(update={"p_wrong": 2e-4})})[0]


def test_the_reference_is_drawn_where_nothing_was_estimated(tmp_path: Path) -> None:
    write_one_file(tmp_path / "one.c3d", a_run(), start_s=10, end_s=14)
    alignment = align(tmp_path / "one.c3d", synchronised=True, surface="treadmill", participant="P01")
    assert alignment.maps["landmarks"].check == "unclear"
    evidence = alignment.evidence
    assert evidence.streams[0].reference_signal.max() > 0.5
    page = render_sync_report(evidence)
    assert "No signal" not in text_of(page)
    # figures that nobody estimated are no rows of dashes
    for absent in ("Margin", "Chance of a wrong step", "Sensor lag", "Matched", "Pieces"):
        assert not re.search(rf'<th scope="row">{absent}', page), absent
    # a slow signal has no holes
    lane = next(e for e in tree(page).iter("svg") if e.get("aria-label", "").startswith("Whole trial"))
    device = next(e.get("d", "") for e in lane.iter("path") if e.get("class") == "dev")
    assert device.count("M") == 1


def test_a_clock_by_hand_says_so() -> None:
    evidence = stream()
    before = evidence.clock_map
    by_hand = ByHand(who="MK", when="2026-12-02T10:00:00+00:00", note="jump", accepted=True, before=before)
    update = {"origin": "by hand", "by_hand": by_hand, "margin": None, "p_wrong": None}
    from dataclasses import replace

    clock_map: ClockMap = before.model_copy(update=update)
    page = text_of(render_sync_report(trial(replace(evidence, clock_map=clock_map))))
    assert "accepted by hand by MK on 2026-12-02: jump" in page


def test_the_overlay_stands_above_the_table() -> None:
    page = render_sync_report(trial(stream()))
    assert page.index("Before and after") < page.index("All streams")
    assert page.count("<h3>Before and after") == 1, "once for its one stream"


def test_a_batch_says_what_was_written_and_leaves_out_verdicts_that_no_trial_has() -> None:
    rows = [
        {"out": "a.nc", "verdict": "aligned", "maps": [], "error": None, "trial": "aligned/a.nc"},
        {"out": "b.nc", "verdict": "refused", "maps": [], "error": None, "trial": None},
    ]
    page = text_of(render_batch_report(rows, title="walkers: alignment of TABLE.csv"))
    assert "walkers: alignment of TABLE.csv" in page
    assert "Written: 1 of 2 trials." in page
    assert "aligned/a.nc" in page
    assert "nothing" in page
    assert "bad input" not in page
