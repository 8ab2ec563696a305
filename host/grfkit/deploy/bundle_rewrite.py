"""The files of a bundle that follow from its manifest, document, int8 file and golden windows.

And a bundle written again with today's texts and runtime, its weights and windows as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ..embedded.compile import RUNTIME, runtime_sources
from ..embedded.made_up_foot import foot_of
from ..errors import RefusedError
from ..learn.spec import ModelSpec
from ..runtime.bundle_files import sums_text
from ..runtime.manifest import DOCUMENT, MANIFEST, SUMS, File, Manifest
from .bundle_folder import write_folder
from .bundle_texts import bundle_texts, c_texts
from .compile_c import compile_c
from .emit_c import CModel, c_model
from .golden import Golden
from .insole_size import insole_sizes
from .manifest import c_files_of, with_todays_contacts
from .qemu import compiler_version, missing
from .same_bytes import board_keys, run_machine
from .verify_files import OpenedBundle, check_files, open_bundle

KEPT = ("model.tflite", "model_float32.tflite", "model_float16.tflite", "golden.npz", DOCUMENT)
"""Files of a bundle that are never written again: they are what was trained, converted and measured."""


def complete(
    files: dict[str, bytes], manifest: Manifest, spec: ModelSpec, golden: Golden, model: CModel | None
) -> Manifest:
    """Fill in sizes, C, runtime, licence, texts, manifest and sums; return the manifest that names all files.

    Parameters
    ----------
    files
        By path, those of :data:`KEPT` among them.
    model
        None where there is no C.
    """
    runtime = [] if model is None else runtime_sources()
    if model is not None:
        files[f"c/{model.name}.c"] = model.source.encode("utf-8")
        files[f"c/{model.name}.h"] = model.header.encode("utf-8")
        for source in (*runtime, *sorted(RUNTIME.glob("grf_*.h"))):
            files[f"runtime/{source.name}"] = source.read_bytes()
        # beside the runtime of an installed package, at the top of a checkout
        licences = (RUNTIME.parent / "LICENSE", RUNTIME.parents[1] / "LICENSE")
        for licence in (path for path in licences if path.is_file()):
            files["LICENSE"] = licence.read_bytes()
    names = [p.name for p in runtime]
    if model is not None and manifest.sizes.boards:
        # no text that is compiled depends on these sizes
        in_c = {path: text.encode("utf-8") for path, text in c_texts(manifest, golden, names).items()}
        insole = insole_sizes(files | in_c, model.name)
        manifest = manifest.model_copy(update={"sizes": manifest.sizes.model_copy(update={"insole": insole})})
    sizes = json.dumps(manifest.sizes.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    files["sizes.json"] = sizes.encode("utf-8")
    for path, text in bundle_texts(manifest, spec, golden, names).items():
        files[path] = text.encode("utf-8")
    # the manifest names every other file, and SHA256SUMS the manifest too: neither can name itself
    entries = tuple(
        File(path=path, sha256=digest, bytes=len(files[path])) for path, digest in sorted(_digests(files).items())
    )
    # model_copy checks nothing: what is written is validated once more
    named = Manifest.model_validate(manifest.model_copy(update={"files": entries}).model_dump())
    files[MANIFEST] = named.text().encode("utf-8")
    files[SUMS] = sums_text(_digests(files)).encode("utf-8")
    return named


def rewrite_bundle(folder: Path) -> tuple[str, ...]:
    """Write a bundle again with today's templates, C and runtime; return the paths of the files that changed.

    Weights, document, golden windows and every measured figure stay as they are; the rule for cells that creep is added
    to the contact detector of a bundle that states none. The bundle's sums are checked before,
    the C has to answer the golden windows before anything is written, and what boards and compiler count is counted
    again.

    Raises
    ------
    BadInputError
        If the folder is no bundle.
    RefusedError
        If a file of it was changed, the C does not answer its golden windows, or a board does not.
    """
    check_files(folder)
    bundle = open_bundle(folder)
    files = {path: (folder / path).read_bytes() for path in KEPT}
    before = {f.path: f.sha256 for f in bundle.manifest.files}
    manifest, model = with_todays_contacts(bundle.manifest), None
    if manifest.c is not None:
        model = c_model(bundle.file, manifest.name)
        manifest = _counted(bundle, manifest, model)
    complete(files, manifest, bundle.spec, bundle.golden, model)
    write_folder(folder, files, force=True)
    after = {path: digest for path, digest in _digests(files).items() if path not in (MANIFEST, SUMS)}
    return tuple(sorted(path for path in {*before, *after} if before.get(path) != after.get(path)))


def _counted(bundle: OpenedBundle, manifest: Manifest, model: CModel) -> Manifest:
    """Return the manifest with the sizes of today's C, which has to answer every golden window."""
    golden, library = bundle.golden, compile_c(model)
    foot = foot_of(manifest, library)
    wrong = [key for key in foot if key in golden and not (foot[key] == golden[key]).all()]
    if wrong or not (library.run(golden["input_int8"]) == golden["output_int8"]).all():
        raise RefusedError(f"{bundle.folder}: today's C does not answer its golden windows; export the model again")
    sizes = manifest.sizes.model_copy(update={"const_bytes": model.const_bytes, "scratch_bytes": model.scratch_bytes})
    if sizes.boards and missing() is None:
        counted = {}
        for machine, key in zip(sizes.boards, board_keys(tuple(sizes.boards))):
            counted[machine], differ = run_machine(model, golden["input_int8"][:2], golden["output_int8"][:2], key)
            if differ:
                raise RefusedError(f"{bundle.folder}: {machine} does not answer its golden windows")
        sizes = sizes.model_copy(update={"boards": counted, "boards_compiler": compiler_version()})
    return manifest.model_copy(update={"sizes": sizes, "c": c_files_of(model)})


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
