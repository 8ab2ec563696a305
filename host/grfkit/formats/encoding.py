"""Bytes of a file -> text, and what a file is that holds none: a workbook, an archive, a picture."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import NamedTuple

from ..errors import BadInputError

# UTF-16 without its mark: of so many bytes, every second one is zero in at least this share of places, the others are
# ASCII in at least this share and zero in at most that; chosen by hand, as tables are nearly all ASCII
_LOOKED_AT, _FEWEST, _ZEROS, _NO_ZEROS = 4096, 16, 0.7, 0.02
_TEXT = frozenset(b"\t\n\r\f" + bytes(range(32, 127)))

_AS_TABLE = "save the table as CSV (comma separated, names of columns in the first row)"
_UNPACK = "unpack it and name the file that is in it"
_PICTURE = "grfkit reads recordings as numbers, no pictures"


class _Kind(NamedTuple):
    """A format that grfkit does not read: bytes at a place, what it is, and what to do."""

    at: int
    mark: bytes
    what: str
    advice: str


_KINDS = (
    _Kind(0, b"MATLAB 5.0 MAT-file", "a MATLAB file (.mat)", "save its arrays as CSV (writetable, writematrix)"),
    _Kind(0, b"MATLAB 7.3 MAT-file", "a MATLAB file (.mat)", "save its arrays as CSV (writetable, writematrix)"),
    _Kind(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file (.xls, .doc)", _AS_TABLE),
    _Kind(0, b"PAR1", "a Parquet table", f"{_AS_TABLE}, e.g. with pandas"),
    _Kind(0, b"ARROW1", "an Arrow or Feather table", f"{_AS_TABLE}, e.g. with pandas"),
    _Kind(0, b"FEA1", "a Feather table", f"{_AS_TABLE}, e.g. with pandas"),
    _Kind(0, b"\x93NUMPY", "a NumPy array (.npy)", "save it as CSV with the names of its columns"),
    _Kind(0, b"SQLite format 3\0", "an SQLite database", _AS_TABLE),
    _Kind(0, b"CDF\x01", "a netCDF 3 file", "grfkit reads the netCDF 4 files that it writes; save the data as CSV"),
    _Kind(0, b"CDF\x02", "a netCDF 3 file", "grfkit reads the netCDF 4 files that it writes; save the data as CSV"),
    _Kind(0, b"\x1f\x8b", "packed with gzip", f"{_UNPACK} (XDF is read packed if its name ends in .xdfz)"),
    _Kind(0, b"BZh", "packed with bzip2", _UNPACK),
    _Kind(0, b"\xfd7zXZ\0", "packed with xz", _UNPACK),
    _Kind(0, b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    _Kind(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _Kind(0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    _Kind(257, b"ustar", "a tar archive", _UNPACK),
    _Kind(0, b"%PDF-", "a PDF document", "a PDF holds no recording; export the recording itself"),
    _Kind(0, b"{\\rtf", "an RTF document", "save it as plain text"),
    _Kind(0, b"\x89PNG", "a picture (PNG)", _PICTURE),
    _Kind(0, b"\xff\xd8\xff", "a picture (JPEG)", _PICTURE),
    _Kind(0, b"GIF8", "a picture (GIF)", _PICTURE),
    _Kind(0, b"II*\0", "a picture (TIFF)", _PICTURE),
    _Kind(0, b"MM\0*", "a picture (TIFF)", _PICTURE),
    _Kind(8, b"WEBP", "a picture (WebP)", _PICTURE),
    _Kind(4, b"ftyp", "a video or picture (MP4, MOV, HEIC)", _PICTURE),
    _Kind(8, b"AVI ", "a video (AVI)", _PICTURE),
    _Kind(8, b"WAVE", "a sound file (WAV)", "grfkit reads no sound files; save the samples as CSV"),
    _Kind(
        8, b".FIT", "a FIT file of a sports watch", "it holds no samples of force or acceleration as grfkit reads them"
    ),
    _Kind(0, b"\xffBIOSEMI", "a BDF recording (BioSemi)", "save its channels as CSV"),
    _Kind(0, b"TDSm", "a TDMS file (LabVIEW)", "save its channels as CSV"),
    _Kind(0, b"LabVIEW Measurement", "a LabVIEW measurement file (.lvm)", _AS_TABLE),
    _Kind(128, b"DICM", "a DICOM file", _PICTURE),
)
_PICKLES = re.compile(rb"\x80[\x02-\x05]")
_ZIP = b"PK\x03\x04"
_IN_ZIP = (
    (re.compile(rb"xl/(workbook|worksheets|sharedStrings|styles|theme|_rels)"), "an Excel workbook", _AS_TABLE),
    (re.compile(rb"opendocument\.spreadsheet"), "a LibreOffice workbook", _AS_TABLE),
    (re.compile(rb"word/|opendocument\.text"), "a text document (.docx, .odt)", _AS_TABLE),
    (re.compile(rb"ppt/|opendocument\.presentation"), "a presentation", _PICTURE),
    (re.compile(rb"\.npy"), "an archive of NumPy arrays (.npz)", "save them as CSV with the names of their columns"),
)
_MARKUP = re.compile(r"\s*<(?P<mark>!doctype html|html|\?xml)", re.IGNORECASE)
_BY_ENDING = {
    ".mat": ("a MATLAB file (.mat)", "save its arrays as CSV (writetable, writematrix)"),
    ".xlsx": ("an Excel workbook, by its name", _AS_TABLE),
    ".xls": ("an Excel workbook, by its name", _AS_TABLE),
}


def decode(data: bytes) -> str:
    """Return text in UTF-8 or UTF-16, otherwise in Windows-1252.

    Raises
    ------
    BadInputError
        If it holds binary zeros; what it is then, where that can be seen.
    """
    if codec := _wide_codec(data):
        return data.decode(codec, errors="replace").removeprefix("\ufeff")
    if b"\0" in data:
        if what := foreign(data):
            raise BadInputError(what)
        raise BadInputError(f"holds binary zeros (byte {data.index(0)}); it is no text file, or a damaged one")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Windows programs, such as Vicon Nexus 1, write in this code page
        return data.decode("cp1252", errors="replace")


def head_text(data: bytes) -> str:
    """Return the first bytes of a file as text, whatever they are; a character that is cut at their end is left out."""
    if codec := _wide_codec(data):
        return data.decode(codec, errors="ignore").removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3:  # the head ends inside a character
            return data.decode("utf-8-sig", errors="ignore")
        return data.decode("cp1252", errors="replace")


def foreign(data: bytes, name: str = "") -> str:
    """Return what a file of another kind is, and what to do with it; "" where its first bytes do not say.

    Parameters
    ----------
    data
        The file, or its first 64 kB.
    name
        The file's name, for kinds without a mark.
    """
    what, advice = _kind(data) or _markup(head_text(data[:_LOOKED_AT])) or _BY_ENDING.get(_ending(name), ("", ""))
    return f"is {what}, which grfkit does not read; {advice}" if what else ""


def _kind(data: bytes) -> tuple[str, str] | None:
    if data.startswith(_ZIP):
        inside = next(((what, advice) for mark, what, advice in _IN_ZIP if mark.search(data)), None)
        return inside or ("a ZIP archive", _UNPACK)
    if _PICKLES.match(data):
        return "a Python pickle", "save its data as CSV; a pickle can run code, so grfkit reads none"
    return next(((k.what, k.advice) for k in _KINDS if data[k.at : k.at + len(k.mark)] == k.mark), None)


def _markup(text: str) -> tuple[str, str] | None:
    match = _MARKUP.match(text)
    if match and "html" in match["mark"].lower():
        return "a web page (HTML)", "download or export the file itself"
    if match:
        return "an XML document", "export the recording as CSV, C3D or another format that grfkit reads"
    if re.match(r"\s*[\[{]\s*(\"|\{|\[|-?\d)", text):
        return "a JSON document", _AS_TABLE
    return None


def _ending(name: str) -> str:
    return PurePath(name).suffix.lower()


def _wide_codec(data: bytes) -> str:
    """Return the codec of text in UTF-16 or UTF-32, with or without its mark; "" of any other bytes."""
    for mark, codec in ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")):
        if data.startswith(mark):
            return codec
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    some = data[: min(len(data), _LOOKED_AT) // 2 * 2]
    if len(some) < _FEWEST:
        return ""
    for first, codec in ((0, "utf-16-le"), (1, "utf-16-be")):
        letters, zeros = some[first::2], some[1 - first :: 2]
        share = zeros.count(0) / len(zeros)
        plain = sum(letter in _TEXT for letter in letters) / len(letters)
        if share > _ZEROS and letters.count(0) < _NO_ZEROS * len(letters) and plain > _ZEROS:
            return codec
    return ""
