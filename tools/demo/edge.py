"""The third part of the demo: the model in eight bits, proven, and run in the model's place."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Grf = Callable[..., None]


def quantise(folder: Path, grf: Grf, tell: Callable[[str], None]) -> None:
    """Type the commands of the third part: the stranger is held out, and estimated by the bundle, too."""
    place = folder / "learn"
    trial = sorted((place / "stranger" / "aligned").glob("*.nc"))
    held_out = ["--held-out", str(trial[0].relative_to(place))] if trial else []
    tell("Quantise it: TFLite int8, C for a Cortex-M, run under an emulator, equal within stated bounds or refused")
    grf(place, "grf-quantize", "export", "model", "--out", "bundle", *held_out)
    grf(place, "grf-quantize", "verify", "bundle", most_lines=12)
    if trial:
        tell("The same recording by the bundle, without torch")
        grf(place, "grf-estimate", "bundle", held_out[1], "--out", "grf_int8.csv", most_lines=3)


def conclusion(folder: Path) -> list[str]:
    """Return what eight bits cost, from the files written."""
    place = folder / "learn"
    manifest = json.loads((place / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    parity = manifest["parity"]
    who = f"{parity['windows']} windows of {', '.join(parity['participants'])} ({parity['on']})"
    lines = [f"parity on {who}; model_id {manifest['model_id']:#010x}"]
    if (place / "grf_int8.csv").exists():
        int8, float_ = (_columns(place / f"{n}.csv") for n in ("grf_int8", "grf"))
        for name in [n for n in int8 if n.endswith("_vgrf [BW]")]:
            off = int8[name] - float_[name]
            off = off[np.isfinite(off)]
            lines.append(f"  {name}: int8 is off by {np.sqrt((off**2).mean()):.4f} RMS, {abs(off).max():.3f} most")
    return lines


def _columns(path: Path) -> dict[str, np.ndarray]:
    with open(path, newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(line for line in handle if not line.startswith("#")))
    table = np.asarray([[float(v) if v else np.nan for v in row] for row in rows[1:]])
    return {name: table[:, i] for i, name in enumerate(rows[0])}
