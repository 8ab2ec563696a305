"""Kills of the recorder at random moments: ``python tools/bench live.kills [--kills 500] [--over-old 500] [--json]``.

Writers append 200 packets a second until SIGKILL; then every file is read. Reported: files that cannot be read, records
missing before the last second, and how much the worst one lost. Then monitors that record over an older recording
(``kills_over_old.py``): whether the old one or the new one is whole. Unix only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from grfkit.device.link import Characteristic, ReceivedPacket
from grfkit.device.recorder import Recorder
from grfkit.errors import BadInputError
from grfkit.formats.grfrec import Kind, RecordFile

AT_ONCE, WANTED = 20, 500
"""Writers at a time, chosen by hand; kills that the goal asks for."""


def write_for_ever(path: Path) -> None:
    """Record numbered packets until killed."""
    recorder, number = Recorder(path), 0
    while True:
        content = number.to_bytes(4, "little") * 58
        recorder.packet(0, ReceivedPacket(content, Characteristic.SENSOR_DATA, time.monotonic_ns()))
        number += 1
        time.sleep(0.005)


def killed(folder: Path, count: int, rng: random.Random) -> list[tuple[Path, int]]:
    """Return files and when (ns) their writers were killed, ``count`` at once, each within 2 s."""
    writers = []
    for k in range(count):
        path = folder / f"{time.monotonic_ns()}_{k}.grfrec"
        # a fork writes at once, where an interpreter would still import when it is killed
        pid = os.fork()
        if not pid:
            write_for_ever(path)
        writers.append((rng.uniform(0.1, 2.0), pid, path))
    began, ends = time.monotonic(), []
    for after_s, pid, path in sorted(writers):
        # in the order of their ends, not of their beginnings
        time.sleep(max(0.0, began + after_s - time.monotonic()))
        ends.append((path, time.monotonic_ns()))
        os.kill(pid, signal.SIGKILL)
    for _, pid, _ in writers:
        os.waitpid(pid, 0)
    return ends


def judged(path: Path, at_ns: int) -> tuple[bool, bool, float, int]:
    """Return whether a file is readable, unbroken up to its end, how much (s) it lost, and its bytes unread."""
    try:
        file = RecordFile(path)
        records = list(file)
    except BadInputError:
        return False, False, float("inf"), 0
    numbers = [int.from_bytes(r.body[1:5], "little") for r in records if r.kind == Kind.PACKET]
    return True, numbers == list(range(len(numbers))), (at_ns - records[-1].arrival_ns) * 1e-9, file.unread


def kills_part(kills: int, *, seed: int = 1) -> dict[str, Any]:
    """Return the figures of ``kills`` kills; it forks, and so needs a process without threads."""
    rng, results, none = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as folder:
        while len(results) < kills:
            for path, at_ns in killed(Path(folder), min(AT_ONCE, kills - len(results)), rng):
                if path.exists():
                    results.append(judged(path, at_ns))
                    path.unlink()
                else:
                    none += 1  # killed before there was a recorder
    return {
        "kills": len(results),
        "killed_before_the_file": none,
        "unreadable": sum(not r[0] for r in results),
        "broken_before_the_end": sum(not r[1] for r in results),
        "lost_more_than_a_second": sum(r[2] > 1.0 for r in results),
        "most_lost_s": round(max(r[2] for r in results), 3),
        "torn_ends": sum(r[3] > 0 for r in results),
    }


def wrong_in(part: dict[str, Any]) -> int:
    """Return how many files lost what they must not."""
    return int(
        part["unreadable"] + part["broken_before_the_end"] + part["lost_more_than_a_second"] + part.get("neither", 0)
    )


def kills_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    losing = part["broken_before_the_end"] + part["lost_more_than_a_second"]
    return [
        (f"{WANTED} random kills", f"{part['kills']}", part["kills"] >= WANTED),
        ("every file readable", f"{part['unreadable']} are not", part["unreadable"] == 0),
        (
            "nothing lost before the last second",
            f"{losing} lost more, {part['most_lost_s']:.2f} s at most",
            losing == 0,
        ),
        *_over_old_goals(part),
    ]


def _over_old_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return the goals of monitors killed over an older recording; none where that was not measured."""
    if "over_old" not in part:
        return []
    figure = f"{part['old']} old, {part['new']} new, {part['neither']} neither"
    return [
        (f"{WANTED} kills over an older recording", f"{part['over_old']}", part["over_old"] >= WANTED),
        ("always the old recording or the new one", figure, part["neither"] == 0),
    ]


def kills_table(part: dict[str, Any]) -> list[str]:
    """Return the part's text."""
    return [
        f"Writers of 200 packets/s, {AT_ONCE} at once, each killed (SIGKILL) within 2 s: {part['kills']} files,"
        f" {part['killed_before_the_file']} killed before there was one; {part['torn_ends']} end in a torn record, that"
        f" the reader reports and skips. The worst lost its last {part['most_lost_s']:.3f} s."
    ] + (
        [
            "Monitors of two insoles recording over an older recording (`--force`), killed within 2 s:"
            f" {part['over_old']}; the name stood for the old one {part['old']} times, for the new one {part['new']}"
            f" times, for neither {part['neither']} times; {part['parts_left']} hidden parts were left."
        ]
        if "over_old" in part
        else []
    )


def main() -> int:
    """Kill, read, report; 1 if anything before the last second is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=WANTED)
    parser.add_argument("--over-old", type=int, default=WANTED, help="monitors killed over an older recording")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    request = parser.parse_args()
    report = kills_part(request.kills, seed=request.seed)
    if request.over_old:
        from .kills_over_old import over_old_part

        report |= over_old_part(request.over_old, seed=request.seed)
    print(json.dumps(report) if request.json else "\n".join(f"{key}: {value}" for key, value in report.items()))
    return 1 if wrong_in(report) else 0
