"""Estimates: the ground reaction of a recording that no force plate saw, by a trained model or a bundle."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import as_path, described, refuse_other_ending
from ..arrays import PathLike
from ..artefacts import check_file
from ..calibrate.documents import InsoleGeometry
from ..dataset.foot_force import low_passed
from ..dataset.from_keypoints import FILM
from ..dataset.keypoint_inputs import MARGIN_S
from ..errors import BadInputError
from ..io import ReadOptions
from ..learn.packaged import about_of, model_folder
from ..learn.spec import ForceModel, ModelSpec
from ..learn.training_range import finding_of
from ..provenance import Provenance, describe_input
from ..records import Recording, Surface, Trial
from ..records.calibrated import other_ways, ways_of
from ..records.participants import seen_among
from ..report.estimate_page import write_estimate_report
from ..runtime.bundle import Bundle
from ..runtime.manifest import DOCUMENT
from ..video.containers import is_film
from .beyond_findings import range_findings, training_findings
from .clips import predict_clips
from .curves import FootCurve
from .feet import Foot, cut_request, detector_of, feet_of, wearables_of
from .files import check_outputs, write_estimate
from .film_feet import film_feet, of_film, refuse_another_gait, trained_on
from .film_source import film_recording, key_pictures
from .flag_counts import flag_counts
from .joined import joined_source
from .landmark_feet import BY_LANDMARKS, landmark_feet, of_landmarks
from .open_model import BundleForceModel, open_model, read_spec
from .opensim_files import check_unknown
from .outside import departures_of, flag_contacts
from .picture_feet import picture_feet, picture_of
from .plausible import before_balance, carried, turn_findings, unbalanced_findings, weight_findings
from .report_page import estimate_report
from .shoe_feet import BY_SHOES, of_both_shoes, shoe_feet
from .source import EstimateRequest, EstimateSource, facts_of, open_source
from .stated_error import stated_error
from .types import SIDES, Estimate, Side, StanceRow
from .windows import predict_feet

_LOG = logging.getLogger(__name__)


def estimate(
    model: PathLike | ForceModel | Bundle,
    recording: PathLike | Recording | Trial | Sequence[PathLike | Recording],
    *,
    options: ReadOptions | None = None,
    participant: str = "",
    mass_kg: float | None = None,
    speed_m_s: float | None = None,
    slope_percent: float | None = None,
    cut: str = "",
    allow_leak: str = "",
    other_people: str = "",
    accept_beyond: bool = False,
    balanced: bool = True,
    mapping: str = "",
    static: PathLike = "",
    person: PathLike = "",
    out: PathLike | None = None,
    insole: str = "",
    heel_m: float = 0.0,
    unknown: str = "refuse",
    surface: Surface | None = None,
    report: PathLike | None = None,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
    calibrations: Sequence[PathLike] = (),
) -> Estimate:
    """Return the force of both feet in a recording, as ``grf-estimate`` estimates it.

    The force is 0 in swing, and NaN where it is not known: before the first and after the last stance, in gaps, and in
    contacts that were turned down (:func:`estimate_source`).

    Parameters
    ----------
    model
        A trained model or a bundle, the folder of either, or ``grfkit:NAME`` of one that comes with grfkit.
    recording
        A trial, a wearable's recording, or the file of either. Several recordings, such as an insole's and a shoe
        IMU's, are joined to one clock first (:func:`grfkit.sync.align` without a reference, or to the force plates that
        one of them holds), and refused where that is not safe.
    options
        What a wearable's file does not say itself; see :func:`grfkit.read`.
    participant, mass_kg, speed_m_s, slope_percent, cut, allow_leak, other_people, accept_beyond, balanced
        Of :class:`~grfkit.estimation.source.EstimateRequest`.
    mapping, static, person
        Of :class:`~grfkit.estimation.source.EstimateRequest`.
    out
        File to write: ``.nc``, ``.csv``, or ``.mot`` (with its ExternalLoads beside it); None writes nothing.
    insole, heel_m
        For ``.mot``: where the insole's cells lie (a name or a JSON file), and how far in front of the origin of calcn
        its heel end lies, m.
    unknown
        For ``.mot``: ``refuse`` a recording in which the force of a foot is unknown between known stretches, or ``cut``
        to the longest of them. Never is it written as 0.
    surface
        Of several recordings with force plates among them: ``treadmill`` or ``overground``.
    report
        HTML page to write: the force over the measured one where plates recorded it and the mass is known, how the
        recordings were joined, and what limits the estimate.
    force
        Overwrite ``out`` and ``report``.
    tell
        Called with what a reader noticed of the file.
    calibrations
        Calibration documents of one device's recording, or of a trial that was aligned without them.

    Raises
    ------
    LeakError
        If the participant was in the training of the model, and no leak is allowed.
    RefusedError
        If inputs are so far beyond those of training that no answer is safe, and that was not accepted.
    BadInputError
        For whatever cannot be used; nothing is written then.

    Examples
    --------
    >>> import grfkit
    >>> from grfkit import estimate, train
    >>> trials = [grfkit.simulate_trial(seed=k, duration_s=12).on_true_clock(participant=f"P{k}") for k in (1, 2, 3)]
    >>> model = grfkit.train([grfkit.cut_windows(trial) for trial in trials[:2]], network="mlp", epochs=1)
    >>> result = grfkit.estimate(model, trials[2])
    >>> result.axes, sorted(result.feet)
    (('vgrf',), ['left', 'right'])
    """
    # before the model is opened: what cannot be written is refused at once
    path = None if out is None else as_path(out, what="the file to write")
    files = () if path is None else check_outputs(path, force=force)
    files = (*files, *_report_file(report, force=force))
    _refuse_inputs(recording, files)
    request = EstimateRequest.of(
        participant=participant, mass_kg=mass_kg, speed_m_s=speed_m_s, slope_percent=slope_percent, cut=cut,
        allow_leak=allow_leak, other_people=other_people, accept_beyond=accept_beyond, balanced=balanced,
        mapping=str(mapping), static=str(static), person=str(person),
    )  # fmt: skip
    geometry = _geometry(insole, path)
    check_unknown(unknown)
    loaded, folder = _opened(model)
    about = None if folder is None else about_of(folder)
    if about is not None and not request.cut:
        # a wearer has no plates: the detector that the model's figures are of
        request = request.model_copy(update={"cut": about.cut})
    source, clocks = _source(recording, options, tell, surface, picture_of(loaded.spec), calibrations)
    estimated = replace(estimate_source(loaded, folder, source, request), clocks=clocks)
    if path is not None:
        written, notes = write_estimate(estimated, path, geometry=geometry, heel_m=heel_m, unknown=unknown, force=force)
        estimated = replace(estimated, findings=(*estimated.findings, *notes), files=tuple(map(str, written)))
    if report is not None:
        pictures = key_pictures(estimated, source) if of_film(loaded.spec) or picture_of(loaded.spec) else []
        write_estimate_report(report, estimate_report(estimated, source.trial, clocks, pictures), force=force)
    return estimated


def _report_file(report: PathLike | None, *, force: bool) -> tuple[Path, ...]:
    """Return the page to write, refused at once where it cannot be written."""
    if report is None:
        return ()
    page = as_path(report, what="the report to write")
    check_file(page, force=force)
    refuse_other_ending(page, (".html", ".htm"), "a report is written as HTML")
    return (page,)


def _refuse_inputs(recording: object, files: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    several = recording if isinstance(recording, list | tuple) else (recording,)
    read = {as_path(r, what="a recording or a trial").resolve() for r in several if isinstance(r, str | os.PathLike)}
    for file in files:
        if file.resolve() in read:
            raise BadInputError(f"{file}: is an input; name another file to write")
    if len({file.resolve() for file in files}) < len(files):
        raise BadInputError("the estimate and its report have the same name; give the report one of its own")


def _source(
    recording: PathLike | Recording | Trial | Sequence[PathLike | Recording],
    options: ReadOptions | None,
    tell: Callable[[str], None] | None,
    surface: Surface | None,
    picture: str,
    calibrations: Sequence[PathLike] = (),
) -> tuple[EstimateSource, tuple[str, ...]]:
    """Return what is estimated from, and how its clocks were joined where it is several recordings.

    Parameters
    ----------
    picture
        What the pictures of a film are to show; empty where the model takes none.
    """
    if isinstance(recording, list | tuple) and len(recording) > 1:
        if calibrations:
            raise BadInputError("calibrations are applied to one recording; join several by grf-sync --calibration")
        joined = joined_source(recording, options, tell, surface=surface)
        return joined.source, joined.clocks
    alone: Any = recording[0] if isinstance(recording, list | tuple) and recording else recording
    if not (isinstance(alone, str | os.PathLike) and is_film(path := Path(alone))):
        return open_source(alone, options, tell, calibrations), ()
    if calibrations:
        raise BadInputError(f"{path}: is a film, which no calibration is for")
    film = film_recording(path, options, picture=picture)
    for note in film.notes:
        if tell is not None:
            tell(f"{path.name}: {note}")
    return replace(EstimateSource.of_recording(film, path), told=tuple(film.notes)), ()


def _opened(model: PathLike | ForceModel | Bundle) -> tuple[ForceModel, Path | None]:
    """Return a model and the folder it came from, None for one that is in memory only."""
    if isinstance(model, str | os.PathLike):
        folder = model_folder(model)
        return open_model(folder), folder
    if isinstance(model, Bundle):
        return BundleForceModel(read_spec(model.folder / DOCUMENT), model), model.folder
    if not (hasattr(model, "spec") and hasattr(model, "predict")):
        raise BadInputError(f"expected a trained model, a bundle, or the path of its folder, got {described(model)}")
    return model, None


def _geometry(insole: str, out: Path | None) -> InsoleGeometry | None:
    if not insole:
        return None
    if out is None or out.suffix.lower() != ".mot":
        name = "none is written" if out is None else f"{out.name} is none"
        raise BadInputError(f"--insole (insole in Python) is of use for an OpenSim file only, and {name}; leave it out")
    from ..calibrate.library import load_insole

    return load_insole(insole).document


def estimate_source(
    model: ForceModel, folder: Path | None, source: EstimateSource, request: EstimateRequest | None = None
) -> Estimate:
    """Return the force of each foot by a model, on the recording's own clock.

    Inputs are cut, and left feet mirrored, as in training. Where the model takes stances, a foot's force is 0
    between two of its stances (they are at most 1 s apart, nothing was turned down between them and no sample is
    missing), and NaN wherever nobody knows: before the first and after the last stance, in gaps between stances, in
    contacts that were turned down and in stances that were not predicted. A stance of which samples or channels are
    missing is predicted with the training's mean in their place, and its row is flagged. A model of continuous windows
    predicts all of a recording; windows overlap by half, and where they do their predictions are averaged.

    A left foot's lateral inputs are turned as in training, so that one network serves both feet; its third axis is
    medial of the foot in question.

    Parameters
    ----------
    folder
        Where the model lies; its files' SHA-256 go into the provenance. None: only in memory.

    Raises
    ------
    LeakError
        If the participant was in the training of the model, and no leak is allowed.
    RefusedError
        If inputs are so far beyond those of training that no answer is safe, and that was not accepted.
    BadInputError
        If a trial names no participant, the recording lacks channels of the model or has them in other units, the
        detector cannot be run on it, no stance is found, or none can be predicted.
    """
    request = request or EstimateRequest()
    spec = model.spec
    film = bool(picture_of(spec)) or of_film(spec)
    facts, findings = facts_of(source, request, spec)
    findings += other_ways(spec.calibrated, ways_of(source.trial.streams, spec.calibrated))
    feet, lost, cut = cut_feet(spec, source, request, facts, findings)
    cutting = cut_request(spec, cut)
    findings += [f"the {side} foot is left out: {why}" for side, why in lost.items()]
    # a set: both feet list what a detector that sees both has turned down
    rejected = Counter(r.reason for r in {r for foot in feet for r in foot.rejections})
    if spec.window == "stance" and not any(foot.stances for foot in feet):
        counts = ", ".join(f"{n} turned down: {why}" for why, n in rejected.items()) or "nothing like a contact"
        raise BadInputError(f"{source.name}: no stance was found by {cut} ({counts}); is a person walking in it?")
    # named in the result only for a person of the training: for anybody else nothing leaks
    leaks = allowed_leaks(spec, facts["participant"], request.allow_leak)
    predict = predict_clips if picture_of(spec) else predict_feet
    parts, change = predict(model, feet, cutting, facts, leaks, source.name, balanced=request.balanced)
    curves = {side: part.curve for side, part in parts.items()}
    rows = [row for part in parts.values() for row in part.rows]
    _check_predicted(curves, rows, source.name)
    _LOG.info("%s: %d stances cut by %s, %d contacts turned down", source.name, len(rows), cut, rejected.total())
    findings += _findings({**curves, **lost}, rows, spec)
    findings += range_findings([count for part in parts.values() for count in part.beyond])
    apart = [part.distances for part in parts.values() if part.distances is not None]
    findings += training_findings(spec, apart, source.name, accepted=request.accept_beyond)
    outside = departures_of(spec, [part.seen for part in parts.values()])
    if film and not request.accept_beyond:
        refuse_another_gait(spec, outside, source.name)
    rows = flag_contacts(spec, outside, rows)
    weight = carried(curves, rows)
    findings += finding_of(outside) + turn_findings(rows)
    about = None if folder is None else about_of(folder)
    if about is not None and film:
        findings.insert(0, trained_on(about))
    if about is None or about.body_weight:
        findings += weight_findings(weight, change, feet=len(curves))
    findings += unbalanced_findings(spec.balance, change, asked=request.balanced)
    error = stated_error(folder)
    findings += [] if error is None else [error.told(2.0 * MARGIN_S if of_film(spec) and spec.cut == FILM else 0.0)]
    return Estimate(
        feet=curves,
        rows=tuple(sorted(rows, key=lambda r: r.start_s)),
        axes=spec.scaler.axes,
        participant=facts["participant"],
        mass_kg=facts["mass_kg"],
        cut=cut,
        cut_of_training=spec.cut,
        network=model.name,
        leaks=(*spec.leaks, *leaks),
        rejected=dict(rejected),
        findings=tuple(findings),
        provenance=_provenance(model, folder, source, request, findings),
        streams={foot.side: foot.base for foot in feet},
        outside=outside,
        carried_bw=before_balance(weight, change),
        balance=change,
        stated_error=error,
    )


def cut_feet(
    spec: ModelSpec, source: EstimateSource, request: EstimateRequest, facts: dict[str, Any], findings: list[str]
) -> tuple[list[Foot], dict[Side, str], str]:
    """Return the feet with their stances, why one was left out, and what cut the stances."""
    if picture_of(spec):
        return *picture_feet(spec, source, request, facts, findings), request.cut or FILM
    if of_film(spec):
        return film_feet(spec, source, request, facts, findings), {}, request.cut or FILM
    if of_landmarks(spec):
        return landmark_feet(spec, source, request, facts, findings), {}, BY_LANDMARKS
    if of_both_shoes(spec):
        return shoe_feet(spec, source, request, findings), {}, BY_SHOES
    streams = source.trial.streams
    wearables = wearables_of(streams, spec)
    cut = detector_of(spec, request, streams, findings)
    cutting = cut_request(spec, cut)
    # whole streams before cutting: a filter begun in each window would start with a transient
    filtered = {side: low_passed(of_side, cutting) for side, of_side in wearables.items()}
    return *feet_of(filtered, source, cutting, cut), cut


def allowed_leaks(spec: ModelSpec, participant: str, leak: str) -> tuple[str, ...]:
    """Return the leak under which a participant of the training is estimated; empty for anybody else."""
    seen_in_training = bool(seen_among([participant], spec.participants))
    return (f"{leak.strip()}: {participant} was in training",) if seen_in_training and leak.strip() else ()


def _check_predicted(curves: Mapping[Side, FootCurve], rows: list[StanceRow], name: str) -> None:
    if not any(np.isfinite(c.force_bw).any() for c in curves.values()):
        why = Counter(f for r in rows for f in r.flags)
        counts = ", ".join(f"{n} x {text}" for text, n in why.items()) or "no input sample is known"
        raise BadInputError(f"{name}: none of {len(rows)} stances can be predicted ({counts})")


def _findings(curves: Mapping[Side, object], rows: list[StanceRow], spec: ModelSpec) -> list[str]:
    findings = [f"no {side} foot is in the recording with the model's channels" for side in SIDES if side not in curves]
    findings += flag_counts([row.flags for row in rows])
    if spec.window != "stance" and not rows:
        findings.append("no insole tells when the foot stood; the table of stances is empty")
    return findings


def _provenance(
    model: ForceModel, folder: Path | None, source: EstimateSource, request: EstimateRequest, findings: list[str]
) -> Provenance:
    """Return what made the estimate; a model or recording that is in memory only has no file to name."""
    files = [*source.joined, *([] if source.file is None else [source.file])]
    files += [] if folder is None else [describe_input(folder / name, role="model") for name in model.files]
    configuration = request.model_dump(mode="json")
    return Provenance(command="grf-estimate", configuration=configuration, inputs=files, findings=list(findings))
