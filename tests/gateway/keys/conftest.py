"""A token in software for the tests of this folder."""

from pathlib import Path

import pytest

from tests.softhsm import SoftHsm, soft_hsm


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return soft_hsm(tmp_path / "hsm", monkeypatch)
