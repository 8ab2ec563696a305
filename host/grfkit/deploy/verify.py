"""Whether a bundle is the one that was exported, and still does what it says; needs neither torch nor TensorFlow."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..embedded.compile import compiler, runtime_sources
from ..embedded.fixed import counts_to_int8
from ..embedded.insole import fixed_columns
from ..embedded.made_up_foot import foot_of
from ..errors import RefusedError
from ..estimate.open_model import read_spec
from ..learn.spec import ModelSpec
from ..provenance import tool_version
from ..runtime import Interpreter, available, load
from ..runtime.bundle import forces_bw, scaled
from ..runtime.bundle_files import check_digest, read_manifest, read_sums
from ..runtime.manifest import DOCUMENT, MANIFEST, SUMS, CFiles, Manifest
from ..runtime.numbers import to_int8
from .bounds import BOUNDS
from .compile_c import compile_c
from .emit_c import CModel, c_model
from .gate import Passed, Target, passed
from .golden import Golden, int8_forces, read_npz
from .manifest import c_files_of, differences
from .qemu import missing
from .same_bytes import boards_again, made_up
from .tflite_file import TfliteFile
from .verify_claims import wrong_claims, wrong_golden, wrong_texts

_ARRAY = re.compile(r"static const (\w+) (\w+)\[\d+\](?: GRF_ALIGNED)? = \{(.*?)\n?\};", re.DOTALL)
_SCRATCH = re.compile(r"#define \w+_SCRATCH_BYTES (\d+)u")
_MADE_UP = 200
_MAKE_S = 300.0
Told = Callable[[str], None]


@dataclass(frozen=True)
class Proof:
    """One thing that was proven, or why it could not be here (then ``proven`` is false; what is wrong is refused)."""

    name: str
    said: str
    proven: bool = True


@dataclass(frozen=True)
class Verified:
    """What was proven of a bundle."""

    name: str
    model_id: int
    files: int
    proofs: tuple[Proof, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what could not be proven on this machine."""
        return tuple(f"{p.name}: {p.said}" for p in self.proofs if not p.proven)

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Bundle:
    folder: Path
    manifest: Manifest
    spec: ModelSpec
    file: TfliteFile
    golden: Golden


def verify(bundle: Path, *, boards: Sequence[str] | None = None, progress: Told | None = None) -> Verified:
    """Return what was proven of a bundle; whatever is wrong refuses it.

    Its C is compiled and run on this machine, in the tests' own process: verify what comes from people you know.

    Parameters
    ----------
    boards
        QEMU's names of emulated boards that run golden windows again; those that the bundle counts and nobody named
        are not proven then. None: boards are left alone and not told of.

    Raises
    ------
    BadInputError
        If the folder is no bundle, a board is unknown, or reading .tflite files is not installed.
    RefusedError
        If a file was changed, is missing or unknown, or a claim does not hold; file or claim are named.
    """
    told = progress or _silent
    folder = Path(bundle)
    count = check_files(folder)
    told("files")
    opened = _open(folder)
    proofs = [Proof("files", f"{count} of {count} as SHA256SUMS and manifest.json name them")]
    for name, prove in _PROOFS:
        proofs.append(prove(opened))
        told(name)
    if boards is not None:
        proofs += _boards(opened, boards)
        told("boards")
    return Verified(opened.manifest.name, opened.manifest.model_id, count, tuple(proofs))


def _silent(step: str) -> None:
    del step


def check_files(folder: Path) -> int:
    """Return how many files a bundle has, if they are those it was written with and nothing else is there.

    Raises
    ------
    BadInputError
        If the folder is no bundle.
    RefusedError
        Naming the file that was changed, is missing or unknown.
    """
    digests = read_sums(folder)
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}
    missing, unknown = sorted(set(digests) - present), sorted(present - set(digests) - {SUMS})
    if missing:
        raise RefusedError(f"{folder / missing[0]}: is missing; {SUMS} names it")
    if unknown:
        raise RefusedError(
            f"{folder / unknown[0]}: is no file of the bundle; take it out (make clean, if make built it)"
        )
    for path in digests:
        check_digest(folder, path, digests)
    manifest = read_manifest(folder)
    named = {f.path: f.sha256 for f in manifest.files}
    if named != {p: d for p, d in digests.items() if p != MANIFEST}:
        raise RefusedError(f"{folder / MANIFEST}: names other files or digests than {SUMS}")
    for one in manifest.files:
        if (folder / one.path).stat().st_size != one.bytes:
            raise RefusedError(f"{folder / MANIFEST}: says {one.path} has {one.bytes} bytes")
    return len(digests)


