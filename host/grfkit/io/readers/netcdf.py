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
    _check_root(path)
    tree = read_tree(path)
    recording = Recording(tree)
    missing = {"device", "reader", "provenance"} - set(tree.attrs)
    if missing or not recording.streams:
        raise BadInputError(f"is a damaged grfkit recording (without {', '.join(sorted(missing)) or 'streams'})")
    return Recording(tree, tuple(recording.provenance.findings))


def _check_root(path: Path) -> None:
    """Refuse an HDF5 file that is no recording of ours before anything tries to make sense of it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            artefact = str(file.attrs.get("artefact", ""))
    except Exception as error:
        raise BadInputError(f"is damaged: HDF5 cannot open it ({type(error).__name__})") from error
    if not artefact:
        raise BadInputError("is HDF5 but was not written by grfkit; save its data as CSV")
    if artefact != "recording":
        raise BadInputError(f"is a grfkit {artefact}, not a recording")


READER = Reader("grfkit", "grfkit recording (netCDF4)", (".nc", ".nc4", ".h5"), _sniff, _read)
