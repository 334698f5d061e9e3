"""What the tests of commands share."""

from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter
from tests.gateway.world import write_project


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The small law with its catalogues, as files."""
    return write_project(tmp_path / "policies")
