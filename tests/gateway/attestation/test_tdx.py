"""TDX: real quotes of public repositories, and evidence made here, damaged one thing at a time."""

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.attestation import errors, tdx_dcap
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.appraise import appraise
from gateway.attestation.chain import fingerprint, read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.attestation.tdx import ANCHORS, Part, verify_quote
from gateway.attestation.tdx_collateral import (
    Collateral,
    Signed,
    parse_collateral,
    read_served,
    verify_p256,
)
from gateway.attestation.tdx_event_log import check_rtmrs
from gateway.attestation.tdx_levels import rate
from gateway.attestation.tdx_pck import read_platform
from gateway.attestation.tdx_quote import MAX_QUOTE, TdReport, parse_quote
from gateway.attestation.tdx_statements import TcbInfo, read_statement
from gateway.attestation.tpm_event_log import EventLog, parse_event_log
from tests.gateway.attestation import tdx, tpms
from tests.gateway.attestation.chains import AT, DAY
from tests.gateway.attestation.tdx import IDENTITY, INFO, Made, authorities

# --- real evidence ---------------------------------------------------------------------

REFERENCE = """
[[technology.reference]]
measurement = "mrtd"
waived = "no reference values for these guests are known"
source = "tests"
valid_from = 2020-01-01
"""
POLICY = read_policy(
    f"""
format = "charter-appraisal/v1"
id = "tdx"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "tdx"
products = ["ANY"]
tcb_status = ["UpToDate"]
{REFERENCE}""".encode()
)
LOOSE = read_policy(
    f"""
format = "charter-appraisal/v1"
id = "tdx-loose"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "tdx"
products = ["ANY"]
tcb_status = ["UpToDate"]
advisories = ["no-qe-identity", "no-tcb-info"]
without_revocation = true
{REFERENCE}""".encode()
)
ALL = frozenset(Part)


def judged(claims: Claims, at: datetime, policy: Any = POLICY) -> Verdict:
    freshness = Freshness.BACKGROUND
    return appraise(claims, policy, at=at, freshness=freshness, evidence_sha256="").verdict


@pytest.fixture(scope="session")
def folder(vectors: Path) -> Path:
    return vectors / "tdx"


def case(folder: Path, name: str) -> dict[str, Any]:
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    return next(one for one in listed if one["id"] == name)


def read(folder: Path, name: str, file: str) -> bytes:
    return (folder / case(folder, name)["files"][file]).read_bytes()


def moment(folder: Path, name: str) -> datetime:
    return datetime.fromisoformat(case(folder, name)["evaluate_at"])


def whole(folder: Path) -> Collateral:
    return parse_collateral(read(folder, "tdx-v4-uptodate", "collateral"))


def test_no_real_case_is_left_out(folder: Path) -> None:
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    assert {one["id"]: one["verdict"] for one in listed} == {
        "tdx-v4-uptodate": "accept",
        "tdx-v4-collateral-expired": "reject",
        "tdx-v4-e4": "reject",
        "tdx-v5-sample": "accept",
        "tdx-v4-debug": "reject-by-policy",
        "tdx-v4-rtmr-replay": "accept",
        "tdx-log-mismatch": "reject",
    }


def test_a_real_quote_with_its_collateral_is_accepted_then(folder: Path) -> None:
    name = "tdx-v4-uptodate"
    facts, at = case(folder, name)["facts"], moment(folder, name)
    claims = verify_quote(parse_quote(read(folder, name, "quote")), collateral=whole(folder), at=at)
    assert claims.product == f"fmspc:{facts['fmspc']}"
    assert (claims.tcb_status, claims.is_unrevoked) == (facts["tcb_status"], True)
    assert [claims.firmware[f"tee-{n}"] for n in range(3)] == [6, 1, 3]
    told = (claims.detail["version"], claims.detail["trailing_bytes"], claims.detail["verifiers"])
    assert told == (facts["version"], facts["trailing_bytes"], "dcap-qvl and own")
    assert judged(claims, at) is Verdict.ACCEPTED
    assert {fingerprint(one) for one in read_pem_chain(read(folder, name, "root"))} == ANCHORS


def test_the_same_quote_is_refused_when_its_collateral_has_expired(folder: Path) -> None:
    name = "tdx-v4-collateral-expired"
    with pytest.raises(errors.EvidenceExpiredError, match="2025-07-19"):
        verify_quote(
            parse_quote(read(folder, name, "quote")), collateral=whole(folder),
            at=moment(folder, name),
        )  # fmt: skip


def test_a_real_quote_that_reaches_no_level_is_refused(folder: Path) -> None:
    """The folder has no certificate of the signer of that time; the key is still the same."""
    name = "tdx-v4-e4"
    quote, facts = parse_quote(read(folder, name, "quote")), case(folder, name)["facts"]
    assert quote.trailing == facts["trailing_bytes"]
    lists = Collateral(
        root_crl=read(folder, name, "root_crl"), pck_crl=read(folder, name, "pck_crl")
    )
    claims = verify_quote(quote, collateral=lists, at=moment(folder, name), without=ALL)
    assert (claims.product, claims.is_unrevoked) == (f"fmspc:{facts['fmspc']}", True)
    tcb = whole(folder).tcb_info
    assert tcb is not None
    served = read_served(read(folder, name, "tcbinfo"), "tcbInfo", tcb.pem)
    signer = read_pem_chain(served.pem)[0]
    verify_p256(signer.public_key(), served.signature, served.raw, "TCB info")
    info = read_statement(TcbInfo, served.raw)
    with pytest.raises(errors.EvidenceTcbError):
        rate(info, quote.td, read_platform(quote.chain[0]))
    with pytest.raises(errors.EvidenceExpiredError):
        verify_quote(
            quote, collateral=replace(lists, tcb_info=served), at=moment(folder, name),
            without=ALL,
        )  # fmt: skip


