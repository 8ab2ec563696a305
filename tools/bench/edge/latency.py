"""Milliseconds per stance, one thread: all engines resident, timed in turn, the machine's own speed beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import c_model
from grfkit.deploy.from_torch import plan_inputs
from grfkit.embedded.compile import compiler
from grfkit.learn.model import GrfModel

from .models import BILSTM, BUILD, TCN, Rows, converted, file_of, files_of

WORKER = Path(__file__).with_name("worker.py")
BLOCK_S = 0.03
"""Length of a block of calls that is timed as one (s), chosen by hand: long beside the clock's and the loop's time."""
LITERT, OLD = "ai_edge_litert.interpreter", "tflite_runtime.interpreter"
EAGER, COMPILED = "torch eager", "torch.compile"
EIGHT, MICRO_C = "LiteRT int8, XNNPACK", "C runtime int8, -O2"
LAB = ", lab"
"""Ends the names of models of the simulated lab: as wide as those that ship."""
SIDES = {"tflite-runtime": ("numpy<2", "tflite-runtime"), "onnxruntime": ("numpy", "onnxruntime")}
"""Environments of their own, and the packages in each."""


@dataclass
class Engine:
    """One model in one engine."""

    model: str
    name: str
    side: str
    spec: Rows
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    loops: list[tuple[float, float]] = field(default_factory=list)
    load_s: float = float("nan")
    calls: int = 1
    reason: str = ""


class Workers:
    """The processes that time, one for each side."""

    def __init__(self, engines: list[Engine], pythons: Mapping[str, str]) -> None:
        self._open: dict[str, subprocess.Popen[str]] = {}
        env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        env["TORCHINDUCTOR_CACHE_DIR"] = str(BUILD / "inductor")
        for side in {e.side for e in engines}:
            request = BUILD / "latency" / f"{side}.json"
            request.write_text(json.dumps([e.spec for e in engines if e.side == side]), encoding="utf-8")
            words = [pythons[side], str(WORKER), str(request)]
            self._open[side] = subprocess.Popen(
                # stderr is dropped: a pipe nobody reads would stop a worker that is full of warnings
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=env,
            )

    def ask(self, engine: Engine) -> Rows:
        """Return a worker's times of the engine's calls."""
        worker = self._open[engine.side]
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps({"id": engine.spec["id"], "calls": engine.calls}) + "\n")
            worker.stdin.flush()
            timing: Rows = json.loads(worker.stdout.readline() or '{"error": "the process ended"}')
        except BrokenPipeError:
            timing = {"error": "the process ended"}
        return timing

    def close(self) -> None:
        """End the processes."""
        for worker in self._open.values():
            if worker.stdin is not None:
                worker.stdin.close()
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()


def side_python(side: str) -> tuple[str, str]:
    """Return the Python of an environment of its own, or the reason why there is none."""
    if side == "tflite-runtime" and sys.version_info[:2] > (3, 11):
        return "", f"tflite-runtime has no wheel for Python {sys.version_info[0]}.{sys.version_info[1]}, 3.11 at most"
    folder = BUILD / f"venv-{side}"
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        packages = SIDES[side]
        for words in ([sys.executable, "-m", "venv", "--clear", str(folder)],
                      [str(python), "-m", "pip", "install", "--quiet", *packages]):  # fmt: skip
            ended = subprocess.run(words, capture_output=True, text=True, check=False)
            if ended.returncode:
                lines = [s for s in ended.stderr.splitlines() if s.strip()] or ["no message"]
                return "", f"{', '.join(packages)} cannot be installed here ({lines[-1][:120]})"
        (folder / ".installed").touch()
    return str(python), ""


def onnx_of(model: GrfModel, spec: Rows) -> tuple[str, str]:
    """Return a model's ONNX file, or the reason why there is none."""
    path = BUILD / "files" / files_of(model) / "model.onnx"
    packages = BUILD / "onnx-packages"
    if not packages.exists():
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), "onnx"]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            return "", "the package onnx, which torch's exporter needs, cannot be installed here"
    if not path.exists():
        request = BUILD / "latency" / "onnx.json"
        request.write_text(json.dumps(spec | {"out": str(path)}), encoding="utf-8")
        env = os.environ | {"PYTHONPATH": str(packages)}
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", str(WORKER), str(request)],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode:
            return "", f"export to ONNX failed ({ended.stderr.strip().splitlines()[-1][:120]})"
    return str(path), ""


