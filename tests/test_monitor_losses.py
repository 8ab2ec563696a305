"""What is shown when packets are lost, shoes pressed in the air, insoles tared or restarted: right or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit.device.session import GrfSamples, Samples, Session, TimedItem
from grfkit.monitor.live import LiveFoot
from grfkit.monitor.live_contact import Contact
from grfkit.monitor.live_track import Track
from grfkit.virtual.source import SampleSource
from grfkit.wire import Info, Running
from monitor_room import PEAK, RATE_HZ, STRIDE_S, steps

PERIOD_S = 1 / RATE_HZ
SHOWN_CONTACT_S = 0.2256
"""Of the 0.25 s of a half sine what lies above 38/256 of it."""


class Fed:
    """One foot without a model that is given a source's packets, some of them lost."""

    def __init__(self) -> None:
        self.shown: list[Contact] = []
        self.foot = LiveFoot(0, None, {}, show=self.shown.append, predict=lambda _: None, refuse=lambda _: None)
        self.begin()

    def begin(self) -> None:
        info, running = Info(0, 16, 12, 16, 2000, 0), Running(1, 5, 200, 5000)
        one = Session(number=1, info=info, running=running, started_ns=0)
        self.foot.session_began(one, 0, sends=False)

    def feed(self, source: SampleSource, lost: Iterable[int] = (), *, since_s: float = 10.0, **more: Any) -> Fed:
        gone, missing = set(lost), 0
        for k in range(0, len(source.cells) - 4, 5):
            if k // 5 in gone:
                missing += 5
                continue
            item = Samples(
                k, k * 5000, 0, more.get("epoch", 0), missing, False, False, False,
                source.cells[k : k + 5], source.imu[k : k + 5],
            )  # fmt: skip
            self.foot.take(TimedItem(item, since_s + np.arange(k, k + 5) * PERIOD_S, 1.0), 7)
            missing = 0
        return self

    @property
    def cadence(self) -> float | None:
        last_s = self.foot.last_sample_s
        assert last_s is not None
        return self.foot.track.cadence_per_min(last_s)


def in_stance(number: int) -> list[int]:
    """The packets that lie within the contact of a stride: ten of them."""
    return list(range(20 * number, 20 * number + 10))


def test_every_single_packet_lost_alone_leaves_the_stance_and_marks_it() -> None:
    """Each packet of the fifth stride once: nothing is lost, what is bridged says so, the rest is untouched."""
    whole = Fed().feed(steps("left", seconds=4.0))
    starts = [c.start_s for c in whole.shown]
    for lost in range(80, 100):
        fed = Fed().feed(steps("left", seconds=4.0), [lost])
        assert [c.start_s for c in fed.shown] == pytest.approx(starts, abs=0.015)
        assert fed.cadence == pytest.approx(240.0, rel=0.02)
        assert not fed.foot.track.refused
        marked = [k for k, c in enumerate(fed.shown) if c.missed]
        at_s = 10.0 + 5 * lost * PERIOD_S
        touched = [
            k for k, c in enumerate(whole.shown)
            if c.start_s - 0.03 < at_s + 0.0125 < c.start_s + c.contact_s + 0.03
        ]  # fmt: skip
        assert set(marked) <= set(touched)
        for k, (one, other) in enumerate(zip(fed.shown, whole.shown)):
            if k not in marked:
                assert one.contact_s == pytest.approx(other.contact_s, abs=5e-4), "levels alone may be a little lower"
                assert np.allclose(one.axes["v"], other.axes["v"], atol=0.01 * 16 * PEAK)
    inside = Fed().feed(steps("left", seconds=4.0), [85])
    assert [c.missed for c in inside.shown if c.missed] == [5]


def test_two_packets_in_a_row_cost_the_stance_and_it_is_said_why() -> None:
    fed = Fed().feed(steps("left", seconds=4.0), [84, 85])
    assert len(fed.shown) == len(Fed().feed(steps("left", seconds=4.0)).shown) - 1
    assert fed.foot.track.refused == {"samples lost": 1}


@pytest.mark.parametrize("pattern", ["every other stance", "two of three", "the flights", "all but two"])
def test_a_cadence_is_right_or_none(pattern: str) -> None:
    """However stances are lost: a stride that spans a lost one is never taken for one."""
    lost = {
        "every other stance": [p for n in range(1, 40, 2) for p in in_stance(n)[3:6]],
        "two of three": [p for n in range(40) if n % 3 for p in in_stance(n)[3:6]],
        "the flights": [p for n in range(40) for p in range(20 * n + 13, 20 * n + 17)],
        "all but two": [p for n in range(40) if n not in (20, 21) for p in in_stance(n)[3:6]],
    }[pattern]
    fed = Fed().feed(steps("left", seconds=20.0), lost)
    seen = fed.cadence
    if pattern == "all but two":
        assert fed.foot.track.cadence_per_min(10.0 + 12.0) == pytest.approx(240.0, rel=0.01)
        assert fed.foot.track.cadence_per_min(10.0 + 25.0) is None
    else:
        assert seen is None
        assert fed.foot.track.broken is not None
        assert "lost" in fed.foot.track.broken or "refused" in fed.foot.track.broken


def test_a_restart_a_tare_and_a_jump_of_the_clock_are_no_strides() -> None:
    for doing in ("start", "tare", "jump"):
        fed = Fed().feed(steps("left", seconds=4.0))
        assert fed.cadence == pytest.approx(240.0, rel=0.01)
        if doing == "start":
            fed.begin()
        elif doing == "tare":
            fed.foot.tared()
        fed.feed(steps("left", seconds=0.9), since_s=14.1, epoch=int(doing == "jump"))
        strides = [stride for _, stride in fed.foot.track._strides]
        assert strides == pytest.approx([STRIDE_S] * len(strides), abs=0.01), doing
        assert len(fed.shown) > 5 or doing == "start"


