"""Evidence of a decision judged again: the same comes out, and every change is told."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.attestation.anchors import read_anchors
from gateway.attestation.chain import fingerprint
from gateway.attestation.errors import EvidenceError, EvidenceNonceError
from gateway.attestation.policy import read_policy
from gateway.attestation.result import AttestationResult, Verdict
from gateway.cli import exit_codes
from gateway.nodes.attested import instant, read_attested
from gateway.nodes.errors import NodeRolledBackError
from gateway.nodes.judged import without
from gateway.reappraise import documents as shelves
from gateway.reappraise.again import judge_again
from gateway.reappraise.decision import Reappraised, Today, reappraise
from gateway.reappraise.documents import read_documents
from gateway.state import open_state
from gateway.verify import Trust, VerifiedDecision
from tests.gateway.attestation import tpms
from tests.gateway.attestation.chains import AT as MADE
from tests.gateway.attestation.chains import issue
from tests.gateway.attestation.test_bundle import document, path, real, spelled
from tests.gateway.cli.commands import Charter
from tests.gateway.reappraise.made import (
    POLICY,
    PROGRAM,
    Change,
    Machine,
    Written,
    anchors,
    evidence,
    predicate,
    register,
    sha256,
    write,
)
from tests.project import ROOT

MACHINE = Machine()
THIS = f"charter/{version('charter-gateway')}"
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


@cache
def somebody() -> Trust:
    """A gateway that made none of these decisions: only tombstones are checked by its keys."""
    with TemporaryDirectory() as folder:
        open_state(Path(folder) / "state", origin="ledger.example/other")
        return Trust.from_json((Path(folder) / "state" / "trust.json").read_bytes())


@dataclass(frozen=True)
class Case:
    """A decision that was verified before, and what an auditor has."""

    verified: VerifiedDecision
    documents: Path


def case(
    folder: Path,
    machine: Machine,
    change: Change | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> Case:
    says = {"decided_at": instant(machine.at + timedelta(minutes=1))} | predicate(machine, change)
    shown = folder / "documents"
    shown.mkdir(parents=True)
    for name, data in (machine.files() if documents is None else documents).items():
        (shown / name).write_bytes(data)
    return Case(VerifiedDecision("1", "permit", says, "", (), "log", 0, 1, b""), shown)


def judged(made: Case, *, program: str = PROGRAM, today: Today | None = None) -> Reappraised:
    found = read_documents([made.documents])
    return reappraise(made.verified, somebody(), found, program=program, today=today)


def reason(found: Reappraised) -> str:
    return "verified" if found.worst is None else found.worst.reason


# --- what holds ----------------------------------------------------------------------

HOLDS: dict[str, Machine] = {
    "accepted": MACHINE,
    "without a challenge": replace(MACHINE, nonce=None),
    "another challenge, which was refused": replace(MACHINE, nonce=b"\x99" * 32),
    "no anchors, so that nobody could tell": replace(MACHINE, anchors=None),
    "refused by the policy": replace(MACHINE, policy=POLICY.replace('["TPM"]', '["other"]')),
    "another device, which was refused": replace(MACHINE, register=register('["aabb"]')),
    "an enrolled device": replace(
        MACHINE, register=register(f'["{MACHINE.attested.body()["attester"]}"]')
    ),
    "another place, which was refused": replace(
        MACHINE,
        register=register(
            f'["{MACHINE.attested.body()["attester"]}"]',
            'place = { measurement = "sha256:16", any_of = ["ff"] }',
        ),
    ),
}


@pytest.mark.parametrize("machine", HOLDS.values(), ids=HOLDS)
def test_what_was_concluded_comes_out_again(tmp_path: Path, machine: Machine) -> None:
    found = judged(case(tmp_path, machine))
    assert reason(found) == "verified"
    (piece,) = found.pieces
    assert piece.said is not None
    assert piece.said.verdict is machine.attested.result.verdict


def refused_by(technology: str, product: str, at: str) -> tuple[str, str]:
    """A policy and a register for evidence of a technology."""
    policy = POLICY.replace('"tpm"', f'"{technology}"').replace('"TPM"', f'"{product}"')
    rows = register().replace('"tpm"', f'"{technology}"')
    return tuple(text.replace("2026-01-01", at[:10]) for text in (policy, rows))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("technology", ["sev-snp", "azure-snp-vtpm", "tdx", "nitro"])
@pytest.mark.parametrize("product", ["ANY", "another"])
def test_real_evidence_comes_out_again(
    tmp_path: Path, vectors: Path, technology: str, product: str
) -> None:
    found, at = real(vectors)[technology]
    policy, rows = refused_by(technology, product, at)
    machine = Machine(spelled(found), policy, None, rows, None, datetime.fromisoformat(at))
    assert machine.attested.result.claims is not None
    result = judged(case(tmp_path, machine))
    assert reason(result) == "verified"
    years_later = Today(datetime(2050, 1, 1, tzinfo=UTC), read_policy(policy.encode()))
    (piece,) = judged(case(tmp_path / "later", machine), today=years_later).pieces
    assert piece.error is None
    assert piece.now is not None
    assert piece.now.reason == "evidence-expired"


def test_years_later_the_instant_of_then_counts(tmp_path: Path) -> None:
    ended = replace(MACHINE, register=register(more="valid_until = 2026-11-22"))
    found = judged(case(tmp_path, ended))
    assert reason(found) == "verified"


# --- documents -----------------------------------------------------------------------


def files(**changes: bytes | None) -> dict[str, bytes]:
    shown = MACHINE.files() | {name: data for name, data in changes.items() if data is not None}
    return {name: data for name, data in shown.items() if changes.get(name, b"") is not None}


def flipped(data: bytes, at: int = 200) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SHOWN: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, "evidence-missing"),
    "no evidence": (files(a=None), "evidence-missing"),
    "evidence with a bit flipped": (files(a=flipped(MACHINE.evidence)), "evidence-missing"),
    "evidence with a byte more": (files(a=MACHINE.evidence + b"\n"), "evidence-missing"),
    "other evidence of that machine": (files(a=evidence()), "evidence-missing"),
    "no policy": (files(b=None), "terms-missing"),
    "another policy": (files(b=POLICY.replace("118", "119").encode()), "terms-missing"),
    "no register": (files(c=None), "terms-missing"),
    "another register": (files(c=register("[]").encode()), "terms-missing"),
    "no anchors": (files(d=None), "terms-missing"),
    "other anchors": (files(d=anchors(OTHER_KEY).encode()), "terms-missing"),
}


@pytest.mark.parametrize(("shown", "expected"), SHOWN.values(), ids=SHOWN)
def test_a_document_that_is_not_there_cannot_be_replaced(
    tmp_path: Path, shown: Mapping[str, bytes], expected: str
) -> None:
    found = judged(case(tmp_path, MACHINE, documents=shown))
    assert reason(found) == expected


def test_names_do_not_matter_and_folders_are_searched(tmp_path: Path) -> None:
    written = case(tmp_path, MACHINE, documents={})
    for number, data in enumerate(MACHINE.files().values()):
        below = written.documents / f"{number}"
        below.mkdir()
        (below / "policy.toml").write_bytes(data)
    assert reason(judged(written)) == "verified"


def test_what_is_no_file_or_too_large_is_passed_over(tmp_path: Path) -> None:
    written = case(tmp_path, MACHINE)
    (written.documents / "device").symlink_to("/dev/zero")
    (written.documents / "nowhere").symlink_to(tmp_path / "none")
    with (written.documents / "large").open("wb") as file:
        file.truncate(shelves.MAX_DOCUMENT + 1)
    assert reason(judged(written)) == "verified"


def test_a_file_that_changed_since_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    found = read_documents([tmp_path])
    (tmp_path / "a").write_bytes(b"two")
    assert found.find(sha256(b"one")) is None


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "MAX_DOCUMENTS", 2)
    for name in "abc":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(shelves.ConfigurationError, match="more than 2 files"):
        read_documents([tmp_path])


# --- what the record says ------------------------------------------------------------


def said(**changes: Any) -> Change:
    """A record that says something else of the evidence, signed as any other."""

    def change(says: dict[str, Any]) -> None:
        body = says["evidence"][0]
        for name, value in changes.items():
            if value is ...:
                del body[name]
            else:
                body[name] = value

    return change


def finding(says: dict[str, Any]) -> None:
    says["evidence"][0]["findings"][0]["value"] = 3


def word(says: dict[str, Any]) -> None:
    says["evidence"][0]["findings"][0]["because"] = "configured well"


def digest(data: str | bytes) -> str:
    return f"sha256:{sha256(data.encode() if isinstance(data, str) else data)}"


LATER, ELSEWHERE = POLICY.replace("2026-01-01", "2026-11-23"), register().replace("far", "near")
UNREADABLE = b"format = 'charter-appraisal/v9'\n"
DIFFERS, FORM = "reappraisal-differs", "reappraisal-malformed"
SAYS: dict[str, tuple[Change, str]] = {
    "another node": (said(node="n2"), DIFFERS),
    "another site": (said(site="near"), DIFFERS),
    "a stronger place": (said(place="enrolled"), DIFFERS),
    "another technology": (said(technology="sev-snp"), DIFFERS),
    "another challenge": (said(nonce="99" * 32), DIFFERS),
    "no challenge": (said(nonce=None), DIFFERS),
    "fresher than it was": (said(freshness="background"), DIFFERS),
    "another instant": (said(appraised_at="2026-11-22T09:30:15.251Z"), DIFFERS),
    "an instant at which no key counted": (said(appraised_at="2025-11-22T09:30:15Z"), DIFFERS),
    "a longer time": (said(valid_until="2026-11-22T10:31:15.250Z"), DIFFERS),
    "no end": (said(valid_until=None), DIFFERS),
    "another verdict": (said(verdict="refused", reason="appraisal-hardware"), DIFFERS),
    "another verdict alone": (said(verdict="undecided"), DIFFERS),
    "a reason of state and accepted": (said(reason="evidence-nonce"), DIFFERS),
    "another status": (said(status="warning"), DIFFERS),
    "another vector": (said(vector={"hardware": 2}), DIFFERS),
    "a number as a truth": (said(vector={"hardware": True}), DIFFERS),
    "another finding": (finding, DIFFERS),
    "other words of a finding": (word, DIFFERS),
    "something lacking": (said(lacking=["a floor"]), DIFFERS),
    "something waived": (said(skipped=["tpm.debug"]), DIFFERS),
    "another policy": (said(policy={"id": "x", "digest": digest(POLICY)}), DIFFERS),
    "a policy of another day": (said(policy={"id": "x", "digest": digest(LATER)}), DIFFERS),
    "no anchors": (said(anchors=None), DIFFERS),
    "another register": (said(register=digest(ELSEWHERE)), DIFFERS),
    "nothing used": (said(used=[]), DIFFERS),
    "another product": (said(product="Milan"), DIFFERS),
    "firmware": (said(firmware={"snp": 99}), DIFFERS),
    "a word of the maker": (said(tcb_status="UpToDate"), DIFFERS),
    "an advisory": (said(advisories=["INTEL-SA-1"]), DIFFERS),
    "another device": (said(attester="aa" * 32), DIFFERS),
    "another measurement": (said(measurements={}), DIFFERS),
    "a GPU": (said(gpus=[{"product": "GH100"}]), DIFFERS),
    "a member more": (said(note="x"), DIFFERS),
    "a member less": (said(gpus=...), DIFFERS),
    "an empty member less": (said(tcb_status=...), DIFFERS),
    "evidence that is a policy": (said(digest=digest(POLICY)), DIFFERS),
    "a register that is a policy": (said(register=digest(POLICY)), "terms-unreadable"),
    "a policy of a later format": (
        said(policy={"id": "x", "digest": digest(UNREADABLE)}),
        "terms-unreadable",
    ),
    "no digest": (said(digest="sha256:12"), FORM),
    "a digest of another kind": (said(digest="sha512:" + "0" * 64), FORM),
    "no policy": (said(policy="strict"), FORM),
    "a place that there is not": (said(place="seen"), FORM),
    "a verdict that there is not": (said(verdict="fine"), FORM),
    "a nonce that is none": (said(nonce="xyz"), FORM),
    "no instant": (said(appraised_at="yesterday"), FORM),
    "evidence that is a text": (lambda p: p.update(evidence=["n1"]), FORM),
    "no list of evidence": (lambda p: p.update(evidence={}), FORM),
    "no evidence member": (lambda p: p.pop("evidence"), FORM),
}


@pytest.mark.parametrize(("change", "expected"), SAYS.values(), ids=SAYS)
def test_a_record_that_says_something_else_is_found_out(
    tmp_path: Path, change: Change, expected: str
) -> None:
    more = {"e": LATER.encode(), "f": ELSEWHERE.encode(), "g": UNREADABLE}
    found = judged(case(tmp_path, MACHINE, change, MACHINE.files() | more))
    assert reason(found) == expected


def test_a_decision_without_evidence_holds(tmp_path: Path) -> None:
    found = judged(case(tmp_path, MACHINE, lambda p: p.update(evidence=[], sources=[]), {}))
    assert (reason(found), found.pieces) == ("verified", ())


def test_of_two_pieces_what_is_bad_is_told_before_what_is_unclear(tmp_path: Path) -> None:
    def twice(says: dict[str, Any]) -> None:
        (one,) = says["evidence"]
        says["evidence"] = [one | {"digest": digest(b"gone")}, one | {"site": "near"}]

    found = judged(case(tmp_path, MACHINE, twice))
    assert reason(found) == "reappraisal-differs"
    assert [piece.error and piece.error.reason for piece in found.pieces] == [
        "evidence-missing",
        "reappraisal-differs",
    ]


def test_words_of_a_library_in_an_error_do_not_count(tmp_path: Path) -> None:
    machine = HOLDS["another challenge, which was refused"]
    (clause,) = {one.clause for one in machine.attested.result.findings}
    assert clause == "verification"
    assert reason(judged(case(tmp_path / "a", machine, word))) == "verified"
    assert reason(judged(case(tmp_path / "b", machine, finding))) == DIFFERS


# --- what the gateway knew besides ---------------------------------------------------


def of_state(error: EvidenceError, **changes: Any) -> Change:
    body = without(MACHINE.attested, error).body() | changes
    return lambda says: says.update(evidence=[json.loads(json.dumps(body))])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (of_state(EvidenceNonceError("it was used before")), "evidence-state"),
        (of_state(NodeRolledBackError("it was started since")), "evidence-state"),
        (of_state(EvidenceNonceError("used"), product="TPM"), DIFFERS),
        (of_state(EvidenceNonceError("used"), verdict="accepted"), DIFFERS),
        (of_state(EvidenceNonceError("used"), valid_until="2027-01-01T00:00:00.000Z"), DIFFERS),
        (of_state(EvidenceNonceError("used"), reason="evidence-signature"), DIFFERS),
    ],
)
def test_a_refusal_that_no_document_shows_is_not_judged(
    tmp_path: Path, change: Change, expected: str
) -> None:
    assert reason(judged(case(tmp_path, MACHINE, change))) == expected


# --- another version -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, "verified"),
        (word, "verified"),
        (said(lacking=["in other words"]), "verified"),
        (said(note="of a later version"), "verified"),
        (said(gpus=...), "verified"),
        (finding, DIFFERS),
        (said(product="Milan"), DIFFERS),
        (said(verdict="refused"), DIFFERS),
    ],
)
def test_another_version_may_use_other_words_and_concludes_the_same(
    tmp_path: Path, change: Change | None, expected: str
) -> None:
    found = judged(case(tmp_path, MACHINE, change), program="charter/9.9.9")
    assert reason(found) == expected
    if found.worst is not None:
        assert f"judged by {PROGRAM} then" in str(found.worst)


# --- libraries -----------------------------------------------------------------------


def of_tdx(vectors: Path) -> Machine:
    quote, at = real(vectors)["tdx"]
    rows = register().replace('"tpm"', '"tdx"').replace("2026-01-01", "2025-01-01")
    policy = POLICY.replace('"tpm"', '"tdx"').replace("2026-01-01", "2025-01-01")
    return Machine(spelled(quote), policy, None, rows, None, datetime.fromisoformat(at))


def test_a_library_that_is_missing_here_makes_nothing_bad(
    tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = of_tdx(vectors)
    assert machine.attested.result.reason not in ("", "evidence-incomplete")
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    assert reason(judged(case(tmp_path / "a", machine))) == "library-missing"
    # What is incomplete for another reason is what it was.
    incomplete = replace(MACHINE, anchors=None)
    accepted = said(verdict="accepted", reason="")
    assert reason(judged(case(tmp_path / "b", incomplete))) == "verified"
    assert reason(judged(case(tmp_path / "c", incomplete, accepted))) == DIFFERS


def test_a_library_that_was_missing_then_makes_nothing_bad(
    tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = of_tdx(vectors)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "dcap_qvl", None)
        assert machine.attested.result.reason == "evidence-incomplete"
    assert reason(judged(case(tmp_path / "a", machine))) == "library-missing"
    wrong = of_tdx(vectors)
    assert reason(judged(case(tmp_path / "b", wrong, said(product="Milan")))) == DIFFERS


# --- facts ---------------------------------------------------------------------------


def stated(changes: dict[str, Any] | None = None, **members: Any) -> Change:
    """A record that lists facts of a node among its sources."""
    one = {"source": "attestation", "id": "n1", "said": {"attestation.product": "TPM"}} | members

    def change(says: dict[str, Any]) -> None:
        says["sources"] = [{"source": "weather", "id": "n9", "said": {}}, one]
        says.update(changes or {})

    return change


FACTS: dict[str, tuple[Machine, Change, str]] = {
    "of a node without evidence": (MACHINE, stated(id="n2"), "reappraisal-facts"),
    "of a refused machine": (
        HOLDS["refused by the policy"],
        stated(),
        "reappraisal-facts",
    ),
    "of no evidence at all": (MACHINE, stated({"evidence": []}), "reappraisal-facts"),
    "of another site": (
        MACHINE,
        stated({"entities": [{"record": "destination", "type": "site", "id": "near"}]}),
        "reappraisal-facts",
    ),
    "of no site": (MACHINE, stated({"entities": []}), "reappraisal-facts"),
    "that the decision outlives": (
        MACHINE,
        stated({"valid_until": "2026-11-22T10:30:15.251Z"}),
        "reappraisal-facts",
    ),
    "of a decision without end": (MACHINE, stated({"valid_until": "soon"}), "reappraisal-facts"),
}


@pytest.mark.parametrize(("machine", "change", "expected"), FACTS.values(), ids=FACTS)
def test_facts_that_do_not_follow_are_found_out(
    tmp_path: Path, machine: Machine, change: Change, expected: str
) -> None:
    assert reason(judged(case(tmp_path, machine, change))) == expected


def test_facts_of_evidence_that_is_gone_are_not_called_wrong(tmp_path: Path) -> None:
    found = judged(case(tmp_path, MACHINE, stated(), {}))
    assert (reason(found), found.facts) == ("evidence-missing", None)


# --- what stands of it now -----------------------------------------------------------

REFUSE = """
[[technology.refuse]]
product = "TPM"
reason = "keys of this make leak"
source = "bulletin, read on 2026-12-01"
valid_from = 2026-12-01
"""
NOW = datetime(2026, 12, 2, tzinfo=UTC)


def now(
    tmp_path: Path,
    *,
    machine: Machine = MACHINE,
    policy: str = POLICY,
    at: datetime = NOW,
    vouched: str | None = None,
) -> AttestationResult:
    keys = None if vouched is None else read_anchors(vouched.encode())
    today = Today(at, read_policy(policy.encode()), keys)
    found = judged(case(tmp_path, machine), today=today)
    assert reason(found) == "verified"  # then it was right, whatever is known now
    (piece,) = found.pieces
    assert piece.now is not None
    return piece.now


def test_evidence_against_which_nothing_became_known_stands(tmp_path: Path) -> None:
    assert now(tmp_path).verdict is Verdict.ACCEPTED


SINCE: dict[str, tuple[dict[str, Any], Verdict, str]] = {
    "the product line is refused": (
        {"policy": POLICY + REFUSE},
        Verdict.REFUSED,
        "appraisal-hardware",
    ),
    "the measurement counts no more": (
        {"policy": POLICY.replace("0707", "0808", 1)},
        Verdict.REFUSED,
        "appraisal-executables",
    ),
    "the policy ended": (
        {"policy": POLICY.replace("valid_from = ", "valid_until = 2026-11-30\nvalid_from = ", 1)},
        Verdict.UNDECIDED,
        "appraisal-incomplete",
    ),
    "nobody vouches for the key any more": (
        {"vouched": anchors(OTHER_KEY)},
        Verdict.UNDECIDED,
        "evidence-incomplete",
    ),
}


@pytest.mark.parametrize(("changes", "verdict", "because"), SINCE.values(), ids=SINCE)
def test_what_became_known_since_is_told(
    tmp_path: Path, changes: dict[str, Any], verdict: Verdict, because: str
) -> None:
    result = now(tmp_path, **changes)
    assert (result.verdict, result.reason) == (verdict, because)


def test_a_refusal_counts_from_its_day(tmp_path: Path) -> None:
    before = now(tmp_path, policy=POLICY + REFUSE, at=datetime(2026, 11, 30, tzinfo=UTC))
    assert before.verdict is Verdict.ACCEPTED


CLOUD = issue("cloud", ca=True, ends=MADE + timedelta(days=365))
AK = issue("ak", CLOUD, key=tpms.ECC, ends=MADE + timedelta(days=2))


def certified() -> Machine:
    """Evidence whose key an authority vouches for, by a certificate that ends."""
    made = json.loads(evidence())
    parts, chain = made["evidence"], path(AK, CLOUD)
    vouched = f"""\
