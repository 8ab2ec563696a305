"""Results kept by fingerprint: one safetensors file each and a journal with their digests; no pickle, kill-safe."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..artefacts import written_whole
from ..errors import BadInputError
from ..provenance import describe_input, tool_version
from ..records.stance_set import StanceSet

JOURNAL = "journal.jsonl"
KEY, ARRAY = "grfkit_result", "__array__"


class ResultCache:
    """A folder of results. One counts as there if its journal line is whole and its file has the digest of the line.

    A file is written beside and renamed before its line is appended, so that a kill at any moment leaves either both
    or a result that is computed again.

    Parameters
    ----------
    folder
        Made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInputError(f"{folder}: cannot be a folder of results ({error.strerror or error})") from error
        self._digests = {e["key"]: e["sha256"] for e in self.entries()}

    def entries(self) -> list[dict[str, Any]]:
        """Return the journal's whole lines; one cut short by a kill is passed over."""
        # split as bytes: a line cut within a letter is no text, and must not hide the others
        journal = self.folder / JOURNAL
        entries = []
        for line in journal.read_bytes().split(b"\n") if journal.is_file() else []:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and {"key", "sha256"} <= entry.keys():
                entries.append(entry)
        return entries

    def path(self, key: str) -> Path:
        """Return where the result of a fingerprint lies."""
        return self.folder / f"{key}.safetensors"

    def __contains__(self, key: str) -> bool:
        path = self.path(key)
        return key in self._digests and path.is_file() and describe_input(path).sha256 == self._digests[key]

    def write(self, key: str, value: Any, *, name: str, seconds: float) -> None:
        """Keep a result that :func:`plain` gave."""
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        text = json.dumps(_emptied(value, arrays), sort_keys=True)
        content = save(arrays, {KEY: text})
        # the file first: a journal line without its file would promise what is not there
        with written_whole(self.path(key), force=True) as temporary:
            temporary.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        line = json.dumps({"key": key, "name": name, "seconds": round(seconds, 3), "sha256": digest}, sort_keys=True)
        with open(self.folder / JOURNAL, "ab") as handle:
            # a line cut short by a kill stays a line of its own
            handle.write(f"\n{line}\n".encode())
            handle.flush()
            os.fsync(handle.fileno())
        self._digests[key] = digest

    def read(self, key: str) -> Any:
        """Return a kept result.

        Raises
        ------
        BadInputError
            If its file is no result.
        """
        try:
            with safe_open(self.path(key), framework="np") as handle:
                value = json.loads((handle.metadata() or {})[KEY])
                arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise BadInputError(f"{self.path(key)}: is no kept result ({error}); remove it") from error
        return _filled(value, arrays)


def plain(value: Any, *, where: str = "result") -> Any:
    """Return a value as it comes back from disk: mappings with text keys, lists, numbers, text, None, numpy arrays.

    Raises
    ------
    BadInputError
        If it holds anything else, an array of objects or text, or a mapping key that is no text.
    """
    if isinstance(value, Mapping):
        wrong = [k for k in value if not isinstance(k, str) or k == ARRAY]
        if wrong:
            raise BadInputError(f"{where} has the key {wrong[0]!r}; expected text other than '{ARRAY}'")
        # the same whether a job ran now or was read from disk: tuples are lists in both cases
        return {k: plain(v, where=where) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, where=where) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item(), where=where)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return np.array(value, order="C")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadInputError(f"{where} gives a {type(value).__name__}; expected JSON values and numeric numpy arrays")


def _emptied(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return the value with its arrays moved to ``arrays`` and named in their places."""
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, dict):
        return {k: _emptied(v, arrays) for k, v in value.items()}
    return [_emptied(v, arrays) for v in value] if isinstance(value, list) else value


def _filled(value: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, dict):
        return arrays[value[ARRAY]] if value.keys() == {ARRAY} else {k: _filled(v, arrays) for k, v in value.items()}
    return [_filled(v, arrays) for v in value] if isinstance(value, list) else value


def fingerprint_of(
    function: Callable[..., Any], arguments: Mapping[str, Any], digests: dict[int, str] | None = None
) -> str:
    """Return the SHA-256 of what decides a result: function by name, arguments by content, the tool's version.

    Files (``Path``) count by name and content, stance sets by their arrays and labels.

    Parameters
    ----------
    digests
        Digests of stance sets by ``id``, filled here, so that a set among the arguments of many jobs is read once;
        good only as long as these sets live and stay unchanged.

    Raises
    ------
    BadInputError
        If an argument has no content that could be told apart, such as an open connection.
    """
    function_name = f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
    # the version counts, because another one may compute otherwise under the same arguments
    content = {
        "function": function_name,
        "version": tool_version(),
        "arguments": _content(arguments, {} if digests is None else digests),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _content(value: Any, digests: dict[int, str]) -> Any:
    if isinstance(value, StanceSet):
        if id(value) not in digests:
            digests[id(value)] = digest_of(value)
        return {"stance set": digests[id(value)]}
    if isinstance(value, BaseModel):
        return {type(value).__name__: value.model_dump(mode="json")}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _content(getattr(value, f.name), digests) for f in dataclasses.fields(value)}
        return {type(value).__name__: fields}
    if isinstance(value, Path):
        return {"file": describe_input(value).model_dump()}
    if isinstance(value, Mapping):
        return {str(k): _content(v, digests) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_content(v, digests) for v in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return {"array": [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]}
    return plain(value, where="an argument of the job, which has no fingerprint,")


def digest_of(data: StanceSet, block: int = 256) -> str:
    """Return the SHA-256 of a set's arrays, labels and attributes, read ``block`` windows at a time."""
    digest = hashlib.sha256(json.dumps(data.data.attrs, sort_keys=True, default=str).encode())
    for name in sorted(str(n) for n in data.data.variables):
        item = data.data[name]
        digest.update(f"{name} {item.dims} {item.shape}".encode())
        if item.dtype.kind not in "fiub":
            digest.update(json.dumps([str(v) for v in item.values.ravel()]).encode())
            continue
        # block by block, since a set may be larger than memory
        rows = item.shape[0] if "stance" in item.dims else 1
        for low in range(0, rows, block):
            part = item.isel(stance=slice(low, low + block)) if "stance" in item.dims else item
            digest.update(np.ascontiguousarray(part.values).tobytes())
    return digest.hexdigest()
