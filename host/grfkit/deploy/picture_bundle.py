"""A bundle of pictures: the int8 file of a network of films, proven while it is made, written whole or not at all."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from ..arguments import as_path
from ..arrays import PathLike
from ..artefacts import FolderKind, check_folder, written_folder
from ..dataset.from_pictures import of_pictures
from ..errors import RefusedError
from ..learn.model import GrfModel
from ..learn.spec import DOCUMENT
from ..provenance import tool_version
from ..records.stance_set import StanceSet
from ..runtime import Interpreter, available, load, to_int8
from ..runtime.bundle_files import check_digest, members, read_sums, sums_text
from ..runtime.interpreters import label
from ..runtime.manifest import SUMS, Tensor
from ..runtime.pictures import PICTURES, PictureManifest, load_picture_bundle
from .bounds import BOUNDS
from .bundle import UNSTATED, Refusal
from .bundle_windows import IN_TRAINING, ParityWindows, WindowSource, parity_windows, windows_of
from .convert import Progress, representative
from .from_pictures import voxel_inputs
from .gate import passed
from .golden import Golden, npz_bytes, read_npz
from .picture_parity import PictureParity, QuantisedPictures, picture_parity, quantised_pictures, spread
from .tflite_file import TensorInfo, TfliteFile

PICTURE_FOLDER = FolderKind("bundle of pictures", PICTURES, lambda folder: members(folder) | {PICTURES})
"""What such a bundle's folder holds; whatever else is in it is never removed."""
CARD, GOLDEN = "CARD.md", "golden.npz"
GOLDEN_VOXELS = 16
"""Inputs and outputs that a bundle holds, so that any machine can be compared. Chosen by hand: some 100 kB."""
NO_C = (
    "there is no C of it: pictures come from a film and a pose model, which no insole runs; LiteRT and TFLite Micro"
    " answer alike"
)


def takes_pictures(folder: PathLike) -> bool:
    """Return whether the model in a folder takes the pictures of a film."""
    return of_pictures(GrfModel.load(folder).spec.scaler.channels)


def export_picture_bundle(
    model: PathLike,
    out: PathLike,
    *,
    calibrate: WindowSource = None,
    held_out: WindowSource = None,
    licence: str = UNSTATED,
    force: bool = False,
    progress: Progress | None = None,
) -> PictureManifest:
    """Write the bundle of a network of pictures, as ``grf-quantize export`` does, and return its manifest.

    Parameters
    ----------
    model
        Folder of the model, as grf-train wrote it.
    out
        Folder of the bundle.
    calibrate, held_out, licence, force, progress
        As of :func:`~grfkit.deploy.bundle.export_bundle`.

    Raises
    ------
    BadInputError
        If the network cannot be quantised, inputs cannot be used, or ``out`` exists and ``force`` is false.
    LeakError
        If everyone in ``held_out`` was in training.
    Refusal
        If the int8 file is not fit or a bound is broken: everything that is, and nothing is written.
    """
    folder, out = as_path(model, what="a saved model's folder"), as_path(out, what="the folder to write")
    check_folder(out, PICTURE_FOLDER, force=force)
    progress = progress or (lambda _: None)
    trained = GrfModel.load(folder)
    calibration = representative(trained, windows_of(folder, calibrate))
    tested = parity_windows(trained, folder, held_out, calibration)
    made = quantised_pictures(trained, calibration, progress=progress)
    try:
        passed(made.files["int8"])
        passed(made.files["float32"], "float")
    except RefusedError as refused:
        raise Refusal(out, [str(refused)]) from refused
    progress("gate")
    parity = picture_parity(trained, made, tested.data, tested.data.scalar("mass_kg"))
    progress("parity")
    if parity.failed:
        raise Refusal(out, parity.failed)
    manifest = _manifest(trained, made, tested, parity, licence)
    files = {
        manifest.model: made.files["int8"].content,
        "model_float32.tflite": made.files["float32"].content,
        DOCUMENT: (folder / DOCUMENT).read_bytes(),
        PICTURES: manifest.model_dump_json(indent=1).encode("utf-8"),
        CARD: card(manifest).encode("utf-8"),
        GOLDEN: npz_bytes(golden(trained, made, tested.data)),
    }
    files[SUMS] = sums_text({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}).encode("ascii")
    with written_folder(out, PICTURE_FOLDER, force=force) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
    progress("written")
    return manifest


