"""The source of an estimate: a recording or trial, its file, and what the user or the trial states of the person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..arguments import ArgumentError, as_choice, as_path, refused_field
from ..arrays import PathLike
from ..calibrate import apply
from ..dataset.calibrated_trials import TrialCalibration
from ..errors import BadInputError
from ..gait.stances import SOURCES
from ..io import ReadOptions, read
from ..learn.other_people import names_of_others, statement
from ..learn.spec import ModelSpec
from ..limits import MASS_KG, SLOPE_PERCENT, SPEED_M_S
from ..provenance import InputFile, describe_input
from ..records import Recording, Trial
from ..records.by_hand import by_hand_findings
from ..records.person import person_of, read_person
from ..sync.documents import load_documents

NOT_STATED = "not stated"
"""Participant of a device's own recording, which names nobody, where the user names nobody either."""
SAME = 1e-6
"""Difference up to which two statements of one number are the same one, in its own unit: rounding of a file."""


CUTS = ("insole_causal", "insole", "force")
"""Detectors of stances that see a toe-off."""
OWN_CUTS = ("landmarks", "imu", "film")
"""What cuts the stances of models of landmarks, of both shoes or of films; nobody need name it."""


class EstimateRequest(BaseModel):
    """The user's statements about a recording, and how it is to be estimated.

    Attributes
    ----------
    participant
        Code of the person; decides whether the model has seen them. That of the trial if empty; a recording of a device
        names nobody, and its estimate then says that nobody can tell.
    mass_kg
        Turns body weights into newtons; that of the trial if None.
    speed_m_s, slope_percent
        Inputs of some models; those of the trial if None.
    cut
        Detector of stances in place of the one the model was trained with; named in the result.
    allow_leak
        Name of the leak by design under which a participant of the training may be estimated; empty refuses them.
    other_people
        Whose people these are, where the participant has the code of another one in the training: the result names them
        so, and says that it was stated.
    accept_beyond
        Estimate from inputs that are far beyond those of training, and say so, where they would be refused.
    balanced
        Whether the force is balanced over strides, where the model does that: true of steady gait that only the feet
        carry.
    mapping, static
        Of landmarks: the shipped mapping or file that makes the eleven of the recording's markers, found from their
        names if empty; and the C3D file of a static trial, where the mapping needs one.
    person
        TOML file of the person, for models that take facts of the body; what the trial states if empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    participant: str = ""
    mass_kg: float | None = Field(default=None, ge=MASS_KG[0], le=MASS_KG[1])
    speed_m_s: float | None = Field(default=None, ge=SPEED_M_S[0], le=SPEED_M_S[1])
    slope_percent: float | None = Field(default=None, ge=SLOPE_PERCENT[0], le=SLOPE_PERCENT[1])
    cut: str = ""
    allow_leak: str = ""
    other_people: str = ""
    accept_beyond: bool = False
    balanced: bool = True
    mapping: str = ""
    static: str = ""
    person: str = ""

    @classmethod
    def of(cls, **options: Any) -> EstimateRequest:
        """Return a request, its errors in the words of the command's options.

        Raises
        ------
        BadInputError
            If a value is out of range.
        """
        try:
            request = cls.model_validate(options | {"cut": as_choice(options.get("cut", ""), CUTS)})
        except ValidationError as error:
            raise ArgumentError(*refused_field(error)) from error
        if request.cut and request.cut not in (*CUTS, *OWN_CUTS):
            why = "sees no toe-off" if request.cut in SOURCES else "cannot be run on a recording"
            raise ArgumentError("cut", f"is '{request.cut}', which {why}; expected one of {', '.join(CUTS)}")
        return request


@dataclass(frozen=True)
class EstimateSource:
    """A recording or trial to be estimated: its streams as a trial, and the file it came from, if any.

    Attributes
    ----------
    path
        Of a device's own file, of which a mapping may need more than the recording holds.
    joined
        Files of the recordings that were joined for this estimate.
    told
        What the reader of a film said of it: who else is in it, what of its time is missing.
    """

    trial: Trial
    name: str
    aligned: bool
    file: InputFile | None
    path: Path | None = None
    joined: tuple[InputFile, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def files(self) -> list[InputFile]:
        """Return the file, and those that a trial was made of."""
        told = self.trial.provenance.inputs if "provenance" in self.trial.tree.attrs else []
        return [*told, *([] if self.file is None else [self.file])]

    @classmethod
    def of_trial(cls, path: Path) -> EstimateSource:
        """Return the trial in a file of grf-sync.

        Raises
        ------
        BadInputError
            If it is no trial, or alignment refused it.
        """
        return cls(
            _not_refused(Trial.from_netcdf(path), str(path)), path.stem, True, describe_input(path, role="recording")
        )

    @classmethod
    def of_recording(cls, recording: Recording, path: Path) -> EstimateSource:
        """Return a recording of one device as it was read."""
        # a trial in form only: one clock, and nobody's name (aligned is False)
        return cls(Trial(recording.tree), path.stem, False, describe_input(path, role="recording"), path)


def open_source(
    recording: PathLike | Recording | Trial,
    options: ReadOptions | None,
    tell: Callable[[str], None] | None,
    calibrations: Sequence[PathLike] = (),
) -> EstimateSource:
    """Return a trial of grf-sync or a recording, from memory or from any file that grfkit reads.

    Parameters
    ----------
    tell
        Called with what a reader noticed of the file.
    calibrations
        Documents that are applied to a device's own recording, or to a trial that was aligned without them; see
        :func:`grfkit.calibrate.apply`.

    Raises
    ------
    BadInputError
        If a file is neither, options were given that a trial has no use for, or a calibration does not fit.
    """
    if isinstance(recording, Trial):
        return EstimateSource(
            _calibrated(_not_refused(recording, "the trial"), calibrations, "trial"), "trial", True, None
        )
    if isinstance(recording, Recording):
        return EstimateSource(Trial(_applied(recording, calibrations).tree), "recording", False, None)
    path = as_path(recording, what="a recording or a trial")
    if _is_trial(path):
        if options not in (None, ReadOptions()):
            raise BadInputError(
                f"{path}: is a trial, which states all itself; leave out --column-map, --rate-hz, --side"
                " (options in Python)"
            )
        source = EstimateSource.of_trial(path)
        return replace(source, trial=_calibrated(source.trial, calibrations, path.stem))
    opened = read(path, options)
    for note in opened.notes:
        if tell is not None:
            tell(f"{path.name}: {note}")
    return EstimateSource.of_recording(_applied(opened, calibrations), path)


def _applied(recording: Recording, calibrations: Sequence[PathLike]) -> Recording:
    if not calibrations:
        return recording
    documents = load_documents([as_path(c, what="a calibration document") for c in calibrations])
    if documents.lags is not None:
        raise BadInputError("a lag table is for grf-sync, which aligns; one recording has nothing to be late for")
    return apply(recording, [*documents.plates, *documents.wearables])


def _calibrated(trial: Trial, calibrations: Sequence[PathLike], name: str) -> Trial:
    if not calibrations:
        return trial
    documents = TrialCalibration(calibrations)
    calibrated = documents.applied(trial, name)
    documents.check_all_used()
    return calibrated


def _not_refused(trial: Trial, name: str) -> Trial:
    if trial.verdict == "refused":
        raise BadInputError(f"{name}: was refused by alignment; nothing is estimated from it")
    if refused := trial.refused_streams:
        raise BadInputError(
            f"{name}: holds {', '.join(refused)}, which alignment refused; align it again with --allow-partial in place"
            " of --accept-refused (allow_partial in Python), which leaves such streams out"
        )
    return trial


def _is_trial(path: Path) -> bool:
    """Return whether a file is a netCDF4 file of a trial; what cannot be read is left to the readers."""
    import h5py

    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("artefact", "")) == "trial"
    except OSError:
        return False


def facts_of(source: EstimateSource, request: EstimateRequest, spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return participant, mass, speed and slope, as stated by the user or else by the trial; and what differs."""
    attrs = source.trial.tree.attrs
    in_trial, stated = str(attrs.get("participant", "")).strip(), request.participant.strip()
    if in_trial and stated and in_trial != stated:
        raise BadInputError(
            f"the trial is of participant '{in_trial}', not '{stated}'; leave --participant (participant in Python) out"
        )
    # a trial could have named somebody of the training; a device's own file never does
    if source.aligned and not (in_trial or stated):
        raise BadInputError(
            f"trial '{source.name}' names no participant, so that nobody can tell whether they were in training;"
            " state --participant CODE (participant=CODE in Python)"
        )
    person = in_trial or stated
    if request.other_people.strip() and not person:
        raise BadInputError(
            "--other-people (other_people in Python) says whose participant code it is, and none is stated; add"
            " --participant CODE (participant=CODE in Python), or leave it out"
        )
    others = names_of_others([person], request.other_people, spec, source.files)
    facts: dict[str, Any] = {"participant": others.get(person, person) or NOT_STATED}
    findings = statement(others)
    findings += by_hand_findings(source.trial.clock_maps) if "clock_maps" in attrs else []
    if not (in_trial or stated):
        findings.append("no participant was stated: nobody can tell whether they were in the model's training")
    for name in ("mass_kg", "speed_m_s", "slope_percent"):
        stated_value, recorded = getattr(request, name), float(attrs.get(name, np.nan))
        if stated_value is not None and np.isfinite(recorded) and abs(stated_value - recorded) > SAME:
            findings.append(f"{name} is {stated_value:g} as stated; the trial says {recorded:g}")
        facts[name] = recorded if stated_value is None else float(stated_value)
        # not the mass: it scales the force itself, and check_mass refuses windows without it
        if name in spec.scaler.statics and not np.isfinite(facts[name]) and name != "mass_kg":
            findings.append(f"{name} is an input of the model and not known; the mean of the training is taken")
    facts["person"] = read_person(request.person) if request.person else person_of(attrs)
    if not np.isfinite(facts["mass_kg"]) and facts["person"].mass_kg is not None:
        facts["mass_kg"] = facts["person"].mass_kg
    if np.isfinite(facts["mass_kg"]) and not MASS_KG[0] <= facts["mass_kg"] <= MASS_KG[1]:
        raise BadInputError(
            f"{source.name}: mass_kg is {facts['mass_kg']:g}, expected kilograms ({MASS_KG[0]:g} to {MASS_KG[1]:g})"
        )
    return facts, findings
