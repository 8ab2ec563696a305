"""Packages that not every installation has, and the extra of grfkit that brings each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from .errors import BadInputError

EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "optuna": "train",
    "tensorflow": "quantize",
    "tf_keras": "quantize",
    "tflite_micro": "quantize",
    "ai_edge_litert": "edge",
    "bleak": "ble",
    "bumble": "ble",
    "serial": "ble",
    "cobs": "ble",
    "starlette": "page",
    "uvicorn": "page",
    "websockets": "page",
    "textual": "tui",
    "pylsl": "lsl",
    "matplotlib": "plot",
    "openpyxl": "excel",
    "pyarrow": "parquet",
    "av": "video",
    "cv2": "video",
}
"""The extra by the name that is imported; as in ``pyproject.toml``."""
_NAMES = {
    "serial": "pyserial",
    "cv2": "opencv-python-headless",
    "ai_edge_litert": "ai-edge-litert",
    "tf_keras": "tf-keras",
    "tflite_micro": "tflite-micro",
}
"""What a package is called where it is installed, if not by the name that is imported."""


def without_extra(what: str, error: ModuleNotFoundError) -> BadInputError | None:
    """Return the refusal of what needs a package that is not installed; None for packages of no extra.

    Parameters
    ----------
    what
        What was asked for: the beginning of the sentence.
    """
    package = (error.name or "").split(".")[0]
    if package not in EXTRAS:
        return None
    named = _NAMES.get(package, package)
    return BadInputError(f"{what} needs {named}; pip install 'grfkit[{EXTRAS[package]}]'")


def refuse_without(what: str, needed: Mapping[str, Sequence[str]]) -> None:
    """Refuse what needs packages of extras, before any work is done for it: all that are missing, in one line.

    Parameters
    ----------
    what
        What was asked for: the beginning of the sentence.
    needed
        The packages, by the names that are imported, of each extra.

    Raises
    ------
    BadInputError
        Naming the packages that are not installed, and the extras that bring them.
    """
    missing = {extra: [p for p in packages if not _is_installed(p)] for extra, packages in needed.items()}
    lacking = [extra for extra, packages in missing.items() if packages]
    if lacking:
        *first, last = dict.fromkeys(_NAMES.get(p, p) for packages in missing.values() for p in packages)
        named = f"{', '.join(first)} and {last}" if first else last
        raise BadInputError(f"{what} needs {named}; pip install 'grfkit[{','.join(lacking)}]'")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):  # hidden from this process by whoever started it
        return False
