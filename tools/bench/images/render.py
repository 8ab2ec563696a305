"""Writes the rendered films of Schreiber's walkers as H.264 files: ``python tools/bench images.render``.

One film for each of 24 walks, camera side and laboratory, in ``build/images/films/LABORATORY/NAME.mp4``, beside it
``NAME.json`` with its settings and its clock; ``TABLE.csv`` lists them with the plates' files. A film whose settings
are as they were is kept.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grfkit.artefacts import written_whole
from grfkit.simulate.film.pictures import film_pictures
from grfkit.simulate.film.write import write_film

from ..harness import ROOT
from .schreiber import FilmedTrial, walkers

FILMS = ROOT / "build" / "images" / "films"
"""Where rendered films are kept."""
VERSION = 1
"""To be raised where the renderer's pictures change: films are made anew then."""
FIRST_STAMP_S = 0.2
"""Stamp of the container's first picture: a film need not begin at 0."""


def settings_of(filmed: FilmedTrial) -> dict[str, Any]:
    """Return everything that sets a film's pictures and stamps, and its clock."""
    camera = filmed.camera
    return {
        "rendered": "a body of capsules, no real film",
        "version": VERSION,
        "name": filmed.name,
        "participant": filmed.participant,
        "mass_kg": filmed.mass_kg,
        "near_side": filmed.near_side,
        "laboratory": filmed.laboratory,
        "source_sha256": hashlib.sha256(filmed.source.read_bytes()).hexdigest(),
        "size_px": [camera.width_px, camera.height_px],
        "look": asdict(filmed.look),
        "first_stamp_s": FIRST_STAMP_S,
        "offset_s": filmed.stamps.offset_s,
        "drift_ppm": filmed.stamps.drift_ppm,
        "frames": int(filmed.stamps.film_s.size),
        "measured_s": list(filmed.body.measured_s),
    }


def film_file(filmed: FilmedTrial, folder: Path = FILMS) -> Path:
    """Return the film of a trial, rendered if it is not there yet or was made with other settings."""
    path = folder / filmed.laboratory / f"{filmed.name}.mp4"
    beside = path.with_suffix(".json")
    text = json.dumps(settings_of(filmed), indent=1, sort_keys=True)
    if path.exists() and beside.exists() and beside.read_text(encoding="utf-8") == text:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = film_pictures(filmed.body, filmed.look, filmed.camera, filmed.stamps)
    with written_whole(path, force=True) as temporary:
        write_film(temporary, pictures, filmed.stamps.film_s, first_stamp_s=FIRST_STAMP_S)
    beside.write_text(text, encoding="utf-8")
    return path


TABLE = ("film", "reference", "participant", "mass_kg", "near_side", "surface", "offset_s", "rendered")
"""Columns of a laboratory's ``TABLE.csv``; ``offset_s``: of the film's first picture, on the plates' clock."""


def write_table(rows: Sequence[FilmedTrial], folder: Path = FILMS) -> Path:
    """Write a laboratory's table of films and of the plates' own files, and return it."""
    path = folder / rows[0].laboratory / "TABLE.csv"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TABLE)
    for filmed in rows:
        about = (filmed.participant, filmed.mass_kg, filmed.near_side, "overground", filmed.stamps.offset_s)
        writer.writerow((f"{filmed.name}.mp4", str(filmed.source), *about, filmed.body.source))
    with written_whole(path, force=True) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def main(words: Sequence[str] | None = None) -> None:
    """Render the films that are not there yet."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--laboratory", choices=("base", "other", "both"), default="both")
    options.add_argument("--participant", action="append", help="only this walker (may be repeated)")
    options.add_argument("--out", type=Path, default=FILMS, help="folder of the films")
    request = options.parse_args(words)
    for laboratory in ("base", "other") if request.laboratory == "both" else (request.laboratory,):
        made = walkers(laboratory=laboratory, participants=request.participant)
        for filmed in made:
            print(film_file(filmed, request.out), flush=True)
        if made:
            print(write_table(made, request.out))


if __name__ == "__main__":
    main()
