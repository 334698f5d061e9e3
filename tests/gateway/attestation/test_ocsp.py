"""OCSP answers that come with the evidence of a GPU, damaged one thing at a time."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, OCSPNonce, ReasonFlags, ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.bundle import FORMAT, read_bundle
from gateway.attestation.chain import fingerprint, read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.nvidia_gpu import parse_report, verify_report
from gateway.attestation.ocsp import MAX_ANSWER, Standing, parse_answer, standing
from gateway.attestation.policy import Section
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.attestation.verifiers import verify_bundle
from gateway.attestation.xml_signed import parse_signed_xml
from tests.gateway.attestation import answers, gpu, rims
from tests.gateway.attestation.answers import REVOKED, UNKNOWN, Made
from tests.gateway.attestation.chains import AT, DAY, Issued, issue
from tests.gateway.attestation.test_nvidia_gpu import POLICY

MALFORMED, SIGNATURE = errors.EvidenceMalformedError, errors.EvidenceSignatureError
CHAIN, EXPIRED = errors.EvidenceChainError, errors.EvidenceExpiredError
BINDING, HELD = errors.EvidenceBindingError, errors.EvidenceRevokedError

ROOT = issue("root", ca=True)
BETWEEN = issue("between", ROOT, ca=True)
LEAF = issue("leaf", BETWEEN)
PATH = (LEAF.certificate, BETWEEN.certificate, ROOT.certificate)
DELEGATE = answers.responder(BETWEEN)
OF_LEAF = Made(BETWEEN, (LEAF.certificate,))
OF_BETWEEN = Made(ROOT, (BETWEEN.certificate,))


def stand(*made: Made) -> Standing:
    return standing([PATH], [parse_answer(one.data()) for one in made], at=AT)


def test_answers_that_call_every_certificate_good_are_enough() -> None:
    found = stand(OF_LEAF, OF_BETWEEN)
    assert (found.is_good, found.lacking) == (True, ())
    assert found.valid_until == AT + DAY / 2
    assert [one.kind for one in found.used] == ["ocsp", "ocsp"]


GOOD: dict[str, Made] = {
    "a responder that the issuer named": replace(OF_LEAF, by=DELEGATE),
    "a responder that is named by its key": replace(OF_LEAF, by=DELEGATE, by_hash=True),
    "the issuer, named by its key": replace(OF_LEAF, by_hash=True),
    "certificates that are named by SHA-1": replace(OF_LEAF, named_with=hashes.SHA1()),  # noqa: S303
    "an answer that ends when it does not say, today": replace(OF_LEAF, ends=None),
    "an answer from RSA": replace(
        OF_LEAF, by=answers.responder(BETWEEN, key=rsa.generate_private_key(65537, 2048))
    ),
    "another revocation, later": replace(OF_LEAF, status=REVOKED, when=AT + DAY / 4),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_answers_of_those_who_may_give_them_count(kind: str) -> None:
    is_good = GOOD[kind].status is answers.GOOD
    assert stand(GOOD[kind], OF_BETWEEN).is_good is is_good


NOT_GOOD: dict[str, tuple[tuple[Made, ...], tuple[str, ...]]] = {
    "no answer": ((), ("leaf", "between")),
    "an answer about the leaf alone": ((OF_LEAF,), ("between",)),
    "an answer about its authority alone": ((OF_BETWEEN,), ("leaf",)),
    "an answer that knows nothing": (
        (replace(OF_LEAF, status=UNKNOWN), OF_BETWEEN), ("leaf",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_GOOD)
def test_what_nobody_called_good_is_not_good(kind: str) -> None:
    made, lacking = NOT_GOOD[kind]
    found = stand(*made)
    assert (found.is_good, found.lacking) == (False, lacking)


def forged(name: str = "between") -> Issued:
    """An authority of the same name with another key."""
    return issue(name, ROOT, ca=True)


def impostor(by: Issued, *carries: Certificate) -> Made:
    """Signed by one who only has the name of another."""
    return replace(OF_LEAF, named=by.certificate, key=by, carries=carries)


BAD: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "a revoked certificate": (lambda: replace(OF_LEAF, status=REVOKED), HELD),
    "a certificate on hold": (
        lambda: replace(OF_LEAF, status=REVOKED, reason=ReasonFlags.certificate_hold), HELD,
    ),
    "a certificate revoked this second": (
        lambda: replace(OF_LEAF, status=REVOKED, when=AT), HELD,
    ),
    "an answer of yesterday": (lambda: replace(OF_LEAF, ends=AT - DAY / 24), EXPIRED),
    "an answer of tomorrow": (lambda: replace(OF_LEAF, begins=AT + DAY / 24), EXPIRED),
    "an answer of two days ago that does not end": (
        lambda: replace(OF_LEAF, begins=AT - 2 * DAY, ends=None), EXPIRED,
    ),
    "an answer about another certificate": (
        lambda: replace(OF_LEAF, about=(issue("leaf", BETWEEN).certificate,)), BINDING,
    ),
    "an answer about a root": (lambda: Made(ROOT, (ROOT.certificate,)), BINDING),
    "the same number of another authority": (
        lambda: Made(ROOT, (issue("a", ROOT, serial=LEAF.certificate.serial_number).certificate,)),
        BINDING,
    ),
    "the same number and name, another key": (
        lambda: Made(forged(), (LEAF.certificate,)), BINDING,
    ),
    "certificates that are named by an old hash": (
        lambda: replace(OF_LEAF, named_with=hashes.SHA224()), BINDING,
    ),
    "an issuer's name, another's key": (lambda: impostor(forged()), SIGNATURE),
    "a responder's name, another's key": (
        lambda: impostor(answers.responder(BETWEEN), DELEGATE.certificate), SIGNATURE,
    ),
    "a responder that does not show itself": (
        lambda: replace(OF_LEAF, by=DELEGATE, carries=()), CHAIN,
    ),
    "a responder that shows another": (
        lambda: replace(OF_LEAF, by=DELEGATE, carries=[LEAF.certificate]), CHAIN,
    ),
    "two responders of one name": (
        lambda: replace(OF_LEAF, by=DELEGATE, carries=[
            DELEGATE.certificate, answers.responder(BETWEEN).certificate,
        ]), CHAIN,
    ),
    "a certificate that is not for answers": (
        lambda: replace(OF_LEAF, by=issue("OCSP responder", BETWEEN)), CHAIN,
    ),
    "a certificate for other things": (
        lambda: replace(OF_LEAF, by=issue("OCSP responder", BETWEEN, extensions=[
            (answers.EKU[0], bytes.fromhex("300a06082b06010505070301"))])), CHAIN,
    ),
    "the certificate itself": (lambda: replace(OF_LEAF, by=LEAF), CHAIN),
    "a responder of the authority above": (
        lambda: replace(OF_LEAF, by=answers.responder(ROOT)), CHAIN,
    ),
    "the authority above": (lambda: replace(OF_LEAF, by=ROOT), CHAIN),
    "a responder of an authority of the same name": (
        lambda: replace(OF_LEAF, by=answers.responder(forged())), CHAIN,
    ),
    "a responder of yesterday": (
        lambda: replace(OF_LEAF, by=answers.responder(BETWEEN, ends=AT - DAY / 2)), EXPIRED,
    ),
    "a responder of tomorrow": (
        lambda: replace(OF_LEAF, by=answers.responder(BETWEEN, begins=AT + DAY / 2)), EXPIRED,
    ),
    "a weak hash": (lambda: replace(OF_LEAF, signed_with=hashes.SHA224()), CHAIN),
}  # fmt: skip


@pytest.mark.parametrize("damage", BAD)
def test_bad_answers_are_refused_for_their_reason(damage: str) -> None:
    make, error = BAD[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        stand(make(), OF_BETWEEN)
    assert type(raised.value) is error, raised.value


def test_one_good_and_one_bad_answer_about_a_certificate_are_a_bad_one() -> None:
    for made in ((OF_LEAF, replace(OF_LEAF, status=REVOKED)),) * 2:
        for order in (made, made[::-1]):
            with pytest.raises(HELD):
                stand(*order, OF_BETWEEN)


def test_a_hold_and_a_revocation_are_told_apart() -> None:
    hold = replace(OF_LEAF, status=REVOKED, reason=ReasonFlags.certificate_hold)
    with pytest.raises(HELD, match=r"`leaf` is on hold"):
        stand(hold)
    with pytest.raises(HELD, match=r"`leaf` is revoked"):
        stand(replace(hold, reason=ReasonFlags.key_compromise))


DATA = OF_LEAF.data()
BYTES: dict[str, bytes] = {
    "no bytes": b"",
    "other bytes": b"good",
    "one byte fewer": DATA[:-1],
    "one byte more": DATA + b"\0",
    "too long": DATA + bytes(MAX_ANSWER),
    "a refusal to answer": ocsp.OCSPResponseBuilder.build_unsuccessful(
        ocsp.OCSPResponseStatus.TRY_LATER
    ).public_bytes(Encoding.DER),
    "a certificate": LEAF.certificate.public_bytes(Encoding.DER),
}


@pytest.mark.parametrize("damage", BYTES)
def test_bytes_that_are_no_answer_are_refused(damage: str) -> None:
    with pytest.raises(MALFORMED):
        parse_answer(BYTES[damage])


def test_every_byte_of_what_an_answer_says_is_signed() -> None:
    signed = parse_answer(DATA).said.tbs_response_bytes
    begin = DATA.index(signed)
    for at in range(begin, begin + len(signed)):
        changed = DATA[:at] + bytes([DATA[at] ^ 0x01]) + DATA[at + 1 :]
        with pytest.raises(errors.EvidenceError):
            standing([PATH], [parse_answer(changed)], at=AT)


@settings(max_examples=60)
@given(st.integers(0, len(DATA)), st.binary(max_size=8), st.integers(0, 12))
def test_no_bytes_make_the_reader_fail_otherwise(at: int, new: bytes, drop: int) -> None:
    try:
        standing([PATH], [parse_answer(DATA[:at] + new + DATA[at + drop :])], at=AT)
    except errors.EvidenceError:
        return


def test_an_answer_under_a_condition_that_is_not_known_is_refused() -> None:
    for critical, outcome in ((True, MALFORMED), (False, None)):
        built = ocsp.OCSPResponseBuilder().add_response(
            cert=LEAF.certificate, issuer=BETWEEN.certificate, algorithm=hashes.SHA256(),
            cert_status=answers.GOOD, this_update=AT - DAY / 2, next_update=AT + DAY / 2,
            revocation_time=None, revocation_reason=None,
        )  # fmt: skip
        built = built.responder_id(ocsp.OCSPResponderEncoding.NAME, BETWEEN.certificate)
        built = built.add_extension(OCSPNonce(b"n" * 16), critical=critical)
        key: Any = BETWEEN.key
        data = built.sign(key, hashes.SHA384()).public_bytes(Encoding.DER)
        if outcome is None:
            assert standing([PATH], [parse_answer(data)], at=AT).lacking == ("between",)
        else:
            with pytest.raises(outcome):
                parse_answer(data)


def test_an_answer_under_a_key_of_another_kind_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    other: Any = answers.responder(BETWEEN, key=key)
    built = ocsp.OCSPResponseBuilder().add_response(
        cert=LEAF.certificate, issuer=BETWEEN.certificate, algorithm=hashes.SHA256(),
        cert_status=answers.GOOD, this_update=AT - DAY / 2, next_update=AT + DAY / 2,
        revocation_time=None, revocation_reason=None,
    )  # fmt: skip
    built = built.responder_id(ocsp.OCSPResponderEncoding.NAME, other.certificate)
    data = built.certificates([other.certificate]).sign(key, None).public_bytes(Encoding.DER)
    with pytest.raises(CHAIN):
        standing([PATH], [parse_answer(data)], at=AT)


# --- of a GPU and of the signers of its manifests ------------------------------------

MADE = gpu.Made()
MANIFESTS = (rims.driver(), rims.vbios())


def all_answers(*, gpu_status: ocsp.OCSPCertStatus = answers.GOOD) -> list[Made]:
    """About all that a maker issued: the device's authority, and both below the other root."""
    device_root, brom = gpu.authorities()
    root, between = rims.authorities()
    return [
        Made(device_root, (brom.certificate,), status=gpu_status),
        Made(root, (between.certificate,)),
        Made(between, (rims.signer().certificate,)),
    ]


