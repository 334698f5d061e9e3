"""What every fault is tried on."""

from pathlib import Path

import pytest

from tests.faults.running import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Charters, a state folder and tokens; no gateway runs on it yet."""
    return Project.make(tmp_path / "project")
