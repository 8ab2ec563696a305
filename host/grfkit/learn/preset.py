"""Presets: a paper's whole protocol, frozen, as it was (``faithful``) and with its leaks repaired (``fixed``)."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..arguments import as_choice, refusal
from ..dataset.cut import Input
from ..errors import BadInputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Cut = Literal["force", "causal", "imu", "landmarks"]
Kind = Literal["faithful", "fixed"]


class NetworkChoice(BaseModel):
    """Which network, and its size.

    Attributes
    ----------
    head
        Widths of the dense layers between the recurrent or convolutional part and the output.
    layers
        0 of a network without any.
    settings
        Further settings of this network alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    hidden: int = Field(ge=1)
    layers: int = Field(ge=0)
    head: tuple[int, ...] = ()
    dropout_in: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    def settings_of_network(self) -> dict[str, Any]:
        """Return the network's settings as the registry takes them."""
        own = self.model_dump(exclude={"settings"} if self.layers else {"settings", "layers"})
        return own | self.settings


class TrainChoice(BaseModel):
    """How it is trained; ``patience`` 0 trains all epochs, ``clip`` 0 clips nothing.

    ``stops_on`` and ``balance_force`` are those of :class:`~grfkit.learn.train_config.TrainConfig`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int = Field(ge=1)
    lr: float = Field(gt=0)
    batch: int = Field(ge=1)
    clip: float = Field(ge=0)
    patience: int = Field(ge=0)
    seed: int
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "one-cycle", "cosine"]
    unique_statics: bool
    stops_on: Literal["inner", "training"] = "inner"
    balance_force: float = Field(default=0.0, ge=0, le=1)


class Preset(BaseModel):
    """A protocol from the raw signals to the printed figure.

    Attributes
    ----------
    points
        Samples of a time-normalised stance.
    force_lowpass_hz, imu_lowpass_hz
        0 filters nothing; ``lowpass_corrected`` says whether the cut-off allows for the second pass.
    cut
        The detector that cuts the windows.
    contact_time_from
        Where the contact time among the inputs comes from.
    threshold_n
        Level of vertical force that makes a contact (the rule of that name, such as ``20N``).
    walking
        Whether contacts may last as long as a walker's.
    networks
        Further networks of the protocol, as the registry takes them; how statics enter and the linear path are added.
    linear
        Whether every network starts from ridge, by a linear path beside it.
    note
        What has to stand wherever the preset's name does.
    kinds
        Sensors whose channels are the inputs: wearables, or landmarks or images alone.
    landmark_inputs
        What of landmarks is an input.
    picture, window_s, rate_hz
        Of images: which pictures; length of the clip around a stance, and its rate.
    channels, statics
        Patterns of channel names; names of scalars.
    leaks
        What the protocol has seen of those it is tested on; rows of a leaking preset are no headline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    kind: Kind
    source: str
    points: int = Field(ge=10, le=2000)
    force_lowpass_hz: float = Field(ge=0)
    imu_lowpass_hz: float = Field(ge=0)
    lowpass_corrected: bool
    threshold_n: float = Field(gt=0)
    walking: bool = False
    kinds: tuple[str, ...] = ("insole", "imu")
    landmark_inputs: tuple[Input, ...] = ("position",)
    picture: str = ""
    window_s: float = Field(default=2.0, gt=0)
    rate_hz: float = Field(default=100.0, gt=0)
    cut: Cut
    contact_time_from: Literal["force", "insole", "none"]
    channels: tuple[str, ...]
    statics: tuple[str, ...]
    statics_by: Literal["tile", "concat", "film"]
    target: Literal["newton", "bw"]
    axes: tuple[Literal["vgrf", "apgrf", "mlgrf"], ...]
    split: Literal["loso", "grouped_kfold"]
    metric: Literal["rrmse_percent", "rrmse_mean_range_percent"]
    leaks: tuple[str, ...]
    network: NetworkChoice
    train: TrainChoice
    networks: tuple[dict[str, Any], ...] = ()
    linear: bool = False
    note: str = ""

    @property
    def full_name(self) -> str:
        """Return name and kind, with the note."""
        return f"{self.name} {self.kind}" + (f" ({self.note})" if self.note else "")

    def networks_by_name(self) -> dict[str, dict[str, Any]]:
        """Return the settings of every network of the protocol, as the registry takes them, its own last."""
        more: dict[str, Any] = {"statics_by": self.statics_by} | ({"linear": {}} if self.linear else {})
        return {str(s["name"]): dict(s) | more for s in (*self.networks, self.network.settings_of_network())}


def preset_names() -> tuple[str, ...]:
    """Return the names of the shipped presets."""
    folder = files("grfkit.learn").joinpath("presets")
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_preset(name: str, kind: str = "fixed") -> Preset:
    """Return a shipped preset.

    Parameters
    ----------
    name
        One of :func:`preset_names`.
    kind
        ``faithful`` or ``fixed``.

    Raises
    ------
    BadInputError
        If there is no such preset or kind.
    """
    name, kind = as_choice(name, preset_names()), as_choice(kind, ("faithful", "fixed"))
    if name not in preset_names():
        raise BadInputError(f"there is no preset '{name}'; there are {', '.join(preset_names())}")
    if kind not in ("faithful", "fixed"):
        raise BadInputError(f"preset kind is '{kind}', expected 'faithful' or 'fixed'")
    text = files("grfkit.learn").joinpath("presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse_preset(tomllib.loads(text), kind)


def parse_preset(document: dict[str, Any], kind: str) -> Preset:
    """Return one kind of a preset document; unknown keys are refused by name."""
    if kind == "faithful" and kind not in document and "fixed" in document:
        raise BadInputError(f"preset {document.get('name')} is of no paper: there is only its kind 'fixed'")
    try:
        about = {"name": document["name"], "source": document["source"], "kind": kind}
        about |= {key: document[key] for key in ("networks", "note") if key in document}
        return Preset.model_validate(about | document[kind])
    except KeyError as error:
        raise BadInputError(f"a preset document lacks {error}") from error
    except ValidationError as error:
        raise BadInputError(f"preset {document.get('name')}, {refusal(error, Preset)}") from error
