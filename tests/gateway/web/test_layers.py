"""The read-out tells who states what, and of data sets only those that the caller may name;
a gateway says at its start what an overlay changed."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from tests.gateway.pdp.test_overlay import CHANGED, HEAD, REPLACED, WITHDRAWN
from tests.gateway.pdp.test_registry import DATASETS
from tests.gateway.serving import Served, prepare
from tests.gateway.world import SITES, question
from tests.gateway_process import start_gateway, stop

THEIRS = """
[[dataset]]
id = "rivals"
replaces = "they told us"
valid_from = 2026-01-01
source = "theirs"
owner = "clinic-b"
labels = ["personal"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("layers")
    tokens = prepare(folder)
    (folder / "policies/catalogue/sites.toml").write_text(SITES + DATASETS)
    overlay = folder / "clinic.toml"
    overlay.write_text(HEAD + CHANGED + REPLACED + WITHDRAWN + THEIRS)
    running = start_gateway(
        folder / "state", "--policies", str(folder / "policies"), "--overlay", str(overlay),
        token=tokens["own"],
    )  # fmt: skip
    yield Served(running, folder / "policies", **tokens)
    stop(running)


def get(gateway: Served, path: str, token: str | None = None) -> Any:
    reply = gateway.gateway.request("GET", path, token=token)
    return reply.json if reply.status == 200 else reply.status


def test_the_head_names_layers_and_changes(gateway: Served) -> None:
    head = get(gateway, "/v1/catalogue")
    assert [layer["name"] for layer in head["layers"]] == ["sites.toml", "clinic.toml"]
    assert head["layers"][1]["author"] == "compliance@clinic-a.example"
    changes = {(one["kind"], one["id"]) for one in head["changes"]}
    assert changes == {("changed", "near"), ("replaced", "closed"), ("withdrawn", "far")}
    (near,) = [one for one in head["changes"] if one["id"] == "near"]
    assert near["fields"]["tier"] == {"from": 3, "to": 4}
    assert near["reason"] == "the contract names who has access"
    assert "/" not in json.dumps([layer["name"] for layer in head["layers"]])


def test_a_row_says_who_states_each_fact(gateway: Served) -> None:
    row = get(gateway, "/v1/catalogue/site/near")
    assert row["provenance"]["countries"] == {"layer": 0, "source": "made up"}
    assert row["provenance"]["tier"] == {"layer": 1, "source": "contract 2026-17"}
    assert set(row["provenance"]) == set(row["facts"])
    assert get(gateway, "/v1/catalogue/site/far") == 404


def test_data_sets_are_read_out_to_those_who_may_name_them(gateway: Served) -> None:
    own = [row["id"] for row in get(gateway, "/v1/catalogue/dataset")["rows"]]
    assert own == ["ehr-lake", "papers"]
    row = get(gateway, "/v1/catalogue/dataset/ehr-lake")
    assert row["facts"]["labels"] == ["health", "personal"]
    assert row["facts"]["owner"] == "clinic-a"
    assert get(gateway, "/v1/catalogue/dataset/rivals") == 404
    theirs = gateway.other_tenant
    assert [row["id"] for row in get(gateway, "/v1/catalogue/dataset", theirs)["rows"]] == [
        "rivals"
    ]
    assert get(gateway, "/v1/catalogue/dataset/papers", theirs) == 404
    assert "rivals" in [one["id"] for one in get(gateway, "/v1/catalogue", theirs)["changes"]]
    assert {"type": "dataset", "count": 1} in get(gateway, "/v1/catalogue", theirs)["entities"]


def test_the_start_says_what_was_changed_and_why(gateway: Served) -> None:
    said = "".join(gateway.gateway.stderr)
    assert "clinic.toml has the site `near` changed" in said
    assert "tier 3 -> 4" in said
    assert "no more placements there" in said


def test_labels_come_from_the_registry_at_every_door(gateway: Served) -> None:
    data = {"labels": ["public"], "datasets": ["ehr-lake"]}
    answer = gateway.ask(question(context__data=data)).json
    facts = {fact["path"]: fact["value"] for fact in answer["facts"]}
    assert facts["data.labels"] == ["health", "personal", "public"]
    assert len(answer["catalogue_layers"]) == 2
    refused = gateway.ask(question(context__data={**data, "datasets": ["rivals"]}))
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/context/data/datasets")
    sent = {"Content-Type": "application/json"}
    for datasets, expected in ((["ehr-lake"], {"health", "personal", "public"}), ("papers", None)):
        asked = json.dumps(question(context__data={**data, "datasets": datasets})).encode()
        reply = gateway.gateway.request("POST", "/access/v1/evaluation", asked, sent).json
        facts = {one["path"]: one["value"] for one in reply["context"]["facts"]}
        assert facts.get("data.labels") == (None if expected is None else sorted(expected))


def test_an_explanation_names_the_file_of_a_fact(gateway: Served) -> None:
    made = gateway.ask(question(resource__id="closed", context__data__datasets=[])).json
    told = get(gateway, f"/v1/decisions/{made['id']}/explain")
    assert told["unexplained"] is None
    by = {one["path"]: one.get("stated_by") for one in told["explanation"]["rests_on"]}
    assert by["destination.open"]["file"] == "clinic.toml"
    assert by["destination.open"]["source"] == "contract 2026-18"