def test_a_real_quote_of_version_5_is_accepted_where_a_policy_does_without(folder: Path) -> None:
    name = "tdx-v5-sample"
    quote, at, tcb = parse_quote(read(folder, name, "quote")), moment(folder, name), whole(folder)
    assert tcb.tcb_info is not None
    served = read_served(read(folder, name, "tcbinfo"), "tcbInfo", tcb.tcb_info.pem)
    given = Collateral(tcb_info=served)
    with pytest.raises(errors.EvidenceIncompleteError):
        verify_quote(quote, collateral=given, at=at)
    claims = verify_quote(quote, collateral=given, at=at, without=frozenset({Part.QE_IDENTITY}))
    assert (claims.tcb_status, claims.is_unrevoked) == ("UpToDate", False)
    assert claims.advisories == ("no-qe-identity",)
    assert (judged(claims, at), judged(claims, at, LOOSE)) == (Verdict.REFUSED, Verdict.ACCEPTED)


def test_a_real_quote_of_a_debug_guest_holds_and_is_refused_by_policy(folder: Path) -> None:
    name = "tdx-v4-debug"
    quote, at = parse_quote(read(folder, name, "quote")), moment(folder, name)
    with pytest.raises(errors.EvidenceIncompleteError):
        verify_quote(quote, collateral=Collateral(), at=at)
    claims = verify_quote(quote, collateral=Collateral(), at=at, without=ALL)
    assert (claims.is_debug, claims.tcb_status) == (True, None)
    assert judged(claims, at, LOOSE) is Verdict.REFUSED


def test_a_real_event_log_leads_to_the_registers_of_its_quote_alone(folder: Path) -> None:
    name = "tdx-v4-rtmr-replay"
    quote = parse_quote(read(folder, name, "quote"))
    at = datetime.fromisoformat("2025-06-01T00:00:00Z")
    claims = verify_quote(quote, collateral=Collateral(), at=at, without=ALL)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, b"nonce")
    log = parse_event_log(read(folder, name, "ccel"))
    assert check_rtmrs(log, quote.td) == [0, 1, 2]
    other = parse_quote(read(folder, "tdx-log-mismatch", "quote"))
    with pytest.raises(errors.EvidenceBindingError):
        check_rtmrs(log, other.td)


def test_every_signed_byte_of_a_real_quote_counts(folder: Path) -> None:
    name = "tdx-v4-uptodate"
    data, at, given = read(folder, name, "quote"), moment(folder, name), whole(folder)
    end = len(data) - 70
    for place in [*range(0, 1220, 3), *range(1220, end, 101)]:
        flipped = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        if parsed_alike(flipped, data):
            continue  # in PEM, a line end can be another space
        with pytest.raises(errors.EvidenceError):
            verify_quote(parse_quote(flipped), collateral=given, at=at)


def parsed_alike(one: bytes, other: bytes) -> bool:
    try:
        return replace(parse_quote(one), raw=b"") == replace(parse_quote(other), raw=b"")
    except errors.EvidenceError:
        return False


# --- evidence made here ----------------------------------------------------------------

V4 = Made()
V5 = Made(version=5, body=tdx.td_body(is_15=True)).written(584, tdx.TEE)
V5_TD10 = Made(version=5, kind=2)


@pytest.mark.parametrize("made", [V4, V5, V5_TD10], ids=["4", "5 with TD 1.5", "5 with TD 1.0"])
def test_evidence_of_every_version_holds_by_both_verifiers(made: Made) -> None:
    claims = made.verify()
    assert (claims.product, claims.tcb_status) == ("fmspc:b0c06f000000", "UpToDate")
    assert claims.detail["verifiers"] == "dcap-qvl and own"
    assert (claims.is_debug, claims.is_migratable, claims.is_unrevoked) == (False, False, True)
    assert claims.measurements["mrtd"] == b"m" * 48
    assert [claims.measurements[f"rtmr{n}"] for n in range(4)] == [
        bytes([n]) * 48 for n in range(4)
    ]
    assert (claims.firmware["sgx-1"], claims.firmware["pce"], claims.firmware["qe"]) == (3, 11, 6)
    assert ("mrservicetd" in claims.measurements) == (made is V5)
    assert (claims.attester_id, claims.valid_until) == (tdx.PPID.hex(), AT + DAY)
    assert {one.kind for one in claims.used} == {"certificate", "crl", "tcb-info", "qe-identity"}
    check_bound(claims, b"n" * 64)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, b"n" * 63)
    assert judged(claims, AT) is Verdict.ACCEPTED


def info(**changes: Any) -> Made:
    return replace(V4, info={**INFO, **changes})


def identity(**changes: Any) -> Made:
    return replace(V4, identity={**IDENTITY, **changes})


def changed(**changes: Any) -> Made:
    return replace(V4, changes=changes)


