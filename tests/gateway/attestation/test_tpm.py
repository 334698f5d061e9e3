"""TPM quotes: real ones of four sources, and ones made here, damaged one thing at a time."""

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.appraise import appraise
from gateway.attestation.chain import fingerprint, read_certificate, read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.attestation.tpm import (
    AttestationKey,
    Vouched,
    certified_key,
    check_continuity,
    endorsement_key,
    parse_quote,
    verify_certified,
    verify_quote,
)
from gateway.attestation.tpm_event_log import check_events, parse_event_log
from gateway.attestation.tpm_structures import Values, parse_pcr_file, parse_public
from tests.gateway.attestation import tpms
from tests.gateway.attestation.chains import AT, DAY, issue
from tests.gateway.attestation.protobuf import fields
from tests.gateway.attestation.tpms import Made

GOOD = Made()
RSA = replace(GOOD, key=tpms.RSA, scheme=tpm.RSASSA)
NOW = datetime(2026, 11, 23, tzinfo=UTC)

# --- real evidence -------------------------------------------------------------------

VERDICTS = {
    "tpm-trustee": "indeterminate",
    "tpm-keylime-2016": "accept",
    "tpm-gce-nonce": "accept",
    "tpm-gce-sha1-bank": "reject-by-policy",
    "tpm-swtpm": "accept",
    "tpm-swtpm-wrong-nonce": "reject",
    "tpm-swtpm-forged": "reject",
    "tpm-swtpm-after-reboot": "reject",
    "tpm-swtpm-empty-bank": "reject",
    "tpm-eventlog-short": "accept",
    "tpm-eventlog-ubuntu": "indeterminate",
}


@pytest.fixture(scope="module")
def real(vectors: Path) -> Callable[[str], bytes]:
    return lambda name: (vectors / "tpm" / name).read_bytes()


Read = Callable[[str], bytes]


def facts(read: Read, name: str) -> dict[str, Any]:
    (found,) = [c for c in json.loads(read("expected.json"))["cases"] if c["id"] == name]
    return found["facts"]


def policy(*references: str) -> Any:
    rows = "".join(
        f'[[technology.reference]]\nmeasurement = "{name}"\nwaived = "real machines of others"\n'
        'source = "tests"\nvalid_from = 2010-01-01\n'
        for name in references
    )
    return read_policy(
        f"""
format = "charter-appraisal/v1"
id = "vectors"
owner = "tests"
source = "tests"
valid_from = 2010-01-01
[[technology]]
name = "tpm"
products = ["TPM"]
{rows}""".encode()
    )


def judged(claims: Claims, *references: str) -> Verdict:
    fresh = Freshness.BACKGROUND
    wanted = references or ("sha256:7",)
    return appraise(claims, policy(*wanted), at=NOW, freshness=fresh, evidence_sha256="").verdict


def test_no_real_case_is_left_out(real: Read) -> None:
    listed = json.loads(real("expected.json"))["cases"]
    assert {one["id"]: one["verdict"] for one in listed} == VERDICTS


def test_a_quote_of_a_bare_key_says_nothing_until_somebody_vouches(real: Read) -> None:
    document = json.loads(real("trustee-tpm-evidence.json"))
    sent = document["tpm_quote"]
    der = base64.b64decode(document["ak_public"])
    bare = load_der_public_key(der)
    assert isinstance(bare, rsa.RSAPublicKey)
    quote = parse_quote(base64.b64decode(sent["message"]), base64.b64decode(sent["signature"]))
    ((bank, numbers),) = quote.attest.selection
    values = {
        (bank, number): bytes.fromhex(value)
        for number, value in zip(numbers, sent["pcrs"], strict=True)
    }
    with pytest.raises(errors.EvidenceIncompleteError):
        verify_quote(quote, key=AttestationKey(bare, Vouched.NOBODY), values=values)
    claims = verify_quote(quote, key=AttestationKey(bare, Vouched.PINNED), values=values)
    check_bound(claims, bytes.fromhex(facts(real, "tpm-trustee")["nonce_hex"]))


