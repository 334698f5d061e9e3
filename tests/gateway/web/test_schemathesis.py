"""What /openapi.json allows, and what it does not, put to a running gateway by Schemathesis:
no 5xx, and no answer that the file does not describe."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.gateway.serving import Served, served
from tests.gateway.world import question

SECONDS = 25
SEED = 20261122
# A question that has the shape of one can name what the catalogue has not (422), or more
# than the file can say of it (400), and speak for another tenant (403).
SETTINGS = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 403, 404, 422, 429]
"""
SETUP = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_schemathesis_finds_no_fault_and_no_answer_that_is_not_described(
    gateway: Served, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    ran = subprocess.run(
        [
            *(sys.executable, "-c", SETUP),
            *("--config-file", str(tmp_path / "schemathesis.toml")),
            *("run", f"{gateway.gateway.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {gateway.own}"),
            *("--checks", "all", "--mode", "all", "--seed", str(SEED), "--no-color"),
            *("--max-time", str(SECONDS), "--request-timeout", "10", "--warnings", "off"),
            *("--max-examples", "15", "--generation-database", "none"),
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=SECONDS * 4,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert gateway.ask(question()).status == 200
    said = "".join(gateway.gateway.stderr)
    assert '"unforeseen' not in said
