"""A new study: its document, a table to fill in, and what to do with them."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from ..arguments import as_path
from ..arrays import PathLike
from ..artefacts import written_together
from ..errors import BadInputError
from ..sync.batch import read_table
from .plan import PLAN

TABLE = "trials.csv"
_HEADING = "participant,reference,wearable,surface,mass_kg,speed_m_s,out\n"

_DOCUMENT = """\
# A study of grfkit: `grf run` aligns the trials of the table, makes the table of steps, trains a model,
# proves it on people left out, and writes index.html. Everything may stay as it is.
name = {name}

# One row a trial; the columns are those of `grf-sync batch --help`.
table = {table}

# Parts not to do: "align" (the trials are there), "steps", "train", "prove".
skip = []

[align]
reports = true        # a page beside every trial

[train]               # options of `grf-train`; empty: whichever method errs least on people left out
targets = "force"     # or "cop": the centre of pressure under the foot, mm; then method and config alone
method = ""           # "mean curve", "ridge", "kernel ridge", "mix", "network"
preset = ""           # a paper's protocol: "carter2024", "carter2025", "zhou2025"
network = ""          # "bilstm", "lstm", "tcn", ...
# epochs = 100
# config = "recipe.toml"
"""

_README = """\
# {name}

1. Put the recordings here, or anywhere: paths in `{table}` are relative to it.
2. Fill in `{table}`, one row a trial:
   - `reference`: the plates' or treadmill's file; `wearable`: insole, IMU, landmarks, film (several: `a;b`);
   - `surface`: `treadmill` or `overground`; `participant`: a code, no name; `mass_kg`;
   - `out`: the trial to write, such as `trials/P01_1.nc`.
   `grf inspect FILE` says what grfkit reads in a file. All columns: `grf sync batch --help`.
3. `grf run {folder}` does the rest, and goes on where it was stopped; `index.html` shows what became of every part.

What it writes: the trials and a page of each where `out` says; `steps.csv` and `steps.html`, every step of everybody;
`model/`, with its card; `proof.html` and `proof/`, the model's error for each person it had not seen.
"""


def begin_study(folder: PathLike, *, table: PathLike | None = None, force: bool = False) -> Path:
    """Write ``study.toml``, a table and a README into a folder, and return the folder.

    Parameters
    ----------
    folder
        Made if it is not there; what else lies in it stays.
    table
        A table of ``grf-sync batch`` that is there already; else an empty one is written, unless the folder's own holds
        rows.
    force
        Overwrite these files; a table that holds rows is kept.

    Raises
    ------
    BadInputError
        If one of them exists and ``force`` is false, or the table cannot be used.
    """
    place = as_path(folder, what="the study's folder")
    if place.exists() and not place.is_dir():
        raise BadInputError(f"{place}: is a file; name a folder for the study")
    given = None if table is None else as_path(table, what="a table of trials")
    if given is not None:
        read_table(given, {})
    made = not place.exists()
    if made:
        try:
            place.mkdir()
        except OSError as error:
            raise BadInputError(f"{place}: cannot be made ({error.strerror or error})") from error
    name = place.resolve().name
    rows = TABLE if given is None else Path(os.path.relpath(given.resolve(), place.resolve())).as_posix()
    texts = {
        PLAN: _DOCUMENT.format(name=_quoted(name), table=_quoted(rows)),
        "README.md": _README.format(name=name, table=rows, folder=shlex.quote(str(place))),
    } | ({TABLE: _HEADING} if given is None and not holds_rows(place / TABLE) else {})
    with written_together([place / file for file in texts], force=force) as temporaries:
        for temporary, text in zip(temporaries, texts.values()):
            temporary.write_text(text, encoding="utf-8")
    return place


def holds_rows(table: Path) -> bool:
    """Return whether somebody filled in a table: it is there and holds more than its heading."""
    return table.exists() and table.read_bytes().strip() != _HEADING.encode().strip()


def _quoted(text: str) -> str:
    """Return a TOML string; JSON's escapes are TOML's."""
    return json.dumps(text)
