"""The runtime's sources: warnings, sizes of functions, no allocation, sanitizers and fuzzers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tflite_models as made
from firmware_c import PROBES, need, need_flags
from grfkit.deploy.compile_c import write_model
from grfkit.deploy.emit_c import CModel, c_model
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.embedded.compile import RUNTIME, runtime_sources

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-pedantic"]
CHECKED = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def _compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("name", ["gcc", "clang", "arm-none-eabi-gcc"])
@pytest.mark.parametrize("source", runtime_sources(), ids=lambda p: p.stem)
def test_no_warning(name, source, tmp_path):
    cpu = ["-mcpu=cortex-m4", "-mthumb", "--specs=picolibc.specs"] if name.startswith("arm") else []
    command = [_compiler(name), *cpu, *STRICT, "-O2", "-c", str(source), "-o", str(tmp_path / "x.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _functions(text: str) -> list[tuple[str, int]]:
    """Return each function's first line and how many lines its body has."""
    found, start = [], None
    lines = text.splitlines()
    for k, line in enumerate(lines):
        if line == "{":
            start = k
        if line == "}" and start is not None:
            found.append((lines[start - 1], k - start - 1))
            start = None
    return found


@pytest.mark.parametrize("source", sorted([*RUNTIME.glob("*.[ch]"), *PROBES.glob("*.[ch]")]), ids=lambda p: p.name)
def test_no_function_is_longer_than_40_lines(source):
    long = [(name, size) for name, size in _functions(source.read_text()) if size > 40]
    assert not long


def test_every_function_was_seen():
    """The measure above counts what it should."""
    names = [name for p in runtime_sources() for name, _ in _functions(p.read_text())]
    assert sum("grf_lstm_row" in n for n in names) == 1
    assert len(names) > 40


@pytest.mark.parametrize("source", sorted(RUNTIME.glob("*.[ch]")), ids=lambda p: p.name)
def test_nothing_is_allocated_and_nothing_is_kept(source):
    text = re.sub(r"/\*.*?\*/", "", source.read_text(), flags=re.DOTALL)
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\b", text)
    assert not re.search(r"^static (?!const|inline)[^(]*(=|;)", text, flags=re.MULTILINE)  # no state of its own
    assert max(len(line) for line in source.read_text().splitlines()) <= 120


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[CModel, Path]]:
    need("ai_edge_litert", "flatbuffers")
    made_of = {
        "both": made.bilstm(9, 5, 7, 2, head=9),
        "past": made.tcn(12, 3, 5, 6),
        "wide": made.with_statics(8, 7, 5, 8),
        "lags": made.lagged(12, 3, 5, 9),
        "window": made.over_the_window(13, 5, 6, 12),
    }
    found = []
    for name, content in made_of.items():
        model = c_model(TfliteFile.of(content), name)
        found.append((model, write_model(model, tmp_path_factory.mktemp(name))))
    return found


def _defines(model: CModel) -> list[str]:
    size = {"GRF_ROWS_IN": model.points * model.inputs, "GRF_ROWS_OUT": model.points * model.outputs}
    named = [f'-DGRF_HEADER="{model.name}.h"', f"-DGRF_MODEL=grf_{model.name}"]
    return [*named, *(f"-D{k}={v}" for k, v in size.items())]


def test_models_compile_without_warnings(models, tmp_path):
    for model, source in models:
        for name in ("gcc", "clang"):
            command = [_compiler(name), *STRICT, f"-I{RUNTIME}", "-c", str(source), "-o", str(tmp_path / "m.o")]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, f"{model.name}: {done.stderr}"


@pytest.mark.parametrize("k", range(5))
def test_3000_mutations_find_nothing_with_sanitizers(models, k, tmp_path):
    model, source = models[k]
    files = [PROBES / "fuzz.c", PROBES / "probe.c", source, *runtime_sources()]
    program = tmp_path / "fuzz"
    include = [f"-I{RUNTIME}", f"-I{PROBES}", f"-I{source.parent}"]
    cc = shutil.which("clang") or _compiler("gcc")
    need_flags(cc, *CHECKED, folder=tmp_path)
    command = [
        cc,
        "-std=c99",
        *CHECKED,
        "-DGRF_MUTATE",
        *_defines(model),
        *include,
        *map(str, files),
        "-o",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([str(program), "3000"], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "3000 rounds\n"), ran.stderr


def test_the_fuzzer_would_find_an_overrun(models, tmp_path):
    """A scratch memory one word too small is caught: the run above could have failed."""
    model, source = models[0]
    short = source.read_text().replace("GRF_BOTH_SCRATCH_BYTES, groups", "GRF_BOTH_SCRATCH_BYTES - 4u, groups")
    assert short != source.read_text()
    (tmp_path / "both.c").write_text(short)
    (tmp_path / "both.h").write_text(model.header)
    files = [PROBES / "fuzz.c", PROBES / "probe.c", tmp_path / "both.c", *runtime_sources()]
    include = [f"-I{RUNTIME}", f"-I{PROBES}", f"-I{tmp_path}"]
    program = tmp_path / "fuzz"
    cc = shutil.which("clang") or _compiler("gcc")
    need_flags(cc, *CHECKED, folder=tmp_path)
    command = [
        cc,
        "-std=c99",
        *CHECKED,
        "-DGRF_MUTATE",
        *_defines(model),
        *include,
        *map(str, files),
        "-o",
        str(program),
    ]
    subprocess.run(command, capture_output=True, check=True)
    ran = subprocess.run([str(program), "10"], capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    assert "heap-buffer-overflow" in ran.stderr


def test_libfuzzer_finds_nothing_in_20000_runs(tmp_path):
    files = [PROBES / "fuzz.c", PROBES / "probe.c", *runtime_sources()]
    program = tmp_path / "fuzz"
    flags = ["-std=c99", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    include = [f"-I{RUNTIME}", f"-I{PROBES}"]
    cc = _compiler("clang")
    need_flags(cc, *flags, folder=tmp_path)
    subprocess.run([cc, *flags, *include, *map(str, files), "-o", str(program)], capture_output=True, check=True)
    run = [str(program), "-runs=20000", "-seed=1", "-max_len=1500"]
    ran = subprocess.run(run, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Done 20000 runs" in ran.stderr
