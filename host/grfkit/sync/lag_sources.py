"""Files to measure a lag by: read, and whether their clocks are one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..arguments import ArgumentError
from ..errors import BadInputError
from ..provenance import describe_input
from ..records import Recording
from .inputs import apart_from_plates, first_stamp_s, with_sides
from .lag_measure import FEATURES, ClassLag, LagSource, combine, measure_recording
from .request import SyncRequest, read_source

METHODS = ("blows", "jumps", "steps")


def measure_lags(
    references: Sequence[Path],
    wearables: Sequence[Path],
    *,
    synchronised: bool = False,
    method: str | None = None,
    classes: Sequence[str] = (),
    plates: Path | None = None,
    side: str | None = None,
    column_map: Path | None = None,
    rate_hz: float | None = None,
) -> tuple[list[ClassLag], list[LagSource]]:
    """Return the lag of every class that the recordings hold, and the recordings.

    Parameters
    ----------
    references, wearables
        Plates and devices: references alone hold both; of both, each wearable belongs to the reference of its place;
        wearables alone hold two devices, of which the difference can be seen.
    synchronised
        The clocks of each two files are joined, and their times hold.
    method
        ``blows``, ``jumps`` or ``steps``; None: as the loads show.
    classes
        Measure these only.

    Raises
    ------
    BadInputError
        If the clocks are not one, there are no blows, or the device does not show them.
    """
    if method is not None and method not in METHODS:
        raise ArgumentError("method", f"is {method!r}, expected one of {', '.join(METHODS)}")
    for kind in classes:
        if kind not in FEATURES:
            raise ArgumentError("device_class", f"is {kind!r}, expected one of {', '.join(FEATURES)}")
    _refuse_numbers(references, wearables, synchronised)
    first = (*references, *wearables)[0]
    side_given = (side,) if side is not None else ()
    request = SyncRequest.model_validate(
        {
            "reference": first,
            "wearables": (first,),
            "surface": "overground",
            "plates": plates,
            "side": side_given,
            "column_map": column_map,
            "rate_hz": rate_hz,
        }
    )
    sources = _sources(references, wearables, request)
    _refuse_twice(wearables or references, sources)
    if classes:
        sources = [_only(source, classes) for source in sources]
    found = [lag for source in sources for lag in measure_recording(source, method)]  # type: ignore[arg-type]
    return combine(found), sources


def _refuse_numbers(references: Sequence[Path], wearables: Sequence[Path], synchronised: bool) -> None:
    if not references and not wearables:
        raise BadInputError(
            "--reference FILE is missing (references in Python): the plates that were struck (see --help)"
        )
    if not references or not wearables:
        if synchronised:
            raise BadInputError(
                "--synchronised (synchronised in Python) joins the clocks of two files, a --reference and a --wearable;"
                " one file is on one clock already: leave it out"
            )
        return
    if len(references) != len(wearables):
        raise BadInputError(
            f"{len(references)} --reference and {len(wearables)} --wearable (references and wearables in Python): each"
            " device needs the plates it was struck on; name a reference for every wearable"
        )
    if not synchronised:
        raise BadInputError(
            f"the clocks of {references[0]} and {wearables[0]} are not stated to be one, and between unknown clocks a"
            " lag looks like an offset: record both in one file, or, if a cable joins their clocks, say --synchronised"
            " (synchronised=True in Python); a --wearable alone shows the difference of its two devices"
        )


def _refuse_twice(devices: Sequence[Path], sources: Sequence[LagSource]) -> None:
    """Refuse one recording of a device given twice: it would pass for a second one that shows the very same lag."""
    seen: dict[str, Path] = {}
    for path, source in zip(devices, sources):
        earlier = seen.setdefault(source.inputs[-1].sha256, path)
        if earlier is not path:
            raise BadInputError(
                f"{path}: is the same recording as {earlier}, and would count as a second one without any spread; name"
                " each recording once"
            )


def _sources(references: Sequence[Path], wearables: Sequence[Path], request: SyncRequest) -> list[LagSource]:
    if not references:
        return [_difference(path, request) for path in wearables]
    if not wearables:
        return [_one_file(path, request) for path in references]
    rows = []
    for plate_path, device_path in zip(references, wearables):
        reference = read_source(plate_path, request, role="reference")
        (device,) = with_sides([read_source(device_path, request)], [device_path], request.side)
        if not reference.of_kind("force_plate"):
            raise BadInputError(f"{plate_path}: holds no force plate, so that nothing says when a blow fell")
        shift_s = first_stamp_s(device) - first_stamp_s(reference)
        inputs = (describe_input(plate_path, role="reference"), describe_input(device_path, role="wearable"))
        rows.append(LagSource(device_path.name, reference, _one_clock(device_path, device), shift_s, inputs))
    return rows


def _one_file(path: Path, request: SyncRequest) -> LagSource:
    recording = read_source(path, request, role="reference")
    if not recording.of_kind("force_plate"):
        raise BadInputError(
            f"{path}: holds no force plate, so that nothing says when a blow fell; name the plates with --reference and"
            " this with --wearable"
        )
    reference, device = apart_from_plates(recording)
    if device is None:
        raise BadInputError(
            f"{path}: holds force plates alone, and no insole, IMU or landmarks on their clock; name the device with"
            " --wearable (wearables in Python)"
        )
    (device,) = with_sides([device], [path], request.side)
    clocks = {str(s.attrs.get("clock", "device")) for s in recording.streams.values()}
    if len(clocks) > 1:
        raise BadInputError(
            f"{path}: its streams are on {len(clocks)} clocks ({', '.join(sorted(clocks))}), and between clocks a lag"
            " looks like an offset; record plate and device on one"
        )
    return LagSource(path.name, reference, device, 0.0, (describe_input(path, role="recording"),))


def _difference(path: Path, request: SyncRequest) -> LagSource:
    (device,) = with_sides([read_source(path, request)], [path], request.side)
    if device.of_kind("force_plate"):
        raise BadInputError(f"{path}: holds force plates; name it with --reference")
    return LagSource(path.name, None, _one_clock(path, device), 0.0, (describe_input(path, role="wearable"),))


def _one_clock(path: Path, device: Recording) -> Recording:
    clocks = {str(s.attrs.get("clock", "device")) for s in device.streams.values()}
    if len(clocks) > 1:
        raise BadInputError(
            f"{path}: its streams are on {len(clocks)} clocks ({', '.join(sorted(clocks))}), and between clocks a lag"
            " looks like an offset; give one foot's recording at a time"
        )
    return device


def _only(source: LagSource, classes: Sequence[str]) -> LagSource:
    """Return a source with the streams of some classes alone; an insole that others are measured against stays."""
    wanted = (*classes, "insole") if source.reference is None else tuple(classes)
    streams: dict[str, Any] = {n: s for n, s in source.device.streams.items() if s.attrs.get("kind") in wanted}
    held = {str(s.attrs.get("kind")) for s in source.device.streams.values()}
    missing = [kind for kind in classes if kind not in held]
    if missing:
        raise BadInputError(f"{source.name}: holds no {' and no '.join(missing)} stream")
    return LagSource(source.name, source.reference, source.device.replaced(streams), source.shift_s, source.inputs)