def golden(model: GrfModel, made: QuantisedPictures, data: StanceSet) -> Golden:
    """Return some inputs in int8, and what TFLite Micro (or LiteRT's reference kernels) makes of them."""
    file = made.files["int8"]
    voxels = spread(voxel_inputs(model, data), GOLDEN_VOXELS)
    stored = to_int8(voxels, scale=file.input.scale, zero_point=file.input.zero_point).values
    return {"input_int8": stored, "output_int8": _exact(file.content).run(stored)}


def verified(folder: PathLike) -> list[str]:
    """Return what was proven of a bundle of pictures again, a line each; what was not is named.

    Raises
    ------
    BadInputError
        If it is no bundle, or no interpreter is installed.
    RefusedError
        If a file was changed, the int8 file is not fit, or it answers otherwise than when it was made.
    """
    path = as_path(folder, what="a bundle's folder")
    bundle, sums = load_picture_bundle(path), read_sums(path)
    for name in sums:
        check_digest(path, name, sums)
    content = (path / bundle.manifest.model).read_bytes()
    fit = passed(TfliteFile.read(path / bundle.manifest.model))
    known = read_npz((path / GOLDEN).read_bytes())
    engine = _exact(content)
    off = np.abs(engine.run(known["input_int8"]).astype(np.int16) - known["output_int8"])
    if off.max() > BOUNDS.micro_lsb:
        raise RefusedError(f"{path}: its golden outputs are {off.max()} steps off in {label(engine)}; export it again")
    return [
        f"{len(sums)} files are those of {SUMS}; operators {', '.join(fit.operators)}",
        f"{len(off)} golden inputs in {label(engine)}: at most {off.max()} LSB off",
        "not proven: the errors on people, whose pictures the bundle does not hold (grf-quantize export measures them)",
    ]


def _exact(content: bytes) -> Interpreter:
    """Return TFLite Micro, or LiteRT's reference kernels where it is not installed."""
    return load(content, "tflm") if "tflm" in available() else load(content, resolver="reference")


def _manifest(
    model: GrfModel, made: QuantisedPictures, tested: ParityWindows, parity: PictureParity, licence: str
) -> PictureManifest:
    file, scaler = made.files["int8"], model.spec.scaler
    return PictureManifest(
        network=str(model.spec.network["name"]),
        model_id=zlib.crc32(file.content),
        tflite_bytes=len(file.content),
        voxel=made.voxel,
        answer=made.answer,
        centre=scaler.centre,
        size=scaler.size,
        input=_tensor(file.input),
        output=_tensor(file.output),
        on=tested.on,  # type: ignore[arg-type]
        participants=tuple(p.removesuffix(IN_TRAINING) for p in parity.participants),
        frames=parity.frames,
        parity=parity.figures,
        calibrated_on=made.calibrated_on,
        frames_per_s=round(parity.frames_per_s, 1),
        interpreters=parity.interpreters,
        licence=licence,
        findings=(*tested.findings, NO_C),
        grfkit=tool_version(),
    )


def _tensor(tensor: TensorInfo) -> Tensor:
    return Tensor(shape=tensor.shape, dtype="int8", scale=tensor.scale, zero_point=tensor.zero_point)


def words(manifest: PictureManifest) -> list[str]:
    """Return what people read of a bundle of pictures, a line each."""
    voxel = manifest.voxel
    lines = [
        f"{manifest.network} in int8, {manifest.tflite_bytes} bytes; {voxel.frames} frames of {voxel.rows} x"
        f" {voxel.columns} to {', '.join(manifest.answer.axes)}",
        f"parity on {manifest.frames} pictures of {', '.join(manifest.participants)} ({manifest.on})",
        *[f"{f.name}: {f.value:.4g} {f.unit} (bound {f.bound:g})" for f in manifest.parity if f.bound is not None],
        f"{manifest.frames_per_s:.0f} answers/s on one core of the machine that made it, without the pose model",
    ]
    if voxel.after:
        lines.append(f"an answer waits for the {voxel.after} frames after its own")
    return lines + [f"note: {text}" for text in manifest.findings]


def card(manifest: PictureManifest) -> str:
    """Return the card."""
    body = "\n".join(f"* {line}" for line in words(manifest))
    return (
        f"# {manifest.network} of pictures in int8\n\n{body}\n* calibrated on {', '.join(manifest.calibrated_on)}\n"
        f"* licence of the weights: {manifest.licence}\n\nMade by grfkit {manifest.grfkit}. {DOCUMENT} is the document"
        " of the model that it was made of, whose own evaluation says what it is worth on somebody new.\n"
    )
