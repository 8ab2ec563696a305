"""What is said of inputs that no answer is safe for, or that a bundle cannot hold."""

from __future__ import annotations

from ..errors import RefusedError
from ..learn.beyond import Beyond, Distances, beyond_training, hardly_moving
from ..learn.spec import ModelSpec


def range_findings(beyond: list[int]) -> list[str]:
    """Return what is to be known of numbers that a bundle cannot hold; nothing where it holds them all."""
    windows = sum(n > 0 for n in beyond)
    if not windows:
        return []
    return [
        f"{windows} of {len(beyond)} windows have numbers beyond the bundle's range ({sum(beyond)} numbers); its"
        " answers for them are held at the border"
    ]


def training_findings(spec: ModelSpec, apart: list[Distances], name: str, *, accepted: bool) -> list[str]:
    """Return which channels are far from those of training.

    Raises
    ------
    RefusedError
        If one is so far that no answer is safe, and that was not accepted.
    """
    far = beyond_training(spec.scaler, apart)
    hopeless = [channel for channel in far if channel.refused]
    if hopeless and not accepted:
        raise RefusedError(
            f"{name}: inputs are far beyond the training range, in spreads of training: {_listed(hopeless)}; the model"
            " was trained on nothing like it: check the units and the calibration of the recording, or take the"
            " answers all the same with --accept-beyond (accept_beyond=True in Python)"
        )
    findings = []
    if far:
        findings.append(
            f"BEYOND TRAINING: {_listed(far)} the spread of the model's training; nothing is known of the errors there:"
            " check units and calibration, or train with such recordings"
        )
    findings += [
        f"BEYOND TRAINING: no axis of {sensor} moves by more than {100 * share:.1f} % of its spread in the model's"
        " training: is its unit right, and was it worn?"
        for sensor, share in hardly_moving(spec.scaler, apart)
    ]
    return findings


def _listed(channels: list[Beyond]) -> str:
    return ", ".join(str(channel) for channel in sorted(channels, key=lambda c: -c.median))
