"""Models that come with grfkit: names, folders, and what each is for and was made of; needs no torch."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..arguments import as_path, refusal
from ..arrays import PathLike
from ..documents import document_bytes
from ..errors import BadInputError, GrfError
from ..runtime.bundle_files import check_digest, read_sums, shipped_bundle
from ..runtime.manifest import DOCUMENT
from .outputs import ABOUT

PREFIX = "grfkit:"
"""What stands before the name of a model that comes with grfkit, where a folder could be meant, too."""
FOLDER = Path(__file__).resolve().parents[1] / "models"
"""A folder for each packaged model, made by ``tools/make_models.py``."""
BUNDLES = {"insole-simulated": "bilstm_simulated"}
"""Models that are bundles, by their name here and the one of their folder."""
_BUNDLE_LINES = {
    "insole-simulated": "a SIMULATED insole of 16 cells with an IMU -> three forces (int8, as on the insole)"
}


class DataSource(BaseModel):
    """Recordings that a model was trained on: their name, licence, and what to cite."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    licence: str
    attribution: str


class About(BaseModel):
    """What a packaged model is for, beyond what its document says.

    Attributes
    ----------
    line
        What it takes and gives, for lists.
    takes
        Which recordings it takes, and how they are given.
    cut
        Detector of stances on a recording without plates; empty where nothing is cut.
    licence
        Of the model: kernels hold stances of the training, so that the licence of the data holds for it.
    never
        What it must not be used for.
    stored
        How its numbers are stored, and what that changes.
    body_weight
        Whether the force of its training averages one body weight over whole strides; where it does not, no estimate is
        held against that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    line: str
    takes: str
    cut: str = ""
    licence: str
    data: tuple[DataSource, ...]
    never: tuple[str, ...]
    stored: str = ""
    body_weight: bool = True


def packaged_names() -> tuple[str, ...]:
    """Return the names of the models that come with grfkit.

    Examples
    --------
    >>> from grfkit.learn.packaged import packaged_names
    >>> "insole-simulated" in packaged_names()
    True
    """
    # by either file: a model that lost one is damaged, not unknown
    found = {p.parent.name for file in (ABOUT, DOCUMENT) for p in FOLDER.glob(f"*/{file}")}
    return tuple(sorted(found | set(BUNDLES)))


def lines() -> list[str]:
    """Return a line for each packaged model: its name, what it takes and gives."""
    return [f"{PREFIX}{name}  {line_of(name)}" for name in packaged_names()]


def line_of(name: str) -> str:
    """Return what a packaged model takes and gives; of a damaged one that it is, so that the others can be listed."""
    if name in BUNDLES:
        return _BUNDLE_LINES[name]
    try:
        return read_about(FOLDER / name).line
    except GrfError:
        return "was damaged after it was installed; install grfkit again"


def read_about(folder: Path) -> About:
    """Return what a packaged model is for.

    Raises
    ------
    BadInputError
        If its document is missing or broken.
    """
    try:
        return About.model_validate_json(document_bytes(folder / ABOUT))
    except ValidationError as error:
        raise BadInputError(f"{folder / ABOUT}: {refusal(error, About)}") from error


def about_of(folder: Path) -> About | None:
    """Return what the model in a folder is for, if it comes with grfkit."""
    return read_about(folder) if folder.parent == FOLDER and (folder / ABOUT).is_file() else None


def packaged_name(model: PathLike) -> str:
    """Return the name behind ``grfkit:``; empty for a path."""
    text = os.fspath(model)
    return text.removeprefix(PREFIX).strip() if isinstance(text, str) and text.startswith(PREFIX) else ""


def model_folder(model: PathLike) -> Path:
    """Return the folder that ``grfkit:NAME`` or a path means; that of a packaged model is checked.

    Raises
    ------
    BadInputError
        If no model of this name comes with grfkit, or a file of it is not the one that was packaged.

    Examples
    --------
    >>> from grfkit.learn.packaged import model_folder
    >>> model_folder("grfkit:insole-simulated").name
    'bilstm_simulated'
    """
    path = as_path(model, what="a model's folder, or grfkit:NAME")
    text = os.fspath(model)
    if not (isinstance(text, str) and text.startswith(PREFIX)):
        return path
    name = packaged_name(model)
    if name not in packaged_names():
        known = "; ".join(lines())
        raise BadInputError(f"no model '{name}' comes with this grfkit; there are {known}")
    if name in BUNDLES:
        # a bundle is checked against its own sums when it is opened
        return shipped_bundle(BUNDLES[name])
    folder = FOLDER / name
    try:
        sums = read_sums(folder)
        # the document holds the digest of the weights, which is checked when they are read
        for file in (DOCUMENT, ABOUT):
            check_digest(folder, file, sums)
    except GrfError as error:
        raise BadInputError(
            f"{PREFIX}{name}: was damaged after it was installed ({error}); install grfkit again"
        ) from error
    return folder


def named_model(model: PathLike) -> Path:
    """Return the folder that a path, ``grfkit:NAME``, or a packaged model's plain name means; a folder goes first.

    Raises
    ------
    BadInputError
        As :func:`model_folder`.
    """
    path = as_path(model, what="a model's folder or name")
    plain = isinstance(model, str) and model in packaged_names() and not path.exists()
    return model_folder(f"{PREFIX}{model}" if plain else model)
