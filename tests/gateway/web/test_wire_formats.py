"""Every example of docs/wire_formats.md is what the code reads and writes."""

import base64
import json
import re
import tomllib
from collections.abc import Generator
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import pytest

from dsl.core import FactType, Kind, Origin
from dsl.facts import MAX_ELEMENTS, fit, wire_value
from gateway import callers, cbor, service, verify
from gateway.callers import TokenFile
from gateway.cli import settings
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.proof import parse_proof
from gateway.pdp import catalogue
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.normalise import Normaliser
from gateway.pdp.request import DecisionRequest
from gateway.pdp.rows import Row
from gateway.receipts.make import make_statement
from gateway.record import canonical
from gateway.verify.evidence import Evidence, write_evidence
from gateway.web import connections, limits, protocol
from gateway.web.context import obligations
from tests.gateway import whole
from tests.gateway.verify.fresh import Witness
from tests.gateway.world import CALLER, NOW, World, made, run
from tests.pack import pack, pack_catalogue
from tests.project import ROOT

PAGE = (ROOT / "docs" / "wire_formats.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(json|toml|)\n(.*?)^```$", re.M | re.S)


def blocks(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [match[2] for match in BLOCK.finditer(section)]


def shape(value: Any) -> Any:
    """Names and kinds of values; of a list the shapes that its elements have."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: shape(member) for name, member in members.items()}
    if isinstance(value, list):
        elements = cast("list[Any]", value)
        return sorted({json.dumps(shape(element), sort_keys=True) for element in elements})
    return type(value).__name__


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with World(tmp_path_factory.mktemp("world")) as made_world:
        yield made_world


@pytest.fixture(scope="module")
def permitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with whole.world(tmp_path_factory.mktemp("whole")) as gateway:
        return gateway.decide(**whole.asked())


@pytest.fixture(scope="module")
def refused(world: World) -> dict[str, Any]:
    return world.decide(resource__id="far", context__transfer={"tool": "none"})


def test_every_section_has_its_example() -> None:
    headings = ["Request", "Answer", "Batch", "AuthZEN", "Attestation", "Record", "Proof"]
    headings += [
        "Trust file",
        "Evidence",
        "Evidence of the gateway",
        "Statement of COSE",
        "Token file",
        "Settings file",
        "Catalogue file",
        "Bundle",
    ]
    assert re.findall(r"^## (.*)$", PAGE, re.M) == headings
    assert [len(blocks(heading)) for heading in headings] == [
        1, 3, 1, 2, 2, 1, 1, 3, 1, 2, 1, 1, 1, 1, 1,
    ]  # fmt: skip


def test_what_a_trust_file_may_say_besides_is_read_and_written_again() -> None:
    first, more, groups = (json.loads(block) for block in blocks("Trust file"))
    another = CheckpointKey.generate("ledger.example/2027").public
    more["further_logs"] = [{"origin": another.name, "vkey": another.vkey}]
    whole_file = {**first, **more}
    (receipt_key,) = whole_file["receipt_keys"]
    receipt_key.update(listed(DecisionKey.generate()))
    # Keys of witnesses and certificates of authorities are too long for the page.
    assert whole_file["witnesses"].keys() == {"quorum", "vkeys"}
    whole_file["witnesses"] = with_keys(groups["witnesses"])
    assert whole_file.pop("timestamps").keys() == {"roots", "signers", "policy", "required"}
    del whole_file["threshold"]  # as if it were not there
    read = verify.Trust.from_json(json.dumps(whole_file).encode())
    assert read.to_json().keys() == whole_file.keys()
    assert verify.Trust.from_json(json.dumps(read.to_json()).encode()) == read
    assert read.terms.threshold == more["threshold"]


def test_the_listing_of_evidence_is_one_that_is_read(refused: dict[str, Any]) -> None:
    listing = json.loads(blocks("Evidence")[0])
    (one,) = listing["decisions"]
    with ZipFile(BytesIO(write_evidence(Evidence({one: refused})))) as packed:
        assert json.loads(packed.read("evidence.json")) == listing


def with_keys(value: Any) -> Any:
    """Groups of witnesses with a key wherever one stands."""
    if isinstance(value, str):
        return Witness("w.example").public.vkey
    if isinstance(value, list):
        return [with_keys(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: with_keys(one) for name, one in cast("dict[str, Any]", value).items()}
    return value


def listed(key: DecisionKey) -> dict[str, str]:
    return {"keyid": key.key_id, "pem": key.public.pem}


def written(value: Any, indent: int = 0, label: Any = None) -> str:
    """In the diagnostic notation, byte strings left out but those that hold CBOR."""
    if isinstance(value, bytes):
        if label not in (394, 396, "protected"):
            return "h'…'"
        return f"<< {written(cbor.loads(value), indent)} >>"
    if isinstance(value, cbor.Tagged):
        protected, *others = cast("list[Any]", value.value)
        parts = [written(protected, indent + 2, "protected")]
        parts += [written(one, indent + 2) for one in others]
        space = "\n" + " " * (indent + 2)
        return f"18([{space}{f',{space}'.join(parts)}])"
    space = ",\n" + " " * (indent + 2)
    if isinstance(value, dict):
        members = cast("dict[Any, Any]", value)
        rows = (
            f"{json.dumps(k)}: {written(v, indent + 2, label if k == -1 else k)}"
            for k, v in members.items()
        )
        return "{" + space.join(rows) + "}"
    if isinstance(value, list):
        elements = cast("list[Any]", value)
        return "[" + space.join(written(one, indent, label) for one in elements) + "]"
    return json.dumps(value)


def test_the_statement_of_cose_is_one_that_is_made(tmp_path: Path) -> None:
    key = DecisionKey.generate()
    with World(tmp_path) as world:
        world.decide()
        answer = world.decide()
        trust = world.trust.to_json()
        trust.update(format="charter-trust/v2")
        trust["receipt_keys"] = [{"origin": world.trust.origin, **listed(key)}]
        statement = make_statement(
            answer,
            verify.Trust.from_json(json.dumps(trust).encode()),
            decision=world.decision_key,
            receipt=key,
            now=NOW,
        )
    example = blocks("Statement of COSE")[0].strip()
    assert example == written(cbor.loads(statement)).replace(
        answer["id"], "019abe1c-2400-7000-8000-000000000001"
    )


def test_the_request_is_one_of_the_installed_pack() -> None:
    request = DecisionRequest.read(json.loads(blocks("Request")[0]))
    joined = Normaliser(pack().program, pack_catalogue()).join(request, now=NOW)
    assert joined.question.facts["data.labels"] == ("health", "personal", "special-category")
    assert "destination.countries" in joined.question.facts


def test_the_answer_has_the_shape_of_a_real_one(refused: dict[str, Any]) -> None:
    example = json.loads(blocks("Answer")[0])
    assert shape(example) == shape(refused)
    free = ("id", "record", "proof", "bundle", "catalogue", "facts")
    assert {k: v for k, v in example.items() if k not in free} == {
        k: v for k, v in refused.items() if k not in free
    }


def test_an_obligation_of_the_draft_profile_is_what_is_told(world: World) -> None:
    answer = world.decide(resource__id="far", context__transfer__tool="clauses")
    told = obligations(answer["obligations"])
    assert json.loads(blocks("AuthZEN")[1]) == {"obligations": [told[1]]}


def test_every_member_of_the_answer_is_explained(refused: dict[str, Any]) -> None:
    table = PAGE.partition("| member | is |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert named == refused.keys()


def test_the_obligation_is_a_real_one(permitted: dict[str, Any]) -> None:
    assert json.loads(blocks("Answer")[1]) in permitted["obligations"]


def test_what_a_permit_says_besides_is_what_a_real_one_says(permitted: dict[str, Any]) -> None:
    example = json.loads(blocks("Answer")[2])
    assert set(example) == {"advice", "preference", "preferences", "warnings"}
    assert all(example.values())
    assert example == {member: permitted[member] for member in example}


# How values are written: a type, a fact of that type, an example, and one that is refused.
WRITTEN: list[tuple[str, FactType, object, object, object]] = [
    ("yes or no", FactType("f", Kind.TRUTH, Origin.REQUEST, ()), True, True, "true"),
    ("identifier", FactType("f", Kind.TERM, Origin.REQUEST, ()), "scc-m2", "scc-m2", 7),
    ("set of", FactType("f", Kind.TERMS, Origin.REQUEST, ()), ["health"], ["health"], "health"),
    ("number of", FactType("f", Kind.INTEGER, Origin.REQUEST, ()), 30, 30, "30"),
    (
        "number of percent",
        FactType("f", Kind.INTEGER, Origin.REQUEST, (), scale=2),
        "24.1",
        "24.10",
        24.1,
    ),
    ("date", FactType("f", Kind.DAY, Origin.REQUEST, ()), "2027-01-12", "2027-01-12", "2027-1-12"),
]


@pytest.mark.parametrize(("name", "fact", "given", "shown", "refused_value"), WRITTEN)
def test_values_are_written_as_the_page_says(
    name: str, fact: FactType, given: object, shown: object, refused_value: object
) -> None:
    table = PAGE.partition("| type | is | such as |")[2].partition("\n\n")[0]
    (row,) = [r for r in table.splitlines() if f"`{name}`" in r or f"`{name} …`" in r]
    assert json.dumps(given) in row
    assert json.dumps(shown) in row
    value = fit(fact, given)
    assert value is not None
    assert wire_value(fact, value) == shown
    assert fit(fact, refused_value) is None


def test_the_statement_has_the_shape_of_a_real_one(refused: dict[str, Any]) -> None:
    example = json.loads(blocks("Record")[0])
    real = json.loads(base64.b64decode(refused["record"]["payload"]))
    assert {**shape(example), "predicate": {}} == {**shape(real), "predicate": {}}
    assert (example["_type"], example["predicateType"]) == (real["_type"], real["predicateType"])


def test_the_predicate_is_the_answer_without_record_and_proof(refused: dict[str, Any]) -> None:
    real = json.loads(base64.b64decode(refused["record"]["payload"]))
    assert real["predicate"] == {k: v for k, v in refused.items() if k not in ("record", "proof")}


def test_the_proof_is_read() -> None:
    assert parse_proof(blocks("Proof")[0]).index == 0


def test_the_trust_file_is_read() -> None:
    text = blocks("Trust file")[0]
    assert verify.Trust.from_json(text.encode()).to_json() == json.loads(text)


def test_the_token_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(blocks("Token file")[0])
    path.chmod(0o600)
    callers.Callers.load(path)
    (row,) = TokenFile.model_validate_json(path.read_bytes()).tokens
    assert set(json.loads(path.read_text())["tokens"][0]) == set(type(row).model_fields)


def test_the_settings_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "charter.toml"
    path.write_text(blocks("Settings file")[0])
    path.chmod(0o644)
    read = dict(settings.read_file(path))
    assert set(read) == {"listen.host", "listen.port", "state.folder", "engines.names"}


def test_the_catalogue_file_is_read() -> None:
    raw = tomllib.loads(blocks("Catalogue file")[0])
    read = catalogue.build(raw, whole.made().program, name="example").entries["site"]["near"]
    assert set(raw["site"][0]) == set(Row.model_fields)
    assert read.facts == whole.sites().entries["site"]["near"].facts


def test_a_search_on_the_page_finds_a_site_of_the_installed_pack(tmp_path: Path) -> None:
    engines = [ReferenceEngine(pack().program)]
    with World(tmp_path, law=pack(), known=pack_catalogue(), engines=engines) as world:
        asked = json.loads(blocks("AuthZEN")[0])
        found = run(world.service.search(asked, "resource", CALLER))
    assert len(found.candidates) == len(pack_catalogue().entries["site"])


def test_the_manifest_has_the_shape_of_a_real_one() -> None:
    example, real = json.loads(blocks("Bundle")[0]), json.loads(made().manifest())
    assert example.keys() == real.keys()
    assert example["format"] == real["format"]
    assert set(example["files"]) < set(real["files"])
    listed = {name.partition("/")[0] for name in real["files"]}
    table = PAGE.partition("| file | is |")[2]
    assert set(re.findall(r"^\| `([a-z_.]+)/?` \|", table, re.M)) == listed


def test_the_limits_are_those_of_the_code() -> None:
    assert service.MAX_BODY_BYTES == 1024 * 1024
    assert (protocol.MAX_HEAD_BYTES, protocol.MAX_HEADERS) == (16 * 1024, 100)
    assert (canonical.MAX_DEPTH, canonical.MAX_KEYS) == (32, 10_000)
    assert canonical.MAX_STRING == 64 * 1024
    assert (connections.HEAD_TIMEOUT_S, limits.BODY_TIMEOUT_S) == (10, 10)
    assert (limits.MAX_IN_FLIGHT, limits.MAX_BYTES_IN_FLIGHT) == (64, 8 * 1024 * 1024)
    assert connections.MAX_CONNECTIONS_OF_CLIENT == 100
    assert MAX_ELEMENTS == 1000
    table = PAGE.partition("| limit | value |")[2].partition("\n\n")[0]
    for said in (
        "1 MiB",
        "16 KiB, 100 headers",
        "32 levels, 10,000 keys, 64 KiB",
        "64 |",
        "8 MiB",
        "100 |",
    ):
        assert said in table
