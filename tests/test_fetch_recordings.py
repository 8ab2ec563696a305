"""Does the fetcher keep a file of another digest, or write outside its folder?"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from grfkit import BadInputError, RefusedError, fetch
from grfkit.dataset.public import fetching

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def test_right_content_is_kept_and_recognised(tmp_path: Path) -> None:
    entry = fetching.Entry("a/b.txt", "owner/name", "0" * 40, "x y.txt", hashlib.sha256(b"right").hexdigest())
    asked = []
    fetching.fetch_file(entry, tmp_path, lambda url: asked.append(url) or b"right")
    assert (tmp_path / "a/b.txt").read_bytes() == b"right"
    assert fetching.state(entry, tmp_path) == "right"
    assert asked == ["https://raw.githubusercontent.com/owner/name/" + "0" * 40 + "/x%20y.txt"]
    (tmp_path / "a/b.txt").write_bytes(b"wrong")
    assert fetching.state(entry, tmp_path) == "wrong"


def test_other_content_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    entry = fetching.Entry("a/b.txt", "owner/name", "0" * 40, "x.txt", hashlib.sha256(b"right").hexdigest())
    with pytest.raises(RefusedError, match=r"a/b\.txt: SHA-256 is .* expected"):
        fetching.fetch_file(entry, tmp_path, lambda _: b"wrong")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert fetching.state(entry, tmp_path) == "missing"


@pytest.mark.parametrize("away", ["../out.txt", "/out.txt", "a/../../out.txt"])
def test_no_row_leads_out_of_the_folder(tmp_path: Path, away: str) -> None:
    table = tmp_path / "t.csv"
    with open(table, "w", newline="") as handle:
        csv.writer(handle).writerows([["file", "repository", "commit", "path", "sha256"], [away, "r", "c", "p", "s"]])
    with pytest.raises(RefusedError, match="leads out"):
        fetching.read_entries(table)


def test_table_names_each_file_once_and_every_pin() -> None:
    entries = fetching.read_entries()
    assert len({e.file for e in entries}) == len(entries) > 100
    assert all(len(e.sha256) == 64 and set(e.sha256) <= set("0123456789abcdef") for e in entries)
    assert all(len(e.commit) >= 7 and set(e.commit) <= set("0123456789abcdef") for e in entries)


def test_a_data_set_is_fetched_whole_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"x": b"one", "y": b"two"}
    rows = [
        fetching.Entry(f"lab/{name}.txt", "owner/name", "0" * 40, name, hashlib.sha256(data).hexdigest())
        for name, data in content.items()
    ]
    monkeypatch.setattr(fetching, "read_entries", lambda: [*rows, fetching.Entry("other/z", "o/n", "0", "z", "0")])
    urls: list[str] = []

    def get(url: str) -> bytes:
        urls.append(url)
        return content[url[-1]]

    assert fetch("lab", str(tmp_path), get=get) == tmp_path / "lab"
    assert {p.name: p.read_bytes() for p in (tmp_path / "lab").iterdir()} == {"x.txt": b"one", "y.txt": b"two"}
    fetch("lab", tmp_path, get=get)
    assert len(urls) == 2
    (tmp_path / "lab" / "x.txt").write_bytes(b"mine")
    with pytest.raises(BadInputError, match="another version"):
        fetch("lab", tmp_path, get=get)
    assert (tmp_path / "lab" / "x.txt").read_bytes() == b"mine"


@pytest.mark.recordings
def test_local_copies_are_those_of_the_table() -> None:
    if not DATA.is_dir():
        pytest.skip("the recordings are not in ../shared/data")
    states = {e.file: fetching.state(e, DATA) for e in fetching.read_entries()}
    assert [f for f, s in states.items() if s == "wrong"] == []
    assert "right" in states.values()