def test_the_quote_of_keylime_holds_by_its_pinned_key(real: Read) -> None:
    key = load_pem_public_key(real("keylime/akpub.pem"))
    assert isinstance(key, rsa.RSAPublicKey)
    quote = parse_quote(real("keylime/quote.out"), real("keylime/quotesig.out"))
    values = parse_pcr_file(real("keylime/quotepcr.out"))
    claims = verify_quote(quote, key=AttestationKey(key, Vouched.PINNED), values=values)
    told = facts(real, "tpm-keylime-2016")
    check_bound(claims, bytes.fromhex(told["nonce_hex"]))
    assert list(claims.measurements) == [f"sha256:{n}" for n in told["pcr_selection"]]
    assert claims.detail["reset_count"] == told["reset_count"]
    assert judged(claims, "sha256:16") is Verdict.ACCEPTED


def gce(read: Read, bank: int) -> tuple[Claims, Values, bytes]:
    """The quote over one bank of the cloud's evidence, its values and its log."""
    parts = fields(read("gce-cos-85-nonce9009.pb"))
    area = parse_public(parts[1][0])
    key = AttestationKey.of(area, Vouched.PINNED)
    for sent in parts[2]:
        inner = fields(sent)
        quote = parse_quote(inner[1][0], inner[2][0])
        pcrs = fields(inner[3][0])
        if quote.attest.selection[0][0] != bank:
            continue
        values: dict[tuple[int, int], bytes] = {}
        for row in pcrs[2]:
            pair = fields(row)
            values[bank, int.from_bytes(pair.get(1, [b""])[0])] = pair[2][0]
        return verify_quote(quote, key=key, values=values), values, parts[3][0]
    raise AssertionError("no such quote")


@pytest.mark.parametrize("bank", [tpm.SHA256, tpm.SHA384])
def test_the_quotes_of_a_cloud_hold_and_its_log_leads_to_them(real: Read, bank: int) -> None:
    claims, values, log = gce(real, bank)
    told = facts(real, "tpm-gce-nonce")
    check_bound(claims, bytes.fromhex(told["nonce_hex"]))
    assert claims.detail["reset_count"] == told["reset_count"]
    if bank == tpm.SHA256:
        assert check_events(parse_event_log(log), values, bank) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert judged(claims, f"{tpm.HASH_NAMES[bank]}:7") is Verdict.ACCEPTED


def test_a_bank_of_sha1_is_read_and_refused_by_policy(real: Read) -> None:
    claims, _, _ = gce(real, tpm.SHA1)
    assert claims.advisories == ("SHA-1 bank",)
    assert judged(claims, "sha1:7") is Verdict.REFUSED


def swtpm(read: Read) -> tuple[Claims, Values]:
    area = parse_public(read("swtpm/ak-tpm2b-public.bin"))
    assert area.name == read("swtpm/ak.name")
    path = [
        read_certificate(read("swtpm/ek-cert.der")),
        *read_pem_chain(read("swtpm/ek-issuer.pem")),
        *read_pem_chain(read("swtpm/ek-root.pem")),
    ]
    ek = parse_public(read("swtpm/ek-tpm2b-public.bin"))
    endorsement_key(path, ek, anchors=frozenset({fingerprint(path[-1])}), at=NOW)
    quote = parse_quote(read("swtpm/quote.msg"), read("swtpm/quote.sig"))
    values = parse_pcr_file(read("swtpm/quote.pcrs"))
    key = AttestationKey.of(area, Vouched.ACTIVATED)
    asked = quote.attest.selection
    return verify_quote(quote, key=key, values=values, selection=asked), values


def test_the_quote_of_a_software_tpm_holds_with_its_ek_and_events(real: Read) -> None:
    claims, values = swtpm(real)
    told = facts(real, "tpm-swtpm")
    check_bound(claims, bytes.fromhex(real("swtpm/nonce.hex").decode()))
    assert sorted(int(n.partition(":")[2]) for n in claims.measurements) == told["pcr_selection"]
    events = [
        tpms.old_event(0, 3, bytes(20), b"Spec ID Event03\0" + bytes(8)
                       + struct.pack("<IHH", 1, tpm.SHA256, 32)),
    ]  # fmt: skip
    for row in json.loads(real("swtpm/events.json")):
        data = row["data_utf8"].encode()
        digest = tpm_sha256(data)
        events.append(tpms.event(row["pcr"], 13, {tpm.SHA256: digest}, data))
    assert check_events(parse_event_log(b"".join(events)), values, tpm.SHA256) == [16]
    assert judged(claims) is Verdict.ACCEPTED


def tpm_sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_a_software_tpm_with_the_nonce_of_another_request_is_refused(real: Read) -> None:
    claims, _ = swtpm(real)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, bytes(32))


