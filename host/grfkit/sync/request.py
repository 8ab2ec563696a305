"""The options of one alignment, checked, and the sources it reads: files, or recordings already in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..arguments import ArgumentError, as_path
from ..arrays import PathLike
from ..errors import BadInputError
from ..limits import MASS_KG, SLOPE_PERCENT, SPEED_M_S
from ..provenance import InputFile, describe_input
from ..records import Prior, Recording, Surface
from ..records.person import Person
from .settings import AlignSettings

if TYPE_CHECKING:
    from ..io import Reader

FILM = "film"
"""Name of the reader of films."""
Source = Path | Recording
"""What an alignment reads: a file, or a recording that stands for one."""


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _apart(values: object) -> object:
    """Return a list of choices with those apart that were written with commas between."""
    if not isinstance(values, tuple | list):
        return values
    return tuple(part for value in values for part in (value.split(",") if isinstance(value, str) else [value]))


def _of_a_film(value: str | None) -> str | None:
    """Return who is meant in a film."""
    if value is not None and value not in ("left", "right") and not value.isdigit():
        raise ValueError(f"{value!r} is neither left nor right of those who walk, nor a number (0 goes farthest)")
    return value


AnyCase = BeforeValidator(_lower)
"""A choice may be written in any case."""
Several = BeforeValidator(_apart)
OF_FILMS = ("walker", "near_side", "picture")
"""Options that only a film's reader takes."""
LATER = ("person", "walker", "near_side", "picture", "allow_short")
"""Options that journals and trials of an earlier grfkit do not hold: left out of both where they are not stated."""


class SyncRequest(BaseModel):
    """Files and options of one trial, as ``grf-sync`` takes them; stored whole in the trial. Unknown keys are refused.

    :func:`grfkit.sync.align` explains each option.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    reference: Path | None = None
    wearables: tuple[Path, ...] = ()
    surface: Annotated[Surface, AnyCase]
    mass_kg: float | None = Field(default=None, ge=MASS_KG[0], le=MASS_KG[1])
    participant: str = ""
    speed_m_s: float | None = Field(default=None, ge=SPEED_M_S[0], le=SPEED_M_S[1])
    slope_percent: float | None = Field(default=None, ge=SLOPE_PERCENT[0], le=SLOPE_PERCENT[1])
    forward: Annotated[str, AnyCase] = ""
    prior_offset_s: float | None = None
    prior_sd_s: float | None = Field(default=None, gt=0.0)
    synchronised: bool = False
    offset_s: float | None = None
    offset_sd_s: float | None = Field(default=None, gt=0.0)
    together: bool | None = None
    allow_partial: bool = False
    accept_refused: bool = False
    correct: Annotated[tuple[Annotated[str, AnyCase], ...], Several] = ()
    plates: Path | None = None
    side: Annotated[tuple[Annotated[Literal["left", "right"], AnyCase], ...], Several] = ()
    column_map: Path | None = None
    rate_hz: float | None = Field(default=None, gt=0.0)
    allow_short: bool = False
    calibrations: tuple[Path, ...] = ()
    settings: AlignSettings = AlignSettings()
    person: Person | None = None
    walker: Annotated[str | None, AnyCase, AfterValidator(_of_a_film)] = None
    near_side: Annotated[Literal["left", "right"] | None, AnyCase] = None
    picture: Annotated[Literal["silhouette", "grey", "full frame", "background silhouette"] | None, AnyCase] = None

    @property
    def reference_file(self) -> Path:
        """Return the reference's path.

        Raises
        ------
        BadInputError
            If there is none.
        """
        if self.reference is None:
            raise BadInputError("no reference is given (--reference; reference in Python), and here one is needed")
        return self.reference

    @property
    def mass_stated_kg(self) -> float | None:
        """Return the body mass: the trial's own, or else the person's."""
        return self.person.mass_kg if self.mass_kg is None and self.person is not None else self.mass_kg

    def prior(self) -> Prior | None:
        """Return the prior on the offset.

        Raises
        ------
        BadInputError
            If only one of offset and SD was given.
        """
        if (self.prior_offset_s is None) != (self.prior_sd_s is None):
            raise BadInputError(
                "a prior needs both its offset and its SD: --prior-offset and --prior-sd (prior_offset_s and prior_sd_s"
                " in Python)"
            )
        if self.prior_offset_s is None or self.prior_sd_s is None:
            return None
        return Prior(offset_s=self.prior_offset_s, sd_s=self.prior_sd_s)

    def files(self) -> tuple[Path, ...]:
        """Return every file that is read."""
        documents = (self.column_map, self.plates, *self.calibrations)
        return tuple(path for path in (self.reference, *self.wearables, *documents) if path is not None)

    def configuration(self) -> dict[str, Any]:
        """Return the request as stored in provenance: file names without folders, so bytes do not depend on them."""
        plain = self.model_dump(mode="json")
        plain["reference"] = self.reference.name if self.reference else None
        plain["wearables"] = [p.name for p in self.wearables]
        plain["column_map"] = self.column_map.name if self.column_map else None
        plain["plates"] = self.plates.name if self.plates else None
        plain["calibrations"] = [p.name for p in self.calibrations]
        # trials that state no more than an earlier grfkit could are the same bytes as before
        return {k: v for k, v in plain.items() if k not in LATER or v not in (None, False)}


def as_source(source: PathLike | Recording) -> Source:
    """Return a path or a recording as what an alignment reads."""
    return source if isinstance(source, Recording) else as_path(source, what="a recording, or a Recording")


def as_sequence(wearables: PathLike | Recording | Sequence[PathLike | Recording]) -> Sequence[PathLike | Recording]:
    """Return one wearable or several as a sequence."""
    return wearables if isinstance(wearables, Sequence) and not isinstance(wearables, str | bytes) else (wearables,)


def as_several(values: PathLike | Sequence[PathLike] | None) -> tuple[PathLike, ...]:
    """Return one value or many as a tuple."""
    if values is None:
        return ()
    return (values,) if isinstance(values, str | os.PathLike) else tuple(values)


def path_of(source: Source) -> Path:
    """Return the path that names a source: a recording's is the name of the file it was read from, or its device's."""
    if isinstance(source, Path):
        return source
    inputs = source.provenance.inputs
    return Path(inputs[0].name if inputs else source.device.replace("/", "-"))


def describe_source(source: Source, role: str) -> list[InputFile]:
    """Return names and digests of a source's files; a recording that was read from no file has none."""
    if isinstance(source, Path):
        return [describe_input(source, role=role)]
    return [file.model_copy(update={"role": role}) for file in source.provenance.inputs]


