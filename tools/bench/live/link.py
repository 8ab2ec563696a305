"""The link part of the live benchmark: insoles in another process, the monitor in this one, HCI over TCP between them.

Latency runs from the instant a packet's last sample was taken (by the truth of the insole's clock) to the arrival that
the recording tells, so it holds the wait for the modelled connection event, both processes and the socket.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.device.ble import Adapter, BleLink
from grfkit.wire import Stream

from .host import Hosted, hosted, without_radio
from .insoles import Program, Run, apart_ms, injected, insoles, latencies_ms, runs_in, taken_s, with_truth

P50_MS, P99_MS, CPU_PERCENT, NOTIFICATIONS_S = 11.6, 23.8, 10.0, 785.0
"""Goals: latency and rate are those of a prototype of two feet, 200 Hz, 15 ms; about half of its processor time."""
RATE_HZ, FLAT_OUT_S, LONG_S, APART_MS = 200, 10.0, 600.0, 1.0
"""Rate of the samples; lengths (s) of the flat-out trial and of the long ones; goal of left against right (ms, rms)."""
INTERVALS = ((7.5, 1), (30.0, 1), (30.0, 2), (45.0, 1), (45.0, 3))
"""Connection intervals (ms) and PDUs per event, beside the 15 ms of the long trials."""
LOSS = ("--loss", "0.005")
"""Losses of the long trial, to be counted in the ten minutes in which nothing else may be missing."""
FAULTS = ("--loss", "0.02", "--stall-every-s", "10", "--disconnect-every-s", "30")
MODEL = (
    "connection events at the interval, so many PDUs of 251 bytes per event and direction, no retransmissions; stalls"
    " of 0.3 s where said; 200 Hz are 40 packets/s a foot, of which 30 ms carry 33 and 45 ms carry 22 at one PDU an"
    " event: the insole then drops the oldest of its ring, and says so"
)


def trial(
    *,
    interval_ms: float,
    seconds: float,
    pdus: int = 1,
    pairs: int = 1,
    alone_s: float = 0.0,
    options: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the figures of ``pairs`` of feet at one connection interval.

    Parameters
    ----------
    alone_s
        For so long the same packets are given to the same host from memory, to know its share without Bumble; 0: not.
    """
    link = ("--interval-ms", f"{interval_ms:g}", "--pdus-per-event", str(pdus))
    with tempfile.TemporaryDirectory() as folder:
        record, again = Path(folder) / "link.grfrec", Path(folder) / "again.grfrec"
        with ExitStack() as stack:
            programs = [stack.enter_context(insoles(*link, "--seed", str(k + 1), *options)) for k in range(pairs)]
            host = asyncio.run(hosted(programs, seconds, record=record))
        figures: dict[str, Any] = {"interval_ms": interval_ms, "pdus_per_event": pdus, "feet": 2 * pairs}
        runs = runs_in(record)
        figures |= _figures(host, programs, runs)
        if alone_s:
            packets = {device: connections[0].contents for device, connections in runs.items()}
            alone = asyncio.run(without_radio(packets, alone_s, record=again))
            figures["cpu_percent_without_bumble"] = 100 * alone.share
    return figures


