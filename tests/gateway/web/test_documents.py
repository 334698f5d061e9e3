"""What a decision names of evidence: read again, judged again, and erased on legal grounds."""

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers, Role, TokenRow
from gateway.cli import exit_codes
from gateway.erasure import Grounds
from gateway.errors import LedgerUnavailableError
from gateway.evidence_erasure import erase_evidence
from gateway.in_force import InForce
from gateway.keeping.named import named_documents
from gateway.nodes.attested import Submission
from gateway.nodes.desk import Desk
from gateway.nodes.documents import Documents
from gateway.nodes.store import FILE
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.web.app import create_app
from tests.gateway.cli.commands import Charter
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import Machine
from tests.gateway.web.test_access import Client, a_token
from tests.gateway.world import World, made, question, sites

OWN = Machine()
GROUNDS = {"reason": "asked by the person", "authority": "GDPR art 17(1)(b)"}
OTHERS = [role for role in Role if role is not Role.AUDITOR]


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    terms = machines.terms(tmp_path / "terms")
    in_force = InForce(made(), sites(), [ReferenceEngine(made().program)], attestation=terms)
    with World(tmp_path, in_force=in_force) as made_world:
        made_world.service.desk = Desk(tmp_path / FILE)
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    rows: list[TokenRow] = []
    tokens = {role.value: a_token(rows, roles=frozenset({role})) for role in Role}
    tokens["elsewhere"] = a_token(rows, "clinic-b", roles=frozenset({Role.AUDITOR}))
    app = create_app(
        world.service,
        Callers(rows),
        world.trust.to_json(),
        clock=world.clock,
        documents=Documents(tmp_path / FILE),
    )
    return Client(app, tokens)


def post(client: Client, place: str, body: object, who: str = "scheduler") -> tuple[int, Any]:
    sent = client.send("POST", place, client.tokens[who], json.dumps(body).encode())
    return sent[0], json.loads(sent[2])


def get(client: Client, digest: str, who: str = "auditor") -> tuple[int, dict[str, str], bytes]:
    place = f"/v1/attestation/documents/{digest.removeprefix('sha256:')}"
    return client.send("GET", place, client.tokens[who])


def erase(client: Client, digest: str, body: object = GROUNDS, who: str = "operator") -> Any:
    place = f"/v1/attestation/documents/{digest.removeprefix('sha256:')}/erasure"
    return post(client, place, body, who)


@pytest.fixture
def decision(client: Client) -> dict[str, Any]:
    """A decision that names evidence of the purpose `standing`."""
    asked = {"node": "n1", "purpose": "standing"}
    _, challenge = post(client, "/v1/attestation/challenge", asked)
    evidence = OWN.evidence(bytes.fromhex(challenge["nonce"]))
    shown = {"node": "n1", "challenge": challenge["challenge"], "evidence": evidence}
    assert post(client, "/v1/attestation/evidence", shown)[0] == 201
    status, answer = post(client, "/v1/decisions", question(context__attestation={"node": "n1"}))
    assert status == 200, answer
    (body,) = answer["evidence"]
    assert body["verdict"] == "accepted"
    return answer


def named(decision: dict[str, Any]) -> dict[str, str]:
    found = {kind: digest for digest, kind in named_documents(decision).items()}
    assert found.keys() == {"evidence", "policy", "anchors", "register"}
    return found


def holds(path: Path, part: bytes) -> bool:
    """Whether the files of the store have the bytes anywhere."""
    files = [one for one in path.parent.iterdir() if one.name.startswith(path.name)]
    return any(part in one.read_bytes() for one in files)


# --- reading -------------------------------------------------------------------------


def test_all_that_a_decision_names_can_be_read(client: Client, decision: dict[str, Any]) -> None:
    for kind, digest in named(decision).items():
        status, headers, body = get(client, digest)
        assert (status, sha256(body).hexdigest()) == (200, digest)
        media = "application/json" if kind == "evidence" else "application/toml"
        assert headers["content-type"].partition(";")[0] == media
        assert headers["cache-control"] == "no-store"


def test_evidence_of_another_tenant_is_not_there(client: Client, decision: dict[str, Any]) -> None:
    found = named(decision)
    assert get(client, found["evidence"], "elsewhere")[0] == 404
    assert get(client, found["register"], "elsewhere")[0] == 200


