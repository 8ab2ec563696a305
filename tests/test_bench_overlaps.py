"""The benchmark of short overlaps: its rows are judged as they should be, and none that is accepted is wrong."""

from __future__ import annotations

import itertools

from bench.sync import overlaps

SEED = 46_000_000


def test_event_level_trials_that_are_accepted_share_little_and_are_right() -> None:
    cells = itertools.product(("run", "walk"), ("insole", "imu"), overlaps.PLACES)
    rows = [overlaps.one_event((SEED + k, *cell, "")) for k, cell in enumerate(cells)]
    accepted = [row for row in rows if row["accepted"]]
    assert len(accepted) >= 4
    assert not any(row["wrong"] for row in accepted)
    assert all(32 <= row["contacts"] < 110 for row in accepted)


def test_decoys_are_wrong_whatever_they_say_and_are_refused() -> None:
    for k, (place, decoy) in enumerate(itertools.product(overlaps.PLACES, overlaps.DECOYS)):
        row = overlaps.one_event((SEED + 100 + k, "run", "insole", place, decoy))
        assert row["wrong"]
        assert not row["accepted"]


def test_the_summary_counts_wrong_ones_among_the_accepted() -> None:
    row = {"gait": "run", "wearable": "imu", "decoy": "", "accepted": True, "wrong": True, "margin": 30.0,
           "p_wrong": 1e-4, "contacts": 33}  # fmt: skip
    figures = overlaps.summarised(
        [row, row | {"wrong": False}, row | {"accepted": False, "contacts": 20, "margin": 9.0}]
    )
    assert figures["kinds"]["run, imu"] == {"trials": 3, "clear": 2, "wrong_clear": 1, "accepted": 2, "wrong": 1}
    assert figures["contacts"]["18 to 23"]["accepted"] == 0
    text = "\n".join(overlaps.markdown({"first_seed": 1, "events": figures, "signals": figures}))
    assert "| run, imu | 3 | 1 / 2 (0.97) |" in text