def test_a_quote_that_an_unrestricted_key_of_a_real_tpm_signed_is_refused(real: Read) -> None:
    area = parse_public(real("swtpm/forged/key-tpm2b-public.bin"))
    ak = AttestationKey.of(parse_public(real("swtpm/ak-tpm2b-public.bin")), Vouched.ACTIVATED)
    certify = (real("swtpm/forged/key-certify.attest"), real("swtpm/forged/key-certify.sig"))
    verify_certified(*certify, by=ak, public=area)  # it is in the TPM, indeed
    quote = parse_quote(real("swtpm/forged/quote.msg"), real("swtpm/forged/quote.sig"))
    for vouched in Vouched:
        expected = (
            errors.EvidenceIncompleteError if vouched is Vouched.NOBODY
            else errors.EvidenceBindingError
        )  # fmt: skip
        with pytest.raises(expected):
            verify_quote(quote, key=AttestationKey.of(area, vouched), values={})


def test_after_a_reboot_what_was_admitted_does_not_hold(real: Read) -> None:
    claims, values = swtpm(real)
    admitted = {"reset_count": 2, "restart_count": 0}
    check_continuity(claims, **admitted)
    area = parse_public(real("swtpm/after-reboot/ak-tpm2b-public.bin"))
    message = real("swtpm/after-reboot/quote.msg")
    quote = parse_quote(message, real("swtpm/after-reboot/quote.sig"))
    key = AttestationKey.of(area, Vouched.PINNED)
    with pytest.raises(errors.EvidenceBindingError):
        verify_quote(quote, key=key, values=values)  # the values of before
    after = verify_quote(quote, key=key, values={**values, (tpm.SHA256, 16): bytes(32)})
    with pytest.raises(errors.EvidenceBindingError, match="started anew"):
        check_continuity(after, **admitted)


def test_a_bank_that_the_tpm_left_out_is_noticed(real: Read) -> None:
    area = parse_public(real("swtpm/after-reboot/ak-tpm2b-public.bin"))
    quote = parse_quote(real("swtpm/empty-bank/quote.msg"), real("swtpm/empty-bank/quote.sig"))
    key = AttestationKey.of(area, Vouched.PINNED)
    asked = ((tpm.SHA1, (0,)), (tpm.SHA256, (16,)))
    with pytest.raises(errors.EvidenceBindingError, match="asked for"):
        verify_quote(quote, key=key, values={}, selection=asked)


def test_a_short_log_is_one_of_the_old_format(real: Read) -> None:
    log = parse_event_log(real("eventlog-short-no-action.bin"))
    assert (len(log.events), dict(log.sizes)) == (1, {tpm.SHA1: 20})


def test_a_real_log_is_replayed_and_without_a_quote_says_nothing(real: Read) -> None:
    log = parse_event_log(real("eventlog-ubuntu-2404-sevsnp.bin"))
    assert len(log.events) == 116
    found = log.replay(tpm.SHA256)
    assert sorted(found) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14]
    with pytest.raises(errors.EvidenceBindingError):
        check_events(log, {}, tpm.SHA256)


# --- quotes made here ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "scheme", "hash_"),
    [
        (tpms.ECC, tpm.ECDSA, tpm.SHA256), (tpms.ECC, tpm.ECDSA, tpm.SHA384),
        (tpms.RSA, tpm.RSASSA, tpm.SHA256), (tpms.RSA, tpm.RSAPSS, tpm.SHA256),
        (tpms.RSA, tpm.RSAPSS, tpm.SHA512),
    ],
)  # fmt: skip
def test_a_quote_of_every_scheme_holds(key: tpms.Private, scheme: int, hash_: int) -> None:
    claims = replace(GOOD, key=key, scheme=scheme, hash=hash_).verify()
    assert claims.measurements["sha256:16"] == b"\x10" * 32
    assert (claims.bound, claims.advisories) == (b"nonce", ())
    assert judged(claims) is Verdict.ACCEPTED


