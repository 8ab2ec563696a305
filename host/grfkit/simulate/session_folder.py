"""A simulated session's folder: a C3D file a bout, one file of every wearable, SESSION.toml, and the truth apart."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import PathLike
from ..artefacts import FolderKind
from .conditions import Condition
from .folder import csv_file, write_reference
from .new_folder import new_folder
from .session import SimulatedSession, simulate_session
from .settings import default_settings

_SESSION_TOML, _TRUTH = "SESSION.toml", "truth/session.truth.json"
_BEGAN = datetime(2026, 3, 2, 10, 0, 0, tzinfo=timezone.utc)
"""When every simulated session began: files with the same seed are the same."""
_STARTS_KEY = 8
"""Key of the seed of the errors of the stated start times."""


class SimulatedSessionRequest(BaseModel):
    """Contents of a simulated session's folder.

    Attributes
    ----------
    start_sd_s
        State the files' start times with errors of this SD (s); None: state none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    surface: Literal["treadmill", "overground"] = "overground"
    gait: Literal["run", "walk"] = "run"
    seed: int = Field(default=1, ge=0)
    bouts: int = Field(default=3, ge=1, le=99)
    bout_s: float = Field(default=120.0, ge=20, le=600)
    jumps: int = Field(default=0, ge=0, le=20)
    gaps: bool = True
    start_sd_s: float | None = Field(default=None, gt=0.0, le=3600.0)


def write_session(out_dir: PathLike, request: SimulatedSessionRequest, *, force: bool = False) -> list[str]:
    """Write a session's folder and return the names of its bouts.

    Raises
    ------
    BadInputError
        If the folder holds something and ``force`` is false, or cannot be written.
    """
    condition = Condition(
        surface=request.surface,
        gait=request.gait,
        jumps=request.jumps,
        gaps=request.gaps,
        split_belt=request.surface == "treadmill" and request.gait == "walk",
    )
    settings = default_settings()
    # both feet of a device share their stamps, as one table needs
    shared = {
        name: getattr(settings, name).model_copy(update={"stamp_jitter_share": 0.0}) for name in ("insole", "imu")
    }
    session = simulate_session(
        condition, request.seed, settings.model_copy(update=shared), bouts=request.bouts, bout_s=request.bout_s
    )
    names = [f"bout_{number + 1:02d}" for number in range(request.bouts)]
    with new_folder(out_dir, SESSION_FOLDER, force=force, parts=("truth",)) as temporary:
        for name, reference, clock in zip(names, session.references, session.clocks):
            write_reference(temporary / f"{name}.c3d", replace(session.lab, reference=reference), clock=clock)
        for wearable, recording in session.wearables.items():
            (temporary / f"{wearable}.csv").write_text(csv_file(recording), encoding="utf-8", newline="")
        (temporary / _SESSION_TOML).write_text(_document(session, names, request), encoding="utf-8", newline="")
        (temporary / _TRUTH).write_text(_truth(session, names), encoding="utf-8", newline="")
    return names


def _document(session: SimulatedSession, names: list[str], request: SimulatedSessionRequest) -> str:
    now = session.lab.truth.world.situation
    wearables = ", ".join(f'"{name}.csv"' for name in session.wearables)
    lines = [
        "# a session for grf-sync session SESSION.toml",
        f'surface = "{request.surface}"',
        'participant = "P01"',
        f"mass_kg = {now.mass_kg}",
        f"speed_m_s = {now.speed_m_s}",
        f"wearables = [{wearables}]  # each recorded the whole session",
    ]
    if request.start_sd_s is not None:
        lines.append(f"start_sd_s = {request.start_sd_s}")
        lines += ["", "[starts]"]
        rng = np.random.default_rng(np.random.SeedSequence(request.seed, spawn_key=(_STARTS_KEY,)))
        for name, clock in zip(names, session.clocks):
            at = _BEGAN + timedelta(seconds=round(clock.offset_s + float(rng.normal(0.0, request.start_sd_s)), 3))
            lines.append(f'"{name}.c3d" = {at.replace(tzinfo=None).isoformat(timespec="milliseconds")}')
    for name in names:
        lines += ["", "[[trial]]", f'reference = "{name}.c3d"']
    return "\n".join(lines) + "\n"


def _truth(session: SimulatedSession, names: list[str]) -> str:
    plain = json.loads(session.lab.truth.to_json(files={}))
    plain["bouts"] = [
        {"reference": f"{name}.c3d", "clock": asdict(clock)} for name, clock in zip(names, session.clocks)
    ]
    return json.dumps(plain, indent=2) + "\n"


def _members(folder: Path) -> frozenset[str]:
    """Return the files of a session that its document names; not what was aligned since."""
    try:
        text = (folder / _SESSION_TOML).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    return frozenset({_SESSION_TOML, _TRUTH, *re.findall(r'"(bout_\d\d\.c3d|\w+\.csv)"', text)})


SESSION_FOLDER = FolderKind("simulated session", _SESSION_TOML, _members)
"""What a session's folder holds; trials that were aligned in it, and whatever else, are never removed."""
