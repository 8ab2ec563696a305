"""The edge benchmark: ``make bench-edge`` (or ``python tools/bench edge --help``).

Trained models, never random weights: latency per stance against torch, accuracy on held-out people in torch and int8,
what eight bits cost, instructions and memory on emulated Cortex-M boards. Models, files, folds and boards are kept
under build/edge, so that a run that was stopped goes on; latencies are measured anew in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from grfkit.deploy.qemu import BOARDS
from grfkit.learn.model import GrfModel

from .. import harness
from . import models
from .accuracy import tested
from .boards import against_prototype, builds, on_boards, walks
from .latency import LAB, measured
from .models import BILSTM, BILSTM_64, CNN, LSTM, STUDENT, TCN, Bench, Rows
from .parity import rows_of
from .tables import markdown

SMALL = (BILSTM, BILSTM_64, LSTM, TCN, STUDENT)
PACKAGES = ("torch", "tensorflow", "ai-edge-litert", "tflite-micro", "numpy")


def first_fold(bench: Bench, names: Sequence[str]) -> dict[str, GrfModel]:
    """Return the networks of a bench's first fold, trained."""
    return {name: models.trained(bench, name, models.folds(bench)[0]) for name in names}


def part_accuracy(benches: dict[str, Bench], *, quick: bool) -> Rows:
    """Accuracy of every bench but the prototype's shape."""
    return {name: tested(bench, quick=quick) for name, bench in benches.items() if name != "B12"}


def part_parity(benches: dict[str, Bench], *, quick: bool) -> Rows:
    """The cost of eight bits, on the first fold's models."""
    rows: list[Rows] = []
    for bench in benches.values():
        names = (BILSTM, TCN, STUDENT) if quick else (*SMALL, CNN)
        held_out = models.stances(bench).of(models.folds(bench)[0].test)
        rows += rows_of(bench.name, first_fold(bench, names), held_out, windows=60 if quick else 200)
    return {"rows": rows}


def part_boards(benches: dict[str, Bench], *, quick: bool) -> Rows:
    """Instructions and memory on the boards, at the prototype's shape and at the trained shapes."""
    rows: list[Rows] = []
    for name, bench in benches.items():
        all_boards = name == "B12" or not quick
        rows += on_boards(bench.name, first_fold(bench, SMALL if all_boards else (BILSTM, TCN, STUDENT)),
                          tuple(BOARDS) if all_boards else ("m4f",))  # fmt: skip
    b12 = benches["B12"]
    shape = [r for r in rows if r.get("bench") == b12.name]
    shipped = sorted(p.parent for p in (harness.ROOT / "firmware_models").glob("*/manifest.json"))
    built = [row for k, v in first_fold(b12, (BILSTM,)).items() for row in builds(b12.name, k, v)]
    return {"rows": rows, "prototype": against_prototype(shape), "builds": built, "walks": walks(shipped)}


def part_latency(benches: dict[str, Bench], *, quick: bool) -> Rows:
    """Milliseconds per stance on this machine, of B's first fold, and of the pair whose shapes ship."""
    names = (BILSTM, TCN, STUDENT) if quick else (BILSTM, BILSTM_64, LSTM, TCN, STUDENT)
    timed = first_fold(benches["B"], names)
    if "lab" in benches:
        timed |= {f"{name}{LAB}": model for name, model in first_fold(benches["lab"], (BILSTM, TCN)).items()}
    return measured(timed, rounds=15 if quick else 60, quick=quick)


PARTS: dict[str, Callable[..., Rows]] = {
    "accuracy": part_accuracy,
    "parity": part_parity,
    "boards": part_boards,
    "latency": part_latency,
}


def main() -> None:
    """Run the benchmark, and write its figures after every part."""
    parser = harness.parser(__doc__, "edge")
    parser.add_argument("--only", nargs="*", default=[], choices=list(PARTS), help="parts to run")
    parser.add_argument("--quick", action="store_true", help="few stances, epochs, folds and models (ten minutes)")
    request = parser.parse_args()
    out, benches = harness.quick_out(request), models.benches(quick=request.quick)
    figures: Rows = {"machine": harness.machine(*PACKAGES), "quick": request.quick, "parts": {}, "wall_s": {}}
    if request.only and (before := harness.earlier(out)):
        figures |= {"parts": before["parts"], "wall_s": before["wall_s"]}
    figures["benches"] = {b.name: _about(b) for b in benches.values()}
    for name in request.only or PARTS:
        part, wall_s = harness.attempted(name, partial(PARTS[name], benches, quick=request.quick))
        figures["parts"][name] = part | {"commit": figures["machine"]["commit"]}
        figures["wall_s"][name] = round(wall_s, 1)
        harness.write(out, figures, markdown(figures))
    print(markdown(figures))


def _about(bench: Bench) -> Rows:
    fold = models.folds(bench)[0]
    return {
        "note": bench.note, "windows": models.stances(bench).size, "epochs": bench.epochs, "folds": bench.folds,
        "first fold tests": list(fold.test), "first fold trains": len(fold.train), "inner": len(fold.inner),
    }  # fmt: skip
