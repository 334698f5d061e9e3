"""Evidence of a gateway as somebody judges it who relies on a decision: damaged one thing at a
time, and refused for that reason."""

import base64
import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from gateway.attestation import tpm_structures as tpm
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.chain import fingerprint
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.errors import GatewayError
from gateway.keys import DecisionKey
from gateway.own_evidence.check import Relied, check_gateway
from gateway.own_evidence.document import (
    FORMAT,
    Bound,
    Certification,
    read_document,
    write_document,
)
from gateway.own_evidence.errors import GatewayEvidenceMalformedError
from gateway.record.canonical import canonicalise
from gateway.verify import VerifiedDecision
from gateway.verify.refused import CannotTellError
from tests.gateway.attestation import tpms
from tests.gateway.attestation.chains import issue
from tests.gateway.attestation.pcrs import pcr_file
from tests.gateway.attestation.tpms import Made, public, sized
from tests.project import ROOT

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DAY = AT.date()
DECISION = ec.generate_private_key(ec.SECP256R1())
KEY = DecisionKey(DECISION)
RESIDENT = tpms.ATTRIBUTES & ~tpm.RESTRICTED
BUNDLE, CATALOGUE, OTHER = (f"sha256:{digit * 64}" for digit in "123")
ORIGIN = "ledger.example/test"
BOUND = Bound(KEY.public, BUNDLE, CATALOGUE, ORIGIN)
UNRESTRICTED = tpms.ATTRIBUTES & ~tpm.RESTRICTED


@dataclass(frozen=True)
class Case:
    """A document, the decision that names it, and who relies on both."""

    bound: Bound = BOUND
    quoted: Bound | None = None
    made_at: datetime = AT
    made: Made = field(default_factory=Made)
    public: bytes | None = None
    ak_path: tuple[bytes, ...] = ()
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tail: bytes = b""
    gateway: Callable[[str], Any] = lambda digest: {"evidence": digest}
    predicate: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key_ids: tuple[str, ...] = (KEY.key_id,)
    origin: str = ORIGIN
    anchors: Anchors | None = None
    certification: Certification | None = None
    parts: Mapping[str, bytes | None] = field(default_factory=dict[str, bytes | None])

    def document(self) -> bytes:
        made = replace(self.made, extra=(self.quoted or self.bound).data())
        message = made.message()
        area = public(made.key, made.attributes).raw
        parts = {
            "quote": message,
            "signature": made.signature(message),
            "pcrs": pcr_file(made.values),
            "public": sized(area) if self.public is None else self.public,
        }
        written = write_document(
            self.bound,
            parts,
            self.ak_path,
            made_at=self.made_at,
            certification=self.certification,
        )
        value = json.loads(written.text)
        for name, part in self.parts.items():
            if part is None:
                del value["evidence"]["evidence"][name]
            else:
                value["evidence"]["evidence"][name] = base64.b64encode(part).decode()
        for name, member in self.members.items():
            if member is ...:
                del value[name]
            else:
                value[name] = member
        return canonicalise(value) + self.tail

    def check(
        self,
        policy: AppraisalPolicy | None = None,
        *,
        sent: bytes | None = None,
        resident: bool = False,
    ) -> Relied:
        data = self.document()
        named = self.gateway(f"sha256:{sha256(data).hexdigest()}")
        predicate: dict[str, Any] = {
            "bundle": BUNDLE, "catalogue": CATALOGUE, "decided_at": "2026-11-22T09:30:00.000Z",
            **({} if named is None else {"gateway": named}), **self.predicate,
        }  # fmt: skip
        verified = VerifiedDecision(
            "id", "permit", predicate, "0" * 64, self.key_ids, self.origin, 1, 2, bytes(32)
        )
        anchors = pinned() if self.anchors is None else self.anchors
        return check_gateway(
            verified, data if sent is None else sent, anchors, policy, resident=resident
        )


def pinned(key: tpms.Private = tpms.ECC, since: date = DAY) -> Anchors:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    row = f'[[tpm_key]]\nname="a"\nsource="me"\nvalid_from={since}\npem="""{pem}"""\n'
    return read_anchors(f'format="charter-anchors/v1"\nowner="me"\n{row}'.encode())


