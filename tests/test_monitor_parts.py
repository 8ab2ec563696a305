"""The monitor's parts by themselves: listeners, targets, loads, models on the host, LSL, the command line."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from grfkit.cli.monitor import app
from grfkit.device.session import ReceivedStance, Session, TimedItem
from grfkit.errors import BadInputError
from grfkit.gait.causal import causal_settings
from grfkit.gait.loading import Curve, loading
from grfkit.monitor import lsl
from grfkit.monitor.latency import Latency
from grfkit.monitor.live import LiveFoot, StanceRequest
from grfkit.monitor.live_contact import Contact, features, interval, on_points
from grfkit.monitor.live_load import CellContacts, SampleTimes, TareLevel
from grfkit.monitor.live_model import LiveModel, bundle_live, half_widths, open_live_model
from grfkit.monitor.messages import DeviceState, MonitorEvent, SampleBatch, Snapshot, StanceShown
from grfkit.monitor.stance_log import StanceLog, Target
from grfkit.monitor.subscription import Subscription
from grfkit.runtime.bundle import Bundle
from grfkit.virtual import stance as virtual_stance
from grfkit.wire import Info, Running, SettingKey, StanceReport
from monitor_room import CONTACT_S, EMPTY, PEAK, RATE_HZ, STRIDE_S, steps
from test_device_virtual import Engine, manifest


def batch(device: int, number: int) -> SampleBatch:
    return SampleBatch(device, np.asarray([float(number)]), np.zeros((17, 1), np.float32), 0.0)


def shown(device: int, number: int, start_s: float, **found: float) -> StanceShown:
    told = {"contact_s": 0.25, "peak": 2.0, "loading_rate": 40.0, **found}
    return StanceShown(device, number, start_s, told["contact_s"], {"v": [0.0] * 101}, "BW", "host", told)


@given(st.lists(st.sampled_from("bses"), max_size=60), st.integers(1, 6))
def test_a_slow_listener_loses_its_oldest_batches_and_nothing_else(kinds: list[str], most: int) -> None:
    """Against a list: the newest batches in order, every stance and event, the newest state."""
    made: list[Any] = []
    for k, kind in enumerate(kinds):
        made.append(batch(0, k) if kind == "b" else shown(0, k, k) if kind == "s" else MonitorEvent("mark", float(k)))

    async def work() -> tuple[list[Any], int]:
        one = Subscription([Snapshot(0.0, [], True)], lambda _: None, most=most)
        for message in made:
            one.put(message)
        one.put(Snapshot(9.0, [], True))
        one.end()
        one.put(batch(1, 0))
        return [m async for m in one], one.dropped

    got, dropped = asyncio.run(work())
    batches = [m for m in made if isinstance(m, SampleBatch)]
    assert dropped == max(0, len(batches) - most)
    kept = set(map(id, batches[dropped:]))
    assert [id(m) for m in got[:-1]] == [id(m) for m in made if not isinstance(m, SampleBatch) or id(m) in kept]
    assert got[-1].now_s == 9.0


def test_a_listener_that_leaves_is_told_nothing_more() -> None:
    async def work() -> None:
        gone: list[Subscription] = []
        one = Subscription([batch(0, 1)], gone.append)
        one.close()
        assert gone == [one]
        assert [m async for m in one] == []

    asyncio.run(work())


def test_a_target_judges_its_feature_and_foot() -> None:
    aim = Target.of({"feature": "peak", "low": 1.5, "high": 2.5, "side": "left"})
    assert [aim.holds("left", {"peak": v}) for v in (1.4, 1.5, 2.5, 2.6)] == [False, True, True, False]
    assert aim.holds("right", {"peak": 9.0}) is None
    assert aim.holds("left", {"contact_s": 0.2}) is None
    assert Target.of({"feature": "contact_s", "high": 0.3}).holds("right", {"contact_s": 0.2}) is True
    with pytest.raises(BadInputError, match="no room"):
        Target.of({"feature": "peak"})


def test_the_log_compares_feet_in_one_unit_and_counts_on_after_clear() -> None:
    log = StanceLog()
    for k in range(6):
        log.add(shown(0, k, 0.7 * k, peak=2.2))
        log.add(shown(1, k, 0.7 * k + 0.35, peak=1.8))
    assert log.asymmetry_percent(0, 1)["peak"] == pytest.approx(20.0)
    log.add(replace(shown(0, 6, 4.2, peak=9.9), missed=5))
    assert log.asymmetry_percent(0, 1)["peak"] == pytest.approx(20.0), "a stance with a gap is in no mean"
    for k in range(7, 20):
        log.add(shown(1, k, 0.7 * k + 0.35 + 60.0, peak=1.2))
    assert log.asymmetry_percent(0, 1)["peak"] is None, "an hour ago is no comparison with now"
    log.add(replace(shown(1, 20, 90.0, peak=3.0), era=1))
    assert log.mean(1, "peak") == pytest.approx(3.0), "nothing from before the tare"
    log.clear()
    assert log.mean(0, "peak") is None
    assert log.counts == {0: 7, 1: 20}
    assert log.bridged == {0: 1, 1: 0}
    assert log.asymmetry_percent(0, 1) == {"contact_s": None, "peak": None, "loading_rate": None}


def test_features_are_those_of_gait() -> None:
    t = np.linspace(0.0, 0.24, 101)
    up = 1.7 * np.exp(-(((t - 0.03) / 0.012) ** 2)) + 2.4 * np.sin(np.pi * t / 0.24)
    ap = -0.3 * np.sin(2 * np.pi * t / 0.24)
    found = features(Contact(0.0, 0.24, {"v": up, "ap": ap}, "BW", "host"))
    known = loading(Curve(t, up), Curve(t, ap), cutoff_hz=None)
    assert found["loading_rate"] == pytest.approx(known.valr["E"].value_bw_s)
    assert found["vilr"] == pytest.approx(known.vilr.value_bw_s)
    assert found["impact_peak"] == pytest.approx(known.impact.value_bw)
    assert found["impulse"] == pytest.approx(known.impulse_bw_s)
    assert known.horizontal is not None
    assert found["braking"] == pytest.approx(known.horizontal.braking_peak_bw)
    assert found["peak"] == pytest.approx(up.max())
    counts = features(Contact(0.0, 0.24, {"v": 1000 * up}, "count", "cells"))
    assert set(counts) == {"contact_s", "peak", "impulse", "loading_rate"}
    assert counts["loading_rate"] == pytest.approx(1000 * found["loading_rate"])
    lone = features(Contact(0.0, 0.24, {"ap": ap}, "BW", "device"))
    assert "peak" not in lone


def test_an_interval_is_the_models_half_width_around_the_vertical_curve(tmp_path: Path) -> None:
    contact = Contact(0.0, 0.2, {"v": np.linspace(0, 2, 51)}, "BW", "host", half_width={"v": 0.2})
    low, high = interval(contact)
    assert low is not None
    assert high is not None
    assert np.allclose(np.asarray(high) - low, 0.4)
    assert on_points(np.linspace(0, 2, 51)) == pytest.approx(list(np.linspace(0, 2, 101)))
    assert interval(Contact(0.0, 0.2, {"v": np.ones(9)}, "BW", "host")) == (None, None)
    assert half_widths(tmp_path) == {}
    bands = {"vgrf": {"half_width_bw": 0.21}, "apgrf": {"note": "2 participants"}, "mlgrf": {"half_width_bw": None}}
    (tmp_path / "evaluation.json").write_text(json.dumps({"bands": bands}))
    assert half_widths(tmp_path) == {"v": 0.21}
    (tmp_path / "evaluation.json").write_text("{")
    assert half_widths(tmp_path) == {}


def _contacts(cells: np.ndarray, gone: set[int] = frozenset()) -> list[Contact]:  # type: ignore[assignment]
    """What the sum of the cells shows, packets of five samples, some of them missing."""
    times = SampleTimes(800, 1 / RATE_HZ)
    one, found = CellContacts(RATE_HZ, times), []
    for k in range(0, len(cells), 5):
        if k // 5 in gone:
            times.miss(5)
            one.miss(5)
            continue
        times.push(10.0 + np.arange(k, k + 5) / RATE_HZ)
        found += one.push(cells[k : k + 5], np.full(16, EMPTY), 7)
    return found


def test_contacts_of_the_cells_are_where_the_source_has_them() -> None:
    cells = steps("left", seconds=6.0).cells
    found = _contacts(cells)
    assert len(found) >= 7
    for contact in found:
        nearest = round((contact.start_s - 10.0) / STRIDE_S) * STRIDE_S
        assert 0.0 < contact.start_s - 10.0 - nearest < 0.02, "a threshold is reached a little after contact"
        assert contact.axes["v"].max() == pytest.approx(16 * PEAK, rel=0.01)
        assert contact.arrival_ns == 7
    lost = int((found[3].start_s - 10.0) * RATE_HZ / 5) + 4
    again = _contacts(cells, {lost, lost + 1})
    assert len(again) == len(found) - 1, "a stance of which 50 ms are missing is not shown"
    starts = [c.start_s for c in again]
    assert starts == pytest.approx([c.start_s for c in found if c is not found[3]], abs=2e-3)


def test_the_unloaded_level_is_found_alone_and_taken_at_a_tare() -> None:
    cells = steps("right", seconds=8.0).cells
    tare = TareLevel(RATE_HZ)
    for k in range(0, len(cells), 5):
        tare.push(cells[k : k + 5])
    assert tare.level == pytest.approx(np.full(16, EMPTY), abs=1.0)
    tare.push(np.full((150, 16), 300, np.uint16))
    tare.now()
    assert (tare.level == 300).all()
    tare.push(cells[:400])
    assert (tare.level == 300).all(), "a tare stays"


def test_the_level_does_not_depend_on_how_many_samples_come_at_a_time() -> None:
    """Second by second, and at a tare, against every fourth sample of the last 30 s and the last 100 still ones."""
    rng, rate = np.random.default_rng(8), 50.0
    cells = rng.integers(0, 3000, (2000, 16)).astype(np.uint16)
    cells[rng.integers(0, 2000, 900)] = 700
    tare, at, due = TareLevel(rate), 0, 0
    while at < len(cells):
        n = int(rng.integers(1, 12))
        tare.push(cells[at : at + n])
        at = min(at + n, len(cells))
        if at >= due:
            due = at + 50
            rows = cells[:at:4][-round(30 * rate / 4) :]
            np.testing.assert_array_equal(tare.level, np.percentile(rows, 2.0, axis=0))
    still = (np.abs(np.diff(cells.astype(int), axis=0)) <= 0.005 * 4096).all(axis=1)
    tare.now()
    assert still.sum() > 100
    np.testing.assert_array_equal(tare.level, np.median(cells[1:][still][-100:], axis=0))


def test_latency_over_all_time_agrees_with_the_percentiles() -> None:
    rng = np.random.default_rng(5)
    late = rng.gamma(3.0, 0.004, 5000)
    one = Latency()
    assert one.all_ms() == {"p50": None, "p99": None}
    assert one.recent_ms(10) == {}
    for value in late:
        one.add(float(value))
    p50, p99 = np.percentile(late, [50, 99]) * 1e3
    assert one.all_ms() == {"p50": pytest.approx(p50, abs=0.1), "p99": pytest.approx(p99, abs=0.2)}
    assert one.recent_ms(4000)["p50"] == pytest.approx(np.median(late[-4000:]) * 1e3)


class Ended:
    """What a foot told."""

    def __init__(self) -> None:
        self.shown: list[Contact] = []
        self.asked: list[StanceRequest] = []
        self.refused: list[str] = []

    def foot(self, host: Any) -> LiveFoot:
        return LiveFoot(
            0, host, {}, show=self.shown.append, predict=self.asked.append, refuse=self.refused.append
        )  # fmt: skip


def session(model_id: int) -> Session:
    return Session(number=1, info=Info(0, 16, 12, 16, 2000, model_id), running=Running(1, 5, 200, 5000), started_ns=0)


def stance(model_id: int) -> TimedItem:
    curve = np.zeros((101, 1), np.int8)
    report = StanceReport(model_id, 0.25, 4, 0, 50, 2.0, 0.3, 0.0, 0.0, (1.0,), (0.01,), curve)
    item = ReceivedStance(0, 0, 0, 0, 0, False, False, False, 1, report)
    return TimedItem(item, np.asarray([3.0, 3.25]), 1.0)


def bundled(**other: Any) -> LiveModel:
    """A bundle whose network answers its first three columns."""
    bundle = Bundle(Path("a"), manifest(name="a", **other), Engine())  # type: ignore[arg-type]
    return replace(bundle_live(bundle), half_width_bw={"v": 0.3})


def test_an_insoles_stances_are_taken_only_from_the_bundle_that_is_named() -> None:
    host, mine = bundled(), 0xABCD1234
    for device_id, said, sends, expected in [
        (mine, mine, True, "device"),
        (mine, 5, True, "refused"),
        (5, 5, True, "host"),
        (0, 5, False, "host"),
        (mine, mine, False, "host"),
    ]:
        told = Ended()
        foot = told.foot(host)
        foot.session_began(session(device_id), None, sends=sends)
        foot.take(stance(said), 9)
        if expected == "device":
            assert [c.source for c in told.shown] == ["device"]
            assert foot.estimate == "device abcd1234"
            assert told.shown[0].half_width == {"v": 0.3}
            assert told.shown[0].axes["v"] == pytest.approx(np.ones(101))
            assert not told.refused
        else:
            assert not told.shown
            assert foot.refused == {"model_id": 1}
            assert foot.estimate == ("a" if expected == "host" else "device abcd1234")
        if device_id == 5:
            assert "00000005" in told.refused[0]
            assert "abcd1234" in told.refused[0]


def test_the_host_answers_what_the_insole_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bundle on an insole and on the host, same samples: same stances, forces within the report's steps."""
    host = bundled()
    source = steps("left", seconds=8.0)
    loaded = Bundle(Path("a"), manifest(), Engine())  # type: ignore[arg-type]
    monkeypatch.setattr(virtual_stance, "load_bundle", lambda *_: loaded)
    device = virtual_stance.OnDeviceModel(Path("a"))(source, 200, {})
    reports = [one for k in range(0, 1600, 5) for one in device.push(source.cells[k : k + 5], source.imu[k : k + 5])]
    cutter = host.cutter(Info(0, 16, 12, 16, 2000, 0), 200, {})
    cuts = [c for k in range(0, 1600, 5) for c in cutter.cuts(source.cells[k : k + 5], source.imu[k : k + 5])]
    assert len(cuts) == len(reports) >= 5
    for cut, (start, report) in zip(cuts, reports):
        made = host.forces_bw(cut, "left", {})
        assert cut.start == start
        assert np.allclose(np.stack([made["ap"], made["ml"], made["v"]], axis=1), report.force_bw, atol=1e-6)
    cutter.miss(12)
    more = [c for k in range(1600, 2400, 5) for c in cutter.cuts(source.cells[k - 1600 : k - 1595], source.imu[:5])]
    assert len(more) >= 5, "it goes on after a gap"


