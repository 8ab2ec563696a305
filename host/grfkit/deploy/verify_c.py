"""Proofs of a bundle's C: arrays and bytes on this machine, its own test, and emulated boards."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..embedded.compile import compiler, runtime_sources
from ..errors import RefusedError
from ..runtime import available, load
from ..runtime.manifest import MANIFEST, CFiles
from .compile_c import compile_c
from .emit_c import CModel, c_model
from .insole_size import insole_sizes
from .manifest import c_files_of
from .qemu import compiler_version, missing
from .same_bytes import LEAST_RANDOM_WINDOWS, boards_again, random_windows
from .verify_files import OpenedBundle, Proof

_ARRAY = re.compile(r"static const (\w+) (\w+)\[\d+\](?: GRF_ALIGNED)? = \{(.*?)\n?\};", re.DOTALL)
_SCRATCH = re.compile(r"#define \w+_SCRATCH_BYTES (\d+)u")
_MAKE_S = 300.0
"""Longest that a bundle's own test may take, s: chosen by hand, far above the seconds it takes, so that a make that
never ends is ended."""


def prove_c(bundle: OpenedBundle) -> Proof:
    """Prove the C: its arrays are the .tflite's, and it answers the golden windows byte for byte."""
    files = bundle.manifest.c
    if files is None:
        return Proof("C", f"the bundle has none: {bundle.manifest.c_reason}")
    model, today = _own_model(bundle, files)
    arrays = "arrays are those of the .tflite" if today else "it is of another grfkit, arrays were not compared"
    if compiler() is None:
        return Proof("C", f"{arrays}; no C compiler was found to run it", proven=False)
    return Proof("C", f"{arrays}; every byte of {_run_c(bundle, model)} windows, golden ones and made-up ones")


def _own_model(bundle: OpenedBundle, files: CFiles) -> tuple[CModel, bool]:
    """Return the bundle's own C, and whether it is of today's runtime; refuse what is not of its int8 file."""
    emitted = c_model(bundle.file, bundle.manifest.name)
    if files != c_files_of(emitted):
        raise RefusedError(f"{bundle.folder / MANIFEST}: c is {files}, expected {c_files_of(emitted)}")
    source = (bundle.folder / files.source).read_text(encoding="utf-8")
    header = (bundle.folder / files.header).read_text(encoding="utf-8")
    runtime = bundle.folder / "runtime"
    # only the runtime of this grfkit has its arrays packed alike
    today = all(
        (runtime / p.name).is_file() and (runtime / p.name).read_bytes() == p.read_bytes() for p in runtime_sources()
    )
    wrong = arrays_that_differ(source, emitted.source) if today else []
    if wrong:
        raise RefusedError(f"{bundle.folder / files.source}: {wrong[0]} is not what {bundle.manifest.model} holds")
    scratch, sizes = _SCRATCH.search(header), bundle.manifest.sizes
    if scratch is None:
        raise RefusedError(f"{bundle.folder / files.header}: states no SCRATCH_BYTES")
    if int(scratch[1]) != sizes.scratch_bytes or (today and emitted.const_bytes != sizes.const_bytes):
        raise RefusedError(
            f"{bundle.folder / MANIFEST}: sizes say {sizes.scratch_bytes} bytes of scratch and {sizes.const_bytes} of"
            f" arrays, the C {scratch[1]} and {emitted.const_bytes}"
        )
    # the bundle's own text is what is compiled and run, not the one made here
    return replace(emitted, source=source, header=header, scratch_bytes=int(scratch[1])), today


def arrays_that_differ(source: str, other: str) -> list[str]:
    """Return the names of the const arrays that are not the same in two C files, or only in one."""
    first, second = _arrays(source), _arrays(other)
    return sorted(n for n in {*first, *second} if first.get(n) != second.get(n))


def _arrays(source: str) -> dict[str, tuple[str, str]]:
    return {name: (kind, re.sub(r"\s+", "", body)) for kind, name, body in _ARRAY.findall(source)}


