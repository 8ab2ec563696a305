"""A bundle opened to be verified: every file checked against SHA256SUMS, then what the proofs read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import RefusedError
from ..estimation.open_model import read_spec
from ..learn.spec import ModelSpec
from ..runtime.bundle_files import check_digest, read_manifest, read_sums
from ..runtime.manifest import DOCUMENT, MANIFEST, SUMS, Manifest
from .golden import Golden, read_npz
from .tflite_file import TfliteFile
from .verify_claims import wrong_golden


@dataclass(frozen=True)
class Proof:
    """One thing that was proven, or why it could not be here (then ``proven`` is false; what is wrong is refused)."""

    name: str
    said: str
    proven: bool = True


@dataclass(frozen=True)
class OpenedBundle:
    """A bundle's folder, and all that its proofs read from it."""

    folder: Path
    manifest: Manifest
    spec: ModelSpec
    file: TfliteFile
    golden: Golden

    @property
    def model_path(self) -> Path:
        """Return the path of the int8 file."""
        return self.folder / self.manifest.model


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
    # a link to a folder counts as a file: nothing may come in by one
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
    entries = {f.path: f.sha256 for f in manifest.files}
    if entries != {p: d for p, d in digests.items() if p != MANIFEST}:
        raise RefusedError(f"{folder / MANIFEST}: names other files or digests than {SUMS}")
    for entry in manifest.files:
        if (folder / entry.path).stat().st_size != entry.bytes:
            raise RefusedError(f"{folder / MANIFEST}: says {entry.path} has {entry.bytes} bytes")
    return len(digests)


def open_bundle(folder: Path) -> OpenedBundle:
    """Return a bundle's manifest, document, int8 file and golden windows.

    Raises
    ------
    BadInputError
        If the folder is no bundle.
    RefusedError
        If a file cannot be read, or the golden windows' arrays are not of the manifest's shapes.
    """
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
    return OpenedBundle(folder, manifest, spec, file, golden)