def test_a_tare_within_a_contact_shows_no_curve_of_two_levels() -> None:
    fed = Fed()
    source = steps("left", seconds=4.0)
    fed.feed(replace(source, cells=source.cells[:615], imu=source.imu[:615]))
    before = len(fed.shown)
    fed.foot.tared()
    fed.feed(replace(source, cells=source.cells[615:700], imu=source.imu[615:700]), since_s=10.0 + 615 * PERIOD_S)
    assert len(fed.shown) == before
    assert fed.foot.era == 1


def test_a_correction_of_the_clock_stretches_neither_contact_nor_stride() -> None:
    """Sample times that run 5 % too fast, as while a correction is taken up; the insole's own period holds."""
    fed = Fed()
    source = steps("left", seconds=8.0)
    for k in range(0, 1600, 5):
        item = Samples(k, 0, 0, 0, 0, False, False, False, source.cells[k : k + 5], source.imu[k : k + 5])
        fed.foot.take(TimedItem(item, 10.0 + 1.05 * PERIOD_S * np.arange(k, k + 5), 1.0), 7)
    assert [c.contact_s for c in fed.shown] == pytest.approx([SHOWN_CONTACT_S] * len(fed.shown), abs=0.003)
    assert fed.cadence == pytest.approx(240.0, rel=1e-3)


def test_a_shoe_pressed_in_the_air_is_no_step_and_is_counted() -> None:
    """Every fourth contact bears a quarter: not shown, told why, and no stride is made of what it leaves."""
    source = steps("left", seconds=20.0)
    number = np.arange(len(source.cells)) // round(STRIDE_S * RATE_HZ)
    faint = np.where(number % 4 == 3, 0.25, 1.0)[:, None]
    cells = np.rint((source.cells - 40.0) * faint + 40.0).astype(np.uint16)
    fed = Fed().feed(replace(source, cells=cells))
    shown = np.asarray([round((c.start_s - 10.0) / STRIDE_S) for c in fed.shown])
    assert not (shown % 4 == 3).any()
    assert fed.foot.track.refused["faint"] == len({n for n in number if n % 4 == 3 and n > shown[0]})
    assert min(c.axes["v"].max() for c in fed.shown) > 0.9 * 16 * PEAK
    assert fed.cadence == pytest.approx(240.0, rel=0.01)


def test_a_foot_is_known_to_be_in_the_air_only_between_a_toe_off_and_what_comes_next() -> None:
    one = Track()
    assert one.in_air_since(5.0) is None
    for k in range(3):
        one.began(10.0 + k)
        one.ended(10.0 + k, 10.3 + k, counted_s=float(k))
    one.samples_until(12.6)
    assert one.in_air_since(12.5) == pytest.approx(12.3)
    assert one.in_air_since(12.1) is None, "it is on the ground: walking"
    assert one.in_air_since(12.58) is None, "a contact then would not be known yet"
    one.samples_until(13.0)
    one.broke("samples were lost", 12.7)
    assert one.in_air_since(12.9) is None, "it may have come down and gone up again"
    assert one.in_air_since(12.5) == pytest.approx(12.3)
    one.refuse("faint", 12.8)
    assert one.in_air_since(12.95) is None
    assert one.cadence_per_min(13.0) == pytest.approx(120.0)
    assert one.cadence_per_min(30.0) is None


def test_no_force_is_drawn_where_the_insoles_own_samples_are_missing() -> None:
    """Type 2 of packets 3 and 4 lost, cells whole: the force is unknown there, and what came elsewhere."""
    fed = Fed()
    source = steps("left", seconds=1.0)
    for k in range(0, 60, 5):
        times = 10.0 + np.arange(k, k + 5) * PERIOD_S
        item = Samples(k, k * 5000, 0, 0, 0, False, False, False, source.cells[k : k + 5], source.imu[k : k + 5])
        fed.foot.take(TimedItem(item, times, 1.0), 7)
        if k // 5 not in (3, 4):
            force = np.zeros((5, 3))
            force[:, 2] = np.arange(k, k + 5)
            told = GrfSamples(k, k * 5000, 0, 0, 10 * (k == 25), False, False, False, force, np.zeros((5, 2)))
            fed.foot.take(TimedItem(told, times, 1.0), 7)
        if not k:
            assert fed.foot.force_unit == "N"
    taken = fed.foot.batches.take(11.0, 0.0)
    shown = np.concatenate([b.columns[0] for b in taken])[5:]
    assert np.isnan(shown[10:20]).all()
    known = np.r_[5:15, 25:60]
    assert shown[known - 5] == pytest.approx(known)


def test_a_rate_too_low_for_contacts_still_shows_and_keeps_the_samples() -> None:
    told: list[str] = []
    foot = LiveFoot(0, None, {}, show=pytest.fail, predict=pytest.fail, refuse=told.append)
    one = Session(
        number=1, info=Info(0, 16, 12, 16, 2000, 0), running=Running(1, 5, 10, 100_000), started_ns=0
    )  # fmt: skip
    foot.session_began(one, None, sends=False)
    source = steps("left", seconds=1.0)
    for k in range(0, 50, 5):
        item = Samples(k, k * 100_000, 0, 0, 5 * (k == 20), False, False, False, source.cells[:5], source.imu[:5])
        foot.take(TimedItem(item, 10.0 + np.arange(k, k + 5) / 10, 1.0), 7)
    foot.tared()
    assert sum(len(b.time_s) for b in foot.batches.take(20.0, 0.0)) == 50
    assert len(told) == 1
    assert "10 Hz" in told[0]
    assert foot.track.cadence_per_min(15.0) is None
    assert "10 Hz" in (foot.track.broken or "")
