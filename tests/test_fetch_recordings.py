"""Does the fetcher keep a file of another digest, or write outside its folder?"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "fetch_recordings.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_recordings", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_right_content_is_kept_and_recognised(tool: ModuleType, tmp_path: Path) -> None:
    entry = tool.Entry("a/b.txt", "owner/name", "0" * 40, "x y.txt", hashlib.sha256(b"right").hexdigest())
    asked = []
    tool.fetch(entry, tmp_path, lambda url: asked.append(url) or b"right")
    assert (tmp_path / "a/b.txt").read_bytes() == b"right"
    assert tool.state(entry, tmp_path) == "right"
    assert asked == ["https://raw.githubusercontent.com/owner/name/" + "0" * 40 + "/x%20y.txt"]
    (tmp_path / "a/b.txt").write_bytes(b"wrong")
    assert tool.state(entry, tmp_path) == "wrong"


def test_other_content_is_refused_and_nothing_is_left(tool: ModuleType, tmp_path: Path) -> None:
    entry = tool.Entry("a/b.txt", "owner/name", "0" * 40, "x.txt", hashlib.sha256(b"right").hexdigest())
    with pytest.raises(tool.RefusedError, match=r"a/b\.txt: SHA-256 is .* expected"):
        tool.fetch(entry, tmp_path, lambda _: b"wrong")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert tool.state(entry, tmp_path) == "missing"


@pytest.mark.parametrize("away", ["../out.txt", "/out.txt", "a/../../out.txt"])
def test_no_row_leads_out_of_the_folder(tool: ModuleType, tmp_path: Path, away: str) -> None:
    table = tmp_path / "t.csv"
    with open(table, "w", newline="") as handle:
        csv.writer(handle).writerows([["file", "repository", "commit", "path", "sha256"], [away, "r", "c", "p", "s"]])
    with pytest.raises(tool.RefusedError, match="leads out"):
        tool.read_entries(table)


def test_table_names_each_file_once_and_every_pin(tool: ModuleType) -> None:
    entries = tool.read_entries()
    assert len({e.file for e in entries}) == len(entries) > 100
    assert all(len(e.sha256) == 64 and set(e.sha256) <= set("0123456789abcdef") for e in entries)
    assert all(len(e.commit) >= 7 and set(e.commit) <= set("0123456789abcdef") for e in entries)


@pytest.mark.recordings
def test_local_copies_are_those_of_the_table(tool: ModuleType) -> None:
    if not tool.DATA.is_dir():
        pytest.skip("the recordings are not in ../shared/data")
    states = {e.file: tool.state(e, tool.DATA) for e in tool.read_entries()}
    assert [f for f, s in states.items() if s == "wrong"] == []
    assert "right" in states.values()