def verify(*made: Made, manifests: tuple[rims.Made, ...] = MANIFESTS) -> Claims:
    return verify_report(
        parse_report(MADE.report()),
        chain=MADE.path(),
        at=AT,
        anchors=frozenset({fingerprint(gpu.authorities()[0].certificate)}),
        rims=[parse_signed_xml(one.data()) for one in manifests],
        rim_anchors=rims.anchors(),
        answers=[parse_answer(one.data()) for one in made],
    )


def judged(claims: Claims, *, without: bool) -> AttestationResult:
    (section,) = POLICY.sections.values()
    changed: Section = section.model_copy(update={"reference": (), "without_revocation": without})
    policy = replace(POLICY, sections={section.name: changed})
    return appraise(claims, policy, at=AT, freshness=Freshness.BACKGROUND, evidence_sha256="")


def test_a_gpu_of_which_all_is_called_good_is_accepted_without_any_waiver() -> None:
    claims = verify(*all_answers())
    assert claims.is_unrevoked is True
    assert claims.ends() == AT + DAY / 2
    result = judged(claims, without=False)
    assert (result.verdict, result.skipped) == (Verdict.ACCEPTED, ())


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_gpu_of_which_one_answer_is_missing_is_undecided_or_waived_by_name(missing: int) -> None:
    made = all_answers()
    del made[missing]
    claims = verify(*made)
    assert claims.is_unrevoked is False
    assert claims.detail["not_called_good"]
    result = judged(claims, without=False)
    assert (result.verdict, result.lacking) == (
        Verdict.UNDECIDED, ("a revocation list of the issuer",),
    )  # fmt: skip
    waived = judged(claims, without=True)
    assert waived.verdict is Verdict.ACCEPTED
    assert waived.skipped == ("nvidia-gpu.without_revocation",)


