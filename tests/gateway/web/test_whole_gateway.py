"""A gateway process under charters with every construct: what a caller sees over HTTP."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import whole
from tests.gateway.world import question
from tests.gateway_process import GatewayProcess, start_gateway, stop

DEFAULT_PROFILE = whole.PROFILES.partition("profile others")[1:]


def write(folder: Path, *, default: bool) -> Path:
    charters = dict(whole.CHARTERS)
    if not default:
        charters["house.charter"] = whole.PROFILES.replace("".join(DEFAULT_PROFILE), "")
    for name, text in charters.items():
        (folder / name).write_text(text, encoding="utf-8")
    for place in ("fixtures", "catalogue"):
        (folder / place).mkdir()
        (folder / place / "sites.toml").write_text(whole.SITES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["a default", "no default"])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[GatewayProcess, bool]]:
    folder = tmp_path_factory.mktemp("whole")
    policies = write(folder, default=request.param)
    process = start_gateway(folder / "state", "--policies", str(policies))
    yield process, request.param
    stop(process)


def ask(gateway: GatewayProcess, body: bytes) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    reply = gateway.request("POST", "/v1/decisions", body, headers)
    return reply.status, reply.json


def test_a_tenant_without_a_profile_is_told_of_at_start_and_permitted_nothing(
    gateway: tuple[GatewayProcess, bool],
) -> None:
    process, has_default = gateway
    context = {"contract": {"notified_on": "2026-01-31"}}
    asked = question(**whole.asked(**whole.LEAVE, context=context))
    status, said = ask(process, json.dumps(asked).encode())
    assert status == 200
    told = [line for line in process.stderr if "nothing is permitted to the tenant" in line]
    if has_default:
        assert (said["decision"], told) == ("permit", [])
        assert said["grounds"][0]["rule"] == "whole.house/others"
        return
    assert said["decision"] == "indeterminate"
    assert "deployment.profile" in {item["path"] for item in said["missing"]}
    assert len(told) == 1
    assert "`default`" in told[0]


def test_a_decimal_that_is_a_number_is_refused_at_its_place(
    gateway: tuple[GatewayProcess, bool],
) -> None:
    asked = json.dumps(question(**whole.asked())).replace('"1000.01"', "1000.01").encode()
    status, said = ask(gateway[0], asked)
    assert (status, said["errors"][0]["pointer"]) == (400, "/context/contract/price")
    assert "write it as a string" in said["detail"]
    asked = json.dumps(question(**whole.asked())).replace('"1000.01"', "1000").encode()
    status, said = ask(gateway[0], asked)
    assert (status, said["errors"][0]["pointer"]) == (422, "/context/contract/price")
    assert said["detail"].endswith('such as "24.10": put it in quotes')


def test_no_tenant_claims_the_profile_of_another(gateway: tuple[GatewayProcess, bool]) -> None:
    for asked in (
        question(**whole.asked(context={"deployment": {"profile": "clinics"}})),
        question(**whole.asked(subject__properties={"tenant": "clinic-a"})),
    ):
        status, said = ask(gateway[0], json.dumps(asked).encode())
        assert status in (403, 422)
        assert "decision" not in said
