"""The hub over real GATT: what it says came and was lost is what was sent; what it records is what it showed."""

from __future__ import annotations

import asyncio
import gc
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io import read
from grfkit.monitor.headless import MonitorRequest, monitored, summary
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.monitor.messages import Snapshot, StanceShown
from grfkit.virtual.insole import InsoleSettings
from grfkit.virtual.stream import Faults
from grfkit.wire import SettingKey
from monitor_room import CONTACT_S, EMPTY, PEAK, STRIDE_S, Recorded, Told, ask, connections, lab, until


@dataclass
class Lived:
    """One run: everything that was told, asked, recorded, and sent."""

    told: Told
    late: Told
    summary: dict[str, Any]
    truth: dict[str, list[Any]]
    path: Path
    answers: dict[str, dict[str, Any]]
    insole_told: dict[SettingKey, float]


async def _live(path: Path) -> Lived:
    """Two feet, 5 % lost, the left one disconnected once; commands; then stop."""
    async with lab() as one:
        left = await one.add("left", InsoleSettings(faults=Faults(seed=3, loss=0.05)))
        await one.add("right", InsoleSettings(faults=Faults(seed=4, loss=0.05)))
        hub = one.hub(HubSettings(set_values={SettingKey.MASS: 70.0}, record=path))
        answers: dict[str, dict[str, Any]] = {}
        async with hub:
            told = one.listen(hub)
            await hub.ready()
            await asyncio.sleep(1.0)
            await left.disconnect()
            answers["mark"] = await ask(hub, "mark", text="before")
            await until(lambda: hub.connections[0].reconnects == 1)
            answers["target"] = await ask(hub, "target", feature="contact_s", low=0.3, side="left")
            await until(lambda: {s.device for s in told.stances if s.number >= 2} == {0, 1})
            await until(lambda: hub.snapshot().asymmetry_percent["peak"] is not None)
            await asyncio.sleep(0.6)
            answers["note"] = await ask(hub, "note", text="a note")
            answers["set"] = await ask(hub, "set", speed_m_s=3.5)
            answers["tare"] = await ask(hub, "tare", 1)
            late = one.listen(hub)
            await asyncio.sleep(0.3)
        found = summary(hub)
        truth = {side: [run.truth for run in insole.runs] for side, insole in one.insoles.items()}
        return Lived(told, late, found, truth, path, answers, dict(left.set_values))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    done = asyncio.run(asyncio.wait_for(_live(tmp_path_factory.mktemp("live") / "a.grfrec"), 400))
    gc.collect()
    return done


def missing(run: Any, part: Recorded) -> int:
    """Packets before the last that came which did not: lost on purpose, or dropped by a ring that ran over."""
    last = part.headers[-1].sequence
    return sum(one[0] < last for one in [*run.sensor.lost, *run.sensor.dropped])


def test_every_packet_sent_was_got_or_is_counted_lost(lived: Lived) -> None:
    """Against the insoles' own account of what left them, connection by connection."""
    assert [d["side"] for d in lived.summary["devices"]] == ["left", "right"]
    assert [d["reconnects"] for d in lived.summary["devices"]] == [1, 0]
    lost_in_all = 0
    for number, device in enumerate(lived.summary["devices"]):
        runs, kept = lived.truth[device["side"]], connections(lived.path, number)
        assert len(runs) == len(kept) == device["reconnects"] + 1
        assert device["packets"] == sum(run.sensor.sent for run in runs) == sum(len(k.headers) for k in kept)
        known = [missing(run, part) for run, part in zip(runs, kept)]
        assert device["packets_lost"] == sum(known)
        lost_in_all += sum(known)
        end = runs[-1].first_sample + kept[-1].headers[-1].counter + kept[-1].headers[-1].count
        assert device["samples"] == sum(h.count for k in kept for h in k.headers)
        assert device["samples"] + device["samples_lost"] == end - runs[0].first_sample
        assert device["samples_lost"] - device["samples_lost_between"] == 5 * sum(known)
        assert not device["refused"]
        assert 0 < device["latency_ms"]["p50"] <= device["latency_ms"]["p99"]
    assert lost_in_all > 5, "the seeds have to lose packets"
    assert lived.summary["recording"] == str(lived.path)


