"""Which device a stream's file states, and the refusal of a document that was measured on another."""

from __future__ import annotations

import xarray as xr

from ..errors import BadInputError


def stated_device(stream: xr.Dataset) -> str:
    """Return the device that a stream's file states; empty where it states none."""
    return str(stream.attrs.get("device", "") or stream.attrs.get("device_id", ""))


def refuse_other_device(stream: xr.Dataset, name: str, document: str, measured_on: str, *, what: str) -> None:
    """Refuse a document that was measured on another device than the stream's file states.

    Parameters
    ----------
    name, document
        Of the stream and of the document, for the message.
    measured_on
        The document's device; empty where it is not stated.
    what
        The device in a word: ``insole``, ``sensor``.

    Raises
    ------
    BadInputError
        If both are stated, and differ.
    """
    device = stated_device(stream)
    if measured_on and device and device != measured_on:
        raise BadInputError(
            f"calibration '{document}' was measured on '{measured_on}', '{name}' is of '{device}'; calibrate this"
            f" {what}"
        )