def levels(*listed: tdx.Object, made: Made = V4) -> Made:
    return replace(made, info={**INFO, "tcbLevels": list(listed)})


def pck(**changes: bytes | None) -> Made:
    """With a PCK that has another extension."""
    own = authorities()
    made = tdx.issue("Intel SGX PCK Certificate", own.platform, sgx=tdx.extension(**changes))
    return replace(V4, chain=(made, own.platform, own.root))


def chain(*certificates: tdx.Issued) -> Made:
    return replace(V4, chain=certificates)


def statement(signer: tdx.Issued, *certificates: tdx.Issued) -> Made:
    return changed(tcb_info=tdx.signed(INFO, signer, *certificates))


def flipped_statement(name: str, at: int, statement: tdx.Object) -> Made:
    signed = tdx.signed(statement, authorities().signer)
    raw = signed.raw[:at] + bytes([signed.raw[at] ^ 1]) + signed.raw[at + 1 :]
    return changed(**{name: replace(signed, raw=raw)})


def longer(signed: Signed) -> Signed:
    return replace(signed, signature=signed.signature[:32] + b"\0" + signed.signature[32:])


OWN = authorities()
OLD_ROOT = tdx.issue("Intel SGX Root CA", ca=True)
NAMESAKE = tdx.issue("Intel SGX PCK Certificate", OWN.platform)
ENDED = tdx.issue("Intel SGX PCK Certificate", OWN.platform, sgx=tdx.extension(), ends=AT - DAY / 2)
SHORT = tdx.issue("Intel SGX PCK Certificate", OWN.platform, sgx=tdx.extension(), ends=AT + DAY / 2)
SHORT_SIGNER = tdx.issue("Intel SGX TCB Signing", OWN.root, ends=AT + DAY / 2)
ENDED_SIGNER = tdx.issue("Intel SGX TCB Signing", OWN.root, ends=AT - DAY / 2)
UNDER_PCK = tdx.issue("Intel SGX TCB Signing", OWN.platform)
UNNAMED = tdx.issue("Whoever", OWN.platform, sgx=tdx.extension())
UNNAMED_CA = tdx.issue("Whoever", OWN.root, ca=True)
UNDER_UNNAMED = tdx.issue("Intel SGX PCK Certificate", UNNAMED_CA, sgx=tdx.extension())
UNNAMED_SIGNER = tdx.issue("Whoever", OWN.root)
PROCESSOR = tdx.issue("Intel SGX PCK Processor CA", OWN.root, ca=True)
OTHER_KEY = tdx.issue("Intel SGX TCB Signing")
LATER = tdx.dated(AT + DAY / 2)

