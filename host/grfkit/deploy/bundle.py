"""A bundle: all that a device or another machine needs of a model, proven while it is made, written whole or not."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..embedded.compile import RUNTIME, compiler, runtime_sources
from ..embedded.made_up_foot import foot_of
from ..errors import BadInputError, RefusedError
from ..estimate.detector import detector
from ..learn.baseline_base import mean_curve
from ..learn.folds import LeakError
from ..learn.model import GrfModel, calibration_windows, predict
from ..learn.recipe import Recipe, artefact_files, artefact_of, load_sets, recipe_of_model
from ..learn.spec import DOCUMENT
from ..provenance import tool_version
from ..records.participants import seen_among
from ..records.stance_set import StanceSet
from ..runtime import available, from_int8, load, to_int8
from ..runtime.bundle_files import sums_text
from ..runtime.compiled import CRuntime
from ..runtime.manifest import MANIFEST, SUMS, Axis, Figure, File, Manifest, Parity, Sizes, Trained
from ..units import G
from .bounds import BOUNDS, Bounds
from .bundle_texts import bundle_texts
from .c_layers import NoC
from .compile_c import compile_c
from .convert import Converted, convert_model, representative
from .emit_c import CModel, c_model
from .from_torch import plan_inputs
from .gate import passed
from .golden import WINDOWS, Golden, fixed_to_float_lsb, golden_of, npz_bytes, physical
from .manifest import RATE_HZ, axes_of, derived, name_of, told_of_c, unknown_units
from .parity import ParityReport, parity
from .plan import Plan
from .qemu import compiler_version
from .same_bytes import Compared, compare_c, on_boards
from .tflite_file import TfliteFile

BOARDS = ("mps2-an386",)
HELD_OUT = "held_out.nc"
"""Windows of people the model has not seen, which a model's folder may offer."""
PARITY_WINDOWS = 400
UNSTATED = "not stated; ask whoever owns the training data before passing it on"
FAILED = "FAILED.txt"
MEAN_CURVE = "mean curve"
_SEEN = " (in training)"
Told = Callable[[str], None]
Sets = StanceSet | Sequence[Path] | None


class Refusal(RefusedError):
    """A bundle that was not written: ``broken`` holds every bound and rule it breaks."""

    def __init__(self, out: Path, broken: Sequence[str]) -> None:
        super().__init__(f"{out}: was not written, {len(broken)} broken: {'; '.join(broken)}")
        self.broken = tuple(broken)


@dataclass
class _Made:
    """What there is so far: files by path, and what broke its bound."""

    files: dict[str, bytes] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def text(self, path: str, content: str) -> None:
        self.files[path] = content.encode("utf-8")


@dataclass(frozen=True)
class _InC:
    """The model in C with its library, or why there is none."""

    model: CModel | None
    library: CRuntime | None
    compared: Compared | None
    reason: str


@dataclass(frozen=True)
class _Tested:
    """The windows that parity is measured on, who they are of, and what is to be known of that."""

    data: StanceSet
    on: str
    findings: tuple[str, ...]
    known: StanceSet
    """The calibration windows: what a mean curve may know."""


