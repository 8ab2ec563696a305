"""The live benchmark's own formulas: what is met and what is not, what stays when some parts are run anew, gaps."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")
pytest.importorskip("websockets")
pytest.importorskip("uvicorn")

from grfkit import wire
from grfkit.device.link import Characteristic, ReceivedPacket
from grfkit.device.recorder import Recorder
from grfkit.wire import Info, Running

LOOP_S = 0.0625
ASKED = argparse.Namespace(quick=False, parts=None)


@pytest.fixture(autouse=True)
def _quick_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rounds around every part are long for a test."""
    monkeypatch.setattr(tool("run"), "calibration_loop_s", lambda: LOOP_S)


def tool(name: str) -> ModuleType:
    return importlib.import_module(f"bench.live.{name}")


def part(figure: float, *, wanted: float = 10.0, title: str = "A part") -> Any:
    """A part that measures one figure, which is to be at most what is wanted."""

    def goals(done: dict[str, Any]) -> list[tuple[str, str, bool]]:
        return [(f"at most {wanted:g}", f"{done['figure']:g}", done["figure"] <= wanted)]

    return tool("tables").Part(title, lambda _: {"figure": figure}, goals, lambda done: [f"saw {done['figure']}"])


def broken(_: Any) -> dict[str, Any]:
    raise OSError("no | controller\nanswers")


def ran(
    tmp_path: Path, parts: dict[str, Any], *, asked: Any = ASKED, names: list[str] | None = None
) -> tuple[Any, str]:
    out = tmp_path / "live"
    figures = tool("run").run(parts, names or list(parts), asked, out)
    assert json.loads(out.with_suffix(".json").read_text()) == json.loads(json.dumps(figures))
    return figures, out.with_suffix(".md").read_text()


def row(told: str, name: str) -> list[str]:
    """The first row of the goals' table that is of a part."""
    line = next(one for one in told.splitlines() if one.startswith(f"| {name} |"))
    return [one.strip() for one in line.strip("|").split("|")]


def test_a_missed_goal_is_printed_as_not_met_and_a_kept_one_as_met(tmp_path: Path) -> None:
    _, told = ran(tmp_path, {"kept": part(10.0), "missed": part(10.01)})
    assert row(told, "kept")[1:4] == ["at most 10", "10", "yes"]
    assert row(told, "missed")[1:4] == ["at most 10", "10.01", "**NOT met**"]
    assert told.count("NOT met") == 1


def test_a_part_that_fails_is_told_and_loses_no_other(tmp_path: Path) -> None:
    bad = tool("tables").Part("Bad", broken, lambda _: [], lambda _: [])
    figures, told = ran(tmp_path, {"first": part(1.0), "bad": bad, "last": part(2.0)})
    assert figures["parts"]["first"]["figure"] == 1.0
    assert figures["parts"]["last"]["figure"] == 2.0
    assert row(told, "bad")[1:4] == ["the part runs to its end", "OSError: no / controller answers", "**NOT met**"]
    assert "Failed: OSError" in told
    assert row(told, "last")[3] == "yes"


def test_parts_that_are_not_run_anew_keep_their_figures_commit_and_machine_speed(tmp_path: Path) -> None:
    first, _ = ran(tmp_path, {"a": part(1.0), "b": part(2.0)})
    some = argparse.Namespace(quick=False, parts=["b"])
    again, told = ran(tmp_path, {"a": part(5.0), "b": part(20.0)}, asked=some, names=["b"])
    assert again["parts"]["a"] == first["parts"]["a"]
    assert again["parts"]["b"]["figure"] == 20.0
    assert row(told, "b")[3] == "**NOT met**"
    whole, _ = ran(tmp_path, {"b": part(2.0)})
    assert list(whole["parts"]) == ["b"], "a whole run keeps nothing of an earlier one"


def test_a_part_that_never_ran_meets_nothing(tmp_path: Path) -> None:
    some = argparse.Namespace(quick=False, parts=["a"])
    _, told = ran(tmp_path, {"a": part(1.0), "b": part(2.0)}, asked=some, names=["a"])
    assert row(told, "b")[2:4] == ["not run", "**NOT met**"]


def test_figures_of_an_older_version_are_not_taken_for_met(tmp_path: Path) -> None:
    (tmp_path / "live.json").write_text(json.dumps({"parts": {"a": {"old": 1, "commit": "0", "wall_s": 1.0}}}))
    some = argparse.Namespace(quick=False, parts=["b"])
    _, told = ran(tmp_path, {"a": part(1.0), "b": part(2.0)}, asked=some, names=["b"])
    assert row(told, "a")[3] == "**NOT met**"
    assert "Figures of another version" in told