BINDING, MALFORMED = errors.EvidenceBindingError, errors.EvidenceMalformedError
SIGNATURE, UNSUPPORTED = errors.EvidenceSignatureError, errors.EvidenceUnsupportedError
CHAIN, EXPIRED = errors.EvidenceChainError, errors.EvidenceExpiredError
REVOKED, TCB = errors.EvidenceRevokedError, errors.EvidenceTcbError
INCOMPLETE, DISPUTED = errors.EvidenceIncompleteError, errors.EvidenceDisputedError
Table = dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]]
QUOTES: Table = {
    "no bytes": (lambda: replace(V4, raw=b""), MALFORMED),
    "a byte is missing": (lambda: replace(V4, raw=V4.quote()[:-1]), MALFORMED),
    "half is missing": (lambda: replace(V4, raw=V4.quote()[:800]), MALFORMED),
    "too long": (lambda: replace(V4, tail=bytes(MAX_QUOTE)), MALFORMED),
    "version 3": (lambda: replace(V4, version=3), UNSUPPORTED),
    "version 6": (lambda: replace(V4, version=6), UNSUPPORTED),
    "an SGX quote": (lambda: replace(V4, header=b"\2\0" + bytes(4) + V4.header[6:]), UNSUPPORTED),
    "a key of P-384": (lambda: replace(V4, header=b"\3" + V4.header[1:]), UNSUPPORTED),
    "another vendor": (
        lambda: replace(V4, header=V4.header[:10] + b"\0" + V4.header[11:]), UNSUPPORTED,
    ),
    "a body of SGX": (lambda: replace(V5, kind=1), UNSUPPORTED),
    "a body of a type that is not known": (lambda: replace(V5, kind=4), UNSUPPORTED),
    "a body of another length": (lambda: replace(V5, size=584), MALFORMED),
    "a body of TD 1.5 called one of TD 1.0": (lambda: replace(V5, kind=2), MALFORMED),
    "a version 4 quote called 5": (
        lambda: replace(V4, raw=b"\5" + V4.quote()[1:]), UNSUPPORTED,
    ),
    "other certification data": (lambda: replace(V4, certification=(5, 5)), UNSUPPORTED),
    "a PCK that is only named": (lambda: replace(V4, certification=(6, 3)), UNSUPPORTED),
    "bytes after the chain": (lambda: replace(V4, inner_tail=b"\0"), MALFORMED),
    "bytes after the certification": (lambda: replace(V4, outer_tail=b"\0"), MALFORMED),
    "the header": (lambda: V4.flipped(30), SIGNATURE),
    "the first byte of the guest": (lambda: V4.flipped(48), SIGNATURE),
    "the attributes": (lambda: V4.flipped(48 + 120), SIGNATURE),
    "mrtd": (lambda: V4.flipped(48 + 136), SIGNATURE),
    "rtmr3": (lambda: V4.flipped(48 + 472), SIGNATURE),
    "the nonce": (lambda: V4.flipped(48 + 583), SIGNATURE),
    "the body type of version 5": (lambda: replace(V5, raw=b"".join((
        V5.quote()[:48], b"\2\0\x48\2", V5.quote()[52:]))), MALFORMED),
    "mrservicetd": (lambda: V5.flipped(54 + 647), SIGNATURE),
    "the signature": (lambda: V4.flipped(640), SIGNATURE),
    "the attestation key": (lambda: V4.flipped(700), BINDING),
    "the enclave report": (lambda: V4.flipped(770 + 10), SIGNATURE),
    "the signature of the enclave report": (lambda: V4.flipped(770 + 384), SIGNATURE),
    "the authentication data": (lambda: V4.flipped(770 + 384 + 64 + 2), BINDING),
    "an attestation key that is no point": (lambda: replace(V4, point=b"\1" * 64), SIGNATURE),
    "an attestation key nobody vouched for": (lambda: replace(V4, vouched=bytes(32)), BINDING),
    "more than a hash in the enclave report": (
        lambda: replace(V4, vouched_tail=bytes(31) + b"\1"), BINDING,
    ),
    "another signer of the enclave": (lambda: V4.qe_written(128, b"\0"), BINDING),
    "another product of the enclave": (lambda: V4.qe_written(256, b"\1"), BINDING),
    "an enclave that can be debugged": (lambda: V4.qe_written(48, b"\x17"), BINDING),
    "other attributes of the enclave": (lambda: V4.qe_written(49, b"\1"), BINDING),
    "other selections of the enclave": (lambda: V4.qe_written(16, b"\1"), BINDING),
    "an enclave that can be debugged, by an identity that lets it": (
        lambda: replace(V4.qe_written(48, b"\x13"), identity={
            **IDENTITY, "attributesMask": "00" * 16}),
        BINDING,
    ),
    "an old enclave": (lambda: V4.qe_written(258, b"\3\0"), TCB),
    "a module signed by another": (lambda: V4.written(64, b"\1"), BINDING),
    "a module with attributes": (lambda: V4.written(112, b"\1"), BINDING),
    "a module with attributes outside of the mask": (
        lambda: info(tdxModuleIdentities=[{**one, "attributesMask": "00" * 8}
                                          for one in tdx.MODULES]).written(112, b"\1"),
        BINDING,
    ),
    "a module of the first version below the level": (lambda: V4.written(0, b"\4\0"), TCB),
    "a module of a version that is not known": (lambda: V4.written(1, b"\2"), TCB),
    "a module older than all levels": (lambda: V4.written(0, b"\1"), TCB),
    "an older TDX microcode": (lambda: V4.written(2, b"\1"), TCB),
    "a running module older than all levels": (lambda: V5.written(584, b"\1"), TCB),
}  # fmt: skip
CERTIFICATES: Table = {
    "an authority that is not pinned": (lambda: replace(V4, anchors=ANCHORS), CHAIN),
    "no authority is pinned": (lambda: replace(V4, anchors=frozenset()), CHAIN),
    "the root of another, by the same name": (
        lambda: chain(OWN.pck, OWN.platform, OLD_ROOT), CHAIN,
    ),
    "no root": (lambda: chain(OWN.pck, OWN.platform), CHAIN),
    "certificates in another order": (lambda: chain(OWN.platform, OWN.pck, OWN.root), CHAIN),
    "the signer of statements as PCK": (
        lambda: chain(OWN.signer, OWN.platform, OWN.root), CHAIN,
    ),
    "an authority as PCK": (lambda: chain(OWN.platform, OWN.platform, OWN.root), CHAIN),
    "a PCK of another authority": (lambda: chain(OWN.pck, PROCESSOR, OWN.root), CHAIN),
    "a PCK by another name": (lambda: chain(UNNAMED, OWN.platform, OWN.root), CHAIN),
    "a PCK of an authority by another name": (
        lambda: replace(chain(UNDER_UNNAMED, UNNAMED_CA, OWN.root),
                        changes={"pck_crl": tdx.crl(UNNAMED_CA)}), CHAIN,
    ),
    "a PCK that has ended": (lambda: chain(ENDED, OWN.platform, OWN.root), EXPIRED),
    "before the chain began": (lambda: replace(V4, at=AT - 2 * DAY), EXPIRED),
    "a PCK without a platform": (lambda: chain(NAMESAKE, OWN.platform, OWN.root), BINDING),
    "a PCK of another kind of platform": (
        lambda: pck(fmspc=tdx.member(b"\4", tdx.tlv(4, b"\1" * 6))), BINDING,
    ),
    "a PCK of another PCE": (lambda: pck(pce_id=tdx.member(b"\3", tdx.tlv(4, b"\1\0"))), BINDING),
    "a PCK without firmware": (lambda: pck(tcb=None), MALFORMED),
    "a PCK without a kind of platform": (lambda: pck(fmspc=None), MALFORMED),
    "a PCK with a short FMSPC": (
        lambda: pck(fmspc=tdx.member(b"\4", tdx.tlv(4, bytes(5)))), MALFORMED,
    ),
    "a PCK with two FMSPCs": (
        lambda: pck(again=tdx.member(b"\4", tdx.tlv(4, bytes(6)))), MALFORMED,
    ),
    "a PCK with an FMSPC of another type": (
        lambda: pck(fmspc=tdx.member(b"\4", tdx.tlv(2, tdx.FMSPC))), MALFORMED,
    ),
    "a PCK with a negative kind": (
        lambda: pck(sgx_type=tdx.member(b"\5", tdx.tlv(10, b"\xff"))), MALFORMED,
    ),
    "a PCK with bytes that are no DER": (lambda: pck(again=b"\x30\x80\0\0"), MALFORMED),
    "a PCK with a member of another arc": (
        lambda: pck(again=tdx.tlv(0x30, tdx.tlv(6, b"\x2a\3"))), MALFORMED,
    ),
    "a revoked PCK": (
        lambda: changed(pck_crl=tdx.crl(OWN.platform, OWN.pck.certificate)), REVOKED,
    ),
    "a revoked authority": (
        lambda: changed(root_crl=tdx.crl(OWN.root, OWN.platform.certificate)), REVOKED,
    ),
    "a revoked signer of statements": (
        lambda: changed(root_crl=tdx.crl(OWN.root, OWN.signer.certificate)), REVOKED,
    ),
    "a revoked root": (lambda: changed(root_crl=tdx.crl(OWN.root, OWN.root.certificate)), REVOKED),
    "a list of another authority": (lambda: changed(pck_crl=tdx.crl(PROCESSOR)), CHAIN),
    "a list that is signed by another": (
        lambda: changed(pck_crl=tdx.crl(OWN.platform, signer=OWN.pck)), SIGNATURE,
    ),
    "a list of last month": (
        lambda: changed(pck_crl=tdx.crl(OWN.platform, begins=AT - 31 * DAY, ends=AT - DAY)),
        EXPIRED,
    ),
    "a list of tomorrow": (
        lambda: changed(root_crl=tdx.crl(OWN.root, begins=AT + DAY, ends=AT + 2 * DAY)), EXPIRED,
    ),
    "a list that is none": (lambda: changed(root_crl=b"\x30\0"), MALFORMED),
}  # fmt: skip
STATEMENTS: Table = {
    "no TCB info": (lambda: changed(tcb_info=None), INCOMPLETE),
    "no QE identity": (lambda: changed(qe_identity=None), INCOMPLETE),
    "another byte in the TCB info": (
        lambda: flipped_statement("tcb_info", 120, INFO), SIGNATURE,
    ),
    "another byte in the QE identity": (
        lambda: flipped_statement("qe_identity", 120, IDENTITY), SIGNATURE,
    ),
    "a statement with a space more": (
        lambda: changed(tcb_info=replace(
            tdx.signed(INFO, OWN.signer), raw=tdx.signed(INFO, OWN.signer).raw + b" ")),
        SIGNATURE,
    ),
    "a short signature": (
        lambda: changed(tcb_info=replace(tdx.signed(INFO, OWN.signer), signature=bytes(63))),
        SIGNATURE,
    ),
    "a signature with a zero too many": (
        lambda: changed(tcb_info=longer(tdx.signed(INFO, OWN.signer))), SIGNATURE,
    ),
    "a signature of zeros": (
        lambda: changed(tcb_info=replace(tdx.signed(INFO, OWN.signer), signature=bytes(64))),
        SIGNATURE,
    ),
    "TCB info signed by a PCK": (
        lambda: statement(OWN.pck, OWN.pck, OWN.platform, OWN.root), CHAIN,
    ),
    "TCB info signed under the authority of PCKs": (
        lambda: statement(UNDER_PCK, UNDER_PCK, OWN.platform, OWN.root), CHAIN,
    ),
    "TCB info signed by another under the root": (lambda: statement(UNNAMED_SIGNER), CHAIN),
    "TCB info signed by an authority": (
        lambda: statement(OWN.platform, OWN.platform, OWN.root), CHAIN,
    ),
    "TCB info whose signer signed itself": (lambda: statement(OTHER_KEY, OTHER_KEY), CHAIN),
    "TCB info of another root": (
        lambda: statement(OTHER_KEY, OTHER_KEY, OLD_ROOT), CHAIN,
    ),
    "a signer that has ended": (lambda: statement(ENDED_SIGNER), EXPIRED),
    "TCB info that has expired": (
        lambda: info(nextUpdate=tdx.dated(AT - DAY / 2)), EXPIRED,
    ),
    "TCB info of the future": (lambda: info(issueDate=LATER), EXPIRED),
    "a QE identity that has expired": (
        lambda: identity(nextUpdate=tdx.dated(AT - DAY / 2)), EXPIRED,
    ),
    "all of it too late": (lambda: replace(V4, at=AT + 3 * DAY / 2), EXPIRED),
    "TCB info of SGX": (lambda: info(id="SGX"), BINDING),
    "TCB info of version 2": (lambda: info(version=2), UNSUPPORTED),
    "TCB info of other platforms": (lambda: info(fmspc="00" * 6), BINDING),
    "TCB info of another PCE": (lambda: info(pceId="0100"), BINDING),
    "TCB info in the place of the identity": (
        lambda: changed(qe_identity=tdx.signed(INFO, OWN.signer)), MALFORMED,
    ),
    "the identity of an enclave of SGX": (lambda: identity(id="QE"), BINDING),
    "an identity of version 4": (lambda: identity(version=4), UNSUPPORTED),
    "an identity without levels": (lambda: identity(tcbLevels=[]), TCB),
    "no level": (lambda: levels(), TCB),
    "an SGX component below": (
        lambda: levels(tdx.platform_level(sgx=(4, *tdx.SVNS[1:]))), TCB,
    ),
    "the last SGX component below": (
        lambda: levels(tdx.platform_level(sgx=(*tdx.SVNS[:15], 1))), TCB,
    ),
    "the PCE below": (lambda: levels(tdx.platform_level(pce=12)), TCB),
    "the last TDX component below": (
        lambda: levels(tdx.platform_level(tdx=bytes(15) + b"\1")), TCB,
    ),
    "a platform that is revoked": (lambda: levels(tdx.platform_level("Revoked")), TCB),
    "a word that is not known": (lambda: levels(tdx.platform_level("Fine")), TCB),
    "a word of the verifier as one of the vendor": (
        lambda: levels(tdx.platform_level("TDRelaunchAdvised")), TCB,
    ),
    "an enclave that is revoked": (
        lambda: identity(tcbLevels=[tdx.level("Revoked", isvsvn=4)]), TCB,
    ),
    "an enclave that is revoked, without TCB info": (
        lambda: replace(
            identity(tcbLevels=[tdx.level("Revoked", isvsvn=4)]), changes={"tcb_info": None},
            without=ALL),
        TCB,
    ),
    "an enclave with the word of a platform": (
        lambda: identity(tcbLevels=[tdx.level("ConfigurationNeeded", isvsvn=4)]), TCB,
    ),
    "no identities of modules": (lambda: info(tdxModuleIdentities=[]), TCB),
    "two identities of one module": (lambda: info(tdxModuleIdentities=tdx.MODULES * 2), TCB),
    "fifteen components": (
        lambda: levels(tdx.platform_level(sgx=tdx.SVNS[:15])), MALFORMED,
    ),
    "a component that is text": (
        lambda: levels(tdx.platform_level(pce="11")), MALFORMED,  # pyright: ignore[reportArgumentType]
    ),
    "a date that is none": (lambda: info(nextUpdate="soon"), MALFORMED),
    "a date of another zone": (lambda: info(nextUpdate="2030-01-01T00:00:00+00:00"), MALFORMED),
    "a mask of another length": (lambda: identity(attributesMask="FF"), MALFORMED),
    "levels in an order that two verifiers read differently": (
        lambda: levels(tdx.platform_level("OutOfDate", pce=1), tdx.platform_level()), DISPUTED,
    ),
}  # fmt: skip
DAMAGED = QUOTES | CERTIFICATES | STATEMENTS