def export(
    model_folder: Path,
    out: Path,
    *,
    calibrate: Sets = None,
    held_out: Sets = None,
    boards: Sequence[str] = BOARDS,
    rate_hz: float = RATE_HZ,
    licence: str = UNSTATED,
    force: bool = False,
    keep_failed: Path | None = None,
    progress: Told | None = None,
    bounds: Bounds = BOUNDS,
) -> Manifest:
    """Write the bundle of a trained model, and return its manifest.

    Parameters
    ----------
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
    keep_failed
        A folder to look at a refused bundle in; it holds no manifest.
    progress
        Is given the name of each step that is done.

    Raises
    ------
    BadInputError
        If the model cannot be quantised, inputs cannot be used, or ``out`` exists and ``force`` is false.
    LeakError
        If everyone in ``held_out`` was in training.
    Refusal
        If the int8 file is not fit or a bound is broken: everything that is, and nothing is written.
    """
    told = progress or _silent
    check_replaceable(out, force=force)
    if keep_failed is not None and keep_failed.exists():
        raise BadInputError(f"{keep_failed}: exists; name a new folder to look at a refused bundle in")
    if "tflm" not in available():
        raise BadInputError(
            "a bundle is proven against TFLite Micro, which is not installed; pip install 'grfkit[quantize]'"
        )
    model = GrfModel.load(model_folder)
    chosen = representative(model, _windows(model_folder, calibrate))
    tested = _tested(model, model_folder, held_out, chosen)
    detector(model.spec, model.spec.points, rate_hz)  # refused before minutes are spent
    converted = convert_model(model, chosen, told=told)
    made = _Made()
    manifest = _make(made, model, model_folder, name_of(out), converted, tested, boards, rate_hz, licence, told, bounds)
    if made.failed or manifest is None:
        _keep(made, keep_failed)
        raise Refusal(out, made.failed)
    _write_whole(out, made.files, force=force)
    told("written")
    return manifest


def check_replaceable(out: Path, *, force: bool) -> None:
    """Refuse to write where something is that is no bundle, or a bundle without ``force``.

    Raises
    ------
    BadInputError
        Naming the folder.
    """
    if not out.parent.is_dir():
        raise BadInputError(f"{out}: its folder does not exist")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise BadInputError(f"{out}: exists and is no folder; name another one")
    if not out.exists():
        return
    if any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise BadInputError(f"{out}: exists and is no bundle; name another folder")
    if not force:
        raise BadInputError(f"{out}: exists; use --force to overwrite it")


def _silent(step: str) -> None:
    del step


def _windows(folder: Path, told: Sets) -> StanceSet | None:
    """Return windows that were given as a set or as files; trials are cut as the model's recipe says."""
    if told is None or isinstance(told, StanceSet):
        return told
    return load_sets(list(told), _recipe(folder, told))


def _recipe(folder: Path, paths: Sequence[Path]) -> Recipe:
    """Return how trials are cut: as in training; a model that was saved without a recipe can have stance sets only.

    Raises
    ------
    BadInputError
        If a path cannot be used, or there are trials and nothing says how to cut them.
    """
    trials = [path for path in artefact_files(paths) if artefact_of(path) == "trial"]
    if not trials:
        return Recipe()
    try:
        return recipe_of_model(folder)
    except BadInputError as error:
        raise BadInputError(
            f"{trials[0]}: is a trial, and {folder} names no recipe that says how its windows are cut; name stance sets"
            " (.nc of StanceSet.save), or train with grf-train, which keeps the recipe"
        ) from error


def _tested(model: GrfModel, folder: Path, held_out: Sets, calibration: StanceSet) -> _Tested:
    """Return the windows parity is measured on: of strangers where there are any."""
    data = _windows(folder, held_out)
    if data is None and (folder / HELD_OUT).is_file():
        data = StanceSet.open(folder / HELD_OUT)
    if data is None:
        return _of_training(_usable(model, calibration)[0])
    seen = seen_among(data.participants, model.participants)
    strangers = [p for p in data.participants if p not in seen]
    if not strangers:
        raise LeakError(
            f"all of the held-out participants ({', '.join(seen)}) were in training; name trials of others, or leave"
            " --held-out away, and the bundle says that nobody else was at hand"
        )
    said = f"{', '.join(seen)} of the held-out windows were in training and were left out of parity"
    chosen, dropped = _usable(model, data.of(strangers))
    return _Tested(chosen, "held-out people", (*((said,) if seen else ()), *dropped), calibration)


