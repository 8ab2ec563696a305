"""Installs the wheel as strangers do: each extra in a clean environment of each Python, commands and a small job run.

    python tools/check_install.py [--pythons 3.10,3.12] [--extras train,edge] [--quick] [--write PAGE.md]

Builds wheel and sdist, makes one environment for each Python and extra, installs the wheel into it by pip, and runs
``grf --version``, the help of every command, ``import grfkit`` and what the extra is for. Prints a table; exit code 1
if anything failed. A Python that is not on this machine is named and left out, as is an extra without wheels for one.
``--quick``: the plain wheel alone, and then the test files of ``QUICK_TESTS`` on it, in the same environment.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib  # nothing has to be installed for this program

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_USERS = ("", *(extra for extra in EXTRAS if extra not in ("test", "docs")))
"""The plain wheel, and every extra that is none of the repository's own."""
PYTHONS = tuple(line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line))
LIMIT_S = 1800
"""An installation or job that takes longer is ended; chosen by hand: pip over a slow line takes minutes."""
COMMANDS = tuple(PROJECT["scripts"])
QUICK_TESTS: dict[tuple[str, ...], str] = {
    (): """
        c3d c3d_broken c3d_counts calibrate calibrate_imu calibrate_plates calibrate_refusals contacts delsys
        device_profile device_recording_file fetch_recordings filters foot_to_lab foreign_files
        free_moment gait_causal gait_contacts gait_loading gaps hostile_text insole_centre knee_alignment
        loadsol moment_unit opensim_write plates records report report_newcomer sensor_text session_clock
        signals_clocks sniff_inspect stance_set stats_published text_formats unit_doubts units vicon_csv
        visual3d xsens
    """,
    ("pyxdf",): "xdf",
    ("openpyxl",): "matlab_excel",
    ("matplotlib",): "plots",
}
"""Test files that run on the installed wheel of each Python, by what they need of the `test` extra besides
``RUN_TESTS``. Chosen by hand: quick ones of what works without PyTorch, TensorFlow and LiteRT, a minute in all."""
RUN_TESTS = ("pytest", "hypothesis")
ABSENT = "no such Python here"
SHOWN = 8000
"""Characters that are shown at most of what a program printed that failed; chosen by hand: a screen or two."""


class Failed(Exception):
    """What did not work, in a line."""

    said = ""
    """All that the program printed."""


class NoWheel(Failed):
    """A package has no wheel for this Python."""

    def __init__(self, requirement: str) -> None:
        super().__init__(f"no wheel of {requirement}")
        self.name = package_of(requirement)


def package_of(requirement: str) -> str:
    """Return the package that a requirement is of."""
    return re.split(r"[\[<>=!~; ]", requirement)[0]


@dataclass
class Place:
    """An environment, and a folder to work in."""

    environment: Path
    folder: Path

    def run(self, *words: str, code: int = 0) -> str:
        """Return what a program of the environment says, on both streams.

        Raises
        ------
        Failed
            If it ends with another exit code, or not in time.
        """
        program = self.environment / "bin" / words[0]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV"))}
        clean["PATH"] = f"{program.parent}{os.pathsep}{clean['PATH']}"
        try:
            done = subprocess.run(
                [str(program), *words[1:]], cwd=self.folder, env=clean, stdin=subprocess.DEVNULL, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(words[:2])}: not done after {LIMIT_S} s") from None
        if done.returncode != code:
            last = (done.stdout.strip().splitlines() or ["nothing said"])[-1]
            failed = Failed(f"`{' '.join(words)[:80]}` ended with {done.returncode}: {last[:300]}")
            failed.said = done.stdout
            raise failed
        return done.stdout

    def python(self, code: str) -> str:
        """Return what a piece of Python says, warnings being errors of ours only."""
        return self.run("python", "-c", code)


def plain(place: Place) -> None:
    """Simulate two people on a treadmill, align them, look at one and count the steps."""
    if (place.folder / "lab").exists():  # of the plain wheel on this Python
        place.run("grf-inspect", _trial(place))
        return
    place.run("grf-simulate", "lab", "lab", "--surface", "treadmill", "--insole", "adc", "--people", "2",
              "--duration-s", "60", "--seed", "3")  # fmt: skip
    place.run("grf-sync", "batch", "lab/TABLE.csv", "-q")
    place.run("grf-inspect", _trial(place))
    place.run("grf", "steps", "lab/aligned", "--out", "steps.csv")
    assert "name" not in place.python("import grfkit; print(grfkit.read('lab/P01_treadmill_1.c3d').streams.keys())")


