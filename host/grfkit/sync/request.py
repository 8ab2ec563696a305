"""The options of one alignment, checked, and the sources it reads: files, or recordings already in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BadInputError
from ..provenance import InputFile, describe_input
from ..records import Prior, Recording, Surface
from .settings import AlignSettings

Source = Path | Recording
"""What an alignment reads: a file, or a recording that stands for one."""


class SyncRequest(BaseModel):
    """Files and options of one trial, as ``grf-sync`` takes them; stored whole in the trial. Unknown keys are refused.

    :func:`grfkit.sync.align` explains each option.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    reference: Path
    wearables: tuple[Path, ...] = Field(min_length=1)
    surface: Surface
    mass_kg: float | None = Field(default=None, gt=2.0, lt=400.0)
    participant: str = ""
    speed_m_s: float | None = Field(default=None, ge=0.0, lt=20.0)
    slope_percent: float | None = Field(default=None, gt=-100.0, lt=100.0)
    forward: str = ""
    prior_offset_s: float | None = None
    prior_sd_s: float | None = Field(default=None, gt=0.0)
    together: bool | None = None
    allow_partial: bool = False
    accept_refused: bool = False
    correct: tuple[str, ...] = ()
    column_map: Path | None = None
    rate_hz: float | None = Field(default=None, gt=0.0)
    calibrations: tuple[Path, ...] = ()
    settings: AlignSettings = AlignSettings()

    def prior(self) -> Prior | None:
        """Return the prior on the offset.

        Raises
        ------
        BadInputError
            If only one of offset and SD was given.
        """
        if (self.prior_offset_s is None) != (self.prior_sd_s is None):
            raise BadInputError("a prior needs both its offset and its SD (--prior-offset and --prior-sd)")
        if self.prior_offset_s is None or self.prior_sd_s is None:
            return None
        return Prior(offset_s=self.prior_offset_s, sd_s=self.prior_sd_s)

    def configuration(self) -> dict[str, Any]:
        """Return the request as stored in provenance: file names without folders, so bytes do not depend on them."""
        plain = self.model_dump(mode="json")
        plain["reference"] = self.reference.name
        plain["wearables"] = [p.name for p in self.wearables]
        plain["column_map"] = self.column_map.name if self.column_map else None
        plain["calibrations"] = [p.name for p in self.calibrations]
        return plain


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


def read_source(source: Source, request: SyncRequest) -> Recording:
    """Return a source's recording; a file's reader gets the rate and the column map if its format needs them."""
    if isinstance(source, Recording):
        return source
    from ..io import ReadOptions, read_with, sniff
    from ..io.columns import load_column_map

    reader = sniff(source).reader
    options = ReadOptions(rate_hz=request.rate_hz if "rate_hz" in reader.uses else None)
    if request.column_map and "column_map" in reader.uses:
        options = load_column_map(request.column_map).options(options)
    return read_with(reader, source, options)


def refuse_unusable(request: SyncRequest, sources: tuple[Source, ...]) -> None:
    """Refuse a source named twice, and a rate or a column map that none of the files needs.

    Raises
    ------
    BadInputError
        With the file's or the option's name.
    """
    wearables = sources[1:]
    identities = {source.resolve() if isinstance(source, Path) else id(source) for source in wearables}
    if len(identities) < len(wearables):
        raise BadInputError("the wearables (--wearable) name the same file twice; name each file once")
    from ..io import sniff

    options = {"rate_hz": request.rate_hz is not None, "column_map": request.column_map is not None}
    if not any(options.values()):
        return
    needed = {name for source in sources if isinstance(source, Path) for name in sniff(source).reader.uses}
    for name, is_set in options.items():
        if is_set and name not in needed:
            raise BadInputError(f"--{name.replace('_', '-')} is of no use: none of these files needs it; leave it out")