def _figures(host: Hosted, programs: list[Program], runs: dict[int, list[Run]]) -> dict[str, Any]:
    names = ("sent", "came", "injected", "injected_samples", "counted", "counted_samples", "missing", "missing_counted")
    total, late, rate = dict.fromkeys(names, 0), [], 0.0
    times: dict[int, list[Any]] = {}
    for device, foot in host.feet.items():
        foot_truth = programs[foot.runner].foot(foot.side)
        connections = with_truth(runs[device], foot_truth)
        late.append(latencies_ms(connections, foot_truth))
        times.setdefault(foot.runner, []).append((taken_s(connections, foot_truth), np.asarray(foot.noted.placed_s)))
        counts = injected(connections, foot_truth)
        counts["counted"], counts["counted_samples"] = foot.counts["packets_lost"], foot.counts["samples_lost"]
        counts["missing"] = connections[-1].after - int(connections[0].truth["first_sample"]) - foot.counts["samples"]
        counts["missing_counted"] = foot.counts["samples_lost"] + foot.counts["samples_between"]
        rate += (counts["came"] - 1) / ((connections[-1].packets[-1][0] - connections[0].packets[0][0]) * 1e-9)
        for name in names:
            total[name] += counts[name]
    every = np.concatenate(late)
    return total | {
        "seconds": host.processor.seconds,
        "notifications_s": rate,
        "p50_ms": float(np.percentile(every, 50)),
        "p99_ms": float(np.percentile(every, 99)),
        "worst_ms": float(every.max()),
        "left_right_ms": max(apart_ms(pair) for pair in times.values()),
        "cpu_percent": 100 * host.processor.share,
        "cpu_percent_without_bumble": None,
        "refused": sum(foot.counts["refused"] for foot in host.feet.values()),
        "reconnects": sum(foot.reconnects for foot in host.feet.values()),
        "late_events": sum(insole["late_events"] for program in programs for insole in program.truth["insoles"][:1]),
    }


async def _take_all(program: Program, seconds: float) -> list[list[int]]:
    """Return by link when packets came, with nothing above the link that takes them."""
    adapter = await Adapter.open(program.adapter)
    links = [BleLink(adapter, advertised) for advertised in await adapter.find(2, timeout_s=20.0)]
    stamps: list[list[int]] = [[] for _ in links]

    async def take(link: BleLink, came: list[int]) -> None:
        await link.start(Stream.SENSOR, RATE_HZ)
        asyncio.get_running_loop().call_later(seconds, lambda: asyncio.ensure_future(link.close()))
        async for packet in link.packets():
            came.append(packet.arrival_ns)

    for link in links:
        await link.connect()
    await asyncio.gather(*(take(link, came) for link, came in zip(links, stamps)))
    while not all(link.closed for link in links):
        await asyncio.sleep(0.01)
    await adapter.close()
    return stamps


def flat_out(*, seconds: float) -> dict[str, Any]:
    """Return how many notifications of 232 bytes per second come through, both feet sending all they can."""
    with insoles("--interval-ms", "0", "--flat-out") as program:
        stamps = asyncio.run(_take_all(program, seconds))
    came = sum(
        (len(stamps_of_link) - 1) / ((stamps_of_link[-1] - stamps_of_link[0]) / 1e9) for stamps_of_link in stamps
    )
    sent = sum(run["sensor"]["sent"] for foot in program.truth["insoles"] for run in foot["runs"])
    return {"notifications_s": came, "seconds": seconds, "sent": sent, "came": sum(map(len, stamps))}


def link_part(seconds: float, *, short_s: float = 60.0) -> dict[str, Any]:
    """Return all figures of the link part; ``seconds`` is the length of the trial at 15 ms, the others are short.

    The one with faults lasts twice ``short_s``.
    """
    alone_s = min(30.0, 0.75 * short_s)
    return {
        "link_model": MODEL,
        "headline": trial(interval_ms=15.0, seconds=seconds, alone_s=alone_s, options=LOSS),
        "faults": trial(interval_ms=15.0, seconds=min(seconds, 2 * short_s), options=FAULTS),
        "intervals": [trial(interval_ms=interval, seconds=short_s, pdus=pdus) for interval, pdus in INTERVALS],
        "four_feet": trial(interval_ms=15.0, seconds=short_s, pairs=2, alone_s=alone_s),
        "flat_out": flat_out(seconds=min(short_s, FLAT_OUT_S)),
    }