def engines_of(name: str, model: GrfModel, *, quick: bool) -> list[Engine]:
    """Return a model in every engine; an engine that cannot be had has a reason."""
    folder = BUILD / "latency"
    folder.mkdir(parents=True, exist_ok=True)
    window = folder / f"{model.spec.weights_sha256[:16]}.npy"
    assert model.calibration is not None
    np.save(window, plan_inputs(model, model.calibration)[:1])
    saved = BUILD / "models_by_digest" / model.spec.weights_sha256[:16]
    if not saved.exists():
        saved.parent.mkdir(parents=True, exist_ok=True)
        model.save(saved)
    common: Rows = {"window": str(window), "statics": len(model.spec.scaler.statics)}
    engines: list[Engine] = []

    def add(engine: str, side: str, reason: str = "", **spec: Any) -> None:
        engines.append(Engine(name, engine, side, common | {"id": f"{name} | {engine}"} | spec, reason=reason))

    add(EAGER, "torch", kind="torch", path=str(saved))
    if not quick or name in (BILSTM, TCN):
        add(COMPILED, "torch", kind="compile", path=str(saved))
    for kind in ("float32", "int8"):
        path = str(file_of(model, kind))
        for label, resolver in (("XNNPACK", "BUILTIN"), ("reference", "BUILTIN_REF")):
            add(f"LiteRT {kind}, {label}", "litert", kind="tflite", module=LITERT, resolver=resolver, path=path)
        python, reason = side_python("tflite-runtime")
        add(
            f"tflite-runtime {kind}", "tflite-runtime", reason, kind="tflite", module=OLD, resolver="BUILTIN", path=path
        )
    python, reason = side_python("onnxruntime")
    path, why = onnx_of(model, common | {"path": str(saved)}) if python else ("", reason)
    add("onnxruntime float32", "onnxruntime", why, kind="ort", path=path)
    _add_c(model, add)
    return engines


def _add_c(model: GrfModel, add: Any) -> None:
    """Add the C runtime as this machine's compiler makes it."""
    if compiler() is None:
        add(MICRO_C, "litert", "no C compiler (cc, gcc, clang)")
        return
    file = converted(model).files["int8"]
    folder = BUILD / "c" / files_of(model)
    compile_c(c_model(file, "edge"), folder)
    ends = {"scale": file.input.scale, "zero": file.input.zero_point}
    add(MICRO_C, "litert", kind="c", path=str(folder / "edge.so"), **ends)


def measured(models: Mapping[str, GrfModel], *, rounds: int, quick: bool) -> Rows:
    """Return the latency of every model in every engine, timed in turn over ``rounds``."""
    engines = [e for name, model in models.items() for e in engines_of(name, model, quick=quick)]
    here = [e for e in engines if not e.reason]
    pythons = {"torch": sys.executable, "litert": sys.executable}
    pythons |= {s: side_python(s)[0] for s in {e.side for e in here} - set(pythons)}
    workers = Workers(here, pythons)
    try:
        for engine in here:
            _warm(workers, engine)
        for _ in range(rounds):
            # engines in turn, round by round: what slows the machine for a while slows all of them alike
            for engine in here:
                timing = workers.ask(engine) if not engine.reason else {}
                if "s" in timing:
                    engine.seconds.append(timing["s"])
                    engine.cpu_s.append(timing["cpu_s"])
                    engine.loops.append((timing["loop_s"], timing["loop_cpu_s"]))
    finally:
        workers.close()
    rows = [_row(e, engines) for e in engines]
    loops = 1e3 * np.asarray([v for e in here for v in e.loops])
    return {
        "rows": rows,
        "rounds": rounds,
        "loop_ms": {k: _spread(loops[:, i]) for i, k in enumerate(("clock", "processor"))},
        "ratios": _ratios(engines),
    }  # fmt: skip


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return {"median": float(middle), "p10": float(low), "p90": float(high), "least": float(values.min())}


