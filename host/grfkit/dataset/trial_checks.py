"""Refusals: trials whose forces would become wrong body weights, and requests that cannot be met."""

from __future__ import annotations

import numpy as np

from ..errors import BadInputError
from ..records import Trial
from .cut import KINDS, CutRequest
from .resample import check_window

LIGHTEST_KG, HEAVIEST_KG = 10.0, 300.0
"""Body masses (kg) that a person can have. Chosen by hand, wide: they catch grams and newtons."""


def check_trial(trial: Trial, request: CutRequest, name: str) -> None:
    """Refuse a trial or a request that no windows can be cut from.

    Raises
    ------
    BadInputError
        If the trial has no force, names no participant or mass, was refused, or has plates not in newtons; or if the
        request asks for unknown kinds or windows, or for stances from a detector that sees no toe-off.
    """
    attrs = trial.tree.attrs
    if attrs.get("force") == "none":
        raise BadInputError(
            f"trial '{name}' has no force: its devices were joined without force plates, and nothing can be learnt from"
            " it or compared with it; grf-estimate takes it"
        )
    if not str(attrs.get("participant", "")).strip():
        raise BadInputError(
            f"trial '{name}' names no participant; without one nobody can tell whether a person is in training and in"
            " test: align it again by grf-sync with --participant CODE (participant=CODE in Python)"
        )
    check_mass_kg(attrs.get("mass_kg"), name)
    check_newtons(trial, name)
    if trial.verdict == "refused":
        raise BadInputError(f"trial '{name}' was refused by alignment; nothing is learnt from it")
    if refused := trial.refused_streams:
        raise BadInputError(
            f"trial '{name}' holds {', '.join(refused)}, which alignment refused; nothing is learnt from it: align it"
            " again by grf-sync with --allow-partial in place of --accept-refused (allow_partial in Python), which"
            " leaves such streams out"
        )
    unknown = [k for k in request.kinds if k not in KINDS]
    alone = (("landmarks",), ("keypoints",), ("images",), ("shoes",))
    if (unknown or not request.kinds) and request.kinds not in alone:
        raise BadInputError(
            f"kinds are {', '.join(request.kinds) or 'none'}; expected some of {', '.join(KINDS)}, or landmarks,"
            " keypoints, images or shoes alone"
        )
    if request.targets == "cop" and request.kinds not in (("shoes",), ("landmarks",), *((k,) for k in KINDS), KINDS):
        raise BadInputError(
            f"the centre of pressure is learnt from insoles, IMUs, the IMUs of both shoes or landmarks, not from"
            f" {', '.join(request.kinds)} of a film; leave out targets = 'cop'"
        )
    # the kind of window alone; the detector is refused below, with advice
    check_window(request.window, "", ("",))
    if not request.rate_hz > 0 or round(request.window_s * request.rate_hz) < 2:
        raise BadInputError(
            f"window_s is {request.window_s:g} and rate_hz {request.rate_hz:g}; expected two samples a window or more"
        )
    if request.window == "stance" and request.source in ("imu", "landmarks") and request.kinds != ("shoes",):
        raise BadInputError(
            f"source '{request.source}' sees contacts without toe-off, so that it cuts no stances; take"
            " window='continuous', or stances cut by an insole or by 'force' (which is named in every result), or of"
            " walkers with an IMU on each shoe kinds = ['shoes'], source = 'imu'"
        )


def check_mass_kg(stated: object, name: str) -> None:
    """Refuse a body mass that is not stated, no number, or impossible in kilograms.

    Raises
    ------
    BadInputError
        Naming the trial and the mass.
    """
    try:
        mass_kg = float("nan" if stated is None else stated)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadInputError(f"trial '{name}' has the mass {stated!r}, which is no number of kilograms") from None
    if not np.isfinite(mass_kg):
        raise BadInputError(
            f"trial '{name}' states no body mass; align it again by grf-sync with --mass-kg M (mass_kg=M in Python)"
        )
    if not LIGHTEST_KG <= mass_kg <= HEAVIEST_KG:
        raise BadInputError(
            f"trial '{name}' has the mass {mass_kg:g}, expected kilograms ({LIGHTEST_KG:g} to {HEAVIEST_KG:g}); align"
            " it again by grf-sync with --mass-kg M (mass_kg=M in Python)"
        )


def check_newtons(trial: Trial, name: str) -> None:
    """Refuse plates whose forces are not in newtons: body weights would be wrong by that factor.

    Raises
    ------
    BadInputError
        Naming plate, axis and unit.
    """
    for plate, stream in trial.streams.items():
        if stream.attrs.get("kind") != "force_plate":
            continue
        for axis in ("fx", "fy", "fz"):
            unit = str(stream[axis].attrs.get("units", "N")) if axis in stream else "N"
            if unit != "N":
                raise BadInputError(f"trial '{name}': {axis} of {plate} is in {unit}, expected N; convert it first")
