"""Do two checkouts write the same bytes? ``python tools/compare_checkouts.py BEFORE AFTER``.

Both run the same commands in this Python environment, each with its own ``host`` first on the path, in folders of the
same name and on the same recordings, which the first checkout simulates: an alignment with report, batches on a
treadmill (counts) and overground (loadsol, landmarks), a training, estimates, a proof, a bundle and its verification.
Every file and everything printed is compared byte for byte; files that hold wall times, or the times of other files,
are compared without these, and the table says so. Exit code 1 on a difference, 2 where a command fails. Ten minutes on
one core; what ``--keep FOLDER`` holds of BEFORE from an earlier run is not made anew.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAB = "--surface", "treadmill", "--people", "4", "--seed", "7", "--insole", "adc", "--duration-s", "90"
TRIAL = "lab/P01_treadmill_1"
ALIGNED = tuple(f"lab/aligned/P0{n}_treadmill_1.nc" for n in (1, 2))
STRANGER = "lab/aligned/P04_treadmill_1.nc"
# Trained enough for eight bits to keep their bounds on it; a bundle that is refused would leave nothing to compare.
CONFIG = """\
inner = 0
[cut]
cells = "relative"
[network]
name = "cnn1d"
hidden = 16
[train]
statics = ["contact_s"]
epochs = 40
lr = 3e-3
batch = 32
patience = 0
"""
COMMANDS: dict[str, tuple[str, ...]] = {
    "sync": (
        "grf-sync", "--reference", f"{TRIAL}.c3d", "--wearable", f"{TRIAL}_insole.csv", "--wearable",
        f"{TRIAL}_imu.csv", "--surface", "treadmill", "--out", "trial.nc", "--report", "trial.html", "--json",
    ),
    "inspect": ("grf-inspect", f"{TRIAL}_insole.csv", "--json"),
    "batch": ("grf-sync", "batch", "lab/TABLE.csv"),
    "train": ("grf-train", *ALIGNED, "--config", "small.toml", "--out", "model", "--json"),
    "estimate": ("grf-estimate", "model", STRANGER, "--out", "grf.csv", "--json"),
    "evaluate": (
        "grf-evaluate", *ALIGNED, "--config", "small.toml", "--epochs", "1", "--out", "proof", "--report",
        "proof.html", "--json",
    ),
    "bundle": ("grf-quantize", "export", "model", "--boards", "none", "--out", "bundle"),
    "verify": ("grf-quantize", "verify", "bundle", "--boards", "none", "--json"),
    "estimate by the bundle": ("grf-estimate", "bundle", STRANGER, "--out", "grf_int8.nc", "--json"),
    "estimate for OpenSim": (
        "grf-estimate", "model", STRANGER, "--out", "grf.mot", "--mass-kg", "70", "--insole", "fsr16_m", "--json",
    ),
    "simulate overground": (
        "grf-simulate", "lab", "overground", "--surface", "overground", "--people", "1", "--jumps", "3", "--seed", "3",
        "--insole", "loadsol", "--json",
    ),
    "batch overground": ("grf-sync", "batch", "overground/TABLE.csv"),
}  # fmt: skip
SIMULATE = "grf-simulate", "lab", "lab", *LAB
DONE, REFUSED = 0, 3  # a batch ends with REFUSED where it refuses a row
TIMES = re.compile(rb'"seconds": *(?:\{[^{}]*\}|[0-9.e+-]+)|"key": *"[0-9a-f]{64}"')
"""Wall times in JSON, of one part or of every method by name; keys in a batch's journal (of its inputs' file times)."""
WALL_TIME = "seconds"
"""The variable of wall times in predictions (netCDF)."""
CACHE = "proof/folds/"
"""The result cache is not compared: its keys name the function that made a result, its files hold wall times."""


class FailedError(Exception):
    """A command did not end as it must."""


@dataclass(frozen=True)
class Compared:
    """One file of both checkouts: its name, size and digest in the first, and how the second's differs."""

    name: str
    size: int
    digest: str
    verdict: str

    @property
    def same(self) -> bool:
        """Whether the bytes are equal, but for times."""
        return self.verdict.startswith("same")