def authority(sha256: str) -> Anchors:
    row = f'[[tpm_authority]]\nsha256="{sha256}"\nsource="me"\nvalid_from=2026-01-01\n'
    return read_anchors(f'format="charter-anchors/v1"\nowner="me"\n{row}'.encode())


def policy(*, boot: str = bytes([7]).hex() * 32, products: str = "TPM") -> AppraisalPolicy:
    return read_policy(
        f'format="charter-appraisal/v1"\nid="ours/gateway"\nowner="me"\nsource="me"\n'
        f'valid_from=2026-01-01\n[[technology]]\nname="tpm"\nproducts=["{products}"]\n'
        f'[[technology.reference]]\nmeasurement="sha256:7"\nany_of=["{boot}"]\n'
        f'source="me"\nvalid_from=2026-01-01\n'.encode()
    )


def test_good_evidence_holds() -> None:
    relied = Case().check()
    assert relied.document.bound == BOUND
    assert (relied.claims.detail["vouched"], relied.result) == ("pinned", None)


def test_an_authority_may_vouch_in_place_of_a_pinned_key() -> None:
    days = {"begins": AT - timedelta(days=1), "ends": AT + timedelta(days=1)}
    root = issue("authority", ca=True, **days)  # pyright: ignore[reportArgumentType]
    leaf = issue("ak", root, key=tpms.ECC, **days)  # pyright: ignore[reportArgumentType]
    path = tuple(one.certificate.public_bytes(Encoding.DER) for one in (leaf, root))
    good = Case(ak_path=path, anchors=authority(fingerprint(root.certificate)))
    assert good.check().claims.detail["vouched"] == "certified"
    later = {"predicate": {"decided_at": "2026-11-24T09:30:00Z"}}
    for reason, bad in {
        "evidence-chain": replace(good, anchors=authority("0" * 64)),
        "evidence-expired": replace(good, **later),
        "evidence-binding": replace(good, made=Made(key=ec.generate_private_key(ec.SECP256R1()))),
    }.items():
        assert refused(bad) == reason


def refused(case: Case) -> str:
    with pytest.raises(GatewayError) as found:
        case.check()
    return found.value.reason


def certified(
    key: tpms.Private = DECISION,
    *,
    by: tpms.Private = tpms.ECC,
    attributes: int = RESIDENT,
    kind: int = tpm.CERTIFY,
    other: tpms.Private | None = None,
    tail: bytes = b"",
) -> Case:
    """A document that says that a key is in the TPM of another; `other` is in fact certified."""
    area = public(key, attributes)
    name = area.name if other is None else public(other, attributes).name
    head = struct.pack(">IH", tpm.MAGIC, kind) + sized(b"signer") + sized(b"")
    attest = head + struct.pack(">QIIBQ", 1000, 2, 0, 1, 7) + sized(name) + sized(b"qualified")
    signature = Made(key=by).signature(attest)
    return Case(certification=Certification(attest + tail, signature, sized(area.raw)))


def damaged_signature() -> Case:
    good = replace(Made(), extra=BOUND.data())
    return Case(parts={"signature": good.signature(b"another message")})