def test_no_two_tables_have_a_damage_of_one_name() -> None:
    assert len(DAMAGED) == len(QUOTES) + len(CERTIFICATES) + len(STATEMENTS)


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_evidence_is_refused_for_its_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(errors.EvidenceError) as caught:
        make().verify()
    assert caught.type is error, caught.value


def test_what_follows_a_quote_means_nothing() -> None:
    assert replace(V4, tail=b"anything at all").verify().detail["trailing_bytes"] == 15


# --- statuses --------------------------------------------------------------------------

OLD = tdx.platform_level("OutOfDate", tdx=bytes(16), advisories=("INTEL-SA-00837",))
OLD_CONFIGURED = tdx.platform_level("OutOfDateConfigurationNeeded", tdx=bytes(16))
NEW = tdx.platform_level()
NEW_CONFIGURED = tdx.platform_level("ConfigurationNeeded")
STATUSES: dict[str, tuple[Made, str]] = {
    "a platform to harden": (levels(tdx.platform_level("SWHardeningNeeded")), "SWHardeningNeeded"),
    "a platform to configure": (levels(NEW_CONFIGURED), "ConfigurationNeeded"),
    "an old platform": (levels(NEW, OLD).written(2, b"\1"), "OutOfDate"),
    "an old module": (V4.written(0, b"\2"), "OutOfDate"),
    "an old module on a platform to configure": (
        levels(NEW_CONFIGURED).written(0, b"\2"), "OutOfDateConfigurationNeeded",
    ),
    "a module of the first version": (V4.written(1, b"\0"), "UpToDate"),
    "a module whose own levels alone count": (V4.written(0, b"\4"), "UpToDate"),
    "an old enclave": (
        identity(tcbLevels=[tdx.level(isvsvn=7), tdx.level("OutOfDate", isvsvn=5)]), "OutOfDate",
    ),
    "an old enclave on a platform to configure": (
        replace(levels(NEW_CONFIGURED),
                identity={**IDENTITY, "tcbLevels": [tdx.level("OutOfDate", isvsvn=4)]}),
        "OutOfDateConfigurationNeeded",
    ),
    "started by an old module": (V5.written(0, b"\2"), "TDRelaunchAdvised"),
    "started on old firmware": (levels(NEW, OLD, made=V5).written(2, b"\1"), "TDRelaunchAdvised"),
    "started on old firmware, to configure": (
        levels(NEW, OLD_CONFIGURED, made=V5).written(2, b"\1"),
        "TDRelaunchAdvisedConfigurationNeeded",
    ),
    "started and run by an old module": (
        V5.written(0, b"\2").written(584, b"\2"), "OutOfDate",
    ),
    "started by an old module, and an old enclave": (
        replace(V5.written(0, b"\2"),
                identity={**IDENTITY, "tcbLevels": [tdx.level("OutOfDate", isvsvn=4)]}),
        "OutOfDate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STATUSES)
def test_both_verifiers_find_the_status_and_a_policy_must_name_it(name: str) -> None:
    made, status = STATUSES[name]
    claims = made.verify()
    assert (claims.tcb_status, claims.detail["verifiers"]) == (status, "dcap-qvl and own")
    expected = Verdict.ACCEPTED if status == "UpToDate" else Verdict.REFUSED
    assert judged(claims, AT) is expected


def test_advisories_of_the_level_are_told() -> None:
    claims = levels(NEW, OLD).written(2, b"\1").verify()
    assert claims.advisories == ("INTEL-SA-00837",)


@pytest.mark.parametrize(
    ("made", "is_debug", "is_migratable", "advisories"),
    [
        (V4.written(120, b"\1"), True, False, ()),
        (V4.written(120, b"\x10"), True, False, ()),
        (V4.written(123, b"\x30"), False, True, ()),
        (V5.written(600, b"s" * 48), False, True, ()),
        (V4.written(123, b"\0"), False, False, ("td-sept-ve",)),
        (V4.written(124, b"\1"), False, False, ("td-attributes-unknown",)),
    ],
    ids=["debug", "a bit beside debug", "migration", "service guest", "traps", "unknown bit"],
)
def test_genuine_is_not_yet_acceptable(
    made: Made, is_debug: bool, is_migratable: bool, advisories: tuple[str, ...]
) -> None:
    claims = made.verify()
    assert (claims.is_debug, claims.is_migratable) == (is_debug, is_migratable)
    assert (claims.advisories, claims.detail["verifiers"]) == (advisories, "own")
    assert judged(claims, AT) is Verdict.REFUSED


def test_collateral_counts_at_a_decision_inside_its_time_and_not_now() -> None:
    for at in (AT - DAY, AT, AT + DAY - DAY / 86_400):
        assert replace(V4, at=at).verify().tcb_status == "UpToDate"
    with pytest.raises(errors.EvidenceExpiredError):
        replace(V4, at=AT + DAY + DAY / 24).verify()


@pytest.mark.parametrize(
    "made",
    [
        info(nextUpdate=LATER), identity(nextUpdate=LATER),
        changed(pck_crl=tdx.crl(OWN.platform, ends=AT + DAY / 2)),
        changed(root_crl=tdx.crl(OWN.root, ends=AT + DAY / 2)),
        chain(SHORT, OWN.platform, OWN.root), statement(SHORT_SIGNER),
    ],
    ids=["TCB info", "QE identity", "PCK list", "root list", "PCK", "signer"],
)  # fmt: skip
def test_claims_end_with_the_first_of_what_they_rest_on(made: Made) -> None:
    assert made.verify().valid_until == AT + DAY / 2


@pytest.mark.parametrize("lists", [{"root_crl": None}, {"pck_crl": None}])
def test_without_a_list_nothing_is_known_of_revocation(lists: dict[str, None]) -> None:
    claims = changed(**lists).verify()
    assert (claims.is_unrevoked, claims.detail["verifiers"]) == (False, "own")
    assert judged(claims, AT) is Verdict.UNDECIDED


def test_without_an_identity_only_the_pinned_enclave_counts() -> None:
    lacking = replace(changed(qe_identity=None), without=ALL)
    assert lacking.verify().advisories == ("no-qe-identity",)
    with pytest.raises(errors.EvidenceBindingError):
        lacking.qe_written(128, b"\0").verify()
    with pytest.raises(errors.EvidenceBindingError):
        lacking.qe_written(48, b"\x17").verify()


def test_without_the_library_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    with pytest.raises(errors.EvidenceIncompleteError, match="dcap-qvl"):
        V4.verify()


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"}),
         errors.EvidenceDisputedError),
        (ValueError, errors.EvidenceDisputedError),
        (KeyboardInterrupt, KeyboardInterrupt),
    ],
    ids=["a panic", "a refusal", "an interruption"],
)  # fmt: skip
def test_a_fault_inside_the_library_is_a_refusal_and_an_interruption_none(
    monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], seen: type[BaseException]
) -> None:
    def fail(_: bytes) -> None:
        raise fault

    monkeypatch.setattr("dcap_qvl.QuoteVerifier", fail)
    with pytest.raises(seen):
        V4.verify()


