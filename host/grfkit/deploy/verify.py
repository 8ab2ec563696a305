"""Whether a bundle is the one that was exported, and still does what it says; needs neither torch nor TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import as_path, refuse_other
from ..arrays import Floats, PathLike
from ..embedded.insole import fixed_columns
from ..embedded.int8_input import counts_to_int8
from ..embedded.made_up_foot import foot_of
from ..errors import RefusedError
from ..provenance import tool_version
from ..runtime import Interpreter, available, load
from ..runtime.bundle import forces_bw, scaled
from ..runtime.interpreters import label
from ..runtime.manifest import DOCUMENT, MANIFEST
from ..runtime.numbers import to_int8
from .bounds import BOUNDS
from .gate import Passed, Target, passed
from .golden import int8_forces
from .manifest import differences
from .qemu import DEFAULT_BOARDS
from .same_bytes import board_keys
from .tflite_file import TfliteFile
from .verify_c import prove_c, prove_on_boards
from .verify_claims import wrong_claims, wrong_texts
from .verify_files import OpenedBundle, Proof, check_files, open_bundle

_SLACK_BW = 1e-6
"""What an error may be above what the manifest states, BW: chosen by hand, a tenth of the float file's own bound."""
_TIMES_FLOAT16 = 2.0
"""How far the float16 file may be from torch on the golden windows, times what the export measured: it has no bound of
its own. Chosen by hand."""
_SAME_FORCE, _SAME_FORCE_BW = 1e-12, 1e-9
"""Greatest difference of a golden force made again, in the manifest's unit and in BW. Chosen by hand: the arithmetic is
the same and in double precision, so that only its last bits may differ between machines."""