def test_the_gap_of_a_reconnection_is_known_to_the_sample(lived: Lived) -> None:
    before, after = lived.truth["left"]
    one, two = connections(lived.path, 0)
    last = before.first_sample + one.headers[-1].counter + one.headers[-1].count
    first = after.first_sample
    assert lived.summary["devices"][0]["samples_lost_between"] == first - last > 0
    assert one.ended == "link loss"
    assert two.ended == "closed"


def test_time_rises_over_all_batches_and_gaps_are_marked(lived: Lived) -> None:
    for device in (0, 1):
        batches = lived.told.batches(device)
        time = np.concatenate([b.time_s for b in batches])
        assert (np.diff(time) > 0).all()
        assert sum(len(b.time_s) for b in batches) == lived.summary["devices"][device]["samples"]
        jumps = {float(b.time_s[0]) for a, b in itertools.pairwise(batches) if b.time_s[0] - a.time_s[-1] > 0.02}
        assert jumps <= {float(b.time_s[0]) for b in batches if b.gap}
        assert jumps
        assert all(b.columns.shape[0] == 17 for b in batches)
        assert all(not (np.diff(b.time_s) > 0.02).any() for b in batches), "no gap lies inside a batch"


def test_force_is_the_sum_of_the_cells_above_their_unloaded_level(lived: Lived) -> None:
    batches = lived.told.batches(1)
    force = np.concatenate([b.columns[0] for b in batches])
    cells = np.concatenate([b.columns[1:] for b in batches], axis=1)
    assert np.allclose(force, cells.sum(axis=0), atol=0.5)
    assert force.max() == pytest.approx(16 * PEAK, rel=0.01)
    assert np.percentile(force[400:], 20) == pytest.approx(0.0, abs=2.0), "the unloaded level is taken off"
    assert {s.force_unit for state in lived.told.states for s in state.devices} == {"count"}


def test_stances_are_those_of_the_source_whoever_counts(lived: Lived) -> None:
    """A half sine of 0.25 s twice a second: the detector's threshold shortens it by what a sine shows below 15 %."""
    for device in (0, 1):
        own = [s for s in lived.told.stances if s.device == device]
        assert [s.number for s in own] == list(range(len(own)))
        assert len(own) >= 3
        for stance in own:
            assert (stance.source, stance.unit) == ("cells", "count")
            if stance.missed:
                continue
            assert stance.contact_s == pytest.approx(CONTACT_S * (1 - 2 * np.arcsin(0.148) / np.pi), abs=0.025)
            assert stance.features["peak"] == pytest.approx(16 * PEAK, rel=0.02)
            assert len(stance.axes["v"]) == 101
            assert (stance.low, stance.high) == (None, None)
        strides = np.diff([s.start_s for s in own if s.start_s > own[1].start_s and not s.missed])
        whole = strides / STRIDE_S
        assert np.abs(whole - np.rint(whole)).max(initial=0.0) * STRIDE_S < 0.02
    flights = [s.features["flight_s"] for s in lived.told.stances if "flight_s" in s.features]
    assert flights
    assert np.median(flights) == pytest.approx(
        STRIDE_S / 2 - np.median([s.contact_s for s in lived.told.stances if not s.missed]), abs=0.02
    )
    states = [d for s in lived.told.states for d in s.devices]
    known = [d.cadence_per_min for d in states if d.cadence_per_min is not None]
    assert known
    assert known == pytest.approx([240.0] * len(known), rel=0.1), "whatever was lost between, never a stride too many"
    assert all((d.cadence_per_min is None) == bool(d.cadence_why) for d in states if d.stances)
    asymmetry = [s.asymmetry_percent["peak"] for s in lived.told.states if s.asymmetry_percent.get("peak") is not None]
    assert asymmetry
    assert np.abs(asymmetry).max() < 2.0


