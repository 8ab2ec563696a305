"""A bundle: all that a device or another machine needs of a model, proven while it is made, written whole or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arguments import as_path, refuse_other
from ..arrays import PathLike
from ..embedded.compile import compiler
from ..embedded.made_up_foot import foot_of
from ..errors import BadInputError, RefusedError
from ..estimation.detector import detector
from ..learn.model import GrfModel, calibration_windows, predict
from ..learn.spec import DOCUMENT
from ..runtime import available, load, to_int8
from ..runtime.compiled import CRuntime
from ..runtime.manifest import MANIFEST, SUMS, BoardSize, Figure, Manifest
from .bounds import BOUNDS, FIXED_LSB, Bounds
from .bundle_folder import check_replaceable, write_folder
from .bundle_manifest import completed_manifest, draft_manifest, errors_of, sizes_of
from .bundle_rewrite import complete
from .bundle_windows import PARITY_WINDOWS, ParityWindows, WindowSource, parity_windows, windows_of
from .c_layers import NoC
from .compile_c import compile_c
from .convert import Converted, Progress, convert_model, representative
from .emit_c import CModel, c_model
from .from_torch import plan_inputs
from .gate import passed
from .golden import WINDOWS, Golden, fixed_to_float_lsb, golden_of, npz_bytes, physical
from .manifest import RATE_HZ, c_files_of, name_of
from .parity import parity
from .qemu import DEFAULT_BOARDS
from .same_bytes import board_keys, compare_c, on_boards
from .tflite_file import TfliteFile

UNSTATED = "not stated; ask whoever owns the training data before passing it on"
FAILED = "FAILED.txt"


class Refusal(RefusedError):
    """A bundle that was not written: ``broken`` holds every bound and rule it breaks."""

    def __init__(self, out: Path, broken: Sequence[str]) -> None:
        super().__init__(f"{out}: was not written, {len(broken)} broken: {'; '.join(broken)}")
        self.broken = tuple(broken)


@dataclass(frozen=True)
class _Export:
    """What a bundle is made of, and the files and broken bounds so far."""

    folder: Path
    model: GrfModel
    name: str
    converted: Converted
    tested: ParityWindows
    boards: tuple[str, ...]
    rate_hz: float
    licence: str
    progress: Progress
    bounds: Bounds
    files: dict[str, bytes] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def int8(self) -> TfliteFile:
        """Return the int8 file, repaired."""
        return self.converted.files["int8"]


@dataclass(frozen=True)
class _InC:
    """The model in C with its library and how it compares with TFLite Micro, or why there is none."""

    model: CModel | None = None
    library: CRuntime | None = None
    windows: int = 0
    figures: tuple[Figure, ...] = ()
    reason: str = ""


def export_bundle(
    model: PathLike,
    out: PathLike,
    *,
    calibrate: WindowSource = None,
    held_out: WindowSource = None,
    boards: Sequence[str] = DEFAULT_BOARDS,
    rate_hz: float = RATE_HZ,
    licence: str = UNSTATED,
    force: bool = False,
    keep_failed: PathLike | None = None,
    progress: Progress | None = None,
    bounds: Bounds = BOUNDS,
) -> Manifest:
    """Write the bundle of a trained model, as ``grf-quantize export`` does, and return its manifest.

    Parameters
    ----------
    model
        Folder of the model, as ``GrfModel.save`` or grf-train wrote it.
    out
        Folder of the bundle.
    calibrate
        Windows, or trials and sets, whose ranges the 8-bit numbers span; of training participants. None: the model's
        own calibration windows.
    held_out
        The same of people the model has not seen, with measured forces: parity is measured on them. None: those of
        ``held_out.nc`` in the model's folder; without one, the calibration windows, and manifest and card say so.
    boards
        QEMU's names of boards; where compiler or emulator are missing the manifest says that instead.
    rate_hz
        Of the device, for the detector and the stance buffer.
    licence
        Of the weights, for manifest and card.
    force
        Replace a bundle that is in ``out``.
    keep_failed
        A folder to look at a refused bundle in; it holds no manifest.
    progress
        Is given the name of each step that is done.
    bounds
        The greatest differences from the trained model that are let through.

    Raises
    ------
    BadInputError
        If the model cannot be quantised, inputs cannot be used, a board is unknown, or ``out`` exists and ``force`` is
        false.
    LeakError
        If everyone in ``held_out`` was in training.
    Refusal
        If the int8 file is not fit or a bound is broken: everything that is, and nothing is written.

    Examples
    --------
    >>> from grfkit import export_bundle
    >>> export_bundle("a_folder_without_a_model", "bundle")
    Traceback (most recent call last):
    grfkit.errors.BadInputError: a_folder_without_a_model: is no grfkit model ...
    """
    folder = as_path(model, what="a saved model's folder")
    out = as_path(out, what="the folder to write")
    failed = None if keep_failed is None else as_path(keep_failed, what="a folder")
    refuse_other(rate_hz, (int, float), "rate_hz as a number")
    refuse_other(licence, str, "licence as text")
    refuse_other(bounds, Bounds, "bounds, as grfkit.deploy.bounds.Bounds makes them")
    check_replaceable(out, force=force)
    if failed is not None and failed.exists():
        raise BadInputError(f"{failed}: exists; name a new folder to look at a refused bundle in")
    if "tflm" not in available():
        raise BadInputError(
            "a bundle is proven against TFLite Micro, which is not installed; pip install 'grfkit[quantize]'"
        )
    trained = GrfModel.load(folder)
    if trained.spec.limits is not None:
        raise BadInputError(
            f"{folder}: puts the contacts of a film right before it predicts, which a bundle does not do; train a"
            ' network (--method network, method="network" in Python) to bundle it'
        )
    calibration = representative(trained, windows_of(folder, calibrate))
    tested = parity_windows(trained, folder, held_out, calibration)
    # a rate or board that cannot be used is refused before minutes are spent on the conversion
    detector(trained.spec, trained.spec.points, rate_hz)
    board_keys(boards)
    progress = progress or (lambda _: None)
    converted = convert_model(trained, calibration, progress=progress)
    export = _Export(
        folder, trained, name_of(out), converted, tested, tuple(boards), rate_hz, licence, progress, bounds
    )
    manifest = _filled(export)
    if export.broken or manifest is None:
        if failed is not None:
            _keep(export, failed)
        raise Refusal(out, export.broken)
    write_folder(out, export.files, force=force)
    progress("written")
    return manifest


def _filled(export: _Export) -> Manifest | None:
    """Fill in the files of a bundle and return its manifest; None where the gate refused the int8 file."""
    model, file, data, files = export.model, export.int8, export.tested.data, export.converted.files
    for path, kind in (("model", "int8"), ("model_float32", "float32"), ("model_float16", "float16")):
        export.files[f"{path}.tflite"] = files[kind].content
    try:
        passed(file)
        passed(files["float32"], "float")
    except RefusedError as refused:
        export.broken.append(str(refused))
        return None
    export.progress("gate")
    report = parity(model, export.converted.plan, files, data, windows=PARITY_WINDOWS, bounds=export.bounds)
    export.broken.extend(report.failed)
    export.progress("parity")
    inputs = to_int8(plan_inputs(model, data), scale=file.input.scale, zero_point=file.input.zero_point).values
    in_c = _in_c(file, export.name, inputs)
    export.progress("C")
    draft = draft_manifest(
        model, export.converted, export.tested, report,
        name=export.name, rate_hz=export.rate_hz, licence=export.licence,
    )  # fmt: skip
    golden = _golden(draft, export)
    counts, reason, figures = _on_boards(export, in_c, golden)
    figures = (*figures, _fixed_figure(fixed_to_float_lsb(draft, golden)), *in_c.figures)
    export.broken.extend(f"{f.name} is {f.value:g} {f.unit}, bound {f.bound:g}" for f in figures if not f.kept)
    manifest = completed_manifest(
        draft,
        sizes=sizes_of(file, in_c.model, counts, reason),
        figures=figures,
        errors=errors_of(model, export.converted, export.tested, inputs),
        c=c_files_of(in_c.model) if in_c.model else None,
        c_reason=in_c.reason,
        c_windows=in_c.windows,
    )
    export.files[DOCUMENT] = (export.folder / DOCUMENT).read_bytes()
    return _with_files(export, manifest, golden, in_c.model)


def _fixed_figure(lsb: int) -> Figure:
    name = "fixed-point inputs to floating ones, greatest"
    return Figure(name=name, value=lsb, unit="LSB", bound=FIXED_LSB, kept=lsb <= FIXED_LSB)


def _in_c(file: TfliteFile, name: str, inputs: NDArray[np.int8]) -> _InC:
    """Return the model in C, proven against TFLite Micro; none where the runtime or this machine cannot."""
    try:
        model = c_model(file, name)
    except NoC as reason:
        return _InC(reason=str(reason))
    if compiler() is None:
        return _InC(reason="no C compiler was found on this machine, so that the C could not be proven")
    library = compile_c(model)
    compared = compare_c(file, library, inputs)
    return _InC(model, library, compared.windows, compared.figures)


def _golden(draft: Manifest, export: _Export) -> Golden:
    """Return golden vectors of some windows of parity, whose greatest errors hold for them, and of a made-up foot."""
    windows, engine = calibration_windows(export.tested.data, WINDOWS), load(export.int8.content, "tflm")
    # one window at a time, as on a device
    torch_bw = predict(export.model, windows, balanced=False)
    return golden_of(draft, physical(export.model.spec, windows), torch_bw, engine) | foot_of(draft, engine)


def _on_boards(
    export: _Export, in_c: _InC, golden: Golden
) -> tuple[dict[str, BoardSize] | None, str, tuple[Figure, ...]]:
    """Return what emulated boards counted, why there is nothing, and the figures."""
    if in_c.model is None or in_c.library is None:
        return None, f"there is no C of it ({in_c.reason})", ()
    return on_boards(in_c.model, in_c.library, golden["input_int8"], export.boards, export.progress)


def _with_files(export: _Export, manifest: Manifest, golden: Golden, model: CModel | None) -> Manifest:
    """Fill in all files, and return the manifest that names them."""
    export.files["golden.npz"] = npz_bytes(golden)
    return complete(export.files, manifest, export.model.spec, golden, model)


def _keep(export: _Export, folder: Path) -> None:
    """Write what there is of a refused bundle, without its manifest, so that nothing takes it for one."""
    files = {path: content for path, content in export.files.items() if path not in (MANIFEST, SUMS)}
    files[FAILED] = "".join(f"{text}\n" for text in export.broken).encode("utf-8")
    write_folder(folder, files)
