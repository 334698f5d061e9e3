"""One table of limits: configuration, metadata, signed metadata and the OpenAPI file tell it
alike, with what the operator has set, and the gateway keeps to it."""

import json
import subprocess
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from jwt.algorithms import ECAlgorithm

from dsl.core import FactType, Kind, Origin
from dsl.facts import fit
from gateway.web.stated import LIMITS, MAX_DECIMAL_DIGITS, Limit
from tests.gateway.serving import Served, served
from tests.gateway.world import question
from tests.gateway_process import CHARTER
from tests.project import ROOT

SET = {
    "connections": 77,
    "connections_of_client": 33,
    "in_flight_of_tenant": 2,
    "decision_ms": 1500,
    "engine_ms": 800,
}
FLAGS = [
    *("--connections", "77", "--connections-of-client", "33", "--in-flight-of-tenant", "2"),
    *("--decision-ms", "1500", "--engine-timeouts", "cedar=100,rego=800"),
    *("--public-url", "https://pdp.example/charter/"),
]


@dataclass
class Told:
    """What a gateway tells in all its places."""

    served: Served
    openapi: Any
    metadata: Any
    keys: Any
    config: Any


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Generator[Told]:
    ran = subprocess.run(
        [*CHARTER, "config", "--format", "json", *FLAGS],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    with served(tmp_path_factory.mktemp("told"), *FLAGS) as running:

        def read(path: str) -> Any:
            return running.gateway.request("GET", path, token="").json

        yield Told(
            running,
            read("/openapi.json"),
            read("/.well-known/authzen-configuration"),
            read("/.well-known/jwks.json"),
            json.loads(ran.stdout),
        )


@pytest.mark.parametrize("limit", LIMITS, ids=[limit.name for limit in LIMITS])
def test_a_limit_is_told_alike_by_configuration_metadata_and_openapi(
    told: Told, limit: Limit
) -> None:
    expected = SET.get(limit.name, limit.value)
    assert told.openapi["x-limits"][limit.name] == expected
    assert told.metadata["charter_limits"][limit.name] == expected
    assert (limit.name in SET) == bool(limit.setting)
    if limit.name == "engine_ms":  # the longest of those that are set for each
        assert told.config[limit.setting]["value"] == ["cedar=100", "rego=800"]
    else:
        key = limit.setting or f"limits.{limit.name}"
        assert told.config[key]["value"] == expected
        assert told.config[key]["source"] == ("flag" if limit.setting else "fixed")


def test_nothing_is_told_that_is_not_in_the_table(told: Told) -> None:
    names = {limit.name for limit in LIMITS}
    assert set(told.openapi["x-limits"]) == set(told.metadata["charter_limits"]) == names
    fixed = {key for key, one in told.config.items() if one["source"] == "fixed"}
    assert fixed == {f"limits.{limit.name}" for limit in LIMITS if not limit.setting}


def test_beyond_the_questions_at_once_that_are_set_a_tenant_is_told_when_to_come_back(
    told: Told,
) -> None:
    held: list[bytes] = []
    start = (
        f"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {told.served.own}\r\n"
        "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    ).encode()

    def hold() -> None:
        answer = told.served.raw(start, timeout=8)
        while b" 429 " in answer:  # a question of below had the place
            answer = told.served.raw(start, timeout=8)
        held.append(answer)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    reply = told.served.ask(question())
    while reply.status == 200 and all(one.is_alive() for one in threads):  # until both are there
        reply = told.served.ask(question())
    other = told.served.ask(question(), token=told.served.other_tenant)
    assert (reply.status, other.status) == (429, 200)
    assert reply.json["type"].endswith("too-many-requests")
    seconds = int(reply.headers["retry-after"])
    assert int(reply.headers["retry-after-ms"]) == reply.json["retry_after_ms"]
    assert 0 < reply.json["retry_after_ms"] <= seconds * 1000
    for thread in threads:
        thread.join()
    assert all(b" 408 " in answer for answer in held)  # they sent one byte in two seconds


# --- signed metadata -----------------------------------------------------------------


def key_of(told: Told) -> Any:
    (key,) = told.keys["keys"]
    return ECAlgorithm.from_jwk(key)


def test_the_signed_metadata_is_the_metadata_and_verifies_with_the_published_key(
    told: Told,
) -> None:
    signed = told.metadata["signed_metadata"]
    header = jwt.get_unverified_header(signed)
    assert (header["alg"], header["kid"]) == ("ES256", told.keys["keys"][0]["kid"])
    claims = jwt.decode(signed, key_of(told), ["ES256"], issuer="https://pdp.example/charter")
    plain = {name: value for name, value in told.metadata.items() if name != "signed_metadata"}
    assert {name: claims[name] for name in plain} == plain
    assert set(claims) - set(plain) == {"iss", "iat"}
    assert told.metadata["jwks_uri"] == "https://pdp.example/charter/.well-known/jwks.json"
    trust = told.served.gateway.request("GET", "/v1/trust", token="").json
    assert [key["keyid"] for key in trust["decision_keys"]] == [header["kid"]]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_signed_metadata_of_which_anything_is_changed_does_not_verify(
    told: Told, part: int
) -> None:
    parts = told.metadata["signed_metadata"].split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(".".join(parts), key_of(told), ["ES256"], options={"verify_iat": False})


def test_the_published_key_has_no_private_part(told: Told) -> None:
    (key,) = told.keys["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def test_the_signature_is_made_once(told: Told) -> None:
    again = told.served.gateway.request("GET", "/.well-known/authzen-configuration", token="")
    assert again.json == told.metadata


# --- decimals ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2, 15])
def test_no_decimal_has_more_digits_than_the_limit(scale: int) -> None:
    fact = FactType("x.y", Kind.INTEGER, Origin.REQUEST, ("x", "y"), scale=scale)
    for text in ("1" * 31, "0." + "1" * 31, "1" * 16 + "." + "1" * 15):
        assert sum(map(str.isdigit, text)) > MAX_DECIMAL_DIGITS
        assert fit(fact, text) is None
    assert fit(fact, "1.5") is not None
