"""The suite against the real gateway with the installed pack: it must conform."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from conformance.runner import main
from tests.gateway_process import GatewayProcess, run_gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with run_gateway(folder / "state") as running:
        yield running


def _run(gateway: GatewayProcess, folder: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    token, report = folder / "token", folder / "report.json"
    token.write_text(gateway.token or "")
    code = main(
        [
            "--base-url",
            gateway.url,
            "--token-file",
            str(token),
            "--report",
            str(report),
            *arguments,
        ]
    )
    return code, json.loads(report.read_text())


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_gateway_conforms_whatever_the_order(
    gateway: GatewayProcess, tmp_path: Path, seed: str
) -> None:
    code, report = _run(gateway, tmp_path, "--seed", seed)
    assert code == 0, json.dumps(report, indent=1)


def test_a_wrong_token_ends_in_no_conformity(gateway: GatewayProcess, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("charter_000000000000_" + "A" * 43)
    assert main(["--base-url", gateway.url, "--token-file", str(token)]) in (1, 2)
