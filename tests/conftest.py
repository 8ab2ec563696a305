"""What tests share: where the real recordings are, seeds in the output, and hypothesis without clocks of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"

settings.register_profile(
    "grfkit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("grfkit")


@pytest.fixture(scope="session")
def real_file() -> Callable[[str], Path]:
    """Give a real recording by its path below ``../shared/data``; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"real recording {name} is not in {SHARED.parent.name}/{SHARED.name} beside the repository")
        return path

    return find