def test_a_library_that_says_otherwise_makes_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*given: Any, **named: Any) -> Any:
        found = tdx_dcap.opinion_of(*given, **named)
        assert found is not None
        return replace(found, report=tuple((name, "00") for name, _ in found.report))

    monkeypatch.setattr("gateway.attestation.tdx.opinion_of", other)
    with pytest.raises(errors.EvidenceDisputedError, match="report"):
        V4.verify()


# --- logs ------------------------------------------------------------------------------


def log(*indexes: int) -> EventLog:
    digests = {tpm.SHA384: b"d" * 48}
    events = [tpms.event(index, 13, digests) for index in indexes]
    return parse_event_log(tpms.spec_id((tpm.SHA384, 48)) + b"".join(events) + b"\xff" * 64)


def registers(*counts: int) -> TdReport:
    """A report whose registers were extended so many times."""
    values: list[bytes] = []
    for count in counts:
        value = bytes(48)
        for _ in range(count):
            value = hashlib.sha384(value + b"d" * 48).digest()
        values.append(value)
    first, second, third, fourth = values
    return replace(V4.parsed().td, rtmrs=(first, second, third, fourth))


def test_events_lead_to_registers_one_below_their_index() -> None:
    assert check_rtmrs(log(1, 2, 2, 4), registers(1, 2, 0, 1)) == [0, 1, 3]
    assert check_rtmrs(log(), registers(1, 1, 1, 1)) == []


