"""What a bundle says of itself: ``manifest.json``, as a document with a schema."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = "1"
MANIFEST, SUMS, DOCUMENT = "manifest.json", "SHA256SUMS", "model.json"
MOST_POINTS = 65_535
"""Samples of a window at most: the C runtime counts them in 16 bits."""
Role = Literal["channel", "missing", "static"]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A name that goes into the bundle's C: nothing else that a manifest says may become code."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Points(_Document):
    """Centre and size of a column or axis at each point of a stance; they stand in place of those of all points."""

    centre: tuple[float, ...]
    size: tuple[float, ...]


class Column(_Document):
    """One column of the input tensor.

    ``(value - centre) / size`` is what the network takes, and what is missing is 0. In a device the same is
    ``zero + round_half_up((raw - offset) * multiplier / 2**shift)``, saturated, of counts of ``unit_per_count``; a
    missing count is ``offset``.

    Attributes
    ----------
    role
        ``channel``: one value per sample; ``missing``: 1 where the channel of this name is missing, else 0;
        ``static``: one value per window, repeated over time.
    centre, size
        In the column's unit.
    unit_per_count
        What one count of an int16 stands for; a device with other counts makes its own multipliers of it.
    turned_on_left
        Whether the sign turns on a left foot before anything else.
    points
        Of a model that scales every point of a stance on its own: a device then has offset, multiplier and shift of
        each point (``grf_input.h``), which :func:`grfkit.embedded.insole.fixed_columns` makes of these.
    """

    role: Role
    name: str
    unit: str
    centre: float
    size: float
    unit_per_count: float = Field(gt=0)
    turned_on_left: bool
    offset: int
    multiplier: int
    shift: int = Field(ge=1, le=46)
    zero: int = Field(ge=-128, le=127)
    points: Points | None = None


class Axis(_Document):
    """One column of the output: ``centre + size * real`` is the force, ``real = scale * (stored - zero point)``.

    With ``points``, centre and size of each point stand in this sum; those of the axis are then middle and half of the
    range of its forces in the calibration windows, in whose steps a device's report sends the curve.
    """

    name: Identifier
    centre: float
    size: float
    points: Points | None = None


class Tensor(_Document):
    """The input or output of the int8 file."""

    shape: tuple[int, ...]
    dtype: Literal["int8"]
    scale: float = Field(gt=0)
    zero_point: int = Field(ge=-128, le=127)


class Detector(_Document):
    """What finds contacts and cuts stances at the device's rate, in whole numbers: the settings of grf_detect.h,
    grf_stance.h, grf_levels.h and grf_lowpass.h.

    Attributes
    ----------
    levels
        How relative cells are made of counts; None where cells are taken as recorded, and in bundles that were written
        before devices could do it.
    lowpass
        What inertial channels go through before a stance is cut out; None where nothing does, and as above.
    """

    rate_hz: float = Field(gt=0)
    source: str
    contacts: dict[Identifier, int]
    buffer: dict[Identifier, int]
    levels: dict[Identifier, int] | None = None
    lowpass: dict[Identifier, int] | None = None


class Figure(_Document):
    """One measured figure and the bound it keeps; None: reported only."""

    name: str
    value: float
    unit: str
    bound: float | None
    kept: bool


class Parity(_Document):
    """How far the files are from the trained model, and C from TFLite Micro.

    Attributes
    ----------
    on
        ``held-out people``, or ``training people`` where nobody else was at hand: then the figures say that the files
        are the model, and nothing of how the model does on somebody new.
    windows, c_windows
        How many were compared in body weights; how many byte for byte between TFLite Micro and C (0: no C).
    """

    on: Literal["held-out people", "training people"]
    participants: tuple[str, ...]
    windows: int = Field(ge=1)
    c_windows: int = Field(ge=0)
    figures: tuple[Figure, ...]
    axes: dict[str, dict[str, float]]


class BoardSize(_Document):
    """What an emulated board counted; instructions (QEMU), not cycles. ``None`` in the report: see the reason."""

    core: str
    instructions: int
    flash_model_bytes: int
    flash_runtime_bytes: int
    scratch_bytes: int
    stack_bytes: int
    same_bytes_as_host: bool


class PartSize(_Document):
    """Flash (code and constants) and RAM (without the stack) of a linked program, the C library's part taken off."""

    core: str
    flash_bytes: int
    ram_bytes: int