def test_commands_are_done_recorded_and_told(lived: Lived) -> None:
    assert all(answer["ok"] and answer["id"] == 7 for answer in lived.answers.values()), lived.answers
    assert [h.text for h in lived.told.happened("mark")] == ["before"]
    assert [h.text for h in lived.told.happened("note")] == ["a note"]
    assert [h.device for h in lived.told.happened("tare")] == [1]
    assert lived.insole_told == {SettingKey.MASS: 70.0, SettingKey.SPEED: 3.5}
    assert [h.device for h in lived.told.happened("disconnected")] == [0]
    assert [h.device for h in lived.told.happened("reconnected")] == [0]


def test_leaving_the_target_alerts_once_and_only_the_foot_it_is_about(lived: Lived) -> None:
    assert [h.device for h in lived.told.happened("alert")] == [0]
    since = lived.told.happened("target")[0].time_s
    later = [s for s in lived.told.stances if s.start_s > since]
    assert {(s.device, s.within) for s in later if not s.missed} == {(0, False), (1, None)}
    assert {s.within for s in later if s.missed} <= {None}, "nobody judges what is not known"
    assert lived.told.states[-1].target == {
        "feature": "contact_s", "low": 0.3, "high": None, "side": "left", "within": {"0": False, "1": None},
    }  # fmt: skip


def test_who_joins_late_gets_the_state_and_the_last_stances_first(lived: Lived) -> None:
    first, *rest = lived.late.messages
    assert isinstance(first, Snapshot)
    shown = [m for m in rest[:4] if isinstance(m, StanceShown)]
    assert len(shown) == 4
    assert shown == sorted(shown, key=lambda s: s.start_s)


def test_messages_are_json_and_hold_no_nan(lived: Lived) -> None:
    for message in lived.told.messages:
        assert message.to_bytes() if hasattr(message, "to_bytes") else message.to_json()


def test_the_recording_is_a_recording(lived: Lived) -> None:
    recording = read(lived.path)
    for device in lived.summary["devices"]:
        stream = recording.streams[f"insole_{device['side']}"]
        known = int(np.isfinite(stream["cell_01"].values).sum())
        assert known == device["samples"]
        assert float(np.nanmax(stream["cell_07"].values)) == PEAK + EMPTY
    assert "before" in str(recording.tree.attrs["marks"])


def test_a_recording_played_gives_the_same_counts_and_stances(lived: Lived) -> None:
    async def play() -> tuple[dict[str, Any], Told, dict[str, Any]]:
        told = Told()
        async with monitored(MonitorRequest(replay=lived.path, speed=3.0)) as hub:

            async def listen() -> None:
                async for message in hub.subscribe():
                    told.messages.append(message)

            listening = asyncio.ensure_future(listen())
            await hub.ready()
            refused = await ask(hub, "stop")
            await hub.over()
            await listening
        return summary(hub), told, refused

    found, told, refused = asyncio.run(asyncio.wait_for(play(), 200))
    gc.collect()
    assert "this is the recording" in refused["error"]
    assert found["recording"] is None
    for one, other in zip(found["devices"], lived.summary["devices"]):
        assert {k: one[k] for k in one if k != "latency_ms"} == {k: other[k] for k in other if k != "latency_ms"}
        assert one["latency_ms"]["p50"] == pytest.approx(other["latency_ms"]["p50"], abs=0.2)
    for device in (0, 1):
        live = [s for s in lived.told.stances if s.device == device]
        again = [s for s in told.stances if s.device == device]
        assert [s.contact_s for s in again] == pytest.approx([s.contact_s for s in live], abs=1e-4)
        assert np.allclose([s.axes["v"] for s in again], [s.axes["v"] for s in live], atol=1.0)
        starts = np.asarray([s.start_s for s in again]) - [s.start_s for s in live]
        assert np.ptp(starts) < 2e-3
    assert [h.text for h in told.happened("mark")] == ["before"]
    assert [h.device for h in told.happened("tare")] == [1]
    assert told.states[-1].replay == lived.path.name