def _warm(workers: Workers, engine: Engine) -> None:
    """Load an engine and choose how many calls make a block."""
    timing = workers.ask(engine)
    if "error" in timing:
        engine.reason = str(timing["error"])
        return
    engine.load_s = timing["load_s"]
    # the second answer: the first one holds compilation and cold caches
    again = workers.ask(engine)
    engine.calls = int(np.clip(BLOCK_S / max(again["cpu_s"], 1e-6), 1, 2000))


def _row(engine: Engine, engines: list[Engine]) -> Rows:
    row: Rows = {"model": engine.model, "engine": engine.name}
    if engine.reason or not engine.seconds:
        return row | {"note": f"not run: {engine.reason or 'no answer'}"}
    ms, cpu = (_spread(1e3 * np.asarray(v)) for v in (engine.seconds, engine.cpu_s))
    row |= {"ms median": ms["median"], "p10": ms["p10"], "p90": ms["p90"], "least": ms["least"]}
    row |= {"CPU ms median": cpu["median"], "CPU p10": cpu["p10"], "CPU p90": cpu["p90"]}
    row["loop ms"] = 1e3 * float(np.median([v for v, _ in engine.loops]))
    for label, model in (("x BiLSTM-32 eager", BILSTM), ("x own eager", engine.model)):
        other = _find(engines, model, EAGER)
        row[label] = _ratio(other, engine)["median"] if other is not None else None
    return row | {"load s": engine.load_s}


def _find(engines: list[Engine], model: str, name: str) -> Engine | None:
    return next((e for e in engines if (e.model, e.name) == (model, name) and e.seconds), None)


def _ratio(slow: Engine, fast: Engine) -> Rows:
    """Return how many times less processor time one takes, round by round; and the same on the clock."""
    count = min(len(slow.seconds), len(fast.seconds))
    # round by round, so that both were timed within one state of the machine
    each = np.asarray(slow.seconds[:count]) / np.asarray(fast.seconds[:count])
    return {
        "median": float(np.median(each)),
        "p10": float(np.quantile(each, 0.1)),
        "p90": float(np.quantile(each, 0.9)),
    }


def _ratios(engines: list[Engine]) -> list[Rows]:
    """Return the ratios that are asked for, with their goals."""
    pairs = (
        ("TCN int8 against BiLSTM-32 in torch eager", (BILSTM, EAGER), (TCN, EIGHT), 20.0),
        ("lab: TCN int8 against BiLSTM-32 in torch eager", (BILSTM + LAB, EAGER), (TCN + LAB, EIGHT), 20.0),
        ("TCN int8 against itself in torch eager", (TCN, EAGER), (TCN, EIGHT), None),
        ("BiLSTM-32 int8 against itself in torch eager", (BILSTM, EAGER), (BILSTM, EIGHT), None),
        ("TCN int8 against BiLSTM-32 int8, both LiteRT", (BILSTM, EIGHT), (TCN, EIGHT), None),
    )
    rows = []
    for label, slow, fast, goal in pairs:
        a, b = _find(engines, *slow), _find(engines, *fast)
        if (a is None or b is None) and label.startswith("lab"):
            continue
        if a is None or b is None:
            rows.append({"ratio": label, "verdict": "not measured"})
            continue
        ratio = _ratio(a, b)
        met = "-" if goal is None else "met" if ratio["median"] >= goal else "NOT MET"
        rows.append({"ratio": label, **ratio, "goal": "" if goal is None else f">= {goal:g}", "verdict": met})
    return rows