def _usable(model: GrfModel, data: StanceSet) -> tuple[StanceSet, tuple[str, ...]]:
    """Return the windows of parity that have a known sample, and what is to be said of the others.

    Raises
    ------
    BadInputError
        If none is left, or no force was measured.
    """
    chosen = calibration_windows(data, PARITY_WINDOWS).data
    names = [c for c in model.spec.scaler.channels if c in chosen["channel"].values]
    known = np.isfinite(chosen["inputs"].sel(channel=names).values).any(axis=(1, 2))
    if not known.any() or not np.isfinite(chosen["targets"].values[known]).any():
        raise BadInputError(
            f"none of {len(known)} windows of {', '.join(data.participants)} has a known sample and a measured force;"
            " parity is measured on such"
        )
    said = f"{int((~known).sum())} of {len(known)} windows have no known sample and were left out of parity"
    return StanceSet(chosen.isel(stance=np.flatnonzero(known))), () if known.all() else (said,)


def _of_training(data: StanceSet) -> _Tested:
    """Return the calibration windows, everyone named as one of the training."""
    labels = np.asarray([f"{p}{_SEEN}" for p in data.per_stance("participant")], dtype=object)
    relabelled = StanceSet(data.data.assign_coords(participant=("stance", labels)))
    said = (
        "no held-out people were at hand: parity was measured on training people"
        f" ({', '.join(data.participants)}), and says nothing of somebody new"
    )
    return _Tested(relabelled, "training people", (said,), data)


def _make(
    made: _Made, model: GrfModel, folder: Path, name: str, converted: Converted, tested: _Tested,
    boards: Sequence[str], rate_hz: float, licence: str, told: Told, bounds: Bounds,
) -> Manifest | None:  # fmt: skip
    """Fill in the files of a bundle and return its manifest; None where the gate refused the int8 file."""
    file = converted.files["int8"]
    made.files["model.tflite"] = file.content
    for kind in ("float32", "float16"):
        made.files[f"model_{kind}.tflite"] = converted.files[kind].content
    try:
        passed(file)
        passed(converted.files["float32"], "float")
    except RefusedError as refused:
        made.failed.append(str(refused))
        return None
    told("gate")
    report = parity(model, converted.plan, converted.files, tested.data, windows=PARITY_WINDOWS, bounds=bounds)
    made.failed += report.failed
    told("parity")
    chosen = tested.data
    inputs = to_int8(plan_inputs(model, chosen), scale=file.input.scale, zero_point=file.input.zero_point).values
    in_c = _in_c(file, name, inputs)
    told("C")
    draft = _draft(model, file, converted, tested, name, rate_hz, licence, report)
    golden = _golden(draft, model, chosen, file)  # of the windows of parity, whose greatest errors hold for them
    sizes, figures = _sizes(in_c, file, golden, boards, told)
    lsb = fixed_to_float_lsb(draft, golden)
    figures += (
        Figure(name="fixed-point inputs to floating ones, greatest", value=lsb, unit="LSB", bound=1, kept=lsb <= 1),
    )
    figures += in_c.compared.figures if in_c.compared else ()
    made.failed += [f"{f.name} is {f.value:g} {f.unit}, bound {f.bound:g}" for f in figures if not f.kept]
    errors = _errors(model, converted.plan, chosen, file, inputs, tested.known)
    manifest = _completed(draft, in_c, sizes, figures, errors)
    made.files[DOCUMENT] = (folder / DOCUMENT).read_bytes()
    return _with_files(made, manifest, model, golden, in_c)


def _in_c(file: TfliteFile, name: str, inputs: NDArray[np.int8]) -> _InC:
    """Return the model in C, proven against TFLite Micro; none where the runtime or this machine cannot."""
    try:
        model = c_model(file, name)
    except NoC as reason:
        return _InC(None, None, None, str(reason))
    if compiler() is None:
        return _InC(None, None, None, "no C compiler was found on this machine, so that the C could not be proven")
    library = compile_c(model)
    return _InC(model, library, compare_c(file, library, inputs), "")


