"""Packages that not every installation has, and the extra of grfkit that brings each."""

from __future__ import annotations

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
    "starlette": "ble",
    "uvicorn": "ble",
    "websockets": "ble",
    "textual": "tui",
    "pylsl": "lsl",
    "matplotlib": "plot",
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