UNCERTIFIED = "gateway-evidence-certification"
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
VALUES = {**tpms.VALUES, (tpm.SHA256, 7): bytes(32)}
BAD: dict[str, tuple[str, Case]] = {
    "the record names no evidence": ("gateway-evidence-absent", Case(gateway=lambda _: None)),
    "the record names no digest": ("gateway-evidence-malformed", Case(gateway=lambda _: "sha256:")),
    "the record names it by another hash": (
        "gateway-evidence-malformed",
        Case(gateway=lambda digest: {"evidence": digest.replace("sha256", "sha1")}),
    ),
    "the record names another document": (
        "gateway-evidence-other", Case(gateway=lambda _: {"evidence": OTHER}),
    ),
    "another key signed": ("gateway-evidence-key", Case(key_ids=("0" * 64,))),
    "another bundle decided": ("gateway-evidence-rules", Case(predicate={"bundle": OTHER})),
    "another catalogue": ("gateway-evidence-rules", Case(predicate={"catalogue": OTHER})),
    "the record has no bundle": ("gateway-evidence-rules", Case(predicate={"bundle": None})),
    "another log holds it": ("gateway-evidence-origin", Case(origin="ledger.example/other")),
    "made after the decision": (
        "gateway-evidence-later", Case(made_at=AT + timedelta(seconds=61)),
    ),
    "the record has no time": ("gateway-evidence-malformed", Case(predicate={"decided_at": 1})),
    "nobody pinned the key": ("evidence-incomplete", Case(anchors=Anchors())),
    "another key is pinned": ("evidence-incomplete", Case(anchors=pinned(OTHER_KEY))),
    "pinned only since the day after": (
        "evidence-incomplete", Case(anchors=pinned(since=DAY + timedelta(days=1))),
    ),
    "a key that signs anything": ("evidence-binding", Case(made=Made(attributes=UNRESTRICTED))),
    "a key that may be copied out": (
        "evidence-binding", Case(made=Made(attributes=tpms.ATTRIBUTES & ~tpm.FIXED_TPM)),
    ),
    "values of PCRs altered": ("evidence-binding", Case(parts={"pcrs": pcr_file(VALUES)})),
    "signed by another key": ("evidence-signature", Case(made=Made(key=OTHER_KEY),
        public=sized(public().raw))),
    "another signature": ("evidence-signature", damaged_signature()),
    "not made by a TPM": ("evidence-malformed", Case(made=Made(magic=0))),
    "a certification in place of a quote": (
        "evidence-malformed", Case(made=Made(kind=tpm.CERTIFY)),
    ),
    "bytes after the quote": ("evidence-malformed", Case(made=Made(tail=b"\0"))),
    "bytes after the public area": (
        "evidence-malformed", Case(public=sized(public().raw + b"\0")),
    ),
    "the quote is of no PCR": ("evidence-binding", Case(made=Made(selection=()))),
    "quoted over another key": (
        "gateway-evidence-bound", Case(quoted=replace(BOUND, key=DecisionKey.generate().public)),
    ),
    "quoted over another bundle": (
        "gateway-evidence-bound", Case(quoted=replace(BOUND, bundle=OTHER)),
    ),
    "quoted over another catalogue": (
        "gateway-evidence-bound", Case(quoted=replace(BOUND, catalogue=OTHER)),
    ),
    "bundle and catalogue changed about": (
        "gateway-evidence-bound", Case(quoted=replace(BOUND, bundle=CATALOGUE, catalogue=BUNDLE)),
    ),
    "quoted over another origin": (
        "gateway-evidence-bound", Case(quoted=replace(BOUND, origin="ledger.example/tes")),
    ),
    "bytes after the document": ("gateway-evidence-malformed", Case(tail=b"\n")),
    "a member more": ("gateway-evidence-malformed", Case(members={"note": "x"})),
    "a member less": ("gateway-evidence-malformed", Case(members={"origin": ...})),
    "a digest that is none": ("gateway-evidence-malformed", Case(members={"bundle": "sha256:1"})),
    "a key that is none": ("gateway-evidence-malformed", Case(members={"decision_key": "PEM"})),
    "a time that is none": ("gateway-evidence-malformed", Case(members={"made_at": "noon"})),
    "no origin": ("gateway-evidence-malformed", Case(members={"origin": ""})),
    "no evidence": ("gateway-evidence-malformed", Case(members={"evidence": []})),
    "without the public area": ("gateway-evidence-malformed", Case(parts={"public": None})),
    "the key as PEM besides": ("gateway-evidence-malformed", Case(parts={"ak_pem": b"x"})),
    "certified by another key": (UNCERTIFIED, certified(by=OTHER_KEY)),
    "another key is in the TPM": (UNCERTIFIED, certified(OTHER_KEY)),
    "another key was certified": (UNCERTIFIED, certified(other=OTHER_KEY)),
    "certified, and could be copied out": (
        UNCERTIFIED, certified(attributes=RESIDENT & ~tpm.FIXED_TPM),
    ),
    "certified, and came from elsewhere": (
        UNCERTIFIED, certified(attributes=RESIDENT & ~tpm.SENSITIVE_ORIGIN),
    ),
    "certified by a quote": (UNCERTIFIED, certified(kind=tpm.QUOTE)),
    "bytes after the certification": (UNCERTIFIED, certified(tail=b"\0")),
    "a certification of nothing": (
        "gateway-evidence-malformed", Case(members={"certification": None}),
    ),
    "half of a certification": (
        "gateway-evidence-malformed", Case(members={"certification": {"attest": "AA=="}}),
    ),
    "a later format": ("gateway-evidence-unsupported", Case(members={"format": FORMAT[:-1] + "2"})),
    "of another technology": (
        "gateway-evidence-unsupported",
        Case(members={"evidence": {"format": "charter-evidence/v1", "technology": "nitro",
            "evidence": {"document": "AA=="}}}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_damaged_evidence_is_refused_for_what_is_wrong_with_it(name: str) -> None:
    reason, case = BAD[name]
    assert refused(case) == reason


def test_each_code_of_the_page_has_a_case_and_no_other_is_given() -> None:
    page = (ROOT / "docs" / "reason_codes.md").read_text(encoding="utf-8")
    part = page.partition("## Evidence of the gateway\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z-]+)` \| (bad|cannot tell) \|", part, re.MULTILINE)
    ours = {code for code, _ in BAD.values() if code.startswith("gateway-")}
    ours.add("gateway-evidence-uncertified")  # a test of its own
    assert len(listed) == len({code for code, _ in listed})
    assert {code for code, _ in listed} == ours
    unclear = {error.reason for error in CannotTellError.__subclasses__()}
    assert {code for code, verdict in listed if verdict == "cannot tell"} == ours & unclear


def test_a_key_that_is_in_the_tpm_is_told_from_one_that_may_be_elsewhere() -> None:
    assert certified().check(resident=True).is_resident
    assert not Case().check().is_resident
    with pytest.raises(CannotTellError) as found:
        Case().check(resident=True)
    assert found.value.reason == "gateway-evidence-uncertified"


def test_an_older_document_of_the_same_key_and_rules_is_another() -> None:
    older = Case(made_at=AT - timedelta(days=1)).document()
    with pytest.raises(GatewayError) as found:
        Case().check(sent=older)
    assert found.value.reason == "gateway-evidence-other"


def test_a_minute_between_two_clocks_is_no_later_document() -> None:
    assert Case(made_at=AT + timedelta(seconds=60)).check().claims.bound == BOUND.data()


# --- how the machine was started -----------------------------------------------------


def test_a_policy_judges_how_the_machine_was_started() -> None:
    result = Case().check(policy()).result
    assert result is not None
    assert (result.verdict, result.freshness) == (Verdict.ACCEPTED, Freshness.BACKGROUND)


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"boot": "00" * 32}, Verdict.REFUSED, "appraisal-executables"),
        ({"products": "Milan"}, Verdict.REFUSED, "appraisal-hardware"),
    ],
)
def test_a_policy_that_demands_something_else_refuses(
    changes: dict[str, str], verdict: Verdict, reason: str
) -> None:
    result = Case().check(policy(**changes)).result
    assert result is not None
    assert (result.verdict, result.reason) == (verdict, reason)


