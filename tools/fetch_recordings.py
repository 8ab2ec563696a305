"""Fetch the public recordings that tests and benchmarks use: ``python tools/fetch_recordings.py [FOLDER]``.

``recordings.csv`` beside this script names every file with its repository, commit, path and SHA-256. A file whose
digest differs is refused and not kept; one that is already there with the right digest is not fetched again.
``--check`` looks at what is there and fetches nothing.

Licences are those of the repositories: several forbid passing the files on, so read them first. Not in the table,
because no commit of their original files is known or they were derived from them: rbds_runners,
schreiber2019_walk_overground, gaitpdb_insole, verheul_decel, spm1d_grf, and parts of nimblephysics, opensim_core,
pomarat_loadsol and rbds_fukuchi. Tests that need those skip with a reason. The tests
check digests and refusals on local copies; no test downloads.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("recordings.csv")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LONGEST_WAIT_S = 60


class RefusedError(Exception):
    """A file that could not be fetched, or is not what the table says."""


@dataclass(frozen=True)
class Entry:
    """One file: where it goes, where it comes from, and its digest."""

    file: str
    repository: str
    commit: str
    path: str
    sha256: str

    @property
    def url(self) -> str:
        """Return the address of exactly this version."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{urllib.parse.quote(self.path)}"


def read_entries(table: Path = TABLE) -> list[Entry]:
    """Return the table's rows.

    Raises
    ------
    RefusedError
        If a row would be written outside the data folder.
    """
    with open(table, newline="", encoding="utf-8") as handle:
        entries = [Entry(**row) for row in csv.DictReader(handle)]
    for entry in entries:
        if Path(entry.file).is_absolute() or ".." in Path(entry.file).parts:
            raise RefusedError(f"{entry.file}: leads out of the data folder")
    return entries


def download(url: str) -> bytes:
    """Return what stands at an address."""
    try:
        with urllib.request.urlopen(url, timeout=LONGEST_WAIT_S) as answer:
            content: bytes = answer.read()
    except (urllib.error.URLError, TimeoutError) as error:
        raise RefusedError(f"{url}: {getattr(error, 'reason', error)}") from error
    return content


def state(entry: Entry, folder: Path) -> str:
    """Return ``right``, ``wrong`` or ``missing``."""
    path = folder / entry.file
    if not path.is_file():
        return "missing"
    return "right" if hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256 else "wrong"


def fetch(entry: Entry, folder: Path, get: Callable[[str], bytes] = download) -> None:
    """Write one file, whole and of the right digest, or not at all.

    Raises
    ------
    RefusedError
        If it cannot be fetched or its digest differs.
    """
    content = get(entry.url)
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise RefusedError(f"{entry.file}: SHA-256 is {found[:12]}..., expected {entry.sha256[:12]}...; not kept")
    path = folder / entry.file
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    os.replace(name, path)


def main() -> int:
    """Fetch or check; return 0 if every file is there and right."""
    parser = argparse.ArgumentParser(description="Fetch the public recordings, each checked by its SHA-256.")
    parser.add_argument("folder", type=Path, nargs="?", default=DATA, help="default: ../shared/data of the repository")
    parser.add_argument("--check", action="store_true", help="check what is there, fetch nothing")
    options = parser.parse_args()
    counts = {"right": 0, "wrong": 0, "missing": 0, "fetched": 0, "refused": 0}
    for entry in read_entries():
        now = state(entry, options.folder)
        if now == "wrong" or options.check or now == "right":
            counts[now] += 1
            if now != "right":
                print(f"{now}: {entry.file}")
            continue
        try:
            fetch(entry, options.folder)
            counts["fetched"] += 1
        except (RefusedError, OSError) as error:
            counts["refused"] += 1
            print(f"refused: {error}", file=sys.stderr)
    print(", ".join(f"{number} {what}" for what, number in counts.items() if number))
    return 1 if counts["wrong"] or counts["refused"] or counts["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
