"""The command line, in this process."""

import pytest

from tests.gateway.cli.commands import Charter


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)