def _rows(part: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every trial by its name."""
    trials = {f"{trial['interval_ms']:g} ms x {trial['pdus_per_event']}": trial for trial in part["intervals"]}
    faults = "15 ms x 1, 2 % lost, stalls, disconnections"
    return (
        {"15 ms x 1, 0.5 % lost": part["headline"]} | trials | {"four feet": part["four_feet"], faults: part["faults"]}
    )


def link_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    main, faults, rows = part["headline"], part["faults"], list(_rows(part).values())
    lost = sum(trial["sent"] - trial["came"] for trial in rows)
    exact = all(
        trial["counted"] == trial["injected"]
        and trial["counted_samples"] == trial["injected_samples"]
        and trial["missing"] == trial["missing_counted"]
        for trial in rows
    )
    apart, where = max((trial["left_right_ms"], name) for name, trial in _rows(part).items())
    both = {key: main[key] + faults[key] for key in ("counted", "injected", "counted_samples", "injected_samples")}
    losses = f"{both['counted']} of {both['injected']} packets, {both['counted_samples']} of {both['injected_samples']}"
    losses += f" samples at 15 ms; {faults['missing_counted']} of {faults['missing']} samples over all gaps"
    missing = f"{main['sent'] - main['came']} of {main['sent']} in {main['seconds']:.0f} s; {lost} in all trials"
    long = main["seconds"] >= LONG_S
    alone, rate = main["cpu_percent_without_bumble"], part["flat_out"]["notifications_s"]
    cpu = f"{main['cpu_percent']:.1f} % with Bumble, {alone:.1f} % without"
    return [
        (f"two feet, 15 ms, {LONG_S:.0f} s: 0 packets lost that were sent", missing, long and lost == 0),
        ("every injected loss counted exactly", losses, exact),
        ("latency p50 at 15 ms <= 11.6 ms", f"{main['p50_ms']:.1f} ms", main["p50_ms"] <= P50_MS),
        ("latency p99 at 15 ms <= 23.8 ms", f"{main['p99_ms']:.1f} ms", main["p99_ms"] <= P99_MS),
        ("CPU of the host process <= 10 % of one core", cpu, main["cpu_percent"] <= CPU_PERCENT),
        ("flat out >= 785 notifications/s", f"{rate:.0f}", rate >= NOTIFICATIONS_S),
        (
            "left against right < 1 ms rms, over the stack",
            f"{main['left_right_ms']:.2f} ms at 15 ms, {apart:.2f} ms at worst ({where})",
            apart < APART_MS,
        ),
    ]


def link_table(part: dict[str, Any]) -> list[str]:
    """Return the part's text and table."""
    heads = "trial | feet | s | packets/s | p50 ms | p99 ms | worst ms | left-right ms | CPU % | without Bumble %"
    heads += " | sent | came | packets lost, counted | samples lost, counted | reconnections"
    lines = [
        f"Model: {part['link_model']}.",
        "",
        "`CPU` is the host process (hub, recorder, a listener; no page), per cent of one core; `without Bumble` is of"
        " the same packets at the same moments from memory: no radio's stack below the hub, timers in its place. `sent`"
        " is what the insole handed to the link after losses on purpose; lost: on purpose, or dropped by the insole's"
        " ring, beside what the host counted. `left-right` is how far both feet are apart in the host's time, rms"
        " against the truth, from 5 s on.",
        "",
        f"| {heads} |",
        "|---" * (heads.count("|") + 1) + "|",
    ]
    for name, trial in _rows(part).items():
        figures = [f"{trial['seconds']:.0f}"]
        figures += [f"{trial[key]:.1f}" for key in ("notifications_s", "p50_ms", "p99_ms", "worst_ms")]
        figures += [f"{trial['left_right_ms']:.2f}", f"{trial['cpu_percent']:.1f}"]
        alone = trial["cpu_percent_without_bumble"]
        figures += ["-" if alone is None else f"{alone:.1f}", str(trial["sent"]), str(trial["came"])]
        figures += [
            f"{trial['injected']}, {trial['counted']}",
            f"{trial['injected_samples']}, {trial['counted_samples']}",
        ]
        lines.append(f"| {name} | {trial['feet']} | " + " | ".join(figures) + f" | {trial['reconnects']} |")
    flat = part["flat_out"]
    text = (
        f"Flat out (no interval, the link alone takes them): {flat['notifications_s']:.0f} notifications of 232 bytes/s"
    )
    return [*lines, "", f"{text} over {flat['seconds']:.0f} s, {flat['came']} came of {flat['sent']} sent."]
