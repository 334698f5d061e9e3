"""A log and a witness that has seen nothing."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.gateway.witness.histories import History, Made


@pytest.fixture
def history(tmp_path: Path) -> Generator[History]:
    made = History.begin(tmp_path / "logs").grow(1, 3, 5, 8)
    yield made
    made.log.close()


@pytest.fixture
def other(tmp_path: Path) -> Generator[History]:
    """The same log with another history."""
    made = History.begin(tmp_path / "logs", "forked").grow(1, 3, 5, 8)
    yield made
    made.log.close()


@pytest.fixture
def made(tmp_path: Path) -> Generator[Made]:
    made = Made(tmp_path / "witness")
    yield made
    made.store.close()