def test_a_measurement_that_was_not_quoted_is_refused() -> None:
    result = Case(made=Made(selection=((tpm.SHA256, (0, 1)),))).check(policy()).result
    assert result is not None
    assert (result.verdict, result.reason) == (Verdict.REFUSED, "appraisal-executables")


# --- what is bound -------------------------------------------------------------------


def test_the_quoted_data_is_the_hash_that_is_documented() -> None:
    der = sha256(spki(KEY)).digest()
    whole = b"charter-gateway-evidence/v1\n" + der + bytes.fromhex("11" * 32)
    whole += bytes.fromhex("22" * 32) + b"ledger.example/test"
    assert BOUND.data() == sha256(whole).digest()


def spki(key: DecisionKey) -> bytes:
    loaded = load_pem_public_key(key.public.pem.encode())
    return loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_document_of_too_many_bytes_is_refused_unread() -> None:
    with pytest.raises(GatewayEvidenceMalformedError):
        read_document(b" " * (256 * 1024 + 1))


def test_a_document_of_a_machine_with_gpus_is_refused() -> None:
    # The quote would then be over what the GPUs answer, and not over the document.
    value = json.loads(Case().document())
    value["evidence"]["gpus"] = [{"evidence": {"report": "AA=="}}]
    with pytest.raises(GatewayEvidenceMalformedError):
        read_document(canonicalise(value))


def test_a_document_with_a_member_twice_is_refused() -> None:
    text = Case().document()
    with pytest.raises(GatewayEvidenceMalformedError):
        read_document(b'{"origin":"x",' + text[1:])
