"""A sheet of an Excel workbook (.xlsx) as the text of a table with tabs, through openpyxl (extra ``excel``)."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import BadInputError

ZIP = b"PK\x03\x04"
# Bytes of a workbook, unpacked, read at most (1 GiB), chosen by hand: a small file can unpack to any size
_LARGEST_BYTES = 1 << 30


def sheet_text(path: Path, sheet: str = "") -> tuple[str, str, list[str]]:
    """Return a sheet's rows with tabs between their cells, its name, and the names of the other sheets.

    Formulas count as the values that were saved with them. Row n of the sheet is line n of the text.

    Parameters
    ----------
    sheet
        Name of the sheet; the first one if "".

    Raises
    ------
    BadInputError
        If openpyxl is not installed, the file is no workbook or damaged, or has no such sheet.
    """
    _check_size(path)
    try:
        import openpyxl
    except ImportError as error:
        raise BadInputError(
            f"Excel workbooks need openpyxl ({error}); pip install 'grfkit[excel]', or save the sheet as CSV"
        ) from error
    try:
        # by its bytes: openpyxl goes by the ending of a name, which may be wrong
        book = openpyxl.load_workbook(BytesIO(path.read_bytes()), read_only=True, data_only=True, keep_links=False)
        try:
            names = [page.title for page in book.worksheets]
            if not names or (sheet and sheet not in names):
                raise BadInputError(f"has no sheet '{sheet}'; its sheets are {', '.join(names) or 'none'}")
            chosen = sheet or names[0]
            rows = ["\t".join(_cell(value) for value in row) for row in book[chosen].iter_rows(values_only=True)]
        finally:
            book.close()
    except (BadInputError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises whatever a damaged file leads it to
        what = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        raise BadInputError(f"is a damaged Excel workbook ({what})") from error
    return "".join(f"{row}\n" for row in rows), chosen, [name for name in names if name != chosen]


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise BadInputError(f"is a damaged Excel workbook ({error})") from error
    if size > _LARGEST_BYTES:
        raise BadInputError(f"unpacks to {size / 1e9:.1f} GB, grfkit reads {_LARGEST_BYTES / 1e9:.1f} GB; cut it")


def _cell(value: Any) -> str:
    """Return a cell as text; its own tabs and line ends as blanks, so that they part no cells."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return " ".join(str(value).split())
