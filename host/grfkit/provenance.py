"""The origin of an artefact: tool, version, configuration, and the SHA-256 of every input."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .errors import BadInputError

SCHEMA_VERSION = "1"


def tool_version() -> str:
    """Return the installed version of grfkit (``0+unknown`` in an uninstalled tree)."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("grfkit")
    except PackageNotFoundError:
        return "0+unknown"


class InputFile(BaseModel):
    """One input: its file name (never its folder: two machines give the same bytes), size and digest."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    sha256: str
    size_bytes: int
    role: str = "input"


class Provenance(BaseModel):
    """The origin of an artefact. Holds no time of day and no folder, so the same run gives the same bytes.

    Attributes
    ----------
    findings
        What was noticed and what was corrected, one sentence each, in order.
    """

    model_config = ConfigDict(extra="forbid")
    tool: str = "grfkit"
    version: str = Field(default_factory=tool_version)
    command: str = ""
    configuration: dict[str, Any] = Field(default_factory=dict)
    inputs: list[InputFile] = Field(default_factory=list)
    findings: list[str] = Field(default_factory=list)
    seed: int | None = None

    def merged(self, *others: Provenance) -> Provenance:
        """Return this provenance with the inputs and findings of ``others`` added, each once."""
        inputs, findings = list(self.inputs), list(self.findings)
        for other in others:
            inputs += [i for i in other.inputs if i not in inputs]
            findings += [f for f in other.findings if f not in findings]
        return self.model_copy(update={"inputs": inputs, "findings": findings})


def require_regular(path: Path) -> None:
    """Refuse what exists but is no regular file once links are followed: a read of a pipe may never end.

    Raises
    ------
    BadInputError
        If it is a folder, a pipe, a socket or a device, or its folder cannot be looked into.
    """
    try:
        folder, special = path.is_dir(), path.exists() and not path.is_file()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if folder:
        raise BadInputError(f"{path}: is a folder; name one file in it")
    if special:
        raise BadInputError(f"{path}: is no regular file (a pipe, socket or device); save its content to a file first")


def describe_input(path: Path, *, role: str = "input") -> InputFile:
    """Return the name, size and SHA-256 of a file.

    Raises
    ------
    BadInputError
        If the file is missing, no regular file or unreadable.
    """
    require_regular(path)
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return InputFile(name=path.name, sha256=digest.hexdigest(), size_bytes=size, role=role)
