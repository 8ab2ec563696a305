"""The main job end to end on a simulated lab: ``make demo`` (or ``python tools/demo FOLDER``).

Every step is a command a user would type; the script only types them, checks how they end, and at the close opens
the truth that the simulator wrote beside its files. Exit code 0 if every step ended as it must.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.records import ClockMap
from grfkit.simulate.clocks import TrueClock

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the folder of the package, not the package itself
from demo import edge, learn, live  # noqa: E402

BIN = Path(sys.executable).parent
Entry = dict[str, Any]
SEED = "1"
"""Taken, not chosen: whatever it draws is shown, a refusal too."""
MARK = ".made-by-grfkit-demo"


class UnexpectedEndError(Exception):
    """A step of the demo did not end as it must."""


def main() -> int:
    """Run the demo and return its exit code."""
    about = "Simulate a small lab, align it, compare with the truth; train, prove, quantise, and watch it live."
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help="folder to write; one that the demo made before is overwritten")
    folder = parser.parse_args().folder.resolve()
    try:
        start_afresh(folder)
        run_steps(folder)
        wrong = compare(folder)
        learn.learn(folder, grf, at_once, tell)
        tell("Vertical force of people not trained on (root mean square error)")
        print("\n".join(learn.conclusion(folder)))
        edge.quantise(folder, grf, tell)
        tell("What eight bits cost")
        print("\n".join(edge.conclusion(folder)))
        if not live.monitored(folder, grf, tell):
            raise UnexpectedEndError("grf-monitor did not end with 0")
    except UnexpectedEndError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    print_reports(folder)
    if wrong:
        print(f"\ndemo: {wrong} streams lie more than 60 ms off", file=sys.stderr)
    return 1 if wrong else 0


def start_afresh(folder: Path) -> None:
    """Empty the demo's own folder; refuse a folder that holds something else."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise UnexpectedEndError(f"{folder}: holds files that no demo made; name another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


def run_steps(folder: Path) -> None:
    """Run every command of the demo."""
    tell("A lab of two people: a treadmill, and separate plates with three jumps at the start")
    lab = "--people", "2", "--seed", SEED
    at_once(
        folder,
        ("grf-simulate", "lab", "treadmill", "--surface", "treadmill", "--duration-s", "150", *lab),
        ("grf-simulate", "lab", "overground", "--surface", "overground", "--jumps", "3", *lab),
    )
    tell("What is in a file?")
    grf(folder, "grf-inspect", "treadmill/P02_treadmill_1_insole.csv", most_lines=14)
    tell("Treadmill: insoles and shoe IMUs onto the treadmill's clock")
    align(folder, "treadmill/P02_treadmill_1", "treadmill", name="treadmill")
    tell("Overground, four plates: three jumps tell which of many similar hits is which")
    align(folder, "overground/P02_overground_1", "overground", name="overground")
    tell("A wrong pair, one person's treadmill and another's insoles: it must be refused (exit code 3)")
    decoy(folder)
    tell("The whole lab from one table; a row that is not certain is refused and says why")
    write_table(folder)
    grf(folder, "grf-sync", "batch", "TABLE.csv", "--reports", allowed=(0, 3))


def align(folder: Path, trial: str, surface: str, *, name: str) -> None:
    """Align one trial's insoles and IMUs."""
    files = "--reference", f"{trial}.c3d", "--wearable", f"{trial}_insole.csv", "--wearable", f"{trial}_imu.csv"
    grf(folder, "grf-sync", *files, "--surface", surface, "--out", f"{name}.nc", "--report", f"{name}.html")


def decoy(folder: Path) -> None:
    """Try to align one person's treadmill with another person's insoles."""
    files = "--reference", "treadmill/P01_treadmill_1.c3d", "--wearable", "treadmill/P02_treadmill_1_insole.csv"
    outputs = "--out", "decoy.nc", "--report", "decoy.html"
    grf(folder, "grf-sync", *files, "--surface", "treadmill", *outputs, allowed=(3,))
    if (folder / "decoy.nc").exists():
        raise UnexpectedEndError("a refused trial was written: decoy.nc")


