"""Files of a bundle: ``SHA256SUMS``, the manifest, and the bundles that come with grfkit.

``SHA256SUMS`` holds the digest of every file of a bundle, and of its own lines; ``sha256sum -c`` reads it too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from ..arguments import refusal
from ..arrays import PathLike
from ..artefacts import recovered
from ..errors import BadInputError, RefusedError
from ..provenance import require_regular
from .manifest import MANIFEST, SUMS, Manifest

_NAME = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.][A-Za-z0-9_.-]*"
"""A name within a path: never ``.`` or ``..``, which lead elsewhere."""
_LINE = re.compile(rf"([0-9a-f]{{64}})  ({_NAME}(?:/{_NAME})*)")
_LAST_LINE = re.compile(r"# SHA-256 of the lines above: ([0-9a-f]{64})")

_PACKAGE = Path(__file__).resolve().parents[1]
_SHIPPED = (_PACKAGE / "_firmware", _PACKAGE.parents[1] / "firmware_models")
"""Folders of the bundles that come with grfkit: of an installed package, and of its repository."""


def shipped_bundle(name: str) -> Path:
    """Return the folder of a bundle that comes with grfkit.

    Raises
    ------
    BadInputError
        If none of this name is there; an installed package has fewer than the repository.

    Examples
    --------
    >>> from grfkit.runtime.bundle_files import shipped_bundle
    >>> shipped_bundle("bilstm_simulated").name
    'bilstm_simulated'
    """
    bundles = {path.parent.name: path.parent for folder in _SHIPPED for path in sorted(folder.glob(f"*/{MANIFEST}"))}
    if name not in bundles:
        raise BadInputError(f"no bundle '{name}' comes with this grfkit; there are {', '.join(bundles) or 'none'}")
    return bundles[name]


def sums_text(digests: Mapping[str, str]) -> str:
    """Return the file's text from digests by path, sorted; the last line is the digest of those before it."""
    lines = "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))
    return f"{lines}# SHA-256 of the lines above: {hashlib.sha256(lines.encode()).hexdigest()}\n"


def read_sums(folder: PathLike) -> dict[str, str]:
    """Return the digests that a bundle's ``SHA256SUMS`` holds, by path.

    Raises
    ------
    BadInputError
        If the folder has none.
    RefusedError
        If the file is not as it was written.
    """
    path = recovered(Path(folder)) / SUMS
    require_regular(path)
    try:
        text = path.read_bytes().decode("ascii")
    except OSError as error:
        raise BadInputError(f"{folder}: is no bundle of grf-quantize ({SUMS}: {error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise RefusedError(f"{path}: has bytes that are no text; the bundle was changed") from error
    *lines, last = text.removesuffix("\n").split("\n")
    matches = [_LINE.fullmatch(line) for line in lines]
    own_digest = _LAST_LINE.fullmatch(last)
    digests = {m[2]: m[1] for m in matches if m}
    # written once more and compared: order, line ends and the file's own digest at once
    if not lines or own_digest is None or len(digests) != len(lines) or sums_text(digests) != text:
        raise RefusedError(f"{path}: is not as it was written (its lines or its own digest are wrong)")
    return digests


def members(folder: Path) -> frozenset[str]:
    """Return the paths of the files that are a bundle's, as far as its ``SHA256SUMS`` can be read."""
    try:
        text = (folder / SUMS).read_text(encoding="ascii", errors="replace") if (folder / SUMS).is_file() else ""
    except OSError:
        text = ""
    return frozenset({MANIFEST, SUMS, *(m[2] for line in text.split("\n") if (m := _LINE.fullmatch(line)))})


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    RefusedError
        If it is missing, a link or no regular file.
    """
    # a link may lead out of the bundle, to a file that somebody changes later
    if path.is_symlink() or not path.is_file():
        raise RefusedError(f"{path}: is missing, a link or no regular file; {SUMS} names a file")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_digest(folder: Path, path: str, digests: Mapping[str, str]) -> None:
    """Refuse a file that is not the one ``SHA256SUMS`` names.

    Raises
    ------
    RefusedError
        Naming the file.
    """
    if path not in digests:
        raise RefusedError(f"{folder / path}: is not in {SUMS}")
    have = digest_of(folder / path)
    if have != digests[path]:
        raise RefusedError(
            f"{folder / path}: was changed (SHA-256 {have[:12]}..., {SUMS} says {digests[path][:12]}...); copy the"
            " bundle again"
        )


def read_manifest(folder: PathLike) -> Manifest:
    """Return a bundle's manifest, if it is the one its ``SHA256SUMS`` names.

    Raises
    ------
    BadInputError
        If the folder is no bundle.
    RefusedError
        If the manifest was changed, or is none by its schema.
    """
    folder = Path(folder)
    check_digest(folder, MANIFEST, read_sums(folder))
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except ValidationError as error:
        raise RefusedError(f"{folder / MANIFEST}: {refusal(error, Manifest)}; export the bundle again") from error
