"""One process that times engines on request: numpy and one interpreter, so that it runs in an environment of its own.

Reads lines of JSON, ``{"id": ..., "calls": n}``; answers ``{"s": ..., "cpu_s": ..., "loop_s": ...}`` in seconds a call.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LOOPS = 100_000
"""Additions in the fixed loop: some milliseconds, short beside a block of calls (30 ms)."""
Call = Callable[[], Any]


def loop() -> None:
    """Do a fixed piece of work: its time says how fast this machine is just now."""
    total = 0
    for i in range(LOOPS):
        total += i & 7


def timed(call: Call, times: int) -> tuple[float, float]:
    """Return seconds a call on the clock, and of the processor by this process, which others cannot lengthen much."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        call()
    return (time.perf_counter() - wall) / times, (time.process_time() - cpu) / times


def tflite(spec: dict[str, Any], window: np.ndarray) -> Call:
    """Return a call of a .tflite file in LiteRT or tflite-runtime."""
    module = importlib.import_module(spec["module"])
    kind = getattr(module.OpResolverType, spec["resolver"])
    engine = module.Interpreter(model_path=spec["path"], num_threads=1, experimental_op_resolver_type=kind)
    engine.allocate_tensors()
    (takes,), (gives,) = engine.get_input_details(), engine.get_output_details()
    scale, zero = takes["quantization"]
    if takes["dtype"] == np.int8:
        # rounded half up, as the C runtime and grfkit.runtime do
        window = np.clip(np.floor(window / scale + 0.5) + zero, -128, 127).astype(np.int8)

    def call() -> Any:
        # the state of a recurrent network goes on from call to call otherwise
        engine.reset_all_variables()
        engine.set_tensor(takes["index"], window)
        engine.invoke()
        return engine.get_tensor(gives["index"])

    return call


def ort(spec: dict[str, Any], window: np.ndarray) -> Call:
    """Return a call of an ONNX file in onnxruntime."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(spec["path"], options, providers=["CPUExecutionProvider"])
    inputs = _parts(spec, window)
    names = [i.name for i in session.get_inputs()]
    return lambda: session.run(None, dict(zip(names, inputs)))


def _parts(spec: dict[str, Any], window: np.ndarray) -> list[np.ndarray]:
    """Return channels (1, T, channels) and statics (1, statics) of what a .tflite takes in one."""
    width = window.shape[2] - spec["statics"]
    return [np.ascontiguousarray(window[:, :, :width]), np.ascontiguousarray(window[:, 0, width:])]


def torch_network(spec: dict[str, Any], window: np.ndarray) -> Call:
    """Return a call of the network in torch, eager or compiled."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    model = importlib.import_module("grfkit.learn.model").GrfModel.load(Path(spec["path"]))
    network = model.network.eval()
    inputs = [torch.from_numpy(p) for p in _parts(spec, window)]
    run = torch.compile(network) if spec["kind"] == "compile" else network

    def call() -> Any:
        with torch.inference_mode():
            return run(*inputs).numpy()

    return call


def c(spec: dict[str, Any], window: np.ndarray) -> Call:
    """Return a call of the C runtime on this machine."""
    engine = importlib.import_module("grfkit.runtime").load(Path(spec["path"]), "c")
    stored = np.clip(np.floor(window / spec["scale"] + 0.5) + spec["zero"], -128, 127).astype(np.int8)
    return lambda: engine.run(stored)


def onnx_file(spec: dict[str, Any], window: np.ndarray) -> None:
    """Write a model as ONNX (torch's exporter needs the package onnx)."""
    torch = importlib.import_module("torch")
    model = importlib.import_module("grfkit.learn.model").GrfModel.load(Path(spec["path"]))
    inputs = tuple(torch.from_numpy(p) for p in _parts(spec, window))
    torch.onnx.export(model.network.eval(), inputs, spec["out"], dynamo=False, input_names=["x", "s"])


KINDS = {"tflite": tflite, "ort": ort, "torch": torch_network, "compile": torch_network, "c": c}


def main(specs: list[dict[str, Any]]) -> None:
    """Answer requests until the input ends."""
    # libraries print to stdout, which here carries the answers
    answers, sys.stdout = sys.stdout, sys.stderr
    calls: dict[str, Call] = {}
    for line in sys.stdin:
        request = json.loads(line)
        timing: dict[str, Any] = {}
        try:
            if request["id"] not in calls:
                spec = next(s for s in specs if s["id"] == request["id"])
                began = time.perf_counter()
                call = KINDS[spec["kind"]](spec, np.load(spec["window"]))
                call()
                call()
                calls[request["id"]] = call
                timing["load_s"] = time.perf_counter() - began
            # beside each block: it says how fast the machine was just then
            timing["loop_s"], timing["loop_cpu_s"] = timed(loop, 1)
            timing["s"], timing["cpu_s"] = timed(calls[request["id"]], request["calls"])
        except Exception as error:
            timing = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps(timing), file=answers, flush=True)


if __name__ == "__main__":
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if isinstance(request, dict):
        onnx_file(request, np.load(request["window"]))
    else:
        main(request)