def test_every_section_says_simulated_untested_its_commit_and_the_calibration_loop(tmp_path: Path) -> None:
    figures, told = ran(tmp_path, {"a": part(1.0, title="First"), "b": part(2.0, title="Second")})
    for title in ("First", "Second"):
        section = told.split(f"## {title}\n")[1].split("\n## ")[0]
        assert "Simulated link; Windows, macOS, boards: untested." in section
        assert re.search(r"Commit [0-9a-f]{12}, \d+ s, loop 0\.062, 0\.062 s\.", section)
    for done in figures["parts"].values():
        assert (done["on"], done["untested"]) == ("simulated link", "Windows, macOS, boards")
        assert done["calibration_s"] == {"before": LOOP_S, "after": LOOP_S}


def trial(**changed: Any) -> dict[str, Any]:
    """A trial of the link in which all is well."""
    good = {
        "interval_ms": 15.0, "pdus_per_event": 1, "feet": 2, "seconds": 600.0, "sent": 48000, "came": 48000,
        "injected": 0, "counted": 0, "injected_samples": 0, "counted_samples": 0, "missing": 0, "missing_counted": 0,
        "notifications_s": 80.0, "p50_ms": 11.0, "p99_ms": 20.0, "worst_ms": 40.0, "cpu_percent": 9.0,
        "cpu_percent_without_bumble": 7.0, "reconnects": 0, "left_right_ms": 0.3,
    }  # fmt: skip
    return good | changed


def link(rate: float = 1500.0, **headline: Any) -> dict[str, Any]:
    faults = trial(injected=900, counted=900, injected_samples=4500, counted_samples=4500, missing=6000)
    faults["missing_counted"] = 6000
    flat = {"notifications_s": rate, "seconds": 10.0, "sent": 15000, "came": 15000}
    return {
        "link_model": "a model", "headline": trial(**headline), "faults": faults,
        "intervals": [trial(interval_ms=7.5), trial(interval_ms=30.0, pdus_per_event=2)],
        "four_feet": trial(feet=4), "flat_out": flat,
    }  # fmt: skip


def missed(goals: list[tuple[str, str, bool]]) -> set[int]:
    return {k for k, goal in enumerate(goals) if not goal[2]}


def test_the_link_is_judged_by_every_figure_that_the_issue_names() -> None:
    goals = tool("link").link_goals
    assert missed(goals(link())) == set()
    assert missed(goals(link(came=47999))) == {0}
    assert missed(goals(link(seconds=599.0))) == {0}, "ten minutes are asked for"
    assert missed(goals(link(injected=1))) == {1}
    assert missed(goals(link(counted_samples=5))) == {1}
    assert missed(goals(link(missing=1))) == {1}
    assert missed(goals(link(p50_ms=11.61))) == {2}
    assert missed(goals(link(p99_ms=23.81))) == {3}
    assert missed(goals(link(cpu_percent=10.1))) == {4}
    assert missed(goals(link(rate=784.9))) == {5}
    assert missed(goals(link(left_right_ms=1.0))) == {6}
    other = link()
    other["intervals"][0]["came"] -= 1
    assert missed(goals(other)) == {0}, "nothing may be lost in any trial"
    table = tool("link").link_table(link())
    assert sum(line.startswith("| ") for line in table) == 1 + 5, "a head, and a row for every trial"


def packet(sequence: int, counter: int, time_us: int, cfg_id: int) -> bytes:
    header = wire.PacketHeader(wire.SENSOR, sequence, time_us, counter, 5, cfg_id)
    return wire.SensorPacket(header, np.zeros((5, 16), np.uint16), np.zeros((5, 6), np.int16)).to_bytes()