def test_stop_and_start_on_command_make_a_new_session_and_count_nothing_lost() -> None:
    async def work() -> None:
        async with lab() as one:
            insole = await one.add("right")
            hub = one.hub()
            async with hub:
                await hub.ready()
                await until(lambda: hub.connections[0].counts.packets > 5)
                assert (await ask(hub, "stop"))["ok"]
                await until(lambda: insole.running is None)
                stopped = hub.connections[0].counts.packets
                assert hub.snapshot().devices[0].state == "stopped"
                assert not hub.snapshot().running
                assert stopped == insole.runs[0].truth.sensor.sent
                await asyncio.sleep(0.2)
                assert hub.connections[0].counts.packets == stopped
                assert (await ask(hub, "start"))["ok"]
                await until(lambda: hub.connections[0].counts.packets > stopped + 5)
                state = hub.snapshot().devices[0]
                assert (state.state, state.reconnects, state.side) == ("streaming", 0, "right")
            device = summary(hub)["devices"][0]
            assert device["packets"] == sum(run.truth.sensor.sent for run in insole.runs)
            lost = sum(len(run.truth.sensor.dropped) for run in insole.runs)
            assert device["packets_lost"] <= lost, "a stop on purpose loses nothing"
            assert device["samples_lost"] == 5 * device["packets_lost"]
            assert device["samples_lost_between"] == 0

    asyncio.run(asyncio.wait_for(work(), 200))
    gc.collect()


@pytest.mark.parametrize(
    ("action", "device", "arguments", "said"),
    [
        ("tare", 4, {}, "there is no insole 4; there are 1"),
        ("target", None, {"feature": "speed", "low": 1}, "'speed' is no feature"),
        ("target", None, {"feature": "peak", "low": 2, "high": 1}, "has no room"),
        ("target", None, {"feature": "peak", "low": "much"}, "expected a number"),
        ("target", None, {"feature": "peak", "low": 1, "side": "middle"}, "side 'middle'"),
        ("note", None, {"text": "  "}, "without words"),
        ("mark", None, {"text": "x"}, "nothing is being recorded"),
        ("set", None, {"mass_kg": True}, "cannot be set"),
        ("set", None, {"age": 3}, "'age' cannot be set"),
        ("set", None, {}, "cannot be set"),
        ("set", None, {"mass_kg": -4.0}, "refused SET"),
        ("dance", None, {}, "no command"),
    ],
)
def test_what_cannot_be_done_is_answered(
    one_foot: Any, action: str, device: int | None, arguments: dict[str, Any], said: str
) -> None:
    answer = one_foot(action, device, arguments)
    assert (answer["ok"], answer["type"]) == (False, "answer")
    assert said in answer["error"]


@pytest.fixture(scope="module")
def one_foot() -> Any:
    """Ask a hub with one foot, in a loop that goes on between tests."""
    loop = asyncio.new_event_loop()
    held: dict[str, Any] = {}

    async def begin() -> None:
        held["lab"] = lab()
        one = await held["lab"].__aenter__()
        await one.add("left")
        held["hub"] = one.hub()
        await held["hub"].__aenter__()
        await held["hub"].ready()

    async def end() -> None:
        await held["hub"].__aexit__(None)
        await held["lab"].__aexit__(None, None, None)

    loop.run_until_complete(asyncio.wait_for(begin(), 200))
    yield lambda action, device, arguments: loop.run_until_complete(
        asyncio.wait_for(ask(held["hub"], action, device, **arguments), 100)
    )
    loop.run_until_complete(asyncio.wait_for(end(), 100))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gc.collect()


def test_no_insole_and_a_recording_that_exists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "there.grfrec"
    path.write_bytes(b"")

    async def work() -> None:
        async with lab() as one:
            with pytest.raises(BadInputError, match="no insole was found"):
                await begun(Hub(_nobody))
            insole = await one.add("left")
            with pytest.raises(BadInputError, match="exists; name another file"):
                await begun(one.hub(HubSettings(record=path)))
            assert path.read_bytes() == b""
            assert (await one.find(0))[0].address == insole.settings.address, "it is free again"

    async def begun(hub: Hub) -> None:
        async with hub:
            await hub.ready()

    asyncio.run(asyncio.wait_for(work(), 200))
    gc.collect()


async def _nobody(_: int) -> list[Any]:
    return []