def without_extras(place: Place) -> None:
    """Ask for what an extra brings: one line names it."""
    for words, extra in (
        (("grf-train", "lab/aligned", "--out", "m"), "train"),
        (("grf-monitor", "--headless", "--no-record"), "ble"),
        (("grf-sync", "review", _trial(place), "--no-browser"), "page"),
        (("grf", "estimate", "grfkit:insole-simulated", _trial(place), "--out", "e.nc"), "edge"),
    ):
        said = place.run(*words, code=2).strip()
        if said.count("\n") or f"pip install 'grfkit[{extra}]'" not in said:
            raise Failed(f"`{' '.join(words)}` does not name grfkit[{extra}] in a line: {said[:200]}")


def train(place: Place) -> None:
    """Train ridge, and estimate by it."""
    place.run("grf-train", "lab/aligned", "--out", "model", "--method", "ridge", "-q")
    place.run("grf-estimate", "model", _trial(place), "--out", "e.nc", "--allow-leak", "participant in training")


def quantize(place: Place) -> None:
    """Prove the bundle that comes with grfkit again; convert a network of one epoch."""
    shipped = place.python(
        "from grfkit.runtime.bundle_files import shipped_bundle; print(shipped_bundle('bilstm_simulated'))"
    )
    place.run("grf-quantize", "verify", shipped.strip(), "--boards", "none", "--no-run")
    place.run("grf-train", "lab/aligned", "--out", "net", "--network", "mlp", "--epochs", "1", "-q")
    place.python(CONVERSION)


CONVERSION = """
import numpy as np
from grfkit import GrfModel
from grfkit.deploy.convert import convert
from grfkit.deploy.from_torch import plan_of
plan = plan_of(GrfModel.load("net"))
windows = np.random.default_rng(0).normal(size=(8, plan.points, plan.width)).astype("float32")
print({kind: len(file.content) for kind, file in convert(plan, windows).items()})
"""


def edge(place: Place) -> None:
    """Estimate by the bundle that comes with grfkit."""
    place.run("grf-estimate", "grfkit:insole-simulated", _trial(place), "--out", "edge.csv", "--accept-beyond",
              "--other-people", "simulated anew")  # fmt: skip


def ble(place: Place) -> None:
    """Watch two virtual insoles for some seconds, and record them."""
    place.run("grf-monitor", "--demo", "--headless", "--seconds", "4", "--record", "live.grfrec")
    place.run("grf-inspect", "live.grfrec")


def page(place: Place) -> None:
    """Make the page of a review."""
    place.python("import grfkit.review.server, grfkit.monitor.serving")


def tui(place: Place) -> None:
    """Make the view in a terminal."""
    place.python("import grfkit.monitor.tui")


def lsl(place: Place) -> None:
    """Load pylsl, or be told of the library it needs beside it."""
    place.python(
        "from grfkit.errors import BadInputError\nfrom grfkit.monitor.lsl import check\n"
        "try: check()\nexcept BadInputError as error: assert 'install liblsl' in str(error), error"
    )


def plot(place: Place) -> None:
    """Draw a trial."""
    place.python(f"import grfkit; grfkit.Trial.from_netcdf({_trial(place)!r}).plot().savefig('trial.png')")


def excel(place: Place) -> None:
    """Read a workbook."""
    place.python(
        "import csv, openpyxl\nbook = openpyxl.Workbook()\n"
        "for row in csv.reader(open('lab/P01_treadmill_1_insole.csv')): book.active.append(row)\nbook.save('i.xlsx')"
    )
    place.run("grf-inspect", "i.xlsx")


def parquet(place: Place) -> None:
    """Write a table."""
    place.run("grf-steps", "lab/aligned", "--out", "steps.parquet")


def video(place: Place) -> None:
    """Render a walker, and find the person in the film."""
    place.run("grf-simulate", "film", "films", "--duration-s", "12", "--rate-hz", "30", "--width-px", "640",
              "--height-px", "360", "-q")  # fmt: skip
    (film,) = (place.folder / "films").glob("*.mp4")
    place.run("grf-inspect", str(film))


def stats(place: Place) -> None:
    """Import what checks the statistics."""
    place.python("import pingouin, spm1d")


JOBS: dict[str, tuple[Callable[[Place], None], ...]] = {
    "": (without_extras,), "train": (train,), "quantize": (quantize,), "edge": (edge,), "ble": (ble,), "page": (page,),
    "tui": (tui,), "lsl": (lsl,), "plot": (plot,), "excel": (excel,), "parquet": (parquet,), "video": (video,),
    "stats": (stats,), "all": (train, edge, ble, page, tui, lsl, plot, excel, parquet, video),
}  # fmt: skip
"""What an extra is for, besides what the plain wheel does."""