BINDING, MALFORMED = errors.EvidenceBindingError, errors.EvidenceMalformedError
SIGNATURE, UNSUPPORTED = errors.EvidenceSignatureError, errors.EvidenceUnsupportedError
INCOMPLETE = errors.EvidenceIncompleteError
OTHER = {**tpms.VALUES, (tpm.SHA256, 7): b"x" * 32}
DAMAGED: dict[str, tuple[Callable[[], object], type[errors.EvidenceError]]] = {
    "another magic": (lambda: replace(GOOD, magic=0xFF544348).verify(), MALFORMED),
    "a certification": (lambda: replace(GOOD, kind=tpm.CERTIFY).verify(), MALFORMED),
    "another kind": (lambda: replace(GOOD, kind=0x801A).verify(), UNSUPPORTED),
    "a byte after": (lambda: replace(GOOD, tail=b"\0").verify(), MALFORMED),
    "a byte too little": (lambda: GOOD.verify(message=GOOD.message()[:-1]), MALFORMED),
    "nothing": (lambda: GOOD.verify(message=b""), MALFORMED),
    "too much": (lambda: GOOD.verify(message=bytes(20_000)), MALFORMED),
    "a flag of 2": (lambda: replace(GOOD, safe=2).verify(), MALFORMED),
    "the nonce changed": (
        lambda: GOOD.verify(message=replace(GOOD, extra=b"Nonce").message()), SIGNATURE,
    ),
    "the reset count changed": (
        lambda: GOOD.verify(message=replace(GOOD, reset_count=3).message()), SIGNATURE,
    ),
    "the signature of another key": (
        lambda: GOOD.verify(
            signature=replace(GOOD, key=ec.generate_private_key(ec.SECP256R1())).signature(
                GOOD.message())), SIGNATURE,
    ),
    "a signature of zeros": (
        lambda: GOOD.verify(signature=struct.pack(">HHH32xH32x", 0x18, 11, 32, 32)), SIGNATURE,
    ),
    "a signature that is cut": (
        lambda: GOOD.verify(signature=GOOD.signature(GOOD.message())[:-1]), MALFORMED,
    ),
    "a byte after the signature": (
        lambda: GOOD.verify(signature=GOOD.signature(GOOD.message()) + b"\0"), MALFORMED,
    ),
    "a signature of a scheme that is not known": (
        lambda: GOOD.verify(signature=struct.pack(">HHH", 0x1A, 11, 0)), UNSUPPORTED,
    ),
    "a signature with SHA-1": (lambda: replace(RSA, hash=tpm.SHA1).verify(), UNSUPPORTED),
    "RSA under the name of ECDSA": (
        lambda: RSA.verify(signature=GOOD.signature(RSA.message())), UNSUPPORTED,
    ),
    "ECDSA under the name of RSA": (
        lambda: GOOD.verify(signature=RSA.signature(GOOD.message())), UNSUPPORTED,
    ),
    "nobody vouches": (lambda: replace(GOOD, vouched=Vouched.NOBODY).verify(), INCOMPLETE),
    "an activated key without its public area": (
        lambda: replace(GOOD, vouched=Vouched.ACTIVATED, with_public=False).verify(), INCOMPLETE,
    ),
    "an unrestricted key": (lambda: replace(GOOD, attributes=0x40072).verify(), BINDING),
    "a key that decrypts too": (lambda: replace(GOOD, attributes=0x70072).verify(), BINDING),
    "a key that does not sign": (lambda: replace(GOOD, attributes=0x10072).verify(), BINDING),
    "a key that may leave its TPM": (lambda: replace(GOOD, attributes=0x50070).verify(), BINDING),
    "a key that may move": (lambda: replace(GOOD, attributes=0x50062).verify(), BINDING),
    "a key that came from outside": (lambda: replace(GOOD, attributes=0x50052).verify(), BINDING),
    "values of other PCRs": (lambda: tpms.with_values(GOOD, OTHER).verify(), BINDING),
    "a value that is missing": (
        lambda: tpms.with_values(GOOD, {k: v for k, v in OTHER.items() if k[1] != 16}).verify(),
        INCOMPLETE,
    ),
    "a value of another length": (
        lambda: tpms.with_values(GOOD, {**OTHER, (tpm.SHA256, 7): b"x" * 31}).verify(), MALFORMED,
    ),
    "other PCRs than asked for": (
        lambda: replace(GOOD, asked=((tpm.SHA256, (0, 1, 7)),)).verify(), BINDING,
    ),
    "another bank than asked for": (
        lambda: replace(GOOD, asked=((tpm.SHA384, tpms.PCRS),)).verify(), BINDING,
    ),
    "no PCR": (lambda: replace(GOOD, selection=()).verify(), BINDING),
    "an empty selection": (lambda: replace(GOOD, selection=((tpm.SHA256, ()),)).verify(), BINDING),
    "a bank that is not known": (
        lambda: replace(GOOD, selection=((0x12, (0,)),), digest=bytes(32)).verify(), UNSUPPORTED,
    ),
    "seventeen selections": (
        lambda: replace(GOOD, selection=((tpm.SHA256, (0,)),) * 17).verify(), MALFORMED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_quote_is_refused_for_its_reason(damage: str) -> None:
    verify, error = DAMAGED[damage]
    with pytest.raises(error):
        verify()


def test_a_clock_that_may_have_gone_back_is_refused_by_policy() -> None:
    assert judged(replace(GOOD, safe=0).verify()) is Verdict.REFUSED


@pytest.mark.parametrize("counts", [(3, 0), (1, 0), (2, 1)])
def test_a_machine_that_was_started_anew_is_not_the_admitted_one(counts: tuple[int, int]) -> None:
    claims = GOOD.verify()
    check_continuity(claims, reset_count=2, restart_count=0)
    with pytest.raises(errors.EvidenceBindingError):
        check_continuity(claims, reset_count=counts[0], restart_count=counts[1])


# --- who vouches ---------------------------------------------------------------------


def test_a_key_of_a_certificate_counts_as_long_as_that() -> None:
    root = issue("cloud", ca=True)
    leaf = issue("ak", root, key=tpms.ECC)
    path = [leaf.certificate, root.certificate]
    anchors = frozenset({fingerprint(root.certificate)})
    key = certified_key(path, anchors=anchors, at=AT)
    quote = parse_quote(GOOD.message(), GOOD.signature(GOOD.message()))
    claims = verify_quote(quote, key=key, values=GOOD.values)
    assert claims.valid_until == leaf.certificate.not_valid_after_utc
    assert claims.detail["vouched"] == "certified"
    with pytest.raises(errors.EvidenceExpiredError):
        certified_key(path, anchors=anchors, at=AT + 2 * DAY)
    with pytest.raises(errors.EvidenceChainError):
        certified_key(path, anchors=frozenset(), at=AT)


EK = tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES, storage=True)


@pytest.mark.parametrize(
    ("area", "error"),
    [
        (tpms.public(tpms.ECC, tpms.EK_ATTRIBUTES, storage=True), BINDING),
        (tpms.public(tpms.RSA), BINDING),
        (tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES & ~tpm.RESTRICTED, storage=True), BINDING),
        (tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES & ~tpm.FIXED_TPM, storage=True), BINDING),
        (tpms.public(tpms.RSA, tpms.EK_ATTRIBUTES | tpm.SIGN, storage=True), BINDING),
    ],
    ids=["another key", "a key that signs", "unrestricted", "may leave", "signs too"],
)
def test_an_ek_that_is_none_is_refused(area: tpm.Public, error: type[errors.EvidenceError]) -> None:
    root, leaf = EK_PATH
    path = [leaf.certificate, root.certificate]
    anchors = frozenset({fingerprint(root.certificate)})
    assert endorsement_key(path, EK, anchors=anchors, at=AT)
    with pytest.raises(error):
        endorsement_key(path, area, anchors=anchors, at=AT)