@dataclass(frozen=True)
class VerifiedBundle:
    """What was proven of a bundle.

    Attributes
    ----------
    files
        How many files it has.
    """

    name: str
    model_id: int
    files: int
    proofs: tuple[Proof, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what could not be proven on this machine."""
        return tuple(f"{p.name}: {p.said}" for p in self.proofs if not p.proven)

    def __str__(self) -> str:
        """Return every proof in a line, and how many could not be made here."""
        lines = [f"{self.name}, model_id 0x{self.model_id:08x}"]
        lines += [f"  {'proven' if p.proven else 'NOT PROVEN HERE'}: {p.name}: {p.said}" for p in self.proofs]
        count = len(self.missing)
        if count:
            were = "was" if count == 1 else "were"
            lines.append(f"  nothing wrong was found, but {count} of {len(self.proofs)} {were} not proven here")
        return "\n".join(lines)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return asdict(self)


def verify_bundle(
    bundle: PathLike,
    *,
    boards: Sequence[str] | None = DEFAULT_BOARDS,
    run: bool | None = None,
    progress: Callable[[str], None] | None = None,
) -> VerifiedBundle:
    """Return what was proven of a bundle, as ``grf-quantize verify`` does; whatever is wrong refuses it.

    Parameters
    ----------
    bundle
        Its folder.
    boards
        QEMU's names of emulated boards that run golden windows again; those that the bundle counts and nobody named
        are not proven then. None: boards are left alone, and no proof speaks of them.
    run
        Whether the bundle's C is compiled and run on this machine, in the caller's own process, and on emulated boards.
        None: only where every line of it is what this grfkit writes and ships. True: whatever it is; for bundles of
        people you trust. False: all else is proven, and these are named as not proven.
    progress
        Is given the name of each step that is done.

    Raises
    ------
    BadInputError
        If the folder is no bundle, a board is unknown, or reading .tflite files is not installed.
    RefusedError
        If a file was changed, is missing or unknown, or a claim does not hold; file or claim are named.

    Examples
    --------
    >>> from grfkit import verify_bundle
    >>> from grfkit.runtime.bundle_files import shipped_bundle
    >>> verified = verify_bundle(shipped_bundle("bilstm_simulated"), boards=None)
    >>> verified.name, verified.files
    ('bilstm_simulated', 63)
    >>> [proof.name for proof in verified.proofs][:4]
    ['files', 'manifest', 'gate', 'counts and forces']
    """
    progress = progress or (lambda _: None)
    refuse_other(run, (bool, type(None)), "run as True, False or None")
    folder = as_path(bundle, what="a bundle's folder")
    board_keys(boards or ())
    count = check_files(folder)
    progress("files")
    opened = open_bundle(folder)
    proofs = [Proof("files", f"{count} of {count} as SHA256SUMS and manifest.json name them")]
    for name, prove in _PROOFS:
        proofs.append(prove(opened))
        progress(name)
    proofs.append(prove_c(opened, run))
    progress("C")
    if boards is not None:
        proofs += prove_on_boards(opened, boards, run)
        progress("boards")
    return VerifiedBundle(opened.manifest.name, opened.manifest.model_id, count, tuple(proofs))


def _numbers(bundle: OpenedBundle) -> Proof:
    """Prove that the manifest's numbers are those of the int8 file and the model's document."""
    wrong = differences(bundle.manifest, bundle.file, bundle.spec)
    if wrong:
        raise RefusedError(
            f"{bundle.folder / MANIFEST}: {', '.join(wrong)} differ from what {bundle.manifest.model} and {DOCUMENT}"
            " say"
        )
    claim = next(wrong_claims(bundle.manifest, bundle.folder), None)
    if claim is not None:
        raise RefusedError(f"{bundle.folder / MANIFEST}: {claim}")
    return Proof(
        "manifest", f"model_id 0x{bundle.manifest.model_id:08x}, scales, columns, detector, operators, figures"
    )


def _texts(bundle: OpenedBundle) -> Proof:
    """Prove that card, README and the C side's texts are those that the manifest makes."""
    version = bundle.manifest.grfkit
    if version != tool_version():
        return Proof("texts", f"are of grfkit {version}, and were not made again with {tool_version()}", proven=False)
    wrong = next(wrong_texts(bundle.manifest, bundle.spec, bundle.golden, bundle.folder), None)
    if wrong is not None:
        raise RefusedError(
            f"{bundle.folder / wrong}: is not what {MANIFEST}, {DOCUMENT} and golden.npz make of it; take the bundle as"
            " it was exported, or export it again"
        )
    return Proof("texts", "card, README, settings, tests and build files are those that the manifest makes")


def _gate(bundle: OpenedBundle) -> Proof:
    int8 = _passed(bundle.model_path)
    for kind in ("float32", "float16"):
        _passed(bundle.folder / f"model_{kind}.tflite", "float")
    operators = sum(int8.operators.values())
    return Proof("gate", f"{operators} operators, {int8.groups} groups of scales, {int8.biases} biases")


def _passed(path: Path, target: Target = "micro") -> Passed:
    try:
        return passed(TfliteFile.read(path), target)
    except RefusedError as refused:
        raise RefusedError(f"{path}: {refused}") from refused


def _fixed(bundle: OpenedBundle) -> Proof:
    """Prove the integers that make int8 of counts, and the forces of the int8 outputs."""
    manifest, golden, path = bundle.manifest, bundle.golden, bundle.folder / "golden.npz"
    if not np.array_equal(counts_to_int8(golden["raw"], fixed_columns(manifest)), golden["input_int8"]):
        raise RefusedError(f"{path}: input_int8 is not what the manifest's columns make of raw")
    forces = int8_forces(manifest, golden["output_int8"])
    if not np.allclose(forces, golden["force"], rtol=0, atol=_SAME_FORCE):
        raise RefusedError(f"{path}: force is not what the manifest's axes make of output_int8")
    in_bw = forces_bw(manifest, golden["output_int8"], golden["mass_kg"])
    if not np.allclose(in_bw, golden["force_bw"], rtol=0, atol=_SAME_FORCE_BW, equal_nan=True):
        raise RefusedError(f"{path}: force_bw is not what the manifest's axes make of output_int8")
    return Proof("counts and forces", f"{len(golden['raw'])} golden windows{_foot(bundle)}")


def _foot(bundle: OpenedBundle) -> str:
    """Prove the way from samples to int8, where an insole can go it; older bundles have no such golden numbers."""
    if "foot_input" not in bundle.golden:
        return ""
    expected = foot_of(bundle.manifest, None)
    keys = ("foot_input", "foot_contact_100us")
    if not expected or any(not np.array_equal(expected[key], bundle.golden[key]) for key in keys):
        raise RefusedError(
            f"{bundle.folder / 'golden.npz'}: foot_input is not what the manifest's detector, levels and columns make"
            " of the made-up foot's samples"
        )
    return f", {len(expected['foot_input'])} stances of the made-up foot from its samples on"


def _tflm(bundle: OpenedBundle) -> Proof:
    if "tflm" not in available():
        return Proof("TFLite Micro", "tflite-micro is not installed; pip install 'grfkit[quantize]'", proven=False)
    engine = load(bundle.file.content, "tflm")
    _check_steps(bundle, engine, 0)
    return Proof("TFLite Micro", f"{label(engine)}: every byte of {len(bundle.golden['raw'])} golden windows")


def _litert(bundle: OpenedBundle) -> Proof:
    engine = load(bundle.file.content, "litert", resolver="reference")
    worst = _check_steps(bundle, engine, BOUNDS.micro_lsb)
    return Proof("LiteRT", f"{label(engine)}: at most {worst} LSB from the golden windows")


def _check_steps(bundle: OpenedBundle, engine: Interpreter, most: int) -> int:
    """Return how many steps of the last bit an interpreter is from the golden windows; refuse more than ``most``."""
    golden = bundle.golden
    pairs = [
        (golden[f"{k}input{e}"], golden[f"{k}output{e}"])
        for k, e in (("", "_int8"), ("foot_", ""))
        if f"{k}input{e}" in golden
    ]
    # in int16: a difference of two int8 does not fit int8
    worst = max(int(np.abs(engine.run(a).astype(np.int16) - b.astype(np.int16)).max()) for a, b in pairs)
    if worst > most:
        raise RefusedError(f"{bundle.model_path}: {label(engine)} is {worst} LSB from the golden windows")
    return worst


def _torch(bundle: OpenedBundle) -> Proof:
    """Prove the float file and the int8 file against what torch said of the golden windows."""
    golden, manifest = bundle.golden, bundle.manifest
    inputs = scaled(manifest, golden["inputs"], golden["statics"])
    worst = _check_float(bundle, "float32", inputs, BOUNDS.float_bw)
    half = [f.value for f in manifest.parity.figures if f.name == "torch to float16 TFLite, greatest"]
    _check_float(bundle, "float16", inputs, _TIMES_FLOAT16 * max(half, default=0.0) + _SLACK_BW)
    stored = to_int8(inputs, scale=manifest.input.scale, zero_point=manifest.input.zero_point).values
    engine = load(bundle.file.content, "litert", resolver="reference")
    error_bw = np.abs(forces_bw(manifest, engine.run(stored), golden["mass_kg"]) - golden["torch_bw"])
    for k, axis in enumerate(manifest.axes):
        ending = f"error added, greatest, {axis.name}"
        stated = [f.value for f in manifest.parity.figures if "BUILTIN_REF" in f.name and f.name.endswith(ending)]
        if stated and error_bw[:, :, k].max() > max(stated) + _SLACK_BW:
            raise RefusedError(
                f"{bundle.model_path}: {axis.name} is {error_bw[:, :, k].max():.3g} BW from torch on the"
                f" golden windows; the manifest says {max(stated):.3g} at most"
            )
    return Proof("trained model", f"float32 within {worst:.2g} BW of torch, int8 within what the manifest says")


def _check_float(bundle: OpenedBundle, kind: str, inputs: NDArray[np.float32], most: float) -> float:
    """Return how far a float file is from torch on the golden windows, BW; refuse more than ``most``."""
    file = bundle.folder / f"model_{kind}.tflite"
    worst = float(np.abs(_bw(bundle, load(file, "litert").run(inputs)) - bundle.golden["torch_bw"]).max())
    # not "worst > most", which NaN would pass
    if not worst <= most:
        raise RefusedError(f"{file}: is {worst:.3g} BW from torch on the golden windows, the limit is {most:.3g}")
    return worst


def _bw(bundle: OpenedBundle, standardised: NDArray[Any]) -> Floats:
    """Return BW of a float file's standardised outputs."""
    unit = bundle.manifest.output.model_copy(update={"scale": 1.0, "zero_point": 0})
    return forces_bw(bundle.manifest.model_copy(update={"output": unit}), standardised, bundle.golden["mass_kg"])


_PROOFS: tuple[tuple[str, Callable[[OpenedBundle], Proof]], ...] = (
    ("manifest", _numbers),
    ("gate", _gate),
    ("counts", _fixed),
    ("TFLite Micro", _tflm),
    ("LiteRT", _litert),
    ("trained model", _torch),
    ("texts", _texts),
)