def read_source(source: Source, request: SyncRequest, *, role: str = "wearable") -> Recording:
    """Return a source's recording; a file's reader gets the rate and the column map if its format needs them.

    Parameters
    ----------
    role
        ``reference`` or ``wearable``: a description of plates is for the reference.
    """
    if isinstance(source, Recording):
        return source
    from ..io import ReadOptions, read_with, sniff
    from ..io.columns import load_column_map

    reader = sniff(source).reader
    extra = {"plates": request.plates} if request.plates is not None and role == "reference" else {}
    options = ReadOptions(
        rate_hz=request.rate_hz if "rate_hz" in reader.uses else None,
        allow_short=request.allow_short and "allow_short" in reader.uses,
        extra=extra,
    )
    if reader.name == FILM:
        options.extra.update({name: value for name in OF_FILMS if (value := getattr(request, name)) is not None})
    if request.column_map and "column_map" in reader.uses:
        options = load_column_map(request.column_map).options(options, file=source)
    return read_with(reader, source, options)


def refuse_unusable(request: SyncRequest, sources: tuple[Source, ...]) -> None:
    """Refuse, before anything is loaded, whatever can be seen to be wrong from options and the heads of files.

    Raises
    ------
    BadInputError
        With the file's or the option's name.
    """
    refuse_options(request)
    _refuse_twice(sources if request.reference is None else sources[1:])
    readers = {number: _reader_of(source) for number, source in enumerate(sources) if isinstance(source, Path)}
    _refuse_unused(request, readers)


def refuse_options(request: SyncRequest) -> None:
    """Refuse options that make no sense whatever the files are.

    Raises
    ------
    BadInputError
        With the option's name.
    """
    from ..calibrate import CorrectionRequest
    from .frames import axis_vector

    if request.reference is None:
        refuse_plate_options(request)
    _refuse_statements(request)
    if request.forward:
        try:
            axis_vector(request.forward)
        except BadInputError:
            raise ArgumentError("forward", f"is {request.forward!r}, expected one of +x -x +y -y +z -z") from None
    CorrectionRequest.of(request.correct)


def refuse_plate_options(request: SyncRequest) -> None:
    """Refuse, without a reference, too few devices and options that are about one.

    Raises
    ------
    BadInputError
        With the option's name.
    """
    if len(request.wearables) < 2:
        raise BadInputError(
            "without --reference (force plates or a treadmill) two or more recordings are needed, whose clocks are"
            " joined to that of the first: --wearable insole.csv --wearable imu.csv"
        )
    of_plates: dict[str, object] = {
        "--forward": request.forward,
        "--correct": request.correct,
        "--plates": request.plates,
    }
    of_plates |= {"--offset": request.offset_s is not None, "--synchronised": request.synchronised}
    for option, value in of_plates.items():
        if value:
            raise BadInputError(f"{option} is about a reference, and none is given (--reference): leave it out")