def _open(folder: Path) -> _Bundle:
    manifest = read_manifest(folder)
    spec = read_spec(folder / DOCUMENT)
    file = TfliteFile.read(folder / manifest.model)
    try:
        golden = read_npz((folder / "golden.npz").read_bytes())
    except (OSError, ValueError, KeyError) as error:
        raise RefusedError(f"{folder / 'golden.npz'}: cannot be read ({error})") from error
    wrong = wrong_golden(manifest, golden)
    if wrong:
        raise RefusedError(f"{folder / 'golden.npz'}: {wrong}")
    return _Bundle(folder, manifest, spec, file, golden)


def _numbers(one: _Bundle) -> Proof:
    """Prove that the manifest's numbers are those of the int8 file and the model's document."""
    wrong = differences(one.manifest, one.file, one.spec)
    if wrong:
        raise RefusedError(
            f"{one.folder / MANIFEST}: {', '.join(wrong)} differ from what {one.manifest.model} and {DOCUMENT} say"
        )
    claim = next(wrong_claims(one.manifest, one.folder), None)
    if claim is not None:
        raise RefusedError(f"{one.folder / MANIFEST}: {claim}")
    return Proof("manifest", f"model_id 0x{one.manifest.model_id:08x}, scales, columns, detector, operators, figures")


def _texts(one: _Bundle) -> Proof:
    """Prove that card, README and the C side's texts are those that the manifest makes."""
    made_by = one.manifest.grfkit
    if made_by != tool_version():
        return Proof("texts", f"are of grfkit {made_by}, and were not made again with {tool_version()}", proven=False)
    wrong = next(wrong_texts(one.manifest, one.spec, one.golden, one.folder), None)
    if wrong is not None:
        raise RefusedError(
            f"{one.folder / wrong}: is not what {MANIFEST}, {DOCUMENT} and golden.npz make of it; take the bundle as it"
            " was exported, or export it again"
        )
    return Proof("texts", "card, README, settings, tests and build files are those that the manifest makes")


def _gate(one: _Bundle) -> Proof:
    done = _passed(one.folder / one.manifest.model)
    for kind in ("float32", "float16"):
        _passed(one.folder / f"model_{kind}.tflite", "float")
    return Proof(
        "gate", f"{sum(done.operators.values())} operators, {done.groups} groups of scales, {done.biases} biases"
    )


def _passed(path: Path, target: Target = "micro") -> Passed:
    try:
        return passed(TfliteFile.read(path), target)
    except RefusedError as refused:
        raise RefusedError(f"{path}: {refused}") from refused


def _fixed(one: _Bundle) -> Proof:
    """Prove the integers that make int8 of counts, and the forces of the int8 answers."""
    if not np.array_equal(counts_to_int8(one.golden["raw"], fixed_columns(one.manifest)), one.golden["input_int8"]):
        raise RefusedError(f"{one.folder / 'golden.npz'}: input_int8 is not what the manifest's columns make of raw")
    forces = int8_forces(one.manifest, one.golden["output_int8"])
    if not np.allclose(forces, one.golden["force"], rtol=0, atol=1e-12):
        raise RefusedError(f"{one.folder / 'golden.npz'}: force is not what the manifest's axes make of output_int8")
    made = forces_bw(one.manifest, one.golden["output_int8"], one.golden["mass_kg"])
    if not np.allclose(made, one.golden["force_bw"], rtol=0, atol=1e-9, equal_nan=True):
        raise RefusedError(f"{one.folder / 'golden.npz'}: force_bw is not what the manifest's axes make of output_int8")
    walked = _foot(one)
    return Proof("counts and forces", f"{len(one.golden['raw'])} golden windows{walked}")


def _foot(one: _Bundle) -> str:
    """Prove the way from samples to int8, where an insole can go it; older bundles do not tell it."""
    if "foot_input" not in one.golden:
        return ""
    due = foot_of(one.manifest, None)
    keys = ("foot_input", "foot_contact_100us")
    if not due or any(not np.array_equal(due[key], one.golden[key]) for key in keys):
        raise RefusedError(
            f"{one.folder / 'golden.npz'}: foot_input is not what the manifest's detector, levels and columns make of"
            " the made-up foot's samples"
        )
    return f", {len(due['foot_input'])} stances of the made-up foot from its samples on"


def _tflm(one: _Bundle) -> Proof:
    if "tflm" not in available():
        return Proof("TFLite Micro", "tflite-micro is not installed; pip install 'grfkit[quantize]'", proven=False)
    engine = load(one.file.content, "tflm")
    _check_steps(one, engine, 0)
    return Proof("TFLite Micro", f"{_label(engine)}: every byte of {len(one.golden['raw'])} golden windows")


