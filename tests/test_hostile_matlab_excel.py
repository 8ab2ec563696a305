"""Broken MATLAB files and workbooks through the command: each ends with one line and exit code 2, and no traceback."""

from __future__ import annotations

import datetime
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from scipy.io import savemat

from grfkit.cli.inspect import main
from test_matlab_excel import TIME, version_5, version_73, xlsx

MAP_OF_ARRAYS = 'time = "t"\ntime_unit = "s"\n[columns]\n"force" = "fz [N]"\n'
HEADER = ["time [s]", "left_force [N]"]
Made = Callable[[Path], Path]


def inspected(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> str:
    """Return the one line that grf-inspect refuses a file with."""
    with patch.object(sys, "argv", ["grf-inspect", str(path), *options]), pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 2, err
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert "did not expect" not in err
    return err


def cut(writer: Callable[[Path], Path], share: float) -> Made:
    def made(path: Path) -> Path:
        data = writer(path).read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        return path

    return made


def arrays(**named: Any) -> Made:
    def made(path: Path) -> Path:
        savemat(path, named)
        return path

    return made


def bytes_of(data: bytes) -> Made:
    def made(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return made


WORDS = np.array(["12 N", "13 N"], dtype=object)
MATLAB: dict[str, tuple[Made, str]] = {
    "version 5, half of it": (cut(version_5, 0.5), "damaged MATLAB file"),
    "version 5, header alone": (cut(version_5, 0.05), "MATLAB file"),
    "version 7.3, half of it": (cut(version_73, 0.5), "damaged MATLAB file"),
    "version 7.3, header alone": (bytes_of(b"MATLAB 7.3 MAT-file".ljust(512)), "damaged MATLAB file"),
    "a workbook by another name": (
        lambda path: xlsx(path, [HEADER, [0, 1]]),
        "the column map names 'force', but the file's columns",
    ),
    "text by another name": (bytes_of(b"force\n1\n2\n"), "MATLAB file"),
    "empty": (bytes_of(b""), "is empty (0 bytes)"),
    "no sample": (arrays(t=np.zeros((0, 1)), force=np.zeros((0, 1))), "holds no array of numbers"),
    "words for numbers": (arrays(t=TIME, force=WORDS), "'force'"),
    "complex numbers": (arrays(t=TIME, force=1j * TIME), "'force'"),
    "time that stands still": (arrays(t=np.zeros(30), force=TIME), "time"),
    "all missing": (arrays(t=np.full(30, np.nan), force=TIME), "time"),
}


@pytest.mark.parametrize("name", MATLAB)
def test_broken_matlab_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    make, words = MATLAB[name]
    (tmp_path / "map.toml").write_text(MAP_OF_ARRAYS, encoding="utf-8")
    assert words in inspected(capsys, make(tmp_path / "a.mat"), "--column-map", str(tmp_path / "map.toml"))


def sheet(*rows: list[Any]) -> Made:
    return lambda path: xlsx(path, list(rows))


def bomb(path: Path) -> Path:
    """Write a workbook whose sheet unpacks to nothing but a broken XML."""
    with zipfile.ZipFile(sheet(HEADER, [0, 1])(path)) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:-60]
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    return path


NOON = datetime.datetime(2026, 3, 1, 12, 0, 0)
BOOKS: dict[str, tuple[Made, str]] = {
    "half of it": (cut(sheet(HEADER, *([i / 100, i] for i in range(40))), 0.5), "damaged Excel workbook"),
    "a sheet of broken XML": (bomb, "damaged Excel workbook"),
    "a MATLAB file by another name": (cut(version_5, 0.5), "MATLAB"),
    "text by another name": (bytes_of(b"time [s]\n1\n2\n"), "Excel workbook"),
    "an archive without a sheet": (bytes_of(b"PK\x05\x06" + bytes(18)), "Excel workbook"),
    "empty sheet": (sheet(), "no header row"),
    "names without numbers": (sheet(HEADER), "no data"),
    "text among numbers": (sheet(HEADER, [0, 1], [0.01, "12 N"], [0.02, 3]), "'12 N' is no number"),
    "dates for time": (sheet(HEADER, *([NOON, i] for i in range(9))), "2026-03-01"),
    "times of day for time": (sheet(HEADER, *([NOON.time(), i] for i in range(9))), "12:00:00"),
    "a value outside the table": (sheet(HEADER, [0, 1], [0.01, 2, 3]), "line 3"),
    "time that runs backward": (sheet(HEADER, *([-i / 100, i] for i in range(9))), "time"),
}


@pytest.mark.parametrize("name", BOOKS)
def test_broken_workbooks(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    make, words = BOOKS[name]
    assert words in inspected(capsys, make(tmp_path / "a.xlsx"))