EK_USAGE = bytes.fromhex("30070605678105 0801".replace(" ", ""))
EK_ROOT = issue("maker", ca=True)
EK_PATH = (EK_ROOT, issue("ek", EK_ROOT, key=tpms.RSA, extensions=[("2.5.29.37", EK_USAGE)]))


def test_a_certificate_that_is_not_one_of_an_ek_is_refused() -> None:
    anchors = frozenset({fingerprint(EK_ROOT.certificate)})
    for leaf in (issue("ek", EK_ROOT, key=tpms.RSA),):
        with pytest.raises(BINDING):
            endorsement_key([leaf.certificate, EK_ROOT.certificate], EK, anchors=anchors, at=AT)
    strange = issue("ek", EK_ROOT, key=tpms.ECC)
    with pytest.raises(errors.EvidenceError):
        endorsement_key([strange.certificate, EK_ROOT.certificate], EK, anchors=anchors, at=AT)


def test_a_certificate_of_a_key_that_no_tpm_has_is_refused() -> None:
    root = issue("cloud", ca=True)
    leaf = issue("ak", root, key=Ed25519PrivateKey.generate())  # pyright: ignore[reportArgumentType]
    anchors = frozenset({fingerprint(root.certificate)})
    with pytest.raises(errors.EvidenceUnsupportedError):
        certified_key([leaf.certificate, root.certificate], anchors=anchors, at=AT)