@pytest.mark.parametrize("role", OTHERS)
def test_only_auditors_read(client: Client, decision: dict[str, Any], role: Role) -> None:
    assert get(client, named(decision)["evidence"], role.value)[0] == 403


@pytest.mark.parametrize("digest", ["0" * 64, "12", "F" * 64, "é", "0" * 65])
def test_what_is_not_kept_is_not_found(client: Client, digest: str) -> None:
    assert get(client, digest)[0] == 404
    assert erase(client, digest)[0] == 404


def test_a_gateway_without_a_store_has_none(world: World, client: Client) -> None:
    rows: list[TokenRow] = []
    token = a_token(rows, roles=frozenset({Role.AUDITOR, Role.OPERATOR}))
    app = create_app(world.service, Callers(rows), world.trust.to_json(), clock=world.clock)
    alone = Client(app, {"auditor": token, "operator": token})
    assert get(alone, "0" * 64)[0] == 404
    assert erase(alone, "0" * 64)[0] == 404
    assert client.tokens


def test_a_document_that_was_changed_on_disk_is_not_given_out(
    client: Client, decision: dict[str, Any], tmp_path: Path
) -> None:
    found = named(decision)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("UPDATE document SET body = body || x'20'")
        db.commit()
    for digest in found.values():
        status, _, body = get(client, digest)
        assert (status, json.loads(body)["type"].rsplit("/")[-1]) == (503, "evidence-unavailable")


# --- erasing -------------------------------------------------------------------------


def test_erased_evidence_is_gone_and_the_log_says_why(
    client: Client, decision: dict[str, Any], tmp_path: Path, world: World
) -> None:
    digest = named(decision)["evidence"]
    part = get(client, digest)[2][40:200]
    assert holds(tmp_path / FILE, part)
    status, told = erase(client, digest)
    assert (status, told["digest"], told["tidy"]) == (200, f"sha256:{digest}", True)
    assert not holds(tmp_path / FILE, part)
    status, _, body = get(client, digest)
    tombstone = json.loads(body)
    assert (status, tombstone["type"].rsplit("/")[-1]) == (410, "evidence-erased")
    assert tombstone["erased"].items() >= {"evidence": f"sha256:{digest}", **GROUNDS}.items()
    assert erase(client, digest) == (410, tombstone)
    entry = world.service.ledger.get(told["erasure_id"])
    assert entry is not None
    assert entry.index == told["erasure_index"]
    # The files by which it was judged are about no person, and stay.
    assert get(client, named(decision)["register"])[0] == 200
    assert get(client, digest, "elsewhere")[0] == 404


def test_what_stood_by_erased_evidence_stands_no_more(
    client: Client, decision: dict[str, Any]
) -> None:
    assert erase(client, named(decision)["evidence"])[0] == 200
    node = client.send("GET", "/v1/attestation/nodes/n1", client.tokens["scheduler"])
    assert node[0] == 404
    asked = question(context__attestation={"node": "n1"})
    assert post(client, "/v1/decisions", asked)[1]["evidence"] == []


def test_what_another_tenant_shows_after_an_erasure_is_erased_under_the_same_entry(
    client: Client, world: World, decision: dict[str, Any], tmp_path: Path
) -> None:
    found = named(decision)["evidence"]
    document = get(client, found)[2]
    _, first = erase(client, found)
    desk, terms = world.service.desk, world.service.in_force.attestation
    assert desk is not None
    assert terms is not None
    shown = Submission("n1", document)
    desk.submit(
        terms, shown, tenant="clinic-b", caller="c", purpose="standing", now=world.clock.now
    )
    assert get(client, found, "elsewhere")[0] == 200
    assert holds(tmp_path / FILE, document[40:200])
    status, second = erase(client, found)
    assert (status, second["erasure_id"]) == (200, first["erasure_id"])
    assert [get(client, found, who)[0] for who in ("auditor", "elsewhere")] == [410, 410]
    assert not holds(tmp_path / FILE, document[40:200])
    assert erase(client, found)[0] == 410


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_only_operators_erase(client: Client, decision: dict[str, Any], role: Role) -> None:
    assert erase(client, named(decision)["evidence"], who=role.value)[0] == 403
    assert get(client, named(decision)["evidence"])[0] == 200


