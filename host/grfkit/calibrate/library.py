"""Finding and reading calibration documents, and the SHA-256 that says which bytes were used."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..arguments import refusal
from ..arrays import PathLike
from ..documents import document_bytes
from ..errors import BadInputError
from .documents import InsoleGeometry, LagTable
from .kinds import KINDS, AnyDocument, CalibrationDocument

D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True)
class Loaded(Generic[D]):
    """A document, the SHA-256 of its file's bytes, and the file's name and size."""

    document: D
    sha256: str
    file_name: str
    size_bytes: int


def calibration_root() -> Path:
    """Return the folder of the documents that come with grfkit.

    ``grfkit/_calibration`` in an installed wheel, otherwise ``calibration/`` of the source tree.

    Raises
    ------
    BadInputError
        If neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_calibration", package.parents[1] / "calibration"):
        if (folder / "lags").is_dir():
            return folder
    raise BadInputError("the calibration documents that come with grfkit are missing; reinstall grfkit")


def names(kind: str) -> list[str]:
    """Return the names of the built-in documents of a kind (a folder of ``calibration/``), sorted."""
    _folder_of(kind)
    return sorted(path.stem for path in (calibration_root() / kind).glob("*.json"))


def load(name_or_path: PathLike, *, kind: str | None = None) -> Loaded[AnyDocument]:
    """Return a calibration document by path, or by the name of a built-in one.

    Parameters
    ----------
    name_or_path
        A file (anything that ends in ``.json`` or has a folder in it), ``"lags/default"``, or with ``kind``
        just ``"default"``.
    kind
        ``insoles``, ``lags``, ``plates``, ``pressure``, ``cells``, ``scales``, ``imus`` or ``force_plates``:
        a document of another kind is refused.

    Raises
    ------
    BadInputError
        If there is no such document, it is no JSON, does not fit its schema, or is of another kind.
    """
    path = _path_of(name_or_path, kind)
    data = document_bytes(path)
    document = _parsed(data, path)
    if kind is not None and not isinstance(document, KINDS[kind]):
        raise BadInputError(f"{path}: is a {document.kind} document, expected one of '{kind}'")
    return Loaded(document, hashlib.sha256(data).hexdigest(), path.name, len(data))


def load_lag_table(name_or_path: PathLike = "default") -> Loaded[LagTable]:
    """Return a lag table, by default the built-in one; errors as :func:`load`."""
    loaded = load(name_or_path, kind="lags")
    assert isinstance(loaded.document, LagTable)
    return Loaded(loaded.document, loaded.sha256, loaded.file_name, loaded.size_bytes)


def load_insole(name_or_path: PathLike) -> Loaded[InsoleGeometry]:
    """Return an insole geometry by name or path; errors as :func:`load`."""
    loaded = load(name_or_path, kind="insoles")
    assert isinstance(loaded.document, InsoleGeometry)
    return Loaded(loaded.document, loaded.sha256, loaded.file_name, loaded.size_bytes)


def schema_files() -> dict[str, str]:
    """Return the text of each JSON Schema file under ``calibration/schemas`` by its file name."""
    return {
        f"{kind}.schema.json": json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for kind, model in KINDS.items()
    }


def write_schemas(folder: PathLike) -> None:
    """Write the JSON Schema files of all kinds into ``folder``."""
    for name, text in schema_files().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


def _folder_of(kind: str) -> str:
    if kind not in KINDS:
        raise BadInputError(f"calibration kind '{kind}' is not known; expected one of {', '.join(KINDS)}")
    return kind


def _path_of(name_or_path: PathLike, kind: str | None) -> Path:
    if kind is not None:
        _folder_of(kind)
    text = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or text.endswith(".json"):
        return Path(name_or_path)
    full = text if "/" in text else f"{kind}/{text}"
    folder, _, stem = full.partition("/")
    if folder not in KINDS:
        raise BadInputError(f"calibration document '{text}' has no kind; write it as 'lags/default' or give a path")
    if stem not in names(folder):
        available = ", ".join(f"{folder}/{name}" for name in names(folder)) or "none"
        raise BadInputError(f"calibration document '{full}' is not known; expected a path or one of: {available}")
    return calibration_root() / folder / f"{stem}.json"


def _parsed(data: bytes, path: Path) -> AnyDocument:
    adapter: TypeAdapter[AnyDocument] = TypeAdapter(CalibrationDocument)
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        kind = error.errors()[0]["loc"][:1]
        document = next((each for each in KINDS.values() if (each.model_fields["kind"].default,) == kind), None)
        raise BadInputError(f"{path}: is no calibration document: {refusal(error, document)}") from error
