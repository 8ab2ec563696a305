"""Whether the device that was asked for is there."""

from __future__ import annotations

import torch

from ..errors import BadInputError


def check_device(device: str) -> None:
    """Refuse a device that torch does not know or cannot reach here.

    Raises
    ------
    BadInputError
        Naming it, with torch's first line.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise BadInputError(
            f"device '{device}' cannot be used here ({first}); take cpu, or cuda where one is"
        ) from error
