"""How many steps of the last bit LiteRT is from TFLite Micro: ``python tools/bench edge.steps BUNDLE...``.

On the golden windows and the made-up foot; on mixes of two of them with noise, which stand for people between those
that were measured; on windows scaled by 0.6 to 1.6; on any bytes. By seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grfkit.deploy.golden import read_npz
from grfkit.runtime import load

from .. import harness

SEED, MIXES, RANDOM = 3, 2000, 200
RESOLVERS = ("reference", "builtin", "xnnpack")
Windows = NDArray[np.int8]


def kinds(folder: Path) -> Iterator[tuple[str, Windows]]:
    """Yield windows of each kind, (n, T, width)."""
    golden, rng = read_npz((folder / "golden.npz").read_bytes()), np.random.default_rng(SEED)
    base = np.concatenate([golden[k] for k in ("input_int8", "foot_input") if k in golden])
    yield "golden windows and the made-up foot", base
    first, second = base[rng.integers(0, len(base), (2, MIXES))].astype(float)
    share = rng.uniform(0, 1, (MIXES, 1, 1))
    drift, noise = rng.normal(0, 4, (MIXES, 1, base.shape[2])), rng.normal(0, 1.5, first.shape)
    yield "mixes of two of them, with noise", _int8(share * first + (1 - share) * second + drift + noise)
    yield "scaled by 0.6 to 1.6", _int8(first * rng.uniform(0.6, 1.6, (MIXES, 1, 1)))
    yield "any bytes", rng.integers(-128, 128, (RANDOM, *base.shape[1:]), dtype=np.int8)


def _int8(values: NDArray[np.float64]) -> Windows:
    return np.clip(np.rint(values), -128, 127).astype(np.int8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="*", type=Path, help="folders; the shipped ones if none")
    request = parser.parse_args()
    shipped = sorted(p.parent for p in (harness.ROOT / "firmware_models").glob("*/manifest.json"))
    heads = "".join(f" {r}: greatest | values beyond 1 |" for r in RESOLVERS)
    print(f"| bundle | windows |{heads}\n|---|---|{'---|---|' * len(RESOLVERS)}")
    for folder in request.bundles or shipped:
        content = (folder / "model.tflite").read_bytes()
        for kind, windows in kinds(folder):
            micro = load(content, "tflm").run(windows).astype(np.int16)
            cells = []
            for resolver in RESOLVERS:
                steps = np.abs(load(content, "litert", resolver=resolver).run(windows) - micro)
                cells.append(f"{steps.max()} LSB | {(steps > 1).sum()} of {steps.size}")
            print(f"| {folder.name} | {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