@pytest.mark.parametrize(
    ("indexes", "counts"),
    [
        ((1, 1), (1, 0, 0, 0)), ((1,), (2, 0, 0, 0)), ((2,), (1, 0, 0, 0)),
        ((0,), (0, 0, 0, 1)), ((5,), (0, 0, 0, 0)), ((1, 17), (1, 0, 0, 0)),
    ],
    ids=["an event too many", "an event is missing", "another register", "register 0",
         "register 5", "a register of a TPM"],
)  # fmt: skip
def test_events_of_another_start_are_refused(
    indexes: tuple[int, ...], counts: tuple[int, ...]
) -> None:
    with pytest.raises(errors.EvidenceBindingError):
        check_rtmrs(log(*indexes), registers(*counts))


# --- hostile bytes ---------------------------------------------------------------------

WHOLE = V4.quote()
SERVED = json.dumps({"tcb_info": "{}", "tcb_info_signature": "", "tcb_info_issuer_chain": ""})


@given(st.binary(max_size=2000) | st.binary(max_size=700).map(lambda end: WHOLE[:770] + end))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    try:
        parse_quote(data)
    except errors.EvidenceError:
        return


@settings(max_examples=60)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_no_byte_of_a_quote_can_be_another(at: int, value: int) -> None:
    other = WHOLE[:at] + bytes([value]) + WHOLE[at + 1 :]
    if parsed_alike(other, WHOLE):
        return
    with pytest.raises(errors.EvidenceError):
        replace(V4, raw=other).verify()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=10,
)