format = "charter-anchors/v1"
owner = "operator"

[[tpm_authority]]
sha256 = "{fingerprint(CLOUD.certificate)}"
source = "the page of the cloud"
valid_from = 2026-01-01
"""
    return Machine(spelled(document("tpm", parts, ak_path=chain)), anchors=vouched, at=MADE)


def test_what_has_ended_since_is_expired_and_still_judged(tmp_path: Path) -> None:
    machine = certified()
    assert machine.attested.result.verdict is Verdict.ACCEPTED, machine.attested.result
    later = MADE + timedelta(days=30)
    result = now(tmp_path / "a", machine=machine, at=later)
    assert (result.verdict, result.reason) == (Verdict.REFUSED, "evidence-expired")
    refused = POLICY + REFUSE.replace("2026-12-01", "2026-01-02")
    result = now(tmp_path / "b", machine=machine, at=later, policy=refused)
    assert result.reason == "evidence-expired"
    assert "keys of this make leak" in [one.because for one in result.findings]


SNP = """\
format = "charter-appraisal/v1"
id = "operator/snp"
owner = "security"
source = "decision 12"
valid_from = 2025-01-01

[[technology]]
name = "sev-snp"
products = ["Genoa"]
without_revocation = true
[[technology.floor]]
product = "Genoa"
firmware = { snp = 1 }
source = "s"
valid_from = 2025-01-01
[[technology.reference]]
measurement = "launch"
waived = "a real report of somebody else's machine"
source = "s"
valid_from = 2025-01-01
"""


def test_a_real_report_does_not_stand_below_the_floor_of_today(
    tmp_path: Path, vectors: Path
) -> None:
    report, at = real(vectors)["sev-snp"]
    rows = register().replace("tpm", "sev-snp").replace("2026-01-01", "2025-01-01")
    machine = Machine(spelled(report), SNP, None, rows, None, datetime.fromisoformat(at))
    assert machine.attested.result.verdict is Verdict.ACCEPTED, machine.attested.result
    floor = SNP.replace("{ snp = 1 }", "{ snp = 255 }")
    assert now(tmp_path / "a", machine=machine, policy=SNP).verdict is Verdict.ACCEPTED
    result = now(tmp_path / "b", machine=machine, policy=floor)
    assert (result.verdict, result.reason) == (Verdict.REFUSED, "appraisal-hardware")
    result = now(tmp_path / "c", machine=machine, policy=SNP, at=datetime(2040, 1, 1, tzinfo=UTC))
    assert result.reason == "evidence-expired"


# --- as an auditor runs it -----------------------------------------------------------


def run(charter: Charter, written: Written, *more: str | Path) -> Any:
    return charter(
        "verify", written.answer, "--trust", written.trust, "--re-appraise", written.documents,
        *more,
    )  # fmt: skip


def test_the_command_says_what_came_out(charter: Charter, tmp_path: Path) -> None:
    written = write(tmp_path, replace(MACHINE, program=THIS))
    policy = tmp_path / "now.toml"
    policy.write_text(POLICY + REFUSE.replace("2026-12-01", "2026-01-02"))
    ran = run(charter, written, "--appraisal-now", policy)
    assert (ran.code, ran.err) == (exit_codes.OK, "")
    first, second, third, last = ran.out.splitlines()
    assert first.startswith("OK: decision decision (permit) is entry 0")
    assert second == "OK: the evidence of the decision comes out as its record says"
    assert third.endswith("of node n1: comes out as it did at 2026-11-22T09:30:15.250Z: accepted")
    assert last.startswith("    now: does not stand by policy operator/strict at ")
    assert last.endswith("(appraisal-hardware): keys of this make leak")
    told = json.loads(run(charter, written, "--appraisal-now", policy, "--format", "json").out)
    (one,) = told["evidence"]
    assert (told["verdict"], one["verdict"], one["reason"]) == ("good", "good", "verified")
    assert (one["then"]["verdict"], one["now"]["stands"]) == ("accepted", "does not stand")


@pytest.mark.parametrize(
    ("change", "documents", "code", "word"),
    [
        (said(site="near\nOK: all is well"), None, exit_codes.REFUSED, "NOT VERIFIED"),
        (None, {}, exit_codes.INDETERMINATE, "CANNOT TELL"),
        (said(digest=1), None, exit_codes.REFUSED, "NOT VERIFIED"),
    ],
)
def test_the_command_begins_with_the_verdict(
    charter: Charter,
    tmp_path: Path,
    change: Change | None,
    documents: Mapping[str, bytes] | None,
    code: int,
    word: str,
) -> None:
    written = write(tmp_path, replace(MACHINE, program=THIS), change, documents)
    ran = run(charter, written)
    assert ran.code == code
    assert ran.out.startswith(f"{word} (")
    assert "\nOK" not in ran.out
    told = json.loads(run(charter, written, "--format", "json").out)
    assert told["verdict"] == {"NOT VERIFIED": "bad", "CANNOT TELL": "cannot tell"}[word]
    assert told["reason"] in ran.out


def test_what_cannot_be_read_is_no_verdict(charter: Charter, tmp_path: Path) -> None:
    written = write(tmp_path, MACHINE)
    for more in (
        ["--re-appraise", tmp_path / "none"],
        ["--appraisal-now", tmp_path / "none"],
        ["--appraisal-now", written.answer],
        ["--appraisal-now", written.documents / "b", "--anchors-now", written.answer],
    ):
        ran = run(charter, written, *more)
        assert (ran.code, ran.out) == (exit_codes.FAILED, "")
    elsewhere = ["--re-appraise", written.documents, "--trust", written.trust]
    assert charter("verify", "--bundle", written.answer, *elsewhere).code == exit_codes.FAILED


# --- the page ------------------------------------------------------------------------


def test_each_code_of_the_page_is_given_by_a_test_here() -> None:
    page = (ROOT / "docs" / "reason_codes.md").read_text(encoding="utf-8")
    (part,) = [one for one in page.split("\n## ") if one.startswith("Evidence of a decision")]
    listed = {line.split("`")[1] for line in part.splitlines() if line.startswith("| `")}
    given = {expected for _, expected in SHOWN.values()} | {
        expected for _, expected in SAYS.values()
    }
    given |= {expected for *_, expected in FACTS.values()}
    assert listed == given | {"evidence-state", "evidence-erased", "library-missing"}


def test_the_tenant_and_the_program_change_nothing_of_the_result(tmp_path: Path) -> None:
    found = read_documents([case(tmp_path, MACHINE).documents])
    said = read_attested(MACHINE.attested.body())
    assert said is not None
    again = judge_again(said, found, tenant="other", program=PROGRAM)
    assert again.attested == replace(MACHINE.attested, tenant="other")
