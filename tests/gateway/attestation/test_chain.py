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


EKU = bytes.fromhex("300a06082b06010505070301")  # for servers of the web
NAMES = bytes.fromhex("300ba009300782056162636465")  # below a name of hosts


def condition(oid: str, value: bytes = b"\x05\0") -> Issued:
    return issue("leaf", MIDDLE, extensions=[(oid, value)], critical=True)


def test_a_condition_counts_only_for_who_reads_it() -> None:
    leaf = path(condition("2.5.29.37", EKU), MIDDLE, ROOT)
    read: list[x509.Certificate] = []
    verify_chain(leaf, anchors=ANCHORS, at=AT, check_leaf=read.append)
    assert read == leaf[:1]
    step = _below(issue("m", ROOT, ca=True, extensions=[("2.5.29.37", EKU)], critical=True))
    for unread in (path(condition("1.2.3"), MIDDLE, ROOT), step):
        with pytest.raises(errors.EvidenceChainError, match="condition that is not known"):
            verify_chain(unread, anchors=ANCHORS, at=AT, check_leaf=read.append)


def test_a_short_key_of_an_authority_is_weak() -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505
    root = issue("old", ca=True, key=key)
    leaf = issue("leaf", root)
    anchors = frozenset({fingerprint(root.certificate)})
    with pytest.raises(errors.EvidenceChainError, match="weak kind"):
        verify_chain(path(leaf, root), anchors=anchors, at=AT)


@pytest.mark.parametrize("old", [0x05, 0x04], ids=["SHA-1", "MD5"])
def test_a_weak_hash_is_refused_before_its_signature_is_looked_at(old: int) -> None:
    root = issue("old", ca=True, key=rsa.generate_private_key(65537, 2048))
    der = issue("leaf", root).certificate.public_bytes(Encoding.DER)
    named = bytes.fromhex("2a864886f70d0101")  # RSA with SHA-384, and with another hash
    assert der.count(named + b"\x0c") == 2
    leaf = read_certificate(der.replace(named + b"\x0c", named + bytes([old])))
    anchors = frozenset({fingerprint(root.certificate)})
    with pytest.raises(errors.EvidenceChainError, match="weak kind"):
        verify_chain([leaf, root.certificate], anchors=anchors, at=AT)


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
    "a leaf with a condition that is not known": (
        lambda: path(condition("1.2.3"), MIDDLE, ROOT), errors.EvidenceChainError,
    ),
    "a leaf for something else, which must be read": (
        lambda: path(condition("2.5.29.37", EKU), MIDDLE, ROOT), errors.EvidenceChainError,
    ),
    "a step with a condition that is not known": (
        lambda: _below(issue("m", ROOT, ca=True, extensions=[("2.5.29.30", NAMES)], critical=True)),
        errors.EvidenceChainError,
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


OF_AUTHORITIES = x509.IssuingDistributionPoint(
    full_name=None, relative_name=None, only_contains_user_certs=False,
    only_contains_ca_certs=True, only_some_reasons=None, indirect_crl=False,
    only_contains_attribute_certs=False,
)  # fmt: skip


def test_what_a_list_says_by_the_way_does_not_matter() -> None:
    crl = revoked(MIDDLE, more=(x509.CRLNumber(7), False))
    check_crl(crl, MIDDLE.certificate, [LEAF.certificate], at=AT)


@pytest.mark.parametrize(
    ("crl", "error"),
    [
        (revoked(MIDDLE, LEAF.certificate), errors.EvidenceRevokedError),
        (revoked(MIDDLE, ends=AT - timedelta(seconds=1), begins=AT - 2 * DAY),
         errors.EvidenceExpiredError),
        (revoked(MIDDLE, begins=AT + timedelta(seconds=1)), errors.EvidenceExpiredError),
        (revoked(MIDDLE, signer=ROOT), errors.EvidenceSignatureError),
        (revoked(ROOT), errors.EvidenceChainError),
        (revoked(MIDDLE, more=(x509.DeltaCRLIndicator(1), True)), errors.EvidenceUnsupportedError),
        (revoked(MIDDLE, more=(OF_AUTHORITIES, True)), errors.EvidenceUnsupportedError),
    ],
    ids=["it is named", "an old list", "a list of the future", "of another key", "of another",
         "of changes alone", "of authorities alone"],
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