def _litert(one: _Bundle) -> Proof:
    engine = load(one.file.content, "litert", resolver="reference")
    worst = _check_steps(one, engine, BOUNDS.micro_lsb)
    return Proof("LiteRT", f"{_label(engine)}: at most {worst} LSB from the golden windows")


def _label(engine: Interpreter) -> str:
    return f"{engine.backend} {engine.version}, {engine.resolver}"


def _check_steps(one: _Bundle, engine: Interpreter, most: int) -> int:
    golden = one.golden
    pairs = [
        (golden[f"{k}input{e}"], golden[f"{k}output{e}"])
        for k, e in (("", "_int8"), ("foot_", ""))
        if f"{k}input{e}" in golden
    ]
    worst = max(int(np.abs(engine.run(a).astype(np.int16) - b.astype(np.int16)).max()) for a, b in pairs)
    if worst > most:
        raise RefusedError(
            f"{one.folder / one.manifest.model}: {_label(engine)} is {worst} LSB from the golden windows"
        )
    return worst


def _torch(one: _Bundle) -> Proof:
    """Prove the float file and the int8 file against what torch said of the golden windows."""
    golden, manifest = one.golden, one.manifest
    inputs = scaled(manifest, golden["inputs"], golden["statics"])
    worst = _check_float(one, "float32", inputs, BOUNDS.float_bw)
    half = [f.value for f in manifest.parity.figures if f.name == "torch to float16 TFLite, greatest"]
    _check_float(one, "float16", inputs, 2.0 * max(half, default=0.0) + 1e-6)
    stored = to_int8(inputs, scale=manifest.input.scale, zero_point=manifest.input.zero_point).values
    engine = load(one.file.content, "litert", resolver="reference")
    off = np.abs(forces_bw(manifest, engine.run(stored), golden["mass_kg"]) - golden["torch_bw"])
    for k, axis in enumerate(manifest.axes):
        told = [f.value for f in manifest.parity.figures if _is_greatest(f.name, axis.name)]
        if told and off[:, :, k].max() > max(told) + 1e-6:
            raise RefusedError(
                f"{one.folder / one.manifest.model}: {axis.name} is {off[:, :, k].max():.3g} BW from torch on the"
                f" golden windows; the manifest says {max(told):.3g} at most"
            )
    return Proof("trained model", f"float32 within {worst:.2g} BW of torch, int8 within what the manifest says")


def _check_float(one: _Bundle, kind: str, inputs: NDArray[np.float32], most: float) -> float:
    """Return how far a float file is from torch on the golden windows, BW; refuse more than ``most``."""
    file = one.folder / f"model_{kind}.tflite"
    answers = _bw(one, load(file, "litert").run(inputs))
    worst = float(np.abs(answers - one.golden["torch_bw"]).max())
    if not worst <= most:
        raise RefusedError(f"{file}: is {worst:.3g} BW from torch on the golden windows, {most:.3g} at most are due")
    return worst


def _is_greatest(name: str, axis: str) -> bool:
    return "BUILTIN_REF" in name and name.endswith(f"error added, greatest, {axis}")


def _bw(one: _Bundle, standard: NDArray[Any]) -> NDArray[np.float64]:
    """Return BW of standardised answers in float."""
    unit = one.manifest.output.model_copy(update={"scale": 1.0, "zero_point": 0})
    return forces_bw(one.manifest.model_copy(update={"output": unit}), standard, one.golden["mass_kg"])


def _c(one: _Bundle) -> Proof:
    """Prove the C: its arrays are the .tflite's, and it answers the golden windows byte for byte."""
    told = one.manifest.c
    if told is None:
        return Proof("C", f"the bundle has none: {one.manifest.c_reason}")
    model, today = _told_model(one, told)
    arrays = "arrays are those of the .tflite" if today else "it is of another grfkit, arrays were not compared"
    if compiler() is None:
        return Proof("C", f"{arrays}; no C compiler was found to run it", proven=False)
    return Proof("C", f"{arrays}; every byte of {_run_c(one, model)} windows, golden ones and made-up ones")


