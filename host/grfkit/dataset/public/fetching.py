"""Public recordings fetched from where they are published, each file checked by its SHA-256.

``recordings.csv`` beside this module names every file with its repository, commit, path and SHA-256. A file of another
digest is refused and not kept; one that is already there with the right digest is not fetched again.

    python -m grfkit.dataset.public.fetching FOLDER [--check]

fetches all of them (``--check`` looks at what is there and fetches nothing). Licences are those of the repositories:
several forbid passing the files on, so read them first (GPL-3.0 of pataky2008_plantar_pressure, for one). Not in the
table, because no commit of their original files is known or they were derived from them: rbds_runners,
schreiber2019_walk_overground, gaitpdb_insole, verheul_decel, spm1d_grf, and parts of nimblephysics, opensim_core,
pomarat_loadsol and rbds_fukuchi.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from ...arguments import as_path
from ...arrays import PathLike
from ...artefacts import written_whole
from ...errors import BadInputError, RefusedError

LONGEST_WAIT_S = 60
"""A server that has not answered after this many seconds is given up (chosen by hand: files take seconds)."""


@dataclass(frozen=True)
class Entry:
    """One file: its place in the data folder, its origin, and its digest."""

    file: str
    repository: str
    commit: str
    path: str
    sha256: str

    @property
    def url(self) -> str:
        """Return the address of exactly this version."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{urllib.parse.quote(self.path)}"

    @property
    def data_set(self) -> str:
        """Return the name of the data set it belongs to, which is its folder."""
        return Path(self.file).parts[0]


def fetch(name: str, folder: PathLike = "recordings", *, get: Callable[[str], bytes] | None = None) -> Path:
    """Fetch one public data set; return its folder, ``folder/name``. Files that are there and right stay.

    Parameters
    ----------
    name
        A folder of the table, such as ``"bach2022_shank_acc_vgrf"``; a wrong one is answered with all names.
    get
        A function from an address to its bytes, in place of the network.

    Raises
    ------
    BadInputError
        If there is no such data set, or the folder holds another version of a file.
    RefusedError
        If a file cannot be fetched, or is not the one that the table names; files fetched before it stay.

    Examples
    --------
    >>> import grfkit
    >>> try:
    ...     grfkit.fetch("my_own_lab")
    ... except grfkit.BadInputError as error:
    ...     print(error)
    there is no data set 'my_own_lab'; there are alcantara2022_example, bach2022_shank_acc_vgrf, ...
    """
    entries = read_entries()
    listed = [entry for entry in entries if entry.data_set == name]
    if not listed:
        names = sorted({entry.data_set for entry in entries})
        raise BadInputError(f"there is no data set '{name}'; there are {', '.join(names)}")
    folder = as_path(folder, what="a folder")
    for entry in listed:
        condition = state(entry, folder)
        if condition == "wrong":
            raise BadInputError(f"{folder / entry.file}: is another version than the table's; move it away first")
        if condition == "missing":
            fetch_file(entry, folder, get or download)
    return folder / name


@contextmanager
def _table() -> Iterator[Path]:
    with as_file(files("grfkit.dataset.public").joinpath("recordings.csv")) as path:
        yield path


def read_entries(table: Path | None = None) -> list[Entry]:
    """Return the rows of a table, the package's own where none is given.

    Raises
    ------
    RefusedError
        If a row would be written outside the data folder.
    """
    if table is None:
        with _table() as path:
            return read_entries(path)
    with open(table, newline="", encoding="utf-8") as handle:
        entries = [Entry(**row) for row in csv.DictReader(handle)]
    for entry in entries:
        if Path(entry.file).is_absolute() or ".." in Path(entry.file).parts:
            raise RefusedError(f"{entry.file}: leads out of the data folder")
    return entries


def download(url: str) -> bytes:
    """Return the bytes at an address.

    Raises
    ------
    RefusedError
        If there are none, or they take too long.
    """
    try:
        with urllib.request.urlopen(url, timeout=LONGEST_WAIT_S) as response:
            content: bytes = response.read()
    except (urllib.error.URLError, TimeoutError) as error:
        raise RefusedError(f"{url}: {getattr(error, 'reason', error)}") from error
    return content


def state(entry: Entry, folder: Path) -> str:
    """Return ``right``, ``wrong`` or ``missing``."""
    path = folder / entry.file
    if not path.is_file():
        return "missing"
    return "right" if hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256 else "wrong"


def fetch_file(entry: Entry, folder: Path, get: Callable[[str], bytes] = download) -> None:
    """Write one file, whole and of the right digest, or not at all.

    Raises
    ------
    RefusedError
        If it cannot be fetched or its digest differs.
    """
    content = get(entry.url)
    digest = hashlib.sha256(content).hexdigest()
    # before anything is written: a wrong file that stays would be taken for the right one by name
    if digest != entry.sha256:
        raise RefusedError(f"{entry.file}: SHA-256 is {digest[:12]}..., expected {entry.sha256[:12]}...; not kept")
    path = folder / entry.file
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def _fetch_all(entries: Iterable[Entry], folder: Path, *, check: bool) -> dict[str, int]:
    """Fetch what is missing, or only look; return how many files ended how."""
    counts = {"right": 0, "wrong": 0, "missing": 0, "fetched": 0, "refused": 0}
    for entry in entries:
        condition = state(entry, folder)
        if condition == "missing" and not check:
            try:
                fetch_file(entry, folder)
                condition = "fetched"
            except (RefusedError, OSError) as error:
                condition = "refused"
                print(f"refused: {error}", file=sys.stderr)
        elif condition != "right":
            print(f"{condition}: {entry.file}")
        counts[condition] += 1
    return counts


def main() -> int:
    """Fetch or check; return 0 if every file is there and right."""
    parser = argparse.ArgumentParser(description="Fetch the public recordings, each checked by its SHA-256.")
    parser.add_argument("folder", type=Path, help="where to; a folder per data set is made in it")
    parser.add_argument("--check", action="store_true", help="check what is there, fetch nothing")
    options = parser.parse_args()
    counts = _fetch_all(read_entries(), options.folder, check=options.check)
    print(", ".join(f"{number} {condition}" for condition, number in counts.items() if number))
    return 1 if counts["wrong"] or counts["refused"] or counts["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