def run(checkout: Path, words: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command of a checkout as its console script would, one thread, in a folder."""
    module = words[0].removeprefix("grf-")
    script = f"import sys; sys.argv[0] = {words[0]!r}; from grfkit.cli.{module} import main; main()"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, (str(checkout / "host"), os.environ.get("PYTHONPATH"))))
    environment = os.environ | threads | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-c", script, *words[1:]],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip


def simulated(checkout: Path, folder: Path) -> Path:
    """Return a folder with the lab, whose table names no landmark file: its people wear insoles and IMUs."""
    folder.mkdir(parents=True)
    ended = run(checkout, SIMULATE, folder)
    if ended.returncode:
        raise FailedError(f"{' '.join(SIMULATE)}: {ended.stderr.decode(errors='replace').strip()}")
    table = folder / "lab" / "TABLE.csv"
    table.write_text(re.sub(r";[^;,\n]*\.trc", "", table.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def written(checkout: Path, lab: Path, folder: Path) -> Path:
    """Return a folder in which every command was run on a copy of the lab; ``printed`` keeps what each printed.

    Raises
    ------
    FailedError
        If a command ends otherwise than done or refused.
    """
    shutil.copytree(lab, folder / "lab")
    (folder / "small.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "printed").mkdir()
    for name, words in COMMANDS.items():
        ended = run(checkout, words, folder)
        print(f"{checkout.name}: {name} ended with {ended.returncode}", file=sys.stderr)
        (folder / "printed" / f"{name}.out").write_bytes(ended.stdout)
        (folder / "printed" / f"{name}.code").write_text(f"{ended.returncode}\n", encoding="utf-8")
        if ended.returncode not in (DONE, REFUSED):
            raise FailedError(f"{checkout.name}: {name}: {ended.stderr.decode(errors='replace').strip()}")
    return folder


def compare(before: Path, after: Path) -> Iterator[Compared]:
    """Yield every file under two folders but the result cache's, in order of name."""
    names = {str(path.relative_to(top)) for top in (before, after) for path in top.rglob("*") if path.is_file()}
    for name in sorted(name for name in names if not name.startswith(CACHE)):
        first, second = before / name, after / name
        if first.exists() and second.exists():
            content = first.read_bytes()
            yield Compared(name, len(content), hashlib.sha256(content).hexdigest()[:12], verdict(first, second))
        else:
            yield Compared(name, 0, "-", f"DIFFERS: missing in {'AFTER' if first.exists() else 'BEFORE'}")


def verdict(first: Path, second: Path) -> str:
    """Return ``same``, ``same without times`` where these had to be left out, or ``DIFFERS``."""
    a, b = first.read_bytes(), second.read_bytes()
    if a == b:
        return "same"
    if first.suffix == ".nc":
        equal = netcdf_content(first) == netcdf_content(second)
    else:
        equal = TIMES.sub(b"", a) == TIMES.sub(b"", b)
    return "same without times" if equal else "DIFFERS"


def netcdf_content(path: Path) -> dict[str, Any]:
    """Return attributes and variables of a netCDF file by group and name, without wall times."""
    import xarray as xr

    content: dict[str, Any] = {}
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        for group in tree.groups:
            node = tree[group].to_dataset()
            content[group] = {name: repr(value) for name, value in node.attrs.items()}
            for name, variable in node.variables.items():
                if name != WALL_TIME:
                    values = variable.values
                    exact = values.tolist() if values.dtype == object else values.tobytes()
                    content[f"{group}/{name}"] = (
                        values.dtype,
                        variable.dims,
                        values.shape,
                        exact,
                        repr(variable.attrs),
                    )
    return content


def table(rows: list[Compared]) -> str:
    """Return the comparison as text, one file a line."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'file':<{width}}  {'bytes':>9}  {'SHA-256':<12}  verdict"]
    lines += [f"{row.name:<{width}}  {row.size:>9}  {row.digest:<12}  {row.verdict}" for row in rows]
    different = sum(not row.same for row in rows)
    lines.append(
        f"{len(rows)} files, {different} differ; not compared: {CACHE}, the result cache (it holds wall times)"
    )
    return "\n".join(lines)


def main() -> int:
    """Compare two checkouts, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="checkout that simulates the recordings, and is compared with")
    parser.add_argument("after", type=Path, help="checkout that is judged")
    parser.add_argument("--keep", type=Path, help="folder that keeps what both wrote; else it is removed")
    request = parser.parse_args()
    place = request.keep or Path(tempfile.mkdtemp(prefix="compare-"))
    try:
        rows = compare_in(place, request.before.resolve(), request.after.resolve())
    except FailedError as error:
        print(f"compare_checkouts: {error}", file=sys.stderr)
        return 2
    finally:
        if request.keep is None:
            shutil.rmtree(place)
    print(table(rows))
    return int(not all(row.same for row in rows))


def compare_in(place: Path, before: Path, after: Path) -> list[Compared]:
    """Simulate, run and compare in a folder.

    Raises
    ------
    FailedError
        If a command of either checkout fails.
    """
    marker = place / "before.finished"
    labs, works = place / "simulated", place / "work"
    if not marker.exists():
        shutil.rmtree(labs, ignore_errors=True)
        shutil.rmtree(works, ignore_errors=True)
        lab = simulated(before, labs / "before") / "lab"
        written(before, lab, works / "before")
        marker.touch()
    for folder in (labs, works):
        shutil.rmtree(folder / "after", ignore_errors=True)
    simulated(after, labs / "after")
    rows = list(compare(labs / "before", labs / "after"))
    written(after, labs / "before" / "lab", works / "after")
    names = {row.name for row in rows}
    return rows + [row for row in compare(works / "before", works / "after") if row.name not in names]


if __name__ == "__main__":
    sys.exit(main())
