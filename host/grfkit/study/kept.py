"""What earlier runs of a study made, and of what: ``run.json`` in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..artefacts import written_whole
from ..provenance import describe_input

FILE = "run.json"


class Made(BaseModel):
    """What a part made: sentences about it, files relative to the study, and a doubt for its heading, if any."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    doubt: str = ""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    made: Made
    digests: dict[str, str] = {}


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: dict[str, _Entry] = {}


@dataclass
class Kept:
    """The parts that were done, by name; written after every change, so that a stopped run loses no part."""

    folder: Path
    _document: _Document = field(default_factory=_Document)

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """Return what stands in a study's folder; a file that cannot be read counts as none, and parts run again."""
        try:
            text = (folder / FILE).read_text(encoding="utf-8")
            return cls(folder, _Document.model_validate_json(text))
        except (OSError, ValueError, ValidationError):
            return cls(folder)

    def of(self, name: str, key: str) -> Made | None:
        """Return what a part made of the same things, if all of it is still there."""
        entry = self._document.parts.get(name)
        if not key or entry is None or entry.key != key or not entry.made.files:
            return None
        there = all((self.folder / file).exists() for file in entry.made.files)
        return entry.made if there and self._digests(entry.made.files) == entry.digests else None

    def files(self, name: str) -> tuple[str, ...]:
        """Return what the part wrote in an earlier run, which a new run may overwrite; none if somebody changed any."""
        entry = self._document.parts.get(name)
        if entry is None or any(self._digest(f) not in ("", d) for f, d in entry.digests.items()):
            return ()
        return entry.made.files

    def keep(self, name: str, key: str, made: Made) -> None:
        """Note what a part made."""
        self._document.parts[name] = _Entry(key=key, made=made, digests=self._digests(made.files))
        self._write()

    def forget(self, name: str) -> None:
        """Let a part run again next time; what it wrote stays known, so that it may be overwritten."""
        entry = self._document.parts.get(name)
        if entry is not None:
            self._document.parts[name] = entry.model_copy(update={"key": ""})
            self._write()

    def _digests(self, files: tuple[str, ...]) -> dict[str, str]:
        # what lies in a folder of the part is the folder's own: a proof is written into a model's card
        alone = [file for file in files if not any(file.startswith(f"{other}/") for other in files)]
        return {file: digest for file in alone if (digest := self._digest(file))}

    def _digest(self, file: str) -> str:
        """Return a file's SHA-256; of a folder, or where nothing is, an empty text."""
        path = self.folder / file
        return describe_input(path).sha256 if path.is_file() else ""

    def _write(self) -> None:
        text = json.dumps(self._document.model_dump(mode="json"), indent=2)
        with written_whole(self.folder / FILE, force=True) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
