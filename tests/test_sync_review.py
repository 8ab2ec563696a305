"""Clocks decided on by eye: how likely a place is, contacts changed, and a mark that stays in all made of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from grfkit import BadInputError, Trial, cut_windows
from grfkit.estimation.source import EstimateRequest, EstimateSource, facts_of
from grfkit.learn.everyone import usable
from grfkit.learn.recipe import Recipe
from grfkit.records.by_hand import told_by
from grfkit.records.stance_set import join
from grfkit.sync.by_hand import decided
from grfkit.sync.review import ContactEdit, Decision, best_places, clocks_of, fit_to_contacts, places_about
from review_trials import a_trial

WHEN = "2026-12-02T10:00:00+00:00"


def a_decision(trial: Trial, **changes: object) -> Decision:
    clock = clocks_of(trial)[0]
    return Decision.model_validate(
        {"streams": clock.streams, "accept": True, "who": "MK", "when": WHEN, "note": "jump at 12 s", **changes}
    )


def test_both_feet_of_one_clock_are_reviewed_together() -> None:
    assert [clock.streams for clock in clocks_of(a_trial())] == [("insole_left", "insole_right")]


def test_the_likeliest_place_is_the_aligned_one_and_the_next_a_step_away() -> None:
    clock = clocks_of(a_trial())[0]
    places = best_places(clock)
    assert clock.beat is not None
    assert abs(places.shift_s[0]) < 0.001
    assert abs(places.shift_s[1]) == pytest.approx(clock.beat.step_s, rel=0.03)
    assert clock.clock_map.margin is not None
    # the margin of the alignment, seen again
    assert places.nats[0] - places.nats[1] == pytest.approx(clock.clock_map.margin, abs=6.0)


def test_likelihood_falls_with_the_distance_from_a_place_in_its_own_sds() -> None:
    places = places_about(clocks_of(a_trial())[0], 0.0, 1.0)
    near = places.at(np.asarray([0.0, 0.001, 0.01, 0.05]))
    assert (np.diff(near) < 0).all()
    nearest = int(np.argmin(np.abs(places.shift_s)))
    sd = places.sd_s[nearest]
    at = places.shift_s[nearest]
    fall = places.at(np.asarray([at]))[0] - places.at(np.asarray([at + sd]))[0]
    assert fall == pytest.approx(0.5, abs=0.1)


def test_a_clock_fitted_to_contacts_is_the_estimated_one_wherever_it_was_moved_within_a_step() -> None:
    clock = clocks_of(a_trial())[0]
    fit = fit_to_contacts(clock, 0.03)
    middle = np.asarray([20.0])
    assert abs(fit.segment.apply(middle) - clock.segments[0].apply(middle))[0] < 0.002
    assert 0 < fit.uncertainty_ms < 20


def test_moved_contacts_move_the_fit() -> None:
    clock = clocks_of(a_trial())[0]
    assert clock.pair is not None
    onsets = clock.pair.train.contacts.onset_s
    edits = [ContactEdit(on="device", was_s=float(t), now_s=float(t) - 0.02) for t in onsets]
    fit, plain = fit_to_contacts(clock, 0.0, edits), fit_to_contacts(clock, 0.0)
    assert fit.segment.apply(np.asarray([20.0]))[0] - plain.segment.apply(np.asarray([20.0]))[0] == pytest.approx(
        0.02, abs=0.001
    )


def test_contacts_that_are_not_there_cannot_be_changed() -> None:
    with pytest.raises(BadInputError, match="there is no contact of the device at 1234"):
        fit_to_contacts(clocks_of(a_trial())[0], 0.0, [ContactEdit(on="device", was_s=1234.5, now_s=None)])


def test_moving_a_device_moves_its_samples_and_nothing_else() -> None:
    trial = a_trial()
    moved = decided(trial, [a_decision(trial, shift_s=0.012)])
    for name, stream in trial.streams.items():
        by = 0.012 if name.startswith("insole") else 0.0
        np.testing.assert_allclose(moved.streams[name]["time"].values, stream["time"].values + by, atol=1e-9)
        assert set(moved.streams[name].data_vars) == set(stream.data_vars)
    clock_map = moved.clock_maps["insole_left"]
    before = trial.clock_maps["insole_left"]
    assert clock_map.offset_s == pytest.approx(float(before.offset_s or 0.0) + 0.012)
    # nobody said how sure a hand is, and no margin is that of this place
    assert (clock_map.uncertainty_ms, clock_map.margin, clock_map.p_wrong) == (None, None, None)
    assert clock_map.by_hand is not None
    assert clock_map.by_hand.before == before
    assert clock_map.by_hand.moved_s == pytest.approx(0.012, abs=1e-6)


def test_a_refused_trial_that_was_accepted_is_aligned_by_hand_and_says_so_after_a_round_trip(tmp_path: Path) -> None:
    trial = a_trial("overground")
    assert trial.verdict == "refused"
    decided(trial, [a_decision(trial, uncertainty_ms=15.0)]).to_netcdf(tmp_path / "t.nc")
    read = Trial.from_netcdf(tmp_path / "t.nc")
    clock_map = read.clock_maps["insole_right"]
    assert (read.verdict, clock_map.verdict, clock_map.origin, clock_map.reasons) == (
        "aligned",
        "aligned",
        "by hand",
        [],
    )
    assert clock_map.uncertainty_ms == 15.0
    assert clock_map.by_hand is not None
    assert clock_map.by_hand.before.verdict == "refused"
    assert clock_map.by_hand.before.reasons == trial.clock_maps["insole_right"].reasons
    assert "by hand by MK on 2026-12-02: jump at 12 s" in str(clock_map)
    assert "(clock of insole_left, insole_right by hand)" in repr(read)
    assert any("accepted by hand by MK" in text for text in read.provenance.findings)
    assert read.streams["insole_left"].attrs["verdict"] == "aligned"


def test_a_clock_accepted_where_it_was_keeps_its_uncertainty() -> None:
    trial = a_trial()
    clock_map = decided(trial, [a_decision(trial)]).clock_maps["insole_left"]
    assert clock_map.uncertainty_ms == trial.clock_maps["insole_left"].uncertainty_ms
    assert clock_map.offset_s == trial.clock_maps["insole_left"].offset_s


def test_a_clock_refused_by_hand_leaves_the_trial() -> None:
    trial = a_trial()
    refused = decided(trial, [a_decision(trial, accept=False)])
    assert refused.verdict == "refused"
    assert not [name for name in refused.streams if name.startswith("insole")]
    clock_map = refused.clock_maps["insole_left"]
    assert clock_map.segments == []
    assert clock_map.reasons[0] == "refused by hand by MK on 2026-12-02: jump at 12 s"


def test_changed_contacts_stand_beside_the_detected_ones() -> None:
    trial = a_trial()
    clock = clocks_of(trial)[0]
    assert clock.pair is not None
    onset = float(clock.pair.train.contacts.onset_s[5])
    edits = (
        ContactEdit(on="device", was_s=onset, now_s=onset + 0.01),
        ContactEdit(on="reference", now_s=3.0, foot=1),
        ContactEdit(on="device", was_s=float(clock.pair.train.contacts.onset_s[7])),
    )
    reviewed = decided(trial, [a_decision(trial, edits=edits)])
    table = reviewed.tree["/sync/insole_left/by_hand"].to_dataset()
    assert list(table["action"].values) == ["moved", "added", "deleted"]
    assert table["onset"].values[0] - table["onset_before"].values[0] == pytest.approx(0.01)
    kept = reviewed.tree["/sync/insole_left"].to_dataset()
    assert kept.sizes["anchor"] == trial.tree["/sync/insole_left"].to_dataset().sizes["anchor"]
    by_hand = reviewed.clock_maps["insole_left"].by_hand
    assert by_hand is not None
    assert by_hand.events_changed == 3


def test_a_second_review_keeps_the_first() -> None:
    trial = a_trial()
    first = decided(trial, [a_decision(trial, shift_s=0.3)])
    second = decided(first, [a_decision(first, who="AB", shift_s=-0.3)])
    by_hand = second.clock_maps["insole_left"].by_hand
    assert by_hand is not None
    assert by_hand.before.by_hand is not None
    assert (by_hand.who, by_hand.before.by_hand.who) == ("AB", "MK")
    np.testing.assert_allclose(
        second.streams["insole_left"]["time"].values, trial.streams["insole_left"]["time"].values, atol=1e-9
    )


def test_the_mark_reaches_sets_training_and_estimates(tmp_path: Path) -> None:
    trial = a_trial()
    reviewed = decided(trial, [a_decision(trial, shift_s=0.001)])
    plain = cut_windows({"one": trial}, source="force", kinds=("insole",))
    marked = cut_windows({"two": reviewed}, source="force", kinds=("insole",))
    told = told_by(marked.data.attrs)
    assert told_by(plain.data.attrs) == ()
    assert told == (
        "clock by hand: insole_left, insole_right accepted by hand by MK on 2026-12-02, moved by +1 ms: jump at 12 s"
        " (trial 'two')",
    )
    # the second of a set is not forgotten, in memory and on disk
    assert told_by(join([plain, marked]).data.attrs) == told
    written = cut_windows({"one": trial, "two": reviewed}, source="force", kinds=("insole",), out=tmp_path / "s.nc")
    assert told_by(written.data.attrs) == told
    assert set(told) <= set(usable(marked, Recipe())[1])
    spec = SimpleNamespace(participants=(), scaler=SimpleNamespace(statics=()))
    said = facts_of(EstimateSource(reviewed, "two", True, None), EstimateRequest(), spec)[1]  # type: ignore[arg-type]
    assert any(text.startswith("clock by hand: insole_left, insole_right accepted by hand by MK") for text in said)


def test_a_trial_without_devices_cannot_be_reviewed() -> None:
    trial = a_trial()
    refused = decided(trial, [a_decision(trial, accept=False)])
    with pytest.raises(BadInputError, match="--accept-refused"):
        clocks_of(refused)


def test_estimated_maps_are_stored_as_ever() -> None:
    stored = a_trial().clock_maps["insole_left"].stored()
    assert not {"by_hand", "origin", "check"} & set(stored)