# --- event logs ----------------------------------------------------------------------

D1, D2 = b"\1" * 32, b"\2" * 32
HEAD = tpms.spec_id((tpm.SHA256, 32), (tpm.SHA1, 20))
LOG = HEAD + tpms.event(7, 1, {tpm.SHA256: D1}) + tpms.event(7, 1, {tpm.SHA256: D2})


def extended(*digests: bytes, first: int = 0) -> bytes:
    value = first.to_bytes(32)
    for digest in digests:
        value = tpm_sha256(value + digest)
    return value


def test_events_lead_to_registers_in_their_order() -> None:
    log = parse_event_log(LOG)
    assert log.replay(tpm.SHA256) == {7: extended(D1, D2)}
    assert check_events(log, {(tpm.SHA256, 7): extended(D1, D2)}, tpm.SHA256) == [7]
    for wrong in (extended(D2, D1), extended(D1), bytes(32)):
        with pytest.raises(errors.EvidenceBindingError):
            check_events(log, {(tpm.SHA256, 7): wrong}, tpm.SHA256)


def test_what_only_informs_extends_nothing_and_a_locality_is_the_first_value() -> None:
    located = tpms.event(0, 3, {tpm.SHA256: D1}, b"StartupLocality\0\3")
    log = parse_event_log(HEAD + located + tpms.event(0, 8, {tpm.SHA256: D1}))
    assert log.replay(tpm.SHA256) == {0: extended(D1, first=3)}


def test_room_that_is_left_ends_a_log() -> None:
    assert parse_event_log(LOG + b"\xff" * 64) == parse_event_log(LOG)
    with pytest.raises(MALFORMED):
        parse_event_log(LOG + b"\xff" * 8 + b"\0")


@pytest.mark.parametrize(
    "data",
    [
        b"", LOG[:-1], LOG + b"\0", bytes(2_000_000), HEAD[:-30],
        HEAD + tpms.event(7, 1, {tpm.SHA384: bytes(48)}),
        HEAD + struct.pack("<III", 7, 1, 3),
        HEAD + struct.pack("<IIIH", 7, 1, 2, tpm.SHA256) + D1 + struct.pack("<H", tpm.SHA256) + D1,
        HEAD + struct.pack("<III", 7, 1, 0) + struct.pack("<I", 0xFFFFFFF0),
        tpms.spec_id((tpm.SHA256, 31)), tpms.spec_id(), tpms.spec_id(*[(n, 65) for n in (1, 2)]),
        HEAD + tpms.event(0, 3, {tpm.SHA256: D1}, b"StartupLocality\0\7"),
        HEAD + tpms.event(0, 3, {tpm.SHA256: D1}, b"StartupLocality\0"),
        HEAD + tpms.event(1, 1, {}) * 10_001,
    ],
    ids=["nothing", "cut", "a byte after", "too much", "a cut head", "an unknown hash",
         "three digests", "a digest twice", "too long an event", "a short hash", "no hashes",
         "a long hash", "a strange locality", "no locality", "too many events"],
)  # fmt: skip
def test_a_log_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(MALFORMED):
        parse_event_log(data)


# --- hostile bytes -------------------------------------------------------------------


@given(st.binary(max_size=800))
def test_no_bytes_make_a_parser_fail_otherwise(data: bytes) -> None:
    parsers: list[Callable[[bytes], object]] = [
        tpm.parse_attest, tpm.parse_signature, parse_public, parse_pcr_file, parse_event_log,
    ]  # fmt: skip
    for parse in parsers:
        for head in (b"", GOOD.message()[:30], HEAD, tpms.public().raw[:12]):
            try:
                parse(head + data)
            except errors.EvidenceError:
                continue


MESSAGE = GOOD.message()
SIGNED = GOOD.signature(MESSAGE)


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_no_byte_of_a_quote_can_be_another(at: int, change: int) -> None:
    body = MESSAGE[:at] + bytes([MESSAGE[at] ^ change]) + MESSAGE[at + 1 :]
    with pytest.raises(errors.EvidenceError):
        GOOD.verify(message=body, signature=SIGNED)