def _run_c(bundle: OpenedBundle, model: CModel) -> int:
    """Return on how many windows the bundle's own C and runtime answered what they should."""
    windows, expected = bundle.golden["input_int8"], bundle.golden["output_int8"]
    if "tflm" in available():
        more = random_windows(LEAST_RANDOM_WINDOWS, windows.shape[1:])
        windows = np.concatenate([windows, more])
        expected = np.concatenate([expected, load(bundle.file.content, "tflm").run(more)])
    with tempfile.TemporaryDirectory(prefix="grfkit-verify-") as temporary:
        folder = Path(temporary)
        library = compile_c(model, folder, runtime=bundle.folder / "runtime")
        differ = int((library.run(windows) != expected).any(axis=(1, 2)).sum())
        if differ:
            raise RefusedError(
                f"{bundle.folder / 'c'}: the compiled C gives other outputs for {differ} of {len(windows)} windows"
            )
        if shutil.which("make") is not None:
            _make_test(bundle.folder, folder / "own test")
    return len(windows)


def _make_test(folder: Path, elsewhere: Path) -> None:
    """Run the bundle's own test in a folder elsewhere that links to what it is built of: nothing is written here."""
    elsewhere.mkdir()
    for name in ("Makefile", "c", "runtime"):
        (elsewhere / name).symlink_to((folder / name).resolve())
    command = ["make", "-s", "-C", str(elsewhere), "BUILD=build", "test"]  # make cannot build where a path has spaces
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_MAKE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise RefusedError(f"{folder / 'Makefile'}: its test did not end within {_MAKE_S:g} s") from error
    if run.returncode or "every byte equal" not in run.stdout:
        lines = [*run.stdout.splitlines(), *run.stderr.splitlines()]
        raise RefusedError(
            f"{folder / 'Makefile'}: its test ended with {run.returncode} and says"
            f" '{(lines or ['nothing'])[0].strip()[:200]}', expected every byte equal"
        )


def prove_on_boards(bundle: OpenedBundle, boards: Sequence[str]) -> list[Proof]:
    """Prove that emulated boards answer golden windows byte for byte, and count what the bundle says."""
    files, sizes = bundle.manifest.c, bundle.manifest.sizes
    if files is None or (sizes.boards is None and not boards):
        return [Proof("boards", f"the bundle has no counts of them: {sizes.boards_reason}")]
    left = [name for name in sizes.boards or {} if name not in boards]
    skipped = [Proof("boards", f"{', '.join(left)} not run; --boards all runs them", proven=False)] if left else []
    if not boards:
        return skipped
    lacking = missing()
    if lacking:
        return [Proof("boards", lacking, proven=False)]
    golden = bundle.golden
    text, wrong = boards_again(
        _own_model(bundle, files)[0], golden["input_int8"], golden["output_int8"], sizes, boards,
        bundle.folder / "runtime",
    )  # fmt: skip
    if wrong:
        raise RefusedError(f"{bundle.folder / 'sizes.json'}: {'; '.join(wrong)}")
    wrong = _insole_that_differs(bundle)
    if wrong:
        raise RefusedError(f"{bundle.folder / 'sizes.json'}: {'; '.join(wrong)}")
    return [Proof("boards", text), *skipped]


def _insole_that_differs(bundle: OpenedBundle) -> list[str]:
    """Return the parts of an insole whose flash or RAM is not what the bundle states for this very compiler."""
    stated = bundle.manifest.sizes.insole
    if stated is None or bundle.manifest.sizes.boards_compiler != compiler_version():
        return []
    files = {
        f.path: (bundle.folder / f.path).read_bytes() for f in bundle.manifest.files if f.path.endswith((".c", ".h"))
    }
    here = insole_sizes(files, bundle.manifest.name) or {}
    return [
        f"insole, {part}: {here.get(part)}, it says {size}" for part, size in stated.items() if here.get(part) != size
    ]