def _trial(place: Place) -> str:
    return sorted(str(path) for path in (place.folder / "lab" / "aligned").glob("*.nc"))[0]


def interpreters(wanted: tuple[str, ...]) -> Iterator[tuple[str, Path | None]]:
    """Give each Python that was asked for, and where it is; None: not on this machine."""
    for version in wanted:
        found = shutil.which(f"python{version}")
        others = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        candidates = [*others, *([Path(found)] if found else [])]
        yield version, next((path for path in candidates if _version(path) == version), None)


def _version(path: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([str(path), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def built(folder: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist, built in an environment of their own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "builder")], check=True)
    place = Place(folder / "builder", ROOT)
    place.run("python", "-m", "pip", "install", "-q", *PROJECT_BUILD)
    place.run("python", "-m", "hatchling", "build", "-d", str(folder / "dist"))
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return wheel, sdist


PROJECT_BUILD: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"][
    "requires"
]


def needs_torch(extra: str) -> bool:
    """Return whether an extra brings PyTorch, itself or by others that it names."""
    lines = EXTRAS.get(extra, [])
    inner = [name for line in lines if line.startswith("grfkit[") for name in line[7:-1].split(",")]
    return any(line.startswith("torch") for line in lines) or any(needs_torch(name) for name in inner)


def checked(python: Path, wheel: Path, extra: str, torch: str, labs: Path, *, tests: bool) -> str:
    """Return how an extra fares in a clean environment of a Python, in a table's cell.

    Parameters
    ----------
    labs
        Folder that keeps the first environment's simulated lab, for the others of this Python.
    tests
        Whether ``QUICK_TESTS`` run there, too.
    """
    with tempfile.TemporaryDirectory(prefix="grfkit-install-") as name:
        folder = Path(name)
        (folder / "work").mkdir()
        if labs.exists():
            shutil.copytree(labs, folder / "work" / "lab")
        subprocess.run([str(python), "-m", "venv", str(folder / "environment")], check=True)
        place = Place(folder / "environment", folder / "work")
        start = time.monotonic()
        try:
            if needs_torch(extra):
                pip(place, torch)
            pip(place, f"{wheel}[{extra}]" if extra else str(wheel))
        except Failed as failed:
            return str(failed)
        seconds, megabytes = time.monotonic() - start, size_mb(place.environment)
        try:
            place.run("python", "-m", "pip", "check")
            works(place, extra)
            if not labs.exists():
                shutil.copytree(place.folder / "lab", labs)
            fared = f"; quick tests on it: {tested(place)}" if tests else ""
        except Failed as failed:
            print(failed.said[-SHOWN:])
            return f"FAILED: {failed}"
        return f"works ({seconds:.0f} s, {megabytes:.0f} MB){fared}"


