"""Plan and training windows -> .tflite files, converted in a process of its own that is ended at a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..learn.model import GrfModel
from ..records.stance_set import StanceSet
from .from_torch import plan_inputs, plan_of
from .plan import Plan, calibrated
from .repair import RepairReport, repaired
from .smooth import centred, equalised
from .tflite_file import TfliteFile

KINDS = ("float32", "float16", "int8")
LIMIT_S = 1200.0
"""Longest that a conversion may take, s. Chosen by hand: it takes a minute or two, and one that hangs is ended."""
Progress = Callable[[str], None]
"""Is given the name of each step that is done."""


@dataclass(frozen=True)
class Converted:
    """A model's files, and the plan and windows they were made from.

    Attributes
    ----------
    files
        By kind: ``float32``, ``float16``, ``int8`` (repaired), ``int8_as_converted``.
    mean_error
        Mean error of the int8 file on these windows before it was taken out, of each standardised axis.
    calibrated_on
        The participants of the windows whose ranges, ``plan.beyond`` times as wide, the 8-bit numbers span.
    """

    plan: Plan
    files: Mapping[str, TfliteFile]
    repair: RepairReport | None
    mean_error: tuple[float, ...]
    calibrated_on: tuple[str, ...]


def convert_model(
    model: GrfModel,
    windows: StanceSet | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    limit_s: float = LIMIT_S,
    progress: Progress | None = None,
) -> Converted:
    """Return the converted files of a model, the int8 one repaired.

    Parameters
    ----------
    windows
        Whose ranges the 8-bit numbers shall span; None: the model's own calibration windows.
    kinds
        Of :data:`KINDS`.
    progress
        Is given the name of each step that is done.

    Raises
    ------
    BadInputError
        If the network cannot be quantised, a window is of somebody the model was not trained on, or the conversion
        fails or takes longer than ``limit_s``.
    """
    calibration = representative(model, windows)
    # channels are balanced first, since the ranges of outputs, statics and cells are measured on the balanced plan
    inputs = plan_inputs(model, calibration)
    plan = plan_of(model, inputs.shape[1])
    plan = calibrated(equalised(plan, inputs), inputs, beyond=plan.beyond)
    examples = np.concatenate([inputs, np.float32(plan.beyond) * inputs])
    files = convert(plan, examples, kinds=kinds, limit_s=limit_s, progress=progress)
    report: RepairReport | None = None
    mean_error: tuple[float, ...] = ()
    if "int8" in files:
        files["int8_as_converted"] = files["int8"]
        files["int8"], report = repaired(files["int8"], plan)
        files["int8"], mean_error = centred(files["int8"], plan, inputs)
    return Converted(plan, files, report, mean_error, calibration.participants)


def representative(model: GrfModel, windows: StanceSet | None = None) -> StanceSet:
    """Return the windows that calibrate, all of people the model has seen.

    Raises
    ------
    BadInputError
        If there are none, or one is of somebody else.
    """
    calibration = model.calibration if windows is None else windows
    if calibration is None or not calibration.size:
        raise BadInputError(
            "the model has no calibration windows (calibration.nc); name a stance set of its training participants with"
            " --calibrate (calibrate in Python)"
        )
    strangers = sorted(set(calibration.participants) - set(model.participants))
    if strangers:
        raise BadInputError(
            f"participant {', '.join(strangers)} of the calibration windows was not in training; calibrate with"
            f" training participants ({', '.join(model.participants)}): parity is measured on people that the files"
            " have not seen"
        )
    return calibration


def convert(
    plan: Plan,
    windows: NDArray[Any],
    *,
    kinds: Sequence[str] = KINDS,
    limit_s: float = LIMIT_S,
    progress: Progress | None = None,
) -> dict[str, TfliteFile]:
    """Return the files of a plan as converted, by kind, LSTM cells without a limit.

    Parameters
    ----------
    windows
        Scaled inputs (n, points, width) of training participants.

    Raises
    ------
    BadInputError
        If a kind is unknown, TensorFlow is not installed, or the conversion fails or takes too long.
    """
    unknown = [k for k in kinds if k not in KINDS]
    if unknown or not kinds:
        raise BadInputError(f"there is no kind '{', '.join(unknown)}' of file; there are {', '.join(KINDS)}")
    missing = [m for m in ("tensorflow", "tf_keras") if find_spec(m) is None]
    if missing:
        raise BadInputError(f"conversion needs {' and '.join(missing)}; pip install 'grfkit[quantize]'")
    with tempfile.TemporaryDirectory(prefix="grfkit-convert-") as name:
        folder = Path(name)
        plan.save(folder)
        np.save(folder / "windows.npy", np.asarray(windows, dtype=np.float32))
        (folder / "request.json").write_text(json.dumps({"kinds": list(kinds)}), encoding="utf-8")
        _work(folder, limit_s, progress or (lambda _: None))
        return {k: TfliteFile.read(folder / f"{k}.tflite").without_cell_clip() for k in kinds}


def _work(folder: Path, limit_s: float, progress: Progress) -> None:
    """Run the worker on a folder to its end, or to the time limit."""
    command = [sys.executable, "-m", "grfkit.deploy.convert_worker", str(folder)]
    # stderr goes to a file: TensorFlow writes much, and a pipe that nobody reads would fill up and stop the worker
    with (folder / "log.txt").open("w+", encoding="utf-8", errors="replace") as log:
        # nothing is written to stdin: it closes when this process ends, however that ends, and the worker ends with it
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ)
        )
        late = threading.Event()

        def stop() -> None:
            """End the worker, and note that it was late."""
            late.set()
            worker.kill()

        timer = threading.Timer(limit_s, stop)
        timer.start()
        try:
            _report(worker.stdout, progress)
            status = worker.wait()
        finally:
            # also where Ctrl-C ends the reading: no worker is left behind
            timer.cancel()
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()
        if late.is_set():
            raise BadInputError(f"the conversion took longer than {limit_s:g} s and was ended; give it more time")
        if status:
            log.seek(0)
            lines = [line.strip() for line in log if line.strip()]
            raise BadInputError(f"the conversion failed ({lines[-1] if lines else f'exit status {status}'})")


def _report(output: IO[str] | None, progress: Progress) -> None:
    for line in output or ():
        if line.startswith("done: "):
            progress(line.removeprefix("done: ").strip())
