"""A model in a fraction of its size: kernels as sums of a few shapes, numbers in 16 bits, and what that changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RefusedError
from ..records.stance_set import StanceSet
from .model import FEWEST_HALVED, GrfModel, calibration_windows, new_network, predict
from .networks import ForceNetwork
from .networks.direct import Kernel, Mix

MOST_CHANGE_BW = 0.01
"""Largest change of any sample (BW) that is let through: chosen by hand, far below any error of such models."""
MEASURED = 2000
"""Windows on which the change is measured, evenly spread over people."""
ROWS_OFF, CURVES_OFF = 1e-3, 2e-3
"""Share of a kernel's stances, and of the curves it answers to them, that may be lost (norms): chosen by hand, a few
times what 16 bits lose."""
_WHOLE = ("dual", "mean", "width", "curves")
"""Of a kernel: large dual weights of either sign nearly cancel, so that 16 bits of them would leave noise."""


@dataclass(frozen=True)
class CompactionChange:
    """How much compacting moves the answers to windows of the training, BW: root mean square and largest."""

    rms_bw: float
    largest_bw: float
    windows: int

    @property
    def words(self) -> str:
        """Return it in a sentence."""
        return (
            f"tables are sums of a few shapes, in 16 bits where that is enough, which moves the answers to"
            f" {self.windows} of the training windows by {self.rms_bw:.1g} BW (root mean square), and no sample by more"
            f" than {self.largest_bw:.1g} BW"
        )


def compacted(
    model: GrfModel, data: StanceSet, *, most_bw: float = MOST_CHANGE_BW
) -> tuple[GrfModel, CompactionChange]:
    """Return a model whose large tables are small, as they are then saved; and how much that changes.

    Parameters
    ----------
    data
        Windows on which the change is measured; those of the training serve.

    Raises
    ------
    RefusedError
        If a sample of them moves by more than ``most_bw``.
    """
    settings, state = _small(model.network)
    network = new_network(settings, model.spec.scaler, seed=0)
    network.load_state_dict({k: _rounded(k, v) for k, v in state.items()})
    network.eval()
    small = GrfModel(model.spec.model_copy(update={"network": settings}), network, model.calibration)
    windows = calibration_windows(data, MEASURED)
    leaks = ("the change by compacting, measured on the training's own windows",)
    off = predict(small, windows, leaks=leaks) - predict(model, windows, leaks=leaks)
    change = CompactionChange(float(np.sqrt(np.nanmean(off**2))), float(np.nanmax(np.abs(off))), windows.size)
    if not change.largest_bw <= most_bw:
        raise RefusedError(
            f"compacting moves an answer by {change.largest_bw:.3g} BW, over {most_bw:g}; keep the model as it is"
        )
    return small, change


def _small(network: ForceNetwork) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return settings and numbers of a network, kernels among its members as sums of shapes."""
    settings, state = network.config.model_dump(mode="json"), dict(network.state_dict())
    if isinstance(network, Kernel):
        return _few_shapes(network)
    if isinstance(network, Mix):
        members = [_small(member) for member in network.members]
        settings["members"] = [of_member for of_member, _ in members]
        state = {k: v for k, v in state.items() if not k.startswith("members.")}
        for number, (_, of_member) in enumerate(members):
            state |= {f"members.{number}.{k}": v for k, v in of_member.items()}
    return settings, state


def _few_shapes(kernel: Kernel) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a kernel's settings and numbers with its stances, and the curves it answers, as sums of a few shapes."""
    rows, state = kernel.rows.double(), dict(kernel.state_dict())
    amounts, shapes = _split(rows, ROWS_OFF)
    settings = kernel.config.model_dump(mode="json")
    if (len(rows) + rows.shape[1]) * len(shapes) < rows.numel():
        settings["row_rank"] = len(shapes)
        state |= {"rows": amounts.float(), "basis": shapes.float()}
    apart = torch.cdist(rows, rows) ** 2
    fitted = [torch.exp(-apart / w) @ d.double() for w, d in zip(kernel.width, kernel.dual)]
    curves = [_split(f, CURVES_OFF)[1] for f in fitted]
    rank = max(len(c) for c in curves)
    if rank < kernel.mean.shape[1]:
        wide = [torch.linalg.svd(f, full_matrices=False).Vh[:rank] for f in fitted]
        settings["curve_rank"] = rank
        dual = [d.double() @ shape.T for d, shape in zip(kernel.dual, wide)]
        state |= {"dual": torch.stack(dual).float(), "curves": torch.stack(wide).float()}
    return settings, state


def _split(table: Tensor, off: float) -> tuple[Tensor, Tensor]:
    """Return amounts and the fewest shapes whose sums miss a share ``off`` of a table at most (norms)."""
    left, size, right = torch.linalg.svd(table, full_matrices=False)
    # what is lost with the first k shapes kept
    lost = torch.cat([(size**2).flip(0).cumsum(0).flip(0), size.new_zeros(1)])
    rank = max(1, int((lost > off**2 * lost[0]).sum()))
    return left[:, :rank] * size[:rank], right[:rank]


def _rounded(name: str, tensor: Tensor) -> Tensor:
    """Return numbers rounded to 16 bits, small tables and those that must stay whole as they are."""
    keeps = name.rpartition(".")[2] in _WHOLE
    return tensor if keeps or tensor.dtype != torch.float32 or tensor.numel() < FEWEST_HALVED else tensor.half().float()
