"""Proofs of a bundle's C: arrays and bytes on this machine, its own test, and emulated boards."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..embedded.compile import RUNTIME, compiler, runtime_sources
from ..errors import RefusedError
from ..provenance import tool_version
from ..runtime import available, load
from ..runtime.manifest import MANIFEST, CFiles
from .bundle_texts import bundle_texts
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


def prove_c(bundle: OpenedBundle, run: bool | None = None) -> Proof:
    """Prove the C: its arrays are the .tflite's, and it answers the golden windows byte for byte.

    Parameters
    ----------
    run
        Whether it is compiled and run; None: only where every line of it is what this grfkit writes and ships.
    """
    files = bundle.manifest.c
    if files is None:
        return Proof("C", f"the bundle has none: {bundle.manifest.c_reason}")
    model, today = _own_model(bundle, files)
    arrays = "arrays are those of the .tflite" if today else "it is of another grfkit, arrays were not compared"
    unrun = why_not_run(bundle, run)
    if unrun is None and compiler() is None:
        unrun = "no C compiler was found to run it"
    if unrun is not None:
        return Proof("C", f"{arrays}; {unrun}", proven=False)
    return Proof("C", f"{arrays}; every byte of {_run_c(bundle, model)} windows, golden ones and made-up ones")


def why_not_run(bundle: OpenedBundle, run: bool | None) -> str | None:
    """Return why a bundle's C is not compiled and run on this machine, or None where it is.

    Digests are no signature: whoever changes a bundle makes them anew. Code that this grfkit would write itself, byte
    for byte, can be run; other code is run only where the caller says so.
    """
    if run is False:
        return "it was not run, as asked"
    foreign = None if run else foreign_file(bundle)
    if foreign is None:
        return None
    return (
        f"{foreign} is not what this grfkit ({tool_version()}) makes, so that nothing was compiled or run; --run (from"
        " Python: run=True) does, as you: only for bundles of people you trust"
    )


def foreign_file(bundle: OpenedBundle) -> str | None:
    """Return the path of a file that would be compiled and is not what this grfkit makes, None where there is none.

    A file too many counts as well: a header beside the sources would stand before the system's.
    """
    files = bundle.manifest.c
    if files is None:
        return None
    emitted = c_model(bundle.file, bundle.manifest.name)
    texts = bundle_texts(bundle.manifest, bundle.spec, bundle.golden, [p.name for p in runtime_sources()])
    texts |= {files.source: emitted.source, files.header: emitted.header}
    here = {name: text.encode("utf-8") for name, text in texts.items() if name == "Makefile" or name.startswith("c/")}
    there = _contents(bundle.folder, "c") | {"Makefile": (bundle.folder / "Makefile").read_bytes()}
    return _foreign_runtime(bundle.folder) or _first_difference(here, there)


def _foreign_runtime(folder: Path) -> str | None:
    """Return the first file of a bundle's runtime that is not this grfkit's, or is missing."""
    here = {f"runtime/{p.name}": p.read_bytes() for p in (*runtime_sources(), *RUNTIME.glob("grf_*.h"))}
    return _first_difference(here, _contents(folder, "runtime"))


def _first_difference(here: Mapping[str, bytes], there: Mapping[str, bytes]) -> str | None:
    """Return the first path whose content is not the same in both, or that only one has."""
    return next((name for name in sorted({*here, *there}) if here.get(name) != there.get(name)), None)


def _contents(folder: Path, part: str) -> dict[str, bytes]:
    """Return the files below a part of a bundle, by path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in (folder / part).rglob("*") if p.is_file()}


def _own_model(bundle: OpenedBundle, files: CFiles) -> tuple[CModel, bool]:
    """Return the bundle's own C, and whether it is of today's runtime; refuse what is not of its int8 file.

    A bundle of this version has this version's runtime and model C, or was changed.
    """
    emitted = c_model(bundle.file, bundle.manifest.name)
    if files != c_files_of(emitted):
        raise RefusedError(f"{bundle.folder / MANIFEST}: c is {files}, expected {c_files_of(emitted)}")
    source = (bundle.folder / files.source).read_text(encoding="utf-8")
    header = (bundle.folder / files.header).read_text(encoding="utf-8")
    # only the runtime of this grfkit has its arrays packed alike
    other = _foreign_runtime(bundle.folder)
    version = tool_version()
    if other and bundle.manifest.grfkit == version:
        raise RefusedError(
            f"{bundle.folder / other}: is not the runtime of grfkit {version}, which the bundle says it is of; take the"
            " bundle as it was exported, or export it again"
        )
    wrong = [] if other else arrays_that_differ(source, emitted.source)
    if wrong:
        raise RefusedError(f"{bundle.folder / files.source}: {wrong[0]} is not what {bundle.manifest.model} holds")
    texts = ((files.source, source, emitted.source), (files.header, header, emitted.header))
    changed = next((name for name, text, expected in texts if text != expected), None)
    if changed and bundle.manifest.grfkit == version:
        raise RefusedError(
            f"{bundle.folder / changed}: is not what grfkit {version} makes of {bundle.manifest.model}; take the bundle"
            " as it was exported, or export it again"
        )
    scratch = _checked_scratch(bundle, files, header, None if other else emitted.const_bytes)
    # the bundle's own text is what is compiled and run, not the one made here
    return replace(emitted, source=source, header=header, scratch_bytes=scratch), not other


def _checked_scratch(bundle: OpenedBundle, files: CFiles, header: str, const_bytes: int | None) -> int:
    """Return the bytes of scratch that the C states; refuse a manifest of other sizes.

    ``const_bytes``: of the C's arrays, None where not known.
    """
    scratch, sizes = _SCRATCH.search(header), bundle.manifest.sizes
    if scratch is None:
        raise RefusedError(f"{bundle.folder / files.header}: states no SCRATCH_BYTES")
    if int(scratch[1]) != sizes.scratch_bytes or const_bytes not in (None, sizes.const_bytes):
        raise RefusedError(
            f"{bundle.folder / MANIFEST}: sizes say {sizes.scratch_bytes} bytes of scratch and {sizes.const_bytes} of"
            f" arrays, the C {scratch[1]} and {const_bytes}"
        )
    return int(scratch[1])


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


def prove_on_boards(bundle: OpenedBundle, boards: Sequence[str], run: bool | None = None) -> list[Proof]:
    """Prove that emulated boards answer golden windows byte for byte, and count what the bundle says.

    Parameters
    ----------
    run
        As for :func:`prove_c`: an emulated board writes files on this machine if its program says so.
    """
    files, sizes = bundle.manifest.c, bundle.manifest.sizes
    if files is None or (sizes.boards is None and not boards):
        return [Proof("boards", f"the bundle has no counts of them: {sizes.boards_reason}")]
    left = [name for name in sizes.boards or {} if name not in boards]
    skipped = (
        [Proof("boards", f"{', '.join(left)} not run; --boards all (boards in Python) runs them", proven=False)]
        if left
        else []
    )
    if not boards:
        return skipped
    lacking = why_not_run(bundle, run) or missing()
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