def tested(place: Place) -> str:
    """Return how ``QUICK_TESTS`` fare on the installed wheel: pytest's closing line, and which files were left out.

    Tests and tools are copied, so that nothing else of the repository can be imported.
    """
    names = {*RUN_TESTS, *(name for needs in QUICK_TESTS for name in needs)}
    needed = {package_of(line): line for line in EXTRAS["test"] if package_of(line) in names}
    missing: set[str] = set()
    while True:
        try:
            pip(place, *(line for name, line in needed.items() if name not in missing))
            break
        except NoWheel as lack:
            if lack.name not in needed or lack.name in {*RUN_TESTS, *missing}:
                raise
            missing.add(lack.name)
    checkout = place.folder / "checkout"
    for folder in ("tests", "tools"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", checkout)
    if (ROOT.parent / "shared").is_dir():
        (place.folder / "shared").symlink_to(ROOT.parent / "shared")
    at = Place(place.environment, checkout)
    at.python(FROM_THE_WHEEL)
    files, out = [], []
    for needs, tests in QUICK_TESTS.items():
        if lack_of := sorted(missing & set(needs)):
            out += [f"; test_{name}.py left out: no wheel of {', '.join(lack_of)}" for name in tests.split()]
        else:
            files += [f"tests/test_{name}.py" for name in tests.split()]
    said = at.run("python", "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "--color=no", *files)
    return said.strip().splitlines()[-1] + "".join(out)


FROM_THE_WHEEL = """
import sys; from pathlib import Path; import grfkit
assert Path(grfkit.__file__).is_relative_to(sys.prefix), f"tests would import {grfkit.__file__}"
"""


def works(place: Place, extra: str) -> None:
    """Run every command's help, and what the extra is for."""
    version = place.run("grf", "--version").strip()
    if version != f"grfkit {PROJECT['version']}":
        raise Failed(f"grf --version says {version}")
    place.python("import grfkit; print(grfkit.__version__, len(dir(grfkit)))")
    for command in COMMANDS:
        if "Usage:" not in place.run(command, "--help"):
            raise Failed(f"{command} --help says nothing")
    plain(place)
    for job in JOBS[extra]:
        job(place)


def pip(place: Place, *what: str) -> None:
    """Install something; what has no wheel for this Python is named."""
    quiet = ("-q", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:")
    try:
        place.run("python", "-m", "pip", "install", *quiet, *what)
    except Failed as failed:
        missing = re.search(r"No matching distribution found for (\S+)", str(failed))
        raise (NoWheel(missing[1]) if missing else Failed(f"FAILED: {failed}")) from None


def size_mb(folder: Path) -> float:
    """Return what the files of a folder take."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def table(cells: dict[tuple[str, str], str], extras: tuple[str, ...], pythons: tuple[str, ...]) -> str:
    """Return the cells as a table in Markdown."""
    rows = [
        f"| installed | {' | '.join(f'Python {version}' for version in pythons)} |",
        "|---" * (len(pythons) + 1) + "|",
    ]
    for extra in extras:
        name = f"`grfkit[{extra}]`" if extra else "`grfkit`"
        rows.append(f"| {name} | {' | '.join(cells[extra, version] for version in pythons)} |")
    return "\n".join(rows)


def main() -> int:
    """Check, print the table, and return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--pythons", default=",".join(PYTHONS))
    options.add_argument(
        "--extras", default=",".join(FOR_USERS), help="names with commas between; empty: the plain wheel"
    )
    options.add_argument("--torch", default="torch==2.13.0", help="installed first, where an extra needs PyTorch")
    options.add_argument("--torch-on", default=",".join(PYTHONS), help="Pythons on which extras with it are tried")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--write", type=Path, help="Markdown page to write")
    asked = options.parse_args()
    pythons, extras = tuple(asked.pythons.split(",")), ("",) if asked.quick else tuple(asked.extras.split(","))
    cells: dict[tuple[str, str], str] = {}
    with tempfile.TemporaryDirectory(prefix="grfkit-dist-") as name:
        wheel, sdist = built(Path(name))
        print(f"built {wheel.name} ({size_mb(wheel.parent):.0f} MB with {sdist.name})", flush=True)
        for version, python in interpreters(pythons):
            for extra in extras:
                if python is None:
                    cell = ABSENT
                elif needs_torch(extra) and version not in asked.torch_on.split(","):
                    cell = "not tried"
                else:
                    cell = checked(python, wheel, extra, asked.torch, Path(name) / f"lab-{version}", tests=asked.quick)
                cells[extra, version] = cell
                print(f"Python {version}, {extra or 'plain'}: {cell}", flush=True)
    text = table(cells, extras, pythons)
    print(text)
    if asked.quick:
        print(
            "Not run on the installed wheel: tests that need PyTorch, TensorFlow or LiteRT, and slow ones (make test)."
        )
    for version in sorted({version for (_, version), cell in cells.items() if cell == ABSENT}):
        print(f"{'WARNING: ' if os.environ.get('CI') else ''}NOTHING WAS TRIED ON PYTHON {version}: {ABSENT}")
    if asked.write is not None:
        asked.write.write_text(report(text, asked.torch), encoding="utf-8")
    return int(any(cell.startswith("FAILED") for cell in cells.values()))


PAGE = """# Installing

`make check-install` builds wheel and sdist, and installs the wheel with each extra into a clean environment of each
Python by pip, from wheels only. "Works": `pip check`, `grf --version`, the help of every command, `import grfkit`, a
simulated lab of two people aligned, looked at and counted, and what the extra is for
([what](../../tools/check_install.py)). Beside it how long pip took, and the size of the environment. Extras with
PyTorch: `{torch}` first.
{system}, {day}.

{table}

`[all]` is everything but `[stats]`, whose packages are GPL and serve the tests, `[test]` and `[docs]`.
"""


def report(text: str, torch: str) -> str:
    """Return the page of results."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return PAGE.format(table=text, torch=torch, system=system, day=date.today().isoformat())


if __name__ == "__main__":
    sys.exit(main())