@given(st.binary(max_size=300) | JSON.map(lambda found: json.dumps(found).encode()))
def test_no_bytes_make_the_readers_of_collateral_fail_otherwise(data: bytes) -> None:
    for read_it in (
        lambda: parse_collateral(data),
        lambda: read_served(data, "tcbInfo", b""),
        lambda: read_statement(TcbInfo, data),
    ):
        with contextlib.suppress(errors.EvidenceError):
            read_it()


@given(st.sampled_from(sorted(INFO)), JSON)
def test_no_member_of_a_statement_makes_the_reader_fail_otherwise(name: str, value: object) -> None:
    with contextlib.suppress(errors.EvidenceError):
        read_statement(TcbInfo, json.dumps({**INFO, name: value}).encode())


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda end: tdx.extension()[:-20] + end))
def test_no_extension_of_a_pck_makes_the_reader_fail_otherwise(value: bytes) -> None:
    made = tdx.issue("Intel SGX PCK Certificate", OWN.platform, sgx=value)
    with contextlib.suppress(errors.EvidenceError):
        read_platform(made.certificate)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[]", "no object"),
        (b'{"tcb_info": "{}"}', "lacks"),
        (SERVED.replace('signature": "', 'signature": "xy').encode(), "hexadecimal"),
        (b'{"root_ca_crl": "0"}', "hexadecimal"),
        (b'{"pck_crl": "00", "pck_crl": "01"}', "duplicate"),
        (b"{" + b" " * 600_000 + b"}", "longer"),
    ],
    ids=["a list", "no signature", "no hexadecimal", "half a byte", "twice", "too long"],
)
def test_collateral_that_is_none_is_malformed(data: bytes, words: str) -> None:
    with pytest.raises(errors.EvidenceMalformedError, match=words):
        parse_collateral(data)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"tcbInfo":{}}', b'{"other":{},"signature":"00"}', b'{"tcbInfo":{},"signature":"00"',
        b'{"tcbInfo":{},"signature":"00"} x', b'{"tcbInfo":{},"signature":"0"}',
    ],
    ids=["no signature", "another name", "cut off", "more after it", "half a byte"],
)  # fmt: skip
def test_an_answer_of_the_service_that_is_none_is_malformed(answer: bytes) -> None:
    with pytest.raises(errors.EvidenceMalformedError):
        read_served(answer, "tcbInfo", b"")


def test_collateral_is_read_as_it_is_kept() -> None:
    given = V4.collateral()
    tcb, qe = given.tcb_info, given.qe_identity
    assert tcb is not None
    assert qe is not None
    kept = {
        "tcb_info": tcb.raw.decode(), "tcb_info_signature": tcb.signature.hex(),
        "tcb_info_issuer_chain": tcb.pem.decode(), "qe_identity": qe.raw.decode(),
        "qe_identity_signature": qe.signature.hex(), "qe_identity_issuer_chain": qe.pem.decode(),
        "root_ca_crl": (given.root_crl or b"").hex(), "pck_crl": (given.pck_crl or b"").hex(),
        "pck_crl_issuer_chain": "of the quote",
    }  # fmt: skip
    assert parse_collateral(json.dumps(kept).encode()) == given
    served = b'{"tcbInfo":' + tcb.raw + b',"signature":"' + tcb.signature.hex().encode() + b'"}'
    assert read_served(served, "tcbInfo", tcb.pem) == tcb
