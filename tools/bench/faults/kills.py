"""Kills of every writer of artefacts at random moments: ``python tools/bench faults.kills [--kills 500] [--json]``.

A process that has imported everything writes one version after the other, with ``--force``, until SIGKILL. Then what
is there is read: it must be one whole version, and never none. Half of the kills of models and bundles are on a system
as one that cannot exchange two names in one step. A batch is killed over finished trials and in an empty folder, and
run once more: then every trial must be there, and no hidden file. Unix only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from grfkit.errors import GrfError

from .writers import WRITERS, Writer, check_batch, write_batch

WANTED = 500
"""Kills that the goal asks for."""
LONGEST_S = 0.15
"""A writer lives at most so long; several versions of the slowest artefact are written in it (chosen by hand)."""


def killed(write: Callable[[], None], after_s: float) -> None:
    """Let a process of its own write, and kill it after a time (s)."""
    # a fork writes at once, where an interpreter would still import when it is killed
    pid = os.fork()
    if not pid:
        try:
            write()
        except BaseException as error:
            print(f"a writer failed: {type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError("a writer ended by itself")


def _versions(writer: Writer, place: Path) -> None:
    """Write versions from the one that is there on, until killed."""
    version = writer.read(place)
    while True:
        version += 1
        writer.write(place, version)


def kill_writer(writer: Writer, folder: Path, kills: int, rng: random.Random, *, exchange: bool = True) -> list[str]:
    """Return what was wrong after kills of one writer, and that the next run leaves nothing beside its artefact."""
    place, wrong = folder / writer.name, []
    with patch("grfkit.renames.exchange", return_value=False) if not exchange else patch.dict({}):
        writer.write(place, 1)
        before = 1
        for number in range(kills):
            killed(lambda: _versions(writer, place), rng.uniform(0.0, LONGEST_S))
            try:
                version = writer.read(place)
                if version < before:
                    wrong.append(f"{writer.name}: kill {number} brought version {before} back to {version}")
                before = version
            except (GrfError, AssertionError, OSError) as error:
                wrong.append(f"{writer.name}: kill {number}: {type(error).__name__}: {error}")
                writer.write(place, before)
        writer.write(place, before + 1)
    hidden = [p.name for p in folder.iterdir() if p.name.startswith(".")]
    return wrong + [f"{writer.name}: {name} was left" for name in hidden]


def kill_batch(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Return what was wrong after kills of a batch, over finished trials and in an empty folder in turn."""
    wrong = []
    for number in range(kills):
        place, over = folder / str(number), number % 2 == 0
        place.mkdir()
        if over:
            write_batch(place, 1)
        killed(partial(_batches, place, force=over), rng.uniform(0.0, LONGEST_S))
        try:
            check_batch(place, complete=over)
            write_batch(place, 1_000_000, force=over)
            check_batch(place, complete=True)
        except (GrfError, AssertionError, OSError, ValueError) as error:
            wrong.append(f"batch: kill {number}: {type(error).__name__}: {error}")
        wrong += [f"batch: {p.name} was left" for p in place.iterdir() if p.name.startswith(".")]
    return wrong


def _batches(place: Path, *, force: bool) -> None:
    version = 2
    while True:
        write_batch(place, version, force=force)
        version += 1


def kills_part(kills: int, *, seed: int = 1) -> dict[str, Any]:
    """Return the figures of ``kills`` kills; it forks, and so needs a process without threads."""
    rng, wrong, counts = random.Random(seed), [], {}
    runs = [(writer, True) for writer in WRITERS] + [(w, False) for w in WRITERS if w.name in ("model", "bundle")]
    each = -(-kills // (len(runs) + 1))
    with tempfile.TemporaryDirectory() as name:
        for number, (writer, exchange) in enumerate(runs):
            folder = Path(name) / str(number)
            folder.mkdir()
            wrong += kill_writer(writer, folder, each, rng, exchange=exchange)
            counts[writer.name + ("" if exchange else ", no exchange of names")] = each
        (Path(name) / "batch").mkdir()
        wrong += kill_batch(Path(name) / "batch", each, rng)
        counts["batch"] = each
    return {"kills": sum(counts.values()), "of": counts, "wrong": wrong}


def main() -> int:
    """Kill, print the figures, and return 1 if an artefact was lost or is not whole."""
    parser = argparse.ArgumentParser(description="Kill the writers of artefacts at random moments.")
    parser.add_argument("--kills", type=int, default=WANTED, help=f"how many (default {WANTED})")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = kills_part(options.kills, seed=options.seed)
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        print(f"{figures['kills']} kills: {', '.join(f'{count} of {name}' for name, count in figures['of'].items())}")
        print("\n".join(figures["wrong"]) or "always the old artefact or a new one; nothing left after the next run")
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
