"""Small trained models, converted once, for the tests of bundles: simulated insoles, three in training, one not."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import pytest

from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import CModel
from grfkit.embedded.compile import compiler
from grfkit.runtime.compiled import CRuntime
from test_estimate import as_trial, simulated

TRAINED, STRANGER = ("P1", "P2", "P3"), "P9"
BILSTM = {"name": "bilstm", "hidden": 32, "head": [32], "dropout": 0.1}
TCN = {
    "name": "tcn", "hidden": 24, "layers": 3, "kernel": 5, "convolutions": 1, "dilation": 3, "centred": True,
    "head": [], "dropout": 0.2,
}  # fmt: skip


def need_tensorflow() -> None:
    """Skip where no model can be converted and proven."""
    for name in ("tensorflow", "tf_keras", "ai_edge_litert", "tflite_micro"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed; bundles are made with grfkit[quantize]")


def need_compiler() -> None:
    """Skip where no C can be compiled."""
    if compiler() is None:
        pytest.skip("no C compiler (cc, gcc, clang)")


@dataclass(frozen=True)
class Small:
    """A model's folder, trials of a trained person and of a stranger, and its conversion."""

    folder: Path
    converted: object
    name: str = "model"

    @property
    def model(self) -> Path:
        return self.folder / self.name

    @property
    def stranger(self) -> Path:
        return self.folder / f"{STRANGER}.nc"

    @property
    def known(self) -> Path:
        return self.folder / f"{TRAINED[0]}.nc"

    @property
    def bundle(self) -> Path:
        return self.folder / "small_net"

    def export(self, out: Path, *, thorough: bool = False, **asked: object):
        """Export with the conversion that was made once.

        Unless ``thorough``, the C of a network is compiled once and answers some eighty windows instead of a thousand:
        enough for a test of what an export writes and refuses, too few for a bundle that is to be verified.
        """
        from grfkit.deploy import bundle, same_bytes

        with ExitStack() as changed:
            changed.enter_context(patch.object(bundle, "convert_model", lambda *_, **__: self.converted))
            if not thorough:
                changed.enter_context(patch.object(bundle, "compile_c", _compiled_once))
                changed.enter_context(patch.object(same_bytes, "LEAST_WINDOWS", 60))
                changed.enter_context(patch.object(same_bytes, "LEAST_RANDOM_WINDOWS", 20))
            return bundle.export_bundle(self.model, out, **{"held_out": [self.stranger], "boards": (), **asked})


@functools.lru_cache(maxsize=4)
def _compiled_once(model: CModel) -> CRuntime:
    return compile_c(model)


@functools.lru_cache(maxsize=1)
def trials() -> Path:
    """Return a folder with a trial of each person, which lasts as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="grfkit-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in (*TRAINED, STRANGER):
        as_trial(simulated(int(name[1:])), name).to_netcdf(folder / f"{name}.nc")
    return folder


def trained(network: dict[str, object], name: str, epochs: int = 4) -> Small:
    """Return a network trained on three people in the folder of their trials, and its conversion."""
    from grfkit.deploy.convert import convert_model
    from grfkit.learn.model import GrfModel
    from grfkit.learn.recipe import parse_recipe
    from grfkit.learn.training_job import train

    folder = trials()
    recipe = parse_recipe(
        {
            "network": network,
            "train": {
                "statics": ["contact_s"], "epochs": epochs, "patience": 0, "batch": 16, "lr": 3e-3,
                "missing_masks": True,
            },
            "cut": {"points": 51, "kinds": ["insole"]},
            "inner": 0,
        }
    )  # fmt: skip
    train([folder / f"{one}.nc" for one in TRAINED], config=recipe, out=folder / name)
    return Small(folder, convert_model(GrfModel.load(folder / name)), name)


@functools.lru_cache(maxsize=1)
def small() -> Small:
    """Return a BiLSTM-32, its conversion, and a bundle of it; about a minute, once in a process."""
    made = trained(BILSTM, "model")
    made.export(made.bundle, thorough=True)
    return made