def write_table(folder: Path) -> None:
    """Write one table of both surfaces' trials, insoles and IMUs of each."""
    rows = []
    for surface in ("treadmill", "overground"):
        with open(folder / surface / "TABLE.csv", newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                wearables = [w for w in row["wearable"].split(";") if not w.endswith(".trc")]
                row["wearable"] = ";".join(f"{surface}/{w}" for w in wearables)
                rows.append(row | {"reference": f"{surface}/{row['reference']}"})
    (folder / "aligned").mkdir()
    with open(folder / "TABLE.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def grf(folder: Path, *words: str, allowed: tuple[int, ...] = (0,), most_lines: int | None = None) -> None:
    """Show a command, run it, show what it says and its exit code, and check that code."""
    print(f"\n$ {shlex.join(words)}", flush=True)
    show(words, run(folder, words), allowed=allowed, most_lines=most_lines)


def at_once(folder: Path, *commands: tuple[str, ...], allowed: tuple[int, ...] = (0,)) -> None:
    """Run commands that do not need each other beside each other, and show them one after the other."""
    with ThreadPoolExecutor(len(commands)) as pool:
        running = [pool.submit(run, folder, words) for words in commands]
        for words, ended in zip(commands, running):
            print(f"\n$ {shlex.join(words)}", flush=True)
            show(words, ended.result(), allowed=allowed)


def run(folder: Path, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=folder, text=True, stdin=subprocess.DEVNULL, capture_output=True
    )


def show(
    words: tuple[str, ...],
    ended: subprocess.CompletedProcess[str],
    *,
    allowed: tuple[int, ...],
    most_lines: int | None = None,
) -> None:
    """Show what a command said and its exit code, and check that code."""
    lines = ended.stdout.rstrip().splitlines()
    print("\n".join(lines[:most_lines]))
    if most_lines is not None and len(lines) > most_lines:
        print(f"... ({len(lines) - most_lines} more lines)")
    print(f"(exit code {ended.returncode})", flush=True)
    if ended.returncode not in allowed:
        codes = " or ".join(map(str, allowed))
        raise UnexpectedEndError(f"{words[0]} ended with {ended.returncode}, expected {codes}: {ended.stderr.strip()}")


def compare(folder: Path) -> int:
    """Print every offset found beside the true one; return how many aligned streams are more than 60 ms off."""
    tell("What was found against the truth (largest error of the map over the whole overlap)")
    print(f"\n{'trial and stream':<32}{'found s':>11}{'true s':>11}{'error ms':>10}{'stated ms':>11}")
    wrong = 0
    for trial, stream, clock_map, truth in pairs(folder):
        if not clock_map.segments:
            print(f"{trial + ' ' + stream:<32}{'refused':>11}{truth['offset_s']:>11.4f}")
            continue
        error_ms, stated = worst_error_ms(clock_map, truth), clock_map.uncertainty_ms or float("nan")
        wrong += error_ms > 60.0
        mark = "  *" if error_ms > stated else ""
        offset = clock_map.segments[0].offset_s
        figures = f"{offset:>11.4f}{truth['offset_s']:>11.4f}{error_ms:>10.1f}{stated:>11.1f}"
        print(f"{trial + ' ' + stream:<32}{figures}{mark}")
    print("* the error is larger than the stated half-width of 95 %")
    return wrong


def pairs(folder: Path) -> Iterator[tuple[str, str, ClockMap, dict]]:
    """Give trial, stream, the map found (empty if refused) and the truth, for every stream of the batch."""
    with open(folder / "TABLE.csv.journal.jsonl", encoding="utf-8") as handle:
        entries = [json.loads(line) for line in handle]
    for entry in entries:
        name = Path(entry["out"]).stem
        surface = name.split("_")[1]
        document = json.loads((folder / surface / "truth" / f"{name}.truth.json").read_text(encoding="utf-8"))
        truths = {(t["wearable"], t["stream"]): t for t in document["streams"]}
        for row in entry["maps"]:
            yield name, row["stream"], map_of(row), truth_of(row["stream"], truths)


def map_of(row: Entry) -> ClockMap:
    """Return the clock map of one stream in the batch's summary; a refused trial has maps, too."""
    fields = {name: row[name] for name in ("verdict", "segments", "uncertainty_ms", "reasons")}
    return ClockMap(source=row["stream"], target="reference", **fields)


def truth_of(stream: str, truths: dict[tuple[str, str], Entry]) -> Entry:
    """Return the truth of a stream; a second stream of one name (``imu_left_2``) is the IMU file's."""
    plain = stream.removesuffix("_2")
    wearable = ("imu", plain) if stream != plain or plain.startswith("imu") else ("insole", plain)
    inside = ("insole", plain)
    return truths[inside if stream == plain and inside in truths else wearable]


def worst_error_ms(clock_map: ClockMap, truth: Entry) -> float:
    """Return the largest absolute error of a map over the true overlap, ms."""
    parameters = {k: v for k, v in truth["clock"].items() if k != "losses"}
    clock = TrueClock(**parameters, losses=tuple(tuple(loss) for loss in truth["clock"]["losses"]))
    t = np.linspace(*truth["overlap_s"], 400)
    return float(1e3 * np.nanmax(np.abs(clock_map.apply(t) - clock.t_reference(t))))


def print_reports(folder: Path) -> None:
    """Say where the reports are."""
    tell("Reports and pictures to open in a browser")
    first = ["treadmill.html", "overground.html", "decoy.html", "TABLE.html"]
    learnt = [folder / "learn" / "proof.html"]
    pictures = live.pictures(folder)
    for path in [folder / n for n in first] + sorted((folder / "aligned").glob("*.html")) + learnt + pictures:
        print(f"  {path.relative_to(folder.parent)}")


def tell(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
