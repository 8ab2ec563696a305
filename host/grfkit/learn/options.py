"""Options of a network as settings of the registry: its preset's settings, how features enter, weights of ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ..arguments import ArgumentError, as_choice, as_path
from ..arrays import PathLike
from ..errors import BadInputError
from .networks import imagenet_network_names
from .networks.base import Statics
from .preset import load_preset


def network_options(
    preset: str, kind: str, network: str, features_by: str, imagenet: PathLike | None
) -> dict[str, Any] | None:
    """Return what single options say of a network, as settings; None where they say nothing.

    A network that the preset lists has its settings of the preset.
    """
    settings: dict[str, Any] = {}
    if network:
        listed = load_preset(preset, kind).networks_by_name() if preset else {}
        settings = dict(listed.get(network, {"name": network}))
    if features_by:
        settings["statics_by"] = as_choice(features_by, get_args(Statics))
    if imagenet is not None and str(imagenet):
        settings["imagenet"] = str(as_path(imagenet, what="a file of weights"))
    return settings or None


def without_use(method: str, network: Mapping[str, Any], *, features_by: str, imagenet: PathLike | None) -> None:
    """Refuse options of networks where there is none, or none that could use them.

    Raises
    ------
    BadInputError
        Naming the option and what it is of.
    """
    if features_by and method != "network":
        raise ArgumentError("features_by", "says how features enter a network; take --network NAME or --preset, too")
    takes = method == "network" and network["name"] in imagenet_network_names()
    if imagenet is not None and str(imagenet) and not takes:
        what = f"network '{network['name']}'" if method == "network" else f"method '{method}'"
        raise BadInputError(
            f"--imagenet (imagenet in Python) is of {' and '.join(imagenet_network_names())}, and {what} takes no"
            " weights of ImageNet; name one of them with --network, or leave it out"
        )
