"""The device that torch computes on: whether it is there, and how it gives the same bits every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import BadInputError


def check_device(device: str) -> None:
    """Refuse a device that torch does not know or cannot reach here.

    Raises
    ------
    BadInputError
        Naming it, with torch's first line where the device is none of this machine's.
    """
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise BadInputError(f"device '{device}' cannot be used here; take cpu, or cuda where there is one")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise BadInputError(
            f"device '{device}' cannot be used here ({first}); take cpu, or cuda where one is"
        ) from error


@contextmanager
def deterministic(threads: int = 0, device: str = "cpu") -> Iterator[None]:
    """Let torch use deterministic algorithms (and ``threads`` threads, 0: as many as now) within the block.

    Its settings and random state are afterwards what they were before.
    """
    before, count = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    devices = [torch.device(device)] if device.startswith("cuda") else []
    if devices:
        # cuBLAS repeats its sums only with a fixed workspace (CUDA toolkit, "Results reproducibility")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(True)
        if threads:
            torch.set_num_threads(threads)
        # the caller's random numbers go on as if nothing had been trained
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_num_threads(count)