def _draft(
    model: GrfModel, file: TfliteFile, converted: Converted, tested: _Tested, name: str, rate_hz: float, licence: str,
    report: ParityReport,
) -> Manifest:  # fmt: skip
    """Return the manifest as far as it is known before C, boards and files."""
    spec, plan = model.spec, converted.plan
    units = unknown_units(spec)
    more = (f"counts of {', '.join(units)} were chosen by range: no device has said them",) if units else ()
    return Manifest(
        name=name,
        axes=tuple(Axis(**a) for a in axes_of(plan)),
        interpreters=report.interpreters,
        parity=Parity(
            on=tested.on,  # type: ignore[arg-type]
            participants=tuple(p.removesuffix(_SEEN) for p in report.participants),
            windows=report.windows,
            c_windows=0,
            figures=tuple(_figure(c) for c in report.to_dict()["checks"]),
            axes={a: _finite(row) for a, row in report.axes.items()},
        ),
        sizes=Sizes(
            tflite_bytes=len(file.content), const_bytes=None, scratch_bytes=None, boards=None, boards_reason=""
        ),
        c=None,
        c_reason="",
        calibrated_on=converted.calibrated_on,
        licence=licence,
        trained=Trained(
            weights_sha256=spec.weights_sha256,
            network=spec.network,
            seed=spec.provenance.seed,
            grfkit=spec.provenance.version,
        ),
        grfkit=tool_version(),
        findings=(*tested.findings, *more),
        files=(),
        **derived(file, spec, plan.unit, rate_hz=rate_hz),
    )


def _figure(check: Mapping[str, Any]) -> Figure:
    return Figure(**dict(check))


def _finite(row: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in row.items() if np.isfinite(value)}


def _golden(draft: Manifest, model: GrfModel, data: StanceSet, file: TfliteFile) -> Golden:
    chosen = calibration_windows(data, WINDOWS)
    known = physical(model.spec, chosen)
    engine = load(file.content, "tflm")
    return golden_of(draft, known, predict(model, chosen), engine) | foot_of(draft, engine)


def _sizes(
    in_c: _InC, file: TfliteFile, golden: Golden, boards: Sequence[str], told: Told
) -> tuple[Sizes, tuple[Figure, ...]]:
    if in_c.model is None or in_c.library is None:
        reason = f"there is no C of it ({in_c.reason})"
        return _size(file, None, None, reason), ()
    counted, reason, figures = on_boards(in_c.model, in_c.library, golden["input_int8"], boards, told)
    return _size(file, in_c.model, counted, reason), figures


def _size(file: TfliteFile, model: CModel | None, boards: Any, reason: str) -> Sizes:
    return Sizes(
        tflite_bytes=len(file.content),
        const_bytes=model.const_bytes if model else None,
        scratch_bytes=model.scratch_bytes if model else None,
        boards=boards,
        boards_reason=reason,
        boards_compiler=compiler_version() if boards else None,
    )


def _errors(
    model: GrfModel, plan: Plan, data: StanceSet, file: TfliteFile, inputs: NDArray[np.int8], known: StanceSet
) -> dict[str, dict[str, float]]:
    """Return RMSE against the measured force of torch, of int8 by TFLite Micro and of a mean curve; in BW and N."""
    _, targets, weight = data.arrays()
    measured = np.where(weight[:, :, None] > 0, targets[:, :, [data.axes.index(a) for a in plan.axes]], np.nan)
    newtons = (data.scalar("mass_kg") * G)[:, None, None]
    said = from_int8(load(file.content, "tflm").run(inputs), scale=file.output.scale, zero_point=file.output.zero_point)
    forces = plan.forces(said)
    usual = mean_curve(known)[None, :, [known.axes.index(a) for a in plan.axes]]
    in_bw = forces / newtons if plan.unit == "N" else forces
    answers = {"torch": predict(model, data), "int8": in_bw, MEAN_CURVE: usual}
    table: dict[str, dict[str, float]] = {axis: {} for axis in plan.axes}
    for who, answer in answers.items():
        for unit, factor in (("bw", 1.0), ("n", newtons)):
            square = ((answer - measured) * factor) ** 2
            for k, axis in enumerate(plan.axes):
                finite = square[:, :, k][np.isfinite(square[:, :, k])]
                if finite.size:
                    table[axis][f"rmse_{unit} {who}"] = float(np.sqrt(finite.mean()))
    return table