def test_a_model_that_needs_the_mass_or_is_none_is_refused(tmp_path: Path) -> None:
    from grfkit.monitor.hub import Hub, HubSettings

    async def nobody(_: int) -> list[Any]:
        return []

    heavy = bundled(force_unit="N")
    with pytest.raises(BadInputError, match="--mass KG"):
        Hub(nobody, HubSettings(model=heavy))
    assert Hub(nobody, HubSettings(model=heavy, set_values={SettingKey.MASS: 70.0}))
    with pytest.raises(BadInputError, match="is no folder"):
        open_live_model(tmp_path / "none")
    assert causal_settings(200.0).warmup == 300, "which the lengths of these tests rest on"
    assert math.isclose(CONTACT_S, STRIDE_S / 2)


def test_batches_go_to_the_lab_streaming_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, units, values and stamps on LSL's clock, on a stand-in for the library."""
    made: list[Any] = []

    class Node(dict):  # type: ignore[type-arg]
        def append_child(self, name: str) -> Node:
            return self.setdefault(name, []).append(Node()) or self[name][-1]  # type: ignore[no-any-return]

        def append_child_value(self, name: str, value: str) -> None:
            self[name] = value

    class Info_:
        def __init__(self, *about: Any) -> None:
            self.about, self.root = about, Node()

        def desc(self) -> Node:
            return self.root

    class Outlet:
        def __init__(self, info: Info_) -> None:
            self.info, self.chunks = info, []
            made.append(self)

        def push_chunk(self, rows: list[Any], stamps: list[float]) -> None:
            self.chunks.append((rows, stamps))

    fake = types.SimpleNamespace(
        local_clock=lambda: time.monotonic() + 500.0, StreamOutlet=Outlet, StreamInfo=Info_, cf_float32=1
    )
    monkeypatch.setattr(lsl, "check", lambda: fake)
    state = DeviceState(0, "left", "GRF Insole L", "AA", "streaming", rate_hz=200.0)

    async def work() -> None:
        one = Subscription([Snapshot(0.0, [state], True), batch(0, 3), batch(0, 4)], lambda _: None)
        one.end()
        hub = types.SimpleNamespace(origin_ns=1_000_500_000_000, subscribe=lambda: one)
        await lsl.outlet(hub)  # type: ignore[arg-type]

    asyncio.run(work())
    (outlet,) = made
    assert outlet.info.about == ("grfkit left 1", "Force", 17, 200.0, 1, "grfkit AA")
    labels = [one["label"] for one in outlet.info.root["channels"][0]["channel"]]
    assert labels == list(lsl.CHANNELS)
    assert [stamps[0] for _, stamps in outlet.chunks] == pytest.approx([1503.5, 1504.5], abs=0.2)
    assert outlet.chunks[0][0] == [[0.0] * 17]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--headless", "--tui"), "name one of them"),
        (("--record", "x.grfrec", "--no-record"), "name one of them"),
        (("--record", "THERE", "--headless"), "THERE: exists"),
        (("--record", "no/x.grfrec", "--headless"), "its folder does not exist"),
        (("--feet", "5", "--no-record"), "--feet is 5"),
        (("--mass", "4", "--no-record"), "--mass-kg is 4"),
        (("--demo", "--serial", "x", "--no-record", "--headless"), "--demo and --serial"),
        (("--adapter", "usb:0", "--no-record", "--headless"), "adapter 'usb:0' is unknown"),
        (("--model", "none", "--no-record", "--headless"), "none: is no folder"),
        (("replay", "THERE", "--headless"), "THERE"),
        (("replay", "none.grfrec", "--headless"), "none.grfrec"),
        (("replay", "THERE", "--speed", "0", "--headless"), "--speed is 0"),
    ],
)
def test_what_cannot_be_monitored_is_refused_in_one_line(
    options: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("THERE").write_text("{}")
    done = CliRunner().invoke(app, list(options))
    assert isinstance(done.exception, BadInputError), done.exception
    assert said in str(done.exception)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["THERE"], "nothing is left behind"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['grf-monitor', '--help']\n"
        "from grfkit.cli.monitor import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'bleak', 'bumble', 'scipy', 'starlette', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "--headless" in done.stdout
    assert done.stdout.strip().endswith("[]")
