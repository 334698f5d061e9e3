"""Decisions explained, and what decides read out, over HTTP."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from tests.gateway.serving import Served, served
from tests.gateway.world import question
from tests.gateway_process import Reply


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def get(gateway: Served, path: str, token: str | None = None) -> Reply:
    return gateway.gateway.request("GET", path, token=token)


def explain(gateway: Served, **changes: Any) -> dict[str, Any]:
    made = gateway.ask(question(**changes)).json
    reply = get(gateway, f"/v1/decisions/{made['id']}/explain")
    assert reply.status == 200, reply.body
    assert reply.headers["cache-control"] == "no-store"
    for name in ("id", "decision", "reasons", "missing", "grounds", "obligations", "incident"):
        assert reply.json[name] == made[name]
    return reply.json


# --- explanations --------------------------------------------------------------------


def test_a_refusal_says_what_would_have_permitted_it(gateway: Served) -> None:
    told = explain(gateway, resource__id="far")
    assert told["unexplained"] is None
    found = told["explanation"]
    changes = [one["changes"] for one in found["would_permit"]]
    assert any(
        [(c["path"], c["to"]) for c in one] == [("transfer.tool", ["clauses", "rules"])]
        for one in changes
    ), changes
    assert "near" in found["elsewhere"][0]["ids"]
    assert {fact["path"] for fact in found["rests_on"]} >= {"data.labels", "destination.countries"}


def test_a_permit_says_what_it_rests_on_and_nothing_to_change(gateway: Served) -> None:
    told = explain(gateway)
    assert told["explanation"]["would_permit"] == []
    assert "destination.open" in [fact["path"] for fact in told["explanation"]["rests_on"]]


def test_each_suggestion_is_a_permit_when_it_is_asked(gateway: Served) -> None:
    told = explain(gateway, resource__id="far", context__transfer__tool=None)
    for one in told["explanation"]["would_permit"]:
        asked = question(resource__id="far", context__transfer__tool=None)
        for change in one["changes"]:
            at: Any = asked
            *parents, last = change["pointer"].split("/")[1:]
            for part in parents:
                at = at.setdefault(part, {})
            at[last] = change["to"][0]
        assert gateway.ask(asked).json["decision"] == "permit"


def test_another_tenants_decision_is_404_as_one_that_never_was(gateway: Served) -> None:
    made = gateway.ask(question()).json["id"]
    for one in (made, "01a20297-8952-733e-93d6-96ac5bfd492f"):
        reply = get(gateway, f"/v1/decisions/{one}/explain", gateway.other_tenant)
        assert (reply.status, reply.json["type"].rpartition("/")[2]) == (404, "not-found")
    assert get(gateway, f"/v1/decisions/{made}/explain", "").status == 401


# --- the bundle ----------------------------------------------------------------------

PARTS = {
    "source/law.charter": ("text/plain; charset=utf-8", b"charter test.law"),
    "rego": ("text/plain; charset=utf-8", b"package charter"),
    "cedar/decide": ("text/plain; charset=utf-8", b"forbid"),
    "cedar/why": ("text/plain; charset=utf-8", b"@id"),
    "cedar/duties": ("text/plain; charset=utf-8", b"@id"),
    "cedar/schema": ("text/plain; charset=utf-8", b"action"),
    "schema": ("application/json", b"json-schema.org"),
    "core": ("application/json", b"test.law/eea-only"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_the_file_that_the_manifest_names(gateway: Served, part: str) -> None:
    from hashlib import sha256

    media_type, holds = PARTS[part]
    reply = get(gateway, f"/v1/bundle/{part}")
    assert (reply.status, reply.headers["content-type"]) == (200, media_type)
    assert holds in reply.body
    files = get(gateway, "/v1/bundle").json["files"]
    assert f"sha256:{sha256(reply.body).hexdigest()}" in files.values()


@pytest.mark.parametrize(
    "path",
    [
        "source/",
        "source/none.charter",
        "source/../core.json",
        "source/%2e%2e/core.json",
        "source//etc/passwd",
        "source/..%2f..%2ftokens.json",
        "cedar",
        "cedar/other",
        "vectors",
        "core.json",
    ],
)
def test_what_is_no_part_is_404(gateway: Served, path: str) -> None:
    assert get(gateway, f"/v1/bundle/{path}").status == 404


@pytest.mark.parametrize("path", ["/v1/bundle/core", "/v1/bundle/source/law.charter",
                                  "/v1/catalogue", "/v1/catalogue/site",
                                  "/v1/catalogue/site/near"])  # fmt: skip
def test_what_decides_is_read_with_a_token_alone(gateway: Served, path: str) -> None:
    assert get(gateway, path).status == 200
    assert get(gateway, path, "").status == 401
    assert get(gateway, path, gateway.expired).status == 401


# --- the catalogue -------------------------------------------------------------------


def test_the_catalogue_is_read_out_page_by_page(gateway: Served) -> None:
    head = get(gateway, "/v1/catalogue").json
    (entities,) = head["entities"]
    assert head["digest"] == gateway.ask(question()).json["catalogue"]
    ids: list[str] = []
    after = ""
    while after is not None:
        page = get(gateway, f"/v1/catalogue/site?limit=2&after={after}").json
        assert len(page["rows"]) <= 2
        assert page["digest"] == head["digest"]
        ids += [row["id"] for row in page["rows"]]
        after = page["next"]
    assert ids == sorted(ids)
    assert len(ids) == entities["count"]


def test_a_row_says_what_is_stated_and_by_whom(gateway: Served) -> None:
    row = get(gateway, "/v1/catalogue/site/near").json
    assert row["facts"] == {"countries": ["FR"], "open": True, "staff": [], "tier": 3}
    assert (row["valid_from"], row["valid_until"], row["source"]) == ("2026-01-01", None, "made up")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("sight", 404),
        ("sight/near", 404),
        ("site/moon", 404),
        ("site/near/x", 404),
        ("site/NEAR", 404),
        ("site?limit=0", 400),
        ("site?limit=1001", 400),
        ("site?limit=-1", 400),
        ("site?limit=", 400),
        ("site?limit=ten", 400),
        ("site?limit=%D9%A3", 400),
    ],
)
def test_what_is_not_in_the_catalogue_is_refused(gateway: Served, path: str, status: int) -> None:
    reply = get(gateway, f"/v1/catalogue/{path}")
    assert reply.status == status
    assert json.loads(reply.body)["status"] == status
