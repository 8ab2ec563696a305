"""The edge benchmark: ``make bench-edge`` (or ``python tools/bench_edge.py --help``).

Trained models, never random weights: latency per stance against torch, accuracy on held-out people in torch and int8,
what eight bits cost, instructions and memory on emulated Cortex-M boards. Models, files, folds and boards are kept
under build/edge, so that a run that was stopped goes on; latencies are measured anew in every run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import edge_models as models
from accuracy_sets import ROOT, commit
from edge_accuracy import tested
from edge_boards import against_prototype, builds, on_boards, walks
from edge_latency import LAB, measured
from edge_models import BILSTM, BILSTM_64, CNN, LSTM, STUDENT, TCN, Bench, Rows
from edge_parity import rows_of
from edge_tables import markdown
from grfkit.deploy.qemu import BOARDS
from grfkit.learn.model import GrfModel

SMALL = (BILSTM, BILSTM_64, LSTM, TCN, STUDENT)
PACKAGES = ("torch", "tensorflow", "ai-edge-litert", "tflite-micro", "numpy")


def first_fold(bench: Bench, names: Sequence[str]) -> dict[str, GrfModel]:
    """Return the networks of a bench's first fold, trained."""
    return {name: models.trained(bench, name, models.folds(bench)[0]) for name in names}


def part_accuracy(chosen: dict[str, Bench], *, quick: bool) -> Rows:
    """Accuracy of every bench but the prototype's shape."""
    return {name: tested(bench, quick=quick) for name, bench in chosen.items() if name != "B12"}


def part_parity(chosen: dict[str, Bench], *, quick: bool) -> Rows:
    """What eight bits cost, of the first fold's models."""
    rows: list[Rows] = []
    for bench in chosen.values():
        names = (BILSTM, TCN, STUDENT) if quick else (*SMALL, CNN)
        held_out = models.stances(bench).of(models.folds(bench)[0].test)
        rows += rows_of(bench.name, first_fold(bench, names), held_out, windows=60 if quick else 200)
    return {"rows": rows}


def part_boards(chosen: dict[str, Bench], *, quick: bool) -> Rows:
    """Instructions and memory on the boards, at the prototype's shape and at the trained shapes."""
    rows: list[Rows] = []
    for name, bench in chosen.items():
        all_boards = name == "B12" or not quick
        rows += on_boards(bench.name, first_fold(bench, SMALL if all_boards else (BILSTM, TCN, STUDENT)),
                          tuple(BOARDS) if all_boards else ("m4f",))  # fmt: skip
    b12 = chosen["B12"]
    shape = [r for r in rows if r.get("bench") == b12.name]
    shipped = sorted(p.parent for p in (ROOT / "firmware_models").glob("*/manifest.json"))
    built = [row for k, v in first_fold(b12, (BILSTM,)).items() for row in builds(b12.name, k, v)]
    return {"rows": rows, "prototype": against_prototype(shape), "builds": built, "walks": walks(shipped)}


def part_latency(chosen: dict[str, Bench], *, quick: bool) -> Rows:
    """Milliseconds per stance on this machine, of B's first fold, and of the pair whose shapes ship."""
    names = (BILSTM, TCN, STUDENT) if quick else (BILSTM, BILSTM_64, LSTM, TCN, STUDENT)
    timed = first_fold(chosen["B"], names)
    if "lab" in chosen:
        timed |= {f"{name}{LAB}": model for name, model in first_fold(chosen["lab"], (BILSTM, TCN)).items()}
    return measured(timed, rounds=15 if quick else 60, quick=quick)


PARTS: dict[str, Callable[..., Rows]] = {
    "accuracy": part_accuracy,
    "parity": part_parity,
    "boards": part_boards,
    "latency": part_latency,
}


def machine() -> Rows:
    """Return commit, machine and versions."""
    found: Rows = {
        "commit": commit(), "python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count(),
    }  # fmt: skip
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def main() -> None:
    """Run the benchmark, and write its figures after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], choices=list(PARTS), help="parts to run")
    parser.add_argument("--quick", action="store_true", help="few stances, epochs, folds and models (ten minutes)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "edge")
    asked = parser.parse_args()
    out = asked.out.with_name(asked.out.name + ("_quick" if asked.quick else ""))
    figures: Rows = {"machine": machine(), "quick": asked.quick, "parts": {}, "wall_s": {}}
    if asked.only and out.with_suffix(".json").exists():
        earlier = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
        figures["parts"], figures["wall_s"] = earlier["parts"], earlier["wall_s"]
    out.parent.mkdir(parents=True, exist_ok=True)
    chosen = models.benches(quick=asked.quick)
    figures["benches"] = {b.name: _told(b) for b in chosen.values()}
    for name in asked.only or PARTS:
        print(f"{name} ...", file=sys.stderr)
        began = time.perf_counter()
        try:
            made = PARTS[name](chosen, quick=asked.quick)
        except Exception as error:
            made = {"error": f"{type(error).__name__}: {error}"}
            print(f"  {made['error']}", file=sys.stderr)
        figures["parts"][name] = made | {"commit": figures["machine"]["commit"]}
        figures["wall_s"][name] = round(time.perf_counter() - began, 1)
        out.with_suffix(".json").write_text(json.dumps(figures, indent=1, default=float) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(markdown(figures), encoding="utf-8")
    print(markdown(figures))


def _told(bench: Bench) -> Rows:
    fold = models.folds(bench)[0]
    return {
        "note": bench.note, "windows": models.stances(bench).size, "epochs": bench.epochs, "folds": bench.folds,
        "first fold tests": list(fold.test), "first fold trains": len(fold.train), "inner": len(fold.inner),
    }  # fmt: skip


if __name__ == "__main__":
    main()
