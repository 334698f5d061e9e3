"""What these tests share."""

import pytest

from tests.gateway.cli.commands import Charter


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)
