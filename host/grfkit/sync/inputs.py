"""What is aligned: the reference examined and corrected, and the wearables' streams grouped by clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from ..calibrate.plate_documents import ForcePlates
from ..errors import BadInputError, RefusedError
from ..records import Recording
from ..records.film_streams import BACKGROUND
from ..signals.film_stream import leaps_of, slowed_of
from .documents import Documents, calibrated
from .frames import into_lab, lab_rotation
from .joined_files import joined_files
from .reference_steps import belt_findings
from .request import Source, SyncRequest, path_of, read_source, refuse_offset_of_several

ALIGNABLE = ("insole", "imu", "landmarks", "keypoints", "body_imu")
"""Kinds of stream that show contacts, or the body's acceleration."""
CARRIED = ("events", "images")
"""Kinds of stream that show none themselves, but go along with one that does and is on their clock."""


@dataclass
class Wearables:
    """The streams of every wearable by unique name, as they are aligned.

    Attributes
    ----------
    groups
        Streams that share a clock; each group is aligned at once.
    first_stamps_s
        For each group, the time (s) in its file of what is zero on its recording's clock.
    carried
        Streams that show no contact but are on the clock of one that does, such as the stances that an insole sent:
        the stream, and the name of the aligned stream it goes along with.
    notes
        What was left out, a sentence each.
    """

    recordings: list[Recording] = field(default_factory=list)
    streams: dict[str, xr.Dataset] = field(default_factory=dict)
    groups: list[dict[str, xr.Dataset]] = field(default_factory=list)
    first_stamps_s: list[float] = field(default_factory=list)
    carried: dict[str, tuple[xr.Dataset, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class WrongRoleError(BadInputError):
    """A recording that holds nothing of what its role in the alignment needs."""


def examined_reference(
    source: Source, request: SyncRequest, documents: Documents | None = None
) -> tuple[Recording, list[dict[str, Any]]]:
    """Return the reference examined, corrected where that is unambiguous and turned where asked, and the findings.

    Raises
    ------
    BadInputError
        If it holds neither a force plate nor an insole.
    """
    from ..calibrate import CorrectionRequest, correct, decided, examine

    recording = read_source(source, request, role="reference")
    given = documents.plates if documents is not None else []
    # what makes plates of channels comes before the question whether there are any
    (recording,) = calibrated([recording], [d for d in given if isinstance(d.document, ForcePlates)])
    if not recording.of_kind("force_plate") and not recording.of_kind("insole"):
        why = "; ".join([f"it holds {', '.join(recording.streams)}", *recording.notes])
        raise WrongRoleError(f"{path_of(source)}: holds no force plate (nor an insole) to align to: {why}")
    (recording,) = calibrated([recording], [d for d in given if not isinstance(d.document, ForcePlates)])
    ask = CorrectionRequest.of(request.correct)
    findings = examine(recording, surface=request.surface, mass_kg=request.mass_kg, forward=request.forward)
    recording = _examined(correct(recording, findings, ask=ask))
    rows = [{"plate": p.plate, **f.model_dump()} for p in decided(findings, ask) for f in p.findings]
    rows += belt_findings(recording, request.surface)
    if request.forward:
        recording = _turned(recording, request.forward)
    return recording, rows


def _examined(recording: Recording) -> Recording:
    """Return the recording with its plates marked as examined: alignment takes their sign as it now is."""
    streams = {
        name: s.assign_attrs(doctor="examined") if s.attrs["kind"] == "force_plate" else s
        for name, s in recording.streams.items()
    }
    return recording.replaced(streams)


def _turned(recording: Recording, forward: str) -> Recording:
    ups = {str(s.attrs.get("vertical", "")) for s in recording.of_kind("force_plate").values()} - {""}
    if len(ups) != 1:
        axes = ", ".join(sorted(ups)) or "unknown"
        raise BadInputError(f"--forward needs one vertical axis over all plates; it is {axes}")
    rotation = lab_rotation(forward, ups.pop())
    turned = {
        name: into_lab(s, rotation) if s.attrs["kind"] in ("force_plate", "landmarks") else s
        for name, s in recording.streams.items()
    }
    return recording.replaced(turned, findings=[f"axes turned to the lab frame, forward was {forward}"])


def apart_from_plates(recording: Recording) -> tuple[Recording, Recording | None]:
    """Return the reference alone, and what else of its file shows contacts: devices that share its clock.

    The reference are the force plates, or the insoles of a file without any.
    """
    target = "force_plate" if recording.of_kind("force_plate") else "insole"
    worn = {n: s for n, s in recording.streams.items() if s.attrs["kind"] in ALIGNABLE and s.attrs["kind"] != target}
    if not worn:
        return recording, None
    return recording.replaced({n: s for n, s in recording.streams.items() if n not in worn}), recording.replaced(worn)


def read_wearables(
    sources: tuple[Source, ...],
    request: SyncRequest,
    documents: Documents | None = None,
    *,
    beside: tuple[Source, Recording] | None = None,
) -> Wearables:
    """Return the wearables' streams, read, calibrated where documents were given, and grouped by clock.

    Parameters
    ----------
    beside
        The reference's own file, and what of it is a device; it comes after the others.

    Raises
    ------
    BadInputError
        If one of them holds nothing that shows contacts.
    """
    wearables = Wearables()
    recordings = [read_source(source, request) for source in sources]
    # the feet stated are those of the wearables, and of the reference's own file where it is the only one
    if beside is not None and not recordings:
        sources, recordings, beside = (beside[0],), [beside[1]], None
    recordings = with_sides(recordings, sources, request.side)
    recordings, sources = joined_files(recordings, sources)
    refuse_offset_of_several(request, len(recordings))
    if beside is not None:
        sources, recordings = (*sources, beside[0]), [*recordings, beside[1]]
    for source, recording in zip(sources, calibrated(recordings, documents.wearables if documents is not None else ())):
        wearables.recordings.append(recording)
        _refuse_changed_films(recording, path_of(source).name)
        groups = by_clock(recording, together=request.together)
        if not groups and _of_background(recording) and (request.synchronised or request.offset_s is not None):
            groups = [dict(recording.streams)]
        if not groups:
            streams = ", ".join(recording.streams)
            if _of_background(recording):
                raise WrongRoleError(
                    f"{path_of(source)}: holds pictures alone (background subtraction), in which no contact can be"
                    " seen, so that nothing aligns it; take the pose model's (leave out --picture), or state its clock"
                    " by --offset or --synchronised, where a trigger joins camera and plates (offset_s, synchronised in"
                    " Python)"
                )
            raise WrongRoleError(
                f"{path_of(source)}: holds no insole, IMU, landmarks or keypoints stream to align (it holds {streams})"
            )
        _add(wearables, recording, groups, request.together, path_of(source).name)
    if not wearables.groups:
        raise BadInputError(
            f"{request.reference}: holds force plates alone, and no insole, IMU or landmarks on their clock; name the"
            " other recordings with --wearable (wearables in Python)"
        )
    return wearables


def _of_background(recording: Recording) -> bool:
    """Return whether a recording is a film without the pose model: pictures alone, on which a clock may be stated."""
    return {str(s.attrs.get("picture")) for s in recording.streams.values()} == {BACKGROUND}


def _refuse_changed_films(recording: Recording, file: str) -> None:
    """Refuse a film that was cut or is slow motion: its stamps are no clock, and no contact could say so.

    Raises
    ------
    RefusedError
        With where.
    """
    for stream in recording.of_kind("keypoints").values():
        times_slower = slowed_of(stream)
        if times_slower != 1.0:
            raise RefusedError(
                f"{file}: its stamps are {times_slower:.2g} times slower than its camera states that it filmed; export"
                " it at normal speed, or film without slow motion"
            )
        leapt = leaps_of(stream)
        if leapt:
            raise RefusedError(
                f"{file}: pictures seem to be cut out, though their stamps go on, at"
                f" {', '.join(str(leap) for leap in leapt)}, so that its stamps are no clock; take the file that the"
                " camera wrote, or read one part of it in Python: grfkit.read_film(path, end_s=...)"
            )


def _add(
    wearables: Wearables, recording: Recording, groups: list[dict[str, xr.Dataset]], together: bool | None, file: str
) -> None:
    """Add one recording's groups under names that no other recording uses, with events and pictures on their clocks."""
    aligned = {n for group in groups for n in group}
    carried = {n: s for n, s in recording.streams.items() if s.attrs.get("kind") in CARRIED and n not in aligned}
    for group in groups:
        renamed: dict[str, xr.Dataset] = {}
        for name, stream in group.items():
            unique = _unique(name, wearables.streams)
            renamed[unique] = wearables.streams[unique] = stream
        wearables.groups.append(renamed)
        wearables.first_stamps_s.append(first_stamp_s(recording))
        clock = clock_of(next(iter(group.values())), together)
        for name in [n for n, s in carried.items() if clock_of(s, together) == clock]:
            unique = _unique(name, {**wearables.streams, **wearables.carried})
            wearables.carried[unique] = carried.pop(name), next(iter(renamed))
    left_out = [
        n for n, s in recording.streams.items() if n not in aligned and (n in carried or s.attrs["kind"] not in CARRIED)
    ]
    if left_out:
        wearables.notes.append(f"{file}: not aligned, no contact can be seen in: {', '.join(left_out)}")


def first_stamp_s(recording: Recording) -> float:
    """Return the time (s) in the file of what is zero on the recording's clock; 0 of a recording that names none."""
    return float(recording.tree.attrs.get("first_stamp_s", 0.0))


def _unique(name: str, others: Mapping[str, Any]) -> str:
    number, unique = 2, name
    while unique in others:
        unique, number = f"{name}_{number}", number + 1
    return unique


def with_sides(recordings: Sequence[Recording], sources: Sequence[Source], sides: Sequence[str]) -> list[Recording]:
    """Return the recordings with the foot that the user states where they state none.

    Parameters
    ----------
    sides
        None; one, for every recording that states no foot; or one for each recording in turn.

    Raises
    ------
    BadInputError
        If the numbers differ, a file says another foot, or all of them say it themselves.
    """
    from ..io import is_of_unknown_foot, with_side

    if len(sides) not in (0, 1, len(recordings)):
        raise BadInputError(
            f"{len(sides)} feet are stated (--side; side in Python) for {len(recordings)} wearables; state one for all,"
            " or one for each in the order of the wearables"
        )
    if not sides:
        return list(recordings)
    unknown = [is_of_unknown_foot(recording) for recording in recordings]
    if not any(unknown):
        raise BadInputError("--side (side in Python) is of no use: every wearable says its foot itself; leave it out")
    each = list(sides) * len(recordings) if len(sides) == 1 else list(sides)
    changed = []
    for recording, source, side, is_open in zip(recordings, sources, each, unknown):
        feet = {str(s.attrs.get("side")) for s in recording.streams.values()} & {"left", "right"}
        if not is_open and len(sides) > 1 and feet and side not in feet:
            raise BadInputError(f"{path_of(source)}: says that it is of the {feet.pop()} foot, not of the {side} one")
        changed.append(with_side(recording, side) if is_open else recording)
    return changed


def refuse_exchanged(
    reference: Recording | None, wearables: Sequence[Recording], sources: Sequence[Source], why: str = ""
) -> None:
    """Refuse a reference without force plates beside a wearable that has some: they were exchanged.

    Raises
    ------
    BadInputError
        With the command line as it should be.
    """
    if reference is not None and reference.of_kind("force_plate"):
        return
    for recording, source in zip(wearables, sources[1:]):
        if recording.of_kind("force_plate"):
            plates, worn = path_of(source), path_of(sources[0])
            begin = why or f"{worn}: holds no force plate"
            raise BadInputError(
                f"{begin}; {plates} holds force plates: are the two exchanged? Take --reference {plates}"
                f" --wearable {worn} (reference and wearables in Python)"
            )


def explain_wrong_role(error: WrongRoleError, sources: Sequence[Source], request: SyncRequest) -> BadInputError:
    """Return the refusal of a recording in the wrong role, with the advice to exchange two where that helps."""
    recordings = []
    for role, source in zip(("reference", *["wearable"] * len(sources[1:])), sources):
        try:
            recordings.append(read_source(source, request, role=role))
        except BadInputError:
            return error
    try:
        refuse_exchanged(recordings[0], recordings[1:], sources, str(error))
    except BadInputError as exchanged:
        return exchanged
    return error


def by_clock(recording: Recording, *, together: bool | None = None) -> list[dict[str, xr.Dataset]]:
    """Return the wearable streams grouped by clock.

    Parameters
    ----------
    together
        True: all streams on one clock; False: each side apart; None: as the file says.
    """
    groups: dict[str, dict[str, xr.Dataset]] = {}
    for name, stream in recording.streams.items():
        if stream.attrs.get("kind") in ALIGNABLE:
            groups.setdefault(clock_of(stream, together), {})[name] = stream
    return list(groups.values())


def clock_of(stream: xr.Dataset, together: bool | None) -> str:
    """Return the name of a stream's clock; streams of one name are aligned together (see :func:`by_clock`)."""
    if together is None:
        return str(stream.attrs.get("clock", "device"))
    return "device" if together else str(stream.attrs.get("side", "unknown"))
