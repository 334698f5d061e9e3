"""Chains to pinned authorities, damaged one step at a time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation import errors
from gateway.attestation.chain import (
    MAX_CERTIFICATE,
    check_crl,
    fingerprint,
    read_certificate,
    read_crl,
    read_pem_chain,
    verify_chain,
)
from tests.gateway.attestation.chains import AT, DAY, Issued, issue, revoked

ROOT = issue("root", ca=True)
MIDDLE = issue("middle", ROOT, ca=True, path_length=0)
LEAF = issue("leaf", MIDDLE, ends=AT + DAY / 2)
PATH = [LEAF.certificate, MIDDLE.certificate, ROOT.certificate]
ANCHORS = frozenset({fingerprint(ROOT.certificate)})


def path(*issued: Issued) -> list[x509.Certificate]:
    return [one.certificate for one in issued]


def test_a_whole_chain_holds_until_the_first_of_it_ends() -> None:
    assert verify_chain(PATH, anchors=ANCHORS, at=AT) == AT + DAY / 2


def test_signatures_of_rsa_pss_hold() -> None:
    key = rsa.generate_private_key(65537, 2048)
    root = issue("ark", ca=True, key=key, pss=True)
    leaf = issue("vcek", root, pss=True)
    anchors = frozenset({fingerprint(root.certificate)})
    verify_chain(path(leaf, root), anchors=anchors, at=AT)


FOREIGN = issue("root", ca=True)  # another key under the same name
BY_LEAF = issue("below", LEAF)
DAMAGED: dict[str, tuple[Callable[[], list[x509.Certificate]], type[errors.EvidenceError]]] = {
    "no certificate": (list, errors.EvidenceChainError),
    "the leaf alone": (lambda: path(LEAF), errors.EvidenceChainError),
    "the authority alone": (lambda: path(ROOT), errors.EvidenceChainError),
    "the authority twice": (lambda: path(ROOT, ROOT), errors.EvidenceChainError),
    "a missing step": (lambda: path(LEAF, ROOT), errors.EvidenceChainError),
    "the wrong order": (lambda: path(MIDDLE, LEAF, ROOT), errors.EvidenceChainError),
    "an authority that is not pinned": (
        lambda: path(issue("x", FOREIGN), FOREIGN), errors.EvidenceChainError,
    ),
    "an authority with the name of the pinned one": (
        lambda: path(issue("m", FOREIGN, ca=True), ROOT), errors.EvidenceSignatureError,
    ),
    "a leaf signed by another key under the right name": (
        lambda: path(issue("leaf", issue("middle", ROOT, ca=True)), MIDDLE, ROOT),
        errors.EvidenceSignatureError,
    ),
    "a step that is no authority": (
        lambda: path(BY_LEAF, LEAF, MIDDLE, ROOT), errors.EvidenceChainError,
    ),
    "a step that may not sign": (
        lambda: _below(issue("m", ROOT, ca=True, cert_sign=False)), errors.EvidenceChainError,
    ),
    "more steps than an authority allows": (
        lambda: _below(issue("m", MIDDLE, ca=True), MIDDLE), errors.EvidenceChainError,
    ),
    "an authority where the leaf should be": (
        lambda: path(issue("x", issue("m", ROOT, ca=True), ca=True), ROOT)[:1]
        + path(MIDDLE, ROOT), errors.EvidenceError,
    ),
    "a leaf that is an authority": (lambda: path(MIDDLE, ROOT), errors.EvidenceChainError),
    "an expired step": (
        lambda: _below(issue("m", ROOT, ca=True, ends=AT - timedelta(seconds=1))),
        errors.EvidenceExpiredError,
    ),
    "a leaf of tomorrow": (
        lambda: path(issue("x", MIDDLE, begins=AT + timedelta(seconds=1)), MIDDLE, ROOT),
        errors.EvidenceExpiredError,
    ),
    "nine certificates": (lambda: path(LEAF, *[MIDDLE] * 7, ROOT), errors.EvidenceChainError),
}  # fmt: skip


def _below(step: Issued, *above: Issued) -> list[x509.Certificate]:
    return path(issue("leaf", step), step, *above, ROOT)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_chain_is_refused(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(error):
        verify_chain(make(), anchors=ANCHORS, at=AT)


def test_nobody_is_trusted_where_nobody_is_pinned() -> None:
    with pytest.raises(errors.EvidenceChainError):
        verify_chain(PATH, anchors=frozenset(), at=AT)


def test_a_chain_holds_at_its_borders_and_not_a_second_beyond() -> None:
    ends = LEAF.certificate.not_valid_after_utc
    begins = ROOT.certificate.not_valid_before_utc
    verify_chain(PATH, anchors=ANCHORS, at=ends)
    verify_chain(PATH, anchors=ANCHORS, at=begins)
    for at in (ends + timedelta(seconds=1), begins - timedelta(seconds=1)):
        with pytest.raises(errors.EvidenceExpiredError):
            verify_chain(PATH, anchors=ANCHORS, at=at)


def test_every_flipped_bit_of_a_leaf_is_refused() -> None:
    whole = LEAF.certificate
    der = whole.public_bytes(Encoding.DER)
    # The number of unused bits of the signature is neither signed nor part of it.
    unsigned = der.index(whole.signature) - 1
    for at in (number for number in range(len(der)) if number != unsigned):
        for bit in (1, 2, 32, 128):
            flipped = der[:at] + bytes([der[at] ^ bit]) + der[at + 1 :]
            with pytest.raises(errors.EvidenceError):
                verify_chain([read_certificate(flipped), *PATH[1:]], anchors=ANCHORS, at=AT)


def test_every_flipped_bit_of_a_revocation_list_is_refused() -> None:
    whole = revoked(MIDDLE, issue("other", MIDDLE).certificate)
    der = whole.public_bytes(Encoding.DER)
    unsigned = der.index(whole.signature) - 1
    for at in (number for number in range(len(der)) if number != unsigned):
        flipped = der[:at] + bytes([der[at] ^ 2]) + der[at + 1 :]
        with pytest.raises(errors.EvidenceError):
            check_crl(read_crl(flipped), MIDDLE.certificate, [LEAF.certificate], at=AT)


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x80", b"\xff" * 100, b"\x30\x82\xff\xff" + bytes(70_000)]
)
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    for read in (read_certificate, read_pem_chain, read_crl):
        with pytest.raises(errors.EvidenceMalformedError):
            read(data)


def test_a_certificate_with_bytes_after_it_is_refused() -> None:
    der = LEAF.certificate.public_bytes(Encoding.DER)
    for more in (b"\x00", bytes(MAX_CERTIFICATE)):
        with pytest.raises(errors.EvidenceMalformedError):
            read_certificate(der + more)


# --- revocation ----------------------------------------------------------------------


def test_a_list_that_does_not_name_it_counts_until_its_next_update() -> None:
    crl = revoked(MIDDLE, issue("other", MIDDLE).certificate)
    ends = check_crl(crl, MIDDLE.certificate, [LEAF.certificate], at=AT)
    assert ends == AT + DAY


@pytest.mark.parametrize(
    ("crl", "error"),
    [
        (revoked(MIDDLE, LEAF.certificate), errors.EvidenceRevokedError),
        (revoked(MIDDLE, ends=AT - timedelta(seconds=1), begins=AT - 2 * DAY),
         errors.EvidenceExpiredError),
        (revoked(MIDDLE, begins=AT + timedelta(seconds=1)), errors.EvidenceExpiredError),
        (revoked(MIDDLE, signer=ROOT), errors.EvidenceSignatureError),
        (revoked(ROOT), errors.EvidenceChainError),
    ],
    ids=["it is named", "an old list", "a list of the future", "of another key", "of another"],
)  # fmt: skip
def test_a_list_that_names_it_or_does_not_count_is_refused(
    crl: x509.CertificateRevocationList, error: type[errors.EvidenceError]
) -> None:
    with pytest.raises(error):
        check_crl(crl, MIDDLE.certificate, [LEAF.certificate], at=AT)


def test_what_was_revoked_later_counted_before() -> None:
    crl = revoked(MIDDLE, LEAF.certificate, when=AT)
    check_crl(crl, MIDDLE.certificate, [LEAF.certificate], at=AT - timedelta(seconds=1))
    with pytest.raises(errors.EvidenceRevokedError):
        check_crl(crl, MIDDLE.certificate, [LEAF.certificate], at=AT)