def test_an_authority_that_knows_nothing_of_a_gpu_does_not_call_it_good() -> None:
    claims = verify(*all_answers(gpu_status=UNKNOWN))
    assert (claims.is_unrevoked, claims.detail["not_called_good"]) == (False, "GH100 A01 GSP BROM")


def test_a_revoked_gpu_is_refused_whatever_a_policy_waives() -> None:
    with pytest.raises(HELD):
        verify(*all_answers(gpu_status=REVOKED))


def test_answers_about_manifests_that_are_not_there_are_refused() -> None:
    made = all_answers()
    assert verify(made[0], manifests=()).is_unrevoked is True
    with pytest.raises(BINDING):
        verify(*made, manifests=())


def test_a_device_right_below_the_root_is_asked_about_itself() -> None:
    root = gpu.authorities()[0]
    extra = [(gpu.OID, b"\x30\x34\x06\0\x04\x30" + gpu.FWID)]
    device = issue("GH100 A01 GSP FMC LF", root, extensions=extra)
    made = replace(MADE, device=device, chain=(device.certificate, root.certificate))
    assert made.verify().is_unrevoked is False


def test_answers_of_a_bundle_are_read(vectors: Path) -> None:
    folder = vectors / "nvidia-gpu"
    chain = read_pem_chain((folder / "hopper-chain-case1.pem").read_bytes())

    def verified(data: list[bytes]) -> Claims:
        document = {
            "format": FORMAT,
            "technology": "nvidia-gpu",
            "evidence": {
                "report": _encode(bytes.fromhex((folder / "hopper-report.hex").read_text()))
            },
            "endorsements": {
                "chain": [_encode(_der(one)) for one in chain],
                "ocsp": [_encode(one) for one in data],
            },
        }
        return verify_bundle(read_bundle(json.dumps(document).encode()), Anchors(), at=AT)

    assert verified([]).is_unrevoked is False
    with pytest.raises(BINDING):
        verified([DATA])
    forged = Made(issue("NVIDIA GH100 Identity", ca=True), (chain[2],)).data()
    with pytest.raises(BINDING):
        verified([forged])
    with pytest.raises(MALFORMED):
        verified([b"good"])
    with pytest.raises(MALFORMED):
        verified([DATA] * 33)


def _der(certificate: Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
