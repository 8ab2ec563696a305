"""netCDF4 files that ``Recording.to_netcdf`` wrote."""

from __future__ import annotations

from pathlib import Path

from ...errors import BadInputError
from ...records import Recording, read_tree
from ..base import Head, Match, Reader, ReadOptions
from ..files import refuse_extra

_HDF5 = b"\x89HDF\r\n\x1a\n"


def _sniff(head: Head) -> Match:
    if head.data.startswith(_HDF5):
        return Match(0.9, "starts with the mark of HDF5, which netCDF4 files carry")
    return Match(0.0, "does not start with the mark of HDF5")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "grfkit")
    tree = read_tree(path)
    artefact = tree.attrs.get("artefact")
    if artefact != "recording":
        raise BadInputError(f"is a grfkit {artefact}, not a recording")
    recording = Recording(tree)
    missing = {"device", "reader", "provenance"} - set(tree.attrs)
    if missing or not recording.streams:
        raise BadInputError(
            f"is a damaged grfkit recording (without {', '.join(sorted(missing)) or 'streams'})"
        )
    return Recording(tree, tuple(recording.provenance.findings))


READER = Reader("grfkit", "grfkit recording (netCDF4)", (".nc", ".nc4", ".h5"), _sniff, _read)
