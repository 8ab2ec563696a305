"""Bundles for an insole, into firmware_models: ``python tools/make_bundles.py --help``.

A BiLSTM and a TCN for an insole of 16 cells with an IMU, trained on the SIMULATED lab of the accuracy benchmark (20
people on a treadmill, 15 of them over plates), by the commands that it prints. Four people are held out of both
surfaces: what eight bits cost is measured on them. Dropout, noise, gain and shift were chosen on people of the
training alone. The TCN's shape was chosen on inner people of the edge benchmark's lab, where these four are too, so
that their cards flatter these two a little; ``python tools/bench edge.choice lab`` prints the candidates on the
others. Both networks stand beside a linear path that starts from ridge, which errs less than the same networks from
zero on people left out (``python tools/bench accuracy --only lab``). Scaling every point of a stance on its own did not
help here, where it does for landmarks.

``--again`` trains nothing: the bundles that lie there are written anew with today's texts, C and runtime, their
weights and golden windows as they are (a contact detector that states no rule for cells that creep gets it), and are
verified on every board. Do that after a change of
``firmware_models/runtime`` or of ``host/grfkit/deploy/templates``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from bench.accuracy import sets
from grfkit.deploy.bundle_rewrite import rewrite_bundle

EACH, HELD_OUT = 60, ("P02", "P07", "P11", "P15")
"""Stances of each person and surface; who is held out: taken before anything was trained, not chosen."""
NETWORKS = {
    "bilstm_simulated": 'name = "bilstm"\nhidden = 24\nhead = [32]\ndropout = 0.1\nlinear = { rank = 16 }',
    "tcn_simulated": 'name = "tcn"\nhidden = 24\nlayers = 3\nkernel = 7\nconvolutions = 1\ndilation = 3\n'
    "centred = true\nhead = [32]\ndropout = 0.1\nlinear = { rank = 16 }",
}
CONFIG = """\
inner = 0

[cut]
cells = "relative"

[network]
{network}

[train]
channels = ["*"]
statics = ["contact_s"]
seed = {seed}
epochs = 30
lr = 5e-3
batch = 16
patience = 0

[train.augmentation]
noise = 0.6
gain = 0.3
shift_samples = 2
"""
SEEDS = {"bilstm_simulated": 1966, "tcn_simulated": 1967}
"""Of the training. With 1966 the TCN's interpreters are three steps of the last bit apart, where two are allowed."""
LICENCE = "CC0-1.0; trained on simulated recordings alone"


def make(name: str, folder: Path, train: Path, held_out: Path, *, force: bool) -> None:
    """Train a network, quantise it, and write its bundle."""
    place = sets.BUILD.parent / "bundles" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "network.toml").write_text(CONFIG.format(network=NETWORKS[name], seed=SEEDS[name]), encoding="utf-8")
    grf("grf-train", train, "--config", place / "network.toml", "--regime", "D2", "--out", place / "model", "--force")
    words = ["grf-quantize", "export", place / "model", "--out", folder / name, "--held-out", held_out]
    grf(*words, "--boards", "all", "--licence", LICENCE, *(["--force"] if force else []))
    grf("grf-quantize", "verify", folder / name)


def again(folder: Path) -> None:
    """Write a bundle anew around its weights, and print what changed."""
    changed = rewrite_bundle(folder)
    print(f"{folder}: {len(changed)} files changed: {', '.join(changed) or 'none'}", flush=True)
    grf("grf-quantize", "verify", folder, "--boards", "all")


def grf(*words: str | Path) -> None:
    """Type a command."""
    print("$ " + " ".join(str(word) for word in words), flush=True)
    program = Path(sys.executable).with_name(str(words[0]))
    subprocess.run([program, *map(str, words[1:])], check=True)


def _split() -> tuple[Path, Path]:
    """Return the sets of those trained on and those held out."""
    data, place = sets.lab_relative(EACH), sets.BUILD.parent / "bundles"
    place.mkdir(parents=True, exist_ok=True)
    paths = place / "train.nc", place / "held_out.nc"
    for path, part in zip(paths, (data.without(HELD_OUT), data.of(HELD_OUT))):
        part.to_netcdf(path, force=True)
    return paths


def main() -> None:
    """Make the bundles asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NETWORKS), help=f"of {', '.join(NETWORKS)}; all if none")
    parser.add_argument("--out", type=Path, default=sets.ROOT / "firmware_models")
    parser.add_argument("--force", action="store_true", help="overwrite")
    parser.add_argument("--again", action="store_true", help="only texts, C and runtime; weights as they are")
    request = parser.parse_args()
    unknown = [name for name in request.names if name not in NETWORKS]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(NETWORKS)}")
    if request.again:
        for name in request.names:
            again(request.out / name)
        return
    request.out.mkdir(parents=True, exist_ok=True)
    train, held_out = _split()
    for name in request.names:
        make(name, request.out, train, held_out, force=request.force)


if __name__ == "__main__":
    main()
