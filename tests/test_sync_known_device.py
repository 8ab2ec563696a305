"""What sure trials of a device say of it: its jitter and its loads are evidence in a trial that is not sure."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grfkit.records import Anchors, ClockMap
from grfkit.signals.contacts import Contacts
from grfkit.sync.clock_map import DeviceAlignment
from grfkit.sync.known_device import KnownDevice, Shown, known_device, shown_at
from grfkit.sync.matching import Matches, match
from grfkit.sync.rhythm import Rhythm, rhythm
from grfkit.sync.score import jitter_table, match_and_score, telling_times
from grfkit.sync.search import Limits, search
from grfkit.sync.session_known import held, with_known_devices

STEP_S = 0.36
NOISE = 0.03
"""SD of what an insole's peak adds to the force's, as a share of it; strides differ by 4 %."""


def _laps(seed: int, *, passes: int = 6, gain: float = 3.0, jitter_s: float = 0.004) -> tuple[Contacts, Contacts]:
    """Return three hits a pass over plates, and an insole that felt every step with a gain of its own."""
    rng = np.random.default_rng(seed)
    size = 30 * (passes + 2)
    onset = np.cumsum(STEP_S * (1.0 + rng.normal(0, 0.015, size)))
    peak = 1.0 + rng.normal(0, 0.04, size)
    covered = np.asarray([[0.0, onset[-1] + 1.0]])
    felt = gain * (peak + rng.normal(0, NOISE, size))
    device = Contacts(
        onset + rng.normal(0, jitter_s, size), onset + 0.25, np.ones(size), np.full(size, -1), covered, {"peak": felt}
    )
    rows = np.concatenate([np.arange(30 * lap, 30 * lap + 3) for lap in range(1, passes + 1)])
    hit = onset[rows]
    plates = Contacts(hit, hit + 0.25, np.ones(rows.size), np.full(rows.size, -1), covered, {"peak": peak[rows]})
    return plates, device


def _shown(seed: int, **options: Any) -> Shown:
    reference, device = _laps(seed, **options)
    at = match(reference, device, np.asarray([0.0]))
    telling = at.inlier & telling_times(reference)
    return shown_at(reference, device, at, 0, jitter_table(reference, telling, at.residual_s)[:, 0])


def _margin(seed: int, known: KnownDevice | None) -> float:
    """Return by how much the true lag leads; below zero where another does."""
    best = search(*_laps(seed), Limits(known=known), plates=True)
    assert best is not None
    return best.margin if abs(best.offset_s) < STEP_S / 3.0 else -best.margin


def test_what_two_trials_show_makes_others_surer() -> None:
    known = known_device([_shown(100), _shown(101)])
    assert known.courses is not None
    gained = [_margin(seed, known) - _margin(seed, None) for seed in range(8)]
    assert np.mean(gained) > 3.0
    assert all(_margin(seed, known) > 0 for seed in range(8))


def test_another_person_is_no_better_for_what_is_known_of_the_device() -> None:
    known = known_device([_shown(100), _shown(101)])
    for seed in range(6):
        (reference, _), (_, device) = _laps(seed), _laps(seed + 50)
        best = search(reference, device, Limits(known=known), plates=True)
        assert best is None or best.margin < 12.0


def test_a_hit_that_was_felt_all_wrong_does_not_rule_out_its_place() -> None:
    known = known_device([_shown(100), _shown(101)])
    assert known.courses is not None
    reference, device = _laps(2)
    spoilt = device.measures["peak"].copy()
    at = match(reference, device, np.asarray([0.0]))
    spoilt[at.partner[0, 4]] *= 0.2
    before = known.courses.evidence(reference, device, at)[0]
    after = known.courses.evidence(reference, replace(device, measures={"peak": spoilt}), at)[0]
    assert before - after < 4.0  # ln 50 for the hit, and what it would have told


def _evidence(known: KnownDevice, reference: Contacts, device: Contacts, at: Matches, beat: Rhythm) -> float:
    _, scores = match_and_score(
        reference, device, at.offset_s, beat, plates=True, rate=1.0, rate_prior_ppm=60.0, known=known
    )
    return float(scores.times[0])


def test_a_device_known_to_be_exact_is_not_believed_where_it_scatters_but_never_ruled_out() -> None:
    exact = known_device([_shown(100, jitter_s=0.0015), _shown(101, jitter_s=0.0015)])
    loose = known_device([_shown(100, jitter_s=0.012), _shown(101, jitter_s=0.012)])
    reference, device = _laps(3, jitter_s=0.011)
    at, beat = match(reference, device, np.asarray([0.0])), rhythm(reference, device, plates=True)
    lost = _evidence(loose, reference, device, at, beat) - _evidence(exact, reference, device, at, beat)
    assert 1.0 < lost < 10.0  # a strap may slip: one in 1,000


def test_too_few_hits_or_other_measures_show_no_course() -> None:
    assert known_device([_shown(100, passes=2)]).courses is None
    one = _shown(100)
    other = replace(one, names=("loading_rate",))
    fit = known_device([one, other]).courses
    assert fit is not None
    assert fit.degrees_alone == len(one.device) - one.levels  # the other's hits are not among these
    reference, device = _laps(1)
    at = match(reference, device, np.asarray([0.0]))
    assert known_device([other, other]).courses.evidence(reference, device, at)[0] == 0.0  # type: ignore[union-attr]
    still = replace(one, reference=np.zeros_like(one.reference))
    assert known_device([still]).courses is None


def _alignment(verdict: Any, *, shown: Shown | None = None, margin: float = 30.0) -> DeviceAlignment:
    empty = np.zeros(0)
    found = ClockMap(
        source="insole", target="reference", verdict=verdict, reasons=[] if verdict == "aligned" else ["not sure"],
        matched_anchors=12, margin=margin, p_wrong=1e-4,
    )  # fmt: skip
    return DeviceAlignment(
        found, Anchors(empty, empty, empty, empty.astype(bool)), np.zeros(1), np.ones(1), shown=shown
    )


def test_an_alignment_is_no_surer_than_the_trials_that_told_of_its_device() -> None:
    known = known_device([_shown(100)], lenders=("walk1",), p_wrong=2e-4, margin=18.0)
    found = held(_alignment("aligned"), known).clock_map
    assert found.margin == 18.0
    assert found.p_wrong == pytest.approx(3e-4)
    assert "'walk1'" in found.findings[-1]
    assert held(_alignment("aligned"), None).clock_map.margin == 30.0


def _table(monkeypatch: pytest.MonkeyPatch, asked: list[KnownDevice | None], *, refused: str = "") -> Any:
    """Return a session's table of three trials on one insole, ``refused`` contradicted by the others."""

    def align(ready: Any, streams: Any, **options: Any) -> DeviceAlignment:
        asked.append(options["known"])
        return _alignment("aligned", shown=_shown(102))

    monkeypatch.setattr("grfkit.sync.session_known.align_clock", align)
    trials = [SimpleNamespace(name=name) for name in "abc"]
    ready = SimpleNamespace(wearables=SimpleNamespace(groups=[{}]), request=SimpleNamespace(prior=lambda: None))
    reasons = [("contradicted",) if name == refused else () for name in "abc"]
    return SimpleNamespace(
        clocks={("insole", 0): [(trial, 0, None) for trial in trials]},
        known_devices={},
        ready=dict.fromkeys("abc", ready),
        is_one_device=lambda _: True,
        placed=lambda *_: [SimpleNamespace(reasons=reason) for reason in reasons],
    )


def test_sure_trials_tell_those_that_are_not_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[KnownDevice | None] = []
    table = _table(monkeypatch, asked)
    alone = {
        "a": [_alignment("aligned", shown=_shown(100))],
        "b": [_alignment("refused", shown=_shown(101))],
        "c": [_alignment("refused", shown=_shown(102))],
    }
    found = with_known_devices(table, alone, alone)
    assert [known.lenders for known in asked if known] == [("a",), ("a",)]
    assert found["a"] == alone["a"]
    assert with_known_devices(table, alone, alone) is alone  # nothing new to know
    # another device has placed b: it tells c of its own device, too
    placed = alone | {"b": [_alignment("aligned", shown=_shown(101))]}
    with_known_devices(table, alone, placed)
    assert asked[-1] is not None
    assert asked[-1].lenders == ("a", "b")


def test_a_trial_that_the_others_contradict_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[KnownDevice | None] = []
    alone = {
        "a": [_alignment("aligned", shown=_shown(100))],
        "b": [_alignment("refused", shown=_shown(101))],
        "c": [_alignment("refused", shown=None)],
    }
    assert with_known_devices(_table(monkeypatch, asked, refused="a"), alone, alone) is alone
    assert not asked
