"""Published test vectors, read where they lie; the project holds no copy of them."""

import os
from pathlib import Path

import pytest

from tests.project import ROOT


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of test vectors beside the repository; a build machine must have it."""
    place = ROOT.parent / "shared" / "vectors"
    if not place.is_dir():
        if "CI" in os.environ:
            pytest.fail(f"no vectors at {place}")
        pytest.skip(f"no vectors at {place}")
    return place
