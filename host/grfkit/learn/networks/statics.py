"""Static features (mass, speed, slope, contact time): repeated over time, or as gains and offsets of features."""

from __future__ import annotations

from torch import Tensor, nn


def tiled(statics: Tensor, points: int) -> Tensor:
    """Return statics (batch, n) repeated over time, shape (batch, points, n)."""
    return statics[:, None, :].expand(-1, points, -1)


class Film(nn.Module):  # type: ignore[misc]
    """Feature-wise linear modulation: features x (1 + gain(statics)) + offset(statics).

    Perez et al. 2018, AAAI, "FiLM: visual reasoning with a general conditioning layer". Starts as the identity, so
    that the statics have no effect until training gives them one.
    """

    def __init__(self, statics: int, features: int, hidden: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(statics, hidden), nn.ReLU(), nn.Linear(hidden, 2 * features))
        # at the start the gain is 1 and the offset 0: statics come in as far as training finds them of use
        nn.init.zeros_(self.net[2].weight)
        nn.init.zeros_(self.net[2].bias)

    def forward(self, features: Tensor, statics: Tensor) -> Tensor:
        """Return modulated features (batch, time, features) for statics (batch, n)."""
        gain, offset = self.net(statics)[:, None, :].chunk(2, dim=2)
        return features * (1.0 + gain) + offset
