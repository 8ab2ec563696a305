"""What ``grf-inspect`` says of a trial: its streams, each clock and where it is from, and what was noticed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..records import Trial

_HDF5 = b"\x89HDF\r\n\x1a\n"


def trial_in(path: Path) -> Trial | None:
    """Return the trial in a file, None where the file is anything else, whole or not."""
    import h5py

    if not path.is_file():  # to open a pipe would wait for whoever writes into it
        return None
    try:
        with open(path, "rb") as handle:
            if handle.read(len(_HDF5)) != _HDF5:
                return None
        with h5py.File(path, "r") as file:
            artefact = str(file.attrs.get("artefact", ""))
    except Exception:  # whatever is wrong with it, the readers say
        return None
    return Trial.from_netcdf(path) if artefact == "trial" else None


def trial_words(trial: Trial) -> str:
    """Return a trial as a person reads it."""
    from ..sync.summary import map_lines

    clocks = [f"clock of {line}" for line in map_lines(trial.clock_maps)]
    insoles = [
        f"{row['name']}: {text}" for row in insole_rows(trial) for text in (row["calibrated"], row["centre"]) if text
    ]
    return "\n".join([repr(trial), *clocks, *insoles, *(f"note: {text}" for text in trial.provenance.findings)])


def insole_rows(trial: Trial) -> list[dict[str, str]]:
    """Return what calibrated each insole, and where its force acts and how surely, as far as its cells tell."""
    from ..gait.centre_path import insole_centre
    from ..records.calibrated import AS_RECORDED, way_of

    rows = []
    for name, stream in trial.of_kind("insole").items():
        way, centre = way_of(stream), insole_centre(stream)
        rows.append(
            {
                "name": name,
                "calibrated": "" if way == AS_RECORDED else f"calibrated by {way}",
                "centre": "" if centre is None else centre.words,
            }
        )
    return rows


def trial_document(trial: Trial, path: Path) -> dict[str, Any]:
    """Return the document that ``grf-inspect --json`` prints of a trial."""
    from ..sync.summary import map_row

    facts = {name: trial.tree.attrs.get(name) for name in ("participant", "surface", "mass_kg", "speed_m_s", "force")}
    return {
        "file": str(path),
        "artefact": "trial",
        "verdict": trial.verdict,
        **{n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in facts.items()},
        "streams": [
            {"name": name, "kind": str(stream.attrs.get("kind")), "samples": int(stream.sizes["time"])}
            for name, stream in trial.streams.items()
        ],
        "insoles": insole_rows(trial),
        "maps": [map_row(name, clock_map, ()) for name, clock_map in trial.clock_maps.items()],
        "findings": trial.provenance.findings,
    }
