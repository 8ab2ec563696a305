"""Without the packages of an extra: is every command's refusal one line that names it, with exit code 2?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import check_install
from grfkit.documents import toml_document
from grfkit.errors import BadInputError
from grfkit.extras import EXTRAS, refuse_without
from grfkit.runtime.bundle_files import shipped_bundle
from grfkit.simulate.lab import simulate_trial
from grfkit.study import begin_study

ROOT = Path(__file__).parents[1]
PLAIN = """
import sys, importlib.abc
class Plain(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Plain())
import contextlib, io, json
from importlib import import_module
from grfkit.cli import common
def said(words):
    out, err = io.StringIO(), io.StringIO()
    app = import_module(f"grfkit.cli.{words[0]}").app
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: common.run(app, words[1:], name=words[0])
        except SystemExit as end: return end.code, err.getvalue()
"""
BUNDLE = str(shipped_bundle("bilstm_simulated"))
TRAINED = "needs torch; pip install 'grfkit[train]'"
RADIO = "needs bleak, starlette, uvicorn and websockets; pip install 'grfkit[ble]'"
DEMO = "needs bleak, bumble, starlette, uvicorn and websockets; pip install 'grfkit[ble]'"
FILM = "needs av, opencv-python-headless and ai-edge-litert; pip install 'grfkit[video]'"
COMMANDS = {
    "train . --out m": TRAINED,
    "train . --out m --method ridge": TRAINED,
    "evaluate .": TRAINED,
    "estimate grfkit:running-landmarks t.nc --out f.nc": "pip install 'grfkit[train]'",
    "estimate grfkit:insole-simulated t.nc --out f.nc": "pip install 'grfkit[edge]'",
    "quantize export m --out b": "needs torch, safetensors, tensorflow, tf-keras and ai-edge-litert; pip install"
    " 'grfkit[quantize]'",
    f"quantize verify {BUNDLE} --no-run": "needs ai-edge-litert; pip install 'grfkit[quantize]'",
    "monitor --no-browser --no-record": RADIO,
    "monitor --no-record --headless": "needs bleak; pip install 'grfkit[ble]'",
    "monitor --no-record --demo": DEMO,
    "monitor --no-record --headless --serial /dev/null": "needs pyserial and cobs; pip install 'grfkit[ble]'",
    "monitor --no-record --tui": "needs bleak and textual; pip install 'grfkit[ble,tui]'",
    "monitor --no-record --headless --demo --lsl": "needs bleak and bumble; pip install 'grfkit[ble]'",
    "monitor replay r.grfrec --headless --lsl": "pip install 'grfkit[lsl]'",
    "monitor replay r.grfrec": "needs starlette, uvicorn and websockets; pip install 'grfkit[page]'",
    "monitor --film 0 --headless": FILM,
    "monitor --film 0": "ai-edge-litert, starlette, uvicorn and websockets; pip install 'grfkit[video,page]'",
    "simulate film films": "needs av and opencv-python-headless; pip install 'grfkit[video]'",
    "simulate insole": "pip install 'grfkit[ble]'",
    "sync review t.nc --no-browser": "needs starlette and uvicorn; pip install 'grfkit[page]'",
    "sync --reference w.mp4 --wearable t.nc --surface treadmill --out o.nc": "pip install 'grfkit[video]'",
    "inspect w.mp4": "pip install 'grfkit[video]'",
    "inspect w.xlsx": "pip install 'grfkit[excel]'",
    "steps t.nc --out s.parquet": "needs pyarrow; pip install 'grfkit[parquet]'",
    "export t.nc --to parquet --out s.parquet": "needs pyarrow; pip install 'grfkit[parquet]'",
}
"""A command line, and how the only line that it writes ends."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with what the commands name: a trial, plates, and files of kinds that need a package."""
    place = tmp_path_factory.mktemp("plain")
    simulate_trial(seed=0, duration_s=8, wearables=("insole",)).on_true_clock().to_netcdf(place / "t.nc")
    (place / "w.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(4000))
    with zipfile.ZipFile(place / "w.xlsx", "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr("xl/workbook.xml", "<workbook/>")
    return place


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, tuple[int, str]]:
    said = in_a_plain_installation(f"[said(c.split()) for c in {list(COMMANDS)!r}]", folder)
    return dict(zip(COMMANDS, said, strict=True))


def in_a_plain_installation(expression: str, folder: Path, *, besides: str = "") -> Any:
    """Return what an expression is in a process that finds no package of any extra, one apart."""
    hidden = sorted(package for package, extra in EXTRAS.items() if extra != besides)
    code = f"HIDDEN = {hidden}\n{PLAIN}\nprint(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert not done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_the_extra_that_it_lacks(command: str, answers: dict[str, tuple[int, str]]) -> None:
    code, line = answers[command]
    assert code == 2, line
    assert line.count("\n") == 1
    assert line.startswith(f"{command.split()[0]}: ")
    assert COMMANDS[command] in line


def test_a_study_is_aligned_and_its_steps_counted_where_nothing_can_be_trained(folder: Path) -> None:
    study = folder / "study"
    begin_study(study)
    shutil.copy(folder / "t.nc", study / "t.nc")
    (study / "trials.csv").write_text("reference,wearable,surface,out\na.c3d,b.csv,treadmill,t.nc\n")
    code, err = in_a_plain_installation("said(['grf', 'run', 'study', '--skip', 'align', '--json'])", folder)
    assert (code, err) == (2, "")
    page = (study / "index.html").read_text()
    assert "train&#39; needs torch; pip install &#39;grfkit[train]&#39;" in page
    assert (study / "steps.csv").is_file()


def test_the_terminal_needs_no_package_of_the_page(folder: Path) -> None:
    assert in_a_plain_installation("import_module('grfkit.monitor.tui').__name__", folder, besides="tui")


def test_everything_that_is_missing_is_named_once_with_each_extra() -> None:
    refuse_without("it", {"a": (), "b": ("json",)})
    with pytest.raises(BadInputError) as refusal:
        refuse_without("it", {"tui": ("no_such", "json"), "ble": ("no_such", "nor_this"), "x": ("json",)})
    assert str(refusal.value) == "it needs no_such and nor_this; pip install 'grfkit[tui,ble]'"


def test_all_is_every_extra_for_users() -> None:
    extras = toml_document(ROOT / "pyproject.toml")["project"]["optional-dependencies"]
    (line,) = extras["all"]
    named = set(line.removeprefix("grfkit[").removesuffix("]").split(","))
    # the packages of stats are GPL, and used by tests only
    assert named | {"page"} == set(extras) - {"all", "stats", "test", "docs"}
    assert set(EXTRAS.values()) <= named | {"page"}
    assert set(extras["page"]) <= set(extras["ble"])


def test_every_extra_for_users_is_tried_in_a_clean_environment() -> None:
    assert set(check_install.JOBS) == set(check_install.FOR_USERS)
    assert [extra for extra in check_install.FOR_USERS if check_install.needs_torch(extra)] == [
        "train",
        "quantize",
        "all",
    ]
    assert check_install.PYTHONS == ("3.10", "3.11", "3.12")
    cells = {("", "3.10"): "works", ("edge", "3.10"): "no wheel of x"}
    assert check_install.table(cells, ("", "edge"), ("3.10",)).splitlines()[2:] == [
        "| `grfkit` | works |", "| `grfkit[edge]` | no wheel of x |",
    ]  # fmt: skip