def test_losses_and_gaps_of_a_recording_are_those_put_in(tmp_path: Path) -> None:
    """Packet 2 of the first connection is lost, and 5, its last; 400 samples lie between it and the last one.

    The connection between them was lost before the insole had begun, which knows nothing of it.
    """
    path, now = tmp_path / "a.grfrec", time.monotonic_ns()
    told = []
    with Recorder(path) as recorder:
        for cfg_id, first_sample, came in ((4, 1000, (0, 1, 3, 4)), (5, 0, ()), (6, 1425, (0, 1, 2))):
            running = Running(cfg_id, 5, 200, 5000)
            recorder.begin(0, connection=cfg_id, address="x", info=Info(0), running=running, started_ns=now)
            for k in came:
                content = packet(k, 5 * k, 5000 * (first_sample + 5 * k), cfg_id)
                recorder.packet(0, ReceivedPacket(content, Characteristic.SENSOR_DATA, now + k, cfg_id))
            recorder.end(0, "link loss")
            if came:
                told.append({"cfg_id": cfg_id, "first_sample": first_sample})
    told[0]["sensor"] = {"attempted": 6, "sent": 4, "lost": [[2, 1010, 5], [5, 1025, 5]], "dropped": []}
    told[1]["sensor"] = {"attempted": 3, "sent": 3, "lost": [], "dropped": []}
    tools, foot = tool("insoles"), {"runs": told}
    runs = tools.with_truth(tools.runs_in(path)[0], foot)
    assert tools.injected(runs, foot) == {"sent": 7, "came": 7, "injected": 1, "injected_samples": 5}
    assert tools.true_gaps(runs) == [400]
    assert tool("reconnect").missing_in(path) == {"left": 405}
    with pytest.raises(ValueError, match="configuration 6"):
        tools.with_truth(tools.runs_in(path)[0], {"runs": told[:1]})


def test_numbers_go_on_over_wraps_of_the_counter() -> None:
    tools = tool("insoles")
    counters = [65530, 65535, 4, 9]
    headers = [(0, wire.PacketHeader(wire.SENSOR, k, 0, value, 5, 1)) for k, value in enumerate(counters)]
    run = tools.Run(None, packets=headers, truth={"first_sample": 100})
    assert run.numbers.tolist() == [65630, 65635, 65640, 65645]
    assert run.after == 65650


def test_feet_are_apart_by_the_difference_of_their_errors() -> None:
    """Left 3 ms late and right 1 ms: 2 ms apart, whatever the first seconds were; both alike are not apart."""
    taken = np.arange(100.0, 160.0, 0.025)
    right = np.arange(101.0, 158.0, 0.031)
    early = np.where(taken < 105.0, 0.5, 0.003)
    apart_ms = tool("insoles").apart_ms
    assert apart_ms([(taken, taken + early), (right, right + 0.001)]) == pytest.approx(2.0)
    assert apart_ms([(taken, taken + 0.3), (right, right + 0.3)]) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(apart_ms([(taken[:50], taken[:50]), (right, right)]))


def lost_and_found(**changed: Any) -> dict[str, Any]:
    each = [{"side": "left", "from_insole_s": 0.4, "from_host_s": 0.4, "gap_true": 80, "gap_counted": 80}] * 20
    took, sides = {"n": 20, "median": 0.4, "worst": 0.4}, {"left": 1600, "right": 0}
    good = {"seconds": 120.0, "interval_ms": 15.0, "each": each, "from_insole_s": took, "from_host_s": took}
    good |= {"recording_missing": sides, "truly_missing": sides, "counted_missing": sides}
    return good | changed


def test_reconnection_is_judged_by_time_number_and_samples() -> None:
    goals = tool("reconnect").reconnect_goals
    assert missed(goals(lost_and_found())) == set()
    assert missed(goals(lost_and_found(from_insole_s={"n": 20, "median": 0.4, "worst": 1.01}))) == {0}
    assert missed(goals(lost_and_found(from_insole_s={"n": 19, "median": 0.4, "worst": 0.9}))) == {1}
    off = [*lost_and_found()["each"][1:], lost_and_found()["each"][0] | {"gap_counted": 81}]
    assert missed(goals(lost_and_found(each=off))) == {2}
    assert missed(goals(lost_and_found(recording_missing={"left": 1601, "right": 0}))) == {3}
    nothing = {"n": 0, "median": float("nan"), "worst": float("nan")}
    assert missed(goals(lost_and_found(each=[], from_insole_s=nothing))) == {0, 1, 2}


def test_a_stance_is_late_by_the_shortest_ping() -> None:
    told = {(0, 0): (100.0, 4.0, "device"), (0, 1): (101.0, 6.0, "device"), (1, 0): (102.0, 8.0, "device")}
    shown = [(0, 0, 10.05), (0, 1, 11.03), (1, 7, 12.0)]
    found = tool("shown").drawn(told, shown, [(5.0, 90.5), (1.0, 90.0), (3.0, 89.0)])
    assert found["stances"] == 2, "one that the hub did not tell meanwhile is left out"
    assert found["drawn_ms"]["max"] == pytest.approx(50.0)
    assert found["drawn_ms"]["p50"] == pytest.approx(30.0)
    assert found["told_ms"]["max"] == 8.0