@pytest.mark.parametrize(
    "grounds",
    [{}, [], {"reason": "x"}, GROUNDS | {"by": "me"}, GROUNDS | {"reason": ""}, "x",
     GROUNDS | {"reason": "a\nb"}, GROUNDS | {"authority": "x" * 1001}],
)  # fmt: skip
def test_nothing_is_erased_without_grounds(
    client: Client, decision: dict[str, Any], grounds: object
) -> None:
    assert erase(client, named(decision)["evidence"], grounds)[0] == 422
    assert get(client, named(decision)["evidence"])[0] == 200


@pytest.mark.parametrize("kind", ["policy", "anchors", "register"])
def test_what_evidence_is_judged_by_is_not_erased(
    client: Client, decision: dict[str, Any], kind: str
) -> None:
    assert erase(client, named(decision)[kind])[0] == 409
    assert get(client, named(decision)[kind])[0] == 200


def test_what_says_why_evidence_was_erased_stays(client: Client, decision: dict[str, Any]) -> None:
    _, told = erase(client, named(decision)["evidence"])
    place = f"/v1/decisions/{told['erasure_id']}/erasure"
    assert post(client, place, GROUNDS, "operator")[0] == 409


class Failing:
    """A log that fails, before or after it has logged."""

    def __init__(self, ledger: Any, *, after: bool) -> None:
        self._ledger = ledger
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def append(self, *entry: Any) -> Any:
        if self._after:
            self._ledger.append(*entry).result(timeout=30)
        raise LedgerUnavailableError("the disk is full")


@pytest.mark.parametrize("after", [False, True])
def test_an_erasure_that_was_cut_short_is_finished_by_the_next(
    world: World, decision: dict[str, Any], tmp_path: Path, after: bool
) -> None:
    documents, digest = Documents(tmp_path / FILE), named(decision)["evidence"]
    ledger, size = world.service.ledger, world.service.ledger.size

    def attempt(ledger: Any) -> Any:
        return erase_evidence(
            documents, ledger, world.service.signer, sha256=digest,
            grounds=Grounds("asked", "law", "me"), now=world.clock(),
        )  # fmt: skip

    with pytest.raises(LedgerUnavailableError):
        attempt(Failing(ledger, after=after))
    (kept,) = documents.of(digest)
    assert (kept.body is not None, kept.erasure is not None) == (True, True)
    done = attempt(ledger)
    assert (done.erasure_id, done.erasure_index) == (kept.erasure, size)
    assert ledger.size == size + 1
    assert documents.of(digest)[0].body is None


def test_while_somebody_reads_an_older_state_it_is_not_tidy(
    client: Client, decision: dict[str, Any], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM document").fetchone()
        status, told = erase(client, named(decision)["evidence"])
    assert (status, told["tidy"]) == (200, False)


# --- as an auditor and an operator work ----------------------------------------------


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)


def test_a_real_decision_is_judged_again_until_its_evidence_is_erased(
    charter: Charter, client: Client, decision: dict[str, Any], world: World, tmp_path: Path
) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(decision))
    (tmp_path / "trust.json").write_text(json.dumps(world.trust.to_json()))
    shown = tmp_path / "shown"
    shown.mkdir()

    def verify() -> tuple[int, dict[str, Any]]:
        ran = charter(
            "verify", tmp_path / "answer.json", "--trust", tmp_path / "trust.json",
            "--re-appraise", shown, "--format", "json",
        )  # fmt: skip
        return ran.code, json.loads(ran.out)

    assert verify()[1]["reason"] == "evidence-missing"
    for number, digest in enumerate(named(decision).values()):
        (shown / str(number)).write_bytes(get(client, digest)[2])
    code, told = verify()
    assert (code, told["verdict"]) == (exit_codes.OK, "good"), told
    erase(client, named(decision)["evidence"])
    for number, digest in enumerate(named(decision).values()):
        (shown / str(number)).write_bytes(get(client, digest)[2])
    code, told = verify()
    assert (code, told["reason"]) == (exit_codes.INDETERMINATE, "evidence-erased")