def _told_model(one: _Bundle, told: CFiles) -> tuple[CModel, bool]:
    """Return the bundle's own C, and whether it is of today's runtime; refuse what is not of its int8 file."""
    emitted = c_model(one.file, one.manifest.name)
    if told != c_files_of(emitted):
        raise RefusedError(f"{one.folder / MANIFEST}: c is {told}, expected {c_files_of(emitted)}")
    source = (one.folder / told.source).read_text(encoding="utf-8")
    header = (one.folder / told.header).read_text(encoding="utf-8")
    today = _same_runtime(one.folder / "runtime")
    wrong = arrays_that_differ(source, emitted.source) if today else []
    if wrong:
        raise RefusedError(f"{one.folder / told.source}: {wrong[0]} is not what {one.manifest.model} holds")
    scratch, sizes = _SCRATCH.search(header), one.manifest.sizes
    if scratch is None:
        raise RefusedError(f"{one.folder / told.header}: states no SCRATCH_BYTES")
    if int(scratch[1]) != sizes.scratch_bytes or (today and emitted.const_bytes != sizes.const_bytes):
        raise RefusedError(
            f"{one.folder / MANIFEST}: sizes say {sizes.scratch_bytes} bytes of scratch and {sizes.const_bytes} of"
            f" arrays, the C {scratch[1]} and {emitted.const_bytes}"
        )
    return replace(emitted, source=source, header=header, scratch_bytes=int(scratch[1])), today


def _boards(one: _Bundle, boards: Sequence[str]) -> list[Proof]:
    """Prove that emulated boards answer golden windows byte for byte, and count what the bundle says."""
    told, sizes = one.manifest.c, one.manifest.sizes
    if told is None or (sizes.boards is None and not boards):
        return [Proof("boards", f"the bundle has no counts of them: {sizes.boards_reason}")]
    left = [name for name in sizes.boards or {} if name not in boards]
    unasked = [Proof("boards", f"{', '.join(left)} not run; --boards all runs them", proven=False)] if left else []
    if not boards:
        return unasked
    lacking = missing()
    if lacking:
        return [Proof("boards", lacking, proven=False)]
    golden = one.golden
    said, wrong = boards_again(
        _told_model(one, told)[0], golden["input_int8"], golden["output_int8"], sizes, boards, one.folder / "runtime"
    )
    if wrong:
        raise RefusedError(f"{one.folder / 'sizes.json'}: {'; '.join(wrong)}")
    return [Proof("boards", said), *unasked]


def _same_runtime(folder: Path) -> bool:
    """Return whether a bundle's runtime is the one of this grfkit, whose arrays are packed alike."""
    return all(
        (folder / p.name).is_file() and (folder / p.name).read_bytes() == p.read_bytes() for p in runtime_sources()
    )


def _run_c(one: _Bundle, model: CModel) -> int:
    """Return on how many windows the bundle's own C and runtime answered what they should."""
    golden = one.golden
    windows, expected = golden["input_int8"], golden["output_int8"]
    if "tflm" in available():
        more = made_up(_MADE_UP, windows.shape[1:])
        windows = np.concatenate([windows, more])
        expected = np.concatenate([expected, load(one.file.content, "tflm").run(more)])
    with tempfile.TemporaryDirectory(prefix="grfkit-verify-") as name:
        folder = Path(name)
        library = compile_c(model, folder, runtime=one.folder / "runtime")
        differ = int((library.run(windows) != expected).any(axis=(1, 2)).sum())
        if differ:
            raise RefusedError(
                f"{one.folder / 'c'}: the compiled C answers {differ} of {len(windows)} windows otherwise"
            )
        if shutil.which("make") is not None:
            _make(one.folder, folder / "own test")
    return len(windows)


def _make(folder: Path, elsewhere: Path) -> None:
    """Run the bundle's own test in a folder elsewhere that links to what it is built of: nothing is written here."""
    elsewhere.mkdir()
    for name in ("Makefile", "c", "runtime"):
        (elsewhere / name).symlink_to((folder / name).resolve())
    command = ["make", "-s", "-C", str(elsewhere), "BUILD=build", "test"]  # make cannot build where a path has spaces
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_MAKE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise RefusedError(f"{folder / 'Makefile'}: its test did not end within {_MAKE_S:g} s") from error
    if done.returncode or "every byte equal" not in done.stdout:
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        raise RefusedError(
            f"{folder / 'Makefile'}: its test ended with {done.returncode} and says"
            f" '{(lines or ['nothing'])[0].strip()[:200]}', expected every byte equal"
        )


def arrays_that_differ(source: str, other: str) -> list[str]:
    """Return the names of the const arrays that are not the same in two C files, or only in one."""
    first, second = _arrays(source), _arrays(other)
    return sorted(n for n in {*first, *second} if first.get(n) != second.get(n))


def _arrays(source: str) -> dict[str, tuple[str, str]]:
    return {name: (kind, re.sub(r"\s+", "", body)) for kind, name, body in _ARRAY.findall(source)}


_PROOFS: tuple[tuple[str, Callable[[_Bundle], Proof]], ...] = (
    ("manifest", _numbers),
    ("gate", _gate),
    ("counts", _fixed),
    ("TFLite Micro", _tflm),
    ("LiteRT", _litert),
    ("trained model", _torch),
    ("texts", _texts),
    ("C", _c),
)