def test_a_page_on_which_no_stance_was_drawn_meets_nothing_about_stances() -> None:
    none = {"p50": None, "p95": None, "max": None}
    good = {"p50": 20.0, "p95": 90.0, "max": 99.0}
    seen = {"frames_per_s": 20.0, "fresh_per_s": 15.0, "age_ms": good, "seconds": 60.0, "monotone": True, "broken": 0}
    seen |= {"samples": 24000, "console": [], "told_ms": good, "drawn_ms": good, "stances": 80, "source": ["device"]}
    goals = tool("shown").page_goals
    assert missed(goals(seen)) == set()
    assert missed(goals(seen | {"stances": 0, "told_ms": none, "drawn_ms": none, "source": []})) == {3, 4}
    assert missed(goals(seen | {"frames_per_s": 9.9})) == {0}
    assert missed(goals(seen | {"age_ms": good | {"p95": 250.1}})) == {1}
    assert missed(goals(seen | {"monotone": False})) == {2}
    assert missed(goals(seen | {"console": ["Error"]})) == {5}


def test_kills_and_clocks_are_judged() -> None:
    goals = tool("kills").kills_goals
    good = {"kills": 500, "unreadable": 0, "broken_before_the_end": 0, "lost_more_than_a_second": 0, "most_lost_s": 0.1}
    assert missed(goals(good)) == set()
    assert missed(goals(good | {"kills": 499})) == {0}
    over_old = good | {"over_old": 500, "old": 300, "new": 200, "neither": 0, "parts_left": 0}
    assert missed(goals(over_old)) == set()
    assert missed(goals(over_old | {"over_old": 499})) == {3}
    assert missed(goals(over_old | {"new": 199, "neither": 1})) == {4}
    assert tool("kills").wrong_in(over_old | {"neither": 1}) == 1
    words = tool("kills").kills_table(over_old | {"killed_before_the_file": 0, "torn_ends": 0})
    assert "for neither 0 times" in words[-1]
    assert missed(goals(good | {"unreadable": 1})) == {1}
    assert missed(goals(good | {"lost_more_than_a_second": 1})) == {2}
    rows = [
        {"interval_ms": 15.0, "way": way, "apart": 0.3, "back": 0.0, "inside": 1.0}
        for way in ("live, time sync", "offline, time sync")
    ]
    clock = tool("clock").clock_goals
    assert missed(clock({"rows": rows})) == set()
    assert missed(clock({"rows": [rows[0] | {"apart": 1.0}, rows[1]]})) == {0}
    assert missed(clock({"rows": [rows[0] | {"back": 1.0}, rows[1]]})) == {1}
    assert missed(clock({"rows": [rows[0], rows[1] | {"inside": 0.98}]})) == {2}


def test_time_that_is_not_waited_for_passes_all_the_same() -> None:
    day, seen, before = tool("day"), [], (time.monotonic, time.monotonic_ns)

    async def sleeps() -> None:
        begun = time.monotonic_ns()
        for _ in range(100):
            await asyncio.sleep(3600.0)
            seen.append((time.monotonic_ns() - begun) / 3600e9)

    really = time.perf_counter()
    day.accelerated(sleeps)
    assert seen == pytest.approx(np.arange(1, 101), abs=1e-6)
    assert (time.monotonic, time.monotonic_ns) == before
    assert time.perf_counter() - really < 3600.0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_minutes_in_accelerated_time_are_counted_exactly_over_wraps_and_a_lost_link() -> None:
    """Six minutes at 200 Hz: the clock wraps after 5 s, the sample counter after 328 s; the right link goes then."""
    day = tool("day")
    found = day.lived(2, 200, hour_s=180.0, break_every_s=330.0)
    left, right = found["feet"]
    for foot in (left, right):
        for name in ("packets", "packets_lost", "samples_missing", "clock_wraps", "counter_wraps"):
            assert foot[name] == foot[f"{name}_truly"], name
        assert foot["packets_recorded"] == foot["packets"]
        assert foot["packets_lost"] > 0
        assert (foot["clock_wraps"], foot["counter_wraps"]) == (1, 1)
    assert (left["reconnects"], right["reconnects"]) == (0, 1)
    between = right["samples_missing"] - 5 * right["packets_lost"]
    assert 200 * day.BREAK_S <= between <= 200 * (day.BREAK_S + 0.5)
    assert {2, 3}.isdisjoint(missed(day.day_goals(found)))
    assert 0 in missed(day.day_goals(found)), "two hours are no day"
    assert 2 in missed(day.day_goals(found | {"feet": [left | {"packets_lost": 0}, right]}))
    fat = [found["memory"][0], found["memory"][1] | {"rss_mb": 2 * found["memory"][1]["rss_mb"]}]
    assert 1 in missed(day.day_goals(found | {"memory": fat}))