def _completed(
    draft: Manifest, in_c: _InC, sizes: Sizes, figures: tuple[Figure, ...], errors: Mapping[str, Mapping[str, float]]
) -> Manifest:
    told = draft.parity
    axes = {a: {**row, **errors.get(a, {})} for a, row in told.axes.items()}
    windows = in_c.compared.windows if in_c.compared else 0
    lost = [a for a, row in axes.items() if row.get("rmse_bw int8", 0.0) >= row.get(f"rmse_bw {MEAN_CURVE}", math.inf)]
    if lost:
        said = f"on {', '.join(lost)} the model does not beat the mean curve of its calibration windows"
        draft = draft.model_copy(update={"findings": (*draft.findings, said)})
    whole = told.model_copy(update={"figures": (*told.figures, *figures), "axes": axes, "c_windows": windows})
    c = told_of_c(in_c.model) if in_c.model else None
    return draft.model_copy(update={"parity": whole, "sizes": sizes, "c": c, "c_reason": in_c.reason})


def _with_files(made: _Made, manifest: Manifest, model: GrfModel, golden: Golden, in_c: _InC) -> Manifest:
    """Fill in all files, and return the manifest that names them."""
    made.files["golden.npz"] = npz_bytes(golden)
    made.text("sizes.json", json.dumps(manifest.sizes.model_dump(mode="json"), indent=1, sort_keys=True) + "\n")
    runtime = [] if in_c.model is None else runtime_sources()
    if in_c.model is not None:
        made.text(f"c/{in_c.model.name}.c", in_c.model.source)
        made.text(f"c/{in_c.model.name}.h", in_c.model.header)
        for path in (*runtime, *sorted(RUNTIME.glob("grf_*.h"))):
            made.files[f"runtime/{path.name}"] = path.read_bytes()
        licence = RUNTIME.parents[1] / "LICENSE"
        if licence.is_file():
            made.files["LICENSE"] = licence.read_bytes()
    for path_, text in bundle_texts(manifest, model.spec, golden, [p.name for p in runtime]).items():
        made.text(path_, text)
    entries = tuple(
        File(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for path, content in sorted(made.files.items())
    )
    whole = Manifest.model_validate(manifest.model_copy(update={"files": entries}).model_dump())
    made.text(MANIFEST, whole.text())
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in made.files.items()}
    made.text(SUMS, sums_text(digests))
    return whole


def _keep(made: _Made, folder: Path | None) -> None:
    """Write what there is of a refused bundle, without its manifest, so that nothing takes it for one."""
    if folder is None:
        return
    kept = {path: content for path, content in made.files.items() if path not in (MANIFEST, SUMS)}
    kept[FAILED] = "".join(f"{text}\n" for text in made.failed).encode("utf-8")
    _write_whole(folder, kept, force=False)


def _write_whole(out: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Write a folder beside its place, then put it there.

    Raises
    ------
    BadInputError
        If it cannot be written.
    """
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise BadInputError(f"{out}: cannot be written ({error.strerror or error})") from error
    try:
        for path, content in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_bytes(content)
        beside.chmod(0o755)
        _put(beside, out, force=force)
    except OSError as error:
        raise BadInputError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, out: Path, *, force: bool) -> None:
    """Give a folder its place; what is there stays until the new one is, and comes back if that fails."""
    if not (out.exists() and force):
        beside.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent)) / out.name
    try:
        out.rename(old)
        beside.rename(out)
    finally:
        if old.exists() and not out.exists():  # Ctrl-C comes between two lines too
            old.rename(out)
        shutil.rmtree(old.parent, ignore_errors=True)