class Sizes(_Document):
    """Bytes of the model; boards by QEMU's name, or why there is none.

    Attributes
    ----------
    boards_compiler
        What compiled for the boards; None without boards, and in bundles that were written before it was stated.
    insole
        Of the same compiler: ``window`` is the model alone, ``reports`` from an insole's samples to reports, ``air``
        with the service and the packets that wait. None without boards, where no insole can run it, and in older
        bundles.
    """

    tflite_bytes: int
    const_bytes: int | None
    scratch_bytes: int | None
    boards: dict[str, BoardSize] | None
    boards_reason: str
    boards_compiler: str | None = None
    insole: dict[str, PartSize] | None = None


class CFiles(_Document):
    """The model in C: its symbol, and whether rows may come one by one."""

    symbol: str
    source: str
    header: str
    stream: bool


class File(_Document):
    """A file of the bundle by its path in it."""

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Trained(_Document):
    """The trained model that this is the bundle of."""

    weights_sha256: str
    network: dict[str, Any]
    seed: int | None
    grfkit: str


class Manifest(_Document):
    """All that a program or person needs to run a bundle and to judge it.

    Attributes
    ----------
    model_id
        CRC-32 of the int8 file, as devices send it.
    window, points, rate_hz, cut, mirrored, cells
        Of the windows the network takes; ``cells`` is ``relative`` where insole cells are held against the foot's own
        steps.
    imu_lowpass_hz
        Of the zero-lag Butterworth (second order each way) that inertial signals went through first; 0: none.
    force_unit
        ``BW``, or ``N`` where the mass turns it into body weights.
    c
        None where the runtime cannot run this network: ``c_reason`` says why.
    leaks
        What the training knew of the tested by design.
    """

    format_version: Literal["1"] = "1"
    artefact: Literal["grf_bundle"] = "grf_bundle"
    name: Identifier
    model_id: int = Field(ge=0, lt=2**32)
    model: Literal["model.tflite"] = "model.tflite"
    window: str
    points: int = Field(ge=1, le=MOST_POINTS)
    rate_hz: float | None
    cut: str
    mirrored: bool
    cells: Literal["as recorded", "relative"]
    imu_lowpass_hz: float = Field(ge=0)
    input: Tensor
    output: Tensor
    columns: tuple[Column, ...]
    axes: tuple[Axis, ...]
    force_unit: Literal["BW", "N"]
    detector: Detector | None
    operators: dict[str, int]
    interpreters: tuple[str, ...]
    parity: Parity
    sizes: Sizes
    c: CFiles | None
    c_reason: str
    trained_on: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    leaks: tuple[str, ...]
    licence: str
    trained: Trained
    grfkit: str
    findings: tuple[str, ...]
    files: tuple[File, ...]

    @model_validator(mode="after")
    def _whole_tables(self) -> Manifest:
        """Refuse tables of points that are not as long as the window."""
        parts: tuple[Column | Axis, ...] = (*self.columns, *self.axes)
        for part in parts:
            if part.points is not None and {len(part.points.centre), len(part.points.size)} != {self.points}:
                raise ValueError(f"'{part.name}' has a table of other than {self.points} points")
        return self

    def of_role(self, role: Role) -> tuple[Column, ...]:
        """Return the columns of one role, in order."""
        return tuple(c for c in self.columns if c.role == role)

    def summary(self) -> str:
        """Return name, network, inputs and outputs in words."""
        channels, axes = len(self.of_role("channel")), ", ".join(a.name for a in self.axes)
        network = self.trained.network["name"]
        return f"{self.name}: {network} in int8, {channels} channels of {self.points} samples to {axes}"

    def __repr__(self) -> str:
        """Return the summary instead of every field, which fills pages."""
        return f"<Manifest of {self.summary()}, {len(self.files)} files>"

    def text(self) -> str:
        """Return what ``manifest.json`` holds."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"


def schema_text() -> str:
    """Return the JSON Schema of a manifest, as ``firmware_models/manifest.schema.json`` holds it."""
    return json.dumps(Manifest.model_json_schema(), indent=1, sort_keys=True) + "\n"
