"""Flash and RAM of bundles on a Cortex-M4F: ``python tools/bench edge.size BUNDLE...``.

The model alone, from an insole's samples to reports, and from samples to the air; linked programs, nothing is run, the
stack is not in it. ``--flags Os`` compiles for size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from grfkit.deploy.insole_size import PARTS, insole_sizes
from grfkit.deploy.qemu import COMPILER, compiler_version
from grfkit.runtime.bundle_files import read_manifest

from .. import harness

TITLES = {"window": "a window through the model", "reports": "samples to reports", "air": "samples to the air"}


def rows(folder: Path, flags: tuple[str, ...]) -> list[str]:
    """Return a line of the table for each part of a bundle."""
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.[ch]")}
    sizes = insole_sizes(files, read_manifest(folder).name, flags=flags)
    if sizes is None:
        return [f"| {folder.name} | not measured: {COMPILER} is missing, or no insole can run it | | |"]
    return [
        f"| {folder.name} | {TITLES[p]} | {sizes[p].flash_bytes / 1024:.1f} | {sizes[p].ram_bytes / 1024:.1f} |"
        for p in PARTS
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="*", type=Path, help="folders; the shipped ones if none")
    parser.add_argument("--flags", nargs="*", default=["O3"], help="of the compiler, without their dash")
    request = parser.parse_args()
    shipped = sorted(p.parent for p in (harness.ROOT / "firmware_models").glob("*/manifest.json"))
    flags = tuple(f"-{flag}" for flag in request.flags)
    print(f"{compiler_version()} {' '.join(flags)}, M4F, without the stack\n")
    print("| bundle | part | flash KB | RAM KB |\n|---|---|---|---|")
    for folder in request.bundles or shipped:
        print("\n".join(rows(folder, flags)))


if __name__ == "__main__":
    main()
