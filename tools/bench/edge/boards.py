"""Instructions, flash and RAM of trained models on emulated Cortex-M boards, beside the prototype's figures."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from grfkit.deploy.emit_c import CModel, c_model
from grfkit.deploy.from_torch import plan_inputs
from grfkit.deploy.qemu import BOARDS, PLAIN_BOARDS, missing, run_on_board, walk_on_board
from grfkit.embedded.compile import runtime_sources
from grfkit.learn.model import GrfModel
from grfkit.runtime import load, to_int8

from .models import BILSTM, BILSTM_64, BUILD, LSTM, Rows, about, converted

CYCLES = (1.0, 1.4)
"""Assumed cycles per instruction, from none to some waiting for flash and branches; nothing here measures them."""
CHIPS = {"m4f": ("nRF52840", 64.0), "m33": ("nRF5340", 128.0)}
PROTOTYPE = {
    BILSTM: {"M": 6.39, "RAM KB": 7.1, "goal M": 6.4, "goal KB": 7.1, "half M": 3.2},
    BILSTM_64: {"M": 16.15, "RAM KB": 13.9, "goal M": 16.0, "goal KB": 13.9, "half M": 8.0},
    LSTM: {"M": 3.20, "RAM KB": 3.8},
}
"""Figures of a prototype at 101 x 12 -> 3 on the M4F: the documented ones of its int8 code."""
WINDOWS = 2
"""Run on a board and compared byte for byte."""
BUILDS = {
    "-O3": ("m4f", ("-O3",)), "-Os": ("m4f", ("-Os",)), "-O3, portable": ("m4f", ("-O3", "-DGRF_PORTABLE")),
    "-O3 on an M3": ("m3", ("-O3",)),
}  # fmt: skip
"""Ways to compile the runtime: (board, flags); an M3 has no DSP instructions."""


def on_boards(bench: str, models: Mapping[str, GrfModel], boards: Sequence[str]) -> list[Rows]:
    """Return a row for each model and board."""
    lacking = missing()
    if lacking:
        return [{"bench": bench, "note": f"not run: {lacking}"}]
    return [_on_board(bench, name, model, board) for name, model in models.items() for board in boards]


def builds(bench: str, name: str, model: GrfModel) -> list[Rows]:
    """Return what a model costs on the M4F by how it is compiled, and on a core without DSP instructions."""
    if missing():
        return []
    rows = [{"build": k, **_on_board(bench, name, model, board, flags)} for k, (board, flags) in BUILDS.items()]
    columns = ("build", "model", "board", "shape", "M instructions", "flash model KB", "flash runtime KB", "bytes")
    return [{k: row[k] for k in columns} for row in rows]


def walks(folders: Sequence[Path]) -> list[Rows]:
    """Return what shipped bundles cost from an insole's samples to int8 on the M4F, beside the model itself."""
    if missing():
        return []
    rows: list[Rows] = []
    for folder in folders:
        costs = walk_on_board(folder, folder.name)
        rows.append({
            "bundle": folder.name, "a sample": costs.sample_instructions,
            "a contact not answered": costs.event_instructions, "the end of a stance": costs.cut_instructions,
            "a stance's window": costs.window_instructions,
            "model": costs.model_instructions, "state B": costs.state_bytes,
            "arrays with scratch B": costs.memory_bytes, "stack B": costs.stack_bytes,
            "stances": costs.answered, "of them wrong": costs.wrong,
        })  # fmt: skip
    return rows


def _on_board(bench: str, name: str, model: GrfModel, board: str, flags: Sequence[str] = ("-O3",)) -> Rows:
    conversion = converted(model)
    c = c_model(conversion.files["int8"], "edge")
    assert model.calibration is not None
    real = plan_inputs(model, model.calibration)
    ends = conversion.files["int8"].input
    # spread over the calibration windows
    stored = to_int8(real[:: max(1, len(real) // WINDOWS)][:WINDOWS], scale=ends.scale, zero_point=ends.zero_point)
    expected = load(conversion.files["int8"].content, "tflm").run(stored.values)
    counts = _cached(c, stored.values, board, expected, flags)
    points, width, axes = c.points, c.inputs, c.outputs
    row: Rows = {
        "bench": bench,
        "model": name,
        "board": (BOARDS | PLAIN_BOARDS)[board].core,
        "shape": about(model)["shape"],
    }
    row |= {
        "M instructions": counts["instructions"] / 1e6, "flash model KB": counts["weights_bytes"] / 1024,
        "flash runtime KB": counts["code_bytes"] / 1024, "scratch B": counts["scratch_bytes"],
        "stack B": counts["stack_bytes"], "input + answer B": points * (width + axes),
        "stream": "yes" if c.stream else "no", "bytes": "as TFLM" if counts["same"] else "DIFFER",
    }  # fmt: skip
    if board in CHIPS:
        chip, mhz = CHIPS[board]
        low, high = (counts["instructions"] * cpi / mhz / 1e3 for cpi in CYCLES)
        row["estimated ms"] = f"{low:.1f}-{high:.1f} ({chip}, {mhz:g} MHz)"
    return row


def _cached(c: CModel, windows: np.ndarray, board: str, expected: np.ndarray, flags: Sequence[str]) -> Rows:
    """Return what a board did, from the disk where model, runtime and windows are the same."""
    sources = b"".join(p.read_bytes() for p in runtime_sources())
    text = (
        sources + c.source.encode() + c.header.encode() + windows.tobytes() + board.encode() + " ".join(flags).encode()
    )
    path = BUILD / "boards" / f"{hashlib.sha256(text).hexdigest()[:16]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        ended = run_on_board(c, windows, board, flags=flags)
        counts = {k: v for k, v in asdict(ended).items() if k != "answers"}
        counts["same"] = bool((ended.outputs == expected).all())
        path.write_text(json.dumps(counts), encoding="utf-8")
        print(f"  {board}: {ended.instructions / 1e6:.2f} M", file=sys.stderr)
    counts: Rows = json.loads(path.read_text(encoding="utf-8"))
    return counts


def against_prototype(rows: Sequence[Rows]) -> list[Rows]:
    """Return the M4F's figures at the prototype's shape beside the prototype's, and whether the goals are met."""
    comparisons = []
    for row in rows:
        if row.get("board") != "M4F" or row["model"] not in PROTOTYPE:
            continue
        before = PROTOTYPE[row["model"]]
        ram = (row["scratch B"] + row["stack B"]) / 1024
        figures: Rows = {"model": row["model"], "M": row["M instructions"], "prototype M": before["M"],
                     "share %": 100 * row["M instructions"] / before["M"], "RAM KB": ram,
                     "prototype RAM KB": before["RAM KB"]}  # fmt: skip
        if "goal M" in before:
            good = row["M instructions"] <= before["goal M"] and ram <= before["goal KB"]
            figures["goal"] = f"<= {before['goal M']:g} M, <= {before['goal KB']:g} KB"
            figures["verdict"] = "met" if good else "NOT MET"
            figures["aim: half"] = "met" if row["M instructions"] <= before["half M"] else "NOT MET"
        comparisons.append(figures)
    return comparisons
