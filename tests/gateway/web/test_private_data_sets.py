"""What `/v1/catalogue` tells of data sets that were another tenant's, or are shared."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers, Role, TokenRow
from gateway.pdp.catalogue import Catalogue, build
from gateway.pdp.overlay import lay_over
from gateway.web.app import create_app
from tests.gateway.pdp.test_overlay import HEAD
from tests.gateway.web.test_access import Client, a_token
from tests.gateway.world import SITES, World, program

ROW = """
[[dataset]]
id = "{id}"
valid_from = 2026-01-01
source = "{owner} told us"
owner = "{owner}"
shared_with = {shared}
labels = ["{label}"]
"""


def row(name: str, owner: str, *shared: str, label: str = "health", replaces: str = "") -> str:
    text = ROW.format(id=name, owner=owner, shared=json.dumps(list(shared)), label=label)
    return text + (f'replaces = "{replaces}"\n' if replaces else "")


def laid(*layers: str) -> Catalogue:
    """Rows below, and further files over them."""
    known = build(tomllib.loads(SITES + layers[0]), program(), name="sites.toml")
    for number, rows in enumerate(layers[1:]):
        known = lay_over(known, tomllib.loads(HEAD + rows), program(), name=f"{number}.toml")
    return known


def told(folder: Path, known: Catalogue, path: str, tenant: str) -> tuple[int, Any]:
    with World(folder, known=known) as world:
        rows: list[TokenRow] = []
        token = a_token(rows, tenant, roles=frozenset({Role.SCHEDULER}))
        app = create_app(world.service, Callers(rows), world.trust.to_json(), clock=world.clock)
        status, _, said = Client(app, {}).send("GET", path, token)
    return status, json.loads(said)


WITHDRAWN = '[[withdraw]]\nentity = "dataset"\nid = "{}"\nreason = "it is gone"\n'
# Layers, and who is told of a change of the data set `lake`: owner, others.
CASES: dict[str, tuple[tuple[str, ...], dict[str, list[str]]]] = {
    "another has the name now": (
        (row("lake", "clinic-a"), row("lake", "lab", replaces="they moved")), {}
    ),
    "withdrawn, and another took the name": (
        (row("lake", "clinic-a"), WITHDRAWN.format("lake"), row("lake", "lab")),
        {"clinic-a": ["withdrawn"]},
    ),
    "its labels were changed, and then its owner": (
        (
            row("lake", "clinic-a"),
            row("lake", "clinic-a", label="public", replaces="a mistake"),
            row("lake", "lab", replaces="they moved"),
        ),
        {"clinic-a": ["replaced"]},
    ),
    "it was shared only later": (
        (row("lake", "clinic-a"), row("lake", "clinic-a", "lab", replaces="they help")),
        {"clinic-a": ["replaced"]},
    ),
    "it was and is shared": (
        (
            row("lake", "clinic-a", "lab", "rival"),
            row("lake", "clinic-a", "lab", label="public", replaces="a mistake"),
        ),
        {"clinic-a": ["replaced"], "lab": ["replaced"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_of_a_change_nobody_hears_who_may_not_name_it_before_and_after(
    case: str, tmp_path: Path
) -> None:
    layers, expected = CASES[case]
    known = laid(*layers)
    for tenant in ("clinic-a", "lab", "rival"):
        status, head = told(tmp_path / tenant, known, "/v1/catalogue", tenant)
        assert status == 200
        assert [one["kind"] for one in head["changes"]] == expected.get(tenant, [])
        text = json.dumps(head)
        for other in {"clinic-a", "lab", "rival"} - {tenant}:
            is_owner = tenant in expected and tenant == "clinic-a"
            assert is_owner or f'"{other}"' not in text, (tenant, other)


def test_with_whom_else_a_data_set_is_shared_only_its_owner_reads(tmp_path: Path) -> None:
    known = laid(row("lake", "clinic-a", "lab", "rival"))
    said = {
        tenant: told(tmp_path / tenant, known, "/v1/catalogue/dataset/lake", tenant)
        for tenant in ("clinic-a", "lab", "nobody")
    }
    assert said["clinic-a"][1]["facts"]["shared_with"] == ["lab", "rival"]
    assert said["lab"][1]["facts"]["shared_with"] == ["lab"]
    assert said["nobody"][0] == 404
    assert "rival" not in json.dumps(said["lab"])