def _refuse_statements(request: SyncRequest) -> None:
    """Refuse stated clocks that contradict one another, or that are not of one device."""
    stated = "--offset" if request.offset_s is not None else "--synchronised"
    if request.synchronised and request.offset_s is not None:
        raise BadInputError(
            "--synchronised says that the clocks are one, and --offset how far they are apart (synchronised and"
            " offset_s in Python): state one of the two"
        )
    if request.offset_sd_s is not None and request.offset_s is None:
        raise BadInputError("--offset-sd is the SD of --offset (offset_sd_s and offset_s in Python): state that too")
    has_prior = request.prior_offset_s is not None or request.prior_sd_s is not None
    if has_prior and (request.synchronised or request.offset_s is not None):
        raise BadInputError(
            f"a prior (--prior-offset) says where to look for an offset, {stated} what it is: state one of the two"
        )
    if request.column_map is None:  # with one, two files may hold one device's signals: known once they are read
        refuse_offset_of_several(request, len(request.wearables))
    if not request.wearables and not request.synchronised:
        raise BadInputError(
            "there is no wearable to align; name one or more recordings, or say --synchronised (synchronised=True in"
            " Python) where the reference's own file holds them"
        )


def refuse_offset_of_several(request: SyncRequest, devices: int) -> None:
    """Refuse one stated offset of several devices.

    Raises
    ------
    BadInputError
        With what to do.
    """
    if request.offset_s is not None and devices > 1:
        raise BadInputError(
            f"--offset (offset_s in Python) is the offset of one device, and {devices} wearables are given: align them"
            " one by one, or, if a cable joins their clocks to the reference's, say --synchronised"
        )


def _refuse_twice(wearables: tuple[Source, ...]) -> None:
    identities = {source.resolve() if isinstance(source, Path) else id(source) for source in wearables}
    if len(identities) < len(wearables):
        raise BadInputError("the wearables (--wearable) name the same file twice; name each file once")
    seen: dict[str, Path] = {}
    for path in _of_equal_size([source for source in wearables if isinstance(source, Path)]):
        other = seen.setdefault(describe_input(path).sha256, path)
        if other is not path:
            raise BadInputError(
                f"{path}: is a copy of {other}, and a recording aligns with itself whatever it is; name each"
                " recording once"
            )


def _of_equal_size(paths: Sequence[Path]) -> list[Path]:
    """Return the files that exist and share their size with another: only those can be copies."""
    sizes = {path: path.stat().st_size for path in paths if path.is_file()}
    return [path for path, size in sizes.items() if size and list(sizes.values()).count(size) > 1]


def _reader_of(path: Path) -> Reader:
    """Return the reader that takes a file; a list of files in one name is refused with what to write."""
    from ..io import sniff

    if not path.exists():
        parts = [part.strip() for mark in ",;" for part in str(path).split(mark) if part.strip()]
        if len(parts) > 1 and any(Path(part).exists() for part in parts):
            raise BadInputError(
                f"{path}: is no file; name each file with an option of its own: --wearable A --wearable B"
                " (wearables=[A, B] in Python)"
            )
    return sniff(path).reader


def _refuse_unused(request: SyncRequest, readers: dict[int, Reader]) -> None:
    """Refuse a rate, a column map or a description of plates that none of the files needs; read the latter two."""
    from ..formats.c3d_plates_toml import plates_by_hand
    from ..io.columns import load_column_map

    if request.column_map is not None:
        load_column_map(request.column_map)
    if request.plates is not None:
        plates_by_hand(request.plates)
        if 0 in readers and readers[0].name != "c3d":
            raise BadInputError(
                "--plates (plates in Python) describes the plates of a C3D file, and"
                f" {request.reference} is {readers[0].title}; leave it out"
            )
    for name in OF_FILMS:
        if getattr(request, name) is not None and readers and all(reader.name != FILM for reader in readers.values()):
            raise BadInputError(
                f"--{name.replace('_', '-')} ({name} in Python) is of a film, and none of these files is one; leave it"
                " out"
            )
    needed = {name for reader in readers.values() for name in reader.uses}
    options = {
        "rate_hz": request.rate_hz is not None,
        "column_map": request.column_map is not None,
        "allow_short": request.allow_short,
    }
    for name, is_set in options.items():
        if is_set and name not in needed:
            raise BadInputError(
                f"--{name.replace('_', '-')} ({name} in Python) is of no use: none of these files needs it;"
                " leave it out"
            )
